"""Performance without labels: confidence-based performance estimation (CBPE).

Calibrated, a score says how likely its row's label is; summed over the rows of a window, the scores
say how many true and false positives and negatives are to be expected, hence every metric made of
them. That holds as long as the calibration does: it sees a change of the inputs, not of the concept
(labels that behave differently for the same inputs).

A window holds, for each class that has a score, rows by score bin and by whether that class was
predicted: integers. The calibration comes from the reference's labelled rows. Multiclass models are
taken one class against the rest.

References: nannyml, "Confidence-based Performance Estimation" (documentation, "How it works");
Garg et al. (2022) and Guillory et al. (2021) on estimating accuracy from confidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt

from strandline.drift.quality import intervals
from strandline.drift.quality.calibration import Calibration, isotonic
from strandline.drift.quality.classes import ClassTally
from strandline.drift.quality.metric import Metric, exact, undefined
from strandline.drift.quality.quality import Quality
from strandline.drift.quality.task import ClassTask

MEASURES = ("precision", "recall", "f1", "specificity")


def estimate(reference: Quality, current: Quality, level: float = 0.95) -> dict[str, Metric]:
    """Metrics of `current`'s predictions, labels unseen, by the names of `Quality.metrics`.

    Binary: ``accuracy precision recall f1 specificity roc_auc``. Multiclass: ``accuracy``, the others
    by class (``recall:b``) and on unweighted average (``recall_macro``).

    The interval is for the metric that the labels will give: it holds their chance and that of the
    reference's labels, from which the calibration was fitted; rows are taken as independent. Empty
    for a regression, and without scores.

    Raises `ValueError` when the two have different tasks.
    """
    task = reference.task
    if task != current.task:
        raise ValueError("the quality belongs to another task than the reference's")
    if not isinstance(task, ClassTask) or not task.cuts:
        return {}
    assert isinstance(reference.tally, ClassTally)
    views = []
    for scores, cells in zip(reference.tally.scores, current.predictions, strict=True):
        calibration = isotonic(scores)
        if calibration is None:
            return {}
        bins = len(cells) // 2
        views.append(_View(calibration, cells[:bins], cells[bins:]))
    found = _binary(views[0], level) if task.kind == "binary" else _multiclass(task, views, level)
    return {metric.name: metric for metric in found}


@dataclass(frozen=True, slots=True)
class Estimate:
    """An expected metric, and the variance of the metric that the labels will give."""

    value: float | None
    variance: float
    n: int

    def metric(self, name: str, level: float) -> Metric:
        if self.value is None:
            return undefined(name, self.n, level)
        interval = intervals.bounded(self.value, self.variance, self.n, level)
        return exact(name, self.value, interval, self.n, level)


class _View:
    """One class against the rest: calibration, and rows by bin where it was predicted or not."""

    def __init__(
        self, calibration: Calibration, passed: Sequence[int], named: Sequence[int]
    ) -> None:
        self.calibration = calibration
        self.rates = calibration.rates
        self.passed, self.named = passed, named
        self.n = sum(passed) + sum(named)
        self.predicted = sum(named)
        self.tp = sum(n * rate for n, rate in zip(named, self.rates, strict=True))
        self.fn = sum(n * rate for n, rate in zip(passed, self.rates, strict=True))
        self.fp = self.predicted - self.tp
        self.tn = sum(passed) - self.fn

    def of_slopes(
        self, value: float | None, passed: Callable[[int], float], named: Callable[[int], float]
    ) -> Estimate:
        """The estimate whose slopes by one more positive row are given, by bin and side: the chance of
        the labels, bin by bin, and of the rates, block by block (delta method).
        """
        if value is None:
            return Estimate(None, 0.0, self.n)
        spread = 0.0
        for block in self.calibration.blocks:
            rate, together = block.rate, 0.0
            for i in range(block.first, block.last):
                for n, slope in ((self.passed[i], passed), (self.named[i], named)):
                    if n:
                        by_one = slope(i)
                        spread += n * rate * (1 - rate) * by_one * by_one
                        together += n * by_one
            spread += together * together * block.variance
        return Estimate(value, spread, self.n)

    def accuracy(self) -> Estimate:
        n = self.n
        return self.of_slopes(
            (self.tp + self.tn) / n if n else None, lambda i: -1 / n, lambda i: 1 / n
        )

    def hits(self) -> Estimate:
        """Rows that name this class and are right, as a share of all rows."""
        n = self.n
        return self.of_slopes(self.tp / n if n else None, lambda i: 0.0, lambda i: 1 / n)

    def precision(self) -> Estimate:
        below = self.predicted
        return self.of_slopes(
            self.tp / below if below else None, lambda i: 0.0, lambda i: 1 / below
        )

    def recall(self) -> Estimate:
        below = self.tp + self.fn
        return self.of_slopes(
            self.tp / below if below else None,
            lambda i: -self.tp / below**2,
            lambda i: self.fn / below**2,
        )

    def specificity(self) -> Estimate:
        below = self.tn + self.fp
        return self.of_slopes(
            self.tn / below if below else None,
            lambda i: -self.fp / below**2,
            lambda i: self.tn / below**2,
        )

    def f1(self) -> Estimate:
        below = self.predicted + self.tp + self.fn
        fall = -2 * self.tp / below**2 if below else 0.0
        return self.of_slopes(
            2 * self.tp / below if below else None, lambda i: fall, lambda i: 2 / below + fall
        )

    def roc_auc(self) -> Estimate:
        """Ties inside a bin as one half: there all rows are equally likely."""
        rows = [a + b for a, b in zip(self.passed, self.named, strict=True)]
        positive = [n * rate for n, rate in zip(rows, self.rates, strict=True)]
        negative = [n - p for n, p in zip(rows, positive, strict=True)]
        below = [0.0, *accumulate(negative)]
        above = [0.0, *accumulate(positive)]
        p, q = above[-1], below[-1]
        pairs = p * q
        if pairs <= 0:
            return Estimate(None, 0.0, self.n)
        wins = [b + own / 2 for b, own in zip(below, negative, strict=False)]
        value = sum(own * win for own, win in zip(positive, wins, strict=True)) / pairs

        def slope(i: int) -> float:
            losses = p - above[i] - positive[i] / 2
            return (wins[i] - losses - value * (q - p)) / pairs

        return self.of_slopes(value, slope, slope)


def _binary(view: _View, level: float) -> Iterator[Metric]:
    for name in ("accuracy", *MEASURES, "roc_auc"):
        found: Estimate = getattr(view, name)()
        yield found.metric(name, level)


def _multiclass(task: ClassTask, views: Sequence[_View], level: float) -> Iterator[Metric]:
    """Right rows of different classes are different rows: their variances add up. Averages over
    classes have at most the mean of their standard errors.
    """
    n = views[0].n
    hits = [view.hits() for view in views]
    right = sum(hit.value for hit in hits if hit.value is not None)
    yield Estimate(right if n else None, sum(h.variance for h in hits), n).metric("accuracy", level)
    for name in (*MEASURES, "roc_auc"):
        found: list[Estimate] = [getattr(view, name)() for view in views]
        values = [one.value for one in found if one.value is not None]
        whole = values and (name != "roc_auc" or len(values) == len(found))
        mean = sum(values) / len(found) if whole else None
        error = sum(sqrt(one.variance) for one in found) / len(found)
        yield Estimate(mean, error**2, n).metric(f"{name}_macro", level)
        for label, one in zip(task.classes, found, strict=True):
            yield one.metric(f"{name}:{label}", level)
