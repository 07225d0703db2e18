"""The certificate of a registry mirror, against the CA of the specification, as the workstation sees it."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from conformance.facts.values import tlschain
from tests.hazards.eksa import cluster, management, specification
from tests.hazards.eksa_certificates import NOW, made
from tests.hazards.eksa_machines import EKSA, NAME
from tests.hazards.eksa_station import mirror, mirrors, station
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Machine

MIRROR = "eksa-registry-mirror-certificate"
OWN = f"clusters.{EKSA}"
HOST, PORT = "mirror.example.com", "5000"
AT = f"{HOST}:{PORT}"

ROOT = made("mirror CA", ca=True)
OTHER = made("other CA", ca=True)
BETWEEN = made("issuing CA", ROOT, ca=True)
GOOD = made(HOST, ROOT, hosts=[HOST])
DEEP = made(HOST, BETWEEN, hosts=[HOST])
SELF = made(HOST, hosts=[HOST])
HOURS = timedelta(hours=1)


def configured(authority: str | None = ROOT.text, host: str = HOST, port: str | None = PORT, **more):
    held = {"endpoint": host, "port": port, "caCertContent": authority, **more}
    return {"registryMirrorConfiguration": {key: value for key, value in held.items() if value is not None}}


def found(hazard, spec, told="", *, wanted=True, hosts=None, parameters=None, api=None, **more):
    """The finding of the one cluster with this mirror in its specification (or live), and what the station was shown."""
    live = cluster() if wanted else cluster(**spec)
    desired = (specification(cluster(**spec)),) if wanted else ()
    shown = told if told.startswith("now ") else mirrors(told, **more)
    there = {"station": station(mirrors=shown, parameters=parameters)} if hosts is None else hosts
    given = {"desired": desired, **(api or {})}
    return evaluate(hazard, clusters={NAME: management({OWN: [live]}, **given)}, hosts=there, parameters=parameters)


def until(end: datetime, by=ROOT):
    return made(HOST, by, hosts=[HOST], ends=end)


@proves(
    MIRROR,
    kind=PRESENT,
    says=[f"registry mirror {AT} of {NAME} "],
    line=f"{AT} from station: ",
    remedy=f"openssl s_client -connect {AT} -showcerts",
)
@pytest.mark.parametrize(
    ("authority", "chain", "verify", "word"),
    [
        pytest.param(
            OTHER.text,
            [GOOD],
            "20 (x)",
            "is not of the CA in the specification of cluster3 (CN=other CA)",
            id="another CA",
        ),
        pytest.param(made("mirror CA", ca=True).text, [GOOD], "20 (x)", "is not of the CA", id="a CA of the same name"),
        pytest.param(ROOT.text, [DEEP], "20 (x)", "is not of the CA", id="the certificate between is not shown"),
        pytest.param(ROOT.text, [SELF], "18 (self signed)", "is not of the CA", id="it signs itself, the CA does not"),
        pytest.param(
            None, [SELF], "18 (self-signed certificate)", "signs itself", id="it signs itself, and there is no CA"
        ),
        pytest.param(
            "",
            [GOOD, ROOT],
            "19 (self signed certificate in certificate chain)",
            "the workstation does not trust: self signed",
            id="no CA, and nobody knows it",
        ),
        pytest.param(
            ROOT.text,
            [made(HOST, ROOT, hosts=["other"])],
            "0 (ok)",
            f"is not for {HOST} (its names: other)",
            id="another name",
        ),
        pytest.param(
            ROOT.text,
            [made(HOST, ROOT)],
            "0 (ok)",
            "none in its subject alternative name",
            id="its name is in the subject alone",
        ),
        pytest.param(
            ROOT.text, [made(HOST, ROOT, hosts=["*.com"])], "0 (ok)", "is not for", id="a wildcard of another depth"
        ),
        pytest.param(
            ROOT.text,
            [until(NOW - HOURS)],
            "10 (certificate has expired)",
            "has expired at 2026-03-01T11:00:00Z",
            id="expired",
        ),
        pytest.param(
            ROOT.text,
            [until(NOW + 23 * HOURS)],
            "0 (ok)",
            "expires at 2026-03-02T11:00:00Z, within the change window",
            id="soon",
        ),
        pytest.param(
            ROOT.text,
            [made(HOST, ROOT, hosts=[HOST], begins=NOW + HOURS)],
            "9 (x)",
            "is not valid before",
            id="not yet",
        ),
    ],
)
def test_a_certificate_that_will_not_do(hazard, authority, chain, verify, word):
    finding = found(hazard, configured(authority), mirror(AT, *(one.pem for one in chain), verify=verify))
    assert word in finding.message, finding.message
    return finding


USES = {name: name == "digital_signature" for name in inspect.signature(x509.KeyUsage).parameters}
CLIENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
NO_SIGNER = made("mirror CA", ca=True, more=[x509.KeyUsage(**USES)])
NO_CA, BARE = made("mirror CA"), made("mirror CA", hosts=[HOST], constrained=False)
SHORT = made("mirror CA", ca=True, longest=0)
NO_ISSUER = made("issuing CA", ROOT)
LAST = made("issuing CA", SHORT, ca=True)
ODD = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
ELSEWHERE = x509.NameConstraints([x509.DNSName("example.net")], None)
NOT_HERE = x509.NameConstraints(None, [x509.DNSName(".com")])
BOUND, BARRED = made("mirror CA", ca=True, more=[ELSEWHERE]), made("mirror CA", ca=True, more=[NOT_HERE])
FOR_CLIENTS = made("mirror CA", ca=True, more=[CLIENTS])


@proves(MIRROR, kind=PRESENT, says=[f"registry mirror {AT} of {NAME} "], line=f"{AT} from station: ")
@pytest.mark.parametrize(
    ("root", "chain", "word"),
    [
        pytest.param(NO_CA, [made(HOST, NO_CA, hosts=[HOST])], "CA, which is no CA (basicConstraints", id="no CA"),
        pytest.param(BARE, [made(HOST, BARE, hosts=[HOST])], "CA, which has no basicConstraints", id="a server's own"),
        pytest.param(NO_SIGNER, [made(HOST, NO_SIGNER, hosts=[HOST])], "CA, which may not sign", id="keyUsage"),
        pytest.param(SHORT, [made(HOST, LAST, hosts=[HOST]), LAST], "is not of the CA", id="pathlen"),
        pytest.param(ROOT, [made(HOST, NO_ISSUER, hosts=[HOST]), NO_ISSUER], "is not of the CA", id="none between"),
        pytest.param(ROOT, [made(HOST, ROOT, hosts=[HOST], more=[CLIENTS])], "which is not for servers", id="clients"),
        pytest.param(ROOT, [made(HOST, ROOT, hosts=[HOST], critical=[ODD])], "critical extension 1.2.3.4", id="odd"),
        pytest.param(BOUND, [made(HOST, BOUND, hosts=[HOST])], f"may not sign for {HOST} (nameC", id="other names"),
        pytest.param(BARRED, [made(HOST, BARRED, hosts=[HOST])], f"may not sign for {HOST} (nameC", id="barred names"),
        pytest.param(FOR_CLIENTS, [made(HOST, FOR_CLIENTS, hosts=[HOST])], "CA, which is not for servers", id="its CA"),
    ],
)
def test_a_ca_that_may_not_sign_it(hazard, root, chain, word):
    """Go refuses each of these: seen with crypto/x509 of Go 1.26."""
    finding = found(hazard, configured(root.text), mirror(AT, *(one.pem for one in chain)))
    assert word in finding.message, finding.message
    return finding


OLD = made("mirror CA", ca=True, ends=NOW + 3 * HOURS)


@proves(MIRROR, kind=PRESENT, says=["has the CA CN=mirror CA, which expires at 2026-03-01T15:00:00Z"])
def test_the_ca_itself_expires(hazard):
    return found(hazard, configured(OLD.text), mirror(AT, made(HOST, OLD, hosts=[HOST]).pem))


@proves(MIRROR, kind=PRESENT, says=["has the CA CN=issuing CA, which has expired"])
def test_a_certificate_between_has_expired(hazard):
    between = made("issuing CA", ROOT, ca=True, ends=NOW - HOURS)
    return found(hazard, configured(), mirror(AT, made(HOST, between, hosts=[HOST]).pem, between.pem))


@proves(
    MIRROR,
    kind=PRESENT,
    says=["caCertContent of the specification of cluster3 is no CA"],
    remedy="registryMirrorConfiguration.caCertContent",
)
@pytest.mark.parametrize(
    "text", ["none", ROOT.text[:200], "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_given_is_no_ca(hazard, text):
    return found(hazard, configured(text), mirror(AT, GOOD.pem))


@proves(MIRROR, kind=PRESENT, says=["is not of the CA", f"is not for {HOST}", "has expired"])
def test_all_that_is_wrong_and_not_the_first(hazard):
    return found(hazard, configured(OTHER.text), mirror(AT, made("x", ROOT, hosts=["x"], ends=NOW - HOURS).pem))


@proves(MIRROR, kind=PRESENT, says=["is not of the CA in Cluster default/cluster3 of cluster3"])
def test_the_mirror_that_the_cluster_has(hazard):
    return found(hazard, configured(OTHER.text), mirror(AT, GOOD.pem), wanted=False)


@proves(MIRROR, kind=PRESENT, says=["within the change window"])
def test_the_window_is_a_parameter(hazard):
    given = {"eksa-change-window-hours": "720"}
    return found(hazard, configured(), mirror(AT, until(NOW + 700 * HOURS).pem), parameters=given)


SPENT = made("mirror CA", ca=True, like=ROOT, ends=NOW - HOURS)
MEANT = made(
    "mirror CA",
    ca=True,
    more=[x509.NameConstraints([x509.DNSName("example.com"), x509.IPAddress(ip_network("10.0.0.0/8"))], None)],
)
WORN = made("issuing CA", ROOT, ca=True, like=BETWEEN, ends=NOW - HOURS)


@proves(MIRROR, kind=ABSENT)
@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param(configured(), mirror(AT, GOOD.pem), id="of the CA, which the workstation need not know"),
        pytest.param(configured(), mirror(AT, GOOD.pem, ROOT.pem, verify="19 (x)"), id="it shows its CA too"),
        pytest.param(configured(), mirror(AT, DEEP.pem, BETWEEN.pem), id="with a certificate between"),
        pytest.param(configured(OTHER.text + ROOT.text), mirror(AT, GOOD.pem), id="one of two CAs"),
        pytest.param(configured(SELF.text), mirror(AT, SELF.pem, verify="18 (x)"), id="it signs itself, and is the CA"),
        pytest.param(configured(BETWEEN.text), mirror(AT, DEEP.pem), id="the CA between is enough"),
        pytest.param(configured(None), mirror(AT, GOOD.pem, verify="0 (ok)"), id="the workstation trusts it"),
        pytest.param(configured(), mirror(AT, until(NOW + 25 * HOURS).pem), id="it expires after the window"),
        pytest.param(
            configured(made("mirror CA", ca=True, ends=NOW - HOURS).text + ROOT.text),
            mirror(AT, GOOD.pem),
            id="an old CA beside it",
        ),
        pytest.param(
            configured(SPENT.text + ROOT.text), mirror(AT, GOOD.pem), id="renewed with its key, the old first"
        ),
        pytest.param(
            configured(ROOT.text + SPENT.text), mirror(AT, GOOD.pem), id="renewed with its key, the new first"
        ),
        pytest.param(configured(), mirror(AT, DEEP.pem, WORN.pem, BETWEEN.pem), id="a renewed one between"),
        pytest.param(
            configured(MEANT.text), mirror(AT, made(HOST, MEANT, hosts=[HOST]).pem), id="constraints that fit"
        ),
        pytest.param(configured(SHORT.text), mirror(AT, made(HOST, SHORT, hosts=[HOST]).pem), id="pathlen 0"),
        pytest.param(configured(), mirror(AT, made("x", ROOT, hosts=["a", "*.example.com"]).pem), id="a wildcard"),
        pytest.param(configured(host=HOST.upper()), mirror(AT, GOOD.pem), id="in capitals"),
        pytest.param(
            configured(host="192.0.2.7"),
            mirror("192.0.2.7:5000", made("x", ROOT, hosts=["192.0.2.7"]).pem),
            id="an address",
        ),
        pytest.param(
            configured(host="2001:db8::7"),
            mirror("[2001:db8::7]:5000", made("x", ROOT, hosts=["2001:db8::7"]).pem),
            id="IPv6",
        ),
        pytest.param(configured(port=None), mirror(f"{HOST}:443", GOOD.pem), id="the usual port"),
        pytest.param(configured(), mirror("other:443", SELF.pem) + mirror(AT, GOOD.pem), id="another mirror beside it"),
    ],
)
def test_a_certificate_that_will_do(hazard, spec, told):
    return found(hazard, spec, told)


@proves(MIRROR, kind=ABSENT)
def test_no_window(hazard):
    given = {"eksa-change-window-hours": "0"}
    return found(hazard, configured(), mirror(AT, until(NOW + HOURS).pem), parameters=given)


@proves(MIRROR, kind=NOT_APPLICABLE)
@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({}, "the specification of cluster3 configures no registry mirror"),
        ({"registryMirrorConfiguration": None}, "configures no registry mirror"),
        (configured(insecureSkipVerify=True), "sets insecureSkipVerify: by decision nobody verifies"),
    ],
)
def test_no_mirror_to_verify(hazard, spec, word):
    finding = found(hazard, spec, mirror(AT, SELF.pem))
    assert word in finding.message
    return finding


@proves(MIRROR, kind=NOT_APPLICABLE)
def test_nothing_is_upgraded(hazard):
    bad = mirror(AT, SELF.pem)
    return [
        found(hazard, configured(), bad, api={"upgrade": "none"}),
        found(hazard, configured(), bad, api={"role": "bootstrap"}),
    ]


@proves(MIRROR, kind=UNREADABLE, says=[f"registry mirror {AT} of {NAME}"])
@pytest.mark.parametrize(
    ("told", "word"),
    [
        (mirrors(), "no specification in /home/ops names it, or more than four are named"),
        (mirrors(mirror("other:5000", GOOD.pem)), f"eksa-registry-mirrors to {AT}"),
        (mirrors(mirror(f"{HOST}:5001", GOOD.pem)), "was not asked from station"),
        (mirrors(refused="Permission denied"), "/home/ops of station cannot be looked into: Permission denied"),
        (mirrors(mirror(AT, said="connect:errno=111")), "showed no certificate: connect:errno=111"),
        (
            mirrors(mirror(AT, said="80BB:error:10080002:BIO routines:f:system lib:x.c:7:no such host")),
            "certificate: no such host",
        ),
        (
            mirrors(mirror(AT, said="80BB:error:0A00010B:SSL routines:f:wrong version number:x.c:7:")),
            ": wrong version number",
        ),
        (mirrors(f"mirror {AT}\nstatus notool\n"), "openssl is not installed there"),
        (mirrors(f"mirror {AT}\nstatus 124\n"), "no answer within 8 seconds"),
        (mirrors(f"mirror {AT}\nstatus 1\n"), "openssl s_client ended with 1"),
        (mirrors(mirror(AT, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), "cannot be decoded"),
    ],
)
def test_a_mirror_that_shows_nothing(hazard, told, word):
    finding = found(hazard, configured(), told)
    assert word in finding.message
    return finding


@proves(MIRROR, kind=UNREADABLE)
@pytest.mark.parametrize(
    "told", ["now \n", "now 1\n", "now 1e9\ndirectory /\n", f"{mirrors()}mirror x\n", "now ٣\ndirectory /\n"]
)
def test_an_answer_that_the_read_does_not_give(hazard, told):
    return found(hazard, configured(), told)


@proves(MIRROR, kind=UNREADABLE, says=["no workstation is named"])
def test_nobody_to_ask(hazard):
    return found(hazard, configured(), hosts={"n1": Machine(roles=("worker",))})


@proves(MIRROR, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["unreachable", "timed-out", "cut-off", "refused"])
def test_each_read(hazard, problem):
    return [
        found(hazard, configured(), hosts={"station": station(broken=[("mirrors", problem)])}),
        found(hazard, configured(), mirror(AT, GOOD.pem), api={"broken": {OWN: problem}}),
    ]


@proves(MIRROR, kind=UNREADABLE, says=["configures a registry mirror without an endpoint"])
def test_a_mirror_without_an_endpoint(hazard):
    return found(hazard, configured(host=""), mirror(AT, GOOD.pem))


@proves(MIRROR, kind=PRESENT, says=["is not of the CA"])
def test_a_mirror_that_one_of_two_workstations_reaches(hazard):
    bad, silent = station(mirrors=mirrors(mirror(AT, SELF.pem))), station(broken=[("mirrors", "unreachable")])
    return found(hazard, configured(), hosts={"a": silent, "b": bad})


OLDEST = """\
-----BEGIN CERTIFICATE-----
MIIBGDCBvwIUBCzcSfYVyZusPhSzIsBWOv9h+2IwCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEyMjAwNDkyMFoYDzIxMjYxMDI5MDA0OTIwWjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARIzK+MO+EJAtVj
70yCfFBJxzzu1SJcKYHqB6HHLMyWfSywGVwecHnwxE4JbmTfHquaM9prufnWHqaH
hMhPi47QMAoGCCqGSM49BAMCA0gAMEUCIQD21nD3a0HAvQV6/LVtiTOrJbkHiqVk
2dUw6zTXuM3alQIgdk6Ihp2/0zdVpP9CxSh6RvbbfMJMi5yGMisY8WqfFTM=
-----END CERTIFICATE-----
"""


def test_a_version_without_constraints_is_a_root_or_nothing():
    """As openssl x509 -req makes them: Go takes such a one as a root, and never between."""
    (old,) = tlschain.certificates_of(OLDEST)
    assert old.version is x509.Version.v1
    assert tlschain.why_no_signer(old) == ""
    assert tlschain.why_no_signer(old, root=False) == "has no basicConstraints that make it a CA"


def test_a_server_cannot_keep_anybody_searching(monkeypatch):
    """Many certificates of one name and key sign each other in every order."""
    first = made("loop", ca=True)
    loop = [made("loop", first, ca=True, like=first).certificate for _ in range(12)]
    checked = []
    issued = tlschain._issued
    monkeypatch.setattr(tlschain, "_issued", lambda *both: checked.append(both) or issued(*both))
    assert tlschain.paths_to([made(HOST, first, hosts=[HOST]).certificate, *loop], [OTHER.certificate]) == []
    assert len(checked) == 100


DNS, MAIL, URI = x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier


@pytest.mark.parametrize(
    ("permitted", "excluded", "names", "fits"),
    [
        ([DNS("example.com")], None, [DNS("example.com")], True),
        ([DNS("example.com")], None, [DNS("*.a.example.com")], True),
        ([DNS("example.com")], None, [DNS("badexample.com")], False),
        ([DNS(".example.com")], None, [DNS("h.example.com")], True),
        ([DNS(".example.com")], None, [DNS("example.com")], False),
        (None, [DNS(".example.com")], [DNS("example.com")], True),
        (None, [DNS("foo.example.com")], [DNS("*.example.com")], False),
        (None, [DNS("foo.example.com")], [DNS("bar.example.com")], True),
        ([MAIL("example.com")], None, [MAIL("admin@example.com")], True),
        ([MAIL("admin@example.com")], None, [MAIL("root@example.com")], False),
        (None, [MAIL("example.com")], [MAIL("admin@example.com")], False),
        ([URI(".example.com")], None, [URI("https://h.example.com/x")], True),
        ([URI(".example.com")], None, [URI("https://h.example.net/x")], False),
        ([x509.IPAddress(ip_network("10.0.0.0/8"))], None, [x509.IPAddress(ip_address("10.1.1.1"))], True),
        ([x509.IPAddress(ip_network("10.0.0.0/8"))], None, [x509.IPAddress(ip_address("192.0.2.1"))], False),
        ([x509.IPAddress(ip_network("10.0.0.0/8"))], None, [DNS("anything")], True),
    ],
)
def test_name_constraints_as_go_judges_them(permitted, excluded, names, fits):
    ca = made("CA", ca=True, more=[x509.NameConstraints(permitted, excluded)])
    leaf = made("leaf", ca, more=[x509.SubjectAlternativeName(names)])
    assert (tlschain.confined(ca.certificate, leaf.certificate) == "") is fits


def test_critical_name_constraints_of_a_kind_that_nobody_judges():
    limits = x509.NameConstraints([x509.DirectoryName(x509.Name([]))], None)
    for made_so, said in (("critical", "has critical nameConstraints"), ("more", "")):
        ca = made("CA", ca=True, **{made_so: [limits]})
        assert tlschain.strange(ca.certificate).startswith(said)
        assert bool(tlschain.strange(ca.certificate)) is bool(said)


@proves(MIRROR, kind=ABSENT)
def test_constraints_of_the_server_s_own_bind_nobody(hazard):
    own = made(HOST, hosts=[HOST], more=[x509.NameConstraints([x509.DNSName("example.net")], None)])
    return found(hazard, configured(own.text), mirror(AT, own.pem, verify="18 (x)"))
