"""Distances that exports spell out as a Scan, recognised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strandline.compiler import passes
from strandline.onnx.graph import Graph, Node
from tests.compiler.graphs import apply, assert_same, graph, ops


def rows(count: int) -> Any:
    """Of their own numbers, so that those of other tests stay as they are."""
    return np.random.default_rng(count).normal(size=(count, 5)).astype(np.float32)


class TestComposeDistances:
    @staticmethod
    def scan(
        *steps: Node, x: tuple[int, ...] = (3, 5), swapped: bool = False, **attrs: object
    ) -> Graph:
        """Distances of every row of k to all rows of x: [rows of x, rows of k]."""
        difference = ("row", "state") if swapped else ("state", "row")
        body = graph(
            [
                Node("Identity", ("state",), ("kept",)),
                Node("Sub", difference, ("d",)),
                *steps,
                Node("Identity", ("s",), ("scanned",)),
            ],
            ["state", "row"],
            ["kept", "scanned"],
            {"last": np.array([1])},
            opset=18,
        )
        return graph(
            [
                Node("Scan", ("x", "k"), ("", "a"), {"body": body, "num_scan_inputs": 1, **attrs}),
                Node("Transpose", ("a",), ("y",), {"perm": (1, 0)}),
            ],
            ["x"],
            ["y"],
            {"k": rows(4)},
            opset=18,
            shapes=[x],
        )

    SQUARES = Node("ReduceSumSquare", ("d", "last"), ("s",), {"keepdims": 0})

    @pytest.mark.parametrize("swapped", [False, True])
    @pytest.mark.parametrize(
        ("metric", "steps"),
        [
            ("sqeuclidean", [SQUARES]),
            ("euclidean", [Node("ReduceL2", ("d", "last"), ("s",), {"keepdims": 0})]),
            ("euclidean", [replace(SQUARES, outputs=("q",)), Node("Sqrt", ("q",), ("s",))]),
            ("cityblock", [Node("ReduceL1", ("d", "last"), ("s",), {"keepdims": 0})]),
            (
                "cityblock",
                [
                    Node("Abs", ("d",), ("m",)),
                    Node("ReduceSum", ("m", "last"), ("s",), {"keepdims": 0}),
                ],
            ),
        ],
    )
    def test_every_metric(self, metric: str, steps: list[Node], swapped: bool) -> None:
        g = self.scan(*steps, swapped=swapped)
        after = passes.remove_dead(passes.remove_identities(apply(passes.compose_distances, g)))
        assert ops(after) == ["PairwiseDistances"]
        assert after.nodes[0].attrs["metric"] == metric
        assert_same(g, after, rows(3))

    @pytest.mark.parametrize(
        "g",
        [
            scan(replace(SQUARES, attrs={"keepdims": 1})),
            scan(Node("ReduceSum", ("d", "last"), ("s",), {"keepdims": 0})),
            scan(SQUARES, scan_output_directions=[1]),
            scan(SQUARES, x=(2, 3, 5)),
        ],
    )
    def test_what_means_something_else_stays(self, g: Graph) -> None:
        assert apply(passes.compose_distances, g) is g
