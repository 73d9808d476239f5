"""Model quality from sums: metrics with confidence intervals, and what can be said without labels."""

from __future__ import annotations

from strandline.drift.quality.cbpe import estimate
from strandline.drift.quality.metric import Metric
from strandline.drift.quality.quality import Quality
from strandline.drift.quality.summary import summary
from strandline.drift.quality.task import ClassTask, RegressionTask, Task

__all__ = ["ClassTask", "Metric", "Quality", "RegressionTask", "Task", "estimate", "summary"]
