"""Whatever hosts say of runc, network interfaces, releases and logs: a value, or the one error that is declared."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.answers import Answer, Unreadable
from conformance.facts.values.ethtool import Feature, InvalidFeature, InvalidLinks, Links
from conformance.facts.values.osrelease import OsRelease
from conformance.facts.values.redhat import InvalidRedHatRelease, RedHatRelease
from conformance.facts.values.runc import InvalidProcessList, InvalidRuncVersion, runc_inits, runc_version
from conformance.reads import journal
from conformance.versions import Version

CENTOS = OsRelease.parse('NAME="CentOS Linux"\nID="centos"\nVERSION_ID="8"\n')
NAMES = st.from_regex(r"[a-z][a-z0-9.@-]{0,14}", fullmatch=True)
PIECES = st.sampled_from(
    [
        *(
            "link ens192 vmxnet3",
            "feature ens192 ",
            "failed ens192",
            "route4 default",
            "node-ip ",
            "ssh ",
            "end",
            "\n",
            " ",
        )
    ]
    + [
        *(
            "tx-udp_tnl-segmentation: on",
            "[fixed]",
            "dev",
            "metric",
            "10.0.0.1",
            "1.0.0-rc93",
            "runc version ",
            "runc init",
            "0",
        )
    ]
)
TEXTS = st.text() | st.lists(PIECES).map("".join)


# -- runc ----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_a_version_of_runc_or_none(text: str) -> None:
    try:
        assert str(runc_version(text)) in text
    except InvalidRuncVersion as error:
        assert "expected" in str(error)


@settings(deadline=None)
@given(
    st.tuples(*[st.integers(0, 99)] * 3),
    st.integers(1, 120) | st.none(),
    st.sampled_from(["-rc{}", "~rc{}"]),
    st.sampled_from(["", "+dev", "-0ubuntu1~20.04.2", "+ds1-5"]),
    st.sampled_from(["", "\ncommit: 12644e6\nspec: 1.0.2-dev\n"]),
)
def test_a_version_of_runc_is_the_one_that_was_printed(numbers, rc, form, suffix, more) -> None:
    release = ".".join(map(str, numbers))
    version = runc_version(f"runc version {release}{form.format(rc) if rc else ''}{suffix}{more}")
    assert version.release == numbers
    assert version.is_prerelease is (rc is not None)
    assert (version.public <= Version.parse("1.0.0-rc93").public) is ((*numbers, rc or 999) <= (1, 0, 0, 93))


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_a_list_of_processes_or_none(text: str) -> None:
    try:
        assert all(one.age >= 0 and one.pid >= 0 for one in runc_inits(text))
    except InvalidProcessList as error:
        assert "expected" in str(error)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 2**22))), st.integers(2, 10**6))
def test_processes_are_those_that_were_printed(processes, seen) -> None:
    text = "".join(f"{age:7} {pid:7} runc init\n" for age, pid in processes) + f"{seen}\n"
    assert [(one.age, one.pid) for one in runc_inits(text)] == processes


# -- network interfaces --------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(TEXTS)
def test_any_text_describes_interfaces_or_is_refused(text: str) -> None:
    for one in (text, f"{text}\nend"):
        try:
            links = Links.parse(one)
        except (InvalidLinks, InvalidFeature):
            continue
        for name in links.links:
            assert next(links.standing(name)).name == name


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=3), max_size=5), st.data())
def test_an_interface_stands_on_all_below_it_each_once(below, data) -> None:
    text = "".join(f"link {name} - {' '.join(lower)}\n" for name, lower in below.items()) + "end\n"
    links = Links.parse(text)
    assert {name: list(one.lower) for name, one in links.links.items()} == below
    if below:
        start = data.draw(st.sampled_from(sorted(below)))
        reached = [one.name for one in links.standing(start)]
        assert len(reached) == len(set(reached))
        assert {one for name in reached for one in below[name] if one in below} <= set(reached)


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, st.integers(0, 2**32 - 1) | st.none()), min_size=1, max_size=4))
def test_the_default_route_is_that_of_the_least_metric(routes) -> None:
    lines = [
        f"route4 default via 10.0.0.1 dev {dev}" + ("" if metric is None else f" metric {metric}")
        for dev, metric in routes
    ]
    best = min(metric or 0 for _, metric in routes)
    wanted = dict.fromkeys(dev for dev, metric in routes if (metric or 0) == best)
    assert Links.parse("\n".join([*lines, "end"])).default == tuple(wanted)


@settings(deadline=None)
@given(TEXTS)
def test_any_text_is_a_feature_or_none(text: str) -> None:
    try:
        assert Feature.parse(text).line == text.strip()
    except InvalidFeature as error:
        assert "expected" in str(error)


@pytest.mark.parametrize(
    ("line", "on", "fixed"),
    [
        ("tx-udp_tnl-segmentation: on", True, False),
        ("\ttx-udp_tnl-segmentation: off [fixed]", False, True),
        ("tx-udp_tnl-csum-segmentation: off [requested on]", False, False),
        ("tx-udp_tnl-csum-segmentation: on [fixed]", True, True),
    ],
)
def test_features_as_ethtool_prints_them(line: str, on: bool, fixed: bool) -> None:
    feature = Feature.parse(line)
    assert (feature.on, feature.fixed, feature.line) == (on, fixed, line.strip())


# -- releases of the Red Hat family --------------------------------------------------------------------------------


@settings(deadline=None)
@given(TEXTS | st.none())
def test_any_text_names_a_release_or_is_refused(text: str | None) -> None:
    assert RedHatRelease.parse(text, CENTOS).major >= 0
    rolling = OsRelease.parse('NAME="x"\nID="rhel"\n')
    try:
        assert RedHatRelease.parse(text, rolling).line in (text or "")
    except InvalidRedHatRelease as error:
        assert "expected" in str(error)


@pytest.mark.parametrize(
    ("text", "os_release", "release", "stream"),
    [
        ("CentOS Linux release 8.2.2004 (Core) \n", CENTOS, (8, 2), False),
        ("Red Hat Enterprise Linux release 8.10 (Ootpa)\n", CENTOS, (8, 10), False),
        ("Red Hat Enterprise Linux Server release 7.9 (Maipo)\n", CENTOS, (7, 9), False),
        ("CentOS Stream release 8\n", CENTOS, (8,), True),
        (None, CENTOS, (8,), False),
        ("", OsRelease.parse('ID="rhel"\nVERSION_ID="8.4"\n'), (8, 4), False),
        ("garbled", OsRelease.parse('NAME="CentOS Stream"\nID="centos"\nVERSION_ID="9"\n'), (9,), True),
    ],
)
def test_releases_as_they_are_written(text, os_release, release, stream) -> None:
    found = RedHatRelease.parse(text, os_release)
    assert (found.release, found.stream) == (release, stream)


# -- logs ----------------------------------------------------------------------------------------------------------

READ = journal("kubelet", matching="x")


@settings(deadline=None)
@given(st.text(), st.text(), st.integers(0, 255), st.integers(0, 255))
def test_any_answer_of_a_journal_is_lines_or_unreadable(stdout: str, stderr: str, rc: int, source: int) -> None:
    for text in (stdout, f"{stdout}NONCE rc {source}\n"):
        answer = Answer({**READ.decode(text, "NONCE"), "stderr": stderr, "rc": rc, "as": "root"})
        try:
            assert all("\n" not in one for one in READ.extract(answer))
            assert rc == 0
        except Unreadable as failure:
            assert failure.reason


@settings(deadline=None)
@given(st.lists(st.from_regex(re.compile(r"[^\n]+"), fullmatch=True).filter(lambda one: "NONCE" not in one)))
def test_lines_of_a_journal_are_those_that_were_printed(logged) -> None:
    text = "".join(f"{one}\n" for one in logged) + "NONCE rc 0\n"
    assert READ.extract(Answer({**READ.decode(text, "NONCE"), "stderr": "", "rc": 0})) == logged
