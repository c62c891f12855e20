"""Answers as clients of another format get them: what servers really stream, told in order and whole."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from baseload.wire.dialects.chat_calls import Calls
from baseload.wire.dialects.fold import Fold
from baseload.wire.dialects.nouns import (
    Call,
    Choice,
    Closed,
    Dialect,
    Event,
    Finish,
    Foreign,
    Json,
    Opened,
    Own,
    Part,
    Reply,
    Text,
    Thought,
)
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.recorded import payloads

CLIENTS = sorted(SPEAKERS)
WITHOUT_CHAT = [dialect for dialect in CLIENTS if dialect is not Dialect.CHAT]


def read(dialect: Dialect, *chunks: Json) -> list[Event]:
    """The events of a stream of these payloads."""
    reader = SPEAKERS[dialect].reader()
    ends = [b"[DONE]"] if dialect is Dialect.CHAT else []
    return [event for data in [*map(msgspec.json.encode, chunks), *ends] for event in reader.read(data)]


def told(client: Dialect, events: list[Event]) -> bytes:
    """The stream as a client of this format gets it."""
    writer = SPEAKERS[client].writer(model="m", usage=True)
    return b"".join(writer.write(event) for event in copy.deepcopy(events))


def folded(client: Dialect, events: list[Event]) -> Reply:
    """What the stream adds up to for a client of this format."""
    fold = Fold()
    reader = SPEAKERS[client].reader()
    for payload in payloads({"response_text": told(client, events).decode()}):
        fold.take(reader.read(payload))
    return fold.reply


def parts_of(client: Dialect, events: list[Event]) -> list[Part]:
    return folded(client, events).choices[0].parts


def delta(finish: str | None = None, **members: Any) -> Json:
    """A chunk of a streamed chat completion."""
    return {"id": "c", "choices": [{"index": 0, "delta": members, "finish_reason": finish}]}


def call(index: int, arguments: str = "", *, begins: str | None = None, id_: str | None = None) -> Json:
    """A piece of a call; with `begins` its first, of the function of that name."""
    if begins is None:
        return {"index": index, "function": {"arguments": arguments}}
    function = {"name": begins, "arguments": arguments}
    return {"index": index, "id": id_ or f"call_{begins}", "type": "function", "function": function}


# -- chat: reasoning and calls ------------------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS)
def test_reasoning_under_two_names_is_told_once(client: Dialect) -> None:
    """vLLM sends `reasoning` and its older name with the same text, whole and in every delta."""
    twice = {"reasoning_content": "Hm.", "reasoning": "Hm."}
    message = {"role": "assistant", **twice, "content": "Yes."}
    body = {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    reply = SPEAKERS[Dialect.CHAT].read_reply(copy.deepcopy(body))
    assert [part.text for part in reply.choices[0].parts if isinstance(part, Thought)] == ["Hm."]
    assert SPEAKERS[Dialect.CHAT].write_reply(copy.deepcopy(reply))["choices"] == body["choices"]
    events = read(Dialect.CHAT, delta(**twice), delta("stop", content="Yes."))
    thoughts = [part.text for part in parts_of(client, events) if isinstance(part, Thought)]
    assert thoughts == ["Hm."]


def test_reasoning_of_either_name_alone_is_told() -> None:
    """The first name that is there holds."""
    for name in ("reasoning_content", "reasoning"):
        events = read(
            Dialect.CHAT, delta(**{name: "Hm."}), delta(**{name: " So."}), delta("stop", content="Y")
        )
        assert [part.text for part in parts_of(Dialect.MESSAGES, events)][:1] == ["Hm. So."]  # type: ignore[union-attr]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_forced_call_ends_in_tool_calls(client: Dialect) -> None:
    """OpenAI and vLLM say `stop` of a call by name; a client that stops there never answers it."""
    begun = delta(tool_calls=[call(0, "{}", begins="tide")])
    assert folded(client, read(Dialect.CHAT, begun, delta("stop"))).choices[0].finish is Finish.TOOL_CALLS
    message = {"role": "assistant", "content": None, "tool_calls": [call(0, "{}", begins="tide")]}
    body = {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    reply = SPEAKERS[Dialect.CHAT].read_reply(body)
    ours = SPEAKERS[client]
    assert ours.read_reply(ours.write_reply(reply)).choices[0].finish is Finish.TOOL_CALLS


def test_other_endings_with_calls_stay_what_they_are() -> None:
    """Only `stop` is read as a call: an answer that was cut or filtered is no complete call."""
    for word, finish in (("length", Finish.LENGTH), ("content_filter", Finish.REFUSAL)):  # its word for both
        events = read(Dialect.CHAT, delta(tool_calls=[call(0, "{}", begins="tide")]), delta(word))
        assert folded(Dialect.MESSAGES, events).choices[0].finish is finish
    events = read(Dialect.CHAT, delta(content="No tool."), delta("stop"))
    assert folded(Dialect.MESSAGES, events).choices[0].finish is Finish.STOP


@pytest.mark.parametrize("client", WITHOUT_CHAT)
def test_calls_whose_arguments_come_in_turns_are_told_one_after_the_other(client: Dialect) -> None:
    """All calls announced first, their arguments mixed: each is whole when it ends."""
    chunks = [
        delta(tool_calls=[call(0, begins="tide"), call(1, begins="wind")]),
        delta(tool_calls=[call(1, '{"y":')]),
        delta(tool_calls=[call(0, '{"x":')]),
        delta(tool_calls=[call(0, "1}"), call(1, "2}")]),
        delta("tool_calls"),
    ]
    events = read(Dialect.CHAT, *chunks)
    begun: set[int] = set()
    ended: set[int] = set()
    for (
        event
    ) in events:  # nothing is said of a part before it begins or after it ends, and one is open at most
        if isinstance(event, Opened):
            assert begun == ended
            begun.add(event.index)
        elif isinstance(event, Closed):
            ended.add(event.index)
        elif hasattr(event, "index"):
            assert event.index in begun - ended
    calls = [part for part in parts_of(client, events) if isinstance(part, Call)]
    assert [(one.name, msgspec.json.decode(one.arguments)) for one in calls] == [
        ("tide", {"x": 1}),
        ("wind", {"y": 2}),
    ]


def test_calls_one_after_the_other_are_told_as_they_come() -> None:
    """A call that is complete ends as the next begins, whose arguments need not wait."""
    reader = SPEAKERS[Dialect.CHAT].reader()

    def kinds(chunk: Json) -> list[str]:
        return [type(event).__name__ for event in reader.read(msgspec.json.encode(chunk))]

    assert kinds(delta(tool_calls=[call(0, begins="tide")])) == ["Started", "Opened"]
    assert kinds(delta(tool_calls=[call(0, "{}")])) == ["Added"]
    assert kinds(delta(tool_calls=[call(1, begins="wind")])) == ["Closed", "Opened"]
    assert kinds(delta(tool_calls=[call(1, "{")])) == ["Added"]
    assert kinds(delta("tool_calls", tool_calls=[call(1, "}")])) == ["Added", "Closed", "Finished"]


def test_calls_that_all_count_as_the_first_are_several() -> None:
    """Google's compatible endpoint numbers every call 0: another id and name is another call."""
    first, second = call(0, '{"x":1}', begins="tide", id_="a"), call(0, '{"y":2}', begins="tide", id_="b")
    events = read(Dialect.CHAT, delta(tool_calls=[first]), delta(tool_calls=[second]), delta("tool_calls"))
    calls = [part for part in parts_of(Dialect.MESSAGES, events) if isinstance(part, Call)]
    assert [(one.id, one.arguments) for one in calls] == [("a", '{"x":1}'), ("b", '{"y":2}')]


def test_arguments_sent_again_at_the_end_do_not_spoil_the_call() -> None:
    """What comes for a call that is complete and told is no part of it."""
    calls = Calls()
    events: list[Event] = []
    for at, piece in enumerate((call(0, "{}", begins="tide"), call(1, begins="wind"), call(0, "{}"))):
        calls.take(0, piece, at, events)
    assert [type(event).__name__ for event in events] == ["Opened", "Added", "Closed", "Opened"]


@pytest.mark.parametrize("client", [Dialect.CHAT, Dialect.GEMINI])
def test_each_choice_of_a_stream_has_its_own_annex(client: Dialect) -> None:
    """With several choices, what one of them left behind is not told of the others."""
    said = [
        {"index": at, "content": {"role": "model", "parts": [{"text": text, "thoughtSignature": sign}]}}
        for at, (text, sign) in enumerate((("A", "YQ=="), ("B", "Yg==")))
    ]
    ended = [one | {"finishReason": "STOP"} for one in said]
    choices = folded(client, read(Dialect.GEMINI, {"candidates": ended})).choices
    got = [(one.index, [(p.text, p.own and p.own.members) for p in one.parts]) for one in choices]  # type: ignore[union-attr]
    expected = [(at, [(t, {"thoughtSignature": s})]) for at, t, s in ((0, "A", "YQ=="), (1, "B", "Yg=="))]
    if client is Dialect.CHAT:
        assert got == expected
    else:
        assert [(at, parts[0]) for at, parts in got] == [(at, parts[0]) for at, parts in expected]


# -- messages: the server's own tools, citations ------------------------------------------------------------

SEARCHED: list[Json] = [
    {"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 1}}},
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": '{"query":'},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": '"tide"}'},
    },
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
    },
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "text", "text": "", "citations": []},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "High."}},
    {
        "type": "content_block_delta",
        "index": 2,
        "delta": {
            "type": "citations_delta",
            "citation": {
                "type": "web_search_result_location",
                "url": "https://tide.example",
                "title": "Tides",
                "encrypted_index": "e",
                "cited_text": "High at six.",
            },
        },
    },
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_streamed_server_tool_keeps_its_input(client: Dialect) -> None:
    """The call comes back to Anthropic with what the model asked, not with the empty input it began with."""
    parts = parts_of(client, read(Dialect.MESSAGES, *SEARCHED))
    use = next(part for part in parts if isinstance(part, Foreign))
    assert use.own.members["input"] == {"query": "tide"}
    prompt = SPEAKERS[Dialect.MESSAGES].read_request({"model": "c", "max_tokens": 9, "messages": []})
    assert prompt.turns == []
    assert SPEAKERS[Dialect.MESSAGES].write_reply(folded(client, read(Dialect.MESSAGES, *SEARCHED)))[
        "content"
    ][0] == {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "tide"}}


@pytest.mark.parametrize("client", CLIENTS)
def test_streamed_citations_come_back_with_their_text(client: Dialect) -> None:
    """As with a whole answer: Anthropic asks for them with the next turn."""
    texts = [part for part in parts_of(client, read(Dialect.MESSAGES, *SEARCHED)) if isinstance(part, Text)]
    own = texts[-1].own
    assert own is not None
    assert [one["encrypted_index"] for one in own.members["citations"]] == ["e"]


# -- sources ------------------------------------------------------------------------------------------------

GROUNDED: Json = {
    "webSearchQueries": ["tide"],
    "groundingChunks": [{"web": {"uri": "https://tide.example", "title": "Tides"}}, {"other": 1}],
    "groundingSupports": [
        {"segment": {"startIndex": 6, "endIndex": 11, "text": "High."}, "groundingChunkIndices": [0, 1, 7]}
    ],
}


def page(start: int, end: int) -> Json:
    """The annotation of the one page, as OpenAI has it."""
    told = {"url": "https://tide.example", "title": "Tides", "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": told}


def last_delta(stream: bytes) -> Json:
    """The last delta of a streamed chat completion."""
    chunks = [
        msgspec.json.decode(data) for data in payloads({"response_text": stream.decode()}) if data[:1] == b"{"
    ]
    delta: Json = next(one["choices"][0]["delta"] for one in reversed(chunks) if one["choices"])
    return delta


def test_sources_of_a_searched_answer_are_annotations() -> None:
    """Anthropic's citations are where clients of OpenAI's formats look for them, streamed and whole."""
    events = read(Dialect.MESSAGES, *SEARCHED)
    assert last_delta(told(Dialect.CHAT, events))["annotations"] == [page(0, 5)]
    fold = Fold()
    fold.take(copy.deepcopy(events))
    fold.reply.choices[0].parts.insert(0, Text("So: "))
    body = SPEAKERS[Dialect.CHAT].write_reply(copy.deepcopy(fold.reply))
    assert body["choices"][0]["message"]["annotations"] == [page(4, 9)]
    items = SPEAKERS[Dialect.RESPONSES].write_reply(fold.reply)["output"]
    texts = [one for item in items if item["type"] == "message" for one in item["content"]]
    flat = {"type": "url_citation", **page(0, 5)["url_citation"]}
    assert [one["annotations"] for one in texts] == [[], [flat]]


def test_the_ground_of_googles_answers_is_told_streamed_and_whole() -> None:
    """Its indices count bytes, OpenAI's letters; what else it says is in the annex."""
    text = {"text": "Sôll High."}
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": [text]}, "finishReason": "STOP"}
    body = {"candidates": [{**candidate, "groundingMetadata": GROUNDED}]}
    message = SPEAKERS[Dialect.CHAT].write_reply(SPEAKERS[Dialect.GEMINI].read_reply(copy.deepcopy(body)))
    last = last_delta(told(Dialect.CHAT, read(Dialect.GEMINI, body)))
    for one in (message["choices"][0]["message"], last):
        assert one["annotations"] == [page(5, 10)]
        assert one["baseload"]["choice"] == {"gemini": {"groundingMetadata": GROUNDED}}


def test_places_in_documents_are_no_pages() -> None:
    """They have no address: they stay in the annex, and come back with the next turn."""
    own = Own(Dialect.MESSAGES, {"citations": [{"type": "page_location", "document_index": 0}]})
    reply = Reply("r", "m", [Choice([Text("So.", own=own)], Finish.STOP)])
    message = SPEAKERS[Dialect.CHAT].write_reply(reply)["choices"][0]["message"]
    assert "annotations" not in message
    assert message["baseload"]["parts"]
