"""Hazards of Services, node pools and virtual machines, made real in an API server and found by a run of the suite."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clusters.anthos import PROFILE, cluster, namespace, node, node_pool
from tests.clusters.crds import BARE_METAL
from tests.lab.controlplane import ControlPlane
from tests.running import Result, preflight

LOCAL, EGRESS, LIMIT = "abm-l2-external-traffic-local", "abm-egress-source-ip-duplicate", "abm-endpoint-limit"
EDITED, VM = "abm-nodepool-edited", "abm-vm-lost-ip"
CRDS = Path(__file__).parent / "crds"
OPTIONAL = (CRDS / "networking.gke.io_egressnatpolicies.yaml", CRDS / "kubevirt.io_virtualmachineinstances.yaml")
#: Pods of each of two Services that select the same ones, and pods in one EndpointSlice: the most that is allowed.
PODS, SLICE = 40_000, 1000


def of_kind(kind: str, name: str, version: str = "v1", where: str | None = "shop", **fields: Any) -> dict[str, Any]:
    meta = {"name": name, **({"namespace": where} if where else {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **fields}


def service(name: str, **spec: Any) -> dict[str, Any]:
    return of_kind("Service", name, spec={"selector": {"app": name}, "ports": [{"port": 80}], **spec})


def slices(service: str) -> Iterator[dict[str, Any]]:
    """The EndpointSlices of a Service as its controller would write them; none runs in the lab."""
    for first in range(0, PODS, SLICE):
        found = of_kind("EndpointSlice", f"{service}-{first}", "discovery.k8s.io/v1", addressType="IPv4")
        found["metadata"]["labels"] = {"kubernetes.io/service-name": service}
        found["endpoints"] = [
            {
                "addresses": [f"10.200.{n >> 8}.{n & 255}"],
                "targetRef": {"kind": "Pod", "namespace": "shop", "name": f"web-{n}"},
            }
            for n in range(first, first + SLICE)
        ]
        yield found


def egress(name: str, where: str, address: str) -> dict[str, Any]:
    spec = {"action": "SNAT", "egressSourceIP": address, "destinations": [{"cidr": "198.51.100.0/24"}]}
    return of_kind("EgressNATPolicy", name, "networking.gke.io/v1alpha1", where, spec=spec)


def machine(name: str, phase: str, *addresses: str) -> dict[str, Any]:
    link = {"name": "default", "mac": "02:00:00:00:00:01"}
    if addresses:
        link |= {"ipAddress": addresses[0], "ipAddresses": list(addresses)}
    return of_kind(
        "VirtualMachineInstance", name, "kubevirt.io/v1", spec={}, status={"phase": phase, "interfaces": [link]}
    )


@pytest.fixture(scope="module")
def lab(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    plane = control_plane
    plane.apply(*BARE_METAL, keep=True)
    plane.apply(*OPTIONAL)
    plane.apply(namespace("shop"), namespace("office"), namespace("cluster-prod-admin"))
    own = cluster("prod-admin", "hybrid", nodes=["192.0.2.1", "192.0.2.2", "192.0.2.3"], balancers=["192.0.2.8"])
    plane.apply(own, node_pool("prod-admin", "192.0.2.11", name="workers"))
    plane.apply(node_pool("prod-admin", "192.0.2.3", "192.0.2.1", "192.0.2.2", name="prod-admin"))
    plane.apply(node_pool("prod-admin", "192.0.2.8", name="prod-admin-lb"))
    plane.apply(node("n1", "192.0.2.1", "v1.21.5"), node("n2", "192.0.2.11", "v1.21.5"))
    centos = node("n2", "192.0.2.11", "v1.21.5")
    centos["status"]["nodeInfo"]["osImage"] = "CentOS Linux 8"
    plane.set_status(centos)
    plane.apply(
        service("door", type="LoadBalancer", externalTrafficPolicy="Local"),
        service("window", type="NodePort"),
        service("back"),
        service("also-back"),
    )
    plane.apply(*slices("back"), *slices("also-back"))
    plane.apply(egress("out", "shop", "2001:db8::9"), egress("out", "office", "2001:DB8:0::0009"))
    plane.apply(egress("in", "office", "2001:db8::8"))
    plane.apply(machine("till", "Running"), machine("desk", "Running", "10.200.250.1"), machine("store", "Succeeded"))
    yield plane
    plane.reset()


def run_on(plane: ControlPlane, place: Path, *args: str) -> Result:
    kubeconfig = plane.kubeconfig(context="prod-admin", path=place / "kubeconfig")
    return preflight(PROFILE, "--examine=clusters", f"--kubeconfig={kubeconfig}", *args, cwd=place)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("services")


@pytest.fixture(scope="module")
def run(lab: ControlPlane, place: Path) -> Result:
    """The run after somebody has edited the control plane's NodePool."""
    path = "/apis/baremetal.cluster.gke.io/v1/namespaces/cluster-prod-admin/nodepools/prod-admin"
    held = lab.api.request("GET", path)
    held["spec"]["nodes"].append({"address": "192.0.2.4"})
    held["spec"]["labels"] = {"rack": "b"}
    lab.api.request("PUT", path, held)
    return run_on(lab, place, f"--save-snapshot={place / 'kept.json.gz'}")


def found(run: Result, hazard: str) -> tuple[str, str, list[str]]:
    """Outcome, message and lines of evidence of the finding on the cluster."""
    one = run.finding(hazard, "prod-admin")
    return one["outcome"], one["message"], [line for held in one["evidence"] for line in held["lines"]]


@pytest.mark.real("abm-l2-external-traffic-local")
def test_a_service_that_keeps_traffic_on_its_node(run: Result) -> None:
    outcome, message, lines = found(run, LOCAL)
    assert (outcome, lines) == ("warning", ["service shop/door: type LoadBalancer, externalTrafficPolicy Local"])
    assert "1 of 2 Services" in message


@pytest.mark.real("abm-egress-source-ip-duplicate")
def test_two_spellings_of_one_egress_address(run: Result) -> None:
    outcome, message, lines = found(run, EGRESS)
    assert outcome == "warning", message
    assert "egressSourceIP 2001:db8::9 is used by 2 EgressNATPolicies: office/out, shop/out" in message
    assert "egressnatpolicy office/out: egressSourceIP 2001:DB8:0::0009" in lines


@pytest.mark.real("abm-endpoint-limit")
def test_two_services_over_the_same_pods_come_near_the_limit(run: Result, place: Path) -> None:
    outcome, message, lines = found(run, LIMIT)
    assert outcome == "warning", message
    assert "near the limit of 100,000" in message
    assert message.endswith("have: n2")
    assert f"{2 * PODS:,} pods" in message
    assert lines[:2] == [f"service shop/also-back: {PODS} pods", f"service shop/back: {PODS} pods"]
    assert (place / "kept.json.gz").stat().st_size < 1_500_000


@pytest.mark.real("abm-nodepool-edited")
def test_the_control_plane_s_pool_was_edited(run: Result) -> None:
    outcome, message, lines = found(run, EDITED)
    pool = "nodepool cluster-prod-admin/prod-admin:"
    assert (outcome, lines) == (
        "warning",
        [f"{pool} node 192.0.2.4 is only in the NodePool", f"{pool} label rack is only in the NodePool"],
    ), message


@pytest.mark.real("abm-vm-lost-ip")
def test_a_machine_lost_its_address(run: Result) -> None:
    outcome, message, lines = found(run, VM)
    assert (outcome, lines) == (
        "warning",
        ["virtualmachineinstance shop/till: phase Running, interface default: no address"],
    ), message
    assert "1 of 2 running" in message


def test_the_ways_out_lead_out(run: Result, lab: ControlPlane, place: Path) -> None:
    """What the remedies say is done: the patch of the Service as it is printed; and optional kinds are taken away."""
    line = run.finding(LOCAL, "prod-admin")["remedy"].splitlines()[-1]
    patch = shlex.split(line)[-1]
    content = "application/strategic-merge-patch+json"
    _patch(lab, "/api/v1/namespaces/shop/services/door", patch, content)
    lab.apply(node_pool("prod-admin", "192.0.2.1", "192.0.2.2", "192.0.2.3", name="prod-admin"))
    lab.delete(*slices("also-back"), *OPTIONAL)
    path = "/apis/baremetal.cluster.gke.io/v1/namespaces/cluster-prod-admin/nodepools/prod-admin"
    _patch(lab, path, '{"spec":{"labels":null}}', "application/merge-patch+json")
    again = run_on(lab, place)
    outcomes = {hazard: again.finding(hazard, "prod-admin")["outcome"] for hazard in (LOCAL, LIMIT, EDITED, EGRESS, VM)}
    assert outcomes == {
        LOCAL: "clear",
        LIMIT: "clear",
        EDITED: "clear",
        EGRESS: "not-applicable",
        VM: "not-applicable",
    }


def _patch(lab: ControlPlane, path: str, body: str, content: str) -> None:
    lab.api.request("PATCH", path, json.loads(body), content_type=content)
