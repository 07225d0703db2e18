"""Hosts in trouble: each says in one line what is wrong, where and what to do, and delays nobody else."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import impossible
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.running import Result, preflight

pytestmark = pytest.mark.root

LINUX = ("os-tmp-noexec", "os-kernel-too-old", "os-centos-repos")
#: Seconds that a run waits for a connection, here.
CONNECT = 4
SPECS = (
    HostSpec("good"),
    HostSpec("mute"),
    HostSpec("hangs", prestart=("rm -f /etc/fstab", "mkfifo /etc/fstab")),
    HostSpec("floods", prestart=("ln -sf /dev/zero /etc/os-release",)),
    HostSpec(
        "greets",
        users=[UserSpec("chatty")],
        files={"/home/chatty/.bashrc": ("yes welcome | head -c 30000000\n", 0o644, "chatty")},
    ),
    HostSpec("changed"),
    HostSpec("stranger"),
    HostSpec("keyless", users=[UserSpec("guest", key=False)]),
    HostSpec("no-shell", users=[UserSpec("nologin", shell="/usr/sbin/nologin")]),
    HostSpec(
        "locked",
        users=[UserSpec("ops")],
        prestart=("mkdir -m 700 /etc/yum.repos.d", "echo '[base]' > /etc/yum.repos.d/base.repo"),
        files={"/etc/os-release": 'ID="centos"\nNAME="CentOS Linux"\nVERSION_ID="8"\n'},
    ),
)
DEAD = "ssh://good:2222"
HOSTS = (
    *("good", "mute", "hangs", "floods", "chatty@greets", "changed", "stranger"),
    *("guest@keyless", "nologin@no-shell", "ops@locked", DEAD),
)
#: Host -> the hazards that its trouble makes unknown, and what the message must say.
TROUBLE: dict[str, tuple[tuple[str, ...], str]] = {
    "mute": (LINUX, r"10\.77\.\S+ port 22 \(mute\) accepts connections but sends no SSH banner within 4 s: sshd hangs"),
    "hangs": (LINUX[:1], r"^`cat /etc/fstab` did not end within 10 s: run it there by hand to see why$"),
    "floods": (
        LINUX[2:],
        r"^`cat /etc/os-release` was cut off: it printed more than 1,048,576 bytes: look at it there by hand$",
    ),
    "changed": (LINUX, r"^the host key of 10\.77\.\S+ has changed: it shows .* known is .*ssh-keygen -R"),
    "stranger": (LINUX, r"^the host key of 10\.77\.\S+, ssh-ed25519 SHA256:\S+ is unknown: .*ssh-keyscan"),
    "guest@keyless": (LINUX, r"^10\.77\.\S+ port 22 \(keyless\) refuses guest with the keys offered .*authorized_keys"),
    "nologin@no-shell": (LINUX, r"^/bin/sh did not run there: This account is currently not available"),
    "ops@locked": (LINUX[2:], r"^`cat /etc/yum\.repos\.d/\*\.repo` is refused .*Permission denied.*log in as"),
    DEAD: (LINUX, r"10\.77\.\S+ port 2222 \(good\).* refuse"),
}


@pytest.fixture(scope="module")
def troubled() -> Iterator[Lab]:
    hosts = Lab()
    try:
        hosts.start(SPECS)
    except LabError as error:
        impossible(error)
    os.kill(hosts.pid("mute"), signal.SIGSTOP)
    yield hosts
    os.kill(hosts.pid("mute"), signal.SIGCONT)
    hosts.stop()


def client_files(lab: Lab, directory: Path) -> Path:
    """An ssh configuration that waits less, knows one host by a key that it no longer has, and one not at all."""
    lines = {line.split(",")[0]: line for line in lab.known_hosts.read_text().splitlines()}
    changed = f"{lines['changed'].split()[0]} {' '.join(lines['good'].split()[1:])}"
    kept = [line for name, line in lines.items() if name not in ("changed", "stranger")]
    (directory / "known_hosts").write_text("\n".join([*kept, changed]) + "\n")
    config = directory / "ssh_config"
    text = lab.ssh_config.read_text().replace(str(lab.known_hosts), str(directory / "known_hosts"))
    config.write_text(f"ConnectTimeout {CONNECT}\n{text}")
    return config


@pytest.fixture(scope="module")
def run(troubled: Lab, tmp_path_factory: pytest.TempPathFactory) -> Result:
    directory = tmp_path_factory.mktemp("trouble")
    config = client_files(troubled, directory)
    with troubled.entered():
        return preflight(
            "--profile", "linux-node", f"--hosts={','.join(HOSTS)}", f"--ssh-config={config}", cwd=directory
        )


@pytest.mark.parametrize("host", TROUBLE)
def test_each_trouble_is_one_clear_line(run: Result, host: str) -> None:
    hazards, said = TROUBLE[host]
    found = run.on(host)
    assert {hazard for hazard, outcome in found.items() if outcome == "unknown"} == set(hazards)
    for hazard in hazards:
        message = run.finding(hazard, host)["message"]
        assert re.search(said, message), message
        assert "\n" not in message
        # The terminal wraps it.
        assert "".join(message.split())[:120] in "".join(run.out.split())


def test_nothing_else_is_unknown(run: Result) -> None:
    assert run.on("good") == dict(zip(LINUX, ("clear", "clear", "not-applicable"), strict=True))
    assert run.on("chatty@greets") == run.on("good")
    assert run.on("hangs") == run.on("good") | {LINUX[0]: "unknown"}
    assert (run.code, run.report["verdict"]) == (10, "incomplete")
    assert run.report["reasons"] == [f"{sum(len(one) for one, _ in TROUBLE.values())} unknown"]


def test_nobody_is_shown_a_traceback(run: Result) -> None:
    told = run.texts
    assert len(told) >= 5
    for name, text in told.items():
        assert "Traceback" not in text, name
        # Its version may be told, as that of other parts; nothing else.
        assert "paramiko" not in re.sub(r'paramiko"?: "?\d', "", text), name


def test_nobody_waits_for_anybody_else(run: Result) -> None:
    seconds = {host: run.report["gather"]["subjects"][host]["seconds"] for host in HOSTS}
    assert seconds["hangs"] >= 9
    assert seconds["mute"] >= CONNECT - 1
    for host in ("good", "floods", "changed", "stranger", "guest@keyless", "ops@locked", DEAD):
        assert seconds[host] < 0.6 * seconds["hangs"], seconds
    # The whole run is as slow as its slowest host, not as all of them together.
    assert run.seconds < seconds["hangs"] + 12, seconds
