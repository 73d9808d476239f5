"""How a reference's columns become the model's feeds, and how its outputs are named.

The rules, in this order:

1. Every input is one column wide (what skl2onnx makes of a DataFrame), or as wide as the vectors of
   the column of its name: each takes the column of its own name, or the only one whose name differs
   from it in case and punctuation alone. Other columns are left out.
2. `--features a,b,c`: the inputs take these columns in order, each as many as it is wide; a single
   input of unknown width takes all.
3. A single input takes all columns, in the reference's order, if it is that wide or of unknown width.

A column of vectors is as wide as these are long.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from strandline.bundle.errors import PackError
from strandline.bundle.inspect import Classes
from strandline.bundle.manifest import Feed, Output
from strandline.onnx.graph import ValueInfo

MOST_COLUMNS = 64
"""An output with more columns, which are not the probabilities of classes, is a vector: an embedding."""


def feeds_of(
    inputs: Sequence[ValueInfo],
    columns: Sequence[str],
    features: Sequence[str] | None,
    dimensions: Mapping[str, int] = MappingProxyType({}),
) -> tuple[Feed, ...]:
    """One Feed per model input; `dimensions` of the columns that hold vectors, by name.

    Raises PackError that lists what is missing or left over, and what to do.
    """
    columns = [c for c in columns if c]
    if features is not None:
        absent = [f for f in features if f not in columns]
        if absent:
            raise PackError(
                f"--features names {_names(absent)}, which the reference does not have; it has {_names(columns)}"
            )
    if (
        features is None
        and all(_fits_one(v, columns, dimensions) for v in inputs)
        and (len(inputs) > 1 or _match(inputs[0].name, columns) in {inputs[0].name, *dimensions})
    ):
        return _by_name(inputs, columns, dimensions)
    return _in_order(inputs, columns, features, dimensions)


def _fits_one(value: ValueInfo, columns: Sequence[str], dimensions: Mapping[str, int]) -> bool:
    """Whether an input takes one column: of numbers or texts, or the vectors of its name."""
    width, column = _width(value), _match(value.name, columns)
    if column is None or column not in dimensions:
        return width == 1
    return width in (None, dimensions[column])


def _by_name(
    inputs: Sequence[ValueInfo], columns: Sequence[str], dimensions: Mapping[str, int]
) -> tuple[Feed, ...]:
    found = {v.name: _match(v.name, columns) for v in inputs}
    absent = [name for name, column in found.items() if column is None]
    if absent:
        left = [c for c in columns if c not in found.values()]
        raise PackError(
            f"the reference has no column for model input{'s' if len(absent) > 1 else ''} {_names(absent)}; "
            f"columns left over: {_names(left) or 'none'}: "
            f"rename them, or give all inputs' columns in order: --features …"
        )
    return tuple(_feed(v, [c], dimensions) for v in inputs if (c := found[v.name]) is not None)


def _match(name: str, columns: Sequence[str]) -> str | None:
    if name in columns:
        return name
    alike = [c for c in columns if _plain(c) == _plain(name)]
    return alike[0] if len(alike) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


def _in_order(
    inputs: Sequence[ValueInfo],
    columns: Sequence[str],
    features: Sequence[str] | None,
    dimensions: Mapping[str, int],
) -> tuple[Feed, ...]:
    chosen = list(columns if features is None else features)
    origin = "the reference has" if features is None else "--features names"
    total = sum(dimensions.get(c, 1) for c in chosen)
    widths = [_width(v) for v in inputs]
    if len(inputs) == 1:
        widths = [total if widths[0] is None else widths[0]]
    unknown = [v.name for v, w in zip(inputs, widths, strict=True) if w is None]
    if unknown:
        raise PackError(
            f"model input{'s' if len(unknown) > 1 else ''} {_names(unknown)} declare no width: export the model with "
            f"shapes [None, columns], or make the feeds in a --preprocess module's before()"
        )
    known = [w or 0 for w in widths]
    if sum(known) != total:
        described = ", ".join(f"{v.name} {w}" for v, w in zip(inputs, known, strict=True))
        listed = _names([f"{c}: {dimensions[c]}" if c in dimensions else c for c in chosen])
        raise PackError(
            f"the model takes {sum(known)} columns ({described}), {origin} {total} ({listed}): "
            f"name the model's columns in its order: --features a,b,c"
        )
    feeds, left = [], chosen[::-1]
    for value, width in zip(inputs, known, strict=True):
        taken: list[str] = []
        while (room := width - sum(dimensions.get(c, 1) for c in taken)) > 0:
            taken.append(left.pop())
        if room < 0:
            raise PackError(
                f"model input {value.name!r} takes {width} columns, which ends within the vectors of "
                f"{taken[-1]!r}: name the model's columns in its order: --features a,b,c"
            )
        feeds.append(_feed(value, taken, dimensions))
    return tuple(feeds)


def _width(value: ValueInfo) -> int | None:
    """Columns an input takes, None where the model does not say."""
    if value.shape is None:
        return None
    if len(value.shape) == 1:
        return 1
    return value.shape[1] if isinstance(value.shape[1], int) else None


def _feed(value: ValueInfo, columns: Sequence[str], dimensions: Mapping[str, int]) -> Feed:
    held = [c for c in columns if c in dimensions]
    if held and str(value.dtype) == "string":
        raise PackError(f"model input {value.name!r} takes texts, {_names(held)} holds vectors")
    widths = tuple(dimensions.get(c, 1) for c in columns) if held else ()
    return Feed(value.name, str(value.dtype), tuple(columns), widths)


def outputs_of(
    results: Mapping[str, Any],
    classes: Mapping[str, Classes],
    n: int,
    taken: Collection[str] = (),
    vectors: Collection[str] = (),
) -> tuple[Output, ...]:
    """Names for what the model gave on `n` rows (see `Pipeline.results`).

    `label`, `probability:<class>` or `prediction` where that is clear, else the model's own names; one
    that is `taken` by a feature gets `predicted_` before it. `vectors` names outputs that are embeddings;
    so is one of more than `MOST_COLUMNS` columns that are no classes' probabilities. Raises PackError.
    """
    _check_rows(results, n)
    labels = [k for k, rows in results.items() if isinstance(_scalar(rows[0]), str | int)]
    known = classes.get(labels[0], ()) if labels else ()
    if not known and labels:
        known = tuple(sorted({_scalar(r) for r in results[labels[0]]}))
    embeddings = {
        k
        for k, rows in results.items()
        if k in vectors or _is_wide(rows[0], classes.get(k) or known)
    }
    rest = {k: rows for k, rows in results.items() if k not in embeddings and k not in labels}
    singles = [k for k, rows in rest.items() if _scalar(rows[0]) is not None]
    outputs: list[Output] = []
    for name, rows in results.items():
        if name in embeddings:
            outputs.append(_embedding(name, rows[0]))
        elif name in labels:
            outputs.append(Output("label" if len(labels) == 1 else name, "categorical", name))
        elif name in singles:
            alone = len(singles) == 1 and not labels
            outputs.append(Output("prediction" if alone else name, "numeric", name))
        else:
            outputs += _columns(name, rows[0], classes.get(name) or known, multiple=len(rest) > 1)
    return _distinct(outputs, taken)


def outputs_as_named(
    results: Mapping[str, Any], n: int, taken: Collection[str] = ()
) -> tuple[Output, ...]:
    """Outputs by the names that a preprocess module's `after` gave them: one value per row each, or a list of
    numbers, which is a vector.
    """
    _check_rows(results, n)
    outputs = []
    for name, rows in results.items():
        if hasattr(rows[0], "__len__") and not isinstance(rows[0], str | dict) and len(rows[0]) > 1:
            outputs.append(_embedding(name, rows[0]))
            continue
        value = _scalar(rows[0])
        if not isinstance(value, str | int | float):
            raise PackError(
                f"after() gave {name!r} as {type(rows[0]).__name__}s: give one value per row, or a list of numbers"
            )
        outputs.append(Output(name, "numeric" if isinstance(value, float) else "categorical", name))
    return _distinct(outputs, taken)


def _check_rows(results: Mapping[str, Any], n: int) -> None:
    for name, rows in results.items():
        if not isinstance(rows, list) or len(rows) != n:
            raise PackError(
                f"output {name!r} does not have one row per row of input: only such outputs can be "
                f"shown and watched; change them in a --preprocess module's after()"
            )


def _distinct(outputs: Sequence[Output], taken: Collection[str]) -> tuple[Output, ...]:
    fresh = [replace(o, name=f"predicted_{o.name}") if o.name in taken else o for o in outputs]
    names = [o.name for o in fresh]
    if len(set(names)) < len(names):
        raise PackError(f"two outputs would have the same name: {_names(names)}")
    return tuple(fresh)


def _columns(name: str, row: Any, classes: Classes, *, multiple: bool) -> list[Output]:
    if isinstance(row, dict):
        return [Output(f"probability:{c}", "numeric", name, i) for i, c in enumerate(row)]
    if not all(isinstance(v, int | float) for v in row):
        raise PackError(
            f"output {name!r} has more than two dimensions: reduce it in a --preprocess module's after()"
        )
    if len(row) == len(classes) and not multiple:
        return [Output(f"probability:{c}", "numeric", name, i) for i, c in enumerate(classes)]
    return [Output(f"{name}:{i}", "numeric", name, i) for i in range(len(row))]


def _is_wide(row: Any, classes: Classes) -> bool:
    return (
        isinstance(row, list)
        and len(row) > MOST_COLUMNS
        and len(row) != len(classes)
        and all(isinstance(v, int | float) for v in row)
    )


def _embedding(name: str, row: Any) -> Output:
    try:
        array("d", row)
    except (TypeError, ValueError):
        raise PackError(
            f"output {name!r} is no vector: it is to be a list of numbers per row"
        ) from None
    return Output(name, "vector", name)


def _scalar(row: Any) -> Any:
    """The value of a row that holds one, else None."""
    if isinstance(row, list):
        return _scalar(row[0]) if len(row) == 1 else None
    return None if isinstance(row, dict) else row


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
