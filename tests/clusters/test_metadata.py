"""Metadata alone, and one namespace alone, of a real API server: no data travels, and a right in that namespace will do."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from conformance.gather.clusters import gather_clusters
from conformance.gather.http import Got, Requester
from conformance.gather.jobs import ClusterJob, ClusterSettings, Gathered
from conformance.reads import ClusterRead, listing, path
from tests.lab.controlplane import ControlPlane

HIDDEN = "do-not-let-this-travel"
SPACE = "openshift-etcd"
ONLY = listing("secrets", "metadata.creationTimestamp", namespace=SPACE, metadata_only=True)
RULE = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}


def gather(kubeconfig: Path, *reads: ClusterRead, **settings: Any) -> Gathered:
    job = ClusterJob("lab", kubeconfig, None, reads)
    return gather_clusters([job], ClusterSettings(**settings), lambda subject, problem: None)["lab"]


def secret(name: str, namespace: str = SPACE) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "data": {"tls.key": b64encode(HIDDEN.encode()).decode()},
    }


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """All that the API server sends, as it comes in."""
    found: list[bytes] = []
    decoded = Requester.decoded

    def recorded(self: Requester, what: str, got: Got) -> Any:
        found.append(got.body)
        return decoded(self, what, got)

    monkeypatch.setattr(Requester, "decoded", recorded)
    return found


@pytest.fixture
def lab(lab_cluster: ControlPlane) -> ControlPlane:
    lab_cluster.namespace(SPACE)
    lab_cluster.namespace("elsewhere")
    lab_cluster.apply(*(secret(f"etcd-peer-n{number}") for number in range(5)), secret("other", "elsewhere"))
    return lab_cluster


def names(gathered: Gathered, read: Any) -> list[str]:
    return [one["metadata"]["name"] for one in read.extract(gathered.answers[read.key])]


def test_no_data_travels(lab: ControlPlane, bodies: list[bytes]) -> None:
    began = lab.audit_position()
    gathered = gather(lab.kubeconfig(), ONLY, page_size=2)
    assert [f"etcd-peer-n{number}" for number in range(5)] == names(gathered, ONLY)
    assert all(one["metadata"]["creationTimestamp"] for one in ONLY.extract(gathered.answers[ONLY.key]))
    assert b"etcd-peer-n4" in b"".join(bodies)  # or nothing was recorded
    assert b64encode(HIDDEN.encode()) not in b"".join(bodies)
    assert b'"data"' not in b"".join(bodies)
    lists = [event.uri.partition("?")[0] for event in lab.audit(since=began, user="admin") if event.verb == "list"]
    assert lists == [f"/api/v1/namespaces/{SPACE}/secrets"] * 3


def test_a_whole_listing_would_have_brought_it(lab: ControlPlane, bodies: list[bytes]) -> None:
    gather(lab.kubeconfig(), listing("secrets", namespace=SPACE, reduce=sorted))
    assert b64encode(HIDDEN.encode()) in b"".join(bodies)


def test_a_role_in_the_namespace_is_enough(lab: ControlPlane) -> None:
    token = lab.service_account("preflight", "inside")
    meta = {"name": "pytest-preflight", "namespace": SPACE}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": [RULE]}
    lab.bind(role, "preflight/inside")
    whole = listing("secrets", metadata_only=True)
    gathered = gather(lab.kubeconfig("inside", token=token), ONLY, whole, path("/version"))
    assert len(names(gathered, ONLY)) == 5
    problem = gathered.answers[whole.key].problem
    assert problem is not None
    assert problem.kind == "forbidden"


def test_without_the_right_it_is_unknown_and_not_empty(lab: ControlPlane) -> None:
    token = lab.service_account("preflight", "nobody")
    problem = gather(lab.kubeconfig("nobody", token=token), ONLY).answers[ONLY.key].problem
    assert problem is not None
    assert problem.kind == "forbidden"


def test_a_namespace_that_is_not_there_has_no_objects(lab: ControlPlane) -> None:
    read = listing("pods", namespace="not-there")
    assert names(gather(lab.kubeconfig(), read), read) == []


def test_metadata_of_what_belongs_to_no_namespace(lab: ControlPlane) -> None:
    read = listing("namespaces", metadata_only=True)
    assert {SPACE, "elsewhere"} <= set(names(gather(lab.kubeconfig(), read), read))


def test_nodes_are_in_no_namespace(lab: ControlPlane) -> None:
    read = listing("nodes", namespace=SPACE)
    problem = gather(lab.kubeconfig(), read).answers[read.key].problem
    assert problem is not None
    assert "belong to no namespace" in problem.message
