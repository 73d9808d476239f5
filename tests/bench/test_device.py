"""What a process had in memory at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from strandline.bench.device import peak_resident

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak")

HELD = 64 << 20

CHILD = f"""
import sys
sys.stdin.readline()
held = b"x" * {HELD}
print("held", flush=True)
sys.stdin.readline()
del held
print("freed", flush=True)
sys.stdin.readline()
"""


def test_the_peak_rises_with_what_is_written_and_stays() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None

        def step() -> int:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()
            return peak_resident(child.pid)

        before, holding, after = peak_resident(child.pid), step(), step()
        assert holding - before >= HELD
        assert abs(after - holding) < HELD // 2
        child.communicate("\n")
