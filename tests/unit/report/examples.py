"""Examinations made by hand, for the tests of every form of report."""

from __future__ import annotations

from dataclasses import replace

from conformance.findings import Coverage, Evidence, Examination, Finding, LeftOut, Outcome, Verdict
from conformance.hazards import Severity

DOCUMENT = "Anthos clusters on bare metal: known issues"
MOUNT = "tmpfs /tmp tmpfs rw,nosuid,nodev,noexec,relatime 0 0"
ADDRESS = "https://cloud.google.com/anthos/clusters/docs/bare-metal/1.9/troubleshooting/known-issues"


def finding(hazard="abm-tmp-noexec", subject="cp-1", outcome=Outcome.CLEAR, **others):
    others.setdefault("severity", Severity.BLOCKER)
    others.setdefault("title", "/tmp is mounted noexec")
    others.setdefault("source", f"{DOCUMENT} - プリフライト チェックと権限が拒否されました - {ADDRESS}")
    return Finding(hazard=hazard, subject=subject, outcome=outcome, **others)


def noexec(subject, options="rw,nosuid,nodev,noexec,relatime"):
    return finding(
        subject=subject,
        outcome=Outcome.HAZARD,
        message=f"/tmp is mounted {options} on {subject}",
        evidence=(Evidence(subject, "cat /proc/self/mounts", (MOUNT,)),),
        remedy="Remount /tmp without noexec and take the option out of /etc/fstab, on every node before the upgrade:\n"
        "    mount -o remount,exec /tmp",
    )


def clear(number=12):
    return [
        finding(f"abm-clear-{one % 4}", f"cp-{one // 4}", title=f"Nothing of kind {one % 4}") for one in range(number)
    ]


def hazards():
    """Findings of every outcome."""
    disks = [
        finding(
            "linux-disk-full",
            f"wk-{one}",
            Outcome.HAZARD,
            title="/var has too little room for the images of the new version",
            message=f"/var has {one}.5 GiB free, the upgrade needs 10 GiB",
            evidence=(
                Evidence(f"wk-{one}", "df -kP /var", (f"/dev/sda1 52428800 49{one}00000 {one}572864 95% /var",)),
            ),
            remedy="Remove unused images: crictl rmi --prune",
        )
        for one in range(1, 4)
    ]
    unreachable = [
        finding(
            f"abm-{name}",
            "cp-3",
            Outcome.UNKNOWN,
            title=f"About {name}",
            message="cp-3: connection refused by 10.200.0.4 port 22: is sshd running, and is the address right?",
        )
        for name in ("apparmor", "clock-skew", "docker-inactive", "firewalld", "tmp-noexec")
    ]
    return [
        noexec("cp-1"),
        noexec("wk-1"),
        *disks,
        *unreachable,
        finding(
            "abm-ctrl-metrics",
            "prod-user",
            Outcome.UNKNOWN,
            title="Pods that never end",
            message="pods is forbidden: the credentials may not list pods; apply what --plan=rbac prints",
        ),
        finding(
            "linux-fstab-swap",
            "wk-2",
            Outcome.WARNING,
            severity=Severity.BLOCKER,
            title="Swap comes back at the next boot",
            message="/etc/fstab line 7 turns swap on at the next boot",
            evidence=(Evidence("wk-2", "/etc/fstab", ("/dev/sda2 none swap sw 0 0",)),),
            remedy="Comment the line out.",
            notes=("the waiver of platform@example.com expired on 2026-01-01T00:00:00+01:00: it waives nothing",),
        ),
        finding(
            "abm-docker-inactive",
            "wk-1",
            Outcome.WAIVED,
            title="The docker service is not active",
            message="docker.service is inactive",
            evidence=(Evidence("wk-1", "systemctl is-active docker", ("inactive",)),),
            remedy="systemctl enable --now docker",
            waiver={
                "subject": "wk-*",
                "reason": "docker leaves with this upgrade",
                "owner": "platform@example.com",
                "ticket": "CHG-4711",
                "expires": "2026-12-24T18:00:00+01:00",
            },
            waived=Outcome.HAZARD,
        ),
        *clear(),
        finding(
            "abm-kubevirt-migration",
            "prod-user",
            Outcome.NOT_APPLICABLE,
            title="Virtual machines block the drain",
            message="KubeVirt is not served here",
        ),
    ]


def examination(verdict=Verdict.NO_GO, findings=None, **others):
    findings = tuple(sorted(hazards() if findings is None else findings, key=lambda one: one.rank))
    others.setdefault("reasons", ("5 blocking hazards", "6 unknown", "2 not examined"))
    others.setdefault(
        "coverage",
        Coverage(
            known=21,
            examined=14,
            not_applicable=(
                LeftOut("abm-198-node-pool", "from 1.9.2 is not 1.8.*"),
                LeftOut("abm-198-vip", "from 1.9.2 is not 1.8.*"),
                LeftOut("abm-kubevirt-migration", "KubeVirt is not served here", "prod-user"),
            ),
            not_examined=(
                LeftOut("linux-selinux", "no host with the role workstation is named", "station"),
                LeftOut("linux-umask", "no host with the role workstation is named"),
            ),
            unknown=tuple(
                LeftOut(one.hazard, one.message, one.subject) for one in findings if one.outcome is Outcome.UNKNOWN
            ),
        ),
    )
    values = {
        "profile": "anthos-bare-metal-1.9",
        "scope": "",
        "upgrades": {"": ("", "1.9.0"), "prod-user": ("1.8.3", "1.9.0"), "prod-admin": ("", "")},
        "started": "2026-11-21T02:13:04+00:00",
        "finished": "2026-11-21T02:13:09.500+00:00",
        "subjects": (
            {"name": "cp-1", "kind": "host", "roles": ("control-plane",), "cluster": "prod-user"},
            {"name": "wk-1", "kind": "host", "roles": ("worker",), "cluster": "prod-user"},
            {"name": "prod-user", "kind": "cluster", "roles": ("user",), "manager": "prod-admin"},
            {"name": "prod-admin", "kind": "cluster", "roles": ("admin",)},
        ),
        "warnings": ("waiver of abm-vip for lb-* (net@example.com) matches no finding: remove it, or mend its hazard",),
        "gather": {"seconds": 5.5, "hosts": {"cp-1": {"seconds": 1.25, "host key": "SHA256:abc"}}},
        "suite": "pytest-preflight 1.0.0",
    }
    return Examination(verdict=verdict, findings=findings, **{**values, **others})


def go():
    return examination(
        Verdict.GO,
        clear(),
        reasons=("12 clear, nothing blocks",),
        coverage=Coverage(known=4, examined=4),
        warnings=(),
    )


def incomplete():
    """Nothing was examined: no finding at all says so."""
    return examination(
        Verdict.INCOMPLETE,
        [],
        reasons=("nothing was examined",),
        coverage=Coverage(known=4, examined=0),
        warnings=(),
        subjects=(),
    )


def saying(text):
    """An examination in which every text that may come from a subject is `text`."""
    findings = []
    for outcome in Outcome:
        for number in range(2):
            findings.append(
                finding(
                    f"abm-{outcome.value}",
                    text,
                    outcome,
                    severity=Severity.WARNING if outcome is Outcome.WARNING else Severity.BLOCKER,
                    title=text,
                    message=f"{text}{number}" if number else text,
                    evidence=(Evidence(text, text, (text, f"{number}{text}", *text.split("\n"))),),
                    remedy=text,
                    source=text,
                    notes=(text,) if number else (),
                    waiver={"reason": text, "owner": text, "ticket": text, "expires": text}
                    if outcome is Outcome.WAIVED
                    else None,
                )
            )
    left_out = (LeftOut("abm-other", text, text), LeftOut("abm-another", text))
    return replace(
        examination(findings=findings),
        reasons=(text,),
        profile=text,
        title=text,
        upgrades={"": (text, text), text: (text, text)},
        subjects=({"name": text, "kind": "host", "roles": (text,)},),
        coverage=Coverage(1, 1, left_out, left_out, left_out),
        warnings=(text,),
        gather={text: text, "nested": {text: [text, {text: text}]}},
        suite=text,
    )
