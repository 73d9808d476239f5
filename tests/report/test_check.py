from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from strandline.bundle.errors import InputError
from strandline.drift import wire
from strandline.report import check


@pytest.fixture
def tables(tmp_path):
    rng = np.random.default_rng(0)

    def write(name, shift):
        n = 2000
        frame = pd.DataFrame(
            {
                "speed": rng.normal(10 + shift, 2, n).round(3),
                "airline": rng.choice(["WN", "DL", "NA"], n),
                "day": pd.date_range("2015-01-01", periods=n).strftime("%Y-%m-%d"),
                name: 1.0,
            }
        )
        frame.loc[:20, "speed"] = None
        frame.to_csv(tmp_path / f"{name}.csv")
        frame.to_csv(tmp_path / f"{name}.csv.gz", index=False)
        frame.to_parquet(tmp_path / f"{name}.parquet")
        return tmp_path / f"{name}.csv"

    return write("before", 0), write("same", 0), write("after", 1)


def test_nothing_drifted(tables):
    before, same, _ = tables
    report = check(before, same)
    assert (report.exit_code, report.drifted) == (0, ())
    features = {one["name"]: one["kind"] for one in report.document["features"]}
    assert features == {"speed": "numeric", "airline": "categorical"}
    assert report.document["about"] == {
        "title": "same.csv against before.csv",
        "reference": "before.csv",
        "current": "same.csv",
        "only in one of both": "before, same",
        "dates, left out": "day",
    }


def test_something_drifted(tables, tmp_path):
    before, _, after = tables
    page, data = tmp_path / "r.html", tmp_path / "r.json"
    report = check(before, after, outputs=[page, data])
    assert (report.exit_code, report.drifted) == (1, ("speed",))
    document = json.loads(data.read_text("utf-8"))
    wire.check(document, wire.RESULT)
    assert document == report.document
    assert "1 of 2 features drifted" in page.read_text("utf-8")


@pytest.mark.parametrize("ending", [".csv.gz", ".parquet"])
def test_the_same_rows_from_other_files(tables, ending):
    before, _, after = tables
    plain = check(before, after).document
    other = check(*(path.with_suffix(ending) for path in (before, after))).document
    assert other["features"] == plain["features"]


def test_options(tables):
    before, _, after = tables
    report = check(
        before, after, columns=["speed"], methods=["psi"], kinds={"speed": "categorical"}
    )
    (speed,) = report.document["features"]
    assert (speed["kind"], [s["method"] for s in speed["statistics"]]) == ("categorical", ["psi"])


def test_drift_of_one_segment_alone_is_drift():
    rng = np.random.default_rng(3)

    def rows(shift):
        region = rng.choice(["north", "south"], 20_000)
        speed = rng.normal(size=20_000) + shift * (region == "north")
        return {"speed": speed, "region": region}

    before, after = rows(0), rows(0.2)
    without = check(before, after, columns=["speed"], methods=["ks"])
    assert (without.exit_code, without.drifted_segments) == (0, ())
    assert "segments" not in without.document
    found = check(before, after, columns=["speed"], methods=["ks"], segments=["region"])
    assert (found.drifted, found.drifted_segments) == ((), (("region", "north"),))
    assert found.exit_code == 1
    wire.check(found.document, wire.RESULT)
    steady = check(before, rows(0), columns=["speed"], methods=["ks"], segments=["region"])
    assert (steady.exit_code, steady.drifted_segments) == (0, ())
    with pytest.raises(InputError, match="no column 'area'"):
        check(before, after, segments=["area"])


def test_errors_say_what_to_do(tables, tmp_path):
    before, same, _ = tables
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    empty = tmp_path / "empty.csv"
    empty.write_text("speed\n")
    with pytest.raises(InputError, match="no column in common that can be compared"):
        check(before, other)
    with pytest.raises(InputError, match=r"empty.csv has no rows"):
        check(before, empty)
    with pytest.raises(InputError, match=r"same.csv has no column 'before'; it has"):
        check(before, same, columns=["before"])
    with pytest.raises(InputError, match="there is no file"):
        check(before, tmp_path / "absent.csv")
    with pytest.raises(ValueError, match=r"a report ends in .html or .json"):
        check(before, same, outputs=[tmp_path / "r.txt"])
