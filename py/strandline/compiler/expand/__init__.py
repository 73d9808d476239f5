"""Operators of onnxruntime's own domain `com.microsoft` as ONNX operators and our fused ones.

Its quantizer, its optimisers and the exporters that aim at it write them. Each is expanded into nodes
that say the same, so that shape rules, references, passes and kernels serve them as any other.
"""

from __future__ import annotations

from strandline.compiler.expand import (  # noqa: F401 - registers the expansions
    attention,
    blocks,
    convolution,
    elements,
    products,
    quantized,
    transformer,
)
from strandline.compiler.expand.graph import expand
from strandline.compiler.expand.registry import expansions

__all__ = ["expand", "expansions"]
