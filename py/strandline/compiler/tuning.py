"""Which of several kernels is fastest for a shape, measured once on this machine and remembered."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

SCHEMA = "strandline.tuning/1"
BUDGET = 0.01
"""Seconds that measuring one choice may take, beyond three rounds."""
GAIN = 0.03
"""What another candidate must save, as a share of the time, before it replaces the policy's choice."""


def default_path() -> Path:
    """The record in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "strandline" / "tuning.json"


class Tuning:
    """A record of choices: key (instruction set, operator, shape) -> name of the candidate.

    With a `path` it starts from what the file holds, and every new choice is written there. What cannot
    be read is left aside with a warning, and replaced by the next choice. Without a path `to_json` and
    `from_json` let a page keep it.
    """

    def __init__(
        self,
        choices: Mapping[str, str] | None = None,
        *,
        path: str | Path | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.choices = {**self._stored(), **(choices or {})}
        self.measured = 0
        """How many choices were measured, not remembered."""
        self._clock = clock

    @classmethod
    def from_json(cls, text: str, *, clock: Callable[[], float] = perf_counter) -> Tuning:
        """The record that `to_json` wrote; an empty one, with a warning, if it is none."""
        return cls(_parsed(text, "the given record"), clock=clock)

    def to_json(self) -> str:
        """The record as text: the same choices give the same text."""
        document = {"schema": SCHEMA, "choices": dict(sorted(self.choices.items()))}
        return json.dumps(document, indent=1) + "\n"

    def choose(
        self, key: str, names: Sequence[str], prepare: Callable[[str], Callable[[], None]]
    ) -> str:
        """One of `names`, of which the first is the policy's: the remembered one, else the fastest.

        `prepare` makes a candidate ready and gives what runs it once.
        """
        known = self.choices.get(key)
        if known is not None and known in names:
            return known
        chosen = self.choices[key] = self._fastest({name: prepare(name) for name in names})
        self.measured += 1
        self._save()
        return chosen

    def _fastest(self, runs: Mapping[str, Callable[[], None]]) -> str:
        """The candidates take turns; each counts by its best round, which other work disturbs least."""
        best: dict[str, float] = {}
        for run in runs.values():
            run()
        spent, rounds = 0.0, 0
        while rounds < 3 or spent < BUDGET:
            for name, run in runs.items():
                started = self._clock()
                run()
                seconds = self._clock() - started
                best[name] = min(seconds, best.get(name, seconds))
                spent += seconds
            rounds += 1
            if not spent and rounds > 3:
                break  # the clock is too coarse to tell anything
        default = next(iter(runs))
        fastest = min(best, key=lambda name: best[name])
        return fastest if best[fastest] < (1 - GAIN) * best[default] else default

    def _stored(self) -> dict[str, str]:
        if self.path is None or not self.path.exists():
            return {}
        try:
            return _parsed(self.path.read_text(encoding="utf-8"), str(self.path))
        except (OSError, UnicodeDecodeError) as error:
            _warn(str(self.path), str(error))
            return {}

    def _save(self) -> None:
        """Write all choices, with those that another session wrote meanwhile, in one step."""
        if self.path is None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it was said when the record was opened
            self.choices = {**self._stored(), **self.choices}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            fresh.write_text(self.to_json(), encoding="utf-8")
            fresh.replace(self.path)
        except OSError as error:
            warnings.warn(f"choices can't be remembered in {self.path}: {error}", stacklevel=2)
            self.path = None


def _parsed(text: str, where: str) -> dict[str, str]:
    """The choices in a record's text; none, with a warning, when it is none."""
    try:
        document: Any = json.loads(text)
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        choices = document.get("choices")
        if not isinstance(choices, dict) or not all(isinstance(v, str) for v in choices.values()):
            raise ValueError("its choices are not names by keys")
        return choices
    except ValueError as error:
        _warn(where, str(error))
        return {}


def _warn(where: str, why: str) -> None:
    warnings.warn(f"{where} is no record of choices ({why}): measuring anew", stacklevel=3)
