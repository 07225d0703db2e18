"""Report files: written whole or not at all, so that a gate never reads half a report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

__all__ = [
    "ATTESTED",
    "ENVELOPE",
    "JSON",
    "JUNIT",
    "MARKDOWN",
    "NAMES",
    "STATEMENT",
    "ReportNotWritten",
    "discard",
    "write",
]

JSON: Final = "preflight.json"
JUNIT: Final = "preflight.junit.xml"
MARKDOWN: Final = "preflight.md"
#: What `conformance.report.write_all` writes into a directory.
NAMES: Final = (JSON, JUNIT, MARKDOWN)
#: What is written about them afterwards: an in-toto statement, and the same in a signed envelope.
STATEMENT: Final = "preflight.intoto.json"
ENVELOPE: Final = "preflight.dsse.json"
ATTESTED: Final = (STATEMENT, ENVELOPE)


class ReportNotWritten(OSError):
    """A report could not be written; its text names the path and the reason."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"the report {path} was not written: {error.strerror or error}")
        self.path = path
        self.reason = error.strerror or str(error)


def write(texts: Mapping[Path, Iterable[str]]) -> None:
    """Write files as UTF-8. All are complete before the first replaces what lay there.

    :param texts: path -> its text in pieces.
    :raises ReportNotWritten: one cannot be written; files that lay there before stay as they were.
    """
    staged: dict[Path, Path] = {}
    path = Path()
    try:
        for path, pieces in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            staged[path] = _temporary(path)
            # Exclusive, so that nobody's link is followed; with the usual permissions, because others read reports.
            with staged[path].open("x", encoding="utf-8", newline="\n") as file:
                file.writelines(pieces)
        for path, temporary in staged.items():
            temporary.replace(path)
    except OSError as error:
        raise ReportNotWritten(path, error) from error
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A name beside the file, for one rename never to cross file systems."""
    return path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")


def discard(directory: Path, *others: Path) -> None:
    """Remove the reports of an earlier run, so that one that ends early leaves no old verdict behind.

    :param others: reports outside of the directory.
    :raises ReportNotWritten: one is there and cannot be removed.
    """
    for path in (*(directory / name for name in (*NAMES, *ATTESTED)), *others):
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            continue
        except OSError as error:
            raise ReportNotWritten(path, error) from error
