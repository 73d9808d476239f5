"""`IOBinding`: inputs and outputs in memory that the caller keeps from run to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from strandline._lazy import np
from strandline.onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from strandline.onnxruntime.value import OrtValue, check_device, element_dtype

if TYPE_CHECKING:
    from strandline.onnxruntime.session import InferenceSession


class IOBinding:
    """What a session's next `run_with_iobinding` reads and writes.

    An output that is bound to memory is written there, and the same memory is given back; one that is bound by name
    alone gets new memory at each run.
    """

    def __init__(self, session: InferenceSession) -> None:
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, OrtValue | None] = {}
        self._results: list[OrtValue] = []
        self._known = (
            {info.name for info in session.get_inputs()},
            {info.name for info in session.get_outputs()},
        )

    def bind_cpu_input(self, name: str, arr_on_cpu: Any) -> None:
        """Feed an array; later changes of its elements are seen by later runs."""
        self._inputs[self._input(name)] = np.asarray(arr_on_cpu)

    def bind_input(
        self,
        name: str,
        device_type: str,
        device_id: int,
        element_type: Any,
        shape: Sequence[int],
        buffer_ptr: int,
    ) -> None:
        """Feed the memory at an address."""
        check_device(device_type)
        self._inputs[self._input(name)] = _at(buffer_ptr, element_type, shape)

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        """Feed a value."""
        self._inputs[self._input(name)] = ortvalue._value

    def bind_output(
        self,
        name: str,
        device_type: str = "cpu",
        device_id: int = 0,
        element_type: Any = None,
        shape: Sequence[int] | None = None,
        buffer_ptr: int | None = None,
    ) -> None:
        """Ask for an output: in new memory, or in the memory at an address."""
        check_device(device_type)
        held = None
        if buffer_ptr is not None:
            if shape is None or element_type is None:
                raise ValueError(
                    f"output '{name}' is bound to an address: give its shape and element_type"
                )
            held = OrtValue(_at(buffer_ptr, element_type, shape))
        self._outputs[self._output(name)] = held

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        """Ask for an output in the memory of a value."""
        self._outputs[self._output(name)] = ortvalue

    def clear_binding_inputs(self) -> None:
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        self._outputs.clear()

    def synchronize_inputs(self) -> None:
        """Nothing to wait for on the CPU."""

    def synchronize_outputs(self) -> None:
        """Nothing to wait for on the CPU."""

    def get_outputs(self) -> list[OrtValue]:
        """The last run's outputs, in the order in which they were bound."""
        return list(self._results)

    def copy_outputs_to_cpu(self) -> list[Any]:
        """The last run's outputs as arrays of their own."""
        return [np.array(v.numpy()) if v.is_tensor() else v._value for v in self._results]

    def run(self, session: InferenceSession) -> None:
        """One run of a session on what is bound."""
        results = session.run(list(self._outputs), self._inputs)
        self._results = [
            _written(name, held, result)
            for (name, held), result in zip(self._outputs.items(), results, strict=True)
        ]

    def _input(self, name: str) -> str:
        return _known(name, self._known[0], "input")

    def _output(self, name: str) -> str:
        return _known(name, self._known[1], "output")


def _known(name: str, names: set[str], what: str) -> str:
    if name not in names:
        raise InvalidArgument(
            f"the model has no {what} '{name}'; it has {', '.join(sorted(names))}"
        )
    return name


def _written(name: str, held: OrtValue | None, result: Any) -> OrtValue:
    if held is None:
        return OrtValue(result)
    memory = held.numpy()
    if memory.shape != result.shape or memory.dtype != result.dtype:
        raise InvalidArgument(
            f"output '{name}' is {result.dtype}{list(result.shape)}, "
            f"but the memory bound to it is {memory.dtype}{list(memory.shape)}"
        )
    memory[...] = result
    return held


def _at(address: int, element_type: Any, shape: Sequence[int]) -> Any:
    """The memory at an address as an array."""
    import ctypes

    dtype = element_dtype(element_type).numpy
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    held: Any = (ctypes.c_char * nbytes).from_address(address)
    return np.frombuffer(held, dtype).reshape(tuple(shape))
