"""The rights that a plan needs, and no more: the ClusterRole and the sudoers drop-in derived from it."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from conformance.gather.requests import EXEC, Location, requests_of
from conformance.plan import Plan
from conformance.run import Run

__all__ = ["cluster_role", "sudoers"]

#: Paths that every authenticated user may get (the roles system:discovery and system:public-info-viewer).
_GRANTED: Final = re.compile(r"/(api|apis)(/\*)?|/(healthz|livez|readyz|version)/?")


def cluster_role(run: Run, plan: Plan) -> str:
    """The ClusterRole with which the requests of a plan succeed, as YAML for ``kubectl apply -f -``.

    One role for all clusters of the plan: bind it where they are asked. Discovery and ``/version`` need no rule. What is
    asked for in one namespace alone is a Role in it.
    """
    wanted = requests_of(read for reads in plan.of_clusters(run.inventory).values() for read in reads)
    rules: list[dict[str, Any]] = []
    inside: dict[str, list[dict[str, Any]]] = {}
    for one in wanted:
        if isinstance(one, Location):
            if not _GRANTED.fullmatch(one.path):
                rules.append({"nonResourceURLs": [one.path], "verbs": ["get"]})
            continue
        rule: dict[str, Any] = {"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]}
        if one.names:
            rule["resourceNames"] = list(one.names)
        (inside.setdefault(one.namespace, []) if one.namespace else rules).append(rule)
    roles = [_role("ClusterRole", {"name": "pytest-preflight"}, rules)]
    roles += [_role("Role", {"name": "pytest-preflight", "namespace": at}, held) for at, held in inside.items()]
    said = f"# What profile {run.profile.name} reads of a cluster, and no more. Discovery and /version need no rule.\n"
    if inside:
        said += (
            f"# Bind the ClusterRole with a ClusterRoleBinding, each Role with a RoleBinding ({', '.join(inside)}).\n"
        )
    if any(not isinstance(one, Location) and one.resource == EXEC for one in wanted):
        said += (
            f"# {EXEC} COULD DO MORE THAN READ: --no-exec does without it, and prints the roles without it. Its verb get\n"
            "# is asked for by all API servers, create by those of Kubernetes 1.35 and later.\n"
        )
    return said + yaml.safe_dump_all(roles, sort_keys=False)


def _role(kind: str, metadata: dict[str, str], rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules}


def sudoers(run: Run, plan: Plan) -> str:
    """The sudoers drop-in with which the commands of a plan that need root succeed: whole commands, never a shell.

    For ``visudo -cf``, then ``/etc/sudoers.d/`` on each host; the login user is to be filled in.
    """
    words = {
        read.words for reads in plan.of_hosts(run.inventory).values() for read in reads if read.sudo and read.words
    }
    said = [f"# What profile {run.profile.name} needs root for, and no more. Replace LOGIN by the login user."]
    if not words:
        return "\n".join([*said, "# Nothing: no read of this profile needs root."])
    return "\n".join([*said, *(f"LOGIN ALL=(root) NOPASSWD: {_command(one)}" for one in sorted(words))])


def _command(words: tuple[str, ...]) -> str:
    """A command as sudoers(5) writes it: what it would take for itself is escaped, and no argument is left open."""
    program, *arguments = (re.sub(r"([\\:,=#*?\[\]!\"])", r"\\\1", word) for word in words)
    return " ".join([program, *arguments]) if arguments else f'{program} ""'
