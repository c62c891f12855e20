"""The engine's routes, as Starlette wants them.

A model call is watched from its first byte to its last: when the client goes away, queued or running,
streamed or not, the work for it stops.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from baseload import errors
from baseload.engine.api import DONE, Ask, Writer, models_body, read_chat, read_completion, read_tokenize
from baseload.engine.engine import Answer, Engine
from baseload.errors import RequestError
from baseload.wire.openai import error_body

MAX_BODY = 8 * 1024 * 1024
ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/models", "/tokenize", "/health", "/metrics")


def make_app(engine: Engine) -> Starlette:
    """The application for one engine; starting and stopping the engine is the caller's business."""
    model, created = engine.settings.name, int(time.time())

    async def models(_: Request) -> Response:
        return JSONResponse(models_body(model, engine.settings.context_tokens, created))

    async def health(_: Request) -> Response:
        if engine.dead.is_set():
            return PlainTextResponse("dead\n", 503)
        return PlainTextResponse("ok\n") if engine.ready.is_set() else PlainTextResponse("loading\n", 503)

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(engine.metrics.text(), media_type="text/plain; version=0.0.4")

    async def tokenize(request: Request) -> Response:
        tokens = await engine.tokenize(read_tokenize(await _body(request), model))
        length = engine.settings.context_tokens
        return JSONResponse({"count": len(tokens), "max_model_len": length, "tokens": tokens})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", ModelCall(engine, read_chat), methods=["POST"]),
            Route("/v1/completions", ModelCall(engine, read_completion), methods=["POST"]),
            Route("/tokenize", tokenize, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
            Route("/metrics", metrics),
        ],
        exception_handlers={RequestError: _refuse, HTTPException: _refuse},
    )


class ModelCall:
    """One of the two routes that generate."""

    def __init__(self, engine: Engine, read: Callable[[bytes, str], Ask]) -> None:
        self._engine = engine
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        ask = self._read(await _body(request), self._engine.settings.name)
        await _unless_gone(receive, self._serve(ask, send))

    async def _serve(self, ask: Ask, send: Send) -> None:
        writer = Writer(ask, self._engine.settings.name)
        async with self._engine.generate(ask.prompt, ask.sampling) as answer:
            await answer.accepted()
            if ask.stream:
                await _send_stream(ask, answer, writer, send)
            else:
                await _send_whole(answer, writer, send)


async def _send_whole(answer: Answer, writer: Writer, send: Send) -> None:
    text: list[str] = []
    finish, output_tokens = "stop", 0
    async for piece in answer.pieces():
        text.append(piece.text)
        finish, output_tokens = piece.finish or finish, piece.output_tokens
    body = writer.whole("".join(text), finish, answer.input_tokens, output_tokens)
    await _start(send, {"content-type": "application/json", "content-length": str(len(body))})
    await send({"type": "http.response.body", "body": body})


async def _send_stream(ask: Ask, answer: Answer, writer: Writer, send: Send) -> None:
    """Events as they come. Once the stream has begun, an error can only be told within it."""
    await _start(send, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"})
    output_tokens, first = 0, True
    try:
        async for piece in answer.pieces():
            output_tokens = piece.output_tokens
            event = writer.chunk(piece.text, piece.finish, answer.input_tokens, output_tokens, first=first)
            first = False
            await send({"type": "http.response.body", "body": event, "more_body": True})
        tail = writer.usage(answer.input_tokens, output_tokens) + DONE if ask.include_usage else DONE
    except RequestError as error:
        tail = b"data: " + error_body(error, "") + b"\n\n"
    await send({"type": "http.response.body", "body": tail})


async def _start(send: Send, headers: Mapping[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, but stop it as soon as the client has closed the connection."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        if not working.done():
            working.cancel()
    await _settled(working)


async def _settled(task: asyncio.Task[None]) -> None:
    """Wait for a task's end: its own error is raised, its cancellation is not."""
    await asyncio.wait((task,))
    if not task.cancelled():
        task.result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise RequestError(errors.BODY_TOO_LARGE, f"the body is larger than {MAX_BODY} bytes")
    return bytes(body)


async def _refuse(_: Request, error: Exception) -> Response:
    """Every error as OpenAI's clients read it."""
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        fault = errors.METHOD_NOT_ALLOWED if error.status_code == 405 else errors.NOT_FOUND
        headers.update(error.headers or {})
        error = RequestError(fault, f"this engine serves {', '.join(ROUTES)}")
    assert isinstance(error, RequestError)
    if error.retry_after_s is not None:
        headers["retry-after"] = str(round(error.retry_after_s))
    return Response(error_body(error, ""), error.fault.status, headers, "application/json")
