"""The workstation on which bmctl runs: connection tracking, and what bmctl leaves in its folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from checks.anthos_bare_metal.facts_workstation import abm_manifests
from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import DENIED, Api, Machine, Said

CONNTRACK, MANIFESTS = "abm-conntrack-readonly", "abm-manifests-missing"
MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
CORES = "unset OMP_NUM_THREADS OMP_THREAD_LIMIT; nproc"
FOCAL = 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="20.04"\nPRETTY_NAME="Ubuntu 20.04.2 LTS"\n'
OTHERS = {
    "Ubuntu 18.04.6 LTS": FOCAL.replace("20.04.2", "18.04.6").replace("20.04", "18.04"),
    "Ubuntu 20.10": FOCAL.replace("20.04.2 LTS", "20.10").replace("20.04", "20.10"),
    "Debian GNU/Linux 11": 'ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian GNU/Linux 11"\n',
    "Linux Mint 20": 'ID=linuxmint\nID_LIKE=ubuntu\nVERSION_ID="20"\nPRETTY_NAME="Linux Mint 20"\n',
    "Pop!_OS 20.04": 'ID=pop\nID_LIKE="ubuntu debian"\nVERSION_ID="20.04"\nPRETTY_NAME="Pop!_OS 20.04 LTS"\n',
    "CentOS Linux 8": 'ID="centos"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Linux 8"\n',
}

# -- connection tracking -------------------------------------------------------------------------------------------


def focal(limit="65536\n", cores="12\n", kernel="5.8.0-1035-gcp\n", os=FOCAL, files=(), **machine):
    says = {"uname -r": kernel, CORES: cores}
    there = {"/etc/os-release": os, MAX: limit, **dict(files)}
    return Machine(files=there, says=says, **{"roles": ("workstation",), **machine})


def tracked(hazard, machine, upgrade=("1.7.3", "1.8.1")):
    return evaluate(hazard, hosts={"station": machine}, upgrade=upgrade)


@proves(CONNTRACK, kind=PRESENT, remedy="sudo sysctl net.netfilter.nf_conntrack_max=")
@pytest.mark.parametrize(
    ("limit", "cores", "kernel", "wanted"),
    [
        ("65536", "12", "5.8.0-1035-gcp", "393216"),  # the document's own
        ("262144", "12", "5.8.0-63-generic", "393216"),
        ("393215", "12", "5.11.0-27-generic", "393216"),
        ("131071", "1", "5.8.0", "131072"),
        ("65536", "2", "5.13.0-1021-aws", "131072"),
        ("131072", "5", "6.2.0-26-generic", "163840"),
        ("0", "4", "5.10.0", "131072"),
    ],
)
def test_the_table_is_too_small(hazard, limit, cores, kernel, wanted):
    finding = tracked(hazard, focal(f"{limit}\n", f"{cores}\n", f"{kernel}\n"))
    assert f"nf_conntrack_max is {limit}; kube-proxy wants {wanted} on {cores} core" in finding.message
    assert f"nf_conntrack_max={wanted}" in finding.remedy
    assert [one.lines for one in finding.evidence if one.read == f"cat {MAX}"] == [(limit,)]
    return finding


@proves(CONNTRACK, kind=ABSENT)
@pytest.mark.parametrize(
    ("limit", "cores"), [("393216", "12"), ("393217", "12"), ("131072", "1"), ("131072", "4"), ("1048576", "32")]
)
def test_the_table_is_large_enough(hazard, limit, cores):
    # kube-proxy writes nothing where the value is high enough.
    return tracked(hazard, focal(f"{limit}\n", f"{cores}\n"))


@proves(CONNTRACK, kind=NOT_APPLICABLE, says=["to 1.", "is not <1.8.2"])
@pytest.mark.parametrize("target", ["1.8.2", "1.8.3", "1.9.0", "1.8.2-gke.3"])
def test_targets_that_do_not_set_it(hazard, target):
    return tracked(hazard, focal(), ("1.7.3", target))


@proves(CONNTRACK, kind=PRESENT)
@pytest.mark.parametrize("target", ["1.8.1", "1.8.0", "1.7.3", "1.6.0", "1.8.1-gke.9"])
def test_targets_that_set_it(hazard, target):
    return tracked(hazard, focal(), (None, target))


@proves(CONNTRACK, kind=NOT_APPLICABLE, says=["not Ubuntu 20.04"])
@pytest.mark.parametrize("name", OTHERS)
def test_other_distributions(hazard, name):
    finding = tracked(hazard, focal(os=OTHERS[name]))
    assert name in finding.message
    return finding


@proves(CONNTRACK, kind=NOT_APPLICABLE, says=["is before 5.8"])
@pytest.mark.parametrize("kernel", ["5.4.0-80-generic", "5.7.19", "4.18.0"])
def test_kernels_that_let_containers_set_it(hazard, kernel):
    return tracked(hazard, focal(kernel=f"{kernel}\n"))


@pytest.mark.parametrize("roles", [(), ("control-plane",), ("worker",)])
def test_nodes_run_no_bootstrap_cluster(roles):
    assert findings(CONNTRACK, hosts={"n1": focal(roles=roles)}, upgrade=("1.7.3", "1.8.1")) == {}


@proves(CONNTRACK, kind=UNREADABLE, says=["nf_conntrack is not loaded", "sudo modprobe nf_conntrack"])
def test_nothing_tracks_connections_yet(hazard):
    return tracked(hazard, focal(None))


@proves(CONNTRACK, kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(focal(DENIED), id="denied"),
        pytest.param(focal("many\n"), id="no number"),
        pytest.param(focal(""), id="empty"),
        pytest.param(focal(cores="0\n"), id="no core"),
        pytest.param(focal(cores="nproc: cannot open\n"), id="no number of cores"),
        pytest.param(focal(cores=Said(stderr="sh: nproc: not found", rc=127)), id="no nproc"),
        pytest.param(focal(kernel=""), id="no kernel"),
        pytest.param(focal(os=None), id="no os-release"),
        pytest.param(focal(broken={f"cat {MAX}": "timed-out"}), id="timed out"),
        pytest.param(focal(broken={"*": "unreachable"}), id="unreachable"),
    ],
)
def test_the_table_cannot_be_known(hazard, machine):
    return tracked(hazard, machine)


@proves(CONNTRACK, kind=UNREADABLE, says=["--upgrade-to"])
def test_the_target_cannot_be_known(hazard):
    return tracked(hazard, focal(), ("1.7.3", None))


# -- the manifests -------------------------------------------------------------------------------------------------


def left(hazard, home, *, directory="~", said=None, upgrade=("1.9.3", "1.10.0"), clusters=None, **machine):
    """A workstation with this home, looked at by the real command."""
    read = abm_manifests.sources[0].bind({"bmctl-directory": directory})
    env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C"}
    done = subprocess.run(["/bin/sh", "-c", read.script], env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    station = Machine(roles=("workstation",), says={read.key: done.stdout if said is None else said}, **machine)
    parameters = {} if directory == "~" else {"bmctl-directory": directory}
    world = {"hosts": {"station": station}, "clusters": clusters or {}}
    return evaluate(hazard, **world, upgrade=upgrade, parameters=parameters)


def made(home: Path, *names: str) -> Path:
    for name in names:
        (home / name).mkdir(parents=True)
    return home


@proves(
    MANIFESTS,
    kind=PRESENT,
    says=["holds bmctl-workspace, and .manifests in neither"],
    line=".manifests: No such file or directory",
    remedy="bmctl check cluster -c ADMIN_CLUSTER",
)
@pytest.mark.parametrize("more", [(), ("manifests",), ("bmctl-workspace/prod/.manifests",), (".manifests.bak",)])
def test_the_manifests_are_gone(hazard, tmp_path, more):
    finding = left(hazard, made(tmp_path, "bmctl-workspace/prod", *more))
    assert f"{tmp_path}/" in finding.message
    return finding


@proves(MANIFESTS, kind=PRESENT, line="/.manifests: No such file or directory")
def test_the_manifests_lead_nowhere(hazard, tmp_path):
    (made(tmp_path, "bmctl-workspace") / ".manifests").symlink_to("/nonexistent")
    return left(hazard, tmp_path)


@proves(MANIFESTS, kind=PRESENT, line="/.manifests: is no directory")
def test_the_manifests_are_a_file(hazard, tmp_path):
    (made(tmp_path, "bmctl-workspace") / ".manifests").write_text("")
    return left(hazard, tmp_path)


@proves(MANIFESTS, kind=PRESENT, remedy="bmctl check cluster -c hub")
@pytest.mark.parametrize("ending", ["", "/"])
def test_the_folder_of_bmctl_is_a_parameter(hazard, tmp_path, ending):
    folder = made(tmp_path / "b m'c$(id)", "bmctl-workspace")
    made(tmp_path, ".manifests", "bmctl-workspace/.manifests")
    clusters = {"hub": admin_api(cluster("hub", "admin", "1.9.3"))}
    finding = left(hazard, tmp_path, directory=f"{folder}{ending}", upgrade=(None, "1.10.0"), clusters=clusters)
    assert "cd '" in finding.remedy
    assert f"{folder}/ holds" in finding.message
    return finding


def below(name="prod", **user):
    """A user cluster, and what its Cluster object is."""
    return Api(role="user", manager="hub", connected=False, **user), cluster(name, "user", "1.9.3")


@proves(MANIFESTS, kind=PRESENT, remedy="bmctl check cluster -c hub")
@pytest.mark.parametrize("type", ["admin", "hybrid"])
@pytest.mark.parametrize("own", [{}, {"upgrade": "none"}], ids=["upgraded too", "not upgraded"])
def test_bmctl_checks_the_admin_cluster_never_a_user_cluster(hazard, tmp_path, type, own):
    prod, its = below(upgrade=("1.9.3", "1.10.0"))
    clusters = {"prod": prod, "hub": admin_api(cluster("hub", type, "1.9.3"), its, **own)}
    finding = left(hazard, made(tmp_path, "bmctl-workspace/prod"), clusters=clusters)
    assert "-c prod" not in finding.remedy
    assert "# never with a user cluster" in finding.remedy
    return finding


@proves(MANIFESTS, kind=PRESENT, remedy="bmctl check cluster -c own-name")
@pytest.mark.parametrize("type", ["admin", "standalone"])
def test_bmctl_is_told_the_name_of_the_cluster_object(hazard, tmp_path, type):
    clusters = {"called-so": admin_api(cluster("own-name", type, "1.9.3"))}
    return left(hazard, made(tmp_path, "bmctl-workspace"), clusters=clusters)


@proves(MANIFESTS, kind=PRESENT, remedy="bmctl check cluster -c ADMIN_CLUSTER")
@pytest.mark.parametrize("admin", [{"connected": False}, {"broken": {"*": "unreachable"}}])
def test_where_no_cluster_can_be_read_nobody_guesses_one(hazard, tmp_path, admin):
    prod, its = below()
    clusters = {"prod": prod, "hub": admin_api(cluster("hub", "admin", "1.9.3"), its, **admin)}
    return left(hazard, made(tmp_path, "bmctl-workspace"), clusters=clusters)


@proves(MANIFESTS, kind=PRESENT, remedy="bmctl check cluster -c ADMIN_CLUSTER")
def test_an_unnamed_kubeconfig_that_holds_a_user_clusters_object(hazard, tmp_path):
    clusters = {"prod": Api(objects={"clusters.baremetal.cluster.gke.io": [cluster("prod", "user", "1.9.3")]})}
    return left(hazard, made(tmp_path, "bmctl-workspace"), clusters=clusters)


@proves(MANIFESTS, kind=ABSENT)
def test_clusters_that_cannot_be_read_leave_nothing_open_where_the_manifests_are_there(hazard, tmp_path):
    clusters = {"hub": admin_api(cluster("hub", "admin", "1.9.3"), broken={"*": "unreachable"})}
    return left(hazard, made(tmp_path, ".manifests", "bmctl-workspace"), clusters=clusters)


@proves(MANIFESTS, kind=ABSENT)
@pytest.mark.parametrize(
    "names",
    [
        (".manifests", "bmctl-workspace"),
        ("bmctl-workspace/.manifests",),
        (".manifests/1.9.0/cluster-operator", "bmctl-workspace/.manifests"),
    ],
)
def test_the_manifests_are_there(hazard, tmp_path, names):
    return left(hazard, made(tmp_path, *names))


@proves(MANIFESTS, kind=ABSENT)
def test_the_manifests_are_elsewhere(hazard, tmp_path):
    made(tmp_path / "disk", ".manifests", "workspace")
    (tmp_path / "bmctl-workspace").symlink_to("disk/workspace")
    (tmp_path / ".manifests").symlink_to("disk/.manifests")
    return left(hazard, tmp_path)


@proves(MANIFESTS, kind=NOT_APPLICABLE, says=["from 1.1", "is not <1.11"])
@pytest.mark.parametrize("version", ["1.11.0", "1.11", "1.12.3", "1.110.0"])
def test_releases_that_keep_them(hazard, tmp_path, version):
    return left(hazard, made(tmp_path, "bmctl-workspace"), upgrade=(version, "1.13.0"))


@proves(MANIFESTS, kind=PRESENT)
@pytest.mark.parametrize("version", ["1.10.9", "1.6.0", "1.9.0-gke.8"])
def test_releases_that_lose_them(hazard, tmp_path, version):
    return left(hazard, made(tmp_path, "bmctl-workspace"), upgrade=(version, "1.11.0"))


@proves(MANIFESTS, kind=NOT_APPLICABLE, says=["holds no bmctl-workspace", "bmctl-directory"])
@pytest.mark.parametrize("names", [(), ("bmctl",), (".manifests",)])
def test_bmctl_was_never_run_there(hazard, tmp_path, names):
    return left(hazard, made(tmp_path, *names))


@proves(MANIFESTS, kind=UNREADABLE, says=["No such file or directory", "name the folder in which bmctl runs"])
@pytest.mark.parametrize("directory", ["/nonexistent", "/nonexistent/bmctl"])
def test_the_folder_of_bmctl_is_not_there(hazard, tmp_path, directory):
    return left(hazard, tmp_path, directory=directory)


DIR, GONE, SHUT = "is a directory", "No such file or directory", "Permission denied"


@proves(MANIFESTS, kind=UNREADABLE, says=["/home/ops/", "Permission denied", "log in as the user that runs bmctl"])
@pytest.mark.parametrize(
    "states",
    [(SHUT, SHUT, SHUT, SHUT), (DIR, SHUT, GONE, SHUT), (DIR, DIR, GONE, SHUT), (DIR, DIR, SHUT, GONE)],
)
def test_what_lies_behind_a_closed_door(hazard, tmp_path, states):
    return left(hazard, tmp_path, said="\n".join(["/home/ops/", *states, ""]))


@proves(MANIFESTS, kind=ABSENT)
@pytest.mark.parametrize("states", [(DIR, DIR, DIR, SHUT), (DIR, DIR, SHUT, DIR)])
def test_one_that_is_there_is_enough(hazard, tmp_path, states):
    return left(hazard, tmp_path, said="\n".join(["/home/ops/", *states, ""]))


@proves(MANIFESTS, kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        {"said": ""},
        {"said": "/home/ops/\nis a directory"},
        {"said": Said(stderr="sh: ls: not found", rc=127)},
        {"broken": {"*": "unreachable"}},
    ],
)
def test_the_folder_cannot_be_known(hazard, tmp_path, machine):
    return left(hazard, tmp_path, **machine)


@proves(MANIFESTS, kind=UNREADABLE, says=["--upgrade-from"])
def test_the_version_before_cannot_be_known(hazard, tmp_path):
    return left(hazard, made(tmp_path, "bmctl-workspace"), upgrade=(None, "1.10.0"))


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming nobody needs root")
def test_the_command_tells_closed_from_absent():
    # Not one of pytest's own folders, which every pytest that starts closes again.
    with tempfile.TemporaryDirectory(prefix="preflight-open-") as top:
        Path(top).chmod(0o755)
        home = Path(top) / "home"
        made(home, "bmctl-workspace").chmod(0o700)
        script = abm_manifests.sources[0].bind({"bmctl-directory": str(home)}).script
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", "/bin/sh", "-c", script]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, env={"LC_ALL": "C"})
    assert done.stdout.splitlines()[1:] == [SHUT] * 4
