"""Labelled series of windows: what a diagnosis is measured by.

Every series is drawn from a seed: three features of different families, a reference, 24 to 40 windows, a
model's accuracy per window, and one of the changes below or none. Even seeds are for development (choosing
thresholds), odd ones for reports; `kinds` deals the labels out evenly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from strandline.drift import Profile, Reference
from strandline.drift.diagnosis import Diagnosis, diagnose
from strandline.drift.features import Kind

Columns = dict[str, Any]
PATTERNS = ("instantaneous", "gradual", "temporary", "periodic")
FAULTS = ("missing", "invalid", "constant", "unit", "sentinel", "clipped", "recoded")
LABELS = (
    [("no drift", "none")] * 4
    + [("pipeline fault", pattern) for pattern in ("instantaneous", "temporary") for _ in range(3)]
    + [("domain shift", "constant")] * 3
    + [("concept drift", pattern) for pattern in PATTERNS]
    + [("data drift", pattern) for pattern in PATTERNS for _ in range(2)]
)
FAMILIES = ("normal", "skewed", "counts", "few categories", "many categories")


@dataclass(frozen=True, slots=True)
class Series:
    """A reference, its windows, the model's accuracy in them, and the truth."""

    seed: int
    kind: str
    pattern: str
    fault: str | None
    feature: str
    """that changes; empty where none does"""
    onset: int
    """the first changed window"""
    period: float
    """of a periodic change, else 0"""
    noise: str
    """`none`, or `wobble`: the windows' levels vary by themselves"""
    reference: Columns
    windows: tuple[Columns, ...]
    accuracy: tuple[float, ...]


def benchmark(part: str, count: int = 240) -> Iterator[Series]:
    """Series of the part `development` or `report`, drawn as they are asked for."""
    first = {"development": 0, "report": 1}[part]
    for i in range(count):
        yield draw(2 * i + first, *LABELS[i % len(LABELS)])


def draw(seed: int, kind: str, pattern: str) -> Series:
    """The series of a seed, of one label."""
    rng = np.random.default_rng([2026, seed])
    count = int(rng.integers(24, 41))
    rows = int(rng.choice([150, 400, 1000]))
    families = rng.permutation(FAMILIES)[:3]
    noise = "wobble" if rng.random() < 0.4 else "none"
    amount, onset, period = _course(rng, pattern, count)
    fault = None
    if kind == "pipeline fault":
        fault = str(rng.choice(FAULTS))
        need = {"recoded": "few categories", "missing": families[0], "constant": families[0]}
        families[0] = need.get(fault, rng.choice(["normal", "skewed", "counts"]))
    features = [_Feature(rng, str(family)) for family in families]
    if kind == "domain shift":
        amount = np.ones(count)
    names = [f"{feature.family} {i}" for i, feature in enumerate(features)]
    size = float(rng.uniform(0.4, 1.2))
    concept = kind == "concept drift"
    reference = {name: f.draw(4000, 0.0) for name, f in zip(names, features, strict=True)}
    windows = []
    for t in range(count):
        n = int(rng.integers(rows // 2, rows * 2))
        columns = {}
        for i, (name, feature) in enumerate(zip(names, features, strict=True)):
            shift = float(rng.normal(0, 0.03)) if noise == "wobble" else 0.0
            changed = i == 0 and not concept and amount[t] > 0
            if changed and fault is None:
                shift += size * amount[t]
            column = feature.draw(n, shift)
            columns[name] = feature.broken(column, fault) if changed and fault else column
        windows.append(columns)
    lost = (0.12 if concept else 0.0) * amount
    accuracy = np.clip(0.85 - lost + rng.normal(0, 0.012, count), 0, 1)
    return Series(
        seed,
        kind,
        pattern,
        fault,
        names[0] if kind in ("pipeline fault", "domain shift", "data drift") else "",
        onset,
        period,
        noise,
        reference,
        tuple(windows),
        tuple(map(float, accuracy)),
    )


def _course(
    rng: np.random.Generator, pattern: str, count: int
) -> tuple[np.ndarray[Any, Any], int, float]:
    """(how much of the change is there, 0 to 1, per window; its onset; its period)"""
    t = np.arange(count)
    onset = int(rng.integers(count // 5, count // 2))
    if pattern == "instantaneous":
        return (t >= onset).astype(float), onset, 0.0
    if pattern == "gradual":
        length = int(rng.integers(8, count - onset))
        return np.clip((t - onset + 1) / length, 0, 1), onset, 0.0
    if pattern == "temporary":
        length = int(rng.integers(3, count // 3))
        return ((t >= onset) & (t < onset + length)).astype(float), onset, 0.0
    if pattern == "periodic":
        period = float(rng.integers(4, count // 3 + 1))
        wave = 0.5 - 0.5 * np.cos(2 * np.pi * t / period)
        return (wave if rng.random() < 0.5 else (t % period >= period / 2).astype(float)), 0, period
    return np.zeros(count), 0, 0.0


class _Feature:
    """A family of distributions with parameters of its own; `shift` is in standard deviations."""

    def __init__(self, rng: np.random.Generator, family: str) -> None:
        self.rng = rng
        self.family = family
        self.place, self.scale = rng.uniform(20, 80), rng.uniform(2, 10)
        self.rate = rng.uniform(2, 12)
        few = 4 if family == "few categories" else 40
        self.labels = np.array([f"{family[:3]}{i}" for i in range(few)], dtype=object)
        self.base = rng.dirichlet(np.full(few, 2.0))
        self.other = rng.dirichlet(np.full(few, 2.0))

    def draw(self, n: int, shift: float) -> Any:
        if self.family == "normal":
            return self.rng.normal(self.place + shift * self.scale, self.scale, n)
        if self.family == "skewed":
            return self.place * self.rng.lognormal(shift * 0.6, 0.6, n)
        if self.family == "counts":
            return self.rng.poisson(max(0.1, self.rate + shift * self.rate**0.5), n).astype(float)
        mixed = np.clip(self.base + shift * 0.5 * (self.other - self.base), 1e-9, None)
        return list(self.rng.choice(self.labels, n, p=mixed / mixed.sum()))

    def broken(self, column: Any, fault: str) -> Any:
        """The column as a fault of the pipeline would deliver it."""
        n = len(column)
        if fault == "missing":
            holes = self.rng.random(n) < self.rng.uniform(0.08, 0.6)
            return [None if hole else cell for hole, cell in zip(holes, column, strict=True)]
        if fault == "constant":
            return [column[0]] * n
        if fault == "recoded":
            return [str(cell).upper() + "_" for cell in column]
        numbers = np.asarray(column, float)
        if fault == "invalid":
            holes = self.rng.random(n) < 0.15
            return [
                f"{v:.2f} EUR" if hole else f"{v:.2f}"
                for hole, v in zip(holes, numbers, strict=True)
            ]
        if fault == "unit":
            return numbers * 1000 if self.place > 50 else numbers / 60
        if fault == "sentinel":
            return np.where(self.rng.random(n) < 0.1, -9999.0, numbers)
        limits: Callable[[float], float] = {
            "normal": lambda q: self.place + 0.3 * self.scale,
            "skewed": lambda q: self.place * 1.2,
            "counts": lambda q: float(round(self.rate)),
        }[self.family]
        return np.minimum(numbers, limits(0.6))


def diagnosis(series: Series) -> tuple[Diagnosis, ...]:
    """What `diagnose` says of a series."""
    kinds: dict[str, Kind] = {
        name: "categorical" if "categories" in name else "numeric" for name in series.reference
    }
    reference = Reference.from_columns(series.reference, kinds=kinds, latency=False)
    profiles = [Profile.from_rows(window, reference) for window in series.windows]
    return diagnose(reference, profiles, quality=series.accuracy)


def onset_error(series: Series, onset: str | None) -> int | None:
    """Windows between the true onset and the one found; `None` where there is none to find."""
    if onset is None or series.pattern not in ("instantaneous", "gradual", "temporary"):
        return None
    return abs(int(onset.split()[-1]) - 1 - series.onset)
