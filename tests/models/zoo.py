"""Named models as users make them: trained, exported and fed here, all from fixed seeds.

`build("mlp", rows=7)` gives the ONNX bytes and feeds. Trainers and exporters are imported by the builders
that need them, so that importing this module costs nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

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


def _numbers(rows: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(rows, FEATURES)).astype(np.float32)


def _with_missing(x: np.ndarray[Any, Any], seed: int = 2) -> np.ndarray[Any, Any]:
    holes = np.random.default_rng(seed).random(x.shape) < 0.15
    return np.where(holes, np.float32("nan"), x)


def _signal(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the targets follow: not linear, and not seen without interactions."""
    x = np.nan_to_num(x)
    return x[:, 0] + x[:, 1] * x[:, 2] + np.sin(3 * x[:, 3]) + 0.5 * np.abs(x[:, 4])


def _classes(x: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    noisy = _signal(x) + 0.3 * np.random.default_rng(3).normal(size=len(x))
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


@contextmanager
def plain_attributes() -> Iterator[None]:
    """Let exporters hand NumPy scalars to onnx as attributes: protobuf takes only Python's own.

    skl2onnx 1.20 does so for histogram gradient boosting.
    """
    import onnx.helper

    original = onnx.helper.make_attribute

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return value

    def make_attribute(key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return original(key, plain(value), *args, **kwargs)

    onnx.helper.make_attribute = make_attribute
    try:
        yield
    finally:
        onnx.helper.make_attribute = original


def _export(estimator: Any, kinds: list[tuple[str, Any]], **options: Any) -> bytes:
    from skl2onnx import to_onnx

    chosen = {id(estimator): options} if options else None
    with warnings.catch_warnings(), plain_attributes():
        warnings.simplefilter("ignore")
        proto = to_onnx(
            estimator, initial_types=kinds, options=chosen, target_opset={"": 18, "ai.onnx.ml": 3}
        )
    return bytes(proto.SerializeToString())


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

        x = _numbers(TRAINING_ROWS)
        target = _classes(x, classes) if classes else _signal(x)
        if labels is not None:
            target = np.asarray(labels)[target]
        kind = DoubleTensorType if dtype == "double" else FloatTensorType
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unfinished fit is fitted enough
            fitted = make().fit(_with_missing(x) if missing else x, target)
        if classes and hasattr(fitted, "predict_proba"):
            options.setdefault("zipmap", False)
        return _export(fitted, [("X", kind([None, FEATURES]))], **options)

    return builder


def _plain_rows(rows: int) -> Feeds:
    return {"X": _numbers(rows, seed=11)}


def _double_rows(rows: int) -> Feeds:
    return {"X": _numbers(rows, seed=11).astype(np.float64)}


def _rows_with_gaps(rows: int) -> Feeds:
    return {"X": _with_missing(_numbers(rows, seed=11), seed=12)}


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
        return _export(fitted, kinds, **options)

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

        x = _numbers(TRAINING_ROWS)
        target = _classes(x, classes) if classes else _signal(x)
        data = _with_missing(x) if missing else x
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


def _light(file: str) -> Builder:
    """A network that ships with onnx. There its weights are all 0.02; here they are random in the scale that
    keeps signals alive (He et al. 2015), so that outputs depend on inputs."""

    def builder() -> bytes:
        import onnx
        from onnx import numpy_helper

        proto = onnx.load(
            Path(onnx.__file__).parent / "backend/test/data/light" / f"light_{file}.onnx"
        )
        graph = proto.graph
        rng = np.random.default_rng(0)
        sizes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        made_by = {name: node for node in graph.node for name in node.output}
        shape_of = {
            node.output[0]: tuple(int(s) for s in sizes[node.input[0]])
            for node in graph.node
            if node.op_type == "ConstantOfShape"
        }
        users = {name: node for node in graph.node for name in node.input}
        branches = set()
        for node in graph.node:
            if node.op_type == "Sum":
                ends = [
                    made_by[n] for n in node.input if made_by[n].op_type == "BatchNormalization"
                ]
                branches.update(id(n) for n in ends[:1])
        for node in graph.node:
            for place, name in enumerate(node.input):
                if name in shape_of:
                    # The factors of a channel come through an Unsqueeze.
                    user = users[node.output[0]] if node.op_type == "Unsqueeze" else node
                    gain = 2.0 if _rectified(node.input[0], made_by) else 1.0
                    if branches and node.op_type == "Gemm":
                        gain = 0.02  # what residual blocks add up to would saturate the softmax
                    role = (user.op_type, place)
                    value = _weights(shape_of.pop(name), role, gain, id(node) in branches, rng)
                    graph.initializer.append(numpy_helper.from_array(value, name))
        kept = [n for n in graph.node if n.op_type != "ConstantOfShape"]
        del graph.node[:]
        graph.node.extend(kept)
        used = {name for node in kept for name in node.input}
        for held in (graph.initializer, graph.input):
            rest = [v for v in held if v.name in used]
            del held[:]
            held.extend(rest)
        return bytes(proto.SerializeToString())

    return builder


_MOVERS = {"MaxPool", "AveragePool", "Concat", "Transpose", "Reshape", "Dropout", "LRN", "Sum"}


def _rectified(name: str, made_by: Mapping[str, Any]) -> bool:
    """Whether a tensor comes from a Relu, through nothing but operators that keep it positive."""
    while name in made_by and made_by[name].op_type in _MOVERS:
        name = made_by[name].input[0]
    return name in made_by and made_by[name].op_type == "Relu"


def _weights(
    shape: tuple[int, ...],
    role: tuple[str, int],
    gain: float,
    branch: bool,
    rng: np.random.Generator,
) -> np.ndarray[Any, Any]:
    """Values for an operator's input: kernels, factors around 1 or offsets around 0. The branch of a
    residual block is kept small, or sixteen of them would outgrow the softmax."""
    if len(shape) > 1:
        deviation = np.sqrt(gain / np.prod(shape[1:]))
        return rng.normal(0, deviation, shape).astype(np.float32)
    if role == ("BatchNormalization", 1) and branch:
        return rng.uniform(0.1, 0.3, shape).astype(np.float32)
    if role in (("BatchNormalization", 1), ("BatchNormalization", 4), ("Mul", 0)):
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    return rng.normal(0, 0.1, shape).astype(np.float32)


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
    _add(_name, _light(_file), _image(_name), "image")


def _ocr_direction() -> bytes:
    from fixtures import ocr_model

    return bytes(ocr_model("cls").read_bytes())


def _lines_of_text(rows: int) -> Feeds:
    shape = (rows, 3, 48, 192)
    return {"x": np.random.default_rng(6).uniform(-1, 1, shape).astype(np.float32)}


_add("ocr_direction", _ocr_direction, _lines_of_text, "image", "download")
