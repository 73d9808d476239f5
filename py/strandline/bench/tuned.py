"""What measuring kernels gains over the policies that choose them, natively, in one run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter

from strandline.bench.cases import Case
from strandline.bench.measure import interleave
from strandline.bench.native import Native
from strandline.bench.tables import geometric_mean
from strandline.compiler.tuning import Tuning


@dataclass(frozen=True, slots=True)
class Gain:
    """One case: seconds per call by the policies and as measured, and what was found on the way."""

    name: str
    policy: float
    tuned: float
    choices: int
    changed: int
    measuring: float
    """Seconds that making the session and its first run took beyond the policy's."""


def measure(cases: Iterable[Case], rounds: int) -> list[Gain]:
    """Both sessions of each case take turns."""
    gains = []
    for case in cases:
        record = _Counting()
        policy = Native(case.model, case.feeds)
        first = policy.created + policy.time(1)
        started = perf_counter()
        tuned = Native(case.model, case.feeds, autotune=record)
        tuned.time(1)
        measuring = perf_counter() - started - first
        tuned.name = "tuned"
        timings = interleave([policy, tuned], {"native": 0.0, "tuned": 0.0}, rounds=rounds)
        medians = timings["native"].median, timings["tuned"].median
        gains.append(Gain(case.name, *medians, record.measured, record.changed, measuring))
    return gains


class _Counting(Tuning):
    """Counts how often another candidate than the policy's was faster."""

    changed = 0

    def choose(self, key, names, prepare):  # type: ignore[no-untyped-def]
        new = key not in self.choices
        chosen = super().choose(key, names, prepare)
        self.changed += new and chosen != names[0]
        return chosen


def markdown(gains: list[Gain]) -> str:
    """A table, with the geometric mean."""
    lines = [
        "| | policy, ms | measured, ms | measured ÷ policy | choices | changed | measuring, s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for g in gains:
        lines.append(
            f"| {g.name} | {g.policy * 1e3:.3g} | {g.tuned * 1e3:.3g} | {g.tuned / g.policy:.3f} "
            f"| {g.choices} | {g.changed} | {g.measuring:.2f} |"
        )
    if gains:
        ratio = geometric_mean([g.tuned / g.policy for g in gains])
        lines.append(f"| geometric mean | | | {ratio:.3f} | | | |")
    return "\n".join(lines) + "\n"
