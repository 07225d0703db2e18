"""Packs: where checks come from and what they can name."""

import importlib.util
import sys
from importlib import metadata

import pytest

from conformance.documents import InvalidDocument
from conformance.facts import SHARED
from conformance.hazards import Target
from conformance.packs import InvalidPack, builtin_pack, installed_packs, load_checks, pack_beside
from conformance.select import checks_by_hazard
from tests.unit.packing import check, pack_of

FACT = '@host_fact("{}")\ndef {}(text):\n    return text\n'


def test_a_check_has_its_hazards_its_place_and_its_scope(tmp_path):
    (one,) = load_checks(pack_of(tmp_path, {"checks/sub/check_a.py": check("a")}))
    assert (one.name, one.path, [hazard.id for hazard in one.hazards]) == (
        "check_a",
        tmp_path / "checks/sub/check_a.py",
        ["a"],
    )
    assert one.scope["kernel"] is SHARED["kernel"]
    assert one.function.__module__.startswith("conformance_pack_")


def test_the_nearest_fact_wins(tmp_path):
    files = {
        "checks/facts.py": FACT.format("top", "kernel") + FACT.format("top", "far") + FACT.format("top", "middle"),
        "checks/sub/facts.py": FACT.format("sub", "kernel") + FACT.format("sub", "middle"),
        "checks/sub/facts_more.py": FACT.format("more", "middle"),
        "checks/sub/check_a.py": FACT.format("own", "kernel") + check("a"),
        "checks/sub/check_b.py": check("b"),
        "checks/check_c.py": check("c"),
        "checks/other/check_d.py": "from ..sub.facts import middle\n" + check("d"),
    }
    scopes = {one.name: one.scope for one in load_checks(pack_of(tmp_path, files))}
    told = {
        name: {key: scope[key].sources[0].line for key in ("kernel", "far", "middle") if key in scope}
        for name, scope in scopes.items()
    }
    assert told == {
        "check_a": {"kernel": "own", "far": "top", "middle": "more"},
        "check_b": {"kernel": "sub", "far": "top", "middle": "more"},
        "check_c": {"kernel": "top", "far": "top", "middle": "top"},
        "check_d": {"kernel": "top", "far": "top", "middle": "sub"},
    }
    assert all("mounts" in scope for scope in scopes.values())


def test_plain_fixtures_are_in_the_scope_of_their_module(tmp_path):
    files = {
        "check_a.py": '@pytest.fixture(name="given")\ndef _given(kernel):\n    return 1\n' + check("a", names="given"),
        "check_b.py": check("b"),
    }
    scopes = {one.name: one.scope for one in load_checks(pack_of(tmp_path, files))}
    assert "given" in scopes["check_a"]
    assert "given" not in scopes["check_b"]


def test_relative_imports_work_from_anywhere(tmp_path):
    files = {
        "checks/sources.py": "HERE = 'there'\n",
        "checks/sub/check_a.py": "from ..sources import HERE\n" + check("a", "assert HERE == 'there'"),
    }
    assert load_checks(pack_of(tmp_path, files))


def test_packs_of_the_same_names_do_not_meet(tmp_path):
    one = load_checks(pack_of(tmp_path / "one" / "pack", {"check_a.py": check("a")}))
    other = load_checks(pack_of(tmp_path / "other" / "pack", {"check_a.py": check("b")}))
    assert one[0].function.__module__ != other[0].function.__module__
    assert (one[0].hazards[0].id, other[0].hazards[0].id) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_this_name\n", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def broken(:\n", "SyntaxError"),
        ("raise RuntimeError('at import')\n", "RuntimeError: at import"),
        ("def check_bare(kernel): pass\n", "check_bare has no @hazard"),
        (check("Not_An_Id").replace("check_Not", "check_not"), "InvalidHazard: hazard id 'Not_An_Id'"),
        (check("a", upgrade_from="'latest'"), "InvalidHazard: hazard a: "),
        (check("a", on="NODE, CLUSTER"), "mixes hosts with clusters"),
        (check("a", on=""), "at least one target"),
        (check("a", on="'host'"), "hazard a: on=['host']: expected HOST, NODE"),
        (check("a").replace("[NODE]", "'host'"), "hazard a: on=['host']: expected HOST, NODE"),
        (check("a", severity="'blocker'"), "hazard a: severity='blocker': expected BLOCKER"),
        ("@host_fact('x')\ndef subject(text): pass\n" + check("a"), "a fact cannot be called 'subject'"),
        ("@host_fact('x')\ndef nothing(): pass\n", "InvalidFact: fact nothing"),
        ("fact = host_fact(command('cat /etc/x | grep y', sudo=True))\n", "InvalidRead"),
        (
            check("a").partition("def")[0] + check("b", on="FLEET", names="kernel"),
            "the hazards of check_b look at different subjects",
        ),
    ],
)
def test_a_module_that_cannot_be_loaded_is_named(tmp_path, text, said):
    with pytest.raises(InvalidPack) as caught:
        load_checks(pack_of(tmp_path, {"checks/check_bad.py": text}))
    assert str(tmp_path / "checks" / "check_bad.py") in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_no_import_statement_could_name(tmp_path):
    with pytest.raises(InvalidPack, match="'check_a-b' cannot be a Python module name"):
        load_checks(pack_of(tmp_path, {"check_a-b.py": check("a")}))


def test_hidden_folders_and_other_files_are_no_checks(tmp_path):
    others = {
        ".git/check_a.py": "raise 1",
        "helper.py": "raise 1",
        "test_check.py": "raise 1",
        "sub/check_b.py": check("b"),
    }
    files = {f"checks/{name}": text for name, text in others.items()}
    assert [one.name for one in load_checks(pack_of(tmp_path / ".local", files))] == ["check_b"]


def test_checks_beside_a_profile_are_those_right_there(tmp_path):
    # The profile may lie in somebody's home directory: what is below is not ours to import.
    files = {"check_a.py": check("a"), "sub/check_b.py": "raise 1"}
    assert [one.name for one in load_checks(pack_of(tmp_path, files))] == ["check_a"]


def test_an_id_is_declared_once(tmp_path):
    checks = load_checks(
        pack_of(tmp_path, {"check_a.py": check("a"), "check_b.py": check("a").replace("check_a", "check_b")})
    )
    with pytest.raises(InvalidDocument, match=r"hazard a is declared twice: in .*check_a\.py and in .*check_b\.py"):
        checks_by_hazard(checks)
    twice = check("a").partition("def")[0] + check("a", severity="ADVICE")
    with pytest.raises(InvalidDocument, match="hazard a is declared twice"):
        checks_by_hazard(load_checks(pack_of(tmp_path / "more", {"check_a.py": twice})))


def test_a_check_under_two_names_or_imported_elsewhere_is_one(tmp_path):
    files = {
        "check_a.py": check("a") + "check_alias = check_a\n",
        "check_b.py": "from .check_a import check_a\n" + check("b"),
    }
    assert set(checks_by_hazard(load_checks(pack_of(tmp_path, files)))) == {"a", "b"}


def test_the_suite_s_own_pack_is_found_and_its_ids_are_words():
    table = checks_by_hazard(load_checks(builtin_pack()))
    assert len(table) >= 13
    assert all(check.path.name.startswith("check_") for check, _ in table.values())


def test_a_profile_in_profiles_belongs_to_the_pack_above(tmp_path):
    (tmp_path / "profiles").mkdir()
    pack = pack_beside(tmp_path / "profiles" / "p.yaml")
    assert (pack.checks, pack.profiles) == (tmp_path, (tmp_path / "profiles",))


def point(name, value):
    return metadata.EntryPoint(name=name, value=value, group="conformance.packs")


def test_installed_packs_are_found_by_their_entry_point(tmp_path, monkeypatch):
    (tmp_path / "acme_checks" / "profiles").mkdir(parents=True)
    (tmp_path / "acme_checks" / "check_a.py").write_text(
        "from conformance import *\nWHERE = Source('d')\n" + check("a")
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point("acme", "acme_checks")])
    (pack,) = installed_packs()
    assert (pack.name, pack.checks) == ("acme", tmp_path / "acme_checks")
    assert pack.profiles == (tmp_path / "acme_checks", tmp_path / "acme_checks" / "profiles")
    assert [one.name for one in load_checks(pack)] == ["check_a"]
    assert sys.modules["acme_checks.check_a"].__file__ == str(tmp_path / "acme_checks" / "check_a.py")


@pytest.mark.parametrize("value", ["nothing_of_this_name", "json.decoder.none", "this"])
def test_an_installed_pack_that_is_none(monkeypatch, value):
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point("acme", value)])
    with pytest.raises(InvalidPack, match="installed pack 'acme'"):
        list(installed_packs())
    assert importlib.util.find_spec("json")


@pytest.mark.parametrize(
    "line", ["raise RuntimeError('no')", "import sys; sys.exit(3)", "import pytest; pytest.skip('no')"]
)
def test_whatever_stops_an_import_names_the_file(tmp_path, line):
    with pytest.raises(InvalidPack, match="check_a.py: cannot be imported: "):
        load_checks(pack_of(tmp_path, {"check_a.py": f"{line}\n{check('a')}"}))


def test_a_module_of_facts_that_no_check_imports_is_named_where_it_is_broken(tmp_path):
    pack = pack_of(
        tmp_path, {"p.yaml": "hazards: [a]\n", "facts_more.py": "x = (\n", "check_a.py": check("a", names="subject")}
    )
    with pytest.raises(InvalidPack, match=r"facts_more: cannot be imported: SyntaxError"):
        load_checks(pack)


def test_a_single_target_needs_no_brackets(tmp_path):
    (found,) = load_checks(pack_of(tmp_path, {"checks/check_a.py": check("a").replace("[NODE]", "NODE")}))
    assert found.hazards[0].on == (Target.NODE,)
