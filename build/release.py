"""Make the release wheel in dist/ and try it in a fresh environment.

It carries the assets, so that who installs it needs neither Node nor Emscripten nor a network to
pack a site.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cache import REPO, BuildError, run, say
from pyodide_npm import RUNTIME_FILES
from wasm import SIMD_BUILDS

DIST = REPO / "dist"
_ASSETS = "strandline/bundle/assets"


def build() -> Path:
    """Build the native wheel with the assets; return its path."""
    shutil.rmtree(DIST, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
        "--no-build-isolation", "--wheel-dir", DIST, REPO]  # fmt: skip
    run(command, "pip wheel: the release wheel")
    (wheel,) = DIST.glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> Iterator[str]:
    """Yield what is missing in, or wrong with, a release wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {f"{_ASSETS}/pyodide/{name}" for name in RUNTIME_FILES}
    expected |= {f"{_ASSETS}/core/{simd}.wasm" for simd in SIMD_BUILDS}
    expected |= {f"{_ASSETS}/web/{name}" for name in ("index.html", "sw.js", "strandline.js")}
    expected |= {"strandline/_core.abi3.so", "strandline/cli/__init__.py"}
    yield from (f"{name} is missing" for name in sorted(expected - names))
    wheels = [name for name in names if name.startswith(f"{_ASSETS}/wheels/")]
    for part in (*(f"-{tag}-" for tag in SIMD_BUILDS.values()), "/numpy-"):
        if sum(part in name for name in wheels) != 1:
            yield f"there is not exactly one wheel *{part}* among {sorted(wheels)}"
    for name in names:
        if name.endswith((".c", ".h", ".pyc", ".partial")):
            yield f"{name} does not belong into it"
    budgets = tomllib.loads((REPO / "build/budgets.toml").read_text())
    size, budget = wheel.stat().st_size, budgets["release"]["wheel"]
    if size > budget:
        yield f"it has {size:,} bytes, more than the {budget:,} in build/budgets.toml"


_TRIAL_MODEL = """
from onnx import TensorProto as T, helper as h, numpy_helper, save
import numpy
weights = numpy_helper.from_array(numpy.ones((2, 1), numpy.float32), "W")
graph = h.make_graph(
    [h.make_node("MatMul", ["X", "W"], ["Y"])], "trial",
    [h.make_tensor_value_info("X", T.FLOAT, [None, 2])],
    [h.make_tensor_value_info("Y", T.FLOAT, [None, 1])], [weights],
)
save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), "model.onnx")
"""


def try_out(wheel: Path) -> None:
    """Install the wheel into a fresh environment, and pack a site there with no other program on PATH."""
    with tempfile.TemporaryDirectory(prefix="strandline-release-") as name:
        folder = Path(name)
        venv = folder / "venv"
        python = venv / "bin/python"
        run([sys.executable, "-m", "uv", "venv", "--quiet", venv], "uv venv: fresh, for a trial")
        install = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "--python",
            python,
            f"{wheel}[all]",
        ]
        run(install, f"uv pip install: {wheel.name}[all]")
        alone = {"PATH": str(venv / "bin"), "HOME": name, "LANG": "C.UTF-8"}
        run([venv / "bin/strandline", "--help"], "strandline --help: as installed", env=alone)
        run([python, "-c", _TRIAL_MODEL], "a model for the trial", cwd=folder, env=alone)
        (folder / "reference.csv").write_text(
            "a,b\n" + "".join(f"{i},{i % 7}\n" for i in range(100))
        )
        pack = [venv / "bin/strandline", "pack", "model.onnx", "--reference", "reference.csv",
                "--name", "trial", "--version", "1", "-o", "site"]  # fmt: skip
        run(pack, "strandline pack: as installed", cwd=folder, env=alone)
        if not (folder / "site/manifest.json").is_file():
            raise BuildError("strandline pack ended well, but there is no site/manifest.json.")


def main() -> int:
    try:
        wheel = build()
        problems = list(check_contents(wheel))
        if problems:
            raise BuildError(f"{wheel.name}:\n" + "\n".join(f"  {p}" for p in problems))
        try_out(wheel)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    say(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, installs and runs")
    print(wheel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
