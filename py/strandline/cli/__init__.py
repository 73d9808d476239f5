"""The `strandline` command.

Exit codes: 0 fine, 1 drift found (`check`, `diagnose`), 2 bad input, with one line that says what to do.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from strandline import __version__
from strandline.cli import diagnosing, optimizing, packing, watching
from strandline.cli.arguments import Command, fail

AddArguments = Callable[[argparse.ArgumentParser], None]


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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # no reader: `… | head`
        return 0
    except ImportError as error:
        return fail(_missing_extra(error))
    except (ValueError, OSError) as error:
        if isinstance(error, ValueError) and not type(error).__module__.startswith("strandline."):
            raise  # no user's mistake: a defect, whose traceback is wanted
        return fail(str(error))


def parser() -> argparse.ArgumentParser:
    """The whole command line, but for `bench`."""
    top = argparse.ArgumentParser(
        "strandline",
        description="Ship an ONNX model to the browser; it predicts there, and tells you when the "
        "data drift.",
        epilog="`strandline COMMAND --help` explains a command and gives examples. "
        "Exit codes: 0 fine, 1 drift found (check, diagnose), 2 bad input.",
    )
    top.add_argument("--version", action="version", version=f"strandline {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, run, add_arguments, what, examples in _COMMANDS:
        added = commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog="examples:\n" + "".join(f"  {line}\n" for line in examples.splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_arguments(added)
        added.set_defaults(command=run)
    commands.add_parser("bench", help="measure native, WASM and peers in one run", add_help=False)
    return top


_COMMANDS: tuple[tuple[str, Command, AddArguments, str, str], ...] = (
    (
        "pack",
        packing.pack,
        packing.pack_arguments,
        "make a static site of a model and its reference",
        packing.PACK_EXAMPLES,
    ),
    (
        "optimize",
        optimizing.optimize,
        optimizing.optimize_arguments,
        "write a smaller model, and say what it gains and loses",
        optimizing.OPTIMIZE_EXAMPLES,
    ),
    (
        "explain",
        optimizing.explain,
        optimizing.explain_arguments,
        "say what runs where in a model, and how long each kernel takes",
        optimizing.EXPLAIN_EXAMPLES,
    ),
    (
        "score",
        packing.score,
        packing.score_arguments,
        "predict a file of rows with a packed model",
        packing.SCORE_EXAMPLES,
    ),
    (
        "serve",
        packing.serve,
        packing.serve_arguments,
        "serve a packed model over HTTP",
        packing.SERVE_EXAMPLES,
    ),
    (
        "collect",
        watching.collect,
        watching.collect_arguments,
        "take profiles from pages and show the drift",
        watching.COLLECT_EXAMPLES,
    ),
    (
        "report",
        watching.report,
        watching.report_arguments,
        "write the drift that a collector has seen",
        watching.REPORT_EXAMPLES,
    ),
    (
        "check",
        watching.check,
        watching.check_arguments,
        "compare two files of rows",
        watching.CHECK_EXAMPLES,
    ),
    (
        "diagnose",
        diagnosing.diagnose,
        diagnosing.diagnose_arguments,
        "say what happened over a series of windows, from files of rows",
        diagnosing.DIAGNOSE_EXAMPLES,
    ),
)


def _bench(argv: Sequence[str]) -> int:
    from strandline.bench.run import main as bench

    return bench(argv)


def _missing_extra(error: ImportError) -> str:
    """Which extra brings a package that is not installed."""
    name = (error.name or "").partition(".")[0]
    extras = {"starlette": "serve", "uvicorn": "serve", "msgspec": "collector", "onnx": "pack"}
    extras |= {"pyarrow": "pack", "playwright": "bench", "onnxruntime": "bench"}
    if name in extras:
        return f"this command needs {name}: pip install 'strandline[{extras[name]}]'"
    raise error
