"""`python -m tests.lab.controlplane up|down`: a control plane to work against by hand.

    eval "$(python -m tests.lab.controlplane up)"     # starts it, or finds the one that runs; sets KUBECONFIG
    python -m tests.lab.controlplane down

It stays up until `down`; one per cache directory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.lab.cache import cache_dir, locked
from tests.lab.controlplane.api import wait_until
from tests.lab.controlplane.binaries import ControlPlaneUnavailable
from tests.lab.controlplane.server import ControlPlane, ControlPlaneFailed


def main() -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.controlplane", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("action", choices=["up", "down"])
    directory = cache_dir() / "control-plane"
    with locked("control-plane"):
        return _up(directory) if parser.parse_args().action == "up" else _down(directory)


def _up(directory: Path) -> int:
    if not _running(directory):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        try:
            plane = ControlPlane(directory=directory).start(outlive=True)
        except (ControlPlaneUnavailable, ControlPlaneFailed) as error:
            shutil.rmtree(directory, ignore_errors=True)
            print(f"no control plane: {error}", file=sys.stderr)
            return 1
        plane.kubeconfig(path=directory / "kubeconfig")
        started = {pid: _started(pid) for pid in plane.pids}
        (directory / "processes.json").write_text(json.dumps(started), "utf-8")
        print(f"control plane of {plane.binaries.origin} at {plane.url}", file=sys.stderr)
    print(f"export KUBECONFIG={directory / 'kubeconfig'}")
    return 0


def _down(directory: Path) -> int:
    running = _running(directory)
    for pid in running:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not _running(directory), f"processes {running} to end")
    shutil.rmtree(directory, ignore_errors=True)
    print(f"control plane: {'ended' if running else 'none was running'}", file=sys.stderr)
    return 0


def _running(directory: Path) -> list[int]:
    """The processes of the control plane in `directory` that are alive."""
    try:
        recorded = json.loads((directory / "processes.json").read_text("utf-8"))
    except FileNotFoundError:
        return []
    # The time of the start tells ours from a process that got the same id later.
    return [int(pid) for pid, started in recorded.items() if _started(int(pid)) == started]


def _started(pid: int) -> str | None:
    """When process `pid` started, in clock ticks since boot; None when it is gone or dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


if __name__ == "__main__":
    sys.exit(main())
