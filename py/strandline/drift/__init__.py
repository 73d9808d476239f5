"""Drift: references, mergeable profiles, statistics with guaranteed intervals, verdicts."""

from __future__ import annotations

from strandline.drift.profile import Profile
from strandline.drift.reference import Reference
from strandline.drift.tally import CategoricalTally, NumericTally, Tally, WireError

__all__ = ["CategoricalTally", "NumericTally", "Profile", "Reference", "Tally", "WireError"]
