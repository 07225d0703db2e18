"""Configuration files: nothing is lost or changed on the way, and what is wrong is said with its place."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conformance.documents import Entry, InvalidDocument, load

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@pytest.fixture
def read(tmp_path):
    def reader(text):
        path = tmp_path / "file.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path)

    return reader


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *(
            (one, one)
            for one in ("1.10", "1.9", "1e3", "007", "0x1F", "12:30:45", "2026-12-24", "1_000", "2026-12-24T18:00:00Z")
        ),
        *((f'"{one}"', one) for one in ("1.10", "true", "null", "")),
        ("true", True),
        ("null", None),
        ("~", None),
    ],
)
def test_what_looks_like_a_number_or_date_stays_text(read, written, value):
    assert read(f"key: {written}\n")["key"].value == value
    assert read(f"key: [{written}]\n").value == {"key": [value]}


def test_keys_that_look_like_numbers_are_text(read):
    assert read("1.10: {7: x}\n").value == {"1.10": {"7": "x"}}


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3:1", "the key 'a' stands twice"),
        ("x:\n  a: 1\n  a: 1\n", ":3:3", "the key 'a' stands twice"),
        ("true: 1\n", ":1:1", "the key True is not text: put it in quotes"),
        ("? [a, b]\n: 1\n", ":1:3", "is not text"),
        ("a: [1\n", ":2:1", "not valid YAML"),
        ("a: b: c\n", ":1:5", "not valid YAML"),
        ("a: *nowhere\n", ":1:4", "undefined alias"),
        ("a: &a {x: 1}\nb: {<<: *a}\n", ":2:5", "<<"),
        ("a: &a [*a]\n", ":1:4", "recursive"),
        ("a: !!python/object/apply:os.system [ls]\n", ":1:4", "could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", ":2:1", "not valid YAML"),
        ("a: \x01\n", "", "not valid YAML"),
    ],
)
def test_what_is_malformed_is_told_with_file_and_line(read, tmp_path, text, place, said):
    with pytest.raises(InvalidDocument) as caught:
        read(text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'file.yaml'}{place}:"), message
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "text", ['a: !!int "x"', 'a: !!int ""', 'a: !!float "x"', 'a: !!timestamp "x"', 'a: !!bool "x"', "a: !!set [x]"]
)
def test_a_tag_that_does_not_fit_its_value(read, text):
    with pytest.raises(InvalidDocument, match="not valid YAML"):
        read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("- a\n", "not a list"),
        ("word\n", "not text"),
        ("true", "not true or false"),
    ],
)
def test_a_document_is_keys_and_values(read, text, said):
    with pytest.raises(InvalidDocument, match=said):
        read(text)


def test_what_cannot_be_read(tmp_path):
    for path, said in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InvalidDocument, match=said):
            load(path)
    (tmp_path / "latin").write_bytes(b"a: \xe9\n")
    with pytest.raises(InvalidDocument, match="not UTF-8"):
        load(tmp_path / "latin")


def test_a_deep_document_ends_in_an_error(read):
    with pytest.raises(InvalidDocument, match="nested too deeply"):
        read("a: " + "[" * 900 + "]" * 900)


def test_a_few_lines_that_would_grow_beyond_all_bounds(read):
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    assert len(read("\n".join(lines)).value) == 60


def test_unknown_keys_are_told_with_what_was_meant(read):
    top = read("hots: {}\nprofile: x\n")
    with pytest.raises(InvalidDocument, match=r"file.yaml: unknown key 'hots'; did you mean 'hosts'\?"):
        top.keys(("profile", "hosts", "clusters"))
    with pytest.raises(InvalidDocument, match=r"unknown key 'hots'; expected one of aaa, profile"):
        top.keys(("profile", "aaa"))
    with pytest.raises(InvalidDocument, match=r"the key 'clusters' is missing"):
        top.keys(("profile", "hots", "clusters"), required=("clusters",))


def test_places_are_named_from_the_top(read):
    top = read("a: {b: [x, {c: 1}]}\n")
    entries = list(top["a"]["b"].each())
    assert [one.path for one in entries] == ["a.b[0]", "a.b[1]"]
    assert entries[1]["c"].path == "a.b[1].c"
    assert [(key, one.path) for key, one in top["a"].items()] == [("b", "a.b")]
    with pytest.raises(InvalidDocument, match=r"file.yaml: a.b\[1\]: expected text, not keys and values"):
        entries[1].text()


def entry(value):
    return Entry("f", "k", value)


def test_values_of_a_kind():
    assert entry("x").text() == "x"
    assert entry(None).text("d") == "d"
    assert entry(None).flag(default=True) is True
    assert entry(False).flag(default=True) is False
    assert entry("b").one_of(("a", "b")) == "b"
    assert list(entry(None).each()) == []
    assert entry(None).mapping() == {}
    assert "x" not in entry(None)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: entry(None).text(), "f: k: expected text, not nothing"),
        (lambda: entry("").text(), "f: k: expected text, not an empty text"),
        (lambda: entry(" ").text(), "f: k: expected text, not an empty text"),
        (lambda: entry("  ").text("d"), "f: k: expected text"),
        (lambda: entry(True).text(), "f: k: expected text, not true or false"),
        (lambda: entry("yes?").flag(default=False), "expected true or false, not text"),
        (lambda: list(entry("a").each()), "expected a list, not text"),
        (lambda: entry([]).mapping(), "expected keys and values, not a list"),
        (lambda: entry("worke").one_of(("worker", "admin")), "'worke' is not known; did you mean 'worker'"),
        (lambda: entry("zzz").one_of(("worker", "admin")), "'zzz' is not known; expected one of worker, admin"),
    ],
)
def test_values_of_another_kind(call, said):
    with pytest.raises(InvalidDocument) as caught:
        call()
    assert said in str(caught.value)


PIECES = st.sampled_from(
    ["a", "b: ", ": ", "- ", "\n", "  ", "{", "}", "[", "]", "&x ", "*x", "!!int ", "!!float ", "!!set ", "!!omap ", "!!pairs ", "!!str ", "!!binary ", "!!timestamp ",
     "!x ", "<<: ", "? ", "=", "|\n", ">\n", '"', "'", "#", "---\n", "...\n", "%YAML 1.1\n", "\t", "\\", "1.10", "0b2", "null", "~", "\u2028", "\ufeff", "\x85"]
)  # fmt: skip


@PATIENT
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(PIECES, max_size=14).map("".join).map(str.encode),
        st.text(max_size=40).map(lambda t: t.encode("utf-8", "replace")),
    )
)
@example(b'a: !!timestamp "x"')
@example(b"!!set {a, b}")
@example(b"a: !!omap [x]")
@example(b"=: x")
def test_any_bytes_are_a_document_or_an_error_of_one_line(read, data):
    try:
        top = read(data)
    except InvalidDocument as error:
        assert str(error).splitlines() == [str(error)]
    else:
        assert isinstance(top.value, dict)
        assert all(isinstance(key, str) for key in top.mapping())
