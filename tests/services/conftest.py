"""Real programs around a real gateway. What is missing is a failure here: `make services` installs it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import make_gateway, twins

__all__ = ["make_gateway", "nginx", "node_sdks", "twins"]

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "node-sdk"

Nginx = Callable[[str], int]

_WHOLE = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {http}
}}
"""


def program(name: str) -> str:
    """The path of a program from Debian; its absence fails the test."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    assert found, f"{name} is not installed: run `make services`"
    return found


@pytest.fixture(scope="session")
def node_sdks() -> Path:
    """A folder with the SDKs from npm, installed once and kept in `.cache`, and our clients beside them."""
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "node" / "package.json").read_text()
    installed = CACHE / "installed.json"  # written last: an install that was cut off is made again
    if not installed.is_file() or installed.read_text() != wanted:
        (CACHE / "package.json").write_text(wanted)
        command = [program("npm"), "install", "--no-package-lock", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=CACHE, check=True, timeout=170)
        installed.write_text(wanted)
    for client in (HERE / "node").glob("*.mjs"):
        shutil.copy(client, CACHE)
    return CACHE


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """Start nginx: `nginx(http_block)` gives the port that `{port}` in the block stands for."""
    with contextlib.ExitStack() as stack:

        def start(http: str) -> int:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port: int = free.getsockname()[1]
            folder = tmp_path / f"nginx-{port}"
            folder.mkdir(mode=0o755)
            file = folder / "nginx.conf"
            # Started by root its workers would change to a user who may not enter the test's folder.
            user = "user root;" if os.geteuid() == 0 else ""
            file.write_text(_WHOLE.format(user=user, folder=folder, http=http.replace("{port}", str(port))))
            process = subprocess.Popen([program("nginx"), "-p", str(folder), "-c", str(file)])
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            _until_open(port, process)
            return port

        yield start


def _until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, "nginx ended"
        assert time.monotonic() < until_s, "nginx does not listen"
        time.sleep(0.02)
