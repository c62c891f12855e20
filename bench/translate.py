"""What translating costs: every streamed event and every small answer, from each dialect into each.

    python -m bench.translate [--json] [--seconds 0.3]

CPU microseconds of one event (read in one dialect, written in another, of a stream of words; with the framing
where that is binary) and of one unstreamed answer of 1 KiB both ways, the least of five rounds. The bars: 60
and 150.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable

import msgspec

from baseload.core import Tokens
from baseload.wire.aws_events import EventReader
from baseload.wire.dialects.converse_frames import frames_of, line_of_frame
from baseload.wire.dialects.nouns import (
    Added,
    Choice,
    Closed,
    Dialect,
    Ended,
    Event,
    Finish,
    Finished,
    Metered,
    Opened,
    Reply,
    Report,
    Started,
    Text,
)
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.sse import event_data

EVENT_BAR_US, REPLY_BAR_US = 60, 150
WORDS = 200


def stream() -> list[Event]:
    """A stream of words."""
    report = Report(Tokens(40, 0, 0, WORDS))
    words: list[Event] = [Added(0, f" word{at}") for at in range(WORDS)]
    begin: list[Event] = [Started("id-1", "some-model", 1700000000), Opened(0, Text(""))]
    return [*begin, *words, Closed(0), Finished(Finish.STOP), Metered(report), Ended()]


def payloads(dialect: Dialect, written: bytes) -> list[bytes]:
    """What is taken off the wire of what a writer wrote: the data of server-sent events, or binary frames."""
    if dialect is Dialect.CONVERSE:
        return [frames_of(line) for line in written.splitlines()]
    return [data for event in written.replace(b"\r\n", b"\n").split(b"\n\n") if (data := event_data(event))]


def event_us(source: Dialect, target: Dialect, seconds: float) -> float:
    """CPU microseconds of one event."""
    writer = SPEAKERS[source].writer(model="some-model", usage=True)
    taken = payloads(source, b"".join(writer.write(event) for event in stream()))

    def once() -> None:
        read = SPEAKERS[source].reader().read
        write = SPEAKERS[target].writer(model="some-model", usage=True).write
        feed = EventReader().feed if source is Dialect.CONVERSE else None
        for data in taken:
            lines = [data] if feed is None else [line_of_frame(frame) for frame in feed(data)]
            for line in lines:
                written = b"".join([write(event) for event in read(line)])
                if target is Dialect.CONVERSE:
                    frames_of(written)

    return least_us(once, seconds) / len(taken)


def reply_us(source: Dialect, target: Dialect, seconds: float) -> float:
    """CPU microseconds of one answer: bytes read in the one, bytes written in the other, and back again."""
    choice = Choice([Text("word " * 160)], Finish.STOP)
    reply = Reply("id-1", "some-model", [choice], Report(Tokens(40, 0, 0, 160)))
    reply.created_s = 1700000000
    one, other = SPEAKERS[source], SPEAKERS[target]
    body = msgspec.json.encode(one.write_reply(copy.deepcopy(reply)))

    def once() -> None:
        told = msgspec.json.encode(other.write_reply(one.read_reply(msgspec.json.decode(body))))
        msgspec.json.encode(one.write_reply(other.read_reply(msgspec.json.decode(told))))

    return least_us(once, seconds)


def least_us(once: Callable[[], None], seconds: float) -> float:
    """The least CPU microseconds of a call in five rounds that take `seconds` together."""
    least = float("inf")
    for _ in range(5):
        calls, begun = 0, time.process_time()
        while (spent := time.process_time() - begun) < seconds / 5 or not calls:
            once()
            calls += 1
        least = min(least, spent / calls)
    return least * 1e6


def main() -> int:
    """Print every pair; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=0.3, help="CPU time for each figure")
    options = parser.parse_args()
    rows = []
    for source in sorted(SPEAKERS):
        for target in sorted(SPEAKERS):
            event = event_us(source, target, options.seconds)
            rows.append((source.value, target.value, event, reply_us(source, target, options.seconds)))
    if options.json:
        print(
            json.dumps([dict(zip(("from", "to", "event_us", "reply_us"), row, strict=True)) for row in rows])
        )
    else:
        print("from        to          µs/event  µs/reply both ways")
        for source_name, target_name, event, whole in rows:
            print(f"{source_name:<12}{target_name:<12}{event:8.1f}  {whole:8.1f}")
    return int(any(event > EVENT_BAR_US or whole > REPLY_BAR_US for _, _, event, whole in rows))


if __name__ == "__main__":
    raise SystemExit(main())
