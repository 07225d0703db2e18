"""Where a run writes: tried before anything is read, so that no run ends without the reports that it was made for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Final

from conformance.documents import InvalidDocument
from conformance.report.files import ATTESTED, NAMES

__all__ = ["PAGE", "check_places"]

#: The page that pytest-html writes beside our own reports.
PAGE: Final = "preflight.html"


def check_places(option: Any) -> None:
    """See that everything that the options ask for can be written.

    :raises InvalidDocument: something cannot, with the reason.
    """
    directory = Path(option.report_dir)
    _try(f"--report-dir {directory}", directory, [directory / one for one in (*NAMES, *ATTESTED, PAGE)])
    taken = dict.fromkeys((os.path.abspath(directory / one) for one in (*NAMES, *ATTESTED)), "one of the reports")
    page = getattr(option, "htmlpath", None)
    for name, text in (
        ("--sarif", option.sarif),
        ("--policy-report", option.policy_report),
        ("--save-snapshot", option.save_snapshot),
        ("--html", os.path.expandvars(page) if page else None),
    ):
        path = Path(text or "")
        # pytest-html writes into what is there, while we replace it.
        if text and not (name == "--html" and path.is_char_device()):
            _try(f"{name} {path}", path.parent, [path])
            same = taken.setdefault(os.path.abspath(path), name)
            if same != name:
                msg = f"{name} {path}: {same} would be written there, too; choose another file"
                raise InvalidDocument(msg)


def _is_device(path: Path) -> bool:
    """Whether a name is one of the machine's own, as /dev/stdout, which is a link to whatever standard output is."""
    link = os.readlink(path) if path.is_symlink() else ""
    return link.startswith("/proc/") or os.path.realpath(path.parent) == "/dev"


def _try(what: str, directory: Path, files: list[Path]) -> None:
    """Have a directory made where the files are to lie, and see that nothing else lies where one of them would."""
    try:
        for path in files:
            if (path.exists() and not path.is_file()) or _is_device(path):
                # Not only would it fail: a report that replaces /dev/null or /dev/stdout would harm everybody else.
                msg = f"{path} is {'a directory' if path.is_dir() else 'no ordinary file'}"
                raise ValueError(msg)
        above = next(one for one in (directory.absolute(), *directory.absolute().parents) if os.path.lexists(one))
        # Permissions do not tell all: file systems are read-only or full, and some take no files at all.
        with tempfile.TemporaryDirectory(dir=above, prefix=".preflight-"):
            pass
    except (OSError, ValueError) as error:
        msg = f"{what}: nothing can be written there: {getattr(error, 'strerror', None) or error}"
        raise InvalidDocument(msg) from None
