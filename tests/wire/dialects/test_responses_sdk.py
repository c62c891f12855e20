"""What is written as responses is what OpenAI's own SDK takes: its models, and its streaming helper."""

from __future__ import annotations

import copy
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from baseload.core import Tokens
from baseload.wire.dialects.fold import unfold
from baseload.wire.dialects.nouns import (
    Added,
    Call,
    Choice,
    Closed,
    Declined,
    Dialect,
    Ended,
    Event,
    Finish,
    Finished,
    Metered,
    Opened,
    Reply,
    Report,
    Signed,
    Started,
    Text,
    Thought,
)
from baseload.wire.dialects.responses_reply import read_reply, write_reply
from baseload.wire.dialects.responses_writer import StreamWriter
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.sse import event_data
from tests.wire.dialects.examples import Example, events_of_stream, examples

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
REPLIES, STREAMS = examples("reply"), examples("stream")

THINKING: list[Event] = [
    Started("msg-1", "claude", 1700000000),
    Opened(0, Thought("", origin=Dialect.MESSAGES)),
    Added(0, "High water "),
    Added(0, "is at six."),
    Signed(0, "proof"),
    Closed(0),
    Opened(1, Text("")),
    Added(1, "At "),
    Added(1, "six."),
    Closed(1),
    Opened(2, Call("call-1", "tide_table", "")),
    Added(2, '{"harbour":'),
    Added(2, '"Roscoff"}'),
    Closed(2),
    Finished(Finish.TOOL_CALLS),
    Metered(Report(Tokens(20, 5, 0, 9, 3))),
    Ended(),
]


def written(events: list[Event]) -> bytes:
    """The bytes of a stream."""
    writer = StreamWriter(model="tides")
    return b"".join(writer.write(event) for event in copy.deepcopy(events))


def check_grammar(stream: bytes) -> list[Any]:
    """Every event is one the SDK knows, numbered without a gap, and its places agree; the events."""
    decoded = [msgspec.json.decode(event_data(one)) for one in stream.split(b"\n\n") if one]
    ids: dict[int, str] = {}
    for at, event in enumerate(decoded):
        EVENTS.validate_python(event, strict=False)
        assert event["sequence_number"] == at
        if event["type"] == "response.output_item.added":
            assert event["output_index"] == len(ids)
            ids[event["output_index"]] = event["item"]["id"]
        elif "item_id" in event:
            assert event["item_id"] == ids[event["output_index"]]
        elif event["type"] == "response.output_item.done":
            assert event["item"]["id"] == ids[event["output_index"]]
    return decoded


def test_a_stream_of_another_dialect_is_what_the_sdk_adds_up() -> None:
    """The SDK's helper ends with the text, the call and the reasoning that were streamed."""
    stream = written(THINKING)
    check_grammar(stream)

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(stream)))
            self.end_headers()
            self.wfile.write(stream)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = openai.OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}")
        with client.responses.stream(model="tides", input="When?") as events:
            kinds = [event.type for event in events]
            final = events.get_final_response()
        server.shutdown()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert final.output_text == "At six."
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]
    assert final.output[2].arguments == '{"harbour":"Roscoff"}'  # type: ignore[union-attr]
    assert final.usage is not None
    assert final.usage.input_tokens_details.cached_tokens == 5


@pytest.mark.parametrize("finish", list(Finish))
def test_every_ending_is_one_the_sdk_knows(finish: Finish) -> None:
    """Whole and streamed, with a refusal, the final event repeats the whole answer."""
    reply = Reply("r-1", "tides", [Choice([Text("Six."), Declined("No more.")], finish)], created_s=1)
    body = write_reply(copy.deepcopy(reply))
    Response.model_validate(body)
    last = check_grammar(written(list(unfold(reply))))[-1]["response"]
    assert last["output"] == body["output"]
    assert last["status"] == body["status"]


@pytest.mark.parametrize("example", REPLIES, ids=str)
def test_examples_of_every_dialect_are_valid_answers(example: Example) -> None:
    """What another dialect answers is a `Response`, and its stream ends with the same items."""
    reply = SPEAKERS[example.dialect].read_reply(copy.deepcopy(example.held["reply"]))
    if example.dialect is not Dialect.RESPONSES:
        Response.model_validate(write_reply(copy.deepcopy(reply)))
        check_grammar(written(list(unfold(reply))))


@pytest.mark.parametrize("example", STREAMS, ids=str)
def test_example_streams_keep_the_grammar(example: Example) -> None:
    """A stream of any dialect is told in events the SDK knows."""
    check_grammar(written(events_of_stream(example.dialect, example.held["stream"])))


def test_an_answer_that_is_not_begun_stays_so() -> None:
    """What a background request gets at once is read and written as it is; it says nothing yet."""
    body = write_reply(Reply("r-1", "tides", [], created_s=1)) | {"status": "queued", "background": True}
    reply = read_reply(copy.deepcopy(body))
    assert reply.choices == []
    assert write_reply(reply) == body
