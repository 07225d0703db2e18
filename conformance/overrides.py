"""The command line over the change: what its options add, and what they put in place of something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from conformance.change import Change, Cluster, Host, Upgrade, expanded
from conformance.documents import InvalidDocument
from conformance.versions import InvalidVersion, Version

__all__ = ["targets_of", "with_default_subject", "with_desired", "with_options"]

_LOCAL: Final = "local://"


def with_options(change: Change, options: Mapping[str, Any]) -> Change:
    """The change with what the command line says put over it.

    `options`: ``hosts`` (specifications, comma-separated or a list), ``ssh_config``, ``ssh_identity_file``, ``sudo``,
    ``kubeconfig``, ``kube_context``, ``cluster_name``, ``upgrade_from``, ``upgrade_to``, ``waivers``, ``examine``,
    ``no_exec``; absent or None where nothing was said.

    :raises InvalidDocument: a version is malformed, or an option contradicts the change file.
    """
    upgrade = change.upgrade
    source = _version_option("--upgrade-from", options.get("upgrade_from"))
    target = _version_option("--upgrade-to", options.get("upgrade_to"))
    upgrade = Upgrade(source or upgrade.source, target or upgrade.target)
    hosts: Mapping[str, Host] = change.hosts
    clusters: Mapping[str, Cluster] = change.clusters
    nodes = change.nodes
    if options.get("hosts"):
        specs = [one.strip() for part in options["hosts"] for one in part.split(",") if one.strip()]
        hosts = {spec: next((h for h in hosts.values() if h.connection == spec), Host(spec, spec)) for spec in specs}
        nodes = ()
    kubeconfig, context = options.get("kubeconfig"), options.get("kube_context")
    if kubeconfig or context:
        name = str(options.get("cluster_name") or context or kubeconfig)
        clusters = {name: Cluster(name, expanded(kubeconfig) if kubeconfig else None, context)}
        hosts = {k: replace(h, cluster=None if "workstation" in h.roles else name) for k, h in hosts.items()}
    ssh = change.ssh
    if options.get("ssh_config"):
        ssh = replace(ssh, config=expanded(options["ssh_config"]))
    if options.get("ssh_identity_file"):
        ssh = replace(ssh, identity_file=expanded(options["ssh_identity_file"]))
    if options.get("sudo"):
        ssh = replace(ssh, sudo=True)
    return replace(
        change,
        upgrade=upgrade,
        hosts=hosts,
        nodes=nodes,
        clusters=clusters,
        ssh=ssh,
        waivers=Path(options["waivers"]) if options.get("waivers") else change.waivers,
        examine=(options["examine"],) if options.get("examine") else change.examine,
        exec=change.exec and not options.get("no_exec"),
    )


def with_desired(change: Change, paths: Sequence[str] | None) -> Change:
    """The change with the files of ``--desired`` as the configuration that its only cluster is to get.

    :raises InvalidDocument: there are several clusters, or none.
    """
    if not paths:
        return change
    if len(change.clusters) > 1:
        msg = "--desired: the change names several clusters; give each its own `desired` in the change file"
        raise InvalidDocument(msg)
    if not change.clusters:
        msg = "--desired: no cluster is named that is to get it: give --kubeconfig, or name it in a change file"
        raise InvalidDocument(msg)
    files = tuple(Path(one) for one in paths)
    return replace(change, clusters={key: replace(one, desired=files) for key, one in change.clusters.items()})


def targets_of(change: Change) -> list[Version]:
    """The versions that the change upgrades to, as far as it says so itself: of each cluster, else as a whole."""
    upgrades = [change.upgrade_of(one) for one in change.clusters or [None]]
    return [one.target for one in upgrades if one.target and not one.none]


def _version_option(name: str, text: str | None) -> Version | None:
    try:
        return Version.parse(text) if text else None
    except InvalidVersion as error:
        msg = f"{name}: {error}"
        raise InvalidDocument(msg) from None


def with_default_subject(change: Change, *, cluster: bool) -> Change:
    """The change with ``local://`` as its host, where neither host nor cluster is named anywhere."""
    if change.hosts or change.clusters or change.nodes or cluster or "hosts" not in change.examine:
        return change
    return replace(change, hosts={_LOCAL: Host(_LOCAL, _LOCAL)})
