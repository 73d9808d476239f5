"""Graph + input types -> Plan: what runs where, in which order, in which memory. Only constants run
here."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from strandline.compiler.builder import Builder
from strandline.compiler.control import Inliner
from strandline.compiler.evaluate import fold, infer
from strandline.compiler.lower.chain import chained
from strandline.compiler.lower.registry import Instr
from strandline.compiler.plan import (
    NO_SLOT,
    CopyStep,
    CoreStep,
    HostStep,
    MapStep,
    Operand,
    Plan,
    Rest,
    Step,
)
from strandline.compiler.store import Store
from strandline.onnx.graph import Constant, Graph, Node, ValueInfo
from strandline.onnx.names import used, with_own_names
from strandline.onnx.types import TensorType
from strandline.ops.registry import Info, Op, find

_AFTER_ALL = 1 << 60
"""Later than any level."""


def compile(  # noqa: A001
    graph: Graph,
    input_types: Sequence[TensorType | None],
    store: Store,
    folded: Collection[str] = (),
    *,
    inner: bool = False,
) -> Plan:
    """Plan `graph` for inputs of these types, in the graph's order (None: not a tensor).

    `folded` are constants of the graph that must not enter `store` (they hold for this plan only).
    An `inner` plan may give an input back as an output, without a copy.
    Raises UnsupportedOperator, and ValueError with the node when the shapes do not fit together.
    """
    with _uncollected():
        return _Planner(graph, store, folded, inner).plan(input_types)


@contextmanager
def _uncollected() -> Iterator[None]:
    """What a plan is made of stays until it is done: no use in looking for garbage all the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Site(NamedTuple):
    """What a node is, whatever the shapes."""

    opsets: Mapping[str, int]
    operator: Op
    opset: int
    """The version of its domain."""
    names: tuple[str, ...]
    """All that it uses."""

    @staticmethod
    def of(node: Node, opsets: Mapping[str, int]) -> _Site:
        site: _Site | None = node.memo.get("site")
        if site is None or site.opsets is not opsets:
            opset = opsets.get("" if node.domain == "ai.onnx" else node.domain, 1)
            site = node.memo["site"] = _Site(opsets, find(node, opsets), opset, used(node))
        return site


@dataclass(slots=True)
class _Work:
    """A node on its way into a step: even levels are core segments, odd ones host steps."""

    node: Node
    operator: Op
    names: tuple[str, ...]
    types: Sequence[TensorType] | None
    code: list[Instr] | None
    level: int


class _Planner:
    def __init__(self, graph: Graph, store: Store, folded: Collection[str], inner: bool) -> None:
        self.graph = graph
        self.store = store
        self.inner = inner
        self.builder = Builder(store)
        self.builder.folded.update(folded)
        self.builder.movable = self._movable
        self.builder.tuning = store.tuning
        self.inliner = Inliner(self.builder, graph.opsets)
        for name, constant in graph.constants.items():
            self.builder.know(name, constant)
        self.shown: set[str] = set()
        """Values of a type that only the run shows: inputs that are no tensors, outputs of host
        steps."""
        self.late: set[str] = set()
        """Values that only `rest` can make."""
        self.work: list[_Work] = []
        self.rest: list[Node] = []
        self.infos = _Infos(self.builder)
        self.levels: dict[str, int] = {}
        self.deepest = 0
        """The greatest of all levels."""
        self.level = 0
        """Of the present node, if the core serves it."""
        self.slots: dict[str, int] = {}
        self.inputs = {info.name for info in graph.inputs}
        self.outputs = tuple(info.name for info in graph.outputs)

    def plan(self, input_types: Sequence[TensorType | None]) -> Plan:
        self.place_inputs(input_types)
        self.walk()
        self.builder.movable = None  # a circle, which would keep all this until it is looked for
        return self.finish()

    def place_inputs(self, types: Sequence[TensorType | None]) -> None:
        for info, type_ in zip(self.graph.inputs, types, strict=True):
            self.slots[info.name] = len(self.slots)
            self.levels[info.name] = 0
            if type_ is None:
                self.shown.add(info.name)
            else:
                self.builder.types[info.name] = type_

    # --- forward: types, constants, kernels -------------------------------------------

    def walk(self) -> None:
        """Decide for each node: folded, in the core, on the host, or later."""
        made_here: set[str] = set()
        self._walk(self.graph.nodes, made_here)
        self.shown |= made_here

    def _walk(self, nodes: Iterable[Node], made_here: set[str]) -> None:
        for node in nodes:
            branch = self._known_branch(node) if node.op == "If" else None
            if branch is not None:
                self._walk(branch, made_here)
                continue
            site = _Site.of(node, self.graph.opsets)
            known = not self.late or self.late.isdisjoint(site.names)
            if not known or (made_here and not made_here.isdisjoint(site.names)):
                self.rest.append(node)
                self.late.update(name for name in node.outputs if name)
            elif not self._place(node, site):
                made_here.update(name for name in node.outputs if name)

    def _known_branch(self, node: Node) -> list[Node] | None:
        """The nodes that an If stands for, when its condition is known."""
        condition = self.builder.values.get(node.inputs[0])
        if condition is None or node.domain or condition.type.size != 1:
            return None
        chosen = "then_branch" if condition.flat()[0] else "else_branch"
        body = node.attrs.get(chosen)
        if not isinstance(body, Graph) or len(body.outputs) != len(node.outputs) or body.inputs:
            return None
        branch = with_own_names(body, f"{node.outputs[0]}/{chosen}/")
        for name, constant in branch.constants.items():
            self.builder.know(name, constant)
            self.builder.folded.add(name)
        given = zip(branch.outputs, node.outputs, strict=True)
        ends = [Node("Identity", (info.name,), (name,)) for info, name in given if name]
        return [*branch.nodes, *ends]

    def _place(self, node: Node, site: _Site) -> bool:
        """Whether the types of the node's outputs are known."""
        builder = self.builder
        _, operator, opset, names = site
        types: Sequence[TensorType] | None = None
        code: list[Instr] | None = None
        before = 0
        if self.deepest:
            before = max((self.levels.get(builder.root(name), 0) for name in names), default=0)
        self.level = before + (before & 1)
        if not self.shown or self.shown.isdisjoint(names):
            infos = [self.infos[name] for name in node.inputs]
            if fold(builder, node, operator, infos, opset):
                return True
            types = infer(node, operator, infos)
            if types is None:
                inlined = self.inliner.lower(node)
                types, code = inlined or (None, None)
        if types is not None:
            for name, type_ in zip(node.outputs, types, strict=False):
                builder.types[name] = type_
            empty = [0 in type_.shape for type_ in types]
            if empty and all(empty):
                self._know_empty(node.outputs)
                return True
            if code is None:
                code = builder.lower(node, operator, opset)
            if code is not None:
                if True in empty:
                    self._know_empty(self._not_written(node, code))
                builder.know_aliases(node.outputs)
        level = self.level if code is not None else before | 1
        if level > self.deepest:
            self.deepest = level
        for name in node.outputs:
            if name:
                self.levels.setdefault(builder.root(name), level)
        self.work.append(_Work(node, operator, names, types, code, level))
        return types is not None

    def _movable(self, root: str) -> bool:
        """Whether a value may lie inside one of the present node's outputs: made in the same
        segment, and no output that wants memory of its own."""
        mine = root not in self.inputs and self.levels.get(root) == self.level
        return mine and not any(self.builder.root(name) == root for name in self.outputs)

    def _not_written(self, node: Node, code: Sequence[Instr]) -> Iterable[str]:
        """Outputs without elements, for which a rule need not emit anything."""
        written = {self.builder.root(name) for instr in code for name in instr.writes}
        for name in filter(None, node.outputs):
            empty = not self.builder.types[name].size
            if empty and self.builder.root(name) == name and name not in written:
                yield name

    def _know_empty(self, names: Iterable[str]) -> None:
        for name in filter(None, names):
            self.builder.know(name, Constant(self.builder.types[name], memoryview(b"")))

    # --- backward and out: steps ------------------------------------------------------

    def finish(self) -> Plan:
        """Drop what nobody needs, cut into steps, give every value its slot."""
        self._bases = _Bases(self.builder)
        late = [name for name in self.outputs if name in self.late]
        rest_inputs = self._rest_inputs() if late else []
        wanted = {self._bases[name] for name in (*self.outputs, *rest_inputs)}
        self._drop_dead(set(wanted))
        direct, copied = self._split_outputs()
        steps = self._steps(wanted, direct)
        results: list[Operand | None] = []
        for name in self.outputs:
            if name in self.late:
                results.append(None)
                continue
            operand = self._operand(name)
            if name in copied:
                slot = self._slot(f"copy/{name}")
                steps.append(CopyStep(operand, slot))
                operand = Operand(slot, operand.type)
            results.append(operand)
        rest = self._make_rest(rest_inputs, late) if late else None
        return Plan(len(self.inputs), len(self.slots), tuple(steps), tuple(results), rest)

    def _rest_inputs(self) -> list[str]:
        names = dict.fromkeys(name for node in self.rest for name in used(node) if name)
        return [n for n in names if n not in self.late and n not in self.builder.values]

    def _make_rest(self, inputs: Sequence[str], outputs: Sequence[str]) -> Rest:
        values = self.builder.values
        names = {name for node in self.rest for name in used(node)}
        graph = Graph(
            nodes=tuple(self.rest),
            inputs=tuple(ValueInfo(name, None, None) for name in inputs),
            outputs=tuple(ValueInfo(name, None, None) for name in outputs),
            constants={name: values[name] for name in names if name in values},
            opsets=self.graph.opsets,
        )
        folded = frozenset(names & self.builder.folded)
        return Rest(graph, tuple(map(self._operand, inputs)), folded)

    def _drop_dead(self, needed: set[str]) -> None:
        """Keep the work and the kernel calls that lead to `needed`, which grows to all bases in
        use."""
        bases = self._bases
        alive = []
        for work in reversed(self.work):
            if work.code is None:
                if not needed.isdisjoint(work.node.outputs):
                    needed.update([bases[name] for name in work.names])
                    alive.append(work)
                continue
            kept = []
            for instr in reversed(work.code):
                if not needed.isdisjoint([bases[name] for name in instr.writes]):
                    needed.update([bases[name] for name in instr.reads])
                    kept.append(instr)
            if kept:
                work.code = kept[::-1]
                alive.append(work)
        alive.reverse()
        self.work = sorted(alive, key=lambda work: work.level)

    def _split_outputs(self) -> tuple[dict[str, str], set[str]]:
        """Values written straight into an output (value -> output), and the outputs to be copied."""
        direct: dict[str, str] = {}
        copied: set[str] = set()
        for name in self.outputs:
            root = self.builder.root(name)
            if name in self.late or name in self.shown:
                continue
            types = self.builder.types
            if self.inner and root in self.inputs and types[root] == types[name]:
                continue
            taken = root in self.builder.values or root in self.inputs or root in direct
            if taken or self._bases[name] != root:
                copied.add(name)
            else:
                direct[root] = name
        return direct, copied

    def _steps(self, wanted: Iterable[str], direct: Mapping[str, str]) -> list[Step]:
        bases = self._bases
        last_use: dict[str, int] = {}
        for work in self.work:
            level = work.level
            if level == self.work[0].level:
                continue  # what is only used there is of no interest to any step
            for names in [work.names] if work.code is None else map(_operands, work.code):
                for name in names:
                    last_use[bases[name]] = level
        last_use.update(dict.fromkeys(wanted, _AFTER_ALL))
        steps: list[Step] = []
        for level, group in groupby(self.work, lambda work: work.level):
            if level & 1:
                steps += map(self._host_step, group)
            else:
                code = [instr for work in group for instr in work.code or ()]
                steps.append(self._core_step(level, code, last_use, direct))
        return steps

    def _core_step(
        self, level: int, code: list[Instr], last_use: Mapping[str, int], direct: Mapping[str, str]
    ) -> CoreStep:
        builder, bases = self.builder, self._bases
        inputs: dict[str, None] = {}
        made: dict[str, None] = {}
        values = builder.values
        for instr in code:
            own = [bases[name] for name in instr.writes]
            for name in instr.reads:
                base = bases[name]
                if base and base not in made and base not in own and base not in values:
                    inputs[base] = None
            for base in own:
                made[base] = None
        outputs = [name for name in made if name and last_use.get(name, level) > level]
        code = chained(code, builder.root, bases, outputs)
        recipe = builder.assemble(code, tuple(inputs), outputs)
        return CoreStep(
            program=recipe.program(self.store.arena),
            recipe=recipe,
            inputs=tuple(map(self._slot, inputs)),
            outputs=tuple(map(self._slot, outputs)),
            types=tuple(builder.types[direct.get(name, name)] for name in outputs),
            kernels=_kernels(code),
        )

    def _host_step(self, work: _Work) -> Step:
        node = work.node
        if _is_zip_map(node) and node.inputs[0] in self.builder.types:
            return MapStep(node, self._operand(node.inputs[0]), self._slot(node.outputs[0]))
        return HostStep(
            node=node,
            operator=work.operator,
            inputs=tuple(self._operand(name) if name else None for name in node.inputs),
            outputs=tuple(self._slot(name) if name else NO_SLOT for name in node.outputs),
            types=None if work.types is None else tuple(work.types),
            captured={name: self._operand(name) for name in work.names[len(node.inputs) :]},
        )

    def _operand(self, name: str) -> Operand:
        constant = self.builder.values.get(name)
        if constant is not None:
            return Operand(NO_SLOT, constant.type, constant)
        base, start = self.builder.base(name)
        whole = base == self.builder.root(name)
        return Operand(
            self._slot(base), self.builder.types.get(name), None, None if whole else start
        )

    def _slot(self, name: str) -> int:
        return self.slots.setdefault(name, len(self.slots))


class _Bases(dict[str, str]):
    """The base of every name, once no more aliases come."""

    def __init__(self, builder: Builder) -> None:
        super().__init__()
        self._builder = builder

    def __missing__(self, name: str) -> str:
        base = self[name] = self._builder.base(name)[0]
        return base


class _Infos(dict[str, Info | None]):
    """What is known of every name: asked for only once its node is placed, when that is all."""

    def __init__(self, builder: Builder) -> None:
        super().__init__({"": None})
        self._builder = builder

    def __missing__(self, name: str) -> Info:
        types, values = self._builder.types, self._builder.values
        info = self[name] = Info(types[name], values.get(name))
        return info


def _operands(instr: Instr) -> tuple[str, ...]:
    return instr.reads + instr.writes


def _kernels(code: Iterable[Instr]) -> tuple[str, ...]:
    names: list[str] = []
    for instr in code:
        names.append(instr.op)
        if instr.body:
            names += _kernels(instr.body)
    return tuple(names)


def _is_zip_map(node: Node) -> bool:
    return node.op == "ZipMap" and node.domain == "ai.onnx.ml"
