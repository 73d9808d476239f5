"""The HTTP side: routes, what each may answer, and nothing about profiles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from strandline.collector import answers, dashboard
from strandline.collector.body import BadBodyError, TooLargeError, read_body
from strandline.collector.clock import iso
from strandline.collector.envelope import MAX_REPORTS, BodyError, decode_post
from strandline.collector.guard import INGEST, Access, Guard, presented_key
from strandline.collector.ingest import (
    QUEUE_REPORTS,
    RETRY_AFTER_SECONDS,
    BusyError,
    Ingest,
    raw_reports,
)
from strandline.collector.keys import Keyring
from strandline.collector.live import Live
from strandline.collector.metrics import Metrics
from strandline.collector.profiles import Catalogue
from strandline.collector.query import Query, QueryError, Question, UnknownError
from strandline.collector.register import MAX_REFERENCE_BYTES, RegistrationError, register
from strandline.collector.storage import Storage, StorageError
from strandline.drift import Segment

WINDOW_SECONDS = 3600
MIN_SESSIONS = 50
QUARANTINE_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """How a collector behaves.

    Windows are `window_seconds` long, and shown from `min_sessions` sessions.
    """

    access: Access
    window_seconds: int = WINDOW_SECONDS
    min_sessions: int = MIN_SESSIONS
    queue_reports: int = QUEUE_REPORTS
    access_log: bool = False
    web: Path = dashboard.WEB


class Collector:
    """The application's parts and its endpoints.

    Storage is called in threads, never in the event loop.
    """

    def __init__(self, storage: Storage, settings: Settings) -> None:
        self.settings = settings
        self.storage = storage
        self.metrics = Metrics()
        self.keyring = Keyring(storage)
        self.live = Live()
        self.catalogue = Catalogue(storage)
        self.query = Query(storage, self.catalogue, min_sessions=settings.min_sessions)
        self._shown = {
            "window_seconds": settings.window_seconds,
            "min_sessions": settings.min_sessions,
        }
        self.ingest = Ingest(
            storage,
            self.catalogue,
            self.metrics,
            window_seconds=settings.window_seconds,
            on_change=self.live.changed,
            queue_reports=settings.queue_reports,
        )

    def asgi(self) -> ASGIApp:
        reading = {
            "/v1/models": self.models,
            "/v1/drift": self.drift,
            "/v1/series": self.series,
            "/v1/versions": self.versions,
            "/v1/live": self.stream,
            "/v1/metrics": self.show_metrics,
        }
        starlette = Starlette(
            routes=[
                Route(INGEST, self.post_profiles, methods=["POST"]),
                Route("/v1/models", self.post_model, methods=["POST"]),
                Route("/v1/quarantine", self.quarantine),
                Route("/healthz", self.health),
                Route("/", partial(self._read, self.home)),
                *(Route(path, partial(self._read, handler)) for path, handler in reading.items()),
                Mount("/assets", dashboard.Assets(self.settings.web)),
            ],
            exception_handlers={HTTPException: _http_error, Exception: _server_error},
            lifespan=self._lifespan,
        )
        return Guard(starlette, self.settings.access, log=self.settings.access_log)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self.ingest.start()
        try:
            yield
        finally:
            self.live.close()
            await self.ingest.close()

    # Writing

    async def post_profiles(self, request: Request) -> Response:
        began = time.perf_counter()
        try:
            post = decode_post(await read_body(request))
            if len(post.reports) > MAX_REPORTS:
                raise TooLargeError(
                    f"{len(post.reports)} reports in one post, the limit is {MAX_REPORTS}"
                )
            if not await asyncio.to_thread(self.keyring.allows, "ingest", post.key):
                self.metrics.requests["unauthorised"] += 1
                return _error(
                    401,
                    "this ingest key is not known here: pack the site with this collector's key",
                )
            receipts = await self.ingest.submit(raw_reports(post.reports))
        except (BadBodyError, BodyError) as error:
            self.metrics.requests["bad"] += 1
            return _error(400, str(error))
        except TooLargeError as error:
            self.metrics.requests["too_large"] += 1
            return _error(413, str(error))
        except BusyError:
            self.metrics.requests["busy"] += 1
            return _error(
                503, "busy: nothing was taken in, send it again later", RETRY_AFTER_SECONDS
            )
        self.metrics.requests["accepted"] += 1
        self.metrics.ingest.add(time.perf_counter() - began)
        return JSONResponse({"results": [receipt.to_json() for receipt in receipts]})

    async def post_model(self, request: Request) -> Response:
        await self._require_admin(request)
        try:
            body = await read_body(request, MAX_REFERENCE_BYTES, 2 * MAX_REFERENCE_BYTES)
            files = msgspec.json.decode(body, type=dict[str, dict[str, Any]])
            manifest, reference = (
                msgspec.json.encode(files[name]).decode() for name in ("manifest", "reference")
            )
            model, new = await asyncio.to_thread(register, self.storage, manifest, reference)
        except TooLargeError as error:
            return _error(413, str(error))
        except KeyError as error:
            return _error(400, f"{error} is missing: send the packed site's manifest and reference")
        except (BadBodyError, RegistrationError, msgspec.DecodeError, RecursionError) as error:
            return _error(400, str(error))
        except StorageError as error:
            return _error(409, str(error))
        self.catalogue.forget(model.name, model.version)
        requeued = await self.ingest.requeue(model.name, model.version)
        self.live.changed([(model.name, model.version)])
        answer = {
            "model": model.name,
            "version": model.version,
            "reference": model.reference_sha256,
        }
        return JSONResponse({**answer, "requeued": requeued}, 201 if new else 200)

    # Reading

    async def models(self, request: Request) -> Response:
        def answer() -> bytes:
            return _encoded(answers.models(self.query.models(), **self._shown))

        return _json(await asyncio.to_thread(answer))

    async def drift(self, request: Request) -> Response:
        question = _question(request)

        def answer() -> bytes:
            return _encoded(answers.drift(self.query.comparison(question), **self._shown))

        return _json(await asyncio.to_thread(answer))

    async def series(self, request: Request) -> Response:
        question, asked = _question(request), request.query_params
        feature, column = asked.get("feature"), asked.get("segment")
        segment = None if column is None else Segment(column, asked.get("value"))

        def answer() -> bytes:
            entry, courses = self.query.series(question, feature, segment)
            story = self.query.story(entry, courses) if segment is None else None
            return _encoded(answers.series(entry, courses, feature, segment, story, **self._shown))

        return _json(await asyncio.to_thread(answer))

    async def versions(self, request: Request) -> Response:
        question, asked = _question(request), request.query_params
        a, b = asked.get("a"), asked.get("b")
        if a is None or b is None:
            raise QueryError("name the two versions, such as ?model=loans&a=1&b=2")
        first, second = (replace(question, version=one) for one in (a, b))

        def answer() -> bytes:
            return _encoded(answers.versions(self.query.versions(first, second), **self._shown))

        return _json(await asyncio.to_thread(answer))

    async def stream(self, request: Request) -> Response:
        if self.live.full:
            return _error(503, "too many dashboards are open", RETRY_AFTER_SECONDS)
        known = [(m.name, m.version) for m in await asyncio.to_thread(self.storage.models)]
        counters = await asyncio.to_thread(self._counters)
        return StreamingResponse(
            self.live.stream(known, counters, self._counters),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    def _counters(self) -> dict[str, int]:
        counters = self.storage.counters()
        return {name: counters[name] for name in ("stored", "duplicate", "quarantined")}

    async def show_metrics(self, request: Request) -> Response:
        reports, size = await asyncio.to_thread(
            lambda: (self.storage.counters(), self.storage.size())
        )
        return JSONResponse(
            {
                "schema": "strandline.metrics/1",
                "started": iso(self.metrics.started),
                "reports": reports,
                **self.metrics.to_json(),
                "queue": {"depth": self.ingest.depth, "capacity": self.ingest.queue_reports},
                "database_bytes": size,
            }
        )

    async def quarantine(self, request: Request) -> Response:
        await self._require_admin(request)
        kept, total = await asyncio.to_thread(
            lambda: (
                self.storage.quarantined(limit=QUARANTINE_SHOWN),
                self.storage.quarantine_size(),
            )
        )
        reports = [
            {
                "id": str(one.id) if one.id else None,
                "received": iso(one.received / 1000),
                "model": one.model,
                "version": one.version,
                "reason": one.reason,
                "report": one.body.decode(errors="replace"),
            }
            for one in kept
        ]
        return JSONResponse(
            {"schema": "strandline.quarantine/1", "total": total, "reports": reports}
        )

    async def health(self, request: Request) -> Response:
        try:
            await asyncio.to_thread(self.storage.ping)
        except Exception as error:
            return _error(503, f"the database does not answer: {error}")
        return JSONResponse({"status": "ok"})

    async def home(self, request: Request) -> Response:
        return dashboard.page(self.settings.web)

    # Keys

    async def _read(
        self, handler: Callable[[Request], Awaitable[Response]], request: Request
    ) -> Response:
        if self.settings.access.read_key:
            await self._require_admin(request)
        try:
            return await handler(request)
        except UnknownError as error:
            return _error(404, str(error))
        except QueryError as error:
            return _error(400, str(error))

    async def _require_admin(self, request: Request) -> None:
        presented = presented_key(request.headers)
        if not await asyncio.to_thread(self.keyring.allows, "admin", presented):
            raise HTTPException(
                401, "this needs the admin key", {"WWW-Authenticate": 'Basic realm="Strandline"'}
            )


def _question(request: Request) -> Question:
    q = request.query_params
    return Question(q.get("model"), q.get("version"), q.get("from"), q.get("to"))


def _encoded(document: dict[str, Any]) -> bytes:
    """JSON; in the thread that made the document, for it may be megabytes."""
    return msgspec.json.encode(document)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _error(status: int, message: str, retry_after: int | None = None) -> Response:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse({"error": message}, status, headers)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _server_error(_: Request, error: Exception) -> Response:
    return _error(500, "the collector failed to answer; its log says why")
