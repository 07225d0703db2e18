"""Profiles: which hazards, taken over from which others."""

import pytest

from conformance.documents import InvalidDocument
from conformance.profiles import Library, UnknownProfile
from tests.unit.packing import library_of


@pytest.fixture
def library(tmp_path):
    def make(**profiles):
        return library_of(
            tmp_path, {f"{name.replace('__', '.').replace('_', '-')}.yaml": text for name, text in profiles.items()}
        )

    return make


BASE = "title: Base\nplatform: p\nabstract: true\nsource-version: v\ndiscover: d\nhazards: [a, b]\nparameters: {x: 1.10, y: 2}\n"


def test_a_profile_takes_over_what_it_extends(library):
    found = library(
        base=BASE, top="extends: base\ntarget: 1.10\nhazards: [c, a]\nwithout: [b]\nparameters: {y: '3'}\n"
    ).find("top")
    assert (found.name, found.title, found.platform, found.hazards) == ("top", "top", "p", ("a", "c"))
    assert (found.source_version, found.discover, found.target.text, found.abstract) == ("v", "d", "1.10", False)
    assert {name: one.text() for name, one in found.parameters.items()} == {"x": "1.10", "y": "3"}


def test_the_hazards_of_several_bases_come_in_their_order_each_once(library):
    found = library(
        one="hazards: [a, b]\ntarget: '1'\n",
        two="hazards: [b, c]\ntarget: '2'\n",
        top="extends: [two, one]\nhazards: [d]\n",
    ).find("top")
    assert found.hazards == ("b", "c", "a", "d")
    assert found.target.text == "2"


def test_a_hazard_that_was_left_out_can_come_back(library):
    found = library(base=BASE, less="extends: base\nwithout: [a]\n", more="extends: less\nhazards: [a]\n")
    assert found.find("less").hazards == ("b",)
    assert found.find("more").hazards == ("b", "a")


def test_a_base_may_be_a_file_beside(tmp_path, library):
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "base.yaml").write_text(BASE)
    assert library(top="extends: else/base.yaml\n").find("top").hazards == ("a", "b")


def test_people_are_offered_in_natural_order_what_is_not_abstract(library):
    made = library(
        base=BASE,
        p_1__10="hazards: [a]\n",
        p_1__9="hazards: [a]\n",
        p_1__9__1="hazards: [a]\n",
        p="hazards: [a]\n",
        o_2="hazards: [a]\n",
    )
    assert [one.name for one in made.all()] == ["o-2", "p", "p-1.9", "p-1.9.1", "p-1.10"]
    assert made.find("base").abstract


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        ({"top": "extends: top\nhazards: [a]\n"}, "top.yaml: extends: the profile extends itself: top -> top"),
        (
            {"top": "extends: one\n", "one": "extends: two\n", "two": "extends: one\n"},
            "extends itself: top -> one -> two -> one",
        ),
        (
            {"top": "extends: bass\n", "base": BASE},
            "top.yaml: extends: there is no profile 'bass'; did you mean 'base'?",
        ),
        ({"top": "extends: sub/none.yaml\n"}, "there is no profile 'sub/none.yaml'"),
        ({"top": "title: nothing\n"}, "top.yaml: it names no hazards"),
        ({"top": "extends: base\nwithout: [a, b]\n", "base": BASE}, "it names no hazards"),
        (
            {"top": "extends: base\nwithout: [z]\n", "base": BASE},
            "top.yaml: without[0]: 'z' is in none of the profiles",
        ),
        ({"top": "hazard: [a]\n"}, "unknown key 'hazard'; did you mean 'hazards'?"),
        ({"top": "hazards: a\n"}, "top.yaml: hazards: expected a list, not text"),
        ({"top": "hazards: [a, [b]]\n"}, "hazards[1]: expected text, not a list"),
        ({"top": "hazards: [a]\ntarget: latest\n"}, "target: 'latest' is no version"),
        ({"top": "hazards: [a]\nabstract: perhaps\n"}, "abstract: expected true or false"),
        ({"top": "hazards: [a]\nhazards: [b]\n"}, "the key 'hazards' stands twice"),
    ],
)
def test_what_is_wrong_with_a_profile(library, profiles, said):
    with pytest.raises(InvalidDocument) as caught:
        library(**profiles).find("top")
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["x" * 5_000, "a/" + "x" * 5_000 + ".yaml"])
def test_a_name_that_no_file_can_have_is_no_profile(library, name):
    with pytest.raises(InvalidDocument, match="there is no profile '(a/)?xxx.{190,200}'$"):
        library(top=f"extends: {name}\nhazards: [a]\n").find("top")
    with pytest.raises(UnknownProfile, match="no such"):
        library(top="hazards: [a]\n").find(name)


def test_an_unknown_name_is_told_with_what_is_close():
    shipped = Library()
    with pytest.raises(UnknownProfile, match=r"no such profile; did you mean anthos-bare-metal-1\.\d+ or"):
        shipped.find("anthos-baremetal-1.9")
    with pytest.raises(UnknownProfile, match="--list-profiles shows what there is"):
        shipped.find("zzz")
    for name in ("./nothing.yaml", "nothing.yaml", "some/where"):
        with pytest.raises(UnknownProfile, match="no such file"):
            shipped.find(name)
    with pytest.raises(InvalidDocument, match="no-such-user"):
        shipped.find("~no-such-user/x.yaml")


def test_a_file_brings_the_profiles_and_the_pack_beside_it(tmp_path):
    library = Library([])
    (tmp_path / "profiles").mkdir()
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "check_nothing.py").write_text("")
    (tmp_path / "profiles" / "base.yaml").write_text(BASE)
    (tmp_path / "profiles" / "mine.yaml").write_text("extends: base\n")
    assert library.find(str(tmp_path / "profiles" / "mine.yaml")).hazards == ("a", "b")
    assert [one.checks for one in library.packs] == [tmp_path / "checks"]
    library.find(str(tmp_path / "profiles" / "mine.yaml"))
    assert len(library.packs) == 1
    assert library.find("mine").name == "mine"


def test_a_name_of_the_suite_is_not_taken_over_by_a_file(tmp_path):
    (tmp_path / "linux-node.yaml").write_text("hazards: [mine]\n")
    library = Library()
    assert library.find(str(tmp_path / "linux-node.yaml")).hazards == ("mine",)
    assert "os-tmp-noexec" in library.find("linux-node").hazards


def test_every_shipped_profile_can_be_chosen():
    for one in Library().all():
        assert one.hazards
        assert one.title != one.name
        assert one.platform
        assert one.name == "linux-node" or one.target is not None


def test_what_nobody_can_waive_is_taken_over_and_added_to(library):
    base = "hazards: [a, b, c]\nnever-waived: [a]\nlongest-waiver-days: 90\ntarget: '1'\n"
    assert library(base=base).find("base").never_waived == ("a",)
    found = library(base=base, top="extends: base\nnever-waived: [b]\nlongest-waiver-days: 365\n").find("top")
    assert (found.never_waived, found.longest_waiver_days) == (("a", "b"), 90)
    found = library(base=base, top="extends: base\nwithout: [a]\nlongest-waiver-days: 30\n").find("top")
    assert (found.never_waived, found.longest_waiver_days) == ((), 30)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("never-waived: [z]", r"never-waived\[0\]: 'z' is no hazard of this profile"),
        ("never-waived: a", "never-waived: expected a list"),
        ("longest-waiver-days: soon", "longest-waiver-days: 'soon' is no number of days"),
        ("longest-waiver-days: 0", "longest-waiver-days: '0' is no number of days"),
        ("longest-waiver-days: 1.5", "longest-waiver-days: '1.5' is no number of days"),
        ("longest-waiver-days: 9999999", "longest-waiver-days: '9999999' is no number of days; expected such as 90"),
        (f"longest-waiver-days: '{'9' * 5_000}'", "longest-waiver-days: '99999"),
    ],
)
def test_limits_of_waivers_that_are_wrong(library, text, says):
    with pytest.raises(InvalidDocument, match=says):
        library(p=f"hazards: [a]\n{text}\n").find("p")
