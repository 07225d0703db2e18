"""The vendors' documents that hazards come from."""

from conformance import Document, Source

ANTHOS_BARE_METAL = Document(
    "Anthos clusters on bare metal: known issues",
    "https://cloud.google.com/anthos/clusters/docs/bare-metal/latest/troubleshooting/known-issues",
)
EKS_ANYWHERE = Document(
    "AWS re:Post: クラスターのアップグレードが失敗した場合に EKS Anywhere クラスターを稼働状態に戻すにはどうすればよいですか?"
)
DEAD_KUBELET = Source(
    "Nodes that die suddenly on Kubernetes 1.17 (kubelet retries on a dead connection)",
    "kubernetes/kubernetes issue 87615",
    "https://github.com/kubernetes/kubernetes/issues/87615",
)
CGROUP_V1 = Source(
    "Kubernetes documentation: About cgroup v2",
    "Deprecation of cgroup v1",
    "https://kubernetes.io/docs/concepts/architecture/cgroups/#deprecation-of-cgroup-v1",
)
