"""The log of cloud-init of a new control-plane node: attempts to join etcd, and how they ended."""

from __future__ import annotations

import pytest

from checks.vsphere_supervisor.facts_join import vks_join_logs, vks_left_on_disk
from conformance.facts.linux_processes import processes
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.vsphere import NAME, supervisor, world
from tests.hazards.worlds import Machine, Said

JOIN = "vks-join-log-timeout"
LOG, OTHER = "/var/log/cloud-init-output.log", "/var/log/cloud-init-output"
READS = dict(zip((LOG, OTHER), (one.key for one in vks_join_logs.sources[:2]), strict=True))
THERE = vks_join_logs.sources[2].key

#: As the document quotes it, both attempts one after the other.
DOCUMENT = """\
adding etcd member as learner
retrying of unary invoker failed
error execution phase control-plane-join-etcd: error creating local static pod manifest file: etcdserver: Peer URLs already exists
kubeadm join phase control-plane-join etcd failed
fatal error, exiting
removing member from cluster status
promoting a learner as a voting member
retrying of unary invoker failed
etcdserver: can only promote a learner member which is in sync with leader
etcdserver: request timed out, waiting for the applied index took too long
etcdserver: can only promote a learner member
error execution phase control-plane-join-etcd: error creating local static pod manifest file: etcdserver: can only promote a learner member
kubeadm join phase control-plane-join etcd failed
fatal error, exiting
removing member from cluster status
"""
RUN = "kubeadm join phase control-plane-join etcd"
SYNC = "can only promote a learner member which is in sync with leader"
SLOW = "request timed out, waiting for the applied index took too long"
TAKEN = "Peer URLs already exists"
HEAD = "Cloud-init v. 23.1.2 running 'modules:final' at Mon, 05 Jan 2026 10:00:00 +0000. Up 31.20 seconds.\n"


def clock(minute, second=0):
    return f"2026-01-05T10:{minute:02}:{second:02}+00:00"


def attempt(minute, complaint=SYNC, end="failed", tries=3):
    """What Cluster API's script and kubeadm -v1 write of one attempt that begins at that minute."""
    klog = f"I0105 10:{minute:02}:01.120000    1811 etcd.go:321] [etcd] "
    lines = [f"+++ [{clock(minute)}] running '{RUN}'", f"{klog}Adding etcd member as learner"]
    if complaint != TAKEN:
        lines.append(f"{klog}Promoting a learner as a voting member: 8211f1d0f64f3269")
    lines += [
        f'{{"level":"warn","ts":"2026-01-05T10:{minute:02}:{n + 2:02}.1Z","caller":"v3@v3.5.10/retry_interceptor.go:62",'
        f'"msg":"retrying of unary invoker failed","error":"rpc error: desc = etcdserver: {complaint}"}}'
        for n in range(tries if complaint else 0)
    ]
    if end == "failed":
        lines += [
            f"error execution phase control-plane-join/etcd: error creating local etcd static pod manifest file: etcdserver: {complaint}",
            f"!!! [{clock(minute + 2)}] kubeadm reported failed action(s) for '{RUN}'",
            f"!!! [{clock(minute + 2)}] fatal error, exiting",
            f"+++ [{clock(minute + 2)}] Removing member from cluster status",
            f"+++ [{clock(minute + 2, 1)}] Removing etcd member",
            f"+++ [{clock(minute + 2, 2)}] Resetting kubeadm",
            f"!!! [{clock(minute + 2, 5)}] cluster.x-k8s.io kubeadm bootstrap script /usr/sbin/join exiting with status 1",
        ]
    elif end == "joined":
        lines += [
            f"{klog}The learner was promoted as a voting member: 8211f1d0f64f3269",
            f"+++ [{clock(minute + 1)}] kubeadm reported successful execution for '{RUN}'",
            f"+++ [{clock(minute + 1, 5)}] cluster.x-k8s.io kubeadm bootstrap script /usr/sbin/join finished",
        ]
    return "".join(f"{one}\n" for one in lines)


def absent(path):
    return f"ls: cannot access '{path}': No such file or directory\n"


def node(log=None, other=None, disk=None, running=None, **more):
    """A control-plane node with these logs; `disk` and `running` are what is left there."""
    says = {}
    there = ""
    for path, text in ((LOG, log), (OTHER, other)):
        missing = Said(stderr=f"/usr/bin/cat: {path}: No such file or directory\n", rc=1)
        says[READS[path]] = missing if text is None else text
        there += absent(path) if text is None else f"{path}\n"
    says[THERE] = Said(there, rc=0 if log is not None and other is not None else 2)
    says.update({key: said for key, said in ((vks_left_on_disk, disk), (processes, running)) if said is not None})
    return Machine(roles=("control-plane",), cluster=NAME, says={**says, **more.pop("says", {})}, **more)


def at(hazard, machine):
    return evaluate(hazard, hosts={"cp-new": machine}, clusters=world(supervisor()))


@proves(JOIN, kind=PRESENT, says=["attempt 2 of 2 to join etcd failed last", SYNC], line="attempt 1: added as learner")
@pytest.mark.parametrize("place", ["log", "other"])
def test_the_document_itself(hazard, place):
    finding = at(hazard, node(**{place: HEAD + DOCUMENT}))
    lines = [line for one in finding.evidence for line in one.lines]
    assert "removing member from cluster status" in lines
    assert f"attempt 1: added as learner, {TAKEN}, {RUN} failed, the member was removed and the node cleaned" in lines
    return finding


@proves(
    JOIN, kind=PRESENT, says=["attempt 1 of 1 to join etcd failed last at 01-05 10:32:05 UTC"], remedy="within 2 min"
)
@pytest.mark.parametrize("complaint", [TAKEN, SYNC, SLOW, "etcdserver: server stopped"])
def test_each_message(hazard, complaint):
    finding = at(hazard, node(HEAD + attempt(30, complaint)))
    assert complaint in finding.message
    return finding


@proves(JOIN, kind=PRESENT, says=[TAKEN], remedy="etcdctl member list")
def test_the_remedy_goes_by_the_last_complaint(hazard):
    return at(hazard, node(attempt(10, SYNC) + attempt(20, SLOW) + attempt(30, TAKEN)))


@proves(JOIN, kind=PRESENT, says=["attempt 2 of 2"], line="attempt 1 at 01-05 10:11:05 UTC: ")
def test_one_that_joined_and_was_reset_later(hazard):
    return at(hazard, node(attempt(10, "", "joined") + attempt(30, SLOW)))


@proves(JOIN, kind=PRESENT, says=["attempt 1 of 1 to join etcd has not succeeded last", SYNC])
def test_the_log_ends_in_the_middle(hazard):
    return at(hazard, node(attempt(30, end="open")))


@proves(
    JOIN,
    kind=PRESENT,
    says=["now /etc/kubernetes/manifests is empty, /var/lib/etcd is empty, no container runs"],
)
def test_what_is_gone_makes_it_certain(hazard):
    disk = "/etc/kubernetes/manifests:\n\n/var/lib/etcd:\n"
    return at(hazard, node(attempt(30), disk=disk, running="      1 systemd\n      1 kubelet\npods:\n"))


@proves(JOIN, kind=PRESENT, says=["failed last"])
@pytest.mark.parametrize(
    ("disk", "running"),
    [
        (Said(rc=127), Said(stderr="cat: /proc/1/comm: Permission denied\n", rc=1)),
        (
            "/etc/kubernetes/manifests:\nkube-vip.yaml\n\n/var/lib/etcd:\nmember\n",
            " 1 systemd\n 3 containerd-shim\npods:\n",
        ),
        (
            Said("/etc/kubernetes/manifests:\n", "ls: cannot open directory '/var/lib/etcd': Permission denied\n", 2),
            Said(rc=1),
        ),
    ],
    ids=["nobody could look", "something is left", "half of it"],
)
def test_what_is_gone_decides_nothing(hazard, disk, running):
    finding = at(hazard, node(attempt(30), disk=disk, running=running))
    assert "/var/lib/etcd" not in finding.message
    assert "container" not in finding.message
    return finding


@proves(JOIN, kind=PRESENT, says=["cloud-init", "attempt 1 of 1"])
@pytest.mark.parametrize(
    ("log", "other"),
    [
        pytest.param(attempt(10, "", "joined"), attempt(30), id="the later one failed"),
        pytest.param(
            "This node has joined the cluster\n" + attempt(30), attempt(10, "", "joined"), id="the other way round"
        ),
        pytest.param(
            "adding etcd member as learner\nThis node has joined the cluster and a new control plane instance was created:\n",
            f"etcdserver: {TAKEN}\n",
            id="nobody knows which is later",
        ),
    ],
)
def test_both_logs_are_there(hazard, log, other):
    finding = at(hazard, node(log, other))
    return finding.__class__(**{**vars_of(finding), "message": f"cloud-init: {finding.message}"})


def vars_of(finding):
    return {name: getattr(finding, name) for name in finding.__dataclass_fields__}


@proves(JOIN, kind=ABSENT)
@pytest.mark.parametrize(
    "log",
    [
        pytest.param(HEAD + attempt(30, "", "joined"), id="joined at once"),
        pytest.param(HEAD + attempt(30, SYNC, "joined"), id="in sync only after some tries, as usual"),
        pytest.param(attempt(10) + attempt(20, TAKEN) + attempt(30, SYNC, "joined"), id="a later attempt succeeded"),
        pytest.param(
            DOCUMENT + "adding etcd member as learner\npromoting a learner as a voting member\n"
            "This node has joined the cluster and a new control plane instance was created:\n",
            id="kubeadm join as a whole",
        ),
        pytest.param(attempt(30, "", "open"), id="just begun"),
        pytest.param(
            HEAD + "error execution phase preflight: port 10250 is in use\nfatal error, exiting\n", id="another step"
        ),
        pytest.param("", id="empty"),
    ],
)
def test_the_node_joined(hazard, log):
    return at(hazard, node(log))


def test_an_earlier_failure_is_told():
    finding = at(JOIN, node(attempt(10, SLOW) + attempt(30, SYNC, "joined")))
    assert finding.message == (
        f"{LOG}: attempt 1 of 2 to join etcd failed at 01-05 10:12:05 UTC, after 2 minutes 5 seconds ({SLOW}); a later one "
        "succeeded at 01-05 10:31:05 UTC"
    )


@proves(JOIN, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("machine", "why"),
    [
        pytest.param(node(), "there is neither", id="no log"),
        pytest.param(
            node("", says={READS[LOG]: Said(stderr=f"/usr/bin/cat: {LOG}: Permission denied\n", rc=1)}),
            "Permission denied",
            id="no right",
        ),
        pytest.param(
            node("", says={READS[LOG]: Said(stderr="sudo: a password is required\n", rc=1)}),
            "--plan=sudoers",
            id="no sudo",
        ),
        pytest.param(node("", broken={READS[LOG]: "timed-out"}), "timed-out", id="too slow"),
        pytest.param(
            node(attempt(30, "", "joined"), "", broken={READS[OTHER]: "cut-off"}), "cut-off", id="the other one"
        ),
        pytest.param(node("", broken={"*": "unreachable"}), "unreachable", id="the host is gone"),
    ],
)
def test_the_log_cannot_be_read(hazard, machine, why):
    finding = at(hazard, machine)
    assert why in finding.message
    return finding


@proves(JOIN, kind=NOT_APPLICABLE, says=["kubeadm init ran on it"])
def test_the_first_node_never_joined(hazard):
    return at(hazard, node(HEAD + "Your Kubernetes control-plane has initialized successfully!\n"))


def test_one_that_was_made_first_and_joins_anew():
    """As of a node that was reset, and is to join what others have made by now."""
    log = "Your Kubernetes control-plane has initialized successfully!\n" + attempt(30)
    assert at(JOIN, node(log)).outcome == "hazard"


def test_workers_are_not_asked():
    hosts = {"wk-1": Machine(roles=("worker",), cluster=NAME), "cp-1": node(attempt(30, "", "joined"))}
    assert list(findings(JOIN, hosts=hosts, clusters=world(supervisor()))) == ["cp-1"]
