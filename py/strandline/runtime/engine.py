"""Runs plans: one engine per graph (the model's, and one for each body of a control-flow node)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

from strandline.compiler.evaluate import run_reference
from strandline.compiler.passes import optimise
from strandline.compiler.plan import NO_SLOT, CoreStep, HostStep, MapStep, Operand, Plan, Rest
from strandline.compiler.planner import compile as compile_plan
from strandline.compiler.store import LocalStrings, Store
from strandline.onnx.graph import Graph, ValueInfo
from strandline.onnx.names import captured
from strandline.onnx.types import TensorType
from strandline.ops.registry import CallGraph, find
from strandline.runtime.onecall import OneCall
from strandline.runtime.values import empty, from_array, raw, to_array, zip_labels, zip_map

Typed = tuple[Any, TensorType | None]
"""A value between steps and its type (None: no tensor)."""

Types = tuple[TensorType | None, ...]

_CALLS_KEPT = 64


class PlanCache:
    """Plans by key; the least recently used go when there are too many."""

    def __init__(self, most: int = 64) -> None:
        self._plans: OrderedDict[Hashable, Plan] = OrderedDict()
        self._most = most
        self.dropped = 0
        """How many plans had to go so far."""
        self.needed_numpy = False
        """Whether any plan so far has a step that is NumPy's."""

    def __len__(self) -> int:
        return len(self._plans)

    def get(self, key: Hashable, make: Callable[[], Plan]) -> Plan:
        """The plan under `key`, made now if need be; the newest is always kept."""
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
            return plan
        plan = self._plans[key] = make()
        self.needed_numpy |= plan.needs_numpy
        if len(self._plans) > self._most:
            self._plans.popitem(last=False)
            self.dropped += 1
        return plan


class Engine:
    """A graph, its plans, and what they share."""

    def __init__(self, graph: Graph, store: Store, *, inner: bool = False) -> None:
        for node in graph.nodes:
            find(node, graph.opsets)  # so that an unknown operator shows at once
        self.store = store
        self.graph = optimise(graph, self.store)
        self.plans = PlanCache()
        self._inner = inner
        self._bodies: dict[int, _Body] = {}
        self._arrays: dict[int, tuple[Any, Any]] = {}

    def plan(self, types: Types) -> Plan:
        """The plan for inputs of these types."""
        return self.plans.get(
            types, lambda: compile_plan(self.graph, types, self.store, inner=self._inner)
        )

    def run(
        self, plan: Plan, feeds: Sequence[Any], types: Types, strings: LocalStrings
    ) -> list[Typed]:
        """The outputs of `plan` in order, from values between steps."""
        return _Run(self, plan, feeds, types, strings).outputs()

    def profile(
        self, plan: Plan, feeds: Sequence[Any], types: Types, strings: LocalStrings
    ) -> list[tuple[str, float]]:
        """The seconds of each kernel and of each step outside the core, in the order of a run."""
        run = _TimedRun(self, plan, feeds, types, strings)
        run.outputs()
        return run.times

    def constant_array(self, operand: Operand) -> Any:
        """A constant operand as a NumPy array, made once."""
        constant = operand.constant
        assert constant is not None
        if id(constant) not in self._arrays:
            self._arrays[id(constant)] = (constant, constant.array())
        return self._arrays[id(constant)][1]

    def body(self, graph: Graph) -> _Body:
        """What runs `graph`, an attribute of one of this engine's nodes."""
        if id(graph) not in self._bodies:
            self._bodies[id(graph)] = _Body(graph, self)
        return self._bodies[id(graph)]


class _Run:
    """The values of one run of one plan."""

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        feeds: Sequence[Any],
        types: Types,
        strings: LocalStrings,
    ) -> None:
        self.engine = engine
        self.plan = plan
        self.strings = strings
        self.values: list[Any] = [*feeds, *[None] * (plan.n_slots - len(feeds))]
        self.shown: dict[int, TensorType | None] = dict(enumerate(types))

    def typed(self, operand: Operand) -> Typed:
        if operand.constant is not None:
            return self.engine.store.buffer(operand.constant), operand.type
        value = self.values[operand.slot]
        if operand.start is not None and operand.type is not None:
            value = raw(value)[operand.start : operand.start + operand.type.nbytes]
        return value, operand.type or self.shown.get(operand.slot)

    def step(self, step: Any) -> None:
        values = self.values
        if isinstance(step, CoreStep):
            made = tuple(map(empty, step.types))
            self.core(step, tuple(values[slot] for slot in step.inputs), made)
            for slot, value in zip(step.outputs, made, strict=True):
                values[slot] = value
        elif isinstance(step, HostStep):
            self.host(step)
        elif isinstance(step, MapStep):
            source, type_ = self.typed(step.input)
            assert type_ is not None
            values[step.output] = zip_map(zip_labels(step.node.attrs), type_, source)
        else:
            source, type_ = self.typed(step.input)
            assert type_ is not None
            values[step.output] = empty(type_)
            raw(values[step.output])[:] = raw(source)

    def core(self, step: CoreStep, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        step.program.run(inputs, outputs)

    def host(self, step: HostStep) -> None:
        results = run_reference(
            step.node,
            step.operator,
            [None if operand is None else self.array(operand) for operand in step.inputs],
            self.caller(step),
        )
        for i, slot in enumerate(step.outputs):
            if slot == NO_SLOT:
                continue
            self.values[slot], self.shown[slot] = from_array(results[i], self.strings)
            if step.types is not None and self.shown[slot] != step.types[i]:
                raise TypeError(
                    f"node {step.node} made {self.shown[slot]}, its shape rule says {step.types[i]}"
                )

    def caller(self, step: HostStep) -> CallGraph:
        """How the step's operator runs its subgraphs."""
        bound: dict[int, Callable[[Sequence[Any]], tuple[Any, ...]]] = {}

        def call(body: Graph, feeds: Sequence[Any]) -> tuple[Any, ...]:
            if id(body) not in bound:
                outside = {name: self.typed(o) for name, o in step.captured.items()}
                bound[id(body)] = self.engine.body(body).bind(outside, self.strings)
            return bound[id(body)](feeds)

        return call

    def array(self, operand: Operand) -> Any:
        if operand.constant is not None:
            return self.engine.constant_array(operand)
        return to_array(*self.typed(operand), self.strings)

    def outputs(self) -> list[Typed]:
        for step in self.plan.steps:
            self.step(step)
        rest = self.plan.rest
        later = iter(self.run_rest(rest) if rest is not None else ())
        return [
            next(later) if operand is None else self.typed(operand) for operand in self.plan.outputs
        ]

    def run_rest(self, rest: Rest) -> list[Typed]:
        inputs = [self.typed(operand) for operand in rest.inputs]
        types = tuple(type_ for _, type_ in inputs)
        engine = self.engine
        plan = engine.plans.get(
            (rest, types), lambda: compile_plan(rest.graph, types, engine.store, rest.folded)
        )
        return self.then(plan, [value for value, _ in inputs], types)

    def then(self, plan: Plan, feeds: Sequence[Any], types: Types) -> list[Typed]:
        """The rest of the run, by a plan of its own."""
        return self.engine.run(plan, feeds, types, self.strings)


class _TimedRun(_Run):
    """A run that notes how long everything took."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.times: list[tuple[str, float]] = []

    def step(self, step: Any) -> None:
        started = perf_counter()
        super().step(step)
        if not isinstance(step, CoreStep):
            name = f"{step.node.op} (NumPy)" if isinstance(step, HostStep) else "copy"
            self.times.append((name, perf_counter() - started))

    def core(self, step: CoreStep, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.times += zip(step.kernels, step.program.profile(inputs, outputs), strict=True)

    def then(self, plan: Plan, feeds: Sequence[Any], types: Types) -> list[Typed]:
        later = _TimedRun(self.engine, plan, feeds, types, self.strings)
        results = later.outputs()
        self.times += later.times
        return results


class _Body:
    """A subgraph as an engine of its own; what it takes from outside are further inputs."""

    def __init__(self, graph: Graph, parent: Engine) -> None:
        outside = captured(graph)
        constants = parent.graph.constants
        known = {name: constants[name] for name in outside if name in constants}
        self._taken = tuple(name for name in outside if name not in known)
        whole = replace(
            graph,
            inputs=(*graph.inputs, *(ValueInfo(name, None, None) for name in self._taken)),
            constants={**graph.constants, **known},
            opsets=parent.graph.opsets,
        )
        self._engine = Engine(whole, parent.store.for_body(), inner=True)
        self._calls: dict[Types, OneCall | None] = {}

    def bind(
        self, outside: Mapping[str, Typed], strings: LocalStrings
    ) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """The body with what it takes from outside: NumPy arrays in and out."""
        taken = [outside[name] for name in self._taken]
        values = [value for value, _ in taken]
        types = tuple(type_ for _, type_ in taken)

        def run(feeds: Sequence[Any]) -> tuple[Any, ...]:
            fed = [from_array(feed, strings) for feed in feeds]
            known = (*(type_ for _, type_ in fed), *types)
            given = [*(value for value, _ in fed), *values]
            call = self._call(known)
            if call is not None:
                return tuple(call.run(given))
            results = self._engine.run(self._engine.plan(known), given, known, strings)
            return tuple(to_array(value, type_, strings) for value, type_ in results)

        return run

    def _call(self, types: Types) -> OneCall | None:
        """The plan for these types if it is one call without strings."""
        if types not in self._calls:
            if len(self._calls) >= _CALLS_KEPT:
                self._calls.clear()
            call = OneCall.of(self._engine.plan(types), self._engine.store.vocabulary)
            whole = call is not None and all(given.finish is None for given in call.give)
            self._calls[types] = call if whole else None
        return self._calls[types]
