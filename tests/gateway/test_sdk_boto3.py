"""boto3 before a Bedrock-shaped target: it checks each call with our own signing, and frames its streams."""

from __future__ import annotations

import calendar
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from baseload.core import Format
from baseload.wire.aws_sigv4 import AwsKeys, Scope, Unsigned, sign
from tests.gateway.answering import Sent
from tests.gateway.replaying import Cuts, Replaying, Said, replaying
from tests.gateway.test_sdk_openai import PIXEL, PLACE
from tests.gateway.voices import INPUT, OUTPUT, Called, Thinks, break_off, say

KEYS = AwsKeys("AKIDEXAMPLE", "not-a-secret-but-a-test-value", "a-session-token/+=")
REGION = "eu-west-1"
MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-x"
TIDE = Called("tooluse_tide", "tide", {"place": "Roscoff, Finistère"})
WIND = Called("tooluse_wind", "wind", {"place": "Brest"})
MESSAGES: list[Any] = [{"role": "user", "content": [{"text": "When is high water?"}]}]
TOOLS: Any = {
    "tools": [
        {"toolSpec": {"name": name, "description": f"The {name}.", "inputSchema": {"json": PLACE}}}
        for name in ("tide", "wind")
    ]
}


def signature_refused(sent: Sent) -> Said | None:
    """A call that our own signing would sign otherwise is refused, as AWS refuses it."""
    given = sent.headers.get("authorization", "")
    names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    path, _, query = sent.path.partition("?")
    kept = tuple((name, sent.headers[name]) for name in names if name in sent.headers)
    stamp = time.strptime(sent.headers.get("x-amz-date", "19700101T000000Z"), "%Y%m%dT%H%M%SZ")
    now_s = float(calendar.timegm(stamp))
    request = Unsigned("POST", path, query, kept, sent.body)
    lines = sign(request, KEYS, Scope(REGION, "bedrock"), now_s).decode()
    if f"authorization: {given}\r\n" in lines and abs(time.time() - now_s) < 300:
        return None
    return amazon_error(403, "AccessDeniedException", "The request signature does not match.")


def amazon_error(status: int, name: str, message: str) -> Said:
    """An error as AWS answers it: its name stands in a header."""
    body = b'{"message":"%b"}' % message.encode()
    return Said(status, "application/json", (body,), (("x-amzn-errortype", name),))


@pytest.fixture
def bedrock() -> Iterator[Replaying]:
    """The target, which refuses what is not well signed."""
    with replaying() as target:
        target.refuses = signature_refused
        yield target


@contextlib.contextmanager
def client(bedrock: Replaying, *, secret: str = KEYS.secret_key, attempts: int = 1) -> Iterator[Any]:
    """boto3 as a user has it, with the keys of a role."""
    made = boto3.client(
        "bedrock-runtime",
        endpoint_url=bedrock.url,
        region_name=REGION,
        aws_access_key_id=KEYS.access_key,
        aws_secret_access_key=secret,
        aws_session_token=KEYS.token,
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
    )
    try:
        yield made
    finally:
        made.close()


def converse(bedrock: Replaying, **more: Any) -> Any:
    """A whole answer as boto3 reads it."""
    with client(bedrock) as made:
        return made.converse(**{"modelId": MODEL, "messages": MESSAGES, **more})


def streamed(bedrock: Replaying, **more: Any) -> list[Any]:
    """The events that boto3 reads of a stream."""
    asking = {"modelId": MODEL, "messages": MESSAGES, **more}
    with client(bedrock) as made, contextlib.closing(made.converse_stream(**asking)["stream"]) as events:
        return list(events)


@pytest.mark.parametrize(("model", "path"), [(MODEL, MODEL.replace(":", "%3A")), (PROFILE, None)])
def test_what_boto3_signs_is_what_we_would_sign(bedrock: Replaying, model: str, path: str | None) -> None:
    """Any model's name in the path, a session token, the body: the whole answer comes."""
    bedrock.said = say(Format.BEDROCK, "At six.", stream=False)
    answer = converse(bedrock, modelId=model)
    assert answer["output"]["message"]["content"] == [{"text": "At six."}]
    assert (answer["usage"]["inputTokens"], answer["usage"]["outputTokens"]) == (INPUT, OUTPUT)
    assert answer["stopReason"] == "end_turn"
    if path is not None:
        assert bedrock.calls[0].path == f"/model/{path}/converse"


def test_another_secret_is_refused(bedrock: Replaying) -> None:
    """The check would not let just anything pass."""
    bedrock.said = say(Format.BEDROCK, "At six.", stream=False)
    with (
        client(bedrock, secret="another") as made,
        pytest.raises(ClientError, match="signature does not match") as refused,
    ):
        made.converse(modelId=MODEL, messages=MESSAGES)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


@pytest.mark.parametrize("cuts", [Cuts.EVENTS, Cuts.HALVES, Cuts.ONE, Cuts.BYTES])
def test_frames_of_ours_are_a_stream_to_boto3(bedrock: Replaying, cuts: Cuts) -> None:
    """Words, reasoning with its signature, and parallel calls in pieces, however the frames are cut."""
    bedrock.cuts = cuts
    thought = Thinks("The tide turns.", "c2lnbmVk")
    bedrock.said = say(Format.BEDROCK, thought, "I look.", TIDE, WIND, stream=True)
    events = streamed(bedrock, toolConfig=TOOLS)
    deltas = [event["contentBlockDelta"] for event in events if "contentBlockDelta" in event]
    said = [[delta["delta"] for delta in deltas if delta["contentBlockIndex"] == at] for at in range(4)]
    assert "".join(one["reasoningContent"].get("text", "") for one in said[0]) == "The tide turns."
    assert said[0][-1]["reasoningContent"]["signature"] == "c2lnbmVk"
    assert "".join(one["text"] for one in said[1]) == "I look."
    for call, pieces in ((TIDE, said[2]), (WIND, said[3])):
        assert [one["toolUse"]["input"] for one in pieces] == call.pieces
    starts = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
    assert [start["start"]["toolUse"]["name"] for start in starts] == ["tide", "wind"]
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"
    assert events[-1]["metadata"]["usage"]["outputTokens"] == OUTPUT


def test_tools_and_a_picture(bedrock: Replaying) -> None:
    """A call whole, its result and a picture with the next turn: all bytes are signed."""
    bedrock.said = say(Format.BEDROCK, TIDE, stream=False)
    turn = converse(bedrock, toolConfig=TOOLS)["output"]["message"]
    assert turn["content"][0]["toolUse"]["input"] == TIDE.arguments
    result = {"toolUseId": TIDE.id, "content": [{"text": "calm"}]}
    picture = {"image": {"format": "png", "source": {"bytes": PIXEL}}}
    history = [*MESSAGES, turn, {"role": "user", "content": [{"toolResult": result}, picture]}]
    bedrock.said = say(Format.BEDROCK, "All calm.", stream=False)
    answer = converse(bedrock, messages=history, toolConfig=TOOLS)
    assert answer["output"]["message"]["content"] == [{"text": "All calm."}]


def test_errors_are_botos_own(bedrock: Replaying) -> None:
    """A refused call, and a stream that breaks off after its first words."""
    bedrock.said = amazon_error(400, "ValidationException", "The picture is too large.")
    with client(bedrock) as made, pytest.raises(made.exceptions.ValidationException, match="too large"):
        made.converse(modelId=MODEL, messages=MESSAGES)
    bedrock.said = break_off(Format.BEDROCK, "At six")
    said: list[str] = []
    with client(bedrock) as made:
        stream = made.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
        with contextlib.closing(stream), pytest.raises(EventStreamError, match="the model fell over"):
            said.extend(
                event["contentBlockDelta"]["delta"]["text"]
                for event in stream
                if "contentBlockDelta" in event
            )
    assert said == ["At", " six"]


def test_throttled_calls_are_signed_and_tried_again(bedrock: Replaying) -> None:
    """boto3's own retries, each with a signature of its own time."""
    full = amazon_error(429, "ThrottlingException", "Too many requests.")
    bedrock.queue = [full, full]
    bedrock.said = say(Format.BEDROCK, "At six.", stream=False)
    with client(bedrock, attempts=3) as made:
        answer = made.converse(modelId=MODEL, messages=MESSAGES)
    assert answer["output"]["message"]["content"] == [{"text": "At six."}]
    assert len(bedrock.calls) == 3
    bedrock.queue = [full]
    with pytest.raises(ClientError) as caught:
        converse(bedrock)
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
