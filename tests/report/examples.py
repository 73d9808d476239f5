"""Reports to look at."""

from __future__ import annotations

import numpy as np

from strandline.drift import Profile, Reference
from strandline.report import Report

NASTY = '<script>alert("x")</script>&'


def example(extra: int = 0) -> Report:
    """One drifted number, one drifted category with a nasty name, one of each that did not, one
    empty.
    """
    rng = np.random.default_rng(0)
    n = 3000

    def rows(shift: float, names: list[str]) -> dict[str, object]:
        return {
            "speed": rng.normal(10 + shift, 2, n),
            NASTY: rng.choice(names, n).tolist(),
            "height": rng.normal(size=n),
            "weekday": rng.choice(list("abcdefg"), n).tolist(),
            "nothing": [None] * n,
            **{f"extra {i}": rng.normal(size=n) for i in range(extra)},
        }

    reference = Reference.from_columns(rows(0, ["calm", NASTY]))
    profile = Profile.from_rows(rows(1, ["calm", "calm", NASTY]), reference)
    return Report.of(reference, profile, about={"title": f"Example {NASTY}", "sessions": 12})
