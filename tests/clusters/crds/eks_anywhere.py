"""CRDs of an EKS Anywhere management cluster beside those of Cluster API, with the documented fields that the suite reads.

Minimal, and true to the originals where it matters: groups, names, scope, versions, subresources and required fields.
Sources: https://anywhere.eks.amazonaws.com/docs/getting-started/optional/ and .../vsphere/vsphere-spec/,
aws/eks-anywhere, release/api/v1alpha1 for bundles and releases, https://fluxcd.io/flux/components/source/gitrepositories/.
"""

from __future__ import annotations

from typing import Final

from tests.clusters.crds.schemas import FLAG, FREE, LONG, TEXT, Object, definition, list_of, object_of

__all__ = ["ANYWHERE", "EKS_ANYWHERE", "GIT_REPOSITORY", "OTHERS"]

ANYWHERE: Final = "anywhere.eks.amazonaws.com"
_COUNT: Final = {"type": "integer"}


_REF: Final = object_of(kind=TEXT, name=TEXT)
_CONDITIONS: Final = list_of(
    object_of(
        *("type", "status", "lastTransitionTime"),
        type=TEXT,
        status=TEXT,
        reason=TEXT,
        message=TEXT,
        severity=TEXT,
        lastTransitionTime={"type": "string", "format": "date-time"},
    )
)
_BLOCKS: Final = object_of(cidrBlocks=list_of(TEXT))

_CLUSTER: Final = object_of(
    kubernetesVersion=TEXT,
    eksaVersion=TEXT,
    licenseToken=TEXT,
    bundlesRef=object_of("apiVersion", "name", "namespace", apiVersion=TEXT, name=TEXT, namespace=TEXT),
    managementCluster=object_of(name=TEXT),
    controlPlaneConfiguration=object_of(
        count=_COUNT,
        endpoint=object_of("host", host=TEXT),
        machineGroupRef=_REF,
        labels=FREE,
        taints=list_of(FREE),
        certSans=list_of(TEXT),
    ),
    externalEtcdConfiguration=object_of(count=_COUNT, machineGroupRef=_REF),
    workerNodeGroupConfigurations=list_of(
        object_of(
            name=TEXT,
            count=_COUNT,
            kubernetesVersion=TEXT,
            machineGroupRef=_REF,
            labels=FREE,
            taints=list_of(FREE),
            autoscalingConfiguration=object_of(minCount=_COUNT, maxCount=_COUNT),
        )
    ),
    clusterNetwork=object_of(
        cni=TEXT,
        cniConfig=object_of(
            cilium=object_of(policyEnforcementMode=TEXT, skipUpgrade=FLAG, egressMasqueradeInterfaces=TEXT),
            kindnetd={"type": "object"},
        ),
        pods=_BLOCKS,
        services=_BLOCKS,
        dns=object_of(resolvConf=object_of(path=TEXT)),
        nodes=object_of(cidrMaskSize=_COUNT),
    ),
    datacenterRef=_REF,
    identityProviderRefs=list_of(_REF),
    gitOpsRef=_REF,
    proxyConfiguration=object_of(httpProxy=TEXT, httpsProxy=TEXT, noProxy=list_of(TEXT)),
    registryMirrorConfiguration=object_of(
        endpoint=TEXT,
        port=TEXT,
        caCertContent=TEXT,
        authenticate=FLAG,
        insecureSkipVerify=FLAG,
        ociNamespaces=list_of(object_of(registry=TEXT, namespace=TEXT)),
    ),
    podIamConfig=object_of("serviceAccountIssuer", serviceAccountIssuer=TEXT),
    packages=FREE,
)
_CLUSTER_STATUS: Final = object_of(
    conditions=_CONDITIONS,
    observedGeneration=LONG,
    reconciledGeneration=LONG,
    failureMessage=TEXT,
    failureReason=TEXT,
    eksdReleaseRef=FREE,
)
_MACHINE: Final = object_of(
    *("datastore", "folder", "memoryMiB", "numCPUs", "osFamily", "resourcePool"),
    cloneMode=TEXT,
    datastore=TEXT,
    diskGiB=_COUNT,
    folder=TEXT,
    hostOSConfiguration=FREE,
    memoryMiB=_COUNT,
    numCPUs=_COUNT,
    osFamily=TEXT,
    resourcePool=TEXT,
    storagePolicyName=TEXT,
    tags=list_of(TEXT),
    template=TEXT,
    users=list_of(object_of("name", "sshAuthorizedKeys", name=TEXT, sshAuthorizedKeys=list_of(TEXT))),
)
_DATACENTER: Final = object_of(
    *("datacenter", "insecure", "network", "server", "thumbprint"),
    datacenter=TEXT,
    failureDomains=list_of(FREE),
    insecure=FLAG,
    network=TEXT,
    server=TEXT,
    thumbprint=TEXT,
)
_FLUX: Final = object_of(
    branch=TEXT,
    clusterConfigPath=TEXT,
    systemNamespace=TEXT,
    git=object_of("repositoryUrl", repositoryUrl=TEXT, sshKeyAlgorithm=TEXT),
    github=object_of("owner", "repository", owner=TEXT, repository=TEXT, personal=FLAG),
)
_RELEASE: Final = object_of(
    version=TEXT,
    releaseDate=TEXT,
    gitCommit=TEXT,
    bundleManifestUrl=TEXT,
    bundlesRef=object_of("apiVersion", "name", "namespace", apiVersion=TEXT, name=TEXT, namespace=TEXT),
)
_BUNDLES: Final = object_of(
    "versionsBundles", number=_COUNT, cliMinVersion=TEXT, cliMaxVersion=TEXT, versionsBundles=list_of(FREE)
)


def _crd(group: str, kind: str, plural: str, version: str, spec: Object = FREE, status: Object = FREE) -> Object:
    schema = object_of(apiVersion=TEXT, kind=TEXT, metadata={"type": "object"}, spec=spec, status=status)
    return definition(group, kind, version, schema, plural=plural)


_INVALID: Final = object_of(
    specValid=FLAG, failureMessage=TEXT, failureReason=TEXT, conditions=_CONDITIONS, observedGeneration=LONG
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
        object_of(replicas={"type": "integer", "format": "int32"}, etcdadmConfigSpec=FREE, infrastructureTemplate=FREE),
        object_of(
            ready=FLAG,
            initialized=FLAG,
            creationComplete=FLAG,
            endpoints=TEXT,
            selector=TEXT,
            conditions=_CONDITIONS,
            readyReplicas=_COUNT,
            observedGeneration=LONG,
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
    object_of(
        "interval", "url", interval=TEXT, url=TEXT, ref=FREE, secretRef=object_of("name", name=TEXT), suspend=FLAG
    ),
    object_of(conditions=_CONDITIONS, observedGeneration=LONG, artifact=FREE),
)
