"""Quantities, and what the cluster operator says of manifests: any text gives a value or the defined error."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.anthos_bare_metal.manifests import ERROR, refused
from conformance.facts.values.quantities import InvalidQuantity, Quantity
from conformance.reads import LogMatch

SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
SUFFIXES |= {f"{one}i": 1024**power for power, one in enumerate("KMGTPE", 1)}
ANY = st.one_of(st.text(max_size=80), st.text("0123456789+-.eEKMGTPikmun ", max_size=12))


@given(ANY)
def test_any_text_is_a_quantity_or_none(text):
    try:
        assert Quantity.parse(text) == Quantity.parse(text)
    except InvalidQuantity as error:
        assert len(str(error)) < 200


@given(st.integers(0, 10**18), st.sampled_from(sorted(SUFFIXES)))
def test_what_is_written_is_read(number, suffix):
    assert Quantity.parse(f"{number}{suffix}").value == number * SUFFIXES[suffix]
    assert Quantity.parse(f"-{number}{suffix}").value == -number * SUFFIXES[suffix]


@given(st.decimals(-(10**9), 10**9, places=6), st.sampled_from(sorted(SUFFIXES)))
def test_parts_of_a_number_are_exact(number, suffix):
    assert Quantity.parse(f"{number:f}{suffix}").value == Fraction(number) * SUFFIXES[suffix]


@given(st.integers(1, 10**6), st.integers(-12, 12))
def test_exponents(number, exponent):
    for text in (f"{number}e{exponent}", f"{number}E{exponent:+d}"):
        assert Quantity.parse(text).value == number * Fraction(10) ** exponent


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("256Mi", "268435456"),
        ("0.25Gi", "256Mi"),
        (".5Ki", "512"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1E3", "1k"),
        ("1E", "1000P"),
        ("100m", "0.1"),
        ("1500u", "1.5m"),
        ("1000n", "1u"),
        (268435456, "256Mi"),
        (0.5, "500m"),
        ("+1Mi", "1Mi"),
    ],
)
def test_the_same_amount(text, same):
    assert Quantity.parse(text) == Quantity.parse(same)


def test_order():
    assert Quantity.parse("256M") < Quantity.parse("256Mi") < Quantity.parse("0.3Gi") < Quantity.parse("1e9")


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "Mi", "1 Mi", "256MB", "256mi", "256ki", "1K", "1e", "1e1.5", "0x10", "1_000", "1e999", "1,5", "١", "9" * 99, "1\n",
     None, True, [1], {}, float("nan"), float("inf"), 1e300],
)  # fmt: skip
def test_no_quantity(text):
    with pytest.raises(InvalidQuantity):
        Quantity.parse(text)


INVALID = "is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
PIECES = st.sampled_from(
    [ERROR, INVALID, f'Service "a" {INVALID}', f'\\"a\\" {INVALID}', "E0101 10:00:00.1 ", "2 errors occurred:", "{", "\\n\\t* ", '"', " x "]
)  # fmt: skip
LINES = st.lists(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=6).map("".join)), max_size=8)


@given(LINES)
def test_any_log_names_resources_or_none(lines):
    log = [LogMatch("kube-system/operator", "main", number, text) for number, text in enumerate(lines)]
    found, orphans = refused(log)
    for one in found:
        assert one.name
        assert one.name in one.line.text
        assert ERROR in one.entry[0]
        assert INVALID[:20] in one.line.text
    assert all(one in log for one in orphans)


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
KINDS = st.from_regex(r"[A-Z][A-Za-z]{1,12}(\.[a-z]{1,8}){0,2}", fullmatch=True)


@given(st.lists(st.tuples(KINDS, NAMES), min_size=1, max_size=5), st.booleans())
def test_every_resource_is_found(resources, escaped):
    quote, end = ('\\"', "\\n\\t* ") if escaped else ('"', "\n\t* ")
    text = f"{ERROR} {end}" + end.join(f"{kind} {quote}{name}{quote} {INVALID}" for kind, name in resources)
    found, _ = refused([LogMatch("p", "c", number, line) for number, line in enumerate(text.split("\n"))])
    assert [(one.kind, one.name) for one in found] == resources
