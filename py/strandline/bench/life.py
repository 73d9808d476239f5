"""The life of a session in the browser: made, run first, given another shape, kept for long.

Every runtime gets a worker of its own per model, in which another, small model has been run before, so
that neither its boot nor its download is counted; but they are in what it costs the device (`device.py`).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from strandline.bench.browser import InBrowser
from strandline.bench.cases import Case
from strandline.bench.measure import calls_per_round

RUNS = 1000
RUN_SECONDS = 5.0
"""So long a session is run to see its memory grow, if it has not had its `RUNS` before."""


@dataclass(frozen=True, slots=True)
class Life:
    """One runtime's figures for one model; seconds and bytes.

    `created`, `first` and `steady` (a later call) are medians over sessions. `plan` is what planning
    for another shape took, `cached` the same when that shape came again, `other` a run on it.
    `memory` is the most WebAssembly memory there was, of which `before` were there without the model;
    `grown` is what `runs` runs added to it, `blocks` what they added to Python's objects. `device` is
    the peak of what the runtime alone, and the model, add to a page's resident memory.
    """

    created: float
    first: float
    steady: float
    memory: int
    before: int
    runs: int
    grown: int
    blocks: int | None
    plan: float | None = None
    cached: float | None = None
    other: float | None = None
    device: int | None = None


@dataclass(frozen=True, slots=True)
class Lives:
    """The figures for one model, by runner; `table`: its inputs are rows of tables."""

    name: str
    table: bool
    runners: Mapping[str, Life]


def measure(
    cases: Iterable[Case],
    boot: Callable[[], Sequence[InBrowser]],
    device: Callable[[Mapping[str, Any]], Mapping[str, int]],
    write: Callable[[Case], Mapping[str, Any]],
    sessions: int,
    progress: Callable[[str], None],
) -> list[Lives]:
    """By model, of which the first case is taken. `boot` starts the workers in a page of their own,
    `device` tells by runner what a spec costs the device, `write` gives a case's spec."""
    models: dict[bytes, Case] = {}
    for case in cases:
        models.setdefault(case.model, case)
    small = write(_small_model())
    found = []
    for case in models.values():
        progress(f"the life of a session: {case.name}")
        spec, runners = write(case), boot()
        lives = _lives(runners, small, spec, sessions)
        runners[0].page.close()
        costs = device(spec)
        lives = {name: replace(life, device=costs.get(name)) for name, life in lives.items()}
        found.append(Lives(case.name, case.table, lives))
    return found


def _lives(
    runners: Sequence[InBrowser], small: Mapping[str, Any], spec: Mapping[str, Any], sessions: int
) -> dict[str, Life]:
    """By runner, sessions made in turns; a runner that fails is left out."""
    before: dict[str, int] = {}
    memory: dict[str, int] = {}
    times: dict[str, list[tuple[float, float, float]]] = {}
    for runner in runners:
        runner.open(small)
        runner.time(10)
        runner.close()
        before[runner.name] = _bytes(runner)
        try:
            times[runner.name] = [_session(runner, spec)]
        except Exception:  # the main table says why
            continue
        memory[runner.name] = _bytes(runner)
    alive = [runner for runner in runners if runner.name in times]
    for _ in range(sessions - 1):
        for runner in alive:
            runner.close()
            times[runner.name].append(_session(runner, spec))
    found = {}
    for runner in alive:
        name = runner.name
        created, first, steady = map(statistics.median, zip(*times[name], strict=True))
        grown = _grown(runner, steady)
        shapes = _another_shape(runner, spec)
        found[name] = Life(created, first, steady, memory[name], before[name], **grown, **shapes)
    return found


def _session(runner: InBrowser, spec: Mapping[str, Any]) -> tuple[float, float, float]:
    """Seconds of the session's creation, its first run and later ones."""
    return runner.open(spec), runner.time(1), _steady(runner)


def _steady(runner: InBrowser) -> float:
    """Seconds of a call when a few have been made."""
    calls = calls_per_round(runner.time(1), 0.05)
    return min(runner.time(calls) / calls for _ in range(3))


def _grown(runner: InBrowser, steady: float) -> dict[str, Any]:
    runs = min(RUNS, calls_per_round(steady, RUN_SECONDS))
    before = runner.memory()
    runner.time(runs)
    after = runner.memory()
    growth = {key: None if was is None else (after[key] or 0) - was for key, was in before.items()}
    return {"runs": runs, "grown": growth["bytes"], "blocks": growth["blocks"]}


def _another_shape(runner: InBrowser, spec: Mapping[str, Any]) -> dict[str, Any]:
    if spec["other"] is None:
        return {}
    runner.close()
    runner.open({**spec, "model": spec["free"]})
    runner.time(1)
    runner.feed(spec["other"])
    plan, cached = runner.plan(), runner.plan()
    return {"plan": plan, "cached": cached, "other": _steady(runner)}


def _bytes(runner: InBrowser) -> int:
    return runner.memory()["bytes"] or 0


def _small_model() -> Case:
    """What a worker runs before the model that is measured."""
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [weights],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    return Case("small model", model, {"x": np.ones((1, 4), np.float32)})
