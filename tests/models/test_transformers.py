"""Sentence encoders and magika on real text give what native onnxruntime gives, without NumPy's help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strandline import Session
from strandline.bench.networks import networks
from tests.models.oracle import expected

ENCODERS = ["MiniLM-L3, 128 tokens", "MiniLM-L6, 128 tokens, int8 weights"]
SENTENCES = {
    "the quick brown fox jumps over the lazy dog": [
        101, 1996, 4248, 2829, 4419, 14523, 2058, 1996, 13971, 3899, 102,
    ],
    "hello, world!": [101, 7592, 1010, 2088, 999, 102],
    "this is a test.": [101, 2023, 2003, 1037, 3231, 1012, 102],
    "how are you?": [101, 2129, 2024, 2017, 1029, 102],
    "i love machine learning": [101, 1045, 2293, 3698, 4083, 102],
}  # fmt: skip
"""Word pieces of BERT's uncased vocabulary."""


def tokens(model: bytes, sentences: list[list[int]], width: int) -> dict[str, Any]:
    """Feeds of [sentences, width], padded."""
    ids = np.zeros((len(sentences), width), np.int64)
    mask = np.zeros_like(ids)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = sentence
        mask[row, : len(sentence)] = 1
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {info.name: feeds[info.name] for info in Session(model).inputs}


@pytest.mark.parametrize("name", ENCODERS)
def test_sentences(name: str) -> None:
    """One at a time, and several of different lengths at once: within 1e-5 of values around 1."""
    model, *_ = networks()[name]()
    session = Session(model)
    pieces = list(SENTENCES.values())
    for some, width in (([pieces[0]], 11), ([pieces[1]], 6), (pieces, 16), (pieces[:2], 77)):
        feeds = tokens(model, some, width)
        got, want = session.run(feeds), expected(model, feeds)
        for output, value in want.items():
            assert got[output].dtype == value.dtype
            np.testing.assert_allclose(got[output], value, rtol=1e-4, atol=2e-5)
    assert not session.needs_numpy(), "the browser runs it without NumPy"


def test_dynamically_quantized() -> None:
    """A float's last bit may decide how it is rounded to 8 bits: a step of a few activations."""
    model, *_ = networks()["MiniLM-L3, 128 tokens, int8 dynamic"]()
    session = Session(model)
    pieces = list(SENTENCES.values())
    for some, width in (([pieces[0]], 11), (pieces, 16)):
        feeds = tokens(model, some, width)
        got, want = session.run(feeds), expected(model, feeds)
        for output, value in want.items():
            difference = np.abs(got[output] - value)
            assert difference.mean() < 0.01 and difference.max() < 0.1, output
    assert not session.needs_numpy()


def test_magika_on_the_bytes_of_files() -> None:
    """The first and last 1,024 bytes of a file, as magika reads them; 256 stands for none."""
    model, *_ = networks()["magika, 2048 bytes"]()
    root = Path(__file__).parents[2]
    files = ["pyproject.toml", "README.md", "docs/img/page.png", "tests/models/zoo.py", "Makefile"]
    rows = []
    for name in files:
        content = list((root / name).read_bytes()[:4096].strip())
        head = (content[:1024] + [256] * 1024)[:1024]
        rows.append(head + ([256] * 1024 + content[-1024:])[-1024:])
    session = Session(model)
    rows.append([256] * 2048)
    for some in (rows[:1], rows):
        feeds = {"bytes": np.array(some, np.int32)}
        got, want = session.run(feeds)["target_label"], expected(model, feeds)["target_label"]
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-6)
        np.testing.assert_array_equal(got.argmax(1), want.argmax(1))
    assert not session.needs_numpy()
