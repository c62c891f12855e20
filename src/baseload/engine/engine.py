"""The server's end of the link: starts the worker process, hands it requests, hands out their answers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
from collections.abc import AsyncIterator
from types import TracebackType

from msgspec import Struct

from baseload import errors
from baseload.engine.link import (
    Accepted,
    Cancel,
    Encode,
    Encoded,
    Failed,
    Frames,
    Generate,
    Load,
    Piece,
    Prompt,
    Ready,
    Refused,
    Sampling,
    Started,
    State,
    ToServer,
    ToWorker,
    frame,
    messages_to_server,
)
from baseload.engine.metrics import Metrics
from baseload.errors import RequestError

_READ_BYTES = 1 << 16
_STOP_S = 5.0


class EngineSettings(Struct, frozen=True):
    """What `baseload engine` is asked for. `threads` 0 leaves the choice to OpenVINO."""

    path: str
    name: str
    context_tokens: int
    max_sequences: int = 4
    max_queue: int = 64
    threads: int = 0
    kv_cache_gib: int = 1


class Answer:
    """One answer in the making; use it as an async context manager: leaving it early cancels the work.

    What the worker sends is kept until it is read: never more than the answer's `max_tokens` pieces.
    """

    def __init__(self, engine: Engine, request: int) -> None:
        self._engine = engine
        self._request = request
        self._messages: asyncio.Queue[ToServer | None] = asyncio.Queue()
        self._finished = False
        self.input_tokens = 0

    async def __aenter__(self) -> Answer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine._leave(self._request, cancelled=not self._finished)

    async def accepted(self) -> int:
        """Input tokens, once the prompt is read and fits; RequestError where it is refused."""
        message = await self._next()
        assert isinstance(message, Accepted)
        self.input_tokens = message.input_tokens
        return self.input_tokens

    async def pieces(self) -> AsyncIterator[Piece]:
        """The answer as it grows; the last piece says how it finished. RequestError where it breaks off."""
        while not self._finished:
            message = await self._next()
            if isinstance(message, Piece):
                self._finished = message.finish is not None
                if message.finish == "error":
                    raise RequestError(errors.INTERNAL, "the KV cache has no room for this answer")
                yield message

    async def _next(self) -> ToServer:
        message = await self._messages.get()
        if message is None:
            raise RequestError(errors.INTERNAL, "the process that runs the model ended")
        if isinstance(message, Refused):
            self._finished = True
            raise RequestError(errors.FAULTS[message.code], message.message, param=message.param)
        return message

    def _deliver(self, message: ToServer | None) -> None:
        self._messages.put_nowait(message)


class Engine:
    """A model that loads and then answers, in a process of its own.

    `ready` is set once it can answer, `dead` once the worker ended; `failure` then says why, if it told.
    """

    def __init__(self, settings: EngineSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.ready = asyncio.Event()
        self.dead = asyncio.Event()
        self.failure = ""
        self.load_s = 0.0
        self._answers: dict[int, Answer] = {}
        self._counts: dict[int, asyncio.Future[list[int]]] = {}
        self._ids = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the worker; returns at once, `ready` follows when the model is loaded."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "baseload.engine.worker", str(theirs.fileno()),
                pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr.fileno(),
            )  # fmt: skip
        reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        at = self.settings
        self._send(Load(at.path, at.threads, at.max_sequences, at.context_tokens, at.kv_cache_gib))
        self._reading = asyncio.create_task(self._read(reader))

    async def stop(self) -> None:
        """End the worker; whoever still waits for an answer gets an error."""
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    def generate(self, prompt: Prompt, sampling: Sampling) -> Answer:
        """Ask for an answer. RequestError: still loading, dead, or more wait than `max_queue` allows."""
        self._check_alive()
        if len(self._answers) >= self.settings.max_sequences + self.settings.max_queue:
            raise RequestError(
                errors.OVERLOADED,
                f"{self.settings.max_sequences} requests run and {self.settings.max_queue} wait already",
                retry_after_s=1.0,
            )
        answer = Answer(self, next(self._ids))
        self._answers[answer._request] = answer
        self.metrics.received(answer._request)
        self._send(Generate(answer._request, prompt, sampling))
        return answer

    async def tokenize(self, prompt: Prompt) -> list[int]:
        """The prompt's token ids; RequestError where the model cannot read it."""
        self._check_alive()
        request = next(self._ids)
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._counts[request] = future
        try:
            self._send(Encode(request, prompt))
            return await future
        finally:
            del self._counts[request]

    def _check_alive(self) -> None:
        if self.dead.is_set():
            raise RequestError(errors.INTERNAL, "the process that runs the model ended")
        if not self.ready.is_set():
            raise RequestError(errors.OVERLOADED, "the model is loading", retry_after_s=2.0)

    def _leave(self, request: int, *, cancelled: bool) -> None:
        """The answer's reader is gone."""
        if self._answers.pop(request, None) is not None and cancelled and not self.dead.is_set():
            self._send(Cancel(request))
            self.metrics.aborted(request)

    def _send(self, message: ToWorker) -> None:
        assert self._writer is not None
        self._writer.write(frame([message]))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = Frames()
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(_READ_BYTES):
                for message in messages_to_server(frames, data):
                    self._dispatch(message)
        self.dead.set()
        self.metrics.state = State(0, 0, 0.0)
        for answer in self._answers.values():
            answer._deliver(None)
        gone = RequestError(errors.INTERNAL, "the process that runs the model ended")
        for future in self._counts.values():
            future.set_exception(gone)

    def _dispatch(self, message: ToServer) -> None:
        if isinstance(message, State):
            self.metrics.state = message
        elif isinstance(message, Ready):
            self.load_s = message.load_s
            self.ready.set()
        elif isinstance(message, Failed):
            self.failure = message.message
        elif isinstance(message, Encoded):
            self._resolve(message.id, message.tokens)
        elif isinstance(message, Refused) and message.id in self._counts:
            fault = errors.FAULTS[message.code]
            self._resolve(message.id, RequestError(fault, message.message, param=message.param))
        else:
            self._observe(message)
            answer = self._answers.get(message.id)
            if answer is not None:
                answer._deliver(message)

    def _resolve(self, request: int, outcome: list[int] | RequestError) -> None:
        future = self._counts.get(request)
        if future is None or future.done():
            return
        if isinstance(outcome, RequestError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _observe(self, message: Accepted | Refused | Started | Piece) -> None:
        """Keep the metrics of requests that are still read; the others were booked when their reader left."""
        if message.id not in self._answers:
            return
        if isinstance(message, Accepted):
            self.metrics.accepted(message.id, message.input_tokens)
        elif isinstance(message, Refused):
            self.metrics.refused(message.id)
        elif isinstance(message, Started):
            self.metrics.started(message.id)
        else:
            self.metrics.piece(message.id, message.output_tokens, message.finish)
