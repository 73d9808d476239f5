"""Measure how often every drift test alarms without drift, and write docs/calibration.md.

Ours in all cells of calibration_cases.py, evidently, whylogs and nannyml in some of them, in an
environment that this script makes in the cache from requirements-peers.lock. Fails when a test of ours
alarms more often than its binomial band allows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import calibration_cases as cases
import calibration_page as page
from cache import REPO, BuildError, cache_dir, content_key, is_fresh, lock, run, say, write_stamp

LOCK = REPO / "build/requirements-peers.lock"
PEERS = REPO / "build/calibration_peers.py"
PEER_CELLS = {
    ("numeric", "normal"): [(50, 50), (1000, 1000), (10_000, 1000), (10_000, 10_000),
                            (100_000, 100_000), (1_000_000, 1_000_000)],
    ("numeric", "13 values"): [(1000, 1000)],
    ("numeric", "half 0, heavy tail"): [(1000, 200), (50, 1000)],
    ("categorical", "2 even"): [(1000, 1000)],
    ("categorical", "3 even"): [(1000, 1000)],
    ("categorical", "10 even"): [(1000, 1000), (10_000, 1000), (100_000, 100_000)],
    ("categorical", "30 even"): [(1000, 1000), (10_000, 1000)],
    ("categorical", "50 even"): [(1000, 1000)],
}  # fmt: skip


def peers_python() -> Path:
    """The interpreter of an environment with the other libraries, made when it is not there."""
    folder = cache_dir() / "peers"
    python, stamp = folder / "bin/python", folder / ".strandline-stamp"
    key = content_key([LOCK], ".".join(map(str, sys.version_info[:2])))
    with lock("peers"):
        if not (python.exists() and is_fresh(stamp, key)):
            uv = [sys.executable, "-m", "uv"]
            run([*uv, "venv", "--clear", "--python", sys.executable, folder], "uv venv: the peers")
            run(
                # Named, because `python -m uv` takes its own environment before VIRTUAL_ENV.
                [
                    *uv,
                    "pip",
                    "install",
                    "--python",
                    python,
                    "--no-deps",
                    "--require-hashes",
                    "-r",
                    LOCK,
                ],
                "uv pip install: evidently, whylogs, nannyml",
            )
            write_stamp(stamp, key)
    return python


def peers(cells: Sequence[cases.Cell], count: int) -> dict[str, Any]:
    """What the other libraries do in the cells that `PEER_CELLS` names."""
    chosen = []
    for cell in cells:
        if (cell.n, cell.m) in PEER_CELLS.get((cell.family, cell.shape), []):
            rows = max(cell.n, cell.m)
            fewer = count if rows < 100_000 else max(1, count // (4 if rows < 1_000_000 else 8))
            chosen.append(asdict(replace(cell, cases=fewer)))
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "DO_NOT_TRACK": "1",
        "WHYLOGS_NO_ANALYTICS": "1",
    }
    done = subprocess.run(
        [peers_python(), "-I", PEERS],
        input=json.dumps(chosen), capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        raise BuildError(f"the peers failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measured(cell: cases.Cell) -> dict[str, Any]:
    return {**asdict(cell), "alarms": {k: int(v) for k, v in cases.run(cell).items()}}


def _powered(task: tuple[float, int, int]) -> dict[str, Any]:
    return {"shift": task[0], "alarms": {k: int(v) for k, v in cases.power(*task).items()}}


def measure(count: int, peer_count: int, processes: int) -> dict[str, Any]:
    """All figures of the page."""
    cells = list(cases.cells(count))
    start = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        others = pool.submit(peers, cells, peer_count) if peer_count else None
        say(f"{len(cells)} settings, {count} cases each, {processes} processes")
        by_cost = sorted(cells, key=lambda c: c.family != "sessions")
        ours = []
        for i, found in enumerate(pool.map(_measured, by_cost), 1):
            ours.append(found)
            if i % 20 == 0:
                say(f"  {i} of {len(cells)} after {time.monotonic() - start:.0f} s")
        tasks = [(shift, count, seed) for seed, shift in enumerate(cases.POWER_SHIFTS)]
        power = list(pool.map(_powered, tasks))
        place = {cell.key: i for i, cell in enumerate(cells)}
        ours.sort(key=lambda one: place[cases.Cell(**{k: one[k] for k in FIELDS}).key])
        found = {"cases": count, "ours": ours, "power": power}
        found["peers"] = others.result() if others else {"versions": {}, "cells": []}
    found["seconds"] = round(time.monotonic() - start)
    return found


FIELDS = ("family", "shape", "n", "m", "cases", "seed")


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--cases", type=int, default=1000, help="drift-free cases per setting")
    parser.add_argument(
        "--peer-cases", type=int, default=200, help="the same for other libraries; 0: none"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--results", type=Path, help="write the page from figures measured before")
    options = parser.parse_args()
    try:
        if options.results:
            found = json.loads(options.results.read_text())
        else:
            found = measure(options.cases, options.peer_cases, options.processes)
            kept = cache_dir() / "calibration.json"
            kept.write_text(json.dumps(found))
            say(f"figures kept in {kept.name} in the cache")
        over = page.write(found, REPO / "docs")
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for line in over:
        print(f"too many alarms: {line}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
