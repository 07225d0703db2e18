"""What has to be in the management cluster: CRDs, the Cluster objects, and controllers that match their bundle."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from conformance import BLOCKER, CLUSTER, WARNING, Members, Unreadable, clear, found, hazard
from conformance.facts.values.capi import CapiCluster
from conformance.subjects import Subject

from ..sources import EKS_ANYWHERE
from .facts import find_live, wanted_name
from .facts_components import ALWAYS, EKSA, Bundle, Controller, Crd
from .specification import GROUP, EksaCluster

PREFLIGHT = EKS_ANYWHERE.section("検証フェーズ")
_CORE = "cluster.x-k8s.io"
#: What every management cluster serves; eksctl anywhere adds etcdadm's own by itself where they are missing.
_NEEDED = (
    *(f"{plural}.{_CORE}" for plural in ("clusters", "machinedeployments", "machines", "machinesets")),
    f"kubeadmconfigs.bootstrap.{_CORE}",
    f"kubeadmcontrolplanes.controlplane.{_CORE}",
    f"bundles.{GROUP}",
    f"clusters.{GROUP}",
)
_VSPHERE = (
    *(
        f"{plural}.infrastructure.{_CORE}"
        for plural in ("vsphereclusters", "vspheremachines", "vspheremachinetemplates")
    ),
    f"vspheredatacenterconfigs.{GROUP}",
    f"vspheremachineconfigs.{GROUP}",
)
_ETCD = (f"etcdadmclusters.etcdcluster.{_CORE}", f"etcdadmconfigs.bootstrap.{_CORE}")


@hazard(
    "eksa-crds-missing",
    title="CRDs of Cluster API or EKS Anywhere are missing on the management cluster",
    severity=BLOCKER,
    on=[CLUSTER],
    source=PREFLIGHT,
    remedy="Bring the CRDs back with the components of the release that runs: eksctl anywhere upgrade management-components.",
)
def check_crds_are_established(eksa_place: Subject, eksa_crds: dict[str, Crd], eksa_known_clusters: Members) -> None:
    where = eksa_place.manager or eksa_place.name
    clusters: list[EksaCluster] = next(iter(eksa_known_clusters.values()), [])
    needed = list(_NEEDED)
    if any(one.on_vsphere for one in clusters):
        needed += _VSPHERE
    if any(one.etcd_count is not None for one in clusters):
        needed += _ETCD
    missing = [name for name in needed if name not in eksa_crds]
    broken = {name: why for name, one in sorted(eksa_crds.items()) if (why := _broken(one))}
    if not missing and not broken:
        return
    said = [f"{where} lacks the CRD {name}" for name in missing]
    said += [f"the CRD {name} of {where} {why}" for name, why in broken.items()]
    if len(missing) == len(needed) and eksa_place.manager is None:
        said.append("if another cluster manages this one, name it (`management:` in the change file)")
    evidence = [f"customresourcedefinitions: no {name}" for name in missing]
    evidence += [f"customresourcedefinition {name}: {why}" for name, why in broken.items()]
    commands = [f"kubectl describe crd {shlex.quote(name)}" for name in broken]
    commands.append(f"# with the specification of the management cluster {where}, and the release that it runs now:")
    commands.append("eksctl anywhere upgrade management-components -f MANAGEMENT-CLUSTER.yaml")
    raise found("; ".join(said), evidence=evidence, remedy="\n".join(commands))


def _broken(crd: Crd) -> str:
    if crd.deleted:
        return f"is being deleted since {crd.deleted}"
    if crd.established is None:
        return "is not Established (it has no such condition)"
    if not crd.established.is_true:
        return f"is not Established: {crd.established}"
    if crd.names_accepted is not None and not crd.names_accepted.is_true:
        return f"has names that are not accepted: {crd.names_accepted}"
    return ""


@hazard(
    "eksa-cluster-object-missing",
    title="the Cluster object is not on the cluster that should hold it",
    severity=BLOCKER,
    on=[CLUSTER],
    source=PREFLIGHT,
    remedy="Find out where the object is (a bootstrap cluster that an interrupted upgrade left?) and move it back before the upgrade.",
)
def check_cluster_object_is_there(
    eksa_place: Subject,
    eksa_all_clusters: list[EksaCluster],
    eksa_desired_clusters: list[EksaCluster] | None,
    capi_all_clusters: list[CapiCluster],
) -> None:
    where = eksa_place.manager or eksa_place.name
    named = wanted_name(eksa_place, eksa_desired_clusters)
    live, held = find_live(eksa_place, eksa_all_clusters, eksa_desired_clusters)
    listed = ", ".join(f"{one.namespace}/{one.name}" for one in held) or "none"
    quoted = shlex.quote(named)
    if not live:
        raise found(
            f"{where} holds no EKS Anywhere Cluster {named} (there: {listed})",
            evidence=[f"clusters.{GROUP} of {where}: {listed}"],
            remedy="# If the cluster has another name, mend it in the change file; else look on the bootstrap cluster:\n"
            f"kubectl --kubeconfig {shlex.quote(f'{named}/generated/{named}.kind.kubeconfig')} get clusters.{GROUP} -A\n"
            "# Where it is not there either, apply the object from the last specification that worked:\n"
            f"# kubectl apply -f {quoted}/{quoted}-eks-a-cluster.yaml",
        )
    one = live[0]
    if len(live) > 1:
        spaces = ", ".join(other.namespace for other in live)
        raise Unreadable(f"{where} holds a Cluster {one.name} in each of the namespaces {spaces}: which one is it?")
    masters = [other for other in held if other.is_self_managed]
    if not one.is_self_managed and masters and one.manager not in {other.name for other in masters}:
        names = ", ".join(other.name for other in masters)
        raise found(
            f"{one} lies on {where}, the management cluster {names}, but is managed by {one.manager}",
            evidence=[f"{one}: spec.managementCluster.name={one.manager}", f"clusters.{GROUP} of {where}: {listed}"],
            remedy=f"# Name the cluster that manages it in the change file (`management:`), and find out why {where} holds a copy:\n"
            f"kubectl -n {shlex.quote(one.namespace)} get clusters.{GROUP} {shlex.quote(one.name)} -o yaml",
        )
    there = [other for other in capi_all_clusters if other.name == one.name]
    if not there:
        names = ", ".join(f"{other.namespace}/{other.name}" for other in capi_all_clusters) or "none"
        raise found(
            f"{where} holds {one}, but no Cluster of Cluster API of that name (there: {names}): its Cluster API objects are "
            "somewhere else",
            evidence=[f"clusters.{_CORE} of {where}: {names}"],
            remedy="# Look on the bootstrap cluster before anybody deletes it, and run the suite with --situation repair:\n"
            f"kubectl --kubeconfig {shlex.quote(f'{one.name}/generated/{one.name}.kind.kubeconfig')} -n eksa-system "
            f"get clusters.{_CORE},machines.{_CORE}",
        )


@hazard(
    "eksa-capi-components-outdated",
    title="controllers of Cluster API are not available, or not those of the bundle",
    severity=WARNING,
    on=[CLUSTER],
    source=PREFLIGHT,
    remedy="Mend the controllers; eksctl anywhere upgrade management-components brings all of them to one release.",
)
def check_controllers_are_those_of_the_bundle(
    eksa_place: Subject,
    eksa_controllers: list[Controller],
    eksa_all_clusters: list[EksaCluster],
    eksa_bundles: list[Bundle],
    eksa_releases: dict[str, tuple[str, str]],
) -> None:
    where = eksa_place.manager or eksa_place.name
    said, evidence, commands = [], [], []
    there = {one.provider for one in eksa_controllers}
    for provider in ALWAYS:
        if provider not in there:
            said.append(f"{where} has no controller of {provider}")
            evidence.append(f"deployments of {where}: none of provider {provider}")
    if not any(one.startswith("infrastructure-") for one in there):
        said.append(f"{where} has no controller of an infrastructure provider")
        evidence.append(f"deployments of {where}: none of a provider infrastructure-*")
    for one in eksa_controllers:
        for why in _unavailable(one):
            said.append(f"{one} {why}")
            evidence.append(f"{one}: replicas={one.wanted} available={one.available}")
            commands.append(f"kubectl -n {shlex.quote(one.namespace)} describe deployment {shlex.quote(one.name)}")
    bundle, why = _bundle(eksa_all_clusters, eksa_bundles, eksa_releases)
    for one, expected, by in _compared(eksa_controllers, bundle):
        said.append(f"{one} runs {_tag(one.image)}, {by} {_tag(expected)}")
        evidence.append(f"{one}: image={one.image}")
    if said:
        commands += ["# with the specification of the management cluster:"]
        commands += ["eksctl anywhere upgrade management-components -f MANAGEMENT-CLUSTER.yaml"]
        raise found("; ".join(said), evidence=evidence, remedy="\n".join(dict.fromkeys(commands)))
    if bundle is None:
        raise clear(f"compared with one another only: {why}")


def _unavailable(one: Controller) -> Iterator[str]:
    if one.deleted:
        yield "is being deleted"
    elif one.wanted == 0:
        yield "is scaled down to none"
    elif one.available < one.wanted:
        yield f"has {one.available} of {one.wanted} replicas available"
    elif not one.observed:
        yield "is being changed: its latest generation was not seen yet"


def _bundle(
    clusters: list[EksaCluster], bundles: list[Bundle], releases: dict[str, tuple[str, str]]
) -> tuple[Bundle | None, str]:
    """The bundle of the management cluster, or why it is not known."""
    masters = [one for one in clusters if one.is_self_managed]
    if len(masters) != 1:
        return None, f"{len(masters)} of the Clusters there manage themselves, where there must be one"
    one = masters[0]
    release = one.components or one.release
    reference = (one.spec.get("bundlesRef") or {}) if not release else {}
    place = (str(reference.get("namespace") or ""), str(reference.get("name") or ""))
    if release:
        place = releases.get(release, ("", ""))
    named = [held for held in bundles if (held.namespace, held.name) == place]
    for held in named:
        if held.kubernetes == one.version:
            return held, ""
    # Controllers are the same for all Kubernetes versions of one bundle, but for a version that it no longer has.
    if named:
        return named[-1], ""
    return None, f"the bundle of {one}{f' ({release})' if release else ''} is not there"


def _compared(controllers: list[Controller], bundle: Bundle | None) -> Iterator[tuple[Controller, str, str]]:
    """Controllers of another image than they should have, with that one and who says so."""
    if bundle is not None:
        for one in controllers:
            expected = bundle.images.get(one.provider)
            if expected and _tag(one.image) != _tag(expected):
                yield one, expected, f"the bundle {bundle.name} states"
        return
    # The three of Cluster API itself are built together.
    core = [one for one in controllers if one.provider in ALWAYS and one.provider != EKSA]
    for one in core[1:]:
        if _tag(one.image) != _tag(core[0].image):
            yield one, core[0].image, f"{core[0]} runs"


def _tag(image: str) -> str:
    """The tag of an image without a digest: the registry in front of it may be a mirror."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or image
