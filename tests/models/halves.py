"""float32 models as converters write them in float16."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LARGEST = 65504
_STAY = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that are float32 whatever the others are."""


def to_half(model: bytes, *, keep_io_types: bool = False) -> bytes:
    """All of it in float16: weights clipped to its range, values, and inputs and outputs too unless
    their types are kept, by a Cast behind each and before each."""
    proto = onnx.load_from_string(model)
    graph = proto.graph
    _convert(graph)
    renamed: dict[str, str] = {}
    before, after = [], []
    for infos, casts in ((graph.input, before), (graph.output, after)):
        for info in infos:
            if info.type.tensor_type.elem_type != TensorProto.FLOAT:
                continue
            if not keep_io_types:
                info.type.tensor_type.elem_type = TensorProto.FLOAT16
                continue
            name = renamed[info.name] = f"{info.name}_half"
            ends = (info.name, name) if casts is before else (name, info.name)
            to = TensorProto.FLOAT16 if casts is before else TensorProto.FLOAT
            casts.append(helper.make_node("Cast", ends[:1], ends[1:], to=to))
    for node in _nodes(graph):
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    return bytes(proto.SerializeToString())


def halved(feeds: Any) -> dict[str, Any]:
    """Feeds (None: absent) with float16 in place of float32."""
    with np.errstate(over="ignore"):
        return {
            name: value.astype(np.float16) if getattr(value, "dtype", None) == np.float32 else value
            for name, value in feeds.items()
        }


def _nodes(graph: Any) -> Iterable[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(attribute.g)


def _convert(graph: Any) -> None:
    del graph.value_info[:]
    stay = {
        node.input[place]
        for node in graph.node
        for place in _STAY.get(node.op_type, ())
        if place < len(node.input)
    }
    for tensor in graph.initializer:
        if tensor.name not in stay:
            _halve(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "value" and not stay.intersection(node.output):
                _halve(attribute.t)
            elif attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            elif attribute.type == onnx.AttributeProto.GRAPH:
                for info in (*attribute.g.input, *attribute.g.output):
                    if info.type.tensor_type.elem_type == TensorProto.FLOAT:
                        info.type.tensor_type.elem_type = TensorProto.FLOAT16
                _convert(attribute.g)


def _halve(tensor: Any) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        values = np.clip(numpy_helper.to_array(tensor), -LARGEST, LARGEST)
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))
