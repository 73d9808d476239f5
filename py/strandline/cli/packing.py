"""`strandline pack`, `score` and `serve`: a model becomes a site, and the site predicts here."""

from __future__ import annotations

import argparse
import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strandline.cli.arguments import address, fail, list_of_names, positive, progress

if TYPE_CHECKING:
    from strandline.drift.quality import Quality

PACK_EXAMPLES = """\
strandline pack model.onnx --reference train.csv --name delays --version 1 -o site/
strandline pack model.onnx --reference train.parquet --features age,income,city \\
    --name credit --version 2026.1 --collector https://drift.example.org --key ingest_… -o site/
strandline pack model.onnx --reference train.csv --segment region --counter conversion --name m --version 1 -o site/
strandline pack encoder.onnx --reference texts.parquet --preprocess tokens.py --vector embedding \\
    --name encoder --version 1 -o site/
strandline pack model.onnx --reference holdout.csv --target repaid --name loans --version 1 -o site/
strandline pack model.onnx --reference train.csv --preprocess prepare.py --name m --version 1 -o site/"""


def pack_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", type=Path, help="the .onnx file")
    p.add_argument(
        "--reference",
        type=Path,
        required=True,
        help="rows as the model saw them: .csv, .csv.gz or .parquet",
    )
    p.add_argument(
        "--name", required=True, help="the model's name, under which profiles are collected"
    )
    p.add_argument("--version", required=True, help="the model's version")
    p.add_argument(
        "-o", "--out", type=Path, required=True, metavar="SITE", help="the folder to write"
    )
    p.add_argument(
        "--features",
        type=list_of_names,
        metavar="A,B,C",
        help="the reference's columns that the model takes, in its order",
    )
    p.add_argument(
        "--preprocess",
        type=Path,
        metavar="MODULE.py",
        help="Python that runs before and after the model, here and in the page",
    )
    p.add_argument(
        "--vector",
        action="append",
        default=[],
        metavar="NAME",
        help="a column, or an output of the model, that is an embedding: a list of numbers per row, watched as one "
        "(may be repeated)",
    )
    p.add_argument(
        "--segment",
        action="append",
        default=[],
        metavar="COLUMN",
        help="compare the rows of each of this column's values on their own as well (may be repeated)",
    )
    p.add_argument(
        "--counter",
        action="append",
        default=[],
        metavar="NAME",
        help="a number that the page counts itself, such as conversions (may be repeated)",
    )
    p.add_argument(
        "--target",
        metavar="COLUMN",
        help="the reference's labels: freezes how good the model is, and lets the page take labels later",
    )
    p.add_argument(
        "--positive",
        metavar="CLASS",
        help="the class that a binary model looks for (default: the last of the two)",
    )
    p.add_argument(
        "--collector", metavar="URL", help="where the page sends profiles (default: nowhere)"
    )
    p.add_argument("--key", help="the collector's ingest key (`strandline collect` prints it)")
    p.add_argument(
        "--window-rows",
        type=positive(int),
        default=500,
        metavar="N",
        help="close a profile after N rows (default: 500)",
    )
    p.add_argument(
        "--window-seconds",
        type=positive(float),
        default=60.0,
        metavar="S",
        help="or after S seconds (default: 60)",
    )
    p.add_argument("--force", action="store_true", help="replace the folder, whatever it holds")


def pack(a: argparse.Namespace) -> int:
    from strandline.bundle.manifest import Collector, Window
    from strandline.bundle.pack import pack

    if a.positive is not None and a.target is None:
        return fail("--positive names a class of --target: give both")
    if (a.collector is None) != (a.key is None):
        return fail(
            "--collector and --key go together: `strandline collect` prints both its address and its ingest key"
        )
    packed = pack(
        a.model,
        a.reference,
        a.out,
        name=a.name,
        version=a.version,
        features=a.features,
        preprocess=a.preprocess,
        vectors=a.vector,
        collector=None if a.collector is None else Collector(a.collector.rstrip("/"), a.key),
        window=Window(a.window_rows, a.window_seconds),
        segments=a.segment,
        counters=a.counter,
        target=a.target,
        positive=a.positive,
        force=a.force,
        progress=progress,
    )
    manifest = packed.manifest
    size = sum(bytes_ for _, bytes_ in manifest.files.values())
    print(
        f"{a.out}: {manifest.name} {manifest.version}, {len(manifest.files)} files, {size / 1e6:.1f} MB"
    )
    print(f"  features   {', '.join(f.name for f in manifest.features)}")
    if packed.left_out:
        print(f"  left out   {', '.join(packed.left_out)}")
    print(f"  outputs    {', '.join(o.name for o in manifest.outputs)}")
    for segment in manifest.segments:
        print(f"  segments   {segment.name}: {', '.join(segment.categories)}, all others")
    if manifest.counters:
        print(f"  counters   {', '.join(manifest.counters)}")
    print(f"  reference  {packed.rows} rows")
    if packed.quality is not None:
        print(f"  quality    {_told(packed.quality)}")
    numpy = f"loaded in the page: {packed.numpy_reason}" if packed.numpy_reason else "not needed"
    print(f"  NumPy      {numpy}")
    print(
        f"  collector  {manifest.collector.url if manifest.collector else 'none: the page sends nothing'}"
    )
    return 0


def _told(quality: Quality) -> str:
    """The task, and its foremost metrics on the reference."""
    metrics = quality.metrics()
    first = [
        metrics[n] for n in ("accuracy", "f1", "f1_macro", "roc_auc", "mae", "r2") if n in metrics
    ]
    told = [f"{m.name} {m.value:.4g}" for m in first if m.value is not None]
    return ", ".join([f"{quality.task.kind} of {quality.task.target}, {quality.n} labels", *told])


SCORE_EXAMPLES = """\
strandline score site/ today.csv -o predictions.csv
strandline score site/ today.parquet --keep id -o - | head
strandline score site/ customers.csv --keep id --key id --db sqlite:///scores.db --table predictions
strandline score site/ today.csv -o predictions.csv --profile today.profile.json"""


def score_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("site", type=Path, help="the packed site")
    p.add_argument("rows", type=Path, help="the rows: .csv, .csv.gz or .parquet")
    p.add_argument(
        "-o", "--out", metavar="FILE", help="CSV of predictions; - is the standard output"
    )
    p.add_argument(
        "--keep",
        type=list_of_names,
        metavar="A,B",
        help="input columns that go with the predictions (default: all)",
    )
    p.add_argument("--db", metavar="URL", help="write to a database as well: sqlite:///path")
    p.add_argument("--table", default="predictions", help="its table (default: predictions)")
    p.add_argument(
        "--key",
        metavar="COLUMN",
        help="the table's primary key: a row with the same key is replaced",
    )
    p.add_argument("--profile", type=Path, metavar="FILE", help="write the batch's profile as JSON")


def score(a: argparse.Namespace) -> int:
    from strandline.bundle import score
    from strandline.bundle.pipeline import open_site

    if a.out is None and a.db is None and a.profile is None:
        return fail("say where the predictions go: -o FILE, --db URL, or --profile FILE")
    sinks: list[Any] = []
    if a.out == "-":
        sinks.append(score.csv_stream(sys.stdout))
    elif a.out is not None:
        sinks.append(score.csv_file(Path(a.out)))
    if a.db is not None:
        manifest, _ = open_site(a.site)
        sinks.append(score.sqlite_table(a.db, a.table, a.key, manifest.name, manifest.version))
    scored = score.score(a.site, a.rows, sinks, keep=a.keep)
    if a.profile is not None:
        a.profile.write_text(json.dumps(scored.report, ensure_ascii=False) + "\n", encoding="utf-8")
    progress(f"{scored.rows} rows scored")
    return 0


SERVE_EXAMPLES = """\
strandline serve site/ --port 8000
curl -d '{"rows": [{"distance": 700, "airline": "WN"}]}' http://127.0.0.1:8000/v1/predict"""


def serve_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("site", type=Path, help="the packed site")
    address(p, 8000)


def serve(a: argparse.Namespace) -> int:
    import uvicorn

    from strandline.bundle.serve import application

    with socket.create_server((a.host, a.port)) as listener:
        port = listener.getsockname()[1]
        progress(f"serving {a.site} at http://{a.host}:{port}/ (page) and /v1/predict; Ctrl-C ends")
        uvicorn.Server(uvicorn.Config(application(a.site), log_level="warning")).run([listener])
    return 0
