"""Hazards of Anthos clusters on bare metal: more pods behind Services than RHEL and CentOS bear."""

from __future__ import annotations

import functools
import json

import pytest

from checks.anthos_bare_metal.facts_services import abm_endpoint_slices, slice_pods
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

LIMIT = "abm-endpoint-limit"
SLICES = "endpointslices.discovery.k8s.io"
RED_HAT = "Red Hat Enterprise Linux 8.4 (Ootpa)"


def node(name, image=RED_HAT):
    info = {"kubeletVersion": "v1.21.5-gke.1200", **({} if image is None else {"osImage": image})}
    return {"metadata": {"name": name, "labels": {}}, "status": {"nodeInfo": info}}


def pod(number, address=None, **keys):
    """An endpoint as the EndpointSlice controller writes it."""
    name = f"web-{number}"
    return {
        "addresses": [address or f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"],
        "conditions": {"ready": True},
        "targetRef": {"kind": "Pod", "namespace": "shop", "name": name, "uid": f"uid-of-{name}"},
        **keys,
    }


def pods(*numbers, **keys):
    return [pod(one, **keys) for one in range(*numbers)]


def alone(address):
    return [{"addresses": [address], "conditions": {"ready": True}}]


def endpoint_slice(endpoints, service="web", namespace="shop", number=0, kind="IPv4"):
    labels = {"kubernetes.io/service-name": service} if service else {}
    meta = {"name": f"{service}-{kind.lower()}-{number}", "namespace": namespace, "labels": labels}
    return {"metadata": meta, "addressType": kind, "endpoints": endpoints, "ports": [{"port": 80}]}


def endpoints_object(count, name="web", **annotations):
    held = [{"ip": f"10.0.{n >> 8}.{n & 255}", "targetRef": {"kind": "Pod", "name": f"p{n}"}} for n in range(count)]
    subsets = [{"addresses": held[1:], "notReadyAddresses": held[:1]}] if held else None
    return {"metadata": {"name": name, "namespace": "shop", "annotations": annotations}, "subsets": subsets}


def referring(*slices, endpoints=(), nodes=None, unserved=False, **world):
    objects = {"nodes": nodes or [node("n1")], "endpoints": endpoints}
    if not unserved:
        objects[SLICES] = slices
    return evaluate(LIMIT, clusters={"prod": Api(objects=objects, **world)})


@functools.cache
def many(count):
    """EndpointSlices of Services of 10,000 addresses, a thousand in each slice, the most that there may be."""
    found = []
    for first in range(0, count, 1000):
        addresses = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(first, min(first + 1000, count))]
        found.append(
            endpoint_slice([{"addresses": [one]} for one in addresses], f"web-{first // 10_000}", number=first)
        )
    return found


@proves(
    LIMIT,
    kind=PRESENT,
    says=["80,000 pods", "near the limit of 100,000", "have: n2"],
    line="service shop/web-0: 10000 pods",
    remedy="shop/web-0 (10000)",
)
def test_services_come_near_the_limit(hazard):
    finding = referring(*many(80_000), nodes=[node("n1", "Ubuntu 20.04.4 LTS"), node("n2")])
    lines = [line for one in finding.evidence for line in one.lines]
    assert f"node n2: osImage {RED_HAT}" in lines
    assert not any("n1" in line for line in lines)
    assert "above" not in finding.message
    return finding


@proves(LIMIT, kind=PRESENT, says=["near the limit of 100,000"])
def test_the_limit_itself_is_near(hazard):
    return referring(*many(100_000))


@proves(LIMIT, kind=PRESENT, says=["100,001 pods", "above the limit of 100,000"])
def test_one_more_is_above(hazard):
    return referring(*many(100_001))


@proves(LIMIT, kind=ABSENT)
def test_one_less_than_near(hazard):
    return referring(*many(79_999))


def test_what_is_kept_of_100_000_endpoints_is_small():
    slices = [endpoint_slice(pods(first, first + 100), number=first) for first in range(0, 100_000, 100)]
    assert len(json.dumps([slice_pods(one) for one in slices])) < 1_000_000


def counted(*slices):
    """How many pods each Service refers to, as the facts tell it."""
    return abm_endpoint_slices([slice_pods(one) for one in slices])


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param(pod(1), id="ready"),
        pytest.param(pod(1, conditions={"ready": False}), id="not ready"),
        pytest.param(pod(1, conditions={}), id="of unknown condition"),
        pytest.param(pod(1, conditions=None), id="without conditions"),
        pytest.param(pod(1, conditions={"ready": True, "terminating": False}), id="not terminating"),
        pytest.param(pod(1, targetRef={"kind": "Pod", "namespace": "shop", "name": "p"}), id="without uid"),
        pytest.param(pod(1, targetRef=None), id="an address without a pod"),
        pytest.param(pod(1, "2001:db8::1"), id="IPv6"),
    ],
)
def test_what_counts(endpoint):
    assert counted(endpoint_slice([endpoint])) == {"shop/web": 1}
    assert counted(endpoint_slice([endpoint]), endpoint_slice([endpoint], number=1)) == {"shop/web": 1}
    assert counted(endpoint_slice([endpoint]), endpoint_slice([endpoint], "x")) == {"shop/web": 1, "shop/x": 1}
    elsewhere = endpoint_slice([endpoint], namespace="other")
    assert counted(endpoint_slice([endpoint]), elsewhere) == {"shop/web": 1, "other/web": 1}
    assert counted(endpoint_slice([endpoint]), endpoint_slice(pods(5, 8), number=1)) == {"shop/web": 4}


@pytest.mark.parametrize(
    ("one", "count"),
    [
        pytest.param(endpoint_slice([pod(1)], None), {}, id="in a slice of no Service"),
        pytest.param(endpoint_slice([pod(1, "x.example")], kind="FQDN"), {}, id="a name"),
        pytest.param(endpoint_slice([pod(1, conditions={"terminating": True})]), {"shop/web": 0}, id="terminating"),
        pytest.param(endpoint_slice([]), {"shop/web": 0}, id="no endpoint"),
        pytest.param(endpoint_slice(None), {"shop/web": 0}, id="null"),
    ],
)
def test_what_does_not_count(one, count):
    assert counted(one) == count


@pytest.mark.parametrize(
    "slices",
    [
        pytest.param([endpoint_slice([pod(1)]), endpoint_slice([pod(1, "fd00::1")], kind="IPv6")], id="both families"),
        pytest.param([endpoint_slice([pod(1, "10.0.0.1"), pod(1, "10.0.0.2")])], id="two addresses"),
        pytest.param([endpoint_slice(alone("192.0.2.1") * 2)], id="twice in one slice"),
    ],
)
def test_what_stands_twice_in_one_service_counts_once(slices):
    assert counted(*slices) == {"shop/web": 1}


@proves(LIMIT, kind=PRESENT, says=["80,000 pods"])
def test_the_same_pods_in_another_service_count_again(hazard):
    return referring(*many(79_999), endpoint_slice(alone("10.0.0.0"), "other"))


@proves(LIMIT, kind=ABSENT)
def test_the_same_pods_in_another_slice_count_once(hazard):
    return referring(*many(79_999), endpoint_slice(alone("10.0.0.0"), "web-0"))


@proves(LIMIT, kind=PRESENT, says=["80,000 pods"])
@pytest.mark.parametrize("unserved", [True, False], ids=["not served", "empty"])
def test_where_there_are_no_slices_endpoints_count(hazard, unserved):
    found = [endpoints_object(1000, f"web-{number}") for number in range(80)]
    return referring(endpoints=found, unserved=unserved)


@proves(LIMIT, kind=ABSENT)
@pytest.mark.parametrize(
    "endpoints",
    [
        pytest.param([endpoints_object(9, "small")], id="of a Service that has slices"),
        pytest.param([endpoints_object(0, "leader")], id="without an address"),
    ],
)
def test_endpoints_do_not_count_beside_slices(hazard, endpoints):
    return referring(*many(79_998), endpoint_slice(alone("192.0.2.1"), "small"), endpoints=endpoints)


@proves(LIMIT, kind=PRESENT, says=["n1"])
@pytest.mark.parametrize(
    "image",
    [
        RED_HAT,
        "Red Hat Enterprise Linux Server 7.9 (Maipo)",
        "CentOS Linux 7 (Core)",
        "CentOS Linux 8",
        "CentOS Stream 8",
    ],
)
def test_nodes_with_the_limit(hazard, image):
    finding = referring(*many(80_000), nodes=[node("n1", image), node("n2", None)])
    assert "n2" not in finding.message
    return finding


@proves(LIMIT, kind=NOT_APPLICABLE, says=["no node runs RHEL or CentOS"])
@pytest.mark.parametrize("image", ["Ubuntu 20.04.4 LTS", "Rocky Linux 8.5 (Green Obsidian)", "AlmaLinux 8.5"])
def test_nodes_without_it(hazard, image):
    return referring(endpoint_slice(pods(0, 9)), nodes=[node("n1", image)])


@proves(LIMIT, kind=NOT_APPLICABLE)
def test_nodes_without_it_where_endpoints_cannot_be_read(hazard):
    return referring(nodes=[node("n1", "Ubuntu 20.04.4 LTS")], broken={SLICES: "forbidden"})


@proves(LIMIT, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {SLICES: "forbidden"}}, id="slices forbidden"),
        pytest.param({"broken": {SLICES: "timed-out"}}, id="slices timed out"),
        pytest.param({"broken": {"endpoints": "forbidden"}}, id="endpoints forbidden"),
        pytest.param({"broken": {"nodes": "forbidden"}}, id="nodes forbidden"),
        pytest.param({"broken": {"*": "unreachable"}}, id="unreachable"),
        pytest.param({"nodes": [node("n1", None)]}, id="no osImage"),
        pytest.param({"nodes": [node("n1", "Ubuntu 20.04.4 LTS"), node("n2", " ")]}, id="an empty osImage"),
        pytest.param({"endpoints": [endpoints_object(9, **{"endpoints.kubernetes.io/over-capacity": "truncated"})],
                      "unserved": True}, id="endpoints that leave out some"),
    ],
)  # fmt: skip
def test_how_many_there_are_cannot_be_known(hazard, world):
    return referring(*([] if world.get("unserved") else [endpoint_slice(pods(0, 9))]), **world)


@proves(LIMIT, kind=UNREADABLE, says=["not even default/kubernetes"])
def test_no_service_has_any_endpoint(hazard):
    return referring()


@proves(LIMIT, kind=UNREADABLE, says=["slice_pods cannot read it"])
def test_slices_of_another_form(hazard):
    return referring(endpoint_slice(["10.0.0.1"]))
