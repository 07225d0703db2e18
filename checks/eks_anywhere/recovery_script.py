r"""The shell text of the reads on the workstation after an interrupted upgrade; `leftovers` understands what it prints.

A backup of Cluster API objects holds Secrets, so of its files only the identity of Clusters and Machines leaves the
workstation. Runs in dash, bash and busybox; awk is mawk, gawk or busybox's.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CONTAINERS", "DIRECTORY"]

# In the environment of the user that runs the upgrade: DOCKER_HOST and the context are part of it. What an engine says
# beside its list, such as a warning, has no mark in front.
CONTAINERS: Final = r"""e=docker; command -v docker >/dev/null 2>&1 || e=podman
command -v "$e" >/dev/null 2>&1 || e=none
printf "engine %s\n" "$e"
grep -lx eksctl-anywhere /proc/[0-9]*/comm 2>/dev/null | head -n 5 | sed "s,^/proc/\([0-9]*\)/comm\$,process \1,"
[ "$e" = none ] && exit 0
for f in label=io.x-k8s.kind.cluster name=eksa_; do
o=$("$e" ps --all --filter "$f" --format "container|{{.Names}}|{{.Status}}|{{.CreatedAt}}" 2>&1); s=$?
if [ $s -ne 0 ]; then
printf "failed %s %s\n" "$s" "$(printf "%s" "$o" | tr "\n" " " | sed "s,://[^/ ]*@,://,g" | cut -c 1-300)"; exit 0; fi
printf "%s\n" "$o" | grep "^container|" | head -n 200
done
echo done
"""

# `clusterctl move --to-directory` writes each object into KIND_NAMESPACE_NAME.yaml, as JSON in one line with its keys
# in alphabetical order. YAML in block style, as kubectl writes it, is understood as well.
_IDENTITY: Final = r"""
function give(k, s, n) { if (k == "Cluster" || k == "Machine") { print "object " k " " s " " n; told = 1 } }
function unquoted(t) { sub(/[ \t\r]+$/, "", t); gsub(/^["'\047]|["'\047]$/, "", t); return t }
function flush() { if (group) give(kind, space, name); kind = name = space = ""; group = meta = 0 }
NR == 1 && /^\{/ { json = 1 }
json { line = line $0; next }
/^---/ { flush(); next }
/^[A-Za-z]/ { meta = /^metadata:/ }
/^apiVersion:[ ]*["'\047]?cluster\.x-k8s\.io\// { group = 1 }
/^kind:/ { t = $0; sub(/^kind:[ ]*/, "", t); kind = unquoted(t) }
meta && /^  name:/ { t = $0; sub(/^  name:[ ]*/, "", t); name = unquoted(t) }
meta && /^  namespace:/ { t = $0; sub(/^  namespace:[ ]*/, "", t); space = unquoted(t) }
END {
  if (!json) { flush(); exit }
  sub(/[ \t\r]+$/, "", line)
  if (line !~ /^\{"apiVersion":"cluster\.x-k8s\.io\/[a-z0-9]*","kind":"(Cluster|Machine)",/) exit
  t = line; sub(/^[^,]*,"kind":"/, "", t); sub(/".*$/, "", t); kind = t
  f = file; sub(/^.*\//, "", f); sub(/\.(yaml|yml|json)$/, "", f)
  if (split(f, part, "_") != 3 || part[1] != kind || index(line, "\"name\":\"" part[3] "\"") == 0 \
    || index(line, "\"namespace\":\"" part[2] "\"") == 0) { print "odd"; exit }
  if (line !~ /\}$/) { print "cut"; exit }
  give(kind, part[2], part[3])
}
"""

DIRECTORY: Final = (
    f"pf_identity='{_IDENTITY.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}'\n"
    r"""d={{eksa-directory}}
case $d in ""|"~") d=${HOME:-/nonexistent};; esac
printf "directory %s\n" "$d"
e=$(ls -d -- "$d/." 2>&1 >/dev/null) || case $e in
*"No such file"*|*"Not a directory"*) echo absent; exit 0;;
*) printf "refused %s\n" "${e##*: }"; exit 0;; esac
[ -r "$d" ] && [ -x "$d" ] && cd -- "$d" || { echo "refused Permission denied"; exit 0; }
for g in */generated/; do
[ -d "$g" ] || continue
g=${g%/} c=${g%/generated}
[ -x "$g" ] || { printf "hidden %s\n" "$g"; continue; }
f=$g/$c.kind.kubeconfig
if [ -e "$f" ] || [ -L "$f" ]; then printf "kubeconfig %s\n" "$f"; fi
done
k=0
for b in *-backup/; do
[ -d "$b" ] || continue
b=${b%/}
printf "backup %s\n" "$b"
[ -r "$b" ] && [ -x "$b" ] || { echo denied; continue; }
for f in "$b"/*.yaml "$b"/*.yml "$b"/*.json; do
[ -f "$f" ] || continue
k=$((k+1)); [ $k -gt 3000 ] && { echo more; break 2; }
case ${f##*/} in Cluster_*|Machine_*) ;; *_*_*) continue;; esac
t=$(stat -L -c %Y -- "$f") || exit 5
printf "file %s %s\n" "$t" "$f"
[ -r "$f" ] || { echo unreadable; continue; }
[ -s "$f" ] || { echo empty; continue; }
awk -v file="$f" "$pf_identity" <"$f" || exit 5
done
done
"""
)
