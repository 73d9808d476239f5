"""Element types and tensor types: the vocabulary that every later stage shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class DType:
    """One element type.

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
        """The NumPy dtype of the same name, `object` for strings; bfloat16, which NumPy lacks, is its bits in a
        structured type of one field, so that arithmetic on raw bits is impossible by mistake."""
        from strandline._lazy import np as numpy

        if self.name == "bfloat16":
            return numpy.dtype([(self.name, "<u2")])
        return numpy.dtype(object if self.name == "string" else self.name)

    @property
    def is_float(self) -> bool:
        return self.format in "efd" or self.name == "bfloat16"

    @property
    def is_integer(self) -> bool:
        return self.format in "bBhHiIqQ" and self.name != "string" and self.name != "bfloat16"

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

DTYPES: tuple[DType, ...] = (
    float32, uint8, int8, uint16, int16, int32, int64, string, bool_, float16, float64, uint32, uint64, bfloat16,
)  # fmt: skip
BY_CODE = {d.code: d for d in DTYPES}
BY_NAME = {d.name: d for d in DTYPES}


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type and a fully known shape (sizes in elements; `()` is a scalar)."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"
