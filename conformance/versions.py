"""Versions as distributions and vendors write them, and the specifiers that hazards state for them.

Two ways to compare, on purpose:

* ``Version < Version`` is the plain total order: ``4.17.0-rc1 < 4.17.0 < 4.17.0-13-amd64``.
* A `Specifier` looks at release and pre-release only, so that a vendor's suffix never moves a version out of
  the range that a document states: 1.8.2-gke.5 is not ``<1.8.2``, and 1.11.1-gke.3 is ``<=1.11.1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

__all__ = ["InvalidSpecifier", "InvalidVersion", "Specifier", "Version"]

#: Longer texts are no version; the bound keeps int() below its own limit on digits.
_LONGEST: Final = 200

# No suffix begins with a digit, hence a text can be cut into release and suffix in one way only.
_VERSION: Final = re.compile(
    r"[vV]?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?P<suffix>(?:[A-Za-z+~^_-]|\.(?=[A-Za-z]))[0-9A-Za-z+~^_.-]*(?<=[0-9A-Za-z+]))?"
)
#: As vendors and people write "whichever patch of it".
_SERIES: Final = re.compile(r"(?P<release>[vV]?[0-9]+\.[0-9]+)\.[xXzZ*]")
_STATED: Final = re.compile(r"[vV]?[0-9]+(?:\.[0-9]+)?|[vV]?[0-9]+(?:\.[0-9]+){2,}(?:[-+~^_].*)?")
_PRE: Final = re.compile(r"(?i)[-~.]?(?P<kind>dev|alpha|beta|pre|rc)(?![a-z])[-.]?(?P<number>[0-9]*)")
_PRE_RANK: Final = {"dev": 0, "alpha": 1, "beta": 2, "pre": 3, "rc": 4}
_RELEASED: Final = (9, 0)
_PARTS: Final = re.compile(r"[0-9]+|[a-z]+")
_CLAUSE: Final = re.compile(r"\s*(?P<op>==|!=|<=|>=|~=|<|>)\s*(?P<version>[^\s*]+?)(?P<any>\.\*)?\s*")

#: A number above every one that a specifier can name.
_HIGHEST: Final = 10**_LONGEST

Release = tuple[int, ...]
Public = tuple[Release, tuple[int, int]]
Key = tuple[Release, tuple[int, int], tuple[tuple[int, int, str], ...]]


class InvalidVersion(ValueError):
    """A text that is no version; the message says which and what was expected."""


class InvalidSpecifier(ValueError):
    """A text that is no version specifier; the message says which and what was expected."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One version: numbers, perhaps a pre-release, perhaps a suffix of the distribution or vendor.

    rc, alpha, beta, dev and pre directly behind the numbers make a pre-release; what else follows (build,
    distribution, architecture) is a suffix that only breaks ties in the order, numbers as numbers.
    Punctuation, a leading v and zeros make no difference: v1.8 is 1.8.0, and 1.0.0~rc93 is 1.0.0-rc93.

    >>> kernel = Version.parse("4.18.0-305.el8.x86_64")
    >>> kernel.release, kernel.minor, kernel.is_prerelease
    ((4, 18, 0), 18, False)
    >>> Version.parse("4.9.0-19-amd64") < Version.parse("4.17.0-rc1") < Version.parse("4.17.0") < kernel
    True
    """

    #: As written, without the white space around it.
    text: str = field(compare=False)
    #: The numbers as written: (1, 20, 8).
    release: Release = field(compare=False)
    _key: Key = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Version:
        """The version that a text such as ``v1.20.8-gke.1500`` states.

        :raises InvalidVersion: the text is no version.
        """
        stripped = text.strip()
        match = _VERSION.fullmatch(stripped) if len(stripped) <= _LONGEST else None
        if match is None:
            msg = f"{_shown(stripped)} is no version: expected numbers and dots, as in 1.8 or 1.20.8-gke.1500"
            raise InvalidVersion(msg)
        release = tuple(int(number) for number in match["release"].split("."))
        suffix = match["suffix"] or ""
        pre = _PRE.match(suffix)
        rank = (_PRE_RANK[pre["kind"].lower()], int(pre["number"] or 0)) if pre else _RELEASED
        rest = suffix[pre.end() :] if pre else suffix
        words = _PARTS.findall(rest.lower())
        parts = tuple((1, int(word), "") if word.isdigit() else (0, 0, word) for word in words)
        return cls(stripped, release, (_without_zeros(release), rank, parts))

    @classmethod
    def stated(cls, text: str) -> Version:
        """The version that a person names for an upgrade: stricter than `parse`, for a slip would rule hazards out.

        Two numbers are a release as a whole, also with an x behind them; a suffix needs three in front of it.

        >>> Version.stated("1.8.x") == Version.stated("1.8")
        True

        :raises InvalidVersion: the text is no such version.
        """
        series = _SERIES.fullmatch(text.strip())
        version = cls.parse(series["release"] if series else text)
        if not version.is_prerelease and not _STATED.fullmatch(version.text):
            msg = (
                f"{_shown(version.text)} names no release: expected three numbers and perhaps a suffix, as in 1.8.2 or "
                "1.8.2-gke.5, or two for whichever of its patches, as in 1.8"
            )
            raise InvalidVersion(msg)
        return version

    @property
    def major(self) -> int:
        """The first number."""
        return self.release[0]

    @property
    def minor(self) -> int:
        """The second number, 0 where there is none."""
        return _padded(self.release, 3)[1]

    @property
    def patch(self) -> int:
        """The third number, 0 where there is none."""
        return _padded(self.release, 3)[2]

    @property
    def is_prerelease(self) -> bool:
        """True for rc, alpha, beta, dev and pre."""
        return self._key[1] != _RELEASED

    @property
    def is_series(self) -> bool:
        """True for one or two bare numbers: ``1.8`` where nobody said which 1.8.x."""
        return len(self.release) < 3 and not self.is_prerelease and not self._key[2]

    @property
    def public(self) -> Public:
        """What specifiers compare: release and pre-release, no suffix."""
        return self._key[:2]

    def __str__(self) -> str:
        return self.text


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else text[:40] + "…")


def _without_zeros(release: Release) -> Release:
    while len(release) > 1 and release[-1] == 0:
        release = release[:-1]
    return release


def _padded(release: Release, length: int) -> Release:
    return release + (0,) * (length - len(release))


def _has_prefix(version: Version, prefix: Release) -> bool:
    return _padded(version.release, len(prefix))[: len(prefix)] == prefix


@dataclass(frozen=True, slots=True)
class _Clause:
    op: str
    release: Release
    public: Public
    any: bool

    def admits(self, version: Version) -> bool:
        theirs, ours = version.public, self.public
        if self.op in ("==", "!="):
            same = _has_prefix(version, self.release) if self.any else theirs == ours
            return same == (self.op == "==")
        if self.op == "~=":
            return theirs >= ours and _has_prefix(version, self.release[:-1])
        if self.op == "<":
            # An rc of 1.7 already behaves as 1.7: only a bound that is a pre-release itself tells them apart.
            return theirs < ours and (ours[1] != _RELEASED or theirs[0] != ours[0])
        return {"<=": theirs <= ours, ">": theirs > ours, ">=": theirs >= ours}[self.op]


@dataclass(frozen=True, slots=True)
class Specifier:
    """A range of versions, as PEP 440 writes it: clauses joined by commas that must all hold.

    ``==1.9.*`` and ``!=1.9.*`` go by the prefix and include pre-releases; ``~=1.8.1`` is ``>=1.8.1,==1.8.*``;
    ``<1.7`` leaves out the pre-releases of 1.7, and ``>=1.9`` those of 1.9. Suffixes of the version play no
    part, so a specifier must not name one.

    >>> spec = Specifier.parse(">=1.8.1,<1.8.3")
    >>> Version.parse("1.8.2-gke.5") in spec, Version.parse("1.8.3-gke.1") in spec
    (True, False)
    >>> series = Version.parse("1.8")
    >>> spec.may_contain(series), spec.must_contain(series)
    (True, False)
    """

    #: As written, without the white space around it.
    text: str = field(compare=False)
    _clauses: tuple[_Clause, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Specifier:
        """The specifier that a text such as ``>=1.8.1,<1.8.3`` states.

        :raises InvalidSpecifier: the text is none. The empty text is none either: no limit is None.
        """
        return cls(text.strip(), tuple(_clause(part, text) for part in text.split(",")))

    def contains(self, version: Version) -> bool:
        """True where this very version is in the range; ``1.8`` counts as 1.8.0, as in PEP 440."""
        return all(clause.admits(version) for clause in self._clauses)

    def may_contain(self, version: Version) -> bool:
        """True where the version is in the range, or any 1.8.x of a series known only as ``1.8``."""
        return any(self.contains(one) for one in self._standing_for(version))

    def must_contain(self, version: Version) -> bool:
        """True where the version is in the range, or every 1.8.x of a series known only as ``1.8``."""
        return all(self.contains(one) for one in self._standing_for(version))

    __contains__ = contains

    def __str__(self) -> str:
        return self.text

    def _standing_for(self, version: Version) -> Iterator[Version]:
        """The version itself; for a series those of its releases between which the answer can change."""
        if not version.is_series:
            yield version
            return
        prefix = version.release
        for release in {bound for clause in self._clauses for bound in _around(clause.release, prefix)}:
            if release[: len(prefix)] == prefix:
                yield Version("", release, (_without_zeros(release), _RELEASED, ()))


def _around(bound: Release, prefix: Release) -> Iterator[Release]:
    """The first and last of the series, the bound, and what lies right before it."""
    length = max(3, len(bound))
    bound = _padded(bound, length)
    yield _padded(prefix, length)
    yield prefix + (_HIGHEST,) * (length - len(prefix))
    for place in range(len(prefix), length):
        for number in {max(0, bound[place] - 1), bound[place]}:
            head = (*bound[:place], number)
            yield _padded(head, length)
            yield head + (_HIGHEST,) * (length - len(head))


def _clause(part: str, text: str) -> _Clause:
    match = _CLAUSE.fullmatch(part) if len(part) <= _LONGEST else None
    if match is None:
        msg = f"{_shown(part.strip())} in {_shown(text)}: expected == != < <= > >= or ~= and a version"
        raise InvalidSpecifier(msg)
    try:
        version = Version.parse(match["version"])
    except InvalidVersion as error:
        raise InvalidSpecifier(str(error)) from None
    op, prefix = match["op"], match["any"] is not None
    if version._key[2]:  # noqa: SLF001 - our own
        problem = "a specifier compares numbers and pre-release only, leave the suffix out"
    elif prefix and (op not in ("==", "!=") or version.is_prerelease):
        problem = ".* goes with == and != and bare numbers only"
    elif op == "~=" and len(version.release) < 2:
        problem = "~= needs two numbers at least"
    else:
        return _Clause(op, version.release, version.public, prefix)
    msg = f"{part.strip()!r}: {problem}"
    raise InvalidSpecifier(msg)
