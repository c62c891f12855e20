"""What a target's own usage costs, from its bytes to ledger, header, metric and log."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from tests.gateway.answering import Sent, answering
from tests.gateway.threaded import MakeThreaded, ThreadedGateway, eventually

Json = dict[str, Any]

PRICE = {
    "input": "2",
    "output": "8",
    "cached_input": "0.5",
    "input_audio": "32",
    "output_audio": "64",
    "thousand_searches": "10",
    "tiers": {"flex": {"input": "1", "output": "4", "cached_input": "0.25"}},
}
USAGE: Json = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 400},
}
CHOICE: Json = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}


def chat_body(usage: Json, **answer: Any) -> bytes:
    """A chat completion with this usage."""
    head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}
    return msgspec.json.encode({**head, **answer, "usage": usage})


def chat_stream(usage: Json, **answer: Any) -> bytes:
    """The same as a stream."""
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", **answer}
    said = {"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    events = [{**head, "choices": [said]}, {**head, "choices": [], "usage": usage}]
    return b"".join(b"data: %b\n\n" % msgspec.json.encode(event) for event in events) + b"data: [DONE]\n\n"


def target(url: str, **changes: Any) -> Json:
    """A metered target at a provider that always answers the same."""
    section = {"provider": "openai", "key": "none", "price": PRICE}
    return {"metered": section, "url": url, "model": "m", "region": "us", **changes}


def booked(threaded: MakeThreaded, usage: Json, **answer: Any) -> tuple[ThreadedGateway, list[Json]]:
    """The gateway, and the rows of one whole and one streamed answer."""

    def answers(sent: Sent) -> tuple[int, str, bytes]:
        if b'"stream":true' in sent.body.replace(b" ", b""):
            return 200, "text/event-stream", chat_stream(usage, **answer)
        return 200, "application/json", chat_body(usage, **answer)

    with answering(answers) as provider:
        gateway = threaded({"api": target(provider.url + "/v1")})
        assert gateway.chat(max_tokens=5).status == 200
        assert gateway.chat(max_tokens=5, stream=True).status == 200
        return gateway, gateway.rows(2)


@pytest.mark.parametrize(
    ("usage", "answer", "cost_nano", "columns"),
    [
        (USAGE, {"service_tier": "default"}, 2_200_000, {"service_tier": None, "unpriced": 0}),
        (USAGE, {"service_tier": "flex"}, 1_100_000, {"service_tier": "flex", "cached_input_tokens": 400}),
        (
            {**USAGE, "completion_tokens_details": {"audio_tokens": 60}},
            {},
            1_400_000 + 60 * 64_000 + 40 * 8_000,
            {"output_audio_tokens": 60, "output_tokens": 100},
        ),
        (
            {**USAGE, "server_tool_use": {"web_search_requests": 2}},
            {},
            2_200_000 + 2 * 10_000_000,
            {"searches": 2},
        ),
    ],
)
def test_a_targets_usage_is_booked_at_its_price(
    threaded: MakeThreaded, usage: Json, answer: Json, cost_nano: int, columns: Json
) -> None:
    """Whole and streamed: to the nano-dollar, with the counts that it is made of."""
    gateway, rows = booked(threaded, usage, **answer)
    assert [row["cost_nano"] for row in rows] == [cost_nano] * 2
    assert [{name: row[name] for name in columns} for row in rows] == [columns] * 2
    assert gateway.metric("baseload_cost_nano_dollars_total", target="api") == 2 * cost_nano
    assert gateway.metric("baseload_unknown_cost_total", target="api") == 0


@pytest.mark.parametrize(
    ("usage", "answer", "why"),
    [
        ({**USAGE, "holodeck_tokens": 3}, {}, "counts something that may cost money"),
        (USAGE, {"service_tier": "priority"}, "service tier 'priority'"),
        ({**USAGE, "completion_tokens_details": {"image_tokens": 60}}, {}, "no price of its kind"),
    ],
)
def test_usage_that_nobody_priced_is_an_alarm_a_line_and_never_0(
    threaded: MakeThreaded, caplog: pytest.LogCaptureFixture, usage: Json, answer: Json, why: str
) -> None:
    """The ledger keeps the counts without a cost, the metric counts both attempts, the log says why."""
    with caplog.at_level(logging.WARNING, logger="baseload.gateway"):
        gateway, rows = booked(threaded, usage, **answer)
        eventually(gateway.at_rest)
    assert [(row["cost_nano"], row["input_tokens"], row["estimated"]) for row in rows] == [
        (None, 1000, 0)
    ] * 2
    assert gateway.metric("baseload_unknown_cost_total", target="api") == 2
    assert gateway.metric("baseload_cost_nano_dollars_total", target="api") == 0
    lines = [record.getMessage() for record in caplog.records if "cost unknown" in record.getMessage()]
    assert len(lines) == 2
    assert all("cost unknown at api" in line and why in line for line in lines)


def test_unknown_costs_are_told_without_a_flood(
    threaded: MakeThreaded, caplog: pytest.LogCaptureFixture
) -> None:
    """The first, second, fourth and eighth of a target have a line; all are counted."""
    body = chat_body({**USAGE, "holodeck_tokens": 3})
    with (
        caplog.at_level(logging.WARNING, logger="baseload.gateway"),
        answering(lambda _: (200, "application/json", body)) as provider,
    ):
        gateway = threaded({"api": target(provider.url + "/v1")})
        assert [gateway.chat(max_tokens=5).status for _ in range(9)] == [200] * 9
        gateway.rows(9)
    lines = [record.getMessage() for record in caplog.records if "cost unknown" in record.getMessage()]
    assert [line.partition("(")[2].partition(" ")[0] for line in lines] == ["1", "2", "4", "8"]
    assert gateway.metric("baseload_unknown_cost_total", target="api") == 9


CLAUDE: Json = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 1000,
        "cache_creation_input_tokens": 2000,
        "cache_read_input_tokens": 10_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1500},
        "output_tokens": 400,
        "service_tier": "standard",
    },
}
OPUS = {
    "input": "5",
    "output": "25",
    "cached_input": "0.5",
    "cache_write": "6.25",
    "cache_write_1h": "10",
}


def test_a_translated_answer_is_booked_by_the_targets_own_usage(threaded: MakeThreaded) -> None:
    """A client of OpenAI's format has no place for an hour-long write; the bill has."""
    body = msgspec.json.encode(CLAUDE)
    with answering(lambda _: (200, "application/json", body)) as provider:
        section = {"provider": "anthropic", "key": "none", "price": OPUS}
        claude = target(provider.url + "/v1", metered=section, format="anthropic")
        reply = threaded({"api": claude})
        answer = reply.chat(max_tokens=5)
        (row,) = reply.rows(1)
    assert answer.headers["x-baseload-cost-usd"] == "0.038125000"
    assert (row["cost_nano"], row["cache_write_tokens"], row["cache_write_1h_tokens"]) == (
        38_125_000,
        2000,
        1500,
    )
