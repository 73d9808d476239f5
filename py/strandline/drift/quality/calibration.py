"""Isotonic calibration of binned scores: how likely a class is, given the bin of its score."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from strandline.drift.quality.classes import ScoreTally


class Block(NamedTuple):
    """Neighbouring bins [first, last) that share one rate, with the labelled rows behind it."""

    first: int
    last: int
    positive: int
    rows: int

    @property
    def rate(self) -> float:
        return self.positive / self.rows

    @property
    def variance(self) -> float:
        """Of the rate as estimated from `rows` rows; half a row is added to each side so that a rate of
        0 or 1 is not taken for certain.
        """
        smooth = (self.positive + 0.5) / (self.rows + 1)
        return smooth * (1 - smooth) / self.rows


@dataclass(frozen=True, slots=True)
class Calibration:
    """A step function that never falls, from a score's bin to the share of the class."""

    blocks: tuple[Block, ...]

    @property
    def rates(self) -> list[float]:
        """[bins] the share of the class."""
        return [block.rate for block in self.blocks for _ in range(block.first, block.last)]


def isotonic(scores: ScoreTally) -> Calibration | None:
    """The least-squares step function that never falls: pool adjacent violators, compared exactly, as
    integers. Bins without rows go with the bin before (the first ones with the bin after). `None`
    when there are no rows.

    References: Barlow, Bartholomew, Bremner & Brunk (1972); Zadrozny & Elkan (2002).
    """
    return pooled(
        scores.positive, [p + q for p, q in zip(scores.positive, scores.negative, strict=True)]
    )


def pooled(positive: Sequence[int] | array[int], rows: Sequence[int]) -> Calibration | None:
    """`isotonic` of [bins] positives among [bins] rows."""
    blocks: list[Block] = []
    for i, (p, n) in enumerate(zip(positive, rows, strict=True)):
        if not n and blocks:
            blocks[-1] = blocks[-1]._replace(last=i + 1)
            continue
        block = Block(i, i + 1, p, n)
        while blocks and blocks[-1].positive * block.rows >= block.positive * blocks[-1].rows:
            before = blocks.pop()
            block = Block(before.first, block.last, before.positive + block.positive,
                before.rows + block.rows)  # fmt: skip
        blocks.append(block)
    return Calibration(tuple(blocks)) if blocks and blocks[0].rows else None
