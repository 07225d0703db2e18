"""The same readings as the hosts' side of profile kubernetes-1.36, as plain testinfra tests: what a person would write without the suite."""

import re

import pytest

UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system")


def test_tmp_allows_exec(host):
    assert host.check_output("readlink -f /tmp") == "/tmp"
    mounted = [one for one in host.mount_point.get_mountpoints() if one.path in ("/", "/tmp")]
    assert "noexec" not in mounted[-1].options


def test_tmp_allows_exec_by_fstab(host):
    fstab = host.file("/etc/fstab")
    assert not fstab.exists or not re.search(r"^\S+\s+/tmp\s+\S+\s+\S*noexec", fstab.content_string, re.MULTILINE)


@pytest.mark.parametrize("directory", UNITS)
def test_tmp_allows_exec_by_unit(host, directory):
    unit = host.file(f"{directory}/tmp.mount")
    dropins = host.file(f"{directory}/tmp.mount.d")
    texts = [unit.content_string] if unit.exists else []
    if dropins.exists:
        texts += [host.file(f"{directory}/tmp.mount.d/{name}").content_string for name in dropins.listdir()]
    wanted = host.run(f"ls {directory}/*.wants/tmp.mount {directory}/*.requires/tmp.mount").stdout
    assert not wanted or not any("noexec" in text for text in texts)


def test_kernel_is_recent(host):
    assert tuple(int(part) for part in re.findall(r"\d+", host.check_output("uname -r"))[:2]) >= (4, 17)


def test_repositories_live(host):
    release = host.file("/etc/os-release").content_string
    directory = host.file("/etc/yum.repos.d")
    if "ID=centos" in release and directory.exists:
        for name in directory.listdir():
            assert "mirrorlist.centos.org" not in host.file(f"/etc/yum.repos.d/{name}").content_string


def test_kubelet_accepts_cgroups(host):
    unified = host.file("/sys/fs/cgroup/cgroup.controllers").exists
    legacy = any(one.filesystem == "cgroup" for one in host.mount_point.get_mountpoints())
    config = "/var/lib/kubelet/config.yaml"
    for process in host.process.filter(comm="kubelet"):
        config = dict(word.split("=", 1) for word in process.args.split() if "=" in word).get("--config", config)
    text = host.file(config).content_string if host.file(config).exists else ""
    assert unified or (legacy and "failCgroupV1: false" in text)
