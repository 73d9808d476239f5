"""Size, speed and accuracy of a model beside those of the one it was made from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from strandline.runtime import Session

SECONDS = 1.5
"""For each runtime's calls."""
MOST_CALLS = 200

Feeds = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """How one output differs: the largest and the mean deviation, and the share of equal labels (of
    equal places of the largest value, for rows of scores); None where there is no such thing."""

    output: str
    largest: float | None
    mean: float | None
    scale: float | None
    """The largest magnitude of the output itself."""
    agreement: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Bytes and milliseconds per call before and after (by runtime), and differences by output."""

    nbytes: tuple[int, int]
    milliseconds: Mapping[str, tuple[float, float]]
    differences: Sequence[Difference] = field(default=())
    rows: int = 0


def compare(before: bytes, after: bytes, batches: Sequence[Feeds]) -> Comparison:
    """Run both models on `batches`; onnxruntime, where it is installed, as a second runtime."""
    old, new = Session(before), Session(after)
    pairs = [(old.run(feeds), new.run(feeds)) for feeds in batches]
    names = [info.name for info in old.outputs]
    found = [_difference(n, [a[n] for a, _ in pairs], [b[n] for _, b in pairs]) for n in names]
    first = batches[0]
    times = {"strandline": _times(lambda: old.run(first), lambda: new.run(first))}
    peer = _onnxruntime(before, after)
    if peer is not None:
        feeds = {name: np.asarray(value) for name, value in first.items()}
        times["onnxruntime"] = _times(*(lambda s=s: s.run(None, feeds) for s in peer))
    rows = sum(len(next(iter(feeds.values()))) for feeds in batches)
    return Comparison((len(before), len(after)), times, found, rows)


def _onnxruntime(before: bytes, after: bytes) -> list[Any] | None:
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return [
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for model in (before, after)
    ]


def _times(before: Callable[[], Any], after: Callable[[], Any]) -> tuple[float, float]:
    """Median milliseconds of both, called in turn."""
    before(), after()
    taken: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + SECONDS
    while len(taken[0]) < MOST_CALLS and (time.perf_counter() < end or len(taken[0]) < 3):
        for call, times in zip((before, after), taken, strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return 1e3 * median(taken[0]), 1e3 * median(taken[1])


def _difference(name: str, old: Sequence[Any], new: Sequence[Any]) -> Difference:
    if isinstance(old[0], list):  # a ZipMap's rows
        rows = [(a, b) for x, y in zip(old, new, strict=True) for a, b in zip(x, y, strict=True)]
        alike = sum(_top(a) == _top(b) for a, b in rows)
        return Difference(name, None, None, None, alike / max(len(rows), 1))
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(old, new, strict=True)]
    if pairs[0][0].dtype.kind != "f":
        same = np.concatenate([(a == b).ravel() for a, b in pairs])
        return Difference(name, None, None, None, float(same.mean()))
    wide = [(a.astype(np.float64), b.astype(np.float64)) for a, b in pairs]
    apart = np.concatenate([np.abs(a - b).ravel() for a, b in wide])
    scale = max(float(np.abs(a).max(initial=0)) for a, _ in wide)
    agreement = None
    if pairs[0][0].ndim == 2 and pairs[0][0].shape[1] > 1:
        same = np.concatenate([a.argmax(1) == b.argmax(1) for a, b in pairs])
        agreement = float(same.mean())
    return Difference(name, float(apart.max(initial=0)), float(apart.mean()), scale, agreement)


def _top(row: Any) -> Any:
    return max(row, key=lambda key: row[key]) if isinstance(row, dict) and row else row


def table(comparison: Comparison) -> str:
    """The comparison as lines of text."""
    old, new = comparison.nbytes
    lines = [("", "before", "after", "after / before")]
    lines.append(("size, bytes", f"{old:,}", f"{new:,}", f"{new / old:.2f}"))
    for runtime, (a, b) in comparison.milliseconds.items():
        lines.append((f"{runtime}, ms per call", f"{a:.3f}", f"{b:.3f}", f"{b / a:.2f}"))
    head = f"output ({comparison.rows:,} rows)"
    rows: list[tuple[str, ...]] = [
        (head, "largest value", "largest deviation", "mean deviation", "same label")
    ]
    for d in comparison.differences:
        numbers = [f"{v:.3g}" if v is not None else "–" for v in (d.scale, d.largest, d.mean)]
        agreement = f"{100 * d.agreement:.2f} %" if d.agreement is not None else "–"
        rows.append((d.output, *numbers, agreement))
    return f"{_aligned(lines)}\n\n{_aligned(rows)}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
