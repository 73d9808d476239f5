from __future__ import annotations

import gc

import numpy as np
import pytest

from strandline.compiler import passes
from strandline.compiler.store import Store
from strandline.onnx.graph import Node
from tests.compiler.graphs import apply, assert_same, graph, normal, ops

X = normal(2, 3, 6, 6)


def conv(**attrs: object) -> Node:
    return Node("Conv", ("x", "w"), ("c",), attrs)


NORM = Node("BatchNormalization", ("c", "s", "b", "m", "v"), ("y",))
NORM_CONSTANTS = {"s": normal(4), "b": normal(4), "m": normal(4), "v": normal(4) ** 2 + 0.1}


class TestFoldConstants:
    def test_what_is_large_is_made_again_when_asked_again(self) -> None:
        weights = normal(200, 100)
        g = graph(
            [Node("Transpose", ("w",), ("t",)), Node("Neg", ("t",), ("n",)), Node("MatMul", ("x", "n"), ("y",))],
            ["x"],
            ["y"],
            {"w": weights},
        )  # fmt: skip
        made = apply(passes.fold_constants, g).constants["n"]
        assert made.shape == (100, 200)
        assert gc.get_referents(made) != []
        first = made.data
        assert not any(held is first for held in gc.get_referents(made)), "it is given away"
        for _ in range(2):
            np.testing.assert_array_equal(made.array(), -weights.T)

    def test_what_depends_on_constants_only_goes(self) -> None:
        g = graph(
            [
                Node("Constant", (), ("one",), {"value_float": 1.0}),
                Node("Add", ("k", "one"), ("k1",)),
                Node("Mul", ("x", "k1"), ("y",)),
            ],
            ["x"],
            ["y"],
            {"k": normal(6)},
        )
        after = apply(passes.fold_constants, g)
        assert ops(after) == ["Mul"]
        assert_same(g, after, X)

    def test_random_numbers_stay_random(self) -> None:
        g = graph([Node("RandomNormal", (), ("y",), {"shape": [2]})], [], ["y"])
        assert apply(passes.fold_constants, g) is g

    @pytest.mark.parametrize(
        ("attr", "want"),
        [
            ({"value_int": 3}, np.int64(3)),
            ({"value_ints": [1, 2]}, np.array([1, 2])),
            ({"value_float": 0.5}, np.float32(0.5)),
            ({"value_floats": [0.5, 1.5]}, np.array([0.5, 1.5], np.float32)),
            ({"value_string": "a"}, np.array("a", object)),
            ({"value_strings": ("a", "b")}, np.array(["a", "b"], object)),
        ],
    )
    def test_every_form_of_constant(self, attr: dict[str, object], want: object) -> None:
        g = graph([Node("Constant", (), ("y",), attr)], [], ["y"])
        got = apply(passes.fold_constants, g).constants["y"].array()
        np.testing.assert_array_equal(got, want)
        assert got.dtype == np.asarray(want).dtype and got.shape == np.shape(want)


class TestRemoveIdentities:
    def test_in_the_middle(self) -> None:
        g = graph(
            [
                Node("Neg", ("x",), ("a",)),
                Node("Identity", ("a",), ("b",)),
                Node("Dropout", ("b",), ("c", "")),
                Node("Add", ("c", "a"), ("y",)),
            ],
            ["x"],
            ["y"],
        )
        after = apply(passes.remove_identities, g)
        assert ops(after) == ["Neg", "Add"]
        assert_same(g, after, X)

    def test_before_an_output_the_output_keeps_its_name(self) -> None:
        g = graph(
            [
                Node("Neg", ("x",), ("a",)),
                Node("Identity", ("a",), ("b",)),
                Node("Identity", ("b",), ("y",)),
                Node("Abs", ("b",), ("z",)),
            ],
            ["x"],
            ["y", "z"],
        )
        after = apply(passes.remove_identities, g)
        assert ops(after) == ["Neg", "Abs"]
        assert_same(g, after, X)

    def test_input_to_output_stays(self) -> None:
        g = graph([Node("Identity", ("x",), ("y",))], ["x"], ["y"])
        assert apply(passes.remove_identities, g) is g

    def test_two_outputs_of_one_value(self) -> None:
        g = graph(
            [
                Node("Neg", ("x",), ("a",)),
                Node("Identity", ("a",), ("y",)),
                Node("Identity", ("a",), ("z",)),
            ],
            ["x"],
            ["y", "z"],
        )
        after = apply(passes.remove_identities, g)
        assert ops(after) == ["Neg", "Identity"]
        assert_same(g, after, X)

    def test_what_a_subgraph_looks_at_stays(self) -> None:
        branch = graph([Node("Neg", ("b",), ("r",))], [], ["r"])
        g = graph(
            [
                Node("Identity", ("x",), ("b",)),
                Node("If", ("t",), ("y",), {"then_branch": branch, "else_branch": branch}),
            ],
            ["x"],
            ["y"],
            {"t": np.bool_(True)},
        )
        assert apply(passes.remove_identities, g) is g

    def test_a_mask_that_is_used_keeps_its_dropout(self) -> None:
        g = graph([Node("Dropout", ("x",), ("y", "mask"))], ["x"], ["y", "mask"])
        assert apply(passes.remove_identities, g) is g


class TestFoldAffine:
    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("group", [1, 2])
    def test_after_a_convolution(self, bias: bool, group: int) -> None:
        first = Node("Conv", ("x", "w", "cb") if bias else ("x", "w"), ("c",), {"group": group})
        constants = {"w": normal(4, 4 // group, 3, 3), "cb": normal(4), **NORM_CONSTANTS}
        g = graph([first, NORM], ["x"], ["y"], constants)
        after = apply(passes.fold_affine, g)
        assert ops(after) == ["Conv"]
        assert_same(g, after, normal(2, 4, 5, 5))

    @pytest.mark.parametrize("transposed", [0, 1])
    def test_after_a_matrix_product(self, transposed: int) -> None:
        first = Node("Gemm", ("x", "w", "cb"), ("c",), {"transB": transposed, "alpha": 0.5})
        weight = normal(4, 3) if transposed else normal(3, 4)
        g = graph([first, NORM], ["x"], ["y"], {"w": weight, "cb": normal(4), **NORM_CONSTANTS})
        after = apply(passes.fold_affine, g)
        assert ops(after) == ["Gemm"]
        assert_same(g, after, normal(5, 3))

    @pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1), (), (1,), (1, 1, 1, 1)])
    def test_products_and_sums_after_it_too(self, shape: tuple[int, ...]) -> None:
        nodes = [
            conv(),
            NORM,
            Node("Mul", ("y", "k"), ("m1",)),
            Node("Add", ("l", "m1"), ("z",)),
        ]
        constants = {"w": normal(4, 3, 3, 3), "k": normal(*shape), "l": normal(*shape)}
        g = graph(nodes, ["x"], ["z"], {**constants, **NORM_CONSTANTS})
        after = apply(passes.fold_affine, g)
        assert ops(after) == ["Conv"]
        assert_same(g, after, X)

    def test_a_sum_alone_becomes_the_bias(self) -> None:
        nodes = [conv(), Node("Add", ("c", "k"), ("y",))]
        g = graph(nodes, ["x"], ["y"], {"w": normal(4, 3, 3, 3), "k": normal(4, 1, 1)})
        after = apply(passes.fold_affine, g)
        assert ops(after) == ["Conv"] and len(after.nodes[0].inputs) == 3
        assert_same(g, after, X)

    @pytest.mark.parametrize("shape", [(4,), (1, 1, 4), (2, 4, 1, 1), (4, 4, 4), (1,) * 5])
    def test_what_is_not_per_channel_stays(self, shape: tuple[int, ...]) -> None:
        nodes = [conv(), Node("Add", ("c", "k"), ("y",))]
        g = graph(nodes, ["x"], ["y"], {"w": normal(4, 3, 3, 3), "k": normal(*shape)})
        assert apply(passes.fold_affine, g) is g

    def test_with_nothing_before_it(self) -> None:
        nodes = [
            Node("Relu", ("x",), ("c",)),
            NORM,
            Node("Mul", ("y", "k"), ("m1",)),
            Node("Relu", ("m1",), ("z",)),
        ]
        g = graph(
            nodes, ["x"], ["z"], {"k": normal(4, 1, 1), **NORM_CONSTANTS}, shapes=[(2, 4, 5, 5)]
        )
        after = passes.fuse_activation(apply(passes.fold_affine, g))
        assert ops(after) == ["Relu", "ScaleShift"]
        assert_same(g, after, normal(2, 4, 5, 5))

    def test_not_when_the_result_is_used_elsewhere(self) -> None:
        g = graph([conv(), NORM], ["x"], ["y", "c"], {"w": normal(4, 3, 3, 3), **NORM_CONSTANTS})
        after = apply(passes.fold_affine, g)
        assert ops(after) == ["Conv", "ScaleShift"]
        assert_same(g, after, X)

    def test_not_when_the_weights_are_fed(self) -> None:
        g = graph([conv(), NORM], ["x", "w"], ["y"], NORM_CONSTANTS)
        after = apply(passes.fold_affine, g)
        assert ops(after) == ["Conv", "ScaleShift"]
        assert_same(g, after, X, normal(4, 3, 3, 3))

    def test_not_when_the_parameters_are_fed(self) -> None:
        names = ["x", "s", "b", "m", "v"]
        g = graph([conv(), NORM], names, ["y"], {"w": normal(4, 3, 3, 3)})
        assert apply(passes.fold_affine, g) is g


class TestFuse:
    @pytest.mark.parametrize("swapped", [False, True])
    @pytest.mark.parametrize("bias", [(5,), (1, 5)])
    def test_bias(self, bias: tuple[int, ...], swapped: bool) -> None:
        inputs = ("b", "p") if swapped else ("p", "b")
        g = graph(
            [Node("MatMul", ("x", "w"), ("p",)), Node("Add", inputs, ("y",))],
            ["x"],
            ["y"],
            {"w": normal(6, 5), "b": normal(*bias)},
        )
        after = apply(passes.fuse_bias, g)
        assert ops(after) == ["FusedGemm"]
        assert_same(g, after, X)

    def test_an_addend_that_is_no_bias_stays(self) -> None:
        nodes = [Node("MatMul", ("x", "w"), ("p",)), Node("Add", ("p", "b"), ("y",))]
        g = graph(nodes, ["x"], ["y"], {"w": normal(6, 5), "b": normal(6, 1)})
        assert apply(passes.fuse_bias, g) is g

    @pytest.mark.parametrize(
        ("node", "name"),
        [
            (Node("Relu", ("c",), ("y",)), "relu"),
            (Node("LeakyRelu", ("c",), ("y",), {"alpha": 0.3}), "leaky_relu"),
            (Node("LeakyRelu", ("c",), ("y",)), "leaky_relu"),
            (Node("Sigmoid", ("c",), ("y",)), "sigmoid"),
            (Node("Tanh", ("c",), ("y",)), "tanh"),
            (Node("HardSigmoid", ("c",), ("y",), {"alpha": 0.1}), "hard_sigmoid"),
            (Node("HardSwish", ("c",), ("y",)), "hard_swish"),
            (Node("Softplus", ("c",), ("y",)), "softplus"),
            (Node("Clip", ("c", "lo", "hi"), ("y",)), "clip"),
            (Node("Clip", ("c", "", "hi"), ("y",)), "clip"),
            (Node("Clip", ("c",), ("y",)), "clip"),
        ],
    )
    def test_activation(self, node: Node, name: str) -> None:
        constants = {"lo": np.float32(-0.2), "hi": np.float32(0.4), "w": normal(4, 3, 3, 3)}
        g = graph([conv(pads=[1, 1, 1, 1], strides=[2, 2]), node], ["x"], ["y"], constants)
        after = apply(passes.fuse_activation, g)
        assert ops(after) == ["FusedConv"] and after.nodes[0].attrs["activation"] == name
        assert_same(g, after, X)

    @pytest.mark.parametrize("transposed", [0, 1])
    def test_activation_after_gemm(self, transposed: int) -> None:
        weight = normal(4, 3) if transposed else normal(3, 4)
        attrs = {"transB": transposed, "alpha": 0.5, "beta": 2.0}
        nodes = [Node("Gemm", ("x", "w", "b"), ("c",), attrs), Node("Relu", ("c",), ("y",))]
        g = graph(nodes, ["x"], ["y"], {"w": weight, "b": normal(4)})
        after = apply(passes.fuse_activation, g)
        assert ops(after) == ["FusedGemm"]
        assert_same(g, after, normal(5, 3))

    @pytest.mark.parametrize("op", ["Add", "Sum"])
    @pytest.mark.parametrize("bias", [(), ("b",)])
    @pytest.mark.parametrize("swapped", [False, True])
    @pytest.mark.parametrize("shape", [(2, 4, 4, 4), (4, 1, 1), (3, 2, 4, 4, 4)])
    def test_residual(
        self, op: str, bias: tuple[str, ...], swapped: bool, shape: tuple[int, ...]
    ) -> None:
        """Of the convolution's shape, broadcast to it, and larger than it."""
        inputs = ("r", "c") if swapped else ("c", "r")
        first = Node("Conv", ("x", "w", *bias), ("c",))
        nodes = [first, Node(op, inputs, ("s",)), Node("Relu", ("s",), ("y",))]
        g = graph(nodes, ["x", "r"], ["y"], {"w": normal(4, 3, 3, 3), "b": normal(4)})
        after = apply(passes.fuse_residual, g)
        assert ops(after) == ["FusedConv", "Relu"]
        after = apply(passes.fuse_activation, after)
        assert ops(after) == ["FusedConv"]
        assert_same(g, after, X, normal(*shape))

    def test_of_two_convolutions_the_later_adds(self) -> None:
        nodes = [
            conv(),
            Node("Conv", ("x", "v"), ("d",)),
            Node("Add", ("d", "c"), ("y",)),
        ]
        g = graph(nodes, ["x"], ["y"], {"w": normal(4, 3, 3, 3), "v": normal(4, 3, 3, 3)})
        after = apply(passes.fuse_residual, g)
        assert ops(after) == ["Conv", "FusedConv"]
        assert after.nodes[1].inputs == ("x", "v", "", "c")
        assert_same(g, after, X)

    @pytest.mark.parametrize("outputs", [["y"], ["y", "c"]])
    def test_a_convolution_with_other_users_does_not_add(self, outputs: list[str]) -> None:
        other = "c" if outputs == ["y"] else "r"
        nodes = [conv(), Node("Add", ("c", other), ("y",))]
        g = graph(nodes, ["x", "r"], outputs, {"w": normal(4, 3, 3, 3)})
        assert apply(passes.fuse_residual, g) is g

    def test_nor_where_the_sum_has_an_axis_or_more_operands(self) -> None:
        constants = {"w": normal(4, 3, 3, 3)}
        for opset, node in (
            (6, Node("Add", ("c", "r"), ("y",), {"axis": 1, "broadcast": 1})),
            (17, Node("Sum", ("c", "r", "r"), ("y",))),
        ):
            g = graph([conv(), node], ["x", "r"], ["y"], constants, opset)
            assert apply(passes.fuse_residual, g) is g

    def test_an_activation_whose_input_is_used_elsewhere_stays(self) -> None:
        nodes = [conv(), Node("Relu", ("c",), ("y",))]
        g = graph(nodes, ["x"], ["y", "c"], {"w": normal(4, 3, 3, 3)})
        assert apply(passes.fuse_activation, g) is g

    def test_bounds_that_are_fed_stay(self) -> None:
        nodes = [conv(), Node("Clip", ("c", "lo"), ("y",))]
        g = graph(nodes, ["x", "lo"], ["y"], {"w": normal(4, 3, 3, 3)})
        assert apply(passes.fuse_activation, g) is g


HALF, ROOT, SIXTH = np.float32(0.5), np.float32(np.sqrt(2)), np.float32(1 / 6)
NUMBERS = {
    "0": np.float32(0), "1": np.float32(1), "3": np.float32(3), "6": np.float32(6),
    "half": HALF, "root": ROOT, "1/root": np.float32(1) / ROOT, "sixth": SIXTH,
    "a": np.float32(1.702), ".044": np.float32(0.044715), "2/pi": np.float32(np.sqrt(2 / np.pi)),
}  # fmt: skip


def steps(*text: str) -> list[Node]:
    """Nodes from lines of the form `y = Op a b`."""
    split = [line.split() for line in text]
    return [Node(op, tuple(inputs), (output,)) for output, _, op, *inputs in split]


RAMP = ("p = Add x 3", "r = Clip p 0 6")
ERF = ("q = Div x root", "e = Erf q", "s = Add e 1")
TANH = ("z = Add x d", "i = Mul 2/pi z", "t = Tanh i", "s = Add 1 t", "m = Mul s half")


class TestComposeActivations:
    @pytest.mark.parametrize(
        ("nodes", "name"),
        [
            (steps(*RAMP, "m = Mul x r", "y = Div m 6"), "hard_swish"),
            (steps(*RAMP, "m = Mul r x", "y = Mul sixth m"), "hard_swish"),
            (steps(*RAMP, "m = Div r 6", "y = Mul x m"), "hard_swish"),
            (
                steps("p = Add 3 x", "r = Clip p 0 6", "m = Mul r sixth", "y = Mul m x"),
                "hard_swish",
            ),
            (steps(*RAMP, "y = Div r 6"), "hard_sigmoid"),
            (steps("s = Sigmoid x", "y = Mul x s"), "swish"),
            (steps("s = Sigmoid x", "y = Mul s x"), "swish"),
            (steps(*ERF, "m = Mul x s", "y = Mul m half"), "gelu"),
            (steps(*ERF, "m = Mul half s", "y = Mul x m"), "gelu"),
            (steps(*ERF, "m = Mul x half", "y = Mul m s"), "gelu"),
            (steps("q = Mul x 1/root", *ERF[1:], "m = Mul x half", "y = Mul s m"), "gelu"),
            (steps("q = Mul a x", "s = Sigmoid q", "y = Mul x s"), "swish"),
            (steps("c = Pow x 3", "d = Mul .044 c", *TANH, "y = Mul m x"), "gelu_tanh"),
            (
                steps("c = Mul x x", "e = Mul c x", "d = Mul e .044", *TANH, "y = Mul x m"),
                "gelu_tanh",
            ),
            (
                steps("f = Mul .044 x", "g = Mul x f", "d = Mul x g", *TANH, "y = Mul m x"),
                "gelu_tanh",
            ),
        ],
    )
    def test_known_spellings(self, nodes: list[Node], name: str) -> None:
        g = graph(nodes, ["x"], ["y"], NUMBERS)
        after = passes.remove_dead(apply(passes.compose_activations, g))
        assert [(n.op, n.attrs["activation"]) for n in after.nodes] == [("Activation", name)]
        assert_same(g, after, X * 4)

    def test_hard_sigmoid_times_x(self) -> None:
        sigmoid = Node("HardSigmoid", ("x",), ("s",), {"alpha": 1 / 6})
        g = graph([sigmoid, *steps("y = Mul x s")], ["x"], ["y"])
        after = passes.remove_dead(apply(passes.compose_activations, g))
        assert [n.attrs["activation"] for n in after.nodes] == ["hard_swish"]
        assert_same(g, after, X * 4)

    @pytest.mark.parametrize(
        "nodes",
        [
            steps("p = Add x 1", "r = Clip p 0 6", "m = Mul x r", "y = Div m 6"),
            steps("p = Add x 3", "r = Clip p 0 3", "m = Mul x r", "y = Div m 6"),
            steps(*RAMP, "m = Mul x r", "y = Div m 3"),
            steps("n = Neg x", *RAMP, "m = Mul n r", "y = Div m 6"),
            steps("s = Sigmoid x", "n = Neg x", "y = Mul s n"),
            steps("s = Sigmoid x", "y = Div s x"),
            steps(*ERF, "y = Mul x s"),
            steps("c = Pow x 6", "d = Mul .044 c", *TANH, "y = Mul m x"),
            steps("c = Pow x 3", "d = Mul half c", *TANH, "y = Mul m x"),
            steps("q = Div x 6", *ERF[1:], "m = Mul x s", "y = Mul m half"),
        ],
    )
    def test_what_only_looks_like_one(self, nodes: list[Node]) -> None:
        g = graph(nodes, ["x"], ["y"], NUMBERS)
        assert apply(passes.compose_activations, g) is g

    def test_others_may_use_the_parts(self) -> None:
        g = graph(steps("s = Sigmoid x", "y = Mul x s"), ["x"], ["y", "s"])
        after = apply(passes.compose_activations, g)
        assert ops(after) == ["Sigmoid", "Activation"]
        assert_same(g, after, X)

    def test_a_convolution_takes_it_along(self) -> None:
        nodes = [Node("Conv", ("i", "w"), ("x",)), *steps(*RAMP, "m = Mul x r", "y = Div m 6")]
        g = graph(nodes, ["i"], ["y"], {"w": normal(4, 3, 3, 3), **NUMBERS})
        after = passes.optimise(g, Store())
        assert ops(after) == ["FusedConv"]
        assert_same(g, after, X)


class TestRemoveDead:
    def test_nodes_and_constants(self) -> None:
        g = graph(
            [
                Node("Add", ("x", "k"), ("unused",)),
                Node("Neg", ("unused",), ("unused2",)),
                Node("Split", ("x",), ("y", "rest"), {"axis": 0, "num_outputs": 2}),
            ],
            ["x"],
            ["y"],
            {"k": normal(1)},
            18,
        )
        after = apply(passes.remove_dead, g)
        assert ops(after) == ["Split"] and not after.constants
        assert_same(g, after, X)

    def test_what_only_a_subgraph_uses_is_alive(self) -> None:
        branch = graph([Node("Add", ("a", "k"), ("r",))], [], ["r"])
        g = graph(
            [
                Node("Neg", ("x",), ("a",)),
                Node("If", ("t",), ("y",), {"then_branch": branch, "else_branch": branch}),
            ],
            ["x"],
            ["y"],
            {"t": np.bool_(True), "k": normal(1)},
        )
        assert apply(passes.remove_dead, g) is g


def test_all_together_make_one_node_of_a_block() -> None:
    g = graph(
        [
            Node("Identity", ("x",), ("x1",)),
            Node("Conv", ("x1", "w"), ("c",)),
            NORM,
            Node("Relu", ("y",), ("r",)),
            Node("Dropout", ("r",), ("z",)),
        ],
        ["x"],
        ["z"],
        {"w": normal(4, 3, 3, 3), **NORM_CONSTANTS},
    )
    after = passes.optimise(g, Store())
    assert ops(after) == ["FusedConv"]
    assert_same(g, after, X)
