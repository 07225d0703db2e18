"""Package repositories of yum and dnf, from /etc/yum.conf, /etc/dnf/dnf.conf and *.repo.

Formats: yum.conf(5), dnf.conf(5); the syntax is that of libdnf's parser, with yum's ``key: value`` besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["InvalidRepositories", "Repositories", "Repository", "RepositoryUrl", "host_of"]

_SECTION: Final = re.compile(r"\[(?P<name>[^\]]+)\]\s*(?:[#;].*)?")
_OPTION: Final = re.compile(r"(?P<key>[^\s=:][^=:]*?)\s*[=:]\s*(?P<value>.*)")
#: An option that was commented out; in a comment no value goes on in the next line.
_COMMENTED: Final = re.compile(r"[#;\s]*(?P<key>baseurl|mirrorlist|metalink)\s*[=:]\s*(?P<value>\S+)", re.IGNORECASE)
_URL_KEYS: Final = ("baseurl", "mirrorlist", "metalink")
_FALSE: Final = frozenset({"0", "no", "false", "off"})
_AUTHORITY: Final = re.compile(r"(?:[^:/?#]+:)?//(?P<authority>[^/?#]*)")


class InvalidRepositories(ValueError):
    """A file that yum and dnf cannot read either; the message names file and line and what was expected."""


@dataclass(frozen=True, slots=True)
class RepositoryUrl:
    """One URL that a repository uses."""

    #: baseurl, mirrorlist or metalink.
    kind: str
    #: As written, its $variables unresolved.
    url: str
    #: The line that it stands in, as written, and its number from 1.
    line: str
    number: int


@dataclass(frozen=True, slots=True)
class Repository:
    """One section of a repository file."""

    id: str
    #: The file, and the line of the section's header, from 1.
    path: str
    number: int
    enabled: bool
    #: Every URL in use: base URLs, mirror list and metalink together.
    sources: tuple[RepositoryUrl, ...]
    #: Those that are not, since they stand in comments.
    commented: tuple[RepositoryUrl, ...] = ()


@dataclass(frozen=True, slots=True)
class Repositories:
    r"""All repositories of a machine, in the order in which they are read.

    >>> text = "[base]\n#baseurl=http://mirror.centos.org/\nmirrorlist=http://mirrorlist.centos.org/?repo=$repo\n"
    >>> repositories = Repositories.parse({"/etc/yum.repos.d/base.repo": text})
    >>> [(repo.id, [source.url for source in repo.sources]) for repo in repositories.enabled]
    [('base', ['http://mirrorlist.centos.org/?repo=$repo'])]
    """

    repositories: tuple[Repository, ...]

    @classmethod
    def parse(cls, files: Mapping[str, str]) -> Repositories:
        """The repositories in path -> text of the files.

        yum.conf and dnf.conf are read first, then the others by name. Of two sections with one id the first
        file's counts ("listed more than once in the configuration"); in one file the later adds to it.

        :raises InvalidRepositories: a file has a line that is no part of such a file.
        """
        sections: dict[str, _Section] = {}
        for path in sorted(files, key=lambda path: (path.endswith(".repo"), path)):
            for name, section in _sections(path, files[path]).items():
                sections.setdefault(name, section)
        return cls(tuple(section.repository() for name, section in sections.items() if name != "main"))

    @property
    def enabled(self) -> tuple[Repository, ...]:
        """The repositories that are in use."""
        return tuple(one for one in self.repositories if one.enabled)

    def __iter__(self) -> Iterator[Repository]:
        return iter(self.repositories)


def host_of(url: str) -> str | None:
    """The host that a URL names, in lower case, without port, user and final dot; None where it names none.

    >>> host_of("http://user@Mirror.CentOS.org.:80/$contentdir/")
    'mirror.centos.org'
    """
    match = _AUTHORITY.match(url.strip())
    if match is None:
        return None
    host = match["authority"].rpartition("@")[2].lower()
    # An IPv6 address keeps its brackets, which tell its colons from that of a port.
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return host.rstrip(".") or None


@dataclass(slots=True)
class _Section:
    name: str
    path: str
    number: int
    #: key -> the lines of its value: text, line as written, its number.
    options: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    commented: list[RepositoryUrl] = field(default_factory=list)

    def repository(self) -> Repository:
        enabled = self.options.get("enabled", [("1", "", 0)])[0][0]
        sources = [
            RepositoryUrl(kind, url.strip("\"'"), line, number)
            for kind in _URL_KEYS
            for text, line, number in self.options.get(kind, [])
            for url in re.split(r"[\s,]+", text)
            if url.strip("\"'")
        ]
        # What is neither true nor false leaves the default, as in dnf: enabled.
        on = enabled.strip("\"'").lower() not in _FALSE
        return Repository(self.name, self.path, self.number, on, tuple(sources), tuple(self.commented))


def _sections(path: str, text: str) -> dict[str, _Section]:
    sections: dict[str, _Section] = {}
    section: _Section | None = None
    value: list[tuple[str, str, int]] | None = None
    away = False
    # dnf passes over a byte order mark: libdnf's iniparser.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")):
            # What stands under a header that is commented out is of that repository, and of none that there is.
            away = away or bool(_SECTION.fullmatch(stripped.lstrip("#; \t")))
            commented = _COMMENTED.match(stripped)
            if commented and section and not away:
                url = commented["value"].strip("\"'")
                section.commented.append(RepositoryUrl(commented["key"].lower(), url, line, number))
            continue
        header, option = _SECTION.fullmatch(stripped), _OPTION.fullmatch(stripped)
        if header:
            section = sections.setdefault(header["name"], _Section(header["name"], path, number))
            value, away = None, False
        elif line[0] in " \t":
            if value is None:
                raise _invalid(path, number, "an option that this line continues")
            value.append((stripped, line, number))
        elif option and section:
            value = section.options[option["key"].lower()] = [(option["value"], line, number)]
        else:
            raise _invalid(path, number, "key=value in a section" if section else "a section such as [base]")
    return sections


def _invalid(path: str, number: int, expected: str) -> InvalidRepositories:
    return InvalidRepositories(f"{path}:{number}: expected {expected}")
