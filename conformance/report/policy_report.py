"""A ClusterPolicyReport of wgpolicyk8s.io/v1alpha2, to be applied by hand: the suite itself writes nothing to a cluster.

Source: https://github.com/kubernetes-sigs/wg-policy-prototypes, policy-report/crd/v1alpha2.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, Final

from conformance.findings import Examination, Finding, Outcome
from conformance.hazards import Severity
from conformance.report import groups
from conformance.report.text import cut, terminal

__all__ = ["to_policy_report"]

_RESULTS: Final = {
    Outcome.CLEAR: "pass",
    Outcome.HAZARD: "fail",
    Outcome.WARNING: "warn",
    Outcome.UNKNOWN: "error",
    Outcome.NOT_APPLICABLE: "skip",
    Outcome.WAIVED: "skip",
}
_SEVERITIES: Final = {Severity.BLOCKER: "high", Severity.WARNING: "medium", Severity.ADVICE: "low"}
#: Results that are told one by one, what blocks first; etcd takes no object of more than 1.5 MB.
_MOST: Final = 500
_TEXT: Final = 1_000
_NAME: Final = re.compile(r"[^a-z0-9.-]+")


def to_policy_report(examination: Examination) -> str:
    """The examination as a ClusterPolicyReport, in JSON, which ``kubectl apply --server-side -f`` takes as well as YAML.

    Without ``--server-side`` kubectl would keep all of it in an annotation, too, and annotations end at 262,144 bytes.
    Clear and not applicable findings are counted, and not told one by one.
    """
    told = [one for one in examination.findings if one.outcome not in (Outcome.CLEAR, Outcome.NOT_APPLICABLE)]
    counts = dict.fromkeys(("pass", "fail", "warn", "error", "skip"), 0)
    for one in examination.findings:
        counts[_RESULTS[one.outcome]] += 1
    missing = {(one.hazard, one.subject) for one in examination.coverage.not_examined if not one.decided}
    counts["error"] += len(missing)
    # What nobody wanted to look for (--examine) is no error: the verdict may well be go.
    counts["skip"] += len(groups.left_out(examination)) - len(missing)
    before, after = groups.upgrade(examination)
    results = [
        {
            "policy": "preflight",
            "rule": "verdict",
            "result": {"go": "pass", "no-go": "fail"}.get(examination.verdict.value, "error"),
            "message": _say(f"{groups.LABELS[examination.verdict]}: {', '.join(examination.reasons)}"),
            "source": "pytest-preflight",
            "timestamp": _stamp(examination),
            "properties": {
                "profile": _say(examination.profile),
                "from": _say(before or ""),
                "to": _say(after or ""),
                "scope": examination.scope,
                "results": f"{min(len(told), _MOST)} of {len(told)} told",
            },
        },
        *(_result(one, examination) for one in told[:_MOST]),
    ]
    name = _NAME.sub("-", f"preflight-{examination.profile}".lower()).strip("-.")
    report = {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "ClusterPolicyReport",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "pytest-preflight"}},
        "summary": counts,
        "results": results,
    }
    return json.dumps(report, ensure_ascii=True, indent=1) + "\n"


def _say(text: str) -> str:
    return terminal(cut(text, _TEXT), newlines=True)


def _stamp(examination: Examination) -> dict[str, int]:
    try:
        return {"seconds": int(datetime.fromisoformat(examination.finished).timestamp()), "nanos": 0}
    except ValueError:
        return {"seconds": 0, "nanos": 0}


def _result(one: Finding, examination: Examination) -> dict[str, Any]:
    properties = {"subject": _say(one.subject), "outcome": one.outcome.value}
    if one.remedy:
        properties["remedy"] = _say(one.remedy)
    if one.source:
        properties["source"] = _say(one.source)
    properties.update({f"waiver-{key}": _say(value) for key, value in (one.waiver or {}).items() if value})
    return {
        "policy": "preflight",
        "rule": one.hazard,
        "result": _RESULTS[one.outcome],
        "severity": _SEVERITIES[one.severity],
        "message": _say(f"{one.subject}: {one.message or one.title}"),
        "source": "pytest-preflight",
        "timestamp": _stamp(examination),
        "properties": properties,
    }
