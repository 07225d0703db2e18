"""Profiles: which hazards, with which parameters, for one platform and target version."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from conformance.change import expanded, scalar, version_of
from conformance.documents import Entry, InvalidDocument, load
from conformance.packs import Pack, builtin_pack, installed_packs, pack_beside
from conformance.versions import Version

__all__ = ["Library", "Profile", "UnknownProfile", "Versioned"]

_KEYS: Final = (
    *("title", "platform", "extends", "abstract", "target", "source-version", "discover"),
    *("hazards", "without", "parameters", "never-waived", "longest-waiver-days", "versioned"),
)
#: A hundred years: further ahead there may be no date at all.
_MOST_DAYS: Final = 36_525


class UnknownProfile(InvalidDocument):
    """No profile has this name; the message lists what is close, or what there is."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A kind of object, as clusters are kept in Git, whose version is the cluster's."""

    kind: str
    group: str
    #: Where the version stands in it, and the cluster's name; without `name` it has none of its own.
    version: str
    name: str = "metadata.name"


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile with everything that it extends."""

    name: str
    title: str
    file: Path
    hazards: tuple[str, ...]
    platform: str = ""
    target: Version | None = None
    #: Name of the cluster fact that gives the version before the upgrade.
    source_version: str | None = None
    #: Name of the cluster fact that lists the clusters which this one manages.
    discover: str | None = None
    parameters: Mapping[str, Entry] = field(default_factory=dict)
    #: Hazards that nobody can waive, and how many days ahead a waiver may expire at most; None is any.
    never_waived: tuple[str, ...] = ()
    longest_waiver_days: int | None = None
    #: Where a change in Git shows the versions of clusters (``--since``).
    versioned: tuple[Versioned, ...] = ()
    #: Only a base for others: not offered to people.
    abstract: bool = False


class Library:
    """All profiles that can be named, from the suite, installed packs and files."""

    def __init__(self, packs: Iterable[Pack] | None = None) -> None:
        self.packs = [builtin_pack(), *installed_packs()] if packs is None else list(packs)
        #: The files of profiles that were read.
        self.read: set[Path] = set()
        self._files: dict[str, Path] = {}
        for pack in self.packs:
            for file in pack.profile_files():
                self._files.setdefault(file.stem, file)

    def find(self, name_or_file: str) -> Profile:
        """The profile of a name, or in a file; a file brings the pack that lies beside it.

        :raises UnknownProfile: nothing of that name.
        :raises InvalidDocument: the file is wrong, with path and what was expected.
        """
        if "/" in name_or_file or name_or_file.endswith((".yaml", ".yml")):
            file = expanded(name_or_file)
            if not _is_file(file):
                msg = f"--profile {name_or_file[:200]}: no such file"
                raise UnknownProfile(msg)
            self._bring(file)
        elif name_or_file in self._files:
            file = self._files[name_or_file]
        else:
            names = [one.name for one in self.all()]
            close = difflib.get_close_matches(name_or_file, names, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else "--list-profiles shows what there is"
            msg = f"--profile {name_or_file}: there is no such profile; {hint}"
            raise UnknownProfile(msg)
        return self._load(file, ())

    def settled(self, profile: Profile, targets: Iterable[Version], *, needed: bool = True) -> Profile:
        """The profile that a base such as ``anthos-bare-metal`` has for a target; one that people choose stays.

        :param targets: of all clusters that are upgraded.
        :param needed: a base alone, which lacks what its releases add, is not enough.
        :raises UnknownProfile: there is none for this target, or no target.
        :raises InvalidDocument: the targets are of several minor releases, and a run has one profile; or one of them
            is of another release than the profile that was chosen.
        """
        targets = list(targets)
        if not profile.abstract:
            _check_targets(profile, targets)
            return profile
        minors = sorted({one.release[:2] for one in targets})
        if not minors and not needed:
            return profile
        if not minors:
            others = [one.name for one in self.all() if one.name.startswith(f"{profile.name}-")]
            msg = (
                f"--profile {profile.name}: which release is upgraded to? Give --upgrade-to, `upgrade: {{to: …}}` in the "
                f"change file, or one of {', '.join(others)}"
            )
            raise UnknownProfile(msg)
        names = [f"{profile.name}-{'.'.join(map(str, minor))}" for minor in minors]
        if len(names) > 1:
            msg = f"--profile {profile.name}: clusters go to several releases, and a run has one profile: {' or '.join(names)}"
            raise InvalidDocument(msg)
        if names[0] not in self._files:
            others = [one.name for one in self.all() if one.name.startswith(f"{profile.name}-")]
            msg = f"--profile {profile.name}: there is no {names[0]} for this target; there are {', '.join(others)}"
            raise UnknownProfile(msg)
        return self.find(names[0])

    def all(self) -> list[Profile]:
        """All profiles that people can choose, by name.

        :raises InvalidDocument: one of the files is wrong.
        """
        loaded = [self._load(file, ()) for file in self._files.values()]
        return sorted((one for one in loaded if not one.abstract), key=lambda one: _natural(one.name))

    def _bring(self, file: Path) -> None:
        pack = pack_beside(file)
        known = {one.checks.resolve() for one in self.packs}
        if pack.checks.resolve() not in known and any(True for _ in pack.modules()):
            self.packs.append(pack)
        for directory in pack.profiles:
            for other in sorted(directory.glob("*.yaml")):
                self._files.setdefault(other.stem, other)

    def _load(self, file: Path, below: tuple[Path, ...]) -> Profile:
        self.read.add(file)
        top = load(file)
        top.keys(_KEYS)
        if file.resolve() in below:
            top["extends"].fail(f"the profile extends itself: {' -> '.join(p.stem for p in (*below, file))}")
        bases = [self._base(one, file, (*below, file.resolve())) for one in _one_or_more(top["extends"])]
        hazards = [one for base in bases for one in base.hazards]
        parameters = {key: value for base in bases for key, value in base.parameters.items()}
        hazards.extend(one.text() for one in top["hazards"].each())
        for one in top["without"].each():
            if one.text() not in hazards:
                one.fail(f"{one.text()!r} is in none of the profiles that this one extends")
            hazards = [other for other in hazards if other != one.text()]
        parameters.update(top["parameters"].items())
        if not hazards:
            top.fail("it names no hazards: add some below `hazards:` or extend a profile that has some")

        def inherited(key: str, attribute: str) -> str | None:
            if key in top:
                return top[key].text()
            return next((value for base in bases if (value := getattr(base, attribute))), None)

        target = version_of(top["target"]) or next((base.target for base in bases if base.target), None)
        return Profile(
            name=file.stem,
            title=top["title"].text(file.stem),
            file=file,
            hazards=tuple(dict.fromkeys(hazards)),
            platform=inherited("platform", "platform") or "",
            target=target,
            source_version=inherited("source-version", "source_version"),
            discover=inherited("discover", "discover"),
            parameters=parameters,
            never_waived=_never_waived(top["never-waived"], bases, hazards),
            longest_waiver_days=_days(top["longest-waiver-days"], bases),
            versioned=_versioned(top["versioned"]) or next((base.versioned for base in bases if base.versioned), ()),
            abstract=top["abstract"].flag(default=False),
        )

    def _base(self, entry: Entry, file: Path, below: tuple[Path, ...]) -> Profile:
        name = entry.text()
        if "/" in name or name.endswith((".yaml", ".yml")):
            base = file.parent / name
        else:
            base = self._files.get(name, file.parent / f"{name}.yaml")
        if not _is_file(base):
            close = difflib.get_close_matches(name, self._files, n=1)
            entry.fail(f"there is no profile {name[:200]!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        return self._load(base, below)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as of a name that is longer than names can be
        return False


def _versioned(entry: Entry) -> tuple[Versioned, ...]:
    found = []
    for one in entry.each():
        one.keys(("kind", "group", "version", "name"), required=("kind", "group", "version"))
        name = "" if one["name"].value == "" else one["name"].text("metadata.name")
        found.append(Versioned(one["kind"].text(), one["group"].text(), one["version"].text(), name))
    return tuple(found)


def _never_waived(entry: Entry, bases: Iterable[Profile], hazards: list[str]) -> tuple[str, ...]:
    """The hazards that nobody can waive: a profile can add to those of its bases, and take none away."""
    for one in entry.each():
        if one.text() not in hazards:
            one.fail(f"{one.text()!r} is no hazard of this profile")
    named = [*(hazard for base in bases for hazard in base.never_waived), *(one.text() for one in entry.each())]
    return tuple(dict.fromkeys(one for one in named if one in hazards))


def _days(entry: Entry, bases: Iterable[Profile]) -> int | None:
    """The shortest of all limits, its bases' included."""
    limits = [base.longest_waiver_days for base in bases if base.longest_waiver_days is not None]
    if entry.value is not None:
        text = scalar(entry)
        if not text.isdecimal() or len(text) > len(str(_MOST_DAYS)) or not 1 <= int(text) <= _MOST_DAYS:
            entry.fail(f"{text[:40]!r} is no number of days; expected such as 90, and {_MOST_DAYS} at most")
        limits.append(int(text))
    return min(limits, default=None)


def _one_or_more(entry: Entry) -> list[Entry]:
    return [entry] if isinstance(entry.value, str) else list(entry.each())


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key that puts 1.9 before 1.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.replace(".", "-").split("-")]


def _check_targets(profile: Profile, targets: Iterable[Version]) -> None:
    """Refuse an upgrade to another release than the one of which the profile knows the hazards.

    :raises InvalidDocument: there is one.
    """
    if profile.target is None or not profile.target.is_series:
        return
    series = profile.target.release
    for one in targets:
        if one.release[: len(series)] != series[: len(one.release)]:
            msg = (
                f"--profile {profile.name}: it is for upgrades to {profile.target}, and the change goes to {one}: choose the "
                "profile of that release (--list-profiles), or mend the version"
            )
            raise InvalidDocument(msg)
