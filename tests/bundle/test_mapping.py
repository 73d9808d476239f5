from __future__ import annotations

import pytest

from strandline.bundle.errors import PackError
from strandline.bundle.manifest import Feed, Output
from strandline.bundle.mapping import feeds_of, outputs_of
from strandline.onnx.graph import Dim, ValueInfo
from strandline.onnx.types import float32, int64, string

X = ValueInfo("X", float32, (None, 3))


def column(name: str, dtype: object = float32, shape: tuple[Dim, ...] = ("N", 1)) -> ValueInfo:
    return ValueInfo(name, dtype, shape)  # type: ignore[arg-type]


def test_inputs_take_the_columns_of_their_names() -> None:
    inputs = [column("age"), column("home_city", string), column("visits", int64, (None,))]
    assert feeds_of(inputs, ["target", "visits", "Home City", "age"], None) == (
        Feed("age", "float32", ("age",)),
        Feed("home_city", "string", ("Home City",)),
        Feed("visits", "int64", ("visits",)),
    )


def test_one_wide_input_takes_the_reference_in_order_or_what_features_names() -> None:
    assert feeds_of([X], ["a", "b", "c"], None) == (Feed("X", "float32", ("a", "b", "c")),)
    assert feeds_of([X], ["a", "b", "c", "d"], ["d", "a", "b"]) == (
        Feed("X", "float32", ("d", "a", "b")),
    )
    assert feeds_of([ValueInfo("X", float32, None)], ["a", "b"], None) == (
        Feed("X", "float32", ("a", "b")),
    )


def test_several_wide_inputs_share_the_features_in_order() -> None:
    inputs = [ValueInfo("numbers", float32, (None, 2)), ValueInfo("words", string, (None, 1))]
    assert feeds_of(inputs, ["w", "x", "y"], ["x", "y", "w"]) == (
        Feed("numbers", "float32", ("x", "y")),
        Feed("words", "string", ("w",)),
    )


def test_a_nameless_index_column_is_no_column() -> None:
    assert feeds_of([X], ["", "a", "b", "c"], None)[0].columns == ("a", "b", "c")


@pytest.mark.parametrize(
    ("inputs", "columns", "features", "message"),
    [
        ([X], ["a", "b"], None, r"takes 3 columns \(X 3\), the reference has 2 \(a, b\).*--features"),
        ([X], ["a", "b", "c"], ["a", "b"], "--features names 2"),
        ([X], ["a", "b", "c"], ["a", "b", "z"], "names z, which the reference does not have; it has a, b, c"),
        ([column("age"), column("city")], ["age", "town"], None, "for model input city; columns left over: town"),
        ([column("ci.ty"), column("age")], ["age", "CI TY", "ci_ty"], None, "no column for model input ci.ty"),
        ([X, ValueInfo("Z", float32, (None, None))], ["a"], ["a"], "Z declare no width"),
    ],
)  # fmt: skip
def test_errors_say_what_is_missing_and_what_to_do(
    inputs: list[ValueInfo], columns: list[str], features: list[str] | None, message: str
) -> None:
    with pytest.raises(PackError, match=message):
        feeds_of(inputs, columns, features)


def test_a_classifier_gives_a_label_and_probabilities_by_class() -> None:
    results = {"output_label": ["no", "yes"], "output_probability": [[0.9, 0.1], [0.2, 0.8]]}
    expected = (
        Output("label", "categorical", "output_label"),
        Output("probability:no", "numeric", "output_probability", 0),
        Output("probability:yes", "numeric", "output_probability", 1),
    )
    assert outputs_of(results, {"output_label": ("no", "yes")}, 2) == expected
    assert outputs_of(results, {}, 2) == expected, "classes are told by the labels seen"
    zipped = {**results, "output_probability": [{"no": 0.9, "yes": 0.1}, {"no": 0.2, "yes": 0.8}]}
    assert outputs_of(zipped, {}, 2) == expected


def test_unknown_classes_are_numbered() -> None:
    results = {"label": [1, 1], "p": [[0.9, 0.1], [0.8, 0.2]]}
    assert [o.name for o in outputs_of(results, {}, 2)] == ["label", "p:0", "p:1"]


def test_regressions() -> None:
    assert outputs_of({"variable": [[1.5], [2.5]]}, {}, 2) == (
        Output("prediction", "numeric", "variable"),
    )
    two = outputs_of({"low": [1.5], "high": [2.5]}, {}, 1)
    assert [o.name for o in two] == ["low", "high"]


def test_an_output_does_not_take_a_features_name() -> None:
    results = {"output_label": [1], "variable": [0.5]}
    assert [o.name for o in outputs_of(results, {}, 1, taken={"label"})] == [
        "predicted_label",
        "variable",
    ]


@pytest.mark.parametrize(
    "results", [{"y": [1.0]}, {"y": 3.0}, {"y": [[[1.0], [2.0]], [[1.0], [2.0]]]}]
)
def test_outputs_that_are_not_per_row_are_refused(results: dict[str, object]) -> None:
    with pytest.raises(PackError, match="after"):
        outputs_of(results, {}, 2)
