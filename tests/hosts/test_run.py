"""The main job, end to end: `pytest --profile …` over real sshds finds exactly what is wrong with each host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import impossible
from tests.lab.hosts import HostSpec, Lab, LabError
from tests.running import Result, preflight

pytestmark = pytest.mark.root

LINUX = ("os-tmp-noexec", "os-kernel-too-old", "os-centos-repos")
LOGINS = tuple(f"{name}@shells" for name in ("bashuser", "zshuser", "fishuser", "cshuser", "jauser"))
#: What is wrong with the standard hosts; all that does not stand here is clear, or not applicable.
WRONG = {
    ("os-tmp-noexec", "noexec"): "hazard",
    ("os-kernel-too-old", "oldkernel"): "hazard",
    ("os-centos-repos", "centos"): "hazard",
}
FAIL_CGROUP_V1_OFF = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailCgroupV1: false\n"
FSTAB = "tmpfs /tmp tmpfs defaults,noexec 0 0\n"
UNIT = "[Mount]\nWhat=tmpfs\nWhere=/tmp\nType=tmpfs\nOptions=mode=1777,strictatime,noexec\n"


@pytest.fixture(scope="module")
def more() -> Iterator[Lab]:
    """Hosts that the standard set does not have."""
    hosts = Lab()
    try:
        hosts.start(
            [
                HostSpec("permitted", cgroup="v1", files={"/var/lib/kubelet/config.yaml": FAIL_CGROUP_V1_OFF}),
                HostSpec("fstab", files={"/etc/fstab": FSTAB}),
                HostSpec(
                    "unit",
                    files={"/etc/systemd/system/tmp.mount": UNIT},
                    prestart=(
                        "mkdir -p /etc/systemd/system/local-fs.target.wants",
                        "ln -s ../tmp.mount /etc/systemd/system/local-fs.target.wants/tmp.mount",
                    ),
                ),
            ]
        )
    except LabError as error:
        impossible(error)
    yield hosts
    hosts.stop()


def change(directory: Path, lab: Lab, profile: str, **hosts: str) -> Path:
    """A change file over these hosts: name -> role."""
    lines = [f"profile: {profile}", "ssh:", f"  config: {lab.ssh_config}", "hosts:"]
    lines += [f"  {name}: {{connection: 'ssh://{name}', roles: [{role}]}}" for name, role in hosts.items()]
    path = directory / f"{profile}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def not_clear(run: Result) -> dict[tuple[str, str], str]:
    """What was found, or could not be told."""
    return {key: outcome for key, outcome in run.outcomes.items() if outcome not in ("clear", "not-applicable")}


@pytest.fixture(scope="module")
def all_hosts(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One run over all standard hosts, and over every login shell."""
    hosts = ",".join([*lab.hosts, *LOGINS])
    args = ("--profile", "linux-node", f"--hosts={hosts}", f"--ssh-config={lab.ssh_config}")
    with lab.entered():
        return preflight(*args, cwd=tmp_path_factory.mktemp("all"))


class TestLinuxNode:
    @pytest.mark.real("os-tmp-noexec", "os-kernel-too-old", "os-centos-repos")
    def test_finds_what_is_wrong_and_nothing_else(self, lab: Lab, all_hosts: Result) -> None:
        wanted = {(hazard, host): "clear" for hazard in LINUX for host in (*lab.hosts, *LOGINS)}
        wanted.update({(LINUX[2], host): "not-applicable" for host in (*lab.hosts, *LOGINS)})
        assert all_hosts.outcomes == wanted | WRONG

    def test_says_no_go(self, all_hosts: Result) -> None:
        assert all_hosts.code == 1
        assert all_hosts.report["verdict"] == "no-go"
        assert all_hosts.report["reasons"] == ["3 blocking hazards"]
        assert "NO-GO: 3 blocking hazards" in all_hosts.out

    def test_shows_the_lines_that_decided(self, all_hosts: Result) -> None:
        finding = all_hosts.finding("os-tmp-noexec", "noexec")
        (evidence,) = finding["evidence"]
        assert (evidence["subject"], evidence["read"]) == ("noexec", "cat /proc/self/mounts")
        assert [line.split()[1] for line in evidence["lines"]] == ["/tmp"]
        assert "noexec" in evidence["lines"][0]
        assert "mount -o remount,exec /tmp" in finding["remedy"]
        assert "プリフライト" in finding["source"]
        assert evidence["lines"][0] in all_hosts.out

    @pytest.mark.parametrize("login", LOGINS)
    def test_every_login_shell(self, all_hosts: Result, login: str) -> None:
        assert all_hosts.on(login) == dict(zip(LINUX, ("clear", "clear", "not-applicable"), strict=True))

    def test_writes_every_report(self, all_hosts: Result) -> None:
        assert {"preflight.html", "preflight.json", "preflight.junit.xml", "preflight.md"} <= all_hosts.texts.keys()
        assert not [name for name, text in all_hosts.texts.items() if "Traceback" in text]


def test_a_healthy_host_alone_is_a_go(lab: Lab, tmp_path: Path) -> None:
    run = preflight("--profile", "linux-node", "--hosts=debian", f"--ssh-config={lab.ssh_config}", cwd=tmp_path)
    assert (run.code, run.report["verdict"]) == (0, "go"), run
    assert run.report["coverage"]["examined"] == 2
    assert "\nGO: 2 clear, nothing blocks" in run.out


class TestCgroups:
    @pytest.mark.real("k8s-cgroup-v1")
    def test_kubernetes_1_35_needs_cgroup_v2(self, lab: Lab, tmp_path: Path) -> None:
        file = change(tmp_path, lab, "kubernetes-1.35", v1="worker", v2="control-plane", hybrid="worker")
        run = preflight("--change", file, "--examine=hosts", cwd=tmp_path)
        found = {host: run.on(host)["k8s-cgroup-v1"] for host in ("v1", "v2", "hybrid")}
        assert found == {"v1": "hazard", "v2": "clear", "hybrid": "hazard"}
        assert run.code == 1
        assert run.finding("k8s-cgroup-v1", "v1")["severity"] == "blocker"
        assert run.report["scope"] == "hosts only"
        assert "HOSTS ONLY" in run.out
        left_out = {one["hazard"]: one["reason"] for one in run.report["coverage"]["not_examined"]}
        of_clusters = ("k8s-zombie-node", "k8s-zombie-singleton")
        assert left_out == dict.fromkeys(of_clusters, "--examine hosts")

    def test_a_kubelet_that_permits_cgroup_v1(self, more: Lab, tmp_path: Path) -> None:
        file = change(tmp_path, more, "kubernetes-1.35", permitted="worker")
        with more.entered():
            run = preflight("--change", file, "--examine=hosts", cwd=tmp_path)
        assert run.on("permitted")["k8s-cgroup-v1"] == "clear", run
        assert (run.code, run.report["verdict"]) == (0, "go"), run

    @pytest.mark.real("abm-cgroup-v2")
    def test_bare_metal_1_6_needs_cgroup_v1(self, lab: Lab, tmp_path: Path) -> None:
        hosts = {"v1": "worker", "v2": "control-plane", "hybrid": "worker", "debian": "workstation"}
        run = preflight(
            "--change", change(tmp_path, lab, "anthos-bare-metal-1.6", **hosts), "--examine=hosts", cwd=tmp_path
        )
        found = {host: run.on(host).get("abm-cgroup-v2") for host in hosts}
        assert found == {"v1": "clear", "v2": "hazard", "hybrid": "clear", "debian": None}
        assert run.code == 1

    def test_later_bare_metal_does_not(self, lab: Lab, tmp_path: Path) -> None:
        file = change(tmp_path, lab, "anthos-bare-metal-1.7", v2="control-plane", debian="workstation")
        run = preflight("--change", file, "--examine=hosts", "--upgrade-from=1.6.2", cwd=tmp_path)
        finding = run.finding("abm-cgroup-v2", "v2")
        assert (finding["outcome"], finding["message"]) == ("not-applicable", "to 1.7 is not <1.7")
        assert {"hazard": "abm-cgroup-v2", "subject": "v2", "reason": "to 1.7 is not <1.7"} in run.report["coverage"][
            "not_applicable"
        ]
        # Nothing is wrong; yet without its clusters a machine of theirs is no go.
        assert not_clear(run) == {
            ("abm-application-default-credentials", "debian"): "unknown",
            ("abm-registry-mirror-auditproxy", "fleet"): "unknown",
            ("abm-reset-leftovers", "v2"): "unknown",
            ("abm-usr-local-bin-path", "v2"): "unknown",
        }
        assert (run.code, run.report["verdict"]) == (10, "incomplete"), run

    @pytest.mark.real("abm-tmp-noexec", "abm-centos-repos", "abm-kernel-too-old")
    def test_bare_metal_finds_what_is_a_hazard_anywhere_under_its_own_ids(self, lab: Lab, tmp_path: Path) -> None:
        hosts = {"noexec": "workstation", "centos": "worker", "oldkernel": "control-plane"}
        file = change(tmp_path, lab, "anthos-bare-metal-1.8", **hosts)
        run = preflight("--change", file, "--examine=hosts", "--upgrade-to=1.8.1", cwd=tmp_path)
        wrong = {
            ("abm-tmp-noexec", "noexec"): "hazard",
            ("abm-centos-repos", "centos"): "hazard",
            ("abm-kernel-too-old", "oldkernel"): "hazard",
        }
        mine = {hazard for hazard, _ in wrong}
        found = {key: said for key, said in run.outcomes.items() if key[0] in mine and said == "hazard"}
        assert found == wrong
        assert run.code == 1

    def test_what_only_clusters_tell_is_not_examined(self, lab: Lab, tmp_path: Path) -> None:
        file = change(tmp_path, lab, "anthos-bare-metal-1.9", v1="worker", debian="workstation")
        run = preflight("--change", file, "--examine=hosts", "--upgrade-from=1.8.3", cwd=tmp_path)
        left_out = {one["hazard"] for one in run.report["coverage"]["not_examined"]}
        assert "abm-cluster-ip-overlap" in left_out  # of the fleet, but made of clusters only
        assert run.outcomes["abm-bootstrap-cidr-overlap", "fleet"] == "clear"  # of clusters, and of hosts too
        assert not_clear(run) == {
            ("abm-application-default-credentials", "debian"): "unknown",
            ("abm-reset-leftovers", "v1"): "unknown",
        }
        assert (run.code, run.report["verdict"]) == (10, "incomplete"), run


@pytest.mark.real("os-tmp-noexec")
def test_what_comes_back_at_the_next_boot_is_a_warning(more: Lab, tmp_path: Path) -> None:
    with more.entered():
        args = ("--profile", "linux-node", "--hosts=fstab,unit", f"--ssh-config={more.ssh_config}")
        run = preflight(*args, cwd=tmp_path)
        strict = preflight(*args, "--strict", cwd=tmp_path, reports="strict")
    assert (run.code, run.report["verdict"]) == (0, "go"), run
    for host, path, line in (
        ("fstab", "/etc/fstab", FSTAB),
        ("unit", "/etc/systemd/system/tmp.mount", UNIT.splitlines()[-1]),
    ):
        finding = run.finding("os-tmp-noexec", host)
        assert finding["outcome"] == "warning"
        assert path in finding["message"]
        assert "next boot" in finding["message"]
        assert [text for one in finding["evidence"] for text in one["lines"]] == [line.strip()]
    assert (strict.code, strict.report["verdict"]) == (1, "no-go"), strict


class TestDeadAddress:
    DEAD = "10.77.200.200"

    @pytest.fixture(scope="class")
    @classmethod
    def run(cls, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Result:
        hosts = f"debian,{cls.DEAD},noexec"
        args = ("--profile", "linux-node", f"--hosts={hosts}", f"--ssh-config={lab.ssh_config}")
        with lab.entered():
            return preflight(*args, cwd=tmp_path_factory.mktemp("dead"))

    def test_its_hazards_are_unknown_and_the_others_complete(self, run: Result) -> None:
        assert run.on(self.DEAD) == dict.fromkeys(LINUX, "unknown")
        assert {(one["hazard"], one["subject"]) for one in run.report["coverage"]["unknown"]} == {
            (hazard, self.DEAD) for hazard in LINUX
        }
        assert run.on("debian") == dict(zip(LINUX, ("clear", "clear", "not-applicable"), strict=True))
        assert run.on("noexec") == dict(zip(LINUX, ("hazard", "clear", "not-applicable"), strict=True))

    def test_a_hazard_elsewhere_still_says_no(self, run: Result) -> None:
        assert (run.code, run.report["verdict"]) == (1, "no-go")
        assert run.report["reasons"] == ["1 blocking hazard", "3 unknown"]

    def test_without_one_the_run_is_incomplete(self, lab: Lab, tmp_path: Path) -> None:
        args = ("--profile", "linux-node", f"--hosts=debian,{self.DEAD}", f"--ssh-config={lab.ssh_config}")
        run = preflight(*args, cwd=tmp_path)
        assert (run.code, run.report["verdict"]) == (10, "incomplete"), run
        assert f"{self.DEAD} port 22" in run.finding(LINUX[0], self.DEAD)["message"]
