"""Upgrades and deletions that hang."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from conformance import (
    BEFORE,
    BLOCKER,
    CLUSTER,
    STUCK,
    HazardFound,
    NotApplicable,
    Unreadable,
    clear,
    found,
    hazard,
)
from conformance.change import Upgrade
from conformance.hazards import Situation
from conformance.reads import MatchedLogs
from conformance.subjects import Subject

from ..sources import ANTHOS_BARE_METAL
from .facts import AbmCluster, Machine, cluster_of, is_user
from .facts_operations import KIND, OPERATOR, ClusterState, Namespace, bootstraps_of, word
from .manifests import Refused, refused

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SHOWN = 500


@hazard(
    "abm-manifests-operation-error",
    title="the cluster operator cannot update a resource, and the upgrade does not go on",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=STUCK,
    source=ANTHOS_BARE_METAL.section("error during manifests operations でアップグレード進まない"),
    remedy=f"Remove the annotation {LAST_APPLIED} from each resource named, and upgrade again.",
)
def check_operator_updates_manifests(
    abm_operator_logs: MatchedLogs,
    abm_cluster_states: list[ClusterState],
    abm_standings: list[Subject],
    upgrades: Mapping[str, Upgrade],
    subject: Subject,
) -> None:
    where = subject.manager or subject.name
    named, orphans = refused(abm_operator_logs.matches)
    clusters = [one.cluster for one in abm_cluster_states]
    own = _own(clusters, subject)
    mine = [one for one in named if _is_of(one, own, clusters)]
    if mine:
        resources = {str(one): one for one in mine}  # the latest line of each
        raise found(
            f"the operator of cluster {where} cannot update {', '.join(resources)}: the object was updated in a wrong way",
            evidence=[f"{one.line.pod} ({one.line.container}): {_around(one)}" for one in resources.values()],
            remedy="Remove the annotation from each (the log does not name its namespace), then run bmctl upgrade again:\n"
            + "\n".join(
                f"  kubectl --kubeconfig KUBECONFIG annotate {_words(one)} -n NAMESPACE {LAST_APPLIED}-"
                for one in resources.values()
            ),
        )
    if set(abm_operator_logs) <= {*abm_operator_logs.absent}:
        why = (
            "; ".join(f"{pod}: {reason}" for pod, reason in abm_operator_logs.absent.items()) or "there is no such pod"
        )
        raise Unreadable(f"cluster {where} has no log of a pod {OPERATOR}: {why}")
    if orphans:
        raise Unreadable(
            f"{orphans[0].pod} cannot update a resource, but the error that says so begins before what was read of its log: "
            f"look at it by hand: {orphans[0].text[:_SHOWN]}"
        )
    if not is_user(subject) and "bootstrap" not in subject.roles:
        others = bootstraps_of(subject, abm_standings, upgrades)
        raise clear(
            f"the operator of {where} names no resource; for the time before, see bootstrap cluster {_or(others)}"
        )


def _own(clusters: list[AbmCluster], subject: Subject) -> AbmCluster | None:
    """The Cluster object of a subject, None where it does not lie there now."""
    try:
        return cluster_of(clusters, subject)
    except Unreadable:
        if is_user(subject):
            raise
        return None


def _is_of(one: Refused, own: AbmCluster | None, clusters: list[AbmCluster]) -> bool:
    """Whether an error may be about the very cluster: it names it, or it names none that is known."""
    text = "\n".join(one.entry)
    told = {cluster.namespace for cluster in clusters if word(cluster.namespace).search(text)}
    return not told or own is None or own.namespace in told


def _around(one: Refused) -> str:
    """The part of a line, which may be very long, that names a resource."""
    text = one.line.text
    at = text.find(one.name)
    start = 0 if len(text) <= _SHOWN else max(0, at - 200)
    return text[start : start + _SHOWN]


def _words(one: Refused) -> str:
    return shlex.join([one.kind or "KIND", one.name])


def _or(names: list[str]) -> str:
    return " or ".join(names)


@hazard(
    "abm-reconciling-generation",
    title="an upgrade to 1.8.0 or 1.8.1 of a cluster that was updated after its creation does not come to its end",
    severity=BLOCKER,
    on=[CLUSTER],
    upgrade_from="==1.7.*",
    upgrade_to=">=1.8.0,<1.8.2",
    fixed="1.8.2",
    situation=(BEFORE, STUCK),
    source=ANTHOS_BARE_METAL.section(
        "1.8.0 と 1.8.1 の管理クラスタ、ハイブリッド クラスタ、スタンドアロン クラスタへのアップグレードが完了しない"
    ),
    remedy="Upgrade to 1.8.2 or later instead.",
)
def check_reconciling_condition_is_not_stale(
    abm_cluster_states: list[ClusterState],
    abm_standings: list[Subject],
    upgrades: Mapping[str, Upgrade],
    situation: Situation,
    subject: Subject,
) -> None:
    if is_user(subject):
        raise NotApplicable(f"{subject.name} is a user cluster; only those that manage themselves are affected")
    if situation is STUCK and "bootstrap" not in subject.roles:
        others = bootstraps_of(subject, abm_standings, upgrades)
        raise NotApplicable(f"while the upgrade runs, its Cluster object is read in bootstrap cluster {_or(others)}")
    own = cluster_of([one.cluster for one in abm_cluster_states], subject)
    state = next(one for one in abm_cluster_states if one.cluster == own)
    if own.type not in ("admin", "hybrid", "standalone"):
        raise Unreadable(f"cluster {own.name} is of type {own.type!r}: expected admin, hybrid or standalone")
    if state.generation is None:
        raise Unreadable(f"cluster {own.name} has no metadata.generation")
    line = f"cluster {own.namespace}/{own.name}: type {own.type}, metadata.generation {state.generation}"
    if situation is not STUCK:
        if state.generation > 1:
            raise found(
                f"cluster {own.name} was updated since its creation (generation {state.generation}): its upgrade from 1.7 to "
                "1.8.0 or 1.8.1 will not come to its end",
                evidence=[line],
            )
        return
    observed = state.observed.get("Reconciling")
    if observed is None:
        raise clear(f"cluster {own.name} has no condition Reconciling, so no stale one")
    if state.generation <= observed:
        raise _stale(own, f"{line}; Reconciling has observedGeneration {observed}")


def _stale(cluster: AbmCluster, line: str) -> HazardFound:
    name = "/".join(map(shlex.quote, (cluster.namespace, "clusters", cluster.name)))
    path = f"/apis/baremetal.cluster.gke.io/v1/namespaces/{name}/status"
    drop = r"""s/\("systemServiceConditions":\[{[^{]*"type":"DashboardReady"}\),{[^{}]*}/\1/g"""
    return found(
        f"cluster {cluster.name}: its condition Reconciling is stale, and the upgrade waits for it for ever",
        evidence=[line],
        remedy="Drop the condition from the status, while the upgrade runs:\n"
        f"  kubectl get --raw={path} --kubeconfig {KIND} | \\\n"
        f"    sed -e '{drop}' | \\\n"
        f"    kubectl replace --raw={path} --kubeconfig {KIND} -f-",
    )


@hazard(
    "abm-namespace-deleted-first",
    title="the namespace of a cluster is being deleted before the cluster: its machines cannot be reset any more",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=STUCK,
    source=ANTHOS_BARE_METAL.section("Namespace の削除"),
    remedy="Delete the Cluster object first, then the namespace.",
)
def check_namespace_outlives_cluster(
    abm_namespaces: list[Namespace],
    abm_cluster_states: list[ClusterState],
    abm_all_machines: list[Machine],
    subject: Subject,
) -> None:
    clusters = [one.cluster for one in abm_cluster_states]
    held = {one.name: one for one in abm_namespaces}
    ending = [one for one in abm_namespaces if one.terminating]
    owner = {one.namespace: one for one in clusters}
    user = is_user(subject)
    missing: Unreadable | None = None
    try:
        own: AbmCluster | None = cluster_of(clusters, subject)
    except Unreadable as failure:
        own, missing = None, failure
    if own is not None and own.namespace not in held:
        raise Unreadable(f"namespace {own.namespace} of cluster {own.name} is not among those that were listed")
    # Machines of a cluster whose object is gone are nobody's: its namespace by convention, else the manager's to tell.
    mine = [
        one
        for one in ending
        if (own is not None and one.name == own.namespace)
        or (one.name not in owner and one.name == f"cluster-{subject.name}")
        or (not user and one.name not in owner)
    ]
    told: list[tuple[Namespace, AbmCluster | None, list[str]]] = []
    for one in mine:
        cluster = owner.get(one.name)
        machines = [machine.name for machine in abm_all_machines if machine.namespace == one.name]
        if cluster is not None or machines:
            told.append((one, cluster, machines))
    if told:
        raise _deleted_first(told)
    if missing is not None:
        raise missing


def _deleted_first(told: list[tuple[Namespace, AbmCluster | None, list[str]]]) -> HazardFound:
    says, evidence, orders = [], [], []
    for one, cluster, machines in told:
        left = [*([f"cluster {cluster.name}"] if cluster else []), *([_count(machines)] if machines else [])]
        says.append(f"namespace {one.name} is Terminating while {' and '.join(left)} still exist")
        since = f"deletionTimestamp {one.since}" if one.since else "phase Terminating"
        evidence.append(f"namespace {one.name}: {since}; it holds {', '.join(left)}")
        if cluster:
            orders.append(
                f"  kubectl --kubeconfig ADMIN_KUBECONFIG delete clusters.baremetal.cluster.gke.io "
                f"-n {shlex.quote(one.name)} {shlex.quote(cluster.name)}"
            )
        if machines:
            orders.append(f"  # in {one.name}, to be cleaned up by hand: {', '.join(machines)}")
    return found(
        "; ".join(says),
        evidence=evidence,
        remedy="A namespace that is being deleted cannot be kept, and jobs that reset its machines cannot be created in it. "
        "Delete the cluster, then clean up each machine by hand before it is used again:\n" + "\n".join(orders),
    )


def _count(machines: list[str]) -> str:
    return f"{len(machines)} machine{'s' if len(machines) != 1 else ''} ({', '.join(machines)})"
