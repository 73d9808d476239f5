"""CSV as people have it: comma, semicolon or tab, with or without a byte order mark."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from typing import TextIO

from strandline.bundle.errors import InputError


def read(file: TextIO, where: str) -> Iterator[list[str]]:
    """The header, then every row that is not blank, each as long as the header.

    `file` must be open with `newline=""`. The delimiter is the one of `,`, `;` and tab that the first line has most of.
    Raises InputError that begins with `where` and names the line.
    """
    first = file.readline().removeprefix("\ufeff")
    delimiter = max(",;\t", key=lambda d: (first.count(d), d == ","))
    lines = csv.reader(itertools.chain([first], file), delimiter=delimiter)
    try:
        header = [name.strip() for name in next(lines, [])]
        if not any(header):
            raise InputError(
                f"{where} is empty: it needs a header line with column names, then one line per row"
            )
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise InputError(
                f"{where}: the header names {', '.join(map(repr, twice))} more than once"
            )
        yield header
        for row in lines:
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(
                    f"{where}, line {lines.line_num}: {len(row)} cells where the header has {len(header)}"
                )
            yield row
    except csv.Error as error:
        raise InputError(f"{where}, line {lines.line_num}: {error}") from None
