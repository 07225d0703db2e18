"""pods/exec through a real API server, to a stand-in kubelet behind it: what programs say, and what is not known.

The stand-in speaks as kubelets do and runs nothing; a real kubelet answers in the tests of nodes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.answers import Answer, Unreadable
from conformance.gather.clusters import gather_clusters
from conformance.gather.jobs import ClusterJob, ClusterSettings, Gathered
from conformance.reads import ClusterRead, ExecAnswers, listing, pod_exec
from tests.clusters.anthos import node
from tests.faults.proxy import Cut, FaultProxy, Hang, Status
from tests.lab.controlplane import ControlPlane, ExecServer, Said

SPACE = "kube-system"
KEPT = ("status.phase", "status.containerStatuses.name", "status.containerStatuses.ready")
PODS = listing("pods", *KEPT, namespace=SPACE)
ARGV = ("etcdctl", "--cert=/a b/it's.crt", "member", "list", "-w", "json")
FIRST, SECOND = f"{SPACE}/etcd-a", f"{SPACE}/etcd-b"


def pod(name: str, *, phase: str = "Running", ready: bool = True, labels: Any = None) -> dict[str, Any]:
    state = {"name": "etcd", "image": "x", "imageID": "x", "restartCount": 0, "ready": ready}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SPACE, "labels": labels or {}},
        "spec": {
            "containers": [{"name": "etcd", "image": "example.com/x"}, {"name": "other", "image": "example.com/x"}],
            "nodeName": "n1",
            "automountServiceAccountToken": False,
        },
        "status": {"phase": phase, "containerStatuses": [state]},
    }


@pytest.fixture
def kubelet(lab_cluster: ControlPlane) -> Iterator[ExecServer]:
    """The kubelet of node n1."""
    with ExecServer(lab_cluster) as kubelet:
        lab_cluster.apply(kubelet.node(node("n1", "192.0.2.1")))
        yield kubelet


def says(kubelet: ExecServer, name: str, said: Any) -> None:
    kubelet.programs[SPACE, name, "etcd"] = lambda _: said


def read(**changes: Any) -> Any:
    return pod_exec(
        **{"over": PODS, "namespace": SPACE, "names": "etcd-.+", "container": "etcd", "argv": ARGV, **changes}
    )


def gather(kubeconfig: Path, *reads: ClusterRead, **settings: Any) -> Gathered:
    chosen = ClusterSettings(**{"connect_timeout": 1.0, "read_timeout": 2.0, "deadline": 20.0, **settings})
    return gather_clusters([ClusterJob("lab", kubeconfig, None, reads)], chosen, lambda subject, problem: None)["lab"]


def answers(gathered: Gathered, asked: Any) -> ExecAnswers:
    """What the fact receives, after its way through the snapshot."""
    value = json.loads(json.dumps(gathered.answers[asked.key].require()))
    found: ExecAnswers = asked.extract(Answer(value))
    return found


def test_an_argument_vector_arrives_as_it_is(lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
    lab_cluster.apply(pod("etcd-a"), pod("other"))
    says(kubelet, "etcd-a", Said(b'{"members":[]}\n', b"a warning\n"))
    asked = read(argv=(*ARGV, "; id", "$(id)", "ü&x=1"))
    start = lab_cluster.audit_position()
    found = answers(gather(lab_cluster.kubeconfig(), asked), asked)
    assert kubelet.ran == [("etcd-a", (*ARGV, "; id", "$(id)", "ü&x=1"))]
    assert list(found) == [FIRST], found.unread
    said = found.best
    assert (said.pod, said.container, said.rc, said.stdout) == (FIRST, "etcd", 0, '{"members":[]}\n')
    assert said.stderr == "a warning"
    (event,) = [one for one in lab_cluster.audit(since=start, user="admin") if "/exec" in one.uri]
    assert (event.verb, event.document["objectRef"]["subresource"]) == ("get", "exec")
    assert "stdin=false" in event.uri
    assert "tty=false" in event.uri


def test_the_first_that_answers_suffices(lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
    lab_cluster.apply(
        pod("etcd-a", phase="Pending"), pod("etcd-b", ready=False), pod("etcd-c"), pod("etcd-d"), pod("etcd-e")
    )
    says(kubelet, "etcd-c", (500, "the container runtime is down"))
    says(kubelet, "etcd-d", Said(b"four\n"))
    asked = read()
    found = answers(gather(lab_cluster.kubeconfig(), asked), asked)
    assert [name for name, _ in kubelet.ran] == ["etcd-c", "etcd-d"]
    assert found.best.stdout == "four\n"
    assert "the container runtime is down" in found.unread[f"{SPACE}/etcd-c"].reason


def test_an_exit_status_beside_zero(lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
    lab_cluster.apply(pod("etcd-a"), pod("etcd-b"), pod("etcd-c"))
    says(kubelet, "etcd-a", Said(b"", b"Error: context deadline exceeded\n", rc=1))
    says(kubelet, "etcd-b", Said(b"[half]\n", b"Error: unhealthy cluster\n", rc=1))
    says(kubelet, "etcd-c", Said(b"[half]\n", rc=2))
    asked, strict = read(ok=(0, 1)), read()
    gathered = gather(lab_cluster.kubeconfig(), asked, strict)
    found = answers(gathered, asked)
    assert list(found) == [SECOND]
    assert (found.best.rc, found.best.stdout, found.best.stderr) == (1, "[half]\n", "Error: unhealthy cluster")
    assert list(found.unread) == [FIRST, f"{SPACE}/etcd-c"]
    assert f"etcdctl in pod {FIRST} ended with 1: Error: context deadline" in found.unread[FIRST].reason
    with pytest.raises(Unreadable, match="etcd-a ended with 1.*etcd-b ended with 1.*etcd-c ended with 2"):
        _ = answers(gathered, strict).best


def test_each_pod(lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
    lab_cluster.apply(pod("etcd-a"), pod("etcd-b"), pod("etcd-c", phase="Failed"))
    says(kubelet, "etcd-a", Said(b"one"))
    says(kubelet, "etcd-b", Said(b"two"))
    asked, few = read(any=False), read(any=False, pods=2)
    gathered = gather(lab_cluster.kubeconfig(), asked, few)
    found = answers(gathered, asked)
    assert {name: one.stdout for name, one in found.items()} == {FIRST: "one", SECOND: "two"}
    assert found.absent == {f"{SPACE}/etcd-c": "does not run (phase Failed)"}
    problem = gathered.answers[few.key].problem
    assert problem is not None
    assert (problem.kind, "there are 3, more than the 2" in problem.message) == ("cut-off", True)


def test_pods_by_label_and_none_at_all(lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
    lab_cluster.apply(pod("x", labels={"component": "etcd"}), pod("y"))
    says(kubelet, "x", Said(b"x"))
    over = listing("pods", *KEPT, "metadata.labels", namespace=SPACE)
    asked = read(over=over, names="", labels={"component": "etcd"})
    none = read(over=over, names="", labels={"component": "external"})
    gathered = gather(lab_cluster.kubeconfig(), asked, none)
    assert list(answers(gathered, asked)) == [f"{SPACE}/x"]
    with pytest.raises(Unreadable, match="no pod kube-system/.*external.* is listed"):
        _ = answers(gathered, none).best


BROKEN = {
    "the kubelet has no such container": ((404, 'container not found ("etcd")'), "container not found"),
    "it refuses": ((403, "Forbidden (user=x)"), "403"),
    "cut within the output": (Said(b"x" * 9000, cut=5000), "the connection ended before the program did"),
    "cut before the status": (Said(b'{"members":[]}', status=None), "the connection ended before the program did"),
    "a status that is cut": (Said(b"x", status=b'{"status":"Suc'), "the connection ended before the program did"),
    "a status of another kind": (Said(b"x", status=b'["x"]'), "the connection ended before the program did"),
    "no such program": (
        Said(status=b'{"status":"Failure","message":"exec: \\"etcdctl\\": executable file not found in $PATH"}'),
        "it could not be run: exec: .*executable file not found",
    ),
    "an exit status that is none": (
        Said(status=b'{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"message":"one"}]}}'),
        "it could not be run: no reason is given",
    ),
    "another protocol": (Said(b"x", protocol="channel.k8s.io"), "switches to another protocol"),
    "a channel that there is not": (Said(b"x", before=(b"\x07x",)), "a message on channel 7"),
    "too much": (Said(b"y" * 70_000), "it prints more than the 65,536 bytes"),
    "too much on standard error": (Said(b"", b"y" * 1_300_000, part=60_000), "more came than is read of it"),
    "an endless program": (Said(b"x", hangs=True), "had not ended when its time was used up"),
}


@pytest.mark.parametrize(("said", "says_so"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_is_unread_and_another_pod_is_asked(
    lab_cluster: ControlPlane, kubelet: ExecServer, said: Any, says_so: str
) -> None:
    lab_cluster.apply(pod("etcd-a"), pod("etcd-b"))
    says(kubelet, "etcd-a", said)
    says(kubelet, "etcd-b", Said(b"fine"))
    asked = read(limit=65_536, each=1.5)
    began = time.monotonic()
    found = answers(gather(lab_cluster.kubeconfig(), asked), asked)
    assert time.monotonic() - began < 8
    assert found.best.pod == SECOND
    assert found.unread[FIRST].reason.startswith(f"exec etcdctl in pod {FIRST}: ")
    with pytest.raises(Unreadable, match=says_so):
        _ = found[FIRST]


def test_much_that_is_still_within_the_bound(lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
    lab_cluster.apply(pod("etcd-a"))
    says(kubelet, "etcd-a", Said(b"z" * 1_000_000, b"e" * 100_000 + b"\nlast eyJhbGciOiJIUzI1NiJ9.x.y\n", part=70_000))
    asked = read()
    said = answers(gather(lab_cluster.kubeconfig(), asked), asked).best
    assert len(said.stdout) == 1_000_000
    assert said.stderr.endswith("last […]")
    assert len(said.stderr) < 10_000


def test_a_pod_that_is_gone_since_it_was_listed(lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
    lab_cluster.apply(pod("etcd-a"), pod("etcd-b"))
    held = gather(lab_cluster.kubeconfig(), PODS).answers[PODS.key]
    lab_cluster.delete(pod("etcd-a"))
    says(kubelet, "etcd-b", Said(b"fine"))
    asked = read()
    job = ClusterJob("lab", lab_cluster.kubeconfig(), None, (asked,), {PODS.collection: held})
    found = answers(gather_clusters([job], ClusterSettings(), lambda subject, problem: None)["lab"], asked)
    assert (found.best.pod, found.absent, found.unread) == (SECOND, {FIRST: "is gone"}, {})


def test_a_kubelet_that_is_gone(lab_cluster: ControlPlane) -> None:
    with ExecServer(lab_cluster) as kubelet:
        lab_cluster.apply(kubelet.node(node("n1", "192.0.2.1")), pod("etcd-a"))
    asked = read()
    found = answers(gather(lab_cluster.kubeconfig(), asked, read_timeout=10.0), asked)
    assert "connection refused" in found.unread[FIRST].reason


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Status(403), "forbidden"),
        (Status(500), "answers 500"),
        (Status(302), "redirect"),
        (Status(200), "does not switch to a WebSocket|not the answer|200"),
        (Hang(), "sent nothing for 1 s"),
        (Cut(), "cut the connection off|ended before the program did"),
    ],
    ids=lambda one: type(one).__name__ + str(getattr(one, "code", "")) if not isinstance(one, str) else "",
)
def test_faults_on_the_way(lab_cluster: ControlPlane, kubelet: ExecServer, fault: Any, kind: str) -> None:
    lab_cluster.apply(pod("etcd-a"), pod("etcd-b"))
    says(kubelet, "etcd-a", Said(b"fine"))
    says(kubelet, "etcd-b", Said(b"fine"))
    asked = read()
    with FaultProxy(lab_cluster) as proxy:
        proxy.inject(fault, r"/pods/etcd-a/exec")
        found = answers(gather(proxy.kubeconfig(), asked, read_timeout=1.0), asked)
    with pytest.raises(Unreadable, match=kind):
        _ = found[FIRST]


class TestTheRight:
    """As Kubernetes 1.34 checks it: the verb get. From 1.35 on also create; both stand in the derived role."""

    RULES = (
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
    )

    def asked_without(self, plane: ControlPlane, kubelet: ExecServer, *left_out: int) -> Any:
        plane.apply(pod("etcd-a"))
        says(kubelet, "etcd-a", Said(b"fine"))
        token = plane.service_account("preflight", "reader")
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
        rules = [one for number, one in enumerate(self.RULES) if number not in left_out]
        plane.bind({**role, "metadata": {"name": "r", "namespace": SPACE}, "rules": rules}, "preflight/reader")
        asked = read()
        return gather(plane.kubeconfig("reader", token=token), asked), asked

    def test_in_one_namespace_is_enough(self, lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
        gathered, asked = self.asked_without(lab_cluster, kubelet)
        assert answers(gathered, asked).best.stdout == "fine"

    def test_without_it(self, lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
        gathered, asked = self.asked_without(lab_cluster, kubelet, 1)
        assert "grant the role that --plan=rbac prints" in answers(gathered, asked).unread[FIRST].reason
        assert kubelet.ran == []

    def test_without_the_list(self, lab_cluster: ControlPlane, kubelet: ExecServer) -> None:
        gathered, asked = self.asked_without(lab_cluster, kubelet, 0)
        problem = gathered.answers[asked.key].problem
        assert problem is not None
        assert problem.kind == "forbidden"
