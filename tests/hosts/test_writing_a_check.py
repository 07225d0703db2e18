"""docs/writing-a-check.md does what it says: its files are written, its commands run."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.running import Result, preflight

DOCUMENT = Path(__file__).parents[2] / "docs/writing-a-check.md"
HAZARDS = ("acme-swap-on", "acme-few-inotify-instances", "acme-uid-taken")


def blocks() -> dict[str, str]:
    """File name -> its text, as the document shows it."""
    return dict(re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL))


def commands() -> list[str]:
    """What the document has its reader type."""
    return [
        line
        for text in re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)
        for line in text.splitlines()
    ]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files of the document."""
    directory = tmp_path_factory.mktemp("writing")
    for name, text in blocks().items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def results(directory: Path) -> list[Result]:
    """What became of the document's commands, in their order."""
    ran: list[Result] = []
    for line in commands():
        words = line.removeprefix("python -m ").split()
        assert words[0] == "pytest", line
        ran.append(preflight(*words[1:], cwd=directory, reports=f"reports-{len(ran)}"))
    return ran


@pytest.fixture(scope="module")
def kept(results: list[Result], directory: Path) -> Path:
    """The snapshot that the document has its reader keep."""
    assert len(results) == 4
    return directory / "today.json"


def test_every_file_is_there() -> None:
    assert list(blocks()) == [
        *("acme/facts.py", "acme/check_machines.py", "test_acme.py", "acme/acme.yaml", "pyproject.toml")
    ]
    assert len(commands()) == 4


def test_its_unit_tests_pass(results: list[Result]) -> None:
    assert results[0].code == 0, results[0]
    assert "4 passed" in results[0].out


def test_its_plan(results: list[Result]) -> None:
    plan = results[1]
    assert plan.code == 0
    for said in ("cat /proc/swaps", "max_user_instances", "uname -r", "not declared: what check_uid_is_free asks"):
        assert said in plan.out


def test_it_examines_this_machine(results: list[Result]) -> None:
    live = results[2]
    assert live.code in (0, 1), live
    assert "unknown" not in live.outcomes.values(), live
    assert live.report["profile"] == "acme"
    assert {hazard for hazard, subject in live.outcomes if subject == "local://"} >= set(HAZARDS)
    assert live.outcomes["acme-mixed-kernels", "fleet"] == "clear"
    assert live.outcomes["acme-uid-taken", "local://"] == "clear"
    swaps = len(Path("/proc/swaps").read_text().splitlines()) > 1
    assert (live.outcomes["acme-swap-on", "local://"] == "hazard") == swaps
    allowed = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    assert (live.outcomes["acme-few-inotify-instances", "local://"] == "clear") == (allowed >= 64)


def test_the_same_from_the_snapshot(results: list[Result]) -> None:
    _, _, live, again = results
    assert again.report["findings"] == live.report["findings"]
    assert again.code == live.code
    assert again.report["gather"]["from_snapshot"] is True


def test_a_version_and_a_parameter_reach_the_check(kept: Path, directory: Path) -> None:
    profile = (directory / "acme/acme.yaml").read_text()
    other = directory / "acme/other.yaml"
    other.write_text(profile.replace('"1.33"', '"1.34"').replace("instances: 64", "instances: 1000000000"))
    run = preflight("--profile=acme/other.yaml", f"--snapshot={kept}", cwd=directory, reports="other")
    assert run.finding("acme-swap-on", "local://")["message"] == "to 1.34 is not <1.34"
    assert run.outcomes["acme-few-inotify-instances", "local://"] == "warning"
    assert "1000000000 are needed" in run.finding("acme-few-inotify-instances", "local://")["message"]


def test_handed_on(kept: Path, directory: Path, tmp_path: Path) -> None:
    """Its project as pip leaves it in site-packages: the package, and the entry point that names it."""
    project = tomllib.loads((directory / "pyproject.toml").read_text())
    site = tmp_path / "site"
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        shutil.copytree(directory / package, site / package)
    name, version = project["project"]["name"], project["project"]["version"]
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = project["project"]["entry-points"].items()
    lines = [line for group, held in groups for line in (f"[{group}]", *(f"{key} = {held[key]}" for key in held))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    run = preflight("--profile=acme", f"--snapshot={kept}", cwd=tmp_path, env={"PYTHONPATH": str(site)})
    assert run.outcomes["acme-uid-taken", "local://"] == "clear", run


def test_a_profile_brings_the_checks_beside_it_and_no_others(kept: Path, directory: Path, tmp_path: Path) -> None:
    """It may lie in somebody's repository, next to a virtual environment, and below a hidden directory."""
    pack = tmp_path / ".hidden/acme"
    shutil.copytree(directory / "acme", pack)
    stray = pack / "venv/lib/check_manifest.py"
    stray.parent.mkdir(parents=True)
    stray.write_text("raise SystemExit('somebody imported this')\n")
    run = preflight(f"--profile={pack}/acme.yaml", f"--snapshot={kept}", cwd=tmp_path)
    assert run.outcomes["acme-uid-taken", "local://"] == "clear", run


def test_a_folder_for_checks_may_have_folders(kept: Path, directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory / "acme", tmp_path / "checks/machines")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "checks/machines/acme.yaml").rename(tmp_path / "profiles/acme.yaml")
    run = preflight("--profile=profiles/acme.yaml", f"--snapshot={kept}", cwd=tmp_path)
    assert run.outcomes["acme-uid-taken", "local://"] == "clear", run
