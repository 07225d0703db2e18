"""The reason with which a redeployment of etcd is about to be forced."""

from __future__ import annotations

from conformance import ADVICE, CLUSTER, REPAIR, NotApplicable, Parameter, found, hazard

from ..sources import OPENSHIFT_ETCD
from .check_pods import redeploy
from .facts import EtcdOperator


@hazard(
    "ocp-etcd-redeployment-reason",
    title="the reason that is about to be given stands there already: etcd will not be redeployed",
    severity=ADVICE,
    on=[CLUSTER],
    situation=REPAIR,
    source=OPENSHIFT_ETCD.section("手順"),
    remedy="Give a reason that was never given, such as one with the time in it.",
    parameters={"redeployment-reason": Parameter("", str, "the reason that is about to be given; empty for none")},
)
def check_redeployment_reason_is_new(
    etcd_operator: EtcdOperator, desired_redeployment_reason: str | None, parameters: dict[str, str]
) -> None:
    planned = {
        "the parameter redeployment-reason": parameters["redeployment-reason"],
        "the desired configuration": desired_redeployment_reason,
    }
    if not any(planned.values()):
        raise NotApplicable("no reason is planned: give it as the parameter redeployment-reason, or in --desired")
    same = [where for where, reason in planned.items() if reason and reason == etcd_operator.reason]
    if same:
        raise found(
            f"{' and '.join(same)}: {etcd_operator.reason!r} stands there already, so the operator will do nothing",
            evidence=[f"etcd/cluster: spec.forceRedeploymentReason {etcd_operator.reason}"],
            remedy="# Give a reason that was never given:\n" + redeploy(),
        )
