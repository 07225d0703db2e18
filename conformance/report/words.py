"""The words of the report for people, in one language: those of its frame, and those of the hazards.

English is what stands in the code. Another language is a file of translations for the frame,
``conformance/report/languages/LANGUAGE.yaml``, and one beside the checks of each platform, ``LANGUAGE.yaml``, with
``title`` and ``remedy`` of each hazard. What is not translated is told in English: a missing word never hides a hazard.
What hosts and clusters said, and what a check found, is told as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Final

from conformance.documents import Entry, load
from conformance.hazards import Hazard
from conformance.report.text import html

if TYPE_CHECKING:
    from conformance.packs import Pack

__all__ = ["ENGLISH", "LANGUAGES", "Told", "Words", "words_of"]

LANGUAGES: Final = ("en", "ja")


@dataclass(frozen=True, slots=True)
class Told:
    """What a hazard is called in another language, and the way out."""

    title: str
    remedy: str
    #: The hazard's own remedy in English, which `remedy` stands for; a check may have given a finding another one.
    own: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language. Everything that it returns as HTML is safe to put between tags."""

    language: str = "en"
    #: Words of the frame, by the English ones.
    frame: Mapping[str, str] = field(default_factory=dict)
    #: Sentences that the suite makes with numbers and names: what they look like, and how they read.
    sentences: tuple[tuple[re.Pattern[str], str], ...] = ()
    hazards: Mapping[str, Told] = field(default_factory=dict)

    def __call__(self, words: str, **values: str) -> str:
        """Words of the frame as HTML.

        :param values: what stands for ``{name}`` in them, as HTML.
        """
        return html(self.frame.get(words, words)).format(**values)

    def number(self, number: int, word: str, plural: str = "") -> str:
        """``1 host``, ``2 hosts`` as HTML."""
        words = f"{{n}} {word if number == 1 else plural or word + 's'}"
        return self(self.frame.get(f"{{n}} {word}", words), n=f"{number:,}")

    def sentence(self, text: str) -> str:
        """A sentence that the suite made, as text: translated where it is known."""
        for pattern, words in self.sentences:
            match = pattern.fullmatch(text)
            if match is not None:
                return words.format(*match.groups(""))
        return text

    def title(self, hazard: str, english: str) -> str:
        """The title of a hazard, as text."""
        told = self.hazards.get(hazard)
        return told.title if told else english

    def remedy(self, hazard: str, given: str) -> tuple[str, str]:
        """What the way out is, and the check's own words for it - empty where they say no more. Both as text."""
        told = self.hazards.get(hazard)
        if told is None:
            return given, ""
        # Lines of commands are the same in every language, and stand in the check's own words alone.
        return told.remedy, "" if given == told.own and "\n" not in given else given


#: What stands in the code.
ENGLISH: Final = Words()


def words_of(language: str, packs: Iterable[Pack] = (), hazards: Iterable[Hazard] = ()) -> Words:
    """The words of a language.

    :param packs: where the hazards come from; their translations lie beside the checks.
    :param hazards: the hazards of the run.
    :raises InvalidDocument: a file of translations is wrong.
    """
    if language == "en":
        return ENGLISH
    file = resources.files(__package__).joinpath("languages", f"{language}.yaml")
    with resources.as_file(file) as path:
        top = load(path)
        top.keys(("frame", "sentences"), required=("frame", "sentences"))
        frame = {key: entry.text() for key, entry in top["frame"].items()}
        sentences = tuple((re.compile(key), entry.text()) for key, entry in top["sentences"].items())
    own = {one.id: one.remedy for one in hazards}
    told = {key: _told(entry, own.get(key, "")) for pack in packs for key, entry in _entries(pack, language)}
    return Words(language, frame, sentences, told)


def _entries(pack: Pack, language: str) -> Iterator[tuple[str, Entry]]:
    for folder in dict.fromkeys((pack.checks, *(path.parent for path in pack.modules()))):
        path = folder / f"{language}.yaml"
        if path.is_file():
            yield from load(path).items()


def _told(entry: Entry, own: str) -> Told:
    entry.keys(("title", "remedy"), required=("title", "remedy"))
    return Told(entry["title"].text().strip(), entry["remedy"].text().strip(), own)
