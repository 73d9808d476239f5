"""Fill `py/strandline/bundle/assets/` with what `strandline pack` copies into a site.

    pyodide/   the runtime, from npm
    wheels/    Strandline's two WASM wheels and NumPy's
    core/      Strandline's core alone, twice
    web/       the page, from `npm ci && npm run build` in web/

Every part is stamped with a hash of what it came from, so that a second call takes no time.
`--only PART …` limits it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pyodide_npm
from cache import REPO, BuildError, content_key, is_fresh, lock, replacing, run, say, write_stamp
from check_wheel import check
from wasm import SIMD_BUILDS, Builder

ASSETS = REPO / "py/strandline/bundle/assets"
WEB = REPO / "web"


def pyodide() -> None:
    """Pyodide's runtime files, with an empty package list: a site loads nothing from elsewhere."""
    source = pyodide_npm.ensure()
    key = content_key([REPO / "build/versions.toml", REPO / "build/assets.py"])

    def fill(folder: Path) -> None:
        for name in pyodide_npm.RUNTIME_FILES:
            shutil.copyfile(source / name, folder / name)
        listing = json.loads((source / "pyodide-lock.json").read_text())
        (folder / "pyodide-lock.json").write_text(json.dumps({**listing, "packages": {}}))

    _part("pyodide", key, fill)


def wheels() -> None:
    """The WASM wheels, each one checked."""
    builder = Builder()
    made = [builder.strandline(simd) for simd in SIMD_BUILDS] + [builder.numpy()]

    def fill(folder: Path) -> None:
        for wheel in made:
            problems = check(wheel)
            if problems:
                raise BuildError(f"{wheel.name}: " + "; ".join(problems))
            shutil.copyfile(wheel, folder / wheel.name)

    _part("wheels", content_key([], *(wheel.parent.name for wheel in made)), fill)


def core() -> None:
    """The core without Python, for the first predictions of a page."""
    builder = Builder()
    made = {simd: builder.core(simd) for simd in SIMD_BUILDS}

    def fill(folder: Path) -> None:
        for simd, module in made.items():
            shutil.copyfile(module, folder / f"{simd}.wasm")

    _part("core", content_key([], *(module.parent.name for module in made.values())), fill)


def web() -> None:
    """The page as Vite builds it."""
    install_web()
    unwatched = {"node_modules", "dist"}
    sources = [
        path
        for path in WEB.rglob("*")
        if path.is_file() and not unwatched.intersection(path.relative_to(WEB).parts)
    ]

    def fill(folder: Path) -> None:
        run(["npm", "run", "build"], "npm run build: in web/", cwd=WEB)
        shutil.copytree(WEB / "dist", folder, dirs_exist_ok=True)

    _part("web", content_key(sources), fill)


def install_web() -> None:
    """`npm ci` in web/, when its lock file changed."""
    stamp = WEB / "node_modules/.strandline-stamp"
    key = content_key([WEB / "package.json", WEB / "package-lock.json"])
    if not is_fresh(stamp, key):
        run(["npm", "ci", "--no-audit", "--no-fund"], "npm ci: in web/", cwd=WEB)
        write_stamp(stamp, key)


def _part(name: str, key: str, fill: Callable[[Path], None]) -> None:
    stamp = ASSETS / f".{name}.stamp"
    if is_fresh(stamp, key) and (ASSETS / name).is_dir():
        return
    with replacing(ASSETS / name) as folder:
        fill(folder)
    write_stamp(stamp, key)
    size = sum(file.stat().st_size for file in (ASSETS / name).rglob("*") if file.is_file())
    say(f"assets/{name}: {size / 1e6:.1f} MB")


PARTS: dict[str, Callable[[], None]] = {
    "core": core,
    "pyodide": pyodide,
    "web": web,
    "wheels": wheels,
}
STEPS = {**PARTS, "node_modules": install_web}


def main() -> int:
    parser = argparse.ArgumentParser(description="Fill py/strandline/bundle/assets/.")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(PARTS))
    arguments = parser.parse_args()
    os.umask(0o022)
    try:
        with lock("assets"):
            for name in arguments.only:
                STEPS[name]()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
