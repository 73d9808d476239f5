from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import wasm
from cache import BuildError, cache_dir


class FakeToolchain:
    """Writes a wheel that names what it was asked for, and counts how often."""

    name = "fake"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.built: list[tuple[str, tuple[str, ...], dict[str, str]]] = []

    def sources(self, name: str) -> Path:
        return self.folder / name

    def build(self, name: str, settings: Sequence[str], env: Mapping[str, str]) -> Path:
        assert (self.sources(name) / "pyproject.toml").is_file()
        self.built.append((name, tuple(settings), dict(env)))
        wheel = self.folder / f"{name}.whl"
        wheel.write_text(f"build {len(self.built)}")
        return wheel


@pytest.fixture
def toolchain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeToolchain:
    monkeypatch.setenv("STRANDLINE_CACHE", str(tmp_path / "cache"))
    fake = FakeToolchain(tmp_path)
    monkeypatch.setattr(wasm, "choose", lambda wanted: fake)
    return fake


def test_a_wheel_is_built_once_for_equal_sources(toolchain: FakeToolchain) -> None:
    first = wasm.Builder().strandline("simd128")
    assert wasm.Builder().strandline("simd128") == first
    assert len(toolchain.built) == 1


def test_each_simd_build_has_its_tag_its_folder_and_its_flags(toolchain: FakeToolchain) -> None:
    builder = wasm.Builder()
    plain, relaxed = builder.strandline("simd128"), builder.strandline("relaxed-simd")
    assert plain.parent != relaxed.parent
    (_, settings, env), (_, relaxed_settings, relaxed_env) = toolchain.built
    assert "wheel.build-tag=1simd128" in settings
    assert "wheel.build-tag=1relaxed" in relaxed_settings
    assert set(settings).isdisjoint(relaxed_settings), "no shared folder of objects"
    assert env["CFLAGS"] == "-O3 -msimd128"
    assert relaxed_env["CFLAGS"] == "-O3 -msimd128 -mrelaxed-simd"
    assert env["SOURCE_DATE_EPOCH"] == relaxed_env["SOURCE_DATE_EPOCH"]


def test_a_failed_build_leaves_nothing_in_the_cache(
    toolchain: FakeToolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> Path:
        raise BuildError("no")

    monkeypatch.setattr(toolchain, "build", fail)
    with pytest.raises(BuildError):
        wasm.Builder().strandline("simd128")
    wheels = cache_dir() / "wheels"
    assert not wheels.exists() or not list(wheels.iterdir())


def test_only_the_last_builds_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate(
        ["strandline-simd128-d", "strandline-simd128-c", "strandline-simd128-b"]
    ):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    (tmp_path / "numpy-2.4.6-a").mkdir()
    wasm._prune(tmp_path / "strandline-simd128-d", keep=2)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [
        "numpy-2.4.6-a",
        "strandline-simd128-c",
        "strandline-simd128-d",
    ]
