"""The frozen reference that profiles are binned by and compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from strandline.drift import bins, features, wire
from strandline.drift.columns import Column, as_columns, infer_kind, length
from strandline.drift.features import Feature, Kind, NumericFeature, Role
from strandline.drift.tally import NumericTally, WireError, zeros

LATENCY: Final = "latency_ms"
"""system feature: milliseconds that a prediction took"""
LATENCY_CUTS: Final = bins.log_cuts(0.001, 100_000.0, 5)


@dataclass(frozen=True)
class Reference:
    """How each feature is binned, and exactly what the reference held. Immutable; known by its
    `sha256`.

    Examples
    --------
    >>> reference = Reference.from_columns({"age": [31, 44, 27, 60] * 25, "speed": [0.5, 1.5] * 50})
    >>> for feature in reference:
    ...     print(feature.name, feature.kind, feature.role)
    age categorical feature
    speed numeric feature
    latency_ms numeric system
    >>> Reference.from_json(reference.to_json()) == reference
    True
    """

    features: tuple[Feature, ...]

    @staticmethod
    def from_columns(
        table: Any,
        *,
        kinds: Mapping[str, Kind] | None = None,
        roles: Mapping[str, Role] | None = None,
        bins: int = 50,
        max_categories: int = 50,
        latency: bool = True,
    ) -> Reference:
        """Freeze a table: a mapping of columns, a list of dicts, or a pandas, polars or pyarrow
        table.

        Parameters
        ----------
        kinds
            ``"numeric"`` or ``"categorical"`` by column name; what is not named is inferred
            (`columns.infer_kind`).
        roles
            ``"feature"`` (the default), ``"output"`` or ``"system"`` by column name.
        bins
            Bins in a numeric feature's range, of about equal mass; atoms and tails come besides.
        max_categories
            Categories of a vocabulary; rarer ones are counted together as *other*.
        latency
            Whether to add the system feature ``latency_ms``, for profiles of predictions.

        Raises
        ------
        ValueError
            When there are no rows, columns differ in length, or `kinds` or `roles` name columns
            that are not there.
        """
        columns = as_columns(table)
        kinds, roles = kinds or {}, roles or {}
        if not columns or not length(next(iter(columns.values()))):
            raise ValueError("the reference has no rows")
        if not 2 <= bins <= 400 or not 1 <= max_categories <= 1000:
            raise ValueError("bins must be 2 to 400, max_categories 1 to 1000")
        absent = sorted((kinds.keys() | roles.keys()) - columns.keys())
        if absent:
            raise ValueError(f"the reference has no column {', '.join(map(repr, absent))}")
        frozen = [
            _freeze(
                name,
                kinds.get(name) or infer_kind(column),
                roles.get(name, "feature"),
                column,
                bins,
                max_categories,
            )
            for name, column in columns.items()
        ]
        if latency and LATENCY not in columns:
            frozen.append(_latency())
        return Reference(tuple(frozen))

    @cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, name: str) -> Feature:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def rows(self) -> int:
        """Rows that the reference was made from."""
        return max((f.tally.rows for f in self.features if f.role != "system"), default=0)

    @cached_property
    def _json(self) -> str:
        document = {
            "schema": "strandline.reference/1",
            "features": [f.to_json() for f in self.features],
        }
        return wire.canonical(document)

    def to_json(self) -> str:
        """The canonical JSON text (ASCII); `from_json` gives an equal reference back."""
        return self._json

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON text, in hexadecimal."""
        return hashlib.sha256(self._json.encode("ascii")).hexdigest()

    @staticmethod
    def from_json(text: str | bytes) -> Reference:
        """Read and check a reference. Raises `WireError`, a `ValueError` that names the place."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise WireError(f"the reference is not JSON: {error}") from None
        wire.check(document, wire.REFERENCE)
        items = document["features"]
        frozen = tuple(features.from_json(item, f"$.features[{i}]") for i, item in enumerate(items))
        names = [feature.name for feature in frozen]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise WireError(f"$.features: {', '.join(map(repr, twice))} is there twice")
        return Reference(frozen)


def _freeze(
    name: str, kind: Kind, role: Role, column: Column, most_bins: int, most_categories: int
) -> Feature:
    if not 1 <= len(name) <= 200:
        raise ValueError(
            f"a column's name must have 1 to 200 characters, not {len(name)}: {name[:40]!r}"
        )
    if kind == "numeric":
        return features.numeric(name, role, column, most_bins)
    return features.categorical(name, role, column, most_categories)


def _latency() -> NumericFeature:
    """Milliseconds in fixed bins from a microsecond to 100 s: nothing to compare with, but always
    the same bins.
    """
    return NumericFeature(
        LATENCY, "system", LATENCY_CUTS, NumericTally(zeros(len(LATENCY_CUTS) + 1))
    )
