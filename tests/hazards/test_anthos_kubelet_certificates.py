"""Certificates of kubelets: requests that nobody approves, and files on the nodes that come to their end."""

from __future__ import annotations

import pytest

from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api, Machine, Said

CSR = "abm-pending-kubelet-csr"
REQUESTS = "certificatesigningrequests.certificates.k8s.io"
#: The API server says that it is 12:00:00.
RECENT, LATE, TWO_HOURS = "2022-01-01T11:50:01Z", "2022-01-01T11:49:59Z", "2022-01-01T09:45:00Z"
SERVING, CLIENT = "kubelet-serving", "kube-apiserver-client-kubelet"


def request(name, created=LATE, signer=SERVING, user="system:node:wk-1", conditions=()):
    spec = {"signerName": f"kubernetes.io/{signer}" if signer else None, "username": user, "request": "LS0t"}
    status = {"conditions": [{"type": one, "status": "True"} for one in conditions]} if conditions else {}
    return {"metadata": {"name": name, "creationTimestamp": created}, "spec": spec, "status": status}


LS = "sudo /bin/ls /var/lib/kubelet/pki"
END = "sudo /usr/bin/openssl x509 -noout -enddate -in /var/lib/kubelet/pki/{}"
CURRENT = ("kubelet-client-current.pem", "kubelet-server-current.pem")
MISSING = Said(stderr="Can't open for reading, No such file or directory\n", rc=1)
#: 2022-01-01 12:00:00 UTC.
NOW = "1641038400\n"
FINE, SOON, PAST = "Jan 31 12:00:00 2022 GMT", "Jan 31 11:59:59 2022 GMT", "Dec  1 00:00:00 2021 GMT"


def kubelet(client=FINE, serving=FINE, own=None, *, names=None, cluster="hub", **says):
    """A node whose kubelet has these certificates; None for no such file."""
    files = {CURRENT[0]: client, CURRENT[1]: serving, "kubelet.crt": own}
    there = [name for name, end in files.items() if end] if names is None else names
    said = {END.format(name): f"notAfter={end}\n" if end else MISSING for name, end in files.items()}
    said[LS] = "".join(f"{one}\n" for one in sorted([*there, "kubelet-client-2021-12-01-10-00-00.pem", "kubelet.key"]))
    return Machine(says={**said, "date +%s": NOW, **says}, cluster=cluster, roles=("worker",))


def asked(*requests, hosts=None, parameters=None, **world):
    api = admin_api(cluster("hub", "hybrid"), **world)
    api.objects[REQUESTS] = requests
    return evaluate(CSR, clusters={"hub": api}, hosts=hosts or {}, parameters=parameters, subject="hub")


@proves(
    CSR,
    kind=PRESENT,
    says=["system:node:wk-1", "10 minutes 1 second", "csr-a"],
    line="certificatesigningrequest csr-a: ",
    remedy="kubectl certificate approve csr-a",
)
@pytest.mark.parametrize("signer", [SERVING, CLIENT, ""])
def test_a_request_waits(hazard, signer):
    return asked(request("csr-a", signer=signer), request("csr-b", RECENT, user="system:node:wk-2"))


@proves(
    CSR,
    kind=PRESENT,
    says=[
        "system:node:wk-1 has waited 2 hours 15 minutes for kubelet-serving (csr-c and 1 more)",
        "system:bootstrap:ab",
    ],
    line="certificatesigningrequest csr-b: ",
    remedy="kubectl certificate approve csr-c csr-x",
)
def test_a_kubelet_that_asks_again_is_named_once(hazard):
    mine = [request("csr-c"), request("csr-b", TWO_HOURS)]
    return asked(*mine, request("csr-x", "2022-01-01T11:49:58Z", CLIENT, user="system:bootstrap:abcdef"))


@proves(CSR, kind=PRESENT, says=["csr-b"])
def test_how_long_one_may_wait_is_a_parameter(hazard):
    return asked(request("csr-b", RECENT), parameters={"csr-pending-minutes": "9"})


@proves(CSR, kind=ABSENT)
@pytest.mark.parametrize(
    "one",
    [
        pytest.param(request("a", RECENT), id="not for long"),
        pytest.param(request("a", "2022-01-01T11:50:00Z"), id="for ten minutes sharp"),
        pytest.param(request("a", TWO_HOURS, conditions=["Approved"]), id="approved"),
        pytest.param(request("a", TWO_HOURS, conditions=["Denied"]), id="denied"),
        pytest.param(request("a", TWO_HOURS, conditions=["Approved", "Failed"]), id="failed"),
        pytest.param(request("a", TWO_HOURS, "kube-apiserver-client", "ops@example.com"), id="another signer"),
        pytest.param(request("a", TWO_HOURS, "", "ops@example.com"), id="no signer, no node"),
        pytest.param(request("a", "2022-01-01T14:00:00Z"), id="in the future"),
    ],
)
def test_requests_that_are_none_of_these(hazard, one):
    found = asked(one)
    assert "no node of this cluster is named as a host" in found.message
    return found


def test_a_clear_result_says_what_was_looked_at():
    assert asked(hosts={"wk-1": kubelet()}).message == ""
    assert "not looked at" in asked(hosts={"wk-1": kubelet(cluster=None)}).message


@proves(
    CSR,
    kind=PRESENT,
    says=["wk-1: the kubelet's"],
    line="notAfter=Jan 31 11:59:59 2022 GMT",
    remedy="journalctl -u kubelet",
)
@pytest.mark.parametrize("which", [{"client": SOON}, {"serving": SOON}, {"serving": None, "own": SOON}], ids=str)
def test_a_certificate_comes_to_its_end(hazard, which):
    found = asked(hosts={"wk-1": kubelet(**which), "wk-2": kubelet()})
    assert "expires in 29 days 23 hours" in found.message
    assert "wk-2" not in found.message
    return found


@proves(
    CSR,
    kind=PRESENT,
    says=["wk-1: the kubelet's client certificate has expired (2021-12-01", "csr-a"],
    line="notAfter=Dec",
)
def test_both_at_once(hazard):
    return asked(request("csr-a"), hosts={"wk-1": kubelet(client=PAST)})


@proves(CSR, kind=PRESENT, says=["wk-1"])
def test_how_long_one_must_be_valid_is_a_parameter(hazard):
    return asked(hosts={"wk-1": kubelet()}, parameters={"certificate-days": "31"})


@proves(CSR, kind=PRESENT, says=["wk-1"])
def test_a_certificate_found_beside_a_node_that_was_not_read(hazard):
    return asked(hosts={"wk-1": kubelet(client=SOON), "wk-2": kubelet(client=None)})


@proves(CSR, kind=ABSENT)
@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param({"wk-1": kubelet()}, id="thirty days sharp"),
        pytest.param({"wk-1": kubelet(own=PAST)}, id="a leftover that the kubelet had signed itself"),
        pytest.param({"wk-1": kubelet(serving=None, own=FINE)}, id="signed by itself"),
        pytest.param({"wk-1": kubelet(client=SOON, cluster="other")}, id="a node of another cluster"),
        pytest.param({"ws": Machine(roles=("workstation",), cluster="hub")}, id="a workstation"),
    ],
)
def test_certificates_that_are_fine(hazard, hosts):
    return asked(hosts=hosts)


@proves(CSR, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_requests_in_a_cluster_that_stays(hazard):
    return asked(request("csr-a"), upgrade="none")


@proves(CSR, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        {"broken": {REQUESTS: "forbidden"}},
        {"broken": {REQUESTS: "not-served"}},
        {"broken": {"*": "unreachable"}},
    ],
    ids=str,
)
def test_requests_cannot_be_known(hazard, world):
    return asked(request("csr-a"), **world)


@proves(CSR, kind=UNREADABLE)
@pytest.mark.parametrize("world", [{"date": ""}, {"date": "soon"}], ids=str)
def test_how_old_a_request_is_cannot_be_known(hazard, world):
    return asked(request("csr-a"), **world)


@proves(CSR, kind=UNREADABLE)
def test_a_request_without_a_time(hazard):
    return asked(request("csr-a", ""))


REFUSED = Said(stderr="sudo: a password is required\n", rc=1)


@proves(CSR, kind=UNREADABLE, says=["wk-1"])
@pytest.mark.parametrize(
    "node",
    [
        pytest.param(kubelet(**{LS: REFUSED}), id="sudo refused"),
        pytest.param(
            kubelet(**{LS: Said(stderr="ls: cannot access: No such file or directory", rc=2)}), id="no folder"
        ),
        pytest.param(kubelet(**{END.format(CURRENT[0]): REFUSED}), id="sudo refused for one"),
        pytest.param(kubelet(**{END.format(CURRENT[1]): Said(stderr="openssl: not found", rc=127)}), id="no openssl"),
        pytest.param(kubelet(client=None), id="no client certificate"),
        pytest.param(kubelet(serving=None), id="no serving certificate"),
        pytest.param(kubelet(client="tomorrow"), id="no time"),
        pytest.param(kubelet(names=[*CURRENT], client=None), id="a broken link"),
        pytest.param(kubelet(**{"date +%s": "noon\n"}), id="no clock"),
    ],
)
def test_certificates_cannot_be_known(hazard, node):
    return asked(hosts={"wk-1": node})


@proves(CSR, kind=UNREADABLE, says=["no kubeconfig is given for cluster prod"])
def test_requests_of_a_user_cluster_that_nobody_can_ask(hazard):
    clusters = {
        "hub": admin_api(cluster("hub", "admin"), cluster("prod")),
        "prod": Api(role="user", manager="hub", connected=False),
    }
    return evaluate(hazard, clusters=clusters, subject="prod")
