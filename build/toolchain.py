"""The two ways to a WASM wheel, behind one method: `build` runs `pyodide build` on a source tree.

`OpenToolchain` is pyodide-build's own: it downloads a cross-build environment and the Emscripten
SDK. `ChrootToolchain` needs package registries only: it assembles both (chroot.py, xbuildenv.py).
"""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import xbuildenv
from cache import REPO, VERSIONS, BuildError, cache_dir, content_key, is_fresh, run, write_stamp
from chroot import HOME, Chroot, missing

REQUIREMENTS = REPO / "build/requirements-wasm.lock"
_SDK = "https://storage.googleapis.com/webassembly/emscripten-releases-builds/linux/"


class Toolchain(Protocol):
    """Something that turns a source tree into a `pyemscripten` wheel."""

    name: str

    def sources(self, name: str) -> Path:
        """The folder, as this process sees it, where the caller puts the tree called `name`."""

    def build(self, name: str, settings: Sequence[str], env: Mapping[str, str]) -> Path:
        """Build the tree and return the wheel's path.

        `settings` are `KEY=VALUE` for the build backend; `{source}` there is the tree's folder.
        """

    def cmake(self, name: str, variables: Sequence[str], env: Mapping[str, str]) -> Path:
        """Build the CMake project in the tree with Emscripten and return the build folder.

        `variables` are `KEY=VALUE`.
        """


def choose(wanted: str = "auto") -> Toolchain:
    """Pick the toolchain this machine can use: `open`, `chroot`, or whichever works.

    Local conditions are looked at first, so that a machine without Python 3.14 asks no server.
    """
    if wanted not in {"auto", "open", "chroot"}:
        raise BuildError(f"STRANDLINE_WASM_ROUTE is '{wanted}': use auto, open or chroot.")
    lacks_open = None if wanted == "chroot" else _open_lacks()
    if wanted == "open" or (wanted == "auto" and lacks_open is None):
        if lacks_open:
            raise BuildError(f"Cannot build WASM wheels the open way: {lacks_open}.")
        return OpenToolchain()
    lacks_chroot = missing()
    if lacks_chroot is None:
        return ChrootToolchain()
    either = f"\n  or (pyodide-build's own environment): {lacks_open}" if lacks_open else ""
    raise BuildError(
        "Cannot build WASM wheels on this machine.\n"
        f"  Missing (Debian chroot): {lacks_chroot}{either}\n"
        "Do one of the two, or take the wheels from a release."
    )


def _open_lacks() -> str | None:
    if shutil.which("python3.14") is None:
        return "python3.14 is not on PATH"
    try:
        request = urllib.request.Request(_SDK, method="HEAD")
        urllib.request.urlopen(request, timeout=5).close()
    except urllib.error.HTTPError:
        return None  # it answered: the folder itself is not listable
    except OSError as error:
        return f"the Emscripten SDK's server does not answer ({error})"
    return None


def _command(program: str, source: str, out: str, settings: Sequence[str]) -> list[str]:
    backend = ["-C" + setting.replace("{source}", source) for setting in settings]
    return [program, "build", source, "-o", out, "--no-isolation", "-x", *backend]


def _cmake(folder: str, program: str, variables: Sequence[str]) -> list[list[str]]:
    """What configures the project in `folder`, and what builds it, in `folder`/build."""
    defined = [f"-D{v}" for v in ("CMAKE_BUILD_TYPE=Release", *variables)]
    return [
        [program, "cmake", "-S", folder, "-B", f"{folder}/build", *defined],
        ["cmake", "--build", f"{folder}/build", "--parallel"],
    ]


def _newest_wheel(folder: Path) -> Path:
    wheels = sorted(folder.glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    if not wheels:
        raise BuildError(f"pyodide build ended well but left no wheel in {folder}.")
    return wheels[-1]


class ChrootToolchain:
    """Debian's Emscripten in a chroot, with an assembled cross-build environment."""

    name = "Debian chroot (package registries only)"

    def __init__(self) -> None:
        self._chroot = Chroot()
        self._chroot.ensure(REQUIREMENTS)
        self._env = xbuildenv.ensure(self._chroot)

    def sources(self, name: str) -> Path:
        return self._chroot.path(f"{HOME}/src/{name}")

    def build(self, name: str, settings: Sequence[str], env: Mapping[str, str]) -> Path:
        out = f"{HOME}/dist/{name}"
        shutil.rmtree(self._chroot.path(out), ignore_errors=True)
        self._chroot.path(out).mkdir(parents=True)
        command = _command("pyodide", f"{HOME}/src/{name}", out, settings)
        self._chroot.run(command, f"pyodide build: {name}", {**self._env, **env})
        return _newest_wheel(self._chroot.path(out))

    def cmake(self, name: str, variables: Sequence[str], env: Mapping[str, str]) -> Path:
        folder = f"{HOME}/src/{name}"
        shutil.rmtree(self._chroot.path(f"{folder}/build"), ignore_errors=True)
        for command in _cmake(folder, "emcmake", variables):
            self._chroot.run(command, f"{' '.join(command[:2])}: {name}", env)
        return self._chroot.path(f"{folder}/build")


class OpenToolchain:
    """pyodide-build with the environment and the Emscripten SDK it downloads."""

    name = "pyodide-build's own cross-build environment"

    def __init__(self) -> None:
        self._home = cache_dir() / "open"
        venv = self._home / "venv"
        self._env = {
            **os.environ,
            "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
            "PYODIDE_XBUILDENV_PATH": str(self._home / "xbuildenv"),
        }
        key = content_key([REQUIREMENTS, REPO / "build/versions.toml"])
        stamp = self._home / "stamp"
        if not is_fresh(stamp, key):
            run(["python3.14", "-m", "venv", "--clear", venv], "venv: for pyodide-build")
            pip = [venv / "bin/pip", "install", "--require-hashes", "-r"]
            run([*pip, REQUIREMENTS], "pip install: pyodide-build and build backends")
            version = VERSIONS["pyodide"]["version"]
            fetch = [venv / "bin/pyodide", "xbuildenv", "install", version]
            run(fetch, f"pyodide xbuildenv: {version}", env=self._env)
            write_stamp(stamp, key)

    def sources(self, name: str) -> Path:
        return self._home / "src" / name

    def build(self, name: str, settings: Sequence[str], env: Mapping[str, str]) -> Path:
        out = self._home / "dist" / name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        command = _command("pyodide", str(self.sources(name)), str(out), settings)
        run(command, f"pyodide build: {name}", env={**self._env, **env})
        return _newest_wheel(out)

    def cmake(self, name: str, variables: Sequence[str], env: Mapping[str, str]) -> Path:
        found = sorted(self._home.glob("**/upstream/emscripten/emcmake"))
        program = str(found[-1]) if found else shutil.which("emcmake")
        if program is None:
            raise BuildError("pyodide-build left no Emscripten in its cross-build environment.")
        folder = self.sources(name)
        shutil.rmtree(folder / "build", ignore_errors=True)
        for command in _cmake(str(folder), program, variables):
            run(command, f"cmake: {name}", env={**self._env, **env})
        return folder / "build"
