"""systemd units, and whether /tmp is noexec after the next boot."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.facts.values import Fstab, UnitFile, tmp_at_boot

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ETC, LIB = "/etc/systemd/system", "/usr/lib/systemd/system"
OWN, VENDOR = f"{ETC}/tmp.mount", f"{LIB}/tmp.mount"
WANTED = {f"{ETC}/local-fs.target.wants/tmp.mount": ""}
STATIC = {f"{LIB}/local-fs.target.wants/tmp.mount": "../tmp.mount"}
ROOT = "/dev/sda1 / ext4 defaults 0 1\n"
NOEXEC = ROOT + "tmpfs /tmp tmpfs rw,noexec 0 0\n"


def unit(options: str, what: str = "tmpfs") -> str:
    return f"[Unit]\nConditionPathIsSymbolicLink=!/tmp\n\n[Mount]\nWhat={what}\nWhere=/tmp\nType=tmpfs\nOptions={options}\n"


def deciding(fstab: str = ROOT, **units: str) -> str | None:
    setting = tmp_at_boot(Fstab.parse(fstab), units)
    return f"{setting.path}:{setting.number}" if setting else None


CLEAN, HAZARD = unit("mode=1777,strictatime,nosuid,nodev"), unit("mode=1777,noexec")


@pytest.mark.parametrize(
    ("fstab", "units", "decides"),
    [
        # fstab alone
        (ROOT, {}, None),
        (NOEXEC, {}, "/etc/fstab:2"),
        (ROOT + "tmpfs /tmp tmpfs noexec,exec 0 0\n", {}, None),
        (ROOT + "/dev/sdb /tmp ext4 user 0 0\n", {}, "/etc/fstab:2"),
        (ROOT + "tmpfs /tmp tmpfs noexec,noauto 0 0\n", {}, None),
        (ROOT + "tmpfs /tmp tmpfs exec\ntmpfs /tmp tmpfs noexec\n", {}, None),
        ("/dev/sda1 / ext4 noexec 0 1\n", {}, "/etc/fstab:1"),
        ("/dev/sda1 / ext4 noexec 0 1\ntmpfs /tmp tmpfs rw\n", {}, None),
        # fstab is a generated unit: it wins over the vendor's and loses against an own one
        (NOEXEC, {VENDOR: CLEAN, **WANTED}, "/etc/fstab:2"),
        (ROOT + "tmpfs /tmp tmpfs rw\n", {VENDOR: HAZARD, **WANTED}, None),
        (NOEXEC, {OWN: CLEAN}, None),
        (ROOT + "tmpfs /tmp tmpfs rw\n", {OWN: HAZARD}, f"{OWN}:8"),
        # the vendor's counts where it is wanted
        (ROOT, {VENDOR: HAZARD}, None),
        (ROOT, {VENDOR: HAZARD, **WANTED}, f"{VENDOR}:8"),
        (ROOT, {VENDOR: HAZARD, **STATIC}, f"{VENDOR}:8"),
        (ROOT, {VENDOR: CLEAN, **STATIC}, None),
        (ROOT, WANTED, None),
        # an own one counts always
        (ROOT, {OWN: HAZARD}, f"{OWN}:8"),
        (ROOT, {OWN: CLEAN, VENDOR: HAZARD, **WANTED}, None),
        # masked
        (NOEXEC, {OWN: ""}, None),
        (ROOT, {OWN: "", VENDOR: HAZARD, **STATIC}, None),
        (ROOT, {OWN: "", f"{OWN}.d/a.conf": HAZARD}, None),
        ("/dev/sda1 / ext4 noexec\ntmpfs /tmp tmpfs rw\n", {OWN: ""}, "/etc/fstab:1"),
        # drop-ins, for whichever unit it is
        (ROOT, {VENDOR: CLEAN, **STATIC, f"{OWN}.d/cis.conf": "[Mount]\nOptions=noexec\n"}, f"{OWN}.d/cis.conf:2"),
        (NOEXEC, {f"{OWN}.d/a.conf": "[Mount]\nOptions=rw\n"}, None),
        (ROOT + "tmpfs /tmp tmpfs rw\n", {f"{VENDOR}.d/a.conf": "[Mount]\nOptions=noexec\n"}, f"{VENDOR}.d/a.conf:2"),
        (NOEXEC, {f"{OWN}.d/a.conf": "[Mount]\nOptions=\n"}, None),
        (NOEXEC, {f"{OWN}.d/a.txt": "[Mount]\nOptions=rw\n"}, "/etc/fstab:2"),
        (NOEXEC, {f"{OWN}.d/b.conf": "[Mount]\nOptions=noexec\n", f"{OWN}.d/a.conf": "[Mount]\nOptions=rw\n"}, f"{OWN}.d/b.conf:2"),
        (NOEXEC, {f"{VENDOR}.d/b.conf": "[Mount]\nOptions=rw\n", f"{OWN}.d/a.conf": "[Mount]\nOptions=noexec\n"}, None),
        (ROOT, {OWN: CLEAN, f"{VENDOR}.d/a.conf": "[Mount]\nOptions=noexec\n", f"{OWN}.d/a.conf": ""}, None),
        # a unit that systemd refuses to load
        (ROOT, {OWN: "[Mount]\nOptions=noexec\n"}, None),
        (ROOT, {OWN: HAZARD.replace("Where=/tmp", "Where=/var/tmp")}, None),
        # a bind mount shows another file system with its flags
        (ROOT + "/dev/b /var ext4 noexec\n/var/tmp /tmp none bind 0 0\n", {}, "/etc/fstab:2"),
        (ROOT + "/dev/b /var ext4 noexec\n/var/tmp /tmp none bind,exec 0 0\n", {}, None),
        (ROOT + "/dev/b /var ext4 rw\n/var/tmp /tmp none bind,noexec 0 0\n", {}, "/etc/fstab:3"),
    ],
)  # fmt: skip
def test_what_makes_tmp_noexec_at_the_next_boot(fstab, units, decides):
    assert deciding(fstab, **units) == decides


def test_the_deciding_line_is_kept():
    setting = tmp_at_boot(Fstab.parse(NOEXEC), {})
    assert setting is not None
    assert setting.line == "tmpfs /tmp tmpfs rw,noexec 0 0"


def test_the_syntax_of_a_unit():
    found = UnitFile.parse(
        "; comment\nLost=outside\n[Service]\nEnvironment = A=1 \\\n# between\n  B=2\nEnvironment=C=3\n\n"
        "broken\n[Mount]\nOptions=a\\\\\nExecStart=/bin/x \\\n",
        "unit",
    )
    assert found.values("Service", "Environment") == ("A=1  B=2", "C=3")
    assert found.last("Mount", "Options").value == "a\\\\"
    assert found.last("Mount", "ExecStart").value == "/bin/x"
    assert found.last("Service", "Lost") is None
    first = found.settings[0]
    assert (first.path, first.number, first.line) == ("unit", 4, "Environment = A=1 \\\n  B=2")


def test_an_empty_assignment_resets():
    found = UnitFile.parse("[S]\nE=1\nE=2\nO=x\n").with_drop_ins(UnitFile.parse("[S]\nE=\nE=3\nO=\n"))
    assert found.values("S", "E") == ("3",)
    assert found.last("S", "O") is None


@PATIENT
@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(["[Mount]", "Options=noexec", "What=x", "\\", "\n", "#", "=", " "])).map("".join),
    )
)
def test_any_text_is_a_unit(text):
    found = UnitFile.parse(text)
    # What it can print, it reads again.
    printed = "".join(
        f"[{one.section}]\n{one.key}={one.value}\n" for one in found.settings if not one.value.endswith("\\")
    )
    again = UnitFile.parse(printed)
    assert [(one.section, one.key, one.value) for one in again.settings] == [
        (one.section, one.key, one.value) for one in found.settings if not one.value.endswith("\\")
    ]
    tmp_at_boot(Fstab.parse(text), {OWN: text, f"{OWN}.d/x.conf": text})
    tmp_at_boot(Fstab.parse(text), {f"{OWN}.d/x.conf": text})
