"""Programs put together from kernel calls on values by name: where the values lie, and what is refused."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline import core
from strandline.onnx.types import TensorType, float32, int64, uint8

ALIGNMENT = 64
APART, OVER, LOOP = "copy_nd", "neg", "loop"
"""A kernel that may not overwrite what it reads, one that may, and the one with a body."""


class Call(NamedTuple):
    op: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    params: tuple[int | float, ...] = ()
    body: tuple[Any, ...] = ()


class Assembled(NamedTuple):
    tensors: list[tuple[int, ...]]
    code: list[int]
    constants: tuple[Any, ...]
    arena_bytes: int


def assemble(
    calls: Sequence[Any],
    types: dict[str, TensorType],
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    roots: dict[str, str] | None = None,
    views: dict[str, tuple[str, int]] | None = None,
    values: dict[str, bytes] | None = None,
    buffer: Any = lambda value, _: value,
) -> Assembled:
    names = types, roots or {}, views or {}, values or {}
    got = core.assemble(calls, inputs, outputs, *names, buffer, frozenset({OVER}))
    words = array("q", got[0]).tolist()
    rows = [tuple(words[i : i + 4]) for i in range(0, len(words), 4)]
    return Assembled(rows, array("q", got[1]).tolist(), *got[2:])


def flattened(calls: Sequence[Call]) -> Iterator[Call]:
    for call in calls:
        yield call
        yield from flattened(call.body)


def places(calls: Sequence[Call], made: Assembled) -> dict[str, tuple[int, int]]:
    """Where each name begins and ends, read from the words of the program."""
    found = {}
    code = iter(made.code)
    for call in flattened(calls):
        _, n_in, n_out, n_params = (next(code) for _ in range(4))
        numbers = [next(code) for _ in range(n_in + n_out)]
        for name, number in zip((*call.inputs, *call.outputs), numbers, strict=True):
            _, _, offset, nbytes = made.tensors[number]
            found[name] = offset, offset + nbytes
        for _ in range(n_params):
            next(code)
    return found


# --- best fit ------------------------------------------------------------------------------------


class Life(NamedTuple):
    nbytes: int
    first: int
    last: int


def assign(lives: Sequence[Life]) -> tuple[list[int], int]:
    """Offsets of values that are used by just those calls, and the arena's size."""
    n = max((life.last for life in lives), default=-1) + 1
    used = [
        tuple(str(i) for i, life in enumerate(lives) if at in (life.first, life.last))
        for at in range(n)
    ]
    calls = [Call(APART, (), names) for names in used]
    types = {str(i): TensorType(uint8, (life.nbytes,)) for i, life in enumerate(lives)}
    made = assemble(calls, types)
    where = places(calls, made)
    return [where[str(i)][0] for i in range(len(lives))], made.arena_bytes


def best_fit(lives: Sequence[Life]) -> tuple[list[int], int]:
    """The same from the gaps between all that is alive, looked up anew for each value."""
    placed: dict[int, int] = {}
    end = 0
    for i in sorted(range(len(lives)), key=lambda i: (lives[i].first, -lives[i].nbytes, i)):
        size = -(-lives[i].nbytes // ALIGNMENT) * ALIGNMENT
        if not size:
            placed[i] = 0
            continue
        taken = sorted(
            (start, start - (-lives[k].nbytes // ALIGNMENT) * ALIGNMENT)
            for k, start in placed.items()
            if lives[k].last >= lives[i].first and lives[k].nbytes
        )
        bounds = [0, *chain.from_iterable(taken), end]
        gaps = [(b - a, a) for a, b in zip(bounds[::2], bounds[1::2], strict=True)]
        fitting = [gap for gap in gaps if gap[0] >= size]
        placed[i] = min(fitting)[1] if fitting else gaps[-1][1]
        end = max(end, placed[i] + size)
    return [placed[i] for i in range(len(lives))], end


@st.composite
def lifetimes(draw: st.DrawFn) -> list[Life]:
    def one() -> Life:
        first = draw(st.integers(0, 20))
        return Life(draw(st.integers(0, 1000)), first, first + draw(st.integers(0, 6)))

    return sorted([one() for _ in range(draw(st.integers(0, 30)))], key=lambda life: life.first)


@given(lifetimes())
def test_no_two_live_values_overlap(lives: list[Life]) -> None:
    offsets, size = assign(lives)
    for i, a in enumerate(lives):
        assert offsets[i] % ALIGNMENT == 0
        assert offsets[i] + a.nbytes <= size or a.nbytes == 0
        for j, b in enumerate(lives[:i]):
            meet = a.first <= b.last and b.first <= a.last and a.nbytes and b.nbytes
            apart = offsets[i] + a.nbytes <= offsets[j] or offsets[j] + b.nbytes <= offsets[i]
            assert not meet or apart


@given(lifetimes())
def test_every_value_lies_where_it_fits_best(lives: list[Life]) -> None:
    assert assign(lives) == best_fit(lives)


def test_a_chain_needs_two_buffers() -> None:
    assert assign([Life(1024, i, i + 1) for i in range(100)])[1] == 2048


def test_neighbours_that_are_free_join() -> None:
    assert assign([Life(64, 0, 0), Life(64, 0, 0), Life(128, 1, 1)])[1] == 128


def test_empty_values_take_no_room() -> None:
    assert assign([Life(0, 0, 5), Life(0, 1, 2)]) == ([0, 0], 0)
    assert assign([]) == ([], 0)


# --- what a program reads is what it wrote -------------------------------------------------------


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[Call], dict[str, TensorType]]:
    """Calls that read only what others have written before, some of them in loops; params: whether a
    call writes one half of its output only."""
    types: dict[str, TensorType] = {}

    def block(depth: int) -> tuple[Call, ...]:
        return tuple(call(depth) for _ in range(draw(st.integers(1, 6))))

    def call(depth: int) -> Call:
        if depth < 2 and draw(st.integers(0, 4)) == 0:
            return Call(LOOP, body=block(depth + 1))
        known = st.sampled_from(list(types)[-4:] or [""])
        inputs = draw(st.lists(known, max_size=2))
        output = draw(known) if draw(st.integers(0, 5)) == 0 else ""
        op, part = draw(st.sampled_from([(APART, 0), (APART, 1), (OVER, 0), (OVER, 0)]))
        if not output:
            output = f"v{len(types)}"
            types[output] = TensorType(uint8, (draw(st.sampled_from([0, 6, 64, 64, 64, 128])),))
        return Call(op, tuple(inputs), (output,), (part,))

    return list(chain.from_iterable(block(0) for _ in range(draw(st.integers(1, 4))))), types


@settings(max_examples=300)
@given(programs())
def test_every_call_finds_what_was_written(
    program: tuple[list[Call], dict[str, TensorType]],
) -> None:
    calls, types = program
    made = assemble(calls, types)
    where = places(calls, made)
    memory = [0] * made.arena_bytes
    values = {name: [0] * type_.nbytes for name, type_ in types.items()}
    token = iter(range(1, 1 << 30))

    def write(name: str, trip: int, part: bool) -> None:
        start, end = where[name]
        half = (end - start) // 2
        span = (trip * half, (trip + 1) * half) if part else (0, end - start)
        for byte in range(*span):
            values[name][byte] = memory[start + byte] = next(token)

    def check(names: Sequence[str]) -> None:
        for name in filter(None, names):
            there = memory[slice(*where[name])]
            assert all(v in (0, m) for v, m in zip(values[name], there, strict=True))

    def uses(block: Sequence[Call]) -> Counter[str]:
        return Counter(n for call in flattened(block) for n in call.inputs + call.outputs if n)

    def run(block: Sequence[Call], trip: int) -> None:
        for call in block:
            if call.op == LOOP:
                for turn in (0, 1):
                    inside, everywhere = uses(call.body), uses(calls)
                    for name, n in inside.items():
                        if everywhere[name] == n:  # it need not last from trip to trip
                            values[name] = [0] * types[name].nbytes
                    run(call.body, turn)
                continue
            if call.op == OVER:
                check(call.inputs)
            write(*call.outputs, trip, bool(call.params[0]))
            if call.op == APART:  # which may write before it has read everything
                check(call.inputs)
            check(call.outputs)

    run(calls, 0)


def test_a_value_is_overwritten_only_by_one_of_the_same_elements() -> None:
    calls = [Call(APART, (), ("a",)), Call(OVER, ("a",), ("b",)), Call(APART, ("b",), ("out",))]
    for type_, nbytes in ((TensorType(float32, (8, 2)), 64), (TensorType(int64, (8,)), 128)):
        types = {"a": TensorType(float32, (16,)), "b": type_, "out": type_}
        assert assemble(calls, types, outputs=["out"]).arena_bytes == nbytes


# --- numbers and words ---------------------------------------------------------------------------


def test_names_of_the_same_bytes_share_a_number() -> None:
    four = TensorType(float32, (4,))
    types = dict.fromkeys(("x", "a", "b", "w", "y"), four) | {"whole": TensorType(float32, (64,))}
    calls = [
        Call(APART, ("x", "", "w"), ("a",), (3, 0.5, True)),
        Call(APART, ("b", "w"), ("y",), (-1,)),
        Call(APART, ("whole",), ("y",)),
    ]
    asked = []

    def buffer(value: bytes, anywhere: bool) -> bytes:
        asked.append((value, anywhere))
        return value

    made = assemble(
        calls,
        types,
        inputs=["x"],
        outputs=["unused", "y"],
        roots={"b": "a"},
        views={"a": ("whole", 128)},
        values={"w": b"weights"},
        buffer=buffer,
    )
    assert made.tensors == [
        (2, 0, 0, 16), (1, 0, 0, 16), (0, 0, 128, 16), (3, 1, 0, 16), (0, 0, 0, 256)
    ]  # fmt: skip
    half = array("q", array("d", [0.5]).tobytes())[0]
    op = core.OPCODES[APART]
    assert made.code == [
        op, 3, 1, 3, 0, -1, 1, 2, 3, half, 1,
        op, 2, 1, 1, 2, 1, 3, -1,
        op, 1, 1, 0, 4, 3,
    ]  # fmt: skip
    assert made.constants == (b"weights",) and asked == [(b"weights", False)]
    assert made.arena_bytes == 256


def test_a_loop_is_told_how_many_calls_its_body_has() -> None:
    inner = Call(LOOP, params=(7,), body=(Call(APART), Call(APART)))
    made = assemble([Call(LOOP, params=(5,), body=(inner, Call(APART)))], {})
    loop, apart = core.OPCODES[LOOP], [core.OPCODES[APART], 0, 0, 0]
    assert made.code == [loop, 0, 0, 2, 4, 5, loop, 0, 0, 2, 2, 7, *apart * 3]


def test_constants_that_are_read_by_bytes_may_lie_anywhere() -> None:
    asked: list[bool] = []
    op, mask = next(iter(core.BYTEWISE.items()))
    names = tuple(f"w{i}" for i in range(mask.bit_length() + 1))
    types = dict.fromkeys(names, TensorType(uint8, (8,)))
    values = dict.fromkeys(names, b"12345678")
    assemble([Call(op, names)], types, values=values, buffer=lambda _, free: asked.append(free))
    assert asked == [bool(mask >> i & 1) for i in range(len(names))]


# --- what is refused -----------------------------------------------------------------------------

BYTES = {"a": TensorType(uint8, (64,)), "b": TensorType(uint8, (64,))}
USE = [Call(APART, (), ("a", "b"))]


@pytest.mark.parametrize(
    ("calls", "given", "said"),
    [
        ([Call("no such kernel")], {}, "no kernel 'no such kernel'"),
        ([Call(APART, ("c",))], {}, "'c' has no type"),
        ([Call(APART, params=(1 << 63,))], {}, "does not fit into 64 bits"),
        (USE, {"types": {**BYTES, "b": TensorType(uint8, (-1,))}}, "negative size"),
        (USE, {"types": {**BYTES, "b": TensorType(int64, (1 << 60, 1))}}, "'b' takes 2"),
        (USE, {"types": {**BYTES, "b": TensorType(uint8, (1 << 32,) * 3)}}, "'b' takes 2"),
        (USE, {"types": {**BYTES, "b": TensorType(uint8, (1 << 70,))}}, "64 bits"),
        (USE, {"types": {**BYTES, "b": TensorType(uint8, ((1 << 63) - 1,))}}, "values take"),
        (USE, {"types": dict.fromkeys("ab", TensorType(uint8, (1 << 62,)))}, "values take"),
        (USE, {"views": {"a": ("b", 0), "b": ("a", 0)}}, "lies in itself"),
        (USE, {"views": {"a": ("b", -64)}}, "lies at no byte"),
        (USE, {"views": {"a": ("b", (1 << 63) - 64)}, "types": {**BYTES, "c": BYTES["a"]}}, ""),
    ],
)
def test_wrong_programs_are_refused(calls: Any, given: dict[str, Any], said: str) -> None:
    types = given.pop("types", BYTES)
    if said:
        with pytest.raises(ValueError, match=said):
            assemble(calls, types, **given)
    else:
        assert assemble(calls, types, **given).arena_bytes == 64


def test_what_is_no_program_is_refused() -> None:
    deep: tuple[Any, ...] = ()
    for _ in range(100_000):
        deep = (Call(LOOP, body=deep),)
    with pytest.raises(RecursionError):
        assemble(deep, {})
    long = Call(APART, params=(1,) * 100_000)
    with pytest.raises(ValueError, match="too long"):
        assemble([Call(LOOP, body=(long,) * 1000)] * 1000, {})
    for wrong in (None, (), (APART,), [APART, (), (), (), ()], (APART, [], (), (), ())):
        with pytest.raises(TypeError, match="a kernel call is"):
            assemble([wrong], {})
    with pytest.raises(TypeError, match="no pair"):
        assemble(USE, {"a": (uint8,)})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="no pair"):
        assemble(USE, BYTES, views={"a": "b"})  # type: ignore[dict-item]


def test_what_a_buffer_raises_comes_through() -> None:
    def buffer(value: Any, anywhere: bool) -> Any:
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        assemble(USE, BYTES, values={"b": b""}, buffer=buffer)
