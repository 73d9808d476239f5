"""Single metrics by the names that Evidently's users know, from counts and exact sums alone.

A metric is a small description (`ValueDrift("age")`, `QuantileValue("age", 0.9)`); `measure` gives
its value in one sample. Counts and quantiles that bins do not fix come as intervals that hold the
value of the raw rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, ClassVar

from strandline.bundle.errors import InputError
from strandline.drift import quantiles
from strandline.drift.features import CategoricalFeature, NumericFeature
from strandline.drift.tally import CategoricalTally, NumericTally, VectorTally
from strandline.report.comparison import Comparison, Sample
from strandline.report.conditions import Condition, ReferenceValue, gt, in_range, lte, of_share
from strandline.report.measure import Measure, count

Numbers = tuple[NumericFeature, NumericTally]
Categories = tuple[CategoricalFeature, CategoricalTally]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What every metric has."""

    title: ClassVar[str]
    """in words, for a report; ``{column}`` and the like stand for parameters"""

    tests: Sequence[Condition] | None = None
    """conditions on the value; `None`: the default ones, when a report includes tests"""

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def params(self) -> dict[str, Any]:
        hidden = {"tests", "share_tests"}
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in hidden}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def id(self) -> str:
        """Names it in a report: the same metric with the same parameters has the same."""
        given = ",".join(f"{name}={_plain(value)}" for name, value in self.params.items())
        return f"{self.name}({given})"

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Columns it looks at; `None`: all."""
        column = getattr(self, "column", None)
        return None if column is None else (column,)

    @property
    def conditions(self) -> list[Condition] | None:
        return None if self.tests is None else list(self.tests)

    def words(self) -> str:
        return self.title.format(**{k: _plain(v) for k, v in self.params.items()})

    def measures(self, comparison: Comparison, drift: Any) -> tuple[Measure | None, Measure | None]:
        """Of the current sample, and of the reference."""
        current, reference = comparison.samples
        return self.measure(current), None if reference is None else self.measure(reference)

    def measure(self, sample: Sample) -> Measure | None:
        """Its value in a sample; `None` when there is none."""
        raise NotImplementedError

    def defaults(self, has_reference: bool) -> list[Condition]:
        """The conditions of a report that includes tests and was not told which."""
        return []


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True)
class Counted(Metric):
    """A metric that counts: it has a share as well."""

    share_tests: Sequence[Condition] | None = None
    """conditions on the share"""

    @property
    def conditions(self) -> list[Condition] | None:
        if self.tests is None and self.share_tests is None:
            return None
        return [*(self.tests or ()), *map(of_share, self.share_tests or ())]


@dataclass(frozen=True)
class ColumnMetric(Metric):
    column: str

    def of_any(self, sample: Sample) -> tuple[Any, Any]:
        if self.column not in sample.features:
            raise InputError(f"{self.name}: there is no column {self.column!r}")
        return sample.features[self.column], sample.tallies[self.column]

    def of_numbers(self, sample: Sample) -> Numbers:
        feature, tally = self.of_any(sample)
        if not isinstance(feature, NumericFeature):
            raise InputError(f"{self.name} is for numbers, {self.column!r} is {feature.kind}")
        return feature, tally

    def of_categories(self, sample: Sample) -> Categories:
        feature, tally = self.of_any(sample)
        if not isinstance(feature, CategoricalFeature):
            raise InputError(f"{self.name} is for categories, {self.column!r} is {feature.kind}")
        return feature, tally


@dataclass(frozen=True)
class ColumnCount(Metric):
    title = "Columns"

    def measure(self, sample: Sample) -> Measure:
        return Measure(len({feature.column for feature in sample.features.values()}))


@dataclass(frozen=True)
class RowCount(Metric):
    """Rows; with a `column`, its cells that hold a value."""

    title = "Rows"
    column: str | None = None

    def measure(self, sample: Sample) -> Measure:
        if self.column is None:
            return Measure(sample.rows)
        if self.column not in sample.features:
            raise InputError(f"{self.name}: there is no column {self.column!r}")
        return Measure(sample.tallies[self.column].rows)

    def defaults(self, has_reference: bool) -> list[Condition]:
        return [gt(0)]


@dataclass(frozen=True)
class MissingValueCount(ColumnMetric, Counted):
    """Cells that are empty, or can't be read (in a numeric column)."""

    title = "Missing values in {column}"

    def measure(self, sample: Sample) -> Measure:
        _, tally = self.of_any(sample)
        return count(tally.missing + tally.invalid, tally.rows)

    def defaults(self, has_reference: bool) -> list[Condition]:
        if not has_reference:
            return []
        return [of_share(lte(ReferenceValue(relative=0.1, absolute=0.01)))]


@dataclass(frozen=True)
class DatasetMissingValueCount(Counted):
    """Cells of all columns that are empty or can't be read."""

    title = "Missing values"

    def measure(self, sample: Sample) -> Measure:
        tallies = sample.tallies.values()
        return count(sum(t.missing + t.invalid for t in tallies), sum(t.rows for t in tallies))

    def defaults(self, has_reference: bool) -> list[Condition]:
        if not has_reference:
            return []
        return [of_share(lte(ReferenceValue(relative=0.1, absolute=0.01)))]


@dataclass(frozen=True)
class ColumnsWithMissingValuesCount(Counted):
    title = "Columns with missing values"

    def measure(self, sample: Sample) -> Measure:
        tallies = sample.tallies.values()
        return count(sum(t.missing + t.invalid > 0 for t in tallies), len(tallies))


@dataclass(frozen=True)
class EmptyColumnsCount(Counted):
    title = "Empty columns"

    def measure(self, sample: Sample) -> Measure:
        return count(sum(not t.n for t in sample.tallies.values()), len(sample.tallies))

    def defaults(self, has_reference: bool) -> list[Condition]:
        return [lte(ReferenceValue()) if has_reference else lte(0)]


@dataclass(frozen=True)
class ConstantColumnsCount(Counted):
    """Columns whose cells all hold the same value, as far as they hold one."""

    title = "Constant columns"

    def measure(self, sample: Sample) -> Measure:
        sure = possible = 0
        for name, tally in sample.tallies.items():
            if tally.n:
                least, most = _different(sample.features[name], tally)
                sure += most == 1
                possible += least == 1
        return count(sure, len(sample.tallies), possible)

    def defaults(self, has_reference: bool) -> list[Condition]:
        return [lte(ReferenceValue()) if has_reference else lte(0)]


def _different(feature: Any, tally: Any) -> tuple[int, int]:
    """How many different values there are: at least, at most."""
    if isinstance(feature, NumericFeature):
        if tally.n and tally.minimum == tally.maximum:
            return 1, 1
        return quantiles.different(feature, tally)
    if isinstance(tally, VectorTally):  # features that differ are of vectors that differ
        return 1 + (sum(s * s for s in tally.sums) < tally.n * tally.squares), tally.n
    named = sum(c > 0 for c in tally.counts[:-1])
    return named + (tally.unseen > 0), named + tally.unseen


@dataclass(frozen=True)
class UniqueValueCount(ColumnMetric, Counted):
    """Different values; the share is of the column's values."""

    title = "Different values in {column}"

    def measure(self, sample: Sample) -> Measure:
        feature, tally = self.of_any(sample)
        least, most = _different(feature, tally)
        return count(least, tally.n, most)


@dataclass(frozen=True)
class MinValue(ColumnMetric):
    title = "Minimum of {column}"

    def measure(self, sample: Sample) -> Measure | None:
        _, tally = self.of_numbers(sample)
        return Measure(tally.minimum) if tally.n else None


@dataclass(frozen=True)
class MaxValue(ColumnMetric):
    title = "Maximum of {column}"

    def measure(self, sample: Sample) -> Measure | None:
        _, tally = self.of_numbers(sample)
        return Measure(tally.maximum) if tally.n else None


@dataclass(frozen=True)
class MeanValue(ColumnMetric):
    title = "Mean of {column}"

    def measure(self, sample: Sample) -> Measure | None:
        _, tally = self.of_numbers(sample)
        return Measure(tally.mean) if tally.n else None


@dataclass(frozen=True)
class StdValue(ColumnMetric):
    """The square root of the unbiased variance."""

    title = "Standard deviation of {column}"

    def measure(self, sample: Sample) -> Measure | None:
        _, tally = self.of_numbers(sample)
        return Measure(tally.std) if tally.n > 1 and tally.std != inf else None


@dataclass(frozen=True)
class QuantileValue(ColumnMetric):
    title = "Quantile {quantile} of {column}"
    quantile: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.quantile <= 1:
            raise ValueError(f"a quantile lies between 0 and 1, not at {self.quantile}")

    def measure(self, sample: Sample) -> Measure | None:
        feature, tally = self.of_numbers(sample)
        if not tally.n:
            return None
        found = quantiles.quantile(feature, tally, self.quantile)
        return Measure(found.value, found.low, found.high)


@dataclass(frozen=True)
class MedianValue(ColumnMetric):
    title = "Median of {column}"

    def measure(self, sample: Sample) -> Measure | None:
        self.of_numbers(sample)
        return QuantileValue(self.column, 0.5).measure(sample)


@dataclass(frozen=True)
class InRangeValueCount(ColumnMetric, Counted):
    """Values from `left` to `right`, both included; by default the reference's range."""

    title = "Values of {column} within the range"
    left: float | None = None
    right: float | None = None

    def measure(self, sample: Sample) -> Measure:
        feature, tally = self.of_numbers(sample)
        least, most = quantiles.within(feature, tally, *self._range(feature))
        return count(least, tally.n, most)

    def _range(self, feature: NumericFeature) -> tuple[float, float]:
        known = feature.tally.n > 0
        left = self.left if self.left is not None else feature.tally.minimum if known else -inf
        right = self.right if self.right is not None else feature.tally.maximum if known else inf
        return left, right


@dataclass(frozen=True)
class OutRangeValueCount(InRangeValueCount):
    """Values outside `left` to `right`; by default outside the reference's range."""

    title = "Values of {column} outside the range"

    def measure(self, sample: Sample) -> Measure:
        feature, tally = self.of_numbers(sample)
        least, most = quantiles.within(feature, tally, *self._range(feature))
        return count(tally.n - most, tally.n, tally.n - least)

    def defaults(self, has_reference: bool) -> list[Condition]:
        return [of_share(lte(0.01))] if has_reference else []


@dataclass(frozen=True)
class InListValueCount(ColumnMetric, Counted):
    """Values that are in a list; by default the reference's categories."""

    title = "Values of {column} in the list"
    values: Sequence[str] | None = None

    def measure(self, sample: Sample) -> Measure:
        feature, tally = self.of_categories(sample)
        known = dict(zip(feature.vocabulary, tally.counts, strict=False))
        if self.values is None:
            return count(sum(known.values()), tally.n)
        wanted = set(map(str, self.values))
        least = sum(rows for category, rows in known.items() if category in wanted)
        unknown = tally.unseen if wanted - known.keys() else 0
        return count(least, tally.n, least + unknown)


@dataclass(frozen=True)
class OutListValueCount(InListValueCount):
    """Values that are not in a list; by default those that the reference does not have."""

    title = "Values of {column} outside the list"

    def measure(self, sample: Sample) -> Measure:
        inside = super().measure(sample)
        _, tally = self.of_categories(sample)
        low, high = inside.bounds
        return count(int(tally.n - high), tally.n, int(tally.n - low))

    def defaults(self, has_reference: bool) -> list[Condition]:
        return [of_share(lte(ReferenceValue(absolute=0.01)))] if has_reference else []


@dataclass(frozen=True)
class CategoryCount(ColumnMetric, Counted):
    """Rows of one category."""

    title = "Rows of {column} that are {category}"
    category: str = ""

    def measure(self, sample: Sample) -> Measure:
        self.of_categories(sample)
        return InListValueCount(self.column, [self.category]).measure(sample)


@dataclass(frozen=True)
class MeanInNSigmas(ColumnMetric):
    """The mean's distance from the reference's, in the reference's standard deviations."""

    title = "Shift of the mean of {column}, in standard deviations"
    n_sigmas: float = field(default=2.0)

    def measures(self, comparison: Comparison, drift: Any) -> tuple[Measure | None, Measure | None]:
        current, reference = comparison.samples
        if reference is None:
            return None, None
        (_, now), (_, then) = self.of_numbers(current), self.of_numbers(reference)
        if not now.n or then.n < 2 or not then.std:
            return None, Measure(0.0)
        assert now.mean is not None and then.mean is not None
        return Measure((now.mean - then.mean) / then.std), Measure(0.0)

    def defaults(self, has_reference: bool) -> list[Condition]:
        return [in_range(-self.n_sigmas, self.n_sigmas)] if has_reference else []
