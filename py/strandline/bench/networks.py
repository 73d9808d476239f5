"""Networks: those that come with the `onnx` package, with weights made here, and real ones out of
other packages (a checkout's `build/fixtures.py` fetches them)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from strandline.bench.errors import BenchError

Feeds = Mapping[str, "np.ndarray[Any, Any]"]

Network = Callable[[], tuple[bytes, Feeds, Feeds | None]]
"""Gives the model, inputs, and inputs of another shape where the model takes any."""

FIXTURES = Path(__file__).parents[3] / "build" / "fixtures.py"
SEED = 0
VOCABULARY = 30522
"""Word pieces of the MiniLM models."""


def networks() -> Mapping[str, Network]:
    """The benchmark's networks by name; calling one gives the model, inputs of a usual shape, and
    inputs of another shape where the model takes any.

    The call raises BenchError where the model can't be had.
    """
    made: dict[str, Network] = {name: partial(_light, file) for name, file in LIGHT.items()}
    made |= {name: partial(_real, *about) for name, about in REAL.items()}
    return made | {
        name: partial(_quantized, made[base], mode) for name, (base, mode) in QUANTIZED.items()
    }


def _light(file: str) -> tuple[bytes, Feeds, None]:
    from strandline.onnx import read

    model = light_network(file)
    (image,) = read(model).inputs
    shape = [size if isinstance(size, int) else 1 for size in image.shape or ()]
    pixels = np.random.default_rng(SEED).standard_normal(shape, np.float32)
    return model, {image.name: pixels}, None


def _quantized(make: Network, mode: str) -> tuple[bytes, Feeds, Feeds | None]:
    """Another network as `strandline optimize` quantizes it; ranges are those of the case's inputs."""
    from strandline.bundle.optimize import optimize

    model, feeds, other = make()
    calibration = [feeds] if mode == "int8-static" else []
    return optimize(model, mode, calibration, "minmax").data, feeds, other


def _real(
    fixture: str, pattern: str, feeds: Callable[[], Feeds], other: Callable[[], Feeds] | None = None
) -> tuple[bytes, Feeds, Feeds | None]:
    """The ONNX file of a fixture whose name matches."""
    if not FIXTURES.is_file():
        raise BenchError("its package is fetched by build/fixtures.py of a checkout")
    command = [sys.executable, str(FIXTURES), fixture]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError((done.stderr.strip() or "build/fixtures.py failed").splitlines()[-1])
    (path,) = Path(done.stdout.strip()).rglob(pattern)
    return path.read_bytes(), feeds(), None if other is None else other()


def _image(name: str, *shape: int) -> Callable[[], Feeds]:
    """Pixels as the OCR models want them: centred, within -1 and 1."""
    rng = np.random.default_rng(SEED)
    return lambda: {name: rng.uniform(-1, 1, shape).astype(np.float32)}


def _bytes_of(files: int) -> Callable[[], Feeds]:
    rng = np.random.default_rng(SEED)
    return lambda: {"bytes": rng.integers(0, 256, (files, 2048)).astype(np.int32)}


def _sentence(length: int, *extra: str) -> Callable[[], Feeds]:
    """Word pieces, of which the last 16 are padding."""

    def feeds() -> Feeds:
        ids = np.random.default_rng(SEED).integers(1000, VOCABULARY, (1, length))
        mask = (np.arange(length) < length - 16).astype(np.int64)[None]
        return {
            "input_ids": ids * mask,
            "attention_mask": mask,
            **{name: np.zeros_like(ids) for name in extra},
        }

    return feeds


LIGHT: Mapping[str, str] = {
    "SqueezeNet": "squeezenet",
    "ResNet-50": "resnet50",
    "ShuffleNet": "shufflenet",
    "DenseNet-121": "densenet121",
    "Inception v1": "inception_v1",
    "Inception v2": "inception_v2",
}
REAL: Mapping[str, tuple[Any, ...]] = {
    "PP-OCR detection, 640x480": (
        "rapidocr",
        "*_det_infer.onnx",
        _image("x", 1, 3, 480, 640),
        _image("x", 1, 3, 640, 480),
    ),
    "PP-OCR recognition, 320x48": (
        "rapidocr",
        "*_rec_infer.onnx",
        _image("x", 1, 3, 48, 320),
        _image("x", 1, 3, 48, 480),
    ),
    "PP-OCR direction, 192x48": (
        "rapidocr",
        "*_cls_infer.onnx",
        _image("x", 1, 3, 48, 192),
        _image("x", 4, 3, 48, 192),
    ),
    "magika, 2048 bytes": ("magika", "*.onnx", _bytes_of(1), _bytes_of(2)),
    "MiniLM-L3, 128 tokens": ("minilm", "*.onnx", _sentence(128), _sentence(96)),
    "MiniLM-L6, 128 tokens, int8 weights": (
        "minilm-int8",
        "*.onnx",
        _sentence(128, "token_type_ids"),
        _sentence(96, "token_type_ids"),
    ),
}
"""Fixture, pattern of the file's name, inputs, inputs of another shape."""
QUANTIZED: Mapping[str, tuple[str, str]] = {
    "ResNet-50, int8 QDQ": ("ResNet-50", "int8-static"),
    "MiniLM-L3, 128 tokens, int8 dynamic": ("MiniLM-L3, 128 tokens", "int8"),
}
"""What is quantized how; the weights of MiniLM-L6 are int8, but cast to float32 before anything is computed."""


def light_network(file: str) -> bytes:
    """A network that ships with onnx (`light_<file>.onnx`), with weights that mean something.

    There they are all 0.02; here they are random in the scale that keeps signals alive (He et al.
    2015), so that outputs depend on inputs.
    """
    import onnx
    from onnx import numpy_helper

    proto = onnx.load(Path(onnx.__file__).parent / "backend/test/data/light" / f"light_{file}.onnx")
    graph = proto.graph
    proto.ir_version = max(proto.ir_version, 4)  # from which weights need not be inputs, too
    rng = np.random.default_rng(0)
    sizes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    shape_of = {
        node.output[0]: tuple(int(s) for s in sizes[node.input[0]])
        for node in graph.node
        if node.op_type == "ConstantOfShape"
    }
    users = {name: node for node in graph.node for name in node.input}
    branches: set[int] = set()
    for node in graph.node:
        if node.op_type == "Sum":
            ends = [made_by[n] for n in node.input if made_by[n].op_type == "BatchNormalization"]
            branches.update(id(n) for n in ends[:1])
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in shape_of:
                # The factors of a channel come through an Unsqueeze.
                user = users[node.output[0]] if node.op_type == "Unsqueeze" else node
                gain = 2.0 if _rectified(node.input[0], made_by) else 1.0
                if branches and node.op_type == "Gemm":
                    gain = 0.02  # what residual blocks add up to would saturate the softmax
                role = (user.op_type, place)
                value = _weights(shape_of.pop(name), role, gain, id(node) in branches, rng)
                graph.initializer.append(numpy_helper.from_array(value, name))
    kept = [n for n in graph.node if n.op_type != "ConstantOfShape"]
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    held_names = {i.name for i in graph.initializer}
    for held, taken in ((graph.initializer, used), (graph.input, used - held_names)):
        rest = [v for v in held if v.name in taken]
        del held[:]
        held.extend(rest)
    return bytes(proto.SerializeToString())


def of_any_batch(model: bytes) -> bytes:
    """The same network with its first dimension free, as exporters write it when asked: that of inputs
    and outputs, and the leading 1 of what Reshape is told."""
    import onnx
    from onnx import numpy_helper

    proto = onnx.load_from_string(model)
    graph = proto.graph
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for held in graph.initializer:
        if held.name in shapes:
            shape = numpy_helper.to_array(held).copy()
            if shape[0] == 1:
                shape[0] = 0  # the input's own
            held.CopyFrom(numpy_helper.from_array(shape, held.name))
    return bytes(proto.SerializeToString())


_MOVERS = {"MaxPool", "AveragePool", "Concat", "Transpose", "Reshape", "Dropout", "LRN", "Sum"}


def _rectified(name: str, made_by: Mapping[str, Any]) -> bool:
    """Whether a tensor comes from a Relu, through nothing but operators that keep it positive."""
    while name in made_by and made_by[name].op_type in _MOVERS:
        name = made_by[name].input[0]
    return name in made_by and made_by[name].op_type == "Relu"


def _weights(
    shape: tuple[int, ...],
    role: tuple[str, int],
    gain: float,
    branch: bool,
    rng: np.random.Generator,
) -> np.ndarray[Any, Any]:
    """Values for an operator's input: kernels, factors around 1 or offsets around 0. The branch of a
    residual block is kept small, or sixteen of them would outgrow the softmax."""
    if len(shape) > 1:
        deviation = np.sqrt(gain / np.prod(shape[1:]))
        return rng.normal(0, deviation, shape).astype(np.float32)
    if role == ("BatchNormalization", 1) and branch:
        return rng.uniform(0.1, 0.3, shape).astype(np.float32)
    if role in (("BatchNormalization", 1), ("BatchNormalization", 4), ("Mul", 0)):
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    return rng.normal(0, 0.1, shape).astype(np.float32)
