"""What a model is asked before it is packed: is it sound, is every operator there, what are its classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from strandline import onnx as reader
from strandline.bundle.errors import PackError
from strandline.bundle.manifest import FEED_DTYPES
from strandline.onnx.graph import Constant, Graph, Node
from strandline.ops import registry

Classes = tuple[Any, ...]

_CARRIERS = ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "ZipMap")
"""Operators that hand a label on unchanged, on the way back from an output to what made it."""


def read_model(path: Path) -> tuple[bytes, Graph]:
    """The model's bytes and graph. Raises PackError when it is no sound ONNX model or needs what Strandline lacks."""
    if not path.is_file():
        raise PackError(f"there is no model file {path}")
    data = path.read_bytes()
    try:
        graph = reader.read(data)
    except ValueError as error:
        raise PackError(f"{path} is no ONNX model that can be read: {_line(error)}") from error
    _onnx_checker(path, data)
    _supported(path, graph)
    return data, graph


def check_inputs(path: Path, graph: Graph, *, any_rank: bool) -> None:
    """Refuse inputs that rows can't feed: other element types, more than two dimensions, a fixed number of rows."""
    for value in graph.inputs:
        if value.kind != "tensor" or value.dtype is None:
            raise PackError(
                f"{path}: input {value.name!r} is a {value.kind}; only tensors can be fed from rows"
            )
        if any_rank:
            continue
        if str(value.dtype) not in FEED_DTYPES:
            raise PackError(
                f"{path}: input {value.name!r} is {value.dtype}; columns can be fed as {', '.join(FEED_DTYPES)}: "
                f"cast inside the model, or make the feed in a --preprocess module's before()"
            )
        shape = value.shape
        if shape is not None and not 1 <= len(shape) <= 2:
            raise PackError(
                f"{path}: input {value.name!r} has {len(shape)} dimensions; rows make [rows, columns]: "
                f"make the feed in a --preprocess module's before()"
            )
        if shape is not None and isinstance(shape[0], int) and shape[0] > 1:
            raise PackError(
                f"{path}: input {value.name!r} takes exactly {shape[0]} rows at a time: "
                f"export the model with a dynamic first dimension"
            )


def classes_of(graph: Graph) -> dict[str, Classes]:
    """The classes behind each graph output that is a label or a ZipMap, by output name, where the graph tells them."""
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    found: dict[str, Classes] = {}
    for value in graph.outputs:
        name = value.name
        while (node := makers.get(name)) is not None:
            classes = _own_classes(node, graph)
            if classes:
                found[value.name] = classes
                break
            if node.op not in _CARRIERS:
                break
            name = node.inputs[0]
    return found


def _own_classes(node: Node, graph: Graph) -> Classes:
    for attribute in ("classlabels_int64s", "classlabels_strings", "classlabels_ints"):
        if attribute in node.attrs:
            values = list(node.attrs[attribute])
            if values:
                return tuple(v.decode() if isinstance(v, bytes) else v for v in values)
    if node.op in ("ArrayFeatureExtractor", "Gather"):
        constant = graph.constants.get(node.inputs[0])
        if isinstance(constant, Constant) and constant.type.size <= 1000:
            return tuple(constant.flat())
    return ()


def nodes_of(graph: Graph) -> Iterator[tuple[Node, Graph]]:
    """All nodes, those of subgraphs as well, each with the graph that holds it."""
    for node in graph.nodes:
        yield node, graph
        for value in node.attrs.values():
            for inner in value if isinstance(value, list | tuple) else (value,):
                if isinstance(inner, Graph):
                    yield from nodes_of(inner)


def _supported(path: Path, graph: Graph) -> None:
    unsupported: list[str] = []
    for node, holder in nodes_of(graph):
        try:
            registry.find(node, holder.opsets or graph.opsets)
        except registry.UnsupportedOperator:
            name = f"{node.domain}.{node.op}" if node.domain else node.op
            if name not in unsupported:
                unsupported.append(name)
    if unsupported:
        raise PackError(
            f"{path} uses {_count(unsupported, 'operator')} that strandline does not run: {', '.join(unsupported)}: "
            f"export the model without, or add {'it' if len(unsupported) == 1 else 'them'} (CONTRIBUTING.md)"
        )


def _onnx_checker(path: Path, data: bytes) -> None:
    try:
        import onnx
    except ImportError:
        raise PackError(
            "packing checks models with the onnx package: pip install 'strandline[pack]'"
        ) from None
    try:
        onnx.checker.check_model(data)
    except Exception as error:
        raise PackError(f"{path}: onnx.checker refuses the model: {_line(error)}") from error


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def _count(items: Sequence[str], word: str) -> str:
    return f"{len(items)} {word}{'' if len(items) == 1 else 's'}"
