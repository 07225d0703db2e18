"""Waivers: accepted for a reason, by somebody, until a moment - and said loudly where they are not what they seem."""

from datetime import UTC, datetime, timedelta

import pytest

from conformance.documents import InvalidDocument
from conformance.findings import Finding, LeftOut, Outcome
from conformance.hazards import Severity
from conformance.profiles import Profile
from conformance.waivers import complaints, load_waivers, waive

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER, EARLIER = "2026-03-01T14:00:01+02:00", "2026-03-01T13:59:59+02:00"
KNOWN = ("abm-tmp-noexec", "abm-cgroup-v2")
WAIVER = {"hazard": "abm-tmp-noexec", "subject": "wk-1", "reason": "it leaves", "owner": "me", "expires": LATER}


@pytest.fixture
def load(tmp_path):
    def loader(*waivers, text=None):
        path = tmp_path / "waivers.yaml"
        import json

        path.write_text(text if text is not None else json.dumps({"waivers": list(waivers)}))
        return load_waivers(path, KNOWN)

    return loader


def finding(outcome=Outcome.HAZARD, hazard="abm-tmp-noexec", subject="wk-1"):
    return Finding(hazard, subject, outcome, Severity.BLOCKER, message="m")


def test_a_waiver_that_is_valid(load):
    waived = waive(finding(), load({**WAIVER, "ticket": "CHG-1"}), NOW)
    assert (waived.outcome, waived.waived) == (Outcome.WAIVED, Outcome.HAZARD)
    assert waived.waiver == {
        "subject": "wk-1",
        "reason": "it leaves",
        "owner": "me",
        "ticket": "CHG-1",
        "expires": LATER,
    }
    assert waived.message == "m"
    assert complaints(load(WAIVER), [waived], NOW) == ()


def test_a_waiver_that_has_expired_waives_nothing_and_is_said(load):
    for expires in (EARLIER, NOW.isoformat()):
        waivers = load({**WAIVER, "expires": expires})
        kept = waive(finding(), waivers, NOW)
        assert kept.outcome is Outcome.HAZARD
        assert kept.notes == (f"the waiver of me expired on {waivers[0].expires.isoformat()}: it waives nothing",)
        (loud,) = complaints(waivers, [kept], NOW)
        assert "expired" in loud
        assert "abm-tmp-noexec" in loud


def test_of_several_the_longest_counts_and_a_valid_one_outweighs_an_expired(load):
    waivers = load(
        {**WAIVER, "expires": EARLIER},
        {**WAIVER, "owner": "you"},
        {**WAIVER, "owner": "us", "expires": "2027-01-01T00:00:00Z"},
    )
    waived = waive(finding(), waivers, NOW)
    assert (waived.outcome, waived.waiver["owner"], waived.notes) == (Outcome.WAIVED, "us", ())


@pytest.mark.parametrize(
    ("subject", "name", "matches"),
    [
        ("wk-1", "wk-1", True),
        ("wk-1", "wk-10", False),
        ("wk-1", "WK-1", False),
        ("wk-*", "wk-10", True),
        ("*", "anything", True),
        ("wk-?", "wk-1", True),
        ("wk-[12]", "wk-2", True),
        ("wk-[12]", "wk-3", False),
        ("ssh://me@[fd00::1]:22", "ssh://me@[fd00::1]:22", True),
        ("fleet", "fleet", True),
    ],
)
def test_a_subject_is_a_name_or_a_glob(load, subject, name, matches):
    waivers = load({**WAIVER, "subject": subject})
    assert (waive(finding(subject=name), waivers, NOW).outcome is Outcome.WAIVED) is matches
    assert bool(complaints(waivers, [finding(subject=name)], NOW)) is not matches


@pytest.mark.parametrize("outcome", [Outcome.CLEAR, Outcome.NOT_APPLICABLE])
def test_only_what_was_found_can_be_waived(load, outcome):
    waivers = load(WAIVER)
    assert waive(finding(outcome), waivers, NOW) == finding(outcome)
    assert "matches no finding" in complaints(waivers, [finding(outcome)], NOW)[0]


def test_of_what_was_not_decided_nobody_knows_whether_the_waiver_is_needed(load):
    waivers = load(WAIVER)
    unknown = finding(Outcome.UNKNOWN)
    assert waive(unknown, waivers, NOW) == unknown
    assert complaints(waivers, [unknown], NOW) == ()
    left_out = [LeftOut("abm-tmp-noexec", "deselected", "wk-1"), LeftOut("abm-tmp-noexec", "nowhere")]
    assert [complaints(waivers, [], NOW, left_out=[one]) for one in left_out] == [(), ()]
    others = [LeftOut("abm-tmp-noexec", "deselected", "wk-2"), LeftOut("abm-cgroup-v2", "nowhere")]
    assert "matches no finding" in complaints(waivers, [], NOW, left_out=others)[0]


def test_a_warning_can_be_waived_and_another_hazard_not(load):
    assert waive(finding(Outcome.WARNING), load(WAIVER), NOW).outcome is Outcome.WAIVED
    assert waive(finding(hazard="abm-cgroup-v2"), load(WAIVER), NOW).outcome is Outcome.HAZARD


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"hazard": "abm-tmp-noexe"},
            "waivers[0].hazard: there is no hazard 'abm-tmp-noexe'; did you mean 'abm-tmp-noexec'?",
        ),
        ({"hazard": "zzz"}, "there is no hazard 'zzz'"),
        ({"hazard": None}, "waivers[0].hazard: expected text"),
        ({"expires": "2026-12-24T18:00:00"}, "waivers[0].expires: '2026-12-24T18:00:00' has no time zone"),
        ({"expires": "2026-12-24"}, "has no time zone"),
        ({"expires": "tomorrow"}, "waivers[0].expires: 'tomorrow' is not a time"),
        ({"expires": "2026-02-30T00:00:00Z"}, "is not a time"),
        ({"expires": "9999-12-31T23:59:59-01:00"}, "waivers[0].expires: '9999-12-31T23:59:59-01:00' is beyond"),
        ({"expires": "0001-01-01T00:00:00+14:00"}, "waivers[0].expires: '0001-01-01T00:00:00+14:00' is beyond"),
        ({"reason": ""}, "waivers[0].reason: expected text"),
        ({"owner": "  "}, "waivers[0].owner: expected text"),
        ({"ticket": []}, "waivers[0].ticket: expected text"),
        ({"owners": "x"}, "unknown key 'owners'; did you mean 'owner'?"),
        *(
            ({key: ...}, f"waivers[0]: the key '{key}' is missing")
            for key in ("hazard", "subject", "reason", "owner", "expires")
        ),
    ],
)
def test_a_waiver_that_is_malformed(load, tmp_path, changed, said):
    with pytest.raises(InvalidDocument) as caught:
        load({key: value for key, value in {**WAIVER, **changed}.items() if value is not ...})
    assert str(caught.value).startswith(f"{tmp_path / 'waivers.yaml'}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("waivers: {}", "expected a list"),
        ("waiver: []", "did you mean 'waivers'"),
        ("waivers: [x]", "expected keys and values"),
    ],
)
def test_a_file_that_is_none(load, text, said):
    with pytest.raises(InvalidDocument, match=said):
        load(text=text)


def test_a_date_as_yaml_writes_it_stays_a_time(load):
    text = (
        "waivers:\n- {hazard: abm-tmp-noexec, subject: '*', reason: r, owner: o, expires: 2026-12-24T18:00:00+01:00}\n"
    )
    (waiver,) = load(text=text)
    assert waiver.expires.utcoffset() == timedelta(hours=1)
    assert load(text="waivers: []") == []


@pytest.mark.parametrize(
    ("subject", "hazard", "loud"),
    [
        ("*", "abm-tmp-noexec", True),
        ("**", "abm-tmp-noexec", True),
        ("?*", "abm-tmp-noexec", True),
        ("*", "abm-cgroup-v2", False),  # no blocker, here
        ("wk-*", "abm-tmp-noexec", False),
        ("*-1", "abm-tmp-noexec", False),
    ],
)
def test_a_blocker_waived_for_just_anybody_is_said(load, subject, hazard, loud):
    waivers = load({**WAIVER, "subject": subject, "hazard": hazard})
    waived = waive(finding(hazard=hazard), waivers, NOW)
    assert waived.outcome is Outcome.WAIVED
    said = complaints(waivers, [waived], NOW, {"abm-tmp-noexec"})
    assert bool(said) is loud
    assert all("every subject there is or will be" in one and "abm-tmp-noexec" in one for one in said)


def bound(tmp_path, profile, **waiver):
    import json

    path = tmp_path / "waivers.yaml"
    path.write_text(json.dumps({"waivers": [{**WAIVER, **waiver}]}))
    return load_waivers(path, KNOWN, Profile("p", "P", path, KNOWN, **profile), NOW)


def test_the_longest_limit_that_a_profile_can_set_is_one(tmp_path):
    limit = {"longest_waiver_days": 36_525}
    assert bound(tmp_path, limit, expires="2099-01-01T00:00:00Z")
    with pytest.raises(InvalidDocument, match="more than 36525 days ahead"):
        bound(tmp_path, limit, expires="9999-12-31T23:59:59Z")


def test_what_the_profile_lets_nobody_waive_is_a_usage_error(tmp_path):
    with pytest.raises(InvalidDocument, match=r"waivers\[0\]\.hazard: profile p lets nobody waive abm-tmp-noexec"):
        bound(tmp_path, {"never_waived": ("abm-tmp-noexec",)})
    assert bound(tmp_path, {"never_waived": ("abm-cgroup-v2",)})


def test_a_waiver_for_longer_than_the_profile_allows_is_a_usage_error(tmp_path):
    assert bound(tmp_path, {"longest_waiver_days": 30}, expires="2026-03-31T12:00:00Z")
    with pytest.raises(InvalidDocument, match=r"waivers\[0\]\.expires: .*more than 30 days ahead.*2026-03-31T12:00"):
        bound(tmp_path, {"longest_waiver_days": 30}, expires="2026-03-31T12:00:01Z")
