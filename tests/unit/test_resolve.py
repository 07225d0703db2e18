"""Resolving facts: from names to reads through every layer, and from answers to values - or to why there is none."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from conformance.answers import PROBLEMS, Answer, NotApplicable, Unreadable
from conformance.facts.declare import InvalidFact, Members, cluster_fact, every, fleet_fact, host_fact
from conformance.facts.resolve import Closure, Facts, Planned, place_of
from conformance.hazards import CONTROL_PLANE, WORKER
from conformance.reads import command, desired, file, listing, named, path
from conformance.subjects import Inventory, Subject

SUBJECTS = [
    Subject("cp-1", "host", ("control-plane",), "prod"),
    Subject("wk-1", "host", ("worker",), "prod"),
    Subject("station", "host", ("workstation",)),
    Subject("hub", "cluster", ("admin",)),
    Subject("prod", "cluster", ("user",), manager="hub", connected=False),
    Subject("own", "cluster", ("user",), manager="hub"),
]
INVENTORY = Inventory(SUBJECTS)


@host_fact("uname -r")
def kernel(output):
    return output.strip()


@host_fact(file("/etc/x"))
def config(text):
    return text


@host_fact()
def described(kernel, config, subject):
    return f"{subject.name}: {kernel} {config}"


@cluster_fact(path("/version"))
def version(body):
    return body["gitVersion"]


@cluster_fact(listing("clusters.example.com", at="manager"))
def managed(objects):
    return [one["metadata"]["name"] for one in objects]


@cluster_fact(desired("Cluster", "example.com"))
def wanted(objects):
    return objects


@cluster_fact(every(kernel, on=[CONTROL_PLANE, WORKER]))
def kernels(members):
    return members


@fleet_fact(every(kernel), every(version))
def everything(hosts, clusters):
    return hosts, clusters


@fleet_fact(every(kernels))
def of_all_clusters(members):
    return members


@cluster_fact()
def chained(kernels, version):
    return kernels, version


@host_fact()
def round_one(round_two):
    return round_two


@host_fact()
def round_two(round_one):
    return round_one


@host_fact()
def lost(no_such_fact):
    return no_such_fact


@host_fact("ask")
def picky(output):
    if output == "no":
        raise NotApplicable("not here")
    return int(output)


SCOPE = {name: one for name, one in globals().items() if hasattr(one, "sources")}


def plain_fixture(described):
    return described


SCOPE["plain"] = plain_fixture


def text(stdout, rc=0, stderr=""):
    return Answer({"stdout": stdout, "stderr": stderr, "rc": rc})


def facts(**answers):
    """`answers`: subject -> key -> answer."""
    return Facts(INVENTORY, lambda subject, key: answers.get(subject, {}).get(key), lambda module: SCOPE)


def reads(*names, on):
    closure = Closure(INVENTORY, lambda module: SCOPE)
    return {(one.subject, one.read.key) for one in closure.reads(names, SCOPE, INVENTORY[on])}


# -- closure -------------------------------------------------------------------------------------------------------


def test_reads_are_found_through_every_layer():
    assert reads("described", on="cp-1") == {("cp-1", "uname -r"), ("cp-1", "cat /etc/x")}
    assert reads("plain", on="cp-1") == reads("described", on="cp-1")
    assert reads("everything", on="fleet") == {
        *((name, "uname -r") for name in ("cp-1", "wk-1", "station")),
        *((name, "get /version") for name in ("hub", "own")),
    }
    assert reads("chained", on="prod") == {("cp-1", "uname -r"), ("wk-1", "uname -r")}
    assert reads("of_all_clusters", on="fleet") == {("cp-1", "uname -r"), ("wk-1", "uname -r")}


def test_a_host_may_name_facts_of_its_cluster_and_of_the_fleet():
    assert reads("managed", on="cp-1") == {("hub", "list clusters.example.com")}
    assert reads("version", on="station") == set()
    assert reads("everything", on="cp-1") == reads("everything", on="fleet")


def test_reads_go_to_the_manager_and_never_where_nobody_can_be_asked():
    assert (
        reads("managed", on="prod")
        == reads("managed", on="hub")
        == reads("managed", on="own")
        == {("hub", "list clusters.example.com")}
    )
    assert reads("version", on="own") == {("own", "get /version")}
    assert reads("version", on="prod") == set()
    assert reads("wanted", on="prod") == {("prod", "desired Cluster.example.com")}


def test_a_step_brings_the_listing_that_it_ranges_over():
    over = listing("clusters.example.com", at="manager")
    step = named("secrets", over=over, namespace="{metadata.namespace}", name="x", reduce=len)
    fact = cluster_fact(step)(lambda objects: objects)
    closure = Closure(INVENTORY, lambda module: SCOPE)
    assert list(closure.reads(["it"], {"it": fact}, INVENTORY["prod"])) == [Planned("hub", over), Planned("hub", step)]


def test_names_that_are_built_in_or_unknown_are_read_of_nobody():
    assert reads("subject", "upgrade", "parameters", "host", "nothing", on="cp-1") == set()


def test_a_circle_ends():
    assert reads("round_one", on="cp-1") == set()


def test_a_check_on_a_cluster_cannot_name_a_fact_of_one_host():
    for on in ("hub", "fleet"):
        with pytest.raises(InvalidFact, match=r"needs every\(kernel\)"):
            reads("kernel", on=on)
    with pytest.raises(InvalidFact, match=r"needs every\(version\)"):
        reads("version", on="fleet")


def test_the_place_of_a_fact():
    assert place_of(everything, INVENTORY["cp-1"], INVENTORY).name == "fleet"
    assert place_of(version, INVENTORY["cp-1"], INVENTORY).name == "prod"
    with pytest.raises(Unreadable, match="station belongs to no cluster"):
        place_of(version, INVENTORY["station"], INVENTORY)


# -- values --------------------------------------------------------------------------------------------------------


def test_values_are_made_from_answers_each_once():
    asked = []
    answers = {"uname -r": text("5.4\n"), "cat /etc/x": text("x")}
    held = Facts(INVENTORY, lambda subject, key: asked.append((subject, key)) or answers[key], lambda module: SCOPE)
    for _ in range(2):
        assert held.value(described, INVENTORY["cp-1"]) == "cp-1: 5.4 x"
        assert held.value(kernel, INVENTORY["cp-1"]) == "5.4"
    assert sorted(asked) == [("cp-1", "cat /etc/x"), ("cp-1", "uname -r")]


def test_what_is_listed_at_the_manager_is_made_once_for_all_that_it_manages():
    made = []
    fact = cluster_fact(listing("clusters.example.com", at="manager"))(
        lambda objects: made.append(objects) or len(objects)
    )
    answer = Answer({"keep": ["metadata.name", "metadata.namespace"], "objects": [{}, {}]})
    held = facts(hub={"list clusters.example.com": answer})
    assert [held.value(fact, INVENTORY[name]) for name in ("prod", "own", "hub")] == [2, 2, 2]
    assert len(made) == 1
    about_one = cluster_fact(listing("clusters.example.com", at="manager"))(lambda objects, subject: subject.name)
    assert [held.value(about_one, INVENTORY[name]) for name in ("prod", "own", "hub")] == ["prod", "own", "hub"]


def test_an_answer_that_is_not_there_is_not_read():
    with pytest.raises(Unreadable, match="`uname -r` was not read") as caught:
        facts().value(described, INVENTORY["cp-1"])
    assert (caught.value.subject, caught.value.read) == ("cp-1", "uname -r")


@pytest.mark.parametrize("kind", sorted(PROBLEMS))
def test_a_problem_of_any_kind_is_unreadable(kind):
    held = facts(**{"cp-1": {"uname -r": Answer.failed(kind, "so it was")}})
    for _ in range(2):
        with pytest.raises(Unreadable, match="so it was") as caught:
            held.value(kernel, INVENTORY["cp-1"])
        assert caught.value.read == "uname -r"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no\nsuch  thing"),
        KeyError("k"),
        IndexError(),
        TypeError(),
        RecursionError(),
        AssertionError("a"),
        UnicodeError(),
        ZeroDivisionError(),
    ],
)
def test_whatever_a_parser_stumbles_over_is_unreadable(error):
    def stumble(output):
        raise error

    fact = host_fact("ask")(stumble)
    with pytest.raises(Unreadable, match=f"the answer of `ask` is not understood: {type(error).__name__}") as caught:
        facts(**{"cp-1": {"ask": text("x")}}).value(fact, INVENTORY["cp-1"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [{}, {"stdout": "x"}, {"rc": 0}, {"stdout": None, "stderr": "", "rc": 0}, {"files": []}]
)
def test_an_answer_of_another_shape_is_unreadable(value):
    with pytest.raises(Unreadable):
        facts(**{"cp-1": {"uname -r": Answer(value)}}).value(kernel, INVENTORY["cp-1"])


def test_a_fact_may_rule_its_subject_out():
    held = facts(**{"cp-1": {"ask": text("no")}})
    for _ in range(2):
        with pytest.raises(NotApplicable, match="not here"):
            held.value(picky, INVENTORY["cp-1"])


def test_a_fact_that_another_thread_is_making_is_no_circle():
    begun, made = Event(), []

    @host_fact("ask")
    def slow(output):
        begun.set()
        made.append(output)
        time.sleep(0.3)
        return output

    held = facts(**{"cp-1": {"ask": text("x")}})
    with ThreadPoolExecutor() as pool:
        first = pool.submit(held.value, slow, INVENTORY["cp-1"])
        begun.wait(5)
        second = pool.submit(held.value, slow, INVENTORY["cp-1"])
        assert (first.result(), second.result(), made) == ("x", "x", ["x"])


def test_a_circle_and_a_name_that_is_no_fact_are_said():
    with pytest.raises(Unreadable, match="needs itself"):
        facts().value(round_one, INVENTORY["cp-1"])
    with pytest.raises(Unreadable, match="lost needs 'no_such_fact', which is no fact"):
        facts().value(lost, INVENTORY["cp-1"])


def test_a_cluster_without_a_kubeconfig_cannot_be_asked():
    with pytest.raises(Unreadable, match="no kubeconfig is given for cluster prod"):
        facts(prod={"get /version": Answer({"body": {"gitVersion": "v1"}})}).value(version, INVENTORY["prod"])


def test_desired_configuration_needs_no_connection():
    held = facts(
        prod={"desired Cluster.example.com": Answer({"keep": ["metadata.name", "metadata.namespace"], "objects": [1]})}
    )
    assert held.value(wanted, INVENTORY["prod"]) == [1]


# -- members -------------------------------------------------------------------------------------------------------


def test_members_are_those_of_the_fleet_or_of_the_cluster():
    held = facts(
        **{"cp-1": {"uname -r": text("a")}, "wk-1": {"uname -r": text("b")}, "station": {"uname -r": text("c")}}
    )
    assert dict(held.value(kernels, INVENTORY["prod"])) == {"cp-1": "a", "wk-1": "b"}
    assert dict(held.value(kernels, INVENTORY["hub"])) == {}
    hosts, clusters = held.value(everything, INVENTORY.fleet)
    assert dict(hosts) == {"cp-1": "a", "wk-1": "b", "station": "c"}
    assert (dict(clusters), set(clusters.unread)) == ({}, {"hub", "own", "prod"})


def test_members_with_one_of_some_targets():
    fact = fleet_fact(every(kernel, on=[WORKER]))(lambda members: sorted(members))
    assert facts(**{name: {"uname -r": text("a")} for name in ("cp-1", "wk-1", "station")}).value(
        fact, INVENTORY.fleet
    ) == ["wk-1"]


def test_unread_and_inapplicable_members_stand_apart():
    fact = fleet_fact(every(picky))(lambda members: members)
    members = facts(**{"cp-1": {"ask": text("1")}, "wk-1": {"ask": text("no")}, "station": {"ask": text("?")}}).value(
        fact, INVENTORY.fleet
    )
    assert isinstance(members, Members)
    assert (dict(members), list(members.unread), members.inapplicable) == (
        {"cp-1": 1},
        ["station"],
        {"wk-1": "not here"},
    )


@pytest.mark.parametrize(
    ("names", "on"),
    [
        (["kernels"], "prod"),
        (["chained"], "prod"),
        (["everything"], "fleet"),
        (["of_all_clusters"], "fleet"),
        (["through"], "fleet"),
        (["everything"], "station"),
    ],
)
def test_unread_members_are_found_at_any_depth(names, on):
    held = facts(
        **{
            "cp-1": {"uname -r": text("a")},
            "wk-1": {"uname -r": Answer.failed("timed-out", "silent")},
            "station": {"uname -r": text("c")},
        }
    )
    scope = {**SCOPE, "through": lambda request, of_all_clusters: None}
    found = held.unread_members(names, scope, INVENTORY[on])
    assert found["wk-1"].reason == "silent"
    assert "cp-1" not in found


def test_a_read_that_is_no_read_of_a_member_makes_nobody_unread():
    held = facts(**{"cp-1": {"uname -r": text("a")}, "wk-1": {"uname -r": text("b")}})
    assert held.unread_members(["kernels", "subject", "nothing"], SCOPE, INVENTORY["prod"]) == {}
    assert command("uname -r") in kernel.sources


@pytest.mark.parametrize(("said", "kind"), [("no", NotApplicable), ("x", Unreadable)])
def test_what_is_kept_of_a_failure_holds_no_frames(said, kind):
    """Else all that these know would stay in memory, once for each subject - and more each time it is asked for."""
    held = facts(**{"cp-1": {"ask": text(said)}})
    for _ in range(2):
        with pytest.raises(kind):
            held.value(picky, INVENTORY["cp-1"])
    (kept,) = held._failures.values()
    assert (type(kept), kept.__traceback__, kept.__context__) == (kind, None, None)
