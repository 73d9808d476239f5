"""What a model is calibrated and compared with: rows of a file, or numbers made up for its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from strandline.bundle.errors import InputError, PackError
from strandline.bundle.mapping import feeds_of
from strandline.bundle.tables import read_table
from strandline.onnx.graph import Graph, ValueInfo

ROWS = 64
"""Rows fed at once where the model takes any number."""
BATCHES = 32
"""Batches taken from a file, spread over all of it."""
UNKNOWN = 32
"""The size of axes that the model leaves open."""

Feeds = Mapping[str, Any]


def batches_of(
    graph: Graph, path: Path | None, features: Sequence[str] | None = None
) -> list[Feeds]:
    """Feeds from a .npz (arrays by input name, their first axis the samples), a .csv or a .parquet;
    without a file numbers made up from a fixed seed. Raises InputError or PackError."""
    if path is None:
        return [_made_up(graph, seed) for seed in range(4)]
    is_npz = path.suffix == ".npz"
    arrays = _npz(graph, path) if is_npz else _columns(graph, read_table(path), features)
    rows = min(len(array) for array in arrays.values())
    if not rows:
        raise InputError(f"{path} holds no rows")
    at_once = _at_once(graph)
    starts = range(0, rows - min(at_once, rows) + 1, at_once)
    chosen = starts[:: max(1, len(starts) // BATCHES)][:BATCHES]
    return [{name: a[i : i + at_once] for name, a in arrays.items()} for i in chosen]


def _at_once(graph: Graph) -> int:
    for info in graph.inputs:
        if info.shape and isinstance(info.shape[0], int):
            return info.shape[0]
    return ROWS


def _npz(graph: Graph, path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    with np.load(path, allow_pickle=False) as held:
        missing = [info.name for info in graph.inputs if info.name not in held]
        if missing:
            raise InputError(
                f"{path} has no array {', '.join(missing)}: it needs one for each of the model's inputs"
            )
        return {info.name: _typed(held[info.name], info) for info in graph.inputs}


def _columns(
    graph: Graph, table: Mapping[str, list[Any]], features: Sequence[str] | None
) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    infos = {info.name: info for info in graph.inputs}
    for feed in feeds_of(graph.inputs, list(table), features):
        columns = [_column(table[name], infos[feed.input]) for name in feed.columns]
        array = np.stack(columns, axis=1)
        flat = infos[feed.input].shape is not None and len(infos[feed.input].shape or ()) == 1
        arrays[feed.input] = array[:, 0] if flat else array
    return arrays


def _column(cells: Sequence[Any], info: ValueInfo) -> Any:
    if info.dtype is not None and info.dtype.name == "string":
        return np.array(["" if cell is None else str(cell) for cell in cells], object)

    def number(cell: Any) -> float:
        try:
            return float("nan" if cell in (None, "") else cell)
        except ValueError:
            return float("nan")

    values = np.array([number(cell) for cell in cells])
    if info.dtype is not None and info.dtype.is_integer:
        values = np.nan_to_num(values)
    return _typed(values, info)


def _typed(array: Any, info: ValueInfo) -> Any:
    if info.dtype is None or info.dtype.name == "string":
        return array
    return array.astype(info.dtype.numpy)


def _made_up(graph: Graph, seed: int) -> Feeds:
    """Normal numbers; whole ones below 100, masks of ones: real data tell more."""
    rng = np.random.default_rng(seed)
    feeds: dict[str, Any] = {}
    named: dict[str, int] = {}
    for info in graph.inputs:
        if info.dtype is None or info.kind != "tensor" or info.dtype.name == "string":
            raise PackError(f"input {info.name!r} cannot be made up: give a file of rows")
        shape = []
        for axis, size in enumerate(info.shape or ()):
            if isinstance(size, int):
                shape.append(size)
            else:
                filler = 8 if axis == 0 else UNKNOWN
                shape.append(named.setdefault(size, filler) if size else filler)
        if info.dtype.name == "bool" or "mask" in info.name:
            feeds[info.name] = np.ones(shape, info.dtype.numpy)
        elif info.dtype.is_integer:
            high = 2 if "type" in info.name else 100
            feeds[info.name] = rng.integers(0, high, shape).astype(info.dtype.numpy)
        else:
            feeds[info.name] = rng.standard_normal(shape).astype(info.dtype.numpy)
    return feeds
