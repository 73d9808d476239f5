"""Named models as users make them: trained, exported and fed here, all from fixed seeds.

`build("mlp", rows=7)` gives the ONNX bytes and feeds. Trainers and exporters are imported by the builders
that need them, so that importing this module costs nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from strandline.bench.networks import light_network
from strandline.bundle.export import to_onnx

FEATURES = 12
TRAINING_ROWS = 1200
Feeds = dict[str, np.ndarray[Any, Any]]
Builder = Callable[[], bytes]
Feeder = Callable[[int], Feeds]

_ZOO: dict[str, tuple[Builder, Feeder, frozenset[str]]] = {}


def names(*tags: str) -> list[str]:
    """All models that carry every one of `tags`."""
    return [name for name, (_, _, own) in _ZOO.items() if own.issuperset(tags)]


def build(name: str, rows: int = 7) -> tuple[bytes, Feeds]:
    """The model and feeds of `rows` rows (images: as many as the model takes)."""
    return model(name), _ZOO[name][1](rows)


@cache
def model(name: str) -> bytes:
    """The model's bytes; trained on the first call."""
    return _ZOO[name][0]()


def _add(name: str, builder: Builder, feeder: Feeder, *tags: str) -> None:
    _ZOO[name] = (builder, feeder, frozenset(tags))


# --- data -------------------------------------------------------------------------------------------


def numbers(rows: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(rows, FEATURES)).astype(np.float32)


def with_missing(x: np.ndarray[Any, Any], seed: int = 2) -> np.ndarray[Any, Any]:
    holes = np.random.default_rng(seed).random(x.shape) < 0.15
    return np.where(holes, np.float32("nan"), x)


def signal(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the targets follow: not linear, and not seen without interactions."""
    x = np.nan_to_num(x)
    return x[:, 0] + x[:, 1] * x[:, 2] + np.sin(3 * x[:, 3]) + 0.5 * np.abs(x[:, 4])


def quantile_classes(x: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    noisy = signal(x) + 0.3 * np.random.default_rng(3).normal(size=len(x))
    return np.searchsorted(np.quantile(noisy, np.linspace(0, 1, count + 1)[1:-1]), noisy)


_PLACES = np.array(["north", "south", "east", "west", "Zürich"], dtype=object)
_SIZES = np.array(["small", "medium", "large"], dtype=object)
_MIXED = ("age", "income", "distance", "place", "size")


def _mixed(rows: int, seed: int = 4) -> Feeds:
    """Three numeric columns with gaps and two of strings, with values that training never saw."""
    rng = np.random.default_rng(seed)
    numbers = [rng.normal(40, 12, rows), rng.lognormal(10, 1, rows), rng.exponential(50, rows)]
    columns = {
        name: np.where(rng.random(rows) < 0.1, np.nan, v).astype(np.float32).reshape(-1, 1)
        for name, v in zip(_MIXED, numbers, strict=False)
    }
    columns["place"] = rng.choice(_PLACES, (rows, 1))
    columns["size"] = rng.choice(_SIZES, (rows, 1))
    if seed != 4 and rows > 2:
        columns["place"][1, 0] = "atlantis"
    return columns


# --- scikit-learn -----------------------------------------------------------------------------------


def export(estimator: Any, kinds: list[tuple[str, Any]], **options: Any) -> bytes:
    chosen = {id(estimator): options} if options else None
    opsets = {"": 18, "ai.onnx.ml": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return to_onnx(estimator, initial_types=kinds, options=chosen, target_opset=opsets)


def _sklearn(
    make: Callable[[], Any],
    *,
    classes: int = 0,
    labels: Any = None,
    missing: bool = False,
    dtype: str = "float",
    **options: Any,
) -> Builder:
    """Train `make()` on the numeric data (regression, or `classes` classes under the names `labels`)."""

    def builder() -> bytes:
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

        x = numbers(TRAINING_ROWS)
        target = quantile_classes(x, classes) if classes else signal(x)
        if labels is not None:
            target = np.asarray(labels)[target]
        kind = DoubleTensorType if dtype == "double" else FloatTensorType
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unfinished fit is fitted enough
            fitted = make().fit(with_missing(x) if missing else x, target)
        if classes and hasattr(fitted, "predict_proba"):
            options.setdefault("zipmap", False)
        return export(fitted, [("X", kind([None, FEATURES]))], **options)

    return builder


def _plain_rows(rows: int) -> Feeds:
    return {"X": numbers(rows, seed=11)}


def _double_rows(rows: int) -> Feeds:
    return {"X": numbers(rows, seed=11).astype(np.float64)}


def _rows_with_gaps(rows: int) -> Feeds:
    return {"X": with_missing(numbers(rows, seed=11), seed=12)}


def _estimator(path: str, **parameters: Any) -> Callable[[], Any]:
    """`sklearn.<path>(**parameters)`, imported when called."""

    def make() -> Any:
        import importlib

        module, name = path.rsplit(".", 1)
        return getattr(importlib.import_module(f"sklearn.{module}"), name)(**parameters)

    return make


_BINARY = {"classes": 2}
_FOREST = {"n_estimators": 100, "max_depth": 9, "random_state": 0, "n_jobs": 1}

for _name, _builder in {
    "logistic_regression": _sklearn(_estimator("linear_model.LogisticRegression"), **_BINARY),
    "logistic_regression_strings": _sklearn(
        _estimator("linear_model.LogisticRegression"), classes=3, labels=["low", "mid", "high"]
    ),
    "logistic_regression_zipmap": _sklearn(
        _estimator("linear_model.LogisticRegression"),
        classes=3,
        labels=["low", "mid", "high"],
        zipmap=True,
    ),
    "logistic_regression_int_zipmap": _sklearn(
        _estimator("linear_model.LogisticRegression"), classes=2, labels=[10, 20], zipmap=True
    ),
    "linear_regression": _sklearn(_estimator("linear_model.LinearRegression")),
    "ridge": _sklearn(_estimator("linear_model.Ridge", alpha=0.5)),
    "sgd_classifier": _sklearn(
        _estimator("linear_model.SGDClassifier", loss="log_loss", random_state=0), classes=3
    ),
    "sgd_hinge": _sklearn(
        _estimator("linear_model.SGDClassifier", random_state=0), classes=2, raw_scores=True
    ),
    "sgd_regressor": _sklearn(_estimator("linear_model.SGDRegressor", random_state=0)),
    "mlp": _sklearn(
        _estimator(
            "neural_network.MLPClassifier", hidden_layer_sizes=(64, 32), max_iter=40, random_state=0
        ),
        classes=3,
    ),
    "mlp_tanh_binary": _sklearn(
        _estimator(
            "neural_network.MLPClassifier",
            hidden_layer_sizes=(16,),
            activation="tanh",
            max_iter=40,
            random_state=0,
        ),
        **_BINARY,
    ),
    "mlp_regressor": _sklearn(
        _estimator(
            "neural_network.MLPRegressor", hidden_layer_sizes=(32, 16), max_iter=40, random_state=0
        )
    ),
    "random_forest_100": _sklearn(
        _estimator("ensemble.RandomForestClassifier", **_FOREST), classes=3
    ),
    "random_forest_strings": _sklearn(
        _estimator("ensemble.RandomForestClassifier", n_estimators=20, random_state=0, n_jobs=1),
        classes=2,
        labels=["no", "yes"],
    ),
    "random_forest_regressor_100": _sklearn(
        _estimator("ensemble.RandomForestRegressor", **_FOREST)
    ),
    "extra_trees": _sklearn(
        _estimator("ensemble.ExtraTreesClassifier", n_estimators=20, max_depth=6, random_state=0),
        **_BINARY,
    ),
    "decision_tree": _sklearn(_estimator("tree.DecisionTreeClassifier", random_state=0), classes=4),
    "gradient_boosting": _sklearn(
        _estimator("ensemble.GradientBoostingClassifier", n_estimators=30, random_state=0),
        classes=3,
    ),
    "gradient_boosting_binary": _sklearn(
        _estimator("ensemble.GradientBoostingClassifier", n_estimators=30, random_state=0),
        **_BINARY,
    ),
    "gradient_boosting_regressor": _sklearn(
        _estimator("ensemble.GradientBoostingRegressor", n_estimators=30, random_state=0)
    ),
    "naive_bayes": _sklearn(_estimator("naive_bayes.GaussianNB"), classes=3),
    "knn": _sklearn(_estimator("neighbors.KNeighborsClassifier", n_neighbors=5), classes=3),
    "knn_regressor": _sklearn(_estimator("neighbors.KNeighborsRegressor", n_neighbors=4)),
    "svc_rbf": _sklearn(_estimator("svm.SVC", probability=True, random_state=0), classes=3),
    "svc_linear": _sklearn(_estimator("svm.SVC", kernel="linear", C=0.01), **_BINARY),
    "svr": _sklearn(_estimator("svm.SVR", kernel="poly", degree=2)),
    "linear_svc": _sklearn(_estimator("svm.LinearSVC"), classes=3),
    "k_means": _sklearn(_estimator("cluster.KMeans", n_clusters=4, n_init=1, random_state=0)),
    "pca": _sklearn(_estimator("decomposition.PCA", n_components=4)),
}.items():
    _add(_name, _builder, _plain_rows, "tabular")

for _name, _builder in {
    "hist_gradient_boosting": _sklearn(
        _estimator("ensemble.HistGradientBoostingClassifier", max_iter=40, random_state=0),
        classes=2,
        missing=True,
    ),
    "hist_gradient_boosting_multiclass": _sklearn(
        _estimator("ensemble.HistGradientBoostingClassifier", max_iter=20, random_state=0),
        classes=3,
        missing=True,
    ),
    "hist_gradient_boosting_regressor": _sklearn(
        _estimator("ensemble.HistGradientBoostingRegressor", max_iter=40, random_state=0),
        missing=True,
    ),
}.items():
    _add(_name, _builder, _rows_with_gaps, "tabular", "missing")

_add(
    "linear_regression_double",
    _sklearn(_estimator("linear_model.LinearRegression"), dtype="double"),
    _double_rows,
    "tabular",
)


def _pipeline(
    model_of: Callable[[], Any], labels: list[Any] | None, encoder: str = "one_hot", **options: Any
) -> Builder:
    """Imputed and scaled numbers beside encoded strings, then a classifier (or, without labels, a regressor)."""

    def builder() -> bytes:
        import pandas as pd
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import (
            MinMaxScaler,
            OneHotEncoder,
            OrdinalEncoder,
            StandardScaler,
        )

        columns = _mixed(TRAINING_ROWS)
        frame = pd.DataFrame({k: v[:, 0] for k, v in columns.items()})
        score = (
            frame["age"].fillna(40) / 12
            + (frame["place"] == "north") * 2
            + (frame["size"] == "large")
        )
        encoders = {
            "one_hot": OneHotEncoder(handle_unknown="ignore"),
            "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        }
        prepare = ColumnTransformer(
            [
                ("mean", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
                (
                    "median",
                    make_pipeline(SimpleImputer(strategy="median"), MinMaxScaler()),
                    ["distance"],
                ),
                ("names", encoders[encoder], ["place", "size"]),
            ]
        )
        target: Any = score
        if labels is not None:
            cuts = np.quantile(score, np.linspace(0, 1, len(labels) + 1)[1:-1])
            target = np.asarray(labels)[np.searchsorted(cuts, score)]
        fitted = make_pipeline(prepare, model_of()).fit(frame, target)
        kinds = [
            (k, StringTensorType([None, 1]) if v.dtype == object else FloatTensorType([None, 1]))
            for k, v in columns.items()
        ]
        return export(fitted, kinds, **options)

    return builder


for _name, _builder in {
    "pipeline_strings": _pipeline(
        _estimator("linear_model.LogisticRegression", max_iter=500),
        ["no", "perhaps", "yes"],
        zipmap=False,
    ),
    "pipeline_zipmap": _pipeline(
        _estimator("linear_model.LogisticRegression", max_iter=500), ["no", "yes"]
    ),
    "pipeline_int_zipmap": _pipeline(
        _estimator("ensemble.RandomForestClassifier", n_estimators=10, random_state=0), [3, 5, 8]
    ),
    "pipeline_forest": _pipeline(
        _estimator("ensemble.RandomForestClassifier", n_estimators=10, random_state=0),
        [0, 1],
        zipmap=False,
    ),
    "pipeline_boosting": _pipeline(
        _estimator("ensemble.HistGradientBoostingClassifier", max_iter=10, random_state=0),
        ["a", "b"],
        encoder="ordinal",
        zipmap=False,
    ),
    "pipeline_regressor": _pipeline(_estimator("linear_model.Ridge"), None),
}.items():
    _add(_name, _builder, lambda rows: _mixed(rows, seed=14), "tabular", "mixed")


# --- LightGBM and XGBoost ---------------------------------------------------------------------------


def _boosted(library: str, classes: int, missing: bool = False, **parameters: Any) -> Builder:
    def builder() -> bytes:
        import onnxmltools
        from onnxmltools.convert.common.data_types import FloatTensorType

        x = numbers(TRAINING_ROWS)
        target = quantile_classes(x, classes) if classes else signal(x)
        data = with_missing(x) if missing else x
        kinds = [("X", FloatTensorType([None, FEATURES]))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if library == "lightgbm":
                import lightgbm

                kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
                fitted = kind(random_state=0, n_jobs=1, verbose=-1, **parameters).fit(data, target)
                extra = {"zipmap": False} if classes else {}
                proto = onnxmltools.convert_lightgbm(fitted, initial_types=kinds, **extra)
            else:
                import xgboost

                chosen = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
                fitted = chosen(random_state=0, n_jobs=1, **parameters).fit(data, target)
                proto = onnxmltools.convert_xgboost(fitted, initial_types=kinds)
        return bytes(proto.SerializeToString())

    return builder


for _name, _builder, _feeder in (
    ("lightgbm", _boosted("lightgbm", 2, n_estimators=50), _plain_rows),
    ("lightgbm_multiclass", _boosted("lightgbm", 3, n_estimators=20), _plain_rows),
    ("lightgbm_missing", _boosted("lightgbm", 2, missing=True, n_estimators=30), _rows_with_gaps),
    ("lightgbm_regressor", _boosted("lightgbm", 0, n_estimators=50), _plain_rows),
    ("xgboost", _boosted("xgboost", 2, n_estimators=50, max_depth=5), _plain_rows),
    ("xgboost_multiclass", _boosted("xgboost", 3, n_estimators=20, max_depth=4), _plain_rows),
    (
        "xgboost_missing",
        _boosted("xgboost", 2, missing=True, n_estimators=30, max_depth=4),
        _rows_with_gaps,
    ),
    ("xgboost_regressor", _boosted("xgboost", 0, n_estimators=50, max_depth=5), _plain_rows),
):
    _add(_name, _builder, _feeder, "tabular", "boosted")


# --- networks ---------------------------------------------------------------------------------------


def _image(model_name: str) -> Feeder:
    def feeder(rows: int) -> Feeds:
        import onnx

        graph = onnx.load_from_string(model(model_name)).graph
        held = {i.name for i in graph.initializer}
        (info,) = [i for i in graph.input if i.name not in held]
        shape = [d.dim_value or 1 for d in info.type.tensor_type.shape.dim]
        return {info.name: np.random.default_rng(5).normal(size=shape).astype(np.float32)}

    return feeder


NETWORKS: Mapping[str, str] = {
    "squeezenet": "squeezenet",
    "resnet50": "resnet50",
    "shufflenet": "shufflenet",
    "densenet121": "densenet121",
    "inception_v1": "inception_v1",
    "inception_v2": "inception_v2",
    "alexnet": "bvlc_alexnet",
    "zfnet512": "zfnet512",
    "vgg19": "vgg19",
}
for _name, _file in NETWORKS.items():
    _add(_name, partial(light_network, _file), _image(_name), "image")


def _ocr_direction() -> bytes:
    from fixtures import ocr_model

    return bytes(ocr_model("cls").read_bytes())


def _lines_of_text(rows: int) -> Feeds:
    shape = (rows, 3, 48, 192)
    return {"x": np.random.default_rng(6).uniform(-1, 1, shape).astype(np.float32)}


_add("ocr_direction", _ocr_direction, _lines_of_text, "image", "download")
