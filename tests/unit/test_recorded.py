"""The change inside a snapshot: enough for a run on it, and nothing of how anybody was reached."""

import json
import re
from pathlib import Path

import pytest

from conformance.change import Change, Cluster, Host, NodesOf, Ssh, Upgrade
from conformance.recorded import change_of, record_of
from conformance.snapshot import Snapshot
from conformance.versions import Version
from tests.running import preflight

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


CLUSTER = {"role": None, "manager": None, "connected": True, "upgrade": {"from": None, "to": None, "none": False}}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"profile": ["p"]}, "change: profile: expected text, not a list"),
        ({"hosts": None}, "change: the key 'hosts' is missing"),
        ({"hosts": ["n"]}, "change: hosts: expected keys and values, not a list"),
        ({"hosts": {"n": {}}}, "change: hosts.n: the key 'roles' is missing"),
        ({"hosts": {"n": 1}}, "change: hosts.n: expected keys and values, not int"),
        ({"hosts": {"": {}}}, "change: hosts.: a subject has no name"),
        ({"hosts": {"n": {"connection": 1, "roles": []}}}, "change: hosts.n.connection: expected text, not int"),
        ({"hosts": {"n": {"connection": "n", "roles": "worker"}}}, "change: hosts.n.roles: expected a list, not text"),
        ({"hosts": {"n": {"connection": "n", "roles": [[]]}}}, "change: hosts.n.roles[0]: expected text, not a list"),
        ({"hosts": {"n": {"connection": "n", "roles": [], "cluster": []}}}, "hosts.n.cluster: expected text"),
        ({"clusters": {"c": {"role": None}}}, "change: clusters.c: the key 'connected' is missing"),
        ({"clusters": {"c": {**CLUSTER, "role": {}}}}, "change: clusters.c.role: expected text"),
        ({"clusters": {"c": {**CLUSTER, "manager": 3.5}}}, "change: clusters.c.manager: expected text, not float"),
        ({"clusters": {"c": {**CLUSTER, "manager": "d"}}}, "clusters.c.manager: expected the name of another cluster"),
        ({"clusters": {"c": {**CLUSTER, "manager": "c"}}}, "clusters.c.manager: expected the name of another cluster"),
        ({"clusters": {"c": {**CLUSTER, "connected": "no"}}}, "clusters.c.connected: expected true or false"),
        ({"upgrade": {"from": "new", "to": None, "none": False}}, "change: upgrade.from: 'new' is no version"),
        ({"upgrade": {"from": 1.9, "to": None, "none": False}}, "change: upgrade.from: expected text, not float"),
        ({"upgrade": {"from": None, "to": None, "none": 0}}, "change: upgrade.none: expected true or false"),
        ({"upgrade": None}, "change: the key 'upgrade' is missing"),
        ({"parameters": []}, "change: parameters: expected keys and values, not a list"),
        ({"parameters": {"a": [1]}}, "change: parameters.a: expected text, not a list"),
        ({"examine": None}, "change: the key 'examine' is missing"),
        ({"examine": []}, "change: examine: expected hosts, clusters or both, each once"),
        ({"examine": ["hosts", "hosts"]}, "change: examine: expected hosts, clusters or both, each once"),
        ({"examine": [{}]}, "change: examine[0]: expected text, not keys and values"),
        ({"examine": ["nodes"]}, "change: examine[0]: 'nodes' is not known; expected one of hosts, clusters"),
        ({"exec": "no"}, "change: exec: expected true or false"),
        ({"fresh_hours": "soon"}, "change: fresh_hours: expected a number of hours such as 24, not 'soon'"),
        ({"fresh_hours": True}, "change: fresh_hours: expected a number of hours"),
        ({"fresh_hours": 0}, "change: fresh_hours: expected a number of hours"),
        ({"inputs": {"a": None}}, "change: inputs.a: expected text, not nothing"),
    ],
)
def test_a_damaged_record_is_told_with_the_place_and_what_was_expected(damage, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        change_of({**record_of(WHOLE), **damage})


def test_a_record_of_nothing_is_damaged():
    with pytest.raises(ValueError, match="is missing"):
        change_of({})


def test_what_an_older_suite_did_not_write_yet_has_its_default():
    older = {key: one for key, one in record_of(WHOLE).items() if key not in ("exec", "fresh_hours", "inputs")}
    back = change_of(older)
    assert (back.exec, back.fresh_hours, back.inputs) == (True, 24, {})


def test_a_snapshot_whose_change_is_damaged_is_a_usage_error_that_names_it(tmp_path):
    change = {**record_of(WHOLE), "examine": [{}], "profile": "linux-node"}
    Snapshot(change, {}, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00").save(tmp_path / "s.json")
    run = preflight("--profile=linux-node", "--snapshot=s.json", cwd=tmp_path)
    assert run.code == 4
    assert [line for line in run.out.splitlines() if line] == [
        "ERROR: s.json: the change in the snapshot is damaged: change: examine[0]: expected text, not keys and values"
    ]


def test_what_a_snapshot_holds_cannot_act_in_the_message_either(tmp_path):
    change = {**record_of(WHOLE), "clusters": {"a\x1b[31m": 1}}
    Snapshot(change, {}, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00").save(tmp_path / "s.json")
    run = preflight("--profile=linux-node", "--snapshot=s.json", cwd=tmp_path)
    assert run.code == 4
    assert r"change: clusters.a\x1b[31m: expected keys and values, not int" in run.out
