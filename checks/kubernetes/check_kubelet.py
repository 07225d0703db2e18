"""Kubelets."""

from __future__ import annotations

from conformance import BLOCKER, CLUSTER, NODE, WARNING, Specifier, Unreadable, Version, found, hazard
from conformance.change import Upgrade
from conformance.facts.kubernetes import Node
from conformance.facts.values.kubeletconfig import KubeletConfig
from conformance.facts.values.mounts import MountTable
from conformance.versions import InvalidVersion

from ..sources import CGROUP_V1, DEAD_KUBELET

_AFFECTED = Specifier.parse(">=1.16,<1.19")


@hazard(
    "k8s-kubelet-dead-connection",
    title="kubelets that may retry for ever on a dead connection: the node drops out while its pods run on",
    severity=WARNING,
    on=[CLUSTER],
    fixed="1.19",
    source=DEAD_KUBELET,
    remedy="Upgrade the kubelets to 1.19 or later; until then, restart a node that drops out.",
)
def check_kubelets_reconnect(nodes: list[Node]) -> None:
    versions = {one.name: _version(one.kubelet) for one in nodes}
    affected = [one for one in nodes if (version := versions[one.name]) and version in _AFFECTED]
    if affected:
        raise found(
            f"{len(affected)} of {len(nodes)} nodes run an affected kubelet: "
            + ", ".join(f"{one.name} ({one.kubelet})" for one in affected),
            evidence=[f"node {one.name}: kubeletVersion {one.kubelet}" for one in affected],
        )
    silent = [name for name, version in versions.items() if version is None]
    if silent:
        raise Unreadable(f"the kubelet's version is not known of: {', '.join(silent)}")


def _version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except InvalidVersion:
        return None


@hazard(
    "k8s-cgroup-v1",
    title="the machine runs cgroup v1, and the kubelet refuses it from 1.35 on",
    severity=BLOCKER,
    on=[NODE],
    upgrade_to=">=1.35",
    source=CGROUP_V1,
    remedy="Boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1 on the kernel command line, or a current "
    "distribution); or, for now, set failCgroupV1: false in the kubelet's configuration.",
)
def check_kubelet_accepts_cgroups(
    cgroup_version: str, mounts: MountTable, cgroup_v1_kubelet: KubeletConfig | None, upgrade: Upgrade
) -> None:
    if cgroup_v1_kubelet is None:
        return
    target = upgrade.target or Version.parse("1.35")
    if cgroup_v1_kubelet.refuses_cgroup_v1(target):
        told = (
            f"{cgroup_v1_kubelet.set_in} sets failCgroupV1: true"
            if cgroup_v1_kubelet.set_in
            else "failCgroupV1 is not set"
        )
        raise found(
            f"the machine runs cgroup {cgroup_version} and {told}: the kubelet of {target} will not start",
            evidence=[one.line for one in mounts if one.fstype == "cgroup"][:1],
        )
