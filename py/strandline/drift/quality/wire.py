"""Quality on the wire: what `Reference` and `Profile` carry under ``quality``.

Reading is stricter than the schemas: what it accepts could have been counted from rows, as far as sums
can tell, and adds up with everything else of the same task.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from math import isfinite
from typing import Any, Final

from strandline.drift import exact
from strandline.drift.quality import classes, fixed
from strandline.drift.quality.classes import ClassTally, ScoreTally
from strandline.drift.quality.errors import MOST_BITS, ErrorTally
from strandline.drift.quality.quality import Quality
from strandline.drift.quality.task import MOST_CLASSES, ClassTask, RegressionTask, Task
from strandline.drift.tally import MOST_ROWS, WireError

_LOSSES: Final = {
    "log_loss": fixed.BITS,
    "log_loss_squares": 2 * fixed.BITS,
    "brier": fixed.BITS,
    "brier_squares": 2 * fixed.BITS,
}
_SUMS: Final = tuple(f.name for f in fields(ErrorTally) if f.name != "n")
_SIDES: Final = ("negative", "positive")
_POWERS: Final = {"e": 1, "absolute": 1, "e2": 2, "e4": 4, "y": 1, "y2": 2, "y3": 3, "y4": 4,
    "e2y": 3, "e2y2": 4}  # fmt: skip


# --- the task ------------------------------------------------------------------------------------


def task_to_wire(task: Task) -> dict[str, Any]:
    """For the reference: kind, names of columns, classes and cuts, or the unit."""
    names: dict[str, Any] = {"kind": task.kind, "target": task.target}
    if task.prediction is not None:
        names["prediction"] = task.prediction
    if isinstance(task, RegressionTask):
        return names | {"unit": task.unit}
    wire = names | {"classes": list(task.classes)}
    if task.cuts:
        wire |= {
            "scores": list(task.scores),
            "cuts": [list(cuts) for cuts in task.cuts],
            "probabilities": task.probabilities,
        }
    return wire


def task_from_wire(wire: Mapping[str, Any], place: str) -> Task:
    """Read and check; the document has passed the schema. Raises `WireError`."""
    target, prediction = wire["target"], wire.get("prediction")
    if wire["kind"] == "regression":
        _only(wire, {"kind", "target", "prediction", "unit"}, place)
        if prediction is None or "unit" not in wire:
            raise WireError(f"{place}: a regression has a prediction and a unit")
        return RegressionTask(wire["unit"], target, prediction)
    _only(
        wire, {"kind", "target", "prediction", "classes", "scores", "cuts", "probabilities"}, place
    )
    names = tuple(wire.get("classes", ()))
    if not 2 <= len(names) <= (2 if wire["kind"] == "binary" else MOST_CLASSES):
        raise WireError(f"{place}: {len(names)} classes are no {wire['kind']} task")
    if len(set(names)) != len(names):
        raise WireError(f"{place}: a class is there twice")
    cuts = tuple(tuple(map(float, row)) for row in wire.get("cuts", ()))
    if any(not (a < b and isfinite(a) and isfinite(b)) for row in cuts for a, b in pairwise(row)):
        raise WireError(f"{place}: cuts must ascend")
    task = ClassTask(
        wire["kind"], names, cuts, wire.get("probabilities", True), target, prediction,
        tuple(wire.get("scores", ())),
    )  # fmt: skip
    if len(task.scores) != len(cuts) or (cuts and len(cuts) != len(task.scored)):
        raise WireError(
            f"{place}: needs as many scores and rows of cuts as there are scored classes"
        )
    if prediction is None and not cuts:
        raise WireError(f"{place}: has neither a prediction nor scores")
    return task


# --- what was counted ----------------------------------------------------------------------------


def to_wire(quality: Quality) -> dict[str, Any]:
    """Integers, and exact sums as text; parts of which nothing was seen are left out."""
    tally = quality.tally
    wire: dict[str, Any] = {}
    if isinstance(tally, ErrorTally):
        if tally.n:
            wire["rows"] = tally.n
            wire["sums"] = {name: exact.to_text(getattr(tally, name), 0) for name in _SUMS}
        return wire
    if tally.n:
        wire["confusion"] = tally.confusion.tolist()
    if tally.scored:
        wire["scores"] = [
            {"negative": one.negative.tolist(), "positive": one.positive.tolist()}
            for one in tally.scores
        ]
        if quality.task.probabilities:  # type: ignore[union-attr]
            wire["sums"] = {
                name: exact.to_text(getattr(tally, name), bits) for name, bits in _LOSSES.items()
            }
    if any(map(any, quality.predictions)):
        wire["predictions"] = [cells.tolist() for cells in quality.predictions]
    return wire


def from_wire(task: Task, wire: Any, place: str) -> Quality:
    """Read and check what `to_wire` made. Raises `WireError`, which names the place."""
    if not isinstance(wire, Mapping):
        raise WireError(f"{place}: must be an object")
    if isinstance(task, RegressionTask):
        _only(wire, {"rows", "sums"}, place)
        return Quality(task, _errors(wire, place)) if wire else Quality.empty(task)
    _only(wire, {"confusion", "scores", "sums", "predictions"}, place)
    if "scores" in wire and not task.cuts:
        raise WireError(f"{place}.scores: the task has none")
    if ("sums" in wire) != ("scores" in wire and task.probabilities):
        raise WireError(f"{place}: sums belong to scores that are probabilities, and those to sums")
    tally = _classes(task, wire, place)
    predictions = classes.no_predictions(task)
    if "predictions" in wire:
        predictions = _per_class(
            wire["predictions"], [2 * len(cuts) + 2 for cuts in task.cuts], f"{place}.predictions"
        )
        rows = {sum(cells) for cells in predictions}
        named = sum(sum(cells[len(cells) // 2 :]) for cells in predictions)
        if len(rows) > 1 or named > max(rows):
            raise WireError(f"{place}.predictions: the classes do not add up to the same rows")
    return Quality(task, tally, predictions)


def _classes(task: ClassTask, wire: Mapping[str, Any], place: str) -> ClassTally:
    side = len(task.classes) + 1
    if "confusion" not in wire:
        if "scores" in wire:
            raise WireError(f"{place}: has scores of labelled rows, but no confusion matrix")
        return classes.empty(task)
    confusion = _counts(wire["confusion"], side * side, f"{place}.confusion")
    tally = ClassTally(confusion, classes.empty(task).scores)
    if "scores" not in wire:
        return tally
    scores = wire["scores"]
    if not isinstance(scores, list) or len(scores) != len(task.cuts):
        raise WireError(f"{place}.scores: needs {len(task.cuts)} classes")
    read = []
    for i, (one, cuts) in enumerate(zip(scores, task.cuts, strict=True)):
        here = f"{place}.scores[{i}]"
        if not isinstance(one, Mapping) or set(one) != {"negative", "positive"}:
            raise WireError(f"{here}: has exactly negative and positive")
        negative, positive = (_counts(one[k], len(cuts) + 1, f"{here}.{k}") for k in _SIDES)
        read.append(ScoreTally(negative, positive))
    scored = {sum(one.negative) + sum(one.positive) for one in read}
    for klass, one in zip(task.scored, read, strict=True):
        labelled = sum(confusion[klass * side : (klass + 1) * side])
        if sum(one.positive) > labelled or sum(one.negative) > tally.n - labelled:
            raise WireError(f"{place}.scores: has more labels than the confusion matrix")
    if len(scored) != 1:
        raise WireError(f"{place}.scores: the classes do not add up to the same rows")
    if not task.probabilities:
        return ClassTally(confusion, tuple(read))
    n = scored.pop()
    sums = _sums(wire["sums"], _LOSSES, f"{place}.sums")
    most = {"log_loss": fixed.log_loss_units(0.0), "brier": (len(task.classes) + 1) << fixed.BITS}
    for name, largest in most.items():
        total, squares = sums[name], sums[f"{name}_squares"]
        if not 0 <= total <= n * largest or not total * total <= n * squares <= n * largest * total:
            raise WireError(f"{place}.sums: {name} is not a sum of {n} such terms")
    return ClassTally(confusion, tuple(read), **sums)


def _errors(wire: Mapping[str, Any], place: str) -> ErrorTally:
    if set(wire) != {"rows", "sums"}:
        raise WireError(f"{place}: has exactly rows and sums")
    n = wire["rows"]
    if type(n) is not int or not 1 <= n <= MOST_ROWS:
        raise WireError(f"{place}.rows: must be a whole number from 1 to 2^53 - 1")
    t = ErrorTally(n, **_sums(wire["sums"], dict.fromkeys(_SUMS, 0), f"{place}.sums"))
    possible = (
        all(abs(getattr(t, name)) <= n << MOST_BITS * power for name, power in _POWERS.items())
        and min(t.absolute, t.e2, t.e4, t.y2, t.y4, t.e2y2) >= 0
        and abs(t.e) <= t.absolute <= t.e2
        and t.absolute**2 <= n * t.e2
        and t.e2**2 <= n * t.e4
        and t.y**2 <= n * t.y2
        and t.y2**2 <= n * t.y4
        and t.y3**2 <= t.y2 * t.y4
        and t.e2y**2 <= t.e2 * t.e2y2
        and t.e2y2**2 <= t.e4 * t.y4
    )
    if not possible:
        raise WireError(f"{place}.sums: are not the sums of {n} labels and errors")
    return t


def _only(wire: Mapping[str, Any], known: set[str], place: str) -> None:
    others = sorted(str(name)[:40] for name in set(wire) - known)
    if others:
        raise WireError(f"{place}: has {', '.join(others)}, which does not belong there")


def _counts(wire: Any, n: int, place: str) -> array[int]:
    if not isinstance(wire, list) or len(wire) != n:
        raise WireError(f"{place}: needs {n} counts")
    if set(map(type, wire)) != {int} or min(wire) < 0 or sum(wire) > MOST_ROWS:
        raise WireError(f"{place}: counts must be whole numbers from 0 to 2^53 - 1 in total")
    return array("q", wire)


def _per_class(wire: Any, sizes: Sequence[int], place: str) -> tuple[array[int], ...]:
    if not isinstance(wire, list) or len(wire) != len(sizes) or not sizes:
        raise WireError(f"{place}: needs {len(sizes)} classes")
    return tuple(
        _counts(one, n, f"{place}[{i}]") for i, (one, n) in enumerate(zip(wire, sizes, strict=True))
    )


def _sums(wire: Any, scales: Mapping[str, int], place: str) -> dict[str, int]:
    if not isinstance(wire, Mapping) or set(wire) != set(scales):
        raise WireError(f"{place}: has exactly {', '.join(scales)}")
    try:
        return {name: exact.from_text(wire[name], scale) for name, scale in scales.items()}
    except (TypeError, ValueError) as error:
        raise WireError(f"{place}: {error}") from None
