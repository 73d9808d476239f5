"""A site packed with labels: the frozen quality, and labels that come later."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn import metrics as oracle

from strandline.bundle.edge import Edge
from strandline.bundle.errors import InputError, PackError
from strandline.bundle.pack import Packed
from strandline.bundle.pipeline import open_site
from strandline.drift import Profile
from strandline.drift.quality import Quality
from tests.bundle.models import classifier, regression
from tests.bundle.test_edge import HEADER

Pack = Callable[..., Packed]


def rows_of(n: int, seed: int, kind: str) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    rows = [{"a": draw.gauss(0, 1), "b": draw.gauss(0, 1)} for _ in range(n)]
    for row in rows:
        if kind == "classifier":
            row["truth"] = "yes" if 2 * row["a"] - row["b"] + draw.gauss(0, 1) > 0 else "no"
        else:
            row["truth"] = 2 * row["a"] - row["b"] + 1 + draw.gauss(0, 0.5)
    return rows


def csv(rows: list[dict[str, Any]]) -> str:
    lines = [",".join(map(str, row.values())) for row in rows]
    return "\n".join(["a,b,truth", *lines]) + "\n"


MODELS = {"classifier": lambda path: classifier(path, zipmap=True), "regression": regression}


@pytest.fixture(params=MODELS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def edge(tmp_path: Path, packed: Pack, kind: str) -> Edge:
    packed(MODELS[kind], csv(rows_of(400, 1, kind)), target="truth")
    manifest, read = open_site(tmp_path / "site")
    return Edge(manifest.dumps(), read)


def test_the_references_quality_is_the_models(packed: Pack, kind: str) -> None:
    done = packed(MODELS[kind], csv(rows_of(400, 1, kind)), target="truth")
    assert done.quality is not None and done.left_out == ()
    assert [f.name for f in done.manifest.features] == ["a", "b"]
    rows, found = rows_of(400, 1, kind), done.quality.metrics()
    truth = [row["truth"] for row in rows]
    margin = [row["a"] - row["b"] / 2 for row in rows]
    if kind == "classifier":
        assert done.quality.task.classes == ("no", "yes")  # type: ignore[union-attr]
        predicted = ["yes" if m > 0 else "no" for m in margin]
        assert found["accuracy"].value == oracle.accuracy_score(truth, predicted)
        area = oracle.roc_auc_score([t == "yes" for t in truth], margin)
        assert found["roc_auc"].low <= area <= found["roc_auc"].high  # type: ignore[operator]
    else:
        answers = [2 * m + 1 for m in margin]
        assert found["mae"].value == pytest.approx(
            oracle.mean_absolute_error(truth, answers), rel=1e-5
        )


def test_labels_that_come_later_count_as_if_they_had_been_there(edge: Edge, kind: str) -> None:
    rows = rows_of(50, 2, kind)
    truth = [row.pop("truth") for row in rows]
    first = json.loads(edge.predict(json.dumps(rows[:30])))
    second = json.loads(edge.predict(json.dumps(rows[30:])))
    ids = first["ids"] + second["ids"]
    assert len(set(ids)) == 50 and len(first["ids"]) == 30
    edge.take_window(json.dumps(HEADER))
    assert edge.empty()
    kept = json.loads(json.dumps(first["kept"] + second["kept"]))
    order = random.Random(3).sample(range(50), 50)
    for i in order:
        edge.label(json.dumps([{"kept": kept[i], "label": truth[i]}]))
    assert not edge.empty() and edge.pending() == 0
    report = json.loads(edge.take_window(json.dumps(HEADER)) or "")
    profile = Profile.from_wire(report["profile"], edge.reference)
    quality = edge.reference.quality
    assert quality is not None and profile.quality is not None
    names = edge.judged
    columns = [[row[i] for row in kept] for i in range(len(names))]
    expected = Quality.count(quality.task, truth, columns[0], columns[1:] or None)
    assert profile.quality == expected and expected.n == 50
    told = json.loads(edge.quality() or "")
    assert (told["labels"], told["target"]) == (50, "truth")
    assert told["realised"] == {m.name: m.to_json() for m in expected.metrics().values()}
    assert bool(told["estimated"]) is (kind == "classifier")


@pytest.mark.parametrize("label", [None, "", [], {}, float("nan")])
def test_a_label_that_is_none_is_refused_and_counts_nothing(
    edge: Edge, kind: str, label: Any
) -> None:
    kept = json.loads(edge.predict('[{"a": 1, "b": 2}]'))["kept"][0]
    before = edge.peek_window(json.dumps(HEADER))
    good = {"kept": kept, "label": "yes" if kind == "classifier" else 1.5}
    with pytest.raises(InputError, match="a label of truth must"):
        edge.label(json.dumps([good, {"kept": kept, "label": label}]))
    assert edge.peek_window(json.dumps(HEADER)) == before


def test_a_site_without_target_takes_no_labels(tmp_path: Path, packed: Pack) -> None:
    packed(regression)
    manifest, read = open_site(tmp_path / "site")
    edge = Edge(manifest.dumps(), read)
    assert set(json.loads(edge.predict('[{"a": 1, "b": 2}]'))) == {"rows", "ms"}
    assert edge.quality() is None
    with pytest.raises(InputError, match="packed without --target"):
        edge.label("[]")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "price"}, "--target names price, which the reference does not have"),
        ({"target": "a", "features": ["a", "b"]}, "one of --features as well"),
        ({"target": "truth", "positive": "maybe"}, "'maybe' is not one of no, yes"),
    ],
)
def test_what_cannot_be_a_target(packed: Pack, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PackError, match=message):
        packed(MODELS["classifier"], csv(rows_of(60, 1, "classifier")), **options)


def test_numbers_answer_no_texts(packed: Pack) -> None:
    rows = "a,b,truth\n" + "1,2,low\n2,1,high\n1,1,mid\n" * 20
    with pytest.raises(PackError, match="60 of its cells are no numbers"):
        packed(regression, rows, target="truth")
