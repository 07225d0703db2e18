"""The proxy of a cluster, and what its nodes reach without it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final

from conformance import (
    NODE,
    Members,
    NotApplicable,
    Unreadable,
    cluster_fact,
    command,
    environment,
    every,
    host_fact,
    listing,
)
from conformance.facts.values.noproxy import NoProxy
from conformance.reads.projection import value_at

from .facts import GROUP, AbmCluster
from .facts_runtime import container_runtime

__all__ = [
    "NodeProxy",
    "abm_no_proxy",
    "abm_node_proxies",
    "abm_proxied_multinic",
    "abm_service_ranges",
]

#: Where containerd is told of the proxy.
DROP_IN: Final = "/etc/systemd/system/containerd.service.d/09-proxy.conf"


def proxy_is_set(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of a Cluster: whether it has a proxy. Its address may hold a password, so it stays behind."""
    meta = obj["metadata"]
    proxied = bool(value_at(obj, "spec.proxy.url"))
    return {"name": meta["name"], "namespace": meta.get("namespace", ""), "proxied": proxied}


@cluster_fact(listing(f"clusters.{GROUP}", reduce=proxy_is_set, at="manager", at_least=1))
def abm_proxied_clusters(objects: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Namespace and name of every Cluster object that has spec.proxy.url."""
    return {(one["namespace"], one["name"]) for one in objects if one["proxied"]}


@cluster_fact()
def abm_proxied_multinic(abm_proxied_clusters: set[tuple[str, str]], abm_cluster: AbmCluster) -> AbmCluster:
    """The Cluster object of a cluster with containerd, several network interfaces for pods, and a proxy."""
    name = abm_cluster.name
    if value_at(abm_cluster.spec, "clusterNetwork.multipleNetworkInterfaces") is not True:
        raise NotApplicable(f"cluster {name} does not have several network interfaces for its pods")
    if (abm_cluster.namespace, name) not in abm_proxied_clusters:
        raise NotApplicable(f"cluster {name} has no proxy (spec.proxy.url)")
    runtime = container_runtime(abm_cluster)
    if runtime != "containerd":
        raise NotApplicable(f"cluster {name} runs {runtime}, not containerd")
    return abm_cluster


@cluster_fact()
def abm_service_ranges(abm_proxied_multinic: AbmCluster) -> list[str]:
    """The networks of such a cluster's services, as its configuration writes them; each is a network."""
    found = [str(one) for one in value_at(abm_proxied_multinic.spec, "clusterNetwork.services.cidrBlocks", []) or []]
    if not found:
        raise Unreadable(f"Cluster {abm_proxied_multinic.name} has no spec.clusterNetwork.services.cidrBlocks")
    for one in found:
        ip_network(one, strict=False)
    return found


# Of the drop-ins only what says NO_PROXY leaves the host, and that other proxies are set, without their addresses: they
# may hold passwords. Continued lines are joined first; an empty `Environment=` drops what stands before it.
_FILES: Final = r"""d=/etc/systemd/system/containerd.service.d e=/etc/environment
if [ -d "$d" ]; then
[ -r "$d" ] && [ -x "$d" ] || { echo "$d: Permission denied" >&2; exit 4; }
for f in "$d"/*.conf; do
[ -e "$f" ] || [ -L "$f" ] || continue
[ -r "$f" ] || { echo "$f: Permission denied" >&2; exit 4; }
printf "\n== %s\n" "$f"
sed -e "/^[[:space:]]*[#;]/d" -e ":a" -e '/\\$/{N;s/\\\n/ /;ba' -e "}" "$f" | grep -Eo \
'^[[:space:]]*(Environment|EnvironmentFile)[[:space:]]*=[[:space:]]*$|^[[:space:]]*EnvironmentFile[[:space:]]*=[^"]*$|"(NO_PROXY|no_proxy)=[^"]*"|'\
"'(NO_PROXY|no_proxy)=[^']*'|"'(^|[[:space:]=])(NO_PROXY|no_proxy)=("[^"]*"|[^[:space:]"]*)|(HTTPS?|ALL|https?|all)_(PROXY|proxy)='
[ $? -lt 2 ] || exit 5
done
else l=$(ls -d "$d/." 2>&1) || case $l in *"No such file"*) ;; *) echo "$l" >&2; exit 4;; esac
fi
[ -e "$e" ] || exit 0
[ -r "$e" ] || { echo "$e: Permission denied" >&2; exit 4; }
printf "\n== %s\n" "$e"
grep -E '^[[:space:]]*(export[[:space:]]+)?(NO_PROXY|no_proxy)=' "$e"
[ $? -lt 2 ]"""


@dataclass(frozen=True, slots=True)
class NodeProxy:
    """What containerd on a node reaches without the proxy, and who says so."""

    #: A file, or words for the environment.
    where: str
    #: The variable as written; empty where it is not set.
    text: str

    @property
    def no_proxy(self) -> NoProxy:
        """The entries."""
        return NoProxy.parse(self.text)


@host_fact(command(_FILES), environment("NO_PROXY", "no_proxy"))
def abm_no_proxy(files: str, variables: Mapping[str, str]) -> NodeProxy:
    """What counts on a node: the drop-ins of containerd where they set any proxy, else the login environment."""
    return node_proxy_of(files, variables)


_ASSIGNED: Final = re.compile(r"[\s=]*[\"']?(NO_PROXY|no_proxy)=(.*)", re.DOTALL)


def node_proxy_of(files: str, variables: Mapping[str, str]) -> NodeProxy:
    r"""What counts, from what the files say and the login environment.

    The service has no other environment than its unit's. Of two spellings that in capitals counts unless it is empty,
    as for all programs in Go. Source: systemd.exec(5), golang.org/x/net/http/httpproxy.

    >>> node_proxy_of("\n== /x/09-proxy.conf\n\"HTTPS_PROXY=\n\"NO_PROXY=10.0.0.0/8 .svc\"\n", {"NO_PROXY": "*"}).text
    '10.0.0.0/8 .svc'

    :raises Unreadable: the unit takes its environment from a file of its own.
    """
    unit: dict[str, tuple[str, str]] = {}
    proxied, proxied_at, of_file = False, "", ""
    machine: dict[str, str] = {}
    path = ""
    for line in files.splitlines():
        word = line.strip()
        if line.startswith("== "):
            path = line.removeprefix("== ")
        elif path == "/etc/environment":
            name, _, value = word.removeprefix("export").strip().partition("=")
            machine[name] = _bare(value)
        elif word.startswith("EnvironmentFile"):
            of_file = word.partition("=")[2].strip()
        elif word.startswith("Environment"):
            unit, proxied = {}, False
        elif match := _ASSIGNED.fullmatch(line):
            unit[match[1]] = (path, _bare(match[2]))
        elif word:
            proxied, proxied_at = True, path
    if of_file:
        raise Unreadable(f"{DROP_IN.rpartition('/')[0]} has EnvironmentFile={of_file}: look at NO_PROXY there by hand")
    if unit or proxied:
        where, text = unit.get("NO_PROXY", ("", ""))
        where, text = (where, text) if text else unit.get("no_proxy", (where, text))
        return NodeProxy(where or proxied_at, text)
    for where, held in (("the login environment", variables), ("/etc/environment", machine)):
        text = held.get("NO_PROXY") or held.get("no_proxy") or ""
        if text:
            return NodeProxy(where, text)
    return NodeProxy("", "")


def _bare(value: str) -> str:
    return value.strip().strip("\"'")


@cluster_fact(every(abm_no_proxy, on=[NODE]))
def abm_node_proxies(members: Members) -> Members:
    """What counts on each node of the cluster that is named as a host."""
    return members
