"""One valid call per kernel: what the tests of the program's checks bend out of shape."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from strandline import core
from strandline.compiler.lower.choice import gathered_pixels, plane_floats

F, D, I, Q, BOOL = map(ord, "fdiq?")  # noqa: E741


@dataclass(frozen=True)
class Specimen:
    """Operands are arrays (None: absent); floats among the params stay floats."""

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    params: tuple[int | float, ...]

    @property
    def words(self) -> list[int]:
        """The params as the core sees them."""
        return [
            struct.unpack("<q", struct.pack("<d", p))[0] if isinstance(p, float) else int(p)
            for p in self.params
        ]


def _f(*shape: int) -> Any:
    return np.linspace(0.1, 0.9, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def _i(*values: int) -> Any:
    return np.array(values, np.int64)


def _empty(dtype: str, *shape: int) -> Any:
    return np.zeros(shape, dtype)


def _unary(op: str) -> Specimen:
    if op in ("not", "bit_not"):
        return Specimen((_i(0, 1, 2),), (_empty("q", 3),), (Q, 3, 0, 0))
    out = "?" if op in ("isnan", "isinf") else "f"
    return Specimen((_f(5),), (_empty(out, 5),), (F, 5, 0.2, 0.8))


def _binary(op: str) -> Specimen:
    shape = (2, 2, 3, 3, 1, 0, 1)  # [2, 3], the second operand repeated by rows
    if op in ("and", "or", "xor", "shift_left", "shift_right"):
        return Specimen((_i(1, 2, 3, 4, 5, 6), _i(1, 2, 3)), (_empty("q", 6),), (Q, *shape))
    out = "?" if op in ("equal", "less", "less_equal") else "f"
    return Specimen((_f(6), _f(3)), (_empty(out, 6),), (F, *shape))


def _reduce(op: str) -> Specimen:
    return Specimen((_f(2, 3, 4),), (_empty("f", 2, 4),), (F, 2, 1, 2, 4, 12, 1, 3, 4))


def _line(*extra: int, out: str = "f") -> Specimen:
    return Specimen((_f(2, 3, 4),), (_empty(out, 2, 3, 4),), (F, 2, 3, 4, *extra))


def _window(spatial: tuple[int, int], out: tuple[int, int]) -> tuple[int, ...]:
    return (*spatial, 3, 3, 2, 2, 1, 1, 1, 1, *out)


def _gemm() -> Specimen:
    panel = core.panel_width()
    size = (3, 5, 4)
    packed = _f(-(-5 // panel) * panel * 4)
    activation = (core.ACTIVATIONS["relu"], 0.0, 0.0)
    return Specimen(
        (_f(2, 3, 4), packed, _f(5), None),
        (_empty("f", 2, 3, 5), _empty("f", 192 * 192)),
        (*size, 4, 0, 1, *activation, 1, 2, 12, 0),
    )


def _attention() -> Specimen:
    """Two heads side by side in Q, K, V and Y: 3 queries, 5 keys, 4 features in, 2 out."""
    wide = -(-5 // core.panel_width()) * core.panel_width()
    scratch = _empty("f", wide * 4 + 5 * core.panel_width() + 24 * wide)
    params = (3, 5, 4, 2, 8, 8, 1, 4, 4, 5, 1, 0.5, -1, 0, 1, 2, 4, 4, 2, 0, 2)
    return Specimen((_f(3, 8), _f(5, 8), _f(5, 4), _f(3, 5)), (_empty("f", 3, 4), scratch), params)


def _chain() -> Specimen:
    """max(x * row, x) over [2, 3], x * row kept in the first slot on the way."""
    mul, top = (core.OPCODES[name] - core.OPCODES["add"] for name in ("mul", "max"))
    relu = core.OPCODES["relu"] - core.OPCODES["neg"]
    steps = (
        (0, 0, 0, -1, 0.0, 0.0),
        (2, mul, 1, 0, 0.0, 0.0),
        (1, relu, -1, -1, 0.0, 0.0),
        (3, top, 2, -1, 0.0, 0.0),
    )
    walk = (2, 2, 3, len(steps), 3, 1, 0, 1)
    return Specimen((_f(6), _f(3)), (_empty("f", 6),), (*walk, *sum(steps, ())))


def _recurrent(gates: int, functions: int) -> Specimen:
    """Two directions over 3 steps of 2 sequences, 5 hidden."""
    steps, n, hidden, both = 3, 2, 5, 2
    panel = -(-hidden // core.panel_width()) * core.panel_width()
    width = both * gates * hidden
    inputs = (
        _f(steps, n, width),
        _f(both, gates, panel, hidden),
        _f(both, 2 * gates * hidden),
        np.array([3, 1], np.int32),
        _f(both, n, hidden),
        _f(both, n, hidden),
        _f(both, 3 * hidden),
    )
    state = (_empty("f", both, n, hidden), _empty("f", both, n, hidden))
    outputs = (_empty("f", steps, both, n, hidden), *state, _empty("f", n * hidden * (gates + 3)))
    strides = (n * width, width, both * n * hidden, hidden, n * hidden, hidden, n * hidden)
    sigmoid = (core.ACTIVATIONS["sigmoid"], 0.0, 0.0)
    params = (steps, n, hidden, both, 0, *strides, 0, 3.0, *sigmoid * functions * both)
    return Specimen(inputs, outputs, params)


def _int8(conv: bool) -> Specimen:
    """u8 by i8 to u8: [3, 7] by [7, 5], or two groups of channels under a kernel of 3 by 3."""
    n, k, groups = (2, 18, 2) if conv else (5, 7, 1)
    columns = 12 if conv else core.panel_width()
    panel = -(-n // columns) * columns
    packed = np.zeros(groups * panel * (-(-k // 4) * 8 + 4), np.uint8)
    shared = (2, 0, 1, 0, 0, 255, 0, 0.0, 0.0, 1, 1)
    x = np.arange(2 * 4 * 5 * 5 if conv else 21, dtype=np.uint8)
    zero, scale = np.ones(1, np.uint8), _f(1)
    inputs = (
        x,
        packed,
        zero,
        zero.view(np.int8),
        scale,
        scale,
        np.ones(groups * n, np.int32),
        zero,
    )
    scratch = _empty("i", 48 * (-(-k // 2) + 1))
    if conv:
        plane = _window((5, 5), (3, 3))
        pixels, words = gathered_pixels(k, plane, core.panel_width())
        scratch, size = _empty("i", words), (2, 4, 4, 2, *plane, pixels, 0)
        return Specimen(inputs, (_empty("B", 2, 4, 3, 3), scratch), (*shared, *size))
    return Specimen(inputs, (_empty("B", 3, 5), scratch), (*shared, 3, 5, 7, 7, 0))


def _elements() -> Specimen:
    """[3, 4] and a row of 4."""
    scale, zero = np.ones(1, np.float32), np.ones(1, np.uint8)
    whole = np.arange(12, dtype=np.uint8)
    inputs = (whole, scale, zero, whole[:4].copy(), scale, zero, scale, zero)
    formats = (ord("B"), ord("B"), ord("B"))
    return Specimen(inputs, (_empty("B", 3, 4),), (*formats, 0, 255, 2, 3, 4, 4, 1, 0, 1))


def _linear(op: str) -> Specimen:
    whole = np.arange(24, dtype=np.uint8)
    operands = (whole if op.startswith("d") else _f(24), _f(3), np.ones(3, np.uint8))
    out = _empty("f" if op.startswith("d") else "B", 24)
    return Specimen(operands, (out,), (ord("B"), 2, 3, 4))


def _conv(depthwise: bool) -> Specimen:
    groups = 4 if depthwise else 2
    weights = _f(4, 9) if depthwise else _f(2, 12 + 2, 2 * 9)
    scratch = _empty("f", 7 * (4 + 16) * 2 if depthwise else 192 * 192)
    params = (2, 4, 4, groups, *_window((5, 5), (3, 3)), 0, 0.0, 0.0)
    return Specimen(
        (_f(2, 4, 5, 5), weights, _f(4), None), (_empty("f", 2, 4, 3, 3), scratch), params
    )


def _winograd() -> Specimen:
    """Two rows of three tiles each, taken in one block."""
    panel = core.panel_width()
    columns, slack = -(-6 // panel) * panel, panel // 2
    line = columns + slack
    rows = 4 * (12 if panel == 32 else 6)
    scratch = 10 * (3 + 1 + slack) * 4 + 36 * (line + 3 * columns + rows * line)
    params = (2, 3, 5, 1, 7, 11, 3, 3, 1, 1, 1, 1, 1, 1, 7, 11, 0, 0.0, 0.0, 2)
    return Specimen(
        (_f(2, 3, 7, 11), _f(36, 12, 3), _f(5), None),
        (_empty("f", 2, 5, 7, 11), _empty("f", scratch)),
        params,
    )


def _pool() -> Specimen:
    return Specimen(
        (_f(2, 5, 5),),
        (_empty("f", 2, 3, 3), _empty("f", 7 * (4 + 16) * 2 + 3)),
        (2, *_window((5, 5), (3, 3)), 1, 1),
    )


def _forest(wide: bool) -> Specimen:
    """Two trees over two features; three targets."""
    code = np.float64 if wide else np.float32
    nodes, roots, start, target, weight, features, tests, lone, _ = core.flatten_forest(
        wide=wide,
        n_targets=3,
        tree=_i(0, 0, 0, 1, 1, 1),
        id=_i(0, 1, 2, 0, 1, 2),
        mode=bytes((0, 7, 7, 0, 7, 7)),
        feature=_i(0, 0, 0, 1, 0, 0),
        value=np.array([0.5, 0, 0, 0.3, 0, 0], code),
        yes=_i(1, 0, 0, 1, 0, 0),
        no=_i(2, 0, 0, 2, 0, 0),
        missing=_i(1),
        members=None,
        roots=None,
        weight_tree=_i(0, 0, 1, 1),
        weight_id=_i(1, 2, 1, 2),
        target=_i(0, 1, 2, 0),
        weight=np.array([1, 2, 3, 4], code),
    )
    assert features == 2
    x = _f(9, 2).astype(code)
    tops = None
    if not wide:
        tops = _empty("i", 2 * 128)
        core.call("forest_tops_f32", [nodes, roots], [tops, _empty("i", 2 * 6)], 6, 2, int(lone))
    return Specimen(
        (x, *(np.asarray(t) for t in (nodes, roots, start, target, weight)), tops),
        (_empty("d" if wide else "f", 9, 3), _empty("?", 9, 3)),
        (9, 2, 3, 6, 2, 4, 4, tests, int(lone), 0),
    )


_MAKERS: dict[str, Callable[[], Specimen]] = {
    "copy_nd": lambda: Specimen((_f(2, 3),), (_empty("f", 3, 2),), (4, 2, 3, 2, 1, 3, 0, 2, 1, 0)),
    "fill": lambda: Specimen((), (_empty("f", 7),), (4, 7, 0x3F800000)),
    "range": lambda: Specimen((), (_empty("f", 7),), (F, 7, 1.0, 0.5)),
    "where": lambda: Specimen(
        (np.array([1, 0, 1], bool), _f(3), _f(1)), (_empty("f", 3),), (4, 1, 3, 1, 1, 0)
    ),
    "cast": lambda: Specimen((_f(300),), (_empty("q", 300),), (F, Q, 300)),
    "gather": lambda: Specimen((_f(2, 3, 2), _i(0, -1)), (_empty("f", 2, 2, 2),), (Q, 2, 3, 8, 2)),
    "gather_elements": lambda: Specimen(
        (_f(3, 2), _i(0, 1, -1, 2)), (_empty("f", 2, 2),), (Q, 4, 2, 0, 3, 2, 2, 0, 1, 2)
    ),
    "gather_nd": lambda: Specimen(
        (_f(3, 2, 2), _i(0, 1, -1, 0)), (_empty("f", 2, 2),), (8, 1, 2, 2, 3, 2)
    ),
    "one_hot": lambda: Specimen((_i(0, 2, -1), _f(2)), (_empty("f", 3, 4),), (Q, 3, 4, 1, 4)),
    "scatter_elements": lambda: Specimen(
        (_i(0, 1, -1, 2), _f(2, 2)), (_empty("f", 3, 2),), (F, 1, Q, 2, 0, 3, 2, 2, 0, 1, 2)
    ),
    "scatter_nd": lambda: Specimen(
        (_i(0, 1, -1, 0), _f(2, 2)), (_empty("f", 3, 2, 2),), (F, 3, 2, 2, 2, 3, 2)
    ),
    "grid_sample2d_f32": lambda: Specimen(
        (_f(2, 3, 4, 5), _f(2, 6, 2)), (_empty("f", 2, 3, 6),), (2, 3, 4, 5, 6, 2, 2, 0)
    ),
    "roi_align_f32": lambda: Specimen(
        (_f(2, 3, 4, 5), 9 * _f(2, 4), _i(1, 0)),
        (_empty("f", 2, 3, 2, 2),),
        (2, 3, 4, 5, 2, 2, 2, 0, 0, 1, 0.5),
    ),
    "loop": lambda: Specimen(
        (_i(3), np.ones(1, bool), np.ones(1, bool)), (_empty("q", 1),), (0, 2)
    ),
    "triangle": lambda: Specimen((_f(2, 3, 4),), (_empty("f", 2, 3, 4),), (4, 2, 3, 4, 1, 1)),
    "argmax": lambda: Specimen((_f(2, 3, 4),), (_empty("q", 2, 4),), (F, 2, 3, 4, 0)),
    "argmin": lambda: Specimen((_f(2, 3, 4),), (_empty("q", 2, 4),), (F, 2, 3, 4, 1)),
    "top_k": lambda: Specimen(
        (_f(2, 3, 4),), (_empty("f", 2, 2, 4), _empty("q", 2, 2, 4)), (F, 2, 3, 4, 2, 1)
    ),
    "softmax": _line,
    "log_softmax": _line,
    "cumsum": lambda: _line(1, 1),
    "pack_b_f32": lambda: Specimen(
        (_f(2, 4, 5),), (_empty("f", 2, 4 * 32),), (4, 5, 2, 5, 1, 20, 1.0)
    ),
    "gemm_f32": _gemm,
    "gemm_f64": lambda: Specimen(
        (_f(3, 4).astype("d"), _f(4, 5).astype("d"), _f(5).astype("d")),
        (_empty("d", 3, 5),),
        (3, 5, 4, 4, 5, 1, 0, 1, 1.0, 0.5),
    ),
    "pack_a_f32": lambda: Specimen((_f(2, 3, 4),), (_empty("f", 2, 12, 4),), (2, 3, 4)),
    "conv2d_f32": lambda: _conv(False),
    "depthwise2d_f32": lambda: _conv(True),
    "pack_winograd_f32": lambda: Specimen((_f(2, 3, 9),), (_empty("f", 36, 12, 3),), (2, 3)),
    "winograd_f32": _winograd,
    "fma_peak_f32": lambda: Specimen((), (_empty("f", 16),), (5,)),
    "scale_shift_f32": lambda: Specimen(
        (_f(2, 3, 4), _f(3), _f(3)), (_empty("f", 2, 3, 4),), (2, 3, 4, 0, 0.0, 0.0)
    ),
    "col2im2d_f32": lambda: Specimen(
        (_f(2, 3, 4, 5, 6), _f(3)),
        (_empty("f", 2, 3, 9, 13),),
        (2, 3, 5, 6, 2, 2, 2, 2, 1, 1, 1, 0, 9, 13, 0, 0.0, 0.0),
    ),
    "resize2d_f32": lambda: Specimen(
        (_f(2, 3, 4), _i(0, 1, 1, 2), _f(2, 2), _i(0, 3, 3, 1, 0), None),
        (_empty("f", 2, 2, 5), _empty("f", 4)),
        (2, 3, 4, 2, 5, 2, 1),
    ),
    "max_pool2d_f32": _pool,
    "average_pool2d_f32": _pool,
    "lrn_f32": lambda: Specimen(
        (_f(2, 3, 4),), (_empty("f", 2, 3, 4),), (2, 3, 4, 5, 1e-4, 0.75, 1.0)
    ),
    "layer_norm_f32": lambda: Specimen(
        (_f(2, 5), _f(2, 5), _f(5), _f(5)),
        (_empty("f", 2, 5), _empty("f", 2, 5), _empty("f", 2), _empty("f", 2)),
        (2, 5, 1e-5, 1),
    ),
    "group_norm_f32": lambda: Specimen(
        (_f(2, 6, 5), _f(6), _f(6)), (_empty("f", 2, 6, 5),), (2, 2, 3, 5, 1e-5)
    ),
    "attention_f32": _attention,
    "chain_f32": _chain,
    "rnn_f32": lambda: _recurrent(1, 1),
    "gru_f32": lambda: _recurrent(3, 2),
    "lstm_f32": lambda: _recurrent(4, 3),
    "pack_b_i8": lambda: Specimen(
        (np.arange(40, dtype=np.uint8),), (_empty("B", 2 * 32 * 12),), (4, 5, 2, 5, 1, 20, 1, 1)
    ),
    "pack_w_i8": lambda: Specimen(
        (np.arange(40, dtype=np.uint8),), (_empty("B", 2 * 12 * 12),), (4, 5, 2, 5, 1, 20, 1, 1)
    ),
    "gemm_i8": lambda: _int8(False),
    "conv2d_i8": lambda: _int8(True),
    "depthwise2d_i8": lambda: Specimen(
        (
            np.arange(2 * 2 * 25, dtype=np.uint8),
            _f(4, 3, 3),
            np.ones(1, np.uint8),
            _f(4),
            _f(4),
            np.ones(1, np.uint8),
        ),
        (_empty("B", 2, 4, 3, 3), _empty("f", 25 + 9 + 64 + plane_floats(_window((5, 5), (3, 3))))),
        (2, 2, 4, *_window((5, 5), (3, 3)), 0, 0, 0, 255, 4),
    ),
    "max_pool2d_i8": lambda: Specimen(
        (np.arange(100, dtype=np.uint8),),
        (_empty("B", 4, 3, 3), _empty("B", 64 + plane_floats(_window((5, 5), (3, 3))))),
        (4, *_window((5, 5), (3, 3)), 0),
    ),
    "add_i8": _elements,
    "mul_i8": _elements,
    "map_bytes": lambda: Specimen(
        (np.arange(7, dtype=np.uint8), np.arange(256, dtype=np.uint8)), (_empty("B", 7),), (7,)
    ),
    "quantize_linear_f32": lambda: _linear("quantize"),
    "dequantize_linear_f32": lambda: _linear("dequantize"),
    "dynamic_quantize_u8": lambda: Specimen(
        (_f(24),), (_empty("B", 24), _empty("f", 1), _empty("B", 1)), (24,)
    ),
    "forest_f32": lambda: _forest(False),
    "forest_f64": lambda: _forest(True),
    "forest_tops_f32": lambda: Specimen(
        _forest(False).inputs[1:3], (_empty("i", 2 * 128), _empty("i", 2 * 6)), (6, 2, 0)
    ),
    "look_up": lambda: Specimen((_i(5, 7, 1), _i(1, 5), _f(3)), (_empty("f", 3),), (Q, 2, 3, 4)),
    "one_hot_keys_f32": lambda: Specimen(
        (_i(5, 7, 1), _i(1, 5), np.array([1, 0], np.int32)), (_empty("f", 3, 2),), (Q, 2, 3, 0)
    ),
    "scale_f32": lambda: Specimen((_f(2, 3), _f(3), _f(3)), (_empty("f", 2, 3),), (2, 3)),
    "impute": lambda: Specimen((_f(2, 3), _f(1), _f(3)), (_empty("f", 2, 3),), (F, 2, 3)),
    "normalize_rows_f32": lambda: Specimen((_f(2, 3),), (_empty("f", 2, 3),), (2, 3, 1)),
    "binarize_f32": lambda: Specimen((_f(3),), (_empty("f", 3),), (3, 0.5)),
    "class_transform_f32": lambda: Specimen((_f(2, 3),), (_empty("f", 2, 3),), (2, 3, 2)),
    "best_class_f32": lambda: Specimen(
        (_f(2, 3), np.ones((2, 3), bool), _i(7, 8, 9)), (_empty("q", 2),), (2, 3, 8)
    ),
    "cdist_f32": lambda: Specimen(
        (_f(5, 3), _f(-(-4 // core.panel_width()) * core.panel_width() * 3)),
        (_empty("f", 5, 4),),
        (5, 4, 3, 1),
    ),
    "svm_margins_f32": lambda: Specimen(
        (_f(2, 6), _f(2, 6), _f(3)), (_empty("f", 2, 3), _empty("f", 2, 3)), (2, 3, 1, 2, 3)
    ),
    "svm_couple_f32": lambda: Specimen(
        (_f(2, 3), -_f(3), _f(3)), (_empty("f", 2, 3), _empty("d", 15)), (2, 3)
    ),
    "two_classes_f32": lambda: Specimen(
        (_f(2, 1), _i(7, 8)), (_empty("q", 2), _empty("f", 2, 2)), (2, 1, 0, 8, 0, 0.1, 0.5)
    ),
}

_BINARY = {"add", "sub", "mul", "div", "min", "max", "pow", "mod", "fmod", "prelu"} | {
    *("equal", "less", "less_equal", "and", "or", "xor", "shift_left", "shift_right")
}


def specimen(op: str) -> Specimen:
    """A valid call of kernel `op` under the instruction set in force."""
    if op in _MAKERS:
        return _MAKERS[op]()
    if op.startswith("reduce_"):
        return _reduce(op)
    return _binary(op) if op in _BINARY else _unary(op)
