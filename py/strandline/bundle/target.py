"""Which outputs answer the target column, and how good the model's predictions of the reference were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strandline.bundle.errors import PackError
from strandline.bundle.manifest import Output
from strandline.drift.columns import numbers
from strandline.drift.quality import Quality
from strandline.drift.quality.task import Kind, class_names


def quality_of(
    outputs: Sequence[Output],
    predictions: Mapping[str, list[Any]],
    target: str,
    labels: list[Any],
    positive: str | None = None,
) -> Quality:
    """The reference's quality: the task follows from the outputs and the labels.

    A model with a categorical output is a classification by it, with the scores `<anything>:<class>` beside it; one
    with a single number is a binary classification when the labels are two classes and the numbers probabilities, else
    a regression. Raises PackError.
    """
    cells = {**predictions, target: labels}
    named = [o.name for o in outputs if o.kind == "categorical"]
    numeric = [o.name for o in outputs if o.kind == "numeric"]
    known = {name for name in class_names(labels) if name is not None}
    if not known:
        raise PackError(f"--target {target}: the column is empty")
    try:
        if named:
            predicted = {name for name in class_names(predictions[named[0]]) if name is not None}
            by_class = _scores(numeric, predicted)
            classes = set(by_class) or known | predicted
            kind: Kind = "binary" if len(classes) == 2 else "multiclass"
            return Quality.from_table(
                cells, kind, target, named[0], by_class or None,
                positive=positive if kind == "binary" else None,
            )  # fmt: skip
        if len(numeric) != 1:
            raise PackError(
                f"--target {target}: the model has {len(numeric)} numeric outputs and no label; give one of them in a "
                "--preprocess module's after()"
            )
        if len(known) == 2 and _are_probabilities(predictions[numeric[0]]):
            return Quality.from_table(cells, "binary", target, scores=numeric[0], positive=positive)
        unreadable = numbers(labels).unreadable
        if unreadable:
            raise PackError(f"--target {target}: {unreadable} of its cells are no numbers")
        return Quality.from_table(cells, "regression", target, numeric[0])
    except PackError:
        raise
    except ValueError as error:
        raise PackError(f"--target {target}: {error}") from error


def _scores(numeric: Sequence[str], predicted: set[str]) -> dict[str, str]:
    """Score columns by class, when every class that was predicted has one."""
    found = {name.partition(":")[2]: name for name in numeric if ":" in name}
    return found if len(found) > 1 and predicted <= found.keys() else {}


def _are_probabilities(column: list[Any]) -> bool:
    cells = [v for v in memoryview(numbers(column).values) if v == v]
    return bool(cells) and min(cells) >= 0 and max(cells) <= 1
