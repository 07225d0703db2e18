"""Objects of an OpenShift cluster as its API server shows them; names and addresses are those of the vendor's document."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pytest

from tests.hazards.worlds import Api

__all__ = [
    "ADDRESSES",
    "BAD",
    "ETCD_UNKNOWN",
    "IDS",
    "NODES",
    "PEER",
    "THIRD",
    "cluster_version",
    "container",
    "etcd_pod",
    "etcdctl",
    "guard",
    "member",
    "node",
    "openshift",
    "operator",
    "secret",
    "secrets_of",
]

BAD, PEER, THIRD = NODES = (
    "ip-10-0-131-183.ec2.internal",
    "ip-10-0-154-204.ec2.internal",
    "ip-10-0-164-97.ec2.internal",
)
ADDRESSES = dict(zip(NODES, ("10.0.131.183", "10.0.154.204", "10.0.164.97"), strict=True))
IDS = dict(zip(NODES, (0x62BCF33650A7170A, 0xD022E10B498760D5, 0xB78E2856655BC2EB), strict=True))
#: The clock of `Api` says noon of 1 January 2022; everything began six hours before.
BEGAN = "2022-01-01T06:00:00Z"
SPACE = "openshift-etcd"
CONTAINERS = ("etcdctl", "etcd", "etcd-metrics")

Object = dict[str, Any]


def node(name: str, address: str | None = None, role: str = "master") -> Object:
    """A node; the address is that of the document where it is one of its nodes."""
    address = address or ADDRESSES.get(name, "10.0.1.1")
    return {
        "metadata": {"name": name, "labels": {f"node-role.kubernetes.io/{role}": ""}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "nodeInfo": {"kubeletVersion": "v1.22.3+e790d7f", "osImage": "Red Hat Enterprise Linux CoreOS 49.84"},
        },
    }


def container(
    name: str, restarts: int = 0, *, ready: bool = True, state: Object | None = None, started: str = BEGAN
) -> Object:
    """What the kubelet tells of a container: running since `started`, or in another `state`."""
    state = {"running": {"startedAt": started}} if state is None else state
    return {"name": name, "restartCount": restarts, "ready": ready, "state": state}


def etcd_pod(
    name: str = BAD,
    *states: Object,
    ready: str = "True",
    phase: str = "Running",
    init: Iterable[Object] = (),
    labels: Mapping[str, str] | None = None,
    **metadata: Any,
) -> Object:
    """The etcd pod of a node, with these containers among others that are fine."""
    told = {one["name"]: one for one in states}
    held = [told.pop(one, container(one)) for one in CONTAINERS]
    labels = {"app": "etcd", "k8s-app": "etcd", "etcd": "true", "revision": "3"} if labels is None else labels
    return {
        "metadata": {"name": f"etcd-{name}", "namespace": SPACE, "labels": dict(labels), **metadata},
        "spec": {"nodeName": name, "containers": []},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [*held, *told.values()],
            "initContainerStatuses": list(init),
        },
    }


def guard(name: str, *, prefix: str = "etcd-quorum-guard-", where: str = SPACE, **labels: str) -> Object:
    """A pod beside those of etcd, which crashes: guard, installer or pruner."""
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    found = etcd_pod(name, container("etcd", 99, ready=False, state=waiting), ready="False", labels=labels)
    found["metadata"] |= {"name": f"{prefix}{name}", "namespace": where}
    return found


def operator(
    reason: str = "",
    revisions: Mapping[str, Any] | None = None,
    latest: int = 3,
    available: tuple[str, str] | None = ("True", "3 members are available"),
    degraded: tuple[str, str, str] | None = ("False", "No unhealthy members found", BEGAN),
) -> Object:
    """The object etcd/cluster; a revision may be a pair of the current one and its target."""
    conditions = [{"type": "Degraded", "status": "True", "message": "another matter"}]
    if available:
        conditions.append({"type": "EtcdMembersAvailable", "status": available[0], "message": available[1]})
    if degraded:
        told = {"status": degraded[0], "message": degraded[1], "lastTransitionTime": degraded[2]}
        conditions.append({"type": "EtcdMembersDegraded", **told})
    nodes = []
    for name, held in (dict.fromkeys(NODES, latest) if revisions is None else revisions).items():
        current, target = held if isinstance(held, tuple) else (held, 0)
        nodes.append({"nodeName": name, "currentRevision": current, "targetRevision": target})
    return {
        "metadata": {"name": "cluster"},
        "spec": {"managementState": "Managed", **({"forceRedeploymentReason": reason} if reason else {})},
        "status": {"latestAvailableRevision": latest, "conditions": conditions, "nodeStatuses": nodes},
    }


def cluster_version(*history: tuple[str, str], desired: str = "4.9.11") -> Object:
    """The object clusterversion/version; its history begins with the latest."""
    told = history or (("Completed", "4.9.11"), ("Completed", "4.8.2"))
    return {
        "metadata": {"name": "version"},
        "status": {
            "desired": {"version": desired},
            "history": [{"state": state, "version": version} for state, version in told],
        },
    }


def member(
    name: str, address: str | None = None, number: int | None = None, *, learner: bool = False, started: bool = True
) -> Object:
    """A member of etcd as ``etcdctl member list -w json`` prints it."""
    address = address or ADDRESSES.get(name, "10.0.1.1")
    found: Object = {"ID": number or IDS.get(name, 0x1111), "peerURLs": [f"https://{address}:2380"]}
    if started:
        found |= {"name": name, "clientURLs": [f"https://{address}:2379"]}
    return {**found, "isLearner": True} if learner else found


def etcdctl(
    members: Iterable[Object] | None = None,
    down: Collection[str] = (),
    untried: Collection[str] = (),
    error: str = "",
    alarm: str = "",
) -> dict[str, str | tuple[int, str]]:
    """What etcdctl prints of these members in every pod: those named in `down` do not commit.

    Nobody asked those in `untried`. `error` is said of those that commit, such as an alarm; `alarm` is told by their status
    alone, as with the first releases of etcd 3.4. Source: etcdctl 3.5 against three members of which one was stopped.
    """
    held = [member(one) for one in NODES] if members is None else list(members)
    header = {"cluster_id": 16895962312553085766, "raft_term": 7}
    statuses: list[Object] = []
    health: list[Object] = []
    for one in held:
        name, urls = one.get("name", ""), one.get("clientURLs", [])
        for url in urls:
            if name not in down:
                told = {"header": {**header, "member_id": one["ID"], "revision": 90}, "version": "3.5.0", "dbSize": 2}
                leads = next((it["ID"] for it in held if it.get("name") not in down), 0)
                told |= {"errors": [f"memberID:{one['ID']} alarm:{alarm} "]} if alarm else {}
                told |= {"leader": leads, "raftIndex": 5000, "raftAppliedIndex": 5000, "raftTerm": 7, "dbSizeInUse": 1}
                statuses.append({"Endpoint": url, "Status": told | ({"isLearner": True} if "isLearner" in one else {})})
            if name in untried:
                continue
            said: Object = {"endpoint": url, "health": name not in down, "took": "16.671434ms"}
            if "isLearner" in one:
                said |= {"health": False, "error": "rpc error: code = Unavailable: rpc not supported for learner"}
            elif name in down:
                said |= {"took": "5.001152s", "error": "context deadline exceeded"}
            elif error:
                said |= {"health": False, "error": error}
            health.append(said)
    sick = any(not one["health"] for one in health)
    return {
        "member list": json.dumps({"header": header, "members": held}),
        "endpoint status": (1 if down else 0, json.dumps(statuses)),
        "endpoint health": (1 if sick else 0, json.dumps(health)),
    }


def secret(name: str, created: str | None = BEGAN, namespace: str = SPACE) -> Object:
    """A secret whose data must never be seen."""
    meta: Object = {"name": name, "namespace": namespace}
    if created:
        meta["creationTimestamp"] = created
    return {"kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "data": {"tls.key": "bmV2ZXI="}}


def secrets_of(*nodes: str, created: str | None = BEGAN) -> list[Object]:
    """The three secrets of each node, and those that belong to no node."""
    shared = ("etcd-all-certs", "etcd-all-certs-3", "etcd-client", "etcd-metric-client", "etcd-signer", "serving-cert")
    own = [f"etcd-{kind}-{name}" for name in nodes for kind in ("peer", "serving", "serving-metrics")]
    return [*(secret(one, created) for one in own), *map(secret, shared)]


def openshift(
    *,
    nodes: Iterable[Object] | None = None,
    pods: Iterable[Object] | None = None,
    secrets: Iterable[Object] | None = None,
    etcd: Iterable[Object] | None = None,
    version: Object | None = None,
    **api: Any,
) -> Api:
    """An OpenShift cluster of three control-plane nodes, of which nothing is wrong but what is said; `programs` as of `etcdctl`."""
    objects = {
        "nodes": [*map(node, NODES), node("worker-1", role="worker")] if nodes is None else list(nodes),
        "pods": [etcd_pod(one) for one in NODES] if pods is None else list(pods),
        "secrets": secrets_of(*NODES) if secrets is None else list(secrets),
        "etcds.operator.openshift.io": [operator()] if etcd is None else list(etcd),
        "clusterversions.config.openshift.io": [version or cluster_version()],
        **api.pop("objects", {}),
    }
    return Api(objects=objects, **{"programs": etcdctl(), **api})


#: Worlds in which etcdctl does not show the members and their health, with a part of the reason.
ETCD_UNKNOWN = [
    pytest.param({"broken": {"pods/exec": "forbidden"}}, "forbidden", id="pods/exec forbidden"),
    pytest.param({"broken": {"pods": "forbidden"}}, "forbidden", id="pods forbidden"),
    pytest.param({"execs": False}, "was not run: ", id="pods/exec declined"),
    pytest.param({"programs": {}}, "container not found", id="no such container"),
    pytest.param(
        {"programs": {**etcdctl(), "member list": (1, "Error: context deadline exceeded")}},
        "context deadline exceeded",
        id="no list of members: no quorum",
    ),
    pytest.param({"programs": {**etcdctl(), "member list": "no JSON"}}, "expected the JSON", id="garbled"),
    pytest.param({"programs": {**etcdctl(), "member list": '{"members":[]}'}}, "expected the members", id="no member"),
    pytest.param({"programs": {**etcdctl(), "endpoint health": "[]"}}, "names no endpoint", id="health of nobody"),
    pytest.param({"programs": {**etcdctl(), "endpoint health": (1, "Error: x")}}, "Error: x", id="no health"),
    pytest.param({"programs": etcdctl(untried=[BAD])}, f"asked of no endpoint of {BAD}", id="one was not asked"),
    pytest.param({"pods": [etcd_pod(BAD, phase="Pending")]}, "does not run (phase Pending)", id="no pod runs"),
    pytest.param({"pods": [guard(BAD, app="guard")]}, "is listed", id="only guards are listed"),
    pytest.param({"broken": {"*": "unreachable"}}, "unreachable", id="unreachable"),
]
