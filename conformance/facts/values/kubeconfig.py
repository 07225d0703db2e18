"""Where a kubeconfig leads, without any of its secrets. Format: Config of the Kubernetes client, version v1."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any, Final

from conformance.facts.values._documents import mapping_in

__all__ = [
    "InvalidKubeconfig",
    "KubeconfigCluster",
    "KubeconfigContext",
    "KubeconfigFacts",
    "ca_fingerprints",
]

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_CERTIFICATE: Final = re.compile(_BEGIN + r"([^-]*)-----END CERTIFICATE-----")
_PORTS: Final = {"https": 443, "http": 80}


class InvalidKubeconfig(ValueError):
    """A text that is no kubeconfig. The message names the place and what was expected, never what stands there."""


@dataclass(frozen=True, slots=True)
class KubeconfigContext:
    """A context: which cluster, as which user; all three are names."""

    name: str
    cluster: str
    user: str


@dataclass(frozen=True, slots=True)
class KubeconfigCluster:
    """A cluster: where its API server is and whom it is trusted by."""

    name: str
    #: The URL without user, password, query and fragment; empty where there is none.
    server: str
    #: SHA-256 of every certificate in certificate-authority-data, in hexadecimal, sorted; a CA file is not read.
    ca_sha256: tuple[str, ...]

    @property
    def endpoint(self) -> tuple[str, int | None, str]:
        """Host, port and path, by which two spellings of one server are equal. Proxies tell clusters by the path."""
        scheme, _, rest = self.server.rpartition("://")
        authority, _, path = rest.partition("/")
        host, _, port = authority.rpartition(":") if re.search(r":[0-9]+$", authority) else (authority, "", "")
        host = host.strip("[]").rstrip(".").lower()
        with contextlib.suppress(ValueError):  # a name is no address
            host = ip_address(host).compressed
        return host, int(port) if port else _PORTS.get(scheme.lower()), path.rstrip("/")


@dataclass(frozen=True, slots=True)
class KubeconfigFacts:
    r"""The contexts and clusters of a kubeconfig; its users' keys, tokens and passwords are left behind.

    >>> text = "contexts: [{name: a, context: {cluster: one, user: me}}]\ncurrent-context: a\n"
    >>> facts = KubeconfigFacts.parse(text + "clusters: [{name: one, cluster: {server: 'https://10.0.0.8:443'}}]")
    >>> facts.current_cluster.endpoint
    ('10.0.0.8', 443, '')
    """

    contexts: tuple[KubeconfigContext, ...]
    #: Name of a context; empty where none is chosen.
    current_context: str
    clusters: tuple[KubeconfigCluster, ...]

    @classmethod
    def parse(cls, text: str) -> KubeconfigFacts:
        """What the YAML or JSON text of a kubeconfig says.

        :raises InvalidKubeconfig: it is none.
        """
        document = mapping_in(text)
        if document is None:
            raise _expected("kubeconfig", "one YAML mapping")
        if document.get("kind", "Config") != "Config":
            raise _expected("kind", "Config")
        contexts = tuple(
            KubeconfigContext(name, _text(body, "cluster", place), _text(body, "user", place))
            for place, name, body in _entries(document, "contexts", "context")
        )
        clusters = tuple(
            KubeconfigCluster(name, _server(body, place), _authorities(body, place))
            for place, name, body in _entries(document, "clusters", "cluster")
        )
        return cls(contexts, _text(document, "current-context", "kubeconfig"), clusters)

    @classmethod
    def from_secret(cls, value: str) -> KubeconfigFacts:
        """What a kubeconfig says that stands base64-encoded in a Secret's data.

        :raises InvalidKubeconfig: it is no base64, no UTF-8 or no kubeconfig.
        """
        data = _decoded(value)
        text = _utf8(data) if data is not None else None
        if text is None:
            raise _expected("kubeconfig secret", "UTF-8 text in base64")
        return cls.parse(text)

    def cluster_of(self, context: str) -> KubeconfigCluster | None:
        """The cluster that a context leads to; None where either is missing."""
        names = [one.cluster for one in self.contexts if one.name == context]
        return next((one for one in self.clusters if one.name in names), None)

    @property
    def current_cluster(self) -> KubeconfigCluster | None:
        """The cluster that the current context leads to."""
        return self.cluster_of(self.current_context)

    def to_dict(self) -> dict[str, Any]:
        """The facts in the types of JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> KubeconfigFacts:
        """The facts that `to_dict` gave, also after a way through JSON.

        :raises InvalidKubeconfig: it gave them not.
        """
        contexts = tuple(
            KubeconfigContext(*(_text(one, key, place) for key in ("name", "cluster", "user")))
            for place, one in _mappings(stored, "contexts")
        )
        clusters = tuple(
            KubeconfigCluster(_text(one, "name", place), _text(one, "server", place), _texts(one, "ca_sha256", place))
            for place, one in _mappings(stored, "clusters")
        )
        return cls(contexts, _text(stored, "current_context", "stored"), clusters)


def ca_fingerprints(pem: str) -> tuple[str, ...] | None:
    """SHA-256 of every certificate in a PEM text, in hexadecimal, sorted; None where one is not well-formed.

    Certificates are compared, not texts: line breaks, order and repetition make no difference.
    """
    blocks = _CERTIFICATE.findall(pem)
    ders = [_decoded(block) for block in blocks]
    if len(blocks) != pem.count(_BEGIN) or not all(ders):
        return None
    return tuple(sorted({hashlib.sha256(der).hexdigest() for der in ders if der}))


def _decoded(text: str) -> bytes | None:
    # Errors end here: those of base64 and UTF-8 carry what they choked on.
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _server(cluster: Mapping[str, Any], place: str) -> str:
    url = re.split(r"[?#]", _text(cluster, "server", place), maxsplit=1)[0]
    scheme, separator, rest = url.rpartition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path


def _authorities(cluster: Mapping[str, Any], place: str) -> tuple[str, ...]:
    field = "certificate-authority-data"
    data = _text(cluster, field, place)
    pem = _utf8(_decoded(data) or b"") if data else None
    found = ca_fingerprints(pem) if pem else None
    if data and not found:
        raise _expected(f"{place}.{field}", "PEM certificates in base64")
    return found or ()


def _entries(document: Mapping[str, Any], key: str, inner: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Place, name and body of each entry of a list such as clusters."""
    names = set()
    for place, entry in _mappings(document, key):
        name, body = _text(entry, "name", place), entry.get(inner) or {}
        if not isinstance(body, Mapping):
            raise _expected(f"{place}.{inner}", "a mapping")
        # The client refuses a repeated one, too. An empty one is what kubeadm's cluster-info has.
        if "name" not in entry or name in names:
            raise _expected(f"{place}.name", "a name of its own")
        names.add(name)
        yield f"{place}.{inner}", name, body


def _mappings(document: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entries = document.get(key)
    if not isinstance(entries, list | tuple | None):
        raise _expected(key, "a list")
    for place, entry in enumerate(entries or ()):
        if not isinstance(entry, Mapping):
            raise _expected(f"{key}[{place}]", "a mapping")
        yield f"{key}[{place}]", entry


def _text(body: Mapping[str, Any], key: str, place: str) -> str:
    value = body.get(key)
    if not isinstance(value, str | None):
        raise _expected(f"{place}.{key}", "text")
    return value or ""


def _texts(body: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    values = body.get(key)
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise _expected(f"{place}.{key}", "a list of texts")
    return tuple(values)


def _expected(place: str, what: str) -> InvalidKubeconfig:
    return InvalidKubeconfig(f"{place}: expected {what}")
