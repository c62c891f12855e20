"""`baseload serve`: run the gateway that baseload.yaml describes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import click
import msgspec
import uvicorn
import uvloop

from baseload.errors import EnvironmentProblem
from baseload.gateway.process import Started, run
from baseload.gateway.server import Gateway
from baseload.web.control import control_app


@click.command("serve", short_help="Run the gateway that baseload.yaml describes.")
@click.option(
    "--config",
    "-c",
    "path",
    type=click.Path(path_type=Path),
    default=Path("baseload.yaml"),
    show_default=True,
    help="The configuration.",
)
@click.option("--json", "as_json", is_flag=True, help="Print where it listens as one line of JSON.")
def command(path: Path, as_json: bool) -> None:
    """Run the gateway. SIGTERM drains and stops it; SIGHUP or a changed file reloads the configuration.

    \b
    Example:
      baseload serve --config examples/baseload.yaml
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)

    def announce(started: Started) -> None:
        if as_json:
            click.echo(msgspec.json.encode(started).decode())
            return
        for warning in started.warnings:
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"baseload serves http://{started.host}:{started.port}/v1", err=True)
        click.echo(f"  control  http://{started.control_host}:{started.control_port}/status", err=True)
        click.echo(f"  data     {started.data} (configuration {started.config_version})", err=True)

    cut = uvloop.run(run(path, _open_control, announce))
    if cut:
        click.echo(f"{cut} requests were cut at the end of the drain", err=True)
        sys.exit(1)


class _ControlServer(uvicorn.Server):
    """uvicorn on the gateway's own loop, without its own signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _open_control(gateway: Gateway, host: str, port: int) -> AsyncIterator[int]:
    """The control port, open within the block; yields its number. Raises EnvironmentProblem."""
    try:
        listener = socket.create_server((host, port), backlog=64)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="change `control` or free the port"
        ) from None
    number: int = listener.getsockname()[1]
    app = control_app(gateway)
    server = _ControlServer(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    serving = asyncio.get_running_loop().create_task(server.serve([listener]))
    try:
        yield number
    finally:
        server.should_exit = True
        await serving
