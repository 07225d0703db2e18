"""Cluster API objects between bootstrap and management cluster: both sides full, both empty, one silent, moved half way."""

from __future__ import annotations

import pytest

from tests.hazards.eksa_recovery import (
    BOOT,
    CAPI,
    EKSA,
    MACHINES,
    MGMT,
    MOVED,
    NAME,
    capi,
    eksa,
    fleet,
    holding,
    machine,
    pasted,
    station,
    table,
    whole,
)
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

OBJECTS = "eksa-capi-objects-in-bootstrap"
TOOLS = "eksa_1681572481616591501|Up 2 hours|2023-04-15 15:28:01 +0000 UTC"
STOPPED = TOOLS.replace("Up 2 hours", "Exited (137) 3 days ago")
KIND = f"{NAME}-eks-a-cluster-control-plane|Up 2 hours|2023-04-15 15:24:41 +0000 UTC"
CLEAN = station()
BACK_UP = (
    f"clusterctl move --to-directory {NAME}-backup --kubeconfig {NAME}/generated/{NAME}.kind.kubeconfig -n eksa-system"
)
MOVE = (
    f"clusterctl move --to-kubeconfig {NAME}/{NAME}-eks-a-cluster.kubeconfig "
    f"--kubeconfig {NAME}/generated/{NAME}.kind.kubeconfig -n eksa-system"
)


def of(hazard, boot=(), mgmt=(), hosts=None, more=None, **world):
    return evaluate(hazard, clusters={**fleet(boot, mgmt), **(more or {})}, hosts=hosts, **world)


# -- there


@proves(
    OBJECTS,
    kind=PRESENT,
    says=[f"Cluster {NAME} and 3 Machines are in bootstrap cluster {BOOT} and not in management cluster {MGMT}"],
    line=f"machine {NAME}-etcd-chkc5 in eksa-system, phase Running of {BOOT}",
    remedy=BACK_UP,
)
@pytest.mark.parametrize(
    ("serves", "more"),
    [
        pytest.param((*CAPI, EKSA), "to delete", id="the document's step 3"),
        pytest.param((EKSA,), "which does not even serve Cluster API", id="without Cluster API"),
    ],
)
def test_all_are_in_the_bootstrap_cluster(hazard, serves, more):
    finding = of(hazard, whole(), holding(eksa(), serves=serves))
    assert more in finding.message
    lines = [line for one in finding.evidence for line in one.lines]
    # Every offender is named once.
    assert [line for line in lines if line.startswith("machine ")] == [
        f"machine {one['metadata']['name']} in eksa-system, phase Running of {BOOT}" for one in table(MACHINES)
    ]
    steps = finding.remedy.split("\n")
    order = [next(number for number, step in enumerate(steps) if one in step) for one in (BACK_UP, MOVE)]
    assert order == sorted(order)
    return finding


@proves(OBJECTS, kind=PRESENT, remedy=MOVE)
@pytest.mark.parametrize(
    ("boot", "mgmt"),
    [(whole(), [eksa()]), ([capi(), *table(MACHINES)], [capi()]), (whole(), whole())],
    ids=["all", "half way", "both sides"],
)
@pytest.mark.parametrize("fails", ["--to-directory", "--to-kubeconfig", "nothing"])
def test_a_paste_stops_where_a_step_fails_and_never_cleans_up(hazard, boot, mgmt, fails, tmp_path):
    """--force-cleanup deletes the bootstrap cluster, and with it what was not moved."""
    finding = of(hazard, boot, mgmt, hosts={"station": station(STOPPED, KIND)})
    ran = pasted(finding.remedy, tmp_path, fails=fails)
    assert "--force-cleanup" not in finding.remedy
    done = ["docker start", "mkdir -p", "docker --to-directory", "docker --to-kubeconfig", "kubectl get", "kubectl get"]
    until = next((number for number, one in enumerate(done, 1) if one.endswith(fails)), len(done))
    assert [one.split(" ")[0] for one in ran] == [one.split(" ")[0] for one in done[:until]]
    return finding


def test_without_a_known_tools_container_nothing_runs(tmp_path):
    remedy = of(OBJECTS, whole(), [eksa()]).remedy
    assert pasted(remedy, tmp_path) == []
    assert [one.split()[:2] for one in pasted(remedy, tmp_path, CLITOOLS_CONT="eksa_1")][:2] == [
        ["docker", "start"],
        ["mkdir", "-p"],
    ]


@proves(
    OBJECTS, kind=PRESENT, says=["is in bootstrap cluster"], remedy="docker exec -i eksa_1681572481616591501 clusterctl"
)
@pytest.mark.parametrize(("container", "started"), [(TOOLS, False), (STOPPED, True)])
def test_the_remedy_names_what_is_there(hazard, container, started):
    finding = of(
        hazard,
        [capi()],
        hosts={"station": station(container, KIND, path="/srv/eksa")},
        parameters={"eksa-directory": "/srv/eksa"},
    )
    assert ("docker start eksa_1681572481616591501" in finding.remedy) is started
    assert finding.remedy.startswith("cd /srv/eksa && ")
    assert "CLITOOLS_CONT" not in finding.remedy
    return finding


@proves(
    OBJECTS,
    kind=PRESENT,
    says=["stopped half way", f"Machine {NAME}-etcd-chkc5", f"Cluster {NAME} and 2 Machines in both"],
    line=f"cluster {NAME} in eksa-system",
    remedy=MOVE,
)
def test_the_move_stopped_half_way(hazard):
    first, etcd, worker = table(MACHINES)
    finding = of(hazard, [capi(paused=True), first, etcd, worker], [capi(paused=True), first, worker])
    assert worker["metadata"]["name"] not in finding.message
    return finding


@proves(
    OBJECTS, kind=PRESENT, says=[f"Cluster {NAME} and 3 Machines are in both", "has not come to its end"], remedy=MOVE
)
def test_both_sides_are_full(hazard):
    finding = of(hazard, whole(), whole())
    assert "Delete none of them by hand" in finding.remedy
    return finding


@proves(
    OBJECTS,
    kind=PRESENT,
    says=["nothing manages its machines"],
    remedy="clusterctl move --from-directory cluster3-backup",
)
@pytest.mark.parametrize(
    ("boot", "mgmt", "says"),
    [
        pytest.param((), [eksa()], f"holds no Cluster, and bootstrap cluster {BOOT} holds nothing", id="both empty"),
        pytest.param(None, [eksa()], "no bootstrap cluster is named in the change", id="no bootstrap cluster"),
        pytest.param((), [eksa(), capi()], f"holds Cluster {NAME} without any Machine", id="no machine"),
        pytest.param(
            (),
            [eksa(), capi(), machine("w-1", cluster="w"), capi("w")],
            f"holds Cluster {NAME} without any Machine",
            id="machines of another",
        ),
        pytest.param(
            (),
            [eksa(), capi("shop"), machine("shop-1", cluster="shop")],
            f"holds Cluster shop, but not Cluster {NAME} itself",
            id="only a workload cluster",
        ),
        pytest.param(
            (),
            [eksa(), capi(), machine("x", namespace="other")],
            "without any Machine",
            id="a machine of that name in another namespace",
        ),
    ],
)
def test_objects_that_are_nowhere(hazard, boot, mgmt, says):
    finding = of(hazard, boot, mgmt)
    assert says in finding.message
    return finding


def test_three_findings_and_not_one():
    """Both sides empty, both full, and one silent say each something else."""
    silent = holding(*whole(), broken={"*": "unreachable"})
    told = {of(OBJECTS, *sides).message for sides in (((), ()), (whole(), whole()), ((), silent), (whole(), ()))}
    assert len(told) == 4


@proves(OBJECTS, kind=PRESENT, says=[f"bootstrap cluster {BOOT} and not in management cluster {MGMT}"])
def test_the_same_name_in_another_namespace_is_another_object(hazard):
    elsewhere = [capi(namespace="default"), machine(f"{NAME}-2snw8", namespace="default")]
    return of(hazard, [capi(), machine(f"{NAME}-2snw8")], elsewhere)


@proves(OBJECTS, kind=PRESENT, says=["bootstrap cluster kind-b and not in management cluster b"])
@pytest.mark.parametrize("linked", ["by name", "by the change"])
def test_several_management_clusters(hazard, linked):
    by_change = {"manager": "b"} if linked == "by the change" else {}
    name = "b" if linked == "by name" else NAME
    objects = whole(
        machine(f"{name}-1", cluster=name), cluster=capi(name), plane=capi(name, namespace="x"), eksa=eksa(name)
    )
    clusters = {
        "a": holding(*whole(machine("a-1", cluster="a"), cluster=capi("a"), eksa=eksa("a"))),
        "b": holding(eksa(name)),
        "kind-b": holding(*objects, role="bootstrap", **by_change),
    }
    finding = evaluate(hazard, clusters=clusters)
    assert "management cluster a" not in finding.message
    return finding


@proves(OBJECTS, kind=PRESENT, says=["not in management cluster b"])
def test_what_is_found_is_found_beside_a_silent_one(hazard):
    clusters = {
        "a": holding(broken={"*": "timed-out"}),
        "b": holding(),
        "kind-b": holding(capi("b"), machine("b-1", cluster="b"), role="bootstrap", manager="b"),
    }
    return evaluate(hazard, clusters=clusters)


@proves(OBJECTS, kind=PRESENT, says=["are in bootstrap cluster kind and not in management cluster left"])
def test_a_cluster_without_a_role_is_the_management_cluster(hazard):
    clusters = fleet(whole(), holding(role=None))
    return evaluate(hazard, clusters={BOOT: clusters[BOOT], "left": clusters[MGMT]})


# -- not there

FRESH = holding(role="bootstrap", serves=())
HOME = whole(*table(MOVED), cluster=capi("cluster2"), plane=capi("cluster2", namespace="x"), eksa=eksa("cluster2"))


@proves(OBJECTS, kind=ABSENT, says=[f"management cluster {MGMT} holds Cluster cluster2"])
@pytest.mark.parametrize(
    ("boot", "hosts"),
    [
        pytest.param((), None, id="the document's step 6"),
        pytest.param((), {"station": station(TOOLS, KIND)}, id="not cleaned up yet"),
        pytest.param(FRESH, None, id="a bootstrap cluster without Cluster API"),
        pytest.param([eksa("cluster2")], None, id="a Cluster of EKS Anywhere alone"),
        pytest.param(None, {"station": CLEAN}, id="cleaned up"),
        pytest.param(
            None, {"station": station("registry|Up 2 days|x", "kind-control-plane|Up|x")}, id="other containers"
        ),
        pytest.param(None, {"station": CLEAN, "other": station(broken={"*": "unreachable"})}, id="one is enough"),
    ],
)
def test_all_is_back(hazard, boot, hosts):
    # The name is the Cluster's, which the change file need not know.
    cluster2 = [one for one in HOME if one["metadata"]["namespace"] != "x"]
    finding = of(hazard, boot, cluster2, hosts=hosts)
    if boot is not None:
        assert (
            f"bootstrap cluster {BOOT} none: next comes `eksctl anywhere upgrade cluster -f cluster2/"
            in finding.message
        )
    assert ("--force-cleanup -v9`" in finding.message) is (boot is not None)
    return finding


@proves(OBJECTS, kind=ABSENT, says=["3 Machines"])
def test_workload_clusters_are_no_concern(hazard):
    """Their objects lie in the management cluster, and what lies in themselves says nothing."""
    more = {"shop": holding(serves=(), role="workload", manager=MGMT, broken={CAPI[0]: "forbidden"})}
    return of(hazard, (), [*whole(), capi("shop")], more=more)


# -- not applicable


@proves(OBJECTS, kind=NOT_APPLICABLE, says=["no management cluster is looked at"])
@pytest.mark.parametrize("role", ["workload", "user", "supervisor"])
def test_no_management_cluster(hazard, role):
    return evaluate(hazard, clusters={"shop": holding(role=role)})


@pytest.mark.parametrize("situation", ["before", "stuck"])
def test_only_around_a_repair(situation):
    from conformance.hazards import Situation

    assert findings(OBJECTS, clusters=fleet(whole()), situation=Situation(situation)) == {}


# -- not known


def broken(what, kind="forbidden", *objects, **api):
    return holding(*objects, broken={what: kind}, **api)


@proves(OBJECTS, kind=UNREADABLE)
@pytest.mark.parametrize("what", ["*", *CAPI[:3], EKSA])
@pytest.mark.parametrize("kind", ["unreachable", "forbidden", "timed-out", "undecodable", "certificate", "refused"])
def test_one_side_is_silent(hazard, what, kind):
    boot = of(hazard, broken(what, kind, role="bootstrap"), whole())
    mgmt = of(hazard, whole(), broken(what, kind))
    assert f"what bootstrap cluster {BOOT} holds is not known" in boot.message
    assert f"management cluster {MGMT} holds Cluster {NAME} and 3 Machines" in boot.message
    assert f"what management cluster {MGMT} holds is not known" in mgmt.message
    assert "do not delete the bootstrap cluster" in mgmt.message
    return [boot, mgmt]


@proves(OBJECTS, kind=UNREADABLE, says=["holds is not known"])
@pytest.mark.parametrize("kind", ["not-served", "forbidden"])
def test_machines_alone_are_not_told(hazard, kind):
    return of(hazard, whole(), broken(CAPI[1], kind))


@proves(OBJECTS, kind=UNREADABLE)
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"metadata": {"name": "x", "namespace": "eksa-system", "labels": "none"}}, id="labels"),
        pytest.param(
            {"metadata": {"name": "x"}, "status": {"phase": "", "conditions": [7], "addresses": 7}}, id="status"
        ),
    ],
)
def test_objects_of_another_form(hazard, wrong):
    plural = CAPI[1] if "status" in wrong else CAPI[0]
    return of(hazard, (), holding(*whole(), objects={plural: [wrong]}))


@proves(OBJECTS, kind=UNREADABLE, says=["whether a bootstrap cluster is left is not known"])
@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param(None, id="no workstation"),
        pytest.param({"station": station(engine="none")}, id="no engine"),
        pytest.param({"station": station(said="engine docker\nfailed 1 permission denied\n")}, id="denied"),
        pytest.param({"station": station(broken={"*": "unreachable"})}, id="unreachable"),
        pytest.param({"station": station(said="hello\n")}, id="garbled"),
    ],
)
def test_nobody_knows_of_a_bootstrap_cluster(hazard, hosts):
    return of(hazard, None, whole(), hosts=hosts)


@proves(
    OBJECTS, kind=UNREADABLE, says=["station has a bootstrap cluster that the change does not name", f"{NAME}-eks-a"]
)
def test_a_bootstrap_cluster_that_is_not_named(hazard):
    return of(hazard, None, whole(), hosts={"station": station(KIND)})


@proves(
    OBJECTS, kind=UNREADABLE, says=["of which management cluster kind is the bootstrap cluster cannot be told (a, b)"]
)
def test_whose_bootstrap_cluster(hazard):
    clusters = {"a": holding(capi("a")), "b": holding(capi("b")), BOOT: holding(role="bootstrap")}
    return evaluate(hazard, clusters=clusters)


@proves(OBJECTS, kind=UNREADABLE, says=[f"of bootstrap cluster {BOOT} no management cluster is named"])
def test_a_bootstrap_cluster_alone(hazard):
    return evaluate(hazard, clusters={BOOT: holding(*whole(), role="bootstrap")})


@proves(OBJECTS, kind=UNREADABLE, says=["no kubeconfig is given for cluster mgmt"])
def test_a_management_cluster_without_a_kubeconfig(hazard):
    return of(hazard, whole(), Api(role="management", connected=False))
