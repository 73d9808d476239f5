"""The tops of trees: rows that take them together arrive where a walk from the root does."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest

from strandline import core

LEQ, LT, LEAF = 0, 1, 7
TOP_WORDS = 128


def forest(rng: Any, mode: int, targets: int, trees: int, depth: int, features: int) -> Any:
    """Random trees, from a lone leaf to `depth` levels, flattened."""
    lists: dict[str, list[Any]] = {
        k: [] for k in ("tree", "id", "mode", "feature", "value", "yes", "no")
    }
    weights: list[tuple[int, int, int, float]] = []

    def grow(tree: int, level: int) -> int:
        node, place = lists["tree"].count(tree), len(lists["id"])
        leaf = level == 0 or rng.random() < 0.1
        row = (
            tree,
            node,
            LEAF if leaf else mode,
            int(rng.integers(features)),
            float(rng.integers(-6, 7)) / 2,
            0,
            0,
        )
        for values, value in zip(lists.values(), row, strict=True):
            values.append(value)
        if leaf:
            weights.extend((tree, node, t, float(rng.normal())) for t in range(targets))
        else:
            lists["yes"][place] = grow(tree, level - 1)
            lists["no"][place] = grow(tree, level - 1)
        return node

    for tree in range(trees):
        grow(tree, int(rng.integers(0, depth + 1)))
    whole = {k: array("q", v) for k, v in lists.items() if k not in ("mode", "value")}
    names = ("weight_tree", "weight_id", "target")
    of = {
        name: array("q", column)
        for name, column in zip(names, zip(*weights, strict=True), strict=False)
    }
    return core.flatten_forest(
        wide=False, n_targets=targets, **whole, **of, mode=bytes(lists["mode"]),
        value=array("f", lists["value"]), missing=array("q"), members=None, roots=None,
        weight=array("f", [w for *_, w in weights]),
    )  # fmt: skip


@pytest.mark.parametrize("mode", [LEQ, LT])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize(("rows", "features"), [(4, 3), (37, 5), (300, 3), (131, 130), (9, 5000)])
@pytest.mark.parametrize("depth", [1, 5, 9])
def test_equals_the_walk_to_the_last_bit(
    mode: int, targets: int, rows: int, features: int, depth: int, isa: str
) -> None:
    rng = np.random.default_rng([mode, targets, rows, depth])
    flat = forest(rng, mode, targets, 7, depth, min(features, 8))
    nodes, roots, start, target, weight, n_features, tests, lone, _ = flat
    sizes = len(nodes.tolist()) // 4, len(roots.tolist()) // 2
    assert n_features <= features and tests == mode
    tops, scratch = core.Tensor("i", [TOP_WORDS * sizes[1]]), core.Tensor("i", [2 * sizes[0]])
    core.call("forest_tops_f32", [nodes, roots], [tops, scratch], *sizes, int(lone))
    x = (rng.integers(-7, 8, (rows, features)) / 2).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.inf
    made = []
    for given in (tops, None):
        scores = np.empty((rows, targets), np.float32)
        params = (rows, features, targets, *sizes, len(start.tolist()) - 1, len(target.tolist()))
        core.call(
            "forest_f32", [x, nodes, roots, start, target, weight, given], [scores, None],
            *params, tests, int(lone), 0,
        )  # fmt: skip
        made.append(scores)
    np.testing.assert_array_equal(made[0], made[1])
