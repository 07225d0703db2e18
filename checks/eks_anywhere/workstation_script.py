r"""The shell text of the reads on the workstation; `workstation` understands what it prints.

Of a variable only whether it is set leaves the workstation, never its value: it may be a password, or a key that somebody
put where a path belongs. So a path is printed only where there is such a file. Of a specification only the addresses of
registry mirrors are read, of a mirror the certificates that it shows to everybody. Runs in dash, bash and busybox.
"""

from __future__ import annotations

from typing import Final

from .workstation import VARIABLE_NAMES

__all__ = ["MIRRORS", "VARIABLES"]

_DIRECTORY: Final = 'd={{eksa-directory}}\ncase $d in ""|"~") d=${HOME:-/nonexistent};; esac\n'

VARIABLES: Final = (
    _DIRECTORY
    + f"for n in {' '.join(VARIABLE_NAMES)}; do\n"
    + r"""eval "s=\${$n+set} v=\${$n-}"
[ "$s" ] || s=unset
[ "$s" = set ] && [ ! "$v" ] && s=empty
printf "variable %s %s\n" "$n" "$s"
done
for n in EKSA_GIT_PRIVATE_KEY EKSA_GIT_KNOWN_HOSTS; do
eval "v=\${$n-}"
[ "$v" ] || continue
case $v in *"
"*) printf "file %s missing\n" "$n"; continue;; /*) ;; *) v=$d/$v;; esac
e=$(ls -Ld -- "$v" 2>&1 >/dev/null) || case $e in
*"ermission denied"*) printf "file %s denied\n" "$n"; continue;;
*) printf "file %s missing\n" "$n"; continue;; esac
s=ok
if [ ! -f "$v" ]; then s=nofile; elif [ ! -r "$v" ]; then s=denied; elif [ ! -s "$v" ]; then s=empty; fi
printf "file %s %s %s\n" "$n" "$s" "$v"
done
"""
)

# `eksctl anywhere` keeps the specification of a cluster in NAME/NAME-eks-a-cluster.yaml; people keep theirs beside it.
# s_client would wait for ever for a machine that drops packets: hence timeout, which busybox has too.
MIRRORS: Final = (
    _DIRECTORY
    + r"""m={{eksa-registry-mirrors}}
printf "now %s\n" "$(date -u +%s)"
printf "directory %s\n" "$d"
e=$(ls -d -- "$d/." 2>&1 >/dev/null) || printf "refused %s\n" "${e##*: }"
if [ -d "$d" ] && ! { [ -r "$d" ] && [ -x "$d" ]; }; then echo "refused Permission denied"; fi
t=; command -v timeout >/dev/null 2>&1 && t="timeout 8"
{
printf "%s\n" "$m" | tr ", " "\n\n"
k=0
for f in "$d"/*/*-eks-a-cluster.yaml "$d"/*.yaml; do
[ -f "$f" ] && [ -r "$f" ] || continue
k=$((k+1)); [ $k -gt 100 ] && break
awk '
function give() {
  if (e ~ /:.*:/ && e !~ /^\[/) e = "[" e "]"
  if (e != "") print e ":" (p == "" ? "443" : p)
  e = p = ""; inside = 0
}
function scalar(t) {
  sub(/^[^:]*:[ \t]*/, "", t); sub(/[ \t]+#.*$/, "", t); sub(/[ \t\r]+$/, "", t)
  if (t ~ /^".*"$/ || t ~ /^\047.*\047$/) t = substr(t, 2, length(t) - 2)
  return t
}
/^---/ { give() }
/^[ \t]*(#|$)/ { next }
{ match($0, /^ */); n = RLENGTH }
inside && n <= deep { give() }
/^ *registryMirrorConfiguration:[ \t\r]*(#.*)?$/ { inside = 1; deep = n; below = -1; next }
inside { if (below < 0) below = n }
inside && n == below && /^ *endpoint:[ \t]/ { e = scalar($0) }
inside && n == below && /^ *port:[ \t]/ { p = scalar($0) }
END { give() }' <"$f"
done
} | sort -u | while IFS= read -r a; do
case $a in "") continue;; *[!]A-Za-z0-9.:_[-]*) continue;; *:*) ;; *) a=$a:443;; esac
printf "%s\n" "$a"
done | head -n 4 | while IFS= read -r a; do
printf "mirror %s\n" "$a"
command -v openssl >/dev/null 2>&1 || { echo "status notool"; continue; }
h=${a%:*}
case $h in *[!0-9.]*) case $h in *:*) set --;; *) set -- -servername "$h";; esac;; *) set --;; esac
o=$($t openssl s_client -connect "$a" "$@" -showcerts </dev/null 2>&1); z=$?
printf "status %s\n" "$z"
printf "%s\n" "$o" | awk '
/-----BEGIN CERTIFICATE-----/ { inside = 1; if (++count > 12) exit }
inside { print }
/-----END CERTIFICATE-----/ { inside = 0 }
/^ *Verify return code:/ && !code { code = 1; sub(/^ */, ""); print "verify " $0 }
!inside && /(errno|[Cc]onnection refused|unknown name|Name or service|BIO_lookup|BIO_connect|wrong version number|unexpected eof|handshake failure)/ && said < 2 {
  said++; print "said " substr($0, 1, 200) }'
done
"""
)
