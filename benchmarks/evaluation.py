"""How fast 40,000 items are evaluated, reports included, and with how much memory.

    python -m benchmarks.evaluation [--items 40000] [--workers 0 2]

The snapshot is made of the answers that a healthy machine gives, one host in a hundred with a noexec /tmp. The goal is
under 25 s on two cores with under 400 MB, which is the memory of all processes of the run together.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from conformance.answers import Answer
from conformance.change import Change, Host
from conformance.profiles import Library
from conformance.recorded import record_of
from conformance.run import Run
from conformance.snapshot import Snapshot

SECONDS, MEGABYTES = 25, 400
ANSWERS = {
    "cat /proc/self/mounts": "/dev/vda1 / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\ntmpfs /tmp tmpfs rw{} 0 0\n",
    "cat /etc/fstab": "UUID=0a-1b / ext4 defaults 0 1\n",
    "uname -r": "6.1.0-28-amd64\n",
    "readlink -f /tmp": "/tmp\n",
    "cat /etc/os-release": 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n',
}


def snapshot_of(count: int) -> Snapshot:
    """A snapshot of `count` hosts for profile linux-node."""
    names = [f"node-{number:05}" for number in range(count)]
    change = Change(profile="linux-node", hosts={name: Host(name, f"ssh://{name}") for name in names})
    library = Library()
    run = Run(library.find("linux-node"), library, Change(hosts={"one": Host("one", "local://")}))
    keys = [read.key for read in run.plan().of_hosts(run.inventory)["one"]]
    snapshot = Snapshot(
        change=record_of(change), started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:00:10+00:00"
    )
    for number, name in enumerate(names):
        noexec = "" if number % 100 else ",noexec"
        snapshot.add(
            name,
            {
                key: Answer(
                    {
                        "stdout": ANSWERS[key].format(noexec) if key in ANSWERS else "",
                        "stderr": "",
                        "rc": 0,
                        "files": {},
                    }
                )
                for key in keys
            },
        )
    return snapshot


def measured(argv: list[str], where: str) -> tuple[float, float]:
    """Wall seconds of a process, and the megabytes that it and its children held at most, together."""
    process = subprocess.Popen(argv, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    began, peak, done = time.perf_counter(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, sum(proportional(pid) for pid in family(process.pid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, _ = process.communicate()
    took = time.perf_counter() - began
    done.set()
    watcher.join()
    if process.returncode != 1:
        sys.exit(f"expected a no-go (1), not {process.returncode}:\n{out[-2000:]}")
    print("   ", out.splitlines()[-1])
    return took, peak


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += family(int(child))
    except OSError:
        pass
    return found


def proportional(pid: int) -> float:
    """Megabytes that a process holds, its share of what it shares."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def main() -> int:
    """Measure, and say whether the goals were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=40_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    given = parser.parse_args()
    reached = []
    with tempfile.TemporaryDirectory() as scratch:
        snapshot_of(-(-given.items // 3)).save(Path(scratch, "fleet.json"))
        for workers in given.workers:
            argv = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:hypothesispytest",
                "--profile",
                "linux-node",
                "--snapshot=fleet.json",
                "--report-dir=reports",
                "-n",
                str(workers),
            ]
            took, peak = measured(argv, scratch)
            good = took < SECONDS and peak < MEGABYTES
            reached.append(good)
            print(
                f"{given.items} items, -n {workers}: {took:.1f} s, {peak:.0f} MB   "
                f"goal under {SECONDS} s and {MEGABYTES} MB: {'reached' if good else 'MISSED'}",
                flush=True,
            )
    print(f"(this process itself: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB)")
    return 0 if any(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
