"""Package repositories."""

from __future__ import annotations

from collections.abc import Iterable

from conformance import BLOCKER, HOST, NODE, Source, found, hazard
from conformance.facts.values.osrelease import OsRelease
from conformance.facts.values.yum import Repositories, Repository

from ..sources import ANTHOS_BARE_METAL
from .repositories import ARCHIVE, is_dead, is_of_centos, way_out

_REMEDY = rf"""Use the archive, {ARCHIVE}; each file as it is stays beside the new one (.bak). In the long run move to a supported distribution.
  # a repository that has no line baseurl, not even in a comment, needs one, such as
  # baseurl=http://{ARCHIVE}/centos/$releasever/BaseOS/$basearch/os/
  sed -i.bak -E -e 's@^mirrorlist *= *https?://mirrorlist\.centos\.org@#&@I' \
    -e 's@^[# ]*(baseurl *= *https?://)mirror\.centos\.org@\1{ARCHIVE}@I' /etc/yum.repos.d/CentOS-*.repo"""


@hazard(
    "abm-centos-repos",
    title="CentOS with package repositories that have gone: installing packages fails",
    severity=BLOCKER,
    on=[NODE],
    source=ANTHOS_BARE_METAL.section("CentOS でクラスタの作成またはアップグレードの失敗"),
    remedy=_REMEDY,
)
@hazard(
    "os-centos-repos",
    title="CentOS with package repositories that have gone: installing packages fails",
    severity=BLOCKER,
    on=[HOST],
    source=Source(
        "Anthos clusters on bare metal: known issues",
        "CentOS でクラスタの作成またはアップグレードの失敗 (CentOS ended on 31 January 2022)",
        ANTHOS_BARE_METAL.url,
    ),
    remedy=_REMEDY,
)
def check_centos_repositories_live(os_release: OsRelease, centos_repositories: Repositories) -> None:
    enabled = centos_repositories.enabled
    dead = {one: lines for one in enabled if (lines := [url.line for url in one.sources if is_dead(url)])}
    # yum gives up on one without any URL ("Cannot find a valid baseurl for repo"). dnf, which came with CentOS 8, warns
    # ("has no mirror or baseurl set") and leaves it out, which matters where the packages are CentOS's own.
    yum = os_release.version_id.partition(".")[0] in ("5", "6", "7")
    empty = [one for one in enabled if not one.sources and (yum or is_of_centos(one))]
    if not dead and not empty:
        return
    said = []
    if dead:
        said.append(f"enabled repositories point at hosts that have gone: {_named(dead)}")
    if empty:
        said.append(
            f"enabled repositories have no URL at all, neither baseurl nor mirrorlist nor metalink: {_named(empty)}"
        )
    raise found(
        "; ".join(said),
        evidence=[
            *(line for lines in dead.values() for line in lines),
            *(f"{one.path}:{one.number}: [{one.id}] has no URL" for one in empty),
        ],
        remedy=way_out([*dead, *empty], os_release),
    )


def _named(repositories: Iterable[Repository]) -> str:
    return ", ".join(dict.fromkeys(f"{one.id} ({one.path})" for one in repositories))
