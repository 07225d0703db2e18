"""For any text of a workstation: a value, or the error that is documented."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import subprocess

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.anthos_bare_metal.check_versions import release_dates
from checks.anthos_bare_metal.facts_service_accounts import service_account_facts
from checks.anthos_bare_metal.workspace import InvalidAnswer, Workspace, keys_in, mirrors_in
from checks.anthos_bare_metal.workspace_script import _FILTER, _JSON, _NAMES
from conformance import Unreadable, Version
from conformance.facts.values._documents import documents_in
from tests.programs import each_of

AWKS = each_of("awk", "busybox awk")
LINES = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            [
                "absent",
                "refused why",
                "file ok bmctl-workspace/a/a.yaml",
                "file denied bmctl-workspace/b/b.yaml",
                "file more",
                "|kind: Cluster",
                "|---",
                "|spec:",
                "|  type: user",
                "key a.json",
                "state missing",
                "name type service_account",
                "pem yes",
                "public -----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----",
                "mirror https://m|a|b",
                "reply curl 0 none 200",
                "reply odd",
                "root 200",
            ]
        ),
    ),
    max_size=8,
)


@given(LINES, st.booleans())
def test_any_answer_of_the_workstation(lines: list[str], opened: bool) -> None:
    text = "\n".join((["directory /home/ops"] if opened else []) + lines)
    for parse in (Workspace.parse, keys_in, mirrors_in):
        with contextlib.suppress(InvalidAnswer, Unreadable):
            parse(text)


@given(st.text())
def test_any_text_as_documents(text: str) -> None:
    found = documents_in(text)
    assert found is None or None not in found


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"), max_size=20), max_size=5))
def test_documents_are_those_that_were_written(held: list[str]) -> None:
    assert documents_in(yaml.safe_dump_all([{"a": one} for one in held])) == [{"a": one} for one in held]


@given(st.text())
def test_any_text_as_days_of_release(text: str) -> None:
    with contextlib.suppress(ValueError):
        release_dates(text)


@given(st.dictionaries(st.from_regex(r"1\.[1-9]\.[1-9]", fullmatch=True), st.dates(datetime.date(1000, 1, 1))))
def test_days_of_release_are_those_that_were_written(days: dict[str, datetime.date]) -> None:
    text = ", ".join(f"{version}={day}" for version, day in days.items())
    assert release_dates(text) == {Version.parse(version): day for version, day in days.items()}


@given(
    st.dictionaries(
        st.text(max_size=8), st.one_of(st.none(), st.text(max_size=40), st.integers(), st.binary(max_size=40))
    )
)
def test_any_secret(data: dict[str, object]) -> None:
    encoded = {
        key: base64.b64encode(value).decode() if isinstance(value, bytes) else value for key, value in data.items()
    }
    json.dumps(service_account_facts({"data": encoded}))


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


def awk(program: str, text: str, which: str, **values: str) -> subprocess.CompletedProcess[str]:
    named = [part for name, value in values.items() for part in ("-v", f"{name}={value}")]
    return subprocess.run(
        [*which.split(), *named, program],
        input=text.encode(),
        capture_output=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )


@pytest.mark.parametrize("which", AWKS)
@settings(max_examples=15, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans(), st.integers(0, 2))
def test_awk_reads_whatever_json_writes(which: str, held: dict[str, object], ascii_only: bool, indent: int) -> None:
    document = {**held, "type": "service_account", "client_email": "a@b.example"}
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent or None)
    done = awk(_JSON + _NAMES, text, which, m="names")
    assert done.returncode == 0, text
    assert "name type service_account" in done.stdout.decode().splitlines()
    assert awk(_JSON + _NAMES, text[:-1], which, m="names").returncode == 1
    assert awk(_JSON + _NAMES, f"{text} x", which, m="names").returncode == 1


@pytest.mark.parametrize("which", AWKS)
def test_awk_decodes_a_private_key_as_json_does(which: str) -> None:
    key = '-----BEGIN PRIVATE KEY-----\nAb+/=\t"\\\n-----END PRIVATE KEY-----\n'
    text = json.dumps({"private_key": key}).replace("=", "\\u003d").replace("/", "\\/").replace("\\t", " ")
    assert awk(_JSON + _NAMES, text, which, m="pem").stdout.decode() == key.replace("\t", " ") + "\n"


NAMES = st.from_regex(r"[a-z][a-zA-Z]{0,8}", fullmatch=True)


@pytest.mark.parametrize("which", AWKS)
@settings(max_examples=15, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=5), st.sampled_from(["user", "admin"]))
def test_the_filter_lets_through_what_is_wanted_and_nothing_else(
    which: str, held: dict[str, object], kind: str
) -> None:
    wanted = {"type", "anthosBareMetalVersion", "gkeConnect", "clusterOperations", "maintenanceBlocks", "nodeConfig"}
    spec = {**{f"x{name}": value for name, value in held.items()}, "secret": "SECRET", "type": kind}
    document = {"kind": "Cluster", "metadata": {"name": "a", "labels": {"x": "SECRET"}}, "spec": spec, "data": "SECRET"}
    text = yaml.safe_dump_all([{"gcrKeyPath": "a b.json", "token": "SECRET"}, document], sort_keys=False)
    done = awk(_FILTER, text, which).stdout.decode()
    assert "SECRET" not in done
    (head, found) = documents_in("".join(f"{line[1:]}\n" for line in done.splitlines())) or ({}, {})
    assert head == {"gcrKeyPath": "a b.json"}
    assert found == {"kind": "Cluster", "metadata": {"name": "a"}, "spec": {"type": kind}}
    assert set(found["spec"]) <= wanted


@pytest.mark.parametrize("which", AWKS)
@pytest.mark.parametrize("user", ["puller:SECRET@", "SECRET:p@SECRET@", ""])
def test_a_password_in_an_address_stays(which: str, user: str) -> None:
    text = f"registryMirrors:\n- endpoint: https://{user}mirror:5000/v2/a@b\n  hosts: [gcr.io]\n"
    done = awk(_FILTER, text, which).stdout.decode()
    assert done == "|registryMirrors:\n|- endpoint: https://mirror:5000/v2/a@b\n|  hosts: [gcr.io]\n"
