"""`python -m tests.ops.conformance`: run the official suite and write docs/conformance.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx.defs

from strandline.compiler.lower import rule_for
from strandline.onnx.graph import Node
from strandline.ops import supported
from tests.ops import suite

ROOT = Path(__file__).parents[2]
TRAINING = "ai.onnx.preview.training"


def outcome(case: suite.Case, backend: str) -> str:
    """`passed`, `failed` or `excluded` (the reason is in excluded.toml)."""
    if suite.exclusion(case.name, backend) is not None:
        return "excluded"
    return "failed" if suite.attempt(lambda: suite.run(case, backend)) else "passed"


def peer_outcome(case: suite.Case) -> str:
    """The same case in native onnxruntime: what it does not take or gets wrong has failed."""
    return "failed" if suite.attempt(lambda: run_in_onnxruntime(case)) else "passed"


def run_in_onnxruntime(case: suite.Case) -> None:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(case.model, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    for inputs, outputs in case.data:
        feeds = {n: _plain(v) for n, v in zip(names, inputs, strict=False)}
        got = session.run(None, feeds)
        for value, want in zip(got, outputs, strict=True):
            wanted = suite.ours(want)
            if isinstance(wanted, np.ndarray) and wanted.dtype.names:
                value = suite.as_narrow(np.asarray(value), wanted.dtype.names[0])
            suite.compare(value, wanted, case, "")


def _plain(value: Any) -> Any:
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return value


def score(peer: bool) -> Iterator[str]:
    """The table of passed cases."""
    columns = {
        **{f"`{b}`": lambda case, b=b: outcome(case, b) for b in suite.BACKENDS},
        **({"native onnxruntime": peer_outcome} if peer else {}),
    }
    yield f"| cases | {' | '.join(columns)} |"
    yield f"|---|{'---:|' * len(columns)}"
    counts = {
        column: Counter((case.kind, judge(case)) for case in suite.cases())
        for column, judge in columns.items()
    }
    totals = Counter(case.kind for case in suite.cases())
    for kind in suite.KINDS:
        cells = [f"{c[kind, 'passed']:,}" for c in counts.values()]
        yield f"| {kind}: {totals[kind]:,} | {' | '.join(cells)} |"
    cells = [f"**{sum(c[k, 'passed'] for k in suite.KINDS):,}**" for c in counts.values()]
    yield f"| **all: {totals.total():,}** | {' | '.join(cells)} |"


def excluded() -> Iterator[str]:
    """What is not expected to pass, and why."""
    yield "| cases | backends | why |"
    yield "|---|---|---|"
    names = [case.name for case in suite.cases()]
    for entry in suite.exclusions():
        count = sum(bool(entry.cases.fullmatch(name)) for name in names)
        where = "all" if entry.backends == suite.BACKENDS else ", ".join(entry.backends)
        checked = " Types and shapes are checked." if entry.check == "types" else ""
        pattern = entry.cases.pattern.replace("|", "\\|")
        yield f"| {count}: `{pattern}` | {where} | {entry.reason}{checked} |"


def operators() -> Iterator[str]:
    """Every operator of the standard, and what there is for it here."""
    schemas = {(s.domain, s.name) for s in onnx.defs.get_all_schemas() if not s.deprecated}
    table = supported()
    yield "| domain | in the standard | here | with a shape rule | with a kernel | missing |"
    yield "|---|---:|---:|---:|---:|---|"
    for domain in sorted({d for d, _ in schemas}):
        names = sorted(n for d, n in schemas if d == domain)
        here = [n for n in names if (domain, n) in table]
        shaped = [n for n in here if table[domain, n][0].shape is not None]
        kernels = [n for n in here if rule_for(Node(n, (), (), domain=domain))]
        missing = ", ".join(f"`{n}`" for n in names if n not in here) or "none"
        yield (
            f"| `{domain or 'ai.onnx'}` | {len(names)} | {len(here)} | {len(shaped)} "
            f"| {len(kernels)} | {missing} |"
        )


def page(peer: bool) -> str:
    """docs/conformance.md."""
    lines = [
        "# Conformance",
        "",
        (
            f"The official backend suite of onnx {onnx.__version__}, run natively by "
            "`python -m tests.ops.conformance`. `reference` computes every operator in NumPy; `core` compiles "
            "plans for the C core and leaves to NumPy what has no kernel. `make test` holds these counts: a "
            "case that fails and is not excluded below fails the build, and so does one that is excluded and passes."
        ),
        "",
        *score(peer),
        "",
        "## Excluded",
        "",
        *excluded(),
        "",
        "## Operators",
        "",
        *operators(),
        "",
        (
            "An operator without a shape rule has outputs whose shape depends on values: a plan is cut there "
            "and goes on when they are known. One without a kernel runs in NumPy."
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", action="store_true", help="run native onnxruntime as well")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/conformance.md")
    arguments = parser.parse_args()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    arguments.output.write_text(page(arguments.peer), encoding="utf-8")
    print(f"wrote {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
