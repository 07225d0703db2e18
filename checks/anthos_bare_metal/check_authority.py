"""The CA that people log in with."""

from __future__ import annotations

from conformance import BLOCKER, CLUSTER, HazardFound, Unreadable, clear, found, hazard

from ..sources import ANTHOS_BARE_METAL
from .facts_authority import ClientConfig, ClusterCa

_WHAT = "clientconfig kube-public/default"


@hazard(
    "abm-ca-rotation-clientconfig",
    title="ClientConfig default does not hold the cluster's current CA: every login of a user fails",
    severity=BLOCKER,
    on=[CLUSTER],
    source=ANTHOS_BARE_METAL.section("クラスタ CA のローテーション(プレビュー機能)"),
    remedy="Put the cluster's current CA into spec.certificateAuthorityData of ClientConfig default in kube-public.",
)
def check_client_config_has_the_ca(abm_client_config: ClientConfig, abm_cluster_ca: ClusterCa) -> None:
    held, current = abm_client_config.certificates, abm_cluster_ca.certificates
    if abm_client_config.invalid:
        raise _outdated(
            f"certificateAuthorityData of {_WHAT} holds no CA: {abm_client_config.invalid}", held, abm_cluster_ca
        )
    digests = {one.sha256 for one in held}
    known = [one for one in current if one.sha256 in digests]
    if len(known) == len(current):
        return
    if not known:
        which = "is not the cluster's CA" if len(held) == 1 else f"are {len(held)} CAs, none of them the cluster's"
        raise _outdated(f"what {_WHAT} holds {which}", held, abm_cluster_ca)
    # While a CA is rotated, the old and the new one are both trusted; the new one is what stays.
    issued = sorted({one.issued for one in current if one.issued})
    if len(issued) < len(current):
        raise Unreadable(
            f"configmap {abm_cluster_ca.place} holds {len(current)} CAs, {_WHAT} {len(known)} of them, and it cannot be "
            "told which is the new one: wait for the rotation to end, then run again"
        )
    newest = next(one for one in current if one.issued == issued[-1])
    if newest not in known:
        raise _outdated(
            f"what {_WHAT} holds is the old CA: configmap {abm_cluster_ca.place} has a newer one, {newest}",
            held,
            abm_cluster_ca,
        )
    raise clear(
        f"a rotation of the CA is under way ({len(current)} are in configmap {abm_cluster_ca.place}); {_WHAT} holds the "
        "new one"
    )


def _outdated(message: str, held: tuple[object, ...], current: ClusterCa) -> HazardFound:
    ours = ", ".join(map(str, held)) or "(none)"
    lines = [
        f"{_WHAT}: certificateAuthorityData {ours}",
        f"configmap {current.place}: {', '.join(map(str, current.certificates))}",
    ]
    if not current.place.endswith("/kube-root-ca.crt"):
        return found(message, evidence=lines)
    ca = "kubectl -n kube-public get configmap kube-root-ca.crt -o jsonpath='{.data.ca\\.crt}' | base64 | tr -d '\\n'"
    return found(
        message,
        evidence=lines,
        remedy="Put the current CA into it, with the kubeconfig of this very cluster:\n"
        f"  CA=$({ca})\n"
        "  kubectl -n kube-public patch clientconfigs.authentication.gke.io default --type=merge \\\n"
        '    -p "{\\"spec\\":{\\"certificateAuthorityData\\":\\"$CA\\"}}"',
    )
