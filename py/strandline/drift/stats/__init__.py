"""Drift statistics by the names people know them by. To add one: a function under `@statistic`,
imported here.
"""

from __future__ import annotations

from strandline.drift.stats.chisquare import chisquare
from strandline.drift.stats.divergences import jensenshannon, psi
from strandline.drift.stats.ks import ks
from strandline.drift.stats.missing import missing
from strandline.drift.stats.statistic import METHODS, Method, Statistic, Verdict, statistic
from strandline.drift.stats.wasserstein import wasserstein

__all__ = [
    "METHODS",
    "Method",
    "Statistic",
    "Verdict",
    "chisquare",
    "jensenshannon",
    "ks",
    "missing",
    "psi",
    "statistic",
    "wasserstein",
]
