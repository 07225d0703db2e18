"""Searching a log while it streams in, and which logs are asked for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.gather import logs
from conformance.gather.failures import Failed
from conformance.gather.logs import Matcher, logs_of
from conformance.gather.requests import ResourceRequest, requests_of
from conformance.reads import InvalidRead, PodLogs, listing, pod_logs

PODS = listing("pods")


def read(**changes: Any) -> PodLogs:
    return pod_logs(PODS, **{"namespace": "kube-system", "names": "a.*", "matching": "wrong", **changes})


def searched(*parts: bytes, **changes: Any) -> Matcher:
    matcher = Matcher(read(**changes))
    for part in parts:
        matcher.feed(part)
    matcher.finish()
    return matcher


def texts(matcher: Matcher) -> list[str]:
    return [one["text"] for one in matcher.matches]


def test_context() -> None:
    found = searched(b"1\n2\n3 wrong\n4 wrong\n5\n6\n7\n8 wrong\n", context=2).matches
    assert found == [
        {"number": 3, "before": ["1", "2"], "text": "3 wrong", "after": ["4 wrong", "5"]},
        {"number": 4, "before": ["2", "3 wrong"], "text": "4 wrong", "after": ["5", "6"]},
        {"number": 8, "before": ["6", "7"], "text": "8 wrong", "after": []},
    ]


def test_no_context() -> None:
    assert searched(b"1\n2 wrong\n3\n", context=0).matches == [
        {"number": 2, "before": [], "text": "2 wrong", "after": []}
    ]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"wrong \xff\xfe\xc3(", "wrong \ufffd\ufffd\ufffd("),
        (b"wr\x1b[31mong\x1b[0m", "wrong"),
        (b"wrong\r", "wrong"),
        (b"\x00\x07\twrong\x9b\xe2\x80\xa8", "   wrong\ufffd"),
        ("\u202ewrong ÄÖ 日本".encode(), "\u202ewrong ÄÖ 日本"),
        (b"wrong Authorization: Bearer abc.def-ghi", "wrong Authorization: Bearer […]"),
        (b"wrong https://user:password@proxy:3128", "wrong https://[…]proxy:3128"),
        (b"wrong -----BEGIN RSA PRIVATE KEY-----\\nMIIE", "wrong […]"),
        (b"wrong eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJpc3MiOiJr.c2ln", "wrong […]"),
    ],
)
def test_what_is_kept_of_a_line(line: bytes, kept: str) -> None:
    assert texts(searched(line + b"\n")) == [kept]


def test_the_lines_around_are_cleaned_too() -> None:
    (found,) = searched(b"Bearer abcdef\x1b[1m\nwrong\ntoken https://a:b@c\x00\n").matches
    assert (found["before"], found["after"]) == (["Bearer […]"], ["token https://[…]c"])


def test_the_end_of_the_log() -> None:
    assert searched(b"it went wrong\n").whole
    assert searched(b"").whole
    cut = searched(b"fine\nit went wrong")
    assert (texts(cut), cut.whole, cut.last) == (["it went wrong"], False, "it went wrong")


def test_more_matches_than_are_kept() -> None:
    matcher = searched(*(b"%d wrong\n" % number for number in range(10)), lines=3)
    assert texts(matcher) == ["7 wrong", "8 wrong", "9 wrong"]
    assert "more matches than the 3 lines" in matcher.lost
    assert searched(*(b"%d wrong\n" % number for number in range(3)), lines=3).lost == ""


def test_more_text_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "KEPT", 1000)
    matcher = searched(*(b"%d wrong %s\n" % (number, b"x " * 100) for number in range(10)))
    assert [one.split()[0] for one in texts(matcher)] == ["8", "9"] or texts(matcher)[-1].startswith("9 ")
    assert sum(map(len, texts(matcher))) <= 1000
    assert matcher.lost


def test_a_long_line_is_kept_where_it_matches() -> None:
    filler = b"- " * 50_000
    (text,) = texts(searched(b"begin " + filler + b"it went wrong at last" + filler + b"\n"))
    assert text.startswith("begin ")
    assert "it went wrong at last" in text
    assert len(text) < logs.KEPT_OF_LINE


def test_an_endless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LONGEST", 4096)
    matcher = Matcher(read())
    for _ in range(1000):
        matcher.feed(b"y" * 4096)
        assert len(matcher._rest) <= 4096
    matcher.feed(b"wrong\nthen wrong\n")
    matcher.finish()
    assert texts(matcher) == ["then wrong"]
    assert "a line of more than 4 KiB" in matcher.lost


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 3))
def test_how_a_log_is_cut_into_parts_does_not_matter(parts: list[bytes], context: int) -> None:
    pattern = {"matching": "[a-f0]", "context": context}
    whole, cut = searched(b"".join(parts), **pattern), searched(*parts, **pattern)
    assert (whole.matches, whole.whole, whole.lost, whole.size) == (cut.matches, cut.whole, cut.lost, cut.size)


@given(st.binary(max_size=400))
def test_any_bytes_are_searched(content: bytes) -> None:
    matcher = searched(content, matching=".?", context=1, lines=5)
    assert len(matcher.matches) <= 5
    for one in matcher.matches:
        for text in (*one["before"], one["text"], *one["after"]):
            assert all(char >= " " and char not in "\x7f\u2028\u2029" for char in text)


# -- which logs ------------------------------------------------------------------------------------------------------


def pod(name: str, *containers: str, namespace: str = "kube-system", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": one} for one in containers]},
    }


def keys(asked: PodLogs, *pods: Any) -> list[str]:
    return [one.key for one in logs_of(asked, pods)]


def test_every_container_of_the_pods_of_that_name() -> None:
    pods = pod("a1", "x", "y"), pod("ba", "x"), pod("a2", "x"), pod("a3", "x", namespace="other"), pod("a4")
    assert keys(read(), *pods) == ["kube-system/a1/x", "kube-system/a1/y", "kube-system/a2/x", "kube-system/a4"]
    assert keys(read(container="z"), pods[0]) == ["kube-system/a1/z"]


@pytest.mark.parametrize("name", ["..", "a/../../../secrets", "a?x=1", "a b", ""])
def test_a_name_that_no_pod_can_have_is_not_asked_for(name: Any) -> None:
    assert keys(read(names=".*"), pod(name, "x")) == []


def test_a_choice_that_breaks_makes_it_unknown() -> None:
    def broken(one: Any) -> bool:
        return bool(one["secret"])

    with pytest.raises(Failed) as caught:
        logs_of(read(only=broken), [pod("a1", "x")])
    assert caught.value.problem.message.endswith("broken cannot decide (KeyError)")


def test_the_bound_counts_pods() -> None:
    assert len(keys(read(pods=1), pod("a1", "x", "y", "z"), pod("b", "x"))) == 3
    with pytest.raises(Failed, match="there are 2, more than the 1"):
        logs_of(read(pods=1), [pod("a1"), pod("a2")])


# -- the declaration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ""},
        {"matching": "("},
        {"names": "[a"},
        {"lines": 0},
        {"pods": 0},
        {"context": -1},
        {"since": 0},
        {"limit": 0},
    ],
)
def test_what_cannot_be_declared(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRead):
        read(**changes)


def test_it_ranges_over_pods_in_full() -> None:
    with pytest.raises(InvalidRead, match="ranges over pods"):
        pod_logs(listing("nodes"), namespace="n", names="a", matching="x")
    with pytest.raises(InvalidRead, match="a step ranges over a projected listing"):
        pod_logs(listing("pods", reduce=len), namespace="n", names="a", matching="x")


def test_the_plan_says_the_bounds() -> None:
    key = read(since=60, previous=True, labels={"app": "x"}, container="main").key
    assert key == (
        "get previous log of container main of pods kube-system/a.* with app=x of the last 60 s: lines matching /wrong/, "
        "each with 1 around it; at most 20 pods, 2,000 matching lines and 16,777,216 bytes each"
    )


def test_reads_that_differ_have_different_keys() -> None:
    changes: list[dict[str, Any]] = [
        {},
        *({name: 7} for name in ("context", "since", "lines", "pods", "limit")),
        *({name: "zz"} for name in ("namespace", "matching", "names", "container")),
        {"previous": True},
        {"labels": {"a": "b"}},
        {"only": bool},
    ]
    assert len({read(**one).key for one in changes}) == len(changes)


def test_the_right_that_it_needs() -> None:
    wanted = [one for one in requests_of([read()]) if isinstance(one, ResourceRequest)]
    assert wanted == [ResourceRequest("get", "", "pods/log"), ResourceRequest("list", "", "pods")]
