"""How much the sessions of labelled rows differ: what corrects metrics for rows that come in sessions.

A metric is a smooth function of sums over rows: of rows, of right ones, of those by class, of errors.
Its cluster-robust variance follows from the sums over sessions of the products of what each had, which
are integers and merge exactly, as long as all rows of a session are in one summand.

References: Binder (1983), the linearised estimator of a cluster sample; Korn & Graubard (1998).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import inf, isfinite, sqrt
from typing import Any, Final

from strandline.drift.quality import fixed, intervals
from strandline.drift.quality.classes import MEASURES, ClassTally, Confusion
from strandline.drift.quality.errors import ErrorTally
from strandline.drift.quality.metric import Metric
from strandline.drift.quality.products import Gradient, SessionProducts
from strandline.drift.quality.quality import Quality
from strandline.drift.quality.task import RegressionTask

MOST_CLASSES: Final = 12
"""whose rows are kept apart; with more of them, metrics by class are corrected as the accuracy is"""


def sums_of(quality: Quality) -> tuple[int, ...]:
    """What is summed up over rows. Classes: rows, right ones, those with usable scores, Σ of log-loss
    and Brier terms; then by class right ones, labels, predictions. Regression: n, Σe, Σ|e|, Σe², Σy, Σy².
    """
    tally = quality.tally
    if isinstance(tally, ErrorTally):
        return tally.n, tally.e, tally.absolute, tally.e2, tally.y, tally.y2
    matrix = _matrix(quality)
    found = [tally.n, int(matrix.correct), tally.scored, tally.log_loss, tally.brier]
    for k in range(_kept(quality)):
        found += [int(matrix.right(k)), int(matrix.labelled[k]), int(matrix.predicted[k])]
    return tuple(found)


def of_session(quality: Quality) -> SessionProducts:
    """The moments of what a single session had."""
    return SessionProducts.of(sums_of(quality))


def width(quality: Quality) -> int:
    """How many sums there are."""
    return len(sums_of(Quality.empty(quality.task)))


def metrics(
    quality: Quality, moments: SessionProducts | None, level: float = 0.95
) -> dict[str, Metric]:
    """`Quality.metrics` with intervals that allow for sessions; as they are where `moments` is `None`.

    An interval is never shorter than that of independent rows. From one session alone nothing is known
    of sessions: every value is possible then.
    """
    found = quality.metrics(level)
    if moments is None or not quality.n:
        return found
    gradients = dict(_gradients(quality))
    robust = {
        name: _robust(found[name], quality, moments, *gradient)
        for name, gradient in gradients.items()
        if found[name].value is not None
    }
    stretches = [_stretch(found[name], robust[name]) for name in robust]
    widest = max(stretches, default=inf)
    usual = _stretch(found["accuracy"], robust["accuracy"]) if "accuracy" in robust else widest
    for name, metric in found.items():
        if name not in robust:  # an area under a curve, or of one of many classes
            robust[name] = _stretched(metric, widest if "roc_auc" in name else usual)
    return {name: robust[name] for name in found}


def _matrix(quality: Quality) -> Confusion:
    task, tally = quality.task, quality.tally
    assert isinstance(tally, ClassTally) and not isinstance(task, RegressionTask)
    return Confusion(task.classes, tally.confusion)


def _gradients(quality: Quality) -> Iterator[tuple[str, tuple[Gradient, int]]]:
    """By metric its gradient, and the number of the sum that counts its rows."""
    sums = sums_of(quality)

    def mean(total: int, rows: int) -> Gradient:
        """Of the ratio of two sums."""
        below = sums[rows]
        return {total: Fraction(1, below), rows: -Fraction(sums[total], below * below)}

    if isinstance(quality.tally, ErrorTally):
        n, e, absolute, e2, y, y2 = range(6)
        yield "mae", (mean(absolute, n), n)
        yield "mse", (mean(e2, n), n)
        yield "rmse", (mean(e2, n), n)  # by way of the mean square
        yield "mean_error", (mean(e, n), n)
        spread = sums[y2] - Fraction(sums[y] ** 2, sums[n])
        if spread:
            ratio = sums[e2] / spread  # 1 - R²
            middle = Fraction(sums[y], sums[n])
            about = {y2: Fraction(1), y: -2 * middle, n: middle * middle}
            yield "r2", (_sum({e2: 1 / spread}, _scaled(about, -ratio / spread)), n)
        return
    n, correct, scored, log_loss, brier = range(5)
    yield "accuracy", (mean(correct, n), n)
    for measure in MEASURES:
        yield f"{measure}_micro", (mean(correct, n), n)
    if sums[scored] and not isinstance(quality.task, RegressionTask) and quality.task.probabilities:
        yield "log_loss", (mean(log_loss, scored), scored)
        yield "brier", (mean(brier, scored), scored)
    yield from _of_classes(quality, sums)


def _of_classes(
    quality: Quality, sums: Sequence[int]
) -> Iterator[tuple[str, tuple[Gradient, int]]]:
    """Of precision, recall and F1, by class and on average."""
    task = quality.task
    assert not isinstance(task, RegressionTask)
    kept = _kept(quality)
    if kept < len(task.classes):
        return
    present = [k for k in range(kept) if sums[6 + 3 * k] or sums[7 + 3 * k]]
    known = sum(sums[6 + 3 * k] for k in present)
    for measure in MEASURES:
        of: dict[int, tuple[Fraction, Gradient]] = {}
        for k, name in enumerate(task.classes):
            right, labelled, predicted = (5 + 3 * k + i for i in range(3))
            parts = {"precision": [predicted], "recall": [labelled]}.get(
                measure, [labelled, predicted]
            )
            below = sum(sums[i] for i in parts)
            if not below:
                of[k] = Fraction(0), {}
                continue
            value = Fraction(len(parts) * sums[right], below)
            slope: Gradient = {right: Fraction(len(parts), below)}
            slope = _sum(slope, dict.fromkeys(parts, -value / below))
            of[k] = value, slope
            # An F1's rows are about those that have the label, or the prediction.
            yield f"{measure}:{name}", (slope, parts[0])
            if task.kind == "binary" and k == 1:
                yield measure, (slope, parts[0])
            if task.kind == "binary" and k == 0 and measure == "recall":
                yield "specificity", (slope, parts[0])
        if not present:
            continue
        yield (
            f"{measure}_macro",
            (_sum(*(_scaled(of[k][1], Fraction(1, len(present))) for k in present)), 0),
        )
        if known:
            weights = {k: Fraction(sums[6 + 3 * k], known) for k in present}
            average = sum(weights[k] * of[k][0] for k in present)
            moved = [{6 + 3 * k: (of[k][0] - average) / known} for k in present]
            slopes = [_scaled(of[k][1], weights[k]) for k in present]
            yield f"{measure}_weighted", (_sum(*slopes, *moved), 0)


def _kept(quality: Quality) -> int:
    task = quality.task
    assert not isinstance(task, RegressionTask)
    return len(task.classes) if len(task.classes) <= MOST_CLASSES else 0


def _sum(*gradients: Mapping[int, Any]) -> Gradient:
    total: dict[int, Fraction] = {}
    for one in gradients:
        for i, slope in one.items():
            total[i] = total.get(i, Fraction(0)) + slope
    return total


def _scaled(gradient: Mapping[int, Fraction], by: Fraction) -> Gradient:
    return {i: slope * by for i, slope in gradient.items()}


def _robust(
    metric: Metric, quality: Quality, moments: SessionProducts, gradient: Gradient, rows: int
) -> Metric:
    effective = moments.effective(rows, sums_of(quality)[rows])
    if moments.sessions < 2 or effective <= 1:
        low, high = _POSSIBLE.get(metric.name, (0.0, 1.0))
        return replace(metric, ci_low=low, ci_high=high)
    variance = moments.variance(gradient, effective)
    low, high = _interval(metric, quality, variance, effective)
    assert metric.ci_low is not None
    assert metric.ci_high is not None
    return replace(metric, ci_low=min(low, metric.ci_low), ci_high=max(high, metric.ci_high))


_POSSIBLE: Final = {
    **dict.fromkeys(("log_loss", "brier", "mae", "mse", "rmse"), (0.0, inf)),
    "mean_error": (-inf, inf),
    "r2": (-inf, 1.0),
}
"""what metrics can be that are no shares"""


def _interval(
    metric: Metric, quality: Quality, variance: float, effective: float
) -> intervals.Interval:
    """`variance` in the units of the sums; `effective`: the sessions, if all were of one size."""
    assert metric.value is not None
    level, name, task = metric.level, metric.name, quality.task
    student = intervals.student_quantile(level, effective - 1)
    if name not in _POSSIBLE:
        stretch = (student / intervals.normal_quantile(level)) ** 2
        return intervals.bounded(metric.value, variance * stretch, effective, level)
    bits = -task.unit if isinstance(task, RegressionTask) else fixed.BITS
    if name == "r2":
        low, high = intervals.positive(1 - metric.value, variance, effective, level)
        return 1 - high, 1 - low
    power = 2 if name in ("mse", "rmse") else 1
    error = sqrt(variance) * 2.0 ** (-bits * power)
    if name == "rmse":
        low, high = intervals.positive(metric.value**2, error * error, effective, level)
        return sqrt(low), sqrt(high)
    half = student * error
    return max(metric.value - half, _POSSIBLE[name][0]), metric.value + half


def _stretch(metric: Metric, robust: Metric) -> float:
    """How many times as wide an interval became."""
    ends = (metric.ci_low, metric.ci_high, robust.ci_low, robust.ci_high)
    if None in ends:
        return 1.0
    a, b, c, d = (float(end) for end in ends if end is not None)
    if not all(map(isfinite, (c, d))):
        return inf
    return (d - c) / (b - a) if b > a else 1.0


def _stretched(metric: Metric, factor: float) -> Metric:
    """A share's interval, wider by a factor on either side of what binning leaves open."""
    if metric.value is None or metric.ci_low is None or metric.ci_high is None:
        return metric
    if not isfinite(factor):
        return replace(metric, ci_low=0.0, ci_high=1.0)
    assert metric.low is not None
    assert metric.high is not None
    low = metric.low - factor * (metric.low - metric.ci_low)
    high = metric.high + factor * (metric.ci_high - metric.high)
    return replace(metric, ci_low=max(0.0, low), ci_high=min(1.0, high))
