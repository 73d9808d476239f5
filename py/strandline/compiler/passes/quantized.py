"""Products and convolutions between quantized tensors, computed on the integers themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from strandline.compiler import fused
from strandline.compiler.passes.fuse import activation_of
from strandline.compiler.passes.rewrite import Arithmetic, Uses
from strandline.compiler.store import Store, constant_of
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import DType, float32, int8, int32, uint8

_BYTES = (int8, uint8)


def fuse_quantized(graph: Graph, store: Store) -> Graph:
    """DequantizeLinear on both sides of a MatMul, Gemm or Conv -> QuantizedGemm or QuantizedConv.

    It takes along a constant bias, an activation and the QuantizeLinear after them; without that one
    its result is float32. MatMulInteger and ConvInteger whose sums are scaled back to float32, as
    dynamic quantization writes them, become the same. A QuantizeLinear that undoes a
    DequantizeLinear of the same scale and zero point goes.
    """
    work = _Quantizing(graph, store)
    for node in graph.nodes:
        work.visit(node)
    return work.graph()


@dataclass(slots=True)
class _Tensor:
    """A quantized tensor: the integers and how to read them."""

    name: str
    scale: str
    zero: str
    dtype: DType
    axis: int


@dataclass(slots=True)
class _Chain:
    """A product and the nodes after it that it takes along."""

    nodes: list[Node]
    bias: Constant | None = None
    activation: tuple[str, float, float] = ("none", 0.0, 0.0)
    output: _Tensor | None = None


class _Quantizing:
    def __init__(self, graph: Graph, store: Store) -> None:
        self.before = graph
        self.uses = Uses(graph)
        self.constants: dict[str, Constant] = dict(graph.constants)
        self.arithmetic = Arithmetic(graph.opsets, store)
        self.new: dict[int, Node] = {}
        self.gone: set[int] = set()

    def graph(self) -> Graph:
        if not self.new:
            return self.before
        nodes = [
            self.new.get(id(node), node)
            for node in self.before.nodes
            if id(node) in self.new or id(node) not in self.gone
        ]
        return replace(self.before, nodes=tuple(nodes), constants=self.constants)

    def visit(self, node: Node) -> None:
        if node.domain or id(node) in self.gone or not self.uses.count[node.outputs[0]]:
            return
        if node.op == "QuantizeLinear":
            self.cancel(node)
        elif node.op in ("MatMulInteger", "ConvInteger"):
            self.dynamic(node)
        elif node.op in ("MatMul", "Gemm", "Conv"):
            self.static(node)

    def put(self, chain: _Chain, op: str, inputs: Sequence[str], attrs: Mapping[str, Any]) -> None:
        last = chain.nodes[-1]
        name, a, b = chain.activation
        given = {**attrs, "activation": name, "a": a, "b": b}
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        self.new[id(last)] = Node(op, tuple(inputs), last.outputs, given, fused.DOMAIN, last.name)
        self.gone.update(map(id, chain.nodes))

    # --- static: QDQ ------------------------------------------------------------------

    def static(self, node: Node) -> None:
        a, b = (self.quantized(name) for name in node.inputs[:2])
        weights = self.constants.get(b.name) if b else None
        if a is None or b is None or weights is None or not self.one(a):
            return
        channel = self.channel_axis(node, weights)
        if channel is None or not self.per_channel(b, weights, channel):
            return
        chain = self.follow(node, weights.shape[channel], quantize=True)
        if chain is None or (self.is_depthwise(node, weights) and not chain.output):
            return
        scale = self.scale_of_sums(a, b)
        bias = ""
        if chain.bias is not None:
            constant = self.in_steps(chain.bias, scale) if chain.output else chain.bias
            if constant is None:
                return
            bias = f"{chain.nodes[-1].outputs[0]}/bias"
            self.constants[bias] = constant
        y = chain.output
        inputs = (a.name, a.scale, a.zero, b.name, b.scale, b.zero, bias,
                  y.scale if y else "", y.zero if y else "")  # fmt: skip
        if node.op == "Conv":
            self.put(chain, "QuantizedConv", inputs, node.attrs)
        else:
            self.put(chain, "QuantizedGemm", inputs, {"transB": node.attrs.get("transB", 0)})

    def quantized(self, name: str) -> _Tensor | None:
        """The integers behind a DequantizeLinear of constant scale to float32."""
        node = self.uses.maker.get(name)
        if node is None or node.domain or node.op != "DequantizeLinear":
            return None
        return self.parameters(node, node.inputs[0])

    def parameters(self, node: Node, name: str) -> _Tensor | None:
        scale = self.constants.get(node.inputs[1])
        zero = node.inputs[2] if len(node.inputs) > 2 else ""
        held = self.constants.get(zero)
        source = self.constants.get(name)
        dtype = held.dtype if held else source.dtype if source else None
        if scale is None or scale.dtype is not float32 or node.attrs.get("block_size", 0):
            return None
        if dtype is None or (zero and held is None) or dtype not in (*_BYTES, int32):
            return None
        return _Tensor(name, node.inputs[1], zero, dtype, node.attrs.get("axis", 1))

    def one(self, tensor: _Tensor) -> bool:
        """Whether it is of bytes with one scale for all."""
        return tensor.dtype in _BYTES and self.constants[tensor.scale].type.size == 1

    def channel_axis(self, node: Node, weights: Constant) -> int | None:
        """The axis of the weights that becomes the output's channels; None: not served."""
        if node.op == "Conv":
            return 0 if len(weights.shape) in (3, 4) else None
        if len(weights.shape) != 2:
            return None
        if node.op == "MatMul":
            return 1
        plain = node.attrs.get("alpha", 1.0) == 1.0 and node.attrs.get("beta", 1.0) == 1.0
        if not plain or node.attrs.get("transA", 0):
            return None
        return 0 if node.attrs.get("transB", 0) else 1

    def is_depthwise(self, node: Node, weights: Constant) -> bool:
        return node.op == "Conv" and node.attrs.get("group", 1) > 1 and weights.shape[1] == 1

    def per_channel(self, b: _Tensor, weights: Constant, channel: int) -> bool:
        """Whether the weights have one scale, or one for each index of `channel`, and no other zero
        points."""
        if b.dtype not in _BYTES or weights.dtype is not b.dtype:
            return False
        size = self.constants[b.scale].type.size
        if size == 1:
            return True
        axis = b.axis % len(weights.shape)
        return axis == channel and size == weights.shape[channel]

    def scale_of_sums(self, a: _Tensor, b: _Tensor) -> Constant | None:
        product = self.arithmetic("Mul", self.constants[a.scale], self.constants[b.scale])
        return self.arithmetic.reshape(product, (-1,))

    def in_steps(self, bias: Constant, scale: Constant | None) -> Constant | None:
        """A float bias as int32 in steps of the sums' scale; None where it does not fit."""
        if scale is None:
            return None
        steps = self.arithmetic("Round", self.arithmetic("Div", bias, scale))
        values = list(steps.flat()) if steps else [float("inf")]
        if not all(abs(v) < 2**30 for v in values):
            return None
        return constant_of(int32, (len(values),), [int(v) for v in values])

    # --- dynamic ----------------------------------------------------------------------

    def dynamic(self, node: Node) -> None:
        """Cast of the sums, times the scale of A (made by running) and that of B (constant)."""
        weights = self.constants.get(node.inputs[1])
        a, b, a_zero, b_zero = (*node.inputs, "", "")[:4]
        if weights is None or (b_zero and b_zero not in self.constants):
            return
        if node.op == "MatMulInteger" and len(weights.shape) != 2:
            return
        cast = self.next(node)
        if cast is None or cast.op != "Cast" or cast.attrs.get("to") != 1:
            return
        times = self.next(cast)
        if times is None or times.op != "Mul":
            return
        other = times.inputs[1 if times.inputs[0] == cast.outputs[0] else 0]
        product = self.uses.maker.get(other)
        if product is None or product.domain or product.op != "Mul":
            return
        scales = [(x, y) for x, y in (product.inputs, product.inputs[::-1]) if y in self.constants]
        channels = weights.shape[1 if node.op == "MatMulInteger" else 0]
        if not scales or not self.is_dynamic_scale(scales[0][0]):
            return
        a_scale, b_scale = scales[0]
        held = self.constants[b_scale]
        if held.dtype is not float32 or held.type.size not in (1, channels):
            return
        if held.type.size > 1 and node.op == "ConvInteger":
            return  # it broadcasts over columns of the image
        chain = self.follow(times, channels, quantize=False, like=node.op)
        if chain is None:
            return
        bias = ""
        if chain.bias is not None:
            bias = f"{chain.nodes[-1].outputs[0]}/bias"
            self.constants[bias] = chain.bias
        chain.nodes[:0] = [node, cast]
        op = "QuantizedGemm" if node.op == "MatMulInteger" else "QuantizedConv"
        inputs = (a, a_scale, a_zero, b, b_scale, b_zero, bias)
        self.put(chain, op, inputs, node.attrs)

    def is_dynamic_scale(self, name: str) -> bool:
        node = self.uses.maker.get(name)
        return bool(
            node is not None
            and node.op == "DynamicQuantizeLinear"
            and not node.domain
            and name == node.outputs[1]
        )

    # --- what both share --------------------------------------------------------------

    def follow(
        self, node: Node, channels: int, *, quantize: bool, like: str | None = None
    ) -> _Chain | None:
        """The chain that begins at `node`; None when its own bias is not constant."""
        chain = _Chain([node])
        op = like or node.op
        if node.op in ("Gemm", "Conv") and len(node.inputs) > 2 and node.inputs[2]:
            chain.bias = self.bias(node.inputs[2], channels, op)
            if chain.bias is None:
                return None
        user = self.next(node)
        if user is not None and user.op == "Add" and chain.bias is None:
            other = user.inputs[1 if user.inputs[0] == node.outputs[0] else 0]
            chain.bias = self.bias(other, channels, op)
            if chain.bias is not None:
                chain.nodes.append(user)
                user = self.next(user)
        found = activation_of(user, self.constants, self.before.opsets) if user else None
        if user is not None and found is not None:
            after = self.next(user)
            is_end = after is not None and after.op == "QuantizeLinear" and quantize
            if found[0] in ("relu", "clip") or not is_end:
                chain.activation = found
                chain.nodes.append(user)
                user = after
        if quantize and user is not None and user.op == "QuantizeLinear":
            y = self.parameters(user, user.inputs[0])
            if y is not None and y.zero and self.one(y):
                chain.output = y
                chain.nodes.append(user)
        return chain

    def bias(self, name: str, channels: int, op: str) -> Constant | None:
        """A constant float32 bias as [channels]; one of integers is dequantized."""
        constant = self.constants.get(name)
        made = self.quantized(name) if constant is None else None
        if made is not None and made.name in self.constants:
            operands = [self.constants[n] for n in (made.name, made.scale, made.zero) if n]
            constant = self.arithmetic("DequantizeLinear", *operands, axis=made.axis)
        if constant is None or constant.dtype is not float32:
            return None
        shape = constant.shape
        along = op in ("Conv", "ConvInteger") and len(shape) > 1
        places = shape[1:2] if along else shape[-1:]
        if constant.type.size != channels or places != (channels,):
            return None
        return self.arithmetic.reshape(constant, (channels,))

    def next(self, node: Node) -> Node | None:
        """The node that alone uses the result; None when others do, or it is no standard operator."""
        users = self.uses.users.get(node.outputs[0], ())
        alone = self.uses.count[node.outputs[0]] == 1 and len(users) == 1
        return users[0] if alone and not users[0].domain else None

    def cancel(self, node: Node) -> None:
        """QuantizeLinear after a DequantizeLinear of the same parameters."""
        before = self.uses.maker.get(node.inputs[0])
        if before is None or before.domain or before.op != "DequantizeLinear":
            return
        x, y = self.parameters(before, before.inputs[0]), self.parameters(node, node.inputs[0])
        same = x is not None and y is not None and x.dtype is y.dtype and x.dtype in _BYTES
        if not same or before.inputs[1:] != node.inputs[1:] or len(node.inputs) < 3:
            return
        if node.attrs.get("axis", 1) != before.attrs.get("axis", 1):
            return
        self.new[id(node)] = Node("Identity", before.inputs[:1], node.outputs, {}, "", node.name)
