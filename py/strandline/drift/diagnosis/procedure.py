"""From a series of windows to diagnoses: a few decisions in a fixed order, each with its threshold.

1. A window of a feature *differs* when `compare` says drift, or values lie far beyond the
   reference's range, and the p-value holds over all windows too (Benjamini-Hochberg).
2. The windows' scores (`Course.scores`) are fitted by five curves (`shapes`): the pattern in time.
   A curve that explains less than half of the scores, where chance can't be the reason, is no
   pattern: irregular. One that changes little beside its distance from the reference counts as a constant.
3. No window differs, nor do all rows together: no drift. The curve's changed windows must differ
   themselves, or all rows together; else the windows that differ are taken alone: one stretch of
   them is a temporary change (or one that lasts), several are no pattern and no drift.
4. The changed windows together break a rule of `faults`: a pipeline fault.
5. The windows differ from the first one on: a domain shift. Otherwise data drift.
6. The model's quality fell, by the same curves, and no drifting input moves with it: concept drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from typing import Final

from strandline.drift.compare import FeatureDrift, compare
from strandline.drift.diagnosis import faults
from strandline.drift.diagnosis.course import Course
from strandline.drift.diagnosis.diagnosis import Diagnosis, DriftKind, Pattern
from strandline.drift.diagnosis.shapes import Curve, Shape, shapes
from strandline.drift.features import Feature
from strandline.drift.multiple import benjamini_hochberg
from strandline.drift.profile import Profile
from strandline.drift.reference import Reference
from strandline.drift.stats.fisher import fisher

METHODS: Final = ("ks", "chisquare", "mmd")
"""what decides whether a window differs: the one that fits the feature's kind"""
FROM_THE_START: Final = 0.8
"""share of the windows before a step that differ already: a domain shift"""
LEAST_CHANGE: Final = 0.3
"""of the fitted scores, as a share of the largest: less is a constant difference"""
MUCH_NOISE: Final = 4.0
"""times the sampling variance that scores lie off the curve: more is no chance"""
LEAST_EXPLAINED: Final = 0.5
"""share of the squared scores that a curve must explain, beyond chance, to be called a pattern"""
LEAST_AGREEMENT: Final = 0.34
"""share of the changed windows that differ by themselves, unless all rows together do"""
ALONE: Final = 0.02
"""part of alpha that a window must keep when it is the only one that differs"""
NAMED: Final = 5
"""windows that a remark names"""
LEAST_FALL: Final = 0.02
"""of quality, as a share of its level: less is no concept drift"""
LEAST_EVIDENCE: Final = 10.0
"""by how much a curve of quality must beat a constant (difference of BIC): odds of 150 to 1"""
MOVES_WITH: Final = 0.5
"""correlation of an input's scores with the fitted quality, from which on it may be the cause"""

PATTERN_OF: Final[dict[Curve, Pattern]] = {
    "constant": "constant",
    "step": "instantaneous",
    "ramp": "gradual",
    "interlude": "temporary",
    "cycle": "periodic",
}
_URGENT: Final[tuple[DriftKind, ...]] = ("pipeline fault", "data drift", "domain shift")


@dataclass(frozen=True, slots=True)
class Found:
    """A feature's diagnosis, and what the model's is made of."""

    diagnosis: Diagnosis
    course: Course | None = None

    @property
    def weight(self) -> float:
        """How much the windows differ in all: Σ rows · score²."""
        if self.course is None:
            return 0.0
        return sum(w * s * s for w, s in zip(self.course.weights, self.course.scores, strict=True))


def diagnose(
    reference: Reference,
    profiles: Sequence[Profile],
    *,
    names: Sequence[str] | None = None,
    drifts: Sequence[tuple[FeatureDrift, ...]] | None = None,
    quality: Sequence[float | None] | None = None,
    model: str = "model",
    alpha: float = 0.05,
) -> tuple[Diagnosis, ...]:
    """What happened over a series of windows: first of the model as a whole, then feature by
    feature (without system features), in the reference's order.

    See `docs/diagnosis.md` for the decisions, their thresholds, and how often they are right.

    Parameters
    ----------
    profiles
        One per window, in order of time; windows without rows are left out.
    names
        Of the windows, such as dates; `None`: window 1, window 2 …
    drifts
        `compare` of each profile, if it was computed already.
    quality
        Per window the model's quality, such as accuracy; the larger the better; `None` where it is
        unknown.
    model
        How the model is called in the first diagnosis.
    alpha
        Level of the comparisons, within a window and over all of them.

    Raises
    ------
    ValueError
        When the lists' lengths differ, or as in `compare`.

    Examples
    --------
    >>> reference = Reference.from_columns({"speed": [i / 10 for i in range(1000)]}, latency=False)
    >>> windows = [Profile(reference) for _ in range(12)]
    >>> for i, window in enumerate(windows):
    ...     window.update({"speed": [0.5 * v + 30 * (i >= 8) for v in range(200)]})
    >>> for one in diagnose(reference, windows):
    ...     print(one.kind, one.pattern, one.onset)
    data drift instantaneous window 9
    data drift instantaneous window 9
    """
    whole, found = examine(
        reference,
        profiles,
        names=names,
        drifts=drifts,
        quality=quality,
        model=model,
        alpha=alpha,
    )
    return (whole, *(one.diagnosis for one in found))


def examine(
    reference: Reference,
    profiles: Sequence[Profile],
    *,
    names: Sequence[str] | None = None,
    drifts: Sequence[tuple[FeatureDrift, ...]] | None = None,
    quality: Sequence[float | None] | None = None,
    model: str = "model",
    alpha: float = 0.05,
) -> tuple[Diagnosis, tuple[Found, ...]]:
    """As `diagnose`, with what it was seen in."""
    labels = [f"window {i + 1}" for i in range(len(profiles))] if names is None else list(names)
    for other in (labels, drifts, quality):
        if other is not None and len(other) != len(profiles):
            raise ValueError(f"there are {len(profiles)} windows, but {len(other)} values for them")
    if drifts is None:
        drifts = [compare(reference, profile, alpha=alpha, methods=METHODS) for profile in profiles]
    total = compare(reference, Profile.merge(profiles, reference), alpha=alpha, methods=METHODS)
    found = [
        _feature([window[i] for window in drifts], total[i], labels, alpha)
        for i, feature in enumerate(reference)
        if feature.role != "system"
    ]
    whole = _model(model, found, labels, quality or [None] * len(labels))
    return whole, tuple(found)


def _feature(
    drifts: Sequence[FeatureDrift], total: FeatureDrift, labels: Sequence[str], alpha: float
) -> Found:
    seen = [i for i, one in enumerate(drifts) if one.verdict != "no data"]
    none = Diagnosis(total.name, "no drift", "none", len(seen))
    if not seen:
        return Found(none)
    p_values = _differing(total.feature, [drifts[i] for i in seen], alpha)
    differs = tuple(p is not None for p in p_values)
    course = Course(total.feature, tuple(seen), tuple(drifts[i].current for i in seen), differs)
    together = total.verdict == "drift"
    if not any(differs) and not together:
        return Found(none, course)
    ranked = shapes(course.scores, course.weights, course.noise)
    best = ranked[0]
    if max(best.fitted) - min(best.fitted) < LEAST_CHANGE * max(map(abs, best.fitted)):
        best = next(shape for shape in ranked if shape.curve == "constant")
    pattern, changed = _pattern(course, best)
    if _is_irregular(course, best):
        pattern, changed = "irregular", [t for t, d in enumerate(differs) if d] or changed
    elif not together and _share([differs[t] for t in changed]) < LEAST_AGREEMENT:
        # The curve follows changes too small to count: look at the windows that differ alone.
        there = [t for t, d in enumerate(differs) if d]
        weak = len(there) == 1 and min(p for p in p_values if p is not None) > ALONE * alpha
        if weak or len(there) <= there[-1] - there[0]:
            alone = ", ".join(labels[seen[t]] for t in there[:NAMED])
            more = f" and {len(there) - NAMED} more" if len(there) > NAMED else ""
            remark = f"{alone}{more} differ, but follow no pattern"
            return Found(replace(none, evidence=(remark,)), course)
        lasts = there[-1] == len(seen) - 1
        pattern, changed = ("instantaneous" if lasts else "temporary"), there
        best = replace(best, onset=there[0], end=None, period=None)
    return Found(_drifted(course, best, pattern, changed, _margin(ranked, best), labels), course)


def _differing(
    feature: Feature, drifts: Sequence[FeatureDrift], alpha: float
) -> list[float | None]:
    """By window the p-value, adjusted for all windows, where it differs: in its distribution, its
    missing share, or by what lies far beyond the reference's range (which a distance may overlook).
    """
    beyond = [sum(faults.far_beyond(feature, one.current)) for one in drifts]
    outliers = [
        fisher(0, feature.tally.n, b, one.current.n) if b else 1.0
        for b, one in zip(beyond, drifts, strict=True)
    ]
    usual = [one.p_value if one.p_value is not None else 1.0 for one in drifts]
    both = benjamini_hochberg([*usual, *outliers])
    found: list[float | None] = []
    for one, b, p, q in zip(drifts, beyond, both[: len(drifts)], both[len(drifts) :], strict=True):
        moved = one.verdict == "drift" and p <= alpha
        strayed = b >= faults.LEAST_BEYOND * one.current.n and q <= alpha
        found.append(min(p, q) if moved or strayed else None)
    return found


def _drifted(
    course: Course,
    shape: Shape,
    pattern: Pattern,
    changed: Sequence[int],
    margin: float,
    labels: Sequence[str],
) -> Diagnosis:
    windows = [course.tallies[t] for t in changed]
    together = faults.joined(windows)
    fault = faults.find(course.feature, together, windows)
    kind: DriftKind = "data drift"
    if fault is not None:
        kind = "pipeline fault"
    elif pattern == "constant" or (
        pattern == "instantaneous" and _share(course.drifted[: shape.onset]) >= FROM_THE_START
    ):
        kind = "domain shift"
    name = [labels[window] for window in course.windows]
    many = sum(course.drifted)
    evidence = [fault.evidence] if fault else []
    evidence.append(f"{many} of {len(name)} windows differ from the reference")
    numbers = {
        "windows_that_differ": float(many),
        "largest_score": max(map(abs, course.scores)),
        "bic_margin": margin,
    }
    onset = end = None
    if pattern in ("instantaneous", "gradual", "temporary"):
        onset = name[changed[0] if pattern == "temporary" else shape.onset]
    if pattern == "temporary":
        end = name[changed[-1]]
    elif pattern == "gradual" and shape.end is not None:
        end = name[shape.end]
    return Diagnosis(
        subject=course.feature.name,
        kind=kind,
        pattern=pattern,
        windows=len(name),
        fault=fault.fault if fault else None,
        onset=onset,
        end=end,
        period=shape.period if pattern == "periodic" else None,
        evidence=tuple(evidence),
        numbers=numbers | (fault.numbers if fault else {}),
    )


def _pattern(course: Course, shape: Shape) -> tuple[Pattern, list[int]]:
    """The pattern, and which windows are the changed ones."""
    n = len(course.scores)
    pattern = PATTERN_OF[shape.curve]
    if shape.curve == "step":
        before, after = _share(course.drifted[: shape.onset]), _share(course.drifted[shape.onset :])
        if before >= 0.5 and after < 0.2:
            return "temporary", list(range(shape.onset))
        return pattern, list(range(shape.onset, n))
    if shape.curve == "interlude":
        # The level outside may be the one that differs, and the interlude the return.
        return pattern, list(range(shape.onset, shape.end or n))
    if shape.curve == "ramp":
        return pattern, list(range(shape.end or n - 1, n))
    if shape.curve == "cycle":
        far = max(map(abs, shape.fitted))
        return pattern, [t for t, x in enumerate(shape.fitted) if abs(x) >= far / 2]
    return pattern, list(range(n))


def _is_irregular(course: Course, shape: Shape) -> bool:
    """Whether the curve leaves most of what the windows do to chance, and chance does not do it."""
    pairs = list(zip(course.weights, course.scores, shape.fitted, strict=True))
    left = sum(w * (y - f) ** 2 for w, y, f in pairs)
    whole = sum(w * y * y for w, y, _ in pairs)
    mean = left / sum(course.weights)
    return left > (1 - LEAST_EXPLAINED) * whole and mean > MUCH_NOISE * course.noise


def _model(
    name: str, found: Sequence[Found], labels: Sequence[str], quality: Sequence[float | None]
) -> Diagnosis:
    windows = max((one.diagnosis.windows for one in found), default=0)
    drifting = [one for one in found if one.diagnosis.kind != "no drift"]
    inputs = [one for one in drifting if one.course and one.course.feature.role == "feature"]
    fall = _fall(name, labels, quality, inputs)
    faulty = any(one.diagnosis.kind == "pipeline fault" for one in drifting)
    if fall is not None and fall.kind == "concept drift" and not faulty:
        return fall
    if not drifting:
        return Diagnosis(name, "no drift", "none", windows)
    kind = next(k for k in _URGENT if any(one.diagnosis.kind == k for one in drifting))
    worst = max((one for one in drifting if one.diagnosis.kind == kind), key=lambda one: one.weight)
    names = [one.diagnosis.subject for one in drifting]
    evidence = [
        f"{len(names)} of {len(found)} columns drift: {', '.join(names)}",
        f"most of it is {worst.diagnosis.subject}: {'; '.join(worst.diagnosis.evidence)}",
    ]
    if fall is not None:
        evidence.append(fall.evidence[0])
    return replace(worst.diagnosis, subject=name, windows=windows, evidence=tuple(evidence))


def _fall(
    name: str,
    labels: Sequence[str],
    quality: Sequence[float | None],
    inputs: Sequence[Found],
) -> Diagnosis | None:
    """Concept drift, or data drift with a loss of quality; `None` while quality holds."""
    known = [(i, q) for i, q in enumerate(quality) if q is not None]
    if len(known) < 6:
        return None
    at, y = [i for i, _ in known], [q for _, q in known]
    noise = sum((b - a) ** 2 for a, b in pairwise(y)) / (2 * (len(y) - 1))
    ranked = shapes(y, [1.0] * len(y), noise)
    best = ranked[0]
    constant = next(shape.bic for shape in ranked if shape.curve == "constant")
    high, low = max(best.fitted), min(best.fitted)
    if (
        constant - best.bic < LEAST_EVIDENCE
        or high - low < LEAST_FALL * abs(high)
        or not _falls(best)
    ):
        return None
    movers = [one.diagnosis.subject for one in inputs if _moves(one, at, best)]
    evidence = [f"quality falls from {high:.3g} to {low:.3g}"]
    if movers:
        evidence.append(f"{', '.join(movers)} moves with it")
    else:
        evidence.append(
            f"{len(inputs)} drifting inputs don't move with it" if inputs else "no input drifts"
        )
    pattern = PATTERN_OF[best.curve]
    end = best.end - (pattern == "temporary") if best.end is not None else None
    return Diagnosis(
        subject=name,
        kind="data drift" if movers else "concept drift",
        pattern=pattern,
        windows=len(y),
        onset=None if pattern == "periodic" else labels[at[best.onset]],
        end=None if end is None else labels[at[end]],
        period=best.period,
        evidence=tuple(evidence),
        numbers={"quality_before": high, "quality_after": low, "bic_margin": _margin(ranked, best)},
    )


def _falls(shape: Shape) -> bool:
    """Whether the curve goes down when it changes; a cycle does both."""
    first, changed = (
        shape.fitted[0],
        shape.fitted[min(shape.end or shape.onset, len(shape.fitted) - 1)],
    )
    if shape.curve == "interlude":
        changed = shape.fitted[shape.onset]
    return shape.curve == "cycle" or changed < first


def _moves(one: Found, at: Sequence[int], shape: Shape) -> bool:
    assert one.course is not None
    scores = dict(zip(one.course.windows, one.course.scores, strict=True))
    pairs = [(scores[i], y) for i, y in zip(at, shape.fitted, strict=True) if i in scores]
    return abs(_correlation(pairs)) >= MOVES_WITH


def _correlation(pairs: Sequence[tuple[float, float]]) -> float:
    n = len(pairs)
    if n < 3:
        return 0.0
    a = sum(x for x, _ in pairs) / n
    b = sum(y for _, y in pairs) / n
    xx = sum((x - a) ** 2 for x, _ in pairs)
    yy = sum((y - b) ** 2 for _, y in pairs)
    xy = sum((x - a) * (y - b) for x, y in pairs)
    return xy / sqrt(xx * yy) if xx and yy else 0.0


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0


def _margin(ranked: Sequence[Shape], best: Shape) -> float:
    """By how much the chosen curve beats the best other one; negative where it doesn't."""
    return min((shape.bic for shape in ranked if shape is not best), default=best.bic) - best.bic
