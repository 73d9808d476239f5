from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import strandline.drift
from strandline.drift import Monitor, Profile, Reference
from strandline.drift.watch import PageHinkley, SequentialTest

REFERENCE = Reference.from_columns({"x": [0.5, 1.5, 2.5] * 30})


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_windows_close_when_full_and_add_up_to_all_that_was_seen():
    closed = []
    monitor = Monitor(REFERENCE, rows=4, on_window=closed.append)
    for batch in ([1.0, 2.0, None], [0.5], [2.5] * 9, [1.0]):
        monitor.update({"x": batch})
    assert [window.rows for window in closed] == [4, 9]
    assert Profile.merge([*closed, monitor.window], REFERENCE) == monitor.total
    assert monitor.total.rows == 14


def test_windows_close_after_their_time():
    clock, closed = Clock(), []
    monitor = Monitor(REFERENCE, rows=None, seconds=60, on_window=closed.append, clock=clock)
    monitor.update({"x": [1.0]})
    clock.now = 61
    monitor.update({"x": [1.0]})
    clock.now = 100
    monitor.update({"x": [1.0]})
    assert [window.rows for window in closed] == [2]
    assert monitor.close().rows == 1
    assert monitor.close().rows == 0
    assert len(closed) == 2


def test_watches_for_drift():
    monitor = Monitor(REFERENCE)
    monitor.update({"x": [2.5] * 200})
    assert monitor.drift()[0].verdict == "drift"
    assert monitor.drift(floors={"ks": 0.9})[0].verdict == "no drift"


def test_a_failed_update_counts_nothing():
    monitor = Monitor(REFERENCE)
    with pytest.raises(ValueError, match="no feature 'y'"):
        monitor.update({"x": [1.0], "y": [1.0]})
    assert monitor.total.rows == monitor.window.rows == 0


def test_detectors_follow_the_windows():
    alarms = []
    monitor = Monitor(
        REFERENCE, rows=50, on_alarm=lambda name, window: alarms.append((name, window))
    )
    test = monitor.follow("x", SequentialTest(REFERENCE["x"]), lambda window: window["x"])
    mean = monitor.follow("mean", PageHinkley(threshold=3), lambda window: window["x"].mean)
    for i in range(60):
        monitor.update({"x": [0.5, 1.5, 2.5, 1.5, 1.5] * 10 if i < 40 else [2.5] * 50})
    assert [name for name, _ in alarms] == ["x", "mean"]
    assert test.looks == 60
    assert test.crossed is not None
    assert not mean.drift_detected
    assert all(window.rows == 50 for _, window in alarms)


@pytest.mark.parametrize("options", [{"rows": 0}, {"seconds": 0.0}])
def test_refuses_windows_that_never_fill(options):
    with pytest.raises(ValueError, match="at least one row"):
        Monitor(REFERENCE, **options)


MODULES = [m.name for m in pkgutil.walk_packages(strandline.drift.__path__, "strandline.drift.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
