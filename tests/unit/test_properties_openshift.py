"""What hosts of OpenShift print, in any shape: a value or the error that is promised."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from checks.openshift.facts_hosts import Backups, InvalidBackups, etcd_static_pod
from conformance import Unreadable

STAMPS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(lambda one: one.replace(microsecond=0))
SIZES = st.none() | st.integers(0, 10**15)
#: Text that is nearly what is expected.
WORDS = st.sampled_from(
    [
        "2022-01-31_120000 1643630400\n",
        "none\n",
        "5 1643630400 snapshot_2022-01-31_110000.db\n",
        "9" * 30,
        " ",
        "-1 ",
        "\u0662",
    ]
)
MIXED = st.lists(WORDS | st.text(max_size=8), max_size=6).map("".join)


def name(stamp: datetime) -> str:
    return f"{stamp:%Y-%m-%d_%H%M%S}"


@given(st.text() | MIXED)
def test_backups_of_any_text(text: str) -> None:
    with suppress(InvalidBackups):
        found = Backups.parse(text)
        assert found.there or not found.backups


@given(STAMPS, st.dictionaries(STAMPS, st.tuples(SIZES, SIZES), max_size=5))
def test_backups_come_back_as_they_lie_there(
    now: datetime, held: dict[datetime, tuple[int | None, int | None]]
) -> None:
    lines, epoch = [], datetime(1970, 1, 1)  # as in UTC: the host's zone does not matter
    seconds = int((now - epoch).total_seconds())
    for stamp, sizes in held.items():
        files = (f"snapshot_{name(stamp)}.db", f"static_kuberesources_{name(stamp)}.tar.gz")
        written = int((stamp - epoch).total_seconds())
        lines += [f"{size} {written} {one}" for size, one in zip(sizes, files, strict=True) if size is not None]
    found = Backups.parse("\n".join([f"{name(now)} {seconds}", *lines, ""]))
    assert found.there
    assert found.lines == tuple(lines)
    there = {name(stamp): sizes for stamp, sizes in held.items() if sizes != (None, None)}
    assert {one.stamp: (one.snapshot, one.resources) for one in found.backups} == there
    assert [one.age for one in found.backups] == sorted(now - stamp for stamp, sizes in held.items() if any_of(sizes))
    for one in found.backups:
        assert bool(one.lacks) == (not one.snapshot or not one.resources)
        assert isinstance(one.age, timedelta)


def any_of(sizes: tuple[int | None, int | None]) -> bool:
    return sizes != (None, None)


PATHS = [
    *("/etc/kubernetes/manifests/etcd-pod.yaml", "/etc/kubernetes/manifests/kube-apiserver-pod.yaml"),
    *("/var/lib/etcd-backup/etcd-pod.yaml", "/var/lib/etcd", "/tmp/etcd"),
]


@given(
    st.text() | st.lists(st.sampled_from([f"there {one}\n" for one in PATHS] + ["data /x\n"]) | st.text()).map("".join)
)
def test_the_static_pod_of_any_text(text: str) -> None:
    with suppress(Unreadable):
        assert set(etcd_static_pod(text).there) == set(PATHS)


@given(st.tuples(*[st.booleans()] * 5), st.sampled_from(["/var/lib/etcd", "/tmp/etcd", "", "/mnt/a b"]))
def test_the_static_pod_comes_back(there: tuple[bool, ...], data: str) -> None:
    told = [f"{'there' if yes else 'absent'} {path}" for path, yes in zip(PATHS, there, strict=True)]
    found = etcd_static_pod(os.linesep.join([*told, f"data {data}", ""]))
    assert found.there == dict(zip(PATHS, there, strict=True))
    assert found.data == data
