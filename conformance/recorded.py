"""The change as plain data inside a snapshot, so that a snapshot alone says what it was read for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.change import FRESH_HOURS, Change, Cluster, Host, Upgrade
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

    :raises ValueError, KeyError, TypeError, AttributeError: the record is damaged.
    """
    hosts = {
        name: Host(name, str(one["connection"]), tuple(one["roles"]), one["cluster"])
        for name, one in record["hosts"].items()
    }
    clusters = {
        name: Cluster(
            name,
            role=one["role"],
            manager=one["manager"],
            connected=bool(one["connected"]),
            upgrade=_upgrade_of(one["upgrade"]),
        )
        for name, one in record["clusters"].items()
    }
    return Change(
        profile=record.get("profile"),
        upgrade=_upgrade_of(record["upgrade"]),
        hosts=hosts,
        clusters=clusters,
        parameters={str(key): str(value) for key, value in record["parameters"].items()},
        examine=tuple(record["examine"]),
        exec=record.get("exec") is not False,
        fresh_hours=int(record.get("fresh_hours", FRESH_HOURS)),
        inputs={str(key): str(value) for key, value in record.get("inputs", {}).items()},
    )


def _upgrade(upgrade: Upgrade) -> dict[str, Any]:
    return {
        "from": str(upgrade.source) if upgrade.source else None,
        "to": str(upgrade.target) if upgrade.target else None,
        "none": upgrade.none,
    }


def _upgrade_of(record: Mapping[str, Any]) -> Upgrade:
    return Upgrade(
        Version.parse(record["from"]) if record["from"] else None,
        Version.parse(record["to"]) if record["to"] else None,
        none=bool(record["none"]),
    )
