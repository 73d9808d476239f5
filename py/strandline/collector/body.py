"""Reading a request's body without trusting its size: on the wire, inflated, and in time."""

from __future__ import annotations

import asyncio
import zlib

from starlette.requests import ClientDisconnect, Request

WIRE_BYTES = 64 * 1024
INFLATED_BYTES = 256 * 1024
SECONDS = 30.0

GZIP_MAGIC = b"\x1f\x8b"


class TooLargeError(ValueError):
    """Over a limit."""


class BadBodyError(ValueError):
    """Not what its headers say, or cut short."""


async def read_body(
    request: Request, limit: int = WIRE_BYTES, inflated: int = INFLATED_BYTES
) -> bytes:
    """The body, inflated when it is gzip (by its header or by its first two bytes).

    Raises `TooLargeError` as soon as more than `limit` bytes came or more than `inflated` bytes
    came out, `BadBodyError` for broken gzip, another encoding, or a body that comes too slowly.
    """
    encoding = request.headers.get("content-encoding", "identity").lower().strip()
    if encoding not in {"identity", "gzip", ""}:
        raise BadBodyError(f"Content-Encoding {encoding} is not known: send gzip or plain text")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise TooLargeError(
            f"the body has {declared} bytes, the limit is {limit}: send fewer reports at a time"
        )
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise TooLargeError(
                        f"the body is longer than {limit} bytes: send fewer reports at a time"
                    )
    except TimeoutError:
        raise BadBodyError(f"the body took longer than {SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise BadBodyError("the connection closed before the body was complete") from None
    if encoding == "gzip" or body.startswith(GZIP_MAGIC):
        return inflate(bytes(body), inflated)
    return bytes(body)


def inflate(data: bytes, limit: int) -> bytes:
    """Gunzip at most `limit` bytes; never holds more. Raises `TooLargeError` or `BadBodyError`."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise BadBodyError(f"the body is not gzip: {error}") from None
    if len(text) > limit:
        raise TooLargeError(
            f"the body inflates to more than {limit} bytes: send fewer reports at a time"
        )
    if not stream.eof or stream.unused_data:
        raise BadBodyError("the gzip body is cut short or has something after its end")
    return text
