"""The operator of the domain "strandline" for distances between all pairs of rows."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.compiler.fused import DOMAIN
from strandline.onnx.types import TensorType
from strandline.ops.registry import Attrs, op
from strandline.ops.rules import Inputs, Types, broadcast_shapes, need


def _types(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, others = need(inputs, 0), need(inputs, 1)
    (rows, columns), (count, width) = x.shape, others.shape
    broadcast_shapes((columns,), (width,))
    return [TensorType(x.dtype, (rows, count))]


@op("PairwiseDistances", domain=DOMAIN, shape=_types)
def pairwise_distances(x: Any, others: Any, *, metric: str = "sqeuclidean") -> Any:
    """Distances [M, N] between the rows of `x` [M, K] and of `others` [N, K].

    `metric`, by SciPy's names: sqeuclidean, euclidean or cityblock.
    """
    differences = x[:, None, :] - others[None, :, :]
    if metric == "cityblock":
        return np.abs(differences).sum(axis=-1)
    squares = np.square(differences).sum(axis=-1)
    return np.sqrt(squares) if metric == "euclidean" else squares
