"""Converse as AWS understands it: botocore and its model of the service read what we write, and are read."""

from __future__ import annotations

import base64
import copy
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError, EventStreamError
from botocore.parsers import EventStreamJSONParser, create_parser
from botocore.validate import ParamValidator

from baseload.errors import RequestError
from baseload.wire.aws_events import EventReader, Header, encode_frame
from baseload.wire.aws_events import Kind as Type
from baseload.wire.dialects import converse, converse_reply, judging
from baseload.wire.dialects.converse_frames import frames_of, line_of_frame
from baseload.wire.dialects.converse_stream import StreamReader, StreamWriter
from baseload.wire.dialects.nouns import (
    Broken,
    Dialect,
    Failure,
    Kind,
    Media,
    Role,
)
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.examples import events_of_stream, examples
from tests.wire.dialects.recorded import exchanges
from tests.wire.dialects.service_model import CONVERSE, STREAM, members, parsed, problems, seen
from tests.wire.dialects.test_recorded import read_stream, replies, requests

OTHERS = [dialect for dialect in sorted(SPEAKERS) if dialect is not Dialect.CONVERSE]
UNDOCUMENTED = {"reply_stop_a_word_of_tomorrow", "reply_call_typed"}
"""Examples that the service's model does not know: what models were recorded to say, and what may come."""
EVENTS = STREAM.output_shape.members["stream"]


def ours(member: str) -> list[Any]:
    """This dialect's examples that hold the member."""
    return [one for one in examples(member) if one.dialect is Dialect.CONVERSE]


def crossed(shared: Path, source: Dialect) -> list[tuple[str, Any]]:
    """The recorded requests of a dialect that Converse takes, written in it."""
    written = []
    for exchange in requests(shared, source):
        prompt = SPEAKERS[source].read_request(copy.deepcopy(exchange["request"]))
        try:
            judging.judge(prompt, source, Dialect.CONVERSE)
            written.append((exchange["id"], converse.write_request(prompt)))
        except RequestError:
            continue
    return written


# -- requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", OTHERS)
def test_requests_that_cross_are_what_the_service_takes(shared: Path, source: Dialect) -> None:
    """botocore validates each, and so do the patterns, enumerations and bounds of the service's model."""
    written = crossed(shared, source)
    assert len(written) > 20
    for name, body in written:
        report = ParamValidator().validate({"modelId": "m", **body}, CONVERSE.input_shape)
        assert not report.has_errors(), (name, report.generate_report())
        assert list(problems(CONVERSE.input_shape, body)) == [], name


@pytest.mark.parametrize("source", OTHERS)
def test_turns_that_cross_alternate_and_declare_their_tools(shared: Path, source: Dialect) -> None:
    """The user speaks first, roles alternate, and calls and results come with a toolConfig."""
    for name, body in crossed(shared, source):
        roles = [message["role"] for message in body["messages"]]
        assert roles[0] == "user", name
        assert all(one != other for one, other in pairwise(roles)), name
        blocks = [block for message in body["messages"] for block in message["content"]]
        if any("toolUse" in block or "toolResult" in block for block in blocks):
            assert body["toolConfig"]["tools"], name


def test_examples_are_what_the_service_takes() -> None:
    """Our own requests, answers and events agree with the service's model."""
    for one in ours("request"):
        assert list(problems(CONVERSE.input_shape, one.held["request"])) == [], one
    for one in ours("reply"):
        if one.name not in UNDOCUMENTED:
            assert list(problems(CONVERSE.output_shape, one.held["reply"])) == [], one


def test_every_field_of_the_service_stands_in_an_example() -> None:
    """No member of a request, an answer or an event is left untried; guardrails' traces pass as a whole."""
    asked = {name for one in ours("request") for name in seen(CONVERSE.input_shape, one.held["request"])}
    assert set(members(CONVERSE.input_shape)) - asked == set()
    told = {name for one in ours("reply") for name in seen(CONVERSE.output_shape, one.held["reply"])}
    streams = [event for one in ours("stream") for event in one.held["stream"]]
    told |= {name for event in streams for name in seen(EVENTS, event)} | asked
    known = set(members(CONVERSE.output_shape)) | set(members(EVENTS))
    assert {name for name in known - told if not name.startswith(("Guardrail", "AppliedGuardrail"))} == set()
    words = {one.held["reply"]["stopReason"] for one in ours("reply")}
    assert set(CONVERSE.output_shape.members["stopReason"].enum) - words == set()


def test_what_boto3_sends_is_read() -> None:
    """A request of the official client, with blobs, is the prompt that it means."""
    sent: list[bytes] = []
    client = answering(200, {}, msgspec.json.encode(ours("reply")[0].held["reply"]), sent)
    client.converse(
        modelId="some.model-v1",
        system=[{"text": "Be brief."}],
        messages=[
            {"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}]},
        ],
        inferenceConfig={"maxTokens": 5},
    )
    prompt = converse.read_request(msgspec.json.decode(sent[0]))
    assert (prompt.model, prompt.max_output) == ("", 5)
    assert prompt.turns[0].role is Role.SYSTEM
    assert prompt.turns[1].parts == [Media(Kind.IMAGE, "image/png", data="iVBORw==")]


# -- answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", sorted(SPEAKERS))
def test_answers_are_parsed_by_botocore_to_the_last_member(shared: Path, source: Dialect) -> None:
    """Every answer, of whichever dialect, is parsed from our JSON as we wrote it, with nothing missing."""
    for exchange in replies(shared, source):
        reply = SPEAKERS[source].read_reply(copy.deepcopy(exchange["response"]))
        if all(choice.finish is None for choice in reply.choices):
            continue  # under way in the background, which Converse cannot ask for
        body = converse_reply.write_reply(reply)
        response = {"status_code": 200, "headers": {}, "body": msgspec.json.encode(body)}
        got = create_parser("rest-json").parse(response, CONVERSE.output_shape)
        del got["ResponseMetadata"]
        assert got == parsed(CONVERSE.output_shape, body), exchange["id"]
        if source is not Dialect.CONVERSE:
            assert list(problems(CONVERSE.output_shape, body)) == [], exchange["id"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 424, 429, 500, 502, 503, 504, 529])
def test_errors_of_others_are_exceptions_to_boto3(status: int) -> None:
    """boto3 raises the exception that AWS has for the status, with the message."""
    body = converse_reply.write_failure(Failure("Not now.", "api_error"), status)
    client = answering(status, {"x-amzn-errortype": body["__type"]}, msgspec.json.encode(body), [])
    with pytest.raises(ClientError) as raised:
        client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    assert raised.value.response["Error"] == {
        "Code": converse_reply.error_type(status),
        "Message": "Not now.",
    }


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("ThrottlingException", "rate_limit_error", "rate_limit_exceeded"),
        ("AccessDeniedException:http://internal.amazon.com/coral/", "permission_error", "permission_denied"),
        ("com.amazon.coral#ValidationException", "invalid_request_error", "invalid_request_error"),
        ("SomethingNewException", None, None),
    ],
)
def test_exceptions_are_told_in_openais_terms(name: str, kind: str | None, code: str | None) -> None:
    """By the header's name, with its origin before or after it; an unknown one has neither kind nor code."""
    failure = converse_reply.read_failure({"message": "Not now."}, name)
    assert (failure.kind, failure.code) == (kind, code)


def test_recorded_errors_keep_their_message(shared: Path) -> None:
    """The message is AWS's own; a prompt that is too long is known as one."""
    for exchange in exchanges(shared, Dialect.CONVERSE):
        if exchange["status"] >= 400:
            name = exchange["response_headers"].get("x-amzn-errortype", "")
            failure = converse_reply.read_failure(exchange["response"], name)
            assert failure.message == exchange["response"]["message"]
    too_long = converse_reply.read_failure({"message": "Input is too long for requested model."})
    assert too_long.code == "context_length_exceeded"


def test_usage_adds_up_as_recorded(shared: Path) -> None:
    """AWS's total is uncached input, cached, written and output: the input of our nouns holds the three."""
    cached = 0
    for exchange in replies(shared, Dialect.CONVERSE):
        usage = exchange["response"]["usage"]
        report = converse_reply.read_report(usage, exchange["response"])
        assert report is not None
        tokens = report.tokens
        assert tokens.input + tokens.output == usage["totalTokens"], exchange["id"]
        assert tokens.input - tokens.cached_input - tokens.cache_write == usage["inputTokens"]
        cached += tokens.cached_input > 0 or tokens.cache_write > 0
    assert cached >= 5


# -- streams ------------------------------------------------------------------------------------------------


class _Body:
    """What botocore reads a stream from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Any:
        """Everything at once."""
        return iter([self._data])

    def close(self) -> None:
        """Nothing to close."""


def botocore_events(framed: bytes) -> list[Any]:
    """What botocore makes of the frames."""
    shape = STREAM.output_shape.members["stream"]
    return list(EventStream(_Body(framed), shape, EventStreamJSONParser(), "ConverseStream"))


def lines(written: bytes) -> list[Any]:
    """What a writer wrote, as objects."""
    return [msgspec.json.decode(line) for line in written.splitlines()]


@pytest.mark.parametrize("source", sorted(SPEAKERS))
def test_streams_are_parsed_by_botocore_to_the_last_member(shared: Path, source: Dialect) -> None:
    """Every stream, of whichever dialect, framed by us, is parsed by botocore as we wrote it."""
    for exchange in exchanges(shared, source):
        writer = StreamWriter(model="")
        events = read_stream(source, exchange)
        if exchange["status"] != 200 or any(isinstance(event, Broken) for event in events):
            continue
        written = b"".join(writer.write(event) for event in copy.deepcopy(events))
        expected = [parsed(EVENTS, event) for event in lines(written)]
        assert botocore_events(frames_of(written)) == expected, exchange["id"]
        if source is not Dialect.CONVERSE:
            assert [one for event in lines(written) for one in problems(EVENTS, event)] == [], exchange["id"]


def test_a_stream_is_written_event_by_event_as_it_came(shared: Path) -> None:
    """Read and written again, every recorded stream has the same events, but for their padding."""
    for exchange in exchanges(shared, Dialect.CONVERSE):
        reader, writer = StreamReader(), StreamWriter(model="")
        for line in map(line_of_frame, EventReader().feed(framed_bytes(exchange))):
            came = msgspec.json.decode(line)
            for payload in came.values():
                payload.pop("p", None)
            written = lines(b"".join(writer.write(event) for event in reader.read(line)))
            held = {"toolUse", "toolResult"}  # of the provider's own tools: told when they are whole
            start = came.get("contentBlockStart", {}).get("start", {})
            if any(value.get("type") for name, value in start.items() if name in held):
                break
            if "redactedContent" in came.get("contentBlockDelta", {}).get("delta", {}).get(
                "reasoningContent", {}
            ):
                break
            if "messageStop" in came or "metadata" in came:  # some streams leave open what is closed here
                written = written[-1:]
            assert written == [came], exchange["id"]


def framed_bytes(exchange: Any) -> bytes:
    """The frames of a recorded stream; none where it is whole."""
    return base64.b64decode(exchange.get("response_base64", ""))


def test_frames_cut_anywhere_give_the_same_events() -> None:
    """Each stream of our own, framed, in two chunks cut at every byte."""
    for one in ours("stream"):
        stream = b"".join(msgspec.json.encode(event) + b"\n" for event in one.held["stream"])
        framed = frames_of(stream)
        whole = stream.splitlines()
        for at in range(0, len(framed) + 1, 1 if len(framed) < 1500 else 7):
            reader = EventReader()
            frames = reader.feed(framed[:at]) + reader.feed(framed[at:])
            assert [line_of_frame(frame) for frame in frames] == whole, one


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        ("rate_limit_exceeded", "rate_limit_error", "throttlingException"),
        ("overloaded", "api_error", "serviceUnavailableException"),
        (None, "invalid_request_error", "validationException"),
        (None, None, "internalServerException"),
    ],
)
def test_a_failure_within_a_stream_is_an_exception_to_botocore(
    code: str | None, kind: str | None, name: str
) -> None:
    """botocore raises the modelled exception with the message."""
    written = StreamWriter(model="").write(Broken(Failure("Not now.", kind, code)))
    with pytest.raises(EventStreamError, match=rf"\({name}\).*Not now\."):
        botocore_events(frames_of(written))


def test_an_error_that_is_not_modelled_breaks_the_stream() -> None:
    """A frame of the type `error` has its code and message in headers."""
    headers = {
        ":message-type": Header(Type.STRING, "error"),
        ":error-code": Header(Type.STRING, "InternalFailure"),
        ":error-message": Header(Type.STRING, "It broke."),
    }
    (frame,) = EventReader().feed(encode_frame(headers, b""))
    (event,) = StreamReader().read(line_of_frame(frame))
    assert isinstance(event, Broken)
    assert event.failure.message == "It broke."


def test_boto3_reads_a_stream_of_ours() -> None:
    """The official client's own loop over a stream that came from another dialect."""
    stream = next(one for one in ours("stream") if one.name == "stream_calls").held["stream"]
    writer = StreamWriter(model="")
    events = events_of_stream(Dialect.CONVERSE, stream)
    framed = frames_of(b"".join(writer.write(event) for event in events))
    headers = {"content-type": "application/vnd.amazon.eventstream"}
    client = answering(200, headers, framed, [])
    said = client.converse_stream(modelId="m", messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    got = list(said["stream"])
    assert got == [parsed(EVENTS, event) for event in stream]


class _Raw(io.BytesIO):
    """A connection's raw body, as urllib3 gives it."""

    def stream(self, amount: int = 1024, **_: Any) -> Any:
        """The body in pieces."""
        while piece := self.read(amount):
            yield piece


def answering(status: int, headers: dict[str, str], body: bytes, sent: list[bytes]) -> BaseClient:
    """A boto3 client whose every call is answered with this; the bodies it sent are put into `sent`."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-west-3",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="an example",
        config=Config(retries={"max_attempts": 0}),
    )

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request.body if isinstance(request.body, bytes) else request.body.encode())
        return AWSResponse(request.url, status, headers, _Raw(body))

    client.meta.events.register("before-send.bedrock-runtime.*", answer)
    return client
