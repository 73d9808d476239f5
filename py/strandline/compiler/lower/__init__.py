"""From nodes to kernel calls: one module per family, each function registered by `@lower`.

Which kernel serves which shape is decided here and nowhere else. Importing the package fills the table.
"""

from __future__ import annotations

from strandline.compiler.lower import (
    attention,
    binary,
    copy,
    einsum,
    encode,
    gather,
    integers,
    linear,
    linear_models,
    normalize,
    prepare,
    quantize,
    recurrent,
    reduction,
    resample,
    sample,
    scatter,
    svm,
    trees,
    unary,
    volume,
    window,
)
from strandline.compiler.lower.registry import Instr, Lowering, lower, rule_for

__all__ = [
    "Instr",
    "Lowering",
    "attention",
    "binary",
    "copy",
    "einsum",
    "encode",
    "gather",
    "integers",
    "linear",
    "linear_models",
    "lower",
    "normalize",
    "prepare",
    "quantize",
    "recurrent",
    "reduction",
    "resample",
    "rule_for",
    "sample",
    "scatter",
    "svm",
    "trees",
    "unary",
    "volume",
    "window",
]
