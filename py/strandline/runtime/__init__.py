"""Sessions: feeds in, outputs out."""

from __future__ import annotations

from strandline.runtime.session import Session

__all__ = ["Session"]
