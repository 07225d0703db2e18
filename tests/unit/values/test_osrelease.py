"""The operating system, with the quoting of os-release(5)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.facts.values import InvalidOsRelease, OsRelease

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
CENTOS = 'NAME="CentOS Linux"\nVERSION="8"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Linux 8"\n'
STREAM = CENTOS.replace("CentOS Linux", "CentOS Stream")
UBUNTU = 'NAME=\'Ubuntu\'\nVERSION_ID="20.04"\nID=ubuntu\nID_LIKE=debian\nPRETTY_NAME="Ubuntu 20.04.3 LTS"\n'


def test_centos_and_its_stream():
    linux, stream = OsRelease.parse(CENTOS), OsRelease.parse(STREAM)
    assert (linux.is_centos, linux.is_centos_stream, linux.is_rhel_family) == (True, False, True)
    assert (stream.is_centos, stream.is_centos_stream, stream.is_rhel_family) == (True, True, True)
    assert linux.id_like == ("rhel", "fedora")


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ('ID="rhel"\nVERSION_ID="8.2"', True), ('ID="rocky"\nID_LIKE="rhel centos fedora"', True), ("ID=scientific\nID_LIKE='rhel fedora'", True), ("ID=fedora", False),
        ('ID="ol"\nID_LIKE="fedora"', True), ('ID="rhcos"\nID_LIKE="rhel fedora"', True), (UBUNTU, False),
    ],
)  # fmt: skip
def test_the_family(text, family):
    assert OsRelease.parse(text).is_rhel_family is family


def test_ubuntu():
    found = OsRelease.parse(UBUNTU)
    assert (found.id, found.version_id, str(found)) == ("ubuntu", "20.04", "Ubuntu 20.04.3 LTS")
    assert found.version.release == (20, 4)
    assert OsRelease.parse("ID=arch").version is None


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"a b"', "a b"), ("'a $b'", "a $b"), (r'"a\"b\\c\$d\`e\f"', 'a"b\\c$d`e\\f'), (r"a\ b", "a b"), ("a'b'\"c\"", "abc"),
        ('""', ""), ("", ""), ('"open', '"open'), ("plain ", "plain"), ('"x" ', "x"),
    ],
)  # fmt: skip
def test_quoting(written, value):
    assert OsRelease.parse(f"# comment\nID=x\nNAME={written}\r\n").name == value


def test_defaults_and_repetition():
    assert OsRelease.parse("NAME=x").id == "linux"
    assert OsRelease.parse("ID=a\n#ID=b\nID=c").id == "c"


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "cat: /etc/os-release: No such file or directory"])
def test_a_text_without_an_assignment_is_refused(text):
    with pytest.raises(InvalidOsRelease, match="expected"):
        OsRelease.parse(text)


@PATIENT
@given(st.one_of(st.text(), st.text("ID=NAME\"'\\$` \n")))
def test_any_text_is_an_os_release_or_is_refused(text):
    try:
        found = OsRelease.parse(text)
    except InvalidOsRelease:
        return
    assert found.id
    assert found.is_centos in (True, False)
    found.version


@PATIENT
@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\0")))
def test_a_quoted_name_is_read_as_it_was_meant(name):
    quoted = name.translate({ord(one): "\\" + one for one in '\\"$`'})
    assert OsRelease.parse(f'NAME="{quoted}"').name == name
