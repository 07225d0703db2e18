"""Facts of disruption budgets and of the pods that a drain has to evict: what the eviction API would say now.

Sources: https://kubernetes.io/docs/tasks/run-application/configure-pdb/,
https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/, and https://kubernetes.io/docs/reference/kubectl/
on ``kubectl drain``, which Cluster API follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance import Unreadable, cluster_fact, listing
from conformance.facts.values.capi import condition_of, conditions_of
from conformance.reads.projection import value_at

#: What the kubelet puts on the mirror of a static pod: nobody can evict it.
_MIRROR: Final = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class EvictedPod:
    """A pod, as a drain looks at it."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    #: Its node; empty where it is not on one yet.
    node: str
    ready: bool
    #: Whether a drain has to ask for its eviction, and the answer depends on budgets: not for those of a DaemonSet, static
    #: ones, and those that have ended, are being deleted or never began.
    counts: bool

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> EvictedPod:
        """From the object that the API server gives."""
        meta = obj["metadata"]
        owners = [one.get("kind") for one in meta.get("ownerReferences") or [] if one.get("controller")]
        phase = str(value_at(obj, "status.phase") or "")
        conditions = value_at(obj, "status.conditions") or []
        return cls(
            name=str(meta["name"]),
            namespace=str(meta.get("namespace", "")),
            labels=dict(meta.get("labels") or {}),
            node=str(value_at(obj, "spec.nodeName") or ""),
            ready=any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions),
            counts="DaemonSet" not in owners
            and _MIRROR not in (meta.get("annotations") or {})
            and phase in ("Running", "Unknown")
            and not meta.get("deletionTimestamp"),
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """One PodDisruptionBudget."""

    name: str
    namespace: str
    #: The selector as written; None where there is none, which selects nothing.
    selector: Mapping[str, Any] | None
    #: How many of its pods may be evicted now.
    allowed: int
    healthy: int
    desired: int
    #: minAvailable or maxUnavailable, as written.
    rule: str
    #: Whether pods that are not ready may always be evicted.
    frees_unhealthy: bool
    #: Whether its controller has seen it as it is; None where it never said a word.
    observed: bool | None
    #: Why nothing is allowed, where its controller says so.
    why: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Budget:
        """From the object that the API server gives."""
        meta, spec = obj["metadata"], obj.get("spec") or {}
        seen, generation = value_at(obj, "status.observedGeneration"), meta.get("generation")
        said = condition_of(conditions_of(obj), "DisruptionAllowed")
        rules = [f"{key}: {spec[key]}" for key in ("minAvailable", "maxUnavailable") if spec.get(key) is not None]
        return cls(
            name=str(meta["name"]),
            namespace=str(meta.get("namespace", "")),
            selector=spec.get("selector"),
            allowed=int(value_at(obj, "status.disruptionsAllowed") or 0),
            healthy=int(value_at(obj, "status.currentHealthy") or 0),
            desired=int(value_at(obj, "status.desiredHealthy") or 0),
            rule=", ".join(rules),
            frees_unhealthy=spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow",
            observed=None if not seen else generation is None or seen >= generation,
            why=": ".join(one for one in (said.reason, said.message) if one) if said and not said.is_true else "",
        )

    def selects(self, pod: EvictedPod) -> bool:
        """Whether it is about this pod. An empty selector is about every pod of the namespace, as policy/v1 has it.

        :raises Unreadable: the selector has an operator that is not known.
        """
        if self.selector is None or pod.namespace != self.namespace:
            return False
        wanted = self.selector.get("matchLabels") or {}
        rules = self.selector.get("matchExpressions") or []
        return all(pod.labels.get(key) == value for key, value in wanted.items()) and all(
            self._meets(rule, pod.labels) for rule in rules
        )

    def _meets(self, rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
        key, operator, values = str(rule.get("key")), rule.get("operator"), rule.get("values") or []
        if operator == "In":
            return key in labels and labels[key] in values
        if operator == "NotIn":
            return key not in labels or labels[key] not in values
        if operator in ("Exists", "DoesNotExist"):
            return (key in labels) is (operator == "Exists")
        raise Unreadable(f"PodDisruptionBudget {self} selects pods by {operator!r}, which is not known")

    def refuses(self, pod: EvictedPod) -> bool:
        """Whether the eviction of one of its pods would be refused now."""
        if self.allowed > 0:
            return False
        if pod.ready:
            return True
        return not (self.frees_unhealthy or self.healthy >= self.desired > 0)


@cluster_fact(
    listing(
        "poddisruptionbudgets.policy",
        "metadata.generation",
        "spec.selector",
        "spec.minAvailable",
        "spec.maxUnavailable",
        "spec.unhealthyPodEvictionPolicy",
        "status.disruptionsAllowed",
        "status.currentHealthy",
        "status.desiredHealthy",
        "status.observedGeneration",
        "status.conditions",
    )
)
def eksa_budgets(objects: Iterable[Mapping[str, Any]]) -> list[Budget]:
    """The disruption budgets of the cluster."""
    return [Budget.of(one) for one in objects]


@cluster_fact(
    listing(
        "pods",
        "metadata.labels",
        "metadata.ownerReferences.kind",
        "metadata.ownerReferences.controller",
        "metadata.deletionTimestamp",
        f"metadata.annotations[{_MIRROR}]",
        "spec.nodeName",
        "status.phase",
        "status.conditions.type",
        "status.conditions.status",
    )
)
def eksa_evicted_pods(objects: Iterable[Mapping[str, Any]]) -> list[EvictedPod]:
    """The pods of the cluster, as a drain of their nodes looks at them."""
    return [EvictedPod.of(one) for one in objects]
