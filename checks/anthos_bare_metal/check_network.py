"""The network of the nodes: reverse path filtering, and firewalld."""

from __future__ import annotations

import shlex

from conformance import BLOCKER, NODE, WARNING, Unreadable, found, hazard
from conformance.facts.linux_network import Firewalld
from conformance.facts.values.osrelease import OsRelease
from conformance.facts.values.sysctl import Assignment, SysctlSettings

from ..sources import ANTHOS_BARE_METAL
from .facts_network import CiliumChains

_KEY = "net.ipv4.conf.all.rp_filter"
_RESTART = (
    "kubectl --kubeconfig KUBECONFIG get pods -n kube-system -o wide (the one called anetd-... on this node), then "
    "kubectl --kubeconfig KUBECONFIG delete pods -n kube-system ANETD_POD"
)


@hazard(
    "abm-rp-filter",
    title="reverse path filtering is on: pods time out when they talk to what is outside their node",
    severity=BLOCKER,
    on=[NODE],
    source=ANTHOS_BARE_METAL.section("I/O タイムアウトとリバースパス フィルタリングによる Pod 接続の失敗"),
    remedy=f"sysctl -w {_KEY}=0 (or restart the node's anetd pod), and mend the file in sysctl.d that sets it.",
)
def check_reverse_path_filter_is_off(rp_filter: int, sysctl_settings: SysctlSettings) -> None:
    boot, manual = sysctl_settings.at_boot(_KEY), sysctl_settings.by_sysctl(_KEY)
    lines = list(dict.fromkeys(one for one in (boot, manual) if one is not None and one.as_int))
    if rp_filter:
        why = f"; {' and '.join(map(_place, lines))} so" if lines else ""
        raise found(
            f"{_KEY} is {rp_filter}, and must be 0{why}",
            evidence=[f"{_KEY}: {rp_filter}", *(one.line for one in lines)],
            remedy=f"sysctl -w {_KEY}=0 - or restart anetd on this node: {_RESTART}.{_mend(lines)}",
        )
    if lines:
        when = {
            (True, True): "at the next boot",
            (True, False): "at the next boot",
            (False, True): "with the next `sysctl --system`",
        }[bool(boot and boot.as_int), bool(manual and manual.as_int)]
        raise found(
            f"{_KEY} is 0 now, but {' and '.join(f'{_place(one)} to {one.value}' for one in lines)} {when}",
            evidence=[one.line for one in lines],
            remedy=_mend(lines).strip(),
            lower=True,
        )


def _place(line: Assignment) -> str:
    return f"{line.path} line {line.number} sets it"


def _mend(lines: list[Assignment]) -> str:
    if not lines:
        return ""
    places = " and ".join(f"line {one.number} of {shlex.quote(one.path)}" for one in lines)
    return (
        f" Take {places} out, or outdo it in a later file: echo {shlex.quote(f'{_KEY} = 0')} > "
        "/etc/sysctl.d/zz-anthos-rp-filter.conf (systemd) and in /etc/sysctl.conf (sysctl --system)."
    )


@hazard(
    "abm-firewalld-cilium",
    title="firewalld deletes Cilium's chains when it changes: pods lose the network outside their node",
    severity=WARNING,
    on=[NODE],
    source=ANTHOS_BARE_METAL.section("firewalld の変更で Cilium iptable ポリシー チェーンが消去される"),
    remedy="Restart the anetd pod of the node after every change of firewalld, and keep firewalld from being changed "
    "(systemctl restart firewalld, firewall-cmd --reload) while the cluster runs.",
)
def check_firewalld_leaves_cilium_alone(
    abm_red_hat_host: OsRelease, firewalld: Firewalld, abm_cilium_chains: CiliumChains
) -> None:
    missing = abm_cilium_chains.missing
    lost = (
        f"anetd runs, and table {' and table '.join(missing)} holds no CILIUM chain: the pods of this node have no "
        "network outside it"
        if missing
        else ""
    )
    keep = "keep firewalld as it is while the cluster runs: no restart, no firewall-cmd --reload"
    if firewalld.active:
        note = f" (whether Cilium's chains are there is not known: {abm_cilium_chains.unknown})"
        raise found(
            f"firewalld is active on {abm_red_hat_host}"
            + (f", and {lost}" if lost else ": each restart or reload of it deletes Cilium's chains")
            + (note if abm_cilium_chains.unknown else ""),
            evidence=[firewalld.line],
            remedy=f"Restart anetd on this node: {_RESTART}. Then {keep}."
            if lost
            else f"Before the upgrade {keep}. "
            f"If it has to be changed, restart anetd on this node afterwards: {_RESTART}.",
        )
    if lost:
        raise found(
            lost, evidence=[f"CILIUM chains: none in {', '.join(missing)}"], remedy=f"Restart anetd: {_RESTART}."
        )
    if abm_cilium_chains.unknown:
        raise Unreadable(f"whether Cilium's chains are there is not known: {abm_cilium_chains.unknown}")
    if firewalld.enabled:
        raise found(
            "firewalld is not active now, but it is enabled and starts at the next boot",
            evidence=[firewalld.line],
            remedy="systemctl disable firewalld",
            lower=True,
        )
