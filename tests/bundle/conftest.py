"""Assets that stand in for the real page, whose bytes do not matter here, and packing in a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strandline.bundle.pack import Packed, pack

WHEELS = (
    "numpy-2.4.6-cp314-cp314-pyemscripten_2026_0_wasm32.whl",
    "strandline-0.1.0-1relaxed-cp311-abi3-pyemscripten_2026_0_wasm32.whl",
    "strandline-0.1.0-1simd128-cp311-abi3-pyemscripten_2026_0_wasm32.whl",
)
WEB = ("index.html", "sw.js", "assets/site-page.js", "dashboard.html", "assets/dashboard-x.js")
PYODIDE = ("pyodide.mjs", "python_stdlib.zip")
CORES = ("simd128.wasm", "relaxed-simd.wasm")
ROWS = "a,b\n" + "".join(f"{i},{i % 7}\n" for i in range(60))


@pytest.fixture(scope="session")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout of the real assets."""
    root = tmp_path_factory.mktemp("assets")
    parts = (("web", WEB), ("pyodide", PYODIDE), ("wheels", WHEELS), ("core", CORES))
    for folder, names in parts:
        for name in names:
            file = root / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{name} %STRANDLINE_TITLE% 'self' %STRANDLINE_CONNECT%")
    return root


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file of this name in the test's folder."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def packed(tmp_path: Path, assets: Path) -> Callable[..., Packed]:
    """Pack `model(path)` with reference `rows` (CSV text) as the folder `site`."""

    def make(
        model: Callable[[Path], Path], rows: str = ROWS, *, out: str = "site", **options: Any
    ) -> Packed:
        path, reference = model(tmp_path / "m.onnx"), tmp_path / "ref.csv"
        reference.write_text(rows, encoding="utf-8")
        given = {"name": "m", "version": "1", "assets": assets, **options}
        return pack(path, reference, tmp_path / out, **given)

    return make
