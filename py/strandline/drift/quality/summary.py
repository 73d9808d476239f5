"""Realised and estimated performance side by side, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from strandline.drift.quality.cbpe import estimate
from strandline.drift.quality.metric import Metric
from strandline.drift.quality.products import SessionProducts
from strandline.drift.quality.quality import Quality
from strandline.drift.quality.sessions import metrics

FOREMOST: Final = {
    "binary": (
        "accuracy", "precision", "recall", "f1", "specificity", "roc_auc", "log_loss", "brier",
    ),
    "multiclass": (
        "accuracy", "precision_macro", "recall_macro", "f1_macro", "roc_auc_macro", "log_loss", "brier",
    ),
    "regression": ("mae", "rmse", "r2", "mean_error"),
}  # fmt: skip
"""by kind of task, the metrics that a series and a comparison of versions show"""


def summary(
    reference: Quality,
    current: Quality,
    level: float = 0.95,
    sessions: SessionProducts | None = None,
) -> dict[str, Any]:
    """What a session, a window or a range says about the model: `realised` metrics by the labels that
    came, `estimated` ones without, `reference` ones by the reference's labels; metrics by name, as
    `Metric.to_json` gives them. `sessions` are those that the labels came in.
    """
    estimated = estimate(reference, current, level)
    return {
        "task": reference.task.kind,
        "target": reference.task.target,
        "level": level,
        "labels": current.n,
        "predictions": current.seen,
        "reference": {m.name: m.to_json() for m in reference.metrics(level).values()},
        "realised": {m.name: m.to_json() for m in metrics(current, sessions, level).values()},
        "estimated": {m.name: m.to_json() for m in estimated.values()},
    }


def brief(
    reference: Quality,
    current: Quality,
    level: float = 0.95,
    sessions: SessionProducts | None = None,
) -> dict[str, Any]:
    """As `summary`, without the reference and with the foremost metrics only: one point of a series."""
    names = FOREMOST[reference.task.kind]
    return {
        "labels": current.n,
        "predictions": current.seen,
        "realised": chosen(metrics(current, sessions, level), names),
        "estimated": chosen(estimate(reference, current, level), names),
    }


def chosen(found: Mapping[str, Metric], names: Sequence[str]) -> dict[str, Any]:
    """Metrics of these names that are there, as plain JSON values."""
    return {name: found[name].to_json() for name in names if name in found}
