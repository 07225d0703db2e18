"""Hardware offload of tunnels."""

from __future__ import annotations

import shlex

from conformance import BLOCKER, NODE, NotApplicable, Unreadable, found, hazard
from conformance.facts.values.ethtool import Link, Links
from conformance.facts.values.redhat import RedHatRelease

from ..sources import ANTHOS_BARE_METAL
from .facts_offload import Addresses, carriers

_FLAGS = ("tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation")
_DRIVER = "vmxnet3"
#: The release of which the document says that ethtool shows the flags off while they are on.
_UNTRUSTED = (8, 4)
_LOST = "The change is lost at reboot: have a start-up script (a systemd unit) run the same commands."


@hazard(
    "abm-vmxnet3-offload",
    title="hardware offload of VMXNET3 is on: the GENEVE tunnel between nodes does not work",
    severity=BLOCKER,
    on=[NODE],
    source=ANTHOS_BARE_METAL.section("vSphere へのインストール"),
    remedy="Switch tx-udp_tnl-segmentation and tx-udp_tnl-csum-segmentation off with ethtool -K on the interface that "
    f"carries the node's address. {_LOST}",
)
def check_tunnel_offload_is_off(
    abm_links: Links,
    addresses: Addresses,
    rhel_family: RedHatRelease | None,
) -> None:
    if not any(one.driver == _DRIVER for one in abm_links.links.values()):
        raise NotApplicable("no network interface is a VMXNET3 of vSphere")
    names = carriers(abm_links, addresses)
    cards = {name: [one for one in abm_links.standing(name) if one.driver == _DRIVER] for name in sorted(names)}
    if not any(cards.values()):
        said = ", ".join(f"{name} ({_driver(abm_links, name)}; {names[name]})" for name in cards)
        raise NotApplicable(f"the node's address is on {said}, which is no VMXNET3 of vSphere")
    on = {name: _switched_on(held) for name, held in cards.items()}
    if all(on.values()):
        each_once = {(card.name, flag): (card, flag, line) for held in on.values() for card, flag, line in held}
        _raise_found(list(each_once.values()))
    if any(on.values()):
        ways = " or ".join(f"{name} ({why})" for name, why in sorted(names.items()))
        lines = ", ".join(f"{one.name}: {line}" for held in on.values() for one, _, line in held)
        raise Unreadable(
            f"which interface carries the node's address, {ways}, cannot be told, and they differ ({lines}): give the "
            "kubelet --node-ip, or look at `kubectl get node -o wide`"
        )
    _trusted([one for held in cards.values() for one in held], rhel_family)


def _driver(links: Links, name: str) -> str:
    link = links.links.get(name)
    return f"driver {link.driver}" if link and link.driver else "no driver of its own"


_On = tuple[Link, str, str]


def _switched_on(cards: list[Link]) -> list[_On]:
    """Interface, flag and line of each flag that is on.

    :raises Unreadable: it cannot be told of one.
    """
    found = []
    for card in cards:
        if card.failure:
            raise Unreadable(f"ethtool -k {card.name} failed ({card.failure}): install ethtool, or look by hand")
        for flag in _FLAGS:
            if flag not in card.features:
                raise Unreadable(f"ethtool -k {card.name} says nothing of {flag}: a newer ethtool or kernel is needed")
            if card.features[flag].on:
                found.append((card, flag, card.features[flag].line))
    return found


def _raise_found(on: list[_On]) -> None:
    fixed = [(card, flag) for card, flag, _ in on if card.features[flag].fixed]
    commands = [
        f"  ethtool -K {shlex.quote(card.name)} {flag} off" for card, flag, _ in on if not card.features[flag].fixed
    ]
    remedy = []
    if commands:
        remedy += ["Switch them off:", *commands, _LOST]
    if fixed:
        said = ", ".join(f"{flag} of {card.name}" for card, flag in fixed)
        remedy.append(
            f"{said} cannot be changed ([fixed]): update the driver, or give the virtual machine a network adapter that "
            "is no VMXNET3."
        )
    raise found(
        "on the interface of the node's address, "
        + ", ".join(
            f"{flag} of {card.name} is on{' [fixed]' if card.features[flag].fixed else ''}" for card, flag, _ in on
        ),
        evidence=[f"{card.name} ({card.driver}): {line}" for card, _, line in on],
        remedy="\n".join(remedy),
    )


def _trusted(cards: list[Link], release: RedHatRelease | None) -> None:
    """Of RHEL 8.4, "off" says nothing unless the adapter has no such offload at all.

    :raises Unreadable: the reading cannot be trusted.
    """
    open_to = [(card, flag) for card in dict.fromkeys(card.name for card in cards) for flag in _FLAGS]
    by_name = {card.name: card for card in cards}
    doubtful = [(name, flag) for name, flag in open_to if not by_name[name].features[flag].fixed]
    if release is None or release.release != _UNTRUSTED or not doubtful:
        return
    commands = [f"ethtool -K {shlex.quote(name)} {flag} {word}" for word in ("on", "off") for name, flag in doubtful]
    raise Unreadable(
        f"ethtool shows {' and '.join(dict.fromkeys(flag for _, flag in doubtful))} off, which cannot be trusted on RHEL 8.4: "
        f"they may be on. Force it, on and then off: {'; '.join(commands)} - also in a start-up script - and accept this "
        "finding, or move to another release"
    )
