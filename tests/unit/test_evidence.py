"""Evidence: each line beside the read that it stands in."""

from conformance.answers import Answer
from conformance.evidence import evidence_of
from conformance.facts.resolve import Planned
from conformance.reads import file, files, listing

MOUNTS, FSTAB, UNITS, NODES = file("/proc/self/mounts"), file("/etc/fstab"), files("/etc/d", "*.conf"), listing("nodes")
ANSWERS = {
    MOUNTS.key: Answer({"stdout": "one\ntwo\nthree\nfour\n", "rc": 0}),
    FSTAB.key: Answer({"stdout": "alpha\n\nbeta\n", "rc": 0}),
    UNITS.key: Answer({"stdout": "", "files": {"a.conf": {"text": "Options=noexec\nx", "rc": 0}}, "rc": 0}),
    NODES.key: Answer({"objects": []}),
}


def evidence(reads, *lines):
    planned = [Planned("n1", one) for one in reads]
    return {one.read: one.lines for one in evidence_of(planned, lines, lambda subject, key: ANSWERS.get(key))}


def test_a_line_goes_with_the_read_that_holds_it():
    assert evidence([MOUNTS, FSTAB, UNITS], "two", "beta") == {MOUNTS.key: ("two",), FSTAB.key: ("beta",)}
    assert evidence([MOUNTS, UNITS], "Options=noexec", "Options=noexec") == {UNITS.key: ("Options=noexec",)}


def test_a_line_of_no_answer_goes_with_the_cluster_s_read():
    assert evidence([FSTAB, NODES], "node n1: v1.17") == {NODES.key: ("node n1: v1.17",)}
    assert evidence([FSTAB], "said") == {FSTAB.key: ("said",)}


def test_a_short_answer_is_evidence_as_a_whole():
    assert evidence([MOUNTS, FSTAB]) == {FSTAB.key: ("alpha", "beta")}


def test_where_nothing_is_short_the_reads_stand_alone():
    assert evidence([MOUNTS, NODES]) == {MOUNTS.key: (), NODES.key: ()}
    assert evidence([file("/nothing")]) == {"cat /nothing": ()}
    assert evidence([]) == {}


def test_a_line_is_never_longer_than_a_person_reads():
    ANSWERS["long"] = Answer({"stdout": "x" * 5000, "rc": 0})
    from conformance.reads import command

    assert [len(one) for one in evidence([command("long")])["long"]] == [500]
    assert [len(one) for one in evidence([command("long")], "x" * 5000)["long"]] == [500]


def test_what_is_no_text_in_an_answer_is_no_evidence():
    for number, value in enumerate(
        (
            {"stdout": 5, "files": {"a": {"text": None}, "b": {"text": ["x"]}, "c": 1, "d": {"text": "said"}}},
            {"stdout": "said", "files": ["said"]},
            {"stdout": "said", "files": None},
        )
    ):
        ANSWERS[f"cat /{number}"] = Answer(value)
        assert evidence([file(f"/{number}")], "said") == {f"cat /{number}": ("said",)}
