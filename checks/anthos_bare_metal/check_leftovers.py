"""What an earlier cluster left on a machine."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_address

from conformance import NODE, WARNING, Members, NotApplicable, Unreadable, found, hazard
from conformance.facts.kubernetes import Node
from conformance.subjects import Subject

from ..sources import ANTHOS_BARE_METAL
from .facts_addresses import is_virtual
from .facts_machines import Leftovers

CONFIG = "/etc/containerd/config.toml"


@hazard(
    "abm-reset-leftovers",
    title="a machine that is in no cluster yet still has the containerd of an earlier one, which bmctl reset leaves behind",
    severity=WARNING,
    on=[NODE],
    source=ANTHOS_BARE_METAL.section("containerd サービス"),
    remedy="Stop the containerd service and remove its configuration and programs before the machine is added.",
)
def check_machine_is_clean(
    abm_nodes_of_all: Members,
    addresses: dict[str, list[IPv4Interface | IPv6Interface]],
    abm_containerd_leftovers: Leftovers,
    subject: Subject,
) -> None:
    own = {str(one.ip) for name, held in addresses.items() if not is_virtual(name) for one in held}
    for cluster, held in abm_nodes_of_all.items():
        member = next((one for one in held if _is(one, subject.name, own)), None)
        if member is not None:
            raise NotApplicable(f"it is node {member.name} of cluster {cluster}")
    for cluster, failure in abm_nodes_of_all.unread.items():
        raise Unreadable(f"whether it is a node of cluster {cluster} is not known: {failure.reason}", subject=cluster)
    if not abm_nodes_of_all:
        raise Unreadable("whether it is a node of any cluster is not known: name the clusters (--kubeconfig)")
    there = abm_containerd_leftovers
    # Docker's packages bring a containerd that runs, with a configuration that does not serve Kubernetes.
    running = there.state == "active" and bool(there.binaries) and not there.docker
    if there.config != "cri" and not running:
        return
    if there.kubelet == "active":
        raise Unreadable(
            "it runs a kubelet, so it is a node of some cluster; of none that is looked at: name that cluster, or reset it"
        )
    lines = [CONFIG] if there.config else []
    lines += [*there.binaries, f"containerd.service: ActiveState={there.state}"]
    parts = [f"configuration {CONFIG}"] if there.config else []
    parts += [f"programs {', '.join(there.binaries)}"] if there.binaries else []
    parts += ["a running containerd service"] if there.state == "active" else []
    raise found(
        f"it is a node of no cluster yet, and has of an earlier one: {'; '.join(parts)}",
        evidence=lines,
        remedy="Make sure that nothing else uses this machine. Then, before it is added:\n"
        "  systemctl disable --now containerd\n"
        + (f"  rm -r {CONFIG.rpartition('/')[0]}\n" if there.config else "")
        + "and remove the package that containerd is from (apt-get purge containerd.io; dnf remove containerd.io)"
        + (f", or the programs themselves: rm {' '.join(there.binaries)}" if there.binaries else ""),
    )


def _is(node: Node, name: str, own: set[str]) -> bool:
    """Whether a node is the machine of that name and these addresses."""
    return node.name in (name, name.rpartition("/")[2]) or any(
        _plain(one) in own for one in (*node.addresses, node.name)
    )


def _plain(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text
