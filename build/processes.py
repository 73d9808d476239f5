"""The servers that the demo and the browser tests run beside themselves: started, waited for, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 60.0
STOP_SECONDS = 10.0


class StartError(RuntimeError):
    """A server that did not come up; the message holds what it wrote."""


class Server:
    """A process that serves HTTP on a port of this machine; what it writes goes to a file.

    `health` is the path that answers once it is ready. A context manager: leaving it ends the process,
    and prints what the process wrote when an exception is under way.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], port: int, log: Path, health: str = "/"
    ) -> None:
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._command = [str(word) for word in command]
        self._health = self.url + health
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers. Raises StartError with its output when it does not."""
        with self._log.open("ab") as log:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StartError(f"{self.name} did not start:\n{self.output()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._health, timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it runs."""
        if self._process is None:
            return
        self._process.send_signal(by)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it without warning (SIGKILL), as a crash would."""
        self.stop(signal.SIGKILL)

    def output(self) -> str:
        """All that it wrote so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if error is not None and not isinstance(error, KeyboardInterrupt):
            print(f"--- output of {self.name} ---\n{self.output()}", file=sys.stderr)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def static_host(folder: Path, log: Path, port: int | None = None) -> Server:
    """Python's own file server over a folder: sites must need nothing better."""
    port = port or free_port()
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "-d",
        folder,
        str(port),
    ]
    return Server("the static host", command, port, log)


def collector(
    db: Path, sites: Sequence[Path], log: Path, port: int | None = None, min_sessions: int = 1
) -> Server:
    """`strandline collect` for these sites."""
    port = port or free_port()
    command = [
        sys.executable,
        "-m",
        "strandline",
        "collect",
        "--db",
        f"sqlite:///{db}",
        "--port",
        str(port),
    ]
    command += ["--min-sessions", str(min_sessions)]
    for site in sites:
        command += ["--site", str(site)]
    return Server("the collector", command, port, log, "/healthz")
