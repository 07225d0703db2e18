"""Maintenance blocks and registry mirrors: what bmctl's configuration says beside the Cluster object."""

from __future__ import annotations

import json

import pytest

from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.workspaces import configuration, workstation
from tests.hazards.worlds import Api, Machine

# -- maintenance blocks --------------------------------------------------------------------------------------------

BLOCKS = "abm-maintenance-blocks-kept"
FILE = "bmctl-workspace/prod/prod.yaml"


def blocked(*live, host=None, desired=(), spec=None, **api):
    """A user cluster with these blocks in its Cluster object."""
    one = cluster("prod", "user", "1.9.0")
    one["spec"].update(spec if spec is not None else {"maintenanceBlocks": {"cidrBlocks": list(live)}} if live else {})
    prod = Api(role="user", manager="hub", connected=False, desired=desired)
    clusters = {"hub": admin_api(cluster("hub", "admin", "1.9.0"), one, **api), "prod": prod}
    return evaluate(BLOCKS, hosts={"ws": host} if host else {}, clusters=clusters, upgrade=("1.9.0", "1.10.0"))


def with_blocks(*blocks):
    spec = {"maintenanceBlocks": {"cidrBlocks": list(blocks)}} if blocks else {}
    return workstation({FILE: configuration("prod", **spec)})


def desired(*blocks, name="prod"):
    spec = {"type": "user", **({"maintenanceBlocks": {"cidrBlocks": list(blocks)}} if blocks else {})}
    head = {
        "apiVersion": "baremetal.cluster.gke.io/v1",
        "kind": "Cluster",
        "metadata": {"name": name, "namespace": f"cluster-{name}"},
    }
    return ("gcrKeyPath: gcr.json\n---\n" + json.dumps({**head, "spec": spec}),)


@proves(
    BLOCKS,
    kind=PRESENT,
    says=["prod: its Cluster has maintenanceBlocks 10.200.0.4", "prod.yaml on ws"],
    line="cluster prod: spec.maintenanceBlocks.cidrBlocks 10.200.0.4",
    remedy="kubectl --kubeconfig ADMIN_KUBECONFIG edit clusters.baremetal.cluster.gke.io -n cluster-prod prod",
)
@pytest.mark.parametrize(
    "blocks", [(), ("10.200.0.5",), ("10.200.0.4/31",), ("10.200.0.4", "10.200.0.9"), ("fd00::4",), ("node-4",)]
)
def test_blocks_are_not_as_in_the_file(hazard, blocks):
    return blocked("10.200.0.4", host=with_blocks(*blocks))


@proves(BLOCKS, kind=PRESENT, says=["the desired configuration has none"])
def test_blocks_are_not_as_desired(hazard):
    # What lies on the workstation is not what is about to be applied.
    return blocked("10.200.0.4", host=with_blocks("10.200.0.4"), desired=desired())


@proves(BLOCKS, kind=ABSENT)
@pytest.mark.parametrize(
    ("live", "blocks"),
    [
        pytest.param(("10.200.0.4", "10.200.0.5"), ("10.200.0.5", "10.200.0.4"), id="another order"),
        pytest.param(("10.200.0.4", "10.200.0.5"), ("10.200.0.4/31",), id="another spelling"),
        pytest.param(("10.200.0.4-10.200.0.6",), ("10.200.0.4/32", "10.200.0.5", "10.200.0.6"), id="a range"),
        pytest.param(("fd00::4",), ("FD00:0::4/128",), id="IPv6"),
        pytest.param(("10.200.0.4",), ("10.200.0.4", "10.200.0.4"), id="twice"),
        pytest.param((), ("10.200.0.4",), id="about to be put into maintenance"),
        pytest.param((), (), id="none anywhere"),
    ],
)
def test_blocks_are_as_in_the_file(hazard, live, blocks):
    return [blocked(*live, host=with_blocks(*blocks)), blocked(*live, desired=desired(*blocks))]


@proves(BLOCKS, kind=ABSENT)
@pytest.mark.parametrize(
    "spec", [{}, {"maintenanceBlocks": None}, {"maintenanceBlocks": {}}, {"maintenanceBlocks": {"cidrBlocks": []}}]
)
def test_no_blocks_need_no_configuration(hazard, spec):
    return blocked(spec=spec)


@proves(BLOCKS, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_blocks_where_nothing_is_upgraded(hazard):
    return evaluate(BLOCKS, clusters={"hub": admin_api(cluster("hub", "admin"), upgrade="none")})


@proves(BLOCKS, kind=UNREADABLE, says=["no configuration of it is known"])
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({}, id="nothing is named"),
        pytest.param({"host": workstation({})}, id="no workspace"),
        pytest.param(
            {"host": workstation({"bmctl-workspace/old/old.yaml": configuration("old")})}, id="another cluster's"
        ),
        pytest.param({"host": workstation({FILE: configuration("other")})}, id="another cluster's in its place"),
        pytest.param({"host": workstation({"bmctl-workspace/prod/prod-1.yaml": configuration("prod")})}, id="a copy"),
        pytest.param({"desired": desired(name="other")}, id="desired is another"),
        pytest.param({"host": workstation({FILE: "gcrKeyPath: gcr.json\n"})}, id="no Cluster in it"),
    ],
)
def test_no_configuration_tells_of_blocks(hazard, world):
    return blocked("10.200.0.4", **world)


@proves(BLOCKS, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {"clusters.baremetal.cluster.gke.io": "forbidden"}}, id="clusters forbidden"),
        pytest.param({"host": Machine(roles=("workstation",))}, id="the workstation answers something else"),
        pytest.param({"host": Machine(roles=("workstation",), broken={"*": "unreachable"})}, id="unreachable"),
        pytest.param({"host": workstation({FILE: '{"kind": "Cluster", "spec": {}}'})}, id="flow style"),
        pytest.param({"host": workstation({FILE: "kind: Cluster\nspec: {type: user}\n"})}, id="flow style within"),
        pytest.param({"host": workstation({FILE: "--- {kind: Cluster}\n"})}, id="flow style behind the mark"),
        pytest.param({"host": workstation({FILE: "kind: [\n"})}, id="no YAML"),
        pytest.param({"host": workstation({FILE: None})}, id="a directory in its place"),
        pytest.param({"spec": {"maintenanceBlocks": {"cidrBlocks": "10.0.0.1"}}}, id="blocks in another form"),
    ],
)
def test_blocks_cannot_be_compared(hazard, world):
    return blocked("10.200.0.4", **world)


# -- registry mirrors ----------------------------------------------------------------------------------------------

MIRROR = "abm-registry-mirror-auditproxy"
ON, OFF = {"disableCloudAuditLogging": False}, {"disableCloudAuditLogging": True}
END = "https://mirror.example:5000"
HEAD = f"registryMirrors:\n- endpoint: {END}\n  caCertPath: /etc/ssl/mirror.crt\n"
PRESENT_THERE = f"mirror {END}|/etc/ssl/mirror.crt|\nreply curl 0 none 200\n"
ABSENT_THERE = f"mirror {END}|/etc/ssl/mirror.crt|\nreply curl 0 none 404\nroot 200\n"


def mirrored(said=ABSENT_THERE, head=HEAD, operations=ON, to="1.8.1", host=None, live=None, clusters=True, **api):
    """A standalone cluster whose configuration names a mirror."""
    one = cluster("edge", "standalone", "1.8.0")
    one["spec"].update({"clusterOperations": operations} if live is None else live)
    files = {"bmctl-workspace/edge/edge.yaml": configuration("edge", head, "standalone", clusterOperations=operations)}
    hosts = {"ws": host or workstation(files, mirrors=said)}
    known = {"edge": admin_api(one, **api)} if clusters else {}
    return evaluate(MIRROR, hosts=hosts, clusters=known, upgrade=("1.8.0", to))


@proves(
    MIRROR,
    kind=PRESENT,
    says=[
        f"registry mirror {END} of edge lacks anthos-baremetal-release/auditproxy:gke_master_auditproxy_20201115_RC00"
    ],
    line=f"endpoint: {END}",
    remedy="docker push mirror.example:5000/anthos-baremetal-release/auditproxy:gke_master_auditproxy_20201115_RC00",
)
@pytest.mark.parametrize("to", ["1.8.1", "1.8.0", "1.8.1-gke.7", "1.7.9", "1.8"])
def test_the_mirror_lacks_the_image(hazard, to):
    finding = mirrored(to=to)
    image = "anthos-baremetal-release/auditproxy:gke_master_auditproxy_20201115_RC00"
    assert finding.remedy.splitlines()[:2] == [
        f"docker pull gcr.io/{image}",
        f"docker tag gcr.io/{image} mirror.example:5000/{image}",
    ]
    return finding


@proves(MIRROR, kind=PRESENT, says=["lacks"])
def test_the_mirror_is_known_without_any_cluster(hazard):
    return mirrored(clusters=False)


@proves(
    MIRROR, kind=PRESENT, says=["lacks"], remedy="docker push 10.0.0.5:5007/library/anthos-baremetal-release/auditproxy"
)
def test_a_mirror_with_a_namespace(hazard):
    end = "https://10.0.0.5:5007/v2/library"
    said = f"mirror {end}||\nreply curl 0 none 404\nroot 200\n"
    return mirrored(said, f"registryMirrors:\n- endpoint: {end}\n  hosts:\n  - gcr.io\n  - docker.io\n")


@proves(MIRROR, kind=PRESENT, says=["of prod"])
def test_a_user_cluster_has_the_mirrors_of_its_admin_cluster(hazard):
    files = {
        "bmctl-workspace/hub/hub.yaml": configuration("hub", HEAD, "admin", clusterOperations=OFF),
        FILE: configuration("prod", clusterOperations=ON),
    }
    clusters = {
        "hub": admin_api(cluster("hub", "admin", "1.8.0"), cluster("prod", "user", "1.8.0"), upgrade="none"),
        "prod": Api(role="user", manager="hub", connected=False),
    }
    hosts = {"ws": workstation(files, mirrors=ABSENT_THERE)}
    return evaluate(MIRROR, hosts=hosts, clusters=clusters, upgrade=("1.8.0", "1.8.1"))


@proves(MIRROR, kind=LOWERED, says=["disableCloudAuditLogging is not set"], line="is not set")
@pytest.mark.parametrize("operations", [{}, {"projectID": "shop"}, {"disableCloudAuditLogging": None}])
def test_nobody_says_whether_audit_logging_is_on(hazard, operations):
    return mirrored(operations=operations)


TWO = HEAD + "- endpoint: https://other.example\n"


@proves(MIRROR, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"said": PRESENT_THERE}, id="the image is there"),
        pytest.param({"operations": OFF}, id="audit logging is off"),
        pytest.param({"head": "", "said": ""}, id="no mirror"),
        pytest.param({"head": "registryMirrors: []\n", "said": ""}, id="an empty list"),
        pytest.param(
            {"head": TWO, "said": ABSENT_THERE + "mirror https://other.example||\nreply curl 0 none 200\n"},
            id="one of two has it",
        ),
        pytest.param(
            {"head": TWO, "said": PRESENT_THERE + "mirror https://other.example||\nreply curl 7 none 000\n"},
            id="one of two has it, the other is silent",
        ),
    ],
)
def test_the_mirror_will_do(hazard, world):
    return mirrored(**world)


@proves(MIRROR, kind=NOT_APPLICABLE, says=["is not <1.8.2"])
@pytest.mark.parametrize("to", ["1.8.2", "1.8.2-gke.1", "1.9.0", "1.9"])
def test_mirrors_from_1_8_2_on(hazard, to):
    return mirrored(to=to)


@proves(MIRROR, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_a_mirror_of_a_cluster_that_stays(hazard):
    return mirrored(upgrade="none")


@proves(MIRROR, kind=UNREADABLE, says=[END])
@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("reply curl 0 none 401", "asks for credentials (401)"),
        ("reply curl 0 sent 401", "refuses the credentials"),
        ("reply curl 0 none 403", "(403)"),
        ("reply curl 0 none 500", "answers 500"),
        ("reply curl 0 none 301", "answers 301"),
        ("reply curl 0 none 404\nroot 404", "is that a registry?"),
        ("reply curl 0 none 404", "is that a registry?"),
        ("reply curl 60 none 000\nsaid curl: (60) SSL certificate problem", "does not verify"),
        ("reply curl 28 none 000", "in time"),
        ("reply curl 6 none 000", "resolved"),
        ("reply curl 99 none 000", "curl ended with 99"),
        ("reply notool", "install curl"),
        ("reply credentials", "pullCredentialConfigPath"),
        ("reply authority", "caCertPath"),
        ("reply odd", "mend it"),
    ],
)
def test_the_mirror_does_not_say(hazard, reply, says):
    finding = mirrored(f"mirror {END}|/etc/ssl/mirror.crt|\n{reply}\n")
    assert says in finding.message
    return finding


@proves(MIRROR, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"said": ""}, id="it was not asked"),
        pytest.param({"said": f"mirror {END}||\nreply maybe\n"}, id="garbled"),
        pytest.param({"said": "refused Permission denied\n"}, id="the workspace is closed"),
        pytest.param({"host": workstation({})}, id="no workspace"),
        pytest.param({"host": Machine(roles=("workstation",), broken={"*": "unreachable"})}, id="unreachable"),
        pytest.param({"host": Machine()}, id="no workstation"),
        pytest.param({"head": "registryMirrors:\n  endpoint: x\n"}, id="another form"),
        pytest.param({"head": f"registryMirrors: [{{endpoint: '{END}'}}]\n", "said": ""}, id="flow style: not asked"),
        pytest.param({"head": HEAD + "  hosts: [docker.io]\n"}, id="for other hosts than gcr.io only"),
        pytest.param(
            {
                "said": PRESENT_THERE,
                "live": {"nodeConfig": {"registryMirrors": [{"endpoint": "https://live.example"}]}},
            },
            id="the Cluster names another one",
        ),
        pytest.param(
            {"broken": {"clusters.baremetal.cluster.gke.io": "forbidden"}, "said": PRESENT_THERE}, id="forbidden"
        ),
    ],
)
def test_the_mirror_cannot_be_known(hazard, world):
    return mirrored(**world)
