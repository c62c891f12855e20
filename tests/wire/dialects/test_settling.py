"""What is made ready for a target of another format: form, defaults, ids, what goes with a dropped field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baseload.errors import RequestError
from baseload.wire.dialects.crossing import Crossing, cross
from baseload.wire.dialects.fitting import IDS, claude_schema, id_from, id_of, tier_of, user_of
from baseload.wire.dialects.matrix import SHOWN, SUPPLIED
from baseload.wire.dialects.nouns import (
    Added,
    Call,
    Choice,
    Closed,
    Dialect,
    Event,
    Finish,
    Json,
    Opened,
    Reply,
    Text,
)
from baseload.wire.dialects.one_call import OneCall, one_call_alone

CHAT, RESPONSES, MESSAGES = Dialect.CHAT, Dialect.RESPONSES, Dialect.MESSAGES
GEMINI, CONVERSE = Dialect.GEMINI, Dialect.CONVERSE
MODELS = {
    CHAT: "qwen3-coder",
    RESPONSES: "gpt-5.2",
    MESSAGES: "claude-sonnet-4-5",
    GEMINI: "gemini-2.5-flash",
    CONVERSE: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
HI: list[Json] = [{"role": "user", "content": "Hi"}]
TIDE: Json = {"type": "function", "function": {"name": "tide"}}
BASH: Json = {"type": "bash_20250124", "name": "bash"}


def crossed(source: Dialect, target: Dialect, *, drop: bool = False, **fields: Any) -> Crossing:
    """A small request of these members, crossed."""
    body = {"model": "m", "messages": HI, **fields}
    if source is MESSAGES:
        body.setdefault("max_tokens", 400)
    elif source is CHAT:
        body.setdefault("max_completion_tokens", 400)
    return cross(json.dumps(body).encode(), source, target, asked="m", model=MODELS[target], drop=drop)


def body_of(crossing: Crossing) -> Json:
    """What the target is sent."""
    found: Json = json.loads(crossing.body)
    return found


OTHERS = [MESSAGES, GEMINI, CONVERSE, RESPONSES]


@pytest.mark.parametrize("target", OTHERS)
def test_defaults_that_are_said_aloud_are_no_matter(target: Dialect) -> None:
    """A neutral value is neither refused nor told, whether the format has a place for it or not."""
    crossing = crossed(
        CHAT,
        target,
        presence_penalty=0,
        frequency_penalty=0.0,
        top_logprobs=0,
        logprobs=False,
        modalities=["text"],
        n=1,
        logit_bias={},
        tool_choice="auto",
        tools=[],
        parallel_tool_calls=False,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert crossing.headers() == b""
    assert not {"tools", "tool_choice", "toolConfig"} & set(body_of(crossing))


def test_anthropic_is_sent_no_empty_text_and_no_empty_turn() -> None:
    """Anthropic refuses both for their form."""
    turns = [
        {"role": "system", "content": ""},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Well?"},
    ]
    body = body_of(crossed(CHAT, MESSAGES, messages=turns))
    assert [message["role"] for message in body["messages"]] == ["user", "user"]
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Hi"}]
    assert "Be brief." in json.dumps(body["system"])
    assert '"text": ""' not in json.dumps(body)


@pytest.mark.parametrize("target", [MESSAGES, CONVERSE])
@pytest.mark.parametrize("parameters", [None, {}, {"properties": {"port": {"type": "string"}}}])
def test_parameters_are_a_schema_of_an_object(target: Dialect, parameters: Json | None) -> None:
    """Anthropic and Amazon want `type: object`, also where the client says nothing."""
    function = {"name": "tide"} | ({} if parameters is None else {"parameters": parameters})
    body = body_of(crossed(CHAT, target, tools=[{"type": "function", "function": function}]))
    schema = (
        body["tools"][0]["input_schema"]
        if target is MESSAGES
        else body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
    )
    assert schema["type"] == "object"


@pytest.mark.parametrize("target", [GEMINI, CONVERSE])
def test_one_call_at_a_time_is_carried_out_by_the_gateway(target: Dialect) -> None:
    """Where the target cannot be told so, the answer has its first call alone."""
    assert crossed(CHAT, target, tools=[TIDE], parallel_tool_calls=False).judged.one_call
    assert not crossed(CHAT, target, tools=[TIDE], parallel_tool_calls=True).judged.one_call


def test_claude_at_amazon_is_told_to_call_one_by_one_unless_a_tool_is_forced() -> None:
    """By Anthropic's own member; beside a forced tool Amazon refuses it."""
    free = body_of(crossed(CHAT, CONVERSE, tools=[TIDE], tool_choice="auto", parallel_tool_calls=False))
    forced = body_of(crossed(CHAT, CONVERSE, tools=[TIDE], tool_choice="required", parallel_tool_calls=False))
    told = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    assert free["additionalModelRequestFields"] == told
    assert "toolChoice" not in free["toolConfig"]
    assert "additionalModelRequestFields" not in forced


def test_calls_after_the_first_are_left_out_of_an_answer() -> None:
    """Whole and streamed, in each choice for itself."""
    first, second = Call("1", "tide", "{}"), Call("2", "tide", "{}")
    reply = Reply("r", "m", [Choice([Text("See"), first, second], Finish.TOOL_CALLS)])
    one_call_alone(reply)
    assert reply.choices[0].parts == [Text("See"), first]
    alone = OneCall()
    events: list[Event] = [
        Opened(0, first),
        Opened(1, second),
        Added(1, "{"),
        Added(0, "{"),
        Closed(1),
        Closed(0),
        Opened(2, second, 1),
    ]
    assert [event for event in events if alone.keeps(event)] == [events[0], events[3], events[5], events[6]]


def test_a_client_that_wants_one_call_gets_one() -> None:
    """Through the crossing itself, whole and streamed: Google's model called twice at once."""
    parts = [{"functionCall": {"name": "tide", "args": {"port": port}}} for port in ("Husum", "Emden")]
    answer = {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}
    fields: Json = {"tools": [TIDE], "parallel_tool_calls": False}
    whole = json.loads(crossed(CHAT, GEMINI, **fields).whole(json.dumps(answer).encode()))
    (call,) = whole["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"port": "Husum"}
    relay = crossed(CHAT, GEMINI, stream=True, **fields).relay(chunked_in=False, chunked_out=False)
    told = relay.feed(b"data: " + json.dumps(answer).encode() + b"\r\n\r\n") + relay.end_of_input()
    assert b"Husum" in told
    assert b"Emden" not in told
    both = crossed(CHAT, GEMINI, stream=True, tools=[TIDE]).relay(chunked_in=False, chunked_out=False)
    assert b"Emden" in both.feed(b"data: " + json.dumps(answer).encode() + b"\r\n\r\n")


@pytest.mark.parametrize("target", [CHAT, GEMINI, RESPONSES])
def test_cache_markers_are_not_sent_where_the_table_leaves_them_out(target: Dialect) -> None:
    """OpenAI refuses members that it does not know."""
    marked = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    tool = {"name": "tide", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
    crossing = crossed(MESSAGES, target, messages=[{"role": "user", "content": [marked]}], tools=[tool])
    assert b"cache_control" not in crossing.body
    assert b"cache_control" in crossing.headers()


PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def results(*contents: Any) -> list[Json]:
    """A conversation in which calls gave these contents."""
    calls = [{"type": "tool_use", "id": f"t{at}", "name": "look", "input": {}} for at in range(len(contents))]
    told = [
        {"type": "tool_result", "tool_use_id": f"t{at}", "content": one} for at, one in enumerate(contents)
    ]
    return [*HI, {"role": "assistant", "content": calls}, {"role": "user", "content": told}]


def test_pictures_in_results_are_shown_after_all_results() -> None:
    """A chat server wants the results in a row, each of text; what follows is the user's."""
    turns = results([PICTURE], "nothing", [{"type": "text", "text": "A buoy:"}, PICTURE])
    turns[-1]["content"].append({"type": "text", "text": "Go on."})
    body = body_of(crossed(MESSAGES, CHAT, messages=turns))
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "tool", "user"]
    assert SHOWN in json.dumps(body["messages"][2])
    kinds = [part["type"] for part in body["messages"][-1]["content"]]
    assert kinds == ["image_url", "image_url", "text"]


# -- what is dropped ----------------------------------------------------------------------------------------


def test_a_choice_goes_with_the_tool_that_is_dropped() -> None:
    """Naming a tool that is not offered is an error everywhere."""
    choice = {"type": "tool", "name": "bash"}
    crossing = crossed(MESSAGES, CHAT, drop=True, tools=[BASH], tool_choice=choice)
    assert not {"tools", "tool_choice"} & set(body_of(crossing))
    assert crossing.judged.dropped == ["tools of type bash_20250124", "tool_choice"]


@pytest.mark.parametrize("target", [CHAT, GEMINI, CONVERSE, RESPONSES])
def test_what_only_one_provider_has_is_dropped_within_results_too(target: Dialect) -> None:
    """As the header says it is; that something stood there is said."""
    found = {"type": "search_result", "source": "log", "title": "Log", "content": []}
    crossing = crossed(MESSAGES, target, drop=True, messages=results([found]))
    assert b"search_result" not in crossing.body
    assert b"left out" in crossing.body
    assert crossing.judged.dropped == ["search_result"]


def test_an_image_within_a_result_is_dropped_as_others_are() -> None:
    """Amazon fetches nothing: the address is left out, wherever it stands."""
    picture = {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}
    turns = results([{"type": "text", "text": "See:"}, picture])
    with pytest.raises(RequestError) as refused:
        crossed(MESSAGES, CONVERSE, messages=turns)
    assert refused.value.param == "image.source.url"
    crossing = crossed(MESSAGES, CONVERSE, drop=True, messages=turns)
    assert b"a.example" not in crossing.body
    assert crossing.judged.dropped == ["image.source.url"]


@pytest.mark.parametrize(("target", "kind"), [(MESSAGES, "input_audio"), (CONVERSE, "image_url")])
def test_a_turn_whose_all_was_dropped_says_so(target: Dialect, kind: str) -> None:
    """It is neither empty, which providers refuse, nor words that were put into the user's mouth."""
    held: Json = {
        "input_audio": {"data": "aGk=", "format": "wav"},
        "image_url": {"url": "https://a.example/b.png"},
    }
    content = [{"type": kind, kind: held[kind]}]
    crossing = crossed(CHAT, target, drop=True, messages=[{"role": "user", "content": content}])
    assert b"left out" in crossing.body
    assert SUPPLIED.encode() not in crossing.body
    assert crossing.judged.dropped == [kind]


# -- values -------------------------------------------------------------------------------------------------


@given(st.text(max_size=90), st.sampled_from(sorted(IDS)))
@example("𐀀" * 24, Dialect.MESSAGES)
def test_ids_fit_and_stay_apart(identity: str, dialect: Dialect) -> None:
    """An id as the dialect takes it; one that was not hashed can be had back."""
    made = id_of(identity, dialect)
    assert IDS[dialect].fits.fullmatch(made)
    assert id_of(made, dialect) == made
    raw = identity.encode(errors="surrogatepass")
    coded = len(IDS[dialect].mark) + -(-4 * len(raw) // 3)
    assert id_from(made, dialect) == identity or coded > IDS[dialect].longest or made == identity


def test_an_id_and_its_result_are_renamed_alike() -> None:
    """The id of Kimi's models, which Anthropic refuses."""
    call = {"id": "functions.tide:0", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
    turns = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "functions.tide:0", "content": "noon"},
    ]
    body = body_of(crossed(CHAT, MESSAGES, messages=turns, tools=[TIDE]))
    asked, given_back = body["messages"][1]["content"][0], body["messages"][2]["content"][0]
    assert asked["id"] == given_back["tool_use_id"]
    assert IDS[MESSAGES].fits.fullmatch(asked["id"])


def test_tiers_and_users_in_the_words_of_each_dialect() -> None:
    """What one calls standard another calls default; a long user stays one user."""
    assert tier_of("standard_only", CHAT) == "default"
    assert tier_of("default", MESSAGES) == "standard_only"
    assert tier_of("priority", MESSAGES) is None
    assert tier_of("priority", CONVERSE) == "priority"
    long = "user_" + "a" * 150
    assert user_of(long, CHAT) == user_of(long, CHAT) != long
    assert len(user_of(long, CHAT) or "") == 64
    assert user_of(long, MESSAGES) == long


def test_a_file_is_sent_to_no_provider_that_does_not_keep_it() -> None:
    """An id of Anthropic's means nothing to OpenAI or Google; the two formats of OpenAI share theirs."""
    document = {"type": "document", "source": {"type": "file", "file_id": "file_9"}}
    for target in (CHAT, GEMINI, CONVERSE, RESPONSES):
        with pytest.raises(RequestError) as refused:
            crossed(MESSAGES, target, messages=[{"role": "user", "content": [document]}])
        assert refused.value.param == "document.source.file"
    stored = [{"type": "file", "file": {"file_id": "file-9"}}, {"type": "text", "text": "See"}]
    assert b"file-9" in crossed(CHAT, RESPONSES, messages=[{"role": "user", "content": stored}]).body


def test_a_schema_keeps_what_claude_does_not_take_as_words() -> None:
    """Nothing that was asked for goes unsaid, at whatever depth; what fits stays as it is."""
    asked = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "cm": {"type": "integer", "minimum": 0, "description": "Height."},
            "ports": {
                "type": "array",
                "minItems": 1,
                "maxItems": 9,
                "items": {"type": "string", "pattern": "^H"},
            },
            "one": {"oneOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        },
        "required": ["cm"],
    }
    made = claude_schema(asked)
    assert made == {
        "type": "object",
        "properties": {
            "cm": {"type": "integer", "description": 'Height. {"minimum": 0}'},
            "ports": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "description": '{"pattern": "^H"}'},
                "description": '{"maxItems": 9}',
            },
            "one": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        },
        "required": ["cm"],
        "additionalProperties": False,
    }
    assert claude_schema(made) == made
