"""Which files make a wheel, and bringing them where they are built without touching what did not change."""

from __future__ import annotations

import filecmp
import shutil
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from cache import REPO


def wheel_sources(*, wasm: bool) -> list[Path]:
    """Every file that `pip install .` reads; with `wasm`, without those the WASM wheel leaves out."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text())
    settings = project["tool"]["scikit-build"]
    (override,) = (o for o in settings["overrides"] if "PYODIDE" in o["if"].get("env", {}))
    excluded = override["wheel"]["exclude"] if wasm else []

    files = [REPO / "pyproject.toml", REPO / "LICENSE"]
    if "readme" in project["project"]:
        files.append(REPO / project["project"]["readme"])
    for folder in ("py/core", "py/strandline"):
        files += (REPO / folder).rglob("*")
    return [
        file
        for file in files
        if file.is_file()
        and file.suffix not in {".pyc", ".so"}
        and not any(fnmatch(str(file.relative_to(REPO)), f"py/{glob}") for glob in excluded)
    ]


def sync(files: Iterable[Path], target: Path) -> None:
    """Make `target` hold exactly these files of the repository; equal files keep their time stamps."""
    wanted = {target / file.relative_to(REPO): file for file in files}
    target.mkdir(parents=True, exist_ok=True)
    for copy in [path for path in target.rglob("*") if path.is_file()]:
        inside_build = ".pyodide_build" in copy.parts
        if copy not in wanted and not inside_build:
            copy.unlink()
    for copy, file in wanted.items():
        if not (copy.is_file() and filecmp.cmp(copy, file, shallow=False)):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
