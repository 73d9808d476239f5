"""The `strandline` command. Exit codes: 0 fine, 1 drift found (`check`), 2 bad input (one line that says what to do)."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from strandline import __version__

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the process's exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["bench"]:  # has its own parser, whose module needs the bench extra
            return _bench(words[1:])
        arguments = parser().parse_args(words)
        command: Command = arguments.command
        return command(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # nobody reads on: `… | head`
        return 0
    except ImportError as error:
        return _fail(_missing_extra(error))
    except (ValueError, OSError) as error:
        if isinstance(error, ValueError) and not type(error).__module__.startswith("strandline."):
            raise  # no user's mistake: a defect, whose traceback is wanted
        return _fail(str(error))


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        "strandline",
        description="Ship an ONNX model to the browser; it predicts there, and tells you when the data drift.",
        epilog="`strandline COMMAND --help` explains a command and gives examples. "
        "Exit codes: 0 fine, 1 drift found (check), 2 bad input.",
    )
    top.add_argument("--version", action="version", version=f"strandline {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Command, help_: str, examples: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=help_,
            description=help_[0].upper() + help_[1:] + ".",
            epilog="examples:\n" + "".join(f"  {line}\n" for line in examples.splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=run)
        return added

    _pack_arguments(
        command("pack", _pack, "make a static site of a model and its reference", PACK_EXAMPLES)
    )
    _score_arguments(
        command("score", _score, "predict a file of rows with a packed model", SCORE_EXAMPLES)
    )
    _serve_arguments(command("serve", _serve, "serve a packed model over HTTP", SERVE_EXAMPLES))
    _collect_arguments(
        command(
            "collect", _collect, "take profiles from pages and show the drift", COLLECT_EXAMPLES
        )
    )
    commands.add_parser("bench", help="measure native, WASM and peers in one run", add_help=False)
    return top


# --- pack ---------------------------------------------------------------------------------------

PACK_EXAMPLES = """\
strandline pack model.onnx --reference train.csv --name delays --version 1 -o site/
strandline pack model.onnx --reference train.parquet --features age,income,city \\
    --name credit --version 2026.1 --collector https://drift.example.org --key ingest_… -o site/
strandline pack model.onnx --reference train.csv --preprocess prepare.py --name m --version 1 -o site/"""


def _pack_arguments(p: argparse.ArgumentParser) -> None:
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
    p.add_argument("--features", type=_list_of_names, metavar="A,B,C", help="the reference's columns that the model takes, in its order")  # fmt: skip
    p.add_argument("--preprocess", type=Path, metavar="MODULE.py", help="Python that runs before and after the model, here and in the page")  # fmt: skip
    p.add_argument(
        "--collector", metavar="URL", help="where the page sends profiles (default: nowhere)"
    )
    p.add_argument("--key", help="the collector's ingest key (`strandline collect` prints it)")
    p.add_argument("--window-rows", type=_positive(int), default=500, metavar="N", help="close a profile after N rows (default: 500)")  # fmt: skip
    p.add_argument("--window-seconds", type=_positive(float), default=60.0, metavar="S", help="or after S seconds (default: 60)")  # fmt: skip
    p.add_argument("--force", action="store_true", help="replace the folder, whatever it holds")


def _pack(a: argparse.Namespace) -> int:
    from strandline.bundle.manifest import Collector, Window
    from strandline.bundle.pack import pack

    if (a.collector is None) != (a.key is None):
        return _fail(
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
        collector=None if a.collector is None else Collector(a.collector.rstrip("/"), a.key),
        window=Window(a.window_rows, a.window_seconds),
        force=a.force,
        progress=_progress,
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
    print(f"  reference  {packed.rows} rows")
    print(
        f"  NumPy      {'loaded in the page: ' + packed.numpy_reason if packed.numpy_reason else 'not needed in the page'}"
    )
    print(
        f"  collector  {manifest.collector.url if manifest.collector else 'none: the page sends nothing'}"
    )
    return 0


# --- score --------------------------------------------------------------------------------------

SCORE_EXAMPLES = """\
strandline score site/ today.csv -o predictions.csv
strandline score site/ today.parquet --keep id -o - | head
strandline score site/ customers.csv --keep id --key id --db sqlite:///scores.db --table predictions
strandline score site/ today.csv -o predictions.csv --profile today.profile.json"""


def _score_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("site", type=Path, help="the packed site")
    p.add_argument("rows", type=Path, help="the rows: .csv, .csv.gz or .parquet")
    p.add_argument(
        "-o", "--out", metavar="FILE", help="CSV of predictions; - is the standard output"
    )
    p.add_argument("--keep", type=_list_of_names, metavar="A,B", help="input columns that go with the predictions (default: all)")  # fmt: skip
    p.add_argument("--db", metavar="URL", help="write to a database as well: sqlite:///path")
    p.add_argument("--table", default="predictions", help="its table (default: predictions)")
    p.add_argument(
        "--key",
        metavar="COLUMN",
        help="the table's primary key: a row with the same key is replaced",
    )
    p.add_argument("--profile", type=Path, metavar="FILE", help="write the batch's profile as JSON")


def _score(a: argparse.Namespace) -> int:
    from strandline.bundle import score
    from strandline.bundle.pipeline import open_site

    if a.out is None and a.db is None and a.profile is None:
        return _fail("say where the predictions go: -o FILE, --db URL, or --profile FILE")
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
    _progress(f"{scored.rows} rows scored")
    return 0


# --- serve, collect -----------------------------------------------------------------------------

SERVE_EXAMPLES = """\
strandline serve site/ --port 8000
curl -d '{"rows": [{"distance": 700, "airline": "WN"}]}' http://127.0.0.1:8000/v1/predict"""

COLLECT_EXAMPLES = """\
strandline collect --db sqlite:///strandline.db --site site/
strandline collect --db sqlite:///strandline.db --host 0.0.0.0 --port 8765 --allow-host drift.example.org"""


def _serve_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("site", type=Path, help="the packed site")
    _address(p, 8000)


def _serve(a: argparse.Namespace) -> int:
    import uvicorn

    from strandline.bundle.serve import application

    config = uvicorn.Config(application(a.site), host=a.host, port=a.port, log_level="warning")
    _progress(
        f"serving {a.site} at http://{a.host}:{a.port}/ (the page) and /v1/predict; Ctrl-C ends"
    )
    uvicorn.Server(config).run()
    return 0


def _collect_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--db",
        default="sqlite:///strandline.db",
        metavar="URL",
        help="(default: sqlite:///strandline.db)",
    )
    p.add_argument("--site", type=Path, action="append", default=[], metavar="DIR", help="a packed site whose profiles are taken; may be repeated")  # fmt: skip
    _address(p, 8765)
    p.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name of this server",
    )
    p.add_argument(
        "--min-sessions", type=_positive(int), metavar="K", help="show a window from K sessions on"
    )
    p.add_argument(
        "--window-seconds", type=_positive(int), metavar="S", help="length of a stored window"
    )
    p.add_argument("--retain-days", type=_positive(int), metavar="D", help="forget what is older")


def _collect(a: argparse.Namespace) -> int:
    from strandline.collector import server
    from strandline.collector.register import read_site
    from strandline.collector.storage import open_storage

    first, *others = a.site or [None]
    if others:
        storage = open_storage(a.db)
        try:
            for site in others:
                server.make_known(storage, read_site(site))
        finally:
            storage.close()
    given = {"min_sessions": a.min_sessions, "window_seconds": a.window_seconds}
    server.serve(
        a.db,
        a.host,
        a.port,
        site=first,
        allow_hosts=a.allow_host,
        retain_days=a.retain_days,
        **{name: value for name, value in given.items() if value is not None},
    )
    return 0


# --- bench --------------------------------------------------------------------------------------


def _bench(argv: Sequence[str]) -> int:
    from strandline.bench.run import main as bench

    return bench(argv)


# --- shared -------------------------------------------------------------------------------------


def _address(p: argparse.ArgumentParser, port: int) -> None:
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    p.add_argument("--port", type=_port, default=port, help=f"(default: {port}; 0: a free one)")


def _list_of_names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    read.__name__ = "number"  # argparse names it in its message
    return read


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return value


def _missing_extra(error: ImportError) -> str:
    """Which extra brings a package that is not installed."""
    name = (error.name or "").partition(".")[0]
    extras = {"starlette": "serve", "uvicorn": "serve", "msgspec": "collector", "onnx": "pack"}
    extras |= {"pyarrow": "pack", "playwright": "bench", "onnxruntime": "bench"}
    if name in extras:
        return f"this command needs {name}: pip install 'strandline[{extras[name]}]'"
    raise error


def _progress(line: str) -> None:
    print(f"· {line}", file=sys.stderr, flush=True)


def _fail(message: str) -> int:
    print(f"strandline: {' '.join(message.split())}", file=sys.stderr)
    return 2
