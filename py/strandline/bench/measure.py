"""Interleaved measurement: each runner has a turn in each round; a slow minute hits all alike."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

ROUND_SECONDS = 0.12
"""One runner's turn: long beside a browser clock's resolution, short beside a thermal swing."""


class Runner(Protocol):
    """One way of running one prepared case."""

    name: str

    def time(self, calls: int) -> float:
        """Seconds that `calls` consecutive calls took, inputs in place, outputs read back."""

    def outputs(self) -> Sequence[Any]:
        """The outputs in the model's order."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds per call: median and quartiles over rounds, the first call, every round's mean."""

    median: float
    q1: float
    q3: float
    first: float
    rounds: tuple[float, ...]

    @classmethod
    def of(cls, rounds: Sequence[float], first: float) -> Timing:
        ordered = sorted(rounds)
        q1, median, q3 = (
            statistics.quantiles(ordered, n=4, method="inclusive")
            if len(ordered) > 1
            else ordered * 3
        )
        return cls(median, q1, q3, first, tuple(rounds))


def calls_per_round(seconds_per_call: float, budget: float = ROUND_SECONDS) -> int:
    """How many calls fill a turn; at least one."""
    return max(1, round(budget / max(seconds_per_call, 1e-7)))


def interleave(
    runners: Sequence[Runner],
    first: Mapping[str, float],
    *,
    rounds: int,
    budget: float = ROUND_SECONDS,
) -> Mapping[str, Timing]:
    """Time `runners` in turn, `rounds` times over.

    `first` are the seconds of each one's very first call, which plans, tunes and allocates. A few more
    settle how many calls fill a turn of `budget` seconds.
    """
    calls: dict[str, int] = {}
    for runner in runners:
        estimate = runner.time(1)
        if estimate < budget / 10:
            batch = calls_per_round(estimate, budget / 10)
            estimate = runner.time(batch) / batch
        calls[runner.name] = calls_per_round(estimate, budget)
    means: dict[str, list[float]] = {runner.name: [] for runner in runners}
    for _ in range(rounds):
        for runner in runners:
            n = calls[runner.name]
            means[runner.name].append(runner.time(n) / n)
    return {name: Timing.of(values, first[name]) for name, values in means.items()}
