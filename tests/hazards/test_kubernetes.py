"""Hazards of any Kubernetes cluster."""

from __future__ import annotations

import pytest

from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api


def node(name, kubelet="v1.20.8", ip="10.200.0.2", **labels):
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {
            "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}],
            "nodeInfo": {"kubeletVersion": kubelet, "osImage": "Ubuntu 20.04.3 LTS"},
        },
    }


def of_kubelets(*versions, **api):
    return {"prod": Api(objects={"nodes": [node(f"n{n}", text) for n, text in enumerate(versions)]}, **api)}


@proves("k8s-kubelet-dead-connection", kind=PRESENT, says=["1 of 2 nodes", "n1"], line="node n1: kubeletVersion v1.1")
@pytest.mark.parametrize("version", ["v1.16.0", "v1.17.9-gke.1504", "v1.18.20", "v1.17.17+k3s1", "v1.18.0-rc.1"])
def test_kubelets_with_the_old_go(hazard, version):
    finding = evaluate(hazard, clusters=of_kubelets("v1.19.1", version))
    assert version in finding.message
    assert "n0" not in finding.message
    return finding


@proves("k8s-kubelet-dead-connection", kind=ABSENT)
@pytest.mark.parametrize("version", ["v1.19.0", "v1.15.12", "v1.19.0-rc.1", "v1.20.9-gke.1500", "v2.0.0", "v1.30.1"])
def test_kubelets_without_it(hazard, version):
    return evaluate(hazard, clusters=of_kubelets(version))


@proves("k8s-kubelet-dead-connection", kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_kubelets_of_a_cluster_that_stays(hazard):
    return evaluate(hazard, clusters=of_kubelets("v1.17.9", upgrade="none"))


@proves("k8s-kubelet-dead-connection", kind=UNREADABLE)
@pytest.mark.parametrize(
    "clusters",
    [
        pytest.param(of_kubelets(), id="no node at all"),
        pytest.param(of_kubelets("v1.19.1", ""), id="a node without a version"),
        pytest.param(of_kubelets("v1.19.1", "unknown"), id="a node whose version is none"),
        pytest.param(of_kubelets("v1.17.1", broken={"nodes": "forbidden"}), id="forbidden"),
        pytest.param(of_kubelets("v1.17.1", broken={"*": "unreachable"}), id="unreachable"),
        pytest.param({"prod": Api(connected=False, manager="other"), "other": Api()}, id="no kubeconfig"),
    ],
)
def test_kubelets_cannot_be_known(hazard, clusters):
    return evaluate(hazard, clusters=clusters, subject="prod")


@proves("k8s-kubelet-dead-connection", kind=PRESENT, says=["n0 (v1.17.9)"])
def test_an_affected_kubelet_is_found_beside_one_that_cannot_be_known(hazard):
    return evaluate(hazard, clusters=of_kubelets("v1.17.9", ""))
