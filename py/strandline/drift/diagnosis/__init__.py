"""Diagnosis: which kind of drift a series of windows shows, and its pattern in time."""

from __future__ import annotations

from strandline.drift.diagnosis.diagnosis import KINDS, PATTERNS, Diagnosis, DriftKind, Pattern
from strandline.drift.diagnosis.procedure import METHODS, Found, diagnose, examine

__all__ = [
    "KINDS",
    "METHODS",
    "PATTERNS",
    "Diagnosis",
    "DriftKind",
    "Found",
    "Pattern",
    "diagnose",
    "examine",
]
