from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strandline.collector.keys import Keyring, ensure_keys, read_keys
from strandline.collector.sqlite import SQLiteStorage


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SQLiteStorage]:
    opened = SQLiteStorage(tmp_path / "test.db")
    yield opened
    opened.close()


def test_keys_are_made_once(storage: SQLiteStorage) -> None:
    made = ensure_keys(storage)
    assert made.created
    again = ensure_keys(storage)
    assert (again.ingest, again.admin, again.created) == (made.ingest, made.admin, False)
    assert read_keys(f"sqlite:///{storage.path}") == again


def test_the_collectors_own_key_is_given_not_a_sites(storage: SQLiteStorage) -> None:
    storage.add_key("a-sites-key", "ingest")
    own = ensure_keys(storage)
    assert own.ingest.startswith("ingest_")
    assert storage.keys("ingest") == {"a-sites-key", own.ingest}


def test_only_a_whole_key_of_the_kind_is_valid(storage: SQLiteStorage) -> None:
    keys, ring = ensure_keys(storage), Keyring(storage)
    assert ring.allows("ingest", keys.ingest)
    assert ring.allows("admin", keys.admin)
    for wrong in ("", keys.ingest[:-1], keys.ingest + "x", keys.admin, "schlüssel"):
        assert not ring.allows("ingest", wrong)
    assert not ring.allows("admin", keys.ingest)


def test_a_new_key_is_valid_at_once(storage: SQLiteStorage) -> None:
    ring = Keyring(storage)
    assert not ring.allows("ingest", "new")
    storage.add_key("new", "ingest")
    assert ring.allows("ingest", "new")
