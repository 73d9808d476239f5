"""What JavaScript calls to run a model: a prepared call by its addresses, or any plan through Python.

Types are JSON, `[{"dtype": "float32", "shape": [1, 20]}, …]` in the model's order of inputs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from strandline import core
from strandline.onnx.types import BY_NAME, TensorType
from strandline.onnx.types import string as string_type
from strandline.runtime.prepared import NotPreparedError, Prepared
from strandline.runtime.session import Session


class Held:
    """A `Source` (onnx/source.py) of the bytes of a JavaScript Uint8Array."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __len__(self) -> int:
        return int(self._array.length)

    def read_into(self, start: int, into: memoryview) -> None:
        self._array.subarray(start, start + len(into)).assign_to(into)


def inputs(session: Session) -> str:
    """The model's inputs: `[{"name", "dtype", "shape"}]`, null for a free size and for what is not
    declared."""
    return json.dumps(
        [
            {
                "name": info.name,
                "dtype": None if info.dtype is None else info.dtype.name,
                "shape": None
                if info.shape is None
                else [size if isinstance(size, int) else None for size in info.shape],
            }
            for info in session.inputs
        ]
    )


def outputs(session: Session) -> str:
    """The names of the model's outputs, in order."""
    return json.dumps([info.name for info in session.outputs])


def prepare(session: Session, types: str) -> Prepared | None:
    """The prepared call for these types; None when only `run` serves them."""
    try:
        return session.prepare(_types(types))
    except NotPreparedError:
        return None


def addresses(prepared: Prepared) -> str:
    """The call's description, and where it is in memory: `entry` (the function's place in the table),
    `address` (its argument), and where `places.inputs` and `places.outputs` begin."""
    bound = prepared.bound
    return json.dumps(
        {
            **prepared.describe(),
            "entry": bound.entry,
            "address": bound.address,
            "places": prepared.places(),
        },
        ensure_ascii=False,
    )


def run(session: Session, types: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Outputs as `(name, dtype, shape, bytes)`, or `(name, None, None, JSON)` for what is no tensor
    of numbers. A value is a buffer of the elements, or JSON for strings."""
    feeds: dict[str, Any] = {}
    for info, type_, value in zip(session.inputs, _types(types), values, strict=True):
        if type_.dtype is string_type:
            feeds[info.name] = _nested(json.loads(value), type_.shape)
            continue
        tensor = core.Tensor(type_.dtype.format, type_.shape)
        memoryview(tensor).cast("B")[:] = memoryview(value).cast("B")
        feeds[info.name] = tensor
    return [_answer(name, value) for name, value in session.run(feeds).items()]


def _types(types: str) -> list[TensorType]:
    return [TensorType(BY_NAME[t["dtype"]], tuple(t["shape"])) for t in json.loads(types)]


def _nested(flat: Sequence[Any], shape: Sequence[int]) -> Any:
    if len(shape) < 2:
        return list(flat) if shape else flat[0]
    size = len(flat) // shape[0] if shape[0] else 0
    return [_nested(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


def _answer(name: str, value: Any) -> tuple[Any, ...]:
    dtype = str(getattr(value, "dtype", "object"))
    if dtype in BY_NAME and dtype != "string":
        data = memoryview(value)
        return name, dtype, list(value.shape), data.tobytes()
    plain = value.tolist() if hasattr(value, "tolist") else value
    return name, None, None, json.dumps(plain, ensure_ascii=False)
