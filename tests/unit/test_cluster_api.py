"""Cluster API objects in v1beta1 and v1beta2, and what belongs to what."""

from __future__ import annotations

import pytest

from conformance.answers import Unreadable
from conformance.facts.cluster_api import capi_cluster, capi_control_plane, capi_machines, correlate
from conformance.facts.kubernetes import Node
from conformance.facts.values.capi import CapiCluster, ControlPlane, Machine, MachineGroup
from conformance.subjects import Subject

OLD = {"type": "Ready", "status": "False", "severity": "Warning", "reason": "ScalingUp", "message": "2 of 3"}
NEW = {"type": "Available", "status": "True", "reason": "Available", "message": "", "lastTransitionTime": "t"}
BETA1 = {"status": {"conditions": [OLD], "v1beta2": {"conditions": [NEW]}}}
BETA2 = {"status": {"conditions": [NEW], "deprecated": {"v1beta1": {"conditions": [OLD]}}}}


def obj(name="prod", namespace="ns", spec=None, status=None, **meta):
    return {"metadata": {"name": name, "namespace": namespace, **meta}, "spec": spec or {}, "status": status or {}}


def machine(name, node=None, cluster="prod", **status):
    status.update({"nodeRef": {"name": node}} if node else {})
    return Machine.of(obj(name, spec={"clusterName": cluster}, status=status))


def node(name, *addresses):
    return Node(name, ("worker",), addresses, addresses[0] if addresses else None, "v1.30.1", "")


@pytest.mark.parametrize("written", [BETA1, BETA2])
def test_conditions_of_both_versions(written):
    one = CapiCluster.of({**obj(), **written})
    assert (one.health.type, one.health.is_true) == ("Available", True)
    assert (one.condition("Ready").severity, str(one.condition("Ready"))) == (
        "Warning",
        "Ready=False (ScalingUp: 2 of 3)",
    )
    assert one.condition("Paused") is None


def test_without_conditions_nothing_is_said():
    assert CapiCluster.of(obj()).health is None


@pytest.mark.parametrize("key", ["updatedReplicas", "upToDateReplicas"])
def test_a_control_plane_counts(key):
    full = {"replicas": 3, "readyReplicas": 3, key: 3, "version": "v1.30.1", "observedGeneration": 4}
    spec = {"replicas": 3, "version": "v1.30.1"}
    assert ControlPlane.of(obj(spec=spec, status=full, generation=4)).complete
    assert not ControlPlane.of(obj(spec=spec, status=full, generation=5)).complete
    assert not ControlPlane.of(obj(spec=spec, status={**full, "readyReplicas": 2}, generation=4)).complete
    # A fourth machine is there while one after the other is replaced.
    assert not ControlPlane.of(obj(spec=spec, status={**full, "replicas": 4}, generation=4)).complete
    assert not ControlPlane.of(obj(spec=spec, generation=4)).complete


def test_a_machine_deployment_says_its_version_in_its_template():
    assert MachineGroup.of(obj(spec={"template": {"spec": {"version": "v1.22.17"}}})).version == "v1.22.17"


def test_machines():
    one = Machine.of(
        obj(
            "prod-etcd-1",
            labels={"cluster.x-k8s.io/cluster-name": "prod", "cluster.x-k8s.io/etcd-cluster": "prod-etcd"},
            annotations={"cluster.x-k8s.io/paused": ""},
            deletionTimestamp="2026-01-01T00:00:00Z",
            ownerReferences=[{"kind": "EtcdadmCluster", "name": "prod-etcd"}],
        )
    )
    assert (one.cluster, one.paused, one.deleted, one.is_etcd) == ("prod", True, "2026-01-01T00:00:00Z", True)
    assert not one.is_control_plane
    assert Machine.of(obj(labels={"cluster.x-k8s.io/control-plane": ""})).is_control_plane


def test_the_cluster_of_a_subject():
    prod, other = CapiCluster.of(obj()), CapiCluster.of(obj("other"))
    assert capi_cluster([prod, other], Subject("prod", "cluster", manager="mgmt")) is prod
    assert capi_cluster([other], Subject("context@admin", "cluster")) is other
    for held, subject in (
        ([other], Subject("prod", "cluster", manager="mgmt")),
        ([], Subject("prod", "cluster")),
        ([prod, other], Subject("mgmt", "cluster")),
        ([prod, CapiCluster.of(obj(namespace="b"))], Subject("prod", "cluster")),
    ):
        with pytest.raises(Unreadable):
            capi_cluster(held, subject)


def test_the_control_plane_of_a_cluster():
    named = CapiCluster.of(obj(spec={"controlPlaneRef": {"kind": "KubeadmControlPlane", "name": "prod-cp"}}))
    planes = [
        ControlPlane.of(obj("prod-cp", "elsewhere")),
        ControlPlane.of(obj("other-cp")),
        ControlPlane.of(obj("prod-cp")),
    ]
    assert capi_control_plane(planes, named) is planes[2]
    with pytest.raises(Unreadable, match="prod-cp"):
        capi_control_plane(planes[:2], named)


def test_the_machines_of_a_cluster():
    prod = CapiCluster.of(obj())
    machines = [machine("a"), machine("b", cluster="other")]
    assert capi_machines(machines, prod) == machines[:1]
    with pytest.raises(Unreadable, match="no Machine"):
        capi_machines(machines[1:], prod)


def test_machine_node_and_host_belong_together():
    machines = [
        machine("m1", "n1"),
        machine("m2", addresses=[{"type": "InternalIP", "address": "2001:DB8:0:0::2"}]),
        machine("m3", "gone"),
        machine("n4"),
    ]
    nodes = [node("n1", "10.0.0.1"), node("n2", "2001:db8::2"), node("n4")]
    found = correlate(machines, nodes, {"alpha": ["10.0.0.1"], "n4": [], "beta": ["2001:db8::2"], "gone": ["10.9.9.9"]})
    assert [(one.machine.name, one.node and one.node.name, one.host) for one in found] == [
        ("m1", "n1", "alpha"),
        ("m2", "n2", "beta"),
        ("m3", None, "gone"),
        ("n4", "n4", "n4"),
    ]
