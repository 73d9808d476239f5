"""`mmd` for vectors that come in sessions."""

from __future__ import annotations

from math import sqrt
from operator import mul

from strandline.drift.features import VectorFeature
from strandline.drift.sessions import first_waves
from strandline.drift.stats.cluster_sample import Corrected, Sample, form_moments, tail
from strandline.drift.stats.mmd import distance
from strandline.drift.stats.statistic import Statistic
from strandline.drift.tally import VectorTally
from strandline.drift.triangle import symmetric
from strandline.drift.vectors import AMPLITUDE


def clustered_mmd(statistic: Statistic, sample: Sample) -> Corrected:
    """The squared distance of the mean random Fourier features: a quadratic form of their difference.

    Its mean is the trace of that difference's covariance, which is known of all features. Its variance
    takes the trace of the covariance's square, which is known of the first features between sessions,
    and of all between rows; what both have in common is at most what it is when they are alike
    (Cauchy & Schwarz).
    """
    feature, current, moments = sample.feature, sample.current, sample.moments
    assert isinstance(feature, VectorFeature)
    assert isinstance(current, VectorTally)
    n, m = sample.n, sample.m
    between = _between(sample)
    own, square, _ = feature.traces
    mean = own / n + between
    if mean <= 0:
        return (1.0 if statistic.value <= 0 else 0.0), 1.0
    alike = square / own**2 if own else 1.0
    concentration = _concentration(sample) if moments.block else alike
    root = sqrt(square) / n + between * sqrt(concentration)
    value = float(distance(feature.tally, current))
    p_value = tail(value, mean, 2 * root * root, sample.freedom)
    return p_value, mean / (own * (1 / n + 1 / m))


def design_effect(sample: Sample) -> float:
    """Variance of the current's mean features beside that of independent rows."""
    assert isinstance(sample.feature, VectorFeature)
    own = sample.feature.traces[0]
    return _between(sample) * sample.m / own if own else 1.0


def _means(sample: Sample) -> tuple[float, ...]:
    assert isinstance(sample.current, VectorTally)
    return tuple(x / sample.m for x in sample.current.sums)


def _between(sample: Sample) -> float:
    """Trace of the covariance of the current's mean features, as the sessions show it."""
    assert isinstance(sample.feature, VectorFeature)
    moments, means = sample.moments, _means(sample)
    along = sum(map(mul, means, moments.sums))
    trace = moments.squares - 2 * along + moments.matrix[0][0] * sum(x * x for x in means)
    unit = AMPLITUDE**2 * sample.feature.frequencies
    spread: float = max(0.0, trace) / (sample.m**2 * unit)
    return (1 + 1 / sample.freedom) * spread


def _concentration(sample: Sample) -> float:
    """tr B²/(tr B)² of the covariance B between sessions: 1 when these differ in one direction only.

    Of the blocks of B that pairs of frequencies make, those of the first frequencies are known, and
    any others are like them: frequencies are random. Few sessions make it too large, which is on the
    safe side.
    """
    moments, means = sample.moments, _means(sample)
    rows = moments.matrix[0][0]
    mu, sums = first_waves(means), first_waves(moments.sums)
    block = symmetric(moments.block)
    matrix = [
        [block[i][j] - a * sums[j] - sums[i] * b + rows * a * b for j, b in enumerate(mu)]
        for i, a in enumerate(mu)
    ]
    known, all_of = len(mu) // 2, len(means) // 2
    trace, twice = form_moments(matrix)
    if trace <= 0:
        return 1.0
    own = sum(matrix[i][j] ** 2 for i in range(2 * known) for j in (i, (i + known) % (2 * known)))
    others = (twice / 2 - own) / max(1, known - 1) * (all_of - 1)
    return min(1.0, (own + others) * known / all_of / trace**2)
