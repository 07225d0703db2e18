"""Declaring facts: what cannot work is refused at import."""

import pytest

from conformance.answers import Unreadable
from conformance.facts.declare import InvalidFact, Members, cluster_fact, every, fleet_fact, host_fact
from conformance.hazards import WORKER
from conformance.reads import Command, file, listing, path


def test_a_fact_is_a_function_of_plain_values():
    @host_fact("uname -r", file("/etc/x"))
    def both(output, text, other, subject):
        """What it is.

        And more.
        """
        return (output, text, other, subject)

    assert both("a", "b", other="c", subject="d") == ("a", "b", "c", "d")
    assert (both.name, both.kind, both.needs) == ("both", "host", ("other", "subject"))
    assert both.sources == (Command("uname -r"), file("/etc/x"))
    assert both.doc == "What it is.\n\nAnd more."


@host_fact("a")
def of_host(text):
    return text


@cluster_fact(path("/version"))
def of_cluster(body):
    return body


@fleet_fact(every(of_host))
def of_fleet(members):
    return members


@pytest.mark.parametrize(
    ("declare", "function", "said"),
    [
        (lambda: host_fact("a", "b"), lambda one: None, "2 reads are declared, but only 1 parameters"),
        (lambda: host_fact(), lambda: None, "declares no read and names no other fact"),
        (lambda: host_fact("a"), lambda *args: None, "without ."),
        (lambda: host_fact("a"), lambda one, **rest: None, "without ."),
        (lambda: host_fact(listing("nodes")), None, "host_fact takes commands, files"),
        (lambda: host_fact(every(of_cluster)), None, "host_fact takes"),
        (lambda: cluster_fact("kubectl get nodes"), None, "cluster_fact takes listings"),
        (lambda: cluster_fact(file("/etc/x")), None, "cluster_fact takes"),
        (lambda: fleet_fact(listing("nodes")), None, "fleet_fact takes every"),
        (lambda: every(of_fleet), None, "every.. takes a fact of hosts or clusters"),
        (lambda: every(lambda one: None), None, "every.. takes a fact"),
    ],
)
def test_what_cannot_work(declare, function, said):
    with pytest.raises(InvalidFact, match=said):
        declare()(function)


def test_members_may_be_narrowed():
    assert every(of_host, on=[WORKER]).on == (WORKER,)
    assert cluster_fact(every(of_host))(lambda members: None).sources == (every(of_host),)
    assert every(of_cluster).fact is of_cluster


def test_members_hold_what_was_read_beside_what_was_not():
    members = Members({"a": 1}, {"b": Unreadable("gone")}, {"c": "no"})
    assert (dict(members), len(members), list(members.unread), members.inapplicable) == (
        {"a": 1},
        1,
        ["b"],
        {"c": "no"},
    )
    with pytest.raises(KeyError):
        members["b"]
