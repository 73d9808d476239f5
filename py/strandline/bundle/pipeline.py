"""Pipeline: the one way from rows to predictions, in batch, online, precomputed, and in the page."""

from __future__ import annotations

import hashlib
import types
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from math import nan
from pathlib import Path
from typing import Any

from strandline.bundle.errors import InputError
from strandline.bundle.manifest import Feature, Feed, Manifest, ManifestError, Output
from strandline.drift import columns as cells
from strandline.drift import vectors
from strandline.drift.columns import Column
from strandline.drift.kinds import are_vectors
from strandline.onnx.source import Source, fetch
from strandline.runtime import Session
from strandline.runtime.feeds import FeedError

ROWS_PER_RUN = 4096
"""Long inputs run in pieces of this many rows, so that the arena stays small."""

_HASHED = 1 << 20
"""Bytes of a model that are hashed at a time, where they lie elsewhere."""

_FORMATS = {"float32": "f", "float64": "d", "int64": "q"}

Columns = Mapping[str, Sequence[Any]]
Read = Callable[[str], bytes | Source]


class Pipeline:
    """A packed model: columns in, predictions by name out.

    Parameters
    ----------
    manifest
        How columns become feeds and outputs become predictions.
    read
        Gives a file of the site by its path from the site's root (`model/model.onnx`): its bytes, or where they are.

    Raises
    ------
    ManifestError
        A file's bytes are not those the manifest was made for, or the preprocess module is unusable.
    """

    def __init__(self, manifest: Manifest, read: Read) -> None:
        self.manifest = manifest
        model = read(manifest.model.file)
        _check(model, manifest.model.file, manifest.model.sha256)
        self.session = Session(model)
        self._ranks = {
            v.name: len(v.shape) if v.shape is not None else 2 for v in self.session.inputs
        }
        one_by_one = any(v.shape is not None and v.shape[:1] == (1,) for v in self.session.inputs)
        self.rows_per_run = 1 if one_by_one else ROWS_PER_RUN
        """Rows the model takes at once: longer inputs run in pieces."""
        self._before: Callable[..., Any] | None = None
        self._after: Callable[..., Any] | None = None
        if manifest.preprocess is not None:
            source = verified(read, manifest.preprocess.file, manifest.preprocess.sha256)
            self._before, self._after = load_preprocess(source, manifest.preprocess.file)

    @classmethod
    def from_site(cls, path: str | Path) -> Pipeline:
        """The pipeline of a packed site on disk."""
        manifest, read = open_site(path)
        return cls(manifest, read)

    def parse(self, table: Any) -> dict[str, Any]:
        """The features' columns as the model sees them.

        Doubles with NaN for what is missing or can't be read as a number, strings with "" for what is
        missing, or a list of vectors, all NaN where one is missing or has another length. Raises
        InputError when a column is not there or columns differ in length.
        """
        try:
            columns = cells.as_columns(table)
        except (TypeError, ValueError) as error:
            raise InputError(str(error)) from error
        missing = [f.name for f in self.manifest.features if f.name not in columns]
        if missing:
            raise InputError(
                f"the rows lack {_list('column', missing)}; "
                f"this model takes {', '.join(f.name for f in self.manifest.features)}"
            )
        return {f.name: _parsed(f, columns[f.name]) for f in self.manifest.features}

    def predict(self, table: Any) -> dict[str, list[Any]]:
        """Predictions by output name, one list of N per output, in the manifest's order.

        `table` is a mapping of columns, a list of dicts, or a pandas, polars or pyarrow table. Columns
        that are no feature of the model are ignored. A cell that is missing, or no number in a numeric
        column, reaches the model as NaN (as "" in a string column). A vector, of a column or a
        prediction, is a list of numbers. Raises InputError.
        """
        parsed = self.parse(table)
        n = len(next(iter(parsed.values()))) if parsed else 0
        if n == 0:
            raise InputError("there are no rows to predict")
        step = self.rows_per_run
        predictions: dict[str, list[Any]] = {o.name: [] for o in self.manifest.outputs}
        for start in range(0, n, step):
            piece = {k: v[start : start + step] for k, v in parsed.items()} if n > step else parsed
            for name, values in self._run(piece, min(step, n - start)).items():
                predictions[name] += values
        return predictions

    def feeds(self, parsed: Columns, n: int) -> Mapping[str, Any]:
        """The model's feeds from parsed columns: the manifest's own, or what the preprocess module's `before` makes."""
        made: Mapping[str, Any] = parsed
        if self._before is not None:
            made = _call("before", self._before, self._lists(parsed))
            if not self.manifest.feeds:
                return made
            for feed in self.manifest.feeds:
                absent = [c for c in feed.columns if c not in made]
                if absent:
                    raise InputError(
                        f"the preprocess module's before() did not return {_list('column', absent)}"
                    )
                again = _fed(feed, made)
                made = {**made, **again}
        return {
            f.input: _tensor(f, made, n, self._ranks.get(f.input, 2)) for f in self.manifest.feeds
        }

    def _lists(self, parsed: Columns) -> dict[str, list[Any]]:
        """Parsed columns as a preprocess module gets them."""
        nested = {f.name for f in self.manifest.features if f.kind == "vector"}
        return {
            k: [list(cell) for cell in v] if k in nested else list(v) for k, v in parsed.items()
        }

    @property
    def has_after(self) -> bool:
        """Whether a preprocess module's `after` makes the predictions from the model's outputs."""
        return self._after is not None

    def results(self, parsed: Columns, n: int) -> Mapping[str, Any]:
        """What predictions are taken from, by name: the model's outputs for parsed columns as nested lists
        (ZipMap outputs as lists of dicts), or what the preprocess module's `after` makes of them.
        """
        try:
            outputs = self.session.run(self.feeds(parsed, n))
        except FeedError as error:
            raise InputError(f"the model does not take these feeds: {error}") from error
        results: Mapping[str, Any] = {
            k: v.tolist() if hasattr(v, "tolist") else v for k, v in outputs.items()
        }
        if self._after is not None:
            results = _call("after", self._after, results, self._lists(parsed))
        return results

    def _run(self, parsed: Columns, n: int) -> dict[str, list[Any]]:
        results = self.results(parsed, n)
        return {o.name: _prediction(o, results, n) for o in self.manifest.outputs}


def open_site(path: str | Path) -> tuple[Manifest, Read]:
    """The manifest of a packed site on disk, and a function that reads its files."""
    root = Path(path)
    try:
        text = (root / "manifest.json").read_bytes()
    except OSError:
        raise ManifestError(
            f"{root} is no packed site: it has no manifest.json (make one: strandline pack)"
        ) from None
    return Manifest.loads(text), lambda name: (root / name).read_bytes()


def verified(read: Read, file: str, sha256: str) -> bytes:
    """The bytes of `file`, if they have this SHA-256. Raises ManifestError."""
    data = read(file)
    if isinstance(data, Source):
        data = bytes(fetch(data, 0, len(data)))
    _check(data, file, sha256)
    return data


def _check(data: bytes | Source, file: str, sha256: str) -> None:
    digest = hashlib.sha256()
    if isinstance(data, Source):
        for start in range(0, len(data), _HASHED):
            digest.update(fetch(data, start, min(start + _HASHED, len(data))))
    else:
        digest.update(data)
    found = digest.hexdigest()
    if found != sha256:
        raise ManifestError(
            f"{file} is not the file this site was packed with (SHA-256 {found[:12]}…, "
            f"the manifest has {sha256[:12]}…): pack or copy the site again"
        )


def load_preprocess(
    source: bytes, name: str
) -> tuple[Callable[..., Any] | None, Callable[..., Any] | None]:
    """Run a preprocess module's source; its `before` and `after` (None where it has none). Raises ManifestError."""
    module = types.ModuleType("strandline_preprocess")
    try:
        exec(compile(source, name, "exec"), module.__dict__)
    except Exception as error:
        raise ManifestError(
            f"the preprocess module {name} does not run: {type(error).__name__}: {error}"
        ) from error
    before, after = getattr(module, "before", None), getattr(module, "after", None)
    if before is None and after is None:
        raise ManifestError(
            f"the preprocess module {name} defines neither before(columns) nor after(outputs, columns)"
        )
    return before, after


def _call(name: str, function: Callable[..., Any], *arguments: Any) -> Mapping[str, Any]:
    try:
        result = function(*arguments)
    except Exception as error:
        raise InputError(
            f"the preprocess module's {name}() failed: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(result, Mapping):
        raise InputError(
            f"the preprocess module's {name}() must return a dict, not {type(result).__name__}"
        )
    return result


def _parsed(feature: Feature, column: Column) -> Sequence[Any]:
    if feature.kind == "vector":
        return vectors_of(column, feature.dimensions or 0)
    return doubles(column) if feature.kind == "numeric" else strings(column)


def _fed(feed: Feed, made: Columns) -> Columns:
    """A feed's columns again, as `before` made them."""
    if feed.dtype == "string":
        return {name: strings(made[name]) for name in feed.columns}
    widths = feed.widths or (1,) * len(feed.columns)
    return {
        name: vectors_of(made[name], width)
        if width > 1 or are_vectors(made[name])
        else doubles(made[name])
        for name, width in zip(feed.columns, widths, strict=True)
    }


def vectors_of(column: Column, dimensions: int) -> list[array[float]]:
    """A column of vectors, each as doubles; NaNs where a cell is none of so many."""
    nothing = array("d", [nan]) * dimensions
    return [vectors.vector(cell, dimensions) or nothing for cell in cells.cells_of(column)]


def doubles(column: Column) -> array[float]:
    """A column as doubles; NaN where a cell is missing or can't be read as a number."""
    values: Any = cells.numbers(column).values
    if isinstance(values, array) and values.typecode == "d":
        return values
    return array("d", values.tolist() if hasattr(values, "tolist") else memoryview(values).tolist())


def strings(column: Column) -> list[str]:
    """A column as text; "" where a cell is missing."""
    return [cell or "" for cell in cells.texts(column)]


def _tensor(feed: Feed, columns: Columns, n: int, rank: int) -> Any:
    """One feed: nested lists of strings, or a memoryview of shape [n, k] ([n] for an input of rank 1)."""
    if feed.dtype == "string":
        if rank == 1:
            return list(columns[feed.columns[0]])
        return [list(row) for row in zip(*(columns[c] for c in feed.columns), strict=True)]
    widths = feed.widths or (1,) * len(feed.columns)
    k = sum(widths)
    data = array(_FORMATS[feed.dtype], bytes(8 * n * k if feed.dtype != "float32" else 4 * n * k))
    start = 0
    for name, width in zip(feed.columns, widths, strict=True):
        column = columns[name]
        if isinstance(column[0], array):
            column = array("d", chain.from_iterable(column))
        values = _converted(feed, name, column)
        for j in range(width):
            data[start + j :: k] = values[j::width]
        start += width
    view = memoryview(data).cast("B")
    shape = (n,) if rank == 1 else (n, k)
    return view.cast(_FORMATS[feed.dtype], shape)  # type: ignore[call-overload]


def _converted(feed: Feed, name: str, column: Sequence[float]) -> array[Any]:
    if feed.dtype != "int64":
        return array(_FORMATS[feed.dtype], column)
    try:
        whole = array("q", map(int, column))
    except (ValueError, OverflowError):
        whole = array("q")
    if len(whole) != len(column) or any(a != b for a, b in zip(whole, column, strict=True)):
        at = next(
            i
            for i, v in enumerate(column)
            if v != v or v in _INFINITE or abs(v) >= 2**63 or int(v) != v
        )
        row = at // (feed.widths[feed.columns.index(name)] if feed.widths else 1)
        raise InputError(f"column {name!r} takes whole numbers, row {row + 1} has {column[at]}")
    return whole


_INFINITE = (float("inf"), float("-inf"))


def _prediction(output: Output, results: Mapping[str, Any], n: int) -> list[Any]:
    if output.source not in results:
        raise InputError(f"the preprocess module's after() returned no {output.source!r}")
    rows = results[output.source]
    if not isinstance(rows, list) or len(rows) != n:
        found = len(rows) if isinstance(rows, list) else "no"
        raise InputError(f"output {output.source!r} has {found} rows for {n} rows of input")
    return _vectors(output, rows) if output.kind == "vector" else column_of(rows, output.column)


def _vectors(output: Output, rows: list[Any]) -> list[list[float]]:
    try:
        return [row if type(row) is list else list(map(float, row)) for row in rows]
    except (TypeError, ValueError):
        raise InputError(f"output {output.source!r} is to be a list of numbers per row") from None


def column_of(rows: list[Any], column: int | None) -> list[Any]:
    """One value per row from scalars, rows of values, or ZipMap's dicts (in their order of classes)."""
    if isinstance(rows[0], dict):
        return [list(r.values())[column or 0] for r in rows]
    if isinstance(rows[0], list):
        return [r[column or 0] for r in rows]
    return rows


def _list(word: str, names: Sequence[str]) -> str:
    return f"{word}{'s' if len(names) > 1 else ''} {', '.join(names)}"
