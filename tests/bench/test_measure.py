"""Interleaving and summaries, with runners whose clock is scripted."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.bench.life import Life, Lives
from strandline.bench.measure import Timing, calls_per_round, interleave
from strandline.bench.results import CaseResult, Product, Products, to_json
from strandline.bench.tables import document, duration, geometric_mean, markdown


class Scripted:
    """Takes `seconds` a call, and remembers whose turn it was."""

    def __init__(self, name: str, seconds: float, log: list[tuple[str, int]]) -> None:
        self.name = name
        self._seconds = seconds
        self._log = log

    def time(self, calls: int) -> float:
        self._log.append((self.name, calls))
        return self._seconds * calls

    def outputs(self) -> list[float]:
        return []


def test_every_round_gives_every_runner_one_turn_of_its_own_length() -> None:
    log: list[tuple[str, int]] = []
    runners = [Scripted("quick", 1e-3, log), Scripted("slow", 0.5, log)]
    timings = interleave(runners, {"quick": 1e-2, "slow": 0.6}, rounds=3, budget=0.1)
    assert log[-6:] == [("quick", 100), ("slow", 1)] * 3
    assert timings["quick"].median == pytest.approx(1e-3)
    assert timings["slow"].median == pytest.approx(0.5)
    assert timings["quick"].first == 1e-2


@given(st.lists(st.floats(1e-6, 10), min_size=2, max_size=40))
def test_quartiles_enclose_the_median(rounds: list[float]) -> None:
    timing = Timing.of(rounds, first=1.0)
    assert min(rounds) <= timing.q1 <= timing.median <= timing.q3 <= max(rounds)
    assert timing.median == pytest.approx(statistics.median(rounds))


@given(st.floats(1e-9, 100))
def test_a_turn_is_at_least_one_call(seconds: float) -> None:
    assert calls_per_round(seconds, 0.1) >= 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.234, "1.23 s"),
        (0.01234, "12.3 ms"),
        (0.000999, "999 µs"),
        (1.5e-6, "1.50 µs"),
        (123.0, "123 s"),
    ],
)
def test_duration_has_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_table_gives_ratios_means_and_failures() -> None:
    def timing(median: float) -> Timing:
        return Timing(median, median * 0.9, median * 1.1, median * 3, (median,))

    cases = [
        CaseResult(
            "a",
            {"native": timing(1e-3), "relaxed": timing(4e-3), "onnxruntime-web": timing(2e-3)},
            {},
            {},
        ),
        CaseResult(
            "b",
            {"native": timing(1e-3), "relaxed": timing(1e-3)},
            {},
            {},
            {"onnxruntime-web": "no kernel"},
        ),
    ]
    about = {"cpu": "a CPU", "cores": 2, "versions": {"python": "3"}}
    result = to_json(cases, [], "strandline bench", about)
    assert result["cases"][0]["ratios"]["relaxed/onnxruntime-web"] == pytest.approx(2)
    table = markdown(result)
    assert document(result, "bench.svg").count("bench.svg") == 1
    assert "4.00×" in table
    assert "**2.00×**" in table, "the geometric mean of 4 and 1"
    assert "- b, onnxruntime-web: no kernel" in table
    assert geometric_mean([4, 1]) == pytest.approx(2)


def life(created: float, memory: int, plan: float | None, device: int | None = None) -> Life:
    return Life(
        created, 3e-3, 1e-3, memory, 10_000_000, 1000, 0, None, plan, plan, 1e-2, device
    )  # fmt: skip


def told(*lives: Lives) -> str:
    about = {"cpu": "a CPU", "cores": 2, "versions": {"python": "3"}}
    return markdown(to_json([], [], "strandline bench", about, None, lives))


def test_a_life_is_told_beside_the_peers() -> None:
    peer = life(1e-3, 20_000_000, None)
    table = told(
        Lives("a", True, {"relaxed": life(2e-3, 40_000_000, 1e-3), "onnxruntime-web": peer}),
        Lives("b", True, {"relaxed": life(8e-3, 40_000_000, 1e-3), "onnxruntime-web": peer}),
        Lives("c", True, {"relaxed": life(1e-3, 40_000_000, None)}),
    )
    assert "| a | 2.00 ms · 1.00 ms | 3.00 ms · 3.00 ms | 3.0× · 3.0× | 10.0% · – |" in table
    assert "| 40 (10) · 20 (10) | – · – | 0.0 in 1000 · 0.0 in 1000 |" in table
    assert "| c | 1.00 ms · – |" in table
    assert "**4.00×**" in table, "the geometric mean of 2 and 8"
    assert "**2.00×** |  |  |" in table, "of the memory; nobody knows the device's"


def test_what_the_device_spends_is_told_beside_the_peers() -> None:
    peer = life(1e-3, 20_000_000, None, 50_000_000)
    table = told(
        Lives("a", False, {"relaxed": life(1e-3, 2_000_000, None, 100_000_000), "onnxruntime-web": peer}),
        Lives("b", False, {"relaxed": life(1e-3, 2_000_000, None, 25_000_000), "onnxruntime-web": peer}),
        Lives("c", False, {"relaxed": life(1e-3, 2_000_000, None), "onnxruntime-web": peer}),
    )  # fmt: skip
    assert "| 100 · 50 | 0.0 in 1000" in table and "| – · 50 | 0.0 in 1000" in table
    assert "| **0.10×** | **1.00×** |  |" in table, "the geometric mean of 2 and 0.5, without c"


def test_first_runs_are_told_apart_for_networks_and_tables() -> None:
    slow, quick = (
        Life(1e-3, first, 1e-3, 1, 1, 1, 0, None) for first in (8e-3, 2e-3)
    )  # fmt: skip
    table = told(
        Lives("net", False, {"relaxed": slow, "onnxruntime-web": quick}),
        Lives("other net", False, {"relaxed": quick}),
        Lives("table", True, {"relaxed": quick}),
    )
    assert "| networks, geometric mean |  | **4.00 ms · 2.00 ms** | **4.0× · 2.0×** |" in table
    assert "| tables, geometric mean |  | **2.00 ms · –** | **2.0× · –** |" in table


def test_the_hardwares_share_is_told_apart() -> None:
    peak = {"native": 120e9, "simd128": 48e9, "relaxed": 60e9}
    sizes = [(1, 2, 3), (4, 5, 6)]
    speeds = [(60e9, 15e9), (30e9, 60e9)]
    products = [
        (size, {"native": native, "relaxed": relaxed})
        for size, (native, relaxed) in zip(sizes, speeds, strict=True)
    ]
    measured = Products(peak, [Product(size, flops) for size, flops in products])
    result = to_json([], [], "strandline bench", {"cpu": "x", "cores": 2, "versions": {}}, measured)
    page = markdown(result)
    assert "| geometric mean | **42.4 (35%)** | **30.0 (50%)** |" in page
    assert "2.00 times the speed of WASM relaxed and 2.50 times the speed of WASM simd128" in page
