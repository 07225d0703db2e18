"""Tests of what only a kubelet can answer: `kubeadm` is one real cluster for the session."""

from tests.lab.kubeadm.fixtures import inside_the_cluster, kubeadm

__all__ = ["inside_the_cluster", "kubeadm"]
