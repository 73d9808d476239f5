"""The collector about itself, since it started.

Totals that must outlive it are counted in the database.
"""

from __future__ import annotations

import time
from collections import Counter, deque

RECENT = 1000


class Timings:
    """How long something took: percentiles over the last 1000 times, the maximum and the count over
    all.
    """

    def __init__(self) -> None:
        self.count = 0
        self.max_ms = 0.0
        self._recent: deque[float] = deque(maxlen=RECENT)

    def add(self, seconds: float) -> None:
        self.count += 1
        self.max_ms = max(self.max_ms, seconds * 1000)
        self._recent.append(seconds * 1000)

    def to_json(self) -> dict[str, float]:
        """`count`, and milliseconds: `p50`, `p90`, `p99` (nearest rank), `max`."""
        ordered = sorted(self._recent)
        ranks = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        percentiles = {
            name: round(ordered[min(len(ordered) - 1, int(rank * len(ordered)))], 3)
            if ordered
            else 0.0
            for name, rank in ranks.items()
        }
        return {"count": self.count, **percentiles, "max": round(self.max_ms, 3)}


class Metrics:
    """Counters of requests and timings of the two steps that matter: answering a post, and
    committing.
    """

    OUTCOMES = ("accepted", "bad", "unauthorised", "too_large", "busy")

    def __init__(self) -> None:
        self.started = time.time()
        self.requests: Counter[str] = Counter()
        self.ingest = Timings()
        self.commits = Timings()

    def to_json(self) -> dict[str, object]:
        return {
            "uptime_seconds": round(time.time() - self.started, 1),
            "requests": {name: self.requests[name] for name in self.OUTCOMES},
            "ingest_ms": self.ingest.to_json(),
            "commit_ms": self.commits.to_json(),
        }
