"""What other libraries do with the same two tables. Runs alone, under any interpreter that has the
library: `python drift_peers.py NAME FOLDER`.

FOLDER holds `reference.npy` and `current.npy`, [rows, columns] float64. For each line `time N` on the
standard input, the seconds that N consecutive calls took are written as a line; the first line
written is the library's version. To add a peer: a function under `@peer`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

Prepare = Callable[[Any, Any], Callable[[], object]]
PEERS: dict[str, Prepare] = {}


def peer(prepare: Prepare) -> Prepare:
    """Enter a peer under its distribution's name: (reference, current) -> what is timed."""
    PEERS[prepare.__name__] = prepare
    return prepare


@peer
def scipy(reference: Any, current: Any) -> Callable[[], object]:
    """`ks_2samp` of every column, as monitoring libraries call it."""
    from scipy.stats import ks_2samp

    columns = [(reference[:, i].copy(), current[:, i].copy()) for i in range(reference.shape[1])]
    return lambda: [ks_2samp(a, b) for a, b in columns]


@peer
def evidently(reference: Any, current: Any) -> Callable[[], object]:
    """The data drift preset, which compares the raw rows of both tables."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    frames = _frame(current), _frame(reference)
    return lambda: Report([DataDriftPreset()]).run(*frames).dict()


@peer
def whylogs(reference: Any, current: Any) -> Callable[[], object]:
    """A profile of the current table, and its drift scores against the reference's profile."""
    import whylogs as why
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    known = why.log(_frame(reference)).profile().view()
    frame = _frame(current)
    return lambda: calculate_drift_scores(why.log(frame).profile().view(), known)


@peer
def nannyml(reference: Any, current: Any) -> Callable[[], object]:
    """Kolmogorov-Smirnov of every column by a calculator fitted to the reference, one chunk."""
    import nannyml as nml

    frame = _frame(current)
    calculator = nml.UnivariateDriftCalculator(
        column_names=list(frame), continuous_methods=["kolmogorov_smirnov"], chunk_number=1
    ).fit(_frame(reference))
    return lambda: calculator.calculate(frame)


def _frame(table: Any) -> Any:
    import pandas as pd

    return pd.DataFrame(table, columns=[f"x{i}" for i in range(table.shape[1])])


def main(name: str, folder: str) -> int:
    import numpy as np

    tables = (np.load(Path(folder) / f"{table}.npy") for table in ("reference", "current"))
    call = PEERS[name](*tables)
    print(version(name), flush=True)
    for line in sys.stdin:
        calls = int(line.removeprefix("time "))
        started = perf_counter()
        for _ in range(calls):
            call()
        print(perf_counter() - started, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
