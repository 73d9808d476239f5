"""Weights of a few bits with a scale for each block of them."""

from __future__ import annotations

import struct
from typing import Any

from strandline.compiler.expand.registry import expands
from strandline.compiler.expand.writer import Writer
from strandline.onnx.graph import Constant
from strandline.onnx.types import float32, uint8


def unpacked(packed: Constant, bits: int) -> bytes:
    """One byte per element from several in a byte, the lowest bits first."""
    if bits == 8:
        return bytes(packed.data)
    per_byte, data = 8 // bits, bytes(packed.data)
    result = bytearray(len(data) * per_byte)
    for place in range(per_byte):
        table = bytes(byte >> place * bits & (1 << bits) - 1 for byte in range(256))
        result[place::per_byte] = data.translate(table)
    return bytes(result)


def lines(data: bytes, stored: int, wanted: int) -> bytes:
    """Of every `stored` elements the first `wanted`."""
    if stored == wanted:
        return data
    return b"".join(data[i : i + wanted] for i in range(0, len(data), stored))


@expands("MatMulNBits")
def _matmul_nbits(
    w: Writer,
    a: str,
    b: str,
    scales: str,
    zero_points: str = "",
    group: str = "",
    bias: str = "",
    *,
    K: int,
    N: int,
    accuracy_level: int = 0,
    bits: int = 4,
    block_size: int,
    weight_prepacked: int = 0,
) -> Any:
    """A·Bᵀ, B [N, K] dequantized once. `accuracy_level` only says what may be left inexact."""
    if bits not in (2, 4, 8) or group or weight_prepacked:
        raise w.refuse("only weights of 2, 4 or 8 bits, neither reordered nor packed for a device")
    count = -(-K // block_size)
    held = w.weights(b, "the weights")
    steps = w.constant(uint8, (N * count, block_size), unpacked(held, bits))
    scale, zero = w.reshape(scales, -1), zero_points
    if not zero_points:
        zero = w.constant(uint8, (N * count,), bytes([1 << bits - 1]) * (N * count))
    elif w.dtype(zero_points) is uint8:
        origin = unpacked(w.weights(zero_points, "the zero points"), bits)
        zero = w.constant(uint8, (N * count,), lines(origin, len(origin) // N, count))
    if w.dtype(zero) is uint8:
        real = w.real(steps, scale, zero, axis=0)
    else:
        offset = w("Sub", w.cast(steps, w.dtype(scales)), w.reshape(zero, -1, 1))
        real = w("Mul", offset, w.reshape(scales, -1, 1))
    rows = w.slice(w.reshape(real, N, count * block_size), 0, K, 1)
    y = w("MatMul", a, w.transpose(rows, 1, 0))
    return w("Add", y, bias) if bias else y


_FP4 = (0.0, 1 / 192, 2 / 3, 1.0, 1 / 3, 1 / 2, 1 / 6, 1 / 4)
_BNB4 = (
    (*_FP4, *(-value for value in _FP4)),
    (
        -1.0, -0.69619280, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0,
        0.07958030, 0.16093020, 0.24611230, 0.33791524, 0.44070983, 0.56261700, 0.72295684, 1.0,
    ),
)  # fmt: skip
"""What the 16 codes mean, by `quant_type`: FP4, and NF4 of QLoRA (Dettmers et al. 2023, appendix E)."""


@expands("MatMulBnb4")
def _matmul_bnb4(
    w: Writer,
    a: str,
    b: str,
    absmax: str,
    *,
    K: int,
    N: int,
    block_size: int,
    quant_type: int,
    training_mode: int = 0,
    transB: int = 1,
) -> str:
    """A·Bᵀ, B [N, K] in blocks of codes, the first of a byte in its high bits, each block times its
    largest value; dequantized once."""
    if quant_type not in (0, 1) or not transB:
        raise w.refuse("only FP4 and NF4, of a transposed B")
    values = _BNB4[quant_type]
    pairs = [struct.pack("<2f", values[byte >> 4], values[byte & 15]) for byte in range(256)]
    count = -(-N * K // block_size)
    codes = bytes(w.weights(b, "the weights").data).ljust(-(-count * block_size // 2), b"\0")
    numbers = b"".join(map(pairs.__getitem__, codes))[: 4 * count * block_size]
    units = w.constant(float32, (count, block_size), numbers)
    real = w("Mul", units, w.reshape(w.cast(absmax, float32), -1, 1))
    rows = w.slice(w.reshape(real, -1), 0, N * K, 0)
    y: str = w("MatMul", a, w.transpose(w.cast(w.reshape(rows, N, K), w.dtype(a)), 1, 0))
    return y


@expands("GatherBlockQuantized")
def _gather(
    w: Writer,
    data: str,
    indices: str,
    scales: str,
    zero_points: str = "",
    *,
    bits: int = 4,
    block_size: int = 128,
    gather_axis: int = 0,
    quantize_axis: int = 1,
) -> Any:
    """Blocks that lie along the last axis are gathered with their scales and only then dequantized; other
    tables are dequantized once."""
    steps, zero = data, zero_points
    if w.dtype(data) is uint8:
        held, scale = w.weights(data, "the data"), w.weights(scales, "the scales")
        shape = (*held.shape[:-1], held.shape[-1] * 8 // bits)
        steps = w.constant(uint8, shape, unpacked(held, bits))
        if zero_points:
            packed = w.weights(zero_points, "the zero points")
            origin = unpacked(packed, bits)
            width = packed.shape[-1] * 8 // bits
            zero = w.constant(uint8, scale.shape, lines(origin, width, scale.shape[-1]))
        else:
            zero = w.constant(uint8, scale.shape, bytes([1 << bits - 1]) * scale.type.size)
    rank = w.rank(steps)
    if rank is not None and quantize_axis % rank == rank - 1 != gather_axis % rank:
        rows = [
            w("Gather", x, indices, axis=gather_axis) if x else "" for x in (steps, scales, zero)
        ]
        return w.real(*rows, axis=-1, block_size=block_size)
    real = w.real(steps, scales, zero, axis=quantize_axis, block_size=block_size)
    return w("Gather", real, indices, axis=gather_axis)
