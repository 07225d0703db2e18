"""What a check may say of a clear result, what it learns of every upgrade, and which sides it cannot do without."""

from __future__ import annotations

import json

import pytest

from conformance.answers import Answer
from conformance.change import Change, Cluster, Host, Upgrade
from conformance.gather.discovery import Served
from conformance.gather.listing import targets_of
from conformance.hazards import WARNING, Document, InvalidHazard, hazard
from conformance.reads import command, listing, named
from conformance.recorded import record_of
from conformance.snapshot import Snapshot
from conformance.versions import Version
from tests.running import preflight
from tests.unit.packing import check, run_of, write

FACTS = """
@host_fact("ask")
def asked(text): return text
@cluster_fact(path("/version"))
def told(body): return body
@fleet_fact(every(asked), every(told))
def everything(hosts, clusters): return hosts, clusters
"""


def files(*checks, hazards):
    return {
        "p.yaml": f"title: P\ntarget: '1.9'\nhazards: [{', '.join(hazards)}]\n",
        "facts.py": FACTS,
        "check_a.py": "from .facts import *\n" + "\n".join(checks),
    }


def test_a_clear_result_may_say_why(tmp_path):
    profile = write(
        tmp_path,
        files(
            check("plain", "raise clear(f'it is {asked}, which denies nothing')", names="asked"),
            check("through-pytest", "raise clear('it is so')", names="asked, tmp_path"),
            check("silent", names="asked"),
            hazards=("plain", "through-pytest", "silent"),
        ),
    )
    snapshot = Snapshot()
    change = Change(hosts={"n1": Host("n1", "ssh://n1")}, upgrade=Upgrade(Version.parse("1.8"), Version.parse("1.9")))
    snapshot.change = record_of(change)
    snapshot.add("n1", {"ask": Answer({"stdout": "permissive", "stderr": "", "rc": 0})})
    snapshot.save(tmp_path / "s.json")
    run = preflight(f"--profile={profile}", "--snapshot=s.json", cwd=tmp_path)
    assert {one["hazard"]: (one["outcome"], one["message"]) for one in run.report["findings"]} == {
        "plain": ("clear", "it is permissive, which denies nothing"),
        "through-pytest": ("clear", "it is so"),
        "silent": ("clear", ""),
    }, run
    assert run.code == 0


def test_every_cluster_s_upgrade_is_known(tmp_path):
    clusters = {
        "hub": Cluster("hub", upgrade=Upgrade(none=True)),
        "prod": Cluster("prod", manager="hub", connected=False, upgrade=Upgrade(target=Version.parse("1.8.4"))),
        "test": Cluster("test", manager="hub", connected=False),
    }
    run = run_of(
        tmp_path,
        files(check("a", names="upgrades", on="FLEET"), hazards=("a",)),
        clusters=clusters,
        upgrade=Upgrade(Version.parse("1.8.3")),
    )
    told = {name: (str(one.source), str(one.target), one.none) for name, one in run.upgrades().items()}
    assert told == {"hub": ("None", "1.9", True), "prod": ("1.8.3", "1.8.4", False), "test": ("1.8.3", "1.9", False)}


@pytest.mark.parametrize(
    ("sides", "examine", "left_out"),
    [
        ("()", ("hosts",), False),
        ("['hosts']", ("hosts",), False),
        ("['hosts']", ("clusters",), True),
        ("['clusters']", ("hosts",), True),
        ("['hosts', 'clusters']", ("clusters",), True),
        ("['hosts', 'clusters']", ("hosts", "clusters"), False),
    ],
)
def test_sides_that_a_hazard_cannot_do_without(tmp_path, sides, examine, left_out):
    run = run_of(
        tmp_path,
        files(check("a", names="everything", on="FLEET", sides=sides), hazards=("a",)),
        hosts=("n1",),
        clusters=("c1",),
        examine=examine,
    )
    assert [one.hazard for one in run.selection.not_examined] == (["a"] if left_out else [])


@pytest.mark.parametrize(("on", "sides"), [("cluster", ["hosts"]), ("fleet", ["machines"])])
def test_sides_are_hosts_and_clusters_of_the_fleet(on, sides):
    with pytest.raises(InvalidHazard, match="expected hosts, clusters or both"):
        hazard(
            "a",
            title="A",
            severity=WARNING,
            on=[next(one for one in _targets() if one == on)],
            source=Document("D").section("s"),
            remedy="r",
            sides=sides,
        )


def _targets():
    from conformance.hazards import Target

    return list(Target)


def test_a_step_with_a_text_for_where_the_object_names_nothing():
    over = listing("clusters.example.com")
    read = named(
        "secrets",
        over=over,
        namespace="{spec.ref.namespace|creds}",
        name="{spec.ref.name|key-of}-{metadata.name}",
        reduce=len,
    )
    assert read.needs == ("spec.ref.namespace", "spec.ref.name", "metadata.name")
    objects = [
        {"metadata": {"name": "a"}, "spec": {"ref": {"namespace": "own", "name": "mine"}}},
        {"metadata": {"name": "b"}, "spec": {"ref": {"namespace": ""}}},
        {"metadata": {}, "spec": {}},
    ]
    targets = targets_of(read, Served("/api/v1", "v1", "secrets", True), objects)
    assert [one.key for one in targets[:2]] == ["own/mine-a", "creds/key-of-b"]
    assert targets[2].problem is not None


def test_a_snippet_has_a_name_and_the_plan_shows_it_whole(tmp_path):
    read = command("cd {{acme}}\nls", name="files of {{acme}}").bind({"acme": "/a b"})
    assert (read.key, read.line, read.script) == ("files of '/a b'", "cd '/a b'\nls", "cd '/a b'\nls")
    assert read.bind({"acme": "/other"}) == read
    facts = FACTS + '@host_fact(command("cd /tmp\\nls -d x", name="what lies about"))\ndef lying(text): return text\n'
    profile = write(tmp_path, {**files(check("a", names="lying"), hazards=("a",)), "facts.py": facts})
    args = (f"--profile={profile}", "--hosts=ssh://n1")
    told = preflight(*args, "--plan", cwd=tmp_path).out
    assert "- what lies about   [10 s" in told
    assert "    cd /tmp\n    ls -d x\n" in told
    (one,) = json.loads(preflight(*args, "--plan=json", cwd=tmp_path).out)["hosts"]["ssh://n1"]["commands"]
    assert (one["read"], one["script"]) == ("what lies about", "cd /tmp\nls -d x")
