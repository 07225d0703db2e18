"""Where reports are to lie is tried before anything is read: what cannot be written there is a usage error."""

import os
from types import SimpleNamespace

import pytest

from conformance.change import Change, Host, load_change
from conformance.documents import InvalidDocument
from conformance.hazards import Situation
from conformance.places import check_places, files_read
from conformance.profiles import Library
from conformance.recorded import record_of
from conformance.report.summary import write_json
from conformance.run import Run
from conformance.snapshot import Snapshot
from tests.running import preflight
from tests.unit.packing import check, write
from tests.unit.report.examples import go


def look(tmp_path, read=(), **given):
    options = {"report_dir": str(tmp_path / "reports"), "sarif": None, "policy_report": None, "save_snapshot": None}
    check_places(SimpleNamespace(**{**options, **given}), read)


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


@pytest.mark.parametrize("given", [{"sarif": "reports/preflight.html"}, {"policy_report": "link/preflight.html"}])
def test_the_page_is_one_of_the_reports_unless_it_lies_elsewhere(tmp_path, given):
    (tmp_path / "reports").mkdir()
    (tmp_path / "link").symlink_to("reports")
    given = {option: str(tmp_path / path) for option, path in given.items()}
    with pytest.raises(InvalidDocument, match=r"preflight\.html: one of the reports would be written there, too"):
        look(tmp_path, **given)
    look(tmp_path, htmlpath=str(tmp_path / "page.html"), **given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"xmlpath": "reports/preflight.junit.xml"}, "--junitxml .*: one of the reports would be written there, too"),
        ({"xmlpath": "s.json", "sarif": "s.json"}, "--junitxml .*: --sarif would be written there, too"),
        ({"xmlpath": "$PLACE/s.json", "sarif": "s.json"}, "--junitxml .*: --sarif would be written there, too"),
        ({"htmlpath": "s.link", "save_snapshot": "s.json"}, "--html .*: --save-snapshot would be written there, too"),
    ],
)
def test_what_pytest_writes_is_no_report_of_ours(tmp_path, monkeypatch, given, said):
    monkeypatch.setenv("PLACE", str(tmp_path))
    (tmp_path / "s.link").symlink_to("s.json")
    with pytest.raises(InvalidDocument, match=said):
        look(tmp_path, **{key: text if "$" in text else str(tmp_path / text) for key, text in given.items()})


MINE = check("mine", "pass")
SNAPSHOT = Snapshot(
    record_of(Change(profile="mine", hosts={"n1": Host("n1", "ssh://n1")})),
    {},
    "2026-01-01T00:00:00+00:00",
    "2026-01-01T00:00:00+00:00",
)
KUBECONFIG = (
    "{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: u, "
    "user: {token: t}}], contexts: [{name: c, context: {cluster: c, user: u}}], current-context: c}"
)
CHANGE = """
profile: inputs/mine.yaml
clusters: {c: {kubeconfig: inputs/kubeconfig, desired: inputs/desired.yaml}}
hosts: {n1: {connection: "ssh://n1"}}
ssh: {config: inputs/ssh_config, identity_file: inputs/id, known_hosts: inputs/known_hosts}
waivers: inputs/waivers.yaml
"""


@pytest.fixture
def inputs(tmp_path):
    """All that a run can be made of, each file once more by another name."""
    files = {
        "change.yaml": CHANGE,
        "inputs/mine.yaml": "extends: base\n",
        "inputs/base.yaml": "hazards: [mine]\n",
        "inputs/check_a.py": MINE,
        "inputs/waivers.yaml": "waivers: []\n",
        "inputs/desired.yaml": "{}\n",
        "inputs/kubeconfig": KUBECONFIG,
        **dict.fromkeys(("inputs/ssh_config", "inputs/id", "inputs/known_hosts", "inputs/key.pem"), ""),
    }
    write(tmp_path, files)
    SNAPSHOT.save(tmp_path / "inputs/kept.json")
    write_json(go(), tmp_path / "inputs/earlier.json")
    (tmp_path / "folder").symlink_to("inputs")
    (tmp_path / "link").symlink_to("inputs/waivers.yaml")
    os.link(tmp_path / "inputs/waivers.yaml", tmp_path / "hard")
    return tmp_path


READ = {
    "change.yaml": "the change file",
    "inputs/waivers.yaml": "the waivers file",
    "inputs/../folder/waivers.yaml": "the waivers file",
    "link": "the waivers file",
    "hard": "the waivers file",
    "inputs/desired.yaml": "the desired configuration of c",
    "inputs/kubeconfig": "the kubeconfig of c",
    "inputs/ssh_config": "the SSH configuration",
    "inputs/id": "the SSH identity file",
    "inputs/known_hosts": "the file of known hosts",
    "inputs/kept.json": "the snapshot",
    "inputs/earlier.json": "the report of --compare",
    "inputs/key.pem": "the key of --sign-key",
    "inputs/mine.yaml": "the profile",
    "inputs/base.yaml": "the profile",
    "inputs/check_a.py": "the check",
}


def made_of(inputs):
    """What `files_read` tells of a run on all of them."""
    library = Library([])
    profile = library.find(str(inputs / "inputs/mine.yaml"))
    run = Run(profile, library, load_change(inputs / "change.yaml"), Situation.BEFORE, Snapshot())
    given = {
        name: str(inputs / "inputs" / file) for name, file in (("compare", "earlier.json"), ("sign_key", "key.pem"))
    }
    return list(files_read(run, SimpleNamespace(snapshot=[str(inputs / "inputs/kept.json")], **given)))


def test_nothing_that_is_read_is_written_over(inputs):
    before = {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()}
    read = made_of(inputs)
    for option in ("sarif", "policy_report", "save_snapshot", "htmlpath", "xmlpath"):
        for path, what in READ.items():
            name = {"htmlpath": "--html", "xmlpath": "--junitxml"}.get(option, f"--{option.replace('_', '-')}")
            with pytest.raises(InvalidDocument) as caught:
                look(inputs, read, **{option: str(inputs / path)})
            said = str(caught.value)
            assert said.startswith(f"{name} {inputs / path}: {what} {inputs}/")
            assert said.endswith(" is read in this run, and would be overwritten; choose another file")
    assert {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["preflight.json", "preflight.md", "preflight.html", "preflight.dsse.json"])
def test_no_report_takes_the_place_of_what_is_read(inputs, name):
    (inputs / "reports").mkdir()
    os.link(inputs / "inputs/kept.json", inputs / "reports" / name)
    with pytest.raises(InvalidDocument, match=r"^--report-dir .*: the snapshot .*; choose another directory$"):
        look(inputs, made_of(inputs))


def test_a_report_may_take_the_place_of_the_one_that_it_is_compared_with(inputs):
    (inputs / "reports").mkdir()
    os.link(inputs / "inputs/earlier.json", inputs / "reports" / "preflight.json")
    look(inputs, made_of(inputs))
    with pytest.raises(InvalidDocument, match=r"the report of --compare .*; choose another file$"):
        look(inputs, made_of(inputs), sarif=str(inputs / "reports" / "preflight.json"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--waivers=inputs/waivers.yaml", "--sarif=inputs/waivers.yaml"), "the waivers file inputs/waivers.yaml"),
        (("--sarif=inputs/kept.json",), "the snapshot inputs/kept.json"),
        (("--policy-report=folder/mine.yaml",), "the profile inputs/mine.yaml"),
    ],
)
def test_a_run_that_would_write_over_what_it_reads_ends_before_it_begins(inputs, args, said):
    before = {path: path.read_bytes() for path in (inputs / "inputs").iterdir()}
    run = preflight("--profile=inputs/mine.yaml", "--snapshot=inputs/kept.json", *args, cwd=inputs)
    assert run.code == 4, run
    (line,) = [line for line in run.out.splitlines() if line]
    given = args[-1].replace("=", " ")
    assert line == f"ERROR: {given}: {said} is read in this run, and would be overwritten; choose another file"
    assert {path: path.read_bytes() for path in (inputs / "inputs").iterdir()} == before


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
