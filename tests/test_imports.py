"""The house's one-way streets: which room may import which, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import strandline

PACKAGE = Path(strandline.__file__).parent

FOUNDATION = {"_lazy"}
"""Importable from everywhere: knows nothing of the package."""

MAY_IMPORT: dict[str, set[str]] = {
    "_lazy": set(),
    "core": set(),
    "onnx": {"core"},
    "ops": {"core", "onnx"},
    "compiler": {"core", "onnx", "ops"},
    "runtime": {"core", "onnx", "ops", "compiler"},
    "onnxruntime": {"onnx", "ops", "runtime"},
    "drift": {"core"},
    "report": {"drift", "bundle"},  # bundle.tables reads the files that a check compares
    "collector": {"core", "drift"},
    "bundle": {"core", "onnx", "ops", "compiler", "runtime", "drift"},
    "bench": {"core", "onnx", "ops", "compiler", "runtime", "drift", "bundle"},
}
"""Rooms not named here (the command line) stand at the end of the street and may import all."""

ROOMS = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()} | {"_core"}

IN_THE_PAGE = {"core", "onnx", "ops", "compiler", "runtime", "onnxruntime", "drift"}
"""Rooms that must load where NumPy is not installed."""


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    """(room, file, syntax tree) of every module of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        if "assets" not in inside.parts:
            yield inside.parts[0].removesuffix(".py"), path, ast.parse(path.read_text("utf-8"))


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import by full name"
            base = node.module or ""
            if base == "strandline":
                yield from ((node.lineno, f"strandline.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, base


def at_top(tree: ast.Module) -> Iterator[str]:
    """Names that merely importing the module imports."""
    typing_only = {
        child
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    inside = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only or node in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_no_import_runs_back(room: str) -> None:
    wrong = []
    for home, path, tree in modules():
        if home != room:
            continue
        for line, name in imported(tree):
            parts = name.split(".")
            if parts[0] != "strandline" or len(parts) == 1:
                continue
            other = parts[1]
            allowed = {room, "_core"} if room == "core" else {room} | FOUNDATION | MAY_IMPORT[room]
            if other in ROOMS and other not in allowed:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    assert not wrong


def test_every_room_is_on_the_map() -> None:
    homes = {home for home, _, _ in modules()}
    assert homes - set(MAY_IMPORT) <= {"__init__", "__main__", "cli"}


def test_only_core_imports_the_extension() -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for _, path, tree in modules()
        for _, name in imported(tree)
        if name.startswith("strandline._core")
    }
    assert users == {"core.py"}


def test_the_page_needs_no_numpy_to_import() -> None:
    heavy = {"numpy", "scipy", "pandas", "pyarrow"}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for home, path, tree in modules()
        if home in IN_THE_PAGE
        for name in at_top(tree)
        if name.split(".")[0] in heavy
    ]
    assert not wrong


def test_importing_the_package_imports_nothing_else() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    assert {name for name in at_top(tree) if name != "__future__"} <= {
        "importlib", "importlib.metadata", "typing",
    }  # fmt: skip


def test_every_public_name_exists() -> None:
    for name in strandline.__all__:
        assert getattr(strandline, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        strandline.nonsense  # noqa: B018
