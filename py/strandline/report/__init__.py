"""Reports: metrics, presets and tests by the names that Evidently's users know; one document, shown
as one self-contained page, stored as JSON, or given by a monitor window by window.
"""

from __future__ import annotations

from typing import Any

from strandline.report.check import check
from strandline.report.conditions import (
    Condition,
    ReferenceValue,
    eq,
    gt,
    gte,
    in_range,
    is_in,
    lt,
    lte,
    no_drift,
    not_eq,
    not_in,
)
from strandline.report.definition import (
    BinaryClassification,
    DataDefinition,
    Dataset,
    MulticlassClassification,
    Regression,
    column_mapping,
)
from strandline.report.diagnose import diagnose
from strandline.report.drift import DriftedColumnsCount, ValueDrift
from strandline.report.html import render_html
from strandline.report.metrics import (
    CategoryCount,
    ColumnCount,
    ColumnsWithMissingValuesCount,
    ConstantColumnsCount,
    DatasetMissingValueCount,
    EmptyColumnsCount,
    InListValueCount,
    InRangeValueCount,
    MaxValue,
    MeanInNSigmas,
    MeanValue,
    MedianValue,
    MinValue,
    MissingValueCount,
    OutListValueCount,
    OutRangeValueCount,
    QuantileValue,
    RowCount,
    StdValue,
    UniqueValueCount,
)
from strandline.report.presets import (
    PRESETS,
    ClassificationPreset,
    DataDriftPreset,
    DataQualityPreset,
    DataSummaryPreset,
    PredictionDriftPreset,
    Preset,
    RegressionPreset,
    TargetDriftPreset,
    ValueStats,
)
from strandline.report.quality import (
    FNR,
    FPR,
    MAE,
    RMSE,
    TNR,
    TPR,
    Accuracy,
    BrierScore,
    F1ByLabel,
    F1Score,
    LogLoss,
    MeanError,
    Precision,
    PrecisionByLabel,
    R2Score,
    Recall,
    RecallByLabel,
    RocAuc,
    RocAucByLabel,
)
from strandline.report.report import Report, Snapshot
from strandline.report.series import SeriesReport
from strandline.report.suite import OLD_PRESETS, OLD_TESTS, TestSuite

ColumnDriftMetric = ValueDrift
"""Evidently's older name"""


def __getattr__(name: str) -> Any:
    """The older ``Test…`` names."""
    for table in (OLD_TESTS, OLD_PRESETS):
        if name in table:
            return table[name]
    raise AttributeError(f"module 'strandline.report' has no attribute {name!r}")


__all__ = [
    "FNR",
    "FPR",
    "MAE",
    "PRESETS",
    "RMSE",
    "TNR",
    "TPR",
    "Accuracy",
    "BinaryClassification",
    "BrierScore",
    "CategoryCount",
    "ClassificationPreset",
    "ColumnCount",
    "ColumnDriftMetric",
    "ColumnsWithMissingValuesCount",
    "Condition",
    "ConstantColumnsCount",
    "DataDefinition",
    "DataDriftPreset",
    "DataQualityPreset",
    "DataSummaryPreset",
    "Dataset",
    "DatasetMissingValueCount",
    "DriftedColumnsCount",
    "EmptyColumnsCount",
    "F1ByLabel",
    "F1Score",
    "InListValueCount",
    "InRangeValueCount",
    "LogLoss",
    "MaxValue",
    "MeanError",
    "MeanInNSigmas",
    "MeanValue",
    "MedianValue",
    "MinValue",
    "MissingValueCount",
    "MulticlassClassification",
    "OutListValueCount",
    "OutRangeValueCount",
    "Precision",
    "PrecisionByLabel",
    "PredictionDriftPreset",
    "Preset",
    "QuantileValue",
    "R2Score",
    "Recall",
    "RecallByLabel",
    "ReferenceValue",
    "Regression",
    "RegressionPreset",
    "Report",
    "RocAuc",
    "RocAucByLabel",
    "RowCount",
    "SeriesReport",
    "Snapshot",
    "StdValue",
    "TargetDriftPreset",
    "TestSuite",
    "UniqueValueCount",
    "ValueDrift",
    "ValueStats",
    "check",
    "column_mapping",
    "diagnose",
    "eq",
    "gt",
    "gte",
    "in_range",
    "is_in",
    "lt",
    "lte",
    "no_drift",
    "not_eq",
    "not_in",
    "render_html",
]
