"""The change read from Git, from real repositories."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conformance.change import Change, Cluster, Upgrade
from conformance.documents import InvalidDocument
from conformance.gate.revisions import InvalidRevision, changed_files
from conformance.gate.since import NothingChanged, since
from conformance.profiles import Library
from conformance.versions import Version
from tests.running import preflight

PROFILE = Library().find("anthos-bare-metal")
GROUP = "baremetal.cluster.gke.io"


def cluster(name: str, version: str, more: str = "") -> str:
    return (
        f"gcrKeyPath: key.json\n---\napiVersion: {GROUP}/v1\nkind: Cluster\n"
        f"metadata: {{name: {name}, namespace: cluster-{name}}}\nspec:\n  anthosBareMetalVersion: {version}\n{more}"
    )


class Repository:
    """A Git repository of ours, with a branch `main` and a checkout."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *who, "-C", str(self.top), *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def commit(self, files: dict[str, str | None]) -> str:
        for name, text in files.items():
            path = self.top / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x", "--allow-empty")
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "fleet")
    made.commit({"a.yaml": cluster("a", "1.8.3"), "b.yaml": cluster("b", "1.8.3"), "README.md": "1.8.3"})
    return made


def change(repository: Repository, **clusters: Any) -> Change:
    made = {name: Cluster(name, **more) for name, more in clusters.items()}
    return Change(clusters=made, file=repository.top / "upgrade.yaml")


def seen(found: Change) -> dict[str, Any]:
    return {
        name: "none"
        if one.upgrade.none
        else (str(one.upgrade.source), str(one.upgrade.target), *(p.name for p in one.desired))
        for name, one in found.clusters.items()
    }


def test_versions_and_files_come_from_the_diff_and_the_others_stay(repository: Repository) -> None:
    repository.commit({"a.yaml": cluster("a", "1.9.1"), "README.md": "1.9.1"})
    found = since(change(repository, a={}, b={}), PROFILE, "HEAD~1")
    assert seen(found) == {"a": ("1.8.3", "1.9.1", "a.yaml"), "b": "none"}


def test_what_is_not_yet_committed_counts_too(repository: Repository) -> None:
    (repository.top / "b.yaml").write_text(cluster("b", "1.9.0"))
    assert seen(since(change(repository, a={}, b={}), PROFILE, "HEAD"))["b"] == ("1.8.3", "1.9.0", "b.yaml")


def test_what_others_did_on_the_target_branch_is_no_part_of_it(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "mine")
    repository.commit({"a.yaml": cluster("a", "1.9.0")})
    repository.git("checkout", "-q", "main")
    repository.commit({"b.yaml": cluster("b", "1.9.0")})
    repository.git("checkout", "-q", "mine")
    # Against the tip of main, b would look as if it went back from 1.9.0 to 1.8.3.
    assert seen(since(change(repository, a={}, b={}), PROFILE, "main")) == {
        "a": ("1.8.3", "1.9.0", "a.yaml"),
        "b": "none",
    }


def test_a_file_that_moves_takes_its_cluster_with_it(repository: Repository) -> None:
    repository.commit({"a.yaml": None, "clusters/a/cluster.yaml": cluster("a", "1.9.0", "# now here\n")})
    assert seen(since(change(repository, a={}), PROFILE, "HEAD~1"))["a"] == ("1.8.3", "1.9.0", "cluster.yaml")


def test_a_version_stays_as_it_is_written(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    text = "apiVersion: anywhere.eks.amazonaws.com/v1alpha1\nkind: Cluster\nmetadata: {name: m}\nspec:\n  kubernetesVersion: "
    made.commit({"m.yaml": f"{text}1.29\n"})
    made.commit({"m.yaml": f"{text}1.30\n"})
    found = since(change(made, m={}), Library().find("eks-anywhere"), "HEAD~1")
    assert seen(found) == {"m": ("1.29", "1.30", "m.yaml")}


def test_a_kind_without_a_name_belongs_to_the_cluster_whose_file_it_is(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    text = "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec:\n  desiredUpdate: {version: "
    made.commit({"east/v.yaml": f"{text}4.12.1}}\n", "west/v.yaml": f"{text}4.12.1}}\n"})
    made.commit({"west/v.yaml": f"{text}4.13.2}}\n"})
    named = change(made, east={"desired": (made.top / "east/v.yaml",)}, west={"desired": (made.top / "west/v.yaml",)})
    found = since(named, Library().find("openshift"), "HEAD~1")
    assert seen(found) == {"east": "none", "west": ("4.12.1", "4.13.2", "v.yaml")}


def test_objects_that_are_called_alike_are_upgraded_each_in_its_file(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    text = (
        "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec:\n"
        "  desiredUpdate: {version: "
    )
    made.commit({"east/v.yaml": f"{text}4.12.1}}\n", "west/v.yaml": f"{text}4.12.3}}\n"})
    made.commit({"east/v.yaml": f"{text}4.13.2}}\n", "west/v.yaml": f"{text}4.13.4}}\n"})
    named = change(made, east={"desired": (made.top / "east/v.yaml",)}, west={"desired": (made.top / "west/v.yaml",)})
    found = since(named, Library().find("openshift"), "HEAD~1")
    assert seen(found) == {"east": ("4.12.1", "4.13.2", "v.yaml"), "west": ("4.12.3", "4.13.4", "v.yaml")}


@pytest.mark.parametrize(("old", "new", "said"), [("1.8.3", "", "no longer"), ("", "1.9.0", "only now")])
def test_an_object_that_says_its_version_on_one_side_only(
    repository: Repository, old: str, new: str, said: str
) -> None:
    repository.commit({"a.yaml": cluster("a", old)})
    repository.commit({"a.yaml": cluster("a", new)})
    with pytest.raises(InvalidDocument, match=f"Cluster a {said} says its version"):
        since(change(repository, a={}), PROFILE, "HEAD~1")


def test_versions_by_hand_of_a_cluster_that_git_does_not_upgrade(repository: Repository) -> None:
    repository.commit({"a.yaml": cluster("a", "1.9.0")})
    named = change(repository, a={}, b={"upgrade": Upgrade(None, Version.parse("1.9.0"))})
    with pytest.raises(InvalidDocument, match="b: the change gives versions of its own, and Git does not upgrade it"):
        since(named, PROFILE, "HEAD~1")


def test_a_list_and_json_are_read_too(repository: Repository) -> None:
    def text(version: str) -> str:
        spec = {"anthosBareMetalVersion": version}
        one = {"apiVersion": f"{GROUP}/v1", "kind": "Cluster", "metadata": {"name": "c"}, "spec": spec}
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": [one]})

    repository.commit({"c.json": text("1.8.0")})
    repository.commit({"c.json": text("1.9.0")})
    assert seen(since(change(repository, c={}), PROFILE, "HEAD~1")) == {"c": ("1.8.0", "1.9.0", "c.json")}


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": "other"},
        {"a.yaml": cluster("a", "1.8.3", "  # said anew\n")},
        {"a.yaml": None},
        {"new.yaml": cluster("new", "1.9.0")},
        {
            "other.yaml": "kind: Cluster\napiVersion: example.com/v1\nmetadata: {name: a}\nspec: {anthosBareMetalVersion: 1.9.0}\n"
        },
    ],
    ids=["no yaml", "same version", "deleted", "a new cluster is made, not upgraded", "another group"],
)
def test_where_no_version_changes_there_is_nothing_to_examine(
    repository: Repository, files: dict[str, str | None]
) -> None:
    repository.commit(files)
    with pytest.raises(NothingChanged, match=r"no cluster's version changes.*Cluster \(baremetal"):
        since(change(repository, a={}), PROFILE, "HEAD~1")


def test_a_cluster_that_nobody_names_is_not_passed_over(repository: Repository) -> None:
    repository.commit({"a.yaml": cluster("a", "1.9.0"), "b.yaml": cluster("b", "1.9.0")})
    with pytest.raises(
        InvalidDocument, match=r"b\.yaml upgrades cluster b from 1\.8\.3 to 1\.9\.0, and the change does not say"
    ):
        since(change(repository, a={"desired": (repository.top / "a.yaml",)}), PROFILE, "HEAD~1")


def test_the_only_cluster_needs_no_name(repository: Repository) -> None:
    repository.commit({"a.yaml": cluster("a", "1.9.0")})
    named = change(repository, context={}, hub={"upgrade": Upgrade(none=True)})
    assert seen(since(named, PROFILE, "HEAD~1"))["context"] == ("1.8.3", "1.9.0", "a.yaml")


@pytest.mark.parametrize(
    ("upgrade", "said"),
    [
        (Upgrade(none=True), "the change says `upgrade: none`, and Git upgrades it from 1.8.3 to 1.9.0"),
        (Upgrade(Version.parse("1.8.2")), "the change says from 1.8.2, and Git says from 1.8.3"),
        (Upgrade(None, Version.parse("1.10")), "the change says to 1.10, and Git says to 1.9.0"),
    ],
)
def test_what_the_change_says_by_hand_may_not_contradict_it(
    repository: Repository, upgrade: Upgrade, said: str
) -> None:
    repository.commit({"a.yaml": cluster("a", "1.9.0")})
    with pytest.raises(InvalidDocument, match=said):
        since(change(repository, a={"upgrade": upgrade}), PROFILE, "HEAD~1")


def test_what_it_says_may_agree(repository: Repository) -> None:
    repository.commit({"a.yaml": cluster("a", "1.9.0")})
    named = change(repository, a={"upgrade": Upgrade(Version.parse("1.8"), Version.parse("v1.9.0"))})
    assert seen(since(named, PROFILE, "HEAD~1"))["a"] == ("1.8.3", "1.9.0", "a.yaml")


def test_a_template_with_such_an_object_is_not_passed_over(repository: Repository) -> None:
    repository.commit({"a.yaml": cluster("a", "{{ .Values.version }}: }")})
    with pytest.raises(InvalidDocument, match=r"a\.yaml:\d+: it names a Cluster of baremetal.*is not valid YAML"):
        since(change(repository, a={}), PROFILE, "HEAD~1")


def test_a_version_that_is_none(repository: Repository) -> None:
    repository.commit({"a.yaml": cluster("a", "latest")})
    with pytest.raises(InvalidDocument, match=r"a\.yaml: 'latest' is no version"):
        since(change(repository, a={}), PROFILE, "HEAD~1")


def test_a_slip_in_a_version_is_not_taken_for_another_one(repository: Repository) -> None:
    repository.commit({"a.yaml": cluster("a", "1.9-1")})
    with pytest.raises(InvalidDocument, match=r"a\.yaml: '1\.9-1' names no release: expected three numbers"):
        since(change(repository, a={}), PROFILE, "HEAD~1")


def test_a_cluster_in_two_files_goes_to_one_version(repository: Repository) -> None:
    repository.commit({"a2.yaml": cluster("a", "1.8.3").replace("cluster-a", "other")})
    repository.commit(
        {"a.yaml": cluster("a", "1.9.0"), "a2.yaml": cluster("a", "1.10.0").replace("cluster-a", "other")}
    )
    with pytest.raises(InvalidDocument, match="both change the version of a"):
        since(change(repository, a={}), PROFILE, "HEAD~1")


def version_of_cluster(version: str) -> str:
    return (
        "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec:\n"
        f"  channel: stable\n  desiredUpdate: {{version: {version}}}\n"
    )


class TestMoved:
    """Objects that are called alike in every cluster, and files that are moved and upgraded in one commit."""

    OPENSHIFT = Library().find("openshift")

    def moved(self, made: Repository, before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
        made.commit({f"{name}/cv.yaml": version_of_cluster(version) for name, version in before.items()})
        files: dict[str, str | None] = {f"{name}/cv.yaml": None for name in before.keys() - after.keys()}
        files |= {f"{name}/cv.yaml": version_of_cluster(version) for name, version in after.items()}
        made.commit(files)
        desired = {name.rpartition("/")[2]: {"desired": (made.top / name / "cv.yaml",)} for name in after}
        return seen(since(change(made, **desired), self.OPENSHIFT, "HEAD~1"))

    def test_content_that_is_alike_tells_nobody_which_is_which(self, tmp_path: Path) -> None:
        """Git calls b/cv.yaml, which stays as it was, renamed to clusters/a/cv.yaml, which is upgraded."""
        made = Repository(tmp_path / "r")
        with pytest.raises(InvalidDocument, match="nobody can tell which ClusterVersion is which") as told:
            self.moved(made, {"a": "4.12.5", "b": "4.13.1"}, {"clusters/a": "4.13.1", "clusters/b": "4.13.1"})
        said = str(told.value).replace(f"{made.top}/", "")
        assert "before in a/cv.yaml (4.12.5), b/cv.yaml (4.13.1), now in clusters/a/cv.yaml (4.13.1)" in said
        assert "; move the files in a commit before the upgrade and compare with that one" in said

    def test_where_all_went_out_from_one_version_each_is_told(self, tmp_path: Path) -> None:
        made = Repository(tmp_path / "r")
        found = self.moved(made, {"a": "4.12.5", "b": "4.12.5"}, {"clusters/a": "4.13.1", "clusters/b": "4.12.5"})
        assert found == {"a": ("4.12.5", "4.13.1", "cv.yaml"), "b": "none"}

    def test_one_that_moves_is_told_by_what_is_left(self, tmp_path: Path) -> None:
        made = Repository(tmp_path / "r")
        found = self.moved(made, {"a": "4.12.5", "b": "4.13.1"}, {"clusters/a": "4.13.1", "b": "4.13.1"})
        assert found == {"a": ("4.12.5", "4.13.1", "cv.yaml"), "b": "none"}

    def test_a_plain_move_of_all_is_no_upgrade(self, tmp_path: Path) -> None:
        made = Repository(tmp_path / "r")
        with pytest.raises(NothingChanged):
            self.moved(made, {"a": "4.12.5", "b": "4.13.1"}, {"clusters/a": "4.12.5", "clusters/b": "4.13.1"})

    def test_a_cluster_that_is_new_beside_one_that_moves(self, tmp_path: Path) -> None:
        made = Repository(tmp_path / "r")
        with pytest.raises(InvalidDocument, match="nobody can tell which"):
            self.moved(made, {"a": "4.12.5"}, {"clusters/a": "4.13.1", "clusters/new": "4.12.5"})

    def test_a_namespace_that_is_given_now_makes_no_other_cluster_of_it(self, repository: Repository) -> None:
        repository.commit({"a.yaml": cluster("a", "1.8.3").replace(", namespace: cluster-a", "")})
        repository.commit({"a.yaml": cluster("a", "1.9.0")})
        assert seen(since(change(repository, a={}), PROFILE, "HEAD~1"))["a"] == ("1.8.3", "1.9.0", "a.yaml")

    def test_in_another_namespace_it_is_another_one(self, repository: Repository) -> None:
        repository.commit({"a.yaml": cluster("a", "1.9.0").replace("cluster-a", "elsewhere")})
        with pytest.raises(NothingChanged):
            since(change(repository, a={}), PROFILE, "HEAD~1")

    def test_clusters_of_one_name_in_two_namespaces(self, repository: Repository) -> None:
        for version in ("1.8.3", "1.9.0"):
            repository.commit({"w.yaml": cluster("w", version) + "---\n" + cluster("w", "1.8.3").replace("-w", "-2")})
        named = change(repository, **{"cluster-w/w": {}, "cluster-2/w": {}})
        found = since(named, PROFILE, "HEAD~1")
        assert seen(found) == {"cluster-w/w": ("1.8.3", "1.9.0", "w.yaml"), "cluster-2/w": "none"}

    def test_two_objects_of_one_name_in_one_file(self, repository: Repository) -> None:
        twice = [cluster("a", version) + "---\n" + cluster("a", "1.8.3") for version in ("1.8.3", "1.9.0")]
        repository.commit({"a.yaml": twice[0]})
        repository.commit({"a.yaml": twice[1]})
        assert seen(since(change(repository, a={}), PROFILE, "HEAD~1"))["a"] == ("1.8.3", "1.9.0", "a.yaml")

    def test_two_objects_of_one_name_in_one_file_that_differ(self, repository: Repository) -> None:
        repository.commit({"a.yaml": cluster("a", "1.8.3") + "---\n" + cluster("a", "1.8.4")})
        repository.commit({"a.yaml": cluster("a", "1.9.0") + "---\n" + cluster("a", "1.8.4")})
        with pytest.raises(
            InvalidDocument, match=r"which Cluster a is which: .*\(1\.9\.0\).*; give each a file of its own"
        ):
            since(change(repository, a={}), PROFILE, "HEAD~1")


class TestFilesOfSeveral:
    """One file with the objects of several clusters, which one of them has as `desired`."""

    def both(self, repository: Repository, admin: str, user: str) -> Change:
        path = repository.top / "clusters.yaml"
        repository.commit({"clusters.yaml": cluster("admin", "1.8.3") + "---\n" + cluster("user", "1.8.3")})
        repository.commit({"clusters.yaml": cluster("admin", admin) + "---\n" + cluster("user", user)})
        return since(change(repository, admin={}, user={"desired": (path,)}), PROFILE, "HEAD~1")

    def test_the_object_says_itself_whose_it_is(self, repository: Repository) -> None:
        found = self.both(repository, "1.9.0", "1.8.3")
        assert seen(found) == {"admin": ("1.8.3", "1.9.0", "clusters.yaml"), "user": "none"}

    def test_each_goes_to_its_own_version(self, repository: Repository) -> None:
        found = self.both(repository, "1.9.0", "1.9.1")
        assert seen(found) == {
            "admin": ("1.8.3", "1.9.0", "clusters.yaml"),
            "user": ("1.8.3", "1.9.1", "clusters.yaml"),
        }

    def test_a_file_of_one_whose_only_object_is_called_as_another(self, repository: Repository) -> None:
        """As kubeadm calls every cluster `kubernetes`: neither name nor file is certain then."""
        repository.commit({"b.yaml": cluster("a", "1.8.3").replace("cluster-a", "other")})
        repository.commit({"b.yaml": cluster("a", "1.9.0").replace("cluster-a", "other")})
        top = repository.top
        named = change(repository, a={"desired": (top / "a.yaml",)}, b={"desired": (top / "b.yaml",)})
        with pytest.raises(InvalidDocument, match=r"b\.yaml is `desired` of b, and its only object is called a"):
            since(named, PROFILE, "HEAD~1")


class TestNotYetAdded:
    """Files that Git does not know yet are part of the checkout."""

    def test_a_file_that_was_moved_by_hand(self, repository: Repository) -> None:
        (repository.top / "a.yaml").unlink()
        (repository.top / "clusters").mkdir()
        (repository.top / "clusters/größe a.yaml").write_text(cluster("a", "1.9.0"))
        found = since(change(repository, a={}), PROFILE, "HEAD")
        assert seen(found)["a"] == ("1.8.3", "1.9.0", "größe a.yaml")

    def test_one_that_git_no_longer_follows(self, repository: Repository) -> None:
        repository.git("rm", "-q", "--cached", "a.yaml")
        (repository.top / "a.yaml").write_text(cluster("a", "1.9.0"))
        assert seen(since(change(repository, a={}), PROFILE, "HEAD"))["a"] == ("1.8.3", "1.9.0", "a.yaml")

    def test_from_a_directory_below_all_of_the_checkout_counts(self, repository: Repository) -> None:
        (repository.top / "a.yaml").unlink()
        (repository.top / "new.yml").write_text(cluster("a", "1.9.0"))
        (repository.top / "below").mkdir()
        assert [one.path.name for one in changed_files(repository.top / "below", "HEAD")] == ["a.yaml", "new.yml"]

    def test_what_is_ignored_is_no_part_of_it(self, repository: Repository) -> None:
        repository.commit({".gitignore": "home/\n"})
        (repository.top / "home").mkdir()
        (repository.top / "home/template.yaml").write_text(cluster("a", "{{ .Values.version }}: }"))
        assert changed_files(repository.top, "HEAD") == []

    def test_a_report_that_lies_there_is_read_as_what_it_is(self, repository: Repository) -> None:
        """A gate has the report in its checkout: JSON, large, and it names the kinds that are looked for."""
        records = [{"hazard": "x", "message": f"Cluster of {GROUP}\ud83d", "number": 1.10}] * 20_000
        repository.commit({"a.yaml": cluster("a", "1.9.0")})
        (repository.top / "preflight.json").write_text(json.dumps({"findings": records}))
        began = time.monotonic()
        assert seen(since(change(repository, a={}), PROFILE, "HEAD~1"))["a"] == ("1.8.3", "1.9.0", "a.yaml")
        assert time.monotonic() - began < 5


class TestRevisions:
    def test_one_that_is_not_known(self, repository: Repository) -> None:
        with pytest.raises(InvalidRevision, match="--since origin/main: .* knows no such revision; fetch it first"):
            changed_files(repository.top, "origin/main")

    def test_one_that_would_be_an_option(self, repository: Repository) -> None:
        with pytest.raises(InvalidRevision, match="expected a revision"):
            changed_files(repository.top, "--output=x")

    def test_no_checkout(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRevision, match="not a git repository"):
            changed_files(tmp_path, "HEAD")

    def test_no_git(self, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(InvalidRevision, match="there is no git here"):
            changed_files(repository.top, "HEAD")

    def test_a_shallow_clone(self, repository: Repository, tmp_path: Path) -> None:
        repository.git("checkout", "-q", "-b", "mine")
        repository.commit({"a.yaml": cluster("a", "1.9.0")})
        repository.git("checkout", "-q", "main")
        repository.commit({"b.yaml": cluster("b", "1.9.0")})
        shallow = Repository(tmp_path / "shallow")
        shallow.git("fetch", "-q", "--depth=1", repository.top.as_uri(), "mine:mine", "main:target")
        shallow.git("checkout", "-q", "mine")
        with pytest.raises(InvalidRevision, match=r"no history in common.*fetch-depth: 0"):
            changed_files(shallow.top, "target")

    def test_names_that_are_odd(self, repository: Repository) -> None:
        repository.commit({"größe «1».yaml": cluster("a", "1.8.3")})
        repository.commit({"größe «1».yaml": cluster("a", "1.9.0")})
        (found,) = changed_files(repository.top, "HEAD~1")
        assert found.path.name == "größe «1».yaml"


CHANGE = """\
profile: anthos-bare-metal
clusters:
  a: {kubeconfig: none}
  b: {kubeconfig: none}
  c: {kubeconfig: none}
"""


def test_a_pipeline_needs_no_versions(repository: Repository) -> None:
    """As a person runs it: the profile of the target is found, and each cluster has its own upgrade."""
    repository.commit({"upgrade.yaml": CHANGE, "a.yaml": cluster("a", "1.9.0"), "b.yaml": cluster("b", "1.9.2")})
    result = preflight("--change=upgrade.yaml", "--since=HEAD~1", "--plan=json", cwd=repository.top)
    plan = json.loads(result.out)
    assert (result.code, plan["profile"]) == (0, "anthos-bare-metal-1.9")
    assert plan["clusters"].keys() == {"a", "b", "c"}


def test_a_profile_of_another_release_is_none_for_it(repository: Repository) -> None:
    text = CHANGE.replace("anthos-bare-metal", "anthos-bare-metal-1.9")
    repository.commit({"upgrade.yaml": text, "a.yaml": cluster("a", "1.10.0")})
    result = preflight("--change=upgrade.yaml", "--since=HEAD~1", "--plan", cwd=repository.top)
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "it is for upgrades to 1.9, and the change goes to 1.10.0" in result.out


def test_no_upgrade_is_a_status_of_its_own(repository: Repository) -> None:
    repository.commit({"upgrade.yaml": CHANGE})
    result = preflight("--change=upgrade.yaml", "--since=HEAD~1", cwd=repository.top)
    assert result.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "no cluster's version changes" in result.out
    assert not result.report


def test_targets_of_several_releases_are_several_runs(repository: Repository) -> None:
    repository.commit({"upgrade.yaml": CHANGE, "a.yaml": cluster("a", "1.9.0"), "b.yaml": cluster("b", "1.10.0")})
    result = preflight("--change=upgrade.yaml", "--since=HEAD~1", "--plan", cwd=repository.top)
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "clusters go to several releases, and a run has one profile: anthos-bare-metal-1.9 or" in result.out
