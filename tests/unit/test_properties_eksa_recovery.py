"""Properties of what is made of a workstation's answers after an interrupted upgrade, and the scripts that give them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.eks_anywhere.facts_recovery_workstation import recovery_containers, recovery_directory
from checks.eks_anywhere.leftovers import Containers, Directory, InvalidAnswer
from conformance.answers import Unreadable
from tests.hazards.eksa_recovery import backup, directory
from tests.programs import each_of

LINES = st.one_of(
    st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), max_size=30),
    st.sampled_from(
        [
            "engine docker",
            "engine none",
            "done",
            "process 12",
            "process x",
            "failed 1 no",
            "container|a-eks-a-cluster-control-plane|Up|now",
            "container|eksa_1,eksa_2|Exited (0)|then",
            "container|x",
            "directory /home/ops",
            "absent",
            "refused Permission denied",
            "more",
            "kubeconfig a/generated/a.kind.kubeconfig",
            "hidden a/generated",
            "backup a-backup",
            "denied",
            "file 1681574400 a-backup/Machine_x_y.yaml",
            "file 99999999999999 a",
            "file ² a",
            "object Machine x y",
            "object Machine x",
            "odd",
            "cut",
            "empty",
            "unreadable",
        ]
    ),
)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
SHELLS = each_of("/bin/sh", "bash", "busybox sh")


@given(st.lists(LINES, max_size=9), st.sampled_from(["engine docker\n", "directory /home/ops\n", ""]))
@settings(deadline=None)
def test_any_text(lines: list[str], first: str) -> None:
    text = first + "".join(f"{line}\n" for line in lines)
    for parse in (Containers.parse, Directory.parse):
        try:
            parse(text)
        except (InvalidAnswer, Unreadable):
            continue


@given(st.dictionaries(NAMES, st.sampled_from(["Up 2 hours", "Exited (1) 2 days ago", "Created"]), max_size=5))
@settings(deadline=None)
def test_containers_come_back(names: dict[str, str]) -> None:
    held = {f"{name}-eks-a-cluster-control-plane": status for name, status in names.items()}
    lines = [f"container|{name}|{status}|now" for name, status in held.items()]
    got = Containers.parse("\n".join(["engine docker", *lines, *lines, "done"]) + "\n")
    assert {one.name: one.status for one in got.bootstraps} == held
    assert [one.cluster for one in got.bootstraps] == [
        name.removesuffix("-eks-a-cluster-control-plane") for name in sorted(held)
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_clusterctl_has_written_is_read_in_every_shell(shell: str) -> None:
    files: dict[str, str | None] = {**backup("m-1", "m-2"), "b-backup/Cluster_x_b.yaml": "{}\n", "c-backup": None}
    files["b-backup/notes.yaml"] = json.dumps({"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Machine"})
    got = Directory.parse(directory(files, shell=shell))
    assert set(got.backups) == {"cluster3-backup", "b-backup", "c-backup"}
    assert set(got.backups["cluster3-backup"].objects) == {
        ("Cluster", "eksa-system", "cluster3"),
        ("Machine", "eksa-system", "m-1"),
        ("Machine", "eksa-system", "m-2"),
    }
    assert got.backups["b-backup"].objects == {}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("engine", ["docker", "podman", "none"])
def test_containers_and_eksctl_are_seen_in_every_shell(shell: str, engine: str, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("grep", "head", "sed", "tr", "cut", "sleep", *shell.split()[:1]):
        (tools / Path(name).name).symlink_to(shutil.which(name) or name)
    if engine != "none":
        said = 'echo "WARNING: no blkio"; echo "container|eksa_7|Up 1 second|now"; echo "$@" >&2'
        (tools / engine).write_text(f"#!/bin/sh\n{said}\n")
        (tools / engine).chmod(0o755)
    program = tmp_path / "eksctl-anywhere"
    shutil.copy(shutil.which("sleep") or "", program)
    running = subprocess.Popen([program, "60"])
    try:
        while Path(f"/proc/{running.pid}/comm").read_text() != "eksctl-anywhere\n":
            time.sleep(0.01)
        line = recovery_containers.sources[0].line  # type: ignore[union-attr]
        env = {"PATH": str(tools), "LC_ALL": "C"}
        done = subprocess.run([*shell.split(), "-c", line], env=env, capture_output=True, text=True, check=True)
    finally:
        running.kill()
        running.wait()
    got = Containers.parse(done.stdout)
    assert got.engine == engine
    assert running.pid in got.running
    assert [one.name for one in got.tools] == ([] if engine == "none" else ["eksa_7"])


def test_a_home_is_looked_into_as_the_parameter_says(tmp_path: Path) -> None:
    (tmp_path / "a b-backup").mkdir()
    line = recovery_directory.sources[0].bind({"eksa-directory": str(tmp_path)}).line  # type: ignore[union-attr]
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    done = subprocess.run(["/bin/sh", "-c", line], env=env, capture_output=True, text=True, check=True)
    assert set(Directory.parse(done.stdout).backups) == {"a b-backup"}
    gone = subprocess.run(
        ["/bin/sh", "-c", line.replace(str(tmp_path), f"{tmp_path}/gone")],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not Directory.parse(gone.stdout).exists
