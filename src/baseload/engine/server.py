"""`baseload engine` as a running server: one socket, the engine behind it, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
import uvloop

from baseload.engine.app import make_app
from baseload.engine.engine import Engine, EngineSettings
from baseload.engine.metrics import Metrics
from baseload.errors import BaseloadError, EnvironmentProblem

_DRAIN_S = 30
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

Tell = Callable[[str, dict[str, Any]], None]
"""Called with an event's name and facts: `listening` (url, port, model), `ready` (load_s)."""


class _Server(uvicorn.Server):
    """uvicorn, except that a signal means drain and leave with success, not die of the signal afterwards."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in _STOP_SIGNALS:
                loop.remove_signal_handler(number)


def serve(settings: EngineSettings, host: str, port: int, tell: Tell) -> None:
    """Serve until SIGTERM or SIGINT, then let running answers end (at most 30 s; a second signal cuts them).

    Port 0 takes a free one. Raises EnvironmentProblem where the port is taken or the model does not load, and
    BaseloadError where the process that runs it dies.
    """
    listener = _listen(host, port)
    uvloop.run(_serve(settings, listener, tell))


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=512, reuse_port=False)
    except OSError as error:
        hint = "choose another --port; 0 takes a free one"
        raise EnvironmentProblem(f"cannot listen on {host}:{port}: {error.strerror}", hint=hint) from None


async def _serve(settings: EngineSettings, listener: socket.socket, tell: Tell) -> None:
    engine = Engine(settings, Metrics(settings.name))
    config = uvicorn.Config(
        make_app(engine),
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_DRAIN_S,
    )
    server = _Server(config)
    host, port = listener.getsockname()[:2]
    await engine.start()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    watching = asyncio.create_task(_watch(engine, server, tell))
    try:
        url = f"http://{host}:{port}/v1"
        tell("listening", {"url": url, "port": port, "model": settings.name})
        await serving
    finally:
        watching.cancel()
        died = engine.dead.is_set()
        await engine.stop()
    if died:
        hint = "the lines above say more"
        if engine.failure:
            raise EnvironmentProblem(f"{settings.path} cannot be loaded: {engine.failure}", hint=hint)
        raise BaseloadError("the process that runs the model ended", hint=hint)


async def _watch(engine: Engine, server: uvicorn.Server, tell: Tell) -> None:
    """Say when the model is ready; end the server when the worker is gone."""
    ready = asyncio.create_task(engine.ready.wait())
    dead = asyncio.create_task(engine.dead.wait())
    await asyncio.wait((ready, dead), return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        tell("ready", {"load_s": round(engine.load_s, 2)})
    await dead
    server.should_exit = True
