"""What ``--list-profiles``, ``--list-hazards`` and ``--plan`` print before they stop."""

from __future__ import annotations

import json
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.gather.requests import EXEC
from conformance.options import is_on, make_run
from conformance.plan import Plan
from conformance.privileges import cluster_role, sudoers
from conformance.reads import ClusterRead, Command, Desired, HostRead, Listing, Named, PodExec, PodLogs
from conformance.report.text import terminal
from conformance.run import Run

__all__ = ["print_asked"]


def print_asked(config: pytest.Config) -> int:
    """Print what the options ask for; the exit status.

    :raises pytest.UsageError: the options, or a file that they name, are wrong.
    """
    if config.getoption("--list-profiles"):
        return _out(_profiles())
    if config.getoption("--list-hazards"):
        return _out(_hazards(config))
    try:
        run: Run = make_run(config)
    except pytest.exit.Exception as nothing:  # of --since; there is no session yet that would tell it
        sys.stderr.write(f"Exit: {nothing.msg}\n")
        return int(nothing.returncode or 0)
    if config.getoption("--verify"):
        return _verify(config, run)
    plan = run.plan(undecided=True)
    form = config.getoption("--plan")
    if form == "rbac":
        return _out(cluster_role(run, plan))
    if form == "sudoers":
        return _out(sudoers(run, plan))
    return _out(json.dumps(_plan_record(run, plan), indent=1) if form == "json" else _plan_text(run, plan))


def _out(text: str) -> int:
    # Names come from files and snapshots; a terminal must not act on them, and not every one can show all of it.
    encoding = sys.stdout.encoding or "utf-8"
    plain = terminal(text.rstrip("\n"), newlines=True).encode(encoding, "backslashreplace").decode(encoding)
    sys.stdout.write(plain + "\n")
    return 0


def _verify(config: pytest.Config, run: Run) -> int:
    from conformance.gate.telling import told
    from conformance.gate.verification import verify

    path, key = Path(config.getoption("--verify")), config.getoption("--verify-key")
    try:
        strict = bool(config.getoption("strict", default=False))
        found = verify(run, run.change, path, datetime.now(UTC), Path(key) if key else None, strict=strict)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    text, code = told(found, path, run.profile.name)
    _out(text)
    return code


def _profiles() -> str:
    from conformance.profiles import Library

    try:
        profiles = Library().all()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    width = max(len(one.name) for one in profiles)
    return "\n".join(f"{one.name:<{width}}  {one.title} ({len(one.hazards)} hazards)" for one in profiles)


def _hazards(config: pytest.Config) -> str:
    from conformance.packs import load_checks
    from conformance.profiles import Library
    from conformance.select import checks_by_hazard

    try:
        if is_on(config):
            hazards = make_run(config).hazards()
        else:
            checks = [check for pack in Library().packs for check in load_checks(pack)]
            hazards = [hazard for _, (_, hazard) in sorted(checks_by_hazard(checks).items())]
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    lines = []
    for one in hazards:
        versions = [f"{word} {spec}" for word, spec in (("from", one.upgrade_from), ("to", one.upgrade_to)) if spec]
        facts = [str(one.severity), "/".join(one.on), f"situation {'/'.join(one.situations)}", *versions]
        lines += [one.id, textwrap.indent(textwrap.fill(one.title, 100), "    "), f"    {', '.join(facts)}"]
        lines += [f"    parameter {name}: {p.help} (default {p.default})" for name, p in one.parameters.items()]
        lines += [f"    source: {one.source}", ""]
    return "\n".join(lines)


def _plan_record(run: Run, plan: Plan) -> dict[str, Any]:
    """The plan as data: every command per host and every request per cluster."""
    hosts, clusters = plan.of_hosts(run.inventory), plan.of_clusters(run.inventory)
    return {
        "schema": "pytest-preflight/plan/1",
        "profile": run.profile.name,
        "hosts": {
            name: {
                "connection": run.change.hosts[name].connection,
                "commands": [_command(one) for one in reads],
                "undeclared": sorted({r.check.name for r in plan.rehearsals if r.subject.name == name}),
            }
            for name, reads in hosts.items()
        },
        "clusters": {name: {"requests": [_request(one) for one in reads]} for name, reads in clusters.items()},
        "desired": {
            name: {"files": [str(p) for p in run.change.clusters[name].desired], "documents": [r.key for r in reads]}
            for name, reads in plan.desired(run.inventory).items()
            if run.change.clusters[name].desired
        },
        "before_all_else": {
            "reads": {name: [one.key for one in reads] for name, reads in run.scouting_plan().reads.items()},
            "note": "versions not given are read first; hazards that they rule out are then not read for",
        }
        if run.scouting_facts()
        else None,
        "nodes": [{"from": "nodes", "cluster": one.cluster, "commands": "as of a node"} for one in run.change.nodes],
    }


def _command(read: HostRead) -> dict[str, Any]:
    return {
        "read": read.key,
        **({"script": read.line} if isinstance(read, Command) and read.name else {}),
        "sudo": read.sudo,
        "timeout_seconds": read.timeout,
        "limit_bytes": read.limit,
    }


def _request(read: ClusterRead) -> dict[str, Any]:
    record: dict[str, Any] = {"read": read.key, "timeout_seconds": read.timeout}
    if isinstance(read, Listing):
        record.update(verb="list", group=read.group, resource=read.plural, required=read.required)
        record.update(**({"namespace": read.namespace} if read.namespace else {}))
        record["keeps"] = read.reduce.__name__ if read.reduce else list(read.keep)
    elif isinstance(read, Named):
        record.update(verb="get", group=read.group, resource=read.plural, at_most=read.bound, step_over=read.over.key)
        record.update(namespace=read.namespace, name=read.name, keeps=read.reduce.__name__)
    elif isinstance(read, PodLogs):
        record.update(verb="get", group="", resource="pods/log", at_most=read.pods, step_over=read.over.key)
        record.update(namespace=read.namespace, matching=read.matching, lines=read.lines, limit_bytes=read.limit)
    elif isinstance(read, PodExec):
        record.update(verb="get", group="", resource=EXEC, at_most=read.pods, step_over=read.over.key)
        record.update(namespace=read.namespace, exec=list(read.argv), any=read.any, limit_bytes=read.limit)
        record.update(**({"unless": read.unless} if read.unless else {}))
    elif not isinstance(read, Desired):
        record.update(verb="get", path=read.key.removeprefix("get "))
    return record


def _plan_text(run: Run, plan: Plan) -> str:
    record = _plan_record(run, plan)
    lines = [f"Plan of profile {run.profile.name}: nobody has been contacted."]
    if record["before_all_else"]:
        lines += ["", "Before all else (versions that are not given; what they rule out is then not read for):"]
        lines += [f"  {name}: {key}" for name, keys in record["before_all_else"]["reads"].items() for key in keys]
    alike: dict[str, list[str]] = {}
    for name, host in record["hosts"].items():
        alike.setdefault(json.dumps([host["commands"], host["undeclared"]]), []).append(name)
    for key, names in alike.items():
        commands, undeclared = json.loads(key)
        lines += ["", f"On {'host' if len(names) == 1 else f'each of {len(names)} hosts'}: {', '.join(names)}"]
        lines += ["  one connection, one exec of /bin/sh, nothing written; each command with its own limits:"]
        for one in commands:
            first, *rest = one["read"].splitlines()
            lines.append(f"  - {first}   [{one['timeout_seconds']:g} s, {one['limit_bytes']} bytes]")
            lines += [f"    {line}" for line in (*rest, *one.get("script", "").splitlines())]
        lines += [f"  - not declared: what {check} asks through testinfra's host" for check in undeclared]
    lines += [f"On each node of {one['cluster']}: as of a node, once its nodes were listed" for one in record["nodes"]]
    for name, cluster in record["clusters"].items():
        lines += ["", f"Of cluster {name}: GET requests only"]
        for one in cluster["requests"]:
            keeps = one.get("keeps")
            kept = f"   keeps {keeps if isinstance(keeps, str) else ', '.join(keeps)}" if keeps else ""
            said = one["read"].replace("exec in ", "EXEC in a pod: ", 1) if "exec" in one else one["read"]
            unless = f"   only where its hosts do not give {one['unless']}" if "unless" in one else ""
            lines.append(f"  - {said}{unless}{kept}")
        if any("exec" in one for one in cluster["requests"]):
            lines.append(f"  EXEC takes the right to {EXEC}, which could do more than read; --no-exec does without it")
    for name, files in record["desired"].items():
        lines += ["", f"Desired configuration of {name}: {', '.join(files['files'])} ({', '.join(files['documents'])})"]
    if not record["hosts"] and not record["clusters"] and not record["nodes"]:
        lines += ["", "Nothing: name hosts (--hosts) or clusters (--kubeconfig), or a change file (--change)."]
    return "\n".join(lines)
