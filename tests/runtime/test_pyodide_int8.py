"""Both WASM builds sum bytes exactly, whatever the engine makes of their instructions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import strandline

ROOT = Path(__file__).parents[2]
ASSETS = Path(strandline.__file__).parent / "bundle" / "assets"

SCRIPT = """
import itertools, random
from array import array
from strandline import core

def values(signed, count, extreme):
    low, high = (-128, 127) if signed else (0, 255)
    draw = (lambda: random.choice((low, high))) if extreme else (lambda: random.randint(low, high))
    return array("b" if signed else "B", (draw() for _ in range(count)))

random.seed(0)
wrong = []
sizes = (1, 8, 4), (1, 9, 5), (2, 8, 8), (7, 17, 67), (50, 35, 30)
for (m, n, k), a_signed, b_signed, extreme in itertools.product(sizes, (0, 1), (0, 1), (0, 1)):
    a, b = values(a_signed, m * k, extreme), values(b_signed, k * n, extreme)
    panel = core.panel_width()
    packed = core.Tensor("B", (-(-n // panel) * panel * (-(-k // 4) * 8 + 4),))
    core.call("pack_b_i8", (b,), (packed,), k, n, 1, n, 1, 0, b_signed, 1)
    sums = core.Tensor("i", (m * n,))
    scratch = core.Tensor("i", (48 * (-(-k // 2) + 1),))
    operands = (a, packed, None, None, None, None, None, None)
    params = (0, a_signed, b_signed, 0, 0, 0, 0, 0.0, 0.0, 1, 1, m, n, k, k, 0)
    core.call("gemm_i8", operands, (sums, scratch), *params)
    want = [sum(a[i * k + p] * b[p * n + j] for p in range(k)) for i in range(m) for j in range(n)]
    if sums.tolist() != want:
        wrong.append((m, n, k, a_signed, b_signed, extreme))
f"{core.isa()} {wrong}"
"""


@pytest.mark.parametrize(("build", "isa"), [("simd128", "simd128"), ("relaxed", "relaxed-simd")])
def test_products_of_bytes(build: str, isa: str) -> None:
    wheels = list((ASSETS / "wheels").glob(f"strandline-*{build}-*.whl"))
    if shutil.which("node") is None or not wheels:
        pytest.skip("needs Node and the page's assets: run `make assets`")
    runner, runtime = ROOT / "build" / "import_check.mjs", ASSETS / "pyodide"
    command = ["node", str(runner), str(runtime), SCRIPT, str(wheels[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{isa} []"
