"""Free text as numbers: what a text is like, without what it says.

Each descriptor of a text column is a numeric feature of its own, so that every statistic of numbers
applies to it. Words are runs of letters, digits and underscores, without regard to case.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from math import nan
from typing import Final, TypeAlias
from zlib import crc32

from strandline.drift import columns
from strandline.drift.columns import Column, Numbers

KNOWN_WORDS: Final = 2000
"""words of the reference that are kept, as checksums"""
LEAST_ROWS: Final = 2
"""texts that a word must be in to be kept: a word of one text alone may be a name"""

_WORD: Final = re.compile(r"\w+")

Measure: TypeAlias = Callable[[str, frozenset[int]], float]


def _length(text: str, known: frozenset[int]) -> float:
    return len(text)


def _words(text: str, known: frozenset[int]) -> float:
    return len(_WORD.findall(text))


def _non_letters(text: str, known: frozenset[int]) -> float:
    solid = [character for character in text if not character.isspace()]
    return sum(not character.isalpha() for character in solid) / len(solid)


def _unknown_words(text: str, known: frozenset[int]) -> float:
    words = _WORD.findall(text)
    if not words:
        return 0.0
    return sum(checksum(word) not in known for word in words) / len(words)


DESCRIPTORS: Final[dict[str, Measure]] = {
    "length": _length,
    "words": _words,
    "non_letters": _non_letters,
    "unknown_words": _unknown_words,
}
"""characters; words; the share of characters, spaces apart, that are no letters; the share of words
that are not among the reference's commonest
"""


def describe(column: Column, descriptor: str, known: frozenset[int]) -> Numbers:
    """One descriptor of every text of a column. Raises `KeyError` for one that there is not."""
    measure = DESCRIPTORS[descriptor]
    cells = columns.cells_of(column)
    values = array("d", bytes(8 * len(cells)))
    unreadable = 0
    for row, cell in enumerate(cells):
        text = columns.text(cell)
        if text is None:
            unreadable += not columns.is_missing(cell)
            values[row] = nan
        else:
            values[row] = measure(text, known)
    return Numbers(values, unreadable)


def vocabulary(column: Column) -> frozenset[int]:
    """Checksums of the commonest words of a column: at most `KNOWN_WORDS`, of `LEAST_ROWS` texts or
    more.
    """
    rows: Counter[int] = Counter()
    for text in columns.texts(column):
        if text is not None:
            rows.update(_checksums(_WORD.findall(text)))
    common = sorted(
        (word for word in rows if rows[word] >= LEAST_ROWS), key=lambda w: (-rows[w], w)
    )
    return frozenset(common[:KNOWN_WORDS])


def checksum(word: str) -> int:
    """CRC-32 of a word without regard to case: the reference holds no words that it could tell."""
    return crc32(word.casefold().encode("utf-8", "surrogatepass"))


def _checksums(words: Iterable[str]) -> set[int]:
    return {checksum(word) for word in words}
