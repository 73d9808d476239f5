"""scikit-learn to ONNX, past a snag between skl2onnx and protobuf."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def to_onnx(estimator: Any, example: Any = None, **options: Any) -> bytes:
    """Convert a fitted scikit-learn estimator or pipeline with `skl2onnx.to_onnx`; returns the file's bytes.

    `example` is an array or data frame like those it was fitted on; `options` go to skl2onnx as they
    are (`initial_types=`, `options={"zipmap": False}`, `target_opset=` …).
    """
    import skl2onnx

    with _plain_integers():
        proto = skl2onnx.to_onnx(estimator, example, **options)
    return bytes(proto.SerializeToString(deterministic=True))


@contextmanager
def _plain_integers() -> Iterator[None]:
    """skl2onnx hands NumPy's bools and unsigned integers to protobuf, which takes Python's alone."""
    import numpy as np
    import onnx.helper

    original = onnx.helper.make_attribute

    def plain(value: Any) -> Any:
        if isinstance(value, np.bool_ | np.integer | bool):
            return int(value)
        return [plain(v) for v in value] if isinstance(value, list) else value

    def make_attribute(key: str, value: Any, *rest: Any, **named: Any) -> Any:
        return original(key, plain(value), *rest, **named)

    onnx.helper.make_attribute = make_attribute
    try:
        yield
    finally:
        onnx.helper.make_attribute = original
