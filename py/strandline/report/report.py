"""A report: the drift document of a comparison, with where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strandline.drift import Profile, Reference, result
from strandline.drift.compare import DEFAULT_METHODS


@dataclass(frozen=True)
class Report:
    """A document of the schema ``drift-1`` (`drift/schema/drift-1.json`), and what to do with it."""

    document: Mapping[str, Any]

    @staticmethod
    def of(
        reference: Reference,
        profile: Profile,
        *,
        about: Mapping[str, str | int] | None = None,
        alpha: float = 0.05,
        methods: Sequence[str] = DEFAULT_METHODS,
        floors: Mapping[str, float] | None = None,
    ) -> Report:
        """Compare a profile with its reference.

        `about` says in names and values what was compared (such as ``title``, ``reference``,
        ``current``, ``model``, ``version``, ``from``, ``to``, ``sessions``); the report shows it.
        The rest is as in `drift.compare`.
        """
        document = result(reference, profile, alpha=alpha, methods=methods, floors=floors)
        return Report({**document, "about": dict(about or {})})

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the features with the verdict drift, in the reference's order."""
        features = self.document["features"]
        return tuple(one["name"] for one in features if one["verdict"] == "drift")

    @property
    def exit_code(self) -> int:
        """0: nothing drifted; 1: something did."""
        return 1 if self.drifted else 0

    def write(self, path: str | Path) -> None:
        """Write JSON or HTML, by the ending of the name. Raises `ValueError` for another ending."""
        from strandline.report.html import render_html

        path = Path(path)
        if path.suffix == ".json":
            text = (
                json.dumps(render_json(self), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
            )
        elif path.suffix in (".html", ".htm"):
            text = render_html(self)
        else:
            raise ValueError(f"{path}: a report ends in .html or .json")
        path.write_text(text, "utf-8")


def render_json(report: Report) -> dict[str, Any]:
    """The report as a JSON document of the schema ``drift-1``."""
    return dict(report.document)
