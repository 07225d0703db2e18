"""Hazards of a Linux machine, on whatever platform: /tmp, kernel, package repositories, control groups."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace

import pytest

from conformance.facts.linux import kubelet_config
from conformance.findings import Outcome
from conformance.packs import load_checks
from tests.hazards.evaluating import evaluate, findings, library
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import DENIED, Api, Machine, Said

NOEXEC = ("abm-tmp-noexec", "os-tmp-noexec")
KERNEL = ("abm-kernel-too-old", "os-kernel-too-old")
REPOSITORIES = ("abm-centos-repos", "os-centos-repos")
#: Versions for which the hazard applies; without them those of the platform are not known.
UPGRADES = {
    "abm-kernel-too-old": ("1.8.0", "1.8.1"),
    "abm-cgroup-v2": ("1.5.0", "1.6.0"),
    "k8s-cgroup-v1": ("1.34.2", "1.35.0"),
}


def on_node(hazard, machine=None, *, upgrade=None, **world):
    upgrade = upgrade or UPGRADES.get(hazard)
    return evaluate(hazard, hosts={"wk-1": machine or Machine()}, upgrade=upgrade, **world)


# -- /tmp --------------------------------------------------------------------------------------------------------

ROOT = "/dev/sda1 / ext4 rw,relatime 0 0\n"
PROC = "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n"
DENYING = "tmpfs /tmp tmpfs rw,nosuid,nodev,noexec,relatime 0 0"
ALLOWING = "tmpfs /tmp tmpfs rw,nosuid,nodev,relatime 0 0"
UNIT = "[Mount]\nWhat=tmpfs\nWhere=/tmp\nType=tmpfs\nOptions=mode=1777,strictatime,nosuid,nodev{}\n"
OWN_UNIT = "/etc/systemd/system/tmp.mount"
VENDOR_UNIT = "/usr/lib/systemd/system/tmp.mount"
WANTED = "/etc/systemd/system/local-fs.target.wants/tmp.mount"


def mounted(*lines, **files):
    return Machine(files={"/proc/self/mounts": "\n".join([*lines, ""]).replace("\n\n", "\n"), **files})


@proves(*NOEXEC, kind=PRESENT, says=["/tmp is mounted with noexec", "tmpfs"], line=DENYING, remedy="remount,exec /tmp")
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((PROC, ROOT, DENYING), id="plain"),
        pytest.param((PROC, ROOT, ALLOWING, DENYING), id="mounted twice, the last one wins"),
        pytest.param((PROC, DENYING, ROOT), id="root listed late, as after an initial RAM disk"),
    ],
)
def test_tmp_is_noexec(hazard, lines):
    return on_node(hazard, mounted(*lines))


@proves(
    *NOEXEC, kind=PRESENT, says=["/, which holds /tmp,"], line="/dev/sda1 / ext4 rw,noexec", remedy="remount,exec /"
)
def test_tmp_is_no_mount_of_its_own_and_the_root_is_noexec(hazard):
    return on_node(hazard, mounted(PROC, "/dev/sda1 / ext4 rw,noexec 0 0"))


LINK = {"readlink -f /tmp": "/var/tmp\n"}
VAR_TMP = "tmpfs /var/tmp tmpfs rw,noexec 0 0\n"


@proves(*NOEXEC, kind=PRESENT, says=["/var/tmp, which holds /tmp (a link to /var/tmp)"], line=VAR_TMP.strip())
def test_tmp_is_a_link_to_where_noexec_is(hazard):
    return on_node(hazard, replace(mounted(ROOT, ALLOWING, VAR_TMP), says=LINK))


@proves(*NOEXEC, kind=ABSENT)
def test_tmp_is_a_link_to_elsewhere(hazard):
    return on_node(hazard, replace(mounted(ROOT, DENYING, **{"/etc/fstab": f"{DENYING}\n"}), says=LINK))


@proves(*NOEXEC, kind=LOWERED, says=["at the next boot", "/etc/fstab line 1"], line=VAR_TMP.strip())
def test_fstab_brings_noexec_back_where_tmp_leads_to(hazard):
    return on_node(hazard, Machine(files={"/etc/fstab": VAR_TMP}, says=LINK))


@proves(*NOEXEC, kind=PRESENT, says=["/tmp is mounted with noexec"], line="noexec")
def test_noexec_now_outweighs_a_clean_fstab(hazard):
    return on_node(hazard, mounted(ROOT, DENYING, **{"/etc/fstab": "tmpfs /tmp tmpfs defaults 0 0\n"}))


@proves(*NOEXEC, kind=ABSENT)
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((PROC, ROOT), id="no mount of its own"),
        pytest.param((PROC, ROOT, ALLOWING), id="a mount without noexec"),
        pytest.param((ROOT, DENYING, ALLOWING), id="mounted twice, the last one wins"),
        pytest.param((ROOT, "tmpfs /var/tmp tmpfs rw,noexec 0 0"), id="another directory's noexec"),
        pytest.param((ROOT, "tmpfs /tmp/upload tmpfs rw,noexec 0 0"), id="below /tmp only"),
        pytest.param((ROOT, "tmpfs /tmpfiles tmpfs rw,noexec 0 0"), id="a name that begins alike"),
        pytest.param((ROOT, "noexec /tmp ext4 rw 0 0"), id="a device of that name"),
    ],
)
def test_tmp_allows_exec(hazard, lines):
    return on_node(hazard, mounted(*lines))


@proves(*NOEXEC, kind=LOWERED, says=["at the next boot", "/etc/fstab line 2"], line="tmpfs  /tmp", remedy="/etc/fstab")
@pytest.mark.parametrize("options", ["noexec", "nodev,noexec", "user", "defaults,users"])
def test_fstab_brings_noexec_back(hazard, options):
    return on_node(
        hazard, Machine(files={"/etc/fstab": f"UUID=1 / ext4 defaults 0 1\ntmpfs  /tmp\ttmpfs {options} 0 0\n"})
    )


@proves(*NOEXEC, kind=LOWERED, says=["at the next boot", "/etc/fstab line 1"], line="UUID=1 / ext4 noexec")
def test_fstab_brings_noexec_back_for_the_root_that_holds_tmp(hazard):
    return on_node(hazard, Machine(files={"/etc/fstab": "UUID=1 / ext4 noexec 0 1\n"}))


@proves(*NOEXEC, kind=LOWERED, says=["at the next boot"], line="noexec")
@pytest.mark.parametrize(
    "files",
    [
        pytest.param({OWN_UNIT: UNIT.format(",noexec")}, id="own tmp.mount"),
        pytest.param({VENDOR_UNIT: UNIT.format(",noexec"), WANTED: ""}, id="vendor's tmp.mount, wanted by a target"),
        pytest.param(
            {VENDOR_UNIT: UNIT.format(""), WANTED: "", f"{OWN_UNIT}.d/10-hard.conf": "[Mount]\nOptions=noexec\n"},
            id="a drop-in",
        ),
        pytest.param({OWN_UNIT: UNIT.format(",\\\n  noexec")}, id="on a continued line"),
    ],
)
def test_systemd_brings_noexec_back(hazard, files):
    return on_node(hazard, Machine(files=files))


@proves(*NOEXEC, kind=ABSENT)
@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"/etc/fstab": "#tmpfs /tmp tmpfs noexec 0 0\n"}, id="commented"),
        pytest.param({"/etc/fstab": "tmpfs /tmp tmpfs user,exec 0 0\n"}, id="exec takes it back"),
        pytest.param({"/etc/fstab": "tmpfs /tmp tmpfs noexec,noauto 0 0\n"}, id="not mounted at boot"),
        pytest.param({"/etc/fstab": None}, id="no fstab at all"),
        pytest.param({"/etc/fstab": "tmpfs /var/tmp tmpfs noexec 0 0\n"}, id="another directory"),
        pytest.param({OWN_UNIT: ""}, id="masked"),
        pytest.param({OWN_UNIT: "", VENDOR_UNIT: UNIT.format(",noexec"), WANTED: ""}, id="masked, and wanted"),
        pytest.param({VENDOR_UNIT: UNIT.format(",noexec")}, id="vendor's, wanted by nobody"),
        pytest.param({OWN_UNIT: UNIT.format(""), VENDOR_UNIT: UNIT.format(",noexec")}, id="own replaces vendor's"),
        pytest.param({OWN_UNIT: UNIT.format("") + "#Options=noexec\n"}, id="commented in the unit"),
    ],
)
def test_the_next_boot_brings_nothing_back(hazard, files):
    return on_node(hazard, Machine(files=files))


@proves(*NOEXEC, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_a_node_of_a_cluster_that_stays(hazard):
    clusters = {"prod": Api(upgrade="none")}
    return evaluate(hazard, hosts={"wk-1": Machine(cluster="prod")}, clusters=clusters)


@proves(*NOEXEC, kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(Machine(files={"/proc/self/mounts": None}), id="no /proc"),
        pytest.param(Machine(files={"/proc/self/mounts": DENIED}), id="mounts denied"),
        pytest.param(Machine(files={"/proc/self/mounts": ""}), id="no mount at all"),
        pytest.param(Machine(files={"/proc/self/mounts": "<html>Log in</html>\n"}), id="no mount table"),
        pytest.param(Machine(files={"/proc/self/mounts": PROC}), id="a table without a root"),
        pytest.param(Machine(files={"/etc/fstab": DENIED}), id="fstab denied"),
        pytest.param(Machine(files={"/etc": DENIED}), id="a folder above denied"),
        pytest.param(Machine(files={"/etc/systemd/system": DENIED}), id="units denied"),
        pytest.param(Machine(files={"/etc/systemd/system/tmp.mount": DENIED}), id="one unit denied"),
        pytest.param(Machine(files={"/etc/systemd/system/tmp.mount.d": DENIED}), id="drop-ins denied"),
        pytest.param(Machine(broken={"*": "unreachable"}), id="unreachable"),
        pytest.param(Machine(broken={"cat /proc/self/mounts": "cut-off"}), id="cut off"),
        pytest.param(Machine(broken={"cat /etc/fstab": "timed-out"}), id="timed out"),
    ],
)
def test_tmp_cannot_be_known(hazard, machine):
    return on_node(hazard, machine)


def test_the_workstation_counts_for_tmp_and_kernel_and_not_for_repositories():
    hosts = {"station": Machine(roles=("workstation",)), "wk-1": Machine(roles=("worker",))}
    versions = ("1.8.0", "1.8.1")
    assert set(findings("abm-tmp-noexec", hosts=hosts, upgrade=versions)) == {"station", "wk-1"}
    assert set(findings("abm-kernel-too-old", hosts=hosts, upgrade=versions)) == {"station", "wk-1"}
    assert set(findings("abm-centos-repos", hosts=hosts, upgrade=versions)) == {"wk-1"}
    assert set(findings("abm-cgroup-v2", hosts=hosts, upgrade=("1.5", "1.6.0"))) == {"wk-1"}


# -- kernel ------------------------------------------------------------------------------------------------------


@proves(*KERNEL, kind=PRESENT, says=["4.17.0"])
@pytest.mark.parametrize(
    "text",
    ["4.15.0-20-generic", "4.9.0-19-amd64", "3.10.0-1160.el7.x86_64", "4.17.0-rc1", "4.16.18", "2.6.32-754.el6.x86_64"],
)
def test_an_old_kernel(hazard, text):
    finding = on_node(hazard, Machine(says={"uname -r": f"{text}\n"}))
    assert text in finding.message
    assert finding.evidence[0].lines == (text,)
    return finding


@proves(*KERNEL, kind=ABSENT)
@pytest.mark.parametrize(
    "text",
    [
        *(
            "4.17.0",
            "4.17",
            "4.18.0-305.el8.x86_64",
            "5.4.0-1103-aws",
            "6.1.0-13-amd64",
            "5.15.167.4-WSL2",
            "4.17.1-rc1",
        ),
        "5.4.0+",
    ],
)
def test_a_kernel_that_is_new_enough(hazard, text):
    return on_node(hazard, Machine(says={"uname -r": f"{text}\n"}))


@proves(*KERNEL, kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(Machine(says={"uname -r": "Linux\n"}), id="no version"),
        pytest.param(Machine(says={"uname -r": ""}), id="nothing"),
        pytest.param(Machine(says={"uname -r": Said("4.15.0\n", "broken pipe", 1)}), id="failed"),
        pytest.param(Machine(broken={"uname -r": "timed-out"}), id="timed out"),
    ],
)
def test_the_kernel_cannot_be_known(hazard, machine):
    return on_node(hazard, machine)


@proves("abm-kernel-too-old", kind=NOT_APPLICABLE, says=["is not >=1.8.1,<1.8.3"])
@pytest.mark.parametrize("target", ["1.8.0", "1.8.3", "1.7", "1.9", "1.8.3-gke.1", "1.10"])
def test_kernels_of_other_targets(hazard, target):
    return on_node(hazard, Machine(says={"uname -r": "4.15.0\n"}), upgrade=("1.7.0", target))


@proves("abm-kernel-too-old", kind=PRESENT, says=["4.15.0"])
@pytest.mark.parametrize("target", ["1.8.1", "1.8.2", "1.8.2-gke.5", "1.8"])
def test_kernels_of_targets_in_the_range(hazard, target):
    finding = on_node(hazard, Machine(says={"uname -r": "4.15.0\n"}), upgrade=("1.7.0", target))
    assert ("may or may not be" in finding.message) == (target == "1.8")
    return finding


@proves("os-kernel-too-old", kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_the_kernel_of_a_cluster_that_stays(hazard):
    hosts = {"wk-1": Machine(cluster="prod", says={"uname -r": "4.15.0\n"})}
    return evaluate(hazard, hosts=hosts, clusters={"prod": Api(upgrade="none")})


@proves("os-kernel-too-old", kind=PRESENT, says=["5.15.0-105-generic", "5.16"])
def test_the_minimum_is_a_parameter(hazard):
    return on_node(hazard, parameters={"minimum-kernel": "5.16"})


@proves("os-kernel-too-old", kind=ABSENT)
def test_a_lower_minimum(hazard):
    return on_node(hazard, Machine(says={"uname -r": "3.10.0-1160.el7\n"}), parameters={"minimum-kernel": "3.10"})


def test_the_minimum_of_the_platform_is_nobody_s_to_set():
    from conformance.documents import InvalidDocument

    with pytest.raises(InvalidDocument, match="minimum-kernel"):
        on_node("abm-kernel-too-old", parameters={"minimum-kernel": "3.10"})


# -- package repositories ----------------------------------------------------------------------------------------

CENTOS = 'NAME="CentOS Linux"\nVERSION="8"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Linux 8"\n'
STREAM = 'NAME="CentOS Stream"\nVERSION="8"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Stream 8"\n'
ROCKY = (
    'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="8.5"\nPRETTY_NAME="Rocky Linux 8.5"\n'
)
REPO = "/etc/yum.repos.d/CentOS-Linux-BaseOS.repo"
DEAD = """\
[baseos]
name=CentOS Linux $releasever - BaseOS
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=BaseOS&infra=$infra
#baseurl=http://mirror.centos.org/$contentdir/$releasever/BaseOS/$basearch/os/
gpgcheck=1
enabled=1
"""


def centos(*texts, os_release=CENTOS, **files):
    repositories = {f"/etc/yum.repos.d/{number}.repo": text for number, text in enumerate(texts)}
    return Machine(files={"/etc/os-release": os_release, **repositories, **files})


@proves(
    *REPOSITORIES, kind=PRESENT, says=["baseos", "/etc/yum.repos.d/CentOS-Linux-BaseOS.repo"], line="mirrorlist=http"
)
def test_repositories_as_centos_8_ships_them(hazard):
    finding = on_node(hazard, centos(**{REPO: DEAD}))
    assert "#baseurl" not in str(finding.evidence)
    assert REPO in finding.remedy
    return finding


@proves(*REPOSITORIES, kind=PRESENT, says=["(/etc/yum.repos.d/0.repo)"], line="http")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "[base]\nbaseurl=http://mirror.centos.org/centos/$releasever/os/$basearch/\n", id="enabled by default"
        ),
        pytest.param("[base]\nbaseurl=https://Mirror.CentOS.org./centos/\nenabled=true\n", id="case, final dot, https"),
        pytest.param(
            "[base]\nbaseurl = http://mirror.centos.org:80/$contentdir/\nenabled = yes\n", id="blanks and port"
        ),
        pytest.param(
            "[base]\nbaseurl=http://mirror.corp/\n  http://mirror.centos.org/centos/\n", id="on a second line"
        ),
        pytest.param("[base]\nmetalink=http://mirrorlist.centos.org/?repo=os\n", id="metalink"),
        pytest.param(
            "[off]\nenabled=0\nbaseurl=http://a/\n[base]\nmirrorlist=http://mirrorlist.centos.org/\n",
            id="second section",
        ),
        pytest.param("\ufeff[base]\nmirrorlist=http://mirrorlist.centos.org/\n", id="behind a byte order mark"),
    ],
)
def test_dead_repositories_in_other_spellings(hazard, text):
    return on_node(hazard, centos(text))


def test_every_dead_repository_is_named_once():
    finding = on_node(
        "abm-centos-repos", centos(DEAD, DEAD.replace("baseos", "extras"), "[ok]\nbaseurl=http://mirror.corp/\n")
    )
    assert finding.message.count("baseos (") == finding.message.count("extras (") == 1
    assert "ok (" not in finding.message


@proves(*REPOSITORIES, kind=ABSENT)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DEAD.replace("enabled=1", "enabled=0"), id="enabled=0"),
        pytest.param(DEAD.replace("enabled=1", "enabled=False"), id="enabled=False"),
        pytest.param(DEAD.replace("mirrorlist=", "#mirrorlist=") + "baseurl=file:///srv/repo\n", id="commented"),
        pytest.param("[base]\nbaseurl=http://vault.centos.org/8.5.2111/BaseOS/$basearch/os/\n", id="vault"),
        pytest.param("[base]\nbaseurl=http://mirror.centos.org.corp.example/centos/\n", id="a host that begins alike"),
        pytest.param("[base]\nbaseurl=http://mymirror.centos.org/centos/\n", id="a host that ends alike"),
        pytest.param(
            "[base]\nbaseurl=http://mirror.corp/mirror.centos.org/centos/\n", id="a mirror in the company network"
        ),
        pytest.param("[base]\nname=was at mirrorlist.centos.org\nbaseurl=file:///srv/repo\n", id="only in the name"),
        pytest.param("[base]\nbaseurl=http://mirror.stream.centos.org/\n", id="another host of centos.org"),
    ],
)
def test_repositories_that_live(hazard, text):
    return on_node(hazard, centos(text))


MIRRORLIST = "mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=AppStream\n"
SEVEN = 'NAME="CentOS Linux"\nVERSION="7 (Core)"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="7"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n'


def mended(finding, directory, text):
    """The file of the repositories after the commands of the remedy were pasted."""
    file = directory / "the file.repo"
    file.write_text(text)
    lines = [one for one in finding.remedy.splitlines() if one.startswith("  ")]
    script = "\n".join(lines).replace(REPO, shlex.quote(str(file)))
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    assert not done.stderr
    assert (directory / "the file.repo.bak").read_text() == text
    return file.read_text()


@proves(*REPOSITORIES, kind=ABSENT)
@pytest.mark.parametrize(
    ("text", "then"),
    [
        pytest.param(
            DEAD,
            DEAD.replace("mirrorlist=", "#mirrorlist=").replace("#baseurl=http://mirror", "baseurl=http://vault"),
            id="as shipped",
        ),
        pytest.param(
            f"[a]\n{MIRRORLIST}# baseurl=http://mirror.centos.org/x/\n",
            f"[a]\n#{MIRRORLIST}baseurl=http://vault.centos.org/x/\n",
            id="a blank behind the #",
        ),
        pytest.param(
            f"[a]\n{MIRRORLIST}#baseurl : https://Mirror.CentOS.org/x/\n",
            f"[a]\n#{MIRRORLIST}baseurl : https://vault.centos.org/x/\n",
            id="blanks and a colon",
        ),
        pytest.param(
            f"[a]\n{MIRRORLIST}#baseurl=http://vault.centos.org/x/\n",
            f"[a]\n#{MIRRORLIST}baseurl=http://vault.centos.org/x/\n",
            id="the archive in a comment",
        ),
        pytest.param(
            "[a]\nbaseurl = http://mirror.centos.org/x/\n", "[a]\nbaseurl = http://vault.centos.org/x/\n", id="blanks"
        ),
        pytest.param(
            "[a]\nbaseurl: https://me@MIRROR.centos.org:443/x/\n",
            "[a]\nbaseurl: https://me@vault.centos.org:443/x/\n",
            id="https, user and port",
        ),
        pytest.param(
            "[a]\nbaseurl=http://repo.corp/\n  http://mirror.centos.org/x/,http://mirror.centos.org/y/\n",
            "[a]\nbaseurl=http://repo.corp/\n  http://vault.centos.org/x/,http://vault.centos.org/y/\n",
            id="several",
        ),
        pytest.param(
            f"[a]\n{MIRRORLIST}baseurl=http://vault.centos.org/x/\n",
            f"[a]\n#{MIRRORLIST}baseurl=http://vault.centos.org/x/\n",
            id="half mended",
        ),
        pytest.param(
            f"[internal]\nmirrorlist=https://repo.corp/ml\n#baseurl=http://mirror.centos.org/x/\n[a]\n{MIRRORLIST}#baseurl=http://mirror.centos.org/x/\n",
            f"[internal]\nmirrorlist=https://repo.corp/ml\n#baseurl=http://mirror.centos.org/x/\n[a]\n#{MIRRORLIST}baseurl=http://vault.centos.org/x/\n",
            id="a company's own beside it",
        ),
        pytest.param(
            f"[a]\nenabled=0\n{MIRRORLIST}[b]\n{MIRRORLIST}baseurl=http://a/\n",
            f"[a]\nenabled=0\n{MIRRORLIST}[b]\n#{MIRRORLIST}baseurl=http://a/\n",
            id="one that is off beside it",
        ),
        pytest.param(
            f"[a]\n{MIRRORLIST}",
            f"[a]\nbaseurl=http://vault.centos.org/centos/$releasever/AppStream/$basearch/os/\n#{MIRRORLIST}",
            id="no baseurl at all",
        ),
        pytest.param(
            f"[a]\n#{MIRRORLIST}",
            f"[a]\nbaseurl=http://vault.centos.org/centos/$releasever/AppStream/$basearch/os/\n#{MIRRORLIST}",
            id="no URL at all",
        ),
        pytest.param(
            f"[a]\n#{MIRRORLIST}; baseurl=http://mirror.centos.org/x/\n",
            f"[a]\n#{MIRRORLIST}baseurl=http://vault.centos.org/x/\n",
            id="all in comments",
        ),
        pytest.param(
            f"[a]\n{MIRRORLIST}#baseurl=http://repo.corp/x/\n",
            f"[a]\nbaseurl=http://vault.centos.org/centos/$releasever/AppStream/$basearch/os/\n#{MIRRORLIST}#baseurl=http://repo.corp/x/\n",
            id="another's in a comment",
        ),
        pytest.param(
            f"[a]\nname=x\n[a.b*c]\n{MIRRORLIST}[a]\nbaseurl=http://a/\n",
            f"[a]\nname=x\n[a.b*c]\nbaseurl=http://vault.centos.org/centos/$releasever/AppStream/$basearch/os/\n#{MIRRORLIST}[a]\nbaseurl=http://a/\n",
            id="a name of special characters",
        ),
    ],
)
def test_the_remedy_brings_repositories_to_life(hazard, tmp_path, text, then):
    finding = on_node(hazard, centos(**{REPO: text}))
    assert finding.outcome is Outcome.HAZARD
    assert mended(finding, tmp_path, text) == then
    return on_node(hazard, centos(**{REPO: then}))


@proves(*REPOSITORIES, kind=ABSENT)
def test_the_remedy_of_centos_7(hazard, tmp_path):
    text = "[updates]\nmirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=updates\n"
    finding = on_node(hazard, centos(**{REPO: text}, os_release=SEVEN))
    then = mended(finding, tmp_path, text)
    assert "baseurl=http://vault.centos.org/centos/$releasever/updates/$basearch/\n" in then
    return on_node(hazard, centos(**{REPO: then}, os_release=SEVEN))


@proves(
    *REPOSITORIES, kind=PRESENT, says=["have no URL at all", "baseos ("], line="CentOS-Linux-BaseOS.repo:1: [baseos]"
)
def test_a_repository_that_lost_its_only_url(hazard):
    return on_node(hazard, centos(**{REPO: DEAD.replace("mirrorlist=", "#mirrorlist=")}))


@proves(*REPOSITORIES, kind=PRESENT, says=["have no URL at all", "x ("], remedy="Write a baseurl into")
@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("[x]\nname=x\n", SEVEN),
        ("[x]\nname=x\nbaseurl=\n", SEVEN),
        ("[x]\n#baseurl=http://debuginfo.centos.org/\n", CENTOS),
    ],
)
def test_nobody_but_people_can_know_the_url(hazard, text, release):
    finding = on_node(hazard, centos(text, os_release=release))
    assert "sed " not in finding.remedy
    assert "baseurl=http://vault.centos.org/centos/$releasever/REPOSITORY/$basearch/" in finding.remedy
    return finding


@proves(*REPOSITORIES, kind=ABSENT)
def test_dnf_leaves_a_repository_without_a_url_out_that_is_somebody_elses(hazard):
    return on_node(hazard, centos("[x]\nname=x\n", "[y]\nbaseurl=http://a/\n"))


def test_the_remedy_without_a_machine_edits_what_centos_ships_and_nobody_elses(tmp_path):
    internal = "[internal]\nmirrorlist=https://repo.corp/ml\nbaseurl = https://mirror.centos.org/x/\n"
    for name, text in (("CentOS-Base.repo", DEAD), ("CentOS-x.repo", internal)):
        (tmp_path / name).write_text(text)
    hazard = next(
        one
        for pack in library().packs
        for check in load_checks(pack)
        for one in check.hazards
        if one.id == REPOSITORIES[0]
    )
    script = "\n".join(one for one in hazard.remedy.splitlines() if one.startswith("  "))
    subprocess.run(["sh", "-c", script.replace("/etc/yum.repos.d", shlex.quote(str(tmp_path)))], check=True)
    shipped = DEAD.replace("mirrorlist=", "#mirrorlist=").replace("#baseurl=http://mirror", "baseurl=http://vault")
    assert (tmp_path / "CentOS-Base.repo").read_text() == shipped
    assert (tmp_path / "CentOS-x.repo").read_text() == internal.replace("mirror.centos", "vault.centos")


@proves(*REPOSITORIES, kind=ABSENT)
def test_files_that_no_package_manager_reads(hazard):
    return on_node(hazard, centos("[ok]\nbaseurl=http://mirror.corp/\n", **{f"{REPO}.rpmsave": DEAD}))


@proves(*REPOSITORIES, kind=NOT_APPLICABLE)
@pytest.mark.parametrize("name", [STREAM, ROCKY, None])
def test_repositories_of_other_distributions(hazard, name):
    finding = on_node(hazard, centos(DEAD, os_release=name) if name else Machine(files={REPO: DEAD}))
    assert any(word in finding.message for word in ("CentOS Stream", "Rocky Linux 8.5", "Ubuntu 22.04.4 LTS"))
    return finding


@proves(*REPOSITORIES, kind=NOT_APPLICABLE, says=["Rocky Linux 8.5"])
def test_repositories_of_other_distributions_that_only_root_may_read(hazard):
    return on_node(hazard, centos(os_release=ROCKY, **{REPO: DENIED}))


@proves(*REPOSITORIES, kind=UNREADABLE)
@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"/etc/os-release": None}, id="no os-release"),
        pytest.param({"/etc/os-release": ""}, id="an empty os-release"),
        pytest.param({"/etc/os-release": DENIED}, id="os-release denied"),
        pytest.param({"/etc/yum.repos.d": DENIED}, id="folder denied"),
        pytest.param({REPO: DENIED}, id="one file denied"),
        pytest.param({REPO: "mirrorlist=http://mirrorlist.centos.org/\n"}, id="no such file of yum"),
    ],
)
def test_repositories_cannot_be_known(hazard, files):
    return on_node(hazard, centos("[ok]\nbaseurl=http://mirror.corp/\n", **files))


# -- control groups ----------------------------------------------------------------------------------------------

CONTROLLERS = "/sys/fs/cgroup/cgroup.controllers"
LEGACY = {
    CONTROLLERS: None,
    "/proc/self/mounts": f"{ROOT}tmpfs /sys/fs/cgroup tmpfs ro,nosuid,nodev,noexec,mode=755 0 0\n"
    "cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,nodev,noexec,relatime,memory 0 0\n",
}
HYBRID = {
    **LEGACY,
    "/sys/fs/cgroup/unified/cgroup.controllers": "\n",
    "/proc/self/mounts": f"{LEGACY['/proc/self/mounts']}cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\n",
}
UNIFIED = {CONTROLLERS: "cpuset cpu io memory hugetlb pids rdma misc\n"}


@proves("abm-cgroup-v2", kind=PRESENT, says=["/sys/fs/cgroup/cgroup.controllers exists"], line="cpuset cpu io memory")
@pytest.mark.parametrize("target", ["1.6.0", "1.6.2-gke.0", "1.6"])
def test_the_unified_hierarchy(hazard, target):
    return on_node(hazard, Machine(files=UNIFIED), upgrade=("1.5.0", target))


def test_the_unified_hierarchy_without_a_controller_is_one_all_the_same():
    finding = on_node("abm-cgroup-v2", Machine(files={CONTROLLERS: ""}))
    assert (finding.outcome, finding.evidence[0].read) == (Outcome.HAZARD, f"cat {CONTROLLERS}")


@proves("abm-cgroup-v2", kind=ABSENT)
@pytest.mark.parametrize("files", [LEGACY, HYBRID], ids=["legacy", "hybrid"])
def test_the_legacy_hierarchy(hazard, files):
    return on_node(hazard, Machine(files=files))


@proves("abm-cgroup-v2", kind=NOT_APPLICABLE, says=["is not <1.7"])
@pytest.mark.parametrize("target", ["1.7", "1.7.0", "1.7.0-rc1", "1.10.0"])
def test_the_unified_hierarchy_from_1_7_on(hazard, target):
    return on_node(hazard, Machine(files=UNIFIED), upgrade=("1.6.0", target))


@proves("abm-cgroup-v2", kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(Machine(files={CONTROLLERS: DENIED}), id="file denied"),
        pytest.param(Machine(files={**LEGACY, "/sys/fs/cgroup": DENIED}), id="folder denied"),
        pytest.param(Machine(broken={"*": "host-key"}), id="host key"),
    ],
)
def test_the_hierarchy_cannot_be_known(hazard, machine):
    return on_node(hazard, machine)


@proves("abm-cgroup-v2", "abm-kernel-too-old", kind=UNREADABLE, says=["--upgrade-to"])
def test_the_target_cannot_be_known(hazard):
    return on_node(hazard, upgrade=("1.5.0", None))


KUBELET = "/usr/bin/kubelet --config={0} \n== {0}\n{1}"
CONFIG = "/var/lib/kubelet/config.yaml"
KIND = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"


def kubelet(text=KIND, at=CONFIG, flags="", files=LEGACY, rc=0, stderr=""):
    said = Said(KUBELET.format(at, text).replace(" \n==", f" {flags}\n==", 1), stderr, rc)
    return Machine(files=files, says={kubelet_config: said})


@proves("k8s-cgroup-v1", kind=PRESENT, says=["cgroup v1", "1.35.0 will not start"])
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(kubelet(), id="legacy"),
        pytest.param(kubelet(files=HYBRID), id="hybrid"),
        pytest.param(kubelet(f"{KIND}failCgroupV1: true\n"), id="set to true"),
        pytest.param(kubelet(f"{KIND}#failCgroupV1: false\n"), id="commented"),
        pytest.param(kubelet(f"{KIND}failCgroupV1: null\n"), id="null"),
        pytest.param(kubelet(at="/etc/kubernetes/kubelet.conf"), id="--config elsewhere"),
        pytest.param(kubelet(f"{KIND}failCgroupV1: false\n", flags="--fail-cgroupv1 "), id="the command line wins"),
        pytest.param(kubelet("", rc=10), id="no configuration file"),
        pytest.param(
            kubelet(f"{KIND}failCgroupV1: false\n\n== /etc/k.d/9.conf\n{KIND}failCgroupV1: true\n"), id="a drop-in wins"
        ),
    ],
)
def test_cgroup_v1_and_the_kubelet_refuses_it(hazard, machine):
    return on_node(hazard, machine)


@proves("k8s-cgroup-v1", kind=ABSENT)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(kubelet(f"{KIND}failCgroupV1: false\n"), id="told to accept it"),
        pytest.param(kubelet(f"{KIND}failCgroupV1: false\n", at="/opt/kubelet.yaml"), id="told so elsewhere"),
        pytest.param(kubelet(flags="--fail-cgroupv1=false "), id="told so on the command line"),
        pytest.param(kubelet('{"kind": "KubeletConfiguration", "failCgroupV1": false}'), id="in JSON"),
        pytest.param(kubelet(f"{KIND}\n== /etc/k.d/9.conf\n{KIND}failCgroupV1: false\n"), id="told so in a drop-in"),
        pytest.param(kubelet(files=UNIFIED), id="cgroup v2"),
        pytest.param(kubelet(f"{KIND}failCgroupV1: true\n", files=UNIFIED), id="cgroup v2, and set"),
        pytest.param(
            kubelet("", rc=1, stderr=f"cat: {CONFIG}: Permission denied\n", files=UNIFIED), id="cgroup v2, and denied"
        ),
    ],
)
def test_the_kubelet_accepts_the_machine_s_cgroups(hazard, machine):
    return on_node(hazard, machine)


@proves("k8s-cgroup-v1", kind=NOT_APPLICABLE, says=["is not >=1.35"])
@pytest.mark.parametrize("target", ["1.34.9", "1.34", "1.35.0-rc.1", "1.9"])
def test_cgroup_v1_before_1_35(hazard, target):
    return on_node(hazard, kubelet(), upgrade=("1.33.0", target))


@proves("k8s-cgroup-v1", kind=PRESENT, says=["will not start"])
@pytest.mark.parametrize("target", ["1.35", "1.35.0", "1.36.1", "v1.35.2+k3s1", "2.0"])
def test_cgroup_v1_from_1_35_on(hazard, target):
    return on_node(hazard, kubelet(), upgrade=("1.34.0", target))


@proves("k8s-cgroup-v1", kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(kubelet("", rc=1, stderr=f"cat: {CONFIG}: Permission denied\n"), id="configuration denied"),
        pytest.param(kubelet("kind: Deployment\n"), id="another kind"),
        pytest.param(kubelet(f"{KIND}failCgroupV1: perhaps\n"), id="no boolean"),
        pytest.param(kubelet("{{{"), id="no YAML"),
        pytest.param(kubelet(files={CONTROLLERS: None, "/proc/self/mounts": ROOT}), id="no cgroups mounted"),
        pytest.param(kubelet(files={**LEGACY, CONTROLLERS: DENIED}), id="cgroups denied"),
        pytest.param(Machine(files=LEGACY), id="the kubelet cannot be asked"),
    ],
)
def test_the_kubelet_cannot_be_known(hazard, machine):
    return on_node(hazard, machine)


def test_evidence_names_the_read_that_decided():
    finding = on_node("abm-tmp-noexec", mounted(ROOT, DENYING))
    assert [(one.subject, one.read, one.lines) for one in finding.evidence] == [
        ("wk-1", "cat /proc/self/mounts", (DENYING,))
    ]
    assert finding.outcome is Outcome.HAZARD
