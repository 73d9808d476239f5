"""A report: metrics and presets that are run on a comparison, and the document that comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final, TypeAlias

from strandline.bundle.errors import InputError
from strandline.drift import Monitor, Profile, Reference, Segment, wire
from strandline.drift.compare import Criteria, FeatureDrift, compare
from strandline.drift.compare import document as drift_document
from strandline.report import models
from strandline.report.comparison import Comparison
from strandline.report.conditions import Condition
from strandline.report.definition import DataDefinition
from strandline.report.drift import Drift, DriftedColumnsCount, ValueDrift, criteria
from strandline.report.measure import Measure
from strandline.report.metrics import Metric
from strandline.report.presets import Preset

Document: TypeAlias = dict[str, Any]
Item: TypeAlias = Metric | Preset

FAILED: Final = frozenset({"FAIL", "ERROR"})


class Snapshot:
    """What a report found: a document of the schema ``drift-1`` (`drift/schema/drift-1.json`).

    The page, the JSON profile and a monitor's windows are this document, shown or stored.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    @staticmethod
    def load(source: str | Path | Mapping[str, Any]) -> Snapshot:
        """Of a file that `save_json` wrote, its text, or the document itself.

        Raises `WireError`, a `ValueError` that names the place, when it is not of the schema.
        """
        document: Any = source
        if not isinstance(source, Mapping):
            text = str(source)
            if isinstance(source, Path) or not text.lstrip().startswith("{"):
                text = Path(source).read_text("utf-8")
            try:
                document = json.loads(text)
            except ValueError as error:
                raise wire.WireError(f"the report is not JSON: {error}") from None
        wire.check(document, wire.RESULT)
        return Snapshot(document)

    def dict(self) -> Document:
        """The document."""
        return {**self.document}

    def as_dict(self) -> Document:
        """The same, by its older name."""
        return self.dict()

    def json(self) -> str:
        """The document as JSON text."""
        return json.dumps(self.document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    def html(self) -> str:
        """One self-contained page."""
        from strandline.report.html import render_html

        return render_html(self.document)

    get_html_str = html

    def save_json(self, path: str | Path) -> None:
        Path(path).write_text(self.json(), "utf-8")

    def save_html(self, path: str | Path) -> None:
        Path(path).write_text(self.html(), "utf-8")

    def write(self, path: str | Path) -> None:
        """Write JSON or HTML, by the ending of the name. Raises `ValueError` for another ending."""
        suffix = Path(path).suffix
        if suffix == ".json":
            self.save_json(path)
        elif suffix in (".html", ".htm"):
            self.save_html(path)
        else:
            raise InputError(f"{path}: a report ends in .html or .json")

    def _repr_html_(self) -> str:
        """In a notebook: the page in a frame of its own."""
        return (
            f'<iframe title="Strandline report" srcdoc="{escape(self.html())}" '
            'sandbox="allow-scripts" width="100%" height="800" frameborder="0"></iframe>'
        )

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the features with the verdict drift, in the reference's order."""
        features = self.document["features"]
        return tuple(one["name"] for one in features if one["verdict"] == "drift")

    @property
    def drifted_segments(self) -> tuple[Segment, ...]:
        """The segments in which a feature has the verdict drift, in the reference's order."""
        segments = self.document.get("segments", ())
        return tuple(Segment(one["column"], one["value"]) for one in segments if one["drifted"])

    @property
    def tests(self) -> Sequence[Mapping[str, Any]]:
        """The tests with their statuses."""
        tests: Sequence[Mapping[str, Any]] = self.document.get("tests", ())
        return tests

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """The metrics by id, such as ``"ValueDrift(column=age)"``."""
        return {one["id"]: one for one in self.document.get("metrics", ())}

    @property
    def failed(self) -> tuple[str, ...]:
        """What the tests that failed, or could not be made, are called."""
        return tuple(test["name"] for test in self.tests if test["status"] in FAILED)

    @property
    def exit_code(self) -> int:
        """1 when a test failed or could not be made; without tests, when something drifted, of all
        rows or of a segment's; else 0.
        """
        return int(bool(self.failed if self.tests else self.drifted or self.drifted_segments))


class Report:
    """Metrics and presets to run.

    Parameters
    ----------
    metrics
        `DataDriftPreset()`, `ValueDrift("age")` and the like, in the order in which to show them.
    include_tests
        Whether metrics that have no tests of their own get the default ones: no drift, and for the
        rest conditions that follow from the reference.
    alpha
        Level that Benjamini-Hochberg holds over the tests of all compared columns.
    about
        Names and values that the report shows, such as ``title`` or ``model``.

    Examples
    --------
    >>> from strandline.report import DataDriftPreset, Report
    >>> reference = {"speed": [k % 50 / 50 for k in range(500)]}
    >>> current = {"speed": [k % 50 / 50 + 0.3 for k in range(500)]}
    >>> found = Report([DataDriftPreset()], include_tests=True).run(current, reference)
    >>> found.drifted, found.failed
    (('speed',), ('Columns that drifted', 'Drift of speed'))
    """

    def __init__(
        self,
        metrics: Iterable[Item],
        *,
        include_tests: bool = False,
        alpha: float = 0.05,
        about: Mapping[str, str | int] | None = None,
    ) -> None:
        self.items = tuple(metrics)
        for item in self.items:
            if not isinstance(item, (Metric, Preset)):
                raise TypeError(
                    f"a report is made of metrics and presets, not {item!r}: write DataDriftPreset() "
                    "with parentheses"
                )
        self.include_tests = include_tests
        self.alpha = alpha
        self.about = dict(about or {})

    load = staticmethod(Snapshot.load)

    def run(
        self,
        current_data: Any,
        reference_data: Any = None,
        *,
        data_definition: DataDefinition | None = None,
        column_mapping: DataDefinition | None = None,
    ) -> Snapshot:
        """Compare `current_data` with `reference_data`.

        Both are a table (pandas, polars, pyarrow, a mapping of columns, a list of dicts), the path of
        a CSV or Parquet file, a `Dataset`, or a `Profile`; the reference may be a `Reference`, or be
        left out where nothing is compared and for a profile, which knows its own.

        Raises `InputError`, a `ValueError` of one line, when something is not there or does not fit.
        """
        definition = data_definition or column_mapping
        comparison = Comparison.of(
            current_data, reference_data, definition, columns=self._columns(definition)
        )
        if not comparison.has_reference:
            needing = [
                item.name
                for item in self.items
                if isinstance(item, ValueDrift | DriftedColumnsCount)
                or (isinstance(item, Preset) and item.needs_reference)
            ]
            if needing:
                raise InputError(f"{needing[0]} needs a reference to compare with")
        return Snapshot(_Run(self, comparison).document())

    def monitor(
        self, reference: Reference, on_window: Callable[[Snapshot], None], **options: Any
    ) -> Monitor:
        """A `Monitor` of a live stream that gives `on_window` each closed window as a `Snapshot`.

        `options` are those of `Monitor`: ``rows``, ``seconds``, ``clock``.
        """

        def closed(profile: Profile) -> None:
            on_window(self.run(profile))

        return Monitor(reference, on_window=closed, **options)

    def _columns(self, definition: DataDefinition | None) -> list[str] | None:
        """The columns that are looked at; `None`: all."""
        wanted: list[str] = []
        for item in self.items:
            needed = item.needs(definition) if isinstance(item, Preset) else item.columns
            if needed is None:
                return None
            wanted += needed
        outputs = () if definition is None else definition.outputs
        return list(dict.fromkeys(wanted or outputs)) or None


class _Run:
    """A report on its comparison."""

    def __init__(self, report: Report, comparison: Comparison) -> None:
        self.report = report
        self.comparison = comparison
        self.drift, self.shown = self._compare()
        self.metrics = self._metrics()

    def _compare(self) -> tuple[Drift, list[FeatureDrift]]:
        """The verdicts of the columns whose drift is asked for, and every feature to show."""
        features = {f.name: f for f in self.comparison.reference}
        asked: dict[str, Criteria] = {}
        shown: set[str] = set()
        for item in self.report.items:
            if isinstance(item, Preset):
                chosen = [f.name for f in item.chosen(self.comparison)]
                shown.update(chosen)
                if item.needs_reference:
                    asked |= {name: asked.get(name, Criteria()) for name in chosen}
                    asked |= item.criteria(self.comparison)
            elif item.columns:
                mine = [f for f in features.values() if f.column in item.columns]
                shown.update(f.name for f in mine)
                if isinstance(item, ValueDrift):
                    for feature in mine:
                        own = criteria(feature, item.method, item.threshold)
                        asked[feature.name] = _both(own, asked.get(feature.name))
            elif item.columns is None:
                shown.update(name for name, f in features.items() if f.role != "system")
                if isinstance(item, DriftedColumnsCount):
                    asked |= {name: asked.get(name, Criteria()) for name in shown}
        found = self._judged(asked)
        drift = {one.name: one for one in found if one.segment is None}
        rest = {
            name: FeatureDrift(f, self.comparison.profile[name], (), None, None, "no data")
            for name, f in features.items()
            if name in shown and name not in drift
        }
        every = drift | rest
        whole = [every[name] for name in features if name in every]
        return drift, [*whole, *(one for one in found if one.segment is not None)]

    def _judged(self, asked: Mapping[str, Criteria]) -> tuple[FeatureDrift, ...]:
        """Together, so that Benjamini-Hochberg runs over what was asked for and nothing else."""
        if not asked:
            return ()
        reference, profile = self.comparison.reference, self.comparison.profile
        if any(f.role != "system" and f.name not in asked for f in reference):
            reference = reference.only(asked)
            profile = profile.over(reference)
        return compare(reference, profile, alpha=self.report.alpha, per_feature=asked)

    def _metrics(self) -> list[tuple[str | None, Metric]]:
        """Every metric once, with the preset that it is of."""
        found: dict[str, tuple[str | None, Metric]] = {}
        for item in self.report.items:
            if isinstance(item, Preset):
                for metric in item.metrics(self.comparison):
                    found.setdefault(metric.id, (item.name, metric))
            else:
                before, _ = found.get(item.id, (None, item))
                found[item.id] = (before, item)
        return list(found.values())

    def document(self) -> dict[str, Any]:
        comparison = self.comparison
        document = drift_document(
            comparison.reference, comparison.profile, self.shown, self.report.alpha
        )
        metrics, tests = [], []
        for preset, metric in self.metrics:
            current, reference = metric.measures(comparison, self.drift)
            metrics.append(_metric(metric, preset, current, reference))
            tests += [
                _test(metric, condition, current, reference)
                for condition in self._conditions(metric)
            ]
        presets = [item.name for item in self.report.items if isinstance(item, Preset)]
        shown = self._models()
        return {
            **document,
            "reference": comparison.sha256,
            "about": {**comparison.about, **self.report.about},
            "presets": list(dict.fromkeys(presets)),
            "metrics": metrics,
            **({"tests": tests} if tests or self.report.include_tests else {}),
            **({"models": shown} if shown else {}),
        }

    def _conditions(self, metric: Metric) -> list[Condition]:
        given = metric.conditions
        if given is not None:
            return given
        has = self.comparison.has_reference
        return metric.defaults(has) if self.report.include_tests else []

    def _models(self) -> list[dict[str, Any]]:
        wanted = {getattr(metric, "model", None) for _, metric in self.metrics}
        wanted |= {getattr(item, "model", None) for item in self.report.items}
        found = self.comparison.models
        return [models.to_json(model) for name, model in found.items() if name in wanted]


def _both(own: Criteria, other: Criteria | None) -> Criteria:
    """A metric's criteria first; what a preset wants besides is computed too."""
    if other is None:
        return own
    methods = (*own.methods, *(name for name in other.methods if name not in own.methods))
    return Criteria(methods, {**other.floors, **own.floors})


def _metric(
    metric: Metric, preset: str | None, current: Measure | None, reference: Measure | None
) -> dict[str, Any]:
    return {
        "id": metric.id,
        "name": metric.name,
        "title": metric.words(),
        "params": {name: _plain(value) for name, value in metric.params.items()},
        "preset": preset,
        "current": current and current.to_json(),
        "reference": reference and reference.to_json(),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float)):
        return value
    return [str(one) for one in value]


def _test(
    metric: Metric, condition: Condition, current: Measure | None, reference: Measure | None
) -> dict[str, Any]:
    return {
        "name": metric.words(),
        "metric": metric.id,
        "of": condition.of,
        "condition": str(condition),
        "status": condition.status(current, reference),
        "current": current and current.to_json(),
        "reference": reference and reference.to_json(),
    }
