"""The official backend suite of the installed onnx: its cases, and how near is near enough."""

from __future__ import annotations

import re
import tomllib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from strandline import Session
from strandline.onnx.types import BY_CODE, BY_NAME
from strandline.ops.narrow import is_narrow, widen

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
BACKENDS = ("reference", "core")
"""of a native `Session`"""
PLACES = (*BACKENDS, "chromium")
"""and the core in Pyodide, in a page"""


@dataclass(frozen=True, slots=True)
class Case:
    """One model with sets of (inputs, expected outputs) in the order of its graph."""

    name: str
    kind: str
    model: bytes
    data: tuple[tuple[Sequence[Any], Sequence[Any]], ...]
    rtol: float
    atol: float


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Cases whose names match `cases` and why they are not expected to pass."""

    cases: re.Pattern[str]
    reason: str
    backends: tuple[str, ...]
    check: str
    """`nothing`: the case must fail. `types`: it must run, and give the right types and shapes."""


@cache
def exclusions() -> tuple[Exclusion, ...]:
    """What tests/ops/excluded.toml lists."""
    entries = tomllib.loads(Path(__file__).with_name("excluded.toml").read_text())["exclude"]
    return tuple(
        Exclusion(
            re.compile(e["cases"]),
            e["reason"],
            tuple(e.get("backends", PLACES)),
            e.get("check", "nothing"),
        )
        for e in entries
    )


def exclusion(case: str, backend: str) -> Exclusion | None:
    """The first entry that covers a case on a backend."""
    covering = (e for e in exclusions() if backend in e.backends and e.cases.fullmatch(case))
    return next(covering, None)


@cache
def cases() -> tuple[Case, ...]:
    """Every case but the `real` models, which tests/models runs with weights that mean something."""
    from onnx.backend.test.case.node import collect_testcases
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators cast infinities
        generated = [
            Case(
                c.name,
                "node",
                c.model.SerializeToString(),
                tuple((tuple(i), tuple(o)) for i, o in c.data_sets),
                c.rtol,
                c.atol,
            )
            for c in collect_testcases(None)
        ]
    stored = [
        _stored(Path(c.model_dir), c.name, kind, c.rtol, c.atol)
        for kind in KINDS[1:]
        for c in load_model_tests(kind=kind)
    ]
    return (*generated, *stored)


def _stored(folder: Path, name: str, kind: str, rtol: float, atol: float) -> Case:
    model = (folder / "model.onnx").read_bytes()
    graph = onnx.load_from_string(model).graph
    held = {i.name for i in graph.initializer}
    fed = [i for i in graph.input if i.name not in held]
    sets = sorted(folder.glob("test_data_set_*"))
    data = tuple((_protos(s, "input", fed), _protos(s, "output", graph.output)) for s in sets)
    return Case(name, kind, model, data, rtol, atol)


def _protos(folder: Path, stem: str, infos: Sequence[Any]) -> tuple[Any, ...]:
    values = []
    for place, info in enumerate(infos):
        data = (folder / f"{stem}_{place}.pb").read_bytes()
        kind = info.type.WhichOneof("value")
        proto = {
            "tensor_type": onnx.TensorProto,
            "sequence_type": onnx.SequenceProto,
            "optional_type": onnx.OptionalProto,
        }[kind].FromString(data)
        if kind == "sequence_type":
            proto = numpy_helper.to_list(proto)
        elif kind == "optional_type":
            proto = numpy_helper.to_optional(proto)
        values.append(proto)
    return tuple(values)


def ours(value: Any) -> Any:
    """A value of the suite as the session takes and gives it."""
    if isinstance(value, list | tuple):
        return [ours(v) for v in value]
    if isinstance(value, onnx.TensorProto):
        code = value.data_type
        return as_narrow(numpy_helper.to_array(value), BY_CODE[code].name)
    if isinstance(value, np.ndarray):
        return as_narrow(value, value.dtype.name)
    return value


def as_narrow(array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    if array.dtype.kind in "UST":
        return array.astype(object)
    if name in BY_NAME and is_narrow(BY_NAME[name]):
        target = BY_NAME[name].numpy
        bits = np.ascontiguousarray(array)
        # Signed ones are kept with their sign extended to the byte; ml_dtypes leaves it out.
        bits = (
            bits.astype(np.int8) if name in ("int4", "int2") else bits.view(f"u{target.itemsize}")
        )
        return bits.view(target).reshape(array.shape)
    return array


def run(case: Case, backend: str, *, values: bool = True) -> None:
    """Run a case; raises whatever goes wrong, AssertionError for a wrong output."""
    session = Session(case.model, backend=backend)
    for inputs, outputs in case.data:
        names = [info.name for info in session.inputs]
        feeds = dict(zip(names, map(ours, inputs), strict=False))
        check(case, list(session.run(feeds).values()), outputs, values=values)


def check(case: Case, got: Sequence[Any], wanted: Sequence[Any], *, values: bool = True) -> None:
    """Compare the outputs for one set of inputs, in order; AssertionError for a wrong one."""
    assert len(got) == len(wanted), f"{len(got)} outputs, not {len(wanted)}"
    for i, (value, want) in enumerate(zip(got, wanted, strict=True)):
        compare(value, ours(want), case, f"output {i}", values)


def compare(got: Any, want: Any, case: Case, name: str, values: bool = True) -> None:
    """Type and shape exactly, values within the case's tolerances (two units of the last place for
    bfloat16)."""
    if isinstance(want, list):
        assert isinstance(got, list) and len(got) == len(want), name
        for one, other in zip(got, want, strict=True):
            compare(one, other, case, name, values)
        return
    if want is None:
        assert got is None, name
        return
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{name}: shape {got.shape}, not {want.shape}"
    assert got.dtype == want.dtype, f"{name}: {got.dtype}, not {want.dtype}"
    if not values:
        return
    if want.dtype == object:
        np.testing.assert_array_equal(got, want, err_msg=name)
        return
    rtol = case.rtol
    if is_narrow(want):
        got, want, rtol = widen(got), widen(want), max(rtol, 2**-6)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=case.atol, err_msg=name)


def attempt(action: Callable[[], None]) -> Exception | None:
    """What `action` raises, if anything."""
    try:
        action()
    except Exception as error:
        return error
    return None
