"""containerd with several networks behind a proxy, containerd as a preview, and the user that takes snapshots."""

from __future__ import annotations

import pytest

from conformance.packs import load_checks
from conformance.select import checks_by_hazard
from tests.hazards.anthos import GROUP, admin_api, cluster, node_pool
from tests.hazards.evaluating import evaluate, library
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api, Machine, Said

PROXY, PREVIEW, SNAPSHOT = "abm-multinic-containerd-proxy", "abm-containerd-preview", "abm-snapshot-non-root"
PASSWORD = "the-password-of-the-proxy"
USER = Api(role="user", manager="hub", connected=False)


def configured(name="prod", version="1.9.0", *, runtime="containerd", login=None, multinic=True, url="", **spec):
    found = cluster(name, spec.pop("type", "user"), version, **spec)
    inside = found["spec"]
    if multinic is not None:
        inside["clusterNetwork"]["multipleNetworkInterfaces"] = multinic
    if runtime:
        inside["nodeConfig"] = {"containerRuntime": runtime}
    if login is not None:
        inside["nodeAccess"] = {"loginUser": login}
    if url is not None:
        inside["proxy"] = {"url": url or f"http://ops:{PASSWORD}@proxy.example:3128", "noProxy": ["10.96.0.0/20"]}
    return found


def the_read():
    """The fact whose first read looks into the files of a node."""
    table = checks_by_hazard(check for pack in library().packs for check in load_checks(pack))
    return table[PROXY][0].scope["abm_no_proxy"]


def machine(files="", address="10.200.0.2", cluster="prod", **more):
    """A node where these files say this, as the read prints it."""
    said = {the_read(): files, "ip -o address show": f"2: eth0    inet {address}/24 scope global eth0\n"}
    return Machine(says=said, cluster=cluster, roles=("worker",), **more)


def drop_in(*words, path="09-proxy.conf"):
    return "\n".join([f"\n== /etc/systemd/system/containerd.service.d/{path}", *words, ""])


def no_proxy(value, **more):
    """A node whose containerd is told this by its drop-in."""
    return machine(drop_in("HTTPS_PROXY=", f'"NO_PROXY={value}"'), **more)


def behind_proxy(hosts=None, objects=None, pools=(), **world):
    objects = objects or [configured(nodes=["10.200.0.2"])]
    clusters = {"hub": admin_api(cluster("hub", "admin"), *objects, pools=pools, **world), "prod": USER}
    found = evaluate(PROXY, clusters=clusters, hosts=hosts or {}, subject="prod")
    assert PASSWORD not in str(found)
    return found


@proves(
    PROXY, kind=PRESENT, says=["wk-1: NO_PROXY", "does not cover 10.96.0.0/20"], remedy="add 10.96.0.0/20 to NO_PROXY"
)
@pytest.mark.parametrize(
    "value",
    [
        "localhost,.svc",
        "10.96.0.0/21",
        "10.96.0.1",
        "10.96.0.0",
        "10.97.0.0/16",
        "*.10.96.0.0",
        "10.96.*",
        "10.96.0.0/20:443",
        "10.96.0.0/255.255.240.0",
        "fd00::/8,::/0",
        "10.96.0.0/21,10.96.8.0/22",
    ],
)
def test_a_drop_in_does_not_cover_the_services(hazard, value):
    found = behind_proxy({"wk-1": no_proxy(value)})
    assert value in [line for one in found.evidence for line in one.lines]
    return found


@proves(PROXY, kind=PRESENT, says=["wk-1: NO_PROXY is not set"], line="wk-1: NO_PROXY is not set")
@pytest.mark.parametrize(
    "node",
    [
        pytest.param(machine(), id="nothing anywhere"),
        pytest.param(machine(drop_in("HTTPS_PROXY=")), id="a drop-in without NO_PROXY"),
        pytest.param(
            machine(drop_in("HTTPS_PROXY="), environment={"NO_PROXY": "*"}), id="only in the login environment"
        ),
        pytest.param(machine(drop_in('"NO_PROXY=*"', "Environment=", "HTTP_PROXY=")), id="dropped again"),
        pytest.param(machine(drop_in('"NO_PROXY="')), id="empty"),
        pytest.param(machine(environment={"NO_PROXY": "", "no_proxy": ""}), id="empty in the environment"),
    ],
)
def test_a_node_without_no_proxy(hazard, node):
    return behind_proxy({"wk-1": node})


@proves(PROXY, kind=PRESENT, says=["wk-1", "does not cover"])
@pytest.mark.parametrize(
    "node",
    [
        pytest.param(no_proxy(".svc", environment={"NO_PROXY": "10.0.0.0/8"}), id="the drop-in counts for containerd"),
        pytest.param(machine(drop_in("HTTP_PROXY=", '"NO_PROXY=*"', '"NO_PROXY=.svc"')), id="the later one counts"),
        pytest.param(machine(drop_in("=no_proxy=*", " NO_PROXY=.svc")), id="capitals count"),
        pytest.param(
            machine(drop_in('"NO_PROXY=*"') + drop_in('"NO_PROXY=.svc"', path="10-more.conf")), id="two files"
        ),
        pytest.param(machine(environment={"NO_PROXY": ".svc"}), id="the environment"),
        pytest.param(machine("\n== /etc/environment\nNO_PROXY=.svc\n"), id="/etc/environment"),
        pytest.param(
            machine("\n== /etc/environment\nNO_PROXY=*\n", environment={"no_proxy": ".svc"}),
            id="a profile overrides it",
        ),
    ],
)
def test_of_several_the_one_that_counts(hazard, node):
    return behind_proxy({"wk-1": node})


@proves(PROXY, kind=PRESENT, says=["wk-2", "wk-3"])
def test_one_covered_node_says_nothing_of_the_others(hazard):
    good, bad = no_proxy("10.96.0.0/12"), no_proxy(".svc", address="10.200.0.3")
    found = behind_proxy({"wk-3": machine(address="10.200.0.4"), "wk-1": good, "wk-2": bad})
    assert "wk-1" not in found.message
    return found


@proves(PROXY, kind=PRESENT, says=["does not cover fd00:1::/108"])
def test_of_two_service_ranges_one_is_not_covered(hazard):
    objects = [configured(nodes=["10.200.0.2"], services=["10.96.0.0/20", "fd00:1::/108"])]
    return behind_proxy({"wk-1": no_proxy("10.96.0.0/20,fd00:2::/64")}, objects)


@proves(PROXY, kind=PRESENT, says=["wk-1"])
@pytest.mark.parametrize("version", ["1.8.0", "1.9.3", "1.11.0"])
def test_containerd_is_the_default_from_1_8_on(hazard, version):
    return behind_proxy({"wk-1": machine()}, [configured(version=version, runtime=None, nodes=["10.200.0.2"])])


@proves(PROXY, kind=ABSENT)
@pytest.mark.parametrize(
    "value",
    [
        "10.96.0.0/20",
        "localhost,10.96.0.0/12,.svc",
        " 10.96.0.0/20 ",
        "localhost 10.96.0.0/20",
        "localhost, 10.0.0.0/8",
        "'10.96.0.0/20',\\\"x",
        "*",
        "0.0.0.0/0",
        "10.96.0.7/20",
        "10.96.0.0/21,10.96.8.0/21",
    ],
)
def test_the_services_are_covered(hazard, value):
    return behind_proxy({"wk-1": no_proxy(value)})


@proves(PROXY, kind=ABSENT)
@pytest.mark.parametrize(
    "node",
    [
        pytest.param(machine(drop_in("=no_proxy=10.96.0.0/20", "https_proxy=")), id="in small letters"),
        pytest.param(machine(drop_in("'NO_PROXY=a 10.96.0.0/20'")), id="single quotes"),
        pytest.param(machine(drop_in(' NO_PROXY="10.96.0.0/20"')), id="quotes inside"),
        pytest.param(machine(drop_in('"NO_PROXY="', "=no_proxy=*")), id="the empty one does not count"),
        pytest.param(machine(drop_in("Environment=", '"NO_PROXY=*"')), id="set after all were dropped"),
        pytest.param(
            machine(drop_in("EnvironmentFile=-/x", "EnvironmentFile=", '"NO_PROXY=*"')), id="a file dropped again"
        ),
        pytest.param(
            machine(drop_in(path="limits.conf"), environment={"no_proxy": "10.96.0.0/20"}), id="no proxy in it"
        ),
        pytest.param(machine(environment={"NO_PROXY": "10.96.0.0/20"}), id="the environment"),
        pytest.param(machine('\n== /etc/environment\nexport no_proxy="x 10.96.0.0/20"\n'), id="/etc/environment"),
    ],
)
def test_covered_however_it_is_said(hazard, node):
    return behind_proxy({"wk-1": node})


@proves(PROXY, kind=ABSENT)
def test_every_machine_is_looked_at(hazard):
    objects = [configured(nodes=["10.200.0.2"], balancers=["10.200.0.3"]), configured("other", nodes=["10.200.9.9"])]
    pools = [node_pool("workers", "prod", "10.200.0.4"), node_pool("workers", "other", "10.200.9.8")]
    hosts = {f"m{last}": no_proxy("*", address=f"10.200.0.{last}") for last in (2, 3, 4)}
    hosts["stranger"] = machine(cluster="other", address="10.200.9.9")
    return behind_proxy(hosts, objects, pools)


@proves(PROXY, kind=NOT_APPLICABLE)
@pytest.mark.parametrize(
    ("one", "says"),
    [
        (configured(runtime="docker"), "runs docker"),
        (configured(runtime=None, version="1.7.9"), "runs docker"),
        (configured(multinic=False), "several network interfaces"),
        (configured(multinic=None), "several network interfaces"),
        (configured(url=None), "no proxy"),
    ],
)
def test_all_three_must_hold_at_once(hazard, one, says):
    # Others' settings do not count, nor what a node without a proxy says.
    found = behind_proxy({"wk-1": machine()}, [one, configured("other")])
    assert says in found.message
    return found


@proves(PROXY, kind=NOT_APPLICABLE, says=["no proxy"])
def test_no_host_is_asked_for_what_does_not_apply(hazard):
    return behind_proxy({"wk-1": machine(broken={"*": "unreachable"})}, [configured(url=None)])


@proves(PROXY, kind=UNREADABLE, says=["10.200.0.3", "not among the hosts"])
def test_a_machine_that_nobody_looked_at(hazard):
    found = behind_proxy({"wk-1": no_proxy("*")}, pools=[node_pool("workers", "prod", "10.200.0.3")])
    assert "10.200.0.2" not in found.message
    return found


@proves(PROXY, kind=UNREADABLE, says=["10.200.0.2", "not among the hosts"])
@pytest.mark.parametrize("hosts", [{}, {"m": no_proxy("*", cluster=None)}, {"m": no_proxy("*", cluster="hub")}])
def test_no_machine_was_looked_at(hazard, hosts):
    return behind_proxy(hosts)


@proves(PROXY, kind=UNREADABLE)
@pytest.mark.parametrize(
    "node",
    [
        pytest.param(no_proxy("*", broken={"*": "unreachable"}), id="unreachable"),
        pytest.param(no_proxy("*", broken={"ip -o address show": "timed-out"}), id="no addresses"),
        pytest.param(Machine(cluster="prod"), id="no shell"),
        pytest.param(
            Machine(says={the_read(): Said(stderr="/etc/x: Permission denied", rc=4)}, cluster="prod"), id="denied"
        ),
        pytest.param(no_proxy("*", environment=None), id="no login shell"),
        pytest.param(machine(drop_in("EnvironmentFile=-/etc/proxy.env", '"NO_PROXY=*"')), id="a file of its own"),
    ],
)
def test_no_proxy_cannot_be_known(hazard, node):
    return behind_proxy({"wk-1": node})


@proves(PROXY, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        {"broken": {f"clusters.{GROUP}": "forbidden"}},
        {"broken": {f"nodepools.{GROUP}": "forbidden"}},
        {"objects": [configured(nodes=["10.200.0.2"], services=[])]},
        {"objects": [configured(nodes=["10.200.0.2"], services=["10.96.0.0/40"])]},
        {"objects": [configured(nodes=[])]},
        {"objects": [configured(nodes=["10.200.0.2"], runtime="cri-o")]},
    ],
    ids=lambda world: str(world)[:40],
)
def test_the_cluster_cannot_be_known(hazard, world):
    return behind_proxy({"wk-1": no_proxy("*")}, **world)


# -- containerd as a preview, and the user of snapshots --------------------------------------------------------------


def decided(hazard, *objects, upgrade=(None, "1.8.0"), **world):
    clusters = {"hub": admin_api(cluster("hub", "admin", "1.8.0"), *objects, **world), "prod": USER}
    return evaluate(hazard, clusters=clusters, upgrade=upgrade, subject="prod")


@proves(
    PREVIEW,
    kind=PRESENT,
    says=["cluster prod", "containerd"],
    line="cluster cluster-prod/prod: spec.nodeConfig.containerRuntime: containerd",
    remedy="create a new 1.8 cluster",
)
@pytest.mark.parametrize(
    ("version", "target"), [("1.7.0", "1.8.0"), ("1.7.5", "1.8.9"), ("1.7", "1.8"), ("1.7.1-gke.3", "1.8.3")]
)
def test_a_preview_of_containerd(hazard, version, target):
    return decided(hazard, configured(version=version), upgrade=(None, target))


@proves(PREVIEW, kind=ABSENT)
@pytest.mark.parametrize("runtime", ["docker", None, ""])
def test_docker_as_the_others_have_it(hazard, runtime):
    return decided(hazard, configured(version="1.7.4", runtime=runtime), configured("other", "1.7.4"))


@proves(PREVIEW, kind=NOT_APPLICABLE, says=["from 1.", "is not ==1.7.*"])
@pytest.mark.parametrize("version", ["1.6.9", "1.8.0", "1.70.0"])
def test_containerd_of_other_versions(hazard, version):
    return decided(hazard, configured(version=version))


@proves(PREVIEW, kind=NOT_APPLICABLE, says=["to 1.", "is not ==1.8.*"])
@pytest.mark.parametrize("target", ["1.7.9", "1.9.0"])
def test_containerd_before_other_targets(hazard, target):
    return decided(hazard, configured(version="1.7.4"), upgrade=(None, target))


@proves(PREVIEW, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world", [{"broken": {f"clusters.{GROUP}": "forbidden"}}, {"broken": {"*": "refused"}}], ids=str
)
def test_the_runtime_cannot_be_known(hazard, world):
    return decided(hazard, configured(version="1.7.4"), upgrade=("1.7.4", "1.8.0"), **world)


@proves(PREVIEW, kind=UNREADABLE, says=["crio"])
def test_a_runtime_that_nobody_knows(hazard):
    return decided(hazard, configured(version="1.7.4", runtime="crio"))


@proves(
    SNAPSHOT,
    kind=PRESENT,
    says=["cluster prod", "as ops, not as root"],
    line="cluster cluster-prod/prod: spec.nodeAccess.loginUser: ops",
    remedy="1.8.2",
)
@pytest.mark.parametrize("version", ["1.6.0", "1.7.7", "1.8.0", "1.8.1", "1.8"])
def test_another_user_than_root(hazard, version):
    return decided(hazard, configured(version=version, login="ops"), upgrade=(None, "1.9.0"))


@proves(SNAPSHOT, kind=ABSENT)
@pytest.mark.parametrize("login", ["root", "", None])
def test_root_takes_snapshots(hazard, login):
    return decided(hazard, configured(version="1.8.1", login=login), configured("other", "1.8.1", login="ops"))


@proves(SNAPSHOT, kind=NOT_APPLICABLE, says=["is not <=1.8.1"])
@pytest.mark.parametrize("version", ["1.8.2", "1.9.0", "1.10.0"])
def test_another_user_from_1_8_2_on(hazard, version):
    return decided(hazard, configured(version=version, login="ops"), upgrade=(None, "1.11.0"))


@proves(SNAPSHOT, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world", [{"broken": {f"clusters.{GROUP}": "forbidden"}}, {"broken": {"*": "refused"}}], ids=str
)
def test_the_user_cannot_be_known(hazard, world):
    return decided(hazard, configured(login="ops"), upgrade=("1.8.1", "1.9.0"), **world)
