"""Reads with a parameter: the value of profile or change file stands in the command, and in the plan, as one word."""

from __future__ import annotations

import pytest

from conformance.answers import Answer
from conformance.facts.declare import InvalidFact
from conformance.reads import command
from tests.unit.packing import check, run_of

FACTS = '@host_fact(command("ls -d {{acme-folder}}/.manifests"))\ndef manifests(output):\n    return output\n'
PARAMETER = '{"acme-folder": Parameter("/home/ops", str, "a directory")}'


def files(profile="", parameters=PARAMETER):
    return {
        "p.yaml": f"title: P\nhazards: [a]\n{profile}",
        "facts.py": FACTS,
        "check_a.py": check("a", names="manifests", parameters=parameters),
    }


def planned(run):
    return [one.key for reads in run.plan().reads.values() for one in reads]


@pytest.mark.parametrize(
    ("profile", "change", "line"),
    [
        ("", {}, "ls -d /home/ops/.manifests"),
        ("parameters: {acme-folder: /srv/bmctl}\n", {}, "ls -d /srv/bmctl/.manifests"),
        ("parameters: {acme-folder: /srv}\n", {"acme-folder": "/home/o'neil $(id)"}, None),
    ],
)
def test_the_value_stands_in_the_command(tmp_path, profile, change, line):
    run = run_of(tmp_path, files(profile), hosts=("n1",), parameters=change)
    assert planned(run) == [line or "ls -d '/home/o'\"'\"'neil $(id)'/.manifests"]


def test_the_answer_is_found_again(tmp_path):
    run = run_of(tmp_path, files(), hosts=("n1",), parameters={"acme-folder": "/srv"})
    run.snapshot.add("n1", {"ls -d /srv/.manifests": Answer({"stdout": "there", "stderr": "", "rc": 0})})
    (case,) = run.selection.cases
    assert run.facts.value(case.check.scope["manifests"], case.subject) == "there"


def test_a_parameter_that_nobody_declares_is_the_authors_mistake(tmp_path):
    run = run_of(tmp_path, files(parameters="{}"), hosts=("n1",))
    with pytest.raises(InvalidFact, match="acme-folder"):
        run.plan()


def test_braces_that_are_no_parameter_are_left_alone():
    assert command("awk '{print $1}' /x").parameters == ()
    assert command("docker ps --format '{{.Names}}'").bind({}) == command("docker ps --format '{{.Names}}'")
