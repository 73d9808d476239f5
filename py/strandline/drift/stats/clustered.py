"""p-values and confidence intervals for rows that come in sessions, from moments between sessions.

Every statistic is a function of the difference of shares below cuts or in cells. Without drift its
covariance is that of independent rows for the reference, and for the current what the sessions show
(the linearised ratio estimator of a cluster sample). From it follow mean and variance of quadratic
forms and of sums of sizes, hence p-values by Satterthwaite's approximation, with Fisher's F and
Student's t for the number of sessions that there effectively are.

References: Rao & Scott (1981, 1984); Thomas & Rao (1987).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from math import inf, pi, sqrt
from typing import Final

from strandline.drift import exact
from strandline.drift.features import Feature, NumericFeature, VectorFeature
from strandline.drift.sessions import Moments, spans
from strandline.drift.stats.cells import coarse_groups, effective_n, pearson
from strandline.drift.stats.cluster_sample import Corrected, Matrix, Sample, form_moments, tail
from strandline.drift.stats.clustered_mmd import clustered_mmd
from strandline.drift.stats.clustered_mmd import design_effect as effect_of_vectors
from strandline.drift.stats.epps import transforms
from strandline.drift.stats.fisher import last_category
from strandline.drift.stats.ks import at_cuts
from strandline.drift.stats.special import (
    covariance_of_abs,
    normal_sf,
    student_sf,
)
from strandline.drift.stats.statistic import Statistic
from strandline.drift.tally import NumericTally, Tally

_BY_CELLS: Final = ("chisquare", "g_test", "psi", "kl_div", "jensenshannon", "hellinger", "tvd")


def corrected(
    statistic: Statistic, feature: Feature, current: Tally, moments: Moments
) -> Statistic:
    """The statistic with the p-value and the confidence interval that sessions allow.

    Unchanged when it has no p-value or is of a method that there is no correction for
    (`METHODS_CORRECTED`).
    """
    correct = _CORRECTIONS.get(statistic.method)
    if statistic.p_value is None or correct is None:
        return statistic
    whole = statistic.method == "missing"
    sample = Sample.of(feature, current, moments, whole=whole)
    p_value, effect = 1.0, inf
    if moments.sessions > 1:
        p_value, effect = correct(statistic, sample)
    p_value = min(1.0, p_value)
    stretch = sqrt(max(1.0, effect))
    low, high = (
        statistic.effect - statistic.effect_ci_low,
        statistic.effect_ci_high - statistic.effect_high,
    )
    return replace(
        statistic,
        p_value=p_value,
        p_value_high=min(p_value, statistic.p_value_high or 0.0),
        effect_ci_low=max(0.0, statistic.effect - low * stretch) if stretch < inf else 0.0,
        effect_ci_high=statistic.effect_high + high * stretch,
    )


def design_effect(method: str, feature: Feature, current: Tally, moments: Moments) -> float:
    """How many times the variance of what a method looks at is that of independent rows, at least 1:
    shares below cuts, of cells, of what is missing, means of numbers or of features. Infinite when
    there is a single session.
    """
    whole = method == "missing"
    sample = Sample.of(feature, current, moments, whole=whole)
    if moments.sessions < 2 or not sample.m:
        return inf
    if whole or method in _BY_CELLS or not isinstance(feature, NumericFeature):
        vectors = isinstance(feature, VectorFeature) and not whole
        return max(1.0, effect_of_vectors(sample) if vectors else sample.design_effect)
    if method == "t_test":
        try:
            between, alone = _mean_variances(sample)
        except OverflowError:
            return inf
        return max(1.0, between / alone) if 0 < alone < inf else 1.0
    cuts = _cuts(sample)
    seen = sum(sample.between([cut])[0][0] for cut in cuts)
    alone = sum(sample.independent([cut], sample.m)[0][0] for cut in cuts)
    return max(1.0, seen / alone) if alone > 0 else 1.0


def _cells(statistic: Statistic, sample: Sample) -> Corrected:
    """Pearson's statistic of the cells of a test, Rao-Scott's second-order correction."""
    table = list(zip(sample.reference_counts, sample.current_counts, strict=True))
    members = coarse_groups(sample.feature, sample.current, table)
    scores = [[float(i in group) for i in range(len(table))] for group in map(set, members)]
    cells = [
        (sum(table[i][0] for i in group), sum(table[i][1] for i in group)) for group in members
    ]
    kept = [k for k, cell in enumerate(cells) if sum(cell)]
    if len(kept) < 2:
        return 1.0, 1.0
    value, _ = pearson(cells)
    scale = effective_n(sample.n, sample.m)
    total = sample.n + sample.m
    covariance = sample.difference([scores[k] for k in kept])
    roots = [sqrt(scale * total / sum(cells[k])) for k in kept]
    form = [[covariance[i][j] * a * b for j, b in enumerate(roots)] for i, a in enumerate(roots)]
    mean, variance = form_moments(form)
    return tail(value, mean, variance, sample.freedom), mean / (len(kept) - 1)


def _cuts(sample: Sample) -> list[list[float]]:
    """The score of a row for each cut between two cells: 1 below."""
    size = len(sample.reference_counts)
    return [[float(i <= k) for i in range(size)] for k in range(size - 1)]


def _at_cuts(sample: Sample) -> list[float]:
    """F − G there."""
    below = zip(accumulate(sample.reference_counts), accumulate(sample.current_counts), strict=True)
    return [r / sample.n - c / sample.m for r, c in below][:-1]


def _ks(statistic: Statistic, sample: Sample) -> Corrected:
    """The bridge's distribution, with the largest variance at any cut scaled to what it is."""
    cuts = _cuts(sample)
    if not cuts:
        return statistic.p_value or 0.0, 1.0
    actual, naive = sample.difference(cuts), sample.naive(cuts)
    ratio = max(row[k] for k, row in enumerate(actual)) / max(row[k] for k, row in enumerate(naive))
    x = sqrt(effective_n(sample.n, sample.m)) * statistic.low
    assert isinstance(sample.feature, NumericFeature)
    assert isinstance(sample.current, NumericTally)
    limit = at_cuts(sample.feature, sample.current, x / sqrt(ratio))
    return _few(limit, sample.freedom), ratio


def _quadratic(weigh: Callable[[Sample], list[float]]) -> Callable[[Statistic, Sample], Corrected]:
    def correct(statistic: Statistic, sample: Sample) -> Corrected:
        weights = weigh(sample)
        if not any(weights):
            return statistic.p_value or 0.0, 1.0
        cuts = _cuts(sample)
        value = sum(w * d * d for w, d in zip(weights, _at_cuts(sample), strict=True))
        (mean, variance), (naive, _) = (
            form_moments(_weighted(c, weights))
            for c in (sample.difference(cuts), sample.naive(cuts))
        )
        return tail(value, mean, variance, sample.freedom), mean / naive

    return correct


def _sizes(statistic: Statistic, sample: Sample) -> Corrected:
    """Σ v|F − G|."""
    weights = _widths(sample)
    if not any(weights):
        return statistic.p_value or 0.0, 1.0
    cuts = _cuts(sample)
    covariance = _weighted(sample.difference(cuts), [w * w for w in weights])
    value = sum(w * abs(d) for w, d in zip(weights, _at_cuts(sample), strict=True))
    naive = _weighted(sample.naive(cuts), [w * w for w in weights])
    ratio = sum(row[k] for k, row in enumerate(covariance)) / sum(
        row[k] for k, row in enumerate(naive)
    )
    seen = [sqrt(row[k]) for k, row in enumerate(covariance)]
    # As for single shares: a cut in a tail varies at least as all cuts together do.
    sds = [
        max(sd, sqrt(ratio * row[k])) for k, (sd, row) in enumerate(zip(seen, naive, strict=True))
    ]
    mean = sum(sds) * sqrt(2 / pi)
    variance = 0.0
    for j, row in enumerate(covariance):
        variance += sds[j] ** 2 * (1 - 2 / pi)
        for i in range(j):
            if seen[i] and seen[j]:
                rho = max(-1.0, min(1.0, row[i] / (seen[i] * seen[j])))
                variance += 2 * sds[i] * sds[j] * covariance_of_abs(rho)
    # A sum of sizes is to its mean as the root of a quadratic form is: twice the shape for F.
    return tail(value, mean, variance, 4 * sample.freedom), ratio


def _widths(sample: Sample) -> list[float]:
    """The part of the reference's range that each cut stands for."""
    feature = sample.feature
    assert isinstance(feature, NumericFeature)
    low, high = feature.tally.minimum, feature.tally.maximum
    inner = [min(max(feature.cuts[last - 1], low), high) for _, last in spans(feature)[:-1]]
    width = high - low
    if not 0 < width < inf:
        return [0.0] * len(inner)
    xs = [low, *inner, high]
    return [(b - a) / width / 2 for a, b in zip(xs, xs[2:], strict=False)]


def _masses(sample: Sample) -> list[float]:
    """The share of the rows that each cut stands for."""
    return [(a + b) / 2 for a, b in pairwise(sample.pooled)]


def _masses_of_tails(sample: Sample) -> list[float]:
    below = list(accumulate(sample.pooled))[:-1]
    masses = _masses(sample)
    return [w / (t * (1 - t)) if 0 < t < 1 else 0.0 for w, t in zip(masses, below, strict=True)]


def _mannw(statistic: Statistic, sample: Sample) -> Corrected:
    below = 0.0
    scores = []
    for share in sample.pooled:
        scores.append(below + share / 2)
        below += share
    difference = sum(
        s * (c / sample.m - r / sample.n)
        for s, r, c in zip(scores, sample.reference_counts, sample.current_counts, strict=True)
    )
    return _linear(scores, sample, difference)


def _last(statistic: Statistic, sample: Sample) -> Corrected:
    last = last_category(sample.feature)  # type: ignore[arg-type]
    return _share(last, sample)


def _missing(statistic: Statistic, sample: Sample) -> Corrected:
    return _share(len(sample.reference_counts) - 1, sample)


def _share(cell: int, sample: Sample) -> Corrected:
    scores = [float(i == cell) for i in range(len(sample.reference_counts))]
    difference = sample.current_counts[cell] / sample.m - sample.reference_counts[cell] / sample.n
    # A rare cell's own variance between few sessions is often seen far too small: it is at least
    # what the design effect of all cells together makes of it.
    floor = (
        sample.independent([scores], sample.n)[0][0]
        + sample.design_effect * sample.independent([scores], sample.m)[0][0]
    )
    return _linear(scores, sample, difference, floor)


def _linear(
    scores: Sequence[float], sample: Sample, difference: float, floor: float = 0.0
) -> Corrected:
    """Of a difference of means of scores, whose variance is at least `floor`."""
    actual = max(sample.difference([scores])[0][0], floor)
    if actual <= 0:
        return 1.0, 1.0
    return _student(difference, actual, sample), actual / sample.naive([scores])[0][0]


def _t_test(statistic: Statistic, sample: Sample) -> Corrected:
    tally, current = sample.feature.tally, sample.current
    assert isinstance(tally, NumericTally)
    assert isinstance(current, NumericTally)
    mean = Fraction(current.total, sample.m)
    own = exact.variance(tally.total, tally.squares, sample.n) / sample.n
    try:
        between, alone = _mean_variances(sample)
        shift = float((mean - Fraction(tally.total, sample.n)) / 2**exact.SUM_SCALE)
    except OverflowError:
        return 1.0, inf
    naive = own + alone
    if not 0 < naive < inf:
        return statistic.p_value or 0.0, 1.0
    return _student(shift, own + between, sample), (own + between) / naive


def _mean_variances(sample: Sample) -> tuple[float, float]:
    """Of the current's mean: as the sessions show it, and of independent rows. Raises OverflowError."""
    current, moments, m = sample.current, sample.moments, sample.m
    assert isinstance(current, NumericTally)
    size = len(sample.current_counts)
    rows = sum(sum(row[:size]) for row in moments.matrix[:size])
    mean = Fraction(current.total, m)
    squares = moments.squares - 2 * mean * moments.by_rows + mean * mean * rows
    scale = Fraction(moments.sessions, (moments.sessions - 1) * m**2)
    between = float(scale * squares / 2**exact.SQUARES_SCALE)
    return between, exact.variance(current.total, current.squares, m) / m


def _es(statistic: Statistic, sample: Sample) -> Corrected:
    """Hotelling's T² of the mean transforms of cells, with the sessions' covariance."""
    assert isinstance(sample.feature, NumericFeature)
    scores = list(zip(*transforms(sample.feature, spans(sample.feature)), strict=True))
    shift = [
        sum(
            s * (c / sample.m - r / sample.n)
            for s, r, c in zip(row, sample.reference_counts, sample.current_counts, strict=True)
        )
        for row in scores
    ]
    actual, naive = sample.difference(scores), sample.naive(scores)
    # Second order: the quadratic form with the independent rows' covariance, as of cells.
    inverse = _inverse(naive)
    rank = range(len(shift))
    value = sum(shift[i] * inverse[i][j] * shift[j] for i in rank for j in rank)
    product = [[sum(inverse[i][k] * actual[k][j] for k in rank) for j in rank] for i in rank]
    mean = sum(product[i][i] for i in rank)
    square = sum(product[i][j] * product[j][i] for i in rank for j in rank)
    if mean <= 0:
        return 1.0, 1.0
    kept = sum(any(row) for row in inverse)
    return tail(value, mean, 2 * square, sample.freedom), mean / kept


def _inverse(matrix: Matrix) -> Matrix:
    """Of a covariance, by Gauss and Jordan; directions without variance are left out."""
    size = len(matrix)
    work = [[*row, *(float(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    least = 1e-10 * max(matrix[i][i] for i in range(size))
    left = set(range(size))
    while left:
        pivot = max(left, key=lambda i: work[i][i])
        if work[pivot][pivot] <= least:
            break
        left.remove(pivot)
        head = work[pivot][pivot]
        work[pivot] = [x / head for x in work[pivot]]
        for i in range(size):
            if i != pivot:
                factor = work[i][pivot]
                work[i] = [x - factor * y for x, y in zip(work[i], work[pivot], strict=True)]
    return [
        [0.0 if i in left or j in left else work[i][size + j] for j in range(size)]
        for i in range(size)
    ]


def _student(difference: float, variance: float, sample: Sample) -> float:
    if variance <= 0:
        return 1.0 if difference == 0 else 0.0
    return 2 * student_sf(abs(difference) / sqrt(variance), sample.freedom)


def _few(p_value: float, freedom: float) -> float:
    """A p-value of a variance that is known, when it was estimated from so few sessions."""
    low, high = 0.0, 38.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if 2 * normal_sf(middle) > p_value:
            low = middle
        else:
            high = middle
    return min(1.0, 2 * student_sf(low, freedom))


def _weighted(covariance: Matrix, weights: Sequence[float]) -> Matrix:
    roots = [sqrt(w) for w in weights]
    return [
        [x * a * b for x, b in zip(row, roots, strict=True)]
        for row, a in zip(covariance, roots, strict=True)
    ]


_CORRECTIONS: Final[dict[str, Callable[[Statistic, Sample], Corrected]]] = {
    **dict.fromkeys(_BY_CELLS, _cells),
    "ks": _ks,
    "ed": _quadratic(_widths),
    "cramer_von_mises": _quadratic(_masses),
    "anderson": _quadratic(_masses_of_tails),
    "wasserstein": _sizes,
    "mannw": _mannw,
    "t_test": _t_test,
    "es": _es,
    "z": _last,
    "fisher_exact": _last,
    "missing": _missing,
    "mmd": clustered_mmd,
}

METHODS_CORRECTED: Final = frozenset(_CORRECTIONS)
