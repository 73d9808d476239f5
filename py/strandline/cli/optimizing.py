"""`strandline optimize`: a smaller model that every ONNX runtime takes; `explain`: where its time goes."""

from __future__ import annotations

import argparse
from pathlib import Path

from strandline.cli.arguments import list_of_names, progress

OPTIMIZE_EXAMPLES = """\
strandline optimize model.onnx -o small.onnx
strandline optimize model.onnx -o small.onnx --fp16
strandline optimize model.onnx -o small.onnx --int8
strandline optimize model.onnx -o small.onnx --int8 --calibrate train.csv --method entropy"""


EXPLAIN_EXAMPLES = """\
strandline explain model.onnx
strandline explain model.onnx --data train.csv --runs 50"""


def optimize_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", type=Path, help="the .onnx file")
    p.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="the .onnx file to write"
    )
    bits = p.add_mutually_exclusive_group()
    bits.add_argument("--fp16", action="store_true", help="weights in float16")
    bits.add_argument(
        "--int8",
        action="store_true",
        help="weights and products in 8-bit integers: ranges are found in every run, or with "
        "--calibrate once",
    )
    p.add_argument(
        "--calibrate",
        type=Path,
        metavar="DATA",
        help="rows as the model will see them: .csv, .csv.gz, .parquet, or .npz with an array for "
        "each input",
    )
    p.add_argument(
        "--method",
        choices=("minmax", "percentile", "entropy"),
        default="percentile",
        help="how ranges follow from the rows (default: percentile)",
    )
    p.add_argument(
        "--features",
        type=list_of_names,
        metavar="A,B,C",
        help="the columns of a table that the model takes, in its order",
    )


def optimize(args: argparse.Namespace) -> int:
    from strandline.bundle.inspect import read_model
    from strandline.bundle.optimize import optimize as make
    from strandline.bundle.optimize.compare import compare, table
    from strandline.bundle.optimize.data import batches_of

    data, graph = read_model(args.model)
    batches = batches_of(graph, args.calibrate, args.features)
    mode = "fp16" if args.fp16 else "int8" if args.int8 else ""
    if mode == "int8" and args.calibrate is not None:
        mode = "int8-static"
    result = make(data, mode, batches, args.method)
    if mode:
        what = "weights" if mode == "fp16" else "operators"
        progress(f"{result.changed} {what} changed ({mode})")
    args.out.write_bytes(result.data)
    source = (
        "rows of the file" if args.calibrate else "made-up numbers: give real ones by --calibrate"
    )
    progress(f"compared on {source}")
    print(table(compare(data, result.data, batches)))
    return 0


def explain_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", type=Path, help="the .onnx file")
    p.add_argument(
        "--data",
        type=Path,
        metavar="DATA",
        help="rows to run on: .csv, .csv.gz, .parquet, or .npz with an array for each input (default: made-up numbers)",
    )
    p.add_argument(
        "--features",
        type=list_of_names,
        metavar="A,B,C",
        help="the columns of a table that the model takes, in its order",
    )
    p.add_argument("--runs", type=int, default=10, metavar="N", help="runs to time (default: 10)")


def explain(args: argparse.Namespace) -> int:
    from strandline.bundle.inspect import read_model
    from strandline.bundle.optimize.data import batches_of
    from strandline.runtime import Session
    from strandline.runtime.explain import times_table
    from strandline.runtime.feeds import as_buffer

    _, graph = read_model(args.model)
    feeds = batches_of(graph, args.data, args.features)[0]
    session = Session(args.model)
    times = session.profile(feeds, max(1, args.runs))
    types = [as_buffer(info, feeds[info.name])[1] for info in session.inputs]
    print(session.explain(types))
    print(f"median of {max(1, args.runs)} runs, {sum(each for _, each in times) * 1e3:.3f} ms:")
    print(times_table(times))
    return 0
