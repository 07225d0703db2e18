"""Listings of one namespace, and of metadata alone: what is asked for, and what is taken for an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.gather.discovery import Served
from conformance.gather.failures import Failed
from conformance.gather.http import Got
from conformance.gather.listing import listings_of, read_listing
from conformance.gather.requests import ResourceRequest, requests_of
from conformance.reads import InvalidRead, Listing, listing, named, pod_logs

SECRETS = Served("/api/v1", "v1", "secrets", True)
NODES = Served("/api/v1", "v1", "nodes", False)
HIDDEN = "bXkgcGFzc3dvcmQ="


def name(item: Any) -> str:
    return str(item["metadata"]["name"])


class Server:
    """Answers every page with the same text, and remembers what it was asked for."""

    def __init__(self, kind: str, **item: Any) -> None:
        self.page = json.dumps({"kind": kind, "items": [{"metadata": {"name": "a", "namespace": "n"}, **item}]})
        self.asked: list[tuple[str, str]] = []

    def get(self, what: str, path: str, query: Any, *, accept: str, until: float, use: Any) -> Any:
        self.asked.append((path, accept))
        return use(Got(self.page.encode(), "application/json"))

    def decoded(self, what: str, got: Got) -> Any:
        return json.loads(got.body)


def gathered(server: Server, read: Listing, served: Served = SECRETS) -> Any:
    (request,) = listings_of([read]).values()
    return read_listing(server, served, request, 500, 0.0).answers[read.key].value  # type: ignore[arg-type]


def test_metadata_alone_is_asked_for() -> None:
    server = Server("PartialObjectMetadataList")
    found = gathered(server, listing("secrets", "metadata.creationTimestamp", metadata_only=True))
    assert found["objects"] == [{"metadata": {"name": "a", "namespace": "n"}}]
    ((path, accept),) = server.asked
    assert path == "/api/v1/secrets"
    # No other form after a comma: a server that cannot do it has to refuse.
    assert accept == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def test_more_than_metadata_is_no_answer_and_is_dropped() -> None:
    server = Server("SecretList", data={"password": HIDDEN})
    with pytest.raises(Failed, match="more than metadata: is a proxy in between") as caught:
        gathered(server, listing("secrets", metadata_only=True))
    assert caught.value.problem.kind == "undecodable"
    assert HIDDEN not in str(caught.value)


@pytest.mark.parametrize(
    ("items", "fine"), [("[]", True), ("null", True), *((one, False) for one in ("{}", "0", "false", '""'))]
)
def test_only_a_list_or_null_is_an_empty_list(items: str, fine: bool) -> None:
    server = Server("SecretList")
    server.page = f'{{"kind": "SecretList", "items": {items}}}'
    if fine:
        assert gathered(server, listing("secrets", reduce=name))["objects"] == []
    else:
        with pytest.raises(Failed, match="is not a list of objects"):
            gathered(server, listing("secrets", reduce=name))


def test_one_namespace_is_asked_for() -> None:
    server = Server("SecretList")
    gathered(server, listing("secrets", reduce=name, namespace="openshift-etcd"))
    assert server.asked == [("/api/v1/namespaces/openshift-etcd/secrets", "application/json")]


def test_what_belongs_to_no_namespace_is_in_none() -> None:
    with pytest.raises(Failed, match="nodes of /api/v1 belong to no namespace"):
        gathered(Server("NodeList"), listing("nodes", namespace="a"), NODES)


def test_each_collection_is_listed_once() -> None:
    reads = [
        listing("pods", "spec"),
        listing("pods", "status"),
        listing("pods", "status.phase", namespace="a"),
        listing("pods", "spec.nodeName", namespace="a"),
        listing("pods", metadata_only=True),
        listing("pods", namespace="b"),
    ]
    requests = listings_of(reads)
    assert list(requests) == ["pods", "pods in a", "pods (metadata only)", "pods in b"]
    assert requests["pods in a"].keep == ("metadata.name", "metadata.namespace", "spec.nodeName", "status.phase")
    assert [one.key for one in reads[2:]] == [
        "list pods in a",
        "list pods in a",
        "list pods (metadata only)",
        "list pods in b",
    ]


def test_a_step_over_a_namespace_ranges_over_that_namespace() -> None:
    over = listing("pods", namespace="a")
    step = named("configmaps", over=over, namespace="{metadata.namespace}", name="{metadata.name}", reduce=name)
    assert list(listings_of([step, listing("pods")])) == ["pods in a", "pods"]
    assert pod_logs(over, namespace="a", names="x", matching="y").over.collection == "pods in a"


@pytest.mark.parametrize(
    "declare",
    [
        lambda: listing("pods", "spec.nodeName", metadata_only=True),
        lambda: listing("pods", reduce=name, metadata_only=True),
        lambda: listing("pods", namespace="../x"),
        lambda: listing("pods", namespace="A"),
        lambda: listing("secrets", namespace="a"),
        lambda: listing("secrets", "metadata.annotations", metadata_only=True),
        lambda: listing(
            "secrets", "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]", metadata_only=True
        ),
        lambda: listing("secrets", "metadata", metadata_only=True),
    ],
)
def test_what_could_bring_secrets_or_leave_the_namespace_is_refused(declare: Any) -> None:
    with pytest.raises(InvalidRead):
        declare()


def test_one_annotation_of_secrets_can_be_kept() -> None:
    assert listing("secrets", "metadata.annotations[auth.openshift.io/certificate-not-after]", metadata_only=True)


def test_the_right_is_one_in_the_namespace() -> None:
    only = listing("secrets", metadata_only=True, namespace="openshift-etcd")
    assert requests_of([only])[:1] == [ResourceRequest("list", "", "secrets", None, "openshift-etcd")]


def test_a_right_in_all_namespaces_makes_that_in_one_superfluous() -> None:
    reads = [listing("pods", namespace="a"), listing("pods"), listing("pods", namespace="b")]
    assert [one for one in requests_of(reads) if isinstance(one, ResourceRequest)] == [
        ResourceRequest("list", "", "pods")
    ]
