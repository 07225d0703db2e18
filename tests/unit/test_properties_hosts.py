"""Whatever a host says, a shared fact is a value or says what is wrong with the text; what can be printed is read again."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conformance.answers import Unreadable
from conformance.facts import linux
from conformance.facts.values import (
    Fstab,
    InvalidKubeletConfig,
    InvalidMounts,
    InvalidOsRelease,
    InvalidRange,
    InvalidRepositories,
    KubeletConfig,
    Mount,
    MountTable,
    OsRelease,
    Range,
    Repositories,
    tmp_at_boot,
)
from conformance.versions import InvalidVersion

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
INTERFACES = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
)


def texts(*words: str) -> st.SearchStrategy[str]:
    """Any text, and texts that look more like what a parser knows: of its own words, in any order."""
    pieces = st.one_of(st.sampled_from([*words, " ", "\n", "\t"]), st.text(max_size=4))
    return st.one_of(st.text(), st.lists(pieces, max_size=30).map("".join))


# -- addresses -------------------------------------------------------------------------------------------------------


@PATIENT
@given(texts("2: ", "eth0", "bond0.7@bond0:", "inet ", "inet6 ", "10.0.0.2/24", "fe80::1/64", "::1", "10.0.0.2/33"))
@example("2: eth0 inet 10.0.0.2 peer 10.0.0.3/32 scope global eth0\n")
@example("2: eth0 inet6 fe80::1%eth0/64 scope link\n")
def test_any_text_has_addresses_or_is_refused(text):
    try:
        found = linux.addresses(text)
    except ValueError as error:
        assert str(error)  # what stands there, for the person who reads that the host is unknown
        return
    for name, held in found.items():
        assert name == name.strip()
        assert held
        assert not any(one.ip.is_loopback or one.ip.is_link_local for one in held)


@PATIENT
@given(st.lists(INTERFACES, max_size=5))
def test_every_address_that_is_printed_is_read_again(interfaces):
    written = [ip_interface(f"{address}/{length}") for address, length in interfaces]
    found = linux.addresses("".join(_line(one) for one in written))
    assert found.get("eth0", []) == [one for one in written if not (one.ip.is_loopback or one.ip.is_link_local)]


def _line(interface):
    family = "inet6" if interface.version == 6 else "inet"
    return f"2: eth0    {family} {interface.with_prefixlen} scope global \\       valid_lft forever\n"


def by_the_library(text):
    """First and last address and version as `ipaddress` says; None where it says that the text is none."""
    try:
        if "/" in text:
            network = ip_network(text, strict=False)
            return int(network[0]), int(network[-1]), network.version
        first, dash, end = text.partition("-")
        ends = [ip_address(first.strip()), ip_address(end.strip() if dash else first.strip())]
    except ValueError:
        return None
    same = ends[0].version == ends[1].version and ends[0] <= ends[1]
    return (int(ends[0]), int(ends[1]), ends[0].version) if same else None


@PATIENT
@given(
    st.one_of(
        st.text("0123456789./-:abcdef% ", max_size=40),
        st.lists(st.integers(-1, 300).map(str), min_size=4, max_size=4).map(".".join),
        st.tuples(st.ip_addresses().map(str), st.one_of(st.integers(-1, 130).map(str), st.text(max_size=3))).map(
            "/".join
        ),
        st.tuples(st.ip_addresses().map(str), st.ip_addresses().map(str)).map("-".join),
    )
)
@example("10.0.0.1/255.255.255.0")
@example("10.0.0.1/024")
@example("010.0.0.1")
@example("10.0.0.٣")
@example("10.0.0.1/٣")
@example("10.0.0.1 /24")
@example("fe80::1%eth0/64")
@example("fe80::1%eth0")
@example("::ffff:10.0.0.1/120")
@example("::/129")
@example("10.0.0.0/+8")
def test_what_is_read_quickly_is_what_the_library_reads(text):
    try:
        found = Range.parse(text)
    except InvalidRange:
        assert by_the_library(text.strip()) is None
        return
    assert (found.first, found.last, found.version) == by_the_library(text.strip())


# -- mounts, fstab and units -----------------------------------------------------------------------------------------

FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
OPTIONS = st.lists(st.sampled_from(["rw", "noexec", "exec", "size=1k", "user", "defaults"]), min_size=1, max_size=4)
MOUNTS = st.lists(st.tuples(FIELD, FIELD, st.sampled_from(["ext4", "tmpfs", "xfs"]), OPTIONS), max_size=5)


def _escaped(field):
    return "".join(f"\\{ord(one):03o}" if one in " \t\n\\#" else one for one in field)


def _mount_line(source, point, fstype, options):
    return f"{_escaped(source)} /{_escaped(point)} {fstype} {','.join(options)} 0 0\n"


@PATIENT
@given(texts("/dev/sda1", "/", "tmpfs", "/tmp", "ext4", "rw,noexec", "0 0", "\\040", "#", "none", "swap"))
def test_any_text_is_mounts_and_fstab_or_is_refused(text):
    fstab = linux.fstab(text)
    assert all(isinstance(one, Mount) and one.line in text for one in fstab)
    tmp_at_boot(fstab, {"/etc/systemd/system/tmp.mount": text})
    try:
        table = linux.mounts(text)
    except InvalidMounts as error:
        assert "expected" in str(error)
        return
    assert table.mounts


@PATIENT
@given(MOUNTS)
def test_mounts_that_are_printed_are_read_again(entries):
    written = "".join(_mount_line(*one) for one in entries)
    expected = [(source, f"/{point}", fstype, tuple(options)) for source, point, fstype, options in entries]
    for parsed in (Fstab.parse(written), *([MountTable.parse(written)] if entries else [])):
        found = [(one.source, one.point, one.fstype, one.options) for one in parsed]
        assert found == expected
        again = type(parsed).parse(str(parsed))
        assert [(one.source, one.point, one.fstype, one.options) for one in again] == expected


@PATIENT
@given(texts("[Mount]", "Options=noexec", "[Unit]", "[Install]", "\\", "=", "#", "WantedBy=local-fs.target"))
def test_any_text_is_a_drop_in(text):
    units = {
        "/usr/lib/systemd/system/tmp.mount": "[Mount]\nWhere=/tmp\n",
        "/etc/systemd/system/tmp.mount.d/x.conf": text,
        "/etc/systemd/system/local-fs.target.wants/tmp.mount": "[Mount]\nWhere=/tmp\n",
    }
    found = tmp_at_boot(Fstab.parse(""), units)
    assert found is None or found.line in text


# -- what a host says of itself --------------------------------------------------------------------------------------


@PATIENT
@given(texts("ID=centos", "NAME=", '"', "'", "VERSION_ID=7", "ID_LIKE=", "=", "$", "\\", "`"))
def test_any_text_is_an_os_release_or_is_refused(text):
    try:
        found = linux.os_release(text)
    except InvalidOsRelease as error:
        assert "expected" in str(error)
        return
    assert found.id
    assert OsRelease.parse(text) == found


@PATIENT
@given(
    st.sampled_from(["debian", "centos", "rhel", "opensuse-leap"]),
    st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2})?", fullmatch=True),
)
def test_an_os_release_that_is_printed_is_read_again(name, version):
    found = OsRelease.parse(f'ID={name}\nVERSION_ID="{version}"\n')
    assert (found.id, str(found.version)) == (name, version)


@PATIENT
@given(texts("5.15.0", "-105-generic", ".el8.x86_64", "4", ".", "+", "~"))
def test_any_text_is_a_kernel_or_is_refused(text):
    try:
        found = linux.kernel(text)
    except InvalidVersion:
        return
    assert str(found) == text.strip()
    assert linux.kernel(f"{found}\n") == found


@PATIENT
@given(texts("/tmp", "/", "/var/tmp"))
def test_any_text_is_a_place_or_is_refused(text):
    try:
        assert linux.tmp_place(text).startswith("/")
    except Unreadable:
        assert not text.startswith("/")


@PATIENT
@given(texts("[base]", "baseurl=", "http://mirror.centos.org/", "enabled=0", "#", ";", "[", "]"), texts("[base]", "="))
def test_any_texts_are_repositories_or_are_refused(one, other):
    try:
        found = linux.yum_repositories({"/etc/yum.repos.d/a.repo": one, "/etc/yum.repos.d/b.repo": other})
    except InvalidRepositories as error:
        assert "/etc/yum.repos.d/" in str(error)
        return
    assert set(found.enabled) <= set(found)


@PATIENT
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), st.booleans(), max_size=4))
def test_repositories_that_are_printed_are_read_again(enabled):
    text = "".join(
        f"[{name}]\nname={name}\nbaseurl=http://x.example/{name}\nenabled={on:d}\n\n" for name, on in enabled.items()
    )
    found = Repositories.parse({"/etc/yum.repos.d/x.repo": text})
    if "main" not in enabled:
        assert [one.id for one in found] == list(enabled)
        assert [one.id for one in found.enabled] == [name for name, on in enabled.items() if on]


@PATIENT
@given(
    texts(
        "--config=/x", "\n== ", "/var/lib/kubelet/config.yaml\n", "kind: KubeletConfiguration", "failCgroupV1: ", "true"
    )
)
def test_any_text_is_a_kubelet_s_configuration_or_is_refused(text):
    try:
        found = linux.kubelet_config(text)
    except InvalidKubeletConfig as error:
        assert "expected" in str(error)
        return
    assert found.fail_cgroup_v1 in (True, False, None)


@PATIENT
@given(st.booleans())
def test_a_kubelet_s_configuration_that_is_printed_is_read_again(told):
    text = f"kind: KubeletConfiguration\nfailCgroupV1: {str(told).lower()}\n"
    assert KubeletConfig.parse(text).fail_cgroup_v1 is told
    assert linux.kubelet_config(f"kubelet \n== /var/lib/kubelet/config.yaml\n{text}").fail_cgroup_v1 is told
    assert linux.kubelet_config(f"kubelet --fail-cgroupv1={told} \n== /x\n").fail_cgroup_v1 is told
