"""Evidently's older names."""

from __future__ import annotations

import numpy as np
import pytest

import strandline.report as report
from strandline.report import TestSuite
from strandline.report.suite import OLD_PRESETS, OLD_TESTS

rng = np.random.default_rng(0)
BEFORE = {"age": rng.normal(40, 10, 1000), "city": rng.choice(["a", "b"], 1000).tolist()}
AFTER = {"age": rng.normal(50, 10, 1000), "city": [*(["a", "b"] * 450), *([None] * 100)]}


def test_a_suite_passes_and_fails():
    suite = TestSuite(
        [
            report.TestShareOfMissingValues(lt=0.1),
            report.TestColumnShareOfMissingValues(column_name="city", lte=0.05),
            report.TestColumnDrift("age", stattest="psi", stattest_threshold=0.2),
            report.TestColumnValueMean("age", gt=45, lt=55),
            report.TestNumberOfRows(eq=1000),
            report.TestColumnQuantile("age", quantile=0.25, gte=100, is_critical=False),
            report.TestMeanInNSigmas("age", n_sigmas=0.5),
        ]
    )
    found = suite.run(reference_data=BEFORE, current_data=AFTER)
    statuses = [
        (test["metric"].partition("(")[0], test["status"]) for test in found.as_dict()["tests"]
    ]
    assert statuses == [
        ("DatasetMissingValueCount", "SUCCESS"),
        ("MissingValueCount", "FAIL"),
        ("ValueDrift", "FAIL"),
        ("MeanValue", "SUCCESS"),
        ("MeanValue", "SUCCESS"),
        ("RowCount", "SUCCESS"),
        ("QuantileValue", "WARNING"),
        ("MeanInNSigmas", "FAIL"),
    ]
    assert found.exit_code == 1


@pytest.mark.parametrize("name", [*OLD_TESTS, *OLD_PRESETS])
def test_every_old_name_is_there(name):
    assert getattr(report, name) is (OLD_TESTS.get(name) or OLD_PRESETS[name])


def test_old_presets_run():
    found = TestSuite([report.DataDriftTestPreset(), report.DataStabilityTestPreset()]).run(
        AFTER, BEFORE
    )
    assert "Drift of age" in found.failed
    with pytest.raises(AttributeError, match="has no attribute 'TestNonsense'"):
        report.TestNonsense  # noqa: B018
