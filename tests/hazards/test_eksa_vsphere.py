"""vSphere: what a specification refers to, what the live objects say, and the credentials of who runs the upgrade."""

from __future__ import annotations

import pytest

from tests.hazards.eksa import cluster, datacenter, group, machine_config, management, specification
from tests.hazards.eksa_machines import EKSA, NAME, condition, ref
from tests.hazards.eksa_station import station, variables
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api, Machine

OBJECTS, ENVIRONMENT = "eksa-vsphere-objects", "eksa-vsphere-environment"
OWN = f"clusters.{EKSA}"
CENTERS, MACHINES = f"vspheredatacenterconfigs.{EKSA}", f"vspheremachineconfigs.{EKSA}"
ALL = [f"{NAME}-{one}" for one in ("cp", "etcd", "wk")]
DOCKER = {"datacenterRef": ref("DockerDatacenterConfig", NAME)}
SECRET = "secret-that-must-never-be-seen"


def configs(*without, **changed):
    """The machine configurations of a specification; `cp`, `etcd` and `wk` change one of them."""
    return [machine_config(one, None, **changed.get(one.rpartition("-")[2], {})) for one in ALL if one not in without]


def found(hazard, documents=None, objects=None, **api):
    wanted = [cluster(), datacenter(), *configs()] if documents is None else documents
    api.setdefault("desired", (specification(*wanted),))
    return evaluate(hazard, clusters={NAME: management(objects, **api)})


# -- what the specification refers to ----------------------------------------------------------------------------------


@proves(
    OBJECTS,
    kind=PRESENT,
    says=["which the specification does not hold"],
    line="specification: ",
    remedy=f"{NAME}/{NAME}-eks-a-cluster.yaml",
)
@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([cluster(), *configs()], "spec.datacenterRef names VSphereDatacenterConfig cluster3, which"),
        (
            [cluster(), datacenter(), *configs(f"{NAME}-cp")],
            "spec.controlPlaneConfiguration.machineGroupRef names VSphereMachineConfig cluster3-cp",
        ),
        (
            [cluster(), datacenter(), *configs(f"{NAME}-etcd")],
            "spec.externalEtcdConfiguration.machineGroupRef names VSphereMachineConfig cluster3-etcd",
        ),
        (
            [cluster(), datacenter(), *configs(f"{NAME}-wk")],
            "spec.workerNodeGroupConfigurations[md-0].machineGroupRef names",
        ),
        ([cluster(), datacenter("other"), *configs()], "spec.datacenterRef names VSphereDatacenterConfig cluster3"),
        ([cluster()], "cluster3-etcd"),
    ],
)
def test_an_object_that_is_not_in_it(hazard, documents, said):
    finding = found(hazard, documents)
    assert said in finding.message, finding.message
    return finding


@proves(OBJECTS, kind=PRESENT, says=["of the specification has no spec."], line="is empty", remedy="set spec.")
@pytest.mark.parametrize("empty", [None, "", "  "])
@pytest.mark.parametrize("key", ["datastore", "folder", "resourcePool", "template"])
def test_a_machine_config_without_a_name(hazard, key, empty):
    finding = found(hazard, [cluster(), datacenter(), *configs(wk={key: empty})])
    assert f"VSphereMachineConfig cluster3-wk of the specification has no spec.{key}" in finding.message
    return finding


@proves(OBJECTS, kind=PRESENT, says=["VSphereDatacenterConfig cluster3 of the specification has no spec."])
@pytest.mark.parametrize("key", ["server", "datacenter", "network"])
def test_a_datacenter_without_a_name(hazard, key):
    return found(hazard, [cluster(), datacenter(**{key: ""}), *configs()])


@proves(OBJECTS, kind=PRESENT, says=["of the specification names "])
@pytest.mark.parametrize(
    ("machines", "said"),
    [
        (
            {"workerNodeGroupConfigurations": [{"name": "md-0", "count": 1}]},
            "[md-0].machineGroupRef of the specification names nothing",
        ),
        (
            {"workerNodeGroupConfigurations": [{"name": "x", "machineGroupRef": ref("DockerMachineConfig", "y")}]},
            "names DockerMachineConfig y, where it must name a VSphereMachineConfig",
        ),
    ],
)
def test_a_reference_that_will_not_do(hazard, machines, said):
    finding = found(hazard, [cluster(**machines), datacenter(), *configs()])
    assert said in finding.message
    return finding


@proves(
    OBJECTS, kind=PRESENT, says=["has DockerDatacenterConfig cluster3 where the cluster has VSphereDatacenterConfig"]
)
def test_another_provider(hazard):
    return found(hazard, [cluster(**DOCKER)])


@proves(
    OBJECTS,
    kind=PRESENT,
    says=[
        "cluster3-cp, which",
        "VSphereDatacenterConfig cluster3 of the specification has no spec.network",
        "has no spec.folder",
        "has no spec.template",
    ],
)
def test_all_that_is_wrong_and_not_the_first(hazard):
    wanted = configs(f"{NAME}-cp", wk={"folder": None, "template": None})
    finding = found(hazard, [cluster(), datacenter(network=""), *wanted])
    assert len([line for one in finding.evidence for line in one.lines]) == 4
    return finding


# -- what the live objects say -----------------------------------------------------------------------------------------

WRONG = {"specValid": False, "failureMessage": "datastore /dc/datastore/eks not found"}


@proves(OBJECTS, kind=PRESENT, says=["not found"], remedy="kubectl -n default describe vspher")
@pytest.mark.parametrize(
    ("objects", "said"),
    [
        (
            {MACHINES: [machine_config(one, status=WRONG if "wk" in one else None) for one in ALL]},
            "VSphereMachineConfig cluster3-wk: datastore",
        ),
        (
            {CENTERS: [datacenter(status={"specValid": False, "failureMessage": "network not found"})]},
            "VSphereDatacenterConfig cluster3: network not found",
        ),
        (
            {CENTERS: [datacenter(status={"failureMessage": "network not found"})]},
            "VSphereDatacenterConfig cluster3: network not found",
        ),
        (
            {
                CENTERS: [
                    datacenter(status={"conditions": [condition("Ready", "False", "Missing", "folder not found")]})
                ]
            },
            "its condition Ready=False (Missing: folder",
        ),
        (
            {
                CENTERS: [
                    datacenter(
                        status={"specValid": True, "conditions": [condition("Ready", "False", "x", "not found")]}
                    )
                ]
            },
            "its condition Ready=False",
        ),
    ],
)
def test_a_live_object_says_what_is_missing(hazard, objects, said):
    finding = found(hazard, None, objects)
    assert said in finding.message, finding.message
    return finding


@proves(
    OBJECTS,
    kind=PRESENT,
    says=["refers to VSphereMachineConfig cluster3-etcd, which is not there"],
    line="none named cluster3-etcd",
)
@pytest.mark.parametrize(
    "objects",
    [
        {MACHINES: [machine_config(one) for one in ALL if "etcd" not in one]},
        {MACHINES: [machine_config(one, "other" if "etcd" in one else "default") for one in ALL]},
    ],
)
def test_a_live_object_is_missing(hazard, objects):
    return found(hazard, None, objects)


@proves(OBJECTS, kind=PRESENT, says=["reports DatacenterConfigInvalid: no such network"])
def test_the_cluster_itself_reports_it(hazard):
    live = cluster(status={"failureReason": "DatacenterConfigInvalid", "failureMessage": "no such network"})
    return found(hazard, None, {OWN: [live]})


@proves(OBJECTS, kind=ABSENT)
@pytest.mark.parametrize(
    ("documents", "objects"),
    [
        pytest.param(None, {}, id="the same"),
        pytest.param(
            [
                cluster(version="1.23"),
                datacenter(),
                *configs(**{one: {"template": "/dc/vm/new"} for one in ("cp", "etcd", "wk")}),
            ],
            {},
            id="another template",
        ),
        pytest.param(
            [
                cluster(),
                datacenter(),
                *configs(**{one: {"template": None, "osFamily": None} for one in ("cp", "etcd", "wk")}),
            ],
            {},
            id="a template of Bottlerocket, which is made",
        ),
        pytest.param(
            [cluster(externalEtcdConfiguration=None), datacenter(), *configs(f"{NAME}-etcd")],
            {
                OWN: [cluster(externalEtcdConfiguration=None)],
                MACHINES: [machine_config(one) for one in ALL if "etcd" not in one],
            },
            id="etcd on the control plane",
        ),
        pytest.param(
            [
                cluster(workerNodeGroupConfigurations=[group("a", machines="one"), group("b", machines="one")]),
                datacenter(),
                *configs(),
                machine_config("one"),
            ],
            {},
            id="two groups of one",
        ),
        pytest.param(
            None,
            {CENTERS: [datacenter(status={"specValid": True, "failureMessage": "of the past"})]},
            id="valid by now",
        ),
        pytest.param(
            None,
            {MACHINES: [*(machine_config(one) for one in ALL), machine_config("old", status=WRONG)]},
            id="one that nobody uses",
        ),
        pytest.param(
            None,
            {OWN: [cluster(status={"failureReason": "ControlPlaneIPInvalid", "failureMessage": "x"})]},
            id="another failure",
        ),
        pytest.param(
            None,
            {CENTERS: [datacenter(status={"conditions": [condition("Ready", "Unknown")]})]},
            id="nothing was said yet",
        ),
    ],
)
def test_complete(hazard, documents, objects):
    return found(hazard, documents, objects)


@proves(OBJECTS, kind=NOT_APPLICABLE)
def test_no_cluster_on_vsphere(hazard):
    docker = cluster(**DOCKER, externalEtcdConfiguration=None)
    held = [
        found(hazard, [docker], {OWN: [docker], CENTERS: None, MACHINES: None}),
        found(hazard, [cluster()], upgrade="none"),
        found(hazard, [cluster()], role="bootstrap"),
    ]
    assert "is not on vSphere, but of DockerDatacenterConfig" in held[0].message
    return held


@proves(OBJECTS, kind=UNREADABLE, says=["the new specification of cluster3 is not known"])
def test_no_specification(hazard):
    return found(hazard, desired=())


@proves(OBJECTS, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["forbidden", "unreachable", "timed-out"])
def test_each_read(hazard, problem):
    return [found(hazard, broken={one: problem}) for one in (OWN, CENTERS, MACHINES)]


# -- the credentials ---------------------------------------------------------------------------------------------------


def logged(hazard, text=None, live=None, broken=(), clusters=None, **api):
    text = variables(EKSA_VSPHERE_USERNAME=SECRET, EKSA_VSPHERE_PASSWORD=SECRET) if text is None else text
    held = {NAME: management({OWN: [live or cluster()]}, **api)} if clusters is None else clusters
    finding = evaluate(hazard, subject="station", clusters=held, hosts={"station": station(text, broken=broken)})
    assert SECRET not in f"{finding}"
    return finding


@proves(
    ENVIRONMENT,
    kind=PRESENT,
    says=["(for cluster3)", "not exported counts as not set"],
    line="EKSA_VSPHERE_",
    remedy="export EKSA_VSPHERE_",
)
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "EKSA_VSPHERE_USERNAME is unset, EKSA_VSPHERE_PASSWORD is unset"),
        ({"EKSA_VSPHERE_USERNAME": SECRET}, "EKSA_VSPHERE_PASSWORD is unset"),
        ({"EKSA_VSPHERE_PASSWORD": SECRET}, "EKSA_VSPHERE_USERNAME is unset"),
        ({"EKSA_VSPHERE_USERNAME": "", "EKSA_VSPHERE_PASSWORD": SECRET}, "EKSA_VSPHERE_USERNAME is empty"),
        ({"EKSA_VSPHERE_USERNAME": SECRET, "EKSA_VSPHERE_PASSWORD": ""}, "EKSA_VSPHERE_PASSWORD is empty"),
    ],
)
def test_credentials_are_missing(hazard, environment, said):
    finding = logged(hazard, variables(**environment))
    assert finding.message.startswith(said)
    assert ("PASSWORD" in finding.remedy) is ("PASSWORD" in said)
    return finding


@proves(ENVIRONMENT, kind=PRESENT, says=["(for cluster3)"])
def test_the_specification_alone_is_on_vsphere(hazard):
    return logged(hazard, variables(), cluster(**DOCKER), desired=(specification(cluster()),))


@proves(ENVIRONMENT, kind=ABSENT)
@pytest.mark.parametrize("value", [SECRET, " ", "$HOME'\"\n"])
def test_credentials_are_set(hazard, value):
    return logged(hazard, variables(EKSA_VSPHERE_USERNAME=value, EKSA_VSPHERE_PASSWORD=value))


@proves(ENVIRONMENT, kind=NOT_APPLICABLE)
def test_nobody_needs_them(hazard):
    held = [
        logged(hazard, variables(), cluster(**DOCKER)),
        logged(hazard, variables(), upgrade="none"),
        logged(hazard, variables(), role="bootstrap"),
    ]
    assert held[0].message == "no cluster that is upgraded is on vSphere"
    return held


@proves(ENVIRONMENT, kind=UNREADABLE)
def test_not_known(hazard):
    held = [
        logged(hazard, variables(), broken=[("variables", "unreachable")]),
        logged(hazard, variables(), clusters={}),
        logged(hazard, variables(), clusters={NAME: Api(broken={"*": "unreachable"})}),
    ]
    assert "name the clusters in the change file" in held[1].message
    return held


@proves(ENVIRONMENT, kind=UNREADABLE)
def test_a_login_shell_that_takes_no_command(hazard):
    nobody = Machine(roles=("workstation",), environment=None)
    return evaluate(hazard, subject="station", clusters={NAME: management()}, hosts={"station": nobody})
