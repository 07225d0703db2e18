"""Gathering from a real API server: what is asked, what is kept, and what is not said of what was not read."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.answers import Answer
from conformance.gather import kubeconfig as kubeconfig_module
from conformance.gather.clusters import gather_clusters
from conformance.gather.jobs import ClusterJob, ClusterSettings, Gathered
from conformance.reads import ClusterRead, InvalidRead, listing, named, path
from tests.clusters.crds import crd, served_only_as
from tests.lab.controlplane import ControlPlane

GROUP = "baremetal.cluster.gke.io"
SECRET_TEXT = "do-not-store-this"


def gather(kubeconfig: Path, *reads: ClusterRead, **settings: Any) -> Gathered:
    """What one cluster gave."""
    job = ClusterJob("lab", kubeconfig, None, reads)
    return gather_clusters([job], ClusterSettings(**settings), lambda subject, problem: None)["lab"]


def value(gathered: Gathered, key: str) -> Mapping[str, Any]:
    """The value of an answer that must be there."""
    return gathered.answers[key].require()


def problem(answer: Answer) -> tuple[str, str]:
    """Kind and message of an answer that must not be there; the message is one line."""
    assert answer.problem is not None, answer.value
    assert "\n" not in answer.problem.message
    return answer.problem.kind, answer.problem.message


def config_map(name: str, namespace: str = "default", **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def bare_metal_cluster(name: str, namespace: str, version: str = "v1") -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "Cluster",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "hybrid", "anthosBareMetalVersion": "1.8.3"},
    }


def data_keys(item: Mapping[str, Any]) -> list[str]:
    return sorted(item.get("data") or {})


def kubeconfig_facts(secret: Mapping[str, Any]) -> dict[str, Any]:
    return {"keys": sorted(secret["data"]), "bytes": len(secret["data"]["value"])}


def reading(*rules: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "preflight"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": list(rules),
    }


class TestListings:
    def test_keeps_what_was_asked_for_and_nothing_else(self, lab_cluster: ControlPlane) -> None:
        lab_cluster.apply(config_map("one", a="1", b="2"))
        gathered = gather(lab_cluster.kubeconfig(), listing("configmaps", "data.a"))
        answer = value(gathered, "list configmaps")
        assert {"metadata": {"name": "one", "namespace": "default"}, "data": {"a": "1"}} in answer["objects"]
        assert answer["version"] == "v1"
        assert answer["keep"] == ["data.a", "metadata.name", "metadata.namespace"]
        json.dumps(gathered.answers["list configmaps"].value)

    def test_reads_all_pages(self, lab_cluster: ControlPlane) -> None:
        namespace = lab_cluster.namespace("paged")
        lab_cluster.apply(*(config_map(f"c{number}", namespace) for number in range(7)))
        start = lab_cluster.audit_position()
        gathered = gather(lab_cluster.kubeconfig(), listing("configmaps"), page_size=3)
        names = [one["metadata"]["name"] for one in value(gathered, "list configmaps")["objects"]]
        assert {f"c{number}" for number in range(7)} <= set(names)
        assert len(names) == len(set(names))
        lists = [event.uri for event in lab_cluster.audit(since=start) if event.verb == "list"]
        assert len(lists) >= 3
        assert all("limit=3" in uri and "resourceVersion" not in uri for uri in lists)

    def test_one_request_for_all_that_want_a_resource(self, lab_cluster: ControlPlane) -> None:
        lab_cluster.apply(config_map("one", a="1", b="2"))
        reads = (
            listing("configmaps", "data.a"),
            listing("configmaps", "data.b"),
            listing("configmaps", "data"),
            listing("configmaps", reduce=data_keys),
        )
        start = lab_cluster.audit_position()
        gathered = gather(lab_cluster.kubeconfig(), *reads)
        assert [event.verb for event in lab_cluster.audit(since=start, user="admin")].count("list") == 1
        answer = value(gathered, "list configmaps")
        assert answer["keep"] == ["data", "metadata.name", "metadata.namespace"]
        assert ["a", "b"] in value(gathered, "list configmaps as data_keys")["objects"]
        assert [read.extract(gathered.answers[read.key]) for read in reads[:3]] == [answer["objects"]] * 3
        assert set(gathered.answers) == {"list configmaps", "list configmaps as data_keys"}

    def test_reductions_alone_store_no_object(self, lab_cluster: ControlPlane) -> None:
        lab_cluster.apply(config_map("one", secret=SECRET_TEXT))
        gathered = gather(lab_cluster.kubeconfig(), listing("configmaps", reduce=data_keys))
        assert list(gathered.answers) == ["list configmaps as data_keys"]
        assert value(gathered, "list configmaps as data_keys")["keep"] == []
        assert SECRET_TEXT not in repr(gathered)

    def test_a_broken_reduction_spoils_only_its_own_answer(self, lab_cluster: ControlPlane) -> None:
        lab_cluster.apply(config_map("one", secret=SECRET_TEXT))

        def broken(item: Mapping[str, Any]) -> Any:
            raise ValueError(item)

        def unstorable(item: Mapping[str, Any]) -> Any:
            return {"set": {1, 2}}

        reads = [listing("configmaps", reduce=one) for one in (broken, unstorable, data_keys)]
        gathered = gather(lab_cluster.kubeconfig(), *reads, listing("configmaps"))
        kind, message = problem(gathered.answers["list configmaps as broken"])
        assert kind == "undecodable"
        assert message.startswith("configmaps ")
        assert message.endswith(": broken cannot read it (ValueError)")
        assert problem(gathered.answers["list configmaps as unstorable"])[0] == "undecodable"
        assert value(gathered, "list configmaps as data_keys")["objects"]
        assert value(gathered, "list configmaps")["objects"]
        assert SECRET_TEXT not in repr(gathered)

    def test_two_reductions_of_one_name_are_an_error_of_the_pack(self, lab_cluster: ControlPlane) -> None:
        def again() -> Any:
            def same_name(item: Mapping[str, Any]) -> Any:
                return item

            return same_name

        start = lab_cluster.audit_position()
        with pytest.raises(InvalidRead, match="two different functions of this name"):
            gather(
                lab_cluster.kubeconfig(),
                listing("configmaps", reduce=again()),
                listing("configmaps", reduce=again()),
            )
        assert not lab_cluster.audit(since=start, user="admin")


class TestDiscovery:
    @pytest.mark.parametrize("version", ["v1", "v1alpha1"])
    def test_the_version_that_the_cluster_serves(self, lab_cluster: ControlPlane, version: str) -> None:
        lab_cluster.delete(crd("clusters"))
        lab_cluster.apply(served_only_as(version, crd("clusters")))
        lab_cluster.apply(bare_metal_cluster("edge", lab_cluster.namespace("cluster-edge"), version))
        gathered = gather(lab_cluster.kubeconfig(), listing(f"clusters.{GROUP}", "spec.type"))
        answer = value(gathered, f"list clusters.{GROUP}")
        assert answer["version"] == version
        assert [one["spec"] for one in answer["objects"]] == [{"type": "hybrid"}]

    def test_a_kind_that_is_not_served(self, lab_cluster: ControlPlane) -> None:
        reads = listing("virtualmachines.kubevirt.io"), listing("nosuchthings"), listing("gadgets.apps")
        gathered = gather(lab_cluster.kubeconfig(), *reads)
        for read in reads:
            assert problem(gathered.answers[read.key])[0] == "not-served"

    def test_a_group_whose_server_does_not_answer_is_an_error(self, lab_cluster: ControlPlane) -> None:
        group, version = "dead.example.com", "v1"
        lab_cluster.apply(
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": f"{version}.{group}"},
                "spec": {
                    "group": group,
                    "version": version,
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                    "insecureSkipTLSVerify": True,
                    "service": {"namespace": "default", "name": "nobody-is-here"},
                },
            }
        )
        gathered = gather(lab_cluster.kubeconfig(), listing(f"things.{group}", required=False), listing("nodes"))
        kind, message = problem(gathered.answers[f"list things.{group}"])
        assert kind == "error"
        assert "dead.example.com/v1 does not answer" in message
        assert value(gathered, "list nodes")["objects"] == []

    def test_is_two_requests_however_many_groups(self, lab_cluster: ControlPlane) -> None:
        reads = [
            listing(one) for one in ("nodes", "pods", "deployments.apps", "jobs.batch", "leases.coordination.k8s.io")
        ]
        start = lab_cluster.audit_position()
        gathered = gather(lab_cluster.kubeconfig(), *reads)
        asked = [event.uri for event in lab_cluster.audit(since=start) if "limit" not in event.uri]
        assert sorted(asked) == ["/api", "/apis"]
        assert gathered.notes["discovery"] == "v2"
        assert gathered.notes["requests"] == 7


class TestPermissions:
    def test_without_any_role(self, lab_cluster: ControlPlane) -> None:
        reads = listing("nodes"), listing("deployments.apps"), path("/metrics", text=True), path("/version")
        gathered = gather(lab_cluster.kubeconfig("nobody"), *reads)
        kind, message = problem(gathered.answers["list nodes"])
        assert (kind, message) == (
            "forbidden",
            "list nodes: forbidden to nobody: grant the role that --plan=rbac prints",
        )
        assert problem(gathered.answers["list deployments.apps"])[0] == "forbidden"
        assert problem(gathered.answers["get /metrics"])[0] == "forbidden"
        assert value(gathered, "get /version")["body"]["gitVersion"].startswith("v1.")
        assert gathered.notes["version"].startswith("v1.")

    def test_forbidden_is_about_one_resource(self, lab_cluster: ControlPlane) -> None:
        token = lab_cluster.service_account("preflight", "reader")
        lab_cluster.bind(reading({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}), "preflight/reader")
        gathered = gather(lab_cluster.kubeconfig("reader", token=token), listing("nodes"), listing("pods"))
        assert value(gathered, "list nodes")["objects"] == []
        assert "system:serviceaccount:preflight:reader" in problem(gathered.answers["list pods"])[1]

    def test_a_user_with_a_client_certificate(self, lab_cluster: ControlPlane) -> None:
        kubeconfig = lab_cluster.kubeconfig("bob", groups=["system:masters"])
        assert value(gather(kubeconfig, listing("namespaces", at_least=1)), "list namespaces")["objects"]

    def test_an_expired_client_certificate(self, lab_cluster: ControlPlane) -> None:
        kubeconfig = lab_cluster.kubeconfig("bob", groups=["system:masters"], expired=True)
        kind, message = problem(gather(kubeconfig, listing("namespaces")).answers["list namespaces"])
        assert kind == "refused"
        assert "the client certificate expired on 20" in message
        assert "user 'bob' of context 'lab'" in message

    def test_a_wrong_token(self, lab_cluster: ControlPlane) -> None:
        kubeconfig = lab_cluster.kubeconfig("eve", token=SECRET_TEXT)
        gathered = gather(kubeconfig, listing("namespaces"), path("/version"))
        assert {problem(answer)[0] for answer in gathered.answers.values()} == {"refused"}
        assert SECRET_TEXT not in repr(gathered)

    def test_no_credentials_at_all(self, lab_cluster: ControlPlane) -> None:
        kubeconfig = lab_cluster.kubeconfig("eve", token="x")
        kubeconfig.write_text(kubeconfig.read_text().replace("token: x", "").replace("user:\n", "user: {}\n"))
        kind, message = problem(gather(kubeconfig, listing("namespaces")).answers["list namespaces"])
        assert kind == "refused"
        assert "no credentials" in message


class TestNamed:
    """One secret for each cluster object, as facts about the kubeconfigs of user clusters read them."""

    OVER = listing(f"clusters.{GROUP}")

    def prepare(self, plane: ControlPlane) -> None:
        for name, kind in (("one", "user"), ("two", "user"), ("three", "admin")):
            namespace = plane.namespace(f"cluster-{name}")
            cluster = bare_metal_cluster(name, namespace)
            cluster["spec"]["type"] = kind
            plane.apply(cluster)
        data = {"value": b64encode(SECRET_TEXT.encode()).decode()}
        for name in ("one", "three"):
            metadata = {"name": f"{name}-kubeconfig", "namespace": f"cluster-{name}"}
            plane.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})

    def read(self, **changes: Any) -> Any:
        return named(
            "secrets",
            **{
                "over": self.OVER,
                "namespace": "{metadata.namespace}",
                "name": "{metadata.name}-kubeconfig",
                "reduce": kubeconfig_facts,
                **changes,
            },
        )

    def test_stores_reductions_only(self, lab_cluster: ControlPlane) -> None:
        self.prepare(lab_cluster)
        read = self.read(where=("spec.type", "user"))
        start = lab_cluster.audit_position()
        gathered = gather(lab_cluster.kubeconfig(), read, self.OVER)
        assert value(gathered, read.key) == {
            "objects": {
                "cluster-one/one-kubeconfig": {"value": {"keys": ["value"], "bytes": 24}},
                "cluster-two/two-kubeconfig": {"value": None},
            }
        }
        assert SECRET_TEXT not in repr(gathered)
        assert b64encode(SECRET_TEXT.encode()).decode() not in repr(gathered)
        asked = [(event.verb, event.uri) for event in lab_cluster.audit(since=start) if "secrets" in event.uri]
        assert sorted(asked) == [
            ("get", f"/api/v1/namespaces/cluster-{name}/secrets/{name}-kubeconfig") for name in ("one", "two")
        ]

    def test_the_listing_behind_it_is_not_stored_unless_wanted(self, lab_cluster: ControlPlane) -> None:
        self.prepare(lab_cluster)
        read = self.read()
        gathered = gather(lab_cluster.kubeconfig(), read)
        assert list(gathered.answers) == [read.key]
        assert len(value(gathered, read.key)["objects"]) == 3

    def test_shares_its_listing(self, lab_cluster: ControlPlane) -> None:
        self.prepare(lab_cluster)
        start = lab_cluster.audit_position()
        gathered = gather(
            lab_cluster.kubeconfig(),
            self.read(where=("spec.type", "user")),
            self.read(where=("spec.type", "admin")),
            listing(f"clusters.{GROUP}", "spec.anthosBareMetalVersion"),
        )
        assert [event.verb for event in lab_cluster.audit(since=start)].count("list") == 1
        keep = value(gathered, f"list clusters.{GROUP}")["keep"]
        assert {"spec.type", "spec.anthosBareMetalVersion"} < set(keep)

    def test_more_than_its_bound(self, lab_cluster: ControlPlane) -> None:
        self.prepare(lab_cluster)
        read = self.read(bound=2)
        start = lab_cluster.audit_position()
        kind, message = problem(gather(lab_cluster.kubeconfig(), read).answers[read.key])
        assert kind == "cut-off"
        assert "3 objects, more than the 2" in message
        assert not [event for event in lab_cluster.audit(since=start) if "secrets" in event.uri]

    def test_a_listing_that_failed(self, lab_cluster: ControlPlane) -> None:
        read = self.read(over=listing("nodes"), namespace="kube-system")
        gathered = gather(lab_cluster.kubeconfig("nobody"), read)
        assert problem(gathered.answers[read.key])[1].startswith("list nodes: forbidden")

    def test_a_denied_object_is_a_problem_of_that_object(self, lab_cluster: ControlPlane) -> None:
        self.prepare(lab_cluster)
        token = lab_cluster.service_account("preflight", "reader")
        lab_cluster.bind(
            reading(
                {"apiGroups": [GROUP], "resources": ["clusters"], "verbs": ["list"]},
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["one-kubeconfig"]},
            ),
            "preflight/reader",
        )
        read = self.read()
        objects = value(gather(lab_cluster.kubeconfig("reader", token=token), read), read.key)["objects"]
        assert objects["cluster-one/one-kubeconfig"] == {"value": {"keys": ["value"], "bytes": 24}}
        assert objects["cluster-three/three-kubeconfig"]["problem"]["kind"] == "forbidden"

    def test_a_broken_reduction_is_a_problem_of_that_object(self, lab_cluster: ControlPlane) -> None:
        self.prepare(lab_cluster)

        def broken(secret: Mapping[str, Any]) -> Any:
            raise ValueError(secret["data"])

        read = self.read(reduce=broken)
        gathered = gather(lab_cluster.kubeconfig(), read)
        objects = value(gathered, read.key)["objects"]
        assert objects["cluster-one/one-kubeconfig"]["problem"]["kind"] == "undecodable"
        assert objects["cluster-two/two-kubeconfig"] == {"value": None}
        assert b64encode(SECRET_TEXT.encode()).decode() not in repr(gathered)

    @pytest.mark.parametrize("text", ["", "..", "../../kube-system", "a/b", "a?b", "a b"])
    def test_text_from_the_cluster_never_leads_to_another_path(self, lab_cluster: ControlPlane, text: str) -> None:
        lab_cluster.apply(config_map("one", to=text))
        read = named(
            "secrets",
            over=listing("configmaps"),
            namespace="default",
            name="{data.to}",
            reduce=kubeconfig_facts,
            where=("metadata.name", "one"),
        )
        start = lab_cluster.audit_position()
        objects = value(gather(lab_cluster.kubeconfig(), read), read.key)["objects"]
        assert [one["problem"]["kind"] for one in objects.values()] == ["undecodable"]
        assert not [event for event in lab_cluster.audit(since=start) if "secrets" in event.uri]


def test_paths_give_json_or_text(lab_cluster: ControlPlane) -> None:
    gathered = gather(lab_cluster.kubeconfig(), path("/version"), path("/livez", text=True), path("/nowhere"))
    assert value(gathered, "get /version")["body"]["major"] == "1"
    assert value(gathered, "get /livez") == {"body": "ok"}
    assert problem(gathered.answers["get /nowhere"])[0] == "error"


def test_nothing_but_get_and_list(lab_cluster: ControlPlane) -> None:
    lab_cluster.apply(bare_metal_cluster("edge", lab_cluster.namespace("cluster-edge")))
    over = listing(f"clusters.{GROUP}")
    secrets = named("secrets", over=over, namespace="{metadata.namespace}", name="s", reduce=kubeconfig_facts)
    start = lab_cluster.audit_position()
    gather(lab_cluster.kubeconfig(), over, secrets, listing("nodes"), listing("gone.example.com"), path("/version"))
    events = lab_cluster.audit(since=start)
    assert {event.verb for event in events} == {"get", "list"}
    assert {event.user for event in events} == {"admin"}
    assert len(events) == 6


def test_many_clusters_side_by_side(lab_cluster: ControlPlane) -> None:
    jobs = [ClusterJob(f"c{number}", lab_cluster.kubeconfig(), None, (listing("namespaces"),)) for number in range(20)]
    told: list[tuple[str, str | None]] = []
    gathered = gather_clusters(jobs, ClusterSettings(), lambda *done: told.append(done))
    assert list(gathered) == [f"c{number}" for number in range(20)]
    assert all(value(one, "list namespaces")["objects"] for one in gathered.values())
    assert sorted(told) == sorted((f"c{number}", None) for number in range(20))


def test_many_clusters_in_a_process_that_has_not_used_the_client_yet(lab_cluster: ControlPlane) -> None:
    """The official client imports itself lazily, and its imports deadlock when several threads are first."""
    program = """if True:
        import sys
        from pathlib import Path
        from conformance.gather.clusters import gather_clusters
        from conformance.gather.jobs import ClusterJob, ClusterSettings
        from conformance.reads import listing
        assert "kubernetes" not in sys.modules
        jobs = [ClusterJob(f"c{one}", Path(sys.argv[1]), None, (listing("namespaces"),)) for one in range(16)]
        for gathered in gather_clusters(jobs, ClusterSettings(), lambda *_: None).values():
            gathered.answers["list namespaces"].require()
    """
    command = [sys.executable, "-W", "error", "-c", program, str(lab_cluster.kubeconfig())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_from_inside_a_pod(lab_cluster: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = lab_cluster.service_account("preflight", "reader")
    lab_cluster.bind(reading({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}), "preflight/reader")
    for name, content in (("token", token), ("ca.crt", lab_cluster.ca_file.read_text()), ("namespace", "preflight")):
        (tmp_path / name).write_text(content)
    host, port = lab_cluster.url.removeprefix("https://").split(":")
    monkeypatch.setattr(kubeconfig_module, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    job = ClusterJob("here", None, None, (listing("nodes"), listing("pods")))
    gathered = gather_clusters([job], ClusterSettings(), lambda subject, problem: None)["here"]
    assert value(gathered, "list nodes")["objects"] == []
    assert problem(gathered.answers["list pods"])[0] == "forbidden"
    assert gathered.notes["context"] == "in-cluster"


def test_notes_say_what_was_contacted_and_how(lab_cluster: ControlPlane) -> None:
    kubeconfig = lab_cluster.kubeconfig()
    notes = gather(kubeconfig, path("/version")).notes
    assert notes.pop("version").startswith("v1.")
    assert notes == {
        "server": lab_cluster.url.removeprefix("https://"),
        "context": "lab",
        "kubeconfig": str(kubeconfig),
        "tls": "verified",
        "requests": 1,
    }


def test_unverified_tls_is_a_choice_that_is_noted(lab_cluster: ControlPlane) -> None:
    kubeconfig = lab_cluster.kubeconfig()
    lines = [line for line in kubeconfig.read_text().splitlines() if "certificate-authority" not in line]
    insecure = [line + "\n    insecure-skip-tls-verify: true" if "server:" in line else line for line in lines]
    kubeconfig.write_text("\n".join(insecure))
    gathered = gather(kubeconfig, path("/version"))
    assert value(gathered, "get /version")["body"]
    assert gathered.notes["tls"] == "not verified: the kubeconfig sets insecure-skip-tls-verify"
