"""The model as a service: the site's own pipeline behind HTTP, and the site itself for browsers."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from strandline.bundle.edge import Edge, columns_of, rows_of
from strandline.bundle.errors import InputError
from strandline.bundle.pipeline import open_site

MAX_BODY = 16 * 2**20
"""Bytes of a request; longer batches are for `strandline score`."""


def application(site: str | Path) -> Starlette:
    """The ASGI application of a packed site.

    `POST /v1/predict` takes `{"rows": [{column: value, …}, …]}` and gives `{"rows": [{output: value, …}, …], "ms": …}`;
    `GET /v1/drift` the profile since the start beside the reference; everything else is the static site.
    """
    manifest, read = open_site(site)
    edge = Edge(manifest.dumps(), read)
    lock = threading.Lock()

    def answer(body: bytes) -> Response:
        try:
            rows = json.loads(body)
            given = rows.get("rows") if isinstance(rows, dict) else rows
            columns = columns_of(given, edge.columns, edge.vectors)
            with lock:
                predictions, ms = edge.predict_columns(columns)
        except UnicodeDecodeError:
            return JSONResponse({"error": "the body is not UTF-8"}, 400)
        except json.JSONDecodeError as error:
            return JSONResponse({"error": f"the body is not JSON: {error}"}, 400)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"rows": rows_of(predictions), "ms": ms})

    async def predict(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                return JSONResponse(
                    {"error": f"the body is longer than {MAX_BODY} bytes: send fewer rows"}, 413
                )
        return await run_in_threadpool(answer, bytes(body))

    def drift(_: Request) -> Response:
        with lock:
            return Response(edge.drift(), media_type="application/json")

    def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok", "model": manifest.name, "version": manifest.version})

    return Starlette(
        routes=[
            Route("/v1/predict", predict, methods=["POST"]),
            Route("/v1/drift", drift),
            Route("/healthz", healthz),
            Mount("/", StaticFiles(directory=site, html=True)),
        ]
    )
