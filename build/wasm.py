"""Make the WASM wheels: `python build/wasm.py` prints their paths.

Strandline's two (SIMD, and SIMD with the relaxed instructions) and NumPy's. Each is kept in the
cache under a hash of what it was made from, so that a second call takes no time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cache import (
    REPO,
    VERSIONS,
    BuildError,
    cache_dir,
    content_key,
    lock,
    replacing,
    say,
)
from sdist import sdist
from sources import sync, wheel_sources
from toolchain import Toolchain, choose

# Build name -> the wheel's build tag (which has to start with a digit).
SIMD_BUILDS = {"simd128": "1simd128", "relaxed-simd": "1relaxed"}
CORE = "strandline_core.wasm"
_EPOCH = "1577836800"  # the time in the wheels' zip entries: equal sources give equal bytes

_TOOLCHAIN_FILES = [
    REPO / "build" / name
    for name in (
        "chroot.py",
        "requirements-wasm.lock",
        "toolchain.py",
        "versions.toml",
        "xbuildenv.py",
    )
]


@dataclass(frozen=True)
class Recipe:
    """What a wheel is built with: settings for its build backend, environment variables."""

    settings: tuple[str, ...]
    env: Mapping[str, str]


class Builder:
    """Builds wheels with a toolchain that is set up only when something has to be built."""

    def __init__(self) -> None:
        self._toolchain: Toolchain | None = None

    @property
    def toolchain(self) -> Toolchain:
        if self._toolchain is None:
            self._toolchain = choose(os.environ.get("STRANDLINE_WASM_ROUTE", "auto"))
            say(f"WASM toolchain: {self._toolchain.name}")
        return self._toolchain

    def strandline(self, simd: str) -> Path:
        """The wheel of this checkout for one of SIMD_BUILDS."""
        files = wheel_sources(wasm=True)
        flags = "-O3 -msimd128" + (" -mrelaxed-simd" if simd == "relaxed-simd" else "")
        recipe = Recipe(
            settings=(f"wheel.build-tag={SIMD_BUILDS[simd]}", f"build-dir=.skbuild/{simd}"),
            env={"CFLAGS": flags, "LDFLAGS": "-O3", "STRANDLINE_WASM_SIMD": simd},
        )
        return self._build(
            "strandline",
            f"strandline-{simd}-{content_key([*files, *_TOOLCHAIN_FILES], str(recipe))}",
            recipe,
            lambda target: sync(files, target),
        )

    def core(self, simd: str) -> Path:
        """The core alone, without Python, as `strandline_core.wasm`."""
        files = [file for file in wheel_sources(wasm=True) if REPO / "py/core" in file.parents]
        variables = ("STRANDLINE_STANDALONE=ON", f"STRANDLINE_WASM_SIMD={simd}")
        key = content_key([*files, *_TOOLCHAIN_FILES], *variables)
        folder = cache_dir() / "wheels" / f"core-{simd}-{key}"
        if not folder.is_dir():
            with lock("wasm"):
                if not folder.is_dir():
                    tree = self.toolchain.sources("core")
                    sync(files, tree)
                    made = self.toolchain.cmake("core/py/core", variables, {})
                    with replacing(folder) as partial:
                        shutil.copyfile(made / CORE, partial / CORE)
                    _prune(folder)
        return folder / CORE

    def numpy(self) -> Path:
        """NumPy's wheel, from its sdist."""
        spec = VERSIONS["numpy"]
        recipe = Recipe(
            settings=(
                "setup-args=--cross-file={source}/tools/ci/emscripten/emscripten.meson.cross",
                "setup-args=-Dblas=none",
                "setup-args=-Dlapack=none",
                "install-args=--tags=runtime,python-runtime",  # without tests and headers
                "build-dir=build",
            ),
            env={"CFLAGS": "-O2 -msimd128", "CXXFLAGS": "-O2 -msimd128", "LDFLAGS": "-O2"},
        )

        def prepare(target: Path) -> None:
            archive = sdist("numpy", spec["version"], spec["sdist_sha256"])
            with replacing(target) as folder, tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
                for entry in (folder / f"numpy-{spec['version']}").iterdir():
                    entry.rename(folder / entry.name)
            say("building NumPy for WASM, once: about 5 minutes on 2 cores")

        lock_file = REPO / "build/requirements-wasm.lock"
        key = content_key([lock_file], str(spec), str(VERSIONS["pyodide"]), str(recipe))
        return self._build("numpy", f"numpy-{spec['version']}-{key}", recipe, prepare)

    def _build(
        self, tree: str, cached: str, recipe: Recipe, prepare: Callable[[Path], None]
    ) -> Path:
        """The one wheel in the cache folder `cached`, built there if need be."""
        folder = cache_dir() / "wheels" / cached
        if not folder.is_dir():
            with lock("wasm"):
                if not folder.is_dir():  # another process may have built it while this one waited
                    prepare(self.toolchain.sources(tree))
                    env = {**recipe.env, "SOURCE_DATE_EPOCH": _EPOCH}
                    wheel = self.toolchain.build(tree, recipe.settings, env)
                    with replacing(folder) as partial:
                        shutil.copyfile(wheel, partial / wheel.name)
                    _prune(folder)
        return next(folder.glob("*.whl"))


def _prune(newest: Path, keep: int = 20) -> None:
    """Drop all but the last few builds of the wheel whose cache folder is `newest`."""
    name = newest.name.rpartition("-")[0]
    same = [folder for folder in newest.parent.iterdir() if folder.name.rpartition("-")[0] == name]
    for old in sorted(same, key=lambda folder: folder.stat().st_mtime, reverse=True)[keep:]:
        shutil.rmtree(old)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheels", nargs="*", default=[*SIMD_BUILDS, "numpy"], metavar="WHEEL",
                        help="simd128, relaxed-simd, numpy; all by default")  # fmt: skip
    arguments = parser.parse_args()
    unknown = set(arguments.wheels) - {*SIMD_BUILDS, "numpy"}
    if unknown:
        parser.error(f"no such wheel: {', '.join(sorted(unknown))}")
    builder = Builder()
    try:
        for name in arguments.wheels:
            print(builder.numpy() if name == "numpy" else builder.strandline(name), flush=True)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
