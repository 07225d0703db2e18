"""The container runtime of a cluster's nodes."""

from __future__ import annotations

from typing import Final

from conformance import NotApplicable, Unreadable, Version, cluster_fact
from conformance.reads.projection import value_at

from .facts import AbmCluster

__all__ = ["abm_containerd", "abm_runtime", "container_runtime"]

#: From this version on a cluster that names no runtime runs containerd; before it, docker.
_CONTAINERD_SINCE: Final = (1, 8)


def container_runtime(cluster: AbmCluster) -> str:
    """``containerd`` or ``docker``: spec.nodeConfig.containerRuntime, else the default of the version that it runs.

    Source: the known issues of the platform, "マルチ NIC、containerd、プロキシを使用しているときに、クラスタの作成に失敗する":
    containerd is the default of 1.8. (Another section, on flapping nodes, says docker where none is set; that is so
    up to 1.7.)

    :raises Unreadable: neither runtime nor version is set, or it is another runtime.
    """
    text = str(value_at(cluster.spec, "nodeConfig.containerRuntime") or "").strip().lower()
    if text in ("containerd", "docker"):
        return text
    if text:
        raise Unreadable(
            f"Cluster {cluster.name} has spec.nodeConfig.containerRuntime {text!r}, not containerd or docker"
        )
    version = cluster.spec.get("anthosBareMetalVersion")
    if not version:
        raise Unreadable(
            f"Cluster {cluster.name} has neither spec.nodeConfig.containerRuntime nor spec.anthosBareMetalVersion"
        )
    return "containerd" if Version.parse(str(version)).release[:2] >= _CONTAINERD_SINCE else "docker"


@cluster_fact()
def abm_runtime(abm_cluster: AbmCluster) -> str:
    """``containerd`` or ``docker``, of the very cluster; see `container_runtime`."""
    return container_runtime(abm_cluster)


@cluster_fact()
def abm_containerd(abm_cluster: AbmCluster) -> AbmCluster:
    """The Cluster object of a cluster that runs containerd; docker rules it out."""
    runtime = container_runtime(abm_cluster)
    if runtime != "containerd":
        raise NotApplicable(f"cluster {abm_cluster.name} runs {runtime}, not containerd")
    return abm_cluster
