"""Selecting: which hazards on which subjects, and why the others are left out."""

from dataclasses import replace

import pytest

from conformance.answers import Answer, Unreadable
from conformance.change import Cluster, Host, NodesOf, Upgrade
from conformance.documents import InvalidDocument
from conformance.snapshot import Snapshot
from conformance.versions import Version
from tests.unit.packing import check, run_of


def version(text):
    return Version.parse(text) if text else None


def upgrade(source, target):
    return Upgrade(version(source), version(target))


def selected(tmp_path, *checks, profile="", **world):
    ids = [one.partition('"')[2].partition('"')[0] for one in checks]
    files = {"p.yaml": f"hazards: [{', '.join(ids)}]\n{profile}", "check_a.py": "\n".join(checks)}
    return run_of(tmp_path, files, **world)


def told(run):
    """Subject -> how its only case stands: wanted, ruled out or undecided, with the reason."""
    return {
        one.subject.name: "wanted" if one.wanted else one.ruled_out or f"? {one.undecided}"
        for one in run.selection.cases
    }


# -- versions ------------------------------------------------------------------------------------------------------

RANGE = {"upgrade_from": '">=1.7,<1.9"', "upgrade_to": '"==1.9.*"'}


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("1.8.3", "1.9.0", "wanted"),
        ("1.7.0", "1.9.0-rc1", "wanted"),
        ("1.8.99-gke.7", "1.9.99", "wanted"),
        ("1.6.9", "1.9.0", "from 1.6.9 is not >=1.7,<1.9"),
        ("1.9.0", "1.9.1", "from 1.9.0 is not >=1.7,<1.9"),
        ("1.8.3", "1.10.0", "to 1.10.0 is not ==1.9.*"),
        ("1.8.3", "1.8.9", "to 1.8.9 is not ==1.9.*"),
        ("1.6.0", "1.10.0", "from 1.6.0 is not >=1.7,<1.9"),
        ("1.8", "1.9", "wanted"),
        ("1.6", "1.9", "from 1.6 is not >=1.7,<1.9"),
        (None, "1.9.0", "? the version before the upgrade is not known"),
        ("1.8.3", None, "? the version to upgrade to is not known"),
        (None, "1.10.0", "to 1.10.0 is not ==1.9.*"),
        ("1.6.0", None, "from 1.6.0 is not >=1.7,<1.9"),
        (None, None, "? the version before the upgrade is not known"),
    ],
)
def test_the_versions_that_a_hazard_is_stated_for(tmp_path, source, target, expected):
    run = selected(tmp_path, check("a", **RANGE), hosts=("n1",), upgrade=upgrade(source, target))
    assert told(run)["n1"].startswith(expected)
    if expected.startswith("?"):
        assert "give --upgrade-" in told(run)["n1"]


@pytest.mark.parametrize(
    ("spec", "target", "note"),
    [
        (">=1.8.1,<1.8.3", "1.8", "to 1.8 may or may not be >=1.8.1,<1.8.3: give --upgrade-to"),
        (">=1.8.1,<1.8.3", "1.8.2", ""),
        ("<1.9", "1.8", ""),
        ("<=1.8.0", "1.8", "may or may not be"),
        ("!=1.8.2", "1.8", "may or may not be"),
        ("==1.8.*", "1.8", ""),
        (">1.7", "1", "may or may not be"),
    ],
)
def test_a_release_series_may_hold_versions_that_are_concerned(tmp_path, spec, target, note):
    run = selected(tmp_path, check("a", upgrade_to=f'"{spec}"'), hosts=("n1",), upgrade=upgrade(None, target))
    (case,) = run.selection.cases
    assert case.wanted
    assert note in case.note
    assert bool(case.note) == bool(note)


@pytest.mark.parametrize(("spec", "target"), [(">=1.8.1", "1.7"), ("<1.8", "1.8"), (">1.8", "1.7")])
def test_a_release_series_of_which_no_version_is_concerned(tmp_path, spec, target):
    run = selected(tmp_path, check("a", upgrade_to=f'"{spec}"'), hosts=("n1",), upgrade=upgrade(None, target))
    assert told(run) == {"n1": f"to {target} is not {spec}"}


def test_the_profile_s_target_counts_where_nobody_names_another(tmp_path):
    run = selected(tmp_path, check("a", upgrade_to='"==1.9.*"'), profile="target: '1.10'", hosts=("n1",))
    assert told(run) == {"n1": "to 1.10 is not ==1.9.*"}
    run = selected(
        tmp_path,
        check("a", upgrade_to='"==1.9.*"'),
        profile="target: '1.10'",
        hosts=("n1",),
        upgrade=upgrade(None, "1.9.0"),
    )
    assert told(run) == {"n1": "wanted"}


def clusters(**versions):
    return {
        name: Cluster(name, upgrade=one if isinstance(one, Upgrade) else upgrade(*one))
        for name, one in versions.items()
    }


def test_each_cluster_and_its_hosts_go_by_its_own_upgrade(tmp_path):
    hosts = {
        name: Host(name, name, cluster=cluster)
        for name, cluster in (("h1", "old"), ("h2", "new"), ("h3", "stays"), ("h4", None))
    }
    world = {
        "hosts": hosts,
        "clusters": clusters(old=("1.8.0", None), new=("1.9.0", None), stays=Upgrade(none=True)),
        "upgrade": upgrade(None, "1.9.9"),
    }
    run = selected(tmp_path, check("a", **RANGE), **world)
    assert told(run) == {
        "h1": "wanted",
        "h2": "from 1.9.0 is not >=1.7,<1.9",
        "h3": "this change does not upgrade the cluster",
        "h4": "wanted",  # as of a workstation: every upgrade concerns it
    }
    run = selected(tmp_path / "more", check("b", on="CLUSTER", names="nodes", **RANGE), **world)
    assert told(run) == {
        "old": "wanted",
        "new": "from 1.9.0 is not >=1.7,<1.9",
        "stays": "this change does not upgrade the cluster",
    }
    run = selected(tmp_path / "fleet", check("c", on="FLEET", names="subject", **RANGE), **world)
    assert told(run) == {"fleet": "wanted"}


def test_the_fleet_is_undecided_where_one_cluster_is_and_none_is_concerned(tmp_path):
    world = {"clusters": clusters(a=("1.9.0", "1.9.9"), b=(None, "1.9.9")), "file": None}
    run = selected(tmp_path, check("c", on="FLEET", names="subject", **RANGE), **world)
    assert told(run)["fleet"].startswith("? the version before the upgrade is not known")
    run = selected(
        tmp_path / "more",
        check("c", on="FLEET", names="subject", **RANGE),
        clusters=clusters(a=("1.9.0", "1.9.9"), b=("1.6.0", "1.9.9")),
    )
    assert told(run) == {"fleet": "from 1.9.0 is not >=1.7,<1.9"}


def test_nothing_is_concerned_where_nothing_is_upgraded(tmp_path):
    run = selected(tmp_path, check("c", on="FLEET", names="subject"), clusters=clusters(a=Upgrade(none=True)))
    assert told(run) == {"fleet": "this change does not upgrade the cluster"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer({"body": {"gitVersion": "v1.8.3-gke.1"}}), "wanted"),
        (Answer({"body": {"gitVersion": "v1.9.0"}}), "from v1.9.0 is not >=1.7,<1.9"),
        (
            Answer({"body": {}}),
            "? the version before the upgrade is not known (the answer of `get /version` is not understood",
        ),
        (
            Answer({"nobody": 1}),
            "? the version before the upgrade is not known (the stored answer of `get /version` is damaged",
        ),
        (Answer.failed("forbidden", "you may not"), "? the version before the upgrade is not known (you may not)"),
    ],
)
def test_the_version_before_is_read_from_the_cluster(tmp_path, answer, expected):
    snapshot = Snapshot(answers={"c": {"get /version": answer}})
    world = {
        "profile": "source-version: kubernetes_version",
        "clusters": ("c",),
        "upgrade": upgrade(None, "1.9.0"),
        "snapshot": snapshot,
    }
    run = selected(tmp_path, check("a", on="CLUSTER", names="nodes", **RANGE), **world)
    assert told(run)["c"].startswith(expected)
    assert isinstance(run.source_versions()["c"], Version | Unreadable)


def test_a_version_that_was_given_outweighs_the_cluster(tmp_path):
    snapshot = Snapshot(answers={"c": {"get /version": Answer({"body": {"gitVersion": "v1.9.0"}})}})
    world = {
        "profile": "source-version: kubernetes_version",
        "clusters": ("c",),
        "upgrade": upgrade("1.8.0", "1.9.0"),
        "snapshot": snapshot,
    }
    assert told(selected(tmp_path, check("a", on="CLUSTER", names="nodes", **RANGE), **world)) == {"c": "wanted"}


# -- subjects ------------------------------------------------------------------------------------------------------

HOSTS = {
    "bare": Host("bare", "bare"),
    "cp": Host("cp", "cp", ("control-plane", "load-balancer")),
    "wk": Host("wk", "wk", ("worker",)),
    "ws": Host("ws", "ws", ("workstation",)),
    "both": Host("both", "both", ("workstation", "worker")),
}


@pytest.mark.parametrize(
    ("on", "subjects"),
    [
        ("HOST", ["bare", "cp", "wk", "ws", "both"]),
        ("NODE", ["bare", "cp", "wk", "both"]),
        ("CONTROL_PLANE", ["bare", "cp"]),
        ("WORKER", ["bare", "wk", "both"]),
        ("LOAD_BALANCER", ["bare", "cp"]),
        ("WORKSTATION", ["ws", "both"]),
        ("NODE, WORKSTATION", ["bare", "cp", "wk", "ws", "both"]),
        ("CLUSTER", ["c"]),
        ("FLEET", ["fleet"]),
    ],
)
def test_subjects_by_target(tmp_path, on, subjects):
    run = selected(tmp_path, check("a", on=on, names="subject"), hosts=HOSTS, clusters=("c",))
    assert list(told(run)) == subjects
    assert run.selection.not_examined == ()


@pytest.mark.parametrize(
    ("on", "world", "reason"),
    [
        ("HOST", {"clusters": ("c",)}, "no host is named"),
        ("NODE", {"hosts": {"ws": HOSTS["ws"]}}, "no node is named"),
        ("CONTROL_PLANE", {"hosts": {"wk": HOSTS["wk"]}}, "no host with the role control-plane is named"),
        ("WORKSTATION", {"hosts": {"bare": HOSTS["bare"]}}, "no workstation is named"),
        ("CLUSTER", {"hosts": {"bare": HOSTS["bare"]}}, "no cluster is named"),
        ("FLEET", {}, "neither a host nor a cluster is named"),
    ],
)
def test_nobody_to_look_at_is_not_examined(tmp_path, on, world, reason):
    (left,) = selected(tmp_path, check("a", on=on, names="subject"), **world).selection.not_examined
    assert left.reason.startswith(reason)
    assert not left.decided


def test_one_of_two_targets_that_is_missing_is_not_examined(tmp_path):
    run = selected(tmp_path, check("a", on="NODE, WORKSTATION", names="subject"), hosts={"wk": HOSTS["wk"]})
    assert list(told(run)) == ["wk"]
    assert [one.reason.partition(":")[0] for one in run.selection.not_examined] == ["no workstation is named"]


NODES_OF = {"n1": Host("n1", "n1", cluster="one"), "ws": Host("ws", "ws", ("workstation",))}


def left_out(run):
    """Cluster -> why a hazard was not examined there."""
    return {one.subject: one.reason.partition(":")[0] for one in run.selection.not_examined}


@pytest.mark.parametrize("examine", [("hosts", "clusters"), ("hosts",)])
def test_a_cluster_that_is_upgraded_without_a_host_of_it_is_not_examined(tmp_path, examine):
    held = clusters(one=("1.8.0", "1.9.0"), two=("1.8.1", "1.9.0"), past=("1.9.0", "1.9.1"), stays=Upgrade(none=True))
    world = {"clusters": held, "examine": examine}
    run = selected(tmp_path, check("a", **RANGE), hosts=NODES_OF, **world)
    assert told(run) == {"n1": "wanted"}
    # One that no version of the hazard concerns needs no host, and neither does one that stays as it is.
    assert left_out(run) == {"two": "no node of cluster two is named"}
    run = selected(tmp_path / "role", check("b", on="LOAD_BALANCER"), hosts=NODES_OF, **world)
    assert left_out(run) == {
        name: f"no host with the role load-balancer of cluster {name} is named" for name in ("two", "past")
    }
    # A host of no cluster in particular may be of any of them.
    anybody = {**NODES_OF, "n2": Host("n2", "n2")}
    assert not left_out(selected(tmp_path / "any", check("c"), hosts=anybody, **world))
    assert not left_out(selected(tmp_path / "ws", check("d", on="WORKSTATION"), hosts=NODES_OF, **world))


def test_nodes_that_could_not_be_listed_are_missed(tmp_path):
    held = {"clusters": clusters(one=("1.8.0", "1.9.0"), two=("1.8.1", "1.9.0")), "nodes": (NodesOf("n", "two"),)}
    run = selected(tmp_path, check("a"), hosts=NODES_OF, **held)
    assert left_out(run) == {"two": "the nodes of cluster two (from"}


@pytest.mark.parametrize("role", ["bootstrap", "supervisor"])
def test_clusters_that_are_there_to_upgrade_others_need_no_hosts(tmp_path, role):
    held = {**clusters(one=("1.8.0", "1.9.0")), "boot": Cluster("boot", role=role)}
    assert not left_out(selected(tmp_path, check("a"), hosts=NODES_OF, clusters=held))


def test_hosts_go_by_the_upgrade_of_their_cluster_where_it_is_not_looked_at(tmp_path):
    hosts = {
        name: Host(name, name, cluster=cluster) for name, cluster in (("h1", "old"), ("h2", "new"), ("h3", "stays"))
    }
    run = selected(
        tmp_path,
        check("a", **RANGE),
        hosts=hosts,
        clusters=clusters(old=("1.8.0", None), new=("1.9.0", None), stays=Upgrade(none=True)),
        upgrade=upgrade("1.8.5", "1.9.9"),
        examine=("hosts",),
    )
    assert told(run) == {
        "h1": "wanted",
        "h2": "from 1.9.0 is not >=1.7,<1.9",
        "h3": "this change does not upgrade the cluster",
    }
    assert run.inventory.clusters == []


@pytest.mark.parametrize(
    ("examine", "cases"), [(("hosts",), {"bare"}), (("clusters",), {"c"}), (("hosts", "clusters"), {"bare", "c"})]
)
def test_one_side_may_be_left_out_by_decision(tmp_path, examine, cases):
    checks = check("a", names="subject"), check("b", on="CLUSTER", names="subject")
    run = selected(tmp_path, *checks, hosts={"bare": HOSTS["bare"]}, clusters=("c",), examine=examine)
    assert set(told(run)) == cases
    assert all(one.decided and one.reason == f"--examine {examine[0]}" for one in run.selection.not_examined)
    assert len(run.selection.not_examined) == 2 - len(cases)


FLEET_FACTS = "@fleet_fact(every(SHARED['kernel']))\ndef kernels(members): return members\n@fleet_fact(every(SHARED['nodes']))\ndef all_nodes(members): return members\n"


@pytest.mark.parametrize(("examine", "cases"), [("hosts", {"a", "c", "d"}), ("clusters", {"b", "c", "d"})])
def test_a_hazard_of_the_fleet_belongs_to_the_sides_that_it_is_made_from(tmp_path, examine, cases):
    checks = [
        check("a", on="FLEET", names="kernels"),
        check("b", on="FLEET", names="all_nodes"),
        check("c", on="FLEET", names="kernels, all_nodes"),
        check("d", on="FLEET", names="subject"),
    ]
    files = {
        "p.yaml": "hazards: [a, b, c, d]",
        "facts.py": "from conformance.facts import SHARED\n" + FLEET_FACTS,
        "check_a.py": "\n".join(checks),
    }
    run = run_of(tmp_path, files, hosts=("n1",), clusters=("c1",), examine=(examine,))
    assert {one.hazard.id for one in run.selection.cases} == cases


def test_a_hazard_of_another_situation_is_listed(tmp_path):
    checks = check("a"), check("b", situation="STUCK"), check("c", situation="REPAIR")
    for situation, wanted in (("before", "a"), ("stuck", "b"), ("repair", "c")):
        run = selected(tmp_path / situation, *checks, hosts=("n1",), situation=situation)
        assert [one.hazard.id for one in run.selection.cases] == [wanted]
        assert {one.hazard for one in run.selection.not_applicable} == {"a", "b", "c"} - {wanted}
        assert run.selection.known == 3
        for left in run.selection.not_applicable:
            assert left.reason == f"it is looked for with --situation {run.table[left.hazard][1].situations[0]}"


def test_a_hazard_that_no_check_decides_is_refused(tmp_path):
    with pytest.raises(
        InvalidDocument, match=r"p\.yaml: hazards: there is no hazard 'kernel-od'; did you mean 'kernel-old'\?"
    ):
        run_of(tmp_path, {"p.yaml": "hazards: [kernel-od]", "check_a.py": check("kernel-old")})
    with pytest.raises(InvalidDocument, match="there is no hazard 'zzz': --list-hazards"):
        run_of(tmp_path / "more", {"p.yaml": "hazards: [zzz]", "check_a.py": check("kernel-old")})


# -- names of subjects ---------------------------------------------------------------------------------------------


def test_every_item_has_an_id_of_its_own(tmp_path):
    hosts = {name: Host(name, name) for name in ("ssh://a@b:22", "ssh---a@b-22", "日本", "本日", "a/b")}
    ids = selected(tmp_path, check("a"), hosts=hosts).inventory.ids
    assert len(set(ids.values())) == len(ids)
    assert all(
        set(one) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") for one in ids.values()
    )


@pytest.mark.parametrize(
    "world", [{"hosts": ("x",), "clusters": ("x",)}, {"hosts": ("fleet",)}, {"clusters": ("fleet",)}]
)
def test_two_subjects_of_one_name_are_refused(tmp_path, world):
    with pytest.raises(InvalidDocument, match="would be the name of"):
        selected(tmp_path, check("a"), **world)


def test_cases_are_those_of_the_settled_change(tmp_path):
    run = selected(tmp_path, check("a"), hosts=("n1",))
    run.change = replace(run.change, hosts={"n2": Host("n2", "n2")})
    run.settle()
    assert list(told(run)) == ["n2"]


def test_a_hazard_of_two_situations_is_looked_for_in_both(tmp_path):
    both = check("a", body="assert situation is STUCK", names="situation", situation="(BEFORE, STUCK)")
    for situation, wanted in (("before", 1), ("stuck", 1), ("repair", 0)):
        run = selected(tmp_path / situation, both, hosts=("n1",), situation=situation)
        assert len(run.selection.cases) == wanted
