"""How fast hosts are read: against the limit, and against plain testinfra, over real sshd hosts, in one run.

    python -m benchmarks.hosts [--hosts 100] [--rounds 3] [--without-testinfra]

Needs root (the hosts are the lab's) and, for the limit by asyncssh, the extra `bench`. The machine is shared with the
servers and with whatever else runs, so only ratios of one run are worth anything: contenders take turns, and the
medians are compared.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.lab.hosts import HostSpec, Lab

HERE = Path(__file__).resolve().parent
#: With versions to which most of its hazards apply.
PROFILE = "anthos-bare-metal-1.8"
UPGRADE = ("1.7.1", "1.8.1")
PARALLEL = "64"
GOALS = {
    "gather / limit": 1.3,
    "whole run / limit": 2.0,
    "testinfra as it comes / whole run": 20,
    "testinfra at its best / whole run": 7,
}


def printed(*argv: str) -> float:
    """The seconds that a contender printed."""
    done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{argv[0]} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def whole(where: str, *argv: str) -> float:
    """The seconds of a whole pytest process, run in a directory that is not the checkout."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *argv],
        capture_output=True,
        text=True,
        check=False,
        cwd=where,
    )
    took = time.perf_counter() - began
    # Incomplete (10): what hosts cannot tell without their cluster is unknown; it was read all the same.
    if done.returncode not in (0, 10):
        sys.exit(
            f"pytest {' '.join(argv)[:200]} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
        )
    return took


def take_turns(contenders: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each contender's seconds, after a warm-up that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            seconds = run()
            if turn:
                taken[name].append(seconds)
    for name, seconds in taken.items():
        print(
            f"  {name:<34} {statistics.median(seconds):8.2f} s   ({', '.join(f'{s:.2f}' for s in seconds)})", flush=True
        )
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def compare(count: int, rounds: int, *, testinfra: bool) -> bool:
    """One comparison over `count` hosts; whether every goal was reached."""
    names = [f"h{number}" for number in range(count)]
    with Lab() as lab, tempfile.TemporaryDirectory() as scratch:
        lab.start([HostSpec(name) for name in names])
        lab.enter()
        script = Path(scratch, "script")
        config, identity, known = str(lab.ssh_config), str(lab.identity), str(lab.known_hosts)
        subprocess.run(
            [
                sys.executable,
                str(HERE / "contenders/gather.py"),
                PROFILE,
                *UPGRADE,
                ",".join(names),
                config,
                str(script),
            ],
            check=True,
        )
        addresses = ",".join(lab.address(name) for name in names)
        limit = str(HERE / "contenders/limit.py")
        hosts = ",".join(f"ssh://{name}" for name in names)
        print(f"{count} hosts, profile {PROFILE}, script of {script.stat().st_size} bytes", flush=True)
        contenders: dict[str, Callable[[], float]] = {
            "limit: paramiko": lambda: printed(limit, "paramiko", addresses, identity, known, str(script), PARALLEL),
            "limit: asyncssh": lambda: printed(limit, "asyncssh", addresses, identity, known, str(script), PARALLEL),
            "our gather": lambda: printed(
                str(HERE / "contenders/gather.py"), PROFILE, *UPGRADE, ",".join(names), config
            ),
            "our whole run": lambda: whole(
                scratch,
                "--profile",
                PROFILE,
                "--examine=hosts",
                f"--upgrade-from={UPGRADE[0]}",
                f"--upgrade-to={UPGRADE[1]}",
                f"--hosts={hosts}",
                f"--ssh-config={config}",
                f"--report-dir={scratch}/reports",
                "-q",
            ),
        }
        median = take_turns(contenders, rounds)
        best_limit = min(median["limit: paramiko"], median["limit: asyncssh"])
        ratios = {
            "gather / limit": median["our gather"] / best_limit,
            "whole run / limit": median["our whole run"] / best_limit,
        }
        if testinfra:
            ratios.update(against_testinfra(names, config, scratch, contenders["our whole run"]))
        reached = True
        for name, ratio in ratios.items():
            goal = GOALS[name]
            good = ratio <= goal if goal < 5 else ratio >= goal
            reached &= good
            print(
                f"  {name:<36} {ratio:7.2f}   goal {'at most' if goal < 5 else 'at least'} {goal:g}: {'reached' if good else 'MISSED'}"
            )
        lab.leave()
        return reached


def against_testinfra(names: list[str], config: str, scratch: str, ours: Callable[[], float]) -> dict[str, float]:
    """How many times faster the whole run is than plain testinfra, once around: it is slow."""
    shutil.copy(HERE / "contenders/test_with_testinfra.py", scratch)
    common = [scratch, "-p", "no:conformance.plugin", "-q", "test_with_testinfra.py", f"--ssh-config={config}"]
    by_paramiko = f"--hosts={','.join(f'paramiko://{name}' for name in names)}"
    # The path of the control sockets comes from the configuration: testinfra's own option for it chokes on the %.
    os.makedirs(f"{scratch}/control", exist_ok=True)
    shared = Path(scratch, "shared_config")
    shared.write_text(Path(config).read_text() + f"\nHost *\n  ControlPath {scratch}/control/%h-%p\n")
    common_shared = [*common[:-1], f"--ssh-config={shared}"]
    by_ssh = f"--hosts={','.join(f'ssh://{name}' for name in names)}"
    contenders = {
        "testinfra: paramiko": lambda: whole(*common, by_paramiko),
        "testinfra: paramiko, -n 2": lambda: whole(*common, by_paramiko, "-n", "2"),
        "testinfra: ssh, ControlPath": lambda: whole(*common_shared, by_ssh),
        "testinfra: ssh, ControlPath, -n 2": lambda: whole(*common_shared, by_ssh, "-n", "2"),
    }
    taken = {}
    for name, run in contenders.items():
        before, seconds, after = ours(), run(), ours()
        taken[name] = seconds / statistics.mean((before, after))
        print(
            f"  {name:<34} {seconds:8.2f} s   ({taken[name]:.1f} times our whole run just before and after)", flush=True
        )
    return {
        "testinfra as it comes / whole run": taken["testinfra: paramiko"],
        "testinfra at its best / whole run": min(taken.values()),
    }


def main() -> int:
    """Compare, and say whether the goals were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-testinfra", action="store_true")
    given = parser.parse_args()
    # The goals hold at 100 hosts; fewer are shown.
    reached = [compare(count, given.rounds, testinfra=not given.without_testinfra) for count in given.hosts]
    return 0 if reached[-1] else 1


if __name__ == "__main__":
    sys.exit(main())
