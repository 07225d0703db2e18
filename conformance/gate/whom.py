"""Which cluster a name stands for, as its kubeconfig tells: the address of the API server and who vouches for it.

Contexts are called alike on many machines, and in every pod the API server has the same few addresses; the certificate
authority is each cluster's own. Nobody is contacted to know either, so that an old report can be held against them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.change import Change, Cluster

__all__ = ["identified", "identity_of", "other_clusters"]


def identified(change: Change) -> Change:
    """The change with `server` and `authority` of the clusters that are asked themselves; empty where nothing tells them."""
    clusters = dict(change.clusters)
    for name, cluster in change.looked_at.items():
        if cluster.connected:
            try:
                server, authority = identity_of(cluster)
            except ValueError:
                continue  # said elsewhere; a report without it is no evidence
            clusters[name] = replace(cluster, server=server, authority=authority)
    return replace(change, clusters=clusters)


def identity_of(cluster: Cluster) -> tuple[str, str]:
    """The API server's address, without user and password, and the digest of its certificate authority, empty without one.

    :raises InvalidKubeconfigFile: the kubeconfig is missing or cannot be used.
    """
    from conformance.gather.kubeconfig import InvalidKubeconfigFile, load
    from conformance.gather.pem import decoded

    connection = load(cluster.kubeconfig, cluster.context)
    entry = connection.cluster_entry
    pem = b""
    if "certificate-authority-data" in entry:
        pem = decoded(entry["certificate-authority-data"])
    elif "certificate-authority" in entry:
        try:
            pem = Path(entry["certificate-authority"]).read_bytes()
        except OSError as error:
            msg = f"{entry['certificate-authority']}: {error.strerror or 'cannot be read'}"
            raise InvalidKubeconfigFile(msg) from None
    # The same certificates, however their lines end.
    content = b"".join(pem.split())
    return connection.server, f"sha256:{hashlib.sha256(content).hexdigest()}" if content else ""


def other_clusters(named: Change, subjects: list[Mapping[str, Any]]) -> Iterator[str]:
    """Why clusters that a report speaks of are not those at hand that are called alike.

    :param subjects: those of the report.
    """
    for one in subjects:
        name, then = one["name"], (one.get("server", ""), one.get("authority", ""))
        # Where none is named, the report is about the cluster of the usual places.
        cluster = named.clusters.get(name) or (None if named.clusters or not then[0] else Cluster(name))
        if one["kind"] != "cluster" or cluster is None or not cluster.connected:
            continue
        if not then[0]:
            yield f"it does not say which API server {name} has, so that it may be about another cluster of that name"
            continue
        try:
            now = identity_of(cluster)
        except ValueError as error:
            yield f"whether {name} is the cluster that it looked at, at {then[0]}, cannot be told here: {error}"
            continue
        if now[0] != then[0]:
            yield f"{name} is another cluster: it looked at {then[0]}, and here it is {now[0]}"
        elif now[1] != then[1]:
            yield f"{name} is another cluster, or its certificate authority was renewed since: {now[0]} has another one"
