"""An answer kept as it goes out: what stands between an exchange and its client while that may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from baseload.gateway.answers import LAST_CHUNK, comment

if TYPE_CHECKING:
    from baseload.gateway.admission import Standing
    from baseload.gateway.attempt import Attempt
    from baseload.gateway.caching.cache import AnswerCache
    from baseload.gateway.client import ClientConnection, Conversation
    from baseload.gateway.exchange import Exchange

_COMMENT = comment(chunked=True)
_OK = b"HTTP/1.1 200 "

Keep = Callable[["Recording", "Attempt"], None]
"""What is called with a whole answer and the attempt that made it, before the client's connection goes on."""


class Recording:
    """Passes an answer on with the header line `x-baseload-cache`; with `keep` it remembers it meanwhile.

    It is the connection's conversation too, to learn of a client that goes away: an answer that is not whole
    is let go of at once. A whole one is a 200 that went out in one piece, or a stream that ended as only a
    good one does: with nothing but its last chunk.
    """

    def __init__(self, exchange: Exchange, cache: AnswerCache, line: bytes, keep: Keep | None) -> None:
        self.body: list[bytes] = []
        self.stream = False
        self._exchange = exchange
        self._client = exchange.client
        self._cache = cache
        self._line = line
        self._keep = keep
        self._attempt: Attempt | None = None
        self._begun = False
        self._held = 0
        exchange.client = cast("ClientConnection", self)  # it has what an exchange asks of its client
        self._client.conversation = self

    # -- as the exchange's client --------------------------------------------------------------------------

    @property
    def keep_alive(self) -> bool:
        return self._client.keep_alive

    @property
    def standing(self) -> Standing | None:
        return self._client.standing

    @standing.setter
    def standing(self, standing: Standing) -> None:
        self._client.standing = standing

    @property
    def conversation(self) -> Conversation | None:
        found = self._client.conversation
        return self._exchange if found is self else found

    @conversation.setter
    def conversation(self, conversation: Conversation) -> None:
        self._client.conversation = conversation

    def close_after_answer(self) -> None:
        self._client.close_after_answer()

    def write(self, data: bytes) -> None:
        """Send a part of the answer, and remember what of it comes after the head."""
        if self._begun:
            self._client.write(data)
            body = data
        else:
            self._begun = True
            end = data.index(b"\r\n") + 2
            self._client.write(b"%b%b%b" % (data[:end], self._line, data[end:]))
            if not data.startswith(_OK):
                self._forget()
            body = data.partition(b"\r\n\r\n")[2] if self._keep is not None else b""
            self.stream = self._exchange.head_sent
        if self._keep is None or not body or body == _COMMENT:
            return
        self._attempt = self._exchange.attempt or self._attempt
        self._held += len(body)
        self._cache.recording += len(body)
        self.body.append(body)
        if not self._cache.has_room(self._held):
            self._cache.store.too_large += 1
            self._forget()

    def finished(self) -> None:
        """The answer is out: keep it if it is whole, and step aside."""
        keep, attempt = self._keep, self._attempt
        if keep is not None and attempt is not None and self._is_whole():
            keep(self, attempt)
        self._step_aside()
        self._client.finished()

    def abort(self) -> None:
        self._client.abort()

    def _is_whole(self) -> bool:
        if not self.stream:
            return len(self.body) == 1
        return self.body[-1] == self._exchange.last_events + LAST_CHUNK

    def _forget(self) -> None:
        self._keep = self._attempt = None
        self._cache.recording -= self._held
        self._held = 0
        self.body = []

    def _step_aside(self) -> None:
        self._forget()
        self._exchange.client = self._client
        if self._client.conversation is self:
            self._client.conversation = self._exchange

    # -- as the client's conversation ----------------------------------------------------------------------

    def client_gone(self) -> None:
        self._step_aside()
        self._exchange.client_gone()

    def client_slow(self, slow: bool) -> None:
        self._exchange.client_slow(slow)

    def cut_off(self) -> None:
        self._exchange.cut_off()

    def check(self, now_s: float) -> None:
        self._exchange.check(now_s)
