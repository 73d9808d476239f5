"""onnxruntime's Python API over this engine, so that existing code runs in Pyodide unchanged::

    import strandline.onnxruntime as ort

    session = ort.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    label, probabilities = session.run(None, {"X": rows})

Training, custom operator libraries, sparse tensors and other devices are not there.
"""

from __future__ import annotations

from strandline import __version__
from strandline.onnxruntime.binding import IOBinding
from strandline.onnxruntime.options import (
    ExecutionMode,
    ExecutionOrder,
    GraphOptimizationLevel,
    RunOptions,
    SessionOptions,
)
from strandline.onnxruntime.session import PROVIDERS, InferenceSession, ModelMetadata, NodeArg
from strandline.onnxruntime.value import OrtValue

__all__ = [
    "ExecutionMode",
    "ExecutionOrder",
    "GraphOptimizationLevel",
    "IOBinding",
    "InferenceSession",
    "ModelMetadata",
    "NodeArg",
    "OrtValue",
    "RunOptions",
    "SessionIOBinding",
    "SessionOptions",
    "__version__",
    "disable_telemetry_events",
    "enable_telemetry_events",
    "get_all_providers",
    "get_available_providers",
    "get_device",
    "set_default_logger_severity",
    "set_default_logger_verbosity",
    "set_seed",
]

SessionIOBinding = IOBinding


def get_available_providers() -> list[str]:
    """The one that there is, under the name that code asks for."""
    return list(PROVIDERS)


get_all_providers = get_available_providers


def get_device() -> str:
    """`CPU`."""
    return "CPU"


def set_default_logger_severity(severity: int) -> None:
    """Changes nothing: what goes wrong is raised, not logged."""


def set_default_logger_verbosity(verbosity: int) -> None:
    """Changes nothing: what goes wrong is raised, not logged."""


def disable_telemetry_events() -> None:
    """Changes nothing: there is no telemetry."""


def enable_telemetry_events() -> None:
    """Changes nothing: there is no telemetry."""


def set_seed(seed: int) -> None:
    """Seed the operators that draw random numbers without a seed of their own."""
    from strandline.ops.random import set_seed as seed_generators

    seed_generators(seed)
