"""What the CRDs of this folder that are written in Python are made of."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["FLAG", "FREE", "LONG", "TEXT", "Object", "definition", "list_of", "object_of"]

Object = dict[str, Any]

TEXT: Final = {"type": "string"}
FLAG: Final = {"type": "boolean"}
LONG: Final = {"type": "integer", "format": "int64"}
FREE: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def object_of(*required: str, **properties: Object) -> Object:
    """An object with these fields, and of these the required ones."""
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def list_of(of: Object) -> Object:
    """A list of them."""
    return {"type": "array", "items": of}


def definition(
    group: str,
    kind: str,
    version: str,
    schema: Object,
    *,
    plural: str = "",
    scope: str = "Namespaced",
    status: bool = True,
    unapproved: str = "",
) -> Object:
    """The CRD of one kind in one version.

    :param status: whether the status is a subresource.
    :param unapproved: for a group below k8s.io, why nobody has approved of it.
    """
    plural = plural or f"{kind.lower()}s"
    notes = {"annotations": {"api-approved.kubernetes.io": f"unapproved, {unapproved}"}} if unapproved else {}
    served = {
        "name": version,
        "served": True,
        "storage": True,
        **({"subresources": {"status": {}}} if status else {}),
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", **notes},
        "spec": {"group": group, "scope": scope, "names": names, "versions": [served]},
    }
