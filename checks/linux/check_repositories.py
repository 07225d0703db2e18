"""Package repositories."""

from __future__ import annotations

import re
import shlex

from conformance import BLOCKER, HOST, NODE, NotApplicable, Source, found, hazard
from conformance.facts.values.osrelease import OsRelease
from conformance.facts.values.yum import Repositories, host_of

from ..sources import ANTHOS_BARE_METAL

_DEAD = re.compile(r"(mirrorlist|mirror)\.centos\.org", re.IGNORECASE)
_REMEDY = (
    "Use the archive: sed -i 's/^mirrorlist/#mirrorlist/; s|^#*baseurl=http://mirror.centos.org|"
    "baseurl=http://vault.centos.org|' {files} - in the long run move to a supported distribution."
)


@hazard(
    "abm-centos-repos",
    title="CentOS with package repositories that have gone: installing packages fails",
    severity=BLOCKER,
    on=[NODE],
    source=ANTHOS_BARE_METAL.section("CentOS でクラスタの作成またはアップグレードの失敗"),
    remedy=_REMEDY.format(files="/etc/yum.repos.d/CentOS-*"),
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
    remedy=_REMEDY.format(files="/etc/yum.repos.d/CentOS-*"),
)
def check_centos_repositories_live(os_release: OsRelease, yum_repositories: Repositories) -> None:
    if not os_release.is_centos:
        raise NotApplicable(f"the host runs {os_release.pretty_name or os_release.id}, not CentOS")
    if os_release.is_centos_stream:
        raise NotApplicable(f"the host runs {os_release.pretty_name}: CentOS Stream has repositories of its own")
    dead = [
        (repository, url)
        for repository in yum_repositories.enabled
        for url in repository.sources
        if _DEAD.fullmatch(host_of(url.url) or "")
    ]
    if dead:
        names = list(dict.fromkeys(f"{repository.id} ({repository.path})" for repository, _ in dead))
        files = list(dict.fromkeys(repository.path for repository, _ in dead))
        raise found(
            f"enabled repositories point at hosts that have gone: {', '.join(names)}",
            evidence=[url.line for _, url in dead],
            remedy=_REMEDY.format(files=shlex.join(files)),
        )
