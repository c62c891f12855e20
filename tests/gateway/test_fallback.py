"""Fallback lists on the data path: which answers lead to one, where it goes, what ledger and client see."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.answering import Answer, Provider, Sent, answering
from tests.gateway.running import RunningTwin, metered, provider
from tests.gateway.threaded import MakeThreaded, Reply

pytestmark = pytest.mark.usefixtures("quick_sweep")
Twins = Callable[..., RunningTwin]
Answering = Callable[[Answer], Provider]
PRICE = {"input": "1", "output": "2"}

TOO_LONG = [
    pytest.param(
        "openai",
        {
            "error": {
                "message": "This model's maximum context length is 8192 tokens.",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            }
        },
        id="openai",
    ),
    pytest.param(
        "openai",
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        id="vllm",
    ),
    pytest.param(
        "anthropic",
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "prompt is too long: 213462 tokens > 200000 maximum",
            },
        },
        id="anthropic",
    ),
    pytest.param(
        "anthropic",
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            },
        },
        id="anthropic-with-its-answer",
    ),
    pytest.param(
        "gemini",
        {
            "error": {
                "code": 400,
                "message": "The input token count (1200000) exceeds the maximum number of tokens allowed.",
                "status": "INVALID_ARGUMENT",
            }
        },
        id="gemini",
    ),
    pytest.param("bedrock", {"message": "Input is too long for requested model."}, id="bedrock"),
]
REFUSED = [
    pytest.param(
        "openai",
        {
            "error": {
                "message": "The prompt triggered the content management policy.",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        id="azure",
    ),
    pytest.param(
        "openai",
        {
            "error": {
                "message": "Invalid prompt: it was flagged as potentially violating our usage policy.",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_prompt",
            }
        },
        id="openai",
    ),
    pytest.param(
        "anthropic",
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Output blocked by content filtering policy",
            },
        },
        id="anthropic",
    ),
    pytest.param(
        "bedrock", {"message": "This request has been blocked by our content filters."}, id="bedrock"
    ),
]


@pytest.fixture
def providers() -> Iterator[Answering]:
    """Start providers that answer as told: `providers(answer)`."""
    with contextlib.ExitStack() as stack:
        yield lambda answer: stack.enter_context(answering(answer))


def saying(body: Any, status: int = 400) -> Answer:
    """Every call is answered with this JSON."""
    return lambda _: (status, "application/json", json.dumps(body).encode())


def speaking(made: Provider, format_: str, **more: Any) -> dict[str, Any]:
    """A target that speaks this format."""
    section = {"provider": "openai", "key": "none", "price": PRICE}
    return {"metered": section, "url": made.url, "format": format_, "model": "m", "region": "us", **more}


def models(own: list[str], **lists: list[str]) -> dict[str, Any]:
    """Model `chat` with these targets and fallback lists."""
    return {"chat": {"metered": own, "slo": {"ttft": "2s", "tpot": "100ms"}, "fallback": lists}}


def text(reply: Reply) -> str:
    """What the model said, streamed or not, up to its third word."""
    return " ".join(reply.content.split()[:3])


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("format_", "body"), TOO_LONG)
def test_a_request_too_long_goes_to_a_longer_target(
    threaded: MakeThreaded, twins: Twins, providers: Answering, format_: str, body: Any, stream: bool
) -> None:
    """Whatever format says so: the list's target answers, reason `fallback`; both attempts are rows."""
    short, long = providers(saying(body)), twins(provider)
    gateway = threaded(
        {"short": speaking(short, format_), "long": metered(long)},
        models(["short"], context_length=["long"]),
    )
    reply = gateway.chat(max_tokens=3, stream=stream)
    assert reply.status == 200
    shown = [reply.headers[f"x-baseload-{name}"] for name in ("target", "reason", "attempts")]
    assert shown == ["long", "fallback", "2"]
    first, second = gateway.rows(2)
    assert (first["target"], first["outcome"], first["status"]) == ("short", "failed", 400)
    assert (first["error_code"], first["cost_nano"]) == ("context_length_exceeded", 0)
    assert (second["target"], second["outcome"], second["reason"]) == ("long", "completed", "fallback")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("format_", "body"), REFUSED)
def test_a_refusal_for_its_content_goes_to_another_target(
    threaded: MakeThreaded, twins: Twins, providers: Answering, format_: str, body: Any, stream: bool
) -> None:
    """An error on grounds of content leads to the list for it, and the row says so."""
    strict, other = providers(saying(body)), twins(provider)
    gateway = threaded(
        {"strict": speaking(strict, format_), "other": metered(other)},
        models(["strict"], content_policy=["other"]),
    )
    reply = gateway.chat(max_tokens=3, stream=stream)
    assert (reply.status, reply.headers["x-baseload-target"]) == (200, "other")
    assert [row["error_code"] for row in gateway.rows(2)] == ["content_policy", None]


@pytest.mark.parametrize(
    ("body", "lists"),
    [
        (TOO_LONG[0].values[1], {"content_policy": ["other"]}),
        (TOO_LONG[0].values[1], {"error": ["other"]}),
        (REFUSED[0].values[1], {"context_length": ["other"], "error": ["other"]}),
        ({"error": {"message": "'top_p' must be at most 1", "code": "invalid_value"}}, {"error": ["other"]}),
    ],
)
def test_each_cause_has_its_own_list(
    threaded: MakeThreaded, twins: Twins, providers: Answering, body: Any, lists: dict[str, list[str]]
) -> None:
    """Without a list for it a refusal is the answer, as the target gave it; a client's mistake always is."""
    first, other = providers(saying(body)), twins(provider)
    gateway = threaded(
        {"first": speaking(first, "openai"), "other": metered(other)}, models(["first"], **lists)
    )
    reply = gateway.chat()
    assert (reply.status, reply.json) == (400, body)
    assert [row["outcome"] for row in gateway.rows(1)] == ["rejected"]
    assert other.served().requests == []


def test_a_refusal_that_no_target_may_take_is_the_answer(
    threaded: MakeThreaded, twins: Twins, providers: Answering
) -> None:
    """Residency holds at a fallback too: with none of the list admissible the refusal is passed on."""
    body = TOO_LONG[0].values[1]
    near, far = providers(saying(body)), twins(provider)
    gateway = threaded(
        {"near": speaking(near, "openai", region="eu"), "far": metered(far, region="us")},
        models(["near"], context_length=["far"]),
        classes={"default": {"regions": ["eu"]}},
    )
    reply = gateway.chat()
    assert (reply.status, reply.json) == (400, body)
    assert [(row["target"], row["outcome"]) for row in gateway.rows(1)] == [("near", "rejected")]
    assert far.served().requests == []


def test_a_narrowed_request_is_not_widened(
    threaded: MakeThreaded, twins: Twins, providers: Answering
) -> None:
    """A client that named its target gets that target's refusal."""
    first, other = providers(saying(TOO_LONG[0].values[1])), twins(provider)
    gateway = threaded(
        {"first": speaking(first, "openai"), "other": metered(other)},
        models(["first"], context_length=["other"]),
    )
    reply = gateway.chat(headers={"x-baseload-targets": "first"})
    assert (reply.status, other.served().requests) == (400, [])


def test_a_window_known_to_be_too_short_is_left_out(
    threaded: MakeThreaded, twins: Twins, providers: Answering
) -> None:
    """Before sending where no window is long enough, and within a list once a target said too long."""
    first, shorter, long = providers(saying(TOO_LONG[0].values[1])), twins(provider), twins(provider)
    targets = {
        "first": speaking(first, "openai", context=8192),
        "shorter": metered(shorter, context=8192),
        "long": metered(long, context=100_000),
    }
    gateway = threaded(targets, models(["first"], context_length=["shorter", "long"]))
    assert gateway.chat(max_tokens=3).headers["x-baseload-target"] == "long"
    assert len(first.calls) == 1
    reply = gateway.chat("word " * 40_000, max_tokens=3)
    shown = [reply.headers[f"x-baseload-{name}"] for name in ("target", "reason", "attempts")]
    assert shown == ["long", "fallback", "1"]
    assert (len(first.calls), shorter.served().requests) == (1, [])


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_when_every_target_fails_another_models_targets_serve(
    threaded: MakeThreaded, twins: Twins, stream: bool
) -> None:
    """A model in a list stands for its targets, cheapest first; the client sees the model it asked for."""
    down, dear, cheap = twins(provider, faults=("status=503",)), twins(provider), twins(provider)
    targets = {"down": metered(down), "dear": metered(dear, ("9", "9")), "cheap": metered(cheap, ("1", "1"))}
    both = models(["down"], error=["other"]) | {"other": {"metered": ["dear", "cheap"]}}
    gateway = threaded(targets, both)
    reply = gateway.chat(max_tokens=3, ignore_eos=True, stream=stream)
    assert (reply.status, text(reply)) == (200, "the sun and")
    shown = [reply.headers[f"x-baseload-{name}"] for name in ("target", "reason", "attempts")]
    assert shown == ["cheap", "fallback", "2"]
    assert [(row["target"], row["model"]) for row in gateway.rows(2)] == [("down", "chat"), ("cheap", "chat")]
    if not stream:
        assert reply.json["model"] == "chat"


def test_an_outage_is_left_to_the_list(threaded: MakeThreaded, twins: Twins) -> None:
    """Once a model's targets are ejected, its requests go to the list at once, beyond any retry budget."""
    down, other = twins(provider, faults=("status=500",)), twins(provider)
    gateway = threaded({"down": metered(down), "other": metered(other)}, models(["down"], error=["other"]))
    replies = [gateway.chat(max_tokens=1) for _ in range(30)]
    assert {(reply.status, reply.headers["x-baseload-target"]) for reply in replies} == {(200, "other")}
    assert {reply.headers["x-baseload-reason"] for reply in replies} == {"fallback"}
    assert len(down.served().requests) == 5  # until it is ejected
    assert replies[-1].headers["x-baseload-attempts"] == "1"


def test_the_last_target_is_never_given_up(threaded: MakeThreaded, twins: Twins) -> None:
    """With the list ejected too, whichever target returns soonest is still asked."""
    failing = [twins(provider, faults=("status=500,times=40",)) for _ in range(2)]
    gateway = threaded(
        {"own": metered(failing[0]), "other": metered(failing[1])}, models(["own"], error=["other"])
    )
    for _ in range(12):
        assert gateway.chat().code == "upstream_error"
    asked = sum(len(twin.served().requests) for twin in failing)
    assert gateway.chat().code == "upstream_error"
    assert sum(len(twin.served().requests) for twin in failing) > asked


def test_a_full_target_is_relieved_at_once(threaded: MakeThreaded, twins: Twins) -> None:
    """A list serves instead of a wait for a target that asks for time."""
    full, other = twins(provider, faults=("status=429,retry_after_s=30",)), twins(provider)
    gateway = threaded({"full": metered(full), "other": metered(other)}, models(["full"], error=["other"]))
    assert [gateway.chat(max_tokens=1).headers["x-baseload-attempts"] for _ in range(3)] == ["2", "1", "1"]


def test_lists_are_bounded(threaded: MakeThreaded, twins: Twins) -> None:
    """Three attempts of the model's own, three by a list; then the last error is the answer."""
    targets = {
        f"t{n}": metered(twins(provider, faults=(f"status=50{n % 5}",)), (f"{n + 1}", "1")) for n in range(9)
    }
    gateway = threaded(targets, models([f"t{n}" for n in range(4)], error=[f"t{n}" for n in range(4, 9)]))
    reply = gateway.chat()
    assert (reply.status, reply.headers["x-baseload-attempts"]) == (502, "6")
    assert [row["target"] for row in gateway.rows(6)] == ["t0", "t1", "t2", "t4", "t5", "t6"]


def _recorded(file: Path, id_: str) -> tuple[str, bytes]:
    with file.open() as lines:
        entry = next(entry for entry in map(json.loads, lines) if entry["id"] == id_)
    if entry.get("response") is not None:
        return "application/json", json.dumps(entry["response"]).encode()
    return "text/event-stream", entry["response_text"].encode()


RECORDED_REFUSALS = [
    ("anthropic", "anthropic_messages.jsonl", "anthropic-messages-6bb117cf769c", True),
    ("anthropic", "anthropic_messages.jsonl", "anthropic-messages-a49616ea5b44", False),
    ("gemini", "gemini_generate.jsonl", "gemini-generate-a2c26a3f03b6", False),
    ("gemini", "gemini_generate.jsonl", "gemini-generate-d9765f823480", False),
]


@pytest.mark.parametrize(("format_", "file", "id_", "stream"), RECORDED_REFUSALS)
def test_a_recorded_refusal_without_a_word_goes_to_the_list(
    shared: Path,
    threaded: MakeThreaded,
    twins: Twins,
    providers: Answering,
    format_: str,
    file: str,
    id_: str,
    stream: bool,
) -> None:
    """A 200 that only refuses is no answer where another target may give one; what it cost is booked."""
    content, body = _recorded(shared / "fixtures" / "exchanges" / file, id_)
    strict, other = providers(lambda _: (200, content, body)), twins(provider)
    targets = {"strict": speaking(strict, format_), "other": metered(other)}
    gateway = threaded(targets, models(["strict"], content_policy=["other"]))
    reply = gateway.chat(max_tokens=3, stream=stream)
    assert (reply.status, reply.headers["x-baseload-target"]) == (200, "other")
    first, second = gateway.rows(2)
    assert (first["outcome"], first["status"], first["error_code"]) == ("failed", 200, "content_policy")
    assert first["cost_nano"] == first["input_tokens"] * 1000 + first["output_tokens"] * 2000
    assert second["outcome"] == "completed"


REFUSALS = {
    "openai": (
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": ""},
                    "finish_reason": "content_filter",
                }
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9},
        },
        [
            {
                "id": "c1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [
                    {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
                ],
            },
            {
                "id": "c1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}],
            },
        ],
    ),
}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_an_empty_refusal_in_the_clients_own_format(
    threaded: MakeThreaded, twins: Twins, providers: Answering, stream: bool
) -> None:
    """Bytes that would pass through unread are looked at before the commit point, where a list waits."""
    whole, events = REFUSALS["openai"]

    def answer(sent: Sent) -> tuple[int, str, bytes]:
        if json.loads(sent.body).get("stream"):
            lines = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
            return 200, "text/event-stream", lines + b"data: [DONE]\n\n"
        return 200, "application/json", json.dumps(whole).encode()

    strict, other = providers(answer), twins(provider)
    targets = {"strict": speaking(strict, "openai"), "other": metered(other)}
    with_list = threaded(targets, models(["strict"], content_policy=["other"]))
    reply = with_list.chat(max_tokens=3, ignore_eos=True, stream=stream)
    assert (reply.headers["x-baseload-target"], text(reply)) == ("other", "the sun and")
    assert [row["outcome"] for row in with_list.rows(2)] == ["failed", "completed"]
    without = threaded(targets, models(["strict"], error=["other"]))
    reply = without.chat(stream=stream)
    assert (reply.status, reply.headers["x-baseload-target"]) == (200, "strict")
    assert b"content_filter" in reply.body


def test_words_before_a_filter_are_the_answer(
    threaded: MakeThreaded, twins: Twins, providers: Answering
) -> None:
    """A refusal after the first content is passed on: the client holds a part."""
    events = json.loads(json.dumps(REFUSALS["openai"][1]))
    events[0]["choices"][0]["delta"]["content"] = "Well, "
    lines = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"
    strict, other = providers(lambda _: (200, "text/event-stream", lines)), twins(provider)
    targets = {"strict": speaking(strict, "openai"), "other": metered(other)}
    reply = threaded(targets, models(["strict"], content_policy=["other"])).chat(stream=True)
    assert (reply.headers["x-baseload-target"], reply.content, reply.done) == ("strict", "Well, ", True)


def test_an_error_event_before_the_commit_point_is_read_as_one(
    threaded: MakeThreaded, twins: Twins, providers: Answering
) -> None:
    """Some say 200 first and the error then: the same list serves."""
    event = {"error": {"message": "too long", "code": "context_length_exceeded"}}
    body = b"data: %b\n\n" % json.dumps(event).encode()
    short, long = providers(lambda _: (200, "text/event-stream", body)), twins(provider)
    targets = {"short": speaking(short, "openai"), "long": metered(long)}
    gateway = threaded(targets, models(["short"], context_length=["long"]))
    reply = gateway.chat(max_tokens=3, ignore_eos=True, stream=True)
    assert (reply.headers["x-baseload-target"], text(reply)) == ("long", "the sun and")
    assert [row["error_code"] for row in gateway.rows(2)] == ["context_length_exceeded", None]


def test_a_list_of_ones_own_targets(threaded: MakeThreaded, twins: Twins, providers: Answering) -> None:
    """A list may name a target of the model itself: the dearer, longer one."""
    short, long = providers(saying(TOO_LONG[0].values[1])), twins(provider)
    targets = {"short": speaking(short, "openai"), "long": metered(long, ("50", "50"))}
    gateway = threaded(targets, models(["short", "long"], context_length=["long"]))
    reply = gateway.chat(max_tokens=3)
    assert [reply.headers[f"x-baseload-{name}"] for name in ("target", "reason")] == ["long", "fallback"]
