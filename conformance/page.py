"""``preflight.html`` as pytest-html makes it: what it is given of ours, and what its page is told at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from conformance.report.text import html as escaped
from conformance.report.words import Words

if TYPE_CHECKING:
    from conformance.findings import Examination
    from conformance.run import Run

__all__ = ["ROWS", "Page"]

#: pytest-html draws its rows with a script, all of them whenever one is clicked: more would make a browser slow.
ROWS: Final = 500
_CALM: Final = ("clear", "not-applicable")


class Page:
    """The HTML report of one session."""

    def __init__(self, config: pytest.Config, run: Run, say: Words) -> None:
        self.config = config
        self.run = run
        self.say = say
        #: Whether it is we who asked pytest-html for a report.
        self.claimed = False
        self._report: Any = None
        self._rows = 0
        self._dropped = 0

    @property
    def path(self) -> Path | None:
        """Where the report is written, None where nobody wants one."""
        path = getattr(self.config.option, "htmlpath", None)
        return Path(path) if path else None

    def claim(self) -> None:
        """Ask pytest-html for the report, unless somebody has, or nothing will be run."""
        option = self.config.option
        shows = option.collectonly or option.showfixtures or option.show_fixtures_per_test
        if hasattr(option, "htmlpath") and not option.htmlpath and not shows:
            option.htmlpath = str(Path(option.report_dir) / "preflight.html")
            option.self_contained_html = True
            self.claimed = True

    def clear_environment(self) -> None:
        """Leave out pytest-html's table of the machine that pytest runs on: the verdict is to stand on top."""
        if not self.claimed:
            return
        try:
            from pytest_metadata.plugin import metadata_key
        except ImportError:
            return
        if metadata_key in self.config.stash:
            self.config.stash[metadata_key].clear()

    def title(self, report: Any) -> None:
        """Set the title of pytest-html's report - for now: it asks before anything is known; it escapes it."""
        self._report = report
        report.title = f"Preflight: {self.run.profile.title}"
        if self.claimed:
            # Everything that a row unfolds stands above it already.
            report.set_data("renderCollapsed", ["all"])

    def summary(self, examination: Examination | None) -> str:
        """What stands above pytest-html's rows; its title is the verdict now."""
        if examination is None:
            return ""
        from conformance.report.html import report_title, rows_heading, verdict_block

        if self._report is not None:
            self._report.title = report_title(examination)
        missing = max(self._dropped, len(examination.findings) - self._rows)
        return verdict_block(examination, self.say) + rows_heading(self._rows, missing, self.say)

    def head(self, cells: list[str]) -> None:
        """The heads of pytest-html's columns, with one for the outcome as we know it."""
        cells.insert(1, f'<th class="sortable" data-column-type="outcome">{self.say("Outcome")}</th>')

    def row(self, report: Any, cells: list[str]) -> None:
        """A row of pytest-html's: in our words, or left out where it says nothing or there are too many."""
        record = getattr(report, "preflight", None)
        if report.when == "teardown" and report.passed:
            del cells[:]
        elif record is None:
            cells.insert(1, '<td class="col-outcome"></td>')
        elif self._rows >= ROWS or (record["outcome"] in _CALM and not self.run.shows_all):
            self._dropped += 1
            del cells[:]
        else:
            self._rows += 1
            # pytest-html puts the cells into the page as they are.
            name = f"<code>{escaped(record['hazard'])}</code> {escaped(record['subject'])}"
            cells[1:2] = [
                f'<td class="col-outcome pf-row-{escaped(record["outcome"])}">{self.say(record["outcome"])}</td>',
                f'<td class="col-testId">{name}</td>',
            ]

    def seal(self) -> None:
        """Give the page that pytest-html has written its language, its policy, its labels and its style."""
        if self.path is None or not self.path.is_file():
            return
        from conformance.report import files
        from conformance.report.html import sealed

        text = self.path.read_text(encoding="utf-8", errors="surrogateescape")
        files.write({self.path: [sealed(text, self.say)]})
