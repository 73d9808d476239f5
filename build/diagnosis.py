"""What docs/diagnosis.md and docs/drift.md report about diagnosis and watching: `make diagnosis`.

Writes the tables between the marks in these documents, and the reports in docs/examples/.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
import series
import synthetic
from cache import REPO, say

from strandline.drift import METHODS, Reference
from strandline.drift.diagnosis import KINDS, PATTERNS
from strandline.drift.watch import ADWIN, PageHinkley, SequentialTest

COUNT = 480
"""series of a benchmark"""
STREAMS, WINDOWS, ROWS, REFERENCE = 100, 200, 200, 5000
"""of the comparison of sequential tests: streams, windows each, rows of a window, reference"""
CHANGE = 50
"""the window from which on the stream is shifted"""
WATCHERS = (
    "sequential test",
    "KS, each window, p ≤ 0.05",
    "KS, all rows so far, p ≤ 0.05",
    "Page-Hinkley of the mean",
    "ADWIN of the mean",
)
SHIFTS = (0.0, 0.1, 0.2, 0.3, 0.5)


def benchmark() -> str:
    """Confusion matrices of the report part."""
    kinds: Counter[tuple[str, str]] = Counter()
    patterns: Counter[tuple[str, str]] = Counter()
    faults: Counter[tuple[str, bool]] = Counter()
    noise: Counter[tuple[str, bool]] = Counter()
    columns: Counter[bool] = Counter()
    onsets, periods = [], []
    for one in synthetic.benchmark("report", COUNT):
        whole, *features = synthetic.diagnosis(one)
        kinds[one.kind, whole.kind] += 1
        patterns[one.pattern, whole.pattern] += 1
        noise[one.noise, (one.kind, one.pattern) == (whole.kind, whole.pattern)] += 1
        if one.fault:
            faults[one.fault, whole.fault == one.fault] += 1
        for feature in features:
            if feature.subject != one.feature:
                columns[feature.kind != "no drift"] += 1
        error = synthetic.onset_error(one, whole.onset)
        if error is not None and one.pattern == whole.pattern:
            onsets.append(error)
        if one.pattern == whole.pattern == "periodic":
            periods.append(abs(whole.period / one.period - 1) if whole.period else 1.0)
    right = {
        "kind": sum(kinds[k, k] for k in KINDS) / COUNT,
        "pattern": sum(patterns[p, p] for p in PATTERNS) / COUNT,
    }
    named = sorted({fault for fault, _ in faults})
    fault_words = ", ".join(
        f"{fault} {faults[fault, True]} of {faults[fault, True] + faults[fault, False]}"
        for fault in named
    )
    still = columns[True] + columns[False]
    both = {n: noise[n, True] / (noise[n, True] + noise[n, False]) for n in ("none", "wobble")}
    return "\n".join(
        [
            f"{COUNT} series of the report seeds. Rows are the truth, columns what was said.",
            "",
            f"**Kind: {100 * right['kind']:.1f} % right.**",
            "",
            _matrix(kinds, KINDS, KINDS),
            "",
            f"**Pattern: {100 * right['pattern']:.1f} % right.**",
            "",
            _matrix(patterns, [p for p in PATTERNS if p != "irregular"], PATTERNS),
            "",
            (
                f"Kind and pattern both right: {100 * both['none']:.1f} % where windows are drawn alike, "
                f"{100 * both['wobble']:.1f} % where their levels wobble."
            ),
            f"The fault by its name: {fault_words}.",
            (
                f"The onset of changes at once, gradual or temporary is off by {np.mean(onsets):.2f} windows "
                f"in the mean (exact in {100 * np.mean(np.array(onsets) == 0):.0f} %); the period by "
                f"{100 * np.mean(periods):.1f} %."
            ),
            (
                f"Columns that did not change and were said to drift: {columns[True]} of {still} "
                f"({100 * columns[True] / still:.1f} %)."
            ),
        ]
    )


def _matrix(
    counts: Counter[tuple[str, str]], truths: list[str] | tuple[str, ...], said: tuple[str, ...]
) -> str:
    lines = ["| | " + " | ".join(said) + " |", "|---|" + "---:|" * len(said)]
    for truth in truths:
        cells = (f"**{counts[truth, s]}**" if s == truth else str(counts[truth, s]) for s in said)
        lines.append(f"| {truth} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def delays() -> str:
    """False alarms and delays of looking at every window."""
    lines = [
        "| looked at after every window | false alarms | "
        + " | ".join(f"delay, shift {shift} σ" for shift in SHIFTS[1:])
        + " |",
        "|---|---:|" + "---:|" * (len(SHIFTS) - 1),
    ]
    alarms: dict[tuple[str, float], list[int | None]] = {}
    for shift in SHIFTS:
        for stream in range(STREAMS if shift == 0 else STREAMS // 4):
            for name, at in _stream(shift, stream).items():
                alarms.setdefault((name, shift), []).append(at)
    for name in WATCHERS:
        cells = [f"{100 * sum(at is not None for at in alarms[name, 0.0]) / STREAMS:.0f} %"]
        for shift in SHIFTS[1:]:
            late = [
                at - CHANGE + 1 for at in alarms[name, shift] if at is not None and at >= CHANGE
            ]
            early = sum(at is not None and at < CHANGE for at in alarms[name, shift])
            never = sum(at is None for at in alarms[name, shift])
            text = f"{median(late):.0f}" if late else "–"
            remarks = [f"{early} too early"] * bool(early) + [f"{never} never"] * bool(never)
            cells.append(text + (f" ({', '.join(remarks)} of {STREAMS // 4})" if remarks else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        (
            f"{STREAMS} streams without drift of {WINDOWS} windows; {STREAMS // 4} for each shift, whose mean moves at "
            f"window {CHANGE + 1}; {ROWS} normal rows a window, a reference of {REFERENCE} drawn anew for each. "
            "Delay: windows from the change to the alarm, median of those that came after it."
        ),
    ]
    return "\n".join(lines)


def _stream(shift: float, seed: int) -> dict[str, int | None]:
    """By watcher the window (from 0) of its first alarm."""
    rng = np.random.default_rng([13, seed])
    feature = Reference.from_columns({"x": rng.normal(size=REFERENCE)}, latency=False)["x"]
    test = SequentialTest(feature)
    page_hinkley, adwin = PageHinkley(threshold=1.0), ADWIN(clock=1)
    found: dict[str, int | None] = dict.fromkeys(WATCHERS)
    total = feature.empty()
    for t in range(WINDOWS):
        rows = rng.normal(shift if t >= CHANGE else 0.0, 1, ROWS)
        tally = feature.count(rows.data)
        total = total + tally  # type: ignore[operator]
        test.update(tally)
        page_hinkley.update(float(rows.mean()))
        adwin.update(float(rows.mean()))
        alarms = (
            test.drift_detected,
            _ks(feature, tally) <= 0.05,
            _ks(feature, total) <= 0.05,
            page_hinkley.drift_detected,
            adwin.drift_detected,
        )
        for name, alarm in zip(WATCHERS, alarms, strict=True):
            if alarm and found[name] is None:
                found[name] = t
        if all(at is not None for at in found.values()):
            break
    return found


def _ks(feature: object, tally: object) -> float:
    p_value = METHODS["ks"].compute(feature, tally).p_value
    assert p_value is not None
    return p_value


def put(path: Path, mark: str, text: str) -> None:
    """Write between `<!-- mark -->` and `<!-- end mark -->`."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- end {mark} -->"
    before = path.read_text("utf-8")
    after = re.sub(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}{text}\n{end}",
        before,
        flags=re.DOTALL,
    )
    if begin not in before:
        raise SystemExit(f"{path} has no mark {begin.strip()}")
    path.write_text(after, "utf-8")


PARTS = {
    "benchmark": lambda: put(REPO / "docs/diagnosis.md", "benchmark", benchmark()),
    "delays": lambda: put(REPO / "docs/drift.md", "delays", delays()),
    "examples": series.write_all,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    for part in parser.parse_args().parts:
        say(part)
        PARTS[part]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
