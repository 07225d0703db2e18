"""The certificates of a node's kubelet: until when they are valid, and nothing else of the files that hold its keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from conformance.answers import Unreadable
from conformance.facts.declare import host_fact
from conformance.facts.values.moments import openssl_time
from conformance.reads import Command, command

__all__ = ["KubeletCertificate", "host_time", "kubelet_certificates"]

_PKI: Final = "/var/lib/kubelet/pki"
_CLIENT: Final = "kubelet-client-current.pem"
_SERVING: Final = "kubelet-server-current.pem"
#: What a kubelet signs itself when it starts without a serving certificate; a leftover once it has another one.
_OWN: Final = "kubelet.crt"


@dataclass(frozen=True, slots=True)
class KubeletCertificate:
    """One certificate of a kubelet, as far as its end goes."""

    path: str
    #: ``client``: with which it asks the API server; ``serving``: with which it answers.
    use: str
    expires: datetime
    #: As openssl printed it.
    line: str


@host_fact("date +%s")
def host_time(output: str) -> datetime:
    """What time it was on the host when it was read, by its own clock, in UTC."""
    return datetime.fromtimestamp(int(output), UTC)


def _end_of(name: str) -> Command:
    # 1 is also what it ends with where there is no such file; the listing tells.
    return command(f"/usr/bin/openssl x509 -noout -enddate -in {_PKI}/{name}", sudo=True, ok=(0, 1))


@host_fact(command(f"/bin/ls {_PKI}", sudo=True), _end_of(_CLIENT), _end_of(_SERVING), _end_of(_OWN))
def kubelet_certificates(names: str, client: str, serving: str, own: str) -> list[KubeletCertificate]:
    """The certificates that the kubelet uses now: that of the client, then that of the server.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/ - after a rotation
    ``…-current.pem`` is a link to the newest file; kubelet.crt counts only where there is no kubelet-server-current.pem.
    """
    there = set(names.split("\n"))
    said = {_CLIENT: client, _SERVING: serving, _OWN: own}
    found = []
    for use, candidates in (("client", (_CLIENT,)), ("serving", (_SERVING, _OWN))):
        name = next((one for one in candidates if one in there), None)
        if name is None:
            raise Unreadable(f"{_PKI} holds no {' or '.join(candidates)}: where is the kubelet's {use} certificate?")
        line = said[name].strip()
        if not line.startswith("notAfter="):
            raise Unreadable(
                f"until when {_PKI}/{name} is valid cannot be read: that takes root (--sudo, and the rules that "
                "--plan=sudoers prints) and openssl"
            )
        found.append(KubeletCertificate(f"{_PKI}/{name}", use, openssl_time(line.removeprefix("notAfter=")), line))
    return found
