"""Options by onnxruntime's names. What has a meaning here is said; the rest is taken and kept, so that existing
code runs unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class GraphOptimizationLevel(IntEnum):
    """Every level means the same here: plans are always optimised, and equal to unoptimised ones within rounding."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(IntEnum):
    """One thread computes node after node, whichever is chosen."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class ExecutionOrder(IntEnum):
    """The plan has its own order, whichever is chosen."""

    DEFAULT = 0
    PRIORITY_BASED = 1
    MEMORY_EFFICIENT = 2


@dataclass
class SessionOptions:
    """Options of an `InferenceSession`.

    `add_free_dimension_override_by_name` fixes a named size of the inputs: `get_inputs` shows it and feeds are checked
    against it. Threads, arenas, logging and profiling have no meaning in one thread of a browser.
    """

    enable_cpu_mem_arena: bool = True
    enable_mem_pattern: bool = True
    enable_mem_reuse: bool = True
    enable_profiling: bool = False
    execution_mode: ExecutionMode = ExecutionMode.ORT_SEQUENTIAL
    execution_order: ExecutionOrder = ExecutionOrder.DEFAULT
    graph_optimization_level: GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL
    inter_op_num_threads: int = 0
    intra_op_num_threads: int = 0
    log_severity_level: int = -1
    log_verbosity_level: int = 0
    logid: str = ""
    optimized_model_filepath: str = ""
    profile_file_prefix: str = "onnxruntime_profile_"
    use_deterministic_compute: bool = False
    use_per_session_threads: bool = True
    free_dimensions: dict[str, int] = field(default_factory=dict)
    _entries: dict[str, str] = field(default_factory=dict)

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        """Fix the inputs' size that the model calls `name`."""
        self.free_dimensions[name] = size

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Keep a setting; none has a meaning here."""
        self._entries[key] = value

    def get_session_config_entry(self, key: str) -> str:
        """What `add_session_config_entry` kept; RuntimeError when there is nothing."""
        if key not in self._entries:
            raise RuntimeError(f"SessionOptions does not have configuration with key: {key}")
        return self._entries[key]


@dataclass
class RunOptions:
    """Options of one run; none has a meaning here."""

    log_severity_level: int = -1
    log_verbosity_level: int = 0
    logid: str = ""
    only_execute_path_to_fetches: bool = False
    terminate: bool = False
    _entries: dict[str, str] = field(default_factory=dict)

    def add_run_config_entry(self, key: str, value: str) -> None:
        """Keep a setting; none has a meaning here."""
        self._entries[key] = value

    def get_run_config_entry(self, key: str) -> str:
        """What `add_run_config_entry` kept; RuntimeError when there is nothing."""
        if key not in self._entries:
            raise RuntimeError(f"RunOptions does not have configuration with key: {key}")
        return self._entries[key]
