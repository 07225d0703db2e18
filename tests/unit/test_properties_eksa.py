"""Properties of what is read of an EKS Anywhere workstation: any text is a value or the defined error."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.eks_anywhere.facts_specification import without_login
from checks.eks_anywhere.workstation import VARIABLE_NAMES, InvalidAnswer, Mirrors, Variables
from conformance.facts.values import tlschain
from conformance.facts.values.certificates import InvalidCertificates
from tests.hazards.eksa_certificates import made
from tests.hazards.eksa_station import mirror, mirrors

STATES = st.sampled_from(["set", "empty", "unset"])
FILES = st.sampled_from(["ok", "missing", "denied", "nofile", "empty"])
PATHS = st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), max_size=20)
CHAIN = [made("a").pem, made("b").pem]


@given(st.text())
def test_any_text_of_variables(text):
    with contextlib.suppress(InvalidAnswer):
        assert set(Variables.parse(text)) >= set(VARIABLE_NAMES)


@given(st.fixed_dictionaries(dict.fromkeys(VARIABLE_NAMES, STATES)), st.tuples(FILES, PATHS))
def test_variables_are_read_back(states, file):
    state, path = file
    text = "".join(f"variable {name} {held}\n" for name, held in states.items())
    parsed = Variables.parse(f"{text}file EKSA_GIT_PRIVATE_KEY {state}{f' {path}' if path else ''}\n")
    assert dict(parsed) == states
    assert (parsed.files["EKSA_GIT_PRIVATE_KEY"].state, parsed.files["EKSA_GIT_PRIVATE_KEY"].path) == file


@given(st.sampled_from(VARIABLE_NAMES))
def test_every_variable_must_be_told(name):
    text = "".join(f"variable {held} set\n" for held in VARIABLE_NAMES if held != name)
    with pytest.raises(InvalidAnswer, match=name):
        Variables.parse(text)


@given(st.text() | st.text("now123 directoryfusemiptaxEND-BGICRTYAT\n"))
def test_any_text_of_mirrors(text):
    for one in (text, f"now 1\ndirectory /\n{text}", f"now 1\ndirectory /\nmirror x:1\n{text}"):
        with contextlib.suppress(InvalidAnswer):
            assert Mirrors.parse(one).at.tzinfo is UTC


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,5}:[0-9]{1,4}", fullmatch=True), st.integers(0, 2)),
        max_size=4,
        unique_by=lambda one: one[0],
    ),
    st.integers(0, 99),
)
def test_mirrors_are_read_back(at, shown, code):
    at = at.replace(microsecond=0)
    told = mirrors(*(mirror(name, *CHAIN[:many], verify=f"{code} (why)") for name, many in shown), at=at)
    parsed = Mirrors.parse(told)
    assert (parsed.at, parsed.directory, list(parsed.replies)) == (at, "/home/ops", [name for name, _ in shown])
    for name, many in shown:
        one = parsed.replies[name]
        assert [held.encode() for held in one.chain] == CHAIN[:many]
        assert one.verdict == (code if many else None)
        assert bool(one.problem) is not bool(many)


@given(
    st.text()
    | st.binary(max_size=60).map(lambda held: f"-----BEGIN CERTIFICATE-----\n{held.hex()}\n-----END CERTIFICATE-----\n")
)
def test_any_text_of_certificates(text):
    with contextlib.suppress(InvalidCertificates):
        assert tlschain.certificates_of(text)


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(["http://", "https://", "ssh://", ""]), PATHS)
def test_a_login_never_stays(user, password, scheme, host):
    host = host.replace("@", "").replace(":", "").replace("/", "").strip()
    kept = without_login(f"{scheme}{user}:{password}@{host}")
    assert kept["login"] is True
    assert kept["address"].endswith(host)
    assert len(kept["address"]) <= len(scheme) + len(host) + (0 if scheme else len(user) + len(password) + 4)
    assert without_login(f"{scheme}{host}")["login"] is False
