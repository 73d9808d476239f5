"""What is judged: the kind of task, its classes or unit, and the cuts of its scores. Frozen once, so
that what is counted under it adds up.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import floor, inf, isfinite, log2, nan, nextafter
from typing import Any, Final, Literal, TypeAlias

from strandline import core
from strandline.drift import bins, columns
from strandline.drift.columns import Column

Kind: TypeAlias = Literal["binary", "multiclass", "regression"]

MOST_CLASSES: Final = 100
SCORE_BINS: Final = 100
UNIT_BITS: Final = 32
"""errors are counted in units of about 2^-32 standard deviations of the labels"""
SLACK: Final = 1e-6
"""how far outside [0, 1] a probability may lie: models compute in single precision"""

MISSING: Final = -1
_WHOLE = re.compile(r"([+-]?\d+)\.0*")
_BOOLS: Final = {"0": ("0", "1"), "False": ("False", "True")}


@dataclass(frozen=True)
class ClassTask:
    """Classification: labels are texts; whatever is not among `classes` is counted as *other*."""

    kind: Literal["binary", "multiclass"]
    classes: tuple[str, ...]
    """binary: the negative class, then the positive one"""
    cuts: tuple[tuple[float, ...], ...]
    """of the scores, one row per scored class: none, the positive class alone, or every class"""
    probabilities: bool = True
    """whether the scores are probabilities; else any numbers of which larger means likelier"""
    target: str = "target"
    """name of the labels' column"""
    prediction: str | None = None
    """name of the predicted labels' column; `None`: the scores decide"""
    scores: tuple[str, ...] = ()
    """names of the scores' columns, as many as `cuts`"""

    @property
    def scored(self) -> tuple[int, ...]:
        """Indices in `classes` of those that have a score."""
        if not self.cuts:
            return ()
        return (1,) if self.kind == "binary" else tuple(range(len(self.classes)))

    @cached_property
    def cut_buffers(self) -> tuple[array[float], ...]:
        return tuple(array("d", cuts) for cuts in self.cuts)

    @cached_property
    def _index(self) -> dict[str, int]:
        index = {name: i for i, name in enumerate(self.classes)}
        for names in _BOOLS.values():
            if self.classes == names:  # a model may say 1 where the table says True
                index |= {alias: i for style in _BOOLS.values() for i, alias in enumerate(style)}
                index |= {"false": 0, "true": 1}
        return index

    def codes(self, column: Column) -> list[int]:
        """Every cell as the index of its class: −1 where it is missing, `len(classes)` for others."""
        index, other = self._index, len(self.classes)
        return [MISSING if name is None else index.get(name, other) for name in class_names(column)]

    def predicted(self, scores: Sequence[Sequence[float]]) -> list[int]:
        """The classes that scores decide for: the larger one's, binary at 0.5 (0 unless they are
        probabilities).
        """
        if self.kind == "binary":
            threshold = 0.5 if self.probabilities else 0.0
            return [MISSING if p != p else int(p >= threshold) for p in scores[0]]
        return [
            MISSING if any(p != p for p in row) else max(range(len(row)), key=row.__getitem__)
            for row in zip(*scores, strict=True)
        ]

    def in_order(self, scores: Mapping[str, Column] | Sequence[Column]) -> tuple[Column, ...]:
        """Columns of scores in the order of the classes that have one. Raises `ValueError`."""
        if isinstance(scores, Mapping):
            by_class = dict(zip(class_names(list(scores)), scores.values(), strict=True))
            if self.kind == "binary":
                by_class = {name: c for name, c in by_class.items() if name == self.classes[1]}
            wanted = self.classes[1:] if self.kind == "binary" else self.classes
            absent = [name for name in wanted if name not in by_class]
            if by_class and absent:
                raise ValueError(f"there is no score for class {', '.join(absent)}")
            return tuple(by_class[name] for name in wanted) if by_class else ()
        given = tuple(scores)
        most = 1 if self.kind == "binary" else len(self.classes)
        if given and len(given) != most:
            raise ValueError(f"a {self.kind} task takes {most} columns of scores, not {len(given)}")
        return given

    def usable(self, column: Column) -> list[float]:
        """A column of scores as numbers; NaN where a cell is no number, or no probability."""
        cells = memoryview(columns.numbers(column).values).tolist()
        if self.probabilities:
            return [p if -SLACK <= p <= 1 + SLACK else nan for p in cells]
        return [p if isfinite(p) else nan for p in cells]


@dataclass(frozen=True)
class RegressionTask:
    """Regression: labels and errors are counted in units of 2^unit."""

    unit: int
    target: str = "target"
    prediction: str | None = "prediction"
    kind: Literal["regression"] = "regression"


Task: TypeAlias = ClassTask | RegressionTask


def class_names(column: Column) -> list[str | None]:
    """Every cell as the class it names: 1, 1.0 and "1.0" are one class."""
    cells: Any = column.tolist() if hasattr(column, "tolist") else column
    try:
        keys = list(zip(map(type, cells), cells, strict=True))
        different = dict.fromkeys(keys)
    except TypeError:  # a cell that can't be a key can't be a class either
        return _named(column)
    names = dict(zip(different, _named([cell for _, cell in different]), strict=True))
    return [names[key] for key in keys]


def _named(column: Column) -> list[str | None]:
    return [
        None if name is None else whole[1] if (whole := _WHOLE.fullmatch(name)) else name
        for name in columns.texts(column)
    ]


def class_task(
    kind: Literal["binary", "multiclass"],
    target: Column,
    prediction: Column | None,
    scores: Mapping[str, Column] | Sequence[Column],
    *,
    classes: Sequence[Any] | None = None,
    positive: Any = None,
    score_bins: int = SCORE_BINS,
    **names: Any,
) -> ClassTask:
    """Freeze a classification task from its reference's columns. Raises `ValueError`."""
    known = _classes(kind, target, prediction, scores, classes)
    if kind == "binary":
        known = _binary(known, positive)
    elif not 2 <= len(known) <= MOST_CLASSES:
        raise ValueError(f"a multiclass task has 2 to {MOST_CLASSES} classes, not {len(known)}")
    draft = ClassTask(kind, known, ())
    given = draft.in_order(scores)
    probabilities = all(_probabilities(column) for column in given)
    cuts = tuple(_cuts(column, probabilities, score_bins) for column in given)
    return ClassTask(kind, known, cuts, probabilities, **names)


def regression_task(target: Column, **names: Any) -> RegressionTask:
    """Freeze a regression task: the unit follows the labels' spread."""
    seen = core.tally(columns.numbers(target).values, array("d"), array("q", [0]))
    spread = seen.maximum - seen.minimum if seen.finite else 1.0
    scale = spread if 0 < spread < inf else max(abs(seen.maximum), abs(seen.minimum))
    exponent = max(-900, min(900, floor(log2(scale or 1.0)))) - UNIT_BITS
    return RegressionTask(exponent, **names)


def _classes(
    kind: str,
    target: Column,
    prediction: Column | None,
    scores: Mapping[str, Column] | Sequence[Column],
    classes: Sequence[Any] | None,
) -> tuple[str, ...]:
    if classes is not None:
        named = [name for name in class_names(list(classes)) if name is not None]
    elif isinstance(scores, Mapping) and kind == "multiclass":
        named = [name for name in class_names(list(scores)) if name is not None]
    else:
        found = set(class_names(target))
        if prediction is not None:
            found |= set(class_names(prediction))
        if found <= {None, "0", "1", "True", "False", "true", "false"} and found & {"0", "1"}:
            found -= {"True", "False", "true", "false"}
        named = sorted((name for name in found if name is not None), key=_by_number)
    if len(set(named)) != len(named):
        raise ValueError(f"a class is named twice: {', '.join(named)}")
    return tuple(named)


def _by_number(name: str) -> tuple[bool, float, str]:
    value = columns.number(name)
    return (False, value, name) if value is not None and value == value else (True, 0.0, name)


def _binary(known: tuple[str, ...], positive: Any) -> tuple[str, ...]:
    """Negative, positive; the last class is positive unless another is named."""
    wanted = None if positive is None else class_names([positive])[0]
    if len(known) == 1 or (wanted is not None and wanted not in known and len(known) < 2):
        pairs = [pair for pair in _BOOLS.values() if set(known) <= set(pair)]
        if pairs:
            known = pairs[0]
        elif wanted is not None and wanted not in known:
            known = (*known, wanted)
    if len(known) != 2:
        raise ValueError(
            f"a binary task has two classes, found {len(known)}"
            f"{': ' if known else ''}{', '.join(known[:10])}; name them with classes=(negative, positive)"
        )
    if wanted is None or wanted == known[1]:
        return known
    if wanted == known[0]:
        return known[::-1]
    raise ValueError(f"the positive class {wanted!r} is not one of {', '.join(known)}")


def _probabilities(column: Column) -> bool:
    cells = core.sorted_finite(columns.numbers(column).values)
    return not len(cells) or (cells[0] >= -SLACK and cells[-1] <= 1 + SLACK)


def _cuts(column: Column, probabilities: bool, most: int) -> tuple[float, ...]:
    values = core.sorted_finite(columns.numbers(column).values)
    cuts = bins.quantile_cuts(values, most)
    if probabilities:
        cuts = tuple(cut for cut in cuts if 0 <= cut <= nextafter(1.0, 2.0))
    return cuts


def atoms(cuts: Sequence[float]) -> list[bool]:
    """For each of ``len(cuts) + 1`` bins whether it can hold one value only."""
    inside = [bins.is_atom(low, high) for low, high in pairwise(cuts)]
    return [False, *inside, False] if cuts else [False]
