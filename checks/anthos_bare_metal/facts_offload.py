"""The network interface that carries a node's address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final

from conformance import Unreadable, host_fact
from conformance.facts.values.ethtool import Links

__all__ = ["carriers"]

Addresses = dict[str, list[IPv4Interface | IPv6Interface]]

# Hundreds of pods have hundreds of interfaces: only those with a device, or on others, are looked at, and only VMXNET3
# is asked for its features.
_LINKS: Final = r"""cd /sys/class/net || exit 3
for i in *; do d= l=
if [ -e "$i/device/driver" ]; then d=$(readlink "$i/device/driver") || exit 4; d=${d##*/}; fi
for f in "$i"/lower_*; do [ -e "$f" ] && l="$l ${f##*/lower_}"; done
[ "$d$l" ] || continue
printf "link %s %s%s\n" "$i" "${d:--}" "$l"
[ "$d" = vmxnet3 ] || continue
o=$(ethtool -k "$i" 2>&1) || { printf "failed %s %s\n" "$i" "$o" | head -n 1; continue; }
printf "%s\n" "$o" | while read -r l; do case $l in tx-udp_tnl-*) printf "feature %s %s\n" "$i" "$l";; esac; done
done
r=$(ip -o -4 route show default) || exit 5; [ "$r" ] && printf "%s\n" "$r" | sed "s/^/route4 /"
r=$(ip -o -6 route show default 2>/dev/null) && [ "$r" ] && printf "%s\n" "$r" | sed "s/^/route6 /"
p=$(pidof kubelet) && tr "\0" "\n" </proc/${p%% *}/cmdline |
sed -n -e "s/^--node-ip=/node-ip /p" -e "/^--node-ip\$/{n;s/^/node-ip /p;}"
[ "${SSH_CONNECTION-}" ] && printf "ssh %s\n" "$SSH_CONNECTION"
echo end"""


@host_fact(_LINKS)
def abm_links(output: str) -> Links:
    """The interfaces that have a device or stand on others, the features of VMXNET3 ones, and what tells the node's address."""
    return Links.parse(output)


def carriers(links: Links, addresses: Addresses) -> dict[str, str]:
    """Interface -> why it may be the one that carries the node's address: one where that is certain.

    What the kubelet was told is certain. Else it takes the address on the interface of the default route; the address
    that the host was reached at is the node's where the hosts of the change are named as in the cluster configuration.

    :raises Unreadable: nothing tells, or no interface has the address that the kubelet was told.
    """
    holder: dict[IPv4Address | IPv6Address | None, str] = {
        one.ip: name for name, held in addresses.items() for one in held
    }
    if links.node_ips:
        found = {holder[one]: f"kubelet --node-ip {one}" for one in links.node_ips if one in holder}
        if not found:
            said = ", ".join(map(str, links.node_ips))
            raise Unreadable(
                f"no interface has the address {said} that the kubelet is told by --node-ip: see `ip address`"
            )
        return found
    found = dict.fromkeys(links.default, "the default route")
    if links.ssh in holder:
        found.setdefault(holder[links.ssh], f"reached at {links.ssh}")
    if not found:
        raise Unreadable("which interface carries the node's address cannot be told: there is no default route")
    return found
