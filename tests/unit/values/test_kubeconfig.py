"""Where a kubeconfig leads, and that nothing secret comes along; trap by trap of abm-kubeconfig-secret-overwritten."""

import base64
import hashlib
import json
import traceback

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.facts.values import InvalidKubeconfig, KubeconfigCluster, KubeconfigFacts, ca_fingerprints

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SECRET = "c2VjcmV0LWtleS1tYXRlcmlhbA"  # noqa: S105 - looked for, nobody's


def der(name: str) -> bytes:
    return b"\x30\x82" + hashlib.sha512(name.encode()).digest() * 8


def pem(name: str, width: int = 64, newline: str = "\n") -> str:
    text = base64.b64encode(der(name)).decode()
    lines = [text[place : place + width] for place in range(0, len(text), width)]
    return newline.join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def fingerprint(name: str) -> str:
    return hashlib.sha256(der(name)).hexdigest()


def kubeconfig(*, name: str = "prod-user", server: str = "https://10.200.0.71:443", ca: str | None = "user") -> str:
    cluster = {"server": server} | ({"certificate-authority-data": encoded(pem(ca))} if ca else {})
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": f"{name}-admin@{name}",
            "preferences": {},
            "clusters": [{"name": name, "cluster": cluster}],
            "contexts": [
                {
                    "name": f"{name}-admin@{name}",
                    "context": {"cluster": name, "user": f"{name}-admin", "namespace": "x"},
                }
            ],
            "users": [
                {
                    "name": f"{name}-admin",
                    "user": {"client-key-data": SECRET, "token": SECRET, "username": SECRET, "password": SECRET},
                }
            ],
        }
    )


def test_what_is_kept():
    found = KubeconfigFacts.parse(kubeconfig())
    assert found.current_cluster == KubeconfigCluster("prod-user", "https://10.200.0.71:443", (fingerprint("user"),))
    (context,) = found.contexts
    assert (context.name, context.cluster, context.user) == (
        "prod-user-admin@prod-user",
        "prod-user",
        "prod-user-admin",
    )
    assert found.current_context == "prod-user-admin@prod-user"


def test_no_secret_is_kept():
    found = KubeconfigFacts.parse(
        kubeconfig(server=f"https://{SECRET}:{SECRET}@10.0.0.1:6443/x?token={SECRET}#{SECRET}")
    )
    assert found.current_cluster.server == "https://10.0.0.1:6443/x"
    assert SECRET not in repr(found) + json.dumps(found.to_dict())


def test_names_that_are_alike_do_not_hide_another_server_or_authority():
    user = KubeconfigFacts.parse(kubeconfig(name="prod")).current_cluster
    overwritten = KubeconfigFacts.parse(
        kubeconfig(name="prod", server="https://10.200.0.11:443", ca="admin")
    ).current_cluster
    assert user.name == overwritten.name
    assert user.endpoint != overwritten.endpoint
    assert user.ca_sha256 != overwritten.ca_sha256


def test_authorities_are_compared_as_certificates():
    once = (fingerprint("a"),)
    assert ca_fingerprints(pem("a")) == once
    assert ca_fingerprints(pem("a", 76, "\r\n")) == once
    assert ca_fingerprints("# the CA\nsubject=CN = x\n" + pem("a", 4000)) == once
    assert ca_fingerprints(pem("a") + pem("a")) == once
    both = tuple(sorted([fingerprint("a"), fingerprint("b")]))
    assert ca_fingerprints(pem("b") + "\n" + pem("a")) == ca_fingerprints(pem("a") + pem("b")) == both
    assert ca_fingerprints("") == ()
    wrapped = "\n".join([encoded(pem("a"))[:70], encoded(pem("a"))[70:]])
    text = yaml.safe_dump({"clusters": [{"name": "x", "cluster": {"certificate-authority-data": wrapped}}]})
    assert KubeconfigFacts.parse(text).clusters[0].ca_sha256 == once


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
        "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        pem("a") + pem("b")[:-9],
    ],
)
def test_a_broken_certificate_has_no_fingerprint(text):
    assert ca_fingerprints(text) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://10.0.0.1:443", "https://10.0.0.1", True), ("https://API.example.com./", "https://api.example.com:443", True),
        ("https://[2001:DB8::0:1]:6443", "https://[2001:db8::1]:6443/", True), ("http://a", "http://a:80", True),
        ("https://10.0.0.1:443", "https://10.0.0.1:6443", False), ("https://h/k8s/clusters/c-1", "https://h/k8s/clusters/c-2", False),
        ("https://10.0.0.1", "https://10.0.0.11", False),
    ],
)  # fmt: skip
def test_two_spellings_of_one_server(one, other, same):
    first, second = (KubeconfigCluster("x", server, ()) for server in (one, other))
    assert (first.endpoint == second.endpoint) is same


def test_a_context_that_leads_nowhere():
    found = KubeconfigFacts.parse("current-context: gone\ncontexts: [{name: a, context: {cluster: missing}}]")
    assert found.current_cluster is None
    assert found.cluster_of("a") is None
    assert KubeconfigFacts.parse("contexts: null\nclusters:\n") == KubeconfigFacts((), "", ())


@pytest.mark.parametrize(
    "text",
    [
        "", "just text", "- a", "{", "kind: Secret", "clusters: {}", "clusters: [x]", "clusters: [{cluster: {}}]", "clusters: [{name: 1}]",
        "clusters: [{name: x, cluster: y}]", "clusters: [{name: x, cluster: {server: 1}}]", "current-context: [x]",
        "clusters: [{name: x}, {name: x}]", "contexts: [{name: x, context: {user: 1}}]",
        "clusters: [{name: x, cluster: {certificate-authority-data: '%%%'}}]",
        "clusters: [{name: x, cluster: {certificate-authority-data: aGVsbG8=}}]",
        "clusters: [{name: x, cluster: {certificate-authority-data: //79}}]",
        "a: 1\n---\nb: 2", "!!python/object/apply:os.system [id]", "!!timestamp x", "!!bool x", "[" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_kubeconfig_is_refused(text):
    with pytest.raises(InvalidKubeconfig, match="expected"):
        KubeconfigFacts.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        f"users: [{{token: {SECRET}", f"{SECRET}", f"token: {SECRET}\n\tx: [", f"token: !!int '{SECRET}'", f"token: !{SECRET} x",
        f"clusters: {SECRET}", f"kind: {SECRET}", f"clusters: [{{name: {SECRET}}}, {{name: {SECRET}}}]",
        f"clusters: [{{name: x, cluster: {{certificate-authority-data: '{SECRET}'}}}}]",
    ],
)  # fmt: skip
def test_a_refusal_never_quotes_the_text(text):
    with pytest.raises(InvalidKubeconfig) as refused:
        KubeconfigFacts.parse(text)
    assert SECRET not in "".join(traceback.format_exception(refused.value)).replace(__file__, "")
    assert refused.value.__context__ is None


def test_out_of_a_secret():
    text = kubeconfig()
    assert KubeconfigFacts.from_secret(encoded(text)) == KubeconfigFacts.parse(text)
    for value in ("%%%", "abc", "é", base64.b64encode(b"\xff\xfe").decode(), ""):
        with pytest.raises(InvalidKubeconfig):
            KubeconfigFacts.from_secret(value)


@pytest.mark.parametrize(
    "stored",
    [
        {"contexts": 1}, {"contexts": [1], "clusters": [], "current_context": ""}, {"current_context": 1},
        {"clusters": [{"name": "x", "server": "y"}]}, {"clusters": [{"name": "x", "server": "y", "ca_sha256": [1]}]},
        {"clusters": [{"name": "x", "server": 1, "ca_sha256": []}]},
    ],
)  # fmt: skip
def test_what_was_not_stored_by_us_is_refused(stored):
    with pytest.raises(InvalidKubeconfig):
        KubeconfigFacts.from_dict(stored)


@PATIENT
@given(st.one_of(st.text(), st.text("{}[]:,-!&*?|>'\" \nclusters")))
def test_any_text_is_a_kubeconfig_or_is_refused(text):
    for value in (
        text,
        "clusters: " + text,
        "clusters: [{name: x, cluster: {server: '" + text.replace("'", "") + "'}}]",
    ):
        try:
            found = KubeconfigFacts.parse(value)
        except InvalidKubeconfig:
            continue
        assert KubeconfigFacts.from_dict(json.loads(json.dumps(found.to_dict()))) == found
        assert all(cluster.endpoint for cluster in found.clusters)
    try:
        KubeconfigFacts.from_secret(text)
    except InvalidKubeconfig:
        pass


@PATIENT
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["contexts", "clusters", "name", "server", "ca_sha256", "current_context"]), inner
            ),
        ),
    )
)
def test_any_document_was_stored_by_us_or_is_refused(stored):
    if isinstance(stored, dict):
        try:
            found = KubeconfigFacts.from_dict(stored)
        except InvalidKubeconfig:
            return
        assert KubeconfigFacts.from_dict(found.to_dict()) == found


@PATIENT
@given(st.text(max_size=300))
def test_any_text_has_fingerprints_or_none(text):
    for value in (text, f"-----BEGIN CERTIFICATE-----{text}-----END CERTIFICATE-----"):
        found = ca_fingerprints(value)
        assert found is None or all(len(one) == 64 for one in found)
