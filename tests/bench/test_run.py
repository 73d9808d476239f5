"""`strandline bench` as a user calls it: the real runners, the real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from strandline.bench.cases import from_file
from tests.models import zoo


def bench(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "strandline", "bench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "mlp.onnx"
    path.write_bytes(zoo.model("mlp"))
    return path


def test_a_models_inputs_get_the_shapes_that_are_asked_for(model: Path, tmp_path: Path) -> None:
    assert [case.name for case in from_file(model)] == ["mlp, batch 1", "mlp, batch 1000"]
    image = tmp_path / "image.onnx"
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "h", "w"]) for name in "xy"
    )
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "image", [x], [y])
    image.write_bytes(helper.make_model(graph).SerializeToString())
    (alone,) = from_file(image)
    assert alone.feeds["x"].shape == (1, 3, 1, 1)
    (shaped,) = from_file(image, shapes={"x": (2, 3, 5, 4)})
    assert (shaped.name, shaped.feeds["x"].shape) == ("image", (2, 3, 5, 4))
    done = bench(image, "--shape", "images=1,3,5,5", "--native-only")
    assert done.returncode == 2
    assert "has no input 'images': it has x" in done.stderr


def test_choices_by_measuring_are_compared_with_the_policy(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "out.md"
    done = bench(model, "--autotune", "--batch", "1,64", "--rounds", "2", "--markdown", page)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines()]
    assert [row[0].strip() for row in rows[2:]] == [
        "mlp, batch 1",
        "mlp, batch 64",
        "geometric mean",
    ]
    one, many = (int(row[4]) for row in rows[2:4])
    assert one == 0 and many > 0  # a row takes one way only
    assert done.stdout in page.read_text()


def test_native_runners_agree_and_are_compared(model: Path, tmp_path: Path) -> None:
    out, picture, page = tmp_path / "out.json", tmp_path / "out.svg", tmp_path / "out.md"
    done = bench(
        model, "--native-only", "--batch", "1,7", "--rounds", "2",
        "--json", out, "--svg", picture, "--markdown", page,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert [c["name"] for c in result["cases"]] == ["mlp, batch 1", "mlp, batch 7"]
    for case in result["cases"]:
        assert set(case["runners"]) == {"native", "onnxruntime"}
        assert case["difference"]["native"] < 1e-5
        assert not case["failed"]
    assert "<svg" in picture.read_text()
    assert "(out.svg)" in page.read_text()


def test_products_are_weighed_against_the_loop_in_registers(tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "out.md"
    done = bench(
        "--products", "--native-only", "--rounds", "1", "--json", out, "--markdown", page
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert result["cases"] == []
    peak = result["products"]["peak"]["native"]
    for product in result["products"]["products"]:
        assert set(product["flops"]) == {"native", "onnxruntime"}
        # Nothing computes faster than registers; a disturbed loop may be slow.
        assert 0 < product["flops"]["native"] < 4 * peak
        assert "| " + " × ".join(map(str, product["size"])) in page.read_text()


@pytest.mark.browser
def test_the_browsers_runners_agree_with_native_onnxruntime(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = bench(
        model, "--batch", "3", "--rounds", "1", "--cold", "0", "--life", "2", "--json", out
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    (case,) = result["cases"]
    assert set(case["runners"]) == {
        "native", "onnxruntime", "simd128", "relaxed", "prepared", "onnxruntime-web",
    }  # fmt: skip
    assert not case["failed"]
    assert max(case["difference"].values()) < 1e-5
    assert result["cold_start"] == []
    ((name, lives),) = [(each["name"], each["runners"]) for each in result["life"]]
    assert name == case["name"]
    assert set(lives) == {"relaxed", "prepared", "onnxruntime-web"}
    for life in lives.values():
        assert life["memory"] >= life["before"] > 1 << 20
        # A page's own memory is not the runtime's; the runtime's code alone is megabytes.
        assert sys.platform != "linux" or 8 << 20 < life["device"] < 1 << 30
        assert life["grown"] == 0
        assert min(life["created"], life["first"], life["steady"], life["other"]) > 0
    assert lives["relaxed"]["plan"] is not None


@pytest.mark.browser
@pytest.mark.slow  # it compresses all that both runtimes fetch, as a static host would
def test_cold_start_is_timed_and_weighed_beside_the_peers(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = bench(
        model, "--batch", "1", "--rounds", "1", "--cold", "1", "--life", "0", "--json", out
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours, peer, *network = json.loads(out.read_text())["cold_start"]
    assert (ours["runner"], peer["runner"]) == ("strandline", "onnxruntime-web")
    for runtime in (ours, peer, *network):
        assert 0 < runtime["brotli"] < runtime["gzip"] < runtime["raw"]
        assert runtime["files"] >= 3


def test_a_case_that_is_not_there_is_one_clear_line(model: Path) -> None:
    done = bench(model, "--case", "nothing like it")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "strandline bench: no case's name contains 'nothing like it'"
    ]


def test_profiles_are_compared_with_a_peer_in_a_process_of_its_own(tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "out.md"
    done = bench(
        "--drift", "--native-only", "--rows", "2000", "--columns", "3", "--rounds", "2",
        "--peer", f"scipy={sys.executable}", "--json", out, "--markdown", page,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert set(result["runners"]) == {
        "strandline profile",
        "strandline compare",
        "strandline both",
        "scipy",
    }
    assert result["ratios"]["strandline profile"] == 1
    assert result["machine"]["versions"]["scipy"]
    assert "| scipy |" in page.read_text()


def test_a_peer_that_there_is_not_is_named() -> None:
    done = bench("--drift", "--native-only", "--rows", "10", "--peer", "crystal_ball")
    assert done.returncode == 2
    assert "no peer crystal_ball; there are scipy" in done.stderr
