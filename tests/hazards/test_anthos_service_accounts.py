"""Service-account keys of user clusters: the files on the workstation, and the secrets in the admin cluster."""

from __future__ import annotations

import json

import pytest

from conformance.findings import Outcome
from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.workspaces import KEY_PATHS, configuration, fake_key, key_secret, service_account, workstation
from tests.hazards.worlds import Api, Machine

KEYS = "abm-service-account-unverified"
CONNECT, OPS, GCR = "gkeConnectAgentServiceAccountKeyPath", "cloudOperationsServiceAccountKeyPath", "gcrKeyPath"
ACCOUNTS = {role: service_account(path.rpartition("/")[2].partition(".")[0]) for role, path in KEY_PATHS.items()}
HEAD = "".join(f"{role}: {path}\n" for role, path in KEY_PATHS.items())
FILE, ADMINS = "bmctl-workspace/prod/prod.yaml", "bmctl-workspace/hub/hub.yaml"
SPEC = {"gkeConnect": {"projectID": "shop"}, "clusterOperations": {"projectID": "shop", "location": "us"}}


def in_order(changes=None, heads=None):
    """The files of a workstation on which all is in order, but for what differs."""
    files = {ADMINS: configuration("hub", HEAD, "admin", **SPEC), FILE: configuration("prod", **SPEC)}
    files |= {KEY_PATHS[role]: account for role, account in ACCOUNTS.items()}
    files |= {name: configuration(name.split("/")[1], head, **SPEC) for name, head in (heads or {}).items()}
    files |= {KEY_PATHS.get(path, path): text for path, text in (changes or {}).items()}
    return {path: text for path, text in files.items() if text != ""}


def keyed(changes=None, secrets=None, spec=None, host=None, heads=None, **world):
    """A user cluster whose keys are in order but for what differs; an empty text takes a file or secret away."""
    held = {role: key_secret(role, account) for role, account in ACCOUNTS.items()} | (secrets or {})
    prod = cluster("prod", "user", "1.8.3")
    prod["spec"].update(SPEC if spec is None else spec)
    station = host or workstation(in_order(changes, heads))
    clusters = {
        "hub": admin_api(
            cluster("hub", "admin", "1.8.3"),
            prod,
            secrets=[one for one in held.values() if one],
            upgrade="none",
            **world,
        ),
        "prod": Api(role="user", manager="hub", connected=False),
    }
    finding = evaluate(KEYS, hosts={"ws": station}, clusters=clusters, upgrade=("1.8.3", "1.9.0"))
    told = str(finding)
    for account in ACCOUNTS.values():
        assert account["private_key"].splitlines()[5] not in told
    assert "PRIVATE KEY-----" not in told
    return finding


def with_connect(**changed):
    return {CONNECT: service_account("connect", **changed)}


PATH = KEY_PATHS[CONNECT]


@proves(
    KEYS,
    kind=PRESENT,
    says=[f"{PATH} on ws ({CONNECT})", "(for prod)"],
    line=f"key {PATH}",
    remedy="bmctl update credentials -c hub --kubeconfig ADMIN_KUBECONFIG",
)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "does not exist", id="missing"),
        pytest.param(None, "is no file", id="a directory"),
        pytest.param("x" * 70_000, "larger than 64 KiB", id="large"),
        pytest.param("this is no key", "it is no JSON", id="prose"),
        pytest.param(json.dumps(ACCOUNTS[CONNECT])[:-1], "it is no JSON", id="cut off"),
        pytest.param(json.dumps(ACCOUNTS[CONNECT]) + "{}", "it is no JSON", id="something behind it"),
        pytest.param("[]", "it is no JSON", id="a list"),
        pytest.param(ACCOUNTS[CONNECT]["private_key"], "it is no JSON", id="the bare private key"),
        pytest.param({"type": "authorized_user", "client_id": "x"}, "its type is authorized_user", id="another type"),
        pytest.param({}, "its type is not given", id="empty"),
        pytest.param(service_account("connect", client_email=None), "no usable client_email", id="no account"),
        pytest.param(service_account("connect", project_id=None), "no usable project_id", id="no project"),
        pytest.param(service_account("connect", private_key=None), "no private_key that is a valid PEM", id="no key"),
        pytest.param(service_account("connect", private_key="x"), "no private_key that is a valid PEM", id="no PEM"),
        pytest.param(
            service_account("connect", private_key=fake_key("connect")[:900]), "valid PEM key", id="a key cut off"
        ),
        pytest.param(
            service_account("connect", project="lab"), "belongs to project lab, and not to shop", id="project"
        ),
    ],
)
def test_a_key_file_is_not_in_order(hazard, text, says):
    finding = keyed({CONNECT: text})
    assert says in finding.message
    return finding


@proves(KEYS, kind=PRESENT, says=["secret anthos-creds/gke-connect of hub"], line="secret anthos-creds/gke-connect")
@pytest.mark.parametrize(
    ("account", "says"),
    [
        pytest.param(service_account("older"), "a key of account older@shop", id="another account's"),
        pytest.param(
            {**service_account("older"), "client_email": ACCOUNTS[CONNECT]["client_email"]},
            "key older0001",
            id="an older key",
        ),
        pytest.param(
            service_account("connect", private_key=fake_key("older")), "another private key", id="a key swapped"
        ),
        pytest.param(service_account("connect", private_key="x"), "valid PEM key", id="a key damaged"),
        pytest.param("{}", "holds no service-account key", id="an empty one"),
        pytest.param("no JSON", "holds no service-account key", id="prose"),
    ],
)
def test_a_secret_holds_something_else(hazard, account, says):
    finding = keyed(secrets={CONNECT: key_secret(CONNECT, account)})
    assert says in finding.message
    return finding


@proves(KEYS, kind=PRESENT, says=["secret anthos-creds/private-registry-creds of hub holds a key of account older@"])
def test_the_secret_for_images_holds_something_else(hazard):
    return keyed(secrets={GCR: key_secret(GCR, service_account("older"))})


@proves(
    KEYS, kind=PRESENT, says=["secret tenants/connect-key of hub does not exist"], line="secret tenants/connect-key"
)
def test_a_secret_that_the_cluster_names_is_gone(hazard):
    named = {
        "gkeConnect": {
            **SPEC["gkeConnect"],
            "connectServiceAccountSecret": {"name": "connect-key", "namespace": "tenants"},
        }
    }
    return keyed(spec={**SPEC, **named})


@proves(KEYS, kind=PRESENT, says=["clusterOperations.projectID".partition(".")[2] and "and not to logs"])
def test_the_project_of_operations_is_its_own(hazard):
    return keyed(spec={**SPEC, "clusterOperations": {"projectID": "logs"}})


@proves(KEYS, kind=PRESENT, says=["ops.json on ws", "connect.json on ws", "(for prod)"])
def test_every_key_is_named(hazard):
    return keyed({CONNECT: "", OPS: "prose"})


@proves(KEYS, kind=PRESENT, says=["mine.json on ws", "does not exist"])
def test_the_user_cluster_s_own_configuration_comes_first(hazard):
    return keyed(heads={FILE: f"{CONNECT}: mine.json\n"})


@proves(KEYS, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({}, id="in order"),
        pytest.param({"heads": {FILE: HEAD}}, id="the user cluster's configuration names them"),
        pytest.param({"heads": {FILE: HEAD, ADMINS: ""}}, id="it alone"),
        pytest.param({"changes": {CONNECT: json.dumps(ACCOUNTS[CONNECT])}}, id="on one line"),
        pytest.param(
            {"changes": {CONNECT: json.dumps(ACCOUNTS[CONNECT]).replace("=", "\\u003d").replace("/", "\\/")}},
            id="escaped",
        ),
        pytest.param({"changes": {CONNECT: "\ufeff" + json.dumps(ACCOUNTS[CONNECT])}}, id="with a byte-order mark"),
        pytest.param(
            {"changes": with_connect(more={"nested": [1, -2.5e3, None, True, {"a": "}"}]})}, id="with more in it"
        ),
        pytest.param(
            {
                "spec": {
                    **SPEC,
                    "gkeConnect": {
                        "projectID": "shop",
                        "connectServiceAccountSecret": {"name": "connect-key", "namespace": "tenants"},
                    },
                },
                "secrets": {CONNECT: key_secret(CONNECT, ACCOUNTS[CONNECT], name="connect-key", namespace="tenants")},
            },
            id="in a secret that the cluster names",
        ),
        pytest.param(
            {
                "changes": {OPS: ""},
                "heads": {ADMINS: HEAD.replace(f"{OPS}: {KEY_PATHS[OPS]}\n", "")},
                "spec": {"gkeConnect": {"projectID": "shop"}},
            },
            id="without operations",
        ),
    ],
)
def test_the_keys_are_in_order(hazard, world):
    return keyed(**world)


def test_quoted_paths_and_absolute_ones(tmp_path):
    """What stands in quotes or is absolute is the same file."""
    (tmp_path / "connect.json").write_text(json.dumps(ACCOUNTS[CONNECT]))
    head = HEAD.replace(PATH, f'"{tmp_path}/connect.json"').replace(
        KEY_PATHS[OPS], f"'{KEY_PATHS[OPS]}'   # operations"
    )
    assert keyed({CONNECT: ""}, heads={ADMINS: head}).outcome is Outcome.CLEAR
    (tmp_path / "connect.json").unlink()
    assert keyed({CONNECT: ""}, heads={ADMINS: head}).outcome is Outcome.WARNING


@proves(KEYS, kind=NOT_APPLICABLE, says=["no user cluster"])
@pytest.mark.parametrize("type", ["admin", "hybrid", "standalone"])
def test_other_clusters_are_verified_by_bmctl(hazard, type):
    clusters = {"hub": admin_api(cluster("hub", type, "1.8.3"))}
    return evaluate(KEYS, hosts={"ws": workstation({})}, clusters=clusters, upgrade=("1.8.3", "1.9.0"))


@proves(KEYS, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {"secrets anthos-creds/gke-connect": "forbidden"}}, id="a secret forbidden"),
        pytest.param({"broken": {"clusters.baremetal.cluster.gke.io": "forbidden"}}, id="clusters forbidden"),
        pytest.param({"broken": {"*": "unreachable"}}, id="the admin cluster unreachable"),
        pytest.param({"secrets": {CONNECT: None}}, id="no secret where it should be"),
        pytest.param({"host": Machine()}, id="no workstation"),
        pytest.param({"host": Machine(roles=("workstation",), broken={"*": "timed-out"})}, id="timed out"),
        pytest.param({"host": Machine(roles=("workstation",))}, id="garbled"),
        pytest.param({"host": workstation({})}, id="no workspace"),
        pytest.param({"host": workstation({ADMINS: configuration("hub", "", "admin")})}, id="no key is named"),
        pytest.param({"changes": {ADMINS: "kind: [\n"}}, id="no YAML"),
        pytest.param({"changes": {ADMINS: "{gcrKeyPath: x}\n"}}, id="flow style"),
        pytest.param({"host": workstation(in_order(), broken={"keys": "cut-off"})}, id="keys cut off"),
    ],
)
def test_the_keys_cannot_be_known(hazard, world):
    return keyed(**world)


@pytest.mark.parametrize(
    ("state", "says"), [("notool", "install openssl"), ("denied", "log in as the user that runs bmctl")]
)
def test_what_the_workstation_cannot_tell_of_a_key(state, says):
    """Without openssl a valid key cannot be told from another one; one that cannot be read is not taken for absent."""
    says_now = workstation(in_order()).says
    told = {
        key: "".join(f"state {state}\n" if one.startswith("public ") else f"{one}\n" for one in text.splitlines())
        for key, text in says_now.items()
    }
    finding = keyed(host=Machine(roles=("workstation",), says=told))
    assert finding.outcome is Outcome.UNKNOWN
    assert says in finding.message
