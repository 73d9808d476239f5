"""Element types and tensor types: the vocabulary that every later stage shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class DType:
    """One element type; there is one object for each, so that identity is equality.

    `code` is ONNX's `TensorProto.DataType`; `format` is the `struct` character by which the C core and the
    buffer protocol know the type. Strings have no bytes of their own: at the session's door each one is interned
    and the core sees its int32 code (see `docs/architecture.md`).
    """

    name: str
    code: int
    itemsize: int
    format: str

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The NumPy dtype of the same name, `object` for strings. A type that NumPy lacks is its bits in
        a structured type of one field, so that arithmetic on raw bits is impossible by mistake."""
        from strandline._lazy import np as numpy

        if self.is_narrow:
            return numpy.dtype([(self.name, f"<u{self.itemsize}")])
        return numpy.dtype(object if self.name == "string" else self.name)

    @property
    def is_narrow(self) -> bool:
        """Whether NumPy lacks it: bfloat16, and whatever has eight bits or fewer and is no plain byte."""
        return self.code >= 16

    @property
    def is_float(self) -> bool:
        return self.format in "efd" or (self.is_narrow and "float" in self.name)

    @property
    def is_integer(self) -> bool:
        """Of the kinds that compute as integers (uint4 and its like are only converted)."""
        return self.format in "bBhHiIqQ" and self.name != "string" and not self.is_narrow

    @property
    def spelled(self) -> str:
        """As ONNX writes it in types: `float` for float32, `double` for float64."""
        return {"float32": "float", "float64": "double"}.get(self.name, self.name)

    @property
    def per_byte(self) -> int:
        """How many elements share a byte in a file; in memory each has one to itself."""
        return {"uint4": 2, "int4": 2, "float4e2m1": 2, "uint2": 4, "int2": 4}.get(self.name, 1)

    def __str__(self) -> str:
        return self.name


float32 = DType("float32", 1, 4, "f")
uint8 = DType("uint8", 2, 1, "B")
int8 = DType("int8", 3, 1, "b")
uint16 = DType("uint16", 4, 2, "H")
int16 = DType("int16", 5, 2, "h")
int32 = DType("int32", 6, 4, "i")
int64 = DType("int64", 7, 8, "q")
string = DType("string", 8, 4, "i")
bool_ = DType("bool", 9, 1, "?")
float16 = DType("float16", 10, 2, "e")
float64 = DType("float64", 11, 8, "d")
uint32 = DType("uint32", 12, 4, "I")
uint64 = DType("uint64", 13, 8, "Q")
bfloat16 = DType("bfloat16", 16, 2, "H")
float8e4m3fn = DType("float8e4m3fn", 17, 1, "B")
float8e4m3fnuz = DType("float8e4m3fnuz", 18, 1, "B")
float8e5m2 = DType("float8e5m2", 19, 1, "B")
float8e5m2fnuz = DType("float8e5m2fnuz", 20, 1, "B")
uint4 = DType("uint4", 21, 1, "B")
int4 = DType("int4", 22, 1, "b")
float4e2m1 = DType("float4e2m1", 23, 1, "B")
float8e8m0 = DType("float8e8m0", 24, 1, "B")
uint2 = DType("uint2", 25, 1, "B")
int2 = DType("int2", 26, 1, "b")

DTYPES: tuple[DType, ...] = (
    float32, uint8, int8, uint16, int16, int32, int64, string, bool_, float16, float64, uint32, uint64, bfloat16,
    float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, uint4, int4, float4e2m1, float8e8m0, uint2, int2,
)  # fmt: skip
BY_CODE = {d.code: d for d in DTYPES}
BY_NAME = {d.name: d for d in DTYPES}


class TensorType(NamedTuple):
    """Element type and a fully known shape (sizes in elements; `()` is a scalar)."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"
