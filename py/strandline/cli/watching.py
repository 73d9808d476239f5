"""`strandline collect`, `report` and `check`: what drifted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from strandline.cli.arguments import DB, address, list_of_names, positive, report_path, share

if TYPE_CHECKING:
    from strandline.report import DataDefinition, Snapshot

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
strandline report --model delays --version 1 --from 2026-01-01 -o report.json
strandline report --load report.json -o report.html"""

CHECK_EXAMPLES = """\
strandline check reference.csv current.csv
strandline check train.parquet today.parquet --columns age,income -o report.html
strandline check train.csv today.csv --segment region -o report.html
strandline check train.csv today.csv --preset drift --preset summary --test -o report.html
strandline check train.csv today.csv --preset classification --target late --probability score
strandline check train.csv today.csv || echo "something drifted\""""


def report_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--db", default=DB, metavar="URL", help=f"the collector's database ({DB})")
    p.add_argument(
        "--load",
        type=Path,
        metavar="FILE",
        help="a report's .json to write again, without a database",
    )
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
    _report_contents(p, ("drift", "summary", "classification", "regression"))
    _report_output(p)


def report(a: argparse.Namespace) -> int:
    from strandline.collector.query import load_comparison
    from strandline.report import PRESETS, Report, Snapshot

    if a.load is not None:
        return _show(Snapshot.load(a.load), a.out)
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
    if seen.hidden_segments:
        about["hidden segments"] = (
            f"{len(seen.hidden_segments)}, in windows where fewer than {a.min_sessions} sessions had any"
        )
    if seen.start is not None and seen.end is not None:
        about |= {"from": _utc(seen.start), "to": _utc(seen.end)}
    about["diagnosis"] = seen.story.model.sentence
    alarms = [one.name for one in seen.story.watched.values() if one.since is not None]
    about["sequential test"] = f"alarm: {', '.join(alarms)}" if alarms else "no alarm"
    items = [PRESETS[name]() for name in a.preset or ("drift",)]
    found = Report(items, include_tests=a.test, about=about).run(seen.profile)
    if seen.hidden_segments and "segments" in found.document:
        shown = [
            one
            for one in found.document["segments"]
            if one["rows"] or (one["column"], one["value"]) not in seen.hidden_segments
        ]
        found = Snapshot({**found.document, "segments": shown})
    _show(found, a.out)
    return found.exit_code if a.test else 0


def check_arguments(p: argparse.ArgumentParser) -> None:
    from strandline.drift.stats import ALIASES, METHODS
    from strandline.report import PRESETS

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
        choices=[*METHODS, *ALIASES],
        help="statistic; repeat for more, the first that fits decides",
    )
    p.add_argument(
        "--segment",
        action="append",
        default=[],
        metavar="COLUMN",
        help="compare its commonest ten values each on their own as well; may be repeated",
    )
    _report_contents(p, tuple(PRESETS))
    p.add_argument("--target", metavar="NAME", help="the column of true labels or values")
    p.add_argument("--prediction", metavar="NAME", help="the column of predictions")
    p.add_argument(
        "--probability", metavar="NAME", help="the column of the positive class's probability"
    )
    p.add_argument("--positive", metavar="LABEL", help="the positive class (the last one)")
    _report_output(p)


def check(a: argparse.Namespace) -> int:
    from strandline.drift.compare import DEFAULT_METHODS
    from strandline.report import PRESETS, DataDriftPreset, DataSummaryPreset, Preset, Report

    items: list[Preset] = []
    for name in a.preset or ("drift",):
        if name == "drift":
            items.append(DataDriftPreset(a.columns, method=tuple(a.method or DEFAULT_METHODS)))
        elif name == "summary":
            items.append(DataSummaryPreset(a.columns))
        else:
            items.append(PRESETS[name]())
    made = Report(items, include_tests=a.test, alpha=a.alpha)
    found = made.run(a.current, a.reference, data_definition=_definition(a))
    _show(found, a.out)
    return found.exit_code


def _definition(a: argparse.Namespace) -> DataDefinition:
    """What the options say of the columns. Raises `InputError` when they don't go together."""
    from strandline.bundle.errors import InputError
    from strandline.report import (
        BinaryClassification,
        DataDefinition,
        MulticlassClassification,
        Regression,
    )

    wanted = a.columns and set(a.columns)
    kinds = DataDefinition(
        numerical_columns=[name for name in a.numeric if not wanted or name in wanted],
        categorical_columns=[name for name in a.categorical if not wanted or name in wanted],
        segments=tuple(dict.fromkeys(a.segment)),
    )
    if a.target is None:
        if a.prediction or a.probability or a.positive:
            raise InputError("--prediction, --probability and --positive need --target")
        return kinds
    presets = a.preset or []
    if "regression" in presets:
        if a.prediction is None:
            raise InputError("a regression needs --prediction")
        regression = Regression(target=a.target, prediction=a.prediction)
        return replace(kinds, regression=[regression])
    if a.prediction is None and a.probability is None:
        raise InputError("--target needs --prediction or --probability")
    if a.probability is None and a.positive is None:
        several = MulticlassClassification(target=a.target, prediction_labels=a.prediction)
        return replace(kinds, classification=[several])
    binary = BinaryClassification(
        target=a.target,
        prediction_labels=a.prediction,
        prediction_probas=a.probability,
        pos_label=a.positive,
    )
    return replace(kinds, classification=[binary])


def _report_contents(p: argparse.ArgumentParser, presets: Sequence[str]) -> None:
    p.add_argument(
        "--preset",
        action="append",
        choices=presets,
        help="what to report; may be repeated (default: drift)",
    )
    p.add_argument(
        "--test",
        action="store_true",
        help="test conditions that follow from the reference; exit code 1 when one fails",
    )


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


def _show(found: Snapshot, files: Sequence[Path]) -> int:
    """Write the report's files, and print it as a table."""
    from strandline.report import words

    for path in files:
        found.write(path)
    document = found.document
    features = document["features"]
    drifted = f": {document['drifted']} drifted" if features else ""
    print(f"{document['rows']} rows against {document['reference_rows']}{drifted}")
    quality = [
        metric
        for metric in document.get("metrics", ())
        if "model" in metric["params"] and metric["current"] is not None
    ]
    names = [*(f["name"] for f in features), *(metric["title"] for metric in quality)]
    width = max(map(len, names), default=0) + 2
    for feature in features:
        tests = [*feature["statistics"], *filter(None, [feature["missing"]])]
        numbers = "  ".join(f"{s['method']} {words.value(s['value'])}" for s in tests)
        print(f"  {feature['name']:<{width}}{feature['verdict']:<18}{numbers}")
    for segment in document.get("segments", ()):
        drifted_there = [f["name"] for f in segment["features"] if f["verdict"] == "drift"]
        if drifted_there:
            print(f"  in {words.segment(segment)}: {', '.join(drifted_there)}")
    for metric in quality:
        print(f"  {metric['title']:<{width}}{words.measure(metric['current'])}")
    for test in found.tests:
        print(f"  {test['status']:<8}{test['name']}: {test['condition']}")
    return 0


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
