"""Properties of what is made of a workstation's answers: for any text a value or the one error that is promised."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from checks.anthos_bare_metal.credentials import Credentials, InvalidCredentials, KeyFile, type_of
from checks.anthos_bare_metal.facts_workstation import Manifests, abm_credentials, abm_manifests
from conformance.answers import Unreadable

READ = abm_credentials.sources[0].bind({"bmctl-directory": "~"})
LINES = st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), max_size=20)
WORDS = st.sampled_from(
    ["type", "service_account", "authorized_user", 'a "quoted\\" {word}', "!", "@:,", "\\", "é", ""]
)
VALUES = st.recursive(
    st.one_of(WORDS, st.text(max_size=9), st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=9,
)


@given(st.text(), st.lists(LINES, max_size=11))
@settings(deadline=None)
def test_any_text_of_credentials(text: str, lines: list[str]) -> None:
    for one in (text, "".join(f"{line}\n" for line in lines)):
        try:
            Credentials.parse(one)
        except InvalidCredentials:
            continue
        assert one.count("\n") % 5 == 0


@given(st.lists(st.tuples(LINES, LINES, LINES), max_size=3), LINES)
@settings(deadline=None)
def test_what_the_script_prints_comes_back(places: list[tuple[str, str, str]], value: str) -> None:
    groups = [("variable", value, "/p", "file", '{!:@,"":""}'), *(("gcloud", *one, "") for one in places)]
    got = Credentials.parse("".join(f"{line}\n" for one in groups for line in one))
    assert got.variable == KeyFile(value, "/p", "file", "service_account")
    assert got.gcloud == tuple(KeyFile(*one, "") for one in places)


@given(st.dictionaries(WORDS, VALUES, max_size=5), st.sampled_from([None, 1]), st.booleans())
@settings(deadline=None)
def test_the_type_of_any_object_is_told_without_its_content(
    held: dict[str, object], indent: int | None, ascii_only: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        key = Path(directory, "key.json")
        key.write_text(json.dumps(held, indent=indent, ensure_ascii=ascii_only), encoding="utf-8", newline="\r\n")
        env = {"PATH": "/usr/bin:/bin", "PF_PATH": "/usr/bin:/bin", "PF_HERE": "1", "PF_NONCE": "N", "HOME": directory}
        env["GOOGLE_APPLICATION_CREDENTIALS"] = str(key)
        done = subprocess.run(["/bin/sh", "-c", READ.script], env=env, capture_output=True, text=True, check=True)
    stdout = READ.decode(done.stdout, "N")["stdout"]
    got = Credentials.parse(stdout).variable
    assert got is not None
    there = held.get("type")
    expected = "service_account" if there == "service_account" else "other" if isinstance(there, str) else ""
    assert got.type == expected, stdout
    assert not set(stdout.split("\n")[4]) - set('{}[]:,"!@')


@given(st.text(alphabet='{}[]:,"!@', max_size=30))
@settings(deadline=None)
def test_the_type_of_any_punctuation(shape: str) -> None:
    assert type_of(shape) in ("", "other", "service_account")


@given(st.text(), st.lists(LINES, max_size=6))
@settings(deadline=None)
def test_any_text_of_manifests(text: str, lines: list[str]) -> None:
    for one in (text, "\n".join(["/home/ops/", *lines, ""])):
        try:
            found: Manifests = abm_manifests(one)
            assert found.there(".manifests") in (True, False)
        except Unreadable as error:
            assert str(error)  # noqa: PT017 - either way is fine
