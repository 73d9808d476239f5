"""Every scikit-learn estimator that skl2onnx converts to what onnxruntime runs, on the same rows as onnxruntime."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from strandline import Session
from tests.models import zoo
from tests.models.oracle import assert_equal, expected

pytestmark = pytest.mark.slow

CLASSIFIERS: dict[str, dict[str, Any]] = {
    "ensemble.AdaBoostClassifier": {"n_estimators": 5},
    "ensemble.BaggingClassifier": {"n_estimators": 3},
    "multiclass.OneVsRestClassifier": {"estimator": "linear_model.LogisticRegression"},
    "multiclass.OneVsOneClassifier": {"estimator": "linear_model.LogisticRegression"},
    "calibration.CalibratedClassifierCV": {"estimator": "linear_model.LogisticRegression", "cv": 2},
    "discriminant_analysis.LinearDiscriminantAnalysis": {},
    "discriminant_analysis.QuadraticDiscriminantAnalysis": {},
    "naive_bayes.BernoulliNB": {},
    "linear_model.Perceptron": {},
    "linear_model.RidgeClassifier": {},
    "svm.NuSVC": {"probability": True},
    "svm.SVC": {"kernel": "sigmoid"},
    "tree.ExtraTreeClassifier": {"random_state": 0},
    "feature_selection.SelectKBest": {"k": 4},
    "feature_selection.RFE": {"estimator": "linear_model.LogisticRegression"},
}
REGRESSORS: dict[str, dict[str, Any]] = {
    "linear_model.ElasticNet": {},
    "linear_model.Lasso": {},
    "linear_model.Lars": {},
    "linear_model.BayesianRidge": {},
    "linear_model.ARDRegression": {},
    "linear_model.HuberRegressor": {},
    "linear_model.OrthogonalMatchingPursuit": {},
    "linear_model.QuantileRegressor": {},
    "linear_model.TweedieRegressor": {},
    "gaussian_process.GaussianProcessRegressor": {},
    "tree.DecisionTreeRegressor": {"random_state": 0},
    "ensemble.ExtraTreesRegressor": {"n_estimators": 5, "random_state": 0},
    "ensemble.AdaBoostRegressor": {"n_estimators": 4, "random_state": 0},
    "ensemble.BaggingRegressor": {"n_estimators": 3, "random_state": 0},
    "neighbors.KNeighborsRegressor": {"weights": "distance"},
    "svm.NuSVR": {},
    "svm.LinearSVR": {},
    "multioutput.MultiOutputRegressor": {"estimator": "linear_model.LinearRegression"},
    "cross_decomposition.PLSRegression": {"n_components": 2},
}
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "ensemble.IsolationForest": {"n_estimators": 10, "random_state": 0},
    "svm.OneClassSVM": {},
    "neighbors.LocalOutlierFactor": {"novelty": True},
    "mixture.GaussianMixture": {"n_components": 3, "random_state": 0},
    "mixture.BayesianGaussianMixture": {"n_components": 3, "random_state": 0},
    "cluster.MiniBatchKMeans": {"n_clusters": 3, "n_init": 1, "random_state": 0},
    "decomposition.TruncatedSVD": {"n_components": 3},
    "decomposition.IncrementalPCA": {"n_components": 3},
    "decomposition.KernelPCA": {"n_components": 3, "kernel": "rbf"},
    "preprocessing.RobustScaler": {},
    "preprocessing.MaxAbsScaler": {},
    "preprocessing.Normalizer": {},
    "preprocessing.Binarizer": {},
    "preprocessing.PolynomialFeatures": {"degree": 2},
    "preprocessing.PowerTransformer": {},
    "preprocessing.QuantileTransformer": {"n_quantiles": 20},
    "preprocessing.KBinsDiscretizer": {"n_bins": 4, "encode": "onehot-dense"},
    "feature_selection.VarianceThreshold": {},
    "impute.KNNImputer": {},
}
MISSING = {"impute.KNNImputer"}
NUMPY = {"impute.KNNImputer"}
"""Those whose exports have values of a shape that only a run shows, which NumPy's references make."""


def made(path: str, **parameters: Any) -> Any:
    module, name = path.rsplit(".", 1)
    inner = parameters.get("estimator")
    if isinstance(inner, str):
        parameters["estimator"] = made(inner)
    return getattr(importlib.import_module(f"sklearn.{module}"), name)(**parameters)


@pytest.mark.filterwarnings("ignore")  # defaults that change, fits that stop early: not the subject
@pytest.mark.parametrize("backend", ["reference", "core"])
@pytest.mark.parametrize("path", [*CLASSIFIERS, *REGRESSORS, *TRANSFORMERS])
def test_estimator(path: str, backend: str) -> None:
    model = exported(path)
    x = zoo.numbers(40, seed=5)
    feeds = {"X": zoo.with_missing(x) if path in MISSING else x}
    session = Session(model, backend=backend)
    assert_equal(session.run(feeds), expected(model, feeds))
    assert session.needed_numpy == (backend == "reference" or path in NUMPY)


_EXPORTED: dict[str, bytes] = {}


def exported(path: str) -> bytes:
    """The estimator, trained and exported once for both backends."""
    if path not in _EXPORTED:
        from skl2onnx.common.data_types import FloatTensorType

        x = zoo.numbers(600)
        parameters = (CLASSIFIERS | REGRESSORS | TRANSFORMERS)[path]
        target: Any = zoo.quantile_classes(x, 3) if path in CLASSIFIERS else zoo.signal(x)
        if path.startswith(("multioutput", "cross_decomposition")):
            target = np.stack([target, -target], axis=1)
        data = zoo.with_missing(x) if path in MISSING else x
        estimator = made(path, **parameters)
        fitted = estimator.fit(data) if path in TRANSFORMERS else estimator.fit(data, target)
        kinds = [("X", FloatTensorType([None, zoo.FEATURES]))]
        options = {"zipmap": False} if hasattr(fitted, "predict_proba") else {}
        if path.startswith(("mixture", "feature_selection")):
            options = {}
        _EXPORTED[path] = zoo.export(fitted, kinds, **options)
    return _EXPORTED[path]
