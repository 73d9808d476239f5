"""Numbers and verdicts in words, the same in every report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

METHOD_NAMES: Final = {
    "ks": "Kolmogorov-Smirnov",
    "chisquare": "Chi-square",
    "psi": "PSI",
    "jensenshannon": "Jensen-Shannon",
    "mmd": "Maximum mean discrepancy",
    "wasserstein": "Wasserstein",
    "kl_div": "Kullback-Leibler",
    "hellinger": "Hellinger",
    "tvd": "Total variation",
    "g_test": "G test",
    "ed": "Energy distance",
    "mannw": "Mann-Whitney",
    "anderson": "Anderson–Darling",
    "cramer_von_mises": "Cramér–von Mises",
    "es": "Epps–Singleton",
    "fisher_exact": "Fisher's exact test",
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
    "mmd": "Squared distance of the mean random Fourier features of vectors; 0 is no difference. "
    "Its effect is in standard deviations.",
    "wasserstein": "How far values have to move, in standard deviations of the reference.",
    "kl_div": "Kullback-Leibler divergence in nats, in the cells of PSI.",
    "hellinger": "Hellinger distance of the shares, 0 to 1.",
    "tvd": "Share of the rows that would have to change cells, 0 to 1.",
    "g_test": "Likelihood ratio test, in the cells of the chi-square test.",
    "ed": "Energy distance of standardised values.",
    "mannw": "Share of pairs in which the current value is the larger one; 0.5 without drift.",
    "anderson": "Mean square difference of the distribution functions, the tails weighing as much as "
    "the middle; standardised.",
    "cramer_von_mises": "Mean square difference of the distribution functions.",
    "es": "Difference of the characteristic functions at two points, of values in their bins.",
    "fisher_exact": "Odds ratio of the category that sorts last; its p-value is exact.",
    "t_test": "Welch's t of the means, cautious where single rows dominate them; its effect is Cohen's d.",
    "z": "Test of the share of the category that sorts last.",
    "missing": "Change of the share of missing and invalid cells.",
}

VERDICT_WORDS: Final = {
    "drift": "Drift",
    "bins cannot tell": "Bins cannot tell",
    "no drift": "No drift",
    "no data": "No comparison",
}

STATUS_WORDS: Final = {
    "SUCCESS": "Pass",
    "FAIL": "Fail",
    "WARNING": "Warning",
    "ERROR": "Error",
    "SKIPPED": "Skipped",
}

VERDICT_ORDER: Final = ("drift", "bins cannot tell", "no drift", "no data")


def value(x: float | None) -> str:
    """Three digits that matter."""
    if x is None:
        return "–"
    if x == 0:
        return "0"
    if x < 0:
        return f"−{value(-x)}"
    if x >= 1e7 or x < 1e-4:
        return f"{x:.2e}"
    return f"{x:,.0f}" if x >= 1000 else f"{x:.3g}"


def whole(x: int) -> str:
    """A count, its thousands set apart."""
    return f"{x:,}"


def part(count: int, of: int) -> str:
    """A count and its share."""
    return f"{count:,} ({share(count / of)})" if count and of else str(count)


def change(then: float, now: float) -> str:
    """A share before and after; once when both look alike."""
    before, after = share(then), share(now)
    return after if before == after else f"{before} → {after}"


def effect(statistic: Mapping[str, Any]) -> str:
    """The effect, with its confidence interval where there is one."""
    low, high = statistic.get("effect_ci_low"), statistic.get("effect_ci_high")
    sure = "" if low is None or high is None else f" [{value(low)}, {value(high)}]"
    return value(statistic["effect"]) + sure


def segment(of: Mapping[str, Any]) -> str:
    """The rows that a segment is of."""
    return f"{of['column']} = {'all others' if of['value'] is None else of['value']}"


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


def measure(found: Mapping[str, Any] | None) -> str:
    """A metric's value as the document has it: with its bounds, its share, its confidence interval."""
    if found is None or found["value"] is None:
        return VERDICT_WORDS[found["verdict"]] if found and found.get("verdict") else "–"
    shown = value(found["value"])
    if found.get("low") != found.get("high"):
        shown = interval({"low": found["low"], "high": found["high"]})
    if found.get("share") is not None and found["value"]:
        shown += f" ({share(found['share'])})"
    if "confidence" in found:
        low, high = found["confidence"]
        shown += f" [{value(low)}, {value(high)}]"
    if found.get("verdict"):
        name = METHOD_NAMES.get(found.get("method", ""), "")
        note = f" ({found['note']})" if "note" in found else ""
        shown = f"{VERDICT_WORDS[found['verdict']]}{note}: {name} {shown}"
    return shown


def lacking(summary: Mapping[str, Any]) -> float:
    """The share of missing and invalid cells."""
    return (summary["missing"] + summary["invalid"]) / summary["rows"] if summary["rows"] else 0.0


def reason(feature: Mapping[str, Any]) -> str:
    """What the verdict rests on, in a sentence or two."""
    summary = feature["summary"]
    if not feature["statistics"] and feature["missing"] is None:
        held = [
            side
            for side in ("reference", "current")
            if summary[side]["rows"] > summary[side]["missing"] + summary[side]["invalid"]
        ]
        if len(held) == 2:
            return ""
        return f"Only the {held[0]} rows hold values." if held else "Neither side holds a value."
    parts = [_because(feature["statistics"][0])] if feature["statistics"] else []
    lacking_test = feature["missing"]
    if lacking_test is not None:
        then, now = (share(lacking(summary[side])) for side in ("reference", "current"))
        p = f"p {p_value(lacking_test['p_value'])}"
        if lacking_test["verdict"] == "drift":
            parts.insert(
                0, f"The share of missing and invalid cells went from {then} to {now} ({p})."
            )
        else:
            parts.append(f"Missing and invalid cells: {then}, then {now} ({p}).")
    return " ".join(parts)


def _because(statistic: Mapping[str, Any]) -> str:
    name = METHOD_NAMES[statistic["method"]]
    shown = interval(statistic)
    floor, p = value(statistic["floor"]), p_value(statistic["p_value"])
    tested = "" if statistic["p_value"] is None else f" (p {p})"
    least = value(statistic["effect"])
    effect = "" if least == value(statistic["value"]) else f": an effect of at least {least}"
    verdict = statistic["verdict"]
    if verdict == "drift":
        return f"{name} is {shown}{effect}, at or above the floor of {floor}{tested}."
    if verdict == "bins cannot tell":
        return f"{name} is {shown}: the bins leave open whether that reaches {floor}{tested}."
    if statistic["effect"] is not None and statistic["effect"] < statistic["floor"]:
        return f"{name} is {shown}{effect}, below the floor of {floor}{tested}."
    return f"{name} is {shown}: not significant{tested}."
