"""Each fault of the proxy arrives at a client as what it stands for, and everything else passes unchanged."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import urllib3

from tests.faults.proxy import Cut, Drip, Fault, FaultProxy, Garbage, Hang, Status, Tls, Truncated
from tests.lab.controlplane import ControlPlane

NODES = "/api/v1/nodes"


class Client:
    """A plain HTTPS client that logs in with a token, verifies certificates, and does not try twice."""

    def __init__(self, plane: ControlPlane, url: str, user: str = "admin") -> None:
        self._pool = urllib3.PoolManager(ca_certs=str(plane.ca_file), retries=False, timeout=2)
        self._headers = {"Authorization": f"Bearer {plane.tokens[user]}"}
        self._url = url

    def get(self, target: str) -> urllib3.BaseHTTPResponse:
        return self._pool.request("GET", self._url + target, headers=self._headers)


@pytest.fixture
def proxy(lab_cluster: ControlPlane) -> Iterator[FaultProxy]:
    for number in range(3):
        lab_cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{number}"}})
    with FaultProxy(lab_cluster) as proxy:
        yield proxy


@pytest.fixture
def client(control_plane: ControlPlane, proxy: FaultProxy) -> Client:
    return Client(control_plane, proxy.url)


def test_without_a_rule_the_real_server_answers(control_plane: ControlPlane, proxy: FaultProxy, client: Client) -> None:
    direct = Client(control_plane, control_plane.url)
    assert client.get(NODES).json() == direct.get(NODES).json()
    assert Client(control_plane, proxy.url, "nobody").get(NODES).status == 403
    assert ("GET", NODES) in proxy.requests


def test_the_audit_log_shows_what_passed(control_plane: ControlPlane, proxy: FaultProxy, client: Client) -> None:
    proxy.inject(Status(500), "pods")
    start = control_plane.audit_position()
    client.get(NODES)
    client.get("/api/v1/pods")
    assert [event.uri for event in control_plane.audit(since=start)] == [NODES]


@pytest.mark.parametrize("code", [401, 403, 404, 410, 429, 500])
def test_a_status(proxy: FaultProxy, client: Client, code: int) -> None:
    proxy.inject(Status(code, retry_after=7 if code == 429 else None), f"^{NODES}")
    answer = client.get(NODES)
    assert answer.status == answer.json()["code"] == code
    assert answer.json()["kind"] == "Status"
    assert answer.headers.get("Retry-After") == ("7" if code == 429 else None)
    assert client.get("/version").status == 200


def test_410_on_the_second_page_only(proxy: FaultProxy, client: Client) -> None:
    proxy.inject(Status(410), r"/nodes\?.*continue=", on={1})
    token = client.get(f"{NODES}?limit=1").json()["metadata"]["continue"]
    further = f"{NODES}?limit=1&continue={token}"
    assert [client.get(further).status, client.get(further).status] == [410, 200]


def test_the_first_two_times_only(proxy: FaultProxy, client: Client) -> None:
    proxy.inject(Status(429, retry_after=0), NODES, on={1, 2})
    assert [client.get(NODES).status for _ in range(4)] == [429, 429, 200, 200]


@pytest.mark.parametrize("fault", [Truncated(), Garbage()], ids=["truncated", "garbage"])
def test_success_that_is_no_json(proxy: FaultProxy, client: Client, fault: Fault) -> None:
    proxy.inject(fault, NODES)
    answer = client.get(NODES)
    assert answer.status == 200
    assert answer.data
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_connection_cut_in_the_middle(proxy: FaultProxy, client: Client) -> None:
    proxy.inject(Cut(), NODES, on={1})
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.get(NODES)
    assert client.get(NODES).status == 200


def test_no_answer(proxy: FaultProxy, client: Client) -> None:
    proxy.inject(Hang(), NODES)
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.get(NODES)
    assert client.get("/version").status == 200


def test_a_slow_drip_outlasts_the_read_timeout_without_tripping_it(proxy: FaultProxy, client: Client) -> None:
    size = len(client.get("/version").data)
    proxy.inject(Drip(size=size // 12, pause=0.2), "^/version")
    started = time.monotonic()
    assert client.get("/version").json()["major"] == "1"
    assert time.monotonic() - started > 2.2


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        (Tls.FOREIGN, "unable to get local issuer certificate"),
        (Tls.EXPIRED, "certificate has expired"),
        (Tls.WRONG_HOST, "IP address mismatch"),
    ],
)
def test_a_certificate_that_does_not_verify(control_plane: ControlPlane, tls: Tls, told: str) -> None:
    with FaultProxy(control_plane, tls) as proxy:
        with pytest.raises(urllib3.exceptions.SSLError, match=told):
            Client(control_plane, proxy.url).get(NODES)
        assert proxy.requests == []


def test_a_server_that_accepts_and_says_nothing(control_plane: ControlPlane) -> None:
    with FaultProxy(control_plane, Tls.SILENT) as proxy, pytest.raises(urllib3.exceptions.TimeoutError):
        Client(control_plane, proxy.url).get(NODES)


def test_closing_does_not_wait_for_those_who_hang(control_plane: ControlPlane) -> None:
    with FaultProxy(control_plane) as proxy:
        proxy.inject(Hang())
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            Client(control_plane, proxy.url).get(NODES)
        started = time.monotonic()
    assert time.monotonic() - started < 1


def test_a_kubeconfig_leads_through_the_proxy(proxy: FaultProxy) -> None:
    assert f"server: {proxy.url}\n" in proxy.kubeconfig("nobody").read_text("utf-8")
