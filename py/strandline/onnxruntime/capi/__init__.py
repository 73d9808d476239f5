"""Where onnxruntime keeps its exceptions, so that imports of them need no change."""

from __future__ import annotations
