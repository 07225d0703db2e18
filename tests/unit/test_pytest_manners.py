"""The suite in pytest's company: its options do what everybody expects of them, and nothing but a whole run is a go."""

from __future__ import annotations

import json
import re
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.running import Result, preflight

LINUX = ("os-tmp-noexec", "os-kernel-too-old", "os-centos-repos")
MOUNTS = "/dev/vda1 / ext4 rw,relatime 0 0\n"
NOEXEC = MOUNTS + "tmpfs /tmp tmpfs rw,nosuid,noexec 0 0\n"
DEBIAN = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'


def host(mounts: str = MOUNTS, kernel: str = "6.1.0-18-amd64") -> dict[str, Any]:
    """The answers of a host, as a snapshot keeps them."""

    def gave(stdout: str) -> dict[str, Any]:
        return {"value": {"stdout": stdout, "stderr": "", "rc": 0}, "seconds": 0}

    def absent(rc: int, whom: str, **more: Any) -> dict[str, Any]:
        said = f"{whom}: No such file or directory\n"
        return {"value": {"stdout": "", "stderr": said, "rc": rc, **more}, "seconds": 0}

    units = "{tmp.mount,tmp.mount.d/*.conf,*.wants/tmp.mount,*.requires/tmp.mount}"
    return {
        "cat /proc/self/mounts": gave(mounts),
        "cat /etc/fstab": absent(1, "cat: /etc/fstab"),
        f"cat /etc/systemd/system/{units}": absent(3, "ls: cannot access '/etc/systemd/system/.'", files={}),
        f"cat /usr/lib/systemd/system/{units}": absent(3, "ls: cannot access '/usr/lib/systemd/system/.'", files={}),
        "cat /etc/os-release": gave(DEBIAN),
        "cat /etc/yum.repos.d/*.repo": absent(3, "ls: cannot access '/etc/yum.repos.d/.'", files={}),
        "uname -r": gave(f"{kernel}\n"),
        "readlink -f /tmp": gave("/tmp\n"),
    }


def save(path: Path, answers: Mapping[str, Any]) -> Path:
    """A snapshot of these hosts."""
    hosts: dict[str, Any] = {name: {"connection": f"ssh://{name}", "roles": [], "cluster": None} for name in answers}
    change = {"profile": "linux-node", "upgrade": {"from": None, "to": None, "none": False}, "hosts": hosts}
    record = {
        "schema": "pytest-preflight/snapshot/1",
        "suite": "0.1.0",
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:01+00:00",
        "change": {**change, "clusters": {}, "parameters": {}, "examine": ["hosts", "clusters"]},
        "answers": answers,
        "notes": {},
    }
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with snapshots of hosts: three of which one is ill, the same three in health, and one that is mute."""
    directory = tmp_path_factory.mktemp("manners")
    save(directory / "ill.json", {"web-1": host(NOEXEC), "web-2": host(), "db": host()})
    save(directory / "well.json", {"web-1": host(), "web-2": host(), "db": host()})
    mute = dict.fromkeys(host(), {"problem": {"kind": "unreachable", "message": "nobody is there"}, "seconds": 0})
    save(directory / "mute.json", {"web-1": host(), "gone": mute})
    return directory


@pytest.fixture
def run(data: Path, request: pytest.FixtureRequest) -> Any:
    """Runs linux-node on one of the snapshots."""
    directory = data / re.sub(r"\W+", "-", request.node.name)
    directory.mkdir()

    def start(snapshot: str, *args: object, **more: Any) -> Result:
        return preflight("--profile=linux-node", f"--snapshot={data / snapshot}.json", *args, cwd=directory, **more)

    start.directory = directory  # type: ignore[attr-defined]
    return start


def reasons(result: Result) -> set[str]:
    return {one["reason"] for one in result.report["coverage"]["not_examined"]}


BY_HAND = "deselected by hand (-k, -m, --lf, a path …)"


class TestSelecting:
    def test_the_whole_run_is_a_go(self, run: Any) -> None:
        result = run("well")
        assert (result.code, result.report["verdict"]) == (0, "go"), result

    @pytest.mark.parametrize(
        ("option", "kept"),
        [
            (("-k", "os-tmp-noexec"), {("os-tmp-noexec", name) for name in ("web-1", "web-2", "db")}),
            (("-k", "web-2"), {(hazard, "web-2") for hazard in LINUX}),
            (("-k", "check_kernel_is_recent and not db"), {("os-kernel-too-old", name) for name in ("web-1", "web-2")}),
        ],
    )
    def test_by_keyword_and_never_a_go(self, run: Any, option: tuple[str, ...], kept: set[tuple[str, str]]) -> None:
        result = run("well", *option)
        assert set(result.outcomes) == kept
        assert (result.code, result.report["verdict"]) == (10, "incomplete"), result
        assert result.report["reasons"][0] == f"{9 - len(kept)} not examined"
        assert reasons(result) == {BY_HAND}
        assert f"not examined: {9 - len(kept)} - {BY_HAND}" in " ".join(result.out.split())

    def test_by_mark(self, run: Any) -> None:
        # All of them are blockers, and look at hosts: nothing is deselected.
        assert run("well", "-m", "blocker and host").code == 0

    def test_a_mark_that_nothing_has(self, run: Any) -> None:
        result = run("well", "-m", "advice")
        assert (result.code, result.report["verdict"]) == (pytest.ExitCode.NO_TESTS_COLLECTED, "incomplete")
        assert result.report["findings"] == []

    def test_a_hazard_among_what_is_left_is_still_a_no(self, run: Any) -> None:
        result = run("ill", "-k", "web-1")
        assert (result.code, result.report["verdict"]) == (1, "no-go")
        assert result.report["reasons"] == ["1 blocking hazard", "6 not examined"]

    def test_deselecting_the_hazard_does_not_help(self, run: Any) -> None:
        result = run("ill", "-k", "not web-1")
        assert (result.code, result.report["verdict"]) == (10, "incomplete")

    def test_by_path_and_item(self, run: Any, data: Path) -> None:
        from conformance.packs import builtin_pack

        path = builtin_pack().checks / "linux/check_mounts.py"
        result = run("well", f"{path}::check_tmp_allows_exec[web-2]")
        assert set(result.outcomes) == {("os-tmp-noexec", "web-2")}
        assert (result.code, result.report["verdict"]) == (10, "incomplete")

    def test_stopping_at_the_first(self, run: Any) -> None:
        result = run("ill", "-x")
        assert (result.code, result.report["verdict"]) == (1, "no-go")
        assert len(result.outcomes) == 1
        assert reasons(result) == {"the run was stopped before"}

    def test_stopping_at_an_unknown(self, run: Any) -> None:
        result = run("mute", "-x")
        assert (result.code, result.report["verdict"]) == (10, "incomplete")
        assert "unknown" in result.outcomes.values()
        assert reasons(result) == {"the run was stopped before"}

    def test_last_failed(self, run: Any) -> None:
        assert run("ill").code == 1
        again = run("ill", "--lf")
        assert set(again.outcomes) == {("os-tmp-noexec", "web-1")}
        assert again.code == 1
        mended = run("well", "--lf")
        assert mended.outcomes == {("os-tmp-noexec", "web-1"): "clear"}
        assert (mended.code, mended.report["verdict"]) == (10, "incomplete"), mended
        assert reasons(mended) == {BY_HAND}


class TestReporting:
    def test_quiet_and_loud(self, run: Any) -> None:
        quiet, loud = run("ill", "-q"), run("ill", "-vv", reports="loud")
        for result in (quiet, loud):
            assert result.code == 1
            assert "NO-GO: 1 blocking hazard" in result.out
            assert "Traceback" not in result.out
        assert "test session starts" not in quiet.out
        assert "checks/linux/check_mounts.py::check_tmp_allows_exec[web-1] FAILED" in loud.out

    def test_no_summary_of_pytest_beside_ours(self, run: Any) -> None:
        result = run("ill")
        assert "FAILURES" not in result.out
        assert "short test summary" not in result.out

    def test_a_traceback_for_those_who_ask(self, run: Any) -> None:
        result = run("ill", "--tb=short")
        assert "FAILURES" in result.out
        assert re.search(r"check_mounts\.py:\d+: in check_tmp_allows_exec", result.out)

    @pytest.mark.parametrize(
        "options", [("-p", "no:html"), ("-p", "no:xdist"), ("-p", "no:html", "-p", "no:xdist", "-p", "no:metadata")]
    )
    def test_without_other_plugins(self, run: Any, options: tuple[str, ...]) -> None:
        result = run("ill", *options)
        assert (result.code, result.report["verdict"]) == (1, "no-go"), result
        assert "preflight.junit.xml" in result.texts
        assert ("preflight.html" in result.texts) == ("no:html" not in options)

    def test_without_a_terminal(self, run: Any) -> None:
        result = run("ill", "-p", "no:terminal")
        assert (result.code, result.report["verdict"]) == (1, "no-go"), result
        assert result.out == ""

    def test_junit_of_pytest_beside_ours(self, run: Any) -> None:
        result = run("mute", "--junitxml=pytest.xml")
        suite = ET.fromstring((result.reports.parent / "pytest.xml").read_text()).find("testsuite")
        assert suite is not None
        count = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
        assert count == {"tests": "6", "failures": "0", "errors": "3", "skipped": "1"}
        cases = {(case.get("classname"), case.get("name")) for case in suite.iter("testcase")}
        assert ("checks.linux.check_mounts", "check_tmp_allows_exec[gone]") in cases
        assert len(cases) == 6

    def test_workers(self, run: Any) -> None:
        result = run("well", "-n2", "-k", "web-1")
        assert set(result.outcomes) == {(hazard, "web-1") for hazard in LINUX}
        assert (result.code, result.report["verdict"]) == (10, "incomplete"), result


#: What projects of other people have, with a go in reach for nobody.
SKIPPING = {
    "a mark": "def pytest_collection_modifyitems(items):\n"
    "    for one in items:\n        one.add_marker(pytest.mark.skip(reason='mine'))\n",
    "a hook": "def pytest_runtest_setup(item):\n    pytest.skip('mine')\n",
}
WATCHING = """
@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    item.phases = []
    result = yield
    assert item.phases == ["setup", "call", "teardown"] or "call" not in item.phases
    assert "teardown" in item.phases
    return result

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    item.phases.append(call.when)
    return (yield)
"""


class TestOthers:
    """Plugins and conftest files of the project that pytest is started in."""

    @pytest.mark.parametrize("how", SKIPPING)
    @pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
    def test_whoever_skips_a_check_clears_nothing(self, run: Any, how: str, workers: tuple[str, ...]) -> None:
        # With a fixture for everything no item is decided in one step.
        loud = "@pytest.fixture(autouse=True)\ndef loud(): pass\n"
        run.directory.joinpath("conftest.py").write_text(f"import pytest\n{loud}{SKIPPING[how]}")
        result = run("ill", *workers, "--confcutdir=.", "-p", "conftest", env={"PYTHONPATH": str(run.directory)})
        assert (result.code, result.report["verdict"]) == (10, "incomplete"), result
        finding = result.finding("os-tmp-noexec", "web-1")
        assert (finding["outcome"], finding["message"]) == (
            "unknown",
            "skipped from outside, by a mark, a fixture or a hook that is not the check's: mine",
        )
        # What the versions or the machine rule out is ruled out all the same, but for those who were never asked.
        assert result.outcomes["os-centos-repos", "web-2"] in ("not-applicable", "unknown")

    def test_a_fixture_for_everything_does_not_reach_checks_that_name_facts_alone(self, run: Any) -> None:
        text = "import pytest\n@pytest.fixture(autouse=True)\ndef mine():\n    pytest.skip('mine')\n"
        run.directory.joinpath("conftest.py").write_text(text)
        result = run("ill", "-p", "conftest", env={"PYTHONPATH": str(run.directory)})
        assert (result.code, result.report["verdict"]) == (1, "no-go"), result

    def test_a_plugin_that_runs_items_in_its_own_way_sees_every_phase(self, run: Any) -> None:
        run.directory.joinpath("conftest.py").write_text(f"import pytest\n{WATCHING}")
        result = run("ill", "-p", "conftest", env={"PYTHONPATH": str(run.directory)})
        assert (result.code, result.report["verdict"]) == (1, "no-go"), result
        assert "INTERNALERROR" not in result.out

    def test_doctests_are_not_looked_for_in_checks(self, run: Any) -> None:
        assert run("well", "--doctest-modules").code == 0


class TestContactingNobody:
    def test_collect_only(self, tmp_path: Path) -> None:
        """Of a host where nobody is, with no key to log in with."""
        result = preflight("--profile=linux-node", "--hosts=ssh://127.0.0.1:1", "--collect-only", "-q", cwd=tmp_path)
        assert result.code == 0, result
        assert "checks/linux/check_mounts.py::check_tmp_allows_exec[ssh-127.0.0.1-1]" in result.out
        assert "3 tests collected" in result.out
        assert not result.reports.exists()

    def test_fixtures_lists_the_facts(self, tmp_path: Path) -> None:
        result = preflight(
            "--profile=linux-node", "--hosts=ssh://127.0.0.1:1", "--fixtures", "--collect-only", cwd=tmp_path
        )
        assert result.code == 0, result
        for name, text in (("mounts", "in mount order"), ("kernel", "The version of the running kernel")):
            assert re.search(rf"^{name}\b.*\n    .*{text}", result.out, re.MULTILINE), result
        assert not result.reports.exists()

    def test_listing_fixtures_leaves_the_reports_alone(self, run: Any) -> None:
        def digests(result: Result) -> dict[str, str]:
            return {one.name: one.read_text() for one in result.reports.iterdir()}

        before = digests(run("well"))
        for option in ("--fixtures", "--fixtures-per-test"):
            assert digests(run("well", option)) == before


FOREIGN = """
import sys
import pytest

def test_passes(): pass

def test_fails(): assert False

@pytest.mark.parametrize("name", ["mounts", "kernel", "subject"])
def test_has_no_fact(name, request):
    with pytest.raises(pytest.FixtureLookupError):
        request.getfixturevalue(name)

def test_the_suite_was_not_even_loaded():
    loaded = {name for name in sys.modules if name.startswith("conformance")}
    assert loaded <= {"conformance", "conformance.plugin", "conformance.options"}
"""


class TestForeignSession:
    @pytest.fixture(scope="class")
    @classmethod
    def directory(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        directory = tmp_path_factory.mktemp("foreign")
        (directory / "test_foreign.py").write_text(textwrap.dedent(FOREIGN))
        (directory / "check_it.py").write_text("def check_it(): raise SystemExit\n")
        return directory

    def test_without_a_profile_nothing_happens(self, directory: Path) -> None:
        with_us = preflight("-v", cwd=directory)
        without = preflight("-v", "-p", "no:conformance.plugin", "--override-ini=addopts=", cwd=directory, own=False)
        assert with_us.code == without.code == 1, with_us
        assert "preflight:" not in with_us.out
        assert "preflight.json" not in with_us.out
        assert "5 passed" in with_us.out
        assert "1 failed" in with_us.out
        assert not with_us.reports.exists()

        def plain(result: Result) -> list[str]:
            drop = ("plugins:", "metadata:", "=")
            return [line for line in result.out.splitlines() if not line.startswith(drop)]

        assert plain(with_us) == plain(without)

    def test_a_foreign_failure_keeps_its_exit_status(self, directory: Path, data: Path) -> None:
        options = ("--profile=linux-node", f"--snapshot={data / 'well.json'}")
        result = preflight(*options, "test_foreign.py", "-k", "test_passes or test_fails", cwd=directory, reports="f")
        assert result.code == 1
        assert result.report["verdict"] == "incomplete"
        passed = preflight(*options, "test_foreign.py::test_passes", cwd=directory, reports="p")
        assert (passed.code, passed.report["verdict"]) == (10, "incomplete"), passed

    def test_a_foreign_success_changes_no_exit_status(self, directory: Path, data: Path) -> None:
        from conformance.packs import builtin_pack

        options = ("--profile=linux-node", f"--snapshot={data / 'mute.json'}")
        result = preflight(
            *options, builtin_pack().checks / "linux", "test_foreign.py::test_passes", cwd=directory, reports="m"
        )
        assert (result.code, result.report["verdict"]) == (10, "incomplete"), result
        assert "passed" in result.out

    @pytest.mark.parametrize(
        ("snapshot", "workers", "code", "verdict"),
        [("well", (), 1, "go"), ("well", ("-n2",), 1, "go"), ("ill", (), 1, "no-go"), ("mute", (), 1, "incomplete")],
    )
    def test_a_module_that_does_not_import_is_no_success(
        self, tmp_path: Path, data: Path, snapshot: str, workers: tuple[str, ...], code: int, verdict: str
    ) -> None:
        from conformance.packs import builtin_pack

        (tmp_path / "test_broken.py").write_text("import no_such_module\n")
        options = ("--profile=linux-node", f"--snapshot={data / snapshot}.json", "--continue-on-collection-errors")
        result = preflight(*options, *workers, builtin_pack().checks / "linux", "test_broken.py", cwd=tmp_path)
        assert (result.code, result.report["verdict"]) == (code, verdict), result
        assert "No module named 'no_such_module'" in result.out
