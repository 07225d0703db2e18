"""CRDs of OpenShift that the suite reads: ClusterVersion and the etcd operator's Etcd, with their documented fields.

Minimal, and true to the originals where it matters: groups, names, scope, subresources, required fields and formats.
Source: openshift/api, config/v1/types_cluster_version.go and operator/v1/types_etcd.go.
"""

from __future__ import annotations

from typing import Final

from tests.clusters.crds.schemas import LONG, TEXT, Object, definition, list_of, object_of

__all__ = ["OPENSHIFT"]

_COUNT: Final = {"type": "integer", "format": "int32"}
_TIME: Final = {"type": "string", "format": "date-time"}
_FREE: Final = {"type": "object", "nullable": True, "x-kubernetes-preserve-unknown-fields": True}


_CONDITIONS: Final = list_of(
    object_of("type", type=TEXT, status=TEXT, reason=TEXT, message=TEXT, lastTransitionTime=_TIME)
)
_RELEASE: Final = object_of(version=TEXT, image=TEXT, url=TEXT, channels=list_of(TEXT))
_UPDATE: Final = object_of(
    *("completionTime", "image", "startedTime", "state", "verified"),
    state=TEXT,
    startedTime=_TIME,
    completionTime={**_TIME, "nullable": True},
    version=TEXT,
    image=TEXT,
    verified={"type": "boolean"},
)
_NODE: Final = object_of(
    "nodeName",
    nodeName=TEXT,
    currentRevision=_COUNT,
    targetRevision=_COUNT,
    lastFailedRevision=_COUNT,
    lastFailedTime=_TIME,
    lastFailedReason=TEXT,
    lastFailedCount={"type": "integer"},
    lastFailedRevisionErrors=list_of(TEXT),
)


def _crd(group: str, kind: str, spec: Object, status: Object) -> Object:
    schema = object_of("spec", apiVersion=TEXT, kind=TEXT, metadata={"type": "object"}, spec=spec, status=status)
    # Groups below openshift.io are no community groups: no annotation of an approval is asked for.
    return definition(group, kind, "v1", schema, scope="Cluster")


_CLUSTER_VERSION: Final = _crd(
    "config.openshift.io",
    "ClusterVersion",
    object_of("clusterID", clusterID=TEXT, channel=TEXT, upstream=TEXT, desiredUpdate=_RELEASE),
    object_of(
        *("availableUpdates", "desired", "observedGeneration", "versionHash"),
        desired=_RELEASE,
        history=list_of(_UPDATE),
        observedGeneration=LONG,
        versionHash=TEXT,
        conditions=_CONDITIONS,
        availableUpdates={**list_of(_RELEASE), "nullable": True},
    ),
)
_ETCD: Final = _crd(
    "operator.openshift.io",
    "Etcd",
    object_of(
        managementState={**TEXT, "pattern": "^(Managed|Force)$"},
        forceRedeploymentReason=TEXT,
        logLevel=TEXT,
        operatorLogLevel=TEXT,
        failedRevisionLimit=_COUNT,
        succeededRevisionLimit=_COUNT,
        observedConfig=_FREE,
        unsupportedConfigOverrides=_FREE,
    ),
    object_of(
        conditions=_CONDITIONS,
        latestAvailableRevision=_COUNT,
        latestAvailableRevisionReason=TEXT,
        nodeStatuses=list_of(_NODE),
        observedGeneration=LONG,
        readyReplicas=_COUNT,
        version=TEXT,
    ),
)
OPENSHIFT: Final = (_CLUSTER_VERSION, _ETCD)
