from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from strandline.bundle.errors import InputError, PackError
from strandline.bundle.manifest import Collector, Manifest, ManifestError, Window
from strandline.bundle.pack import Packed
from strandline.bundle.pipeline import Pipeline
from strandline.drift import Profile, Reference
from tests.bundle.models import classifier, mixed, regression, save

Pack = Callable[..., Packed]
Write = Callable[[str, str], Path]


def files_of(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def reference_of(folder: Path) -> Reference:
    return Reference.from_json((folder / "site/model/reference.json").read_bytes())


def test_a_site_holds_every_file_its_manifest_names(tmp_path: Path, packed: Pack) -> None:
    collector, window = Collector("http://127.0.0.1:8765", "ingest_k"), Window(100, 5)
    result = packed(regression, name="linear", version="1.2", collector=collector, window=window)
    files = files_of(tmp_path / "site")
    manifest = Manifest.loads(files.pop("manifest.json"))
    assert manifest == result.manifest
    assert {p: (hashlib.sha256(b).hexdigest(), len(b)) for p, b in files.items()} == manifest.files
    assert {"sw.js", "assets/site-page.js", "pyodide/pyodide.mjs"} < files.keys()
    assert {"model/model.onnx", "model/reference.json"} < files.keys()
    assert not any("dashboard" in name for name in files)
    assert files["index.html"] == b"index.html linear 'self' http://127.0.0.1:8765"
    assert [o.name for o in manifest.outputs] == ["prediction"]
    assert (manifest.collector, manifest.window) == (collector, window)
    assert (result.rows, result.left_out, result.numpy_reason) == (60, (), None)
    assert manifest.wheels["numpy"] is None
    assert not any("numpy" in name for name in files)
    a = manifest.features[0]
    assert (a.name, a.min, a.default, a.max) == ("a", 0.0, 30.0, 59.0)


def test_the_reference_holds_features_and_the_models_own_predictions(
    tmp_path: Path, packed: Pack
) -> None:
    packed(regression, "a,b\n0,1\n2,1\n,1\n2,x\n")
    reference = reference_of(tmp_path)
    assert [(f.name, f.kind, f.role) for f in reference][:3] == [
        ("a", "numeric", "feature"),
        ("b", "numeric", "feature"),
        ("prediction", "numeric", "output"),
    ]
    a, b, y = (reference[name].tally for name in ("a", "b", "prediction"))
    assert (a.n, a.missing, b.n, b.invalid) == (3, 1, 3, 1)
    assert (y.n, y.missing, y.minimum, y.maximum) == (2, 2, 0.0, 4.0)


def test_packing_twice_gives_the_same_bytes(
    tmp_path: Path, packed: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dated(path: Path) -> Path:
        classifier(path, zipmap=False)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return path

    one, _ = packed(dated, out="one"), packed(dated, out="two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert one.manifest.created == "2023-11-14T22:13:20Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert packed(dated).manifest.created == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("zipmap", [False, True])
def test_classes_name_the_probabilities(tmp_path: Path, packed: Pack, zipmap: bool) -> None:
    packed(partial(classifier, zipmap=zipmap))
    predictions = Pipeline.from_site(tmp_path / "site").predict({"a": [4, -4], "b": [0, 0]})
    assert list(predictions) == ["label", "probability:no", "probability:yes"]
    assert predictions["label"] == ["yes", "no"]
    assert predictions["probability:yes"][0] == pytest.approx(1 / (1 + 2.718281828459045**-8))


def test_inputs_of_several_types_take_their_columns(tmp_path: Path, packed: Pack) -> None:
    result = packed(mixed, "visits,id,age,city\n3,x1,30.5,Oslo\n4,x2,40,Bergen\n5,x3,50,\n")
    assert result.left_out == ("id",)
    kinds = {f.name: f.kind for f in result.manifest.features}
    assert kinds == {"city": "categorical", "age": "numeric", "visits": "numeric"}
    pipeline = Pipeline.from_site(tmp_path / "site")
    rows = [
        {"city": "Bergen", "age": 1.5, "visits": 2},
        {"city": None, "age": "2", "visits": "3"},
    ]
    assert pipeline.predict(rows) == {"total": [3.5, 5.0], "label": [2, 0]}
    with pytest.raises(InputError, match=r"'visits' takes whole numbers, row 2 has 2\.5"):
        pipeline.predict({"city": ["Oslo"] * 2, "age": [1, 2], "visits": [1, 2.5]})


def test_a_preprocess_module_makes_columns_and_predictions(
    tmp_path: Path, packed: Pack, write: Write
) -> None:
    module = write(
        "prepare.py",
        "def before(columns):\n"
        "    kilometres = [m / 1000 for m in columns['metres']]\n"
        "    return {'a': kilometres, 'b': [float(len(w)) for w in columns['word']]}\n"
        "def after(outputs, columns):\n"
        "    return {'doubled': [2 * row[0] for row in outputs['y']], 'word': columns['word']}\n",
    )
    result = packed(regression, "metres,word\n1000,hi\n3000,you\n", preprocess=module)
    assert [f.name for f in result.manifest.features] == ["metres", "word"]
    assert result.manifest.feeds[0].columns == ("a", "b")
    assert result.numpy_reason is None
    predictions = Pipeline.from_site(tmp_path / "site").predict({"metres": ["2000"], "word": ["4"]})
    assert predictions == {"doubled": [8.0], "predicted_word": ["4"]}


def test_a_preprocess_module_may_make_the_feeds_itself(
    tmp_path: Path, packed: Pack, write: Write
) -> None:
    module = write(
        "prepare.py",
        "import numpy as np\n"
        "def before(columns):\n"
        "    return {'X': np.array([columns['a'], columns['b']], np.float32).T}\n",
    )
    result = packed(regression, preprocess=module)
    assert result.manifest.feeds == ()
    assert result.numpy_reason == "the preprocess module imports it"
    wheel = result.manifest.wheels["numpy"]
    assert wheel is not None
    assert (tmp_path / "site" / wheel).is_file()
    assert Pipeline.from_site(tmp_path / "site").predict({"a": [1], "b": [1]}) == {
        "prediction": [2.0]
    }


def test_a_model_for_one_row_at_a_time_predicts_many(tmp_path: Path, packed: Pack) -> None:
    packed(partial(regression, rows=1))
    table = {"a": [1, 2, 3], "b": [0, 0, 0]}
    assert Pipeline.from_site(tmp_path / "site").predict(table)["prediction"] == [3, 5, 7]


def _unsupported(path: Path) -> Path:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in ("X", "y")
    ]
    node = helper.make_node("Telepathy", ["X"], ["y"], domain="org.example")
    return save(path, helper.make_graph([node], "g", ends[:1], ends[1:]), org_example=1)


def _image(path: Path) -> Path:
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 3, 8, 8]) for n in ("X", "y")
    ]
    return save(
        path, helper.make_graph([helper.make_node("Relu", ["X"], ["y"])], "g", ends[:1], ends[1:])
    )


def _text(path: Path) -> Path:
    path.write_text("this is no model")
    return path


def _cut(path: Path) -> Path:
    regression(path)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def _invalid(path: Path) -> Path:
    model = onnx.load(regression(path))
    model.graph.node[0].input[1] = "nowhere"
    path.write_bytes(model.SerializeToString())
    return path


ROWS = "a,b\n1,2\n3,4\n"
BAD: list[tuple[Callable[[Path], Path], str, dict[str, Any], str]] = [
    (_text, ROWS, {}, r"m\.onnx is no ONNX model"),
    (_cut, ROWS, {}, r"m\.onnx"),
    (_invalid, ROWS, {}, "nowhere"),
    (_unsupported, ROWS, {}, "does not run: org.example.Telepathy: export the model without"),
    (_image, ROWS, {}, "has 4 dimensions.*--preprocess"),
    (partial(regression, rows=8), ROWS, {}, "exactly 8 rows at a time: .* dynamic first dimension"),
    (lambda path: path, ROWS, {}, "there is no model file"),
    (regression, "a,b\n", {}, "ref.csv has no rows"),
    (regression, "", {}, "ref.csv is empty: it needs a header"),
    (regression, "a,b,c\n1,2,3\n", {}, r"takes 2 columns .* has 3 \(a, b, c\)"),
    (regression, "a,b\n1\n", {}, "line 2"),
    (regression, "a,latency_ms\n1,2\n", {}, "named latency_ms would hide the one that is measured"),
    (regression, f"a,{'b' * 300}\n1,2\n", {}, "can't be frozen: .* 1 to 200 characters"),
    (regression, ROWS, {"name": "../x"}, "--name '../x'"),
    (regression, ROWS, {"version": ""}, "--version ''"),
    (regression, ROWS, {"segments": ["c"]}, "--segment names c, which the reference does not have"),
    (
        regression,
        "a,b,c\n1,2,\n",
        {"features": ["a", "b"], "segments": ["c"]},
        "no values to split by",
    ),
    (regression, ROWS, {"counters": [""]}, "a counter's name must have 1 to 200"),
    (regression, ROWS, {"preprocess": "absent.py"}, "absent.py can't be read"),
]


@pytest.mark.parametrize(("model", "rows", "options", "message"), BAD)
def test_bad_input_leaves_nothing_behind(
    tmp_path: Path,
    packed: Pack,
    model: Callable[[Path], Path],
    rows: str,
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises((PackError, InputError), match=message) as caught:
        packed(model, rows, out="deep/site", **options)
    assert "\n" not in str(caught.value)
    assert {p.name for p in tmp_path.iterdir()} <= {"m.onnx", "ref.csv"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def before(columns)\n", "does not run: SyntaxError"),
        ("x = 1\n", "defines neither"),
        ("def before(columns):\n    return columns['z']\n", r"before\(\) failed: KeyError: 'z'"),
        ("def before(columns):\n    return [1]\n", "must return a dict, not list"),
        ("def before(columns):\n    return {'a': columns['a']}\n", "takes 2 columns"),
        (
            "def after(outputs, columns):\n    return {'z': 1}\n",
            "'z' does not have one row per row",
        ),
    ],
)
def test_a_bad_preprocess_module_is_told(
    tmp_path: Path, packed: Pack, write: Write, source: str, message: str
) -> None:
    with pytest.raises((PackError, InputError, ManifestError), match=message):
        packed(regression, preprocess=write("prepare.py", source))
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    "url",
    [
        "drift.example.org",
        "ftp://x",
        "http://",
        "http://x:port",
        "https://x;script-src",
        "http://x y",
    ],
)
def test_a_collector_is_an_address(packed: Pack, url: str) -> None:
    with pytest.raises(PackError, match="is no address"):
        packed(regression, collector=Collector(url, "k"))


def test_only_sites_are_replaced(tmp_path: Path, packed: Pack) -> None:
    out = tmp_path / "site"
    out.mkdir()
    (out / "diary.txt").write_text("mine")
    with pytest.raises(PackError, match="holds files but is no packed site"):
        packed(regression)
    assert files_of(out) == {"diary.txt": b"mine"}
    packed(regression, force=True)
    assert "diary.txt" not in files_of(out)
    packed(regression, version="2")
    assert Manifest.loads((out / "manifest.json").read_bytes()).version == "2"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "ref.csv", "site"]


def test_missing_assets_say_how_to_get_them(tmp_path: Path, packed: Pack) -> None:
    with pytest.raises(PackError, match="make assets"):
        packed(regression, assets=tmp_path / "none")


def test_a_changed_file_is_refused(tmp_path: Path, packed: Pack) -> None:
    packed(regression)
    model = tmp_path / "site/model/model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\x00")
    with pytest.raises(ManifestError, match=r"model\.onnx is not the file this site was packed"):
        Pipeline.from_site(tmp_path / "site")


def test_a_profile_of_the_references_rows_is_the_reference(tmp_path: Path, packed: Pack) -> None:
    packed(regression)
    reference = reference_of(tmp_path)
    table = {"a": [str(i) for i in range(60)], "b": [i % 7 for i in range(60)]}
    profile = Profile.from_rows(table, reference)
    assert [profile[n] for n in ("a", "b")] == [reference[n].tally for n in ("a", "b")]


def test_a_profile_that_no_collector_would_take_is_refused(tmp_path: Path, packed: Pack) -> None:
    names = [f"x{i}" for i in range(40)]
    lines = [",".join([*names, "s", "t"])]
    for row in range(400):
        lines.append(
            ",".join([*(str(row * i % 397) for i in range(40)), str(row % 25), str(row % 26)])
        )
    model = partial(regression, columns=40)
    with pytest.raises(PackError, match=r"about .* KB, a collector takes 240: split by fewer"):
        packed(model, "\n".join(lines), features=names, segments=["s", "t"])
    assert not (tmp_path / "site").exists()


def test_a_long_reference_is_binned_by_a_sample_and_counted_whole(
    packed: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["a,b,city"]
    lines += [f"{i % 97},{i * 7 % 31},{('Oslo', 'Bergen', '')[i % 3]}" for i in range(700)]
    text = "\n".join(lines)
    options = {"features": ["a", "b"], "segments": ["city"]}
    packed(regression, text, out="whole", **options)
    monkeypatch.setattr("strandline.bundle.pack.SAMPLE_ROWS", 100)
    monkeypatch.setattr("strandline.bundle.pack.BATCH_ROWS", 64)
    monkeypatch.setattr("strandline.bundle.tables.BATCH_ROWS", 64)
    assert packed(regression, text, out="sampled", **options).rows == 700
    whole, sampled = (
        Reference.from_json((tmp_path / site / "model" / "reference.json").read_bytes())
        for site in ("whole", "sampled")
    )
    assert sampled.rows == 700
    for feature in whole:
        if feature.role == "system":
            continue
        ours, theirs = feature.tally, sampled[feature.name].tally
        assert (ours.total, ours.squares, ours.minimum) == (
            theirs.total, theirs.squares, theirs.minimum,
        )  # fmt: skip
    oslo = [
        one.segmentations[0].tallies[1]["y" if "y" in one else "prediction"].n
        for one in (whole, sampled)
    ]
    assert oslo[0] == oslo[1] > 200
    again = packed(regression, text, out="again", **options)
    assert (
        again.manifest.reference
        == Manifest.loads((tmp_path / "sampled" / "manifest.json").read_bytes()).reference
    )
