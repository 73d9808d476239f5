"""Distribution functions that the page needs and the standard library lacks; SciPy is the tests'
oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import asin, erfc, exp, lgamma, log, log1p, pi, sqrt
from typing import Final

_EPSILON: Final = 1e-16
_TINY: Final = 1e-300


def kolmogorov_sf(x: float) -> float:
    """P(sup|B| > x) for a Brownian bridge B: the limit of √(nm/(n+m))·D of two samples.

    References: Kolmogorov (1933); the two series are theta functions of each other.
    """
    if x < 0.05:
        return 1.0
    if x < 1.18:
        t = exp(-(pi**2) / (8 * x * x))
        return max(0.0, 1.0 - sqrt(2 * pi) / x * (t + t**9 + t**25 + t**49))
    t = exp(-2 * x * x)
    return 2.0 * (t - t**4 + t**9 - t**16)


def chi2_sf(x: float, df: float) -> float:
    """P(X > x) for X of a chi-square distribution with df > 0 degrees of freedom."""
    return gamma_q(df / 2, x / 2)


def central_chi2_cdfs(x: float, df: float) -> list[float]:
    """P(X ≤ x) for X of chi-square distributions with df, df + 2, df + 4 … degrees of freedom, as long
    as it is 1e-12 or more: about x + 20 of them at most.
    """
    a, half = df / 2, x / 2
    if half <= 0:
        return []
    below, found = 1.0 - gamma_q(a, half), []
    step = exp(a * log(half) - half - lgamma(a + 1))
    while below >= 1e-12:
        found.append(below)
        below -= step
        a += 1
        step *= half / a
    return found


def noncentral_chi2_cdf(central: Sequence[float], noncentrality: float) -> float:
    """P(X ≤ x) for X of a noncentral chi-square distribution, from its `central_chi2_cdfs` at x: their
    mean, weighted by Poisson's probabilities. References: Johnson, Kotz & Balakrishnan (1995), 29.4.
    """
    total, half = 0.0, noncentrality / 2
    weight = exp(-half)
    for j, below in enumerate(central, 1):
        total += weight * below
        weight *= half / j
    return total


def normal_sf(x: float) -> float:
    """P(X > x) for a standard normal X."""
    return erfc(x / sqrt(2)) / 2


def gamma_q(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x), a > 0.

    A series below a + 1, Lentz's continued fraction above.
    References: Abramowitz & Stegun 6.5.29 and 6.5.31.
    """
    if x <= 0:
        return 1.0
    scale = a * log(x) - x - lgamma(a)
    if scale < -745.0:
        return 1.0 if x < a else 0.0
    if x < a + 1:
        term = total = 1 / a
        k = a
        while term > total * _EPSILON:
            k += 1
            term *= x / k
            total += term
        return max(0.0, 1.0 - total * exp(scale))
    b = x + 1 - a
    c = 1 / _TINY
    d = 1 / b
    fraction = d
    i = 0
    while True:
        i += 1
        an = -i * (i - a)
        b += 2
        d = 1 / _away_from_zero(an * d + b)
        c = _away_from_zero(b + an / c)
        factor = d * c
        fraction *= factor
        if abs(factor - 1) < 4 * _EPSILON or i > 100_000:
            return min(1.0, fraction * exp(scale))


def _away_from_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def student_sf(t: float, df: float) -> float:
    """P(T > t) for T of Student's distribution with df > 0 degrees of freedom, t ≥ 0."""
    if t * t < df:
        return (1 - beta_i(0.5, df / 2, t * t / (df + t * t))) / 2
    return beta_i(df / 2, 0.5, df / (df + t * t)) / 2


def beta_i(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), a, b > 0, by Lentz's continued fraction.

    References: Abramowitz & Stegun 26.5.8.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_i(b, a, 1 - x)
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for i in range(1, 10_000):
        even = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i))
        d = 1 / _away_from_zero(1 + even * d)
        c = _away_from_zero(1 + even / c)
        fraction *= d * c
        odd = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1))
        d = 1 / _away_from_zero(1 + odd * d)
        c = _away_from_zero(1 + odd / c)
        fraction *= d * c
        if abs(d * c - 1) < 4 * _EPSILON:
            break
    scale = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)
    return exp(scale) * fraction / a


def f_sf(x: float, a: float, b: float) -> float:
    """P(X > x) for X of Fisher's F with a and b > 0 degrees of freedom."""
    return 1.0 if x <= 0 else beta_i(b / 2, a / 2, b / (b + a * x))


def separation(n: int, m: int) -> float:
    """How likely n and m rows of one distribution fall apart into two groups: 2/C(n + m, n)."""
    return min(1.0, 2 * exp(lgamma(n + 1) + lgamma(m + 1) - lgamma(n + m + 1)))


def student_quantile(df: float) -> float:
    """The t with P(|T| > t) = 5 %."""
    return _quantile(lambda t: student_sf(t, df), 0.025, 1.0, 1e3)


def chi2_quantile(df: float) -> float:
    """The x with P(X > x) = 5 % for X of a chi-square distribution."""
    return _quantile(lambda x: chi2_sf(x, df), 0.05, 0.0, df + 20 + 10 * sqrt(df))


def _quantile(survival: Callable[[float], float], p: float, low: float, high: float) -> float:
    """Where between the two the probability of more falls to p, by bisection."""
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        if survival(middle) > p:
            low = middle
        else:
            high = middle
    return high


def covariance_of_abs(rho: float) -> float:
    """Cov(|X|, |Y|) of standard normals with correlation rho."""
    return 2 / pi * (sqrt(1 - rho * rho) + rho * asin(rho) - 1)
