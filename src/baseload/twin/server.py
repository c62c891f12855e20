"""A twin's server: configuration, connections, control routes; `start` runs one in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec
import uvloop
from msgspec import Struct

from baseload.capacity.predict import CHUNK_TOKENS
from baseload.capacity.replica import Replica
from baseload.core import Limits, StepTime
from baseload.errors import BaseloadError, EnvironmentProblem, UsageError
from baseload.twin.connection import Connection
from baseload.twin.drive import Drive
from baseload.twin.exchange import JSON_TYPE
from baseload.twin.faults import FaultKind, FaultPlan, Rule, parse_rule, read_rule
from baseload.twin.http import Request
from baseload.twin.openai import Dialect, Endpoint, error_body, models_body
from baseload.twin.openai import Limits as CallLimits
from baseload.twin.pace import DrawnPace, Latency, Pace, Quota
from baseload.twin.served import Count, Record

T = TypeVar("T")
REOPEN_AGAIN_S = 0.1
CONTROL = ("/health", "/metrics", "/twin/served", "/twin/faults", "/v1/models")


class TwinConfig(Struct, frozen=True, kw_only=True):
    """What a twin is. With `step` it is an engine with that replica's timing, without a provider with
    `latency` and `quota`. `speed` runs its clock faster than the wall's; times on the wire shrink with it.
    """

    models: tuple[str, ...] = ("twin",)
    step: StepTime | None = None
    chunk_tokens: int = CHUNK_TOKENS
    provider: str = "simulated"
    latency: Latency = Latency()
    quota: Limits = Limits()
    context_tokens: int = 131_072
    mean_output_tokens: int = 128
    api_key: str | None = None
    speed: float = 1.0
    seed: int = 0
    faults: tuple[str | Rule, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    served_file: Path | None = None
    keep: int = 100_000

    @property
    def dialect(self) -> Dialect:
        """Engines answer errors as vLLM does, providers as OpenAI does."""
        return Dialect.PROVIDER if self.step is None else Dialect.ENGINE


class Twin:
    """A twin on a running event loop: `listen` opens its port, `close` ends everything."""

    def __init__(self, config: TwinConfig, loop: asyncio.AbstractEventLoop) -> None:
        if config.speed <= 0 or config.mean_output_tokens < 1 or not config.models:
            raise UsageError("a twin has a positive speed, a mean output of at least 1 and a model")
        self.config = config
        self.loop = loop
        self.replica = None if config.step is None else Replica(config.step, chunk_tokens=config.chunk_tokens)
        pace: Pace = DrawnPace(config.latency, config.seed) if self.replica is None else self.replica
        self.drive = Drive(loop, pace, config.speed)
        self.quota = Quota(config.quota.requests_per_minute, config.quota.tokens_per_minute)
        rules = [parse_rule(rule) if isinstance(rule, str) else rule for rule in config.faults]
        self.plan = FaultPlan(rules, config.seed)
        self.record = Record(config.served_file, config.keep)
        context = config.context_tokens
        if config.step is not None:
            context = min(context, config.step.kv_tokens)
        self.limits = CallLimits(config.models, context, config.mean_output_tokens, config.dialect)
        self.port = config.port
        self.connections: set[Connection] = set()
        self._serials = 0
        self._server: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._timers: set[asyncio.TimerHandle] = set()

    async def listen(self) -> None:
        """Open the port (a free one for 0). Raises EnvironmentProblem if it is taken."""
        try:
            listener = _listener(self.config.host, self.port)
        except OSError as problem:
            raise EnvironmentProblem(
                f"cannot listen on {self.config.host}:{self.port}: {problem.strerror}",
                hint="choose another --port; 0 takes a free one",
            ) from None
        self.port = listener.getsockname()[1]
        self._server = await self.loop.create_server(lambda: Connection(self), sock=listener, backlog=2048)

    def refuse(self, seconds: float) -> None:
        """Close the port for `seconds`: new connections are refused, those open go on."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self.later(seconds / self.config.speed, self._reopen)

    def _reopen(self) -> None:
        async def listen() -> None:
            try:
                await self.listen()
            except EnvironmentProblem:  # someone else has the port for the moment
                self.later(REOPEN_AGAIN_S, self._reopen)

        self._reopening = self.loop.create_task(listen())

    def later(self, delay_s: float, callback: Callable[[], object]) -> None:
        """Call back after `delay_s` on the wall's clock, unless the twin is closed by then."""

        def run() -> None:
            self._timers.discard(handle)
            callback()

        handle = self.loop.call_later(delay_s, run)
        self._timers.add(handle)

    def serial(self) -> int:
        """The next request's number."""
        self._serials += 1
        return self._serials

    def set_faults(self, rules: Iterable[Rule]) -> None:
        """Replace the fault plan; a `refuse` without `every`, `share`, `skip` or `times` acts at once."""
        kept = []
        for rule in rules:
            if rule.kind is FaultKind.REFUSE and _unconditional(rule):
                self.refuse(rule.seconds or 5.0)
            else:
                kept.append(rule)
        self.plan.replace(kept)

    def close(self) -> None:
        """Close the port, every connection, and the count's file."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for timer in self._timers:
            timer.cancel()
        for connection in list(self.connections):
            connection.reset()
        self.drive.close()
        self.record.close()

    def control(self, request: Request) -> tuple[int, str, bytes]:
        """(status, content type, body) of every route that is not a model call."""
        route = (request.method, request.path)
        if route == ("GET", "/health"):
            return 200, JSON_TYPE, b'{"status":"ok","simulated":true}'
        if route == ("GET", "/v1/models"):
            return 200, JSON_TYPE, models_body(self.config.models)
        if route == ("GET", "/twin/served"):
            return 200, JSON_TYPE, msgspec.json.encode(self.record.count())
        if route == ("GET", "/metrics") and self.replica is not None:
            return 200, "text/plain; version=0.0.4; charset=utf-8", self._metrics()
        if request.path == "/twin/faults":
            return self._faults(request)
        message = f"not here: {request.method} {request.path}; there are {', '.join([*Endpoint, *CONTROL])}"
        return 404, JSON_TYPE, error_body(404, message, self.limits.dialect)

    def _faults(self, request: Request) -> tuple[int, str, bytes]:
        try:
            if request.method == "POST":
                self.set_faults(rules_from_json(request.body))
            elif request.method == "DELETE":
                self.set_faults(())
        except BaseloadError as problem:
            return 400, JSON_TYPE, error_body(400, str(problem), self.limits.dialect)
        rules = [
            {**msgspec.to_builtins(rule), "hits": hits}
            for rule, hits in zip(self.plan.rules, self.plan.hits, strict=True)
        ]
        return 200, JSON_TYPE, msgspec.json.encode({"faults": rules})

    def _metrics(self) -> bytes:
        replica, totals = self.replica, self.record.totals
        assert replica is not None
        open_output = sum(served.output for served in self.record.open.values())
        label = f'{{engine="0",model_name="{self.config.models[0]}"}}'
        values = [
            ("vllm:num_requests_running", "gauge", replica.running),
            ("vllm:num_requests_waiting", "gauge", replica.waiting),
            ("vllm:kv_cache_usage_perc", "gauge", round(replica.kv_use, 6)),
            ("vllm:num_preemptions_total", "counter", replica.preemptions),
            ("vllm:prompt_tokens_total", "counter", totals.input),
            ("vllm:generation_tokens_total", "counter", totals.output + open_output),
        ]
        lines = [f"# TYPE {name} {kind}\n{name}{label} {value}\n" for name, kind, value in values]
        return "".join(lines).encode()


class Running:
    """A twin that serves in a thread of its own: for tests and the demo. Use it in a `with` statement."""

    def __init__(self, config: TwinConfig) -> None:
        self._ready: threading.Event = threading.Event()
        self._problem: BaseloadError | None = None
        self._twin: Twin | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, args=(config,), name="twin", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            raise self._problem

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._twin is not None
        return self._twin.port

    @property
    def url(self) -> str:
        """Base URL of its API, as SDKs want it: `http://127.0.0.1:PORT/v1`."""
        assert self._twin is not None
        return f"http://{self._twin.config.host}:{self._twin.port}/v1"

    def served(self) -> Count:
        """What it has served so far; exact once its clients have their answers or are gone."""
        return self._call(lambda twin: twin.record.count())

    def faults(self, *rules: str | Rule) -> None:
        """Replace the fault plan with these rules (none: no faults), short form or Rule."""
        read = [parse_rule(rule) if isinstance(rule, str) else rule for rule in rules]
        self._call(lambda twin: twin.set_faults(read))

    def stop(self) -> None:
        """Close everything and end the thread; stopping twice is harmless."""
        if self._thread.is_alive() and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _call(self, question: Callable[[Twin], T]) -> T:
        """Ask the twin on its own thread."""
        twin, loop = self._twin, self._loop
        assert twin is not None
        assert loop is not None
        answer: Future[T] = Future()

        def ask() -> None:
            answer.set_result(question(twin))

        loop.call_soon_threadsafe(ask)
        return answer.result(timeout=10)

    def _run(self, config: TwinConfig) -> None:
        loop = self._loop = uvloop.new_event_loop()
        try:
            twin = self._twin = Twin(config, loop)
            loop.run_until_complete(twin.listen())
        except BaseloadError as problem:
            self._problem = problem
            loop.close()
            return
        finally:
            self._ready.set()
        try:
            loop.run_forever()
        finally:
            twin.close()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()


def start(config: TwinConfig) -> Running:
    """Serve a twin from a thread of its own; it listens when this returns."""
    return Running(config)


def rules_from_json(data: bytes) -> list[Rule]:
    """Fault rules from JSON: a list, or an object with `faults`, of short forms and objects.

    Raises UsageError or UnknownName.
    """
    try:
        given = msgspec.json.decode(data)
    except msgspec.DecodeError as problem:
        raise UsageError(f"fault plan: {problem}", hint="send a JSON list of rules") from None
    if isinstance(given, dict) and "faults" in given:
        given = given["faults"]
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise UsageError("fault plan: not a list of rules")
    return [parse_rule(each) if isinstance(each, str) else read_rule(each) for each in given]


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _unconditional(rule: Rule) -> bool:
    return rule.every == 1 and rule.share == 1.0 and rule.skip == 0 and rule.times is None
