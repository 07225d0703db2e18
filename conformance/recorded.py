"""The change as plain data inside a snapshot, so that a snapshot alone says what it was read for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.change import FRESH_HOURS, Change, Cluster, Host, Upgrade, version_of
from conformance.documents import Entry
from conformance.versions import Version

__all__ = ["change_of", "record_of"]


def record_of(change: Change) -> dict[str, Any]:
    """What a run on a snapshot needs of the change; how hosts and clusters were reached is not part of it."""
    return {
        "profile": change.profile,
        "upgrade": _upgrade(change.upgrade),
        "hosts": {
            one.name: {"connection": one.connection, "roles": list(one.roles), "cluster": one.cluster}
            for one in change.hosts.values()
        },
        "clusters": {
            one.name: {
                "role": one.role,
                "manager": one.manager,
                "connected": one.connected,
                "upgrade": _upgrade(one.upgrade),
                "server": one.server,
                "authority": one.authority,
            }
            for one in change.clusters.values()
        },
        "parameters": dict(change.parameters),
        "examine": list(change.examine),
        "exec": change.exec,
        "fresh_hours": change.fresh_hours,
        "inputs": dict(change.inputs),
    }


def change_of(record: Mapping[str, Any]) -> Change:
    """The change that `record_of` wrote.

    :raises ValueError: the record is damaged; where, and what was expected.
    """
    top = Entry("change", "", dict(record))
    clusters = {_named(name, one): _cluster(name, one) for name, one in _required(top, "clusters").items()}
    for name, cluster in clusters.items():
        if cluster.manager is not None and (cluster.manager not in clusters or cluster.manager == name):
            top[f"clusters.{name}.manager"].fail(f"expected the name of another cluster, not {cluster.manager!r}")
    examine = tuple(one.one_of(("hosts", "clusters")) for one in _required(top, "examine").each())
    if not examine or len(set(examine)) < len(examine):
        top["examine"].fail("expected hosts, clusters or both, each once")
    return Change(
        profile=_text(top["profile"]),
        upgrade=_upgrade_of(_required(top, "upgrade")),
        hosts={_named(name, one): _host(name, one) for name, one in _required(top, "hosts").items()},
        clusters=clusters,
        parameters={name: _text(one) or "" for name, one in _required(top, "parameters").items()},
        examine=examine,
        exec=top["exec"].flag(default=True),
        fresh_hours=_hours(top["fresh_hours"]),
        inputs={name: one.text() for name, one in top["inputs"].items()},
    )


def _host(name: str, entry: Entry) -> Host:
    roles = tuple(one.text() for one in _required(entry, "roles").each())
    return Host(name, _required(entry, "connection").text(), roles, _text(entry["cluster"]))


def _cluster(name: str, entry: Entry) -> Cluster:
    return Cluster(
        name,
        role=_text(entry["role"]),
        manager=_text(entry["manager"]),
        connected=_required(entry, "connected").flag(default=True),
        upgrade=_upgrade_of(_required(entry, "upgrade")),
        server=_text(entry["server"]) or "",
        authority=_text(entry["authority"]) or "",
    )


def _required(entry: Entry, key: str) -> Entry:
    if entry[key].value is None:
        entry.fail(f"the key {key!r} is missing")
    return entry[key]


def _named(name: str, entry: Entry) -> str:
    if not name.strip():
        entry.fail("a subject has no name")
    return name


def _text(entry: Entry) -> str | None:
    """Text, which may be empty, or nothing."""
    if entry.value is not None and not isinstance(entry.value, str):
        entry.text()
    return None if entry.value is None else str(entry.value)


def _hours(entry: Entry) -> int:
    if entry.value is None:
        return FRESH_HOURS
    if not isinstance(entry.value, int) or isinstance(entry.value, bool) or entry.value < 1:
        entry.fail(f"expected a number of hours such as 24, not {entry.value!r}")
    return int(entry.value)


def _upgrade(upgrade: Upgrade) -> dict[str, Any]:
    return {
        "from": str(upgrade.source) if upgrade.source else None,
        "to": str(upgrade.target) if upgrade.target else None,
        "none": upgrade.none,
    }


def _upgrade_of(entry: Entry) -> Upgrade:
    none = _required(entry, "none").flag(default=False)
    # What was accepted when it was recorded is not asked again.
    before, after = (version_of(entry[key], Version.parse) for key in ("from", "to"))
    return Upgrade(before, after, none=none)
