"""`manifest.json`: what a packed site holds, how rows become feeds, and how outputs become predictions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

SCHEMA = "strandline.manifest/1"
KINDS = ("numeric", "categorical", "vector")
FEED_DTYPES = ("float32", "float64", "int64", "string")

T = TypeVar("T")


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names the member and what it should be."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the rows a user gives. `default` fills a form; `min` and `max` are the reference's range,
    `dimensions` is how many numbers a vector has.
    """

    name: str
    kind: str
    default: float | str | tuple[float, ...] | None = None
    min: float | None = None
    max: float | None = None
    categories: tuple[str, ...] = ()
    dimensions: int | None = None

    def to_json(self) -> dict[str, Any]:
        default = list(self.default) if isinstance(self.default, tuple) else self.default
        common = {"name": self.name, "kind": self.kind, "default": default}
        if self.kind == "vector":
            return {**common, "dimensions": self.dimensions}
        if self.kind == "categorical":
            return {**common, "categories": list(self.categories)}
        return {**common, "min": self.min, "max": self.max}


@dataclass(frozen=True, slots=True)
class Feed:
    """One model input: a tensor [rows, sum(widths)] of `dtype` made of `columns` in this order."""

    input: str
    dtype: str
    columns: tuple[str, ...]
    widths: tuple[int, ...] = ()
    """How many numbers of a row each column has; empty: one each, as all but vectors do."""

    def to_json(self) -> dict[str, Any]:
        widths = {"widths": list(self.widths)} if self.widths else {}
        return {"input": self.input, "dtype": self.dtype, "columns": list(self.columns), **widths}


@dataclass(frozen=True, slots=True)
class Output:
    """One prediction per row: model output `source`, or its column number `column` when it has several; a vector is
    all of its columns.
    """

    name: str
    kind: str
    source: str
    column: int | None = None

    def to_json(self) -> dict[str, Any]:
        column = {} if self.column is None else {"column": self.column}
        return {"name": self.name, "kind": self.kind, "from": self.source, **column}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the site by its path from the site's root, and the SHA-256 of its bytes in hexadecimal."""

    file: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return {"file": self.file, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Collector:
    """Where profiles are posted, and the publishable key that lets a page write there and nothing else."""

    url: str
    key: str

    def to_json(self) -> dict[str, Any]:
        return {"url": self.url, "key": self.key}


@dataclass(frozen=True, slots=True)
class Window:
    """A profile is closed and queued after this many rows or seconds, whichever comes first."""

    rows: int = 500
    seconds: float = 60

    def to_json(self) -> dict[str, Any]:
        return {"rows": self.rows, "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole manifest. `feeds` is empty when the preprocess module makes the model's feeds itself."""

    name: str
    version: str
    strandline: str
    created: str
    model: File
    needs_numpy: bool
    features: tuple[Feature, ...]
    feeds: tuple[Feed, ...]
    outputs: tuple[Output, ...]
    reference: File
    segments: tuple[Feature, ...] = ()
    """Columns that split the rows: their values; they need not be features."""
    counters: tuple[str, ...] = ()
    """Names that the page may count under."""
    target: str | None = None
    """What labels are of, when they come; None: none do."""
    preprocess: File | None = None
    collector: Collector | None = None
    window: Window = Window()
    pyodide: str = "pyodide/"
    wheels: Mapping[str, str | None] = field(default_factory=dict)
    plan: File | None = None
    """The model's plan for one row, for the core without Python; None when the core alone can't run it."""
    core: Mapping[str, str] = field(default_factory=dict)
    """That core, by `simd128` and `relaxed`."""
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Path -> (SHA-256, size in bytes) of every file of the site but `manifest.json`."""

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain JSON values, members in the documented order."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "version": self.version,
            "strandline": self.strandline,
            "created": self.created,
            "model": {**self.model.to_json(), "needs_numpy": self.needs_numpy},
            "features": [f.to_json() for f in self.features],
            "feeds": [f.to_json() for f in self.feeds],
            "outputs": [o.to_json() for o in self.outputs],
            "reference": self.reference.to_json(),
            **({"segments": [f.to_json() for f in self.segments]} if self.segments else {}),
            **({"counters": list(self.counters)} if self.counters else {}),
            **({"target": self.target} if self.target is not None else {}),
            "preprocess": self.preprocess and self.preprocess.to_json(),
            "collector": self.collector and self.collector.to_json(),
            "window": self.window.to_json(),
            "plan": self.plan and self.plan.to_json(),
            "runtime": {
                "pyodide": self.pyodide,
                "wheels": dict(self.wheels),
                "core": dict(self.core),
            },
            "files": {p: {"sha256": h, "bytes": n} for p, (h, n) in sorted(self.files.items())},
        }

    def dumps(self) -> str:
        """The text of `manifest.json`; the same manifest gives the same bytes."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def loads(text: str | bytes) -> Manifest:
        """Read and check the text of a `manifest.json`. Raises ManifestError."""
        try:
            value = json.loads(text)
        except ValueError as error:
            raise ManifestError(f"manifest.json is not JSON: {error}") from None
        return from_json(value)


class _Reader:
    """Typed access to one JSON object; errors carry the member's path."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ManifestError(f"{path} must be an object, not {_name(value)}")
        self._value = value
        self._path = path

    def get(self, key: str, *types: type, optional: bool = False) -> Any:
        value = self._value.get(key)
        if (value is None and optional) or (
            isinstance(value, types) and not (isinstance(value, bool) and bool not in types)
        ):
            return value
        wanted = " or ".join(_NAMES[t] for t in types)
        raise ManifestError(f"{self._path}.{key} must be {wanted}, not {_name(value)}")

    def choice(self, key: str, among: tuple[str, ...]) -> str:
        value: str = self.get(key, str)
        if value not in among:
            raise ManifestError(
                f"{self._path}.{key} must be one of {', '.join(among)}, not {value!r}"
            )
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        values = self.get(key, list)
        if not all(isinstance(v, str) for v in values):
            raise ManifestError(f"{self._path}.{key} must be a list of strings")
        return tuple(values)

    def numbers(self, key: str, *, optional: bool = False) -> tuple[float, ...] | None:
        values = self.get(key, list, optional=optional)
        if values is None:
            return None
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            raise ManifestError(f"{self._path}.{key} must be a list of numbers")
        return tuple(map(float, values))

    def each(self, key: str, make: Callable[[_Reader], T]) -> tuple[T, ...]:
        items = enumerate(self.get(key, list))
        return tuple(make(_Reader(v, f"{self._path}.{key}[{i}]")) for i, v in items)

    def nested(self, key: str) -> _Reader:
        return _Reader(self.get(key, dict), f"{self._path}.{key}")

    def maybe(self, key: str, make: Callable[[_Reader], T]) -> T | None:
        return None if self._value.get(key) is None else make(self.nested(key))

    def items(self) -> list[tuple[str, _Reader]]:
        return [(k, _Reader(v, f"{self._path}[{k!r}]")) for k, v in self._value.items()]


_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _name(value: Any) -> str:
    return "missing" if value is None else _NAMES.get(type(value), type(value).__name__)


def _feature(r: _Reader) -> Feature:
    kind = r.choice("kind", KINDS)
    name = r.get("name", str)
    if kind == "categorical":
        return Feature(
            name, kind, r.get("default", str, optional=True), categories=r.strings("categories")
        )
    if kind == "vector":
        dimensions = r.get("dimensions", int)
        usual = r.numbers("default", optional=True)
        if dimensions < 1 or (usual is not None and len(usual) != dimensions):
            raise ManifestError(
                f"feature {name!r} has {dimensions} dimensions, and another default"
            )
        return Feature(name, kind, usual, dimensions=dimensions)
    number = {k: r.get(k, int, float, optional=True) for k in ("default", "min", "max")}
    return Feature(name, kind, **number)


def _feed(r: _Reader) -> Feed:
    columns, widths = r.strings("columns"), r.numbers("widths", optional=True) or ()
    feed = Feed(
        r.get("input", str), r.choice("dtype", FEED_DTYPES), columns, tuple(map(int, widths))
    )
    if widths and (len(widths) != len(columns) or min(widths) < 1):
        raise ManifestError(f"feed {feed.input!r} needs a width from 1 for each of its columns")
    return feed


def _output(r: _Reader) -> Output:
    return Output(
        r.get("name", str),
        r.choice("kind", KINDS),
        r.get("from", str),
        r.get("column", int, optional=True),
    )


def _file(r: _Reader) -> File:
    return File(r.get("file", str), r.get("sha256", str))


def _window(r: _Reader) -> Window:
    window = Window(r.get("rows", int), r.get("seconds", int, float))
    if window.rows < 1 or window.seconds <= 0:
        raise ManifestError("manifest.window must have rows >= 1 and seconds > 0")
    return window


def from_json(value: Any) -> Manifest:
    """A Manifest from parsed JSON. Raises ManifestError naming the first member that is wrong."""
    r = _Reader(value, "manifest")
    if r.get("schema", str, optional=True) != SCHEMA:
        raise ManifestError(
            f"manifest.schema is {value.get('schema')!r}; this version of strandline reads {SCHEMA!r}: "
            f"pack the site again"
        )
    runtime = r.nested("runtime")
    manifest = Manifest(
        name=r.get("name", str),
        version=r.get("version", str),
        strandline=r.get("strandline", str),
        created=r.get("created", str),
        model=_file(r.nested("model")),
        needs_numpy=r.nested("model").get("needs_numpy", bool),
        features=r.each("features", _feature),
        feeds=r.each("feeds", _feed),
        outputs=r.each("outputs", _output),
        reference=_file(r.nested("reference")),
        segments=r.each("segments", _feature) if "segments" in value else (),
        counters=r.strings("counters") if "counters" in value else (),
        target=r.get("target", str, optional=True),
        preprocess=r.maybe("preprocess", _file),
        collector=r.maybe("collector", lambda c: Collector(c.get("url", str), c.get("key", str))),
        window=_window(r.nested("window")),
        pyodide=runtime.get("pyodide", str),
        wheels=dict(runtime.get("wheels", dict)),
        plan=r.maybe("plan", _file),
        core=dict(runtime.get("core", dict, optional=True) or {}),
        files={
            p: (f.get("sha256", str), f.get("bytes", int)) for p, f in r.nested("files").items()
        },
    )
    if not manifest.feeds and manifest.preprocess is None:
        raise ManifestError(
            "manifest.feeds is empty and there is no preprocess module to make the model's feeds"
        )
    if manifest.preprocess is None:
        known = {f.name for f in manifest.features}
        for feed in manifest.feeds:
            for column in feed.columns:
                if column not in known:
                    raise ManifestError(
                        f"feed {feed.input!r} takes column {column!r}, which is no feature"
                    )
    return manifest
