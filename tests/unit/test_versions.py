"""Versions as distributions write them, and what a hazard's specifier makes of them."""

import pickle

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from conformance.versions import InvalidSpecifier, InvalidVersion, Specifier, Version

WRITTEN = [
    "v1.20.8-gke.1500", "4.18.0-305.el8.x86_64", "4.17.0-rc1", "1.0.0~rc93", "1.0.0-rc93+dev", "6.1.0-13-amd64",
    "2.6.78-fc-v657", "5.15.0-1034-gke", "1.8", "v1.34.4+k3s1", "1.29.0-alpha.1", "5.4.0+", "249", "1.2.3p1",
]  # fmt: skip

# Other work on the machine must not fail a test.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=4)
SUFFIXES = st.sampled_from(
    ["", "-rc1", "-rc2", "-rc10", "~rc.1", ".alpha.1", "-beta", "-dev", "-gke.5", "-gke.10", "+k3s1"]
)
VERSIONS = st.builds(
    lambda n, s, v: Version.parse(v + ".".join(map(str, n)) + s), NUMBERS, SUFFIXES, st.sampled_from(["", "v"])
)
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
CLAUSES = st.one_of(
    st.builds(lambda o, n: o + ".".join(map(str, n)), OPERATORS, st.lists(st.integers(0, 3), min_size=1, max_size=3)),
    st.builds(
        lambda o, n: f"{o}{'.'.join(map(str, n))}.*",
        st.sampled_from(["==", "!="]),
        st.lists(st.integers(0, 3), min_size=1, max_size=2),
    ),
    st.builds(lambda n: "~=" + ".".join(map(str, n)), st.lists(st.integers(0, 3), min_size=2, max_size=3)),
)
SPECIFIERS = st.lists(CLAUSES, min_size=1, max_size=3).map(",".join)


def version(text: str) -> Version:
    return Version.parse(text)


@pytest.mark.parametrize("text", WRITTEN)
def test_a_version_is_given_back_as_it_was_written(text):
    assert str(version(text)) == text
    assert version(f" {text}\n").text == text


def test_the_numbers_of_a_version():
    found = version("v1.20.8-gke.1500")
    assert (found.release, found.major, found.minor, found.patch) == ((1, 20, 8), 1, 20, 8)
    assert (version("1.8").release, version("1.8").patch) == ((1, 8), 0)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        *(("1.8", "1.8"), ("v1.8.x", "v1.8"), ("1.8.X", "1.8"), ("4.14.z", "4.14"), (" 1.8.* ", "1.8"), ("2", "2")),
        *((one, one) for one in ("1.8.2", "v1.8.2", "1.8.2-gke.5", "v1.29.1+rke2r1", "1.29.0-eks-a-33", "1.8.2.1")),
        *((one, one) for one in ("4.14.0-rc.1", "1.35-rc.1", "4.14.0-0.nightly-2023-11-01")),
    ],
)
def test_versions_that_people_state(text, written):
    assert str(version(written)) == str(Version.stated(text)) == written
    assert Version.stated(text).is_series is (len(version(written).release) < 3 and "-" not in written)


@pytest.mark.parametrize(
    "text", ["1.8.O", "1.8-gke.5", "1.27+", "1.8.1O", "1.8.2.x", "1.x", "1.x.y", "1.8.el8", "1.8x", "new", ""]
)
def test_what_people_state_by_a_slip_is_refused(text):
    with pytest.raises(InvalidVersion, match="expected"):
        Version.stated(text)


@pytest.mark.parametrize(
    "text", ["", "v", "x1", "1.", "1..8", ".8", "1.8.*", "1 8", "1.8\n2", "1.8-", "٣.1", "1" * 5000, "1:1.8"]
)
def test_what_is_no_version_is_refused_by_name(text):
    with pytest.raises(InvalidVersion, match="expected") as refused:
        version(text)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("text", "pre"),
    [
        ("4.17.0-rc1", True), ("1.0.0~rc93", True), ("1.0.0-rc93+dev", True), ("1.29.0-alpha.1", True), ("1.0.0.dev3", True),
        ("1.0-pre2", True), ("1.0rc1", True), ("1.0-RC1", True), ("1.1.0+dev", False), ("1.8.2-gke.5", False),
        ("4.18.0-305.el8", False), ("1.8.0-devel", False), ("1.0.0-64.rc10.el8", False), ("2.6.78-fc-v657", False),
    ],
)  # fmt: skip
def test_a_pre_release_says_so_directly_behind_the_numbers(text, pre):
    assert version(text).is_prerelease is pre


@pytest.mark.parametrize(
    "ascending",
    [
        ["4.9.0-19-amd64", "4.15.0-20-generic", "4.17.0-rc1", "4.17.0", "4.17.0-13-amd64", "4.18.0-305.el8.x86_64"],
        ["1.0.0-rc2", "1.0.0-rc10", "1.0.0-rc93", "1.0.0-rc93+dev", "1.0.0", "1.0.1"],
        ["1.29.0-dev", "1.29.0-alpha.1", "1.29.0-alpha.2", "1.29.0-beta.0", "1.29.0-rc.0", "1.29.0"],
        ["1.8.2-gke.5", "1.8.2-gke.10", "1.8.2-gke.1500", "1.8.3"],
    ],
)
def test_the_order_of_versions(ascending):
    versions = [version(text) for text in ascending]
    assert sorted(versions) == versions
    assert all(low < high and low != high for low, high in zip(versions, versions[1:], strict=False))


def test_the_kernels_that_are_too_old():
    needed = version("4.17.0")
    old = ["4.9.0-19-amd64", "4.15.0-20-generic", "4.17.0-rc1", "3.10.0-1160.el7.x86_64", "2.6.78-fc-v657"]
    new = ["4.17.0", "4.17.0-13-amd64", "4.18.0-305.el8.x86_64", "5.15.0-1034-gke", "6.1.0-13-amd64", "10.0.0"]
    assert [text for text in old if not version(text) < needed] == []
    assert [text for text in new if version(text) < needed] == []


def test_punctuation_and_zeros_make_no_difference():
    assert version("v1.8") == version("1.8.0") == version("1.08")
    assert version("1.0.0~rc93") == version("1.0.0-rc93")
    assert hash(version("v1.8")) == hash(version("1.8.0"))
    assert version("1.8.0-gke.5") != version("1.8.0-gke.6")


@pytest.mark.parametrize(
    ("spec", "inside", "outside"),
    [
        ("<1.8.2", ["1.8.1", "1.8.1-gke.9", "1.7"], ["1.8.2", "1.8.2-gke.5", "1.8.2-rc.1", "1.9"]),
        ("<=1.11.1", ["1.11.1", "1.11.1-gke.3", "1.11.1-rc.1"], ["1.11.2"]),
        ("==1.9.*", ["1.9.0-rc.1", "1.9.0", "1.9.7-gke.1", "1.9"], ["1.10.0", "1.90.1", "1.8.9"]),
        (">=1.9", ["1.9.0", "1.9.0-gke.1", "1.10.0-rc.1"], ["1.9.0-rc.1", "1.8.9"]),
        ("<1.7", ["1.6.9", "1.6.9-rc1"], ["1.7.0-rc1", "1.7.0"]),
        ("<1.7.0-rc2", ["1.7.0-rc1"], ["1.7.0-rc2", "1.7.0"]),
        ("==1.7.1", ["1.7.1", "1.7.1-gke.5"], ["1.7.1-rc1", "1.7.2"]),
        ("!=1.7.1", ["1.7.2"], ["1.7.1", "1.7.1-gke.5"]),
        ("!=1.7.*", ["1.8.0"], ["1.7.0-rc1", "1.7.9"]),
        (">1.7.1", ["1.7.2", "1.7.2-rc1"], ["1.7.1", "1.7.1-gke.5"]),
        ("~=1.8.1", ["1.8.1", "1.8.9"], ["1.8.0", "1.9.0"]),
        ("~=1.8", ["1.8.0", "1.30.1"], ["1.7.9", "2.0.0"]),
        (">=1.8.1, <1.8.3", ["1.8.1", "1.8.2-gke.5"], ["1.8.0", "1.8.3-gke.1"]),
        ("<=1.0.0-rc93", ["1.0.0~rc93", "1.0.0-rc93+dev", "1.0.0-rc10"], ["1.0.0-rc94", "1.0.0"]),
        (">=1.7,<1.9", ["1.7.0", "1.8.9"], ["1.9.0-rc.1", "1.9.0", "1.7.0-rc1"]),
    ],
)
def test_what_a_specifier_contains(spec, inside, outside):
    found = Specifier.parse(spec)
    assert [text for text in inside if version(text) not in found] == []
    assert [text for text in outside if found.contains(version(text))] == []


@pytest.mark.parametrize(
    ("spec", "series", "may", "must"),
    [
        ("==1.8.*", "1.8", True, True),
        ("==1.9.*", "1.8", False, False),
        (">=1.8.1,<1.8.3", "1.8", True, False),
        ("<1.8.2", "1.8", True, False),
        ("<1.8.2", "1.7", True, True),
        ("<1.8.2", "1.9", False, False),
        ("<=1.11.1", "1.11", True, False),
        (">=1.9", "1.9", True, True),
        ("<1.9", "1.9", False, False),
        ("==1.7.1", "1.7", True, False),
        ("!=1.7.1", "1.7", True, False),
        (">1.8.1,<1.8.2", "1.8", False, False),
        (">=1.7,<1.9", "1", True, False),
        ("==1.*", "v1", True, True),
        (">1.8.1,<1.8.1.2", "1.8", True, False),
        (">1.8.1.2,<1.8.2", "1.8", True, False),
        ("==1.8.1.2", "1.8.1", False, False),  # three numbers are exact
        ("<1.8.2", "1.8-gke.5", True, True),  # a suffix: somebody knew exactly
        ("<1.7", "1.7-rc1", False, False),
    ],
)
def test_a_series_stands_for_all_its_releases(spec, series, may, must):
    found = Specifier.parse(spec)
    assert (found.may_contain(version(series)), found.must_contain(version(series))) == (may, must)


@pytest.mark.parametrize(
    "text",
    ["", ",", "1.8", ">=", ">=1.8,", "=>1.8", "===1.8", ">=1.8.*", "~=1", "<1.8.2-gke.5", "==x", "==1.8-rc1.*", "*"],
)
def test_what_is_no_specifier_is_refused(text):
    with pytest.raises(InvalidSpecifier):
        Specifier.parse(text)


def test_a_specifier_is_a_value():
    one, other = Specifier.parse(">=1.8, <1.9"), Specifier.parse(">=1.8,<1.9")
    assert (one, hash(one), str(one)) == (other, hash(other), ">=1.8, <1.9")
    assert pickle.loads(pickle.dumps(one)) == one
    assert pickle.loads(pickle.dumps(version("1.8.2-gke.5"))) == version("1.8.2-gke.5")


@PATIENT
@given(st.one_of(st.text(), st.text("0123456789.-+~vrcgke_ "), st.sampled_from(WRITTEN)))
def test_any_text_is_a_version_or_is_refused(text):
    try:
        found = version(text)
    except InvalidVersion:
        return
    assert str(found) == text.strip()
    assert version(str(found)) == found


@PATIENT
@given(st.one_of(st.text(), st.text("0123456789.*<>=!~,rc "), SPECIFIERS))
def test_any_text_is_a_specifier_or_is_refused(text):
    try:
        found = Specifier.parse(text)
    except InvalidSpecifier:
        return
    assert Specifier.parse(str(found)) == found
    found.may_contain(version("1.8"))


@PATIENT
@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total(one, two, three):
    assert (one < two) + (one == two) + (one > two) == 1
    assert (one <= two) == (one < two or one == two)
    if one <= two <= three:
        assert one <= three
    if one == two:
        assert hash(one) == hash(two)


@PATIENT
@given(SPECIFIERS, NUMBERS, st.sampled_from(["-gke.5", "+k3s1", "-305.el8.x86_64"]))
def test_a_suffix_never_moves_a_version_out_of_a_range(spec, numbers, suffix):
    text = ".".join(map(str, numbers))
    found = Specifier.parse(spec)
    assert found.contains(version(text)) == found.contains(version(text + suffix))


@PATIENT
@given(SPECIFIERS, VERSIONS)
def test_an_exact_version_has_one_answer(spec, exact):
    assume(not exact.is_series)
    found = Specifier.parse(spec)
    assert found.contains(exact) == found.may_contain(exact) == found.must_contain(exact)


@PATIENT
@given(SPECIFIERS, st.lists(st.integers(0, 3), min_size=1, max_size=2))
@example(">1.8.1,<1.8.3", [1, 8])
@example(">=1.1,!=1.1.2", [1])
def test_a_series_answers_as_all_its_releases_would(spec, numbers):
    found, series = Specifier.parse(spec), version(".".join(map(str, numbers)))
    # The specifiers of this test name no number above 3, so that 5 stands for all that is higher.
    tails = [[x] for x in range(6)] if len(numbers) == 2 else [[x, y] for x in range(6) for y in range(6)]
    answers = {found.contains(version(".".join(map(str, numbers + tail)))) for tail in tails}
    assert (found.may_contain(series), found.must_contain(series)) == (True in answers, False not in answers)
