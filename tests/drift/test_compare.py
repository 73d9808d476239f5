from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats as scipy_stats

from strandline.drift import METHODS, Criteria, Profile, Reference, compare, result, wire
from strandline.drift.compare import DEFAULT_METHODS
from strandline.drift.multiple import benjamini_hochberg, threshold


def frozen(rng, n=4000):
    return Reference.from_columns(
        {
            "speed": rng.normal(10, 2, n),
            "delay": rng.integers(0, 6, n) * 1.0,
            "airline": rng.choice(["WN", "DL", "AA"], n, p=[0.5, 0.3, 0.2]).tolist(),
            "late": (rng.random(n) < 0.2).tolist(),
        },
        roles={"late": "output"},
        kinds={"delay": "numeric"},
    )


def rows(rng, n=4000, **changed):
    table = {
        "speed": rng.normal(10, 2, n),
        "delay": rng.integers(0, 6, n) * 1.0,
        "airline": rng.choice(["WN", "DL", "AA"], n, p=[0.5, 0.3, 0.2]).tolist(),
        "late": (rng.random(n) < 0.2).tolist(),
    }
    return table | changed


def verdicts(found):
    return {one.name: one.verdict for one in found}


def test_finds_what_drifted_and_nothing_else():
    rng = np.random.default_rng(0)
    reference = frozen(rng)
    table = rows(rng, speed=rng.normal(11, 2, 4000), airline=["WN"] * 2000 + ["XX"] * 2000)
    found = compare(reference, Profile.from_rows(table, reference))
    assert verdicts(found) == {
        "speed": "drift",
        "delay": "no drift",
        "airline": "drift",
        "late": "no drift",
        "latency_ms": "no data",
    }
    assert [s.method for s in found[0].statistics] == [
        "ks",
        "chisquare",
        "psi",
        "jensenshannon",
        "wasserstein",
    ]
    assert [s.method for s in found[2].statistics] == ["chisquare", "psi", "jensenshannon"]
    assert found[0]["ks"].value == pytest.approx(0.2, abs=0.04)
    with pytest.raises(KeyError):
        found[2]["ks"]


def test_a_pipeline_fault_is_drift_though_the_values_are_the_same():
    rng = np.random.default_rng(1)
    reference = frozen(rng)
    table = rows(rng)
    table["speed"][:400] = np.nan
    found = compare(reference, Profile.from_rows(table, reference))[0]
    assert found["ks"].verdict == "no drift"
    assert found["missing"].verdict == found.verdict == "drift"
    assert found["missing"].value == pytest.approx(0.1)


def test_significant_is_not_enough():
    rng = np.random.default_rng(2)
    n = 200_000
    reference = Reference.from_columns({"x": rng.normal(size=n)})
    profile = Profile.from_rows({"x": rng.normal(0.03, 1, n)}, reference)
    found = compare(reference, profile)[0]
    assert found.p_value < 1e-6
    assert found.verdict == "no drift"
    assert compare(reference, profile, floors={"ks": 0.005})[0].verdict == "drift"


def test_says_when_the_bins_cannot_tell():
    reference = Reference.from_columns({"x": np.linspace(0, 1, 10_000)}, bins=4)
    inside = np.linspace(0, 1, 401)[:-1]
    inside[100:200], inside[200:300] = 0.2501, 0.5001
    found = compare(reference, Profile.from_rows({"x": inside}, reference), methods=["ks"])[0]
    assert found["ks"].low < 0.05 < 0.2 < found["ks"].high
    assert found.verdict == "bins cannot tell"


def test_many_features_are_one_family():
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(60):
        reference = Reference.from_columns({f"x{i}": rng.normal(size=300) for i in range(20)})
        profile = Profile.from_rows({f"x{i}": rng.normal(size=300) for i in range(20)}, reference)
        found = compare(reference, profile, methods=["chisquare"], floors={"chisquare": 0})
        alarms += any(one.verdict == "drift" for one in found)
    assert alarms <= scipy_stats.binom(60, 0.05).ppf(0.9999)


def test_the_first_method_decides():
    rng = np.random.default_rng(4)
    reference = frozen(rng)
    profile = Profile.from_rows(rows(rng, speed=rng.normal(10.9, 2, 4000)), reference)
    found = compare(reference, profile, methods=["psi", "ks"])
    assert [s.method for s in found[0].statistics] == ["psi", "ks"]
    assert found[0].verdict == found[0]["psi"].verdict


@pytest.mark.parametrize("options", [{"methods": ["kss"]}, {"alpha": 0}, {"alpha": 1.5}])
def test_refuses(options):
    reference = frozen(np.random.default_rng(0), 10)
    with pytest.raises(ValueError, match=r"no statistic kss; there are|alpha must lie"):
        compare(reference, Profile(reference), **options)


def test_refuses_a_profile_of_another_reference():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="another reference"):
        compare(frozen(rng), Profile(frozen(rng)))


EXTREMES = {
    "nothing": {"x": [1.5, 2.5], "c": ["a", "b"]},
    "empty columns": {"x": [None, None], "c": [None, ""]},
    "constant": {"x": [3.0] * 50, "c": ["a"] * 50},
    "huge": {"x": [1e308, -1e308, 5e-324], "c": ["a", "b", "c"]},
}


@pytest.mark.parametrize("then", EXTREMES)
@pytest.mark.parametrize("now", [*EXTREMES, None])
def test_the_result_is_a_document_of_its_schema(then, now):
    reference = Reference.from_columns(EXTREMES[then], kinds={"x": "numeric", "c": "categorical"})
    profile = Profile(reference)
    if now is not None:
        profile.update(EXTREMES[now] | {"latency_ms": [1.0, 20.0]})
    document = result(reference, profile)
    again = json.loads(json.dumps(document, allow_nan=False))
    wire.check(again, wire.RESULT)
    for one in again["features"]:
        assert len(one["bins"]) == len(one["reference"]) == len(one["current"])
        for shares in (one["reference"], one["current"]):
            assert not any(shares) or sum(shares) == pytest.approx(1, abs=1e-4)


def test_values_are_there_for_quick_reading():
    rng = np.random.default_rng(0)
    reference = frozen(rng)
    document = result(reference, Profile.from_rows(rows(rng), reference))
    assert (document["rows"], document["reference_rows"], document["drifted"]) == (4000, 4000, 0)
    speed = document["features"][0]
    values = {s["method"]: s["value"] for s in speed["statistics"]}
    fitting = [name for name in DEFAULT_METHODS if "numeric" in METHODS[name].kinds]
    assert values == {name: speed[name] for name in fitting}
    assert values.keys() <= METHODS.keys()


def test_benjamini_hochberg_is_scipys():
    rng = np.random.default_rng(5)
    for m in (1, 2, 30):
        p_values = (rng.random(m) ** 3).tolist()
        expected = scipy_stats.false_discovery_control(p_values)
        assert benjamini_hochberg(p_values) == pytest.approx(expected.tolist())
        level = threshold(p_values, 0.1)
        assert [p <= level for p in p_values] == [q <= 0.1 for q in expected] or level == 0.1 / m
    assert benjamini_hochberg([]) == []
    assert threshold([], 0.05) == 0.05


def test_a_feature_may_have_criteria_of_its_own():
    rng = np.random.default_rng(5)
    reference = frozen(rng)
    profile = Profile.from_rows(rows(rng, speed=rng.normal(11, 2, 4000)), reference)
    own = {"speed": Criteria(["wasserstein", "psi"], {"wasserstein": 2.0})}
    speed, delay, *_ = compare(reference, profile, methods=["ks"], per_feature=own)
    assert [s.method for s in speed.statistics] == ["wasserstein", "psi"]
    assert (speed.verdict, speed["wasserstein"].floor) == ("no drift", 2.0)
    assert [s.method for s in delay.statistics] == ["ks"]
    with pytest.raises(ValueError, match="no feature 'nonsense'"):
        compare(reference, profile, per_feature={"nonsense": Criteria()})
    with pytest.raises(ValueError, match="no statistic madness"):
        compare(reference, profile, per_feature={"speed": Criteria(["madness"])})
