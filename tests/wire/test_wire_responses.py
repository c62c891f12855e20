"""Responses on their way through: fields read, bodies patched, streams judged, usage counted."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseErrorEvent

from baseload import errors
from baseload.core import Apart, Tokens
from baseload.errors import RequestError
from baseload.wire.dialects.crossing import without_seals
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.dialects.responses_reply import read_report
from baseload.wire.http1 import ChunkedReader, UpstreamSyntax
from baseload.wire.openai import ErrorDetail
from baseload.wire.responses import (
    ResponsesFields,
    ResponsesRelay,
    error_event,
    patch_request,
    read_answer,
    read_request,
)
from baseload.wire.sse import MAX_EVENT, MAX_LARGE_EVENT, chunk, event_data
from tests.wire.dialects.recorded import exchanges


def event(kind: str, number: int, **body: Any) -> bytes:
    """One event as OpenAI writes it."""
    value = {"type": f"response.{kind}", **body, "sequence_number": number}
    return b"event: response.%b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(value))


USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 5},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 27,
}
BEGUN = {
    "id": "resp_1",
    "status": "in_progress",
    "error": None,
    "usage": None,
    "text": {"format": {"type": "text"}},
    "tools": [{"type": "function", "name": "f"}],
}
WHOLE = {**BEGUN, "status": "completed", "usage": USAGE}
CREATED, QUEUED = event("created", 0, response=BEGUN), event("queued", 1, response=BEGUN)
MESSAGE = event("output_item.added", 2, item={"type": "message", "content": []})
THINKING = event("output_item.added", 2, item={"type": "reasoning", "summary": []})
PART = event("content_part.added", 3, part={"type": "output_text", "text": ""})
EMPTY = event("output_text.delta", 4, delta="")
DELTA = event("output_text.delta", 4, delta="six")
REASON = event("reasoning_summary_text.delta", 4, delta="hm")
REFUSAL = event("refusal.delta", 4, delta="no")
CALL = event("output_item.added", 2, item={"type": "function_call", "name": "f", "arguments": ""})
SEARCH = event("output_item.added", 2, item={"type": "web_search_call", "status": "in_progress"})
TOOLS = event("output_item.added", 2, item={"type": "mcp_list_tools", "tools": []})
PICTURE = event("image_generation_call.partial_image", 4, partial_image_b64="aGk=")
SAYS = event("output_text.delta", 4, delta='"response":{"error":"x"} "type":"error" [DONE]')
COMPLETED = event("completed", 9, response=WHOLE)
INCOMPLETE = event("incomplete", 9, response={**WHOLE, "status": "incomplete"})
FAILED = event("failed", 9, response={**WHOLE, "status": "failed", "error": {"code": "server_error"}})
ERROR = b'event: error\ndata: {"type":"error","code":"x","message":"m","param":null,"sequence_number":5}\n\n'
COMMENT = b": waiting\n\n"
MIDDLE = st.lists(st.sampled_from([MESSAGE, PART, EMPTY, DELTA, REASON, CALL, SAYS, COMMENT]), max_size=8)
STREAMS = st.builds(
    lambda middle, end: [CREATED, QUEUED, *middle, end], MIDDLE, st.sampled_from([COMPLETED, INCOMPLETE])
)


def relay_of(*, chunked_in: bool = True, chunked_out: bool = False) -> ResponsesRelay:
    return ResponsesRelay(chunked_in=chunked_in, chunked_out=chunked_out)


def cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    """The stream in any pieces."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)))
    return [stream[first:last] for first, last in pairwise([0, *cuts, len(stream)])]


# -- streams ------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(STREAMS, st.booleans(), st.booleans(), st.data())
def test_any_cut_gives_the_same_stream(
    sent: list[bytes], chunked_in: bool, chunked_out: bool, data: st.DataObject
) -> None:
    """Wherever reads cut it: the client's bytes are the target's, and all that is learned is the same."""
    stream = b"".join(sent)
    if chunked_in:
        stream = b"".join(map(chunk, cut(data, stream))) + b"0\r\n\r\n"
    relay = relay_of(chunked_in=chunked_in, chunked_out=chunked_out)
    got = b"".join(map(relay.feed, cut(data, stream)))
    if chunked_out:
        reader = ChunkedReader(1 << 30)
        reader.feed(got)
        got = bytes(reader.body)
    relay.end_of_input()
    assert got == b"".join(sent)
    assert (relay.done, relay.ended, relay.committed, relay.error_event) == (True, True, True, b"")
    assert (relay.answer_id, relay.tokens()) == ("resp_1", Tokens(20, 5, 0, 7, 2))


@settings(max_examples=200, deadline=None)
@given(MIDDLE)
def test_the_fast_path_is_the_slow_path(middle: list[bytes]) -> None:
    """Whole chunks go through as they came; byte by byte the same events, count and number are learned."""
    sent = [CREATED, DELTA, *middle]
    fast, slow = relay_of(chunked_out=True), relay_of(chunked_out=True)
    verbatim = b"".join(fast.feed(chunk(one)) for one in sent)
    assert verbatim.endswith(b"".join(map(chunk, sent[2:])))
    for byte in b"".join(map(chunk, sent)):
        slow.feed(bytes([byte]))
    assert (fast.events, fast.committed, fast.sequence) == (slow.events, slow.committed, slow.sequence)
    assert fast.events == sum(b".delta" in one for one in sent)


@pytest.mark.parametrize(
    "first", [DELTA, REASON, REFUSAL, CALL, SEARCH, TOOLS, PICTURE, COMPLETED, INCOMPLETE]
)
def test_content_commits(first: bytes) -> None:
    """What is said, thought, called or drawn lets all that was held go out; so does the end."""
    relay = relay_of(chunked_in=False)
    held = [CREATED, QUEUED, MESSAGE, THINKING, PART, EMPTY, COMMENT]
    assert b"".join(map(relay.feed, held)) == b""
    assert not relay.committed
    assert relay.feed(first) == b"".join([*held, first])
    assert relay.committed


def test_usage_of_the_end_is_in_our_terms_and_nonsense_is_left_out() -> None:
    """A count that is no count makes no broken stream: there is no usage then."""
    relay = relay_of(chunked_in=False)
    bad = {**WHOLE, "usage": {"input_tokens": "many"}}
    relay.feed(CREATED + DELTA + event("completed", 3, response=bad))
    assert (relay.done, relay.tokens(), relay.answer_id) == (True, None, "resp_1")


@pytest.mark.parametrize("error", [FAILED, ERROR, b'data: {"error":{"message":"overloaded"}}\n\n'])
def test_errors_in_band(error: bytes) -> None:
    """`response.failed`, an `error` event or a chat server's error end the stream and are kept back."""
    relay = relay_of(chunked_in=False)
    assert relay.feed(CREATED + DELTA + error + DELTA + COMPLETED) == CREATED + DELTA
    answer = read_answer(relay.error_event)
    assert answer is not None
    assert isinstance(answer.error, ErrorDetail)
    assert answer.error.code in ("server_error", "x", None)
    assert not relay.done
    assert relay.sequence == 5


def test_a_failed_response_still_reports_its_usage() -> None:
    """What was produced before it failed is charged as the target counted it."""
    relay = relay_of(chunked_in=False)
    relay.feed(CREATED + FAILED)
    assert relay.tokens() == Tokens(20, 5, 0, 7, 2)


def test_what_a_model_says_is_not_what_the_stream_does() -> None:
    """A model that writes an event's JSON neither ends nor breaks its stream."""
    relay = relay_of(chunked_out=True)
    relay.feed(chunk(CREATED) + chunk(DELTA))
    assert relay.feed(chunk(SAYS)) == chunk(SAYS)
    assert (relay.done, relay.error_event) == (False, b"")


def test_a_whole_answer_in_an_event_may_be_large() -> None:
    """Beyond the bound of chat's events, up to its own."""
    relay = relay_of(chunked_in=False)
    large = event("output_item.done", 5, item={"type": "image_generation_call", "result": "A" * MAX_EVENT})
    assert relay.feed(DELTA + large) == DELTA + large
    relay = relay_of(chunked_in=False)
    for _ in range(MAX_LARGE_EVENT // MAX_EVENT):
        relay.feed(b"A" * MAX_EVENT)
    with pytest.raises(UpstreamSyntax, match="32 MiB"):
        relay.feed(b"A")


def test_recorded_streams_pass_as_they_are(shared: Path) -> None:
    """Real streams: every byte goes through, and usage is what the last event reports."""
    texts = [one.get("response_text") or "" for one in exchanges(shared, Dialect.RESPONSES)]
    each = [one for text in texts for one in re.split(r"(?=event: response\.created\n)", text)]
    streams = [one.encode() for one in each if "event: response.completed" in one]
    for recorded in streams:
        relay = relay_of(chunked_in=False)
        stream = recorded if recorded.endswith(b"\n\n") else recorded + b"\n\n"
        got = relay.feed(stream)
        assert relay.done
        assert stream.startswith(got)
        assert stream[len(got) :].strip() in (b"", b"data: [DONE]")
        datas = [data for one in re.split(rb"\r?\n\r?\n", got) if (data := event_data(one))]
        first, last = (json.loads(data)["response"] for data in (datas[0], datas[-1]))
        tokens = relay.tokens()
        assert tokens is not None
        assert (tokens.input, tokens.output) == (
            last["usage"]["input_tokens"],
            last["usage"]["output_tokens"],
        )
        assert relay.answer_id == first["id"]
    assert len(streams) >= 10


def test_an_error_event_is_the_references_and_the_sdks() -> None:
    """Flat with its number, and with the member the SDKs raise for."""
    error = RequestError(errors.UPSTREAM_BROKEN, "it broke off")
    _, _, data = error_event(error, "r1", 12).partition(b"data: ")
    value = json.loads(data)
    ResponseErrorEvent.model_validate(value)
    assert (value["type"], value["sequence_number"], value["code"]) == ("error", 12, "upstream_broken")
    assert value["error"]["request_id"] == "r1"


# -- whole answers ------------------------------------------------------------------------------------------


def test_a_whole_answer() -> None:
    """Id, usage, error; one that the provider goes on with is pending."""
    answer = read_answer(msgspec.json.encode(WHOLE))
    assert answer is not None
    assert (answer.id, answer.tokens, answer.error) == ("resp_1", Tokens(20, 5, 0, 7, 2), None)
    assert answer.items == ()
    items = [{"type": "reasoning", "id": "rs_1"}, {"type": "message", "id": "msg_1"}, {"type": "odd"}]
    holds = read_answer(msgspec.json.encode({**WHOLE, "output": items}))
    assert holds is not None
    assert holds.items == ("rs_1", "msg_1")
    assert not answer.pending
    queued = read_answer(b'{"id":"resp_2","status":"queued","usage":null}')
    assert queued is not None
    assert (queued.id, queued.tokens, queued.pending) == ("resp_2", None, True)
    nonsense = read_answer(b'{"id":"resp_3","usage":{"input_tokens":-1},"error":{"message":"m"}}')
    assert nonsense is not None
    assert (nonsense.id, nonsense.tokens) == ("resp_3", None)
    assert nonsense.error is not None
    assert read_answer(b"[]") is None
    assert read_answer(b"{") is None


def test_what_is_charged_beside_tokens_is_counted() -> None:
    """Searches and the service tier, which stand outside of usage: streamed as unstreamed."""
    search = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}}
    whole = {**WHOLE, "output": [search], "service_tier": "flex"}
    answer = read_answer(msgspec.json.encode(whole))
    assert answer is not None
    relay = relay_of(chunked_in=False)
    relay.feed(CREATED + event("completed", 1, response=whole))
    wanted = Tokens(20, 5, 0, 7, 2, apart=Apart(searches=1, tier="flex"))
    assert answer.tokens == relay.tokens() == wanted


def test_recorded_answers_are_counted_as_translation_counts_them(shared: Path) -> None:
    """One reader of usage: what passes through is booked as what is translated."""
    bodies = [one.get("response") for one in exchanges(shared, Dialect.RESPONSES)]
    wholes = [body for body in bodies if isinstance(body, dict) and isinstance(body.get("usage"), dict)]
    for body in wholes:
        answer, report = read_answer(msgspec.json.encode(body)), read_report(body["usage"], body)
        assert answer is not None
        assert report is not None
        assert answer.tokens == report.tokens
    assert len(wholes) >= 10


def test_parts_never_exceed_their_whole() -> None:
    """A provider that counts more cached or reasoning tokens than tokens is not believed."""
    usage = {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 9},
    }
    answer = read_answer(msgspec.json.encode({"usage": usage}))
    assert answer is not None
    assert answer.tokens == Tokens(3, 3, 0, 2, 2)


# -- requests -----------------------------------------------------------------------------------------------


def test_the_fields_of_a_request() -> None:
    """Bounds, streaming, and what it goes on from; a chat's bounds are none here."""
    body = {
        "model": "m",
        "input": "x",
        "stream": True,
        "max_output_tokens": 50,
        "max_tokens": 1,
        "max_completion_tokens": 2,
        "n": 7,
        "store": False,
        "background": True,
        "previous_response_id": "resp_1",
        "conversation": {"id": "conv_1"},
    }
    fields = read_request(msgspec.json.encode(body))
    assert (fields.model, fields.stream, fields.output_bound) == ("m", True, 50)
    assert (fields.store, fields.background) == (False, True)
    assert fields.continues == (("previous_response_id", "resp_1"), ("conversation", "conv_1"))
    plain = read_request(b'{"model":"m","max_tokens":1,"conversation":"conv_2"}')
    assert (plain.output_bound, plain.store, plain.background) == (None, None, False)
    assert plain.continues == (("conversation", "conv_2"),)


@pytest.mark.parametrize(
    ("given", "continues", "recalls"),
    [
        ('"text"', (), ()),
        ("null", (), ()),
        ("[]", (), ()),
        ("7", (), ()),
        ('[{"type":7}]', (), ()),
        ('[{"role":"user","content":"x"},{"type":"item_reference","id":"msg_1"}]', ("msg_1",), ()),
        ('[{"type":"reasoning","id":"rs_1"},{"type":"reasoning","id":null}]', (), ("rs_1",)),
        ('[{"type":"message","id":"msg_2","content":[]}]', (), ()),
    ],
)
def test_the_items_that_bind_a_request(
    given: str, continues: tuple[str, ...], recalls: tuple[str, ...]
) -> None:
    """References and earlier reasoning are known by their ids; other items stand for themselves."""
    fields = read_request(b'{"model":"m","input":%b}' % given.encode())
    assert fields.continues == tuple(("item_reference", one) for one in continues)
    assert fields.recalls == recalls


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", "invalid_json", None),
        (b"[]", "invalid_json", None),
        (b'{"input":"x"}', "invalid_field", "model"),
        (b'{"model":"m","max_output_tokens":0}', "invalid_field", "max_output_tokens"),
        (b'{"model":"m","store":"yes"}', "invalid_field", "store"),
        (b'{"model":"m","previous_response_id":7}', "invalid_field", "previous_response_id"),
        (b'{"model":"m","model":"n"}', "duplicate_key", "model"),
        (b'{"model":"m","input":"a","input":"b"}', "duplicate_key", "input"),
        (b'{"model":"m","Previous_Response_ID":"x"}', "invalid_field", "previous_response_id"),
        (b'{"model":"m","store":false,"STORE":true}', "duplicate_key", "store"),
        (b'{"model":"m\xff"}', "invalid_json", None),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(body: bytes, code: str, param: str | None) -> None:
    """As with chat: nothing that routing depends on can be read in two ways."""
    with pytest.raises(RequestError) as refused:
        read_request(body)
    assert (refused.value.fault.code, refused.value.param) == (code, param)


WHITE = st.sampled_from(["", " ", "\n ", "\t"])
VALUES = st.one_of(st.none(), st.text(max_size=9), st.lists(st.text(max_size=4), max_size=3), st.booleans())
KNOWN = {*ResponsesFields.__struct_fields__, "previous_response_id", "conversation"}


def is_other(name: str) -> bool:
    return name.casefold() not in KNOWN


OTHERS = st.dictionaries(st.text(max_size=6).filter(is_other), VALUES, max_size=4)


@settings(max_examples=300, deadline=None)
@given(OTHERS, st.sampled_from([None, True, False, "absent"]), st.booleans(), WHITE, st.randoms())
def test_a_patch_changes_what_it_must_and_no_other_byte(
    others: dict[str, Any], store: Any, keep_nothing: bool, white: str, shuffled: Any
) -> None:
    """The model's name and `store` are as wanted; everything else is as the client wrote it, byte by byte."""
    members = {**others, "model": "asked", "max_output_tokens": 5}
    if store != "absent":
        members["store"] = store
    names = list(members)
    shuffled.shuffle(names)
    texts = [f"{white}{json.dumps(name)}{white}:{white}{json.dumps(members[name])}{white}" for name in names]
    body = ("{" + ",".join(texts) + "}").encode()
    patched = patch_request(body, read_request(body), model="served", keep_nothing=keep_nothing)
    wanted = {**members, "model": "served"}
    if keep_nothing:
        wanted["store"] = False
    assert json.loads(patched) == wanted
    undone = patched.replace(b'"served"', b'"asked"', 1)
    if not keep_nothing:
        assert undone == body
    same = patch_request(body, read_request(body), model=None, keep_nothing=False)
    assert same == body


def test_seals_of_other_dialects_are_taken_out() -> None:
    """What earlier answers of other targets left in the history does not reach one that cannot read it."""
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "baseload:abc"}
    mine = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    said = {"role": "assistant", "content": [{"type": "output_text", "text": "x", "baseload": {"a": 1}}]}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "baseload": {}}
    body = msgspec.json.encode({"model": "m", "input": [sealed, mine, said, call]})
    value = json.loads(without_seals(body))
    assert value["input"] == [
        mine,
        {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{ "model":"m", "input":"what is \\"baseload\\"?"}',
        b'{ "model":"m", "metadata":{"app":"baseload"}, "input":[{"role":"user","content":"x"}]}',
        b'{ "model":"m", "input":[{"role":"user","content":[{"type":"input_text","text":"baseload:"}]}]}',
    ],
)
def test_a_body_without_seals_stays_as_it_is(body: bytes) -> None:
    """The word alone costs no byte of the client's body."""
    assert without_seals(body) == body
