"""The main job, end to end: `pytest --profile anthos-bare-metal-1.9` against a real API server with a troubled fleet."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters import anthos
from tests.clusters.anthos import PROFILE, cluster, machines, namespace, node, node_pool, secret
from tests.clusters.crds import BARE_METAL, crd, served_only_as
from tests.lab.controlplane import Authority, ControlPlane
from tests.running import Result, preflight

MAINTENANCE = "abm-maintenance-annotation"
SECRET = "abm-kubeconfig-secret-overwritten"
BOOTSTRAP = "abm-bootstrap-cidr-overlap"
OVERLAP = "abm-cluster-ip-overlap"
KUBELET = "k8s-kubelet-dead-connection"
CLUSTERS = ("--examine=clusters",)

ADMIN_VIP = "192.0.2.8"


@pytest.fixture(scope="class")
def fresh(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The API server with the CRDs served and nothing else; cleaned up behind the class."""
    control_plane.apply(*BARE_METAL, keep=True)
    yield control_plane
    control_plane.reset()


@pytest.fixture(scope="class")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that is no checkout, for the runs of a class."""
    return tmp_path_factory.mktemp("run")


def admin_of(plane: ControlPlane, place: Path, context: str = "prod-admin") -> Path:
    """The kubeconfig of the admin cluster, its context called like it."""
    return plane.kubeconfig(context=context, path=place / f"{context}.kubeconfig")


def change_file(place: Path, name: str = "upgrade.yaml", **keys: Any) -> Path:
    """A change file that looks at clusters only."""
    path = place / name
    path.write_text(yaml.safe_dump({"profile": "anthos-bare-metal-1.9", "examine": ["clusters"], **keys}))
    return path


def users_of(fleet: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Namespaces, clusters and machines of several user clusters, three machines each unless told otherwise."""
    found: list[dict[str, Any]] = []
    for number, (name, keys) in enumerate(fleet.items()):
        where = keys.pop("where", f"cluster-{name}")
        left = keys.pop("maintenance", ())
        names = keys.pop("machines", [f"198.51.100.{number * 10 + last}" for last in (1, 2, 3)])
        vip = keys.pop("vip", f"203.0.113.{number + 10}")
        found += [namespace(where), cluster(name, where=where, vip=vip, nodes=names[:1], **keys)]
        found += machines(where, *names, maintenance=[names[one] for one in left])
    return found


def traces(text: str) -> set[str]:
    """How a text looks in plain, in base64 and in base64 of base64, wherever in the encoded text it stands."""

    def encoded(one: str) -> set[str]:
        found = set()
        for shift in range(3):
            whole = base64.b64encode(b"\0" * shift + one.encode()).decode()
            start = -(-shift * 8 // 6)
            found.add(whole.rstrip("=")[start + 1 : -1])
        return found

    once = encoded(text)
    return {text, *once, *(two for one in once for two in encoded(one))}


def comparable(run: Result) -> str:
    """preflight.json as it was written, without what may differ between a live run and its replay."""
    kept = {key: value for key, value in run.report.items() if key not in ("started", "finished", "gather")}
    return json.dumps(kept, indent=1, ensure_ascii=False)


@pytest.fixture(scope="class")
def troubled(fresh: ControlPlane) -> ControlPlane:
    own, others = fresh.authority.pem, Authority("a store's CA").pem

    def held(name: str, vip: str, ca: bytes = others, **more: Any) -> dict[str, Any]:
        return secret(name, anthos.kubeconfig_text(name, f"https://{vip}:443", ca), **more)

    fresh.apply(namespace("cluster-prod-admin"), anthos.cluster_info(f"https://{ADMIN_VIP}:443", own))
    fresh.apply(cluster("prod-admin", "admin", nodes=["192.0.2.1"], vip=ADMIN_VIP))
    fresh.apply(*machines("cluster-prod-admin", "192.0.2.1", "192.0.2.2"))
    fresh.apply(
        *users_of(
            {
                "store-1": {"machines": [f"198.51.100.{one}" for one in (1, 2, 3, 4, 5)], "maintenance": (1, 3)},
                "store-2": {},
                "shops": {"where": "somewhere-else"},
                "newer": {"version": "1.9.1", "maintenance": (0,)},
                "older": {"version": "1.7.5", "maintenance": (0,)},
                "empty": {"machines": []},
                "late": {"version": "1.11.1"},
                "mended": {"version": "1.11.2"},
                "by-name": {},
                "other-name": {},
                "by-address": {},
                "by-authority": {},
                "binary": {},
                "prose": {},
                "keyless": {},
                "missing": {},
                "stranger": {},
            }
        )
    )
    admins = anthos.kubeconfig_text("prod-admin", f"https://{ADMIN_VIP}:443", own)
    fresh.apply(
        held("store-1", "203.0.113.10"),
        secret("store-2", admins),
        held("shops", "203.0.113.12", where="somewhere-else"),
        held("newer", "203.0.113.13"),
        held("older", "203.0.113.14"),
        held("empty", "203.0.113.15"),
        secret("late", admins),
        secret("mended", admins),
        # Called like the admin cluster, yet with the address and the CA of the user cluster: it is its own.
        secret("by-name", anthos.kubeconfig_text("prod-admin", "https://203.0.113.18:443", others)),
        held("other-name", "203.0.113.19"),
        # Called like the user cluster, yet the admin cluster's by its address alone, and by its CA alone.
        held("by-address", ADMIN_VIP),
        held("by-authority", "203.0.113.21", own),
        secret("binary", b"\xff\xfe" + anthos.USER_KEY.encode()),
        secret("prose", f"a: b: c: {anthos.USER_TOKEN}\n\t{anthos.USER_PASSWORD}: ["),
        secret("keyless", None),
        secret("stranger", anthos.kubeconfig_text("elsewhere", "https://203.0.113.99:443", others)),
    )
    kubelets = ("v1.15.12", "v1.16.0", "v1.18.20", "v1.19.0", "v1.17.4+IKS")
    fresh.apply(*(node(f"n{number}", f"192.0.2.{number + 1}", one) for number, one in enumerate(kubelets)))
    return fresh

@pytest.fixture(scope="class")
def run(troubled: ControlPlane, place: Path) -> Result:
    kept = place / "kept.json"
    return preflight(
        PROFILE,
        *CLUSTERS,
        f"--kubeconfig={admin_of(troubled, place)}",
        f"--save-snapshot={kept}",
        "-v",
        "--tb=long",
        cwd=place,
    )


class TestTroubledFleet:
    """One admin cluster with user clusters of every kind of trouble; one run, of which each test looks at a part."""

    def test_it_is_no_go_and_says_so_everywhere(self, run: Result) -> None:
        assert run.code == 1, run
        assert run.report["verdict"] == "no-go"
        assert run.report["scope"] == "clusters only"
        assert "NO-GO" in run.out
        assert set(run.texts) >= {"preflight.json", "preflight.html", "preflight.md", "preflight.junit.xml"}

    def test_versions_are_read_of_each_cluster(self, run: Result) -> None:
        read = {name: one["from"] for name, one in run.report["upgrades"].items()}
        assert read["prod-admin"] == "1.8.3"
        assert (read["newer"], read["older"], read["mended"]) == ("1.9.1", "1.7.5", "1.11.2")
        assert {one["to"] for one in run.report["upgrades"].values()} == {"1.9"}

    def test_annotated_machines_are_a_finding_of_their_user_cluster(self, run: Result) -> None:
        found = run.finding(MAINTENANCE, "store-1")
        assert found["outcome"] == "hazard"
        assert "2 of 5 machines" in found["message"]
        assert "198.51.100.2, 198.51.100.4" in found["message"]
        lines = [line for one in found["evidence"] for line in one["lines"]]
        assert f"baremetalmachine cluster-store-1/198.51.100.2: {anthos.MAINTENANCE}=4h0m0s" in lines
        assert {one["subject"] for one in found["evidence"]} == {"prod-admin"}  # read there, said of the user cluster
        assert f"-n cluster-store-1 198.51.100.2 198.51.100.4 {anthos.MAINTENANCE}-" in found["remedy"]

    def test_the_others_are_clear(self, run: Result) -> None:
        clear = {who for (what, who), how in run.outcomes.items() if what == MAINTENANCE and how == "clear"}
        assert {"prod-admin", "store-2", "shops"} <= clear
        assert not clear & {"store-1", "newer", "older", "empty"}

    @pytest.mark.parametrize(("who", "version"), [("newer", "1.9.1"), ("older", "1.7.5"), ("late", "1.11.1")])
    def test_of_another_version_it_does_not_apply(self, run: Result, who: str, version: str) -> None:
        found = run.finding(MAINTENANCE, who)
        assert (found["outcome"], found["message"]) == ("not-applicable", f"from {version} is not ==1.8.*")

    def test_no_machine_at_all_is_unknown(self, run: Result) -> None:
        found = run.finding(MAINTENANCE, "empty")
        assert found["outcome"] == "unknown"
        assert "namespace cluster-empty holds no BareMetalMachine" in found["message"]

    @pytest.mark.parametrize(
        ("who", "outcome", "says"),
        [
            ("store-1", "clear", ""),
            ("store-2", "hazard", "holds the kubeconfig of the admin cluster"),
            ("shops", "clear", ""),
            ("late", "hazard", "holds the kubeconfig of the admin cluster"),
            ("mended", "not-applicable", "from 1.11.2 is not <=1.11.1"),
            ("by-name", "clear", ""),
            ("other-name", "clear", ""),
            ("by-address", "hazard", "(the address is its)"),
            ("by-authority", "hazard", "(the CA is its)"),
            ("binary", "hazard", "holds no kubeconfig: kubeconfig secret: expected UTF-8 text in base64"),
            ("prose", "hazard", "holds no kubeconfig"),
            ("keyless", "hazard", "holds no kubeconfig: it has no key `value`"),
            ("missing", "unknown", "has no secret cluster-missing/missing-kubeconfig"),
            ("stranger", "unknown", "neither the admin cluster nor the control-plane VIP 203.0.113.26"),
            ("prod-admin", "not-applicable", "only user clusters have such a secret"),
        ],
    )
    def test_kubeconfig_secrets(self, run: Result, who: str, outcome: str, says: str) -> None:
        found = run.finding(SECRET, who)
        assert found["outcome"] == outcome, found
        assert says in found["message"]

    def test_the_remedy_of_an_overwritten_secret_names_it(self, run: Result) -> None:
        remedy = run.finding(SECRET, "store-2")["remedy"]
        assert "delete secret -n cluster-store-2 store-2-kubeconfig" in remedy
        assert "bmctl-workspace/store-2/store-2-kubeconfig" in remedy

    def test_kubelets_are_told_apart(self, run: Result) -> None:
        found = run.finding(KUBELET, "prod-admin")
        assert (found["outcome"], found["severity"]) == ("warning", "warning")
        assert "3 of 5 nodes" in found["message"]
        assert "n1 (v1.16.0), n2 (v1.18.20), n4 (v1.17.4+IKS)" in found["message"]
        assert "n0" not in found["message"]
        assert "n3" not in found["message"]

    def test_nodes_of_a_cluster_without_kubeconfig_are_unknown(self, run: Result) -> None:
        found = run.finding(KUBELET, "store-2")
        assert found["outcome"] == "unknown"
        assert "no kubeconfig is given for cluster store-2" in found["message"]

    def test_no_secret_is_told_to_anybody(self, run: Result, place: Path, troubled: ControlPlane) -> None:
        told = {**run.texts, "the snapshot": (place / "kept.json").read_text()}
        assert "203.0.113.99" in told["the snapshot"]  # it does hold what was read of the secrets
        markers = ("THISPRIVATEKEYMUSTNEVERBESEENANYWHERE", anthos.USER_TOKEN, anthos.USER_PASSWORD)
        for marker in (*markers, troubled.tokens["admin"]):
            for trace in traces(marker):
                seen = [name for name, text in told.items() if trace in text]
                assert not seen, f"{marker} (as {trace}) stands in {seen}"

    def test_the_traces_would_be_found(self) -> None:
        once = base64.b64encode(anthos.kubeconfig_text("a", "https://b", b"ca").encode()).decode()
        for marker in ("THISPRIVATEKEYMUSTNEVERBESEENANYWHERE", anthos.USER_TOKEN):
            assert any(trace in once for trace in traces(marker))

    def test_traceback_nowhere(self, run: Result) -> None:
        assert "INTERNALERROR" not in run.out
        assert "Traceback" not in "".join(run.texts.values())

    def test_a_replay_tells_the_same(self, run: Result, place: Path) -> None:
        again = preflight(
            PROFILE, *CLUSTERS, f"--snapshot={place / 'kept.json'}", "-v", "--tb=long", cwd=place, reports="again"
        )
        assert again.code == run.code
        assert comparable(again) == comparable(run)

    def test_so_do_two_workers(self, run: Result, troubled: ControlPlane, place: Path) -> None:
        args = (PROFILE, *CLUSTERS, f"--kubeconfig={admin_of(troubled, place)}", "-n2")
        live = preflight(*args, f"--save-snapshot={place / 'two.json'}", cwd=place, reports="two")
        again = preflight(
            PROFILE, *CLUSTERS, "-n2", f"--snapshot={place / 'two.json'}", cwd=place, reports="two-again"
        )
        assert comparable(live) == comparable(again) == comparable(run)
        assert (live.code, again.code) == (1, 1)

    def test_a_change_file_names_clusters_and_their_admin(self, troubled: ControlPlane, place: Path) -> None:
        named = change_file(
            place,
            clusters={
                "prod-admin": {"kubeconfig": str(admin_of(troubled, place)), "role": "admin", "upgrade": "none"},
                "store-1": {"role": "user", "admin": "prod-admin"},
                "newer": {"admin": "prod-admin"},
                "shops": {"role": "user", "admin": "prod-admin", "upgrade": {"from": "1.7.9"}},
                "nowhere": {"role": "user", "admin": "prod-admin"},
            },
        )
        run = preflight(f"--change={named}", cwd=place, reports="change")
        assert run.code == 1, run
        found = run.finding(MAINTENANCE, "store-1")
        assert (found["outcome"], found["evidence"][0]["subject"]) == ("hazard", "prod-admin")
        assert run.finding(MAINTENANCE, "prod-admin")["message"] == "this change does not upgrade the cluster"
        assert run.finding(MAINTENANCE, "newer")["message"] == "from 1.9.1 is not ==1.8.*"
        assert run.finding(MAINTENANCE, "shops")["message"] == "from 1.7.9 is not ==1.8.*"
        lost = run.finding(MAINTENANCE, "nowhere")
        assert lost["outcome"] == "unknown"
        assert "holds no Cluster object 'nowhere'" in lost["message"]
        assert "store-2" not in {one["name"] for one in run.report["subjects"]}

    @pytest.mark.parametrize(
        ("args", "reason"),
        [
            (["--profile=anthos-bare-metal-1.10"], "to 1.10 is not ==1.9.*"),
            ([PROFILE, "--upgrade-to=1.10.2"], "to 1.10.2 is not ==1.9.*"),
            ([PROFILE, "--upgrade-from=1.9.0"], "from 1.9.0 is not ==1.8.*"),
        ],
    )
    def test_versions_given_rule_it_out_for_all(
        self, troubled: ControlPlane, place: Path, args: list[str], reason: str
    ) -> None:
        run = preflight(*args, *CLUSTERS, f"--kubeconfig={admin_of(troubled, place)}", cwd=place, reports="given")
        told = {one["message"] for one in run.report["findings"] if one["hazard"] == MAINTENANCE}
        assert reason in told
        assert {one["outcome"] for one in run.report["findings"] if one["hazard"] == MAINTENANCE} == {"not-applicable"}
        listed = {one["reason"] for one in run.report["coverage"]["not_applicable"] if one["hazard"] == MAINTENANCE}
        assert reason in listed

    def test_a_context_called_like_a_user_cluster(self, troubled: ControlPlane, place: Path) -> None:
        """The admin cluster's own machines must not drop out of sight because a user cluster has its context's name."""
        run = preflight(
            PROFILE, *CLUSTERS, f"--kubeconfig={admin_of(troubled, place, 'store-2')}", cwd=place, reports="misled"
        )
        assert run.code == 4, run
        assert "store-2" in run.out
        assert "Traceback" not in run.out

