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
    passing = ("started", "finished", "fresh_until", "gather", "snapshot", "digest")
    kept = {key: value for key, value in run.report.items() if key not in passing}
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

    @pytest.mark.real("abm-maintenance-annotation")
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
            ("by-address", "hazard", "admin cluster, with its address"),
            ("by-authority", "hazard", "admin cluster, with its CA"),
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

    @pytest.mark.real("abm-kubeconfig-secret-overwritten")
    def test_the_remedy_of_an_overwritten_secret_names_it(self, run: Result) -> None:
        remedy = run.finding(SECRET, "store-2")["remedy"]
        assert "delete secret -n cluster-store-2 store-2-kubeconfig" in remedy
        assert "bmctl-workspace/store-2/store-2-kubeconfig" in remedy

    @pytest.mark.real("k8s-kubelet-dead-connection")
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
        assert {key: again.report[key] for key in ("fresh_until", "snapshot")}.items() <= run.report.items()

    def test_so_do_two_workers(self, run: Result, troubled: ControlPlane, place: Path) -> None:
        args = (PROFILE, *CLUSTERS, f"--kubeconfig={admin_of(troubled, place)}", "-n2")
        live = preflight(*args, f"--save-snapshot={place / 'two.json'}", cwd=place, reports="two")
        again = preflight(PROFILE, *CLUSTERS, "-n2", f"--snapshot={place / 'two.json'}", cwd=place, reports="two-again")
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
        kept = place / "change.json"
        run = preflight(f"--change={named}", f"--save-snapshot={kept}", cwd=place, reports="change")
        assert run.code == 1, run
        again = preflight(PROFILE, f"--snapshot={kept}", cwd=place, reports="change-again")
        assert comparable(again) == comparable(run)  # nor does a replay find clusters that the change leaves out
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
            (["--profile=anthos-bare-metal-1.10", "--upgrade-to=1.10.2"], "to 1.10.2 is not ==1.9.*"),
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


# -- addresses


def said(run: Result, hazard: str = OVERLAP) -> set[str]:
    """The evidence lines of a finding about the fleet."""
    return {line for one in run.finding(hazard, "fleet")["evidence"] for line in one["lines"]}


EAST = cluster(
    "east",
    nodes=["198.51.100.1"],
    balancers=["198.51.100.4"],
    vip="198.51.100.8",
    ingress="198.51.100.33",  # taken from its own pool, as it must be
    pools={
        "small": ["198.51.100.32/28"],
        "large": ["198.51.100.60 - 198.51.100.70"],
        "six": ["2001:db8:1::/64"],
    },
    # The ranges of pods and services are the same in every cluster: in island mode they never meet.
)
WEST = cluster(
    "west",
    nodes=["198.51.100.101"],
    vip="198.51.100.65",  # within a pool of east's
    ingress="198.51.100.71",  # right behind it
    pools={
        "one": ["198.51.100.110-198.51.100.120"],
        "two": ["198.51.100.118/31"],  # within its own other pool
        "six": ["2001:db8:1:0:8000::-2001:db8:1:0:8000::f"],
    },
)


@pytest.fixture(scope="class")
def addressed(fresh: ControlPlane) -> ControlPlane:
    """Clusters whose addresses meet in every way in which they may or must not."""
    fresh.apply(*(namespace(f"cluster-{one}") for one in ("prod-admin", "east", "west", "flat-1", "flat-2")))
    fresh.apply(cluster("prod-admin", "admin", nodes=["192.0.2.1"], vip=ADMIN_VIP))
    fresh.apply(EAST, WEST)
    fresh.apply(
        cluster("flat-1", vip="203.0.113.1", pods=["10.64.0.0/16"], flat=True),
        cluster("flat-2", vip="203.0.113.2", pods=["10.64.128.0/17"], flat=True),
    )
    fresh.apply(node_pool("east", "198.51.100.2", "198.51.100.101"))  # the second is a machine of west's, too
    fresh.apply(node_pool("west", "198.51.100.102"))
    fresh.apply(node("n1", "192.0.2.1"))
    return fresh


@pytest.fixture(scope="class")
def addresses(addressed: ControlPlane, place: Path) -> Result:
    return preflight(PROFILE, *CLUSTERS, f"--kubeconfig={admin_of(addressed, place)}", cwd=place)


class TestAddresses:
    """Ranges that meet across clusters, within one, and those that only seem to."""

    @pytest.mark.real("abm-cluster-ip-overlap")
    def test_exactly_what_meets_is_found(self, addresses: Result) -> None:
        assert addresses.finding(OVERLAP, "fleet")["outcome"] == "hazard"
        assert said(addresses) == {
            "east: address pool large 198.51.100.60 - 198.51.100.70 and west: control-plane VIP 198.51.100.65",
            "east: address pool six 2001:db8:1::/64 and west: address pool six 2001:db8:1:0:8000::-2001:db8:1:0:8000::f",
            "east: node address 198.51.100.101 and west: node address 198.51.100.101",
            "west: address pool one 198.51.100.110-198.51.100.120 and west: address pool two 198.51.100.118/31",
            "flat-1: pod range 10.64.0.0/16 and flat-2: pod range 10.64.128.0/17",
        }

    def test_no_machine_lies_in_the_bootstrap_ranges(self, addresses: Result) -> None:
        found = addresses.finding(BOOTSTRAP, "fleet")
        # The user clusters' own nodes could not be listed.
        assert found["outcome"] == "unknown"
        assert "no kubeconfig is given for cluster east" in found["message"]

    def desired(self, addressed: ControlPlane, place: Path, *documents: Any, **keys: Any) -> Result:
        """A run with a desired configuration beside what is there."""
        wanted = place / "wanted.yaml"
        wanted.write_text(anthos.desired_file(*documents))
        admin = {"kubeconfig": str(admin_of(addressed, place)), "role": "admin"}
        change = change_file(place, clusters={"prod-admin": admin}, **keys)
        return preflight(f"--change={change}", f"--desired={wanted}", cwd=place, reports="desired")

    def test_a_cluster_to_come_in_the_desired_configuration(self, addressed: ControlPlane, place: Path) -> None:
        north = cluster("north", vip=ADMIN_VIP, nodes=["192.168.122.50"], pools={"p": ["203.0.113.200/29"]})
        run = self.desired(addressed, place, namespace("cluster-north"), north, node_pool("north", "10.96.0.9"))
        assert said(run) == {"north: control-plane VIP 192.0.2.8 and prod-admin: control-plane VIP 192.0.2.8"}
        assert run.finding(BOOTSTRAP, "fleet")["outcome"] == "hazard"
        assert said(run, BOOTSTRAP) == {
            "north: node address 192.168.122.50 (in the pod range 192.168.122.0/24)",
            "north: node address 10.96.0.9 (in the service range 10.96.0.0/27)",
        }

    def test_a_cluster_to_come_with_its_admin(self, addressed: ControlPlane, place: Path) -> None:
        wanted = place / "north.yaml"
        wanted.write_text(anthos.desired_file(cluster("north", vip="198.51.100.69")))
        admin = {"kubeconfig": str(admin_of(addressed, place)), "role": "admin"}
        change = change_file(
            place,
            clusters={
                "prod-admin": admin,
                "east": {"admin": "prod-admin"},
                "north": {"admin": "prod-admin", "desired": "north.yaml", "upgrade": "none"},
            },
        )
        run = preflight(f"--change={change}", cwd=place, reports="to-come")
        expected = "east: address pool large 198.51.100.60 - 198.51.100.70 and north: control-plane VIP 198.51.100.69"
        assert said(run) == {expected}
        assert run.finding(MAINTENANCE, "north")["outcome"] == "not-applicable"

    def test_a_node_pool_alone_is_part_of_its_cluster(self, addressed: ControlPlane, place: Path) -> None:
        run = self.desired(addressed, place, node_pool("prod-admin", ADMIN_VIP, "192.168.122.9", name="more"))
        assert said(run) == {"prod-admin: control-plane VIP 192.0.2.8 and prod-admin: node address 192.0.2.8"}
        assert said(run, BOOTSTRAP) == {"prod-admin: node address 192.168.122.9 (in the pod range 192.168.122.0/24)"}

    def test_what_is_about_to_be_mended_is_mended(self, addressed: ControlPlane, place: Path) -> None:
        mended = cluster("prod-admin", "admin", nodes=["192.0.2.1"], vip=ADMIN_VIP, pools={"p": ["192.0.2.64/28"]})
        run = self.desired(addressed, place, mended)
        assert run.finding(OVERLAP, "fleet")["outcome"] == "clear"
        assert run.finding(BOOTSTRAP, "fleet")["outcome"] == "clear"

    def test_a_node_pool_of_nobody_is_unknown(self, addressed: ControlPlane, place: Path) -> None:
        run = self.desired(addressed, place, node_pool("nowhere", "203.0.113.77"))
        found = run.finding(OVERLAP, "fleet")
        assert found["outcome"] == "unknown"
        assert "NodePool of nowhere" in found["message"]

    @pytest.mark.real("abm-bootstrap-cidr-overlap")
    def test_bootstrap_ranges_of_the_change_file(self, addressed: ControlPlane, place: Path) -> None:
        given = {"bootstrap-pod-cidr": "198.51.100.0/30", "bootstrap-service-cidr": "192.0.2.0/28"}
        run = self.desired(addressed, place, EAST, parameters=given)
        assert said(run, BOOTSTRAP) == {
            "east: node address 198.51.100.1 (in the pod range 198.51.100.0/30)",
            "east: node address 198.51.100.2 (in the pod range 198.51.100.0/30)",  # of its NodePool, which stays
            "prod-admin: node address 192.0.2.1 (in the service range 192.0.2.0/28)",
            "prod-admin: node n1 192.0.2.1 (in the service range 192.0.2.0/28)",
        }
        found = run.finding(BOOTSTRAP, "fleet")
        assert "--bootstrap-cluster-pod-cidr" in found["remedy"]
        assert "--bootstrap-cluster-service-cidr" in found["remedy"]

    @pytest.mark.parametrize(
        ("parameters", "says"),
        [
            ({"bootstrap-pod-cidr": "192.168.122.0/33"}, "expected a CIDR"),
            ({"bootstrap-pod-cidr": "192.168.122.1-192.168.122.9"}, "expected a CIDR"),
            ({"bootstrap-pod-cidr": ""}, "bootstrap-pod-cidr"),
            ({"bootstrap-pod-cird": "192.168.122.0/24"}, "is declared by no check"),
        ],
    )
    def test_wrong_parameters_are_usage_errors(
        self, addressed: ControlPlane, place: Path, parameters: dict[str, str], says: str
    ) -> None:
        began = addressed.audit_position()
        run = self.desired(addressed, place, EAST, parameters=parameters)
        assert run.code == 4, run
        lines = [line for line in run.out.splitlines() if line.startswith("ERROR")]
        assert len(lines) == 1
        assert says in lines[0]
        assert "upgrade.yaml" in lines[0]
        assert addressed.audit(since=began) == []


# -- what the cluster itself says


@pytest.fixture(scope="class")
def healthy(fresh: ControlPlane) -> ControlPlane:
    """An admin cluster without user clusters and without trouble, but for kubelets."""
    fresh.apply(namespace("cluster-prod-admin"), cluster("prod-admin", "admin", nodes=["192.0.2.1"], vip=ADMIN_VIP))
    fresh.apply(*machines("cluster-prod-admin", "192.0.2.1"))
    fresh.apply(node_pool("prod-admin", "192.0.2.1", name="prod-admin"))
    fresh.apply(node("n1", "192.0.2.1", "v1.18.20"), node("n2", "192.0.2.2", "v1.19.0"))
    return fresh


class TestHealthyCluster:
    def run(self, healthy: ControlPlane, place: Path, *args: str, **options: Any) -> Result:
        return preflight(*args, *CLUSTERS, f"--kubeconfig={admin_of(healthy, place)}", cwd=place, **options)

    def test_a_warning_is_go(self, healthy: ControlPlane, place: Path) -> None:
        run = self.run(healthy, place, PROFILE)
        assert (run.code, run.report["verdict"]) == (0, "go")
        assert set(run.outcomes.values()) == {"clear", "warning", "not-applicable"}
        assert {what for (what, _), how in run.outcomes.items() if how == "warning"} == {KUBELET}
        assert run.on("prod-admin")[MAINTENANCE] == "clear"
        assert run.on("prod-admin")[SECRET] == "not-applicable"
        assert (run.on("fleet")[BOOTSTRAP], run.on("fleet")[OVERLAP]) == ("clear", "clear")
        assert "n1 (v1.18.20)" in run.finding(KUBELET, "prod-admin")["message"]

    def test_unless_strict(self, healthy: ControlPlane, place: Path) -> None:
        run = self.run(healthy, place, PROFILE, "--strict")
        assert (run.code, run.report["verdict"]) == (1, "no-go")

    def test_the_kubernetes_profile_reads_its_version(self, healthy: ControlPlane, place: Path) -> None:
        version = healthy.api.request("GET", "/version")["gitVersion"]
        began = healthy.audit_position()
        run = self.run(healthy, place, "--profile=kubernetes-1.19")
        assert run.code == 0, run
        assert {what for (what, _), how in run.outcomes.items() if how == "warning"} == {KUBELET}
        assert run.report["upgrades"]["prod-admin"] == {"from": version, "to": "1.19"}
        asked = [event.uri.partition("?")[0] for event in healthy.audit(since=began, user="admin")]
        assert asked.count("/version") == 1

    def test_nobody_named_is_incomplete_and_reads_no_machine(self, place: Path) -> None:
        run = preflight(PROFILE, *CLUSTERS, cwd=place, reports="nobody")
        assert run.code == 5, run  # as pytest has it where there is nothing to run
        assert run.report["verdict"] == "incomplete"
        assert (run.report["subjects"], run.report["findings"]) == ([], [])
        told = {one["hazard"]: one["reason"] for one in run.report["coverage"]["not_examined"]}
        assert "no cluster is named" in told[MAINTENANCE]
        assert "neither a host nor a cluster is named" in told[OVERLAP]


class TestOddServers:
    """What is served otherwise than expected is read, or unknown; and only for those who need it."""

    @pytest.fixture
    def plane(self, lab_cluster: ControlPlane) -> ControlPlane:
        lab_cluster.apply(node("n1", "192.0.2.1", "v1.21.5"))
        return lab_cluster

    def run(self, plane: ControlPlane, tmp_path: Path, *args: str) -> Result:
        run = preflight(PROFILE, *CLUSTERS, *args, f"--kubeconfig={admin_of(plane, tmp_path)}", cwd=tmp_path)
        assert "Traceback" not in "".join(run.texts.values())
        return run

    def healthy(self, served: str = "v1") -> list[dict[str, Any]]:
        where = "cluster-prod-admin"
        own = cluster("prod-admin", "admin", nodes=["192.0.2.1"], vip=ADMIN_VIP, served=served)
        return [namespace(where), own, node_pool("prod-admin", "192.0.2.1", name="prod-admin")]

    def test_clusters_served_as_another_version(self, plane: ControlPlane, tmp_path: Path) -> None:
        original = yaml.safe_load(crd("clusters").read_text())
        plane.delete(original)
        try:
            plane.apply(served_only_as("v1alpha1", crd("clusters")))
            plane.apply(
                *self.healthy("v1alpha1"), *machines("cluster-prod-admin", "192.0.2.1", maintenance=["192.0.2.1"])
            )
            run = self.run(plane, tmp_path)
        finally:
            plane.reset()
            plane.apply(crd("clusters"), keep=True)
        assert run.code == 1
        assert run.finding(MAINTENANCE, "prod-admin")["outcome"] == "hazard"
        assert run.report["upgrades"]["prod-admin"]["from"] == "1.8.3"

    def test_without_machines_only_who_needs_them_is_unknown(self, plane: ControlPlane, tmp_path: Path) -> None:
        plane.delete(yaml.safe_load(crd("baremetalmachines").read_text()))
        try:
            plane.apply(*self.healthy())
            run = self.run(plane, tmp_path)
        finally:
            plane.apply(crd("baremetalmachines"), keep=True)
        assert (run.code, run.report["verdict"]) == (10, "incomplete")
        # The cordons of nodes are held against the maintenance mode of their machines.
        unknown = {what for (what, _), how in run.outcomes.items() if how == "unknown"}
        assert unknown == {MAINTENANCE, "abm-node-unreachable"}
        found = run.finding(MAINTENANCE, "prod-admin")
        assert "does not serve baremetalmachines.baremetal.cluster.gke.io" in found["message"]
        assert (run.on("fleet")[BOOTSTRAP], run.on("fleet")[OVERLAP]) == ("clear", "clear")

    @pytest.mark.parametrize("served", [True, False])
    @pytest.mark.parametrize("given", [(), ("--upgrade-from=1.8.3",)], ids=["read", "given"])
    def test_a_user_clusters_own_kubeconfig_by_mistake(
        self, plane: ControlPlane, tmp_path: Path, served: bool, given: tuple[str, ...]
    ) -> None:
        documents = [yaml.safe_load(one.read_text()) for one in BARE_METAL]
        if not served:
            plane.delete(*documents)
        try:
            run = self.run(plane, tmp_path, *given)
        finally:
            plane.apply(*documents, keep=True)
        assert (run.code, run.report["verdict"]) == (10, "incomplete")
        found = run.on("prod-admin")
        assert (found[MAINTENANCE], found[SECRET], found[KUBELET]) == ("unknown", "unknown", "clear")
        assert run.on("fleet").items() >= {BOOTSTRAP: "unknown", OVERLAP: "unknown"}.items()
        reason = "0 clusters.baremetal.cluster.gke.io listed" if served else "does not serve clusters.baremetal"
        assert reason in run.finding(OVERLAP, "fleet")["message"]
        if not given:
            assert "the version before the upgrade is not known" in run.finding(MAINTENANCE, "prod-admin")["message"]
