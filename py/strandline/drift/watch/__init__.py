"""Continuous watching: a test that may be looked at any time, and detectors for series of numbers."""

from __future__ import annotations

from strandline.drift.watch.adwin import ADWIN
from strandline.drift.watch.page_hinkley import PageHinkley
from strandline.drift.watch.sequential import SequentialTest, e_benjamini_hochberg
from strandline.drift.watch.watch import Watch, Watched

__all__ = ["ADWIN", "PageHinkley", "SequentialTest", "Watch", "Watched", "e_benjamini_hochberg"]
