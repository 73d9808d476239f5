"""Labelled rows of a classification task: integers that add up, and the metrics they give."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import sqrt

from strandline import core
from strandline.drift.quality import fixed, intervals
from strandline.drift.quality.metric import Metric, exact, undefined
from strandline.drift.quality.task import MISSING, ClassTask, atoms
from strandline.drift.tally import zeros


@dataclass(frozen=True)
class ScoreTally:
    """Scores of one class by what the label was. Immutable; adds up."""

    negative: array[int]
    """[bins] rows of another class"""
    positive: array[int]
    """[bins] rows of the class"""

    def __add__(self, other: ScoreTally) -> ScoreTally:
        return ScoreTally(
            added(self.negative, other.negative), added(self.positive, other.positive)
        )


@dataclass(frozen=True)
class ClassTally:
    """Labelled rows. Immutable; `a + b` is what one pass over the rows of both would have found."""

    confusion: array[int]
    """[(K + 1)²] rows by label, then by prediction; the last of each stands for other classes"""
    scores: tuple[ScoreTally, ...] = ()
    """for each class that has a score"""
    log_loss: int = 0
    """Σ −ln p of the label's class, in units of 2^-40"""
    log_loss_squares: int = 0
    """Σ of the squared terms, in units of 2^-80"""
    brier: int = 0
    """Σ squared distance between the scores and the label, in units of 2^-40"""
    brier_squares: int = 0

    @cached_property
    def n(self) -> int:
        return sum(self.confusion)

    @cached_property
    def scored(self) -> int:
        """Rows whose scores could be used."""
        return sum(self.scores[0].negative) + sum(self.scores[0].positive) if self.scores else 0

    def __add__(self, other: ClassTally) -> ClassTally:
        if not isinstance(other, ClassTally):
            return NotImplemented
        return ClassTally(
            added(self.confusion, other.confusion),
            tuple(a + b for a, b in zip(self.scores, other.scores, strict=True)),
            self.log_loss + other.log_loss,
            self.log_loss_squares + other.log_loss_squares,
            self.brier + other.brier,
            self.brier_squares + other.brier_squares,
        )


def empty(task: ClassTask) -> ClassTally:
    side = len(task.classes) + 1
    scores = tuple(ScoreTally(zeros(len(c) + 1), zeros(len(c) + 1)) for c in task.cuts)
    return ClassTally(zeros(side * side), scores)


def count(
    task: ClassTask,
    labels: Sequence[int],
    predictions: Sequence[int],
    scores: Sequence[Sequence[float]],
) -> ClassTally:
    """The tally of rows as `ClassTask.codes` and `ClassTask.usable` read them; a row without label or
    prediction is left out, one without usable scores counts in the confusion matrix only.
    """
    side = len(task.classes) + 1
    confusion = zeros(side * side)
    for (label, predicted), rows in Counter(zip(labels, predictions, strict=True)).items():
        if label != MISSING and predicted != MISSING:
            confusion[label * side + predicted] += rows
    if not scores:
        return ClassTally(confusion)
    whole = [
        row
        for row in zip(labels, predictions, *scores, strict=True)
        if row[0] != MISSING and row[1] != MISSING and all(p == p for p in row[2:])
    ]
    tallies = tuple(_score_tally(task, k, klass, whole) for k, klass in enumerate(task.scored))
    if not task.probabilities:
        return ClassTally(confusion, tallies)
    losses, distances = [], []
    for row in whole:
        loss, distance = _terms(task, row[0], row[2:])
        losses.append(loss)
        distances.append(distance)
    return ClassTally(
        confusion,
        tallies,
        sum(losses),
        sum(term * term for term in losses),
        sum(distances),
        sum(term * term for term in distances),
    )


def no_predictions(task: ClassTask) -> tuple[array[int], ...]:
    """Nothing predicted yet."""
    return tuple(zeros(2 * len(cuts) + 2) for cuts in task.cuts)


def count_predictions(
    task: ClassTask, predictions: Sequence[int], scores: Sequence[Sequence[float]]
) -> tuple[array[int], ...]:
    """For each class that has a score, rows by score bin: of those that another class was predicted
    for, then of its own. Rows without a prediction or without usable scores are left out.
    """
    whole = [
        row
        for row in zip(predictions, *scores, strict=True)
        if row[0] != MISSING and all(p == p for p in row[1:])
    ]
    found = []
    for k, klass in enumerate(task.scored):
        sides = array("q")
        for wanted in (False, True):
            counts = zeros(len(task.cuts[k]) + 1)
            values = array("d", [row[1 + k] for row in whole if (row[0] == klass) is wanted])
            core.tally(values, task.cut_buffers[k], counts)
            sides += counts
        found.append(sides)
    return tuple(found)


def _score_tally(
    task: ClassTask, k: int, klass: int, rows: Sequence[tuple[float, ...]]
) -> ScoreTally:
    found = []
    for wanted in (False, True):
        counts = zeros(len(task.cuts[k]) + 1)
        values = array("d", [row[2 + k] for row in rows if (row[0] == klass) is wanted])
        core.tally(values, task.cut_buffers[k], counts)
        found.append(counts)
    return ScoreTally(*found)


def _terms(task: ClassTask, label: float, scores: Sequence[float]) -> tuple[int, int]:
    """Log-loss and Brier terms of a row; a label of another class has probability 0."""
    if task.kind == "binary":
        p = min(max(scores[0], 0.0), 1.0)
        right = p if label == 1 else 1.0 - p if label == 0 else 0.0
        wrong = 1.0 - right
        return fixed.log_loss_units(right), fixed.units(wrong * wrong, fixed.BITS)
    likelihood, distance = 0.0, 0.0 if label < len(scores) else 1.0
    for klass, p in enumerate(scores):
        if klass == label:
            likelihood = min(max(p, 0.0), 1.0)
            distance += (1.0 - p) * (1.0 - p)
        else:
            distance += p * p
    return fixed.log_loss_units(likelihood), fixed.units(distance, fixed.BITS)


def metrics(task: ClassTask, tally: ClassTally, level: float) -> Iterator[Metric]:
    """Every metric that the task has, in the order of a report."""
    yield from _of_confusion(Confusion(task.classes, tally.confusion), task.kind == "binary", level)
    if not task.cuts:
        return
    aucs = [roc_auc(scores, cuts) for scores, cuts in zip(tally.scores, task.cuts, strict=True)]
    if task.kind == "binary":
        yield aucs[0].metric("roc_auc", level)
    else:
        yield _mean_auc(aucs, level)
        for name, auc in zip(task.classes, aucs, strict=True):
            yield auc.metric(f"roc_auc:{name}", level)
    if task.probabilities:
        for name, total, squares in (
            ("log_loss", tally.log_loss, tally.log_loss_squares),
            ("brier", tally.brier, tally.brier_squares),
        ):
            yield mean_of_terms(name, total, squares, fixed.BITS, tally.scored, level)


def mean_of_terms(
    name: str, total: int, squares: int, bits: int, n: int, level: float, floor: float = 0.0
) -> Metric:
    """The mean of n fixed-point terms, with Student's interval; not below `floor`."""
    if n == 0:
        return undefined(name, n, level)
    mean = total / (n << bits) if bits >= 0 else (total << -bits) / n
    low, high = intervals.of_mean(mean, variance(total, squares, bits, n), n, level)
    return exact(name, mean, (max(low, floor), high), n, level)


def variance(total: int, squares: int, bits: int, n: int) -> float:
    """The unbiased variance of n terms in units of 2^-bits, rounded once; 0.0 for n < 2."""
    if n < 2:
        return 0.0
    spread = n * squares - total * total
    if bits >= 0:
        return spread / (n * (n - 1) << 2 * bits)
    return (spread << -2 * bits) / (n * (n - 1))


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix with its marginals; entries are counts, or expected counts."""

    classes: tuple[str, ...]
    cells: Sequence[float]

    @cached_property
    def side(self) -> int:
        return len(self.classes) + 1

    @cached_property
    def n(self) -> float:
        return sum(self.cells)

    @cached_property
    def labelled(self) -> list[float]:
        """[K + 1] rows by label"""
        return [sum(self.cells[i * self.side : (i + 1) * self.side]) for i in range(self.side)]

    @cached_property
    def predicted(self) -> list[float]:
        """[K + 1] rows by prediction"""
        return [sum(self.cells[j :: self.side]) for j in range(self.side)]

    def right(self, klass: int) -> float:
        return self.cells[klass * self.side + klass]

    @property
    def correct(self) -> float:
        """Rows predicted right; other classes never are."""
        return sum(self.right(klass) for klass in range(len(self.classes)))

    def present(self) -> list[int]:
        """Classes that a label or a prediction names."""
        return [k for k in range(len(self.classes)) if self.labelled[k] or self.predicted[k]]


MEASURES = ("precision", "recall", "f1")


def denominators(matrix: Confusion, measure: str, klass: int) -> tuple[float, float, float]:
    """(weight of the label's row, weight of the prediction's column, denominator): the measure is
    (row + column)·right / denominator.
    """
    if measure == "precision":
        return 0.0, 1.0, matrix.predicted[klass]
    if measure == "recall":
        return 1.0, 0.0, matrix.labelled[klass]
    return 1.0, 1.0, matrix.labelled[klass] + matrix.predicted[klass]


def share(matrix: Confusion, measure: str, klass: int) -> float | None:
    """Precision, recall or F1 of one class; `None` when nothing is there to divide by."""
    row, column, below = denominators(matrix, measure, klass)
    return (row + column) * matrix.right(klass) / below if below else None


def _of_confusion(matrix: Confusion, binary: bool, level: float) -> Iterator[Metric]:
    n = int(matrix.n)
    if not n:
        names = ["accuracy", *(MEASURES if binary else ()), *(["specificity"] if binary else ())]
        yield from (undefined(name, 0, level) for name in names)
        return
    right = matrix.correct
    yield exact("accuracy", right / n, intervals.wilson(right / n, n, level), n, level)
    if binary:
        yield from (_one_class(matrix, measure, 1, measure, level) for measure in MEASURES)
        yield _one_class(matrix, "recall", 0, "specificity", level)
    for average in ("macro", "micro", "weighted"):
        for measure in MEASURES:
            name = f"{measure}_{average}"
            if average == "micro":
                yield exact(name, right / n, intervals.wilson(right / n, n, level), n, level)
            else:
                yield _averaged(matrix, measure, average == "weighted", name, level)
    for klass, label in enumerate(matrix.classes):
        for measure in MEASURES:
            yield _one_class(matrix, measure, klass, f"{measure}:{label}", level)


def _one_class(matrix: Confusion, measure: str, klass: int, name: str, level: float) -> Metric:
    """Wilson's interval; F1 = 2J/(1 + J) of the share J of true positives among all that are not true
    negatives.
    """
    value = share(matrix, measure, klass)
    below = int(denominators(matrix, measure, klass)[2])
    if value is None:
        return undefined(name, 0, level)
    if measure != "f1":
        return exact(name, value, intervals.wilson(value, below, level), below, level)
    rows = below - int(matrix.right(klass))
    low, high = intervals.wilson(matrix.right(klass) / rows, rows, level)
    return exact(name, value, (2 * low / (1 + low), 2 * high / (1 + high)), rows, level)


def _averaged(matrix: Confusion, measure: str, weighted: bool, name: str, level: float) -> Metric:
    """The mean over the classes that are there, undefined ones as 0, weighted by label counts or not;
    its variance by the delta method on the multinomial cells.
    """
    present, n = matrix.present(), matrix.n
    if not present:
        return exact(name, 0.0, intervals.wilson(0.0, n, level), int(n), level)
    values = {k: share(matrix, measure, k) or 0.0 for k in present}
    if weighted:
        known = sum(matrix.labelled[k] for k in present)
        weights = {k: matrix.labelled[k] / known if known else 0.0 for k in present}
    else:
        known, weights = 0.0, dict.fromkeys(present, 1 / len(present))
    mean = sum(weights[k] * values[k] for k in present)
    by_label, by_prediction = [0.0] * matrix.side, [0.0] * matrix.side
    diagonal = [0.0] * matrix.side
    for k in present:
        row, column, below = denominators(matrix, measure, k)
        if below:
            diagonal[k] = weights[k] * (row + column) / below
            by_label[k] -= weights[k] * values[k] * row / below
            by_prediction[k] -= weights[k] * values[k] * column / below
        if known:
            by_label[k] += (values[k] - mean) / known
    spread = 0.0
    for i in range(matrix.side):
        for j in range(matrix.side):
            rows = matrix.cells[i * matrix.side + j]
            if rows:
                slope = by_label[i] + by_prediction[j] + (diagonal[i] if i == j else 0.0)
                spread += rows * slope * slope
    return exact(name, mean, intervals.bounded(mean, spread, n, level), int(n), level)


@dataclass(frozen=True)
class RocAuc:
    """The area under the ROC curve from binned scores."""

    value: float | None
    """ties inside a bin as one half"""
    low: float | None
    """every raw sample with these counts has an area in [low, high]"""
    high: float | None
    variance: float
    n: int

    def metric(self, name: str, level: float) -> Metric:
        if self.value is None or self.low is None or self.high is None:
            return undefined(name, self.n, level)
        ci_low = intervals.bounded(self.low, self.variance, self.n, level)[0]
        ci_high = intervals.bounded(self.high, self.variance, self.n, level)[1]
        return Metric(name, self.value, self.low, self.high, ci_low, ci_high, self.n, level)


def roc_auc(scores: ScoreTally, cuts: Sequence[float]) -> RocAuc:
    """The area with its bounds, and DeLong's variance of it.

    A pair of rows in different bins is in order or not; one inside a bin adds 0 to 1, and exactly one
    half where the bin holds one value only.

    References: DeLong, DeLong & Clarke-Pearson (1988).
    """
    negative, positive = scores.negative, scores.positive
    n0, n1 = sum(negative), sum(positive)
    if not n0 or not n1:
        return RocAuc(None, None, None, 0.0, n0 + n1)
    below0 = [0, *accumulate(negative)]
    below1 = [0, *accumulate(positive)]
    sure = sum(p * below for p, below in zip(positive, below0, strict=False))
    tied = open_ = 0
    for p, q, atom in zip(positive, negative, atoms(cuts), strict=True):
        tied += p * q
        open_ += 0 if atom else p * q
    pairs = n0 * n1
    value = (2 * sure + tied) / (2 * pairs)
    low = (2 * sure + tied - open_) / (2 * pairs)
    high = (2 * sure + tied + open_) / (2 * pairs)
    of_positives = of_negatives = 0.0
    for i, (p, q) in enumerate(zip(positive, negative, strict=True)):
        of_positives += p * ((below0[i] + q / 2) / n0 - value) ** 2
        of_negatives += q * (1 - (below1[i] + p / 2) / n1 - value) ** 2
    variance = of_positives / (max(n1 - 1, 1) * n1) + of_negatives / (max(n0 - 1, 1) * n0)
    return RocAuc(value, low, high, variance, n0 + n1)


def _mean_auc(aucs: Sequence[RocAuc], level: float) -> Metric:
    """The unweighted mean over classes, one against the rest; its standard error is at most the mean of
    the classes' (Cauchy-Schwarz).
    """
    n = max((auc.n for auc in aucs), default=0)
    known = [(a.value, a.low, a.high, a.variance) for a in aucs]
    values, lows, highs = [], [], []
    error = 0.0
    for value, low, high, squared in known:
        if value is None or low is None or high is None:
            return undefined("roc_auc_macro", n, level)
        values.append(value)
        lows.append(low)
        highs.append(high)
        error += sqrt(squared) / len(aucs)
    k = len(aucs)
    mean = RocAuc(sum(values) / k, sum(lows) / k, sum(highs) / k, error * error, n)
    return mean.metric("roc_auc_macro", level)


def added(a: array[int], b: array[int]) -> array[int]:
    return array("q", [x + y for x, y in zip(a, b, strict=True)])
