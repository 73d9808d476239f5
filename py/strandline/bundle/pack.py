"""pack: a model and its reference become a static site that predicts and watches itself."""

from __future__ import annotations

import ast
import hashlib
import os
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from strandline import __version__
from strandline.bundle import site
from strandline.bundle.early import early_plan
from strandline.bundle.errors import PackError
from strandline.bundle.features import described, dimensions, kind_of, watched_as
from strandline.bundle.inspect import Classes, check_inputs, classes_of, read_model
from strandline.bundle.manifest import Collector, Feature, File, Manifest, Output, Window
from strandline.bundle.mapping import feeds_of, outputs_as_named, outputs_of
from strandline.bundle.pipeline import (
    Pipeline,
    Read,
    load_preprocess,
    verified,
)
from strandline.bundle.tables import BATCH_ROWS, batches, sample
from strandline.bundle.target import quality_of
from strandline.drift import Profile, Reference
from strandline.drift.features import ColumnKind
from strandline.drift.kinds import are_vectors
from strandline.drift.quality import Quality
from strandline.drift.quality.classes import ClassTally
from strandline.drift.reference import LOAD, MEMORY, SYSTEM_CUTS
from strandline.drift.vectors import dimensions_of
from strandline.onnx.graph import Graph

PROBE_ROWS = 100
"""Rows of the reference that tell what the outputs look like."""

SAMPLE_ROWS = 100_000
"""of the reference, in memory: they say how features are binned, and how good the predictions are; then all rows are
counted in these bins"""

MOST_PROFILE_BYTES = 240 * 1024
"""of a report, unpacked: what a collector takes, less room for the rest of the post"""
TALLY_BYTES, COUNT_BYTES = 200, 3
"""of a tally and of each of its counts, in a window of some hundred rows"""

MODEL, REFERENCE, PREPROCESS = "model/model.onnx", "model/reference.json", "model/preprocess.py"
PLAN = "model/plan.bin"


@dataclass(frozen=True, slots=True)
class Packed:
    """What `pack` made: the site's manifest, how many rows made the reference, and columns that were left out."""

    manifest: Manifest
    rows: int
    left_out: tuple[str, ...]
    numpy_reason: str | None
    """Why the page loads NumPy; None when it does not."""
    quality: Quality | None = None
    """How good the model's predictions of the reference are; None without a target."""


def pack(
    model: str | Path,
    reference: str | Path,
    out: str | Path,
    *,
    name: str,
    version: str,
    features: Sequence[str] | None = None,
    preprocess: str | Path | None = None,
    vectors: Sequence[str] = (),
    collector: Collector | None = None,
    window: Window | None = None,
    segments: Sequence[str] = (),
    counters: Sequence[str] = (),
    target: str | None = None,
    positive: str | None = None,
    force: bool = False,
    assets: Path = site.ASSETS,
    progress: Callable[[str], None] = lambda line: None,
) -> Packed:
    """Pack `model` with the rows of `reference` (CSV or Parquet) into the static site `out`.

    The model predicts the reference itself, so that its outputs are watched as its features are. `vectors` names
    columns and outputs of the model that are embeddings, beside those that are plainly such: columns of lists of
    numbers, outputs of more than `mapping.MOST_COLUMNS` columns. `segments` names
    columns of the reference that split the rows, `counters` what the page may count besides. `target` names the
    reference's labels: how good the predictions are is then frozen, and the page takes labels when they come;
    `positive` is the class that a binary model looks for (default: the last one). The same arguments and files give
    the same bytes: `created` is SOURCE_DATE_EPOCH, or else the model file's time of change.

    Raises
    ------
    PackError, InputError, ManifestError
        In one line, what is wrong and what to do. Nothing is written then.
    """
    _check_names(name, version)
    origin = _origin(collector)
    site.check_target(Path(out), force=force)
    page, wheels, cores = site.asset_files(assets), site.wheels(assets), site.cores(assets)
    progress(f"checking {model}")
    data, graph = read_model(Path(model))
    source = _preprocess_source(preprocess)
    check_inputs(Path(model), graph, any_rank=source is not None)
    columns, rows = sample(reference, SAMPLE_ROWS)
    if rows == 0:
        raise PackError(
            f"the reference {reference} has no rows: give rows as the model saw them in training"
        )
    files = {MODEL: data} | ({PREPROCESS: source} if source is not None else {})
    draft = Manifest(
        name=name,
        version=version,
        strandline=__version__,
        created=_created(Path(model)),
        model=File(MODEL, _sha256(data)),
        needs_numpy=False,
        features=(),
        feeds=(),
        outputs=(),
        reference=File(REFERENCE, ""),
        preprocess=None if source is None else File(PREPROCESS, _sha256(source)),
        collector=collector,
        window=window or Window(),
    )
    read = files.__getitem__
    labels = _labels(columns, target, features)
    sizes = dimensions(columns, vectors)
    given = {c: v for c, v in columns.items() if c != target}
    draft = _mapped(draft, read, graph, given, features, sizes)
    absent = [c for c in segments if c not in columns]
    if absent:
        raise PackError(f"--segment names {', '.join(absent)}, which the reference does not have")
    used = {f.name for f in draft.features} | set(segments) | {target}
    left_out = tuple(c for c in columns if c and c not in used)
    progress(f"predicting the {rows} rows of {reference}")
    pipeline = Pipeline(draft, read)
    draft = replace(draft, outputs=_outputs(pipeline, columns, classes_of(graph), vectors))
    pipeline = Pipeline(draft, read)
    predictions = pipeline.predict(columns)
    pipeline.predict({f.name: columns[f.name][:1] for f in draft.features})
    draft = replace(draft, counters=tuple(dict.fromkeys(counters)), target=target)
    quality = target and quality_of(draft.outputs, predictions, target, labels, positive)
    frozen = _reference(draft, columns, predictions, segments, quality or None)
    if rows > SAMPLE_ROWS:
        frozen = _counted(frozen, pipeline, Path(reference))
    _check_size(frozen)
    files[REFERENCE] = frozen.to_json().encode()
    plan = early_plan(data)
    if plan is not None:
        files[PLAN] = plan
    numpy_reason = _numpy_reason(pipeline, source)
    draft = replace(
        draft,
        features=tuple(described(f, columns[f.name], frozen) for f in draft.features),
        segments=tuple(
            Feature(one.column, "categorical", one.vocabulary[0], categories=one.vocabulary)
            for one in frozen.segmentations
        ),
        reference=File(REFERENCE, _sha256(files[REFERENCE])),
        needs_numpy=numpy_reason is not None,
        wheels={
            k: f"wheels/{w.name}" if k != "numpy" or numpy_reason else None
            for k, w in wheels.items()
        },
        plan=None if plan is None else File(PLAN, _sha256(plan)),
        core={} if plan is None else {k: f"core/{c.name}" for k, c in cores.items()},
    )
    progress(f"writing {out}")
    chosen = {f"wheels/{w.name}": w for k, w in wheels.items() if draft.wheels[k] is not None}
    chosen |= {path: cores[k] for k, path in draft.core.items()}
    with site.replacing(Path(out), force=force) as folder:
        site.copy(page | chosen, folder)
        site.fill_page(folder / "index.html", name, origin)
        for path, content in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)
        manifest = replace(draft, files=site.hashes(folder))
        (folder / "manifest.json").write_text(manifest.dumps(), encoding="utf-8")
    return Packed(manifest, rows, left_out, numpy_reason, frozen.quality)


def _labels(
    columns: Mapping[str, list[Any]], target: str | None, features: Sequence[str] | None
) -> list[Any]:
    if target is None:
        return []
    if target not in columns:
        raise PackError(f"--target names {target}, which the reference does not have")
    if features is not None and target in features:
        raise PackError(f"--target names {target}, which is one of --features as well")
    return columns[target]


def _mapped(
    draft: Manifest,
    read: Read,
    graph: Graph,
    columns: Mapping[str, list[Any]],
    features: Sequence[str] | None,
    dimensions: Mapping[str, int],
) -> Manifest:
    """The draft with its features and feeds."""

    def feature(name: str, kind: str) -> Feature:
        if name in dimensions:
            return Feature(name, "vector", dimensions=dimensions[name])
        return Feature(name, kind)

    if draft.preprocess is None:
        feeds = feeds_of(graph.inputs, list(columns), features, dimensions)
        kinds = {
            c: "categorical" if f.dtype == "string" else "numeric" for f in feeds for c in f.columns
        }
        return replace(draft, feeds=feeds, features=tuple(feature(c, k) for c, k in kinds.items()))
    source = verified(read, draft.preprocess.file, draft.preprocess.sha256)
    before, _ = load_preprocess(source, draft.preprocess.file)
    if before is None:
        plain = _mapped(replace(draft, preprocess=None), read, graph, columns, features, dimensions)
        return replace(plain, preprocess=draft.preprocess)
    wanted = [c for c in columns if c] if features is None else list(features)
    absent = [c for c in wanted if c not in columns]
    if absent:
        raise PackError(f"--features names {', '.join(absent)}, which the reference does not have")
    draft = replace(draft, features=tuple(feature(c, kind_of(columns[c])) for c in wanted))
    # The feeds are not known yet: let before() show what it makes of a few rows.
    probe = Pipeline(draft, read)
    few = {c: columns[c][:PROBE_ROWS] for c in wanted}
    made = probe.feeds(probe.parse(few), len(few[wanted[0]]))
    if set(made) == {v.name for v in graph.inputs} and not all(
        _is_column(v) for v in made.values()
    ):
        return draft
    sizes = {c: n for c, v in made.items() if are_vectors(v) and (n := dimensions_of(v))}
    return replace(draft, feeds=feeds_of(graph.inputs, list(made), None, sizes))


def _is_column(value: Any) -> bool:
    return isinstance(value, list | tuple | array) and not isinstance(value[0], list | tuple)


def _outputs(
    pipeline: Pipeline,
    columns: Mapping[str, list[Any]],
    classes: Mapping[str, Classes],
    vectors: Sequence[str],
) -> tuple[Output, ...]:
    n = min(PROBE_ROWS, pipeline.rows_per_run)
    few = {f.name: columns[f.name][:n] for f in pipeline.manifest.features}
    parsed = pipeline.parse(few)
    n = len(next(iter(parsed.values())))
    results = pipeline.results(parsed, n)
    absent = [v for v in vectors if v not in columns and v not in results]
    if absent:
        raise PackError(
            f"--vector names {', '.join(absent)}: neither a column of the reference nor one of the outputs "
            f"{', '.join(results)}"
        )
    if pipeline.has_after:
        return outputs_as_named(results, n, taken=few)
    return outputs_of(results, classes, n, taken=few, vectors=vectors)


def _reference(
    draft: Manifest,
    columns: Mapping[str, list[Any]],
    predictions: Mapping[str, list[Any]],
    segments: Sequence[str],
    quality: Quality | None,
) -> Reference:
    """The frozen reference: features as they were given, outputs as the model predicts them."""
    watched = {f.name: columns[f.name] for f in draft.features} | dict(predictions)
    for name in SYSTEM_CUTS:
        if name in watched:
            raise PackError(f"a column named {name} would hide the one that is measured: rename it")
    kinds: dict[str, ColumnKind] = {
        f.name: watched_as(f.kind, columns[f.name]) for f in draft.features
    }
    try:
        return Reference.from_columns(
            {name: columns[name] for name in segments} | watched,
            kinds=kinds | {o.name: cast("ColumnKind", o.kind) for o in draft.outputs},
            roles={o.name: "output" for o in draft.outputs},
            features=list(watched),
            system=(LOAD, MEMORY),
            segments=segments,
            counters=draft.counters,
            quality=quality,
        )
    except ValueError as error:
        raise PackError(f"the reference can't be frozen: {error}") from error


def _counted(reference: Reference, pipeline: Pipeline, path: Path) -> Reference:
    """The reference, binned by a sample of the file, holding all its rows: counted batch by batch."""
    seen = Profile(replace(reference, quality=None))
    for batch in batches(path, BATCH_ROWS):
        rows = {name: cells for name, cells in batch.items() if name in reference.columns}
        seen.update({**rows, **pipeline.predict(batch)})
    return reference.holding(seen)


def _check_size(reference: Reference) -> None:
    """Refuse a reference whose windows a collector would not take, rather than lose them one by one."""
    tallies = [f.bins for f in reference]
    for one in reference.segmentations:
        tallies += [f.bins for f in reference if one.splits(f)] * len(one.segments)
    if reference.quality is not None and isinstance(reference.quality.tally, ClassTally):
        held = reference.quality.tally
        tallies += [len(held.confusion), *(4 * len(one.positive) for one in held.scores)]
    size = sum(TALLY_BYTES + COUNT_BYTES * bins for bins in tallies)
    if size > MOST_PROFILE_BYTES:
        raise PackError(
            f"a window's profile would have about {size // 1024} KB, a collector takes {MOST_PROFILE_BYTES // 1024}: "
            f"split by fewer columns (--segment), or watch fewer (--features)"
        )


def _numpy_reason(pipeline: Pipeline, source: bytes | None) -> str | None:
    """Why the page needs NumPy, judged by the plans that the reference and a single row took."""
    if pipeline.session.needed_numpy:
        return "an operator of the model has no kernel of its own for these shapes"
    if source is not None and imports_numpy(source):
        return "the preprocess module imports it"
    return None


def imports_numpy(source: bytes) -> bool:
    """Whether a preprocess module imports NumPy, so that the page has to load it."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(name.split(".")[0] == "numpy" for name in names):
            return True
    return False


def _preprocess_source(path: str | Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise PackError(f"the preprocess module {path} can't be read: {error.strerror}") from error


def _check_names(name: str, version: str) -> None:
    for what, value in (("name", name), ("version", version)):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", value):
            raise PackError(
                f"--{what} {value!r}: use 1 to 64 letters, digits, '.', '_', '+', '-', beginning with a letter or digit"
            )


def _origin(collector: Collector | None) -> str:
    """Scheme, host and port of the collector, which the page's content security policy has to name; "" for none."""
    if collector is None:
        return ""
    url = urlsplit(collector.url)
    try:
        port = f":{url.port}" if url.port is not None else ""
    except ValueError:
        port = None
    if (
        url.scheme not in ("http", "https")
        or not url.hostname
        or port is None
        or set(collector.url) & set(" \"';,<>")
    ):
        raise PackError(f"--collector {collector.url!r} is no address: give http(s)://host[:port]")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return f"{url.scheme}://{host}{port}"


def _created(model: Path) -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        seconds = int(epoch) if epoch else int(model.stat().st_mtime)
    except ValueError:
        raise PackError(
            f"SOURCE_DATE_EPOCH is {epoch!r}: it must be a whole number of seconds since 1970"
        ) from None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
