"""Secrets of OpenShift's etcd that a removed member left: by their names and times alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.openshift.facts import nodes_of_secret
from tests.hazards.evaluating import evaluate
from tests.hazards.openshift import (
    ADDRESSES,
    BAD,
    BEGAN,
    ETCD_UNKNOWN,
    NODES,
    PEER,
    THIRD,
    etcdctl,
    member,
    node,
    openshift,
    operator,
    secret,
    secrets_of,
)
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves

STALE = "ocp-etcd-stale-secrets"
ETCDS = "etcds.operator.openshift.io"
#: The member of BAD was removed.
REMOVED = etcdctl([member(one) for one in NODES[1:]])
GONE = [*map(node, (PEER, THIRD)), node("worker-1", role="worker")]
ALL = [f"etcd-{kind}-{BAD}" for kind in ("peer", "serving", "serving-metrics")]
LATER, LATEST = "2022-01-01T11:30:00Z", "2022-01-01T11:45:00Z"


def on(hazard, *, upgrade=(None, "4.10"), execs=True, programs=None, **world):
    world = {"programs": REMOVED if programs is None else programs, **world}
    return evaluate(hazard, clusters={"prod": openshift(**world)}, upgrade=upgrade, execs=execs)


def anew(*names, created=LATEST):
    """The secrets of all, those with these names made anew after the removal."""
    held = [one for one in secrets_of(*NODES) if one["metadata"]["name"] not in names]
    return [*held, *(secret(one, created) for one in names)]


def recovered(since=LATER, status="False", **more):
    """The operator: no member is degraded any more, since the ill one was removed."""
    return [operator(degraded=(status, "No unhealthy members found", since), **more)]


@proves(
    STALE,
    kind=PRESENT,
    says=[", ".join(ALL), f"of {BAD}, which is no member any more (its node is still there)"],
    line=f"secret openshift-etcd/etcd-peer-{BAD}: created 2022-01-01 06:00:00 UTC, 6 hours ago",
    remedy=f"oc delete secret -n openshift-etcd {' '.join(ALL)}\n",
)
@pytest.mark.parametrize("etcd", [recovered(), recovered(BEGAN), recovered(status="True"), [operator(degraded=None)]])
def test_the_member_was_removed_and_its_secrets_stayed(hazard, etcd):
    finding = on(hazard, etcd=etcd)
    assert PEER not in finding.message
    assert "etcd-all-certs" not in finding.remedy
    assert "bmV2ZXI=" not in str(finding)
    return finding


@proves(STALE, kind=PRESENT, says=[*ALL, f"of {BAD}, which is no member any more"])
def test_the_node_is_gone_too(hazard):
    finding = on(hazard, nodes=GONE)
    assert "still there" not in finding.message
    return finding


@proves(STALE, kind=PRESENT, says=ALL)
def test_the_node_is_a_worker_now(hazard):
    return on(hazard, nodes=[*GONE, node(BAD, role="worker")], etcd=recovered(), secrets=anew(*ALL))


@proves(STALE, kind=PRESENT, says=[f"etcd-serving-metrics-{BAD} of {BAD}"])
def test_one_of_three_was_forgotten(hazard):
    held = [one for one in secrets_of(*NODES) if one["metadata"]["name"] not in ALL[:2]]
    finding = on(hazard, secrets=held)
    assert "metrics-ip" not in finding.message.replace(ALL[2], "")
    assert ALL[0] not in finding.remedy
    return finding


@proves(STALE, kind=PRESENT, says=[f"{ALL[2]} of {BAD}, which is no member"])
def test_only_the_forgotten_one_is_named_and_not_those_made_anew(hazard):
    finding = on(hazard, etcd=recovered(), secrets=anew(*ALL[:2]))
    assert ALL[0] not in finding.message + finding.remedy
    return finding


@proves(STALE, kind=PRESENT, says=[*ALL, "metrics-1"])
def test_a_removed_node_whose_name_begins_with_metrics(hazard):
    """Its serving secret looks like the metrics secret of a node called 1."""
    finding = on(hazard, nodes=GONE, secrets=secrets_of(*NODES, "metrics-1"))
    assert "etcd-serving-metrics-1, etcd-serving-metrics-metrics-1 of metrics-1" in finding.message
    return finding


@proves(STALE, kind=PRESENT, says=["etcd-serving-metrics-1 of 1, which is no member"])
def test_the_metrics_secret_alone_is_that_of_the_shorter_name(hazard):
    return on(hazard, nodes=GONE, secrets=[*secrets_of(PEER, THIRD), secret("etcd-serving-metrics-1")])


@proves(STALE, kind=PRESENT, says=["of ip-10-0-131-183, which is no member any more"])
def test_a_name_that_another_one_begins_with(hazard):
    short = BAD.partition(".")[0]
    finding = on(hazard, programs=etcdctl(), secrets=secrets_of(*NODES, short))
    assert BAD not in finding.message
    return finding


@proves(STALE, kind=PRESENT, says=["of a-1", "of b-2"], remedy="etcd-serving-metrics-a-1 etcd-peer-b-2")
def test_all_removed_nodes_are_named(hazard):
    return on(hazard, programs=etcdctl(), secrets=secrets_of(*NODES, "b-2", "a-1"))


@proves(STALE, kind=PRESENT, says=[ALL[0]], line=f"secret openshift-etcd/{ALL[0]}: created ?")
def test_a_secret_of_no_known_age_counts(hazard):
    return on(hazard, etcd=recovered(), secrets=secrets_of(*NODES, created=None))


@proves(STALE, kind=PRESENT, says=ALL)
def test_a_healthy_member_was_removed_long_after_its_secrets_were_made(hazard):
    """The operator never saw a member degraded, so only its revision tells the age of what ran there."""
    held = [*anew(*ALL, created="2022-01-01T07:00:00Z"), secret("etcd-all-certs-4", "2022-01-01T07:00:01Z")]
    return on(hazard, etcd=recovered(BEGAN, latest=4), secrets=held)


@proves(STALE, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"programs": etcdctl()}, id="all are members"),
        pytest.param({"programs": etcdctl(down=[BAD])}, id="the ill one is still a member"),
        pytest.param({"secrets": secrets_of(PEER, THIRD), "nodes": GONE}, id="they were deleted"),
        pytest.param(
            {"programs": etcdctl([member("", ADDRESSES[BAD], 7, started=False), *map(member, NODES[1:])])},
            id="a new member at its node that has not started yet",
        ),
        pytest.param(
            {"programs": etcdctl([member(BAD, learner=True), *map(member, NODES[1:])])}, id="a learner is a member"
        ),
        pytest.param(
            {
                "secrets": [
                    *secrets_of(PEER, THIRD),
                    *map(secret, ("etcd-metric-signer", "etcd-peerless", "my-etcd-peer-x")),
                ]
            },
            id="secrets of no node",
        ),
        pytest.param(
            {"nodes": [*map(node, (PEER, THIRD)), node("metrics-1", "10.0.1.7")]}
            | {"programs": etcdctl([*map(member, NODES[1:]), member("metrics-1", "10.0.1.7", 7)])}
            | {"secrets": secrets_of(PEER, THIRD, "metrics-1")},
            id="a member whose name begins with metrics",
        ),
        pytest.param(
            {"programs": etcdctl(), "secrets": [*secrets_of(*NODES), secret("etcd-peer-x", namespace="elsewhere")]},
            id="another namespace",
        ),
    ],
)
def test_no_secret_is_stale(hazard, world):
    return on(hazard, **world)


@proves(STALE, kind=ABSENT, says=[f"secrets of {BAD} were made anew after 2022-01-01", "those of the member to be"])
@pytest.mark.parametrize(
    "secrets",
    [
        pytest.param(anew(*ALL), id="after the last revision that ran there"),
        pytest.param(
            [one for one in anew(*ALL) if "certs-" not in one["metadata"]["name"]],
            id="that revision was pruned: after the removal",
        ),
    ],
)
def test_the_operator_made_them_anew_for_a_node_that_is_still_there(hazard, secrets):
    return on(hazard, etcd=recovered(), secrets=secrets)


@proves(STALE, kind=ABSENT, says=[f"{BAD} is no member yet: etcd was never brought out on it"])
def test_a_new_node_has_its_secrets_before_it_is_a_member(hazard):
    return on(hazard, etcd=recovered(revisions={BAD: 0, PEER: 3, THIRD: 3}))


@proves(STALE, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_secrets_of_a_cluster_that_stays(hazard):
    return evaluate(hazard, clusters={"prod": openshift(programs=REMOVED, upgrade="none")})


@proves(STALE, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("world", "told"),
    [
        *(one for one in ETCD_UNKNOWN if one.id != "one was not asked"),
        pytest.param({"broken": {"secrets": "forbidden"}}, "forbidden", id="secrets forbidden"),
        pytest.param({"secrets": []}, "holds no secret at all", id="no secret at all"),
        pytest.param({"secrets": [secret("etcd-peer-x", "noon")]}, "not understood", id="a time that is none"),
        pytest.param({"broken": {"nodes": "forbidden"}}, "forbidden", id="nodes forbidden"),
        pytest.param({"broken": {ETCDS: "forbidden"}}, "forbidden", id="operator forbidden"),
        pytest.param(
            {"programs": etcdctl([*map(member, NODES[1:]), member("", "10.0.7.7", 7, started=False)])},
            "https://10.0.7.7:2380 never started, so its name is not known",
            id="a member without a name and without a node",
        ),
    ],
)
def test_stale_secrets_cannot_be_known(hazard, world, told):
    finding = on(hazard, **world)
    assert told in finding.message
    return finding


# -- names ---------------------------------------------------------------------------------------------------------

KINDS = st.sampled_from(["peer", "serving", "serving-metrics"])
#: Names of nodes as Kubernetes allows them (RFC 1123).
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)


@given(KINDS, NAMES)
def test_the_node_is_always_among_those_that_the_name_may_mean(kind, name):
    assert name in nodes_of_secret(f"etcd-{kind}-{name}")


@given(st.text())
def test_of_any_text_at_most_two_nodes_and_never_an_empty_one(text):
    for name in (text, f"etcd-{text}", f"etcd-serving-{text}"):
        found = nodes_of_secret(name)
        assert len(found) <= 2
        assert all(found)


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("etcd-peer-a.b-c", ("a.b-c",)),
        ("etcd-serving-a", ("a",)),
        ("etcd-serving-metrics-a", ("a", "metrics-a")),
        ("etcd-serving-metrics", ("metrics",)),
        ("etcd-peer-metrics-a", ("metrics-a",)),
        ("etcd-peer-", ()),
        ("etcd-serving-", ()),
        ("etcd-all-certs", ()),
        ("etcd-client", ()),
        ("x-etcd-peer-a", ()),
    ],
)
def test_the_nodes_of_a_secret(name, nodes):
    assert nodes_of_secret(name) == nodes
