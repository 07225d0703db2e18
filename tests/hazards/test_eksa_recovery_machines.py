"""Whether it is safe to go on with the repair: machines that do not run, and conditions that are not True."""

from __future__ import annotations

import pytest

from tests.hazards.eksa_recovery import (
    BOOT,
    CAPI,
    EKSA,
    MACHINES,
    MGMT,
    NAME,
    TREE,
    capi,
    condition,
    fleet,
    group,
    holding,
    machine,
    pasted,
    plane,
    station,
    table,
    tree,
    whole,
)
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves

RUNNING, ANSWERS = "eksa-machines-not-running", "eksa-api-unresponsive"
FIRST, ETCD, WORKER = (one["metadata"]["name"] for one in table(MACHINES))
GONE = "2023-04-15T15:40:00Z"
TOOLS = "eksa_1681572481616591501|Up 2 hours|2023-04-15 15:28:01 +0000 UTC"


def run(hazard, boot=(), mgmt=(), subject=MGMT, more=None, **world):
    return evaluate(hazard, subject=subject, clusters={**fleet(boot, mgmt), **(more or {})}, **world)


def others(name, **instead):
    """The document's machines, one of them instead of the one of its name."""
    return [machine(name, **instead) if one["metadata"]["name"] == name else one for one in table(MACHINES)]


# -- machines and the tree of the cluster


@proves(
    RUNNING, kind=PRESENT, line="(in kind)", remedy=f"clusterctl describe cluster {NAME} --kubeconfig {NAME}/generated"
)
@pytest.mark.parametrize("name", [FIRST, ETCD, WORKER])
@pytest.mark.parametrize("phase", ["Pending", "Provisioning", "Provisioned", "Deleting", "Failed", "Unknown", ""])
def test_a_machine_does_not_run(hazard, name, phase):
    finding = run(hazard, whole(*others(name, phase=phase)))
    assert (
        f"in bootstrap cluster {BOOT}: Machine {name}: it is {phase or 'of no phase yet'}, not Running"
        in finding.message
    )
    # The others run.
    assert finding.message.count("Machine ") == 1
    assert "do not move anything before" in finding.remedy
    return finding


@proves(
    RUNNING,
    kind=PRESENT,
    says=[
        f"in bootstrap cluster {BOOT}",
        f"Machine {FIRST}",
        f"Machine {WORKER}",
        f"cluster {MGMT}",
        f"Machine {ETCD}",
    ],
    line=f"machine {FIRST}: phase=Provisioning",
)
def test_all_are_named_wherever_they_lie(hazard):
    first, etcd, worker = table(MACHINES)
    first["status"]["phase"] = worker["status"]["phase"] = "Provisioning"
    stuck = machine(ETCD, "", "Pending")
    return run(hazard, whole(first, etcd, worker), whole(stuck))


OBJECTS = {
    "Cluster": lambda told: {"cluster": capi(conditions=told)},
    "KubeadmControlPlane": lambda told: {"plane": plane(conditions=told)},
    "MachineDeployment": lambda told: {"group": group(conditions=told)},
}


@proves(RUNNING, kind=PRESENT, says=["False"], line="=False")
@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize(
    "told",
    [
        pytest.param([condition(status="False", reason="ScalingUp", severity="Warning")], id="v1beta1"),
        pytest.param([condition(status="False", reason="Waiting", severity="Info")], id="in passing"),
        pytest.param([condition("Available", "False", "NotAvailable")], id="v1beta2"),
        # In v1beta1 a control plane is Available from its first machine on.
        pytest.param([condition("Available"), condition(status="False", severity="Error")], id="Available, not Ready"),
        pytest.param([condition(), condition("EtcdClusterHealthy", "False", severity="Warning")], id="beside its sum"),
        pytest.param([condition(), condition("InfrastructureReady", "False", "NoQuota")], id="infrastructure"),
    ],
)
def test_a_condition_in_the_tree(hazard, kind, told):
    finding = run(hazard, whole(**OBJECTS[kind](told)))
    assert f"{kind} cluster3" in finding.message
    assert finding.message.count("; ") == 0
    return finding


@proves(RUNNING, kind=PRESENT, says=["Ready=Unknown (NodeNotFound: cannot reach it)"], line="Ready=Unknown")
def test_unknown_is_not_true(hazard):
    told = [condition(status="Unknown", reason="NodeNotFound", message="cannot\nreach it")]
    return run(hazard, whole(*others(WORKER, conditions=told)))


@proves(RUNNING, kind=PRESENT, says=["Available=False", f"Machine {FIRST}"])
@pytest.mark.parametrize("place", ["v1beta2", "deprecated"])
def test_conditions_of_the_other_version(hazard, place):
    """The object is written in one version and holds the other's conditions beside its own."""
    new, old = [condition("Available", "False", "NotReady")], [condition()]
    first, *more = table(MACHINES)
    beside = (
        {"v1beta2": {"conditions": new}} if place == "v1beta2" else {"deprecated": {"v1beta1": {"conditions": old}}}
    )
    first["status"] |= {"conditions": old if place == "v1beta2" else new, **beside}
    return run(hazard, whole(first, *more))


@proves(RUNNING, kind=PRESENT, line=f"machine {WORKER}")
@pytest.mark.parametrize(
    ("told", "says"),
    [
        pytest.param({"conditions": []}, "it has no condition that says how it is", id="no condition"),
        pytest.param({"deletionTimestamp": GONE}, f"being deleted since {GONE}", id="deleted"),
    ],
)
def test_other_signs_at_a_machine(hazard, told, says):
    finding = run(hazard, whole(*others(WORKER, version="v1.22.17-eks-1-22-24", **told)))
    assert says in finding.message
    return finding


@proves(RUNNING, kind=PRESENT, says=["KubeadmControlPlane", "has not seen its latest change"])
def test_a_controller_that_lags(hazard):
    behind = plane(generation=5, status={"observedGeneration": 4})
    return run(hazard, whole(plane=behind))


@proves(RUNNING, kind=PRESENT, says=["MachineDeployment cluster3-md-0: 0 of 1 machines are ready, 1 up to date"])
def test_a_machine_deployment_without_conditions_counts(hazard):
    return run(hazard, whole(group=group(conditions=[], ready=0)))


@proves(RUNNING, kind=PRESENT, says=["KubeadmControlPlane odd"])
def test_a_control_plane_of_another_name(hazard):
    """Found by the reference of the Cluster, as one that carries no label."""
    odd = plane("odd", [condition(status="False")], cluster="")
    cluster = capi()
    cluster["spec"]["controlPlaneRef"]["name"] = "odd"
    return run(hazard, whole(plane=odd, cluster=cluster))


@proves(RUNNING, kind=PRESENT, says=[f"Cluster {NAME} has no Machine"], line=f"machines of Cluster {NAME}: none")
def test_no_machine_at_all(hazard):
    return run(hazard, (), whole(machine("shop-1", cluster="shop")))


@proves(
    RUNNING, kind=PRESENT, says=["in cluster mgmt: Machine shop-1"], remedy="cluster3/cluster3-eks-a-cluster.kubeconfig"
)
def test_a_workload_cluster_lies_in_its_manager(hazard):
    shop = [capi("shop"), machine("shop-1", phase="Failed", cluster="shop")]
    more = {"shop": holding(serves=(), role="workload", manager=MGMT)}
    assert run(hazard, (), [*whole(), *shop], more=more).outcome == "clear"
    return run(hazard, (), [*whole(), *shop], subject="shop", more=more)


@proves(RUNNING, kind=PRESENT, remedy="docker exec -i eksa_1681572481616591501 clusterctl describe cluster cluster3")
def test_the_remedy_names_the_container(hazard):
    return run(hazard, whole(*others(ETCD, version="", phase="Pending")), hosts={"station": station(TOOLS)})


@proves(RUNNING, kind=PRESENT, remedy="cd /srv/eksa && \\\ndocker start eksa_1681572481616591501 && \\\ndocker exec -i")
def test_the_remedy_begins_where_the_paths_are_right(hazard):
    stopped = station(TOOLS.replace("Up 2 hours", "Exited (137) 3 days ago"), path="/srv/eksa")
    objects = whole(*others(ETCD, version="", phase="Pending"))
    return run(hazard, objects, hosts={"station": stopped}, parameters={"eksa-directory": "/srv/eksa"})


@proves(RUNNING, kind=PRESENT, remedy="# In the directory where eksctl anywhere is run:")
def test_the_remedy_asks_for_a_container_that_is_not_known(hazard, tmp_path):
    finding = run(hazard, whole(*others(ETCD, version="", phase="Pending")))
    assert pasted(finding.remedy, tmp_path) == []
    first, second = pasted(finding.remedy, tmp_path, CLITOOLS_CONT="eksa_1")
    assert (first, second[:40]) == ("docker start eksa_1", "docker exec -i eksa_1 clusterctl describ")
    return finding


@proves(RUNNING, kind=ABSENT)
@pytest.mark.parametrize("where", ["bootstrap", "management"])
def test_the_documents_own_tree(hazard, where):
    ready = tree(TREE)

    def told(kind, name):
        return [condition(status=ready[f"{kind}/{name}"])]

    machines = table(MACHINES)
    for one in machines:
        one["status"]["conditions"] = told("Machine", one["metadata"]["name"])
    objects = whole(
        *machines,
        cluster=capi(conditions=told("Cluster", NAME)),
        plane=plane(conditions=told("KubeadmControlPlane", NAME)),
        group=group(conditions=told("MachineDeployment", f"{NAME}-md-0")),
    )
    assert len(ready) == 7
    return run(hazard, *((objects, ()) if where == "bootstrap" else ((), objects)))


#: What an etcd's machine says in the newer conditions: it waits for a node that will never be.
NO_NODE = [
    condition(),
    condition("Available", "False", "NotReady", "NodeHealthy: Waiting"),
    condition(status="Unknown"),
    condition("NodeHealthy", "Unknown", "InspectionFailed"),
    condition("NodeReady", "Unknown", "InspectionFailed"),
]


def newer(obj, *conditions):
    """An object with conditions of the newer API beside its own."""
    obj["status"]["v1beta2"] = {"conditions": list(conditions)}
    return obj


#: What the newer Cluster says of the document's machines, where its etcd has machines of its own.
WAITING = condition("WorkerMachinesReady", "Unknown", "ReadyUnknown", f"* Machine {ETCD}: NodeHealthy: Waiting")
OUTDATED = [condition("ControlPlaneMachinesUpToDate"), condition("WorkerMachinesUpToDate", "False", "NotUpToDate")]


def waiting(**worker):
    """The document's cluster in the newer API; `worker` is what differs at the worker."""
    first, etcd, last = others(WORKER, version="v1.22.17-eks-1-22-24", **worker)
    newer(etcd, condition(status="Unknown"), condition("NodeHealthy", "Unknown"))
    return whole(first, etcd, last, cluster=newer(capi(), condition("Available"), WAITING))


@proves(RUNNING, kind=PRESENT, says=["WorkerMachinesReady=Unknown", f"Machine {WORKER}: it is Failed"])
def test_workers_that_are_not_ready_beside_an_etcd(hazard):
    return run(hazard, waiting(phase="Failed"))


@proves(RUNNING, kind=PRESENT, says=["WorkerMachinesReady=Unknown"])
def test_without_an_etcd_nobody_waits_for_nodes(hazard):
    return run(hazard, [one for one in waiting() if one["metadata"]["name"] != ETCD])


@proves(RUNNING, kind=ABSENT)
@pytest.mark.parametrize(
    "objects",
    [
        pytest.param(whole(*others(ETCD, version="", conditions=NO_NODE)), id="an etcd's machine"),
        pytest.param(waiting(), id="what counts an etcd's machine as a worker"),
        pytest.param(whole(cluster=newer(capi(), condition("Available"), *OUTDATED)), id="half upgraded"),
        *(
            pytest.param(
                whole(*others(WORKER, conditions=[condition(), condition(f"{word}ing", "False", f"Not{word}ing")])),
                id=f"not {word}ing",
            )
            for word in ("Updat", "Thaw")
        ),
        pytest.param(
            whole(
                cluster=capi(
                    conditions=[
                        condition(),
                        condition("Available"),
                        condition("Paused", "False", "NotPaused"),
                        condition("Deleting", "False"),
                        condition("ScalingUp", "False"),
                        condition("ScalingDown", "False"),
                        condition("Remediating", "False"),
                        condition("RollingOut", "False"),
                    ]
                )
            ),
            id="states that are not on",
        ),
        pytest.param(
            whole(*others(WORKER, conditions=[condition(), condition("UpToDate", "False", "NotUpToDate")])),
            id="not replaced yet",
        ),
        pytest.param(
            whole(*others(WORKER, conditions=[condition(), condition("DrainingSucceeded", "False", severity="Info")])),
            id="for information",
        ),
        pytest.param(whole(group=group(conditions=[])), id="a complete group without conditions"),
        pytest.param(
            [
                *whole(),
                capi("shop"),
                machine("shop-1", phase="Failed", cluster="shop"),
                group("other", [], 0, cluster="shop"),
            ],
            id="another cluster's trouble",
        ),
        pytest.param(
            [*whole(), machine(FIRST, phase="Failed", namespace="default")], id="the same name in another namespace"
        ),
    ],
)
def test_the_nearest_harmless(hazard, objects):
    return [run(hazard, objects, ()), run(hazard, (), objects)]


@proves(RUNNING, kind=ABSENT, says=["is paused (spec.paused)"])
def test_what_a_paused_cluster_says_is_old(hazard):
    """Between the steps of a move nobody looks at it, and the number of its latest change is ahead."""
    paused = capi(paused=True, generation=3, status={"observedGeneration": 2})
    return run(hazard, whole(cluster=paused))


@proves(RUNNING, kind=NOT_APPLICABLE, says=[f"it is the bootstrap cluster of {MGMT}"])
def test_the_bootstrap_cluster_itself(hazard):
    return run(hazard, whole(*others(ETCD, phase="Failed")), subject=BOOT)


@pytest.mark.parametrize("situation", ["before", "stuck"])
@pytest.mark.parametrize("hazard", [RUNNING, ANSWERS])
def test_only_around_a_repair(hazard, situation):
    from conformance.hazards import Situation

    assert findings(hazard, clusters=fleet(whole()), situation=Situation(situation)) == {}


@proves(RUNNING, kind=UNREADABLE)
@pytest.mark.parametrize("what", ["*", *CAPI, EKSA])
@pytest.mark.parametrize("kind", ["unreachable", "forbidden", "timed-out", "undecodable"])
@pytest.mark.parametrize("silent", [BOOT, MGMT])
def test_what_is_not_read_may_be_wrong(hazard, what, kind, silent):
    sides = {BOOT: holding(*whole(), role="bootstrap"), MGMT: holding(*whole())}
    role = {"role": "bootstrap"} if silent == BOOT else {}
    sides[silent] = holding(*whole(), broken={what: kind}, **role)
    finding = evaluate(hazard, subject=MGMT, clusters=sides)
    assert f"{kind}, as the test says" in finding.message
    return finding


@proves(
    RUNNING, kind=UNREADABLE, says=["no Cluster object of mgmt is found in mgmt", "name that one too (role: bootstrap)"]
)
def test_no_cluster_object_anywhere(hazard):
    return run(hazard, None, ())


@proves(RUNNING, kind=UNREADABLE, says=["no Cluster object of shop is found in mgmt, kind"])
def test_a_workload_cluster_that_nobody_holds(hazard):
    more = {"shop": holding(serves=(), role="workload", manager=MGMT)}
    return run(hazard, (), whole(), subject="shop", more=more)
