"""Drift: references, mergeable profiles, statistics with guaranteed intervals, verdicts."""

from __future__ import annotations

from strandline.drift.compare import Criteria, FeatureDrift, compare, result
from strandline.drift.monitor import Monitor
from strandline.drift.profile import Profile
from strandline.drift.reference import Reference
from strandline.drift.segments import Segment
from strandline.drift.sessions import SessionMoments
from strandline.drift.stats import METHODS, Statistic
from strandline.drift.tally import CategoricalTally, NumericTally, Tally, VectorTally, WireError

__all__ = [
    "METHODS",
    "CategoricalTally",
    "Criteria",
    "FeatureDrift",
    "Monitor",
    "NumericTally",
    "Profile",
    "Reference",
    "Segment",
    "SessionMoments",
    "Statistic",
    "Tally",
    "VectorTally",
    "WireError",
    "compare",
    "result",
]
