"""Kubeconfig files: found, merged and checked before anything is contacted.

Files are merged as kubectl does it: of two entries with one name, and of two current contexts, the first file's counts;
paths in an entry are relative to the file that holds it. Everything wrong is an `InvalidKubeconfigFile` whose
message never shows a value from the file that could be a secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from conformance.gather.homes import at_home
from conformance.gather.pem import InvalidPem, check_authority, check_pair, decoded
from conformance.gather.wording import plain

__all__ = ["Connection", "InvalidKubeconfigFile", "check_kubeconfig", "default_context_name", "load"]

#: Where Kubernetes puts the credentials of a pod.
SERVICE_ACCOUNT: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")
IN_CLUSTER: Final = "in-cluster"

_LISTS: Final = (("contexts", "context"), ("clusters", "cluster"), ("users", "user"))
_HELP: Final = "give --kubeconfig FILE or set KUBECONFIG"
_PROXIES: Final = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
#: Fields that must be text: YAML reads an unquoted token of digits as a number.
_TEXTS: Final = {
    "cluster": ("server", "certificate-authority", "certificate-authority-data", "tls-server-name", "proxy-url"),
    "user": (
        "client-certificate",
        "client-certificate-data",
        "client-key",
        "client-key-data",
        "token",
        "tokenFile",
        "username",
        "password",
    ),
    "context": ("cluster", "user", "namespace"),
}


class InvalidKubeconfigFile(ValueError):
    """A kubeconfig that cannot be used as it is; the message is one line for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One context of a kubeconfig, checked: which API server, as whom. Nothing in its `repr` is secret."""

    #: The file that defines the context, or "in-cluster".
    source: str
    context: str
    cluster: str
    #: The name of the user entry; empty where the context has none and requests go out anonymously.
    user: str
    namespace: str
    #: ``https://host:port/path``, without user and password.
    server: str
    #: The entries as the file has them, paths made absolute.
    cluster_entry: Mapping[str, Any] = field(repr=False)
    user_entry: Mapping[str, Any] = field(repr=False)

    @property
    def where(self) -> str:
        """Host and port of the API server, for messages."""
        return urlsplit(self.server).netloc

    @property
    def tls(self) -> str:
        """How the API server proves who it is, for the report: "verified" or why it is not."""
        if self.server.startswith("http:"):
            return "not verified: the kubeconfig asks for plain HTTP"
        if self.cluster_entry.get("insecure-skip-tls-verify"):
            return "not verified: the kubeconfig sets insecure-skip-tls-verify"
        return "verified"


@dataclass(frozen=True, slots=True)
class _Entry:
    value: dict[str, Any]
    file: Path


@dataclass(frozen=True, slots=True)
class _Merged:
    files: tuple[Path, ...]
    current: str
    entries: Mapping[str, Mapping[str, _Entry]]

    @property
    def name(self) -> str:
        return ", ".join(map(str, self.files))


def load(kubeconfig: Path | None, context: str | None) -> Connection:
    """The connection that `context` of `kubeconfig` describes; its current context where none is named.

    Without `kubeconfig`: the files that KUBECONFIG names, ~/.kube/config, the service account of the pod that
    this runs in - the first of these that is there.

    :raises InvalidKubeconfigFile: nothing usable is there; nothing has been contacted.
    """
    files = _files(kubeconfig)
    if files:
        return _connection(_merge(files), context)
    if context is not None:
        raise InvalidKubeconfigFile(f"context {context!r}: there is no kubeconfig to find it in; {_HELP}")
    return _in_cluster()


def check_kubeconfig(path: Path | None, context: str | None = None) -> None:
    """Check all of a kubeconfig that can be checked without contacting anybody.

    :raises InvalidKubeconfigFile: with what is wrong, in one line.
    """
    load(path, context)


def default_context_name(path: Path | None) -> str:
    """The context that is used where none is named; "in-cluster" for the service account of a pod.

    :raises InvalidKubeconfigFile: there is none.
    """
    return load(path, None).context


def _files(kubeconfig: Path | None) -> tuple[Path, ...]:
    """The files to read, empty where only the service account of a pod is left."""
    if kubeconfig is not None:
        return (at_home(kubeconfig),)
    named = [at_home(one) for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    if named:
        there = tuple(one for one in named if one.exists())
        if not there:
            raise InvalidKubeconfigFile(f"KUBECONFIG names {', '.join(map(str, named))}: no such file")
        return there
    usual = at_home("~/.kube/config")
    return (usual,) if usual.exists() else ()


def _merge(files: tuple[Path, ...]) -> _Merged:
    current = ""
    entries: dict[str, dict[str, _Entry]] = {plural: {} for plural, _ in _LISTS}
    for file in files:
        document = _read(file)
        current = current or _text(document.get("current-context"), f"{file}: current-context")
        for plural, singular in _LISTS:
            for name, value in _named(document.get(plural), plural, singular, file):
                entries[plural].setdefault(name, _Entry(value, file))
    return _Merged(files, current, entries)


def _read(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise InvalidKubeconfigFile(f"{file}: {error.strerror or 'cannot be read'}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        # The parser's own message quotes the line, and the line may be a token.
        mark = getattr(error, "problem_mark", None)
        at = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise InvalidKubeconfigFile(f"{file}: is not YAML{at}") from None
    if document is None:
        raise InvalidKubeconfigFile(f"{file}: is empty")
    if not isinstance(document, dict) or not any(plural in document for plural, _ in _LISTS):
        raise InvalidKubeconfigFile(f"{file}: is not a kubeconfig: it has no contexts, clusters or users")
    if document.get("kind", "Config") != "Config":
        raise InvalidKubeconfigFile(f"{file}: is not a kubeconfig: its kind is not Config")
    return document


def _named(listed: Any, plural: str, singular: str, file: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    if not isinstance(listed or [], list):
        raise InvalidKubeconfigFile(f"{file}: {plural} must be a list")
    seen: set[str] = set()
    for number, one in enumerate(listed or [], 1):
        if not isinstance(one, dict) or one.get("name") in (None, ""):
            raise InvalidKubeconfigFile(f"{file}: entry {number} of {plural} has no name")
        name = str(one["name"])
        if name in seen:
            raise InvalidKubeconfigFile(f"{file}: {plural} holds {plain(name)!r} twice")
        seen.add(name)
        value = one.get(singular) or {}
        if not isinstance(value, dict):
            raise InvalidKubeconfigFile(f"{file}: {singular} {plain(name)!r} must be a mapping")
        yield name, value


def _connection(merged: _Merged, wanted: str | None) -> Connection:
    there = ", ".join(sorted(map(plain, merged.entries["contexts"]))) or "none"
    name = wanted or merged.current
    if not name:
        raise InvalidKubeconfigFile(f"{merged.name}: sets no current-context; name one with --kube-context: {there}")
    if name not in merged.entries["contexts"]:
        raise InvalidKubeconfigFile(f"{merged.name}: has no context {plain(name)!r}; there are: {there}")
    found = merged.entries["contexts"][name]
    context = _checked_texts(found, "context", name)
    cluster = str(context.get("cluster") or "")
    user = str(context.get("user") or "")
    for plural, singular, entry in (("clusters", "cluster", cluster), ("users", "user", user)):
        if entry not in merged.entries[plural] and (entry or singular == "cluster"):
            why = f"names the {singular} {plain(entry)!r}, which is not defined" if entry else "names no cluster"
            raise InvalidKubeconfigFile(f"{found.file}: context {plain(name)!r} {why}")
    return Connection(
        source=str(found.file),
        context=name,
        cluster=cluster,
        user=user,
        namespace=str(context.get("namespace") or ""),
        server=(checked := _cluster(merged.entries["clusters"][cluster], cluster))[0],
        cluster_entry=checked[1],
        user_entry=_user(merged.entries["users"][user], user) if user else {},
    )


def _text(value: Any, where: str) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidKubeconfigFile(f"{where} must be text: put it in quotes")
    return value or ""


def _checked_texts(entry: _Entry, singular: str, name: str) -> dict[str, Any]:
    """The entry without fields that are empty, paths made absolute."""
    value = {key: one for key, one in entry.value.items() if one not in (None, "")}
    for key in _TEXTS[singular]:
        _text(value.get(key), f"{entry.file}: {key} of {singular} {plain(name)!r}")
    for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
        if key in value:
            value[key] = str(entry.file.absolute().parent / value[key])
    return value


def _cluster(entry: _Entry, name: str) -> tuple[str, dict[str, Any]]:
    """The server without credentials, and the checked entry."""
    value = _checked_texts(entry, "cluster", name)
    at = f"{entry.file}: cluster {plain(name)!r}"
    server = _url(value.get("server", ""), f"{at}: server")
    insecure = value.get("insecure-skip-tls-verify", False)
    if not isinstance(insecure, bool):
        raise InvalidKubeconfigFile(f"{at}: insecure-skip-tls-verify must be true or false, without quotes")
    if insecure and any(key.startswith("certificate-authority") for key in value):
        raise InvalidKubeconfigFile(
            f"{at}: has a certificate authority and insecure-skip-tls-verify; take one of them out"
        )
    if "proxy-url" in value:
        proxy = _url(value["proxy-url"], f"{at}: proxy-url", _PROXIES)
        if proxy.startswith("socks") and find_spec("socks") is None:
            raise InvalidKubeconfigFile(f"{at}: a SOCKS proxy-url needs PySocks: pip install 'urllib3[socks]'")
    if server.startswith("https:"):
        pem = _material(value, "certificate-authority", at)
        if pem is not None:
            try:
                check_authority(pem)
            except InvalidPem as error:
                raise InvalidKubeconfigFile(f"{at}: certificate-authority: {error}") from None
    return server, value


def _url(text: str, where: str, schemes: tuple[str, ...] = ("https", "http")) -> str:
    """`text` without user and password, checked to be a URL that can be connected to."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in schemes:
        # The value is not shown: a URL may hold a password.
        raise InvalidKubeconfigFile(f"{where} must be a URL such as {schemes[0]}://host:6443")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _user(entry: _Entry, name: str) -> dict[str, Any]:
    value = _checked_texts(entry, "user", name)
    at = f"{entry.file}: user {plain(name)!r}"
    certificate, key = (_material(value, kind, at) for kind in ("client-certificate", "client-key"))
    if (certificate is None) != (key is None):
        missing = "client-key" if key is None else "client-certificate"
        raise InvalidKubeconfigFile(f"{at}: {missing} is missing")
    if certificate is not None and key is not None:
        try:
            check_pair(certificate, key)
        except InvalidPem as error:
            raise InvalidKubeconfigFile(f"{at}: {error}") from None
    if acts_as := [one for one in value if one == "as" or one.startswith("as-")]:
        raise InvalidKubeconfigFile(f"{at}: {', '.join(acts_as)}: acting as somebody else is not supported")
    if "tokenFile" in value:
        _bytes(value["tokenFile"], f"{at}: tokenFile")
    for key_name in ("exec", "auth-provider"):
        if not isinstance(value.get(key_name, {}), dict):
            raise InvalidKubeconfigFile(f"{at}: {key_name} must be a mapping")
    if "exec" in value and not isinstance(value["exec"].get("command"), str):
        raise InvalidKubeconfigFile(f"{at}: exec names no command")
    return value


def _material(value: dict[str, Any], kind: str, at: str) -> bytes | None:
    """The PEM data of one kind; data counts before a file, which then is dropped from `value`."""
    if f"{kind}-data" in value:
        value.pop(kind, None)
        try:
            return decoded(value[f"{kind}-data"])
        except InvalidPem as error:
            raise InvalidKubeconfigFile(f"{at}: {kind}-data: {error}") from None
    return _bytes(value[kind], f"{at}: {kind}") if kind in value else None


def _bytes(file: str, where: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InvalidKubeconfigFile(f"{where}: {file}: {error.strerror or 'cannot be read'}") from None


def _in_cluster() -> Connection:
    """The service account of the pod that this runs in."""
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
    token, authority, namespace = (SERVICE_ACCOUNT / name for name in ("token", "ca.crt", "namespace"))
    if not (host and port and token.exists()):
        raise InvalidKubeconfigFile(f"no kubeconfig: KUBECONFIG is not set and there is no ~/.kube/config; {_HELP}")
    here = _Entry(
        {
            "server": f"https://{f'[{host}]' if ':' in host else host}:{port}",
            "certificate-authority": str(authority),
            "tokenFile": str(token),
        },
        token,
    )
    server, cluster = _cluster(here, IN_CLUSTER)
    return Connection(
        source=IN_CLUSTER,
        context=IN_CLUSTER,
        cluster=IN_CLUSTER,
        user="service account of this pod",
        namespace=namespace.read_text("utf-8").strip() if namespace.exists() else "",
        server=server,
        cluster_entry=cluster,
        user_entry=_user(here, IN_CLUSTER),
    )
