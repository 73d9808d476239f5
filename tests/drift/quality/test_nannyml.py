"""nannyml's own examples, its own figures: our estimates lie inside its confidence band, chunk by chunk."""

from __future__ import annotations

import json
from pathlib import Path

import fixtures
import pandas as pd
import pytest

from strandline.drift.quality import Quality, estimate

FIGURES = json.loads(Path(__file__).with_name("nannyml_cbpe.json").read_text("utf-8"))
METRICS = ("roc_auc", "f1", "precision", "recall", "specificity", "accuracy")
CARDS = ("prepaid_card", "highstreet_card", "upmarket_card")
CASES = {
    "car_loan": ("synthetic_car_loan_reference.csv", "synthetic_car_loan_analysis.csv",
        "repaid", "y_pred", "y_pred_proba"),
    "census": ("employment_MA_reference.pq", "employment_MA_analysis.pq",
        "employed", "prediction", "predicted_probability"),
    "cards": ("mc_reference.csv", "mc_analysis.csv",
        "y_true", "y_pred", {name: f"y_pred_proba_{name}" for name in CARDS}),
}  # fmt: skip


def table(name):
    path = fixtures.folder("nannyml") / "nannyml/datasets/data" / name
    return pd.read_parquet(path) if path.suffix == ".pq" else pd.read_csv(path)


def columns(rows, prediction, scores):
    if isinstance(scores, dict):
        return list(rows[prediction]), {k: rows[v].to_numpy() for k, v in scores.items()}
    return list(rows[prediction]), rows[scores].to_numpy()


@pytest.mark.parametrize("case", CASES)
def test_our_estimates_lie_in_its_band(case):
    first, second, target, prediction, scores = CASES[case]
    known, rows = table(first), table(second)
    kind = "multiclass" if isinstance(scores, dict) else "binary"
    reference = Quality.from_columns(kind, list(known[target]), *columns(known, prediction, scores))
    start, farthest = 0, 0.0
    for chunk in FIGURES[case]:
        part = rows.iloc[start : start + chunk["rows"]]
        start += chunk["rows"]
        found = estimate(
            reference, Quality.unlabelled(reference.task, *columns(part, prediction, scores))
        )
        for name in METRICS:
            value, low, high = chunk[name]
            ours = found[name if name in found else f"{name}_macro"].value
            assert low <= ours <= high, (case, start, name)
            farthest = max(farthest, abs(ours - value))
    assert start == len(rows)
    assert farthest < 0.003  # the narrowest band is ± 0.0054: agreement is far inside it
