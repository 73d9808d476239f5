"""Integrals of (F − G)² and their like: what they are in the limit when nothing has drifted.

Without drift √(nm/(n+m))·(F − G) is a Brownian bridge in the pooled share below x, so Σ w_j·Z_j² over
a few places is a quadratic form in normal variables, of which three cumulants say nearly all.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sqrt
from typing import Final, NamedTuple

from strandline.drift.stats.special import chi2_sf


class Term(NamedTuple):
    """w·Z² at one place."""

    weight: float
    share: float
    """of both samples together below the place, a tie's half included; within (0, 1)"""
    variance: float
    """of Z: share·(1 − share), less where Z is the mean over a bin"""


class Cumulants(NamedTuple):
    """Mean, variance and third cumulant."""

    mean: float
    variance: float
    third: float


LIMIT_CRAMER: Final = Cumulants(1 / 6, 1 / 45, 8 / 945)
"""of ∫B² dt for a Brownian bridge"""
LIMIT_ANDERSON: Final = Cumulants(1.0, 2 * (pi**2 - 9) / 3, 8 * (10 - pi**2))
"""of ∫B²/(t(1 − t)) dt"""


def cumulants(terms: Sequence[Term]) -> Cumulants:
    """Of Σ w·Z², with Cov(Z_j, Z_k) = s_j(1 − s_k) for j < k; in one pass.

    κ_r = 2^(r−1)·(r − 1)!·tr((WC)^r); the sums over j < k < l fall apart into sums over j and over l.
    """
    mean = square = cube = 0.0
    low = low2 = 0.0
    """Σ_{j<k} w_j·s_j² and Σ_{j<k} w_j²·Var_j·s_j²"""
    chain = 0.0
    """Σ_{j<k} of what a later l multiplies by w_l·(1 − s_l)² into the triples of tr((WC)³)"""
    for weight, share, variance in terms:
        above = (1 - share) ** 2
        own = weight * variance
        mean += own
        square += own * own + 2 * weight * above * low
        cube += own**3 + 3 * weight * above * (chain + own * low + low2)
        chain += 2 * weight * share * (1 - share) * low
        low += weight * share * share
        low2 += weight * own * share * share
    return Cumulants(mean, 2 * square, 8 * cube)


def tail(x: float, of: Cumulants) -> float:
    """P(Q > x) for a quadratic form Q ≥ 0 with these cumulants: a chi-square variable with the same
    three.

    References: Hall (1983); Buckley & Eagleson (1988).
    """
    if of.variance <= 0:
        return 1.0
    nu = 8 * of.variance**3 / of.third**2
    return chi2_sf(max(0.0, nu + sqrt(2 * nu / of.variance) * (x - of.mean)), nu)
