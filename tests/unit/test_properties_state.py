"""What nodes, certificates and NO_PROXY say: any text gives a value or the documented error, and what is printed is read."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.answers import Unreadable
from conformance.facts.values.certificates import Certificate, InvalidCertificates, certificates_in
from conformance.facts.values.moments import InvalidMoment, kubernetes_time, openssl_time, span
from conformance.facts.values.noproxy import NoProxy
from conformance.packs import load_checks
from conformance.profiles import Library
from conformance.select import checks_by_hazard

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1)).map(
    lambda one: one.replace(microsecond=0, tzinfo=UTC)
)
NETWORKS = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda one: ipaddress.IPv4Network(one, strict=False)),
    st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
        lambda one: ipaddress.IPv6Network(one, strict=False)
    ),
)
PRINTABLE = st.text(st.characters(codec="utf-8"), max_size=80)
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@given(PRINTABLE)
def test_no_proxy_takes_any_text(text):
    found = NoProxy.parse(text)
    assert all(one and not set(one) & set(", \t\n") for one in found.entries)
    assert NoProxy.parse(",".join(found.entries)).networks == found.networks
    assert found.covers("10.96.0.0/20") is (found.missing(["10.96.0.0/20"]) == [])


@given(
    NETWORKS,
    st.lists(st.sampled_from(["localhost", ".svc", "10.96.*", "x:443", "1.2.3", "::g"])),
    st.sampled_from([",", " ", ", "]),
)
def test_no_proxy_covers_what_it_names(network, others, separator):
    assert NoProxy.parse(separator.join([*others, str(network)])).covers(str(network))
    assert NoProxy.parse(f'"{network}"').covers(str(network))
    assert NoProxy.parse("*").covers(str(network))


@given(NETWORKS)
def test_no_proxy_covers_what_lies_inside_and_nothing_wider(network):
    halves = [network] if network.prefixlen == network.max_prefixlen else list(network.subnets())
    assert all(NoProxy.parse(str(network)).covers(str(one)) for one in halves)
    assert NoProxy.parse(" ".join(map(str, halves))).covers(str(network))
    if len(halves) == 2:
        assert not NoProxy.parse(str(halves[0])).covers(str(network))
    other = "::/0" if network.version == 4 else "0.0.0.0/0"
    assert not NoProxy.parse(other).covers(str(network))


@given(
    st.one_of(
        PRINTABLE,
        st.none(),
        st.integers(),
        st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", fullmatch=True),
    )
)
def test_a_time_of_an_object_or_the_error(text):
    try:
        assert kubernetes_time(text).tzinfo is UTC
    except InvalidMoment as error:
        assert "expected a time" in str(error)


@given(MOMENTS, st.integers(0, 999_999), st.integers(-14 * 60, 14 * 60))
def test_times_come_back(moment, micro, zone):
    plain = moment.isoformat().removesuffix("+00:00")
    assert kubernetes_time(f"{plain}Z") == moment == kubernetes_time(f"{plain}.{micro:06}Z")
    sign, ahead = ("-" if zone < 0 else "+"), abs(zone)
    assert kubernetes_time(f"{plain}{sign}{ahead // 60:02}:{ahead % 60:02}") == moment - timedelta(minutes=zone)
    # As ASN1_TIME_print of openssl prints it: the day is padded with a blank.
    assert openssl_time(f"{moment:%b} {moment.day:2} {moment:%H:%M:%S} {moment.year} GMT") == moment


@given(st.one_of(PRINTABLE, st.from_regex(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT\s?", fullmatch=True)))
def test_a_time_of_openssl_or_the_error(text):
    try:
        assert openssl_time(text).tzinfo is UTC
    except InvalidMoment as error:
        assert "expected a time" in str(error)


@given(st.timedeltas())
def test_any_span_can_be_told(length):
    assert 1 <= len(span(length).split()) // 2 <= 2


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 seconds"), (59, "59 seconds"), (61, "1 minute 1 second"), (3600, "1 hour"), (183_599, "2 days 2 hours")],
)
def test_spans_as_people_read_them(seconds, said):
    assert span(timedelta(seconds=seconds)) == said


@given(
    st.one_of(
        PRINTABLE,
        PRINTABLE.map(lambda one: f"{BEGIN}\n{one}\n{END}\n"),
        st.binary().map(lambda one: f"{BEGIN}{one.hex()}{END}"),
    )
)
def test_no_text_but_a_certificate_is_one(text):
    with pytest.raises(InvalidCertificates):
        certificates_in(text)


@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.none() | MOMENTS)
def test_certificates_come_back(digest, issued):
    one = Certificate(digest, issued)
    assert Certificate.from_dict(one.to_dict()) == one
    assert digest[:16] in str(one)


TABLE = checks_by_hazard(check for pack in Library().packs for check in load_checks(pack))
NODE = TABLE["abm-multinic-containerd-proxy"][0].scope["abm_no_proxy"]
VALUES = st.text("abc.,*/0123456789 ", min_size=1, max_size=20).map(str.strip).filter(bool)


@given(PRINTABLE, st.dictionaries(st.sampled_from(["NO_PROXY", "no_proxy"]), PRINTABLE))
def test_any_text_says_something_of_a_node(files, variables):
    try:
        NODE(f"\n== /etc/systemd/system/containerd.service.d/x.conf\n{files}", variables).no_proxy.covers("10.0.0.0/8")
    except Unreadable as error:
        assert "EnvironmentFile" in error.reason


@given(VALUES, VALUES, st.sampled_from(['"NO_PROXY={}"', "'no_proxy={}'", ' NO_PROXY="{}"']))
def test_what_a_drop_in_says_counts(own, others, form):
    found = NODE(f"\n== /x/09-proxy.conf\nHTTPS_PROXY=\n{form.format(own)}\n", {"NO_PROXY": others})
    assert (found.where, found.text) == ("/x/09-proxy.conf", own)
    assert NODE("", {"no_proxy": others}).text == others
