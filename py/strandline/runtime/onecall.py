"""The common case, stripped: a plan that is one call of the core, with nothing but a finish after
it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from strandline import core
from strandline._lazy import np, numpy_loaded
from strandline.compiler.plan import CoreStep, MapStep, Operand, Plan, Recipe
from strandline.compiler.store import LocalStrings, Vocabulary
from strandline.onnx.types import TensorType
from strandline.onnx.types import string as string_type
from strandline.runtime.values import numpy_dtype, to_result, zip_labels, zip_map

Finish = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Given:
    """A result: which of the program's outputs it is (which of the feeds, for ~index), what is left
    to do to it, and the class labels of the dicts that a ZipMap makes of it."""

    index: int
    finish: Finish | None = None
    labels: tuple[Any, ...] | None = None


@dataclass(slots=True)
class OneCall:
    """`take` picks the program's inputs from the feeds; `give` says what each result is."""

    program: core.Program
    recipe: Recipe
    take: tuple[int, ...]
    types: tuple[TensorType, ...]
    give: tuple[Given, ...]
    arrays: tuple[tuple[tuple[int, ...], Any], ...] | None = None
    """Shapes and NumPy dtypes of the outputs, once NumPy is there."""

    @staticmethod
    def of(plan: Plan, vocabulary: Vocabulary) -> OneCall | None:
        """The plan as one call; None when it is more than that."""
        if plan.rest is not None or not plan.steps:
            return None
        first, *others = plan.steps
        if not isinstance(first, CoreStep) or not all(isinstance(s, MapStep) for s in others):
            return None
        maps = {step.output: step for step in others if isinstance(step, MapStep)}
        give = [
            _result(operand, first, maps, vocabulary, plan.n_inputs) for operand in plan.outputs
        ]
        whole = [result for result in give if result is not None]
        if len(whole) < len(give):
            return None
        return OneCall(first.program, first.recipe, first.inputs, first.types, tuple(whole))

    def run(self, feeds: Sequence[Any]) -> list[Any]:
        """Results in the model's order."""
        made: list[Any]
        if not numpy_loaded():
            made = [core.Tensor(type_.dtype.format, type_.shape) for type_ in self.types]
        else:
            if self.arrays is None:
                self.arrays = tuple((type_.shape, numpy_dtype(type_.dtype)) for type_ in self.types)
            made = [np.empty(shape, dtype) for shape, dtype in self.arrays]
        self.program.run([feeds[i] for i in self.take], made)
        return [
            feeds[~r.index]
            if r.index < 0
            else made[r.index]
            if r.finish is None
            else r.finish(made[r.index])
            for r in self.give
        ]


def _result(
    operand: Operand | None,
    first: CoreStep,
    maps: dict[int, MapStep],
    vocabulary: Vocabulary,
    n_inputs: int,
) -> Given | None:
    if operand is None or operand.constant is not None:
        return None
    if operand.slot < n_inputs:
        return Given(~operand.slot)
    step = maps.get(operand.slot)
    source = operand if step is None else step.input
    if source.slot not in first.outputs or source.type is None or source.start is not None:
        return None
    index = first.outputs.index(source.slot)
    if step is not None:
        labels = zip_labels(step.node.attrs)
        return Given(index, partial(zip_map, labels, source.type), labels)
    if source.type.dtype is string_type:
        # Only strings that the session knows come this way.
        return Given(index, partial(_decode, source.type, LocalStrings(vocabulary)))
    return Given(index)


def _decode(type_: TensorType, strings: LocalStrings, codes: Any) -> Any:
    return to_result(codes, type_, strings)
