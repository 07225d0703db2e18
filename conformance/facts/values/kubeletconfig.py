"""What the kubelet was told about cgroup v1, from its configuration file, drop-ins and command line.

Format: KubeletConfiguration of kubelet.config.k8s.io/v1beta1, merged as ``--config-dir`` merges it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance.facts.values._documents import mapping_in
from conformance.versions import Version

__all__ = ["InvalidKubeletConfig", "KubeletConfig"]

#: From this release on a kubelet refuses cgroup v1 unless it is told otherwise; before, it only warned.
_REFUSES_FROM: Final = (1, 35)
_FLAG: Final = re.compile(r"--?fail[-_]cgroupv1(?:=(?P<value>.*))?")
#: The spellings of Go's strconv.ParseBool.
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


class InvalidKubeletConfig(ValueError):
    """A configuration that no kubelet starts with; the message names the file and what was expected."""


@dataclass(frozen=True, slots=True)
class KubeletConfig:
    r"""The settings of a kubelet that checks ask for.

    >>> text = "kind: KubeletConfiguration\nfailCgroupV1: false\n"
    >>> KubeletConfig.parse(text).refuses_cgroup_v1(Version.parse("1.35.0"))
    False
    """

    #: failCgroupV1 as it was set; None where nobody set it.
    fail_cgroup_v1: bool | None
    #: Where it was set last: a drop-in's path, "configuration file" or "command line"; empty where nobody did.
    set_in: str

    @classmethod
    def parse(cls, text: str | None, *, drop_ins: Mapping[str, str] | None = None, flags: str = "") -> KubeletConfig:
        """The settings of a configuration file, of path -> text of its drop-ins, and of a command line.

        The command line wins over the drop-ins (``*.conf``, in the order of their paths), these over the file.

        :param text: None where the kubelet runs without a file.
        :param flags: parted by white space or, as in /proc/PID/cmdline, by NUL.
        :raises InvalidKubeletConfig: a text is no KubeletConfiguration, or a value is no boolean.
        """
        setting: tuple[bool | None, str] = (None, "")
        if text is not None:
            setting = _setting(text, "configuration file", setting)
        for path in sorted(drop_ins or {}, key=lambda path: path.split("/")):
            if path.endswith(".conf"):
                setting = _setting((drop_ins or {})[path], path, setting)
        for flag in re.split(r"[\s\0]+", flags):
            match = _FLAG.fullmatch(flag)
            if match:
                setting = _boolean(match["value"] or "true", "command line"), "command line"
        return cls(*setting)

    def refuses_cgroup_v1(self, kubelet: Version) -> bool:
        """True where a kubelet of this version does not start on a machine with cgroup v1."""
        if self.fail_cgroup_v1 is not None:
            return self.fail_cgroup_v1
        return kubelet.release >= _REFUSES_FROM


def _setting(text: str, place: str, before: tuple[bool | None, str]) -> tuple[bool | None, str]:
    document = mapping_in(text)
    if document is None or document.get("kind") != "KubeletConfiguration":
        msg = f"{place}: expected a YAML mapping of kind KubeletConfiguration"
        raise InvalidKubeletConfig(msg)
    value = document.get("failCgroupV1")
    return before if value is None else (_boolean(value, place), place)


def _boolean(value: Any, place: str) -> bool:
    known = _BOOLEANS.get(value) if isinstance(value, str) and place == "command line" else value
    if not isinstance(known, bool):
        msg = f"{place}: failCgroupV1: expected true or false"
        raise InvalidKubeletConfig(msg)
    return known
