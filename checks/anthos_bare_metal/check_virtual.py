"""Virtual machines of Anthos VM Runtime."""

from __future__ import annotations

import shlex

from conformance import CLUSTER, WARNING, Unreadable, found, hazard

from ..sources import ANTHOS_BARE_METAL
from .facts_virtual import VirtualMachine


@hazard(
    "abm-vm-lost-ip",
    title="running virtual machines have no IP address: their pods were restarted",
    severity=WARNING,
    on=[CLUSTER],
    source=ANTHOS_BARE_METAL.section("Anthos VM ランタイム"),
    remedy="Run dhclient in the virtual machine, so that it gets an address again.",
)
def check_virtual_machines_have_addresses(abm_virtual_machines: list[VirtualMachine]) -> None:
    lost, unclear = [], []
    running = [one for one in abm_virtual_machines if one.phase == "Running"]
    for one in running:
        try:
            if not one.reachable:
                lost.append(one)
        except ValueError as error:
            unclear.append(f"{one.namespace}/{one.name} ({error})")
    if lost:
        commands = [
            # kubectl takes no options in front of the name of a plug-in.
            f"  kubectl virt console --kubeconfig CLUSTER_KUBECONFIG -n {shlex.quote(one.namespace)} {shlex.quote(one.name)}"
            for one in lost
        ]
        raise found(
            f"{len(lost)} of {len(running)} running virtual machines have no IP address: "
            + ", ".join(f"{one.namespace}/{one.name}" for one in lost),
            evidence=[f"virtualmachineinstance {one.namespace}/{one.name}: {_said(one)}" for one in lost],
            remedy="Run dhclient (as root) in each of them:\n" + "\n".join(commands),
        )
    if unclear:
        raise Unreadable(f"what status.interfaces holds is no address: {', '.join(unclear)}")


def _said(one: VirtualMachine) -> str:
    links = "; ".join(f"interface {name}: {', '.join(texts) or 'no address'}" for name, texts in one.interfaces)
    return f"phase Running, {links or 'no interface in its status'}"
