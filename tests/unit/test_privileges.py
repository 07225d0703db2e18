"""The rights that a plan needs, and no more."""

import shutil
import subprocess

import pytest
import yaml

from conformance.change import Cluster
from conformance.privileges import _command, cluster_role, sudoers
from tests.unit.packing import check, run_of

FACTS = """
def one(o): return 1
NODES = listing("nodes", "spec.x")
@cluster_fact(listing("nodes"), NODES)
def nodes_twice(a, b): return a
@cluster_fact(listing("things.example.com"))
def things(a): return a
@cluster_fact(named("secrets", over=listing("things.example.com"), namespace="{metadata.namespace}", name="{metadata.name}-x", reduce=one))
def each(a): return a
@cluster_fact(named("configmaps", over=listing("things.example.com"), namespace="kube-public", name="cluster-info", reduce=one))
def info(a): return a
@cluster_fact(named("configmaps", over=listing("things.example.com"), namespace="kube-system", name="kubeadm-config", reduce=one))
def kubeadm(a): return a
@cluster_fact(path("/version"), path("/metrics"), path("/healthz"))
def paths(a, b, c): return a
@cluster_fact(desired("Thing"))
def wanted(a): return a
@cluster_fact(listing("secrets", metadata_only=True, namespace="openshift-etcd"), listing("pods", namespace="openshift-etcd"))
def inside(a, b): return a
@cluster_fact(listing("pods"))
def outside(a): return a
@host_fact(file("/etc/a:b,c=d*e", sudo=True))
def odd(a): return a
@host_fact(file("/etc/shadow", sudo=True), file("/etc/shadow"), command("/usr/sbin/dmidecode", sudo=True), command("/usr/sbin/lvs --all", sudo=True))
def roots(a, b, c, d): return a
"""


def made(tmp_path, names, on="CLUSTER", **world):
    files = {"p.yaml": "hazards: [a]", "facts.py": FACTS, "check_a.py": check("a", names=names, on=on)}
    run = run_of(tmp_path, files, **world)
    return run, run.plan()


def rules(tmp_path, names):
    text = cluster_role(*made(tmp_path, names, clusters=("c", "d")))
    role = yaml.safe_load(text)
    assert (role["kind"], role["apiVersion"]) == ("ClusterRole", "rbac.authorization.k8s.io/v1")
    return role["rules"]


def test_a_rule_for_each_resource_once(tmp_path):
    assert rules(tmp_path, "nodes_twice, things") == [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},
        {"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["list"]},
    ]


def test_objects_of_known_names_are_the_only_ones(tmp_path):
    found = rules(tmp_path, "info, kubeadm")
    names = {name for rule in found if rule["resources"] == ["configmaps"] for name in rule["resourceNames"]}
    assert names == {"cluster-info", "kubeadm-config"}
    assert all(rule["verbs"] == ["get"] for rule in found if rule["resources"] == ["configmaps"])


def test_objects_whose_names_are_known_later_may_be_any(tmp_path):
    (secrets,) = [rule for rule in rules(tmp_path, "each") if rule["resources"] == ["secrets"]]
    assert secrets == {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


def test_discovery_and_version_need_no_rule_and_other_paths_one(tmp_path):
    assert rules(tmp_path, "paths") == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    assert rules(tmp_path / "desired", "wanted") == []


def test_what_is_read_in_one_namespace_is_a_role_in_it(tmp_path):
    text = cluster_role(*made(tmp_path, "inside, outside, things", clusters=("c", "d")))
    whole, inside = yaml.safe_load_all(text)
    assert [rule["resources"] for rule in whole["rules"]] == [["pods"], ["things"]]
    assert (inside["kind"], inside["metadata"]) == ("Role", {"name": "pytest-preflight", "namespace": "openshift-etcd"})
    assert inside["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]
    assert "with a RoleBinding (openshift-etcd)" in text


def test_nothing_but_get_and_list_is_ever_asked_for(tmp_path):
    for rule in rules(tmp_path, "nodes_twice, things, each, info, kubeadm, paths"):
        assert set(rule["verbs"]) <= {"get", "list"}
        assert "*" not in str(rule)


def test_the_commands_that_need_root_whole(tmp_path):
    text = sudoers(*made(tmp_path, "roots", on="NODE", hosts=("n1", "n2")))
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "LOGIN ALL=(root) NOPASSWD: /usr/bin/cat /etc/shadow",
        'LOGIN ALL=(root) NOPASSWD: /usr/sbin/dmidecode ""',
        "LOGIN ALL=(root) NOPASSWD: /usr/sbin/lvs --all",
    ]


def test_nothing_needs_root(tmp_path):
    text = sudoers(*made(tmp_path, "kernel", on="NODE", hosts=("n1",)))
    assert "Nothing: no read of this profile needs root." in text
    assert all(line.startswith("#") for line in text.splitlines())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("/x", "a:b"), r"/x a\:b"),
        (("/x", "a,b=c"), r"/x a\,b\=c"),
        (("/x", "*?[a]!"), r"/x \*\?\[a\]\!"),
        (("/x", "a\\b"), r"/x a\\b"),
        (("/x", "#1", '"q"'), r"/x \#1 \"q\""),
        (("/x",), '/x ""'),
    ],
)
def test_what_sudoers_would_take_for_itself_is_escaped(words, text):
    assert _command(words) == text


@pytest.mark.skipif(not shutil.which("visudo"), reason="there is no visudo")
@pytest.mark.parametrize("names", ["roots", "odd", "roots, odd", "kernel"])
def test_visudo_takes_the_file(tmp_path, names):
    path = tmp_path / "sudoers"
    path.write_text(sudoers(*made(tmp_path, names, on="NODE", hosts=("n1",))) + "\n")
    path.chmod(0o440)
    done = subprocess.run(["visudo", "-c", "-f", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_cluster_that_is_not_connected_is_asked_for_nothing(tmp_path):
    clusters = {"hub": Cluster("hub"), "c": Cluster("c", manager="hub", connected=False)}
    run, plan = made(tmp_path, "things", clusters=clusters)
    assert set(plan.of_clusters(run.inventory)) == {"hub"}
