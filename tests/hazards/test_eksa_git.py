"""GitOps: who runs the upgrade, and Flux itself, must be able to log in to the Git provider."""

from __future__ import annotations

import pytest

from tests.hazards.eksa import cluster, fluxconfig, management, source, specification
from tests.hazards.eksa_machines import EKSA, NAME, condition, ref
from tests.hazards.eksa_station import printed, station, variables
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api
from tests.programs import each_of

GIT = "eksa-git-provider-auth"
OWN, FLUX, GITOPS = f"clusters.{EKSA}", f"fluxconfigs.{EKSA}", f"gitopsconfigs.{EKSA}"
SOURCES = "gitrepositories.source.toolkit.fluxcd.io"
KEPT, OLD = {"gitOpsRef": ref("FluxConfig", "flux")}, {"gitOpsRef": ref("GitOpsConfig", "flux")}
SECRET = "secret-that-must-never-be-seen"
TOKEN = variables(EKSA_GITHUB_TOKEN=SECRET)
KEY = variables({"id": SECRET, "known": "host key"}, EKSA_GIT_PRIVATE_KEY="HOME/id", EKSA_GIT_KNOWN_HOSTS="HOME/known")
PLAIN = {"git": {"repositoryUrl": f"ssh://git:{SECRET}@git.example.com/fleet"}}


def found(hazard, text=TOKEN, sources=(), objects=None, live=KEPT, config=None, station_broken=(), **api):
    """The finding of the workstation; its cluster is kept in Git, on GitHub where nothing else is said."""
    held = {
        OWN: [cluster(**live)],
        FLUX: [fluxconfig(**(config or {}))],
        SOURCES: list(sources) or [source()],
        **(objects or {}),
    }
    finding = evaluate(
        hazard,
        subject="station",
        clusters={NAME: management(held, **api)},
        hosts={"station": station(text, broken=station_broken)},
    )
    assert SECRET not in f"{finding}"
    return finding


@proves(GIT, kind=ABSENT)
@pytest.mark.parametrize(
    ("text", "config", "more"),
    [
        pytest.param(TOKEN, None, {}, id="GitHub"),
        pytest.param(KEY, PLAIN, {}, id="any Git server"),
        pytest.param(
            variables({"id": "x", "known": "y"}, EKSA_GIT_PRIVATE_KEY="id", EKSA_GIT_KNOWN_HOSTS="known"),
            PLAIN,
            {},
            id="relative to where it runs",
        ),
        pytest.param(
            TOKEN,
            None,
            {
                "live": OLD,
                "objects": {
                    GITOPS: [{**fluxconfig(), "kind": "GitOpsConfig", "spec": {"flux": {"github": {"owner": "acme"}}}}]
                },
            },
            id="an older release",
        ),
        pytest.param(
            TOKEN,
            None,
            {"sources": [source(), source("other", condition("Ready", "False"), namespace="shop")]},
            id="another source, of somebody else",
        ),
        pytest.param(
            TOKEN,
            {"github": {"owner": "a"}, "systemNamespace": "flux2"},
            {"sources": [source(namespace="flux2")]},
            id="another namespace",
        ),
        pytest.param(
            TOKEN,
            None,
            {
                "live": {},
                "desired": (specification(cluster(**KEPT), fluxconfig()),),
                "objects": {FLUX: [], SOURCES: None},
            },
            id="it comes with this upgrade",
        ),
    ],
)
def test_both_can_log_in(hazard, text, config, more):
    return found(hazard, text, config=config, **more)


@proves(
    GIT,
    kind=PRESENT,
    says=["EKSA_GITHUB_TOKEN is ", "(for FluxConfig flux)"],
    line="EKSA_GITHUB_TOKEN: ",
    remedy="export EKSA_GITHUB_TOKEN",
)
@pytest.mark.parametrize(
    ("text", "state"), [(variables(), "unset"), (variables(EKSA_GITHUB_TOKEN=""), "empty"), (KEY, "unset")]
)
def test_no_token(hazard, text, state):
    finding = found(hazard, text)
    assert f"EKSA_GITHUB_TOKEN is {state}" in finding.message
    return finding


@proves(GIT, kind=PRESENT, says=["for FluxConfig flux"], line="EKSA_GIT_", remedy="export EKSA_GIT_")
@pytest.mark.parametrize(
    ("files", "environment", "said"),
    [
        ({}, {}, "EKSA_GIT_PRIVATE_KEY is unset in the environment"),
        ({"known": "x"}, {"EKSA_GIT_KNOWN_HOSTS": "HOME/known"}, "EKSA_GIT_PRIVATE_KEY is unset"),
        ({"id": "x"}, {"EKSA_GIT_PRIVATE_KEY": "HOME/id"}, "EKSA_GIT_KNOWN_HOSTS is unset"),
        (
            {"known": "x"},
            {"EKSA_GIT_PRIVATE_KEY": "HOME/id", "EKSA_GIT_KNOWN_HOSTS": "HOME/known"},
            "EKSA_GIT_PRIVATE_KEY names no file that is there",
        ),
        (
            {"known": "x"},
            {"EKSA_GIT_PRIVATE_KEY": f"-----BEGIN\n{SECRET}", "EKSA_GIT_KNOWN_HOSTS": "HOME/known"},
            "EKSA_GIT_PRIVATE_KEY names no file",
        ),
        (
            {"known": "x"},
            {"EKSA_GIT_PRIVATE_KEY": SECRET, "EKSA_GIT_KNOWN_HOSTS": "HOME/known"},
            "EKSA_GIT_PRIVATE_KEY names no file",
        ),
        (
            {"id": "x", "known": ""},
            {"EKSA_GIT_PRIVATE_KEY": "HOME/id", "EKSA_GIT_KNOWN_HOSTS": "HOME/known"},
            "EKSA_GIT_KNOWN_HOSTS names an empty file (/home/ops/known)",
        ),
        (
            {"id": None, "known": "x"},
            {"EKSA_GIT_PRIVATE_KEY": "HOME/id", "EKSA_GIT_KNOWN_HOSTS": "HOME/known"},
            "names something that is no plain file (/home/ops/id)",
        ),
    ],
)
def test_no_key(hazard, files, environment, said):
    finding = found(hazard, variables(files, **environment), config=PLAIN)
    assert said in finding.message
    return finding


@proves(GIT, kind=PRESENT, says=["names a file that this user may not read"])
def test_a_key_of_somebody_else(hazard):
    told = KEY.replace("file EKSA_GIT_PRIVATE_KEY ok /home/ops/id", "file EKSA_GIT_PRIVATE_KEY denied /home/ops/id")
    assert told != KEY
    return found(hazard, told, config=PLAIN)


AUTH = condition(
    "Ready", "False", "GitOperationFailed", f"authentication required for https://user:{SECRET}@git.example.com/x"
)


@proves(
    GIT,
    kind=PRESENT,
    says=["GitRepository flux-system/flux-system of cluster3"],
    remedy="flux reconcile source git -n flux-system flux-system",
)
@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (
            [source("flux-system", AUTH)],
            "is not Ready: Ready=False (GitOperationFailed: authentication required for https://git.example.com/x)",
        ),
        ([source("flux-system", condition("Ready", "Unknown", "Progressing"))], "Ready=Unknown"),
        ([source("flux-system", condition("Stalled", "False"))], "no condition Ready"),
        ([source(observedGeneration=0)], "was changed and not fetched since"),
    ],
)
def test_flux_does_not_get_at_it(hazard, sources, said):
    finding = found(hazard, sources=sources)
    assert said in finding.message, finding.message
    return finding


@proves(GIT, kind=PRESENT, says=["has no GitRepository in namespace flux-system"], line="none", remedy="flux check")
@pytest.mark.parametrize("objects", [{SOURCES: [source(namespace="other")]}, {SOURCES: []}, {SOURCES: None}])
def test_no_source(hazard, objects):
    return found(hazard, objects=objects)


@proves(
    GIT, kind=PRESENT, says=["EKSA_GITHUB_TOKEN is unset", "flux-system/a of cluster3", "flux-system/b of cluster3"]
)
def test_all_that_is_wrong_and_not_the_first(hazard):
    return found(hazard, variables(), [source("a", AUTH), source("b", AUTH), source()])


@proves(GIT, kind=PRESENT, says=["EKSA_GITHUB_TOKEN is unset"])
def test_the_new_specification_brings_it_in(hazard):
    new = specification(cluster(**KEPT), fluxconfig())
    return found(hazard, variables(), live={}, desired=(new,), objects={FLUX: []})


@proves(GIT, kind=NOT_APPLICABLE)
def test_nothing_is_kept_in_git(hazard):
    """Where the platform's own tool says that it validated the authentication."""
    held = [
        found(hazard, variables(), live={}),
        found(hazard, variables(), live={}, desired=(specification(cluster()),)),
        found(hazard, variables(), upgrade="none"),
        found(hazard, variables(), role="bootstrap"),
    ]
    said = [one.message for one in held]
    assert said[0] == "Cluster default/cluster3 is not kept in Git"
    assert said[1] == "neither Cluster default/cluster3 nor its specification keeps itself in Git"
    return held


@proves(GIT, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["forbidden", "unreachable", "timed-out"])
def test_each_read(hazard, problem):
    held = [found(hazard, broken={one: problem}) for one in (OWN, FLUX, SOURCES)]
    return [*held, found(hazard, station_broken=[("variables", "unreachable")])]


@proves(GIT, kind=UNREADABLE)
@pytest.mark.parametrize(
    "text", ["", "hello\n", "variable EKSA_GITHUB_TOKEN secret\n", "file X ok /\n", "variable A set\n"]
)
def test_an_answer_that_the_read_does_not_give(hazard, text):
    world = station()
    says = {key: text if "EKSA_*" in key else said for key, said in world.says.items()}
    world.__dict__["_says"].update(says)
    held = {OWN: [cluster(**KEPT)], FLUX: [fluxconfig()], SOURCES: [source()]}
    return evaluate(hazard, subject="station", clusters={NAME: management(held)}, hosts={"station": world})


@proves(GIT, kind=UNREADABLE, says=["which Git provider it has cannot be told"])
def test_no_flux_config(hazard):
    return found(hazard, objects={FLUX: []})


@proves(GIT, kind=UNREADABLE)
def test_whether_a_cluster_is_kept_in_git_cannot_be_told(hazard):
    broken = evaluate(
        hazard, subject="station", clusters={NAME: Api(broken={"*": "unreachable"})}, hosts={"station": station()}
    )
    nobody = evaluate(hazard, subject="station", hosts={"station": station()})
    assert "name the clusters in the change file" in nobody.message
    return [broken, nobody]


@pytest.mark.parametrize("shell", each_of("dash", "bash", "busybox sh"))
def test_no_value_leaves_the_workstation(shell, tmp_path):
    (tmp_path / "id").write_text(SECRET)
    env = {
        "EKSA_VSPHERE_USERNAME": f"{SECRET}\nvariable EKSA_GITHUB_TOKEN set",
        "EKSA_VSPHERE_PASSWORD": f"$(echo {SECRET} >&2)'\"`id`",
        "EKSA_GIT_PRIVATE_KEY": "id",
        "EKSA_GIT_KNOWN_HOSTS": f"/nowhere/{SECRET}",
        "EKSA_GITHUB_TOKEN": "",
    }
    text = printed("variables", tmp_path, shell, env)
    assert SECRET not in text
    assert text.splitlines() == [
        "variable EKSA_VSPHERE_USERNAME set",
        "variable EKSA_VSPHERE_PASSWORD set",
        "variable EKSA_GITHUB_TOKEN empty",
        "variable EKSA_GIT_PRIVATE_KEY set",
        "variable EKSA_GIT_KNOWN_HOSTS set",
        f"file EKSA_GIT_PRIVATE_KEY ok {tmp_path}/id",
        "file EKSA_GIT_KNOWN_HOSTS missing",
    ]
