"""`strandline diagnose`: what happened over a series of windows."""

from __future__ import annotations

import argparse
from pathlib import Path

from strandline.cli.arguments import list_of_names, positive, series_path, share

DIAGNOSE_EXAMPLES = """\
strandline diagnose train.csv monday.csv tuesday.csv wednesday.csv
strandline diagnose flights.csv --by time_hour --every month -o flights.html
strandline diagnose train.csv scored.csv --by week --accuracy employed,prediction -o census.md"""


def diagnose_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="the reference, then the windows in order of time: .csv, .csv.gz or .parquet",
    )
    p.add_argument("--by", metavar="COLUMN", help="split the files by this column")
    p.add_argument(
        "--every",
        choices=("year", "month", "week", "day", "hour"),
        help="of a column of dates: the length of a window",
    )
    p.add_argument(
        "--rows", type=positive(int), metavar="N", help="split the files into N rows each"
    )
    p.add_argument(
        "--columns",
        type=list_of_names,
        metavar="A,B",
        help="compare these (default: all that every window has)",
    )
    p.add_argument(
        "--categorical",
        type=list_of_names,
        default=[],
        metavar="A,B",
        help="read these as categories",
    )
    p.add_argument(
        "--numeric", type=list_of_names, default=[], metavar="A,B", help="read these as numbers"
    )
    p.add_argument(
        "--accuracy",
        type=list_of_names,
        metavar="TRUTH,PREDICTION",
        help="two columns: the share of equal cells is the model's quality",
    )
    p.add_argument(
        "--alpha", type=share, default=0.05, help="expected share of false alarms (0.05)"
    )
    p.add_argument(
        "-o",
        "--out",
        type=series_path,
        action="append",
        default=[],
        metavar="FILE",
        help="write .html, .json or .md; may be repeated (sentences are printed anyway)",
    )


def diagnose(a: argparse.Namespace) -> int:
    from strandline.bundle.errors import InputError
    from strandline.drift.features import Kind
    from strandline.report import diagnose

    if a.accuracy is not None and len(a.accuracy) != 2:
        raise InputError("--accuracy takes two columns: TRUTH,PREDICTION")
    if a.every is not None and a.by is None:
        raise InputError("--every says how to split a column of dates: name it with --by")
    kinds: dict[str, Kind] = dict.fromkeys(a.categorical, "categorical")
    kinds |= dict.fromkeys(a.numeric, "numeric")
    found = diagnose(
        a.files,
        by=a.by,
        every=a.every,
        rows=a.rows,
        columns=a.columns,
        kinds=kinds,
        accuracy=a.accuracy and (a.accuracy[0], a.accuracy[1]),
        alpha=a.alpha,
        outputs=a.out,
    )
    document = found.document
    print(document["model"]["sentence"])
    for feature in document["features"]:
        since = feature["watch"] and feature["watch"]["since"]
        alarm = f"sequential test: alarm at {since}" if since else "sequential test: no alarm"
        print(f"  {feature['diagnosis']['sentence']} ({alarm})")
    return found.exit_code
