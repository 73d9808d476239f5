"""Graph -> `.onnx` bytes, in standard operators only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strandline.bundle.errors import PackError
from strandline.onnx.graph import Constant, Graph, Node


def write(graph: Graph, model: Any, extra: Sequence[str] = ()) -> bytes:
    """The file of `graph`, which was read from the ModelProto `model` and changed since.

    Inputs and outputs are declared as there; `extra` values become further float32 outputs. Functions
    are inlined, intermediate values are not declared.
    """
    import onnx
    from onnx import TensorProto, helper

    body = _body(graph, graph.name or model.graph.name or "graph")
    inputs = {info.name: info for info in model.graph.input}
    outputs = {info.name: info for info in model.graph.output}
    body.input.extend(inputs[info.name] for info in graph.inputs)
    body.output.extend(outputs[info.name] for info in graph.outputs)
    body.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in extra
        if name not in outputs
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in graph.opsets.items()]
    result = helper.make_model(
        body,
        opset_imports=opsets,
        ir_version=max(model.ir_version, helper.find_min_ir_version_for(opsets, True)),
        producer_name="strandline",
        model_version=model.model_version,
        doc_string=model.doc_string,
        domain=model.domain,
    )
    helper.set_model_props(result, dict(graph.metadata))
    del onnx
    return bytes(result.SerializeToString(deterministic=True))


def _body(graph: Graph, name: str) -> Any:
    from onnx import helper

    nodes = [_node(node) for node in graph.nodes]
    tensors = [tensor(name, constant) for name, constant in graph.constants.items()]
    return helper.make_graph(nodes, name, [], [], tensors)


def _node(node: Node) -> Any:
    from onnx import helper

    if node.domain == "strandline":
        raise PackError(f"{node} has no standard form")
    made = helper.make_node(
        node.op, node.inputs, node.outputs, name=node.name or None, domain=node.domain or None
    )
    for key, value in node.attrs.items():
        if value is not None:
            made.attribute.append(_attribute(key, value))
    return made


_LISTS: Mapping[str, str] = {"f": "FLOATS", "q": "INTS"}


def _attribute(key: str, value: Any) -> Any:
    from onnx import AttributeProto, helper

    if isinstance(value, Constant):
        return helper.make_attribute(key, tensor("", value))
    if isinstance(value, Graph):
        return helper.make_attribute(key, _subgraph(value))
    if isinstance(value, memoryview):
        kind = AttributeProto.AttributeType.Value(_LISTS[value.format])
        return helper.make_attribute(key, value.tolist(), attr_type=kind)
    if isinstance(value, list | tuple) and value and isinstance(value[0], Constant | Graph):
        items = [tensor("", v) if isinstance(v, Constant) else _subgraph(v) for v in value]
        return helper.make_attribute(key, items)
    if isinstance(value, int | float | str | bytes | list | tuple):
        return helper.make_attribute(key, value)
    raise PackError(f"attribute {key!r} is of a kind that cannot be written")


def _subgraph(graph: Graph) -> Any:
    """A body: its inputs and outputs are declared as far as they were."""
    from onnx import TensorProto, helper

    body = _body(graph, graph.name or "body")
    for infos, held in ((graph.inputs, body.input), (graph.outputs, body.output)):
        for info in infos:
            if info.kind != "tensor":
                raise PackError(f"{info.name!r}, a {info.kind} in a subgraph, cannot be written")
            code = info.dtype.code if info.dtype else TensorProto.UNDEFINED
            held.append(helper.make_tensor_value_info(info.name, code, info.shape))
    return body


def tensor(name: str, constant: Constant) -> Any:
    """A constant as a TensorProto."""
    from onnx import TensorProto

    made = TensorProto(name=name, data_type=constant.dtype.code, dims=constant.shape)
    if constant.dtype.name == "string":
        made.string_data.extend(text.encode() for text in constant.strings)
        return made
    raw = bytes(constant.data)
    if constant.dtype.per_byte == 2:
        low, high = raw[::2], raw[1::2] + b"\0" * (len(raw) % 2)
        raw = bytes(a & 15 | (b & 15) << 4 for a, b in zip(low, high, strict=True))
    elif constant.dtype.per_byte > 2:
        raise PackError(f"{name!r} is {constant.dtype}, which cannot be written")
    made.raw_data = raw
    return made
