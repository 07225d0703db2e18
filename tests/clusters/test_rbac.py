"""The role that `--plan=rbac` prints is enough and no more, and a run asks for what the plan says and for nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters import anthos
from tests.clusters.anthos import PROFILE, cluster, machines, namespace, node, node_pool, secret
from tests.clusters.crds import BARE_METAL
from tests.lab.controlplane import AuditEvent, Authority, ControlPlane
from tests.running import Result, preflight

CLUSTERS = "--examine=clusters"
#: More rules than any profile needs: a user cluster for each rule that is taken away.
USERS = tuple(f"user-{number}" for number in range(8))
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
    own, others = plane.authority.pem, Authority("a store's CA").pem
    plane.apply(namespace("cluster-prod-admin"), anthos.cluster_info("https://192.0.2.8:443", own))
    plane.apply(cluster("prod-admin", "admin"), *machines("cluster-prod-admin", "192.0.2.1"))
    plane.apply(node("n1", "192.0.2.1", "v1.18.20"), node_pool("prod-admin"))
    for number, name in enumerate(USERS):
        vip, there = f"198.51.100.{number + 10}", f"203.0.113.{number + 10}"
        plane.apply(namespace(f"cluster-{name}"), cluster(name, vip=vip))
        plane.apply(*machines(f"cluster-{name}", there, maintenance=[there] if number == 1 else ()))
        plane.apply(secret(name, anthos.kubeconfig_text(name, f"https://{vip}:443", own if number == 2 else others)))
    admin = plane.kubeconfig(context="prod-admin", path=place / "admin.kubeconfig")
    printed = preflight(PROFILE, CLUSTERS, f"--kubeconfig={admin}", "--plan=rbac", cwd=place)
    assert printed.code == 0, printed
    yield Asked(plane, place, yaml.safe_load(printed.out))
    plane.reset()


@pytest.fixture(scope="module")
def runs(lab: Asked) -> tuple[Result, Result, list[AuditEvent]]:
    """The same run as the admin and with the role, and what the API server was asked for by the latter."""
    admin = lab.place / "admin.kubeconfig"
    mighty = preflight(PROFILE, CLUSTERS, f"--kubeconfig={admin}", cwd=lab.place, reports="mighty")
    kubeconfig = lab.bind("reader", lab.role["rules"])
    began = lab.plane.audit_position()
    humble = preflight(PROFILE, CLUSTERS, f"--kubeconfig={kubeconfig}", cwd=lab.place, reports="humble")
    return mighty, humble, lab.plane.audit(user=ACCOUNT.format("reader"), since=began)


class TestTheRole:
    def test_has_one_verb_on_one_resource_in_each_rule(self, lab: Asked) -> None:
        assert len(lab.role["rules"]) < len(USERS)
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
        change.write_text(yaml.safe_dump({"examine": ["clusters"], "clusters": clusters}))
        run = preflight(PROFILE, f"--change={change}", cwd=lab.place, reports="lacking")
        unknown = [one for one in run.report["findings"] if one["outcome"] == "unknown"]

        def missed(number: int) -> bool:
            names = {f"admin-{number}", USERS[number]}
            own = [one for one in unknown if one["subject"] in names and "no kubeconfig is given" not in one["message"]]
            told = " ".join(one["message"] for one in unknown if one["subject"] == "fleet")
            return bool(own) or any(f"{name}: forbidden" in told or f"{name}: list" in told for name in names)

        not_needed = [rule for number, rule in enumerate(rules) if not missed(number)]
        assert not_needed == []
        assert not missed(len(rules)), [
            one for one in unknown if one["subject"].endswith(str(len(rules))) or one["subject"] == "fleet"
        ]
        assert "system:serviceaccount:preflight:lacking-0" in json.dumps(unknown)

    def test_of_any_kubernetes_is_to_list_nodes(self, lab: Asked) -> None:
        profile = "--profile=kubernetes-1.19"
        admin = lab.place / "admin.kubeconfig"
        printed = preflight(profile, CLUSTERS, f"--kubeconfig={admin}", "--plan=rbac", cwd=lab.place)
        role = yaml.safe_load(printed.out)
        assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
        kubeconfig = lab.bind("any", role["rules"])
        run = preflight(profile, CLUSTERS, f"--kubeconfig={kubeconfig}", cwd=lab.place, reports="any")
        assert (run.code, run.report["verdict"]) == (0, "go")
        assert run.report["upgrades"]["prod-admin"]["from"]  # /version is free to all


class TestTheRun:
    def test_only_reads(self, runs: tuple[Result, Result, list[AuditEvent]]) -> None:
        _, _, events = runs
        assert {event.verb for event in events} == {"get", "list"}
        assert {event.status for event in events} == {200}

    def test_asks_for_everything_once(self, runs: tuple[Result, Result, list[AuditEvent]]) -> None:
        _, _, events = runs
        asked = Counter((event.verb, event.uri) for event in events)
        assert [uri for (_, uri), number in asked.items() if number > 1 and uri not in ("/api", "/apis")] == []
        listed = Counter(event.document["objectRef"]["resource"] for event in events if event.verb == "list")
        assert set(listed) == {"clusters", "baremetalmachines", "nodepools", "nodes"}
        assert set(listed.values()) == {1}

    def test_makes_the_requests_of_the_plan_and_no_others(
        self, lab: Asked, runs: tuple[Result, Result, list[AuditEvent]]
    ) -> None:
        _, _, events = runs
        admin = lab.place / "admin.kubeconfig"
        printed = preflight(PROFILE, CLUSTERS, f"--kubeconfig={admin}", "--plan=json", cwd=lab.place)
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
        alive = preflight(PROFILE, CLUSTERS, f"--kubeconfig={lab.place / 'admin.kubeconfig'}", form, cwd=lab.place)
        assert lab.plane.audit(user="admin", since=began) == []
        assert alive.code == 0
        without = preflight(PROFILE, CLUSTERS, f"--kubeconfig={dead}", form, cwd=lab.place)
        assert (without.code, without.out) == (0, alive.out)

    def test_the_plan_for_people_has_every_request(self, lab: Asked) -> None:
        admin = lab.place / "admin.kubeconfig"
        told = preflight(PROFILE, CLUSTERS, f"--kubeconfig={admin}", "--plan", cwd=lab.place).out
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
    return event.verb, reference.get("apiGroup", ""), reference["resource"]
