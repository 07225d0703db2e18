"""The shell snippet that reads what a kubelet was told, on this machine: a process that is called so, and its files."""

import os
import subprocess
import sys

import pytest

from conformance.facts.linux import kubelet_config
from tests.programs import each_of

SNIPPET = kubelet_config.sources[0].line
SHELLS = each_of("dash", "bash", "busybox sh")
KIND = "kind: KubeletConfiguration\n"


@pytest.fixture
def ask(tmp_path):
    """Runs the snippet beside a process with these arguments."""
    running = []

    def run(shell, *arguments):
        alone = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", *arguments]
        running.append(process := subprocess.Popen(alone, stdout=subprocess.PIPE))
        process.stdout.readline()  # it is what it will be
        (tmp_path / "bin").mkdir(exist_ok=True)
        pidof = tmp_path / "bin" / "pidof"
        pidof.write_text(f"#!/bin/sh\necho {process.pid} 1\n" if arguments else "#!/bin/sh\nexit 1\n")
        pidof.chmod(0o755)
        # In busybox pidof is built in; -c through PATH would not reach ours.
        text = f"pidof() {{ '{pidof}'; }}\n{SNIPPET}"
        env = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run(
            [*shell.split(), "-c", text], capture_output=True, text=True, env=env, timeout=20, check=False
        )

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_file_that_the_command_line_names(ask, tmp_path, shell):
    config = tmp_path / "a file * of ours.yaml"
    config.write_text(f"{KIND}failCgroupV1: false\n")
    for arguments in ([f"--config={config}"], ["--config", str(config)]):
        done = ask(shell, "--v=2", *arguments)
        assert done.returncode == 0, done.stderr
        found = kubelet_config(done.stdout)
        assert (found.fail_cgroup_v1, found.set_in) == (False, "configuration file")
        assert "--v=2 " in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_drop_ins_win_over_the_file_and_the_command_line_over_both(ask, tmp_path, shell):
    config, folder = tmp_path / "config.yaml", tmp_path / "config.d"
    config.write_text(f"{KIND}failCgroupV1: true")
    (folder / "sub dir.conf").mkdir(parents=True)
    (folder / "10.conf").write_text(f"{KIND}failCgroupV1: true")
    (folder / "sub dir.conf" / "20.conf").write_text(f"{KIND}failCgroupV1: false")
    (folder / "99.yaml").write_text("no drop-in: [")
    done = ask(shell, f"--config={config}", f"--config-dir={folder}")
    assert done.returncode == 0, done.stderr
    found = kubelet_config(done.stdout)
    assert (found.fail_cgroup_v1, found.set_in) == (False, str(folder / "sub dir.conf" / "20.conf"))
    found = kubelet_config(ask(shell, f"--config={config}", "--config-dir", str(folder), "--fail-cgroupv1").stdout)
    assert (found.fail_cgroup_v1, found.set_in) == (True, "command line")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_not_there_and_what_cannot_be_read(ask, tmp_path, shell):
    gone = ask(shell, f"--config={tmp_path / 'gone'}")
    assert gone.returncode == 10
    assert kubelet_config(gone.stdout).fail_cgroup_v1 is None
    assert ask(shell, f"--config={tmp_path}").returncode == 1  # a directory cannot be read, and is there
    assert ask(shell, f"--config={tmp_path / 'gone'}", f"--config-dir={tmp_path / 'gone'}").returncode == 1
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "1.conf").symlink_to(tmp_path / "nothing")
    assert ask(shell, f"--config={tmp_path / 'gone'}", f"--config-dir={tmp_path / 'd'}").returncode == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_without_a_kubelet_the_usual_file_is_read(ask, shell):
    done = ask(shell)
    assert "\n== /var/lib/kubelet/config.yaml\n" in done.stdout
    assert done.returncode in (0, 10)
