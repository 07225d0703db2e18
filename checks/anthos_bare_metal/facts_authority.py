"""The cluster's own CA, and the one that its ClientConfig hands to everybody who logs in."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance import NotApplicable, Unreadable, cluster_fact, listing, named
from conformance.facts.values.certificates import Certificate, InvalidCertificates, certificates_in
from conformance.facts.values.kubeconfig import InvalidKubeconfig, KubeconfigFacts
from conformance.reads.projection import value_at

__all__ = ["ClientConfig", "ClusterCa", "abm_client_config", "abm_cluster_ca"]

_PUBLIC: Final = "kube-public"
_KIND: Final = "clientconfigs.authentication.gke.io"
_CLIENT_CONFIGS = listing(_KIND, required=False)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """ClientConfig ``default`` in kube-public."""

    certificates: tuple[Certificate, ...]
    #: Why it holds none, empty where it does.
    invalid: str


@dataclass(frozen=True, slots=True)
class ClusterCa:
    """What the cluster itself publishes as its CA; two certificates and more while it is rotated."""

    #: The ConfigMap that it was read of.
    place: str
    certificates: tuple[Certificate, ...]


def client_config_ca(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of a ClientConfig: its CA, by fingerprints; the secrets of identity providers stay behind."""
    meta = obj["metadata"]
    found = {"name": meta["name"], "namespace": meta.get("namespace", "")}
    data = value_at(obj, "spec.certificateAuthorityData")
    if not data:
        return {**found, "invalid": "it is not set"}
    if not isinstance(data, str):
        return {**found, "invalid": "it is no text"}
    try:
        # The field is base64 of PEM; bare PEM works for some clients, and is the same certificate.
        pem = data if "-----BEGIN" in data else base64.b64decode("".join(data.split()), validate=True).decode("ascii")
        return {**found, **_stored(pem)}
    except ValueError:
        return {**found, "invalid": "no base64 of a certificate in PEM form"}


def root_ca(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of the ConfigMap that the controller manager puts into every namespace: the CA, by fingerprints."""
    return _stored(str(value_at(obj, "data[ca.crt]") or ""))


def cluster_info_ca(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of kubeadm's ConfigMap cluster-info: the CA, by fingerprints."""
    try:
        clusters = KubeconfigFacts.parse(str(value_at(obj, "data.kubeconfig") or "")).clusters
    except InvalidKubeconfig as error:
        return {"invalid": str(error)}
    digests = dict.fromkeys(digest for one in clusters for digest in one.ca_sha256)
    return {"ca": [Certificate(digest, None).to_dict() for digest in digests]}


def _stored(pem: str) -> dict[str, Any]:
    try:
        return {"ca": [one.to_dict() for one in certificates_in(pem)]}
    except InvalidCertificates as error:
        return {"invalid": str(error)}


def _certificates(stored: Mapping[str, Any]) -> tuple[Certificate, ...]:
    return tuple(Certificate.from_dict(one) for one in stored.get("ca", ()))


@cluster_fact(listing(_KIND, required=False, reduce=client_config_ca))
def abm_client_config(objects: Iterable[Mapping[str, Any]]) -> ClientConfig:
    """ClientConfig ``default`` of kube-public, from which everybody's kubeconfig for a login is made."""
    for one in objects:
        if (one["namespace"], one["name"]) == (_PUBLIC, "default"):
            return ClientConfig(_certificates(one), one.get("invalid", ""))
    raise NotApplicable(f"there is no ClientConfig default in {_PUBLIC}: nobody logs in through it")


def _of_every_config(name: str, reduce: Any) -> Any:
    where = ("metadata.name", "default")
    return named("configmaps", over=_CLIENT_CONFIGS, where=where, namespace=_PUBLIC, name=name, reduce=reduce)


@cluster_fact(_of_every_config("kube-root-ca.crt", root_ca), _of_every_config("cluster-info", cluster_info_ca))
def abm_cluster_ca(root: Mapping[str, Any], info: Mapping[str, Any]) -> ClusterCa:
    """The CA of the very cluster: kube-root-ca.crt, which the cluster keeps up to date, else cluster-info of kubeadm.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ - kube-root-ca.crt is there
    from Kubernetes 1.20 on.
    """
    for objects in (root, info):
        for key in objects:
            held = objects[key]
            if held is None:
                continue
            if "invalid" in held or not held["ca"]:
                raise Unreadable(f"configmap {key} holds no CA: {held.get('invalid', 'there is none in it')}")
            return ClusterCa(key, _certificates(held))
    raise Unreadable(f"{_PUBLIC} has neither a ConfigMap kube-root-ca.crt nor cluster-info: what is the cluster's CA?")
