"""Credentials: from a checked kubeconfig to an API client that presents them.

The official client reads tokens, passwords and certificates. What it would do badly is done here beforehand: it
ignores an exec plugin that fails and goes on as nobody, waits for a plugin without a limit, keeps the line end of a
token file, and renews OIDC tokens over unverified TLS - which also spends the refresh token that kubectl holds.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any, Final

from conformance.gather.kubeconfig import Connection
from conformance.gather.pem import expiry_of_certificate, expiry_of_token
from conformance.gather.wording import one_line, plain

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["CredentialsRefused", "client_of", "expired", "prepare"]

#: Where an exec plugin finds its own settings in the cluster's entry.
_PLUGIN_SETTINGS: Final = "client.authentication.k8s.io/exec"
#: Seconds that the output of an exec plugin may still come after its exit, and between two looks at whether it has exited.
_AFTER_EXIT: Final = 0.5
_LOOK: Final = 0.05
#: The client keeps the files that it writes in a dictionary of the whole process, without a lock of its own.
_LOADING: Final = threading.Lock()


class CredentialsRefused(Exception):
    """There is nothing to log in with; the message is one line for a person."""


def prepare() -> None:
    """Import the official client; to be called once, before the threads that use it begin.

    Its modules import each other lazily: several threads that are the first to touch it deadlock.
    """
    import_module("kubernetes.client.api_client")
    import_module("kubernetes.config.kube_config")


def client_of(connection: Connection, directory: Path, *, seconds: float, pool: int) -> ApiClient:
    """An API client that is logged in as the connection says; nothing has been sent to the API server yet.

    :param directory: of mode 0700; the client writes certificates and keys to it, and the caller removes it.
    :param seconds: what an exec plugin may take.
    :param pool: the number of connections that are kept open.
    :raises CredentialsRefused: there are no usable credentials.
    """
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import load_kube_config_from_dict
    from urllib3 import Retry
    from urllib3.exceptions import InsecureRequestWarning

    user = _user(connection, seconds)
    document = {
        "current-context": connection.context,
        "contexts": [{"name": connection.context, "context": {"cluster": "it", "user": "us"}}],
        "clusters": [{"name": "it", "cluster": dict(connection.cluster_entry)}],
        "users": [{"name": "us", "user": user}],
    }
    configuration = Configuration()
    with _LOADING:
        try:
            load_kube_config_from_dict(
                document,
                client_configuration=configuration,
                persist_config=False,  # a refreshed token would be written to the user's file
                temp_file_path=str(directory),
            )
        except Exception as error:
            # Whatever a file can hold that our own checks let through; its text may quote the entry.
            msg = f"the credentials of {_who(connection)} cannot be loaded ({type(error).__name__})"
            raise CredentialsRefused(msg) from None
    if user and not configuration.api_key and not configuration.cert_file:
        msg = f"{_who(connection)} has no credentials that can be used here: use a token, certificate or exec plugin"
        raise CredentialsRefused(msg)
    # Retries and redirects are ours to decide: see `conformance.gather.http`.
    configuration.retries = Retry(total=False, redirect=False)
    configuration.connection_pool_maxsize = pool
    if not configuration.verify_ssl:
        # Said once in the report, instead of once for each connection.
        warnings.simplefilter("ignore", InsecureRequestWarning)
    client = ApiClient(configuration)
    client.user_agent = "pytest-preflight"
    return client


def expired(client: ApiClient) -> str:
    """Which of the client's credentials is past its end, and since when; empty where that cannot be told."""
    configuration = client.configuration
    token = str(configuration.api_key.get("BearerToken", "")).removeprefix("Bearer ")
    moments = {"token": expiry_of_token(token)}
    if configuration.cert_file:
        moments["client certificate"] = expiry_of_certificate(Path(configuration.cert_file).read_bytes())
    now = datetime.now(UTC)
    return " and ".join(
        f"the {what} expired on {moment:%Y-%m-%d %H:%M} UTC"
        for what, moment in moments.items()
        if moment and moment < now
    )


def _who(connection: Connection) -> str:
    return f"user {plain(connection.user)!r} of context {plain(connection.context)!r}"


def _user(connection: Connection, seconds: float) -> dict[str, Any]:
    """The user's entry with what has to be fetched or read put in as a token or certificate."""
    user = dict(connection.user_entry)
    if "tokenFile" in user:
        # As kubectl does, the file counts before a token beside it.
        user["token"] = _token_of(Path(user.pop("tokenFile")), connection)
    if "auth-provider" in user:
        user["token"] = _token_of_provider(user.pop("auth-provider"), connection)
    if "token" not in user and "exec" in user:
        status = _run_plugin(user["exec"], connection, seconds)
        if isinstance(status.get("token"), str):
            user["token"] = status["token"]
        for ours, theirs in (
            ("client-certificate", "clientCertificateData"),
            ("client-key", "clientKeyData"),
        ):
            if isinstance(status.get(theirs), str):
                user[f"{ours}-data"] = base64.b64encode(status[theirs].encode()).decode()
    user.pop("exec", None)
    return user


def _token_of(file: Path, connection: Connection) -> str:
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token:
        raise CredentialsRefused(f"{file}: holds no token for {_who(connection)}")
    return token


def _token_of_provider(provider: Mapping[str, Any], connection: Connection) -> str:
    """The token that kubectl stored with an auth provider; it is never renewed here."""
    settings = provider.get("config") or {}
    token = settings.get("id-token") or settings.get("access-token")
    ends = expiry_of_token(token) if isinstance(token, str) else None
    if ends is None and isinstance(settings.get("expiry"), str):
        ends = _moment(settings["expiry"])
    if not isinstance(token, str) or (ends is not None and ends < datetime.now(UTC)):
        what = f"the token of auth-provider {plain(str(provider.get('name')))!r}"
        raise CredentialsRefused(
            f"{_who(connection)}: {what} has expired or was never fetched: run `kubectl version`, which renews it, "
            "or use an exec plugin"
        )
    return token


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _run_plugin(plugin: Mapping[str, Any], connection: Connection, seconds: float) -> Mapping[str, Any]:
    """The ``status`` of the ExecCredential that an exec plugin prints."""
    command = _command(str(plugin["command"]), connection)
    what = f"exec plugin {plain(Path(command).name)!r} of {_who(connection)}"
    if plugin.get("interactiveMode") == "Always":
        raise CredentialsRefused(
            f"{what} asks questions (interactiveMode: Always): log in beforehand, or use another user"
        )
    version = str(plugin.get("apiVersion", ""))
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(connection)
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    settings = {
        str(one.get("name")): str(one.get("value", "")) for one in plugin.get("env") or [] if isinstance(one, dict)
    }
    environment = {**os.environ, **settings, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    words = [command, *map(str, plugin.get("args") or [])]
    try:
        # A session of its own: it cannot ask at our terminal, and what it starts ends with it.
        process = subprocess.Popen(  # noqa: S603 - the kubeconfig names it, as it does for kubectl
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        hint = f": {one_line(str(plugin['installHint']))}" if plugin.get("installHint") else ""
        raise CredentialsRefused(f"{what} cannot be started: {error.strerror}{hint}") from None
    try:
        stdout, stderr = _output(process, seconds)
    except TimeoutError:
        raise CredentialsRefused(
            f"{what} gave no credentials within {seconds:.0f} s: does it wait for a login?"
        ) from None
    if process.returncode != 0:
        lines = stderr.decode("utf-8", "replace").strip().splitlines()
        said = one_line(lines[-1]) if lines else "no message"
        raise CredentialsRefused(f"{what} ended with {process.returncode}: {said}")
    return _status(stdout, version, what)


def _output(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, bytes]:
    """What a program prints on its two streams until it exits; it is killed where that takes longer.

    A daemon that it leaves behind may keep the pipes open for good, in a session of its own: their end is not waited for.

    :raises TimeoutError: it did not exit.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    printed = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    exited, ends = False, time.monotonic() + seconds
    with process.stdout, process.stderr, DefaultSelector() as selector:
        for stream in printed:
            selector.register(stream, EVENT_READ)
        while not exited or selector.get_map():
            if not exited and process.poll() is not None:
                # What it printed itself is in the pipes by now; a child that prints for it has a moment left.
                exited, ends = True, time.monotonic() + _AFTER_EXIT
            left = ends - time.monotonic()
            if left <= 0:
                break
            for key, _ in selector.select(min(left, _LOOK)):
                piece = os.read(key.fd, 65_536)
                printed[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
    if not exited:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_AFTER_EXIT)
        raise TimeoutError
    stdout, stderr = printed.values()
    return stdout, stderr


def _command(command: str, connection: Connection) -> str:
    """The program; one with a slash is relative to the kubeconfig, as for kubectl."""
    if os.sep in command:
        return str(Path(connection.source).absolute().parent / command)
    return shutil.which(command) or command


def _status(stdout: bytes, version: str, what: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(stdout)
        status = answer["status"]
        if answer["apiVersion"] != version:
            raise CredentialsRefused(f"{what} answers in {one_line(str(answer['apiVersion']))}, not in {version}")
    except (ValueError, KeyError, TypeError):
        # What it printed is not shown: it may be a token in a form of its own.
        raise CredentialsRefused(f"{what} printed no ExecCredential") from None
    if not isinstance(status, dict) or not (
        isinstance(status.get("token"), str)
        or (isinstance(status.get("clientCertificateData"), str) and isinstance(status.get("clientKeyData"), str))
    ):
        raise CredentialsRefused(f"{what} printed an ExecCredential without token and without certificate and key")
    return status


def _cluster_info(connection: Connection) -> dict[str, Any]:
    cluster = connection.cluster_entry
    names = ("tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    info = {"server": connection.server, **{name: cluster[name] for name in names if name in cluster}}
    if "certificate-authority" in cluster:
        info["certificate-authority-data"] = base64.b64encode(
            Path(cluster["certificate-authority"]).read_bytes()
        ).decode()
    for extension in cluster.get("extensions") or []:
        if isinstance(extension, dict) and extension.get("name") == _PLUGIN_SETTINGS:
            info["config"] = extension.get("extension")
    return info
