from __future__ import annotations

import base64
import hashlib
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from strandline.drift import METHODS, Profile, Reference
from strandline.report import DataDriftPreset, DataSummaryPreset, Report, words

from .examples import HOSTILE, NASTY, everything, example, segmented

VOID = {"meta", "input", "br", "link", "path", "use"}


class Outline(HTMLParser):
    """Checks that tags nest, and gathers what the tests ask for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.targets, self.text, self.scripts = [], [], [], [], 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.scripts += tag == "script"
        if "id" in found:
            self.ids.append(found["id"])
        self.targets += [found[k].removeprefix("#") for k in ("data-d", "href") if k in found]
        assert not any(name in ("src", "style") or name.startswith("on") for name in found)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data.strip())


def test_is_one_well_formed_self_contained_file():
    page = example().html()
    outline = Outline(page)
    assert len(set(outline.ids)) == len(outline.ids)
    assert set(outline.targets) <= set(outline.ids)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)


def test_text_from_data_stays_text():
    outline = Outline(example().html())
    assert outline.scripts == 1
    assert NASTY in outline.text


def test_says_what_drifted_first():
    outline = Outline(example().html())
    text = " ".join(filter(None, outline.text))
    assert "2 of 5 features drifted" in text
    order = [text.index(name) for name in ("speed feature", "height feature", "nothing feature")]
    assert order == sorted(order)
    assert "Sessions 12" in text
    assert "3,000 rows" in text
    assert "latency_ms" not in text


def test_the_statistics_are_the_documents():
    report = example()
    text = " ".join(filter(None, Outline(report.html()).text))
    speed = next(one for one in report.document["features"] if one["name"] == "speed")
    assert f"Kolmogorov-Smirnov is {speed['ks']:.3g}" in text
    assert f"PSI {speed['psi']:.3g} on bins" in text


def test_many_features_stay_below_half_a_megabyte():
    page = example(extra=300).html()
    assert len(page.encode()) < 500_000
    outline = Outline(page)
    assert sum(text.startswith("extra") for text in outline.text) == 300
    assert set(outline.targets) <= set(outline.ids) | unpacked(page)


def unpacked(page):
    """The ids of what comes packed."""
    (data,) = re.findall(r'class="packed">([^<]*)<', page)
    return set(Outline(zlib.decompress(base64.b64decode(data), wbits=-15).decode()).ids)


@pytest.mark.parametrize("table", [{"x": [1.5, 2.5], "c": ["a", "b"]}, {"x": [None]}])
def test_nothing_seen_yet(table):
    reference = Reference.from_columns(table)
    page = Report([DataDriftPreset()]).run(Profile(reference)).html()
    assert "Nothing to compare yet" in Outline(page).text


def test_every_statistic_has_a_name_and_an_explanation():
    names = METHODS.keys() | {"missing"}
    assert words.METHOD_NAMES.keys() == words.METHOD_WORDS.keys() == names


def test_a_hundred_features_keep_their_details_below_half_a_megabyte():
    report = Report([DataDriftPreset(), DataSummaryPreset()], include_tests=True)
    rng = np.random.default_rng(0)
    wide = [
        {
            f"feature number {i}": rng.choice([f"category {k}" for k in range(40)], 500)
            if i % 4 == 0
            else rng.lognormal(sigma=2, size=500)
            for i in range(100)
        }
        for _ in range(2)
    ]
    page = report.run(*wide).html()
    assert len(page.encode()) <= 500_000
    assert {f"d{i}" for i in range(100)} <= set(Outline(page).ids) | unpacked(page)


def test_nothing_but_its_own_script_and_style_may_run():
    page = everything().html()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]


def test_hostile_names_and_values_stay_text():
    text = " ".join(Outline(everything().html()).text)
    for name in HOSTILE[:4]:
        assert name in text


def test_each_segment_tells_what_drifted_in_it():
    found = segmented()
    outline = Outline(found.html())
    assert outline.scripts == 1
    assert len(set(outline.ids)) == len(outline.ids)
    text = " ".join(outline.text)
    for name in (*HOSTILE[:3], "all others", "conversions", "1,234"):
        assert name in text
    parts = found.document["segments"]
    drifted = sum(one["drifted"] > 0 for one in parts)
    assert 0 < drifted < len(parts)
    assert f"drift in {drifted} of {len(parts)} segments" in text


def test_many_segments_stay_below_half_a_megabyte():
    found = segmented(40, 31, 2)
    page = found.html()
    assert len(page.encode()) <= 500_000
    data = re.findall(r'class="packed">([^<]*)<', page)[-1]
    rows = zlib.decompress(base64.b64decode(data), -zlib.MAX_WBITS).decode()
    column = found.document["segments"][-1]["column"]
    parts = [one for one in found.document["segments"] if one["column"] == column]
    assert rows.count("<tr") == sum(len(one["features"]) for one in parts)
