"""Sliding windows: the arithmetic of kernel sizes, strides, pads and dilations that convolution and
pooling share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from strandline._lazy import np
from strandline.ops.registry import Array, Attrs
from strandline.ops.rules import ints


@dataclass(frozen=True, slots=True)
class Window:
    """Per spatial axis: kernel, stride, dilation, pads at the begin and at the end, output size."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    output: tuple[int, ...]


def window(
    spatial: Sequence[int], kernel: Sequence[int], attrs: Attrs, *, ceil_mode: int = 0
) -> Window:
    """The window that `strides`, `dilations`, `pads` and `auto_pad` in `attrs` describe over
    `spatial`.

    Raises ValueError when the kernel does not fit the padded input.
    """
    rank = len(spatial)
    if len(kernel) != rank:
        raise ValueError(f"a kernel of {len(kernel)} axes over {rank} spatial axes")
    return _window(
        tuple(spatial),
        tuple(kernel),
        ints(attrs.get("strides")) or (1,) * rank,
        ints(attrs.get("dilations")) or (1,) * rank,
        ints(attrs.get("pads")) or (0,) * (2 * rank),
        attrs.get("auto_pad", "NOTSET"),
        ceil_mode,
    )


@lru_cache(maxsize=1024)
def _window(
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    pads: tuple[int, ...],
    mode: str,
    ceil_mode: int,
) -> Window:
    rank = len(spatial)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    begins, ends = list(pads[:rank]), list(pads[rank:])
    if mode == "VALID":
        begins, ends = [0] * rank, [0] * rank
    elif mode.startswith("SAME"):
        for i, (size, step) in enumerate(zip(spatial, strides, strict=True)):
            total = max((-(-size // step) - 1) * step + reach[i] - size, 0)
            small, large = total // 2, total - total // 2
            begins[i], ends[i] = (small, large) if mode == "SAME_UPPER" else (large, small)
    output = []
    for i, (size, step) in enumerate(zip(spatial, strides, strict=True)):
        room = size + begins[i] + ends[i] - reach[i]
        if room < 0 and size:
            raise ValueError(
                f"a kernel that reaches over {reach[i]} on a padded axis of {room + reach[i]}"
            )
        count = (-(-room // step) if ceil_mode else room // step) + 1
        if ceil_mode and (count - 1) * step >= size + begins[i]:
            count -= 1  # the last window would start in the end padding
        output.append(max(count, 0))
    return Window(kernel, strides, dilations, tuple(begins), tuple(ends), tuple(output))


def views(x: Array, w: Window, fill: Any) -> Array:
    """All windows of `x` [N, C, *spatial] as a view [N, C, *output, *kernel] of its padded copy."""
    rank = len(w.kernel)
    widths = [(0, 0)] * (x.ndim - rank)
    for i in range(rank):
        last = (w.output[i] - 1) * w.strides[i] + (w.kernel[i] - 1) * w.dilations[i] + 1
        size = x.shape[x.ndim - rank + i]
        widths.append((w.begins[i], max(last - size - w.begins[i], 0)))
    padded = np.pad(x, widths, constant_values=fill)
    outer, inner = padded.strides[: x.ndim - rank], padded.strides[x.ndim - rank :]
    return np.lib.stride_tricks.as_strided(
        padded,
        padded.shape[: x.ndim - rank] + w.output + w.kernel,
        outer
        + tuple(s * step for s, step in zip(inner, w.strides, strict=True))
        + tuple(s * step for s, step in zip(inner, w.dilations, strict=True)),
        writeable=False,
    )
