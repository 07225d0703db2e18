"""CRDs of EKS Anywhere and Flux that a recovery looks at: their names, scope and versions, and any fields.

Sources: https://anywhere.eks.amazonaws.com/docs/getting-started/optional/, https://fluxcd.io/flux/components/.
"""

from __future__ import annotations

from typing import Final

from tests.clusters.crds.schemas import FREE, Object, definition

__all__ = ["EKS_ANYWHERE", "FLUX"]


def _crd(group: str, kind: str, plural: str, version: str) -> Object:
    schema = {"type": "object", "properties": {"spec": FREE, "status": FREE}}
    return definition(group, kind, version, schema, plural=plural)


_ANYWHERE: Final = "anywhere.eks.amazonaws.com"
EKS_ANYWHERE: Final = (
    _crd(_ANYWHERE, "Cluster", "clusters", "v1alpha1"),
    _crd(_ANYWHERE, "FluxConfig", "fluxconfigs", "v1alpha1"),
)
FLUX: Final = (
    _crd("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations", "v1"),
    _crd("source.toolkit.fluxcd.io", "GitRepository", "gitrepositories", "v1"),
)
