"""Anthropic's SDK for Python before targets of every format: what its users do, streamed and not."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import pydantic
import pytest

from baseload.core import Format
from tests.gateway.provided import Provided, provided
from tests.gateway.replaying import Said
from tests.gateway.test_sdk_openai import PIXEL, PLACE
from tests.gateway.voices import FORMATS, INPUT, OUTPUT, Called, Thinks, break_off, refuse

MESSAGES: list[Any] = [{"role": "user", "content": "When is high water?"}]
TOOLS: list[Any] = [
    {"name": name, "description": f"The {name}.", "input_schema": PLACE} for name in ("tide", "wind")
]
TIDE = Called("toolu_tide", "tide", {"place": "Roscoff, Finistère"})
WIND = Called("toolu_wind", "wind", {"place": "Brest"})
THOUGHT = Thinks("The tide turns at noon.", "c2lnbmVk")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provided]:
    """One gateway for all tests."""
    with provided(tmp_path_factory.mktemp("sdk"), ["401", "404", "429", "529", "full"]) as made:
        yield made


def sdk(there: Provided, **options: Any) -> anthropic.Anthropic:
    """The SDK as a user has it, but that it does not retry unless asked to."""
    given = {"base_url": there.base_url, "api_key": there.gateway.key, "max_retries": 0, **options}
    return anthropic.Anthropic(**given)


def ask(there: Provided, format_: Format, *, stream: bool = False, **more: Any) -> anthropic.types.Message:
    """The message that the SDK has, of a call or of a stream it adds up."""
    asking: Any = {"model": format_.value, "max_tokens": 2000, "messages": MESSAGES, **more}
    with sdk(there) as client:
        if not stream:
            made: anthropic.types.Message = client.messages.create(**asking)
            return made
        with client.messages.stream(**asking) as events:
            return events.get_final_message()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("format_", FORMATS)
def test_text(there: Provided, format_: Format, stream: bool) -> None:
    """An answer with its usage."""
    there.will_say(format_, "At six o'clock.", stream=stream)
    answer = ask(there, format_, stream=stream)
    assert [block.type for block in answer.content] == ["text"]
    assert getattr(answer.content[0], "text", "") == "At six o'clock."
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (INPUT, OUTPUT)
    assert answer.id


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("calls", [(TIDE,), (TIDE, WIND)], ids=["one", "parallel"])
@pytest.mark.parametrize("format_", FORMATS)
def test_tools(there: Provided, format_: Format, calls: tuple[Called, ...], stream: bool) -> None:
    """Calls with their arguments, whole and in pieces; what they gave goes back and is answered."""
    there.will_say(format_, *calls, stream=stream)
    answer = ask(there, format_, stream=stream, tools=TOOLS)
    assert there.asked(format_).tools == ["tide", "wind"]
    assert answer.stop_reason == "tool_use"
    made = [block for block in answer.content if block.type == "tool_use"]
    assert [(one.name, one.input) for one in made] == [(call.name, call.arguments) for call in calls]
    results = [{"type": "tool_result", "tool_use_id": one.id, "content": f"{one.name}: calm"} for one in made]
    there.will_say(format_, "All calm.", stream=stream)
    history = [
        *MESSAGES,
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": results},
    ]
    last = ask(there, format_, stream=stream, tools=TOOLS, messages=history)
    assert getattr(last.content[0], "text", "") == "All calm."
    assert there.asked(format_).results == [f"{call.name}: calm" for call in calls]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("format_", [one for one in FORMATS if one is not Format.OPENAI])
def test_thinking(there: Provided, format_: Format, stream: bool) -> None:
    """Reasoning is shown; signed, it reaches the provider again with the content that users keep."""
    there.will_say(format_, THOUGHT, TIDE, stream=stream)
    more: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": TOOLS}
    answer = ask(there, format_, stream=stream, **more)
    assert [block.type for block in answer.content[:2]] == ["thinking", "tool_use"]
    assert getattr(answer.content[0], "thinking", "") == THOUGHT.text
    result = {"type": "tool_result", "tool_use_id": TIDE.id, "content": "calm"}
    history = [
        *MESSAGES,
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": [result]},
    ]
    there.will_say(format_, "At six.", stream=stream)
    ask(there, format_, stream=stream, messages=history, **more)
    assert there.asked(format_).signatures == [THOUGHT.signature]


@pytest.mark.parametrize("format_", [Format.BEDROCK, Format.GEMINI, Format.OPENAI])
@pytest.mark.parametrize("onto", [Format.ANTHROPIC, Format.ANTHROPIC_VERTEX])
def test_a_conversation_moves_on_to_anthropic(there: Provided, format_: Format, onto: Format) -> None:
    """What others said reaches Anthropic as words and calls alone: it refuses what it did not sign."""
    there.will_say(format_, THOUGHT, "I look.", TIDE)
    answer = ask(there, format_, tools=TOOLS)
    result = {"type": "tool_result", "tool_use_id": TIDE.id, "content": "calm"}
    history = [
        *MESSAGES,
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": [result]},
    ]
    there.will_say(onto, "At six.")
    ask(there, onto, messages=history, tools=TOOLS)
    turn = json.loads(there.provider.calls[-1].body)["messages"][1]
    assert [block["type"] for block in turn["content"]] == ["text", "tool_use"]
    assert set(turn) == {"role", "content"}
    there.then(Said(200, "application/json", (b'{"input_tokens": 44}',)))
    with sdk(there) as client:
        counted = client.messages.count_tokens(model=onto.value, messages=history, tools=TOOLS)
    assert counted.input_tokens == 44
    assert json.loads(there.provider.calls[-1].body)["messages"][1] == turn


@pytest.mark.parametrize("format_", FORMATS)
def test_vision(there: Provided, format_: Format) -> None:
    """A picture as base64 reaches the provider byte for byte."""
    there.will_say(format_, "A dot.")
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PIXEL).decode()}
    content = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": source}]
    ask(there, format_, messages=[{"role": "user", "content": content}])
    assert there.asked(format_).pictures == [PIXEL]


class Tide(pydantic.BaseModel):
    """What the answer must be."""

    place: str
    hour: int


@pytest.mark.parametrize("format_", FORMATS)
def test_structured_output(there: Provided, format_: Format) -> None:
    """The SDK's own parsing: the schema reaches the provider, the answer is an object of the class."""
    there.will_say(format_, '{"place": "Roscoff", "hour": 6}')
    with sdk(there) as client:
        answer = client.messages.parse(
            model=format_.value, max_tokens=200, messages=MESSAGES, output_format=Tide
        )
    assert answer.parsed_output == Tide(place="Roscoff", hour=6)
    assert set(there.asked(format_).schema["properties"]) == {"place", "hour"}


@pytest.mark.parametrize("format_", FORMATS)
def test_a_refused_request(there: Provided, format_: Format) -> None:
    """A client's own mistake is told in the provider's words, as the SDK's error for it."""
    there.then(refuse(format_, 400, "the picture is too large"))
    with pytest.raises(anthropic.BadRequestError, match="the picture is too large"):
        ask(there, format_)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("status", "raised", "code"),
    [
        (401, anthropic.InternalServerError, "upstream_credentials"),
        (404, anthropic.InternalServerError, "upstream_model"),
        (429, anthropic.RateLimitError, "upstream_no_room"),
        (529, anthropic.RateLimitError, "upstream_no_room"),
    ],
)
def test_a_provider_in_trouble(
    there: Provided, format_: Format, status: int, raised: type[anthropic.APIStatusError], code: str
) -> None:
    """Its dead credential, missing model and full house are the gateway's to tell."""
    there.provider.said = refuse(format_, status, "no", ("retry-after-ms", "20"))
    with sdk(there) as client, pytest.raises(raised) as caught:
        client.messages.create(model=f"{format_.value}-{status}", max_tokens=9, messages=MESSAGES)
    body: Any = caught.value.body
    assert body["type"] == "error"
    assert body["error"]["code"] == code


@pytest.mark.parametrize("format_", FORMATS)
def test_a_stream_that_breaks_off(there: Provided, format_: Format) -> None:
    """What was said is there, then the SDK raises; nothing is silently cut short."""
    there.then(break_off(format_, "At six"))
    said = ""
    asking: Any = {"model": format_.value, "max_tokens": 9, "messages": MESSAGES}
    with (  # noqa: PT012
        sdk(there) as client,
        pytest.raises(anthropic.APIError, match="broke off"),
        client.messages.stream(**asking) as stream,
    ):
        for text in stream.text_stream:
            said += text
    assert said == "At six"


@pytest.mark.parametrize("format_", FORMATS)
def test_the_sdk_waits_as_long_as_it_is_told(there: Provided, format_: Format) -> None:
    """The provider has no room three times; the SDK's one retry comes after the pause it asked for."""
    full = refuse(format_, 429, "no room", ("retry-after-ms", "700"))
    there.then(full, full, full)
    there.will_say(format_, "At six.")
    before, begun_s = len(there.provider.calls), time.monotonic()
    with sdk(there, max_retries=1) as client:
        client.messages.create(model=f"{format_.value}-full", max_tokens=9, messages=MESSAGES)
    assert len(there.provider.calls) - before == 4
    assert time.monotonic() - begun_s >= 3 * 0.7  # two pauses of the gateway's, one of the SDK's


def test_tokens_are_counted_by_who_can(there: Provided) -> None:
    """Before a target of this format the provider's own count, before another one an estimate."""
    there.then(Said(200, "application/json", (b'{"input_tokens": 14}',)))
    with sdk(there) as client:
        assert client.messages.count_tokens(model="anthropic", messages=MESSAGES).input_tokens == 14
        before = len(there.provider.calls)
        guessed = client.messages.with_raw_response.count_tokens(model="openai", messages=MESSAGES)
    assert guessed.headers["x-baseload-estimated"] == "input_tokens"
    assert guessed.parse().input_tokens > 0
    assert len(there.provider.calls) == before


def test_strangers_and_unknown_models(there: Provided) -> None:
    """The gateway's own refusals are the SDK's own errors."""
    with sdk(there, api_key="bl_wrong") as client, pytest.raises(anthropic.AuthenticationError):
        client.messages.create(model="openai", max_tokens=9, messages=MESSAGES)
    with sdk(there) as client, pytest.raises(anthropic.NotFoundError, match="there is no model 'nothing'"):
        client.messages.create(model="nothing", max_tokens=9, messages=MESSAGES)
