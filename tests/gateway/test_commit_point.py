"""Before the first content reaches the client its answer can still come from elsewhere; after it, never."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from baseload.gateway.server import PortLimits
from baseload.twin.pace import Latency
from tests.gateway.running import RunningTwin, metered, provider
from tests.gateway.threaded import MakeThreaded, read_reply

Twins = Callable[..., RunningTwin]
pytestmark = pytest.mark.usefixtures("quick_sweep")


def test_role_and_empty_deltas_are_held(threaded: MakeThreaded, twins: Twins) -> None:
    """The opening event without content is sent when content is: nothing arrives before the first token."""
    api = twins(provider, latency=Latency(ttft_s=0.3, spread=0.0))
    gateway = threaded({"api": metered(api)})
    with gateway.connection() as connection:
        began_s = time.monotonic()
        gateway.send(connection, stream=True, max_tokens=3, ignore_eos=True)
        response = connection.getresponse()
        assert time.monotonic() - began_s >= 0.25
        first = json.loads(response.readline().removeprefix(b"data: "))
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}


def test_a_failure_after_the_opening_event_is_invisible(threaded: MakeThreaded, twins: Twins) -> None:
    """A target that breaks off after its role delta leaves no trace in the stream the client gets."""
    bad, good = twins(provider, faults=("cut,after_tokens=0",)), twins(provider)
    gateway = threaded({"bad": metered(bad, ("1", "1")), "good": metered(good)})
    reply = gateway.chat(stream=True, max_tokens=4, ignore_eos=True)
    roles = [event for event in reply.events if b'"role"' in event]
    assert (reply.content, reply.done, len(roles)) == ("the sun and sea ", True, 1)
    assert len({json.loads(event)["id"] for event in reply.events if event != b"[DONE]"}) == 1


def _waiting(twins: Twins, **changes: Any) -> RunningTwin:
    return twins(provider, latency=Latency(ttft_s=0.5, tpot_s=0.001, spread=0.0), **changes)


def test_comments_keep_the_line_open(threaded: MakeThreaded, twins: Twins) -> None:
    """While nothing is committed a streamed client gets comments, then the answer as if there were none."""
    gateway = threaded({"api": metered(_waiting(twins))}, limits=PortLimits(comment_s=0.1))
    reply = gateway.chat(stream=True, max_tokens=4, ignore_eos=True)
    comments = reply.body.count(b": waiting for the first token\n\n")
    assert 2 <= comments <= 6
    assert reply.body.rindex(b": waiting") < reply.body.index(b"data:")
    assert (reply.content, reply.done, reply.whole) == ("the sun and sea ", True, True)


def test_an_unstreamed_client_gets_no_comments(threaded: MakeThreaded, twins: Twins) -> None:
    """Comments are for event streams: a whole answer stays one JSON object."""
    gateway = threaded({"api": metered(_waiting(twins))}, limits=PortLimits(comment_s=0.1))
    assert gateway.chat(max_tokens=4, ignore_eos=True).content == "the sun and sea "


@pytest.mark.parametrize(
    "fault", ["status=400", "status=401", "status=404", "cut,after_tokens=0", "error_200"]
)
def test_after_a_comment_errors_are_in_band(threaded: MakeThreaded, twins: Twins, fault: str) -> None:
    """Once a comment was sent, status 200 is out: whatever goes wrong then is an event, without `[DONE]`."""
    slow: dict[str, Any] = {"timeouts": {"ttft": "300ms"}}
    stuck, bad = twins(provider, faults=("hang=request",)), twins(provider, faults=(fault,))
    gateway = threaded(
        {"stuck": metered(stuck, ("1", "1"), **slow), "bad": metered(bad, **slow)},
        limits=PortLimits(comment_s=0.1),
    )
    reply = gateway.chat(stream=True, headers={"x-baseload-targets": "stuck,bad"})
    assert reply.status == 200
    assert reply.body.startswith(b": waiting for the first token\n\n")
    assert reply.in_band_error is not None
    assert (reply.done, reply.whole) == (False, True)


def test_a_move_after_a_comment_is_invisible(threaded: MakeThreaded, twins: Twins) -> None:
    """Comments commit to nothing: another target may still answer."""
    stuck = metered(twins(provider, faults=("hang=headers",)), ("1", "1"), timeouts={"ttft": "300ms"})
    gateway = threaded({"stuck": stuck, "good": metered(twins(provider))}, limits=PortLimits(comment_s=0.1))
    reply = gateway.chat(stream=True, max_tokens=4, ignore_eos=True)
    assert reply.body.startswith(b": waiting")
    assert (reply.content, reply.done) == ("the sun and sea ", True)
    assert [row["outcome"] for row in gateway.rows(2)] == ["failed", "completed"]


def test_a_whole_answer_comes_too_late_after_a_comment(threaded: MakeThreaded, twins: Twins) -> None:
    """A target that answers a stream with a whole body cannot do so once a comment is out: the request moves
    on, and the stream stays one."""
    api = twins(provider, faults=("error_200,skip=1",))
    deaf = twins(provider, faults=("hang=headers,times=1",))
    targets = {
        "deaf": metered(deaf, ("1", "1"), timeouts={"ttft": "300ms"}),
        "whole": metered(api, ("2", "2")),
        "good": metered(twins(provider)),
    }
    gateway = threaded(targets, limits=PortLimits(comment_s=0.1))
    gateway.chat(headers={"x-baseload-targets": "whole"})
    reply = gateway.chat(stream=True, max_tokens=4, ignore_eos=True)
    assert reply.body.startswith(b": waiting")
    assert b"HTTP/1.1" not in reply.body
    assert (reply.content, reply.done) == ("the sun and sea ", True)
    assert [row["target"] for row in gateway.rows(4)[1:]] == ["deaf", "whole", "good"]


def test_the_connection_lives_on_after_an_error(threaded: MakeThreaded, twins: Twins) -> None:
    """An answer that broke off in-band was framed whole: the same connection carries the next request."""
    gateway = threaded({"api": metered(twins(provider, faults=("cut,times=1",)))})
    with gateway.connection() as connection:
        gateway.send(connection, stream=True, max_tokens=9, ignore_eos=True)
        assert read_reply(connection).in_band_error == "upstream_broken"
        gateway.send(connection, stream=True, max_tokens=4, ignore_eos=True)
        assert read_reply(connection).content == "the sun and sea "
