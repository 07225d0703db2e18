"""Remedies that hold commands can be pasted into a shell: all that is no command in them is a comment."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.hazards import eksa_recovery as eksa
from tests.hazards import openshift, vsphere
from tests.hazards.evaluating import evaluate

#: Programs with which a line of a remedy begins, after an indentation, and what stands before a first one.
COMMAND = re.compile(r" *(: |(cd|docker|eksctl|etcdctl|flux|kubectl|mkdir|oc|ssh|sudo) )")
GONE = {"deletionTimestamp": "2026-01-05T10:30:00Z"}


def on_openshift(**world):
    return {"clusters": {"prod": openshift.openshift(**world)}, "upgrade": (None, "4.10")}


def supervised(*machines, nodes=(vsphere.node("cp-1"),), **more):
    return {"subject": vsphere.NAME, "clusters": vsphere.world(vsphere.supervisor(*machines), nodes, **more)}


def stuck(boot=(), mgmt=(), **more):
    return {"clusters": eksa.fleet(boot, mgmt), **more}


FAILED = vsphere.condition("OwnerRemediated", "False", "RemediationFailed")
LEFT = [vsphere.member("cp-1", "192.0.2.1", 1), *(vsphere.member(f"old-{n}", f"192.0.2.{n}", n) for n in (8, 9))]
WORLDS = {
    "ocp-etcd-member-replacement-unsafe": on_openshift(programs=openshift.etcdctl(error="Active Alarm(s): NOSPACE ")),
    "ocp-etcd-member-unhealthy": on_openshift(programs=openshift.etcdctl(error="Active Alarm(s): NOSPACE ")),
    "ocp-etcd-member-without-node": on_openshift(nodes=[openshift.node(openshift.PEER)]),
    "ocp-etcd-stale-secrets": on_openshift(secrets=openshift.secrets_of("gone-1", "gone-2")),
    "vks-control-plane-delete-unsafe": supervised(
        vsphere.machine("cp-1", **GONE), vsphere.machine("cp-new", joined=False)
    ),
    "vks-remediation-failed": supervised(vsphere.machine("cp-1", old=[FAILED])),
    "vks-control-plane-without-role": supervised(
        vsphere.machine("cp-1"), vsphere.machine("cp-2"), nodes=[vsphere.node("cp-1"), vsphere.node("cp-2", None)]
    ),
    "vks-single-control-plane": {
        "subject": vsphere.NAME,
        "clusters": vsphere.world(vsphere.supervisor(plane=vsphere.control_plane(1)), []),
    },
    "vks-etcd-learner-left": supervised(
        vsphere.machine("cp-1"), objects={"pods": [vsphere.etcd_pod("cp-1")]}, programs=vsphere.etcdctl(*LEFT)
    ),
    "eksa-capi-objects-in-bootstrap": stuck(eksa.whole()),
    "eksa-machines-not-running": stuck((), eksa.whole(eksa.machine("cp-1", phase="Failed")), subject=eksa.MGMT),
    "eksa-reconcile-paused": stuck((), eksa.whole(cluster=eksa.capi(paused=True)), subject=eksa.MGMT),
    "eksa-bootstrap-leftover": {"hosts": {"ws": eksa.station("cluster3-eks-a-cluster-control-plane|Up|x")}},
    "eksa-capi-backup-missing": stuck(eksa.whole(), subject="ws", hosts={"ws": eksa.station()}),
}


@pytest.mark.parametrize("hazard", WORLDS)
def test_all_that_is_no_command_is_a_comment(hazard):
    remedy = evaluate(hazard, **WORLDS[hazard]).remedy
    lines = remedy.replace("\\\n", " ").split("\n")
    prose = [one for one in lines if not one.startswith("# ") and not COMMAND.match(one)]
    assert remedy
    assert not prose, remedy
    parsed = subprocess.run(["/bin/bash", "-n"], input=remedy, text=True, capture_output=True, check=False)
    assert (parsed.returncode, parsed.stderr) == (0, "")


def test_members_without_a_node_are_removed_one_at_a_time():
    """Each removal is to be looked at anew: a paste takes the first one only."""
    hazard = "ocp-etcd-member-without-node"
    lines = [one for one in evaluate(hazard, **WORLDS[hazard]).remedy.split("\n") if "member remove" in one]
    assert [one.startswith("# and after another look:") for one in lines] == [False, True]
