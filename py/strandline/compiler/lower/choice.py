"""Which kernel serves which convolution, and how much scratch memory it takes: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

ROWS = 12
"""The tallest tile of any instruction set; the others' heights divide it."""
WIDEST_DEPTHWISE = 64
WIDEST_POOL = 256
"""Columns that a sliding window may have."""

_SLACK = 16
_POINTS = 36
_BLOCK_FLOATS = 1 << 18
"""Winograd's transformed inputs at a time, so that they stay in the second cache."""
_GATHERED_WORDS = 1 << 17
"""Windows of 8-bit integers, two in a word, that are gathered at a time: the second cache holds them."""
_STREAM = 0.625
"""What fetching a weight from outside the second cache costs, in products of vectors: it goes by bytes."""
_TRANSFORM = 300, 220
"""What transforming a tile costs in products of vectors: per channel on the way in, per filter on the way out."""
_START = 8
"""What beginning and ending a sum costs, in products."""


def padded_rows(rows: int) -> int:
    """Rows of packed weights, for the tiles of any instruction set."""
    return -(-rows // ROWS) * ROWS


def packs_rows(rows: int, columns: int, inner: int, panel: int) -> tuple[bool, ...]:
    """Whether gemm_f32 packs blocks of A: it pays when each of their elements is read for several panels.
    The first is the policy's choice."""
    if rows <= ROWS or columns <= panel:
        return (False,)
    pays = rows >= 24 and columns >= 4 * panel and inner > 4
    return pays, not pays


@lru_cache(maxsize=1024)
def conv_shape(
    plane: tuple[int, ...], channels: int, filters: int, groups: int, panel: int
) -> ConvShape:
    """The shape, with what has been found out about it before."""
    return ConvShape(plane, channels, filters, groups, panel)


def plane_floats(plane: Sequence[int]) -> int:
    """Floats that plane.h needs for one channel."""
    _, _, kh, kw, sh, sw, dh, dw, _, _, oh, ow = plane
    if not oh or not ow:
        return 0
    rows = (oh - 1) * sh + (kh - 1) * dh + 1
    columns = (ow - 1) * sw + (kw - 1) * dw + 1
    return rows * (-(-columns // sw) + _SLACK) * sw


def gathered_pixels(k: int, plane: Sequence[int], panel: int) -> tuple[int, int]:
    """Pixels that conv2d_i8 gathers at a time, `k` bytes of each, and its scratch in words."""
    pairs = k // 2 + 1
    fits = -(-_GATHERED_WORDS // pairs)
    pixels = -(-max(1, min(fits, plane[10] * plane[11])) // panel) * panel
    lines = plane[10] and (pixels + plane[11] - 2) // max(plane[11], 1)
    met = plane_floats((*plane[:10], min(plane[10], lines + 1), plane[11]))
    return pixels, (pairs + 3) * pixels + 128 + 3 * met


@dataclass(eq=False)  # frozen, each would take several times as long to make
class ConvShape:
    """A convolution of one image: `plane` as plane.h has it, `panel` the columns of a tile (two vectors).

    `block`: rows of tiles that winograd_f32 takes at a time, 0 for as many as the policy says.
    """

    plane: tuple[int, ...]
    channels: int
    filters: int
    groups: int
    panel: int
    block: int = 0

    def kernels(self, *, constant: bool) -> tuple[str, ...]:
        """The kernels that can serve, first the one that takes least time by what is known of it; `constant`:
        the weights are, so that transforming them costs nothing."""
        kernel_width = self.plane[3]
        if self.groups == self.channels > 1 and kernel_width <= WIDEST_DEPTHWISE:
            return "depthwise2d_f32", "conv2d_f32"
        plain = self.groups == 1 and self.plane[2:8] == (3, 3, 1, 1, 1, 1)
        if not (plain and constant and self.pixels):
            return ("conv2d_f32",)
        if 1.15 * self._winograd_cost < self._direct_cost:
            return "winograd_f32", "conv2d_f32"
        return "conv2d_f32", "winograd_f32"

    def ways(self, *, constant: bool) -> Iterator[tuple[str, int]]:
        """The kernels in that order, winograd_f32 with each number that `block` may be; 0 beside others."""
        for op in self.kernels(constant=constant):
            if op == "winograd_f32":
                yield from ((op, block) for block in self.blocks)
            else:
                yield op, 0

    @property
    def pixels(self) -> int:
        return self.plane[10] * self.plane[11]

    @property
    def across(self) -> int:
        """Tiles of 4x4 outputs in a row of the image."""
        return -(-self.plane[11] // 4)

    @property
    def down(self) -> int:
        return -(-self.plane[10] // 4)

    @cached_property
    def block_rows(self) -> int:
        """Rows of tiles that winograd_f32 takes at a time: as many as fit, with full panels if possible."""
        if self.block:
            return self.block
        most = _BLOCK_FLOATS // (_POINTS * max(self.channels, 1) * max(self.across, 1))
        fits = range(1, max(1, min(most, self.down)) + 1)
        return min(fits, key=lambda rows: (self._columns(self.down, rows), -rows))

    @property
    def blocks(self) -> tuple[int, ...]:
        """What `block` may be, the policy's first: as it is, half of it, twice as many."""
        rows = self.block_rows
        return tuple(dict.fromkeys((rows, -(-rows // 2), min(2 * rows, max(self.down, 1)))))

    @property
    def winograd_floats(self) -> int:
        """Scratch of winograd_f32, for any instruction set with panels of this width."""
        columns = -(-self.block_rows * self.across // self.panel) * self.panel
        line = columns + self.panel // 2
        plane = (4 * self.block_rows + 2) * (self.across + 1 + _SLACK) * 4
        return plane + _POINTS * (line + self.channels * columns + 4 * ROWS * line)

    def _columns(self, down: int, rows: int) -> int:
        """Columns of products for all tiles, with what panels are filled up by."""
        blocks, rest = divmod(down, rows)
        return blocks * self._padded(rows * self.across) + self._padded(rest * self.across)

    def _padded(self, columns: int) -> int:
        half = self.panel // 2
        return -(-columns // half) * half

    @property
    def _stream(self) -> float:
        """What a weight costs to fetch, in products of two floats: the more, the more are made at once."""
        return _STREAM * self.panel / 2

    @property
    def _direct_cost(self) -> float:
        """In products of two floats."""
        weights = 9 * self.filters * self.channels
        return weights * (self._padded(self.pixels) + self._stream)

    @property
    def _winograd_cost(self) -> float:
        tiles = self._columns(self.down, self.block_rows)
        vectors = self.down * self._padded(self.across)
        weights = _POINTS * self.filters
        products = weights * (tiles * (self.channels + _START) + self._stream * self.channels)
        # Sorting an image's columns by their place within a tile goes one by one.
        into = _TRANSFORM[0] + 16 * self.panel // 2
        return products + vectors * (into * self.channels + _TRANSFORM[1] * self.filters)
