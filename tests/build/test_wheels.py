"""The wheels that sites get: whole checks, in Pyodide under Node."""

from __future__ import annotations

import assets
import check_wheel
import pytest
import wasmcode
from wasm import SIMD_BUILDS

PATTERNS = ["numpy-*.whl", *(f"strandline-*-{tag}-*.whl" for tag in SIMD_BUILDS.values())]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_wheel_of_the_assets_passes_every_check(pattern: str) -> None:
    found = list((assets.ASSETS / "wheels").glob(pattern))
    assert len(found) == 1, f"{len(found)} wheels {pattern} in the assets: run `make assets`"
    assert check_wheel.check(found[0]) == []


def test_pyodide_itself_can_be_read_instruction_by_instruction() -> None:
    """The counter knows what Emscripten emits: a part of Pyodide's own code, of many kinds."""
    wasm = (assets.ASSETS / "pyodide/pyodide.asm.wasm").read_bytes()
    reader = wasmcode.Reader(wasm, 8)
    while (section := reader.byte()) != 10:
        reader.skip(reader.leb())
    reader.leb()
    counts = wasmcode.Counter[tuple[int, int]]()
    assert section == 10
    for _ in range(min(reader.leb(), 3000)):
        wasmcode._count_body(reader, counts)
    assert counts[0x10, 0] > 10_000, "calls"
