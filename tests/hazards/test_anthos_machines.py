"""Hazards of the container runtime's programs and services on a machine: an unhealthy PLEG, docker without its service."""

from __future__ import annotations

import subprocess

import pytest

from checks.anthos_bare_metal.facts_machines import abm_docker, abm_pleg_lines, abm_runc, abm_runc_inits
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Machine, Said

PLEG = "abm-pleg-unhealthy"
DOCKER = "abm-docker-inactive"
ACTIVE = (
    "skipping pod synchronization - PLEG is not healthy: pleg was last seen active 3m0.793469s ago; threshold is 3m0s"
)
KLOG = 'E0105 1 kubelet.go:1870] "Skipping pod synchronization" err="PLEG is not healthy: pleg was last seen active 3m2s ago"'
STARTING = (
    "skipping pod synchronization - [container runtime status check may not have completed yet, PLEG is not healthy: "
    "pleg has yet to be successful]"
)


def logged(*messages: str, pid: int = 811, seconds: int = 5) -> str:
    """Lines of the journal, so many seconds apart."""
    times = [f"2026-01-05T10:{n * seconds // 60:02}:{n * seconds % 60:02}+0000" for n in range(len(messages))]
    return "".join(f"{time} n1 kubelet[{pid}]: {one}\n" for time, one in zip(times, messages, strict=True))


def runc(**versions: str) -> str:
    """What the two places of runc say: `distribution` and `platform`; nothing for one that is not there."""
    places = {"distribution": "/usr/bin/runc", "platform": "/usr/local/sbin/runc"}
    return "".join(f"== {places[name]}\n{said}\n" for name, said in versions.items())


def says(version: str) -> str:
    return f"runc version {version}"


NEW = runc(distribution=says("1.1.4"), platform=says("1.0.0"))


def node(journal="", processes="212\n", runc=NEW, **more):
    told = {abm_pleg_lines: journal, abm_runc_inits: processes, abm_runc: runc}
    return Machine(says={name: said for name, said in told.items() if said is not None}, roles=("worker",), **more)


# -- an unhealthy PLEG ---------------------------------------------------------------------------------------------


@proves(
    PLEG, kind=PRESENT, says=["PLEG is not healthy", "10:00:05"], line="pleg was last seen active 3m", remedy="runc"
)
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(logged("started", ACTIVE), id="as documented"),
        pytest.param(logged("Starting kubelet", KLOG), id="structured"),
        pytest.param(logged(ACTIVE, KLOG), id="twice"),
    ],
)
def test_the_kubelet_says_so(hazard, lines):
    return evaluate(hazard, hosts={"n1": node(lines)})


@proves(PLEG, kind=PRESENT, says=["PLEG is not healthy", "10:03:05"], line="yet to be successful")
def test_it_never_was_healthy(hazard):
    return evaluate(hazard, hosts={"n1": node(logged(*[STARTING] * 38))})


@proves(PLEG, kind=PRESENT, says=["`runc init` 4711 is 121 s old"], line="121    4711 runc init", remedy="kill -9 4711")
@pytest.mark.parametrize(
    "processes", ["    121    4711 runc init\n212\n", "      0    4710 runc init\n    121    4711 runc init \n212\n"]
)
def test_runc_init_is_stuck(hazard, processes):
    finding = evaluate(hazard, hosts={"n1": node(processes=processes)})
    assert "4710" not in finding.message
    assert "Reboot the node" in finding.remedy
    return finding


@proves(PLEG, kind=PRESENT, says=["9 is 301 s old", "77 is 86400 s old"], remedy="kill -9 9 77")
def test_several_are_stuck_in_several_places(hazard):
    processes = " 86400 77 /usr/local/sbin/runc init\n 301 9 docker-runc init\n4\n"
    return evaluate(hazard, hosts={"n1": node(processes=processes)})


@proves(
    PLEG,
    kind=PRESENT,
    says=["/usr/local/sbin/runc is 1.0.0-rc93"],
    line="runc version 1.0.0-rc93",
    remedy="containerd.io",
)
@pytest.mark.parametrize("other", ["1.1.4", "1.0.0-rc94", "1.0.0"])
def test_either_runc_is_too_old(hazard, other):
    finding = evaluate(hazard, hosts={"n1": node(runc=runc(distribution=says(other), platform=says("1.0.0-rc93")))})
    assert "/usr/bin/runc is" not in finding.message
    return finding


@proves(PLEG, kind=PRESENT, says=["/usr/bin/runc is"])
@pytest.mark.parametrize(
    "version",
    [
        *(
            "1.0.0-rc93",
            "1.0.0-rc92",
            "1.0.0-rc9",
            "1.0.0-rc10",
            "1.0.0-rc1",
            "0.1.1",
            "1.0.0-rc93+dev",
            "1.0.0-rc92-dev",
        ),
        *("1.0.0~rc93+ds1-5", "1.0.0~rc93-0ubuntu1~20.04.2", "1.0.0-rc93+dev.docker-20.10"),
    ],
)
def test_versions_that_are_too_old(hazard, version):
    return evaluate(hazard, hosts={"n1": node(runc=runc(distribution=says(version)))})


def mended(finding, place, *, distributions, platforms, package=None, rc=0):
    """What the two runc say after the remedy was pasted; `package` is the runc that the package brings."""
    bin, sbin, home = (place / one for one in ("usr-bin", "usr-local-sbin", "home"))
    for one in (bin, sbin, home, place / "tools"):
        one.mkdir()

    def put(path, version):
        path.write_text(f"#!/bin/sh\necho runc version {version}\n")
        path.chmod(0o755)

    for folder, version in ((bin, distributions), (sbin, platforms)):
        if version:
            put(folder / "runc", version)
    if package:
        put(place / "new", package)
    tools = {
        "apt-get": f"{f'cp {place}/new {bin}/runc; ' if package else ''}exit {rc}",
        "sudo": 'exec "$@"',
    }
    for name, does in tools.items():
        (place / "tools" / name).write_text(f"#!/bin/sh\n{does}\n")
        (place / "tools" / name).chmod(0o755)
    lines = [one.removeprefix("  ") for one in finding.remedy.splitlines() if one.startswith("  ")]
    text = "\n".join(lines).replace("/usr/local/sbin", str(sbin)).replace("/usr/bin", str(bin))
    env = {"PATH": f"{place / 'tools'}:/usr/bin:/bin", "HOME": str(home)}
    done = subprocess.run(["bash"], input=text, env=env, capture_output=True, text=True, check=False)
    assert not done.stderr
    said = [one.read_text().split()[-1] if one.exists() else None for one in (bin / "runc", sbin / "runc")]
    return [*said, (home / "runc").exists()]


@proves(PLEG, kind=PRESENT)
@pytest.mark.parametrize(
    ("there", "package", "then"),
    [
        pytest.param(("1.0.0-rc92", "1.0.0-rc93"), "1.1.4", ["1.1.4", "1.1.4", True], id="both are replaced"),
        pytest.param(("1.1.4", "1.0.0-rc93"), None, ["1.1.4", "1.1.4", True], id="the package is new already"),
        pytest.param(("1.0.0-rc92", None), "1.1.4", ["1.1.4", "1.1.4", False], id="nothing to be kept"),
        pytest.param(("1.0.0-rc92", "1.1.9"), "1.1.4", ["1.1.4", "1.1.9", False], id="a newer one stays"),
        pytest.param(
            ("0.1.1", "1.0.0-rc93"), "1.0.0~rc93-0ubuntu1", ["1.0.0~rc93-0ubuntu1", "1.0.0-rc93", False], id="rc93"
        ),
        pytest.param(("0.1.1", "1.0.0-rc93"), None, ["0.1.1", "1.0.0-rc93", False], id="the package brings none"),
        pytest.param(("0.1.1", "1.0.0-rc93"), "1.0.0-rc95", ["1.0.0-rc95", "1.0.0-rc95", True], id="rc95"),
    ],
)
def test_the_remedy_never_puts_an_older_runc_in_place(hazard, tmp_path, there, package, then):
    distributions, platforms = there
    told = {"distribution": says(distributions)} | ({"platform": says(platforms)} if platforms else {})
    finding = evaluate(hazard, hosts={"n1": node(runc=runc(**told))})
    assert mended(finding, tmp_path, distributions=distributions, platforms=platforms, package=package) == then
    return finding


@proves(PLEG, kind=PRESENT)
def test_where_the_package_cannot_be_installed_nothing_is_copied(hazard, tmp_path):
    finding = evaluate(hazard, hosts={"n1": node(runc=runc(distribution=says("1.1.4"), platform=says("1.0.0-rc93")))})
    then = mended(finding, tmp_path, distributions="1.1.4", platforms="1.0.0-rc93", rc=100)
    assert then == ["1.1.4", "1.0.0-rc93", False]
    return finding


@proves(PLEG, kind=PRESENT, says=["/usr/bin/runc is 1.0.0-rc92", "PLEG", "4711"])
def test_all_at_once_and_all_are_named(hazard):
    world = node(logged(ACTIVE), " 500 4711 runc init\n9\n", runc(distribution=says("1.0.0-rc92")))
    finding = evaluate(hazard, hosts={"n1": world})
    assert "containerd.io" in finding.remedy
    assert "Reboot" in finding.remedy
    return finding


@proves(PLEG, kind=PRESENT, says=["1.0.0-rc92"])
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"journal": Said(stderr="No journal files were found.\n")}, id="without a journal"),
        pytest.param({"broken": {abm_pleg_lines: "timed-out"}}, id="the journal timed out"),
        pytest.param({}, id="all read"),
    ],
)
def test_what_is_found_does_not_wait_for_what_cannot_be_read(hazard, world):
    runcs = runc(distribution=says("1.0.0-rc92"), platform="bash: runc: Permission denied")
    return evaluate(hazard, hosts={"n1": node(**{"runc": runcs, **world})})


@proves(PLEG, kind=PRESENT, says=["6 s old (more than 5 s)"])
def test_the_age_is_a_parameter(hazard):
    world = node(processes=" 6 4711 runc init\n212\n")
    return evaluate(hazard, hosts={"n1": world}, parameters={"runc-init-seconds": "5"})


@proves(PLEG, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({}, id="healthy"),
        pytest.param({"journal": logged("PLEG is healthy", "PLEG: container died", "pleg.go:190")}, id="other lines"),
        pytest.param({"journal": logged("started", STARTING, STARTING)}, id="right after a start"),
        pytest.param(
            {"journal": logged(STARTING, pid=1) + logged(*["fine"] * 60) + logged(*["x"] * 50, STARTING, pid=2)},
            id="right after two starts",
        ),
        pytest.param({"processes": "      0    4711 runc init\n212\n"}, id="runc init just started"),
        pytest.param({"processes": "    120    4711 runc init\n212\n"}, id="runc init two minutes old"),
        pytest.param({"runc": ""}, id="no runc"),
        pytest.param({"runc": runc(platform=says("1.0.0-rc94"))}, id="only the platform's"),
        pytest.param({"runc": runc(distribution=says("1.1.4-0ubuntu1~20.04"))}, id="Ubuntu's"),
        pytest.param({"runc": runc(distribution=says("1.0.0"))}, id="the release is newer than its rc"),
        pytest.param({"runc": runc(distribution=says("1.0.0~rc95-0ubuntu1~20.04.2"))}, id="rc95"),
        pytest.param({"runc": runc(distribution=says("1.0.0-rc100"))}, id="rc100"),
        pytest.param({"runc": runc(distribution=says("1.2.0-rc.1"))}, id="an rc of a later release"),
    ],
)
def test_nothing_flaps(hazard, world):
    return evaluate(hazard, hosts={"n1": node(**world)})


@proves(PLEG, DOCKER, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_machines_of_a_cluster_that_stays(hazard):
    from tests.hazards.worlds import Api

    world = node(logged(ACTIVE), cluster="prod")
    return evaluate(hazard, hosts={"n1": world}, clusters={"prod": Api(upgrade="none")}, subject="n1")


@proves(PLEG, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"journal": Said(stderr="No journal files were found.\n", rc=1)}, id="no journal"),
        pytest.param({"journal": Said(stderr="sh: 1: /usr/bin/journalctl: not found\n", rc=127)}, id="no journalctl"),
        pytest.param(
            {"journal": Said(stderr="Hint: You are currently not seeing messages from other users and the system.\n")},
            id="only the user's own journal",
        ),
        pytest.param({"broken": {abm_pleg_lines: "timed-out"}}, id="journal timed out"),
        pytest.param({"processes": "hidden\n"}, id="processes hidden"),
        pytest.param({"processes": ""}, id="no such ps"),
        pytest.param({"processes": "1\n"}, id="no process seen"),
        pytest.param({"processes": "    -1    4711 runc init\n9\n"}, id="an age that is none"),
        pytest.param({"processes": None}, id="no sed"),
        pytest.param({"broken": {abm_runc_inits: "cut-off"}}, id="processes cut off"),
        pytest.param({"runc": runc(distribution="sh: 1: /usr/bin/runc: Permission denied")}, id="runc not executable"),
        pytest.param({"runc": runc(distribution=says("1.1.4"), platform="")}, id="one says nothing"),
        pytest.param({"runc": runc(platform="runc version spec: 1.0.2-dev")}, id="a build without a version"),
        pytest.param({"runc": runc(platform="Segmentation fault")}, id="garbled"),
        pytest.param(
            {"runc": runc(platform="ls: cannot access '/usr/local/sbin/runc': Permission denied")}, id="closed folder"
        ),
        pytest.param({"runc": runc(platform="it is a broken link")}, id="a broken link"),
        pytest.param({"runc": None}, id="runc could not be asked"),
        pytest.param({"broken": {"*": "unreachable"}}, id="unreachable"),
    ],
)
def test_whether_it_flaps_is_not_known(hazard, world):
    return evaluate(hazard, hosts={"n1": node(**world)})


# -- docker without its service ------------------------------------------------------------------------------------


def docker(
    path="/usr/bin/docker", state="inactive", loaded="loaded", package="docker-ce-cli: /usr/bin/docker", raw=None
):
    said = f"docker {path}\nLoadState={loaded}\nActiveState={state}\n"
    said += "" if state == "active" else f"package {package}\n"
    return Machine(says={abm_docker: said if raw is None else raw}, roles=("worker",))


@proves(
    DOCKER,
    kind=PRESENT,
    says=["/usr/bin/docker", "Docker service is not active"],
    line="ActiveState=",
    remedy="enable --now docker",
)
@pytest.mark.parametrize("state", ["inactive", "failed", "activating", "deactivating"])
def test_docker_without_its_service(hazard, state):
    finding = evaluate(hazard, hosts={"n1": docker(state=state)})
    assert f"docker.service is {state}" in finding.message
    assert "apt-get remove docker-ce-cli" in finding.remedy
    return finding


@proves(DOCKER, kind=PRESENT, says=["podman-docker"], line="from package podman-docker", remedy=" remove podman-docker")
@pytest.mark.parametrize(
    ("package", "manager"),
    [
        ("podman-docker", "dnf"),
        ("podman-docker: /usr/bin/docker", "apt-get"),
        ("podman-docker:amd64: /usr/bin/docker", "apt-get"),
    ],
)
def test_podman_s_docker_has_no_service(hazard, package, manager):
    finding = evaluate(hazard, hosts={"n1": docker(loaded="not-found", package=package)})
    assert "systemctl" not in finding.remedy
    assert commands(finding.remedy) == [f"{manager} remove podman-docker"]
    return finding


def commands(remedy):
    """The lines that are to be pasted, all of which a shell understands."""
    lines = [line.removeprefix("  ") for line in remedy.splitlines() if line.startswith("  ")]
    subprocess.run(["bash", "-n", "-c", "\n".join(lines)], check=True)
    return lines


@proves(DOCKER, kind=PRESENT)
@pytest.mark.parametrize(
    ("world", "enable", "remove"),
    [
        (docker(), ["systemctl enable --now docker"], ["apt-get remove docker-ce-cli"]),
        (docker(package="docker-ce-cli"), ["systemctl enable --now docker"], ["dnf remove docker-ce-cli"]),
        (
            docker("/opt/my tools/docker", loaded="masked", package=""),
            ["systemctl unmask docker && systemctl enable --now docker"],
            ["# no package owns it", "rm '/opt/my tools/docker'"],
        ),
    ],
    ids=["dpkg", "rpm", "masked"],
)
def test_the_two_ways_out_are_told_apart_and_can_be_pasted(hazard, world, enable, remove):
    finding = evaluate(hazard, hosts={"n1": world})
    either, _, other = finding.remedy.partition("\nor, ")
    assert either.startswith("Either, ")
    assert (commands(either), commands(other)) == (enable, remove)
    return finding


@proves(DOCKER, kind=PRESENT, says=["masked"], remedy="systemctl unmask docker")
def test_the_service_is_masked(hazard):
    return evaluate(hazard, hosts={"n1": docker(loaded="masked")})


@proves(DOCKER, kind=PRESENT, says=["/opt/my tools/docker"], remedy="rm '/opt/my tools/docker'")
def test_nobody_owns_it(hazard):
    return evaluate(hazard, hosts={"n1": docker("/opt/my tools/docker", loaded="not-found", package="")})


@proves(DOCKER, kind=PRESENT, says=["/snap/bin/docker"], remedy="snap remove docker")
def test_docker_as_a_snap(hazard):
    return evaluate(hazard, hosts={"n1": docker("/snap/bin/docker", loaded="not-found", package="")})


@proves(DOCKER, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(docker(raw=""), id="no docker"),
        pytest.param(docker(state="active"), id="active"),
        pytest.param(docker("/usr/local/bin/docker", state="active"), id="active, another place"),
        pytest.param(docker(state="reloading"), id="reloading"),
    ],
)
def test_docker_is_as_it_should_be(hazard, world):
    return evaluate(hazard, hosts={"n1": world})


@proves(DOCKER, kind=UNREADABLE)
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("docker /usr/bin/docker\nfailed Failed to connect to bus: Host is down\n", id="no systemd"),
        pytest.param("docker /usr/bin/docker\nfailed \n", id="no word"),
        pytest.param("docker /usr/bin/docker\n", id="no state"),
        pytest.param("docker /usr/bin/docker\nLoadState=loaded\nActiveState=\n", id="an empty state"),
        pytest.param("something else\n", id="garbled"),
        pytest.param(Said(stderr="sh: syntax error\n", rc=2), id="an error"),
    ],
)
def test_whether_docker_runs_is_not_known(hazard, raw):
    return evaluate(hazard, hosts={"n1": docker(raw=raw)})


@proves(DOCKER, kind=UNREADABLE)
@pytest.mark.parametrize("kind", ["unreachable", "timed-out", "refused"])
def test_the_machine_cannot_be_asked_for_docker(hazard, kind):
    return evaluate(hazard, hosts={"n1": Machine(broken={"*": kind}, roles=("worker",))})
