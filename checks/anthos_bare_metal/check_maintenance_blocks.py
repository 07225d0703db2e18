"""Maintenance blocks that bmctl update leaves in the Cluster object."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conformance import FLEET, WARNING, Members, Unreadable, found, hazard
from conformance.facts.values.addresses import InvalidRange, Range
from conformance.reads.projection import value_at

from ..sources import ANTHOS_BARE_METAL
from .facts_workspace import Settings
from .parameters import BMCTL_DIRECTORY


@hazard(
    "abm-maintenance-blocks-kept",
    title="bmctl update does not remove or change maintenanceBlocks: nodes stay in maintenance mode",
    severity=WARNING,
    on=[FLEET],
    source=ANTHOS_BARE_METAL.section("bmctl update でメンテナンス ブロックが削除されない"),
    remedy="Take the nodes out of maintenance mode in the Cluster object itself (kubectl edit).",
    parameters=BMCTL_DIRECTORY,
    sides=["clusters"],
)
def check_maintenance_blocks_are_as_configured(abm_fleet_settings: Members, bmctl_workspaces: Members) -> None:
    if not abm_fleet_settings:
        raise Unreadable("no Cluster object was read: name the clusters (--kubeconfig, or the change file)")
    wrong: dict[str, Settings] = {}
    evidence: list[str] = []
    unknown: list[str] = []
    for one in abm_fleet_settings.values():
        live = _blocks(one.live.spec) if one.live else []
        if not live:
            continue
        compared = False
        for where, blocks, problem in _configured(one, bmctl_workspaces):
            compared = True
            if problem:
                unknown.append(problem)
            elif _covered(blocks) != _covered(live):
                has = f"has {', '.join(blocks)}" if blocks else "has none"
                wrong[f"{one.name}: its Cluster has maintenanceBlocks {', '.join(live)}, {where} {has}"] = one
                line = f"cluster {one.object_name}: spec.maintenanceBlocks.cidrBlocks {', '.join(live)}"
                evidence += [line, f"{where}: {', '.join(blocks) or 'no maintenanceBlocks'}"]
        if not compared:
            unknown.append(
                f"{one.name}: its Cluster has maintenanceBlocks {', '.join(live)}, and no configuration of it is known: give "
                "--desired, or name the workstation and its bmctl-directory"
            )
    if wrong:
        edit = dict.fromkeys(_edit(one) for one in wrong.values())
        raise found(
            "; ".join(wrong),
            evidence=evidence,
            remedy="bmctl update will not do it. Take the addresses out of spec.maintenanceBlocks in the object itself:\n"
            + "\n".join(edit),
        )
    if unknown:
        raise Unreadable("; ".join(dict.fromkeys(unknown)))


def _configured(one: Settings, workspaces: Members) -> Iterator[tuple[str, list[str], str]]:
    """Where a configuration of the cluster stands, the blocks in it, and why they cannot be told."""
    if one.desired.cluster is not None:
        yield "the desired configuration", _blocks(one.desired.cluster.spec), ""
        return
    for host, workspace in workspaces.items():
        configuration = workspace.configurations.get(one.object_name)
        if configuration is None:
            continue
        where = f"{configuration.path} on {host}"
        if configuration.problem:
            yield where, [], f"{host}: {configuration.problem}"
        elif configuration.cluster is not None and one.object_name == value_at(configuration.cluster, "metadata.name"):
            yield where, _blocks(configuration.cluster.get("spec") or {}), ""


def _blocks(spec: Mapping[str, Any]) -> list[str]:
    """The addresses and ranges in maintenance, as written."""
    held = value_at(spec, "maintenanceBlocks", {}) or {}
    listed = held.get("cidrBlocks") if isinstance(held, Mapping) else None
    if held and not isinstance(listed, list | None):
        raise Unreadable("a maintenanceBlocks is not in the form that is known: expected cidrBlocks with a list")
    return [str(text).strip() for text in listed or []]


def _covered(texts: Iterable[str]) -> tuple[list[tuple[int, int, int]], list[str]]:
    """The addresses that texts stand for, however they are written: version, first, last; and what is no address."""
    merged: list[tuple[int, int, int]] = []
    ranges, others = [], []
    for text in texts:
        try:
            ranges.append(Range.parse(text))
        except InvalidRange:
            others.append(text)
    for version, first, last in sorted((one.version, one.first, one.last) for one in ranges):
        if merged and merged[-1][0] == version and first <= merged[-1][2] + 1:
            merged[-1] = (version, merged[-1][1], max(last, merged[-1][2]))
        else:
            merged.append((version, first, last))
    return merged, sorted(set(others))


def _edit(one: Settings) -> str:
    assert one.live is not None
    where = f"-n {shlex.quote(one.live.namespace)} {shlex.quote(one.live.name)}"
    return f"  kubectl --kubeconfig ADMIN_KUBECONFIG edit clusters.baremetal.cluster.gke.io {where}"
