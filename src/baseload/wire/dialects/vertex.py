"""Claude on Vertex AI: Anthropic's messages in Google's calls, which name model and streaming in the path.

Source: Anthropic, "Claude on Vertex AI", and Google Cloud, "Use Claude models" (read November 2026): the body
has no `model`, and `anthropic_version` in the place of that header; answers and streams are Anthropic's own,
errors Anthropic's or Google's.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from msgspec import Raw

from baseload import errors
from baseload.errors import RequestError
from baseload.wire import anthropic
from baseload.wire.anthropic import Answer, MessagesRelay
from baseload.wire.dialects.crossing import Crossing
from baseload.wire.dialects.judging import Judged
from baseload.wire.dialects.nouns import Dialect, Failure, Json, Prompt
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.openai import ErrorDetail, rename_answer
from baseload.wire.sse import EventRelay

VERSION = "vertex-2023-10-16"
"""`anthropic_version` of every such request."""
COUNT_TOKENS = b"/models/count-tokens:rawPredict"

_members = msgspec.json.Decoder(dict[str, Raw]).decode


def call_suffix(model: str, *, stream: bool) -> bytes:
    """Path of a call after `.../publishers/anthropic`."""
    return f"/models/{quote(model, safe='@')}:{'streamRawPredict' if stream else 'rawPredict'}".encode()


def read_failure(value: Json) -> Failure:
    """An error in Anthropic's words, or in those of Google, which stands before it."""
    detail = value.get("error")
    if isinstance(detail, dict) and "status" in detail:
        return SPEAKERS[Dialect.GEMINI].read_failure(value)
    return SPEAKERS[Dialect.MESSAGES].read_failure(value)


class VertexCrossing(Crossing):
    """A request of another dialect for Claude on Vertex AI."""

    __slots__ = ()

    def suffix(self) -> bytes:
        return call_suffix(self._sent_model, stream=self._stream)

    def enveloped(self, value: Json) -> Json:
        del value["model"]
        return {"anthropic_version": VERSION, **value}

    def _failure(self, value: Json, named: str) -> Failure:
        return read_failure(value)


class Enveloped(Crossing):
    """A request of Anthropic's own format for Claude on Vertex AI: what is in it passes as it is."""

    __slots__ = ("_beta", "_suffix")

    def __init__(self, body: bytes, *, asked: str, model: str | None, stream: bool, beta: bytes) -> None:
        """Raises RequestError (invalid_json)."""
        sent = asked if model is None else model
        prompt = Prompt(sent, [], stream=stream)
        super().__init__(Dialect.MESSAGES, Dialect.MESSAGES, b"", Judged([], [], set()), prompt, asked=asked)
        self._beta = beta
        self._suffix = call_suffix(sent, stream=stream)
        members = _read(body)
        members.pop("model", None)
        self.body = msgspec.json.encode({"anthropic_version": VERSION, **members})

    @classmethod
    def counting(cls, body: bytes, *, asked: str, model: str | None, beta: bytes) -> Enveloped:
        """A call of `count_tokens`, whose body names the model. Raises RequestError (invalid_json)."""
        made = cls(body, asked=asked, model=model, stream=False, beta=beta)
        made._suffix = COUNT_TOKENS
        name = asked if model is None else model
        made.body = msgspec.json.encode({**_read(body), "anthropic_version": VERSION, "model": name})
        return made

    def suffix(self) -> bytes:
        return self._suffix

    def passed(self) -> bytes:
        return b"anthropic-beta: %b\r\n" % self._beta if self._beta else b""

    def relay(self, *, chunked_in: bool, chunked_out: bool) -> EventRelay:
        return MessagesRelay(chunked_in=chunked_in, chunked_out=chunked_out, drop_usage=False)

    def read_answer(self, body: bytes, status: int, named: str = "") -> Answer | None:
        answer = anthropic.read_answer(body)
        if status == 200 or answer is None:
            return answer
        failure = read_failure(msgspec.json.decode(body))
        return Answer(None, ErrorDetail(failure.message, failure.kind, failure.code, failure.param))

    def whole(self, body: bytes) -> bytes:
        return rename_answer(body, self._sent_model, self._model)

    def failure(self, body: bytes, status: int, named: str = "") -> bytes:
        answer = anthropic.read_answer(body)
        if answer is not None and isinstance(answer.error, ErrorDetail) and answer.error.type:
            return body
        return super().failure(body, status, named)

    def _failure(self, value: Json, named: str) -> Failure:
        return read_failure(value)


def _read(body: bytes) -> dict[str, Raw | str]:
    """The members of a request, each value's bytes as they came."""
    try:
        return dict(_members(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(errors.INVALID_JSON, f"the body is not JSON: {error}") from None
