"""Whether a kubelet starts on cgroup v1."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.facts.values import InvalidKubeletConfig, KubeletConfig
from conformance.versions import Version

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
KIND = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
OLD, NEW = Version.parse("v1.34.4+k3s1"), Version.parse("v1.35.0-rc.1")


def test_the_default_depends_on_the_kubelet():
    found = KubeletConfig.parse(KIND)
    assert (found.fail_cgroup_v1, found.set_in) == (None, "")
    assert [found.refuses_cgroup_v1(Version.parse(text)) for text in ("1.30.1", "v1.34.9", "1.35", "1.35.0", "1.36.2", "2.0.0")] == [
        False, False, True, True, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("value", [True, False])
def test_what_is_set_counts_for_every_kubelet(value):
    found = KubeletConfig.parse(f"{KIND}failCgroupV1: {json.dumps(value)}\n")
    assert found.refuses_cgroup_v1(OLD) is value
    assert found.refuses_cgroup_v1(NEW) is value
    assert found.set_in == "configuration file"


def test_drop_ins_in_the_order_of_their_paths():
    drop_ins = {
        "/etc/kubelet.d/20-b.conf": KIND + "failCgroupV1: false\n",
        "/etc/kubelet.d/10-a.conf": KIND + "failCgroupV1: true\n",
        "/etc/kubelet.d/30-c.conf": KIND,
        "/etc/kubelet.d/40-d.conf": KIND + "failCgroupV1: null\n",
        "/etc/kubelet.d/99-e.yaml": "no drop-in: [",
    }
    found = KubeletConfig.parse(KIND + "failCgroupV1: true\n", drop_ins=drop_ins)
    assert (found.fail_cgroup_v1, found.set_in) == (False, "/etc/kubelet.d/20-b.conf")


@pytest.mark.parametrize(
    ("flags", "value"),
    [
        ("--fail-cgroupv1=false", False), ("kubelet\0--fail-cgroupv1=0\0--v=2\0", False), ("--fail-cgroupv1", True),
        ("--fail_cgroupv1=F --config=/x", False), ("--fail-cgroupv1=false --fail-cgroupv1=true", True),
        ("--fail-cgroupv1-not=false", None), ("", None),
    ],
)  # fmt: skip
def test_the_command_line_wins(flags, value):
    found = KubeletConfig.parse(None, flags=flags)
    assert found.fail_cgroup_v1 is value
    opposite = KubeletConfig.parse(KIND + f"failCgroupV1: {json.dumps(not value)}", flags=flags)
    assert opposite.fail_cgroup_v1 is (not value if value is None else value)


def test_json_is_a_configuration_too():
    assert KubeletConfig.parse('{"kind": "KubeletConfiguration", "failCgroupV1": false}').fail_cgroup_v1 is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "failCgroupV1: false",
        "kind: Config",
        "{",
        KIND + 'failCgroupV1: "false"',
        KIND + "failCgroupV1: 0",
        KIND + "failCgroupV1: {}",
        KIND + "---\na: 1\n",
        "!!int ''",
        "2021-13-45",
        "[" * 5000,
    ],
)
def test_what_no_kubelet_starts_with_is_refused(text):
    with pytest.raises(InvalidKubeletConfig, match="expected"):
        KubeletConfig.parse(text)
    with pytest.raises(InvalidKubeletConfig, match="/etc/a.conf"):
        KubeletConfig.parse(KIND, drop_ins={"/etc/a.conf": text})


def test_a_flag_that_is_no_boolean_is_refused():
    with pytest.raises(InvalidKubeletConfig, match="command line"):
        KubeletConfig.parse(KIND, flags="--fail-cgroupv1=maybe")


@PATIENT
@given(st.one_of(st.text(), st.text("{}[]:,-!&*?|>'\" \nabkind")), st.text())
def test_any_text_is_a_configuration_or_is_refused(text, flags):
    for config, drop_ins in ((text, {}), (KIND, {"/x.conf": text}), (KIND + "failCgroupV1: " + text, {}), (None, {})):
        try:
            found = KubeletConfig.parse(config, drop_ins=drop_ins, flags=flags)
        except InvalidKubeletConfig:
            continue
        assert found.refuses_cgroup_v1(NEW) in (True, False)


def test_a_document_that_grows_without_end_is_refused_at_once():
    lines = ["a0: &a0 {x: 1, y: 2}"] + [
        f"a{n}: &a{n} {{<<: [{', '.join(['*a' + str(n - 1)] * 9)}]}}" for n in range(1, 12)
    ]
    with pytest.raises(InvalidKubeletConfig):
        KubeletConfig.parse(KIND + "\n".join(lines))
