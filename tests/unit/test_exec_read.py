"""Programs in pods: what may be declared, what the plan and the role say of it, and who runs them when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import gathering
from conformance.answers import Answer, Unreadable
from conformance.change import Cluster, Host, load_change
from conformance.facts import SHARED
from conformance.facts.etcd import etcd_on_host
from conformance.overrides import with_options
from conformance.plan import Plan
from conformance.printing import _plan_record, _plan_text
from conformance.privileges import cluster_role
from conformance.reads import ExecAnswers, PodExec, listing, pod_exec
from conformance.reads.hosts import InvalidRead
from conformance.recorded import change_of, record_of
from conformance.run import Run
from conformance.snapshot import Snapshot, merge
from tests.unit.packing import check, run_of

PODS = listing("pods", namespace="n")
ARGV = ("etcdctl", "member", "list", "-w", "json")
FILES = {
    "p.yaml": "hazards: [a, b]",
    "check_a.py": check("a", names="etcd", on="CLUSTER") + check("b", names="nodes", on="CLUSTER"),
}
MEMBERS = json.dumps({"members": [{"ID": 1, "name": "a", "clientURLs": ["u"]}]})
STATUS = json.dumps([{"Endpoint": "u", "Status": {"header": {"member_id": 1}, "raftIndex": 3}}])
HEALTH = json.dumps([{"endpoint": "u", "health": True, "took": "1ms"}])


def made(**changes: Any) -> PodExec:
    return pod_exec(**{"over": PODS, "namespace": "n", "names": "etcd-.+", "argv": ARGV, **changes})


class TestDeclared:
    @pytest.mark.parametrize(
        "argv",
        [(), ("",), ("etcdctl", ""), ("etcdctl", "a\0b"), ("sh", "-c", "id"), ("/bin/bash",), ("env", "x"), ("python3.11",),
         ("/usr/bin/nsenter", "-t", "1"), ("busybox", "ls"), ("timeout", "5", "etcdctl")],
    )  # fmt: skip
    def test_never_a_shell(self, argv: tuple[str, ...]) -> None:
        with pytest.raises(InvalidRead):
            made(argv=argv)

    @pytest.mark.parametrize(
        "changes",
        [{"over": listing("nodes")}, {"names": ""}, {"names": "["}, {"pods": 0}, {"limit": 0}, {"each": 0}],
        ids=str,
    )
    def test_bounds_and_places(self, changes: dict[str, Any]) -> None:
        with pytest.raises(InvalidRead):
            made(**changes)

    def test_its_key_tells_all(self) -> None:
        key = made(argv=("etcdctl", "a b"), container="etcd", labels={"app": "etcd"}, any=False).key
        assert key == (
            "exec in container etcd of each of the pods n/etcd-.+ with app=etcd: etcdctl 'a b'; at most 5 pods in all, "
            "1,048,576 bytes, 20 s each"
        )

    def test_different_reads_have_different_keys(self) -> None:
        keys = {
            one.key for one in (made(), made(any=False), made(container="x"), made(argv=("etcdctl",)), made(pods=2))
        }
        assert len(keys) == 5


class TestAnswers:
    STORED = {
        "n/a": {"container": "etcd", "rc": 1, "stdout": "half", "stderr": "no luck"},
        "n/b": {"container": "etcd", "rc": 0, "stdout": "whole", "stderr": ""},
        "n/c": {"problem": {"kind": "forbidden", "message": "not allowed"}},
        "n/d": {"absent": "is gone"},
    }

    def test_the_best(self) -> None:
        assert ExecAnswers(self.STORED, made(ok=(0, 1))).best.stdout == "whole"
        found = ExecAnswers(self.STORED, made())
        assert (list(found), list(found.unread), found.absent) == (["n/b"], ["n/a", "n/c"], {"n/d": "is gone"})
        with pytest.raises(Unreadable, match="ended with 1: no luck"):
            _ = found["n/a"]

    def test_none(self) -> None:
        rest = {key: value for key, value in self.STORED.items() if key != "n/b"}
        with pytest.raises(Unreadable, match="no luck; not allowed; n/d is gone"):
            _ = ExecAnswers(rest, made()).best
        with pytest.raises(Unreadable, match=r"no pod n/etcd-\.\+ is listed"):
            _ = ExecAnswers({}, made()).best

    def test_one_source_of_several_may_fail_alone(self) -> None:
        answers = made().extract(Answer.failed("forbidden", "not allowed"))
        for access in (lambda: answers.best, lambda: len(answers), lambda: list(answers)):
            with pytest.raises(Unreadable, match="not allowed"):
                access()
        with pytest.raises(Unreadable, match="not allowed"):
            made(any=False).extract(Answer.failed("forbidden", "not allowed"))


def run(place: Path, *, hosts: bool = False, **more: Any) -> Run:
    machines = {"cp": Host("cp", "ssh://cp", ("control-plane",), "c")} if hosts else {}
    return run_of(place, FILES, hosts=machines, clusters=("c",), **more)


def execs(run: Run) -> list[PodExec]:
    return [one for one in run.plan().of_clusters(run.inventory).get("c", ()) if isinstance(one, PodExec)]


class TestPlan:
    def test_it_stands_out(self, tmp_path: Path) -> None:
        text = _plan_text(one := run(tmp_path), one.plan())
        lines = [line for line in text.splitlines() if "EXEC in a pod" in line]
        assert len(lines) == 3
        assert lines[0].startswith(
            "  - EXEC in a pod: container etcd of one of the pods kube-system/etcd-.+ with component=etcd,tier=control-plane: "
            "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt "
        )
        assert [line.split("healthcheck-client.key ")[1].split(";")[0] for line in lines] == [
            "member list -w json", "endpoint status --cluster -w json", "endpoint health --cluster -w json"
        ]  # fmt: skip
        assert "EXEC takes the right to pods/exec, which could do more than read; --no-exec does without it" in text

    def test_it_has_the_argument_vector_as_data(self, tmp_path: Path) -> None:
        record = _plan_record(one := run(tmp_path, hosts=True), one.plan())
        asked = [request for request in record["clusters"]["c"]["requests"] if "exec" in request]
        assert [request["exec"][0] for request in asked] == ["etcdctl"] * 3
        assert asked[0]["exec"][-4:] == ["member", "list", "-w", "json"]
        first = asked[0]
        assert (first["resource"], first["namespace"], first["at_most"], first["any"]) == (
            "pods/exec",
            "kube-system",
            5,
            True,
        )
        assert first["unless"] == "etcd_listed_on_hosts"

    def test_the_role_names_it_where_it_is_needed_and_nowhere_else(self, tmp_path: Path) -> None:
        text = cluster_role(one := run(tmp_path / "all"), one.plan())
        whole, inside = yaml.safe_load_all(text)
        assert [rule["resources"] for rule in whole["rules"]] == [["nodes"]]
        assert (inside["kind"], inside["metadata"]["namespace"]) == ("Role", "kube-system")
        assert [(rule["resources"], rule["verbs"]) for rule in inside["rules"]] == [
            (["pods/exec"], ["create"]), (["pods/exec"], ["get"]), (["pods"], ["list"])
        ]  # fmt: skip
        assert "COULD DO MORE THAN READ: --no-exec does without it" in text
        for place, other in (("declined", run(tmp_path / "declined", exec=False)), ("b", run_of(
            tmp_path / "b", {**FILES, "p.yaml": "hazards: [b]"}, clusters=("c",)))):  # fmt: skip
            assert "pods/exec" not in cluster_role(other, other.plan()), place

    def test_declined(self, tmp_path: Path) -> None:
        one = run(tmp_path, exec=False)
        assert execs(one) == []
        assert "EXEC" not in _plan_text(one, one.plan())
        with pytest.raises(Unreadable, match=r"was not run: pods/exec was declined \(--no-exec, or `exec: false`"):
            one.facts.value(SHARED["etcd"], one.inventory["c"])

    def test_declined_by_file_or_option(self, tmp_path: Path) -> None:
        file = tmp_path / "change.yaml"
        for text, options, allowed in (
            ("{}", {}, True), ("{}", {"no_exec": True}, False), ("exec: false", {}, False), ("exec: true", {}, True),
            ("exec: false", {"no_exec": False}, False),
        ):  # fmt: skip
            file.write_text(text)
            assert with_options(load_change(file), options).exec is allowed, text


class Gatherer:
    """Stands in for the network: answers what it was given, and notes what was asked in which round."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **said: dict[str, Any]) -> None:
        self.rounds: list[list[str]] = []
        self.said = said
        monkeypatch.setattr(gathering, "_gather", self.gather)

    def gather(self, run: Run, plan: Plan, announce: Any, what: str) -> None:
        asked = [(name, read) for name, reads in plan.reads.items() for read in reads]
        self.rounds.append([type(read).__name__ for _, read in asked])
        for name, read in asked:
            answer = self.said[name].get(read.key) if name in self.said else None
            run.snapshot.add(name, {read.key: answer or Answer.failed("error", f"{name} says nothing")})


def on_hosts(*said: str) -> dict[str, Answer]:
    values = [text for text in said for _ in (0, 1)]
    keys = [one.key for one in etcd_on_host.sources]
    return {key: Answer({"stdout": text, "rc": 0, "stderr": ""}) for key, text in zip(keys, values, strict=True)}


class TestRounds:
    """A program is run in a pod only where hosts do not give the fact."""

    def filled(self, place: Path, gatherer: Gatherer, **more: Any) -> Run:
        one = run(place, **more)
        gathering.fill(one, lambda what, number: lambda subject, problem: None)
        return one

    def asked(self, gatherer: Gatherer) -> int:
        return sum(names.count("PodExec") for names in gatherer.rounds)

    def test_no_host_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gatherer = Gatherer(monkeypatch)
        self.filled(tmp_path, gatherer)
        assert (len(gatherer.rounds), self.asked(gatherer)) == (1, 3)

    def test_hosts_give_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gatherer = Gatherer(monkeypatch, cp=on_hosts(MEMBERS, STATUS, HEALTH, STATUS))
        one = self.filled(tmp_path, gatherer, hosts=True)
        assert self.asked(gatherer) == 0
        assert one.facts.value(SHARED["etcd"], one.inventory["c"]).source == "etcdctl on cp"

    @pytest.mark.parametrize("said", [(), ("", "", "", STATUS)], ids=["nothing", "no list of members"])
    def test_hosts_do_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: tuple[str, ...]) -> None:
        gatherer = Gatherer(monkeypatch, cp=on_hosts(*said) if said else {})
        self.filled(tmp_path, gatherer, hosts=True)
        assert "PodExec" not in gatherer.rounds[0]
        assert gatherer.rounds[-1] == ["PodExec"] * 3

    def test_neither_if_it_was_declined(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gatherer = Gatherer(monkeypatch)
        one = self.filled(tmp_path, gatherer, hosts=True, exec=False)
        assert self.asked(gatherer) == 0
        with pytest.raises(Unreadable, match="declined .*; on hosts: cp says nothing"):
            one.facts.value(SHARED["etcd"], one.inventory["c"])


class TestSnapshot:
    def test_that_it_was_declined_is_remembered(self, tmp_path: Path) -> None:
        for place, allowed in (("no", False), ("yes", True)):
            change = run(tmp_path / place, exec=allowed).change
            assert change_of(json.loads(json.dumps(record_of(change)))).exec is allowed
        old = {key: value for key, value in record_of(change).items() if key != "exec"}
        assert change_of(old).exec is True

    def test_of_several_one_that_was_allowed(self) -> None:
        one, other = Snapshot(change={"exec": True}, finished="1"), Snapshot(change={"exec": False}, finished="2")
        assert merge([one, other]).change["exec"] is True
        assert merge([other, Snapshot(change={"exec": False})]).change["exec"] is False

    def test_what_was_not_run_is_not_in_it(self, tmp_path: Path) -> None:
        one = run(tmp_path)
        with pytest.raises(Unreadable, match="was not run: it is not in this snapshot; gather again"):
            one.facts.value(SHARED["etcd"], one.inventory["c"])

    def test_what_was_run_is_replayed(self, tmp_path: Path) -> None:
        first = run(tmp_path)
        kept = Snapshot()
        for read, text in zip(execs(first), (MEMBERS, STATUS, HEALTH), strict=True):
            answer = {"container": "etcd", "rc": 0, "stdout": text, "stderr": ""}
            kept.add("c", {read.key: Answer({"exec": {"kube-system/etcd-a": answer}})})
        kept.save(tmp_path / "kept.json")
        # Also where nothing may be run: it was.
        for allowed in (True, False):
            again = run(tmp_path / str(allowed), snapshot=Snapshot.load(tmp_path / "kept.json"), exec=allowed)
            seen = again.facts.value(SHARED["etcd"], again.inventory["c"])
            assert (seen.source, seen.spare) == ("etcdctl in pod kube-system/etcd-a", 0)


def test_a_cluster_without_a_kubeconfig_may_be_known_from_its_hosts(tmp_path: Path) -> None:
    clusters = {"c": Cluster("c", connected=False)}
    hosts = {"cp": Host("cp", "ssh://cp", ("control-plane",), "c")}
    snapshot = Snapshot()
    snapshot.add("cp", on_hosts(MEMBERS, STATUS, HEALTH, STATUS))
    one = run_of(tmp_path, FILES, hosts=hosts, clusters=clusters, snapshot=snapshot)
    assert one.facts.value(SHARED["etcd"], one.inventory["c"]).has_quorum is True
