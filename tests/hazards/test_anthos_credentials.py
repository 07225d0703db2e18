"""Credentials of the user that runs bmctl: what a workstation says of them is printed by the real script, in a real shell."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from checks.anthos_bare_metal.facts_workstation import abm_credentials
from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api, Machine, Said

ADC, NIL = "abm-application-default-credentials", "abm-nil-context"
GCLOUD = ".config/gcloud/application_default_credentials.json"
SECRET = '-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBg\\"kqhkiG9w0\\n-----END PRIVATE KEY-----\\n'
KEY = f'{{\n  "type": "service_account",\n  "project_id": "p",\n  "private_key": "{SECRET}",\n  "client_id": "1"\n}}\n'
USER = '{"client_id": "x", "client_secret": "hunter2", "refresh_token": "hunter2", "type": "authorized_user"}'
IMPERSONATED = '{"type": "impersonated_service_account", "source_credentials": {"type": "service_account", "private_key": "hunter2"}}'
(READ,) = abm_credentials.sources


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def station(home, variable=None, *, files=None, more=None, directory="~", said=None, **machine):
    """A workstation whose user has this environment and these files, below the home; `{home}` in a value is the home."""
    for name, text in (files or {}).items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{home}", str(home)))
    env = {"PATH": "/usr/bin:/bin", "PF_PATH": "/usr/bin:/bin", "PF_HERE": "1", "PF_NONCE": "N", "HOME": str(home)}
    env |= {name: value.replace("{home}", str(home)) for name, value in (more or {}).items()}
    if variable is not None:
        env["GOOGLE_APPLICATION_CREDENTIALS"] = variable.replace("{home}", str(home))
    read = READ.bind({"bmctl-directory": directory.replace("{home}", str(home))})
    done = subprocess.run(["/bin/sh", "-c", read.script], env=env, cwd="/", capture_output=True, text=True, check=True)
    assert "hunter2" not in done.stdout
    assert "PRIVATE" not in done.stdout
    stdout = read.decode(done.stdout, "N")["stdout"]
    return Machine(roles=("workstation",), says={read.key: said if said is not None else stdout}, **machine)


def placed(name, location="us-west1", kind="admin", **spec):
    """A Cluster object with an operations location."""
    one = cluster(name, kind, "1.8.3", **spec)
    if location is not None:
        one["spec"]["clusterOperations"] = {"projectID": "p", "location": location}
    return one


def examined(hazard, machine, *objects, upgrade=("1.8.2", "1.8.4"), parameters=None, clusters=None, **api):
    clusters = {"hub": admin_api(*(objects or [placed("hub")]), **api)} if clusters is None else clusters
    world = {"hosts": {"station": machine}, "clusters": clusters}
    finding = evaluate(hazard, **world, upgrade=upgrade, parameters=parameters)
    assert "hunter2" not in repr(finding)
    return finding


#: What GOOGLE_APPLICATION_CREDENTIALS is not: value, files, what is said of it.
NO_KEY = [
    pytest.param(None, {}, "is not set", id="unset"),
    pytest.param("", {}, "is not set", id="empty"),
    pytest.param("{home}/key.json", {}, "No such file or directory", id="no file"),
    pytest.param("{home}/file/key.json", {"file": ""}, "Not a directory", id="below a file"),
    pytest.param("{home}", {}, "is a directory", id="a directory"),
    pytest.param("/dev/zero", {}, "is no regular file", id="a device"),
    pytest.param("~/key.json", {"key.json": KEY}, "No such file or directory", id="a ~ is not expanded"),
    pytest.param("{home}/key.json\n", {"key.json": KEY}, "holds something else than the path", id="two lines"),
    pytest.param(KEY.replace("PRIVATE", ""), {}, "holds something else than the path", id="the key itself"),
    pytest.param("{home}/key.json", {"key.json": ""}, "no credentials in it", id="an empty file"),
    pytest.param("{home}/key.json", {"key.json": "hunter2"}, "no credentials in it", id="not JSON"),
    pytest.param("{home}/key.json", {"key.json": KEY[:-3]}, "no credentials in it", id="cut off"),
    pytest.param("{home}/key.json", {"key.json": KEY + KEY}, "no credentials in it", id="twice"),
    pytest.param("{home}/key.json", {"key.json": f"[{KEY}]"}, "no credentials in it", id="in a list"),
    pytest.param("{home}/key.json", {"key.json": '{"types": "service_account"}'}, "no credentials", id="another name"),
    pytest.param("{home}/key.json", {"key.json": '{"a": ["type", "service_account"]}'}, "no credentials", id="a list"),
    pytest.param("{home}/key.json", {"key.json": '{"a": "\\"type\\": \\"service_account\\""}'}, "no cred", id="text"),
    pytest.param("{home}/key.json", {"key.json": '{"a!": "type", "b": "@"}'}, "no credentials", id="our signs"),
    pytest.param("{home}/key.json", {"key.json": "{!:@}"}, "no credentials", id="our signs alone"),
    pytest.param("{home}/key.json", {"key.json": USER}, "credentials of another type", id="a user's credentials"),
    pytest.param("{home}/key.json", {"key.json": IMPERSONATED}, "credentials of another type", id="impersonated"),
    pytest.param(
        "{home}/key.json",
        {"key.json": '{"type": "service_account", "type": "x"}'},
        "another type",
        id="the last counts",
    ),
]
#: What it is: value, files.
A_KEY = [
    pytest.param("{home}/key.json", {"key.json": KEY}, id="as gcloud writes it"),
    pytest.param("{home}/a b'c.json", {"a b'c.json": KEY}, id="a name with blanks"),
    pytest.param("{home}/key.json", {"key.json": json.dumps(json.loads(KEY))}, id="in one line"),
    pytest.param("{home}/key.json", {"key.json": KEY.replace("\n", "\r\n")}, id="of Windows"),
    pytest.param("{home}/key.json", {"key.json": '{"a": {"type": "x", "b": []}, "type":"service_account"}'}, id="last"),
    pytest.param("{home}/key.json", {"key.json": '{"a": 1.5e3, "b": null, "type" : "service_account"}'}, id="words"),
    pytest.param("key.json", {"key.json": KEY}, id="relative to the folder of bmctl"),
]


@proves(ADC, NIL, kind=PRESENT, line="GOOGLE_APPLICATION_CREDENTIALS", remedy="export GOOGLE_APPLICATION_CREDENTIALS=/")
@pytest.mark.parametrize(("variable", "files", "says"), NO_KEY)
def test_no_service_account_key(hazard, home, variable, files, says):
    finding = examined(hazard, station(home, variable, files=files))
    assert finding.subject == "station"
    assert says in finding.message
    return finding


@proves(ADC, NIL, kind=ABSENT)
@pytest.mark.parametrize(("variable", "files"), A_KEY)
def test_a_service_account_key(hazard, home, variable, files):
    return examined(hazard, station(home, variable, files=files))


@proves(ADC, NIL, kind=ABSENT)
def test_a_relative_path_from_another_folder_of_bmctl(hazard, home):
    machine = station(home, "keys/key.json", files={"bmctl/keys/key.json": KEY}, directory="{home}/bmctl")
    return examined(hazard, machine, parameters={"bmctl-directory": f"{home}/bmctl"})


# -- application default credentials -------------------------------------------------------------------------------


@proves(ADC, kind=PRESENT, says=["prod (europe-west1)"], line="cluster prod: spec.clusterOperations.location: europe-w")
def test_names_the_clusters_that_need_them(hazard, home):
    objects = [placed("hub", "global"), placed("prod", "europe-west1", "user")]
    clusters = {"hub": admin_api(*objects), "prod": Api(role="user", manager="hub", connected=False)}
    finding = examined(hazard, station(home), clusters=clusters)
    assert "hub" not in finding.message
    return finding


@proves(ADC, kind=PRESENT, says=["hub (asia-east1)"], line="spec.clusterOperations.location: asia-east1 (about to be")
def test_what_is_about_to_be_applied_wins(hazard, home):
    return examined(hazard, station(home), placed("hub", "global"), desired=(json.dumps(placed("hub", "asia-east1")),))


@proves(ADC, kind=PRESENT, says=["new (us-east4)"])
def test_a_cluster_to_come(hazard, home):
    new = Api(role="user", manager="hub", connected=False, desired=(json.dumps(placed("new", "us-east4", "user")),))
    return examined(hazard, station(home), clusters={"hub": admin_api(placed("hub", "global")), "new": new})


@proves(ADC, kind=PRESENT, says=["hub (none is set)"])
@pytest.mark.parametrize("location", [None, ""])
def test_a_location_that_is_not_set_is_not_global(hazard, home, location):
    return examined(hazard, station(home), placed("hub", location))


@proves(ADC, kind=PRESENT, says=["hub (Global)"])
def test_a_location_in_another_spelling(hazard, home):
    return examined(hazard, station(home), placed("hub", "Global"))


@proves(ADC, kind=PRESENT, line="application_default_credentials.json: no credentials in it")
@pytest.mark.parametrize("text", ["", "{}", "[]", "not json"])
def test_a_file_of_gclouds_without_credentials(hazard, home, text):
    return examined(hazard, station(home, files={GCLOUD: text}))


@proves(ADC, kind=PRESENT, says=["gcloud has left no credentials"])
def test_other_files_of_gcloud(hazard, home):
    files = {".config/gcloud/legacy_credentials/me/adc.json": USER, ".config/gcloud/credentials.db": "x"}
    return examined(hazard, station(home, files=files))


@proves(ADC, kind=ABSENT)
@pytest.mark.parametrize(
    ("objects", "desired"),
    [
        pytest.param([placed("hub", "global")], None, id="global"),
        pytest.param([placed("hub", "us-west1")], placed("hub", "global"), id="about to be global"),
        pytest.param([placed("hub", "global")], placed("hub", None), id="the desired one is silent"),
        pytest.param([placed("hub", "global")], placed("other", "us-west1"), id="another cluster's desired one"),
        pytest.param([placed("hub", "global"), placed("x", "us-west1", "user")], None, id="nobody looks at the other"),
    ],
)
def test_nothing_to_verify(hazard, home, objects, desired):
    return examined(hazard, station(home), *objects, desired=(json.dumps(desired),) if desired else ())


@proves(ADC, kind=ABSENT)
def test_a_cluster_that_is_not_upgraded_needs_none(hazard, home):
    objects = [placed("hub", "us-west1"), placed("prod", "global", "user")]
    clusters = {
        "hub": admin_api(*objects, upgrade="none"),
        "prod": Api(role="user", manager="hub", connected=False, upgrade=("1.8.2", "1.8.4")),
    }
    return examined(hazard, station(home), clusters=clusters)


@proves(ADC, kind=ABSENT)
@pytest.mark.parametrize(
    ("files", "more"),
    [
        ({GCLOUD: USER}, {}),
        ({GCLOUD: KEY}, {"CLOUDSDK_CONFIG": "/nonexistent"}),
        ({"cloud/application_default_credentials.json": IMPERSONATED}, {"CLOUDSDK_CONFIG": "{home}/cloud/"}),
    ],
)
def test_gcloud_has_left_credentials(hazard, home, files, more):
    return examined(hazard, station(home, files=files, more=more))


@proves(
    ADC, kind=ABSENT, says=["gcloud's own credentials are there; yet", "names no readable file", "unset GOOGLE_APP"]
)
def test_gclouds_credentials_beside_a_variable_that_leads_nowhere(hazard, home):
    return examined(hazard, station(home, "/nonexistent.json", files={GCLOUD: USER}))


@proves(ADC, kind=PRESENT)
def test_gclouds_credentials_in_a_home_that_is_not_the_users(hazard, home):
    return examined(hazard, station(home, files={f"other/{GCLOUD}": USER}, more={"CLOUDSDK_CONFIG": "other"}))


@proves(ADC, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_no_cluster_is_upgraded(hazard, home):
    return examined(hazard, station(home), upgrade=None, clusters={"hub": admin_api(placed("hub"), upgrade="none")})


@proves(NIL, kind=NOT_APPLICABLE, says=["to 1.", "is not >=1.8.3,<1.8.5"])
@pytest.mark.parametrize("target", ["1.8.2", "1.8.5", "1.9.3", "1.7.4"])
def test_other_targets(hazard, home, target):
    return examined(hazard, station(home), upgrade=("1.7.3", target))


@proves(NIL, kind=PRESENT)
@pytest.mark.parametrize("target", ["1.8.3", "1.8.4", "1.8.4-gke.3"])
def test_the_targets_of_the_nil_context(hazard, home, target):
    # What gcloud leaves helps against the other hazard only.
    return examined(hazard, station(home, files={GCLOUD: KEY}), upgrade=("1.8.1", target))


# -- what cannot be known ------------------------------------------------------------------------------------------


def lines(*of):
    return "".join(f"{line}\n" for one in of for line in one)


UNSET = ("unset", "", "", "", "")
NONE = ("gcloud", "", "/home/ops/.config/gcloud/f", "No such file or directory", "")
DENIED = ("gcloud", "", "/home/ops/.config/gcloud/f", "Permission denied", "")


@proves(ADC, NIL, kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param({"environment": None}, id="no login shell"),
        pytest.param({"said": Said(rc=1)}, id="the script fails"),
        pytest.param({"said": ""}, id="nothing"),
        pytest.param({"said": "unset\n\n\n\n"}, id="too little"),
        pytest.param({"said": lines(NONE, UNSET)}, id="out of order"),
        pytest.param({"said": "a\nb\nc\nd\ne\n"}, id="something else"),
        pytest.param({"broken": {"*": "timed-out"}}, id="timed out"),
    ],
)
def test_the_environment_cannot_be_known(hazard, home, machine):
    return examined(hazard, station(home, **machine))


@proves(ADC, NIL, kind=UNREADABLE, says=["is a relative path", "Export an absolute path"])
@pytest.mark.parametrize("variable", ["key.json", "./keys/key.json", '"{home}/key.json"'])
def test_a_relative_path_may_lead_anywhere(hazard, home, variable):
    return examined(hazard, station(home, variable, files={"key.json.bak": KEY}))


@proves(ADC, kind=UNREADABLE, says=["cannot be told: /home/ops/.config/gcloud/f: Permission denied"])
def test_a_closed_folder_of_gcloud(hazard, home):
    return examined(hazard, station(home, said=lines(UNSET, DENIED)))


@proves(ADC, NIL, kind=PRESENT, says=["names no readable file (Permission denied)"])
def test_a_key_that_the_login_user_may_not_read(hazard, home):
    closed = ("variable", "/etc/bmctl/key.json", "/etc/bmctl/key.json", "Permission denied", "")
    return examined(hazard, station(home, said=lines(closed, NONE)))


@proves(ADC, kind=UNREADABLE, says=["name the clusters"])
def test_no_cluster_is_known(hazard, home):
    return examined(hazard, station(home), clusters={})


@proves(ADC, kind=UNREADABLE)
@pytest.mark.parametrize(
    "api",
    [
        {"broken": {"*": "unreachable"}},
        {"broken": {"clusters.baremetal.cluster.gke.io": "forbidden"}},
    ],
)
def test_the_locations_cannot_be_known(hazard, home, api):
    return examined(hazard, station(home), **api)


@proves(ADC, kind=UNREADABLE, says=["not everything could be read", "far"])
def test_one_of_the_locations_cannot_be_known(hazard, home):
    clusters = {
        "hub": admin_api(placed("hub", "global")),
        "far": admin_api(placed("far", "global"), broken={"*": "unreachable"}, upgrade=("1.8.2", "1.8.4")),
    }
    return examined(hazard, station(home), clusters=clusters)
