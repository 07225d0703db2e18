"""Which mount holds a path, now; trap by trap of abm-tmp-noexec."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.facts.values import Fstab, InvalidMounts, MountTable, denies_exec

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROOT = "/dev/sda1 / ext4 rw,relatime 0 0\n"
PATHS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(lambda parts: "/" + "/".join(parts))
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


def escaped(name: str) -> str:
    return "".join(f"\\{ord(one):03o}" if one in " \t\n\\#" else one for one in name)


def options_of(lines: str, path: str = "/tmp") -> tuple[str, ...]:
    return MountTable.parse(lines).holding(path).options


def test_tmp_on_its_own_mount():
    assert options_of(ROOT + "tmpfs /tmp tmpfs rw,nosuid,noexec 0 0\n") == ("rw", "nosuid", "noexec")


def test_tmp_that_is_no_mount_belongs_to_its_parent():
    assert options_of("/dev/sda1 / ext4 rw,noexec 0 0\ntmpfs /tmpfiles tmpfs rw 0 0\n") == ("rw", "noexec")
    assert options_of(ROOT + "/dev/sdb1 /srv ext4 rw,noexec 0 0\n", "/srv/tmp/x") == ("rw", "noexec")


def test_the_last_of_two_mounts_on_a_point_counts():
    clean, hazard = "tmpfs /tmp tmpfs rw 0 0\n", "tmpfs /tmp tmpfs rw,noexec 0 0\n"
    assert "noexec" in options_of(ROOT + clean + hazard)
    assert "noexec" not in options_of(ROOT + hazard + clean)


def test_a_later_mount_on_a_parent_hides_what_was_mounted_below():
    below, parent = "tmpfs /srv/tmp tmpfs rw,noexec 0 0\n", "/dev/sdb1 /srv ext4 rw 0 0\n"
    assert MountTable.parse(ROOT + below + parent).holding("/srv/tmp").point == "/srv"
    assert MountTable.parse(ROOT + below + parent).at("/srv/tmp") is None
    assert MountTable.parse(ROOT + parent + below).holding("/srv/tmp").point == "/srv/tmp"


def test_a_root_that_is_listed_late_hides_nothing():
    # As on RHEL: the initial RAM disk's mounts come first and were moved into the root.
    table = MountTable.parse("rootfs / rootfs rw 0 0\nproc /proc proc rw,noexec 0 0\n" + ROOT)
    assert table.holding("/proc/self").point == "/proc"
    assert table.holding("/tmp").fstype == "ext4"
    assert table.at("/").fstype == "ext4"


def test_a_path_below_is_not_a_name_that_begins_alike():
    table = MountTable.parse(ROOT + "tmpfs /tmp tmpfs rw,noexec 0 0\n")
    assert table.holding("/tmpfiles").point == "/"
    assert table.holding("//tmp//x/../y").point == "/tmp"


def test_escapes_are_resolved_and_the_line_is_kept():
    line = r"/dev/sdb1 /mnt/a\040b\011c\134040 ext4 rw 0 0"
    mount = MountTable.parse(ROOT + line).at("/mnt/a b\tc\\040")
    assert mount is not None
    assert (mount.line, mount.number, str(mount)) == (line, 2, line)


def test_what_the_kernel_does_not_escape_is_no_escape():
    assert MountTable.parse(ROOT + r"x /mnt/\303\9 ext4 rw 0 0").at(r"/mnt/\303\9") is not None


def test_white_space_that_is_no_blank_belongs_to_a_name():
    assert MountTable.parse(ROOT + "x /mnt/a\u2028b\x85c ext4 rw 0 0").at("/mnt/a\u2028b\x85c") is not None


@pytest.mark.parametrize(
    "text", ["", "\n", "garbage", "/dev/sda1 none swap sw 0 0", "/dev/sda1 / ext4", ROOT + "cut off he"]
)
def test_what_is_no_mount_table_is_refused(text):
    with pytest.raises(InvalidMounts, match="expected"):
        MountTable.parse(text)


def test_a_table_without_a_root_does_not_guess():
    table = MountTable.parse("tmpfs /run tmpfs rw 0 0\n")
    with pytest.raises(LookupError, match="/tmp"):
        table.holding("/tmp")
    assert table.at("/tmp") is None
    with pytest.raises(ValueError, match="absolute"):
        table.holding("tmp")


@pytest.mark.parametrize(
    ("options", "denied"),
    [
        ("noexec", True),
        ("rw,noexec,exec", False),
        ("exec,noexec", True),
        ("user", True),
        ("users,exec", False),
        ("owner", False),
        ("defaults", False),
    ],
)
def test_what_comes_to_noexec(options, denied):
    assert denies_exec(options.split(",")) is denied


FSTAB = """
# /etc/fstab: static file system information
UUID=0a3f-11 / ext4 errors=remount-ro 0 1
LABEL=swap none swap sw 0 0
  # indented comment
/dev/vg/srv\t/srv/my\\040data   xfs   defaults,noexec   0 2
#tmpfs /tmp tmpfs noexec 0 0
tmpfs /tmp tmpfs
broken line
"""


def test_fstab_keeps_entries_with_their_lines():
    fstab = Fstab.parse(FSTAB)
    assert [one.point for one in fstab] == ["/", "none", "/srv/my data", "/tmp"]
    assert fstab.at("/tmp").options == ("defaults",)
    srv = fstab.holding("/srv/my data/x")
    assert (srv.options, srv.number, srv.line.startswith("/dev/vg/srv\t")) == (("defaults", "noexec"), 6, True)
    assert fstab.holding("/srv/my").source == "UUID=0a3f-11"
    assert Fstab.parse(str(fstab)).at("/tmp/").options == ("defaults",)


def test_the_first_of_two_entries_for_a_point_counts_as_systemd_has_it():
    fstab = Fstab.parse("tmpfs /tmp tmpfs noexec 0 0\ntmpfs /tmp tmpfs exec 0 0\n")
    assert fstab.at("/tmp").number == 1


def test_what_is_not_mounted_at_boot_holds_nothing():
    fstab = Fstab.parse(
        "/dev/sda1 / ext4 defaults\ntmpfs /tmp tmpfs noauto,noexec\n/dev/b /srv xfs noauto,x-systemd.automount\n"
    )
    assert fstab.at("/tmp") is None
    assert fstab.holding("/tmp").point == "/"
    assert fstab.at("/srv") is not None
    assert Fstab.parse("tmpfs /tmp tmpfs noauto,auto").at("/tmp") is not None


@PATIENT
@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from([ROOT.strip(), "a", " ", "\n", "/", "\\040", "\\777", "rw"])).map("".join)
    )
)
def test_any_text_is_a_table_or_is_refused(text):
    Fstab.parse(text).holding("/tmp")
    try:
        table = MountTable.parse(text)
    except InvalidMounts:
        return
    assert MountTable.parse(str(table)).mounts[0].point == table.mounts[0].point
    table.at("/tmp")


@PATIENT
@given(NAMES, NAMES)
def test_every_name_survives_its_escapes(source, point):
    line = f"{escaped(source)} /{escaped(point)} ext4 rw 0 0"
    mount = MountTable.parse(line).mounts[0]
    assert (mount.source, mount.point, mount.line) == (source, "/" + point, line)


@PATIENT
@given(st.lists(PATHS, max_size=6), PATHS)
def test_a_table_agrees_with_a_machine_that_mounts_one_after_the_other(points, path):
    # The model: what is visible at a path after each mount. A mount on a point takes over all below it.
    holder = "0"
    lines = ["0 / ext4 rw 0 0"]
    for number, point in enumerate((point for point in points if point != "/"), start=1):
        lines.append(f"{number} {point} ext4 rw 0 0")
        if path == point or path.startswith(point + "/"):
            holder = str(number)
    assert MountTable.parse("\n".join(lines)).holding(path).source == holder
