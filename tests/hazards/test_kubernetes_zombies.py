"""Nodes that drop out while their hosts live on: the API's view against the host's own."""

from __future__ import annotations

import pytest

from conformance.findings import Outcome
from conformance.hazards import Situation
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api, Machine, Said

BOTH = pytest.mark.parametrize("situation", [Situation.BEFORE, Situation.STUCK])

ZOMBIE = "k8s-zombie-node"
FRESH, OLD = "2022-01-01T11:59:55Z", "2022-01-01T11:50:00Z"
UID, OTHER = "8d1f6e5c-0a51-4b3e-9a3c-0123456789ab", "11111111-2222-3333-4444-555555555555"
STATIC = "a9e2fd365ae9915b7f1e8186d8c9bbb1"


def node(name, ready="True", ips=("10.200.0.2",), reason=""):
    condition = {"type": "Ready", "status": ready, "reason": reason, "lastTransitionTime": "2022-01-01T11:51:00Z"}
    addresses = [{"type": "InternalIP", "address": ip} for ip in ips] + [{"type": "Hostname", "address": name}]
    conditions = [{"type": "DiskPressure", "status": "Unknown"}, *([condition] if ready else [])]
    return {"metadata": {"name": name}, "status": {"conditions": conditions, "addresses": addresses}}


def pod(name, uid, on, namespace="default"):
    return {"metadata": {"name": name, "namespace": namespace, "uid": uid}, "spec": {"nodeName": on} if on else {}}


def api(*nodes, pods=(("db-0", UID, "wk"),), leases=(), **world):
    held = [
        {
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"renewTime": at, "leaseDurationSeconds": 40},
        }
        for name, at in leases
    ]
    objects = {"nodes": nodes, "leases.coordination.k8s.io": held, "pods": [pod(*one) for one in pods]}
    return Api(objects=objects, **world)


def place(uid, systemd=False, qos="/burstable"):
    if systemd:
        return f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid.replace('-', '_')}"
    return f"kubepods{qos}/pod{uid}"


def machine(*places, names=("1 kubelet", "1 systemd"), ips=("10.200.0.2",), **world):
    """A host with these addresses; each pod has two processes."""
    told = "".join(f"      {one}\n" for one in names) + "pods:\n" + "".join(f"      2 {one}\n" for one in places)
    links = "".join(f"2: eth0    inet{'6' if ':' in ip else ''} {ip}/24 scope global eth0\n" for ip in ips)
    says = {"names of processes, and the pods that they belong to": told, "ip -o address show": links}
    return Machine(says={**says, **world.pop("says", {})}, **world)


ALIVE = machine(place(UID))


def looked_at(hosts, clusters, situation=None):
    clusters = clusters if isinstance(clusters, dict) else {"prod": clusters}
    return evaluate(
        ZOMBIE, hosts=hosts if isinstance(hosts, dict) else {"wk": hosts}, clusters=clusters, situation=situation
    )


@BOTH
@proves(
    ZOMBIE,
    kind=PRESENT,
    says=["node wk of prod is NotReady", "since 2022-01-01 11:51:00 UTC", "host wk answers", "1 pod (default/db-0)"],
    line="node wk Ready=",
    remedy="sudo systemctl restart kubelet   # on wk",
)
@pytest.mark.parametrize("ready", ["Unknown", "False", ""])
def test_a_node_that_counts_as_dead_and_lives(hazard, ready, situation):
    cluster = api(node("good", ips=["10.200.0.9"]), node("wk", ready or "Unknown"), leases=[("wk", OLD)])
    found = looked_at(ALIVE, cluster, situation)
    assert "good" not in found.message
    return found


@proves(ZOMBIE, kind=PRESENT, says=["1 pod (default/db-0)"], line="host", remedy="restart kubelet")
@pytest.mark.parametrize(
    ("hosts", "nodes"),
    [
        pytest.param({"wk": machine(place(UID, systemd=True))}, [node("wk", "Unknown")], id="cgroups of systemd"),
        pytest.param({"wk": machine(place(UID, qos=""))}, [node("wk", "Unknown")], id="a guaranteed pod"),
        pytest.param({"wk": machine(place(UID), names=["1 systemd"])}, [node("wk", "Unknown")], id="no kubelet"),
        pytest.param({"a": ALIVE}, [node("wk", "Unknown")], id="by address"),
        pytest.param(
            {"a": machine(place(UID), ips=["10.9.9.9", "2001:db8::2"])},
            [node("wk", "Unknown", ["10.200.0.2", "2001:DB8:0::2"])],
            id="dual stack",
        ),
        pytest.param({"wk": machine(place(UID), cluster="prod")}, [node("wk", "Unknown", ["n.example"])], id="by name"),
        pytest.param(
            {"prod/wk": machine(place(UID), cluster="prod", ips=())}, [node("wk", "Unknown")], id="CLUSTER/NODE"
        ),
        pytest.param(
            {"wk": machine(place(UID), says={"ip -o address show": Said(rc=127)})}, [node("wk", "Unknown")], id="no ip"
        ),
        pytest.param(
            {"wk": ALIVE, "x": machine(ips=["10.200.0.3"])},
            [node("wk", "Unknown"), node("x", "Unknown", ["10.200.0.3"])],
            id="beside a dead one",
        ),
        pytest.param(
            {"wk": ALIVE, "x": machine(broken={"*": "unreachable"})},
            [node("wk", "Unknown"), node("x", "Unknown", ["10.200.0.3"])],
            id="beside one that nobody reaches",
        ),
    ],
)
def test_its_host_is_known(hazard, hosts, nodes):
    return looked_at(hosts, api(*nodes))


@proves(ZOMBIE, kind=PRESENT, says=["(1 static)"])
def test_static_pods(hazard):
    return looked_at(machine(place(STATIC)), api(node("wk", "Unknown")))


@proves(ZOMBIE, kind=PRESENT, says=["2 pods (1 static; 1 that the API server does not know any more)"])
def test_a_pod_that_was_deleted_by_force(hazard):
    return looked_at(machine(place(STATIC), place(OTHER)), api(node("wk", "Unknown")))


@proves(ZOMBIE, kind=PRESENT, says=["7 pods (default/p0, default/p1, default/p2, default/p3, default/p4 and 2 more)"])
def test_many_pods(hazard):
    uids = [UID[:-1] + str(number) for number in range(7)]
    pods = [(f"p{number}", uid, "wk") for number, uid in enumerate(uids)]
    return looked_at(machine(*map(place, uids)), api(node("wk", "Unknown"), pods=pods))


@proves(ZOMBIE, kind=PRESENT, says=["node wk of b is", "host b/wk", "default/db-0"])
def test_two_clusters_with_nodes_of_one_name(hazard):
    hosts = {"wk": machine(place(OTHER), cluster="a"), "b/wk": machine(place(UID), cluster="b")}
    found = looked_at(hosts, {"a": api(node("wk"), pods=()), "b": api(node("wk", "Unknown"))})
    assert " of a " not in found.message
    return found


@proves(ZOMBIE, kind=LOWERED, says=["NotReady", "which is heard of"], line="Ready=False", remedy="describe node wk")
@pytest.mark.parametrize("renewed", [FRESH, "2022-01-01T11:59:25Z", "2022-01-01T12:00:30Z"])
def test_a_kubelet_that_says_itself_that_it_is_not_ready(hazard, renewed):
    return looked_at(ALIVE, api(node("wk", "False", reason="KubeletNotReady"), leases=[("wk", renewed)]))


@proves(ZOMBIE, kind=ABSENT)
@pytest.mark.parametrize(
    ("hosts", "clusters"),
    [
        pytest.param(ALIVE, api(node("wk")), id="ready"),
        pytest.param({}, api(node("wk")), id="ready, and no host"),
        pytest.param(machine(), api(node("wk", "Unknown")), id="only stopped containers"),
        pytest.param(
            machine(names=["1 docker-containe", "1 kubelet"]), api(node("wk", "Unknown")), id="an old docker's daemon"
        ),
        pytest.param(
            {"new": machine(place(OTHER), place(STATIC))},
            api(node("wk", "Unknown"), node("new"), pods=[("db-0", OTHER, "new")]),
            id="the object of a machine that is another node now",
        ),
        pytest.param(
            {"wk": machine(place(UID), cluster="a"), "b/wk": machine(cluster="b", ips=["10.200.0.2"])},
            {"a": api(node("wk")), "b": api(node("wk", "Unknown"), pods=())},
            id="a node of that name and address elsewhere",
        ),
    ],
)
def test_no_node_lives_on(hazard, hosts, clusters):
    return looked_at(hosts, clusters)


def test_what_is_dead_is_said():
    assert "run none of their pods: prod/wk" in looked_at(machine(), api(node("wk", "Unknown"))).message


@proves(ZOMBIE, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_a_fleet_that_stays(hazard):
    return looked_at(ALIVE, api(node("wk", "Unknown"), upgrade="none"))


@proves(ZOMBIE, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("hosts", "clusters", "says"),
    [
        pytest.param({}, api(node("wk", "Unknown")), "name it in the change file", id="no host"),
        pytest.param({"x": machine(ips=["10.1.1.1"])}, api(node("wk", "Unknown")), "prod/wk", id="another host"),
        pytest.param(machine(place(UID), ips=["10.1.1.1"]), api(node("wk", "Unknown")), "prod/wk", id="same name"),
        pytest.param(
            ALIVE, {"a": api(node("wk", "Unknown")), "b": api(node("wk"))}, "a/wk", id="two nodes that it might be"
        ),
        pytest.param(
            {"wk": machine(place(UID), cluster="b"), "x": Machine(roles=("workstation",))},
            {"a": api(node("wk", "Unknown")), "b": api(node("wk"))},
            "a/wk",
            id="a host of the other cluster",
        ),
        pytest.param(
            machine(names=["2 containerd-shim", "1 kubelet"]),
            api(node("wk", "Unknown")),
            "in a pod's cgroup",
            id="shims",
        ),
        pytest.param(machine(names=["3 docker-containe"]), api(node("wk", "False")), "2 at least", id="old shims"),
        pytest.param(ALIVE, {"a": api(broken={"nodes": "forbidden"})}, "forbidden", id="no nodes"),
        pytest.param(ALIVE, api(node("wk"), broken={"pods": "forbidden"}), "forbidden", id="no pods"),
        pytest.param(
            ALIVE, api(node("wk"), broken={"leases.coordination.k8s.io": "forbidden"}), "forbidden", id="no leases"
        ),
        pytest.param(
            {"wk": machine(broken={"*": "unreachable"})}, api(node("wk", "Unknown")), "unreachable", id="no answer"
        ),
        pytest.param(
            machine(
                says={
                    "names of processes, and the pods that they belong to": Said(
                        rc=1, stderr="cat: /proc/1/comm: No such file or directory\n"
                    )
                }
            ),
            api(node("wk", "Unknown")),
            "ended with 1",
            id="hidepid",
        ),
        pytest.param(ALIVE, {}, "nodes of no cluster", id="no cluster"),
    ],
)
def test_whether_nodes_live_on_cannot_be_known(hazard, hosts, clusters, says):
    found = looked_at(hosts, clusters)
    assert says in found.message
    return found


def test_without_the_pods_of_the_api_server_a_zombie_is_found_all_the_same():
    found = looked_at(ALIVE, api(node("wk", "Unknown"), broken={"pods": "forbidden"}))
    assert found.outcome is Outcome.HAZARD
    assert "host wk answers" in found.message
    assert "1 pod (1 whose names could not be read)" in found.message
