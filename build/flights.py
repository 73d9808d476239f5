"""The demo's data and models: US flights of 2015, and whether an aircraft will taxi for long.

The data (popmon's, MIT) are a sample of 100,000 flights: the first half of the year is the reference,
the second half is what the pages see. Known when the doors close: the airline, the day of the week, the
distance, the delay so far, and how long this airline's flights taxied the day before. To be predicted:
will it be more than 15 minutes from the gate to the runway?
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fixtures
import pandas as pd

LONG_TAXI_MINUTES = 15
NUMERIC = ("distance", "departure_delay", "taxi_out_yesterday")
CATEGORICAL = ("airline", "weekday")
FEATURES = (*CATEGORICAL, *NUMERIC)
SEED = 2015


@dataclass(frozen=True, slots=True)
class Flights:
    """Reference and current: the features and the column `long_taxi_out` (0 or 1), in order of time."""

    reference: pd.DataFrame
    current: pd.DataFrame


def load() -> Flights:
    """Both halves of 2015; cancelled flights are left out, for they never leave the gate."""
    halves = [pd.read_csv(path, index_col=0) for path in fixtures.flight_delays()]
    flights = pd.concat(halves).sort_index().rename(columns=str.lower)
    flights["date"] = pd.to_datetime(flights["date"])
    # A mean over few flights is missing now and then: the airline had no flight in the sample that day.
    daily = flights.groupby(["airline", "date"], as_index=False)["taxi_out"].mean()
    daily["date"] += pd.Timedelta(days=1)
    daily["taxi_out_yesterday"] = daily.pop("taxi_out").round(1)
    flights = flights.merge(daily, on=["airline", "date"], how="left")
    flights = flights[flights["taxi_out"].notna()]
    flights["weekday"] = flights["date"].dt.day_name()
    flights["distance"] = flights["distance"].astype(float)
    flights["long_taxi_out"] = (flights["taxi_out"] > LONG_TAXI_MINUTES).astype(int)
    second_half = flights["date"] >= "2015-07-01"
    wanted = [*FEATURES, "long_taxi_out"]
    return Flights(flights.loc[~second_half, wanted], flights.loc[second_half, wanted])


def train(kind: str, rows: pd.DataFrame) -> Any:
    """A fitted scikit-learn pipeline: `gradient-boosting` or `mlp`."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    # Trees compare with thresholds and need no scaling; unscaled, float32 and float64 fall on the same side of them.
    scaling = [StandardScaler()] if kind == "mlp" else []
    numeric = make_pipeline(SimpleImputer(strategy="median"), *scaling)
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [("category", one_hot, list(CATEGORICAL)), ("number", numeric, list(NUMERIC))]
    )
    models = {
        "gradient-boosting": HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=15, learning_rate=0.1, random_state=SEED
        ),
        "mlp": MLPClassifier(
            (32, 16), alpha=1e-3, early_stopping=True, max_iter=40, random_state=SEED
        ),
    }
    return make_pipeline(columns, models[kind]).fit(rows[list(FEATURES)], rows["long_taxi_out"])


def export(model: Any, path: Path) -> None:
    """Write the fitted pipeline as ONNX: one input [N, 1] per feature, outputs label and probabilities."""
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    from strandline.bundle.export import to_onnx

    inputs = [
        (c, StringTensorType([None, 1]) if c in CATEGORICAL else FloatTensorType([None, 1]))
        for c in FEATURES
    ]
    path.write_bytes(
        to_onnx(
            model, initial_types=inputs, options={id(model): {"zipmap": False}}, target_opset=18
        )
    )
