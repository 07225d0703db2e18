"""The vendors' documents that hazards come from."""

from conformance import Document, Source

ANTHOS_BARE_METAL = Document(
    "Anthos clusters on bare metal: known issues",
    "https://cloud.google.com/anthos/clusters/docs/bare-metal/latest/troubleshooting/known-issues",
)
EKS_ANYWHERE = Document(
    "AWS re:Post: クラスターのアップグレードが失敗した場合に EKS Anywhere クラスターを稼働状態に戻すにはどうすればよいですか?"
)
EKS_ANYWHERE_BUDGETS = Source(
    "EKS Anywhere: Validate PodDisruptionBudget in preflight check",
    "aws/eks-anywhere issue 5189",
    "https://github.com/aws/eks-anywhere/issues/5189",
)
OPENSHIFT_ETCD = Document(
    "OpenShift Container Platform: 4.2.4.2. etcd Pod がクラッシュループしている場合の正常でない etcd メンバーの置き換え",
    "https://docs.openshift.com/container-platform/4.9/backup_and_restore/control_plane_backup_and_restore/"
    "replacing-unhealthy-etcd-member.html",
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
VSPHERE_JOIN_TIMEOUT = Document(
    "Workload Cluster Upgrade Stuck or Change Stuck at New Control Plane VM due to ESXi Join Time-outs"
)
