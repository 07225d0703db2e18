"""etcd of OpenShift as etcdctl in its pods shows it, and as it can be seen where one of several views is enough."""

from __future__ import annotations

from conformance import Members, cluster_fact, every
from conformance.facts.etcd import etcd_cluster, etcd_pods_of_openshift
from conformance.facts.values.etcd import EtcdCluster
from conformance.reads import ExecAnswers

from .facts import etcd_operator


@cluster_fact(*etcd_pods_of_openshift())
def openshift_etcd(members: ExecAnswers, statuses: ExecAnswers, health: ExecAnswers) -> EtcdCluster:
    """The etcd cluster as etcdctl in one of its pods shows it; not to be had without pods/exec."""
    return etcd_cluster(members, statuses, health)


@cluster_fact(every(openshift_etcd))
def etcd_seen(held: Members) -> Members:
    """Cluster -> its etcd as etcdctl shows it; without it where that was not read."""
    return held


@cluster_fact(every(etcd_operator))
def operator_seen(held: Members) -> Members:
    """Cluster -> what its etcd operator says; without it where that was not read."""
    return held
