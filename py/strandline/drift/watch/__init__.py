"""Continuous watching: a test that may be looked at any time, and detectors for series of numbers."""

from __future__ import annotations

from strandline.drift.watch.adwin import ADWIN
from strandline.drift.watch.page_hinkley import PageHinkley
from strandline.drift.watch.sequential import SequentialTest, e_benjamini_hochberg

__all__ = ["ADWIN", "PageHinkley", "SequentialTest", "e_benjamini_hochberg"]
