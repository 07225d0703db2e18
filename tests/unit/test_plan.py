"""The plan: every read of a run once, by subject, in a fixed order."""

import pytest

from conformance.change import Cluster
from conformance.facts.declare import InvalidFact
from conformance.plan import uses_host
from tests.unit.packing import check, run_of

FACTS = """
@host_fact("one")
def one(text): return text
@host_fact("two", "one")
def two(text, other): return text
@cluster_fact(listing("pods", "spec.a"))
def pods(objects): return objects
@cluster_fact(listing("pods", "spec.b"))
def more_pods(objects): return objects
@cluster_fact(desired("Pod"))
def wanted(objects): return objects
"""


def planned(run):
    return {name: [one.key for one in reads] for name, reads in run.plan().reads.items()}


def test_each_read_is_planned_once_for_each_subject(tmp_path):
    checks = (
        check("a", names="one")
        + check("b", names="two, one")
        + check("c", names="two")
        + check("d", names="kernel", on="CONTROL_PLANE")
    )
    files = {"p.yaml": "hazards: [a, b, c, d]", "facts.py": FACTS, "check_a.py": checks}
    run = run_of(tmp_path, files, hosts=("n1", "n2"))
    assert planned(run) == {name: ["one", "two", "uname -r"] for name in ("n1", "n2")}


def test_hazards_of_one_check_are_planned_once(tmp_path):
    both = check("a", names="one").partition("def")[0] + check("b", names="one")
    run = run_of(tmp_path, {"p.yaml": "hazards: [a, b]", "facts.py": FACTS, "check_a.py": both}, hosts=("n1",))
    assert planned(run) == {"n1": ["one"]}


def test_what_does_not_apply_is_not_read(tmp_path):
    checks = (
        check("a", names="one", upgrade_to='"<1.9"')
        + check("b", names="two", situation="STUCK")
        + check("c", upgrade_from='"<1"')
    )
    files = {"p.yaml": "hazards: [a, b, c]\ntarget: '1.9.1'", "facts.py": FACTS, "check_a.py": checks}
    run = run_of(tmp_path, files, hosts=("n1",))
    assert planned(run) == {}
    # What versions do not settle yet is shown by --plan all the same.
    assert [one.key for one in run.plan(undecided=True).reads["n1"]] == ["uname -r"]


def test_the_sides_of_a_plan(tmp_path):
    files = {
        "p.yaml": "hazards: [a, b]",
        "facts.py": FACTS,
        "check_a.py": check("a", names="pods, more_pods, wanted", on="CLUSTER") + check("b"),
    }
    run = run_of(tmp_path, files, hosts=("n1",), clusters={"c": Cluster("c")})
    plan = run.plan()
    assert {name: [one.key for one in reads] for name, reads in plan.of_hosts(run.inventory).items()} == {
        "n1": ["uname -r"]
    }
    assert {name: [one.key for one in reads] for name, reads in plan.of_clusters(run.inventory).items()} == {
        "c": ["list pods", "list pods"]
    }
    assert {name: [one.key for one in reads] for name, reads in plan.desired(run.inventory).items()} == {
        "c": ["desired Pod"]
    }


def test_a_check_that_names_what_can_never_be_given_is_refused(tmp_path):
    run = run_of(tmp_path, {"p.yaml": "hazards: [a]", "check_a.py": check("a", on="CLUSTER")}, clusters=("c",))
    with pytest.raises(InvalidFact, match=r"every\(kernel\)"):
        run.plan()


def test_checks_that_ask_testinfra_are_rehearsed_on_each_host(tmp_path):
    fixture = "@pytest.fixture\ndef asked(host):\n    return host.run('id')\n"
    checks = fixture + check("a", names="host") + check("b", names="asked") + check("c", names="kernel")
    run = run_of(tmp_path, {"p.yaml": "hazards: [a, b, c]", "check_a.py": checks}, hosts=("n1", "n2"))
    plan = run.plan()
    assert [(one.check.name, one.subject.name) for one in plan.rehearsals] == [
        ("check_a", "n1"),
        ("check_a", "n2"),
        ("check_b", "n1"),
        ("check_b", "n2"),
    ]
    assert set(plan.of_hosts(run.inventory)) == {"n1", "n2"}


def test_host_is_found_behind_fixtures_only():
    assert uses_host(["x", "host"], {})
    assert not uses_host(["x"], {"x": lambda y: None})
    assert uses_host(["x"], {"x": lambda y: None, "y": lambda host: None})
    assert not uses_host(["x"], {"x": lambda x: None})


def test_versions_that_are_not_given_are_read_before_all_else(tmp_path):
    files = {
        "p.yaml": "hazards: [a, b]\nsource-version: kubernetes_version",
        "check_a.py": check("a", names="nodes", on="CLUSTER") + check("b"),
    }
    run = run_of(tmp_path, files, hosts=("n1",), clusters=("c",))
    assert {name: [one.key for one in reads] for name, reads in run.scouting_plan().reads.items()} == {
        "c": ["get /version"]
    }
    assert planned(run) == {"n1": ["uname -r"], "c": ["get /version", "list nodes"]}
