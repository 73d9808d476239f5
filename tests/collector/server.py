"""A real collector in its own process, for tests: started on a free port, stopped or killed, its
output shown on failure.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from strandline.collector.keys import read_keys

START_SECONDS = 30.0
STOP_SECONDS = 20.0

_COMMAND = "from strandline.cli import main; raise SystemExit(main())"


class RunningCollector:
    """A context manager around `strandline collect` in a process of its own.

    Keywords are the command's options (`min_sessions=1` is `--min-sessions 1`). The port stays the
    same over `restart`, so that clients find the collector again. After an exception in the body,
    everything the process wrote is printed.
    """

    def __init__(self, db: Path, *, site: Path | None = None, **options: Any) -> None:
        self.db_url = f"sqlite:///{db}"
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output: list[str] = []
        self._options = {"min_sessions": 1} | options | ({} if site is None else {"site": site})
        self._process: subprocess.Popen[str] | None = None

    @property
    def ingest_key(self) -> str:
        return read_keys(self.db_url).ingest

    @property
    def admin_key(self) -> str:
        return read_keys(self.db_url).admin

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = {"db": self.db_url, "port": self.port, **self._options}
        flags = [(f"--{name.replace('_', '-')}", str(value)) for name, value in options.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, "collect", *chain.from_iterable(flags)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error"},
        )
        ready = threading.Event()
        threading.Thread(target=self._read_output, args=(self._process, ready), daemon=True).start()
        if not ready.wait(START_SECONDS) or self._process.poll() is not None:
            self.kill()
            raise RuntimeError(f"the collector did not start:\n{''.join(self.output)}")

    def _read_output(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.output.append(line)
                if line.startswith("Strandline collector at "):
                    ready.set()
        ready.set()

    def stop(self) -> int:
        """Ask it to stop (SIGTERM), and wait; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(STOP_SECONDS)

    def restart(self, *, pause: float = 0.0) -> None:
        """Kill it, leave the port silent for a moment, start it again."""
        self.kill()
        time.sleep(pause)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        if error is not None:
            print(f"--- the collector's output ---\n{''.join(self.output)}", file=sys.stderr)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
