"""Control flow: operators that hold graphs and run them through `call`."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.graph import Graph
from strandline.ops.registry import Array, CallGraph, op
from strandline.ops.rules import ints


@op("If", any_type=True)
def if_(
    condition: Array, *, then_branch: Graph, else_branch: Graph, call: CallGraph
) -> tuple[Any, ...]:
    return call(then_branch if bool(np.asarray(condition).item()) else else_branch, ())


def _stack(parts: list[Array], like: Any = None) -> Array:
    if parts:
        return np.stack(parts)
    shape = [d if isinstance(d, int) else 0 for d in (like.shape or ())]
    return np.zeros((0, *shape), like.dtype.numpy if like.dtype else np.float32)


@op("Loop", any_type=True)
def loop(
    trips: Array | None = None,
    condition: Array | None = None,
    *carried: Any,
    body: Graph,
    call: CallGraph,
) -> tuple[Any, ...]:
    """The body maps (iteration, condition, carried...) to (condition, carried..., scanned...)."""
    limit = None if trips is None else int(np.asarray(trips).item())
    going = condition is None or bool(np.asarray(condition).item())
    values = list(carried)
    scanned: list[list[Array]] = [[] for _ in body.outputs[1 + len(values) :]]
    iteration = 0
    while going and (limit is None or iteration < limit):
        keep, *results = call(body, [np.asarray(iteration, np.int64), np.asarray(True), *values])
        values, outputs = results[: len(values)], results[len(values) :]
        for parts, value in zip(scanned, outputs, strict=True):
            parts.append(value)
        if condition is not None:
            going = bool(np.asarray(keep).item())
        iteration += 1
    declared = body.outputs[1 + len(values) :]
    stacked = [_stack(parts, like) for parts, like in zip(scanned, declared, strict=True)]
    return *values, *stacked


@op("Scan", since=9, any_type=True)
def scan(
    *inputs: Array,
    body: Graph,
    num_scan_inputs: int,
    scan_input_axes: Any = None,
    scan_input_directions: Any = None,
    scan_output_axes: Any = None,
    scan_output_directions: Any = None,
    call: CallGraph,
) -> tuple[Array, ...]:
    """The body maps (state..., elements...) to (state..., elements...), over slices of the scan
    inputs."""
    split = len(inputs) - num_scan_inputs
    state = list(inputs[:split])
    axes = ints(scan_input_axes) or (0,) * num_scan_inputs
    backwards = ints(scan_input_directions) or (0,) * num_scan_inputs
    sequences = [
        np.flip(np.moveaxis(x, axis, 0), 0) if back else np.moveaxis(x, axis, 0)
        for x, axis, back in zip(inputs[split:], axes, backwards, strict=True)
    ]
    declared = body.outputs[len(state) :]
    scanned: list[list[Array]] = [[] for _ in declared]
    for step in range(sequences[0].shape[0]):
        results = call(body, [*state, *(s[step] for s in sequences)])
        state = list(results[: len(state)])
        for parts, value in zip(scanned, results[len(state) :], strict=True):
            parts.append(value)
    out_axes = ints(scan_output_axes) or (0,) * len(scanned)
    out_backwards = ints(scan_output_directions) or (0,) * len(scanned)
    outputs = [
        np.moveaxis(_stack(parts[::-1] if back else parts, like), 0, axis)
        for parts, like, axis, back in zip(scanned, declared, out_axes, out_backwards, strict=True)
    ]
    return *state, *outputs


@op("Scan", since=8, any_type=True)
def scan_8(
    lengths: Array | None,
    *inputs: Array,
    body: Graph,
    num_scan_inputs: int,
    directions: Any = None,
    call: CallGraph,
) -> tuple[Array, ...]:
    """Opset 8: a batch axis comes first everywhere, and each entry may have its own length."""
    batch = inputs[0].shape[0]
    rows = []
    for b in range(batch):
        values = [x[b] for x in inputs]
        if lengths is not None:
            split = len(values) - num_scan_inputs
            values[split:] = [x[: int(lengths[b])] for x in values[split:]]
        rows.append(
            scan(
                *values,
                body=body,
                num_scan_inputs=num_scan_inputs,
                scan_input_directions=directions,
                call=call,
            )
        )
    return tuple(_padded_stack(column) for column in zip(*rows, strict=True))


def _padded_stack(parts: tuple[Array, ...]) -> Array:
    """Stacked along a new first axis, shorter ones filled up with zeros at their end."""
    longest = max((p.shape[0] for p in parts if p.ndim), default=0)
    filled = [
        np.pad(p, [(0, longest - p.shape[0])] + [(0, 0)] * (p.ndim - 1)) if p.ndim else p
        for p in parts
    ]
    return np.stack(filled)
