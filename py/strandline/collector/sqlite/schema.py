"""The SQLite tables, as migrations: entry n brings a database from version n to n + 1.

Ids and hashes are BLOBs (16 and 32 bytes); `start` and `registered` are Unix seconds, `received` is
Unix milliseconds. A window's profile is one row per feature, so that a feature's history is one
range scan.
"""

from __future__ import annotations

APPLICATION_ID = 0x5374726E  # "Strn": tells our files from other programs'

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE keys (
      key TEXT PRIMARY KEY,
      kind TEXT NOT NULL CHECK (kind IN ('ingest', 'admin')),
      created INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE models (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL,
      version TEXT NOT NULL,
      reference_sha256 TEXT NOT NULL,
      manifest TEXT NOT NULL,
      reference TEXT NOT NULL,
      registered INTEGER NOT NULL,
      UNIQUE (name, version)
    );

    CREATE TABLE windows (
      id INTEGER PRIMARY KEY,
      model_id INTEGER NOT NULL REFERENCES models (id),
      start INTEGER NOT NULL,
      seconds INTEGER NOT NULL,
      rows INTEGER NOT NULL,
      reports INTEGER NOT NULL,
      UNIQUE (model_id, start, seconds)
    );

    CREATE TABLE window_features (
      window_id INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
      feature TEXT NOT NULL,
      profile TEXT NOT NULL,
      PRIMARY KEY (window_id, feature)
    ) WITHOUT ROWID;

    CREATE TABLE window_sessions (
      window_id INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
      session BLOB NOT NULL,
      reports INTEGER NOT NULL,
      PRIMARY KEY (window_id, session)
    ) WITHOUT ROWID;

    CREATE TABLE reports (
      id BLOB PRIMARY KEY,
      content BLOB NOT NULL,
      window_id INTEGER NOT NULL REFERENCES windows (id) ON DELETE CASCADE,
      received INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX reports_of_window ON reports (window_id);

    CREATE TABLE quarantine (
      seq INTEGER PRIMARY KEY,
      id BLOB,
      content BLOB NOT NULL UNIQUE,
      received INTEGER NOT NULL,
      model TEXT,
      version TEXT,
      reason TEXT NOT NULL,
      unregistered INTEGER NOT NULL,
      body BLOB NOT NULL
    );
    CREATE INDEX quarantine_of_model ON quarantine (model, version) WHERE unregistered;

    CREATE TABLE metrics (
      start INTEGER NOT NULL,
      name TEXT NOT NULL,
      value INTEGER NOT NULL,
      PRIMARY KEY (start, name)
    ) WITHOUT ROWID;
    """,
    # What a session had in a window so far, for as long as more of it may come.
    "ALTER TABLE window_sessions ADD COLUMN profile BLOB",
)
