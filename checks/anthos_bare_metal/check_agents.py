"""Agents that run in every cluster and die: of too little memory, of corrupt buffers."""

from __future__ import annotations

import shlex
from typing import Final

from conformance import CLUSTER, WARNING, NotApplicable, clear, found, hazard
from conformance.facts.kubernetes_pods import Pod
from conformance.facts.values.quantities import Quantity
from conformance.reads import MatchedLogs

from ..sources import ANTHOS_BARE_METAL
from .facts_operations import FORWARDER, Agent, memory

_NEEDED: Final = Quantity.parse("256Mi")
#: Restarts of a forwarder that runs just now, from which on they count as one after the other: one may be the node's.
_AGAIN: Final = 2


@hazard(
    "abm-connect-agent-memory",
    title="the Connect agent has less than 256 MiB of memory and may be killed over and over",
    severity=WARNING,
    on=[CLUSTER],
    upgrade_from="<1.8.2",
    fixed="1.8.2",
    source=ANTHOS_BARE_METAL.section("gke-connect-agent Pod のクラッシュ ループ"),
    remedy="Raise the memory limit of the deployment gke-connect-agent* in gke-connect to 256Mi or more.",
)
def check_connect_agent_has_memory(connect_agents: list[Agent], pods: list[Pod]) -> None:
    if not connect_agents:
        raise NotApplicable("there is no deployment gke-connect-agent* in gke-connect: the cluster is not registered")
    says, evidence, orders = [], [], []
    for agent in connect_agents:
        of_agent = {name: limit for name, limit in agent.limits.items() if name.startswith("gke-connect-agent")}
        low = {
            name: limit
            for name, limit in (of_agent or agent.limits).items()
            # A limit of 0 is none.
            if Quantity.parse(0) < memory(limit, f"deployment {agent.name}, memory limit of {name}") < _NEEDED
        }
        if not low:
            continue
        its = [one for one in pods if one.namespace == "gke-connect" and one.name.startswith(f"{agent.name}-")]
        dying = [
            one for one in its if one.restarts or any(state.waiting == "CrashLoopBackOff" for state in one.containers)
        ]
        killed = any(state.ended == "OOMKilled" for one in its for state in one.containers)
        limits = ", ".join(f"{limit} ({name})" for name, limit in low.items())
        how = "was killed for want of memory" if killed else f"was restarted {sum(one.restarts for one in dying)} times"
        says.append(f"deployment {agent.name} may use only {limits}" + (f", and {how}" if killed or dying else ""))
        evidence += [
            f"deployment gke-connect/{agent.name}, container {name}: limits.memory {low[name]}" for name in low
        ]
        evidence += [str(one) for one in dying]
        orders += [
            f"  kubectl --kubeconfig KUBECONFIG -n gke-connect set resources deployment {shlex.quote(agent.name)} "
            f"-c {shlex.quote(name)} --limits=memory=256Mi"
            for name in low
        ]
    if says:
        raise found("; ".join(says), evidence=evidence, remedy="Raise the limit:\n" + "\n".join(orders))


_CLEAN_UP: Final = """\
Take the operator and the forwarders down, and wait until their pods are gone:
  kubectl --kubeconfig KUBECONFIG -n kube-system scale deploy stackdriver-operator --replicas=0
  kubectl --kubeconfig KUBECONFIG -n kube-system delete daemonset stackdriver-log-forwarder
Clean the buffers on every node (what was not sent is lost):
kubectl --kubeconfig KUBECONFIG -n kube-system apply -f - << EOF
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: fluent-bit-cleanup
  namespace: kube-system
spec:
  selector:
    matchLabels:
      app: fluent-bit-cleanup
  template:
    metadata:
      labels:
        app: fluent-bit-cleanup
    spec:
      containers:
      - name: fluent-bit-cleanup
        image: debian:10-slim
        command: ["bash", "-c"]
        args:
        - |
          rm -rf /var/log/fluent-bit-buffers/
          echo "Fluent Bit local buffer is cleaned up."
          sleep 3600
        volumeMounts:
        - name: varlog
          mountPath: /var/log
        securityContext:
          privileged: true
      tolerations:
      - key: "CriticalAddonsOnly"
        operator: "Exists"
      - key: node-role.kubernetes.io/master
        effect: NoSchedule
      - key: node-role.gke.io/observability
        effect: NoSchedule
      volumes:
      - name: varlog
        hostPath:
          path: /var/log
EOF
Both must give the number of nodes:
  kubectl --kubeconfig KUBECONFIG logs -n kube-system -l app=fluent-bit-cleanup | grep "cleaned up" | wc -l
  kubectl --kubeconfig KUBECONFIG -n kube-system get pods -l app=fluent-bit-cleanup --no-headers | wc -l
Then:
  kubectl --kubeconfig KUBECONFIG -n kube-system delete ds fluent-bit-cleanup
  kubectl --kubeconfig KUBECONFIG -n kube-system scale deploy stackdriver-operator --replicas=1"""


@hazard(
    "abm-log-forwarder-stuck",
    title="log forwarders restart for ever over corrupt buffers, and logs are lost",
    severity=WARNING,
    on=[CLUSTER],
    upgrade_from="<1.9",
    fixed="1.9.0",
    source=ANTHOS_BARE_METAL.section("stackdriver-log-forwarder Pod の再起動が停止する"),
    remedy=_CLEAN_UP,
)
def check_log_forwarders_start(pods: list[Pod], abm_forwarder_logs: tuple[MatchedLogs, MatchedLogs]) -> None:
    """A corrupt chunk alone is none: it is found at a start, and a forwarder that goes on after it loses nothing more."""
    forwarders = [
        one for one in pods if one.namespace == "kube-system" and one.name.startswith("stackdriver-log-forwarder-")
    ]
    if not forwarders:
        raise NotApplicable(f"there is no pod {FORWARDER}")
    lines = {one.pod: one for logs in reversed(abm_forwarder_logs) for one in logs.matches}
    corrupt = [one for one in forwarders if f"{one.namespace}/{one.name}" in lines]
    # A line of the last hour in the log before the last restart: that restart was within the hour, too.
    lately = {one.pod for one in abm_forwarder_logs[1].matches}
    stuck = [one for one in corrupt if _restarts_on(one, lately=f"{one.namespace}/{one.name}" in lately)]
    if stuck:
        shown = [(one, lines[f"{one.namespace}/{one.name}"]) for one in stuck]
        raise found(
            f"{len(stuck)} of {len(forwarders)} log forwarders restart over corrupt buffers: "
            f"{', '.join(one.name for one in stuck)}",
            evidence=[
                text for one, line in shown for text in (str(one), f"log of {one.namespace}/{one.name}: {line.text}")
            ],
        )
    broken = [one.name for one in forwarders if any(state.waiting == "CrashLoopBackOff" for state in one.containers)]
    if broken:
        raise clear(f"{', '.join(broken)} restart for ever too, but not over corrupt buffers: see their logs")
    if corrupt:
        raise clear(
            f"{', '.join(one.name for one in corrupt)} found corrupt buffers within the hour, and went on all the same"
        )


def _restarts_on(pod: Pod, *, lately: bool) -> bool:
    """Whether a pod that was restarted will be again: it is down, or was restarted time and again, and `lately`."""
    down = any(state.waiting == "CrashLoopBackOff" or not state.ready for state in pod.containers)
    return down or (pod.restarts >= _AGAIN and lately)
