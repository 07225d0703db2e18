"""CRDs of an EKS Anywhere management cluster beside those of Cluster API, with the documented fields that the suite reads.

Minimal, and true to the originals where it matters: groups, names, scope, versions, subresources and required fields.
Sources: https://anywhere.eks.amazonaws.com/docs/getting-started/optional/ and .../vsphere/vsphere-spec/,
aws/eks-anywhere, release/api/v1alpha1 for bundles and releases, https://fluxcd.io/flux/components/source/gitrepositories/.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["ANYWHERE", "EKS_ANYWHERE", "GIT_REPOSITORY", "OTHERS"]

Object = dict[str, Any]

ANYWHERE: Final = "anywhere.eks.amazonaws.com"
_TEXT: Final = {"type": "string"}
_FLAG: Final = {"type": "boolean"}
_COUNT: Final = {"type": "integer"}
_LONG: Final = {"type": "integer", "format": "int64"}
_FREE: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _object(*required: str, **properties: Object) -> Object:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _list(of: Object) -> Object:
    return {"type": "array", "items": of}


_REF: Final = _object(kind=_TEXT, name=_TEXT)
_CONDITIONS: Final = _list(
    _object(
        *("type", "status", "lastTransitionTime"),
        type=_TEXT,
        status=_TEXT,
        reason=_TEXT,
        message=_TEXT,
        severity=_TEXT,
        lastTransitionTime={"type": "string", "format": "date-time"},
    )
)
_BLOCKS: Final = _object(cidrBlocks=_list(_TEXT))

_CLUSTER: Final = _object(
    kubernetesVersion=_TEXT,
    eksaVersion=_TEXT,
    licenseToken=_TEXT,
    bundlesRef=_object("apiVersion", "name", "namespace", apiVersion=_TEXT, name=_TEXT, namespace=_TEXT),
    managementCluster=_object(name=_TEXT),
    controlPlaneConfiguration=_object(
        count=_COUNT,
        endpoint=_object("host", host=_TEXT),
        machineGroupRef=_REF,
        labels=_FREE,
        taints=_list(_FREE),
        certSans=_list(_TEXT),
    ),
    externalEtcdConfiguration=_object(count=_COUNT, machineGroupRef=_REF),
    workerNodeGroupConfigurations=_list(
        _object(
            name=_TEXT,
            count=_COUNT,
            kubernetesVersion=_TEXT,
            machineGroupRef=_REF,
            labels=_FREE,
            taints=_list(_FREE),
            autoscalingConfiguration=_object(minCount=_COUNT, maxCount=_COUNT),
        )
    ),
    clusterNetwork=_object(
        cni=_TEXT,
        cniConfig=_object(
            cilium=_object(policyEnforcementMode=_TEXT, skipUpgrade=_FLAG, egressMasqueradeInterfaces=_TEXT),
            kindnetd={"type": "object"},
        ),
        pods=_BLOCKS,
        services=_BLOCKS,
        dns=_object(resolvConf=_object(path=_TEXT)),
        nodes=_object(cidrMaskSize=_COUNT),
    ),
    datacenterRef=_REF,
    identityProviderRefs=_list(_REF),
    gitOpsRef=_REF,
    proxyConfiguration=_object(httpProxy=_TEXT, httpsProxy=_TEXT, noProxy=_list(_TEXT)),
    registryMirrorConfiguration=_object(
        endpoint=_TEXT,
        port=_TEXT,
        caCertContent=_TEXT,
        authenticate=_FLAG,
        insecureSkipVerify=_FLAG,
        ociNamespaces=_list(_object(registry=_TEXT, namespace=_TEXT)),
    ),
    podIamConfig=_object("serviceAccountIssuer", serviceAccountIssuer=_TEXT),
    packages=_FREE,
)
_CLUSTER_STATUS: Final = _object(
    conditions=_CONDITIONS,
    observedGeneration=_LONG,
    reconciledGeneration=_LONG,
    failureMessage=_TEXT,
    failureReason=_TEXT,
    eksdReleaseRef=_FREE,
)
_MACHINE: Final = _object(
    *("datastore", "folder", "memoryMiB", "numCPUs", "osFamily", "resourcePool"),
    cloneMode=_TEXT,
    datastore=_TEXT,
    diskGiB=_COUNT,
    folder=_TEXT,
    hostOSConfiguration=_FREE,
    memoryMiB=_COUNT,
    numCPUs=_COUNT,
    osFamily=_TEXT,
    resourcePool=_TEXT,
    storagePolicyName=_TEXT,
    tags=_list(_TEXT),
    template=_TEXT,
    users=_list(_object("name", "sshAuthorizedKeys", name=_TEXT, sshAuthorizedKeys=_list(_TEXT))),
)
_DATACENTER: Final = _object(
    *("datacenter", "insecure", "network", "server", "thumbprint"),
    datacenter=_TEXT,
    failureDomains=_list(_FREE),
    insecure=_FLAG,
    network=_TEXT,
    server=_TEXT,
    thumbprint=_TEXT,
)
_FLUX: Final = _object(
    branch=_TEXT,
    clusterConfigPath=_TEXT,
    systemNamespace=_TEXT,
    git=_object("repositoryUrl", repositoryUrl=_TEXT, sshKeyAlgorithm=_TEXT),
    github=_object("owner", "repository", owner=_TEXT, repository=_TEXT, personal=_FLAG),
)
_RELEASE: Final = _object(
    version=_TEXT,
    releaseDate=_TEXT,
    gitCommit=_TEXT,
    bundleManifestUrl=_TEXT,
    bundlesRef=_object("apiVersion", "name", "namespace", apiVersion=_TEXT, name=_TEXT, namespace=_TEXT),
)
_BUNDLES: Final = _object(
    "versionsBundles", number=_COUNT, cliMinVersion=_TEXT, cliMaxVersion=_TEXT, versionsBundles=_list(_FREE)
)


def _crd(group: str, kind: str, plural: str, version: str, spec: Object = _FREE, status: Object = _FREE) -> Object:
    schema = _object(apiVersion=_TEXT, kind=_TEXT, metadata={"type": "object"}, spec=spec, status=status)
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


_INVALID: Final = _object(
    specValid=_FLAG, failureMessage=_TEXT, failureReason=_TEXT, conditions=_CONDITIONS, observedGeneration=_LONG
)
EKS_ANYWHERE: Final = (
    _crd(ANYWHERE, "Cluster", "clusters", "v1alpha1", _CLUSTER, _CLUSTER_STATUS),
    _crd(ANYWHERE, "VSphereMachineConfig", "vspheremachineconfigs", "v1alpha1", _MACHINE, _INVALID),
    _crd(ANYWHERE, "VSphereDatacenterConfig", "vspheredatacenterconfigs", "v1alpha1", _DATACENTER, _INVALID),
    _crd(ANYWHERE, "FluxConfig", "fluxconfigs", "v1alpha1", _FLUX),
    _crd(ANYWHERE, "Bundles", "bundles", "v1alpha1", _BUNDLES),
    _crd(ANYWHERE, "EKSARelease", "eksareleases", "v1alpha1", _RELEASE),
)
_CORE: Final = "cluster.x-k8s.io"
#: What providers of Cluster API bring: of these the suite reads objects of EtcdadmCluster alone.
OTHERS: Final = (
    _crd(f"bootstrap.{_CORE}", "KubeadmConfig", "kubeadmconfigs", "v1beta1"),
    _crd(f"bootstrap.{_CORE}", "EtcdadmConfig", "etcdadmconfigs", "v1beta1"),
    _crd(
        f"etcdcluster.{_CORE}",
        "EtcdadmCluster",
        "etcdadmclusters",
        "v1beta1",
        _object(replicas={"type": "integer", "format": "int32"}, etcdadmConfigSpec=_FREE, infrastructureTemplate=_FREE),
        _object(
            ready=_FLAG,
            initialized=_FLAG,
            creationComplete=_FLAG,
            endpoints=_TEXT,
            selector=_TEXT,
            conditions=_CONDITIONS,
            readyReplicas=_COUNT,
            observedGeneration=_LONG,
        ),
    ),
    _crd(f"infrastructure.{_CORE}", "VSphereCluster", "vsphereclusters", "v1beta1"),
    _crd(f"infrastructure.{_CORE}", "VSphereMachine", "vspheremachines", "v1beta1"),
    _crd(f"infrastructure.{_CORE}", "VSphereMachineTemplate", "vspheremachinetemplates", "v1beta1"),
)
GIT_REPOSITORY: Final = _crd(
    "source.toolkit.fluxcd.io",
    "GitRepository",
    "gitrepositories",
    "v1",
    _object(
        "interval", "url", interval=_TEXT, url=_TEXT, ref=_FREE, secretRef=_object("name", name=_TEXT), suspend=_FLAG
    ),
    _object(conditions=_CONDITIONS, observedGeneration=_LONG, artifact=_FREE),
)
