"""8-bit products and convolutions are exact; quantizing rounds and saturates as the standard says."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from strandline import Session
from strandline.onnx.types import BY_NAME
from strandline.ops.cast import convert
from strandline.ops.narrow import narrow
from tests.compiler.lower.node import both, check

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SIZE = st.integers(0, 20) | st.sampled_from([1, 31, 33, 65, 130])
TYPE = st.sampled_from(["int8", "uint8"])


def whole(dtype: str, *shape: int, seed: int = 0) -> Any:
    """All values of the type, the extremes more often."""
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    x = rng.integers(limits.min, limits.max + 1, shape)
    edge = rng.random(shape)
    return np.where(edge < 0.1, limits.min, np.where(edge > 0.9, limits.max, x)).astype(dtype)


def real(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)


@given(m=SIZE, n=SIZE, k=SIZE, a=TYPE, b=TYPE, zeros=st.integers(0, 3), constant=st.booleans())
@generated
def test_matmul_integer(m: int, n: int, k: int, a: str, b: str, zeros: int, constant: bool) -> None:
    operands = [whole(a, m, k), whole(b, k, n, seed=1)]
    if zeros:
        operands.append(whole(a, seed=2).reshape(()))
    if zeros > 1:
        operands.append(whole(b, *((n,) if zeros == 3 else ()), seed=3))
    check("MatMulInteger", *operands, constant=(1, 3) if constant else ())


def test_every_product_at_its_extreme() -> None:
    """Sums that saturate in 16 bits where an engine or instruction would let them."""
    for a in ("int8", "uint8"):
        for b in ("int8", "uint8"):
            for left in (np.iinfo(a).min, np.iinfo(a).max):
                for right in (np.iinfo(b).min, np.iinfo(b).max):
                    x, w = np.full((3, 67), left, a), np.full((67, 35), right, b)
                    check("MatMulInteger", x, w, constant=(1,))


@given(outer=st.integers(1, 3), m=st.integers(1, 9), n=st.integers(1, 40), shared=st.booleans())
@generated
def test_stacks(outer: int, m: int, n: int, shared: bool) -> None:
    a = whole("uint8", outer, 2, m, 7)
    b = whole("int8", *((1,) if shared else (outer,)), 2, 7, n, seed=1)
    check("MatMulInteger", a, b)
    check("MatMulInteger", a, b[0, 0])
    check("MatMulInteger", a[0, 0, 0], b)


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.tuples(st.sampled_from([1, 2, 3, 4, 8]), st.integers(1, 5), st.integers(1, 2)),
    steps=st.tuples(*[st.integers(1, 2)] * 4),
    types=st.tuples(TYPE, TYPE),
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4),
)
@generated
def test_conv_integer(
    size: Any, kernel: Any, channels: Any, steps: Any, types: Any, pads: Any
) -> None:
    each, filters, group = channels
    reach = [s + pads[i] + pads[i + 2] for i, s in enumerate(size)]
    if any(r < (k - 1) * d + 1 for r, k, d in zip(reach, kernel, steps[2:], strict=True)):
        return
    x = whole(types[0], 2, each * group, *size)
    w = whole(types[1], filters * group, each, *kernel, seed=1)
    zero = whole(types[0], seed=2).reshape(())
    attrs = {"group": group, "pads": pads, "strides": steps[:2], "dilations": steps[2:]}
    check("ConvInteger", x, w, zero, constant=(1,), **attrs)
    check("ConvInteger", x, w, zero, whole(types[1], filters * group, seed=3), **attrs)


@pytest.mark.parametrize("types", [("uint8", "int8"), ("int8", "uint8")])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "channels"),
    [((23, 37), 3, 1, 70), ((31, 30), 3, 2, 33), ((14, 14), 1, 1, 301), ((15, 17), 1, 2, 64),
     ((40, 70), 7, 3, 3), ((200, 200), 3, 1, 29), ((200, 170), 3, 1, 28), ((31, 30), 3, 2, 36),
     ((9, 90), 5, 3, 12)],
)  # fmt: skip
def test_conv_integer_in_blocks(
    types: Any, size: Any, kernel: int, stride: int, channels: int
) -> None:
    """More pixels and channels than a panel, a tile or the gathered windows hold."""
    x, w = (
        whole(types[0], 1, channels, *size),
        whole(types[1], 27, channels, kernel, kernel, seed=1),
    )
    attrs = {"pads": [kernel // 2] * 4, "strides": [stride] * 2}
    zeros = whole(types[0], seed=2).reshape(()), whole(types[1], 27, seed=3)
    check("ConvInteger", x, w, *zeros, constant=(1,), **attrs)


def close(op: str, *arrays: Any, **kwargs: Any) -> None:
    """Equal up to one step, where a float lies next to the middle between two integers."""
    ours, theirs = both(op, *arrays, **kwargs)
    assert ours[0].dtype == theirs[0].dtype and ours[0].shape == theirs[0].shape
    difference = np.abs(ours[0].astype(int) - theirs[0].astype(int))
    assert difference.max(initial=0) <= 1 and (difference > 0).sum() <= 1 + 0.01 * difference.size


@given(m=SIZE, n=SIZE, k=SIZE, a=TYPE, b=TYPE, y=TYPE, each=st.booleans())
@generated
def test_qlinear_matmul(m: int, n: int, k: int, a: str, b: str, y: str, each: bool) -> None:
    f = np.float32
    scales = (np.linspace(0.01, 0.02, n) if each else np.array(0.02)).astype(f)
    zeros = whole(b, *((n,) if each else ()), seed=3)
    operands = [
        whole(a, m, k), f(0.03), whole(a, seed=2).reshape(()), whole(b, k, n, seed=1), scales,
        zeros, f(0.1 * (k + 1)), whole(y, seed=4).reshape(()),
    ]  # fmt: skip
    for constant in ((), (1, 2, 3, 4, 5, 6, 7)):
        close("QLinearMatMul", *map(np.asarray, operands), constant=constant)


@pytest.mark.parametrize("bias", [False, True])
def test_qlinear_conv(bias: bool) -> None:
    f = np.float32
    operands = [
        whole("uint8", 2, 4, 9, 7), f(0.03), np.uint8(120), whole("int8", 6, 2, 3, 3, seed=1),
        np.linspace(0.01, 0.02, 6).astype(f), np.zeros(6, np.int8), f(1.3), np.uint8(100),
    ]  # fmt: skip
    if bias:
        operands.append(np.arange(6, dtype=np.int32) * 1000)
    attrs = {"group": 2, "pads": [1, 1, 1, 1], "strides": [2, 1]}
    close("QLinearConv", *map(np.asarray, operands), constant=(1, 2, 3, 4, 5, 6, 7), **attrs)
    close("QLinearConv", *map(np.asarray, operands), **attrs)


@given(m=SIZE, n=SIZE, k=SIZE, trans=st.integers(0, 1), each=st.booleans(), bias=st.booleans())
@generated
def test_product_of_quantized_with_real_result(
    m: int, n: int, k: int, trans: int, each: bool, bias: bool
) -> None:
    scales = (np.linspace(0.01, 0.02, n) if each else np.array(0.02)).astype(np.float32)
    b = whole("int8", *((n, k) if trans else (k, n)), seed=1)
    operands = [whole("uint8", m, k), np.float32(0.03), np.uint8(7), b, scales, None]
    operands.append(real(n) if bias else None)
    arrays = [None if v is None else np.asarray(v) for v in operands]
    for activation in ("none", "relu", "gelu"):
        check(
            "QuantizedGemm", *arrays, domain="strandline", transB=trans, activation=activation,
            constant=(3, 4), rtol=1e-4, atol=1e-3,
        )  # fmt: skip


@pytest.mark.parametrize("activation", ["none", "relu"])
def test_quantized_to_quantized(activation: str) -> None:
    f = np.float32
    x = [whole("uint8", 5, 19), f(0.03), np.uint8(120), whole("int8", 19, 37, seed=1), f(0.02),
         None, np.arange(37, dtype=np.int32) * 50, f(0.2), np.uint8(90)]  # fmt: skip
    arrays = [None if v is None else np.asarray(v) for v in x]
    known = (1, 2, 3, 4, 6, 7, 8)
    common: dict[str, Any] = {"domain": "strandline", "activation": activation, "constant": known}
    close("QuantizedGemm", *arrays, **common)
    image, weights = whole("uint8", 2, 4, 9, 7), whole("int8", 6, 2, 3, 3, seed=1)
    arrays[0], arrays[3], arrays[6] = image, weights, np.arange(6, dtype=np.int32) * 50
    close("QuantizedConv", *arrays, group=2, pads=[1, 1, 1, 1], **common)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2])
def test_quantize_and_back(dtype: str, axis: int | None) -> None:
    x = real(3, 5, 37) * 100
    x.flat[:7] = [0.5, 1.5, 2.5, -0.5, 1e30, -1e30, 1e-41]
    shape = () if axis is None else x.shape[axis : axis + 1]
    scale = np.full(shape, 0.5, np.float32) + (np.arange(np.prod(shape)) % 3).reshape(shape)
    zero = whole(dtype, *shape)
    attrs = {} if axis is None else {"axis": axis}
    scale = scale.astype(np.float32)
    check("QuantizeLinear", x, scale, zero, opset=19, **attrs)
    check("DequantizeLinear", whole(dtype, 3, 5, 37), scale, zero, opset=19, **attrs)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int4", "uint4", "int2", "uint2"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("zeros", [False, True])
def test_blocks_come_back(dtype: str, axis: int, zeros: bool) -> None:
    """A scale for every two along the axis; a type of a few bits has each in a byte of its own."""
    rng = np.random.default_rng(2)
    shape = [4, 6, 10]
    few = [size // 2 if i == axis % 3 else size for i, size in enumerate(shape)]
    x, zero = (convert(rng.integers(-9, 9, size), BY_NAME[dtype]) for size in (shape, few))
    scale = rng.uniform(0.1, 1, few).astype(np.float32)
    given = (x, scale, zero) if zeros else (x, scale)
    check("DequantizeLinear", *given, opset=21, axis=axis, block_size=2)


@pytest.mark.parametrize("dtype", ["int4", "uint4"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_a_few_bits_come_back(dtype: str, axis: int | None) -> None:
    x = narrow(np.arange(-24, 24, dtype=np.float32).reshape(6, 8), BY_NAME[dtype])
    size = () if axis is None else (x.shape[axis],)
    zero = narrow(np.full(size, 3, np.float32), BY_NAME[dtype])
    scale = np.asarray(np.linspace(0.1, 1, int(np.prod(size))), np.float32).reshape(size)
    check("DequantizeLinear", x, scale, zero, opset=21, **({} if axis is None else {"axis": axis}))


@pytest.mark.parametrize("code", [TensorProto.INT4, TensorProto.UINT4])
@pytest.mark.parametrize("block", [0, 4])
@pytest.mark.parametrize("half", [False, True])
def test_weights_of_four_bits_need_no_numpy(code: int, block: int, half: bool) -> None:
    """Transposed before they are dequantized, as exporters do."""
    rng, dtype = np.random.default_rng(0), np.float16 if half else np.float32
    low = -8 if code == TensorProto.INT4 else 0
    w, zero = (rng.integers(low, low + 16, size) for size in ((6, 8), (6, 2) if block else (6,)))
    scale = rng.uniform(0.1, 0.5, zero.shape).astype(dtype)
    attrs = {"axis": 1, "block_size": block} if block else {"axis": 0}
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["d"], **attrs),
        helper.make_node("Transpose", ["d"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y"]),
    ]
    type_ = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", type_, ["N", 8])],
        [helper.make_tensor_value_info("y", type_, ["N", 6])],
        [
            helper.make_tensor("w", code, w.shape, w.ravel().tolist()),
            helper.make_tensor("zero", code, zero.shape, zero.ravel().tolist()),
            numpy_helper.from_array(scale, "scale"),
        ],
    )
    imports = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString()
    feeds = {"x": rng.standard_normal((3, 8)).astype(dtype)}
    session = Session(model)
    assert not session.needs_numpy()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    peer = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (want,) = peer.run(None, feeds)
    (got,) = session.run(feeds).values()
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=2e-3 if half else 1e-5, atol=1e-2 if half else 1e-5)


def test_sums_in_32_bits_come_back() -> None:
    x = np.array([2**31 - 1, -(2**31), 0, 5], np.int32)
    check("DequantizeLinear", x, np.asarray(np.float32(0.1)))


@pytest.mark.parametrize("n", [0, 1, 5, 64, 1001])
@pytest.mark.parametrize("low", [-3.0, 0.0, 2.0])
def test_dynamic(n: int, low: float) -> None:
    x = np.random.default_rng(0).uniform(low, 5, n).astype(np.float32)
    check("DynamicQuantizeLinear", x, outputs=3)
    check("DynamicQuantizeLinear", -x, outputs=3)
    check("DynamicQuantizeLinear", np.zeros_like(x), outputs=3)
