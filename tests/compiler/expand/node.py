"""A model of one node of `com.microsoft`, in onnxruntime and here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from strandline import Session
from tests.models.oracle import expected

STEP = 1
"""What integers may differ by: where a rounding decides."""


def model(
    op: str,
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
    attrs: Mapping[str, Any],
    *,
    constant: Collection[str] = (),
    model_opset: int = 17,
    domain: str = "com.microsoft",
    free: bool = False,
) -> bytes:
    """One node on `inputs` (None: absent), of which those in `constant` are initializers. `free`: sizes
    of the others are not declared."""
    names = [name if value is not None else "" for name, value in inputs.items()]
    fed = {n: v for n, v in inputs.items() if v is not None and n not in constant}
    held = [numpy_helper.from_array(inputs[name], name) for name in constant]
    declared = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(value.dtype),
            [f"{name}_{i}" if free else size for i, size in enumerate(value.shape)],
        )
        for name, value in fed.items()
    ]
    node = helper.make_node(op, names, list(outputs), "node", domain=domain, **attrs)
    made = [helper.make_empty_tensor_value_info(name) for name in outputs if name]
    graph = helper.make_graph([node], "graph", declared, made, held)
    opsets = [helper.make_opsetid("", model_opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def check(
    op: str,
    inputs: Mapping[str, Any],
    outputs: Sequence[str] = ("y",),
    *,
    constant: Collection[str] = (),
    model_opset: int = 17,
    domain: str = "com.microsoft",
    rtol: float = 1e-4,
    atol: float = 1e-5,
    **attrs: Any,
) -> None:
    """Both backends give what onnxruntime gives; integers within a step of it."""
    built = model(
        op,
        inputs,
        outputs,
        attrs,
        constant=constant,
        model_opset=model_opset,
        domain=domain,
        free=True,
    )
    feeds = {n: v for n, v in inputs.items() if v is not None and n not in constant}
    want = expected(built, feeds)
    for backend in ("core", "reference"):
        session = Session(built, backend=backend)  # type: ignore[arg-type]
        compare(session.run(feeds), want, rtol, atol)


def compare(got: Mapping[str, Any], want: Mapping[str, Any], rtol: float, atol: float) -> None:
    assert list(got) == list(want)
    for name, value in want.items():
        mine = np.asarray(got[name])
        assert mine.shape == value.shape, f"{name}: {mine.shape}, not {value.shape}"
        assert mine.dtype == value.dtype, f"{name}: {mine.dtype}, not {value.dtype}"
        if value.dtype.kind == "f":
            np.testing.assert_allclose(mine, value, rtol, atol, err_msg=name)
        elif value.dtype.itemsize == 1 and value.size:
            difference = np.abs(mine.astype(int) - value.astype(int))
            assert difference.max() <= STEP and (difference > 0).mean() < 0.05, name
        else:
            np.testing.assert_array_equal(mine, value, err_msg=name)
