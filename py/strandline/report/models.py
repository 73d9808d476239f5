"""Labelled predictions as a part of the document: metrics, and the counts behind their pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from strandline.drift.histogram import histogram
from strandline.drift.quality import ClassTask, Metric, Quality
from strandline.drift.quality.classes import ClassTally, ScoreTally
from strandline.drift.quality.intervals import wilson
from strandline.report.comparison import Model
from strandline.report.measure import finite

MOST_CLASSES: Final = 30
"""whose confusion matrix is listed"""
CALIBRATION_GROUPS: Final = 10
ROC_POINTS: Final = 60


def to_json(model: Model) -> dict[str, Any]:
    """For the schema ``drift-1``."""
    known = model.current or model.reference
    now, then = model.metrics
    document: dict[str, Any] = {
        "name": model.task.name,
        "target": model.task.target,
        "columns": list(model.task.columns),
        "task": known.task.kind if known is not None else None,
        "classes": list(known.task.classes) if known and isinstance(known.task, ClassTask) else [],
        "current": _side(model.current, now),
        "reference": _side(model.reference, then),
    }
    if model.errors is not None:
        frozen, profile = model.errors
        document["errors"] = histogram(frozen["error"], profile["error"]).to_json()
    return document


def _side(quality: Quality | None, metrics: Mapping[str, Metric] | None) -> dict[str, Any] | None:
    if quality is None or metrics is None:
        return None
    side: dict[str, Any] = {
        "rows": quality.n,
        "metrics": {name: metric.to_json() for name, metric in metrics.items()},
    }
    if isinstance(quality.task, ClassTask):
        assert isinstance(quality.tally, ClassTally)
        side |= _classes(quality.task, quality.tally)
    return side


def _classes(task: ClassTask, tally: ClassTally) -> dict[str, Any]:
    size = len(task.classes) + 1
    rows = [list(tally.confusion[i * size : (i + 1) * size]) for i in range(size)]
    found: dict[str, Any] = {}
    if len(task.classes) <= MOST_CLASSES:
        found["confusion"] = rows
    curves = []
    for klass, cuts, scores in zip(task.scored, task.cuts, tally.scores, strict=True):
        if sum(scores.positive) and sum(scores.negative):
            curves.append(
                {
                    "class": task.classes[klass],
                    "roc": [list(point) for point in roc(scores)],
                    "calibration": list(calibration(scores, cuts)) if task.probabilities else [],
                }
            )
    if curves:
        found["curves"] = curves
    return found


def roc(scores: ScoreTally) -> list[tuple[float, float]]:
    """Points (false positive rate, true positive rate) of the ROC curve, at the cuts of the scores."""
    negatives, positives = sum(scores.negative), sum(scores.positive)
    false = accumulate(reversed(scores.negative), initial=0)
    true = accumulate(reversed(scores.positive), initial=0)
    points = [
        (round(f / negatives, 5), round(t / positives, 5)) for f, t in zip(false, true, strict=True)
    ]
    points = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
    step = max(1, -(-len(points) // ROC_POINTS))
    return [p for i, p in enumerate(points) if i % step == 0 or i == len(points) - 1]


def calibration(scores: ScoreTally, cuts: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Groups of neighbouring bins of about equal size: the scores' range in each, the share of rows
    that are of the class, and Wilson's 95 % interval of it.
    """
    edges = [0.0, *(min(max(cut, 0.0), 1.0) for cut in cuts), 1.0]
    total = sum(scores.negative) + sum(scores.positive)
    first, rows, right, middle = 0, 0, 0, 0.0
    for i, (no, yes) in enumerate(zip(scores.negative, scores.positive, strict=True)):
        rows, right = rows + no + yes, right + yes
        middle += (no + yes) * (edges[i] + edges[i + 1]) / 2
        last = i == len(scores.negative) - 1
        if rows and (rows * CALIBRATION_GROUPS >= total or last):
            low, high = wilson(right / rows, rows, 0.95)
            yield {
                "from": finite(edges[first]),
                "to": finite(edges[i + 1]),
                "score": round(middle / rows, 5),
                "share": round(right / rows, 5),
                "ci": [round(low, 5), round(high, 5)],
                "rows": rows,
            }
            first, rows, right, middle = i + 1, 0, 0, 0.0
