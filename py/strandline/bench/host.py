"""A static file host on loopback for the benchmark's pages, which counts what it sends."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".json": "application/json",
}


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(
        self, *args: object, mounts: Mapping[str, Path], sent: list[str], **kw: object
    ) -> None:
        self.extensions_map = {**self.extensions_map, **TYPES}
        self._mounts = mounts
        self._sent = sent
        super().__init__(*args, **kw)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        first, _, rest = path.split("?")[0].lstrip("/").partition("/")
        root = self._mounts.get(first)
        if root is None:
            return str(self._mounts[""] / (f"{first}/{rest}" if rest else first or "index.html"))
        target = (root / rest).resolve()
        return str(target if target.is_relative_to(root.resolve()) else root / "outside")

    def end_headers(self) -> None:
        # Cross-origin isolation sharpens the browser's clock from 0.1 ms to 5 µs.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if str(getattr(code, "value", code)) == "200":
            self._sent.append(self.translate_path(self.path))

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def static_host(mounts: Mapping[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Serve folders (URL's first segment → folder; `""` is the root) until the block ends.

    Yields the origin and a growing list of the files that were sent.
    """
    sent: list[str] = []
    handler = functools.partial(_Handler, mounts=mounts, sent=sent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", sent
        finally:
            server.shutdown()
            thread.join()
