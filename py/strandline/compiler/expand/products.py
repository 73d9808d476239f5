"""Matrix products with what onnxruntime fuses into them."""

from __future__ import annotations

from typing import Any

from strandline.compiler.expand.elements import activated
from strandline.compiler.expand.registry import expands
from strandline.compiler.expand.writer import Writer


@expands("FusedGemm", hands_on=("alpha", "beta", "transA", "transB"))
def _fused_gemm(
    w: Writer,
    a: str,
    b: str,
    c: str = "",
    *,
    activation: str = "",
    activation_alpha: float = 0.0,
    activation_beta: float = 0.0,
    activation_gamma: float = 0.0,
    **gemm: Any,
) -> str:
    y = w("Gemm", a, b, c, **gemm)
    return activated(w, y, activation, (activation_alpha, activation_beta, activation_gamma))


def _side(w: Writer, x: str, transposed: int, batch: int) -> str:
    """An operand of rank 2 or more, its first axis put behind the batch's (`batch`), its last two
    swapped (`transposed`)."""
    rank = w.rank(x)
    if not (transposed or batch) or rank == 1:
        return x
    if rank is None:
        raise w.refuse(
            f"the rank of '{x}', which is to be transposed, does not follow from the model"
        )
    axes = list(range(rank))
    if batch:
        axes = [*axes[1:-1], 0, axes[-1]]
    if transposed:
        axes[-2:] = axes[-1], axes[-2]
    return w.transpose(x, *axes)


@expands("FusedMatMul")
def product(
    w: Writer,
    a: str,
    b: str,
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    transBatchA: int = 0,
    transBatchB: int = 0,
) -> str:
    """alpha · A·B, each transposed first if so told."""
    y: str
    if w.opset >= 12 and not (transBatchA or transBatchB) and None in (w.rank(a), w.rank(b)):
        left, right = "...ki" if transA else "...ik", "...jk" if transB else "...kj"
        y = w("Einsum", a, b, equation=f"{left},{right}->...ij")
    else:
        y = w("MatMul", _side(w, a, transA, transBatchA), _side(w, b, transB, transBatchB))
    return y if alpha == 1.0 else w("Mul", y, w.scalar(alpha, a))


@expands("TransposeMatMul")
def _transpose_matmul(
    w: Writer, a: str, b: str, *, alpha: float = 1.0, transA: int = 0, transB: int = 0
) -> str:
    return product(w, a, b, alpha=alpha, transA=transA, transB=transB)
