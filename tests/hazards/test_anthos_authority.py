"""The CA of a cluster, and the one in its ClientConfig."""

from __future__ import annotations

import base64
import datetime
import functools
import textwrap

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.hazards.anthos import admin_api, cluster, kubeconfig
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

CLIENT = "abm-ca-rotation-clientconfig"
KIND = "clientconfigs.authentication.gke.io"
SECRET = "the-client-secret-of-the-identity-provider"


@functools.cache
def authority(year):
    """The certificate of a CA that was made in this year, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    begin = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=3650))
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


OLD, NEW, OTHER = authority(2019), authority(2021), authority(2020)
TWIN = authority.__wrapped__(2021)
#: As kubeadm made them for years, with serial number 0; made by openssl, for the library refuses to.
NUMBERED_0 = """\
-----BEGIN CERTIFICATE-----
MIIBbjCCARSgAwIBAgIBADAKBggqhkjOPQQDAjAVMRMwEQYDVQQDDAprdWJlcm5l
dGVzMCAXDTI2MTEyMTIzMzgxNVoYDzIxMjYxMDI4MjMzODE1WjAVMRMwEQYDVQQD
DAprdWJlcm5ldGVzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESaL8P4bZblCX
ob4X0UQT99TriteQC5RiJyzxYwd9TbTchHJchJwdKR6yuNUHPbAWaYrGSnWKNuN+
YuvTNU2PR6NTMFEwHQYDVR0OBBYEFCkrgA7/f4padd53Mq0Cnxsr6RYRMB8GA1Ud
IwQYMBaAFCkrgA7/f4padd53Mq0Cnxsr6RYRMA8GA1UdEwEB/wQFMAMBAf8wCgYI
KoZIzj0EAwIDSAAwRQIhANqwfDuQnmh5kkT2QcKUZC2m1EIjTRTkjzKJl20ejF9f
AiA3ZDjsMXYUNGVh/Z29CbXawpQh0JN0HEedRTNr9Ztwcw==
-----END CERTIFICATE-----
"""


def encoded(pem):
    return base64.b64encode(pem.encode()).decode()


def config(data, name="default", namespace="kube-public"):
    inside = {"certificateAuthorityData": encoded(OTHER), "oidc": {"clientSecret": SECRET}}
    spec = {"name": "prod", "server": "https://10.200.0.49:443", "authentication": [inside]}
    if data is not None:
        spec["certificateAuthorityData"] = data
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def published(pem, name="kube-root-ca.crt", key="ca.crt", namespace="kube-public"):
    return {"metadata": {"name": name, "namespace": namespace}, "data": {key: pem}}


def info(pem):
    return published(kubeconfig("", "https://10.200.0.49:443", pem), "cluster-info", "kubeconfig")


def logged_in(data, root=NEW, *more, configs=None, **world):
    """A cluster whose ClientConfig holds these data, and whose kube-root-ca.crt holds `root`."""
    api = admin_api(cluster("hub", "hybrid"), **world)
    api.objects[KIND] = [config(data)] if configs is None else configs
    api.objects["configmaps"] = [*([published(root)] if root is not None else []), *more]
    found = evaluate(CLIENT, clusters={"hub": api})
    assert SECRET not in str(found)
    return found


@proves(
    CLIENT,
    kind=PRESENT,
    says=["clientconfig kube-public/default", "is not the cluster's CA"],
    line="clientconfig kube-public/default: certificateAuthorityData sha256 ",
    remedy="kubectl -n kube-public patch clientconfigs.authentication.gke.io default",
)
@pytest.mark.parametrize("held", [OLD, OTHER, TWIN])
def test_the_old_ca_is_left(hazard, held):
    return logged_in(encoded(held))


@proves(
    CLIENT, kind=PRESENT, says=["none of them the cluster's"], line="configmap kube-public/kube-root-ca.crt: sha256 "
)
def test_a_bundle_of_others(hazard):
    return logged_in(encoded(OLD + OTHER))


@proves(CLIENT, kind=PRESENT, says=["is the old CA", "a newer one", "2021-01-01"])
@pytest.mark.parametrize("bundle", [OLD + NEW, NEW + OLD])
def test_only_the_old_one_while_both_are_trusted(hazard, bundle):
    return logged_in(encoded(OLD), bundle)


@proves(CLIENT, kind=PRESENT, says=["holds no CA"])
@pytest.mark.parametrize(
    "data",
    [
        None,
        "",
        7,
        "LS0tLS1CRUdJTg==",
        "not base64",
        encoded(NEW)[:-60],
        encoded(NEW.replace("CERTIFICATE", "PRIVATE KEY")),
        encoded(NEW.replace(NEW.split("\n")[1], "AAAA")),
        encoded("\xe9" + NEW),
    ],
    ids=lambda data: str(data)[:20],
)
def test_what_is_no_ca(hazard, data):
    return logged_in(data)


@proves(CLIENT, kind=PRESENT, says=["is not the cluster's CA"], line="configmap kube-public/cluster-info: sha256 ")
def test_before_kubernetes_1_20_cluster_info_tells(hazard):
    return logged_in(encoded(OLD), None, info(NEW))


@proves(CLIENT, kind=ABSENT)
@pytest.mark.parametrize(
    ("data", "root"),
    [
        pytest.param(encoded(NEW), NEW, id="the same"),
        pytest.param(encoded(NUMBERED_0), NUMBERED_0, id="of kubeadm, with serial number 0"),
        pytest.param(encoded(NEW), f"# the CA\n{NEW}", id="a comment in it"),
        pytest.param(encoded(NEW), NEW.replace("\n", "\r\n"), id="other line ends"),
        pytest.param(
            encoded("\n".join([NEW.split("\n")[0], "".join(NEW.split("\n")[1:-2]), *NEW.split("\n")[-2:]])),
            NEW,
            id="one line",
        ),
        pytest.param("\n".join(textwrap.wrap(encoded(NEW), 76)), NEW, id="wrapped base64"),
        pytest.param(NEW, NEW, id="bare PEM"),
        pytest.param(encoded(OLD + NEW), NEW, id="the old one beside it"),
        pytest.param(encoded(NEW + OLD), OLD + NEW, id="both, in another order"),
        pytest.param(encoded(NEW + NEW), NEW, id="twice"),
    ],
)
def test_the_current_ca_however_written(hazard, data, root):
    return logged_in(data, root)


@proves(CLIENT, kind=ABSENT)
def test_the_new_one_while_both_are_trusted(hazard):
    found = logged_in(encoded(NEW), OLD + NEW)
    assert "a rotation of the CA is under way" in found.message
    return found


@proves(CLIENT, kind=ABSENT)
def test_kube_root_ca_counts_before_cluster_info(hazard):
    return logged_in(encoded(NEW), NEW, info(OLD))


@proves(CLIENT, kind=ABSENT)
def test_bundles_in_cluster_info(hazard):
    return logged_in(encoded(NEW + OLD), None, info(OLD + NEW))


@proves(CLIENT, kind=ABSENT)
def test_other_client_configs_do_not_count(hazard):
    others = [config(encoded(OLD), "other"), config(encoded(OLD), namespace="team-a")]
    return logged_in(None, configs=[*others, config(encoded(NEW))])


@proves(CLIENT, kind=NOT_APPLICABLE, says=["there is no ClientConfig default in kube-public"])
@pytest.mark.parametrize("configs", [[], [config(encoded(OLD), "other"), config(encoded(OLD), namespace="team-a")]])
def test_nobody_logs_in_through_it(hazard, configs):
    return logged_in(None, configs=configs)


@proves(CLIENT, kind=NOT_APPLICABLE, says=[f"does not serve {KIND}"])
def test_the_kind_is_not_served(hazard):
    return evaluate(hazard, clusters={"hub": admin_api(cluster("hub", "hybrid"))})


@proves(CLIENT, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_the_ca_of_a_cluster_that_stays(hazard):
    return logged_in(encoded(OLD), upgrade="none")


@proves(CLIENT, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        {"broken": {KIND: "forbidden"}},
        {"broken": {"configmaps": "forbidden"}},
        {"broken": {"configmaps kube-public/kube-root-ca.crt": "forbidden"}},
        {"broken": {"*": "unreachable"}},
        {"root": None},
        {"root": ""},
        {"root": "no certificate"},
        {"root": NEW[:200]},
    ],
    ids=["kind", "maps", "map", "everything", "no map", "empty", "no certificate", "cut off"],
)
def test_the_ca_cannot_be_known(hazard, world):
    return logged_in(encoded(OLD), **world)


@proves(CLIENT, kind=UNREADABLE, says=["which is the new one"])
@pytest.mark.parametrize("maps", [(None, info(OLD + NEW)), (TWIN + NEW,)])
def test_nobody_can_tell_which_one_is_new(hazard, maps):
    return logged_in(encoded(NEW), *maps)


@proves(CLIENT, kind=UNREADABLE, says=["cluster-info"])
@pytest.mark.parametrize("text", ["a: [", "clusters: []"])
def test_cluster_info_holds_nothing(hazard, text):
    return logged_in(encoded(NEW), None, published(text, "cluster-info", "kubeconfig"))


@proves(CLIENT, kind=UNREADABLE, says=["no kubeconfig is given for cluster prod"])
def test_the_ca_of_a_user_cluster_that_nobody_can_ask(hazard):
    # The admin cluster's own ClientConfig says nothing of it.
    api = admin_api(cluster("hub", "admin"), cluster("prod"))
    api.objects[KIND] = [config(encoded(NEW))]
    clusters = {"hub": api, "prod": Api(role="user", manager="hub", connected=False)}
    return evaluate(hazard, clusters=clusters, subject="prod")
