"""Element types of results, against the operators' schemas."""

from __future__ import annotations

from collections.abc import Iterable

import onnx.defs
import pytest

from strandline.compiler.dtypes import result_dtypes
from strandline.onnx.graph import Node
from strandline.onnx.types import BY_NAME, DType

SCHEMAS = [
    schema
    for schema in onnx.defs.get_all_schemas_with_history()
    if schema.domain == "" and not schema.deprecated and schema.since_version >= 10
    if schema.name not in ("BitCast", "Cast", "Constant")  # which say it in an attribute
]
NAMES = {"tensor(float)": "float32", "tensor(double)": "float64"}


def dtypes_of(spelled: Iterable[str]) -> list[DType]:
    """Those that are tensors."""
    names = (NAMES.get(text, text.removeprefix("tensor(").removesuffix(")")) for text in spelled)
    return [BY_NAME[name] for name in names if name in BY_NAME]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: f"{s.name}-{s.since_version}")
def test_results_are_of_a_type_that_the_schema_allows(schema: onnx.defs.OpSchema) -> None:
    """A result's type is that of the inputs with the same type variable; where the variable is the result's
    alone, one of those that are allowed."""
    allowed = {c.type_param_str: dtypes_of(c.allowed_type_strs) for c in schema.type_constraints}
    chosen: dict[str, DType] = {}
    for variable in (i.type_str for i in schema.inputs):
        if allowed.get(
            variable
        ):  # another one for each, as far as there are; of numbers, if it may be
            free = [d for d in allowed[variable] if d not in chosen.values()] or allowed[variable]
            chosen.setdefault(variable, max(free, key=lambda d: (d.format in "fd", d.itemsize)))
    given = [chosen.get(i.type_str, *[*dtypes_of([i.type_str]), None][:1]) for i in schema.inputs]
    inputs = tuple(f"in{i}" for i in range(len(given)))
    node = Node(schema.name, inputs, tuple(f"out{i}" for i in range(len(schema.outputs))))
    for output, dtype in zip(schema.outputs, result_dtypes(node, given), strict=True):
        if output.type_str in chosen:
            assert dtype is chosen[output.type_str] or dtype is None, output.name
        else:
            known = allowed.get(output.type_str) or dtypes_of([output.type_str])
            assert dtype in known or dtype is None, output.name


@pytest.mark.parametrize(
    ("op", "attrs", "want"),
    [
        ("Cast", {"to": 10}, "float16"),
        ("RandomNormal", {"dtype": 11}, "float64"),
        ("DequantizeLinear", {"output_dtype": 16}, "bfloat16"),
        ("HannWindow", {"output_datatype": 10}, "float16"),
        ("Constant", {"value_ints": memoryview(b"")}, "int64"),
        ("Constant", {"value_float": 1.0}, "float32"),
        ("Cast", {"to": "FLOAT16"}, None),
    ],
)
def test_attributes_that_name_a_type(op: str, attrs: dict[str, object], want: str | None) -> None:
    (dtype,) = result_dtypes(Node(op, ("x",), ("y",), attrs), [BY_NAME["int8"]])
    assert dtype is (BY_NAME[want] if want else None)
