"""Reports: one examination, told as JSON, JUnit XML, Markdown, HTML and on the terminal.

Each form is a pure function of `conformance.findings.Examination`; none decides anything again, and none shows text
from a subject that `conformance.report.text` has not made safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from conformance.findings import Examination
from conformance.report.files import JSON, JUNIT, MARKDOWN, ReportNotWritten, discard, write
from conformance.report.junit import to_junit
from conformance.report.markdown import to_markdown
from conformance.report.summary import json_lines

__all__ = ["ReportNotWritten", "discard", "write_all"]


def write_all(
    examination: Examination, directory: Path, others: Mapping[Path, Iterable[str]] | None = None
) -> list[Path]:
    """Write ``preflight.json``, ``preflight.junit.xml`` and ``preflight.md``; the directory is made if need be.

    :param others: further files to be written with them: path -> its text in pieces.
    :returns: the paths written.
    :raises ReportNotWritten: one of them cannot be written; then none is.
    """
    texts = {
        directory / JSON: json_lines(examination),
        directory / JUNIT: [to_junit(examination)],
        directory / MARKDOWN: [to_markdown(examination)],
        **(others or {}),
    }
    write(texts)
    return list(texts)
