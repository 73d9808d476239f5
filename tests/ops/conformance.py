"""`python -m tests.ops.conformance`: run the official suite and write docs/conformance.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx.defs

from strandline.bench.browser import chromium as open_chromium
from strandline.compiler.expand import expansions
from strandline.compiler.expand.registry import MICROSOFT
from strandline.compiler.lower import rule_for
from strandline.onnx.graph import Node
from strandline.ops import supported
from tests.ops import chromium, suite

ROOT = Path(__file__).parents[2]

INTRODUCTION = """\
The official backend suite of onnx {version}, run by `{command}`. `reference` computes every operator in
NumPy; `core` compiles plans for the C core and leaves to NumPy what has no kernel; in Chromium it does so in
Pyodide. `make test` holds these counts: a case that fails and is not excluded below fails the build, and so
does one that is excluded and passes. The peers answer the same cases, judged by the same rules: right types,
right shapes, values within the suite's tolerances; what they refuse has failed, and so has, in onnxruntime-web,
an input that is no tensor of a type with a JavaScript array."""
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
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(case.model, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    for inputs, outputs in case.data:
        feeds = {n: _plain(v) for n, v in zip(names, inputs, strict=False)}
        got = session.run(None, feeds)
        suite.check(case, _narrowed(got, outputs), outputs)


def _narrowed(got: Sequence[Any], wanted: Sequence[Any]) -> list[Any]:
    """onnxruntime's outputs, those of types that NumPy lacks as this suite writes them."""
    return [_narrow(value, suite.ours(want)) for value, want in zip(got, wanted, strict=True)]


def _narrow(value: Any, want: Any) -> Any:
    narrow = isinstance(want, np.ndarray) and want.dtype.names
    return suite.as_narrow(np.asarray(value), want.dtype.names[0]) if narrow else value


def _plain(value: Any) -> Any:
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return value


def in_chromium(peer: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Outcomes by case of each runner that lives in a browser."""
    cases = suite.cases()
    with open_chromium() as browser:
        answers = zip(cases, chromium.ours(browser, cases), strict=True)
        yield "`core` in Chromium", {case.name: _judged(case, answer) for case, answer in answers}
        if peer:
            answers = zip(cases, chromium.peer(browser, cases), strict=True)
            yield (
                "onnxruntime-web",
                {case.name: _peer_judged(case, answer) for case, answer in answers},
            )


def _judged(case: suite.Case, answer: chromium.Answer) -> str:
    if suite.exclusion(case.name, "chromium") is not None:
        return "excluded"
    return "failed" if suite.attempt(lambda: chromium.check(case, answer)) else "passed"


def _peer_judged(case: suite.Case, answer: chromium.Answer) -> str:
    if isinstance(answer, str):
        return "failed"
    narrowed = [
        _narrowed(got, outputs) for got, (_, outputs) in zip(answer, case.data, strict=True)
    ]
    return "failed" if suite.attempt(lambda: chromium.check(case, narrowed)) else "passed"


def native(peer: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Outcomes by case of each native runner."""
    for backend in suite.BACKENDS:
        yield f"`{backend}`", {case.name: outcome(case, backend) for case in suite.cases()}
    if peer:
        yield "native onnxruntime", {case.name: peer_outcome(case) for case in suite.cases()}


def score(columns: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The table of passed cases from outcomes by runner and case."""
    yield f"| cases | {' | '.join(columns)} |"
    yield f"|---|{'---:|' * len(columns)}"
    counts = {
        column: Counter((case.kind, outcomes[case.name]) for case in suite.cases())
        for column, outcomes in columns.items()
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
        where = "all" if entry.backends == suite.PLACES else ", ".join(entry.backends)
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


def expanded() -> Iterator[str]:
    """The operators of onnxruntime's own domain that are here."""
    names = {name for domain, name in (*expansions(), *supported()) if domain == MICROSOFT}
    yield (
        f"Of onnxruntime's domain `{MICROSOFT}` these {len(names)} are expanded into the operators above "
        "(`compiler/expand/`), and tested against onnxruntime: "
        f"{', '.join(f'`{name}`' for name in sorted(names))}."
    )


def page(columns: Mapping[str, Mapping[str, str]], command: str) -> str:
    """docs/conformance.md."""
    lines = [
        "# Conformance",
        "",
        INTRODUCTION.format(version=onnx.__version__, command=command),
        "",
        *score(columns),
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
        "",
        *expanded(),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", action="store_true", help="run onnxruntime as well")
    parser.add_argument("--browser", action="store_true", help="run in Chromium as well")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/conformance.md")
    arguments = parser.parse_args()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    columns = dict(native(arguments.peer))
    if arguments.browser:
        columns |= in_chromium(arguments.peer)
    options = "".join(f" --{o}" for o in ("peer", "browser") if getattr(arguments, o))
    text = page(columns, f"python -m tests.ops.conformance{options}")
    arguments.output.write_text(text, encoding="utf-8")
    print(f"wrote {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
