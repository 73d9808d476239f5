"""`strandline bench --drift`: profiles and comparisons beside other libraries, and their cost in the
browser.

One table is the reference, another of the same size the current rows; nothing drifted. What peers
do is in `drift_peers`; each runs in a process of its own, under an interpreter that has it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from strandline.bench import drift_peers
from strandline.bench.errors import BenchError
from strandline.bench.host import static_host
from strandline.bench.measure import Runner, Timing, interleave
from strandline.bench.results import machine
from strandline.bench.tables import duration, measured_on
from strandline.drift import Profile, Reference, compare

if TYPE_CHECKING:
    from numpy.typing import NDArray

OURS = "strandline profile"
BROWSER_FEATURES = 30
BROWSER_ROWS = 1000

IN_PYODIDE = """
import json
from array import array
from time import perf_counter
from strandline.drift import Profile, Reference

def measure(reference, columns, rounds):
    reference, columns = Reference.from_json(reference), json.loads(columns)
    rows = [{name: [cells[i]] for name, cells in columns.items()} for i in range(len(columns["x0"]))]
    def batch():
        profile = Profile(reference)
        profile.update(columns)
        return profile
    def single():
        profile = Profile(reference)
        for row in rows:
            profile.update(row)
        return profile
    seconds = {"batch": [], "single": []}
    for _ in range(rounds + 1):
        for name, run in (("batch", batch), ("single", single)):
            started = perf_counter()
            wire = json.dumps(run().to_wire())
            seconds[name].append(perf_counter() - started)
    return json.dumps({"seconds": {n: s[1:] for n, s in seconds.items()}, "wire": wire})
measure
"""


@dataclass
class Calls:
    """A function of this process."""

    name: str
    call: Callable[[], object]

    def time(self, calls: int) -> float:
        started = perf_counter()
        for _ in range(calls):
            self.call()
        return perf_counter() - started

    def outputs(self) -> Sequence[Any]:
        return [self.call()]


class Peer:
    """A library in a process of its own."""

    def __init__(self, name: str, python: str, folder: Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [python, drift_peers.__file__, name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._answer()

    def time(self, calls: int) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"time {calls}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def outputs(self) -> Sequence[Any]:
        return []

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise BenchError(f"{self.name} did not run: its errors are above")
        return line


def measure(
    rows: int, columns: int, rounds: int, peers: Mapping[str, str], *, browser: bool
) -> dict[str, Any]:
    """All figures as JSON values. `peers`: interpreters by the name of the library."""
    unknown = sorted(peers.keys() - drift_peers.PEERS.keys())
    if unknown:
        raise BenchError(
            f"there is no peer {', '.join(unknown)}; there are {', '.join(drift_peers.PEERS)}"
        )
    draw = np.random.default_rng(0)
    then, now = (draw.normal(size=(rows, columns)) for _ in range(2))
    about = machine()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for name, table in (("reference", then), ("current", now)):
            np.save(Path(folder) / f"{name}.npy", table)
        runners: list[Runner] = list(_ours(then, now))
        for name, python in peers.items():
            runner = Peer(name, python, Path(folder))
            stack.callback(runner.close)
            about["versions"][name] = runner.version
            runners.append(runner)
        first = {runner.name: runner.time(1) for runner in runners}
        timings = interleave(runners, first, rounds=rounds, budget=0.0)
    result: dict[str, Any] = {
        "schema": "strandline.bench-drift/1",
        "command": f"strandline bench {' '.join(sys.argv[2:])}".strip(),
        "machine": about,
        "rows": rows,
        "columns": columns,
        "runners": {name: _timing(timing) for name, timing in timings.items()},
        "ratios": {name: t.median / timings[OURS].median for name, t in timings.items()},
    }
    if browser:
        result["browser"] = _browser(rounds)
    return result


def _ours(then: NDArray[Any], now: NDArray[Any]) -> Iterator[Calls]:
    columns = [f"x{i}" for i in range(then.shape[1])]
    reference = Reference.from_columns(
        {name: then[:, i].copy() for i, name in enumerate(columns)}, latency=False
    )
    current = {name: now[:, i].copy() for i, name in enumerate(columns)}
    profile = Profile.from_rows(current, reference)
    yield Calls(OURS, lambda: Profile.from_rows(current, reference))
    yield Calls("strandline compare", lambda: compare(reference, profile, methods=["ks"]))
    yield Calls(
        "strandline both",
        lambda: compare(reference, Profile.from_rows(current, reference), methods=["ks"]),
    )


def _timing(timing: Timing) -> dict[str, Any]:
    return {
        "median": timing.median,
        "q1": timing.q1,
        "q3": timing.q3,
        "first": timing.first,
        "rounds": list(timing.rounds),
    }


def _browser(rounds: int) -> dict[str, Any]:
    """Microseconds per value in Pyodide: rows as lists in one batch, and row by row."""
    from strandline.bench.browser import chromium
    from strandline.bench.run import ASSETS

    draw = np.random.default_rng(1)
    names = [f"x{i}" for i in range(BROWSER_FEATURES)]
    reference = Reference.from_columns({name: draw.normal(size=20_000) for name in names})
    columns = {name: draw.normal(size=BROWSER_ROWS).tolist() for name in names}
    wheel = next((ASSETS / "wheels").glob("strandline-*simd128*.whl"), None)
    if wheel is None:
        raise BenchError("the WASM wheel is not there: `make assets`, or --native-only")
    mounts = {"bench": ASSETS / "web", "pyodide": ASSETS / "pyodide", "wheels": ASSETS / "wheels"}
    with tempfile.TemporaryDirectory() as empty, contextlib.ExitStack() as stack:
        origin, _ = stack.enter_context(static_host({"": Path(empty), **mounts}))
        browser = stack.enter_context(chromium())
        page = browser.new_page()
        page.goto(f"{origin}bench/bench.html")
        answer = page.evaluate(
            """async ([origin, wheel, python, reference, columns, rounds]) => {
              const { loadPyodide } = await import(`${origin}pyodide/pyodide.mjs`);
              const pyodide = await loadPyodide({ indexURL: `${origin}pyodide/` });
              const bytes = await (await fetch(`${origin}wheels/${wheel}`)).arrayBuffer();
              pyodide.unpackArchive(bytes, "wheel");
              return JSON.parse(pyodide.runPython(python)(reference, columns, rounds));
            }""",
            [origin, wheel.name, IN_PYODIDE, reference.to_json(), json.dumps(columns), rounds],
        )
    expected = Profile(reference)
    expected.update(columns)
    if answer["wire"] != json.dumps(expected.to_wire()):
        raise BenchError("the browser's profile is not the native one's, bit for bit")
    values = BROWSER_FEATURES * BROWSER_ROWS
    return {
        "features": BROWSER_FEATURES,
        "rows": BROWSER_ROWS,
        "microseconds_per_value": {
            how: float(np.median(seconds)) / values * 1e6
            for how, seconds in answer["seconds"].items()
        },
    }


def markdown(result: Mapping[str, Any]) -> str:
    """The section of the docs: times, ratios, the browser's cost."""
    lines = [
        f"`{result['command']}`",
        "",
        measured_on(result["machine"]),
        "",
        f"{result['rows']:,} rows × {result['columns']} numeric columns against as many, median [quartiles].",
        "",
        "| | time | ÷ profile |",
        "|---|---:|---:|",
    ]
    for name, timing in result["runners"].items():
        median, q1, q3 = (duration(timing[k]) for k in ("median", "q1", "q3"))
        lines.append(f"| {name} | {median} [{q1}, {q3}] | {result['ratios'][name]:.2f}× |")
    if "browser" in result:
        found = result["browser"]
        cost = found["microseconds_per_value"]
        lines.append("")
        lines.append(
            f"{found['rows']} rows of {found['features']} numeric features in Chromium (Pyodide, simd128 build): "
            f"{cost['batch']:.2f} µs per value in one batch, {cost['single']:.2f} µs row by row, the JSON included."
        )
    return "\n".join(lines) + "\n"
