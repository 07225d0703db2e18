"""CRDs of Cluster API as management clusters serve them, with the documented fields that the suite reads.

Minimal, and true to the originals where it matters: groups, names, short names, scope, both versions, subresources, and
where each version has its conditions. Source: https://cluster-api.sigs.k8s.io/reference/api/reference.
"""

from __future__ import annotations

from typing import Final

from tests.clusters.crds.schemas import FREE, TEXT, Object, list_of, object_of

__all__ = ["CLUSTER_API", "KINDS", "crd", "served_as"]

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

_COUNT: Final = {"type": "integer", "format": "int32"}


def _conditions(version: str) -> Object:
    """v1beta1 has a severity, and may leave the reason out; those of v1beta2 are metav1.Condition."""
    said = {"type": TEXT, "status": TEXT, "reason": TEXT, "message": TEXT}
    moment = {"lastTransitionTime": {"type": "string", "format": "date-time"}}
    if version == "v1beta1":
        one = {**object_of(**said, **moment, severity=TEXT), "required": ["type", "status", "lastTransitionTime"]}
    else:
        generation = {"observedGeneration": {"type": "integer", "format": "int64"}}
        needed = ["type", "status", "reason", "message", "lastTransitionTime"]
        one = {**object_of(**said, **moment, **generation), "required": needed}
    return list_of(one)


def _status(version: str) -> Object:
    counts = dict.fromkeys(
        ("replicas", "readyReplicas", "updatedReplicas", "upToDateReplicas", "availableReplicas"), _COUNT
    )
    counts |= dict.fromkeys(("unavailableReplicas", "unhealthyReplicas"), _COUNT)
    other = {"v1beta2": object_of(conditions=_conditions("v1beta2"))}
    if version == "v1beta2":
        other = {"deprecated": object_of(v1beta1=object_of(conditions=_conditions("v1beta1")))}
    return {
        **object_of(
            conditions=_conditions(version),
            phase=TEXT,
            version=TEXT,
            observedGeneration={"type": "integer", "format": "int64"},
            nodeRef=object_of(apiVersion=TEXT, kind=TEXT, name=TEXT, uid=TEXT),
            nodeInfo=FREE,
            addresses=list_of(object_of(type=TEXT, address=TEXT)),
            **counts,
            **other,
        ),
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _version(name: str, plural: str, *, storage: bool) -> Object:
    machine = object_of(clusterName=TEXT, version=TEXT, providerID=TEXT, bootstrap=FREE, infrastructureRef=FREE)
    endpoint = object_of(host=TEXT, port=_COUNT)
    specs = {
        "clusters": object_of(
            paused={"type": "boolean"},
            controlPlaneEndpoint=endpoint,
            controlPlaneRef=FREE,
            infrastructureRef=FREE,
            clusterNetwork=FREE,
            topology=FREE,
            managedExternalEtcdRef=FREE,  # EKS Anywhere's own Cluster API has it
        ),
        "machines": machine,
        "kubeadmcontrolplanes": object_of(
            replicas=_COUNT,
            version=TEXT,
            machineTemplate=FREE,
            kubeadmConfigSpec=FREE,
            rolloutStrategy=FREE,
            remediation=FREE,
        ),
    }
    group = object_of(
        clusterName=TEXT,
        replicas=_COUNT,
        selector=FREE,
        template=object_of(metadata=FREE, spec=machine),
        strategy=FREE,
    )
    schema = object_of(
        apiVersion=TEXT, kind=TEXT, metadata={"type": "object"}, spec=specs.get(plural, group), status=_status(name)
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
