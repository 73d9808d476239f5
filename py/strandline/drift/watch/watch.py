"""All features of a reference, watched together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from strandline.drift.profile import Profile
from strandline.drift.reference import Reference
from strandline.drift.tally import WireError
from strandline.drift.watch.sequential import SequentialTest, e_benjamini_hochberg


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watch says of one feature."""

    name: str
    log_e: float
    """ln of the e-value now"""
    p_value: float
    """anytime-valid, of this feature alone"""
    since: int | None
    """number of the look, 1, 2 …, at which the alarm came; `None`: no alarm so far"""

    def to_json(self) -> dict[str, Any]:
        return {
            "feature": self.name,
            "log_e": self.log_e if isfinite(self.log_e) else None,
            "p_value": self.p_value,
            "since": self.since,
        }


class Watch:
    """A sequential test for each feature, looked at as often as one likes.

    At every look the expected share of false alarms among the features that alarm then is at most
    `alpha`, whatever the dependence between features (e-BH); an alarm stays.

    Parameters
    ----------
    reference
        Its features are watched, but for those that held no row.
    alpha
        Level, in (0, 1).

    Examples
    --------
    >>> reference = Reference.from_columns({"speed": [i / 10 for i in range(1000)]})
    >>> watch = Watch(reference)
    >>> for day in range(10):
    ...     window = Profile(reference)
    ...     window.update({"speed": [(i + 40 * (day > 6)) % 110 for i in range(100)]})
    ...     watch.update(window)
    >>> [(one.name, one.since) for one in watch.features]
    [('speed', 8)]
    """

    def __init__(self, reference: Reference, *, alpha: float = 0.05) -> None:
        self.alpha = alpha
        watched = [feature for feature in reference if feature.tally.rows]
        self._tests = {
            feature.name: SequentialTest(feature, alpha=alpha, tests=len(watched))
            for feature in watched
        }
        self._since: dict[str, int] = {}
        self.looks = 0
        """windows so far"""

    def update(self, window: Profile, weight: float = 1.0) -> None:
        """A window more; `weight` is that of a row, 1 over the rows of a session where rows of one
        session are alike.
        """
        self.looks += 1
        for name, test in self._tests.items():
            test.update(window[name], weight)
        alarms = e_benjamini_hochberg([test.log_e for test in self._tests.values()], self.alpha)
        for name, alarm in zip(self._tests, alarms, strict=True):
            if alarm:
                self._since.setdefault(name, self.looks)

    @property
    def features(self) -> tuple[Watched, ...]:
        """What is said now, in the reference's order."""
        return tuple(
            Watched(name, test.log_e, test.p_value, self._since.get(name))
            for name, test in self._tests.items()
        )

    def copy(self) -> Watch:
        """One that goes on by itself."""
        twin = object.__new__(Watch)
        twin.__dict__ = dict(self.__dict__)
        twin._tests = {name: test.copy() for name, test in self._tests.items()}
        twin._since = dict(self._since)
        return twin

    def to_json(self) -> dict[str, Any]:
        """The state; `from_json` goes on from it."""
        return {
            "schema": "strandline.watches/1",
            "looks": self.looks,
            "since": self._since,
            "tests": [test.to_json() for test in self._tests.values()],
        }

    @staticmethod
    def from_json(state: Mapping[str, Any], reference: Reference, *, alpha: float = 0.05) -> Watch:
        """Go on from a state. Raises `WireError` when it is none, or of another reference."""
        watch = Watch(reference, alpha=alpha)
        tests = state.get("tests", ())
        names = [test.get("feature") for test in tests]
        if state.get("schema") != "strandline.watches/1" or names != list(watch._tests):
            raise WireError("this is no state of a watch of this reference")
        watch._tests = {
            name: SequentialTest.from_json(test, reference[name])
            for name, test in zip(names, tests, strict=True)
        }
        watch.looks, watch._since = state["looks"], dict(state["since"])
        return watch
