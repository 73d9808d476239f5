"""The outermost layer: which hosts are ours, who may read, and the headers that every answer
carries.
"""

from __future__ import annotations

import base64
import binascii
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

INGEST = "/v1/profiles"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type, Content-Encoding",
    "Access-Control-Max-Age": "86400",
}

access = logging.getLogger("strandline.access")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may talk to the collector.

    `hosts` is what the Host header may name (`None`: anything); `read_key`: reading needs the admin
    key.
    """

    hosts: frozenset[str] | None
    read_key: bool

    @staticmethod
    def of(host: str, extra: Collection[str] = (), read_key: bool | None = None) -> Access:
        """The rules for a server bound to `host` that is also known by the `extra` names.

        Reading is open only when every name is this machine's own: then a Host header of a
        stranger's name, as a rebound DNS entry would send, is refused. Bound to all interfaces
        without names, any Host will do, and reading needs the key.
        """
        names = {_bracket(name.lower()) for name in extra}
        if host in {"0.0.0.0", "::", ""} and not names:
            return Access(None, True if read_key is None else read_key)
        hosts = (
            LOOPBACK
            | names
            | ({_bracket(host.lower())} if host not in {"0.0.0.0", "::", ""} else set())
        )
        return Access(hosts, not hosts <= LOOPBACK if read_key is None else read_key)


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def host_name(header: str) -> str:
    """The name in a Host header, without its port; IPv6 keeps its brackets."""
    name, bracket, _ = header.lower().partition("]")
    return name + bracket if bracket else header.lower().partition(":")[0]


def presented_key(headers: Headers) -> str:
    """The key of an Authorization header:

    `Bearer KEY`, or the password of `Basic` (what a browser's prompt sends).
    """
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


class Guard:
    """ASGI middleware around the whole application, its error pages included."""

    def __init__(self, app: ASGIApp, rules: Access, *, log: bool = False) -> None:
        self.app = app
        self.rules = rules
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        extra = HEADERS | (
            CORS if path == INGEST else {"Cross-Origin-Resource-Policy": "same-origin"}
        )
        began, status = time.perf_counter(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in extra.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._answer(scope)(scope, receive, send_guarded)
        if self.log:
            access.info(
                "%s %r %d %.1f ms", method, path, status, (time.perf_counter() - began) * 1000
            )

    def _answer(self, scope: Scope) -> ASGIApp:
        host = host_name(Headers(scope=scope).get("host", ""))
        if self.rules.hosts is not None and host not in self.rules.hosts:
            reason = f"this collector is not known as {host!r}: start it with --allow-host NAME"
            return JSONResponse({"error": reason}, 400)
        if scope["path"] == INGEST and scope["method"] == "OPTIONS":
            return Response(status_code=204, headers=PREFLIGHT)
        return self.app
