"""The common case, stripped: a plan that is one call of the core on plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strandline import core
from strandline.compiler.plan import CoreStep, Plan
from strandline.onnx.types import TensorType
from strandline.onnx.types import string as string_type
from strandline.runtime.values import empty


@dataclass(frozen=True, slots=True)
class OneCall:
    """`take` picks the program's inputs from the feeds, `give` the results from its outputs."""

    program: core.Program
    take: tuple[int, ...]
    types: tuple[TensorType, ...]
    give: tuple[int, ...]

    @staticmethod
    def of(plan: Plan) -> OneCall | None:
        """The plan as one call; None when it is more than that."""
        if len(plan.steps) != 1 or plan.rest is not None:
            return None
        step = plan.steps[0]
        if not isinstance(step, CoreStep) or string_type in (t.dtype for t in step.types):
            return None
        slots = [operand.slot for operand in plan.outputs if operand is not None]
        if any(slot not in step.outputs for slot in slots):
            return None
        give = tuple(step.outputs.index(slot) for slot in slots)
        return OneCall(step.program, step.inputs, step.types, give)

    def run(self, feeds: Sequence[Any]) -> list[Any]:
        """Results in the model's order."""
        made = [empty(type_) for type_ in self.types]
        self.program.run([feeds[i] for i in self.take], made)
        return [made[i] for i in self.give]
