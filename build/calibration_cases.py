"""Drift-free cases by the thousand: how often each statistic alarms at 5 %. And how often with drift.

Everything is drawn anew in every case, the reference with its bins and vocabulary too. Above 20,000
rows the counts in bins are drawn, not the rows: the reference's cuts are order statistics, whose joint
distribution follows from gamma variables, and given them the current's counts are multinomial. This is
the distribution that rows would give, not an approximation.
"""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import inf, nextafter
from typing import Any, Final

import numpy as np
from scipy import stats

from strandline.drift import METHODS, CategoricalTally, NumericTally, Reference, bins, exact
from strandline.drift.features import CategoricalFeature, NumericFeature
from strandline.drift.sessions import Moments, of_session
from strandline.drift.stats import missing
from strandline.drift.stats.clustered import corrected

ALPHA: Final = 0.05
MOST_ROWS_DRAWN: Final = 20_000
BINS: Final = 50

Pair = tuple[Any, Any]
Random = np.random.Generator


@dataclass(frozen=True)
class Cell:
    """One setting without drift."""

    family: str
    shape: str
    n: int
    m: int
    cases: int
    seed: int = 0

    @property
    def key(self) -> str:
        return f"{self.family}/{self.shape}/{self.n}/{self.m}"


SHAPES: Final[dict[str, Callable[[Random, int], Any]]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "13 values": lambda rng, n: rng.binomial(12, 0.4, n) * 1.0,
    "half 0, heavy tail": lambda rng, n: np.where(rng.random(n) < 0.5, 0.0, rng.lognormal(0, 2, n)),
}
NUMERIC_SIZES: Final = (
    (50, 50), (50, 1000), (1000, 50), (200, 1000), (1000, 200), (1000, 1000), (1000, 10_000),
    (10_000, 1000), (10_000, 10_000), (1000, 1_000_000), (100_000, 100_000), (1_000_000, 1000),
    (1_000_000, 1_000_000),
)  # fmt: skip
CATEGORICAL_SIZES: Final = (
    (50, 50), (50, 1000), (1000, 50), (1000, 1000), (1000, 10_000), (10_000, 1000), (1000, 1_000_000),
    (100_000, 100_000), (1_000_000, 1_000_000),
)  # fmt: skip
CATEGORIES: Final = (2, 3, 5, 10, 30, 50)
SESSIONS: Final = (
    # (sessions, rows per session on average, share of the variance between sessions)
    (30, 30, 0.2), (100, 20, 0.1), (100, 100, 0.3), (400, 10, 0.05), (100, 20, 0.0),
)  # fmt: skip


def cells(cases: int) -> Iterator[Cell]:
    """All settings, each with a seed of its own."""
    made = []
    for shape in SHAPES:
        for n, m in NUMERIC_SIZES:
            if shape != "half 0, heavy tail" or max(n, m) <= MOST_ROWS_DRAWN:
                made.append(Cell("numeric", shape, n, m, cases))
    for k in CATEGORIES:
        for law in ("even", "uneven"):
            if k > 2 or law == "even":
                made += [
                    Cell("categorical", f"{k} {law}", n, m, cases) for n, m in CATEGORICAL_SIZES
                ]
    made.append(Cell("categorical", "2 uneven", 1000, 1000, cases))
    for share in ("1 %", "30 %"):
        made += [Cell("missing", share, n, m, cases) for n, m in CATEGORICAL_SIZES]
    for kind in ("numeric", "categorical"):
        for count, rows, alike in SESSIONS:
            shape = f"{kind}, {count} sessions of {rows} rows, {alike:.0%} between"
            made.append(Cell("sessions", shape, 5000, count * rows, max(1, cases // 3)))
    for count, rows, alike in SESSIONS:
        shape = f"vector, {count} sessions of {rows} rows, {alike:.0%} between"
        made.append(Cell("sessions", shape, 1000, count * rows, max(1, cases // 3)))
    for seed, cell in enumerate(made):
        yield replace(cell, seed=seed)


def run(cell: Cell) -> dict[str, int]:
    """Alarms by statistic's name."""
    rng = np.random.default_rng([20_26, cell.seed])
    if cell.family == "sessions":
        return _sessions(cell, rng)
    draw: Callable[[], Pair]
    if cell.family == "missing":
        share = float(cell.shape.split()[0]) / 100
        return _missing(cell, rng, share)
    if cell.family == "categorical":
        shares = law(cell.shape)
        draw = lambda: categorical(rng, shares, cell.n, cell.m)  # noqa: E731
        names = [name for name, method in METHODS.items() if "categorical" in method.kinds]
    else:
        draw = lambda: numeric(rng, cell.shape, cell.n, cell.m)  # noqa: E731
        names = [name for name, method in METHODS.items() if "numeric" in method.kinds]
    alarms = dict.fromkeys(names, 0)
    for _ in range(cell.cases):
        feature, current = draw()
        for name in names:
            p_value = METHODS[name](feature, current).p_value
            alarms[name] += p_value is not None and p_value <= ALPHA
    return alarms


def law(shape: str) -> Any:
    """Shares of categories: all alike, or falling as 1, 2 … k do."""
    k, evenness = int(shape.split()[0]), shape.split()[1]
    weights = np.ones(k) if evenness == "even" else np.arange(1.0, k + 1)
    return weights / weights.sum()


def categorical(rng: Random, shares: Any, n: int, m: int) -> Pair:
    """A feature frozen from n rows, and the tally of m."""
    reference, current = rng.multinomial(n, shares), rng.multinomial(m, shares)
    order = sorted(np.flatnonzero(reference), key=lambda i: (-reference[i], i))[:50]
    kept = CategoricalTally(
        array("q", [*map(int, reference[order]), n - int(reference[order].sum())])
    )
    seen = CategoricalTally(array("q", [*map(int, current[order]), m - int(current[order].sum())]))
    return CategoricalFeature("x", "feature", tuple(f"c{i:02d}" for i in order), kept), seen


def numeric(rng: Random, shape: str, n: int, m: int) -> Pair:
    """The same of numbers."""
    if shape == "13 values" and max(n, m) > MOST_ROWS_DRAWN:
        return _few_values(rng, n, m)
    if max(n, m) <= MOST_ROWS_DRAWN:
        frozen = Reference.from_columns(
            {"x": SHAPES[shape](rng, n)}, kinds={"x": "numeric"}, latency=False
        )["x"]
        return frozen, frozen.count(SHAPES[shape](rng, m))
    return _normal(rng, n, m)


def _few_values(rng: Random, n: int, m: int) -> Pair:
    shares = stats.binom.pmf(np.arange(13), 12, 0.4)
    drawn = [rng.multinomial(size, shares / shares.sum()) for size in (n, m)]
    values = [float(v) for v in np.flatnonzero(drawn[0])]
    cuts = bins.quantile_cuts(values, BINS)
    blank = NumericFeature(
        "x", "feature", cuts, NumericTally(array("q", bytes(8 * (len(cuts) + 1))))
    )
    tallies = []
    for counts in drawn:
        filled = [0] * blank.bins
        for v, count in enumerate(counts):
            filled[blank.bin_of(float(v))] += int(count)
        held = np.flatnonzero(counts)
        total = sum(int(v) * int(counts[v]) for v in held) << exact.SUM_SCALE
        squares = sum(int(v) ** 2 * int(counts[v]) for v in held) << exact.SQUARES_SCALE
        tallies.append(
            NumericTally(array("q", filled), 0, 0, total, squares, float(held[0]), float(held[-1]))
        )
    return replace(blank, tally=tallies[0]), tallies[1]


@cache
def _ranks(n: int) -> tuple[int, ...]:
    """Ranks of the order statistics at which a reference of n different values is cut."""
    cuts = bins.quantile_cuts(range(n), BINS)
    return tuple(sorted({int(cut) for cut in cuts if 0 <= cut <= n - 1 and cut == int(cut)}))


def _normal(rng: Random, n: int, m: int) -> Pair:
    """Standard normal rows; the sums are drawn from their own distribution, since no statistic's
    p-value depends on sums and bins at once.
    """
    if n <= MOST_ROWS_DRAWN:
        frozen = Reference.from_columns({"x": rng.normal(size=n)}, latency=False)["x"]
        assert isinstance(frozen, NumericFeature)
        feature = frozen
    else:
        ranks = _ranks(n)
        gaps = rng.gamma(np.diff([-1, *ranks, n - 1, n]).astype(float))
        cuts = stats.norm.ppf(np.cumsum(gaps)[:-1] / gaps.sum()).tolist()
        counts = [b - a for a, b in pairwise([*ranks, n])]
        inner = [*cuts[:-1], nextafter(cuts[-1], inf)]
        tails = sorted(bins._tails(cuts[0], cuts[-1]))
        below = [x for x in tails if x < cuts[0]]
        above = [x for x in tails if x > inner[-1]]
        whole = [0] * (len(below) + 1) + counts + [0] * (len(above) + 1)
        feature = NumericFeature(
            "x", "feature", (*below, *inner, *above), _tally(rng, whole, n, cuts[0], cuts[-1])
        )
    edges = stats.norm.cdf([-inf, *feature.cuts, inf])
    if m <= MOST_ROWS_DRAWN:
        return feature, feature.count(SHAPES["normal"](rng, m))
    counts = rng.multinomial(m, np.diff(edges)).tolist()
    ends = stats.norm.ppf([rng.beta(1, m), rng.beta(m, 1)])
    return feature, _tally(rng, counts, m, float(ends[0]), float(ends[1]))


def _tally(rng: Random, counts: Sequence[int], n: int, low: float, high: float) -> NumericTally:
    mean, squares = rng.normal() / n**0.5, rng.chisquare(n - 1)
    total = Fraction(mean) * n
    return NumericTally(
        array("q", counts),
        0,
        0,
        int(total * 2**exact.SUM_SCALE),
        int((Fraction(squares) + total * total / n) * 2**exact.SQUARES_SCALE),
        low,
        high,
    )


def _missing(cell: Cell, rng: Random, share: float) -> dict[str, int]:
    alarms = 0
    value = 1.5
    feature = Reference.from_columns({"x": [value]}, kinds={"x": "numeric"}, latency=False)["x"]
    assert isinstance(feature, NumericFeature)
    place = feature.bin_of(value)
    for _ in range(cell.cases):
        tallies = []
        for size in (cell.n, cell.m):
            gone = int(rng.binomial(size, share))
            counts = [0] * feature.bins
            counts[place] = size - gone
            tallies.append(NumericTally(array("q", counts), missing=gone))
        if any(tally.missing for tally in tallies):
            p_value = missing(replace(feature, tally=tallies[0]), tallies[1]).p_value
            alarms += p_value is not None and p_value <= ALPHA
    return {"missing": alarms}


DIMENSIONS: Final = 8
SHARES: Final = np.array([0.4, 0.3, 0.15, 0.1, 0.05])


def _sessions(cell: Cell, rng: Random) -> dict[str, int]:
    """Alarms with the sessions known, and as ``name*`` with rows taken for independent."""
    kind = cell.shape.split(",")[0]
    words = cell.shape.split()
    sessions, rows, alike = int(words[1]), int(words[4]), float(words[6].rstrip("%")) / 100
    names = [name for name, method in METHODS.items() if kind in method.kinds]
    alarms = dict.fromkeys([*names, *(f"{name}*" for name in names)], 0)
    for _ in range(cell.cases):
        feature, current, moments = session_case(rng, kind, sessions, rows, alike, cell.n)
        for name in names:
            found = METHODS[name](feature, current)
            known = corrected(found, feature, current, moments)
            alarms[f"{name}*"] += (found.p_value or 0) <= ALPHA
            alarms[name] += (known.p_value or 0) <= ALPHA
    return alarms


def session_case(
    rng: Random, kind: Any, sessions: int, rows: int, alike: float, n: int
) -> tuple[Any, Any, Moments]:
    """Sessions of geometric sizes with a mean (of numbers, of vectors), or shares of categories, of their own."""
    session = np.repeat(np.arange(sessions), rng.geometric(1 / rows, sessions))
    column: Any
    if kind == "numeric":
        own = rng.normal(size=sessions)[session]
        column = np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=len(session))
        reference: Any = rng.normal(size=n)
    elif kind == "vector":
        own = rng.normal(size=(sessions, DIMENSIONS))[session]
        noise = rng.normal(size=(len(session), DIMENSIONS))
        column = np.sqrt(alike) * own + np.sqrt(1 - alike) * noise
        reference = rng.normal(size=(n, DIMENSIONS))
    else:
        weight = 1 / alike - 1 if alike else 1e9
        shares = rng.dirichlet(SHARES * weight, sessions).cumsum(axis=1)[session]
        picked = (rng.random((len(session), 1)) > shares).sum(axis=1)
        labels = np.array([f"c{i}" for i in range(len(SHARES))])
        column = labels[np.minimum(picked, len(SHARES) - 1)]
        reference = rng.choice(labels, n, p=SHARES)
    feature = Reference.from_columns({"x": reference}, kinds={"x": kind}, latency=False)["x"]
    whole: Any = column
    parts: list[Any] = np.split(column, np.flatnonzero(np.diff(session)) + 1)
    moments = [of_session(feature, feature.count(part)) for part in parts]
    current = feature.count(whole)
    return feature, current, sum(moments[1:], moments[0])


POWER_SHIFTS: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
POWER_ROWS: Final = 1000
RAW: Final[dict[str, Callable[[Any, Any], float]]] = {
    "ks": lambda a, b: stats.ks_2samp(a, b, method="asymp").pvalue,
    "anderson": lambda a, b: stats.anderson_ksamp([a, b]).pvalue,
    "cramer_von_mises": lambda a, b: stats.cramervonmises_2samp(a, b, method="asymptotic").pvalue,
    "es": lambda a, b: stats.epps_singleton_2samp(a, b).pvalue,
    "mannw": lambda a, b: stats.mannwhitneyu(a, b, method="asymptotic").pvalue,
    "t_test": lambda a, b: stats.ttest_ind(a, b, equal_var=False).pvalue,
}


def power(shift: float, cases: int, seed: int) -> dict[str, int]:
    """Alarms with a shift of a normal column by so many standard deviations; ``name raw``: SciPy's."""
    rng = np.random.default_rng([7, seed])
    names = [name for name, method in METHODS.items() if "numeric" in method.kinds]
    alarms = dict.fromkeys([*names, *(f"{name} raw" for name in RAW)], 0)
    for _ in range(cases):
        a: Any = rng.normal(size=POWER_ROWS)
        b: Any = rng.normal(shift, 1, POWER_ROWS)
        feature = Reference.from_columns({"x": a}, latency=False)["x"]
        current = feature.count(b)
        for name in names:
            alarms[name] += (METHODS[name](feature, current).p_value or 0) <= ALPHA
        for name, test in RAW.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a p-value at the end of SciPy's table
                alarms[f"{name} raw"] += int(test(a, b) <= ALPHA)
    return alarms
