"""What the columns of a table are: `DataDefinition`, and `Dataset`, a table with its definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class BinaryClassification:
    """A model that says yes or no.

    Parameters
    ----------
    target
        The column of true labels.
    prediction_labels
        The column of predicted labels; `None`: predicted from `prediction_probas` at 0.5.
    prediction_probas
        The column of the probability of `pos_label`.
    pos_label
        The label that counts as yes; `None`: the one that sorts last.
    """

    name: str = "default"
    target: str = "target"
    prediction_labels: str | None = None
    prediction_probas: str | None = None
    pos_label: Any = None

    @property
    def columns(self) -> tuple[str, ...]:
        named = (self.target, self.prediction_labels, self.prediction_probas)
        return tuple(name for name in named if name is not None)


@dataclass(frozen=True, slots=True)
class MulticlassClassification:
    """A model that names one of several classes.

    Parameters
    ----------
    target, prediction_labels
        The columns of true and of predicted labels.
    prediction_probas
        The column of each class's probability, by class.
    """

    name: str = "default"
    target: str = "target"
    prediction_labels: str | None = None
    prediction_probas: Mapping[str, str] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        named = (self.target, self.prediction_labels, *(self.prediction_probas or {}).values())
        return tuple(name for name in named if name is not None)


@dataclass(frozen=True, slots=True)
class Regression:
    """A model that gives a number."""

    name: str = "default"
    target: str = "target"
    prediction: str = "prediction"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.target, self.prediction


Task: TypeAlias = BinaryClassification | MulticlassClassification | Regression


@dataclass(frozen=True, slots=True)
class DataDefinition:
    """Kinds and roles of columns. Kinds of columns that are not named are inferred.

    `id_column` and `timestamp` are left out of every comparison. Each of the commonest ten values of
    a column in `segments`, and all others together, is compared on its own as well.
    """

    numerical_columns: Sequence[str] = ()
    categorical_columns: Sequence[str] = ()
    text_columns: Sequence[str] = ()
    datetime_columns: Sequence[str] = ()
    id_column: str | None = None
    timestamp: str | None = None
    classification: Sequence[BinaryClassification | MulticlassClassification] = ()
    regression: Sequence[Regression] = ()
    segments: Sequence[str] = ()

    def __post_init__(self) -> None:
        lists = (
            self.numerical_columns,
            self.categorical_columns,
            self.text_columns,
            self.datetime_columns,
        )
        named = [name for names in lists for name in names]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(map(repr, twice))} is named with two kinds")
        tasks = [task.name for task in self.tasks]
        if len(set(tasks)) != len(tasks):
            raise ValueError("give each model of a DataDefinition a name of its own")

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (*self.classification, *self.regression)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Columns of targets and predictions."""
        return tuple(dict.fromkeys(name for task in self.tasks for name in task.columns))

    @property
    def predictions(self) -> tuple[str, ...]:
        targets = {task.target for task in self.tasks}
        return tuple(name for name in self.outputs if name not in targets)

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(task.target for task in self.tasks))

    @property
    def set_aside(self) -> frozenset[str]:
        """Columns that identify rows, and are not compared."""
        return frozenset(name for name in (self.id_column, self.timestamp) if name is not None)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table with its definition; made by `from_pandas`, or `from_any` for any other table."""

    data: Any
    data_definition: DataDefinition = field(default_factory=DataDefinition)

    @classmethod
    def from_any(cls, data: Any, data_definition: DataDefinition | None = None) -> Dataset:
        """Of a pandas or polars frame, a pyarrow table, a mapping of columns, a list of dicts, or
        the path of a CSV or Parquet file.
        """
        return cls(data, data_definition or DataDefinition())

    from_pandas = from_any


def column_mapping(
    *,
    target: str | None = None,
    prediction: str | Sequence[str] | None = None,
    numerical_features: Sequence[str] = (),
    categorical_features: Sequence[str] = (),
    text_features: Sequence[str] = (),
    datetime_features: Sequence[str] = (),
    id: str | None = None,  # noqa: A002 (Evidently's name)
    datetime: str | None = None,
    task: Literal["classification", "regression"] | None = None,
    pos_label: Any = None,
) -> DataDefinition:
    """A `DataDefinition` by the names of Evidently's older ``ColumnMapping``.

    A list of predictions is one column of probabilities per class, named as the class is. Without a
    `task`, target and prediction are compared, but not with each other.
    """
    tasks: dict[str, Any] = {}
    outputs = [prediction] if isinstance(prediction, str) else list(prediction or ())
    if task is not None and target is not None and outputs:
        if task == "regression":
            tasks["regression"] = [Regression(target=target, prediction=outputs[0])]
        elif len(outputs) == 1:
            tasks["classification"] = [
                BinaryClassification(
                    target=target, prediction_labels=outputs[0], pos_label=pos_label
                )
            ]
        else:
            tasks["classification"] = [
                MulticlassClassification(
                    target=target, prediction_probas={name: name for name in outputs}
                )
            ]
    return DataDefinition(
        numerical_columns=numerical_features,
        categorical_columns=categorical_features,
        text_columns=text_features,
        datetime_columns=datetime_features,
        id_column=id,
        timestamp=datetime,
        **tasks,
    )
