"""Elementwise kernel calls that follow from one another, put together as one call of chain_f32.

What such calls hand on then stays in registers and needs no memory of its own. Every element is computed
by the same operations as before, so results are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from strandline import core
from strandline.compiler.lower.layout import MAX_RANK, contiguous, merge
from strandline.compiler.lower.registry import Instr

MOST_INPUTS, MOST_STEPS = 12, 16
"""What one call of chain_f32 takes: 32 steps with loads, and a slot for each result (chain.c)."""

_FLOAT = ord("f")
_NEG, _ISNAN, _ADD = (core.OPCODES[op] for op in ("neg", "isnan", "add"))
_UNARY = {op: code - _NEG for op, code in core.OPCODES.items() if _NEG <= code < _ISNAN}
"""Functions of one operand, by their number among the kernels of their file."""
_IN_REGISTERS = {op: _UNARY[op] for op in ("neg", "abs", "relu", "clip")}
"""Those for which chain_f32 makes no call."""
_BINARY = {
    op: core.OPCODES[op] - _ADD for op in ("add", "sub", "mul", "div", "min", "max", "prelu")
}
_LOAD, _APPLY, _PAIR, _SWAPPED = range(4)
_NONE = -1


def walkable(size: int, row: int, panel: int) -> bool:
    """Whether one pass over `size` elements is quicker than several, when all operands lie in one piece for
    `row` of them. `panel`: columns of a panel, two vectors (`core.panel_width()`).

    Rows end in a block of eight vectors that is filled up.
    """
    return size >= 4096 and (row == size or row >= 16 * panel)


def worthwhile(steps: int, panel: int) -> bool:
    """Whether so many steps pay for finding their way in every block, of 32 elements with narrow vectors."""
    return steps >= (2 if panel >= 16 else 4)


def callable_within(panel: int) -> bool:
    """Whether a block is large enough for a call that computes a function of it, such as exp."""
    return panel >= 32


_Operand = tuple[str, tuple[int, ...]]
"""The root of a value, and strides in elements."""


class _Step(NamedTuple):
    """An elementwise call as a walk over `dims`."""

    at: int
    result: str
    function: int
    """Its number among the kernels of its file."""
    dims: tuple[int, ...]
    operands: tuple[_Operand, ...]
    numbers: tuple[int | float, ...] = (0.0, 0.0)
    """a and b of a function of one operand."""

    @property
    def bounds(self) -> frozenset[int]:
        """How many elements each axis and those after it have."""
        return frozenset(self.dims[i] * step for i, step in enumerate(contiguous(self.dims)))

    @property
    def keys(self) -> set[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """What tells operands apart: two ways to walk a value count twice."""
        return {(name, self.dims, strides) for name, strides in self.operands}


class _Group:
    """Steps, the last one first; nobody else sees the results of the others."""

    def __init__(self, last: _Step) -> None:
        self.steps = [last]
        self.bounds = last.bounds
        self.inputs = last.keys

    def join(self, step: _Step) -> bool:
        """Take the step in, if one walk and one call serve for all."""
        own = step.bounds
        bounds = self.bounds | own
        inputs = {key for key in self.inputs if key[0] != step.result} | step.keys
        ordered = sorted(bounds)
        if (
            max(bounds) != max(own)
            or max(bounds) != max(self.bounds)
            or not walkable(ordered[-1], ordered[0], core.panel_width())
            or any(b % a for a, b in pairwise(ordered))
            or len(bounds) > MAX_RANK
            or len(inputs) > MOST_INPUTS
            or len(self.steps) == MOST_STEPS
        ):
            return False
        self.steps.append(step)
        self.bounds, self.inputs = bounds, inputs
        return True


def chained(
    code: Sequence[Instr],
    root: Callable[[str], str],
    bases: Mapping[str, str],
    kept: Collection[str],
) -> list[Instr]:
    """The same computation, elementwise calls in one where the later alone uses the earlier's result.

    `root`: the value whose bytes a name is. `bases`: the value in whose memory it lies; `kept`: those
    that others read after this code. Linear in its length.
    """
    panel = core.panel_width()
    unary = _UNARY if callable_within(panel) else _IN_REGISTERS
    calls = {
        at: instr
        for at, instr in enumerate(code)
        if (instr.op in _BINARY or instr.op in unary) and instr.params[0] == _FLOAT
    }
    if not worthwhile(len(calls), panel):
        return list(code)
    touches = _Touches(code, calls, root, bases, kept)
    groups: dict[int, _Group] = {}
    for at in _in_line(touches, calls, panel):
        step = _step(at, calls[at], root)
        readers = touches.only_readers(at)
        group = groups.get(readers[0]) if readers else None
        alone = group is not None and all(groups.get(reader) is group for reader in readers)
        if group is None or not alone or not touches.movable(at) or not group.join(step):
            group = _Group(step)
        groups[at] = group
    whole = []
    for at, instr in enumerate(code):
        group = groups.get(at)
        if group is None or not worthwhile(len(group.steps), panel):
            whole.append(instr)
        elif group.steps[0].at == at:
            whole.append(_call(group, instr.outputs[0]))
    return whole


def _in_line(touches: _Touches, calls: dict[int, Instr], panel: int) -> list[int]:
    """Places of calls that would be in a worthwhile group if walks were no matter, the last first."""
    lines: dict[int, list[int]] = {}
    for at in reversed(calls):
        readers = touches.only_readers(at)
        line = lines.get(readers[0]) if readers else None
        alone = line is not None and all(lines.get(reader) is line for reader in readers)
        if line is None or not alone or not touches.movable(at):
            line = []
        line.append(at)
        lines[at] = line
    return [at for at, line in lines.items() if worthwhile(len(line), panel)]


class _Touches:
    """Who reads what calls write, and who writes what they read: places in the code, by base."""

    def __init__(
        self,
        code: Sequence[Instr],
        calls: Mapping[int, Instr],
        root: Callable[[str], str],
        bases: Mapping[str, str],
        kept: Collection[str],
    ) -> None:
        self._calls = calls
        self._root = root
        self._bases = bases
        self._kept = kept
        self._readers: dict[str, list[tuple[int, str]]] = {}
        self._writers: dict[str, list[int]] = {}
        readers, writers = self._readers, self._writers
        for instr in calls.values():
            base = bases[instr.outputs[0]]
            readers[base], writers[base] = [], []
            for name in instr.inputs:
                writers[bases[name]] = []
        for at, instr in enumerate(code):
            for name in instr.reads:
                base = bases[name]
                if base in readers:
                    readers[base].append((at, name))
            for name in instr.writes:
                base = bases[name]
                if base in writers:
                    writers[base].append(at)

    def only_readers(self, at: int) -> list[int]:
        """All that read the call's result; none when others may see it, or it is written in parts."""
        result = self._root(self._calls[at].outputs[0])
        base = self._bases[result]
        if base != result or base in self._kept or len(self._writers[base]) > 1:
            return []
        reads = self._readers[base]
        for _, name in reads:
            if self._root(name) != base:
                return []
        return [reader for reader, _ in reads]

    def movable(self, at: int) -> bool:
        """Whether the call's operands hold the same ever after."""
        for name in self._calls[at].inputs:
            places = self._writers[self._bases[name]]
            if places and places[-1] >= at:
                return False
        return True


def _step(at: int, instr: Instr, root: Callable[[str], str]) -> _Step:
    """A call of one of chain_f32's functions as a step."""
    op, inputs, outputs, (_, *numbers), _ = instr
    result = root(outputs[0])
    if op in _UNARY:
        size, *numbers = numbers
        operand = root(inputs[0]), (1,)
        return _Step(at, result, _UNARY[op], (int(size),), (operand,), tuple(numbers))
    rank, *walk = map(int, numbers)
    dims, *strides = (tuple(walk[i : i + rank]) for i in range(0, 3 * rank, rank))
    operands = tuple(zip(map(root, inputs), strides, strict=True))
    return _Step(at, result, _BINARY[op], dims, operands)


def _call(group: _Group, target: str) -> Instr:
    """One call of chain_f32 for all steps of the group."""
    bounds = sorted(group.bounds)
    steps = [
        step._replace(operands=tuple((x, _refined(step.dims, s, bounds)) for x, s in step.operands))
        for step in reversed(group.steps)
    ]
    made = {step.result for step in steps}
    taken = dict.fromkeys(x for step in steps for x in step.operands if x[0] not in made)
    inputs = {operand: i for i, operand in enumerate(taken)}
    dims = tuple(b // a for a, b in zip((1, *bounds), bounds, strict=False))[::-1]
    walk, *strides = merge(dims, *(strides for _, strides in inputs))
    words = _words(steps, inputs)
    params = (len(walk), *walk, len(words), *sum(strides, ()), *sum(words, ()))
    return Instr("chain_f32", tuple(name for name, _ in inputs), (target,), params)


def _words(steps: Sequence[_Step], inputs: Mapping[_Operand, int]) -> list[tuple[int | float, ...]]:
    """The steps as chain.c reads them, with loads and the slots of results that must be kept."""
    words: list[tuple[int | float, ...]] = []
    last = {name: i for i, step in enumerate(steps) for name, _ in step.operands}
    slots: dict[str, int] = {}
    free = list(range(MOST_STEPS))
    before = ""

    def place(operand: _Operand) -> int:
        known = inputs.get(operand)
        return len(inputs) + slots[operand[0]] if known is None else known

    for i, step in enumerate(steps):
        x, y = step.operands[0], step.operands[-1]
        kind = _APPLY if len(step.operands) == 1 else _PAIR
        # The first operand is the result before or else loaded; a single element is no row to load.
        still = x in inputs and x[1][-1] == 0
        if kind == _PAIR and x[0] != before and (y[0] == before or still):
            kind, x, y = _SWAPPED, y, x
        if x[0] != before:
            words.append((_LOAD, 0, place(x), _NONE, 0.0, 0.0))
        operand = _NONE if kind == _APPLY else place(y)
        for name in {name for name, _ in step.operands if last[name] == i}:
            if name in slots:
                free.append(slots.pop(name))
        # What the next step alone takes, once, need not be kept.
        after = [name for name, _ in steps[i + 1].operands] if i + 1 < len(steps) else []
        if after and (last[step.result] > i + 1 or after.count(step.result) != 1):
            slots[step.result] = free.pop()
        keep = slots.get(step.result, _NONE)
        words.append((kind, step.function, operand, keep, *step.numbers))
        before = step.result
    return words


def _refined(dims: Sequence[int], strides: Sequence[int], bounds: Iterable[int]) -> tuple[int, ...]:
    """Strides over the finer axes that end at `bounds` (ascending; see `_Step.bounds`)."""
    finer: list[int] = []
    axes = list(zip(dims, strides, contiguous(dims), strict=True))
    size, step, inner = axes.pop()
    before = 1
    for bound in bounds:
        while bound > inner * size:
            size, step, inner = axes.pop()
        finer.append(step * (before // inner))
        before = bound
    return tuple(reversed(finer))
