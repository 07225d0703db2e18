"""Hazards of OpenShift's control-plane hosts around a repair of etcd."""

from __future__ import annotations

import pytest

from tests.hazards.evaluating import evaluate
from tests.hazards.openshift import openshift
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Machine, Said

BACKUP, MOVED = "ocp-etcd-no-backup", "ocp-etcd-static-pod-moved"
DIRECTORY = "/home/core/assets/backup"
READ = f"the backups of etcd in {DIRECTORY}"
#: Noon of 31 January 2022, as the names of the files have it and in seconds.
NOW = 1_643_630_400
CLOCK = f"2022-01-31_120000 {NOW}"
HOUR = 3600


def pair(stamp="2022-01-31_090000", hours=3.0, snapshot=92_000_000, resources=70_000):
    """The two files of a backup; None for one that is not there."""
    sizes = ((f"snapshot_{stamp}.db", snapshot), (f"static_kuberesources_{stamp}.tar.gz", resources))
    return [f"{size} {int(NOW - hours * HOUR)} {name}" for name, size in sizes if size is not None]


def listing(*lines, clock=CLOCK):
    return "\n".join([clock, *lines, ""])


def host(said=None, *, roles=("control-plane",), cluster="prod", directory=DIRECTORY, **more):
    says = {} if said is None else {f"the backups of etcd in {directory}": said}
    return Machine(says=says, roles=roles, cluster=cluster, **more)


GOOD, NONE, EMPTY = listing(*pair()), "none\n", listing()
DENIED = Said(stderr=f"ls: cannot access '{DIRECTORY}/.': Permission denied\n", rc=4)


def backups(*hosts, parameters=None, clusters=None, upgrade=(None, "4.10"), **named):
    machines = {**{f"cp-{n}": one for n, one in enumerate(hosts, 1)}, **named}
    there = {"prod": openshift()} if clusters is None else clusters
    return evaluate(BACKUP, hosts=machines, clusters=there, upgrade=upgrade, parameters=parameters)


# -- backups -------------------------------------------------------------------------------------------------------


@proves(
    BACKUP,
    kind=PRESENT,
    says=["prod: no whole backup of the last 24 hours", "cp-1", "cp-2"],
    line="cp-1: /home/core/assets/backup",
    remedy=f"sudo /usr/local/bin/cluster-backup.sh {DIRECTORY}",
)
@pytest.mark.parametrize(
    ("lines", "told"),
    [
        pytest.param(NONE, "cp-1: no such directory", id="no directory"),
        pytest.param(EMPTY, "cp-1: none", id="an empty directory"),
        pytest.param(listing(*pair("2022-01-30_110000", 25)), "1 day 1 hour old", id="too old"),
        pytest.param(listing(*pair("2021-01-30_110000", 1)), "366 days 1 hour old", id="copied anew, old by its name"),
        pytest.param(listing(*pair(hours=30)), "1 day 6 hours old", id="renamed anew, old by its files"),
        pytest.param(listing(*pair(resources=None)), "its static pod resources is missing", id="no resources"),
        pytest.param(listing(*pair(snapshot=None)), "its snapshot is missing", id="no snapshot"),
        pytest.param(listing(*pair(snapshot=0)), "its snapshot is empty", id="an empty snapshot"),
        pytest.param(listing(*pair(resources=0)), "its static pod resources is empty", id="empty resources"),
        pytest.param(
            listing(*pair(resources=None), *pair("2022-01-31_090001", snapshot=None)),
            "its static pod resources is missing",
            id="halves of two backups",
        ),
        pytest.param(listing(*pair("2022-02-01_120000", -24)), "of the future", id="of tomorrow"),
        pytest.param(
            listing("9 1643619600 snapshot_old.db", "9 1643619600 static_kuberesources_old.tar.gz"), "none", id="names"
        ),
        pytest.param(listing(*pair("2022-13-31_090000")), "cp-1: none", id="a date that is none"),
    ],
)
def test_there_is_no_backup(hazard, lines, told):
    finding = backups(host(lines), host(NONE))
    assert told in finding.message
    files = [] if lines == NONE else lines.splitlines()[1:]
    shown = [one for evidence in finding.evidence for one in evidence.lines]
    assert [one for one in shown if "cp-1" in one] == [
        f"cp-1: {DIRECTORY}: {one}" for one in files or ["no such directory" if lines == NONE else "no backup"]
    ]
    return finding


@proves(BACKUP, kind=PRESENT, says=["of the last 2 hours", "3 hours old"])
def test_the_age_can_be_set(hazard):
    return backups(host(GOOD), parameters={"backup-max-age": "2"})


@proves(
    BACKUP, kind=PRESENT, says=["in /var/my backups on"], remedy="cluster-backup.sh '/var/my backups'", line="/var/my"
)
def test_the_directory_can_be_set(hazard):
    return backups(host(NONE, directory="'/var/my backups'"), parameters={"backup-directory": "/var/my backups"})


@proves(BACKUP, kind=PRESENT, says=["stage: no whole backup"])
def test_each_cluster_needs_its_own(hazard):
    clusters = {"prod": openshift(), "stage": openshift()}
    return backups(host(GOOD), s1=host(EMPTY, cluster="stage"), clusters=clusters)


@proves(BACKUP, kind=PRESENT, says=["stage: no whole backup"])
def test_what_is_missing_outweighs_what_is_not_known(hazard):
    clusters = {"prod": openshift(), "stage": openshift()}
    return backups(host(DENIED), s1=host(NONE, cluster="stage"), clusters=clusters)


@proves(BACKUP, kind=ABSENT)
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(GOOD, id="three hours old"),
        pytest.param(listing(*pair("2022-01-30_120000", 24)), id="just a day"),
        pytest.param(listing(*pair("2022-01-31_120001", -0.001)), id="a second ahead"),
        pytest.param(listing(*pair("2022-01-31_090000__POSSIBLY_DIRTY__")), id="made with --force"),
        pytest.param(
            listing(*pair("2021-06-01_000000", 5000), *pair(), *pair("2022-01-31_110000", 1, 0)), id="one of many"
        ),
    ],
)
def test_there_is_a_backup(hazard, lines):
    finding = backups(host(NONE), host(lines))
    assert "cp-2 has that of 2022-01-3" in finding.message
    return finding


@proves(BACKUP, kind=ABSENT)
@pytest.mark.parametrize("other", [DENIED, "garbage", None], ids=["denied", "garbled", "no stat there"])
def test_one_host_suffices_and_the_others_need_not_be_read(hazard, other):
    return backups(host(other), host(GOOD))


@proves(BACKUP, kind=ABSENT)
def test_one_host_suffices_where_another_cannot_be_reached(hazard):
    return backups(host(GOOD), host(broken={"*": "unreachable"}))


@proves(BACKUP, kind=ABSENT)
def test_hosts_of_no_named_cluster_belong_to_the_only_one(hazard):
    return backups(host(GOOD, cluster=None, roles=()))


@proves(BACKUP, kind=ABSENT)
def test_hosts_without_any_cluster(hazard):
    return backups(host(GOOD, cluster=None), clusters={}, upgrade=("4.9", "4.10"))


@proves(BACKUP, kind=ABSENT)
@pytest.mark.parametrize("named", [{}, {"h1": host(NONE, cluster="hub")}], ids=["without hosts", "with a host"])
def test_a_cluster_that_stays_needs_no_backup(hazard, named):
    return backups(host(GOOD), clusters={"prod": openshift(), "hub": openshift(upgrade="none")}, **named)


@proves(BACKUP, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_backups_of_a_cluster_that_stays(hazard):
    return backups(host(NONE), clusters={"prod": openshift(upgrade="none")})


@proves(BACKUP, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        pytest.param([host(DENIED), host(NONE)], "Permission denied", id="denied"),
        pytest.param([host(listing(*pair(), "what is this?"))], "expected bytes", id="garbled"),
        pytest.param([host("")], "expected the host's clock", id="nothing said"),
        pytest.param([host("noon\n")], "expected the host's clock", id="no clock"),
        pytest.param([host(broken={"*": "unreachable"}), host(EMPTY)], "cp-1", id="unreachable"),
        pytest.param([host(Said(GOOD, "stat: No such file or directory\n", 1))], "ended with 1", id="one vanished"),
        pytest.param([host(NONE, roles=("worker",))], "no control-plane host is named", id="only workers"),
    ],
)
def test_backups_cannot_be_known(hazard, hosts, told):
    finding = backups(*hosts)
    assert told in finding.message
    return finding


@proves(BACKUP, kind=UNREADABLE, says=["no control-plane host of stage is named"])
def test_nobody_names_the_hosts_of_a_cluster(hazard):
    return backups(host(GOOD), clusters={"prod": openshift(), "stage": openshift()})


# -- the static pod ------------------------------------------------------------------------------------------------

PLACES = {
    "etcd": "/etc/kubernetes/manifests/etcd-pod.yaml",
    "api": "/etc/kubernetes/manifests/kube-apiserver-pod.yaml",
    "moved": "/var/lib/etcd-backup/etcd-pod.yaml",
    "data": "/var/lib/etcd",
    "tmp": "/tmp/etcd",
}
WHERE = "where the static pod and the data of etcd are"


def static(*there, data="/var/lib/etcd", roles=("control-plane",), **more):
    said = "".join(f"{'there' if key in there else 'absent'} {path}\n" for key, path in PLACES.items())
    machine = Machine(says={WHERE: f"{said}data {data}\n"}, roles=roles, cluster="prod", **more)
    return evaluate(MOVED, hosts={"cp-1": machine}, clusters={"prod": openshift()}, upgrade=(None, "4.10"))


@proves(
    MOVED,
    kind=PRESENT,
    says=["there is no /etc/kubernetes/manifests/etcd-pod.yaml: it was moved to /var/lib/etcd-backup/etcd-pod.yaml"],
    line="absent: /etc/kubernetes/manifests/etcd-pod.yaml",
    remedy="never move the old one",
)
@pytest.mark.parametrize("there", [("api", "moved", "data"), ("api", "moved", "tmp"), ("moved", "tmp")])
def test_the_manifest_was_moved(hazard, there):
    return static(*there)


@proves(MOVED, kind=PRESENT, says=["there is no /var/lib/etcd: it was moved to /tmp/etcd"], line="present: /tmp/etcd")
def test_the_data_were_moved(hazard):
    return static("etcd", "api", "tmp")


@proves(MOVED, kind=PRESENT, says=["lies in /tmp/etcd"], line="present: /var/lib/etcd")
def test_the_data_lie_in_tmp(hazard):
    return static("etcd", "api", "data", "tmp", data="/tmp/etcd")


@proves(MOVED, kind=PRESENT, says=["there is no /etc/kubernetes/manifests/etcd-pod.yaml"])
@pytest.mark.parametrize(("there", "roles"), [(("api", "data"), ()), (("data",), ("control-plane",)), (("moved",), ())])
def test_the_manifest_is_nowhere(hazard, there, roles):
    return static(*there, roles=roles)


@proves(MOVED, kind=ABSENT)
@pytest.mark.parametrize(
    "there",
    [
        pytest.param(("etcd", "api", "data"), id="all in its place"),
        pytest.param(("etcd", "api", "data", "moved", "tmp"), id="what a finished repair left"),
        pytest.param(("etcd", "data"), id="another static pod is away"),
    ],
)
def test_the_static_pod_is_in_its_place(hazard, there):
    return static(*there)


@proves(MOVED, kind=ABSENT)
def test_the_data_lie_elsewhere_by_a_link(hazard):
    return static("etcd", "api", "data", data="/mnt/fast/etcd")


@proves(MOVED, kind=NOT_APPLICABLE, says=["a worker"])
def test_a_worker_whose_role_nobody_named(hazard):
    return static("data", roles=())


@proves(MOVED, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {WHERE: "timed-out"}}, id="timed out"),
        pytest.param({"broken": {"*": "unreachable"}}, id="unreachable"),
        pytest.param({"says": {WHERE: Said("", "ls: cannot access: Permission denied\n", 4)}}, id="denied"),
        pytest.param({"says": {WHERE: f"there {PLACES['etcd']}\ndata /var/lib/etcd\n"}}, id="cut short"),
        pytest.param({"says": {WHERE: ""}}, id="nothing said"),
    ],
)
def test_the_static_pod_cannot_be_known(hazard, world):
    machine = Machine(roles=("control-plane",), cluster="prod", **world)
    return evaluate(hazard, hosts={"cp-1": machine}, clusters={"prod": openshift()}, upgrade=(None, "4.10"))
