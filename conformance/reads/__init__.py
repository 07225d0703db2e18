"""Reads: what may be asked of a host or a cluster, declared before anything is contacted."""

from conformance.reads.clusters import (
    ClusterRead,
    Desired,
    Listing,
    Named,
    NamedObjects,
    Objects,
    Step,
    desired,
    listing,
    named,
)
from conformance.reads.environment import Environment, LoginCommand, environment, login_command
from conformance.reads.execs import ExecAnswer, ExecAnswers, PodExec, pod_exec
from conformance.reads.hosts import Command, File, Files, HostRead, InvalidRead, command, file, files
from conformance.reads.journal import Filtered, Journal, filtered, journal
from conformance.reads.logs import LogMatch, MatchedLogs, PodLogs, pod_logs
from conformance.reads.paths import Path, Reply, path

__all__ = [
    "ClusterRead",
    "Command",
    "Desired",
    "Environment",
    "ExecAnswer",
    "ExecAnswers",
    "File",
    "Files",
    "Filtered",
    "HostRead",
    "InvalidRead",
    "Journal",
    "Listing",
    "LogMatch",
    "LoginCommand",
    "MatchedLogs",
    "Named",
    "NamedObjects",
    "Objects",
    "Path",
    "PodExec",
    "PodLogs",
    "Reply",
    "Step",
    "command",
    "desired",
    "environment",
    "file",
    "files",
    "filtered",
    "journal",
    "listing",
    "login_command",
    "named",
    "path",
    "pod_exec",
    "pod_logs",
]
