"""OpenAI's SDK for Python before targets of every format: what its users do, streamed and not."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pydantic
import pytest

from baseload.core import Format
from tests.gateway.provided import Provided, provided
from tests.gateway.voices import FORMATS, INPUT, OUTPUT, Called, Thinks, break_off, refuse, say
from tests.wire.dialects.openai_schema import problems

MESSAGES: list[Any] = [{"role": "user", "content": "When is high water?"}]
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PLACE: Any = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "description": f"The {name}.", "parameters": PLACE}}
    for name in ("tide", "wind")
]
TIDE = Called("call_tide", "tide", {"place": "Roscoff, Finistère"})
WIND = Called("call_wind", "wind", {"place": "Brest"})


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provided]:
    """One gateway for all tests."""
    with provided(tmp_path_factory.mktemp("sdk"), ["401", "404", "429", "500", "full", "vain"]) as made:
        yield made


def sdk(there: Provided, **options: Any) -> openai.OpenAI:
    """The SDK as a user has it, but that it does not retry unless asked to."""
    gateway = there.gateway
    given = {"base_url": gateway.url, "api_key": gateway.key, "max_retries": 0, **options}
    return openai.OpenAI(**given)


@pytest.mark.parametrize("format_", FORMATS)
def test_text(there: Provided, format_: Format) -> None:
    """An answer, whole and streamed, with its usage, under the name that was asked for."""
    with sdk(there) as client:
        there.will_say(format_, "At six o'clock.")
        whole = client.chat.completions.create(model=format_.value, messages=MESSAGES)
        there.will_say(format_, "At six o'clock.", stream=True)
        with client.chat.completions.stream(
            model=format_.value, messages=MESSAGES, stream_options={"include_usage": True}
        ) as stream:
            deltas = [event.delta for event in stream if event.type == "content.delta"]
            final = stream.get_final_completion()
    assert [delta for delta in deltas if delta] == ["At", " six", " o'clock."]
    for answer in (whole, final):
        assert answer.choices[0].message.content == "At six o'clock."
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (INPUT, OUTPUT)
        assert answer.id
    assert whole.model == format_.value


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("calls", [(TIDE,), (TIDE, WIND)], ids=["one", "parallel"])
def test_tools(there: Provided, format_: Format, calls: tuple[Called, ...]) -> None:
    """Calls with their arguments, whole and in pieces; what they gave goes back and is answered."""
    wanted = [(call.name, call.arguments) for call in calls]
    with sdk(there) as client:
        there.will_say(format_, *calls)
        whole = client.chat.completions.create(model=format_.value, messages=MESSAGES, tools=TOOLS)
        assert there.asked(format_).tools == ["tide", "wind"]
        there.will_say(format_, *calls, stream=True)
        with client.chat.completions.stream(
            model=format_.value, messages=MESSAGES, tools=TOOLS, parallel_tool_calls=True
        ) as stream:
            final = stream.get_final_completion()
        for answer in (whole, final):
            assert answer.choices[0].finish_reason == "tool_calls"
            made: Any = answer.choices[0].message.tool_calls or []
            assert [(one.function.name, json.loads(one.function.arguments)) for one in made] == wanted
        turn = final.choices[0].message
        given = [
            {"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name}: calm"}
            for call in turn.tool_calls or ()
        ]
        there.will_say(format_, "All calm.")
        history: list[Any] = [*MESSAGES, turn.to_dict(), *given]
        last = client.chat.completions.create(model=format_.value, messages=history, tools=TOOLS)
    assert last.choices[0].message.content == "All calm."
    assert there.asked(format_).results == [f"{call.name}: calm" for call in calls]


@pytest.mark.parametrize("format_", [one for one in FORMATS if one is not Format.OPENAI])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_thinking(there: Provided, format_: Format, stream: bool) -> None:
    """Signed reasoning before a call reaches the provider again with the call's result."""
    there.will_say(format_, Thinks("The tide turns at noon.", "c2lnbmVk"), TIDE, stream=stream)
    asking: dict[str, Any] = {"model": format_.value, "messages": MESSAGES, "tools": TOOLS}
    with sdk(there) as client:
        if stream:
            with client.chat.completions.stream(**asking) as events:
                turn = events.get_final_completion().choices[0].message
        else:
            turn = client.chat.completions.create(**asking).choices[0].message
        assert turn.to_dict()["reasoning_content"] == "The tide turns at noon."
        there.will_say(format_, "At six.")
        result = {"role": "tool", "tool_call_id": TIDE.id, "content": "calm"}
        client.chat.completions.create(**asking | {"messages": [*MESSAGES, turn.to_dict(), result]})
    assert there.asked(format_).signatures == ["c2lnbmVk"]


@pytest.mark.parametrize("format_", FORMATS)
def test_vision(there: Provided, format_: Format) -> None:
    """A picture as base64 reaches the provider byte for byte."""
    there.will_say(format_, "A dot.")
    url = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    messages: list[Any] = [{"role": "user", "content": content}]
    with sdk(there) as client:
        answer = client.chat.completions.create(model=format_.value, messages=messages)
    assert answer.choices[0].message.content == "A dot."
    assert there.asked(format_).pictures == [PIXEL]


class Tide(pydantic.BaseModel):
    """What the answer must be."""

    place: str
    hour: int


@pytest.mark.parametrize("format_", FORMATS)
def test_structured_output(there: Provided, format_: Format) -> None:
    """The SDK's own parsing: the schema reaches the provider, the answer is an object of the class."""
    with sdk(there) as client:
        there.will_say(format_, '{"place": "Roscoff", "hour": 6}')
        whole = client.chat.completions.parse(model=format_.value, messages=MESSAGES, response_format=Tide)
        assert set(there.asked(format_).schema["properties"]) == {"place", "hour"}
        there.will_say(format_, '{"place": "Roscoff", "hour": 6}', stream=True)
        with client.chat.completions.stream(
            model=format_.value, messages=MESSAGES, response_format=Tide
        ) as stream:
            final = stream.get_final_completion()
    for answer in (whole, final):
        assert answer.choices[0].message.parsed == Tide(place="Roscoff", hour=6)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_refused_request(there: Provided, format_: Format) -> None:
    """A client's own mistake is told in the provider's words, as the SDK's error for it."""
    there.then(refuse(format_, 400, "the picture is too large"))
    with sdk(there) as client, pytest.raises(openai.BadRequestError, match="the picture is too large"):
        client.chat.completions.create(model=format_.value, messages=MESSAGES)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("status", "raised", "code"),
    [
        (401, openai.InternalServerError, "upstream_credentials"),
        (404, openai.InternalServerError, "upstream_model"),
        (429, openai.RateLimitError, "upstream_no_room"),
        (500, openai.InternalServerError, "upstream_error"),
    ],
)
def test_a_provider_in_trouble(
    there: Provided, format_: Format, status: int, raised: type[openai.APIStatusError], code: str
) -> None:
    """Its dead credential, missing model, full house and failure are the gateway's to tell."""
    there.provider.said = refuse(format_, status, "no", ("retry-after-ms", "20"))
    with sdk(there) as client, pytest.raises(raised) as caught:
        client.chat.completions.create(model=f"{format_.value}-{status}", messages=MESSAGES)
    assert caught.value.code == code


@pytest.mark.parametrize("format_", FORMATS)
def test_a_stream_that_breaks_off(there: Provided, format_: Format) -> None:
    """What was said is there, then the SDK raises; nothing is silently cut short."""
    there.then(break_off(format_, "At six"))
    said = ""
    with sdk(there) as client, pytest.raises(openai.APIError, match="broke off"):  # noqa: PT012
        for chunk in client.chat.completions.create(model=format_.value, messages=MESSAGES, stream=True):
            said += chunk.choices[0].delta.content or ""
    assert said == "At six"


@pytest.mark.parametrize("format_", FORMATS)
def test_the_sdk_waits_as_long_as_it_is_told(there: Provided, format_: Format) -> None:
    """The provider has no room three times; the SDK's one retry comes after the pause it asked for."""
    full = refuse(format_, 429, "no room", ("retry-after-ms", "700"))
    there.then(full, full, full)
    there.will_say(format_, "At six.")
    before = len(there.provider.calls)
    with sdk(there, max_retries=1) as client:
        begun_s = time.monotonic()
        answer = client.chat.completions.create(model=f"{format_.value}-full", messages=MESSAGES)
        took_s = time.monotonic() - begun_s
    assert answer.choices[0].message.content == "At six."
    assert len(there.provider.calls) - before == 4
    assert took_s >= 3 * 0.7  # two pauses of the gateway's, one of the SDK's


def test_the_sdk_does_not_retry_what_is_in_vain(there: Provided) -> None:
    """`x-should-retry: false` where the same request would fail the same way, though the status is a 5xx."""
    there.provider.said = refuse(Format.OPENAI, 401, "no")
    before = len(there.provider.calls)
    with sdk(there, max_retries=3) as client, pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="openai-vain", messages=MESSAGES)
    assert len(there.provider.calls) - before == 1


def test_strangers_and_unknown_models(there: Provided) -> None:
    """The gateway's own refusals are the SDK's own errors."""
    with sdk(there, api_key="bl_wrong") as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="openai", messages=MESSAGES)
    with sdk(there) as client, pytest.raises(openai.NotFoundError, match="there is no model 'nothing'"):
        client.chat.completions.create(model="nothing", messages=MESSAGES)


def test_models_and_embeddings(there: Provided) -> None:
    """The list is valid by OpenAI's schema; embeddings pass through, floats and base64 alike."""
    listed = httpx2.get(there.gateway.url + "/models", headers=there.gateway.headers, trust_env=False).json()
    assert list(problems("ListModelsResponse", listed)) == []
    vector = base64.b64encode(b"\0\0\x80?\0\0\0@").decode()
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    body = {
        "object": "list",
        "data": data,
        "model": "some-model",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    there.then(say(Format.OPENAI, "", stream=False)._replace(pieces=(json.dumps(body).encode(),)))
    with sdk(there) as client:
        assert {format_.value for format_ in FORMATS} < {model.id for model in client.models.list()}
        assert client.models.retrieve("openai").id == "openai"
        made = client.embeddings.create(model="openai", input="high water")
    assert made.data[0].embedding == [1.0, 2.0]
    assert made.model == "openai"


def test_the_ledger_has_what_the_provider_counted(tmp_path: Path) -> None:
    """Whole and streamed, of every format: tokens, and their price to the nano-dollar."""
    with provided(tmp_path) as there, sdk(there) as client:
        for format_ in FORMATS:
            there.will_say(format_, "At six.")
            client.chat.completions.create(model=format_.value, messages=MESSAGES)
            there.will_say(format_, "At six.", stream=True)
            list(client.chat.completions.create(model=format_.value, messages=MESSAGES, stream=True))
        rows = there.gateway.settled(2 * len(FORMATS))
    counted = {
        (row["input_tokens"], row["output_tokens"], row["cost_nano"], row["estimated"]) for row in rows
    }
    assert counted == {(INPUT, OUTPUT, INPUT * 1_000 + OUTPUT * 5_000, 0)}
