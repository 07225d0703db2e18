"""The command line over the change: what its options add, and what they put in place of something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from conformance.change import Change, Cluster, Host, Upgrade, expanded
from conformance.documents import InvalidDocument
from conformance.versions import InvalidVersion, Version

__all__ = ["check_directions", "targets_of", "with_default_subject", "with_desired", "with_options"]

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
        there = {
            spec: [one for one in hosts.values() if one.connection == spec] or [Host(spec, spec)] for spec in specs
        }
        hosts = {one.name: one for held in there.values() for one in held}
        nodes = ()
    kubeconfig, context = options.get("kubeconfig"), options.get("kube_context")
    if kubeconfig or context:
        path = expanded(kubeconfig) if kubeconfig else None
        if len(clusters) > 1:
            msg = (
                f"{'--kubeconfig' if kubeconfig else '--kube-context'}: the change names several clusters; give each its "
                "own `kubeconfig` and `context` in the change file"
            )
            raise InvalidDocument(msg)
        if clusters:  # it is the one that the change speaks of, by whatever name
            clusters = {
                key: replace(one, kubeconfig=path or one.kubeconfig, context=context, connected=True)
                for key, one in clusters.items()
            }
        else:
            name = str(options.get("cluster_name") or context or kubeconfig)
            clusters = {name: Cluster(name, path, context)}
            hosts = {key: replace(one, cluster=None) for key, one in hosts.items()}
    if len(clusters) == 1:
        (only,) = clusters
        hosts = {key: replace(one, cluster=one.cluster or _of(one, only)) for key, one in hosts.items()}
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


def _of(host: Host, cluster: str) -> str | None:
    """The cluster of a host that names none, where there is one only."""
    return None if "workstation" in host.roles else cluster


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


def check_directions(change: Change, target: Version | None) -> None:
    """Whether each upgrade that the change states leads upwards.

    :param target: of the profile, where the change names none.
    :raises InvalidDocument: one leads to an earlier version, which would rule out hazards that are there.
    """
    for name in change.clusters or [None]:
        upgrade = change.upgrade_of(name)
        before, after = upgrade.source, upgrade.target or target
        if upgrade.none or before is None or after is None:
            continue
        length = 2 if before.is_series or after.is_series else None
        if before.public[0][:length] > after.public[0][:length]:
            where = f"cluster {name}: " if name else ""
            msg = f"{where}the upgrade is from {before} to {after}, which is earlier: have the two been swapped?"
            raise InvalidDocument(msg)


def _version_option(name: str, text: str | None) -> Version | None:
    try:
        return Version.stated(text) if text else None
    except InvalidVersion as error:
        msg = f"{name}: {error}"
        raise InvalidDocument(msg) from None


def with_default_subject(change: Change, *, cluster: bool) -> Change:
    """The change with ``local://`` as its host, where neither host nor cluster is named anywhere."""
    if change.hosts or change.clusters or change.nodes or cluster or "hosts" not in change.examine:
        return change
    return replace(change, hosts={_LOCAL: Host(_LOCAL, _LOCAL)})
