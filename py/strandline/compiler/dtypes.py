"""Element types of a node's outputs from those of its inputs, before any shape is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strandline.compiler.fused import DOMAIN
from strandline.onnx.graph import Constant, Node
from strandline.onnx.types import (
    BY_CODE,
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    int32,
    int64,
    string,
    uint8,
)

_FIXED: Mapping[str, DType] = {
    **dict.fromkeys(
        (
            "And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual",
            "Not", "OptionalHasElement", "Or", "RegexFullMatch", "Xor",
        ),
        bool_,
    ),
    **dict.fromkeys(
        ("ArgMax", "ArgMin", "NonMaxSuppression", "NonZero", "SequenceLength", "Shape", "Size"),
        int64,
    ),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), int32),
    **dict.fromkeys(
        ("BlackmanWindow", "ConstantOfShape", "HammingWindow", "HannWindow", "MelWeightMatrix"),
        float32,
    ),
    **dict.fromkeys(("RandomNormal", "RandomUniform", "TfIdfVectorizer"), float32),
    **dict.fromkeys(("ImageDecoder", "QuantizeLinear", "QLinearConv", "QLinearMatMul"), uint8),
    "Multinomial": int32,
}  # fmt: skip
"""The type of all outputs where nothing else in the node tells."""
_SOURCE = {
    "CastLike": 1, "DequantizeLinear": 1, "OneHot": 2, "QLinearConv": 7, "QLinearMatMul": 7,
    "QuantizeLinear": 2, "RMSNormalization": 1, "Where": 1,
}  # fmt: skip
"""Where the input lies that gives the type of the result, if it is not the first."""
_EACH = {
    "Attention": (0, 1, 2, 0), "BatchNormalization": (0, 3, 3, 3, 3), "LinearAttention": (0, 3),
}  # fmt: skip
"""The same for each of several results."""
_FURTHER = {"Dropout": bool_, "MaxPool": int64, "TopK": int64, "Unique": int64}
"""The type of all outputs but the first, where it is another one."""
_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype", "output_datatype")
_UNTOLD = frozenset(
    {
        "ConcatFromSequence", "If", "Loop", "Optional", "OptionalGetElement", "Scan", "SequenceAt",
        "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceMap",
        "SplitToSequence", "StringSplit",
    }
)  # fmt: skip
"""Operators of bodies and of what is no tensor."""
HALVES = frozenset({float16, bfloat16})
_MOVE = frozenset(
    {
        "CenterCropPad", "Compress", "Concat", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather",
        "GatherElements", "GatherND", "Identity", "Pad", "Reshape", "ReverseSequence", "ScatterElements",
        "ScatterND", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze",
        "Where",
    }
)  # fmt: skip
"""Operators that only move elements (unless they have a `reduction`), of whatever type."""
_BY_TYPE = frozenset(
    {
        "Bernoulli", "BitCast", "BlackmanWindow", "Cast", "CastLike", "ConcatFromSequence", "Constant",
        "ConstantOfShape", "EyeLike", "HammingWindow", "HannWindow", "MelWeightMatrix", "Optional",
        "OptionalGetElement", "OptionalHasElement", "RandomNormal", "RandomNormalLike", "RandomUniform",
        "RandomUniformLike", "SequenceAt", "SequenceConstruct", "SequenceErase", "SequenceInsert",
        "SplitToSequence",
    }
)  # fmt: skip
"""Operators that are about a type, or about what is no tensor."""
_DOMAINS = ("", "ai.onnx", DOMAIN)
_LITERALS = {"value_float": float32, "value_int": int64, "value_string": string}


def result_dtypes(node: Node, given: Sequence[DType | None]) -> Sequence[DType | None]:
    """One for each output, from those of the inputs (None where absent or unknown); None: does not
    follow."""
    count, attrs = len(node.outputs), node.attrs
    if node.domain not in ("", "ai.onnx"):
        return [given[0] if given and node.domain != "ai.onnx.ml" else None] * count
    value = attrs.get("value")
    if isinstance(value, Constant):  # Constant, ConstantOfShape
        return [value.dtype] * count
    if node.op in _UNTOLD:
        return [None] * count
    if node.op == "Constant":
        return [_LITERALS.get(name.removesuffix("s")) for name in attrs][:count]
    if node.op == "DynamicQuantizeLinear":
        return [uint8, float32, uint8][:count]
    for name in _TYPE_ATTRIBUTES:
        if code := attrs.get(name):  # the first opset named types in words
            return [BY_CODE.get(code) if isinstance(code, int) else None] * count
    sources = _EACH.get(node.op, (_SOURCE.get(node.op, 0),) * count)[:count]
    made = [given[source] if len(given) > source else None for source in sources]
    if node.op in _FIXED and not (node.op in _SOURCE and all(made)):
        return [_FIXED[node.op]] * count
    further = _FURTHER.get(node.op)
    if node.op == "LayerNormalization":
        further = BY_CODE.get(attrs.get("stash_type", float32.code))
    return made if further is None else [*made[:1], *[further] * (count - 1)]


def moves(node: Node) -> bool:
    """Whether the operator only moves elements, so that their type does not matter."""
    return node.op in _MOVE and node.attrs.get("reduction", "none") in ("none", b"none")


def computes(node: Node) -> bool:
    """Whether the operator may compute on float32 where the model has half precision."""
    return node.domain in _DOMAINS and node.op not in _BY_TYPE
