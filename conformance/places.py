"""Where a run writes: tried before anything is read, so that no run ends without the reports that it was made for.

And so that none replaces what it was made of.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from conformance.documents import InvalidDocument
from conformance.report.files import ATTESTED, JSON, NAMES

if TYPE_CHECKING:
    from conformance.run import Run

__all__ = ["PAGE", "check_places", "files_read"]

#: The page that pytest-html writes beside our own reports.
PAGE: Final = "preflight.html"
#: What `files_read` calls the report of ``--compare``.
_COMPARED: Final = "the report of --compare"


def check_places(option: Any, inputs: Iterable[tuple[str, Path]] = ()) -> None:
    """See that everything that the options ask for can be written, and that nothing of it replaces anything else.

    :param inputs: see `files_read`.
    :raises InvalidDocument: something cannot, with the reason.
    """
    inputs = list(inputs)
    directory = Path(option.report_dir)
    what, page = f"--report-dir {directory}", _expanded(getattr(option, "htmlpath", None))
    own = [directory / one for one in (*NAMES, *ATTESTED, PAGE)]
    _try(what, directory, own)
    taken = {one: "one of the reports" for path in own if path.name != PAGE or not page for one in _names(path)}
    for path in own:
        # It has been read when the new report takes its place, and the next run is to be compared with that one.
        _keep(what, path, [one for one in inputs if one[0] != _COMPARED or path.name != JSON], "directory")
    for name, text in (
        ("--sarif", option.sarif),
        ("--policy-report", option.policy_report),
        ("--save-snapshot", option.save_snapshot),
        ("--html", page),
        ("--junitxml", _expanded(getattr(option, "xmlpath", None))),
    ):
        path = Path(text or "")
        # pytest and pytest-html write into what is there, while we replace it.
        into = name in ("--html", "--junitxml")
        if not text or (into and path.is_char_device()):
            continue
        if name != "--junitxml":
            _try(f"{name} {path}", path.parent, [path])
        _keep(f"{name} {path}", path, inputs, "file")
        for one in _names(path):
            same = taken.setdefault(one, name)
            if same != name:
                msg = f"{name} {path}: {same} would be written there, too; choose another file"
                raise InvalidDocument(msg)


def files_read(run: Run, option: Any) -> Iterator[tuple[str, Path]]:
    """What a run is made of, file by file: in a few words, and its path."""
    change = run.change
    named = [
        ("the change file", change.file),
        ("the waivers file", change.waivers),
        *(
            (f"the desired configuration of {one.name}", path)
            for one in change.clusters.values()
            for path in one.desired
        ),
        *((f"the kubeconfig of {one.name}", one.kubeconfig) for one in change.clusters.values()),
        ("the SSH configuration", change.ssh.config),
        ("the SSH identity file", change.ssh.identity_file),
        ("the file of known hosts", change.ssh.known_hosts),
        *(("the snapshot", Path(one)) for one in option.snapshot or ()),
        (_COMPARED, Path(option.compare) if option.compare else None),
        ("the key of --sign-key", Path(os.path.expanduser(option.sign_key)) if option.sign_key else None),
        *(("the profile", path) for path in run.library.read),
        *(("the check", path) for path in {check.path for check, _ in run.table.values()}),
    ]
    yield from ((what, path) for what, path in named if path is not None)


def _keep(what: str, path: Path, inputs: list[tuple[str, Path]], choose: str) -> None:
    """See that a file to be written is none that is read, by whichever name."""
    for name, source in inputs:
        try:
            same = os.path.samefile(path, source)
        except (OSError, ValueError):
            continue  # one of them is not there
        if same:
            msg = f"{what}: {name} {source} is read in this run, and would be overwritten; choose another {choose}"
            raise InvalidDocument(msg)


def _names(path: Path) -> set[str]:
    """A file to be written, by the place where its name stands, and by the one where a link leads."""
    return {os.path.join(os.path.realpath(path.parent), path.name), os.path.realpath(path)}


def _expanded(path: str | None) -> str | None:
    """An option of others as they expand it."""
    return os.path.expanduser(os.path.expandvars(path)) if path else None


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
