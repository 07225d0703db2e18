"""The limit: connect and one exec of the same script, and nothing else. Prints its seconds, imports not counted.

Usage: limit.py paramiko|asyncssh ADDRESSES IDENTITY KNOWN_HOSTS SCRIPT_FILE PARALLEL
"""

import asyncio
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def with_paramiko(addresses: list[str], identity: str, known: str, script: bytes, parallel: int) -> float:
    import paramiko

    key = paramiko.Ed25519Key.from_private_key_file(identity)
    hosts = paramiko.HostKeys(known)

    def one(address: str) -> bytes:
        sock = socket.create_connection((address, 22), 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(sock)
        try:
            transport.start_client(timeout=10)
            assert hosts.check(address, transport.get_remote_server_key())
            transport.auth_publickey("root", key)
            channel = transport.open_session()
            channel.exec_command("/bin/sh -s")
            channel.sendall(script)
            channel.shutdown_write()
            read = []
            while data := channel.recv(65536):
                read.append(data)
            return b"".join(read)
        finally:
            transport.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        answers = list(pool.map(one, addresses))
    took = time.perf_counter() - began
    assert all(answers)
    return took


def with_asyncssh(addresses: list[str], identity: str, known: str, script: bytes, parallel: int) -> float:
    import asyncssh

    async def main() -> float:
        gate = asyncio.Semaphore(parallel)
        key = asyncssh.read_private_key(identity)
        trusted = asyncssh.read_known_hosts(known)

        async def one(address: str) -> object:
            async with (
                gate,
                asyncssh.connect(address, username="root", client_keys=[key], known_hosts=trusted, config=None) as link,
            ):
                done = await link.run("/bin/sh -s", input=script, encoding=None)
                return done.stdout

        began = time.perf_counter()
        answers = await asyncio.gather(*(one(address) for address in addresses))
        took = time.perf_counter() - began
        assert all(answers)
        return took

    return asyncio.run(main())


if __name__ == "__main__":
    kind, addresses, identity, known, script, parallel = sys.argv[1:]
    run = {"paramiko": with_paramiko, "asyncssh": with_asyncssh}[kind]
    print(run(addresses.split(","), identity, known, Path(script).read_bytes(), int(parallel)))
