"""The redirect of port 443 to the API server, which an upgrade to 1.8 needs and 1.9 does not."""

from __future__ import annotations

import shlex
from ipaddress import IPv4Address
from typing import Final

from conformance import BLOCKER, CONTROL_PLANE, WARNING, Unreadable, found, hazard
from conformance.facts.linux_network import PacketFilter
from conformance.facts.values.netfilter import InvalidRules, Probe

from ..sources import ANTHOS_BARE_METAL

_SECTION: Final = ANTHOS_BARE_METAL.section("特定のロードバランサ構成のため 1.7.x からクラスタをアップグレードできない")
_PORT: Final = 6444
_RULE: Final = "OUTPUT -p tcp -o lo --dport 443 -j REDIRECT --to-ports 6444"
_SHOWN: Final = 10
#: Program that lists rules -> the one that deletes them.
_EDITS: Final = {
    "iptables-save": "iptables",
    "iptables-legacy-save": "iptables-legacy",
    "iptables-nft-save": "iptables-nft",
}


@hazard(
    "abm-lb-healthcheck-port",
    title="the health check of the upgrade job asks port 443, and the API server of this node listens on 6444",
    severity=BLOCKER,
    on=[CONTROL_PLANE],
    upgrade_from=">=1.7,<1.9",
    upgrade_to="==1.8.*",
    source=_SECTION,
    remedy=f"sudo iptables -t nat -I {_RULE} - and keep it while the cluster is 1.8.x.",
)
def check_health_check_is_redirected(
    abm_separate_balancer: str, packet_filter: PacketFilter, abm_own_addresses: frozenset[IPv4Address] | None
) -> None:
    try:
        answer = packet_filter.redirect(Probe(443, own=abm_own_addresses), _PORT)
    except InvalidRules as error:
        raise Unreadable(f"the packet filter rules are not understood: {error}") from None
    if answer.certain is None:
        raise Unreadable(
            f"whether 127.0.0.1:443 is redirected to {_PORT} cannot be told from these rules: "
            f"{'; '.join(answer.lines[:_SHOWN])}: try curl -k https://127.0.0.1/healthz on this node"
        )
    if not answer.certain:
        raise found(
            f"{abm_separate_balancer}, and no NAT rule sends 127.0.0.1:443 to {_PORT} on this node: the job cal-update "
            "fails at every reconciliation",
            evidence=answer.lines[:_SHOWN] or [f"nat OUTPUT: no rule sends 127.0.0.1:443 to {_PORT}"],
            remedy=f"Before the upgrade, on this node:\n  sudo iptables -t nat -I {_RULE}\n"
            "Keep it (also over a reboot) while the cluster is 1.8.x; take it away once the cluster is 1.9.0 or later.",
        )


@hazard(
    "abm-lb-redirect-leftover",
    title="the redirect of port 443 to 6444, needed by 1.8 alone, is still there",
    severity=WARNING,
    on=[CONTROL_PLANE],
    upgrade_from=">=1.9",
    source=_SECTION,
    remedy=f"sudo iptables -t nat -D {_RULE}",
)
def check_no_redirect_is_left(packet_filter: PacketFilter, abm_own_addresses: frozenset[IPv4Address] | None) -> None:
    probe = Probe(443, own=abm_own_addresses)
    try:
        left = packet_filter.redirecting(probe, _PORT)
        undecided = "" if left else _undecided(packet_filter, probe)
    except InvalidRules as error:
        raise Unreadable(f"the packet filter rules are not understood: {error}") from None
    if left:
        raise found(
            f"{len(left)} NAT rule{'s' if len(left) > 1 else ''} of this node still send{'s' if len(left) == 1 else ''} "
            f"127.0.0.1:443 to {_PORT}: {'; '.join(f'{line} ({program})' for program, _, line in left)}",
            evidence=[line for _, _, line in left],
            remedy="On this node, and where the rules are kept for the next boot:\n"
            + "\n".join(f"  {_deletion(program, table, line)}" for program, table, line in left),
        )
    if undecided:
        raise Unreadable(undecided)


def _undecided(rules: PacketFilter, probe: Probe) -> str:
    answer = rules.redirect(probe, _PORT)
    if answer.certain is None:
        return (
            f"whether 127.0.0.1:443 is redirected cannot be told from these rules: {'; '.join(answer.lines[:_SHOWN])}"
        )
    return ""


def _deletion(program: str, table: str, line: str) -> str:
    if program not in _EDITS:
        return (
            f"sudo nft -a list ruleset shows the rule's handle in table {shlex.quote(table)}; then sudo nft delete rule"
        )
    return f"sudo {_EDITS[program]} -t {shlex.quote(table)} {shlex.join(['-D', *shlex.split(line)[1:]])}"
