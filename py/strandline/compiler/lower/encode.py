"""Encoders of ai.onnx.ml: keys looked up in sorted constants, strings by their codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline.compiler.lower.convert import as_type
from strandline.compiler.lower.layout import code
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import DType, int32, int64, string
from strandline.ops.ml_encode import label_default, label_values
from strandline.ops.ml_scores import ML
from strandline.ops.rules import ints, strings


def _first_places(keys: Sequence[Any]) -> list[int]:
    """Places of the distinct keys in ascending order, a NaN last; of equal keys the first counts."""
    places: dict[Any, int] = {}
    for place, key in enumerate(keys):
        places.setdefault("nan" if key != key else key, place)
    return sorted(places.values(), key=lambda i: (keys[i] != keys[i], keys[i]))


def _numbers(low: Lowering, dtype: DType, values: Sequence[Any]) -> tuple[DType, list[Any]]:
    """Elements as the core holds them: strings by their codes."""
    if dtype is string:
        return int32, list(low.codes(values))
    return dtype, list(values)


def _look_up(
    low: Lowering,
    node: Node,
    keys: tuple[DType, Sequence[Any]],
    values: tuple[DType, Sequence[Any]],
    default: Any,
) -> bool:
    x = low.type(node.inputs[0])
    if x.dtype is not keys[0] or keys[0].format not in "iqfd" or len(keys[1]) != len(values[1]):
        return False
    key_type, held = _numbers(low, *keys)
    value_type, picked = _numbers(low, values[0], [*values[1], default])
    order = _first_places(held)
    low.emit(
        "look_up",
        (
            node.inputs[0],
            low.constant(key_type, (len(order),), [held[i] for i in order]),
            low.constant(value_type, (len(order) + 1,), [*(picked[i] for i in order), picked[-1]]),
        ),
        node.outputs,
        *(code(key_type), len(order), x.size, value_type.itemsize),
    )
    return True


@lower("LabelEncoder", domain=ML)
def label_encoder(node: Node, low: Lowering) -> bool:
    if low.opset < 2:
        names = strings(low.attrs["classes_strings"])
        return _both_ways(node, low, names, range(len(names)))
    dtype, values = label_values(low.attrs, "values")
    default = label_default(low.attrs, dtype)
    return _look_up(low, node, label_values(low.attrs, "keys"), (dtype, values), default)


@lower("CategoryMapper", domain=ML)
def category_mapper(node: Node, low: Lowering) -> bool:
    names, numbers = strings(low.attrs["cats_strings"]), ints(low.attrs["cats_int64s"])
    return _both_ways(node, low, names, numbers)


def _both_ways(node: Node, low: Lowering, names: Sequence[str], numbers: Sequence[int]) -> bool:
    """Names to numbers or numbers to names, whichever way the input asks for."""
    pair = ((string, names), (int64, list(numbers)))
    if low.type(node.inputs[0]).dtype is string:
        return _look_up(low, node, *pair, low.attrs["default_int64"])
    default = strings([low.attrs["default_string"]])[0]
    return _look_up(low, node, pair[1], pair[0], default)


@lower("OneHotEncoder", domain=ML)
def one_hot_encoder(node: Node, low: Lowering) -> bool:
    """A column per category; numbers are compared as whole ones."""
    names, numbers = low.attrs["cats_strings"], low.attrs["cats_int64s"]
    text = low.type(node.inputs[0]).dtype is string
    if text != (names is not None):
        return False
    keys = low.codes(strings(names)) if text else list(ints(numbers))
    order = _first_places(keys)
    if len(order) < len(keys):
        return False
    dtype = int32 if text else int64
    x = node.inputs[0] if text else as_type(low, node.inputs[0], int64)
    low.emit(
        "one_hot_keys_f32",
        (
            x,
            low.constant(dtype, (len(keys),), [keys[i] for i in order]),
            low.constant(int32, (len(keys),), order),
        ),
        node.outputs,
        *(code(dtype), len(keys), low.type(x).size, int(not low.attrs["zeros"])),
    )
    return True
