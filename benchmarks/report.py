"""How large preflight.html of a large fleet is, and how long Chromium takes to open it.

    python -m benchmarks.report [--hosts 1000] [--hazards 40] [--findings 1000]

A real run on a snapshot: a pack of hazards made for this, each looked for on every host. The findings are scattered at
random, so that hardly two hosts are alike, every hazard has some, and messages and evidence differ from host to host. The goal is
less than 5 MB, and less than 2 s from the address to a page that is loaded, its rows drawn by pytest-html's script, and on the
screen; with scripts and without. Measured in a Chromium that is warm, the best of some rounds.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from conformance.answers import Answer
from conformance.change import Change, Host
from conformance.recorded import record_of
from conformance.snapshot import Snapshot
from tests.report.browser import browser

SECONDS, MEGABYTES = 2.0, 5.0
CHECK = """
from conformance import BLOCKER, HOST, Source, found, hazard, host_fact


@host_fact("cat /etc/found")
def of_this_host(output):
    return dict(line.split(" ", 1) for line in output.splitlines())
"""
EACH = """

@hazard("made-{number}", title="hazard number {number} is there, and the upgrade stops in its middle", severity=BLOCKER,
    on=[HOST], source=Source("A document", "section {number}", "https://example.com/{number}"),
    remedy="Take it away, on every host:\\n    rm /etc/made-{number}")
def check_made_{number}(of_this_host, subject):
    if "{number}" in of_this_host:
        line = "{number} " + of_this_host["{number}"]
        raise found(f"{{subject.name}}: /etc/made-{number} says {{line}}", evidence=[line])
"""


def prepare(folder: Path, hosts: int, hazards: int, findings: int) -> tuple[Path, Path]:
    """A profile of so many hazards, and a snapshot of hosts with so many findings."""
    checks = folder / "checks"
    checks.mkdir()
    each = "".join(EACH.format(number=number) for number in range(hazards))
    (checks / "check_made.py").write_text(f"{CHECK}{each}", encoding="utf-8")
    profile = folder / "made.yaml"
    listed = "".join(f"- made-{number}\n" for number in range(hazards))
    profile.write_text(f"title: A large fleet\nplatform: made\nhazards:\n{listed}", encoding="utf-8")
    names = [f"store-{number // 10:03}-node-{number % 10}" for number in range(hosts)]
    change = Change(profile="made", hosts={name: Host(name, f"ssh://ops@{name}") for name in names})
    snapshot = Snapshot(record_of(change), started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:00:10+00:00")
    dice = random.Random(4711)
    pairs = dice.sample([(name, number) for name in names for number in range(hazards)], findings)
    for name in names:
        lines = [f"{number} {dice.getrandbits(64):x} since boot {number}\n" for host, number in pairs if host == name]
        answer = {"stdout": "".join(lines), "stderr": "", "rc": 0, "files": {"/etc/found": {"text": "".join(lines)}}}
        snapshot.add(name, {"cat /etc/found": Answer(answer)})
        key = {"type": "ssh-ed25519", "fingerprint": f"SHA256:{dice.getrandbits(200):050x}", "verified": True}
        snapshot.notes[name] = {"connection": f"ssh://ops@{name}:22", "host_key": key, "seconds": 0.2}
    snapshot.save(folder / "kept.json")
    return profile, folder / "kept.json"


def make(folder: Path, hosts: int = 1000, hazards: int = 40, findings: int = 1000) -> Path:
    """preflight.html of such a run."""
    profile, kept = prepare(folder, hosts, hazards, findings)
    command = [sys.executable, "-m", "pytest", "-q", "--profile", str(profile), "--snapshot", str(kept)]
    done = subprocess.run(
        [*command, f"--report-dir={folder / 'reports'}"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 1:
        raise SystemExit(f"the run ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return folder / "reports" / "preflight.html"


def opened(page: Path, rounds: int = 3) -> dict[str, float]:
    """Seconds that it takes Chromium to open it: the best of some rounds, with scripts and without."""
    with browser() as chromium:
        chromium.open("data:text/html,warm")[0].close()
        found = {}
        for scripts in (True, False):
            seconds = []
            for _ in range(rounds):
                tab, took = chromium.open(page.as_uri(), scripts=scripts)
                seconds.append(took)
                tab.close()
            found["with scripts" if scripts else "without scripts"] = min(seconds)
    return found


def main() -> int:
    """Measure, print, and compare with the goal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--hazards", type=int, default=40)
    parser.add_argument("--findings", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="preflight-report-") as place:
        page = make(Path(place), given.hosts, given.hazards, given.findings)
        megabytes = page.stat().st_size / 1e6
        found = opened(page)
    print(f"{given.hosts:,} hosts, {given.hazards} hazards, {given.findings:,} findings")
    print(f"{megabytes:8.2f} MB    goal under {MEGABYTES:.0f}")
    for how, seconds in found.items():
        print(f"{seconds:8.2f} s     {how}, goal under {SECONDS:.0f}")
    return 0 if megabytes < MEGABYTES and max(found.values()) < SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
