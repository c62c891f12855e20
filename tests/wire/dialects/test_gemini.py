"""Google's format where it has ways of its own: ids, the packed annex, the array, errors, schemas, paths."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.errors import RequestError
from baseload.wire.dialects import gemini, gemini_reply, judging
from baseload.wire.dialects.fold import Fold, unfold
from baseload.wire.dialects.gemini_array import ArraySplitter
from baseload.wire.dialects.gemini_held import camel, snake
from baseload.wire.dialects.gemini_parts import INVENTED, UNSIGNED, pack, unpack
from baseload.wire.dialects.gemini_schema import fits, json_schema
from baseload.wire.dialects.gemini_stream import Arguments, StreamReader, StreamWriter
from baseload.wire.dialects.nouns import (
    Call,
    Dialect,
    Ended,
    Failure,
    Finish,
    Json,
    Result,
    Thought,
)
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.examples import events_of_stream, examples
from tests.wire.dialects.meaning import of_reply

CHAT, MESSAGES = SPEAKERS[Dialect.CHAT], SPEAKERS[Dialect.MESSAGES]
STREAMS = [one for one in examples("stream") if one.dialect is Dialect.GEMINI]


def model(*parts: Json) -> Json:
    """What the model said."""
    return {"role": "model", "parts": list(parts)}


def user(*parts: Json) -> Json:
    """What the user said."""
    return {"role": "user", "parts": list(parts)}


# -- ids ----------------------------------------------------------------------------------------------------


def test_calls_without_ids_get_some_and_their_results_the_same() -> None:
    """In the order of the calls of one name; what is written back for Google has none again."""
    call = {"functionCall": {"name": "tide", "args": {}}}
    other = {"functionCall": {"name": "wind", "args": {}}}
    results = [
        {"functionResponse": {"name": name, "response": {"output": text}}}
        for name, text in (("tide", "a"), ("wind", "b"), ("tide", "c"))
    ]
    body = {"contents": [model(call, other, call), user(*results)]}
    prompt = gemini.read_request(copy.deepcopy(body))
    calls = [part.id for part in prompt.turns[0].parts if isinstance(part, Call)]
    answers = [part.id for part in prompt.turns[1].parts if isinstance(part, Result)]
    assert len(set(calls)) == 3
    assert all(one.startswith(INVENTED) for one in calls)
    assert answers == calls
    told = CHAT.write_request(copy.deepcopy(prompt))["messages"]
    assert [one["tool_call_id"] for one in told[1:]] == calls
    assert gemini.write_request(CHAT.read_request({"model": "m", "messages": told}))["contents"] == [
        model({**call, "thoughtSignature": UNSIGNED}, other, call),
        user(*results),
    ]


def test_ids_of_two_answers_differ_and_stay() -> None:
    """An invented id is the same whenever the answer is read, and no other answer's."""

    def ids(response: str) -> list[str]:
        call = {"functionCall": {"name": "tide"}}
        body = {"candidates": [{"content": model(call, call)}], "responseId": response}
        reply = gemini_reply.read_reply(body)
        return [part.id for part in reply.choices[0].parts if isinstance(part, Call)]

    assert ids("one-1") == ids("one-1")
    assert len({*ids("one-1"), *ids("two_2")}) == 4
    assert all(len(one) <= 40 for one in ids("r" * 100))


# -- the annex ----------------------------------------------------------------------------------------------


def test_reasoning_of_another_provider_comes_back_with_the_clients_next_turn() -> None:
    """Signed and sealed reasoning and a server tool's call survive a client of this dialect."""
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "abc"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Wait: ä."},
        {"type": "tool_use", "id": "c1", "name": "tide", "input": {}},
    ]
    reply = MESSAGES.read_reply(
        {"id": "m", "model": "a", "content": content, "stop_reason": "tool_use", "usage": {}}
    )
    said = gemini_reply.write_reply(copy.deepcopy(reply))["candidates"][0]["content"]
    assert [part.get("text") for part in said["parts"]] == ["Hm.", "Wait: ä.", None, ""]
    back = gemini.read_request({"contents": [user({"text": "Go"}), said]})
    assert MESSAGES.write_request(copy.deepcopy(back))["messages"][1]["content"] == content
    told = gemini.write_request(back)["contents"][1]["parts"]
    assert [next(iter(part)) for part in told] == ["text", "functionCall"]
    assert not [part for part in told if unpack(part)]  # Google would refuse it as a signature


def test_an_annex_that_no_longer_fits_is_left_out() -> None:
    """A client that changed the text gets what it sent, and nothing of before."""
    kept = pack({"parts": [{"part": {"type": "Thought", "text": "Hm."}}, {"text": 5}]})
    parts = [{"text": "Changed."}, {"text": "", "thoughtSignature": kept}]
    prompt = gemini.read_request({"contents": [model(*parts)]})
    assert not [part for part in prompt.turns[0].parts if isinstance(part, Thought)]


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_an_annex_is_packed_and_unpacked(kept: dict[str, str]) -> None:
    """In either alphabet of base64, with padding or without: SDKs decode and encode it again."""
    packed = pack(kept)
    for form in (packed, packed.replace("+", "-").replace("/", "_"), packed.rstrip("=")):
        assert unpack({"text": "", "thoughtSignature": form}) == kept
    assert unpack({"text": "said", "thoughtSignature": packed}) is None
    assert unpack({"text": "", "thoughtSignature": "c2lnbmVk"}) is None


def test_signatures_of_google_survive_a_client_of_chat() -> None:
    """A signed call, text and thought come back whole from the message that such a client keeps."""
    parts: list[Json] = [
        {"text": "Hm.", "thought": True, "thoughtSignature": "dA=="},
        {"text": "Soon.", "thoughtSignature": "dGV4dA=="},
        {"functionCall": {"name": "tide", "args": {}, "id": "c1"}, "thoughtSignature": "Y2FsbA=="},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}, "thoughtSignature": "aW1n"},
    ]
    reply = gemini_reply.read_reply({"candidates": [{"content": model(*parts), "finishReason": "STOP"}]})
    for other in (CHAT, MESSAGES):
        back = other.read_reply(other.write_reply(copy.deepcopy(reply)))
        assert gemini_reply.write_reply(back)["candidates"][0]["content"]["parts"] == parts


def test_stopping_although_there_are_calls_is_told() -> None:
    """Google's word is the same for both; the annex says which it was."""
    call = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
    for word, finish in (("stop", Finish.STOP), ("tool_calls", Finish.TOOL_CALLS)):
        choice = {"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": word}
        reply = CHAT.read_reply({"id": "x", "model": "m", "choices": [choice]})
        reply.choices[0].finish = finish  # a chat answer with calls is read as ended by them whatever it says
        body = gemini_reply.write_reply(copy.deepcopy(reply))
        assert body["candidates"][0]["finishReason"] == "STOP"
        assert gemini_reply.read_reply(body).choices[0].finish is finish


# -- requests -----------------------------------------------------------------------------------------------


def test_the_path_names_the_model() -> None:
    """A body says neither the model nor whether it streams."""
    prompt = gemini.read_request({"contents": [user({"text": "Hi"})]})
    assert (prompt.model, prompt.stream) == ("", None)
    prompt.model, prompt.stream = "some-model", True
    assert gemini.write_request(prompt) == {"contents": [user({"text": "Hi"})]}


def test_instructions_alone_are_said_by_the_user() -> None:
    """Google refuses a request without a turn; the matrix says what becomes of it."""
    messages = [{"role": "system", "content": "Greet."}, {"role": "developer", "content": "Be brief."}]
    prompt = CHAT.read_request({"model": "m", "messages": messages})
    assert "system_alone" in judging.judge(prompt, Dialect.CHAT, Dialect.GEMINI).fields
    assert gemini.write_request(prompt) == {"contents": [user({"text": "Greet."}, {"text": "Be brief."})]}


def test_a_call_of_another_model_is_marked_as_unsigned() -> None:
    """The first of a turn, as Google asks; what Google signed keeps its signature."""
    foreign = MESSAGES.read_request(
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [
                        {"type": "tool_use", "id": "c1", "name": "tide", "input": {}},
                        {"type": "tool_use", "id": "c2", "name": "tide", "input": {}},
                    ],
                }
            ]
        }
    )
    parts = gemini.write_request(foreign)["contents"][0]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [UNSIGNED, None]


def test_a_client_of_messages_that_lets_the_model_think_sees_its_thoughts() -> None:
    """Anthropic always shows them unless told otherwise, Google only when asked."""
    for thinking, config in (
        ({"type": "enabled", "budget_tokens": 2000}, {"includeThoughts": True, "thinkingBudget": 2000}),
        ({"type": "adaptive", "display": "omitted"}, {"includeThoughts": False, "thinkingBudget": -1}),
        ({"type": "disabled"}, {"thinkingBudget": 0}),
    ):
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "thinking": thinking}
        prompt = MESSAGES.read_request(body)
        prompt.model = "gemini-2.5-flash"
        assert gemini.write_request(prompt)["generationConfig"]["thinkingConfig"] == config


def test_parallel_results_are_one_turn_and_know_their_functions() -> None:
    """Chat sends them one by one and by id alone."""
    call = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "tool_calls": [call, {**call, "id": "c2"}]},
        {"role": "tool", "tool_call_id": "c1", "content": "a"},
        {"role": "tool", "tool_call_id": "c2", "content": "b"},
        {"role": "user", "content": "So?"},
    ]
    contents = gemini.write_request(CHAT.read_request({"model": "m", "messages": messages}))["contents"]
    results = [
        {"functionResponse": {"name": "tide", "id": one, "response": {"output": text}}}
        for one, text in (("c1", "a"), ("c2", "b"))
    ]
    assert contents[1:] == [user(*results), user({"text": "So?"})]


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({}, "contents"),
        ({"contents": [{"role": "robot", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [1]}]}, "contents[0].parts[0]"),
        ({"contents": [], "generationConfig": {"topK": 1.5}}, "generationConfig.topK"),
        ({"contents": [], "generation_config": {"stop_sequences": [1]}}, "generationConfig.stopSequences"),
        (
            {"contents": [], "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        (
            {"contents": [], "tools": [{"functionDeclarations": [{}]}]},
            "tools[0].functionDeclarations[0].name",
        ),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(wrong: Json, param: str) -> None:
    """As Google calls it."""
    with pytest.raises(RequestError) as raised:
        gemini.read_request(wrong)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"generationConfig": {"speechConfig": {"languageCode": "en-GB"}}}, "generationConfig.speechConfig"),
        ({"generation_config": {"response_modalities": ["IMAGE"]}}, "generationConfig.responseModalities"),
        ({"tools": [{"googleSearch": {"a": 1}}]}, "tools.googleSearch.a"),
        ({"toolConfig": {"retrievalConfig": {"languageCode": "fr"}}}, "toolConfig.retrievalConfig"),
        ({"modelArmorConfig": {"promptTemplateName": "t"}}, "modelArmorConfig"),
    ],
)
def test_what_only_google_has_is_refused_elsewhere_by_its_path(members: Json, path: str) -> None:
    """Nothing is lost in silence."""
    prompt = gemini.read_request({"contents": [user({"text": "Hi"})], **members})
    with pytest.raises(RequestError) as raised:
        judging.judge(prompt, Dialect.GEMINI, Dialect.CHAT)
    assert raised.value.param == path


# -- names and schemas --------------------------------------------------------------------------------------


@given(st.lists(st.text("abcdefgh", min_size=1), min_size=1, max_size=4))
def test_names_in_snake_case_and_camel_case_are_each_others(words: list[str]) -> None:
    """Both ways."""
    name = "_".join(words)
    assert snake(camel(name)) == name


def test_an_openapi_schema_is_read_as_json_schema() -> None:
    """Types in lower case; what may be null says so as a type and among its values."""
    openapi = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "enum": ["a"], "nullable": True},
            "list": {"type": "ARRAY", "items": {"any_of": [{"type": "NUMBER"}]}},
        },
        "propertyOrdering": ["type"],
    }
    assert json_schema(openapi) == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["a", None]},
            "list": {"type": "array", "items": {"anyOf": [{"type": "number"}]}},
        },
    }


@pytest.mark.parametrize(
    ("schema", "fitting"),
    [
        ({"type": "object", "properties": {"a": {"type": "string", "description": "A."}}}, True),
        ({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "number"}]}}}, True),
        ({"type": "object", "properties": {}}, False),
        ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}, False),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}, False),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {"type": "string", "format": "email"}}}, False),
        ({"type": "object", "properties": {"a": {"type": "integer", "enum": [1]}}}, False),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, False),
        ({"type": "object", "properties": {"a": {"const": "x"}}}, False),
        ({"type": "object", "properties": {"a": True}}, False),
    ],
)
def test_a_schema_goes_where_it_is_understood(schema: Json, fitting: bool) -> None:
    """Into `parameters` where the subset says all of it, else whole as JSON schema; it is read the same."""
    assert fits(schema) is fitting
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    prompt = CHAT.read_request({"model": "m", "messages": [], "tools": [tool]})
    declared = gemini.write_request(prompt)["tools"][0]["functionDeclarations"][0]
    assert declared["parameters" if fitting else "parametersJsonSchema"] == schema
    assert json_schema(schema) == schema or not fitting


# -- errors -------------------------------------------------------------------------------------------------


def test_an_error_says_when_to_come_again() -> None:
    """RetryInfo, both ways."""
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    body = {"error": {"code": 429, "message": "No.", "status": "RESOURCE_EXHAUSTED", "details": [detail]}}
    failure = gemini_reply.read_failure(body)
    assert (failure.retry_after_s, failure.kind, failure.code) == (
        34.5,
        "rate_limit_error",
        "rate_limit_exceeded",
    )
    assert gemini_reply.write_failure(Failure("No.", retry_after_s=34.5), 429) == body
    assert gemini_reply.read_failure([body]).retry_after_s == 34.5


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (402, "INVALID_ARGUMENT"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (502, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (529, "UNAVAILABLE"),
    ],
)
def test_a_status_has_its_word(status: int, word: str) -> None:
    """Google's, by the HTTP status."""
    expected = {"error": {"code": status, "message": "No.", "status": word}}
    assert gemini_reply.write_failure(Failure("No."), status) == expected


# -- streams ------------------------------------------------------------------------------------------------


def test_arguments_in_pieces_cannot_be_made_to_fill_the_memory() -> None:
    """A path is refused that leads far out in a list, or through what is no list or object."""
    for path in ("$.a[999999999]", "$[0]", "$", "no path"):
        with pytest.raises(ValueError, match="jsonPath"):
            Arguments().add({"jsonPath": path, "numberValue": 1})


@pytest.mark.parametrize("example", STREAMS, ids=str)
def test_a_stream_is_the_same_as_an_array(example: Any) -> None:
    """Without alt=sse the same objects stand in one array: written, split and read, it adds up alike."""
    events = events_of_stream(example.dialect, example.held["stream"])
    writer = StreamWriter(model="", usage=True, array=True)
    written = b"".join(writer.write(event) for event in copy.deepcopy(events))
    if isinstance(events[-1], Ended):
        assert isinstance(json.loads(written), list)
    reader, fold, plain = StreamReader(), Fold(), Fold()
    splitter = ArraySplitter()
    for item in splitter.feed(written):
        fold.take(reader.read(item))
    plain.take(copy.deepcopy(events))
    assert splitter.ended
    assert of_reply(fold.reply) == of_reply(plain.reply)
    assert (fold.failure is None) == (plain.failure is None)


ARRAY = [{"a": 'b"}]{['}, {'c\\": [': [1, {"d": "\\"}]}, {"é": "\u2028"}, {}]


def test_an_array_is_split_the_same_wherever_it_is_cut() -> None:
    """At every single boundary, at every pair of them, and byte by byte."""
    written = json.dumps(ARRAY, ensure_ascii=False, indent=1).encode()
    whole = ArraySplitter().feed(written)
    assert [json.loads(item) for item in whole] == ARRAY
    cuts = [[at] for at in range(len(written))]
    cuts += [[at, at + step] for at in range(len(written)) for step in (1, 7)]
    cuts.append(list(range(len(written))))
    for places in cuts:
        splitter = ArraySplitter()
        pieces = [written[one:other] for one, other in pairwise([0, *places, len(written)])]
        assert [item for piece in pieces for item in splitter.feed(piece)] == whole
        assert splitter.ended


@given(
    st.lists(
        st.dictionaries(st.text(), st.recursive(st.text() | st.none(), st.lists, max_leaves=4)), max_size=3
    ),
    st.data(),
)
def test_any_array_of_objects_is_split(items: list[Any], data: st.DataObject) -> None:
    """Whatever they hold, in any pieces."""
    written = msgspec.json.encode(items)
    splitter, at, found = ArraySplitter(), 0, []
    while at < len(written):
        size = data.draw(st.integers(1, 9))
        found += splitter.feed(written[at : at + size])
        at += size
    assert [json.loads(item) for item in found] == items
    assert splitter.ended


def test_an_object_by_itself_is_taken_as_an_array_of_one() -> None:
    """So do errors come at times."""
    assert ArraySplitter().feed(b'{"error": {}}') == [b'{"error": {}}']


@pytest.mark.parametrize("wrong", [b'["a"]', b"[[1]]", b"]", b"}", b"[]{}", b"[]]", b'"a"'])
def test_what_is_no_array_of_objects_is_refused(wrong: bytes) -> None:
    """With a ValueError."""
    with pytest.raises(ValueError, match=r"array|bracket"):
        ArraySplitter().feed(wrong)


def test_an_endless_object_is_refused() -> None:
    """What never ends is not held for ever."""
    splitter = ArraySplitter()
    splitter.feed(b'[{"a": "')
    with pytest.raises(ValueError, match="longer"):
        splitter.feed(b"x" * 1024 * 1024)


@pytest.mark.parametrize(
    "wrong",
    [
        b"1",
        b"[]",
        b'{"candidates": true}',
        b'{"candidates": [1]}',
        b'{"candidates": [{"index": "a"}]}',
        b'{"candidates": [{"content": {"parts": [1]}}]}',
        b'{"candidates": [{"content": {"parts": [{"functionCall": {"partialArgs": [1]}}]}}]}',
    ],
)
def test_what_is_no_answer_is_refused(wrong: bytes) -> None:
    """With a ValueError, so that the stream is broken off."""
    with pytest.raises(ValueError, match=r"\w"):
        StreamReader().read(wrong)


def test_a_blocked_prompt_is_an_answer_that_the_filter_ended() -> None:
    """Whole and streamed, with the words that Google had for it."""
    body = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "No."}, "responseId": "r"}
    told = CHAT.write_reply(gemini_reply.read_reply(copy.deepcopy(body)))["choices"][0]
    assert (told["finish_reason"], told["message"]["refusal"]) == ("content_filter", "No.")
    fold = Fold()
    fold.take(StreamReader().read(msgspec.json.encode(body)))
    assert (fold.ended, fold.reply.choices[0].finish) == (True, Finish.FILTER)
    writer = StreamWriter(model="", usage=True)
    reply = gemini_reply.read_reply(copy.deepcopy(body))
    written = b"".join(writer.write(event) for event in unfold(reply))
    assert json.loads(written.removeprefix(b"data: ")) == body


def test_a_time_that_is_on_no_calendar_is_left_out() -> None:
    """Another target's time beyond year 9999 spoils nothing but itself."""
    reply = SPEAKERS[Dialect.GEMINI].read_reply({"candidates": [{"content": {"parts": [{"text": "Six."}]}}]})
    reply.created_s = 253_402_300_800
    assert "createTime" not in SPEAKERS[Dialect.GEMINI].write_reply(reply)
