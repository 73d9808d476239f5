from __future__ import annotations

from pathlib import Path

import pytest
import sources
from cache import REPO
from sources import excluded_from_wasm, sync, wheel_sources


def test_the_wasm_wheel_leaves_out_what_cannot_run_in_a_page() -> None:
    everything = {str(path.relative_to(REPO)) for path in wheel_sources(wasm=False)}
    wasm = {str(path.relative_to(REPO)) for path in wheel_sources(wasm=True)}
    assert wasm < everything
    left_out = {name.removeprefix("py/strandline/").split("/")[0] for name in everything - wasm}
    assert {"bench", "collector"} <= left_out
    assert {"pyproject.toml", "py/core/CMakeLists.txt", "py/strandline/__init__.py"} <= wasm
    assert not any(name.endswith((".pyc", ".so")) for name in everything)


def test_the_excluded_globs_come_from_the_project_file() -> None:
    assert "strandline/collector/**" in excluded_from_wasm()


def test_sync_copies_deletes_and_leaves_equal_files_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo, target = tmp_path / "repo", tmp_path / "target"
    (repo / "py").mkdir(parents=True)
    kept, changed = repo / "py/kept.c", repo / "py/changed.c"
    kept.write_text("same")
    changed.write_text("old")
    monkeypatch.setattr(sources, "REPO", repo)
    sync([kept, changed], target)

    (target / ".skbuild").mkdir()
    (target / ".skbuild/object.o").touch()
    (target / "py/deleted.c").touch()
    before = (target / "py/kept.c").stat().st_mtime_ns
    changed.write_text("new")
    sync([kept, changed], target)

    assert (target / "py/kept.c").stat().st_mtime_ns == before
    assert (target / "py/changed.c").read_text() == "new"
    assert not (target / "py/deleted.c").exists()
    assert (target / ".skbuild/object.o").exists(), "compiled objects are kept for the next build"
