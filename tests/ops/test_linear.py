"""LinearClassifier in all its shapes against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from strandline import Session
from tests.models.oracle import assert_equal, expected
from tests.ops.models import one_node


@pytest.mark.parametrize("backend", ["reference", "core"])
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
@pytest.mark.parametrize(("scores", "labels"), [(1, 2), (2, 2), (3, 3)])
def test_classifier(
    scores: int, labels: int, dtype: type, named: bool, transform: str, backend: str
) -> None:
    rng = np.random.default_rng(scores)
    attributes = (
        {"classlabels_strings": [f"class {k}" for k in range(labels)]}
        if named
        else {"classlabels_ints": list(range(5, 5 + labels))}
    )
    model = one_node(
        "LinearClassifier",
        {"X": (dtype, [None, 3])},
        {"label": object if named else np.int64, "scores": np.float32},
        domain="ai.onnx.ml",
        coefficients=rng.normal(size=scores * 3).astype(np.float32).tolist(),
        intercepts=rng.normal(size=scores).astype(np.float32).tolist(),
        post_transform=transform,
        **attributes,
    )
    feeds = {"X": (3 * rng.normal(size=(9, 3))).astype(dtype)}
    assert_equal(Session(model, backend=backend).run(feeds), expected(model, feeds))
