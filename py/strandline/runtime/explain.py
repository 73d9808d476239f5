"""A plan in words, for people who wonder what runs where, and how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from strandline.compiler.plan import CoreStep, HostStep, MapStep, Plan
from strandline.onnx.graph import Graph
from strandline.onnx.types import TensorType


def explain(graph: Graph, types: Sequence[TensorType | None], plan: Plan) -> str:
    """One line for the whole, one per step."""
    fed = ", ".join(
        f"{info.name} {type_ or info.kind}" for info, type_ in zip(graph.inputs, types, strict=True)
    )
    need = "needs NumPy" if plan.needs_numpy else "needs no NumPy"
    head = f"{len(graph.nodes)} nodes for {fed}: {len(plan.steps)} steps"
    lines = [f"{head}, arena {plan.arena_bytes:,} bytes, {need}"]
    for step in plan.steps:
        if isinstance(step, CoreStep):
            kernels = Counter(step.kernels)
            names = ", ".join(f"{n} {name}" for name, n in kernels.most_common())
            lines.append(f"  core: {len(step.kernels)} kernels ({names})")
        elif isinstance(step, HostStep):
            lines.append(f"  NumPy: {step.node}")
        elif isinstance(step, MapStep):
            lines.append(f"  Python: {step.node}")
        else:
            lines.append(f"  copy: {step.input.type}")
    if plan.rest is not None:
        nodes = len(plan.rest.graph.nodes)
        lines.append(f"  then {nodes} nodes, planned when the run shows their inputs' shapes")
    return "\n".join(lines)


def times_table(times: Sequence[tuple[str, float]]) -> str:
    """What `Session.profile` found, as one line per kernel: calls, milliseconds and share, the slowest first."""
    calls = Counter(name for name, _ in times)
    seconds = dict.fromkeys(calls, 0.0)
    for name, each in times:
        seconds[name] += each
    total = sum(seconds.values()) or 1.0
    width = max(map(len, seconds), default=0)
    return "\n".join(
        f"  {name:{width}}  {calls[name]:4} ×  {each * 1e3:9.3f} ms  {each / total:6.1%}"
        for name, each in sorted(seconds.items(), key=lambda item: -item[1])
    )
