"""Reports on whatever they are run on, against pandas, SciPy and scikit-learn on the raw rows."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from referencing import Registry, Resource
from scipy import stats
from sklearn import metrics as sk

from strandline.bundle.errors import InputError
from strandline.drift import Profile, Reference, WireError, result, wire
from strandline.drift.quality import Quality
from strandline.report import (
    MAE,
    Accuracy,
    BinaryClassification,
    CategoryCount,
    ClassificationPreset,
    ColumnCount,
    ConstantColumnsCount,
    DataDefinition,
    DataDriftPreset,
    Dataset,
    DataSummaryPreset,
    DriftedColumnsCount,
    InRangeValueCount,
    LogLoss,
    MaxValue,
    MeanValue,
    MedianValue,
    MinValue,
    MissingValueCount,
    OutListValueCount,
    OutRangeValueCount,
    PredictionDriftPreset,
    QuantileValue,
    Regression,
    RegressionPreset,
    Report,
    RocAuc,
    RowCount,
    Snapshot,
    StdValue,
    TargetDriftPreset,
    UniqueValueCount,
    ValueDrift,
    column_mapping,
    gt,
    in_range,
    lt,
)

from .examples import DEFINITION, everything, labelled


def flights(seed, shift=0.0, n=2000):
    rng = np.random.default_rng(seed)
    delay = rng.exponential(10 + shift, n).round(1)
    delay[: n // 20] = np.nan
    return pd.DataFrame(
        {
            "distance": rng.normal(800, 200, n).round(),
            "delay": delay,
            "airline": rng.choice(["WN", "DL", "AA"], n, p=[0.5, 0.3, 0.2]),
        }
    )


BEFORE, AFTER = flights(1), flights(2, shift=10)


def features(snapshot):
    return {one["name"]: one for one in snapshot.document["features"]}


def value(snapshot, identity, side="current"):
    return snapshot.metrics[identity][side]["value"]


def given_as(kind, frame, folder, name):
    if kind == "polars":
        return pl.from_pandas(frame)
    if kind == "pyarrow":
        return pa.Table.from_pandas(frame)
    if kind == "columns":
        return {column: frame[column].tolist() for column in frame}
    if kind == "rows":
        return frame.astype(object).where(frame.notna(), None).to_dict("records")
    if kind == "csv":
        frame.to_csv(folder / f"{name}.csv", index=False)
        return folder / f"{name}.csv"
    if kind == "parquet":
        frame.to_parquet(folder / f"{name}.parquet")
        return str(folder / f"{name}.parquet")
    return Dataset.from_pandas(frame)


KINDS = ["polars", "pyarrow", "columns", "rows", "csv", "parquet", "dataset"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same_document(kind, tmp_path):
    report = Report([DataDriftPreset(), DataSummaryPreset()], include_tests=True)
    plain = report.run(AFTER, BEFORE).dict()
    now, then = (given_as(kind, f, tmp_path, n) for f, n in ((AFTER, "after"), (BEFORE, "before")))
    assert {**report.run(now, then).dict(), "about": {}} == plain


def test_profiles_give_what_their_rows_give():
    reference = Reference.from_columns(BEFORE, bins=200, latency=False)
    profile = Profile.from_rows(AFTER, reference)
    report = Report([DataDriftPreset()])
    plain = report.run(AFTER, BEFORE).dict()
    assert report.run(profile).dict() == plain
    assert report.run(profile, reference).dict() == plain
    assert report.run(AFTER, reference).dict() == plain
    assert plain["features"] == result(reference, profile)["features"]
    swapped = report.run(Profile.from_rows(BEFORE, reference), profile)
    assert swapped.document["reference_rows"] == len(AFTER)
    ks = features(swapped)["delay"]["statistics"][0]
    raw = stats.ks_2samp(AFTER.delay.dropna(), BEFORE.delay.dropna()).statistic
    assert ks["low"] <= raw <= ks["high"]


def test_drift_holds_scipys_values():
    found = Report([DataDriftPreset()]).run(AFTER, BEFORE)
    assert found.drifted == ("delay",)
    assert found.exit_code == 1
    for name in ("distance", "delay"):
        raw = stats.ks_2samp(AFTER[name].dropna(), BEFORE[name].dropna()).statistic
        measured = found.metrics[f"ValueDrift(column={name})"]["current"]
        assert measured["low"] - 1e-12 <= raw <= measured["high"] + 1e-12
    table = [frame.airline.value_counts().sort_index() for frame in (BEFORE, AFTER)]
    raw = stats.chi2_contingency(table, correction=False).statistic
    assert value(found, "ValueDrift(column=airline)") == pytest.approx(raw)
    count = found.metrics["DriftedColumnsCount(drift_share=0.5)"]["current"]
    assert (count["value"], count["share"]) == (1, pytest.approx(1 / 3))


def test_summary_holds_pandas_values():
    wanted = [
        RowCount(),
        ColumnCount(),
        MissingValueCount("delay"),
        MinValue("delay"),
        MaxValue("delay"),
        MeanValue("delay"),
        StdValue("delay"),
        MedianValue("delay"),
        QuantileValue("delay", 0.9),
        InRangeValueCount("delay", 5, 20),
        OutRangeValueCount("delay"),
        UniqueValueCount("delay"),
        UniqueValueCount("airline"),
        CategoryCount("airline", "DL"),
        OutListValueCount("airline", ["DL", "AA"]),
        ConstantColumnsCount(),
    ]
    found = Report(wanted).run(AFTER, BEFORE)
    delay = AFTER.delay.dropna()
    outside = ~delay.between(BEFORE.delay.min(), BEFORE.delay.max())
    raw = [
        len(AFTER),
        3,
        AFTER.delay.isna().sum(),
        delay.min(),
        delay.max(),
        delay.mean(),
        delay.std(),
        delay.median(),
        delay.quantile(0.9),
        delay.between(5, 20).sum(),
        outside.sum(),
        delay.nunique(),
        3,
        (AFTER.airline == "DL").sum(),
        (AFTER.airline == "WN").sum(),
        0,
    ]
    assert len(found.metrics) == len(raw)
    for metric, expected in zip(wanted, raw, strict=True):
        measured = found.metrics[metric.id]["current"]
        low, high = measured.get("low", measured["value"]), measured.get("high", measured["value"])
        slack = 1e-12 * max(1, abs(expected))
        assert low - slack <= expected <= high + slack, metric
    assert "low" not in found.metrics["OutRangeValueCount(column=delay)"]["current"]
    assert value(found, "MeanValue(column=delay)", "reference") == pytest.approx(
        BEFORE.delay.mean()
    )


def test_models_hold_scikit_learns_values():
    now, then = labelled(2, 1.0), labelled(1, 0.0)
    found = Report([ClassificationPreset(), RegressionPreset(model="delay")]).run(
        now, then, data_definition=DEFINITION
    )
    for side, frame in (("current", now), ("reference", then)):
        truth = frame.late == "yes"
        guess = frame.guess == "yes"
        expected = {
            "Accuracy": sk.accuracy_score(truth, guess),
            "Precision": sk.precision_score(truth, guess),
            "Recall": sk.recall_score(truth, guess),
            "F1Score": sk.f1_score(truth, guess),
            "LogLoss": sk.log_loss(truth, frame.p.clip(2.0**-52, 1 - 2.0**-52)),
            "BrierScore": sk.brier_score_loss(truth, frame.p),
        }
        for name, raw in expected.items():
            assert value(found, f"{name}(model=default)", side) == pytest.approx(raw, abs=1e-6)
        auc = found.metrics["RocAuc(model=default)"][side]
        assert auc["low"] <= sk.roc_auc_score(truth, frame.p) <= auc["high"]
        expected = {
            "MAE": sk.mean_absolute_error(frame.minutes, frame.expected),
            "RMSE": sk.root_mean_squared_error(frame.minutes, frame.expected),
            "R2Score": sk.r2_score(frame.minutes, frame.expected),
            "MeanError": (frame.expected - frame.minutes).mean(),
        }
        for name, raw in expected.items():
            assert value(found, f"{name}(model=delay)", side) == pytest.approx(raw, rel=1e-6)
    binary, regression = found.document["models"]
    confusion = sk.confusion_matrix(now.late, now.guess, labels=["no", "yes"])
    assert [row[:2] for row in binary["current"]["confusion"][:2]] == confusion.tolist()
    (curve,) = binary["current"]["curves"]
    fpr, tpr = zip(*curve["roc"], strict=True)
    assert np.trapezoid(tpr, fpr) == pytest.approx(
        sk.roc_auc_score(now.late == "yes", now.p), abs=0.01
    )
    total = sum(group["rows"] for group in curve["calibration"])
    positives = sum(group["rows"] * group["share"] for group in curve["calibration"])
    assert (total, round(positives)) == (len(now), (now.late == "yes").sum())
    assert sum(regression["errors"]["current"]) == pytest.approx(1, abs=1e-4)


def test_a_reference_with_labels_knows_its_model():
    now, then = labelled(2, 1.0), labelled(1, 0.0)
    quality = Quality.from_table(then, "binary", "late", "guess", "p", positive="yes")
    reference = Reference.from_columns(then, quality=quality)
    profile = Profile.from_rows(now, reference)
    profile.label({name: now[name].tolist() for name in ("late", "guess", "p")})
    report = Report([ClassificationPreset()], include_tests=True)
    from_rows = report.run(now, then, data_definition=DEFINITION)
    for found in (report.run(profile), report.run(now, reference)):
        for side in ("current", "reference"):
            for name in ("Accuracy", "Recall", "LogLoss"):
                identity = f"{name}(model=default)"
                assert value(found, identity, side) == value(from_rows, identity, side)
    assert "Confusion, current" in report.run(profile).html()


def test_labels_that_come_later():
    now = labelled(2, 1.0).drop(columns=["late"])
    found = Report([ClassificationPreset(), PredictionDriftPreset()], include_tests=True).run(
        now, labelled(1, 0.0), data_definition=DEFINITION
    )
    assert found.metrics["Accuracy(model=default)"]["current"] is None
    assert {"guess", "p"} <= features(found).keys()
    assert "have not come yet" in found.html()


def test_methods_and_thresholds():
    preset = DataDriftPreset(
        method="psi",
        cat_method="TVD",
        per_column_method={"delay": "wasserstein"},
        per_column_threshold={"delay": 5.0},
        threshold=0.2,
    )
    found = features(Report([preset]).run(AFTER, BEFORE))
    first = {name: one["statistics"][0] for name, one in found.items()}
    deciding = {name: (s["method"], s["floor"]) for name, s in first.items()}
    assert deciding == {
        "distance": ("psi", 0.2),
        "delay": ("wasserstein", 5.0),
        "airline": ("tvd", 0.2),
    }
    assert found["delay"]["verdict"] == "no drift"
    only = Report([DataDriftPreset(method=("psi",))]).run(AFTER, BEFORE)
    assert [len(one["statistics"]) for one in only.document["features"]] == [1, 1, 1]
    with pytest.raises(ValueError, match=r"there is no statistic nonsense; there are .*ks"):
        Report([ValueDrift("delay", method="nonsense")]).run(AFTER, BEFORE)


def test_tests_of_other_columns_do_not_count():
    """One column alone is one test: Benjamini-Hochberg has nothing to adjust."""
    alone = Report([ValueDrift("distance")]).run(AFTER, BEFORE)
    assert features(alone).keys() == {"distance"}
    (feature,) = alone.document["features"]
    assert feature["p_value"] == feature["statistics"][0]["p_value"]
    together = Report([DataDriftPreset(columns=["distance"]), DataSummaryPreset()])
    found = features(together.run(AFTER, BEFORE))
    assert found["distance"]["p_value"] == feature["p_value"]
    assert found["delay"]["verdict"] == "no data"


def test_segments_and_counters_are_shown():
    reference = Reference.from_columns(BEFORE, segments=["airline"], counters=["bookings"])
    profile = Profile.from_rows(AFTER, reference)
    profile.count("bookings", 1234)
    found = Report([DataDriftPreset()]).run(profile)
    published().validate(json.loads(found.json()))
    assert found.document["counters"] == {"bookings": 1234}
    assert {one["value"] for one in found.document["segments"]} >= {"WN", "DL", "AA"}
    page = found.html()
    assert "Segments by airline" in page and "<b>WN</b>" in page
    two = Report([DataDriftPreset()]).run(profile, Profile.from_rows(BEFORE, reference))
    assert two.document["segments"] == found.document["segments"]
    assert two.document["counters"] == {"bookings": 1234}
    one = Report([ValueDrift("distance")]).run(profile)
    assert {tuple(f["name"] for f in s["features"]) for s in one.document["segments"]} == {
        ("distance",)
    }
    assert "1,234" in page


def test_one_table_is_described():
    found = Report([DataSummaryPreset()], include_tests=True).run(AFTER)
    assert (found.document["reference_rows"], found.drifted) == (0, ())
    assert value(found, "MeanValue(column=delay)") == pytest.approx(AFTER.delay.mean())
    assert found.failed == ()
    page = found.html()
    assert "2,000 rows, described" not in page
    assert "All " in page and "reference" not in page.split("<main")[1].split("<footer")[0]
    with pytest.raises(InputError, match="DataDriftPreset needs a reference to compare with"):
        Report([DataDriftPreset()]).run(AFTER)


def test_include_tests_and_exit_codes():
    report = Report([DataDriftPreset(drift_share=0.3), DataSummaryPreset()], include_tests=True)
    same = report.run(BEFORE.sample(frac=1, random_state=0), BEFORE)
    assert (same.failed, same.exit_code) == ((), 0)
    broken = AFTER.assign(airline="XX")
    broken.loc[:900, "distance"] = np.nan
    found = report.run(broken, BEFORE)
    assert found.exit_code == 1
    assert {
        "Columns that drifted",
        "Drift of delay",
        "Missing values in distance",
        "Values of airline outside the list",
    } <= set(found.failed)


def test_conditions_of_ones_own():
    found = Report(
        [
            MeanValue("delay", tests=[lt(15), gt(100, is_critical=False)]),
            MissingValueCount("delay", share_tests=[lt(0.1)]),
            InRangeValueCount("delay", 0, 12.34, share_tests=[in_range(0.4, 0.5)]),
            DriftedColumnsCount(),
        ]
    ).run(AFTER, BEFORE)
    statuses = {(test["name"], test["condition"]): test["status"] for test in found.tests}
    assert statuses == {
        ("Mean of delay", "< 15"): "FAIL",
        ("Mean of delay", "> 100"): "WARNING",
        ("Missing values in delay", "< 10 %"): "SUCCESS",
        ("Values of delay within the range", "40 % to 50 %"): "SUCCESS",
    }
    assert found.exit_code == 1


def test_definitions():
    mapping = column_mapping(
        target="late", prediction="guess", task="classification", numerical_features=["p"]
    )
    assert mapping == DataDefinition(
        numerical_columns=["p"],
        classification=[BinaryClassification(target="late", prediction_labels="guess")],
    )
    assert column_mapping(target="y", prediction="z", task="regression").regression == [
        Regression(target="y", prediction="z")
    ]
    frame = AFTER.assign(
        key=range(len(AFTER)), when=pd.date_range("2024-01-01", periods=len(AFTER))
    )
    before = BEFORE.assign(key=range(len(BEFORE)), when=pd.date_range("2023", periods=len(BEFORE)))
    plain = Report([DataDriftPreset()]).run(
        frame, before, data_definition=DataDefinition(id_column="key")
    )
    assert features(plain).keys() == {"distance", "delay", "airline"}
    assert plain.document["about"]["dates, left out"] == "when"
    named = DataDefinition(datetime_columns=["when"], categorical_columns=["key"])
    found = features(Report([DataDriftPreset()]).run(frame, before, data_definition=named))
    assert (found["when"]["kind"], found["key"]["kind"]) == ("datetime", "categorical")
    assert (
        "2024-01-01"
        in Report([DataSummaryPreset()]).run(frame, before, data_definition=named).html()
    )
    with pytest.raises(ValueError, match="'a' is named with two kinds"):
        DataDefinition(numerical_columns=["a"], categorical_columns=["a"])


def test_texts_are_compared_by_what_describes_them():
    rng = np.random.default_rng(0)
    words = ["late", "early", "rain", "snow", "crew", "gate"]

    def comments(length):
        return {"comment": [" ".join(rng.choice(words, length + k % 3)) for k in range(400)]}

    definition = DataDefinition(text_columns=["comment"])
    found = Report([DataDriftPreset()], include_tests=True).run(
        comments(12), comments(4), data_definition=definition
    )
    assert found.failed == ("Columns that drifted", "Drift of comment")
    assert value(found, "DriftedColumnsCount(drift_share=0.5)") == 1
    assert all(name.startswith("comment: ") for name in features(found))


def test_vectors_are_compared_whole_and_by_their_norms(tmp_path):
    rng = np.random.default_rng(0)

    def embedded(moved):
        vectors = rng.normal(moved, 1, (400, 6))
        return pd.DataFrame({"embedding": [json.dumps(v.tolist()) for v in vectors]})

    report = Report([DataDriftPreset(num_threshold=9), DataSummaryPreset()], include_tests=True)
    found = report.run(embedded(0.5), embedded(0))
    assert "Drift of embedding" in found.failed
    assert list(features(found)) == ["embedding", "embedding: norm"]
    mmd = features(found)["embedding"]["statistics"][0]
    assert (mmd["method"], mmd["verdict"]) == ("mmd", "drift")
    assert value(found, "ConstantColumnsCount()") == 0
    found.save_html(tmp_path / "report.html")
    assert "Maximum mean discrepancy is" in (tmp_path / "report.html").read_text()


def test_target_drift_needs_to_know_the_target():
    with pytest.raises(InputError, match="TargetDriftPreset needs to know targets"):
        Report([TargetDriftPreset()]).run(AFTER, BEFORE)
    found = Report([TargetDriftPreset(columns=["delay"])]).run(AFTER, BEFORE)
    assert features(found).keys() == {"delay"}
    found = Report([TargetDriftPreset()]).run(
        labelled(2, 1.0), labelled(1, 0.0), data_definition=DEFINITION
    )
    assert features(found).keys() == set(DEFINITION.outputs)
    assert {one["role"] for one in found.document["features"]} == {"output"}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([MeanValue("airline")], "MeanValue is for numbers, 'airline' is categorical"),
        ([MeanValue("nothing")], "the reference has no column 'nothing'; it has distance"),
        ([CategoryCount("delay", "x")], "CategoryCount is for categories, 'delay' is numeric"),
        ([Accuracy()], "Accuracy needs a DataDefinition with a model 'default'"),
        ([ClassificationPreset()], "needs a DataDefinition with a classification 'default'"),
        ([RegressionPreset(model="x")], "needs a DataDefinition with a regression 'x'"),
    ],
)
def test_errors_say_what_to_do(items, message):
    with pytest.raises(InputError, match=message):
        Report(items).run(AFTER, BEFORE)


def test_more_errors():
    with pytest.raises(InputError, match="LogLoss is not for the model 'several'; it has accuracy"):
        Report([LogLoss("several")]).run(
            labelled(2, 1.0), labelled(1, 0.0), data_definition=DEFINITION
        )
    for metric in (RocAuc("nobody"), MAE("nobody")):
        with pytest.raises(InputError, match="model 'nobody'"):
            Report([metric]).run(AFTER, BEFORE)
    with pytest.raises(TypeError, match="write DataDriftPreset"):
        Report([DataDriftPreset])
    with pytest.raises(InputError, match="no rows: there is nothing to compare"):
        Report([DataDriftPreset()]).run(AFTER.iloc[:0], BEFORE)
    other = Reference.from_columns({"x": [1.0, 2.0]})
    with pytest.raises(InputError, match="the profile belongs to another reference"):
        Report([DataDriftPreset()]).run(Profile(other), Reference.from_columns(BEFORE))
    with pytest.raises(InputError, match=r"a report ends in .html or .json"):
        Report([DataDriftPreset()]).run(AFTER, BEFORE).write("x.pdf")


def published():
    """The published schemas, as the official validator takes them."""
    names = ("drift-1", "metrics-1", "profile-1")
    resources = [(f"{name}.json", Resource.from_contents(wire.schema(name))) for name in names]
    registry = Registry().with_resources(resources)
    return jsonschema.Draft202012Validator(wire.schema("drift-1"), registry=registry)


def test_the_document_follows_the_published_schema():
    document = json.loads(everything().json())
    published().validate(document)
    wire.check(document, wire.RESULT)
    document["tests"][0]["status"] = "MAYBE"
    with pytest.raises(jsonschema.ValidationError):
        published().validate(document)
    with pytest.raises(WireError, match=r"tests\[0\].status"):
        Snapshot.load(document)


def test_json_comes_back_as_the_same_page(tmp_path):
    found = everything()
    found.save_json(tmp_path / "report.json")
    for source in (
        tmp_path / "report.json",
        str(tmp_path / "report.json"),
        found.json(),
        found.dict(),
    ):
        back = Report.load(source)
        assert back.html() == found.html()
        assert (back.failed, back.exit_code) == (found.failed, found.exit_code)
    with pytest.raises(WireError, match="the report is not JSON"):
        Report.load("{nonsense")


def test_a_monitor_gives_the_same_document_window_by_window():
    reference = Reference.from_columns(BEFORE)
    report = Report([DataDriftPreset()], include_tests=True)
    windows = []
    monitor = report.monitor(reference, windows.append, rows=500)
    for start in range(0, len(AFTER), 100):
        monitor.update(AFTER.iloc[start : start + 100].to_dict("list"))
    assert len(windows) == 4
    for k, window in enumerate(windows):
        rows = AFTER.iloc[500 * k : 500 * (k + 1)]
        assert window.dict() == report.run(Profile.from_rows(rows, reference)).dict()
        published().validate(json.loads(window.json()))
