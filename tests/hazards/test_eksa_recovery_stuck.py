"""The marks of an upgrade that stopped half way: mixed versions, and controllers that are still paused."""

from __future__ import annotations

import re

import pytest

from checks.eks_anywhere.specification import GROUP
from tests.hazards.eksa_recovery import (
    BOOT,
    CAPI,
    EKSA,
    FLUX,
    MACHINES,
    MGMT,
    MOVED,
    NAME,
    capi,
    eksa,
    fleet,
    flux,
    group,
    holding,
    machine,
    plane,
    table,
    whole,
)
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves

MIXED, PAUSED = "eksa-mixed-versions", "eksa-reconcile-paused"
FIRST, ETCD, WORKER = (one["metadata"]["name"] for one in table(MACHINES))
NEW, OLD = "v1.23.17-eks-1-23-19", "v1.22.17-eks-1-22-24"


def run(hazard, boot=(), mgmt=(), subject=MGMT, more=None, **world):
    return evaluate(hazard, subject=subject, clusters={**fleet(boot, mgmt), **(more or {})}, **world)


# -- mixed versions


@proves(
    MIXED,
    kind=PRESENT,
    says=[f"the control plane {NEW} ({FIRST})", f"{NAME}-md-0 {OLD} ({WORKER})"],
    line=f"machine {WORKER}: version={OLD} phase=Running",
)
@pytest.mark.parametrize("where", ["bootstrap", "management"])
def test_the_documents_own_machines(hazard, where):
    finding = run(hazard, *((whole(), ()) if where == "bootstrap" else ((), whole())))
    assert ETCD not in finding.message
    return finding


@proves(MIXED, kind=PRESENT, says=["machines of Cluster cluster2"])
def test_the_documents_own_machines_after_the_move(hazard):
    return run(hazard, None, [capi("cluster2"), eksa("cluster2"), *table(MOVED)])


@proves(MIXED, kind=PRESENT, line="phase=Provisioning")
@pytest.mark.parametrize(
    ("machines", "says"),
    [
        pytest.param(
            [machine("cp-1", OLD), machine("cp-2", NEW, "Provisioning")],
            f"the control plane {OLD} (cp-1), {NEW} (cp-2)",
            id="control plane",
        ),
        pytest.param(
            [
                machine("cp-1"),
                machine("x-md-0-a-2", NEW, "Provisioning"),
                machine("x-md-0-a-1", OLD),
                machine("x-md-0-b-3", OLD),
            ],
            f"x-md-0 {OLD} (x-md-0-a-1, x-md-0-b-3), {NEW} (x-md-0-a-2)",
            id="one group of workers",
        ),
        pytest.param(
            [machine("cp-1", "v1.23.17-eks-1-23-19"), machine("x-md-0-a", "v1.23.16-eks-1-23-17", "Provisioning")],
            "x-md-0 v1.23.16-eks-1-23-17 (x-md-0-a)",
            id="patches",
        ),
        pytest.param(
            [machine("a-md-0-x", NEW, "Provisioning"), machine("b-md-0-x", OLD)],
            f"a-md-0 {NEW} (a-md-0-x); b-md-0 {OLD} (b-md-0-x)",
            id="no control plane of machines",
        ),
    ],
)
def test_machines_of_several_versions(hazard, machines, says):
    finding = run(hazard, whole(*machines))
    assert says in finding.message
    return finding


@proves(MIXED, kind=PRESENT, says=[f"{NAME}-md-0 {OLD}"])
@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"md-0": "1.21"}, id="another than it runs"),
        pytest.param({"md-1": "1.22"}, id="of another group"),
        pytest.param({}, id="none"),
    ],
)
def test_versions_that_nobody_wants(hazard, own):
    return run(hazard, whole(eksa=eksa(workers=own)))


@proves(MIXED, kind=PRESENT, says=["cluster3-md-1 v1.21.14"])
def test_one_group_as_wanted_beside_one_that_is_not(hazard):
    machines = [*table(MACHINES), machine(f"{NAME}-md-1-x", "v1.21.14")]
    finding = run(hazard, whole(*machines, eksa=eksa(workers={"md-0": "1.22", "md-1": ""})))
    assert WORKER not in finding.message
    return finding


@proves(MIXED, kind=ABSENT)
@pytest.mark.parametrize(
    "machines",
    [
        pytest.param([machine("cp-1"), machine("x-md-0-a"), machine("x-etcd-a", "")], id="one version, and an etcd"),
        pytest.param([machine("cp-1"), machine("cp-2", phase="Provisioning")], id="one that is coming up"),
        pytest.param([machine("cp-1"), machine("x-md-0-a", OLD, cluster="shop")], id="another cluster's"),
        pytest.param([machine("cp-1"), machine("x-md-0-a", OLD, namespace="default")], id="another namespace's"),
        pytest.param([machine("a-md-0-x"), machine("b-md-0-x")], id="workers alone"),
    ],
)
def test_one_version(hazard, machines):
    return run(hazard, whole(*machines, eksa=eksa()))


@proves(MIXED, kind=ABSENT, says=["cluster3-md-0 has a Kubernetes version of its own (v1.22.17-eks-1-22-24)"])
@pytest.mark.parametrize("version", ["1.22", "v1.22"])
def test_a_group_with_a_version_of_its_own(hazard, version):
    return run(
        hazard,
        [one for one in whole() if one["kind"] != "Cluster" or "anywhere" not in one["apiVersion"]],
        [eksa(workers={"md-0": version})],
    )


@proves(MIXED, kind=NOT_APPLICABLE, says=[f"it is the bootstrap cluster of {MGMT}"])
def test_the_bootstrap_cluster_itself(hazard):
    return run(hazard, whole(), subject=BOOT)


@pytest.mark.parametrize("situation", ["before", "repair"])
@pytest.mark.parametrize("hazard", [MIXED, PAUSED])
def test_only_where_an_upgrade_is_stuck(hazard, situation):
    from conformance.hazards import Situation

    assert findings(hazard, clusters=fleet(whole(eksa=eksa(pause="true"))), situation=Situation(situation)) == {}


@proves(MIXED, PAUSED, kind=UNREADABLE)
@pytest.mark.parametrize("what", ["*", *CAPI[:3], EKSA])
@pytest.mark.parametrize("kind", ["unreachable", "forbidden", "timed-out", "undecodable"])
@pytest.mark.parametrize("silent", [BOOT, MGMT])
def test_one_side_is_silent(hazard, what, kind, silent):
    even = whole(machine("cp-1"))
    sides = {BOOT: holding(*even, role="bootstrap"), MGMT: holding(*even)}
    role = {"role": "bootstrap"} if silent == BOOT else {}
    sides[silent] = holding(*even, broken={what: kind}, **role)
    finding = evaluate(hazard, subject=MGMT, clusters=sides)
    assert f"{kind}, as the test says" in finding.message
    return finding


@proves(MIXED, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("objects", "says"),
    [
        pytest.param(
            whole(machine("x-etcd-a", "")), "has no Machine that says its version", id="an etcd's machines alone"
        ),
        pytest.param([capi()], "has no Machine that says its version", id="no machine"),
        pytest.param([eksa()], "no Cluster object of cluster3 is found", id="no cluster"),
        pytest.param(whole(eksa=eksa(workers={"md-0": "latest"})), "which is no Kubernetes version", id="no version"),
        pytest.param(whole(eksa=eksa(workers={"md-0": 1.22})), "put the version in quotes", id="a number"),
    ],
)
def test_versions_that_nobody_tells(hazard, objects, says):
    finding = run(hazard, (), objects)
    assert says in finding.message
    return finding


# -- paused

ANNOTATION = {"annotations": {"cluster.x-k8s.io/paused": ""}}
UNPAUSE = '--type merge -p \'{"spec":{"paused":false}}\''


@proves(PAUSED, kind=PRESENT, remedy="eksa-capi-objects-in-bootstrap")
@pytest.mark.parametrize(
    ("instead", "says", "line", "command"),
    [
        pytest.param(
            {"eksa": eksa(pause="true")},
            "EKS Anywhere's controller for Cluster default/cluster3 in kind",
            "clusters.anywhere.eks.amazonaws.com default/cluster3 of kind: anywhere.eks.amazonaws.com/paused: true",
            "annotate clusters.anywhere.eks.amazonaws.com cluster3 -n default anywhere.eks.amazonaws.com/paused-",
            id="EKS Anywhere",
        ),
        pytest.param(
            {"cluster": capi(paused=True)},
            "Cluster eksa-system/cluster3 in kind (spec.paused)",
            "cluster eksa-system/cluster3 of kind: spec.paused: true",
            f"patch clusters.cluster.x-k8s.io cluster3 -n eksa-system {UNPAUSE}",
            id="Cluster API",
        ),
        pytest.param(
            {"cluster": capi(**ANNOTATION)},
            "Cluster eksa-system/cluster3 in kind (annotation",
            "cluster eksa-system/cluster3 of kind: annotation cluster.x-k8s.io/paused",
            "annotate clusters.cluster.x-k8s.io cluster3 -n eksa-system cluster.x-k8s.io/paused-",
            id="a Cluster's annotation",
        ),
        pytest.param(
            {"plane": plane(**ANNOTATION)},
            "KubeadmControlPlane eksa-system/cluster3 in kind",
            "kubeadmcontrolplane eksa-system/cluster3",
            "annotate kubeadmcontrolplanes.controlplane.cluster.x-k8s.io cluster3 -n eksa-system",
            id="control plane",
        ),
        pytest.param(
            {"group": group(**ANNOTATION)},
            "MachineDeployment eksa-system/cluster3-md-0 in kind",
            "machinedeployment eksa-system/cluster3-md-0",
            "annotate machinedeployments.cluster.x-k8s.io cluster3-md-0",
            id="workers",
        ),
        pytest.param(
            {"one": machine("cp-1", **ANNOTATION)},
            "Machine eksa-system/cp-1 in kind",
            "machine eksa-system/cp-1",
            "annotate machines.cluster.x-k8s.io cp-1",
            id="machine",
        ),
    ],
)
def test_what_is_paused_in_the_bootstrap_cluster(hazard, instead, says, line, command):
    finding = run(hazard, whole(**instead))
    assert finding.message.startswith(f"still paused: {says}")
    assert any(line in held for one in finding.evidence for held in one.lines)
    first, _, last = finding.remedy.split("\n")
    assert "First bring the Cluster API objects back" in first
    # It is resumed where it lies by then, and not by a paste before that.
    assert last.startswith(f"# kubectl --kubeconfig {NAME}/{NAME}-eks-a-cluster.kubeconfig ")
    assert command in last
    return finding


@proves(PAUSED, kind=PRESENT, remedy=f"kubectl --kubeconfig {NAME}/{NAME}-eks-a-cluster.kubeconfig annotate")
def test_everything_in_the_management_cluster_at_once(hazard):
    objects = whole(cluster=capi(paused=True), eksa=eksa(pause="true"))
    held = {FLUX[0]: [flux()], FLUX[1]: [flux("GitRepository")], "fluxconfigs.anywhere.eks.amazonaws.com": []}
    finding = run(hazard, (), holding(*objects, objects=held))
    assert [one.split(" in ")[0] for one in finding.message.removeprefix("still paused: ").split("; ")] == [
        "EKS Anywhere's controller for Cluster default/cluster3",
        "Cluster eksa-system/cluster3",
        "Flux's Kustomization flux-system/flux-system",
        "Flux's GitRepository flux-system/flux-system",
    ]
    assert finding.remedy.startswith("# Make sure that the Cluster API objects are in the management cluster")
    assert "flux resume kustomization flux-system -n flux-system" in finding.remedy
    assert "flux resume source git flux-system -n flux-system" in finding.remedy
    assert "kustomizations flux-system/flux-system: spec.suspend: true" in [
        line for one in finding.evidence for line in one.lines
    ]
    return finding


def part(kind, name="dc", **annotations):
    """A datacenter or machine configuration with these annotations."""
    keys = {"paused": "anywhere.eks.amazonaws.com/paused", "flux": "kustomize.toolkit.fluxcd.io/reconcile"}
    held = {keys[one]: value for one, value in annotations.items()}
    return {"kind": kind, "metadata": {"name": name, "namespace": "default", "annotations": held}, "spec": {}}


def parts(*objects):
    """The kinds of vSphere and of these objects' providers, served, with these objects of them."""
    providers = ["vsphere", *(re.sub("(datacenter|machine)config", "", one["kind"].lower()) for one in objects)]
    held = {f"{one}{what}configs.{GROUP}": [] for one in providers for what in ("datacenter", "machine")}
    for one in objects:
        held[f"{one['kind'].lower()}s.{GROUP}"].append(one)
    return held


def referring(name, place="dc", **more):
    """A Cluster of EKS Anywhere that refers to a datacenter, and to the machine configuration of its own name."""
    found = eksa(name, **more)
    found["spec"]["datacenterRef"] = {"kind": "VSphereDatacenterConfig", "name": place}
    found["spec"]["controlPlaneConfiguration"] = {
        "machineGroupRef": {"kind": "VSphereMachineConfig", "name": f"{name}-cp"}
    }
    return found


ANNOTATE = f"kubectl --kubeconfig {NAME}/{NAME}-eks-a-cluster.kubeconfig annotate"
OFF = "kustomize.toolkit.fluxcd.io/reconcile"


@proves(PAUSED, kind=PRESENT, says=["(annotation kustomize.toolkit.fluxcd.io/reconcile)"], line=f"{OFF}: disabled")
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Cluster", NAME),
        ("VSphereDatacenterConfig", "dc"),
        ("TinkerbellMachineConfig", "cp"),
        ("DockerDatacenterConfig", "d"),
    ],
)
def test_flux_is_kept_from_an_object(hazard, kind, name):
    """As `eksctl anywhere` of today does it, instead of suspending Flux's own objects."""
    own, objects = eksa(), {**parts(), FLUX[0]: [flux(suspend=False)], FLUX[1]: [flux("GitRepository", suspend=False)]}
    if kind == "Cluster":
        own["metadata"]["annotations"] = {OFF: "disabled"}
    else:
        objects = {**objects, **parts(part(kind, name, flux="disabled"))}
    finding = run(hazard, (), holding(*whole(eksa=own), objects=objects))
    assert f"{kind} default/{name} in {MGMT}" in finding.message
    assert f"{ANNOTATE} {kind.lower()}s.anywhere.eks.amazonaws.com {name} -n default {OFF}-" in finding.remedy
    return finding


@proves(
    PAUSED,
    kind=PRESENT,
    says=[
        "EKS Anywhere's controller for VSphereDatacenterConfig default/dc in mgmt",
        "VSphereMachineConfig default/cp",
    ],
    line="VSphereDatacenterConfig default/dc of mgmt: anywhere.eks.amazonaws.com/paused: true",
    remedy=f"{ANNOTATE} vspheremachineconfigs.anywhere.eks.amazonaws.com cp -n default anywhere.eks.amazonaws.com/paused-",
)
@pytest.mark.parametrize("cluster", ["true", None], ids=["with its Cluster", "its Cluster was resumed alone"])
def test_what_the_cluster_refers_to_is_paused(hazard, cluster):
    held = parts(part("VSphereDatacenterConfig", paused="true"), part("VSphereMachineConfig", "cp", paused="true"))
    finding = run(hazard, (), holding(*whole(eksa=eksa(pause=cluster)), objects=held))
    assert ("annotate clusters.anywhere" in finding.remedy) is bool(cluster)
    return finding


@proves(PAUSED, kind=PRESENT, says=["VSphereMachineConfig default/shop-cp in mgmt"])
def test_each_is_told_of_the_cluster_that_refers_to_it(hazard):
    more = {"shop": holding(serves=(), role="workload", manager=MGMT, broken={EKSA: "forbidden"})}
    held = parts(
        part("VSphereMachineConfig", "shop-cp", paused="true"), part("VSphereMachineConfig", "lost", paused="false")
    )
    mgmt = holding(*whole(eksa=referring(NAME)), referring("shop", manager=NAME), objects=held)
    assert run(hazard, (), mgmt, more=more).outcome == "clear"
    return run(hazard, (), mgmt, subject="shop", more=more)


@proves(PAUSED, kind=UNREADABLE, says=["what is paused in mgmt is not known", "forbidden"])
@pytest.mark.parametrize("kind", ["datacenter", "machine"])
def test_what_the_cluster_refers_to_cannot_be_listed(hazard, kind):
    broken = {f"vsphere{kind}configs.anywhere.eks.amazonaws.com": "forbidden"}
    return run(hazard, (), holding(*whole(), objects=parts(), broken=broken))


SPECIFIED = "apiVersion: anywhere.eks.amazonaws.com/v1alpha1\nkind: Cluster\nmetadata: {name: shop}\nspec: {}\n"


@proves(PAUSED, kind=PRESENT, says=["EKS Anywhere's controller for Cluster default/shop", "Cluster eksa-system/shop"])
def test_a_workload_cluster_that_the_change_calls_otherwise(hazard):
    more = {"prod": holding(serves=(), role="workload", manager=MGMT, desired=(SPECIFIED,))}
    paused = [capi("shop", paused=True), eksa("shop", pause="true", manager=NAME)]
    return run(hazard, (), [*whole(), *paused], subject="prod", more=more)


@proves(PAUSED, kind=UNREADABLE, says=["no Cluster prod is found in mgmt, kind (there: cluster3, shop): mend the name"])
def test_a_workload_cluster_that_is_not_found_by_its_name(hazard):
    more = {"prod": holding(serves=(), role="workload", manager=MGMT)}
    return run(hazard, (), [*whole(), capi("shop"), eksa("shop", manager=NAME)], subject="prod", more=more)


@proves(PAUSED, kind=PRESENT, says=["Flux's Kustomization my-flux/my-flux"])
def test_flux_in_a_namespace_of_its_own(hazard):
    config = {"metadata": {"name": "x", "namespace": "default"}, "spec": {"systemNamespace": "my-flux"}}
    held = {FLUX[0]: [flux(name="my-flux", space="my-flux")], "fluxconfigs.anywhere.eks.amazonaws.com": [config]}
    return run(hazard, (), holding(*whole(), objects=held))


@proves(PAUSED, kind=PRESENT, says=["Cluster eksa-system/shop in mgmt"], remedy="patch clusters.cluster.x-k8s.io shop")
def test_a_workload_clusters_pause_is_told_of_it(hazard):
    more = {"shop": holding(serves=(), role="workload", manager=MGMT)}
    mgmt = [*whole(), capi("shop", paused=True)]
    assert run(hazard, (), mgmt, more=more).outcome == "clear"
    return run(hazard, (), mgmt, subject="shop", more=more)


@proves(PAUSED, kind=PRESENT, says=["Cluster eksa-system/shop in mgmt"])
def test_a_workload_cluster_that_the_change_does_not_name(hazard):
    return run(hazard, (), [*whole(), capi("shop", paused=True)])


@proves(PAUSED, kind=ABSENT)
@pytest.mark.parametrize(
    "mgmt",
    [
        pytest.param(whole(), id="nothing"),
        pytest.param(whole(cluster=capi(paused=False)), id="spec.paused: false"),
        # EKS Anywhere's controller knows no other value.
        *(pytest.param(whole(eksa=eksa(pause=value)), id=f"annotation {value!r}") for value in ("false", "", "True")),
        pytest.param([eksa()], id="without Cluster API objects"),
        pytest.param(
            holding(*whole(), objects=parts(part("VSphereMachineConfig", "cp", paused="false", flux="enabled"))),
            id="resumed",
        ),
        pytest.param(
            holding(*whole(), objects={FLUX[0]: [flux(suspend=False)], FLUX[1]: [flux("GitRepository", suspend=None)]}),
            id="Flux that runs",
        ),
        pytest.param(
            holding(*whole(), objects={FLUX[0]: [flux(name="apps"), flux(space="apps")]}),
            id="suspended by somebody else",
        ),
    ],
)
def test_nothing_is_paused(hazard, mgmt):
    return [run(hazard, (), mgmt), run(hazard, None, mgmt)]


@proves(PAUSED, kind=NOT_APPLICABLE, says=[f"it is the bootstrap cluster of {MGMT}"])
def test_paused_in_the_bootstrap_cluster_itself(hazard):
    return run(hazard, whole(cluster=capi(paused=True)), subject=BOOT)


@proves(PAUSED, kind=UNREADABLE)
@pytest.mark.parametrize("what", [*FLUX, "fluxconfigs.anywhere.eks.amazonaws.com", CAPI[3]])
@pytest.mark.parametrize("kind", ["forbidden", "timed-out"])
def test_other_reads_are_refused(hazard, what, kind):
    return run(hazard, (), holding(*whole(), broken={what: kind}))


@proves(
    PAUSED, kind=UNREADABLE, says=["no Cluster, neither of EKS Anywhere nor of Cluster API, is found in mgmt, kind"]
)
@pytest.mark.parametrize("mgmt", [holding(), holding(serves=())], ids=["empty", "nothing served"])
def test_a_cluster_that_is_no_eks_anywhere(hazard, mgmt):
    return run(hazard, (), mgmt)
