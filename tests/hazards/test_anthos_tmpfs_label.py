"""SELinux labels on tmpfs mounts, before RHEL 8.3."""

from __future__ import annotations

import pytest

from checks.anthos_bare_metal.facts_machines import abm_label_lines, abm_tmpfs_denials
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import DENIED, Machine, Said

LABEL = "abm-selinux-tmpfs-label"
KUBELET = (
    "2026-01-05T10:00:00+0000 n1 kubelet[811]: error setting label on mount source '/var/lib/kubelet/pods/6d94/volumes/"
    "kubernetes.io~secret/localpv-token-bpw5x': failed to set file label on /var/lib/kubelet/pods/6d94: permission denied\n"
)
AVC = (
    'type=AVC msg=audit(1627410995.808:9534): avc:  denied  { associate } for pid=20660 comm="dockerd" name="/" '
    'dev="tmpfs" ino=186492 scontext=system_u:object_r:container_file_t:s0:c61,c201 tclass=filesystem permissive=0\n'
)
NO_MATCH = Said(stderr="<no matches>\n", rc=1)
CENTOS = 'NAME="CentOS Linux"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Linux 8"\n'
STREAM = 'NAME="CentOS Stream"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Stream 8"\n'


def rhel(version: str) -> str:
    return f'NAME="Red Hat Enterprise Linux"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="{version}"\nPRETTY_NAME="RHEL {version}"\n'


def node(os_release=CENTOS, release="CentOS Linux release 8.2.2004 (Core) \n", enforce="1", **more):
    """A CentOS 8.2 with SELinux enforcing."""
    files = {"/etc/os-release": os_release, "/etc/redhat-release": release, "/sys/fs/selinux/enforce": enforce}
    told = {abm_label_lines: more.pop("journal", ""), abm_tmpfs_denials: more.pop("audit", NO_MATCH)}
    return Machine(files=files, says=told, roles=("worker",), **more)


def red_hat(version, **more):
    return node(rhel(version), f"Red Hat Enterprise Linux release {version} (Ootpa)\n", **more)


@proves(LABEL, kind=PRESENT, says=["8.2 is older than 8.3", "no log shows it"], line="release 8.2.2004", remedy="8.3")
def test_a_centos_whose_minor_stands_in_another_file(hazard):
    return evaluate(hazard, hosts={"n1": node()})


@proves(LABEL, kind=PRESENT, says=["is older than 8.3"], line="SELinux: enforcing")
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(red_hat("8.2"), id="RHEL 8.2"),
        pytest.param(red_hat("8.0"), id="RHEL 8.0"),
        pytest.param(red_hat("7.9"), id="RHEL 7.9"),
        pytest.param(node(rhel("8.2"), None), id="only os-release"),
        pytest.param(node(CENTOS.replace('"8"', '"7"'), "CentOS Linux release 7.9.2009 (Core)\n"), id="CentOS 7"),
        pytest.param(
            node(
                'NAME="Oracle Linux Server"\nID="ol"\nVERSION_ID="8.2"\n',
                "Red Hat Enterprise Linux release 8.2 (Ootpa)\n",
            ),
            id="built from it",
        ),
    ],
)
def test_releases_before_8_3(hazard, world):
    return evaluate(hazard, hosts={"n1": world})


@proves(
    LABEL,
    kind=PRESENT,
    says=["the kubelet's journal shows that it has happened"],
    line="error setting label",
    remedy="reboot",
)
def test_the_kubelet_says_that_it_has_happened(hazard):
    return evaluate(hazard, hosts={"n1": node(journal=KUBELET)})


@proves(LABEL, kind=PRESENT, says=["the audit log shows that it has happened"], line="{ associate }", remedy="reboot")
def test_the_audit_log_says_that_it_has_happened(hazard):
    return evaluate(hazard, hosts={"n1": node(audit=AVC)})


@proves(LABEL, kind=PRESENT, says=["the kubelet's journal and the audit log show"])
def test_both_say_so(hazard):
    return evaluate(hazard, hosts={"n1": node(audit=AVC, journal=KUBELET)})


@proves(LABEL, kind=PRESENT, says=["no log shows it"])
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"audit": AVC.replace("associate", "read")}, id="another denial"),
        pytest.param({"audit": AVC.replace("tmpfs", "sda1")}, id="of another file system"),
        pytest.param({"journal": KUBELET.replace("permission denied", "no such file")}, id="another error"),
    ],
)
def test_neighbours_in_the_logs(hazard, world):
    return evaluate(hazard, hosts={"n1": node(**world)})


@proves(LABEL, kind=PRESENT, says=["is older than 8.3", "could not be read"])
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"audit": Said(stderr="sudo: /sbin/ausearch: command not found\n", rc=1)}, id="no ausearch"),
        pytest.param(
            {"audit": Said(stderr="Error opening /var/log/audit/audit.log (Permission denied)\n", rc=1)}, id="audit"
        ),
        pytest.param({"journal": Said(stderr="No journal files were found.\n")}, id="journal"),
        pytest.param({"broken": {abm_label_lines: "timed-out", abm_tmpfs_denials: "timed-out"}}, id="both"),
    ],
)
def test_the_logs_only_make_it_certain(hazard, world):
    return evaluate(hazard, hosts={"n1": node(**world)})


@proves(LABEL, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(red_hat("8.3"), id="RHEL 8.3"),
        pytest.param(red_hat("8.10"), id="RHEL 8.10"),
        pytest.param(red_hat("9.0"), id="RHEL 9"),
        pytest.param(node(release="CentOS Linux release 8.3.2011\n"), id="CentOS 8.3"),
        pytest.param(node(STREAM, "CentOS Stream release 8\n"), id="CentOS Stream"),
        pytest.param(node(enforce="0"), id="permissive"),
        pytest.param(node(enforce=None), id="disabled"),
        pytest.param(node(enforce="0", journal=KUBELET, audit=AVC), id="permissive, was enforcing"),
        pytest.param(red_hat("8.4", audit=Said(rc=127, stderr="not found\n")), id="mended, no ausearch"),
    ],
)
def test_no_label_is_refused(hazard, world):
    return evaluate(hazard, hosts={"n1": world})


@proves(LABEL, kind=NOT_APPLICABLE, says=["not RHEL, CentOS"])
@pytest.mark.parametrize(
    "os_release",
    [
        'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="18.04"\n',
        'NAME="Fedora Linux"\nID=fedora\nVERSION_ID="33"\n',
        'NAME="Amazon Linux"\nID="amzn"\nID_LIKE="centos rhel fedora"\nVERSION_ID="2"\n',
    ],
)
def test_other_distributions(hazard, os_release):
    return evaluate(hazard, hosts={"n1": node(os_release, None, journal=KUBELET)})


@proves(LABEL, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(node(None), id="no os-release"),
        pytest.param(node(DENIED), id="os-release denied"),
        pytest.param(node(release=None), id="CentOS 8 of no minor"),
        pytest.param(node(release="CentOS Linux 8\n"), id="CentOS 8, garbled"),
        pytest.param(node(release=DENIED), id="redhat-release denied"),
        pytest.param(node(enforce=DENIED), id="mode denied"),
        pytest.param(node(enforce="2"), id="mode garbled"),
        pytest.param(node(enforce=""), id="mode empty"),
        pytest.param(node(rhel("x"), "nothing\n"), id="no version at all"),
        pytest.param(node(broken={"*": "unreachable"}), id="unreachable"),
    ],
)
def test_whether_labels_are_refused_is_not_known(hazard, world):
    return evaluate(hazard, hosts={"n1": world})
