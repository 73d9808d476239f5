"""Drift statistics by the names people know. To add one: a function under `@statistic`, imported
here.
"""

from __future__ import annotations

from strandline.drift.stats.chisquare import chisquare, g_test
from strandline.drift.stats.divergences import hellinger, jensenshannon, kl_div, psi, tvd
from strandline.drift.stats.energy import ed
from strandline.drift.stats.ks import ks
from strandline.drift.stats.mannw import mannw
from strandline.drift.stats.means import t_test, z
from strandline.drift.stats.missing import missing
from strandline.drift.stats.statistic import METHODS, Method, Statistic, Verdict, statistic
from strandline.drift.stats.wasserstein import wasserstein

__all__ = [
    "METHODS",
    "Method",
    "Statistic",
    "Verdict",
    "chisquare",
    "ed",
    "g_test",
    "hellinger",
    "jensenshannon",
    "kl_div",
    "ks",
    "mannw",
    "missing",
    "psi",
    "statistic",
    "t_test",
    "tvd",
    "wasserstein",
    "z",
]
