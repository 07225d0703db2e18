"""Reports asked again for something that is only called alike: other waivers, other files, another cluster."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.change import Change, Cluster
from conformance.gate.whom import identified, identity_of, other_clusters
from conformance.gather import kubeconfig as module
from conformance.gather.kubeconfig import InvalidKubeconfigFile
from conformance.report.summary import json_schema
from tests.lab.controlplane.pki import Authority
from tests.running import Result, preflight

LOCAL = ("--profile=linux-node", "--hosts=local://")
VERIFY = "--verify=reports/preflight.json"
WAIVER = "- {{hazard: os-tmp-noexec, subject: {}, reason: r, owner: o, expires: '2099-01-01T00:00:00+00:00'}}\n"
ADDRESS = "https://10.0.0.1:6443"


@pytest.fixture(scope="module")
def authorities() -> tuple[Authority, Authority]:
    return Authority(), Authority()


def config(server: str, pem: bytes | None = None, **more: Any) -> str:
    """A kubeconfig whose context is called as those of others."""
    data = {"certificate-authority-data": base64.b64encode(pem).decode()} if pem else {}
    return yaml.safe_dump(
        {
            "current-context": "prod",
            "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server, **data, **more}}],
            "users": [{"name": "u", "user": {"token": "s3cret"}}],
        }
    )


def refused(result: Result) -> list[str]:
    """Why a report was refused."""
    assert (result.code, result.out.startswith("REFUSED")) == (10, True), result
    return [line.removeprefix("  - ") for line in result.out.splitlines() if line.startswith("  - ")]


class TestWaivers:
    """Accepted findings are part of what was approved, whoever named the file."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        for name, subject in (("one", "elsewhere"), ("two", "somewhere")):
            (tmp_path / f"{name}.yaml").write_text("waivers:\n" + WAIVER.format(subject))
        assert preflight(*LOCAL, "--waivers=one.yaml", cwd=tmp_path).code == 0
        return tmp_path

    def test_the_same_ones_stand(self, place: Path) -> None:
        assert preflight(*LOCAL, "--waivers=one.yaml", VERIFY, cwd=place).code == 0

    def test_other_ones(self, place: Path) -> None:
        said = refused(preflight(*LOCAL, "--waivers=two.yaml", VERIFY, cwd=place))
        assert said == [
            "one.yaml was part of what it examined, and is no part of this change",
            "two.yaml is no part of what it examined",
        ]

    def test_none_any_more(self, place: Path) -> None:
        said = refused(preflight(*LOCAL, VERIFY, cwd=place))
        assert said == ["one.yaml was part of what it examined, and is no part of this change"]

    @pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
    def test_what_counts_is_what_was_read_and_not_what_stands_there_later(
        self, tmp_path: Path, workers: tuple[str, ...]
    ) -> None:
        """A pipe gives it once, as ``--waivers=<(…)`` does."""
        data = f"waivers:\n{WAIVER.format('elsewhere')}".encode()
        os.mkfifo(tmp_path / "pipe.yaml")
        writer = threading.Thread(target=(tmp_path / "pipe.yaml").write_bytes, args=(data,))
        writer.start()
        result = preflight(*LOCAL, "--waivers=pipe.yaml", *workers, cwd=tmp_path, patience=30)
        writer.join()
        assert result.code == 0, result
        assert result.report["inputs"] == {"pipe.yaml": f"sha256:{hashlib.sha256(data).hexdigest()}"}

    def test_the_same_file_with_another_content(self, place: Path) -> None:
        (place / "one.yaml").write_text("waivers:\n" + WAIVER.format("anywhere"))
        said = refused(preflight(*LOCAL, "--waivers=one.yaml", VERIFY, cwd=place))
        assert said == ["one.yaml has changed since"]


class TestReplays:
    """A snapshot with a change file beside it."""

    CHANGE = "profile: linux-node\nhosts: {here: {connection: 'local://'}}\n"
    REPLAY = ("--change=upgrade.yaml", "--snapshot=kept.json")

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        (tmp_path / "upgrade.yaml").write_text(self.CHANGE)
        (tmp_path / "desired.yaml").write_text("kind: Cluster\n")
        assert preflight("--change=upgrade.yaml", "--save-snapshot=kept.json", cwd=tmp_path).code == 0
        return tmp_path

    def edited(self, place: Path, more: str) -> None:
        (place / "upgrade.yaml").write_text(self.CHANGE + more)

    def test_of_the_change_that_it_was_read_for_nothing_is_said_twice(self, place: Path) -> None:
        result = preflight(*self.REPLAY, cwd=place)
        assert (result.code, list(result.report["inputs"])) == (0, ["upgrade.yaml"])
        assert preflight(*self.REPLAY, VERIFY, cwd=place).code == 0
        # What was read was read for this change: it stands for it, with the snapshot and without.
        assert preflight("--change=upgrade.yaml", VERIFY, cwd=place).code == 0

    def test_a_change_that_was_edited_since_the_report(self, place: Path) -> None:
        assert preflight(*self.REPLAY, cwd=place).code == 0
        self.edited(place, "fresh-hours: 99\n")
        said = refused(preflight(*self.REPLAY, VERIFY, cwd=place))
        assert said == ["upgrade.yaml (beside the snapshot) is no part of what it examined"]

    def test_another_one_than_it_was_read_for(self, place: Path) -> None:
        self.edited(place, "fresh-hours: 99\nclusters: {a: {kubeconfig: none, desired: desired.yaml}}\n")
        report = preflight(*self.REPLAY, cwd=place).report
        names = ["desired.yaml (beside the snapshot)", "upgrade.yaml", "upgrade.yaml (beside the snapshot)"]
        assert list(report["inputs"]) == names
        assert preflight(*self.REPLAY, VERIFY, cwd=place).code == 0
        # Nothing was read for it: alone, it is another change.
        said = refused(preflight("--change=upgrade.yaml", VERIFY, cwd=place))
        assert "upgrade.yaml has changed since" in said
        (place / "desired.yaml").write_text("kind: Other\n")
        said = refused(preflight(*self.REPLAY, VERIFY, cwd=place))
        assert said == ["desired.yaml (beside the snapshot) has changed since"]

    def test_on_another_machine_its_desired_files_need_not_be_there(self, place: Path) -> None:
        self.edited(place, "clusters: {a: {kubeconfig: none, desired: desired.yaml}}\n")
        (place / "desired.yaml").unlink()
        assert preflight(*self.REPLAY, cwd=place).code == 0
        assert preflight(*self.REPLAY, VERIFY, cwd=place).code == 0


class TestClusters:
    """Reports say which cluster they are about, and no other of that name is taken for it."""

    @pytest.fixture
    def place(self, tmp_path: Path, authorities: tuple[Authority, Authority]) -> Path:
        (tmp_path / "prod").write_text(config("https://127.0.0.1:1", authorities[0].pem))
        (tmp_path / "other").write_text(config("https://127.0.0.1:2", authorities[0].pem))
        (tmp_path / "same").write_text(config("https://127.0.0.1:1", authorities[1].pem))
        return tmp_path

    def test_two_kubeconfigs_with_one_name_of_the_context(self, place: Path) -> None:
        report = preflight(*LOCAL, "--kubeconfig=prod", cwd=place).report
        (subject,) = (one for one in report["subjects"] if one["kind"] == "cluster")
        assert (report["verdict"], subject["name"], subject["server"]) == ("go", "prod", "https://127.0.0.1:1")
        assert subject["authority"].startswith("sha256:")
        assert subject.keys() - json_schema()["properties"]["subjects"]["items"]["properties"].keys() <= {"cluster"}
        assert preflight(*LOCAL, "--kubeconfig=prod", VERIFY, cwd=place).code == 0
        assert refused(preflight(*LOCAL, "--kubeconfig=other", VERIFY, cwd=place)) == [
            "prod is another cluster: it looked at https://127.0.0.1:1, and here it is https://127.0.0.1:2"
        ]
        assert refused(preflight(*LOCAL, "--kubeconfig=same", VERIFY, cwd=place)) == [
            "prod is another cluster, or its certificate authority was renewed since: https://127.0.0.1:1 has another one"
        ]

    def test_the_cluster_of_the_usual_places(self, place: Path) -> None:
        words = ("--profile=linux-node", "--hosts=local://", "--kubeconfig=prod")
        assert preflight(*words, cwd=place).code == 0
        usual = ("--profile=linux-node", VERIFY)
        assert preflight(*usual, cwd=place, env={"KUBECONFIG": "prod"}).code == 0
        assert "prod is another cluster" in refused(preflight(*usual, cwd=place, env={"KUBECONFIG": "other"}))[0]
        (said,) = refused(preflight(*usual, cwd=place))
        assert said.startswith("whether prod is the cluster that it looked at, at https://127.0.0.1:1, cannot be told")

    def test_a_kubeconfig_of_the_change_that_is_another_by_now(self, place: Path) -> None:
        text = "profile: linux-node\nclusters: {a: {kubeconfig: prod}, b: {admin: a, upgrade: none}}\nhosts: {here: {connection: 'local://', cluster: a}}\n"
        (place / "upgrade.yaml").write_text(text)
        report = preflight("--change=upgrade.yaml", "--save-snapshot=kept.json", cwd=place).report
        told = {one["name"]: one.get("server") for one in report["subjects"]}
        assert told == {"here": None, "a": "https://127.0.0.1:1", "b": None}
        # A replay has it from the snapshot, and there nobody needs a kubeconfig.
        (place / "prod").rename(place / "elsewhere")
        again = ("--change=upgrade.yaml", "--snapshot=kept.json")
        alone = preflight("--profile=linux-node", "--snapshot=kept.json", cwd=place).report
        assert alone["subjects"] == preflight(*again, cwd=place).report["subjects"] == report["subjects"]
        assert preflight(*again, VERIFY, cwd=place).code == 0
        assert "cannot be told here: " in refused(preflight("--change=upgrade.yaml", VERIFY, cwd=place))[0]
        (place / "other").rename(place / "prod")
        assert refused(preflight("--change=upgrade.yaml", VERIFY, cwd=place)) == [
            "a is another cluster: it looked at https://127.0.0.1:1, and here it is https://127.0.0.1:2"
        ]
        assert "s3cret" not in json.dumps(report) + (place / "kept.json").read_text()

    def test_hosts_only_is_about_no_cluster(self, place: Path) -> None:
        text = "profile: linux-node\nclusters: {a: {kubeconfig: prod}}\nhosts: {here: {connection: 'local://', cluster: a}}\n"
        (place / "upgrade.yaml").write_text(text)
        words = ("--change=upgrade.yaml", "--examine=hosts")
        assert preflight(*words, cwd=place).code == 0
        (place / "prod").unlink()
        assert preflight(*words, VERIFY, cwd=place).code == 0

    def test_a_report_that_does_not_say_it(self, place: Path) -> None:
        named = Change(clusters={"a": Cluster("a", place / "prod")})
        (said,) = other_clusters(named, [{"name": "a", "kind": "cluster", "roles": []}])
        assert said == "it does not say which API server a has, so that it may be about another cluster of that name"


class TestIdentity:
    def cluster(self, directory: Path, text: str) -> Cluster:
        (directory / "config").write_text(text)
        return Cluster("a", directory / "config")

    def test_the_same_authority_in_a_file_and_in_the_kubeconfig(
        self, tmp_path: Path, authorities: tuple[Authority, Authority]
    ) -> None:
        pem = authorities[0].pem
        (tmp_path / "ca.crt").write_bytes(pem.replace(b"\n", b"\r\n") + b"\n")
        inside = identity_of(self.cluster(tmp_path, config(ADDRESS, pem)))
        assert identity_of(self.cluster(tmp_path, config(ADDRESS, **{"certificate-authority": "ca.crt"}))) == inside
        assert identity_of(self.cluster(tmp_path, config(ADDRESS, authorities[1].pem))) != inside

    def test_without_an_authority_there_is_the_address(self, tmp_path: Path) -> None:
        assert identity_of(self.cluster(tmp_path, config("https://me:s3cret@10.0.0.1:6443/k8s/c-1/"))) == (
            f"{ADDRESS}/k8s/c-1",
            "",
        )

    def test_in_every_pod_the_address_is_the_same_and_the_authority_is_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authorities: tuple[Authority, Authority]
    ) -> None:
        monkeypatch.delenv("KUBECONFIG", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
        monkeypatch.setattr(module, "SERVICE_ACCOUNT", tmp_path)
        (tmp_path / "token").write_text("s3cret")
        found = []
        for one in authorities:
            (tmp_path / "ca.crt").write_bytes(one.pem)
            found.append(identity_of(Cluster("a")))
        assert found[0][0] == found[1][0] == "https://10.96.0.1:443"
        assert found[0][1] != found[1][1]

    def test_who_is_not_asked_has_none(self, tmp_path: Path) -> None:
        known = Cluster("user", connected=False, manager="admin")
        change = Change(clusters={"user": known, "a": self.cluster(tmp_path, config(ADDRESS))})
        assert {name: one.server for name, one in identified(change).clusters.items()} == {"user": "", "a": ADDRESS}
        assert not list(other_clusters(change, [{"name": "user", "kind": "cluster", "roles": []}]))

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidKubeconfigFile, match="No such file"):
            identity_of(Cluster("a", tmp_path / "none"))
