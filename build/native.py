"""Build the C extension and install the package editable into `.venv`, if a source changed.

Several callers take turns. CMake's folder (.skbuild/) is kept, so that only changed files compile.
"""

from __future__ import annotations

import os
import sys

from cache import REPO, BuildError, content_key, is_fresh, lock, run, write_stamp

VENV = REPO / ".venv"


def ensure() -> None:
    """Make `import strandline` in `.venv` mean this checkout, with an extension of these sources."""
    sources = [path for path in (REPO / "py/core").rglob("*") if path.is_file()]
    # Packages that are new to the editable install's finder have to be told to it.
    packages = [str(path.relative_to(REPO)) for path in (REPO / "py").rglob("__init__.py")]
    key = content_key([*sources, REPO / "pyproject.toml"], sys.version, *sorted(packages))
    stamp = VENV / ".strandline-native"
    installed = list(VENV.glob("lib/python3*/site-packages/strandline/_core.abi3.so"))
    if installed and is_fresh(stamp, key):
        return
    install = [VENV / "bin/python", "-m", "uv", "pip", "install", "--no-deps",
               "--no-build-isolation", "--reinstall-package", "strandline", "--editable", REPO]  # fmt: skip
    # CMake and Ninja come from the environment's own locked packages.
    env = {**os.environ, "VIRTUAL_ENV": str(VENV), "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"}
    run(install, "building the C extension", env=env, cwd=REPO)
    write_stamp(stamp, key)


def main() -> int:
    try:
        with lock("native"):
            ensure()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
