"""Recurrent layers: RNN, GRU and LSTM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType
from strandline.ops import activation
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, need, strings

Function = Callable[[Array], Array]
Step = Callable[[Array, tuple[Array, ...]], tuple[Array, ...]]
"""(input of one step [B, I], states [B, H]) -> states; the first state is the output."""


def _function(name: str, alpha: float | None, beta: float | None) -> Function:
    """An activation by its ONNX name, with its own defaults for alpha and beta."""
    a = {"leakyrelu": 0.01, "hardsigmoid": 0.2}.get(name.lower(), 1.0) if alpha is None else alpha
    b = {"hardsigmoid": 0.5, "affine": 0.0}.get(name.lower(), 1.0) if beta is None else beta
    functions: dict[str, Function] = {
        "relu": activation.relu,
        "tanh": np.tanh,
        "sigmoid": activation.sigmoid,
        "affine": lambda x: a * x + b,
        "leakyrelu": lambda x: np.where(x >= 0, x, a * x),
        "thresholdedrelu": lambda x: np.where(x >= a, x, 0),
        "scaledtanh": lambda x: a * np.tanh(b * x),
        "hardsigmoid": lambda x: np.clip(a * x + b, 0, 1),
        "elu": lambda x: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
        "softsign": activation.softsign,
        "softplus": activation.softplus,
    }
    if name.lower() not in functions:
        raise ValueError(f"activation {name!r} is not one of ONNX's")
    return functions[name.lower()]


# Of these the alphas and betas are listed in order; the others take none.
WITH_ALPHA = {"affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu"}
WITH_BETA = {"affine", "scaledtanh", "hardsigmoid"}


def _functions(defaults: Sequence[str], directions: int, attrs: Attrs) -> list[list[Function]]:
    """Per direction, the activations of the cell's gates, clipped before if told so."""
    names = strings(attrs["activations"]) or list(defaults) * directions
    alphas = iter(attrs["activation_alpha"] if attrs["activation_alpha"] is not None else ())
    betas = iter(attrs["activation_beta"] if attrs["activation_beta"] is not None else ())
    limit = attrs["clip"]
    result = []
    for name in names:
        alpha = next(alphas, None) if name.lower() in WITH_ALPHA else None
        beta = next(betas, None) if name.lower() in WITH_BETA else None
        function = _function(name, alpha, beta)
        if limit:
            function = _clipped(function, limit)
        result.append(function)
    each = len(defaults)
    return [result[d * each : (d + 1) * each] for d in range(directions)]


def _clipped(function: Function, limit: float) -> Function:
    return lambda x: function(np.clip(x, -limit, limit))


def _directions(direction: str) -> tuple[bool, ...]:
    """For each direction whether it runs backwards."""
    return {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}[direction]


def _run(
    x: Array, lengths: Array | None, states: tuple[Array, ...], step: Step, backwards: bool
) -> tuple[Array, tuple[Array, ...]]:
    """One direction over `x` [T, B, I]: outputs [T, B, H] (zero past a sequence's end) and last states."""
    steps, batch = x.shape[:2]
    outputs = np.zeros((steps, *states[0].shape), x.dtype)
    ends = np.full(batch, steps) if lengths is None else lengths
    for t in range(steps):
        # Backwards, a shorter sequence starts at its own end.
        source = ends - 1 - t if backwards else np.full(batch, t)
        active = t < ends
        now = x[np.clip(source, 0, steps - 1), np.arange(batch)]
        fresh = step(now, states)
        states = tuple(
            np.where(active[:, None], new, old) for new, old in zip(fresh, states, strict=True)
        )
        rows = np.flatnonzero(active)
        outputs[source[rows], rows] = fresh[0][rows]
    return outputs, states


def _layer(
    x: Array,
    lengths: Array | None,
    starts: Sequence[Array | None],
    hidden: int,
    cells: Sequence[Step],
    attrs: Attrs,
) -> tuple[Array, ...]:
    """All directions: Y [T, D, B, H] and the last states [D, B, H], in the layout asked for."""
    if attrs["layout"]:
        x = x.transpose(1, 0, 2)
        starts = [None if s is None else s.transpose(1, 0, 2) for s in starts]
    batch = x.shape[1]
    outputs, finals = [], []
    for d, backwards in enumerate(_directions(attrs["direction"])):
        states = tuple(np.zeros((batch, hidden), x.dtype) if s is None else s[d] for s in starts)
        y, last = _run(x, lengths, states, cells[d], backwards)
        outputs.append(y)
        finals.append(last)
    result = np.stack(outputs, axis=1)
    lasts = [np.stack(parts) for parts in zip(*finals, strict=True)]
    if attrs["layout"]:
        return result.transpose(2, 0, 1, 3), *(s.transpose(1, 0, 2) for s in lasts)
    return result, *lasts


def _recurrent(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, r = need(inputs, 0), need(inputs, 2)
    directions, hidden = r.shape[0], r.shape[-1]
    steps, batch = (x.shape[1], x.shape[0]) if attrs["layout"] else x.shape[:2]
    if attrs["layout"]:
        y, last = (batch, steps, directions, hidden), (batch, directions, hidden)
    else:
        y, last = (steps, directions, batch, hidden), (directions, batch, hidden)
    return [TensorType(x.dtype, y), TensorType(x.dtype, last), TensorType(x.dtype, last)][:n]


def _halves(b: Array | None, d: int, size: int, like: Array) -> tuple[Array, Array]:
    """The biases of the input and of the recurrence."""
    if b is None:
        return np.zeros(size, like.dtype), np.zeros(size, like.dtype)
    return b[d, :size], b[d, size:]


@op("RNN", since=7, shape=_recurrent)
def rnn(
    x: Array,
    w: Array,
    r: Array,
    b: Array | None = None,
    sequence_lens: Array | None = None,
    initial_h: Array | None = None,
    *,
    activation_alpha: Any = None,
    activation_beta: Any = None,
    activations: Any = None,
    clip: float = 0.0,
    direction: str = "forward",
    hidden_size: int = 0,
    layout: int = 0,
) -> tuple[Array, ...]:
    attrs = locals()
    hidden = r.shape[-1]
    functions = _functions(("Tanh",), len(w), attrs)

    def cell(d: int) -> Step:
        bias = sum(_halves(b, d, hidden, x))
        (f,) = functions[d]

        def step(now: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
            return (f(now @ w[d].T + states[0] @ r[d].T + bias),)

        return step

    cells = [cell(d) for d in range(len(w))]
    return _layer(x, sequence_lens, [initial_h], hidden, cells, attrs)


@op("GRU", since=7, shape=_recurrent)
def gru(
    x: Array,
    w: Array,
    r: Array,
    b: Array | None = None,
    sequence_lens: Array | None = None,
    initial_h: Array | None = None,
    *,
    activation_alpha: Any = None,
    activation_beta: Any = None,
    activations: Any = None,
    clip: float = 0.0,
    direction: str = "forward",
    hidden_size: int = 0,
    layout: int = 0,
    linear_before_reset: int = 0,
) -> tuple[Array, ...]:
    """Gates in the order update (z), reset (r), hidden (h)."""
    attrs = locals()
    hidden = r.shape[-1]
    functions = _functions(("Sigmoid", "Tanh"), len(w), attrs)

    def cell(d: int) -> Step:
        wz, wr, wh = np.split(w[d], 3)
        rz, rr, rh = np.split(r[d], 3)
        own, recurrent = _halves(b, d, 3 * hidden, x)
        (bz, br, bh), (cz, cr, ch) = np.split(own, 3), np.split(recurrent, 3)
        f, g = functions[d]

        def step(now: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
            (h,) = states
            z = f(now @ wz.T + h @ rz.T + bz + cz)
            reset = f(now @ wr.T + h @ rr.T + br + cr)
            if linear_before_reset:
                fresh = g(now @ wh.T + reset * (h @ rh.T + ch) + bh)
            else:
                fresh = g(now @ wh.T + (reset * h) @ rh.T + ch + bh)
            return ((1 - z) * fresh + z * h,)

        return step

    cells = [cell(d) for d in range(len(w))]
    return _layer(x, sequence_lens, [initial_h], hidden, cells, attrs)


@op("LSTM", since=7, shape=_recurrent)
def lstm(
    x: Array,
    w: Array,
    r: Array,
    b: Array | None = None,
    sequence_lens: Array | None = None,
    initial_h: Array | None = None,
    initial_c: Array | None = None,
    p: Array | None = None,
    *,
    activation_alpha: Any = None,
    activation_beta: Any = None,
    activations: Any = None,
    clip: float = 0.0,
    direction: str = "forward",
    hidden_size: int = 0,
    input_forget: int = 0,
    layout: int = 0,
) -> tuple[Array, ...]:
    """Gates in the order input, output, forget, cell; peepholes input, output, forget."""
    attrs = locals()
    hidden = r.shape[-1]
    functions = _functions(("Sigmoid", "Tanh", "Tanh"), len(w), attrs)

    def cell(d: int) -> Step:
        own, recurrent = _halves(b, d, 4 * hidden, x)
        bias = own + recurrent
        zeros = np.zeros(hidden, x.dtype)
        pi, po, pf = (zeros, zeros, zeros) if p is None else np.split(p[d], 3)
        f, g, k = functions[d]

        def step(now: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
            h, c = states
            gates = now @ w[d].T + h @ r[d].T + bias
            gi, go, gf, gc = np.split(gates, 4, axis=1)
            i = f(gi + pi * c)
            forget = 1 - i if input_forget else f(gf + pf * c)
            fresh = forget * c + i * g(gc)
            return f(go + po * fresh) * k(fresh), fresh

        return step

    cells = [cell(d) for d in range(len(w))]
    return _layer(x, sequence_lens, [initial_h, initial_c], hidden, cells, attrs)
