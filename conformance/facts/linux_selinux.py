"""SELinux, and the releases of the Red Hat family that run it."""

from __future__ import annotations

from conformance.answers import NotApplicable, Unreadable
from conformance.facts.declare import host_fact
from conformance.facts.values.osrelease import OsRelease
from conformance.facts.values.redhat import RedHatRelease
from conformance.reads import file

__all__ = ["rhel_family", "rhel_release", "selinux"]

_OWN_NUMBERS = frozenset({"amzn", "rhcos"})


@host_fact(file("/sys/fs/selinux/enforce"))
def selinux(text: str | None) -> str:
    """The mode of SELinux now: ``enforcing``, ``permissive``, or ``disabled`` where the kernel has no policy loaded.

    Source: selinux(8); the kernel's selinuxfs, which is there only while SELinux is enabled.
    """
    if text is None:
        return "disabled"
    mode = {"1": "enforcing", "0": "permissive"}.get(text.strip())
    if mode is None:
        raise Unreadable(
            f"/sys/fs/selinux/enforce holds {text.strip()[:40]!r}, expected 0 or 1: look at it with getenforce"
        )
    return mode


@host_fact(file("/etc/redhat-release"))
def rhel_family(text: str | None, os_release: OsRelease) -> RedHatRelease | None:
    """The release of RHEL, CentOS or what is built from them, with its minor; None where the host runs something else.

    VERSION_ID of CentOS is only the major, its minor stands in /etc/redhat-release alone. Amazon Linux and RHEL CoreOS,
    whose numbers are their own, are something else.
    """
    if not os_release.is_rhel_family or os_release.id in _OWN_NUMBERS:
        return None
    return RedHatRelease.parse(text, os_release)


@host_fact()
def rhel_release(rhel_family: RedHatRelease | None, os_release: OsRelease) -> RedHatRelease:
    """As `rhel_family`; another distribution rules the host out."""
    if rhel_family is None:
        raise NotApplicable(f"it runs {os_release}, not RHEL, CentOS or what is built from them")
    return rhel_family
