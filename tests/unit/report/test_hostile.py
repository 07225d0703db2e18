"""Text from subjects in every form: it stays text, whatever it is."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from conformance.findings import Evidence, Outcome
from conformance.report import html, terminal, write_all
from conformance.report.junit import to_junit
from conformance.report.markdown import to_markdown
from conformance.report.summary import json_lines, json_schema
from tests.unit.report.examples import examination, finding, saying

HOSTILE = {
    "script": "<script>alert(document.cookie)</script>",
    "handler": "\"><img src=x onerror='alert(1)'>",
    "closing": "</pre></details></section></div><h1>GO</h1>",
    "style": "</style><style>*{display:none}</style>",
    "comment": "--><!-- ]]> <![CDATA[ ?>",
    "entity": "&lt;script&gt; &amp; &#x3c;",
    "escape": "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\click\x9b31m",
    "return": "NO-GO\rGO: nothing blocks",
    "backticks": "``` ```` `\n```\n# GO\n",
    "table": "a | b\n| --- | --- |\n| c | d |",
    "heading": "x\n\n# GO: nothing blocks\n\n- [link](javascript:alert(1)) ![i](http://evil.example/i.png)",
    "link": "http://evil.example www.evil.example <http://evil.example> a@evil.example @everyone #1",
    "zero": "a\0b",
    "surrogate": "caf\udce9 \ud800",
    "override": "\u202egnp.exe\u2066\u200f",
    "separators": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "braces": "{{ 7*7 }} {0} %s $(reboot) `reboot`",
    "empty": "",
    "long": "x" * 50_000,
    "many": "line\n" * 5_000,
    "words": "a b@c " * 5_000,
}
ANY = st.text(
    st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\x00\x1b\n`|<[](!#@:&]"), max_size=30
)
MARKDOWN = MarkdownIt("gfm-like", {"linkify": True})
#: What the forms themselves use; nothing of it carries an address or code.
MARKS = {
    *("inline", "text", "softbreak", "code_inline", "strong_open", "strong_close", "fence"),
    *(f"{name}_{side}" for name in ("heading", "paragraph", "bullet_list", "list_item") for side in ("open", "close")),
    *(f"{name}_{side}" for name in ("table", "thead", "tbody", "tr", "th", "td") for side in ("open", "close")),
}
HEADINGS = ("NO-GO", "What blocks", "abm-", "Unknown", "Warnings", "Waived", "Not ", "Coverage")
ELEMENTS = set(
    "article section nav div p span strong b code pre br ul li dl dt dd h2 h3 details summary table thead tbody tr th td a".split()
)


@pytest.fixture(params=HOSTILE, scope="module")
def hostile(request):
    return saying(HOSTILE[request.param])


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.found, self.attributes, self.addresses, self.ids = [], set(), set(), [], []

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.addresses += [value for name, value in attrs if name == "href"]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def check_html(examination):
    text = html.verdict_block(examination)
    text.encode()
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.found <= ELEMENTS
    assert page.attributes <= {"class", "scope", "href", "rel", "id", "lang", "aria-label", "aria-hidden"}
    assert all(one.startswith(("http://", "https://", "#pf-")) for one in page.addresses)
    assert {one.removeprefix("#") for one in page.addresses if one.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not set(text) & set("\x1b\x00\x9b\u202e\r")


def check_markdown(examination):
    text = to_markdown(examination)
    text.encode()
    tokens = [inner for one in MARKDOWN.parse(text) for inner in (one, *(one.children or ()))]
    assert {one.type for one in tokens} <= MARKS
    titles = [after.content for one, after in zip(tokens, tokens[1:], strict=False) if one.type == "heading_open"]
    assert all(one.startswith(HEADINGS) for one in titles), titles
    assert len(titles) == 11
    assert sum(one.type == "tr_open" for one in tokens) == 11


def check_junit(examination):
    (suite,) = ET.fromstring(to_junit(examination).encode())
    assert {one.tag for one in suite.iter()} <= {
        *("testsuite", "properties", "property", "testcase", "failure", "error", "skipped", "system-out")
    }
    # Two findings of each outcome, and what the coverage adds to them.
    assert (suite.get("tests"), suite.get("failures")) in {("18", "2"), ("17", "2"), ("16", "2")}


def check_terminal(examination):
    lines = []
    terminal.write(examination, lambda text, **markup: lines.append(text))
    for line in lines:
        line.encode()
        assert not set(line) & set("\n\r\x1b\x00\x9b\x07\u202e\u2028\x85")
    assert sum(line.startswith("NO-GO: ") for line in lines) <= 1


def check_json(examination):
    text = "".join(json_lines(examination))
    text.encode()
    record = json.loads(text)
    Draft202012Validator(json_schema()).validate(record)
    assert record["verdict"] == "no-go"
    assert not set(text) & set("\x1b\x00\x9b\u202e\u2028\x7f")


CHECKS = [check_html, check_markdown, check_junit, check_terminal, check_json]


@pytest.mark.parametrize("check", CHECKS)
def test_it_stays_text(check, hostile):
    check(hostile)


@pytest.mark.parametrize("check", CHECKS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=ANY)
def test_any_text_stays_text(check, text):
    check(saying(text))


def test_it_is_written(hostile, tmp_path):
    for path in write_all(hostile, tmp_path):
        assert path.stat().st_size > 0


@pytest.mark.parametrize("line", ["x" * 1_048_576, "\x1b[0m`|<>" * 131_072, "\ud800" * 1_048_576])
def test_a_line_of_a_megabyte_is_cut_for_people_and_kept_for_programs(line):
    one = examination(
        findings=[
            finding(
                outcome=Outcome.HAZARD, message=line, remedy=line, evidence=(Evidence("cp-1", line, (line, "second")),)
            )
        ]
    )
    lines = []
    terminal.write(one, lambda text, **markup: lines.append(text))
    for text in ("\n".join(lines), html.verdict_block(one), to_markdown(one), to_junit(one)):
        assert len(text) < 100_000
        assert "[cut here, 1,048,576 characters in all]" in text
        assert "second" in text
    (record,) = json.loads("".join(json_lines(one)))["findings"]
    assert len(record["evidence"][0]["lines"][0]) >= 1_048_576


def test_json_loses_nothing_but_half_characters():
    text = HOSTILE["escape"] + HOSTILE["override"] + HOSTILE["separators"] + "\udce9"
    record = json.loads("".join(json_lines(saying(text))))
    assert record["profile"] == text.replace("\udce9", r"\udce9")
