"""The quality part of a profile: takes predictions now, labels whenever they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from strandline.drift.columns import Column, length
from strandline.drift.quality.quality import Quality
from strandline.drift.quality.task import RegressionTask, Task

FEW_CELLS: Final = 64
"""shorter lists wait for more: a pass costs some 20 µs, a cell in it some 0.5 µs"""
MANY_CELLS: Final = 512


class Ledger:
    """Predictions and labels of one task, counted; adds up exactly, as `Quality` does.

    `judged` columns hold a label for each prediction; `seen` ones predictions only.
    """

    __slots__ = ("_counted", "_waiting", "task")

    def __init__(self, task: Task) -> None:
        self.task = task
        self._counted = Quality.empty(task)
        self._waiting: dict[bool, dict[str, list[Any]]] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that predictions are read from."""
        return prediction_columns(self.task)

    def see(self, columns: Mapping[str, Column]) -> None:
        """Count predictions in, unless a column of theirs is not there; labels too, if theirs is."""
        names = self.columns
        if not all(name in columns for name in names):
            return
        labelled = self.task.target in columns
        cells = {name: columns[name] for name in names}
        both = {self.task.target: columns[self.task.target], **cells} if labelled else cells
        _check_lengths(both)
        self._take(False, cells)
        if labelled:
            self._take(True, both)

    def judge(self, columns: Mapping[str, Column]) -> None:
        """Count labels in for predictions that were seen before, here or elsewhere. Raises
        `ValueError` when a column is absent, or columns differ in length.
        """
        names = (self.task.target, *self.columns)
        absent = [name for name in names if name not in columns]
        if absent:
            raise ValueError(f"a label needs {', '.join(map(repr, absent))} beside it")
        cells = {name: columns[name] for name in names}
        _check_lengths(cells)
        self._take(True, cells)

    def _take(self, judged: bool, columns: Mapping[str, Column]) -> None:
        if not all(type(c) is list and len(c) < FEW_CELLS for c in columns.values()):
            self._counted += self._count(judged, columns)
            return
        waiting = self._waiting.setdefault(judged, {name: [] for name in columns})
        for name, column in columns.items():
            waiting[name] += column  # type: ignore[arg-type]
        if len(next(iter(waiting.values()))) >= MANY_CELLS:
            del self._waiting[judged]
            self._counted += self._count(judged, waiting)

    def _count(self, judged: bool, columns: Mapping[str, Column]) -> Quality:
        task = self.task
        prediction = None if task.prediction is None else columns[task.prediction]
        scores = None
        if not isinstance(task, RegressionTask) and task.scores:
            scores = [columns[name] for name in task.scores]
        if judged:
            return Quality.count(task, columns[task.target], prediction, scores)
        return Quality.unlabelled(task, prediction, scores)

    @property
    def quality(self) -> Quality:
        """All that was counted in."""
        while self._waiting:
            judged, columns = self._waiting.popitem()
            self._counted += self._count(judged, columns)
        return self._counted

    def add(self, quality: Quality) -> None:
        """Count in what was counted elsewhere. Raises `ValueError` for another task."""
        self._counted += quality


def _check_lengths(columns: Mapping[str, Column]) -> None:
    lengths = {name: length(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
        raise ValueError(f"columns differ in length: {found} rows")


def prediction_columns(task: Task) -> tuple[str, ...]:
    """Names of the columns that predictions are read from: label first, then scores."""
    label = () if task.prediction is None else (task.prediction,)
    return label if isinstance(task, RegressionTask) else (*label, *task.scores)
