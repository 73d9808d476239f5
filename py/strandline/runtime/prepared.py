"""A plan with memory of its own: written, run and read by one pointer, from Python or from JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strandline import core
from strandline.compiler.plan import Recipe
from strandline.compiler.store import Vocabulary
from strandline.onnx.graph import ValueInfo
from strandline.onnx.types import TensorType
from strandline.onnx.types import string as string_type
from strandline.runtime.onecall import OneCall


class NotPreparedError(ValueError):
    """The plan is more than one call of the core."""


class Prepared:
    """Fill `inputs`, `run()`, read `results()`: no checks, no conversions and no memory per call.

    Parameters
    ----------
    call
        The plan, which is one call of the core.
    inputs, outputs
        The model's declarations.
    types
        The inputs' types, which the plan was made for.
    vocabulary
        The session's strings: string inputs are int32 codes of it.
    """

    def __init__(
        self,
        call: OneCall,
        inputs: Sequence[ValueInfo],
        outputs: Sequence[ValueInfo],
        types: Sequence[TensorType],
        vocabulary: Vocabulary,
    ) -> None:
        self._call = call
        self._names = tuple(info.name for info in outputs)
        self._types = dict(zip((info.name for info in inputs), types, strict=True))
        self._vocabulary = vocabulary
        self._feeds = tuple(core.Tensor(t.dtype.format, t.shape) for t in types)
        self._made = tuple(core.Tensor(t.dtype.format, t.shape) for t in call.types)
        self.inputs: Mapping[str, core.Tensor] = dict(zip(self._types, self._feeds, strict=True))
        """The inputs' memory by name."""
        self.bound = core.Bound(call.program, [self._feeds[i] for i in call.take], self._made)
        self.run = self.bound.run
        """Compute. Raises ValueError when the core refuses the data (an index out of range)."""

    @property
    def recipe(self) -> Recipe:
        """What its program is made of."""
        return self._call.recipe

    def results(self) -> dict[str, Any]:
        """The outputs by name. Tensors are the prepared call's own memory, which the next run
        overwrites; maps are lists of dicts, strings nested lists."""
        results = {}
        for name, given in zip(self._names, self._call.give, strict=True):
            source = self._feeds[~given.index] if given.index < 0 else self._made[given.index]
            results[name] = source if given.finish is None else given.finish(source)
        return results

    def describe(self) -> dict[str, Any]:
        """The call in JSON's terms, as `web/src/engine/call.ts` reads it.

        `take` are the program's inputs as places in `inputs`; each of `results` is one of the
        program's `outputs`, or of `inputs` for ~index. `texts` are the strings by their code, null
        when nothing is a string.
        """
        found = [self._found(name, i) for i, name in enumerate(self._names)]
        texts = any(t.dtype is string_type for t in (*self._types.values(), *self._call.types))
        return {
            "inputs": [{"name": n, **_type(type_)} for n, type_ in self._types.items()],
            "take": list(self._call.take),
            "outputs": [_type(type_) for type_ in self._call.types],
            "results": found,
            "texts": list(self._vocabulary.texts) if texts else None,
        }

    def places(self) -> dict[str, list[int]]:
        """Addresses of the `inputs` (0 for one that the program does not read) and of the program's
        `outputs`."""
        take = self._call.take
        taken = dict(zip(take, self.bound.buffers, strict=False))
        outputs = self.bound.buffers[len(take) :]
        return {
            "inputs": [taken.get(i, 0) for i in range(len(self._feeds))],
            "outputs": list(outputs),
        }

    def _found(self, name: str, at: int) -> dict[str, Any]:
        given = self._call.give[at]
        labels = None if given.labels is None else list(map(str, given.labels))
        return {"name": name, "from": given.index, "labels": labels}


def _type(type_: TensorType) -> dict[str, Any]:
    return {"dtype": type_.dtype.name, "shape": list(type_.shape)}
