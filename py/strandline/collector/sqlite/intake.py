"""Taking in reports, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from strandline.collector.storage import Accepted, Merge, Outcome, Part, Refused, Submission

QUARANTINE_LIMIT = 10_000
"""rows kept: the ingest key is public, and a flood of junk must not fill the disk"""

WindowKey = tuple[int, int, int]


def take_in(
    db: sqlite3.Connection, submissions: Sequence[Submission], merge: Merge
) -> tuple[list[Outcome], Counter[str]]:
    """Outcomes in the given order, and how often each counter goes up."""
    outcomes: list[Outcome] = []
    counts: Counter[str] = Counter()
    fresh: dict[WindowKey, list[Accepted]] = {}
    for submission in submissions:
        if isinstance(submission, Refused):
            outcome = _quarantine(db, submission)
        else:
            outcome = _take(db, submission)
            if outcome.status == "stored":
                key = (submission.model_id, submission.start, submission.seconds)
                fresh.setdefault(key, []).append(submission)
                counts["skewed"] += submission.skewed
        outcomes.append(outcome)
        counts[outcome.status] += 1
    for key, reports in fresh.items():
        _merge_window(db, key, reports, merge)
    return outcomes, counts


def _take(db: sqlite3.Connection, report: Accepted) -> Outcome:
    known = db.execute("SELECT content FROM reports WHERE id = ?", (report.id.bytes,)).fetchone()
    if known is not None:
        if known[0] == report.content:
            return Outcome("duplicate")
        reason = "this id was counted before with other content: every report needs its own id"
        return _quarantine(
            db,
            Refused(
                report.id, report.content, report.received, None, None, reason, False, report.body
            ),
        )
    (window,) = db.execute(
        """
        INSERT INTO windows (model_id, start, seconds, rows, reports) VALUES (?, ?, ?, ?, 1)
        ON CONFLICT DO UPDATE SET rows = rows + excluded.rows, reports = reports + 1
        RETURNING id
        """,
        (report.model_id, report.start, report.seconds, report.rows),
    ).fetchone()
    db.execute(
        "INSERT INTO reports VALUES (?, ?, ?, ?)",
        (report.id.bytes, report.content, window, report.received),
    )
    db.execute(
        """
        INSERT INTO window_sessions (window_id, session, reports) VALUES (?, ?, 1)
        ON CONFLICT DO UPDATE SET reports = reports + 1
        """,
        (window, report.session.bytes),
    )
    db.execute("DELETE FROM quarantine WHERE content = ?", (report.content,))
    return Outcome("stored")


def _quarantine(db: sqlite3.Connection, report: Refused) -> Outcome:
    (kept,) = db.execute("SELECT count(*) FROM quarantine").fetchone()
    if kept < QUARANTINE_LIMIT:
        db.execute(
            """
            INSERT OR IGNORE INTO quarantine
              (id, content, received, model, version, reason, unregistered, body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            (
                report.id.bytes if report.id else None,
                report.content,
                report.received,
                report.model,
                report.version,
                report.reason,
                report.unregistered,
                report.body,
            ),
        )
    return Outcome("quarantined", report.reason)


def _merge_window(
    db: sqlite3.Connection, key: WindowKey, reports: Sequence[Accepted], merge: Merge
) -> None:
    (window,) = db.execute(
        "SELECT id FROM windows WHERE model_id = ? AND start = ? AND seconds = ?", key
    ).fetchone()
    held = dict(
        db.execute(
            "SELECT feature, profile FROM window_features WHERE window_id = ?", (window,)
        ).fetchall()
    )
    by_session: dict[UUID, list[Any]] = {}
    for report in reports:
        by_session.setdefault(report.session, []).append(report.profile)
    parts = {
        session: _part(db, window, session, profiles) for session, profiles in by_session.items()
    }
    merged = merge(key[0], held, parts)
    db.executemany(
        """
        INSERT INTO window_features VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET profile = excluded.profile
        """,
        [(window, feature, text) for feature, text in merged.features.items()],
    )
    db.executemany(
        "UPDATE window_sessions SET profile = ? WHERE window_id = ? AND session = ?",
        [(kept, window, session.bytes) for session, kept in merged.sessions.items()],
    )


def _part(db: sqlite3.Connection, window: int, session: UUID, profiles: Sequence[Any]) -> Part:
    held, reports = db.execute(
        "SELECT profile, reports FROM window_sessions WHERE window_id = ? AND session = ?",
        (window, session.bytes),
    ).fetchone()
    return Part(held, profiles, settled=held is None and reports > len(profiles))
