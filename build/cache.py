"""Where the build keeps what it made: a cache folder, content-hash stamps, locks, progress."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parent.parent
VERSIONS: dict[str, Any] = tomllib.loads((REPO / "build/versions.toml").read_text())


class BuildError(Exception):
    """A build step failed; the message says what to do. Printed without a traceback."""


def cache_dir() -> Path:
    """`STRANDLINE_CACHE`, `$XDG_CACHE_HOME/strandline` or `~/.cache/strandline`; created."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("STRANDLINE_CACHE") or base / "strandline")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(text: str) -> None:
    """Print one progress line, on stderr so that stdout stays for results."""
    print(f"· {text}", file=sys.stderr, flush=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_key(files: Iterable[Path], *more: str, root: Path = REPO) -> str:
    """Hash the files' names (relative to `root`) and contents, and `more`: 16 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(root)}\0{sha256(path)}\0".encode())
    for text in more:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:16]


def is_fresh(stamp: Path, key: str) -> bool:
    """Whether the step that wrote `stamp` finished with the same key."""
    return stamp.is_file() and stamp.read_text() == key


def write_stamp(stamp: Path, key: str) -> None:
    """Record that a step finished."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold an exclusive lock, so that two builds at once take turns; it ends with the process."""
    with (cache_dir() / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another build ({name}) to finish")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `folder` if the block succeeds: never half a result."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def run(
    command: Sequence[object],
    what: str,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a command, its output in a log file; on failure raise BuildError with the log's end."""
    log_name = re.sub(r"[^a-z0-9]+", "-", what.split(":")[0].lower())
    log = cache_dir() / "logs" / f"{log_name}.log"
    log.parent.mkdir(exist_ok=True)
    say(what)
    start = time.monotonic()
    with log.open("w") as output:
        done = subprocess.run(
            [str(part) for part in command],
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=None if env is None else dict(env), cwd=cwd, check=False,
        )  # fmt: skip
    seconds = time.monotonic() - start
    if done.returncode != 0:
        tail = "\n".join(_telling_lines(log.read_text(errors="replace").splitlines()))
        raise BuildError(
            f"{what}: failed after {seconds:.0f} s with exit code {done.returncode}.\n"
            f"{tail}\nThe whole log: {log}"
        )
    if seconds > 5:
        say(f"  {seconds:.0f} s")


def _telling_lines(lines: Sequence[str], errors: int = 10, last: int = 20) -> list[str]:
    """The first compiler errors of a log, which can stand far from its end, and its end."""
    found = [line for line in lines[:-last] if re.search(r"\berror: ", line, re.IGNORECASE)]
    return [*found[:errors], *lines[-last:]]
