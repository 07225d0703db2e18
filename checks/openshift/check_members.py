"""The members of etcd: whether they are healthy, whether they fit the nodes, and whether one can be removed."""

from __future__ import annotations

import re
import shlex
from typing import Final

from conformance import BEFORE, BLOCKER, CLUSTER, REPAIR, STUCK, Members, Unreadable, clear, found, hazard
from conformance.facts.kubernetes import Node
from conformance.facts.values.etcd import EtcdCluster, EtcdEndpoint, EtcdMember, plain_host
from conformance.facts.values.moments import span

from ..sources import OPENSHIFT_ETCD
from .alarms import RSH, disarmed
from .facts import NAMESPACE, EtcdOperator, NodeSecret, NodeSecrets

#: What the operator says of the members. It counts as available with a majority, whatever becomes of the others.
_COUNT: Final = re.compile(r"(\d+) of (\d+) members are available")
#: Those that it names; one without a name by its address. Source: openshift/cluster-etcd-operator, pkg/etcdcli/health.go.
_BAD: Final = re.compile(r"(?:NAME-PENDING-)?([^\s,]+) (?:is unhealthy|has not started)")


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdecimal()


def node_of(member: EtcdMember, nodes: list[Node]) -> Node | None:
    """The node that a member runs on: by its name, or by its address where it never told a name."""
    named = next((one for one in nodes if member.name and one.name == member.name), None)
    return named or next((one for one in nodes if member.hosts & set(map(plain_host, one.addresses))), None)


# -- health


@hazard(
    "ocp-etcd-member-unhealthy",
    title="an etcd member is not started, is a learner, or does not commit",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=(BEFORE, STUCK),
    source=OPENSHIFT_ETCD.section("検証"),
    remedy="Mend the member before the upgrade: see its pod's log; if it cannot be mended, replace it as documented, and "
    "look with --situation repair at each step.",
)
def check_etcd_members_are_healthy(etcd_seen: Members, operator_seen: Members) -> None:
    told: list[str] = []
    lines: list[str] = []
    unknown = ""
    raised: list[EtcdCluster] = []
    more: list[str] = []
    for etcd in etcd_seen.values():
        try:
            told, lines, others = _unhealthy(etcd)
            raised += [etcd] if etcd.alarms else []
            more = ["# Then look again at the members: none is replaced while an alarm is raised."] if others else []
        except Unreadable as failure:
            unknown = failure.reason
    for operator in operator_seen.values():
        said, shown = _complaints(operator, "; ".join(told))
        told, lines = [*told, *said], [*lines, *shown]
    if told:
        # Where an alarm is raised, no member is to be replaced for it.
        way = [line for etcd in raised for line in (*disarmed(etcd), *more)]
        raise found("; ".join(told), evidence=lines, remedy="\n".join(way) if way else None)
    if unknown:
        raise Unreadable(unknown)


def _unhealthy(etcd: EtcdCluster) -> tuple[list[str], list[str], bool]:
    """What is wrong with members, the lines that show it, and whether it is more than an alarm.

    :raises Unreadable: nothing is wrong as far as was seen, and not all was seen.
    """
    failing = [one for one in etcd.endpoints if one.healthy is False]
    if etcd.unlisted and (failing or not etcd.has_quorum):
        told = [f"{one.url} {_ill(one)}" for one in failing]
        errors = [f"{one.url}: {error}" for one in etcd.endpoints for error in one.errors]
        return told or ["etcd has no leader"], [*told, *errors, etcd.unlisted], True
    told, lines = [], []
    if etcd.alarms:
        told = [f"alarm {', '.join(etcd.alarms)} is raised: etcd takes no more writes, though its members commit"]
        lines = _alarm_lines(etcd)
    healthy, untried = etcd.committing_voters if etcd.alarms else etcd.healthy_voters, []
    count = len(told)
    for member in etcd.members:
        ends = etcd.endpoints_of(member)
        reasons = [one.health_error for one in ends if one.health_error]
        failed = next((one for one in ends if one.healthy is False), None)
        if not member.started:
            told.append(f"member {member} was added and never started")
        elif member.learner:
            told.append(f"member {member} is still a learner: it has no vote")
        elif member in healthy:
            continue
        elif failed:
            told.append(f"member {member} {_ill(failed)}")
        else:
            untried.append(str(member))
            continue
        urls = ", ".join(member.client_urls) or "no client URL"
        lines.append(f"member {member}: {urls}{'; ' + '; '.join(reasons) if reasons else ''}")
    if untried and not told:
        raise Unreadable(f"whether it commits was asked of no endpoint of {', '.join(untried)}")
    return told, lines, len(told) > count


def _alarm_lines(etcd: EtcdCluster) -> list[str]:
    """What each endpoint says of alarms, by its health and by its status."""
    told = [(one.url, text.strip()) for one in etcd.endpoints for text in (one.health_error, *one.errors) if text]
    return [f"{url}: {text}" for url, text in told if "alarm" in text.lower()]


def _ill(endpoint: EtcdEndpoint) -> str:
    """What is wrong with an endpoint that etcdctl calls unhealthy."""
    word = "commits, and is not healthy" if endpoint.commits else "does not commit"
    return f"{word} ({endpoint.health_error or 'no reason given'})"


def _complaints(operator: EtcdOperator, known: str) -> tuple[list[str], list[str]]:
    """What the operator's conditions say against members beyond what is known, and these conditions as lines."""
    told, lines = [], []
    available, degraded = (operator.conditions.get(f"EtcdMembers{word}") for word in ("Available", "Degraded"))
    if available is not None:
        count = _COUNT.search(available.message)
        if available.status != "True" or (count and int(count[1]) < int(count[2])):
            told.append(available.message or "members are not available")
            lines.append(f"etcd/cluster: EtcdMembersAvailable={available.status}: {available.message}")
    if degraded is not None and degraded.status == "True":
        told.append(degraded.message or "members are degraded")
        lines.append(f"etcd/cluster: EtcdMembersDegraded={degraded.status}: {degraded.message}")
    new = [one for one in told if not known or any(name not in known for name in _BAD.findall(one))]
    return [f"the operator says: {one}" for one in new[:1]], lines


# -- members and nodes


@hazard(
    "ocp-etcd-member-without-node",
    title="the members of etcd and the control-plane nodes differ",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=(BEFORE, STUCK),
    source=OPENSHIFT_ETCD.section("手順"),
    remedy="Remove the member whose node has gone (etcdctl member remove), with its node's secrets; bring etcd to the node "
    "that has no member by a forced redeployment.",
)
def check_members_and_nodes_agree(openshift_etcd: EtcdCluster, control_plane_nodes: list[Node]) -> None:
    told, lines, gone = [], [], []
    holding: dict[str, list[EtcdMember]] = {one.name: [] for one in control_plane_nodes}
    for member in openshift_etcd.members:
        node = node_of(member, control_plane_nodes)
        if node is None:
            told.append(f"member {member} has no control-plane node")
            gone.append(member)
            lines.append(_line(member))
            continue
        holding[node.name].append(member)
        own, hosts = set(map(plain_host, node.addresses)), member.hosts
        if own and hosts and all(_is_address(one) for one in hosts) and not hosts & own:
            told.append(f"member {member} is at {', '.join(sorted(hosts))}, its node at {', '.join(node.addresses)}")
            lines.append(_line(member))
    for name, held in holding.items():
        if not held:
            told.append(f"control-plane node {name} has no member")
            lines.append(f"node {name}: no member of its name or address")
        elif len(held) > 1:
            told.append(f"control-plane node {name} has {len(held)} members: {', '.join(map(str, held))}")
            lines += map(_line, held)
    if not told:
        return
    raise found(
        "; ".join(told),
        evidence=list(dict.fromkeys(lines)),
        remedy="\n".join(_way_out(openshift_etcd, gone)) if gone else None,
    )


def _way_out(etcd: EtcdCluster, gone: list[EtcdMember]) -> list[str]:
    if not etcd.alarms:
        return _removals(etcd, gone)
    names = ", ".join(" ".join(str(one).split()) for one in gone)
    return [*disarmed(etcd), f"# Then look again at {names}: nobody is removed while an alarm is raised."]


def _removals(etcd: EtcdCluster, gone: list[EtcdMember]) -> list[str]:
    """The way out for members without a node: the first is removed, the others after another look."""
    first, *others = [f"  {_removal(etcd, one)}" for one in gone]
    # One that commits runs somewhere: to remove it when pasted could be to remove a good one.
    alive = gone[0] in etcd.committing_voters
    return [
        "# Look first whether one can be removed (--situation repair); then, once its node is gone for good:",
        f"# {gone[0].hex_id} still commits, so look where it runs before:{first}" if alive else first,
        *(f"# and after another look:{one}" for one in others),
    ]


def _removal(etcd: EtcdCluster, member: EtcdMember) -> str:
    """The document's command, in the pod of a healthy member."""
    pod = next((f"etcd-{one.name}" for one in etcd.committing_voters if one.id != member.id), "POD")
    return f"{RSH} {shlex.quote(pod)} etcdctl member remove {member.hex_id}"


def _line(member: EtcdMember) -> str:
    return f"member {member}: peer {', '.join(member.peer_urls) or '(none)'}"


# -- removal


@hazard(
    "ocp-etcd-member-replacement-unsafe",
    title="no etcd member can be removed now: the healthy ones are no majority",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=REPAIR,
    source=OPENSHIFT_ETCD.section("手順"),
    remedy="Remove nobody. Bring members back until a majority is healthy; if that cannot be, restore the cluster from a "
    "backup (cluster-restore.sh on one control-plane node), which makes it anew from a single member.",
)
def check_a_member_can_be_removed(openshift_etcd: EtcdCluster) -> None:
    etcd = openshift_etcd
    if etcd.unlisted and not etcd.has_quorum:
        errors = [f"{one.url}: {error}" for one in etcd.endpoints for error in one.errors]
        raise found("etcd has no leader and so no quorum: it cannot remove anybody", evidence=[*errors, etcd.unlisted])
    voters, healthy = etcd.voters, etcd.committing_voters
    # An alarm makes every endpoint unhealthy: it is no reason to remove a member that commits.
    bad = [one for one in voters if one not in healthy]
    untried = [one for one in bad if one.started and not any(it.healthy is False for it in etcd.endpoints_of(one))]
    names = ", ".join(map(str, bad))
    shown = [_line(one) + (" healthy" if one in healthy else " unhealthy") for one in voters]
    # A quorum of today is what a removal takes. With it, the leaving of an ill member never costs the quorum.
    if not untried and not etcd.has_quorum:
        raise found(
            f"{len(healthy)} of {len(voters)} voting members are healthy, {etcd.quorum} are a majority: "
            f"nothing can be removed while {names} {'is' if len(bad) == 1 else 'are'} down",
            evidence=shown,
        )
    if etcd.alarms:
        raise found(
            f"alarm {', '.join(etcd.alarms)} is raised, and {len(healthy)} of {len(voters)} voting members commit: mend and "
            f"disarm it first, and remove nobody before{f'; then look again at {names}' if bad else ''}",
            evidence=[*_alarm_lines(etcd), *shown],
            remedy="\n".join(disarmed(etcd)),
        )
    if untried:
        raise Unreadable(f"whether it commits was asked of no endpoint of {', '.join(map(str, untried))}")
    if not etcd.alarms_known:
        raise Unreadable("which alarms are raised is not known: etcdctl was unable to fetch the alarm list")
    if not bad:
        raise clear(f"all {len(voters)} voting members are healthy: none of them has to be removed")
    first, left = bad[0], len(voters) - 1
    which = f"{names} can be removed" if len(bad) == 1 else f"{names} can be removed one by one, each looked at anew"
    raise clear(
        f"{len(healthy)} of {len(voters)} voting members are healthy: {which} ({_removal(etcd, first)}). "
        f"After that {len(healthy)} of {left} are healthy, and {etcd.spare_without(first)} of them may fail"
    )


# -- secrets


@hazard(
    "ocp-etcd-stale-secrets",
    title="secrets of a removed etcd member are still there: the new one would take the old certificates",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=REPAIR,
    source=OPENSHIFT_ETCD.section("手順"),
    remedy="Delete the secrets etcd-peer-NODE, etcd-serving-NODE and etcd-serving-metrics-NODE of the removed member's node.",
)
def check_no_secret_is_stale(
    node_secrets: NodeSecrets,
    openshift_etcd: EtcdCluster,
    control_plane_nodes: list[Node],
    etcd_operator: EtcdOperator,
) -> None:
    members = openshift_etcd.members
    places = [(one, node_of(one, control_plane_nodes)) for one in members]
    known = {one.name for one in members if one.started} | {node.name for _, node in places if node}
    nameless = [one for one, node in places if not one.started and node is None]
    there = {one.name for one in control_plane_nodes}
    peers = {one.nodes[0] for one in node_secrets.secrets if one.name.startswith("etcd-peer-")}
    left: dict[str, list[NodeSecret]] = {}
    notes: dict[str, None] = {}
    for one in node_secrets.secrets:
        if known & set(one.nodes):
            continue
        likely = next((node for node in one.nodes if node in peers), one.nodes[0])
        if likely in there and (why := _not_stale(likely, one, etcd_operator, node_secrets)):
            notes[why] = None
        else:
            left.setdefault(likely, []).append(one)
    if left and nameless:
        urls = ", ".join(url for one in nameless for url in one.peer_urls)
        raise Unreadable(
            f"whether {', '.join(left)} {'is' if len(left) == 1 else 'are'} no member any more is not known: "
            f"the member at {urls} never started, so its name is not known, and no node has its address"
        )
    if not left:
        if notes:
            raise clear("; ".join(notes))
        return
    stale = [(name, one) for name, held in sorted(left.items()) for one in held]
    raise found(
        "; ".join(
            f"{', '.join(one.name for one in held)} of {name}, which is no member any more"
            + (" (its node is still there)" if name in there else "")
            for name, held in sorted(left.items())
        ),
        evidence=[
            f"secret {NAMESPACE}/{one.name}: created "
            + (
                f"{one.created:%Y-%m-%d %H:%M:%S} UTC, {span(node_secrets.at - one.created)} ago"
                if one.created
                else "?"
            )
            for _, one in stale
        ],
        remedy=f"oc delete secret -n {NAMESPACE} {shlex.join(one.name for _, one in stale)}\n"
        "# For a node that is still there the operator makes new ones at once: those are not to be deleted again.",
    )


def _not_stale(node: str, secret: NodeSecret, operator: EtcdOperator, secrets: NodeSecrets) -> str:
    """Why a secret of a node that is there, and is no member, is one of the member to be; empty where it is not."""
    revision = operator.revisions.get(node)
    if revision == 0:
        return f"{node} is no member yet: etcd was never brought out on it, its secrets are new"
    degraded = operator.conditions.get("EtcdMembersDegraded")
    if revision and revision in secrets.revisions:
        # Whatever came after it was never in use there.
        since, when = secrets.revisions[revision], f"revision {revision} was made, which is the last that ran there"
    elif degraded and degraded.status == "False" and degraded.since:
        since, when = degraded.since, "no member was degraded any more"
    else:
        return ""
    if secret.created is None or secret.created <= since:
        return ""
    return (
        f"secrets of {node} were made anew after {since:%Y-%m-%d %H:%M:%S} UTC, when {when}: "
        "they are those of the member to be"
    )
