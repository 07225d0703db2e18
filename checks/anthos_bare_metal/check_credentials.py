"""Credentials of the user that runs bmctl."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from conformance import BLOCKER, WORKSTATION, Members, Unreadable, clear, found, hazard
from conformance.change import Upgrade

from ..sources import ANTHOS_BARE_METAL
from .credentials import Credentials, KeyFile
from .parameters import BMCTL_DIRECTORY

VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_EXPORT = f"export {VARIABLE}=/absolute/path/of/KEY.json"


@hazard(
    "abm-application-default-credentials",
    title="bmctl finds no application default credentials, which it needs for a cluster whose operations location is not global",
    severity=BLOCKER,
    on=[WORKSTATION],
    source=ANTHOS_BARE_METAL.section("アプリケーションのデフォルト認証情報と bmctl"),
    remedy=f"Point {VARIABLE} at a service-account key file, or run gcloud auth application-default login.",
    parameters=BMCTL_DIRECTORY,
)
def check_default_credentials_are_found(
    abm_credentials: Credentials, abm_locations: Members, upgrades: Mapping[str, Upgrade]
) -> None:
    """What has a file of gcloud's own is let through, as the document has it, even where the variable names another."""
    concerned = [one for name, one in abm_locations.items() if name not in upgrades or not upgrades[name].none]
    wanting = [one for one in concerned if not one.is_global]
    problem = _problem(abm_credentials)
    if problem is None:
        return
    if any(one.type for one in abm_credentials.gcloud):
        if abm_credentials.variable or abm_credentials.held:
            raise clear(f"gcloud's own credentials are there; yet {problem}, and that comes first: unset {VARIABLE}")
        return
    if not wanting and concerned:
        return
    closed = [one for one in abm_credentials.gcloud if one.closed]
    if closed:
        raise Unreadable(f"{problem}, and whether gcloud has left credentials cannot be told: {_listed(closed)}")
    _decide_relative(abm_credentials.variable)
    if not concerned:
        raise Unreadable(
            f"{problem}, and gcloud has left no credentials. Whether bmctl needs any depends on the clusters' "
            "spec.clusterOperations.location, and no cluster was read: name the clusters (--kubeconfig, or the change file)"
        )
    raise found(
        f"{problem}, and gcloud has left no credentials; bmctl needs them to verify the location of "
        f"{', '.join(f'{one.cluster} ({one.shown})' for one in wanting)}",
        evidence=[
            _line(abm_credentials),
            *(str(one) for one in abm_credentials.gcloud),
            *(str(one) for one in wanting),
        ],
        remedy=f"As the user that runs bmctl, one of the two:\n  {_EXPORT}\n  gcloud auth application-default login",
    )


@hazard(
    "abm-nil-context",
    title="without a service-account key in GOOGLE_APPLICATION_CREDENTIALS an upgrade to 1.8.3 or 1.8.4 fails (nil context)",
    severity=BLOCKER,
    on=[WORKSTATION],
    upgrade_to=">=1.8.3,<1.8.5",
    source=ANTHOS_BARE_METAL.section("1.8.3 または 1.8.4 へのアップグレード"),
    remedy=f"{_EXPORT}, then run bmctl upgrade cluster again.",
    parameters=BMCTL_DIRECTORY,
)
def check_service_account_key_is_set(abm_credentials: Credentials) -> None:
    problem = _problem(abm_credentials)
    if problem is None:
        return
    _decide_relative(abm_credentials.variable)
    raise found(
        problem,
        evidence=[_line(abm_credentials)],
        remedy=f"As the user that runs bmctl, in the same shell:\n  {_EXPORT}\n  bmctl upgrade cluster ...",
    )


def _problem(credentials: Credentials) -> str | None:
    """Why the variable leads to no service-account key, None where it does."""
    named = credentials.variable
    if credentials.held:
        return f"{VARIABLE} holds something else than the path of a file"
    if named is None:
        return f"{VARIABLE} is not set for the user that runs bmctl"
    shown = shlex.quote(named.value)
    if named.state != "file":
        return f"{VARIABLE}={shown} names no readable file ({named.state})"
    if named.type != "service_account":
        return f"{VARIABLE}={shown} names no service-account key ({named})"
    return None


def _decide_relative(named: KeyFile | None) -> None:
    """A relative path may lead to a file in the directory in which bmctl runs; a ~ never leads home.

    :raises Unreadable: nobody can tell.
    """
    if named is not None and named.relative and named.state != "file" and not named.value.startswith("~"):
        raise Unreadable(
            f"{VARIABLE}={shlex.quote(named.value)} is a relative path, and {named}: where it leads depends on the "
            "directory in which bmctl runs. Export an absolute path, or name that directory (bmctl-directory)"
        )


def _line(credentials: Credentials) -> str:
    named = credentials.variable
    if named is None:
        return f"{VARIABLE} {'holds no path' if credentials.held else 'is not set'}"
    return f"{VARIABLE}={shlex.quote(named.value)}: {str(named).removeprefix(f'{named.path}: ')}"


def _listed(files: list[KeyFile]) -> str:
    return "; ".join(str(one) for one in files)
