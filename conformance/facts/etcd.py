"""The etcd of a cluster: its members and their health, and what each member measures of its disk and its peers.

There are three ways to it, and no key ever leaves its place: etcdctl on a control-plane host with the node's own
certificates, etcdctl in an etcd pod (pods/exec), and the metrics that etcd serves on its node without TLS. For a
platform with pods of its own, `etcdctl_in` declares the same reads and `etcd_cluster` understands them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from conformance.answers import NotApplicable, Unreadable
from conformance.facts.declare import Members, cluster_fact, every, host_fact
from conformance.facts.values.etcd import EtcdCluster
from conformance.facts.values.etcd_metrics import EtcdMetrics, parse_metrics
from conformance.facts.values.etcdctl import InvalidEtcd, parse_health, parse_members, parse_statuses
from conformance.hazards import CONTROL_PLANE
from conformance.reads import Command, ExecAnswers, PodExec, command, listing, pod_exec
from conformance.reads.clusters import At
from conformance.subjects import Subject

__all__ = [
    "KUBEADM_FLAGS",
    "etcd",
    "etcd_cluster",
    "etcd_listed_on_hosts",
    "etcd_metrics",
    "etcd_on_host",
    "etcd_on_hosts",
    "etcd_pods_of_kubeadm",
    "etcd_pods_of_openshift",
    "etcdctl_in",
]

#: How etcdctl reaches the member on its own node where kubeadm has set it up. Source: kubeadm, certificates.
_PKI: Final = "/etc/kubernetes/pki/etcd"
KUBEADM_FLAGS: Final = (
    "--endpoints=https://127.0.0.1:2379",
    f"--cacert={_PKI}/ca.crt",
    f"--cert={_PKI}/healthcheck-client.crt",
    f"--key={_PKI}/healthcheck-client.key",
)
_MEMBERS: Final = ("member", "list", "-w", "json")
#: One endpoint after the other, 5 seconds for one that is dead.
_STATUSES: Final = ("endpoint", "status", "--cluster", "-w", "json")
#: By a committed read through each endpoint. It ends with 1, and prints all of it, where one of them fails.
_HEALTH: Final = ("endpoint", "health", "--cluster", "-w", "json")
_OWN: Final = ("endpoint", "status", "-w", "json")
#: Where packages and vendors put it; sudo takes no search path.
_PLACES: Final = ("/usr/local/bin/etcdctl", "/usr/bin/etcdctl")
_PODS: Final = ("status.phase", "status.containerStatuses.name", "status.containerStatuses.ready", "metadata.labels")


def etcdctl_in(
    namespace: str,
    *,
    names: str,
    container: str,
    labels: Mapping[str, str] | None = None,
    flags: tuple[str, ...] = (),
    at: At = "self",
    unless: str = "",
) -> tuple[PodExec, PodExec, PodExec]:
    """The member list, and status and health of all endpoints, asked in the first etcd pod that answers.

    :param names: a regular expression for the pods, without others in the namespace: guards, installers, jobs.
    :param flags: endpoint and certificates, where the container's environment does not name them.
    """
    over = listing("pods", *_PODS, namespace=namespace, at=at)

    def asked(words: tuple[str, ...], ok: tuple[int, ...]) -> PodExec:
        argv = ("etcdctl", *flags, *words)
        return pod_exec(
            over=over,
            namespace=namespace,
            names=names,
            labels=labels,
            container=container,
            argv=argv,
            ok=ok,
            unless=unless,
            each=25.0,
            timeout=75.0,
        )

    return asked(_MEMBERS, (0,)), asked(_STATUSES, (0, 1)), asked(_HEALTH, (0, 1))


def etcd_pods_of_kubeadm(at: At = "self", *, unless: str = "") -> tuple[PodExec, PodExec, PodExec]:
    """As `etcdctl_in`, in the static pods of kubeadm. Source: kubeadm, app/phases/etcd/local.go."""
    labels = {"component": "etcd", "tier": "control-plane"}
    return etcdctl_in(
        "kube-system", names="etcd-.+", labels=labels, container="etcd", flags=KUBEADM_FLAGS, at=at, unless=unless
    )


def etcd_pods_of_openshift() -> tuple[PodExec, PodExec, PodExec]:
    """As `etcdctl_in`, in the pods of OpenShift, whose container etcdctl has all that it needs in its environment.

    Source: OpenShift documentation, "Replacing an unhealthy etcd member".
    """
    names = r"etcd-(?!(quorum-)?guard|quorum-).+"
    return etcdctl_in("openshift-etcd", names=names, labels={"app": "etcd"}, container="etcdctl")


def etcd_cluster(members: ExecAnswers, statuses: ExecAnswers, health: ExecAnswers) -> EtcdCluster:
    """The cluster as `etcdctl_in` shows it.

    :raises Unreadable: no pod answers one of the three, or not as etcdctl does.
    """
    listed = members.best
    # One that is cut off from the rest may find that nobody commits: the view that finds most is the one of the quorum.
    views = [parse_health(one.stdout) for one in health.values()] or [parse_health(health.best.stdout)]
    tried = max(views, key=lambda view: sum(one.commits is True for one in view))
    told = [parse_statuses(one.stdout) for one in statuses.values()] or [parse_statuses(statuses.best.stdout)]
    fullest = max(told, key=len)
    source = f"etcdctl in pod {listed.pod}"
    return _whole(EtcdCluster.of(parse_members(listed.stdout), fullest, tried, source, pod=listed.pod))


def _whole(found: EtcdCluster) -> EtcdCluster:
    """Refuse a view in which nobody was asked whether he is healthy: none of its members must seem to be ill."""
    if not any(one.healthy is not None or one.health_error for one in found.endpoints):
        raise Unreadable(f"{found.source} names no endpoint whose health could be asked")
    return found


def _on_host(words: tuple[str, ...]) -> tuple[Command, ...]:
    # 1 is what it ends with in trouble, and sudo where there is no such program; 127 is a shell's word for the latter.
    return tuple(
        command(" ".join([place, *KUBEADM_FLAGS, *words]), sudo=True, ok=(0, 1, 127), timeout=20.0) for place in _PLACES
    )


@host_fact(*_on_host(_MEMBERS), *_on_host(_STATUSES), *_on_host(_HEALTH), *_on_host(_OWN))
def etcd_on_host(
    members: str,
    members_too: str,
    statuses: str,
    statuses_too: str,
    health: str,
    health_too: str,
    own: str,
    own_too: str,
    subject: Subject,
) -> EtcdCluster:
    """The etcd cluster as etcdctl on a control-plane host sees it, with the certificates that kubeadm made for it.

    Without a quorum etcd 3.5 and later give no member list: then it is what this member says of itself alone.
    """
    source = f"etcdctl on {subject.name}"
    members, statuses = members.strip() or members_too.strip(), statuses.strip() or statuses_too.strip()
    health, own = health.strip() or health_too.strip(), own.strip() or own_too.strip()
    if members and health:
        return _whole(
            EtcdCluster.of(parse_members(members), parse_statuses(statuses or "null"), parse_health(health), source)
        )
    if own and (endpoints := parse_statuses(own)):
        said = "; ".join(error for one in endpoints for error in one.errors) or "nothing of itself"
        unlisted = f"{source} gives no list of members: has etcd lost its quorum? The member there says {said}"
        return EtcdCluster.of(None, endpoints, (), source, unlisted=unlisted)
    raise Unreadable(
        f"{source} gives nothing: it takes etcdctl in /usr/local/bin or /usr/bin, root (--sudo, and the rules that "
        "--plan=sudoers prints), the certificates that kubeadm makes, and etcd to run"
    )


@cluster_fact(every(etcd_on_host, on=[CONTROL_PLANE], any=True))
def etcd_on_hosts(seen: Members) -> EtcdCluster:
    """The etcd cluster as seen from its control-plane hosts: from the one that finds most of it committing."""
    if not seen:
        reasons = "; ".join(dict.fromkeys(why.reason for why in seen.unread.values()))
        raise Unreadable(reasons or "no control-plane host of the cluster is named: add hosts to the change")
    views: list[EtcdCluster] = list(seen.values())
    return max(views, key=lambda one: (not one.unlisted, 0 if one.unlisted else len(one.committing_voters)))


@cluster_fact(every(etcd_on_host, on=[CONTROL_PLANE], any=True))
def etcd_listed_on_hosts(seen: Members) -> EtcdCluster:
    """As `etcd_on_hosts`, where one of them gives the list of members: then nobody need be asked beside them."""
    found: EtcdCluster = etcd_on_hosts(seen)
    if found.unlisted:
        raise Unreadable(found.unlisted)
    return found


@cluster_fact(*etcd_pods_of_kubeadm(unless="etcd_listed_on_hosts"), every(etcd_on_host, on=[CONTROL_PLANE], any=True))
def etcd(members: ExecAnswers, statuses: ExecAnswers, health: ExecAnswers, seen: Members) -> EtcdCluster:
    """The etcd cluster behind a Kubernetes cluster that kubeadm, or what builds on it, has made.

    From its control-plane hosts where these give it, else from an etcd pod; nothing is run in a pod where they do.
    """
    try:
        on_hosts: EtcdCluster | None = etcd_on_hosts(seen)
        why = ""
    except Unreadable as failure:
        on_hosts, why = None, failure.reason
    if on_hosts is not None and not on_hosts.unlisted:
        return on_hosts
    try:
        return etcd_cluster(members, statuses, health)
    except (Unreadable, InvalidEtcd) as failure:
        if on_hosts is not None:
            return on_hosts
        told = f"{failure}; on hosts: {why}" if seen.unread else str(failure)
        raise Unreadable(told, read=getattr(failure, "read", None)) from None


_WANTED: Final = (
    r"^etcd_(server_(has_leader|is_leader|is_learner|id|version|leader_changes_seen_total|quota_backend_bytes"
    r"|proposals_(failed_total|pending))[ {]|(debugging_)?mvcc_db_total_size_in_(use_in_)?bytes "
    r"|disk_(wal_fsync|backend_commit)_duration_seconds_|network_peer_round_trip_time_seconds_)"
)
_METRICS: Final = command(
    # No proxy: what listens on loopback is meant. Without a manifest to run it from, there is no etcd here; the name of
    # another one's, such as OpenShift's etcd-pod.yaml, begins alike.
    f"""u=http://127.0.0.1:2381/metrics d=/etc/kubernetes/manifests
set -- $d/etcd*.yaml
if [ -r $d ] && [ -x $d ] && [ ! -e "$1" ]; then echo none; exit 0; fi
if [ ! -e /etc/kubernetes ]; then echo none; exit 0; fi
if command -v curl >/dev/null 2>&1; then curl -sSf --noproxy '*' --max-time 8 $u
elif command -v wget >/dev/null 2>&1; then no_proxy='*' wget -q -T 8 -O - $u
else timeout 8 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2381 && printf "GET /metrics HTTP/1.0\\r\\n\\r\\n" >&3 && cat <&3'
fi | grep -E '{_WANTED}'""",
    name="metrics of etcd at http://127.0.0.1:2381/metrics",
    ok=(0,),
)


@host_fact(_METRICS)
def etcd_metrics(text: str) -> EtcdMetrics:
    """What the etcd member on a host measures, since it started: disk, round trips to its peers, database, leader.

    Source: kubeadm, ``--listen-metrics-urls=http://127.0.0.1:2381`` of the static pod.
    """
    if text.strip() == "none":
        raise NotApplicable("no etcd runs on it: there is no /etc/kubernetes/manifests/etcd.yaml")
    return parse_metrics(text)
