"""The same readings as the hosts' side of the benchmarked profile, as plain testinfra tests: what a person would write without the suite."""

import re

import pytest

UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system")
SYSCTL = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
RUNC = ("/usr/bin/runc", "/usr/local/sbin/runc")
CONTAINERD = [
    f"{d}/{name}" for d in ("/usr/bin", "/usr/local/bin", "/usr/local/sbin") for name in ("containerd", "ctr")
]


def lines_of(host, command):
    """What a command prints where it is installed."""
    done = host.run(command)
    return done.stdout.splitlines() if done.rc == 0 else []


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


def test_docker_is_active(host):
    if host.exists("docker"):
        assert host.service("docker").is_running


def test_no_offload_of_vmxnet3(host):
    device = lines_of(host, "ip -o -4 route show default")
    for name in host.interface.names():
        if host.run(f"readlink /sys/class/net/{name}/device/driver").stdout.strip().endswith("vmxnet3"):
            features = host.check_output(f"ethtool -k {name}")
            assert not device or "tx-udp_tnl-segmentation: on" not in features


def test_pleg_is_healthy(host):
    journal = host.run("journalctl --no-pager --unit=kubelet --since=-24h")
    assert "PLEG is not healthy: pleg was" not in journal.stdout
    assert not [one for one in host.process.filter(comm="runc") if one.args.endswith("runc init")]


@pytest.mark.parametrize("path", RUNC)
def test_runc_is_recent(host, path):
    if host.file(path).exists:
        assert "1.0.0-rc9" not in host.check_output(f"{path} --version")


@pytest.mark.parametrize("path", ["/etc/containerd/config.toml", *CONTAINERD])
def test_no_containerd_is_left(host, path):
    assert not host.file(path).exists


@pytest.mark.parametrize("name", ["containerd", "kubelet"])
def test_no_service_is_left(host, name):
    assert not host.service(name).is_running


def test_labels_on_tmpfs(host):
    release = host.file("/etc/redhat-release")
    enforce = host.file("/sys/fs/selinux/enforce")
    old = release.exists and "release 8.2" in release.content_string
    assert not (old and enforce.exists and enforce.content_string == "1")
    assert "error setting label on mount source" not in host.run("journalctl -u kubelet --since=-24h").stdout
    assert "associate" not in host.run("ausearch --input-logs -m avc --start yesterday").stdout


def test_rp_filter_is_off(host):
    assert host.sysctl("net.ipv4.conf.all.rp_filter") in (0, 1, 2)


@pytest.mark.parametrize("directory", SYSCTL)
def test_rp_filter_stays_off(host, directory):
    folder = host.file(directory)
    names = folder.listdir() if folder.exists else []
    for name in names:
        if name.endswith(".conf"):
            text = host.file(f"{directory}/{name}").content_string
            assert not re.search(r"^net\.ipv4\.conf\.all\.rp_filter\s*=\s*[12]", text, re.MULTILINE)


def test_rp_filter_stays_off_by_the_old_file(host):
    file = host.file("/etc/sysctl.conf")
    assert not file.exists or "all.rp_filter = 1" not in file.content_string


def test_firewalld_is_off(host):
    service = host.service("firewalld")
    assert not service.exists or not (service.is_running or service.is_enabled)


def test_chains_and_redirect(host):
    rules = []
    for program in ("iptables-save", "iptables-legacy-save", "iptables-nft-save"):
        if host.exists(program):
            rules += lines_of(host, f"/sbin/{program}")
    if host.exists("nft"):
        rules += lines_of(host, "/sbin/nft list ruleset")
    assert not [one for one in rules if "--dport 443" in one and "REDIRECT" in one]
    runs = host.process.filter(comm="cilium-agent") or host.file("/var/run/cilium/cilium.pid").exists
    assert not runs or [one for one in rules if "CILIUM" in one]


def test_crictl_is_found(host):
    paths = host.check_output("echo $PATH").split(":")
    if host.user().name != "root":
        paths += re.findall(r"secure_path=(\S+)", host.run("sudo -n -l").stdout)
    assert paths
    assert not host.exists("crictl") or any("bin" in one for one in paths)
