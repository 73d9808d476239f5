"""Columns and predictions that are vectors, such as embeddings, through the whole bundle."""

from __future__ import annotations

import csv
import json
import math
import random
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strandline.bundle import score
from strandline.bundle.edge import Edge
from strandline.bundle.errors import InputError, PackError
from strandline.bundle.manifest import Feature, Feed, Manifest, ManifestError, Output
from strandline.bundle.mapping import feeds_of, outputs_of
from strandline.bundle.pack import Packed, pack
from strandline.bundle.pipeline import Pipeline, open_site
from strandline.drift import Profile, compare
from strandline.onnx.graph import ValueInfo
from strandline.onnx.types import float32, string
from tests.bundle.models import encoder
from tests.bundle.test_edge import HEADER

Pack = Callable[..., Packed]


def table(n: int, seed: int = 0, moved: float = 0.0) -> dict[str, list[Any]]:
    """Vectors of three numbers, and ages."""
    draw = random.Random(seed)
    return {
        "embedding": [[draw.gauss(moved, 1), draw.gauss(0, 2), draw.random()] for _ in range(n)],
        "age": [draw.randrange(18, 80) + draw.random() for _ in range(n)],
    }


def as_csv(columns: dict[str, list[Any]]) -> str:
    lines = zip(*columns.values(), strict=True)
    return "embedding;age\n" + "".join(f"{json.dumps(v)};{age}\n" for v, age in lines)


@pytest.fixture
def site(tmp_path: Path, packed: Pack) -> Path:
    packed(encoder, as_csv(table(300)), vectors=["code"])
    return tmp_path / "site"


@pytest.fixture
def edge(site: Path) -> Edge:
    manifest, read = open_site(site)
    return Edge(manifest.dumps(), read, memory=lambda: None)


def test_a_manifest_says_how_long_vectors_are(site: Path) -> None:
    manifest, read = open_site(site)
    embedding, age = manifest.features
    assert (embedding.name, embedding.kind, embedding.dimensions) == ("embedding", "vector", 3)
    assert age.kind == "numeric"
    medians = np.median(np.array(table(300)["embedding"]), axis=0)
    assert embedding.default == pytest.approx(medians, abs=0.02)
    assert embedding.default not in table(300)["embedding"], "nobody's row is published"
    assert manifest.feeds == (
        Feed("embedding", "float32", ("embedding",), (3,)), Feed("age", "float32", ("age",)),
    )  # fmt: skip
    assert manifest.outputs == (
        Output("code", "vector", "code"), Output("prediction", "numeric", "size"),
    )  # fmt: skip
    edge = Edge(manifest.dumps(), read)
    assert [(f.name, f.kind, f.role) for f in edge.reference if f.role != "system"] == [
        ("embedding", "vector", "feature"), ("embedding: norm", "numeric", "feature"),
        ("age", "numeric", "feature"),
        ("code", "vector", "output"), ("code: norm", "numeric", "output"),
        ("prediction", "numeric", "output"),
    ]  # fmt: skip


def test_parquet_lists_give_what_csv_gives(site: Path, tmp_path: Path, assets: Path) -> None:
    pq.write_table(pa.table(table(300)), tmp_path / "rows.parquet")
    pack(
        tmp_path / "m.onnx", tmp_path / "rows.parquet", tmp_path / "other", name="m", version="1",
        vectors=["code", "embedding"], assets=assets,
    )  # fmt: skip
    one, two = (
        Manifest.loads((p / "manifest.json").read_bytes()) for p in (site, tmp_path / "other")
    )
    assert one == two


def test_predictions_are_those_of_the_bare_model(site: Path) -> None:
    columns = table(50, seed=1)
    pipeline = Pipeline.from_site(site)
    x = np.column_stack([np.array(columns["embedding"]), columns["age"]]).astype(np.float32)
    bare = pipeline.session.run({"embedding": x[:, :3], "age": x[:, 3:]})
    predicted = pipeline.predict(columns)
    assert predicted["code"] == bare["code"].tolist()
    assert predicted["prediction"] == bare["size"].ravel().tolist()
    assert pipeline.predict({**columns, "embedding": np.array(columns["embedding"])}) == predicted


def test_rows_and_csv_are_counted_alike(edge: Edge) -> None:
    columns = table(120, seed=2)
    columns["embedding"][5:8] = [None, [1, 2], [1, 2, math.inf]]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    given = json.dumps(rows).replace("Infinity", "null")
    answer = json.loads(edge.predict(given))["rows"]
    assert answer[0]["code"] == Pipeline.predict(edge.pipeline, rows[:1])["code"][0]
    assert [answer[i]["code"] for i in (5, 6, 7)] == [[None] * 5] * 3
    profile = Profile.from_wire(
        json.loads(edge.take_window(json.dumps(HEADER)) or "")["profile"], edge.reference
    )
    tally = profile["embedding"]
    assert (tally.n, tally.missing, tally.invalid) == (117, 1, 2)
    predicted = {name: [row[name] for row in answer] for name in ("code", "prediction")}
    expected = Profile.from_rows(columns | predicted, edge.reference)
    for feature in edge.reference:
        if feature.role != "system":
            assert profile[feature.name] == expected[feature.name]
    columns["embedding"][5:8] = ["", "[1, 2]", "[1, 2, null]"]
    lines = [v if isinstance(v, str) else json.dumps(v) for v in columns["embedding"]]
    text = "embedding\tage\n" + "".join(
        f"{v}\t{a}\n" for v, a in zip(lines, columns["age"], strict=True)
    )
    assert json.loads(edge.predict_csv(text))["rows"] == answer


def test_a_moved_embedding_is_told_from_one_that_stayed(edge: Edge) -> None:
    for moved, verdicts in ((0.0, {"no drift"}), (1.0, {"drift"})):
        columns = table(400, seed=3, moved=moved)
        profile = Profile.from_rows(columns | edge.pipeline.predict(columns), edge.reference)
        found = {one.name: one for one in compare(edge.reference, profile)}
        assert {found[name].verdict for name in ("embedding", "code")} == verdicts
        assert found["embedding"].statistics[0].method == "mmd"


def test_scores_are_lists_that_are_read_again(site: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(as_csv(table(20, seed=4)))
    url, out = f"sqlite:///{tmp_path / 's.db'}", tmp_path / "out.csv"
    sinks = [score.csv_file(out), score.sqlite_table(url, "p", None, "m", "1")]
    score.score(site, rows, sinks)
    expected = Pipeline.from_site(site).predict(table(20, seed=4))["code"]
    with out.open() as file:
        lines = list(csv.DictReader(file))
    assert [json.loads(line["code"]) for line in lines] == expected
    assert [json.loads(line["embedding"]) for line in lines] == table(20, seed=4)["embedding"]
    db = sqlite3.connect(tmp_path / "s.db")
    assert [json.loads(code) for (code,) in db.execute("SELECT code FROM p")] == expected
    db.close()


def test_a_preprocess_module_may_take_and_give_vectors(
    tmp_path: Path, packed: Pack, write: Callable[[str, str], Path]
) -> None:
    source = write(
        "prepare.py",
        "def before(columns):\n"
        "    lengths = [[float(len(w)) for w in (t + ' a b c').split()[:3]] for t in columns['text']]\n"
        "    return {'lengths': lengths, 'total': [sum(v) for v in columns['extra']]}\n"
        "def after(outputs, columns):\n"
        "    firsts = [row[:4] for row in outputs['code']]\n"
        "    return {'sentence': firsts, 'length': [float(len(t)) for t in columns['text']]}\n",
    )
    texts = [f"{'x' * (i % 7)} word {i}" for i in range(60)]
    rows = "text;extra\n" + "".join(f"{t};[{i}, 0.5]\n" for i, t in enumerate(texts))
    made = packed(encoder, rows, preprocess=source)
    assert [(f.name, f.kind) for f in made.manifest.features] == [
        ("text", "categorical"),
        ("extra", "vector"),
    ]
    assert [(o.name, o.kind) for o in made.manifest.outputs] == [
        ("sentence", "vector"),
        ("length", "numeric"),
    ]
    predicted = Pipeline.from_site(tmp_path / "site").predict(
        {"text": ["a bc d"], "extra": [[3, 0.5]]}
    )
    bare = Pipeline.from_site(tmp_path / "site").session.run(
        {"embedding": np.array([[1, 2, 1]], np.float32), "age": np.array([[3.5]], np.float32)}
    )
    assert predicted["sentence"] == bare["code"][:, :4].tolist()


def test_wide_outputs_are_vectors_by_themselves(packed: Pack) -> None:
    made = packed(partial(encoder, out=65), as_csv(table(60)))
    assert made.manifest.outputs[0] == Output("code", "vector", "code")
    made = packed(partial(encoder, out=64), as_csv(table(60)), out="other")
    assert made.manifest.outputs[0] == Output("code:0", "numeric", "code", 0)


def test_classes_probabilities_are_no_vector_however_many() -> None:
    results = {"label": [3], "p": [[0.01] * 100]}
    found = outputs_of(results, {"label": tuple(range(100))}, 1)
    assert [o.name for o in found[:2]] == ["label", "probability:0"]
    wide = outputs_of({**results, "state": [[0.5] * 80]}, {"label": tuple(range(100))}, 1)
    assert [o.name for o in wide] == [*(o.name for o in found), "state"]


E = ValueInfo("embedding", float32, (None, 3))


def test_vectors_are_as_wide_as_they_are_long() -> None:
    both = ValueInfo("X", float32, (None, 5))
    sizes = {"v": 3}
    assert feeds_of([both], ["a", "v", "b"], None, sizes) == (
        Feed("X", "float32", ("a", "v", "b"), (1, 3, 1)),
    )
    assert feeds_of([E], ["id", "Embedding"], None, {"Embedding": 3}) == (
        Feed("embedding", "float32", ("Embedding",), (3,)),
    )
    free = ValueInfo("v", float32, (None, None))
    assert feeds_of([free], ["a", "v"], None, sizes) == (Feed("v", "float32", ("v",), (3,)),)
    pair = [ValueInfo("l", float32, (None, 2)), ValueInfo("r", float32, (None, 3))]
    assert feeds_of(pair, ["a", "b", "v"], ["a", "b", "v"], sizes)[1].columns == ("v",)


@pytest.mark.parametrize(
    ("inputs", "columns", "message"),
    [
        ([E], ["a", "v"], r"takes 3 columns \(embedding 3\), the reference has 4 \(a, v: 3\)"),
        ([ValueInfo("l", float32, (None, 2)), ValueInfo("r", float32, (None, 2))], ["a", "v"],
         "'l' takes 2 columns, which ends within the vectors of 'v'"),
        ([ValueInfo("t", string, (None, 3))], ["v"], "'t' takes texts, v holds vectors"),
    ],
)  # fmt: skip
def test_errors_say_where_vectors_do_not_fit(
    inputs: list[ValueInfo], columns: list[str], message: str
) -> None:
    with pytest.raises(PackError, match=message):
        feeds_of(inputs, columns, None, {"v": 3})


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (["age"], "column 'age' holds no vectors"),
        (["elsewhere"], "--vector names elsewhere: neither .* outputs code, size"),
    ],
)
def test_what_is_no_vector_is_refused(packed: Pack, vectors: list[str], message: str) -> None:
    with pytest.raises(PackError, match=message):
        packed(encoder, as_csv(table(60)), vectors=vectors)


def test_only_vectors_may_be_lists(edge: Edge) -> None:
    for row in ({"embedding": [1, 2, 3], "age": [4]}, {"embedding": {"0": 1}, "age": 4}):
        with pytest.raises(InputError, match=r"row 1, column '(age|embedding)'"):
            edge.predict(json.dumps([row]))


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("features", {"dimensions": 0}, "dimensions"),
        ("features", {"default": [1.0]}, "dimensions"),
        ("features", {"default": ["x", 1, 2]}, "list of numbers"),
        ("feeds", {"widths": [3, 1]}, "width"),
        ("feeds", {"widths": [0]}, "width"),
    ],
)
def test_hostile_manifests_are_refused(site: Path, member: str, value: Any, message: str) -> None:
    document = json.loads((site / "manifest.json").read_text())
    document[member][0] |= value
    with pytest.raises(ManifestError, match=message):
        Manifest.loads(json.dumps(document))


def test_a_feature_without_a_usual_vector() -> None:
    assert Feature("v", "vector", dimensions=2).to_json()["default"] is None
