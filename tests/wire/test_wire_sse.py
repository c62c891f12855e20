"""Streams on their way through: the client's events do not depend on how the target's bytes were cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.wire.http1 import ChunkedReader, UpstreamSyntax
from baseload.wire.openai import read_answer
from baseload.wire.sse import MAX_EVENT, MAX_HELD, EventRelay, chunk, event_data

ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
CONTENT = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
HELLO = CONTENT % b"hello"
REASON = b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}\n\n'
TOOL = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"f"}}]}}]}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'
RUNNING = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"completion_tokens":1}}\n\n'
ERROR = b'data: {"error":{"message":"out of memory","type":"server_error","code":500}}\n\n'
NO_ERROR = b'data: {"error":null,"choices":[{"index":0,"delta":{"content":"b"}}]}\n\n'
COMMENT = b": processing\n\n"
DONE = b"data: [DONE]\n\n"
SAYS_DONE = CONTENT % rb"data: [DONE]\n\n"
SAYS_ERROR = CONTENT % rb"{\"error\": \"completion_tokens\"}"
TWO_LINES = b'data: {"choices":[{"index":0,\ndata: "delta":{"content":"c"}}]}\n\n'
NAMED = b'event: message\nid: 1\ndata: {"choices":[{"index":0,"delta":{"content":"d"}}]}\n\n'

EVENTS = st.lists(
    st.sampled_from(
        [
            ROLE,
            HELLO,
            REASON,
            TOOL,
            FINISH,
            RUNNING,
            NO_ERROR,
            COMMENT,
            SAYS_DONE,
            SAYS_ERROR,
            TWO_LINES,
            NAMED,
        ]
    ),
    max_size=8,
)


def unframed(out: bytes) -> bytes:
    """The payload of what is framed for the client so far."""
    reader = ChunkedReader(1 << 30)
    assert reader.feed(out) == len(out)
    return bytes(reader.body)


def cut(data: st.DataObject, stream: bytes, most: int = 12) -> list[bytes]:
    """The stream in any pieces."""
    cuts = (
        sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=most))) if len(stream) > 1 else []
    )
    return [stream[first:last] for first, last in pairwise([0, *cuts, len(stream)])]


def relay_of(*, chunked_in: bool = True, chunked_out: bool = True, drop_usage: bool = False) -> EventRelay:
    return EventRelay(chunked_in=chunked_in, chunked_out=chunked_out, drop_usage=drop_usage)


def run(relay: EventRelay, pieces: Iterable[bytes], *, framed_out: bool = True) -> bytes:
    """The payload that the client gets in all; each step gives it whole events only."""
    payload = b""
    for piece in pieces:
        out = relay.feed(piece)
        if out:
            passed = unframed(out) if framed_out else out
            assert re.search(rb"(\n\n|\r\n\r\n|\r\r|\n\r\n|\r\n\r)\Z", passed[-4:])
            payload += passed
    return payload


@settings(max_examples=500, deadline=None)
@given(EVENTS, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.data())
def test_any_cut_gives_the_same_stream(
    events: list[bytes],
    with_usage: bool,
    drop_usage: bool,
    chunked_in: bool,
    chunked_out: bool,
    data: st.DataObject,
) -> None:
    """Whatever the chunks are and wherever reads cut them: the client's bytes are the events in their order,
    without the usage event if that was not its wish, and all else we learn is the same."""
    sent = [*events, *([USAGE] if with_usage else []), DONE]
    stream = b"".join(sent)
    if chunked_in:
        stream = b"".join(map(chunk, cut(data, stream))) + b"0\r\n\r\n"
    relay = relay_of(chunked_in=chunked_in, chunked_out=chunked_out, drop_usage=drop_usage)
    got = run(relay, cut(data, stream), framed_out=chunked_out)
    relay.end_of_input()
    assert got == b"".join(event for event in sent if not (drop_usage and event == USAGE))
    assert (relay.done, relay.ended, relay.committed, relay.excess) == (True, True, True, False)
    last = next((event for event in reversed(sent) if event in (USAGE, RUNNING)), b"")
    assert relay.usage_event == last
    assert relay.error_event == b""


@settings(max_examples=300, deadline=None)
@given(EVENTS, st.booleans())
def test_the_fast_path_is_the_slow_path(events: list[bytes], drop_usage: bool) -> None:
    """A read of whole chunks goes through as it came; taken apart byte by byte it gives the same events and
    the same count of them."""
    sent = [HELLO, *events, RUNNING, FINISH]
    fast, slow = relay_of(drop_usage=drop_usage), relay_of(drop_usage=drop_usage)
    verbatim = b"".join(fast.feed(chunk(event)) for event in sent)
    assert verbatim == b"".join(map(chunk, sent))
    stream = b"".join(map(chunk, sent))
    run(slow, (stream[at : at + 1] for at in range(len(stream))))
    assert (fast.events, fast.usage_event, fast.committed) == (slow.events, slow.usage_event, slow.committed)
    assert fast.events == sum(line.startswith(b"data:") for line in b"".join(sent).split(b"\n"))


@settings(max_examples=300, deadline=None)
@given(EVENTS, st.sampled_from([b"\r\n", b"\r"]), st.data())
def test_other_line_ends(events: list[bytes], end: bytes, data: st.DataObject) -> None:
    """CRLF and CR end lines as well (WHATWG HTML 9.2.6), also when a read ends between CR and LF."""
    sent = b"".join([HELLO, *events, DONE])
    stream = sent.replace(b"\n", end)
    relay = relay_of(chunked_in=False)
    got = run(relay, cut(data, stream, 30))
    assert relay.done
    assert got.replace(b"\r\n", b"\n").replace(b"\r", b"\n").startswith(sent.rstrip())


@pytest.mark.parametrize(
    "event", [HELLO, REASON, TOOL, FINISH, RUNNING, NO_ERROR, TWO_LINES, NAMED, DONE, SAYS_DONE]
)
def test_content_commits(event: bytes) -> None:
    """Role, empty deltas and comments are held; the first real content lets all of them go at once."""
    relay = relay_of()
    assert relay.feed(chunk(ROLE)) == b""
    assert relay.feed(chunk(COMMENT)) == b""
    assert not relay.committed
    assert unframed(relay.feed(chunk(event))) == ROLE + COMMENT + event
    assert relay.committed


@pytest.mark.parametrize(
    "delta", [b'{"content":""}', b'{"content":null}', b'{"tool_calls":[]}', b'{"role":"assistant"}', b"{}"]
)
def test_empty_deltas_do_not_commit(delta: bytes) -> None:
    """Until there is something to show another target may still answer."""
    relay = relay_of()
    assert (
        relay.feed(chunk(b'data: {"choices":[{"index":0,"delta":%b,"finish_reason":null}]}\n\n' % delta))
        == b""
    )
    assert not relay.committed


def test_holding_is_bounded() -> None:
    """A stream that never shows content commits by itself rather than be kept without end."""
    relay = relay_of()
    out = b""
    for _ in range(MAX_HELD // len(COMMENT) + 2):
        out += relay.feed(chunk(COMMENT))
    assert relay.committed
    assert len(unframed(out)) > MAX_HELD


@pytest.mark.parametrize("said", [SAYS_DONE, SAYS_ERROR, CONTENT % b"[DONE]", NO_ERROR])
def test_what_a_model_says_is_not_what_the_stream_does(said: bytes) -> None:
    """A model that writes `[DONE]` or an error's JSON neither ends nor breaks its stream."""
    relay = relay_of(drop_usage=True)
    relay.feed(chunk(HELLO))
    assert unframed(relay.feed(chunk(said))) == said
    assert (relay.done, relay.error_event) == (False, b"")
    assert unframed(relay.feed(chunk(HELLO))) == HELLO


@pytest.mark.parametrize(
    "error",
    [
        ERROR,
        b'data: {"error":"out of memory","error_type":"generation"}\n\n',
        b'data: {"id":"x","choices":[],"error":{"code":"bad","message":"m"}}\n\n',
        b'event: error\ndata: {"error": {"message": 5}}\n\n',
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_errors_in_band(error: bytes, together: bool) -> None:
    """An error event of any shape is kept from the client and ends the stream: nothing behind it, above all
    no `[DONE]`, is passed on."""
    events = [HELLO, error, HELLO, DONE]
    pieces = [b"".join(map(chunk, events))] if together else [chunk(event) for event in events]
    relay = relay_of()
    assert run(relay, pieces) == HELLO
    assert relay.error_event == event_data(error)
    assert not relay.done


def test_an_error_before_the_commit() -> None:
    """Then the client has nothing yet, not even the role."""
    relay = relay_of()
    assert run(relay, [chunk(ROLE), chunk(ERROR), chunk(DONE)]) == b""
    assert (relay.committed, relay.done) == (False, False)


def test_nothing_follows_done() -> None:
    """What a target sends behind `[DONE]` is not part of the answer, in the same read or later."""
    for pieces in ([chunk(HELLO) + chunk(DONE) + chunk(HELLO)], [chunk(HELLO), chunk(DONE), chunk(HELLO)]):
        assert run(relay_of(), pieces) == HELLO + DONE


@pytest.mark.parametrize("drop_usage", [True, False])
def test_usage_is_dropped_only_if_it_was_our_wish(drop_usage: bool) -> None:
    """The usage event is noted either way; an event with content keeps its usage."""
    relay = relay_of(drop_usage=drop_usage)
    got = run(relay, [chunk(HELLO), chunk(RUNNING) + chunk(USAGE), chunk(DONE)])
    assert got == HELLO + RUNNING + (b"" if drop_usage else USAGE) + DONE
    answer = read_answer(event_data(relay.usage_event))
    assert answer is not None
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


def test_partial_events_are_not_passed_on() -> None:
    """Where the target breaks off inside an event, the client has the events before it and no more."""
    relay = relay_of()
    assert run(relay, [chunk(HELLO + HELLO[:-1])]) == HELLO
    assert relay.end_of_input() == b""
    assert not relay.ended


def test_endless_events_are_bounded() -> None:
    """An event without end is a broken target; little more than its bound is ever held."""
    for size in (64, 4096, 65536):
        relay = relay_of()
        pieces = (chunk(b"x" * size) for _ in range(10_000_000))
        with pytest.raises(UpstreamSyntax, match="event"):
            run(relay, pieces)
        assert sum(map(len, islice(pieces, 1))) > 0  # there was more
    with pytest.raises(UpstreamSyntax, match="chunk"):
        relay_of().feed(b"%x\r\n" % (MAX_EVENT + 1))


@pytest.mark.parametrize(
    "bad",
    [
        b"zz\r\n",
        b"\r\n",
        b"-5\r\nhello\r\n",
        b"5\r\nhelloXX",
        b"5 \r\nhello\r\n",
        b"5\nhello\r\n",
        b"fffffff\r\n",
        b"5" * 2000,
        b"0\r\n" + b"X-A: b\r\n" * 10_000,
    ],
)
def test_bad_framing_is_a_broken_target(bad: bytes) -> None:
    """Chunks that are none end the stream as an error, whether or not something was passed on before."""
    for before in (b"", chunk(HELLO)):
        with pytest.raises(UpstreamSyntax):
            relay_of().feed(before + bad)


def test_bytes_behind_the_body_are_told() -> None:
    """More than the body: the connection is out of step and must not carry another request."""
    relay = relay_of()
    relay.feed(chunk(HELLO) + chunk(DONE) + b"0\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert (relay.ended, relay.excess) == (True, True)


def test_trailers_end_a_body() -> None:
    """Trailer fields are read over, in any pieces."""
    stream = chunk(HELLO) + chunk(DONE) + b"0\r\nX-Sum: 1\r\nX-B: c\r\n\r\n"
    relay = relay_of()
    assert run(relay, (stream[at : at + 1] for at in range(len(stream)))) == HELLO + DONE
    assert (relay.ended, relay.excess) == (True, False)


def _streams(shared: Path) -> list[tuple[str, bytes]]:
    found = []
    for name in ("openai_chat", "openai_compatible", "openai_completions"):
        for line in (shared / "fixtures" / "exchanges" / f"{name}.jsonl").read_text().splitlines():
            exchange = json.loads(line)
            if exchange["stream"] and exchange["status"] == 200:
                found.append((exchange["id"], exchange["response_text"].encode()))
    assert len(found) > 40
    return found


@pytest.mark.parametrize("chunked_in", [True, False])
@pytest.mark.parametrize("size", [1 << 20, 1300, 7])
def test_recorded_streams_pass_byte_for_byte(shared: Path, size: int, chunked_in: bool) -> None:
    """Streams of real providers reach the client as they were recorded, up to `[DONE]`, whatever the reads
    are; their errors are found, and their usage, also where the error tells it."""
    errors = 0
    for name, text in _streams(shared):
        stream = text
        if chunked_in:
            stream = b"".join(chunk(text[at : at + 1000]) for at in range(0, len(text), 1000)) + b"0\r\n\r\n"
        relay = relay_of(chunked_in=chunked_in)
        got = run(relay, (stream[at : at + size] for at in range(0, len(stream), size)))
        errors += bool(relay.error_event)
        if relay.done:
            assert text.startswith(got), name
            assert event_data(text[len(got) :]) == b"", name
            assert got.rstrip().endswith(b"[DONE]"), name
        else:
            assert got == text[: len(got)], name
        assert bool(relay.usage_event) == (b'completion_tokens"' in got + relay.error_event), name
    assert errors <= 3  # some providers answer 200 and fail in the stream
