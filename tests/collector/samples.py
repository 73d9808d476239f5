"""A small model that needs no ONNX: a reference of two columns and a prediction, its site, and
reports about it.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from strandline.drift import Profile, Reference

NAME, VERSION = "cars", "1"
MAKES = ("Saab", "Volvo", "Koenigsegg")


@cache
def reference() -> Reference:
    """200 cars: speed (numeric), make (categorical), price (an output)."""
    draw = random.Random(7)
    speeds = [round(draw.gauss(90, 20), 1) for _ in range(200)]
    return Reference.from_columns(
        {
            "speed": speeds,
            "make": [draw.choice(MAKES) for _ in range(200)],
            "price": [1000 + 30 * speed for speed in speeds],
        },
        kinds={"speed": "numeric", "make": "categorical", "price": "numeric"},
        roles={"price": "output"},
        bins=10,
    )


def manifest(**changes: Any) -> dict[str, Any]:
    """As much of a manifest as the collector reads."""
    return {
        "schema": "strandline.manifest/1",
        "name": NAME,
        "version": VERSION,
        "reference": {"file": "model/reference.json", "sha256": reference().sha256},
        "collector": None,
    } | changes


def write_site(folder: Path, frozen: Reference | None = None, **changes: Any) -> Path:
    """A packed site, as far as the collector looks into it."""
    text = (frozen or reference()).to_json()
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "reference.json").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    changes = {"reference": {"file": "model/reference.json", "sha256": digest}} | changes
    (folder / "manifest.json").write_text(json.dumps(manifest(**changes)))
    return folder


def rows(count: int, seed: int = 0, *, faster: float = 0.0) -> dict[str, list[Any]]:
    """Columns of `count` cars that may be faster than the reference's."""
    draw = random.Random(seed)
    speeds = [round(draw.gauss(90 + faster, 20), 1) for _ in range(count)]
    return {
        "speed": speeds,
        "make": [draw.choice(MAKES) for _ in range(count)],
        "price": [1000 + 30 * speed for speed in speeds],
    }


def profile(columns: dict[str, list[Any]]) -> Profile:
    filled = Profile(reference())
    filled.update(columns)
    return filled


def report(columns: dict[str, list[Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """A report of these rows (5 by default) that ended now."""
    now = iso(time.time())
    return {
        "schema": "strandline.report/1",
        "id": str(uuid4()),
        "model": NAME,
        "version": VERSION,
        "reference": reference().sha256,
        "session": str(uuid4()),
        "seq": 0,
        "started": now,
        "ended": now,
        "profile": profile(rows(5) if columns is None else columns).to_wire(),
    } | changes


def post_body(key: str, reports: Sequence[Any]) -> bytes:
    return json.dumps({"key": key, "reports": list(reports)}).encode()


def iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
