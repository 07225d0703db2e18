"""The role that `--plan=rbac` prints is enough and no more, and a run asks for what the plan says and for nothing else."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters import anthos
from tests.clusters.anthos import PROFILE, cluster, machines, namespace, node, node_pool, secret
from tests.clusters.crds import BARE_METAL
from tests.lab.controlplane import AuditEvent, Authority, ControlPlane, LogServer
from tests.running import Result, preflight

#: With the version given, the plan holds what is read and nothing that may turn out not to apply.
CLUSTERS = ("--examine=clusters", "--upgrade-from=1.8.1")
CRDS = sorted((Path(__file__).parent / "crds").glob("*.yaml"))
#: More rules than any profile needs: a user cluster for each rule that is taken away.
USERS = tuple(f"user-{number}" for number in range(32))
ACCOUNT = "system:serviceaccount:preflight:{}"


@dataclass(frozen=True)
class Asked:
    """The lab, with the role as it was printed, bound to a service account."""

    plane: ControlPlane
    place: Path
    role: dict[str, Any]

    def kubeconfig(self, account: str) -> Path:
        """The kubeconfig of a service account whose role is bound."""
        token = self.plane.service_account("preflight", account)
        path = self.place / f"{account}.kubeconfig"
        return self.plane.kubeconfig(account, token=token, context="prod-admin", path=path)

    def bind(self, account: str, rules: list[dict[str, Any]]) -> Path:
        """A service account with these rules and no others; its kubeconfig."""
        kubeconfig = self.kubeconfig(account)
        role = {**self.role, "metadata": {"name": account}, "rules": rules}
        self.plane.bind(role, f"preflight/{account}")
        return kubeconfig


@pytest.fixture(scope="module")
def lab(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """An admin cluster with user clusters of which every check has something to decide."""
    plane, place = control_plane, tmp_path_factory.mktemp("rbac")
    plane.apply(*BARE_METAL, keep=True)
    plane.apply(*(one for one in CRDS if one not in BARE_METAL))
    stack = ExitStack()
    own, others = plane.authority.pem, Authority("a store's CA").pem
    plane.apply(namespace("cluster-prod-admin"), anthos.cluster_info("https://192.0.2.8:443", own))
    plane.apply(cluster("prod-admin", "admin"), *machines("cluster-prod-admin", "192.0.2.1"))
    kubelet = stack.enter_context(LogServer(plane))
    centos = kubelet.node(node("n1", "192.0.2.1", "v1.18.20"))
    centos["status"]["nodeInfo"]["osImage"] = "CentOS Linux 8"
    plane.apply(centos, node_pool("prod-admin"))
    plane.apply(forwarder("n1"), *published(own))
    for logs in (kubelet.logs, kubelet.previous):
        logs["kube-system", "stackdriver-log-forwarder-x", "main"] = "started\n"
    for number, name in enumerate(USERS):
        vip, there = f"198.51.100.{number + 10}", f"203.0.113.{number + 10}"
        plane.apply(namespace(f"cluster-{name}"), cluster(name, vip=vip))
        plane.apply(*machines(f"cluster-{name}", there, maintenance=[there] if number == 1 else ()))
        plane.apply(secret(name, anthos.kubeconfig_text(name, f"https://{vip}:443", own if number == 2 else others)))
    admin = plane.kubeconfig(context="prod-admin", path=place / "admin.kubeconfig")
    printed = preflight(PROFILE, *CLUSTERS, f"--kubeconfig={admin}", "--plan=rbac", cwd=place)
    assert printed.code == 0, printed
    yield Asked(plane, place, yaml.safe_load(printed.out))
    stack.close()
    plane.reset()


def published(ca: bytes) -> list[dict[str, Any]]:
    """What a cluster publishes of itself, and a ClientConfig that has kept its CA."""
    where = {"namespace": "kube-public"}
    spec = {"certificateAuthorityData": b64encode(ca).decode(), "server": "https://192.0.2.8:443"}
    return [
        {
            "apiVersion": "authentication.gke.io/v2alpha1",
            "kind": "ClientConfig",
            "metadata": {"name": "default", **where},
            "spec": spec,
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt", **where},
            "data": {"ca.crt": ca.decode()},
        },
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 443}]}],
        },
    ]


def forwarder(where: str) -> dict[str, Any]:
    """A pod on a node that was restarted, so that its logs are asked for."""
    containers = [{"name": "main", "image": "example.com/x"}]
    state = {"name": "main", "image": "x", "imageID": "x", "restartCount": 3, "ready": True, "started": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "kube-system", "name": "stackdriver-log-forwarder-x"},
        "spec": {"containers": containers, "nodeName": where, "automountServiceAccountToken": False},
        "status": {"phase": "Running", "containerStatuses": [state]},
    }


@pytest.fixture(scope="module")
def runs(lab: Asked) -> tuple[Result, Result, list[AuditEvent]]:
    """The same run as the admin and with the role, and what the API server was asked for by the latter."""
    admin = lab.place / "admin.kubeconfig"
    mighty = preflight(PROFILE, *CLUSTERS, f"--kubeconfig={admin}", cwd=lab.place, reports="mighty")
    kubeconfig = lab.bind("reader", lab.role["rules"])
    began = lab.plane.audit_position()
    humble = preflight(PROFILE, *CLUSTERS, f"--kubeconfig={kubeconfig}", cwd=lab.place, reports="humble")
    return mighty, humble, lab.plane.audit(user=ACCOUNT.format("reader"), since=began)


class TestTheRole:
    def test_has_one_verb_on_one_resource_in_each_rule(self, lab: Asked) -> None:
        assert len(lab.role["rules"]) < len(USERS)  # or give USERS more of them
        for rule in lab.role["rules"]:
            assert rule["verbs"] in (["get"], ["list"])
            if "nonResourceURLs" not in rule:
                assert (len(rule["apiGroups"]), len(rule["resources"])) == (1, 1)
                assert "*" not in (*rule["apiGroups"], *rule["resources"])

    def test_lists_no_secret(self, lab: Asked) -> None:
        secrets = [one["verbs"] for one in lab.role["rules"] if one.get("resources") == ["secrets"]]
        assert secrets == [["get"]]

    def test_is_enough(self, runs: tuple[Result, Result, list[AuditEvent]]) -> None:
        mighty, humble, _ = runs
        assert humble.report["findings"] == mighty.report["findings"]
        assert (humble.code, mighty.code) == (1, 1)
        # It was worth comparing: there is something of everything.
        assert {"hazard", "warning", "clear"} <= set(humble.outcomes.values())

    def test_none_of_it_can_be_taken_away(self, lab: Asked) -> None:
        """All at once: a cluster for each rule, whose service account lacks just this one."""
        rules = lab.role["rules"]
        clusters: dict[str, Any] = {}
        for number, user in zip(range(len(rules) + 1), USERS, strict=False):
            held = [one for place, one in enumerate(rules) if place != number]
            kubeconfig = lab.bind(f"lacking-{number}", held)
            clusters[f"admin-{number}"] = {"kubeconfig": str(kubeconfig), "role": "admin"}
            clusters[user] = {"admin": f"admin-{number}"}
        change = lab.place / "change.yaml"
        change.write_text(yaml.safe_dump({"examine": ["clusters"], "upgrade": {"from": "1.8.1"}, "clusters": clusters}))
        run = preflight(PROFILE, f"--change={change}", cwd=lab.place, reports="lacking")
        unknown = [one for one in run.report["findings"] if one["outcome"] == "unknown"]

        def own(number: int) -> set[tuple[str, str]]:
            roles = {f"admin-{number}": "admin", USERS[number]: "user"}
            return {(one["hazard"], roles[one["subject"]]) for one in unknown if one["subject"] in roles}

        # What the whole role leaves unknown, such as a user cluster that cannot be asked itself, is no matter of rights.
        anyway = own(len(rules))
        told = " ".join(one["message"] for one in unknown if one["subject"] == "fleet")

        def missed(number: int) -> bool:
            names = {f"admin-{number}", USERS[number]}
            lost = any(f"{name}: forbidden" in told or f"{name}: list" in told for name in names)
            return bool(own(number) - anyway) or lost

        not_needed = [rule for number, rule in enumerate(rules) if not missed(number)]
        assert not_needed == []
        assert not missed(len(rules)), told
        whole = [one for one in unknown if one["subject"] in (f"admin-{len(rules)}", USERS[len(rules)])]
        assert [one for one in whole if "forbidden" in one["message"]] == []
        assert "system:serviceaccount:preflight:lacking-0" in json.dumps(unknown)

    def test_of_any_kubernetes_is_to_list_nodes_and_what_must_run_once(self, lab: Asked) -> None:
        profile = "--profile=kubernetes-1.19"
        admin = lab.place / "admin.kubeconfig"
        printed = preflight(profile, CLUSTERS[0], f"--kubeconfig={admin}", "--plan=rbac", cwd=lab.place)
        rules = yaml.safe_load(printed.out)["rules"]
        assert {(*one["apiGroups"], *one["resources"], *one["verbs"]) for one in rules} == {
            *(("", one, "list") for one in ("nodes", "pods", "persistentvolumeclaims", "replicationcontrollers")),
            *(("apps", one, "list") for one in ("deployments", "statefulsets", "replicasets")),
        }
        kubeconfig = lab.bind("any", rules)
        run = preflight(profile, CLUSTERS[0], f"--kubeconfig={kubeconfig}", cwd=lab.place, reports="any")
        assert (run.code, run.report["verdict"]) == (0, "go"), run
        assert run.report["upgrades"]["prod-admin"]["from"]  # /version is free to all
        # And each of them is needed.
        lacking = {}
        for number, rule in enumerate(rules):
            held = [one for one in rules if one is not rule]
            lacking[rule["resources"][0]] = {"kubeconfig": str(lab.bind(f"any-{number}", held))}
        change = lab.place / "any.yaml"
        change.write_text(yaml.safe_dump({"examine": ["clusters"], "clusters": lacking}))
        run = preflight(profile, f"--change={change}", cwd=lab.place, reports="any-lacking")
        told = {one["subject"]: one["message"] for one in run.report["findings"] if one["outcome"] == "unknown"}
        assert set(told) == set(lacking)
        assert all("forbidden" in one or "list" in one for one in told.values()), told


class TestTheRun:
    def test_only_reads(self, runs: tuple[Result, Result, list[AuditEvent]]) -> None:
        _, _, events = runs
        assert {event.verb for event in events} == {"get", "list"}
        assert {event.status for event in events} == {200}

    def test_asks_for_everything_once(self, runs: tuple[Result, Result, list[AuditEvent]]) -> None:
        _, _, events = runs
        # Two facts keep different things of the ConfigMap cluster-info, each as a step over a listing of its own.
        asked = Counter((event.verb, event.uri) for event in events if not event.uri.endswith("/cluster-info"))
        assert [uri for (_, uri), number in asked.items() if number > 1 and uri not in ("/api", "/apis")] == []
        listed = Counter(event.document["objectRef"]["resource"] for event in events if event.verb == "list")
        assert {"clusters", "baremetalmachines", "nodepools", "nodes", "pods"} <= set(listed)
        assert set(listed.values()) == {1}

    def test_makes_the_requests_of_the_plan_and_no_others(
        self, lab: Asked, runs: tuple[Result, Result, list[AuditEvent]]
    ) -> None:
        _, _, events = runs
        admin = lab.place / "admin.kubeconfig"
        printed = preflight(PROFILE, *CLUSTERS, f"--kubeconfig={admin}", "--plan=json", cwd=lab.place)
        planned = json.loads(printed.out)["clusters"]["prod-admin"]["requests"]
        resources = {(one["verb"], one["group"], one["resource"]) for one in planned if "resource" in one}
        paths = {one["path"] for one in planned if "path" in one}
        made = {_resource(event) for event in events if "objectRef" in event.document}
        assert made == resources
        others = {event.uri for event in events if "objectRef" not in event.document}
        assert others == paths | {"/api", "/apis"}

    @pytest.mark.parametrize("form", ["--plan", "--plan=json", "--plan=rbac", "--plan=sudoers"])
    def test_a_plan_contacts_nobody(self, lab: Asked, form: str) -> None:
        dead = lab.plane.kubeconfig(
            context="prod-admin", path=lab.place / "dead.kubeconfig", server="https://127.0.0.1:9"
        )
        began = lab.plane.audit_position()
        alive = preflight(PROFILE, *CLUSTERS, f"--kubeconfig={lab.place / 'admin.kubeconfig'}", form, cwd=lab.place)
        assert lab.plane.audit(user="admin", since=began) == []
        assert alive.code == 0
        without = preflight(PROFILE, *CLUSTERS, f"--kubeconfig={dead}", form, cwd=lab.place)
        assert (without.code, without.out) == (0, alive.out)

    def test_the_plan_for_people_has_every_request(self, lab: Asked) -> None:
        admin = lab.place / "admin.kubeconfig"
        told = preflight(PROFILE, *CLUSTERS, f"--kubeconfig={admin}", "--plan", cwd=lab.place).out
        for word in (
            "list clusters.baremetal",
            "list baremetalmachines",
            "list nodepools",
            "list nodes",
            "get secrets",
        ):
            assert f"  - {word}" in told
        assert "nobody has been contacted" in told


def _resource(event: AuditEvent) -> tuple[str, str, str]:
    reference = event.document["objectRef"]
    below = f"/{reference['subresource']}" if "subresource" in reference else ""
    return event.verb, reference.get("apiGroup", ""), reference["resource"] + below
