"""The SQLite storage: one file, WAL, and a commit that is on disk before anyone is told."""

from __future__ import annotations

from strandline.collector.sqlite.database import SQLiteStorage

__all__ = ["SQLiteStorage"]
