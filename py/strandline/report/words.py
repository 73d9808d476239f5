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
    "kl_div": "Kullback-Leibler",
    "hellinger": "Hellinger",
    "tvd": "Total variation",
    "g_test": "G test",
    "ed": "Energy distance",
    "mannw": "Mann-Whitney",
    "t_test": "Welch's t",
    "z": "z of a share",
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
    "kl_div": "Kullback-Leibler divergence in nats, in the cells of PSI.",
    "hellinger": "Hellinger distance of the shares, 0 to 1.",
    "tvd": "Share of the rows that would have to change cells, 0 to 1.",
    "g_test": "Likelihood ratio test, in the cells of the chi-square test.",
    "ed": "Energy distance of standardised values.",
    "mannw": "Share of pairs in which the current value is the larger one; 0.5 without drift.",
    "t_test": "Welch's t of the means; its effect is Cohen's d.",
    "z": "Test of the share of the category that sorts last.",
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
