"""Where reports are to lie is tried before anything is read: what cannot be written there is a usage error."""

import os
from types import SimpleNamespace

import pytest

from conformance.documents import InvalidDocument
from conformance.places import check_places
from tests.running import preflight


def look(tmp_path, **given):
    options = {"report_dir": str(tmp_path / "reports"), "sarif": None, "policy_report": None, "save_snapshot": None}
    check_places(SimpleNamespace(**{**options, **given}))


@pytest.fixture
def place(tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "blocked" / "preflight.html").mkdir(parents=True)
    (tmp_path / "signed" / "preflight.dsse.json").mkdir(parents=True)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone" / "away")
    os.mkfifo(tmp_path / "pipe")
    # As /dev/stdout is one; which kind of file it leads to depends on who started us.
    (tmp_path / "out").symlink_to("/proc/self/exe")
    return tmp_path


@pytest.mark.parametrize(
    ("option", "path", "said"),
    [
        ("report_dir", "file", "--report-dir {}: nothing can be written there: Not a directory"),
        ("report_dir", "file/below", "--report-dir {}: nothing can be written there: Not a directory"),
        ("report_dir", "nowhere", "--report-dir {}: nothing can be written there: No such file or directory"),
        ("report_dir", "/proc/x", "--report-dir {}: nothing can be written there: "),
        ("report_dir", "blocked", "--report-dir {}: nothing can be written there: {}/preflight.html is a directory"),
        (
            "report_dir",
            "signed",
            "--report-dir {}: nothing can be written there: {}/preflight.dsse.json is a directory",
        ),
        ("report_dir", "x" * 300 + "/y", "--report-dir {}: nothing can be written there: File name too long"),
        *(
            (option, path, f"--{option.replace('_', '-')} {{}}: nothing can be written there: {reason}")
            for option in ("sarif", "policy_report", "save_snapshot")
            for path, reason in (
                ("blocked", "{} is a directory"),
                ("file/s.json", "Not a directory"),
                ("pipe", "{} is no ordinary file"),
                ("/dev/null", "{} is no ordinary file"),
                ("/dev/stdout", "{} is no ordinary file"),
                ("out", "{} is no ordinary file"),
            )
        ),
        ("htmlpath", "blocked", "--html {}: nothing can be written there: {} is a directory"),
        ("sarif", "reports/../reports/preflight.json", "--sarif {}: one of the reports would be written there, too"),
    ],
)
def test_a_place_where_nothing_can_be_written(place, option, path, said):
    before = sorted(place.rglob("*"))
    with pytest.raises(InvalidDocument) as caught:
        look(place, **{option: str(place / path)})
    assert str(caught.value).startswith(said.replace("{}", str(place / path)))
    assert sorted(place.rglob("*")) == before


def test_two_forms_in_one_file(tmp_path):
    with pytest.raises(InvalidDocument, match=r"--policy-report .*: --sarif would be written there, too"):
        look(tmp_path, sarif=str(tmp_path / "s.json"), policy_report=str(tmp_path / "s.json"))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"report_dir": "deep/below/here"},
        {"sarif": "new/s.sarif", "policy_report": "p.json", "save_snapshot": "new/s.json.gz", "htmlpath": "page.html"},
        {"sarif": "file"},
        {"htmlpath": "reports/preflight.html"},
        {"htmlpath": "/dev/null"},
    ],
)
def test_trying_leaves_nothing_behind(place, given):
    before = sorted(place.rglob("*"))
    look(place, **{option: str(place / path) for option, path in given.items()})
    assert sorted(place.rglob("*")) == before
    assert (place / "file").read_text() == "kept"


@pytest.mark.parametrize("workers", [(), ("-n2",)])
@pytest.mark.parametrize(
    "option", ["--report-dir=/proc/x", "--sarif=reports", "--report-dir=file", "--policy-report=."]
)
def test_a_run_ends_with_one_line_before_it_begins(tmp_path, option, workers):
    (tmp_path / "file").write_text("")
    (tmp_path / "reports").mkdir()
    run = preflight("--profile=linux-node", "--hosts=local://", option, *workers, cwd=tmp_path)
    assert run.code == 4
    (line,) = [line for line in run.out.splitlines() if line]
    assert line.startswith(f"ERROR: {option.replace('=', ' ')}: nothing can be written there: ")
