"""Check the WASM wheels before they go anywhere: `python build/check_wheel.py [WHEEL …]`.

Name and tags, size against build/budgets.toml, files that must not be there, vector instructions
in the extension, and that it imports in Pyodide. Every failed check is one line; the exit code is 1
if there is any.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pyodide_npm
from cache import REPO, VERSIONS, BuildError, say
from sources import excluded_from_wasm
from wasm import SIMD_BUILDS, Builder
from wasmcode import count_simd

EXTENSION = "strandline/_core.abi3.so"
MINIMUM_SIMD = 500  # the compiler's own vectoriser leaves a few dozen

_NAME = re.compile(
    r"(?P<name>\w+)-(?P<version>[\w.]+)(?:-(?P<build>\d\w*))?"
    r"-(?P<tag>\w+-\w+-\w+)\.whl"
)


def check_strandline(wheel: Path) -> Iterator[str]:
    """Yield what is wrong with a Strandline WASM wheel."""
    platform = f"pyemscripten_{VERSIONS['pyodide']['abi']}_wasm32"
    match = _NAME.fullmatch(wheel.name)
    if match is None:
        yield f"the name {wheel.name} is not a wheel's"
        return
    if match["tag"] != f"cp311-abi3-{platform}":
        yield f"the tag is {match['tag']}, not cp311-abi3-{platform}"
    if match["build"] not in SIMD_BUILDS.values():
        yield f"the build tag is {match['build']}, not one of {', '.join(SIMD_BUILDS.values())}"

    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        yield from _check_metadata(archive, match["tag"], match["build"])
        for glob in excluded_from_wasm():
            for name in names:
                if fnmatch(name, glob):
                    yield f"{name} does not belong into the WASM wheel (pyproject.toml: {glob})"
        if EXTENSION not in names:
            yield f"{EXTENSION} is missing; the wheel has {', '.join(names[:5])} …"
            return
        extension = archive.read(EXTENSION)

    yield from check_extension(extension, relaxed=match["build"] == SIMD_BUILDS["relaxed-simd"])
    budget = _budgets()["strandline_wasm"]
    yield from _over("the wheel", wheel.stat().st_size, budget["wheel"])
    yield from _over("the extension", len(extension), budget["extension"])


def check_extension(extension: bytes, *, relaxed: bool) -> Iterator[str]:
    """Yield what is wrong with the vector instructions of an extension."""
    try:
        standard, relaxed_count = count_simd(extension)
    except ValueError as error:
        yield f"the extension cannot be read: {error}"
        return
    if standard < MINIMUM_SIMD:
        yield f"the extension holds {standard} vector instructions, fewer than {MINIMUM_SIMD}"
    if relaxed and relaxed_count == 0:
        yield "the relaxed build holds no relaxed vector instruction"
    if not relaxed and relaxed_count > 0:
        yield f"the plain build holds {relaxed_count} relaxed instructions: Safari refuses it"


def check_numpy(wheel: Path) -> Iterator[str]:
    """Yield what is wrong with NumPy's WASM wheel."""
    version = VERSIONS["numpy"]["version"]
    major_minor = "".join(VERSIONS["pyodide"]["python"].split(".")[:2])
    platform = f"pyemscripten_{VERSIONS['pyodide']['abi']}_wasm32"
    expected = f"numpy-{version}-cp{major_minor}-cp{major_minor}-{platform}.whl"
    if wheel.name != expected:
        yield f"the name is {wheel.name}, not {expected}"
    yield from _over("NumPy's wheel", wheel.stat().st_size, _budgets()["numpy_wasm"]["wheel"])


def check_import(expression: str, expected: str, *wheels: Path) -> Iterator[str]:
    """Yield a problem unless `expression` gives `expected` in Pyodide with these wheels."""
    runtime = pyodide_npm.ensure()
    script = REPO / "build/import_check.mjs"
    command: list[str | Path] = ["node", script, runtime, expression, *wheels]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        yield f"it does not import in Pyodide: {done.stderr.strip()[-2000:]}"
    elif done.stdout.strip() != expected:
        yield f"in Pyodide, {expression!r} gives {done.stdout.strip()!r}, not {expected!r}"


def check(wheel: Path) -> list[str]:
    """Every problem of one wheel."""
    if wheel.name.startswith("numpy-"):
        product = (
            "import numpy as n; n.__version__ + ' ' + str(int(n.arange(4.0).dot([1, 2, 3, 4])))"
        )
        answer = f"{VERSIONS['numpy']['version']} 20"
        return [*check_numpy(wheel), *check_import(product, answer, wheel)]
    simd = next((s for s, tag in SIMD_BUILDS.items() if f"-{tag}-" in wheel.name), "")
    imported = check_import("import strandline._core as core; core.isa()", simd, wheel)
    return [*check_strandline(wheel), *imported]


def _check_metadata(archive: zipfile.ZipFile, tag: str, build: str) -> Iterator[str]:
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
    lines = archive.read(name).decode().splitlines()
    for line in (f"Tag: {tag}", f"Build: {build}"):
        if line not in lines:
            yield f"{name} has no line '{line}'"


def _budgets() -> dict[str, dict[str, int]]:
    return tomllib.loads((REPO / "build/budgets.toml").read_text())


def _over(what: str, size: int, budget: int) -> Iterator[str]:
    if size > budget:
        yield f"{what} has {size:,} bytes, more than the {budget:,} in build/budgets.toml"


def main() -> int:
    wheels = [Path(argument) for argument in sys.argv[1:]]
    try:
        if not wheels:
            builder = Builder()
            wheels = [builder.strandline(simd) for simd in SIMD_BUILDS] + [builder.numpy()]
        failed = False
        for wheel in wheels:
            problems = check(wheel)
            failed |= bool(problems)
            say(f"{wheel.name}: {wheel.stat().st_size:,} bytes, {'FAILED' if problems else 'fine'}")
            for problem in problems:
                print(f"error: {wheel.name}: {problem}", file=sys.stderr)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
