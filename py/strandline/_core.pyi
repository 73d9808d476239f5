from collections.abc import Callable, Sequence
from typing import Any

from typing_extensions import Buffer

OPCODES: dict[str, int]
BYTEWISE: dict[str, int]
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

class Arena:
    @property
    def nbytes(self) -> int: ...

class Program:
    def __init__(
        self,
        tensors: Buffer,
        code: Buffer,
        constants: Sequence[Buffer],
        arena_bytes: int,
        arena: Arena | None = None,
    ) -> None: ...
    def run(self, inputs: Sequence[Buffer], outputs: Sequence[Buffer], /) -> None: ...
    def profile(self, inputs: Sequence[Buffer], outputs: Sequence[Buffer], /) -> list[float]: ...

class Bound:
    def __init__(
        self, program: Program, inputs: Sequence[Buffer], outputs: Sequence[Buffer]
    ) -> None: ...
    def run(self) -> None: ...
    @property
    def address(self) -> int: ...
    @property
    def entry(self) -> int: ...
    @property
    def buffers(self) -> tuple[int, ...]: ...

class Fields:
    def __init__(
        self,
        data: Buffer,
        start: int,
        end: int,
        runs: int = 0,
        texts: int = 0,
        error: type[ValueError] = ...,
    ) -> None: ...
    def __iter__(self) -> Fields: ...
    def __next__(self) -> tuple[int, int, Any, int]: ...

def isa() -> str: ...
def isas() -> list[str]: ...
def set_isa(name: str, /) -> None: ...
def panel_width() -> int: ...
def aligned(buffer: Buffer, /) -> Any: ...
def assemble(
    calls: Sequence[tuple[str, tuple[str, ...], tuple[str, ...], tuple[int | float, ...], Any]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    types: dict[str, Any],
    roots: dict[str, str],
    views: dict[str, tuple[str, int]],
    values: dict[str, Any],
    buffer: Callable[[Any, bool], Buffer],
    inplace: frozenset[str],
    /,
) -> tuple[bytes, bytes, tuple[Buffer, ...], int]: ...
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
def fourier(
    vectors: Buffer, frequencies: Buffer, wave: Buffer, sums: Buffer, products: Buffer | None, /
) -> tuple[int, int]: ...
def bridge_sf(times: Buffer, x: float, /) -> float: ...
