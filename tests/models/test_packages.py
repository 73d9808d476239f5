"""Models of sound, graphs and sequences as packages ship them give what native onnxruntime gives."""

from __future__ import annotations

from typing import Any

import fixtures
import numpy as np

from strandline import Session
from tests.models.oracle import assert_equal, expected

RATE = 16_000


def shipped(fixture: str, name: str) -> bytes:
    """A model's bytes by the end of its path."""
    (path,) = (p for p in fixtures.folder(fixture).rglob("*.onnx") if str(p).endswith(name))
    return path.read_bytes()


def sound(seconds: float, rate: int) -> Any:
    """A chord that swells and fades, over a little noise."""
    t = np.arange(int(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * hertz * t) for hertz in (220, 277.2, 329.6))
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (0.2 * chord * np.sin(np.pi * t / seconds) + 0.01 * noise).astype(np.float32)


def test_voice_activity_chunk_by_chunk() -> None:
    """An If chooses the network for the sampling rate; the LSTM's state goes from chunk to chunk."""
    model = shipped("silero", "silero_vad.onnx")
    session = Session(model)
    for rate, size in ((16_000, 576), (8_000, 288)):
        state = np.zeros((2, 1, 128), np.float32)
        for chunk in sound(0.3, rate)[: 5 * size].reshape(5, 1, size):
            feeds = {"input": chunk, "state": state, "sr": np.array(rate)}
            want = expected(model, feeds)
            assert_equal(session.run(feeds), want)
            state = want["stateN"]


def test_voice_activity_over_a_sequence() -> None:
    model = shipped("silero", "silero_vad_16k_sequence.onnx")
    session = Session(model)
    for chunks in (1, 12):
        state = np.zeros((1, 1, 128), np.float32)
        feeds = {
            "input": sound(1, RATE)[: chunks * 576].reshape(chunks, 576),
            "h": state,
            "c": state,
        }
        assert_equal(session.run(feeds), expected(model, feeds))


def test_notes_of_music() -> None:
    """A spectrogram by convolution, stacked harmonics, three convolutional heads."""
    model = shipped("basic-pitch", "nmp.onnx")
    (name,) = (info.name for info in Session(model).inputs)
    feeds = {name: sound(2, 22_050)[:43_844].reshape(1, -1, 1)}
    assert_equal(Session(model).run(feeds), expected(model, feeds))


def test_messages_on_a_graph() -> None:
    """Gathers and scatters along edges; two graphs of different sizes through one session."""
    model = shipped("caustic", ".onnx")
    session = Session(model)
    rng = np.random.default_rng(0)
    for atoms, edges, residues in ((30, 90, 5), (12, 40, 3)):
        sizes = {"num_atoms": atoms, "num_edges": edges, "num_residues": residues}
        feeds: dict[str, Any] = {}
        for info in session.inputs:
            assert info.shape is not None and info.dtype is not None
            shape = [sizes[d] if isinstance(d, str) else d for d in info.shape]
            if info.dtype.name == "int64":
                feeds[info.name] = rng.integers(0, atoms if "ind" in info.name else 4, shape)
            elif info.dtype.name == "bool":
                feeds[info.name] = rng.random(shape) < 0.8
            else:
                feeds[info.name] = rng.random(shape, np.float32) + 0.5
        assert_equal(session.run(feeds), expected(model, feeds))


def test_names_letter_by_letter() -> None:
    """A recurrent encoder, then a decoder that is fed what it said: the same letters at every step."""
    models = [shipped("romanizer", f"resources/{part}coder.onnx") for part in ("en", "de")]
    encoder, decoder = map(Session, models)
    source = np.array([[5, 17, 9, 30, 2]])
    feeds: dict[str, Any] = {"src": source, "src_mask": source > 0}
    memory = expected(models[0], feeds)
    assert_equal(encoder.run(feeds), memory)
    prefix, hidden = np.array([[1]]), memory["hidden_out"]
    for _ in range(8):
        feeds = {
            "prefix": prefix,
            "memory": memory["memory_out"],
            "src_mask": memory["src_mask_out"],
            "hidden": hidden,
        }
        want = expected(models[1], feeds)
        assert_equal(decoder.run(feeds), want)
        hidden = want["hidden_out"]
        prefix = np.hstack([prefix, want["logprobs"].argmax(1)[:, None]])
