"""CRDs of OpenShift that the suite reads: ClusterVersion and the etcd operator's Etcd, with their documented fields.

Minimal, and true to the originals where it matters: groups, names, scope, subresources, required fields and formats.
Source: openshift/api, config/v1/types_cluster_version.go and operator/v1/types_etcd.go.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["OPENSHIFT"]

Object = dict[str, Any]

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "format": "int32"}
_LONG: Final = {"type": "integer", "format": "int64"}
_TIME: Final = {"type": "string", "format": "date-time"}
_FREE: Final = {"type": "object", "nullable": True, "x-kubernetes-preserve-unknown-fields": True}


def _object(*required: str, **properties: Object) -> Object:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _list(of: Object) -> Object:
    return {"type": "array", "items": of}


_CONDITIONS: Final = _list(
    _object("type", type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT, lastTransitionTime=_TIME)
)
_RELEASE: Final = _object(version=_TEXT, image=_TEXT, url=_TEXT, channels=_list(_TEXT))
_UPDATE: Final = _object(
    *("completionTime", "image", "startedTime", "state", "verified"),
    state=_TEXT,
    startedTime=_TIME,
    completionTime={**_TIME, "nullable": True},
    version=_TEXT,
    image=_TEXT,
    verified={"type": "boolean"},
)
_NODE: Final = _object(
    "nodeName",
    nodeName=_TEXT,
    currentRevision=_COUNT,
    targetRevision=_COUNT,
    lastFailedRevision=_COUNT,
    lastFailedTime=_TIME,
    lastFailedReason=_TEXT,
    lastFailedCount={"type": "integer"},
    lastFailedRevisionErrors=_list(_TEXT),
)


def _crd(group: str, kind: str, spec: Object, status: Object) -> Object:
    plural = f"{kind.lower()}s"
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    schema = _object("spec", apiVersion=_TEXT, kind=_TEXT, metadata={"type": "object"}, spec=spec, status=status)
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # Groups below openshift.io are no community groups: no annotation of an approval is asked for.
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": names,
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


_CLUSTER_VERSION: Final = _crd(
    "config.openshift.io",
    "ClusterVersion",
    _object("clusterID", clusterID=_TEXT, channel=_TEXT, upstream=_TEXT, desiredUpdate=_RELEASE),
    _object(
        *("availableUpdates", "desired", "observedGeneration", "versionHash"),
        desired=_RELEASE,
        history=_list(_UPDATE),
        observedGeneration=_LONG,
        versionHash=_TEXT,
        conditions=_CONDITIONS,
        availableUpdates={**_list(_RELEASE), "nullable": True},
    ),
)
_ETCD: Final = _crd(
    "operator.openshift.io",
    "Etcd",
    _object(
        managementState={**_TEXT, "pattern": "^(Managed|Force)$"},
        forceRedeploymentReason=_TEXT,
        logLevel=_TEXT,
        operatorLogLevel=_TEXT,
        failedRevisionLimit=_COUNT,
        succeededRevisionLimit=_COUNT,
        observedConfig=_FREE,
        unsupportedConfigOverrides=_FREE,
    ),
    _object(
        conditions=_CONDITIONS,
        latestAvailableRevision=_COUNT,
        latestAvailableRevisionReason=_TEXT,
        nodeStatuses=_list(_NODE),
        observedGeneration=_LONG,
        readyReplicas=_COUNT,
        version=_TEXT,
    ),
)
OPENSHIFT: Final = (_CLUSTER_VERSION, _ETCD)
