from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from strandline.drift import METHODS, Profile, Reference
from strandline.report import Report, render_html, words

from .examples import NASTY, example

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
        self.targets += [
            found[k].removeprefix("#") for k in ("aria-controls", "href") if k in found
        ]
        assert "src" not in found
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
    page = render_html(example())
    outline = Outline(page)
    assert len(set(outline.ids)) == len(outline.ids)
    assert set(outline.targets) <= set(outline.ids)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)


def test_text_from_data_stays_text():
    outline = Outline(render_html(example()))
    assert outline.scripts == 1
    assert NASTY in outline.text


def test_says_what_drifted_first():
    outline = Outline(render_html(example()))
    text = " ".join(filter(None, outline.text))
    assert "2 of 5 features drifted" in text
    order = [text.index(name) for name in ("speed feature", "height feature", "nothing feature")]
    assert order == sorted(order)
    assert "Sessions 12" in text
    assert "3,000 rows" in text
    assert "latency_ms" not in text


def test_the_statistics_are_the_documents():
    report = example()
    text = " ".join(filter(None, Outline(render_html(report)).text))
    speed = next(one for one in report.document["features"] if one["name"] == "speed")
    assert f"Kolmogorov-Smirnov {speed['ks']:.3g} (effect at least" in text
    assert f"PSI {speed['psi']:.3g} by definition" in text


def test_many_features_stay_below_half_a_megabyte():
    page = render_html(example(extra=300))
    assert len(page.encode()) < 500_000
    outline = Outline(page)
    assert sum(text.startswith("extra") for text in outline.text) == 300
    assert set(outline.targets) <= set(outline.ids)


@pytest.mark.parametrize("table", [{"x": [1.5, 2.5], "c": ["a", "b"]}, {"x": [None]}])
def test_nothing_seen_yet(table):
    reference = Reference.from_columns(table)
    page = render_html(Report.of(reference, Profile(reference)))
    assert "Nothing to compare yet" in Outline(page).text


def test_every_statistic_has_a_name_and_an_explanation():
    names = METHODS.keys() | {"missing"}
    assert words.METHOD_NAMES.keys() == words.METHOD_WORDS.keys() == names
