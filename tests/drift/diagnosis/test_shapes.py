"""Curves beside NumPy's least squares, over the same change-points and periods."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline.drift.diagnosis.shapes import LEAST_RAMP, PARAMETERS, SECOND_HARMONIC, shapes


def rss(design, y, w):
    root = np.sqrt(w)
    found = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
    return float((((design @ found - y) * root) ** 2).sum())


def brute(y, w):
    n = len(y)
    t = np.arange(n)
    one = np.ones(n)

    def design(*columns):
        return np.stack([one, *columns], axis=1)

    def harmonics(f, k):
        waves = [g(2 * np.pi * f * h * t) for h in range(1, k + 1) for g in (np.cos, np.sin)]
        return design(*waves)

    best = {
        "constant": rss(design(), y, w),
        "step": min(rss(design(t >= i), y, w) for i in range(1, n)),
        "interlude": min(
            rss(design((t >= i) & (t < j)), y, w)
            for i in range(1, n - 2)
            for j in range(i + 1, n - 1)
        ),
        "ramp": min(
            rss(design(np.clip((t - i) / (j - i), 0, 1)), y, w)
            for i in range(n - LEAST_RAMP)
            for j in range(i + LEAST_RAMP, n)
        ),
        "cycle": min(rss(harmonics(k / 4 / n, 1), y, w) for k in range(8, 2 * n + 1)),
    }
    return best


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(0.5, 5)), min_size=10, max_size=16),
)
def test_the_best_fit_of_every_curve(pairs):
    y, w = (np.round(np.array(side), 3) for side in zip(*pairs, strict=True))
    w = w * len(w) / w.sum()
    found = {shape.curve: shape for shape in shapes(y.tolist(), w.tolist(), 0.0)}
    for curve, best in brute(y, w).items():
        mine = float(((np.array(found[curve].fitted) - y) ** 2 * w).sum())
        harmonic = len(y) * np.log(max(mine, 1e-9) / len(y)) + np.log(len(y)) * (
            PARAMETERS[curve] + SECOND_HARMONIC
        )
        if curve == "cycle" and found[curve].bic == pytest.approx(harmonic, rel=1e-3):
            assert mine <= best + 1e-6
        else:
            assert mine == pytest.approx(best, rel=1e-4, abs=1e-5)


CURVES = {
    "constant": lambda t: 0 * t + 0.4,
    "step": lambda t: 1.0 * (t >= 13),
    "ramp": lambda t: np.clip((t - 7) / 18, 0, 1),
    "interlude": lambda t: 1.0 * ((t >= 12) & (t < 19)),
    "cycle": lambda t: np.sin(2 * np.pi * t / 7),
}


@pytest.mark.parametrize("noise", [0.01, 0.15])
@pytest.mark.parametrize("curve", CURVES)
def test_takes_the_curve_that_the_series_has(curve, noise):
    rng = np.random.default_rng(1)
    t = np.arange(40)
    for _ in range(5):
        y = CURVES[curve](t) + rng.normal(0, noise, 40)
        best = shapes(y.tolist(), [1.0] * 40, noise**2)[0]
        assert best.curve == curve
        if curve == "step":
            assert best.onset == 13
        if curve == "interlude":
            assert (best.onset, best.end) == (12, 19)
        if curve == "cycle":
            assert best.period == pytest.approx(7, abs=0.3)


def test_a_square_wave_and_a_weekend_are_cycles():
    t = np.arange(42)
    noise = np.random.default_rng(2).normal(0, 0.05, 42)
    for y, period in ((1.0 * (t % 12 < 6), 12), (1.0 * (t % 7 >= 5), 7)):
        best = shapes((y + noise).tolist(), [1.0] * 42, 0.0025)[0]
        assert (best.curve, round(best.period)) == ("cycle", period)


def test_few_windows_allow_few_curves():
    assert [shape.curve for shape in shapes([1.0], [1.0], 0.1)] == ["constant"]
    assert {shape.curve for shape in shapes([1.0, 2.0, 3.0], [1.0] * 3, 0.1)} == {
        "constant",
        "step",
    }
