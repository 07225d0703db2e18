"""The run: what scouting adds to the change, and the values of parameters."""

import pytest

from conformance.answers import Answer
from conformance.change import Change, Cluster, Host, NodesOf, Upgrade
from conformance.documents import InvalidDocument
from conformance.profiles import Library
from conformance.run import Run, examined
from conformance.snapshot import Snapshot
from conformance.subjects import Inventory
from tests.unit.packing import check, run_of

NUMBER = '{"limit": Parameter("7", int, "a number"), "word": Parameter("x", str, "a word")}'
FILES = {
    "p.yaml": "hazards: [a]\nparameters: {limit: 8}",
    "check_a.py": check("a", parameters=NUMBER, settled='{"fixed": 1}'),
}


def listed(*nodes):
    keep = [
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "status.addresses",
        "status.nodeInfo.kubeletVersion",
        "status.nodeInfo.osImage",
    ]
    objects = [
        {
            "metadata": {"name": name, "labels": labels},
            "status": {"addresses": [{"type": "InternalIP", "address": ip}] if ip else []},
        }
        for name, ip, labels in nodes
    ]
    return {"list nodes": Answer({"keep": keep, "objects": objects})}


def test_the_nodes_of_a_cluster_become_hosts(tmp_path):
    master = {"node-role.kubernetes.io/master": ""}
    snapshot = Snapshot(answers={"c": listed(("cp", "10.0.0.2", master), ("wk", "fd00::3", {}), ("bare", None, {}))})
    run = run_of(tmp_path, FILES, clusters=("c",), nodes=(NodesOf("all", "c", "ops", 2222),), snapshot=snapshot)
    run.expand()
    assert list(run.change.hosts.values()) == [
        Host("cp", "ssh://ops@10.0.0.2:2222", ("control-plane",), "c"),
        Host("wk", "ssh://ops@[fd00::3]:2222", ("worker",), "c"),
        Host("bare", "ssh://ops@bare:2222", ("worker",), "c"),
    ]
    assert [one.subject.name for one in run.selection.cases] == ["cp", "wk", "bare"]


def test_nodes_of_two_clusters_may_be_called_alike_and_none_is_lost(tmp_path):
    answers = {"one": listed(("n1", "10.0.0.1", {})), "two": listed(("n1", "10.0.1.1", {}))}
    groups = (NodesOf("a", "one"), NodesOf("b", "two"))
    run = run_of(tmp_path, FILES, clusters=("one", "two"), nodes=groups, snapshot=Snapshot(answers=answers))
    run.expand()
    assert {name: (one.connection, one.cluster) for name, one in run.change.hosts.items()} == {
        "n1": ("ssh://10.0.0.1", "one"),
        "two/n1": ("ssh://10.0.1.1", "two"),
    }


def test_a_host_that_the_change_names_itself_stays_as_it_is(tmp_path):
    hosts = {"n1": Host("n1", "ssh://me@bastion:1", ("worker",), "c")}
    snapshot = Snapshot(answers={"c": listed(("n1", "10.0.0.1", {}), ("n2", "10.0.0.2", {}))})
    run = run_of(
        tmp_path, FILES, hosts=hosts, clusters={"c": Cluster("c")}, nodes=(NodesOf("a", "c"),), snapshot=snapshot
    )
    run.expand()
    assert [one.connection for one in run.change.hosts.values()] == ["ssh://me@bastion:1", "ssh://10.0.0.2"]


def test_a_node_with_the_name_of_a_cluster_or_of_the_fleet_is_refused(tmp_path):
    for name in ("c", "fleet"):
        snapshot = Snapshot(answers={"c": listed((name, "10.0.0.1", {}))})
        run = run_of(tmp_path / name, FILES, clusters=("c",), nodes=(NodesOf("a", "c"),), snapshot=snapshot)
        with pytest.raises(InvalidDocument, match=f"{name}"):
            run.expand()


def test_nodes_that_could_not_be_read_leave_the_hosts_not_examined(tmp_path):
    snapshot = Snapshot(answers={"c": {"list nodes": Answer.failed("forbidden", "no")}})
    run = run_of(tmp_path, FILES, clusters=("c",), nodes=(NodesOf("a", "c"),), snapshot=snapshot)
    run.expand()
    assert (run.selection.cases, len(run.selection.not_examined)) == ((), 1)


DISCOVER = "@cluster_fact(listing('things.example.com', 'spec'))\ndef found(objects): return [Member(one['metadata']['name'], 'user') for one in objects]\n"
WITH_DISCOVERY = {
    "p.yaml": "hazards: [a]\ndiscover: found",
    "facts.py": DISCOVER,
    "check_a.py": check("a", on="CLUSTER", names="subject"),
}


def things(*names):
    objects = [{"metadata": {"name": name}} for name in names]
    return {
        "list things.example.com": Answer({"keep": ["metadata.name", "metadata.namespace", "spec"], "objects": objects})
    }


def test_clusters_that_the_named_one_manages_are_found(tmp_path):
    run = run_of(
        tmp_path, WITH_DISCOVERY, clusters=("hub",), snapshot=Snapshot(answers={"hub": things("u1", "u2")}), file=None
    )
    run.expand()
    assert [(one.name, one.manager, one.role, one.connected) for one in run.change.clusters.values()] == [
        ("hub", None, None, True),
        ("u1", "hub", "user", False),
        ("u2", "hub", "user", False),
    ]
    # A change file names its clusters itself.
    run = run_of(tmp_path / "file", WITH_DISCOVERY, clusters=("hub",), snapshot=Snapshot(answers={"hub": things("u1")}))
    run.expand()
    assert list(run.change.clusters) == ["hub"]


def test_a_found_cluster_whose_name_is_taken_is_refused(tmp_path):
    answers = {"one": things("u1"), "two": things("u1")}
    run = run_of(tmp_path, WITH_DISCOVERY, clusters=("one", "two"), snapshot=Snapshot(answers=answers), file=None)
    with pytest.raises(InvalidDocument, match="another subject is called so already"):
        run.expand()


def test_a_profile_that_names_a_fact_that_nobody_has(tmp_path):
    with pytest.raises(
        InvalidDocument, match=r"p\.yaml: source-version: no check of this profile can see a cluster fact 'kernel'"
    ):
        run_of(tmp_path, {"p.yaml": "hazards: [a]\nsource-version: kernel", "check_a.py": check("a")}, clusters=("c",))


# -- parameters ----------------------------------------------------------------------------------------------------


def test_a_parameter_is_that_of_the_change_else_of_the_profile_else_the_default(tmp_path):
    def values(run):
        run.check_parameters()
        return run.parameters_of(run.table["a"][1])

    assert values(run_of(tmp_path, FILES)) == {"limit": 8, "word": "x", "fixed": 1}
    assert values(run_of(tmp_path, FILES, parameters={"limit": "9", "word": "y"})) == {
        "limit": 9,
        "word": "y",
        "fixed": 1,
    }
    plain = {**FILES, "p.yaml": "hazards: [a]\nparameters: {word: true}"}
    assert values(run_of(tmp_path / "plain", plain)) == {"limit": 7, "word": "true", "fixed": 1}


@pytest.mark.parametrize(
    ("profile", "change", "said"),
    [
        ("limit: 1", {"limit": "many"}, "upgrade.yaml: parameters.limit: 'many': invalid literal for int"),
        ("limit: many", {}, "p.yaml: parameters.limit: 'many'"),
        ("limits: 1", {}, "p.yaml: parameters: 'limits' is declared by no check of p; known: limit, word"),
        ("limit: 1", {"fixed": "2"}, "upgrade.yaml: parameters: 'fixed' is declared by no check"),
    ],
)
def test_parameters_that_are_wrong(tmp_path, profile, change, said):
    run = run_of(tmp_path, {**FILES, "p.yaml": f"hazards: [a]\nparameters: {{{profile}}}"}, parameters=change)
    with pytest.raises(InvalidDocument) as caught:
        run.check_parameters()
    assert said in str(caught.value)
    assert "many" not in said or "expected a number" in str(caught.value)


# -- one side only -------------------------------------------------------------------------------------------------


def test_the_side_that_is_left_out_is_not_there_at_all():
    whole = Change(
        hosts={"h": Host("h", "h", cluster="c")},
        clusters={"c": Cluster("c", upgrade=Upgrade(none=True))},
        nodes=(NodesOf("n", "c"),),
    )
    from dataclasses import replace

    hosts_only = examined(replace(whole, examine=("hosts",)))
    assert ([one.name for one in Inventory.of(hosts_only).clusters], hosts_only.nodes) == ([], ())
    assert hosts_only.upgrade_of(hosts_only.hosts["h"].cluster) == Upgrade(none=True)
    clusters_only = examined(replace(whole, examine=("clusters",)))
    assert (list(clusters_only.clusters), clusters_only.nodes, dict(clusters_only.hosts)) == (["c"], (), {})
    assert examined(whole) == whole


def test_only_checks_that_the_profile_names_are_imported_and_all_can_be_had():
    library = Library()
    run = Run(library.find("linux-node"), library, Change())
    assert set(run.profile.hazards) <= run.table.keys()
    assert "abm-nil-context" not in run.table
    assert {"abm-nil-context", "os-tmp-noexec"} <= run.every_hazard().keys()


def test_a_hazard_that_is_misspelt_is_compared_with_all_there_are(tmp_path):
    (tmp_path / "p.yaml").write_text("hazards: [abm-nil-contxt]")
    library = Library()
    with pytest.raises(InvalidDocument, match="there is no hazard 'abm-nil-contxt'; did you mean 'abm-nil-context'"):
        Run(library.find(str(tmp_path / "p.yaml")), library, Change())
