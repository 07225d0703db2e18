"""The way to a host, end to end and without root: through a jump host, and with a host key that nobody verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.unprivileged import OwnSshd
from tests.running import Result, preflight

LOGIN = "Accepted publickey"


@pytest.fixture(scope="module")
def logins() -> list[int]:
    """How often the jump host let somebody in, during the run alone."""
    return []


@pytest.fixture(scope="module")
def run(own_sshd: OwnSshd, tmp_path_factory: pytest.TempPathFactory, logins: list[int]) -> Result:
    hosts = "own,behind,ssh://behind"
    args = ("--profile=linux-node", f"--hosts={hosts}", f"--ssh-config={own_sshd.ssh_config}")
    before = own_sshd.log("jump").count(LOGIN)
    result = preflight(*args, cwd=tmp_path_factory.mktemp("jump"))
    logins.append(own_sshd.log("jump").count(LOGIN) - before)
    return result


def test_a_host_behind_a_jump_host_is_like_any_other(own_sshd: OwnSshd, run: Result) -> None:
    assert run.on("behind") == run.on("ssh://behind") == run.on("own")  # the same machine
    assert "unknown" not in run.outcomes.values(), run
    jumps = run.report["gather"]["subjects"]["behind"]["jump_hosts"]
    assert jumps == [f"{own_sshd.user}@127.0.0.1:{own_sshd.ports['jump']}"]
    assert run.report["gather"]["subjects"]["own"]["jump_hosts"] == []


def test_hosts_behind_it_share_one_connection(run: Result, logins: list[int]) -> None:
    assert run.code in (0, 1)
    assert logins == [1]


def test_a_dead_jump_host_is_named(own_sshd: OwnSshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    dead = own_sshd.ssh_config.read_text().replace(f"Port {own_sshd.ports['jump']}\n", "Port 1\n")
    config.write_text(dead)
    run = preflight("--profile=linux-node", "--hosts=own,behind", f"--ssh-config={config}", cwd=tmp_path)
    assert set(run.on("behind").values()) == {"unknown"}
    assert "unknown" not in run.on("own").values()
    message = run.finding("os-tmp-noexec", "behind")["message"]
    assert "jump" in message
    assert "127.0.0.1 port 1" in message
    assert "Traceback" not in run.out


@pytest.mark.parametrize("decided", [True, False])
def test_an_unverified_host_key_is_said_aloud(own_sshd: OwnSshd, tmp_path: Path, *, decided: bool) -> None:
    """Only by somebody's decision, and never in silence: in every report."""
    (tmp_path / "known").touch()
    config = tmp_path / "config"
    config.write_text(own_sshd.ssh_config.read_text().replace(str(own_sshd.known_hosts), str(tmp_path / "known")))
    settings = f"config: {config}, verify_host_keys: {'false' if decided else 'true'}"
    (tmp_path / "change.yaml").write_text(
        f"profile: linux-node\nssh: {{{settings}}}\nhosts:\n  me: {{connection: 'ssh://own'}}\n"
    )
    run = preflight("--change=change.yaml", cwd=tmp_path)
    if not decided:
        assert set(run.outcomes.values()) == {"unknown"}
        assert run.report["warnings"] == []
        return
    assert "unknown" not in run.outcomes.values(), run
    (warning,) = run.report["warnings"]
    assert warning.startswith("me: its host key ")
    assert warning.endswith("was not verified, by decision")
    assert set(run.texts) >= {"the terminal", "preflight.json", "preflight.html", "preflight.md", "preflight.junit.xml"}
    for name, text in run.texts.items():
        if name == "preflight.intoto.json":  # a statement about the others, by their digests
            continue
        assert "not verified, by decision" in " ".join(text.split()), name
