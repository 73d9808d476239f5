"""The benchmark's result as a page: tables in Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from strandline.bench.results import PEER, RUNNERS


def duration(seconds: float) -> str:
    """Three significant digits with the unit people use."""
    units = ((1, "s"), (1e3, "ms"), (1e6, "µs"))
    scale, unit = next((u for u in units if seconds * u[0] >= 1), units[-1])
    value = seconds * scale
    return f"{value:.{max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0}f} {unit}"


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(statistics.fmean(math.log(v) for v in values))


def measured_on(machine: Mapping[str, Any], cores: str = "cores") -> str:
    """The sentence that says what the figures were measured on."""
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    return f"{machine['cpu']}, {machine['cores']} {cores}; {versions}."


INTRODUCTION = """# Benchmarks

Every runner computes the same outputs from the same inputs, one thread each. They take turns within
one run, so that a slow moment of the machine hits all of them: compare columns, not runs.

*WASM* is this engine in Pyodide, called from Python in the worker that holds it, in two builds of the
same sources; *from JS* are prepared calls from JavaScript in that worker, typed arrays in and out;
*onnxruntime-web* is npm's WASM build in the same browser, called from JavaScript in its
worker. *native* is this engine in CPython, *native onnxruntime* its CPU provider.

Profiles and drift tests, beside other libraries: [drift-benchmarks.md](drift-benchmarks.md).
"""


def document(result: Mapping[str, Any], picture: str | None = None) -> str:
    """`docs/benchmarks.md`: what is compared, the picture, the tables."""
    parts = [INTRODUCTION]
    if picture:
        parts.append(f"![Time per call, by case and runner]({picture})\n")
    return "\n".join([*parts, markdown(result)])


def markdown(result: Mapping[str, Any]) -> str:
    """The tables: time per call and ratios, deviations, cold start."""
    runners = [r for r in RUNNERS if any(r in c["runners"] for c in result["cases"])]
    best = "relaxed" if "relaxed" in runners else "simd128"
    pairs = [
        (best, "native"),
        (best, "onnxruntime-web"),
        ("prepared", "onnxruntime-web"),
        ("native", "onnxruntime"),
    ]
    pairs = [p for p in pairs if set(p) <= set(runners)]
    lines = [
        f"`{result['command']}`",
        "",
        measured_on(result["machine"], "cores, one thread each"),
        "",
        "Median time per call [quartiles over interleaved rounds] (first call).",
        "",
        "| case | " + " | ".join(RUNNERS[r] for r in runners) + " | "
        + " | ".join(f"{RUNNERS[a]} ÷ {RUNNERS[b]}" for a, b in pairs) + " |",
        "|---|" + "---:|" * (len(runners) + len(pairs)),
    ]  # fmt: skip
    for case in result["cases"]:
        cells = [case["name"]]
        for runner in runners:
            timing = case["runners"].get(runner)
            cells.append(
                "{} [{}, {}] ({})".format(
                    *(duration(timing[k]) for k in ("median", "q1", "q3", "first"))
                )
                if timing
                else "–"
            )
        for a, b in pairs:
            ratio = case["ratios"].get(f"{a}/{b}")
            cells.append(f"{ratio:.2f}×" if ratio is not None else "–")
        lines.append("| " + " | ".join(cells) + " |")
    means = []
    for a, b in pairs if result["cases"] else ():
        ratios = [c["ratios"][f"{a}/{b}"] for c in result["cases"] if f"{a}/{b}" in c["ratios"]]
        means.append(f"**{geometric_mean(ratios):.2f}×**" if ratios else "–")
    lines.append("| geometric mean | " + " | ".join([""] * len(runners) + means) + " |")
    failures = [(c["name"], r, why) for c in result["cases"] for r, why in c["failed"].items()]
    if failures:
        lines += ["", "Did not run:", ""]
        lines += [f"- {name}, {RUNNERS[r]}: {why.splitlines()[0]}" for name, r, why in failures]
    worst = [max(c["difference"].values(), default=0.0) for c in result["cases"]]
    lines += [
        "",
        f"Largest relative deviation from native onnxruntime: {max(worst, default=0):.1e}.",
    ]
    if result.get("life"):
        lines += ["", *life_lines(result["life"])]
    if result.get("products"):
        lines += ["", *_product_lines(result["products"])]
    if result["cold_start"]:
        lines += ["", *_cold_lines(result["cold_start"])]
    return "\n".join(lines) + "\n"


LIFE = """The life of a session: {}.
Every runtime has a worker of its own per model, in which another, small model ran before. *Session* is
its creation from the file's bytes, *first run* beside a later one: medians over sessions made in turns.
*Another shape*: planning for it as a share of one run on it, and again when it comes back; for a model
of one shape only, two of its inputs at once, its first dimension set free. *Memory* is
all WebAssembly memory of the worker at its most, loading and runs included, in MB (before the model
came); the file itself lies in JavaScript's memory besides: for onnxruntime-web until the session is
made, for this engine as long as there is the session, which fetches large weights from there.
*Device* is what the visitor's device spends: the peak resident memory (VmHWM) of a renderer process that
holds the one runtime alone, boot, session and four runs included, less that of the page without it, in
MB: JavaScript's heap, the code as it was fetched and as it was compiled, and those pages of WebAssembly
memory that were ever touched. *Growth*: of WebAssembly memory over the runs named, in MB."""


def life_lines(lives: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of sessions' lives; in a cell the runners' figures in turn."""
    runners = [r for r in RUNNERS if any(r in each["runners"] for each in lives)]
    lines = [
        LIFE.format(" · ".join(RUNNERS[r] for r in runners)),
        "",
        "| model | session | first run | ÷ a later one | another shape | again | memory | device | growth |",
        "|---|" + "---:|" * 8,
    ]
    for each in lives:
        found = [each["runners"].get(r) for r in runners]
        cells = (
            [duration(f["created"]) if f else "–" for f in found],
            [duration(f["first"]) if f else "–" for f in found],
            [f"{f['first'] / f['steady']:.1f}×" if f else "–" for f in found],
            [_share(f, "plan") for f in found],
            [_share(f, "cached") for f in found],
            [f"{f['memory'] / 1e6:.0f} ({f['before'] / 1e6:.0f})" if f else "–" for f in found],
            [f"{f['device'] / 1e6:.0f}" if f and f.get("device") else "–" for f in found],
            [f"{f['grown'] / 1e6:.1f} in {f['runs']}" if f else "–" for f in found],
        )
        lines.append(f"| {each['name']} | " + " | ".join(" · ".join(c) for c in cells) + " |")
    for kind, table in (("networks", False), ("tables", True)):
        of_kind = [each for each in lives if each.get("table", False) is table]
        if of_kind:
            first, ratio = _first_runs(of_kind, runners)
            lines.append(f"| {kind}, geometric mean |  | {first} | {ratio} |  |  |  |  |  |")
    means = [
        _beside_the_peer(lives, runners, key) for key in ("created", "first", "memory", "device")
    ]
    if any(means):
        created, first, memory, device = means
        lines.append(
            f"| ÷ {RUNNERS[PEER]}, geometric mean | {created} | {first} |  |  |  | {memory} | {device} |  |"
        )
    return lines


def _first_runs(lives: Sequence[Mapping[str, Any]], runners: Sequence[str]) -> tuple[str, str]:
    """Each runner's first runs, and how many times as long as later ones they take, as geometric means."""
    times, ratios = [], []
    for runner in runners:
        found = [each["runners"][runner] for each in lives if runner in each["runners"]]
        if not found:
            times.append("–")
            ratios.append("–")
            continue
        first, later = (geometric_mean([f[key] for f in found]) for key in ("first", "steady"))
        times.append(duration(first))
        ratios.append(f"{first / later:.1f}×")
    return f"**{' · '.join(times)}**", f"**{' · '.join(ratios)}**"


def _beside_the_peer(lives: Sequence[Mapping[str, Any]], runners: Sequence[str], key: str) -> str:
    """Each runner's figure over the peer's, as geometric means over the models that both ran."""
    means = []
    for runner in runners:
        pairs = [
            (each["runners"][runner].get(key), each["runners"][PEER].get(key))
            for each in lives
            if runner != PEER and {runner, PEER} <= set(each["runners"])
        ]
        ratios = [ours / theirs for ours, theirs in pairs if ours and theirs]
        if ratios:
            means.append(f"**{geometric_mean(ratios):.2f}×**")
    return " · ".join(means)


def _share(life: Mapping[str, Any] | None, key: str) -> str:
    return f"{life[key] / life['other']:.1%}" if life and life[key] is not None else "–"


PRODUCTS = """Matrix products of float32 in GFLOP/s in the fastest call, and as a share of the first row:
what a loop of multiplications and additions in registers alone reaches in the same build."""


def _product_lines(result: Mapping[str, Any]) -> list[str]:
    """The table of matrix products."""
    peak, products = result["peak"], result["products"]
    names = {**RUNNERS, "numpy": "NumPy in Pyodide"}
    runners = [r for r in names if any(r in p["flops"] for p in products)]
    lines = [
        PRODUCTS + (f" `{result['command']}`" if "command" in result else ""),
        "",
        "| rows × columns × depth | " + " | ".join(names[r] for r in runners) + " |",
        "|---|" + "---:|" * len(runners),
        "| in registers | "
        + " | ".join(f"{peak[r] / 1e9:.1f}" if r in peak else "–" for r in runners)
        + " |",
    ]
    for each in products:
        cells = []
        for runner in runners:
            flops = each["flops"].get(runner)
            share = f" ({flops / peak[runner]:.0%})" if flops and runner in peak else ""
            cells.append(f"{flops / 1e9:.{1 if flops > 1e9 else 2}f}{share}" if flops else "–")
        lines.append(f"| {' × '.join(map(str, each['size']))} | " + " | ".join(cells) + " |")
    means = []
    for runner in runners:
        mean = geometric_mean([p["flops"][runner] for p in products if runner in p["flops"]])
        share = f" ({mean / peak[runner]:.0%})" if runner in peak else ""
        means.append(f"**{mean / 1e9:.{1 if mean > 1e9 else 2}f}{share}**")
    lines.append("| geometric mean | " + " | ".join(means) + " |")
    return [*lines, *_hardware_lines(peak)]


def _hardware_lines(peak: Mapping[str, float]) -> list[str]:
    """How much of WebAssembly's distance from native code the vectors' width explains."""
    builds = [runner for runner in ("relaxed", "simd128") if runner in peak]
    if "native" not in peak or not builds:
        return []
    ratios = " and ".join(
        f"{peak['native'] / peak[runner]:.2f} times the speed of {RUNNERS[runner]}"
        for runner in builds
    )
    return [
        "",
        f"In registers, native code has {ratios}: the width of the vectors, which WebAssembly fixes at 128 bits.",
        f"So much of *{RUNNERS[builds[0]]} ÷ native* above is the hardware's; what is beyond it, the engine's.",
    ]


COLD = "Cold start: navigation to first prediction, cold HTTP cache, bytes until then."


def _cold_lines(visits: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of first visits, and what took their time."""
    lines = [
        COLD,
        "",
        "| model | runtime | median | visits | files | raw | gzip | brotli |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {c['case']} | {c['runner']} | {duration(c['median'])} | {len(c['seconds'])} | {c['files']} | "
        + " | ".join(f"{c[k] / 1e6:.2f} MB" for k in ("raw", "gzip", "brotli"))
        + " |"
        for c in visits
    ]
    lines += ["", "The visits in the middle, in milliseconds from the navigation:", ""]
    lines += [
        f"- {c['case']}, {c['runner']}: "
        + ", ".join(
            f"{phase} {at:.0f}" for phase, at in sorted(c["phases"].items(), key=lambda p: p[1])
        )
        + f", first prediction {1000 * c['median']:.0f}"
        for c in visits
    ]
    return lines
