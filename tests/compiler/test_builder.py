from __future__ import annotations

import numpy as np
import pytest

from strandline import core
from strandline.compiler.builder import ELEMENTWISE, Builder
from strandline.compiler.store import Store
from strandline.onnx.types import TensorType, float32, int64

BITS = {"not", "bit_not", "and", "or", "xor", "shift_left", "shift_right"}
TWO = {"add", "sub", "mul", "div", "min", "max", "pow", "mod", "fmod", "prelu", "and", "or", "xor"}
TWO |= {"shift_left", "shift_right"}
ROWS, COLUMNS = 3, 37


@pytest.mark.parametrize("op", sorted(ELEMENTWISE - {"chain_f32"}))
def test_elementwise_kernels_may_overwrite_an_operand(op: str) -> None:
    dtype = np.uint8 if op in BITS else np.float32
    rng = np.random.default_rng(5)
    x = (rng.random((ROWS, COLUMNS)) * (1 if op == "not" else 7)).round(2).astype(dtype)
    row = (rng.random(COLUMNS) * 3 + 1).round(2).astype(dtype)
    letter = ord("?") if op == "not" else ord(np.dtype(dtype).char)
    numbers: tuple[int | float, ...] = (0, 0) if op in BITS else (0.3, 0.7)
    apart, over = np.empty_like(x), x.copy()
    if op not in TWO:
        for source, target in ((x, apart), (over, over)):
            core.call(op, [source], [target], letter, x.size, *numbers)
    else:
        walk = (letter, 2, ROWS, COLUMNS, COLUMNS, 1, 0, 1)
        core.call(op, [x, row], [apart], *walk)
        core.call(op, [over, row], [over], *walk)
        other, second = np.empty_like(x), x.copy()
        flipped = (letter, 2, ROWS, COLUMNS, 0, 1, COLUMNS, 1)
        core.call(op, [row, x], [other], *flipped)
        core.call(op, [row, second], [second], *flipped)
        np.testing.assert_array_equal(second, other)
    np.testing.assert_array_equal(over, apart)


def test_a_chain_may_overwrite_an_operand() -> None:
    mul, relu = (
        core.OPCODES[op] - core.OPCODES[first] for op, first in (("mul", "add"), ("relu", "neg"))
    )
    x = np.random.default_rng(5).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    row = np.linspace(-1, 1, COLUMNS, dtype=np.float32)
    steps = ((0, 0, 0, -1, 0.0, 0.0), (2, mul, 1, 0, 0.0, 0.0), (1, relu, -1, -1, 0.0, 0.0))
    steps += ((2, mul, 2, -1, 0.0, 0.0), (2, mul, 0, -1, 0.0, 0.0))
    apart, over = np.empty_like(x), x.copy()
    walk = (2, ROWS, COLUMNS, len(steps), COLUMNS, 1, 0, 1)
    for source, target in ((x, apart), (over, over)):
        core.call("chain_f32", [source, row], [target], *walk, *sum(steps, ()))
    np.testing.assert_array_equal(over, apart)
    np.testing.assert_array_equal(apart, np.maximum(x * row, 0) * (x * row) * x)


class Written:
    """A builder with float32 values of four elements, and its arena after `code`."""

    def __init__(self) -> None:
        self.builder = Builder(Store())
        self.builder.movable = lambda root: root != "x"

    def value(self, *names: str, size: int = 16) -> None:
        self.builder.types.update((name, TensorType(float32, (size,))) for name in names)

    def unary(self, op: str, x: str, y: str) -> None:
        size = self.builder.types[y].size
        self.builder.emit(op, (x,), (y,), ord("f"), size, 0.0, 0.0)

    def run(self, outputs: dict[str, int]) -> tuple[list[list[float]], int]:
        names = tuple(outputs)
        recipe = self.builder.assemble(self.builder._code, ("x",), names)
        program, arena = recipe.program(), recipe.arena_bytes
        x = np.arange(16, dtype=np.float32)
        made = [np.empty(size, np.float32) for size in outputs.values()]
        program.run([x], made)
        return [array.tolist() for array in made], arena


def test_a_value_used_last_gives_its_memory_up() -> None:
    w = Written()
    w.value("x", "a", "b", "c", "y")
    for op, x, y in (("neg", "x", "a"), ("abs", "a", "b"), ("neg", "b", "c"), ("neg", "c", "y")):
        w.unary(op, x, y)
    assert w.run({"y": 16}) == ([list(map(float, range(16)))], 64)


def test_a_value_that_is_needed_later_keeps_it() -> None:
    w = Written()
    w.value("x", "a", "b", "y")
    w.unary("neg", "x", "a")
    w.unary("abs", "a", "b")
    w.builder.emit("add", ("a", "b"), ("y",), ord("f"), 1, 16, 1, 1)
    assert w.run({"y": 16}) == ([[0.0] * 16], 128)


def test_parts_lie_in_the_whole() -> None:
    w = Written()
    w.value("x", "a", "b")
    w.value("whole", "y", size=32)
    w.unary("neg", "x", "a")
    w.unary("relu", "x", "b")
    assert w.builder.place("a", "whole", 0) and w.builder.place("b", "whole", 64)
    w.unary("abs", "whole", "y")
    (got,), arena = w.run({"y": 32})
    assert got == list(map(float, [*range(16), *range(16)])) and arena == 128


def test_views_read_from_the_middle() -> None:
    w = Written()
    w.value("x", "a")
    w.value("half", "y", size=4)
    w.unary("neg", "x", "a")
    assert not w.builder.view("half", "a", 32)  # no 64-byte boundary
    w.value("a2", size=32)
    w.value("tail", "z", size=16)
    w.builder.types["x"] = TensorType(float32, (16,))
    w.builder.emit("copy_nd", ("x",), ("a2",), 4, 2, 2, 16, 0, 1, 0, 16, 1, 0)
    assert w.builder.view("tail", "a2", 64)
    w.unary("neg", "tail", "z")
    (got,), _ = w.run({"z": 16})
    assert got == [-float(i) for i in range(16)]


def test_what_cannot_move_is_copied() -> None:
    w = Written()
    w.value("x", "a")
    w.value("whole", size=32)
    assert not w.builder.place("x", "whole", 0)
    assert w.builder.place("a", "whole", 64)
    assert not w.builder.place("a", "whole", 0)  # lies there already
    w.builder.movable = None
    w.value("b")
    assert not w.builder.place("b", "whole", 0)


def test_an_alias_has_the_same_size() -> None:
    w = Written()
    w.value("x", "a")
    w.value("b", size=3)
    w.builder.alias("a", "x")
    assert w.builder.root("a") == "x"
    with pytest.raises(ValueError, match="is not x"):
        w.builder.alias("b", "x")


def test_constants_and_codes() -> None:
    builder = Builder(Store())
    name = builder.constant(int64, (2,), [1, 2])
    assert builder.type(name) == TensorType(int64, (2,))
    constant = builder.value(name)
    assert constant is not None and constant.flat() == [1, 2]
    assert builder.codes(["a", "b", "a"]) == [1, 2, 1]
    made = [builder.derived(("k", "w"), lambda: (int64, (1,), [7])) for _ in range(2)]
    assert made[0] == made[1]
