"""`Session`: a model that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from strandline.compiler.store import LocalStrings
from strandline.onnx import read
from strandline.onnx.graph import Graph, ValueInfo
from strandline.onnx.types import TensorType
from strandline.onnx.types import string as string_type
from strandline.runtime import feeds as feeding
from strandline.runtime.engine import Engine
from strandline.runtime.explain import explain
from strandline.runtime.onecall import OneCall
from strandline.runtime.reference import Interpreter
from strandline.runtime.values import to_result

Backend = Literal["core", "reference"]

_PREPARED_KEPT = 64


class Session:
    """A model, ready to run.

    `model` is the bytes of an `.onnx` file or its path. The backend "core" compiles a plan per set
    of input shapes and runs it in the C core; "reference" computes node by node in NumPy, slowly
    and plainly.

    Raises ModelError when the model is damaged, UnsupportedOperator when it uses what this version
    does not know.
    """

    def __init__(self, model: bytes | str | Path, *, backend: Backend = "core") -> None:
        if backend not in get_args(Backend):
            raise ValueError(f"no backend '{backend}': use 'core' or 'reference'")
        if isinstance(model, str | Path):
            path = Path(model)
            self.graph: Graph = read(path.read_bytes(), base_dir=path.parent)
        else:
            self.graph = read(model)
        self._input_names = tuple(info.name for info in self.graph.inputs)
        self._output_names = tuple(info.name for info in self.graph.outputs)
        self._prepared: dict[tuple[Any, ...], OneCall] = {}
        """By what the feeds look like: format, shape and contiguity of each, or their types."""
        self._interpreter: Interpreter | None = None
        self._engine: Engine | None = None
        if backend == "reference":
            self._interpreter = Interpreter(self.graph)
        else:
            self._engine = Engine(self.graph)

    @property
    def inputs(self) -> tuple[ValueInfo, ...]:
        """The model's inputs as it declares them."""
        return self.graph.inputs

    @property
    def outputs(self) -> tuple[ValueInfo, ...]:
        """The model's outputs as it declares them."""
        return self.graph.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        """The model's own notes (`metadata_props`)."""
        return self.graph.metadata

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, Any]:
        """Predict: input name -> value in, output name -> array out, in the model's order or that
        of `outputs`.

        A value is a NumPy array, any buffer with format and shape, or (nested lists of) plain
        numbers or strings. Results are NumPy arrays where NumPy is loaded, else `core.Tensor`;
        strings then nested lists; maps are dicts. Raises FeedError when the feeds do not fit the
        model's inputs.
        """
        results = self._run_prepared(feeds)
        if results is None:
            feeding.check_names(self.inputs, feeds)
            run = self._run_reference if self._engine is None else self._run_engine
            results = run(feeds)
        named = dict(zip(self._output_names, results, strict=True))
        return named if outputs is None else feeding.select(named, outputs)

    def _run_prepared(self, feeds: Mapping[str, Any]) -> list[Any] | None:
        """The short way for shapes seen before: one call of the core. None: not this way."""
        if not self._prepared or len(feeds) != len(self._input_names):
            return None
        try:
            views = [memoryview(feeds[name]) for name in self._input_names]
        except (KeyError, TypeError, ValueError, BufferError):
            return None
        call = self._prepared.get(tuple((v.format, v.shape, v.c_contiguous) for v in views))
        return None if call is None else call.run(views)

    def _run_engine(self, feeds: Mapping[str, Any]) -> list[Any]:
        engine = self._engine
        assert engine is not None
        fed = [feeding.as_buffer(info, feeds[info.name]) for info in self.inputs]
        types = tuple(type_ for _, type_ in fed)
        call = self._prepared.get(types)
        if call is None:
            call = self._prepare(engine, types, [value for value, _ in fed])
        if call is not None:
            return call.run([value for value, _ in fed])
        plan = engine.plan(types)
        while True:
            known = len(engine.store.vocabulary.texts)
            strings = LocalStrings(engine.store.vocabulary)
            values = [
                strings.encode(value) if type_ and type_.dtype is string_type else value
                for value, type_ in fed
            ]
            results = engine.run(plan, values, types, strings)
            # What was planned on the way may have brought strings that this run had numbered
            # otherwise; the next one finds them known.
            if len(engine.store.vocabulary.texts) == known:
                return [to_result(value, type_, strings) for value, type_ in results]

    def _prepare(
        self, engine: Engine, types: tuple[TensorType | None, ...], values: Sequence[Any]
    ) -> OneCall | None:
        """Remember a plan that is one call of the core on plain numbers; None when it is not."""
        if any(type_ is None or type_.dtype is string_type for type_ in types):
            return None
        call = OneCall.of(engine.plan(types), engine.store.vocabulary)
        if call is None:
            return None
        if len(self._prepared) >= _PREPARED_KEPT:
            self._prepared.clear()
        self._prepared[types] = call
        if all(isinstance(value, memoryview) for value in values):
            self._prepared[tuple((v.format, v.shape, True) for v in values)] = call
        return call

    def _run_reference(self, feeds: Mapping[str, Any]) -> list[Any]:
        assert self._interpreter is not None
        return self._interpreter.run(
            [feeding.as_array(info, feeds[info.name]) for info in self.inputs]
        )

    # --- what is known of a plan ------------------------------------------------------

    def needs_numpy(self, types: Sequence[TensorType] | None = None) -> bool:
        """Whether a run on inputs of these types (default: unknown sizes 1) would use NumPy."""
        if self._engine is None or self._engine.plan(self._types(types)).needs_numpy:
            return True
        return bool(self._engine.store.folded_by_numpy)

    def explain(self, types: Sequence[TensorType] | None = None) -> str:
        """The plan for inputs of these types (default: every unknown size 1) in words."""
        if self._engine is None:
            return "backend reference: every node through NumPy, nothing planned"
        known = self._types(types)
        return explain(self.graph, known, self._engine.plan(known))

    def _types(self, types: Sequence[TensorType] | None) -> tuple[TensorType | None, ...]:
        if types is not None:
            return tuple(types)
        return tuple(feeding.smallest_type(info) for info in self.inputs)
