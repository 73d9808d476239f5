"""Functions of two elements with broadcasting: arithmetic, comparison, logic, and Where."""

from __future__ import annotations

from collections.abc import Sequence

from strandline.compiler.lower.convert import as_type
from strandline.compiler.lower.layout import MAX_RANK, broadcast, code, contiguous, merge, walk
from strandline.compiler.lower.registry import Lowering, lower
from strandline.compiler.lower.unary import apply
from strandline.onnx.graph import Node

_ARITHMETIC = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "PRelu": "prelu"}
_COMPARE = {
    "Equal": ("equal", False),
    "Less": ("less", False),
    "LessOrEqual": ("less_equal", False),
    "Greater": ("less", True),
    "GreaterOrEqual": ("less_equal", True),
}
_LOGIC = {
    "And": "and",
    "Or": "or",
    "Xor": "xor",
    "BitwiseAnd": "and",
    "BitwiseOr": "or",
    "BitwiseXor": "xor",
}
_VARIADIC = {"Sum": "add", "Max": "max", "Min": "min", "Mean": "add"}


def pair(low: Lowering, op: str, a: str, b: str, target: str) -> bool:
    """Emit `op` over two operands that broadcast to `target`'s shape; False when they have too many axes."""
    dims, sa, sb = walk(low.type(target).shape, low.type(a).shape, low.type(b).shape)
    if len(dims) > MAX_RANK:
        return False
    low.emit(op, (a, b), (target,), code(low.type(a).dtype), len(dims), *dims, *sa, *sb)
    return True


def _fits(low: Lowering, names: Sequence[str], target: str) -> bool:
    shape = low.type(target).shape
    return (
        len(shape) <= MAX_RANK
        or len(walk(shape, *(low.type(n).shape for n in names))[0]) <= MAX_RANK
    )


def _old_axis(node: Node, low: Lowering) -> bool:
    """Whether opset-6 broadcasting aligns the second operand elsewhere than at the last axes."""
    return low.attrs.get("axis") is not None or (node.op == "PRelu" and low.opset < 7)


@lower(*_ARITHMETIC)
def arithmetic(node: Node, low: Lowering) -> bool:
    dtype = low.type(node.inputs[0]).dtype
    if not (dtype.is_float or dtype.is_integer) or _old_axis(node, low):
        return False
    if not _fits(low, node.inputs, node.outputs[0]):
        return False
    a, b = node.inputs
    return pair(low, _ARITHMETIC[node.op], a, b, node.outputs[0])


@lower("Mod")
def mod(node: Node, low: Lowering) -> bool:
    dtype = low.type(node.inputs[0]).dtype
    if not (dtype.is_float or dtype.is_integer) or not _fits(low, node.inputs, node.outputs[0]):
        return False
    a, b = node.inputs
    return pair(low, "fmod" if low.attrs["fmod"] else "mod", a, b, node.outputs[0])


@lower("Pow")
def power(node: Node, low: Lowering) -> bool:
    """Squares and roots by themselves."""
    if not low.type(node.inputs[0]).dtype.is_float or _old_axis(node, low):
        return False
    constant = low.value(node.inputs[1])
    same_shape = low.type(node.inputs[0]).shape == low.type(node.outputs[0]).shape
    simple = None
    if constant is not None and constant.type.size == 1 and same_shape:
        simple = {2: "mul", 0.5: "sqrt", -1: "reciprocal"}.get(constant.flat()[0])
    if simple is None and not _fits(low, node.inputs, node.outputs[0]):
        return False
    x, y = node.inputs[0], node.outputs[0]
    if simple == "mul":
        pair(low, "mul", x, x, y)
    elif simple is not None:
        apply(low, simple, x, y)
    else:
        pair(low, "pow", x, as_type(low, node.inputs[1], low.type(x).dtype), y)
    return True


@lower(*_COMPARE)
def compare(node: Node, low: Lowering) -> bool:
    if _old_axis(node, low) or not _fits(low, node.inputs, node.outputs[0]):
        return False
    op, swapped = _COMPARE[node.op]
    a, b = node.inputs
    return pair(low, op, *((b, a) if swapped else (a, b)), node.outputs[0])


@lower(*_LOGIC)
def logic(node: Node, low: Lowering) -> bool:
    if _old_axis(node, low):
        return False
    return pair(low, _LOGIC[node.op], node.inputs[0], node.inputs[1], node.outputs[0])


@lower("BitShift")
def shift(node: Node, low: Lowering) -> bool:
    if low.type(node.inputs[0]).dtype.format in "bhiq":
        return False  # the sign is kept, and shifts may be negative or wider than the type
    op = "shift_left" if low.attrs["direction"] == "LEFT" else "shift_right"
    return pair(low, op, node.inputs[0], node.inputs[1], node.outputs[0])


@lower(*_VARIADIC)
def variadic(node: Node, low: Lowering) -> bool:
    """One after another, from the left."""
    target = node.outputs[0]
    dtype = low.type(target).dtype
    if not (dtype.is_float or (dtype.is_integer and node.op != "Mean")):
        return False
    if not _fits(low, node.inputs, target):
        return False
    names, op = node.inputs, _VARIADIC[node.op]
    if len(names) == 1:
        expand(low, names[0], target)
    else:
        pair(low, op, names[0], names[1], target)
        for name in names[2:]:
            pair(low, op, target, name, target)
    if node.op == "Mean":
        count = low.constant(dtype, (), [float(len(names))])
        pair(low, "div", target, count, target)
    return True


def expand(low: Lowering, source: str, target: str) -> None:
    """Copy `source` broadcast to the shape of `target`."""
    type_ = low.type(target)
    dims, from_, to = merge(
        type_.shape, broadcast(low.type(source).shape, type_.shape), contiguous(type_.shape)
    )
    size = type_.dtype.itemsize
    low.emit("copy_nd", (source,), (target,), size, len(dims), *dims, *from_, 0, *to, 0)


@lower("Where")
def where(node: Node, low: Lowering) -> bool:
    target = low.type(node.outputs[0])
    dims, *merged = walk(target.shape, *(low.type(n).shape for n in node.inputs))
    if len(dims) > MAX_RANK:
        return False
    flat = [step for steps in merged for step in steps]
    size = target.dtype.itemsize
    low.emit("where", node.inputs, node.outputs, size, len(dims), *dims, *flat)
    return True
