"""docs/report.md runs as it stands, on real flights; the sample report is what its command makes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import fixtures
import pytest

import strandline.report as report
from strandline.report import Snapshot
from strandline.report.metrics import Metric
from strandline.report.presets import Preset

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "report.md").read_text("utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The names that the page's examples leave behind."""
    first, second = fixtures.flight_delays()
    names = {"first_half": first, "second_half": second}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("docs"))
        for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
            exec(compile(block, "docs/report.md", "exec"), names)
    return names


def test_the_examples_say_what_they_give(run):
    drifted, code = re.findall(r"print\(found\.\w+\)\s+# (.*)", TEXT)
    assert run["found"].drifted == ast.literal_eval(drifted)
    assert run["found"].exit_code == int(code.split(":")[0])


def test_the_three_faces_show_the_same(run):
    windows = run["windows"]
    assert sum(window.document["rows"] for window in windows) == 50_000
    assert all(isinstance(window, Snapshot) for window in windows)
    assert all("AIRLINE" in window.drifted for window in windows)
    assert run["again"].dict() == run["found"].dict()


def test_the_chosen_methods_decide(run):
    features = {one["name"]: one for one in run["chosen"].document["features"]}
    deciding = {name: one["statistics"][0]["method"] for name, one in features.items()}
    assert deciding == {"DISTANCE": "psi", "AIRLINE": "jensenshannon", "TAXI_OUT": "ks"}


def test_every_metric_and_preset_is_named():
    kinds = [getattr(report, name) for name in report.__all__]
    wanted = {
        one.__name__
        for one in kinds
        if isinstance(one, type) and issubclass(one, Metric | Preset) and one is not Preset
    }
    assert {name for name in wanted if f"`{name}" not in TEXT} == set()


def test_the_sample_is_small_and_whole():
    page = (DOCS / "examples/report-flights.html").read_text("utf-8")
    assert len(page.encode()) <= 300_000
    assert {"features", "models", "dataset", "tests"} <= set(
        re.findall(r'<section id="(\w+)"', page)
    )
    assert (DOCS / "img/report.png").stat().st_size <= 200_000
