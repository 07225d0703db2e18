"""Reports asked again: real reports of real runs, and what is done to them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.change import Change, Cluster, Upgrade, load_change
from conformance.documents import InvalidDocument
from conformance.gate.inputs import digests_of, file_digest
from conformance.gate.verification import Verification, verify
from conformance.hazards import Situation
from conformance.profiles import Library
from conformance.run import Run
from conformance.versions import Version
from tests.running import Result, preflight

CHANGE = "profile: linux-node\nhosts:\n  here: {connection: 'local://'}\nwaivers: waivers.yaml\nfresh-hours: 48\n"
WAIVERS = "waivers: []\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys as openssl makes them: p256, p384, ed25519, and rsa that is not taken."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl, to make keys and to verify signatures by other means")
    directory = tmp_path_factory.mktemp("keys")
    kinds = {
        "p256": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        "p384": ("EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
        "ed25519": ("ED25519",),
        "rsa": ("RSA",),
    }
    for name, words in kinds.items():
        private, public = directory / f"{name}.pem", directory / f"{name}.pub"
        openssl("genpkey", "-algorithm", *words, "-out", private)
        openssl("pkey", "-in", private, "-pubout", "-out", public)
    return directory


def openssl(*words: object) -> str:
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a change and the reports of its run."""
    directory = tmp_path_factory.mktemp("made")
    (directory / "upgrade.yaml").write_text(CHANGE)
    (directory / "waivers.yaml").write_text(WAIVERS)
    result = preflight("--change=upgrade.yaml", cwd=directory)
    assert result.report["verdict"] == "go", result
    return directory


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A copy of it that may be altered."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def asked(
    place: Path, *, later: timedelta = timedelta(minutes=1), profile: str = "linux-node", **changes: Any
) -> Verification:
    named = load_change(place / "upgrade.yaml")
    named = replace(named, inputs=digests_of(named))
    named = replace(named, **changes)
    library = Library()
    run = Run(library.find(profile), library, named, changes.pop("situation", Situation.BEFORE))
    return verify(run, named, place / "reports" / "preflight.json", datetime.now(UTC) + later)


def rewritten(place: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Put another content into the report, with a digest that is right again: what only a signature would show."""
    path = place / "reports" / "preflight.json"
    record = json.loads(path.read_text())
    del record["digest"]
    change(record)
    text = json.dumps(record, indent=1)[:-2] + ",\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(f'{text} "digest": "sha256:{digest}"\n}}\n')


def waived(place: Path, lasts: timedelta = timedelta(hours=1)) -> str:
    """Let the first finding be one that the waivers of the change accept; the id of its hazard."""
    expires = (datetime.now(UTC) + lasts).isoformat()
    waiver = {"subject": "here", "reason": "r", "owner": "o", "expires": expires}
    found = []

    def edit(record: dict[str, Any]) -> None:
        record["findings"][0].update(outcome="waived", waiver=waiver)
        found.append(record["findings"][0]["hazard"])
        (place / "waivers.yaml").write_text(yaml.safe_dump({"waivers": [{"hazard": found[0], **waiver}]}))
        record["inputs"]["waivers.yaml"] = file_digest(place / "waivers.yaml")

    rewritten(place, edit)
    return str(found[0])


def test_it_stands_for_the_change_that_it_was_made_for(place: Path) -> None:
    found = asked(place)
    assert (found.forged, found.refused, found.verdict) == ((), (), "go")
    started = datetime.fromisoformat(json.loads((place / "reports/preflight.json").read_text())["started"])
    assert datetime.fromisoformat(found.fresh_until) == started + timedelta(hours=48)


def test_content_written_anew_is_taken_as_it_is_where_no_signature_is_asked_for(place: Path) -> None:
    rewritten(place, lambda record: None)
    assert asked(place).stands


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (lambda text: text.replace('"incomplete"', '"go"').replace("clear", "cleer"), "altered after it was written"),
        (lambda text: json.dumps(json.loads(text)), "does not end with its digest"),
        (lambda text: text + "\n", "does not end with its digest"),
        (lambda text: text[: len(text) // 2], "does not end with its digest"),
        (lambda text: "", "does not end with its digest"),
        (lambda text: re.sub(r'("digest": "sha256:)[0-9a-f]{4}', r"\g<1>0000", text), "altered after it was written"),
    ],
    ids=["a word", "formatted", "a line", "half", "empty", "another digest"],
)
def test_what_was_altered_is_forged(place: Path, done: Callable[[str], str], said: str) -> None:
    path = place / "reports" / "preflight.json"
    path.write_text(done(path.read_text()))
    found = asked(place)
    assert said in " ".join(found.forged)
    assert found.verdict != "go"


def test_one_that_is_not_there(place: Path) -> None:
    (place / "reports" / "preflight.json").unlink()
    assert asked(place).forged == ("it cannot be read: No such file or directory",)


def hazardous(record: dict[str, Any]) -> None:
    record["findings"][0].update(outcome="hazard")


def unread(record: dict[str, Any]) -> None:
    record["findings"][0].update(outcome="unknown")


def unexamined(record: dict[str, Any]) -> None:
    record["coverage"]["not_examined"].append({"hazard": "x", "reason": "y"})


def empty(record: dict[str, Any]) -> None:
    record["findings"] = []


@pytest.mark.parametrize("done", [hazardous, unread, unexamined, empty])
def test_a_verdict_that_its_findings_do_not_bear_is_forged(place: Path, done: Callable[[dict[str, Any]], None]) -> None:
    rewritten(place, done)
    assert "it states go, and its findings lead to" in asked(place).forged[0]


@pytest.mark.parametrize(
    "done",
    [
        lambda record: record.pop("findings"),
        lambda record: record.update(findings=[1]),
        lambda record: record.update(started="soon"),
        lambda record: record.update(started="2026-01-01T00:00:00"),
        lambda record: record.update(coverage=None),
        lambda record: record.update(verdict="perhaps"),
        lambda record: record.update(schema="pytest-preflight/report/9"),
    ],
)
def test_what_is_no_report_is_no_evidence(place: Path, done: Callable[[dict[str, Any]], Any]) -> None:
    rewritten(place, done)
    assert asked(place).forged


class TestStale:
    def test_it_counts_for_the_hours_of_the_change(self, place: Path) -> None:
        assert asked(place, later=timedelta(hours=47)).stands
        assert "it is stale: what it says was read at" in asked(place, later=timedelta(hours=48, minutes=1)).refused[0]

    def test_the_gate_says_for_how_long(self, place: Path) -> None:
        assert "it is stale" in asked(place, fresh_hours=1, later=timedelta(hours=2)).refused[0]

    def test_one_from_tomorrow(self, place: Path) -> None:
        assert "which is yet to come" in asked(place, later=timedelta(hours=-2)).refused[0]

    def test_a_waiver_that_has_expired_since(self, place: Path) -> None:
        waived(place)
        assert asked(place).stands
        assert "the waiver of " in asked(place, later=timedelta(hours=2)).refused[0]


class TestWaived:
    """What was accepted is asked again as well: by the waivers at hand, and by what the profile allows now."""

    def test_a_waiver_that_no_file_holds(self, place: Path) -> None:
        waived(place)
        (place / "waivers.yaml").write_text(WAIVERS)
        rewritten(place, lambda record: record["inputs"].update({"waivers.yaml": file_digest(place / "waivers.yaml")}))
        (said,) = asked(place).refused
        assert said.endswith(" on here waived, and no waiver at hand says so")

    def test_what_nobody_may_waive_any_more(self, place: Path) -> None:
        named = load_change(place / "upgrade.yaml")
        hazard = waived(place)
        profile = replace(Library().find("linux-node"), never_waived=(hazard,))
        with pytest.raises(
            InvalidDocument, match=f"profile linux-node lets nobody waive {hazard}: take the waiver out"
        ):
            verify(Run(profile, Library(), named), named, place / "reports" / "preflight.json", datetime.now(UTC))

    def test_longer_than_the_profile_allows(self, place: Path) -> None:
        named = load_change(place / "upgrade.yaml")
        waived(place, timedelta(days=40))
        profile = replace(Library().find("linux-node"), longest_waiver_days=30)
        with pytest.raises(InvalidDocument, match="is more than 30 days ahead"):
            verify(Run(profile, Library(), named), named, place / "reports" / "preflight.json", datetime.now(UTC))


class TestStrictly:
    """A gate may be stricter than the run was."""

    def strictly(self, place: Path, *, strict: bool = True) -> Verification:
        named = load_change(place / "upgrade.yaml")
        named = replace(named, inputs=digests_of(named))
        library = Library()
        run = Run(library.find("linux-node"), library, named)
        now = datetime.now(UTC) + timedelta(minutes=1)
        return verify(run, named, place / "reports" / "preflight.json", now, strict=strict)

    def test_a_warning_is_a_no_go(self, place: Path) -> None:
        rewritten(place, lambda record: record["findings"][0].update(outcome="warning"))
        assert (self.strictly(place, strict=False).verdict, self.strictly(place).verdict) == ("go", "no-go")
        assert self.strictly(place).reasons[0] == "1 warning, which --strict counts as hazards"

    def test_so_is_a_waiver_that_matches_nothing(self, place: Path) -> None:
        text = (
            "waivers:\n- {hazard: os-tmp-noexec, subject: elsewhere, reason: r, owner: o, "
            "expires: 2099-01-01T00:00:00+00:00}\n"
        )
        (place / "waivers.yaml").write_text(text)
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        rewritten(place, lambda record: record["inputs"].update({"waivers.yaml": digest}))
        assert (self.strictly(place, strict=False).verdict, self.strictly(place).verdict) == ("go", "no-go")

    def test_it_makes_nothing_milder(self, place: Path) -> None:
        rewritten(place, lambda record: record.update(verdict="incomplete", reasons=["1 unknown"]))
        assert (self.strictly(place).verdict, self.strictly(place).reasons) == ("incomplete", ("1 unknown",))

    def test_the_option_is_heard(self, place: Path) -> None:
        rewritten(place, lambda record: record["findings"][0].update(outcome="warning"))
        words = ("--change=upgrade.yaml", "--verify=reports/preflight.json")
        assert [preflight(*words, *more, cwd=place).code for more in ((), ("--strict",))] == [0, 1]


class TestElsewhere:
    def test_another_profile(self, place: Path) -> None:
        said = asked(place, profile="kubernetes-1.36").refused
        assert said[0] == "it is about profile linux-node, not kubernetes-1.36"
        assert "it did not look for: k8s-" in said[1]

    def test_another_host(self, place: Path) -> None:
        hosts = load_change(place / "upgrade.yaml").hosts
        more = {**hosts, "wk-2": replace(hosts["here"], name="wk-2")}
        assert asked(place, hosts=more).refused == ("wk-2 was not examined",)

    def test_another_version(self, place: Path) -> None:
        rewritten(place, lambda record: record.update({"from": "1.8.3", "to": "1.9.0"}))
        said = asked(place, upgrade=Upgrade(Version.parse("1.8.3"), Version.parse("1.9.1"))).refused
        assert said == ("it is about an upgrade to 1.9.0, not to 1.9.1",)
        assert asked(place, upgrade=Upgrade(None, Version.parse("1.9"))).stands

    def test_a_cluster_by_its_own_versions(self, place: Path) -> None:
        def upgraded(record: dict[str, Any]) -> None:
            record["subjects"].append({"name": "a", "kind": "cluster", "roles": []})
            record["upgrades"]["a"] = {"from": "1.8.3", "to": "1.9.0"}

        rewritten(place, upgraded)

        def clusters(source: str, target: str) -> dict[str, Cluster]:
            upgrade = Upgrade(Version.parse(source), Version.parse(target))
            return {"a": Cluster("a", manager="b", connected=False, upgrade=upgrade)}

        assert asked(place, clusters=clusters("1.8.3", "1.9.0")).stands
        assert asked(place, clusters=clusters("1.8.2", "1.9.0")).refused == (
            "a: it is about an upgrade from 1.8.3, not from 1.8.2",
        )

    def test_another_situation(self, place: Path) -> None:
        rewritten(place, lambda record: record.update(situation="repair"))
        assert asked(place).refused == ("it is about the situation 'repair', not 'before'",)

    def test_one_side_only(self, place: Path) -> None:
        rewritten(place, lambda record: record.update(scope="hosts only"))
        assert asked(place).refused == ("it looked at hosts only",)
        assert asked(place, examine=("hosts",)).stands

    @pytest.mark.parametrize("name", ["upgrade.yaml", "waivers.yaml"])
    def test_files_that_have_changed_since(self, place: Path, name: str) -> None:
        (place / name).write_text((place / name).read_text() + "# more\n")
        assert asked(place).refused == (f"{name} has changed since",)

    def test_a_file_that_was_not_there(self, place: Path) -> None:
        (place / "desired.yaml").write_text("kind: Cluster\n")
        text = CHANGE + "clusters: {a: {desired: desired.yaml, kubeconfig: none}}\n"
        (place / "upgrade.yaml").write_text(text)
        said = asked(place).refused
        assert "desired.yaml is no part of what it examined" in said
        assert "a was not examined" in said

    def test_a_file_that_is_no_longer_named(self, place: Path) -> None:
        (place / "upgrade.yaml").write_text(CHANGE.replace("waivers: waivers.yaml\n", ""))
        assert "waivers.yaml was part of what it examined, and is no part of this change" in asked(place).refused

    def test_waivers_without_a_change_are_told_by_what_they_hold(self, place: Path) -> None:
        """What a file is called depends on the directory, where no change file says to what paths are relative."""
        (place / "below").mkdir()
        made = preflight("--profile=linux-node", "--waivers=waivers.yaml", cwd=place, reports="plain")
        assert made.report["inputs"], made
        asked_for = ("--profile=linux-node", f"--verify={place / 'plain' / 'preflight.json'}")
        there = preflight(*asked_for, f"--waivers={place / 'waivers.yaml'}", cwd=place / "below")
        assert (there.code, "examined" in there.out) == (made.code, False), there
        (place / "below" / "waivers.yaml").write_text("# others\nwaivers: []\n")
        other = preflight(*asked_for, "--waivers=waivers.yaml", cwd=place / "below")
        assert (other.code, "waivers.yaml has changed since" in other.out) == (10, True), other

    def test_without_the_change_that_it_was_made_for(self, place: Path) -> None:
        library = Library()
        run = Run(library.find("linux-node"), library, Change())
        found = verify(run, Change(), place / "reports" / "preflight.json", datetime.now(UTC))
        assert found.refused == tuple(
            f"{name} was part of what it examined, and is no part of this change"
            for name in ("upgrade.yaml", "waivers.yaml")
        )


class TestSigned:
    @pytest.fixture
    def signed(self, place: Path, keys: Path) -> Iterator[Callable[[str], Result]]:
        def run(kind: str) -> Result:
            return preflight("--change=upgrade.yaml", f"--sign-key={keys / kind}.pem", cwd=place)

        yield run

    def verified(self, place: Path, key: Path) -> Result:
        return preflight("--change=upgrade.yaml", "--verify=reports/preflight.json", f"--verify-key={key}", cwd=place)

    @pytest.mark.parametrize(("kind", "digest"), [("p256", "sha256"), ("p384", "sha384")])
    def test_others_can_verify_the_signature(
        self, signed: Callable[[str], Result], keys: Path, place: Path, kind: str, digest: str
    ) -> None:
        """openssl, on the bytes that DSSE says are signed."""
        result = signed(kind)
        envelope = json.loads((result.reports / "preflight.dsse.json").read_text())
        payload = base64.b64decode(envelope["payload"])
        (place / "signed").write_bytes(b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload))
        (place / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
        said = openssl(
            "dgst", f"-{digest}", "-verify", keys / f"{kind}.pub", "-signature", place / "signature", place / "signed"
        )
        assert said == "Verified OK\n"
        statement = json.loads(payload)
        assert statement == json.loads((result.reports / "preflight.intoto.json").read_text())
        assert (statement["_type"], statement["predicate"]["result"]) == ("https://in-toto.io/Statement/v1", "PASSED")
        assert {one["name"]: one["digest"]["sha256"] for one in statement["subject"]} == {
            one.name: hashlib.sha256(one.read_bytes()).hexdigest()
            for one in result.reports.glob("preflight.*")
            if one.name not in ("preflight.dsse.json", "preflight.intoto.json")
        }
        assert {one["name"] for one in statement["predicate"]["configuration"]} == {
            "upgrade.yaml",
            "waivers.yaml",
            "snapshot",
        }

    def test_a_gate_that_asks_for_a_signature(self, signed: Callable[[str], Result], keys: Path, place: Path) -> None:
        signed("ed25519")
        result = self.verified(place, keys / "ed25519.pub")
        assert (result.code, result.out.splitlines()[0]) == (
            0,
            "GO: reports/preflight.json stands for this change (linux-node)",
        )
        other = self.verified(place, keys / "p256.pub")
        assert (other.code, "is not signed with the key" in other.out) == (1, True)

    def test_a_report_put_in_place_of_the_signed_one(
        self, signed: Callable[[str], Result], keys: Path, place: Path
    ) -> None:
        signed("p256")
        rewritten(place, lambda record: record.update(title="another"))
        result = self.verified(place, keys / "p256.pub")
        assert (result.code, "it speaks of another preflight.json" in result.out) == (1, True)

    def test_one_without_a_signature(self, place: Path, keys: Path) -> None:
        result = self.verified(place, keys / "p256.pub")
        assert (result.code, "the report is not signed" in result.out) == (1, True)

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"payload": "!", "signatures": [], "payloadType": "x"}', "{"])
    def test_an_envelope_that_is_none(self, place: Path, keys: Path, text: str) -> None:
        (place / "reports" / "preflight.dsse.json").write_text(text)
        named = load_change(place / "upgrade.yaml")
        library = Library()
        run = Run(library.find("linux-node"), library, named)
        report = place / "reports" / "preflight.json"
        found = verify(run, named, report, datetime.now(UTC), keys / "p256.pub")
        assert found.forged
        assert not found.signed_by

    @pytest.mark.parametrize("option", ["--sign-key=rsa.pem", "--sign-key=none", "--sign-key=rsa.pub"])
    def test_a_key_that_cannot_be_used_is_an_error_before_anything_is_read(
        self, place: Path, keys: Path, option: str
    ) -> None:
        name = option.partition("=")[2]
        path = keys / name
        result = preflight("--change=upgrade.yaml", f"--sign-key={path}", cwd=place)
        assert result.code == pytest.ExitCode.USAGE_ERROR
        assert str(path) in result.out
        assert "Traceback" not in result.out

    def test_a_key_with_a_password(self, place: Path, keys: Path) -> None:
        locked = place / "locked.pem"
        openssl("pkey", "-in", keys / "p256.pem", "-aes256", "-passout", "pass:s3", "-out", locked)
        told = preflight("--change=upgrade.yaml", f"--sign-key={locked}", cwd=place)
        assert (told.code, "its password is read from PREFLIGHT_SIGN_PASSWORD" in told.out) == (4, True)
        env = {"PREFLIGHT_SIGN_PASSWORD": "s3"}
        assert preflight("--change=upgrade.yaml", f"--sign-key={locked}", cwd=place, env=env).code == 0
        assert self.verified(place, keys / "p256.pub").code == 0


def test_where_reports_cannot_be_attested_the_run_fails_in_one_line(place: Path) -> None:
    # A path below a file stands in for a directory that can no longer be written to at the very end.
    spoiled = "import conformance.gate.attestation\n\nconformance.gate.attestation.STATEMENT = 'preflight.json/x'\n"
    (place / "spoiled.py").write_text(spoiled)
    result = preflight("--change=upgrade.yaml", "-p", "spoiled", cwd=place)
    assert result.code == pytest.ExitCode.INTERNAL_ERROR
    assert result.out.splitlines()[-1].startswith("ERROR: the report ")
    assert "Traceback" not in result.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 0, "GO: reports/preflight.json stands for this change (linux-node)"),
        (("--upgrade-to=1.9",), 10, "REFUSED: reports/preflight.json is no evidence for this change (linux-node)"),
        (("--verify=none.json",), 1, "REFUSED: none.json is not a report to go by (linux-node)"),
    ],
)
def test_a_pipeline_reads_the_exit_status(place: Path, words: tuple[str, ...], code: int, said: str) -> None:
    before = sorted((place / "reports").iterdir())
    result = preflight("--change=upgrade.yaml", "--verify=reports/preflight.json", *words, cwd=place)
    assert (result.code, result.out.splitlines()[0]) == (code, said)
    assert sorted((place / "reports").iterdir()) == before


def test_without_anything_at_hand_there_is_nothing_to_verify_it_for(place: Path) -> None:
    result = preflight("--verify=reports/preflight.json", cwd=place)
    assert result.code == pytest.ExitCode.USAGE_ERROR
    assert "--verify: name what is to be verified" in result.out
