"""The player against a small server of its own: open loop, honest clocks, every kind of answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest

from baseload.core import TokenPrice
from baseload.errors import EnvironmentProblem, UsageError
from baseload.player.client import Endpoint
from baseload.player.play import Gate, PlaySettings, Watch, play
from baseload.player.result import Played, Reply, Snapshot
from baseload.traffic.table import Traffic

Handler = Callable[[dict[str, object], asyncio.StreamWriter], Awaitable[None]]
SETTINGS = PlaySettings(model="m", snapshot_s=0.05)


def traffic(arrivals_s: list[float], *, output_tokens: int = 3) -> Traffic:
    """Requests of fifty input tokens."""
    count = len(arrivals_s)
    return Traffic(
        arrival_s=np.array(arrivals_s),
        input_tokens=np.full(count, 50),
        cached_tokens=np.zeros(count, dtype=np.int64),
        output_tokens=np.full(count, output_tokens),
        duration_s=max(arrivals_s[-1], 0.01),
        model=np.zeros(count, dtype=np.int32),
        tenant=np.zeros(count, dtype=np.int32),
        models=("from-traffic",),
    )


def event(**body: object) -> bytes:
    """One event as one chunk."""
    data = b"data: " + json.dumps(body).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"x-baseload-target: api\r\nx-baseload-reason: spill\r\n\r\n"
)
ROLE = event(choices=[{"delta": {"role": "assistant", "content": ""}}])
WORD = event(choices=[{"delta": {"content": "word"}}])
USAGE = event(choices=[], usage={"prompt_tokens": 50, "completion_tokens": 3})
END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


async def answer_well(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
    """Three words, usage, done."""
    writer.write(HEAD + ROLE + WORD + WORD + WORD + USAGE + END)


class Server:
    """Answers every request with a handler and keeps what was asked."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.asked: list[dict[str, object]] = []
        self.heads: list[bytes] = []
        self.connections = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.heads.append(head)
                self.asked.append(json.loads(await reader.readexactly(length)))
                await self._handler(self.asked[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            writer.close()

    def play(
        self,
        played: Traffic,
        settings: PlaySettings = SETTINGS,
        *,
        watch: Watch | None = None,
        gate: Gate | None = None,
    ) -> Played:
        """Play this traffic against the server."""

        async def run() -> Played:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            async with server:
                url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
                return await play(played, Endpoint.parse(url, "secret"), settings, watch=watch, gate=gate)

        return asyncio.run(run())


def test_a_reply_holds_what_the_endpoint_said() -> None:
    """Tokens are the usage's, target and reason the headers', the cost the price's."""
    prices = {"api": TokenPrice(input=2_500_000_000, output=10_000_000_000)}
    played = Server(answer_well).play(traffic([0.0]), PlaySettings(model="m", prices=prices))
    (reply,) = played.replies
    assert (reply.status, reply.error, reply.target, reply.reason) == (200, None, "api", "spill")
    assert (reply.input_tokens, reply.output_tokens, reply.counted) == (50, 3, True)
    assert reply.cost_nano == 50 * 2_500 + 3 * 10_000
    assert played.totals.spilled == 1


def test_the_request_is_the_traffics() -> None:
    """Model, length and key are sent as told; without a model the traffic's own is asked for."""
    server = Server(answer_well)
    server.play(traffic([0.0], output_tokens=17), PlaySettings(ignore_eos=True, temperature=0.0))
    (asked,) = server.asked
    assert (asked["model"], asked["max_tokens"], asked["ignore_eos"]) == ("from-traffic", 17, True)
    assert asked["stream_options"] == {"include_usage": True}
    assert b"authorization: Bearer secret\r\n" in server.heads[0]
    assert "secret" not in repr(Endpoint.parse("http://x/v1", "secret"))


def test_requests_are_sent_when_due_though_none_is_answered() -> None:
    """Twenty requests are open at once when the server answers none before the last one came."""
    count = 20

    async def wait_for_all(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        while len(server.asked) < count:
            await asyncio.sleep(0.005)
        await answer_well(request, writer)

    server = Server(wait_for_all)
    played = server.play(traffic([0.01 * number for number in range(count)]))
    assert played.totals.failed == 0
    assert [reply.due_s for reply in played.replies] == pytest.approx([0.01 * n for n in range(count)])
    assert all(reply.late_s >= 0 for reply in played.replies)


def test_a_bound_on_open_requests_is_never_silent() -> None:
    """Where more are due than may be open, they are held, counted, and late by what they waited."""
    played = Server(answer_well).play(traffic([0.0] * 6), PlaySettings(model="m", most_open=2))
    assert 2 <= played.held <= 4
    assert played.totals.failed == 0
    assert max(reply.late_s for reply in played.replies) > 0


def test_connections_are_kept() -> None:
    """One request after the other uses one connection."""

    class OneByOne:
        def __init__(self) -> None:
            self.open = 0

        def admit(self, request: int, input_tokens: int, output_tokens: int) -> bool:
            return self.open == 0

        def done(self, reply: Reply) -> None:
            pass

    server = Server(answer_well)
    played = server.play(traffic([0.0, 0.15, 0.3]), gate=OneByOne())
    assert (len(played.replies), server.connections) == (3, 1)


def test_time_to_first_token_is_of_the_first_word() -> None:
    """The head and the empty role event are no token; the words after a pause are."""
    pause_s = 0.05

    async def slowly(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + ROLE)
        await asyncio.sleep(pause_s)
        writer.write(WORD)
        await asyncio.sleep(pause_s)
        writer.write(WORD + WORD + USAGE + END)

    (reply,) = Server(slowly).play(traffic([0.0])).replies
    assert reply.ttft_s is not None
    assert reply.tpot_s is not None
    assert pause_s <= reply.ttft_s
    assert pause_s / 2 <= reply.tpot_s


def plain(status: bytes, body: bytes) -> Handler:
    """An unstreamed answer."""

    async def handler(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % (status, len(body)) + body)

    return handler


def raw(*parts: bytes) -> Handler:
    """Bytes, then the end of the connection."""

    async def handler(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(parts))
        writer.close()

    return handler


@pytest.mark.parametrize(
    ("handler", "status", "error"),
    [
        (plain(b"429 Slow down", b'{"error": {"code": "rate_limit_exceeded"}}'), 429, "rate_limit_exceeded"),
        (plain(b"500 Oops", b"not json"), 500, "http_500"),
        (raw(HEAD, ROLE, WORD), 200, "broken_answer"),
        (raw(HEAD, ROLE, WORD, event(error={"code": "timeout_idle"}), b"0\r\n\r\n"), 200, "timeout_idle"),
        (raw(b"nonsense\r\n\r\n"), 0, "broken_answer"),
        (raw(), 0, "broken_answer"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_a_reply_too(handler: Handler, status: int, error: str) -> None:
    """Refusals, in-band errors and broken answers are counted with their code; the play goes on."""
    played = Server(handler).play(traffic([0.0, 0.0]))
    assert [(status, error)] * 2 == [(reply.status, reply.error) for reply in played.replies]
    assert played.totals.failed == 2


def test_nobody_listening_is_a_reply_too() -> None:
    """No connection at all: status 0."""
    played = asyncio.run(play(traffic([0.0]), Endpoint.parse("http://127.0.0.1:1/v1"), SETTINGS))
    assert [(reply.status, reply.error) for reply in played.replies] == [(0, "no_connection")]


def test_an_answer_that_never_comes_ends_at_the_timeout() -> None:
    """The play ends although the server is silent."""

    async def never(request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        return

    played = Server(never).play(traffic([0.0]), PlaySettings(model="m", timeout_s=0.1))
    assert [(reply.status, reply.error) for reply in played.replies] == [(0, "timed_out")]


def test_a_gate_ends_the_play() -> None:
    """The request it refuses is not sent, nor any after it; those before are heard out."""

    class Two:
        def __init__(self) -> None:
            self.replies: list[Reply] = []

        def admit(self, request: int, input_tokens: int, output_tokens: int) -> bool:
            return request < 2

        def done(self, reply: Reply) -> None:
            self.replies.append(reply)

    gate, server = Two(), Server(answer_well)
    played = server.play(traffic([0.0] * 5), gate=gate)
    assert (played.stopped, len(server.asked), len(gate.replies)) == (True, 2, 2)


def test_snapshots_tell_the_play_as_it_goes() -> None:
    """What is due, sent, open and answered at each moment; the last one knows nearly all of it."""
    seen: list[Snapshot] = []

    def watch(snapshot: Snapshot, replies: Sequence[Reply]) -> None:
        assert snapshot.so_far.requests == len(replies)
        seen.append(snapshot)

    played = Server(answer_well).play(traffic([0.0, 0.1, 0.2, 0.3]), watch=watch)
    assert len(seen) >= 3
    assert [snapshot.sent for snapshot in seen] == sorted(snapshot.sent for snapshot in seen)
    assert all(snapshot.sent - snapshot.open == snapshot.so_far.requests for snapshot in seen)
    assert seen[-1].so_far.spilled >= 3
    assert not played.stopped


def test_what_watch_raises_ends_the_play() -> None:
    """A view that sees a dead process can end the play: its error comes out, not a group of errors."""

    def watch(snapshot: Snapshot, replies: Sequence[Reply]) -> None:
        raise EnvironmentProblem("the engine ended")

    with pytest.raises(EnvironmentProblem, match="the engine ended"):
        Server(answer_well).play(traffic([0.0, 60.0]), watch=watch)


@pytest.mark.parametrize("url", ["ftp://x/v1", "localhost:8000", "http://", "http://x/v1?a=b"])
def test_only_http_endpoints_are_taken(url: str) -> None:
    """Anything else is a usage error that shows the form."""
    with pytest.raises(UsageError, match="not an endpoint"):
        Endpoint.parse(url)
