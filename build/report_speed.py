"""How long a report takes on 100,000 rows of 20 columns, beside reading the rows once.

`python build/report_speed.py [ROWS]` prints seconds, the best of three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from strandline.report import DataDriftPreset, DataSummaryPreset, Report


def table(seed: int, rows: int) -> pd.DataFrame:
    """15 columns of numbers, 5 of categories."""
    rng = np.random.default_rng(seed)
    numbers = {f"number {i}": rng.lognormal(size=rows) for i in range(15)}
    names = [f"category {k}" for k in range(12)]
    return pd.DataFrame(numbers | {f"text {i}": rng.choice(names, rows) for i in range(5)})


def best(work: Callable[[], Any]) -> float:
    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(3))


def main() -> int:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    before, after = table(1, rows), table(2, rows)
    drift = Report([DataDriftPreset()])
    whole = Report([DataDriftPreset(), DataSummaryPreset()], include_tests=True)
    found = whole.run(after, before)
    for name, work in {
        "pandas' describe() of both": lambda: (before.describe(), after.describe()),
        "DataDriftPreset": lambda: drift.run(after, before),
        "with DataSummaryPreset and tests": lambda: whole.run(after, before),
        "its page": found.html,
    }.items():
        print(f"{name:<34}{best(work):6.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
