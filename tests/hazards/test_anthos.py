"""Hazards of Anthos clusters on bare metal that stand in the objects of its admin cluster."""

from __future__ import annotations

import pytest

from tests.hazards.anthos import CA, KEY, admin_api, cluster, encoded, kubeconfig, machine_object, pem, secret
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

USER = Api(role="user", manager="hub", connected=False)
MAINTENANCE = {"maintenance-mode-duration": "30m"}

# -- machines that still carry the annotation of a maintenance mode ------------------------------------------------


def maintained(*machines, version="1.8.3", user=USER, upgrade=(None, "1.9.0"), **api):
    objects = (cluster("hub", "admin", "1.8.3"), cluster("prod", "user", version), cluster("other", "user", "1.9.0"))
    clusters = {"hub": admin_api(*objects, machines=machines, **api), "prod": user}
    return evaluate("abm-maintenance-annotation", clusters=clusters, upgrade=upgrade, subject="prod")


@proves(
    "abm-maintenance-annotation",
    kind=PRESENT,
    says=["cluster prod", "1 of 2 machines", "10.200.0.4"],
    line="cluster-prod/10.200.0.4: baremetal.cluster.gke.io/maintenance-mode-duration=30m",
    remedy="annotate baremetalmachines -n cluster-prod 10.200.0.4 baremetal.cluster.gke.io/maintenance-mode-duration-",
)
@pytest.mark.parametrize("version", ["1.8.0", "1.8.3", "1.8.9", "1.8.5-gke.2", "1.8"])
def test_an_annotation_is_left(hazard, version):
    finding = maintained(machine_object("10.200.0.3"), machine_object("10.200.0.4", **MAINTENANCE), version=version)
    assert "10.200.0.3" not in finding.message
    return finding


@proves("abm-maintenance-annotation", kind=PRESENT, says=["10.200.0.4"], line="maintenance-mode-duration=")
@pytest.mark.parametrize("value", ["", "0s", "30m0s"])
def test_an_annotation_of_any_value(hazard, value):
    return maintained(machine_object("10.200.0.4", **{"maintenance-mode-duration": value}))


@proves("abm-maintenance-annotation", kind=PRESENT, says=["10.200.0.4"])
def test_machines_in_a_namespace_of_another_name(hazard):
    objects = (cluster("hub", "admin"), cluster("prod", "user", "1.8.3", namespace="tenants"))
    machines = [
        machine_object("10.200.0.4", namespace="tenants", **MAINTENANCE),
        machine_object("10.200.0.9", of="prod"),
    ]
    clusters = {"hub": admin_api(*objects, machines=machines), "prod": USER}
    return evaluate(hazard, clusters=clusters, upgrade=(None, "1.9.0"), subject="prod")


@proves("abm-maintenance-annotation", kind=PRESENT, says=["cluster hub", "10.200.0.2"])
def test_machines_of_the_admin_cluster_itself(hazard):
    clusters = {
        "hub": admin_api(
            cluster("hub", "admin", "1.8.3"), machines=[machine_object("10.200.0.2", "hub", **MAINTENANCE)]
        )
    }
    return evaluate(hazard, clusters=clusters, upgrade=(None, "1.9"))


@proves("abm-maintenance-annotation", kind=ABSENT)
@pytest.mark.parametrize(
    "machines",
    [
        pytest.param([machine_object("10.200.0.4")], id="no annotation"),
        pytest.param(
            [machine_object("10.200.0.4", **{"maintenance-mode-durations": "1m", "maintenance": "x"})], id="others"
        ),
        pytest.param(
            [machine_object("10.200.0.4"), machine_object("10.200.9.4", of="other", **MAINTENANCE)],
            id="another cluster's",
        ),
        pytest.param(
            [{"metadata": {"name": "m", "namespace": "cluster-prod", "annotations": None}}], id="null annotations"
        ),
        pytest.param(
            [
                {
                    "metadata": {
                        "name": "m",
                        "namespace": "cluster-prod",
                        "labels": {"baremetal.cluster.gke.io/maintenance-mode-duration": "1"},
                    }
                }
            ],
            id="a label of that name",
        ),
    ],
)
def test_no_annotation_is_left(hazard, machines):
    return maintained(*machines)


@proves("abm-maintenance-annotation", kind=NOT_APPLICABLE, says=["from 1.", "is not ==1.8.*"])
@pytest.mark.parametrize("version", ["1.7.9", "1.9.0", "1.7", "1.80.0"])
def test_the_version_is_that_of_the_very_cluster(hazard, version):
    # The admin cluster runs 1.8.3; that says nothing of the user cluster.
    return maintained(machine_object("10.200.0.4", **MAINTENANCE), version=version)


@proves("abm-maintenance-annotation", kind=NOT_APPLICABLE, says=["to 1.", "is not ==1.9.*"])
@pytest.mark.parametrize("target", ["1.8.9", "1.10.0", "1.10", "1.8"])
def test_annotations_before_other_targets(hazard, target):
    return maintained(machine_object("10.200.0.4", **MAINTENANCE), upgrade=(None, target))


@proves("abm-maintenance-annotation", kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_annotations_in_a_cluster_that_stays(hazard):
    return maintained(
        machine_object("10.200.0.4", **MAINTENANCE),
        user=Api(role="user", manager="hub", connected=False, upgrade="none"),
    )


@proves("abm-maintenance-annotation", kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({}, id="a cluster without machines"),
        pytest.param({"broken": {"baremetalmachines.baremetal.cluster.gke.io": "forbidden"}}, id="machines forbidden"),
        pytest.param(
            {"broken": {"baremetalmachines.baremetal.cluster.gke.io": "not-served"}}, id="machines not served"
        ),
        pytest.param({"broken": {"clusters.baremetal.cluster.gke.io": "timed-out"}}, id="clusters timed out"),
        pytest.param({"broken": {"*": "unreachable"}}, id="unreachable"),
    ],
)
def test_machines_cannot_be_known(hazard, world):
    return maintained(*([machine_object("10.200.0.4", **MAINTENANCE)] if world else []), **world)


@proves("abm-maintenance-annotation", kind=UNREADABLE, says=["--upgrade-from"])
def test_the_version_before_cannot_be_known(hazard):
    objects = cluster("prod", "user", "")
    clusters = {"hub": admin_api(cluster("hub", "admin"), objects), "prod": USER}
    return evaluate(hazard, clusters=clusters, upgrade=(None, "1.9.0"), subject="prod")


@proves("abm-maintenance-annotation", kind=UNREADABLE, says=["'prod'"])
def test_the_admin_cluster_does_not_know_the_cluster(hazard):
    clusters = {"hub": admin_api(cluster("hub", "admin"), cluster("prood")), "prod": USER}
    return evaluate(hazard, clusters=clusters, upgrade=("1.8.3", "1.9.0"), subject="prod")


# -- the kubeconfig secret -----------------------------------------------------------------------------------------

HUB, PROD = "https://10.200.0.49:443", "https://10.200.0.71:443"
#: What kubeadm publishes of the admin cluster itself.
INFO = kubeconfig("", HUB, CA["admin"])
OWN = kubeconfig("prod", PROD, CA["user"])
ADMIN = kubeconfig("hub", HUB, CA["admin"])


def holding(
    text,
    *,
    raw=False,
    name="prod",
    namespace=None,
    info=INFO,
    upgrade=("1.9.0", "1.10.0"),
    vip="10.200.0.71",
    hub_vip="10.200.0.49",
    **api,
):
    objects = (cluster("hub", "admin", vip=hub_vip), cluster(name, "user", vip=vip, namespace=namespace))
    secrets = [secret(name, text if raw or text is None else encoded(text), namespace)]
    clusters = {"hub": admin_api(*objects, secrets=secrets, info=info, **api), name: USER}
    finding = evaluate("abm-kubeconfig-secret-overwritten", clusters=clusters, upgrade=upgrade, subject=name)
    assert KEY not in str(finding)
    return finding


SECRET = "abm-kubeconfig-secret-overwritten"


@proves(
    SECRET,
    kind=PRESENT,
    says=["secret cluster-prod/prod-kubeconfig"],
    line="server https",
    remedy="delete secret -n cluster-prod prod-kubeconfig",
)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ADMIN, id="as bmctl check cluster leaves it"),
        pytest.param(kubeconfig("prod", HUB, CA["admin"]), id="the names are the user cluster's"),
        pytest.param(kubeconfig("prod", "https://hub.example:443", CA["admin"]), id="another name, its CA"),
        pytest.param(kubeconfig("prod", "https://10.200.0.49:443/", ""), id="its address, no CA"),
        pytest.param(kubeconfig("prod", HUB, pem("an older CA")), id="its address, another CA"),
        pytest.param(kubeconfig("hub", "https://elsewhere:443", ""), id="only the name"),
    ],
)
def test_the_secret_holds_the_admin_cluster_s(hazard, text):
    return holding(text)


@proves(SECRET, kind=PRESENT, says=["secret tenants/prod-kubeconfig"], remedy="secret -n tenants prod-kubeconfig")
def test_the_secret_in_a_namespace_of_another_name(hazard):
    return holding(ADMIN, namespace="tenants")


@proves(SECRET, kind=PRESENT, says=["admin cluster, with its address"])
def test_the_admin_cluster_publishes_nothing_and_the_address_tells(hazard):
    return holding(kubeconfig("prod", HUB, CA["admin"]), info=None)


@proves(SECRET, kind=PRESENT, says=["holds no kubeconfig"], line="secret cluster-prod/prod-kubeconfig")
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("%%% no base64 %%%", id="no base64"),
        pytest.param(encoded("{{{ no YAML"), id="no YAML"),
        pytest.param(encoded("- a list\n"), id="a list"),
        pytest.param(encoded("kind: Deployment\n"), id="another kind"),
        pytest.param("/w==", id="no UTF-8"),
        pytest.param("", id="empty"),
        pytest.param(None, id="no key `value`"),
    ],
)
def test_the_secret_holds_something_else(hazard, value):
    return holding(value, raw=True)


@proves(SECRET, kind=PRESENT, says=["names no cluster"])
def test_the_secret_holds_a_kubeconfig_that_leads_nowhere(hazard):
    return holding("kind: Config\nclusters: []\ncontexts: []\n")


@proves(SECRET, kind=ABSENT)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(OWN, id="its own"),
        pytest.param(kubeconfig("hub", PROD, CA["user"]), id="called like the admin cluster"),
        pytest.param(
            kubeconfig("prod", PROD, CA["user"], context="kubernetes-admin@hub"), id="the admin cluster's context"
        ),
        pytest.param(kubeconfig("prod", "https://10.200.0.71", CA["user"]), id="without a port"),
        pytest.param(
            kubeconfig("prod", "https://prod.example:443", CA["user"]), id="a name for its address, another CA"
        ),
    ],
)
def test_the_secret_holds_its_own(hazard, text):
    return holding(text)


@proves(SECRET, kind=ABSENT)
def test_a_user_cluster_that_is_called_like_the_admin_s_context(hazard):
    name = "kubernetes-admin-hub"
    return holding(kubeconfig(name, PROD, CA["user"]), name=name)


@proves(SECRET, kind=ABSENT)
@pytest.mark.parametrize("vip", ["2001:DB8:0::71", "2001:db8::0071"])
def test_its_own_address_in_another_spelling(hazard, vip):
    return holding(kubeconfig("prod", "https://[2001:db8::71]:443", CA["user"]), vip=vip, info=None)


@proves(SECRET, kind=PRESENT, says=["admin cluster, with its address"])
def test_the_admin_cluster_s_address_in_another_spelling(hazard):
    return holding(kubeconfig("prod", "https://[2001:db8::49]:443", CA["admin"]), hub_vip="2001:DB8:0::49", info=None)


@proves(SECRET, kind=NOT_APPLICABLE, says=["is not <=1.11.1"])
@pytest.mark.parametrize("version", ["1.11.2", "1.12.0", "1.28.0"])
def test_secrets_after_1_11_1(hazard, version):
    return holding(ADMIN, upgrade=(version, "1.29.0"))


@proves(SECRET, kind=PRESENT, says=["of the admin cluster"])
@pytest.mark.parametrize("version", ["1.11.1", "1.11.1-gke.3", "1.6.0", "1.11"])
def test_secrets_up_to_1_11_1(hazard, version):
    return holding(ADMIN, upgrade=(version, "1.12.0"))


@proves(SECRET, kind=NOT_APPLICABLE, says=["only user clusters"])
def test_an_admin_cluster_has_no_such_secret(hazard):
    clusters = {
        "hub": admin_api(cluster("hub", "admin"), cluster("prod"), secrets=[secret("prod", encoded(OWN))], info=INFO)
    }
    return evaluate(hazard, clusters=clusters, upgrade=("1.9.0", "1.10.0"), subject="hub")


@proves(SECRET, kind=UNREADABLE)
@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"secrets cluster-prod/prod-kubeconfig": "forbidden"}, id="secret forbidden"),
        pytest.param({"configmaps kube-public/cluster-info": "forbidden"}, id="cluster-info forbidden"),
        pytest.param({"clusters.baremetal.cluster.gke.io": "not-served"}, id="clusters not served"),
        pytest.param({"*": "certificate"}, id="certificate"),
    ],
)
def test_the_secret_cannot_be_known(hazard, broken):
    return holding(ADMIN, broken=broken)


@proves(SECRET, kind=UNREADABLE, says=["has no secret cluster-prod/prod-kubeconfig"])
def test_there_is_no_secret(hazard):
    clusters = {"hub": admin_api(cluster("hub", "admin"), cluster("prod"), info=INFO), "prod": USER}
    return evaluate(hazard, clusters=clusters, upgrade=("1.9.0", "1.10.0"), subject="prod")


@proves(SECRET, kind=UNREADABLE, says=["look at it by hand"])
@pytest.mark.parametrize(
    ("text", "world"),
    [
        pytest.param(kubeconfig("third", "https://10.9.9.9:443", pem("third")), {}, id="a third cluster's"),
        # The names say prod; neither address nor CA does, and nobody says that it is not the admin cluster's.
        pytest.param(kubeconfig("prod", "https://10.9.9.9:443", CA["admin"]), {"info": None}, id="only the names fit"),
        pytest.param(kubeconfig("prod", "https://10.9.9.9:443", ""), {}, id="only the names fit, no CA in it"),
    ],
)
def test_a_secret_of_which_nobody_can_say_whose_it_is(hazard, text, world):
    return holding(text, **world)


def test_each_user_cluster_is_decided_by_its_own_secret():
    objects = (
        cluster("hub", "admin", vip="10.200.0.49"),
        cluster("prod", vip="10.200.0.71"),
        cluster("test", vip="10.200.0.81"),
    )
    secrets = [secret("prod", encoded(OWN)), secret("test", encoded(ADMIN))]
    clusters = {"hub": admin_api(*objects, secrets=secrets, info=INFO), "prod": USER, "test": USER}
    found = findings(SECRET, clusters=clusters, upgrade=("1.9.0", "1.10.0"))
    assert {name: one.outcome.value for name, one in found.items()} == {
        "hub": "not-applicable",
        "prod": "clear",
        "test": "hazard",
    }
