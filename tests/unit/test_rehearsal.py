"""Rehearsals: each check that asks testinfra's `host` is called once on each host, whatever others of them do."""

import pytest

from conformance.change import Host
from conformance.gathering import fill
from tests.unit.packing import check, run_of


def kept(tmp_path, hosts=("a",), **files):
    """What was recorded of each host, all of which are this machine: the last word of each command."""
    profile = {"p.yaml": "hazards: [one, two]"}
    run = run_of(tmp_path, {**profile, **files}, hosts={name: Host(name, "local://") for name in hosts})
    fill(run, lambda word, count: lambda subject, problem: None)
    return {name: {key.split()[-1] for key in run.snapshot.answers[name] if "echo" in key} for name in hosts}


@pytest.mark.parametrize(
    "body",
    ["pytest.skip('no agent')", "pytest.fail('a')", "pytest.xfail('a')", "assert False", "raise NotApplicable('a')"],
)
def test_one_that_ends_early_takes_no_other_with_it(tmp_path, body):
    checks = check("one", f"host.run('echo 1'); {body}", names="host") + check(
        "two", "host.run('echo 2')", names="host"
    )
    assert kept(tmp_path, **{"check_a.py": checks}) == {"a": {"1", "2"}}


def test_hosts_that_need_the_same_fact_at_the_same_time(tmp_path):
    facts = """
        import time
        from conformance.facts.linux import kernel
        @fleet_fact(every(kernel))
        def slow(members):
            time.sleep(0.3)
            return len(members)
    """
    checks = "from .facts import slow\n" + check("one", "host.run(f'echo {slow}')", names="host, slow") + check("two")
    hosts = ("a", "b", "c")
    assert kept(tmp_path, hosts, **{"facts.py": facts, "check_a.py": checks}) == dict.fromkeys(hosts, {"3"})
