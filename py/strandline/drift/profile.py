"""What a session, a window or a table held, in the bins of a reference; adds up exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from strandline.drift.columns import as_columns
from strandline.drift.reference import Reference
from strandline.drift.tally import Tally, WireError

FEW_CELLS: Final = 64
"""a shorter list waits for more: a pass costs some 10 µs, a cell in it some 10 ns"""
MANY_CELLS: Final = 512


class Profile:
    """Counts and exact sums per feature.

    ``a + b`` is bit for bit the profile of the rows of both, in any order and grouping. `update`
    counts rows in; nothing ever takes them out.

    Parameters
    ----------
    reference
        Says which features there are and how they are binned.

    Examples
    --------
    >>> reference = Reference.from_columns({"speed": [0.5, 1.5, 2.5, 3.5]})
    >>> morning, evening = Profile(reference), Profile(reference)
    >>> morning.update({"speed": [1.0, 2.0, None]})
    >>> evening.update({"speed": ["2.75", "fast"]})
    >>> day = morning + evening
    >>> day.rows, day["speed"].missing, day["speed"].invalid, day["speed"].mean
    (5, 1, 1, 1.9166666666666667)
    >>> Profile.from_wire(day.to_wire(), reference) == day
    True
    """

    __slots__ = ("_counted", "_waiting", "reference")

    def __init__(self, reference: Reference, tallies: Mapping[str, Tally] | None = None) -> None:
        self.reference = reference
        self._counted: dict[str, Tally] = dict(tallies or {})
        self._waiting: dict[str, list[Any]] = {}

    @staticmethod
    def from_rows(table: Any, reference: Reference) -> Profile:
        """The profile of a table: a mapping of columns, a list of dicts, or a pandas, polars or
        pyarrow table.

        Columns that the reference does not have are left aside; outputs may be absent. Raises
        `ValueError` when one of the reference's features is not there.
        """
        columns = as_columns(table)
        absent = [f.name for f in reference if f.role == "feature" and f.name not in columns]
        if absent:
            raise ValueError(
                f"the table has no column {', '.join(map(repr, absent))}, which the reference has; "
                f"it has {', '.join(map(repr, columns)) or 'none'}"
            )
        profile = Profile(reference)
        profile.update({name: column for name, column in columns.items() if name in reference})
        return profile

    def update(self, columns: Mapping[str, Any]) -> None:
        """Count cells in, by feature name; features that are not named see nothing. All or nothing.

        Raises `ValueError` for a name that the reference does not have.
        """
        unknown = [name for name in columns if name not in self.reference]
        if unknown:
            raise ValueError(f"the reference has no feature {', '.join(map(repr, unknown))}")
        if all(type(column) is list and len(column) < FEW_CELLS for column in columns.values()):
            self._wait(columns)
            return
        seen = {name: self.reference[name].count(column) for name, column in columns.items()}
        for name, tally in seen.items():
            self._add(name, tally)

    def _wait(self, columns: Mapping[str, list[Any]]) -> None:
        """Keep a few cells until they are worth a pass over them; counting later counts the same."""
        for name, column in columns.items():
            cells = self._waiting.setdefault(name, [])
            cells += column
            if len(cells) >= MANY_CELLS:
                del self._waiting[name]
                self._add(name, self.reference[name].count(cells))

    @property
    def _tallies(self) -> dict[str, Tally]:
        """All that was counted in, by feature name."""
        while self._waiting:
            name, cells = self._waiting.popitem()
            self._add(name, self.reference[name].count(cells))
        return self._counted

    def _add(self, name: str, tally: Tally) -> None:
        before = self._counted.get(name)
        self._counted[name] = tally if before is None else before + tally  # type: ignore[operator]

    @property
    def rows(self) -> int:
        """Rows seen: the most that any feature or output has."""
        return max(
            (
                tally.rows
                for name, tally in self._tallies.items()
                if self.reference[name].role != "system"
            ),
            default=0,
        )

    def __getitem__(self, name: str) -> Tally:
        tally = self._tallies.get(name)
        return self.reference[name].empty() if tally is None else tally

    def __iter__(self) -> Iterator[str]:
        """Names of the reference's features, in its order."""
        return (feature.name for feature in self.reference)

    def __add__(self, other: Profile) -> Profile:
        if not isinstance(other, Profile):
            return NotImplemented
        return Profile.merge((self, other), self.reference)

    def __iadd__(self, other: Profile) -> Profile:
        if not isinstance(other, Profile):
            return NotImplemented
        _check_same(self.reference, other.reference)
        for name, tally in other._tallies.items():
            self._add(name, tally)
        return self

    @staticmethod
    def merge(profiles: Iterable[Profile], reference: Reference) -> Profile:
        """The sum of profiles of one reference; `ValueError` when one has another reference."""
        total = Profile(reference)
        for profile in profiles:
            total += profile
        return total

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Profile):
            return NotImplemented
        return self.to_wire() == other.to_wire()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Profile of {self.rows} rows, reference {self.reference.sha256[:12]}>"

    def to_wire(self) -> dict[str, Any]:
        """A JSON document of the schema ``profile-1``: integers, exact sums as text, no rows."""
        return {
            "schema": "strandline.profile/1",
            "reference": self.reference.sha256,
            "features": {
                name: self._tallies[name].to_wire()
                for name in self
                if name in self._tallies and self._tallies[name].rows
            },
        }

    @staticmethod
    def from_wire(wire: Any, reference: Reference) -> Profile:
        """Read and check what `to_wire` made; what it accepts can be merged.

        Besides the schema it checks that the profile belongs to `reference` and that each tally is
        possible: as many counts as bins, min and max in the outermost bins, sums that those
        extremes allow. Raises `WireError`, which names the place.
        """
        if not isinstance(wire, Mapping) or set(wire) != {"schema", "reference", "features"}:
            raise WireError("$: a profile has exactly schema, reference and features")
        if wire["schema"] != "strandline.profile/1":
            raise WireError("$.schema: must be 'strandline.profile/1'")
        if wire["reference"] != reference.sha256:
            raise WireError("$.reference: the profile was made with another reference")
        if not isinstance(wire["features"], Mapping):
            raise WireError("$.features: must be an object")
        tallies: dict[str, Tally] = {}
        for name, item in wire["features"].items():
            place = f"$.features.{str(name)[:60]}"
            if name not in reference:
                raise WireError(f"{place}: the reference has no such feature")
            tallies[name] = reference[name].tally_from_wire(item, place)
        return Profile(reference, tallies)


def _check_same(ours: Reference, theirs: Reference) -> None:
    if ours is not theirs and ours.sha256 != theirs.sha256:
        raise ValueError(
            f"profiles of different references can't be added: {ours.sha256[:12]} and "
            f"{theirs.sha256[:12]}"
        )
