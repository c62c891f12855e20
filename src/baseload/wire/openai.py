"""OpenAI's JSON as the gateway needs it: a few request fields, usage, errors. Bodies stay bytes.

Only the fields that routing, limits and settlement depend on are decoded; everything else passes through
byte for byte. Shapes: OpenAI's API reference (chat completions, completions, embeddings).
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from msgspec import Struct

from baseload import errors
from baseload.core import Tokens
from baseload.errors import RequestError


class StreamOptions(Struct):
    """`stream_options` of a request; unknown members are kept by the byte patch, not here."""

    include_usage: bool | None = None


class RequestFields(Struct):
    """What the gateway reads of a chat completions, completions or embeddings request."""

    model: str
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    stream_options: StreamOptions | None = None

    @property
    def output_bound(self) -> int | None:
        """The most output tokens the client allows, over all choices; None where it sets no bound."""
        bound = self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens
        return None if bound is None else bound * (self.n or 1)

    @property
    def wants_usage(self) -> bool:
        """Whether a streamed answer must end with the usage chunk because the client asked for it."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class PromptDetails(Struct):
    """`usage.prompt_tokens_details`."""

    cached_tokens: int | None = None


class CompletionDetails(Struct):
    """`usage.completion_tokens_details`."""

    reasoning_tokens: int | None = None


class Usage(Struct):
    """`usage` as OpenAI and the engines report it."""

    prompt_tokens: int = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    def tokens(self) -> Tokens:
        """The same counts in our own terms."""
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        return Tokens(
            input=self.prompt_tokens,
            cached_input=(prompt.cached_tokens or 0) if prompt is not None else 0,
            output=self.completion_tokens or 0,
            reasoning=(completion.reasoning_tokens or 0) if completion is not None else 0,
        )


class ErrorDetail(Struct):
    """What is in `error`; engines and providers fill it differently, so every member may be absent."""

    message: str = ""
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class Answer(Struct):
    """What the gateway reads of an unstreamed answer or of one stream event."""

    usage: Usage | None = None
    error: ErrorDetail | str | None = None


_decode_request = msgspec.json.Decoder(RequestFields).decode
_decode_answer = msgspec.json.Decoder(Answer).decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_KEYS = ("model", "stream", "max_tokens", "max_completion_tokens", "n", "stream_options")
_MODEL = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*("(?:[^"\\]|\\.)*")')
_ESCAPED_KEY = re.compile(rb"\\u00[2-7]")


def read_request(body: bytes) -> RequestFields:
    """The fields of a request body.

    Raises RequestError: invalid_json, invalid_field (with `param`), duplicate_key: a key that routing
    depends on and that is sent twice could be read differently by us and by the target.
    """
    try:
        fields = _decode_request(body)
    except msgspec.ValidationError as error:
        raise _invalid_field(str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(errors.INVALID_JSON, f"the body is not JSON: {error}") from None
    if body.count(b'"model"') > 1 or _may_repeat(body, fields):
        _refuse_repeated(body)
    for name in ("max_tokens", "max_completion_tokens", "n"):
        value = getattr(fields, name)
        if value is not None and value < 1:
            raise RequestError(errors.INVALID_FIELD, f"{name} must be at least 1", param=name)
    return fields


def patch_request(body: bytes, fields: RequestFields, *, model: str | None, add_usage: bool) -> bytes:
    """The body for a target that knows the model as `model` (None: as the client wrote it).

    `add_usage` asks a stream to end with usage. Every other byte stays as the client sent it.
    """
    rename = model is not None and model != fields.model
    if not rename and not add_usage:
        return body
    if (add_usage and fields.stream_options is not None) or (rename and body.count(b'"model"') != 1):
        return _patch_members(body, model if rename else None, add_usage)
    if rename:
        match = _MODEL.search(body)
        if match is None:  # the key is spelled with escapes
            return _patch_members(body, model, add_usage)
        start, end = match.span(1)
        body = body[:start] + json.dumps(model).encode() + body[end:]
    if add_usage:
        start = body.index(b"{") + 1
        body = body[:start] + b'"stream_options":{"include_usage":true},' + body[start:]
    return body


def read_answer(body: bytes) -> Answer | None:
    """Usage and error of an unstreamed answer or an event's data; None when it is not such a JSON object."""
    try:
        return _decode_answer(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def rename_answer(body: bytes, served: str | None, asked: str) -> bytes:
    """The answer with the model's name as the client asked for it, where that is one splice."""
    if served is None or served == asked:
        return body
    old = b'"model":' + json.dumps(served).encode()
    at = body.find(old)
    if at < 0:
        old = b'"model": ' + json.dumps(served).encode()
        at = body.find(old)
        if at < 0:
            return body
    return body[:at] + b'"model":' + json.dumps(asked).encode() + body[at + len(old) :]


def error_body(error: RequestError, request_id: str) -> bytes:
    """An error as OpenAI's clients read it, with our stable code and the request's id."""
    fault = error.fault
    detail = {
        "message": f"{error.message} - {fault.next}" if fault.next else error.message,
        "type": fault.type,
        "param": error.param,
        "code": fault.code,
        "source": fault.source.value,
        "retryable": fault.retryable,
        "request_id": request_id,
    }
    return msgspec.json.encode({"error": detail})


def _may_repeat(body: bytes, fields: RequestFields) -> bool:
    """Whether a look at the bytes leaves it open that one of the keys we read stands twice."""
    if fields.stream is not None and body.count(b'"stream"') > 1:
        return True
    if fields.max_tokens is not None and body.count(b'"max_tokens"') > 1:
        return True
    if fields.max_completion_tokens is not None and body.count(b'"max_completion_tokens"') > 1:
        return True
    if fields.stream_options is not None and body.count(b'"stream_options"') > 1:
        return True
    if fields.n is not None and body.count(b'"n"') > 1:
        return True
    return b"\\u00" in body and _ESCAPED_KEY.search(body) is not None


def _refuse_repeated(body: bytes) -> None:
    """Look for repeated keys at the top level exactly; slow, and rarely needed."""
    outermost: list[tuple[str, Any]] = []

    def keep(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs  # the outermost object is closed last

    try:
        json.loads(body, object_pairs_hook=keep)
    except (ValueError, RecursionError) as error:
        raise RequestError(errors.INVALID_JSON, f"the body is not JSON: {error}") from None
    names = [name for name, _ in outermost]
    for key in _KEYS:
        if names.count(key) > 1:
            raise RequestError(errors.DUPLICATE_KEY, f"the key {key!r} is sent twice", param=key)


def _patch_members(body: bytes, model: str | None, add_usage: bool) -> bytes:
    """As `patch_request`, member by member; each value keeps its own bytes."""
    members = _decode_raw(body)
    if model is not None:
        members["model"] = msgspec.Raw(json.dumps(model).encode())
    if add_usage:
        options = members.get("stream_options")
        known: dict[str, Any] = {}
        if options is not None and bytes(options) != b"null":
            known = msgspec.json.decode(options)
        members["stream_options"] = msgspec.Raw(msgspec.json.encode({**known, "include_usage": True}))
    return msgspec.json.encode(members)


def _invalid_field(message: str) -> RequestError:
    """msgspec says "Expected `int`, got `str` - at `$.max_tokens`": split off the field's name."""
    what, _, where = message.partition(" - at `$")
    param = where.rstrip("`").lstrip(".") or None
    missing = re.search(r"missing required field `(\w+)`", what)
    if missing:
        param = missing.group(1)
    return RequestError(errors.INVALID_FIELD, what[:200], param=param)
