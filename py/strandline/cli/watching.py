"""`strandline collect`, `report` and `check`: what drifted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from strandline.cli.arguments import DB, address, list_of_names, positive, report_path, share

if TYPE_CHECKING:
    from strandline.report import Report

COLLECT_EXAMPLES = """\
strandline collect --db sqlite:///strandline.db --site site/
strandline collect --db sqlite:///strandline.db --host 0.0.0.0 --port 8765 --allow-host drift.example.org"""


def collect_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--db", default=DB, metavar="URL", help=f"(default: {DB})")
    p.add_argument(
        "--site",
        type=Path,
        action="append",
        metavar="DIR",
        help="a packed site whose profiles are taken; may be repeated",
    )
    address(p, 8765)
    p.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which browsers reach this server; may be repeated",
    )
    p.add_argument(
        "--read-key",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether reading needs the admin key (default: only when reached by other names)",
    )
    p.add_argument(
        "--min-sessions",
        type=positive(int),
        default=50,
        metavar="K",
        help="show a window from K sessions on (default: 50)",
    )
    p.add_argument(
        "--window-seconds",
        type=positive(int),
        default=3600,
        metavar="S",
        help="length of a stored window (default: 3600)",
    )
    p.add_argument("--retain-days", type=positive(int), metavar="D", help="forget what is older")
    p.add_argument("--access-log", action="store_true", help="log every request")


def collect(a: argparse.Namespace) -> int:
    from strandline.collector.server import serve

    serve(
        a.db,
        a.host,
        a.port,
        site=a.site,
        min_sessions=a.min_sessions,
        window_seconds=a.window_seconds,
        allow_hosts=a.allow_host,
        read_key=a.read_key,
        retain_days=a.retain_days,
        access_log=a.access_log,
    )
    return 0


REPORT_EXAMPLES = """\
strandline report --db sqlite:///strandline.db -o report.html
strandline report --model delays --version 1 --from 2026-01-01 -o report.json"""

CHECK_EXAMPLES = """\
strandline check reference.csv current.csv
strandline check train.parquet today.parquet --columns age,income -o report.html
strandline check train.csv today.csv || echo "something drifted\""""


def report_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--db", default=DB, metavar="URL", help=f"the collector's database ({DB})")
    p.add_argument("--model", help="(default: the first one registered)")
    p.add_argument("--version", help="(default: the newest)")
    p.add_argument("--from", dest="start", metavar="TIME", help="windows from here on, ISO 8601")
    p.add_argument("--to", dest="end", metavar="TIME", help="windows before this, ISO 8601")
    p.add_argument(
        "--min-sessions",
        type=positive(int),
        default=50,
        metavar="K",
        help="leave out windows of fewer sessions (default: 50)",
    )
    _report_output(p)


def report(a: argparse.Namespace) -> int:
    from strandline.collector.query import load_comparison
    from strandline.report import Report

    seen = load_comparison(
        a.db,
        a.model,
        a.version,
        start=a.start,
        end=a.end,
        min_sessions=a.min_sessions,
    )
    about: dict[str, str | int] = {
        "title": f"{seen.model} {seen.version}",
        "model": seen.model,
        "version": seen.version,
        "sessions": seen.sessions,
        "windows": len(seen.shown),
    }
    if seen.hidden:
        about["hidden"] = f"{len(seen.hidden)} windows of fewer than {a.min_sessions} sessions"
    if seen.start is not None and seen.end is not None:
        about |= {"from": _utc(seen.start), "to": _utc(seen.end)}
    return _show(Report.of(seen.reference, seen.profile, about=about), a.out)


def check_arguments(p: argparse.ArgumentParser) -> None:
    from strandline.drift.stats import METHODS

    p.add_argument("reference", type=Path, help="rows as they should be: .csv, .csv.gz or .parquet")
    p.add_argument("current", type=Path, help="rows as they are")
    p.add_argument(
        "--columns",
        type=list_of_names,
        metavar="A,B",
        help="compare these (default: all that both have)",
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
        "--alpha", type=share, default=0.05, help="expected share of false alarms (0.05)"
    )
    p.add_argument(
        "--method",
        action="append",
        choices=METHODS,
        help="statistic; repeat for more, the first that fits decides",
    )
    _report_output(p)


def check(a: argparse.Namespace) -> int:
    from strandline.drift.compare import DEFAULT_METHODS
    from strandline.drift.features import Kind
    from strandline.report import check

    kinds: dict[str, Kind] = dict.fromkeys(a.categorical, "categorical")
    kinds |= dict.fromkeys(a.numeric, "numeric")
    methods = a.method or DEFAULT_METHODS
    found = check(
        a.reference, a.current, columns=a.columns, kinds=kinds, alpha=a.alpha, methods=methods
    )
    _show(found, a.out)
    return found.exit_code


def _report_output(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "-o",
        "--out",
        type=report_path,
        action="append",
        default=[],
        metavar="FILE",
        help="write .html or .json; may be repeated (a table is printed anyway)",
    )


def _show(found: Report, files: Sequence[Path]) -> int:
    """Write the report's files, and print it as a table."""
    from strandline.report import words

    for path in files:
        found.write(path)
    document = found.document
    print(
        f"{document['rows']} rows against {document['reference_rows']}: {document['drifted']} drifted"
    )
    width = max((len(f["name"]) for f in document["features"]), default=0) + 2
    for feature in document["features"]:
        tests = [*feature["statistics"], *filter(None, [feature["missing"]])]
        numbers = "  ".join(f"{s['method']} {words.value(s['value'])}" for s in tests)
        print(f"  {feature['name']:<{width}}{feature['verdict']:<18}{numbers}")
    return 0


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
