"""Numbers and verdicts in words, the same in every report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

METHOD_NAMES: Final = {
    "ks": "Kolmogorov-Smirnov",
    "chisquare": "Chi-square",
    "psi": "PSI",
    "jensenshannon": "Jensen-Shannon",
    "wasserstein": "Wasserstein",
    "missing": "Missing share",
}

METHOD_WORDS: Final = {
    "ks": "Largest difference of the two distribution functions, 0 to 1.",
    "chisquare": "Two-sample test of the shares of categories (numbers: of tenths of the reference). "
    "Its effect is Cramér's V, 0 to 1.",
    "psi": "Population stability index over tenths of the reference, or categories. "
    "By custom, from 0.1 worth a look, from 0.25 large.",
    "jensenshannon": "Jensen-Shannon distance of the shares, base 2, 0 to 1.",
    "wasserstein": "How far values have to move, in standard deviations of the reference.",
    "missing": "Change of the share of missing and invalid cells.",
}

VERDICT_WORDS: Final = {
    "drift": "Drift",
    "bins cannot tell": "Bins cannot tell",
    "no drift": "No drift",
    "no data": "No comparison",
}

VERDICT_ORDER: Final = ("drift", "bins cannot tell", "no drift", "no data")


def value(x: float | None) -> str:
    """Three digits that matter."""
    if x is None:
        return "–"
    if x == 0:
        return "0"
    if abs(x) >= 1e6 or abs(x) < 1e-4:
        return f"{x:.2e}"
    if abs(x) >= 1000:
        return f"{x:,.0f}"
    return f"{x:.3g}"


def p_value(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def share(x: float) -> str:
    """A share in per cent."""
    return f"{100 * x:.0f} %" if x in (0, 1) or x >= 0.1 else f"{100 * x:.2g} %"


def interval(statistic: Mapping[str, Any]) -> str:
    """What the raw rows could give: one value, or from … to …."""
    low, high = value(statistic["low"]), value(statistic["high"])
    if statistic["high"] is None:
        return f"≥ {low}"
    return low if low == high else f"{low} to {high}"


def lacking(summary: Mapping[str, Any]) -> float:
    """The share of missing and invalid cells."""
    return (summary["missing"] + summary["invalid"]) / summary["rows"] if summary["rows"] else 0.0


def reason(feature: Mapping[str, Any]) -> str:
    """One sentence that says what the verdict rests on."""
    summary = feature["summary"]
    if not feature["statistics"] and feature["missing"] is None:
        return "There is nothing to compare with."
    parts = []
    if feature["statistics"]:
        first = feature["statistics"][0]
        parts.append(
            f"{METHOD_NAMES[first['method']]} {value(first['value'])}"
            f" (effect at least {value(first['effect'])}, floor {value(first['floor'])},"
            f" p {p_value(first['p_value'])})"
        )
    if feature["missing"] is not None:
        parts.append(
            f"missing or invalid {share(lacking(summary['reference']))}"
            f" → {share(lacking(summary['current']))}"
            f" (p {p_value(feature['missing']['p_value'])})"
        )
    return "; ".join(parts) + "."
