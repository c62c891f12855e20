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
from baseload.wire.dialects import converse, converse_reply, matrix
from baseload.wire.dialects.converse_frames import frames_of, line_of_frame
from baseload.wire.dialects.converse_stream import StreamReader, StreamWriter
from baseload.wire.dialects.fold import Fold
from baseload.wire.dialects.meaning import of_prompt
from baseload.wire.dialects.nouns import (
    Broken,
    Call,
    Dialect,
    Failure,
    Finish,
    Kind,
    Media,
    Prompt,
    Reasoning,
    Result,
    Role,
    Text,
    Tool,
    ToolChoice,
    ToolUse,
    Turn,
)
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.examples import events_of_stream, examples
from tests.wire.dialects.recorded import exchanges
from tests.wire.dialects.service_model import CONVERSE, OURS, STREAM, members, parsed, problems, seen
from tests.wire.dialects.test_recorded import read_stream, replies, requests

OTHERS = [dialect for dialect in sorted(SPEAKERS) if dialect is not Dialect.CONVERSE]
UNDOCUMENTED = {"reply_stop_a_word_of_tomorrow", "reply_call_typed"}
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
            matrix.judge(prompt, source, Dialect.CONVERSE)
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
        report = converse_reply.read_report(usage)
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


# -- what the other dialects have to say --------------------------------------------------------------------


def asked(*turns: Turn, **members_: Any) -> Prompt:
    """A prompt of another dialect."""
    return Prompt(members_.pop("model", "some.model-v1"), list(turns), **members_)


def user(*parts: Any) -> Turn:
    """What the user says."""
    return Turn(Role.USER, list(parts))


@pytest.mark.parametrize(
    ("model", "reasoning", "more", "output"),
    [
        (
            "eu.anthropic.claude-x",
            Reasoning(budget=2000),
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            None,
        ),
        (
            "eu.anthropic.claude-x",
            Reasoning(effort="minimal"),
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            None,
        ),
        ("eu.anthropic.claude-x", Reasoning(off=True), {"thinking": {"type": "disabled"}}, None),
        (
            "amazon.nova-2-lite-v1:0",
            Reasoning(effort="max"),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            None,
        ),
        ("amazon.nova-2-lite-v1:0", Reasoning(off=True), {"reasoningConfig": {"type": "disabled"}}, None),
        ("openai.gpt-oss-120b-1:0", Reasoning(budget=3000), {"reasoning_effort": "medium"}, None),
        ("some.model-v1", Reasoning(effort="xhigh"), None, {"effort": "xhigh"}),
        ("some.model-v1", Reasoning(off=True), None, None),
    ],
)
def test_reasoning_is_asked_for_as_the_models_maker_spells_it(
    model: str, reasoning: Reasoning, more: Any, output: Any
) -> None:
    """Claude, Nova and gpt-oss in their own words, any other model in the common field."""
    body = converse.write_request(asked(user(Text("Hi")), model=model, reasoning=reasoning))
    assert (body.get("additionalModelRequestFields"), body.get("outputConfig")) == (more, output)


@pytest.mark.parametrize(
    ("model", "more"),
    [("anthropic.claude-x", {"top_k": 5}), ("amazon.nova-pro-v1:0", {"inferenceConfig": {"topK": 5}})],
)
def test_top_k_is_sent_to_models_that_have_it(model: str, more: Any) -> None:
    """Claude and Nova have it; for another one it is refused by its name."""
    prompt = asked(user(Text("Hi")), model=model, top_k=5)
    matrix.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)
    assert converse.write_request(prompt)["additionalModelRequestFields"] == more
    prompt.model = "some.model-v1"
    with pytest.raises(RequestError, match="top_k"):
        matrix.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["report.pdf"], ["report"]),
        (["a_b  c.v2.pdf", "Été"], ["a-b c-v2", "-t-"]),
        ([None, None, "document"], ["document", "document 2", "document 3"]),
        (["x" * 300], ["x" * 200]),
        (["!!"], ["--"]),
    ],
)
def test_names_of_documents_fit_aws(names: list[str | None], expected: list[str]) -> None:
    """Letters, digits, single spaces, hyphens and brackets; each once; a missing one is supplied."""
    parts = [Media(Kind.DOCUMENT, "application/pdf", data="aGk=", name=name) for name in names]
    body = converse.write_request(asked(user(Text("Read."), *parts)))
    content = body["messages"][0]["content"]
    assert [block["document"]["name"] for block in content if "document" in block] == expected


def test_tools_that_may_not_be_called_are_left_out_or_refused() -> None:
    """AWS has no word for it: without earlier calls the tools are left out, with them it is refused."""
    tool = Tool("tides", schema={"type": "object"})
    prompt = asked(user(Text("Hi")), tools=[tool], tool_choice=ToolChoice(ToolUse.NONE))
    matrix.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)
    assert "toolConfig" not in converse.write_request(prompt)
    prompt.turns += [Turn(Role.ASSISTANT, [Call("c1", "tides", "{}")]), user(Result("c1", [Text("5")]))]
    with pytest.raises(RequestError, match="tool_choice"):
        matrix.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)
    matrix.judge(prompt, Dialect.CHAT, Dialect.CONVERSE, drop=True)
    assert converse.write_request(prompt)["toolConfig"]["tools"][0]["toolSpec"]["name"] == "tides"


@pytest.mark.parametrize("identity", ["", "call 1/ä", "x" * 80])
def test_ids_that_do_not_fit_fit_and_agree(identity: str) -> None:
    """Call and result have the same id, in AWS's characters; a short one is read back as it was."""
    prompt = asked(
        user(Text("Hi")),
        Turn(Role.ASSISTANT, [Call(identity, "tides", "{}")]),
        user(Result(identity, [], failed=True)),
        tools=[Tool("tides")],
    )
    body = converse.write_request(prompt)
    assert list(problems(CONVERSE.input_shape, body)) == []
    use = body["messages"][1]["content"][0]["toolUse"]
    assert body["messages"][2]["content"][0]["toolResult"]["toolUseId"] == use["toolUseId"]
    if len(identity) < 40:
        back = converse.read_request(body).turns[1].parts[0]
        assert isinstance(back, Call)
        assert back.id == identity


def test_neighbouring_turns_become_one_and_a_user_speaks_first() -> None:
    """As AWS wants it, and it means the same."""
    turns = [
        Turn(Role.DEVELOPER, [Text("Be brief.")]),
        Turn(Role.ASSISTANT, [Text("Ahoy.")]),
        user(Text("One.")),
        user(Text("Two.")),
    ]
    prompt = asked(*turns)
    judged = matrix.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)
    body = converse.write_request(prompt)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"] == [{"text": matrix.SUPPLIED}]
    back = converse.read_request(body)
    back.model = prompt.model
    assert of_prompt(back, judged.fields) == of_prompt(prompt, judged.fields)


def test_cache_markers_become_cache_points_and_come_back(shared: Path) -> None:
    """Anthropic's markers on instructions, texts, results and tools stand after what they mark."""
    text = {"type": "text", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "5"}]}
    tool = {"name": "tides", "input_schema": {"type": "object"}}
    marked = {"cache_control": {"type": "ephemeral"}}
    body = {
        "model": "claude-x",
        "max_tokens": 10,
        "system": [{**text, "text": "A long almanac."}],
        "messages": [
            {
                "role": "user",
                "content": [{**text, "text": "A long log."}, {"type": "text", "text": "Sum up."}],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "tides", "input": {}}],
            },
            {"role": "user", "content": [result | marked]},
        ],
        "tools": [tool | marked],
    }
    prompt = SPEAKERS[Dialect.MESSAGES].read_request(copy.deepcopy(body))
    matrix.judge(prompt, Dialect.MESSAGES, Dialect.CONVERSE)
    written = converse.write_request(prompt)
    assert list(problems(CONVERSE.input_shape, written)) == []
    assert written["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert [next(iter(block)) for block in written["messages"][0]["content"]] == [
        "text",
        "cachePoint",
        "text",
    ]
    assert written["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    back = converse.read_request(written)
    back.model = "claude-x"
    assert SPEAKERS[Dialect.MESSAGES].write_request(back) == body


def test_a_streamed_citation_is_one_of_the_whole_answers() -> None:
    """What a stream adds up to has its citations, and is written with them."""
    stream = next(one for one in ours("stream") if one.name == "stream_cited").held["stream"]
    fold = Fold()
    fold.take(events_of_stream(Dialect.CONVERSE, stream))
    content = converse_reply.write_reply(fold.reply)["output"]["message"]["content"]
    citation = next(event for event in stream if "citation" in str(event))["contentBlockDelta"]["delta"]
    assert content == [
        {"citationsContent": {"content": [{"text": "At five."}], "citations": [citation["citation"]]}}
    ]


def test_an_error_without_a_type_has_one_in_openais_format() -> None:
    """AWS's bodies say the message alone; the client is told a type by the status."""
    failure = converse_reply.read_failure({"message": "Not now."})
    told = SPEAKERS[Dialect.CHAT].write_failure(failure, 429)["error"]
    assert (told["message"], told["type"]) == ("Not now.", "rate_limit_error")


def test_media_without_a_format_is_refused_by_its_kind() -> None:
    """A picture of a type that AWS does not take is named before anything is sent."""
    with pytest.raises(RequestError, match="image/tiff") as raised:
        converse.write_request(asked(user(Media(Kind.IMAGE, "image/tiff", data="aGk="))))
    assert raised.value.param == "image"


def test_reasoning_tokens_survive_a_format_without_them(shared: Path) -> None:
    """AWS counts reasoning as output; the count of its own is told beside the usage, under our name."""
    found = 0
    for exchange in replies(shared, Dialect.CHAT):
        reply = SPEAKERS[Dialect.CHAT].read_reply(copy.deepcopy(exchange["response"]))
        if reply.report is not None and reply.report.tokens.reasoning:
            usage = converse_reply.write_reply(reply)["usage"]
            assert usage[OURS] == {"reasoningTokens": reply.report.tokens.reasoning}
            found += 1
    assert found > 0


def test_finish_words_are_the_services(shared: Path) -> None:
    """Every reason for which an answer can end has a word of the service's."""
    words = set(CONVERSE.output_shape.members["stopReason"].enum)
    assert {converse_reply.FINISH_WORDS[finish] for finish in Finish} <= words
    fold = Fold()
    fold.take(events_of_stream(Dialect.CONVERSE, [{"messageStop": {"stopReason": "tool_use"}}]))
    assert fold.reply.choices[0].finish is Finish.TOOL_CALLS
