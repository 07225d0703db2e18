"""Our gather alone: the reads of a profile from all hosts. Prints its seconds, imports not counted.

Usage: gather.py PROFILE FROM TO HOSTS SSH_CONFIG [SCRIPT_FILE]: with SCRIPT_FILE, writes the script that a host gets instead.
"""

import sys
import time
from pathlib import Path

from conformance.change import Change, Host, Upgrade
from conformance.gather.hosts import gather_hosts
from conformance.gather.jobs import HostJob, SshSettings
from conformance.gather.script import build, new_nonce
from conformance.profiles import Library
from conformance.run import Run
from conformance.versions import Version

profile, source, target, names, config, *script = sys.argv[1:]
library = Library()
hosts = {name: Host(name, f"ssh://{name}") for name in names.split(",")}
upgrade = Upgrade(Version.parse(source), Version.parse(target))
run = Run(library.find(profile), library, Change(upgrade=upgrade, hosts=hosts, examine=("hosts",)))
reads = run.plan().of_hosts(run.inventory)
if script:
    Path(script[0]).write_text(build(next(iter(reads.values())), new_nonce(), sudo=False))
    sys.exit()

import paramiko  # noqa: E402, F401 - its import belongs to the start of the whole run, not to the gather

jobs = [HostJob(name, run.change.hosts[name].connection, held) for name, held in reads.items()]
began = time.perf_counter()
gathered = gather_hosts(jobs, SshSettings(config=Path(config)))
print(time.perf_counter() - began)
bad = {name: a.problem for name, one in gathered.items() for a in one.answers.values() if a.problem}
assert not bad, bad
