"""Edge: what the page's worker calls. Text in, text out; every prediction is counted in a profile."""

from __future__ import annotations

import io
import json
import math
import sys
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any

from strandline.bundle import delimited
from strandline.bundle.errors import InputError
from strandline.bundle.manifest import Manifest
from strandline.bundle.pipeline import Pipeline, Read, verified
from strandline.drift import Profile, Reference, result
from strandline.drift.columns import number, text
from strandline.drift.quality import RegressionTask, Task, summary
from strandline.drift.quality.ledger import prediction_columns
from strandline.drift.reference import LATENCY, MEMORY

REPORT_SCHEMA = "strandline.report/1"


def process_memory() -> float | None:
    """Megabytes that this process has held at most; `None` where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


class Edge:
    """A packed model with its profiles: of the open window, and of all closed ones.

    A batch is counted only after all of it was predicted: one that fails changes nothing. `memory`
    says how many megabytes the runtime holds; it is asked when a window closes.
    """

    def __init__(
        self,
        manifest_json: str,
        read: Read,
        clock: Callable[[], float] = time.perf_counter,
        memory: Callable[[], float | None] = process_memory,
    ) -> None:
        self.manifest = Manifest.loads(manifest_json)
        self.pipeline = Pipeline(self.manifest, read)
        self.reference = Reference.from_json(
            verified(read, self.manifest.reference.file, self.manifest.reference.sha256)
        )
        self._clock = clock
        self._memory = memory
        self._closed = Profile(self.reference)
        self._window = Profile(self.reference)
        self._pending = 0
        self._counted = False
        splits = (one.column for one in self.reference.segmentations)
        self.columns = tuple(dict.fromkeys([*(f.name for f in self.manifest.features), *splits]))
        """the columns of rows that are read: the model's features, and those that split the rows"""
        self.vectors = frozenset(f.name for f in self.manifest.features if f.kind == "vector")
        """those whose cells are lists of numbers"""
        quality = self.reference.quality
        self.judged = () if quality is None else prediction_columns(quality.task)
        """the outputs that a label is judged beside; none when the site was packed without labels"""

    def predict_columns(self, columns: dict[str, list[Any]]) -> tuple[dict[str, list[Any]], float]:
        """Predictions by name and the milliseconds they took; counts features, outputs and latency."""
        start = self._clock()
        predictions = self.pipeline.predict(columns)
        ms = (self._clock() - start) * 1000
        n = len(next(iter(predictions.values())))
        given = {name: columns[name] for name in self.columns if name in columns}
        self._window.update({**given, **predictions, LATENCY: [ms / n]})
        self._pending += n
        return predictions, ms

    def predict(self, rows_json: str, batch: str | None = None) -> str:
        """`[{"distance": 700, …}, …]` -> `{"rows": [{"label": 0, …}, …], "ms": 1.2}`. Raises InputError.

        Of a site packed with labels the answer has `ids` as well, one per row, and `kept`, what `label` wants to see
        again of each row: the values of `judged`. Ids are `batch`, which must be unique (None: one is made), a dash,
        and the row's number from 0.
        """
        try:
            rows = json.loads(rows_json)
        except ValueError as error:
            raise InputError(f"the rows are not JSON: {error}") from None
        return self._answer(columns_of(rows, self.columns, self.vectors), batch)

    def predict_csv(self, text: str) -> str:
        """A header line, then one line per row; the same result as `predict`. Raises InputError."""
        return self._answer(read_csv(text))

    def count(self, counter: str, by: int = 1) -> None:
        """Add to one of the counters that the site was packed with. Raises InputError."""
        try:
            self._window.count(counter, by)
        except ValueError as error:
            raise InputError(str(error)) from None
        self._counted = self._counted or by > 0

    def label(self, labels_json: str) -> None:
        """Count labels into the open window: `[{"kept": [0, 0.2], "label": 1}, …]`, `kept` as `predict` gave it, in
        this session or an earlier one. All or nothing; raises InputError.
        """
        labels = json.loads(labels_json)
        quality = self.reference.quality
        if quality is None:
            raise InputError("this site was packed without --target: it takes no labels")
        values = [_label_value(one["label"], quality.task) for one in labels]
        kept = [one["kept"] for one in labels]
        columns = {name: [row[i] for row in kept] for i, name in enumerate(self.judged)}
        self._window.label({quality.task.target: values, **columns})
        self._counted = self._counted or bool(labels)

    def observe(self, measured_json: str) -> None:
        """What the page measured of the system, such as `{"load_ms": 812.5}`; what the reference does not watch is
        left aside. It goes with the next window that has rows or counts.
        """
        measured = json.loads(measured_json)
        watched = {f.name for f in self.reference if f.role == "system"}
        self._window.update({name: [v] for name, v in measured.items() if name in watched})

    def drift(self) -> str:
        """What was seen since the start beside the reference, as JSON of the schema ``drift-1``."""
        seen = self._closed + self._window
        return json.dumps(result(self.reference, seen), ensure_ascii=False, allow_nan=False)

    def quality(self) -> str | None:
        """How good the predictions since the start are, by the labels that came and without them, beside the reference,
        as JSON (see `drift.quality.summary`). None when the site was packed without labels.
        """
        seen = (self._closed + self._window).quality
        if self.reference.quality is None or seen is None:
            return None
        found = summary(self.reference.quality, seen)
        return json.dumps(found, ensure_ascii=False, allow_nan=False)

    def pending(self) -> int:
        """Rows in the open window."""
        return self._pending

    def empty(self) -> bool:
        """Whether the open window has nothing to send: neither rows nor counts."""
        return self._pending == 0 and not self._counted

    def peek_window(self, report_json: str) -> str | None:
        """The report that `take_window` would give now; the window stays open."""
        if self.empty():
            return None
        return self._report(report_json, self._closing())

    def take_window(self, report_json: str) -> str | None:
        """Close the window: `{"id", "session", "seq", "started", "ended"}` -> the whole report.

        None when the window is empty; it stays open then.
        """
        if self.empty():
            return None
        closing = self._closing()
        text = self._report(report_json, closing)
        self._closed += closing
        self._window, self._pending, self._counted = Profile(self.reference), 0, False
        return text

    def _closing(self) -> Profile:
        """The open window with what is measured when it closes."""
        held = Profile(self.reference)
        memory = self._memory() if MEMORY in self.reference else None
        if memory is not None:
            held.update({MEMORY: [memory]})
        return self._window + held

    def _report(self, report_json: str, profile: Profile) -> str:
        report = {
            "schema": REPORT_SCHEMA,
            **json.loads(report_json),
            "model": self.manifest.name,
            "version": self.manifest.version,
            "reference": self.reference.sha256,
            "profile": profile.to_wire(),
        }
        return json.dumps(report, ensure_ascii=False, allow_nan=False)

    def _answer(self, columns: dict[str, list[Any]], batch: str | None = None) -> str:
        predictions, ms = self.predict_columns(columns)
        answer: dict[str, Any] = {"rows": rows_of(predictions), "ms": ms}
        if self.judged:
            batch = batch or uuid.uuid4().hex
            answer["ids"] = [f"{batch}-{i}" for i in range(len(answer["rows"]))]
            answer["kept"] = [[row[name] for name in self.judged] for row in answer["rows"]]
        return json.dumps(answer, ensure_ascii=False, allow_nan=False)


def _label_value(value: Any, task: Task) -> Any:
    """A label as it can be counted. Raises InputError."""
    if isinstance(task, RegressionTask):
        read = None if isinstance(value, (list, dict)) else number(value)
        if read is None or not math.isfinite(read):
            raise InputError(f"a label of {task.target} must be a finite number, not {value!r}")
        return read
    if text(value) is None:
        raise InputError(f"a label of {task.target} must name a class, not {value!r}")
    return value


def columns_of(
    rows: Any, names: Sequence[str], vectors: Collection[str] = ()
) -> dict[str, list[Any]]:
    """Columns from a list of objects; what a row lacks is missing there, what all rows lack is no column. The cells
    of `vectors` may be lists.
    """
    if not isinstance(rows, list):
        raise InputError(
            f'rows must be a list of objects like [{{"{names[0] if names else "column"}": …}}]'
        )
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"row {i + 1} is no object of column names and values")
        for name in names:
            if isinstance(row.get(name), dict if name in vectors else (list, dict)):
                raise InputError(
                    f"row {i + 1}, column {name!r}: a list or an object is no value of a cell"
                )
    present = [n for n in names if not rows or any(n in row for row in rows)]
    return {n: [row.get(n) for row in rows] for n in present}


def read_csv(text: str) -> dict[str, list[Any]]:
    """Columns of strings from CSV text whose first line is the header. Raises InputError with the line."""
    lines = delimited.read(io.StringIO(text, newline=""), "the CSV")
    header = next(lines)
    columns: dict[str, list[Any]] = {name: [] for name in header}
    lists = list(columns.values())
    for row in lines:
        for cell, column in zip(row, lists, strict=True):
            column.append(cell)
    return columns


def rows_of(predictions: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """One object per row; what JSON has no number for (NaN, infinities) becomes null."""
    columns = [[_plain(v) for v in column] for column in predictions.values()]
    return [dict(zip(predictions, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
