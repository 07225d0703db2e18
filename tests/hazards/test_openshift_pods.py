"""Hazards of OpenShift that show in the pods of etcd and in what the etcd operator says of them."""

from __future__ import annotations

import pytest

from checks.openshift.facts import openshift_version
from conformance import Unreadable
from tests.hazards.evaluating import evaluate
from tests.hazards.openshift import (
    BAD,
    NODES,
    PEER,
    THIRD,
    cluster_version,
    container,
    etcd_pod,
    guard,
    node,
    openshift,
    operator,
)
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves

PODS, MISSING, REASON = "ocp-etcd-pod-crashlooping", "ocp-etcd-missing-on-node", "ocp-etcd-redeployment-reason"
ETCDS = "etcds.operator.openshift.io"
OTHERS = [etcd_pod(PEER), etcd_pod(THIRD)]


def on(hazard, *, upgrade=(None, "4.10"), parameters=None, **world):
    return evaluate(hazard, clusters={"prod": openshift(**world)}, upgrade=upgrade, parameters=parameters)


def ended(reason, code=1):
    return {"terminated": {"reason": reason, "exitCode": code, "finishedAt": "2022-01-01T11:58:00Z"}}


def waits(reason):
    return {"waiting": {"reason": reason, "message": "back-off 5m0s restarting failed container"}}


# -- pods that crash -----------------------------------------------------------------------------------------------


@proves(
    PODS, kind=PRESENT, says=[f"etcd-{BAD} is not ready"], line=f"pod openshift-etcd/etcd-{BAD}: 2/3", remedy="oc logs"
)
@pytest.mark.parametrize(
    "state",
    [
        pytest.param(ended("Error"), id="Error, as in the document"),
        pytest.param(waits("CrashLoopBackOff"), id="CrashLoopBackOff"),
        pytest.param(waits("ImagePullBackOff"), id="its image cannot be had"),
        pytest.param({"running": {"startedAt": "2022-01-01T11:59:00Z"}}, id="it runs and is not ready"),
        pytest.param(ended("OOMKilled", 137), id="OOMKilled"),
        pytest.param({}, id="nobody says"),
    ],
)
def test_a_container_does_not_run(hazard, state):
    finding = on(hazard, pods=[etcd_pod(BAD, container("etcd", 7, ready=False, state=state), ready="False"), *OTHERS])
    assert PEER not in finding.message
    assert THIRD not in finding.message
    return finding


@proves(PODS, kind=PRESENT, says=[f"etcd-{BAD} is not ready"])
@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(etcd_pod(BAD, ready="Unknown"), id="its node is silent: its containers still look fine"),
        pytest.param(etcd_pod(BAD, ready="False"), id="the condition alone"),
        pytest.param(etcd_pod(BAD, phase="Pending"), id="pending"),
        pytest.param(etcd_pod(BAD, phase="Failed"), id="failed"),
        pytest.param(etcd_pod(BAD, deletionTimestamp="2022-01-01T11:59:59Z"), id="being deleted"),
        pytest.param({**etcd_pod(BAD), "status": {"phase": "Pending"}}, id="no kubelet ever told anything"),
        pytest.param({**etcd_pod(BAD), "status": {}}, id="no status"),
    ],
)
def test_a_pod_is_not_whole(hazard, pod):
    return on(hazard, pods=[pod, *OTHERS])


@proves(PODS, kind=PRESENT, says=["init container setup CrashLoopBackOff"], line="init: setup CrashLoopBackOff")
def test_an_init_container_crashes(hazard):
    held = [container("setup", 4, ready=False, state=waits("CrashLoopBackOff"))]
    waiting = [
        container(one, ready=False, state=waits("PodInitializing")) for one in ("etcdctl", "etcd", "etcd-metrics")
    ]
    return on(hazard, pods=[etcd_pod(BAD, *waiting, ready="False", phase="Pending", init=held), *OTHERS])


@proves(
    PODS, kind=PRESENT, says=[f"etcd-{BAD} is ready, yet restarts", "etcd 7 times, last 4 minutes"], line="7 restarts"
)
def test_between_two_crashes_all_looks_well(hazard):
    return on(hazard, pods=[etcd_pod(BAD, container("etcd", 7, started="2022-01-01T11:56:00Z")), *OTHERS])


@proves(PODS, kind=PRESENT, says=[f"control-plane node {BAD} has no etcd pod"], line="pods of etcd in openshift-etcd")
def test_a_pod_is_missing(hazard):
    finding = on(hazard, pods=[*OTHERS, guard(BAD), guard(BAD, prefix="etcd-guard-", app="guard")])
    assert "guard" not in finding.message
    return finding


@proves(PODS, kind=PRESENT, says=[f"node {NODES[2]} has no etcd pod"])
def test_a_pod_is_missing_on_an_arbiter(hazard):
    nodes = [node(NODES[0]), node(NODES[1]), node(NODES[2], role="arbiter")]
    return on(hazard, nodes=nodes, pods=[etcd_pod(NODES[0]), etcd_pod(NODES[1])])


@proves(PODS, kind=PRESENT, says=[f"etcd-{BAD} is not", f"etcd-{THIRD} is not"])
def test_every_pod_is_named_once(hazard):
    bad = [etcd_pod(one, container("etcd", ready=False, state=ended("Error")), ready="False") for one in (BAD, THIRD)]
    finding = on(hazard, pods=[*bad, etcd_pod(PEER)])
    assert finding.message.count(f"etcd-{BAD}") == 1
    return finding


@proves(PODS, kind=LOWERED, says=[f"etcd-{BAD} was restarted whole"], line="1 restarts")
def test_a_node_was_booted(hazard):
    states = [container(one, 1, started=f"2022-01-01T11:2{n}:00Z") for n, one in enumerate(("etcdctl", "etcd"))]
    states.append(container("etcd-metrics", 1, started="2022-01-01T11:22:00Z"))
    return on(hazard, pods=[etcd_pod(BAD, *states), *OTHERS])


@proves(PODS, kind=PRESENT, says=["was restarted whole", f"etcd-{THIRD} is not ready"])
def test_a_boot_does_not_hide_a_crash(hazard):
    states = [container(one, 1, started="2022-01-01T11:20:00Z") for one in ("etcdctl", "etcd", "etcd-metrics")]
    return on(hazard, pods=[etcd_pod(BAD, *states), etcd_pod(PEER), etcd_pod(THIRD, ready="False")])


@proves(PODS, kind=ABSENT)
@pytest.mark.parametrize(
    "pods",
    [
        pytest.param([], id="all ready"),
        pytest.param([guard(BAD)], id="a quorum guard crashes"),
        pytest.param([guard("7f9-x", **{"k8s-app": "etcd-quorum-guard"})], id="with labels"),
        pytest.param([guard(BAD, prefix="etcd-guard-", app="guard")], id="a guard of newer releases"),
        pytest.param([guard(BAD, prefix="installer-3-", app="installer")], id="an installer"),
        pytest.param([guard(BAD, prefix="revision-pruner-3-", app="pruner")], id="a pruner"),
        pytest.param([guard(BAD, prefix="etcd-", where="other", app="etcd")], id="somebody's own etcd elsewhere"),
        pytest.param([guard(BAD, prefix="etcd-operator-", where="openshift-etcd-operator", app="etcd")], id="operator"),
    ],
)
def test_other_pods_may_crash(hazard, pods):
    return on(hazard, pods=[etcd_pod(BAD), *OTHERS, *pods])


@proves(PODS, kind=ABSENT)
@pytest.mark.parametrize(("started", "minutes"), [("2022-01-01T10:59:59Z", "60"), ("2022-01-01T11:54:00Z", "5")])
def test_restarts_of_long_ago(hazard, started, minutes):
    pods = [etcd_pod(BAD, container("etcd", 30, started=started)), *OTHERS]
    return on(hazard, pods=pods, parameters={"etcd-restart-minutes": minutes})


@proves(PODS, kind=ABSENT)
def test_started_just_now_for_the_first_time(hazard):
    pods = [etcd_pod(BAD, container("etcd", 0, started="2022-01-01T11:59:00Z")), *OTHERS]
    done = container("setup", ready=True, state=ended("Completed", 0))
    pods.append(etcd_pod("extra", init=[done, container("later", ready=False, state=ended("Completed", 0))]))
    return on(hazard, pods=pods)


@proves(PODS, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_pods_of_a_cluster_that_stays(hazard):
    return evaluate(hazard, clusters={"prod": openshift(pods=[etcd_pod(BAD, ready="False")], upgrade="none")})


@proves(PODS, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {"pods": "forbidden"}}, id="pods forbidden"),
        pytest.param({"broken": {"nodes": "timed-out"}}, id="nodes not read"),
        pytest.param({"pods": []}, id="no pod at all"),
        pytest.param({"pods": [guard(BAD), etcd_pod(BAD, labels={})]}, id="no pod with the label"),
        pytest.param({"nodes": [node("w", role="worker")]}, id="no control-plane node: hosted elsewhere"),
        pytest.param({"broken": {"*": "unreachable"}}, id="unreachable"),
        pytest.param({"date": ""}, id="nobody knows when"),
        pytest.param({"pods": [etcd_pod(BAD, container("etcd", 1, started="yesterday"))]}, id="a time that is none"),
    ],
)
def test_pods_cannot_be_known(hazard, world):
    return on(hazard, **world)


# -- after a forced redeployment -----------------------------------------------------------------------------------

GIVEN = "single-master-recovery-2022-01-01 11:00:00.123456789+00:00"


def forced(**told):
    return [operator(GIVEN, **told)]


@proves(
    MISSING,
    kind=PRESENT,
    says=[f"control-plane node {BAD} has no etcd pod", GIVEN],
    line="pods of etcd in openshift-etcd: etcd-ip-10-0-154-204",
    remedy="date --rfc-3339=ns",
)
def test_a_node_runs_no_etcd(hazard):
    return on(hazard, etcd=forced(), pods=[*OTHERS, guard(BAD, prefix="installer-4-"), guard(BAD)])


@proves(MISSING, kind=PRESENT, says=[f"etcd-{BAD} on {BAD} is not ready"], line=f"pod openshift-etcd/etcd-{BAD}: 2/3")
def test_the_new_pod_is_not_ready(hazard):
    pod = etcd_pod(BAD, container("etcd", 1, ready=False, state=ended("Error")), ready="False")
    return on(hazard, etcd=forced(), pods=[pod, *OTHERS])


@proves(MISSING, kind=PRESENT, says=[BAD], line=f"node {BAD}: currentRevision")
@pytest.mark.parametrize(
    ("revision", "told"),
    [
        (2, "at revision 2, not at 3"),
        ((2, 3), "at revision 2, not at 3, which is being brought out"),
        ((3, 4), "at revision 3, not at 4, which is being brought out"),
        (0, "at no revision, not at 3"),
        ((0, 3), "at no revision, not at 3, which is being brought out"),
    ],
)
def test_the_revisions_differ(hazard, revision, told):
    finding = on(hazard, etcd=forced(revisions={BAD: revision, PEER: 3, THIRD: 3}))
    assert told in finding.message
    assert PEER not in finding.message
    return finding


@proves(MISSING, kind=PRESENT, says=[f"{BAD} is at no revision"], line="latestAvailableRevision 3")
def test_the_operator_does_not_know_the_node(hazard):
    return on(hazard, etcd=forced(revisions={PEER: 3, THIRD: 3}))


@proves(MISSING, kind=PRESENT, says=[*NODES, "not at 4"])
def test_no_node_has_begun_yet(hazard):
    return on(hazard, etcd=forced(latest=4, revisions=dict.fromkeys(NODES, 3)))


@proves(MISSING, kind=ABSENT)
@pytest.mark.parametrize(
    "told",
    [
        pytest.param({}, id="all at the latest"),
        pytest.param({"revisions": {**dict.fromkeys(NODES, 3), "gone": 2}}, id="a node that has gone"),
        pytest.param({"revisions": dict.fromkeys(NODES, (3, 3))}, id="the target is reached"),
    ],
)
def test_every_node_runs_the_revision(hazard, told):
    return on(hazard, etcd=forced(**told), pods=[etcd_pod(BAD), *OTHERS, guard(BAD), guard(BAD, prefix="installer-3-")])


@proves(MISSING, kind=NOT_APPLICABLE, says=["no redeployment of etcd was ever forced"])
def test_before_the_redeployment_the_pod_may_be_away(hazard):
    return on(hazard, pods=OTHERS)


@proves(MISSING, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {ETCDS: "forbidden"}}, id="operator forbidden"),
        pytest.param({"broken": {ETCDS: "not-served"}}, id="operator not served"),
        pytest.param({"etcd": []}, id="no object"),
        pytest.param({"etcd": [{"metadata": {"name": "other"}, "spec": {}}]}, id="an object of another name"),
        pytest.param({"etcd": forced(), "broken": {"pods": "timed-out"}}, id="pods not read"),
        pytest.param({"etcd": forced(), "broken": {"nodes": "forbidden"}}, id="nodes forbidden"),
        pytest.param({"etcd": forced(revisions={BAD: "many"})}, id="a revision that is none"),
    ],
)
def test_revisions_cannot_be_known(hazard, world):
    return on(hazard, **world)


# -- the reason that is about to be given --------------------------------------------------------------------------

OLD = "single-master-recovery-1"


def wanted(reason, name="cluster", kind="Etcd", version="operator.openshift.io/v1"):
    said = f'\n  forceRedeploymentReason: "{reason}"' if reason is not None else " {}"
    return f"apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\nspec:{said}\n"


@proves(REASON, kind=PRESENT, says=["redeployment-reason", repr(OLD)], line=OLD, remedy="date --rfc-3339=ns")
def test_the_parameter_is_the_old_reason(hazard):
    return on(hazard, etcd=[operator(OLD)], parameters={"redeployment-reason": OLD})


@proves(REASON, kind=PRESENT, says=["the desired configuration", repr(OLD)], line=OLD)
def test_the_desired_file_has_the_old_reason(hazard):
    return on(hazard, etcd=[operator(OLD)], desired=(wanted(OLD),))


@proves(REASON, kind=PRESENT, says=["the desired configuration:"])
def test_one_of_two_plans_is_the_old_reason(hazard):
    return on(hazard, etcd=[operator(OLD)], desired=(wanted(OLD),), parameters={"redeployment-reason": "new"})


@proves(REASON, kind=ABSENT)
@pytest.mark.parametrize("current", ["", f"{OLD} ", f"{OLD}1", OLD.upper()])
def test_the_reason_is_new(hazard, current):
    return on(hazard, etcd=[operator(current)], desired=(wanted(OLD),), parameters={"redeployment-reason": OLD})


@proves(REASON, kind=NOT_APPLICABLE, says=["no reason is planned"])
@pytest.mark.parametrize(
    "desired",
    [
        (),
        (wanted(None),),
        (wanted(""),),
        (wanted(OLD, kind="KubeAPIServer"),),
        (wanted(OLD, version="example.com/v1"),),
    ],
)
def test_no_reason_is_planned(hazard, desired):
    return on(hazard, etcd=[operator(OLD)], desired=desired)


@proves(REASON, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {ETCDS: "forbidden"}}, id="operator forbidden"),
        pytest.param({"broken": {"*": "unreachable"}}, id="unreachable"),
        pytest.param({"desired": (wanted("a"), wanted("b"))}, id="two reasons"),
        pytest.param({"desired": (wanted("a").replace('"a"', "17"),)}, id="a reason that is a number"),
    ],
)
def test_the_reason_cannot_be_known(hazard, world):
    return on(hazard, **world, parameters={"redeployment-reason": OLD})


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ((("Completed", "4.9.11"), ("Completed", "4.8.2")), "4.9.11"),
        ((("Partial", "4.10.3"), ("Completed", "4.9.11")), "4.9.11"),
        ((("Partial", "4.10.3"), ("Partial", "4.10.1"), ("Completed", "4.9.0-rc.1")), "4.9.0-rc.1"),
    ],
)
def test_the_version_is_the_last_that_was_brought_out_whole(history, said):
    assert str(openshift_version([cluster_version(*history)])) == said


def test_a_cluster_that_was_never_whole_has_no_version():
    with pytest.raises(Unreadable, match="still being installed"):
        openshift_version([cluster_version(("Partial", "4.9.11"))])
    with pytest.raises(Unreadable, match="is this OpenShift"):
        openshift_version([{"metadata": {"name": "other"}}])
