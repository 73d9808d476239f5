"""`strandline optimize`: a smaller model that any ONNX runtime takes, measured against the one it comes from.

`tidy` applies the compiler's passes as far as standard operators can say what they give; `halves`,
`dynamic` and `static` store or compute in fewer bits; `calibrate` finds the ranges that `static` needs;
`compare` measures size, speed and accuracy.
"""

from __future__ import annotations

from strandline.bundle.optimize.optimizer import MODES, Optimized, optimize

__all__ = ["MODES", "Optimized", "optimize"]
