"""The printed plan: the same every time, for a person and for a program."""

import json

from conformance.change import Change, Cluster, Host, NodesOf
from conformance.printing import _plan_record, _plan_text
from tests.running import preflight
from tests.unit.packing import check, run_of

FACTS = """
@host_fact(command("one\\ntwo", timeout=3, limit=5))
def lines(text): return text
@host_fact(file("/etc/shadow", sudo=True))
def shadow(text): return text
@cluster_fact(listing("things.example.com", "spec.a", required=False))
def things(objects): return objects
def facts_of(one): return {}
@cluster_fact(named("secrets", over=listing("things.example.com", "spec.a", required=False), namespace="n", name="{metadata.name}", reduce=facts_of, bound=7))
def kept(objects): return objects
@cluster_fact(desired("Thing", "example.com"))
def wanted(objects): return objects
"""
CHECKS = (
    check("a", names="lines, shadow")
    + check("b", names="kept, things, wanted, nodes", on="CLUSTER")
    + check("c", names="host", on="WORKSTATION")
)
FILES = {"p.yaml": "hazards: [a, b, c]\nsource-version: kubernetes_version", "facts.py": FACTS, "check_a.py": CHECKS}
WORLD = {
    "hosts": {
        "n1": Host("n1", "ssh://n1", ("worker",), "c"),
        "n2": Host("n2", "ssh://n2", ("worker",), "c"),
        "ws": Host("ws", "local://", ("workstation",)),
    },
    "clusters": {"c": Cluster("c", desired=("d.yaml",))},
    "nodes": (NodesOf("rest", "c"),),
}

TEXT = """\
Plan of profile p: nobody has been contacted.

Before all else (versions that are not given; what they rule out is then not read for):
  c: get /version
  c: list nodes

On each of 2 hosts: n1, n2
  one connection, one exec of /bin/sh, nothing written; each command with its own limits:
  - one   [3 s, 5 bytes]
    two
  - sudo cat /etc/shadow   [10 s, 1048576 bytes]

On host: ws
  one connection, one exec of /bin/sh, nothing written; each command with its own limits:
  - not declared: what check_c asks through testinfra's host
On each node of c: as of a node, once its nodes were listed

Of cluster c: GET requests only
  - get /version
  - list nodes   keeps metadata.name, metadata.namespace, metadata.labels, status.addresses, status.nodeInfo.kubeletVersion, status.nodeInfo.osImage
  - list things.example.com   keeps metadata.name, metadata.namespace, spec.a
  - get secrets n/{metadata.name} as facts_of for each things.example.com   keeps facts_of

Desired configuration of c: d.yaml (desired Thing.example.com)"""


def test_the_plan_for_a_person(tmp_path):
    for number in range(2):
        run = run_of(tmp_path / str(number), FILES, **WORLD)
        assert _plan_text(run, run.plan(undecided=True)) == TEXT


def test_the_plan_for_a_program(tmp_path):
    run = run_of(tmp_path, FILES, **WORLD)
    record = _plan_record(run, run.plan(undecided=True))
    assert json.loads(json.dumps(record)) == record
    assert record["hosts"]["n1"] == {
        "connection": "ssh://n1",
        "commands": [
            {"read": "one\ntwo", "sudo": False, "timeout_seconds": 3, "limit_bytes": 5},
            {"read": "sudo cat /etc/shadow", "sudo": True, "timeout_seconds": 10.0, "limit_bytes": 1048576},
        ],
        "undeclared": [],
    }
    assert record["hosts"]["ws"] == {"connection": "local://", "commands": [], "undeclared": ["check_c"]}
    requests = {one["read"]: one for one in record["clusters"]["c"]["requests"]}
    assert requests["get /version"] == {
        "read": "get /version",
        "timeout_seconds": 60.0,
        "verb": "get",
        "path": "/version",
    }
    things = requests["list things.example.com"]
    assert (things["verb"], things["group"], things["resource"], things["required"]) == (
        "list",
        "example.com",
        "things",
        False,
    )
    secrets = requests["get secrets n/{metadata.name} as facts_of for each things.example.com"]
    assert (secrets["verb"], secrets["resource"], secrets["at_most"], secrets["step_over"]) == (
        "get",
        "secrets",
        7,
        "list things.example.com",
    )
    assert record["desired"] == {"c": {"files": ["d.yaml"], "documents": ["desired Thing.example.com"]}}
    assert record["before_all_else"]["reads"] == {"c": ["get /version", "list nodes"]}


def test_a_terminal_that_cannot_show_everything(tmp_path):
    """As in a locale of C: what it cannot show is spelt out."""
    env = {"PYTHONIOENCODING": "ascii"}
    result = preflight("--list-hazards", cwd=tmp_path, env=env)
    assert result.code == 0, result
    assert "Anthos clusters on bare metal: known issues" in result.out
    assert "\\u30af\\u30e9\\u30b9\\u30bf" in result.out


def test_nobody_is_named(tmp_path):
    run = run_of(tmp_path, {"p.yaml": "hazards: [a]", "check_a.py": check("a")})
    assert "Nothing: name hosts (--hosts) or clusters" in _plan_text(run, run.plan())
    assert Change().hosts == {}
