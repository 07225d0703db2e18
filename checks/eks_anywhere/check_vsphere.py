"""vSphere: what a specification refers to, and the credentials of who runs the upgrade. vCenter itself is not read."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from conformance import BLOCKER, FLEET, WORKSTATION, Members, NotApplicable, Unreadable, found, hazard
from conformance.change import Upgrade
from conformance.reads.projection import value_at

from ..sources import EKS_ANYWHERE
from .facts_specification import DATACENTERS, MACHINES, Vsphere, conditions_and_failure
from .facts_workstation import Variables
from .specification import EksaCluster

PREFLIGHT = EKS_ANYWHERE.section("検証フェーズ")
_DATACENTER: Final = ("server", "datacenter", "network")
_MACHINE: Final = ("datastore", "folder", "resourcePool", "template")
_PLURALS: Final = {MACHINES: "vspheremachineconfigs", DATACENTERS: "vspheredatacenterconfigs"}
#: A problem, the line that shows it, and what to do.
Problem = tuple[str, str, str]


@hazard(
    "eksa-vsphere-objects",
    title="the specification names objects of vSphere that it does not hold, or that are not there",
    severity=BLOCKER,
    on=[FLEET],
    source=PREFLIGHT,
    remedy="Complete the specification: every machine configuration and datacenter that it refers to, with all names in them.",
    sides=["clusters"],
)
def check_vsphere_objects_are_complete(eksa_vsphere_clusters: Members, upgrades: Mapping[str, Upgrade]) -> None:
    there = {name: one for name, one in eksa_vsphere_clusters.items() if not (name in upgrades and upgrades[name].none)}
    said, evidence, remedy = [], [], []
    for name, one in there.items():
        for why, line, way in [*_specified(one), *_reported(one)]:
            said.append(f"{name}: {why}")
            evidence.append(line)
            remedy.append(way)
    if said:
        raise found("; ".join(said), evidence=evidence, remedy="\n".join(dict.fromkeys(remedy)))
    without = [name for name, one in there.items() if one.wanted is None]
    if without:
        raise Unreadable(
            f"the new specification of {', '.join(without)} is not known: give it (`desired:` in the change file, or --desired)"
        )
    if not there and not eksa_vsphere_clusters.unread:
        reasons = "; ".join(eksa_vsphere_clusters.inapplicable.values())
        if not reasons and not eksa_vsphere_clusters:
            raise Unreadable("no cluster is looked at: name it in the change file, or give --kubeconfig")
        raise NotApplicable(reasons or "no cluster on vSphere is upgraded")


def _specified(one: Vsphere) -> Iterator[Problem]:
    wanted = one.wanted
    if wanted is None:
        return
    file = f"{shlex.quote(wanted.name)}/{shlex.quote(wanted.name)}-eks-a-cluster.yaml"
    if not wanted.on_vsphere or wanted.datacenter is None:
        yield (
            f"the specification has {wanted.datacenter or 'no datacenterRef'} where the cluster has {one.live.datacenter}",
            f"specification: spec.datacenterRef={wanted.datacenter}",
            f"in {file}: put spec.datacenterRef back",
        )
        return
    uses: dict[tuple[str, str], str] = {(DATACENTERS, wanted.datacenter.name): "spec.datacenterRef"}
    for path, ref in wanted.machine_refs():
        if ref is None or ref.kind != MACHINES:
            yield (
                f"{path} of the specification names {ref or 'nothing'}, where it must name a {MACHINES}",
                f"specification: {path}={ref or '-'}",
                f"in {file}: let {path} name a {MACHINES}",
            )
        else:
            uses.setdefault((MACHINES, ref.name), path)
    for (kind, name), path in uses.items():
        document = one.wanted_objects.get(kind, {}).get(name)
        if document is None:
            yield (
                f"{path} names {kind} {name}, which the specification does not hold",
                f"specification: {path}={kind} {name}; there: {', '.join(one.wanted_objects.get(kind, {})) or 'none'}",
                f"in {file}: add the {kind} {name}, or mend {path}",
            )
            continue
        for key in _required(kind, document):
            if not str(value_at(document, f"spec.{key}") or "").strip():
                yield (
                    f"{kind} {name} of the specification has no spec.{key}",
                    f"specification: {kind} {name}: spec.{key} is empty",
                    f"in {file}: set spec.{key} of {kind} {name}",
                )


def _required(kind: str, document: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that an object must give: eksctl anywhere itself makes a template where there is none - of Bottlerocket."""
    if kind == DATACENTERS:
        return _DATACENTER
    family = str(value_at(document, "spec.osFamily") or "bottlerocket").lower()
    return _MACHINE if family != "bottlerocket" else tuple(key for key in _MACHINE if key != "template")


def _reported(one: Vsphere) -> Iterator[Problem]:
    """What EKS Anywhere itself says of the objects as they are."""
    names = {(MACHINES, ref.name) for _, ref in one.live.machine_refs() if ref and ref.kind == MACHINES}
    if one.live.datacenter and one.live.on_vsphere:
        names.add((DATACENTERS, one.live.datacenter.name))
    space = shlex.quote(one.live.namespace)
    for kind, name in sorted(names):
        live = one.live_objects.get(kind, {}).get(name)
        command = f"kubectl -n {space} describe {_PLURALS[kind]}.anywhere.eks.amazonaws.com {shlex.quote(name)}"
        if live is None:
            yield (
                f"{one.live} refers to {kind} {name}, which is not there",
                f"{_PLURALS[kind]}: none named {name}",
                f"kubectl -n {space} get {_PLURALS[kind]}.anywhere.eks.amazonaws.com",
            )
            continue
        bad, failure = conditions_and_failure(live)
        if failure:
            yield f"{kind} {name}: {failure}", f"{kind} {name}: status.failureMessage: {failure}", command
        for condition in bad:
            yield f"{kind} {name}: its condition {condition}", f"{kind} {name}: {condition}", command
    if one.live.failure_reason in ("DatacenterConfigInvalid", "MachineConfigInvalid"):
        reason = f"{one.live.failure_reason}: {one.live.failure}"
        yield (
            f"{one.live} reports {reason}",
            f"{one.live}: status.failureReason={reason}",
            f"kubectl -n {space} describe clusters.anywhere.eks.amazonaws.com {shlex.quote(one.live.name)}",
        )


_CREDENTIALS: Final = ("EKSA_VSPHERE_USERNAME", "EKSA_VSPHERE_PASSWORD")


@hazard(
    "eksa-vsphere-environment",
    title="the credentials for vSphere are not in the environment of who runs the upgrade",
    severity=BLOCKER,
    on=[WORKSTATION],
    source=PREFLIGHT,
    remedy="export EKSA_VSPHERE_USERNAME and EKSA_VSPHERE_PASSWORD for the user that runs eksctl anywhere.",
)
def check_vsphere_credentials_are_set(
    eksa_variables: Variables, eksa_fleet: Members, eksa_fleet_desired: Members, upgrades: Mapping[str, Upgrade]
) -> None:
    names = [name for name in {**eksa_fleet, **eksa_fleet_desired} if not (name in upgrades and upgrades[name].none)]
    on = [name for name in names if _on_vsphere(eksa_fleet.get(name), eksa_fleet_desired.get(name))]
    missing = {name: eksa_variables[name] for name in _CREDENTIALS if eksa_variables[name] != "set"}
    unread = {**eksa_fleet.unread, **eksa_fleet_desired.unread}
    if not on and not unread and (eksa_fleet or eksa_fleet.inapplicable):
        raise NotApplicable("no cluster that is upgraded is on vSphere")
    if not on and missing:
        first = next(iter(unread.values()), None)
        why = first.reason if first else "name the clusters in the change file"
        raise Unreadable(f"whether a cluster is on vSphere cannot be told: {why}", read=first.read if first else None)
    if missing:
        told = ", ".join(f"{name} is {state}" for name, state in missing.items())
        raise found(
            f"{told} in the environment of the user that runs the upgrade (for {', '.join(on)}); a variable that is not "
            "exported counts as not set",
            evidence=[f"{name}: {state}" for name, state in missing.items()],
            remedy="# In the shell that runs eksctl anywhere, the password without leaving it in the history:\n"
            + "\n".join(
                f"read -r{'s' if name.endswith('PASSWORD') else ''} {name} && export {name}" for name in missing
            ),
        )


def _on_vsphere(live: EksaCluster | None, wanted: EksaCluster | None) -> bool:
    return any(one is not None and one.on_vsphere for one in (live, wanted))
