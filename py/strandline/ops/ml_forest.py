"""Tree ensembles as flat arrays, whichever of ONNX-ML's encodings they come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strandline._lazy import np
from strandline.ops.registry import Array
from strandline.ops.rules import strings

MODES = (
    "BRANCH_LEQ",
    "BRANCH_LT",
    "BRANCH_GTE",
    "BRANCH_GT",
    "BRANCH_EQ",
    "BRANCH_NEQ",
    "BRANCH_MEMBER",
)
LEAF = len(MODES)


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """All trees' nodes in one numbering; a leaf is its own child.

    `start[i]:start[i + 1]` are the places of node i's leaf values in `target` (which output) and
    `weight`. `sets` holds, for the member nodes, the set that each tests against.
    """

    roots: Array
    mode: Array
    feature: Array
    threshold: Array
    missing_is_true: Array
    yes: Array
    no: Array
    start: Array
    target: Array
    weight: Array
    sets: Mapping[int, Array]

    def leaves(self, x: Array) -> Array:
        """The leaf that each row of `x` [N, F] reaches in each tree: [N, T]. A NaN is a missing
        value."""
        place = np.broadcast_to(self.roots, (len(x), len(self.roots))).copy()
        rows = np.arange(len(x))[:, None]
        used = [m for m in range(LEAF) if (self.mode == m).any()]
        for _ in range(len(self.mode) + 1):
            mode = self.mode[place]
            if (mode == LEAF).all():
                return place
            value, limit = x[rows, self.feature[place]], self.threshold[place]
            go = np.zeros(place.shape, bool)
            for m in used:
                go |= (mode == m) & self._test(m, value, limit, place)
            go |= np.isnan(value) & self.missing_is_true[place]
            place = np.where(go, self.yes[place], self.no[place])
        raise ValueError("a tree whose branches lead back to themselves")

    def _test(self, mode: int, value: Array, limit: Array, place: Array) -> Array:
        if MODES[mode] == "BRANCH_MEMBER":
            result = np.zeros(place.shape, bool)
            for node, members in self.sets.items():
                here = place == node
                result[here] = np.isin(value[here], members)
            return result
        compare = (np.less_equal, np.less, np.greater_equal, np.greater, np.equal, np.not_equal)
        return compare[mode](value, limit)


def sums(forest: Forest, leaves: Array, outputs: int, dtype: Any, how: str) -> tuple[Array, Array]:
    """What the trees add up to per row and output, tree after tree in `dtype` ("SUM", "AVERAGE",
    "MIN" or "MAX"), and which outputs got anything at all: two [N, outputs]."""
    scores = np.zeros((len(leaves), outputs), dtype)
    touched = np.zeros(scores.shape, bool)
    weight = forest.weight.astype(dtype)
    count = np.diff(forest.start)
    rows = np.arange(len(leaves))
    for tree in range(leaves.shape[1]):
        leaf = leaves[:, tree]
        for k in range(int(count[leaf].max(initial=0))):
            has = count[leaf] > k
            entry = forest.start[leaf[has]] + k
            cell = rows[has], forest.target[entry]
            if how == "MIN":
                scores[cell] = np.where(
                    touched[cell], np.minimum(scores[cell], weight[entry]), weight[entry]
                )
            elif how == "MAX":
                scores[cell] = np.where(
                    touched[cell], np.maximum(scores[cell], weight[entry]), weight[entry]
                )
            else:
                scores[cell] += weight[entry]
            touched[cell] = True
    if how == "AVERAGE":
        scores /= np.asarray(leaves.shape[1], dtype)
    return scores, touched


def _numbers(attrs: Mapping[str, Any], name: str) -> Array:
    """Reals that come as float32 list or as a tensor of either precision; the tensor wins."""
    tensor = attrs.get(name + "_as_tensor")
    if tensor is not None:
        return tensor.array().ravel()
    held = attrs.get(name)
    return np.asarray(held if held is not None else [], np.float32)


def _integers(values: Any) -> Array:
    return np.asarray(values if values is not None else [], np.int64)


def _csr(node: Array, target: Array, weight: Array, nodes: int) -> tuple[Array, Array, Array]:
    """Leaf values sorted by node, in their own order within one."""
    order = np.argsort(node, kind="stable")
    start = np.zeros(nodes + 1, np.int64)
    np.cumsum(np.bincount(node, minlength=nodes), out=start[1:])
    return start, target[order], weight[order]


def from_lists(attrs: Mapping[str, Any], kind: str) -> Forest:
    """The forest of TreeEnsembleClassifier (`kind` "class") or TreeEnsembleRegressor ("target").

    Raises ValueError when lists disagree in length or a branch leads nowhere.
    """
    tree, local = _integers(attrs["nodes_treeids"]), _integers(attrs["nodes_nodeids"])
    nodes = len(tree)
    names = strings(attrs["nodes_modes"])
    if not nodes == len(local) == len(names):
        raise ValueError(f"{nodes} tree ids, {len(local)} node ids and {len(names)} modes of nodes")
    span = int(local.max(initial=0)) + 1
    key = tree * span + local
    order = np.argsort(key, kind="stable")
    ranked = key[order]

    def find(trees: Array, ids: Array) -> Array:
        wanted = trees * span + ids
        place = np.minimum(np.searchsorted(ranked, wanted), nodes - 1)
        if ((ids < 0) | (ids >= span) | (ranked[place] != wanted)).any():
            raise ValueError("a branch or a leaf value names a node that its tree does not have")
        return order[place]

    number = {name: i for i, name in enumerate(MODES)} | {"LEAF": LEAF}
    mode = np.asarray([number[name] for name in names], np.int64)
    own = np.arange(nodes)
    inner = mode != LEAF
    yes, no = own.copy(), own.copy()
    yes[inner] = find(tree[inner], _integers(attrs["nodes_truenodeids"])[inner])
    no[inner] = find(tree[inner], _integers(attrs["nodes_falsenodeids"])[inner])
    roots = np.unique(tree, return_index=True)[1]  # a tree's first node, as onnxruntime has it
    missing = np.zeros(nodes, bool)
    tracks = _integers(attrs["nodes_missing_value_tracks_true"])
    missing[: len(tracks)] = tracks != 0
    leaf = find(_integers(attrs[kind + "_treeids"]), _integers(attrs[kind + "_nodeids"]))
    start, target, weight = _csr(
        leaf, _integers(attrs[kind + "_ids"]), _numbers(attrs, kind + "_weights"), nodes
    )
    return Forest(
        roots=roots,
        mode=mode,
        feature=_integers(attrs["nodes_featureids"]),
        threshold=_numbers(attrs, "nodes_values"),
        missing_is_true=missing,
        yes=yes,
        no=no,
        start=start,
        target=target,
        weight=weight,
        sets={},
    )


def from_tensors(attrs: Mapping[str, Any]) -> Forest:
    """The forest of TreeEnsemble, whose leaves are numbered apart from its branches: they follow
    them here."""
    threshold = attrs["nodes_splits"].array().ravel()
    mode = attrs["nodes_modes"].array().ravel().astype(np.int64)
    targets = _integers(attrs["leaf_targetids"])
    branches, leaves = len(mode), len(targets)
    own = np.arange(branches + leaves)

    def children(ids: str, leaf_flags: str) -> Array:
        child, is_leaf = _integers(attrs[ids]), _integers(attrs[leaf_flags])
        if (child < 0).any() or (child >= np.where(is_leaf, leaves, branches)).any():
            raise ValueError("a branch of TreeEnsemble names a node that is not there")
        return np.concatenate((child + np.where(is_leaf, branches, 0), own[branches:]))

    filler = np.zeros(leaves, np.int64)
    missing = np.zeros(branches + leaves, bool)
    tracks = _integers(attrs["nodes_missing_value_tracks_true"])
    missing[: len(tracks)] = tracks != 0
    sets: dict[int, Array] = {}
    members = attrs["membership_values"]
    if members is not None:
        values = members.array().ravel()
        ends = np.flatnonzero(np.isnan(values))
        pieces = np.split(values, ends)
        member_nodes = np.flatnonzero(mode == MODES.index("BRANCH_MEMBER"))
        for node, piece in zip(member_nodes, pieces, strict=False):
            sets[int(node)] = piece[~np.isnan(piece)]
    start, target, weight = _csr(
        own[branches:], targets, attrs["leaf_weights"].array().ravel(), branches + leaves
    )
    return Forest(
        roots=_integers(attrs["tree_roots"]),
        mode=np.concatenate((mode, filler + LEAF)),
        feature=np.concatenate((_integers(attrs["nodes_featureids"]), filler)),
        threshold=np.concatenate((threshold, filler.astype(threshold.dtype))),
        missing_is_true=missing,
        yes=children("nodes_truenodeids", "nodes_trueleafs"),
        no=children("nodes_falsenodeids", "nodes_falseleafs"),
        start=start,
        target=target,
        weight=weight,
        sets=sets,
    )
