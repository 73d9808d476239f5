"""Assemble what `pyodide xbuildenv install` downloads, from the npm package and Debian's headers.

pyodide-build looks for `<version>/xbuildenv/pyodide-root` with a `Makefile.envs`, the target's
headers and its sysconfig data. Everything about the target comes from Pyodide itself: its standard
library carries the `_sysconfigdata` that its Python was built with.
"""

from __future__ import annotations

import re
import runpy
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pyodide_npm
from cache import REPO, VERSIONS, content_key, is_fresh, replacing, say, write_stamp
from chroot import HOME, Chroot

_SYSCONFIG = "_sysconfigdata__emscripten_wasm32-emscripten"
_EXCEPTIONS = (
    "-fwasm-exceptions -sSUPPORT_LONGJMP=wasm"  # as Pyodide's own build: one unwinder for all
)

_MAKEFILE = """\
export PYODIDE_VERSION = {version}
export PYODIDE_ABI_VERSION = {abi}
export PYODIDE_EMSCRIPTEN_VERSION = {emscripten}
export PYVERSION = {python}
export PYMAJOR = {major}
export PYMINOR = {minor}
export PYMICRO = {micro}
export PLATFORM_TRIPLET = wasm32-emscripten
export SYSCONFIG_NAME = {sysconfig}
export CPYTHONINSTALL = $(PYODIDE_ROOT)/cpython/installs/python-{python}
export TARGETINSTALLDIR = $(CPYTHONINSTALL)
export SYSCONFIGDATA_DIR = $(CPYTHONINSTALL)/sysconfigdata
export PYTHONINCLUDE = $(CPYTHONINSTALL)/include/python{major}.{minor}
export PIP_CONSTRAINT = $(PYODIDE_ROOT)/tools/constraints.txt
export CFLAGS_BASE = -g0 -fPIC {exceptions}
export CXXFLAGS_BASE = $(CFLAGS_BASE)
# Debian's linker warns that PIC is experimental, and pyodide-build makes warnings fatal.
export LDFLAGS_BASE = -g0 {exceptions} -Wl,--experimental-pic

.output_vars:
\tset
"""


def ensure(chroot: Chroot) -> dict[str, str]:
    """Assemble the environment inside the chroot once; return the variables pyodide-build needs."""
    spec = VERSIONS["pyodide"]
    inside = f"{HOME}/xbuildenv/{spec['version']}"
    root = f"{inside}/xbuildenv/pyodide-root"
    key = content_key([REPO / "build/xbuildenv.py", REPO / "build/versions.toml"])
    stamp = chroot.path(f"{HOME}/stamps/xbuildenv")
    if not is_fresh(stamp, key):
        say("assembling the cross-build environment from npm's Pyodide and Debian's headers")
        with replacing(chroot.path(inside)) as folder:
            _assemble(folder, pyodide_npm.ensure(), chroot)
        write_stamp(stamp, key)
    return {"PYODIDE_ROOT": root, "SKIP_EMSCRIPTEN_VERSION_CHECK": "1"}


def _assemble(folder: Path, npm: Path, chroot: Chroot) -> None:
    spec = VERSIONS["pyodide"]
    major, minor, micro = spec["python"].split(".")
    root = folder / "xbuildenv/pyodide-root"
    install = root / f"cpython/installs/python-{spec['python']}"
    include = install / f"include/python{major}.{minor}"

    (root / "tools").mkdir(parents=True)
    (root / "tools/constraints.txt").touch()
    (folder / "xbuildenv/requirements.txt").touch()
    (folder / "xbuildenv/site-packages-extras").mkdir()
    (folder / ".build-python-version").write_text(f"{major}.{minor}")
    (folder / ".emscripten-version").write_text(spec["emscripten"])
    (folder / "emsdk/upstream").mkdir(parents=True)
    (folder / "emsdk/upstream/emscripten").symlink_to("/usr/share/emscripten")
    (root / "Makefile.envs").write_text(
        _MAKEFILE.format(
            version=spec["version"], abi=spec["abi"], emscripten=spec["emscripten"],
            python=spec["python"], major=major, minor=minor, micro=micro,
            sysconfig=_SYSCONFIG, exceptions=_EXCEPTIONS,
        )
    )  # fmt: skip
    shutil.copytree(npm, root / "dist")

    (install / "lib").mkdir(parents=True)
    (install / "sysconfigdata").mkdir()
    sysconfig = install / f"sysconfigdata/{_SYSCONFIG}.py"
    with zipfile.ZipFile(npm / "python_stdlib.zip") as stdlib:
        sysconfig.write_bytes(stdlib.read(f"{_SYSCONFIG}.py"))
    variables = runpy.run_path(str(sysconfig))["build_time_vars"]

    shutil.copytree(chroot.path(f"/usr/include/python{major}.{minor}"), include)
    template = next(chroot.path("/usr/include").glob(f"*/python{major}.{minor}/pyconfig.h"))
    (include / "pyconfig.h").write_text(pyconfig(template.read_text(), variables))


def pyconfig(template: str, variables: dict[str, Any]) -> str:
    """Rewrite a `pyconfig.h` of another platform with the values of `sysconfig`'s `variables`.

    >>> print(pyconfig("#define SIZEOF_LONG 8\\n/* #undef HAVE_X */\\n#define HAVE_Y 1\\n",
    ...                {"SIZEOF_LONG": 4, "HAVE_X": 1, "HAVE_Y": 0}), end="")
    #define SIZEOF_LONG 4
    #define HAVE_X 1
    /* #undef HAVE_Y */
    """
    kept = {"_GNU_SOURCE", "_POSIX_C_SOURCE", "_XOPEN_SOURCE", "_XOPEN_SOURCE_EXTENDED"}
    directive = re.compile(r"^\s*(?:/\* #undef|# *define) (\w+).*$")

    def rewrite(line: str) -> str:
        match = directive.match(line)
        if match is None:
            return line
        name = match[1]
        value = variables.get(name)
        if isinstance(value, int) and value:
            return f"#define {name} {value}"
        if name in kept or name == "Py_PYCONFIG_H":
            return line
        return f"/* #undef {name} */"

    return "".join(f"{rewrite(line)}\n" for line in template.splitlines())
