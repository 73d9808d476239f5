"""Models of one node, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

OPSETS = {"": 18, "ai.onnx.ml": 3}


def one_node(
    op: str,
    inputs: dict[str, tuple[Any, list[Any]]],
    outputs: dict[str, Any],
    *,
    domain: str = "",
    opsets: dict[str, int] | None = None,
    **attributes: Any,
) -> bytes:
    """A model of one node. `inputs`: name -> (NumPy type, shape); `outputs`: name -> NumPy type."""
    node = helper.make_node(op, list(inputs), list(outputs), domain=domain, **attributes)
    graph = helper.make_graph(
        [node],
        op,
        [helper.make_tensor_value_info(n, _code(t), shape) for n, (t, shape) in inputs.items()],
        [helper.make_tensor_value_info(n, _code(t), None) for n, t in outputs.items()],
    )
    imports = [helper.make_opsetid(d, v) for d, v in (OPSETS | (opsets or {})).items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    return bytes(model.SerializeToString())


def _code(dtype: Any) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
