"""Pyodide as npm ships it: the runtime that goes into a site, and the facts for cross-building."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from cache import VERSIONS, BuildError, cache_dir, replacing, run, sha256

RUNTIME_FILES = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
)


def ensure() -> Path:
    """The unpacked npm package, fetched once with npm and checked against its SHA-256."""
    spec = VERSIONS["pyodide"]
    folder = cache_dir() / f"pyodide-{spec['version']}"
    if folder.is_dir():
        return folder
    if shutil.which("npm") is None:
        raise BuildError("npm is not installed: it fetches Pyodide (Debian: apt-get install npm).")
    with replacing(folder) as partial:
        fetch = ["npm", "pack", "--silent", f"pyodide@{spec['version']}"]
        run(fetch, f"npm pack: pyodide {spec['version']}", cwd=partial)
        archive = partial / f"pyodide-{spec['version']}.tgz"
        if sha256(archive) != spec["npm_sha256"]:
            raise BuildError(
                f"pyodide {spec['version']} from npm does not have the SHA-256 "
                "in build/versions.toml."
            )
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
        for file in (partial / "package").iterdir():
            file.rename(partial / file.name)
        (partial / "package").rmdir()
        archive.unlink()
    return folder
