"""Fields of the new specification that nothing may change: every one of them, and none that may change."""

from __future__ import annotations

import pytest

from tests.hazards.eksa import cluster, datacenter, fluxconfig, group, machine_config, management, specification
from tests.hazards.eksa_machines import EKSA, NAME, ref
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

FIELDS = "eksa-immutable-fields"
OWN, FLUX, GITOPS = f"clusters.{EKSA}", f"fluxconfigs.{EKSA}", f"gitopsconfigs.{EKSA}"
CENTERS, MACHINES = f"vspheredatacenterconfigs.{EKSA}", f"vspheremachineconfigs.{EKSA}"
NETWORK = cluster()["spec"]["clusterNetwork"]
PLANE = cluster()["spec"]["controlPlaneConfiguration"]
DOCKER = {"datacenterRef": ref("DockerDatacenterConfig", NAME)}
PASSWORD = "password-that-must-never-be-seen"


def found(hazard, wanted, live=None, objects=None, **api):
    """The finding on the fleet of the one cluster; `wanted` is a Cluster, or a list of documents."""
    documents = wanted if isinstance(wanted, list) else [wanted]
    held = {OWN: [live or cluster()], **(objects or {})}
    api.setdefault("desired", (specification(*documents),))
    return evaluate(hazard, clusters={NAME: management(held, **api)})


def network(**changed):
    return {"clusterNetwork": {key: value for key, value in {**NETWORK, **changed}.items() if value is not None}}


def etcd(count=3):
    return {
        "externalEtcdConfiguration": {"count": count, "machineGroupRef": ref("VSphereMachineConfig", f"{NAME}-etcd")}
    }


IAM = {"identityProviderRefs": [ref("OIDCConfig", "x"), ref("AWSIamConfig", "roles")]}
OTHER_IAM = {"identityProviderRefs": [ref("AWSIamConfig", "others")]}


@proves(FIELDS, kind=PRESENT, says=[f"{NAME}: "], remedy=f"{NAME}/{NAME}-eks-a-cluster.yaml")
@pytest.mark.parametrize(
    ("live", "wanted", "said"),
    [
        ({}, {"name": "cluster4", "manager": NAME}, "metadata.name from cluster3 to cluster4"),
        ({}, {"space": "other"}, "metadata.namespace from default to other"),
        ({"space": "prod"}, {"space": None}, "metadata.namespace from prod to default"),
        ({}, {"manager": "mgmt"}, "spec.managementCluster.name from cluster3 to mgmt"),
        ({"manager": "mgmt"}, {}, "spec.managementCluster.name from mgmt to cluster3"),
        (
            {},
            {"datacenterRef": ref("VSphereDatacenterConfig", "other")},
            "spec.datacenterRef from VSphereDatacenterConfig cluster3 to",
        ),
        ({}, DOCKER, "to DockerDatacenterConfig cluster3"),
        (
            {},
            {"controlPlaneConfiguration": {**PLANE, "endpoint": {"host": "198.18.100.80"}}},
            "spec.controlPlaneConfiguration.endpoint.host from 198.18.100.79 to 198.18.100.80",
        ),
        ({}, {"controlPlaneConfiguration": {**PLANE, "endpoint": {}}}, "endpoint.host from 198.18.100.79 to nothing"),
        (
            {},
            network(pods={"cidrBlocks": ["10.0.0.0/16"]}),
            "clusterNetwork.pods.cidrBlocks from 192.168.0.0/16 to 10.0.0.0/16",
        ),
        ({}, network(pods={"cidrBlocks": ["192.168.0.0/16", "10.0.0.0/16"]}), "to 10.0.0.0/16, 192.168.0.0/16"),
        ({}, network(services=None), "clusterNetwork.services.cidrBlocks from 10.96.0.0/12 to nothing"),
        ({}, network(dns={"resolvConf": {"path": "/etc/other"}}), "dns.resolvConf.path from nothing to /etc/other"),
        ({}, network(nodes={"cidrMaskSize": 25}), "nodes.cidrMaskSize from nothing to 25"),
        ({}, network(cniConfig={"kindnetd": {}}), "spec.clusterNetwork.cni from cilium to kindnetd"),
        (
            network(cniConfig={"cilium": {"skipUpgrade": True}}),
            network(cniConfig={"cilium": {}}),
            "cilium.skipUpgrade from True to False",
        ),
        ({}, {"externalEtcdConfiguration": None}, "externalEtcdConfiguration.count from 1 to nothing"),
        ({"externalEtcdConfiguration": None}, etcd(), "externalEtcdConfiguration.count from nothing to 3"),
        ({}, etcd(5), "externalEtcdConfiguration.count from 1 to 5"),
        (IAM, OTHER_IAM, "spec.identityProviderRefs[AWSIamConfig] from roles to others"),
        ({}, IAM, "spec.identityProviderRefs[AWSIamConfig] from nothing to roles"),
        ({"gitOpsRef": ref("FluxConfig", "flux")}, {}, "spec.gitOpsRef from FluxConfig flux to nothing"),
        ({"gitOpsRef": ref("FluxConfig", "flux")}, {"gitOpsRef": ref("FluxConfig", "a")}, "to FluxConfig a"),
        ({}, {"proxyConfiguration": {"httpProxy": "p:3128"}}, "proxyConfiguration.httpProxy from nothing to p:3128"),
        (
            {"proxyConfiguration": {"httpsProxy": f"http://u:{PASSWORD}@p:3128", "noProxy": ["b", "a"]}},
            {"proxyConfiguration": {"httpsProxy": f"http://u:{PASSWORD}@q:3128", "noProxy": ["a", "b", "c"]}},
            "httpsProxy from http://p:3128 with a login to http://q:3128 with a login, spec.proxyConfiguration.noProxy from a, b",
        ),
    ],
)
def test_a_field_that_may_not_change(hazard, live, wanted, said):
    finding = found(hazard, cluster(**wanted), cluster(**live))
    assert said in finding.message, finding.message
    assert PASSWORD not in f"{finding.message}{finding.evidence}{finding.remedy}"
    assert "back to " in finding.remedy
    assert f"Cluster {live.get('space', 'default')}/{NAME}: " in finding.evidence[0].lines[0]
    return finding


@proves(
    FIELDS, kind=PRESENT, says=["endpoint.host", "pods.cidrBlocks", "services.cidrBlocks", "count from 1 to nothing"]
)
def test_all_fields_and_not_the_first(hazard):
    new = {
        "controlPlaneConfiguration": {**PLANE, "endpoint": {"host": "10.0.0.1"}},
        "externalEtcdConfiguration": None,
        **network(pods={"cidrBlocks": ["10.1.0.0/16"]}, services={"cidrBlocks": ["10.2.0.0/16"]}),
    }
    finding = found(hazard, cluster(**new))
    assert len([line for one in finding.evidence for line in one.lines]) == 4
    assert finding.remedy.count("back to") == 4
    return finding


@proves(FIELDS, kind=PRESENT, says=["shop: spec.clusterNetwork.pods", "cluster3: spec.clusterNetwork.services"])
def test_every_cluster(hazard):
    other = cluster("shop", manager=NAME)
    above = management(
        {OWN: [cluster(), other]},
        desired=(specification(cluster(**network(services={"cidrBlocks": ["10.2.0.0/16"]}))),),
    )
    new = cluster("shop", manager=NAME, **network(pods={"cidrBlocks": ["10.1.0.0/16"]}))
    below = Api(role="workload", manager=NAME, connected=False, desired=(specification(new),))
    return evaluate(hazard, clusters={NAME: above, "shop": below})


@proves(FIELDS, kind=PRESENT, says=["VSphere"])
@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (
            [datacenter(network="/dc/network/new")],
            "VSphereDatacenterConfig cluster3 spec.network from /dc/network/eks to",
        ),
        ([datacenter(server="other")], "spec.server from vcenter.example.com to other"),
        ([datacenter(datacenter="dc2")], "spec.datacenter from dc to dc2"),
        (
            [machine_config(f"{NAME}-cp", osFamily="bottlerocket")],
            "VSphereMachineConfig cluster3-cp spec.osFamily from ubuntu to",
        ),
        ([machine_config(f"{NAME}-cp", storagePolicyName="gold")], "storagePolicyName from nothing to gold"),
    ],
)
def test_objects_of_vsphere(hazard, documents, said):
    finding = found(hazard, [cluster(), *documents])
    assert said in finding.message
    return finding


GIT = {"gitOpsRef": ref("FluxConfig", "flux")}
OLD = {"gitOpsRef": ref("GitOpsConfig", "flux")}


def github(**changed):
    return {"github": {"owner": "acme", "repository": "fleet", "personal": False}, **changed}


def old_gitops(**changed):
    held = {"owner": "acme", "repository": "fleet", **changed}
    return {**fluxconfig(), "kind": "GitOpsConfig", "spec": {"flux": {"github": held}}}


@proves(FIELDS, kind=PRESENT, says=["Config flux spec."])
@pytest.mark.parametrize(
    ("live", "wanted", "said"),
    [
        (github(), github(branch="prod"), "spec.branch from main to prod"),
        (github(), github(systemNamespace="flux"), "spec.systemNamespace from flux-system to flux"),
        (github(), github(clusterConfigPath="x"), f"spec.clusterConfigPath from clusters/{NAME} to x"),
        (github(), github(github={"owner": "acme", "repository": "new"}), "spec.github.repository from fleet to new"),
        (
            {"git": {"repositoryUrl": f"https://u:{PASSWORD}@git/a"}},
            {"git": {"repositoryUrl": f"https://u:{PASSWORD}@git/b"}},
            "spec.git.repositoryUrl from https://git/a to https://git/b",
        ),
        (
            {"git": {"repositoryUrl": "x"}},
            {"git": {"repositoryUrl": "x", "sshKeyAlgorithm": "rsa"}},
            "from ecdsa to rsa",
        ),
    ],
)
def test_where_the_specification_is_kept(hazard, live, wanted, said):
    objects = {FLUX: [fluxconfig(**live)]}
    finding = found(hazard, [cluster(**GIT), fluxconfig(**wanted)], cluster(**GIT), objects)
    assert said in finding.message, finding.message
    assert PASSWORD not in f"{finding.message}{finding.evidence}{finding.remedy}"
    return finding


@proves(FIELDS, kind=PRESENT, says=["GitOpsConfig flux spec.flux.github.branch from main to prod"])
def test_where_older_releases_keep_it(hazard):
    objects = {GITOPS: [old_gitops()]}
    return found(hazard, [cluster(**OLD), old_gitops(branch="prod")], cluster(**OLD), objects)


TEMPLATE = [
    machine_config(f"{NAME}-{one}", None, template="/dc/vm/Templates/ubuntu-1-23") for one in ("cp", "etcd", "wk")
]
MANY = [group("md-0", 9, "1.22"), group("md-1")]


@proves(FIELDS, kind=ABSENT)
@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        pytest.param({}, [cluster()], id="the same"),
        pytest.param({}, [cluster(space=None)], id="the namespace that everything is in"),
        pytest.param(
            {}, [cluster(version="1.23", eksaVersion="v0.20.0"), datacenter(space=None), *TEMPLATE], id="an upgrade"
        ),
        pytest.param({}, [cluster(workerNodeGroupConfigurations=MANY)], id="other workers"),
        pytest.param({}, [cluster(controlPlaneConfiguration={**PLANE, "count": 3})], id="more control planes"),
        pytest.param(
            {}, [cluster(controlPlaneConfiguration={**PLANE, "endpoint": {"host": " 198.18.100.79 "}})], id="spaces"
        ),
        pytest.param(
            {"clusterNetwork": {**NETWORK, "cni": "cilium", "cniConfig": None}},
            [cluster()],
            id="an older word for the CNI",
        ),
        pytest.param(
            {},
            [cluster(**network(cniConfig={"cilium": {"policyEnforcementMode": "always"}}))],
            id="settings of the CNI",
        ),
        pytest.param({}, [cluster(**network(cniConfig={"cilium": {"skipUpgrade": True}}))], id="skipUpgrade comes"),
        pytest.param(IAM, [cluster()], id="AWSIamConfig goes"),
        pytest.param({}, [cluster(identityProviderRefs=[ref("OIDCConfig", "x")])], id="another identity provider"),
        pytest.param({}, [cluster(**GIT), fluxconfig()], id="GitOps comes"),
        pytest.param(
            {}, [cluster(registryMirrorConfiguration={"endpoint": "m", "port": "5000"})], id="a registry mirror"
        ),
        pytest.param({}, [cluster(), datacenter(thumbprint="AA:BB", insecure=True)], id="a thumbprint"),
        pytest.param(
            {},
            [cluster(), machine_config(f"{NAME}-new", osFamily="bottlerocket")],
            id="a machine configuration of another name",
        ),
        pytest.param(
            {"proxyConfiguration": {"httpProxy": "p:1", "noProxy": ["a", "b"]}},
            [cluster(proxyConfiguration={"httpProxy": "p:1", "noProxy": ["b", "a"]})],
            id="another order",
        ),
        pytest.param(
            {}, [{**cluster(), "spec": {**cluster()["spec"], "managementCluster": {}}}], id="who manages itself"
        ),
    ],
)
def test_fields_that_may_change(hazard, live, wanted):
    held = cluster()
    held["spec"] = {key: value for key, value in {**held["spec"], **live}.items() if value is not None}
    return found(hazard, wanted, held)


@proves(FIELDS, kind=ABSENT)
def test_what_is_filled_in_counts_as_written(hazard):
    written = fluxconfig(**github(branch="main", systemNamespace="flux-system", clusterConfigPath=f"clusters/{NAME}"))
    return found(hazard, [cluster(**GIT), fluxconfig(**github())], cluster(**GIT), {FLUX: [written]})


def test_that_a_login_was_not_compared_is_said():
    proxies = {"proxyConfiguration": {"httpProxy": f"http://u:{PASSWORD}@p:1"}}
    other = {"proxyConfiguration": {"httpProxy": "http://u:changed@p:1"}}
    finding = found(FIELDS, cluster(**other), cluster(**proxies))
    assert finding.outcome == "clear"
    assert "was not compared, for it is secret" in finding.message


@proves(FIELDS, kind=NOT_APPLICABLE)
def test_nothing_is_upgraded(hazard):
    bad = specification(cluster(**network(services=None)))
    stays, kind = management(upgrade="none", desired=(bad,)), management(role="bootstrap", desired=(bad,))
    held = [evaluate(hazard, clusters=one) for one in ({NAME: stays}, {"kind": kind}, {NAME: stays, "kind": kind})]
    assert [one.message for one in held] == [
        "this change does not upgrade the cluster",
        *["no cluster that is looked at is upgraded"] * 2,
    ]
    return held


@proves(FIELDS, kind=UNREADABLE, says=["the new specification of cluster3 is not known"])
def test_no_specification(hazard):
    return found(hazard, [], desired=())


@proves(FIELDS, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["forbidden", "unreachable", "timed-out"])
def test_each_read(hazard, problem):
    return [
        found(hazard, [cluster(**GIT), fluxconfig()], cluster(**GIT), {FLUX: [fluxconfig()]}, broken={one: problem})
        for one in (OWN, FLUX, CENTERS, MACHINES)
    ]


@proves(FIELDS, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("documents", "live"),
    [
        pytest.param([cluster("a"), cluster("b")], None, id="which of two"),
        pytest.param([datacenter()], None, id="none"),
        pytest.param([cluster()], cluster("other", manager="mgmt"), id="the cluster is not there"),
    ],
)
def test_what_is_compared_cannot_be_told(hazard, documents, live):
    return found(hazard, documents, live)


@proves(FIELDS, kind=PRESENT, says=["cluster3: spec.clusterNetwork.services"])
def test_another_cluster_that_cannot_be_read(hazard):
    """What is found is found; the other one stays unknown in the next run."""
    bad = specification(cluster(**network(services={"cidrBlocks": ["10.2.0.0/16"]})))
    return evaluate(
        hazard,
        clusters={NAME: management(desired=(bad,)), "two": management(broken={"*": "unreachable"}, desired=(bad,))},
    )
