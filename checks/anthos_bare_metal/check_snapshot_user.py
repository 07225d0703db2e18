"""Whether a snapshot could be taken, should the upgrade go wrong."""

from __future__ import annotations

from conformance import ADVICE, CLUSTER, found, hazard
from conformance.reads.projection import value_at

from ..sources import ANTHOS_BARE_METAL
from .facts import AbmCluster


@hazard(
    "abm-snapshot-non-root",
    title="the login user is not root: bmctl takes no snapshot of the cluster, should the upgrade go wrong",
    severity=ADVICE,
    on=[CLUSTER],
    upgrade_from="<=1.8.1",
    fixed="1.8.2",
    source=ANTHOS_BARE_METAL.section("root 以外のログイン ユーザーとしてスナップショットを取得する"),
    remedy="Be prepared to collect logs on the nodes by hand until the cluster runs 1.8.2: up to then bmctl takes "
    "snapshots as root only. Where the admin cluster cannot be reached, later ones take --login-user.",
)
def check_login_user_is_root(abm_cluster: AbmCluster) -> None:
    user = str(value_at(abm_cluster.spec, "nodeAccess.loginUser") or "root")
    if user != "root":
        raise found(
            f"cluster {abm_cluster.name} is accessed as {user}, not as root",
            evidence=[f"cluster {abm_cluster.namespace}/{abm_cluster.name}: spec.nodeAccess.loginUser: {user}"],
        )
