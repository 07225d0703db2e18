"""The backup without which nothing should be moved: there, whole, and of this upgrade."""

from __future__ import annotations

import pytest

from checks.eks_anywhere.facts_recovery_workstation import recovery_directory
from tests.hazards.eksa_recovery import (
    BOOT,
    CAPI,
    MACHINES,
    MGMT,
    NAME,
    backup,
    capi,
    eksa,
    fleet,
    holding,
    machine,
    station,
    table,
    whole,
)
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves

BACKUP = "eksa-capi-backup-missing"
FIRST, ETCD, WORKER = (one["metadata"]["name"] for one in table(MACHINES))
TOOLS = "eksa_1681572481616591501|Up 2 hours|2023-04-15 15:28:01 +0000 UTC"


def saved(hazard, machine, boot=None, mgmt=(), **world):
    clusters = fleet(whole() if boot is None else boot, mgmt)
    return evaluate(hazard, hosts={"station": machine}, clusters=clusters, **world)


OLD = {"written": "2023-04-15T15:24:40Z"}


@proves(
    BACKUP,
    kind=PRESENT,
    remedy=f"clusterctl move --to-directory {NAME}-backup --kubeconfig {NAME}/generated/{NAME}.kind.kubeconfig",
)
@pytest.mark.parametrize(
    ("machine", "says"),
    [
        pytest.param(station(), f"there is no backup /home/ops/{NAME}-backup", id="none"),
        pytest.param(station(files=backup(cluster="cluster2")), "there is no backup", id="of another cluster"),
        pytest.param(station(files=backup(place=f"{NAME}-backup-old")), "there is no backup", id="of another name"),
        pytest.param(station(files={f"{NAME}-backup": ""}), "there is no backup", id="a file of that name"),
        pytest.param(
            station(home="directory /srv/none\nabsent\n"), f"no backup /srv/none/{NAME}-backup", id="no directory"
        ),
        pytest.param(
            station(files={f"{NAME}-backup": None}),
            f"lacks Cluster {NAME}, Machine {FIRST}, Machine {ETCD}, Machine {WORKER}",
            id="empty",
        ),
        pytest.param(station(files=backup(FIRST, WORKER)), f"lacks Machine {ETCD}", id="one machine is missing"),
        pytest.param(station(files=backup(space="default")), f"lacks Cluster {NAME}", id="of another namespace"),
        pytest.param(
            station(files={k: v for k, v in backup().items() if "/Cluster_" not in k}),
            f"lacks Cluster {NAME}",
            id="no Cluster",
        ),
        pytest.param(
            station(files=backup(cluster="cluster2", place=f"{NAME}-backup")),
            f"lacks Cluster {NAME}",
            id="another's in it",
        ),
        pytest.param(
            station(files={**backup(), f"{NAME}-backup/Machine_eksa-system_{ETCD}.yaml": ""}),
            f"{NAME}-backup/Machine_eksa-system_{ETCD}.yaml is empty",
            id="an empty file",
        ),
        pytest.param(
            station(
                files={**backup(), f"{NAME}-backup/Machine_eksa-system_{ETCD}.yaml": next(iter(backup().values()))[:-9]}
            ),
            f"lacks Machine {ETCD}",
            id="another object than its name says",
        ),
        pytest.param(
            station(
                files={
                    **backup(),
                    (path := f"{NAME}-backup/Machine_eksa-system_{ETCD}.yaml"): backup()[path].rstrip()[:-3] + "\n",
                }
            ),
            f"Machine_eksa-system_{ETCD}.yaml breaks off",
            id="a file that breaks off",
        ),
        pytest.param(
            station(files=backup(), **OLD),
            f"written 2023-04-15T15:24:40Z, before bootstrap cluster {BOOT} was made (2023-04-15T15:24:41Z)",
            id="older than the bootstrap cluster",
        ),
    ],
)
def test_no_backup_that_will_do(hazard, machine, says):
    finding = saved(hazard, machine)
    assert says in finding.message
    assert f"mkdir -p {NAME}-backup" in finding.remedy
    return finding


@proves(BACKUP, kind=PRESENT, line="object Cluster eksa-system cluster3", says=["lacks Machine"])
def test_what_there_is_is_shown(hazard):
    return saved(hazard, station(files=backup(FIRST)))


@proves(BACKUP, kind=PRESENT, line="directory /home/ops", remedy="docker exec -i eksa_1681572481616591501 clusterctl")
def test_the_remedy_names_what_is_there(hazard):
    given = {"eksa-directory": "/srv/my eksa"}
    finding = saved(hazard, station(TOOLS, path="/srv/my eksa", home="directory /home/ops\n"), parameters=given)
    assert finding.remedy.startswith("cd '/srv/my eksa' && ")
    return finding


@proves(BACKUP, kind=PRESENT, says=[f"lacks Cluster {NAME}, any Machine"], remedy=f"mkdir -p {NAME}-backup")
def test_nothing_is_anywhere_any_more(hazard):
    return saved(hazard, station(files={f"{NAME}-backup": None}), (), [eksa()])


@proves(BACKUP, kind=PRESENT, says=["there is no backup"])
def test_half_way_is_not_there_yet(hazard):
    """What is in both clusters is still to be moved, and so to be saved."""
    return saved(hazard, station(), whole(), whole())


YAML = """\
apiVersion: cluster.x-k8s.io/v1beta1
kind: {kind}
metadata:
  labels:
    name: other
  name: {name}
  namespace: eksa-system
spec:
  kind: none
"""


@proves(
    BACKUP, kind=ABSENT, says=[f"/home/ops/{NAME}-backup of 2023-04-15T16:00:00Z holds Cluster {NAME} and 3 Machines"]
)
@pytest.mark.parametrize(
    ("files", "written"),
    [
        pytest.param(backup(), {}, id="as clusterctl writes it"),
        pytest.param({**backup(), **backup(cluster="cluster2"), "cluster3/generated/x": ""}, {}, id="beside others"),
        pytest.param(
            {
                f"{NAME}-backup/all.yaml": "---\n".join(
                    [
                        YAML.format(kind="Cluster", name=NAME),
                        *(YAML.format(kind="Machine", name=one) for one in (FIRST, ETCD, WORKER)),
                    ]
                )
            },
            {},
            id="as kubectl writes it",
        ),
    ],
)
def test_the_backup_is_there(hazard, files, written):
    return saved(hazard, station(files=files, **written))


@proves(BACKUP, kind=ABSENT, says=["2023-04-15T15:24:41Z"])
def test_a_backup_of_the_very_second(hazard):
    return saved(hazard, station(files=backup(), written="2023-04-15T15:24:41Z"))


@proves(BACKUP, kind=ABSENT, says=["holds Cluster cluster3, shop and 4 Machines"])
def test_more_than_what_is_to_be_moved(hazard):
    extra = backup("shop-1", cluster="shop", place=f"{NAME}-backup")
    return saved(hazard, station(files={**backup(), **extra}))


@proves(BACKUP, kind=NOT_APPLICABLE, says=["nothing is to be moved", MGMT])
@pytest.mark.parametrize("machine", [station(), station(files=backup(), **OLD)], ids=["none", "old"])
def test_all_is_back_where_it_belongs(hazard, machine):
    return saved(hazard, machine, (), whole())


@proves(BACKUP, kind=UNREADABLE)
@pytest.mark.parametrize(
    "home",
    [
        pytest.param("directory /home/ops\nrefused Permission denied\n", id="refused"),
        pytest.param(f"directory /home/ops\nbackup {NAME}-backup\ndenied\n", id="the backup denied"),
        pytest.param(
            f"directory /home/ops\nbackup {NAME}-backup\nfile 1681574400 {NAME}-backup/Cluster_a_b.yaml\nunreadable\n",
            id="written by root",
        ),
        pytest.param("directory /home/ops\nbackup a-backup\nmore\n", id="too much"),
        pytest.param("directory /home/ops\nwhat is this\n", id="garbled"),
        pytest.param("", id="empty"),
    ],
)
def test_the_backup_cannot_be_read(hazard, home):
    return saved(hazard, station(home=home))


@proves(BACKUP, kind=UNREADABLE)
@pytest.mark.parametrize("kind", ["unreachable", "timed-out", "cut-off"])
def test_the_workstation_cannot_be_read(hazard, kind):
    return saved(hazard, station(broken={recovery_directory: kind}))


@proves(BACKUP, kind=UNREADABLE)
@pytest.mark.parametrize("what", ["*", *CAPI[:3]])
@pytest.mark.parametrize("kind", ["unreachable", "forbidden"])
def test_a_side_that_is_silent(hazard, what, kind):
    silent = {"broken": {what: kind}}
    machine = station(files=backup())
    boot = saved(hazard, machine, holding(*whole(), role="bootstrap", **silent), whole())
    mgmt = saved(hazard, machine, whole(), holding(**silent))
    return [boot, mgmt]


@proves(BACKUP, kind=UNREADABLE)
@pytest.mark.parametrize(
    "boot",
    [
        pytest.param(holding(*whole(), role="bootstrap", broken={"namespaces": "forbidden"}), id="forbidden"),
        pytest.param(holding(*whole(), role="bootstrap", objects={"namespaces": []}), id="no kube-system"),
        pytest.param(
            holding(
                *whole(),
                role="bootstrap",
                objects={"namespaces": [{"metadata": {"name": "kube-system", "creationTimestamp": "yesterday"}}]},
            ),
            id="no time",
        ),
    ],
)
def test_when_the_bootstrap_cluster_was_made_is_not_known(hazard, boot):
    return saved(hazard, station(files=backup()), boot)


@pytest.mark.parametrize("kind", ["Cluster", "Machine"])
def test_a_backup_of_one_that_was_never_made(kind):
    """An object that is to be moved and that no backup holds is named by its kind."""
    more = {"Cluster": capi("shop"), "Machine": machine("cp-2")}[kind]
    finding = saved(BACKUP, station(files=backup()), [*whole(), more])
    assert f"lacks {kind} {more['metadata']['name']}" in finding.message
