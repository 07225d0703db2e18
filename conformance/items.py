"""Items: one pytest item per check and subject, decided from the snapshot alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from conformance.answers import NotApplicable, Unreadable
from conformance.facts.declare import BUILT_IN, Every, Fact
from conformance.facts.resolve import needs_of
from conformance.findings import Finding, Outcome
from conformance.harmless import make_harmless
from conformance.hazards import Clear, Severity, Target
from conformance.reads import PodExec, PodLogs
from conformance.settle import RuledOut, finding_about, reason_of

if TYPE_CHECKING:
    from conformance.run import Run
    from conformance.select import Case

__all__ = ["CheckFile", "CheckItem", "decide", "own_marks"]


class CheckFile(pytest.Module):
    """A file of checks; the functions in it that no hazard of the profile needs give no items."""

    run: Run

    def _getobj(self) -> Any:
        # The pack's loader has imported it, below the package name by which its relative imports work.
        for check, _ in self.run.table.values():
            if check.path == self.path:
                return sys.modules[check.function.__module__]
        return super()._getobj()  # type: ignore[no-untyped-call]

    def istestfunction(self, obj: object, name: str) -> bool:  # noqa: ARG002 - pytest's signature
        """Checks are made into items by `items_of`; a check file holds no other tests."""
        return False

    def items_of(self, name: str, function: FunctionType) -> Iterator[CheckItem]:
        """One item for each case of a check, in the order of the inventory."""
        cases = self.run.cases_of.get(id(function), [])
        several = len({one.hazard.id for one in cases}) > 1
        info = None
        light = False
        place: tuple[str, int | None] = (self.nodeid, function.__code__.co_firstlineno - 1)
        for case in cases:
            subject = self.run.inventory.ids[case.subject.name]
            label = f"{case.hazard.id}-{subject}" if several else subject
            # No originalname: pytest would make the node id of it, without what tells the subjects apart.
            item = CheckItem.from_parent(self, name=f"{name}[{label}]", callobj=function, fixtureinfo=info)
            item.case, item.run, item.place = case, self.run, place
            if (own := getattr(item, "_id", None)) is not None:
                # pytest >= 9.2 compares ids by their parts (--lf), of which what stands in brackets is one.
                item._id = type(own).parse(item.nodeid)  # noqa: SLF001 - it would take a whole parametrization
            if info is None:
                info = item._fixtureinfo  # noqa: SLF001 - the same for every subject, and dear to compute
                light = item.needs_nothing_of_pytest()
            item.label_with(case, light=light)
            yield item


def own_marks() -> Iterator[str]:
    """The marks that every item carries by its hazard, with what they select."""
    for severity in Severity:
        yield f"{severity}: checks of hazards of this severity"
    for target in Target:
        yield f"{_mark(target)}: checks that look at this kind of subject"


def _mark(word: str) -> str:
    return word.replace("-", "_").replace(".", "_")


class CheckItem(pytest.Function):
    """One check on one subject."""

    case: Case
    run: Run
    #: Whether it is decided in one step, without pytest's set-up and teardown: nothing of theirs concerns it.
    light: bool
    #: File and line of the check, as pytest names them.
    place: tuple[str, int | None]
    #: What the check says of a clear result.
    told: str = ""
    #: The finding, once a phase has settled it.
    settled: Finding | None = None

    @property
    def location(self) -> tuple[str, int | None, str]:
        """Where the check stands: file, line from 0, name. Worked out once a check, not once a subject."""
        return (*self.place, self.name)

    def needs_nothing_of_pytest(self) -> bool:
        """Whether everything that applies to the check is facts: no other fixture, no mark that skips or expects."""
        wanted = set(self._fixtureinfo.initialnames)
        known = {name for name in wanted if name in BUILT_IN or isinstance(self.case.check.scope.get(name), Fact)}
        marks = {mark.name for mark in self.iter_markers()}
        return wanted == known and not marks & {"skip", "skipif", "xfail", "usefixtures"} and not self._is_watched()

    def _is_watched(self) -> bool:
        """Whether a plugin runs items in its own way, as those that run failures again do: it relies on all phases."""
        known = ("_pytest.", "xdist.", "conformance.", "pytest_timeout")  # which looks at the clock alone
        runners = self.ihook.pytest_runtest_protocol.get_hookimpls()
        return not all(one.function.__module__.startswith(known) for one in runners)

    def label_with(self, case: Case, *, light: bool) -> None:
        """Let ``-k`` find the hazard's id and the subject's name, and ``-m`` its severity and target."""
        self.light = light
        self.extra_keyword_matches.update((case.hazard.id, case.subject.name))
        self.own_markers.append(getattr(pytest.mark, _mark(case.hazard.severity)).mark)
        self.own_markers.extend(getattr(pytest.mark, _mark(one)).mark for one in case.hazard.on)
        self.keywords.update({mark.name: mark for mark in self.own_markers})

    def settle(self) -> str | None:
        """Decide a light item: None where the check has decided, else why it does not apply."""
        if self.case.ruled_out is not None:
            return self.case.ruled_out
        try:
            self._prepare()
            self._let_decide()
        except NotApplicable as failure:
            return failure.reason
        return None

    def setup(self) -> None:
        """Make the facts that the check names; one that cannot be read is an error here, never a pass."""
        if self.case.ruled_out is not None:
            raise RuledOut(self.case.ruled_out)
        try:
            self._prepare()
        except NotApplicable as failure:
            raise RuledOut(failure.reason) from None

    def _prepare(self) -> None:
        case = self.case
        if case.undecided is not None:
            raise Unreadable(case.undecided, subject=case.subject.name)
        names = needs_of(self.obj)
        if self.light or all(name in BUILT_IN or isinstance(case.check.scope.get(name), Fact) for name in names):
            self.funcargs.update({name: self.give(name) for name in names})
        else:
            super().setup()

    def give(self, name: str) -> Any:
        """The value of a fact or of one of the names that every check may ask for.

        :raises Unreadable, NotApplicable: as the fact says.
        """
        case = self.case
        match name:
            case "subject":
                return case.subject
            case "upgrade":
                return case.upgrade
            case "upgrades":
                return self.run.upgrades()
            case "parameters":
                return self.run.parameters_of(case.hazard)
            case "situation":
                return self.run.situation
            case "host":
                from conformance.facts.testinfra import replayed_host

                return replayed_host(self.run.snapshot.answer, case.subject)
        fact = case.check.scope.get(name)
        if not isinstance(fact, Fact):
            raise Unreadable(f"check {case.check.name} names {name!r}, which is no fact that it can see")
        return self.run.facts.value(fact, case.subject)

    def runtest(self) -> None:
        """Let the check decide."""
        try:
            self._let_decide()
        except NotApplicable as failure:
            raise RuledOut(failure.reason) from None

    def _let_decide(self) -> None:
        try:
            super().runtest()
        except Clear as told:
            self.told = told.message
        except Unreadable:
            # A check that saw nothing can only guess why; that members could not be read is the reason.
            self._require_all_members(but="")
            raise
        self._require_all_members()

    def _require_all_members(self, but: str = "nothing found, but ") -> None:
        """Let no check pass that has not seen every member of the fleet.

        :raises Unreadable: it has not.
        """
        unread = self._unread_members()
        if unread:
            reasons = sorted({f"{name}: {why.reason}" for name, why in unread.items()})
            raise Unreadable(f"{but}not everything could be read: {'; '.join(reasons)}") from None

    def _unread_members(self) -> dict[str, Unreadable]:
        """Members of the fleet that a check which passed has not seen."""
        names, scope = needs_of(self.obj), self.case.check.scope
        if not any(_ranges(scope.get(name)) for name in names):
            return {}
        return self.run.facts.unread_members(names, scope, self.case.subject)

    def _repr_failure_py(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """One plain message, in every phase; the whole traceback only for those who ask for it with ``--tb``."""
        if self.run.tracebacks:
            return super()._repr_failure_py(excinfo, style)
        return f"{self.case.hazard.id} on {self.case.subject.name}: {reason_of(excinfo.value)}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]
        """As `_repr_failure_py`, which pytest asks in the other phases."""
        return self._repr_failure_py(excinfo) if not self.run.tracebacks else super().repr_failure(excinfo)


def _ranges(thing: Any) -> bool:
    """Whether a fact, or a plain fixture, is or may be made from `every` member's."""
    if not isinstance(thing, Fact):
        return thing is not None
    return thing.kind != "host" and (
        bool(thing.needs) or any(isinstance(one, Every | PodExec | PodLogs) for one in thing.sources)
    )


def decide(item: CheckItem) -> None:
    """Run a light item: one phase instead of three. What it prints is kept in its report, as pytest would."""
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reraise: tuple[type[BaseException], ...] = (pytest.exit.Exception, KeyboardInterrupt)
    with redirect_stdout(StringIO()) as out, redirect_stderr(out):
        call = pytest.CallInfo.from_call(item.settle, when="call", reraise=reraise)
    if out.getvalue():
        item.add_report_section("call", "stdout", out.getvalue())
    if call.excinfo is None and call.result is not None:
        report = _ruled_out(item, call, call.result)
    else:
        report = hook.pytest_runtest_makereport(item=item, call=call)
    hook.pytest_runtest_logreport(report=report)
    if call.excinfo is not None and report.failed:
        hook.pytest_exception_interact(node=item, call=call, report=report)
    if item.run.shows_all or report.outcome == "failed" or hasattr(report, "wasxfail"):
        # pytest-html lists an item when it is torn down.
        end = pytest.TestReport(item.nodeid, item.location, {}, "passed", None, "teardown")
        hook.pytest_runtest_logreport(report=end)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _ruled_out(item: CheckItem, call: pytest.CallInfo[Any], reason: str) -> pytest.TestReport:
    """The report of a check that does not apply, as pytest makes it of a skip - without a traceback to look into."""
    file, line, _ = item.location
    where = (file, (line or 0) + 1, f"Skipped: {reason}")
    report = pytest.TestReport(
        item.nodeid,
        item.location,
        {},
        "skipped",
        where,
        "call",
        duration=call.duration,
        start=call.start,
        stop=call.stop,
    )
    report.preflight = finding_about(item.case, Outcome.NOT_APPLICABLE, message=reason).to_dict()  # type: ignore[attr-defined]
    return make_harmless(report)
