"""Exchanges of our own writing, a file each under examples/DIALECT: small, and every field and event once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from baseload.wire.dialects.nouns import Dialect, Event
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.recorded import payloads

FOLDER = Path(__file__).parent / "examples"


class Example(NamedTuple):
    """One file: `request` (with `model` where the path names it), `reply`, `stream` or `failure`."""

    name: str
    dialect: Dialect
    held: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.dialect.value}/{self.name}"


def examples(member: str) -> list[Example]:
    """The examples that hold this member, of all dialects that can be spoken."""
    found = []
    for dialect in sorted(SPEAKERS):
        for file in sorted((FOLDER / dialect.value).glob("*.json")):
            held = json.loads(file.read_text())
            if member in held:
                found.append(Example(file.stem, dialect, held))
    return found


def events_of_stream(dialect: Dialect, stream: list[Any]) -> list[Event]:
    """What a reader makes of the payloads of a stream; one that is text stands for itself, as `[DONE]`."""
    reader = SPEAKERS[dialect].reader()
    encoded = [one.encode() if isinstance(one, str) else msgspec.json.encode(one) for one in stream]
    return [event for payload in encoded for event in reader.read(payload)]


def events_written(dialect: Dialect, events: list[Event]) -> list[Event]:
    """What a reader of the dialect makes of the events as its writer writes them."""
    writer = SPEAKERS[dialect].writer(model="", usage=True)
    written = b"".join(writer.write(event) for event in events)
    reader = SPEAKERS[dialect].reader()
    exchange = {"response_text": written.decode()}
    return [event for payload in payloads(exchange) for event in reader.read(payload)]
