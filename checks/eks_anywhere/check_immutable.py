"""Fields that a new specification changes although nothing may change them: all of them, not the first."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final

from conformance import BLOCKER, FLEET, Members, NotApplicable, Unreadable, clear, found, hazard
from conformance.change import Upgrade
from conformance.reads.projection import value_at

from ..sources import EKS_ANYWHERE
from .facts_specification import MACHINES, Part, Specified, Vsphere
from .specification import EksaCluster

#: A field, its value now, and the one that the specification wants.
Field = tuple[str, Any, Any]
_NONE: Final = "nothing"


@hazard(
    "eksa-immutable-fields",
    title="the new specification changes fields that are immutable",
    severity=BLOCKER,
    on=[FLEET],
    source=EKS_ANYWHERE.section("検証フェーズ"),
    remedy="Put the fields back to what they are in the cluster; what has to change needs a new cluster.",
    sides=["clusters"],
)
def check_immutable_fields(
    eksa_specifications: Members, eksa_vsphere_clusters: Members, upgrades: Mapping[str, Upgrade]
) -> None:
    compared, without = upgraded(eksa_specifications, upgrades)
    said, evidence, remedy = [], [], []
    for one in compared:
        machines = eksa_vsphere_clusters.get(one.subject)
        changed = [field for field in _fields(one, machines) if field[1] != field[2]]
        if not changed:
            continue
        said.append(f"{one.subject}: " + ", ".join(f"{path} from {_say(a)} to {_say(b)}" for path, a, b in changed))
        evidence += [f"{one.live}: {path}={_say(old)}; specification: {_say(new)}" for path, old, new in changed]
        name = one.live.name
        remedy.append(
            f"in the specification of {one.subject} ({shlex.quote(name)}/{shlex.quote(name)}-eks-a-cluster.yaml):"
        )
        remedy += [f"  {path}: back to {_say(old)}" for path, old, _ in changed]
    if said:
        raise found("; ".join(said), evidence=evidence, remedy="\n".join(remedy))
    if without:
        raise Unreadable(
            f"the new specification of {', '.join(without)} is not known: give it (`desired:` in the change file, or --desired)"
        )
    hidden = [one.subject for one in compared if _logins(one)]
    if hidden:
        names = ", ".join(hidden)
        raise clear(f"whether the login in the address of a proxy changes was not compared, for it is secret: {names}")


def upgraded(specifications: Members, upgrades: Mapping[str, Upgrade]) -> tuple[list[Specified], list[str]]:
    """The clusters that are upgraded and have a specification, and the names of those that have none.

    :raises Unreadable: no cluster is looked at; what could not be read is left to the run.
    :raises NotApplicable: none of them is upgraded.
    """
    there = [one for name, one in specifications.items() if not (name in upgrades and upgrades[name].none)]
    if not there and not specifications.unread:
        if specifications or specifications.inapplicable:
            raise NotApplicable("no cluster that is looked at is upgraded")
        raise Unreadable("no cluster is looked at: name it in the change file, or give --kubeconfig")
    return [one for one in there if one.wanted is not None], [one.subject for one in there if one.wanted is None]


def _fields(one: Specified, machines: Vsphere | None) -> Iterator[Field]:
    live, wanted = one.live, one.wanted
    if wanted is None:
        return
    yield "metadata.name", live.name, wanted.name
    yield "metadata.namespace", live.namespace or "default", wanted.namespace or "default"
    yield (
        "spec.managementCluster.name",
        live.manager,
        wanted.manager if wanted.manager != wanted.name else _own(wanted, live),
    )
    yield "spec.datacenterRef", live.datacenter, wanted.datacenter
    for path, normal in _PLAIN.items():
        yield f"spec.{path}", normal(value_at(live.spec, path)), normal(value_at(wanted.spec, path))
    yield "spec.clusterNetwork.cni", _cni(live), _cni(wanted)
    if _skips(live):
        yield "spec.clusterNetwork.cniConfig.cilium.skipUpgrade", True, _skips(wanted)
    for key in ("httpProxy", "httpsProxy", "noProxy"):
        yield f"spec.proxyConfiguration.{key}", _proxy(one.live_proxies, key), _proxy(one.wanted_proxies, key)
    yield "spec.externalEtcdConfiguration.count", live.etcd_count, wanted.etcd_count
    if _iam(wanted):  # it may be taken away
        yield "spec.identityProviderRefs[AWSIamConfig]", _iam(live), _iam(wanted)
    if live.gitops is not None:
        yield "spec.gitOpsRef", live.gitops, wanted.gitops
        if live.gitops == wanted.gitops and one.git is not None:
            yield from _git(one.git, live)
    if live.on_vsphere and live.datacenter == wanted.datacenter and one.live_datacenter and one.wanted_datacenter:
        for key in ("server", "datacenter", "network"):
            old, new = (value_at(held, f"spec.{key}") for held in (one.live_datacenter, one.wanted_datacenter))
            yield f"VSphereDatacenterConfig {live.datacenter.name if live.datacenter else ''} spec.{key}", old, new
    yield from _machine_fields(machines)


def _own(wanted: EksaCluster, live: EksaCluster) -> str:
    """Who manages a cluster that manages itself: itself, whatever it is called."""
    return live.name if live.is_self_managed else wanted.name


def _machine_fields(machines: Vsphere | None) -> Iterator[Field]:
    """A machine configuration that keeps its name keeps these; another name is free."""
    if machines is None or machines.wanted is None:
        return
    for name in sorted({ref.name for _, ref in machines.wanted.machine_refs() if ref and ref.kind == MACHINES}):
        old, new = (held.get(MACHINES, {}).get(name) for held in (machines.live_objects, machines.wanted_objects))
        if old and new:
            for key, default in (("osFamily", "bottlerocket"), ("storagePolicyName", None)):
                a, b = (value_at(held, f"spec.{key}") or default for held in (old, new))
                yield f"VSphereMachineConfig {name} spec.{key}", a, b


def _text(value: Any) -> str | None:
    return str(value).strip() if value not in (None, "") else None


def _host(value: Any) -> str | None:
    text = _text(value)
    try:
        return ip_address(text.partition(":")[0] if text and text.count(":") == 1 else text or "").compressed
    except ValueError:
        return text.lower() if text else None


def _blocks(value: Any) -> tuple[str, ...] | None:
    return tuple(sorted(str(one).strip() for one in value)) if isinstance(value, list) and value else None


_PLAIN: Final = {
    "controlPlaneConfiguration.endpoint.host": _host,
    "clusterNetwork.pods.cidrBlocks": _blocks,
    "clusterNetwork.services.cidrBlocks": _blocks,
    "clusterNetwork.dns.resolvConf.path": _text,
    "clusterNetwork.nodes.cidrMaskSize": _text,
}


def _cni(cluster: EksaCluster) -> str | None:
    """The plugin: cniConfig names it by its key, and cni, which older specifications have, as a word."""
    config = value_at(cluster.spec, "clusterNetwork.cniConfig")
    if isinstance(config, Mapping) and config:
        return ", ".join(sorted(map(str, config)))
    return _text(value_at(cluster.spec, "clusterNetwork.cni"))


def _skips(cluster: EksaCluster) -> bool:
    return value_at(cluster.spec, "clusterNetwork.cniConfig.cilium.skipUpgrade") is True if _cni(cluster) else False


def _proxy(proxies: Mapping[str, Any], key: str) -> Any:
    held = proxies.get(key)
    if key == "noProxy":
        return tuple(sorted(held or [])) or None
    return held["address"] + (" with a login" if held["login"] else "") if held else None


def _logins(one: Specified) -> bool:
    return any(held.get("login") for held in one.live_proxies.values() if isinstance(held, Mapping))


def _iam(cluster: EksaCluster) -> str | None:
    refs = cluster.spec.get("identityProviderRefs") or []
    return next((_text(ref.get("name")) for ref in refs if ref.get("kind") == "AWSIamConfig"), None)


def _git(part: Part, live: EksaCluster) -> Iterator[Field]:
    """Where the specification is kept in Git. What eksctl anywhere fills in by itself counts as written."""
    if part.live is None or part.wanted is None:
        return
    path = f"clusters/{live.manager}"
    defaults = {"branch": "main", "systemNamespace": "flux-system", "clusterConfigPath": path}
    where = f"{part.kind} {part.name}"
    if part.kind == "GitOpsConfig":
        fields = {f"flux.github.{key}": None for key in ("owner", "repository", "personal")}
        fields |= {
            "flux.github.branch": "main",
            "flux.github.fluxSystemNamespace": "flux-system",
            "flux.github.clusterConfigPath": path,
        }
    else:
        fields = {f"github.{key}": None for key in ("owner", "repository", "personal")}
        fields |= {"git.repositoryUrl": None, **defaults}
        if value_at(part.live, "spec.git") and value_at(part.wanted, "spec.git"):
            fields["git.sshKeyAlgorithm"] = "ecdsa"
    for key, default in fields.items():
        old, new = (value_at(held, f"spec.{key}") or default for held in (part.live, part.wanted))
        yield f"{where} spec.{key}", old or None, new or None


def _say(value: Any) -> str:
    if value is None:
        return _NONE
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)
