"""Matrix products and what is built on them."""

from __future__ import annotations

from strandline._lazy import np
from strandline.onnx.types import TensorType, int32
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, broadcast_shapes, need, same


def matmul_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of NumPy's `a @ b`: vectors gain an axis that goes again, leading axes broadcast."""
    if not a or not b:
        raise ValueError("a scalar has no matrix product")
    left, right = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
    if left[-1] != right[-2]:
        raise ValueError(
            f"{list(a)} and {list(b)} do not multiply: {left[-1]} columns, {right[-2]} rows"
        )
    rows = () if len(a) == 1 else (left[-2],)
    columns = () if len(b) == 1 else (right[-1],)
    return broadcast_shapes(left[:-2], right[:-2]) + rows + columns


def _matmul(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    a, b = need(inputs, 0), need(inputs, 1)
    return [TensorType(a.dtype, matmul_shape(a.shape, b.shape))]


def product(a: Array, b: Array) -> Array:
    """`a @ b` with sums of halves kept in single precision."""
    if a.dtype == np.float16:
        return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(np.float16)
    return np.matmul(a, b)


@op("MatMul", shape=_matmul)
def matmul(a: Array, b: Array) -> Array:
    return product(a, b)


def _gemm(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    a, b = need(inputs, 0), need(inputs, 1)
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ValueError(f"Gemm needs two matrices, not {a} and {b}")
    rows, inner = reversed(a.shape) if attrs["transA"] else a.shape
    other, columns = reversed(b.shape) if attrs["transB"] else b.shape
    if inner != other:
        raise ValueError(f"{a} and {b} do not multiply: {inner} columns, {other} rows")
    return [TensorType(a.dtype, (rows, columns))]


@op("Gemm", shape=_gemm)
def gemm(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    broadcast: int = 0,
) -> Array:
    result = product(a.T if transA else a, b.T if transB else b)
    if alpha != 1:
        result = result * np.asarray(alpha, np.float64 if a.dtype.kind in "iu" else a.dtype)
    if c is not None:
        result = result + (
            c
            if beta == 1
            else c * np.asarray(beta, np.float64 if a.dtype.kind in "iu" else a.dtype)
        )
    return result.astype(a.dtype)


def _matmul_integer(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(int32, matmul_shape(need(inputs, 0).shape, need(inputs, 1).shape))]


@op("MatMulInteger", since=10, shape=_matmul_integer)
def matmul_integer(
    a: Array, b: Array, a_zero: Array | None = None, b_zero: Array | None = None
) -> Array:
    """The left zero point is per row, the right one per column."""
    left, right = a.astype(np.int32), b.astype(np.int32)
    if a_zero is not None:
        zero = a_zero.astype(np.int32)
        left = left - (zero[..., None] if zero.ndim == 1 and zero.size > 1 else zero)
    if b_zero is not None:
        right = right - b_zero.astype(np.int32)
    return np.matmul(left, right)


def einsum_terms(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The inputs' subscripts and the output's, the implicit form made explicit; `...` stays."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"{equation!r} names {len(terms)} inputs, there are {len(ranks)}")
    if not arrow:
        letters = left.replace(",", "").replace("...", "")
        right = ("..." if "..." in left else "") + "".join(
            sorted(c for c in set(letters) if letters.count(c) == 1)
        )
    return terms, right


def _einsum(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    types = [i.type for i in inputs if i is not None]
    terms, right = einsum_terms(attrs["equation"], [len(t.shape) for t in types])
    sizes: dict[str, int] = {}
    rest: tuple[int, ...] = ()
    for term, t in zip(terms, types, strict=True):
        head, dots, tail = term.partition("...")
        extra = len(t.shape) - len(head) - len(tail)
        if extra < 0 or (extra and not dots):
            raise ValueError(f"{term!r} does not fit {t}")
        rest = broadcast_shapes(rest, t.shape[len(head) : len(head) + extra])
        for letter, size in zip(
            head + tail, t.shape[: len(head)] + t.shape[len(head) + extra :], strict=True
        ):
            sizes[letter] = broadcast_shapes((sizes.get(letter, 1),), (size,))[0]
    head, _, tail = right.partition("...")
    middle = rest if "..." in right else ()
    return [
        TensorType(types[0].dtype, (*(sizes[c] for c in head), *middle, *(sizes[c] for c in tail)))
    ]


@op("Einsum", since=12, shape=_einsum)
def einsum(*tensors: Array, equation: str) -> Array:
    terms, right = einsum_terms(equation, [t.ndim for t in tensors])
    return np.asarray(np.einsum(f"{','.join(terms)}->{right}", *tensors)).astype(tensors[0].dtype)


def _det(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(x.dtype, x.shape[:-2])]


@op("Det", since=11, shape=_det)
def det(x: Array) -> Array:
    return np.linalg.det(_no_half(x)).astype(x.dtype)


def _no_half(x: Array) -> Array:
    """NumPy's linear algebra has no float16."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


@op("Inverse", domain="com.microsoft", shape=same)
def inverse(x: Array) -> Array:
    """Of every square matrix in the last two axes; the standard has no such operator."""
    return np.linalg.inv(_no_half(x)).astype(x.dtype)
