"""`make demo`: two real models, packed, in real browsers, watched by a real collector.

Trains on the flights of the first half of 2015, packs, and lets headless Chromium sessions predict flights of the
second half, some of them offline for a while. Then every count and every bit is reconciled with a
native run over the same rows; what does not agree makes it fail. Stays up until Ctrl-C; `--once` ends by itself.
"""

from __future__ import annotations

import argparse
import math
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flights
import processes
from cache import BuildError, cache_dir
from playwright.sync_api import Browser, sync_playwright
from visitor import PageError, Visitor

from strandline.bench.browser import FLAGS, chromium_path
from strandline.bench.errors import BenchError
from strandline.bundle.errors import PackError
from strandline.bundle.manifest import Collector, Window
from strandline.bundle.pack import pack
from strandline.bundle.pipeline import Pipeline
from strandline.collector.keys import read_keys
from strandline.collector.query import Comparison, load_comparison
from strandline.drift import Profile

MODELS = ("gradient-boosting", "mlp")
VERSION = "1"
SESSIONS = 4
"""browser contexts per model; every other one goes offline in the middle"""
ROWS = 600
"""rows per session"""
TOLERANCE = 1e-4
"""relative, between native and WASM probabilities"""


@dataclass
class Session:
    """One browser context and what it was given and gave back."""

    model: str
    rows: list[dict[str, Any]]
    goes_offline: bool
    loads: int = 0
    ready_ms: list[float] = field(default_factory=list)
    offline_ms: list[float] = field(default_factory=list)
    predictions: list[dict[str, Any]] = field(default_factory=list)


class Steps:
    """Numbered progress lines with the seconds that each step took."""

    def __init__(self) -> None:
        self._n = 0
        self.begun = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        self._n += 1
        print(f"{self._n:2}  {what:<58}", end="", flush=True)
        notes: list[str] = []
        start = time.monotonic()
        try:
            yield notes
        except BaseException:
            print("  failed", flush=True)
            raise
        print(f"{time.monotonic() - start:6.1f} s  {' '.join(notes)}".rstrip(), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when all is reconciled")
    once = parser.parse_args().once
    work = cache_dir() / "demo"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        return run(work, once)
    except (BuildError, BenchError, PackError, PageError, processes.StartError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run(work: Path, once: bool) -> int:
    steps = Steps()
    with steps.step("look up the flights of 2015") as notes:
        data = flights.load()
        notes.append(f"{len(data.reference)} rows before July, {len(data.current)} after")
    reference = work / "reference.csv"
    data.reference.to_csv(reference, index=False)
    for name in MODELS:
        with steps.step(f"train and export {name}") as notes:
            fitted = flights.train(name, data.reference)
            flights.export(fitted, work / f"{name}.onnx")
            size = (work / f"{name}.onnx").stat().st_size
            notes.append(f"ROC AUC {auc(fitted, data.current):.3f} after July, {size / 1e3:.0f} kB")
    db = work / "strandline.db"
    key, port = read_keys(f"sqlite:///{db}").ingest, processes.free_port()
    for name in MODELS:
        with steps.step(f"pack {name}") as notes:
            packed = pack(
                work / f"{name}.onnx",
                reference,
                work / "sites" / name,
                name=name,
                version=VERSION,
                collector=Collector(f"http://127.0.0.1:{port}", key),
                window=Window(rows=250, seconds=30),
            )
            size = sum(n for _, n in packed.manifest.files.values())
            numpy = f"NumPy: {packed.numpy_reason}" if packed.numpy_reason else "no NumPy"
            notes.append(f"{size / 1e6:.1f} MB in {len(packed.manifest.files)} files, {numpy}")
    sites = [work / "sites" / name for name in MODELS]
    with ExitStack() as stack:
        host = processes.static_host(work / "sites", work / "host.log")
        collector = processes.collector(db, sites, work / "collector.log", port)
        with steps.step("start the static host and the collector"):
            stack.enter_context(host)
            stack.enter_context(collector)
        sessions = plan(data)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        stack.callback(browser.close)
        for i, session in enumerate(sessions, 1):
            offline = ", offline for a while" if session.goes_offline else ""
            with steps.step(f"session {i} of {len(sessions)}: {session.model}{offline}") as notes:
                drive(browser, host.url, session)
                notes.append(
                    f"{len(session.predictions)} rows, ready after {session.ready_ms[0]:.0f} ms"
                )
        problems: list[str] = []
        for name in MODELS:
            own = [s for s in sessions if s.model == name]
            seen = load_comparison(f"sqlite:///{db}", name, VERSION, min_sessions=1)
            problems += report(name, own, seen, work / "sites" / name)
        print(f"\ndone in {time.monotonic() - steps.begun:.0f} s")
        for problem in problems:
            print(f"DOES NOT AGREE: {problem}", file=sys.stderr)
        if not once and not problems:
            wait(host.url, collector.url)
    return 1 if problems else 0


def auc(fitted: Any, rows: Any) -> float:
    """The area under the ROC curve of a fitted pipeline on these rows."""
    from sklearn.metrics import roc_auc_score

    scores = fitted.predict_proba(rows[list(flights.FEATURES)])[:, 1]
    return float(roc_auc_score(rows["long_taxi_out"], scores))


def plan(data: flights.Flights) -> list[Session]:
    """Sessions with flights spread evenly over the second half of the year, in order of time."""
    step = len(data.current) // (SESSIONS * ROWS)
    chosen = data.current[list(flights.FEATURES)].iloc[::step].head(SESSIONS * ROWS)
    rows = [
        {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in row.items()}
        for row in chosen.to_dict("records")
    ]
    return [
        Session(name, rows[i * ROWS : (i + 1) * ROWS], goes_offline=i % 2 == 1)
        for name in MODELS
        for i in range(SESSIONS)
    ]


def drive(browser: Browser, host: str, session: Session) -> None:
    """One visitor, who leaves only when the collector has confirmed everything."""
    context = browser.new_context()
    try:
        visitor = Visitor(context)
        session.ready_ms.append(visitor.open(f"{host}/{session.model}/"))
        if session.goes_offline:
            third = ROWS // 3
            session.predictions += visitor.predict(session.rows[:third])
            visitor.go_offline()
            session.predictions += visitor.predict(session.rows[third : 2 * third])
            visitor.flush()
            session.offline_ms.append(visitor.reload())
            session.predictions += visitor.predict(session.rows[2 * third :])
            visitor.flush()
            visitor.go_online()
        else:
            session.predictions += visitor.predict(session.rows)
        visitor.confirmed()
        session.loads = visitor.loads
    finally:
        context.close()


def report(name: str, sessions: Sequence[Session], seen: Comparison, site: Path) -> list[str]:
    """Print what the collector saw and how it agrees with a native run; the disagreements."""
    rows = [row for s in sessions for row in s.rows]
    predicted = [row for s in sessions for row in s.predictions]
    columns = {f: [row[f] for row in rows] for f in flights.FEATURES}
    outputs = {o: [row[o] for row in predicted] for o in predicted[0]}
    start = time.perf_counter()
    native = Pipeline.from_site(site).predict(columns)
    native_ms = (time.perf_counter() - start) * 1000
    expected = Profile.from_rows(columns | outputs, seen.reference)

    print(f"\n{name} {VERSION}: what the collector saw, {seen.profile.rows} rows")
    print(
        f"  {'feature':<20}{'verdict':<18}{'PSI':>8}{'KS':>8}{'JS':>8}{'p-value':>11}{'missing':>9}"
    )
    for drift in seen.drifts:
        value = {s.method: s.value for s in drift.statistics}
        numbers = "".join(
            f"{value[m]:8.4f}" if m in value else f"{'':8}" for m in ("psi", "ks", "jensenshannon")
        )
        p = f"{drift.p_value:11.2g}" if drift.p_value is not None else f"{'':11}"
        print(f"  {drift.name:<20}{drift.verdict:<18}{numbers}{p}{drift.current.missing:9}")

    labels = sum(a == b for a, b in zip(native["label"], outputs["label"], strict=True))
    probability = [o for o in native if o.startswith("probability:")]
    worst = max(
        abs(a - b) / max(abs(a), abs(b), 1e-30)
        for o in probability
        for a, b in zip(native[o], outputs[o], strict=True)
    )
    same = [
        f for f in seen.reference if f.role != "system" and seen.profile[f.name] == expected[f.name]
    ]
    watched = [f for f in seen.reference if f.role != "system"]
    loads = sum(s.loads for s in sessions)
    cold = [ms for s in sessions for ms in s.ready_ms]
    offline = [ms for s in sessions for ms in s.offline_ms]
    print(f"  rows predicted and rows counted      {len(rows)} and {seen.profile.rows}")
    print(f"  page loads and sessions counted      {loads} and {seen.sessions}")
    print(f"  labels, WASM as native               {labels} of {len(rows)}")
    print(f"  probabilities, worst relative error  {worst:.1e}")
    print(
        f"  profiles, bit for bit as native      {len(same)} of {len(watched)} features and outputs"
    )
    first, again = statistics.median(cold), statistics.median(offline)
    print(f"  start, first visit and offline       {first:.0f} ms and {again:.0f} ms (median)")
    print(f"  the same rows natively               {native_ms:.0f} ms")

    checks = {
        f"{name}: {len(rows)} rows were predicted, {seen.profile.rows} counted": seen.profile.rows == len(rows),
        f"{name}: {len(predicted)} predictions for {len(rows)} rows": len(predicted) == len(rows),
        f"{name}: {loads} page loads, {seen.sessions} sessions counted": seen.sessions == loads,
        f"{name}: {len(rows) - labels} labels differ from native": labels == len(rows),
        f"{name}: probabilities differ from native by {worst:.1e}": worst <= TOLERANCE,
        f"{name}: only {len(same)} of {len(watched)} profiles equal the native ones": len(same) == len(watched),
    }  # fmt: skip
    return [problem for problem, fine in checks.items() if not fine]


def wait(host: str, collector: str) -> None:
    print("\nopen until Ctrl-C:")
    for name in MODELS:
        print(f"  {name:<20}{host}/{name}/")
    print(f"  {'dashboard':<20}{collector}/")
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
