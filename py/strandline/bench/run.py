"""`strandline bench`: check that the runners agree on each case, then time them in turns."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strandline.bench import life, products
from strandline.bench.browser import InBrowser, Runtime, chromium, open_page, write_case
from strandline.bench.cases import TABLE_BATCHES, Case, from_file, nets, tabular
from strandline.bench.device import Device
from strandline.bench.errors import BenchError
from strandline.bench.host import static_host
from strandline.bench.measure import Runner, interleave
from strandline.bench.native import Native, OnnxRuntime
from strandline.bench.results import (
    PEER,
    RUNNERS,
    CaseResult,
    ColdStart,
    Products,
    machine,
    to_json,
)
from strandline.bench.tables import document, markdown

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ASSETS = Path(__file__).parent.parent / "bundle" / "assets"
NPM_PEER = Path(__file__).parents[3] / "web" / "node_modules" / "onnxruntime-web" / "dist"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `strandline bench`."""
    parser.add_argument(
        "models", nargs="*", type=Path, metavar="model.onnx", help="default: built-in cases"
    )
    parser.add_argument(
        "--batch",
        type=_sizes,
        metavar="N,N",
        help="batch sizes (default: 1,1000 of tables, 1 of other inputs)",
    )
    parser.add_argument(
        "--shape",
        type=_shape,
        action="append",
        default=[],
        metavar="INPUT=N,N",
        help="the shape of an input of model.onnx (may be given several times)",
    )
    parser.add_argument(
        "--case",
        action="append",
        metavar="TEXT",
        help="only cases whose name contains this text (may be given several times)",
    )
    parser.add_argument("--nets", action="store_true", help="of the built-in cases the networks")
    parser.add_argument("--tabular", action="store_true", help="of the built-in cases the tables")
    parser.add_argument(
        "--products", action="store_true", help="of the built-in cases the matrix products"
    )
    parser.add_argument(
        "--drift", action="store_true", help="time profiles and comparisons instead of models"
    )
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="of --drift (default: %(default)s)"
    )
    parser.add_argument("--columns", type=int, default=20, help="of --drift (default: %(default)s)")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME[=PYTHON]",
        help="with --drift: another library, and an interpreter that has it (default: scipy, here)",
    )
    parser.add_argument(
        "--autotune",
        action="store_true",
        help="time natively what measuring kernels gains over choosing them by policy",
    )
    parser.add_argument(
        "--rounds", type=int, default=9, help="interleaved rounds (default: %(default)s)"
    )
    parser.add_argument("--native-only", action="store_true", help="leave the browser out")
    parser.add_argument(
        "--cold",
        type=int,
        default=5,
        metavar="VISITS",
        help="cold starts, 0 for none (default: %(default)s)",
    )
    parser.add_argument(
        "--life",
        type=int,
        default=5,
        metavar="SESSIONS",
        help="sessions per model and runtime whose life is measured, 0 for none (default: %(default)s)",
    )
    parser.add_argument(
        "--peer-web",
        type=Path,
        default=NPM_PEER,
        metavar="DIR",
        help="dist folder of npm's onnxruntime-web",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table (it is printed as well)"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the picture")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: 0, or 2 with one line on stderr when the benchmark can't run as asked."""
    parser = argparse.ArgumentParser("strandline bench", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """Run the benchmark that the parsed options describe."""
    if args.drift:
        return _drift(args)
    if args.autotune:
        return _autotune(args)
    try:
        result = _measure(args)
    except (BenchError, FileNotFoundError) as error:
        print(f"strandline bench: {error}", file=sys.stderr)
        return 2
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    if args.markdown:
        picture = os.path.relpath(args.svg, args.markdown.parent) if args.svg else None
        args.markdown.write_text(document(result, picture))
    if args.svg and result["cases"]:
        from strandline.bench.plot import svg

        svg(result, args.svg)
    print(markdown(result))
    return 0


def _drift(args: argparse.Namespace) -> int:
    from strandline.bench import drift

    named = (peer.partition("=") for peer in args.peer or ["scipy"])
    peers = {name: python or sys.executable for name, _, python in named}
    try:
        result = drift.measure(
            args.rows, args.columns, args.rounds, peers, browser=not args.native_only
        )
    except BenchError as error:
        print(f"strandline bench: {error}", file=sys.stderr)
        return 2
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    text = drift.markdown(result)
    if args.markdown:
        args.markdown.write_text(f"# Drift benchmarks\n\n{text}")
    print(text, end="")
    return 0


def _autotune(args: argparse.Namespace) -> int:
    from strandline.bench import tuned

    cases = _cases(args)
    text = tuned.markdown(tuned.measure(cases, args.rounds))
    if args.markdown:
        args.markdown.write_text(f"# Choices by measuring\n\n{text}")
    print(text, end="")
    return 0


def _progress(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _measure(args: argparse.Namespace) -> dict[str, Any]:
    cases = list(_cases(args))
    with_products = _wants_products(args)
    if not cases and not with_products:
        raise BenchError(f"no case's name contains {' or '.join(map(repr, args.case or ['']))}")
    command = "strandline bench " + " ".join(sys.argv[2:])
    about = machine()
    cold: list[ColdStart] = []
    if args.native_only:
        results = [_case(case, [], args.rounds, lambda _: {}) for case in cases]
        measured = _products([], None, args.rounds, lambda _: {}) if with_products else None
        return to_json(results, cold, command, about, measured)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        (root / "cases").mkdir()
        mounts = _mounts(root, args.peer_web)
        origin, sent = stack.enter_context(static_host(mounts))
        browser = stack.enter_context(chromium())
        about["versions"]["chromium"] = browser.version
        runtimes = _runtimes(origin, has_peer="ort" in mounts)
        runners = _boot(browser, origin, about, runtimes)

        def write(case: Case) -> Any:
            folder = root / "cases" / _slug(case.name)
            return write_case(folder, case.model, case.feeds, case.other, case.free)

        results = [_case(case, runners, args.rounds, write) for case in cases]
        measured = None
        if with_products:
            numpy = _boot_numpy(runners, origin)
            measured = _products(runners, numpy, args.rounds, write)
        lives: list[life.Lives] = []
        if args.life:
            lasting = [runtime for runtime in runtimes if runtime.name != "simd128"]
            boot = partial(_boot, browser, origin, about, lasting)
            device = partial(Device(browser, origin).measure, lasting)
            lives = life.measure(cases, boot, device, write, args.life, _progress)
        if args.cold:
            cold = _cold(browser, root, origin, sent, args.cold)
    return to_json(results, cold, command.strip(), about, measured, lives)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in text.split(","))
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} has a size below 1")
    return sizes


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, found, sizes = text.rpartition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not like INPUT=1,3,224,224")
    return name, _sizes(sizes)


def _cases(args: argparse.Namespace) -> Iterator[Case]:
    def wanted(name: str) -> bool:
        return any(text in name for text in args.case or [""])

    for path in args.models:
        found = from_file(path, args.batch, dict(args.shape))
        yield from (case for case in found if wanted(case.name))
    chosen = args.tabular or args.nets or args.products
    if not args.models and (args.tabular or not chosen):
        yield from tabular(args.batch or TABLE_BATCHES, wanted)
    if not args.models and (args.nets or not chosen):
        yield from nets(wanted)


def _wants_products(args: argparse.Namespace) -> bool:
    everything = not (args.models or args.case or args.tabular or args.nets)
    return bool(args.products or everything)


def _products(
    in_browser: Sequence[InBrowser],
    numpy: InBrowser | None,
    rounds: int,
    write: Callable[[Case], Any],
) -> Products:
    """Matrix products beside the machine's peak and NumPy in Pyodide."""
    ours = [runner for runner in in_browser if runner.name in ("simd128", "relaxed")]
    peak = products.peak(ours, 9 * rounds)
    measured = []
    for size in products.SIZES:
        case = products.case(*size)
        _progress(case.name)
        live: list[Runner] = [Native(case.model, case.feeds), OnnxRuntime(case.model, case.feeds)]
        spec = write(case)
        for runner in in_browser:
            runner.open(spec)
            live.append(runner)
        seconds = products.fastest(live, 3 * rounds)
        for runner in in_browser:
            runner.close()
        if numpy is not None:
            seconds["numpy"] = products.numpys(numpy, size)
        measured.append(products.measure(size, seconds))
    return Products(peak, measured)


def _boot_numpy(runners: Sequence[InBrowser], origin: str) -> InBrowser | None:
    """A worker that has NumPy beside one of our builds; None without its wheel."""
    wheels = [next((ASSETS / "wheels").glob(f"{n}-*.whl"), None) for n in ("strandline", "numpy")]
    if not runners or None in wheels:
        return None
    _progress("booting Pyodide with NumPy")
    wheel, numpy = (f"{origin}wheels/{path.name}" for path in wheels if path)
    runner = InBrowser("numpy", runners[0].page)
    runner.boot("strandline", {"pyodide": f"{origin}pyodide/", "wheel": wheel, "numpy": numpy})
    return runner


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def _mounts(root: Path, peer: Path) -> dict[str, Path]:
    for needed in ("pyodide", "wheels", "web"):
        if not (ASSETS / needed).is_dir():
            raise BenchError(
                "the browser's side is not part of this installation: `make assets` in a checkout, "
                "install a release wheel, or use --native-only"
            )
    mounts = {
        "": root,
        "bench": ASSETS / "web",
        "cases": root / "cases",
    }
    mounts |= {"pyodide": ASSETS / "pyodide", "wheels": ASSETS / "wheels"}
    if peer.is_dir():
        mounts["ort"] = peer
    else:
        _progress(
            f"no onnxruntime-web at {peer} (`npm ci` in web/, or --peer-web DIR): going on without"
        )
    return mounts


BUILDS = (
    ("simd128", "simd128", "python"),
    ("relaxed", "relaxed", "python"),
    ("relaxed", "prepared", "js"),
)
"""The wheel, the runner that it makes, and the language that calls it."""


def _runtimes(origin: str, *, has_peer: bool) -> list[Runtime]:
    """Our builds that are there, and the peer."""
    runtimes = []
    for tag, name, language in BUILDS:
        wheel = next((ASSETS / "wheels").glob(f"strandline-*{tag}*.whl"), None)
        if wheel is not None:
            urls = {"pyodide": f"{origin}pyodide/", "wheel": f"{origin}wheels/{wheel.name}"}
            runtimes.append(Runtime(name, "strandline", {**urls, "from": language}))
    if has_peer:
        runtimes.append(Runtime(PEER, "peer", {"ort": f"{origin}ort/ort.wasm.min.mjs"}))
    return runtimes


def _boot(
    browser: Browser, origin: str, about: dict[str, Any], runtimes: Sequence[Runtime]
) -> list[InBrowser]:
    """Every runtime in a worker of one page."""
    page = open_page(browser, origin)
    runners = []
    for runtime in runtimes:
        _progress(f"booting {RUNNERS[runtime.name]}")
        runner = InBrowser(runtime.name, page)
        said = runner.boot(runtime.kind, runtime.options)
        if runtime.name == PEER:
            about["versions"][PEER] = said
        runners.append(runner)
    return runners


def _case(
    case: Case,
    in_browser: Sequence[InBrowser],
    rounds: int,
    write: Callable[[Case], Any],
) -> CaseResult:
    _progress(case.name)
    oracle = OnnxRuntime(case.model, case.feeds)
    ours = Native(case.model, case.feeds)
    created = {r.name: r.created for r in (oracle, ours)}
    spec = write(case)
    live: list[Runner] = [ours, oracle]
    first = {r.name: r.time(1) for r in live}
    failed: dict[str, str] = {}
    for runner in in_browser:
        try:
            created[runner.name] = runner.open(spec)
            first[runner.name] = runner.time(1)
        except Exception as error:
            failed[runner.name] = _reason(error)
            continue
        live.append(runner)
    timings = interleave(live, first, rounds=rounds)
    expected, tolerance, difference = oracle.outputs(), case.tolerance, {}
    for each in [runner for runner in live if runner is not oracle]:
        try:
            difference[each.name] = _difference(expected, each.outputs(), tolerance)
        except ValueError as error:
            failed[each.name] = str(error)
    for runner in in_browser:
        runner.close()
    return CaseResult(
        case.name,
        {n: t for n, t in timings.items() if n not in failed},
        created,
        difference,
        failed,
    )


def _reason(error: Exception) -> str:
    lines = [
        line
        for line in str(error).splitlines()
        if line.strip() and not line.lstrip().startswith("at ")
    ]
    return lines[-1] if lines else type(error).__name__


def _flat(value: Any) -> np.ndarray[Any, Any]:
    """An output as a flat array; a ZipMap's list of dicts becomes its scores row by row."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return np.array([score for row in value for score in row.values()])
    return np.asarray(value).ravel()


def _difference(expected: Sequence[Any], got: Sequence[Any], tolerance: float) -> float:
    """Largest deviation relative to the output's magnitude; ValueError where labels differ, or it is too
    large."""
    worst = 0.0
    for want, have in zip(map(_flat, expected), map(_flat, got), strict=True):
        if want.dtype.kind not in "fc":
            unequal = int(np.sum(want.astype(str) != have.astype(want.dtype).astype(str)))
            if unequal:
                raise ValueError(
                    f"{unequal} of {want.size} integers or labels differ from onnxruntime's"
                )
            continue
        scale = float(np.max(np.abs(want), initial=0.0)) or 1.0
        worst = max(worst, float(np.max(np.abs(want - have), initial=0.0)) / scale)
        if not worst < tolerance:
            raise ValueError(f"outputs deviate by {worst:.2e} from onnxruntime's")
    return worst


def _cold(
    browser: Browser, root: Path, origin: str, sent: list[str], visits: int
) -> list[ColdStart]:
    from strandline.bench import cold

    _progress(f"cold start, {visits} visits each")
    return cold.measure(browser, origin, sent, cold.write_pages(root), visits)
