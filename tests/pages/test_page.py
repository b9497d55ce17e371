"""The page and the elements of its text."""

import doctest
import re

import pytest

from sam2unet.pages import facts, format_duration, format_score, formatting, legend, page, tile


def test_page_is_one_document_with_escaped_title_and_html_body():
    text = page("<a> & b", "<p>body</p>")
    assert text.startswith("<!doctype html>")
    assert text.count("&lt;a&gt; &amp; b") == 2  # title and heading
    assert "<p>body</p>" in text
    assert not re.findall(r"(?:src|href|url)[=(]", text)


def test_tile_escapes_its_words():
    assert (
        tile("<1>", "a & b", "<m>") == '<div class="tile"><b>&lt;1&gt;</b>a &amp; b<p class="dim">&lt;m&gt;</p></div>'
    )


def test_legend_has_a_colour_per_label():
    text = legend([("a & b", (1, 2, 3)), ("c", [4, 5, 6])])
    assert re.findall(r"rgb\((.*?)\)\"></span>([^<]*)", text) == [("1, 2, 3", "a &amp; b"), ("4, 5, 6", "c")]


@pytest.mark.parametrize(("wide", "style"), [(False, "facts"), (True, "facts one")])
def test_facts_lists_names_and_values(wide, style):
    text = facts(iter([("a", "<1>"), ("b & c", "2")]), wide)
    assert text.startswith(f'<div class="{style}"><div>')
    assert re.findall("<span[^>]*>(.*?)</span>", text) == ["a", "&lt;1&gt;", "b &amp; c", "2"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3599.6, "1:00:00"), (3909, "1:05:09"), (360000, "100:00:00")],
)
def test_format_duration(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("value", "digits", "text"), [(0.12345, 4, "0.1235"), (1, 3, "1.000"), (float("nan"), 3, "–")])
def test_format_score(value, digits, text):
    assert format_score(value, digits) == text


def test_examples():
    assert doctest.testmod(formatting).failed == 0
