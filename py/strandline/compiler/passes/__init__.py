"""Graph -> Graph: each pass pure and idempotent; none knows a run's shapes."""

from __future__ import annotations

from strandline.compiler.passes.affine import fold_affine
from strandline.compiler.passes.attention import fuse_attention
from strandline.compiler.passes.clean import remove_identities
from strandline.compiler.passes.compose import compose_activations
from strandline.compiler.passes.dead import remove_dead
from strandline.compiler.passes.distances import compose_distances
from strandline.compiler.passes.fold import fold_constants
from strandline.compiler.passes.fuse import fuse_activation, fuse_bias, fuse_residual
from strandline.compiler.passes.integers import keep_integers
from strandline.compiler.passes.norm import compose_norm, fuse_sum_norm
from strandline.compiler.passes.quantized import fuse_quantized
from strandline.compiler.passes.transposes import cancel_transposes
from strandline.compiler.passes.widen import widen_halves
from strandline.compiler.store import Store
from strandline.onnx.graph import Graph

__all__ = [
    "cancel_transposes",
    "compose_activations",
    "compose_distances",
    "compose_norm",
    "fold_affine",
    "fold_constants",
    "fuse_activation",
    "fuse_attention",
    "fuse_bias",
    "fuse_quantized",
    "fuse_residual",
    "fuse_sum_norm",
    "keep_integers",
    "optimise",
    "remove_dead",
    "remove_identities",
    "widen_halves",
]


def optimise(graph: Graph, store: Store) -> Graph:
    """All passes, in the order in which they feed each other."""
    graph = widen_halves(remove_dead(graph))
    graph = remove_identities(graph)
    graph = fold_constants(graph, store, keep=("DequantizeLinear",))
    graph = fuse_quantized(compose_distances(graph), store)
    graph = keep_integers(remove_dead(remove_identities(graph)), store)
    graph = remove_identities(graph)
    graph = fold_constants(remove_dead(graph), store)
    graph = compose_norm(graph)
    graph = compose_activations(graph)
    graph = remove_identities(cancel_transposes(remove_dead(graph), store))
    graph = fold_affine(graph, store)
    graph = fuse_attention(graph)
    graph = remove_dead(graph)
    graph = fuse_bias(graph)
    graph = fuse_residual(graph)
    graph = fuse_activation(graph)
    graph = fuse_sum_norm(graph)
    return remove_dead(graph)
