"""Host specifications and the ssh configuration: what they come to, and what is said of those that make no sense."""

from __future__ import annotations

import getpass
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from conformance.gather.jobs import SshSettings
from conformance.gather.ssh_config import InvalidSshSettings, Resolver, Target, check_settings
from tests.lab.tools import require


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()


def target(connection: str, config: str = "", **settings: object) -> Target:
    path = Path.home() / "given_config"
    path.write_text(config)
    return Resolver(SshSettings(config=path, **settings)).target(connection)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("connection", "user", "host", "port"),
    [
        ("ssh://ops@10.0.0.1:2222", "ops", "10.0.0.1", 2222),
        ("ssh://ops@10.0.0.1", "ops", "10.0.0.1", 22),
        ("ssh://node-1/", None, "node-1", 22),
        ("node-1.example", None, "node-1.example", 22),
        ("ssh://ops%40corp@node", "ops@corp", "node", 22),
        ("ssh://ops@corp@node", "ops@corp", "node", 22),
        ("ssh://[fe80::1]:2222", None, "fe80::1", 2222),
        ("ssh://[::1]", None, "::1", 22),
        ("ssh://root@fe80::1", "root", "fe80::1", 22),
        ("paramiko://node", None, "node", 22),
    ],
)
def test_specification(connection: str, user: str | None, host: str, port: int) -> None:
    got = target(connection)
    assert (got.user, got.host, got.port) == (user or getpass.getuser(), host, port)


@pytest.mark.parametrize(
    ("connection", "said"),
    [
        ("ssh://ops@node:ssh", "'ssh' is not a port"),
        ("ssh://node:70000", "'70000' is not a port"),
        ("ssh://@node", "expected ssh://user@name:port"),
        ("ssh://", "expected ssh://user@name:port"),
        ("ssh://node?timeout=3", "without a path or options"),
        ("ssh://node/path", "without a path or options"),
        ("telnet://node", "connections by 'telnet' are not supported; use ssh, "),
        ("ansible://all", "connections by 'ansible' are not supported"),
        ("docker://", "expected docker://name"),
        ("ssh://node:²", "'²' is not a port"),
    ],
)
def test_specification_that_makes_no_sense(connection: str, said: str) -> None:
    with pytest.raises(InvalidSshSettings, match=said.replace("?", r"\?")):
        check_settings([connection], SshSettings(config=Path("/dev/null")))


@pytest.mark.parametrize(
    ("connection", "shown"),
    [
        ("ssh://ops:geheim@node", "ssh://…@node"),
        ("paramiko://ops:geheim@node?timeout=5", "paramiko://…@node?timeout=5"),
        ("ssh://ops:geh/eim@node/path", "ssh://…@node/path"),
        ("ssh://ops:geheim@node:99999", "ssh://…@node:99999"),
        ("ssh://:geheim@node", "ssh://…@node"),
        ("ssh://ops%3Ageheim@node", "ssh://…@node"),
        ("ops:geheim@node", "…@node"),
        ("telnet://ops:geheim@node", "telnet://…@node"),
        ("docker://ops:geheim@one", "docker://…@one"),
    ],
)
def test_a_password_is_refused_and_not_repeated(connection: str, shown: str) -> None:
    with pytest.raises(InvalidSshSettings) as caught:
        check_settings([connection], SshSettings(config=Path("/dev/null")))
    assert str(caught.value).startswith(f"{shown}: a password in a host specification would end up in reports")
    assert "eim" not in str(caught.value)


@pytest.mark.parametrize(
    "connection", ["ssh://t0ken@node?a=b", "ssh://t0ken@node:x", "ssh://t0ken@[", "telnet://t0ken@node"]
)
def test_no_message_repeats_what_stands_before_the_name(connection: str) -> None:
    with pytest.raises(InvalidSshSettings) as caught:
        check_settings([connection], SshSettings(config=Path("/dev/null")))
    assert "t0ken" not in str(caught.value)
    assert "…@" in str(caught.value)


def test_who_has_no_name_is_called_by_his_number(monkeypatch: pytest.MonkeyPatch) -> None:
    # A container that runs as any number: neither the environment nor the list of users knows it.
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    got = target("ssh://node", "Host node\n HostName %h.example\n IdentityFile /keys/%u\nMatch user other\n Port 1\n")
    assert (got.user, got.host, got.port) == (str(os.getuid()), "node.example", 22)
    assert got.identity_files == (Path(f"/keys/{os.getuid()}"),)


def test_who_has_no_home_has_no_files_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert Resolver(SshSettings()).target("ssh://ops@node").host == "node"
    with pytest.raises(InvalidSshSettings, match="there is no key to log in with"):
        check_settings(["ssh://ops@node"], SshSettings())


@pytest.mark.parametrize("line", ["UserKnownHostsFile ~no-such-user/k", "IdentityFile ~no-such-user/k"])
def test_the_home_of_somebody_who_does_not_exist(line: str) -> None:
    with pytest.raises(
        InvalidSshSettings, match="names ~no-such-user/k: there is no user no-such-user on this machine"
    ):
        target("ssh://node", line)


def test_configuration() -> None:
    config = """
        GSSAPIAuthentication yes
        GSSAPIKeyExchange no
        SomethingNew whatever
        Host node
          HostName %h.example.com
          Port 2200
          User ops
          IdentityFile ~/.ssh/id_%r
          IdentityFile ${HOME}/second
          IdentitiesOnly yes
          UserKnownHostsFile ~/.ssh/known_%n /dev/null
          GlobalKnownHostsFile none
          HostKeyAlias the-node
          StrictHostKeyChecking no
          ConnectTimeout 3
        Host *
          User somebody
          IdentityAgent ~/agent
    """
    got = target("ssh://node", config)
    home = Path.home()
    assert got == Target(
        name="node",
        host="node.example.com",
        port=2200,
        user="ops",
        identity_files=(home / ".ssh/id_ops", home / "second"),
        identities_only=True,
        agent=f"{home}/agent",
        known_hosts=(home / ".ssh/known_node", Path("/dev/null")),
        host_key_alias="the-node",
        strict=False,
        connect_timeout=3.0,
    )
    other = target("ssh://me@node:22", config)
    assert (other.user, other.port) == ("me", 22)
    assert target("ssh://other", config).strict


def test_settings_override_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    config = "IdentityFile other\nUserKnownHostsFile other\n"
    got = target(
        "ssh://node", config, identity_file=tmp_path / "key", known_hosts=tmp_path / "known", connect_timeout=7
    )
    assert got.identity_files == (tmp_path / "key",)
    assert got.known_hosts == (tmp_path / "known",)
    assert got.connect_timeout == 7


def test_without_a_file_the_one_of_the_user_is_read() -> None:
    (Path.home() / ".ssh/config").write_text("Host node\n Port 2022\n")
    assert Resolver(SshSettings()).target("ssh://node").port == 2022


def test_includes() -> None:
    ssh = Path.home() / ".ssh"
    (ssh / "config").write_text(
        "Include conf.d/*.conf\nHost inner\n Include extra\n Port 2000\nHost node\n User last\n"
    )
    (ssh / "conf.d").mkdir()
    (ssh / "conf.d/a.conf").write_text("Host node\n User first\n")
    (ssh / "conf.d/b.conf").write_text("Host node\n User second\n Port 1000\n")
    (ssh / "extra").write_text("User from-extra\n")
    resolver = Resolver(SshSettings())
    node, inner, other = (resolver.target(f"ssh://{name}") for name in ("node", "inner", "other"))
    assert (node.user, node.port) == ("first", 1000)
    assert (inner.user, inner.port) == ("from-extra", 2000)
    assert (other.user, other.port) == (getpass.getuser(), 22)


@pytest.mark.parametrize("block", ["Host bastion !no.*", "Match host bastion", "Host bastion\n Include other"])
def test_what_a_block_includes_applies_within_it(block: str) -> None:
    # As ssh has it: a host that does not match the block is not touched by any block of the included file.
    ssh = Path.home() / ".ssh"
    (ssh / "config").write_text(f"{block}\n Include extra\nHost *\n User last\n")
    (ssh / "extra").write_text(
        "User mine\nHost *\n StrictHostKeyChecking no\n Include deep\nMatch host bastion\n Port 2222\n"
    )
    (ssh / "deep").write_text("Host b*\n HostKeyAlias deep\nHost web\n HostKeyAlias web\n")
    (ssh / "other").write_text("Match all\n ConnectTimeout 7\n")
    resolver = Resolver(SshSettings())
    bastion, web = (resolver.target(f"ssh://{name}") for name in ("bastion", "web"))
    assert (bastion.user, bastion.strict, bastion.port, bastion.host_key_alias) == ("mine", False, 2222, "deep")
    assert (web.user, web.strict, web.port, web.host_key_alias) == ("last", True, 22, None)
    assert web.connect_timeout == SshSettings().connect_timeout


def test_jump_hosts() -> None:
    config = """
        Host inner
          ProxyJump first,ops@second:2200
        Host first
          HostName 10.0.0.1
          User gate
          ProxyJump zero
        Host second
          HostName 10.0.0.2
          User wrong
          ProxyJump never
        Host direct
          ProxyJump none
        Host *
          ProxyJump none
    """
    got = target("ssh://inner", config)
    assert [(one.user, one.host, one.port) for one in got.jumps] == [
        (getpass.getuser(), "zero", 22),
        ("gate", "10.0.0.1", 22),
        ("ops", "10.0.0.2", 2200),
    ]
    assert all(one.jumps == () for one in got.jumps)
    assert target("ssh://direct", config).jumps == ()


def test_jump_hosts_in_a_circle() -> None:
    with pytest.raises(InvalidSshSettings, match="does ProxyJump lead back to itself"):
        target("ssh://a", "Host a\n ProxyJump b\nHost b\n ProxyJump a\n")


def test_proxy_command() -> None:
    got = target("ssh://ops@node:2022", "ProxyCommand connect -u %r %h %p 100%%\n")
    assert got.proxy_command == "connect -u ops node 2022 100%"
    first = target("ssh://node", "Host node\n ProxyJump gate\nHost *\n ProxyCommand nc %h %p\n")
    assert (first.proxy_command, [one.name for one in first.jumps]) == (None, ["gate"])
    none = target("ssh://node", "Host node\n ProxyCommand none\nHost *\n ProxyCommand nc %h %p\n")
    assert none.proxy_command is None


@pytest.mark.parametrize(
    ("agent", "expected"),
    [("none", None), ("SSH_AUTH_SOCK", "/run/agent"), ("$OTHER", "/run/other"), ("/run/%r", "/run/me")],
)
def test_agent(agent: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("OTHER", "/run/other")
    assert target("ssh://me@node", f"IdentityAgent {agent}\n").agent == expected


def key(path: Path, *options: str, kind: str = "ed25519") -> Path:
    require("ssh-keygen")
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path), *options], check=True)
    return path


def test_settings_that_are_fine(tmp_path: Path) -> None:
    settings = SshSettings(
        identity_file=key(tmp_path / "key"), known_hosts=tmp_path / "key.pub", config=Path("/dev/null")
    )
    check_settings(["ssh://node", "local://", "docker://one", "kubectl://pod?namespace=x"], settings)
    check_settings([], SshSettings(config=Path("/nowhere")))


@pytest.mark.parametrize("what", ["config", "identity_file", "known_hosts"])
def test_missing_files(what: str, tmp_path: Path) -> None:
    files = {"config": Path("/dev/null"), "identity_file": key(tmp_path / "key"), "known_hosts": tmp_path / "key.pub"}
    settings = SshSettings(**{**files, what: tmp_path / "absent"})
    with pytest.raises(InvalidSshSettings, match=f"{tmp_path}/absent cannot be read: No such file or directory"):
        check_settings(["ssh://node"], settings)


def test_unusable_keys(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(InvalidSshSettings) as caught:
            check_settings(["ssh://node"], SshSettings(config=Path("/dev/null"), identity_file=path))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    for kind, *options in (["ed25519"], ["rsa", "-b", "2048", "-m", "PEM"], ["ecdsa"]):
        path = key(tmp_path / f"locked_{kind}", *options, kind=kind)
        require("ssh-keygen")
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "geheim", "-f", str(path)], check=True)
        assert "needs a passphrase" in said(path)
        assert "ssh-add" in said(path)
    (tmp_path / "text").write_text("this is no key\n")
    assert "text is not a usable private key" in said(tmp_path / "text")
    assert "is a public key, and the agent does not hold" in said(key(tmp_path / "k").with_suffix(".pub"))
    assert "cannot be read: Is a directory" in said(tmp_path)
    if os.geteuid() != 0:
        path.chmod(0)
        assert "cannot be read: Permission denied" in said(path)


def test_no_key_at_all() -> None:
    with pytest.raises(InvalidSshSettings, match="there is no key to log in with"):
        check_settings(["ssh://node"], SshSettings(config=Path("/dev/null")))
    with pytest.raises(InvalidSshSettings, match="absent cannot be read"):
        target_config = Path.home() / "config"
        target_config.write_text("IdentityFile ~/absent\n")
        check_settings(["ssh://node"], SshSettings(config=target_config))


def test_one_of_several_identity_files_may_be_missing() -> None:
    config = Path.home() / "config"
    config.write_text("IdentityFile ~/absent\nIdentityFile ~/there\n")
    key(Path.home() / "there")
    check_settings(["ssh://node"], SshSettings(config=config))


@pytest.mark.parametrize("text", ["Host 'a\n", "Match all user x\n", "Port\n", "Host *\n Port many\n"])
def test_malformed_configuration(text: str) -> None:
    config = Path.home() / "config"
    config.write_text(text)
    with pytest.raises(InvalidSshSettings):
        check_settings(["ssh://node"], SshSettings(config=config))
