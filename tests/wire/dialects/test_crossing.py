"""A stream on its way between two dialects: where it ends, however the target frames it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from baseload.errors import RequestError
from baseload.wire.dialects.converse_frames import frames_of
from baseload.wire.dialects.crossing import cross
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.sse import EventRelay, event_data

ASKED: dict[str, Any] = {"model": "tides", "messages": [{"role": "user", "content": "When?"}], "stream": True}
SAID: list[Any] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "At six."}}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
]
STOP: Any = {"messageStop": {"stopReason": "end_turn"}}
METADATA: Any = {"metadata": {"usage": {"inputTokens": 6, "outputTokens": 3, "totalTokens": 9}}}


def relay_of(*, stream_options: Any = None) -> EventRelay:
    """A chat client's relay before a target of Amazon's."""
    body = msgspec.json.encode({**ASKED, "stream_options": stream_options or {}})
    crossing = cross(body, Dialect.CHAT, Dialect.CONVERSE, asked="tides", model="some-model")
    return crossing.relay(chunked_in=True, chunked_out=False)


def chunked(*frames: Any) -> bytes:
    """Frames, each a chunk."""
    sent = [frames_of(msgspec.json.encode(frame)) for frame in frames]
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in sent)


@pytest.mark.parametrize("last", [(STOP, METADATA), (METADATA, STOP)])
def test_the_later_of_stop_and_usage_is_the_last_frame(last: tuple[Any, Any]) -> None:
    """In either order the client has finish, usage and end, each once."""
    relay = relay_of(stream_options={"include_usage": True})
    told = relay.feed(chunked(*SAID, last[0]))
    assert not relay.done
    told += relay.feed(chunked(last[1]))
    assert relay.done
    assert told.count(b'"finish_reason":"stop"') == 1
    assert told.count(b'"total_tokens":9') == 1
    assert told.endswith(b"data: [DONE]\n\n")
    tokens = relay.tokens()
    assert tokens is not None
    assert (tokens.input, tokens.output) == (6, 3)


@pytest.mark.parametrize("last", [STOP, METADATA])
def test_a_body_that_ends_well_after_either_is_complete(last: Any) -> None:
    """A target that leaves one of the last frames out has still said all there is."""
    relay = relay_of()
    told = relay.feed(chunked(*SAID, last))
    assert not relay.done
    told += relay.feed(b"0\r\n\r\n")
    assert relay.done
    assert told.count(b"[DONE]") == 1


def test_a_body_that_ends_before_both_is_broken_off() -> None:
    """What was said so far is passed on, and nothing makes it look whole."""
    relay = relay_of()
    told = relay.feed(chunked(*SAID) + b"0\r\n\r\n")
    assert relay.ended
    assert not relay.done
    assert b"At six." in told
    assert b"[DONE]" not in told


def test_an_answer_that_has_no_id_is_named_after_its_request() -> None:
    """Amazon's have none: whole and streamed, with and without the frame that begins a stream."""
    crossing = cross(msgspec.json.encode(ASKED), Dialect.CHAT, Dialect.CONVERSE, asked="tides", model="m")
    crossing.request_id = "1a2b"
    message = {"role": "assistant", "content": [{"text": "At six."}]}
    whole = {"output": {"message": message}, "stopReason": "end_turn", **METADATA["metadata"]}
    assert msgspec.json.decode(crossing.whole(msgspec.json.encode(whole)))["id"] == "chatcmpl-1a2b"
    for frames in ([*SAID, STOP, METADATA], [*SAID[1:], STOP, METADATA]):
        relay = crossing.relay(chunked_in=True, chunked_out=False)
        events = relay.feed(chunked(*frames)).split(b"\n\n")[:-2]
        read = [msgspec.json.decode(event_data(event)) for event in events]
        assert {(one["id"], one["model"]) for one in read} == {("chatcmpl-1a2b", "tides")}


def test_usage_that_nobody_reported_is_zero_where_it_must_be_there() -> None:
    """Anthropic's clients read the usage of every message."""
    crossing = cross(msgspec.json.encode(ASKED), Dialect.MESSAGES, Dialect.CHAT, asked="tides", model="m")
    choice = {"index": 0, "message": {"role": "assistant", "content": "At six."}, "finish_reason": "stop"}
    told = msgspec.json.decode(crossing.whole(msgspec.json.encode({"id": "c", "choices": [choice]})))
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (0, 0)


def test_a_seal_that_a_client_made_up_is_a_seal_like_any_other() -> None:
    """However deep what is in it: nothing that looks like the annex breaks the reading."""
    data = b64encode(b"baseload:" + b"[" * 200_000).decode()
    said = {"role": "assistant", "content": [{"type": "redacted_thinking", "data": data}]}
    body = {"model": "m", "max_tokens": 9, "messages": [*ASKED["messages"], said, *ASKED["messages"]]}
    crossing = cross(msgspec.json.encode(body), Dialect.MESSAGES, Dialect.CHAT, asked="m", model="m")
    assert data.encode() not in crossing.body


def test_the_first_field_that_cannot_be_carried_is_named() -> None:
    """A request with several is refused by the same one every time: the first by its row's name."""
    body = {**ASKED, "seed": 1, "presence_penalty": 0.5, "logprobs": True, "n": 2}
    for _ in range(20):
        with pytest.raises(RequestError) as refused:
            cross(msgspec.json.encode(body), Dialect.CHAT, Dialect.CONVERSE, asked="tides", model="m")
        assert refused.value.param == "n"
