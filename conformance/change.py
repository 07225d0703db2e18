"""The change: the upgrade under review - profile, versions, clusters and hosts - from its file and the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from conformance.documents import Entry, InvalidDocument, load
from conformance.hazards import Target
from conformance.versions import InvalidVersion, Version

__all__ = ["FRESH_HOURS", "Change", "Cluster", "Host", "NodesOf", "Ssh", "Upgrade", "load_change"]

HOST_ROLES: Final = ("control-plane", "worker", "load-balancer", "workstation")
CLUSTER_ROLES: Final = (
    *("admin", "user", "hybrid", "standalone"),
    *("bootstrap", "management", "workload", "supervisor"),
)
#: Keys by which a cluster names the one that manages it, in each platform's word.
MANAGERS: Final = ("admin", "management", "supervisor")
#: For how many hours a report counts as evidence, where the change does not say.
FRESH_HOURS: Final = 24
_LONGEST: Final = 24 * 366
_NAME: Final = re.compile(r"[\w][\w.@:/\[\]-]*")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The versions before and after. A version of two parts (1.9) stands for any patch of that release."""

    source: Version | None = None
    target: Version | None = None
    #: This cluster is looked at, but not upgraded: ``upgrade: none``.
    none: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the change; without roles it counts as a node of every role."""

    name: str
    connection: str
    roles: tuple[str, ...] = ()
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class NodesOf:
    """All nodes of a cluster as hosts: read from it before anything else."""

    name: str
    cluster: str
    user: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of the change."""

    name: str
    kubeconfig: Path | None = None
    context: str | None = None
    role: str | None = None
    #: The name of the cluster that manages this one.
    manager: str | None = None
    upgrade: Upgrade = Upgrade()
    desired: tuple[Path, ...] = ()
    #: Whether its own API server is to be asked; a user cluster known only to its admin cluster has none.
    connected: bool = True
    #: Which cluster that is; empty until it was looked up, see `conformance.gate.whom`.
    server: str = ""
    authority: str = ""


@dataclass(frozen=True, slots=True)
class Ssh:
    """How hosts are reached."""

    config: Path | None = None
    identity_file: Path | None = None
    known_hosts: Path | None = None
    sudo: bool = False
    verify_host_keys: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """The upgrade under review."""

    profile: str | None = None
    upgrade: Upgrade = Upgrade()
    hosts: Mapping[str, Host] = field(default_factory=dict)
    nodes: tuple[NodesOf, ...] = ()
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    ssh: Ssh = Ssh()
    waivers: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    examine: tuple[str, ...] = ("hosts", "clusters")
    #: Whether programs may be run in pods (pods/exec), where nothing else gives a fact.
    exec: bool = True
    #: For how many hours after reading began a report counts as evidence.
    fresh_hours: int = FRESH_HOURS
    #: The files that describe it, by name -> digest; see `conformance.gate.inputs`.
    inputs: Mapping[str, str] = field(default_factory=dict)
    #: The file that it was read from; None when it comes from the command line alone.
    file: Path | None = None

    @property
    def looked_at(self) -> Mapping[str, Cluster]:
        """The clusters that are examined themselves: none where hosts alone are, whose upgrade they still tell."""
        return self.clusters if "clusters" in self.examine else {}

    def upgrade_of(self, cluster: str | None) -> Upgrade:
        """The upgrade of one cluster: its own versions where it has some, else the change's."""
        own = self.clusters[cluster].upgrade if cluster and cluster in self.clusters else Upgrade()
        if own.none:
            return own
        return Upgrade(own.source or self.upgrade.source, own.target or self.upgrade.target)


def load_change(path: Path) -> Change:
    """Read and validate a change file; paths in it are relative to its directory.

    :raises InvalidDocument: with file, path and what was expected.
    """
    top = load(path)
    allowed = (
        "profile",
        "upgrade",
        "clusters",
        "hosts",
        "ssh",
        "waivers",
        "parameters",
        "examine",
        "exec",
        "fresh-hours",
    )
    top.keys(allowed)
    base = path.parent
    clusters = {name: _cluster(name, entry, base) for name, entry in top["clusters"].items()}
    for name, cluster in clusters.items():
        if cluster.manager is not None and cluster.manager not in clusters:
            names = ", ".join(sorted(clusters))
            top[f"clusters.{name}"].fail(f"its managing cluster {cluster.manager!r} is not among the clusters: {names}")
        if cluster.manager == name:
            top[f"clusters.{name}"].fail("a cluster cannot be managed by itself: leave the key out")
    hosts: dict[str, Host] = {}
    nodes: list[NodesOf] = []
    for name, entry in top["hosts"].items():
        if "from" in entry:
            nodes.append(_nodes_of(name, entry, clusters))
        else:
            hosts[name] = _host(name, entry, clusters)
    both = sorted(hosts.keys() & clusters.keys())
    if both:
        top["hosts"].fail(f"{both[0]!r} names a host and a cluster; a subject's name must be unique")
    examine = tuple(one.one_of(("hosts", "clusters")) for one in top["examine"].each()) or ("hosts", "clusters")
    if len(set(examine)) < len(examine):
        top["examine"].fail(f"{examine[0]!r} stands there twice; expected hosts, clusters or both")
    for key, what in (("hosts", "host"), ("clusters", "cluster")):
        if key in top and not top[key].value and key in examine:
            top[key].fail(f"it names no {what}: name some, or leave the key out")
    parameters = {name: scalar(entry) for name, entry in top["parameters"].items()}
    return Change(
        profile=top["profile"].text() if "profile" in top else None,
        upgrade=_upgrade_of_all(top["upgrade"]),
        hosts=hosts,
        nodes=tuple(nodes),
        clusters=clusters,
        ssh=_ssh(top["ssh"], base),
        waivers=_path(top["waivers"], base) if "waivers" in top else None,
        parameters=parameters,
        examine=examine,
        exec=top["exec"].flag(default=True),
        fresh_hours=_hours(top["fresh-hours"]),
        file=path,
    )


def _hours(entry: Entry) -> int:
    if entry.value is None:
        return FRESH_HOURS
    text = scalar(entry)
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST:
        entry.fail(f"{text!r} is no number of hours; expected such as 24")
    return int(text)


def scalar(entry: Entry) -> str:
    """The value of a parameter as text."""
    if isinstance(entry.value, bool):
        return "true" if entry.value else "false"
    return entry.text()


def _path(entry: Entry, base: Path) -> Path:
    try:
        return base / expanded(entry.text())
    except InvalidDocument as error:
        entry.fail(str(error))
        raise


def expanded(text: str) -> Path:
    """A path as somebody wrote it, ``~`` and ``~name`` resolved.

    :raises InvalidDocument: nobody of that name has a home.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        msg = f"{text}: whose home directory that is cannot be told"
        raise InvalidDocument(msg) from None


def _subject_name(entry: Entry, name: str) -> str:
    if name == Target.FLEET:
        entry.fail(f"{name!r} is what findings about several subjects at once are called; choose another name")
    if not _NAME.fullmatch(name):
        entry.fail(f"{name!r} cannot be the name of a subject: use letters, digits, '.', '-', '_' and '@'")
    return name


def version_of(entry: Entry, parse: Callable[[str], Version] = Version.stated) -> Version | None:
    """The version at an entry as `parse` reads it, None where it is absent."""
    if entry.value is None:
        return None
    try:
        return parse(entry.text())
    except InvalidVersion as error:
        entry.fail(str(error))
        raise


def _upgrade(entry: Entry) -> Upgrade:
    if entry.value is None:
        return Upgrade()
    if entry.value == "none":
        return Upgrade(none=True)
    entry.keys(("from", "to"))
    return Upgrade(version_of(entry["from"]), version_of(entry["to"]))


def _upgrade_of_all(entry: Entry) -> Upgrade:
    if entry.value == "none":
        entry.fail("only a cluster can stay as it is (`upgrade: none`); expected from and to, or nothing")
    return _upgrade(entry)


def _cluster(name: str, entry: Entry, base: Path) -> Cluster:
    entry.keys(("kubeconfig", "context", "role", "upgrade", "desired", *MANAGERS))
    managers = [key for key in MANAGERS if key in entry]
    if len(managers) > 1:
        entry.fail(f"{' and '.join(managers)} both name the managing cluster; keep one")
    manager = entry[managers[0]].text() if managers else None
    wanted = entry["desired"]
    paths = [wanted] if isinstance(wanted.value, str) else list(wanted.each())
    connected = "kubeconfig" in entry or "context" in entry or manager is None
    return Cluster(
        name=_subject_name(entry, name),
        kubeconfig=_path(entry["kubeconfig"], base) if "kubeconfig" in entry else None,
        context=entry["context"].text() if "context" in entry else None,
        role=entry["role"].one_of(CLUSTER_ROLES) if "role" in entry else None,
        manager=manager,
        upgrade=_upgrade(entry["upgrade"]),
        desired=tuple(_path(one, base) for one in paths),
        connected=connected,
    )


def _host(name: str, entry: Entry, clusters: Mapping[str, Cluster]) -> Host:
    entry.keys(("connection", "roles", "cluster"), required=("connection",))
    cluster = entry["cluster"].text() if "cluster" in entry else None
    if cluster is not None and cluster not in clusters:
        entry["cluster"].fail(
            f"{cluster!r} is not among the clusters: {', '.join(sorted(clusters)) or 'none is named'}"
        )
    roles = tuple(one.one_of(HOST_ROLES) for one in entry["roles"].each())
    if cluster is None and len(clusters) == 1 and "workstation" not in roles:
        cluster = next(iter(clusters))
    return Host(_subject_name(entry, name), entry["connection"].text(), roles, cluster)


def _nodes_of(name: str, entry: Entry, clusters: Mapping[str, Cluster]) -> NodesOf:
    entry.keys(("from", "cluster", "user", "port"))
    entry["from"].one_of(("nodes",))
    cluster = entry["cluster"].text(next(iter(clusters)) if len(clusters) == 1 else None)
    if cluster not in clusters:
        entry["cluster"].fail(
            f"{cluster!r} is not among the clusters: {', '.join(sorted(clusters)) or 'none is named'}"
        )
    port = entry["port"].text() if "port" in entry else None
    if port is not None and not (port.isdigit() and 0 < int(port) < 65536):
        entry["port"].fail(f"expected a port between 1 and 65535, not {port!r}")
    user = entry["user"].text() if "user" in entry else None
    return NodesOf(name, cluster, user, int(port) if port else None)


def _ssh(entry: Entry, base: Path) -> Ssh:
    entry.keys(("config", "identity_file", "known_hosts", "sudo", "verify_host_keys"))
    return Ssh(
        config=_path(entry["config"], base) if "config" in entry else None,
        identity_file=_path(entry["identity_file"], base) if "identity_file" in entry else None,
        known_hosts=_path(entry["known_hosts"], base) if "known_hosts" in entry else None,
        sudo=entry["sudo"].flag(default=False),
        verify_host_keys=entry["verify_host_keys"].flag(default=True),
    )
