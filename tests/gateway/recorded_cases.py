"""Recorded exchanges as calls through a gateway: what a client sends, what the target says, what must come.

Each exchange goes two ways: its request, asked by a client of its own dialect, to targets of every format
(which say its answer in their words); and its answer, as the bytes that were recorded, to clients of the
other dialects. What must come is the recorded bytes where client and target speak alike, else what the pure
translator makes of the target's bytes in one piece.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from baseload.core import Format
from baseload.errors import RequestError
from baseload.wire.aws_events import EventReader
from baseload.wire.dialects import converse_reply, judging
from baseload.wire.dialects.annex import MEMBER
from baseload.wire.dialects.converse_frames import frames_of, line_of_frame
from baseload.wire.dialects.crossing import Crossing, cross
from baseload.wire.dialects.fold import Fold
from baseload.wire.dialects.matrix import FIELDS
from baseload.wire.dialects.nouns import Dialect, Event, Failure, Reply, Started
from baseload.wire.dialects.paths import SPOKEN
from baseload.wire.dialects.paths import suffix as suffix_of
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.sse import event_data
from tests.gateway.replaying import Said, events_of, frames_in
from tests.wire.dialects.examples import Example, examples
from tests.wire.dialects.recorded import Exchange, binary, exchanges, payloads, streams

CLIENTS = (Dialect.CHAT, Dialect.MESSAGES, Dialect.GEMINI)
"""Dialects that clients speak."""
TARGETS = {
    SPOKEN[format_]: format_ for format_ in (Format.OPENAI, Format.ANTHROPIC, Format.GEMINI, Format.BEDROCK)
}
_OURS = base64.b64encode(b"baseload:").decode()
_SSE, _FRAMES, _JSON = "text/event-stream", "application/vnd.amazon.eventstream", "application/json"


@dataclass(frozen=True)
class Case:
    """One call. `refused` names the parameter where the matrix refuses it, and nothing is sent."""

    exchange: Exchange
    source: Dialect  # of the recording
    client: Dialect
    target: Dialect
    model: str
    request: bytes
    said: Said
    crossing: Crossing | None
    refused: str | None

    def __str__(self) -> str:
        return f"{self.exchange['id']} {self.client}->{self.target}"

    @property
    def format(self) -> Format:
        return TARGETS[self.target]

    @property
    def asked(self) -> str:
        """What the client calls the model."""
        return asked(self.model)

    @property
    def path(self) -> str:
        """Where the client sends it."""
        suffix = suffix_of(self.client, self.asked, stream=self.stream)
        return ("/v1beta" if self.client is Dialect.GEMINI else "/v1") + suffix.decode()

    @property
    def stream(self) -> bool:
        return said_streaming(self.said)


def asked(model: str) -> str:
    """What clients call a model that its provider calls `model`."""
    return f"my/{model}"


def said_streaming(said: Said) -> bool:
    """Whether a target's answer is a stream."""
    return said.content_type in (_SSE, _FRAMES)


def cases(shared: Path) -> Iterator[Case]:
    """Every call of every recorded exchange that some client and target can speak."""
    for source in SPEAKERS:
        for exchange in exchanges(shared, source):
            yield from _cases_of(source, exchange)


def example_cases() -> Iterator[Case]:
    """Every call of the exchanges of our own writing, but for errors, which would be retried."""
    plain: dict[Dialect, Exchange] = {}
    for member in ("reply", "stream", "request"):
        for example in examples(member):
            exchange = _as_recorded(example, member)
            if example.name == "reply_text":
                plain.setdefault(example.dialect, exchange)
            elif member == "request":
                exchange = plain[example.dialect] | exchange
            yield from _cases_of(example.dialect, exchange)


def _as_recorded(example: Example, member: str) -> Exchange:
    """An example as a recording of it would be."""
    held, dialect = example.held[member], example.dialect
    provider = "bedrock_converse" if dialect is Dialect.CONVERSE else "example"
    exchange: Exchange = {"id": f"{example} {member}", "provider": provider, "endpoint": ""}
    exchange |= {"model": example.held.get("model"), "status": 200, "request": None}
    if member == "request":
        del exchange["status"]
        return exchange | {"request": held}
    if member == "reply":
        return exchange | {"response": held}
    lines = [one.encode() if isinstance(one, str) else msgspec.json.encode(one) for one in held]
    if dialect is Dialect.CONVERSE:
        return exchange | {"response_base64": base64.b64encode(b"".join(map(frames_of, lines))).decode()}
    names = [f"event: {one['type']}\n" if isinstance(one, dict) and "type" in one else "" for one in held]
    events = (f"{name}data: {line.decode()}\n\n" for name, line in zip(names, lines, strict=True))
    return exchange | {"response_text": "".join(events)}


def _cases_of(source: Dialect, exchange: Exchange) -> Iterator[Case]:
    if _is_one_answer(source, exchange):
        for client, target in itertools.product(CLIENTS, TARGETS):
            if source in (client, target) and not _several(source, exchange, client, target):
                yield _case(exchange, source, client, target)


def _several(source: Dialect, exchange: Exchange, *asking: Dialect) -> bool:
    """Whether it holds several choices, which not all of these dialects can ask for."""
    if exchange["status"] != 200 or all(FIELDS["choices"].carried(dialect) for dialect in asking):
        return False
    if not streams(exchange):
        return len(SPEAKERS[source].read_reply(copy.deepcopy(exchange["response"])).choices) > 1
    fold = Fold()
    fold.take(read_stream(source, exchange))
    return len(fold.reply.choices) > 1


def _is_one_answer(source: Dialect, exchange: Exchange) -> bool:
    """Some recorded bodies hold two answers, which no stream does."""
    if not streams(exchange) or exchange["status"] != 200:
        return True
    return sum(isinstance(event, Started) for event in read_stream(source, exchange)) <= 1


def read_stream(dialect: Dialect, exchange: Exchange) -> list[Event]:
    """All events of a recorded stream."""
    reader = SPEAKERS[dialect].reader()
    return [event for payload in payloads(exchange) for event in reader.read(payload)]


def _case(exchange: Exchange, source: Dialect, client: Dialect, target: Dialect) -> Case:
    model = _model(exchange)
    request = _request(exchange, source, client, model)
    crossing: Crossing | None = None
    refused: str | None = None
    if client is not target:
        try:
            streamed = streams(exchange) and exchange["status"] == 200
            stream = streamed if client is Dialect.GEMINI else None
            crossing = cross(request, client, target, asked=asked(model), model=model, stream=stream)
        except RequestError as error:
            refused = error.param or error.fault.code
    said = recorded(exchange) if target is source else None
    if said is None:
        said = retold(exchange, source, target, model)
    return Case(exchange, source, client, target, model, request, said, crossing, refused)


def _model(exchange: Exchange) -> str:
    request = exchange["request"] or {}
    path = (
        exchange["endpoint"].partition("/model")[2].lstrip("s/").partition("/")[0].partition(":generate")[0]
    )
    return str(request.get("model") or unquote(path.partition(":stream")[0]) or exchange["model"] or "untold")


def _request(exchange: Exchange, source: Dialect, client: Dialect, model: str) -> bytes:
    """What a client sends: the recorded request, in its own words, or a plain one where there is none."""
    body = copy.deepcopy(exchange["request"])
    streamed = streams(exchange) and exchange["status"] == 200
    if client is not source and body:
        body = _request_told(body, source, client, model)
    if client is Dialect.GEMINI:  # whose path names model and streaming
        body = body or {"contents": [{"role": "user", "parts": [{"text": "Hello."}]}]}
        body.pop("model", None)
        return msgspec.json.encode(body)
    if not body:
        body = {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 4096}
    body["model"] = asked(model)
    if bool(body.get("stream")) is not streamed:
        body["stream"] = streamed
    return msgspec.json.encode(body)


def _request_told(body: Any, source: Dialect, client: Dialect, model: str) -> Any:
    try:
        prompt = SPEAKERS[source].read_request(body)
        prompt.model = model
        judging.judge(prompt, source, client)
    except RequestError:
        return None
    return SPEAKERS[client].write_request(prompt)


def recorded(exchange: Exchange) -> Said | None:
    """The target's own bytes; None for frames that a provider put around another one's events."""
    kept = ("retry-after", "x-should-retry", "x-amzn-errortype")
    headers = tuple((name, str(value)) for name, value in _headers(exchange).items() if name in kept)
    status = exchange["status"]
    if (framed := binary(exchange)) is not None:
        if exchange["provider"] != "bedrock_converse":
            return None
        return Said(status, _FRAMES, frames_in(framed), headers)
    text = exchange.get("response_text")
    if text is not None and (status == 200 or not text.startswith("{")):
        return Said(status, _SSE if status == 200 else "text/plain", events_of(text.encode()), headers)
    body = text.encode() if text is not None else msgspec.json.encode(exchange["response"])
    return Said(status, _JSON, (body,), headers)


def _headers(exchange: Exchange) -> dict[str, Any]:
    return {name.lower(): value for name, value in (exchange.get("response_headers") or {}).items()}


def retold(exchange: Exchange, source: Dialect, target: Dialect, model: str) -> Said:
    """What a target of another format says in its place: no provider knows our annex, so it is left out."""
    speaker, status = SPEAKERS[target], exchange["status"]
    if status != 200:
        failure = _failure(exchange, source)
        return Said(status, _JSON, (msgspec.json.encode(speaker.write_failure(failure, status)),))
    if not streams(exchange):
        reply = SPEAKERS[source].read_reply(copy.deepcopy(exchange["response"]))
        return Said(status, _JSON, (msgspec.json.encode(_plain(speaker.write_reply(reply))),))
    writer = speaker.writer(model=model, usage=True)
    written = b"".join(writer.write(event) for event in read_stream(source, exchange))
    if target is Dialect.CONVERSE:
        lines = [msgspec.json.encode(_plain(msgspec.json.decode(line))) for line in written.splitlines()]
        return Said(status, _FRAMES, tuple(frames_of(line) for line in lines))
    return Said(status, _SSE, tuple(_plain_event(event) for event in _unsealed(events_of(written))))


def _unsealed(events: Iterable[bytes]) -> Iterator[bytes]:
    """A stream without the block that holds the annex in Anthropic's format: neither start nor stop."""
    gone: set[int] = set()
    for event in events:
        read = msgspec.json.decode(data) if (data := event_data(event)).startswith(b"{") else {}
        if _is_block_of_ours(read.get("content_block")):
            gone.add(read["index"])
        if read.get("index") not in gone or not str(read.get("type")).startswith("content_block"):
            yield event


def _is_block_of_ours(value: Any) -> bool:
    return isinstance(value, dict) and str(value.get("data", "")).startswith(_OURS)


def _plain_event(event: bytes) -> bytes:
    data = event_data(event)
    if MEMBER.encode() not in data and _OURS.encode() not in data:
        return event
    return event.replace(data, msgspec.json.encode(_plain(msgspec.json.decode(data))))


def _annexed(name: str, value: Any) -> bool:
    """Whether a member holds the annex: by its name, or in Google's format as a signature of ours."""
    return name == MEMBER or (name == "thoughtSignature" and str(value).startswith(_OURS))


def _plain(value: Any) -> Any:
    """A value without the member or block that holds the annex, anywhere."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if not _annexed(name, inner)}
    if isinstance(value, list):
        return [_plain(one) for one in value if not _is_block_of_ours(one)]
    return value


def _failure(exchange: Exchange, source: Dialect) -> Failure:
    body = exchange.get("response")
    if not isinstance(body, dict):
        return Failure(str(exchange.get("response_text") or body))
    if source is Dialect.CONVERSE:
        return converse_reply.read_failure(body, str(_headers(exchange).get("x-amzn-errortype", "")))
    return SPEAKERS[source].read_failure(copy.deepcopy(body))


# -- what must come -----------------------------------------------------------------------------------------


def told(case: Case) -> bytes:
    """What the pure translator makes of the target's answer in one piece."""
    assert case.crossing is not None
    if not case.stream:
        return case.crossing.whole(case.said.body)
    body = case.said.body
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return case.crossing.relay(chunked_in=True, chunked_out=False).feed(framed)


def meant(dialect: Dialect, body: bytes, *, stream: bool) -> Reply:
    """The answer that a client or a target of this dialect reads of these bytes."""
    if not stream:
        return SPEAKERS[dialect].read_reply(msgspec.json.decode(body))
    fold, reader = Fold(), SPEAKERS[dialect].reader()
    for event in events_of(body):
        if data := event_data(event):
            fold.take(reader.read(data))
    return fold.reply


def meant_by_target(case: Case) -> Reply:
    """The answer that is in the target's bytes."""
    if case.said.content_type != _FRAMES:
        return meant(case.target, case.said.body, stream=case.stream)
    fold, reader = Fold(), SPEAKERS[case.target].reader()
    for frame in EventReader().feed(case.said.body):
        fold.take(reader.read(line_of_frame(frame)))
    return fold.reply


def counted(case: Case) -> tuple[int, int] | None:
    """Input and output tokens as the recording says them, read without the code under test."""
    found: list[Any] = []
    if not streams(case.exchange):
        found = [case.exchange.get("response")]
    else:
        found = [json.loads(data) for data in payloads(case.exchange) if data.startswith(b"{")]
    return _usage(case.source, found)


def _usage(dialect: Dialect, events: list[Any]) -> tuple[int, int] | None:
    """The last of what is said of each count."""
    held: dict[str, Any] = {}
    for event in events:
        if not isinstance(event, dict):
            continue
        if dialect is Dialect.CONVERSE:
            event = event.get("metadata", event)
        for holder in (event, event.get("message") or {}, event.get("response") or {}):
            if isinstance(holder, dict):
                usage = holder.get("usage") or holder.get("usageMetadata") or {}
                held |= {name: value for name, value in usage.items() if value is not None}
    if not held:
        return None
    given, made = (sum(held.get(name) or 0 for name in names) for names in _COUNTS[dialect])
    if dialect is Dialect.CHAT:  # xAI counts reasoning beside what is said, and in the total alone
        made = max(made, (held.get("total_tokens") or 0) - given)
    return given, made


_COUNTS: dict[Dialect, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Dialect.CHAT: (("prompt_tokens",), ("completion_tokens",)),
    Dialect.RESPONSES: (("input_tokens",), ("output_tokens",)),
    Dialect.MESSAGES: (
        ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
        ("output_tokens",),
    ),
    Dialect.GEMINI: (
        ("promptTokenCount", "toolUsePromptTokenCount"),
        ("candidatesTokenCount", "thoughtsTokenCount"),
    ),
    Dialect.CONVERSE: (
        ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
        ("outputTokens",),
    ),
}
