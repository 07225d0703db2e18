"""The command line: which options there are, and how they become a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["add_options", "is_on", "make_run", "refuse_empty"]

_GROUP: Final = "preflight: conformance checks for Kubernetes platform upgrades"


def add_options(parser: pytest.Parser) -> None:
    """Declare the options. ``--hosts``, ``--ssh-config`` and others are testinfra's own, read by us.

    So is pytest's own ``--strict``: with a profile, warnings and waivers unmatched, expired or too broad count as hazards.
    """
    group = parser.getgroup("preflight", _GROUP)
    option = group.addoption
    option("--profile", metavar="NAME", help="look for the hazards of a profile: a name, or a YAML file")
    option("--change", metavar="FILE", help="the change file: the upgrade under review (YAML)")
    option("--upgrade-from", metavar="V", help="version before the upgrade, where the cluster does not tell it")
    option("--upgrade-to", metavar="V", help="version after the upgrade, where the profile does not settle it")
    option(
        "--situation",
        choices=("before", "stuck", "repair"),
        default="before",
        help="which hazards of the profile: before an upgrade (default), in a stuck one, around a repair",
    )
    option("--kubeconfig", metavar="FILE", help="the cluster's kubeconfig (default: KUBECONFIG, in-cluster)")
    option("--kube-context", metavar="NAME", help="the context to use in the kubeconfig")
    option(
        "--desired",
        metavar="FILE",
        action="append",
        help="the configuration that is about to be applied (repeatable)",
    )
    option(
        "--since",
        metavar="REV",
        help="take versions and desired files from what this Git checkout changes since a revision, as origin/main",
    )
    option("--examine", choices=("hosts", "clusters"), help="look at one side only; the verdict says so")
    option(
        "--no-exec",
        action="store_true",
        help="run no program in any pod (pods/exec); what only that would tell is unknown",
    )
    option(
        "--plan",
        nargs="?",
        const="text",
        choices=("text", "json", "rbac", "sudoers"),
        help="print everything that would be read - or the ClusterRole or sudoers file for it - and stop",
    )
    option("--save-snapshot", metavar="FILE", help="keep what was read, for --snapshot (.gz compresses)")
    option(
        "--snapshot",
        metavar="FILE",
        action="append",
        help="run on what was kept instead of connecting to anything (repeatable: they merge)",
    )
    option("--waivers", metavar="FILE", help="accepted findings with reason, owner and expiry (YAML)")
    option("--report-dir", metavar="DIR", default="reports", help="where the reports go (default: reports/)")
    option(
        "--report-language",
        choices=("en", "ja"),
        default="en",
        help="the language of preflight.html (default: en); what hosts and clusters said stays as it is",
    )
    option("--compare", metavar="FILE", help="tell what has changed since an earlier run: its preflight.json")
    option(
        "--verify",
        metavar="FILE",
        help="ask an earlier preflight.json whether it still stands for the change at hand, and stop; contacts nobody",
    )
    option("--verify-key", metavar="FILE", help="the public key (PEM) with which that report must be signed")
    option("--sign-key", metavar="FILE", help="sign the statement about the report with a private key (PEM)")
    option("--sarif", metavar="FILE", help="also write SARIF, for views that show results beside the files in Git")
    option(
        "--policy-report",
        metavar="FILE",
        help="also write a ClusterPolicyReport (wgpolicyk8s.io) for you to apply; the suite itself writes to no cluster",
    )
    option("--list-profiles", action="store_true", help="list the profiles that there are, and stop")
    option("--list-hazards", action="store_true", help="list the hazards (of --profile, or all), and stop")


#: The options that take a text of any kind; what a shell made of an unset variable must not switch them off.
_TEXTS: Final = (
    *("--profile", "--change", "--upgrade-from", "--upgrade-to", "--kubeconfig", "--kube-context", "--desired"),
    *("--since", "--save-snapshot", "--snapshot", "--waivers", "--report-dir", "--compare", "--verify"),
    *("--verify-key", "--sign-key", "--sarif", "--policy-report"),
)
#: Those of testinfra, which are checked where the suite is switched on.
_BORROWED: Final = {"hosts": "--hosts", "ssh_config": "--ssh-config", "ssh_identity_file": "--ssh-identity-file"}


def refuse_empty(config: pytest.Config) -> None:
    """Refuse an option that was given and holds nothing, as ``--verify-key="$KEY"`` does where KEY is not set.

    :raises pytest.UsageError: there is one.
    """
    names = {**{one: one for one in _TEXTS}, **(_BORROWED if is_on(config) else {})}
    for key, name in names.items():
        given = config.getoption(key, None)
        for one in given if isinstance(given, list) else [given]:
            if isinstance(one, str) and not one.strip(", "):
                msg = (
                    f"{name}: it is empty: give a value, or leave the option out (is a variable of the shell not set?)"
                )
                raise pytest.UsageError(msg)


def is_on(config: pytest.Config) -> bool:
    """Whether the suite is asked for at all."""
    return bool(config.getoption("--profile", None) or config.getoption("--change", None))


def make_run(config: pytest.Config) -> Any:
    """The run that the options describe, validated as far as that is possible without contacting anybody.

    :raises pytest.UsageError: with one line that says what is wrong, where, and what to do.
    """
    from conformance.facts.declare import InvalidFact
    from conformance.hazards import InvalidHazard
    from conformance.packs import InvalidPack
    from conformance.reads import InvalidRead
    from conformance.report.text import terminal
    from conformance.snapshot import InvalidSnapshot

    try:
        return _make_run(config)
    except (InvalidFact, InvalidHazard, InvalidPack, InvalidRead, InvalidSnapshot, ValueError) as error:
        raise pytest.UsageError(terminal(" ".join(str(error).splitlines()))) from None


#: What says whom to ask, by the name of the option in pytest's configuration.
_LIVE: Final = {
    "hosts": "--hosts",
    "--kubeconfig": "--kubeconfig",
    "--kube-context": "--kube-context",
    "--desired": "--desired",
}


def _make_run(config: pytest.Config) -> Any:
    from dataclasses import replace

    from conformance.change import Change, load_change
    from conformance.documents import InvalidDocument
    from conformance.gate.inputs import beside, digests_of
    from conformance.gate.whom import identified
    from conformance.hazards import Situation
    from conformance.overrides import check_directions, targets_of, with_default_subject, with_desired, with_options
    from conformance.profiles import Library
    from conformance.recorded import change_of
    from conformance.run import Run
    from conformance.snapshot import InvalidSnapshot, Snapshot, check_place, merge

    option = config.getoption
    if option("--snapshot") and option("--since"):
        msg = "--since: a snapshot says itself what it was read for; leave one of the two out"
        raise InvalidDocument(msg)
    if option("--snapshot") and option("--save-snapshot"):
        msg = "--save-snapshot: nothing is read in a run on --snapshot; leave one of the two out"
        raise InvalidDocument(msg)
    if option("--save-snapshot"):
        check_place(Path(option("--save-snapshot")))
    # A worker of pytest-xdist runs on what the controller has read, and on the change as it settled it.
    handed = getattr(config, "workerinput", {}).get("preflight_snapshot")
    # testinfra's own --hosts may stand in somebody's settings; beside a snapshot it means something where it was typed.
    typed = any(str(one).partition("=")[0] == "--hosts" for one in config.invocation_params.args)
    for key, asks in _LIVE.items():
        if option("--snapshot") and not handed and option(key, None) and (key != "hosts" or typed):
            msg = f"{asks}: nobody is asked in a run on --snapshot, which says itself what was read; leave one of the two out"
            raise InvalidDocument(msg)
    kept = [Path(one) for one in ([handed] if handed else option("--snapshot") or [])]
    snapshot = merge(Snapshot.load(one) for one in kept) if kept else Snapshot()
    named = load_change(Path(option("--change"))) if option("--change") else None
    if named and not handed:
        change = named
    elif kept:
        try:
            change = change_of(snapshot.change)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{', '.join(map(str, kept))}: the change in the snapshot is damaged: {error}"
            raise InvalidSnapshot(msg) from None
        if named:
            change = replace(change, file=named.file, waivers=named.waivers, profile=named.profile)
            change = replace(change, fresh_hours=named.fresh_hours)
    else:
        change = Change()
    name = option("--profile") or change.profile
    if not name:
        msg = f"--change {option('--change')}: it names no profile; add `profile:` or give --profile"
        raise InvalidDocument(msg)
    library = Library()
    profile = library.find(name)
    change = with_options(change, _overrides(config, change, replay=bool(kept)))
    run = Run(profile, library, change, Situation(option("--situation")), snapshot, replay=bool(kept))
    if not kept:
        # Of a report that is verified, what is only usual is not asked for: it says itself whom it is about.
        if option("--since") or option("--desired") or not option("--verify"):
            run.change = with_default_subject(_with_usual_cluster(run), cluster=False)
        run.change = with_desired(run.change, option("--desired"))
        if option("--since"):
            run.change = _since(run.change, profile, option("--since"))
    needed = not (option("--list-hazards") or option("--plan"))
    settled = library.settled(profile, targets_of(run.change), needed=needed)
    if settled is profile:
        run.settle()  # its checks are imported already; whom the change names may be others by now
    else:
        run.take(settled)
    check_directions(run.change, run.profile.target)
    run.check_parameters()
    if not kept:
        stays = any(option(one) for one in ("--plan", "--list-hazards", "--collect-only", "--verify"))
        _check_connections(run, stays=stays)
        run.change = replace(run.change if stays else identified(run.change), inputs=digests_of(run.change))
        run.plan(undecided=True)  # a check that names what can never be given is an error before anything is read
    elif named and not handed:
        run.change = beside(run.change, snapshot.change)
    return run


def _since(change: Any, profile: Any, revision: str) -> Any:
    from conformance.gate.since import NothingChanged, since

    try:
        return since(change, profile, revision)
    except NothingChanged as nothing:
        pytest.exit(str(nothing), returncode=int(pytest.ExitCode.NO_TESTS_COLLECTED))


def _overrides(config: pytest.Config, change: Any, *, replay: bool) -> dict[str, Any]:
    def given(name: str) -> Any:
        return config.getoption(name, None)

    options = {
        "upgrade_from": given("--upgrade-from"),
        "upgrade_to": given("--upgrade-to"),
        "waivers": given("--waivers"),
        "examine": given("--examine"),
        "no_exec": given("--no-exec"),
    }
    if not replay:
        hosts = given("hosts")
        options["hosts"] = [hosts] if isinstance(hosts, str) else hosts
        options["ssh_config"] = given("ssh_config")
        options["ssh_identity_file"] = given("ssh_identity_file")
        options["sudo"] = given("sudo")
        options["kubeconfig"] = given("--kubeconfig")
        options["kube_context"] = given("--kube-context")
        # Of a change with several clusters nobody knows which is meant: that is said later.
        if len(change.clusters) < 2 and (options["kubeconfig"] or options["kube_context"]):
            from conformance.change import expanded
            from conformance.gather.kubeconfig import check_kubeconfig, default_context_name

            own = next((one.kubeconfig for one in change.clusters.values()), None)
            path = expanded(options["kubeconfig"]) if options["kubeconfig"] else own
            check_kubeconfig(path, options["kube_context"])
            options["cluster_name"] = options["kube_context"] or default_context_name(path)
    return options


def _with_usual_cluster(run: Any) -> Any:
    """The change with the cluster of the usual places, where the profile has use for one and none is named."""
    from dataclasses import replace

    from conformance.change import Cluster

    change = run.change
    wanted = any(one.scope != "host" and run.situation in one.situations for one in run.hazards())
    if change.clusters or not wanted or "clusters" not in change.examine:
        return change
    from conformance.gather.kubeconfig import InvalidKubeconfigFile, default_context_name

    try:
        name = default_context_name(None)
    except InvalidKubeconfigFile:
        return change
    hosts = {key: replace(one, cluster=name) for key, one in change.hosts.items()}
    return replace(change, clusters={name: Cluster(name)}, hosts=hosts)


def _check_connections(run: Any, *, stays: bool) -> None:
    """What the person at the keyboard can mend before anything is contacted.

    :param stays: nobody will be contacted: then nobody needs a key or a kubeconfig, as those who review a plan.
    """
    change = run.change
    if change.hosts or change.nodes:
        from conformance.gather.local import check_specification
        from conformance.gather.ssh_config import check_settings, is_ssh
        from conformance.gathering import ssh_settings

        connections = [one.connection for one in change.hosts.values()]
        if stays:
            for one in connections:
                if not is_ssh(one):
                    check_specification(one)
        else:
            check_settings(connections, ssh_settings(run))
    for cluster in change.looked_at.values():
        if cluster.connected and not stays:
            from conformance.gather.kubeconfig import check_kubeconfig

            check_kubeconfig(cluster.kubeconfig, cluster.context)
        if cluster.desired:
            from conformance.configuration import documents_of

            for path in cluster.desired:
                documents_of(path)
