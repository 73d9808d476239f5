"""The benchmark's result: what was measured, and one JSON schema for it."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from strandline.bench.life import Lives
from strandline.bench.measure import Timing

SCHEMA = "strandline.bench/1"

RUNNERS = {
    "native": "native",
    "onnxruntime": "native onnxruntime",
    "simd128": "WASM simd128",
    "relaxed": "WASM relaxed",
    "prepared": "WASM relaxed from JS",
    "onnxruntime-web": "onnxruntime-web",
}
"""Runner name → column heading, in the table's order."""

PEER = "onnxruntime-web"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One model at one input: timing and session creation per runner, deviation of the outputs.

    `difference` is the largest deviation from native onnxruntime's outputs, relative to each
    output's largest magnitude; `failed` says why a runner could not run the case.
    """

    name: str
    timings: Mapping[str, Timing]
    created: Mapping[str, float]
    difference: Mapping[str, float]
    failed: Mapping[str, str] = field(default_factory=dict)

    def ratio(self, runner: str, to: str) -> float | None:
        """How many times as long `runner` takes as `to` (None when either did not run)."""
        if runner not in self.timings or to not in self.timings:
            return None
        return self.timings[runner].median / self.timings[to].median


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Navigation to first prediction, cold HTTP cache: seconds per visit, bytes fetched until then.

    `phases`: milliseconds at which each began, of the visit in the middle.
    """

    runner: str
    case: str
    seconds: tuple[float, ...]
    phases: Mapping[str, float]
    files: int
    raw: int
    gzip: int
    brotli: int

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True, slots=True)
class Product:
    """One matrix product: floating-point operations a second, by runner."""

    size: tuple[int, int, int]
    flops: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Products:
    """Matrix products; `peak` is what a loop in registers alone reaches, by runner."""

    peak: Mapping[str, float]
    products: Sequence[Product]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if "model name" in line
        ]
        cpu = names[0] if names else cpu
    versions = {"python": platform.python_version()}
    for package in ("strandline", "numpy", "onnx", "onnxruntime", "scikit-learn"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"cpu": cpu, "cores": os.cpu_count(), "system": sys.platform, "versions": versions}


def to_json(
    cases: Sequence[CaseResult],
    cold: Sequence[ColdStart],
    command: str,
    about: Mapping[str, Any],
    products: Products | None = None,
    lives: Sequence[Lives] = (),
) -> dict[str, Any]:
    """The whole result as JSON-safe data; times in seconds, sizes in bytes."""
    return {
        "schema": SCHEMA,
        "command": command,
        "machine": dict(about),
        "cases": [
            {
                "name": c.name,
                "runners": {
                    name: {**asdict(t), "created": c.created.get(name)}
                    for name, t in c.timings.items()
                },
                "difference": dict(c.difference),
                "failed": dict(c.failed),
                "ratios": {
                    f"{a}/{b}": ratio
                    for a in RUNNERS
                    for b in RUNNERS
                    if a != b and (ratio := c.ratio(a, b)) is not None
                },
            }
            for c in cases
        ],
        "life": [asdict(each) for each in lives],
        "products": asdict(products) if products else None,
        "cold_start": [{**asdict(c), "median": c.median} for c in cold],
    }
