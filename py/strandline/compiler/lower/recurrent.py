"""RNN, GRU and LSTM: one product for what the inputs give to all gates, then a kernel for the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from strandline.compiler.lower.convert import as_type
from strandline.compiler.lower.linear import Activation, Matrix, gemm, pack
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import float32, int32
from strandline.ops.recurrent import WITH_ALPHA, WITH_BETA
from strandline.ops.rules import strings

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}
_INPUTS = ("X", "W", "R", "B", "lengths", "h", "c", "P")
_IN_THE_CORE = {
    "relu": "relu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "leakyrelu": "leaky_relu",
    "hardsigmoid": "hard_sigmoid",
    "softplus": "softplus",
}
"""ONNX's activations of cells that the kernels have."""


def activations(op: str, directions: int, attrs: Mapping[str, Any]) -> list[Activation] | None:
    """Per direction the cell's activations; None when the kernels lack one."""
    names = [n.lower() for n in strings(attrs["activations"]) or list(DEFAULTS[op]) * directions]
    if any(name not in _IN_THE_CORE for name in names):
        return None
    alphas = iter(attrs["activation_alpha"] if attrs["activation_alpha"] is not None else ())
    betas = iter(attrs["activation_beta"] if attrs["activation_beta"] is not None else ())
    found = []
    for name in names:
        a = next(alphas, None) if name in WITH_ALPHA else None
        b = next(betas, None) if name in WITH_BETA else None
        a = {"leakyrelu": 0.01, "hardsigmoid": 0.2}.get(name, 0.0) if a is None else float(a)
        b = {"hardsigmoid": 0.5}.get(name, 0.0) if b is None else float(b)
        found.append(Activation(_IN_THE_CORE[name], a, b))
    return found


@lower("RNN", "GRU", "LSTM")
def recurrent(node: Node, low: Lowering) -> bool:
    named = dict(zip(_INPUTS, (*node.inputs, *[""] * len(_INPUTS)), strict=False))
    dtypes = [low.type(name).dtype for key, name in named.items() if name and key != "lengths"]
    if any(dtype is not float32 for dtype in dtypes):
        return False
    directions, _, hidden = low.type(named["R"]).shape
    functions = activations(node.op, directions, low.attrs)
    if functions is None or not hidden:
        return False
    gates = GATES[node.op]
    width = gates * hidden
    first, second, size = low.type(named["X"]).shape
    by_sequence = bool(low.attrs["layout"])
    steps, sequences = (second, first) if by_sequence else (first, second)

    x, w, r, b, h, c, p = (named[key] for key in "XWRBhcP")
    lengths = as_type(low, named["lengths"], int32) if named["lengths"] else ""
    wide = low.temp(float32, (steps * sequences, directions * width))
    columns = directions * width
    inner = pack(low, Matrix(w, size, columns, 1, size))
    gemm(low, x, inner, wide, (steps * sequences, columns, size))
    stack = Matrix(r, hidden, hidden, 1, hidden, directions * gates, hidden * hidden)
    scratch = low.temp(float32, (sequences * hidden * (gates + 3),))
    outputs = [*node.outputs, "", "", ""][:3]
    row, block = columns, directions * hidden
    x_steps = (row, steps * row) if by_sequence else (sequences * row, row)
    y_steps = (
        (block, steps * block, hidden)
        if by_sequence
        else (sequences * block, hidden, sequences * hidden)
    )
    s_steps = (block, hidden) if by_sequence else (hidden, sequences * hidden)
    option = low.attrs.get("linear_before_reset", 0) or low.attrs.get("input_forget", 0)
    low.emit(
        f"{node.op.lower()}_f32",
        (wide, pack(low, stack), b, lengths, h, c, p),
        (*outputs, scratch),
        steps,
        sequences,
        hidden,
        directions,
        int(low.attrs["direction"] == "reverse"),
        *x_steps,
        *y_steps,
        *s_steps,
        option,
        float(low.attrs["clip"]) or math.inf,
        *(word for function in functions for word in function.params),
    )
    return True
