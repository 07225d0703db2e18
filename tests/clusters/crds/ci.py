"""CRDs of the kinds with which deploy/ is put in place, with the documented fields that it uses and their enumerations.

Sources: argo-cd docs/operator-manual/application.yaml; fluxcd.io, Kustomization (kustomize.toolkit.fluxcd.io/v1) and
GitRepository (source.toolkit.fluxcd.io/v1); tekton.dev docs/tasks.md (v1); kubernetes-sigs/wg-policy-prototypes,
policy-report/crd/v1alpha2. A field that is not named here is refused, as those that are misspelt must be.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["CI"]

Object = dict[str, Any]

_TEXT: Final = {"type": "string"}
_FLAG: Final = {"type": "boolean"}
_COUNT: Final = {"type": "integer"}
_FREE: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TEXTS: Final = {"type": "object", "additionalProperties": _TEXT}
#: Flux: metav1.Duration, as its CRDs check it.
_SPAN: Final = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"}


def _object(*required: str, **properties: Object) -> Object:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _list(of: Object) -> Object:
    return {"type": "array", "items": of}


def _one_of(*values: str) -> Object:
    return {"type": "string", "enum": list(values)}


def _crd(group: str, version: str, kind: str, plural: str, *, scope: str = "Namespaced", **top: Object) -> Object:
    schema = _object(apiVersion=_TEXT, kind=_TEXT, metadata={"type": "object"}, **top)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, of a test"},
        },
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    }


_APPLICATION: Final = _crd(
    "argoproj.io",
    "v1alpha1",
    "Application",
    "applications",
    spec=_object(
        *("destination", "project"),
        project=_TEXT,
        source=_object("repoURL", repoURL=_TEXT, targetRevision=_TEXT, path=_TEXT),
        destination=_object(server=_TEXT, name=_TEXT, namespace=_TEXT),
        syncPolicy=_object(
            automated=_object(prune=_FLAG, selfHeal=_FLAG, allowEmpty=_FLAG, enabled=_FLAG),
            syncOptions=_list(_TEXT),
            retry=_object(
                limit=_COUNT, refresh=_FLAG, backoff=_object(duration=_TEXT, factor=_COUNT, maxDuration=_TEXT)
            ),
        ),
    ),
)
_GIT_REPOSITORY: Final = _crd(
    "source.toolkit.fluxcd.io",
    "v1",
    "GitRepository",
    "gitrepositories",
    spec=_object(
        *("interval", "url"),
        interval=_SPAN,
        url={"type": "string", "pattern": "^(http|https|ssh)://.*$"},
        ref=_object(branch=_TEXT, tag=_TEXT, semver=_TEXT, name=_TEXT, commit=_TEXT),
        secretRef=_object("name", name=_TEXT),
        timeout=_SPAN,
    ),
)
_KUSTOMIZATION: Final = _crd(
    "kustomize.toolkit.fluxcd.io",
    "v1",
    "Kustomization",
    "kustomizations",
    spec=_object(
        *("interval", "prune", "sourceRef"),
        interval=_SPAN,
        retryInterval=_SPAN,
        timeout=_SPAN,
        path=_TEXT,
        prune=_FLAG,
        wait=_FLAG,
        force=_FLAG,
        suspend=_FLAG,
        targetNamespace=_TEXT,
        serviceAccountName=_TEXT,
        dependsOn=_list(_object("name", name=_TEXT, namespace=_TEXT, readyExpr=_TEXT)),
        sourceRef=_object(
            *("kind", "name"),
            kind=_one_of("OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"),
            name=_TEXT,
            namespace=_TEXT,
        ),
    ),
)
_SECURITY: Final = _object(
    runAsNonRoot=_FLAG,
    runAsUser=_COUNT,
    runAsGroup=_COUNT,
    allowPrivilegeEscalation=_FLAG,
    readOnlyRootFilesystem=_FLAG,
    capabilities=_object(drop=_list(_TEXT), add=_list(_TEXT)),
    seccompProfile=_object("type", type=_one_of("RuntimeDefault", "Localhost", "Unconfined")),
)
_STEP: Final = _object(
    "name",
    name=_TEXT,
    image=_TEXT,
    workingDir=_TEXT,
    env=_list(_object("name", name=_TEXT, value=_TEXT, valueFrom=_FREE)),
    command=_list(_TEXT),
    args=_list(_TEXT),
    script=_TEXT,
    securityContext=_SECURITY,
    timeout=_TEXT,
    onError=_one_of("continue", "stopAndFail"),
    volumeMounts=_list(_FREE),
    computeResources=_FREE,
)
_TASK: Final = _crd(
    "tekton.dev",
    "v1",
    "Task",
    "tasks",
    spec=_object(
        "steps",
        description=_TEXT,
        params=_list(
            _object(
                "name",
                name=_TEXT,
                description=_TEXT,
                type=_one_of("string", "array", "object"),
                default={"x-kubernetes-preserve-unknown-fields": True},
            )
        ),
        workspaces=_list(
            _object("name", name=_TEXT, description=_TEXT, mountPath=_TEXT, optional=_FLAG, readOnly=_FLAG)
        ),
        results=_list(_object("name", name=_TEXT, description=_TEXT, type=_one_of("string", "array", "object"))),
        volumes=_list(_FREE),
        steps=_list(_STEP),
    ),
)
_RESULT: Final = _object(
    "policy",
    policy=_TEXT,
    rule=_TEXT,
    message=_TEXT,
    result=_one_of("pass", "fail", "warn", "error", "skip"),
    severity=_one_of("critical", "high", "low", "medium", "info"),
    category=_TEXT,
    scored=_FLAG,
    source=_TEXT,
    timestamp=_object("nanos", "seconds", seconds={"type": "integer", "format": "int64"}, nanos=_COUNT),
    properties=_TEXTS,
    resources=_list(_FREE),
    resourceSelector=_FREE,
)
_POLICY_REPORT: Final = _crd(
    "wgpolicyk8s.io",
    "v1alpha2",
    "ClusterPolicyReport",
    "clusterpolicyreports",
    scope="Cluster",
    scope_=_FREE,
    scopeSelector=_FREE,
    results=_list(_RESULT),
    summary=_object(**dict.fromkeys(("pass", "fail", "warn", "error", "skip"), _COUNT)),
)
# A property that is called like the parameter of the CRD's own scope.
_PROPERTIES: Final = _POLICY_REPORT["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
_PROPERTIES["scope"] = _PROPERTIES.pop("scope_")

CI: Final = (_APPLICATION, _GIT_REPOSITORY, _KUSTOMIZATION, _TASK, _POLICY_REPORT)
