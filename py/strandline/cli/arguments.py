"""Kinds of argument, and messages, that several commands share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

Command = Callable[[argparse.Namespace], int]

DB = "sqlite:///strandline.db"


def address(p: argparse.ArgumentParser, port: int) -> None:
    """Add --host and --port, which is `port` by default."""
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    p.add_argument(
        "--port", type=port_number, default=port, help=f"(default: {port}; 0: a free one)"
    )


def list_of_names(text: str) -> list[str]:
    """`a,b,c`."""
    return [name.strip() for name in text.split(",") if name.strip()]


def positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    """A finite number above 0."""

    def read(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    read.__name__ = "number"  # argparse names it in its message
    return read


def share(text: str) -> float:
    """A number between 0 and 1, neither of them."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return value


def report_path(text: str) -> Path:
    """A file that a report can be written to."""
    path = Path(text)
    if path.suffix not in (".html", ".json"):
        raise argparse.ArgumentTypeError(f"{text} must end in .html or .json")
    return path


def series_path(text: str) -> Path:
    """A file that a report of a series can be written to."""
    path = Path(text)
    if path.suffix not in (".html", ".json", ".md"):
        raise argparse.ArgumentTypeError(f"{text} must end in .html, .json or .md")
    return path


def port_number(text: str) -> int:
    """A TCP port; 0 stands for a free one."""
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return value


def progress(line: str) -> None:
    """One line on stderr, so that stdout stays for results."""
    print(f"· {line}", file=sys.stderr, flush=True)


def fail(message: str) -> int:
    """Say in one line what was wrong; the exit code for that."""
    print(f"strandline: {' '.join(message.split())}", file=sys.stderr)
    return 2
