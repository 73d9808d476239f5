"""Tree ensembles: the model's lists flattened once per session, then one kernel call per run and its tail."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strandline import core
from strandline.compiler.lower.binary import pair
from strandline.compiler.lower.classes import (
    LOGISTIC_PAIR,
    NEGATIVE,
    ONE_MINUS,
    Labels,
    best,
    outputs_of,
    transform,
)
from strandline.compiler.lower.convert import as_type, cast
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Constant, Node
from strandline.onnx.types import DType, bool_, float32, float64, int32, int64, uint8
from strandline.ops.ml_linear import rows_of
from strandline.ops.rules import ints, strings

ML = "ai.onnx.ml"

_MODES = {
    "BRANCH_LEQ": 0,
    "BRANCH_LT": 1,
    "BRANCH_GTE": 2,
    "BRANCH_GT": 3,
    "BRANCH_EQ": 4,
    "BRANCH_NEQ": 5,
    "BRANCH_MEMBER": 6,
    "LEAF": 7,
}
_LEAF, _NO_MODE = _MODES["LEAF"], 255
_SUM, _LEAST, _GREATEST = range(3)
_MIXED = 2
"""Of what the core tells of a forest's tests: more than one kind."""
_TOP_WORDS = 128
"""Of the top of a tree (`sl_forest_top`)."""
_AGGREGATES = {"SUM": _SUM, "AVERAGE": _SUM, "MIN": _LEAST, "MAX": _GREATEST}
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")

Lists = Mapping[str, Any]
"""Arguments of core.flatten_forest."""


def _numbers(values: Any, code: str) -> Any:
    """A list attribute as an aligned buffer of `code` elements ('q', 'f' or 'd')."""
    if values is None:
        return array(code)
    if isinstance(values, Constant):
        values = values.data.cast("B").cast(values.dtype.format)  # type: ignore[call-overload]
    if isinstance(values, memoryview) and values.format == code:
        if isinstance(values.obj, core.Tensor):
            return values
        copy = array(code)
        copy.frombytes(values.cast("B"))
        return copy
    return array(code, values.tolist() if hasattr(values, "tolist") else values)


def _either(attrs: Mapping[str, Any], name: str, code: str) -> Any:
    """Reals that come as a float list or as a tensor of either precision; the tensor wins."""
    tensor = attrs.get(f"{name}_as_tensor")
    return _numbers(attrs.get(name) if tensor is None else tensor, code)


def lists_of(attrs: Mapping[str, Any], kind: str, code: str, modes: memoryview) -> dict[str, Any]:
    """The lists of TreeEnsembleClassifier (`kind` "class") or TreeEnsembleRegressor ("target")."""
    return {
        "tree": _numbers(attrs["nodes_treeids"], "q"),
        "id": _numbers(attrs["nodes_nodeids"], "q"),
        "mode": modes,
        "feature": _numbers(attrs["nodes_featureids"], "q"),
        "value": _either(attrs, "nodes_values", code),
        "yes": _numbers(attrs["nodes_truenodeids"], "q"),
        "no": _numbers(attrs["nodes_falsenodeids"], "q"),
        "missing": _numbers(attrs["nodes_missing_value_tracks_true"], "q"),
        "members": None,
        "roots": None,
        "weight_tree": _numbers(attrs[f"{kind}_treeids"], "q"),
        "weight_id": _numbers(attrs[f"{kind}_nodeids"], "q"),
        "target": _numbers(attrs[f"{kind}_ids"], "q"),
        "weight": _either(attrs, f"{kind}_weights", code),
    }


def lists_of_tensors(attrs: Mapping[str, Any], code: str) -> dict[str, Any]:
    """The lists of TreeEnsemble, whose leaves are numbered apart from its branches: they follow them here."""
    modes = bytes(ints(attrs["nodes_modes"]))
    targets = _numbers(attrs["leaf_targetids"], "q")
    branches, leaves = len(modes), memoryview(targets).nbytes // 8
    nothing = array("q", bytes(8 * leaves))

    def children(ids: str, flags: str) -> Any:
        pairs = zip(ints(attrs[ids]), ints(attrs[flags]), strict=True)
        return array("q", [i + branches if leaf else i for i, leaf in pairs]) + nothing

    values = array(code, _numbers(attrs["nodes_splits"], code)) + array(code, [0.0] * leaves)
    members = attrs["membership_values"]
    return {
        "tree": None,
        "id": None,
        "mode": modes + bytes([_LEAF]) * leaves,
        "feature": array("q", ints(attrs["nodes_featureids"])) + nothing,
        "value": values,
        "yes": children("nodes_truenodeids", "nodes_trueleafs"),
        "no": children("nodes_falsenodeids", "nodes_falseleafs"),
        "missing": _numbers(attrs["nodes_missing_value_tracks_true"], "q"),
        "members": None if members is None else _numbers(members, code),
        "roots": _numbers(attrs["tree_roots"], "q"),
        "weight_tree": None,
        "weight_id": array("q", range(branches, branches + leaves)),
        "target": targets,
        "weight": _numbers(attrs["leaf_weights"], code),
    }


@dataclass(frozen=True, slots=True)
class Forest:
    """The constants of a flattened forest and what the kernel must be told of them."""

    tensors: tuple[str, ...]
    dtype: DType
    targets: int
    features: int
    nodes: int
    roots: int
    leaves: int
    weights: int
    tests: int
    lone: bool
    complete: bool


def forest(
    low: Lowering, name: str, dtype: DType, targets: int, lists: Callable[[], Lists]
) -> Forest:
    """Flatten the lists, once per session under `name`. Raises ValueError when they make no forest."""
    made: list[tuple[Any, ...]] = []
    wide = dtype is float64

    def flat() -> tuple[Any, ...]:
        if not made:
            made.append(core.flatten_forest(wide, targets, **lists()))
        return made[0]

    def part(index: int, type_: DType) -> str:
        def make() -> tuple[DType, Sequence[int], Any]:
            tensor = flat()[index]
            return type_, tensor.shape, tensor

        return low.derived(("forest", name, dtype.name, index), make)

    def facts() -> tuple[DType, Sequence[int], Any]:
        numbers = [int(v) for v in flat()[5:]]
        return int64, (len(numbers),), numbers

    types = (int32, int32, int32, int32, dtype)
    tensors = tuple(part(i, type_) for i, type_ in enumerate(types))
    described = low.value(low.derived(("forest", name, dtype.name, "facts"), facts))
    assert described is not None
    features, tests, lone, complete = described.flat()
    sizes = [low.type(tensor).size for tensor in tensors]

    def tops() -> tuple[DType, Sequence[int], Any]:
        made, scratch = (core.Tensor("i", [n]) for n in (_TOP_WORDS * roots, 2 * nodes))
        core.call("forest_tops_f32", flat()[:2], [made, scratch], nodes, roots, int(lone))
        return int32, made.shape, made

    nodes, roots = sizes[0] // (6 if wide else 4), sizes[1] // 2
    key = ("forest", name, dtype.name, "tops")
    tensors += ("" if wide or tests == _MIXED else low.derived(key, tops),)
    return Forest(
        tensors,
        dtype,
        targets,
        features,
        nodes,
        roots,
        sizes[2] - 1,
        sizes[3],
        tests,
        bool(lone),
        bool(complete),
    )


def walk(low: Lowering, trees: Forest, x: str, scores: str, touched: str, join: int) -> None:
    """Emit the forest over the rows of `x` (of the forest's type)."""
    rows, features = rows_of(low.type(x).shape)
    low.emit(
        "forest_f64" if trees.dtype is float64 else "forest_f32",
        (x, *trees.tensors),
        (scores, touched),
        rows,
        features,
        trees.targets,
        trees.nodes,
        trees.roots,
        trees.leaves,
        trees.weights,
        trees.tests,
        int(trees.lone),
        join,
    )


def _name(node: Node) -> str:
    return next(name for name in node.outputs if name)


def _compared(low: Lowering, node: Node) -> DType:
    """The type in which rows and thresholds meet, as onnxruntime has it: double only if the rows are."""
    return float64 if low.type(node.inputs[0]).dtype is float64 else float32


def _servable(low: Lowering, node: Node) -> bool:
    x = low.type(node.inputs[0])
    if not (x.dtype.is_float or x.dtype.is_integer) or len(x.shape) not in (1, 2):
        return False
    return rows_of(x.shape)[1] > 0


def _modes(low: Lowering, node: Node) -> memoryview | None:
    """The nodes' modes by number, looked up once per session; None when one has no number."""

    def make() -> tuple[DType, Sequence[int], Any]:
        modes = strings(low.attrs["nodes_modes"])
        numbers = {mode: _MODES.get(mode, _NO_MODE) for mode in set(modes)}
        return uint8, (len(modes),), bytes(map(numbers.__getitem__, modes))

    constant = low.value(low.derived(("forest", _name(node), "modes"), make))
    assert constant is not None
    return None if _NO_MODE in constant.data.tobytes() else constant.data


def _base_values(attrs: Mapping[str, Any]) -> list[float]:
    base: list[float] = list(_either(attrs, "base_values", "d"))
    return base


def _scores(
    low: Lowering, node: Node, trees: Forest, aggregate: str, base: Sequence[float], target: str
) -> str:
    """Emit the forest, the average and the base values; the marks of touched targets, or ""."""
    join = _AGGREGATES[aggregate]
    rows, _ = rows_of(low.type(node.inputs[0]).shape)
    marked = not trees.lone and (join != _SUM or not trees.complete)
    touched = low.temp(bool_, (rows, trees.targets)) if marked else ""
    walk(low, trees, as_type(low, node.inputs[0], trees.dtype), target, touched, join)
    if aggregate == "AVERAGE":
        count = low.constant(trees.dtype, (), [float(max(trees.roots, 1))])
        pair(low, "div", target, count, target)
    if base:
        offset = low.constant(trees.dtype, (len(base),), [float(v) for v in base])
        pair(low, "add", target, offset, target)
    return "" if base else touched


def _narrow(low: Lowering, scores: str) -> str:
    """`scores` as float32."""
    return as_type(low, scores, float32)


def _summed(
    low: Lowering,
    node: Node,
    lists: Callable[[str], Lists],
    aggregate: str,
    base: Sequence[float],
    post: str,
) -> bool:
    """A regressor: scores, transformed, in the output's type."""
    dtype = _compared(low, node)
    y = low.type(node.outputs[0])
    targets = low.attrs["n_targets"]
    if len(base) not in (0, 1, targets) or aggregate not in _AGGREGATES:
        return False
    trees = forest(low, _name(node), dtype, targets, lambda: lists(dtype.format))
    rows, features = rows_of(low.type(node.inputs[0]).shape)
    if trees.features > features:
        return False
    direct = y.dtype is dtype and post == "NONE"
    scores = node.outputs[0] if direct else low.temp(dtype, (rows, targets))
    _scores(low, node, trees, aggregate, base, scores)
    if direct:
        return True
    if post == "NONE":
        cast(low, scores, node.outputs[0])
        return True
    narrow = _narrow(low, scores)
    made = node.outputs[0] if y.dtype is float32 else low.temp(float32, (rows, targets))
    transform(low, narrow, made, rows, targets, post)
    if made != node.outputs[0]:
        cast(low, made, node.outputs[0])
    return True


@lower("TreeEnsembleRegressor", domain=ML)
def regressor(node: Node, low: Lowering) -> bool:
    attrs = low.attrs
    modes = _modes(low, node) if _servable(low, node) else None
    if modes is None:
        return False
    return _summed(
        low,
        node,
        lambda code: lists_of(attrs, "target", code, modes),
        attrs["aggregate_function"],
        _base_values(attrs),
        attrs["post_transform"],
    )


@lower("TreeEnsemble", domain=ML)
def ensemble(node: Node, low: Lowering) -> bool:
    attrs = low.attrs
    if not _servable(low, node):
        return False
    aggregate = ("AVERAGE", "SUM", "MIN", "MAX")[attrs["aggregate_function"]]
    post = _TRANSFORMS[attrs["post_transform"]]
    return _summed(low, node, lambda code: lists_of_tensors(attrs, code), aggregate, (), post)


@lower("TreeEnsembleClassifier", domain=ML)
def classifier(node: Node, low: Lowering) -> bool:
    attrs = low.attrs
    modes = _modes(low, node) if _servable(low, node) else None
    if modes is None:
        return False
    labels = Labels(low, attrs["classlabels_strings"], ints(attrs["classlabels_int64s"]))
    if labels.count < 2:
        return False
    dtype, base = _compared(low, node), _base_values(attrs)
    only, certain = _classes(low, node)
    alone = labels.count == 2 and only == 0 and len(base) < 2
    targets = 1 if alone else labels.count
    if len(base) not in (0, targets) or (labels.count == 2 and only == 1 and not base):
        return False

    def lists() -> Lists:
        made = lists_of(attrs, "class", dtype.format, modes)
        return made | {"target": array("q", bytes(8 * len(made["target"])))} if alone else made

    trees = forest(low, _name(node), dtype, targets, lists)
    rows, features = rows_of(low.type(node.inputs[0]).shape)
    if trees.features > features:
        return False
    chosen, scores = outputs_of(low, node, rows, labels, labels.count)
    sums = low.temp(dtype, (rows, targets))
    if alone:
        _scores(low, node, trees, "SUM", (), sums)
        offset = float(base[-1]) if base else 0.0
        _one_score(low, _narrow(low, sums), labels, (chosen, scores), offset, certain)
        return True
    touched = _scores(low, node, trees, "SUM", base, sums)
    narrow = _narrow(low, sums)
    size = (rows, targets, labels.dtype.itemsize)
    best(low, narrow, touched, labels.constant(), chosen, size)
    transform(low, narrow, scores, rows, targets, attrs["post_transform"])
    return True


def _classes(low: Lowering, node: Node) -> tuple[int, bool]:
    """The only class that leaf values speak of (-1: they speak of several), and whether none is negative
    (looked up once per session)."""
    attrs = low.attrs

    def make() -> tuple[DType, Sequence[int], Any]:
        spoken = set(memoryview(_numbers(attrs["class_ids"], "q")))
        weights = _either(attrs, "class_weights", "d")
        only = spoken.pop() if len(spoken) == 1 else -1
        return int64, (2,), [only, int(min(weights, default=0.0) >= 0)]

    constant = low.value(low.derived(("forest", _name(node), "classes"), make))
    assert constant is not None
    only, certain = constant.flat()
    return only, bool(certain)


def _one_score(
    low: Lowering, sums: str, labels: Labels, to: tuple[str, str], offset: float, certain: bool
) -> None:
    """Two classes, but leaf values of one only: a probability when no weight is negative, else a margin."""
    rows, _ = low.type(sums).shape
    kind, threshold = (ONE_MINUS, 0.5) if certain else (NEGATIVE, 0.0)
    if low.attrs["post_transform"] == "LOGISTIC":
        kind = LOGISTIC_PAIR
    low.emit(
        "two_classes_f32",
        (sums, labels.constant()),
        to,
        rows,
        1,
        0,
        labels.dtype.itemsize,
        kind,
        offset,
        threshold,
    )
