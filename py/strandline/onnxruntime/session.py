"""`InferenceSession` as onnxruntime has it, over `strandline.Session`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from strandline.onnx.graph import ValueInfo
from strandline.onnxruntime.binding import IOBinding
from strandline.onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument, translated
from strandline.onnxruntime.options import RunOptions, SessionOptions
from strandline.onnxruntime.value import OrtValue
from strandline.runtime.feeds import check_shape
from strandline.runtime.session import Session

PROVIDERS = ["CPUExecutionProvider"]

UNVERSIONED = 2**63 - 1
"""onnxruntime's version of a model that has none"""


@dataclass(frozen=True)
class NodeArg:
    """An input or output: its name, ONNX type (`tensor(float)`) and shape (sizes, names, None)."""

    name: str
    type: str
    shape: list[int | str | None]


@dataclass(frozen=True)
class ModelMetadata:
    """What a model says of itself."""

    custom_metadata_map: dict[str, str]
    description: str
    domain: str
    graph_description: str
    graph_name: str
    producer_name: str
    version: int


class InferenceSession:
    """A model, ready to run, with onnxruntime's methods.

    Parameters
    ----------
    path_or_bytes
        The path of an `.onnx` file, or its bytes.
    sess_options
        See `SessionOptions` for what has a meaning.
    providers, provider_options
        Taken and left aside: models run in the C core, on one thread.

    Raises
    ------
    NoSuchFile, InvalidProtobuf, NotImplemented
        Of `capi.onnxruntime_pybind11_state`: no file, no model, an operator that there is not.
    """

    def __init__(
        self,
        path_or_bytes: str | bytes | os.PathLike[str],
        sess_options: SessionOptions | None = None,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        self._options = sess_options or SessionOptions()
        given = path_or_bytes if isinstance(path_or_bytes, bytes) else os.fspath(path_or_bytes)
        with translated():
            self._session = Session(given)
        fixed = self._options.free_dimensions
        self._inputs = [_fixed(info, fixed) for info in self._session.inputs]
        self._checked = [info for info in self._inputs if info.kind == "tensor"] if fixed else []

    def get_inputs(self) -> list[NodeArg]:
        """The model's inputs."""
        return [_node_arg(info) for info in self._inputs]

    def get_outputs(self) -> list[NodeArg]:
        """The model's outputs as it declares them: no sizes are inferred for one without a shape."""
        return [_node_arg(info) for info in self._session.outputs]

    def get_overridable_initializers(self) -> list[NodeArg]:
        """None: an initializer can't be fed."""
        return []

    def get_modelmeta(self) -> ModelMetadata:
        """What the model says of itself."""
        graph = self._session.graph
        about = {key: str(value) for key, value in graph.about.items()}
        return ModelMetadata(
            custom_metadata_map=dict(graph.metadata),
            description=about.get("doc_string", ""),
            domain=about.get("domain", ""),
            graph_description=about.get("graph_doc_string", ""),
            graph_name=graph.name,
            producer_name=about.get("producer_name", ""),
            version=int(graph.about.get("model_version", UNVERSIONED)),
        )

    def get_providers(self) -> list[str]:
        """`CPUExecutionProvider`, whatever was asked for."""
        return list(PROVIDERS)

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        """None are set."""
        return {name: {} for name in PROVIDERS}

    def set_providers(
        self,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Changes nothing: there is one way to compute."""

    def get_session_options(self) -> SessionOptions:
        """The options that the session was made with."""
        return self._options

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: RunOptions | None = None,
    ) -> list[Any]:
        """Predict: the outputs of these names (None or empty: all), in their order.

        Tensors are NumPy arrays where NumPy is loaded, else `strandline.core.Tensor`; strings object
        arrays, else nested lists; sequences lists; maps dicts. Raises ValueError for an input that
        is not fed, InvalidArgument for one that does not fit.
        """
        missing = [info.name for info in self._inputs if info.name not in input_feed]
        if missing:
            raise ValueError(
                f"Required inputs ({missing}) are missing from input feed ({list(input_feed)})."
            )
        feeds = {name: _plain(value) for name, value in input_feed.items()}
        with translated():
            for info in self._checked:
                shape = getattr(feeds[info.name], "shape", None)
                if shape is not None:
                    check_shape(info, shape)
            return list(self._session.run(feeds, output_names or None).values())

    def run_async(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        callback: Callable[[list[Any], Any, str], None],
        user_data: Any,
        run_options: RunOptions | None = None,
    ) -> None:
        """`run`, then `callback(outputs, user_data, error)`; there is no other thread to wait for."""
        try:
            results, error = self.run(output_names, input_feed, run_options), ""
        except (InvalidArgument, ValueError) as raised:
            results, error = [], str(raised)
        callback(results, user_data, error)

    def run_with_ort_values(
        self,
        output_names: Sequence[str] | None,
        input_dict_ort_values: Mapping[str, OrtValue],
        run_options: RunOptions | None = None,
    ) -> list[OrtValue]:
        """`run` on values, giving values."""
        return [OrtValue(value) for value in self.run(output_names, input_dict_ort_values)]

    def io_binding(self) -> IOBinding:
        """Memory for inputs and outputs that is kept from run to run."""
        return IOBinding(self)

    def run_with_iobinding(
        self, iobinding: IOBinding, run_options: RunOptions | None = None
    ) -> None:
        """`run` on what is bound."""
        iobinding.run(self)

    def end_profiling(self) -> str:
        """No profile is written: the empty name."""
        return ""


def _plain(value: Any) -> Any:
    return value._value if isinstance(value, OrtValue) else value


def _node_arg(info: ValueInfo) -> NodeArg:
    return NodeArg(info.name, info.spelled, list(info.shape or ()))


def _fixed(info: ValueInfo, sizes: Mapping[str, int]) -> ValueInfo:
    """The input with named sizes fixed."""
    if info.shape is None or not sizes:
        return info
    shape = tuple(sizes.get(d, d) if isinstance(d, str) else d for d in info.shape)
    return replace(info, shape=shape)
