"""For any text from a host the parsers of its network give a value or their own error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.facts.values import iptables, nftables
from conformance.facts.values.netfilter import InvalidRules, Probe
from conformance.facts.values.sudo import InvalidListing, secure_path
from conformance.facts.values.sysctl import CONF, DIRECTORIES, SysctlSettings, normal

PROBE = Probe(443)
KEY = "net.ipv4.conf.all.rp_filter"
quick = settings(deadline=None)

words = st.sampled_from(
    """-A OUTPUT USER -j -g REDIRECT DNAT ACCEPT RETURN LOG --to-ports 6444 443 ! -p tcp udp -o lo lo+ -d 127.0.0.1 x -m
    multiport --dports 1:2 , --comment " ' \\ *nat *filter COMMIT :OUTPUT :USER - [0:0] # --mark 0x1/0x1 --tcp-flags SYN
    --ctstate NEW --to-destination 127.0.0.1:6444 --sport""".split()
)
pieces = st.sampled_from(
    """table ip inet nat chain out { } ; , type hook output priority -100 policy accept drop return jump goto out redirect to
    :6444 dnat 127.0.0.1:6444 oifname "lo" != == tcp dport 443 80-500 https ct state new meta l4proto th ip daddr . vmap map
    @set : set elements = counter packets 0 bytes log prefix "x { mark fib local comment # xt target & flags dormant""".split()
)


def lines_of(strategy):
    line = st.lists(strategy, max_size=9).map(" ".join)
    return st.lists(line, max_size=12).map("\n".join) | st.text(max_size=200)


@quick
@given(lines_of(words))
def test_any_listing_of_iptables(text):
    for listing in (text, f"*nat\n:OUTPUT ACCEPT [0:0]\n:USER - [0:0]\n{text}\nCOMMIT\n"):
        try:
            tables = iptables.parse(listing, PROBE).tables
        except InvalidRules:
            continue
        for one in tables:
            assert one.redirect(6444).certain in (True, False, None)
            one.redirecting(6444)


@quick
@given(lines_of(pieces))
def test_any_listing_of_nft(text):
    inside = f"table ip nat {{\n\tchain out {{\n\t\ttype nat hook output priority -100;\n{text}\n\t}}\n}}\n"
    for listing in (text, inside):
        try:
            tables = nftables.parse(listing, PROBE).tables
        except InvalidRules:
            continue
        for one in tables:
            assert one.redirect(6444).certain in (True, False, None)
            one.redirecting(6444)


ports = st.integers(1, 65535)


@quick
@given(ports | st.just(443), ports, st.booleans(), st.sampled_from(["lo", "eth0", "l+", "!lo"]))
def test_a_redirect_is_one_where_port_and_interface_are_its_own(port, to, negate, interface):
    sign, name = ("! ", interface[1:]) if interface.startswith("!") else ("", interface)
    bang = "! " if negate else ""
    rule = f"-A OUTPUT {sign}-o {name} -p tcp -m tcp {bang}--dport {port} -j REDIRECT --to-ports {to}"
    (table,) = iptables.parse(f"*nat\n:OUTPUT ACCEPT [0:0]\n{rule}\nCOMMIT\n", PROBE).tables
    expected = (port == 443) is not negate and interface in ("lo", "l+")
    assert table.redirect(to).certain is expected
    assert table.redirecting(to) == ([rule] if expected else [])
    other = 1 if to != 1 else 2
    assert table.redirect(other).certain is False
    sign = "!= " if sign else ""
    native = f'oifname {sign}"{name.replace("+", "*")}" tcp dport {"!= " if negate else ""}{port} redirect to :{to}'
    text = f"table ip x {{\n\tchain y {{\n\t\ttype nat hook output priority -100;\n\t\t{native}\n\t}}\n}}\n"
    assert nftables.parse(text, PROBE).tables[0].redirect(to).certain is expected


paths = st.builds("{}/{}".format, st.sampled_from([*DIRECTORIES, "/elsewhere"]), st.sampled_from(["1.conf", "2.conf"]))
settings_texts = st.dictionaries(paths | st.just(CONF), st.text(alphabet="net.ipv4/conf*all?[]rp_filter=-#; \n\t012x"))


@quick
@given(settings_texts)
def test_any_files_of_sysctl(texts):
    held = SysctlSettings.parse(texts)
    for one in (held.at_boot(KEY), held.by_sysctl(KEY)):
        assert one is None or (one.as_int is not None and one.path in texts and one.line in texts[one.path])


@quick
@given(
    st.sampled_from(DIRECTORIES),
    st.integers(-(2**31), 2**31 - 1),
    st.sampled_from(["", "-", "  ", "\t-"]),
    st.sampled_from([KEY, KEY.replace(".", "/"), f"/{KEY.replace('.', '/')}"]),
    st.sampled_from(["{}={}", "{} = {}", "{}\t=  {} "]),
)
def test_what_is_written_is_found(directory, value, before, key, form):
    line = before + form.format(key, value)
    found = SysctlSettings.parse({f"{directory}/1.conf": f"# x\n{line}\n"})
    for one in (found.at_boot(KEY), found.by_sysctl(KEY)):
        assert one is not None
        assert (one.as_int, one.number, one.line) == (value, 2, line.strip())


@given(st.lists(st.text(alphabet="abcxyz0-_", min_size=1), min_size=1))
def test_names_of_parameters(parts):
    assert normal(".".join(parts)) == normal("/".join(parts)) == "/".join(parts)


folders = st.lists(
    st.text(alphabet="abc/-_.+ ,", min_size=1).map(lambda one: f"/{one.strip()}"), min_size=1, max_size=5
)


@quick
@given(folders, st.booleans())
def test_a_secure_path_is_found(path, quoted):
    escaped = "\\:".join(one.replace(",", "\\,") for one in path)
    shown = f'"{escaped}"' if quoted else escaped
    text = f"Matching Defaults entries for ops on n:\n    env_reset, secure_path={shown}, use_pty\n\nUser ops may run"
    assert secure_path(text) == tuple(path)


@quick
@given(
    st.text(max_size=200) | st.text(max_size=80).map("Matching Defaults entries for a on b:\n    secure_path={}".format)
)
def test_any_listing_of_sudo(text):
    try:
        found = secure_path(text)
    except InvalidListing:
        return
    assert found is None or all(found)


@pytest.mark.parametrize("text", ["Runas and Command-specific defaults for ops:\n    Defaults>root secure_path=/x\n"])
def test_a_secure_path_for_some_is_none_for_all(text):
    with pytest.raises(InvalidListing, match="certain commands"):
        secure_path(text)
