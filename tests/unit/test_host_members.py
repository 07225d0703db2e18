"""A fact of a host that does with what could be read, where one of several reads is enough."""

import pytest

from conformance.answers import Answer, Unreadable
from conformance.facts.declare import InvalidFact, Members, cluster_fact, every, host_fact
from conformance.facts.resolve import Closure, Facts
from conformance.reads import command, path
from conformance.subjects import Inventory, Subject

HOST = Subject("cp-1", "host", cluster="prod")
INVENTORY = Inventory([HOST, Subject("wk-1", "host", cluster="prod"), Subject("prod", "cluster")])


@host_fact("first")
def first(output):
    return output


@host_fact(command("second"))
def second(output):
    return output


@host_fact(every(first), every(second))
def either(one, other):
    assert isinstance(one, Members)
    for said in (*one.values(), *other.values()):
        return said
    raise Unreadable("neither")


@cluster_fact(every(either))
def all_of_them(members):
    return dict(members)


SCOPE = {"first": first, "second": second, "either": either, "all_of_them": all_of_them}


def facts(**answers):
    def answer_of(subject, key):
        said = answers.get(key)
        value = {"stdout": f"{subject} {said}", "stderr": "", "rc": 0}
        return Answer(value) if said else Answer.failed("timed-out", f"{key} hangs")

    return Facts(INVENTORY, answer_of, lambda _: SCOPE)


@pytest.mark.parametrize(("answers", "said"), [({"first": "a", "second": "b"}, "a"), ({"second": "b"}, "b")])
def test_what_could_be_read_is_enough(answers, said):
    held = facts(**answers)
    assert held.value(either, HOST) == f"cp-1 {said}"
    assert held.value(all_of_them, INVENTORY["prod"]) == {"cp-1": f"cp-1 {said}", "wk-1": f"wk-1 {said}"}
    assert held.unread_members(["all_of_them"], SCOPE, INVENTORY["prod"]) == {}


def test_it_says_itself_where_nothing_is():
    held = facts()
    with pytest.raises(Unreadable, match="neither"):
        held.value(either, HOST)
    assert set(held.unread_members(["all_of_them"], SCOPE, INVENTORY["prod"])) == {"cp-1", "wk-1"}


def test_all_its_reads_are_planned_of_that_host():
    planned = list(Closure(INVENTORY, lambda _: SCOPE).reads(["either"], SCOPE, HOST))
    assert [(one.subject, one.read.key) for one in planned] == [("cp-1", "first"), ("cp-1", "second")]


def test_a_fact_of_a_cluster_is_none_of_a_host():
    @cluster_fact(path("/version"))
    def version(body):
        return body

    with pytest.raises(InvalidFact, match="host_fact takes"):
        host_fact(every(version))
