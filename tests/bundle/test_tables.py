"""Samples of files: whole when they fit, fair when they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from strandline.bundle import tables


def csv(path: Path, rows: int) -> Path:
    path.write_text("i,t\n" + "".join(f"{i},row {i}\n" for i in range(rows)), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strandline.bundle.tables.BATCH_ROWS", 7)


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 8, 20])
def test_all_rows_in_order_when_they_fit(tmp_path: Path, rows: int) -> None:
    path = csv(tmp_path / "t.csv", rows)
    assert tables.sample(path, 20) == (tables.read_table(path), rows)


def test_the_same_rows_of_the_same_file_each_once(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", 100)
    columns, rows = tables.sample(path, 20)
    assert rows == 100
    assert len(set(columns["i"])) == len(columns["i"]) == 20
    assert columns["t"] == [f"row {i}" for i in columns["i"]]
    assert tables.sample(path, 20) == (columns, rows)


def test_every_row_is_as_likely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv(tmp_path / "t.csv", 50)
    seeds = iter(range(400))
    original = tables.Random
    monkeypatch.setattr("strandline.bundle.tables.Random", lambda _: original(next(seeds)))
    taken = [0] * 50
    for _ in range(400):
        for i in tables.sample(path, 10)[0]["i"]:
            taken[int(i)] += 1
    # Each is in a fifth of 400 samples: 80, standard deviation 8.
    assert max(abs(count - 80) for count in taken) < 40
