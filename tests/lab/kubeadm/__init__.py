"""A real kubeadm cluster in test hosts; `python -m tests.lab kubeadm up` is for work by hand."""

from tests.lab.kubeadm.cluster import KubeadmFailed, KubeadmLab
from tests.lab.kubeadm.layer import BUSYBOX

__all__ = ["BUSYBOX", "KubeadmFailed", "KubeadmLab"]
