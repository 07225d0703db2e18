"""Broken clusters: each fault is one clear line, and disturbs or delays no other read and no other cluster."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.answers import Answer, NotApplicable
from conformance.gather import http
from conformance.gather.clusters import gather_clusters
from conformance.gather.jobs import ClusterJob, ClusterSettings, Gathered
from conformance.reads import ClusterRead, listing, named, path
from tests.faults.proxy import Answer as ProxyAnswer
from tests.faults.proxy import Cut, Drip, Exchange, Fault, FaultProxy, Garbage, Hang, Status, Tls, Truncated
from tests.lab.controlplane import ControlPlane

NODES = "^/api/v1/nodes"
MAPS = "^/api/v1/configmaps"


@pytest.fixture
def proxy(lab_cluster: ControlPlane) -> Iterator[FaultProxy]:
    for number in range(5):
        lab_cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{number}"}})
    with FaultProxy(lab_cluster) as proxy:
        yield proxy


def gather(kubeconfig: Path, *reads: ClusterRead, **settings: Any) -> Gathered:
    job = ClusterJob("lab", kubeconfig, None, reads or (listing("nodes"), listing("namespaces"), path("/version")))
    chosen = ClusterSettings(
        **{"page_size": 2, "connect_timeout": 1.0, "read_timeout": 1.0, "deadline": 20.0, **settings}
    )
    return gather_clusters([job], chosen, lambda subject, problem: None)["lab"]


def problem(answer: Answer) -> tuple[str, str]:
    assert answer.problem is not None, answer.value
    assert "\n" not in answer.problem.message
    assert len(answer.problem.message) < 400
    assert "Traceback" not in answer.problem.message
    return answer.problem.kind, answer.problem.message


def others_are_fine(gathered: Gathered) -> None:
    assert len(gathered.answers["list namespaces"].require()["objects"]) >= 4
    assert gathered.answers["get /version"].require()["body"]["major"] == "1"


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Status(401), "refused", "refuses the credentials of user 'admin' of context 'lab'"),
        (Status(403), "forbidden", "grant the role that --plan=rbac prints"),
        (Status(404), "error", "not found (404): a fault of the lab"),
        (Status(410), "error", "expired while it was read (410)"),
        (Status(429), "error", "overloaded (429 Too Many Requests)"),
        (Status(429, retry_after=3600), "error", "overloaded (429 Too Many Requests)"),
        (Status(500), "error", "answers 500: a fault of the lab"),
        (Status(503, message="<b>\x1b[31m" + "x" * 5000), "error", "answers 503: <b> [31mxxx"),
        (Truncated(), "undecodable", "bytes: does a proxy cut it short?"),
        (Cut(), "unreachable", "cut the connection off before the answer was whole"),
        (Cut(share=0), "unreachable", "cut the connection off before the answer was whole"),
        (Hang(), "timed-out", "sent nothing for 1 s"),
        (Garbage(), "undecodable", "is not JSON (application/json"),
        (Garbage(content_type="text/html"), "undecodable", "is not JSON (text/html, 54 bytes): is a proxy in between?"),
        (Garbage(b"{}"), "undecodable", "not a list of objects"),
        (Garbage(b'{"kind": "NodeList", "items": [1]}'), "undecodable", "not a list of objects"),
        (Garbage(b"[" * 100_000), "undecodable", "is not JSON"),
        (Garbage(b""), "undecodable", "is not JSON (application/json, 0 bytes)"),
    ],
    ids=lambda one: type(one).__name__ + str(getattr(one, "code", "")) if not isinstance(one, str) else "",
)
@pytest.mark.parametrize("page", [1, 2])
def test_one_read_fails(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, page: int, fault: Fault, kind: str, says: str
) -> None:
    monkeypatch.setattr("conformance.gather.failures.LONGEST_PAUSE", 0.1)
    proxy.inject(fault, NODES + (".*continue=" if page == 2 else r"\?limit=2$"))
    started = time.monotonic()
    gathered = gather(proxy.kubeconfig())
    assert time.monotonic() - started < 8
    got = problem(gathered.answers["list nodes"])
    assert got[0] == kind
    assert got[1].startswith("list nodes: ")
    assert says in got[1]
    others_are_fine(gathered)


@pytest.mark.parametrize(
    "fault",
    [Status(429, retry_after=0), Status(500), Status(503), Cut(), Truncated()],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("times", [1, 2])
def test_what_passes_is_tried_again(proxy: FaultProxy, fault: Fault, times: int) -> None:
    proxy.inject(fault, NODES, on=set(range(2, 2 + times)))
    gathered = gather(proxy.kubeconfig())
    names = [one["metadata"]["name"] for one in gathered.answers["list nodes"].require()["objects"]]
    assert names == ["n0", "n1", "n2", "n3", "n4"]


def test_what_does_not_pass_is_tried_three_times(proxy: FaultProxy) -> None:
    proxy.inject(Status(500), NODES)
    gather(proxy.kubeconfig())
    assert len([target for _, target in proxy.requests if target.startswith("/api/v1/nodes")]) == 3


@pytest.mark.parametrize("fault", [Status(403), Status(404), Garbage(), Hang()], ids=lambda one: type(one).__name__)
def test_what_cannot_get_better_is_tried_once(proxy: FaultProxy, fault: Fault) -> None:
    proxy.inject(fault, NODES)
    gather(proxy.kubeconfig())
    assert len([target for _, target in proxy.requests if target.startswith("/api/v1/nodes")]) == 1


def test_retry_after_is_waited_for(proxy: FaultProxy) -> None:
    proxy.inject(Status(429, retry_after=1), NODES, on={1})
    gathered = gather(proxy.kubeconfig())
    assert gathered.answers["list nodes"].require()["objects"]
    assert gathered.answers["list nodes"].seconds >= 1
    assert gathered.answers["list namespaces"].seconds < 1


class TestExpiredContinuation:
    def test_the_list_is_begun_anew(self, proxy: FaultProxy) -> None:
        proxy.inject(Status(410), NODES + ".*continue=", on={1, 2})
        names = [
            one["metadata"]["name"] for one in gather(proxy.kubeconfig()).answers["list nodes"].require()["objects"]
        ]
        assert names == ["n0", "n1", "n2", "n3", "n4"]

    def test_but_not_for_ever(self, proxy: FaultProxy) -> None:
        proxy.inject(Status(410), NODES + ".*continue=")
        gathered = gather(proxy.kubeconfig())
        assert problem(gathered.answers["list nodes"])[0] == "error"
        assert len([target for _, target in proxy.requests if target.startswith("/api/v1/nodes")]) == 6
        others_are_fine(gathered)


class TestDiscoveryFaults:
    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Status(401), "refused"),
            (Status(403), "forbidden"),
            (Status(404), "error"),
            (Status(500), "error"),
            (Truncated(), "undecodable"),
            (Cut(), "unreachable"),
            (Hang(), "timed-out"),
            (Garbage(), "undecodable"),
            (Garbage(b"{}"), "undecodable"),
            (Garbage(b'{"kind": "APIGroupDiscoveryList", "apiVersion": "x/v2", "items": []}'), "undecodable"),
            (Garbage(b'{"kind": "APIGroupList", "groups": []}'), "undecodable"),
            (Garbage(b'{"kind": "APIGroupDiscoveryList", "apiVersion": "x/v2", "items": [{}]}'), "undecodable"),
        ],
        ids=lambda one: type(one).__name__ + str(getattr(one, "code", "")) if not isinstance(one, str) else "",
    )
    def test_is_never_not_served(self, proxy: FaultProxy, fault: Fault, kind: str) -> None:
        proxy.inject(fault, "^/apis$")
        optional = listing("virtualmachines.kubevirt.io", required=False)
        reads = optional, listing("deployments.apps"), listing("namespaces"), path("/version")
        gathered = gather(proxy.kubeconfig(), *reads)
        assert problem(gathered.answers[optional.key])[0] == kind
        assert problem(gathered.answers["list deployments.apps"])[0] == kind
        others_are_fine(gathered)


class TestOlderServers:
    """Without aggregated discovery, as before Kubernetes 1.26."""

    GROUPS = (
        b'{"kind": "APIGroupList", "groups": ['
        b'{"name": "apps", "versions": [{"version": "v1beta1"}, {"version": "v1"}], "preferredVersion": {"version": "v1"}},'
        b'{"name": "dead.example.com", "versions": [{"version": "v1"}]}]}'
    )

    def gather(self, proxy: FaultProxy, *reads: ClusterRead) -> Gathered:
        proxy.inject(Garbage(b'{"kind": "APIVersions", "versions": ["v1"]}'), "^/api$")
        proxy.inject(Garbage(self.GROUPS), "^/apis$")
        return gather(proxy.kubeconfig(), *reads)

    def test_only_the_groups_that_the_plan_needs_are_asked(self, proxy: FaultProxy) -> None:
        gathered = self.gather(proxy, listing("deployments.apps"), listing("daemonsets.apps"), listing("nodes"))
        assert gathered.answers["list deployments.apps"].require()["version"] == "v1"
        assert len(gathered.answers["list nodes"].require()["objects"]) == 5
        assert gathered.notes["discovery"] == "per group"
        asked = sorted(target for _, target in proxy.requests if "limit" not in target)
        assert asked == ["/api", "/api/v1", "/apis", "/apis/apps/v1"]

    def test_other_versions_are_asked_before_a_kind_is_said_not_to_be_served(self, proxy: FaultProxy) -> None:
        beta = b'{"kind": "APIResourceList", "resources": [{"name": "gadgets", "namespaced": true}]}'
        proxy.inject(Garbage(beta), "^/apis/apps/v1beta1$")
        proxy.inject(Garbage(b'{"kind": "GadgetList", "items": null}'), "^/apis/apps/v1beta1/gadgets")
        gathered = self.gather(proxy, listing("gadgets.apps"), listing("gizmos.apps"), listing("gone.example.com"))
        assert gathered.answers["list gadgets.apps"].require() == {
            "version": "v1beta1",
            "at": "",  # the answer came without a Date
            "keep": ["metadata.name", "metadata.namespace"],
            "objects": [],
        }
        assert problem(gathered.answers["list gizmos.apps"])[0] == "not-served"
        assert problem(gathered.answers["list gone.example.com"])[0] == "not-served"

    @pytest.mark.parametrize("fault", [Status(503), Hang(), Garbage(b"{}")], ids=lambda one: type(one).__name__)
    def test_a_group_that_does_not_answer_is_an_error_of_that_group(self, proxy: FaultProxy, fault: Fault) -> None:
        proxy.inject(fault, "^/apis/dead.example.com/v1$")
        optional = listing("things.dead.example.com", required=False)
        gathered = self.gather(proxy, optional, listing("deployments.apps"))
        kind, message = problem(gathered.answers[optional.key])
        assert kind in ("error", "timed-out", "undecodable")
        assert message.startswith("discovery (/apis/dead.example.com/v1): ")
        assert gathered.answers["list deployments.apps"].require()


class TestNamedObjects:
    READ = named("secrets", over=listing("nodes"), namespace="default", name="{metadata.name}-x", reduce=len)

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Status(401), "refused"),
            (Status(403), "forbidden"),
            (Status(404), "error"),  # not the API server's own: it would name the object
            (Status(500), "error"),
            (Garbage(), "undecodable"),
            (Garbage(b"{}"), "undecodable"),
            (Garbage(b'{"kind": "Secret", "metadata": {"name": "another"}}'), "undecodable"),
            (Hang(), "timed-out"),
        ],
        ids=lambda one: type(one).__name__ + str(getattr(one, "code", "")) if not isinstance(one, str) else "",
    )
    def test_one_object_fails(self, proxy: FaultProxy, fault: Fault, kind: str) -> None:
        proxy.inject(fault, "/secrets/n3-x$")
        objects = gather(proxy.kubeconfig(), self.READ).answers[self.READ.key].require()["objects"]
        assert objects.pop("default/n3-x")["problem"]["kind"] == kind
        assert objects == {f"default/n{number}-x": {"value": None} for number in (0, 1, 2, 4)}


class TestTls:
    @pytest.mark.parametrize(
        ("tls", "kind", "says"),
        [
            (Tls.FOREIGN, "certificate", "is not signed by the authority in the kubeconfig"),
            (Tls.EXPIRED, "certificate", "has expired: renew the certificates of the control plane"),
            (Tls.WRONG_HOST, "certificate", "is for another name"),
            (Tls.SILENT, "timed-out", "sent nothing for 1 s"),
        ],
        ids=lambda one: one.name if isinstance(one, Tls) else "",
    )
    def test_every_read_says_why(self, lab_cluster: ControlPlane, tls: Tls, kind: str, says: str) -> None:
        with FaultProxy(lab_cluster, tls) as proxy:
            started = time.monotonic()
            gathered = gather(proxy.kubeconfig())
            assert time.monotonic() - started < 6
        for answer in gathered.answers.values():
            got = problem(answer)
            assert got[0] == kind
            assert says in got[1]
        assert not proxy.requests

    def test_a_port_without_tls(self, lab_cluster: ControlPlane) -> None:
        with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
            gathered = gather(lab_cluster.kubeconfig(server=url), path("/version"))
        kind, message = problem(gathered.answers["get /version"])
        assert kind == "unreachable"
        assert "does not speak TLS" in message


@contextmanager
def listening(says: bytes) -> Iterator[str]:
    """A TCP server that says the same to everybody and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(says)

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


class TestNetwork:
    def test_connection_refused(self, lab_cluster: ControlPlane) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        gathered = gather(lab_cluster.kubeconfig(server=f"https://127.0.0.1:{port}"))
        for answer in gathered.answers.values():
            kind, message = problem(answer)
            assert kind == "unreachable"
            assert f"127.0.0.1:{port} refuses the connection" in message

    def test_a_name_that_does_not_resolve(self, lab_cluster: ControlPlane) -> None:
        gathered = gather(lab_cluster.kubeconfig(server="https://nowhere.invalid:6443"), path("/version"))
        kind, message = problem(gathered.answers["get /version"])
        assert kind == "unreachable"
        assert "the name nowhere.invalid cannot be resolved" in message

    def test_an_address_that_does_not_answer(self, lab_cluster: ControlPlane) -> None:
        with socket.socket() as server:
            # Nobody accepts, and the queue of connections is full: further ones get no answer.
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            filling = [socket.socket() for _ in range(3)]
            for one in filling:
                one.setblocking(False)
                one.connect_ex(server.getsockname())
            url = f"https://127.0.0.1:{server.getsockname()[1]}"
            gathered = gather(lab_cluster.kubeconfig(server=url), path("/version"))
            for one in filling:
                one.close()
        kind, message = problem(gathered.answers["get /version"])
        assert kind == "unreachable"
        assert "does not answer: is a firewall or VPN in between?" in message

    def test_a_proxy_that_is_down(self, lab_cluster: ControlPlane) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        kubeconfig = lab_cluster.kubeconfig(server="https://api.example.com:6443")
        text = kubeconfig.read_text()
        text = text.replace("    server:", f"    proxy-url: http://me:hush-hush@127.0.0.1:{port}\n    server:")
        kubeconfig.write_text(text)
        kind, message = problem(gather(kubeconfig, path("/version")).answers["get /version"])
        assert kind == "unreachable"
        assert f"127.0.0.1:{port}" in message
        assert "hush" not in message


class TestTime:
    def test_a_server_that_drips_is_stopped(self, proxy: FaultProxy) -> None:
        proxy.inject(Drip(size=1, pause=0.05), NODES)
        reads = listing("nodes", timeout=1.5), listing("namespaces"), path("/version")
        gathered = gather(proxy.kubeconfig(), *reads)
        kind, message = problem(gathered.answers["list nodes"])
        assert kind == "timed-out"
        assert "had not sent it all" in message
        assert gathered.seconds < 4
        others_are_fine(gathered)

    def test_the_deadline_of_the_cluster(self, proxy: FaultProxy) -> None:
        proxy.inject(Hang(), NODES)
        gathered = gather(proxy.kubeconfig(), read_timeout=60.0, deadline=1.5)
        assert problem(gathered.answers["list nodes"])[0] == "timed-out"
        assert 1.4 < gathered.seconds < 3
        others_are_fine(gathered)

    def test_a_hung_cluster_delays_nobody(self, proxy: FaultProxy, lab_cluster: ControlPlane) -> None:
        proxy.inject(Hang())
        reads = (listing("namespaces"), path("/version"))
        good, hung = lab_cluster.kubeconfig(), proxy.kubeconfig()
        jobs = [ClusterJob(f"hung-{number}", hung, None, reads) for number in range(4)]
        jobs.append(ClusterJob("good", good, None, reads))
        moments: dict[str, float] = {}
        started = time.monotonic()

        def progress(subject: str, problem: str | None) -> None:
            moments[subject] = time.monotonic() - started

        gathered = gather_clusters(jobs, ClusterSettings(read_timeout=60, deadline=3), progress)
        assert moments["good"] < 2 < min(moments[f"hung-{number}"] for number in range(4))
        assert max(moments.values()) < 5
        others_are_fine(gathered["good"])
        for number in range(4):
            assert {problem(answer)[0] for answer in gathered[f"hung-{number}"].answers.values()} == {"timed-out"}

    def test_no_more_is_sent_after_the_deadline(self, proxy: FaultProxy) -> None:
        proxy.inject(Hang(1), "")
        gather(proxy.kubeconfig(), *(path(f"/healthz?n={number}", text=True) for number in range(40)), deadline=1.5)
        sent = len(proxy.requests)
        time.sleep(1.5)
        assert len(proxy.requests) == sent


def test_pages_that_are_too_large_are_asked_for_in_smaller_ones(
    lab_cluster: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        annotations = {"a": "x" * 4000}
        metadata = {"name": f"n{number}", "annotations": annotations}
        lab_cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    monkeypatch.setattr(http, "LIMIT", 9000)
    gathered = gather(lab_cluster.kubeconfig(), listing("nodes"), page_size=500)
    assert len(gathered.answers["list nodes"].require()["objects"]) == 5
    monkeypatch.setattr(http, "LIMIT", 3000)
    gathered = gather(lab_cluster.kubeconfig(), listing("nodes"), path("/version"), page_size=500)
    assert problem(gathered.answers["list nodes"])[0] == "cut-off"


class Redirect:
    """A login page elsewhere."""

    def __call__(self, exchange: Exchange) -> None:
        exchange.begin(ProxyAnswer(302, {"Location": "/version"}, b""), 0)


def test_redirects_are_not_followed(proxy: FaultProxy) -> None:
    proxy.inject(Redirect(), NODES)
    gathered = gather(proxy.kubeconfig())
    kind, message = problem(gathered.answers["list nodes"])
    assert kind == "error"
    assert "answers with a redirect (302): a proxy or login page in between?" in message
    others_are_fine(gathered)
    assert len([target for _, target in proxy.requests if target == "/version"]) == 1


def test_an_optional_kind_that_is_not_served_makes_its_named_objects_not_applicable(proxy: FaultProxy) -> None:
    over = listing("things.example.com", required=False)
    read = named("secrets", over=over, namespace="default", name="{metadata.name}", reduce=len)
    answer = gather(proxy.kubeconfig(), read).answers[read.key]
    with pytest.raises(NotApplicable, match=r"does not serve things\.example\.com"):
        read.extract(answer)


def test_a_repeated_page_is_noticed(proxy: FaultProxy) -> None:
    page = b'{"kind": "NodeList", "metadata": {"continue": "again"}, "items": []}'
    proxy.inject(Garbage(page), NODES)
    assert "repeats a page" in problem(gather(proxy.kubeconfig()).answers["list nodes"])[1]


def test_a_defect_of_a_reduction_never_ends_the_run(proxy: FaultProxy) -> None:
    def endless(item: Mapping[str, Any]) -> Any:
        return endless(item)

    gathered = gather(proxy.kubeconfig(), listing("nodes", reduce=endless), listing("namespaces"), path("/version"))
    assert problem(gathered.answers["list nodes as endless"])[0] == "undecodable"
    others_are_fine(gathered)
