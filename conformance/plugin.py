"""The pytest plugin: hooks, thin. Without ``--profile`` (or ``--change``) it does nothing to anybody's pytest.

What it does: makes the run from the options, gathers once (in the controller, under pytest-xdist), hands the frozen
snapshot to whoever evaluates, and turns the reports of the items into findings, a verdict and an exit status.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conformance.session import Session

SESSION: pytest.StashKey[Session] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    from conformance.options import add_options

    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Refuse what is empty; answer ``--list-…``, ``--plan`` and ``--verify``, which print and stop."""
    from conformance.options import is_on, refuse_empty

    refuse_empty(config)
    asked = ("--list-profiles", "--list-hazards", "--plan", "--verify")
    if not any(config.getoption(one) for one in asked):
        return None
    for one, what in (("--plan", "planned"), ("--verify", "verified")):
        if config.getoption(one) and not is_on(config):
            msg = f"{one}: name what is to be {what}: --profile NAME, or --change FILE"
            raise pytest.UsageError(msg)
    from conformance.printing import print_asked

    code: int = print_asked(config)
    return code


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Switch the suite on, where it is asked for."""
    from conformance.options import is_on

    for name in (
        "--save-snapshot",
        "--snapshot",
        "--upgrade-to",
        "--upgrade-from",
        "--examine",
        "--since",
        "--sign-key",
    ):
        if config.getoption(name) and not is_on(config):
            msg = f"{name} needs --profile NAME, or --change FILE"
            raise pytest.UsageError(msg)
    if is_on(config) and not config.option.help:
        from conformance.session import Session

        config.stash[SESSION] = session = Session(config)
        config.pluginmanager.register(Hooks(session), "preflight-session")
        config.pluginmanager.register(Sealing(session), "preflight-sealing")


class Hooks:
    """The hooks of a session that is switched on."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Under pytest-xdist: gather in the controller, once, before the first worker starts."""
        self.session.gather()
        self.session.hand_over(node.workerinput)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Be in front of pytest-html, and behind pytest-metadata, which has told it of this machine by now."""
        self.session.page.clear_environment()

    def pytest_report_header(self) -> list[str]:
        """Say what is examined."""
        return self.session.header()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Gather before anything is collected: the items are made from the frozen snapshot."""
        self.session.gather()

    def pytest_collect_file(self, file_path: Any, parent: pytest.Collector) -> pytest.Collector | None:
        """Collect the files of checks in a directory; pytest's own ``python_files`` would not know them."""
        return None if parent.session.isinitpath(file_path) else self.session.collect_file(file_path, parent)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Any, parent: pytest.Collector) -> pytest.Collector | None:
        """Collect a file of checks that is named itself, as ours are, in our way instead of pytest's."""
        return self.session.collect_file(module_path, parent)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector, name: str, obj: object) -> Any:
        """Make the items of a check."""
        from conformance.items import CheckFile

        if isinstance(collector, CheckFile) and getattr(obj, "__hazards__", None):
            return list(collector.items_of(name, obj))  # type: ignore[arg-type]
        return None

    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Decide a check that needs nothing of pytest's set-up in one phase: there may be tens of thousands."""
        from conformance.items import CheckItem, decide

        if isinstance(item, CheckItem) and item.light:
            decide(item)
            return True
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the finding of an item into its report."""
        report = yield
        return self.session.mark(item, call, report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, Any] | None:
        """Warnings and waived findings in categories of their own."""
        return self.session.status(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the finding of a report, from wherever it came."""
        self.session.keep(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember what could not be collected."""
        self.session.collected(report)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
        """Under pytest-xdist: let a finding pass the pipe, whatever text it holds."""
        from conformance.harmless import packed

        return packed((yield))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> None:
        """Take a finding out as it was put in; the rest is pytest's own."""
        from conformance.harmless import unpacked

        unpacked(data)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Judge, write the reports, and set the exit status."""
        session.exitstatus = self.session.finish(session, int(exitstatus))

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The verdict first, then the findings."""
        self.session.summarize(terminalreporter)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        """The title of pytest-html's report."""
        self.session.page.title(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """The verdict block on top of pytest-html's report."""
        prefix.append(self.session.page.summary(self.session.examination))

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """A column for the outcome of a finding."""
        self.session.page.head(cells)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Tell the finding in its row, and leave rows that say nothing out of the table."""
        self.session.page.row(report, cells)


class Sealing:
    """What is done when everybody, pytest-html too, has finished."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Seal the page that pytest-html has written, and attest all reports; where that fails, so does the run."""
        yield
        problem = "" if self.session.worker else self.session.seal()
        if problem:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            terminal: Any = session.config.pluginmanager.getplugin("terminalreporter")
            if terminal is not None:
                terminal.write_line(f"ERROR: {problem}", red=True, bold=True)
