"""Nodes that drop out while their hosts live on: what their kubelets say of it."""

from __future__ import annotations

import pytest

from checks.kubernetes.facts_zombies import dead_connection_log
from conformance.hazards import Situation
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api, Machine, Said

BOTH = pytest.mark.parametrize("situation", [Situation.BEFORE, Situation.STUCK])

LOG = "k8s-kubelet-dead-connection-log"
JOURNAL, FILE, CLOCK = (one.key for one in dead_connection_log.sources)
NO_FILE = Said(stderr="tail: cannot open '/var/log/kubelet.log' for reading: No such file or directory\n", rc=1)
DENIED_FILE = Said(stderr="tail: cannot open '/var/log/kubelet.log' for reading: Permission denied\n", rc=1)
NO_JOURNAL = Said(stderr="sh: 1: /usr/bin/journalctl: not found\n", rc=127)
#: As the document quotes them.
URL = "https://172.20.0.1:2040/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/10.129.108.224?timeout=10s"
LEASE = "controller.go:177] failed to update node lease, error: Put " + URL
DEADLINE = f"{LEASE}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
CANCELED = (
    'kubelet_node_status.go:402] Error updating node status, will retry: error getting node "10.129.108.224": Get https://172.20'
    ".0.1:2040/api/v1/nodes/10.129.108.224?resourceVersion=0&timeout=10s: net/http: request canceled (Client.Timeout exceeded "
    "while awaiting headers)"
)
CLOSED = f"{LEASE}: read tcp 172.20.0.1:6999->172.20.0.1:2040: use of closed network connection"
# As a kubelet of 1.34 words the same.
NOW_STATUS = (
    'kubelet_node_status.go:486] "Error updating node status, will retry" err="error getting node \\"wk\\": Get \\"https://10.0.0.1'
    ':6443/api/v1/nodes/wk?timeout=10s\\": context deadline exceeded"'
)
NOW_LEASE = (
    'controller.go:195] "Failed to update lease" err="Put \\"https://10.0.0.1:6443/apis/coordination.k8s.io/v1/namespaces/kube-node'
    '-lease/leases/wk?timeout=10s\\": net/http: request canceled (Client.Timeout exceeded while awaiting headers)"'
)
NOW_ENSURE = (
    'controller.go:145] "Failed to ensure lease exists, will retry" err="Get \\"https://10.0.0.1:6443/x\\": context deadline '
    'exceeded - error from a previous attempt: http2: client connection lost" interval="7s"'
)
#: A kubelet that runs as the unit; the host says that it is 12:00:00 in Tokyo.
TIME = "2020-10-14T12:00:00+0900\n"
UNIT = f"{TIME}kubelet\nunit\n"


def klog(time, text, day="1014"):
    return f"E{day} {time}.531746    2094 {text}"


def journal(*said, day="2020-10-14", zone="+0900"):
    """Lines of the journal, each of a time and a text."""
    return "".join(f"{day}T{time}{zone} wk kubelet[2094]: {klog(time, text)}\n" for time, text in said)


def logged(hazard, journal="", file=NO_FILE, told=UNIT, situation=None, parameters=None, **machine):
    says = {JOURNAL: journal, FILE: file, CLOCK: told}
    machine = Machine(says={key: said for key, said in says.items() if said is not None}, **machine)
    return evaluate(hazard, hosts={"wk": machine}, situation=situation, parameters=parameters)


@proves(
    LOG, kind=PRESENT, says=["said so 9 seconds before", "2 times"], line="11:59:51", remedy="systemctl restart kubelet"
)
@pytest.mark.parametrize("text", [DEADLINE, CANCELED, CLOSED, NOW_STATUS, NOW_LEASE, NOW_ENSURE])
def test_the_kubelet_gets_no_answer(hazard, text):
    found = logged(hazard, journal(("10:59:00", CLOSED), ("11:57:40", text), ("11:59:51", text)))
    assert "10:59:00" not in str(found.evidence)
    return found


@BOTH
@proves(LOG, kind=PRESENT, says=["2 times"])
def test_it_says_so_in_both_situations(hazard, situation):
    return logged(hazard, journal(("11:59:31", CANCELED), ("11:59:51", CLOSED)), situation=situation)


@proves(LOG, kind=PRESENT, says=["2 times"], line="use of closed network connection")
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"journal": ""}, id="nothing in the journal"),
        pytest.param({"journal": NO_JOURNAL}, id="no journal"),
        pytest.param({"told": TIME}, id="and the kubelet ended since"),
        pytest.param({"told": f"{TIME}hidden\n"}, id="hidepid"),
        pytest.param({"broken": {JOURNAL: "timed-out"}}, id="a slow journal"),
    ],
)
def test_a_log_file(hazard, world):
    text = "\n".join(["E1013 cut", "kubelet.log " + klog("11:59:31", CANCELED), klog("11:59:51", CLOSED), ""])
    return logged(hazard, file=text, **world)


@proves(LOG, kind=PRESENT, says=["2 times"])
@pytest.mark.parametrize("file", [DENIED_FILE, None])
def test_the_journal_tells_where_the_file_does_not(hazard, file):
    return logged(hazard, journal(("11:59:31", CANCELED), ("11:59:51", CLOSED)), file=file)


@proves(LOG, kind=PRESENT, says=["3 times at least within 30 minutes"])
def test_a_longer_time(hazard):
    said = journal(("11:20:00", CLOSED), ("11:35:00", CLOSED), ("11:45:00", CLOSED), ("11:59:51", CLOSED))
    return logged(hazard, said, parameters={"dead-connection-minutes": "30"})


@proves(LOG, kind=LOWERED, says=["once: look again"], line="11:59:51")
def test_once_is_not_for_ever(hazard):
    return logged(hazard, journal(("11:00:10", CLOSED), ("11:54:30", CLOSED), ("11:59:51", CANCELED)))


@proves(LOG, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({}, id="silence"),
        pytest.param({"told": f"{TIME}kubelet\nunit\n"}, id="no file"),
        pytest.param({"told": f"{TIME}fresh\nkubelet\n", "file": klog("11:59:51", "fine") + "\n"}, id="a fresh file"),
        pytest.param({"told": f"{TIME}fresh\nkubelet\n--log-file=/var/log/kubelet.log\n", "file": ""}, id="as told"),
        pytest.param({"told": f"{TIME}fresh\nkubelet\n", "file": "", "journal": NO_JOURNAL}, id="instead of a journal"),
        pytest.param({"file": klog("11:59:51", CLOSED, day="1013") + "\n"}, id="yesterday, without a year"),
        pytest.param({"file": klog("11:59:51", CLOSED, day="1016") + "\n"}, id="last year"),
        pytest.param({"journal": journal(("11:59:51", CLOSED), day="2020-10-13")}, id="yesterday"),
        pytest.param({"journal": journal(("11:57:00", CLOSED), ("11:58:40", CLOSED))}, id="over since a minute"),
        pytest.param({"journal": journal(("03:58:41", CLOSED), ("03:58:40", CLOSED), zone="+0100")}, id="another zone"),
        pytest.param({"journal": journal(("11:59:51", f"x.go:1] {DEADLINE[20:22]} lost"))}, id="other errors"),
        pytest.param(
            {
                "journal": journal(
                    *[("11:59:51", f"{LEASE}: dial tcp 172.20.0.1:2040: connect: connection refused")] * 3
                )
            },
            id="an API server that starts",
        ),
        pytest.param(
            {"journal": journal(*[("11:59:51", "reflector.go:153] Failed to list: context deadline exceeded")] * 3)},
            id="of something else",
        ),
    ],
)
def test_a_kubelet_that_is_answered(hazard, world):
    return logged(hazard, **world)


def test_what_was_is_said():
    said = logged(LOG, journal(("11:57:00", CLOSED), ("11:58:40", CLOSED)))
    assert "1 minute 20 seconds before its log was read, and does again" in said.message


@proves(LOG, kind=NOT_APPLICABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"told": TIME}, id="no kubelet"),
        pytest.param({"told": f"{TIME}fresh\n"}, id="no kubelet any more"),
        pytest.param({"told": TIME, "journal": NO_JOURNAL}, id="no kubelet, no journal"),
        pytest.param({"situation": Situation.BEFORE, "cluster": "prod"}, id="a cluster that stays"),
    ],
)
def test_nobody_who_could_say_so(hazard, world):
    if "cluster" in world:
        clusters = {"prod": Api(upgrade="none")}
        return evaluate(hazard, hosts={"wk": Machine(cluster="prod")}, clusters=clusters)
    return logged(hazard, **world)


@proves(LOG, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("world", "says"),
    [
        pytest.param({"journal": NO_JOURNAL}, "not found", id="no journal and no file"),
        pytest.param({"broken": {JOURNAL: "timed-out"}}, "timed-out", id="a slow journal"),
        pytest.param({"journal": Said(stderr="No journal files were found.\n")}, "keeps no journal", id="none kept"),
        pytest.param(
            {"journal": Said(stderr="Hint: You are currently not seeing messages from other users\n")},
            "--sudo",
            id="user",
        ),
        pytest.param({"file": DENIED_FILE}, "Permission denied", id="denied"),
        pytest.param({"broken": {FILE: "cut-off"}}, "cut-off", id="an endless file"),
        pytest.param(
            {"journal": NO_JOURNAL, "file": klog("09:00:00", "fine") + "\n"}, "not found", id="a file of long ago"
        ),
        pytest.param({"told": f"{TIME}kubelet\n"}, "not the unit kubelet", id="another unit"),
        pytest.param(
            {"told": f"{UNIT}--log-file=/srv/kubelet.log\n"}, "--log-file=/srv/kubelet.log", id="another file"
        ),
        pytest.param({"told": f"{UNIT}--logtostderr=false\n--log-dir=/srv\n"}, "--log-dir=/srv", id="a directory"),
        pytest.param({"told": f"{TIME}hidden\n"}, "log in as root", id="hidepid"),
        pytest.param({"told": Said(rc=1)}, "ended with 1", id="no clock"),
        pytest.param({"told": "soon\nkubelet\nunit\n"}, "not understood", id="a clock that is none"),
        pytest.param({"told": "2020-10-14T12:00:00\nkubelet\nunit\n"}, "no time zone", id="no zone"),
        pytest.param({"broken": {"*": "unreachable"}}, "unreachable", id="unreachable"),
        pytest.param({"file": f"{CLOSED}\n"}, "when cannot be told", id="no time"),
        pytest.param({"file": klog("11:59:51", CLOSED, day="1332") + "\n"}, "when cannot be told", id="no date"),
        pytest.param({"journal": journal(("12:30:00", CLOSED))}, "when cannot be told", id="a clock that was put back"),
    ],
)
def test_what_it_says_cannot_be_known(hazard, world, says):
    found = logged(hazard, **world)
    assert says in found.message
    return found
