"""Run nannyml's CBPE on nannyml's own data and print its figures as JSON.

Not a test: nannyml wants other versions of pandas and NumPy than this project, so it runs in an environment of its
own (`python -m venv peer && peer/bin/pip install nannyml==0.13.1 statsmodels==0.15.0`), and the figures are kept:

    peer/bin/python tests/drift/quality/nannyml_cbpe.py > tests/drift/quality/nannyml_cbpe.json
"""

from __future__ import annotations

import json
import os
import sys
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml

METRICS = ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy"]

CASES = {
    "car_loan": (
        nannyml.load_synthetic_car_loan_dataset,
        {
            "problem_type": "classification_binary",
            "y_pred_proba": "y_pred_proba",
            "y_pred": "y_pred",
            "y_true": "repaid",
        },
    ),
    "census": (
        nannyml.load_us_census_ma_employment_data,
        {
            "problem_type": "classification_binary",
            "y_pred_proba": "predicted_probability",
            "y_pred": "prediction",
            "y_true": "employed",
        },
    ),
    "cards": (
        nannyml.load_synthetic_multiclass_classification_dataset,
        {
            "problem_type": "classification_multiclass",
            "y_pred_proba": {
                name: f"y_pred_proba_{name}"
                for name in ("prepaid_card", "highstreet_card", "upmarket_card")
            },
            "y_pred": "y_pred",
            "y_true": "y_true",
        },
    ),
}
CHUNK = 5000


def main() -> None:
    warnings.simplefilter("ignore")
    answer = {
        "command": "python tests/drift/quality/nannyml_cbpe.py",
        "nannyml": nannyml.__version__,
        "python": sys.version.split()[0],
        "chunk": CHUNK,
    }
    for name, (load, columns) in CASES.items():
        reference, analysis, _ = load()
        estimator = nannyml.CBPE(metrics=METRICS, chunk_size=CHUNK, **columns)
        estimator.fit(reference)
        table = estimator.estimate(analysis).filter(period="analysis").to_df()
        answer[name] = [
            {
                "rows": int(end - start + 1),
                **{
                    metric: [
                        round(float(table[metric][part].iloc[i]), 6)
                        for part in (
                            "value",
                            "lower_confidence_boundary",
                            "upper_confidence_boundary",
                        )
                    ]
                    for metric in METRICS
                },
            }
            for i, (start, end) in enumerate(
                zip(table["chunk"]["start_index"], table["chunk"]["end_index"], strict=True)
            )
        ]
    print(
        json.dumps(answer).replace("[{", "[\n{").replace("}, {", "},\n{").replace("}], ", "}],\n")
    )


if __name__ == "__main__":
    main()
