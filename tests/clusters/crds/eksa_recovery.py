"""CRDs of EKS Anywhere and Flux that a recovery looks at: their names, scope and versions, and any fields.

Sources: https://anywhere.eks.amazonaws.com/docs/getting-started/optional/, https://fluxcd.io/flux/components/.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["EKS_ANYWHERE", "FLUX"]

Object = dict[str, Any]

_FREE: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _crd(group: str, kind: str, plural: str, version: str) -> Object:
    schema = {"type": "object", "properties": {"spec": _FREE, "status": _FREE}}
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }


_ANYWHERE: Final = "anywhere.eks.amazonaws.com"
EKS_ANYWHERE: Final = (
    _crd(_ANYWHERE, "Cluster", "clusters", "v1alpha1"),
    _crd(_ANYWHERE, "FluxConfig", "fluxconfigs", "v1alpha1"),
)
FLUX: Final = (
    _crd("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations", "v1"),
    _crd("source.toolkit.fluxcd.io", "GitRepository", "gitrepositories", "v1"),
)
