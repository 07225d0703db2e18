"""What the plugin costs those who do not use it, and how long a plan takes.

    python -m benchmarks.startup [--rounds 11]

`pytest --help` with and without the plugin in turn (goal: at most 50 ms more), and `--plan` of the largest profile
with 100 hosts and a cluster (goal: under 1 s).
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.profiles import Library

MILLISECONDS, SECONDS = 50, 1.0
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest"]


def seconds(*argv: str, where: str) -> float:
    """Wall seconds of one pytest process."""
    began = time.perf_counter()
    subprocess.run([*PYTEST, *argv], cwd=where, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> int:
    """Measure, and say whether the goals were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        pairs = [
            (seconds("--help", where=scratch), seconds("--help", "-p", "no:conformance.plugin", where=scratch))
            for _ in range(rounds + 1)
        ][1:]
        with_it, without = (statistics.median(column) for column in zip(*pairs, strict=True))
        more = 1000 * statistics.median(a - b for a, b in pairs)
        print(
            f"pytest --help: {with_it:.3f} s with the plugin, {without:.3f} s without, {more:.0f} ms more "
            f"(median of {rounds} pairs); goal at most {MILLISECONDS} ms: {'reached' if more <= MILLISECONDS else 'MISSED'}"
        )
        largest = max(Library().all(), key=lambda one: len(one.hazards))
        hosts = "".join(f"  n{n}: {{connection: 'ssh://n{n}', roles: [worker], cluster: one}}\n" for n in range(100))
        Path(scratch, "kubeconfig").write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: one\n"
            "clusters: [{name: one, cluster: {server: 'https://127.0.0.1:1'}}]\n"
            "contexts: [{name: one, context: {cluster: one, user: me}}]\nusers: [{name: me, user: {token: none}}]\n"
        )
        Path(scratch, "upgrade.yaml").write_text(
            f"profile: {largest.name}\nclusters: {{one: {{kubeconfig: kubeconfig}}}}\nhosts:\n{hosts}"
        )
        plans = [seconds("--change=upgrade.yaml", "--plan=json", where=scratch) for _ in range(rounds)]
        plan = statistics.median(plans)
        print(
            f"--plan of {largest.name}, {len(largest.hazards)} hazards, 100 hosts and a cluster: {plan:.2f} s; "
            f"goal under {SECONDS:g} s: {'reached' if plan < SECONDS else 'MISSED'}"
        )
    return 0 if more <= MILLISECONDS and plan < SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
