"""Versions of user clusters beside that of the admin cluster that manages them."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance import BLOCKER, FLEET, Members, NotApplicable, Parameter, Unreadable, Version, clear, found, hazard
from conformance.change import Upgrade

from ..sources import ANTHOS_BARE_METAL
from .facts_versions import Managed

Dates = Mapping[Version, dt.date]

#: The one pair that the document names.
_KNOWN: Final = "1.7.2=2021-06-02,1.6.4=2021-08-13"


def release_dates(text: str) -> dict[Version, dt.date]:
    """Version -> the day of its release, of ``1.7.2=2021-06-02,1.6.4=2021-08-13``.

    :raises ValueError: the text is something else.
    """
    found: dict[Version, dt.date] = {}
    for part in (one.strip() for one in text.split(",")):
        version, _, day = part.partition("=")
        if part:
            found[Version.parse(version)] = dt.date.fromisoformat(day.strip())
    return found


@dataclass(frozen=True, slots=True)
class Gap:
    """Why one version of a user cluster does not go with one of its admin cluster."""

    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Planned:
    """One cluster: its version now (None where it is to come) and after the change."""

    name: str
    now: Version | None
    after: Version

    @property
    def changes(self) -> bool:
        """Whether the change upgrades it."""
        return self.now is None or self.after is not self.now


@hazard(
    "abm-user-cluster-version-gap",
    title="a user cluster is, or would be, newer than its admin cluster or more than one minor release behind it",
    severity=BLOCKER,
    on=[FLEET],
    source=ANTHOS_BARE_METAL.section("ユーザー クラスタのパッチ アップグレードの制限"),
    remedy="Upgrade the admin cluster first.",
    parameters={
        "release-dates": Parameter(
            _KNOWN, release_dates, "days of release, VERSION=YYYY-MM-DD, with commas in between; adds to those known"
        )
    },
    sides=["clusters"],
)
def check_user_clusters_fit_their_admin_cluster(
    abm_hierarchy: Members, upgrades: Mapping[str, Upgrade], parameters: Mapping[str, Any]
) -> None:
    dates = {**release_dates(_KNOWN), **parameters["release-dates"]}
    held: dict[str, Managed] = {}
    for one in abm_hierarchy.values():
        if one is not None:
            # Of one to come only its own subject knows.
            users = {**(held[one.admin].users if one.admin in held else {}), **one.users}
            held[one.admin] = Managed(one.admin, one.version, users)
    if not held:
        if abm_hierarchy.unread or not abm_hierarchy:
            raise Unreadable("no Cluster object was read: name the clusters (--kubeconfig, or the change file)")
        raise NotApplicable("no user cluster is managed by the clusters that are looked at")
    gaps: dict[str, str] = {}
    orders: dict[str, str] = {}
    unknown: list[str] = []
    undated: list[str] = []
    for managed in held.values():
        try:
            admin = _planned(managed.admin, managed.version, upgrades)
        except Unreadable as failure:
            unknown.append(failure.reason)
            continue
        for name in sorted(managed.users):
            try:
                user = _planned(name, managed.users[name], upgrades)
                _judge(user, admin, dates, gaps, orders, undated)
            except Unreadable as failure:
                unknown.append(failure.reason)
    more = (
        f"; not dated, so compared by their minor releases alone: {', '.join(dict.fromkeys(undated))}"
        if undated
        else ""
    )
    if gaps:
        raise found(
            "; ".join([*gaps, *orders]) + more,
            evidence=_evidence(held, [*gaps, *orders]),
            remedy="\n".join(dict.fromkeys([*gaps.values(), *orders.values()])),
        )
    if unknown:
        raise Unreadable("; ".join(unknown))
    if orders:
        raise found(
            "; ".join(orders) + more,
            evidence=_evidence(held, orders),
            remedy="\n".join(dict.fromkeys(orders.values())),
            lower=True,
        )
    if undated:
        raise clear(
            f"by their minor releases these fit; whether the user cluster's patch is the later one is not known, since the "
            f"days of release are not: {', '.join(dict.fromkeys(undated))} (parameter release-dates)"
        )


def _planned(name: str, now: Version | None, upgrades: Mapping[str, Upgrade]) -> Planned:
    upgrade = upgrades.get(name)
    if upgrade is None or upgrade.none:
        if now is None:
            raise Unreadable(
                f"{name} is to come, and the change does not say in which version: give `upgrade: {{to: …}}`"
            )
        return Planned(name, now, now)  # not part of the change: it stays
    if upgrade.target is None:
        raise Unreadable(f"the version to upgrade {name} to is not known: give --upgrade-to")
    return Planned(name, now, upgrade.target)


def _judge(
    user: Planned, admin: Planned, dates: Dates, gaps: dict[str, str], orders: dict[str, str], undated: list[str]
) -> None:
    """Put what is wrong now or after the change into `gaps`, what depends on the order of upgrades into `orders`.

    :raises Unreadable: a patch that nobody named decides.
    """
    assert admin.now is not None
    is_bad = _gap(user.now, admin.now, None, user, admin, dates, undated) if user.now else None
    if is_bad and user.now:
        gaps[f"{user.name} is {user.now}, {is_bad.why} {admin.name}, which is {admin.now}"] = is_bad.remedy
    if not user.changes and not admin.changes:
        return
    then = _gap(user.after, admin.after, admin.now if admin.changes else None, user, admin, dates, undated)
    if then:
        becomes = f"{user.name} would be {user.after}" if user.changes else f"{user.name} would stay {user.after}"
        its = f"would be {admin.after}" if admin.changes else f"is {admin.after}"
        gaps[f"{becomes}, {then.why} {admin.name}, which {its}"] = then.remedy
    elif user.now and user.changes and admin.changes and not is_bad:
        # Documented is: the admin cluster first. Where that leaves the user cluster too far behind, only the other
        # order is left - if that is one.
        first = _gap(user.now, admin.after, admin.now, user, admin, dates, [])
        if first:
            last = _gap(user.after, admin.now, None, user, admin, dates, [])
            said = (
                f"with {admin.name} upgraded to {admin.after} first, {user.name} would still be {user.now}, {first.why}"
            )
            if last:
                gaps[f"{said}; and the other way round it would be {user.after}, {last.why} {admin.now}"] = (
                    f"Upgrade {admin.name} and {user.name} in smaller steps, one minor release at a time."
                )
            else:
                orders[said] = f"Upgrade {user.name} to {user.after} before {admin.name}:\n  {_upgrade(user.name)}"


def _upgrade(name: str) -> str:
    return f"bmctl upgrade cluster -c {shlex.quote(name)} --kubeconfig ADMIN_KUBECONFIG"


def _gap(
    user: Version, admin: Version, at_least: Version | None, of: Planned, to: Planned, dates: Dates, undated: list[str]
) -> Gap | None:
    """Why these two do not go together, None where they do.

    :param at_least: what the admin cluster surely has reached, where `admin` is a series of releases.
    :param undated: pairs of which the days of release would decide and are not known are added here.
    :raises Unreadable: a patch that nobody named decides.
    """
    mine, its = (user.major, user.minor), (admin.major, admin.minor)
    first = f"Upgrade {to.name} to {user} or newer first:\n  {_upgrade(to.name)}"
    if mine > its:
        return Gap("newer than its admin cluster", first)
    if mine == its:
        if user.is_series and admin.is_series:
            return None
        if user.is_series or admin.is_series:
            if at_least is not None and not user.is_series and user.public <= at_least.public:
                return None
            raise Unreadable(
                f"whether {of.name} in {user} would be newer than {to.name} in {admin} depends on the patch: give the whole "
                "versions (--upgrade-to, or `upgrade: {to: …}` in the change file)"
            )
        return Gap("newer than its admin cluster", first) if user.public > admin.public else None
    if mine[0] != its[0] or its[1] - mine[1] > 1:
        wanted = f"{its[0]}.{its[1] - 1}"
        return Gap(
            "more than one minor release behind its admin cluster",
            f"Bring {of.name} to {wanted} while {to.name} still manages its release. Where {to.name} is past that already, "
            f"it cannot manage {of.name} any more: make a new user cluster and move the workloads.",
        )
    return _by_date(user, admin, of, to, dates, undated)


def _by_date(user: Version, admin: Version, of: Planned, to: Planned, dates: Dates, undated: list[str]) -> Gap | None:
    """The rule for a patch of the older minor release: none that was released after the admin cluster's version.

    Patches of one minor release are released one after the other, so a known day bounds those of its neighbours.
    """
    not_before = [day for version, day in dates.items() if _alike(version, user) and version.public <= user.public]
    not_after = [day for version, day in dates.items() if _alike(version, admin) and version.public >= admin.public]
    if not_before and not_after and max(not_before) > min(not_after):
        return Gap(
            f"a patch of the older release (of {max(not_before)} or later) that came out after that of its admin cluster",
            f"Upgrade {to.name} first, to a version that was released on {max(not_before)} or later, or choose an earlier "
            f"patch of {user.major}.{user.minor} for {of.name}:\n  {_upgrade(to.name)}",
        )
    known = {version.public: day for version, day in dates.items()}
    if user.public not in known or admin.public not in known:
        undated.append(f"{of.name} {user} beside {to.name} {admin}")
    return None


def _alike(version: Version, other: Version) -> bool:
    whole = not version.is_series and not other.is_series
    return whole and (version.major, version.minor) == (other.major, other.minor)


def _evidence(held: Mapping[str, Managed], said: Mapping[str, str] | list[str]) -> list[str]:
    lines = []
    for managed in held.values():
        named = [name for name in sorted(managed.users) if any(name in text for text in said)]
        if named:
            lines.append(f"cluster {managed.admin}: spec.anthosBareMetalVersion {managed.version}")
            lines += [
                f"cluster {name}: spec.anthosBareMetalVersion {managed.users[name] or '(to come)'}" for name in named
            ]
    return lines
