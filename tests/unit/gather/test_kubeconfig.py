"""Kubeconfig files that cannot be used say why in one line, before anything is contacted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.gather import kubeconfig as module
from conformance.gather.credentials import CredentialsRefused, client_of, expired
from conformance.gather.kubeconfig import (
    Connection,
    InvalidKubeconfigFile,
    check_kubeconfig,
    default_context_name,
    load,
)
from tests.lab.controlplane.pki import Authority, KeyPair

SECRET = "hush-hush-hush"
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def pair(authority: Authority) -> KeyPair:
    return authority.user("bob")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, so that the kubeconfig of whoever runs this is not found."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "home"
    directory.mkdir()
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.setattr(module, "SERVICE_ACCOUNT", tmp_path / "nothing")
    return directory


def config(cluster: Any = None, user: Any = None, context: Any = None, **top: Any) -> dict[str, Any]:
    """A kubeconfig of one context "prod", with parts replaced."""
    entry = {"server": "https://10.0.0.1:6443"} if cluster is None else cluster
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"} if context is None else context}],
        "clusters": [{"name": "c", "cluster": entry}],
        "users": [{"name": "u", "user": {"token": SECRET} if user is None else user}],
        **top,
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: Any, name: str = "config") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return file

    return write


def base64(content: bytes) -> str:
    return b64encode(content).decode()


class TestBrokenFiles:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("", "is empty"),
            ("# nothing\n", "is empty"),
            (f"token: [{SECRET}\n", "is not YAML (line 2, column 1)"),
            (f"\ttoken: {SECRET}", "is not YAML (line 1, column 1)"),
            (b"\xff\xfe\x00", "is not YAML"),
            ("&a [*a, *b]", "is not YAML"),
            ("!!python/object:os.system x", "is not YAML"),
            (SECRET, "is not a kubeconfig: it has no contexts, clusters or users"),
            ([SECRET], "is not a kubeconfig"),
            ({"apiVersion": "v1", "kind": "Secret", "data": {"value": SECRET}}, "is not a kubeconfig"),
            (config(kind="Secret"), "is not a kubeconfig: its kind is not Config"),
            (config(contexts={"prod": {}}), "contexts must be a list"),
            (config(contexts=[SECRET]), "entry 1 of contexts has no name"),
            (config(users=[{"user": {"token": SECRET}}]), "entry 1 of users has no name"),
            (config(users=[{"name": "u"}, {"name": "u"}]), "users holds 'u' twice"),
            (config(users=[{"name": "u", "user": SECRET}]), "user 'u' must be a mapping"),
            (config(**{"current-context": 5}), "current-context must be text: put it in quotes"),
            (config(**{"current-context": ""}), "sets no current-context; name one with --kube-context: prod"),
            (config(**{"current-context": "test"}), "has no context 'test'; there are: prod"),
            (config(contexts=[]), "has no context 'prod'; there are: none"),
            (config(clusters=[]), "context 'prod' names the cluster 'c', which is not defined"),
            (config(users=[]), "context 'prod' names the user 'u', which is not defined"),
            (config(context={"user": "u"}), "context 'prod' names no cluster"),
            (config(cluster={}), "cluster 'c': server must be a URL such as https://host:6443"),
            (config(cluster={"server": "10.0.0.1:6443"}), "server must be a URL"),
            (config(cluster={"server": f"ftp://me:{SECRET}@host"}), "server must be a URL"),
            (config(cluster={"server": "https://host:99999"}), "server must be a URL"),
            (config(cluster={"server": "https://[::1"}), "server must be a URL"),
            (config(cluster={"server": "https://h", "insecure-skip-tls-verify": "true"}), "must be true or false"),
            (
                config(cluster={"server": "https://h", "insecure-skip-tls-verify": True, "certificate-authority": "x"}),
                "has a certificate authority and insecure-skip-tls-verify; take one of them out",
            ),
            (config(cluster={"server": "https://h", "certificate-authority": "ca.crt"}), "/ca.crt: No such file"),
            (config(cluster={"server": "https://h", "certificate-authority": "."}), "Is a directory"),
            (config(cluster={"server": "https://h", "certificate-authority-data": "%%%"}), "data: is not base64"),
            (
                config(cluster={"server": "https://h", "certificate-authority-data": base64(SECRET.encode())}),
                "certificate-authority: holds no certificate in PEM form",
            ),
            (config(cluster={"server": "https://h", "proxy-url": f"me:{SECRET}"}), "proxy-url must be a URL"),
            (config(cluster={"server": "https://h", "proxy-url": "socks5://me:pw@p:1"}), "proxy-url needs PySocks"),
            (config(user={"token": 12345678}), "token of user 'u' must be text: put it in quotes"),
            (config(user={"tokenFile": "missing"}), "tokenFile: "),
            (config(user={"exec": SECRET}), "exec must be a mapping"),
            (config(user={"exec": {"apiVersion": "x"}}), "exec names no command"),
            (config(user={"client-certificate": "a.crt", "client-key": "a.key"}), "a.crt: No such file"),
            (config(user={"client-certificate-data": "%"}), "client-certificate-data: is not base64"),
            (config(user={"token": "x", "as": "reader", "as-groups": ["g"]}), "as, as-groups: acting as somebody else"),
        ],
    )
    def test_say_why(self, write: Write, content: Any, says: str) -> None:
        file = write(content)
        with pytest.raises(InvalidKubeconfigFile) as caught:
            check_kubeconfig(file)
        message = str(caught.value)
        assert message.startswith(str(file))
        assert says in message
        assert "\n" not in message
        assert SECRET not in message

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidKubeconfigFile, match=r"/absent: No such file or directory$"):
            check_kubeconfig(tmp_path / "absent")

    @pytest.mark.parametrize("by", ["option", "environment"])
    def test_a_file_at_the_home_of_nobody(self, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
        name = "~no-such-user/config"
        if by == "environment":
            monkeypatch.setenv("KUBECONFIG", name)
        with pytest.raises(InvalidKubeconfigFile, match=f"{name}: [Nn]o such file"):
            check_kubeconfig(Path(name) if by == "option" else None)

    def test_without_a_home_there_is_no_usual_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(uid: int) -> None:
            raise KeyError(uid)

        monkeypatch.delenv("HOME")
        monkeypatch.setattr("pwd.getpwuid", unknown)
        with pytest.raises(InvalidKubeconfigFile):
            check_kubeconfig(None)

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidKubeconfigFile, match="Is a directory"):
            check_kubeconfig(tmp_path)

    def test_a_context_that_is_not_there(self, write: Write) -> None:
        contexts = [{"name": name, "context": {"cluster": "c"}} for name in ("prod", "a\x1b[31m")]
        with pytest.raises(InvalidKubeconfigFile, match=r"has no context 'test'; there are: a \[31m, prod$"):
            check_kubeconfig(write(config(contexts=contexts)), "test")


class TestClientCertificates:
    def user(self, pair: KeyPair, **changes: bytes) -> dict[str, str]:
        parts = {"client-certificate-data": pair.certificate, "client-key-data": pair.key, **changes}
        return {key: base64(value) for key, value in parts.items() if value}

    def test_are_accepted(self, write: Write, pair: KeyPair) -> None:
        check_kubeconfig(write(config(user=self.user(pair))))

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"client-key-data": b""}, "client-key is missing"),
            ({"client-certificate-data": b""}, "client-certificate is missing"),
            ({"client-key-data": SECRET.encode()}, "client-key: holds no private key in PEM form"),
            ({"client-certificate-data": SECRET.encode()}, "client-certificate: holds no certificate in PEM form"),
        ],
    )
    def test_that_are_broken(self, write: Write, pair: KeyPair, changes: dict[str, bytes], says: str) -> None:
        with pytest.raises(InvalidKubeconfigFile, match=f"user 'u': {says}"):
            check_kubeconfig(write(config(user=self.user(pair, **changes))))

    def test_with_the_key_of_another(self, write: Write, pair: KeyPair, authority: Authority) -> None:
        user = self.user(pair, **{"client-key-data": authority.user("eve").key})
        with pytest.raises(InvalidKubeconfigFile, match="is not the key of the client-certificate"):
            check_kubeconfig(write(config(user=user)))

    def test_an_expired_one_shows_on_contact_only(self, write: Write, authority: Authority) -> None:
        check_kubeconfig(write(config(user=self.user(authority.user("bob", expired=True)))))

    def test_in_files_beside_the_kubeconfig(
        self, write: Write, pair: KeyPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pair.write(tmp_path, "bob")
        file = write(config(user={"client-certificate": "bob.crt", "client-key": "bob.key"}))
        monkeypatch.chdir(tmp_path / "home")
        connection = load(file, None)
        assert connection.user_entry["client-key"] == str(tmp_path / "bob.key")
        # Also where the kubeconfig itself is named relative to the working directory.
        monkeypatch.chdir(tmp_path)
        assert load(Path("config"), None).user_entry["client-key"] == str(tmp_path / "bob.key")


class TestPlaces:
    def test_a_file_that_is_named_counts_before_all(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBECONFIG", str(write(config(), "other")))
        assert load(write(config()), None).source.endswith("/config")

    def test_files_of_the_environment_are_merged_as_kubectl_does(
        self, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        first = write({"contexts": config()["contexts"], "current-context": "prod"}, "a/config")
        second = write(config(cluster={"server": "https://second"}, **{"current-context": "none"}), "b/config")
        third = write(config(cluster={"server": "https://third"}), "c/config")
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (first, tmp_path / "absent", second, third))))
        connection = load(None, None)
        assert (connection.context, connection.server) == ("prod", "https://second")

    def test_an_environment_that_names_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
        with pytest.raises(InvalidKubeconfigFile, match=r"^KUBECONFIG names .*/absent: no such file$"):
            check_kubeconfig(None)

    def test_the_home_directory(self, write: Write, home: Path) -> None:
        write(config(), "home/.kube/config")
        assert default_context_name(None) == "prod"
        assert load(None, None).source == str(home / ".kube/config")

    def test_nothing_anywhere(self) -> None:
        with pytest.raises(
            InvalidKubeconfigFile, match=r"^no kubeconfig: .*; give --kubeconfig FILE or set KUBECONFIG$"
        ):
            check_kubeconfig(None)

    def test_a_context_without_any_file(self) -> None:
        with pytest.raises(InvalidKubeconfigFile, match=r"^context 'prod': there is no kubeconfig"):
            check_kubeconfig(None, "prod")

    def test_the_service_account_of_a_pod(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority
    ) -> None:
        directory = tmp_path / "serviceaccount"
        directory.mkdir()
        (directory / "token").write_text(SECRET + "\n")
        (directory / "ca.crt").write_bytes(authority.pem)
        (directory / "namespace").write_text("preflight\n")
        monkeypatch.setattr(module, "SERVICE_ACCOUNT", directory)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
        connection = load(None, None)
        assert default_context_name(None) == "in-cluster"
        assert connection.namespace == "preflight"
        assert connection.server == "https://[fd00::1]:443"
        assert connection.tls == "verified"
        api = client_of(connection, tmp_path, seconds=5, pool=4)
        assert api.configuration.host == "https://[fd00::1]:443"
        assert api.configuration.api_key == {"BearerToken": f"Bearer {SECRET}"}
        assert api.configuration.ssl_ca_cert == str(directory / "ca.crt")


class TestConnection:
    def test_shows_no_secret(self, write: Write) -> None:
        connection = load(write(config(cluster={"server": f"https://me:{SECRET}@host:6443/k8s/"})), None)
        assert connection.server == "https://host:6443/k8s"
        assert connection.where == "host:6443"
        assert SECRET not in repr(connection)

    @pytest.mark.parametrize(
        ("cluster", "tls"),
        [
            ({"server": "https://h"}, "verified"),
            ({"server": "http://h"}, "not verified: the kubeconfig asks for plain HTTP"),
            (
                {"server": "https://h", "insecure-skip-tls-verify": True},
                "not verified: the kubeconfig sets insecure-skip-tls-verify",
            ),
            ({"server": "https://h", "insecure-skip-tls-verify": False}, "verified"),
        ],
    )
    def test_says_how_tls_is_verified(self, write: Write, tmp_path: Path, cluster: Any, tls: str) -> None:
        connection = load(write(config(cluster=cluster)), None)
        assert connection.tls == tls
        insecure = cluster.get("insecure-skip-tls-verify", False)
        assert client_of(connection, tmp_path, seconds=5, pool=4).configuration.verify_ssl is not insecure

    def test_checking_imports_no_kubernetes(self, write: Write) -> None:
        program = (
            "import sys; from pathlib import Path; from conformance.gather.kubeconfig import check_kubeconfig; "
            "check_kubeconfig(Path(sys.argv[1])); assert 'kubernetes' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", program, str(write(config()))], check=True)


class TestCredentials:
    def client(self, write: Write, tmp_path: Path, user: Any, seconds: float = 10, cluster: Any = None) -> Any:
        entry = {"server": "https://10.0.0.1:6443", **(cluster or {})}
        connection = load(write(config(cluster=entry, user=user)), None)
        return client_of(connection, tmp_path, seconds=seconds, pool=4)

    def token(self, client: Any) -> str | None:
        header: str | None = client.configuration.api_key.get("BearerToken")
        return header

    def plugin(self, tmp_path: Path, script: str) -> dict[str, Any]:
        file = tmp_path / "plugin"
        file.write_text("#!/bin/sh\n" + script)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin"}}

    def credential(self, **status: Any) -> str:
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        return f"cat <<'END'\n{json.dumps(answer)}\nEND\n"

    def test_token(self, write: Write, tmp_path: Path) -> None:
        assert self.token(self.client(write, tmp_path, {"token": SECRET})) == f"Bearer {SECRET}"

    def test_a_token_file_counts_before_a_token_and_loses_its_line_end(self, write: Write, tmp_path: Path) -> None:
        write("from-file\n", "token")
        client = self.client(write, tmp_path, {"token": SECRET, "tokenFile": "token"})
        assert self.token(client) == "Bearer from-file"

    def test_an_empty_token_file(self, write: Write, tmp_path: Path) -> None:
        write("\n", "token")
        with pytest.raises(CredentialsRefused, match="holds no token for user 'u' of context 'prod'"):
            self.client(write, tmp_path, {"tokenFile": "token"})

    def test_name_and_password(self, write: Write, tmp_path: Path) -> None:
        client = self.client(write, tmp_path, {"username": "me", "password": "pw"})
        assert self.token(client) == "Basic bWU6cHc="

    def test_no_user_at_all_is_anonymous(self, write: Write, tmp_path: Path) -> None:
        connection = load(write(config(context={"cluster": "c"})), None)
        assert self.token(client_of(connection, tmp_path, seconds=5, pool=4)) is None

    def test_what_the_client_would_silently_ignore(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(CredentialsRefused, match="has no credentials that can be used here"):
            self.client(write, tmp_path, {"username": "me"})

    def test_plugin(self, write: Write, tmp_path: Path) -> None:
        script = 'printf %s "$KUBERNETES_EXEC_INFO" > info\n' + self.credential(token=SECRET)
        user = self.plugin(tmp_path, f"cd {tmp_path}\n{script}")
        user["exec"] |= {"provideClusterInfo": True, "env": [{"name": "A", "value": "b"}], "args": ["x"]}
        client = self.client(write, tmp_path, user, cluster={"tls-server-name": "api"})
        assert self.token(client) == f"Bearer {SECRET}"
        info = json.loads((tmp_path / "info").read_text())
        assert info["spec"]["interactive"] is False
        assert info["spec"]["cluster"] == {"server": "https://10.0.0.1:6443", "tls-server-name": "api"}

    def test_plugin_with_a_certificate(self, write: Write, tmp_path: Path, pair: KeyPair) -> None:
        status = {"clientCertificateData": pair.certificate.decode(), "clientKeyData": pair.key.decode()}
        client = self.client(write, tmp_path, self.plugin(tmp_path, self.credential(**status)))
        assert Path(client.configuration.cert_file).read_bytes() == pair.certificate
        assert Path(client.configuration.key_file).stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize(
        ("script", "says"),
        [
            ("echo no luck >&2; echo 'login at https://me:pw@idp expired' >&2; exit 3", "ended with 3: login at https"),
            ("exit 1", "ended with 1: no message"),
            (f"echo {SECRET}", "printed no ExecCredential"),
            (f"echo '\"{SECRET}\"'", "printed no ExecCredential"),
            ("echo '{}'", "printed no ExecCredential"),
            (
                'echo \'{"apiVersion": "other/v1", "status": {"token": "x"}}\'',
                "answers in other/v1, not in client.auth",
            ),
            ('echo \'{"apiVersion": "client.authentication.k8s.io/v1", "status": {}}\'', "without token and without"),
            ("sleep 60", "gave no credentials within 1 s: does it wait for a login?"),
            ("read answer < /dev/tty", "ended with"),
        ],
    )
    def test_plugin_that_fails(self, write: Write, tmp_path: Path, script: str, says: str) -> None:
        started = time.monotonic()
        with pytest.raises(CredentialsRefused) as caught:
            self.client(write, tmp_path, self.plugin(tmp_path, script), seconds=1)
        assert time.monotonic() - started < 4
        message = str(caught.value)
        assert message.startswith("exec plugin 'plugin' of user 'u' of context 'prod' ")
        assert says in message
        assert SECRET not in message
        assert "pw@" not in message
        assert "\n" not in message

    @pytest.mark.parametrize("own_session", [False, True])
    def test_plugin_that_leaves_a_daemon_behind(
        self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_session: bool
    ) -> None:
        # It inherits the pipes, as that of `ssh -f` or of a token cache does, and keeps them open.
        daemon = f"{'setsid ' if own_session else ''}sleep 30 & echo $! >> {tmp_path}/daemons\n"
        started = time.monotonic()
        try:
            client = self.client(write, tmp_path, self.plugin(tmp_path, daemon + self.credential(token=SECRET)))
            assert self.token(client) == f"Bearer {SECRET}"
            for script, says in (
                ("exit 3", "ended with 3: no message"),
                ("sleep 30", "gave no credentials within 1 s"),
            ):
                with pytest.raises(CredentialsRefused, match=says):
                    self.client(write, tmp_path, self.plugin(tmp_path, daemon + script), seconds=1)
            assert time.monotonic() - started < 10
        finally:
            for pid in (tmp_path / "daemons").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)

    def test_plugin_that_prints_much(self, write: Write, tmp_path: Path) -> None:
        script = f"head -c 300000 /dev/zero | tr '\\0' ' '\n{self.credential(token=SECRET)}"
        assert self.token(self.client(write, tmp_path, self.plugin(tmp_path, script))) == f"Bearer {SECRET}"

    def test_plugin_that_is_not_there(self, write: Write, tmp_path: Path) -> None:
        user = {"exec": {"apiVersion": "v1", "command": "no-such-plugin", "installHint": "get it\nat example.com"}}
        with pytest.raises(
            CredentialsRefused, match="cannot be started: No such file or directory: get it at example.com"
        ):
            self.client(write, tmp_path, user)

    def test_plugin_that_asks_questions(self, write: Write, tmp_path: Path) -> None:
        user = {"exec": {"apiVersion": "v1", "command": "x", "interactiveMode": "Always"}}
        with pytest.raises(CredentialsRefused, match="asks questions"):
            self.client(write, tmp_path, user)

    def test_auth_provider(self, write: Write, tmp_path: Path) -> None:
        settings = {"access-token": SECRET, "expiry": "2999-01-01T00:00:00Z"}
        client = self.client(write, tmp_path, {"auth-provider": {"name": "gcp", "config": settings}})
        assert self.token(client) == f"Bearer {SECRET}"

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"access-token": SECRET, "expiry": "2020-01-01T00:00:00Z"},
            {"id-token": f"e30.{base64(json.dumps({'exp': 1500000000}).encode()).rstrip('=')}.x"},
        ],
    )
    def test_auth_provider_whose_token_has_expired(self, write: Write, tmp_path: Path, settings: Any) -> None:
        with pytest.raises(CredentialsRefused, match="the token of auth-provider 'oidc' has expired or was never"):
            self.client(write, tmp_path, {"auth-provider": {"name": "oidc", "config": settings}})

    def test_what_has_expired_is_said(self, write: Write, tmp_path: Path, authority: Authority) -> None:
        old = authority.user("bob", expired=True)
        user = {"client-certificate-data": base64(old.certificate), "client-key-data": base64(old.key)}
        assert expired(self.client(write, tmp_path, user)).startswith("the client certificate expired on 20")
        token = f"e30.{base64(json.dumps({'exp': 1500000000}).encode()).rstrip('=')}.x"
        assert expired(self.client(write, tmp_path, {"token": token})) == "the token expired on 2017-07-14 02:40 UTC"
        assert expired(self.client(write, tmp_path, {"token": "opaque"})) == ""

    def test_proxy(self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://from-environment:3128")
        assert self.client(write, tmp_path, {"token": "x"}).configuration.proxy == "http://from-environment:3128"
        client = self.client(write, tmp_path, {"token": "x"}, cluster={"proxy-url": "http://from-file:3128"})
        assert client.configuration.proxy == "http://from-file:3128"


def test_an_entry_without_a_name_to_log_in_with_is_of_type_connection(write: Write) -> None:
    assert isinstance(load(write(config()), "prod"), Connection)
