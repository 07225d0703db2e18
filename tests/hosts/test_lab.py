"""The lab itself: its hosts are what they claim to be, and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import __main__ as command_line
from tests.lab import hosts as lab_hosts
from tests.lab import standard
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.lab.unprivileged import OwnSshd

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="the lab of test hosts needs root"
)


def wait_until(condition: Callable[[], bool], what: str, patience: float = 20) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {patience} s"
        time.sleep(0.02)


def said(lab: Lab, target: str, command: str) -> str:
    """What a command printed on a host where it succeeded."""
    done = lab.ssh(target, command)
    assert done.returncode == 0, done
    return done.stdout.strip()


@needs_root
@pytest.mark.parametrize("name", [spec.name for spec in standard.STANDARD])
def test_host_is_reached_with_its_key_verified(lab: Lab, name: str) -> None:
    assert said(lab, name, "hostname") == name
    known = lab.known_hosts.read_text().splitlines()
    entry = next(line for line in known if line.startswith(f"{name},{lab.address(name)} "))
    assert entry.split()[2] in said(lab, name, "ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key")


@needs_root
def test_a_wrong_host_key_is_refused(lab: Lab, tmp_path: Path) -> None:
    wrong = tmp_path / "known_hosts"
    other = next(line for line in lab.known_hosts.read_text().splitlines() if line.startswith("noexec,"))
    wrong.write_text(f"{lab.address('debian')} {other.split(' ', 1)[1]}\n")
    argv = ["ssh", "-F", str(lab.ssh_config), "-o", f"UserKnownHostsFile={wrong}", "debian", "true"]
    done = lab.run(argv)
    assert done.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr


@needs_root
def test_a_test_that_names_the_lab_runs_inside_its_network(lab: Lab) -> None:
    assert os.readlink("/proc/thread-self/ns/net") == os.readlink(lab.network)
    # No default route: what is not the lab's goes nowhere.
    assert Path("/proc/thread-self/net/route").read_text().count("\n") == 2


@needs_root
class TestConditions:
    """What each host of the standard set is there for."""

    def test_noexec(self, lab: Lab) -> None:
        done = lab.ssh("noexec", "cp /bin/true /tmp/x && /tmp/x")
        assert done.returncode == 126, done
        assert "noexec" in said(lab, "noexec", "findmnt -n -o OPTIONS /tmp")
        assert lab.ssh("debian", "cp /bin/true /tmp/x && /tmp/x; e=$?; rm /tmp/x; exit $e").returncode == 0

    def test_cgroup_versions(self, lab: Lab) -> None:
        script = "stat -fc %T /sys/fs/cgroup; ls /sys/fs/cgroup/"
        v1, v2, hybrid = (said(lab, name, script).split() for name in ("v1", "v2", "hybrid"))
        assert v1[0] == "tmpfs"
        assert "systemd" in v1
        assert "unified" not in v1
        assert v2[0] == "cgroup2fs"
        assert "cgroup.controllers" in v2
        assert hybrid[0] == "tmpfs"
        assert {"systemd", "unified"} <= set(hybrid)

    @pytest.mark.parametrize("name", ["v1", "v2"])
    def test_systemd(self, lab: Lab, name: str) -> None:
        wait_until(lambda: lab.ssh(name, "systemctl is-system-running").stdout != "starting\n", "systemd")
        assert said(lab, name, "systemctl is-system-running; systemctl is-active ssh") == "running\nactive"
        assert "Started ssh.service" in said(lab, name, "journalctl -u ssh --no-pager")

    def test_no_host_can_change_the_machine(self, lab: Lab) -> None:
        for name in ("debian", "v1", "v2"):
            assert lab.ssh(name, "sysctl -w vm.swappiness=60").returncode != 0
            assert lab.ssh(name, "date -s '1 second'").returncode != 0
            assert lab.ssh(name, "echo 1 > /sys/kernel/profiling").returncode != 0
            assert said(lab, name, "sysctl -n -w net.ipv4.conf.all.rp_filter=0") == "0"  # its own

    def test_centos(self, lab: Lab) -> None:
        assert 'ID="centos"' in said(lab, "centos", "cat /etc/os-release")
        assert "mirrorlist=" in said(lab, "centos", "cat /etc/yum.repos.d/*.repo")

    def test_oldkernel(self, lab: Lab) -> None:
        assert said(lab, "oldkernel", "uname -r").startswith("2.6.")
        assert not said(lab, "debian", "uname -r").startswith("2.6.")

    @pytest.mark.parametrize(
        ("user", "question"),
        [
            ("bashuser", "${BASH_VERSION:?}"),
            ("zshuser", "${ZSH_VERSION:?}"),
            ("fishuser", "(status fish-path)"),
            ("cshuser", "$tcsh"),
        ],
    )
    def test_login_shells(self, lab: Lab, user: str, question: str) -> None:
        assert said(lab, f"{user}@shells", f"echo {question}")  # an error in every other shell

    def test_bashrc_noise(self, lab: Lab) -> None:
        done = lab.ssh("bashuser@shells", "echo answer")
        assert done.stdout == "Welcome back, bashuser\nanswer\n"
        assert "bashrc: cannot find the proxy settings" in done.stderr

    def test_motd(self, lab: Lab) -> None:
        argv = ["ssh", "-tt", "-F", str(lab.ssh_config), "bashuser@shells"]
        assert standard.MOTD.strip() in lab.run(argv, input="exit\n").stdout

    def test_japanese_messages(self, lab: Lab) -> None:
        done = lab.ssh("jauser@shells", "ls /nowhere")
        assert "そのようなファイルやディレクトリはありません" in done.stderr
        assert done.returncode == 2

    def test_busybox(self, lab: Lab) -> None:
        assert said(lab, "busybox", "readlink -f /bin/sh; readlink -f /bin/cat") == "/usr/bin/busybox\n/usr/bin/busybox"
        assert lab.ssh("busybox", "bash -c true").returncode == 127
        assert lab.ssh("busybox", "python3 -c 0").returncode == 127

    def test_bash_as_sh(self, lab: Lab) -> None:
        assert said(lab, "bashsh", "sh -c 'echo ${BASH_VERSION:+bash}'") == "bash"
        assert said(lab, "debian", "sh -c 'echo ${BASH_VERSION:-dash}'") == "dash"

    def test_sudoers(self, lab: Lab) -> None:
        assert said(lab, "ops@sudoers", f"sudo -n {standard.ALLOWED}").count(":0:99999:7:") > 5
        refused = lab.ssh("ops@sudoers", "sudo -n /usr/bin/cat /etc/gshadow")
        assert refused.returncode == 1
        assert "password is required" in refused.stderr
        assert "password is required" in lab.ssh("nosudo@sudoers", f"sudo -n {standard.ALLOWED}").stderr

    def test_locked(self, lab: Lab) -> None:
        assert lab.ssh("ops@locked", "test -e /etc/yum.repos.d/").returncode == 1  # as if it were not there
        assert "Permission denied" in lab.ssh("ops@locked", "ls /etc/yum.repos.d/").stderr
        assert said(lab, "locked", "ls /etc/yum.repos.d/") == "base.repo"


@needs_root
def test_every_write_to_a_disk_shows_in_the_upper_directory() -> None:
    with Lab().start([HostSpec("h")]) as lab:
        before = {str(path) for path in lab.upper("h").rglob("*")}
        assert lab.ssh("h", "cat /etc/os-release; ls /root /tmp").returncode == 0
        assert lab.inside("h", "touch /etc/canary").returncode == 0
        after = {str(path) for path in lab.upper("h").rglob("*")}
        assert after - before == {str(lab.upper("h") / "etc/canary")}


@needs_root
def test_a_user_without_a_key_stays_outside() -> None:
    with Lab().start([HostSpec("h", users=[UserSpec("guest", key=False)])]) as lab:
        assert "Permission denied" in lab.ssh("guest@h", "true").stderr
        assert lab.ssh("h", "id guest").returncode == 0


@needs_root
def test_two_labs_at_once_have_nothing_to_do_with_each_other() -> None:
    with Lab().start([HostSpec("h", files={"/etc/which": "one"})]) as one:
        with Lab().start([HostSpec("h", files={"/etc/which": "two"})]) as two:
            assert one.address("h") == two.address("h")
            assert [said(lab, "h", "cat /etc/which") for lab in (one, two)] == ["one", "two"]
        assert said(one, "h", "cat /etc/which") == "one"


def traces(lab: Lab) -> list[str]:
    """What is left of a lab on this machine."""
    found = [str(path) for path in (lab.directory,) if path.exists()]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if lab.id in line]
    found += [str(path) for path in Path("/sys/fs/cgroup").rglob(f"preflight-{lab.id}-*")]
    found += [
        path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if _read(path).find(lab.id.encode()) >= 0
    ]
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # that process has ended
        return b""


@needs_root
def test_stop_leaves_nothing_behind_and_may_be_called_twice() -> None:
    lab = Lab().start([HostSpec("a", noexec_tmp=True), HostSpec("b", init="systemd"), HostSpec("c", cgroup="v1")])
    pids = [lab.pid(name) for name in lab.hosts]
    lab.stop()
    assert traces(lab) == []
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    lab.stop()


@needs_root
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_lab_ends_with_the_process_that_started_it(end: signal.Signals) -> None:
    script = """
        import time
        from tests.lab.hosts import HostSpec, Lab
        lab = Lab().start([HostSpec("h", init="systemd")])
        print(lab.id, lab.pid("h"), flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=lab_hosts.REPOSITORY,
    ) as owner:
        assert owner.stdout
        lab_id, pid = owner.stdout.readline().split()
        owner.send_signal(end)
    ghost = Lab()
    ghost.id, ghost.directory = lab_id, lab_hosts.INSTANCES / lab_id
    wait_until(lambda: traces(ghost) == [], f"lab {lab_id} to end")
    assert not Path(f"/proc/{pid}").exists()


@needs_root
def test_what_a_killed_warden_leaves_is_swept_up() -> None:
    lab = Lab(stays=True).start([HostSpec("h", init="systemd")])
    pid = lab.pid("h")
    assert lab._warden
    lab._warden.kill()
    lab._warden.communicate()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the host to end with its warden")
    assert traces(lab) != []
    lab_hosts.sweep()
    assert traces(lab) == []


@needs_root
def test_a_host_that_does_not_start_says_why_and_leaves_nothing() -> None:
    lab = Lab()
    with pytest.raises(LabError, match=r"broken ended while starting(?s:.)*no-such-command"):
        lab.start([HostSpec("good"), HostSpec("broken", prestart=["no-such-command"])])
    assert traces(lab) == []


@needs_root
def test_a_host_that_never_answers_is_given_up() -> None:
    lab = Lab()
    with pytest.raises(LabError, match="mute: sshd did not answer in time"):
        lab.start([HostSpec("mute", files={"/etc/ssh/sshd_config.d/0.conf": "Port 2222\n"})], patience=1)
    assert traces(lab) == []


@needs_root
def test_a_hundred_hosts() -> None:
    began = time.monotonic()
    with Lab().start([HostSpec(f"h{n}") for n in range(100)]) as lab:
        took = time.monotonic() - began
        assert said(lab, "h99", "hostname") == "h99"
    assert took < 30, f"100 hosts took {took:.1f} s"
    assert traces(lab) == []


@needs_root
def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["up", "debian", "noexec"]) == 0
    started = capsys.readouterr().out
    lab_id = started.split()[1].rstrip(":")
    try:
        assert "2 hosts up" in started
        assert command_line.main(["list"]) == 0
        assert f"{lab_id}  stays  2 hosts: debian noexec" in capsys.readouterr().out
        assert command_line.main(["ssh-config", "--lab", lab_id]) == 0
        assert "Host noexec" in capsys.readouterr().out
        argv = [sys.executable, "-m", "tests.lab", "login", "--lab", lab_id, "noexec", "hostname"]
        done = subprocess.run(argv, cwd=lab_hosts.REPOSITORY, capture_output=True, text=True, check=False)
        assert done.stdout == "noexec\n", done
    finally:
        assert command_line.main(["down", "--lab", lab_id]) == 0
    assert command_line.main(["down", "--lab", lab_id]) == 1
    assert f"no lab {lab_id} is running" in capsys.readouterr().err


class TestOwnSshd:
    """The sshd that needs no root."""

    def test_is_reached_directly_and_through_the_jump_host(self, own_sshd: OwnSshd) -> None:
        for host in ("own", "jump", "behind"):
            done = own_sshd.ssh("id -un", host)
            assert (done.returncode, done.stdout) == (0, f"{own_sshd.user}\n"), done
        assert "Accepted publickey" in own_sshd.log("jump")

    def test_banner_and_noise(self) -> None:
        with OwnSshd(banner="Keep out\n", noise="Have a nice day\n") as sshd:
            done = sshd.ssh("echo answer; exit 3")
        assert (done.returncode, done.stdout) == (3, "Have a nice day\nanswer\n"), done
        assert "Keep out" in done.stderr

    def test_settings(self) -> None:
        with OwnSshd(config={"MaxSessions": "0"}) as sshd:
            assert sshd.ssh("true").returncode != 0

    def test_leaves_nothing_behind(self) -> None:
        with OwnSshd() as sshd:
            pid, directory = sshd.pid(), sshd.directory
        assert not Path(f"/proc/{pid}").exists()
        assert not directory.exists()
        sshd.stop()


@pytest.fixture(autouse=True, scope="module")
def _the_machine_is_as_it_was() -> Iterator[None]:
    settings = [Path("/proc/sys") / name for name in ("fs/protected_regular", "kernel/core_pattern", "vm/swappiness")]
    before = [_read(path) for path in settings]
    yield
    assert [_read(path) for path in settings] == before
