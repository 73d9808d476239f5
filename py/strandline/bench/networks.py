"""Convolutional networks that come with the `onnx` package, without a download."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def light_network(file: str) -> bytes:
    """A network that ships with onnx (`light_<file>.onnx`), with weights that mean something.

    There they are all 0.02; here they are random in the scale that keeps signals alive (He et al.
    2015), so that outputs depend on inputs.
    """
    import onnx
    from onnx import numpy_helper

    proto = onnx.load(Path(onnx.__file__).parent / "backend/test/data/light" / f"light_{file}.onnx")
    graph = proto.graph
    rng = np.random.default_rng(0)
    sizes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    shape_of = {
        node.output[0]: tuple(int(s) for s in sizes[node.input[0]])
        for node in graph.node
        if node.op_type == "ConstantOfShape"
    }
    users = {name: node for node in graph.node for name in node.input}
    branches: set[int] = set()
    for node in graph.node:
        if node.op_type == "Sum":
            ends = [made_by[n] for n in node.input if made_by[n].op_type == "BatchNormalization"]
            branches.update(id(n) for n in ends[:1])
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in shape_of:
                # The factors of a channel come through an Unsqueeze.
                user = users[node.output[0]] if node.op_type == "Unsqueeze" else node
                gain = 2.0 if _rectified(node.input[0], made_by) else 1.0
                if branches and node.op_type == "Gemm":
                    gain = 0.02  # what residual blocks add up to would saturate the softmax
                role = (user.op_type, place)
                value = _weights(shape_of.pop(name), role, gain, id(node) in branches, rng)
                graph.initializer.append(numpy_helper.from_array(value, name))
    kept = [n for n in graph.node if n.op_type != "ConstantOfShape"]
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    for held in (graph.initializer, graph.input):
        rest = [v for v in held if v.name in used]
        del held[:]
        held.extend(rest)
    return bytes(proto.SerializeToString())


_MOVERS = {"MaxPool", "AveragePool", "Concat", "Transpose", "Reshape", "Dropout", "LRN", "Sum"}


def _rectified(name: str, made_by: Mapping[str, Any]) -> bool:
    """Whether a tensor comes from a Relu, through nothing but operators that keep it positive."""
    while name in made_by and made_by[name].op_type in _MOVERS:
        name = made_by[name].input[0]
    return name in made_by and made_by[name].op_type == "Relu"


def _weights(
    shape: tuple[int, ...],
    role: tuple[str, int],
    gain: float,
    branch: bool,
    rng: np.random.Generator,
) -> np.ndarray[Any, Any]:
    """Values for an operator's input: kernels, factors around 1 or offsets around 0. The branch of a
    residual block is kept small, or sixteen of them would outgrow the softmax."""
    if len(shape) > 1:
        deviation = np.sqrt(gain / np.prod(shape[1:]))
        return rng.normal(0, deviation, shape).astype(np.float32)
    if role == ("BatchNormalization", 1) and branch:
        return rng.uniform(0.1, 0.3, shape).astype(np.float32)
    if role in (("BatchNormalization", 1), ("BatchNormalization", 4), ("Mul", 0)):
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    return rng.normal(0, 0.1, shape).astype(np.float32)
