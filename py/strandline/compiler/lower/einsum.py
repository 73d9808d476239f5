"""Einsum: pairs of operands, one after another, each as one stack of matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from strandline.compiler.lower.copy import copy
from strandline.compiler.lower.layout import MAX_RANK, contiguous, merge
from strandline.compiler.lower.linear import Matrix, gemm, pack
from strandline.compiler.lower.reduction import reduce
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import float32
from strandline.ops.linalg import einsum_terms


@dataclass(frozen=True, slots=True)
class _Term:
    """A tensor with a letter for each of its axes."""

    name: str
    letters: str


@lower("Einsum")
def einsum(node: Node, low: Lowering) -> bool:
    """Served: each letter once per operand and of one size; what only one operand has stays in the
    result, or there is but one operand."""
    shapes = [low.type(name).shape for name in node.inputs]
    terms, right = einsum_terms(low.attrs["equation"], list(map(len, shapes)))
    extra = max(len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=True))
    dots = "".join(chr(0x100 + i) for i in range(extra))
    terms = [
        t.replace("...", dots[extra - len(s) + len(t) - 3 :]) if "..." in t else t
        for t, s in zip(terms, shapes, strict=True)
    ]
    right = right.replace("...", dots)
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                return False
    if any(len(set(t)) != len(t) for t in terms) or not set(right) <= set(sizes):
        return False
    if len(sizes) > MAX_RANK or any(low.type(n).dtype.format in "dw" for n in node.inputs):
        return False
    if not all(low.type(name).dtype.is_float for name in node.inputs):
        return False
    for i, term in enumerate(terms):
        rest = right + "".join(terms[:i] + terms[i + 1 :])
        if len(terms) > 1 and not set(term) <= set(rest):
            return False
    operands = [_Term(n, t) for n, t in zip(node.inputs, terms, strict=True)]
    first = operands[0]
    for i, other in enumerate(operands[1:], start=2):
        later = right + "".join(term.letters for term in operands[i:])
        first = _product(low, first, other, later, sizes)
    _sum(low, first, right, node.outputs[0], sizes)
    return True


def _product(low: Lowering, a: _Term, b: _Term, wanted: str, sizes: dict[str, int]) -> _Term:
    """Emit the product of two terms, summed over what both have and nobody wants."""
    both = [c for c in a.letters if c in b.letters]
    batch = "".join(c for c in both if c in wanted)
    inner = "".join(c for c in both if c not in wanted)
    rows = "".join(c for c in a.letters if c not in b.letters)
    columns = "".join(c for c in b.letters if c not in a.letters)
    stack, m, n, k = (_size(part, sizes) for part in (batch, rows, columns, inner))
    left = _ordered(low, a, batch + rows + inner, sizes)
    right = _ordered(low, b, batch + inner + columns, sizes)
    result = _Term(low.temp(float32, _shape(batch + rows + columns, sizes)), batch + rows + columns)
    packed = pack(low, Matrix(right, k, n, n, 1, stack, k * n))
    dims = ((stack,), (m * k,), (1,)) if stack != 1 else ((), (), ())
    gemm(low, left, packed, result.name, (m, n, k), batch=dims)
    return result


def _sum(low: Lowering, term: _Term, right: str, target: str, sizes: dict[str, int]) -> None:
    """Emit `target`: the letters `right` in order, summed over all others."""
    others = "".join(c for c in term.letters if c not in right)
    if not others:
        _copy(low, term, right, target, sizes)
        return
    whole = _Term(_ordered(low, term, right + others, sizes), right + others)
    reduce(low, "reduce_sum", whole.name, target, range(len(right), len(right + others)))


def _ordered(low: Lowering, term: _Term, letters: str, sizes: dict[str, int]) -> str:
    """The term with its axes in this order: itself where they are."""
    if term.letters == letters:
        return term.name
    target = low.temp(float32, _shape(letters, sizes))
    _copy(low, term, letters, target, sizes)
    return target


def _copy(low: Lowering, term: _Term, letters: str, target: str, sizes: dict[str, int]) -> None:
    steps = dict(zip(term.letters, contiguous(_shape(term.letters, sizes)), strict=True))
    shape = _shape(letters, sizes)
    dims, read, write = merge(shape, [steps[c] for c in letters], contiguous(shape))
    copy(low, term.name, target, dims, read, write)


def _shape(letters: Sequence[str], sizes: dict[str, int]) -> tuple[int, ...]:
    return tuple(sizes[c] for c in letters)


def _size(letters: Sequence[str], sizes: dict[str, int]) -> int:
    return math.prod(_shape(letters, sizes))
