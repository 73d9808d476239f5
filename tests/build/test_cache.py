from __future__ import annotations

from pathlib import Path

import pytest
from cache import (
    BuildError,
    cache_dir,
    content_key,
    is_fresh,
    lock,
    replacing,
    run,
    sha256,
    write_stamp,
)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRANDLINE_CACHE", str(tmp_path / "cache"))


def test_the_cache_folder_is_made_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("STRANDLINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg/strandline"
    assert cache_dir().is_dir()


def test_the_content_key_depends_on_names_contents_and_extras_but_not_on_order(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("2")
    key = content_key([first, second], root=tmp_path)
    assert key == content_key([second, first], root=tmp_path)
    assert key != content_key([first, second], "-O3", root=tmp_path)
    second.write_text("3")
    assert key != content_key([first, second], root=tmp_path)
    renamed = second.rename(tmp_path / "c")
    renamed.write_text("2")
    assert key != content_key([first, renamed], root=tmp_path)


def test_a_stamp_is_fresh_only_for_its_key(tmp_path: Path) -> None:
    stamp = tmp_path / "deep/stamp"
    assert not is_fresh(stamp, "k")
    write_stamp(stamp, "k")
    assert is_fresh(stamp, "k")
    assert not is_fresh(stamp, "other")


def test_replacing_keeps_the_old_folder_when_the_new_one_fails(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    with replacing(folder) as partial:
        (partial / "file").write_text("old")
    with pytest.raises(RuntimeError, match="interrupted"), replacing(folder) as partial:
        (partial / "file").write_text("half")
        raise RuntimeError("interrupted")
    assert (folder / "file").read_text() == "old"
    with replacing(folder) as partial:
        assert not list(partial.iterdir()), "what an interrupted call left is gone"
        (partial / "file").write_text("new")
    assert (folder / "file").read_text() == "new"
    assert not folder.with_name("result.partial").exists()


def test_a_failing_command_shows_the_end_of_its_log() -> None:
    with pytest.raises(
        BuildError, match=r"(?s)make it: now: failed .* code 3.*the reason.*make-it\.log"
    ):
        run(["sh", "-c", "echo the reason; exit 3"], "make it: now")


def test_a_compiler_error_far_from_the_end_is_shown() -> None:
    script = "echo 'a.c:1: error: no such type'; seq 100; exit 1"
    with pytest.raises(BuildError, match="no such type") as caught:
        run(["sh", "-c", script], "compile")
    assert "\n100\n" in str(caught.value)
    assert "\n50\n" not in str(caught.value)


def test_a_command_reads_nothing_and_writes_its_log(tmp_path: Path) -> None:
    run(["cat", Path("/dev/null"), "-"], "cat nothing")
    run(["sh", "-c", "echo $WORD; echo bad >&2"], "say it", env={"WORD": "good"}, cwd=tmp_path)
    assert (cache_dir() / "logs/say-it.log").read_text() == "good\nbad\n"


def test_a_lock_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with lock("here"):
            assert (cache_dir() / "here.lock").exists()


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "abc").write_text("abc")
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
