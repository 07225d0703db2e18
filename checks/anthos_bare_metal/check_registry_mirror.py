"""The image of the audit proxy in a registry mirror."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance import BLOCKER, FLEET, Members, Specifier, Unreadable, found, hazard
from conformance.change import Upgrade
from conformance.reads.projection import value_at

from ..sources import ANTHOS_BARE_METAL
from .facts_workspace import Settings
from .parameters import BMCTL_DIRECTORY
from .workspace import Configuration
from .workspace_script import IMAGE, TAG

_TO: Final = "<1.8.2"
_SWITCH: Final = "clusterOperations.disableCloudAuditLogging"


@dataclass(frozen=True, slots=True)
class Use:
    """A cluster of the change that pulls through mirrors."""

    cluster: str
    host: str
    #: Endpoints that stand for gcr.io; all where none says so.
    endpoints: tuple[str, ...]
    #: Whether they are known to stand for gcr.io, from which the image is pulled.
    certain: bool
    #: on; unstated where nobody set the switch.
    logging: str
    line: str


@hazard(
    "abm-registry-mirror-auditproxy",
    title="the registry mirror lacks the image that Cloud Audit Logging needs",
    severity=BLOCKER,
    on=[FLEET],
    upgrade_to=_TO,
    fixed="1.8.2",
    source=ANTHOS_BARE_METAL.section("レジストリ ミラーと Cloud Audit Logging"),
    remedy="Pull the image from gcr.io, tag it for the mirror and push it there.",
    parameters=BMCTL_DIRECTORY,
    sides=["hosts"],
)
def check_mirrors_have_the_audit_proxy(
    bmctl_workspaces: Members,
    bmctl_mirror_replies: Members,
    abm_fleet_settings: Members,
    upgrades: Mapping[str, Upgrade],
) -> None:
    if not bmctl_workspaces:
        raise Unreadable("no workstation was read: name it (--hosts, or the change file) with the role workstation")
    unknown: list[str] = []
    uses = list(_uses(bmctl_workspaces, abm_fleet_settings, upgrades, unknown))
    missing: dict[str, list[Use]] = {}
    for use in uses:
        replies = bmctl_mirror_replies.get(use.host, {})
        states: dict[str, list[str]] = {}
        for endpoint in use.endpoints:
            held = replies.get(endpoint)
            if not held:
                unknown.append(
                    f"registry mirror {endpoint} of {use.cluster} was not asked: more than four are configured, or"
                    " it is not written in block style"
                )
                states.setdefault("unknown", []).append(endpoint)
            for one in held or []:
                states.setdefault(one.state, []).append(endpoint)
        if "present" in states:
            continue  # the container runtime asks one mirror after the other
        doubts = [one for endpoint in use.endpoints for one in replies.get(endpoint, []) if one.state == "unknown"]
        unknown += [
            f"registry mirror {one.endpoint} of {use.cluster}, asked from {use.host}: {one.reason}" for one in doubts
        ]
        if "unknown" in states:
            continue
        if not use.certain:
            unknown.append(
                f"the registry mirrors of {use.cluster} name hosts without gcr.io, and lack {IMAGE}:{TAG}: look by hand where "
                "images of gcr.io come from"
            )
            continue
        for endpoint in dict.fromkeys(use.endpoints):
            missing.setdefault(endpoint, []).append(use)
    if missing:
        raise _lacking(missing)
    if unknown:
        raise Unreadable("; ".join(dict.fromkeys(unknown)))


def _lacking(missing: Mapping[str, list[Use]]) -> Exception:
    said, evidence, commands = [], [], []
    for endpoint, uses in missing.items():
        names = ", ".join(dict.fromkeys(use.cluster for use in uses))
        stated = any(use.logging == "on" for use in uses)
        why = (
            ""
            if stated
            else (
                " (disableCloudAuditLogging is not set: before 1.9 that leaves Cloud Audit Logging off; it fails once it is on)"
            )
        )
        said.append(f"registry mirror {endpoint} of {names} lacks {IMAGE}:{TAG}{why}")
        evidence += [f"endpoint: {endpoint}", *(use.line for use in uses)]
        server = re.sub(r"/v2(?=/|$)", "", re.sub(r"^[a-z]+://", "", endpoint.rstrip("/")), count=1)
        source, copy = f"gcr.io/{IMAGE}:{TAG}", f"{server}/{IMAGE}:{TAG}"
        commands += [f"docker pull {source}", f"docker tag {source} {copy}", f"docker push {copy}"]
    lower = not any(use.logging == "on" for uses in missing.values() for use in uses)
    remedy = "\n".join(dict.fromkeys(commands))
    return found("; ".join(said), evidence=list(dict.fromkeys(evidence)), remedy=remedy, lower=lower)


def _uses(workspaces: Members, settings: Members, upgrades: Mapping[str, Upgrade], unknown: list[str]) -> Iterator[Use]:
    """The clusters of the change that pull through mirrors; what cannot be told of one goes to `unknown`."""
    known: dict[str, Settings] = {one.object_name: one for one in settings.values()}
    names = list(known) if upgrades else sorted({name for one in workspaces.values() for name in one.configurations})
    if not names and not settings.unread:
        unknown.append(f"no configuration is known: {_nowhere(workspaces)}")
    for name in names:
        one = known.get(name)
        if one is not None and not _concerned(one, upgrades, unknown):
            continue
        held = list(_configurations(workspaces, name, one))
        if not held:
            unknown.append(
                f"{name} has no configuration, which would name its registry mirrors: {_nowhere(workspaces)}"
            )
        for host, configuration, own in held:
            yield from _use(name, one, host, configuration, own, unknown)
        if one is not None and held:
            told = {endpoint for _, configuration, _ in held for endpoint, _ in _mirrors(configuration.head)}
            for where, endpoint in _named_elsewhere(one):
                if endpoint not in told and _logging(one.specs) != "off":
                    unknown.append(
                        f"{where} names the registry mirror {endpoint}, which no configuration on the workstation has: look by "
                        f"hand whether it has {IMAGE}:{TAG}"
                    )


def _nowhere(workspaces: Members) -> str:
    places = ", ".join(f"{one.directory}/bmctl-workspace on {host}" for host, one in workspaces.items())
    return f"not in {places or 'any workspace'}; set the parameter bmctl-directory"


def _concerned(one: Settings, upgrades: Mapping[str, Upgrade], unknown: list[str]) -> bool:
    upgrade = upgrades.get(one.name)
    if upgrade is None or upgrade.none:
        return False
    if upgrade.target is None:
        unknown.append(f"the version to upgrade {one.name} to is not known: give --upgrade-to")
        return False
    return Specifier.parse(_TO).may_contain(upgrade.target)


def _configurations(
    workspaces: Members, name: str, one: Settings | None
) -> Iterator[tuple[str, Configuration, Configuration | None]]:
    """The configurations that tell a cluster's mirrors, each with the workstation and the cluster's own one there.

    A user cluster that names none uses those of its admin cluster.
    """
    for host, workspace in workspaces.items():
        own = workspace.configurations.get(name)
        if one is not None and one.user and (own is None or not (own.problem or own.head.get("registryMirrors"))):
            above = workspace.configurations.get(one.admin_object)
            if above is not None:
                yield host, above, own
                continue
        if own is not None:
            yield host, own, own


def _use(
    name: str,
    one: Settings | None,
    host: str,
    configuration: Configuration,
    own: Configuration | None,
    unknown: list[str],
) -> Iterator[Use]:
    if configuration.problem:
        unknown.append(f"{host}: {configuration.problem}")
        return
    specs = list(one.specs) if one is not None else []
    if own is not None and own.cluster is not None:
        specs.append((own.path, own.cluster.get("spec") or {}))
    logging = _logging(specs)
    mirrors = list(_mirrors(configuration.head))
    if not mirrors or logging == "off":
        return
    certain = [endpoint for endpoint, hosts in mirrors if not hosts or "gcr.io" in hosts]
    chosen = certain or [endpoint for endpoint, _ in mirrors]
    where = next((place for place, spec in specs if value_at(spec, _SWITCH) is False), "")
    line = f"{where}: spec.{_SWITCH}: false" if where else f"{name}: spec.{_SWITCH} is not set"
    yield Use(name, host, tuple(dict.fromkeys(chosen)), bool(certain), logging, line)


def _logging(specs: list[tuple[str, Mapping[str, Any]]]) -> str:
    """``on`` where anybody says so, ``off`` where somebody switches it off and nobody on, else ``unstated``."""
    said = [value_at(spec, _SWITCH) for _, spec in specs]
    if any(one is False for one in said):
        return "on"
    return "off" if any(one is True for one in said) else "unstated"


def _mirrors(head: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Endpoint and hosts of the mirrors that keys for bmctl, or a spec, name."""
    listed = head.get("registryMirrors") or []
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) and one.get("endpoint") for one in listed):
        raise Unreadable("registryMirrors are not in the form that is known: expected a list, each with an endpoint")
    for one in listed:
        yield str(one["endpoint"]), tuple(str(host) for host in one.get("hosts") or [])


def _named_elsewhere(one: Settings) -> Iterator[tuple[str, str]]:
    places = [*one.specs, ("the desired configuration", one.desired.head)]
    for where, spec in places:
        for held in (spec, value_at(spec, "nodeConfig", {}) or {}):
            for endpoint, _ in _mirrors(held):
                yield where, endpoint
