"""An OpenShift cluster in a real API server, in the middle of a repair of etcd, and what runs find in it.

What etcdctl says in a pod goes through the real API server to a stand-in kubelet. Names are those of the vendor's document.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.crds.openshift import OPENSHIFT
from tests.hazards import openshift
from tests.hazards.openshift import ADDRESSES, BAD, PEER, THIRD, container, etcdctl, member
from tests.lab.controlplane import ControlPlane, ExecServer, Said
from tests.running import Result, preflight

POD, ILL, NODELESS = "ocp-etcd-pod-crashlooping", "ocp-etcd-member-unhealthy", "ocp-etcd-member-without-node"
UNSAFE, STALE = "ocp-etcd-member-replacement-unsafe", "ocp-etcd-stale-secrets"
MISSING, REASON = "ocp-etcd-missing-on-node", "ocp-etcd-redeployment-reason"
SPACE, ACCOUNT = "openshift-etcd", "system:serviceaccount:preflight:openshift-reader"
HIDDEN = "a-private-key-that-must-never-be-seen-anywhere"
GIVEN = "single-master-recovery-2022-01-01 11:00:00.123456789+00:00"
#: A node whose member was removed, one that has gone after that, and one that has gone with its member in the list.
LEFT, OLD, GONE = "ip-10-0-199-7.ec2.internal", "ip-10-0-172-9.metrics.internal", "ip-10-0-188-2.ec2.internal"
MEMBERS = [*map(member, (BAD, PEER, THIRD)), member(GONE, "10.0.188.2", 0x60)]

Object = dict[str, Any]


def of(kind: str, document: Object, version: str = "v1") -> Object:
    """An object as it can be sent to an API server."""
    return {"apiVersion": version, "kind": kind, **document}


def etcd_pod(name: str, *states: Object, **told: Any) -> Object:
    """The etcd pod of a node, with all that an API server insists on."""
    found = of("Pod", openshift.etcd_pod(name, *states, **told))
    found["spec"] |= {
        "containers": [{"name": one, "image": "example.com/etcd"} for one in openshift.CONTAINERS],
        "automountServiceAccountToken": False,
    }
    for one in found["status"]["containerStatuses"]:
        one |= {"image": "example.com/etcd", "imageID": "example.com/etcd@sha256:0"}
    return found


def guard() -> Object:
    """A pod beside those of etcd, which crashes for its own reasons."""
    found = etcd_pod(
        BAD, container("etcd", 99, ready=False, state=ended("Error")), ready="False", labels={"app": "guard"}
    )
    found["metadata"]["name"] = f"etcd-guard-{BAD}"
    return found


def ended(reason: str) -> Object:
    when = "2022-01-01T11:58:00Z"
    return {"terminated": {"reason": reason, "exitCode": 1, "startedAt": when, "finishedAt": when}}


def secret(name: str) -> Object:
    data = {"tls.crt": b64encode(b"-").decode(), "tls.key": b64encode(HIDDEN.encode()).decode()}
    return of("Secret", {"metadata": {"name": name, "namespace": SPACE}, "type": "kubernetes.io/tls", "data": data})


def own_secrets(name: str) -> list[Object]:
    return [secret(f"etcd-{kind}-{name}") for kind in ("peer", "serving", "serving-metrics")]


def version() -> Object:
    """ClusterVersion with what its API insists on."""
    found = of("ClusterVersion", openshift.cluster_version(), "config.openshift.io/v1")
    found["spec"] = {"clusterID": "00000000-0000-0000-0000-000000000000", "channel": "stable-4.9"}
    found["status"] |= {"observedGeneration": 1, "versionHash": "x", "availableUpdates": None}
    found["status"]["desired"]["image"] = "example.com/release"
    for one in found["status"]["history"]:
        began = "2021-12-01T00:00:00Z"
        one |= {"image": "example.com/release", "startedTime": began, "completionTime": began, "verified": True}
    return found


def operator(**told: Any) -> Object:
    found = of("Etcd", openshift.operator(GIVEN, **told), "operator.openshift.io/v1")
    for one in found["status"]["conditions"]:
        one.setdefault("lastTransitionTime", openshift.BEGAN)
    return found


def program(kubelet: ExecServer, programs: Any, *pods: str) -> None:
    """Let etcdctl say this in these pods, as a kubelet passes it on."""

    def said(argv: tuple[str, ...]) -> Said:
        line = " ".join(argv)
        told = next(one for key, one in programs.items() if key in line)
        rc, text = told if isinstance(told, tuple) else (0, told)
        return Said(text.encode(), b"Error: unhealthy cluster\n" if rc else b"", rc)

    for pod in pods:
        kubelet.programs[SPACE, f"etcd-{pod}", "etcdctl"] = said


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("openshift")


@pytest.fixture(scope="module")
def kubelet(control_plane: ControlPlane) -> Iterator[ExecServer]:
    """The cluster in trouble, and the kubelet of its nodes."""
    plane = control_plane
    with ExecServer(plane) as kubelet:
        plane.apply(*OPENSHIFT)
        plane.namespace(SPACE)
        addresses = {**ADDRESSES, LEFT: "10.0.199.7"}
        for name, address in addresses.items():
            plane.apply(kubelet.node(of("Node", openshift.node(name, address))))
        crashing = container("etcd", 7, ready=False, state=ended("Error"))
        plane.apply(etcd_pod(BAD, crashing, ready="False"), etcd_pod(PEER), etcd_pod(THIRD), guard())
        plane.apply(version(), operator(latest=4, revisions={BAD: (3, 4), PEER: 4, THIRD: 4, LEFT: 4}))
        plane.apply(*map(secret, ("etcd-client", "etcd-signer", "etcd-all-certs")))
        for name in (BAD, PEER, THIRD, LEFT, OLD):
            plane.apply(*own_secrets(name))
        plane.apply(secret("etcd-all-certs-4"))  # the last one: a revision is made of what there is
        program(kubelet, etcdctl(MEMBERS, down=[BAD, GONE]), PEER, THIRD)
        # Its container runs, though etcd beside it does not.
        kubelet.programs[SPACE, f"etcd-{BAD}", "etcdctl"] = lambda _: Said(b"", b"Error: deadline exceeded\n", 1)
        yield kubelet
    plane.reset()


def run_on(plane: ControlPlane, place: Path, reports: str, *args: str, kubeconfig: Path | None = None) -> Result:
    path = kubeconfig or plane.kubeconfig(context="prod", path=place / "prod.kubeconfig")
    change = place / f"{reports}.yaml"
    keys = {
        "profile": "openshift-4.10",
        "examine": ["clusters"],
        "clusters": {"prod": {"kubeconfig": str(path)}},
        "parameters": {"redeployment-reason": GIVEN},
    }
    change.write_text(yaml.safe_dump(keys), encoding="utf-8")
    kept = place / f"{reports}.json"
    found = preflight(f"--change={change}", *args, f"--save-snapshot={kept}", cwd=place, reports=reports)
    for said in (*found.texts.values(), kept.read_text("utf-8") if kept.exists() else ""):
        assert HIDDEN not in said
        assert b64encode(HIDDEN.encode()).decode() not in said
    return found


@pytest.fixture(scope="module")
def before(control_plane: ControlPlane, kubelet: ExecServer, place: Path) -> Result:
    return run_on(control_plane, place, "before")


@pytest.fixture(scope="module")
def role(control_plane: ControlPlane, kubelet: ExecServer, place: Path) -> str:
    """What --plan=rbac prints for the repair."""
    printed = run_on(control_plane, place, "role", "--situation=repair", "--plan=rbac", "--upgrade-from=4.9.11")
    assert printed.code == 0, printed
    return printed.out


@pytest.fixture(scope="module")
def repair(control_plane: ControlPlane, place: Path, role: str) -> Result:
    """A run by an account that may do what the derived roles allow, and nothing else."""
    token = control_plane.service_account("preflight", "openshift-reader")
    control_plane.bind(role, "preflight/openshift-reader")
    kubeconfig = control_plane.kubeconfig(
        "openshift-reader", token=token, context="prod", path=place / "reader.kubeconfig"
    )
    return run_on(control_plane, place, "repair", "--situation=repair", kubeconfig=kubeconfig)


@pytest.fixture(scope="module")
def repaired(control_plane: ControlPlane, kubelet: ExecServer, place: Path, before: Result, repair: Result) -> Result:
    """Later: the dead members are removed, old secrets deleted, and those of a node that is still there made anew."""
    plane = control_plane
    plane.delete(*own_secrets(OLD), *own_secrets(LEFT))
    time.sleep(1.1)  # the API server keeps whole seconds
    plane.apply(*own_secrets(LEFT))
    plane.apply(etcd_pod(BAD), operator(latest=4, revisions=dict.fromkeys((BAD, PEER, THIRD, LEFT), 4)))
    program(kubelet, etcdctl(MEMBERS[:3]), BAD, PEER, THIRD)
    return run_on(plane, place, "repaired", "--situation=repair")


def lines_of(finding: Object) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(POD)
def test_an_etcd_pod_crashes(before: Result) -> None:
    assert before.code == 1, before
    found = before.finding(POD, "prod")
    assert found["outcome"] == "hazard"
    assert f"etcd-{BAD} is not ready (container etcd: Error)" in found["message"]
    assert f"control-plane node {LEFT} has no etcd pod" in found["message"]
    assert "guard" not in found["message"]
    assert any(f"pod {SPACE}/etcd-{BAD}: 2/3 Running, Ready=False" in one for one in lines_of(found))


@pytest.mark.real(ILL)
def test_members_do_not_commit(before: Result, kubelet: ExecServer) -> None:
    found = before.finding(ILL, "prod")
    assert found["outcome"] == "hazard"
    assert f"member {BAD} 62bcf33650a7170a does not commit (context deadline exceeded)" in found["message"]
    assert f"member {GONE} 60 does not commit" in found["message"]
    assert PEER not in found["message"]
    assert any(one.startswith(f"member {BAD} 62bcf33650a7170a: https://10.0.131.183:2379") for one in lines_of(found))
    programs = {argv[0] for _, argv in kubelet.ran}
    assert programs == {"etcdctl"}


@pytest.mark.real(NODELESS)
def test_members_and_nodes_differ(before: Result) -> None:
    found = before.finding(NODELESS, "prod")
    assert found["outcome"] == "hazard"
    assert f"member {GONE} 60 has no control-plane node" in found["message"]
    assert f"control-plane node {LEFT} has no member" in found["message"]
    assert BAD not in found["message"]
    assert f"oc rsh -n openshift-etcd -c etcdctl etcd-{PEER} etcdctl member remove 60" in found["remedy"]


@pytest.mark.real(UNSAFE)
def test_no_member_can_be_removed(repair: Result) -> None:
    assert repair.code == 1, repair
    found = repair.finding(UNSAFE, "prod")
    assert found["outcome"] == "hazard"
    assert "2 of 4 voting members are healthy, 3 are a majority: nothing can be removed" in found["message"]
    assert f"member {PEER} d022e10b498760d5: peer https://10.0.154.204:2380 healthy" in lines_of(found)


@pytest.mark.real(STALE)
def test_secrets_of_removed_members(repair: Result) -> None:
    found = repair.finding(STALE, "prod")
    assert found["outcome"] == "hazard"
    names = [f"etcd-{kind}-{node}" for node in (OLD, LEFT) for kind in ("peer", "serving", "serving-metrics")]
    asked = found["remedy"].splitlines()[0]
    assert asked == f"oc delete secret -n openshift-etcd {' '.join(names)}"
    assert f"of {LEFT}, which is no member any more (its node is still there)" in found["message"]
    assert [one.split(": ")[0] for one in lines_of(found)] == [f"secret {SPACE}/{one}" for one in names]


@pytest.mark.real(MISSING, REASON)
def test_a_redeployment_that_is_not_through(repair: Result) -> None:
    found = repair.finding(MISSING, "prod")
    assert found["outcome"] == "hazard"
    assert f"{BAD} is at revision 3, not at 4, which is being brought out" in found["message"]
    assert f"control-plane node {LEFT} has no etcd pod" in found["message"]
    assert GIVEN in found["message"]
    found = repair.finding(REASON, "prod")
    assert found["outcome"] == "warning"
    assert f"etcd/cluster: spec.forceRedeploymentReason {GIVEN}" in lines_of(found)


def test_the_derived_role_is_bound_to_the_namespace_of_etcd(
    role: str, control_plane: ControlPlane, repair: Result
) -> None:
    rules = [
        (one.get("metadata", {}).get("namespace"), rule) for one in yaml.safe_load_all(role) for rule in one["rules"]
    ]
    for resource in ("secrets", "pods/exec"):
        places = {where for where, rule in rules if resource in rule.get("resources", ())}
        assert places == {SPACE}, resource
    assert "COULD DO MORE THAN READ" in role
    asked = [one for one in control_plane.audit(user=ACCOUNT) if "secrets" in one.uri]
    assert {one.uri.partition("?")[0] for one in asked} == {f"/api/v1/namespaces/{SPACE}/secrets"}
    assert {one.verb for one in control_plane.audit(user=ACCOUNT)} <= {"get", "list"}


def test_after_the_removal(repaired: Result) -> None:
    found = repaired.finding(STALE, "prod")
    assert found["outcome"] == "clear"
    assert f"secrets of {LEFT} were made anew" in found["message"]
    found = repaired.finding(UNSAFE, "prod")
    assert found["outcome"] == "clear"
    assert "all 3 voting members are healthy: none of them has to be removed" in found["message"]
    found = repaired.finding(MISSING, "prod")
    assert found["outcome"] == "hazard"
    assert BAD not in found["message"]
    assert f"control-plane node {LEFT} has no etcd pod" in found["message"]
