"""The examples of docs/deploy.md run as they stand there, and all ways give the same predictions."""

from __future__ import annotations

import csv
import json
import re
import shlex
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import processes
import pytest

from strandline import Pipeline
from strandline.cli import main
from tests.bundle.models import delays

DOC = (Path(__file__).parents[2] / "docs/deploy.md").read_text(encoding="utf-8")
FLIGHTS = [("WN 100", 700, "WN"), ("DL 7", 90, "DL"), ("XX 1", 2400, "XX")]


def examples(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)
    assert found
    return found


def commands(name: str) -> list[list[str]]:
    """The arguments of every `strandline NAME …` in the document's shell examples."""
    lines = (shlex.split(line) for text in examples("sh") for line in text.splitlines())
    return [words[1:] for words in lines if words[:2] == ["strandline", name]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `model.onnx`, `train.csv`, `flights.csv`, and the site packed as the document says."""
    monkeypatch.chdir(tmp_path)
    delays(tmp_path / "model.onnx")
    rows = "".join(f"{100 + i},{'WN' if i % 3 else 'DL'},{i % 2}\n" for i in range(300))
    (tmp_path / "train.csv").write_text("distance,airline,late\n" + rows)
    lines = "".join(f"{flight},{distance},{airline}\n" for flight, distance, airline in FLIGHTS)
    (tmp_path / "flights.csv").write_text("flight,distance,airline\n" + lines)
    (packing,) = commands("pack")
    assert main(packing) == 0
    return tmp_path


def test_the_examples_run(folder: Path) -> None:
    for command in commands("score"):
        assert main(command) == 0
    outputs = []
    for code in examples("python"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    looked_up, in_process, watched = outputs
    assert looked_up == "1 0.77\n"
    assert in_process == "[1, 0]\n"
    assert "distance drift" in watched
    assert "airline drift" in watched


def test_every_way_gives_the_same_predictions(folder: Path) -> None:
    rows = [{"distance": distance, "airline": airline} for _, distance, airline in FLIGHTS]
    in_process = Pipeline.from_site("site").predict(rows)
    expected = [
        dict(zip(in_process, values, strict=True))
        for values in zip(*in_process.values(), strict=True)
    ]

    for command in commands("score"):
        assert main(command) == 0
    with closing(sqlite3.connect("scores.db")) as db:
        db.row_factory = sqlite3.Row
        table = {row["flight"]: dict(row) for row in db.execute("SELECT * FROM predictions")}
    assert [{k: table[flight][k] for k in in_process} for flight, *_ in FLIGHTS] == expected
    with Path("predictions.csv").open(newline="") as file:
        batch = [{k: float(row[k]) for k in in_process} for row in csv.DictReader(file)]
    assert batch == expected

    ((_, *serving),) = commands("serve")
    port = processes.free_port()
    serving[serving.index("--port") + 1] = str(port)
    command = [sys.executable, "-m", "strandline", "serve", *serving]
    with processes.Server("strandline serve", command, port, folder / "log", "/healthz") as server:
        body = json.dumps({"rows": rows}).encode()
        with urllib.request.urlopen(f"{server.url}/v1/predict", data=body, timeout=10) as answer:
            assert json.load(answer)["rows"] == expected
