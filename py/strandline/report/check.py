"""Two tables, one verdict: `strandline check reference.csv current.csv`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from strandline.drift.compare import DEFAULT_METHODS
from strandline.drift.features import Kind
from strandline.report.definition import DataDefinition
from strandline.report.presets import DataDriftPreset
from strandline.report.report import Report, Snapshot


def check(
    reference: Any,
    current: Any,
    *,
    columns: Sequence[str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    alpha: float = 0.05,
    methods: Sequence[str] = DEFAULT_METHODS,
    outputs: Iterable[str | Path] = (),
    segments: Sequence[str] = (),
) -> Snapshot:
    """Compare two tables, or files of rows (CSV, .csv.gz or Parquet): the shortest report.

    Parameters
    ----------
    columns
        Which columns to compare; `None`: all that both files have, except dates, which always move
        on, and a column without a name, which is a saved row number.
    kinds
        ``"numeric"`` or ``"categorical"`` by column name; the rest is inferred from the reference.
    alpha, methods
        As in `drift.compare`.
    segments
        Columns whose commonest ten values are compared each on their own as well, and all other rows
        together.
    outputs
        Files to write the report to, HTML or JSON by their endings.

    Returns
    -------
    Snapshot
        Its `exit_code` is 1 when a column drifted, of all rows or of a segment's, else 0.

    Raises
    ------
    InputError
        A file can't be read or has no rows, or a column isn't there; the message is one line that
        says what to do.
    ValueError
        As in `drift.compare`.
    """
    given = {n: k for n, k in (kinds or {}).items() if columns is None or n in columns}
    definition = DataDefinition(
        numerical_columns=[name for name, kind in given.items() if kind == "numeric"],
        categorical_columns=[name for name, kind in given.items() if kind == "categorical"],
        segments=tuple(segments),
    )
    report = Report([DataDriftPreset(columns, method=tuple(methods))], alpha=alpha)
    found = report.run(current, reference, data_definition=definition)
    for path in outputs:
        found.write(path)
    return found
