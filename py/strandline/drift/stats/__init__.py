"""Drift statistics by the names people know. To add one: a function under `@statistic`, imported
here.
"""

from __future__ import annotations

from strandline.drift.stats.anderson import anderson
from strandline.drift.stats.chisquare import chisquare, g_test
from strandline.drift.stats.cramer import cramer_von_mises
from strandline.drift.stats.divergences import hellinger, jensenshannon, kl_div, psi, tvd
from strandline.drift.stats.energy import ed
from strandline.drift.stats.epps import es
from strandline.drift.stats.fisher import fisher_exact
from strandline.drift.stats.ks import ks
from strandline.drift.stats.mannw import mannw
from strandline.drift.stats.means import t_test, z
from strandline.drift.stats.missing import missing
from strandline.drift.stats.mmd import mmd, mmd_permutation
from strandline.drift.stats.statistic import (
    ALIASES,
    METHODS,
    Method,
    Statistic,
    Verdict,
    method,
    statistic,
)
from strandline.drift.stats.wasserstein import wasserstein

__all__ = [
    "ALIASES",
    "METHODS",
    "Method",
    "Statistic",
    "Verdict",
    "anderson",
    "chisquare",
    "cramer_von_mises",
    "ed",
    "es",
    "fisher_exact",
    "g_test",
    "hellinger",
    "jensenshannon",
    "kl_div",
    "ks",
    "mannw",
    "method",
    "missing",
    "mmd",
    "mmd_permutation",
    "psi",
    "statistic",
    "t_test",
    "tvd",
    "wasserstein",
    "z",
]
