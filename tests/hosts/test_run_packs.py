"""Other people's packs: beside a profile and installed, with facts, root's reads and testinfra's host of their own."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import impossible
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.running import Result, preflight

pytestmark = pytest.mark.root

HEAD = """\
    from conformance import ADVICE, BLOCKER, HOST, NODE, WARNING, Source, command, file, found, hazard, host_fact

    def declared(id, **more):
        settings = dict(title="t", severity=BLOCKER, on=[HOST], source=Source("a document"), remedy="mend it")
        return hazard(id, **settings | more)
"""


def pack(directory: Path, **files: str) -> Path:
    """A pack in a directory of its own; file names have __ for the dot."""
    directory.mkdir(parents=True)
    for name, text in files.items():
        path = directory / ("__init__.py" if name == "__init____py" else name.replace("__", "."))
        path.write_text(textwrap.dedent(text.replace("HEAD", HEAD)), encoding="utf-8")
    return directory / "profile.yaml"


ROOT_FACTS = """\
HEAD
    @host_fact(command("/usr/bin/cat /etc/gshadow", sudo=True))
    def groups(text):
        return [line.split(":")[0] for line in text.splitlines()]

    @host_fact(command("/usr/bin/stat --format=%U:%a,%n /root/.ssh/authorized_keys", sudo=True))
    def shadow(text):
        return text.strip()

    @host_fact(file("/etc/sudoers.d/README", sudo=True))
    def readme(text):
        return text

    @host_fact("id -un")
    def login(text):
        return text.strip()
"""
ROOT_CHECKS = """\
HEAD
    @declared("acme-groups", severity=WARNING)
    def check_groups(groups, login):
        raise found(f"{login} sees {len(groups)} groups, of which {groups[-1]} is the last")

    @declared("acme-shadow", severity=WARNING)
    def check_shadow(shadow):
        raise found(shadow)

    @declared("acme-readme")
    def check_readme(readme):
        assert "visudo" in readme
"""
ROOT_PROFILE = "title: What only root may read\nhazards: [acme-groups, acme-shadow, acme-readme]\n"
ROOT_HAZARDS = ("acme-groups", "acme-shadow", "acme-readme")


class TestSudo:
    @pytest.fixture(scope="class")
    @classmethod
    def hosts(cls) -> Iterator[Lab]:
        hosts = Lab()
        users = [UserSpec("ops"), UserSpec("norule"), UserSpec("asked", sudo="ALL=(ALL) ALL")]
        try:
            hosts.start([HostSpec("h", users=users)])
        except LabError as error:
            impossible(error)
        yield hosts
        hosts.stop()

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return pack(
            tmp_path_factory.mktemp("packs") / "roots",
            facts__py=ROOT_FACTS,
            check_roots__py=ROOT_CHECKS,
            profile__yaml=ROOT_PROFILE,
        )

    def test_the_printed_rules_are_enough_and_no_more(self, hosts: Lab, profile: Path, tmp_path: Path) -> None:
        options = ("--profile", profile, "--hosts=ops@h", f"--ssh-config={hosts.ssh_config}", "--sudo")
        printed = preflight(*options, "--plan=sudoers", cwd=tmp_path)
        assert printed.code == 0, printed
        rules = [line for line in printed.out.splitlines() if line and not line.startswith("#")]
        assert len(rules) == 3
        for rule in rules:
            assert re.match(r"LOGIN ALL=\(root\) NOPASSWD: /usr/bin/(cat|stat) \S", rule)
        drop_in = printed.out.replace("LOGIN", "ops")
        done = hosts.inside("h", "cat > /tmp/new && visudo -cf /tmp/new", input=drop_in)
        assert done.returncode == 0, done
        assert hosts.inside("h", "install -m 440 /tmp/new /etc/sudoers.d/preflight").returncode == 0
        with hosts.entered():
            run = preflight(*options, cwd=tmp_path)
        assert run.code == 0, run
        assert run.finding("acme-groups", "ops@h")["message"].startswith("ops sees")  # the rest runs as the login user
        assert run.finding("acme-shadow", "ops@h")["message"] == "root:600,/root/.ssh/authorized_keys"
        for other in ("/usr/bin/cat /etc/shadow", "/usr/bin/cat", "/usr/bin/cat /etc/gshadow /etc/shadow", "/bin/sh"):
            assert hosts.ssh("ops@h", f"sudo -n {other}").returncode != 0, other

    def test_without_the_rules_it_is_unknown_with_the_advice(self, hosts: Lab, profile: Path, tmp_path: Path) -> None:
        options = ("--profile", profile, "--hosts=norule@h,asked@h", f"--ssh-config={hosts.ssh_config}")
        with hosts.entered():
            run = preflight(*options, "--sudo", cwd=tmp_path)
            without = preflight(*options, cwd=tmp_path, reports="without")
        for user in ("norule@h", "asked@h"):
            assert run.on(user) == dict.fromkeys(ROOT_HAZARDS, "unknown")
            assert "add the rules that --plan=sudoers prints" in run.finding("acme-groups", user)["message"]
            assert without.on(user) == dict.fromkeys(ROOT_HAZARDS, "unknown")
            assert "give --sudo" in without.finding("acme-groups", user)["message"]
        assert (run.code, without.code) == (10, 10)

    def test_root_needs_no_sudo(self, hosts: Lab, profile: Path, tmp_path: Path) -> None:
        options = ("--profile", profile, "--hosts=h", f"--ssh-config={hosts.ssh_config}")
        with hosts.entered():
            run = preflight(*options, cwd=tmp_path)
        assert (run.code, run.on("h")["acme-readme"]) == (0, "clear"), run


OWN_FACTS = """\
HEAD
    @host_fact("cat /etc/hostname")
    def written_name(text):
        '''The name that the host is given at boot.'''
        return text.strip()
"""
OWN_CHECKS = """\
HEAD
    import pytest
    from .facts import written_name
    from .words import SAID

    @declared("acme-name", severity=WARNING)
    def check_name(written_name, subject):
        raise found(f"{SAID} {written_name}", evidence=[written_name])

    @declared("acme-asked", severity=WARNING)
    def check_asked(host, written_name):
        assert host.file("/etc/hostname").exists
        assert not host.file("/etc/no-such-file").exists
        forwards = host.sysctl("net.ipv4.ip_forward")
        answer = host.run("cat /no-such-file; echo grün; exit 3")
        raise found(f"{host.check_output('hostname')}, forwards {forwards}, {answer.rc} {answer.stdout.strip()}")

    @declared("acme-package")
    def check_package(host):
        assert host.package("openssh-server").is_installed
        assert not host.package("no-such-package").is_installed

    @pytest.fixture
    def shouted(written_name):
        return written_name.upper()

    @declared("acme-fixture", severity=WARNING)
    def check_fixture(shouted):
        raise found(shouted)

    @pytest.fixture
    def local_name(host):
        return host.check_output("uname -n")

    @declared("acme-both", severity=WARNING)
    def check_both(local_name):
        raise found(f"never {local_name}")
"""
OWN_PROFILE = """\
title: What Acme looks for
extends: linux-node
hazards: [acme-name, acme-asked, acme-package, acme-fixture, acme-both]
"""


class TestOwnPack:
    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return pack(
            tmp_path_factory.mktemp("packs") / "acme",
            facts__py=OWN_FACTS,
            check_own__py=OWN_CHECKS,
            words__py="SAID = 'it is called'\n",
            profile__yaml=OWN_PROFILE,
        )

    @pytest.fixture(scope="class")
    @classmethod
    def directory(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("own")

    @pytest.fixture(scope="class")
    @classmethod
    def live(cls, lab: Lab, profile: Path, directory: Path) -> Result:
        options = ("--profile", profile, "--hosts=debian,noexec", f"--ssh-config={lab.ssh_config}")
        with lab.entered():
            return preflight(*options, "--save-snapshot=s.json", cwd=directory)

    def test_a_fact_of_its_own(self, live: Result) -> None:
        for host in ("debian", "noexec"):
            finding = live.finding("acme-name", host)
            assert finding["message"] == f"it is called {host}"
            assert finding["evidence"] == [{"subject": host, "read": "cat /etc/hostname", "lines": [host]}]

    def test_with_what_it_extends(self, live: Result) -> None:
        assert live.on("noexec")["os-tmp-noexec"] == "hazard"
        assert live.code == 1

    def test_testinfra_asks_the_host_of_the_lab(self, live: Result) -> None:
        for host in ("debian", "noexec"):
            said = live.finding("acme-asked", host)["message"]
            assert re.fullmatch(rf"{host}, forwards [01], 3 grün", said), said
            assert live.on(host)["acme-package"] == "clear"

    def test_a_plain_fixture_over_a_fact(self, live: Result) -> None:
        assert live.finding("acme-fixture", "debian")["message"] == "DEBIAN"

    def test_a_plain_fixture_over_host_is_unknown_and_never_this_machine(self, live: Result) -> None:
        finding = live.finding("acme-both", "debian")
        assert finding["outcome"] == "unknown"
        assert "uname -n" in finding["message"]
        assert "not in the snapshot" in finding["message"]

    def test_the_same_from_its_snapshot(self, live: Result, profile: Path, directory: Path) -> None:
        again = preflight(
            "--profile",
            profile,
            "--snapshot=s.json",
            cwd=directory,
            reports="again",
            wrapper=("unshare", "--net", "--"),
        )
        assert again.code == live.code
        assert again.report["findings"] == live.report["findings"]

    def test_workers_find_the_same(self, live: Result, profile: Path, directory: Path) -> None:
        again = preflight("--profile", profile, "--snapshot=s.json", "-n2", cwd=directory, reports="workers")
        assert again.report["findings"] == live.report["findings"]

    def test_the_plan_says_who_asks_for_more(self, lab: Lab, profile: Path, directory: Path) -> None:
        options = ("--profile", profile, "--hosts=debian,noexec", f"--ssh-config={lab.ssh_config}")
        record = json.loads(preflight(*options, "--plan=json", cwd=directory).out)
        for host in ("debian", "noexec"):
            assert record["hosts"][host]["undeclared"] == ["check_asked", "check_both", "check_package"]
            assert "cat /etc/hostname" in [one["read"] for one in record["hosts"][host]["commands"]]
        text = preflight(*options, "--plan", cwd=directory).out
        assert "not declared: what check_asked asks through testinfra's host" in text

    def test_items_are_named_after_the_pack(self, live: Result, profile: Path, directory: Path) -> None:
        again = preflight("--profile", profile, "--snapshot=s.json", "-v", cwd=directory, reports="named")
        assert "acme/check_own.py::check_name[noexec]" in again.out
        assert "checks/linux/check_mounts.py::check_tmp_allows_exec[noexec]" in again.out

    def test_installed_by_its_entry_point(self, live: Result, directory: Path, tmp_path: Path) -> None:
        """As pip leaves it in site-packages: its name, and an entry point that names the package."""
        site = tmp_path / "site"
        pack(
            site / "acme_preflight",
            facts__py=OWN_FACTS,
            check_own__py=OWN_CHECKS,
            words__py="SAID = 'it is called'\n",
            __init____py="",
        )
        (site / "acme_preflight/profiles").mkdir()
        (site / "acme_preflight/profiles/acme.yaml").write_text(OWN_PROFILE)
        info = site / "acme_preflight-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-preflight\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[conformance.packs]\nacme = acme_preflight\n")
        environment = {"PYTHONPATH": str(site)}
        listed = preflight("--list-profiles", cwd=tmp_path, env=environment)
        assert re.search(r"^acme +What Acme looks for \(8 hazards\)$", listed.out, re.MULTILINE), listed
        run = preflight(
            "--profile=acme", f"--snapshot={directory / 's.json'}", cwd=tmp_path, env=environment, reports="installed"
        )
        assert run.report["findings"] == live.report["findings"]
        without = preflight("--profile=acme", f"--snapshot={directory / 's.json'}", cwd=tmp_path)
        assert without.code == 4
        assert "there is no such profile" in without.out
