"""The examination on the terminal: the verdict first, then what a person has to act on, the rest in one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from conformance.findings import Examination, Outcome, Verdict
from conformance.hazards import Severity
from conformance.report import groups
from conformance.report.groups import Group, HazardGroup, Reason, number_of
from conformance.report.text import cut, cut_lines, one_line, terminal, wrap

__all__ = ["write"]

WriteLine = Callable[..., Any]

_COLOUR: Final[Mapping[Verdict, str]] = {
    Verdict.GO: "green",
    Verdict.NO_GO: "red",
    Verdict.INCOMPLETE: "yellow",
}
_SUBJECTS: Final = 20
_GROUPS: Final = 5
_REASONS: Final = 4
_ANSWERS: Final = 3
_LINES: Final = 6
_MESSAGE: Final = 1_000
_LINE: Final = 300
_MORE: Final = "see preflight.json"


def write(
    examination: Examination, write_line: WriteLine, *, width: int = 80, reports: Iterable[Path | str] = ()
) -> None:
    """Tell the examination line by line.

    :param write_line: called with a line and with pytest's markup, such as ``red=True``.
    :param width: columns of the terminal.
    :param reports: where the reports in full were written.
    """
    _Writer(examination, write_line, max(40, width)).write([str(one) for one in reports])


class _Writer:
    def __init__(self, examination: Examination, write_line: WriteLine, width: int) -> None:
        self.examination = examination
        self.write_line = write_line
        self.width = width

    def write(self, reports: Sequence[str]) -> None:
        self.verdict()
        for hazard in groups.by_hazard(self.examination, Outcome.HAZARD):
            self.hazard("HAZARD", hazard, red=True, bold=True)
        self.unknown()
        for hazard in groups.by_hazard(self.examination, Outcome.WARNING):
            # A blocker that its check lowered is a warning, too.
            label = "ADVICE" if hazard.severity is Severity.ADVICE else "WARNING"
            self.hazard(label, hazard, yellow=True)
        self.waived()
        self.compared()
        self.rest()
        for warning in self.examination.warnings:
            self.text(warning, "WARNING: ", yellow=True, bold=True)
        if reports:
            self.write_line("")
            self.text(", ".join(reports), "reports: ")

    def text(self, text: str, first: str = "", then: str | None = None, /, **markup: bool) -> None:
        """Prose, made safe and wrapped."""
        for line in wrap(terminal(one_line(cut(text, _MESSAGE))), self.width, first=first, then=then):
            self.write_line(line, **markup)

    def verdict(self) -> None:
        one = self.examination
        self.write_line("")
        label = groups.LABELS[one.verdict]
        self.text(f"{label}: {', '.join(one.reasons)}", "", "  ", bold=True, **{_COLOUR[one.verdict]: True})
        kinds = [str(subject.get("kind", "")) for subject in one.subjects]
        told = [one.title, one.profile, groups.upgrade_text(one)]
        told += [number_of(kinds.count(kind), kind) for kind in ("host", "cluster") if kind in kinds]
        self.text(", ".join(filter(None, [*told, one.scope.upper()])), "", "  ")
        for line in groups.verdicts(one):
            self.text(line, "  ", "    ")
        if aged := groups.aged(one):
            self.text(aged, "  ! ", yellow=True, bold=True)

    def hazard(self, label: str, hazard: HazardGroup, **markup: bool) -> None:
        self.write_line("")
        self.text(f"{hazard.hazard}: {hazard.title}", f"{label} ", "  ", **markup)
        for group in hazard.groups[:_GROUPS]:
            self.group(group)
        if len(hazard.groups) > _GROUPS:
            rest = [subject for group in hazard.groups[_GROUPS:] for subject in group.subjects]
            self.text(f"{_names(rest)} - each in other words, {_MORE}", "  on ", "     ")
        remedies = hazard.remedies
        for subjects, remedy in remedies[:_GROUPS]:
            self.remedy(remedy, f" ({_names(subjects, 3)})" if len(remedies) > 1 else "")
        if len(remedies) > _GROUPS:
            self.write_line(f"  {number_of(len(remedies) - _GROUPS, 'more remedy', 'more remedies')}, {_MORE}")
        if hazard.source:
            self.text(hazard.source, "  source: ", "    ")

    def group(self, group: Group) -> None:
        self.text(_names(group.subjects), "  on ", "     ")
        said = group.said_once
        messages = [said] if said is not None else [f"{one.subject}: {one.message}" for one in group.findings[:_GROUPS]]
        for message in messages:
            for line in cut_lines(message.strip().split("\n"), _LINES, _MESSAGE):
                self.text(line, "     ")
        if said is None and len(group.findings) > _GROUPS:
            self.write_line(f"     {len(group.findings) - _GROUPS:,} more alike with other numbers, {_MORE}")
        for note in group.notes:
            self.text(note, "     ! ", yellow=True)
        answers = group.evidence()
        for subjects, evidence in answers[:_ANSWERS]:
            self.text(f"{_names(subjects, 3)}: {cut(evidence.read, _LINE)}", "     read on ", "       ")
            for line in cut_lines(evidence.lines, _LINES, _LINE):
                # Not wrapped: a line of evidence is shown as it was read.
                self.write_line(f"     | {terminal(line)}")
        if len(answers) > _ANSWERS:
            self.write_line(f"     {number_of(len(answers) - _ANSWERS, 'more answer')}, {_MORE}")

    def remedy(self, remedy: str, whom: str) -> None:
        first = f"  remedy{terminal(whom)}: "
        for line in cut_lines(remedy.strip().split("\n"), 40, _MESSAGE):
            if line.startswith((" ", "\t", "$ ")) and first == "    ":
                self.write_line(f"{first}{terminal(line)}")  # a command, which must be copied whole
            elif line.strip():
                self.text(line, first, "    ")
            first = "    "

    def unknown(self) -> None:
        unknown = groups.unknown(self.examination)
        if not unknown:
            return
        self.write_line("")
        number = sum(one.number for one in unknown)
        self.write_line(f"UNKNOWN {number:,}: what could not be read is not a pass", yellow=True, bold=True)
        for one in unknown[:_SUBJECTS]:
            self.text(f"{_whom(one)}{one.text}", "  ", "    ")
            each = " each" if len(one.subjects) > 1 else ""
            self.text(f"({number_of(len(one.hazards), 'hazard')} unknown{each}: {_names(one.hazards, 8)})", "    ")
        if len(unknown) > _SUBJECTS:
            self.write_line(f"  {number_of(len(unknown) - _SUBJECTS, 'more reason')}, {_MORE}")

    def waived(self) -> None:
        used = groups.waivers(self.examination)
        if not used:
            return
        self.write_line("")
        self.write_line(f"WAIVED {sum(len(one.subjects) for one in used):,}", bold=True)
        for one in used[:_SUBJECTS]:
            ticket = f", {one.waiver['ticket']}" if one.waiver.get("ticket") else ""
            self.text(
                f"{one.hazard} on {_names(one.subjects)}: {one.waiver.get('reason', 'no reason given')} "
                f"({one.waiver.get('owner', 'nobody named')}{ticket}, until {one.waiver.get('expires', 'no date')})",
                "  ",
                "    ",
            )
        if len(used) > _SUBJECTS:
            self.write_line(f"  {number_of(len(used) - _SUBJECTS, 'more waiver')}, {_MORE}")

    def compared(self) -> None:
        """What has changed since an earlier run."""
        one = self.examination.comparison
        if one is None:
            return
        self.write_line("")
        self.text(groups.compared(one), "", "  ", bold=True)
        for label, changed in (("new", one.new), ("gone", one.gone), ("not examined again", one.not_examined)):
            for hazard, subjects in groups.by_name(changed)[:_SUBJECTS]:
                self.text(f"{label}: {hazard} on {_names(subjects)}", "  ", "    ")

    def rest(self) -> None:
        """What asks for nothing: a line each."""
        clear = self.examination.count(Outcome.CLEAR)
        coverage = self.examination.coverage
        self.write_line("")
        self.write_line(
            f"clear: {clear:,}; {coverage.examined:,} of {number_of(coverage.known, 'known hazard')} examined"
        )
        for label, triples, markup in (
            ("not applicable", groups.not_applicable(self.examination), {}),
            ("not examined", groups.left_out(self.examination), {"yellow": True}),
        ):
            if triples:
                said: dict[str, int] = {}
                for _, _, reason in triples:
                    said[reason] = said.get(reason, 0) + 1
                told = sorted(said.items(), key=lambda item: -item[1])
                shown = [f"{reason} ({number:,})" for reason, number in told[:_REASONS]]
                if len(told) > _REASONS:
                    shown.append(f"{number_of(len(told) - _REASONS, 'more reason')}, {_MORE}")
                self.text("; ".join(shown), f"{label}: {len(triples):,} - ", "  ", **markup)


def _whom(reason: Reason) -> str:
    return f"{_names(reason.subjects)}: " if reason.subjects else ""


def _names(names: Iterable[str], limit: int = _SUBJECTS) -> str:
    names = list(dict.fromkeys(names))
    shown = ", ".join(names[:limit])
    more = len(names) - limit
    return shown if more <= 0 else f"{shown} and {more:,} more" + (f" ({_MORE})" if limit == _SUBJECTS else "")
