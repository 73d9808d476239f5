"""Models run where NumPy is not installed, as in a page that did not load it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models import zoo
from tests.models.oracle import assert_equal, expected

MODELS = (
    "logistic_regression_strings",
    "mlp",
    "random_forest_100",
    "hist_gradient_boosting",
    "pipeline_strings",
    "pipeline_zipmap",
    "lightgbm_multiclass",
    "xgboost_missing",
    "gradient_boosting_binary",
    "knn",
    "svc_rbf",
    "svr",
)

PROGRAM = """
import json, sys
from pathlib import Path

class NoNumPy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "numpy":
            raise ImportError("there is no NumPy here")

sys.meta_path.insert(0, NoNumPy())
from strandline import Session

def plain(value):
    if isinstance(value, list):
        return [list(row.items()) if isinstance(row, dict) else row for row in value]
    return value.tolist()

for folder in map(Path, sys.argv[1:]):
    feeds = json.loads((folder / "feeds.json").read_text())
    results = Session(folder / "model.onnx").run(feeds)
    (folder / "results.json").write_text(json.dumps({k: plain(v) for k, v in results.items()}))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder per model, with what a Python without NumPy answered in it."""
    made = {}
    for name in MODELS:
        folder = tmp_path_factory.mktemp(name)
        model, feeds = zoo.build(name)
        (folder / "model.onnx").write_bytes(model)
        (folder / "feeds.json").write_text(json.dumps({k: v.tolist() for k, v in feeds.items()}))
        made[name] = folder
    subprocess.run([sys.executable, "-c", PROGRAM, *map(str, made.values())], check=True)
    return made


@pytest.mark.parametrize("name", MODELS)
def test_same_answers(name: str, folders: dict[str, Path]) -> None:
    results = json.loads((folders[name] / "results.json").read_text())
    want = expected(*zoo.build(name))
    assert_equal({k: _like(results[k], want[k]) for k in results}, want)


def _like(value: Any, want: Any) -> Any:
    """Plain lists in the oracle's types; pairs of ZipMap's items as dicts again."""
    if isinstance(want, list):
        return [dict(map(tuple, row)) for row in value]
    return np.asarray(value, want.dtype)
