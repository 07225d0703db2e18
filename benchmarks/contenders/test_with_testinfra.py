"""The same readings as profile linux-node, as plain testinfra tests: what a person would write without the suite."""

import re

UNITS = ("/etc/systemd/system/tmp.mount", "/usr/lib/systemd/system/tmp.mount")


def test_tmp_allows_exec(host):
    mounted = [one for one in host.mount_point.get_mountpoints() if one.path in ("/", "/tmp")]
    assert "noexec" not in mounted[-1].options


def test_tmp_allows_exec_at_the_next_boot(host):
    fstab = host.file("/etc/fstab")
    assert not fstab.exists or not re.search(r"^\S+\s+/tmp\s+\S+\s+\S*noexec", fstab.content_string, re.MULTILINE)
    for path in UNITS:
        unit = host.file(path)
        assert not unit.exists or "noexec" not in unit.content_string


def test_kernel_is_recent(host):
    assert tuple(int(part) for part in re.findall(r"\d+", host.check_output("uname -r"))[:2]) >= (4, 17)


def test_repositories_live(host):
    release = host.file("/etc/os-release").content_string
    directory = host.file("/etc/yum.repos.d")
    if "ID=centos" in release and directory.exists:
        for name in directory.listdir():
            assert "mirrorlist.centos.org" not in host.file(f"/etc/yum.repos.d/{name}").content_string
