"""Hazards of Anthos clusters on bare metal: what the login user finds, and SELinux with the preview of containerd."""

from __future__ import annotations

import pytest

from checks.anthos_bare_metal.facts_login import abm_login
from tests.hazards.anthos import admin_api, cluster, node_pool
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import DENIED, Api, Machine

PATH, SELINUX = "abm-usr-local-bin-path", "abm-selinux-containerd"
LISTED = "forbidden"
CLUSTERS = "clusters.baremetal.cluster.gke.io"


def abm(name="hub", kind="hybrid", version="1.7.5", runtime="containerd", login=None, nodes=("10.200.0.2",)):
    """A Cluster object; no runtime and no login user where None. Its only node has the address of every `Machine`."""
    own = cluster(name, kind, version, nodes=nodes)
    if runtime is not None:
        own["spec"]["nodeConfig"] = {"containerRuntime": runtime}
    if login is not None:
        own["spec"]["nodeAccess"] = {"loginUser": login}
    return own


# -- /usr/local/bin on the PATH ----------------------------------------------------------------------------------

FULL = "/usr/local/bin:/usr/bin:/bin:/usr/games"
SHORT = "/usr/bin:/bin:/usr/sbin:/sbin"
SUDO = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def defaults(secure, more="env_reset, mail_badpass"):
    said = f", secure_path={secure.replace(':', chr(92) + ':')}" if secure is not None else ""
    return f"Matching Defaults entries for ops on cp-1:\n    {more}{said}, use_pty\n\n"


def login(path, secure=None, *, root=False, crictl="", said=None):
    """What the login says; `crictl` are the directories that hold it, `said` the settings that sudo lists."""
    if root:
        return Machine(cluster="hub", says={abm_login: f"0 root\n{path}\n{crictl}\n0\n"})
    listing = defaults(secure) if said is None else said
    return Machine(cluster="hub", says={abm_login: f"1001 ops\n{path}\n{crictl}\n0\n{listing}\n"})


def logged_in(hazard, machine, own=None, upgrade=(None, "1.8.1"), **api):
    """What is found as the cluster's login user, which is the machine's where no Cluster object is given."""
    user = "ops" if machine.says.get(abm_login, "").startswith("1001 ops") else None
    clusters = {"hub": admin_api(abm(login=user) if own is None else own, **api)}
    return evaluate(hazard, hosts={"cp-1": machine}, clusters=clusters, upgrade=upgrade)


@proves(
    PATH, kind=PRESENT, says=["/usr/local/bin is not in the PATH of root over SSH"], line="/usr/bin", remedy="ln -s"
)
@pytest.mark.parametrize(
    "path", [SHORT, "/usr/local/sbin:/usr/bin", "/usr/local/bin2:/usr/bin", "/opt/usr/local/bin:/usr/bin"]
)
@pytest.mark.parametrize("crictl", ["", ":/opt/bin"], ids=["no crictl", "crictl where the PATH does not lead"])
def test_root_lacks_it(hazard, path, crictl):
    return logged_in(hazard, login(path, root=True, crictl=crictl))


@proves(PATH, kind=PRESENT, says=["not in the secure_path of sudo for ops"], line="secure_path=/sbin", remedy="visudo")
@pytest.mark.parametrize("secure", ["/sbin:/bin:/usr/sbin:/usr/bin", "/sbin:/usr/local/sbin"])
def test_sudo_lacks_it(hazard, secure):
    finding = logged_in(hazard, login(FULL, secure))
    assert "over SSH" not in finding.message
    return finding


@proves(PATH, kind=PRESENT, says=["not in the secure_path"], line="secure_path=/sbin")
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(defaults("/sbin:/bin", f"secure_path={SUDO}"), id="the last one counts"),
        pytest.param(
            "Matching Defaults entries for ops on cp-1:\n    env_reset,\n    secure_path=/sbin\\:/bin\n", id="wrapped"
        ),
    ],
)
def test_sudo_lacks_it_however_it_lists_it(hazard, said):
    return logged_in(hazard, login(FULL, said=said))


@proves(PATH, kind=PRESENT, says=["not in the PATH of ops over SSH"], line=SHORT)
def test_the_session_lacks_it(hazard):
    finding = logged_in(hazard, login(SHORT, SUDO))
    assert "secure_path of" not in finding.message
    return finding


@proves(PATH, kind=PRESENT, says=["the PATH of ops over SSH and not in the secure_path of sudo"], line=SHORT)
def test_both_lack_it(hazard):
    return logged_in(hazard, login(SHORT, "/sbin:/bin"))


@proves(PATH, kind=PRESENT, says=["the PATH of ops over SSH"])
@pytest.mark.parametrize("said", ["", "Matching Defaults entries for ops on cp-1:\n    secure_path=/x, !secure_path\n"])
def test_sudo_keeps_the_path_of_the_session(hazard, said):
    return logged_in(hazard, login(SHORT, said=said))


@proves(PATH, kind=PRESENT, says=["the PATH of ops over SSH"])
def test_crictl_has_to_be_on_either_path(hazard):
    return logged_in(hazard, login(SHORT, f"{SUDO}:/opt/bin", crictl=":/opt/bin"))


@proves(PATH, kind=PRESENT, says=["the PATH of root"], line="PATH is empty")
def test_there_is_no_path(hazard):
    return logged_in(hazard, login("", root=True))


@proves(PATH, kind=PRESENT, says=["the PATH of root"])
@pytest.mark.parametrize(
    ("own", "upgrade"),
    [
        pytest.param(abm(version="1.8.0", runtime=None), (None, "1.8.1"), id="the default of 1.8"),
        pytest.param(abm(version="1.8.1", runtime=None), ("1.8.1", "1.8.1"), id="to the last version that needs it"),
        pytest.param(abm(version="1.6.0"), ("1.6.0", "1.7.0"), id="before"),
        pytest.param(abm(login="root"), (None, "1.8.1"), id="the login user is root"),
    ],
)
def test_clusters_with_containerd(hazard, own, upgrade):
    return logged_in(hazard, login(SHORT, root=True), own, upgrade)


@proves(PATH, kind=ABSENT)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(login(FULL, root=True), id="root"),
        pytest.param(login("/usr/bin:/usr/local/bin/", root=True), id="with a slash at its end"),
        pytest.param(login(FULL, SUDO), id="ops"),
        pytest.param(login(FULL, said=""), id="sudo keeps the PATH"),
        pytest.param(login(SHORT, root=True, crictl=":/usr/bin"), id="a link elsewhere on the PATH"),
        pytest.param(login(SHORT, "/sbin:/usr/bin", crictl=":/usr/bin"), id="a link on both"),
        pytest.param(login(FULL, "/sbin:/usr/bin", crictl=":/usr/local/bin:/usr/bin"), id="a link on sudo's"),
    ],
)
def test_it_is_on_the_path(hazard, machine):
    return logged_in(hazard, machine)


@proves(PATH, kind=NOT_APPLICABLE, says=["runs docker"])
@pytest.mark.parametrize("own", [abm(runtime="docker"), abm(runtime=None), abm(version="1.8.0", runtime="docker")])
def test_clusters_with_docker(hazard, own):
    return logged_in(hazard, login(SHORT, root=True), own)


@proves(PATH, kind=NOT_APPLICABLE, says=["is not <1.8.2"])
@pytest.mark.parametrize("target", ["1.8.2", "1.8.3-gke.1", "1.9", "1.10.0"])
def test_the_path_from_1_8_2_on(hazard, target):
    return logged_in(hazard, login(SHORT, root=True), upgrade=(None, target))


@proves(PATH, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("machine", "own"),
    [
        pytest.param(Machine(cluster="hub"), abm(), id="no answer"),
        pytest.param(Machine(cluster="hub", says={abm_login: "0 root\n"}), abm(), id="half an answer"),
        pytest.param(Machine(cluster="hub", broken={abm_login: "timed-out"}), abm(), id="timed out"),
        pytest.param(
            Machine(cluster="hub", says={abm_login: f"1001 ops\n{FULL}\n\n1\nsudo: a password is required\n"}),
            abm(login="ops"),
            id="sudo wants a password",
        ),
        pytest.param(
            login(FULL, said="Runas and Command-specific defaults for ops:\n    Defaults>root secure_path=/sbin\n"),
            abm(login="ops"),
            id="set for root alone",
        ),
        pytest.param(login(FULL, SUDO), abm(login="root"), id="the cluster logs in as another user"),
        pytest.param(login(FULL, root=True), abm(version=""), id="no version"),
        pytest.param(login(FULL, root=True), abm(runtime="crio"), id="another runtime"),
        pytest.param(login(FULL, root=True), abm(version="", runtime=None), id="neither version nor runtime"),
    ],
)
def test_the_path_cannot_be_known(hazard, machine, own):
    finding = logged_in(
        hazard, machine, own, (None, None) if own["spec"]["anthosBareMetalVersion"] == "" else (None, "1.8.1")
    )
    return finding


@proves(PATH, kind=UNREADABLE, says=["hub logs in as root (spec.nodeAccess.loginUser is not set), this run as ops"])
def test_where_no_login_user_is_set_the_cluster_logs_in_as_root(hazard):
    return logged_in(hazard, login(FULL, SUDO), abm(login=None))


@proves(PATH, kind=UNREADABLE)
def test_the_runtime_cannot_be_known(hazard):
    return logged_in(hazard, login(FULL, root=True), upgrade=("1.7.5", "1.8.1"), broken={CLUSTERS: LISTED})


# -- SELinux -----------------------------------------------------------------------------------------------------

ENFORCE = "/sys/fs/selinux/enforce"
CENTOS = 'NAME="CentOS Linux"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Linux 8"\n'
RHEL = 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nVERSION_ID="8.4"\nPRETTY_NAME="Red Hat Enterprise Linux 8.4"\n'
UBUNTU = 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="20.04"\nPRETTY_NAME="Ubuntu 20.04 LTS"\n'


def labelled(enforce="1\n", system=CENTOS, cluster="hub", **files):
    return Machine(files={"/etc/os-release": system, ENFORCE: enforce, **files}, cluster=cluster, roles=("worker",))


def fleet(hosts, *own, upgrade=(None, "1.8.0"), others=None, **api):
    own = own or (abm(version="1.7.1"),)
    clusters = {"hub": admin_api(*own, **api), **(others or {})}
    return evaluate(SELINUX, hosts=hosts, clusters=clusters, upgrade=upgrade)


@proves(
    SELINUX,
    kind=PRESENT,
    says=["enforcing", "cluster hub: wk-1, wk-3"],
    line="wk-1: SELinux is enforcing",
    remedy="new 1.8.0 cluster",
)
@pytest.mark.parametrize("system", [CENTOS, RHEL], ids=["CentOS", "RHEL"])
@pytest.mark.parametrize("version", ["1.7.1", "1.7.1-gke.5"])
def test_selinux_is_enforcing(hazard, system, version):
    hosts = {"wk-3": labelled(system=system), "wk-1": labelled(system=system), "wk-2": labelled("0\n")}
    return fleet(hosts, abm(version=version))


@proves(SELINUX, kind=PRESENT, says=["cluster prod: wk-1"])
def test_of_a_user_cluster(hazard):
    own = abm("hub", "admin", "1.7.3"), abm("prod", "user", "1.7.1")
    others = {"prod": Api(role="user", manager="hub", connected=False)}
    hosts = {"wk-1": labelled(cluster="prod"), "cp-1": labelled(cluster="hub")}
    return fleet(hosts, *own, others=others)


@proves(SELINUX, kind=PRESENT, says=["wk-1"])
def test_one_that_cannot_be_read_does_not_hide_another(hazard):
    return fleet({"wk-1": labelled(), "wk-2": labelled(**{ENFORCE: DENIED})})


@proves(SELINUX, kind=ABSENT)
@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param({"wk-1": labelled(None)}, id="disabled"),
        pytest.param({"wk-1": labelled(None), "wk-2": labelled(system=UBUNTU)}, id="another's on Ubuntu"),
        pytest.param({"wk-1": labelled(None), "wk-2": labelled(cluster="old")}, id="another cluster's"),
    ],
)
def test_selinux_is_not_there(hazard, hosts):
    return fleet(hosts, others={"old": admin_api(abm("old", version="1.7.3"))})


@proves(SELINUX, kind=ABSENT, says=["permissive", "wk-1, wk-2"])
def test_permissive_denies_nothing_and_the_result_says_so(hazard):
    return fleet({"wk-2": labelled("0\n"), "wk-1": labelled("0")})


@proves(SELINUX, kind=ABSENT)
def test_a_cluster_that_stays_is_no_hazard(hazard):
    stays = {"old": admin_api(abm("old", version="1.7.1"), upgrade="none")}
    return fleet({"wk-1": labelled(None), "wk-2": labelled(cluster="old")}, others=stays)


@proves(SELINUX, kind=NOT_APPLICABLE, says=["is not ==1.7.1"])
@pytest.mark.parametrize("version", ["1.7.0", "1.7.2", "1.8.0", "1.7.10"])
def test_other_versions(hazard, version):
    return fleet({"wk-1": labelled()}, abm(version=version))


@proves(SELINUX, kind=NOT_APPLICABLE, says=["runs docker"])
@pytest.mark.parametrize("runtime", ["docker", None])
def test_docker(hazard, runtime):
    return fleet({"wk-1": labelled()}, abm(version="1.7.1", runtime=runtime))


@proves(SELINUX, kind=NOT_APPLICABLE, says=["no node of cluster hub", "RHEL or CentOS"])
def test_ubuntu(hazard):
    return fleet({"wk-1": labelled(system=UBUNTU)})


@proves(SELINUX, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("hosts", "world"),
    [
        pytest.param({"wk-1": labelled(**{ENFORCE: DENIED})}, {}, id="denied"),
        pytest.param({"wk-1": labelled("perhaps\n")}, {}, id="garbled"),
        pytest.param({"wk-1": labelled(None), "wk-2": labelled(system=None)}, {}, id="one without os-release"),
        pytest.param({"wk-1": labelled(cluster=None)}, {}, id="a host of no cluster"),
        pytest.param({}, {}, id="no host"),
        pytest.param(
            {"wk-1": labelled(None)}, {"broken": {CLUSTERS: "forbidden"}, "upgrade": ("1.7.1", "1.8.0")}, id="clusters"
        ),
        pytest.param({"wk-1": Machine(cluster="hub", broken={"*": "unreachable"})}, {}, id="unreachable"),
    ],
)
def test_selinux_cannot_be_known(hazard, hosts, world):
    return fleet(hosts, **world)


UNSEEN = "the others are no hosts of this run: of cluster hub: 10.200.0.3, 10.200.0.5"


@proves(SELINUX, kind=UNREADABLE, says=[UNSEEN])
@pytest.mark.parametrize(
    "host",
    [labelled(None), labelled("0\n"), labelled(system=UBUNTU)],
    ids=["disabled", "permissive", "on Ubuntu"],
)
def test_nodes_that_nobody_looked_at_may_enforce_it(hazard, host):
    pools = [node_pool("np1", "hub", "10.200.0.5"), node_pool("np2", "other", "10.200.0.6")]
    return fleet({"wk-1": host}, abm(version="1.7.1", nodes=["10.200.0.2", "10.200.0.3"]), pools=pools)


@proves(SELINUX, kind=PRESENT, says=["cluster hub: wk-1"])
def test_one_that_enforces_it_is_enough(hazard):
    return fleet({"wk-1": labelled()}, abm(version="1.7.1", nodes=["10.200.0.2", "10.200.0.3"]))


@proves(SELINUX, kind=PRESENT, says=["cluster hub: wk-1"])
def test_one_that_enforces_it_is_enough_where_the_cluster_names_no_addresses(hazard):
    return fleet({"wk-1": labelled()}, abm(version="1.7.1", nodes=[]))


@proves(SELINUX, kind=UNREADABLE, says=["names the address of no node"])
@pytest.mark.parametrize("host", [labelled(None), labelled(system=UBUNTU)], ids=["disabled", "on Ubuntu"])
def test_a_cluster_that_names_no_addresses_may_have_other_nodes(hazard, host):
    return fleet({"wk-1": host}, abm(version="1.7.1", nodes=[]))


@proves(SELINUX, kind=ABSENT)
def test_nodes_that_nobody_looked_at_of_a_cluster_that_stays(hazard):
    stays = {"old": admin_api(abm("old", version="1.7.1", nodes=["10.200.0.9"]), upgrade="none")}
    return fleet({"wk-1": labelled(None), "wk-2": labelled(None, cluster="old")}, others=stays)


@proves(SELINUX, kind=UNREADABLE, says=["no cluster is named"])
def test_the_cluster_is_not_named(hazard):
    return evaluate(hazard, hosts={"wk-1": labelled(cluster=None)}, upgrade=("1.7.1", "1.8.0"))
