from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strandline.bundle import score as scoring
from strandline.bundle import tables
from strandline.bundle.errors import InputError
from strandline.bundle.pack import Packed
from strandline.drift import wire
from tests.bundle.models import regression

Write = Callable[[str, str], Path]


@pytest.fixture
def site(tmp_path: Path, packed: Callable[..., Packed]) -> Path:
    packed(regression, name="linear", version="2")
    return tmp_path / "site"


def test_scores_go_to_csv_with_the_columns_kept(
    site: Path, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "BATCH_ROWS", 2)
    source = write("rows.csv", 'id,a,b\nx,1,1\n"y,z",2,\nw,3,3\n')
    scored = scoring.score(site, source, [scoring.csv_file(tmp_path / "out.csv")], keep=["id"])
    assert (tmp_path / "out.csv").read_text() == 'id,prediction\nx,2.0\n"y,z",nan\nw,4.0\n'
    assert scored.rows == 3
    wire.check(scored.report, wire.REPORT)
    assert scored.report is not None
    assert scored.report["profile"]["features"]["a"]["counts"]


def test_scores_go_to_a_table_by_key(site: Path, write: Write, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'scores.db'}"
    for text in ("id,a,b\n1,1,1\n2,2,2\n", "id,a,b\n2,5,0\n3,3,3\n"):
        sink = scoring.sqlite_table(url, "predictions", "id", "linear", "2")
        scoring.score(site, write("rows.csv", text), [sink], keep=["id"])
    with sqlite3.connect(tmp_path / "scores.db") as db:
        assert db.execute("SELECT * FROM predictions ORDER BY id").fetchall() == [
            ("1", 2.0, "linear", "2"), ("2", 11.0, "linear", "2"), ("3", 4.0, "linear", "2"),
        ]  # fmt: skip
    db.close()


def test_a_bad_row_leaves_file_and_table_as_they_were(
    site: Path, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "BATCH_ROWS", 1)
    out, url = tmp_path / "out.csv", f"sqlite:///{tmp_path / 'scores.db'}"
    out.write_text("before")
    sinks = [scoring.csv_file(out), scoring.sqlite_table(url, "p", None, "linear", "2")]
    with pytest.raises(InputError, match="line 3"):
        scoring.score(site, write("rows.csv", "a,b\n1,1\n2\n"), sinks)
    assert out.read_text() == "before"
    with sqlite3.connect(tmp_path / "scores.db") as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == []
    db.close()
    assert not list(tmp_path.glob(".out.csv*"))


@pytest.mark.parametrize(
    ("text", "keep", "message"),
    [
        ("a,b\n", None, "has no rows to score"),
        ("a\n1\n", None, "rows.csv: the rows lack column b"),
        ("a,b,prediction\n1,2,3\n", None, "choose what to carry over with --keep"),
        ("a,b\n1,2\n", ["id"], "no column id to keep; the input has a, b"),
    ],
)
def test_errors(site: Path, write: Write, text: str, keep: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        scoring.score(site, write("rows.csv", text), [], keep=keep)


def test_a_table_of_other_columns_is_left_alone(site: Path, write: Write, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    source = write("rows.csv", "id,a,b\n1,1,1\n")
    scoring.score(site, source, [scoring.sqlite_table(url, "p", None, "linear", "2")])
    with pytest.raises(
        InputError, match=r"table p has the columns id, a, b, .*give another --table"
    ):
        scoring.score(
            site, source, [scoring.sqlite_table(url, "p", None, "linear", "2")], keep=["id"]
        )
    with pytest.raises(InputError, match="--key names 'nr'"):
        scoring.score(site, source, [scoring.sqlite_table(url, "q", "nr", "linear", "2")])
    with pytest.raises(InputError, match="--db takes sqlite:///"):
        scoring.score(site, source, [scoring.sqlite_table("mysql://x", "q", None, "linear", "2")])


def test_csv_gzip_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1.5,x\n,y\n"))
    pq.write_table(pa.table({"a": [1.5, None], "b": ["x", "y"]}), tmp_path / "t.parquet")
    assert tables.read_table(tmp_path / "t.csv.gz") == {"a": ["1.5", ""], "b": ["x", "y"]}
    assert tables.read_table(tmp_path / "t.parquet") == {"a": [1.5, None], "b": ["x", "y"]}
    assert [len(b["a"]) for b in tables.batches(tmp_path / "t.parquet", 1)] == [1, 1]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv.gz", "t.csv"])
def test_files_that_are_something_else(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00 no table")
    with pytest.raises(InputError, match=name):
        tables.read_table(tmp_path / name)
    with pytest.raises(InputError, match="there is no file"):
        tables.read_table(tmp_path / "absent.csv")
