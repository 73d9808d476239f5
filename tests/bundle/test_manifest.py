from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from strandline.bundle.manifest import Manifest, ManifestError, from_json

DOCUMENT: dict[str, Any] = {
    "schema": "strandline.manifest/1",
    "name": "delays",
    "version": "1",
    "strandline": "0.1.0",
    "created": "2026-01-01T00:00:00Z",
    "model": {"file": "model/model.onnx", "sha256": "ab", "needs_numpy": False},
    "features": [
        {"name": "distance", "kind": "numeric", "default": 700.0, "min": 31.0, "max": 4983.0},
        {"name": "airline", "kind": "categorical", "default": "WN", "categories": ["WN", "DL"]},
    ],
    "feeds": [
        {"input": "distance", "dtype": "float32", "columns": ["distance"]},
        {"input": "airline", "dtype": "string", "columns": ["airline"]},
    ],
    "outputs": [
        {"name": "label", "kind": "categorical", "from": "output_label"},
        {"name": "probability:1", "kind": "numeric", "from": "output_probability", "column": 1},
    ],
    "reference": {"file": "model/reference.json", "sha256": "cd"},
    "preprocess": None,
    "collector": {"url": "http://127.0.0.1:8765", "key": "ingest_1"},
    "window": {"rows": 500, "seconds": 60},
    "plan": {"file": "model/plan.bin", "sha256": "e" * 64},
    "runtime": {
        "pyodide": "pyodide/",
        "wheels": {"simd128": "wheels/a.whl", "relaxed": "wheels/b.whl", "numpy": None},
        "core": {"simd128": "core/simd128.wasm", "relaxed": "core/relaxed-simd.wasm"},
    },
    "files": {"index.html": {"sha256": "ef", "bytes": 12}},
}


def test_the_documented_manifest_survives_a_round_trip() -> None:
    assert json.loads(Manifest.loads(json.dumps(DOCUMENT)).dumps()) == DOCUMENT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema="strandline.manifest/9"), "strandline.manifest/9.*pack the site again"),
        (lambda d: d.pop("name"), "manifest.name must be a string, not missing"),
        (lambda d: d["features"][1].update(kind="ordinal"), r"features\[1\].kind must be one of numeric, categorical"),
        (lambda d: d["feeds"][0].update(dtype="float16"), r"feeds\[0\].dtype must be one of"),
        (lambda d: d["feeds"][0].update(columns=["speed"]), "'distance' takes column 'speed', which is no feature"),
        (lambda d: d["model"].update(needs_numpy="no"), "model.needs_numpy must be true or false, not a string"),
        (lambda d: d["outputs"][1].update(column=True), r"outputs\[1\].column must be a whole number, not true"),
        (lambda d: d["window"].update(rows=0), "rows >= 1"),
        (lambda d: d.update(files=[]), "manifest.files must be an object, not a list"),
        (lambda d: d.update(feeds=[]), "no preprocess module"),
    ],
)  # fmt: skip
def test_a_wrong_member_is_named(change: Any, message: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    with pytest.raises(ManifestError, match=message):
        from_json(document)


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "null"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        Manifest.loads(text)
