"""What reads ask of an API server, for the plan and the role derived from it."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.gather.requests import Location, ResourceRequest, requests_of
from conformance.reads import command, desired, listing, named, path

CLUSTERS = listing("clusters.example.com")
DISCOVERY = [Location("/api"), Location("/api/*"), Location("/apis"), Location("/apis/*")]


def secret(name: str) -> Any:
    return named("secrets", over=CLUSTERS, namespace="{metadata.namespace}", name=name, reduce=len)


def test_each_once_in_order() -> None:
    reads = [
        path("/version"),
        listing("pods", "spec"),
        listing("pods", reduce=len),
        CLUSTERS,
        secret("{metadata.name}-x"),
    ]
    assert requests_of(reads) == [
        ResourceRequest("get", "", "secrets"),
        ResourceRequest("list", "", "pods"),
        ResourceRequest("list", "example.com", "clusters"),
        *DISCOVERY,
        Location("/version"),
    ]


def test_a_named_read_lists_what_it_ranges_over_and_names_what_it_can() -> None:
    assert requests_of([secret("fixed")])[:2] == [
        ResourceRequest("get", "", "secrets", ("fixed",)),
        ResourceRequest("list", "example.com", "clusters"),
    ]


def test_any_object_makes_named_ones_superfluous() -> None:
    found = [
        one for one in requests_of([secret("fixed"), secret("{metadata.name}")]) if isinstance(one, ResourceRequest)
    ]
    assert found == [ResourceRequest("get", "", "secrets"), ResourceRequest("list", "example.com", "clusters")]


def test_paths_without_their_query_and_without_discovery() -> None:
    assert requests_of([path("/readyz?verbose", text=True), path("/readyz")]) == [Location("/readyz")]


def test_discovery_of_groups_only_where_they_are_needed() -> None:
    assert requests_of([listing("nodes")])[1:] == DISCOVERY[:2]


def test_desired_documents_ask_nobody() -> None:
    assert requests_of([desired("Cluster", "example.com")]) == []


def test_a_read_of_a_host_is_a_mistake() -> None:
    with pytest.raises(TypeError):
        requests_of([command("true")])  # type: ignore[list-item]
