"""Metrics of predictions that have labels: by Evidently's names, over `drift.quality`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strandline.bundle.errors import InputError
from strandline.drift.quality import Metric as Found
from strandline.report.comparison import Comparison
from strandline.report.conditions import Condition, ReferenceValue, gte, lte, of_confidence
from strandline.report.measure import Measure
from strandline.report.metrics import Metric


@dataclass(frozen=True)
class QualityMetric(Metric):
    """One of `Quality.metrics`."""

    key: ClassVar[str]
    """its name there"""
    better: ClassVar[str] = "larger"

    model: str = "default"
    """the name of the task in the `DataDefinition`"""

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @property
    def _key(self) -> str:
        return self.key

    def measures(self, comparison: Comparison, drift: Any) -> tuple[Measure | None, Measure | None]:
        model = comparison.models.get(self.model)
        if model is None:
            raise InputError(
                f"{self.name} needs a DataDefinition with a model {self.model!r}: its target and its "
                "prediction"
            )
        now, then = model.metrics
        return None if now is None else self._of(now), None if then is None else self._of(then)

    def _of(self, found: Mapping[str, Found]) -> Measure:
        if self._key not in found:
            raise InputError(
                f"{self.name} is not for the model {self.model!r}; it has {', '.join(found)}"
            )
        return measure(found[self._key])

    def defaults(self, has_reference: bool) -> list[Condition]:
        if not has_reference:
            return []
        slack = ReferenceValue(relative=0.1)
        return [of_confidence(gte(slack) if self.better == "larger" else lte(slack))]


def measure(found: Found) -> Measure:
    """A metric of `Quality.metrics` with its bounds and its confidence interval."""
    confidence = None
    if found.ci_low is not None and found.ci_high is not None:
        confidence = (found.ci_low, found.ci_high)
    return Measure(found.value, found.low, found.high, confidence=confidence)


@dataclass(frozen=True)
class Accuracy(QualityMetric):
    title = "Accuracy"
    key = "accuracy"


@dataclass(frozen=True)
class Averaged(QualityMetric):
    """A metric of the positive class; of several classes their plain average."""

    average: str | None = None
    """``"macro"``, ``"micro"`` or ``"weighted"``"""

    @property
    def _key(self) -> str:
        return self.key if self.average is None else f"{self.key}_{self.average}"

    def _of(self, found: Mapping[str, Found]) -> Measure:
        if self.average is None and self.key not in found and f"{self.key}_macro" in found:
            return measure(found[f"{self.key}_macro"])
        return super()._of(found)


@dataclass(frozen=True)
class Precision(Averaged):
    title = "Precision"
    key = "precision"


@dataclass(frozen=True)
class Recall(Averaged):
    title = "Recall"
    key = "recall"


@dataclass(frozen=True)
class F1Score(Averaged):
    title = "F1"
    key = "f1"


@dataclass(frozen=True)
class TPR(QualityMetric):
    title = "True positive rate"
    key = "recall"


@dataclass(frozen=True)
class TNR(QualityMetric):
    title = "True negative rate"
    key = "specificity"


@dataclass(frozen=True)
class Complement(QualityMetric):
    """One minus another metric."""

    better = "smaller"

    def _of(self, found: Mapping[str, Found]) -> Measure:
        other = super()._of(found)
        if other.value is None:
            return other
        low, high = other.bounds
        ends = other.confidence
        turned = None if ends is None else (1 - ends[1], 1 - ends[0])
        return Measure(1 - other.value, 1 - high, 1 - low, confidence=turned)


@dataclass(frozen=True)
class FPR(Complement):
    title = "False positive rate"
    key = "specificity"


@dataclass(frozen=True)
class FNR(Complement):
    title = "False negative rate"
    key = "recall"


@dataclass(frozen=True)
class RocAuc(QualityMetric):
    """The area under the ROC curve, between the bounds that binned scores leave open; of several
    classes the plain average of one against the rest.
    """

    title = "ROC AUC"
    key = "roc_auc"

    def _of(self, found: Mapping[str, Found]) -> Measure:
        if self.key not in found and "roc_auc_macro" in found:
            return measure(found["roc_auc_macro"])
        return super()._of(found)


@dataclass(frozen=True)
class LogLoss(QualityMetric):
    title = "Log loss"
    key = "log_loss"
    better = "smaller"


@dataclass(frozen=True)
class BrierScore(QualityMetric):
    title = "Brier score"
    key = "brier"
    better = "smaller"


@dataclass(frozen=True)
class ByLabel(QualityMetric):
    """A metric of one class against the rest."""

    label: str = ""

    @property
    def _key(self) -> str:
        return f"{self.key}:{self.label}"

    def defaults(self, has_reference: bool) -> list[Condition]:
        return []


@dataclass(frozen=True)
class PrecisionByLabel(ByLabel):
    title = "Precision of {label}"
    key = "precision"


@dataclass(frozen=True)
class RecallByLabel(ByLabel):
    title = "Recall of {label}"
    key = "recall"


@dataclass(frozen=True)
class F1ByLabel(ByLabel):
    title = "F1 of {label}"
    key = "f1"


@dataclass(frozen=True)
class RocAucByLabel(ByLabel):
    title = "ROC AUC of {label}"
    key = "roc_auc"


@dataclass(frozen=True)
class MAE(QualityMetric):
    title = "Mean absolute error"
    key = "mae"
    better = "smaller"


@dataclass(frozen=True)
class RMSE(QualityMetric):
    title = "Root mean squared error"
    key = "rmse"
    better = "smaller"


@dataclass(frozen=True)
class R2Score(QualityMetric):
    title = "R²"
    key = "r2"


@dataclass(frozen=True)
class MeanError(QualityMetric):
    """Mean of prediction − target."""

    title = "Mean error"
    key = "mean_error"

    def defaults(self, has_reference: bool) -> list[Condition]:
        return []


CLASSIFICATION = (Accuracy, Precision, Recall, F1Score, TNR, RocAuc, LogLoss, BrierScore)
REGRESSION = (MAE, RMSE, R2Score, MeanError)
