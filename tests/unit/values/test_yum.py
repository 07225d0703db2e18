"""Which repositories are in use, and over which URLs; trap by trap of abm-centos-repos."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.facts.values import InvalidRepositories, Repositories, host_of

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
MIRRORLIST = "http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=BaseOS&infra=$infra"
MIRROR = "http://mirror.centos.org/$contentdir/$releasever/BaseOS/$basearch/os/"
VAULT = "http://vault.centos.org/8.5.2111/BaseOS/$basearch/os/"


def used(text: str, path: str = "/etc/yum.repos.d/x.repo") -> list[str]:
    return [source.url for repo in Repositories.parse({path: text}).enabled for source in repo.sources]


def test_as_centos_ships_it():
    text = f"# CentOS-Base.repo\n\n[baseos]\nname=CentOS\nmirrorlist={MIRRORLIST}\n#baseurl={MIRROR}\ngpgcheck=1\nenabled=1\n"
    found = Repositories.parse({"/etc/yum.repos.d/CentOS-Base.repo": text})
    (repo,) = found.enabled
    (source,) = repo.sources
    assert (repo.id, repo.path, repo.number) == ("baseos", "/etc/yum.repos.d/CentOS-Base.repo", 3)
    assert (source.kind, source.url, source.line, source.number) == (
        "mirrorlist",
        MIRRORLIST,
        f"mirrorlist={MIRRORLIST}",
        5,
    )
    assert host_of(source.url) == "mirrorlist.centos.org"


def test_as_it_is_mended():
    assert used(f"[baseos]\n#mirrorlist={MIRRORLIST}\n  # baseurl={MIRROR}\n;baseurl={MIRROR}\nbaseurl={VAULT}\n") == [
        VAULT
    ]


def test_both_mirrorlist_and_baseurl_count():
    assert used(f"[a]\nmirrorlist={MIRRORLIST}\nbaseurl={MIRROR}\nmetalink=https://m/\n") == [
        MIRROR,
        MIRRORLIST,
        "https://m/",
    ]


@pytest.mark.parametrize(
    ("spelling", "on"),
    [(one, True) for one in ("1", "true", "yes", "on", "TRUE", "Yes", "nonsense", '"1"')]
    + [(one, False) for one in ("0", "false", "no", "off", "OFF", "False", "'0'")],
)
def test_every_spelling_of_enabled(spelling, on):
    assert used(f"[a]\nbaseurl={MIRROR}\nenabled = {spelling}\n") == ([MIRROR] if on else [])


def test_a_repository_is_enabled_by_default():
    assert used(f"[a]\nbaseurl={MIRROR}\n") == [MIRROR]


def test_several_urls_in_one_value():
    text = "[a]\nbaseurl = http://one/, http://two/ http://three/\n\thttp://four/\n# http://no/\n    # http://nor/\n\n  http://five/\nname=x\n"
    assert used(text) == ["http://one/", "http://two/", "http://three/", "http://four/", "http://five/"]
    (repo,) = Repositories.parse({"x.repo": text})
    assert [source.number for source in repo.sources] == [2, 2, 2, 3, 7]


def test_quotes_and_colons_and_capitals():
    assert used('[a]\nbaseurl="http://one/"\n[b]\nbaseurl: http://two/\n[c] # the third\nBaseURL=http://three/\n') == [
        "http://one/", "http://two/", "http://three/",
    ]  # fmt: skip


def test_main_is_no_repository():
    found = Repositories.parse({"/etc/yum.conf": f"[main]\nbaseurl={MIRROR}\ngpgcheck=1\n[extra]\nbaseurl={VAULT}\n"})
    assert [repo.id for repo in found] == ["extra"]


def test_a_repeated_section_of_one_file_adds_to_it():
    assert used(f"[a]\nbaseurl={MIRROR}\n[b]\nbaseurl=http://b/\n[a]\nbaseurl={VAULT}\n") == [VAULT, "http://b/"]
    assert used(f"[a]\nbaseurl={MIRROR}\n[a]\nenabled=0\n") == []


def test_the_first_file_that_names_a_repository_counts():
    company, shipped = "[base]\nbaseurl=http://mirror.example.com/\n", f"[base]\nmirrorlist={MIRRORLIST}\n"
    files = {"/etc/yum.repos.d/CentOS-Base.repo": shipped, "/etc/yum.repos.d/00-company.repo": company}
    assert [source.url for repo in Repositories.parse(files).enabled for source in repo.sources] == [
        "http://mirror.example.com/"
    ]
    files = {"/etc/yum.repos.d/CentOS-Base.repo": shipped, "/etc/yum.repos.d/company.repo": company}
    assert [source.url for repo in Repositories.parse(files).enabled for source in repo.sources] == [MIRRORLIST]
    files = {"/etc/a.repo": shipped, "/etc/yum.conf": company}
    assert [repo.path for repo in Repositories.parse(files)] == ["/etc/yum.conf"]


def test_an_indented_section_is_one():
    assert used(f"[a]\nbaseurl={MIRROR}\n  [b]\nenabled=0\n") == [MIRROR]


@pytest.mark.parametrize(
    "text",
    ["baseurl=http://x/\n", "[a]\nnonsense\n", "  http://x/\n", "[a]\n  http://x/\n", "[a\nb=c", "[]\n", "[a]\n=x"],
)
def test_what_no_package_manager_reads_is_refused_with_its_place(text):
    with pytest.raises(InvalidRepositories, match=r"/x\.repo:[12]: expected"):
        used(text)


def test_no_file_is_no_repository():
    assert Repositories.parse({}).repositories == ()
    assert Repositories.parse({"/etc/a.repo": ""}).enabled == ()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (MIRRORLIST, "mirrorlist.centos.org"), ("HTTP://Mirror.CentOS.ORG/x", "mirror.centos.org"),
        ("http://mirror.centos.org:80/", "mirror.centos.org"), ("http://u:p@mirror.centos.org./", "mirror.centos.org"),
        ("http://mirror.example.com/mirror.centos.org/", "mirror.example.com"), ("http://mirror.centos.org?x", "mirror.centos.org"),
        ("http://[2001:DB8::1]:80/x", "[2001:db8::1]"), ("file:///mnt/repo", None), ("mirror.centos.org", None), ("", None),
        ("$scheme://mirror.centos.org/", "mirror.centos.org"), ("http://$host/x", "$host"), ("#http://mirror.centos.org/", None),
    ],
)  # fmt: skip
def test_the_host_of_a_url(url, host):
    assert host_of(url) == host


@PATIENT
@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(["[a]", "[main]", "baseurl=", "http://x/", "\n", " ", "#", "enabled=0"])).map("".join),
    )
)
def test_any_text_is_a_file_or_is_refused(text):
    host_of(text)
    try:
        found = Repositories.parse({"/etc/x.repo": text})
    except InvalidRepositories:
        return
    assert set(found.enabled) <= set(found)
    assert all(source.url for repo in found for source in repo.sources)


def test_a_repository_that_is_commented_out_as_a_whole_belongs_to_nobody():
    text = "[b]\n#baseurl=http://b/\n\n#[c]\n#name=c\n#baseurl=http://c/\n[d]\n# baseurl=http://d/\n"
    held = Repositories.parse({"/x.repo": text})
    assert [[one.url for one in found.commented] for found in held] == [["http://b/"], ["http://d/"]]


def test_what_stands_in_comments_is_kept_apart():
    text = "#baseurl=http://a/\n[b]\n# baseurl : 'http://b/'\n;mirrorlist=http://c/\n# The mirrorlist is chosen.\nbaseurl=http://d/\n"
    (found,) = Repositories.parse({"/x.repo": text})
    assert [one.url for one in found.sources] == ["http://d/"]
    assert [(one.kind, one.url, one.number) for one in found.commented] == [
        ("baseurl", "http://b/", 3),
        ("mirrorlist", "http://c/", 4),
    ]
