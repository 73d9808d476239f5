from __future__ import annotations

import zipfile
from pathlib import Path

import check_wheel
import pytest
from check_wheel import EXTENSION, check, check_extension, check_strandline

from .wasm_bytes import END, NO_LOCALS, module, simd

TAG = "cp311-abi3-pyemscripten_2026_0_wasm32"
PLAIN = module(NO_LOCALS + simd(81) * check_wheel.MINIMUM_SIMD + END)
RELAXED = module(NO_LOCALS + simd(81) * check_wheel.MINIMUM_SIMD + simd(0x105) + END)


def make_wheel(
    folder: Path,
    *,
    tag: str = TAG,
    inner_tag: str = TAG,
    build: str = "1simd128",
    extension: bytes | None = PLAIN,
    extra: str | None = None,
) -> Path:
    wheel = folder / f"strandline-0.1.0-{build}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        metadata = f"Wheel-Version: 1.0\nTag: {inner_tag}\nBuild: {build}\n"
        archive.writestr("strandline-0.1.0.dist-info/WHEEL", metadata)
        if extension is not None:
            archive.writestr(EXTENSION, extension)
        if extra:
            archive.writestr(extra, b"")
    return wheel


def test_good_wheels_have_no_problems(tmp_path: Path) -> None:
    assert list(check_strandline(make_wheel(tmp_path))) == []
    relaxed = make_wheel(tmp_path, build="1relaxed", extension=RELAXED)
    assert list(check_strandline(relaxed)) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"tag": "cp314-cp314-pyemscripten_2026_0_wasm32"}, "the tag is cp314"),
        ({"inner_tag": "cp311-abi3-linux_x86_64"}, "has no line 'Tag: cp311-abi3-pyemscripten"),
        ({"build": "7"}, "the build tag is 7"),
        ({"extension": None}, "_core.abi3.so is missing"),
        ({"extension": b"\x7fELF"}, "cannot be read"),
        ({"extension": module(NO_LOCALS + simd(81) * 9 + END)}, "holds 9 vector instructions"),
        ({"extension": RELAXED}, "1 relaxed instructions"),
        ({"build": "1relaxed"}, "holds no relaxed"),
        ({"extra": "strandline/collector/app.py"}, "does not belong into the WASM wheel"),
    ],
)
def test_every_fault_is_found(tmp_path: Path, fault: dict[str, str], message: str) -> None:
    problems = list(check_strandline(make_wheel(tmp_path, **fault)))  # type: ignore[arg-type]
    assert [problem for problem in problems if message in problem], problems


def test_sizes_over_the_budget_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    budgets = {"strandline_wasm": {"wheel": 10, "extension": 10}}
    monkeypatch.setattr(check_wheel, "_budgets", lambda: budgets)
    problems = list(check_strandline(make_wheel(tmp_path)))
    assert len(problems) == 2
    assert all("build/budgets.toml" in problem for problem in problems)


def test_an_extension_below_the_minimum_is_found() -> None:
    below = module(NO_LOCALS + simd(81) * (check_wheel.MINIMUM_SIMD - 1) + END)
    assert list(check_extension(below, relaxed=False))
    assert not list(check_extension(PLAIN, relaxed=False))


def test_an_extension_that_pyodide_refuses_is_found(tmp_path: Path) -> None:
    (problem,) = check(make_wheel(tmp_path))
    assert "does not import in Pyodide" in problem
