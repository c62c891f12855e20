"""The OpenAI format as a twin speaks it: calls read from bodies, answers written token by token.

Rules by which a test knows the truth beforehand:
- input tokens = bytes of the prompt's text in UTF-8 / 4, rounded down, at least 1 (token ids count one each);
- every output token is a word of three letters and a space, one delta each: the answer's bytes / 4;
- output tokens = header `x-twin-output-tokens`, or `output=` of a marker `[twin output=37]` in the prompt, or
  `max_tokens` with `ignore_eos`, or else 1 to 2·mean−1 drawn from a hash of the prompt; never above
  `max_tokens`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

SENTENCE = "the sun and sea are far off but one can see the old man row his red cab out for the cat"
MARKER = re.compile(rb"\[twin ([^\]]{1,500})\]")
OUTPUT_HEADER, FAULT_HEADER = "x-twin-output-tokens", "x-twin-fault"
DONE = b"data: [DONE]\n\n"
EMBEDDING_DIMENSIONS = 64


class Dialect(StrEnum):
    """Whose details are spoken where vLLM and OpenAI differ: error bodies and stream options."""

    ENGINE = "engine"
    PROVIDER = "provider"


class Endpoint(StrEnum):
    """The model calls a twin serves."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"


class ApiError(Exception):
    """An honest error answer: status and body."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Limits(Struct, frozen=True):
    """What calls are checked against, and the mean length of answers nobody asked a length for."""

    models: tuple[str, ...]
    context_tokens: int
    mean_output_tokens: int
    dialect: Dialect


class Call(Struct):
    """One model call: what was asked, and how long its answer will be."""

    endpoint: Endpoint
    model: str
    stream: bool
    include_usage: bool
    continuous_usage: bool
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    finish_reason: str
    fault: str
    inputs: int = 1
    dimensions: int = EMBEDDING_DIMENSIONS
    as_base64: bool = False


class _StreamOptions(Struct):
    include_usage: bool = False
    continuous_usage_stats: bool = False


class _Body(Struct):
    model: str
    messages: list[dict[str, Any]] | None = None
    prompt: str | list[Any] | None = None
    input: str | list[Any] | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    ignore_eos: bool = False
    n: int | None = 1
    dimensions: int | None = None
    encoding_format: str | None = None


_decode = msgspec.json.Decoder(_Body).decode


def read_call(path: str, headers: dict[str, str], body: bytes, limits: Limits) -> Call:
    """The call in a request to one of the endpoints. Raises ApiError as the dialect's server would answer."""
    endpoint = Endpoint(path)
    try:
        asked = _decode(body)
    except msgspec.DecodeError as problem:
        raise error(400, f"{problem}", limits.dialect) from None
    if asked.model not in limits.models:
        message = f"The model `{asked.model}` does not exist."
        raise error(404, message, limits.dialect, param="model", code="model_not_found")
    if asked.n not in (None, 1):
        raise error(400, "a twin gives one choice: n must be 1", limits.dialect, param="n")
    options = asked.stream_options or _StreamOptions()
    if options.continuous_usage_stats and limits.dialect is Dialect.PROVIDER:
        parameter = "stream_options.continuous_usage_stats"
        raise error(400, f"Unknown parameter: '{parameter}'.", limits.dialect, parameter, "unknown_parameter")
    text, ids, inputs = _prompt(endpoint, asked, limits.dialect)
    script = _script(text)
    input_tokens = max(ids or len(text) // 4, 1)
    wanted = headers.get(OUTPUT_HEADER) or script.get("output")
    output_tokens, finish_reason = _output(asked, text, wanted, limits)
    if endpoint is Endpoint.EMBEDDINGS:
        output_tokens = 0
    if input_tokens + max(output_tokens, 1) > limits.context_tokens:
        message = (
            f"This model's maximum context length is {limits.context_tokens} tokens. However, your "
            f"request has {input_tokens} input tokens and asks for up to {output_tokens} output tokens."
        )
        param = "input_tokens" if limits.dialect is Dialect.ENGINE else "messages"
        raise error(400, message, limits.dialect, param, "context_length_exceeded")
    return Call(
        endpoint=endpoint,
        model=asked.model,
        stream=bool(asked.stream) and endpoint is not Endpoint.EMBEDDINGS,
        include_usage=options.include_usage,
        continuous_usage=options.continuous_usage_stats,
        input_tokens=input_tokens,
        cached_tokens=min(_number(script.get("cached"), limits.dialect, 0), input_tokens),
        output_tokens=output_tokens,
        finish_reason=finish_reason,
        fault=headers.get(FAULT_HEADER) or script.get("fault", ""),
        inputs=inputs,
        dimensions=min(asked.dimensions or EMBEDDING_DIMENSIONS, 4096),
        as_base64=asked.encoding_format == "base64",
    )


def _prompt(endpoint: Endpoint, asked: _Body, dialect: Dialect) -> tuple[bytes, int, int]:
    """(text, token ids where ids were sent, number of inputs) of a call's prompt."""
    if endpoint is Endpoint.CHAT:
        if not asked.messages:
            raise error(400, "Missing required parameter: 'messages'.", dialect, param="messages")
        return b"".join(_texts(message.get("content")) for message in asked.messages), 0, 1
    name = "prompt" if endpoint is Endpoint.COMPLETIONS else "input"
    given = asked.prompt if endpoint is Endpoint.COMPLETIONS else asked.input
    if not given:
        raise error(400, f"Missing required parameter: '{name}'.", dialect, param=name)
    if isinstance(given, str):
        return given.encode(), 0, 1
    if all(isinstance(part, int) for part in given):
        return b"", len(given), 1
    if endpoint is Endpoint.COMPLETIONS and len(given) > 1:
        raise error(400, "a twin completes one prompt a call", dialect, param="prompt")
    if all(isinstance(part, str) for part in given):
        return b"".join(part.encode() for part in given), 0, len(given)
    if all(isinstance(part, list) for part in given):
        return b"", sum(len(part) for part in given), len(given)
    raise error(400, f"'{name}' mixes text and token ids.", dialect, param=name)


def _texts(content: object) -> bytes:
    """The text of a message's content: a string, or parts of which those with `text` count."""
    if isinstance(content, str):
        return content.encode()
    if not isinstance(content, list):
        return b""
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return b"".join(part.encode() for part in parts if isinstance(part, str))


def _script(text: bytes) -> dict[str, str]:
    """What a marker `[twin output=37 fault=cut,after_tokens=3]` in the prompt asks for."""
    found = MARKER.search(text)
    if found is None:
        return {}
    pairs = (item.partition("=") for item in found.group(1).decode("utf-8", "replace").split())
    return {name: value for name, _, value in pairs}


def _number(text: str | None, dialect: Dialect, default: int) -> int:
    if text is None:
        return default
    try:
        return max(int(text), 0)
    except ValueError:
        raise error(400, f"not a number of tokens: {text!r}", dialect) from None


def _output(asked: _Body, text: bytes, wanted: str | None, limits: Limits) -> tuple[int, str]:
    """(output tokens, finish reason) by the rules at the top of this module."""
    most = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
    if most is not None and most < 1:
        raise error(400, f"max_tokens must be at least 1, got {most}.", limits.dialect, param="max_tokens")
    if wanted is not None:
        tokens = max(_number(wanted, limits.dialect, 1), 1)
    elif asked.ignore_eos and most is not None:
        tokens = most
    else:
        draw = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        tokens = 1 + draw % (2 * limits.mean_output_tokens - 1)
    return (most, "length") if most is not None and tokens >= most else (tokens, "stop")


ENGINE_ERRORS = {400: "BadRequestError", 401: "Unauthorized", 404: "NotFoundError"}
PROVIDER_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    429: ("requests", "rate_limit_exceeded"),
}


def error_body(
    status: int, message: str, dialect: Dialect, param: str | None = None, code: str | None = None
) -> bytes:
    """An error body in the dialect: vLLM names an exception and repeats the status, OpenAI type and code."""
    if dialect is Dialect.ENGINE:
        type_ = ENGINE_ERRORS.get(status, "InternalServerError" if status >= 500 else "BadRequestError")
        return msgspec.json.encode(
            {"error": {"message": message, "type": type_, "param": param, "code": code or status}}
        )
    fallback = ("server_error", None) if status >= 500 else ("invalid_request_error", None)
    type_, usual = PROVIDER_ERRORS.get(status, fallback)
    if code == "insufficient_quota":
        type_ = code
    return msgspec.json.encode(
        {"error": {"message": message, "type": type_, "param": param, "code": code or usual}}
    )


def error(
    status: int, message: str, dialect: Dialect, param: str | None = None, code: str | None = None
) -> ApiError:
    """An ApiError in the dialect; vLLM's code is the status, whatever `code` says."""
    named = None if dialect is Dialect.ENGINE else code
    return ApiError(status, error_body(status, message, dialect, param, named))


class Answer:
    """Writes one call's answer, streamed as events or whole. Token `i` counts from 0."""

    def __init__(self, call: Call, serial: int, created_unix_s: int) -> None:
        self.call = call
        chat = call.endpoint is Endpoint.CHAT
        kind = ("chat.completion" if chat else "text_completion") + (".chunk" if call.stream and chat else "")
        self._common = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-twin-{serial}",
            "object": kind,
            "created": created_unix_s,
            "model": call.model,
        }
        start = msgspec.json.encode(self._common)[:-1] + b',"choices":[{"index":0,'
        self._start = b"data: " + start + (b'"delta":{"content":"' if chat else b'"text":"')
        self._end = (b'"}' if chat else b'"') + b',"logprobs":null,"finish_reason":null}]'
        self._chat = chat

    def opening(self) -> bytes:
        """The event that names the role; completions have none."""
        if not self._chat:
            return b""
        return self._event({"delta": {"role": "assistant", "content": ""}}, None, 0)

    def tokens(self, first: int, count: int) -> bytes:
        """Events of `count` tokens, one each."""
        if not self.call.continuous_usage:
            end = self._end + b"}\n\n"
            return b"".join(b"%b%b%b" % (self._start, word(i), end) for i in range(first, first + count))
        return b"".join(
            b'%b%b%b,"usage":%b}\n\n' % (self._start, word(i), self._end, self._usage(i + 1))
            for i in range(first, first + count)
        )

    def closing(self, *, usage: bool = True) -> bytes:
        """The event with the finish reason and, if asked for and not withheld, the usage; without [DONE]."""
        last: dict[str, object] = {"delta": {}} if self._chat else {"text": ""}
        made = self.call.output_tokens
        events = self._event(last, self.call.finish_reason, made)
        if self.call.include_usage and usage:
            body = msgspec.json.encode({**self._common, "choices": []})[:-1]
            events += b'data: %b,"usage":%b}\n\n' % (body, self._usage(made))
        return events

    def body(self, *, usage: bool = True) -> bytes:
        """The whole answer of an unstreamed call."""
        text = b"".join(word(i) for i in range(self.call.output_tokens)).decode()
        if self._chat:
            choice: dict[str, object] = {"message": {"role": "assistant", "content": text, "refusal": None}}
        else:
            choice = {"text": text}
        choice = {"index": 0, **choice, "logprobs": None, "finish_reason": self.call.finish_reason}
        body = msgspec.json.encode({**self._common, "choices": [choice]})[:-1]
        return body + (b',"usage":%b}' % self._usage(self.call.output_tokens) if usage else b"}")

    def _event(self, content: dict[str, object], reason: str | None, made: int) -> bytes:
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": reason}
        body = msgspec.json.encode({**self._common, "choices": [choice]})
        if self.call.continuous_usage:
            body = b'%b,"usage":%b}' % (body[:-1], self._usage(made))
        return b"data: %b\n\n" % body

    def _usage(self, output_tokens: int) -> bytes:
        read = self.call.input_tokens
        return (
            b'{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d,'
            b'"prompt_tokens_details":{"cached_tokens":%d}}'
        ) % (read, read + output_tokens, output_tokens, self.call.cached_tokens)


def word(index: int) -> bytes:
    """The text of output token `index`: four bytes."""
    return _WORDS[index % len(_WORDS)]


_WORDS = tuple(f"{each} ".encode() for each in SENTENCE.split())


def embeddings_body(call: Call) -> bytes:
    """The answer to an embeddings call: unit vectors that depend on position alone."""
    data = []
    for index in range(call.inputs):
        value = call.dimensions**-0.5 * (-1 if index % 2 else 1)
        vector: object = [value] * call.dimensions
        if call.as_base64:
            vector = base64.b64encode(
                struct.pack(f"<{call.dimensions}f", *[value] * call.dimensions)
            ).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    usage = {"prompt_tokens": call.input_tokens, "total_tokens": call.input_tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": call.model, "usage": usage})


def models_body(models: tuple[str, ...]) -> bytes:
    """The answer to `GET /v1/models`."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "baseload-twin"} for name in models]
    return msgspec.json.encode({"object": "list", "data": data})
