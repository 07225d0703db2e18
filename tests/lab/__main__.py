"""The lab of test hosts from the command line: python -m tests.lab up, login NAME, down; kubeadm up, kubeadm down."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.lab.hosts import HostSpec, Lab, LabError, labs, sweep
from tests.lab.kubeadm import KubeadmFailed, KubeadmLab
from tests.lab.kubeadm.fixtures import CLUSTER_VARIABLE
from tests.lab.standard import STANDARD


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 when it did what it was asked to."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.do == "up":
            return _up(arguments.names, arguments.hosts)
        if arguments.do == "kubeadm":
            return _kubeadm(arguments)
        if arguments.do == "down":
            return _down(arguments.lab)
        if arguments.do == "list":
            return _list()
        lab = _choose(arguments.lab)
        if arguments.do == "login":
            command = lab.command(["ssh", "-F", lab.ssh_config, arguments.name, *arguments.command])
            os.execvp(command[0], command)
        print(f"# {lab.ssh_config}\n# to be used inside: nsenter --net={lab.network} --")
        print(lab.ssh_config.read_text(encoding="utf-8"), end="")
    except (LabError, KubeadmFailed) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Real hosts to try things on.")
    commands = parser.add_subparsers(dest="do", required=True)
    up = commands.add_parser("up", help="start hosts that stay after this command")
    names = [spec.name for spec in STANDARD]
    up.add_argument("names", nargs="*", metavar="NAME", help=f"of the standard set (all): {' '.join(names)}")
    up.add_argument("--hosts", type=int, default=0, metavar="N", help="N plain hosts, h1 to hN, instead")
    down = commands.add_parser("down", help="end the hosts that `up` started")
    kubeadm = commands.add_parser("kubeadm", help="a Kubernetes cluster of such hosts, which stays")
    kubeadm.add_argument("action", choices=["up", "down"])
    kubeadm.add_argument("--control-planes", type=int, default=3, metavar="N", help="how many (3)")
    kubeadm.add_argument("--workers", type=int, default=1, metavar="N", help="how many beside them (1)")
    commands.add_parser("list", help="which labs are running, those of test runs included")
    login = commands.add_parser("login", help="log in to a host")
    login.add_argument("name", metavar="[USER@]NAME")
    login.add_argument("command", nargs=argparse.REMAINDER)
    config = commands.add_parser("ssh-config", help="print the ssh configuration of a lab")
    for command in (down, login, config):
        command.add_argument("--lab", metavar="ID", help="which one, where several are running (see list)")
    return parser


def _up(names: list[str], count: int) -> int:
    known = {spec.name: spec for spec in STANDARD}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise LabError(f"there is no host {', '.join(unknown)}; there are {', '.join(known)}")
    specs = [HostSpec(f"h{n}") for n in range(1, count + 1)] or [known[name] for name in names or known]
    began = time.monotonic()
    lab = Lab(stays=True).start(specs)
    print(f"lab {lab.id}: {len(specs)} hosts up in {time.monotonic() - began:.1f} s: {' '.join(lab.hosts)}")
    print(f"log in:  python -m tests.lab login {lab.hosts[0]}")
    print("end it:  python -m tests.lab down")
    lab.let_go()
    return 0


def _kubeadm(arguments: argparse.Namespace) -> int:
    if arguments.action == "down":
        for lab in labs():
            if (lab.directory / "stays").exists() and KubeadmLab.attach(lab).control_planes:
                lab.stop()
                print(f"lab {lab.id} has ended")
        return 0
    began = time.monotonic()
    cluster = KubeadmLab(stays=True).start(arguments.control_planes, arguments.workers)
    lab = cluster.lab
    print(f"lab {lab.id}: {' '.join(cluster.hosts)} ready in {time.monotonic() - began:.0f} s")
    print(
        f"use it:  nsenter --net={lab.network} env KUBECONFIG={cluster.kubeconfig} {cluster.kubectl_program} get nodes"
    )
    print(f"log in:  python -m tests.lab login {cluster.hosts[0]}")
    print(f"test:    {CLUSTER_VARIABLE}={lab.id} pytest tests/nodes")
    print("end it:  python -m tests.lab kubeadm down")
    lab.let_go()
    return 0


def _down(lab_id: str | None) -> int:
    # Without a name only those that were started by hand: a test run ends its own.
    running = [lab for lab in labs() if (lab.id == lab_id if lab_id else (lab.directory / "stays").exists())]
    if lab_id and not running:
        raise LabError(f"no lab {lab_id} is running")
    for lab in running:
        lab.stop()
        print(f"lab {lab.id} has ended")
    sweep()
    if not running:
        print("no lab was running")
    return 0


def _list() -> int:
    for lab in labs():
        kind = "stays" if (lab.directory / "stays").exists() else "of a test run"
        print(f"{lab.id}  {kind}  {len(lab.hosts)} hosts: {' '.join(lab.hosts)}")
    return 0


def _choose(lab_id: str | None) -> Lab:
    running = [lab for lab in labs() if lab_id in (None, lab.id)]
    if not running:
        raise LabError(f"no lab {lab_id or ''} is running: python -m tests.lab up".replace("  ", " "))
    stays = [lab for lab in running if (lab.directory / "stays").exists()]
    return (stays or running)[-1]


if __name__ == "__main__":
    sys.exit(main())
