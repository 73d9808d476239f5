from __future__ import annotations

import zipfile
from pathlib import Path

from pyodide_npm import RUNTIME_FILES
from release import check_contents

ASSETS = "strandline/bundle/assets"
COMPLETE = [
    "strandline/_core.abi3.so",
    "strandline/cli/__init__.py",
    *(f"{ASSETS}/pyodide/{name}" for name in RUNTIME_FILES),
    *(f"{ASSETS}/core/{simd}.wasm" for simd in ("simd128", "relaxed-simd")),
    *(f"{ASSETS}/web/{name}" for name in ("index.html", "sw.js", "strandline.js")),
    f"{ASSETS}/wheels/strandline-0.1.0-1simd128-cp311-abi3-pyemscripten_2026_0_wasm32.whl",
    f"{ASSETS}/wheels/strandline-0.1.0-1relaxed-cp311-abi3-pyemscripten_2026_0_wasm32.whl",
    f"{ASSETS}/wheels/numpy-2.4.6-cp314-cp314-pyemscripten_2026_0_wasm32.whl",
]


def wheel_of(folder: Path, names: list[str]) -> Path:
    wheel = folder / "strandline-0.1.0-cp311-abi3-linux_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return wheel


def test_a_complete_release_has_no_problems(tmp_path: Path) -> None:
    assert list(check_contents(wheel_of(tmp_path, COMPLETE))) == []


def test_every_missing_part_is_found(tmp_path: Path) -> None:
    for left_out in COMPLETE:
        rest = [name for name in COMPLETE if name != left_out]
        assert list(check_contents(wheel_of(tmp_path, rest))), left_out


def test_sources_do_not_belong_into_a_release(tmp_path: Path) -> None:
    (problem,) = check_contents(wheel_of(tmp_path, [*COMPLETE, "strandline/module.c"]))
    assert "module.c does not belong" in problem
