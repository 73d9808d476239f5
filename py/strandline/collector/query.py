"""Questions about what was collected: which models, what drifted, how it went over time.

Every answer is computed from windows that enough sessions have seen; the profiles of the others are
not even read, so no difference of two answers can show them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strandline.collector.clock import ClockError, parse
from strandline.collector.profiles import Catalogue, Entry
from strandline.collector.storage import History, Model, Storage, Totals, Window, open_storage
from strandline.collector.story import Stories, Story
from strandline.collector.windows import Windows
from strandline.drift import FeatureDrift, Profile, Reference, Segment, SessionMoments, compare
from strandline.drift.quality.ab import Difference, differences, foremost, rates
from strandline.drift.quality.products import SessionProducts
from strandline.drift.quality.summary import FOREMOST
from strandline.drift.sessions import merged

ALPHA = 0.05
"""level that the false alarms of all features of one comparison are held at"""
MOST_WINDOWS = 1000
"""of a series; ask for a range to see older ones"""


class QueryError(ValueError):
    """A question that can't be read."""


class UnknownError(QueryError):
    """A question about something that isn't there."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: of the first model and its newest version unless they are named.

    `start` and `end` are ISO 8601, and limit the answer to windows that start in [start, end).
    """

    model: str | None = None
    version: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one model version saw, merged over its shown windows, beside its reference.

    `shown` and `hidden` are the windows that enough sessions have seen, and the others, whose
    profiles are empty; `sessions` counts the different sessions of the shown ones.
    """

    model: str
    version: str
    reference: Reference
    profile: Profile
    drifts: tuple[FeatureDrift, ...]
    shown: tuple[Window, ...]
    hidden: tuple[Window, ...]
    sessions: int
    story: Story
    between: SessionMoments | None
    """the moments between the sessions of each window; `None` when they are not known"""
    hidden_segments: Mapping[Segment, int]
    """of how many shown windows a segment's rows are left out, since too few sessions had any"""

    @property
    def quality_between(self) -> SessionProducts | None:
        """Of the sessions' labelled predictions."""
        return None if self.between is None else self.between.quality

    def counter_between(self, name: str) -> SessionProducts | None:
        """Of the sessions' rows and counts of one counter."""
        return None if self.between is None else self.between.counters.get(name)

    @property
    def start(self) -> int | None:
        """When the first shown window starts, Unix seconds."""
        return min((window.start for window in self.shown), default=None)

    @property
    def end(self) -> int | None:
        """When the last shown window ends, Unix seconds."""
        return max((window.start + window.seconds for window in self.shown), default=None)


@dataclass(frozen=True, slots=True)
class Course:
    """One window of a series; `profile` and `drifts` are `None` where it is hidden."""

    window: Window
    profile: Profile | None
    drifts: tuple[FeatureDrift, ...] | None
    quality: dict[str, Any] | None = None
    """how good the predictions were, by labels and without; `None` for a model without labels"""
    hidden: frozenset[Segment] = frozenset()
    """segments that too few of the window's sessions had rows in"""


@dataclass(frozen=True, slots=True)
class Versions:
    """Two versions of one model, and how the second differs from the first."""

    a: Comparison
    b: Comparison
    metrics: tuple[Difference, ...]
    counters: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A registered version and what was stored for it."""

    model: Model
    reference: Reference
    totals: Totals


def load_comparison(
    db_url: str,
    model: str | None = None,
    version: str | None = None,
    *,
    start: str | None = None,
    end: str | None = None,
    min_sessions: int,
) -> Comparison:
    """The comparison straight from a database, without a server.

    The arguments are those of `Question`. Raises `StorageError` for the database, `QueryError` for
    the question.
    """
    storage = open_storage(db_url, create=False)
    try:
        query = Query(storage, Catalogue(storage), min_sessions=min_sessions)
        return query.comparison(Question(model, version, start, end))
    finally:
        storage.close()


class Query:
    """Answers from a storage; methods block, and may be called from any thread."""

    def __init__(self, storage: Storage, catalogue: Catalogue, *, min_sessions: int) -> None:
        self.min_sessions = min_sessions
        self._storage = storage
        self._catalogue = catalogue
        self._windows = Windows(ALPHA, min_sessions)
        self._stories = Stories(ALPHA)

    def models(self) -> list[Known]:
        """Every registered version, by name, oldest registration first."""
        return [
            Known(
                model,
                self._catalogue.entry(model).reference,
                self._storage.totals(model.id, self.min_sessions),
            )
            for model in self._storage.models()
        ]

    def comparison(self, question: Question) -> Comparison:
        """What one version saw. Raises `QueryError`."""
        entry = self._entry(question)
        history = self._history(entry, question)
        shown = tuple(w for w in history.windows if w.sessions >= self.min_sessions)
        hidden = tuple(w for w in history.windows if w.sessions < self.min_sessions)
        profile = Profile.merge(
            (self._windows.profile(entry, window) for window in shown), entry.reference
        )
        between = self._sessions(entry, shown)
        return Comparison(
            model=entry.model.name,
            version=entry.model.version,
            reference=entry.reference,
            profile=profile,
            drifts=compare(entry.reference, profile, alpha=ALPHA, sessions=between),
            shown=shown,
            hidden=hidden,
            sessions=history.sessions,
            story=self._tell(entry, shown),
            between=between,
            hidden_segments=Counter(
                segment for window in shown for segment in self._windows.hidden(entry, window)
            ),
        )

    def series(
        self, question: Question, feature: str | None, segment: Segment | None = None
    ) -> tuple[Entry, list[Course]]:
        """One version window by window, oldest first; the newest `MOST_WINDOWS` of the range.

        Raises `QueryError`; for a feature or a segment that there is not, too.
        """
        entry = self._entry(question)
        name = f"{entry.model.name} {entry.model.version}"
        if feature is not None and feature not in entry.reference:
            raise UnknownError(f"{name} has no feature {feature!r}: /v1/models lists them")
        known = [one for each in entry.reference.segmentations for one in each.segments]
        if segment is not None and segment not in known:
            value = "others" if segment.value is None else repr(segment.value)
            raise UnknownError(
                f"{name} has no segment {segment.column!r}, {value}: /v1/models lists them"
            )
        windows = self._history(entry, question, MOST_WINDOWS).windows
        return entry, [
            Course(
                window,
                self._windows.profile(entry, window),
                self._windows.drifts(entry, window),
                self._windows.quality(entry, window),
                self._windows.hidden(entry, window),
            )
            if window.sessions >= self.min_sessions
            else Course(window, None, None)
            for window in windows
        ]

    def story(self, entry: Entry, courses: Sequence[Course]) -> Story:
        """What happened over the shown windows of a series."""
        return self._tell(entry, [one.window for one in courses if one.profile is not None])

    def _tell(self, entry: Entry, shown: Sequence[Window]) -> Story:
        ordered = sorted(shown, key=lambda window: window.start)
        return self._stories.tell(
            entry, ordered, lambda window: self._windows.profile(entry, window)
        )

    def versions(self, a: Question, b: Question) -> Versions:
        """Version B beside version A: quality by labels, and what the application counted per row.

        Raises `QueryError`; when the two do not answer the same question, too.
        """
        first, second = self.comparison(a), self.comparison(b)
        if (first.model, first.version) == (second.model, second.version):
            raise QueryError("a and b are one version: name two, such as a=1&b=2")
        metrics: tuple[Difference, ...] = ()
        before, after = first.profile.quality, second.profile.quality
        if before is not None and after is not None:
            try:
                found = differences(
                    before,
                    after,
                    sessions=(first.quality_between, second.quality_between),
                )
            except ValueError as error:
                raise QueryError(str(error)) from None
            metrics = foremost(found, FOREMOST[before.task.kind])
        counted = first.profile.counters.keys() & second.profile.counters.keys()
        rows = [one.profile.rows for one in (first, second)]
        counters = tuple(
            rates(
                name,
                (first.profile.counters[name], rows[0]),
                (second.profile.counters[name], rows[1]),
                sessions=(first.counter_between(name), second.counter_between(name)),
            )
            for name in first.profile.counters
            if name in counted
        )
        return Versions(first, second, metrics, counters)

    def _sessions(self, entry: Entry, windows: Sequence[Window]) -> SessionMoments | None:
        """Between the sessions of several windows, each window's own; `None` when one has none."""
        moments = [self._windows.sessions(entry, window) for window in windows]
        known = [one for one in moments if one is not None]
        return merged(known, entry.reference) if len(known) == len(moments) else None

    def _entry(self, question: Question) -> Entry:
        models = self._storage.models()
        if not models:
            raise UnknownError("no model is registered: start the collector with --site DIR")
        name = models[0].name if question.model is None else question.model
        versions = [model for model in models if model.name == name]
        if not versions:
            known = ", ".join(dict.fromkeys(model.name for model in models))
            raise UnknownError(f"no model {name!r} is registered; there are: {known}")
        if question.version is None:
            return self._catalogue.entry(versions[-1])
        for model in versions:
            if model.version == question.version:
                return self._catalogue.entry(model)
        known = ", ".join(model.version for model in versions)
        raise UnknownError(f"{name} has no version {question.version!r}; there are: {known}")

    def _history(self, entry: Entry, question: Question, newest: int | None = None) -> History:
        try:
            first = None if question.start is None else parse(question.start)
            last = None if question.end is None else parse(question.end)
        except ClockError as error:
            raise QueryError(str(error)) from None
        return self._storage.history(
            entry.model.id,
            first=first,
            last=last,
            min_sessions=self.min_sessions,
            newest=newest,
        )
