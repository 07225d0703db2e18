"""Service-account keys of user clusters, which the platform's own preflight does not verify."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance import FLEET, WARNING, Members, NotApplicable, Unreadable, found, hazard
from conformance.reads.projection import value_at

from ..sources import ANTHOS_BARE_METAL
from .facts_service_accounts import ROLES, Held, Role
from .facts_workspace import Settings
from .parameters import BMCTL_DIRECTORY
from .workspace import KeyFile


@dataclass(slots=True)
class Judged:
    """What was found so far, each with the user clusters that it concerns."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    evidence: dict[str, None] = field(default_factory=dict)

    def add(self, text: str, cluster: str, *lines: str) -> None:
        """Something is wrong."""
        self.wrong.setdefault(text, []).append(cluster)
        self.evidence.update(dict.fromkeys(lines))

    def doubt(self, text: str, cluster: str) -> None:
        """Something cannot be told."""
        self.unknown.setdefault(text, []).append(cluster)


def _told(held: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{text} (for {', '.join(dict.fromkeys(names))})" for text, names in held.items())


@hazard(
    "abm-service-account-unverified",
    title="service-account keys of a user cluster are not in order, and the platform's preflight does not verify them",
    severity=WARNING,
    on=[FLEET],
    source=ANTHOS_BARE_METAL.section("プリフライト チェックとサービス アカウント認証情報"),
    remedy="Put valid keys with the documented roles in place before the user cluster is created or upgraded.",
    parameters=BMCTL_DIRECTORY,
    sides=["hosts", "clusters"],
)
def check_service_account_keys(
    abm_fleet_settings: Members,
    abm_fleet_key_secrets: Members,
    bmctl_workspaces: Members,
    bmctl_key_files: Members,
) -> None:
    users = [one for one in abm_fleet_settings.values() if one.user]
    if not users:
        if abm_fleet_settings.unread or not abm_fleet_settings:
            raise Unreadable("no Cluster object was read: name the clusters (--kubeconfig, or the change file)")
        raise NotApplicable("no user cluster is looked at: bmctl itself verifies the keys of other clusters")
    judged = Judged()
    if not bmctl_workspaces and not bmctl_workspaces.unread:
        for one in users:
            judged.doubt("no workstation is named, where the key files are: give a host the role workstation", one.name)
    for one in users:
        secrets = abm_fleet_key_secrets.get(one.name, {})
        for role in ROLES:
            named = list(_files(one, role, bmctl_workspaces, bmctl_key_files, judged))
            needed = bool(named) or any(
                role.needed_by and role.needed_by in spec for _, spec in _specs(one, bmctl_workspaces)
            )
            held = secrets.get(role.path_key)
            project = _project(one, role, bmctl_workspaces)
            if not needed:
                continue
            valid = [(where, file) for where, file in named if _file_is_right(where, file, project, one.name, judged)]
            if held is not None:
                _judge_secret(one, held, project, valid, judged)
    if judged.wrong:
        admins = dict.fromkeys(one.admin_object for one in users)
        update = "".join(
            f"\n  bmctl update credentials -c {shlex.quote(name)} --kubeconfig ADMIN_KUBECONFIG" for name in admins
        )
        raise found(
            _told(judged.wrong),
            evidence=list(judged.evidence),
            remedy="Put valid keys of accounts with the documented roles in the places named, and bring them into the admin "
            f"cluster, which hands them on:{update}",
        )
    if judged.unknown:
        raise Unreadable(_told(judged.unknown))


def _specs(one: Settings, workspaces: Members) -> list[tuple[str, Mapping[str, Any]]]:
    """The specs of a cluster; from its configuration on the workstation where there is no other."""
    if one.specs:
        return one.specs
    held = (workspace.configurations.get(one.object_name) for workspace in workspaces.values())
    return [
        (file.path, file.cluster.get("spec") or {}) for file in held if file is not None and file.cluster is not None
    ]


def _project(one: Settings, role: Role, workspaces: Members) -> str:
    """The project that a key must belong to; empty where nobody names one."""
    for _, spec in reversed(_specs(one, workspaces)):  # what is about to be applied comes first
        named = value_at(spec, role.project)
        if named:
            return str(named)
    return ""


def _files(
    one: Settings, role: Role, workspaces: Members, keys: Members, judged: Judged
) -> Iterator[tuple[str, KeyFile]]:
    """The key files that are named for a cluster: where each lies, and the file.

    A user cluster whose configuration names none has those of its admin cluster.
    """
    desired = one.desired.head.get(role.path_key)
    for host, workspace in workspaces.items():
        configurations = [workspace.configurations.get(name) for name in (one.object_name, one.admin_object)]
        there = [configuration for configuration in configurations if configuration is not None]
        path = str(desired or "")
        for configuration in there if not path else []:
            if configuration.problem:
                judged.doubt(f"{host}: {configuration.problem}", one.name)
            path = path or str(configuration.head.get(role.path_key) or "")
        if not path and not there:
            judged.doubt(
                f"{workspace.directory}/bmctl-workspace on {host} has no configuration that names the keys: set the parameter "
                "bmctl-directory",
                one.name,
            )
        elif not path and role.needed_by and not any(configuration.problem for configuration in there):
            needing = any(role.needed_by in spec for _, spec in _specs(one, workspaces))
            if needing:
                judged.doubt(f"no configuration on {host} names {role.path_key}", one.name)
        if path and host in keys:
            if path in keys[host]:
                yield f"{path} on {host} ({role.path_key})", keys[host][path]
            else:
                judged.doubt(
                    f"{path} ({role.path_key}) was not looked at on {host}: no configuration there names it", one.name
                )


_STATES = {
    "missing": "does not exist",
    "nofile": "is no file",
    "large": "is no service-account key: it is larger than 64 KiB",
    "nojson": "is no service-account key: it is no JSON",
}


def _file_is_right(where: str, file: KeyFile, project: str, cluster: str, judged: Judged) -> bool:
    """Whether the secret can be compared with a key file; what is wrong with the file is told."""
    if file.state == "denied":
        judged.doubt(f"{where} cannot be read: log in as the user that runs bmctl", cluster)
        return False
    if file.state in _STATES:
        judged.add(f"{where} {_STATES[file.state]}", cluster, f"key {file.path}", f"state {file.state}")
        return False
    problems = list(
        _problems(file.names, file.pem and (file.state == "notool" or file.fingerprint is not None), project)
    )
    for problem in problems:
        judged.add(f"{where} {problem}", cluster, f"key {file.path}", *_lines(file.names))
    if file.state == "notool":
        judged.doubt(
            f"{where}: whether its private key is valid cannot be told without openssl: install openssl", cluster
        )
    return file.fingerprint is not None


def _lines(names: Mapping[str, str]) -> list[str]:
    return [f"name {name} {text}" for name, text in names.items()]


def _problems(names: Mapping[str, str], key: bool, project: str) -> Iterator[str]:
    """What is wrong with a service-account key."""
    if names.get("type") != "service_account":
        yield f"is no service-account key: its type is {names.get('type', 'not given')}"
        return
    absent = [name for name in ("project_id", "client_email", "private_key_id") if names.get(name, "?") == "?"]
    if absent:
        yield f"has no usable {' and '.join(absent)}"
    if not key:
        yield "has no private_key that is a valid PEM key"
    if project and names.get("project_id", "?") not in ("?", project):
        yield f"belongs to project {names['project_id']}, and not to {project}"


def _judge_secret(one: Settings, held: Held, project: str, files: list[tuple[str, KeyFile]], judged: Judged) -> None:
    where = f"secret {held.key} of {one.admin}"
    if held.problem:
        judged.doubt(f"{where}: {held.problem}", one.name)
        return
    if held.keys is None:
        if held.referenced:
            judged.add(f"{where} does not exist", one.name, f"secret {held.key}: there is none")
        else:
            judged.doubt(
                f"{where} does not exist, and the Cluster names no other: look by hand where the key is", one.name
            )
        return
    if not held.keys:
        judged.add(f"{where} holds no service-account key", one.name, f"secret {held.key}: no service-account key")
        return
    for key in held.keys:
        line = f"secret {held.key}: {_name(key)}"
        for problem in _problems(key["names"], key["fingerprint"] is not None, project):
            judged.add(f"{where} {problem}", one.name, line)
        for place, file in files:
            if key["fingerprint"] is not None and not any(k["fingerprint"] == file.fingerprint for k in held.keys):
                judged.add(
                    f"{where} holds {_differs(key['names'], file.names)} {place}", one.name, line, f"key {file.path}"
                )


def _name(key: Mapping[str, Any]) -> str:
    return f"account {key['names'].get('client_email', '?')}, key {key['names'].get('private_key_id', '?')}"


def _differs(mine: Mapping[str, str], other: Mapping[str, str]) -> str:
    account, key = mine.get("client_email", "?"), mine.get("private_key_id", "?")
    if account != other.get("client_email"):
        return f"a key of account {account}, and not of {other.get('client_email', '?')} as"
    if key != other.get("private_key_id"):
        return f"key {key} of account {account}, and not {other.get('private_key_id', '?')} as"
    return f"key {key} of account {account} with another private key than"
