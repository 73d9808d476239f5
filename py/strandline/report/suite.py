"""Tests by Evidently's older names: `TestSuite`, and a ``Test…`` for each metric that had one.

They are the same metrics with conditions, and a suite is a report that includes tests:
``TestMeanValue("age", lt=40)`` is ``MeanValue("age", tests=[lt(40)])``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from strandline.report import conditions, drift, metrics, presets, quality
from strandline.report.conditions import Condition
from strandline.report.metrics import Metric
from strandline.report.report import Item, Report

_CONDITIONS: Final[Mapping[str, Callable[..., Condition]]] = {
    name: getattr(conditions, name)
    for name in ("eq", "not_eq", "gt", "gte", "lt", "lte", "is_in", "not_in")
}
_ARGUMENTS: Final = {
    "column_name": "column",
    "stattest": "method",
    "stattest_threshold": "threshold",
}


class TestSuite(Report):
    """A report whose every metric is tested."""

    __test__ = False

    def __init__(self, tests: Iterable[Item], **options: Any) -> None:
        super().__init__(tests, include_tests=True, **options)


class OldTest:
    """A metric under the name of its test; called, it makes the metric with its conditions."""

    def __init__(self, name: str, metric: type[Metric], share: bool) -> None:
        self.__name__ = name
        self.metric = metric
        self._share = share

    def __call__(self, *args: Any, is_critical: bool = True, **given: Any) -> Metric:
        """Positional and named arguments are the metric's (``column_name`` is its ``column``);
        ``eq``, ``not_eq``, ``gt``, ``gte``, ``lt``, ``lte``, ``is_in`` and ``not_in`` are conditions.
        Without any the default ones hold.
        """
        options = {k: v for k, v in given.items() if k not in _CONDITIONS}
        tests = [
            _CONDITIONS[name](bound, is_critical=is_critical)
            for name, bound in given.items()
            if name in _CONDITIONS
        ]
        options = {_ARGUMENTS.get(name, name): value for name, value in options.items()}
        if tests:
            options["share_tests" if self._share else "tests"] = tests
        return self.metric(*args, **options)

    def __repr__(self) -> str:
        return f"<{self.__name__}: {self.metric.__name__}>"


_OLD: Final[dict[str, tuple[type[Metric], bool]]] = {
    "TestColumnDrift": (drift.ValueDrift, False),
    "TestNumberOfDriftedColumns": (drift.DriftedColumnsCount, False),
    "TestShareOfDriftedColumns": (drift.DriftedColumnsCount, True),
    "TestNumberOfRows": (metrics.RowCount, False),
    "TestNumberOfColumns": (metrics.ColumnCount, False),
    "TestNumberOfMissingValues": (metrics.DatasetMissingValueCount, False),
    "TestShareOfMissingValues": (metrics.DatasetMissingValueCount, True),
    "TestNumberOfColumnsWithMissingValues": (metrics.ColumnsWithMissingValuesCount, False),
    "TestShareOfColumnsWithMissingValues": (metrics.ColumnsWithMissingValuesCount, True),
    "TestColumnNumberOfMissingValues": (metrics.MissingValueCount, False),
    "TestColumnShareOfMissingValues": (metrics.MissingValueCount, True),
    "TestNumberOfConstantColumns": (metrics.ConstantColumnsCount, False),
    "TestNumberOfEmptyColumns": (metrics.EmptyColumnsCount, False),
    "TestColumnValueMin": (metrics.MinValue, False),
    "TestColumnValueMax": (metrics.MaxValue, False),
    "TestColumnValueMean": (metrics.MeanValue, False),
    "TestColumnValueMedian": (metrics.MedianValue, False),
    "TestColumnValueStd": (metrics.StdValue, False),
    "TestColumnQuantile": (metrics.QuantileValue, False),
    "TestNumberOfUniqueValues": (metrics.UniqueValueCount, False),
    "TestUniqueValuesShare": (metrics.UniqueValueCount, True),
    "TestMeanInNSigmas": (metrics.MeanInNSigmas, False),
    "TestNumberOfOutRangeValues": (metrics.OutRangeValueCount, False),
    "TestShareOfOutRangeValues": (metrics.OutRangeValueCount, True),
    "TestNumberOfOutListValues": (metrics.OutListValueCount, False),
    "TestShareOfOutListValues": (metrics.OutListValueCount, True),
    "TestAccuracyScore": (quality.Accuracy, False),
    "TestPrecisionScore": (quality.Precision, False),
    "TestRecallScore": (quality.Recall, False),
    "TestF1Score": (quality.F1Score, False),
    "TestRocAuc": (quality.RocAuc, False),
    "TestLogLoss": (quality.LogLoss, False),
    "TestTPR": (quality.TPR, False),
    "TestTNR": (quality.TNR, False),
    "TestFPR": (quality.FPR, False),
    "TestFNR": (quality.FNR, False),
    "TestPrecisionByClass": (quality.PrecisionByLabel, False),
    "TestRecallByClass": (quality.RecallByLabel, False),
    "TestF1ByClass": (quality.F1ByLabel, False),
    "TestValueMAE": (quality.MAE, False),
    "TestValueRMSE": (quality.RMSE, False),
    "TestValueR2Score": (quality.R2Score, False),
    "TestValueMeanError": (quality.MeanError, False),
}

OLD_TESTS: Final[Mapping[str, Callable[..., Metric]]] = {
    name: OldTest(name, *rest) for name, rest in _OLD.items()
}

OLD_PRESETS: Final[Mapping[str, type[presets.Preset]]] = {
    "DataDriftTestPreset": presets.DataDriftPreset,
    "DataQualityTestPreset": presets.DataSummaryPreset,
    "DataStabilityTestPreset": presets.DataSummaryPreset,
    "NoTargetPerformanceTestPreset": presets.PredictionDriftPreset,
    "BinaryClassificationTestPreset": presets.ClassificationPreset,
    "MulticlassClassificationTestPreset": presets.ClassificationPreset,
    "RegressionTestPreset": presets.RegressionPreset,
}
