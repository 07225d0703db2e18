"""No check that reads logs takes the errors that an installation retries until they pass for a hazard.

Source: the known issues of Anthos clusters on bare metal, インストール中の無害なエラー メッセージ. What reads logs is found in the checks
themselves, so that every hazard to come is held to it too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from conformance.answers import Answer
from conformance.facts.declare import Every, Fact
from conformance.facts.resolve import needs_of
from conformance.findings import Outcome
from conformance.hazards import Hazard, Situation
from conformance.packs import Check, load_checks, scope_of
from conformance.reads import Filtered, Journal, PodLogs
from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import findings, library
from tests.hazards.pods import container, pod
from tests.hazards.worlds import Api, Machine, Said

#: Made up after logs of bmctl, the cluster operator, controller-runtime, kubelet and bootstrap clusters.
BENIGN = r"""
[2022-01-01 10:00:01+0000] Creating cluster hub... FAILED, retrying: failed to register cluster hub with the fleet: will retry
[2022-01-01 10:00:02+0000] error creating or updating membership: googleapi: Error 409: Resource already exists, alreadyExists
E0101 10:00:03.000001       1 controller.go:304] controller-runtime/manager/controller/cluster "msg"="Reconciler error" "error"="failed to register cluster: Post \"https://gkehub.googleapis.com/v1/projects/p/locations/global/memberships\": dial tcp: i/o timeout" "name"="hub" "namespace"="cluster-hub"
E0101 10:00:04.000001       1 cluster_controller.go:201] controllers/Cluster "msg"="error during manifests operations" "error"="1 error occurred:\n\t* Internal error occurred: failed calling webhook \"vcluster.kb.io\": Post \"https://webhook-service.kube-system.svc:443/mutate?timeout=30s\": dial tcp 10.96.0.9:443: connect: connection refused\n\n" "Cluster"={"Namespace":"cluster-hub","Name":"hub"}
E0101 10:00:05.000001       1 cluster_controller.go:201] controllers/Cluster "msg"="error during manifests operations" "error"="2 errors occurred:
	* Internal error occurred: failed calling webhook "validate.machine.baremetal.cluster.gke.io": the server could not find the requested resource
	* Service "webhook-service" is invalid: spec.clusterIP: Invalid value: "": field is immutable

" "Cluster"={"Namespace":"cluster-hub","Name":"hub"}
Error from server (InternalError): error when creating "STDIN": Internal error occurred: failed calling webhook "webhook.cert-manager.io": Post "https://cert-manager-webhook.cert-manager.svc:443/mutate?timeout=10s": context deadline exceeded
W0101 10:00:06.000001       1 dispatcher.go:182] Failed calling webhook, failing open vbaremetalmachine.kb.io: failed calling webhook "vbaremetalmachine.kb.io": x509: certificate signed by unknown authority
E0101 10:00:07.000001       1 reflector.go:138] Failed to watch *v1.Membership: failed to list *v1.Membership: the server could not find the requested resource (get memberships.hub.gke.io)
E0101 10:00:08.000001       1 memberships.go:88] Operation cannot be fulfilled on memberships.hub.gke.io "membership": the object has been modified; please apply your changes to the latest version and try again
I0101 10:00:09.000001       1 register.go:61] failed to register cluster hub: rpc error: code = Unavailable desc = connection error: will retry in 10s
Jan 01 10:00:10 wk-1 kubelet[812]: E0101 10:00:10.000001     812 kubelet_node_status.go:92] "Unable to register node with API server" err="Post \"https://10.0.0.8:443/api/v1/nodes\": dial tcp 10.0.0.8:443: connect: connection refused" node="wk-1"
Jan 01 10:00:11 wk-1 kubelet[812]: E0101 10:00:11.000001     812 kubelet.go:2243] "Error getting node" err="node \"wk-1\" not found"
Jan 01 10:00:12 wk-1 containerd[640]: time="2022-01-01T10:00:12Z" level=error msg="failed calling webhook \"pod-policy.example.com\": Internal error occurred"
2022-01-01T10:00:13.001Z  ERROR  controller-runtime.webhook  http: TLS handshake error from 10.0.0.3:41952: remote error: tls: bad certificate
[2022/01/01 10:00:14] [ warn] [output:stackdriver:stackdriver.0] failed to flush chunk '812-1636106400.flb', retry in 9 seconds: task_id=3, input=storage_backlog.7
time="2022-01-01T10:00:15Z" level=warning msg="gke-connect-agent: tunnel to gkeconnect.googleapis.com not registered yet, retrying"
"""
LINES = BENIGN.strip().splitlines()
#: What checks of hosts want to see before they look at a log.
SYSTEMS: tuple[dict[str, Any], ...] = (
    {},
    {
        "/etc/os-release": 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="8.2"\nPRETTY_NAME="RHEL 8.2"\n',
        "/etc/redhat-release": "Red Hat Enterprise Linux release 8.2 (Ootpa)\n",
        "/sys/fs/selinux/enforce": "1",
    },
)
UPGRADES = [("1.8.1", "1.9.0"), ("1.7.5", "1.8.1"), ("1.9.0", "1.10.0"), ("1.11.1", "1.12.0"), ("1.6.2", "1.7.0")]


def reads_of(names: Any, scope: Mapping[str, Any], seen: set[int]) -> Iterator[Any]:
    """Every read behind the facts of these names."""
    for fact in (scope.get(name) for name in names):
        if isinstance(fact, Fact) and id(fact) not in seen:
            seen.add(id(fact))
            for source in fact.sources:
                if isinstance(source, Every):
                    yield from reads_of([source.fact.name], {source.fact.name: source.fact}, seen)
                else:
                    yield source
            yield from reads_of(fact.needs, scope_of(fact.module), seen)


def log_reads(check: Check) -> list[Any]:
    reads = reads_of(needs_of(check.function), check.scope, set())
    return [one for one in reads if isinstance(one, PodLogs | Journal | Filtered)]


READERS = {
    hazard.id: (hazard, reads)
    for pack in library().packs
    for check in load_checks(pack)
    if (reads := log_reads(check))
    for hazard in check.hazards
}


@dataclass
class Talker(Machine):
    """A machine whose journal holds nothing, or these lines."""

    lines: tuple[str, ...] = ()
    served: list[str] = field(default_factory=list)

    def _log(self, read: Filtered | Journal) -> Answer:
        self.served.append(read.key)
        self._says[read.key] = Said("".join(f"{one}\n" for one in self.lines))
        return super()._log(read)


@dataclass
class TalkingApi(Api):
    """A cluster in which the log of every pod holds nothing, or these lines."""

    lines: tuple[str, ...] = ()
    served: list[str] = field(default_factory=list)

    def log_of(self, what: str, path: str, query: Mapping[str, str]) -> bytes:
        self.served.append(path)
        return "".join(f"{one}\n" for one in self.lines).encode()


def pods_for(reads: list[Any]) -> list[dict[str, Any]]:
    """A pod for each read of logs, in trouble, so that its log is asked for."""
    made = []
    for read in reads:
        if isinstance(read, PodLogs):
            name = re.sub(r"\.[+*]", "x1", read.names)
            assert re.fullmatch(read.names, name), f"make a name for {read.names} here"
            state = container(read.container or "main", restarts=5, waiting="CrashLoopBackOff", ended="Error")
            one = pod(name, state, namespace=read.namespace)
            one["metadata"]["labels"] = dict(read.labels)
            made.append(one)
    return list({(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in made}.values())


def outcomes(
    hazard: Hazard, reads: list[Any], lines: tuple[str, ...], situation: Situation, upgrade: Any, files: Any
) -> tuple[dict[str, tuple[Outcome, str]], list[str]]:
    """Subject -> outcome and message in a world whose logs hold these lines; and what was asked for."""
    given = admin_api(cluster("hub", "hybrid"), cluster("prod"), upgrade=None)
    objects = {**given.objects, "pods": pods_for(reads), "namespaces": [{"metadata": {"name": "cluster-hub"}}]}
    hub = TalkingApi(objects=objects, role="hybrid", lines=lines)
    boot = TalkingApi(objects=objects, role="bootstrap", lines=lines)
    user = Api(role="user", manager="hub", connected=False)
    host = Talker(
        files=files, cluster="hub", lines=lines, roles=("control-plane", "worker", "load-balancer", "workstation")
    )
    found = findings(
        hazard.id,
        hosts={"n1": host} if hazard.scope != "cluster" else {},
        clusters={"hub": hub, "prod": user, "boot": boot},
        upgrade=upgrade,
        situation=situation,
    )
    told = {name: (one.outcome, one.message) for name, one in found.items()}
    return told, [*hub.served, *boot.served, *host.served]


@pytest.mark.parametrize("name", READERS)
def test_errors_that_pass_are_no_hazard(name: str) -> None:
    hazard, reads = READERS[name]
    looked = False
    for situation in hazard.situations:
        for upgrade, files in itertools.product(UPGRADES, SYSTEMS if hazard.scope == "host" else SYSTEMS[:1]):
            noisy, served = outcomes(hazard, reads, tuple(LINES), situation, upgrade, files)
            quiet, _ = outcomes(hazard, reads, (), situation, upgrade, files)
            assert noisy == quiet
            applies = any(one is not Outcome.NOT_APPLICABLE for one, _ in noisy.values())
            looked = looked or (bool(served) and applies)
            if applies and served:
                break
    assert looked, "in none of these upgrades was any log read"


def test_there_are_such_checks_and_such_lines() -> None:
    assert {"abm-manifests-operation-error", "abm-log-forwarder-stuck"} <= set(READERS)
    assert len(LINES) > 15
    # The promise is about more than patterns that are far away: some of the lines are looked at.
    assert any(re.search(read.matching, line) for _, reads in READERS.values() for read in reads for line in LINES)
