"""Many tests at once."""

from __future__ import annotations

from collections.abc import Sequence


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: rejecting those ≤ α keeps the expected share of false alarms among alarms
    ≤ α.

    References: Benjamini & Hochberg (1995); valid for independent and for positively dependent
    tests.

    >>> [round(p, 6) for p in benjamini_hochberg([0.01, 0.04, 0.03, 0.5])]
    [0.04, 0.053333, 0.053333, 0.5]
    """
    m = len(p_values)
    adjusted = [1.0] * m
    smallest = 1.0
    ranked = sorted(range(m), key=p_values.__getitem__)
    for rank, i in reversed(list(enumerate(ranked, 1))):
        smallest = min(smallest, p_values[i] * m / rank)
        adjusted[i] = smallest
    return adjusted


def threshold(p_values: Sequence[float], alpha: float) -> float:
    """The p-value up to which Benjamini-Hochberg rejects at level α, at least α/m (one test: α).

    >>> round(threshold([0.01, 0.02, 0.5], 0.05), 6)
    0.033333
    """
    m = max(1, len(p_values))
    rejected = sum(p <= alpha for p in benjamini_hochberg(p_values))
    return alpha * max(1, rejected) / m
