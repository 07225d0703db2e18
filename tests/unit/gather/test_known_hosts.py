"""Known-hosts files, as ssh-keygen writes them and as people do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conformance.gather.known_hosts import KnownHosts, fingerprint
from tests.lab.tools import require

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


def about(name: str, text: str, tmp_path: Path) -> list[str]:
    path = tmp_path / "known_hosts"
    path.write_text(text)
    return [one.where.rpartition(":")[2] + one.marker for one in KnownHosts().about(name, [path, tmp_path / "absent"])]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("node-1", ["3", "5"]),
        ("NODE-1", ["3", "5"]),
        ("node-2", ["5"]),
        ("node-9", []),
        ("10.0.0.1", ["3"]),
        ("[10.0.0.1]:2222", ["4"]),
        ("gate.example.com", ["7@cert-authority", "8@revoked"]),
        ("[fe80::1]:22", []),
        ("fe80::1", ["6"]),
    ],
)
def test_names(name: str, lines: list[str], tmp_path: Path) -> None:
    text = f"""# a comment

Node-1,10.0.0.1 {KEY} comment
[10.0.0.1]:2222 {KEY}
node-*,!node-9 {KEY}
fe80::1 {KEY}
@cert-authority *.example.com {KEY}
@revoked gate.example.com {KEY}
node-1 ssh-ed25519
node-1 ssh-ed25519 not-base-64!
@strange node-1 {KEY}
|1|broken {KEY}
"""
    assert about(name, text, tmp_path) == lines


def test_hashed_names(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"node-1 {KEY}\n[node-2]:2222 {KEY}\n")
    require("ssh-keygen")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    assert "node" not in path.read_text()
    known = KnownHosts()
    assert [len(known.about(name, [path])) for name in ("node-1", "[node-2]:2222", "node-2", "node-3")] == [1, 1, 0, 0]


def test_a_file_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory"):
        KnownHosts().about("node", [tmp_path])


def test_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    require("ssh-keygen")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    public = tmp_path / "key.pub"
    require("ssh-keygen")
    said = subprocess.run(["ssh-keygen", "-lf", str(public)], check=True, capture_output=True, text=True).stdout
    path = tmp_path / "known_hosts"
    path.write_text(f"node {public.read_text()}")
    assert fingerprint(KnownHosts().about("node", [path])[0].key) == said.split()[1]
