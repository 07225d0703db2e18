"""Text from elsewhere in a message: one line, nothing that could be a secret."""

from __future__ import annotations

import time

import pytest

from conformance.gather.wording import clean, one_line, plain


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
        "k8s-aws-v1.aHR0cHM6Ly9zdHM=",
        "Bearer abc",
        "https://me:password@host",
        "AbCd1234AbCd1234AbCd1234AbCd1234",
        "0123456789abcdef0123456789abcdef",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_SECRET_ACCESS_KEY=wJalrXUtn+EMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "--token abcdef.0123456789abcdef",
    ],
)
def test_secrets_are_left_out(secret: str) -> None:
    shown = one_line(f"it said {secret} and so on")
    assert shown.startswith("it said ")
    assert "[…]" in shown
    for part in ("eyJ", "aHR0", "abc", "password", "AbCd", "cdef", "MIIE", "wJalr", "KEY\n", "0123"):
        assert part not in shown


@pytest.mark.parametrize(
    "text",
    [
        'pods is forbidden: User "system:serviceaccount:preflight:reader" cannot list resource "pods"',
        "gke_my-very-long-project-name_europe-west1-b_production-cluster-number-one",
        "arn:aws:eks:eu-central-1:123456789012:cluster/production",
        'configmaps "vsphere-csi-controller-configuration-of-the-production-cluster" not found',
        "日本語のメッセージ",
        "/var/lib/Kubelet/pods/Abc1/volumes/abcd1",
        "docker.internalregistry",
        "node-1.17a3f5b2c4d5e6f7",
    ],
)
def test_names_stay_as_they_are(text: str) -> None:
    assert one_line(text) == text
    assert plain(text) == text


def test_one_line_of_limited_length() -> None:
    assert one_line("a\n\tb\x1b[31mc\u2028d\x00") == "a b [31mc d"
    assert len(one_line("x " * 10_000)) == 240
    assert len(one_line("x " * 10_000, limit=20)) == 20


@pytest.mark.parametrize("piece", ["a-", "aB1-", "a_", "a/", "aB1/", "a.", "abcdef.", "0", "=a"])
def test_a_long_line_takes_no_long_time(piece: str) -> None:
    started = time.process_time()
    clean(piece * (200_000 // len(piece)))
    assert time.process_time() - started < 2
