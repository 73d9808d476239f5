"""One model in, another out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strandline.bundle.errors import PackError
from strandline.bundle.optimize.calibrate import METHODS, ranges
from strandline.bundle.optimize.dynamic import quantize_dynamic, quantize_tables
from strandline.bundle.optimize.halves import store_halves
from strandline.bundle.optimize.static import observed, quantize_static
from strandline.bundle.optimize.tidy import tidy
from strandline.bundle.optimize.write import write
from strandline.onnx import read

MODES: Mapping[str, int] = {"": 1, "fp16": 7, "int8": 11, "int8-static": 13}
"""What can be made of a model, and the opset that its operators need."""

Feeds = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Optimized:
    """The new file's bytes, and how many weights or operators were changed."""

    data: bytes
    changed: int


def optimize(
    data: bytes, mode: str = "", calibration: Sequence[Feeds] = (), method: str = "percentile"
) -> Optimized:
    """Tidy a model's graph, then apply `mode`.

    "fp16": weights in float16. "int8": products on 8-bit integers whose ranges are found in every run,
    other weights in int8. "int8-static": ranges fixed by running `calibration`, by `method` (one of
    METHODS). Raises PackError when the model is none, or too old to be converted.
    """
    import onnx

    if mode not in MODES or method not in METHODS:
        raise PackError(f"there is no mode {mode!r} or method {method!r}")
    if mode == "int8-static" and not calibration:
        raise PackError("static quantization needs rows to find ranges with: --calibrate data.csv")
    try:
        proto = onnx.load_from_string(data)
        version = max(
            (o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=1
        )
        if version < MODES[mode]:
            proto = onnx.version_converter.convert_version(proto, MODES[mode])
            data = proto.SerializeToString()
        graph = tidy(read(data))
    except (ValueError, RuntimeError) as error:
        raise PackError(f"the model cannot be optimized: {error}") from error
    changed = 0
    if mode == "fp16":
        graph, changed = store_halves(graph)
    elif mode == "int8":
        graph, changed = quantize_dynamic(graph)
    elif mode == "int8-static":
        watched = write(graph, proto, extra=observed(graph))
        found = ranges(watched, observed(graph), calibration, method)
        graph, products = quantize_static(graph, found)
        graph, tables = quantize_tables(graph)
        changed = products + tables
    result = write(graph, proto)
    onnx.checker.check_model(result)
    return Optimized(result, changed)
