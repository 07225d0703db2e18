"""What an earlier maintenance mode leaves behind."""

from __future__ import annotations

import shlex

from conformance import BLOCKER, CLUSTER, found, hazard

from ..sources import ANTHOS_BARE_METAL
from .facts import MAINTENANCE, AbmCluster, Machine


@hazard(
    "abm-maintenance-annotation",
    title="machines still carry the annotation of an earlier maintenance mode: the upgrade to 1.9 fails",
    severity=BLOCKER,
    on=[CLUSTER],
    upgrade_from="==1.8.*",
    upgrade_to="==1.9.*",
    source=ANTHOS_BARE_METAL.section("メンテナンス モードでバージョン 1.8 クラスタのアップグレードが失敗する"),
    remedy=f"Remove the annotation {MAINTENANCE} from each machine named.",
)
def check_no_maintenance_annotation(abm_machines: list[Machine], abm_cluster: AbmCluster) -> None:
    left = sorted((one.name, one.maintenance) for one in abm_machines if one.maintenance is not None)
    if left:
        names = [name for name, _ in left]
        command = "kubectl --kubeconfig ADMIN_KUBECONFIG annotate baremetalmachines -n"
        raise found(
            f"cluster {abm_cluster.name}: {len(left)} of {len(abm_machines)} machines were in maintenance mode and still "
            f"carry its annotation: {', '.join(names)}",
            evidence=[
                f"baremetalmachine {abm_cluster.namespace}/{name}: {MAINTENANCE}={value}" for name, value in left
            ],
            remedy="Remove the annotation from the machines named:\n"
            f"  {command} {shlex.quote(abm_cluster.namespace)} {shlex.join(names)} {MAINTENANCE}-",
        )
