"""Whether the API server of the management cluster answers, and what it says of itself."""

from __future__ import annotations

import pytest

from tests.hazards.eksa_recovery import BOOT, CAPI, MGMT, fleet, holding, whole
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

ANSWERS = "eksa-api-unresponsive"
LOCATION = "/readyz?verbose"
FAILING = "[+]ping ok\n[-]etcd failed: reason withheld\n[-]informer-sync failed: reason withheld\n[+]log ok\nreadyz check failed\n"


def run(hazard, boot=(), mgmt=(), subject=MGMT, more=None):
    return evaluate(hazard, subject=subject, clusters={**fleet(boot, mgmt), **(more or {})})


def ready(answer=None, broken=None, **api):
    paths = {} if answer is None else {LOCATION: answer}
    return holding(*whole(), paths=paths, broken={LOCATION: broken} if broken else {}, **api)


@proves(ANSWERS, kind=PRESENT, says=[f"the API server of {MGMT}"])
@pytest.mark.parametrize(
    ("api", "says", "line"),
    [
        pytest.param(ready(broken="unreachable"), "does not answer", "unreachable, as the test says", id="unreachable"),
        pytest.param(ready(broken="timed-out"), "does not answer", "timed-out, as the test says", id="timed out"),
        pytest.param(
            ready((500, FAILING)),
            "is not ready (500): etcd, informer-sync",
            "[-]etcd failed: reason withheld",
            id="etcd",
        ),
        pytest.param(
            ready((500, "[-]shutdown failed: process is shutting down\n")),
            "shutdown",
            "[-]shutdown failed",
            id="shutdown",
        ),
        pytest.param(ready((500, "")), "answers /readyz with 500", "status 500, and nothing else", id="no word"),
    ],
)
def test_the_api_server_is_not_ready(hazard, api, says, line):
    finding = run(hazard, None, api)
    assert says in finding.message
    assert any(line in held for one in finding.evidence for held in one.lines)
    assert "ping" not in finding.message
    return finding


@proves(ANSWERS, kind=PRESENT, says=["what stands before the API server of mgmt answers /readyz with"])
@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_load_balancer_without_a_member(hazard, status):
    return run(hazard, None, ready((status, "<html>no server is available</html>")))


@proves(ANSWERS, kind=PRESENT, says=["does not answer"])
def test_a_whole_cluster_that_is_silent(hazard):
    """What all other hazards of it cannot know is this one's finding."""
    return run(hazard, whole(), holding(broken={"*": "unreachable", LOCATION: "unreachable"}))


@proves(ANSWERS, kind=ABSENT)
@pytest.mark.parametrize(
    "boot",
    [
        pytest.param(None, id="alone"),
        pytest.param(holding(role="bootstrap", broken={"*": "unreachable"}), id="the bootstrap cluster is silent"),
        pytest.param(ready((500, FAILING), role="bootstrap"), id="the bootstrap cluster is not ready"),
    ],
)
@pytest.mark.parametrize(
    "mgmt",
    [
        holding(*whole()),
        ready("[+]ping ok\n[+]etcd excluded: ok\nreadyz check passed\n"),
        holding(*whole(), broken={one: "forbidden" for one in (*CAPI, "nodes")}),
    ],
    ids=["ready", "in other words", "nothing else may be read"],
)
def test_the_api_server_answers(hazard, boot, mgmt):
    return run(hazard, boot, mgmt)


@proves(ANSWERS, kind=NOT_APPLICABLE)
@pytest.mark.parametrize(
    ("subject", "says"),
    [(BOOT, "it is a bootstrap cluster"), ("shop", "lie in its management cluster (mgmt)")],
)
def test_clusters_that_are_no_management_cluster(hazard, subject, says):
    silent = {"broken": {"*": "unreachable", LOCATION: "unreachable"}}
    more = {"shop": holding(role="workload", manager=MGMT, **silent)}
    finding = run(hazard, holding(role="bootstrap", **silent), whole(), subject=subject, more=more)
    assert says in finding.message
    return finding


@proves(ANSWERS, kind=UNREADABLE)
@pytest.mark.parametrize(
    "api",
    [
        *(
            pytest.param(ready(broken=kind), id=kind)
            for kind in ("forbidden", "refused", "certificate", "cut-off", "error")
        ),
        pytest.param(ready("<html>Sign in</html>"), id="a login page"),
        pytest.param(ready(""), id="nothing"),
        pytest.param(ready("readyz check passed, said the proxy\n"), id="almost"),
        pytest.param(Api(role="management", connected=False), id="no kubeconfig"),
    ],
)
def test_who_answers_is_not_known(hazard, api):
    return run(hazard, None, api)
