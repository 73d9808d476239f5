"""How good predictions were: what is known of labelled rows, in sums that add up exactly."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from strandline.drift import columns
from strandline.drift.columns import Column
from strandline.drift.quality import classes, errors
from strandline.drift.quality.classes import ClassTally, added
from strandline.drift.quality.errors import ErrorTally
from strandline.drift.quality.metric import Metric
from strandline.drift.quality.task import (
    SCORE_BINS,
    ClassTask,
    Kind,
    RegressionTask,
    Task,
    class_task,
    regression_task,
)


@dataclass(frozen=True)
class Quality:
    """Labelled predictions, counted. Immutable; ``a + b`` is bit for bit the quality of the rows of
    both, in any order and grouping.

    Examples
    --------
    >>> morning = Quality.from_columns("binary", [0, 1, 1, 0], prediction=[0, 1, 0, 0])
    >>> evening = Quality.count(morning.task, [1, None, 1], prediction=[1, 1, 1])
    >>> day = morning + evening
    >>> day.n, day.metrics()["accuracy"].value, day.metrics()["recall"].value
    (6, 0.8333333333333334, 0.75)
    """

    task: Task
    tally: ClassTally | ErrorTally
    """of rows with a label"""
    predictions: tuple[array[int], ...] = ()
    """of all predictions, for each class that has a score: [2 · bins] rows by score bin, first those
    that another class was predicted for, then those of this one
    """

    @staticmethod
    def from_columns(
        task: Kind,
        target: Column,
        prediction: Column | None = None,
        scores: Column | Mapping[str, Column] | Sequence[Column] | None = None,
        *,
        classes: Sequence[Any] | None = None,
        positive: Any = None,
        score_bins: int = SCORE_BINS,
    ) -> Quality:
        """The quality of plain columns, and the task frozen from them.

        Parameters
        ----------
        task
            ``"binary"``, ``"multiclass"`` or ``"regression"``.
        target
            What was true; rows whose cell is missing are left out.
        prediction
            What was predicted. A classification can do without when there are scores: the class is
            then the one with the largest score, or the positive one from 0.5 on (from 0 on when the
            scores are no probabilities).
        scores
            Binary: the column of the positive class. Multiclass: columns by class, or in the order of
            `classes`.
        classes
            All classes; default: those that the columns name, in order. Binary: negative, positive.
        positive
            The positive class of a binary task; default: the last one.
        score_bins
            Bins of the scores, of about equal mass; distinct scores when there are no more.

        Raises
        ------
        ValueError
            When columns differ in length, classes don't fit the task, or neither predictions nor
            scores are given.
        """
        if task == "regression":
            if prediction is None:
                raise ValueError("a regression task needs predictions")
            return Quality.count(regression_task(target), target, prediction)
        if task not in ("binary", "multiclass"):
            raise ValueError(f"a task is binary, multiclass or regression, not {task!r}")
        if not 2 <= score_bins <= 400:
            raise ValueError("score_bins must be 2 to 400")
        if prediction is None and scores is None:
            raise ValueError(f"a {task} task needs predictions or scores")
        frozen = class_task(
            task,
            target,
            prediction,
            _score_columns(task, scores),
            classes=classes,
            positive=positive,
            score_bins=score_bins,
        )
        labelled = Quality.count(frozen, target, prediction, scores)
        return labelled + Quality.unlabelled(frozen, prediction, scores)

    @staticmethod
    def from_table(
        table: Any,
        task: Kind,
        target: str,
        prediction: str | None = None,
        scores: str | Mapping[str, str] | Sequence[str] | None = None,
        **options: Any,
    ) -> Quality:
        """As `from_columns`, of a table's columns by name; the task remembers the names, so that a
        profile can pick them out (see `Reference.from_columns`).
        """
        cells = columns.as_columns(table)
        by_class = scores if isinstance(scores, Mapping) else None
        listed = [scores] if isinstance(scores, str) else list(scores or ())
        if by_class is not None:
            listed = list(by_class.values())
        wanted = [target, *([prediction] if prediction else []), *listed]
        absent = [name for name in wanted if name not in cells]
        if absent:
            raise ValueError(f"the table has no column {', '.join(map(repr, absent))}")
        found: Any = [cells[name] for name in listed] or None
        if by_class is not None:
            found = {klass: cells[name] for klass, name in by_class.items()}
        predicted = None if prediction is None else cells[prediction]
        quality = Quality.from_columns(task, cells[target], predicted, found, **options)
        named = replace(quality.task, target=target, prediction=prediction)
        if not isinstance(named, RegressionTask):
            names: Any = named.in_order(by_class or listed)
            named = replace(named, scores=tuple(map(str, names)))
        return replace(quality, task=named)

    @staticmethod
    def empty(task: Task) -> Quality:
        """No rows yet."""
        if isinstance(task, RegressionTask):
            return Quality(task, ErrorTally())
        return Quality(task, classes.empty(task), classes.no_predictions(task))

    @staticmethod
    def count(
        task: Task,
        target: Column,
        prediction: Column | None = None,
        scores: Column | Mapping[str, Column] | Sequence[Column] | None = None,
    ) -> Quality:
        """The quality of columns under a task that is frozen already. Raises `ValueError`."""
        _check_lengths(target, prediction)
        if isinstance(task, RegressionTask):
            if prediction is None:
                raise ValueError("a regression task needs predictions")
            return Quality(task, errors.count(task, _numbers(target), _numbers(prediction)))
        predicted, usable = _read(task, prediction, scores)
        _check_lengths(target, predicted)
        tally = classes.count(task, task.codes(target), predicted, usable)
        return Quality(task, tally, classes.no_predictions(task))

    @staticmethod
    def unlabelled(
        task: Task,
        prediction: Column | None = None,
        scores: Column | Mapping[str, Column] | Sequence[Column] | None = None,
    ) -> Quality:
        """What predictions alone say, for `estimate`; labels may follow, by `count`. Raises
        `ValueError`.
        """
        if isinstance(task, RegressionTask) or not task.cuts:
            return Quality.empty(task)
        predicted, usable = _read(task, prediction, scores)
        counted = classes.count_predictions(task, predicted, usable)
        return Quality(task, classes.empty(task), counted)

    @property
    def n(self) -> int:
        """Rows with a label and a prediction."""
        return self.tally.n

    @property
    def seen(self) -> int:
        """Predictions counted for `estimate`."""
        return sum(self.predictions[0]) if self.predictions else 0

    @property
    def most_rows(self) -> int:
        """The largest number of rows that any part of it rests on."""
        return max(self.n, self.seen)

    def __add__(self, other: Quality) -> Quality:
        if not isinstance(other, Quality):
            return NotImplemented
        if self.task != other.task:
            raise ValueError("the qualities of different tasks can't be added")
        return Quality(
            self.task,
            self.tally + other.tally,  # type: ignore[operator]
            tuple(map(added, self.predictions, other.predictions)),
        )

    def metrics(self, level: float = 0.95) -> dict[str, Metric]:
        """Every metric by name, with its confidence interval at `level`.

        Binary: ``accuracy precision recall f1 specificity``, the three by class (``recall:b``) and on
        average (``f1_macro``, ``_micro``, ``_weighted``); with scores ``roc_auc``, and if they are
        probabilities ``log_loss brier``. Multiclass the same without the four that need a positive
        class; ``roc_auc_macro`` and ``roc_auc:b`` are one class against the rest. Regression: ``mae
        rmse mse r2 mean_error``.

        Intervals take the rows as independent (`quality.sessions.metrics` does not). Shares: Wilson's;
        averages over classes: the delta method on the confusion matrix; ROC AUC: DeLong's variance,
        widened by what binning leaves open; means: Student's.
        """
        if not 0 < level < 1:
            raise ValueError(f"the level must lie between 0 and 1, not {level}")
        if isinstance(self.task, RegressionTask):
            assert isinstance(self.tally, ErrorTally)
            found = errors.metrics(self.task, self.tally, level)
        else:
            assert isinstance(self.tally, ClassTally)
            found = classes.metrics(self.task, self.tally, level)
        return {metric.name: metric for metric in found}


def _score_columns(
    kind: str, scores: Column | Mapping[str, Column] | Sequence[Column] | None
) -> Mapping[str, Column] | Sequence[Column]:
    if scores is None:
        return ()
    if isinstance(scores, Mapping):
        return scores
    if kind == "binary" and not _is_list_of_columns(scores):
        return (scores,)
    return scores  # type: ignore[return-value]


def _is_list_of_columns(scores: Any) -> bool:
    return (
        isinstance(scores, (list, tuple))
        and bool(scores)
        and not isinstance(scores[0], (int, float, str, type(None)))
        and hasattr(scores[0], "__len__")
    )


def _read(
    task: ClassTask,
    prediction: Column | None,
    scores: Column | Mapping[str, Column] | Sequence[Column] | None,
) -> tuple[list[int], list[list[float]]]:
    """Predicted classes, and usable scores for each class that has one."""
    given = task.in_order(_score_columns(task.kind, scores)) if task.cuts else ()
    usable = [task.usable(column) for column in given]
    if prediction is None and not usable:
        raise ValueError(f"a {task.kind} task needs predictions or scores")
    predicted = task.predicted(usable) if prediction is None else task.codes(prediction)
    for column in usable:
        _check_lengths(predicted, column)
    return predicted, usable


def _numbers(column: Column) -> list[float]:
    return list(memoryview(columns.numbers(column).values))


def _check_lengths(target: Column, other: Column | None) -> None:
    if other is not None and columns.length(target) != columns.length(other):
        raise ValueError(
            f"columns differ in length: {columns.length(target)} and {columns.length(other)} cells"
        )
