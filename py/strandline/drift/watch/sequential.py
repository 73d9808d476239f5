"""A test that may be looked at as often as one likes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, inf, lgamma, log
from typing import Any, Final

from strandline.drift.features import Feature
from strandline.drift.tally import Tally, WireError
from strandline.drift.watch.cells import Cells
from strandline.drift.watch.region import best_fit, radius

STRENGTHS: Final = (0.0, 30.0, 300.0, 3000.0)
"""rows that a prior of the alternative puts at the reference's shares: from any distribution to
ones near it
"""
REFERENCE_PART: Final = 0.1
"""of α: what may go wrong because the reference is a sample"""
RECENT: Final = 8
"""windows for which every start is kept; older starts thin out, twice as far apart at twice the age
"""
_NEGLIGIBLE: Final = -7.0


class SequentialTest:
    """Whether a stream of rows still comes from where the reference came from: anytime-valid.

    However often it is looked at, the probability that it *ever* alarms without drift is at most
    `alpha`. The reference is taken as a sample, not as the truth.

    Parameters
    ----------
    feature
        With its reference tally.
    alpha
        Probability of a false alarm over an endless stream, in (0, 1).
    tests
        How many features are watched together; `e_benjamini_hochberg` over their `log_e` then holds
        the expected share of false alarms at `alpha`.

    Notes
    -----
    Every row falls into one of a few cells (`Cells`). For probabilities p of the cells and a
    mixture q of Dirichlet distributions, M_t(p) = ∫ ∏ q(row)/p(row) dq is a nonnegative martingale
    with mean 1 if the rows come from p [1]_. The reference enters in one of two ways.

    - *Continuous* features: the cells' edges are order statistics of the reference, so without
      drift the cells' masses p are Dirichlet(gaps), whatever the distribution. The rows are then a
      Pólya urn, and ∫ ∏ q(row) dq over its probability is a martingale with mean 1 exactly.
    - Else: the reference's region A holds p except with probability δ = α/20/tests
      (`region.radius`); where it does, min over A of M_t is at most M_t(p).

    The test is the average of such a martingale for values, and one for the shares of missing and
    invalid rows (the second way). By Ville's inequality it ever reaches 1/(α - α/10) with
    probability at most α - α/10, and the two regions fail with at most α/10: together α. The same
    holds for the average, with weights 1/(k(k+1)), of the tests that start at the k-th window:
    this is what sees a change that comes after a long time without one [2]_. A start that is
    forgotten only takes away evidence.

    Rows of one session are not independent. Give each session the weight 1 in total (`weight` =
    1 / rows of a session): by Jensen's inequality the geometric mean of ratios with mean at most 1
    has a mean of at most 1, whatever the dependence within the session.

    References
    ----------
    .. [1] Ramdas, Grünwald, Vovk & Shafer (2023), *Game-theoretic statistics and safe anytime-valid
       inference*, Statistical Science 38(4); Wasserman, Ramdas & Balakrishnan (2020), *Universal
       inference*, PNAS 117(29).
    .. [2] Shin, Ramdas & Rinaldo (2023), *E-detectors: a nonparametric framework for sequential
       change detection*, NEJSDS 2(2).

    Examples
    --------
    >>> from strandline.drift import Reference
    >>> reference = Reference.from_columns({"speed": [i / 100 for i in range(1000)]})
    >>> feature = reference["speed"]
    >>> test = SequentialTest(feature)
    >>> for _ in range(50):
    ...     test.update(feature.count([i / 10 for i in range(100)]))
    >>> test.drift_detected, test.p_value
    (False, 1.0)
    >>> while not test.drift_detected:
    ...     test.update(feature.count([2 + i / 20 for i in range(100)]))
    >>> test.looks
    51
    """

    def __init__(self, feature: Feature, *, alpha: float = 0.05, tests: int = 1) -> None:
        if not 0 < alpha < 1 or tests < 1:
            raise ValueError("alpha must lie between 0 and 1, and tests must be at least 1")
        self.name = feature.name
        self.alpha = alpha
        self.tests = tests
        self.cells = Cells.of(feature)
        self._values = _Martingale(self.cells.values, self.cells.continuous, self._delta)
        self._lacking = _Martingale(self.cells.lacking, False, self._delta)
        self._starts: list[tuple[int, list[float]]] = []
        """(number of the window, 1, 2 …; weighted rows since then by cell of values, and usable,
        missing, invalid), oldest first
        """
        self.looks = 0
        """windows so far"""
        self.log_e = 0.0
        """ln of the e-value now: how many times a gambler against "no drift" has multiplied her
        stake
        """
        self.peak = 0.0
        """the largest `log_e` so far"""
        self.crossed: int | None = None
        """number of the window at which the alarm came; it stays"""

    @property
    def _delta(self) -> float:
        return self.alpha * REFERENCE_PART / 2 / self.tests

    @property
    def rows(self) -> float:
        """Weighted rows so far."""
        return sum(self._starts[0][1][-3:]) if self._starts else 0.0

    @property
    def limit(self) -> float:
        """The `log_e` of an alarm."""
        return -log(self.alpha * (1 - REFERENCE_PART))

    @property
    def drift_detected(self) -> bool:
        return self.crossed is not None

    @property
    def p_value(self) -> float:
        """Anytime-valid: P(it is ever ≤ α) ≤ α without drift."""
        return min(1.0, exp(-self.peak) / (1 - REFERENCE_PART))

    def update(self, tally: Tally, weight: float = 1.0) -> None:
        """A window more, each row with a weight in (0, 1]. A window without rows is no look."""
        if not 0 < weight <= 1:
            raise ValueError(f"a row's weight must lie in (0, 1], not {weight}")
        if not tally.rows:
            return
        self.looks += 1
        values, lacking = self.cells.count(tally)
        counts = [weight * count for count in (*values, *lacking)]
        self._starts = [
            (start, [a + b for a, b in zip(before, counts, strict=True)])
            for start, before in self._starts
            if _is_kept(start, self.looks)
        ]
        self._starts.append((self.looks, counts))
        self._look()

    def _look(self) -> None:
        # What is not yet bet: the weights of the starts to come.
        terms = [-log(self.looks + 1)]
        for start, counts in self._starts:
            both = _log_sum([self._values.log_e(counts[:-3]), self._lacking.log_e(counts[-3:])])
            terms.append(both - log(2 * start * (start + 1)))
        self.log_e = _log_sum(terms)
        self.peak = max(self.peak, self.log_e)
        if self.crossed is None and self.log_e >= self.limit:
            self.crossed = self.looks

    def __add__(self, other: SequentialTest) -> SequentialTest:
        """What one test of both streams, window by window, would say now.

        An alarm that one of the two gave alone is not taken over: two tests have two chances.
        """
        if not isinstance(other, SequentialTest):
            return NotImplemented
        if (self.cells, self.alpha, self.tests) != (other.cells, other.alpha, other.tests):
            raise ValueError("the tests are of different references or levels")
        total = self.copy()
        total.looks = max(self.looks, other.looks)
        mine, theirs = dict(self._starts), dict(other._starts)
        blank = [0.0] * (len(self.cells.values) + 3)
        # One stream may be ahead: it alone has rows since the latest starts.
        total._starts = [
            (
                start,
                [
                    a + b
                    for a, b in zip(mine.get(start, blank), theirs.get(start, blank), strict=True)
                ],
            )
            for start in sorted(mine.keys() | theirs.keys())
            if (start in mine or start > self.looks) and (start in theirs or start > other.looks)
        ]
        total.peak, total.crossed = 0.0, None
        if total.looks:
            total._look()
        return total

    def copy(self) -> SequentialTest:
        """One that goes on by itself."""
        copy = object.__new__(SequentialTest)
        copy.__dict__ = dict(self.__dict__)
        return copy

    def to_json(self) -> dict[str, Any]:
        """The state; `from_json` goes on from it."""
        return {
            "schema": "strandline.watch/1",
            "feature": self.name,
            "alpha": self.alpha,
            "tests": self.tests,
            "looks": self.looks,
            "log_e": self.log_e,
            "peak": self.peak,
            "crossed": self.crossed,
            "starts": [[start, counts] for start, counts in self._starts],
        }

    @staticmethod
    def from_json(state: Mapping[str, Any], feature: Feature) -> SequentialTest:
        """Go on from a state. Raises `WireError` when it is none, or of another feature."""
        if state.get("schema") != "strandline.watch/1" or state.get("feature") != feature.name:
            raise WireError(f"this is no state of a sequential test of {feature.name!r}")
        test = SequentialTest(feature, alpha=state["alpha"], tests=state["tests"])
        test._starts = [
            (int(start), [float(c) for c in counts]) for start, counts in state["starts"]
        ]
        if any(len(counts) != len(test.cells.values) + 3 for _, counts in test._starts):
            raise WireError(f"the state of {feature.name!r} belongs to another reference")
        test.looks, test.crossed = state["looks"], state["crossed"]
        test.log_e, test.peak = float(state["log_e"]), float(state["peak"])
        return test


def e_benjamini_hochberg(log_e: Sequence[float], alpha: float) -> list[bool]:
    """Which of several tests alarm, with the expected share of false alarms among them ≤ `alpha`
    under any dependence.

    `log_e` are of tests made with ``tests=len(log_e)``.

    References: Wang & Ramdas (2022), *False discovery rate control with e-values*, JRSS B 84(3).

    >>> from math import log
    >>> e_benjamini_hochberg([log(70), log(30), 0.0], 0.05)
    [True, False, False]
    >>> e_benjamini_hochberg([log(70), log(40), 0.0], 0.05)
    [True, True, False]
    """
    level = alpha * (1 - REFERENCE_PART)
    ranked = sorted(range(len(log_e)), key=lambda i: -log_e[i])
    most = max(
        (rank for rank, i in enumerate(ranked, 1) if log_e[i] >= log(len(log_e) / (rank * level))),
        default=0,
    )
    alarms = set(ranked[:most])
    return [i in alarms for i in range(len(log_e))]


def _is_kept(start: int, now: int) -> bool:
    age, step = now - start, 1
    while age >= RECENT * step:
        step *= 2
    return (start - 1) % step == 0


class _Martingale:
    """ln of what a bet of 1 on "these cells have other probabilities" has become."""

    def __init__(self, reference: Sequence[int], continuous: bool, delta: float) -> None:
        n, k = sum(reference), len(reference)
        self._reference = reference
        self._continuous = continuous
        self._radius = radius(k, delta)
        self._priors = [
            [0.5 + strength * (r + 0.5) / (n + k / 2) for r in reference] for strength in STRENGTHS
        ]

    def log_e(self, counts: Sequence[float]) -> float:
        """-inf where it is too small to matter; 0 where there is nothing to bet on."""
        n, m = sum(self._reference), sum(counts)
        if not n or not m:
            return 0.0
        mixture = _log_sum([_log_dirichlet(counts, m, prior) for prior in self._priors])
        mixture -= log(len(self._priors))
        if self._continuous:
            return mixture - _log_dirichlet(counts, m, self._reference)
        at_reference = sum(
            c * log(r / n) if r else -inf for r, c in zip(self._reference, counts, strict=True) if c
        )
        if mixture - at_reference < _NEGLIGIBLE:
            return -inf
        return mixture - best_fit(self._reference, counts, self._radius)


def _log_dirichlet(counts: Sequence[float], m: float, prior: Sequence[float]) -> float:
    """ln ∫ ∏ q^c dDirichlet(q; prior)."""
    total = sum(prior)
    return (
        lgamma(total)
        - lgamma(total + m)
        + sum(lgamma(a + c) - lgamma(a) for a, c in zip(prior, counts, strict=True) if c)
    )


def _log_sum(logs: Sequence[float]) -> float:
    """ln Σ exp."""
    top = max(logs)
    return top if top == -inf else top + log(sum(exp(x - top) for x in logs))
