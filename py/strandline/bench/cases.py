"""The cases: any ONNX file with generated inputs, or models trained here with fixed seeds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strandline.bench.errors import BenchError
from strandline.bench.native import Feeds
from strandline.bench.networks import networks, of_any_batch
from strandline.onnx import read

if TYPE_CHECKING:
    from strandline.onnx.graph import ValueInfo

FEATURES = 20
SEED = 0

TABLE_BATCHES = (1, 1000)
"""Rows of tables: one visitor's, and many at once."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A model and one set of inputs for it."""

    name: str
    model: bytes
    feeds: Feeds
    other: Feeds | None = None
    """Inputs of another shape, for a model that takes them."""
    free: bytes | None = None
    """The model that takes `other`, where `model` takes one shape only."""
    table: bool = False
    """Whether the inputs are rows of tables."""

    @property
    def tolerance(self) -> float:
        """How far outputs may be apart, relative to the largest: where floats are rounded to 8 bits, their
        last bit may decide a step, and what follows makes more of it."""
        rounds = {"QuantizeLinear", "DynamicQuantizeLinear"}
        return 0.02 if any(node.op in rounds for node in read(self.model).nodes) else 1e-3


def from_file(
    path: Path, batches: Sequence[int] | None = None, shapes: Mapping[str, Shape] = {}
) -> Iterator[Case]:
    """The model at `path` once per batch size (default: 1 and 1000 where all inputs are tables, else
    1), or once when its inputs have no free dimension.

    Inputs are seeded random numbers of the declared type, in the given `shapes`; of other inputs the
    first free dimension is the batch, other free ones are 1. Raises BenchError for a name that is
    no input's.
    """
    model = path.read_bytes()
    inputs = [
        replace(i, shape=shapes.get(i.name, i.shape))
        for i in read(model, base_dir=path.parent).inputs
    ]
    for name in shapes.keys() - {i.name for i in inputs}:
        raise BenchError(
            f"{path} has no input {name!r}: it has {', '.join(i.name for i in inputs)}"
        )
    free = any(isinstance(d, int) is False for i in inputs for d in i.shape or ())
    table = all(len(i.shape or ()) <= 2 for i in inputs)
    if batches is None:
        batches = TABLE_BATCHES if table else (1,)
    for batch in batches if free else (1,):
        feeds, other = (
            {i.name: _random(i, rows, np.random.default_rng(SEED)) for i in inputs}
            for rows in (batch, _another(batch, batches))
        )
        name = f"{path.stem}, batch {batch}" if free else path.stem
        yield Case(name, model, feeds, other if free else None, table=table)


def _another(batch: int, batches: Sequence[int]) -> int:
    """Another batch size, one of `batches` where there are several."""
    return next((other for other in batches if other != batch), batch + 1)


def _random(declared: ValueInfo, batch: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    if declared.dtype is None or declared.shape is None or declared.kind != "tensor":
        raise BenchError(
            f"input {declared.name}: no tensor type and rank declared, so no input can be generated"
        )
    sizes = [d if isinstance(d, int) and d > 0 else None for d in declared.shape]
    if None in sizes:
        sizes[sizes.index(None)] = batch
    shape = [1 if size is None else size for size in sizes]
    if declared.dtype.name == "string":
        return rng.choice(np.array(["a", "b", "c"], dtype=object), size=shape)
    if declared.dtype.is_float:
        return rng.standard_normal(shape).astype(declared.dtype.numpy)
    return rng.integers(0, 2, size=shape).astype(declared.dtype.numpy)


def tabular(batches: Sequence[int], wanted: Callable[[str], bool]) -> Iterator[Case]:
    """Linear, forest, gradient boosting three times, MLP: fitted here to the same made-up data."""
    names = {n: [b for b in batches if wanted(f"{n}, batch {b}")] for n in _TABULAR}
    if not any(names.values()):
        return
    try:
        import skl2onnx  # noqa: F401
        from sklearn.datasets import make_classification
    except ImportError as error:
        raise BenchError(
            "the tabular cases train models: `pip install scikit-learn skl2onnx`, "
            "use --nets, or name an ONNX file"
        ) from error
    X, y = make_classification(4000, FEATURES, n_informative=12, random_state=SEED)
    X = X.astype(np.float32)
    for name, chosen in names.items():
        if not chosen:
            continue
        try:
            model, input_name = _TABULAR[name](X, y)
        except ImportError as error:
            _leave_out(name, error)
            continue
        for batch in chosen:
            feeds, other = (
                {input_name: X[np.arange(rows) % len(X)]}
                for rows in (batch, _another(batch, batches))
            )
            yield Case(f"{name}, batch {batch}", model, feeds, other, table=True)


def nets(wanted: Callable[[str], bool]) -> Iterator[Case]:
    """Networks for images, text and bytes."""
    for name, make in networks().items():
        if not wanted(name):
            continue
        try:
            model, feeds, other = make()
            if other is None:
                twice = {name: np.concatenate([value, value]) for name, value in feeds.items()}
                yield Case(name, model, feeds, twice, free=of_any_batch(model))
            else:
                yield Case(name, model, feeds, other)
        except (BenchError, ImportError) as error:
            _leave_out(name, error)


def _leave_out(name: str, error: Exception) -> None:
    print(f"  leaving out {name}: {error}", file=sys.stderr)


def _sklearn(estimator: Any) -> tuple[bytes, str]:
    from strandline.bundle.export import to_onnx

    return to_onnx(estimator, np.zeros((1, FEATURES), np.float32), options={"zipmap": False}), "X"


def _logistic_regression(X: Any, y: Any) -> tuple[bytes, str]:
    from sklearn.linear_model import LogisticRegression

    return _sklearn(LogisticRegression(max_iter=500).fit(X, y))


def _random_forest(X: Any, y: Any) -> tuple[bytes, str]:
    from sklearn.ensemble import RandomForestClassifier

    return _sklearn(RandomForestClassifier(100, random_state=SEED).fit(X, y))


def _hist_gradient_boosting(X: Any, y: Any) -> tuple[bytes, str]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return _sklearn(HistGradientBoostingClassifier(random_state=SEED).fit(X, y))


def _mlp(X: Any, y: Any) -> tuple[bytes, str]:
    from sklearn.neural_network import MLPClassifier

    return _sklearn(
        MLPClassifier((128, 64), early_stopping=True, max_iter=60, random_state=SEED).fit(X, y)
    )


def _lightgbm(X: Any, y: Any) -> tuple[bytes, str]:
    from lightgbm import LGBMClassifier
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    fitted = LGBMClassifier(n_estimators=100, random_state=SEED, verbose=-1, n_jobs=1).fit(X, y)
    kind = [("X", FloatTensorType([None, FEATURES]))]
    return convert_lightgbm(fitted, initial_types=kind, zipmap=False).SerializeToString(), "X"


def _xgboost(X: Any, y: Any) -> tuple[bytes, str]:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from xgboost import XGBClassifier

    fitted = XGBClassifier(n_estimators=100, random_state=SEED, n_jobs=1).fit(X, y)
    kind = [("X", FloatTensorType([None, FEATURES]))]
    return convert_xgboost(fitted, initial_types=kind).SerializeToString(), "X"


_TABULAR: Mapping[str, Callable[[Any, Any], tuple[bytes, str]]] = {
    "logistic regression": _logistic_regression,
    "random forest, 100 trees": _random_forest,
    "histogram gradient boosting": _hist_gradient_boosting,
    "LightGBM": _lightgbm,
    "XGBoost": _xgboost,
    "MLP": _mlp,
}
