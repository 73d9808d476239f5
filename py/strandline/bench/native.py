"""The two native runners: this engine, and onnxruntime on one thread."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from strandline.compiler.tuning import Tuning
from strandline.runtime import Session

Feeds = Mapping[str, "np.ndarray[Any, Any]"]


class Native:
    """Strandline in this interpreter."""

    name = "native"

    def __init__(self, model: bytes, feeds: Feeds, *, autotune: Tuning | bool = False) -> None:
        started = perf_counter()
        self._session = Session(model, autotune=autotune)
        self.created = perf_counter() - started
        self._feeds = feeds

    def outputs(self) -> Sequence[Any]:
        return list(self._session.run(self._feeds).values())

    def time(self, calls: int) -> float:
        run, feeds = self._session.run, self._feeds
        started = perf_counter()
        for _ in range(calls):
            run(feeds)
        return perf_counter() - started


class OnnxRuntime:
    """onnxruntime's CPU provider, one thread, all its graph optimisations."""

    name = "onnxruntime"

    def __init__(self, model: bytes, feeds: Feeds) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        started = perf_counter()
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.created = perf_counter() - started
        self._feeds = dict(feeds)

    def outputs(self) -> Sequence[Any]:
        return list(self._session.run(None, self._feeds))

    def time(self, calls: int) -> float:
        run, feeds = self._session.run, self._feeds
        started = perf_counter()
        for _ in range(calls):
            run(None, feeds)
        return perf_counter() - started
