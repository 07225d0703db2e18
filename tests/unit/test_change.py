"""The change file and what the command line puts over it."""

from dataclasses import replace
from pathlib import Path

import pytest

from conformance.change import Change, Cluster, Host, NodesOf, Upgrade, load_change
from conformance.documents import InvalidDocument
from conformance.overrides import check_directions, with_default_subject, with_desired, with_options
from conformance.versions import Version

WHOLE = """\
profile: anthos-bare-metal-1.9
upgrade: {from: 1.8.3, to: 1.10}
clusters:
  prod-admin: {kubeconfig: ~/.kube/prod-admin, role: admin, upgrade: none}
  prod-user: {role: user, admin: prod-admin, desired: prod-user.yaml, upgrade: {to: 1.9.1}}
  own: {kubeconfig: kube/own, context: me@own, role: user, management: prod-admin, desired: [a.yaml, /b.yaml]}
hosts:
  cp-1: {connection: "ssh://ops@10.200.0.2", roles: [control-plane, load-balancer], cluster: prod-user}
  station: {connection: "local://", roles: [workstation]}
  rest: {from: nodes, cluster: own, user: ops, port: 2222}
ssh: {config: ssh_config, identity_file: ~/id, known_hosts: /etc/known, sudo: true, verify_host_keys: false}
waivers: waivers.yaml
parameters: {minimum-kernel: 5.10, flag: true}
examine: [clusters, hosts]
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")

    def reader(text):
        (tmp_path / "upgrade.yaml").write_text(text)
        return load_change(tmp_path / "upgrade.yaml")

    return reader


def version(text):
    return Version.parse(text)


def test_everything_that_a_change_may_say(read, tmp_path):
    change = read(WHOLE)
    assert change.profile == "anthos-bare-metal-1.9"
    assert change.upgrade == Upgrade(version("1.8.3"), version("1.10"))
    assert change.upgrade.target.text == "1.10"
    admin, user, own = change.clusters.values()
    assert admin == Cluster("prod-admin", Path("/home/me/.kube/prod-admin"), role="admin", upgrade=Upgrade(none=True))
    assert user == Cluster(
        "prod-user",
        role="user",
        manager="prod-admin",
        upgrade=Upgrade(None, version("1.9.1")),
        desired=(tmp_path / "prod-user.yaml",),
        connected=False,
    )
    assert own == Cluster(
        "own", tmp_path / "kube/own", "me@own", "user", "prod-admin", desired=(tmp_path / "a.yaml", Path("/b.yaml"))
    )
    assert change.hosts == {
        "cp-1": Host("cp-1", "ssh://ops@10.200.0.2", ("control-plane", "load-balancer"), "prod-user"),
        "station": Host("station", "local://", ("workstation",)),
    }
    assert change.nodes == (NodesOf("rest", "own", "ops", 2222),)
    ssh = change.ssh
    assert (ssh.config, ssh.identity_file, ssh.known_hosts) == (
        tmp_path / "ssh_config",
        Path("/home/me/id"),
        Path("/etc/known"),
    )
    assert (ssh.sudo, ssh.verify_host_keys) == (True, False)
    assert change.waivers == tmp_path / "waivers.yaml"
    assert change.parameters == {"minimum-kernel": "5.10", "flag": "true"}
    assert change.examine == ("clusters", "hosts")
    assert change.file == tmp_path / "upgrade.yaml"


def test_host_keys_are_verified_and_nothing_is_root_unless_somebody_says_so(read):
    change = read("profile: x\n")
    assert (change.ssh.verify_host_keys, change.ssh.sudo, change.examine) == (True, False, ("hosts", "clusters"))


def test_the_versions_of_a_cluster_are_its_own_where_it_has_some(read):
    change = read(WHOLE)
    assert change.upgrade_of("prod-admin").none
    assert change.upgrade_of("prod-user") == Upgrade(version("1.8.3"), version("1.9.1"))
    assert change.upgrade_of("own") == change.upgrade_of(None) == change.upgrade_of("elsewhere") == change.upgrade


def test_a_host_belongs_to_the_only_cluster_unless_it_is_a_workstation(read):
    change = read(
        "clusters: {c: {context: c}}\nhosts:\n  a: {connection: a}\n  w: {connection: w, roles: [workstation]}\n  n: {from: nodes}\n"
    )
    assert (change.hosts["a"].cluster, change.hosts["w"].cluster, change.nodes[0].cluster) == ("c", None, "c")
    change = read("clusters: {c: {}, d: {}}\nhosts: {a: {connection: a}}\n")
    assert change.hosts["a"].cluster is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("host: {}", "unknown key 'host'; did you mean 'hosts'?"),
        ("hosts: {a: {connection: a, role: [worker]}}", "hosts.a: unknown key 'role'; did you mean 'roles'?"),
        ("hosts: {a: {}}", "hosts.a: the key 'connection' is missing"),
        ("hosts: {a: {connection: a, roles: worker}}", "hosts.a.roles: expected a list, not text"),
        (
            "hosts: {a: {connection: a, roles: [worke]}}",
            "hosts.a.roles[0]: 'worke' is not known; did you mean 'worker'?",
        ),
        ("hosts: {a: {connection: a, cluster: c}}", "hosts.a.cluster: 'c' is not among the clusters: none is named"),
        ("hosts: {a: b}", "hosts.a: expected keys and values, not text"),
        ('hosts: {"a b": {connection: a}}', "'a b' cannot be the name of a subject"),
        ("hosts: {'<b>': {connection: a}}", "'<b>' cannot be the name of a subject"),
        (
            "hosts: {a: {from: node, cluster: c}}\nclusters: {c: {}}",
            "hosts.a.from: 'node' is not known; did you mean 'nodes'?",
        ),
        (
            "hosts: {a: {from: nodes, port: 0}}\nclusters: {c: {}}",
            "hosts.a.port: expected a port between 1 and 65535, not '0'",
        ),
        ("hosts: {a: {from: nodes, port: ssh}}\nclusters: {c: {}}", "hosts.a.port: expected a port"),
        ("hosts: {a: {from: nodes}}\nclusters: {c: {}, d: {}}", "hosts.a.cluster: expected text, not nothing"),
        ("hosts: {a: {from: nodes, cluster: e}}\nclusters: {c: {}}", "'e' is not among the clusters: c"),
        ("clusters: {c: {role: boss}}", "clusters.c.role: 'boss' is not known"),
        ("clusters: {c: {admin: d}}", "clusters.c: its managing cluster 'd' is not among the clusters: c"),
        ("clusters: {c: {admin: c}}", "clusters.c: a cluster cannot be managed by itself"),
        (
            "clusters: {c: {admin: d, management: d}, d: {}}",
            "clusters.c: admin and management both name the managing cluster",
        ),
        ("clusters: {c: {upgrade: {from: new}}}", "clusters.c.upgrade.from: 'new' is no version"),
        ("clusters: {c: {upgrade: never}}", "clusters.c.upgrade: expected keys and values, not text"),
        ("clusters: {a: {}}\nhosts: {a: {connection: a}}", "hosts: 'a' names a host and a cluster"),
        ("upgrade: {from: 1.8, too: 1.9}", "upgrade: unknown key 'too'; did you mean 'to'?"),
        ("upgrade: {to: [1.9]}", "upgrade.to: expected text, not a list"),
        ("upgrade: none", "upgrade: "),
        ("examine: hosts", "examine: expected a list, not text"),
        ("examine: [host]", "examine[0]: 'host' is not known; did you mean 'hosts'?"),
        ("ssh: {sudo: maybe}", "ssh.sudo: expected true or false"),
        ("ssh: {strict: true}", "ssh: unknown key 'strict'"),
        ("waivers: []", "waivers: expected text, not a list"),
        ("waivers: ~no-such-user/w.yaml", "waivers: "),
        ("parameters: {a: [1]}", "parameters.a: expected text, not a list"),
        ("hosts: {fleet: {connection: a}}", "hosts.fleet: "),
        ("clusters: {fleet: {}}", "clusters.fleet: "),
    ],
)
def test_what_is_wrong_is_told_with_file_and_path(read, tmp_path, text, said):
    with pytest.raises(InvalidDocument) as caught:
        read(text)
    assert f"{tmp_path / 'upgrade.yaml'}: " in str(caught.value)
    assert said in str(caught.value)


# -- the command line ----------------------------------------------------------------------------------------------


def test_options_outweigh_the_file(read):
    change = with_options(
        read(WHOLE),
        {
            "upgrade_from": "1.7.0",
            "upgrade_to": "1.8.9",
            "waivers": "w.yaml",
            "examine": "hosts",
            "ssh_config": "~/cfg",
            "ssh_identity_file": "key",
            "sudo": True,
        },
    )
    assert change.upgrade == Upgrade(version("1.7.0"), version("1.8.9"))
    assert (change.waivers, change.examine) == (Path("w.yaml"), ("hosts",))
    assert (change.ssh.config, change.ssh.identity_file) == (Path("/home/me/cfg"), Path("key"))
    assert (change.ssh.known_hosts, change.ssh.verify_host_keys) == (Path("/etc/known"), False)
    assert list(change.hosts) == ["cp-1", "station"]


def test_nothing_said_changes_nothing(read):
    change = read(WHOLE)
    assert with_options(change, {"hosts": None, "upgrade_from": None, "examine": None}) == change


def test_hosts_of_the_command_line_keep_what_the_file_knows_of_them(read):
    change = with_options(read(WHOLE), {"hosts": ["ssh://ops@10.200.0.2, wk-9", "local://"]})
    assert change.nodes == ()
    assert list(change.hosts) == ["cp-1", "wk-9", "station"]
    assert {name: one.name for name, one in change.hosts.items()} == {one: one for one in change.hosts}
    assert change.hosts["cp-1"].roles == ("control-plane", "load-balancer")
    assert change.hosts["wk-9"] == Host("wk-9", "wk-9")


def test_a_cluster_of_the_command_line_is_the_only_one_and_has_the_hosts():
    change = with_options(Change(), {"hosts": ["a"], "kubeconfig": "k", "cluster_name": "ctx"})
    assert change.clusters == {"ctx": Cluster("ctx", Path("k"))}
    assert change.hosts["a"].cluster == "ctx"
    change = with_options(Change(hosts={"w": Host("w", "local://", ("workstation",))}), {"kube_context": "ctx"})
    assert (change.clusters["ctx"].context, change.hosts["w"].cluster) == ("ctx", None)


def test_a_kubeconfig_of_the_command_line_is_that_of_the_cluster_in_the_file():
    """Its name, versions, role and desired files are what the change is about."""
    upgrade = Upgrade(version("1.8.3"), version("1.9.0"))
    cluster = Cluster("prod", Path("old"), "old", role="user", upgrade=upgrade, desired=(Path("d"),), connected=False)
    hosts = {"wk-1": Host("wk-1", "ssh://wk-1", cluster="prod")}
    change = with_options(Change(clusters={"prod": cluster}, hosts=hosts), {"kubeconfig": "k", "kube_context": "ctx"})
    assert change.clusters == {"prod": replace(cluster, kubeconfig=Path("k"), context="ctx", connected=True)}
    assert change.hosts == hosts
    change = with_options(Change(clusters={"prod": cluster}), {"hosts": ["a"]})
    assert change.hosts["a"].cluster == "prod"


def test_hosts_of_one_connection_are_kept_all():
    hosts = {name: Host(name, "ssh://a", (name,)) for name in ("control-plane", "worker")}
    change = with_options(Change(hosts=hosts), {"hosts": ["ssh://a", "b"]})
    assert change.hosts == {**hosts, "b": Host("b", "b")}


@pytest.mark.parametrize("options", [{"kubeconfig": "k"}, {"kube_context": "ctx"}])
def test_of_several_clusters_nobody_knows_whose_kubeconfig_it_is(options):
    clusters = {name: Cluster(name) for name in ("a", "b")}
    with pytest.raises(InvalidDocument, match="the change names several clusters; give each its own `kubeconfig`"):
        with_options(Change(clusters=clusters), options)


@pytest.mark.parametrize(
    ("before", "after", "of_profile", "fine"),
    [
        ("1.8.3", "1.9", None, True),
        ("1.9.1", "1.9", None, True),
        ("1.9", "1.9.0", None, True),
        ("1.9.1", "1.9.1", None, True),
        ("1.9.1", None, "1.9", True),
        (None, "1.9", None, True),
        ("1.10.0", None, "1.9", False),
        ("1.10.0", "1.9", None, False),
        ("1.9.2", "1.9.1", None, False),
        ("2.0", "1.19", None, False),
    ],
)
def test_an_upgrade_leads_upwards(before, after, of_profile, fine):
    upgrade = Upgrade(version(before) if before else None, version(after) if after else None)
    target = version(of_profile) if of_profile else None
    for change in (Change(upgrade=upgrade), Change(clusters={"a": Cluster("a", upgrade=upgrade)})):
        if fine:
            check_directions(change, target)
            continue
        with pytest.raises(InvalidDocument, match="which is earlier: have the two been swapped"):
            check_directions(change, target)
    stays = {"a": Cluster("a", upgrade=Upgrade(none=True))}
    check_directions(Change(clusters=stays, upgrade=upgrade), target)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"upgrade_to": "1.8.O"}, "--upgrade-to: '1.8.O' names no release: expected three numbers"),
        ({"upgrade_from": "new"}, "--upgrade-from: 'new' is no version"),
        ({"upgrade_to": "=1.9"}, "--upgrade-to: '=1.9' is no version"),
        ({"ssh_config": "~no-such-user/x"}, "~no-such-user"),
        ({"kubeconfig": "~no-such-user/x"}, "~no-such-user"),
    ],
)
def test_options_that_are_wrong(read, options, said):
    with pytest.raises(InvalidDocument) as caught:
        with_options(read(WHOLE), options)
    assert said in str(caught.value)


def test_desired_configuration_of_the_only_cluster():
    change = with_desired(Change(clusters={"c": Cluster("c")}), ["a.yaml", "b.yaml"])
    assert change.clusters["c"].desired == (Path("a.yaml"), Path("b.yaml"))
    assert with_desired(change, None) is change


def test_desired_configuration_of_nobody_in_particular(read):
    with pytest.raises(InvalidDocument, match="--desired: the change names several clusters"):
        with_desired(read(WHOLE), ["a.yaml"])
    with pytest.raises(InvalidDocument, match="--desired: no cluster is named"):
        with_desired(Change(), ["a.yaml"])


def test_a_side_that_is_not_examined_may_be_empty(read):
    change = read("profile: p\nhosts: {}\nclusters: {c: {kubeconfig: k}}\nexamine: [clusters]\n")
    assert (list(change.hosts), list(change.clusters)) == ([], ["c"])


def test_where_nobody_is_named_it_is_this_machine():
    assert list(with_default_subject(Change(), cluster=False).hosts) == ["local://"]
    for change in (
        Change(clusters={"c": Cluster("c")}),
        Change(nodes=(NodesOf("n", "c"),)),
        Change(hosts={"a": Host("a", "a")}),
        Change(examine=("clusters",)),
    ):
        assert with_default_subject(change, cluster=False) == change
