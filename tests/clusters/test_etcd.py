"""A real etcd of three members with TLS, as our own reads see it: healthy, and in every trouble that documents tell of.

The reads go through a real API server to a stand-in kubelet, which runs the real etcdctl of each member.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from conformance.answers import Answer, Unreadable
from conformance.change import Cluster
from conformance.facts import SHARED
from conformance.facts.etcd import (
    KUBEADM_FLAGS,
    etcd_cluster,
    etcd_metrics,
    etcd_on_host,
    etcd_pods_of_kubeadm,
)
from conformance.facts.values.etcd import EtcdCluster
from conformance.facts.values.etcd_metrics import EtcdMetrics
from conformance.gather.clusters import gather_clusters
from conformance.gather.jobs import ClusterJob, ClusterSettings
from conformance.gathering import fill
from conformance.reads import Command, ExecAnswers
from conformance.snapshot import Snapshot
from conformance.subjects import Subject
from tests.clusters.anthos import node
from tests.lab.controlplane import ControlPlane, ControlPlaneUnavailable, ExecServer, Said
from tests.lab.controlplane.programs import ran
from tests.lab.etcd import EtcdLab
from tests.lab.tools import LabError, require
from tests.unit.packing import check, run_of

SPACE = "kube-system"
IN_SYNC = "can only promote a learner member which is in sync with leader"
FILES = {"etcd.yaml": "hazards: [t-etcd]", "check_etcd.py": check("t-etcd", names="etcd", on="CLUSTER")}


@pytest.fixture(scope="module")
def lab() -> Iterator[EtcdLab]:
    """Members a, b and c; every test leaves them as it found them."""
    try:
        require("setpriv", "strace")
        etcd = EtcdLab("a", "b", "c")
    except (ControlPlaneUnavailable, LabError) as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no etcd, and CI must not pass without: {reason}", pytrace=False)
        pytest.skip(f"no etcd: {reason}")
    with etcd:
        yield etcd


@dataclass
class World:
    """A Kubernetes cluster whose etcd pods are the members of the lab."""

    lab: EtcdLab
    plane: ControlPlane
    kubelet: ExecServer

    def has_pods(self, *names: str) -> None:
        """One etcd pod for each of these members; that of one that does not run is not ready."""
        for name in names:
            self.kubelet.programs[SPACE, f"etcd-{name}", "etcd"] = lambda argv, name=name: self._run(name, argv)
            self.plane.apply(etcd_pod(name, ready=self.lab.is_running(name)))

    def _run(self, name: str, argv: tuple[str, ...]) -> Said | tuple[int, str]:
        if not self.lab.is_running(name):
            return 404, 'container not found ("etcd")'
        return ran(self.lab.command(name, argv))

    def seen(self) -> EtcdCluster:
        """The fact, as it is read in the pods."""
        reads = etcd_pods_of_kubeadm()
        job = ClusterJob("c", self.plane.kubeconfig(), None, reads)
        answers = gather_clusters([job], ClusterSettings(), lambda subject, problem: None)["c"].answers
        return etcd_cluster(*(said(one, answers[one.key]) for one in reads))


def said(read: Any, answer: Answer) -> ExecAnswers:
    """What the fact receives, after its way through the snapshot."""
    found: ExecAnswers = read.extract(Answer(json.loads(json.dumps(answer.require()))))
    return found


def etcd_pod(name: str, *, ready: bool) -> dict[str, Any]:
    state = {"name": "etcd", "image": "x", "imageID": "x", "restartCount": 0, "ready": ready}
    labels = {"component": "etcd", "tier": "control-plane"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"etcd-{name}", "namespace": SPACE, "labels": labels},
        "spec": {
            "containers": [{"name": "etcd", "image": "example.com/x"}],
            "nodeName": "n1",
            "automountServiceAccountToken": False,
        },
        "status": {"phase": "Running", "containerStatuses": [state]},
    }


@pytest.fixture
def world(lab: EtcdLab, lab_cluster: ControlPlane) -> Iterator[World]:
    with ExecServer(lab_cluster) as kubelet:
        lab_cluster.apply(kubelet.node(node("n1", "192.0.2.1")))
        yield World(lab, lab_cluster, kubelet)


def names(members: Any) -> list[str]:
    return [one.name for one in members]


def metrics_of(lab: EtcdLab, name: str, directory: Path) -> EtcdMetrics:
    """The fact, by the very script of its read: only port and directory are the lab's."""
    (read,) = etcd_metrics.sources
    assert isinstance(read, Command)
    (directory / "etcd.yaml").touch()
    port = lab.members[name].metrics.rpartition(":")[2]
    script = re.sub("/etc/kubernetes(/manifests)?", str(directory), read.line).replace(":2381/", f":{port}/")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: EtcdMetrics = etcd_metrics(done.stdout)
    return found


def on_host(lab: EtcdLab, name: str) -> EtcdCluster:
    """The fact as its eight commands give it on the node of a member, where /usr/local/bin has no etcdctl."""
    lines = [one.line.split() for one in etcd_on_host.sources]

    def run(argv: list[str]) -> str:
        if argv[0] != "/usr/bin/etcdctl":
            return ""
        done = subprocess.run(lab.command(name, argv), capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    # A host runs them in turn; without a quorum each but the last two waits for 5 seconds.
    with ThreadPoolExecutor(len(lines)) as pool:
        told = [*pool.map(run, lines[:-2]), *map(run, lines[-2:])]
    found: EtcdCluster = etcd_on_host(*told, subject=Subject("n1", "host"))
    return found


def test_healthy(world: World, tmp_path: Path) -> None:
    world.has_pods("a", "b", "c")
    seen = world.seen()
    assert names(seen.members) == names(seen.voters) == names(seen.healthy_voters) == ["a", "b", "c"]
    assert {one.hex_id for one in seen.members} == set(world.lab.listed().values())
    assert (seen.quorum, seen.spare, seen.has_quorum, seen.alarms) == (2, 1, True, ())
    assert seen.leader in seen.members
    assert all(one.version.startswith("3.") and one.db_size and one.db_size_in_use for one in seen.endpoints)
    # They are asked one after the other, while there is always a little traffic.
    assert all((seen.behind(one) or 0) < 20 for one in seen.members)
    assert [seen.spare_without(one) for one in seen.members] == [0, 0, 0]
    assert seen.source == "etcdctl in pod kube-system/etcd-a"
    # Through a member whose view is another's, all is the same.
    there = on_host(world.lab, "b")
    assert (there.members, there.healthy_voters, there.leader) == (seen.members, seen.healthy_voters, seen.leader)
    told = metrics_of(world.lab, "c", tmp_path)
    ids = {one.name: one.id for one in seen.members}
    assert (told.has_leader, told.is_learner, told.server_id) == (True, False, ids["c"])
    assert told.is_leader is (seen.leader is not None and seen.leader.name == "c")
    assert set(told.round_trips) <= {ids["a"], ids["b"]}
    assert (told.db_size or 0) > 0
    assert told.wal_fsync is not None
    assert told.wal_fsync.count > 0


def test_a_learner_that_lags_cannot_be_promoted_and_its_disk_is_slow(world: World, tmp_path: Path) -> None:
    lab = world.lab
    world.has_pods("a")
    lab.add("slow", learner=True)
    try:
        lab.start("slow", sync_seconds=0.3)
        lab.wait_answering("slow")
        with lab.load("a") as written:
            while written() < 100:
                pass
            refused = lab.promote("slow")
            seen = world.seen()
        assert refused.returncode != 0
        assert IN_SYNC in refused.stderr
        (learner,) = seen.learners
        assert (learner.name, learner.started, names(seen.voters)) == ("slow", True, ["a", "b", "c"])
        assert (seen.behind(learner) or 0) > 0
        # It has no vote: nothing is lost with it, and that it commits no read is no illness.
        (endpoint,) = seen.endpoints_of(learner)
        assert (endpoint.learner, endpoint.healthy, endpoint.commits) == (True, None, None)
        assert (seen.unhealthy_voters, seen.spare, seen.spare_without(learner)) == ((), 1, 1)
        slow, quick = metrics_of(lab, "slow", tmp_path).wal_fsync, metrics_of(lab, "a", tmp_path).wal_fsync
        assert slow is not None
        assert quick is not None
        assert (slow.quantile(0.5) or 0) > 0.25 > (quick.quantile(0.5) or 0)
        assert slow.slower_than(0.256) > 0
        assert metrics_of(lab, "slow", tmp_path).is_learner is True
    finally:
        lab.remove("slow")
        lab.stop("slow")


def test_a_member_that_never_started_is_waited_for(world: World, tmp_path: Path) -> None:
    world.has_pods("a", "b")
    number = world.lab.add("new")
    try:
        seen = world.seen()
        (member,) = seen.unstarted
        assert (member.hex_id, member.name, member.started, member.client_urls) == (number, "", False, ())
        assert str(member) == f"(never started, {world.lab.members['new'].peer}) {number}"
        assert (names(seen.healthy_voters), seen.quorum, seen.spare) == (["a", "b", "c"], 3, 0)
        assert seen.unhealthy_voters == (member,)
        # To remove a healthy one would cost the quorum; to remove this one would not.
        assert [seen.spare_without(one) for one in seen.members] == [0, 0, 0, 1]
        assert kept_and_replayed(world, tmp_path) == (steady(seen), steady(seen))
    finally:
        world.lab.remove("new")


def kept_and_replayed(world: World, place: Path) -> tuple[EtcdCluster, EtcdCluster]:
    """The members as a whole run finds them, and as one on its snapshot does, which runs nothing."""
    clusters = {"c": Cluster("c", world.plane.kubeconfig())}
    world.kubelet.ran.clear()
    run = run_of(place, FILES, clusters=clusters)
    fill(run, lambda what, number: lambda subject, problem: None)
    assert [name for name, _ in world.kubelet.ran] == ["etcd-a"] * 3
    assert {argv[: 1 + len(KUBEADM_FLAGS)] for _, argv in world.kubelet.ran} == {("etcdctl", *KUBEADM_FLAGS)}
    run.snapshot.save(place / "kept.json")
    assert "PRIVATE KEY" not in (place / "kept.json").read_text()
    again = run_of(place, FILES, clusters=clusters, snapshot=Snapshot.load(place / "kept.json"))
    found = [one.facts.value(SHARED["etcd"], one.inventory["c"]) for one in (run, again)]
    assert len(world.kubelet.ran) == 3
    return steady(found[0]), steady(found[1])


def steady(seen: EtcdCluster) -> EtcdCluster:
    """Without what another reading finds otherwise."""
    ends = (
        replace(one, took_seconds=None, raft_index=0, raft_applied_index=0, db_size=0, db_size_in_use=0)
        for one in seen.endpoints
    )
    return EtcdCluster(seen.members, ends, seen.source)


def test_a_removed_member_whose_data_remains(world: World) -> None:
    lab = world.lab
    world.has_pods("a")
    lab.add("gone")
    lab.start("gone")
    lab.wait("gone")
    assert names(world.seen().members) == ["a", "b", "c", "gone"]
    lab.remove("gone")
    lab.stop("gone")
    assert (lab.members["gone"].data / "member").is_dir()
    # It cannot come back with what it has, and its pod crashes for good.
    lab.start("gone")
    lab.wait_ended("gone")
    assert re.search("permanently removed|already been bootstrapped|not found in cluster|mismatch", lab.log("gone"))
    world.has_pods("gone")
    seen = world.seen()
    assert names(seen.members) == ["a", "b", "c"]
    assert (seen.spare, seen.unhealthy_voters, seen.unstarted) == (1, (), ())
    # Added again, it is one that never started - until its data directory is emptied.
    lab.add("gone")
    try:
        assert [one.peer_urls for one in world.seen().unstarted] == [(lab.members["gone"].peer,)]
    finally:
        lab.remove("gone")


def test_a_stopped_member(world: World) -> None:
    lab = world.lab
    lab.stop("a")
    try:
        world.has_pods("a", "b")
        seen = world.seen()
    finally:
        lab.start("a")
        lab.wait("a")
    assert seen.source == "etcdctl in pod kube-system/etcd-b"
    assert (names(seen.healthy_voters), names(seen.unhealthy_voters)) == (["b", "c"], ["a"])
    stopped, *others = seen.members
    (endpoint,) = seen.endpoints_of(stopped)
    assert (endpoint.answered, endpoint.healthy, endpoint.commits) == (False, False, False)
    assert "context deadline exceeded" in endpoint.health_error
    assert (stopped.started, seen.behind(stopped), seen.leader in others) == (True, None, True)
    assert (seen.has_quorum, seen.quorum, seen.spare) == (True, 2, 0)
    # One of two may go where it is the one that is down anyway.
    assert [seen.spare_without(one) for one in seen.members] == [0, -1, -1]


def test_a_lost_quorum(world: World) -> None:
    lab = world.lab
    lab.stop("b")
    lab.stop("c")
    try:
        with ThreadPoolExecutor(2) as pool:
            there = pool.submit(on_host, lab, "a")
            world.has_pods("a", "b", "c")
            in_pods = pool.submit(world.seen)
            with pytest.raises(
                Unreadable, match=r"etcdctl in pod kube-system/etcd-a ended with 1: .*deadline exceeded"
            ):
                in_pods.result()
            seen = there.result()
    finally:
        for name in ("b", "c"):
            lab.start(name, "new")
        lab.wait("a", "b", "c")
    assert seen.has_quorum is False
    assert [one.errors for one in seen.endpoints] == [("etcdserver: no leader",)]
    with pytest.raises(Unreadable, match="etcdctl on n1 gives no list of members: has etcd lost its quorum"):
        _ = seen.members
