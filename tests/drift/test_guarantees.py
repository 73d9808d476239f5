"""What the intervals guarantee: the value that SciPy or NumPy finds on the raw rows lies in [low, high].

Columns are as unkind as they come: ties, heavy tails, constants, a handful of rows and many, values of
1e-300 and 1e300, NaN and infinities (which are no values: the oracle sees the finite ones).
"""

from __future__ import annotations

from math import inf, isfinite, isinf, log

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.spatial import distance

from strandline.drift import METHODS, Reference
from strandline.drift.stats.cells import GROUPS, cells, coarse_cells, groups
from strandline.drift.stats.curves import TEST_ROWS
from strandline.drift.stats.epps import POINTS, representatives

EXAMPLES = [pytest.param(25), pytest.param(2000, marks=pytest.mark.slow)]

SHAPES = {
    "normal": lambda rng, n: rng.normal(rng.choice([0, 0.2, 3]), rng.choice([1, 2]), n),
    "ties": lambda rng, n: rng.integers(0, rng.integers(1, 200), n).astype(float),
    "half zero": lambda rng, n: np.where(rng.random(n) < 0.5, 0.0, rng.exponential(size=n)),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "lognormal": lambda rng, n: rng.lognormal(0, 3, n),
    "constant": lambda rng, n: np.full(n, float(rng.integers(0, 3))),
    "two clusters": lambda rng, n: np.where(rng.random(n) < 0.3, 5, 0) + rng.normal(0, 0.01, n),
    "sentinel": lambda rng, n: np.where(rng.random(n) < 0.01, 1e6, rng.normal(size=n)),
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-300,
    "huge": lambda rng, n: rng.normal(size=n) * 1e150,
    "far": lambda rng, n: rng.normal(1e9, 1, n),
}
ROWS = [1, 2, 3, 7, 24, 50, 50, 400, 400, 3000, 20_000]


seeds = st.integers(0, 2**32 - 1)
number_cases = st.tuples(
    seeds,
    st.sampled_from(ROWS),
    st.sampled_from(ROWS),
    st.sampled_from(sorted(SHAPES)),
    st.one_of(st.none(), st.sampled_from(sorted(SHAPES))),
    st.booleans(),
    st.sampled_from([2, 10, 50]),
)
category_cases = st.tuples(
    seeds,
    st.sampled_from(ROWS),
    st.sampled_from(ROWS),
    st.integers(1, 60),
    st.sampled_from([0.1, 1.0, 10.0]),
    st.booleans(),
    st.sampled_from([2, 5, 50]),
)


def numbers(seed, n, m, shape, other, spoilt, bins):
    """Columns of reference and current, and the reference's number of bins."""
    rng = np.random.default_rng(seed)
    columns = [SHAPES[shape](rng, n), SHAPES[other or shape](rng, m)]
    for column in columns if spoilt else []:
        bad = rng.random(len(column)) < 0.2
        bad[0] = False
        column[bad] = rng.choice([np.nan, inf, -inf], bad.sum())
    return *columns, bins


def categories(seed, n, m, k, evenness, same, most):
    """Columns of reference and current, and the size of the vocabulary."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(k, evenness))
    other = shares if same else rng.dirichlet(np.ones(k))
    return rng.choice(k, n, p=shares), rng.choice(k, m, p=other), most


def unit(reference):
    """What distances are divided by."""
    spread = float(reference.std(ddof=1)) if len(reference) > 1 else 0.0
    return spread or float(abs(reference.mean())) or 1.0


def ks(a, b, *_):
    return scipy_stats.ks_2samp(a, b, method="asymp").statistic


def wasserstein(a, b, *_):
    return scipy_stats.wasserstein_distance(a, b) / unit(a)


def ed(a, b, *_):
    return scipy_stats.energy_distance(a / unit(a), b / unit(a))


def mannw(a, b, *_):
    return scipy_stats.mannwhitneyu(b, a, method="asymptotic").statistic / (len(a) * len(b))


def t_test(a, b, *_):
    if min(len(a), len(b)) < 2 or unit(a) < 1e-100:
        return None
    found = scipy_stats.ttest_ind(b, a, equal_var=False).statistic
    # A constant column far from 0 has a variance of rounding errors in floating point.
    spread = max(np.ptp(a), np.ptp(b))
    return found if spread > 1e-6 * max(abs(a).max(), abs(b).max()) else None


def anderson(a, b, *_):
    if len(a) + len(b) < 4 or len(np.unique(np.concatenate([a, b]))) < 2:
        return None
    return scipy_stats.anderson_ksamp([a, b]).statistic


def cramer_von_mises(a, b, *_):
    if min(len(a), len(b)) < 2:
        return None
    return scipy_stats.cramervonmises_2samp(a, b, method="asymptotic").statistic


def shares(a, b, feature, current):
    """Of the reference's cells, counted by NumPy from the raw rows."""
    ends = [stop - 1 for _, stop in groups(tuple(feature.tally.counts), GROUPS)][:-1]
    edges = [-inf, *(np.nextafter(feature.cuts[i], -inf) for i in ends), inf]
    p, q = (np.bincount(np.searchsorted(edges, x) - 1, minlength=len(edges) - 1) for x in (a, b))
    assert p.tolist() == [r for r, _ in cells(feature, current)]
    return p, q


def halved(counts):
    return np.where(counts == 0, 0.5, counts) / counts.sum()


def psi(a, b, feature, current):
    p, q = map(halved, shares(a, b, feature, current))
    return ((q - p) * np.log(q / p)).sum()


def kl_div(a, b, feature, current):
    p, q = map(halved, shares(a, b, feature, current))
    return max(0.0, (p * np.log(p / q)).sum())


def jensenshannon(a, b, feature, current):
    return distance.jensenshannon(*shares(a, b, feature, current), base=2)


def hellinger(a, b, feature, current):
    p, q = (x / x.sum() for x in shares(a, b, feature, current))
    return np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.sqrt(2)


def tvd(a, b, feature, current):
    p, q = (x / x.sum() for x in shares(a, b, feature, current))
    return abs(p - q).sum() / 2


def contingency(statistic):
    def oracle(a, b, feature, current):
        table = np.array(coarse_cells(feature, current)).T
        assert table.sum(axis=1).tolist() == [len(a), len(b)]
        table = table[:, table.sum(axis=0) > 0]
        if table.shape[1] < 2:
            return 0.0
        return scipy_stats.chi2_contingency(table, correction=False, lambda_=statistic).statistic

    return oracle


def es(a, b, feature, current):
    """Of rows moved to the values of their bins, where no bin had to be joined with others."""
    counts = np.array(feature.tally.counts)
    if min(len(a), len(b)) < 5 or (counts[counts > 0] < TEST_ROWS).any():
        return None
    occupied = counts > 0
    if np.array(current.counts)[~occupied].any():
        return None
    at = np.array(representatives(feature))
    x, y = np.repeat(at, counts), np.repeat(at, current.counts)
    below = np.cumsum(counts)
    quartiles = [at[np.argmax(below >= part * len(a))] for part in (0.25, 0.75)]
    half = (quartiles[1] - quartiles[0]) / 2 or unit(a)
    pooled = scipy_stats.iqr(np.concatenate([x, y])) / 2
    if not pooled or len(np.unique(np.concatenate([x, y]))) < 6:
        return None  # SciPy divides by this range, and leaves out directions without variance
    t = np.array(POINTS) * pooled / half
    return scipy_stats.epps_singleton_2samp(x, y, t=tuple(t)).statistic


NUMERIC = {
    "ks": ks,
    "wasserstein": wasserstein,
    "ed": ed,
    "mannw": mannw,
    "t_test": t_test,
    "anderson": anderson,
    "cramer_von_mises": cramer_von_mises,
    "psi": psi,
    "kl_div": kl_div,
    "jensenshannon": jensenshannon,
    "hellinger": hellinger,
    "tvd": tvd,
    "chisquare": contingency("pearson"),
    "g_test": contingency("log-likelihood"),
    "es": es,
}
COARSE = {"wasserstein": 1e-6, "ed": 1e-5, "t_test": 1e-5, "es": 1e-5}
"""how far floating point lets the oracle itself go astray, relative to the scale of the values"""


def raw_counts(a, b):
    k = int(max(a.max(), b.max())) + 1
    return np.bincount(a, minlength=k), np.bincount(b, minlength=k)


def categories_tvd(a, b, *_):
    p, q = (x / x.sum() for x in raw_counts(a, b))
    return abs(p - q).sum() / 2


def categories_hellinger(a, b, *_):
    p, q = (x / x.sum() for x in raw_counts(a, b))
    return np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.sqrt(2)


def categories_js(a, b, *_):
    return distance.jensenshannon(*raw_counts(a, b), base=2)


def table_of_last(a, b, feature):
    last = int(max(feature.vocabulary)[1:])
    hits = (b == last).sum(), (a == last).sum()
    return np.array([[hits[0], len(b) - hits[0]], [hits[1], len(a) - hits[1]]])


def z(a, b, feature, current):
    table = table_of_last(a, b, feature)
    if 0 in table.sum(axis=0):
        return 0.0
    found = np.sqrt(scipy_stats.chi2_contingency(table, correction=False).statistic)
    return found * np.sign(table[0, 0] * len(a) - table[1, 0] * len(b))


def fisher_exact(a, b, feature, current):
    table = table_of_last(a, b, feature)
    found = scipy_stats.fisher_exact(table)
    assert METHODS["fisher_exact"](feature, current).p_value == pytest.approx(
        found.pvalue, rel=1e-5, abs=1e-250
    )
    return found.statistic if isfinite(found.statistic) else None


def of_cells(divergence):
    def oracle(a, b, feature, current):
        table = np.array([cell for cell in cells(feature, current) if any(cell)])
        return divergence(*map(halved, table.T))

    return oracle


CATEGORICAL = {
    "tvd": categories_tvd,
    "hellinger": categories_hellinger,
    "jensenshannon": categories_js,
    "z": z,
    "fisher_exact": fisher_exact,
    "chisquare": contingency("pearson"),
    "g_test": contingency("log-likelihood"),
    "psi": of_cells(lambda p, q: ((q - p) * np.log(q / p)).sum()),
    "kl_div": of_cells(lambda p, q: max(0.0, (p * np.log(p / q)).sum())),
}


def test_every_statistic_has_an_oracle():
    for kind, oracles in (("numeric", NUMERIC), ("categorical", CATEGORICAL)):
        assert {name for name, m in METHODS.items() if kind in m.kinds} == oracles.keys()


def check(found, raw, slack):
    assert not (found.binned and found.low != found.high)
    assert found.low <= found.value <= found.high
    assert 0 <= found.effect <= found.effect_high
    assert 0 <= found.effect_ci_low <= found.effect + 1e-9
    assert found.effect_ci_high >= found.effect_high - 1e-9
    assert 0 <= found.p_value_high <= found.p_value <= 1
    if raw is not None:
        assert found.low - slack <= raw <= found.high + slack


def repeated(examples, strategy, one):
    quiet = settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    quiet(given(strategy)(one))()


@pytest.mark.filterwarnings(
    "ignore"
)  # SciPy's, about few rows, ties and p-values at its table's end
@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", NUMERIC)
def test_numbers(name, examples):
    def one(case):
        a, b, bins = numbers(*case)
        feature = Reference.from_columns({"x": a}, kinds={"x": "numeric"}, bins=bins)["x"]
        current = feature.count(b)
        found = METHODS[name](feature, current)
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        with np.errstate(all="ignore"):
            raw = NUMERIC[name](a, b, feature, current)
            scale = max(abs(a).max(), abs(b).max()) / unit(a)
        if isinf(found.high) or (raw is not None and not isfinite(raw)):
            return
        slack = 1e-9 * max(1.0, abs(raw or 0))
        if name in COARSE:
            slack = COARSE[name] * max(1.0, abs(raw or 0), scale if name != "es" else 0)
        check(found, raw, slack)

    repeated(examples, number_cases, one)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", CATEGORICAL)
def test_categories(name, examples):
    def one(case):
        a, b, most = categories(*case)
        columns = [[f"c{i:02d}" for i in x] for x in (a, b)]
        feature = Reference.from_columns(
            {"x": columns[0]}, kinds={"x": "categorical"}, max_categories=most
        )["x"]
        current = feature.count(columns[1])
        found = METHODS[name](feature, current)
        raw = CATEGORICAL[name](a, b, feature, current)
        check(found, raw, 1e-7 if name == "jensenshannon" else 1e-9 * max(1.0, abs(raw or 0)))

    repeated(examples, category_cases, one)


def test_the_divergences_bounds_are_met():
    reference = ["a"] * 60 + ["b"] * 20 + ["c"] * 20
    feature = Reference.from_columns({"x": reference}, max_categories=1)["x"]
    same, other = (["a"] * 50 + [x] * 50 for x in ("b", "d"))
    for name, raw in (("tvd", 0.5), ("hellinger", None), ("jensenshannon", None)):
        found = METHODS[name](feature, feature.count(other))
        assert found == METHODS[name](feature, feature.count(same))
        assert found.low < found.high
        assert raw is None or found.high == pytest.approx(raw)
    assert log(1) == METHODS["psi"](feature, feature.tally).value
