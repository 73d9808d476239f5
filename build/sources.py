"""Which files make a wheel, and bringing them to where they are built."""

from __future__ import annotations

import filecmp
import shutil
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from cache import REPO


def excluded_from_wasm() -> list[str]:
    """The globs, relative to py/, of what the WASM wheel leaves out (from pyproject.toml)."""
    (override,) = (o for o in _project()["tool"]["scikit-build"]["overrides"] if "env" in o["if"])
    excluded: list[str] = override["wheel"]["exclude"]
    return excluded


def wheel_sources(*, wasm: bool) -> list[Path]:
    """Every file that `pip install .` reads; with `wasm`, without what that wheel leaves out."""
    files = [REPO / "pyproject.toml", REPO / "LICENSE"]
    readme = _project()["project"].get("readme")
    if readme:
        files.append(REPO / readme)
    for folder in ("py/core", "py/strandline"):
        files += (REPO / folder).rglob("*")
    excluded = excluded_from_wasm() if wasm else []
    return [
        file
        for file in files
        if file.is_file()
        and file.suffix not in {".pyc", ".so"}
        and not any(fnmatch(str(file.relative_to(REPO)), f"py/{glob}") for glob in excluded)
    ]


def _project() -> dict[str, Any]:
    return tomllib.loads((REPO / "pyproject.toml").read_text())


def sync(files: Iterable[Path], target: Path) -> None:
    """Make `target` hold exactly these files; equal files are left alone, with their times."""
    wanted = {target / file.relative_to(REPO): file for file in files}
    target.mkdir(parents=True, exist_ok=True)
    for copy in [path for path in target.rglob("*") if path.is_file()]:
        scratch = copy.relative_to(target).parts[0] in {".pyodide_build", ".skbuild"}
        if copy not in wanted and not scratch:
            copy.unlink()
    for copy, file in wanted.items():
        if not (copy.is_file() and filecmp.cmp(copy, file, shallow=False)):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
