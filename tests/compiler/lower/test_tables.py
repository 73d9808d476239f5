"""What ai.onnx.ml does to the columns of a table, and its linear models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.compiler.lower.node import NoKernel, both, constant_of_array
from tests.compiler.lower.node import check as check_any

pytestmark = pytest.mark.usefixtures("isa")

WORDS = np.array([["dog", "cat"], ["", "emu"], ["cat", "cat"], ["yak", "dog"]], object)


def check(op: str, *arrays: Any, opset: int = 3, **kwargs: Any) -> None:
    check_any(op, *arrays, domain="ai.onnx.ml", opset=opset, **kwargs)


def table(rows: int = 9, columns: int = 5, dtype: str = "float32", missing: float = 0.2) -> Any:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, columns))
    if np.dtype(dtype).kind == "f":
        x[rng.random(x.shape) < missing] = np.nan
        return x.astype(dtype)
    return (3 * x).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
def test_scaler(dtype: str) -> None:
    offset, scale = [0.5, -1.0, 2.0, 0.0, 7.5], [2.0, 0.25, -3.0, 1.0, 0.1]
    check("Scaler", table(dtype=dtype), offset=offset, scale=scale)
    check("Scaler", table(dtype=dtype), offset=[1.5], scale=[0.5])
    check("Scaler", table(1, dtype=dtype)[0], offset=offset, scale=scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_imputer_of_reals(dtype: str) -> None:
    columns = [1.5, 2.5, 3.5, 4.5, 5.5]
    nan = float("nan")
    check("Imputer", table(dtype=dtype), imputed_value_floats=columns, replaced_value_float=nan)
    check("Imputer", table(dtype=dtype), imputed_value_floats=[9.0], replaced_value_float=nan)
    x = table(dtype=dtype)
    x[2, 3] = x[0, 0] = -1
    check("Imputer", x, imputed_value_floats=columns, replaced_value_float=-1.0)


def test_imputer_of_integers() -> None:
    x = table(dtype="int64")
    check("Imputer", x, imputed_value_int64s=[1, 2, 3, 4, 5], replaced_value_int64=0)
    with pytest.raises(NoKernel):
        both("Imputer", x, domain="ai.onnx.ml", opset=1, imputed_value_int64s=[1, 2])


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_normalizer(norm: str, dtype: str) -> None:
    x = table(missing=0, dtype=dtype)
    x[3] = 0
    check("Normalizer", x, norm=norm)


def test_binarizer() -> None:
    check("Binarizer", table(missing=0), threshold=0.25)
    check("Binarizer", table(missing=0))


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64"])
def test_one_hot_of_numbers(dtype: str) -> None:
    x = np.array([[3, 1], [2, 9], [-7, 3]], dtype)
    check("OneHotEncoder", x, cats_int64s=[3, -7, 1, 2])
    with pytest.raises(ValueError, match="none of"):
        both("OneHotEncoder", x, domain="ai.onnx.ml", opset=1, cats_int64s=[3, 1, 2], zeros=0)


def test_one_hot_of_strings() -> None:
    check("OneHotEncoder", WORDS, cats_strings=["cat", "dog", "emu"])
    check("OneHotEncoder", WORDS[:, 0].copy(), cats_strings=["yak", "", "dog"])


@pytest.mark.parametrize(
    "values",
    [
        {"values_int64s": [10, 20, 30], "default_int64": -5},
        {"values_floats": [1.5, 2.5, 3.5], "default_float": 0.25},
        {"values_strings": ["x", "y", ""], "default_string": "none"},
    ],
)
@pytest.mark.parametrize(
    ("keys", "x"),
    [
        ({"keys_strings": ["cat", "yak", "dog"]}, WORDS),
        ({"keys_int64s": [7, -3, 1 << 40]}, np.array([[7, 8], [1 << 40, -3]])),
        (
            {"keys_floats": [1.5, float("nan"), -2.0]},
            np.array([1.5, np.nan, -2, 0, -0.0], np.float32),
        ),
    ],
)
def test_label_encoder(keys: dict[str, Any], x: Any, values: dict[str, Any]) -> None:
    check("LabelEncoder", x, **keys, **values)


def test_label_encoder_by_tensors() -> None:
    keys, values = np.array([1.5, np.nan, -2.0]), np.array([3, 4, 5], np.int16)
    check(
        "LabelEncoder",
        np.array([[1.5, np.nan], [0, -2]]),
        opset=4,
        keys_tensor=constant_of_array(keys),
        values_tensor=constant_of_array(values),
        default_tensor=constant_of_array(np.array([-1], np.int16)),
    )


def test_label_encoder_of_old_and_category_mapper() -> None:
    check("LabelEncoder", WORDS, opset=1, classes_strings=["cat", "dog"])
    check("LabelEncoder", np.array([0, 1, 2]), opset=1, classes_strings=["cat", "dog"])
    both_ways = {"cats_strings": ["cat", "dog"], "cats_int64s": [4, 2]}
    check("CategoryMapper", WORDS, **both_ways)
    check("CategoryMapper", np.array([2, 3, 4]), **both_ways)


POSTS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_linear_regressor(post: str, dtype: str) -> None:
    x = table(33, 4, dtype, missing=0)
    if post == "PROBIT":  # of probabilities
        x = (abs(x) > 0.5).astype(dtype)
    weights = [0.05, 0.1, 0.15, 0.2] * 3
    attrs = {
        "targets": 3,
        "coefficients": weights,
        "intercepts": [0.2, 0.25, 0.3],
        "post_transform": post,
    }
    check("LinearRegressor", x, rtol=1e-4, **attrs)
    check("LinearRegressor", x[:1].copy(), coefficients=weights[:4], rtol=1e-4)


LABELS = [{"classlabels_ints": [5, 2, 9]}, {"classlabels_strings": ["a", "", "c"]}]


@pytest.mark.parametrize("post", POSTS[:4])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("rows", [1, 33])
def test_linear_classifier(post: str, labels: dict[str, Any], rows: int) -> None:
    x = table(rows, 4, missing=0)
    weights = np.random.default_rng(1).normal(size=12).astype(np.float32).tolist()
    attrs = {"coefficients": weights, "intercepts": [0.1, -0.2, 0.3], "post_transform": post}
    check("LinearClassifier", x, outputs=2, rtol=1e-4, **attrs, **labels)


@pytest.mark.parametrize("post", POSTS[:2])
@pytest.mark.parametrize(
    "labels", [{"classlabels_ints": [5, 2]}, {"classlabels_strings": ["a", "b"]}]
)
def test_linear_classifier_of_two(post: str, labels: dict[str, Any]) -> None:
    attrs = {"coefficients": [0.5, -1.0, 2.0, 0.1], "intercepts": [0.1], "post_transform": post}
    for rows in (0, 1, 40):
        check(
            "LinearClassifier", table(rows, 4, missing=0), outputs=2, rtol=1e-4, **attrs, **labels
        )
