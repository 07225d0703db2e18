"""Snapshots: what was read comes back as it was, and a damaged file is an error that names it."""

import gzip
import json
import os
import stat

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conformance.answers import PROBLEMS, Answer
from conformance.snapshot import SCHEMA, InvalidSnapshot, Snapshot, merge

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
VALUE = {"stdout": "日本\n\udcff\x00 \u2028 <b>", "stderr": "", "rc": 0, "list": [1, 2.5, None, True, {"a": {}}]}
WHOLE = Snapshot(
    change={"profile": "p", "hosts": {"n1": {"roles": []}}},
    answers={
        "n1": {"uname -r": Answer(VALUE, seconds=0.25), "cat /x": Answer.failed("timed-out", "silent", 3.0)},
        "c": {},
    },
    started="2026-01-01T00:00:00+00:00",
    finished="2026-01-01T00:01:00+00:00",
    notes={"n1": {"host_key": {"verified": True}}},
    suite="0.1.0",
)


@pytest.mark.parametrize("name", ["snapshot.json", "snapshot.json.gz", "deep/er/snapshot"])
def test_what_was_read_comes_back_as_it_was(tmp_path, name):
    WHOLE.save(tmp_path / name)
    assert Snapshot.load(tmp_path / name) == WHOLE
    data = (tmp_path / name).read_bytes()
    assert (data[:2] == b"\x1f\x8b") is name.endswith(".gz")
    WHOLE.save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == data
    assert [one.name for one in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]


def test_a_compressed_file_is_known_by_its_content(tmp_path):
    WHOLE.save(tmp_path / "a.gz")
    (tmp_path / "a.gz").rename(tmp_path / "a.json")
    assert Snapshot.load(tmp_path / "a.json") == WHOLE


def test_only_the_owner_may_read_it(tmp_path):
    path = tmp_path / "s.json"
    old = os.umask(0)
    try:
        path.write_text("old")
        path.chmod(0o666)
        WHOLE.save(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "s.json"
    WHOLE.save(path)
    with pytest.raises(TypeError):
        Snapshot(answers={"n": {"k": Answer({"x": object()})}}).save(path)
    assert Snapshot.load(path) == WHOLE
    assert [one.name for one in tmp_path.iterdir()] == ["s.json"]


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "s.json", tmp_path):
        with pytest.raises(InvalidSnapshot, match="the snapshot cannot be written"):
            WHOLE.save(path)


def record(**changed):
    return {**json.loads(json.dumps(WHOLE.to_dict())), **changed}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a snapshot, or cut off"),
        (b"{", "not a snapshot"),
        (b"\xff\xfe", "not a snapshot"),
        (b"[" * 100000, "not a snapshot"),
        (gzip.compress(b"{}")[:-4], "not a snapshot|cannot be read"),
        (gzip.compress(b"{}" * 100)[:12] + b"\x00\xff" * 20, "not a snapshot|cannot be read"),
        (b"\x1f\x8b\x00", "not a snapshot|cannot be read"),
        (b"[]", f"expected a snapshot of format '{SCHEMA}', found None"),
        (b'{"schema": "pytest-preflight/snapshot/9"}', "found 'pytest-preflight/snapshot/9'"),
        (record(answers=[]), "damaged"),
        (record(answers={"n": 1}), "damaged"),
        (record(answers={"n": {"k": []}}), "damaged"),
        (record(answers={"n": {"k": {}}}), "damaged"),
        (record(answers={"n": {"k": {"value": 5}}}), "damaged"),
        (record(answers={"n": {"k": {"value": {}, "seconds": "x"}}}), "damaged"),
        (record(answers={"n": {"k": {"value": {}, "seconds": 10**400}}}), "damaged"),
        (
            record(answers={"n": {"k": {"problem": {"kind": "tired", "message": ""}}}}),
            "unknown kind of problem 'tired'",
        ),
        (record(answers={"n": {"k": {"problem": {"kind": []}}}}), "damaged"),
        (record(answers={"n": {"k": {"problem": "x"}}}), "damaged"),
        (record(change=[1]), "damaged"),
        (record(change=None), "damaged"),
        (record(notes={"n": 1}), "damaged"),
        (record(notes=[]), "damaged"),
        ({key: value for key, value in record().items() if key != "answers"}, "damaged: KeyError: 'answers'"),
        ({key: value for key, value in record().items() if key != "started"}, "damaged"),
    ],
)
def test_a_file_that_is_damaged_or_none(tmp_path, data, said):
    path = tmp_path / "s.json"
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    with pytest.raises(InvalidSnapshot, match=said) as caught:
        Snapshot.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InvalidSnapshot, match="cannot be read"):
            Snapshot.load(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "problem", "kind", "message", "seconds", "n1", "rc"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
DAMAGED = st.tuples(st.sampled_from(["answers", "change", "started", "notes", "suite", "finished"]), JSON).map(
    lambda pair: json.dumps(record(**{pair[0]: pair[1]})).encode()
)
BYTES = st.binary(max_size=80)


@PATIENT
@given(st.one_of(BYTES, BYTES.map(lambda data: b"\x1f\x8b" + data), BYTES.map(gzip.compress), DAMAGED))
@example(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00\xff\xff")
def test_any_bytes_are_a_snapshot_or_the_error_that_names_the_file(tmp_path, data):
    path = tmp_path / "s.json"
    path.write_bytes(data)
    try:
        found = Snapshot.load(path)
    except InvalidSnapshot as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert all(isinstance(one, Answer) for reads in found.answers.values() for one in reads.values())
        assert json.dumps(found.to_dict())


@PATIENT
@given(st.data())
def test_a_flipped_byte_never_goes_beyond_the_error(tmp_path, data):
    path = tmp_path / "s.json.gz"
    WHOLE.save(path)
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        Snapshot.load(path)
    except InvalidSnapshot:
        pass


# -- merging -------------------------------------------------------------------------------------------------------


def taken(finished, started="2026-01-01T00:00:00+00:00", change=None, notes=None, **answers):
    held = {
        subject: {key: Answer({"n": one}) if not isinstance(one, Answer) else one for key, one in reads.items()}
        for subject, reads in answers.items()
    }
    return Snapshot(change or {}, held, started, finished, notes or {}, suite=finished)


GONE = Answer.failed("unreachable", "gone")


def test_all_subjects_together():
    merged = merge([taken("2", a={"x": 1}), taken("1", b={"x": 2}, a={"y": 3})])
    assert {name: {key: one.value["n"] for key, one in reads.items()} for name, reads in merged.answers.items()} == {
        "b": {"x": 2},
        "a": {"x": 1, "y": 3},
    }


@pytest.mark.parametrize(
    ("earlier", "later", "kept"),
    [(1, 2, 2), (GONE, 2, 2), (1, GONE, 1), (GONE, Answer.failed("refused", "later"), "later")],
)
def test_an_answer_wins_over_a_problem_and_the_later_one_otherwise(earlier, later, kept):
    for order in (1, -1):
        pair = [taken("2026-01-01", a={"x": earlier}), taken("2026-01-02", a={"x": later})][::order]
        answer = merge(pair).answers["a"]["x"]
        assert (answer.value["n"] if answer.value else answer.problem.message) == kept


def of(kind, connection=None, machine=None, **told):
    record = {"connection": connection} if kind == "hosts" else told
    return {"change": {kind: {"x": record}}, "notes": {"x": {"machine": machine} if machine else {}}}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (of("hosts", "local://", "wk-1"), of("hosts", "local://", "wk-2"), "x is a host in two of the snapshots, wk-1"),
        (of("hosts", "ssh://ops@10.0.0.1"), of("hosts", "ssh://10.0.0.2"), "ssh://10.0.0.1 in one and ssh://10.0.0.2"),
        (of("clusters", server="https://a:6443"), of("clusters", server="https://b:6443"), "x is a cluster in two"),
        (of("clusters", server="s", authority="1"), of("clusters", server="s", authority="2"), "x is a cluster in two"),
        (of("hosts", "local://", "wk-1"), of("hosts", "local://", "wk-1"), None),
        (of("hosts", "local://", "wk-1"), of("hosts", "local://"), None),
        (of("hosts", "ssh://ops@10.0.0.1"), of("hosts", "ssh://root@10.0.0.1"), None),
        (of("clusters", server="https://a:6443"), of("clusters", server=""), None),
        (of("clusters", server="s", authority="1"), of("clusters", server="s", authority="1"), None),
    ],
)
def test_two_of_one_name_are_never_mixed(first, second, said):
    pair = [taken("2026-01-01", x={"r": 1}, **first), taken("2026-01-02", x={"r": 2}, **second)]
    for order in (1, -1):
        if said is None:
            assert merge(pair[::order]).answers["x"]["r"].value == {"n": 2}
        else:
            with pytest.raises(InvalidSnapshot) as caught:
                merge(pair[::order])
            assert said in str(caught.value)


def test_evidence_is_as_old_as_its_oldest_part():
    merged = merge(
        [
            taken("2026-01-03", started="2026-01-02"),
            taken("2026-01-02", started="2026-01-01"),
            taken("2026-01-01", started=""),
        ]
    )
    assert (merged.started, merged.finished, merged.suite) == ("2026-01-01", "2026-01-03", "2026-01-03")
    assert merge([]) == Snapshot()


def test_the_changes_are_joined():
    one = {
        "profile": "p1",
        "hosts": {"a": {"roles": ["worker"]}},
        "clusters": {},
        "examine": ["hosts"],
        "upgrade": {"from": "1.8.0", "to": "1.9.0", "none": False},
    }
    other = {
        "profile": None,
        "hosts": {"b": {"roles": []}},
        "clusters": {"c": {}},
        "examine": ["clusters"],
        "upgrade": {"from": None, "to": "1.9.1", "none": False},
    }
    merged = merge([taken("1", change=one, notes={"a": {"x": 1}}), taken("2", change=other, notes={"c": {"y": 2}})])
    assert merged.change == {
        "profile": "p1",
        "hosts": {"a": {"roles": ["worker"]}, "b": {"roles": []}},
        "clusters": {"c": {}},
        # What one run left out by decision the other one looked at.
        "examine": ["hosts", "clusters"],
        "upgrade": {"from": "1.8.0", "to": "1.9.1", "none": False},
    }
    assert merged.notes == {"a": {"x": 1}, "c": {"y": 2}}


def test_every_kind_of_problem_can_be_kept(tmp_path):
    held = Snapshot(answers={"n": {kind: Answer.failed(kind, "m") for kind in PROBLEMS}})
    held.save(tmp_path / "s")
    assert Snapshot.load(tmp_path / "s").answers == held.answers
    with pytest.raises(ValueError, match="'tired' is not a kind of problem"):
        Answer.failed("tired", "m")


def test_an_answer_that_was_never_made_is_none():
    assert WHOLE.answer("n1", "nothing") is None
    assert WHOLE.answer("nobody", "uname -r") is None
    assert WHOLE.answer("n1", "uname -r").require() == VALUE


SURE, UNSURE = {"fingerprint": "SHA256:a", "verified": True}, {"fingerprint": "SHA256:b", "verified": False}


def told(finished, notes, **reads):
    """A snapshot of one subject; a read is None where it gave a problem."""
    answers = {
        key: Answer.failed("unreachable", "down") if value is None else Answer({"n": value})
        for key, value in reads.items()
    }
    return Snapshot(answers={"a": answers}, notes={"a": notes}, started=finished, finished=finished)


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        pytest.param(
            told("1", {"host_key": UNSURE, "connection": "ssh://a"}, x=1),
            told("2", {"connection": "ssh://b", "rounds": 0}, x=None),
            {"host_key": UNSURE, "connection": "ssh://b", "rounds": 0},
            id="the newer one has problems only",
        ),
        pytest.param(
            told("1", {"host_key": UNSURE}, x=1, y=1),
            told("2", {"host_key": SURE}, x=2, y=None),
            {"host_key": UNSURE},
            id="one answer of several is of the older",
        ),
        pytest.param(
            told("1", {"host_key": UNSURE}, x=1), told("2", {"host_key": SURE}, x=2), {"host_key": SURE}, id="none is"
        ),
        pytest.param(
            told("1", {"host_key": SURE}, x=1), told("2", {"host_key": UNSURE}, y=1), {"host_key": UNSURE}, id="newer"
        ),
        pytest.param(
            told("1", {"host_key": SURE}, x=1),
            told("2", {"host_key": UNSURE}, x=None),
            {"host_key": UNSURE},
            id="nothing was taken from the one that was not verified, which is the newest",
        ),
        pytest.param(
            told("1", {"tls": "off", "server": "s"}, x=1),
            told("2", {"tls": "verified"}, x=None),
            {"tls": "off", "server": "s"},
            id="certificate",
        ),
    ],
)
def test_what_was_not_verified_is_said_of_every_answer_that_is_kept(first, second, merged):
    assert merge([first, second]).notes == {"a": merged}
    assert merge([second, first]).notes == {"a": merged}
    assert first.notes["a"] != merged or first.notes["a"] is not merge([first, second]).notes["a"]
