"""How well the control-plane hosts of a cluster reach each other, measured by themselves for a few seconds."""

from __future__ import annotations

from typing import Final

from conformance.answers import NotApplicable
from conformance.facts.declare import host_fact
from conformance.facts.values.roundtrips import RoundTrip, round_trips
from conformance.reads import command

__all__ = ["control_plane_round_trips"]

# All peers side by side: 20 echo requests in 4 seconds - more, for 6 seconds at most, until 20 were answered -, and before
# them 3 connections to etcd's port for its members, of a second each at most; refused is answered, too. No user may ask
# more often than five times a second.
_MEASURE: Final = r"""set -- {{peers}}
for p; do (
n=${p%%=*} a=${p#*=}
if [ -z "$a" ]; then printf "== %s\n" "$p"; exit; fi
t=$(for i in 1 2 3; do timeout 1 bash -c '[ "$EPOCHREALTIME" ] || exit 7
e=$(a=$EPOCHREALTIME; { exec 3<>"/dev/tcp/$0/2380"; } 2>&1; printf "\nclock %s %s" "$a" "$EPOCHREALTIME")
case $e in *"Invalid argument"*) r=unknown;; *refused*) r=refused;; *dev/tcp*) r=failed;; *) r=open;; esac
echo "$r ${e##*clock }"' "$a" 2>/dev/null </dev/null
s=$?; [ $s = 0 ] || echo "none $s"; done)
o=$(ping -n -q -c 20 -i 0.2 -W 1 -w 6 -- "$a" 2>&1 </dev/null)
printf "== %s\n%s\nping %s\ntcp %s\n" "$p" "$o" $? "$t"
) & done
wait"""


@host_fact(
    command(
        _MEASURE,
        name="ping, and connect to port 2380 of, the other control-plane hosts of its cluster",
        among="control-plane",
        timeout=25,
    )
)
def control_plane_round_trips(output: str) -> list[RoundTrip]:
    """Round trips to the other control-plane hosts that the change names for the cluster, sorted by their names."""
    found = round_trips(output)
    if not found:
        raise NotApplicable("the change names no other control-plane host of its cluster")
    return found
