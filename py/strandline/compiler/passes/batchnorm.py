"""BatchNormalization folded into the weights before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from strandline.compiler.passes.rewrite import Arithmetic, Uses, scalar
from strandline.compiler.store import Store
from strandline.onnx.graph import Constant, Graph, Node


def fold_batchnorm(graph: Graph, store: Store) -> Graph:
    """Rewrite Conv (or Gemm) followed by BatchNormalization as one Conv (Gemm) with other weights.

    Only where the first's result has no other use and all parameters are constant:
    y = (x - mean) / sqrt(var + epsilon) * scale + B, per output channel.
    """
    if graph.opsets.get("", 1) < 9:  # before, BatchNormalization had a training mode of its own
        return graph
    uses = Uses(graph)
    constants: dict[str, Constant] = dict(graph.constants)
    arithmetic = Arithmetic(graph.opsets, store)
    replaced: dict[int, Node | None] = {}
    for node in graph.nodes:
        if node.op != "BatchNormalization" or node.domain or node.attrs.get("training_mode", 0):
            continue
        first = uses.only(node.inputs[0])
        if first is None or id(first) in replaced or any(node.outputs[1:]):
            continue
        weights = _folded(first, node, constants, arithmetic)
        if weights is not None:
            names = tuple(f"{node.outputs[0]}/{part}" for part in ("weight", "bias"))
            constants.update(zip(names, weights, strict=True))
            attrs = {**first.attrs, "beta": 1.0} if first.op == "Gemm" else first.attrs
            replaced[id(first)] = None
            replaced[id(node)] = replace(
                first, inputs=(first.inputs[0], *names), outputs=node.outputs, attrs=attrs
            )
    if not replaced:
        return graph
    nodes = (replaced.get(id(node), node) for node in graph.nodes)
    return replace(graph, nodes=tuple(node for node in nodes if node), constants=constants)


def _folded(
    first: Node, norm: Node, constants: Mapping[str, Constant], arithmetic: Arithmetic
) -> tuple[Constant, Constant] | None:
    """Weights and bias of the one node, or None when the two do not fold."""
    if first.domain or first.op not in ("Conv", "Gemm"):
        return None
    scale, offset, mean, variance = (constants.get(name) for name in norm.inputs[1:5])
    weight = constants.get(first.inputs[1])
    if weight is None or scale is None or weight.dtype is not scale.dtype:
        return None
    if first.op == "Conv":
        channels, shape = weight.shape[0], (-1, *[1] * (len(weight.shape) - 1))
    elif first.attrs.get("transB", 0):
        channels, shape = weight.shape[0], (-1, 1)
    else:
        channels, shape = weight.shape[-1], (1, -1)
    if scale.shape != (channels,):
        return None
    epsilon = scalar(scale.dtype, norm.attrs.get("epsilon", 1e-5))
    factor = arithmetic("Div", scale, arithmetic("Sqrt", arithmetic("Add", variance, epsilon)))
    shift = arithmetic("Sub", offset, arithmetic("Mul", mean, factor))
    if len(first.inputs) > 2 and first.inputs[2]:
        bias = constants.get(first.inputs[2])
        if bias is None or bias.shape != (channels,) or first.attrs.get("beta", 1.0) != 1.0:
            return None
        shift = arithmetic("Add", shift, arithmetic("Mul", bias, factor))
    scaled = arithmetic("Mul", weight, arithmetic.reshape(factor, shape))
    return None if scaled is None or shift is None else (scaled, shift)
