"""If, Loop and Scan inside a program: bodies become calls of one `loop` kernel.

Served where types stay the same from trip to trip and the core has a kernel for every node of the
body; what is left runs body by body (`runtime/engine.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from strandline.compiler.builder import Builder
from strandline.compiler.evaluate import TOO_LARGE, fold, infer
from strandline.compiler.lower.copy import copy
from strandline.compiler.lower.gather import gather
from strandline.compiler.lower.layout import code as code_of
from strandline.compiler.lower.registry import Instr
from strandline.compiler.passes import optimise
from strandline.compiler.store import constant_of
from strandline.onnx.graph import Graph, Node
from strandline.onnx.names import captured, used, with_own_names
from strandline.onnx.types import TensorType, bool_, int64
from strandline.onnx.types import string as string_type
from strandline.ops.registry import Info, find
from strandline.ops.rules import ints

Inlined = tuple[Sequence[TensorType], list[Instr]]
"""Types of a node's outputs, and the calls that make them."""

_DEEPEST = 8
_MOVED = ("scan_input_axes", "scan_output_axes")


class Inliner:
    """Lowers control flow into the code of one plan."""

    def __init__(self, builder: Builder, opsets: Mapping[str, int]) -> None:
        self.builder = builder
        self.opsets = opsets
        self._depth = 0

    def lower(self, node: Node) -> Inlined | None:
        """The node's kernel calls; None: it is no control flow, or not of the kind that is served."""
        rule = {"If": self._if, "Loop": self._loop, "Scan": self._scan}.get(node.op)
        types = self.builder.types
        if rule is None or node.domain or self._depth == _DEEPEST:
            return None
        if any(name and name not in types for name in used(node)):
            return None
        self._depth += 1
        try:
            return rule(node)
        finally:
            self._depth -= 1

    # --- operators --------------------------------------------------------------------

    def _if(self, node: Node) -> Inlined | None:
        """Two loops of at most one trip."""
        builder, condition = self.builder, node.inputs[0]
        if builder.types[condition] not in (TensorType(bool_, ()), TensorType(bool_, (1,))):
            return None
        branches = []
        for name in ("then_branch", "else_branch"):
            branch = self._own(node, name)
            body = self._body(branch)
            if body is None or len(branch.outputs) != len(node.outputs):
                return None
            branches.append((branch, body))
        results = [[builder.types[info.name] for info in g.outputs] for g, _ in branches]
        if results[0] != results[1] or not _movable(results[0]):
            return None
        builder.types.update((n, t) for n, t in zip(node.outputs, results[0], strict=True) if n)
        otherwise = builder.temp(bool_, (1,))
        invert = ("not", (condition,), (otherwise,), code_of(bool_), 1, 0, 0)
        calls = builder.collect(lambda: builder.emit(*invert))
        for begin, (branch, body) in zip((condition, otherwise), branches, strict=True):
            for name, info in zip(node.outputs, branch.outputs, strict=True):
                if name:
                    body += self._move(info.name, name)
            calls.append(self._repeat(body, builder.temp(int64, ()), trips=1, begin=begin))
        return results[0], calls

    def _loop(self, node: Node) -> Inlined | None:
        builder = self.builder
        trips, begin, *carried = (*node.inputs, "", "")[: max(len(node.inputs), 2)]
        body = self._own(node, "body")
        scanned = len(body.outputs) - 1 - len(carried)
        if len(body.inputs) != len(carried) + 2 or scanned < 0:
            return None
        count = builder.value(trips) if trips else None
        limit = int(count.flat()[0]) if count is not None else -1
        if trips and builder.types[trips] not in (TensorType(int64, ()), TensorType(int64, (1,))):
            return None
        trip, going, *states = (info.name for info in body.inputs)
        builder.types[trip] = TensorType(int64, ())
        builder.know(going, constant_of(bool_, (), [True]))
        builder.folded.add(going)
        start = self._start(states, carried)
        code = self._body(body) if start is not None else None
        if code is None or start is None:
            return None
        goes_on, *ends = (info.name for info in body.outputs)
        if builder.types[goes_on].size != 1 or builder.types[goes_on].dtype is not bool_:
            return None
        begins = bool(first.flat()[0]) if (first := builder.value(begin)) is not None else not begin
        stays = (
            bool(known.flat()[0]) if (known := builder.value(goes_on)) is not None else not begin
        )
        if (known is not None and begin and not stays) or not (trips or (begin and known is None)):
            return None  # one trip, or no end
        if scanned and not (begins and stays and count is not None and limit > 0):
            return None
        kept = self._keep(states, ends[: len(states)])
        rows = self._rows(ends[len(states) :], node.outputs[len(states) :], limit, trip)
        if kept is None or rows is None:
            return None
        code += rows[1]
        asked = "" if stays or not begin else builder.temp(bool_, (1,))
        if asked:  # a copy, since it may be a state that the next line overwrites
            code += self._move(goes_on, asked)
        call = self._repeat(
            [*code, *kept],
            trip,
            trips=-1 if count is None else max(limit, 0),
            most=trips if count is None else "",
            begin="" if begins else begin,
            goes_on=asked,
        )
        return self._results(node, states, rows[0]), [*start, call]

    def _scan(self, node: Node) -> Inlined | None:
        builder, body = self.builder, self._own(node, "body")
        n = node.attrs.get("num_scan_inputs", 0)
        carried, sequences = (
            node.inputs[: len(node.inputs) - n],
            node.inputs[len(node.inputs) - n :],
        )
        if self.opsets.get("", 1) < 9 or not n or len(body.inputs) != len(node.inputs):
            return None
        if any(any(ints(node.attrs.get(name))) for name in _MOVED):
            return None
        lengths = {builder.types[name].shape[:1] for name in sequences}
        if len(lengths) != 1 or lengths == {()} or lengths == {(0,)}:
            return None
        ((length,),) = lengths
        states = [info.name for info in body.inputs[: len(carried)]]
        elements = [info.name for info in body.inputs[len(carried) :]]
        trip = builder.temp(int64, ())
        start = self._start(states, carried)
        if start is None:
            return None
        for name, source in zip(elements, sequences, strict=True):
            type_ = builder.types[source]
            builder.types[name] = TensorType(type_.dtype, type_.shape[1:])
        if not _movable([builder.types[name] for name in elements]):
            return None
        backwards = ints(node.attrs.get("scan_input_directions")) or (0,) * n
        turned, turning = self._turned(trip, length)
        code = [*turning]
        for name, source, back in zip(elements, sequences, backwards, strict=True):
            place = turned if back else trip
            code += builder.collect(lambda: gather(builder, source, place, name))  # noqa: B023
        made = self._body(body)
        ends = [info.name for info in body.outputs]
        kept = self._keep(states, ends[: len(states)]) if made is not None else None
        if made is None or kept is None:
            return None
        outputs = node.outputs[len(states) :]
        out_back = ints(node.attrs.get("scan_output_directions")) or (0,) * len(outputs)
        places = [turned if back else trip for back in out_back]
        rows = self._rows(ends[len(states) :], outputs, length, *places)
        if rows is None:
            return None
        call = self._repeat([*code, *made, *rows[1], *kept], trip, trips=length)
        return self._results(node, states, rows[0]), [*start, call]

    # --- what they are made of ----------------------------------------------------------

    def _own(self, node: Node, attribute: str) -> Graph:
        """The body under names of its own, which other bodies and the graph around do not have."""
        body = node.attrs[attribute]
        prefix = f"{next(filter(None, node.outputs))}/{attribute}/"
        graph = with_own_names(self._optimised(body), prefix)
        for name, constant in graph.constants.items():
            self.builder.know(name, constant)
        return graph

    def _optimised(self, body: Graph) -> Graph:
        """The body after all passes, with the constants that it takes from outside; once per session."""
        store, values = self.builder.store, self.builder.values
        held = store.bodies.get(id(body))
        if held is None:
            taken = {
                n: values[n] for n in captured(body) if n in values and n not in self.builder.folded
            }
            whole = replace(body, constants={**taken, **body.constants}, opsets=self.opsets)
            held = store.bodies[id(body)] = (body, optimise(whole, store))
        return held[1]

    def _body(self, graph: Graph) -> list[Instr] | None:
        """The calls of all nodes; None: not every one has a kernel and types that are known."""
        builder, code = self.builder, list[Instr]()
        for node in graph.nodes:
            if any(name and name not in builder.types for name in used(node)):
                return None
            operator = find(node, self.opsets)
            opset = self.opsets.get("" if node.domain == "ai.onnx" else node.domain, 1)
            infos = [
                Info(builder.types[name], builder.values.get(name)) if name else None
                for name in node.inputs
            ]
            if fold(builder, node, operator, infos, opset):
                continue
            types = infer(node, operator, infos)
            inlined = self.lower(node) if types is None else None
            if inlined is not None:
                types, calls = inlined
                builder.types.update(zip(node.outputs, types, strict=False))
                code += calls
                continue
            if types is None or not all(type_.size for type_ in types):
                return None
            builder.types.update(zip(node.outputs, types, strict=False))
            lowered = builder.lower(node, operator, opset)
            if lowered is None:
                return None
            builder.know_aliases(node.outputs)
            code += lowered
        known = all(info.name in builder.types for info in graph.outputs)
        return code if known else None

    def _start(self, states: Sequence[str], carried: Sequence[str]) -> list[Instr] | None:
        """The calls that give states their first values."""
        types = self.builder.types
        types.update((s, types[first]) for s, first in zip(states, carried, strict=True))
        if not _movable([types[name] for name in states]):
            return None
        moves = (self._move(first, s) for s, first in zip(states, carried, strict=True))
        return [call for move in moves for call in move]

    def _keep(self, states: Sequence[str], ends: Sequence[str]) -> list[Instr] | None:
        """The calls that make what a trip ends with the states of the next one."""
        builder = self.builder
        if any(builder.types[s] != builder.types[e] for s, e in zip(states, ends, strict=True)):
            return None
        first: list[Instr] = []
        last: list[Instr] = []
        for state, end in zip(states, ends, strict=True):
            if builder.root(end) == state:
                continue
            source = end
            if builder.base(end)[0] in states:  # which is overwritten here
                source = builder.temp(builder.types[end].dtype, builder.types[end].shape)
                first += self._move(end, source)
            last += self._move(source, state)
        return first + last

    def _rows(
        self, ends: Sequence[str], outputs: Sequence[str], length: int, *places: str
    ) -> tuple[list[TensorType], list[Instr]] | None:
        """Types of stacked outputs, and the calls that put a trip's values into their rows."""
        builder = self.builder
        types, calls = list[TensorType](), list[Instr]()
        if len(outputs) > len(ends) or not _movable([builder.types[end] for end in ends]):
            return None
        for i, end in enumerate(ends):
            row, place = builder.types[end], places[min(i, len(places) - 1)]
            types.append(TensorType(row.dtype, (length, *row.shape)))
            if types[-1].nbytes >= TOO_LARGE:
                return None
            if i < len(outputs) and outputs[i]:
                builder.types[outputs[i]] = types[-1]
                params = (code_of(row.dtype), 0, row.size, 1, 1, length)
                put = ("scatter_nd", (place, end), (outputs[i],), *params)
                calls += builder.collect(lambda: builder.emit(*put))  # noqa: B023
        return types, calls

    def _results(
        self, node: Node, states: Sequence[str], stacked: Sequence[TensorType]
    ) -> list[TensorType]:
        """Let the node's first outputs be what the states are in the end; the types of all."""
        for name, state in zip(node.outputs, states, strict=False):
            if name:
                self.builder.types[name] = self.builder.types[state]
                self.builder.alias(name, state)
        return [*(self.builder.types[state] for state in states), *stacked]

    def _turned(self, trip: str, length: int) -> tuple[str, list[Instr]]:
        """The number of the trip counted from the end."""
        builder = self.builder
        turned, last = builder.temp(int64, ()), builder.constant(int64, (), [length - 1])
        params = (code_of(int64), 1, 1, 0, 0)
        return turned, builder.collect(
            lambda: builder.emit("sub", (last, trip), (turned,), *params)
        )

    def _move(self, source: str, target: str) -> list[Instr]:
        size = self.builder.types[target].size
        return self.builder.collect(lambda: copy(self.builder, source, target, (size,), (1,), (1,)))

    def _repeat(
        self,
        body: Sequence[Instr],
        trip: str,
        *,
        trips: int,
        most: str = "",
        begin: str = "",
        goes_on: str = "",
    ) -> Instr:
        return Instr("loop", (most, begin, goes_on), (trip,), (trips,), tuple(body))


def _movable(types: Sequence[TensorType]) -> bool:
    """Whether values of these types can be copied from trip to trip: there are some, and no strings."""
    return all(type_.size and type_.dtype is not string_type for type_ in types)
