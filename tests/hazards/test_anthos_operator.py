"""Errors of the cluster operator that keep an upgrade from going on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.pods import pod
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

OPERATOR = "abm-manifests-operation-error"
USER = Api(role="user", manager="hub", connected=False)
STAYS = {"upgrade": "none"}
FROM = ("1.8.1", "1.9.0")


def bootstrap(*clusters, **api):
    """The bootstrap cluster, which holds these Cluster objects while an upgrade runs."""
    return replace(admin_api(*clusters, **api), role="bootstrap")


# -- errors during manifests operations ------------------------------------------------------------------------------

POD = "kube-system/anthos-cluster-operator-776cbfb748-kxxsp"
FRONT = "E0624 12:00:00.000001       1 cluster_controller.go:201] "
ERROR = 'controllers/Cluster "msg"="error during manifests operations" "error"="1 error occurred:'
INVALID = "is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
OF_PROD = '"Cluster"={"Namespace":"cluster-prod","Name":"prod"}'
OF_TEST = '"Cluster"={"Namespace":"cluster-test","Name":"test"}'


def one_line(resource=r"Service \"istio-ingress\"", end=OF_PROD):
    return rf'{FRONT}{ERROR}\n\t* {resource} {INVALID}\n\n" {end}'


def operating(log, *, subject="prod", name="anthos-cluster-operator-776cbfb748-kxxsp", told=True, others=(), **world):
    """The finding of an upgrade that hangs, with this log of the operator in the admin cluster hub."""
    logs = {POD: log if isinstance(log, tuple) else f"{log}\n", **dict.fromkeys(others, f"{one_line()}\n")}
    pods = [pod(name, told=told), *(pod(one.split("/")[1], namespace=one.split("/")[0]) for one in others)]
    objects = (cluster("hub", "admin"), cluster("prod"), cluster("test"))
    hub = admin_api(*objects, logs=logs, **{**STAYS, **world})
    hub.objects["pods"] = pods if name else pods[1:]
    return evaluate(OPERATOR, clusters={"hub": hub, "prod": USER, "test": USER}, upgrade=FROM, subject=subject)


@proves(
    OPERATOR,
    kind=PRESENT,
    says=["operator of cluster hub cannot update Service istio-ingress"],
    line=f"{POD} (main): ",
    remedy="annotate Service istio-ingress -n NAMESPACE kubectl.kubernetes.io/last-applied-configuration-",
)
@pytest.mark.parametrize(
    "log",
    [
        pytest.param(one_line(), id="one line"),
        pytest.param(one_line(end=""), id="of no cluster"),
        pytest.param(f'{FRONT}{ERROR}\n\t* Service "istio-ingress" {INVALID}\n\n" {OF_PROD}', id="several lines"),
        pytest.param(f'{FRONT}{ERROR}\nsomething else\n* more\nService "istio-ingress" {INVALID}', id="others between"),
        pytest.param(f'{ERROR}\n    ...\n    Service "istio-ingress" {INVALID}', id="as in the document"),
        pytest.param(f"{one_line()}\n{FRONT}all is well again", id="and then another entry"),
        pytest.param(
            "\n".join([*(f"I0624 12:00:00.000000 1 x.go:1] line {n}" for n in range(5000)), one_line()]), id="late"
        ),
        pytest.param("\n".join([one_line()] * 3000), id="again and again"),
        pytest.param(one_line().replace("Service", "x" * 20000 + " Service"), id="a very long line"),
    ],
)
def test_the_operator_cannot_update_a_resource(hazard, log):
    finding = operating(log)
    assert finding.message.count("istio-ingress") == 1
    assert all(len(line) < 700 for evidence in finding.evidence for line in evidence.lines)
    return finding


@proves(OPERATOR, kind=PRESENT, says=["Deployment.apps b, Service a, services"], line="Deployment.apps")
def test_every_resource_is_named_once(hazard):
    resources = [r"Deployment.apps \"b\"", r"Service \"a\"", r"Deployment.apps \"b\""]
    several = r"\n\t* ".join(f"{one} {INVALID}" for one in resources)
    return operating(f'{FRONT}{ERROR}\\n\\t* {several}"\n{one_line("services")}')


@proves(OPERATOR, kind=PRESENT, says=["Service istio-ingress"])
def test_of_another_operator_s_pod_the_log_cannot_be_read(hazard):
    second = "kube-system/anthos-cluster-operator-9"
    return operating(one_line(), others=[second], broken={f"pods/log {second}": "error"})


@proves(OPERATOR, kind=PRESENT, says=["operator of cluster boot cannot update Service"], line="boot-operator")
def test_the_bootstrap_cluster_has_an_operator_too(hazard):
    name = "anthos-cluster-operator-boot-operator"
    boot = bootstrap(cluster("hub", "admin"), logs={f"kube-system/{name}": f"{one_line(end='')}\n"})
    boot.objects["pods"] = [pod(name)]
    return evaluate(OPERATOR, clusters={"hub": admin_api(), "boot": boot}, upgrade=FROM, subject="boot")


@proves(OPERATOR, kind=ABSENT)
@pytest.mark.parametrize(
    "log",
    [
        pytest.param("", id="nothing"),
        pytest.param(one_line(end=OF_TEST), id="of another cluster"),
        pytest.param(
            f'{FRONT}{ERROR}\n\t* Service "a" {INVALID}\n\t* Service "b" {INVALID}\n\n" {OF_TEST}',
            id="several of another",
        ),
        pytest.param(
            f'{FRONT}{ERROR}\n\t* timed out\n"\n{FRONT}failed\nService "a" {INVALID}', id="another entry goes on"
        ),
        pytest.param(
            rf'{FRONT}{ERROR}\n\t* Service \"a\" is invalid: spec.clusterIP: field is immutable\n"', id="another error"
        ),
        pytest.param(f'{FRONT}{ERROR}\n\t* connection refused\n"', id="no answer"),
        pytest.param(
            f'{FRONT}{ERROR}\n\t* timed out\n"\n{FRONT}controllers/Node "error"="1 error occurred:\n\t* Node "a" {INVALID}',
            id="of another controller",
        ),
        pytest.param(
            f'{FRONT}controllers/Node "msg"="Reconciler error" "error"="Node \\"a\\" {INVALID}"', id="another entry"
        ),
        pytest.param(f"{FRONT}{ERROR}\n{FRONT}Service a {INVALID[:-20]}", id="nearly"),
    ],
)
def test_the_operator_updates_everything(hazard, log):
    return operating(log)


@proves(OPERATOR, kind=ABSENT)
def test_another_pod_says_so(hazard):
    others = [
        "kube-system/my-anthos-cluster-operator-1",
        "default/anthos-cluster-operator-1",
        "kube-system/anthos-cluster-operator",
    ]
    return operating("fine", others=others)


@proves(OPERATOR, kind=ABSENT)
def test_another_cluster_s_error_is_told_there(hazard):
    objects = (cluster("hub", "admin"), cluster("prod"), cluster("test"))
    hub = admin_api(*objects, logs={POD: f"{one_line()}\n"}, **STAYS)
    hub.objects["pods"] = [pod(POD.split("/")[1])]
    found = findings(OPERATOR, clusters={"hub": hub, "prod": USER, "test": USER}, upgrade=FROM)
    assert {name: one.outcome.value for name, one in found.items()} == {
        "hub": "not-applicable",
        "prod": "hazard",
        "test": "clear",
    }
    return found["test"]


@proves(OPERATOR, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_the_operator_of_a_cluster_that_stays(hazard):
    return operating(one_line(), subject="hub")


@proves(OPERATOR, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("log", "world", "says"),
    [
        ("fine", {"broken": {"pods": "forbidden"}}, "forbidden"),
        ("fine", {"broken": {"pods/log": "forbidden"}}, "forbidden"),
        ("fine", {"broken": {f"pods/log {POD}": "unreachable"}}, POD),
        ("fine", {"name": ""}, "there is no such pod"),
        ((400, f'container "main" in pod "{POD[12:]}" is waiting to start: ContainerCreating'), {}, "never started"),
        ((404, f'pods "{POD[12:]}" not found'), {}, "the pod is gone"),
        ((404, "the server could not find the requested resource"), {}, "not find"),
        (f'\t* Service "a" {INVALID}', {}, "begins before what was read"),
        ("fine", {"others": [f"kube-system/anthos-cluster-operator-{n}" for n in range(20)]}, "more than the 20"),
        ("\n".join(f"{FRONT}{ERROR} {n}" for n in range(2001)), {}, "more matches than the 2,000 lines"),
        ("fine", {"broken": {"clusters.baremetal.cluster.gke.io": "not-served"}}, "clusters.baremetal"),
        ("fine", {"broken": {"*": "certificate"}}, "certificate"),
    ],
)
def test_the_operator_cannot_be_known(hazard, log, world, says):
    finding = operating(log, **world)
    assert says in finding.message
    return finding


def alone(boots=(), log="fine", **others):
    """A cluster that manages itself, whose upgrade hangs."""
    hub = admin_api(cluster("hub", "hybrid"), logs={POD: f"{log}\n"})
    hub.objects["pods"] = [pod(POD.split("/")[1])]
    boot = bootstrap(cluster("hub", "hybrid"), logs={POD: "fine\n"})
    boot.objects["pods"] = [pod(POD.split("/")[1])]
    clusters = {"hub": hub, **dict.fromkeys(boots, boot), **others}
    return findings(OPERATOR, clusters=clusters, upgrade=FROM)


@proves(
    OPERATOR,
    kind=UNREADABLE,
    says=["hub upgrades through a bootstrap cluster", "0 of 1", "role: bootstrap", ".kindkubeconfig"],
)
def test_the_bootstrap_cluster_is_not_named(hazard):
    return alone()["hub"]


@proves(OPERATOR, kind=UNREADABLE, says=["1 of 2 is looked at"])
def test_two_upgrade_and_one_bootstrap_cluster_is_named(hazard):
    return alone(boots=["boot"], other=admin_api(cluster("other", "admin")))["hub"]


@proves(OPERATOR, kind=ABSENT)
def test_the_bootstrap_cluster_is_looked_at_too(hazard):
    found = alone(boots=["boot"], other=admin_api(cluster("other", "admin"), upgrade="none"))
    assert "see bootstrap cluster boot" in found["hub"].message
    return [found["hub"], found["boot"]]


@proves(OPERATOR, kind=PRESENT, says=["Service istio-ingress"])
def test_what_the_cluster_s_own_operator_says_counts(hazard):
    return alone(log=one_line(end=""))["hub"]
