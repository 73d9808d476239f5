"""Whatever a report is run on, as one thing: a reference, a profile, and labelled predictions."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias

from strandline.bundle.errors import InputError
from strandline.bundle.tables import read_table
from strandline.drift import Profile, Reference
from strandline.drift.columns import (
    Column,
    as_columns,
    cells_of,
    is_missing,
    length,
    numbers,
)
from strandline.drift.features import ColumnKind, Feature, holding
from strandline.drift.kinds import are_dates
from strandline.drift.quality import ClassTask, Metric, Quality
from strandline.drift.quality import RegressionTask as FrozenRegression
from strandline.drift.quality.task import Kind
from strandline.drift.tally import Tally
from strandline.report.definition import (
    BinaryClassification,
    DataDefinition,
    Dataset,
    MulticlassClassification,
    Task,
)
from strandline.report.definition import Regression as RegressionTask

BINS: Final = 200
"""more than a page's profile has: nothing is sent, and the intervals become narrower"""

Table: TypeAlias = Mapping[str, Column]


@dataclass(frozen=True)
class Sample:
    """One of the two samples: what was counted, in the bins of the comparison's reference."""

    features: Mapping[str, Feature]
    tallies: Mapping[str, Tally]

    @property
    def rows(self) -> int:
        return max((tally.rows for tally in self.tallies.values()), default=0)


@dataclass(frozen=True)
class Model:
    """Predictions that have labels."""

    task: Task
    current: Quality | None
    reference: Quality | None
    errors: tuple[Reference, Profile] | None = None
    """of a regression: prediction − target, as a feature called ``error``"""

    @cached_property
    def metrics(self) -> tuple[Mapping[str, Metric] | None, Mapping[str, Metric] | None]:
        """Of the current labels, and of the reference's."""
        qualities = (self.current, self.reference)
        now, then = (None if q is None or not q.n else q.metrics() for q in qualities)
        return now, then


@dataclass(frozen=True)
class Comparison:
    """What a report is made of."""

    reference: Reference
    """how features are binned, and what the reference held; nothing when there is none"""
    profile: Profile
    sha256: str
    """of the reference as it was given, before it was cut down to the report's columns"""
    has_reference: bool = True
    definition: DataDefinition = field(default_factory=DataDefinition)
    models: Mapping[str, Model] = field(default_factory=dict)
    about: Mapping[str, str | int] = field(default_factory=dict)

    @staticmethod
    def of(
        current: Any,
        reference: Any = None,
        definition: DataDefinition | None = None,
        *,
        columns: Collection[str] | None = None,
    ) -> Comparison:
        """Read what was given.

        Parameters
        ----------
        current
            A table (pandas, polars, pyarrow, a mapping of columns, a list of dicts), the path of a
            CSV or Parquet file, a `Dataset` of one of these, or a `Profile`.
        reference
            The same, or a `Reference`; `None`: a profile's own reference, else there is nothing to
            compare with.
        columns
            Columns to look at; `None`: all.

        Raises
        ------
        InputError
            A table can't be read, has no rows, or lacks a column.
        """
        names = {"current": _name(current), "reference": _name(reference)}
        definition = definition or _definition(current) or _definition(reference)
        definition = definition or DataDefinition()
        given = _Given(_plain(current), _plain(reference), definition, columns)
        made = given.comparison()
        about = {key: name for key, name in names.items() if name}
        if len(about) == 2:
            about = {"title": f"{about['current']} against {about['reference']}", **about}
        made = replace(made, about={**about, **made.about})
        return made if columns is None else made.cut_down(columns)

    def cut_down(self, columns: Collection[str]) -> Comparison:
        """Only these columns, so that the tests of others do not count."""
        kept = tuple(f for f in self.reference if f.column in columns or f.role == "system")
        if len(kept) == len(self.reference):
            return self
        reference = self.reference.only({f.name for f in kept})
        return replace(self, reference=reference, profile=self.profile.over(reference))

    @property
    def samples(self) -> tuple[Sample, Sample | None]:
        """Current and reference."""
        features = {f.name: f for f in self.reference if f.role != "system"}
        current = Sample(features, {name: self.profile[name] for name in features})
        if not self.has_reference:
            return current, None
        return current, Sample(features, {name: f.tally for name, f in features.items()})


@dataclass(frozen=True)
class _Given:
    """What a report is run on, as it was given."""

    current: Any
    reference: Any
    definition: DataDefinition
    columns: Collection[str] | None

    def comparison(self) -> Comparison:
        if isinstance(self.reference, Profile):
            base = self.reference.reference
            seen = _profile(self.current, base)
            frozen = replace(base.holding(self.reference), quality=None)
            profile = seen.over(frozen)
            models = self._frozen_models(base, seen, self.reference.quality)
            return Comparison(frozen, profile, base.sha256, True, self.definition, models)
        if isinstance(self.current, Profile) or isinstance(self.reference, Reference):
            frozen = self.current.reference if self.reference is None else self.reference
            if not isinstance(frozen, Reference):
                raise InputError(
                    "a profile is compared with its reference, or another profile of it"
                )
            profile = _profile(self.current, frozen)
            models = self._frozen_models(frozen, profile, frozen.quality)
            return Comparison(frozen, profile, frozen.sha256, True, self.definition, models)
        return self._of_tables()

    def _frozen_models(
        self, frozen: Reference, profile: Profile, then: Quality | None
    ) -> dict[str, Model]:
        """The model whose quality the reference was frozen with."""
        if frozen.quality is None:
            return {}
        task = _task_of(frozen.quality.task)
        now = profile.quality
        if not isinstance(self.current, Profile):
            table = _table(self.current)
            assert table is not None
            now = _quality(task, table, frozen.quality)
        return {task.name: Model(task, now, then)}

    def _of_tables(self) -> Comparison:
        now, then = _table(self.current), _table(self.reference)
        assert now is not None
        base = now if then is None else then
        chosen, about = self._chosen(now, base)
        outputs = {name for name in self.definition.outputs if name in chosen}
        read = dict.fromkeys([*chosen, *self.definition.segments])
        try:
            frozen = Reference.from_columns(
                {name: base[name] for name in read},
                kinds={n: kind for n, kind in _kinds(self.definition).items() if n in chosen},
                roles=dict.fromkeys(outputs, "output"),
                bins=BINS,
                latency=False,
                segments=self.definition.segments,
                features=chosen,
            )
        except ValueError as error:
            raise InputError(str(error)) from None
        if then is None:
            seen = {f.name: f.tally for f in frozen}
            frozen = Reference(tuple(holding(f, f.empty()) for f in frozen))
            profile = Profile(frozen, seen)
        else:
            profile = Profile.from_rows({name: now[name] for name in read if name in now}, frozen)
        models = {task.name: _model(task, now, then) for task in self.definition.tasks}
        return Comparison(
            frozen, profile, frozen.sha256, then is not None, self.definition, models, about
        )

    def _chosen(self, now: Table, then: Table) -> tuple[list[str], dict[str, str]]:
        """The columns to compare, and what is left out."""
        outputs, known = set(self.definition.outputs), _kinds(self.definition)
        named = [*(self.columns or ()), *known, *self.definition.segments]
        for which, given, table in (
            ("the reference", self.reference, then),
            ("the current data", self.current, now),
        ):
            late = outputs if table is now and now is not then else set()
            absent = [name for name in named if name not in table and name not in late]
            if absent:
                where = given if isinstance(given, str | Path) else which
                raise InputError(
                    f"{where} has no column {', '.join(map(repr, absent))}; "
                    f"it has {', '.join(map(str, table))}"
                )
        if self.columns is not None:
            return list(dict.fromkeys(self.columns)), {}
        both = [name for name in then if name and (name in now or name in outputs)]
        both = [name for name in both if name not in self.definition.set_aside]
        dates = [name for name in both if name not in known and are_dates(then[name])]
        compared = [name for name in both if name not in dates]
        if not compared:
            raise InputError(
                "there is no column in common that can be compared: "
                f"{', '.join(map(str, then))} and {', '.join(map(str, now))}"
            )
        apart = sorted((then.keys() ^ now.keys()) - outputs)
        left_out = {"only in one of both": apart, "dates, left out": dates}
        return compared, {why: ", ".join(names) for why, names in left_out.items() if names}


def _task_of(frozen: ClassTask | FrozenRegression) -> Task:
    """What a frozen task says of columns."""
    if not isinstance(frozen, ClassTask):
        return RegressionTask(target=frozen.target, prediction=frozen.prediction or "prediction")
    if frozen.kind == "binary":
        return BinaryClassification(
            target=frozen.target,
            prediction_labels=frozen.prediction,
            prediction_probas=frozen.scores[0] if frozen.scores else None,
            pos_label=frozen.classes[1],
        )
    probabilities = dict(zip(frozen.classes, frozen.scores, strict=False))
    return MulticlassClassification(
        target=frozen.target,
        prediction_labels=frozen.prediction,
        prediction_probas=probabilities or None,
    )


def _profile(current: Any, reference: Reference) -> Profile:
    if not isinstance(current, Profile):
        table = _table(current)
        try:
            return Profile.from_rows(table, reference)
        except ValueError as error:
            raise InputError(str(error)) from None
    if current.reference is not reference and current.reference.sha256 != reference.sha256:
        raise InputError("the profile belongs to another reference")
    return current


def _kinds(definition: DataDefinition) -> dict[str, ColumnKind]:
    kinds: dict[str, ColumnKind] = dict.fromkeys(definition.numerical_columns, "numeric")
    kinds |= dict.fromkeys(definition.categorical_columns, "categorical")
    kinds |= dict.fromkeys(definition.text_columns, "text")
    kinds |= dict.fromkeys(definition.datetime_columns, "datetime")
    return kinds


def _model(task: Task, now: Table, then: Table | None) -> Model:
    """Labels and predictions, counted, of the samples that have them."""
    before = None if then is None else _quality(task, then, None)
    after = _quality(task, now, before)
    if isinstance(task, RegressionTask):
        return Model(task, after, before, _errors(task, now, then))
    return Model(task, after, before)


def _quality(task: Task, table: Table, frozen: Quality | None) -> Quality | None:
    if any(name not in table for name in task.columns):
        return None
    if all(is_missing(cell) for cell in cells_of(table[task.target])):
        return None
    target = table[task.target]
    scores: Any = None
    kind: Kind = "regression"
    options: dict[str, Any] = {}
    try:
        if isinstance(task, RegressionTask):
            prediction: Column | None = table[task.prediction]
        else:
            labels = task.prediction_labels
            prediction = None if labels is None else table[labels]
            scores, kind, options = _scores(task, table)
        if frozen is not None:
            return Quality.count(frozen.task, target, prediction, scores)
        return Quality.from_columns(kind, target, prediction, scores, **options)
    except ValueError as error:
        raise InputError(f"the model {task.name!r}: {error}") from None


def _scores(task: Any, table: Table) -> tuple[Any, Kind, dict[str, Any]]:
    if isinstance(task, BinaryClassification):
        named = task.prediction_probas
        scores = None if named is None else table[named]
        return scores, "binary", {"positive": task.pos_label}
    probabilities = task.prediction_probas or {}
    by_class = {str(klass): table[name] for klass, name in probabilities.items()}
    return by_class or None, "multiclass", {}


def _errors(
    task: RegressionTask, now: Table, then: Table | None
) -> tuple[Reference, Profile] | None:
    if any(name not in table for name in task.columns for table in (now, then) if table):
        return None
    found = [
        _differences(table[task.prediction], table[task.target])
        for table in ((then, now) if then is not None else (now,))
    ]
    frozen = Reference.from_columns(
        {"error": found[0]}, kinds={"error": "numeric"}, bins=BINS, latency=False
    )
    return frozen, Profile.from_rows({"error": found[-1]}, frozen)


def _differences(a: Column, b: Column) -> array[float]:
    x, y = (memoryview(numbers(column).values) for column in (a, b))
    return array("d", (p - q for p, q in zip(x, y, strict=True)))


def _plain(given: Any) -> Any:
    return given.data if isinstance(given, Dataset) else given


def _definition(given: Any) -> DataDefinition | None:
    return given.data_definition if isinstance(given, Dataset) else None


def _name(given: Any) -> str:
    plain = _plain(given)
    return Path(plain).name if isinstance(plain, str | Path) else ""


def _table(given: Any) -> Table | None:
    if given is None:
        return None
    if isinstance(given, str | Path):
        table: Table = read_table(given)
        where = f"{given} has"
    else:
        try:
            table = as_columns(given)
        except ValueError as error:
            raise InputError(str(error)) from None
        where = "there are"
    if not any(length(column) for column in table.values()):
        raise InputError(f"{where} no rows: there is nothing to compare")
    return table
