"""Losses."""

from __future__ import annotations

from strandline._lazy import np
from strandline.onnx.types import TensorType
from strandline.ops.normalization import log_softmax
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, need


def _loss(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, target = need(inputs, 0), need(inputs, 1)
    shape = target.shape if attrs["reduction"] == "none" else ()
    return [TensorType(x.dtype, shape), x][:n]


@op("NegativeLogLikelihoodLoss", since=12, shape=_loss)
def negative_log_likelihood_loss(
    x: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Array:
    """`x` [N, C, ...] holds log-probabilities; the mean is over the weights of the targets."""
    counted = np.ones(target.shape, bool) if ignore_index is None else target != ignore_index
    place = np.where(counted, target, 0).astype(np.int64)
    picked = np.take_along_axis(x, np.expand_dims(place, 1), axis=1)[:, 0]
    share = np.ones(x.shape[1], x.dtype) if weight is None else weight
    shares = np.where(counted, share[place], 0).astype(x.dtype)
    loss = -picked * shares
    if reduction == "none":
        return loss
    total = np.sum(loss, dtype=loss.dtype)
    return np.asarray(total if reduction == "sum" else total / np.sum(shares), x.dtype)


@op("SoftmaxCrossEntropyLoss", since=12, shape=_loss)
def softmax_cross_entropy_loss(
    scores: Array,
    labels: Array,
    weights: Array | None = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    logs = log_softmax(scores, axis=1)
    loss = negative_log_likelihood_loss(
        logs, labels, weights, ignore_index=ignore_index, reduction=reduction
    )
    return loss, logs
