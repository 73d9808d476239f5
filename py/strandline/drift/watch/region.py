"""What the reference, being a sample, leaves open about the distribution it was drawn from.

The region {p : n·KL(r/n ‖ p) ≤ x} holds the true cell probabilities p of a reference with counts r
with a probability that is bounded for every n.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import log

_STEPS = 40


@lru_cache(maxsize=1024)
def radius(cells: int, delta: float) -> float:
    """The x with P(n·KL(r/n ‖ p) ≥ x) ≤ `delta`, in nats, for any p over so many cells and any n.

    References: Agrawal (2020), *Finite-sample concentration of the multinomial in relative
    entropy*, IEEE Transactions on Information Theory 66(10): the probability is at most
    e^-x (e·x/(k-1))^(k-1) for x > k - 1. Bins whose edges are the reference's own quantiles have
    random masses p ~ Dirichlet(r) instead of random counts; `tests/drift/watch` computes that the
    same bound holds for those.

    >>> round(radius(2, 0.05), 2), round(radius(12, 0.005), 1)
    (5.74, 25.6)
    """
    free = max(1, cells - 1)
    low, high = float(free), free + 2.0
    while _log_tail(high, free) > log(delta):
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if _log_tail(middle, free) > log(delta):
            low = middle
        else:
            high = middle
    return high


def _log_tail(x: float, free: int) -> float:
    return -x + free * (1 + log(x / free))


def best_fit(reference: Sequence[float], current: Sequence[float], x: float) -> float:
    """The largest log-likelihood Σ c·ln p of the counts `current` over the region of radius `x`
    around `reference` (both [cells], both of a sum > 0).

    The maximum lies on the line between the two empirical distributions: by Lagrange's condition p
    is proportional to c + λr.
    """
    n, m = sum(reference), sum(current)
    pairs = [(r / n, c / m) for r, c in zip(reference, current, strict=True)]

    def away(mu: float) -> float:
        """n·KL(r/n ‖ p) at p = mu·r/n + (1 - mu)·c/m."""
        total = 0.0
        for r, c in pairs:
            if r:
                p = mu * r + (1 - mu) * c
                if p <= 0:
                    return float("inf")
                total += r * log(r / p)
        return n * total

    low, high = 0.0, 1.0
    if away(0.0) > x:
        for _ in range(_STEPS):
            middle = (low + high) / 2
            if away(middle) > x:
                low = middle
            else:
                high = middle
    # `low` lies just outside the region or at c/m: never less than the maximum.
    return m * sum(c * log(low * r + (1 - low) * c) for r, c in pairs if c)
