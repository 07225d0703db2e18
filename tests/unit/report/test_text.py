"""Text from subjects, made safe for each form."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from conformance.report.text import cut, cut_lines, fence, html, markdown, terminal, width_of, wrap, xml

#: Anything that a program can hold as text, lone surrogates included, and often the characters that matter.
ANY = st.text(
    st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\x00\x1b\x9b\u202e\n`|<[](!_*~#@:/.w")
)
MARKDOWN = MarkdownIt("gfm-like", {"linkify": True})
#: All that text from a subject may become.
INERT = {"inline", "text", "code_inline", "paragraph_open", "paragraph_close", "softbreak"}

ACTIVE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "http://evil.example/ and www.evil.example, evil.example",
    "mail a@b.example or @everyone in #1 or GH-1 at 0123abcd",
    "# heading",
    "- item",
    "1. item",
    "1) item",
    "> quotation",
    "===",
    "---",
    "***",
    "a | b",
    "|`|``|```|",
    "```",
    "~~~",
    "``` `` ` ``` ",
    "` a",
    "_a_ *b* ~~c~~ **d**",
    "&lt; &#60; \\< \\",
    "    indented",
    "a  \nb\r\nc",
    "[x]: http://evil.example",
    "a\\",
    "$x$ :smile: ^[x]",
]


def tokens(text):
    for one in MARKDOWN.parse(text):
        yield one
        yield from one.children or ()


def shown(text):
    return "".join(one.content for one in tokens(text) if one.type in ("text", "code_inline"))


@pytest.mark.parametrize("text", ACTIVE)
def test_markdown_makes_nothing_active(text):
    made = markdown(text)
    assert {one.type for one in tokens(made)} <= INERT
    assert {one.type for one in tokens(f"- {made}: {made}")} <= INERT | {
        "bullet_list_open",
        "bullet_list_close",
        "list_item_open",
        "list_item_close",
    }


@given(ANY)
def test_markdown_of_any_text_is_inert_and_shows_all_of_it(text):
    made = markdown(text)
    assert {one.type for one in tokens(made)} <= INERT
    assert "".join(shown(made).split()) == "".join(terminal(text).split())


@given(ANY, ANY)
def test_markdown_breaks_no_table_cell(one, other):
    rows = MARKDOWN.render(f"| a | b |\n| --- | --- |\n| {markdown(one)} | {markdown(other)} |\n")
    assert rows.count("<tr>") == 2
    assert rows.count("<td>") == 2
    assert "<a" not in rows


@pytest.mark.parametrize("text", ["www.evil.example", "a@b.example", "@team", "#12", "0123abc", "GH-7", "x/y#1"])
def test_markdown_shows_what_a_site_would_link_as_code(text):
    assert markdown(f"see {text} there") == f"see `{text}` there"


def test_markdown_leaves_prose_alone():
    prose = "/var has 3.5 GiB free (needs 10), wk-1 has none: mend it"
    assert markdown(prose) == prose
    assert markdown("from 1.9.2 is not 1.8.*") == "from 1.9.2 is not `1.8.*`"


@given(st.lists(ANY))
def test_nothing_ends_a_fence(lines):
    block = [one for one in MARKDOWN.parse("\n".join([*fence(lines), "", "after"])) if one.type == "fence"]
    assert len(block) == 1
    assert block[0].content == "".join(f"{terminal(line)}\n" for line in lines)


@given(ANY)
def test_a_terminal_gets_no_control_character(text):
    made = terminal(text)
    assert all(one.isprintable() or one in "\t\u200c\u200d" or one.isspace() or ord(one) > 0xA0 for one in made)
    assert not set(made) & set("\n\r\x1b\x9b\x00\x7f\u202e\u2066\u200f")
    made.encode()


def test_a_terminal_shows_what_was_hidden():
    assert terminal("\x1b[31mred\x07\x9b\u202etxt\u2066\ud800\U000e0041\r\n") == (
        r"\x1b[31mred\x07\x9b\u202etxt\u2066\ud800\U000e0041\r\n"
    )
    assert terminal("a\tb\nc", newlines=True) == "a\tb\nc"
    assert terminal("プリフライト 👩‍💻 é") == "プリフライト 👩‍💻 é"


@given(ANY)
def test_xml_is_accepted_and_comes_back(text):
    element = ET.Element("a", b=xml(text))
    element.text = xml(text)
    read = ET.fromstring(ET.tostring(element, encoding="utf-8"))
    assert read.get("b") == xml(text)
    assert (read.text or "") == xml(text)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.data = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.data.append(data)


@given(ANY)
def test_html_is_text_in_content_and_attribute(text):
    parser = Tags()
    parser.feed(f'<p title="{html(text)}">{html(text)}</p>')
    parser.close()
    assert parser.tags == [("p", [("title", terminal(text))])]
    assert "".join(parser.data) == terminal(text)


def test_long_lines_are_cut_with_a_note():
    assert cut("x" * 10, 10) == "x" * 10
    assert cut("x" * 1_048_576, 4) == "xxxx ... [cut here, 1,048,576 characters in all]"
    assert cut_lines(["a", "b", "c"], 2, 9) == ["a", "b", "... 1 more lines, see preflight.json"]


@given(ANY.map(terminal), st.integers(40, 120))
def test_wrapped_lines_fit_unless_a_word_does_not(text, width):
    lines = wrap(text, width, first="  - ")
    assert "".join("".join(lines).split()) in {"-" + "".join(text.split()), ""}
    for line in lines:
        assert width_of(line) <= width or len(line.split()) <= 2


def test_scripts_without_spaces_are_wrapped_and_addresses_are_not():
    assert wrap("プリフライト" * 5, 40, first="  ") == [
        "  " + ("プリフライト" * 4)[:19],
        "  " + ("プリフライト" * 5)[19:],
    ]
    address = "https://example.com/" + "x" * 60
    assert wrap(f"see {address}", 40) == ["see", address]
