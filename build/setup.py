"""Prepare a machine and this checkout: the tools, and `.venv` with the locked packages.

Run by `make setup` with any Python ≥ 3.11. As root on Debian, missing tools are installed with apt;
otherwise they are named. What was done before is not done again.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cache import REPO, BuildError, cache_dir, content_key, is_fresh, lock, run, write_stamp

VENV = REPO / ".venv"
LOCK = REPO / "build/requirements.lock"
MINIMUM_NODE = (20, 19)


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the build calls; `package` is Debian's name for it."""

    name: str
    package: str
    why: str

    def present(self) -> bool:
        return shutil.which(self.name) is not None


class PythonHeaders(Tool):
    def present(self) -> bool:
        return (Path(sysconfig.get_path("include")) / "Python.h").is_file()


class PythonVenv(Tool):
    def present(self) -> bool:
        return find_spec("ensurepip") is not None


class Chromium(Tool):
    def present(self) -> bool:
        names = ("chromium", "chromium-browser", "google-chrome")
        return "CHROMIUM" in os.environ or any(shutil.which(name) for name in names)


TOOLS = [
    Tool("cc", "gcc", "compiles the native extension"),
    PythonHeaders("Python.h", "python3-dev", "compiles the native extension"),
    PythonVenv("ensurepip", "python3-venv", "makes .venv"),
    Tool("node", "nodejs", "builds the page and runs Pyodide in tests"),
    Tool("npm", "npm", "fetches the page's tools and Pyodide"),
    Chromium("chromium", "chromium", "runs the browser tests, the demo and the benchmark"),
]
# Only where WASM wheels have to be built from package registries alone.
CHROOT_TOOLS = [Tool("debootstrap", "debootstrap", "makes the chroot that cross-builds to WASM")]


def ensure_tools() -> None:
    """Install what is missing (as root, with apt), or say what is missing and why."""
    wanted = [*TOOLS]
    if shutil.which("python3.14") is None:
        wanted += CHROOT_TOOLS
    lacking = [tool for tool in wanted if not tool.present()]
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = sorted({tool.package for tool in lacking})
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], "apt-get update", env=env)
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
        run(install, f"apt-get install: {' '.join(packages)}", env=env)
        lacking = [tool for tool in lacking if not tool.present()]
    # Without root there is no chroot, so debootstrap would not help: build/wasm.py says what would.
    lacking = [tool for tool in lacking if tool not in CHROOT_TOOLS]
    if lacking:
        lines = [f"  {tool.name}: {tool.why} (Debian: {tool.package})" for tool in lacking]
        packages = sorted({tool.package for tool in lacking})
        raise BuildError(
            "These are missing:\n" + "\n".join(lines) + "\nInstall them, on Debian as root with:\n"
            f"  apt-get install {' '.join(packages)}"
        )
    _check_node()


def _check_node() -> None:
    text = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = (int(part) for part in text.strip().lstrip("v").split(".")[:2])
    if (major, minor) < MINIMUM_NODE:
        needed = ".".join(map(str, MINIMUM_NODE))
        raise BuildError(
            f"Node {needed} or later is needed, this is {text.strip()}: "
            "Debian 13 has it as the package nodejs, for Debian 12 take Node's own archive."
        )


def ensure_venv() -> None:
    """Make `.venv` and install exactly what build/requirements.lock says."""
    python = VENV / "bin/python"
    version = ".".join(map(str, sys.version_info[:2]))
    if not (python.exists() and find_spec_in(python, "pip")):
        run([sys.executable, "-m", "venv", "--clear", VENV], f"venv: .venv with Python {version}")
    stamp = VENV / ".strandline-stamp"
    key = content_key([LOCK], version)
    if is_fresh(stamp, key):
        return
    if not find_spec_in(python, "uv"):
        alone = cache_dir() / "uv.lock.txt"
        alone.write_text(locked_stanza(LOCK.read_text(), "uv"))
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--require-hashes", "-r", alone], "pip install: uv")
    install = [python, "-m", "uv", "pip", "install", "--require-hashes", "-r", LOCK]
    env = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    run(install, "uv pip install: the locked Python packages", env=env)
    write_stamp(stamp, key)


def find_spec_in(python: Path, module: str) -> bool:
    """Whether another interpreter has a module."""
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def locked_stanza(text: str, name: str) -> str:
    """The lines of one package in a lock file: `name==version` and its hashes.

    >>> locked_stanza("a==1\\nuv==2 \\\\\\n    --hash=y\\n    # via z\\n", "uv")
    'uv==2 \\\\\\n    --hash=y\\n'
    """
    match = re.search(rf"^{re.escape(name)}==.*\n(?: +--hash.*\n)*", text, re.MULTILINE)
    if match is None:
        raise BuildError(f"{name} is not in the lock file: run `make lock`.")
    return match[0]


def main() -> int:
    argparse.ArgumentParser(description="Prepare this machine and checkout.").parse_args()
    try:
        with lock("setup"):
            ensure_tools()
            ensure_venv()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
