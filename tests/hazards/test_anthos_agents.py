"""The Connect agent and the log forwarders of a cluster."""

from __future__ import annotations

import pytest

from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import evaluate
from tests.hazards.pods import container, pod
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

AGENT, FORWARDER = "abm-connect-agent-memory", "abm-log-forwarder-stuck"
NAME = "gke-connect-agent-20211105-01-00"


def own(version="1.8.1", **objects):
    """A cluster that manages itself, with these objects."""
    api = admin_api(
        cluster("hub", "hybrid", version), **{key: objects.pop(key) for key in ("broken", "logs") if key in objects}
    )
    api.objects.update(
        {"deployments.apps": (), "pods": (), **{name.replace("__", "."): held for name, held in objects.items()}}
    )
    return api


# -- memory of the Connect agent -------------------------------------------------------------------------------------


def deployment(limits, name=NAME, namespace="gke-connect"):
    """A deployment whose containers have these limits of memory; None for no limit, a dict for several containers."""
    limits = limits if isinstance(limits, dict) else {NAME: limits}
    held = [
        {"name": key, "resources": {"limits": {"cpu": "100m"} if limit is None else {"memory": limit}}}
        for key, limit in limits.items()
    ]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"template": {"spec": {"containers": held}}}}


def limited(*deployments, pods=(), upgrade=("1.8.1", "1.9.0"), **world):
    api = own(deployments__apps=deployments, pods=pods, **world)
    return evaluate(AGENT, clusters={"hub": api}, upgrade=upgrade)


def dying(**state):
    return pod(f"{NAME}-7d9c-x2x", container(NAME, **state), namespace="gke-connect")


@proves(
    AGENT,
    kind=PRESENT,
    says=[f"deployment {NAME} may use only"],
    line="limits.memory",
    remedy=f"-n gke-connect set resources deployment {NAME} -c {NAME} --limits=memory=256Mi",
)
@pytest.mark.parametrize(
    "limit",
    ["100Mi", "255Mi", "256M", "268435455", 268435455, "0.24Gi", "262143Ki", "1e8", "1E3", "100m", "0.25G", "+128Mi"],
)
def test_too_little_memory(hazard, limit):
    finding = limited(deployment(limit))
    assert "restarted" not in finding.message
    return finding


@proves(AGENT, kind=PRESENT, says=["128Mi", "was killed for want of memory"], line="last ended OOMKilled")
def test_it_was_killed(hazard):
    return limited(deployment("128Mi"), pods=[dying(restarts=7, ended="OOMKilled", message="not to be kept")])


@proves(AGENT, kind=PRESENT, says=["was restarted 12 times"], line="12 restarts, CrashLoopBackOff, last ended Error")
def test_it_crashes(hazard):
    finding = limited(
        deployment("128Mi"),
        pods=[
            dying(restarts=12, waiting="CrashLoopBackOff", ended="Error"),
            pod("gke-connect-agent-other", container(restarts=3), namespace="default"),
        ],
    )
    assert "gke-connect-agent-other" not in str(finding.evidence)
    return finding


@proves(AGENT, kind=PRESENT, says=[NAME, "gke-connect-agent-2"], line="gke-connect-agent-2")
def test_every_deployment_is_named(hazard):
    return limited(
        deployment("128Mi"), deployment("1Mi", "gke-connect-agent-2"), deployment("1Gi", "gke-connect-agent-3")
    )


@proves(AGENT, kind=PRESENT, says=["64Mi (main)"])
def test_a_container_of_another_name(hazard):
    return limited(deployment({"main": "64Mi", "side": "1Gi"}))


@proves(AGENT, kind=ABSENT)
@pytest.mark.parametrize(
    "limit", ["256Mi", "268435456", 268435456, "0.25Gi", "269M", "1Gi", "1e9", "0.3G", "262144Ki", None, "0", 0, "1E"]
)
def test_enough_memory(hazard, limit):
    return limited(deployment(limit), pods=[dying(restarts=9, ended="OOMKilled")])


@proves(AGENT, kind=ABSENT)
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(deployment({NAME: "256Mi", "proxy": "32Mi"}), id="a small container beside it"),
        pytest.param(deployment("64Mi", "anthos-agent"), id="another deployment"),
        pytest.param(deployment("64Mi", namespace="default"), id="another namespace"),
    ],
)
def test_others_have_little_memory(hazard, other):
    return limited(deployment("256Mi", "gke-connect-agent-0"), other)


@proves(AGENT, kind=NOT_APPLICABLE, says=["is not <1.8.2"])
@pytest.mark.parametrize("version", ["1.8.2", "1.8.2-gke.1", "1.9.0", "1.10"])
def test_memory_from_1_8_2_on(hazard, version):
    return limited(deployment("64Mi"), upgrade=(version, "1.11.0"))


@proves(AGENT, kind=PRESENT, says=["64Mi"])
@pytest.mark.parametrize("version", ["1.6.0", "1.8.1", "1.8.1-gke.9"])
def test_memory_before_1_8_2(hazard, version):
    return limited(deployment("64Mi"), upgrade=(version, "1.9.0"))


@proves(AGENT, kind=NOT_APPLICABLE, says=["not registered"])
def test_no_agent(hazard):
    return limited(deployment("64Mi", "something-else"))


@proves(AGENT, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("limit", "broken"),
    [
        pytest.param("64Mi", {"deployments.apps": "forbidden"}, id="deployments forbidden"),
        pytest.param("64Mi", {"deployments.apps": "not-served"}, id="deployments not served"),
        pytest.param("64Mi", {"pods": "timed-out"}, id="pods timed out"),
        pytest.param("64 MB", {}, id="no quantity"),
        pytest.param("", {}, id="empty"),
        pytest.param({"a": 1}, {}, id="a mapping"),
    ],
)
def test_memory_cannot_be_known(hazard, limit, broken):
    return limited(deployment({NAME: limit}), broken=broken)


@proves(AGENT, kind=UNREADABLE, says=["no kubeconfig is given for cluster prod"])
def test_the_cluster_itself_cannot_be_asked(hazard):
    clusters = {
        "hub": admin_api(cluster("hub", "admin"), cluster("prod")),
        "prod": Api(role="user", manager="hub", connected=False),
    }
    return evaluate(hazard, clusters=clusters, upgrade=("1.8.1", "1.9.0"), subject="prod")


# -- log forwarders --------------------------------------------------------------------------------------------------

LINE = (
    "[2021/11/05 10:00:00] [error] [input:storage_backlog:storage_backlog.7] chunk validation failed, data might be "
    "corrupted. Found 0 valid records, failed content starts right after byte 0."
)
LOOP = {"restarts": 41, "waiting": "CrashLoopBackOff", "ended": "Error"}


def forwarder(suffix, **state):
    return pod(f"stackdriver-log-forwarder-{suffix}", container("log-forwarder", **state))


def forwarding(*pods, logs=None, upgrade=("1.8.1", "1.9.0"), **world):
    api = own(pods=pods, logs={f"{key}": f"{text}\n" for key, text in (logs or {}).items()}, **world)
    return evaluate(FORWARDER, clusters={"hub": api}, upgrade=upgrade)


def log(suffix, before=""):
    return f"{before}kube-system/stackdriver-log-forwarder-{suffix}"


@proves(
    FORWARDER,
    kind=PRESENT,
    says=["1 of 2 log forwarders", "stackdriver-log-forwarder-aa"],
    line="chunk validation failed, data might be corrupted",
    remedy="scale deploy stackdriver-operator --replicas=0",
)
@pytest.mark.parametrize("where", ["", "previous "])
@pytest.mark.parametrize(
    "state",
    [
        LOOP,
        {"restarts": 1, "ended": "Error", "waiting": "CrashLoopBackOff"},
        {"restarts": 1, "ended": "Error", "waiting": "ContainerCreating"},
    ],
    ids=["waits", "waits for the first time", "is not ready"],
)
@pytest.mark.parametrize(
    "text", [LINE, f"\x1b[1m[error]\x1b[0m\r\n{LINE}\r", f"\xff\xfe{LINE}"], ids=["", "colours", "bytes"]
)
def test_a_forwarder_restarts_over_corrupt_chunks(hazard, where, state, text):
    finding = forwarding(forwarder("aa", **state), forwarder("bb"), logs={log("aa", where): text})
    assert "forwarder-bb" not in finding.message
    return finding


@proves(FORWARDER, kind=PRESENT, says=["2 of 3", "forwarder-aa, stackdriver-log-forwarder-cc"])
def test_every_forwarder_is_named(hazard):
    logs = {log("aa"): LINE, log("cc", "previous "): LINE}
    return forwarding(*(forwarder(one, **LOOP) for one in ("aa", "bb", "cc")), logs=logs)


@proves(FORWARDER, kind=PRESENT, says=["forwarder-aa"])
def test_one_is_found_where_another_one_s_log_cannot_be_read(hazard):
    broken = {"pods/log kube-system/stackdriver-log-forwarder-bb": "error"}
    return forwarding(forwarder("aa", **LOOP), forwarder("bb", **LOOP), logs={log("aa"): LINE}, broken=broken)


@proves(FORWARDER, kind=ABSENT)
@pytest.mark.parametrize(
    ("pods", "logs"),
    [
        pytest.param([forwarder("aa")], {}, id="nothing restarts"),
        pytest.param([forwarder("aa")], {log("aa"): LINE}, id="a corrupt chunk that did it no harm"),
        pytest.param([forwarder("aa", **LOOP)], {log("aa"): "[error] [storage] no space left"}, id="another cause"),
        pytest.param([forwarder("aa", **LOOP)], {log("aa"): "chunk validation failed: retrying"}, id="nearly the line"),
        pytest.param(
            [forwarder("aa"), pod("stackdriver-operator-1", container(**LOOP))],
            {"kube-system/stackdriver-operator-1": LINE},
            id="another pod",
        ),
        pytest.param(
            [
                forwarder("aa"),
                {**forwarder("zz", **LOOP), "metadata": {"name": "stackdriver-log-forwarder-zz", "namespace": "x"}},
            ],
            {"x/stackdriver-log-forwarder-zz": LINE},
            id="another namespace",
        ),
    ],
)
def test_no_corrupt_chunks(hazard, pods, logs):
    return forwarding(*pods, logs=logs)


@proves(FORWARDER, kind=PRESENT, says=["1 of 2 log forwarders", "stackdriver-log-forwarder-aa"])
@pytest.mark.parametrize("restarts", [2, 3])
def test_a_forwarder_that_runs_just_now_and_was_restarted_again_within_the_hour(hazard, restarts):
    state = {"restarts": restarts, "ended": "Error"}
    return forwarding(forwarder("aa", **state), forwarder("bb"), logs={log("aa", "previous "): LINE})


@proves(FORWARDER, kind=ABSENT, says=["stackdriver-log-forwarder-aa found corrupt buffers", "went on"])
@pytest.mark.parametrize(
    ("restarts", "where"),
    [(1, ""), (1, "previous "), (7, "")],
    ids=["once, and found after it", "once, and found before it", "not within the hour"],
)
def test_a_forwarder_that_goes_on_keeps_its_buffers(hazard, restarts, where):
    state = {"restarts": restarts, "ended": "Error"}
    return forwarding(forwarder("aa", **state), forwarder("bb"), logs={log("aa", where): LINE})


@proves(FORWARDER, kind=PRESENT, says=["1 of 2 log forwarders", "forwarder-aa"])
def test_one_that_goes_on_beside_one_that_does_not(hazard):
    finding = forwarding(forwarder("aa", **LOOP), forwarder("bb", restarts=1), logs={log("aa"): LINE, log("bb"): LINE})
    assert "forwarder-bb" not in finding.message
    return finding


def test_another_cause_is_told():
    finding = forwarding(forwarder("aa", **LOOP))
    assert "stackdriver-log-forwarder-aa restart for ever too, but not over corrupt buffers" in finding.message


@proves(FORWARDER, kind=ABSENT)
def test_no_container_before(hazard):
    refusal = (400, 'previous terminated container "log-forwarder" in pod "stackdriver-log-forwarder-aa" not found')
    api = own(pods=[forwarder("aa", restarts=1)])
    api.logs = {log("aa", "previous "): refusal}
    return evaluate(FORWARDER, clusters={"hub": api}, upgrade=("1.8.1", "1.9.0"))


@proves(FORWARDER, kind=NOT_APPLICABLE, says=["is not <1.9"])
@pytest.mark.parametrize("version", ["1.9.0", "1.9", "1.10.3"])
def test_forwarders_from_1_9_on(hazard, version):
    return forwarding(forwarder("aa", **LOOP), logs={log("aa"): LINE}, upgrade=(version, "1.11.0"))


@proves(FORWARDER, kind=PRESENT, says=["forwarder-aa"])
@pytest.mark.parametrize("version", ["1.6.2", "1.8.9", "1.8"])
def test_forwarders_before_1_9(hazard, version):
    return forwarding(forwarder("aa", **LOOP), logs={log("aa"): LINE}, upgrade=(version, "1.9.0"))


@proves(FORWARDER, kind=NOT_APPLICABLE, says=["no pod kube-system/stackdriver-log-forwarder-*"])
def test_no_forwarders(hazard):
    return forwarding(pod("other"))


@proves(FORWARDER, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("broken", "says"),
    [
        pytest.param({"pods": "forbidden"}, "forbidden", id="pods forbidden"),
        pytest.param({"pods/log": "forbidden"}, "kube-system/stackdriver-log-forwarder-aa", id="logs forbidden"),
        pytest.param({f"pods/log {log('bb')}": "timed-out"}, "timed-out", id="one log timed out"),
        pytest.param({"*": "unreachable"}, "unreachable", id="unreachable"),
    ],
)
def test_forwarders_cannot_be_known(hazard, broken, says):
    finding = forwarding(forwarder("aa", **LOOP), forwarder("bb", restarts=1), broken=broken)
    assert says in finding.message
    return finding


@proves(FORWARDER, kind=UNREADABLE, says=["its last line has no end"])
def test_a_log_that_breaks_off(hazard):
    api = own(pods=[forwarder("aa", **LOOP)], logs={log("aa"): "[info] started\n[error] [input:storage_ba"})
    return evaluate(FORWARDER, clusters={"hub": api}, upgrade=("1.8.1", "1.9.0"))


@proves(FORWARDER, kind=UNREADABLE, says=["there are 101, more than the 100"])
def test_more_forwarders_than_are_asked(hazard):
    return forwarding(*(forwarder(f"n{number}", **LOOP) for number in range(101)))
