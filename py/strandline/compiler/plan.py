"""What a plan is: steps over slots. Made by `planner`, run by `runtime`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from strandline import core
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import TensorType
from strandline.ops.registry import Op

Slot = int
"""Index of a value during a run; the inputs come first."""

NO_SLOT: Slot = -1
"""Where there is no value to read, or nobody to read it."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A value that a step takes: from a slot, or constant. `type` None: shown only by running.

    `start` is the byte at which it begins when it is a part of what lies in the slot.
    """

    slot: Slot
    type: TensorType | None
    constant: Constant | None = None
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a program was made of, as the core reads it (see docs/architecture.md)."""

    tensors: bytes
    code: bytes
    constants: tuple[Any, ...]
    """Buffers."""
    arena_bytes: int

    def program(self, arena: core.Arena | None = None) -> core.Program:
        """Checked and ready to run, in `arena` or one of its own."""
        return core.Program(self.tensors, self.code, self.constants, self.arena_bytes, arena)


@dataclass(frozen=True, slots=True)
class CoreStep:
    """One call of the core. `types` are the outputs', to allocate them."""

    program: core.Program
    recipe: Recipe
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    types: tuple[TensorType, ...]
    kernels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostStep:
    """One operator through its NumPy reference. `captured`: names that its subgraphs take."""

    node: Node
    operator: Op
    inputs: tuple[Operand | None, ...]
    outputs: tuple[Slot, ...]
    types: tuple[TensorType, ...] | None
    captured: Mapping[str, Operand] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapStep:
    """ZipMap: each row of scores becomes a dict from label to score. Needs no NumPy."""

    node: Node
    input: Operand
    output: Slot


@dataclass(frozen=True, slots=True)
class CopyStep:
    """A model output whose bytes are already an input, a constant or another output."""

    input: Operand
    output: Slot


Step = CoreStep | HostStep | MapStep | CopyStep


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """What can be planned only when the run has shown the types of `inputs`.

    `folded` are the graph's constants that hold for this plan's input shapes only.
    """

    graph: Graph
    inputs: tuple[Operand, ...]
    folded: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run a graph on inputs of given types.

    `outputs` are the graph's in order; None marks one that `rest` computes: its graph's outputs are
    just those.
    """

    n_inputs: int
    n_slots: int
    steps: tuple[Step, ...]
    outputs: tuple[Operand | None, ...]
    rest: Rest | None = None

    @property
    def arena_bytes(self) -> int:
        """How large the session's arena must be for it."""
        sizes = (step.recipe.arena_bytes for step in self.steps if isinstance(step, CoreStep))
        return max(sizes, default=0)

    @property
    def needs_numpy(self) -> bool:
        """Whether any step runs a NumPy reference."""
        return any(isinstance(step, HostStep) for step in self.steps)
