"""What a large report holds folded comes deflated: the page's script unpacks it."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence


def packed(rows: Sequence[str], of: str) -> str:
    """Table rows as deflated text in a block of data; each says where it belongs by ``id`` or
    ``data-in``. `of`: what is missing where scripts don't run.
    """
    if not rows:
        return ""
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    data = deflate.compress("".join(rows).encode()) + deflate.flush()
    text = base64.b64encode(data).decode()
    return (
        f'<noscript><p class="none">The details of the last {of} need scripts.</p></noscript>'
        f'<script type="application/octet-stream" class="packed">{text}</script>'
    )
