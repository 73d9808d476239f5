"""`Session`: a model that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from strandline.onnx import read
from strandline.onnx.graph import Graph, ValueInfo
from strandline.runtime import feeds as feeding
from strandline.runtime.reference import Interpreter


class Session:
    """A model, ready to run.

    `model` is the bytes of an `.onnx` file or its path. The backend "core" compiles a plan per set
    of input shapes and runs it in the C core; "reference" computes node by node in NumPy, slowly
    and plainly.

    Raises ModelError when the model is damaged, UnsupportedOperator when it uses what this version
    does not know.
    """

    def __init__(
        self, model: bytes | str | Path, *, backend: Literal["core", "reference"] = "core"
    ) -> None:
        if isinstance(model, str | Path):
            path = Path(model)
            self.graph: Graph = read(path.read_bytes(), base_dir=path.parent)
        else:
            self.graph = read(model)
        if backend not in ("core", "reference"):
            raise ValueError(f"no backend '{backend}': use 'core' or 'reference'")
        self._interpreter = Interpreter(self.graph)

    @property
    def inputs(self) -> tuple[ValueInfo, ...]:
        return self.graph.inputs

    @property
    def outputs(self) -> tuple[ValueInfo, ...]:
        return self.graph.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.graph.metadata

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, Any]:
        """Predict: input name -> value in, output name -> array out, in the model's order or that
        of `outputs`.

        Raises FeedError when the feeds do not fit the model's inputs.
        """
        feeding.check_names(self.inputs, feeds)
        arrays = [feeding.as_array(info, feeds[info.name]) for info in self.inputs]
        results = self._interpreter.run(arrays)
        named = dict(zip((info.name for info in self.outputs), results, strict=True))
        return named if outputs is None else feeding.select(named, outputs)
