"""How dead repositories of CentOS are brought to life: edits of their files for sed, made from what the files hold."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Final

from conformance.facts.values.osrelease import OsRelease
from conformance.facts.values.yum import Repository, RepositoryUrl, host_of

__all__ = ["ARCHIVE", "is_dead", "is_of_centos", "way_out"]

ARCHIVE: Final = "vault.centos.org"
_DEAD: Final = re.compile(r"(mirrorlist|mirror)\.centos\.org")
#: Of what the base URLs in comments point at: the archive has the same below the same path.
_REVIVED: Final = ("mirror.centos.org", ARCHIVE)
_NAME: Final = re.compile(r"[?&]repo=([\w.-]+)")
_TO_ARCHIVE: Final = rf"s|\([/@]\)mirror\.centos\.org|\1{ARCHIVE}|Ig"


def is_dead(url: RepositoryUrl) -> bool:
    """Whether a URL points at a host that has gone."""
    return _DEAD.fullmatch(host_of(url.url) or "") is not None


def is_of_centos(repository: Repository) -> bool:
    """Whether a repository is one that CentOS brought, by its file or by what stands in comments."""
    file = repository.path.rpartition("/")[2]
    return file.startswith("CentOS-") or any(
        (host_of(one.url) or "").endswith(".centos.org") for one in repository.commented
    )


def way_out(repositories: Iterable[Repository], release: OsRelease) -> str:
    """What gives all of them a URL that lives: commands first, then what only people can know."""
    files: dict[str, list[str]] = {}
    missing: list[str] = []
    for one in repositories:
        edits, done = _edits(one, release)
        if edits:
            files.setdefault(one.path, []).extend(edits)
        if not done:
            missing.append(f"[{one.id}] in {one.path}")
    lines = []
    if files:
        lines.append(f"Use the archive, {ARCHIVE}; each file as it is stays beside the new one (.bak):")
    for path, edits in files.items():
        expressions = " ".join(f"-e {shlex.quote(one)}" for one in dict.fromkeys(edits))
        lines.append(f"  sed -i.bak {expressions} {shlex.quote(path)}")
    if missing:
        example = _archived("REPOSITORY", release)
        lines.append(
            f"Write a baseurl into what then has no URL at all, or switch it off (enabled=0): {', '.join(missing)}. For "
            f"one of CentOS's, with what the archive calls it: {example}"
        )
    return "\n".join([*lines, "In the long run move to a supported distribution."])


def _edits(repository: Repository, release: OsRelease) -> tuple[list[str], bool]:
    """The edits for sed, and whether they leave the repository with a URL that lives.

    A line is named by its number and by what it must hold, so that nothing else is edited should the file have changed.
    """
    edits: list[str] = []
    lives = False
    for url in repository.sources:
        if not is_dead(url):
            lives = True
        elif url.kind == "baseurl" and host_of(url.url) in _REVIVED:
            edits.append(f"{url.number}{_TO_ARCHIVE}")
            lives = True
        else:
            edits.append(rf"{url.number}{{/\.centos\.org/Is/^/#/}}")
    if lives:
        return edits, True
    commented = next((one for one in repository.commented if one.kind == "baseurl" and _is_archived(one)), None)
    if commented:
        revived = rf"{commented.number}{{/\.centos\.org/Is/^[#;[:space:]]*//}}"
        return [*edits, revived, f"{commented.number}{_TO_ARCHIVE}"], True
    named = (_NAME.search(one.url) for one in (*repository.sources, *repository.commented))
    name = next((one[1] for one in named if one), None)
    if name is None:
        return edits, False
    section = re.sub(r"([][\\.*^$/])", r"\\\1", repository.id)
    return [*edits, rf"/^[[:space:]]*\[{section}\]/a {_archived(name, release)}"], True


def _is_archived(url: RepositoryUrl) -> bool:
    return host_of(url.url) in _REVIVED


def _archived(name: str, release: OsRelease) -> str:
    """The line for a repository of this name; from CentOS 8 on each has a folder `os` for each architecture."""
    old = release.version_id.partition(".")[0] in ("5", "6", "7")
    of_name = f"{name}/$basearch/" if old else f"{name}/$basearch/os/"
    return f"baseurl=http://{ARCHIVE}/centos/$releasever/{of_name}"
