"""The `Lowering` that rules write to, and the assembly of what they wrote into a core program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from strandline import core
from strandline.compiler.blame import WRONG, named
from strandline.compiler.dtypes import HALVES, computes, moves
from strandline.compiler.lower.convert import in_float32
from strandline.compiler.lower.registry import Instr, W, rule_for
from strandline.compiler.plan import Recipe
from strandline.compiler.store import Store, constant_of
from strandline.onnx.graph import Constant, Node
from strandline.onnx.types import DTYPES, DType, TensorType
from strandline.ops.registry import Op, UnsupportedOperator

if TYPE_CHECKING:
    from strandline.compiler.tuning import Tuning

ELEMENTWISE = frozenset(
    {
        "neg", "abs", "sign", "relu", "clip", "sqrt", "reciprocal", "floor", "ceil", "round",
        "exp", "log", "tanh", "sigmoid", "erf", "softplus", "softsign", "leaky_relu", "elu",
        "selu", "celu", "hard_sigmoid", "hard_swish", "gelu", "gelu_tanh", "mish", "swish",
        "thresholded_relu", "shrink", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
        "cosh", "asinh", "acosh", "atanh", "not", "bit_not", "add", "sub", "mul", "div", "min",
        "max", "pow", "mod", "fmod", "prelu", "and", "or", "xor", "shift_left", "shift_right",
        "chain_f32",
    }
)  # fmt: skip
"""Kernels that read an element of each operand before they write the same element of the output, so
that an operand of the output's size may be overwritten."""

ALIGNMENT = 64
"""Of values in the arena, in bytes: a cache line, and the widest vector."""

_NARROW_BYTES = frozenset(dtype for dtype in DTYPES if dtype.itemsize == 1 and dtype.is_narrow)
_SPECIAL = _NARROW_BYTES | HALVES
_BYTE_BY_BYTE = frozenset(
    {
        "Concat", "DequantizeLinear", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze",
        "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators whose kernels move bytes, whatever they are, and the one that knows int4 and its like."""

_named_tuple = tuple.__new__
"""What a NamedTuple's own constructor calls, after a detour through Python that planning feels."""


class Builder:
    """Types, values and aliases of one plan; `lower` collects the kernel calls of one node at a
    time."""

    attrs: Mapping[str, Any]
    opset: int

    def __init__(self, store: Store) -> None:
        self.store = store
        self.types: dict[str, TensorType] = {}
        self.values: dict[str, Constant] = {}
        self.folded: set[str] = set()
        """Names of values that hold for this plan's input shapes only."""
        self.movable: Callable[[str], bool] | None = None
        """Which roots may be written into a larger value; None: nothing shares memory."""
        self.tuning: Tuning | None = None
        """What chooses between ways; None: the first."""
        self._roots: dict[str, str] = {}
        self._views: dict[str, tuple[str, int]] = {}
        self._code: list[Instr] = []
        self._made = 0

    # --- what a rule sees and writes to -----------------------------------------------

    def type(self, name: str) -> TensorType:
        return self.types[name]

    def value(self, name: str) -> Constant | None:
        return self.values.get(name)

    def temp(self, dtype: DType, shape: Sequence[int]) -> str:
        name = self._fresh("temp")
        self.types[name] = _named_tuple(TensorType, (dtype, tuple(shape)))
        return name

    def constant(self, dtype: DType, shape: Sequence[int], data: Any) -> str:
        return self.know(self._fresh("constant"), constant_of(dtype, shape, data))

    def derived(
        self, key: tuple[Any, ...], make: Callable[[], tuple[DType, Sequence[int], Any]]
    ) -> str:
        if self.folded and not self.folded.isdisjoint(key):
            return self.constant(*make())
        return self.know(*self.store.derived(key, make))

    def codes(self, strings: Sequence[str]) -> list[int]:
        return self.store.vocabulary.add(strings)

    def emit(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], *params: int | float
    ) -> None:
        self._code.append(_named_tuple(Instr, (op, tuple(inputs), tuple(outputs), params, ())))

    def choose(
        self,
        key: Callable[[], str],
        ways: Iterable[W],
        name: Callable[[W], str],
        emit: Callable[[W], None],
    ) -> None:
        others = iter(ways)
        way = next(others)
        if self.tuning is not None and (rest := list(others)):
            named = {name(each): each for each in (way, *rest)}
            place, names = f"{core.isa()} {key()}", tuple(named)
            with self.store.trial():
                chosen = self.tuning.choose(
                    place, names, lambda which: self._trial(partial(emit, named[which]))
                )
            way = named[chosen]
        emit(way)

    def alias(self, output: str, source: str) -> None:
        if self.types[output].nbytes != self.types[source].nbytes:
            raise ValueError(
                f"{output} ({self.types[output]}) is not {source} ({self.types[source]}) reshaped"
            )
        self._roots[output] = self.root(source)

    def view(self, output: str, source: str, offset: int) -> bool:
        shared = self.movable is not None and self.root(source) not in self.values
        if not shared or offset % ALIGNMENT or not self.types[output].size:
            return False
        self._views[output] = (source, offset)
        return True

    def place(self, part: str, whole: str, offset: int) -> bool:
        root = self.root(part)
        free = root not in self._views and root not in self.values
        if not free or offset % ALIGNMENT or self.movable is None or not self.movable(root):
            return False
        self._views[root] = (whole, offset)
        return True

    def collect(self, write: Callable[[], None]) -> list[Instr]:
        """The kernel calls that `write` emits."""
        kept, self._code = self._code, []
        try:
            write()
            return self._code
        finally:
            self._code = kept

    # --- what the planner uses --------------------------------------------------------

    def know(self, name: str, constant: Constant) -> str:
        """Enter a constant under `name`."""
        self.types[name] = constant.type
        self.values[name] = constant
        return name

    def know_aliases(self, names: Iterable[str]) -> None:
        """Enter outputs that a rule found to be a constant under another shape."""
        for name in names:
            source = self.values.get(self._roots.get(name, ""))
            if source is not None and name not in self.values:
                self.know(name, Constant(self.types[name], source.data, source.strings))
                self.folded.add(name)

    def root(self, name: str) -> str:
        """The value whose bytes `name` is."""
        return self._roots.get(name, name)

    def base(self, name: str) -> tuple[str, int]:
        """The value in whose memory `name` lies, and at which byte."""
        root, offset = self._roots.get(name, name), 0
        while root in self._views:
            parent, start = self._views[root]
            root, offset = self.root(parent), offset + start
        return root, offset

    def lower(self, node: Node, operator: Op, opset: int) -> list[Instr] | None:
        """The node's kernel calls, or None when the core does not serve it. Output types must be
        known."""
        rule = rule_for(node)
        if rule is None:
            return None
        types = self.types
        dtypes = [types[name].dtype for name in node.inputs + node.outputs if name in types]
        special = [dtype for dtype in dtypes if dtype in _SPECIAL]
        if special:
            if not _NARROW_BYTES.isdisjoint(special) and (
                node.op not in _BYTE_BY_BYTE or node.domain
            ):
                return None  # most kernels would take float8, int4 and their like for bytes
            if not HALVES.isdisjoint(special) and computes(node) and not moves(node):
                rule = partial(in_float32, rule)
        self.attrs = operator.attrs(node)
        self.opset = opset
        self._code = []
        try:
            return self._code if rule(node, self) else None
        except UnsupportedOperator:
            raise
        except WRONG as error:
            raise named(error, node, map(self.types.get, node.inputs)) from error

    def assemble(
        self,
        code: Sequence[Instr],
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        once: bool = False,
    ) -> Recipe:
        """The program for `code`.

        `inputs` and `outputs` are the bases that become its buffers. For a program that runs `once`
        the session keeps nothing of its constants. Raises ValueError when sizes are beyond 64 bits.
        """
        store = self.store
        buffer = (lambda value, _: store.bytes_of(value)) if once else store.buffer
        names = self.types, self._roots, self._views, self.values
        return Recipe(*core.assemble(code, inputs, outputs, *names, buffer, ELEMENTWISE))

    def _trial(self, way: Callable[[], None]) -> Callable[[], None]:
        """What runs the kernel calls that `way` emits, on zeros; they are not kept."""
        start = len(self._code)
        way()
        code = self._code[start:]
        del self._code[start:]
        made = {self.base(name)[0] for instr in code for name in instr.writes}
        taken = dict.fromkeys(self.base(name)[0] for instr in code for name in instr.reads if name)
        inputs = [name for name in taken if name not in made and name not in self.values]
        program = self.assemble(code, inputs, ()).program()
        zeros = [core.Tensor("B", [self.types[name].nbytes]) for name in inputs]
        return lambda: program.run(zeros, ())

    def _fresh(self, kind: str) -> str:
        self._made += 1
        return f"{kind}/{self._made}"
