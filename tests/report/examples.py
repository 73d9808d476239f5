"""Reports to look at."""

from __future__ import annotations

import numpy as np
import pandas as pd

from strandline.drift import Profile, Reference
from strandline.report import (
    BinaryClassification,
    ClassificationPreset,
    DataDefinition,
    DataDriftPreset,
    DataSummaryPreset,
    InRangeValueCount,
    MulticlassClassification,
    Regression,
    RegressionPreset,
    Report,
    Snapshot,
    lt,
)

NASTY = '<script>alert("x")</script>&'
HOSTILE = (
    '</script><img src=x onerror="window.hacked=1">',
    "</style><svg onload=alert(1)>",
    '"><iframe src=javascript:alert(2)>',
    "{{constructor.constructor('alert(3)')()}}",
    "a\tb\nc",
)


def example(extra: int = 0) -> Snapshot:
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
    report = Report([DataDriftPreset()], about={"title": f"Example {NASTY}", "sessions": 12})
    return report.run(profile)


DEFINITION = DataDefinition(
    classification=[
        BinaryClassification(
            target="late", prediction_labels="guess", prediction_probas="p", pos_label="yes"
        ),
        MulticlassClassification(name="several", target="class", prediction_labels="predicted"),
    ],
    regression=[Regression(name="delay", target="minutes", prediction="expected")],
)


def labelled(seed: int, shift: float, n: int = 1500) -> pd.DataFrame:
    """Rows of three models with their labels, and columns with hostile names and values."""
    rng = np.random.default_rng(seed)
    late = rng.random(n) < 0.3
    p = np.clip(0.35 * late + 0.6 * rng.random(n) + 0.1 * shift, 0, 1).round(3)
    minutes = rng.normal(10, 5, n)
    classes = rng.choice(list(HOSTILE[:3]), n)
    return pd.DataFrame(
        {
            HOSTILE[0]: rng.normal(shift, 1, n),
            HOSTILE[3]: rng.choice(list(HOSTILE), n),
            "constant": 3.5,
            "late": np.where(late, "yes", "no"),
            "guess": np.where(p > 0.5, "yes", "no"),
            "p": p,
            "class": classes,
            "predicted": np.where(rng.random(n) < 0.8, classes, HOSTILE[0]),
            "minutes": minutes,
            "expected": minutes + rng.normal(shift, 2, n),
        }
    )


def everything() -> Snapshot:
    """Every section of a report, with hostile names and values."""
    report = Report(
        [
            DataDriftPreset(),
            DataSummaryPreset(),
            ClassificationPreset(),
            ClassificationPreset(model="several"),
            RegressionPreset(model="delay"),
            InRangeValueCount("minutes", 0, 20, share_tests=[lt(0.5)]),
        ],
        include_tests=True,
        about={"title": HOSTILE[1]},
    )
    return report.run(labelled(2, 1.0), labelled(1, 0.0), data_definition=DEFINITION)


def segmented(features: int = 4, values: int = 6, columns: int = 2) -> Snapshot:
    """Rows that drifted in one segment only, segments with hostile names, and counters."""
    rng = np.random.default_rng(5)
    n = 4000
    names = [*HOSTILE[:3], *(f"value {i}" for i in range(values))][:values]

    def rows(shift: float) -> dict[str, object]:
        split = rng.integers(0, values, (columns, n))
        table: dict[str, object] = {
            f"number {i}" if i else NASTY: rng.normal(size=n) for i in range(features)
        }
        table["number 1"] = rng.normal(size=n) + shift * (split[0] == 0)
        table |= {
            f"split {i}" if i else HOSTILE[2]: [names[k] for k in split[i]] for i in range(columns)
        }
        return table

    before = rows(0)
    splits = list(before)[-columns:]
    reference = Reference.from_columns(
        before,
        segments=splits,
        max_segments=values,
        counters=["conversions", HOSTILE[0]],
        features=list(before)[:-columns],
        bins=10,
    )
    profile = Profile.from_rows(rows(1.5), reference)
    profile.count("conversions", 1234)
    return Report([DataDriftPreset()], about={"title": "Segments"}).run(profile)
