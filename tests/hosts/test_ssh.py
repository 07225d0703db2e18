"""Reads over SSH, against real sshds: every way that leads to a host, and every way in which it may end."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import paramiko
import pytest

from conformance.answers import Answer, Problem, Unreadable
from conformance.gather.hosts import gather_hosts
from conformance.gather.jobs import Gathered, HostJob, Run, SshSettings
from conformance.gather.ssh_config import InvalidSshSettings, check_settings
from conformance.reads import HostRead, command, file, files
from tests.lab.agent import FakeAgent
from tests.lab.hosts import Lab
from tests.lab.tools import require
from tests.lab.unprivileged import OwnSshd

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="the lab of test hosts needs root"
)
READS = (
    command("echo hello"),
    file("/proc/self/mounts"),
    file("/nonexistent/file"),
    command("printf 'no newline'; echo wrong >&2; exit 3", ok=(3,)),
    command("cat"),
)


def settings(sshd: OwnSshd | Lab, **changes: object) -> SshSettings:
    return SshSettings(**{"config": sshd.ssh_config, "connect_timeout": 20.0, "deadline": 60.0, **changes})  # type: ignore[arg-type]


def gather(
    sshd: OwnSshd | Lab, connections: Sequence[str], reads: Sequence[HostRead] = READS, **changes: object
) -> dict[str, Gathered]:
    jobs = [HostJob(name, name, tuple(reads)) for name in connections]
    return gather_hosts(jobs, settings(sshd, **changes))


def problem(gathered: Gathered) -> Problem:
    """The one problem that all reads of a host have; its message is one line for a person."""
    problems = {answer.problem for answer in gathered.answers.values()}
    assert len(problems) == 1, problems
    found = problems.pop()
    assert found is not None
    assert "\n" not in found.message
    assert "Traceback" not in found.message
    return found


def check_reads(gathered: Gathered) -> None:
    answers = list(gathered.answers.values())
    assert [answer.problem for answer in answers] == [None] * len(READS)
    values = [read.extract(answer) for read, answer in zip(READS, answers, strict=True)]
    assert (values[0], values[2], values[3], values[4]) == ("hello\n", None, "no newline", "")
    assert " / " in values[1]
    assert answers[3].require()["stderr"] == "wrong\n"
    assert gathered.notes["rounds"] == 1


@pytest.fixture(autouse=True)
def _quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No failure leaves anything on standard error: neither paramiko's log nor a traceback of a thread."""
    yield
    assert capfd.readouterr().err == ""


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + 15
    while set(threading.enumerate()) - before and time.monotonic() < until:
        time.sleep(0.05)
    assert set(threading.enumerate()) - before == set()


@needs_root
class TestHosts:
    @pytest.mark.parametrize("user", ["root", "bashuser", "zshuser", "fishuser", "cshuser", "jauser"])
    def test_login_shells(self, lab: Lab, user: str) -> None:
        got = gather(lab, [f"ssh://{user}@shells"])[f"ssh://{user}@shells"]
        check_reads(got)
        assert got.notes["connection"] == f"ssh://{user}@{lab.address('shells')}:22"

    @pytest.mark.parametrize("host", ["debian", "busybox", "bashsh", "v2"])
    def test_shells_that_run_the_script(self, lab: Lab, host: str) -> None:
        hanging = [command("sleep 60", timeout=1.0), command("sleep 61; :", timeout=1.0)]
        flooding = [command("yes", limit=9000), command("yes two", timeout=8.0)]
        got = gather(lab, [host], [*READS, *hanging, *flooding, command("echo last", timeout=9.0)])[host]
        kinds = [answer.problem and answer.problem.kind for answer in got.answers.values()]
        assert kinds == [*[None] * len(READS), "timed-out", "timed-out", "cut-off", "cut-off", None]

    def test_a_japanese_locale_changes_no_message(self, lab: Lab) -> None:
        one = command('echo "$LANG $LC_ALL"')
        got = gather(lab, ["ssh://jauser@shells"], [one, file("/nonexistent/file")])["ssh://jauser@shells"]
        assert one.extract(got.answers[one.key]) == "ja_JP.UTF-8 C\n"

    def test_sudo(self, lab: Lab) -> None:
        allowed, forbidden = command("/usr/bin/cat /etc/shadow", sudo=True), file("/etc/gshadow", sudo=True)

        def said(read: HostRead, host: str, *, sudo: bool) -> str:
            answer = gather(lab, [host], [forbidden, allowed], sudo=sudo)[host].answers[read.key]
            try:
                return str(read.extract(answer))
            except Unreadable as error:
                return error.reason

        assert said(allowed, "ssh://ops@sudoers", sudo=True).count(":") > 20
        assert "add the rules that --plan=sudoers prints" in said(forbidden, "ssh://ops@sudoers", sudo=True)
        assert "add the rules that --plan=sudoers prints" in said(allowed, "ssh://nosudo@sudoers", sudo=True)
        assert "give --sudo" in said(allowed, "ssh://ops@sudoers", sudo=False)
        assert "give --sudo" in said(allowed, "ssh://bashuser@shells", sudo=False)
        assert said(allowed, "sudoers", sudo=False).count(":") > 20

    def test_a_directory_that_may_not_be_entered_is_not_absent(self, lab: Lab) -> None:
        one = files("/etc/yum.repos.d", "*.repo")
        got = gather(lab, ["locked", "ssh://ops@locked"], [one])
        assert list(one.extract(got["locked"].answers[one.key])) == ["/etc/yum.repos.d/base.repo"]
        with pytest.raises(Unreadable, match="Permission denied"):
            one.extract(got["ssh://ops@locked"].answers[one.key])

    def test_nothing_is_written(self, lab: Lab) -> None:
        names = ("debian", "bashsh", "busybox")
        gather(lab, names)  # what the first login of a user leaves behind is the host's own doing
        before = {name: on_disk(lab, name) for name in names}
        got = gather(
            lab, names, [*READS, command("yes"), command("sleep 9", timeout=1.0), file("/etc/shadow", sudo=True)]
        )
        assert all(len(one.answers) == len(READS) + 3 for one in got.values())
        assert {name: on_disk(lab, name) for name in names} == before

    def test_nothing_goes_on_running(self, lab: Lab) -> None:
        gather(lab, ["debian"], [command("sleep 4242; :", timeout=3.0), command("yes")], deadline=2.0)
        until = time.monotonic() + 20
        while lab.inside("debian", "cat /proc/[0-9]*/comm | grep -x -e yes -e sleep").stdout:
            assert time.monotonic() < until
            time.sleep(0.2)

    def test_a_connection_lost_midway_keeps_what_has_arrived(self, lab: Lab) -> None:
        suicide = (
            'p=$$; while [ "$(cat /proc/$p/comm)" != sshd ]; do read -r _ _ _ p _ </proc/$p/stat; done; kill -9 $p'
        )
        reads = [command("echo one"), command(f"{suicide}; sleep 5"), command("echo two")]
        got = gather(lab, ["debian", "noexec"], reads[:1])
        assert got["debian"].answers["echo one"].problem is None
        answers = list(gather(lab, ["debian"], reads)["debian"].answers.values())
        assert answers[0].require()["stdout"] == "one\n"
        kinds = [answer.problem.kind for answer in answers[1:] if answer.problem]
        assert kinds == ["unreachable", "not-read"]
        assert answers[1].problem is not None
        assert answers[2].problem is not None
        assert "the connection to 10.77.1.1 port 22 (debian) was lost" in answers[1].problem.message
        assert answers[2].problem.message.startswith("not read: the connection to 10.77.1.1 port 22 (debian) was lost")

    def test_all_side_by_side(self, lab: Lab) -> None:
        started = time.monotonic()
        got = gather(lab, lab.hosts, [*READS, command("sleep 1")])
        assert time.monotonic() - started < 6
        for one in got.values():
            one.answers.pop("sleep 1")
            check_reads(one)

    def test_a_host_that_is_not_there(self, lab: Lab) -> None:
        got = gather(lab, ["ssh://10.77.9.9", "debian"], connect_timeout=1.0)
        check_reads(got["debian"])
        found = problem(got["ssh://10.77.9.9"])
        assert (found.kind, found.message) == (
            "unreachable",
            "no answer from 10.77.9.9 port 22 within 1 s: the host is down, or a firewall drops the packets",
        )

    def test_a_jump_host_that_reaches_nobody(self, lab: Lab, tmp_path: Path) -> None:
        config = tmp_path / "config"
        config.write_text(
            "Host behind\n HostName 10.77.1.2\n ProxyJump debian\n HostKeyAlias noexec\n"
            "Host closed\n HostName 10.77.1.2\n Port 1\n ProxyJump debian\n" + lab.ssh_config.read_text()
        )
        got = gather(lab, ["behind", "closed"], config=config)
        check_reads(got["behind"])
        assert got["behind"].notes["jump_hosts"] == ["root@10.77.1.1:22"]
        found = problem(got["closed"])
        assert found.kind == "unreachable"
        assert found.message == "the jump host debian cannot reach 10.77.1.2 port 1 (closed): Connect failed"


def on_disk(lab: Lab, name: str) -> dict[str, tuple[int, int]]:
    """What was ever written on a host, but for the logs of its own sshd and PAM."""
    top = lab.upper(name)
    found = {}
    for path in top.rglob("*"):
        where = str(path.relative_to(top))
        if not where.startswith(("var/log/", "run/", "var/run/")) and where != "var/log":
            status = path.lstat()
            found[where] = (status.st_mtime_ns, status.st_size)
    return found


@contextlib.contextmanager
def listener(answer: bytes = b"", *, close: bool = False) -> Iterator[int]:
    """A port that accepts connections, says something perhaps, and hangs or hangs up."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        server.settimeout(0.1)
        accepted: list[socket.socket] = []
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    client, _ = server.accept()
                    if answer:
                        client.sendall(answer)
                    if close:
                        client.close()
                    else:
                        accepted.append(client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join()
            for client in accepted:
                client.close()


class TestWays:
    """Through an sshd on the loopback interface; needs no root."""

    def test_plain(self, own_sshd: OwnSshd) -> None:
        got = gather(own_sshd, ["own"])["own"]
        check_reads(got)
        key = got.notes["host_key"]
        assert key["verified"] is True
        assert key["by"] == f"{own_sshd.known_hosts}:1"
        assert key["fingerprint"].startswith("SHA256:")
        assert 0 < got.notes["connect_seconds"] < got.seconds

    def test_banner_and_noise(self) -> None:
        with OwnSshd(banner="Unauthorised use is an offence.\n", noise="Last login: yesterday\n" * 500) as sshd:
            check_reads(gather(sshd, ["own"])["own"])

    def test_a_port_in_the_specification(self, own_sshd: OwnSshd) -> None:
        name = f"ssh://{own_sshd.user}@127.0.0.1:{own_sshd.port}"
        check_reads(gather(own_sshd, [name])[name])

    def test_hosts_behind_a_jump_host_share_its_connection(self, own_sshd: OwnSshd) -> None:
        before = own_sshd.log("jump").count("Accepted publickey")
        jobs = [HostJob(f"host-{number}", "ssh://behind", READS) for number in range(6)]
        for got in gather_hosts(jobs, settings(own_sshd)).values():
            check_reads(got)
            assert got.notes["jump_hosts"] == [f"{own_sshd.user}@127.0.0.1:{own_sshd.ports['jump']}"]
        assert own_sshd.log("jump").count("Accepted publickey") == before + 1

    def test_hosts_after_a_jump_host_that_was_lost_have_another_connection(self) -> None:
        # Not those of a jump host that drops every connection: each host costs a login there.
        with OwnSshd(jump=True) as sshd:

            def drop(subject: str, trouble: str | None) -> None:
                found = subprocess.run(["pgrep", "-P", str(sshd.pid("jump"))], capture_output=True, text=True)
                for pid in found.stdout.split():
                    os.kill(int(pid), signal.SIGKILL)
                time.sleep(0.5)

            jobs = [HostJob(f"h{number}", "ssh://behind", READS) for number in range(6)]
            got = gather_hosts(jobs, settings(sshd, parallel=1), drop)
            logins = sshd.log("jump").count("Accepted publickey")
        for number in range(4):
            check_reads(got[f"h{number}"])
        for number in (4, 5):
            found = problem(got[f"h{number}"])
            assert (found.kind, found.message.endswith("(jump) was lost")) == ("unreachable", True)
        assert logins == 4

    def test_proxy_command(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        config = tmp_path / "config"
        proxy = f"ssh -F {own_sshd.ssh_config} -W %h:%p jump"
        broken = "sh -c 'echo first >&2; echo the proxy is gone >&2; exit 1'"
        config.write_text(
            f"Host own\n ProxyCommand {proxy}\nHost broken\n ProxyCommand {broken}\n" + own_sshd.ssh_config.read_text()
        )
        got = gather(own_sshd, ["own", "broken"], config=config)
        check_reads(got["own"])
        found = problem(got["broken"])
        assert found.kind == "unreachable"
        assert found.message.endswith("the ProxyCommand `sh …` gave no SSH server: the proxy is gone")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("-H http://ops:geheim@proxy:3128", "407 for http://ops:geheim@proxy:3128"),
            ("--proxy-auth ops:geheim --proxy proxy:3128", "login ops/geheim is wrong"),
            ("--proxy 'http://ops:geh/eim@proxy'", "proxy: no login with geh/eim"),
        ],
    )
    def test_a_password_of_a_proxy_command_is_not_repeated(
        self, own_sshd: OwnSshd, tmp_path: Path, words: str, said: str
    ) -> None:
        config, program = tmp_path / "config", tmp_path / "connect"
        program.write_text(f"#!/bin/sh\necho '{said}' >&2; exit 1\n")
        program.chmod(0o755)
        config.write_text(f"Host broken\n ProxyCommand {program} {words} %h %p\n" + own_sshd.ssh_config.read_text())
        message = problem(gather(own_sshd, ["broken"], config=config)["broken"]).message
        assert f"ProxyCommand `{program} …` gave no SSH server" in message
        assert "eim" not in message
        assert "[…]" in message

    def test_agent(self, own_sshd: OwnSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = tmp_path / "config"
        hidden = tmp_path / "not_there"
        text = own_sshd.ssh_config.read_text()
        config.write_text(text.replace(f"IdentityFile {own_sshd.identity}", "").replace("IdentitiesOnly yes", ""))
        monkeypatch.setenv("HOME", str(tmp_path))
        with agent(tmp_path) as address:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(address))
            assert "there is no key" in problem(gather(own_sshd, ["own"], config=config)["own"]).message
            subprocess.run(["ssh-add", "-q", str(own_sshd.identity)], check=True, capture_output=True)
            for got in gather(own_sshd, ["own", f"{own_sshd.user}@own"], config=config).values():
                check_reads(got)
            # A key with a passphrase, which only the agent can use.
            locked = tmp_path / "locked"
            locked.write_bytes(own_sshd.identity.read_bytes())
            locked.chmod(0o600)
            subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "geheim", "-f", str(locked)], check=True)
            check_reads(gather(own_sshd, ["own"], config=config, identity_file=locked)["own"])
            config.write_text(text.replace(str(own_sshd.identity), str(locked)))
            check_reads(gather(own_sshd, ["own"], config=config)["own"])
            monkeypatch.delenv("SSH_AUTH_SOCK")
            config.write_text(f"IdentityAgent {address}\n" + config.read_text())
            check_reads(gather(own_sshd, ["own"], config=config)["own"])
        assert not hidden.exists()

    def test_agent_that_answers_late(
        self, own_sshd: OwnSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_keys: Path
    ) -> None:
        monkeypatch.setattr("conformance.gather.ssh_agent._TIMEOUT", 1.0)
        key = paramiko.Ed25519Key.from_private_key_file(str(own_sshd.identity))
        fake = FakeAgent(tmp_path / "agent", key, lambda number: time.sleep(1.5 if number == 1 else 0.0))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(fake.address))
        other = f"{own_sshd.user}@own"
        try:
            got = gather(own_sshd, ["own", other], config=without_keys, parallel=1)
        finally:
            fake.close()
        found = problem(got["own"])
        assert found.kind == "refused"
        assert found.message.endswith(f"the ssh agent at {fake.address} did not answer within 1 s")
        check_reads(got[other])

    def test_agent_that_many_hosts_wait_for(
        self, own_sshd: OwnSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_keys: Path
    ) -> None:
        monkeypatch.setattr("conformance.gather.ssh_connect._LOGIN_TIMEOUT", 0.0)
        key = paramiko.Ed25519Key.from_private_key_file(str(own_sshd.identity))
        fake = FakeAgent(tmp_path / "agent", key, lambda _: time.sleep(0.8))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(fake.address))
        names = [f"own{number}" for number in range(5)]
        without_keys.write_text(without_keys.read_text().replace("Host own", f"Host own {' '.join(names)}", 1))
        try:
            got = gather(own_sshd, names, config=without_keys, connect_timeout=2.0)
        finally:
            fake.close()
        for one in got.values():
            check_reads(one)

    @pytest.fixture
    def without_keys(self, own_sshd: OwnSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The ssh configuration of `own` without a key file."""
        config = tmp_path / "config"
        text = own_sshd.ssh_config.read_text()
        config.write_text(text.replace(f"IdentityFile {own_sshd.identity}", "").replace("IdentitiesOnly yes", ""))
        monkeypatch.setenv("HOME", str(tmp_path))
        return config

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
    def test_kinds_of_keys(self, own_sshd: OwnSshd, tmp_path: Path, kind: str) -> None:
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)
        with OwnSshd(config={"AuthorizedKeysFile": f"{key}.pub"}) as sshd:
            check_reads(gather(sshd, ["own"], identity_file=key)["own"])

    def test_refused_key(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        key = tmp_path / "other"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        found = problem(gather(own_sshd, ["own"], identity_file=key)["own"])
        assert found.kind == "refused"
        assert f"refuses {own_sshd.user} with the keys offered ({key})" in found.message
        assert "authorized_keys" in found.message

    def test_no_login_with_keys(self) -> None:
        with OwnSshd(config={"PubkeyAuthentication": "no", "PasswordAuthentication": "yes"}) as sshd:
            found = problem(gather(sshd, ["own"])["own"])
        assert found.kind == "refused"
        assert "lets nobody log in with a key, only with: password" in found.message

    def test_too_many_keys(self, tmp_path: Path) -> None:
        require("ssh-keygen")
        for number in range(3):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{tmp_path}/{number}"], check=True)
        with OwnSshd(config={"MaxAuthTries": "2"}) as sshd:
            config = tmp_path / "config"
            lines = "".join(f"IdentityFile {tmp_path}/{number}\n" for number in range(3))
            config.write_text(lines + sshd.ssh_config.read_text())
            found = problem(gather(sshd, ["own"], config=config)["own"])
        assert found.kind == "refused"
        assert "name the right one (--ssh-identity-file)" in found.message

    def test_missing_settings_are_found_before_anybody_is_contacted(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        before = own_sshd.log()
        for changes in ({"config": tmp_path / "absent"}, {"identity_file": tmp_path / "absent"}):
            with pytest.raises(InvalidSshSettings, match="absent cannot be read: No such file"):
                check_settings(["ssh://own"], settings(own_sshd, **changes))
        check_settings(["ssh://own", "ssh://behind"], settings(own_sshd))
        assert own_sshd.log() == before


@contextlib.contextmanager
def agent(directory: Path) -> Iterator[Path]:
    address = directory / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(address)], stdout=subprocess.DEVNULL) as process:
        try:
            while not address.exists():
                time.sleep(0.01)
            yield address
        finally:
            process.terminate()


class TestHostKeys:
    def said(self, sshd: OwnSshd, tmp_path: Path, lines: str, **changes: object) -> Gathered:
        known = tmp_path / "known_hosts"
        known.write_text(lines)
        return gather(sshd, ["own"], known_hosts=known, **changes)["own"]

    def lines(self, sshd: OwnSshd, name: str = "own") -> str:
        """The known-hosts line of one of the two sshds, with its own key, under the name of `own`."""
        public = (sshd.directory / f"host_{name}.pub").read_text().split()
        return f"[127.0.0.1]:{sshd.port} {public[0]} {public[1]}\n"

    def test_unknown(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        found = problem(self.said(own_sshd, tmp_path, ""))
        shown = subprocess.run(
            ["ssh-keygen", "-lf", f"{own_sshd.directory}/host_own.pub"], check=True, capture_output=True, text=True
        ).stdout.split()[1]
        assert found.kind == "host-key"
        assert f"[127.0.0.1]:{own_sshd.port}, ssh-ed25519 {shown}, is unknown" in found.message
        assert f"ssh-keyscan -p {own_sshd.port} 127.0.0.1 >> {tmp_path}/known_hosts" in found.message

    def test_changed(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        found = problem(self.said(own_sshd, tmp_path, "# old\n" + self.lines(own_sshd, "jump")))
        assert found.kind == "host-key"
        assert "has changed" in found.message
        assert f"in {tmp_path}/known_hosts:2" in found.message

    def test_nobody_logs_in_where_the_key_is_wrong(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        before = own_sshd.log().count("Accepted")
        self.said(own_sshd, tmp_path, self.lines(own_sshd, "jump"))
        assert own_sshd.log().count("Accepted") == before

    def test_one_of_several(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        got = self.said(own_sshd, tmp_path, self.lines(own_sshd, "jump") + self.lines(own_sshd))
        assert got.notes["host_key"]["by"].endswith(":2")

    def test_hashed(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        known = tmp_path / "hashed"
        known.write_text(self.lines(own_sshd))
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
        check_reads(self.said(own_sshd, tmp_path, known.read_text()))

    def test_under_the_bare_name(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        bare = self.lines(own_sshd).replace(f"[127.0.0.1]:{own_sshd.port}", "127.0.0.1")
        check_reads(self.said(own_sshd, tmp_path, bare))

    def test_revoked(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        line = self.lines(own_sshd)
        found = problem(self.said(own_sshd, tmp_path, f"{line}@revoked * {line.split(' ', 1)[1]}"))
        assert (found.kind, "is revoked in" in found.message) == ("host-key", True)

    def test_certificate_authority(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        line = f"@cert-authority {self.lines(own_sshd, 'jump')}"
        found = problem(self.said(own_sshd, tmp_path, line))
        assert found.kind == "host-key"
        assert "by a certificate authority only" in found.message
        check_reads(self.said(own_sshd, tmp_path, line + self.lines(own_sshd)))

    def test_alias(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        config = tmp_path / "config"
        config.write_text("HostKeyAlias the-node\n" + own_sshd.ssh_config.read_text())
        line = self.lines(own_sshd).replace(f"[127.0.0.1]:{own_sshd.port}", "the-node")
        check_reads(self.said(own_sshd, tmp_path, line, config=config))

    def test_the_type_that_is_known_is_asked_for(self, tmp_path: Path) -> None:
        require("ssh-keygen")
        for kind in ("rsa", "ecdsa"):
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", f"{tmp_path}/host_{kind}"], check=True)
        both = {"HostKey": f"{tmp_path}/host_rsa\nHostKey {tmp_path}/host_ecdsa"}
        with OwnSshd(config=both) as sshd:
            for kind in ("rsa", "ecdsa"):
                public = (tmp_path / f"host_{kind}.pub").read_text().split()
                got = self.said(sshd, tmp_path, f"[127.0.0.1]:{sshd.port} {public[0]} {public[1]}\n")
                check_reads(got)
                assert got.notes["host_key"]["type"] == public[0]

    def test_not_verified_by_decision(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        got = self.said(own_sshd, tmp_path, self.lines(own_sshd, "jump"), verify_host_keys=False)
        check_reads(got)
        assert got.notes["host_key"]["verified"] is False
        assert got.notes["host_key"]["because"] == "host keys are not verified, by decision"

    @pytest.mark.parametrize("said", ["no", "accept-new"])
    def test_the_configuration_may_accept_unknown_keys_but_no_changed_ones(
        self, own_sshd: OwnSshd, tmp_path: Path, said: str
    ) -> None:
        config = tmp_path / "config"
        config.write_text(f"StrictHostKeyChecking {said}\n" + own_sshd.ssh_config.read_text())
        got = self.said(own_sshd, tmp_path, "", config=config)
        check_reads(got)
        assert got.notes["host_key"]["verified"] is False
        assert (tmp_path / "known_hosts").read_text() == ""
        assert problem(self.said(own_sshd, tmp_path, self.lines(own_sshd, "jump"), config=config)).kind == "host-key"

    def test_a_jump_host_is_verified_too(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        known = tmp_path / "known_hosts"
        known.write_text(self.lines(own_sshd))
        found = problem(gather(own_sshd, ["behind"], known_hosts=known)["behind"])
        assert found.kind == "host-key"
        assert found.message.startswith("jump host jump: the host key of [127.0.0.1]:")


class TestFaults:
    def test_dead_port(self, own_sshd: OwnSshd) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            found = problem(gather(own_sshd, [f"ssh://127.0.0.1:{port}"])[f"ssh://127.0.0.1:{port}"])
        assert found == Problem(
            "unreachable", f"127.0.0.1 port {port} refuses connections: is sshd running there, and on this port?"
        )

    def test_unknown_name(self, own_sshd: OwnSshd, tmp_path: Path) -> None:
        config = tmp_path / "config"
        config.write_text(f"IdentityFile {own_sshd.identity}\n")
        name = "ssh://nobody-here.invalid"
        found = problem(gather(own_sshd, [name], config=config)[name])
        assert found.kind == "unreachable"
        assert found.message.startswith("cannot resolve the name nobody-here.invalid: ")

    @pytest.mark.parametrize(
        ("answer", "close", "kind", "said"),
        [
            (b"", False, "timed-out", "accepts connections but sends no SSH banner within 1 s"),
            (b"", True, "unreachable", "closes connections before the SSH banner"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", False, "timed-out", "did not finish the key exchange within 1 s"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", True, "unreachable", "broke off the key exchange"),
            (b"220 mail.example.com ESMTP\r\n" * 200, False, "unreachable", "is not an SSH server"),
            (b"SSH-1.5-old\r\n", False, "unreachable", "no algorithm in common"),
        ],
    )
    def test_a_server_that_is_none(self, own_sshd: OwnSshd, answer: bytes, close: bool, kind: str, said: str) -> None:
        with listener(answer, close=close) as port:
            name = f"ssh://127.0.0.1:{port}"
            started = time.monotonic()
            found = problem(gather(own_sshd, [name], connect_timeout=1.0)[name])
        assert found.kind == kind
        assert said in found.message
        assert time.monotonic() - started < 4

    def test_a_login_that_starts_nothing(self) -> None:
        with OwnSshd(config={"MaxSessions": "0"}) as sshd:
            found = problem(gather(sshd, ["own"])["own"])
        assert found.kind == "error"
        assert "lets us log in but starts no command" in found.message

    def test_a_login_shell_that_never_reads_the_script(self) -> None:
        with OwnSshd(config={"ForceCommand": "sleep 60"}) as sshd:
            started = time.monotonic()
            found = problem(gather(sshd, ["own"], deadline=1.5)["own"])
        assert time.monotonic() - started < 5
        assert found == Problem("timed-out", "the deadline of 1.5 s for everything on this host has passed")

    def test_a_login_that_is_no_shell(self) -> None:
        with OwnSshd(config={"ForceCommand": "echo This account is currently not available.; exit 1"}) as sshd:
            found = problem(gather(sshd, ["own"])["own"])
        assert found == Problem("error", "/bin/sh did not run there: This account is currently not available.")

    def test_a_hung_host_delays_nobody(self, own_sshd: OwnSshd) -> None:
        done: list[tuple[str, float]] = []
        started = time.monotonic()

        def progress(subject: str, trouble: str | None) -> None:
            done.append((subject, time.monotonic() - started))

        slow = (command("echo first"), command("sleep 60", timeout=60.0), command("echo last", timeout=60.0))
        with listener() as port:
            jobs = [
                HostJob("hung", f"ssh://127.0.0.1:{port}", READS),
                HostJob("slow", "ssh://own", slow),
                *(HostJob(f"fine-{number}", "ssh://own", READS) for number in range(4)),
            ]
            got = gather_hosts(jobs, settings(own_sshd, connect_timeout=3.0, deadline=6.0), progress)
        assert list(got) == [job.subject for job in jobs]
        assert sorted(name for name, _ in done) == sorted(got)
        assert [name for name, _ in done[-2:]] == ["hung", "slow"]
        assert done[-1][1] < 10
        kinds = [answer.problem and answer.problem.kind for answer in got["slow"].answers.values()]
        assert kinds == [None, "timed-out", "not-read"]

    def test_a_stopped_server_costs_its_deadline(self) -> None:
        with OwnSshd() as sshd:
            os.kill(sshd.pid(), signal.SIGSTOP)
            started = time.monotonic()
            found = problem(gather(sshd, ["own"], connect_timeout=1.0)["own"])
        assert found.kind == "timed-out"
        assert time.monotonic() - started < 4

    def test_more_hosts_than_places(self, own_sshd: OwnSshd) -> None:
        jobs = [HostJob(f"host-{number}", "ssh://own", READS) for number in range(5)]
        for got in gather_hosts(jobs, settings(own_sshd, parallel=2)).values():
            check_reads(got)

    def test_a_flood_is_cut_off(self, own_sshd: OwnSshd) -> None:
        reads = [command("yes"), command("yes >&2"), command("echo after")]
        answers = gather(own_sshd, ["own"], reads)["own"].answers
        kinds = [answer.problem and answer.problem.kind for answer in answers.values()]
        assert kinds == ["cut-off", "cut-off", None]

    def test_an_interrupt_closes_all_connections(self, own_sshd: OwnSshd) -> None:
        jobs = [
            HostJob("fine", "ssh://own", READS),
            *(HostJob(f"slow-{number}", "ssh://own", (command("sleep 30", timeout=40.0),)) for number in range(3)),
        ]
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            gather_hosts(jobs, settings(own_sshd), lambda *_: _thread.interrupt_main())
        assert time.monotonic() - started < 10


class TestRehearsal:
    def test_commands_that_nobody_declared(self, own_sshd: OwnSshd) -> None:
        got: list[Answer] = []

        def rehearse(run: Run) -> None:
            got.extend(run(line) for line in ("echo 'one  two'; cat", "exit 5", "yes", " "))

        before = own_sshd.log().count("Accepted publickey")
        gathered = gather_hosts([HostJob("own", "ssh://own", READS, rehearse)], settings(own_sshd))["own"]
        check_reads(gathered)
        assert own_sshd.log().count("Accepted publickey") == before + 1
        assert got[0].require() == {"stdout": "one  two\n", "stderr": "", "rc": 0}
        assert got[1].require()["rc"] == 5
        assert got[2].problem is not None
        assert got[2].problem.kind == "cut-off"
        assert got[3].problem is not None
        assert "rehearsal" not in gathered.notes

    def test_one_that_fails_spoils_no_read(self, own_sshd: OwnSshd) -> None:
        def rehearse(run: Run) -> None:
            pytest.fail("of its own accord")

        gathered = gather_hosts([HostJob("own", "ssh://own", READS, rehearse)], settings(own_sshd))["own"]
        check_reads(gathered)
        assert gathered.notes["rehearsal"] == "broke off: Failed: of its own accord"
