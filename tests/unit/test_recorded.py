"""The change inside a snapshot: enough for a run on it, and nothing of how anybody was reached."""

import json
from pathlib import Path

import pytest

from conformance.change import Change, Cluster, Host, NodesOf, Ssh, Upgrade
from conformance.recorded import change_of, record_of
from conformance.versions import Version

V8, V9 = Version.parse("1.8.3-gke.1"), Version.parse("1.9")
WHOLE = Change(
    profile="p",
    upgrade=Upgrade(V8, V9),
    hosts={"n1": Host("n1", "ssh://me@n1", ("worker",), "c"), "ws": Host("ws", "local://")},
    nodes=(NodesOf("n", "c"),),
    clusters={
        "c": Cluster("c", Path("/k"), "ctx", "user", "hub", Upgrade(None, V9), (Path("d.yaml"),), connected=False),
        "hub": Cluster("hub", upgrade=Upgrade(none=True)),
    },
    ssh=Ssh(Path("/cfg"), Path("/key"), sudo=True),
    waivers=Path("w.yaml"),
    parameters={"a": "1"},
    examine=("hosts",),
    file=Path("upgrade.yaml"),
)


def test_what_a_run_on_a_snapshot_needs_comes_back():
    back = change_of(json.loads(json.dumps(record_of(WHOLE))))
    assert (back.profile, back.upgrade, back.parameters, back.examine) == ("p", WHOLE.upgrade, {"a": "1"}, ("hosts",))
    assert back.hosts == WHOLE.hosts
    assert back.clusters == {
        "c": Cluster("c", role="user", manager="hub", upgrade=Upgrade(None, V9), connected=False),
        "hub": Cluster("hub", upgrade=Upgrade(none=True)),
    }
    assert back.upgrade.source.text == "1.8.3-gke.1"
    assert (back.file, back.waivers, back.nodes, back.ssh) == (None, None, (), Ssh())


def test_paths_and_keys_stay_at_home():
    assert not {"/k", "/cfg", "/key", "w.yaml", "d.yaml"} & set(str(record_of(WHOLE)).replace("'", " ").split())


@pytest.mark.parametrize(
    "damage",
    [
        {"hosts": None},
        {"hosts": {"n": {}}},
        {"hosts": {"n": 1}},
        {"clusters": {"c": {"role": None}}},
        {"upgrade": {"from": "new", "to": None, "none": False}},
        {"upgrade": {"from": 1.9, "to": None, "none": False}},
        {"upgrade": None},
        {"parameters": []},
        {"examine": None},
    ],
)
def test_a_damaged_record_is_one_of_the_errors_that_are_expected(damage):
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        change_of({**record_of(WHOLE), **damage})
    with pytest.raises(KeyError):
        change_of({})
