"""The benchmark's picture: one panel of bars per case, time per call on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strandline.bench.results import RUNNERS, duration

COLOURS = {
    "native": "#1f6f78",
    "onnxruntime": "#8fb8bd",
    "simd128": "#e0a458",
    "relaxed": "#c8553d",
    "onnxruntime-web": "#b9a99a",
}


def svg(result: Mapping[str, Any], path: Path) -> None:
    """Write the picture of a result (see `results.to_json`) to `path`."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "strandline", "font.size": 9, "axes.spines.right": False}
    )
    from matplotlib import pyplot

    cases = result["cases"]
    runners = [r for r in RUNNERS if any(r in c["runners"] for c in cases)]
    height = 0.8 / len(runners)
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.17 * len(cases) * (len(runners) + 1)))
    for offset, runner in enumerate(runners):
        rows = [(i, c["runners"][runner]) for i, c in enumerate(cases) if runner in c["runners"]]
        medians = [t["median"] for _, t in rows]
        axes.barh(
            [i + (offset + 0.5) * height - 0.4 for i, _ in rows],
            medians,
            height=height,
            color=COLOURS[runner],
            label=RUNNERS[runner],
            xerr=[
                [t["median"] - t["q1"] for _, t in rows],
                [t["q3"] - t["median"] for _, t in rows],
            ],
            error_kw={"elinewidth": 0.8},
        )
        for i, timing in rows:
            axes.annotate(
                duration(timing["median"]),
                (timing["q3"], i + (offset + 0.5) * height - 0.4),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
    axes.set_xscale("log")
    axes.margins(y=0.01)
    axes.set_yticks(range(len(cases)), [c["name"] for c in cases])
    axes.invert_yaxis()
    axes.set_xlabel("seconds per call, median and quartiles (shorter is better)")
    axes.spines["top"].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=len(runners), frameon=False)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
