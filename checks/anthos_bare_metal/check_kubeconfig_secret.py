"""The kubeconfig secret of a user cluster."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from conformance import BLOCKER, CLUSTER, HazardFound, NotApplicable, Unreadable, found, hazard
from conformance.facts.values.kubeconfig import KubeconfigFacts

from ..sources import ANTHOS_BARE_METAL
from .facts import AbmCluster


@hazard(
    "abm-kubeconfig-secret-overwritten",
    title="the kubeconfig secret of the user cluster was overwritten with the admin cluster's: updates and upgrades fail",
    severity=BLOCKER,
    on=[CLUSTER],
    upgrade_from="<=1.11.1",
    source=ANTHOS_BARE_METAL.section("kubeconfig シークレットが上書きされる"),
    remedy="Delete the secret and create it again from the kubeconfig in bmctl-workspace/USER_CLUSTER.",
)
def check_kubeconfig_secret_is_own(
    abm_cluster: AbmCluster,
    abm_clusters: list[AbmCluster],
    abm_kubeconfig_secrets: Mapping[str, Any],
    abm_admin_info: KubeconfigFacts | None,
) -> None:
    if abm_cluster.type != "user":
        raise NotApplicable(f"{abm_cluster.name} is of type {abm_cluster.type}; only user clusters have such a secret")
    key = f"{abm_cluster.namespace}/{abm_cluster.name}-kubeconfig"
    stored = abm_kubeconfig_secrets[key]
    if stored is None:
        raise Unreadable(f"the admin cluster has no secret {key}: what it should hold cannot be examined")
    if "invalid" in stored:
        why = f"secret {key} holds no kubeconfig: {stored['invalid']}"
        raise _overwritten(abm_cluster, why, (why,))
    held = KubeconfigFacts.from_dict(stored["facts"])
    admin = next((one for one in abm_clusters if one.type != "user"), None)
    context = next((one for one in held.contexts if one.name == held.current_context), None)
    target = held.current_cluster
    if context is None or target is None:
        why = f"secret {key} holds a kubeconfig whose context names no cluster"
        raise _overwritten(abm_cluster, why, (why,))
    line = f"secret {key}: context {context.name}, cluster {context.cluster}, server {target.server}"
    host = target.endpoint[0]
    published = abm_admin_info.clusters[0] if abm_admin_info and abm_admin_info.clusters else None
    same_ca = bool(published and set(target.ca_sha256) & set(published.ca_sha256))
    admin_hosts = {_host(admin.control_plane_vip) if admin else "", published.endpoint[0] if published else ""}
    # Names alone mislead: a user cluster may be called like the admin cluster's context. Address and CA decide.
    if same_ca or host in admin_hosts - {""}:
        why = "with its CA" if same_ca else "with its address"
        raise _overwritten(abm_cluster, f"secret {key} holds the kubeconfig of the admin cluster, {why}", (line,))
    if host and host == _host(abm_cluster.control_plane_vip):
        return
    if admin and context.cluster == admin.name:
        raise _overwritten(
            abm_cluster, f"secret {key} holds a kubeconfig for cluster {admin.name}, the admin cluster", (line,)
        )
    another_ca = bool(published and published.ca_sha256 and target.ca_sha256)
    if context.cluster != abm_cluster.name or not another_ca:
        raise Unreadable(
            f"secret {key} points at {target.server}, which is neither the admin cluster nor the control-plane VIP "
            f"{abm_cluster.control_plane_vip or '(none is set)'} of {abm_cluster.name}: look at it by hand"
        )


def _host(vip: str) -> str:
    """A virtual address as `KubeconfigCluster.endpoint` writes it: IPv6 has several spellings."""
    try:
        return ip_address(vip).compressed
    except ValueError:
        return vip.lower()


def _overwritten(cluster: AbmCluster, message: str, evidence: tuple[str, ...]) -> HazardFound:
    namespace, secret = shlex.quote(cluster.namespace), shlex.quote(f"{cluster.name}-kubeconfig")
    path = shlex.quote(f"bmctl-workspace/{cluster.name}/{cluster.name}-kubeconfig")
    admin = "--kubeconfig ADMIN_KUBECONFIG"
    return found(
        message,
        evidence=evidence,
        remedy="Verify the generated file, then make the secret of it again:\n"
        f"  kubectl get nodes --kubeconfig {path}\n"
        f"  kubectl {admin} delete secret -n {namespace} {secret}\n"
        f"  kubectl {admin} create secret generic -n {namespace} {secret} --from-file=value={path}",
    )
