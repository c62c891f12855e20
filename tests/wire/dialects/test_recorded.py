"""What providers really sent and took: read, written again, translated to each other dialect and back."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from baseload.errors import RequestError
from baseload.wire.dialects import judging, matrix
from baseload.wire.dialects.fold import Fold, unfold
from baseload.wire.dialects.nouns import IN_PATH, Dialect, Event, Started
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.meaning import of_prompt, of_reply
from tests.wire.dialects.recorded import Exchange, exchanges, payloads, streams

DIALECTS = sorted(SPEAKERS)
PAIRS = [(one, other) for one in DIALECTS for other in DIALECTS if one is not other]


def requests(shared: Path, dialect: Dialect) -> list[Exchange]:
    """The exchanges whose request is known and was taken."""
    return [one for one in exchanges(shared, dialect) if one["request"] and one["status"] < 400]


def replies(shared: Path, dialect: Dialect) -> list[Exchange]:
    """The exchanges with a whole answer."""
    return [one for one in exchanges(shared, dialect) if one["status"] == 200 and "response" in one]


def read_stream(dialect: Dialect, exchange: Exchange) -> list[Event]:
    """All events of a recorded stream."""
    reader = SPEAKERS[dialect].reader()
    return [event for payload in payloads(exchange) for event in reader.read(payload)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_recorded_request_is_written_as_it_was_read(shared: Path, dialect: Dialect) -> None:
    """Reading and writing one dialect loses and adds nothing: the JSON is deep-equal."""
    speaker, taken = SPEAKERS[dialect], requests(shared, dialect)
    assert len(taken) > 20
    for exchange in taken:
        body = exchange["request"]
        assert speaker.write_request(speaker.read_request(copy.deepcopy(body))) == body, exchange["id"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_recorded_answer_is_written_as_it_was_read(shared: Path, dialect: Dialect) -> None:
    """As for requests, with usage, finish reasons and everything that only this provider says."""
    speaker, taken = SPEAKERS[dialect], replies(shared, dialect)
    assert len(taken) > 20
    for exchange in taken:
        body = exchange["response"]
        assert speaker.write_reply(speaker.read_reply(copy.deepcopy(body))) == body, exchange["id"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_recorded_stream_is_written_as_it_was_read(shared: Path, dialect: Dialect) -> None:
    """A stream written in its own dialect adds up to the same answer, event for event."""
    speaker = SPEAKERS[dialect]
    taken = [one for one in exchanges(shared, dialect) if streams(one) and one["status"] == 200]
    assert len(taken) > 10
    for exchange in taken:
        events = read_stream(dialect, exchange)
        writer = speaker.writer(model="", usage=True)
        written = b"".join(writer.write(event) for event in copy.deepcopy(events))
        again = read_stream(dialect, {"response_text": written.decode()})
        assert folded(again) == folded(events), exchange["id"]


def folded(events: list[Event]) -> Any:
    """What a stream adds up to."""
    fold = Fold()
    fold.take(copy.deepcopy(events))
    return msgspec.to_builtins((fold.reply, fold.failure, fold.ended))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_recorded_requests_cross_as_the_matrix_says(shared: Path, source: Dialect, target: Dialect) -> None:
    """A request is refused by name, or what the other dialect reads of it means the same.

    What is compared leaves out what the matrix calls approximated for that very request.
    """
    ours, theirs = SPEAKERS[source], SPEAKERS[target]
    refused: dict[str, str | None] = {}
    for exchange in requests(shared, source):
        prompt = ours.read_request(copy.deepcopy(exchange["request"]))
        said = copy.deepcopy(prompt)
        try:
            judged = judging.judge(prompt, source, target)
        except RequestError as error:
            refused[exchange["id"]] = error.param
            continue
        back = theirs.read_request(theirs.write_request(copy.deepcopy(prompt)))
        if target in IN_PATH:
            back.model, back.stream = prompt.model, prompt.stream
        expected = of_prompt(said, judged.fields, target)
        got = of_prompt(back, judged.fields, target)
        assert got == expected, (exchange["id"], judged)
    assert all(refused.values()), refused


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_recorded_answers_come_back_whole(shared: Path, source: Dialect, target: Dialect) -> None:
    """An answer told in another dialect and sent back is the same answer: text, calls, signatures, usage."""
    ours, theirs = SPEAKERS[source], SPEAKERS[target]
    for exchange in replies(shared, source):
        reply = ours.read_reply(copy.deepcopy(exchange["response"]))
        if len(reply.choices) > 1 and not matrix.FIELDS["choices"].carried(target):
            continue  # cannot be asked for
        back = theirs.read_reply(theirs.write_reply(copy.deepcopy(reply)))
        assert told(back, target) == told(reply, target), exchange["id"]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_recorded_streams_say_the_same_in_another_dialect(
    shared: Path, source: Dialect, target: Dialect
) -> None:
    """A stream told in another dialect adds up to what it adds up to in its own."""
    for exchange in exchanges(shared, source):
        events = read_stream(source, exchange)
        begun = sum(isinstance(event, Started) for event in events)
        if begun != 1 or exchange["status"] != 200:  # two answers in one recorded body are no stream
            continue
        writer = SPEAKERS[target].writer(model="", usage=True)
        written = b"".join(writer.write(event) for event in copy.deepcopy(events))
        again = read_stream(target, {"response_text": written.decode()})
        one, other = Fold(), Fold()
        one.take(copy.deepcopy(events))
        if len(one.reply.choices) > 1 and not matrix.FIELDS["choices"].carried(target):
            continue  # cannot be asked for
        other.take(again)
        if one.failure is None:
            assert told(other.reply, target) == told(one.reply, target), exchange["id"]
        else:
            assert other.failure is not None
            assert other.failure.message == one.failure.message


def told(reply: Any, crossed: Dialect | None = None) -> Any:
    """What an answer tells, in the dialect that it crossed into: see `meaning`."""
    return of_reply(reply, crossed)


def test_a_whole_answer_streams_as_the_answer_it_is(shared: Path) -> None:
    """`unfold` and `Fold` undo each other."""
    for dialect in DIALECTS:
        for exchange in replies(shared, dialect):
            reply = SPEAKERS[dialect].read_reply(copy.deepcopy(exchange["response"]))
            fold = Fold()
            fold.take(unfold(copy.deepcopy(reply)))
            assert told(fold.reply) == told(reply)
