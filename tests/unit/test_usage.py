"""What is wrong with options and files is one line, exit status 4, before anybody is contacted - and never a traceback."""

import json
import os
import subprocess
import sys

import pytest

from conformance.snapshot import SCHEMA
from tests.running import preflight
from tests.unit.packing import check, write

#: Runs pytest for each case, one after the other, in a process that has nothing of the outer one.
DRIVER = """
import contextlib, io, json, os, sys
import pytest
told = []
for case in json.load(sys.stdin):
    os.chdir(case["cwd"])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = int(pytest.main(["-p", "no:cacheprovider", "--report-dir=reports", *case["args"]]))
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"
    told.append([code, out.getvalue(), err.getvalue()])
json.dump(told, sys.__stdout__)
"""

NODE = ["--profile", "linux-node", "--hosts", "local://"]
CLUSTER = ["--profile", "kubernetes-1.20"]
KUBECONFIG = "{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: u, user: {token: t}}], contexts: [{name: me, context: {cluster: c, user: u}}], current-context: me}"
EMPTY = {"schema": SCHEMA, "suite": "", "started": "", "finished": "", "change": {}, "answers": {}, "notes": {}}
FILES = {
    "text": "word",
    "kubeconfig": KUBECONFIG,
    "bad/kubeconfig": "{{{",
    "bad/change.yaml": "profile: linux-node\nhost: {}\n",
    "bad/version.yaml": "profile: linux-node\nupgrade: {to: latest}\n",
    "bad/twice.yaml": "profile: linux-node\nprofile: linux-node\n",
    "bad/parameter.yaml": "profile: linux-node\nparameters: {minimum-kernels: 5}\n",
    "bad/value.yaml": "profile: linux-node\nparameters: {minimum-kernel: new}\n",
    "bad/other.yaml": "profile: anthos-bare-metal-1.9\nclusters: {a: {upgrade: {to: 1.10.0}}}\n",
    "bad/nobody.yaml": "profile: linux-node\nhosts: {}\n",
    "bad/nothing.yaml": "profile: linux-node\nclusters:\n",
    "bad/both.yaml": "profile: linux-node\nexamine: [hosts, hosts]\n",
    "bare.yaml": "hosts: {n1: {connection: 'local://'}}\n",
    "profile.yaml": "profile: no-such\n",
    "waivers.yaml": "waivers: [{hazard: os-tmp-noexecs, subject: '*', reason: r, owner: o, expires: 2099-01-01T00:00:00Z}]\n",
    "zone.yaml": "waivers: [{hazard: os-tmp-noexec, subject: '*', reason: r, owner: o, expires: 2099-01-01}]\n",
    "desired.yaml": "a: [\n",
    "damaged.json": "{",
    "other.json": '{"schema": "pytest-preflight/snapshot/99"}',
    "empty.json": json.dumps(EMPTY),
    "packs/unknown/p.yaml": "hazards: [mine-too]\n",
    "packs/unknown/check_a.py": check("mine"),
    "packs/import/p.yaml": "hazards: [mine]\n",
    "packs/import/check_a.py": "raise RuntimeError('first line\\nsecond line')\n",
    "packs/facts/p.yaml": "hazards: [mine]\n",
    "packs/facts/check_a.py": check("mine", on="CLUSTER"),
    "packs/twice/p.yaml": "hazards: [mine]\n",
    "packs/twice/check_a.py": check("mine"),
    "packs/twice/check_b.py": check("mine").replace("check_mine", "check_other"),
    "packs/taken/p.yaml": "hazards: [os-tmp-noexec]\n",
    "packs/taken/check_a.py": check("os-tmp-noexec"),
}

WRONG = [
    (["--profile", "anthos-baremetal-1.9"], "no such profile; did you mean anthos-bare-metal-1."),
    (["--profile", "zzz"], "no such profile; --list-profiles shows what there is"),
    (["--profile", "nothing.yaml"], "--profile nothing.yaml: no such file"),
    (["--profile", "text.yaml/x"], "no such file"),
    (["--profile", "./text"], "expected keys and values, not text"),
    (["--plan"], "--plan: name what is to be planned: --profile NAME, or --change FILE"),
    *(
        ([f"{name}=1.9"], f"{name} needs --profile NAME, or --change FILE")
        for name in ("--snapshot", "--save-snapshot", "--upgrade-to", "--upgrade-from")
    ),
    (["--examine", "hosts"], "--examine needs --profile"),
    ([*NODE, "--upgrade-from", "new"], "--upgrade-from: 'new' is no version"),
    ([*NODE, "--upgrade-to", ">=1.9"], "--upgrade-to: '>=1.9' is no version"),
    ([*NODE, "--waivers", "none.yaml"], "none.yaml: cannot be read: No such file"),
    ([*NODE, "--waivers", "waivers.yaml"], "there is no hazard 'os-tmp-noexecs'; did you mean 'os-tmp-noexec'?"),
    ([*NODE, "--waivers", "zone.yaml"], "has no time zone"),
    ([*NODE, "--waivers", "text"], "expected keys and values, not text"),
    (
        [*NODE, "--save-snapshot", "s.json", "--snapshot", "empty.json"],
        "--save-snapshot: nothing is read in a run on --snapshot",
    ),
    ([*NODE, "--save-snapshot", "text/s.json"], "text is no directory"),
    ([*NODE, "--save-snapshot", "bad"], "it is a directory"),
    (["--profile", "linux-node", "--snapshot", "none.json"], "none.json: the snapshot cannot be read: No such file"),
    (["--profile", "linux-node", "--snapshot", "damaged.json"], "damaged.json: not a snapshot, or cut off"),
    (["--profile", "linux-node", "--snapshot", "other.json"], "found 'pytest-preflight/snapshot/99'"),
    *(
        ([*CLUSTER, "--snapshot", "empty.json", *more], f"{more[0]}: nobody is asked in a run on --snapshot")
        for more in (
            ["--hosts", "local://"],
            ["--kubeconfig", "kubeconfig"],
            ["--kube-context", "me"],
            ["--desired", "a.yaml"],
        )
    ),
    (["--profile", "linux-node", "--snapshot", "empty.json"], "empty.json: the change in the snapshot is damaged"),
    (["--profile", "linux-node", "--hosts", "nowhere://x"], "nowhere://x"),
    (["--profile", "linux-node", "--hosts", "fleet"], "'fleet' would be the name of"),
    (["--profile", "linux-node", "--hosts", "ssh://n1", "--ssh-config", "none"], "none"),
    (["--profile", "linux-node", "--hosts", "ssh://n1", "--ssh-identity-file", "none"], "none"),
    ([*CLUSTER, "--kubeconfig", "none"], "none"),
    ([*CLUSTER, "--kubeconfig", "bad/kubeconfig"], "bad/kubeconfig"),
    ([*CLUSTER, "--kubeconfig", "~no-such-user/k"], "~no-such-user/k"),
    ([*CLUSTER, "--kubeconfig", "kubeconfig", "--kube-context", "you"], "you"),
    ([*CLUSTER, "--kubeconfig", "kubeconfig", "--desired", "none.yaml"], "--desired none.yaml: cannot be read"),
    (
        [*CLUSTER, "--kubeconfig", "kubeconfig", "--desired", "desired.yaml"],
        "--desired desired.yaml: not valid YAML in line",
    ),
    *(
        ([*NODE, *given], f"{given[0].partition('=')[0]}: it is empty: give a value, or leave the option out")
        for given in (
            *([f"--{name}="] for name in ("change", "upgrade-from", "upgrade-to", "kubeconfig", "kube-context")),
            *([f"--{name}= "] for name in ("desired", "since", "save-snapshot", "snapshot", "waivers", "report-dir")),
            *([f"--{name}="] for name in ("compare", "verify", "verify-key", "sign-key", "sarif", "policy-report")),
            *([f"--{name}="] for name in ("ssh-config", "ssh-identity-file", "hosts")),
            ["--hosts", ", ,"],
        )
    ),
    (["--profile=", "--hosts", "local://"], "--profile: it is empty"),
    (
        ["--profile", "kubernetes", "--hosts", "local://"],
        "--profile kubernetes: which release is upgraded to? Give --upgrade-to",
    ),
    (
        ["--profile", "kubernetes-1.21", "--upgrade-to", "1.35.0", "--hosts", "local://"],
        "--profile kubernetes-1.21: it is for upgrades to 1.21, and the change goes to 1.35.0",
    ),
    (["--change", "bad/other.yaml"], "it is for upgrades to 1.9, and the change goes to 1.10.0"),
    (["--change", "bad/nobody.yaml"], "bad/nobody.yaml: hosts: it names no host"),
    (["--change", "bad/nothing.yaml"], "bad/nothing.yaml: clusters: it names no cluster"),
    (["--change", "bad/both.yaml"], "bad/both.yaml: examine: 'hosts' stands there twice"),
    ([*CLUSTER, "--kubeconfig", "kubeconfig", "--desired", "/dev/null"], "/dev/null: it is no regular file"),
    ([*NODE, "--sign-key", "~no-such-user/k"], "--sign-key ~no-such-user/k: whose home directory that is"),
    (["--change", "none.yaml"], "none.yaml: cannot be read: No such file"),
    (["--change", "bad/change.yaml"], "bad/change.yaml: unknown key 'host'; did you mean 'hosts'?"),
    (["--change", "bad/version.yaml"], "bad/version.yaml: upgrade.to: 'latest' is no version"),
    (["--change", "bad/twice.yaml"], "bad/twice.yaml:2:1: not valid YAML: the key 'profile' stands twice"),
    (["--change", "bad/parameter.yaml"], "bad/parameter.yaml: parameters: 'minimum-kernels' is declared by no check"),
    (["--change", "bad/value.yaml"], "bad/value.yaml: parameters.minimum-kernel: 'new'"),
    (["--change", "bare.yaml"], "--change bare.yaml: it names no profile; add `profile:` or give --profile"),
    (["--change", "profile.yaml"], "--profile no-such: there is no such profile"),
    (["--profile", "packs/unknown/p.yaml"], "p.yaml: hazards: there is no hazard 'mine-too'; did you mean 'mine'?"),
    (["--profile", "packs/import/p.yaml"], "check_a.py: cannot be imported: RuntimeError: first line second line"),
    (["--profile", "packs/facts/p.yaml", "--kubeconfig", "kubeconfig"], "needs every(kernel)"),
    (["--profile", "packs/twice/p.yaml"], "hazard mine is declared twice"),
    (["--profile", "packs/taken/p.yaml"], "hazard os-tmp-noexec is declared twice"),
    (["--list-hazards", "--profile", "zzz"], "no such profile"),
    (["--plan=rbac", "--change", "none.yaml"], "cannot be read"),
]
#: These pytest's own parser refuses, with its usage in front.
REFUSED = [
    ([*NODE, "--situation", "during"], "argument --situation: invalid choice: 'during'"),
    ([*NODE, "--examine", "all"], "argument --examine: invalid choice: 'all'"),
    ([*NODE, "--plan=yaml"], "argument --plan: invalid choice: 'yaml'"),
]
RIGHT = [
    ["--list-profiles"],
    ["--list-hazards"],
    ["--list-hazards", "--profile", "linux-node"],
    ["--plan", "--profile", "kubernetes-1.20", "--hosts", "ssh://n1,ssh://n2", "--kubeconfig", "kubeconfig"],
    ["--plan=json", "--profile", "kubernetes-1.20", "--hosts", "ssh://n1", "--kubeconfig", "kubeconfig"],
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What pytest says to the arguments of each case: exit status, standard output, standard error."""
    cwd = tmp_path_factory.mktemp("usage")
    write(cwd, FILES)
    cases = [args for args, _ in WRONG + REFUSED] + RIGHT
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("KUBECONFIG", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_CURRENT_TEST")
    }
    env.update(HOME=str(cwd), COLUMNS="200", PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps([{"args": args, "cwd": str(cwd)} for args in cases]),
        capture_output=True,
        text=True,
        env=env,
        cwd=cwd,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = {json.dumps(args): result for args, result in zip(cases, json.loads(done.stdout), strict=True)}
    results["left"] = sorted(
        one.name for one in cwd.rglob("*") if one.suffix in (".html", ".junit") or one.name == "s.json"
    )
    return results


@pytest.mark.parametrize(("args", "said"), WRONG, ids=[" ".join(args) for args, _ in WRONG])
def test_what_is_wrong_is_one_line(told, args, said):
    code, out, err = told[json.dumps(args)]
    assert code == 4, (code, out, err)
    assert "Traceback" not in out + err
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert lines[0].startswith("ERROR: ")
    assert said in lines[0]
    assert "INTERNALERROR" not in out


@pytest.mark.parametrize(("args", "said"), REFUSED, ids=[args[-1] for args, _ in REFUSED])
def test_what_the_parser_refuses(told, args, said):
    code, out, err = told[json.dumps(args)]
    assert (code, "Traceback" in out + err) == (4, False)
    assert said in err


def test_nothing_was_written(told):
    assert told["left"] == []


def test_what_there_is_is_listed(told):
    code, out, _ = told[json.dumps(RIGHT[0])]
    assert code == 0
    names = [line.split()[0] for line in out.splitlines()]
    assert "linux-node" in names
    assert names.index("anthos-bare-metal-1.9") < names.index("anthos-bare-metal-1.10")
    assert "anthos-bare-metal" not in names  # only a base for others
    code, out, _ = told[json.dumps(RIGHT[1])]
    assert code == 0
    assert {"abm-tmp-noexec", "os-tmp-noexec", "k8s-cgroup-v1"} <= set(out.split())
    assert "    parameter minimum-kernel: a kernel version such as 4.17.0 (default 4.17.0)" in out
    assert "from ==1.8.*, to ==1.9.*" in out
    code, out, _ = told[json.dumps(RIGHT[2])]
    assert "os-tmp-noexec" in out.split()
    assert "abm-tmp-noexec" not in out.split()


def test_the_plan_names_every_read_and_contacts_nobody(told):
    code, out, err = told[json.dumps(RIGHT[3])]
    assert (code, err) == (0, "")
    assert out.startswith("Plan of profile kubernetes-1.20: nobody has been contacted.\n")
    assert "On each of 2 hosts: ssh://n1, ssh://n2" in out
    assert out.count("  - uname -r   [10 s, 1048576 bytes]") == 1
    assert "Of cluster me: GET requests only" in out
    assert "  - get /version" in out
    code, out, _ = told[json.dumps(RIGHT[4])]
    record = json.loads(out)
    assert (code, record["schema"], record["profile"]) == (0, "pytest-preflight/plan/1", "kubernetes-1.20")
    assert {"read": "uname -r", "sudo": False, "timeout_seconds": 10.0, "limit_bytes": 1048576} in record["hosts"][
        "ssh://n1"
    ]["commands"]


def test_the_command_itself_says_so_too(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--profile", "zzz"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert done.returncode == 4
    assert [line for line in done.stderr.splitlines() if line] == [
        "ERROR: --profile zzz: there is no such profile; --list-profiles shows what there is"
    ]


def test_a_context_is_looked_up_in_the_kubeconfig_of_the_change(tmp_path):
    """And not in the usual places, where it may not be known."""
    user = {"name": "u", "user": {"token": "x"}}
    server = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    contexts = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("one", "other")]
    config = {"current-context": "one", "contexts": contexts, "clusters": [server], "users": [user]}
    (tmp_path / "kc").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    (tmp_path / "up.yaml").write_text("profile: kubernetes-1.36\nclusters: {prod: {kubeconfig: kc}}\n")
    env = {"HOME": str(tmp_path), "KUBECONFIG": ""}
    assert preflight("--change=up.yaml", "--kube-context=other", "--co", cwd=tmp_path, env=env).code == 0
    result = preflight("--change=up.yaml", "--kube-context=nobody", "--co", cwd=tmp_path, env=env)
    assert (result.code, "nobody" in result.out) == (4, True), result
