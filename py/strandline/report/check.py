"""Two tables, one verdict: `strandline check reference.csv current.csv`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from strandline.bundle.errors import InputError
from strandline.bundle.tables import read_table
from strandline.drift import Profile, Reference
from strandline.drift.columns import Column, are_dates
from strandline.drift.compare import DEFAULT_METHODS
from strandline.drift.features import Kind
from strandline.report.report import Report

BINS: Final = 200
"""more than a page's profile has: nothing is sent, and the intervals become narrower"""


def check(
    reference: str | Path,
    current: str | Path,
    *,
    columns: Sequence[str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    alpha: float = 0.05,
    methods: Sequence[str] = DEFAULT_METHODS,
    outputs: Iterable[str | Path] = (),
) -> Report:
    """Compare two files of rows (CSV, .csv.gz or Parquet).

    Parameters
    ----------
    columns
        Which columns to compare; `None`: all that both files have, except dates, which always move
        on, and a column without a name, which is a saved row number.
    kinds
        ``"numeric"`` or ``"categorical"`` by column name; the rest is inferred from the reference.
    alpha, methods
        As in `drift.compare`.
    outputs
        Files to write the report to, HTML or JSON by their endings.

    Returns
    -------
    Report
        Its `exit_code` is 1 when a column drifted, else 0.

    Raises
    ------
    InputError
        A file can't be read or has no rows, or a column isn't there; the message is one line that
        says what to do.
    ValueError
        As in `drift.compare`.
    """
    then, now = _rows(reference), _rows(current)
    chosen = _chosen(then, now, columns, reference, current)
    frozen = Reference.from_columns(
        {name: then[name] for name in chosen},
        kinds={name: kind for name, kind in (kinds or {}).items() if name in chosen},
        bins=BINS,
        latency=False,
    )
    about = {
        "title": f"{Path(current).name} against {Path(reference).name}",
        "reference": Path(reference).name,
        "current": Path(current).name,
    }
    left_out = {
        "only in one file": sorted(then.keys() ^ now.keys()),
        "dates, left out": [name for name in then if name in now and name not in chosen and name],
    }
    about |= {why: ", ".join(names) for why, names in left_out.items() if names and not columns}
    profile = Profile.from_rows({name: now[name] for name in chosen}, frozen)
    report = Report.of(frozen, profile, about=about, alpha=alpha, methods=methods)
    for path in outputs:
        report.write(path)
    return report


def _rows(path: str | Path) -> Mapping[str, Column]:
    table = read_table(path)
    if not any(table.values()):
        raise InputError(f"{path} has no rows: there is nothing to compare")
    return table


def _chosen(
    then: Mapping[str, Column],
    now: Mapping[str, Column],
    columns: Sequence[str] | None,
    reference: str | Path,
    current: str | Path,
) -> list[str]:
    if columns is not None:
        for path, table in ((reference, then), (current, now)):
            absent = [name for name in columns if name not in table]
            if absent:
                raise InputError(
                    f"{path} has no column {', '.join(map(repr, absent))}; it has {', '.join(table)}"
                )
        return list(columns)
    both = [name for name in then if name and name in now and not are_dates(then[name])]
    if not both:
        raise InputError(
            f"{reference} and {current} have no column in common that can be compared: "
            f"{', '.join(then)} and {', '.join(now)}"
        )
    return both
