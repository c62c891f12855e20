"""What is read of requests and answers that pass through: a model, and what is charged for.

Shapes: OpenAI's API reference (images, audio, moderations), Cohere's and Jina's rerank, which engines follow.
"""

from __future__ import annotations

import json

import msgspec
from msgspec import Raw, Struct

from baseload import errors
from baseload.core import Tokens
from baseload.errors import RequestError
from baseload.wire import openai
from baseload.wire.openai import Count, ErrorDetail, RequestFields

TAIL = 16 * 1024
"""Bytes of the end of an event stream that are looked at for its usage."""
_MILLI = 1000


class _Details(Struct):
    image_tokens: Count | None = None
    audio_tokens: Count | None = None
    cached_tokens: Count | None = None


class _Usage(Struct):
    """`usage`, by whichever names: OpenAI's audio counts seconds or tokens, rerankers a total alone."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    seconds: float | None = None
    input_tokens_details: _Details | None = None
    input_token_details: _Details | None = None

    @property
    def details(self) -> _Details:
        return self.input_tokens_details or self.input_token_details or _Details()

    def tokens(self) -> Tokens | None:
        """The counts in our own terms; None where there are none."""
        read = self.input_tokens if self.input_tokens is not None else self.prompt_tokens
        made = self.output_tokens if self.output_tokens is not None else self.completion_tokens
        if read is None and made is None:
            read = self.total_tokens
        if read is None and made is None:
            return None
        cached = self.details.cached_tokens or 0
        return Tokens(read or 0, min(cached, read or 0), output=made or 0)


class _BilledUnits(Struct):
    search_units: Count | None = None


class _Meta(Struct):
    billed_units: _BilledUnits | None = None


class _Answer(Struct):
    usage: _Usage | None = None
    data: list[Raw] | None = None
    duration: float | None = None
    meta: _Meta | None = None
    error: ErrorDetail | str | None = None


class PassedAnswer(Struct, frozen=True):
    """What an answer says that it is charged for; None is what it does not say.

    `images` counts the members of its `data`, `milliseconds` the audio that was read, `searches` a reranker's
    search units. `image_tokens` and `audio_tokens` are in the tokens' input.
    """

    tokens: Tokens | None = None
    error: ErrorDetail | str | None = None
    images: int | None = None
    milliseconds: int | None = None
    searches: int | None = None
    image_tokens: int = 0
    audio_tokens: int = 0

    @property
    def retry_after_s(self) -> float | None:
        """OpenAI's errors say when to come again in a header alone."""
        return None


NOTHING_SAID = PassedAnswer()

_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_text = msgspec.json.Decoder(str).decode
_scan = json.JSONDecoder().raw_decode


def read_request(body: bytes) -> RequestFields:
    """As `openai.read_request`, of a body whose model may be absent: it is "" then.

    Raises RequestError: invalid_json, invalid_field, duplicate_key.
    """
    try:
        names = _decode_members(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return openai.read_request(body)  # what is wrong with it is said there
    if "model" in names:
        return openai.read_request(body)
    for name in names:
        if name.casefold() == "model":
            message = f"the key {name!r} must be written 'model'"
            raise RequestError(errors.INVALID_FIELD, message, param="model")
    at = body.index(b"{") + 1
    comma = b"" if body[at:].lstrip().startswith(b"}") else b","
    return openai.read_request(b'%b"model":""%b%b' % (body[:at], comma, body[at:]))


def characters(fields: RequestFields) -> int | None:
    """How long the text of a speech request is, in characters; None where `input` is no text."""
    try:
        return len(_decode_text(fields.members["input"]))
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_answer(body: bytes) -> PassedAnswer | None:
    """What a whole answer says; None where it is no JSON object.

    Counts that are no counts are left out.
    """
    try:
        said = _decode_answer(body)
    except msgspec.ValidationError:
        plain = openai.read_answer(body)
        return PassedAnswer(error=plain.error) if plain is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    seconds = said.usage.seconds if said.usage is not None else None
    units = said.meta.billed_units if said.meta is not None else None
    return PassedAnswer(
        said.usage.tokens() if said.usage is not None else None,
        said.error,
        None if said.data is None else len(said.data),
        _milliseconds(said.duration if seconds is None else seconds),
        None if units is None else units.search_units,
        *_special(said.usage),
    )


def usage_in(tail: bytes) -> PassedAnswer:
    """What the last `usage` in the end of an event stream says."""
    text = tail.decode("utf-8", "replace")
    at = text.rfind('"usage"')
    start = text.find("{", at) if at >= 0 else -1
    if start < 0 or text[at + 7 : start].strip() != ":":
        return NOTHING_SAID
    try:
        value, _ = _scan(text, start)
        usage = msgspec.convert(value, _Usage)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return NOTHING_SAID
    image_tokens, audio_tokens = _special(usage)
    return PassedAnswer(
        usage.tokens(),
        milliseconds=_milliseconds(usage.seconds),
        image_tokens=image_tokens,
        audio_tokens=audio_tokens,
    )


def _special(usage: _Usage | None) -> tuple[int, int]:
    """Input tokens that may have prices of their own."""
    details = usage.details if usage is not None else _Details()
    return details.image_tokens or 0, details.audio_tokens or 0


def _milliseconds(seconds: float | None) -> int | None:
    return round(seconds * _MILLI) if seconds is not None and 0 <= seconds < 1e9 else None
