"""Logs of pods through a real API server, from a stand-in kubelet behind it: what is kept, and what is not known."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.answers import Answer, Unreadable
from conformance.gather.clusters import gather_clusters
from conformance.gather.jobs import ClusterJob, ClusterSettings, Gathered
from conformance.reads import ClusterRead, MatchedLogs, listing, pod_logs
from tests.clusters.anthos import node
from tests.faults.proxy import Cut, Drip, FaultProxy, Hang, Status, Truncated
from tests.lab.controlplane import ControlPlane, LogServer

PODS = listing("pods")
SPACE = "kube-system"
OPERATOR = "operator-.+"


def pod(name: str, *containers: str, namespace: str = SPACE, on: str = "n1", **labels: str) -> dict[str, Any]:
    held = [{"name": one, "image": "example.com/x"} for one in containers or ("main",)]
    spec: dict[str, Any] = {"containers": held, "automountServiceAccountToken": False}
    if on:
        spec["nodeName"] = on
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture
def kubelet(lab_cluster: ControlPlane) -> Iterator[LogServer]:
    """The kubelet of node n1."""
    with LogServer(lab_cluster) as kubelet:
        lab_cluster.apply(kubelet.node(node("n1", "192.0.2.1")))
        yield kubelet


def read(**changes: Any) -> Any:
    return pod_logs(PODS, **{"namespace": SPACE, "names": OPERATOR, "matching": "went wrong", **changes})


def gather(kubeconfig: Path, *reads: ClusterRead, **settings: Any) -> Gathered:
    chosen = ClusterSettings(**{"connect_timeout": 1.0, "read_timeout": 1.0, "deadline": 20.0, **settings})
    return gather_clusters([ClusterJob("lab", kubeconfig, None, reads)], chosen, lambda subject, problem: None)["lab"]


def logs(gathered: Gathered, asked: Any) -> MatchedLogs:
    """What the fact receives, after its way through the snapshot."""
    value = json.loads(json.dumps(gathered.answers[asked.key].require()))
    found: MatchedLogs = asked.extract(Answer(value))
    return found


def problem(gathered: Gathered, asked: Any) -> tuple[str, str]:
    answer = gathered.answers[asked.key]
    assert answer.problem is not None, answer.value
    return answer.problem.kind, answer.problem.message


def stored(gathered: Gathered) -> str:
    return json.dumps([answer.value for answer in gathered.answers.values()])


def test_keeps_what_matches_and_a_little_around_it(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(
        pod("operator-0"), pod("operator"), pod("other-operator-1"), pod("operator-9", namespace="default")
    )
    kubelet.logs[SPACE, "operator-0", "main"] = "one\nbefore\nit went wrong\nafter\nfive\n"
    asked = read()
    gathered = gather(lab_cluster.kubeconfig(), asked)
    found = logs(gathered, asked)
    assert list(found) == [f"{SPACE}/operator-0"]
    (match,) = found[f"{SPACE}/operator-0"]
    assert (match.number, match.before, match.text, match.after) == (3, ("before",), "it went wrong", ("after",))
    assert (match.pod, match.container) == (f"{SPACE}/operator-0", "main")
    assert found.matches == (match,)
    assert (found.unread, found.absent) == ({}, {})
    assert list(gathered.answers) == [asked.key]
    assert "five" not in stored(gathered)
    assert kubelet.requests == [f"/containerLogs/{SPACE}/operator-0/main?limitBytes=16777217"]


def test_is_one_list_and_one_get_for_each_container(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(pod("operator-0", "main", "proxy"), pod("operator-1"))
    for name, container in (("operator-0", "main"), ("operator-0", "proxy"), ("operator-1", "main")):
        kubelet.logs[SPACE, name, container] = f"{container} of {name} went wrong\n"
    reads = read(since=60, context=0), read(matching="of operator-1", since=3600), listing("pods", "spec.nodeName")
    start = lab_cluster.audit_position()
    gathered = gather(lab_cluster.kubeconfig(), *reads)
    asked = [event.verb for event in lab_cluster.audit(since=start, user="admin")]
    assert (asked.count("list"), asked.count("get")) == (1, 1 + 2 * 3)  # discovery is one
    found = logs(gathered, reads[0])
    texts = {name: [(one.container, one.text) for one in found[name]] for name in found}
    assert texts == {
        f"{SPACE}/operator-0": [
            ("main", "main of operator-0 went wrong"),
            ("proxy", "proxy of operator-0 went wrong"),
        ],
        f"{SPACE}/operator-1": [("main", "main of operator-1 went wrong")],
    }
    assert [one.text for one in logs(gathered, reads[1]).matches] == ["main of operator-1 went wrong"]
    assert sum("sinceSeconds=60&" in f"{one}&" for one in kubelet.requests) == 3


def test_one_container_labels_and_a_choice(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    over = listing("pods", "metadata.name")
    lab_cluster.apply(pod("a", "main", "proxy", app="x"), pod("b", "main", app="x"), pod("c", app="y"), pod("d"))

    def late(one: Mapping[str, Any]) -> bool:
        return bool(one["metadata"]["name"] > "a")

    for name in "abcd":
        kubelet.logs[SPACE, name, "main"] = "went wrong\n"
    asked = pod_logs(over, namespace=SPACE, labels={"app": "x"}, matching="went", container="main")
    chosen = pod_logs(over, namespace=SPACE, labels={"app": "x"}, matching="went", only=late)
    gathered = gather(lab_cluster.kubeconfig(), asked, chosen)
    assert [one.pod for one in logs(gathered, asked).matches] == [f"{SPACE}/a", f"{SPACE}/b"]
    assert [one.pod for one in logs(gathered, chosen).matches] == [f"{SPACE}/b"]


def test_the_log_of_the_container_before(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(pod("operator-0"), pod("operator-1"))
    kubelet.logs[SPACE, "operator-0", "main"] = "fine\n"
    kubelet.previous[SPACE, "operator-0", "main"] = "it went wrong\n"
    kubelet.refusals[SPACE, "operator-1", "main"] = (
        400,
        'previous terminated container "main" in pod "operator-1" not found',
    )
    asked = read(previous=True)
    found = logs(gather(lab_cluster.kubeconfig(), asked), asked)
    assert [one.text for one in found.matches] == ["it went wrong"]
    assert found.absent == {f"{SPACE}/operator-1": "no container ran before the present one"}


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        ((500, "the container runtime is down"), "the container runtime is down"),
        ((502, "bad gateway"), "502"),
        ((403, "Forbidden (user=kube-apiserver, verb=get, resource=nodes, subresource=proxy)"), "forbidden"),
        # A kubelet's own "not found" is passed on as if it were the pod's.
        ((404, 'pod "operator-1_kube-system" does not exist'), "not found (404)"),
        ((400, 'container "main" in pod "operator-1" is not available'), "not available"),
    ],
)
def test_a_log_that_cannot_be_read_is_unread_alone(
    lab_cluster: ControlPlane, kubelet: LogServer, refusal: tuple[int, str], says: str
) -> None:
    lab_cluster.apply(pod("operator-0"), pod("operator-1"))
    kubelet.logs[SPACE, "operator-0", "main"] = "it went wrong\n"
    kubelet.refusals[SPACE, "operator-1", "main"] = refusal
    asked = read()
    found = logs(gather(lab_cluster.kubeconfig(), asked), asked)
    assert [one.pod for one in found.matches] == [f"{SPACE}/operator-0"]
    assert list(found.unread) == [f"{SPACE}/operator-1"]
    with pytest.raises(Unreadable) as caught:
        found[f"{SPACE}/operator-1"]
    assert caught.value.reason.startswith(f"get log of pod {SPACE}/operator-1 (main): ")
    assert says in caught.value.reason


def test_without_the_right_to_read_logs(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(pod("operator-0"))
    token = lab_cluster.service_account("preflight", "reader")
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    lab_cluster.bind({**role, "rules": [rule]}, "preflight/reader")
    asked = read()
    found = logs(gather(lab_cluster.kubeconfig("reader", token=token), asked), asked)
    assert "grant the role that --plan=rbac prints" in found.unread[f"{SPACE}/operator-0"].reason
    assert kubelet.requests == []


def test_no_log_for_certain(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(pod("operator-0"), pod("operator-1", on=""))
    waiting = 'container "main" in pod "operator-0" is waiting to start: ContainerCreating'
    kubelet.refusals[SPACE, "operator-0", "main"] = (400, waiting)
    asked = read()
    found = logs(gather(lab_cluster.kubeconfig(), asked), asked)
    assert found.unread == {}
    assert found.absent == {
        f"{SPACE}/operator-0": "its container was never started",
        f"{SPACE}/operator-1": "the pod is on no node yet",
    }


def test_a_pod_that_is_gone_since_it_was_listed(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(pod("operator-1"))
    held = gather(lab_cluster.kubeconfig(), listing("pods", "spec.containers.name")).answers["list pods"]
    lab_cluster.delete(pod("operator-1"))
    asked = read()
    job = ClusterJob("lab", lab_cluster.kubeconfig(), None, (asked,), {"pods": held})
    found = logs(gather_clusters([job], ClusterSettings(), lambda subject, problem: None)["lab"], asked)
    assert (found.unread, found.absent) == ({}, {f"{SPACE}/operator-1": "the pod is gone"})


def test_more_pods_than_the_bound(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(*(pod(f"operator-{number}") for number in range(3)))
    asked, enough = read(pods=2), read(pods=3)
    gathered = gather(lab_cluster.kubeconfig(), asked, enough)
    kind, message = problem(gathered, asked)
    assert kind == "cut-off"
    assert "there are 3, more than the 2 that may be asked for" in message
    assert len(logs(gathered, enough)) == 3


def test_a_log_longer_than_its_bound(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(pod("operator-0"))
    kubelet.logs[SPACE, "operator-0", "main"] = "it went wrong\n" + "x" * 80 + "\n" + "y" * 80 + "\n"
    asked = read(limit=100)
    found = logs(gather(lab_cluster.kubeconfig(), asked), asked)
    assert [one.text for one in found.matches] == ["it went wrong"]
    assert "longer than the 100 bytes" in found.unread[f"{SPACE}/operator-0"].reason


@pytest.mark.parametrize(
    "text",
    [
        b"fine\nit is cut in the mid",
        b"unable to retrieve container logs for containerd://0123\n",
        b'failed to try resolving symlinks in path "/var/log/pods/x/0.log": lstat: no such file or directory\n',
    ],
)
def test_a_log_that_is_none_or_not_whole(lab_cluster: ControlPlane, kubelet: LogServer, text: bytes) -> None:
    lab_cluster.apply(pod("operator-0"))
    kubelet.logs[SPACE, "operator-0", "main"] = text
    asked = read()
    assert list(logs(gather(lab_cluster.kubeconfig(), asked), asked).unread) == [f"{SPACE}/operator-0"]


def test_a_kubelet_that_nobody_reaches_disturbs_nothing_else(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    dead = kubelet.node(node("n2", "192.0.2.2"))
    dead["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] = 9
    lab_cluster.apply(dead, pod("operator-0"), pod("operator-1", on="n2"))
    kubelet.logs[SPACE, "operator-0", "main"] = "it went wrong\n"
    asked = read()
    found = logs(gather(lab_cluster.kubeconfig(), asked, read_timeout=10.0), asked)
    assert [one.pod for one in found.matches] == [f"{SPACE}/operator-0"]
    assert "connection refused" in found.unread[f"{SPACE}/operator-1"].reason


LOG = r"/pods/operator-0/log"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Status(403), "forbidden"),
        (Status(404), "not found (404)"),
        (Status(500), "answers 500"),
        (Status(429), "overloaded"),
        (Hang(), "sent nothing for 1 s"),
        (Cut(), "cut the connection off"),
        (Truncated(), "its last line has no end"),
        (Drip(size=2, pause=0.3), "when its time was used up"),
    ],
    ids=lambda one: type(one).__name__ + str(getattr(one, "code", "")) if not isinstance(one, str) else "",
)
def test_faults_on_the_way(
    lab_cluster: ControlPlane, kubelet: LogServer, monkeypatch: pytest.MonkeyPatch, fault: Any, kind: str
) -> None:
    monkeypatch.setattr("conformance.gather.failures.LONGEST_PAUSE", 0.1)
    lab_cluster.apply(pod("operator-0"), pod("operator-1"))
    kubelet.logs[SPACE, "operator-0", "main"] = "fine\n" * 4 + "it goes right"  # cut, it would be clear
    kubelet.logs[SPACE, "operator-1", "main"] = "it went wrong\n"
    kubelet.logs[SPACE, "operator-0", "main"] += "\n"
    asked = read(timeout=3.0)
    with FaultProxy(lab_cluster) as proxy:
        proxy.inject(fault, LOG)
        began = time.monotonic()
        gathered = gather(proxy.kubeconfig(), asked, listing("nodes"))
    assert time.monotonic() - began < 8
    found = logs(gathered, asked)
    assert [one.pod for one in found.matches] == [f"{SPACE}/operator-1"]
    assert kind in found.unread[f"{SPACE}/operator-0"].reason
    assert gathered.answers["list nodes"].require()["objects"]


def test_what_was_found_before_the_cut_is_found(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(pod("operator-0"))
    kubelet.logs[SPACE, "operator-0", "main"] = "it went wrong\n" + "fine\n" * 20
    asked = read()
    with FaultProxy(lab_cluster) as proxy:
        proxy.inject(Cut(), LOG)
        found = logs(gather(proxy.kubeconfig(), asked), asked)
    assert [one.text for one in found.matches] == ["it went wrong"]
    assert list(found.unread) == [f"{SPACE}/operator-0"]


def test_a_cut_that_passes_is_tried_again(lab_cluster: ControlPlane, kubelet: LogServer) -> None:
    lab_cluster.apply(pod("operator-0"))
    kubelet.logs[SPACE, "operator-0", "main"] = "it went wrong\nfine\n"
    asked = read()
    with FaultProxy(lab_cluster) as proxy:
        proxy.inject(Cut(), LOG, on={1, 2})
        found = logs(gather(proxy.kubeconfig(), asked), asked)
    assert len(found[f"{SPACE}/operator-0"]) == 1
    assert found.unread == {}
