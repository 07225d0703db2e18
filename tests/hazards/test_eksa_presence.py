"""What a management cluster must hold: CRDs, the Cluster object, and controllers that match their bundle."""

from __future__ import annotations

import pytest

from tests.hazards.eksa import cluster, management, specification
from tests.hazards.eksa_machines import CAPI, EKSA, NAME, capi_cluster
from tests.hazards.eksa_running import CRDS, bundle, controller, controllers, crd, release
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

KINDS, OBJECT, OUTDATED = "eksa-crds-missing", "eksa-cluster-object-missing", "eksa-capi-components-outdated"
ALL = (KINDS, OBJECT, OUTDATED)
DEFINED, RUNNING = "customresourcedefinitions.apiextensions.k8s.io", "deployments.apps"
OWN, CLUSTERS = f"clusters.{EKSA}", f"clusters.{CAPI}"
BUNDLES, RELEASES = f"bundles.{EKSA}", f"eksareleases.{EKSA}"
GONE = "2022-01-01T11:00:00Z"


def found(hazard, objects=None, name=NAME, **api):
    return evaluate(hazard, clusters={name: management(objects, **api)})


def defined(*without, **changed):
    return [*(crd(one) for one in CRDS if one not in without and one not in changed), *changed.values()]


@proves(*ALL, kind=ABSENT)
def test_all_is_there(hazard):
    return found(hazard)


@proves(*ALL, kind=NOT_APPLICABLE, says=["bootstrap cluster"])
def test_a_bootstrap_cluster(hazard):
    return found(hazard, {DEFINED: [], OWN: [], RUNNING: []}, role="bootstrap")


@proves(*ALL, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_a_cluster_that_stays_as_it_is(hazard):
    return found(hazard, {DEFINED: [], OWN: [], RUNNING: []}, upgrade="none")


@proves(*ALL, kind=UNREADABLE, says=["which cluster manages"])
def test_a_workload_cluster_that_nobody_manages(hazard):
    return found(hazard, role="workload")


# -- CRDs --------------------------------------------------------------------------------------------------------------


@proves(KINDS, kind=PRESENT, says=["cluster3 lacks the CRD "], remedy="eksctl anywhere upgrade management-components")
@pytest.mark.parametrize("name", CRDS)
def test_a_crd_is_missing(hazard, name):
    finding = found(hazard, {DEFINED: defined(name)})
    assert finding.message == f"cluster3 lacks the CRD {name}"
    assert [one.lines for one in finding.evidence][0] == (f"customresourcedefinitions: no {name}",)
    return finding


@proves(KINDS, kind=PRESENT, says=[f"clusters.{EKSA}"], remedy=f"kubectl describe crd clusters.{EKSA}")
@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (crd(OWN, "False"), "is not Established: Established=False"),
        (crd(OWN, "Unknown"), "is not Established: Established=Unknown"),
        (crd(OWN, None), "it has no such condition"),
        (crd(OWN, "True", "False"), "has names that are not accepted: NamesAccepted=False"),
        (crd(OWN, deletionTimestamp=GONE), f"is being deleted since {GONE}"),
    ],
)
def test_a_crd_that_does_not_serve(hazard, broken, word):
    finding = found(hazard, {DEFINED: defined(**{OWN: broken})})
    assert word in finding.message
    return finding


@proves(
    KINDS, kind=PRESENT, says=[f"lacks the CRD machines.{CAPI}", f"lacks the CRD bundles.{EKSA}", "is not Established"]
)
def test_all_crds_and_not_the_first(hazard):
    other = f"awsiamconfigs.{EKSA}"
    held = defined(f"machines.{CAPI}", f"bundles.{EKSA}", **{other: crd(other, "False")})
    return found(hazard, {DEFINED: held})


@proves(KINDS, kind=PRESENT, says=["name it (`management:` in the change file)"])
def test_a_cluster_that_another_one_manages(hazard):
    """Seen without the cluster that manages it."""
    return found(hazard, {DEFINED: [crd("ciliumnodes.cilium.io")], OWN: None}, role=None)


@proves(KINDS, kind=PRESENT, says=[f"lacks the CRD clusters.{CAPI}"])
def test_crds_without_the_cluster_objects(hazard):
    """A CRD that is missing is this hazard, whatever else cannot be read for it."""
    return found(hazard, {DEFINED: defined(CLUSTERS), CLUSTERS: None}, broken={OWN: "forbidden"})


@proves(KINDS, kind=ABSENT)
@pytest.mark.parametrize(
    "objects",
    [
        pytest.param(
            {
                OWN: [
                    cluster(
                        datacenterRef={"kind": "TinkerbellDatacenterConfig", "name": "x"},
                        externalEtcdConfiguration=None,
                    )
                ],
                DEFINED: [crd(one) for one in CRDS if "vsphere" not in one and "etcdadm" not in one],
            },
            id="what other providers have, and a stacked etcd",
        ),
        pytest.param(
            {DEFINED: [*defined(), crd("certificates.cert-manager.io", "False"), crd("clusters.example.com", "False")]},
            id="CRDs of others",
        ),
        pytest.param({DEFINED: [*defined(), crd(f"ipaddresses.ipam.{CAPI}")]}, id="more than there must be"),
    ],
)
def test_crds_that_are_there(hazard, objects):
    return found(hazard, objects)


@proves(KINDS, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["forbidden", "unreachable", "timed-out", "cut-off"])
def test_crds_cannot_be_listed(hazard, problem):
    return found(hazard, broken={DEFINED: problem})


@proves(KINDS, kind=UNREADABLE)
def test_which_provider_cannot_be_told(hazard):
    """What must be there for all is there; whether more must be there nobody knows."""
    return found(hazard, broken={OWN: "forbidden"})


# -- the Cluster object ------------------------------------------------------------------------------------------------


@proves(
    OBJECT,
    kind=PRESENT,
    says=["holds no EKS Anywhere Cluster cluster3 (there: "],
    remedy="generated/cluster3.kind.kubeconfig",
)
@pytest.mark.parametrize(
    ("held", "word"),
    [
        ([], "(there: none)"),
        ([cluster("shop", manager="mgmt")], "(there: default/shop)"),
        ([cluster("one"), cluster("two")], "(there: default/one, default/two)"),
    ],
)
def test_the_object_is_not_there(hazard, held, word):
    finding = found(hazard, {OWN: held})
    assert word in finding.message
    return finding


@proves(
    OBJECT,
    kind=PRESENT,
    says=["holds Cluster default/cluster3, but no Cluster of Cluster API of that name (there: none)"],
)
def test_cluster_api_does_not_know_it(hazard):
    finding = found(hazard, {CLUSTERS: []})
    assert "before anybody deletes it" in finding.remedy
    assert "--situation repair" in finding.remedy
    return finding


@proves(OBJECT, kind=PRESENT, says=["lies on cluster3, the management cluster mgmt, but is managed by other"])
def test_an_object_on_the_wrong_cluster(hazard):
    return found(hazard, {OWN: [cluster(manager="other"), cluster("mgmt")], CLUSTERS: [capi_cluster()]})


@proves(OBJECT, kind=PRESENT, says=["mgmt holds no EKS Anywhere Cluster shop"])
def test_a_workload_cluster_without_its_object(hazard):
    worlds = {"mgmt": management(), "shop": Api(role="workload", manager="mgmt")}
    return evaluate(hazard, subject="shop", clusters=worlds)


@proves(OBJECT, kind=ABSENT)
def test_a_workload_cluster_with_its_object(hazard):
    objects = {OWN: [cluster(), cluster("shop", manager=NAME)], CLUSTERS: [capi_cluster(), capi_cluster("shop")]}
    worlds = {"mgmt": management(objects), "shop": Api(role="workload", manager="mgmt", connected=False)}
    return evaluate(hazard, subject="shop", clusters=worlds)


@proves(OBJECT, kind=ABSENT)
@pytest.mark.parametrize(
    "api", [{"name": "mgmt-admin@cluster3"}, {"name": "x", "desired": (specification(cluster()),)}]
)
def test_a_context_that_is_called_otherwise(hazard, api):
    return found(hazard, **api)


@proves(OBJECT, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["forbidden", "unreachable", "timed-out"])
def test_objects_cannot_be_listed(hazard, problem):
    return [found(hazard, broken={one: problem}) for one in (OWN, CLUSTERS)]


@proves(OBJECT, kind=UNREADABLE)
def test_kinds_that_are_not_served(hazard):
    """That is a hazard of its own, eksa-crds-missing."""
    return [found(hazard, {one: None}) for one in (OWN, CLUSTERS)]


@proves(OBJECT, kind=UNREADABLE, says=["in each of the namespaces a, b"])
def test_two_of_one_name(hazard):
    return found(hazard, {OWN: [cluster(space="a"), cluster(space="b")]})


# -- controllers -------------------------------------------------------------------------------------------------------

CORE = "Deployment capi-system/capi-controller-manager"


@proves(OUTDATED, kind=PRESENT, says=[CORE], line=CORE, remedy="eksctl anywhere upgrade management-components")
@pytest.mark.parametrize(
    ("one", "word"),
    [
        (controller("cluster-api", available=0), "has 0 of 1 replicas available"),
        (controller("cluster-api", wanted=2, available=1), "has 1 of 2 replicas available"),
        (controller("cluster-api", wanted=None, available=0), "has 0 of 1"),
        (controller("cluster-api", wanted=0), "is scaled down to none"),
        (controller("cluster-api", meta={"generation": 4}), "its latest generation was not seen"),
        (controller("cluster-api", meta={"deletionTimestamp": GONE}), "is being deleted"),
        (
            controller("cluster-api", "public.ecr.aws/x/cluster-api-controller:v1.4.3-eks-a-40"),
            "runs v1.4.3-eks-a-40, the bundle bundles-67 states v1.5.2-eks-a-51",
        ),
        (controller("cluster-api", "x/cluster-api-controller"), "runs x/cluster-api-controller, the bundle"),
    ],
)
def test_a_controller_that_is_not_as_it_should_be(hazard, one, word):
    finding = found(hazard, {RUNNING: controllers(cluster_api=one)})
    assert word in finding.message
    return finding


@proves(OUTDATED, kind=PRESENT, says=["no controller of "], line="none of")
@pytest.mark.parametrize(
    ("provider", "word"),
    [
        ("cluster_api", "of cluster-api"),
        ("bootstrap_kubeadm", "of bootstrap-kubeadm"),
        ("control_plane_kubeadm", "of control-plane-kubeadm"),
        ("eks_anywhere", "of eks-anywhere"),
        ("infrastructure_vsphere", "of an infrastructure provider"),
    ],
)
def test_a_controller_that_is_not_there(hazard, provider, word):
    finding = found(hazard, {RUNNING: controllers(**{provider: None})})
    assert word in finding.message
    return finding


OLD = controller("bootstrap-kubeadm", "public.ecr.aws/x/kubeadm-bootstrap-controller:v1.4.3-eks-a-40")


@proves(
    OUTDATED, kind=PRESENT, says=["runs v1.4.3-eks-a-40, Deployment capi-system/capi-controller-manager runs v1.5.2"]
)
@pytest.mark.parametrize("objects", [{BUNDLES: None, RELEASES: None}, {BUNDLES: []}, {RELEASES: []}])
def test_different_from_one_another_without_a_bundle(hazard, objects):
    return found(hazard, {RUNNING: controllers(bootstrap_kubeadm=OLD), **objects})


@proves(
    OUTDATED, kind=PRESENT, says=["capv-system/capv-controller-manager has 0 of 1", "capi-kubeadm-bootstrap", "v1.4.3"]
)
def test_all_controllers_and_not_the_first(hazard):
    down = controller("infrastructure-vsphere", available=0)
    return found(hazard, {RUNNING: controllers(bootstrap_kubeadm=OLD, infrastructure_vsphere=down)})


DIGEST = "mirror.example.com:5000/x/cluster-api-controller:v1.5.2-eks-a-51@sha256:" + 64 * "a"


@proves(OUTDATED, kind=ABSENT)
@pytest.mark.parametrize(
    "objects",
    [
        pytest.param({RUNNING: controllers(cluster_api=controller("cluster-api", DIGEST))}, id="with a digest"),
        pytest.param({RUNNING: controllers(cluster_api=controller("cluster-api", wanted=3))}, id="several replicas"),
        pytest.param(
            {BUNDLES: [bundle("bundles-1", images={"cluster-api": "x/y:v1.0"}), bundle()]}, id="an old bundle beside it"
        ),
        pytest.param({BUNDLES: [bundle("bundles-67", "1.30")]}, id="a bundle without the present version"),
        pytest.param(
            {
                OWN: [
                    cluster(
                        eksaVersion="v0.18.0",
                        annotations={f"{EKSA}/management-components-version": "v0.19.3"},
                    )
                ],
                RELEASES: [release(), release("v0.18.0", "bundles-60")],
                BUNDLES: [bundle(), bundle("bundles-60", images={"cluster-api": "x/y:v1.0"})],
            },
            id="controllers that were upgraded on their own",
        ),
        pytest.param(
            {
                OWN: [cluster(eksaVersion=None, bundlesRef={"name": "bundles-67", "namespace": "eksa-system"})],
                RELEASES: None,
            },
            id="an older release, which names its bundle",
        ),
        pytest.param({BUNDLES: None, RELEASES: None}, id="without a bundle, all are alike"),
    ],
)
def test_controllers_as_they_should_be(hazard, objects):
    return found(hazard, objects)


def test_without_a_bundle_it_is_said():
    finding = found(OUTDATED, {RELEASES: []})
    assert "compared with one another only" in finding.message


@proves(OUTDATED, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["forbidden", "unreachable", "timed-out"])
def test_controllers_cannot_be_read(hazard, problem):
    return [found(hazard, broken={one: problem}) for one in (RUNNING, OWN, BUNDLES, RELEASES)]
