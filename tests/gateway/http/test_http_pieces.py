"""A client connection without a socket: the pieces in which bytes come change nothing."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import RequestError
from baseload.gateway.client import ClientConnection, Intake, State
from baseload.gateway.server import Gateway, PortLimits
from baseload.wire.http1 import RequestHead
from tests.gateway.http.cases import CASES


class Recorder:
    """Stands where the gateway does: writes down requests and refusals, answers each request at once."""

    draining = False
    date = b"now"
    held_bytes = 0
    limits = PortLimits()

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def now_s(self) -> float:
        return 0.0

    def connected(self, client: ClientConnection) -> bool:
        return True

    def may_send_body(self, head: RequestHead) -> None:
        pass

    def upload(self, client: ClientConnection, head: RequestHead) -> Intake | None:
        return None

    def body_limit(self, head: RequestHead) -> int:
        return 1 << 25

    def new_request_id(self) -> str:
        return "id"

    def refused_unread(self, error: RequestError) -> None:
        self.events.append(("refused", error.fault.code))

    def request(self, client: ClientConnection, head: RequestHead, body: bytes) -> None:
        self.events.append((head.method, head.path, tuple(head.fields.items()), body, client.keep_alive))
        client.finished()


class Uploads(Recorder):
    """Takes every body that does not come whole as it comes, and writes down the same."""

    def upload(self, client: ClientConnection, head: RequestHead) -> Intake | None:
        return Parts(self, client, head)


class Parts:
    """One such body."""

    def __init__(self, recorder: Recorder, client: ClientConnection, head: RequestHead) -> None:
        self._recorder = recorder
        self._client = client
        self._head = head
        self._body = b""

    def body_begins(self) -> None: ...
    def body_part(self, data: bytes, last: bool) -> None:
        self._body += data
        if last:
            self._recorder.request(self._client, self._head, self._body)

    def body_broken(self, error: RequestError) -> None:
        self._recorder.refused_unread(error)
        self._client.write(b"an answer before the end")
        self._client.finished()

    def client_gone(self) -> None: ...
    def client_slow(self, slow: bool) -> None: ...
    def cut_off(self) -> None: ...
    def check(self, now_s: float) -> None: ...


class Wire:
    """A transport that takes everything."""

    def set_write_buffer_limits(self, high: int) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None: ...
    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def _events(pieces: list[bytes], kind: type[Recorder] = Recorder) -> list[tuple[Any, ...]]:
    gateway = kind()
    client = ClientConnection(cast(Gateway, gateway))
    client.connection_made(cast(asyncio.Transport, Wire()))
    for piece in pieces:
        client.data_received(piece)
        for _ in range(10):  # pipelined requests are taken up one a turn
            await asyncio.sleep(0)
        if client.state is State.LINGER:
            break
    return gateway.events


RAW = [case.raw for case in CASES if len(case.raw) < 3000]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(RAW), min_size=1, max_size=4), st.data())
def test_any_pieces_any_order(requests: list[bytes], data: st.DataObject) -> None:
    """Several requests of the table on one connection, cut anywhere, are the same requests and the same
    refusal as when each comes whole."""
    stream = b"".join(requests)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=20)))
    pieces = [stream[first:last] for first, last in pairwise([0, *cuts, len(stream)])]
    whole = asyncio.run(_events([stream]))
    assert asyncio.run(_events(pieces)) == whole
    assert asyncio.run(_events(pieces, Uploads)) == whole
