"""`strandline collect`: open the database, make the site known, listen, and stop without losing
anything.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import uvicorn

from strandline.collector.app import MIN_SESSIONS, WINDOW_SECONDS, Collector, Settings
from strandline.collector.clock import MIN_RETENTION
from strandline.collector.guard import Access
from strandline.collector.ingest import QUEUE_REPORTS
from strandline.collector.keys import Keys, ensure_keys
from strandline.collector.register import Site, read_site, register
from strandline.collector.retention import Retention
from strandline.collector.storage import Storage, open_storage

SHUTDOWN_SECONDS = 10
CONNECTIONS = 512  # × 64 KB of body: what a crowd may hold in memory


class ServeError(ValueError):
    """The collector can't start as it was asked to; the message says what to do."""


def serve(
    db_url: str,
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    site: Path | Sequence[Path] | None = None,
    min_sessions: int = MIN_SESSIONS,
    window_seconds: int = WINDOW_SECONDS,
    allow_hosts: Collection[str] = (),
    read_key: bool | None = None,
    retain_days: int | None = None,
    queue_reports: int = QUEUE_REPORTS,
    access_log: bool = False,
    out: TextIO | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    `port` 0 takes a free one; the address is printed to `out` (the standard output) once it answers.

    `read_key`: whether reading needs the admin key; by default only when the collector is known by
    other names than this machine's own. Raises `StorageError`, `RegistrationError` or `ServeError`,
    with one line that says what to do.
    """
    if window_seconds < 1 or min_sessions < 1 or queue_reports < 1:
        raise ServeError("the window, the number of sessions and the queue must be at least 1")
    if retain_days is not None and retain_days * 86_400 < MIN_RETENTION:
        raise ServeError(
            f"--retain-days {retain_days} is too short: a device may send a report again for "
            "90 days, and one whose id was forgotten would be counted twice; "
            f"{MIN_RETENTION // 86_400} days is the least"
        )
    folders = [site] if isinstance(site, Path) else site or []
    sites = [read_site(folder) for folder in folders]
    storage = open_storage(db_url)
    listener: socket.socket | None = None
    try:
        keys = ensure_keys(storage)
        names = {*allow_hosts, *(one.host for one in sites if one.host)}
        settings = Settings(
            access=Access.of(host, names, read_key),
            window_seconds=window_seconds,
            min_sessions=min_sessions,
            queue_reports=queue_reports,
            access_log=access_log,
        )
        collector = Collector(storage, settings)
        known = [make_known(storage, one) for one in sites]
        listener = listen(host, port)
        _log_to_stderr(access_log)
        address = f"http://{host if ':' not in host else f'[{host}]'}:{listener.getsockname()[1]}/"
        retention = Retention(storage, retain_days) if retain_days is not None else None

        def ready() -> None:
            announce(out or sys.stdout, address, keys, settings, known)

        server = _Server(collector, ready, retention)
        server.run_until_stopped(listener)
    finally:
        if listener is not None:
            listener.close()
        storage.close()


def make_known(storage: Storage, site: Site) -> tuple[str, str]:
    """Register a packed site, and let its page's key write: whoever starts the collector with a
    site trusts it.
    """
    model, _ = register(storage, site.manifest, site.reference)
    if site.key:
        storage.add_key(site.key, "ingest")
    return model.name, model.version


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a taken port is one clear line and port 0 can be printed.

    Raises `ServeError`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ServeError(
            f"can't listen on {host} port {port} ({error}): choose another --port or --host"
        ) from None
    return listener


def announce(
    out: TextIO, address: str, keys: Keys, settings: Settings, known: Sequence[tuple[str, str]]
) -> None:
    """What the operator needs to know, once the server answers."""
    lines = [f"Strandline collector at {address}"]
    lines += [f"  model       {name} {version}" for name, version in known]
    lines.append(f"  ingest key  {keys.ingest} (public: goes into the page)")
    if keys.created:
        lines.append(f"  admin key   {keys.admin} (secret; kept in the database, shown only now)")
    if settings.access.read_key:
        lines.append(
            "  reading needs the admin key: the browser asks for it, any user name will do"
        )
    lines.append(
        f"  windows of {settings.window_seconds} s are shown from {settings.min_sessions} sessions"
    )
    print("\n".join(lines), file=out, flush=True)


class _Server(uvicorn.Server):
    """Uvicorn, with event streams that end at shutdown and models that get their quarantined
    reports back at the start.
    """

    def __init__(
        self,
        collector: Collector,
        ready: Callable[[], None],
        retention: Retention | None,
    ) -> None:
        config = uvicorn.Config(
            collector.asgi(),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            lifespan="on",
            ws="none",
        )
        super().__init__(config)
        self._collector = collector
        self._ready = ready
        self._retention = retention
        self._forgetting: asyncio.Task[None] | None = None

    def run_until_stopped(self, listener: socket.socket) -> None:
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has stopped
            self.run(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.should_exit:
            return
        for model in self._collector.storage.models():
            await self._collector.ingest.requeue(model.name, model.version)
        if self._retention is not None:
            self._forgetting = asyncio.create_task(self._retention.run())
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._collector.live.close()
        if self._forgetting is not None:
            self._forgetting.cancel()
        await super().shutdown(sockets=sockets)


def _log_to_stderr(access_log: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name, level in (
        ("strandline", logging.INFO if access_log else logging.WARNING),
        ("uvicorn", logging.WARNING),
    ):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
