"""GitOps: whether who runs the upgrade, and Flux itself, can log in to the Git provider."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from conformance import BLOCKER, WORKSTATION, Members, NotApplicable, Unreadable, found, hazard
from conformance.change import Upgrade

from ..sources import EKS_ANYWHERE
from .facts_workstation import Git
from .parameters import EKSA_DIRECTORY
from .workstation import Variables

#: A problem, the line that shows it, and what to do.
Problem = tuple[str, str, str]
_STATES = {
    "missing": "names no file that is there",
    "denied": "names a file that this user may not read",
    "nofile": "names something that is no plain file",
    "empty": "names an empty file",
}


@hazard(
    "eksa-git-provider-auth",
    title="the Git provider of GitOps cannot be logged in to",
    severity=BLOCKER,
    on=[WORKSTATION],
    source=EKS_ANYWHERE.section("検証フェーズ"),
    remedy="Export the token or the key of the Git provider for the user that runs eksctl anywhere, and mend the source of Flux.",
    parameters=EKSA_DIRECTORY,
)
def check_git_provider_can_be_logged_in_to(
    eksa_variables: Variables, eksa_gits: Members, upgrades: Mapping[str, Upgrade]
) -> None:
    gits: list[Git] = [one for name, one in eksa_gits.items() if not (name in upgrades and upgrades[name].none)]
    if not gits:
        if eksa_gits.unread:
            first = next(iter(eksa_gits.unread.values()))
            raise Unreadable(f"whether a cluster is kept in Git cannot be told: {first.reason}", read=first.read)
        if not eksa_gits and not eksa_gits.inapplicable:
            raise Unreadable("whether a cluster is kept in Git cannot be told: name the clusters in the change file")
        raise NotApplicable("; ".join(eksa_gits.inapplicable.values()) or "no cluster that is kept in Git is upgraded")
    problems = dict.fromkeys(problem for git in gits for problem in (*_login(git, eksa_variables), *_sources(git)))
    if problems:
        raise found(
            "; ".join(dict.fromkeys(said for said, _, _ in problems)),
            evidence=list(dict.fromkeys(line for _, line, _ in problems)),
            remedy="\n".join(dict.fromkeys(remedy for _, _, remedy in problems)),
        )


def _login(git: Git, variables: Variables) -> Iterator[Problem]:
    """What is missing in the environment of who runs the upgrade. Whether a token is accepted is Flux's to say."""
    if git.provider == "github":
        state = variables["EKSA_GITHUB_TOKEN"]
        if state != "set":
            yield (
                f"EKSA_GITHUB_TOKEN is {state} in the environment of the user that runs the upgrade (for {git.config})",
                f"EKSA_GITHUB_TOKEN: {state}",
                "read -rs EKSA_GITHUB_TOKEN && export EKSA_GITHUB_TOKEN",
            )
        return
    for name, what in (("EKSA_GIT_PRIVATE_KEY", "the private key"), ("EKSA_GIT_KNOWN_HOSTS", "known_hosts")):
        state, file = variables[name], variables.files.get(name)
        if state != "set":
            said, line = f"is {state} in the environment of the user that runs the upgrade", f"{name}: {state}"
        elif file is None:
            raise Unreadable(f"the file that {name} names was not looked at: gather again")
        elif file.state != "ok":
            path = f" ({file.path})" if file.path else ""
            said, line = f"{_STATES[file.state]}{path}", f"{name}: {file.state}{path}"
        else:
            continue
        yield f"{name} {said} (for {git.config})", line, f"export {name}=FILE   # the file of {what} for {git.config}"


def _sources(git: Git) -> Iterator[Problem]:
    """Whether Flux, with its own credentials, gets at the repository."""
    if not git.installed:
        return
    if not git.sources:
        served = "" if git.sources is not None else ", for the kind is not served"
        yield (
            f"{git.where} has no GitRepository in namespace {git.namespace}{served}, yet {git.config} keeps {git.cluster} in Git",
            f"gitrepositories.source.toolkit.fluxcd.io of {git.where} in {git.namespace}: none",
            f"flux check   # on cluster {git.where}",
        )
        return
    for one in git.sources:
        space, name = shlex.quote(one.namespace), shlex.quote(one.name)
        command = f"flux reconcile source git -n {space} {name} && kubectl -n {space} describe gitrepository {name}"
        if one.ready is None or not one.ready.is_true:
            said = str(one.ready) if one.ready else "no condition Ready"
            yield (
                f"{one} of {git.where} is not Ready: {said}",
                f"{one}: {said}",
                f"{command}   # on cluster {git.where}",
            )
        elif not one.observed:
            yield (
                f"{one} of {git.where} was changed and not fetched since",
                f"{one}: its latest generation was not seen",
                f"{command}   # on cluster {git.where}",
            )
