from __future__ import annotations

import argparse
import json
import re
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import processes
import pytest

from strandline import cli
from strandline.collector.keys import read_keys
from tests.bundle.models import regression

DOCS = Path(__file__).parent.parent / "docs/cli.md"
ROWS = "a,b\n" + "".join(f"{i % 50},{i % 7}\n" for i in range(600))
MOVED = "a,b\n" + "".join(f"{i % 50 + 25},{i % 7}\n" for i in range(600))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a model, a reference, and rows that moved."""
    monkeypatch.chdir(tmp_path)
    regression(tmp_path / "model.onnx")
    (tmp_path / "reference.csv").write_text(ROWS)
    (tmp_path / "moved.csv").write_text(MOVED)
    return tmp_path


@pytest.fixture
def site(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run("pack model.onnx --reference reference.csv --name linear --version 1 -o site") == 0
    return folder / "site"


def run(line: str) -> int:
    return cli.main(line.split())


def subcommands() -> dict[str, argparse.ArgumentParser]:
    actions = cli.parser()._actions
    choices = next(a for a in actions if isinstance(a, argparse._SubParsersAction)).choices
    return {name: parser for name, parser in choices.items() if name != "bench"}


def test_pack_says_what_it_made(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = capsys.readouterr().out
    assert re.search(r"site: linear 1, \d+ files, [\d.]+ MB", out)
    assert "features   a, b" in out
    assert "outputs    prediction" in out
    assert "none: the page sends nothing" in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("pack moved.csv --reference moved.csv --name m --version 1 -o s", "is no ONNX model"),
        (
            "pack model.onnx --reference reference.csv --name m --version 1 -o s --collector http://x",
            "--collector and --key go together",
        ),
        ("pack model.onnx --reference no.csv --name m --version 1 -o s", "there is no file no.csv"),
        ("score . moved.csv -o -", "is no packed site"),
        ("score . moved.csv", "say where the predictions go"),
        ("serve .", "is no packed site"),
        ("collect --site .", "is not a packed site"),
        ("report --db sqlite:///none.db", "there is no database"),
        ("check reference.csv none.csv", "there is no file none.csv"),
        ("diagnose reference.csv moved.csv", "at least two windows"),
        ("diagnose moved.csv --every day", "name it with --by"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    before = sorted(p.name for p in folder.iterdir())
    assert run(line) == 2
    err = capsys.readouterr().err.splitlines()
    mistakes = [text for text in err if not text.startswith("· ")]
    assert len(mistakes) == 1
    assert mistakes[0].startswith("strandline: ")
    assert message in mistakes[0]
    assert [p.name for p in sorted(folder.iterdir()) if p.suffix != ".db"] == before


@pytest.mark.parametrize(
    "line",
    [
        "check a b --alpha 0",
        "check a b -o report.pdf",
        "collect --port 70000",
        "pack m --reference r --name n --version 1 -o s --window-rows 0",
        "pack m --reference r --name n --version 1 -o s --window-seconds inf",
        "nonsense",
        "",
    ],
)
def test_bad_options_are_refused(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run(line)
    assert left.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> int:
        raise ValueError("a defect of ours")

    monkeypatch.setattr(cli, "parser", lambda: parser_with(broken))
    with pytest.raises(ValueError, match="a defect of ours"):
        cli.main([])


def parser_with(command: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.set_defaults(command=command)
    return parser


def test_explain_says_what_runs_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain model.onnx --runs 2") == 0
    told = capsys.readouterr().out
    assert "needs no NumPy" in told and "median of 2 runs" in told
    assert re.search(r"\d+ × +\d+\.\d+ ms +\d+\.\d%", told)


def test_score_writes_csv_table_and_profile(site: Path) -> None:
    line = "score site moved.csv -o out.csv --db sqlite:///s.db --table t --profile p.json --keep a"
    assert run(line) == 0
    assert Path("out.csv").read_text().splitlines()[:3] == ["a,prediction", "25,51.0", "26,52.0"]
    with closing(sqlite3.connect("s.db")) as db:
        assert db.execute("SELECT count(*), min(model), max(version) FROM t").fetchone() == (
            600,
            "linear",
            "1",
        )
    assert json.loads(Path("p.json").read_text())["profile"]["features"]["a"]["counts"]


def test_check_exits_with_1_when_something_drifted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check reference.csv reference.csv") == 0
    assert run("check reference.csv moved.csv -o report.html -o report.json") == 1
    out = capsys.readouterr().out
    assert "600 rows against 600: 1 drifted" in out
    assert re.search(r"a +drift +ks 0\.5", out)
    assert json.loads(Path("report.json").read_text())["drifted"] == 1
    assert Path("report.html").read_text().startswith("<!doctype html>")


def test_check_reads_columns_as_it_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check reference.csv moved.csv --columns b --categorical b --method psi") == 0
    assert re.search(r"^  b +no drift +psi 0", capsys.readouterr().out, re.MULTILINE)


def test_check_tests_and_reports_what_it_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    presets = "--preset drift --preset summary --test"
    assert run(f"check reference.csv reference.csv {presets}") == 0
    assert run(f"check reference.csv moved.csv {presets} -o report.json") == 1
    out = capsys.readouterr().out
    assert re.search(r"^  FAIL +Drift of a: no drift$", out, re.MULTILINE)
    assert re.search(r"^  FAIL +Values of a outside the range: ≤ 1 %$", out, re.MULTILINE)
    assert re.search(r"^  SUCCESS Drift of b: no drift$", out, re.MULTILINE)
    assert run("report --load report.json -o again.html") == 0
    assert "Values of a outside the range" in Path("again.html").read_text("utf-8")


def test_check_judges_models(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check reference.csv moved.csv --preset regression --target a --prediction b") == 0
    assert re.search(r"^  Mean absolute error +\d", capsys.readouterr().out, re.MULTILINE)
    line = "check reference.csv reference.csv --preset classification --target b --prediction b"
    assert run(line) == 0
    assert re.search(r"^  Accuracy +1 \[0.99", capsys.readouterr().out, re.MULTILINE)
    for wrong in ("--prediction a", "--target a", "--target a --preset regression"):
        assert run(f"check reference.csv moved.csv {wrong}") == 2
        assert "need" in capsys.readouterr().err


@pytest.fixture
def served(site: Path) -> Iterator[processes.Server]:
    port = processes.free_port()
    command = [sys.executable, "-m", "strandline", "serve", "site", "--port", str(port)]
    with processes.Server("strandline serve", command, port, site.parent / "log", "/healthz") as it:
        yield it


def test_diagnose_says_what_happened(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("diagnose reference.csv reference.csv reference.csv") == 0
    assert "no drift in 2 windows" in capsys.readouterr().out
    line = (
        "diagnose reference.csv reference.csv moved.csv moved.csv moved.csv -o out.md -o out.json"
    )
    assert run(line) == 1
    out = capsys.readouterr().out.splitlines()
    assert "a: data drift" in out[1]
    assert "alarm at" in out[1]
    assert out[2].startswith("  b: no drift")
    assert json.loads(Path("out.json").read_text())["model"]["sentence"] == out[0]
    assert Path("out.md").read_text().startswith("# reference.csv")


def test_serve_answers_and_stops(served: processes.Server) -> None:
    body = b'{"rows": [{"a": 1, "b": 2}]}'
    with urllib.request.urlopen(f"{served.url}/v1/predict", data=body, timeout=10) as answer:
        assert json.load(answer)["rows"] == [{"prediction": 1.0}]
    with urllib.request.urlopen(f"{served.url}/index.html", timeout=10) as answer:
        assert b"<title>linear</title>" in answer.read()


def test_a_batch_is_collected_and_reported(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = "sqlite:///c.db"
    key, port = read_keys(db).ingest, processes.free_port()
    assert run("score site moved.csv --profile p.json") == 0
    report = json.loads(Path("p.json").read_text())
    with processes.collector(Path("c.db"), [site], Path("log"), port) as collector:
        body = json.dumps({"key": key, "reports": [report]}).encode()
        with urllib.request.urlopen(
            f"{collector.url}/v1/profiles", data=body, timeout=10
        ) as answer:
            assert json.load(answer)["results"] == [{"id": report["id"], "status": "stored"}]
    assert run(f"report --db {db} --min-sessions 1 -o report.json") == 0
    assert "600 rows against 600: 2 drifted" in capsys.readouterr().out
    document = json.loads(Path("report.json").read_text())
    assert (
        document["about"] | {"model": "linear", "version": "1", "sessions": 1} == document["about"]
    )
    assert run(f"report --db {db} -o report.json") == 0
    assert "hidden" in json.loads(Path("report.json").read_text())["about"]


def test_a_taken_port_is_told(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(f"serve site --port {taken.getsockname()[1]}") == 2
    assert "in use" in capsys.readouterr().err


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "strandline", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"strandline \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("name", sorted(subcommands()))
def test_every_command_and_option_is_documented(name: str) -> None:
    text = DOCS.read_text(encoding="utf-8")
    section = re.search(rf"^## strandline {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"docs/cli.md has no section on strandline {name}"
    for action in subcommands()[name]._actions:
        for option in action.option_strings or [action.dest]:
            if option not in ("-h", "--help"):
                assert f"`{option}" in section[1], f"docs/cli.md does not explain {name} {option}"
    assert "examples:" in subcommands()[name].format_help()
