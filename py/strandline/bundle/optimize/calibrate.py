"""The ranges of tensors over calibration data: all of it, without rare extremes, or with the least loss of
information."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from strandline.runtime import Session

BINS = 2048
PERCENTILE = 99.99
METHODS = ("minmax", "percentile", "entropy")

Feeds = Mapping[str, Any]


def ranges(
    model: bytes, names: Sequence[str], batches: Sequence[Feeds], method: str
) -> dict[str, tuple[float, float]]:
    """(lowest, highest) of each of the model's outputs `names` over `batches`.

    "minmax": the extremes. "percentile": the shortest that leaves out 0.01 % of the values, at either
    end in proportion. "entropy": the clipping at which 8 bits lose the least information about the
    magnitudes (Migacz 2017). The model runs twice: for the extremes, then for histograms.
    """
    session = Session(model)
    found = dict.fromkeys(names, (np.inf, -np.inf))
    for values in _runs(session, names, batches):
        for name, x in values.items():
            low, high = found[name]
            found[name] = (min(low, float(x.min())), max(high, float(x.max())))
    found = {name: limits for name, limits in found.items() if limits[0] <= limits[1]}
    if method == "minmax":
        return found
    counts = {name: np.zeros(BINS, np.int64) for name in found}
    for values in _runs(session, names, batches):
        for name, x in values.items():
            if name in found:
                counts[name] += np.histogram(x, BINS, found[name])[0]
    choose = clipped if method == "percentile" else least_loss
    return {name: choose(counts[name], *limits) for name, limits in found.items()}


def _runs(session: Session, names: Sequence[str], batches: Sequence[Feeds]) -> Any:
    """For each batch the values by name, without those that are not finite."""
    inputs = {info.name for info in session.inputs}
    outputs = [name for name in names if name not in inputs]
    for feeds in batches:
        results = session.run(feeds, outputs) if outputs else {}
        results = {**results, **{name: feeds[name] for name in names if name in inputs}}
        arrays = {name: np.asarray(value, np.float64).ravel() for name, value in results.items()}
        finite = {name: x[np.isfinite(x)] for name, x in arrays.items()}
        yield {name: x for name, x in finite.items() if x.size}


def clipped(counts: Any, low: float, high: float) -> tuple[float, float]:
    """The range between the percentiles that leave out 0.01 % of all values."""
    edges = np.linspace(low, high, len(counts) + 1)
    below = np.cumsum(counts)
    outside = (1 - PERCENTILE / 100) * below[-1] / 2
    first = int(np.searchsorted(below, outside, side="right"))
    last = int(np.searchsorted(below, below[-1] - outside, side="left"))
    return float(edges[first]), float(edges[min(last + 1, len(counts))])


def least_loss(counts: Any, low: float, high: float) -> tuple[float, float]:
    """Clipped to ±t for the t whose quantized magnitudes differ least from the true ones
    (Kullback–Leibler divergence over histograms of as many levels as 8 bits leave one sign).

    Zeros, which are exact at any scale and all that many activations have, count as their neighbours do.
    """
    levels = 256 if low >= 0 or high <= 0 else 128
    top = max(abs(low), abs(high))
    if top == 0:
        return low, high
    centres = np.linspace(low, high, len(counts) + 1)
    centres = np.abs((centres[1:] + centres[:-1]) / 2)
    magnitude, _ = np.histogram(centres, BINS, (0, top), weights=counts)
    magnitude[0] = min(magnitude[0], magnitude[1])
    best, chosen = np.inf, top
    for kept in range(levels, BINS + 1, levels // 4):
        true = magnitude[:kept].astype(np.float64)
        true[-1] += magnitude[kept:].sum()
        groups = np.arange(kept) * levels // kept
        sums = np.bincount(groups, magnitude[:kept], levels)
        filled = np.bincount(groups, magnitude[:kept] > 0, levels)
        spread = np.divide(sums, filled, out=np.zeros(levels), where=filled > 0)[groups]
        guess = np.where(magnitude[:kept] > 0, spread, 0)
        if not guess.sum():
            continue
        p, q = true / true.sum(), guess / guess.sum()
        some = p > 0
        loss = float(np.sum(p[some] * np.log(p[some] / np.maximum(q[some], 1e-12))))
        if loss < best:
            best, chosen = loss, top * kept / BINS
    return max(low, -chosen), min(high, chosen)
