"""Reads: what may be declared, under which name it is kept, and what is made of its answer."""

import subprocess

import pytest

from conformance.answers import Answer, NotApplicable, Unreadable
from conformance.reads import InvalidRead, command, desired, file, files, listing, named, path
from conformance.reads.projection import covers, project, smallest, tree_of, value_at


def got(stdout="", rc=0, stderr="", **more):
    return Answer({"stdout": stdout, "stderr": stderr, "rc": rc, **more})


# -- hosts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "declare",
    [
        lambda: command("  "),
        lambda: command("dmesg", sudo=True),
        lambda: command("/bin/sh -c 'id'", sudo=True),
        lambda: command("/usr/bin/crictl ps | grep x", sudo=True),
        lambda: command("/usr/bin/cat $HOME/x", sudo=True),
        lambda: command("/usr/bin/cat /etc/*", sudo=True),
        lambda: command("/usr/bin/x; id", sudo=True),
        lambda: file("etc/fstab"),
        lambda: file("~/x"),
        lambda: files("relative", "*"),
        lambda: files("/etc", "../*"),
        lambda: files("/etc", "a/b/c"),
        lambda: files("/etc", "$(id)"),
        lambda: files("/etc", "a b"),
        lambda: files("/etc", "*", sudo=True),
        lambda: listing("Nodes"),
        lambda: listing("nodes/status"),
        lambda: listing(""),
        lambda: listing("secrets"),
        lambda: named("secrets", over=listing("nodes", reduce=len), namespace="a", name="b", reduce=len),
    ],
)
def test_what_could_not_be_run_safely_is_refused(declare):
    with pytest.raises(InvalidRead):
        declare()


@pytest.mark.parametrize(
    ("read", "key"),
    [
        (command("uname -r"), "uname -r"),
        (command("/usr/sbin/dmidecode -t 1", sudo=True), "sudo /usr/sbin/dmidecode -t 1"),
        (file("/etc/fstab"), "cat /etc/fstab"),
        (file("/etc/a b"), "cat '/etc/a b'"),
        (file("/etc/sudoers", sudo=True), "sudo cat /etc/sudoers"),
        (files("/etc/d", "*.repo"), "cat /etc/d/*.repo"),
        (files("/etc/d", "*.a", "*.b"), "cat /etc/d/{*.a,*.b}"),
        (files("/etc/d"), "cat /etc/d/*"),
        (listing("nodes"), "list nodes"),
        (listing("nodes", "spec", at="manager"), "list nodes"),
        (listing("secrets", reduce=len), "list secrets as len"),
        (path("/version"), "get /version"),
        (desired("Cluster", "example.com"), "desired Cluster.example.com"),
        (desired(""), "desired documents without a kind"),
    ],
)
def test_the_key_of_a_read(read, key):
    assert read.key == key


def test_reads_that_are_equal_are_one():
    assert {file("/x"), file("/x"), file("/x", sudo=True)} == {file("/x"), file("/x", sudo=True)}
    assert command("x").timeout == 10
    assert command("x", timeout=3, limit=5) != command("x")


def test_a_command_gives_its_output_or_why_not():
    read = command("ask", ok=(0, 10))
    assert read.extract(got("x\n")) == "x\n"
    assert read.extract(got("y", rc=10)) == "y"
    for rc, stderr, said in [
        (1, "a\nb: bad thing\n\n", "`ask` ended with 1: b: bad thing"),
        (127, "sh: ask: not found", "`ask` cannot be run: sh: ask: not found"),
        (1, "", "`ask` ended with 1: no message"),
        (1, "cat: x: Permission denied", "`ask` "),
    ]:
        with pytest.raises(Unreadable) as caught:
            read.extract(got("partial", rc=rc, stderr=stderr))
        assert said in str(caught.value)
        assert caught.value.read == "ask"


@pytest.mark.parametrize(
    ("stderr", "more", "said"),
    [
        ("cat: x: Permission denied", {"as": "user"}, "`cat /x` needs root, which the login user is not: give --sudo"),
        ("sudo: a password is required", {"as": "sudo"}, "needs a password: add the rules that --plan=sudoers prints"),
        ("sudo: a terminal is required to read the password", {"as": "sudo"}, "needs a password"),
        ("Sorry, user me is not allowed to execute", {"as": "sudo"}, "is not allowed by sudo: add the rules"),
        ("cat: x: Input/output error", {"as": "root"}, "`sudo cat /x` ended with 1: cat: x: Input/output error"),
    ],
)
def test_what_needs_root_and_has_it_not(stderr, more, said):
    with pytest.raises(Unreadable) as caught:
        file("/x", sudo=True).extract(got(rc=1, stderr=stderr, **more))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "stderr",
    [
        "cat: /etc/x: No such file or directory",
        "cat: can't open '/etc/x': No such file or directory",
        "cat: /etc/x: Not a directory\n",
        "/usr/bin/cat: /etc/x: No such file or directory\n",
        "warning: something\ncat: /etc/x: No such file or directory\n",
    ],
)
def test_a_file_that_certainly_is_not_there(stderr):
    assert file("/etc/x").extract(got(rc=1, stderr=stderr)) is None


@pytest.mark.parametrize(
    "stderr",
    [
        "cat: /etc/x: Permission denied",
        "cat: /etc/x: Is a directory",
        "cat: /etc/x: Input/output error",
        "",
        "cat: /etc/x: Stale file handle",
        "No such file or directory: perhaps",
        "cat: /etc/y: No such file or directory",
        "sudo: unable to open /etc/x: No such file or directory",
        "sh: 1: /etc/x: No such file or directory",
    ],
)
def test_a_file_that_may_be_there(stderr):
    with pytest.raises(Unreadable):
        file("/etc/x").extract(got(rc=1, stderr=stderr))
    with pytest.raises(Unreadable):
        file("/etc/x").extract(Answer.failed("cut-off", "too long"))
    assert file("/etc/x").extract(got("", rc=0)) == ""


@pytest.mark.parametrize(
    ("rc", "stderr"),
    [
        (127, "timeout: failed to run command 'sudo': No such file or directory"),
        (127, "/bin/sh: line 1: /usr/bin/cat: No such file or directory"),
        (126, "/bin/sh: /usr/bin/cat: /lib/ld-linux.so.2: bad ELF interpreter: No such file or directory"),
        (127, "cat: error while loading shared libraries: libc.so.6: cannot open: No such file or directory"),
        (127, "cat: /etc/x: No such file or directory"),
    ],
)
def test_a_program_that_cannot_be_run_says_nothing_of_the_file(rc, stderr):
    with pytest.raises(Unreadable):
        file("/etc/x", sudo=True).extract(got(rc=rc, stderr=stderr))


def test_a_directory_is_not_absent_because_ls_cannot_be_run():
    said = "ls: error while loading shared libraries: libselinux.so.1: cannot open: No such file or directory"
    with pytest.raises(Unreadable):
        files("/etc/d").extract(got(rc=3, stderr=said, files={}))
    for said in ("ls: cannot access '/etc/d/.': No such file or directory", "ls: /etc/d/.: Not a directory"):
        assert files("/etc/d").extract(got(rc=3, stderr=said, files={})) == {}


def run(read, nonce="feedbeef"):
    """The read as a shell on this machine answers it."""
    script = read.script
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        env={"PF_NONCE": nonce, "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        check=False,
    )
    return Answer({**read.decode(done.stdout, nonce), "stderr": done.stderr, "rc": done.returncode})


def test_the_files_of_a_directory(tmp_path):
    (tmp_path / "x.wants").mkdir()
    for name, text in {
        "a.repo": "A\n",
        "b.repo": "",
        "c.txt": "no",
        ".d.repo": "hidden",
        "x.wants/t.mount": "no newline",
        "e f.repo": "blank",
    }.items():
        (tmp_path / name).write_text(text)
    read = files(str(tmp_path), "*.repo", "*.wants/t.mount")
    assert read.extract(run(read)) == {
        f"{tmp_path}/{name}": text
        for name, text in {"a.repo": "A\n", "b.repo": "", "e f.repo": "blank", "x.wants/t.mount": "no newline"}.items()
    }
    assert files(str(tmp_path), "*.none").extract(run(files(str(tmp_path), "*.none"))) == {}


def test_a_directory_that_is_not_there_is_empty_and_one_that_is_a_file_too(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("none", "none/deeper", "file"):
        read = files(str(tmp_path / name), "*")
        assert read.extract(run(read)) == {}


def test_a_file_that_is_a_broken_link_is_unreadable(tmp_path):
    (tmp_path / "a.conf").symlink_to(tmp_path / "nothing")
    read = files(str(tmp_path), "*.conf")
    with pytest.raises(Unreadable, match=r"cannot read .*/a\.conf: cat"):
        read.extract(run(read))


def test_directories_and_files_that_cannot_be_read_are_unreadable():
    read = files("/etc/d", "*.conf")
    whole = {"a": {"text": "A", "rc": 0}}
    for answer in (
        got(rc=4, stderr=".: Permission denied", files={}),
        got(rc=3, stderr="ls: cannot access '/etc/d/.': Permission denied", files={}),
        got(rc=0, stderr="cat: b: Permission denied", files={**whole, "b": {"text": "", "rc": 1}}),
        got(rc=3, stderr="", files={}),
        Answer.failed("timed-out", "t"),
    ):
        with pytest.raises(Unreadable):
            read.extract(answer)
    assert read.extract(got(files=whole)) == {"/etc/d/a": "A"}


def test_a_file_that_holds_markers_is_not_taken_for_two(tmp_path):
    (tmp_path / "a.conf").write_text("\nother rc 0\n\nother file evil\nx\nother rc 0\n")
    read = files(str(tmp_path), "*.conf")
    assert list(read.extract(run(read))) == [f"{tmp_path}/a.conf"]


# -- clusters ------------------------------------------------------------------------------------------------------


def listed(*objects, keep=("metadata.name", "metadata.namespace")):
    return Answer({"keep": list(keep), "objects": list(objects)})


def test_a_listing_gives_its_objects():
    assert listing("nodes").extract(listed({"a": 1})) == [{"a": 1}]
    assert listing("nodes").extract(listed()) == []


def test_too_few_objects_cannot_be_right():
    with pytest.raises(Unreadable, match="0 nodes listed where there must be at least 1"):
        listing("nodes", at_least=1).extract(listed())


def test_a_kind_that_need_not_be_there():
    missing = Answer.failed("not-served", "the cluster does not serve x.example.com")
    with pytest.raises(NotApplicable, match="does not serve x.example.com"):
        listing("x.example.com", required=False).extract(missing)
    with pytest.raises(Unreadable, match="does not serve"):
        listing("x.example.com").extract(missing)
    for kind in ("forbidden", "error", "timed-out", "undecodable"):
        with pytest.raises(Unreadable):
            listing("x.example.com", required=False).extract(Answer.failed(kind, "m"))
    over = listing("x.example.com", required=False)
    with pytest.raises(NotApplicable):
        named("secrets", over=over, namespace="a", name="b", reduce=len).extract(missing)
    with pytest.raises(Unreadable):
        named("secrets", over=listing("x.example.com"), namespace="a", name="b", reduce=len).extract(missing)


def test_a_snapshot_that_kept_too_little_is_unreadable():
    with pytest.raises(Unreadable, match=r"holds nodes without spec\.taints: gather again"):
        listing("nodes", "spec.taints").extract(listed(keep=("metadata.name", "metadata.namespace", "spec.tain")))
    assert listing("nodes", "spec.taints").extract(listed(keep=("metadata", "spec"))) == []
    with pytest.raises(Unreadable, match="without spec"):
        desired("X", "", "spec").extract(listed())


def test_named_objects_are_there_or_not_or_unreadable():
    read = named(
        "secrets",
        over=listing("things"),
        namespace="{metadata.namespace}",
        name="{metadata.name}-x",
        reduce=len,
        where=("spec.type", "user"),
    )
    assert read.needs == ("metadata.namespace", "metadata.name", "spec.type")
    assert read.key == "get secrets {metadata.namespace}/{metadata.name}-x as len for each things with spec.type=user"
    stored = {
        "n/a": {"value": 1},
        "n/b": {"value": None},
        "n/c": {"problem": {"kind": "forbidden", "message": "you may not"}},
    }
    found = read.extract(Answer({"objects": stored}))
    assert (found["n/a"], found["n/b"], len(found), list(found)) == (1, None, 3, list(stored))
    with pytest.raises(Unreadable, match="you may not"):
        found["n/c"]
    with pytest.raises(Unreadable, match="n/d was not read"):
        found["n/d"]


def test_paths_give_their_body():
    assert path("/version").extract(Answer({"body": {"a": 1}})) == {"a": 1}
    with pytest.raises(Unreadable):
        path("/version").extract(Answer.failed("error", "e"))


# -- projection ----------------------------------------------------------------------------------------------------

OBJECT = {
    "metadata": {"name": "n", "annotations": {"example.com/owner": "me", "x": "y"}},
    "spec": {"items": [{"a": 1, "b": 2}, {"b": 3}, 7], "deep": {"c": {"d": 4}}},
}


@pytest.mark.parametrize(
    ("paths", "kept"),
    [
        (["metadata.name"], {"metadata": {"name": "n"}}),
        (["metadata.annotations[example.com/owner]"], {"metadata": {"annotations": {"example.com/owner": "me"}}}),
        (["spec.items.a"], {"spec": {"items": [{"a": 1}, {}, 7]}}),
        (["spec.deep", "spec.deep.c.d"], {"spec": {"deep": {"c": {"d": 4}}}}),
        (["spec.nothing", "status"], {"spec": {}}),
        ([], OBJECT),
    ],
)
def test_what_is_kept_of_an_object(paths, kept):
    assert project(OBJECT, tree_of(paths)) == kept


def test_paths_that_contain_each_other():
    assert smallest(["a.b.c", "a.b", "a.bc", "a.b"]) == ("a.b", "a.bc")
    assert covers(
        ["a.b", "m.annotations[x.y/z]"], ["a.b.c", "a.b", "a", "a.bc", "m.annotations[x.y/z]", "m.annotations"]
    ) == ["a", "a.bc", "m.annotations"]
    assert value_at(OBJECT, "metadata.annotations[example.com/owner]") == "me"
    assert value_at(OBJECT, "spec.items.a", "d") == value_at(None, "a", "d") == "d"
