"""Pods as an API server shows them."""

from __future__ import annotations

from typing import Any

__all__ = ["container", "pod"]


def container(
    name: str = "main", restarts: int = 0, waiting: str = "", ended: str = "", message: str = ""
) -> dict[str, Any]:
    """What a kubelet tells of a container."""
    state: dict[str, Any] = {"waiting": {"reason": waiting, "message": message}} if waiting else {"running": {}}
    last = {"terminated": {"reason": ended, "exitCode": 137, "message": message}} if ended else {}
    return {"name": name, "restartCount": restarts, "ready": not waiting, "state": state, "lastState": last}


def pod(name: str, *states: dict[str, Any], namespace: str = "kube-system", told: bool = True) -> dict[str, Any]:
    """A pod with these containers; one whose kubelet has not `told` anything has no states."""
    states = states or (container(),)
    status = {"phase": "Running", "containerStatuses": list(states)} if told else {"phase": "Pending"}
    spec = {"containers": [{"name": one["name"], "image": "example.com/x"} for one in states]}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec, "status": status}
