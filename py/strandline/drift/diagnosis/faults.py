"""Signs that not the world changed but the way data are read: each one rule with a threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any, Final, Literal, TypeAlias

from strandline.drift.features import CategoricalFeature, Feature, NumericFeature
from strandline.drift.tally import CategoricalTally, NumericTally, Tally

Fault: TypeAlias = Literal[
    "missing", "invalid", "constant", "unit", "sentinel", "range", "clipped", "recoded"
]

LEAST_MISSING: Final = 0.03
"""rise of the share of missing cells"""
LEAST_INVALID: Final = 0.02
"""rise of the share of cells that are no numbers"""
CONSTANT: Final = 0.995
"""share of a window's rows in one category, which the reference gives at most half of it"""
LEAST_STILL: Final = 0.8
"""share of the changed windows that hold a single number each"""
LEAST_FACTOR: Final = 3.0
"""by which mean and deviation both grow or shrink: a change of unit, whichever"""
LEAST_KNOWN_FACTOR: Final = 2.0
"""the same for the factor between two known units; a smaller one may as well be the world's"""
UNIT_TOLERANCE: Final = 0.02
"""by which a known change of unit may miss its factor, besides three standard errors (at most as
much again)
"""
LEAST_BEYOND: Final = 0.01
"""share of values beyond the reference's range by more than half of its width"""
LEAST_CUT: Final = 0.05
"""share of the reference's values that a limit within its range cuts off"""
LEAST_RECODED: Final = 0.5
"""share of categories that the reference doesn't know"""

UNITS: Final = {
    10.0: "ten", 100.0: "fractions and per cent", 1000.0: "thousands", 1e6: "millions",
    60.0: "minutes and hours, or seconds and minutes", 3600.0: "seconds and hours",
    24.0: "hours and days", 7.0: "days and weeks", 12.0: "months and years",
    2.54: "inches and centimetres", 3.28084: "feet and metres",
    2.204623: "pounds and kilograms", 3.6: "m/s and km/h", 25.4: "inches and millimetres",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, why, and its numbers."""

    fault: Fault
    evidence: str
    numbers: dict[str, float]


def find(feature: Feature, changed: Tally, windows: Sequence[Tally]) -> Finding | None:
    """The first rule that fits `changed`, the sum of the changed `windows`; `None` when none does."""
    for rule in RULES:
        found = rule(feature, changed, windows)
        if found is not None:
            return found
    return None


Rule: TypeAlias = Callable[[Feature, Tally, Sequence[Tally]], Finding | None]


def _missing(feature: Feature, changed: Tally, windows: Sequence[Tally]) -> Finding | None:
    before, after = (tally.missing / tally.rows for tally in (feature.tally, changed))
    if after - before < LEAST_MISSING:
        return None
    return Finding(
        "missing",
        f"the share of missing cells rose from {_percent(before)} to {_percent(after)}",
        {"missing_before": before, "missing_after": after},
    )


def _invalid(feature: Feature, changed: Tally, windows: Sequence[Tally]) -> Finding | None:
    before, after = (tally.invalid / tally.rows for tally in (feature.tally, changed))
    if after - before < LEAST_INVALID:
        return None
    return Finding(
        "invalid",
        f"the share of cells that are no numbers rose from {_percent(before)} to {_percent(after)}",
        {"invalid_before": before, "invalid_after": after},
    )


def _constant(feature: Feature, changed: Tally, windows: Sequence[Tally]) -> Finding | None:
    reference = feature.tally
    if isinstance(changed, NumericTally) and isinstance(reference, NumericTally):
        held = [one for one in windows if isinstance(one, NumericTally) and one.n]
        still = sum(one.minimum == one.maximum for one in held)
        if still < LEAST_STILL * len(held) or reference.minimum == reference.maximum:
            return None
        each = f"every value is {changed.minimum:.6g}"
        if changed.minimum < changed.maximum:
            each = f"all values of a window are the same in {still} of {len(held)} changed windows"
        return Finding(
            "constant",
            f"{each}, where the reference has {reference.minimum:.4g} to {reference.maximum:.4g}",
            {"windows_of_one_value": float(still)},
        )
    if not isinstance(feature, CategoricalFeature):
        return None
    known = range(len(feature.vocabulary))
    tops = [max(known, key=one.counts.__getitem__) for one in windows if one.n]
    shares = [
        one.counts[i] / one.n for i, one in zip(tops, (w for w in windows if w.n), strict=True)
    ]
    still = sum(share >= CONSTANT for share in shares)
    before = max((reference.counts[i] / max(1, reference.n) for i in tops), default=1.0)
    if still < LEAST_STILL * len(shares) or before > CONSTANT / 2:
        return None
    named = ", ".join(repr(feature.vocabulary[i]) for i in sorted(set(tops))[:3])
    return Finding(
        "constant",
        f"one category ({named}) has all rows of a window in {still} of {len(shares)} changed "
        f"windows, where the reference gives it at most {_percent(before)}",
        {"windows_of_one_value": float(still)},
    )


def _unit(feature: Feature, changed: Tally, windows: Sequence[Tally]) -> Finding | None:
    reference = feature.tally
    if not isinstance(changed, NumericTally) or not isinstance(reference, NumericTally):
        return None
    if changed.n < 2 or not reference.std or not changed.std:
        return None
    assert reference.mean is not None
    assert changed.mean is not None
    spread = changed.std / reference.std
    error = sqrt(1 / reference.n + 1 / changed.n)
    noise = 3 * error * reference.std / max(abs(reference.mean), 1e-300) + 3 * error
    if abs(spread / 1.8 - 1) < UNIT_TOLERANCE + min(3 * error, UNIT_TOLERANCE):
        fahrenheit = 1.8 * reference.mean + 32
        if abs(changed.mean - fahrenheit) < 3 * error * changed.std + 0.05 * reference.std:
            return _unit_finding(1.8, "degrees Celsius and Fahrenheit", reference, changed)
    if noise > 0.5:  # a mean near 0: only the deviation says by how much
        if max(spread, 1 / spread) < 2 * LEAST_FACTOR:
            return None
        return Finding(
            "unit",
            f"the standard deviation is {spread:.4g} times the reference's, around a mean near 0 "
            f"({reference.std:.4g} → {changed.std:.4g})",
            {"factor": spread},
        )
    ratio = changed.mean / reference.mean
    if ratio <= 0 or abs(log(ratio / spread)) > 0.1 + noise:
        return None
    factor = exp((log(ratio) + log(spread)) / 2)
    known = _known(ratio, noise)
    if known is None and max(factor, 1 / factor) < LEAST_FACTOR:
        return None
    return _unit_finding(ratio, known, reference, changed)


def _unit_finding(
    factor: float, known: str | None, reference: NumericTally, changed: NumericTally
) -> Finding:
    like = f", as between {known}" if known else ""
    return Finding(
        "unit",
        f"mean and deviation are both {factor:.4g} times the reference's{like} "
        f"(mean {reference.mean:.4g} → {changed.mean:.4g})",
        {"factor": factor},
    )


def _known(factor: float, noise: float) -> str | None:
    size = max(factor, 1 / factor)
    if size < LEAST_KNOWN_FACTOR:
        return None
    tolerance = UNIT_TOLERANCE + min(noise, UNIT_TOLERANCE)
    near = min(UNITS, key=lambda unit: abs(log(size / unit)))
    return UNITS[near] if abs(log(size / near)) < tolerance else None


def far_beyond(feature: Feature, tally: Tally) -> tuple[int, int]:
    """Values (below, above) the reference's range by more than half of its width."""
    if not isinstance(feature, NumericFeature) or not feature.tally.n:
        return 0, 0
    reference = feature.tally
    half = (reference.maximum - reference.minimum) / 2
    if not 0 < half < float("inf"):
        return 0, 0
    first, last = feature.bin_of(reference.minimum - half), feature.bin_of(reference.maximum + half)
    return sum(tally.counts[:first]), sum(tally.counts[last + 1 :])


def _beyond(feature: Feature, changed: Tally, windows: Sequence[Tally]) -> Finding | None:
    """Values far outside the reference's range, while most others stay inside."""
    if not isinstance(feature, NumericFeature) or not changed.n:
        return None
    below, above = far_beyond(feature, changed)
    share = (below + above) / changed.n
    if not LEAST_BEYOND <= share <= 0.5:
        return None
    reference = feature.tally
    extreme = "minimum" if below >= above else "maximum"
    ends = {getattr(tally, extreme) for tally in windows if tally.n}
    value = getattr(changed, extreme)
    rest = (
        f"the reference ends at {reference.minimum:.4g} and {reference.maximum:.4g}"
        f" ({_percent(share)} of the values lie far beyond)"
    )
    numbers = {"share": share, "extreme": value}
    if len(ends) == 1 and len(windows) > 1:
        each = f"the {extreme} is {value:.6g} in every changed window, {rest}"
        return Finding("sentinel", each, numbers)
    return Finding("range", f"the {extreme} is {value:.6g}, {rest}", numbers)


def _clipped(feature: Feature, changed: Tally, windows: Sequence[Tally]) -> Finding | None:
    """What the reference has beyond the new extreme lies in the extreme's own bin now."""
    if not isinstance(feature, NumericFeature) or not isinstance(changed, NumericTally):
        return None
    reference = feature.tally
    if not reference.n or not changed.n:
        return None
    for extreme, limits in (
        ("maximum", [tally.maximum for tally in windows if tally.n]),  # type: ignore[union-attr]
        ("minimum", [tally.minimum for tally in windows if tally.n]),  # type: ignore[union-attr]
    ):
        if len(limits) < 2 or len(set(limits)) > 1:
            continue
        i = feature.bin_of(limits[0])
        beyond = range(i, feature.bins) if extreme == "maximum" else range(i + 1)
        cut = sum(reference.counts[j] for j in beyond if j != i) / reference.n
        expected = cut + reference.counts[i] / reference.n
        piled = changed.counts[i] / changed.n
        if cut >= LEAST_CUT and abs(piled - expected) < 0.25 * expected:
            return Finding(
                "clipped",
                f"the {extreme} is {limits[0]:.6g} in every changed window and {_percent(piled)} of the "
                f"values lie there, where the reference has {_percent(cut)} beyond it",
                {"limit": limits[0], "share": piled},
            )
    return None


def _recoded(feature: Feature, changed: Tally, windows: Sequence[Tally]) -> Finding | None:
    if not isinstance(changed, CategoricalTally) or not changed.n:
        return None
    before = feature.tally.counts[-1] / max(1, feature.tally.n)
    after = changed.unseen / changed.n
    if after - before < LEAST_RECODED:
        return None
    return Finding(
        "recoded",
        f"{_percent(after)} of the rows have categories that the reference doesn't know",
        {"unseen_before": before, "unseen_after": after},
    )


RULES: Final[tuple[Rule, ...]] = (
    _missing, _invalid, _recoded, _constant, _clipped, _unit, _beyond,
)  # fmt: skip


def joined(windows: Sequence[Tally]) -> Tally:
    """The sum of tallies of one feature; at least one."""
    total: Any = windows[0]
    for tally in windows[1:]:
        total = total + tally
    return total  # type: ignore[no-any-return]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
