"""The frames of a ConverseStream answer as lines of JSON, and the lines as frames.

On the wire a stream is binary frames (`wire.aws_events`). Readers and writers of the dialect speak lines: an
event with its name as the only member, `{"contentBlockDelta": {…}}`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from baseload.wire.aws_events import Frame, Header, Kind, encode_event, encode_frame


def line_of(name: str, payload: bytes) -> bytes:
    """What a reader takes, of the name and payload of a frame: `:event-type`, or `:exception-type`."""
    return b'{"%b":%b}' % (name.encode(), payload or b"{}")


def line_of_frame(frame: Frame) -> bytes:
    """What a reader takes of a frame; an error that is not modelled becomes an exception like the others."""
    failure = frame.failure()
    if failure is None:
        return line_of(frame.event, frame.payload)
    if frame.text(":exception-type"):
        return line_of(failure.name, frame.payload)
    name = failure.name if failure.name.endswith("Exception") else f"{failure.name}Exception"
    return line_of(name, msgspec.json.encode({"message": failure.message}))


class Framed(NamedTuple):
    """What one frame of a stream holds: `failed` where it is an exception and no event."""

    name: str
    payload: bytes
    failed: bool


def events_of(written: bytes) -> list[Framed]:
    """What a writer wrote, an item a frame."""
    events = []
    for line in written.split(b"\n"):
        if line:
            name, _, payload = line[2:-1].partition(b'":')
            events.append(Framed(name.decode(), payload, name.endswith(b"Exception")))
    return events


def frames_of(written: bytes) -> bytes:
    """The bytes of the frames of what a writer wrote: what a client of AWS reads."""
    return b"".join(_frame(event) for event in events_of(written))


def _frame(event: Framed) -> bytes:
    if not event.failed:
        return encode_event(event.name, event.payload)
    headers = {
        ":exception-type": Header(Kind.STRING, event.name),
        ":content-type": Header(Kind.STRING, "application/json"),
        ":message-type": Header(Kind.STRING, "exception"),
    }
    return encode_frame(headers, event.payload)
