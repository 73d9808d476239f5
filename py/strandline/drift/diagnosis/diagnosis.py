"""What a diagnosis says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

DriftKind: TypeAlias = Literal[
    "no drift", "pipeline fault", "domain shift", "concept drift", "data drift"
]
Pattern: TypeAlias = Literal[
    "none", "constant", "instantaneous", "gradual", "temporary", "periodic", "irregular"
]

KINDS: tuple[DriftKind, ...] = (
    "no drift", "pipeline fault", "domain shift", "concept drift", "data drift",
)  # fmt: skip
PATTERNS: tuple[Pattern, ...] = (
    "none", "constant", "instantaneous", "gradual", "temporary", "periodic", "irregular",
)  # fmt: skip

KIND_WORDS: Mapping[DriftKind, str] = {
    "no drift": "no drift",
    "pipeline fault": "a fault in the data pipeline",
    "domain shift": "a domain shift: other data than the reference's from the first window on",
    "concept drift": "concept drift: the model got worse while its inputs hold",
    "data drift": "data drift",
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What kind of drift a series of windows shows, its pattern in time, and why."""

    subject: str
    """a feature's name, or the model's"""
    kind: DriftKind
    pattern: Pattern
    windows: int
    """that hold rows"""
    fault: str | None = None
    """which one, of a pipeline fault"""
    onset: str | None = None
    """the first changed window"""
    end: str | None = None
    """the last changed window of a temporary change; where a gradual one is complete"""
    period: float | None = None
    """windows per cycle"""
    evidence: tuple[str, ...] = ()
    """sentences"""
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """For people: what, since when, why."""
        if self.kind == "no drift":
            first = f"{self.subject}: no drift in {_counted(self.windows)}."
        else:
            first = f"{self.subject}: {KIND_WORDS[self.kind]}{self._when()}."
        return " ".join([first, *(f"{one[0].upper()}{one[1:]}." for one in self.evidence)])

    def _when(self) -> str:
        match self.pattern:
            case "instantaneous":
                return f", at once from {self.onset} on"
            case "gradual":
                return f", gradually from {self.onset} to {self.end}"
            case "temporary" if self.onset == self.end:
                return f", temporarily in {self.onset}"
            case "temporary":
                return f", temporarily from {self.onset} to {self.end}"
            case "periodic":
                return f", again and again every {self.period:.3g} windows"
            case "irregular":
                return ", coming and going without a pattern"
            case "constant" if self.kind != "domain shift":
                return ", in all windows alike"
        return ""

    def to_json(self) -> dict[str, Any]:
        """A JSON document; `sentence` is in it."""
        return {
            "subject": self.subject,
            "kind": self.kind,
            "fault": self.fault,
            "pattern": self.pattern,
            "windows": self.windows,
            "onset": self.onset,
            "end": self.end,
            "period": self.period,
            "sentence": self.sentence,
            "evidence": list(self.evidence),
            "numbers": dict(self.numbers),
        }


def _counted(windows: int) -> str:
    return "1 window" if windows == 1 else f"{windows} windows"
