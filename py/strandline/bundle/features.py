"""What a manifest says of the reference's columns: of what kind they are, and what fills a form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from strandline.bundle.errors import PackError
from strandline.bundle.manifest import Feature
from strandline.bundle.pipeline import doubles, vectors_of
from strandline.drift import Reference
from strandline.drift.columns import numbers, texts
from strandline.drift.features import CategoricalFeature, ColumnKind
from strandline.drift.kinds import are_vectors, infer_kind
from strandline.drift.vectors import dimensions_of

USUAL_ROWS = 1000
"""vectors whose coordinates' medians fill the form"""


def dimensions(columns: Mapping[str, list[Any]], vectors: Sequence[str]) -> dict[str, int]:
    """How many numbers the vectors of columns have that hold such, or are named as `vectors`. Raises PackError."""
    sizes = {
        name: dimensions_of(column)
        for name, column in columns.items()
        if name in vectors or are_vectors(column)
    }
    absent = [name for name in vectors if name in sizes and not sizes[name]]
    if absent:
        raise PackError(
            f"column {absent[0]!r} holds no vectors: its cells are to be lists of numbers, such as [0.25, -1.5]"
        )
    return {name: size for name, size in sizes.items() if size}


def kind_of(column: Sequence[Any]) -> str:
    """`numeric` when every cell that is there reads as a number, and at least one is; else `categorical`."""
    read = numbers(column)
    some = any(v == v for v in memoryview(read.values).tolist())
    return "numeric" if some and not read.unreadable else "categorical"


def watched_as(kind: str, column: Sequence[Any]) -> ColumnKind:
    """How a feature is watched: dates and free text, which the model takes as strings, for what they are."""
    if kind == "vector":
        return "vector"
    inferred = infer_kind(column) if kind == "categorical" else "numeric"
    return inferred if inferred in ("datetime", "text") else cast("ColumnKind", kind)


def described(feature: Feature, column: Sequence[Any], reference: Reference) -> Feature:
    """The feature with what a form needs: a usual value, and the range or the categories of the reference."""
    if feature.kind == "categorical":
        frozen = reference.described_by(feature.name)[0]
        common = frozen.vocabulary if isinstance(frozen, CategoricalFeature) else ()
        usual = common[0] if common else next(filter(None, texts(column)), None)
        return replace(feature, default=usual, categories=common)
    if feature.kind == "vector":
        return replace(feature, default=_usual(vectors_of(column, feature.dimensions or 0)))
    finite = sorted(v for v in doubles(column) if math.isfinite(v))
    if not finite:
        return feature
    return replace(feature, default=finite[len(finite) // 2], min=finite[0], max=finite[-1])


def _usual(rows: Sequence[Sequence[float]]) -> tuple[float, ...] | None:
    """Each coordinate's median, in a few digits: nobody's vector."""
    finite = [row for row in rows if all(map(math.isfinite, row))][:USUAL_ROWS]
    if not finite:
        return None
    middle = len(finite) // 2
    return tuple(float(f"{sorted(one)[middle]:.4g}") for one in zip(*finite, strict=True))
