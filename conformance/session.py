"""One pytest session with the suite switched on: what the hooks of `conformance.plugin` do."""

from __future__ import annotations

import gc
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from conformance.change import Change
from conformance.findings import Examination, Finding, Outcome, Verdict
from conformance.given import Given
from conformance.harmless import make_harmless
from conformance.items import CheckFile, CheckItem, own_marks
from conformance.options import make_run
from conformance.page import ROWS, Page
from conformance.places import PAGE, check_places, files_read
from conformance.report.files import ReportNotWritten, discard
from conformance.report.text import terminal
from conformance.settle import finding_of, when_torn_down
from conformance.waivers import waive

__all__ = ["Session"]

#: Exit status of a run in which nothing failed, but something is unknown or was not examined.
INCOMPLETE: Final = 10
#: What pytest-xdist calls the phase in which a worker died.
_CRASHED: Final = "???"
_CATEGORIES: Final = {
    "warning": ("warning", "w", ("WARNING", {"yellow": True})),
    "waived": ("waived", "v", ("WAIVED", {"yellow": True})),
    "unknown": ("error", "E", ("UNKNOWN", {"red": True})),
}


class Session:
    """The state of one session, in the controller or in one worker of pytest-xdist."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.worker = hasattr(config, "workerinput")
        self.run = make_run(config)
        handed: dict[str, Any] = getattr(config, "workerinput", {})
        self.now = datetime.fromisoformat(handed["preflight_now"]) if self.worker else datetime.now(UTC)
        self._check_places()
        self.given = Given(config, self.run, self.now)
        self.findings: dict[tuple[str, str], Finding] = {}
        self.examination: Examination | None = None
        self.written: list[Path] = []
        self._gathered = False
        #: Something else than a check has failed: a test of the user's, a module; or a worker has died.
        self._others = self._crashed = False
        self._folder: Path | None = None
        for mark in own_marks():
            config.addinivalue_line("markers", mark)
        self._aim()
        self.run.tracebacks = getattr(config.option, "tbstyle", "auto") not in ("auto", "no", "line")
        self._register_fixtures()
        self.page = Page(config, self.run, self.given.words)
        if not self.worker:
            self.page.claim()

    def _check_places(self) -> None:
        if not self.worker and not self.config.option.collectonly:
            try:
                check_places(self.config.option, files_read(self.run, self.config.option))
            except ValueError as error:
                raise pytest.UsageError(terminal(str(error))) from None

    def _aim(self) -> None:
        """Collect the checks of the profile, unless the command line names what to collect."""
        config = self.config
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            wanted = dict.fromkeys(self.run.table[one][0].path for one in self.run.profile.hazards)
            config.args[:] = [str(path) for path in wanted]
            # What the files of checks show in their docstrings is nothing that this run is about.
            config.option.doctestmodules = False

    def _register_fixtures(self) -> None:
        """Facts are fixtures: a plain fixture can name them, and ``--fixtures`` lists them."""
        from conformance.fixtures import holder_of

        scopes = [self.run.table[one][0].scope for one in self.run.profile.hazards]
        self.config.pluginmanager.register(holder_of(scopes), "preflight-facts")

    # -- gather --------------------------------------------------------------------------------------------------

    def gather(self) -> None:
        """Fill the snapshot: by reading, from the controller, or not at all where a snapshot was given."""
        if self._gathered:
            return
        self._gathered = True
        self._gather()
        self.run.shows_all = len(self.run.selection.cases) <= ROWS
        if not self.run.shows_all:
            # What was read stays until the end: looking through it for garbage again and again is time lost.
            gc.collect()
            gc.freeze()
            gc.set_threshold(100_000, 20, 20)

    def _gather(self) -> None:
        if self.worker:
            return  # its run was made from the frozen snapshot
        try:
            if not self.config.option.collectonly:
                self._discard_reports()
            if self.run.replay:
                self.run.expand()
            elif not self.config.option.collectonly:
                from conformance.gathering import fill
                from conformance.progress import announcer

                fill(self.run, announcer(self.config))
                if self.config.option.save_snapshot:
                    self.run.snapshot.save(Path(self.config.option.save_snapshot))
        except (ValueError, ReportNotWritten) as error:
            raise pytest.UsageError(terminal(str(error))) from None

    def _discard_reports(self) -> None:
        """Remove what an earlier run left, so that a run which dies leaves no old "go" behind for a gate to read."""
        directory = Path(self.config.option.report_dir)
        option = self.config.option
        discard(directory, directory / PAGE, *(Path(one) for one in (option.sarif, option.policy_report) if one))

    def hand_over(self, workerinput: dict[str, Any]) -> None:
        """Give a worker the frozen snapshot, as a file: large values would have to pass through a pipe."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="preflight-"))
            if self.run.replay:
                self.run.record()
            self.run.snapshot.save(self._folder / "snapshot.json")
        workerinput["preflight_snapshot"] = str(self._folder / "snapshot.json")
        workerinput["preflight_now"] = self.now.isoformat()
        self.given.hand_over(workerinput)

    # -- collect -------------------------------------------------------------------------------------------------

    def header(self) -> list[str]:
        """What pytest's header says of the run."""
        run = self.run
        hosts, clusters = len(run.inventory.hosts), len(run.inventory.clusters)
        what = f"{hosts} host{'s' if hosts != 1 else ''}, {clusters} cluster{'s' if clusters != 1 else ''}"
        source = "a snapshot" if run.replay else "live"
        return [f"preflight: profile {run.profile.name}, {len(run.profile.hazards)} hazards; {what}, {source}"]

    def collect_file(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """A collector for a file that holds checks of this run's packs."""
        if path.suffix != ".py" or not path.name.startswith("check_"):
            return None
        if not any(check.path == path for check, _ in self.run.table.values()):
            return None
        file = CheckFile.from_parent(parent, path=path, nodeid=self._node_id(path))
        file.run = self.run
        return file

    def _node_id(self, path: Path) -> str | None:
        """What ids of items begin with where pytest would leave it out, or could not write it down in its cache."""
        if path.is_relative_to(self.config.rootpath):
            name = path.relative_to(self.config.rootpath).as_posix()
            return None if name.isprintable() else terminal(name)
        packs = (one for one in self.run.library.packs if path.is_relative_to(one.checks))
        return terminal(next((path.relative_to(one.checks.parent).as_posix() for one in packs), path.name))

    # -- evaluate ------------------------------------------------------------------------------------------------

    def mark(self, item: pytest.Item, call: pytest.CallInfo[Any], report: pytest.TestReport) -> pytest.TestReport:
        """The report of a phase, with the finding that it settles and the outcome that pytest knows for it."""
        if not isinstance(item, CheckItem):
            return report
        finding = finding_of(item, call)
        if finding is None:
            return make_harmless(report)
        finding = waive(finding, self.given.waivers, self.now)
        if call.when == "teardown":
            finding = when_torn_down(item.settled, finding)
        elif not item.light:
            item.settled = finding
        # A plain attribute travels from worker to controller and stays out of JUnit properties.
        silent = finding.outcome is Outcome.CLEAR and not finding.message
        report.preflight = _brief(finding) if silent else finding.to_dict()  # type: ignore[attr-defined]
        if finding.outcome is Outcome.UNKNOWN:
            report.outcome, report.when = "failed", "setup"
        elif finding.outcome in (Outcome.WARNING, Outcome.WAIVED):
            report.outcome = "skipped"
            report.wasxfail = f"{finding.outcome}: {finding.message}"
        return make_harmless(report)

    def status(self, report: Any) -> tuple[str, str, Any] | None:
        """The category under which the terminal counts a report."""
        found = getattr(report, "preflight", None)
        return _CATEGORIES.get(found["outcome"]) if found else None

    def keep(self, report: pytest.TestReport) -> None:
        """Keep the finding of a report; the last one of an item tells all of it."""
        record = getattr(report, "preflight", None)
        if record is None:
            phase: str | None = report.when
            if phase == _CRASHED:
                self._crashed = True
            else:
                self._others = self._others or report.failed
            return
        if not self.worker:
            finding = Finding.from_dict(record) if "message" in record else self._clear(record)
            self.findings[finding.hazard, finding.subject] = finding

    def collected(self, report: pytest.CollectReport) -> None:
        """A module that cannot be imported is a failure as much as a test that fails."""
        self._others = self._others or report.failed

    def _clear(self, record: dict[str, str]) -> Finding:
        hazard = self.run.table[record["hazard"]][1]
        return Finding(record["hazard"], record["subject"], Outcome.CLEAR, hazard.severity)

    # -- report --------------------------------------------------------------------------------------------------

    def finish(self, session: pytest.Session, status: int) -> int:
        """Judge and write the reports; the exit status of the session."""
        if self.worker or self.config.option.collectonly:
            return status
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if not self._gathered:
            return status
        from conformance.examine import examine
        from conformance.report import write_all

        self._hush()
        self.examination = examine(
            self.run,
            self.findings,
            self.given.waivers,
            self.now,
            strict=bool(self.config.getoption("strict", default=False)),
            broken_off=self._broken_off(session, status),
            earlier=self.given.earlier,
            inputs=self.given.inputs,
        )
        try:
            self.written = write_all(self.examination, Path(self.config.option.report_dir), self._other_forms())
        except ReportNotWritten as error:
            self.config.issue_config_time_warning(pytest.PytestWarning(str(error)), stacklevel=2)
            return int(pytest.ExitCode.INTERNAL_ERROR)
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return status
        # Of a check that was lost with its worker the verdict tells; what else was lost failed as any test fails.
        others = self._others or (self._crashed and self.examination.verdict is Verdict.GO)
        if others and status == pytest.ExitCode.TESTS_FAILED:
            return status
        return {"go": 0, "no-go": 1}.get(self.examination.verdict.value, INCOMPLETE)

    def _broken_off(self, session: pytest.Session, status: int) -> str:
        if session.shouldstop or session.shouldfail or status == pytest.ExitCode.INTERRUPTED:
            return "the run was stopped before"
        if status == pytest.ExitCode.INTERNAL_ERROR:
            return "the run broke off: by an error within, or because nobody took what it printed"
        return "a worker of pytest-xdist crashed" if self._crashed else ""

    def seal(self) -> str:
        """Finish what pytest-html has written, and attest all reports; what kept us from it, empty where nothing did."""
        try:
            self.page.seal()
            self._attest()
        except (OSError, ValueError) as error:
            return str(error)
        return ""

    def _attest(self) -> None:
        if self.examination is None or not self.written:
            return
        from conformance.gate.attestation import attest

        directory = Path(self.config.option.report_dir)
        page = self.page.path
        beside = [one for one in (*self.written, page) if one and one.parent == directory and one.is_file()]
        attest(self.examination, beside, directory, self.given.signer)

    def _other_forms(self) -> dict[Path, list[str]]:
        """The forms that were asked for by name: path -> text."""
        option, examination = self.config.option, self.examination
        made: dict[Path, list[str]] = {}
        if examination is not None and option.sarif:
            from conformance.report.sarif import to_sarif

            made[Path(option.sarif)] = [to_sarif(examination, _files_of(self.run.change))]
        if examination is not None and option.policy_report:
            from conformance.report.policy_report import to_policy_report

            made[Path(option.policy_report)] = [to_policy_report(examination)]
        return made

    def _hush(self) -> None:
        """Where all that failed are checks, let our summary stand for pytest's lists of failures, unless asked for."""
        option, terminal = self.config.option, self.config.pluginmanager.getplugin("terminalreporter")
        if terminal is None:
            return
        told = [report for key in ("failed", "error") for report in terminal.stats.get(key, [])]
        if all(hasattr(report, "preflight") for report in told):
            option.tbstyle = "no" if option.tbstyle == "auto" else option.tbstyle
            terminal.reportchars = "" if option.reportchars == "fE" else terminal.reportchars

    def summarize(self, terminal: Any) -> None:
        """Write the summary to the terminal."""
        if self.examination is None:
            return
        from conformance.report.terminal import write

        page = self.page.path
        written = [*self.written, *([page] if page and page.exists() else [])]
        terminal.ensure_newline()
        write(self.examination, terminal.write_line, width=terminal._tw.fullwidth, reports=written)  # noqa: SLF001


def _files_of(change: Change) -> dict[str, list[str]]:
    """Subject -> the files in reach of this directory that describe it; "" for all others: the change file."""

    def within(*paths: Path | None) -> list[str]:
        real = [one.resolve() for one in paths if one is not None]
        here = Path.cwd().resolve()
        return [one.relative_to(here).as_posix() for one in real if one.is_relative_to(here)]

    found = {name: within(*one.desired) for name, one in change.clusters.items()}
    return {**found, "": within(change.file)}


def _brief(finding: Finding) -> dict[str, str]:
    """Of a clear finding that says nothing what tells it from others: there may be tens of thousands."""
    return {"hazard": finding.hazard, "subject": finding.subject, "outcome": finding.outcome.value}
