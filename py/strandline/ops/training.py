"""One step of an optimiser (preview operators)."""

from __future__ import annotations

from collections.abc import Callable

from strandline._lazy import np
from strandline.ops.registry import Array, op

DOMAIN = "ai.onnx.preview.training"


def _jointly(
    states: tuple[Array, ...], kinds: int, step: Callable[..., tuple[Array, ...]]
) -> tuple[Array, ...]:
    """`step` for each variable. The inputs list all variables, then all their gradients, then each kind of
    accumulator; the outputs the same without gradients."""
    count = len(states) // kinds
    groups = [states[k * count : (k + 1) * count] for k in range(kinds)]
    results = [step(*parts) for parts in zip(*groups, strict=True)]
    return tuple(
        value.astype(x.dtype)
        for column in zip(*results, strict=True)
        for value, x in zip(column, groups[0], strict=True)
    )


@op("Adagrad", domain=DOMAIN)
def adagrad(
    rate: Array,
    count: Array,
    *states: Array,
    decay_factor: float = 0.0,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
) -> tuple[Array, ...]:
    """J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods", JMLR 2011."""
    factor = rate / (1 + count * decay_factor)

    def step(x: Array, g: Array, h: Array) -> tuple[Array, ...]:
        gradient = norm_coefficient * x + g
        total = h + gradient * gradient
        return x - factor * gradient / (np.sqrt(total) + epsilon), total

    return _jointly(states, 3, step)


@op("Adam", domain=DOMAIN)
def adam(
    rate: Array,
    count: Array,
    *states: Array,
    alpha: float = 0.9,
    beta: float = 0.999,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
    norm_coefficient_post: float = 0.0,
) -> tuple[Array, ...]:
    """D. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015."""
    steps = count.item()
    factor = rate * np.sqrt(1 - beta**steps) / (1 - alpha**steps) if steps > 0 else rate

    def step(x: Array, g: Array, v: Array, h: Array) -> tuple[Array, ...]:
        gradient = norm_coefficient * x + g
        first = alpha * v + (1 - alpha) * gradient
        second = beta * h + (1 - beta) * gradient * gradient
        moved = x - factor * first / (np.sqrt(second) + epsilon)
        return (1 - norm_coefficient_post) * moved, first, second

    return _jointly(states, 4, step)


@op("Momentum", domain=DOMAIN)
def momentum(
    rate: Array,
    count: Array,
    *states: Array,
    alpha: float,
    beta: float,
    mode: str,
    norm_coefficient: float,
) -> tuple[Array, ...]:
    share = beta if count.item() > 0 else 1.0

    def step(x: Array, g: Array, v: Array) -> tuple[Array, ...]:
        gradient = norm_coefficient * x + g
        speed = alpha * v + share * gradient
        direction = gradient + alpha * speed if mode == "nesterov" else speed
        return x - rate * direction, speed

    return _jointly(states, 3, step)
