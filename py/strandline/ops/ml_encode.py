"""Encoders between strings, numbers and categories, and the maps of ZipMap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline._lazy import np
from strandline.onnx.graph import Constant
from strandline.onnx.types import DType, TensorType, float32, int64, string
from strandline.ops.ml_scores import ML, class_labels
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, need, strings

_KINDS: tuple[tuple[str, DType], ...] = (
    ("strings", string),
    ("int64s", int64),
    ("floats", float32),
)


def label_values(attrs: Attrs, side: str) -> tuple[DType, Sequence[Any]]:
    """The element type and the elements of a LabelEncoder's `keys_*` or `values_*`, whichever is
    given.

    Raises ValueError when none is.
    """
    tensor: Constant | None = attrs.get(f"{side}_tensor")
    if tensor is not None:
        return tensor.dtype, tensor.flat()
    for suffix, dtype in _KINDS:
        held = attrs.get(f"{side}_{suffix}")
        if held is not None and len(held):
            return dtype, strings(held) if dtype is string else list(held)
    raise ValueError(f"LabelEncoder has no {side}")


def label_default(attrs: Attrs, dtype: DType) -> Any:
    """What a key that is not in the table becomes."""
    tensor: Constant | None = attrs.get("default_tensor")
    if tensor is not None:
        return tensor.flat()[0]
    if dtype is string:
        return strings([attrs["default_string"]])[0]
    return attrs["default_int64"] if dtype.is_integer else attrs["default_float"]


def _look_up(x: Array, keys: Sequence[Any], values: Array, default: Any) -> Array:
    """`values` at the first place of each element in `keys`; NaN finds NaN."""
    where: dict[Any, int] = {}
    for place, key in enumerate(keys):
        where.setdefault("nan" if key != key else key, place)
    missing = len(keys)
    # One look-up per distinct element, or per element for strings.
    if x.dtype == object:
        index = np.asarray([where.get(v, missing) for v in x.flat], np.int64)
    else:
        distinct, inverse = np.unique(x, return_inverse=True)
        found = [where.get("nan" if v != v else v, missing) for v in distinct.tolist()]
        index = np.asarray(found, np.int64)[inverse.reshape(-1)]
    table = np.empty(missing + 1, values.dtype)
    table[:missing], table[missing] = values, default
    return table[index].reshape(x.shape)


def _label_encoder(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(label_values(attrs, "values")[0], need(inputs, 0).shape)]


@op("LabelEncoder", domain=ML, since=2, shape=_label_encoder)
def label_encoder(
    x: Array,
    *,
    keys_strings: Any = None,
    keys_int64s: Any = None,
    keys_floats: Any = None,
    keys_tensor: Constant | None = None,
    values_strings: Any = None,
    values_int64s: Any = None,
    values_floats: Any = None,
    values_tensor: Constant | None = None,
    default_string: str = "_Unused",
    default_int64: int = -1,
    default_float: float = -0.0,
    default_tensor: Constant | None = None,
) -> Array:
    """Each key becomes the value at its place, anything else the default."""
    attrs = locals()
    dtype, values = label_values(attrs, "values")
    keys = label_values(attrs, "keys")[1]
    return _look_up(x, keys, np.asarray(values, dtype.numpy), label_default(attrs, dtype))


def _to_the_other_kind(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(int64 if x.dtype is string else string, x.shape)]


@op("LabelEncoder", domain=ML, since=1, shape=_to_the_other_kind)
def label_encoder_1(
    x: Array, *, classes_strings: Any, default_int64: int = -1, default_string: str = "_Unused"
) -> Array:
    """Between a class's name and its place in the list, whichever way the input asks for."""
    names = strings(classes_strings)
    places = list(range(len(names)))
    if x.dtype == object:
        return _look_up(x, names, np.asarray(places, np.int64), default_int64)
    return _look_up(x, places, np.asarray(names, object), default_string)


@op("CategoryMapper", domain=ML, shape=_to_the_other_kind)
def category_mapper(
    x: Array,
    *,
    cats_int64s: Any,
    cats_strings: Any,
    default_int64: int = -1,
    default_string: str = "_Unused",
) -> Array:
    names, numbers = strings(cats_strings), [int(v) for v in cats_int64s]
    if x.dtype == object:
        return _look_up(x, names, np.asarray(numbers, np.int64), default_int64)
    return _look_up(x, numbers, np.asarray(names, object), default_string)


def one_hot_size(attrs: Attrs) -> int:
    """Number of categories of an ai.onnx.ml OneHotEncoder."""
    return len(attrs["cats_strings"] if attrs["cats_strings"] is not None else attrs["cats_int64s"])


def _one_hot_encoder(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(float32, (*need(inputs, 0).shape, one_hot_size(attrs)))]


@op("OneHotEncoder", domain=ML, shape=_one_hot_encoder)
def one_hot_encoder(
    x: Array, *, cats_int64s: Any = None, cats_strings: Any = None, zeros: int = 1
) -> Array:
    """A new last axis with a one at the element's category; an unknown one gives zeros, or without
    `zeros` raises ValueError."""
    keys = strings(cats_strings) if cats_strings is not None else [int(v) for v in cats_int64s]
    data = x if x.dtype == object else x.astype(np.int64)
    places = _look_up(data, keys, np.arange(len(keys)), -1)
    if not zeros and (places < 0).any():
        unknown = data[places < 0].ravel()[0]
        raise ValueError(f"OneHotEncoder: {unknown!r} is none of its categories")
    return (places[..., None] == np.arange(len(keys))).astype(np.float32)


@op("ZipMap", domain=ML)
def zip_map(
    x: Array, *, classlabels_int64s: Any = None, classlabels_strings: Any = None
) -> list[dict[Any, float]]:
    """One map per row: label -> score."""
    labels = class_labels(classlabels_strings, classlabels_int64s).tolist()
    return [dict(zip(labels, row, strict=True)) for row in np.atleast_2d(x).tolist()]


@op("DictVectorizer", domain=ML)
def dict_vectorizer(
    x: dict[Any, Any], *, string_vocabulary: Any = None, int64_vocabulary: Any = None
) -> Array:
    """The map's values in the vocabulary's order, absent keys as zero."""
    keys = class_labels(string_vocabulary, int64_vocabulary).tolist()
    values = [x.get(key) for key in keys]
    if any(isinstance(v, str) for v in values):
        return np.asarray([["" if v is None else v for v in values]], object)
    whole = all(v is None or isinstance(v, int) for v in values)
    dtype = np.int64 if whole else np.float32
    return np.asarray([[0 if v is None else v for v in values]], dtype)


@op("CastMap", domain=ML)
def cast_map(
    x: dict[int, Any], *, cast_to: str = "TO_FLOAT", map_form: str = "DENSE", max_map: int = 1
) -> Array:
    """A map from column numbers to a row: its values in key order, or at their own columns."""
    text = cast_to == "TO_STRING"
    dtype = {"TO_FLOAT": np.float32, "TO_STRING": object, "TO_INT64": np.int64}[cast_to]
    values = {k: str(v) if text else float(v) for k, v in sorted(x.items())}
    if map_form == "DENSE":
        return np.asarray([list(values.values())], dtype)
    empty = "" if text else 0
    return np.asarray([[values.get(k, empty) for k in range(max_map)]], dtype)
