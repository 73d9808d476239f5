"""`Session`: a model that runs."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from strandline.compiler.expand import expand
from strandline.compiler.store import LocalStrings, Store
from strandline.onnx import read
from strandline.onnx.graph import Graph, ValueInfo
from strandline.onnx.source import Source
from strandline.onnx.types import TensorType
from strandline.onnx.types import string as string_type
from strandline.runtime import feeds as feeding
from strandline.runtime.engine import Engine
from strandline.runtime.explain import explain
from strandline.runtime.onecall import OneCall
from strandline.runtime.prepared import NotPreparedError, Prepared
from strandline.runtime.reference import Interpreter
from strandline.runtime.values import to_result

if TYPE_CHECKING:
    from strandline.compiler.tuning import Tuning

Backend = Literal["core", "reference"]


class Session:
    """A model, ready to run.

    `model` is the bytes of an `.onnx` file, its path, or a `Source` of its bytes, where large weights
    then stay until they are wanted. The backend "core" compiles a plan per set
    of input shapes and runs it in the C core; "reference" computes node by node in NumPy, slowly
    and plainly.

    `autotune`: where several kernels can serve a shape, measure them once when it is planned, and
    remember the fastest in the user's cache (True), in the file at a path, or in a `Tuning`.

    Raises ModelError when the model is damaged, UnsupportedOperator when it uses what this version
    does not know.
    """

    def __init__(
        self,
        model: bytes | str | Path | Source,
        *,
        backend: Backend = "core",
        autotune: Tuning | str | Path | bool = False,
    ) -> None:
        if backend not in get_args(Backend):
            raise ValueError(f"no backend '{backend}': use 'core' or 'reference'")
        if isinstance(model, str | Path):
            path = Path(model)
            graph = read(path.read_bytes(), base_dir=path.parent)
        else:
            graph = read(model)
        self.graph: Graph = expand(graph)
        self._input_names = tuple(info.name for info in self.graph.inputs)
        self._output_names = tuple(info.name for info in self.graph.outputs)
        self._texts = tuple(
            info.kind == "tensor" and info.dtype is string_type for info in self.graph.inputs
        )
        self._prepared: dict[tuple[Any, ...], OneCall] = {}
        """By what the feeds look like: format, shape and contiguity of each, or their types."""
        self._interpreter: Interpreter | None = None
        self._engine: Engine | None = None
        if backend == "reference":
            self._interpreter = Interpreter(self.graph)
        else:
            self._engine = Engine(self.graph, Store(_tuning(autotune)))
            self._plan_ahead(self._engine)

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
        key: list[Any] = []
        values: list[Any] = []
        try:
            for name, is_text in zip(self._input_names, self._texts, strict=True):
                value = feeds[name]
                if is_text:
                    key.append(value.shape)
                    values.append(self._known_codes(value.reshape(-1).tolist()))
                else:
                    view = memoryview(value)
                    key.append((view.format, view.shape, view.c_contiguous))
                    values.append(view)
            call = self._prepared.get(tuple(key))
        except (AttributeError, KeyError, TypeError, ValueError, BufferError):
            return None
        return None if call is None else call.run(values)

    def _run_engine(self, feeds: Mapping[str, Any]) -> list[Any]:
        engine = self._engine
        assert engine is not None
        fed = [feeding.as_buffer(info, feeds[info.name]) for info in self.inputs]
        types = tuple(type_ for _, type_ in fed)
        call = self._prepared.get(types) or self._prepare(engine, types)
        if call is not None:
            self._remember(call, types, feeds)
            try:
                return call.run(
                    [
                        self._known_codes(v) if text else v
                        for (v, _), text in zip(fed, self._texts, strict=True)
                    ]
                )
            except KeyError:
                pass  # a string that the session has not met: it needs a number for this run
        plan = engine.plan(types)
        while True:
            known = len(engine.store.vocabulary.texts)
            strings = LocalStrings(engine.store.vocabulary)
            results = engine.run(plan, self._encoded(fed, strings), types, strings)
            # What was planned on the way may have brought strings that this run had numbered
            # otherwise; the next one finds them known.
            if len(engine.store.vocabulary.texts) == known:
                return [to_result(value, type_, strings) for value, type_ in results]

    def _encoded(self, fed: Sequence[tuple[Any, Any]], strings: LocalStrings) -> list[Any]:
        """The feeds' buffers, texts as codes."""
        return [
            strings.encode(value) if text else value
            for (value, _), text in zip(fed, self._texts, strict=True)
        ]

    def _known_codes(self, texts: Sequence[str]) -> array[int]:
        """The codes of strings; KeyError for one that is new to the session."""
        assert self._engine is not None
        return array("i", map(self._engine.store.vocabulary.codes.__getitem__, texts))

    def _plan_ahead(self, engine: Engine) -> None:
        """Plan for one row, where that is all that the declaration leaves open, so that the first
        run finds its plan made."""
        if all(info.shape is not None and _fixed(info.shape[1:]) for info in self.inputs):
            try:
                types = self._types(None)
                self._prepare(engine, types)
            except ValueError:
                pass  # a run on real shapes will say what is wrong, if anything is

    def _prepare(self, engine: Engine, types: tuple[TensorType | None, ...]) -> OneCall | None:
        """Remember a plan that is one call of the core; None when it is more."""
        dropped = engine.plans.dropped
        call = OneCall.of(engine.plan(types), engine.store.vocabulary)
        if engine.plans.dropped > dropped:
            self._prepared.clear()  # which would keep the dropped plans' memory
        if call is not None:
            self._prepared[types] = call
        return call

    def _remember(
        self, call: OneCall, types: tuple[TensorType | None, ...], feeds: Mapping[str, Any]
    ) -> None:
        """Let feeds that look like these find the call at once."""
        key: list[Any] = []
        for name, type_, is_text in zip(self._input_names, types, self._texts, strict=True):
            if type_ is None:
                return
            if is_text:
                key.append(type_.shape)
                continue
            try:
                view = memoryview(feeds[name])
            except TypeError:
                return
            key.append((view.format, type_.shape, True))
        self._prepared[tuple(key)] = call

    def _run_reference(self, feeds: Mapping[str, Any]) -> list[Any]:
        assert self._interpreter is not None
        return self._interpreter.run(
            [feeding.as_array(info, feeds[info.name]) for info in self.inputs]
        )

    def prepare(self, types: Sequence[TensorType] | None = None) -> Prepared:
        """The model for inputs of these types (default: every unknown size 1) as a call with memory
        of its own, for many runs on one shape, or from JavaScript.

        Raises FeedError when the types are not the model's, NotPreparedError when the plan is more than
        one call of the core.
        """
        known = self._types(types)
        for info, type_ in zip(self.inputs, known, strict=True):
            feeding.check_type(info, type_)
        whole = [type_ for type_ in known if type_ is not None]
        call = None
        if self._engine is not None and len(whole) == len(known):
            call = OneCall.of(self._engine.plan(known), self._engine.store.vocabulary)
        if self._engine is None or call is None:
            raise NotPreparedError(
                "this model can't be prepared for these inputs: its plan is more than one call of "
                "the core (Session.explain() says why); use Session.run"
            )
        vocabulary = self._engine.store.vocabulary
        return Prepared(call, self.inputs, self.outputs, whole, vocabulary)

    # --- what is known of a plan ------------------------------------------------------

    def needs_numpy(self, types: Sequence[TensorType] | None = None) -> bool:
        """Whether a run on inputs of these types (default: unknown sizes 1) would use NumPy."""
        if self._engine is None or self._engine.plan(self._types(types)).needs_numpy:
            return True
        return bool(self._engine.store.folded_by_numpy)

    @property
    def packings(self) -> frozenset[str]:
        """The kernels that packed constants in a layout of the instruction set in force."""
        return frozenset(() if self._engine is None else self._engine.store.packings)

    @property
    def needed_numpy(self) -> bool:
        """Whether any run so far used NumPy, on whatever shapes it was."""
        if self._engine is None:
            return True
        return self._engine.plans.needed_numpy or bool(self._engine.store.folded_by_numpy)

    def explain(self, types: Sequence[TensorType | None] | None = None) -> str:
        """The plan for inputs of these types (default: every unknown size 1) in words."""
        if self._engine is None:
            return "backend reference: every node through NumPy, nothing planned"
        known = self._types(types)
        return explain(self.graph, known, self._engine.plan(known))

    def profile(self, feeds: Mapping[str, Any], runs: int = 10) -> list[tuple[str, float]]:
        """Where the time of a run goes: kernels (operators that NumPy runs) in the order in which they run, and the
        seconds of each, the median over `runs`. Raises FeedError as `run`.
        """
        self.run(feeds)
        engine = self._engine
        if engine is None:
            raise ValueError("backend reference has no kernels to time")
        fed = [feeding.as_buffer(info, feeds[info.name]) for info in self.inputs]
        types = tuple(type_ for _, type_ in fed)
        plan, strings = engine.plan(types), LocalStrings(engine.store.vocabulary)
        values = self._encoded(fed, strings)
        times = [engine.profile(plan, values, types, strings) for _ in range(runs)]
        return [
            (each[0][0], sorted(seconds for _, seconds in each)[runs // 2])
            for each in zip(*times, strict=True)
        ]

    def _types(self, types: Sequence[TensorType | None] | None) -> tuple[TensorType | None, ...]:
        if types is not None:
            return tuple(types)
        return tuple(feeding.smallest_type(info) for info in self.inputs)


def _tuning(autotune: Tuning | str | Path | bool) -> Tuning | None:
    if autotune is False:
        return None
    from strandline.compiler.tuning import Tuning, default_path

    if isinstance(autotune, Tuning):
        return autotune
    return Tuning(path=default_path() if autotune is True else autotune)


def _fixed(shape: Sequence[int | str | None]) -> bool:
    return all(isinstance(size, int) for size in shape)
