"""Writing a site: all files beside the target, then one rename, so that none is seen half-written."""

from __future__ import annotations

import hashlib
import html
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from strandline.bundle.errors import PackError

ASSETS = Path(__file__).parent / "assets"
"""The page, the Pyodide runtime and the WASM wheels; part of a release, made by `make assets` in a checkout."""


_NOT_A_SITE = ("dashboard", "assets/dashboard-", "bench", "assets/bench-")
"""The collector's dashboard and the benchmark's page come from the same build."""


def asset_files(assets: Path = ASSETS) -> dict[str, Path]:
    """Path in the site -> file, of everything of a site that does not depend on the model, wheels left out."""
    if not (assets / "web" / "index.html").is_file() or not (assets / "pyodide").is_dir():
        raise PackError(
            f"the page and its runtime are not in {assets}: install a release of strandline, or run `make assets`"
        )
    page = {p.relative_to(assets / "web").as_posix(): p for p in _files(assets / "web")}
    page = {name: p for name, p in page.items() if not name.startswith(_NOT_A_SITE)}
    return page | {p.relative_to(assets).as_posix(): p for p in _files(assets / "pyodide")}


def wheels(assets: Path = ASSETS) -> dict[str, Path]:
    """The WASM wheels by what they are for: `simd128`, `relaxed`, `numpy`."""
    found: dict[str, Path] = {}
    for path in sorted((assets / "wheels").glob("*.whl")):
        if path.name.startswith("numpy-"):
            found["numpy"] = path
        elif path.name.startswith("strandline-"):
            found["relaxed" if "relaxed" in path.name else "simd128"] = path
    absent = {"simd128", "relaxed", "numpy"} - found.keys()
    if absent:
        raise PackError(
            f"{assets / 'wheels'} lacks the WASM wheel for {', '.join(sorted(absent))}: run `make assets`"
        )
    return found


def cores(assets: Path = ASSETS) -> dict[str, Path]:
    """The core without Python: `simd128`, `relaxed`."""
    found = {
        name: assets / "core" / f"{build}.wasm"
        for name, build in (("simd128", "simd128"), ("relaxed", "relaxed-simd"))
    }
    absent = [name for name, path in found.items() if not path.is_file()]
    if absent:
        raise PackError(
            f"{assets / 'core'} lacks the core for {', '.join(absent)}: run `make assets`"
        )
    return found


def hashes(folder: Path) -> dict[str, tuple[str, int]]:
    """SHA-256 and size of every file below `folder`, by path."""
    return {
        p.relative_to(folder).as_posix(): (
            hashlib.sha256(p.read_bytes()).hexdigest(),
            p.stat().st_size,
        )
        for p in _files(folder)
    }


@contextmanager
def replacing(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A new folder that takes `target`'s place when the block ends well, and is gone when it raises.

    A folder that is there already must be empty or a packed site, unless `force` is given.
    """
    target = target.absolute()
    check_target(target, force=force)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield fresh
        fresh.chmod(0o755)
        _swap(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def check_target(target: Path, *, force: bool = False) -> None:
    """Raise PackError when `target` is something that packing must not replace."""
    if not target.exists() or force:
        return
    if not target.is_dir():
        raise PackError(f"{target} is a file: give -o a folder")
    if any(target.iterdir()) and not _is_site(target):
        raise PackError(
            f"{target} holds files but is no packed site: give -o another folder, or --force to replace it"
        )


def copy(files: Mapping[str, Path], folder: Path) -> None:
    """Copy files to their paths below `folder` (contents only: times and modes are the copy's own)."""
    for name, source in files.items():
        destination = folder / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)


def fill_page(page: Path, title: str, connect: str) -> None:
    """Put the model's name, and the origins that the page may talk to besides its own, into `index.html`."""
    text = page.read_text(encoding="utf-8")
    text = text.replace("%STRANDLINE_TITLE%", html.escape(title)).replace(
        "%STRANDLINE_CONNECT%", html.escape(connect)
    )
    page.write_text(text, encoding="utf-8")


def _swap(fresh: Path, target: Path) -> None:
    if not target.exists():
        fresh.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    target.rename(old / "site")
    try:
        fresh.rename(target)
    except OSError:
        os.rename(old / "site", target)  # noqa: PTH104  (back to where it was)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _is_site(folder: Path) -> bool:
    try:
        schema = json.loads((folder / "manifest.json").read_bytes()).get("schema", "")
    except (OSError, ValueError, AttributeError):
        return False
    return str(schema).startswith("strandline.manifest/")


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())
