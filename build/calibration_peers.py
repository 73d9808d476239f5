"""The drift-free cases of calibration_cases.py through other libraries, in their own environment.

Reads a list of cells as JSON on stdin, writes alarms per cell and method as JSON on stdout. Each library
is asked as its own reports ask it, at its own default threshold; where that is a p-value it is 0.05.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

LABELS = np.array([f"c{i:02d}" for i in range(50)])
Test = Callable[[Any, Any], bool]


def rows(cell: dict[str, Any]) -> Any:
    """A function that draws (reference, current): for the same cell the same as ours sees."""
    rng = np.random.default_rng([20_26, cell["seed"]])
    n, m, shape = cell["n"], cell["m"], cell["shape"]
    if cell["family"] == "categorical":
        k = int(shape.split()[0])
        weights = np.ones(k) if shape.endswith(" even") else np.arange(1.0, k + 1)
        shares = weights / weights.sum()
        return lambda: [
            np.repeat(LABELS[:k], counts)
            for counts in (rng.multinomial(n, shares), rng.multinomial(m, shares))
        ]
    draw: Any = {
        "normal": lambda size: rng.normal(size=size),
        "13 values": lambda size: rng.binomial(12, 0.4, size) * 1.0,
        "half 0, heavy tail": lambda size: np.where(
            rng.random(size) < 0.5, 0.0, rng.lognormal(0, 2, size)
        ),
    }[shape]
    return lambda: [draw(n), draw(m)]


def evidently(kind: str, categories: int) -> dict[str, Test]:
    """Its statistical tests by the names that a report takes."""
    import pandas as pd
    from evidently.legacy.calculations import stattests as known

    tests = {
        "ks": known.ks_stat_test,
        "anderson": known.anderson_darling_test,
        "es": known.epps_singleton_test,
        "mannw": known.mann_whitney_u_stat_test,
        "t_test": known.t_test,
    }
    if kind == "categorical":
        tests = {"chisquare": known.chi_stat_test, "g_test": known.g_test}
        if categories == 2:
            tests |= {"z": known.z_stat_test, "fisher_exact": known.fisher_exact_test}
    column = "num" if kind == "numeric" else "cat"

    def asked(test: Any) -> Test:
        def alarm(a: Any, b: Any) -> bool:
            return bool(test.func(pd.Series(a), pd.Series(b), column, test.default_threshold)[1])

        return alarm

    return {f"evidently {name}": asked(test) for name, test in tests.items()}


def whylogs(kind: str) -> dict[str, Test]:
    """Of profiles: the only form in which rows reach it."""
    import pandas as pd
    import whylogs as why
    from whylogs.viz.drift import column_drift_algorithms as known

    name, algorithm = ("ks", known.KS()) if kind == "numeric" else ("chisquare", known.ChiSquare())

    def alarm(a: Any, b: Any) -> bool:
        views = [why.log(pd.DataFrame({"x": x})).view().get_column("x") for x in (b, a)]
        found = algorithm.calculate(*views, with_thresholds=True)
        return found is not None and found.drift_category == "DRIFT"

    return {f"whylogs {name}": alarm}


def nannyml(kind: str, chunk: int) -> dict[str, Test]:
    """Chunks of the current's size; its KS threshold is three standard deviations of the reference's
    own chunks.
    """
    import nannyml as nml
    import pandas as pd

    name, method = ("ks", "kolmogorov_smirnov") if kind == "numeric" else ("chisquare", "chi2")
    which = "continuous_methods" if kind == "numeric" else "categorical_methods"

    def alarm(a: Any, b: Any) -> bool:
        frames = [
            pd.DataFrame({"x": x if kind == "numeric" else pd.Categorical(x)}).sample(
                frac=1, random_state=0, ignore_index=True
            )
            for x in (a, b)
        ]
        calculator = nml.UnivariateDriftCalculator(
            column_names=["x"], chunk_size=chunk, **{which: [method]}
        ).fit(frames[0])
        found = calculator.calculate(frames[1]).filter(period="analysis").to_df()
        return bool(found[("x", method, "alert")].iloc[0])

    return {f"nannyml {name}": alarm}


def run(cell: dict[str, Any]) -> dict[str, int]:
    kind = cell["family"]
    categories = int(cell["shape"].split()[0]) if kind == "categorical" else 0
    tests = evidently(kind, categories) if max(cell["n"], cell["m"]) <= 100_000 else {}
    if kind == "numeric" and not tests:
        tests = {"evidently ks": evidently(kind, 0)["evidently ks"]}
    tests |= whylogs(kind)
    if cell["n"] == 10 * cell["m"]:
        tests |= nannyml(kind, cell["m"])
    alarms = dict.fromkeys(tests, 0)
    draw = rows(cell)
    for _ in range(cell["cases"]):
        a, b = draw()
        for name, test in list(tests.items()):
            try:
                alarms[name] += test(a, b)
            except ValueError as error:  # evidently's g_test, when the samples differ in size
                print(f"{name}: {str(error)[:150]}", file=sys.stderr)
                del tests[name], alarms[name]
    return alarms


def main() -> int:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    cells = json.load(sys.stdin)
    found = []
    for cell in cells:
        with contextlib.redirect_stdout(io.StringIO()):
            alarms = run(cell)
        print(cell["shape"], cell["n"], cell["m"], alarms, file=sys.stderr, flush=True)
        found.append({**cell, "alarms": alarms})
    from importlib.metadata import version

    versions = {
        name: version(name) for name in ("evidently", "whylogs", "nannyml", "pandas", "scipy")
    }
    json.dump({"versions": versions, "cells": found}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
