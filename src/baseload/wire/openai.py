"""OpenAI's JSON as the gateway needs it: a few request fields, usage, errors. Bodies stay bytes.

Only the fields that routing, limits and settlement depend on are decoded; everything else passes through
byte for byte. Shapes: OpenAI's API reference (chat completions, completions, embeddings).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from baseload import errors
from baseload.core import Tokens
from baseload.errors import RequestError
from baseload.wire import charges, metering


class StreamOptions(Struct):
    """`stream_options` of a request; unknown members are kept by the byte patch, not here."""

    include_usage: bool | None = None


_MAX_TOKENS = 2**31 - 1
_MAX_CHOICES = 2**16 - 1
MAX_MEMBERS = 1000
"""Keys at the top level of a request body."""

SHORT_BODY = 2048
"""Bytes of a body that is decoded as a whole, which then is faster than picking members from it."""

Bound = Annotated[int, Meta(ge=1, le=_MAX_TOKENS)]
Count = Annotated[int, Meta(ge=0, le=_MAX_TOKENS)]
"""Tokens as a target reports them; beyond it a report is nonsense, and would not fit the ledger's columns."""


class _WireFields(Struct):
    """The members of a body that are decoded: nothing else here, since whatever is here a client can set."""

    model: str
    stream: bool | None = None
    max_tokens: Bound | None = None
    max_completion_tokens: Bound | None = None
    n: Annotated[int, Meta(ge=1, le=_MAX_CHOICES)] | None = None
    stream_options: StreamOptions | None = None


class RequestFields(_WireFields):
    """What the gateway reads of a chat completions, completions or embeddings request.

    `members` are the body's top-level members as they came; `spans` says where the values that
    `patch_request` may replace stand in the body, None for one without white space between its tokens.
    """

    members: dict[str, Raw] = {}
    spans: dict[str, tuple[int, int]] | None = None

    @property
    def output_bound(self) -> int | None:
        """The most output tokens the client allows, over all choices; None where it sets no bound."""
        bound = self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens
        return None if bound is None else bound * (self.n or 1)

    def value_spans(self) -> dict[str, tuple[int, int]]:
        """Start and end in the body of each value read here."""
        return self.spans or _compact_spans(self.members)

    @property
    def wants_usage(self) -> bool:
        """Whether a streamed answer must end with the usage chunk because the client asked for it."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class PromptDetails(Struct, forbid_unknown_fields=True):
    """`usage.prompt_tokens_details`."""

    cached_tokens: Count | None = None
    audio_tokens: Count | None = None
    cache_write_tokens: Count | None = None


class CompletionDetails(Struct, forbid_unknown_fields=True):
    """`usage.completion_tokens_details`; predictions are in the completion, rejected ones too."""

    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    accepted_prediction_tokens: Count | None = None
    rejected_prediction_tokens: Count | None = None


class Usage(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """`usage` as OpenAI and most engines report it; what else it may hold `OtherUsage` reads."""

    prompt_tokens: Count = 0
    completion_tokens: Count | None = 0
    total_tokens: Count | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    reasoning_tokens: Count | None = None  # SGLang
    queue_time: float | None = None  # Groq, as the other times
    prompt_time: float | None = None
    completion_time: float | None = None
    total_time: float | None = None

    def tokens(self, service_tier: str | None = None) -> Tokens:
        """The same counts in our own terms: those of `metering.chat`, at once where they are plain."""
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        whole, output = self.prompt_tokens, self.completion_tokens or 0
        cached = reasoning = 0
        plain = service_tier is None or service_tier == "default"
        if prompt is not None:
            cached = prompt.cached_tokens or 0
            plain = plain and cached <= whole and not (prompt.audio_tokens or prompt.cache_write_tokens)
        if completion is not None:
            reasoning = completion.reasoning_tokens or 0
            plain = plain and reasoning <= output and not completion.audio_tokens
        if plain and (self.total_tokens or 0) <= whole + output and not self.reasoning_tokens:
            return Tokens(whole, cached, 0, output, reasoning)
        return metering.chat(msgspec.to_builtins(self), service_tier)


class OtherUsage(Usage):
    """`usage` with members beyond OpenAI's own, kept as they came."""

    members: dict[str, Any] = {}

    def tokens(self, service_tier: str | None = None) -> Tokens:
        """As `Usage.tokens`."""
        return metering.chat(self.members, service_tier)


class ErrorDetail(Struct):
    """What is in `error`; engines and providers fill it differently, so every member may be absent."""

    message: str = ""
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _InBandError(Struct):
    error: Raw = Raw(b"null")


class _Unusual(Struct):
    usage: dict[str, Any] | None = None
    error: ErrorDetail | str | None = None
    service_tier: str | None = None


class Answer(Struct):
    """What the gateway reads of an unstreamed answer or of one stream event.

    `usage` is None where the answer has none, and where what it has is no usage.
    """

    usage: Usage | None = None
    error: ErrorDetail | str | None = None
    service_tier: str | None = None

    @property
    def tokens(self) -> Tokens | None:
        """The usage in our own terms."""
        return None if self.usage is None else self.usage.tokens(self.service_tier)

    @property
    def retry_after_s(self) -> float | None:
        """OpenAI's errors say when to come again in a header alone."""
        return None


class _ErrorOnly(Struct):
    error: ErrorDetail | str | None = None


_decode_unusual = msgspec.json.Decoder(_Unusual).decode
_decode_request = msgspec.json.Decoder(_WireFields).decode
_decode_answer = msgspec.json.Decoder(Answer).decode
_decode_error_only = msgspec.json.Decoder(_ErrorOnly).decode
_decode_bare = msgspec.json.Decoder(ErrorDetail).decode
_decode_error = msgspec.json.Decoder(_InBandError).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode

_READ = {name: b'"%b":' % name.encode() for name in _WireFields.__struct_fields__}
_KEY = re.compile(rb'[ \t\r\n]*+("(?:[^"\\]|\\.)*+")[ \t\r\n]*+:[ \t\r\n]*+')
_NEXT = re.compile(rb"[ \t\r\n]*+[,}]")
_WITH_USAGE = b'{"include_usage":true}'


def read_members(body: bytes) -> dict[str, Raw]:
    """The top-level members of a body as they came. Raises RequestError: invalid_json."""
    try:
        if not body.isascii():
            body.decode()
        members = _decode_members(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(errors.INVALID_JSON, f"the body is not JSON: {error}") from None
    if len(members) > MAX_MEMBERS:
        raise RequestError(errors.INVALID_JSON, f"the body has more than {MAX_MEMBERS} keys")
    return members


def read_request(body: bytes) -> RequestFields:
    """The fields of a request body.

    Raises RequestError: invalid_json, invalid_field (with `param`), duplicate_key: a key that is sent twice,
    or in capitals, could be read differently by us and by the target.
    """
    try:
        if not body.isascii():
            body.decode()
        members = _decode_members(body)
        names = tuple(members)
        shape = _shapes.get(names) or _shape(names)
        if len(body) < SHORT_BODY:
            read = _decode_request(body)
        else:  # its long values are read over once, not twice
            read = _decode_request(b"{%b}" % b",".join([key + members[name] for name, key in shape.read]))
        if read.stream_options is not None and bytes(members["stream_options"]) != _WITH_USAGE:
            options = _decode_members(members["stream_options"])
            check_letters(options, ("include_usage",), "stream_options.")
    except msgspec.ValidationError as error:
        raise invalid_field(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(errors.INVALID_JSON, f"the body is not JSON: {error}") from None
    compact = len(body) == shape.bytes + sum(map(len, members.values()))
    return RequestFields(
        read.model,
        read.stream,
        read.max_tokens,
        read.max_completion_tokens,
        read.n,
        read.stream_options,
        members,
        None if compact else member_spans(body, members, _READ),
    )


def patch_request(body: bytes, fields: RequestFields, *, model: str | None, add_usage: bool) -> bytes:
    """The body for a target that knows the model as `model` (None: as the client wrote it).

    `add_usage` asks a stream to end with usage. `fields` are those read of this body. Every other byte stays
    as the client sent it.
    """
    rename = model is not None and model != fields.model
    if not rename and not add_usage:
        return body
    spans = fields.value_spans()
    start, end = spans["model"]
    name = msgspec.json.encode(model) if rename else body[start:end]
    if not add_usage:
        return body[:start] + name + body[end:]
    options = spans.get("stream_options")
    if options is None:
        return b'%b%b,"stream_options":%b%b' % (body[:start], name, _WITH_USAGE, body[end:])
    asked = _with_usage(body[slice(*options)])
    edits = sorted(((start, end, name), (*options, asked)), reverse=True)
    for first, last, value in edits:
        body = body[:first] + value + body[last:]
    return body


def read_answer(body: bytes) -> Answer | None:
    """Usage and error of an unstreamed answer or an event's data; None when it is not such a JSON object.

    Usage that cannot be used (a count that is no count) makes no good answer a bad one: it is left out.
    """
    try:
        return _decode_answer(body)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    try:
        return _read_unusual(body)
    except (ValueError, RecursionError):
        pass
    try:
        return Answer(error=_decode_error_only(body).error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def bare_error(body: bytes) -> ErrorDetail | None:
    """The error that engines put at the top level of an error answer, as vLLM did before its version 0.10."""
    try:
        found = _decode_bare(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.message else None


def _read_unusual(body: bytes) -> Answer:
    """An answer whose usage has members beyond OpenAI's. Raises ValueError for a count that is none."""
    read = _decode_unusual(body)
    if read.usage is None:
        return Answer(None, read.error, read.service_tier)
    if not charges.usable(read.usage):
        raise ValueError("a count is no count")
    sums = (read.usage.get("prompt_tokens", 0), read.usage.get("completion_tokens"))
    return Answer(OtherUsage(*sums, members=read.usage), read.error, read.service_tier)


def is_error(data: bytes) -> bool:
    """Whether an event's data reports an error, of whatever shape."""
    try:
        return bytes(_decode_error(data).error) != b"null"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def rename_answer(body: bytes, served: str | None, asked: str) -> bytes:
    """The answer with the model's name as the client asked for it, where that is one splice."""
    if served is None or served == asked:
        return body
    old = b'"model":' + msgspec.json.encode(served)
    at = body.find(old)
    if at < 0:
        old = b'"model": ' + msgspec.json.encode(served)
        at = body.find(old)
        if at < 0:
            return body
    return body[:at] + b'"model":' + msgspec.json.encode(asked) + body[at + len(old) :]


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


class _Shape(Struct, frozen=True):
    """The keys of a body in their order: those that are read, and how long a compact body is but for values.

    A body that is longer has white space between its tokens, or a key that is spelled with escapes or sent
    twice: then it is looked at token by token.
    """

    read: tuple[tuple[str, bytes], ...]
    bytes: int


_shapes: dict[tuple[str, ...], _Shape] = {}
MAX_SHAPES = 256
"""Clients send few: what their SDKs write. When there are more, remembering starts afresh."""
MAX_SHAPE = 1024
"""Characters of all keys of a body that is remembered."""


def _shape(names: tuple[str, ...]) -> _Shape:
    """The shape of a body with these keys, in this order; kept for the next one.

    Raises RequestError: invalid_json, invalid_field, duplicate_key.
    """
    if len(names) > MAX_MEMBERS:
        raise RequestError(errors.INVALID_JSON, f"the body has more than {MAX_MEMBERS} keys")
    check_letters(names, _READ)
    read = tuple((name, _READ[name]) for name in names if name in _READ)
    shape = _Shape(read, 1 + 4 * len(names) + sum(map(len, names)))
    if sum(map(len, names)) + len(names) <= MAX_SHAPE:
        if len(_shapes) >= MAX_SHAPES:
            _shapes.clear()
        _shapes[names] = shape
    return shape


def _compact_spans(members: dict[str, Raw]) -> dict[str, tuple[int, int]]:
    """Where values stand in a compact body."""
    spans = {}
    at = 1
    for name, value in members.items():
        start = at + len(name) + 3
        at = start + len(value) + 1
        if name in _READ:
            spans[name] = (start, at - 1)
    return spans


def member_spans(body: bytes, members: dict[str, Raw], read: Collection[str]) -> dict[str, tuple[int, int]]:
    """Start and end in the body of the values of those members that are in `read`.

    `members` are the body's own. Raises RequestError (duplicate_key) for one that is sent twice.
    """
    spans = {}
    at = body.index(b"{") + 1
    for name, value in members.items():
        key = _KEY.match(body, at)
        found = None if key is None else json.loads(key.group(1))
        # Keys come in the body's order, each with its last value: a difference is a key that comes again.
        if key is None or found != name or not body.startswith(value, key.end()):
            raise _repeated(name if found == name else found)
        at = key.end() + len(value)
        if name in read:
            spans[name] = (key.end(), at)
        after = _NEXT.match(body, at)
        if after is None:
            raise _repeated(name)
        at = after.end()
    again = _KEY.match(body, at)
    if again is not None:
        raise _repeated(json.loads(again.group(1)))
    return spans


def check_letters(names: Collection[str], read: Collection[str], inside: str = "") -> None:
    """Refuses a key that we read, in other letters: some servers' JSON ignores case and takes it for the key.

    Raises RequestError: duplicate_key where the key itself is there too, else invalid_field.
    """
    for name in names:
        key = name.casefold()
        if key == name or key not in read:
            continue
        if key in names:
            message = f"the keys {key!r} and {name!r} are one key to some servers"
            raise RequestError(errors.DUPLICATE_KEY, message, param=inside + key)
        message = f"the key {name!r} must be written {key!r}"
        raise RequestError(errors.INVALID_FIELD, message, param=inside + key)


def _repeated(name: str | None) -> RequestError:
    return RequestError(errors.DUPLICATE_KEY, f"the key {name!r} is sent twice", param=name)


def _with_usage(options: bytes) -> bytes:
    """`stream_options` as the client sent them, with usage asked for."""
    if options == b"null":
        return _WITH_USAGE
    members = _decode_members(options)
    members["include_usage"] = Raw(b"true")
    return msgspec.json.encode(members)


def invalid_field(message: str) -> RequestError:
    """A decoder's message as an error with the field's name.

    msgspec says "Expected `int`, got `str` - at `$.max_tokens`": split off the name.
    """
    what, _, where = message.partition(" - at `$")
    param = where.rstrip("`").lstrip(".") or None
    missing = re.search(r"missing required field `(\w+)`", what)
    if missing:
        param = missing.group(1)
    return RequestError(errors.INVALID_FIELD, what[:200], param=param)
