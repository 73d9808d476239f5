"""A report about many windows: what happened, since when, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any, Final

from strandline.drift import FeatureDrift, Profile, Reference, compare
from strandline.drift.diagnosis import METHODS, Found, examine
from strandline.drift.watch import Watch

SUFFIXES: Final = (".html", ".json", ".md")


@dataclass(frozen=True)
class SeriesReport:
    """A document of the schema ``strandline.diagnosis/1``, and what to do with it."""

    document: Mapping[str, Any]

    @staticmethod
    def of(
        reference: Reference,
        windows: Mapping[str, Profile],
        *,
        quality: Sequence[float | None] | None = None,
        about: Mapping[str, str | int] | None = None,
        alpha: float = 0.05,
    ) -> SeriesReport:
        """Compare windows, in order of time and by their names, with their reference.

        `quality` and `alpha` are as in `drift.diagnosis.diagnose`; of `about`, the report shows all,
        and ``title`` names the model.
        """
        names, profiles = list(windows), list(windows.values())
        drifts = [compare(reference, profile, alpha=alpha, methods=METHODS) for profile in profiles]
        title = str((about or {}).get("title", "model"))
        whole, found = examine(
            reference,
            profiles,
            names=names,
            drifts=drifts,
            quality=quality,
            model=title,
            alpha=alpha,
        )
        watch = Watch(reference, alpha=alpha)
        for profile in profiles:
            watch.update(profile)
        watched = {one.name: one for one in watch.features}
        index = {feature.name: i for i, feature in enumerate(reference)}
        features = []
        for one in found:
            name = one.diagnosis.subject
            seen = watched.get(name)
            series = [window[index[name]] for window in drifts]
            features.append(
                {
                    "name": name,
                    "role": series[0].role if series else reference[name].role,
                    "kind": reference[name].kind,
                    "diagnosis": one.diagnosis.to_json(),
                    "watch": seen
                    and {
                        "p_value": seen.p_value,
                        "e_value": exp(min(seen.log_e, 700.0)),
                        "since": None if seen.since is None else names[seen.since - 1],
                    },
                    "windows": [_window(d, one, t) for t, d in enumerate(series)],
                }
            )
        return SeriesReport(
            {
                "schema": "strandline.diagnosis/1",
                "about": dict(about or {}),
                "reference": reference.sha256,
                "reference_rows": reference.rows,
                "alpha": alpha,
                "windows": [
                    {"name": name, "rows": profile.rows} for name, profile in windows.items()
                ],
                "quality": None if quality is None else list(quality),
                "model": whole.to_json(),
                "features": features,
            }
        )

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the features whose diagnosis is not "no drift"."""
        return tuple(
            one["name"]
            for one in self.document["features"]
            if one["diagnosis"]["kind"] != "no drift"
        )

    @property
    def exit_code(self) -> int:
        """0: no drift; 1: some."""
        return 1 if self.document["model"]["kind"] != "no drift" else 0

    def write(self, path: str | Path) -> None:
        """Write HTML, JSON or Markdown, by the ending. Raises `ValueError` for another ending."""
        from strandline.report.series_html import render_html
        from strandline.report.series_markdown import render_markdown

        path = Path(path)
        if path.suffix == ".json":
            text = json.dumps(self.document, ensure_ascii=False, allow_nan=False) + "\n"
        elif path.suffix == ".html":
            text = render_html(self)
        elif path.suffix == ".md":
            text = render_markdown(self)
        else:
            raise ValueError(f"{path}: a report of a series ends in {', '.join(SUFFIXES)}")
        path.write_text(text, "utf-8")


def _window(drift: FeatureDrift, found: Found, t: int) -> dict[str, Any]:
    """One window of a feature; of what the diagnosis rests on."""
    course = found.course
    at = course.windows.index(t) if course and t in course.windows else None
    tally = drift.current
    first = drift.statistics[0].to_json() if drift.statistics else None
    return {
        "verdict": drift.verdict,
        "effect": _rounded(first["effect"] if first else None),
        "p_value": _rounded(drift.p_value),
        "missing": _rounded((tally.missing + tally.invalid) / tally.rows if tally.rows else None),
        "score": _rounded(course.scores[at] if course and at is not None else None),
        "differs": bool(course and at is not None and course.drifted[at]),
    }


def _rounded(value: float | None) -> float | None:
    """To five digits that count: a window has no more."""
    return None if value is None else float(f"{value:.5g}")
