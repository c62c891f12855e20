"""OpenAI's SDK before targets that speak Google's and Amazon's formats: path, credential, frames, errors."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from baseload.wire.dialects.converse_frames import frames_of
from tests.gateway.answering import Sent, answering
from tests.gateway.running import MakeGateway, RunningGateway

CHAT: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
PRICE = {"input": "1.00", "output": "5.00"}
ACCESS, SECRET = "AKIDEXAMPLE", "not-a-secret-but-a-test-value"
MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"

GOOGLE = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "Bon"}]}, "index": 0},
    ],
    "modelVersion": "gemini-x",
    "responseId": "r1",
}
GOOGLE_END = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "jour."}]}, "finishReason": "STOP", "index": 0}
    ],
    "usageMetadata": {"promptTokenCount": 6, "candidatesTokenCount": 2, "totalTokenCount": 8},
    "modelVersion": "gemini-x",
    "responseId": "r1",
}
AMAZON: list[Any] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Bon"}}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "jour."}}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {
        "metadata": {
            "usage": {"inputTokens": 6, "outputTokens": 2, "totalTokens": 8},
            "metrics": {"latencyMs": 5},
        }
    },
]


def google(sent: Sent) -> tuple[int, str, bytes]:
    """Streams or answers whole, as the path asks."""
    if "stream" in sent.path:
        events = b"".join(b"data: %b\r\n\r\n" % json.dumps(one).encode() for one in (GOOGLE, GOOGLE_END))
        return 200, "text/event-stream", events
    return 200, "application/json", json.dumps(GOOGLE_END).encode()


def amazon(sent: Sent) -> tuple[int, str, bytes]:
    """Streams frames or answers whole, as the path asks; refuses what is not signed."""
    if not signed(sent):
        return 403, "application/json", b'{"message":"The request signature we calculated does not match"}'
    if sent.path.endswith("converse-stream"):
        lines = b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in AMAZON)
        return 200, "application/vnd.amazon.eventstream", frames_of(lines)
    body = {
        "output": {"message": {"role": "assistant", "content": [{"text": "jour."}]}},
        "stopReason": "end_turn",
        **AMAZON[-1]["metadata"],
    }
    return 200, "application/json", json.dumps(body).encode()


def signed(sent: Sent) -> bool:
    """Whether botocore signs the same call with the same signature."""
    host = sent.headers["host"]
    kept = {
        name: sent.headers[name]
        for name in sent.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        if name not in ("host", "x-amz-date")
    }
    request = AWSRequest("POST", f"http://{host}{sent.path}", headers=kept, data=sent.body)
    request.context["timestamp"] = sent.headers["x-amz-date"]
    auth = SigV4Auth(Credentials(ACCESS, SECRET), "bedrock", "eu-west-1")
    request.headers["X-Amz-Date"] = sent.headers["x-amz-date"]
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    return f"Signature={signature}" in sent.headers["authorization"]


def sdk(gateway: RunningGateway) -> openai.OpenAI:
    """OpenAI's SDK before this gateway."""
    return openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0)


def said(client: openai.OpenAI) -> tuple[str | None, str, int]:
    """A whole answer's text, a streamed one's, and its output tokens."""
    whole = client.chat.completions.create(model="chat", messages=CHAT)
    stream = client.chat.completions.create(
        model="chat", messages=CHAT, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    usage = chunks[-1].usage
    assert usage is not None
    return whole.choices[0].message.content, text, usage.completion_tokens


def test_a_target_that_speaks_googles_format(make_gateway: MakeGateway) -> None:
    """Model and streaming in the path, the key in Google's header, both answers told as OpenAI's."""
    with answering(google) as provider:
        section = {"provider": "google", "key": "g-key", "price": PRICE}
        target = {
            "metered": section,
            "url": provider.url + "/v1beta",
            "model": "gemini-x",
            "region": "us",
            "format": "gemini",
        }
        gateway = make_gateway({"gemini": target})
        with sdk(gateway) as client:
            assert said(client) == ("jour.", "Bonjour.", 2)
        rows = gateway.settled(2)
    assert [call.path for call in provider.calls] == [
        "/v1beta/models/gemini-x:generateContent",
        "/v1beta/models/gemini-x:streamGenerateContent?alt=sse",
    ]
    assert {call.headers["x-goog-api-key"] for call in provider.calls} == {"g-key"}
    assert all("authorization" not in call.headers for call in provider.calls)
    assert {(row["input_tokens"], row["output_tokens"], row["cost_nano"]) for row in rows} == {(6, 2, 16_000)}


def test_a_target_that_speaks_bedrocks_format(make_gateway: MakeGateway) -> None:
    """Every call signed as botocore would, binary frames read, the model's odd name encoded in the path."""
    with answering(amazon) as provider:
        login = {"region": "eu-west-1", "access_key": ACCESS, "secret_key": SECRET}
        section = {"provider": "aws", "aws": login, "price": PRICE}
        target = {
            "metered": section,
            "url": provider.url,
            "model": MODEL,
            "region": "eu",
            "format": "bedrock",
        }
        gateway = make_gateway({"claude": target})
        with sdk(gateway) as client:
            assert said(client) == ("jour.", "Bonjour.", 2)
        rows = gateway.settled(2)
    encoded = MODEL.replace(":", "%3A")
    assert [call.path for call in provider.calls] == [
        f"/model/{encoded}/converse",
        f"/model/{encoded}/converse-stream",
    ]
    assert {(row["input_tokens"], row["output_tokens"], row["cost_nano"]) for row in rows} == {(6, 2, 16_000)}


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (429, {"error": {"code": 429, "message": "Quota.", "status": "RESOURCE_EXHAUSTED"}}, 429),
        (403, {"error": {"code": 403, "message": "No.", "status": "PERMISSION_DENIED"}}, 502),
        (503, {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}, 429),
        (500, {"error": {"code": 500, "message": "Oops.", "status": "INTERNAL"}}, 502),
        (400, {"error": {"code": 400, "message": "Bad part.", "status": "INVALID_ARGUMENT"}}, 400),
    ],
)
def test_googles_errors_mean_what_they_say(
    make_gateway: MakeGateway, status: int, body: dict[str, Any], told: int
) -> None:
    """No room, a dead credential, trouble, and the client's own mistake, alone passed on in words."""
    with answering(lambda _: (status, "application/json", json.dumps(body).encode())) as provider:
        section = {"provider": "google", "key": "g-key", "price": PRICE}
        target = {"metered": section, "url": provider.url, "model": "gemini-x", "format": "gemini"}
        gateway = make_gateway({"gemini": target})
        with sdk(gateway) as client, pytest.raises(openai.APIStatusError) as raised:
            client.with_options(timeout=20).chat.completions.create(model="chat", messages=CHAT)
    assert raised.value.status_code == told
    if told == 400:
        assert "Bad part." in str(raised.value)


def test_a_stream_of_googles_without_a_finish_reason_is_broken_off(make_gateway: MakeGateway) -> None:
    """Its streams have no last event: a body that ends well but before the reason is no whole answer."""

    def cut(_: Sent) -> tuple[int, str, bytes]:
        return 200, "text/event-stream", b"data: %b\r\n\r\n" % json.dumps(GOOGLE).encode()

    with answering(cut) as provider:
        section = {"provider": "google", "key": "g-key", "price": PRICE}
        target = {"metered": section, "url": provider.url, "model": "gemini-x", "format": "gemini"}
        gateway = make_gateway({"gemini": target})
        with sdk(gateway) as client, pytest.raises(openai.APIError):
            list(client.chat.completions.create(model="chat", messages=CHAT, stream=True))
        assert gateway.stop() == 0
        (row,) = gateway.rows()
    assert (row["outcome"], row["estimated"]) == ("cut", 1)


def test_googles_own_delay_is_told_on(make_gateway: MakeGateway) -> None:
    """RetryInfo in the error is a `retry-after` for who must wait."""
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}
    error = {"code": 429, "message": "Quota.", "status": "RESOURCE_EXHAUSTED", "details": [detail]}
    with answering(lambda _: (429, "application/json", json.dumps({"error": error}).encode())) as provider:
        section = {"provider": "google", "key": "g-key", "price": PRICE}
        target = {"metered": section, "url": provider.url, "model": "gemini-x", "format": "gemini"}
        gateway = make_gateway({"gemini": target})
        answer = gateway.chat()
    assert answer.status_code == 429
    assert answer.headers["retry-after-ms"] == "1500"


def openais(sent: Sent) -> tuple[int, str, bytes]:
    """Refuses members of messages that OpenAI does not know, as OpenAI does."""
    known = {"role", "content", "name", "tool_calls", "tool_call_id", "refusal"}
    for message in json.loads(sent.body)["messages"]:
        if message.keys() - known:
            return 400, "application/json", b'{"error":{"message":"Additional properties are not allowed"}}'
    body = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-x",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
    return 200, "application/json", json.dumps(body).encode()


def test_what_one_format_left_in_the_history_does_not_reach_another(make_gateway: MakeGateway) -> None:
    """A turn that Google answered, signed reasoning beside it, goes on at a target of OpenAI's format."""
    signed_turn = {
        "role": "assistant",
        "content": "Bonjour.",
        "reasoning_content": "Greet.",
        "baseload": {"parts": [{"text": 8}]},
    }
    body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}, signed_turn, *CHAT]}
    with answering(google) as one, answering(openais) as other:
        gemini = {"provider": "google", "key": "g-key", "price": PRICE}
        gpt = {"provider": "openai", "key": "o-key", "price": PRICE}
        gateway = make_gateway(
            {
                "gemini": {"metered": gemini, "url": one.url, "model": "gemini-x", "format": "gemini"},
                "gpt": {"metered": gpt, "url": other.url, "model": "gpt-x"},
            }
        )
        answer = gateway.post(body, **{"x-baseload-targets": "gpt"})
    assert answer.status_code == 200, answer.text
    assert json.loads(other.calls[0].body)["messages"][1] == {"role": "assistant", "content": "Bonjour."}
    assert "x-baseload-approximated" not in answer.headers


def test_what_was_approximated_and_dropped_is_told_by_name(make_gateway: MakeGateway) -> None:
    """In headers, by fields' names alone: a name that the client made up cannot add a line of its own."""
    with answering(amazon) as provider:
        login = {"region": "eu-west-1", "access_key": ACCESS, "secret_key": SECRET}
        target = {
            "metered": {"provider": "aws", "aws": login, "price": PRICE},
            "url": provider.url,
            "model": MODEL,
            "format": "bedrock",
            "drop_unsupported": True,
        }
        gateway = make_gateway({"claude": target})
        made_up = {"odd\r\nset-cookie: a": 1}
        answer = gateway.post({"model": "chat", "messages": CHAT, "user": "u", "seed": 7, **made_up})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-baseload-approximated"] == "user"
    assert answer.headers["x-baseload-dropped"] == "oddset-cookie, seed"
    assert "set-cookie" not in answer.headers
