"""`OrtValue`: a tensor, or a sequence or map, with onnxruntime's methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import BY_CODE, BY_NAME, DType
from strandline.runtime.values import our_dtype


class OrtValue:
    """A value that can be bound to inputs and outputs. On the CPU it shares the array's memory."""

    def __init__(self, value: Any) -> None:
        self._value = value

    @staticmethod
    def ortvalue_from_numpy(
        numpy_obj: Any, device_type: str = "cpu", device_id: int = 0
    ) -> OrtValue:
        """An array's memory as a value; the only device is the CPU."""
        check_device(device_type)
        return OrtValue(np.asarray(numpy_obj))

    @staticmethod
    def ortvalue_from_shape_and_type(
        shape: Sequence[int], element_type: Any, device_type: str = "cpu", device_id: int = 0
    ) -> OrtValue:
        """Memory for a tensor of this shape and element type (a NumPy type or ONNX's number)."""
        check_device(device_type)
        return OrtValue(np.zeros(tuple(shape), element_dtype(element_type).numpy))

    def numpy(self) -> Any:
        """The tensor as a NumPy array, without a copy; RuntimeError for a sequence or map."""
        if not self.is_tensor():
            raise RuntimeError("Only OrtValues that are Tensors are convertible to Numpy objects")
        return self._value

    def has_value(self) -> bool:
        return self._value is not None

    def is_tensor(self) -> bool:
        return hasattr(self._value, "shape")

    def is_sparse_tensor(self) -> bool:
        return False

    def is_tensor_sequence(self) -> bool:
        return isinstance(self._value, list) and all(hasattr(v, "shape") for v in self._value)

    def shape(self) -> list[int]:
        return list(self.numpy().shape)

    def data_type(self) -> str:
        """As in `NodeArg.type`: `tensor(float)`."""
        return f"tensor({our_dtype(self.numpy().dtype).spelled})"

    def element_type(self) -> int:
        """ONNX's number of the element type."""
        return our_dtype(self.numpy().dtype).code

    def device_name(self) -> str:
        return "cpu"

    def data_ptr(self) -> int:
        """The address of the first element."""
        return int(self.numpy().ctypes.data)

    def tensor_size_in_bytes(self) -> int:
        return int(self.numpy().nbytes)

    def update_inplace(self, np_arr: Any) -> None:
        """Overwrite the elements; RuntimeError when shape or type differ."""
        held, given = self.numpy(), np.asarray(np_arr)
        if given.dtype != held.dtype or given.shape != held.shape:
            raise RuntimeError(
                f"the value holds {held.dtype}{list(held.shape)}, not {given.dtype}{list(given.shape)}"
            )
        held[...] = given


def check_device(device_type: str) -> None:
    """RuntimeError for a device that is not there."""
    if device_type.lower() != "cpu":
        raise RuntimeError(f"there is no device '{device_type}' here: use 'cpu'")


def element_dtype(element_type: Any) -> DType:
    """The element type for a NumPy type or ONNX's number."""
    if isinstance(element_type, int):
        return BY_CODE[element_type]
    return BY_NAME[np.dtype(element_type).name]
