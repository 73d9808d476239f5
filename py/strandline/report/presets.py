"""Presets: the metrics that people want together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from strandline.bundle.errors import InputError
from strandline.drift.compare import Criteria
from strandline.drift.features import CategoricalFeature, Feature, NumericFeature, VectorFeature
from strandline.report import quality
from strandline.report.comparison import Comparison
from strandline.report.definition import BinaryClassification, DataDefinition
from strandline.report.definition import Regression as RegressionTask
from strandline.report.drift import DriftedColumnsCount, Methods, ValueDrift, criteria
from strandline.report.metrics import (
    ColumnCount,
    ColumnsWithMissingValuesCount,
    ConstantColumnsCount,
    DatasetMissingValueCount,
    EmptyColumnsCount,
    MaxValue,
    MeanInNSigmas,
    MeanValue,
    Metric,
    MinValue,
    MissingValueCount,
    OutListValueCount,
    OutRangeValueCount,
    QuantileValue,
    RowCount,
    StdValue,
    UniqueValueCount,
)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What every preset has."""

    title: ClassVar[str]

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def needs_reference(self) -> bool:
        return False

    def needs(self, definition: DataDefinition | None) -> Sequence[str] | None:
        """The columns that it looks at; `None`: all."""
        return getattr(self, "columns", None)

    def chosen(self, comparison: Comparison) -> list[Feature]:
        """The features that it looks at."""
        profile = comparison.profile
        return [f for f in comparison.reference if f.role != "system" or profile[f.name].rows]

    def criteria(self, comparison: Comparison) -> Mapping[str, Criteria]:
        """What features are judged by, where the preset has a say."""
        return {}

    def metrics(self, comparison: Comparison) -> Iterable[Metric]:
        raise NotImplementedError


@dataclass(frozen=True)
class DataDriftPreset(Preset):
    """Every column's drift, and the share of columns that drifted.

    Parameters
    ----------
    columns
        Columns to compare; `None`: all.
    drift_share
        From this share of drifted columns on the dataset counts as drifted.
    method, num_method, cat_method, text_method, per_column_method
        The deciding statistic, by name: of all columns, of numbers and dates, of categories, of what
        describes texts, of single columns; the more particular one counts. Several names: the first
        that fits decides, and no others are computed.
    threshold, num_threshold, cat_threshold, text_threshold, per_column_threshold
        Floor of the deciding statistic's effect, chosen in the same way. The level of the tests is
        the report's `alpha`.
    """

    title = "Data drift"
    columns: Sequence[str] | None = None
    drift_share: float = 0.5
    method: Methods | None = None
    cat_method: Methods | None = None
    num_method: Methods | None = None
    text_method: Methods | None = None
    per_column_method: Mapping[str, Methods] | None = None
    threshold: float | None = None
    cat_threshold: float | None = None
    num_threshold: float | None = None
    text_threshold: float | None = None
    per_column_threshold: Mapping[str, float] | None = None

    @property
    def needs_reference(self) -> bool:
        return True

    def chosen(self, comparison: Comparison) -> list[Feature]:
        features = super().chosen(comparison)
        wanted = self._columns(comparison)
        return features if wanted is None else [f for f in features if f.column in wanted]

    def _columns(self, comparison: Comparison) -> Sequence[str] | None:
        return self.columns

    def criteria(self, comparison: Comparison) -> Mapping[str, Criteria]:
        found = {}
        for feature in self.chosen(comparison):
            method, threshold = self._choice(feature)
            if method is not None or threshold is not None:
                found[feature.name] = criteria(feature, method, threshold)
        return found

    def _choice(self, feature: Feature) -> tuple[Methods | None, float | None]:
        if feature.column != feature.name:
            particular = (self.text_method, self.text_threshold)
        elif isinstance(feature, CategoricalFeature):
            particular = (self.cat_method, self.cat_threshold)
        elif isinstance(feature, VectorFeature):
            particular = (None, None)
        else:
            particular = (self.num_method, self.num_threshold)
        method = (self.per_column_method or {}).get(feature.column, particular[0])
        threshold = (self.per_column_threshold or {}).get(feature.column, particular[1])
        return (
            self.method if method is None else method,
            self.threshold if threshold is None else threshold,
        )

    def metrics(self, comparison: Comparison) -> Iterable[Metric]:
        chosen = [f for f in self.chosen(comparison) if f.role != "system"]
        names = dict.fromkeys(feature.column for feature in chosen)
        wanted = self._columns(comparison)
        yield DriftedColumnsCount(self.drift_share, None if wanted is None else tuple(names))
        for name in names:
            yield ValueDrift(name)


@dataclass(frozen=True)
class TargetDriftPreset(DataDriftPreset):
    """The drift of targets and predictions (Evidently's older name; also the drift of the prediction
    alone, where labels come later).
    """

    title = "Target and prediction drift"

    def needs(self, definition: DataDefinition | None) -> Sequence[str] | None:
        wanted = () if definition is None else self._wanted(definition)
        return self.columns or wanted or None

    def _columns(self, comparison: Comparison) -> Sequence[str]:
        definition = comparison.definition
        marked = [f.column for f in comparison.reference if f.role == "output"]
        found = self.columns or self._wanted(definition) or marked
        if not found:
            raise InputError(
                f"{self.name} needs to know targets or predictions: give a DataDefinition with a "
                "model, or columns=[…]"
            )
        return found

    def _wanted(self, definition: DataDefinition) -> Sequence[str]:
        return definition.outputs


@dataclass(frozen=True)
class PredictionDriftPreset(TargetDriftPreset):
    """The drift of predictions alone: before any label has come."""

    title = "Prediction drift"

    def _wanted(self, definition: DataDefinition) -> Sequence[str]:
        return definition.predictions


@dataclass(frozen=True)
class DataSummaryPreset(Preset):
    """What is in the columns: missing cells, constant and empty columns, ranges, quantiles, values
    that the reference does not have. Without a reference it describes one table.
    """

    title = "Data summary"
    columns: Sequence[str] | None = None

    def chosen(self, comparison: Comparison) -> list[Feature]:
        features = super().chosen(comparison)
        wanted = self.columns
        return features if wanted is None else [f for f in features if f.column in wanted]

    def metrics(self, comparison: Comparison) -> Iterable[Metric]:
        yield RowCount()
        yield ColumnCount()
        yield DatasetMissingValueCount()
        yield ColumnsWithMissingValuesCount()
        yield EmptyColumnsCount()
        yield ConstantColumnsCount()
        for feature in self.chosen(comparison):
            if feature.role == "system":
                continue
            yield from ValueStats(feature.name).metrics(comparison)


@dataclass(frozen=True)
class ValueStats(Preset):
    """What is in one column."""

    title = "Values of a column"
    column: str

    def needs(self, definition: DataDefinition | None) -> Sequence[str]:
        return (self.column,)

    def chosen(self, comparison: Comparison) -> list[Feature]:
        return [f for f in super().chosen(comparison) if f.name == self.column]

    def metrics(self, comparison: Comparison) -> Iterable[Metric]:
        name = self.column
        if name not in comparison.reference:
            raise InputError(f"{self.name}: there is no column {name!r}")
        yield MissingValueCount(name)
        if isinstance(comparison.reference[name], VectorFeature):
            return
        yield UniqueValueCount(name)
        if isinstance(comparison.reference[name], NumericFeature):
            if comparison.has_reference:
                yield OutRangeValueCount(name)
            yield MinValue(name)
            for share in (0.25, 0.5, 0.75):
                yield QuantileValue(name, share)
            yield MaxValue(name)
            yield MeanValue(name)
            yield StdValue(name)
            if comparison.has_reference:
                yield MeanInNSigmas(name)
        elif comparison.has_reference:
            yield OutListValueCount(name)


@dataclass(frozen=True)
class ClassificationPreset(Preset):
    """Quality of a classification: the metrics, by class as well, with confidence intervals;
    confusion matrix, ROC and calibration curves.
    """

    title = "Classification"
    model: str = "default"

    def needs(self, definition: DataDefinition | None) -> Sequence[str]:
        return ()

    def chosen(self, comparison: Comparison) -> list[Feature]:
        return []

    def metrics(self, comparison: Comparison) -> Iterable[Metric]:
        task = _task(self.name, self.model, comparison, wants_regression=False)
        model = comparison.models[self.model]
        known = model.current or model.reference
        available = model.metrics[0] or model.metrics[1]
        if known is None or available is None:
            return
        binary = isinstance(task, BinaryClassification)
        for metric in quality.CLASSIFICATION:
            if {metric.key, f"{metric.key}_macro"} & available.keys():
                yield metric(self.model)
        for kind in (quality.PrecisionByLabel, quality.RecallByLabel, quality.F1ByLabel):
            for label in () if binary else known.task.classes:  # type: ignore[union-attr]
                yield kind(self.model, label)


@dataclass(frozen=True)
class RegressionPreset(Preset):
    """Quality of a regression: the metrics with confidence intervals, and the errors'
    distribution.
    """

    title = "Regression"
    model: str = "default"

    def needs(self, definition: DataDefinition | None) -> Sequence[str]:
        return ()

    def chosen(self, comparison: Comparison) -> list[Feature]:
        return []

    def metrics(self, comparison: Comparison) -> Iterable[Metric]:
        _task(self.name, self.model, comparison, wants_regression=True)
        for metric in quality.REGRESSION:
            yield metric(self.model)


def _task(name: str, model: str, comparison: Comparison, *, wants_regression: bool) -> object:
    found = comparison.models.get(model)
    if found is None or isinstance(found.task, RegressionTask) != wants_regression:
        kind = "regression" if wants_regression else "classification"
        raise InputError(
            f"{name} needs a DataDefinition with a {kind} {model!r}: its target and its prediction"
        )
    return found.task


DataQualityPreset = DataSummaryPreset
"""Evidently's older name"""

PRESETS: Mapping[str, type[Preset]] = {
    "drift": DataDriftPreset,
    "summary": DataSummaryPreset,
    "target": TargetDriftPreset,
    "prediction": PredictionDriftPreset,
    "classification": ClassificationPreset,
    "regression": RegressionPreset,
}
"""by the names that the command line knows"""
