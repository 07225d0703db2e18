r"""The shell text of the reads in bmctl's workspace on the workstation; `workspace` understands what it prints.

Configuration and key files hold secrets (private keys, proxy and OIDC passwords), so what is printed is chosen on the
host: of a configuration the few keys below, of a key file the names in it and the public half of its key, of a mirror
an HTTP status. A private key goes from awk to openssl through a pipe, credentials to curl through its standard input:
neither stands in an argument or in the environment. Runs in dash, bash and busybox; awk is mawk, gawk or busybox's.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CONFIGURATIONS", "IMAGE", "KEYS", "MIRRORS", "TAG"]

#: What the document names, without its registry.
IMAGE: Final = "anthos-baremetal-release/auditproxy"
TAG: Final = "gke_master_auditproxy_20201115_RC00"

# `bmctl -c NAME` takes bmctl-workspace/NAME/NAME.yaml; copies of other names decide nothing. Of YAML in block style the
# lines of some keys are let through, below `metadata` and `spec` of some keys in them. What is written in another style
# leaves a "?" behind, so that it is not taken for absent.
_FILTER: Final = r"""
function named(t) { sub(/^ */, "", t); sub(/[ \t]*:([ \t].*)?$/, "", t); gsub(/^["']|["']$/, "", t); return t }
BEGIN {
  n = split("kind apiVersion registryMirrors gcrKeyPath gkeConnectAgentServiceAccountKeyPath " \
    "gkeConnectRegisterServiceAccountKeyPath cloudOperationsServiceAccountKeyPath", w, " ")
  for (i = 1; i <= n; i++) whole[w[i]] = 1
  n = split("metadata.name metadata.namespace spec.type spec.anthosBareMetalVersion spec.gkeConnect " \
    "spec.clusterOperations spec.maintenanceBlocks spec.nodeConfig", w, " ")
  for (i = 1; i <= n; i++) inner[w[i]] = 1
}
{ sub(/\r$/, "") }
/^[ \t]*(#|$)/ || /^%/ { next }
/^(---|\.\.\.)([ \t]|$)/ { top = ""; print /^(---|\.\.\.)[ \t]*(#.*)?$/ ? "|---" : "|--- \"?\""; next }
{
  match($0, /^ */); n = RLENGTH
  if ($0 !~ /["']/ || /^[^"'#]*("[^"]*"|'[^']*')[ \t]+#[^"']*$/) sub(/[ \t]+#[^"']*$/, "")
  gsub(/:\/\/[^\/ ]*@/, "://")
  if (n == 0 && !/^-/) {
    if (!/^["']?[A-Za-z][A-Za-z0-9_.\/-]*["']?[ \t]*:([ \t]|$)/) { print "|--- \"?\""; top = ""; next }
    top = named($0); deep = -1; second = ""
    if (top == "metadata" || top == "spec") {
      rest = $0; sub(/^[^:]*:[ \t]*/, "", rest)
      print "|" top ":" (rest ~ /^(#.*)?$/ ? "" : " \"?\""); next
    }
  } else if (top == "metadata" || top == "spec") {
    if (deep < 0) deep = n
    if (n <= deep && !/^ *-/) second = n == deep ? top "." named($0) : ""
  }
  if ((top in whole) || ((top == "metadata" || top == "spec") && (second in inner))) print "|" $0
}
"""

_FIND: Final = r"""d={{bmctl-directory}}
case $d in ""|"~") d=${HOME:-/nonexistent};; esac
printf "directory %s\n" "$d"
e=$(ls -d -- "$d/bmctl-workspace/." 2>&1 >/dev/null) || case $e in
*"No such file"*|*"Not a directory"*) echo absent; exit 0;;
*) printf "refused %s\n" "${e##*: }"; exit 0;; esac
cd -- "$d" && [ -r bmctl-workspace ] && [ -x bmctl-workspace ] || { echo "refused Permission denied"; exit 0; }
pf_configurations() {
k=0
for i in bmctl-workspace/*/; do
i=${i%/} f=$i/${i##*/}.yaml
if [ -d "$i" ] && [ ! -x "$i" ]; then printf "file denied %s\n" "$f"; continue; fi
[ -e "$f" ] || [ -L "$f" ] || continue
k=$((k+1)); [ $k -gt 200 ] && { echo "file more"; break; }
[ -r "$f" ] && [ -f "$f" ] || { printf "file denied %s\n" "$f"; continue; }
printf "file ok %s\n" "$f"
awk "$pf_filter" <"$f" || exit 5
done
}
"""
_WITH_FILTER: Final = f"pf_filter='{_FILTER.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}'\n{_FIND}"

CONFIGURATIONS: Final = f"{_WITH_FILTER}pf_configurations\n"

# A whole JSON parser: what is let through by a pattern might be anything. Leaves f[path], the keys of a path joined by
# tabs; ends with 1 where the text is no JSON object.
_JSON: Final = r"""
function ws() { if (match(s, /^[ \t\r\n]+/)) s = substr(s, RLENGTH + 1) }
function hex(c) { return index("0123456789abcdef", tolower(c)) - 1 }
function text(   c, e, r, p) {
  r = substr(s, 2); v = ""
  while (match(r, /["\\]/)) {
    p = substr(r, 1, RSTART - 1); c = substr(r, RSTART, 1); r = substr(r, RSTART + 1)
    if (p ~ /[\001-\037]/) return 0
    v = v p
    if (c == "\"") { s = r; return 1 }
    e = substr(r, 1, 1); r = substr(r, 2)
    if (e == "n") v = v "\n"
    else if (e == "\"" || e == "\\" || e == "/") v = v e
    else if (e ~ /[bfrt]/) v = v " "
    else if (e == "u" && r ~ /^[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]/) {
      p = hex(substr(r, 3, 1)) * 16 + hex(substr(r, 4, 1))
      v = v (substr(r, 1, 2) == "00" && p > 0 && p < 128 ? sprintf("%c", p) : "?"); r = substr(r, 5)
    } else return 0
  }
  return 0
}
function value(at, deep,   c, k, n) {
  ws(); c = substr(s, 1, 1)
  if (deep > 20) return 0
  if (c == "\"") { if (!text()) return 0; f[at] = v; return 1 }
  if (c == "{" || c == "[") {
    s = substr(s, 2); ws()
    if (substr(s, 1, 1) == (c == "{" ? "}" : "]")) { s = substr(s, 2); return 1 }
    for (n = 0; ; n++) {
      k = n
      if (c == "{") {
        ws(); if (substr(s, 1, 1) != "\"" || !text()) return 0
        k = v; ws(); if (substr(s, 1, 1) != ":") return 0
        s = substr(s, 2)
      }
      if (!value(at == "" ? k : at "\t" k, deep + 1)) return 0
      ws(); e = substr(s, 1, 1); s = substr(s, 2)
      if (e == (c == "{" ? "}" : "]")) return 1
      if (e != ",") return 0
    }
  }
  if (!match(s, /^(true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?)/)) return 0
  s = substr(s, RLENGTH + 1); return 1
}
{ s = s $0 "\n" }
END {
  sub(/^\357\273\277/, "", s); ws()
  if (substr(s, 1, 1) != "{" || !value("", 0)) exit 1
  ws(); if (s != "") exit 1
  done()
}
"""

# Only what looks like a name is let through: whatever else stands there stays on the host.
_NAMES: Final = r"""
function done(   i, n, w, t) {
  if (m == "pem") { printf "%s\n", f["private_key"]; return }
  n = split("type project_id client_email private_key_id", w, " ")
  for (i = 1; i <= n; i++) if (w[i] in f) {
    t = f[w[i]]
    print "name " w[i] " " (t ~ /^[A-Za-z0-9][-A-Za-z0-9._@:]*$/ && length(t) < 255 ? t : "?")
  }
  if ("private_key" in f) print "pem " (f["private_key"] ~ /^[ \n]*-----BEGIN [A-Z ]*PRIVATE KEY-----/ ? "yes" : "no")
}
"""

KEYS: Final = (
    _WITH_FILTER
    + f"pf_json='{_JSON + _NAMES}'\n"
    + r"""o=$(pf_configurations) || exit 5
printf "%s\n" "$o" | awk '/^\|(gcr|gkeConnectAgentServiceAccount|gkeConnectRegisterServiceAccount|cloudOperationsServiceAccount)KeyPath[ \t]*:/ {
sub(/^[^:]*:[ \t]*/, ""); sub(/[ \t]+$/, ""); if (/^".*"$/ || /^\047.*\047$/) $0 = substr($0, 2, length($0) - 2)
if ($0 != "") print }' | sort -u | head -n 60 | while IFS= read -r p; do
printf "key %s\n" "$p"
e=$(ls -Ld -- "$p" 2>&1 >/dev/null) || case $e in
*"No such file"*|*"Not a directory"*) echo "state missing"; continue;; *) echo "state denied"; continue;; esac
[ -f "$p" ] || { echo "state nofile"; continue; }
[ -r "$p" ] || { echo "state denied"; continue; }
[ "$(wc -c <"$p")" -gt 65536 ] && { echo "state large"; continue; }
awk -v m=names "$pf_json" <"$p" || { echo "state nojson"; continue; }
if command -v openssl >/dev/null 2>&1; then
printf "public %s\n" "$(awk -v m=pem "$pf_json" <"$p" | openssl pkey -passin pass: -pubout 2>/dev/null | tr -d "\n")"
else echo "state notool"; fi
done
"""
)

# `-q`: a .curlrc could switch verification off. A registry answers /v2/ with 200: one that has no such path is none,
# and its 404 says nothing of the image.
MIRRORS: Final = (
    _WITH_FILTER
    + f"pf_json='{_JSON}"
    + r"""
function done(   i, n, w, t) {
  for (i in f) if (split(i, w, "\t") == 3 && w[1] == "auths" && w[3] == "auth") {
    t = w[2]; sub(/^https?:\/\//, "", t); sub(/\/.*$/, "", t)
    if (t == h && f[i] ~ /^[A-Za-z0-9+\/=]+$/) { print f[i]; return }
  }
}
'
pf_accept="Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
pf_accept="$pf_accept, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
pf_accept="$pf_accept, application/vnd.docker.distribution.manifest.v1+prettyjws"
pf_ask() {
set -- "$1" "$2" "$3" -q -s -S -g -I -o /dev/null -w "%{http_code}" --connect-timeout 3 --max-time 5 --noproxy "*"
u=$1 a=$2 c=$3; shift 3
[ "$c" ] && set -- "$@" --cacert "$c"
{ [ -z "$a" ] || printf 'header = "Authorization: Basic %s"\n' "$a"; } |
curl --config - "$@" -H "$pf_accept" -- "$u" 2>&1
}
o=$(pf_configurations) || exit 5
printf "%s\n" "$o" | awk '
function give() { if (one["endpoint"] != "") print one["endpoint"] "|" one["caCertPath"] "|" one["pullCredentialConfigPath"]; split("", one) }
!/^\|/ || /^\|[A-Za-z-]/ { if (inside && !/^\|- /) { give(); inside = 0 } }
/^\|registryMirrors[ \t]*:/ { inside = 1; dash = -1; next }
inside {
  t = substr($0, 2); match(t, /^ */); n = RLENGTH
  if (t ~ /^ *- /) { if (dash < 0) dash = n; if (n == dash) { give(); deep = -1; sub(/-/, " ", t); match(t, /^ */); n = RLENGTH } }
  if (deep < 0) deep = n
  if (n == deep && match(t, /^ *(endpoint|caCertPath|pullCredentialConfigPath)[ \t]*:[ \t]/)) {
    k = t; sub(/^ */, "", k); sub(/[ \t]*:.*$/, "", k)
    x = substr(t, RLENGTH + 1); sub(/^[ \t]+/, "", x); sub(/[ \t]+$/, "", x)
    if (x ~ /^".*"$/ || x ~ /^\047.*\047$/) x = substr(x, 2, length(x) - 2)
    one[k] = x
  }
}
END { if (inside) give() }' | sort -u | head -n 4 | while IFS="|" read -r p c a; do
printf "mirror %s|%s|%s\n" "$p" "$c" "$a"
u=${p%/}
case $u in *://*) ;; *) u=https://$u;; esac
case $u in https://*) ;; http://*) ;; *) echo "reply odd"; continue;; esac
case $u in *[!]A-Za-z0-9:/._~[-]*) echo "reply odd"; continue;; esac
h=${u#*://} r=${u%%://*}://; r=$r${h%%/*}
case /${h#*/} in "/$h") u=$u/v2;; /v2|/v2/*|*/v2|*/v2/*) ;; *) u=$u/v2;; esac
h=${h%%/*} g= s=none
if [ "$a" ]; then
[ -r "$a" ] && [ -f "$a" ] || { echo "reply credentials"; continue; }
case $u in https://*) g=$(awk -v h="$h" "$pf_json" <"$a") || { echo "reply credentials"; continue; }; [ "$g" ] && s=sent;; esac
fi
[ -z "$c" ] || { [ -r "$c" ] && [ -f "$c" ]; } || { echo "reply authority"; continue; }
command -v curl >/dev/null 2>&1 || { echo "reply notool"; continue; }
"""
    + f'x=$(pf_ask "$u/{IMAGE}/manifests/{TAG}" "$g" "$c"); z=$?\n'
    + r"""y=
[ "$x" = 404 ] && y=$(pf_ask "$r/v2/" "$g" "$c")
printf "reply curl %s %s %s\n" "$z" "$s" "$(printf "%s" "${x##*
}" | tr -cd 0-9)"
case $x in *"curl: ("*) printf "said %s\n" "$(printf "%s" "$x" | tr "\n" " ")";; esac
[ -z "$y" ] || printf "root %s\n" "$(printf "%s" "$y" | tr -cd 0-9)"
done
"""
)
