"""Every documented field and event, in small exchanges of our own: read, written again and crossed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.errors import RequestError
from baseload.wire.dialects import judging, matrix
from baseload.wire.dialects.fold import Fold, unfold
from baseload.wire.dialects.nouns import IN_PATH, Dialect, Event, Prompt
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.examples import Example, events_of_stream, events_written, examples
from tests.wire.dialects.meaning import of_prompt, of_reply

REQUESTS, REPLIES, STREAMS = examples("request"), examples("reply"), examples("stream")
FAILURES = examples("failure")
DIALECTS = sorted(SPEAKERS)


def prompt_of(example: Example) -> Prompt:
    """The example's request, with the model that its path names."""
    prompt = SPEAKERS[example.dialect].read_request(copy.deepcopy(example.held["request"]))
    prompt.model = prompt.model or example.held.get("model", "")
    return prompt


def folded(events: list[Event]) -> Fold:
    """What a stream adds up to."""
    fold = Fold()
    fold.take(copy.deepcopy(events))
    return fold


@pytest.mark.parametrize("example", REQUESTS, ids=str)
def test_a_request_is_written_as_it_was_read(example: Example) -> None:
    """Reading and writing one dialect is deep-equal."""
    assert SPEAKERS[example.dialect].write_request(prompt_of(example)) == example.held["request"]


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("example", REQUESTS, ids=str)
def test_a_request_crosses_or_is_refused_by_name(example: Example, target: Dialect) -> None:
    """What the other dialect reads means the same but for what the matrix calls approximated."""
    said = prompt_of(example)
    refused: str | None = ""
    try:
        judged = judging.judge(prompt := copy.deepcopy(said), example.dialect, target)
        written = SPEAKERS[target].write_request(copy.deepcopy(prompt))
    except RequestError as error:
        refused = error.param
    if refused != "":
        assert refused is not None
        return
    back = SPEAKERS[target].read_request(written)
    if target in IN_PATH:
        back.model, back.stream = said.model, said.stream
    if target is not example.dialect:
        assert of_prompt(back, judged.fields, target) == of_prompt(said, judged.fields, target)


@pytest.mark.parametrize("example", REPLIES, ids=str)
def test_an_answer_is_written_as_it_was_read(example: Example) -> None:
    """As for requests."""
    speaker = SPEAKERS[example.dialect]
    body = example.held["reply"]
    assert speaker.write_reply(speaker.read_reply(copy.deepcopy(body))) == body


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("example", REPLIES, ids=str)
def test_an_answer_comes_back_whole(example: Example, target: Dialect) -> None:
    """Told in another dialect, whole and streamed, and read again, it is the same answer."""
    reply = SPEAKERS[example.dialect].read_reply(copy.deepcopy(example.held["reply"]))
    if len(reply.choices) > 1 and not matrix.FIELDS["choices"].carried(target):
        return  # cannot be asked for
    theirs = SPEAKERS[target]
    back = theirs.read_reply(theirs.write_reply(copy.deepcopy(reply)))
    crossed = None if target is example.dialect else target
    assert of_reply(back, crossed) == of_reply(reply, crossed)
    streamed = folded(events_written(target, list(unfold(copy.deepcopy(reply)))))
    assert of_reply(streamed.reply, crossed) == of_reply(reply, crossed)


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("example", STREAMS, ids=str)
def test_a_stream_adds_up_to_the_same_in_every_dialect(example: Example, target: Dialect) -> None:
    """In its own dialect to every last member, in another one to the same answer or failure."""
    events = events_of_stream(example.dialect, example.held["stream"])
    ours, theirs = folded(events), folded(events_written(target, copy.deepcopy(events)))
    if len(ours.reply.choices) > 1 and not matrix.FIELDS["choices"].carried(target):
        return  # cannot be asked for
    if target is example.dialect:
        assert msgspec.to_builtins(theirs.reply) == msgspec.to_builtins(ours.reply)
        assert theirs.failure == ours.failure
    elif ours.failure is None:
        assert of_reply(theirs.reply, target) == of_reply(ours.reply, target)
    else:
        assert theirs.failure is not None
        assert theirs.failure.message == ours.failure.message


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("example", FAILURES, ids=str)
def test_an_error_is_told_in_every_dialect(example: Example, target: Dialect) -> None:
    """In its own dialect as it was, in another one with the same message."""
    status, body = example.held["failure"]["status"], example.held["failure"]["body"]
    failure = SPEAKERS[example.dialect].read_failure(copy.deepcopy(body))
    written = SPEAKERS[target].write_failure(failure, status)
    if target is example.dialect:
        assert written == body
    assert SPEAKERS[target].read_failure(written).message == failure.message


# -- what is not well formed --------------------------------------------------------------------------------

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every member and item within a value, as the one that holds it and its key."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        found += places(inner)
    return found


@st.composite
def spoilt(draw: st.DrawFn, member: str) -> tuple[Dialect, Any]:
    """An example's member with up to three of its own members replaced, retyped or removed."""
    example = draw(st.sampled_from(examples(member)))
    value = copy.deepcopy(example.held[member])
    for _ in range(draw(st.integers(1, 3))):
        found = places(value)
        if not found:
            break
        holder, key = draw(st.sampled_from(found))
        if draw(st.booleans()):
            holder[key] = draw(JUNK)
        else:
            del holder[key]
    return example.dialect, value


def may_raise(call: Callable[[], Any], *allowed: type[Exception]) -> Any:
    """What `call` gives; None where it raises one of `allowed`."""
    try:
        return call()
    except allowed:
        return None


@given(spoilt("request"), st.booleans())
def test_a_bad_request_raises_request_errors_alone(bad: tuple[Dialect, Any], drop: bool) -> None:
    """Whatever a client sends, reading, judging and writing it raises RequestError or nothing."""
    source, body = bad
    prompt = may_raise(lambda: SPEAKERS[source].read_request(body), RequestError)
    for target in DIALECTS if prompt is not None else ():
        crossing = copy.deepcopy(prompt)
        if may_raise(lambda: judging.judge(crossing, source, target, drop=drop), RequestError) is not None:  # noqa: B023
            may_raise(lambda: SPEAKERS[target].write_request(crossing), RequestError)  # noqa: B023


@given(spoilt("reply"))
def test_a_bad_answer_raises_value_errors_alone(bad: tuple[Dialect, Any]) -> None:
    """Whatever a target sends, reading it raises RequestError or ValueError; what was read can be told."""
    source, body = bad
    reply = may_raise(lambda: SPEAKERS[source].read_reply(body), RequestError, ValueError)
    for target in DIALECTS if reply is not None else ():
        SPEAKERS[target].write_reply(copy.deepcopy(reply))


@given(spoilt("stream"))
def test_a_bad_stream_raises_value_errors_alone(bad: tuple[Dialect, Any]) -> None:
    """As for whole answers."""
    source, stream = bad
    events = may_raise(lambda: events_of_stream(source, stream), RequestError, ValueError)
    for target in DIALECTS if events is not None else ():
        events_written(target, copy.deepcopy(events))
