"""Round trips between control-plane hosts, and what etcd itself measures of peers and disks."""

from __future__ import annotations

import pytest

from conformance.facts.etcd import etcd_metrics
from conformance.facts.linux_peers import control_plane_round_trips
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.vsphere import NAME, node, supervisor, world
from tests.hazards.worlds import Machine, Said

SLOW = "vks-control-plane-network-slow"
NODES = [node(f"cp-{last}", address=f"192.0.2.{last}") for last in (1, 2, 3)]
DENIED = "bash: connect: Permission denied"


def trip(peer, mean=0.4, sent=20, received=20, connects=("open 0.4", "open 0.3", "open 0.5"), address="192.0.2.9"):
    """What one host says of another: milliseconds of echo, and of each connection to port 2380."""
    lines = [f"== {peer}={address}"]
    if sent is None:
        lines += ["sh: 1: ping: not found", "ping 127"]
    else:
        loss = round(100 * (sent - received) / sent)
        lines += [f"--- {address} ping statistics ---"]
        lines += [f"{sent} packets transmitted, {received} received, {loss}% packet loss, time 3802ms"]
        if received:
            lines += [f"rtt min/avg/max/mdev = {mean / 2:.3f}/{mean:.3f}/{mean * 3:.3f}/0.100 ms"]
        lines += [f"ping {0 if received else 1}"]
    told = []
    for one in connects:
        word, _, took = one.partition(" ")
        told.append(one if word == "none" else f"{word} 100.000000 {100 + float(took) / 1000:.6f}")
    return "\n".join([*lines, "tcp " + "\n".join(told)]) + "\n"


def histogram(name, seconds, count=2000, labels=""):
    """A histogram of which all counts lie in the bucket that holds `seconds`."""
    bounds = [0.001 * 2**power for power in range(14)]
    prefix = f"{labels}," if labels else ""
    lines = [f'{name}_bucket{{{prefix}le="{bound:g}"}} {count if bound >= seconds else 0}' for bound in bounds]
    outer = f"{{{labels}}}" if labels else ""
    return "\n".join(
        [
            *lines,
            f'{name}_bucket{{{prefix}le="+Inf"}} {count}',
            f"{name}_sum{outer} {seconds * count}",
            f"{name}_count{outer} {count}",
        ]
    )


def metrics(wal=0.002, commit=0.004, peers=None, size=40_000_000, server="a1", count=2000):
    """What etcd on one host says of itself; peers: member id -> seconds of a round trip."""
    told = [
        f'etcd_server_has_leader 1\netcd_server_id{{server_id="{server}"}} 1\netcd_mvcc_db_total_size_in_bytes {size}',
        histogram("etcd_disk_wal_fsync_duration_seconds", wal, count),
        histogram("etcd_disk_backend_commit_duration_seconds", commit, count),
    ]
    for peer, seconds in (peers or {}).items():
        told.append(histogram("etcd_network_peer_round_trip_time_seconds", seconds, count, f'To="{peer}"'))
    return "\n".join(told) + "\n"


def host(trips, told=None, **more):
    says = {control_plane_round_trips: trips, etcd_metrics: metrics() if told is None else told}
    return Machine(roles=("control-plane",), cluster=NAME, says=says, **more)


def three(**changed):
    """Three healthy hosts, or with one of them as it is named: cp_1=host(...)."""
    names = ("cp-1", "cp-2", "cp-3")
    healthy = {
        one: host("".join(trip(other) for other in names if other != one), metrics(server=f"a{one[-1]}"))
        for one in names
    }
    return {**healthy, **{name.replace("_", "-"): one for name, one in changed.items()}}


def found(hazard, hosts, nodes=NODES, parameters=None, **more):
    return evaluate(
        hazard, subject=NAME, hosts=hosts, clusters=world(supervisor(), nodes, **more), parameters=parameters
    )


@proves(SLOW, kind=PRESENT, says=["cp-1 to cp-2: ", "the database to be sent is 38 MiB"], remedy="ping -c 100")
@pytest.mark.parametrize(
    ("measured", "words", "line"),
    [
        pytest.param(
            trip("cp-2", 181.0), "a round trip takes 181 ms", "rtt min/avg/max/mdev = 90.500/181.000", id="echo"
        ),
        pytest.param(
            trip("cp-2", 0.4, connects=["open 312.0"] * 3),
            "a round trip takes 312 ms",
            "312.0 ms",
            id="echo comes first",
        ),
        pytest.param(
            trip("cp-2", 0.4, received=16), "4 of 20 packets got lost (20 %)", "20 packets transmitted, 16", id="loss"
        ),
        pytest.param(
            trip("cp-2", received=0, connects=["open 0.4", "none 124", "refused 0.3"]),
            "1 of 3 connections got lost (33 %)",
            "3 connections to port 2380",
            id="loss where nobody answers echo",
        ),
        pytest.param(
            trip("cp-2", 480.0, received=5, connects=["none 124"] * 3),
            "no connection to port 2380 came about in a second, a round trip takes 480 ms, 15 of 20 packets",
            "no answer",
            id="nearly cut off",
        ),
        pytest.param(
            trip("cp-2", 150.0, received=18),
            "a round trip takes 150 ms, 2 of 20 packets got lost (10 %)",
            "18 received",
            id="both",
        ),
        pytest.param(
            trip("cp-2", connects=["none 124"] * 3), "echo is answered, port 2380 is not", "no answer", id="dropped"
        ),
        pytest.param(
            trip("cp-2", received=0, connects=["none 143"] * 3), "nothing is answered", "0 received", id="cut off"
        ),
        pytest.param(
            trip("cp-2", sent=None, connects=["refused 120", "open 130", "open 140"]),
            "a round trip takes 120 ms",
            "120.0 ms",
            id="no ping there",
        ),
    ],
)
def test_the_network_is_slow(hazard, measured, words, line):
    finding = found(hazard, three(cp_1=host(measured + trip("cp-3"))))
    assert words in finding.message
    assert any(line in one for evidence in finding.evidence for one in evidence.lines)
    assert "cp-3" not in finding.message
    return finding


@proves(
    SLOW, kind=PRESENT, says=["cp-1 to cp-3: a round", "cp-2 to cp-3: a round", "cp-3 to cp-1: a round", "cp-3 to cp-2"]
)
def test_every_pair_is_named(hazard):
    slow = {one: host(trip("cp-3", 140.0)) for one in ("cp_2", "cp_1")}
    return found(hazard, three(**slow, cp_3=host(trip("cp-1", 140.0) + trip("cp-2", 141.0))))


@proves(SLOW, kind=PRESENT, says=["8192 MiB of database take", "seconds at least"], remedy="etcdctl defrag")
def test_the_database_is_too_large_for_the_connection(hazard):
    """2 of 20 packets is not above a limit of 10 percent, and yet slows a large database down."""
    one = host(trip("cp-2", 1.5, received=18), metrics(size=8 * 1024**3))
    return found(hazard, three(cp_1=one), parameters={"vks-packet-loss-percent": "10"})


@proves(SLOW, kind=PRESENT, says=["cp-1 to cp-2: etcd's own round trips take up to 2"], line="p99")
def test_what_etcd_measures_of_its_peers(hazard):
    told = metrics(peers={"a2": 0.2, "a3": 0.001})
    return found(hazard, three(cp_1=host(trip("cp-2") + trip("cp-3"), told)))


@proves(SLOW, kind=PRESENT, says=["cp-1 to member ff: etcd's own"], line="member ff")
def test_a_peer_that_nobody_named(hazard):
    return found(hazard, three(cp_1=host(trip("cp-2") + trip("cp-3"), metrics(peers={"ff": 0.5}))))


@proves(SLOW, kind=PRESENT, says=["cp-2: etcd waits up to"], line="p99", remedy="datastore")
@pytest.mark.parametrize(("wal", "commit", "what"), [(0.3, 0.004, "WAL"), (0.002, 0.9, "database")])
def test_the_disk_is_slow(hazard, wal, commit, what):
    finding = found(hazard, three(cp_2=host(trip("cp-1") + trip("cp-3"), metrics(wal, commit))))
    assert f"until its {what} is on the disk" in finding.message
    return finding


@proves(SLOW, kind=PRESENT, says=["cp-1: etcd waits up to"])
def test_the_disk_of_the_only_one(hazard):
    one = host("", metrics(wal=0.3))
    return found(hazard, {"cp-1": one}, NODES[:1])


@proves(SLOW, kind=PRESENT, says=["cp-1 to cp-2: a round trip takes 3.0 ms"])
def test_the_limit_can_be_set(hazard):
    return found(hazard, three(cp_1=host(trip("cp-2", 3.0))), parameters={"vks-round-trip-ms": "2"})


@proves(SLOW, kind=PRESENT, says=["cp-1 to cp-2: a round trip takes 200 ms"])
def test_what_is_found_is_found_whatever_else_is_unknown(hazard):
    hosts = three(cp_1=host(trip("cp-2", 200.0)), cp_3=host("", broken={"*": "unreachable"}))
    return found(hazard, hosts, broken={"nodes": "forbidden"})


@proves(SLOW, kind=ABSENT)
@pytest.mark.parametrize(
    "one",
    [
        pytest.param(host(trip("cp-2") + trip("cp-3")), id="fast"),
        pytest.param(host(trip("cp-2", 99.0) + trip("cp-3")), id="just below"),
        pytest.param(host(trip("cp-2", received=19)), id="one packet of twenty"),
        pytest.param(
            host(trip("cp-2", 1.5, received=19), metrics(size=8 * 1024**3)), id="one packet, and a large database"
        ),
        pytest.param(host(trip("cp-2", received=0)), id="echo is dropped, connections are quick"),
        pytest.param(host(trip("cp-2", connects=["refused 0.2"] * 3)), id="no etcd there yet: refused is answered"),
        pytest.param(host(trip("cp-2", connects=["open 0.4", "open 1400", "open 1300"])), id="one connection is quick"),
        pytest.param(host(trip("cp-2", sent=None)), id="no ping there"),
        pytest.param(host(trip("cp-2", 90.0), metrics(size=2 * 1024**3)), id="a large database over a long way"),
        pytest.param(host(trip("cp-2"), metrics(0.9, 0.9, {"a2": 0.9}, count=3)), id="etcd has just started"),
        pytest.param(host(trip("cp-2"), metrics(0.03, 0.06, {"a2": 0.03})), id="etcd's own are just below"),
        pytest.param(host(trip("cp-2"), Said("none\n")), id="no etcd on one of them"),
    ],
)
def test_the_network_is_fast(hazard, one):
    return found(hazard, three(cp_1=one))


NO_ADDRESS = "== cp-2=\n"
NO_TOOLS = trip("cp-2", sent=None, connects=["none 7"] * 3)


@proves(SLOW, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        pytest.param(three(cp_1=host(NO_ADDRESS)), "cp-1 to cp-2: its address is not known", id="no address"),
        pytest.param(
            three(cp_1=host(NO_TOOLS)), "with ping (sh: 1: ping: not found) or bash", id="neither ping nor bash"
        ),
        pytest.param(
            three(cp_1=host(trip("cp-2", received=0, connects=["none 7"] * 3))),
            "cp-1 to cp-2: echo is not answered, which many networks drop, and the host's bash cannot try port 2380",
            id="no echo, and a bash before 5.0",
        ),
        pytest.param(three(cp_1=host("== cp-2=192.0.2.2\nPING")), "breaks off", id="cut off"),
        pytest.param(three(cp_1=host("Welcome!")), "expected what was measured", id="something else"),
        pytest.param(three(cp_1=host(Said(rc=127))), "cp-1", id="refused"),
        pytest.param(three(cp_1=host(trip("cp-2"), broken={"*": "timed-out"})), "cp-1", id="a host is too slow"),
        pytest.param(three(cp_1=host(trip("cp-2"), Said(stderr="curl: (7)", rc=1))), "cp-1", id="etcd does not answer"),
        pytest.param(three(cp_1=host(trip("cp-2"), "etcd_server_has_leader yes\n")), "cp-1", id="metrics are garbled"),
        pytest.param({}, "no control-plane host of shop is named", id="no host"),
        pytest.param({"cp-1": host("")}, "only cp-1 of 3 control-plane nodes", id="one of three"),
        pytest.param({"wk-1": Machine(roles=("worker",), cluster=NAME)}, "no control-plane host", id="a worker"),
        pytest.param(
            {one: host(trip("cp-9"), Said("none\n")) for one in ("cp-1", "cp-2", "cp-3")},
            "on none of",
            id="no etcd at all",
        ),
        pytest.param(
            three(
                cp_1=host(trip("cp-2", received=0, connects=["none 124"] * 3)),
                cp_2=host("", broken={"*": "unreachable"}),
            ),
            "unreachable",
            id="a host is down",
        ),
    ],
)
def test_it_cannot_be_known(hazard, hosts, why):
    finding = found(hazard, hosts)
    assert why in finding.message
    return finding


@proves(SLOW, kind=UNREADABLE, says=["forbidden"])
def test_how_many_there_are_is_not_known(hazard):
    return found(hazard, three(), broken={"nodes": "forbidden"})


@proves(SLOW, kind=UNREADABLE, says=["cp-1"])
def test_a_single_one_whose_disk_is_not_known(hazard):
    return found(hazard, {"cp-1": host("", Said(rc=1))}, NODES[:1])


@proves(SLOW, kind=NOT_APPLICABLE, says=["the cluster has one control-plane node"])
def test_a_single_one(hazard):
    return found(hazard, {"cp-1": host("")}, [*NODES[:1], node("wk-1", None)])


@proves(SLOW, kind=NOT_APPLICABLE, says=["it is a Supervisor"])
def test_a_supervisor(hazard):
    return evaluate(hazard, subject="supervisor", hosts=three(), clusters=world(supervisor(), NODES))
