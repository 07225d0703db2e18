"""CRDs of Cluster API as management clusters serve them, with the documented fields that the suite reads.

Minimal, and true to the originals where it matters: groups, names, short names, scope, both versions, subresources, and
where each version has its conditions. Source: https://cluster-api.sigs.k8s.io/reference/api/reference.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["CLUSTER_API", "KINDS", "crd", "served_as"]

Object = dict[str, Any]

CORE: Final = "cluster.x-k8s.io"
CONTROL_PLANE: Final = "controlplane.cluster.x-k8s.io"
VERSIONS: Final = ("v1beta1", "v1beta2")
#: Plural -> group, kind and short names.
KINDS: Final = {
    "clusters": (CORE, "Cluster", ("cl",)),
    "machines": (CORE, "Machine", ("ma",)),
    "machinedeployments": (CORE, "MachineDeployment", ("md",)),
    "machinesets": (CORE, "MachineSet", ("ms",)),
    "kubeadmcontrolplanes": (CONTROL_PLANE, "KubeadmControlPlane", ("kcp",)),
}

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "format": "int32"}
_FREE: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _object(**properties: Object) -> Object:
    return {"type": "object", "properties": properties}


def _list(of: Object) -> Object:
    return {"type": "array", "items": of}


def _conditions(version: str) -> Object:
    """v1beta1 has a severity, and may leave the reason out; those of v1beta2 are metav1.Condition."""
    said = {"type": _TEXT, "status": _TEXT, "reason": _TEXT, "message": _TEXT}
    moment = {"lastTransitionTime": {"type": "string", "format": "date-time"}}
    if version == "v1beta1":
        one = {**_object(**said, **moment, severity=_TEXT), "required": ["type", "status", "lastTransitionTime"]}
    else:
        generation = {"observedGeneration": {"type": "integer", "format": "int64"}}
        needed = ["type", "status", "reason", "message", "lastTransitionTime"]
        one = {**_object(**said, **moment, **generation), "required": needed}
    return _list(one)


def _status(version: str) -> Object:
    counts = dict.fromkeys(
        ("replicas", "readyReplicas", "updatedReplicas", "upToDateReplicas", "availableReplicas"), _COUNT
    )
    counts |= dict.fromkeys(("unavailableReplicas", "unhealthyReplicas"), _COUNT)
    other = {"v1beta2": _object(conditions=_conditions("v1beta2"))}
    if version == "v1beta2":
        other = {"deprecated": _object(v1beta1=_object(conditions=_conditions("v1beta1")))}
    return {
        **_object(
            conditions=_conditions(version),
            phase=_TEXT,
            version=_TEXT,
            observedGeneration={"type": "integer", "format": "int64"},
            nodeRef=_object(apiVersion=_TEXT, kind=_TEXT, name=_TEXT, uid=_TEXT),
            nodeInfo=_FREE,
            addresses=_list(_object(type=_TEXT, address=_TEXT)),
            **counts,
            **other,
        ),
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _version(name: str, plural: str, *, storage: bool) -> Object:
    machine = _object(clusterName=_TEXT, version=_TEXT, providerID=_TEXT, bootstrap=_FREE, infrastructureRef=_FREE)
    endpoint = _object(host=_TEXT, port=_COUNT)
    specs = {
        "clusters": _object(
            paused={"type": "boolean"},
            controlPlaneEndpoint=endpoint,
            controlPlaneRef=_FREE,
            infrastructureRef=_FREE,
            clusterNetwork=_FREE,
            topology=_FREE,
            managedExternalEtcdRef=_FREE,  # EKS Anywhere's own Cluster API has it
        ),
        "machines": machine,
        "kubeadmcontrolplanes": _object(
            replicas=_COUNT,
            version=_TEXT,
            machineTemplate=_FREE,
            kubeadmConfigSpec=_FREE,
            rolloutStrategy=_FREE,
            remediation=_FREE,
        ),
    }
    group = _object(
        clusterName=_TEXT,
        replicas=_COUNT,
        selector=_FREE,
        template=_object(metadata=_FREE, spec=machine),
        strategy=_FREE,
    )
    schema = _object(
        apiVersion=_TEXT, kind=_TEXT, metadata={"type": "object"}, spec=specs.get(plural, group), status=_status(name)
    )
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }


def crd(plural: str, *versions: str) -> Object:
    """The CRD of one kind, served in these versions (both where none is named); the last one is stored.

    Nothing here converts between versions: an object keeps the fields that it was written with and that the version
    which it is asked for has. A test serves the one version that its objects are written in.
    """
    group, kind, short = KINDS[plural]
    served = versions or VERSIONS
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": {"cluster.x-k8s.io/provider": "cluster-api"}},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": list(short),
                "categories": ["cluster-api"],
            },
            "versions": [_version(one, plural, storage=one == served[-1]) for one in served],
        },
    }


def served_as(*versions: str) -> tuple[Object, ...]:
    """All of them, served in these versions only."""
    return tuple(crd(plural, *versions) for plural in KINDS)


#: All kinds in both versions.
CLUSTER_API: Final = served_as(*VERSIONS)
