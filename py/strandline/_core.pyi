from collections.abc import Sequence
from typing import Any

from typing_extensions import Buffer

OPCODES: dict[str, int]
ACTIVATIONS: dict[str, int]

class Tensor:
    def __init__(self, format: str, shape: Sequence[int]) -> None: ...  # noqa: A002
    def __buffer__(self, flags: int, /) -> memoryview: ...
    @property
    def format(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def nbytes(self) -> int: ...
    def tolist(self) -> Any: ...

class Program:
    def __init__(
        self, tensors: Buffer, code: Buffer, constants: Sequence[Buffer], arena_bytes: int
    ) -> None: ...
    def run(self, inputs: Sequence[Buffer], outputs: Sequence[Buffer], /) -> None: ...

def isa() -> str: ...
def isas() -> list[str]: ...
def set_isa(name: str, /) -> None: ...
def panel_width() -> int: ...
def read_varints(buffer: Buffer, /) -> Tensor: ...
def flatten_forest(
    wide: bool,
    n_targets: int,
    tree: Buffer | None,
    id: Buffer | None,  # noqa: A002
    mode: Buffer,
    feature: Buffer,
    value: Buffer,
    yes: Buffer,
    no: Buffer,
    missing: Buffer,
    members: Buffer | None,
    roots: Buffer | None,
    weight_tree: Buffer | None,
    weight_id: Buffer,
    target: Buffer,
    weight: Buffer,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, int, int, bool, bool]: ...
def tally(
    values: Buffer, cuts: Buffer, counts: Buffer, /
) -> tuple[int, int, int, float, float, bytes, bytes]: ...
def sorted_finite(values: Buffer, /) -> bytes: ...
