"""The report in another language: nothing of it is forgotten, and no hazard is left without its title and remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.documents import InvalidDocument
from conformance.findings import Changed, Comparison, Earlier, Evidence, Outcome, Verdict
from conformance.hazards import Severity
from conformance.packs import load_checks, pack_beside
from conformance.profiles import Library
from conformance.report import html
from conformance.report.words import ENGLISH, LANGUAGES, Told, Words, words_of
from conformance.select import checks_by_hazard
from tests.unit.report.examples import examination, finding, go, incomplete, noexec, saying

OTHERS = [one for one in LANGUAGES if one != "en"]
LIBRARY = Library()
HAZARDS = {
    name: hazard
    for name, (_, hazard) in checks_by_hazard(one for pack in LIBRARY.packs for one in load_checks(pack)).items()
}


def words(language):
    return words_of(language, LIBRARY.packs, HAZARDS.values())


class Asked(dict):
    """A frame that keeps what it was asked for."""

    def __init__(self, frame):
        super().__init__(frame)
        self.asked = set()

    def get(self, key, default=None):
        self.asked.add(key)
        return super().get(key, default)


def compared():
    earlier = Earlier("old.json", "linux-node", "2026-01-01T00:00:00+00:00", "no-go", {})
    one = Changed("abm-tmp-noexec", "cp-1", "clear", "hazard")
    return Comparison(earlier, (one,), (one,), (one,), 3)


def everything():
    """Examinations in which everything stands that a report can say."""
    many = [noexec(f"node-{one}") for one in range(40)]
    unlike = [
        finding(
            subject=f"n-{one}", outcome=Outcome.HAZARD, message=f"{'x' * (one + 1)} is there", remedy=f"Do {'y' * one}."
        )
        for one in range(70)
    ]
    numbers = [
        finding("abm-n", f"n-{one}", Outcome.HAZARD, message=f"{one} found", remedy="rm it") for one in range(70)
    ]
    advice = [finding("abm-a", "n", Outcome.WARNING, severity=Severity.ADVICE, message="m", remedy="r")]
    unknown = [finding(f"abm-{one}", "n", Outcome.UNKNOWN, message="y" * (one + 1)) for one in range(8)]
    notes = {"a": {"tls": "not verified"}, "b": {"host_key": {"verified": True}}}
    gather = {
        "subjects": notes,
        "from_snapshot": True,
        "finished": "2026-01-01T00:00:00+00:00",
        "catalogue": {"hazards": 1, "digest": "sha256:0"},
        "reads": [{"read": f"r{one}", "subjects": 1, "unread": 0, "seconds": 0.1} for one in range(400)],
    }
    yield from (examination(), go(), incomplete(), saying("text"))
    yield examination(findings=[*many, *unlike, *numbers, *advice, *unknown], comparison=compared(), gather=gather)
    for situation in ("stuck", "repair"):
        one = examination(situation=situation, fresh_until="2026-11-22T02:13:04+00:00", snapshot="sha256:0")
        yield replace(one, verdicts={"prod": (Verdict.GO, ("3 clear, nothing blocks",))}, upgrades={}, suite="")
    waived = finding("abm-w", "n", Outcome.WAIVED, message="m", waiver={"reason": "r", "owner": "o", "expires": "e"})
    yield replace(go(), findings=(waived,), reasons=("1 clear, 1 waived, nothing else blocks",))
    alike = [replace(noexec(f"n-{one}"), evidence=(Evidence(f"n-{one}", "r", (str(one),)),)) for one in range(9)]
    odd = [finding(f"abm-{one}", f"n-{one}", Outcome.HAZARD, message="m") for one in range(25)]
    calm = [finding("abm-calm", f"c-{one}") for one in range(30)]
    yield examination(findings=[*alike, *odd, *calm])
    verified = {"subjects": {"b": {"tls": "verified"}}}
    yield examination(gather=verified)


@pytest.mark.parametrize("language", OTHERS)
def test_every_word_of_the_frame_is_there(language):
    translated = words(language)
    asked = Asked(translated.frame)
    say = replace(translated, frame=asked)
    for one in everything():
        html.verdict_block(one, say)
        html.rows_heading(500, 100, say)
    for outcome in Outcome:
        say(outcome.value)
    say("Summary")
    say("Outcome")
    # What was translated is looked up once more as itself; what a subject said never is.
    missing = {one for one in asked.asked if one not in translated.frame and one not in translated.frame.values()}
    # Plurals are asked for by their singular first.
    missing -= {f"{{n}} {word}s" for word in ("host", "cluster", "finding", "subject", "hazard", "read", "group")}
    assert not missing
    assert set(translated.frame) - asked.asked == set()


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("hazard", sorted(HAZARDS))
def test_every_hazard_has_its_title_and_remedy(language, hazard):
    told = words(language).hazards.get(hazard)
    assert told is not None, f"{hazard} lacks its title and remedy in checks/PLATFORM/{language}.yaml"
    assert told.title != HAZARDS[hazard].title
    assert told.own == HAZARDS[hazard].remedy


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_is_about_an_unknown_hazard(language):
    assert set(words(language).hazards) <= set(HAZARDS)


SENTENCES = [
    *("5 blocking hazards", "1 blocking hazard", "6 unknown", "2 not examined", "12 clear, nothing blocks"),
    *("1 clear, 2 waived, nothing else blocks", "prod: nothing was examined", "a worker of pytest-xdist crashed"),
    "the run broke off: by an error within, or because nobody took what it printed",
    *("nothing was examined", "1 warning, which --strict counts as hazards", "hosts only", "clusters only"),
    "2 waivers unmatched, expired or too broad, which --strict counts as hazards",
    "waiver of abm-vip for lb-* (net@example.com) matches no finding: remove it, or mend its hazard or subject",
    "waiver of abm-vip for lb-* (net@example.com) expired on 2026-01-01T00:00:00+00:00: it waives nothing",
    "waiver of abm-vip for * (net@example.com) accepts a blocker on every subject there is or will be: name the subjects",
    "the waiver of net@example.com expired on 2026-01-01T00:00:00+00:00: it waives nothing",
    *("cp-1: its host key SHA256:abc was not verified, by decision", "from 1.9.2 is not 1.8.*", "to 1.9 is not <1.8"),
    "prod: its certificate was not verified, by decision (insecure-skip-tls-verify)",
    *("it is looked for with --situation stuck", "the run was stopped before", "no host with the role worker is named"),
    *("this change does not upgrade the cluster", "deselected by hand (-k, -m, --lf, a path …)"),
]


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_of_the_suite_are_told_with_their_names_and_numbers(language, sentence):
    told = words(language).sentence(sentence)
    assert told != sentence
    for kept in ("abm-vip", "lb-*", "net@example.com", "SHA256:abc", "1.9.2", "cp-1", "2026-01-01T00:00:00+00:00"):
        assert (kept in told) == (kept in sentence)


def test_what_nobody_translated_is_told_in_english():
    say = Words("ja", {}, (), {})
    assert say.sentence("a sentence") == "a sentence"
    assert say("What blocks") == "What blocks"
    assert say.title("abm-x", "a title") == "a title"
    assert say.remedy("abm-x", "a remedy") == ("a remedy", "")


def test_a_check_s_own_remedy_stands_below_the_translated_one():
    told = Told("題名", "説明", "Remount it.")
    say = Words("ja", {}, (), {"abm-tmp-noexec": told})
    assert say.remedy("abm-tmp-noexec", "Remount it.") == ("説明", "")
    assert say.remedy("abm-tmp-noexec", "Run:\n  mount") == ("説明", "Run:\n  mount")
    text = html.verdict_block(examination(findings=[noexec("cp-1")]), say)
    assert "<h3>題名 " in text
    assert text.index("説明") < text.index('<div lang="en">') < text.index("mount -o remount,exec /tmp")


def test_english_needs_no_file():
    assert words_of("en", ["nowhere"]) is ENGLISH


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("abm-x: {title: T}", "remedy"),
        ("abm-x: {title: T, remedi: R}", "remedi"),
        ("abm-x: 1", "abm-x"),
        ("- 1", "keys"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path, content, says):
    (tmp_path / "ja.yaml").write_text(content)
    with pytest.raises(InvalidDocument, match=rf"ja\.yaml.*{says}"):
        words_of("ja", [pack_beside(tmp_path / "mine.yaml")])
