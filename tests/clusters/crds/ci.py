"""CRDs of the kinds with which deploy/ is put in place, with the documented fields that it uses and their enumerations.

Sources: argo-cd docs/operator-manual/application.yaml; fluxcd.io, Kustomization (kustomize.toolkit.fluxcd.io/v1) and
GitRepository (source.toolkit.fluxcd.io/v1); tekton.dev docs/tasks.md (v1); kubernetes-sigs/wg-policy-prototypes,
policy-report/crd/v1alpha2. A field that is not named here is refused, as those that are misspelt must be.
"""

from __future__ import annotations

from typing import Final

from tests.clusters.crds.schemas import FLAG, FREE, TEXT, Object, definition, list_of, object_of

__all__ = ["CI"]

_COUNT: Final = {"type": "integer"}
TEXTS: Final = {"type": "object", "additionalProperties": TEXT}
#: Flux: metav1.Duration, as its CRDs check it.
_SPAN: Final = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"}


def _one_of(*values: str) -> Object:
    return {"type": "string", "enum": list(values)}


def _crd(group: str, version: str, kind: str, plural: str, *, scope: str = "Namespaced", **top: Object) -> Object:
    schema = object_of(apiVersion=TEXT, kind=TEXT, metadata={"type": "object"}, **top)
    return definition(group, kind, version, schema, plural=plural, scope=scope, status=False, unapproved="of a test")


_APPLICATION: Final = _crd(
    "argoproj.io",
    "v1alpha1",
    "Application",
    "applications",
    spec=object_of(
        *("destination", "project"),
        project=TEXT,
        source=object_of("repoURL", repoURL=TEXT, targetRevision=TEXT, path=TEXT),
        destination=object_of(server=TEXT, name=TEXT, namespace=TEXT),
        syncPolicy=object_of(
            automated=object_of(prune=FLAG, selfHeal=FLAG, allowEmpty=FLAG, enabled=FLAG),
            syncOptions=list_of(TEXT),
            retry=object_of(
                limit=_COUNT, refresh=FLAG, backoff=object_of(duration=TEXT, factor=_COUNT, maxDuration=TEXT)
            ),
        ),
    ),
)
_GIT_REPOSITORY: Final = _crd(
    "source.toolkit.fluxcd.io",
    "v1",
    "GitRepository",
    "gitrepositories",
    spec=object_of(
        *("interval", "url"),
        interval=_SPAN,
        url={"type": "string", "pattern": "^(http|https|ssh)://.*$"},
        ref=object_of(branch=TEXT, tag=TEXT, semver=TEXT, name=TEXT, commit=TEXT),
        secretRef=object_of("name", name=TEXT),
        timeout=_SPAN,
    ),
)
_KUSTOMIZATION: Final = _crd(
    "kustomize.toolkit.fluxcd.io",
    "v1",
    "Kustomization",
    "kustomizations",
    spec=object_of(
        *("interval", "prune", "sourceRef"),
        interval=_SPAN,
        retryInterval=_SPAN,
        timeout=_SPAN,
        path=TEXT,
        prune=FLAG,
        wait=FLAG,
        force=FLAG,
        suspend=FLAG,
        targetNamespace=TEXT,
        serviceAccountName=TEXT,
        dependsOn=list_of(object_of("name", name=TEXT, namespace=TEXT, readyExpr=TEXT)),
        sourceRef=object_of(
            *("kind", "name"),
            kind=_one_of("OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"),
            name=TEXT,
            namespace=TEXT,
        ),
    ),
)
_SECURITY: Final = object_of(
    runAsNonRoot=FLAG,
    runAsUser=_COUNT,
    runAsGroup=_COUNT,
    allowPrivilegeEscalation=FLAG,
    readOnlyRootFilesystem=FLAG,
    capabilities=object_of(drop=list_of(TEXT), add=list_of(TEXT)),
    seccompProfile=object_of("type", type=_one_of("RuntimeDefault", "Localhost", "Unconfined")),
)
_STEP: Final = object_of(
    "name",
    name=TEXT,
    image=TEXT,
    workingDir=TEXT,
    env=list_of(object_of("name", name=TEXT, value=TEXT, valueFrom=FREE)),
    command=list_of(TEXT),
    args=list_of(TEXT),
    script=TEXT,
    securityContext=_SECURITY,
    timeout=TEXT,
    onError=_one_of("continue", "stopAndFail"),
    volumeMounts=list_of(FREE),
    computeResources=FREE,
)
_TASK: Final = _crd(
    "tekton.dev",
    "v1",
    "Task",
    "tasks",
    spec=object_of(
        "steps",
        description=TEXT,
        params=list_of(
            object_of(
                "name",
                name=TEXT,
                description=TEXT,
                type=_one_of("string", "array", "object"),
                default={"x-kubernetes-preserve-unknown-fields": True},
            )
        ),
        workspaces=list_of(
            object_of("name", name=TEXT, description=TEXT, mountPath=TEXT, optional=FLAG, readOnly=FLAG)
        ),
        results=list_of(object_of("name", name=TEXT, description=TEXT, type=_one_of("string", "array", "object"))),
        volumes=list_of(FREE),
        steps=list_of(_STEP),
    ),
)
_RESULT: Final = object_of(
    "policy",
    policy=TEXT,
    rule=TEXT,
    message=TEXT,
    result=_one_of("pass", "fail", "warn", "error", "skip"),
    severity=_one_of("critical", "high", "low", "medium", "info"),
    category=TEXT,
    scored=FLAG,
    source=TEXT,
    timestamp=object_of("nanos", "seconds", seconds={"type": "integer", "format": "int64"}, nanos=_COUNT),
    properties=TEXTS,
    resources=list_of(FREE),
    resourceSelector=FREE,
)
_POLICY_REPORT: Final = _crd(
    "wgpolicyk8s.io",
    "v1alpha2",
    "ClusterPolicyReport",
    "clusterpolicyreports",
    scope="Cluster",
    scope_=FREE,
    scopeSelector=FREE,
    results=list_of(_RESULT),
    summary=object_of(**dict.fromkeys(("pass", "fail", "warn", "error", "skip"), _COUNT)),
)
# A property that is called like the parameter of the CRD's own scope.
_PROPERTIES: Final = _POLICY_REPORT["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
_PROPERTIES["scope"] = _PROPERTIES.pop("scope_")

CI: Final = (_APPLICATION, _GIT_REPOSITORY, _KUSTOMIZATION, _TASK, _POLICY_REPORT)
