"""Realised and estimated performance side by side, as plain JSON values."""

from __future__ import annotations

from typing import Any

from strandline.drift.quality.cbpe import estimate
from strandline.drift.quality.quality import Quality


def summary(reference: Quality, current: Quality, level: float = 0.95) -> dict[str, Any]:
    """What a session, a window or a range says about the model: `realised` metrics by the labels that
    came, `estimated` ones without, `reference` ones by the reference's labels; metrics by name, as
    `Metric.to_json` gives them.
    """
    estimated = estimate(reference, current, level)
    return {
        "task": reference.task.kind,
        "target": reference.task.target,
        "level": level,
        "labels": current.n,
        "predictions": current.seen,
        "reference": {m.name: m.to_json() for m in reference.metrics(level).values()},
        "realised": {m.name: m.to_json() for m in current.metrics(level).values()},
        "estimated": {m.name: m.to_json() for m in estimated.values()},
    }
