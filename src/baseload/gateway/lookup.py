"""`GET /v1/baseload/requests/ID`: what became of a request and what it cost, for the key that made it.

The row comes from the ledger's store, read in a thread: the ingest books an attempt within a fraction of a
second of its end, until then the answer is a 404 that says so.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from baseload import errors
from baseload.errors import RequestError
from baseload.gateway import admission, answers
from baseload.money import NANO
from baseload.wire.http1 import RequestHead

if TYPE_CHECKING:
    from baseload.gateway.client import ClientConnection
    from baseload.gateway.server import Gateway

_log = logging.getLogger("baseload.gateway")

PATH = b"/v1/baseload/requests/"

_SHOWN = (
    "attempt",
    "target",
    "side",
    "reason",
    "outcome",
    "status",
    "error_code",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "predicted_ttft_ms",
    "counterfactual_target",
)


class Lookup:
    """One such question; the connection's conversation until it is answered."""

    def __init__(self, gateway: Gateway, client: ClientConnection, head: RequestHead, store: Path) -> None:
        self._gateway = gateway
        self._client = client
        self._request_id = head.path[len(PATH) :].decode("latin-1")
        self._store = store
        self._head = head

    def run(self) -> None:
        """Ask the store; answer when it has."""
        try:
            caller = admission.authenticate(self._gateway, self._gateway.site, self._head)
        except RequestError as error:
            self._refuse(error)
            return
        self._client.conversation = self
        reading = asyncio.get_running_loop().run_in_executor(None, _read, self._store, self._request_id)
        reading.add_done_callback(lambda done: self._answer(caller.record.key_id, done))

    def client_gone(self) -> None:
        """Nothing to undo."""

    def client_slow(self, slow: bool) -> None:
        """The answer is small."""

    def cut_off(self) -> None:
        """The client asks the next gateway: nothing was begun."""

    def check(self, now_s: float) -> None:
        """The store answers or fails by itself."""

    def _answer(self, key_id: str, reading: asyncio.Future[list[dict[str, Any]]]) -> None:
        error = reading.exception()
        if error is not None:
            _log.error("a request cannot be looked up: %s", error)
            self._refuse(RequestError(errors.OVERLOADED, "the ledger cannot be read now", retry_after_s=1.0))
            return
        rows = reading.result()
        if not rows or rows[0]["key_id"] != key_id:  # another key's request is as unknown as none
            message = f"no request {self._request_id!r} of this key is in the ledger (yet)"
            self._refuse(RequestError(errors.NOT_FOUND, message))
            return
        body = msgspec.json.encode(_shown(self._request_id, rows))
        headers = b"x-request-id: %b\r\n" % self._gateway.new_request_id().encode()
        keep_alive = self._client.keep_alive
        self._send(answers.answer(200, body, self._gateway.date, keep_alive=keep_alive, headers=headers))

    def _refuse(self, error: RequestError) -> None:
        self._send(
            answers.error_answer(
                error,
                self._gateway.new_request_id(),
                self._gateway.date,
                keep_alive=self._client.keep_alive,
            )
        )

    def _send(self, whole: bytes) -> None:
        self._client.write(whole)
        self._client.finished()


def _read(store: Path, request_id: str) -> list[dict[str, Any]]:
    """The request's attempts; empty where there is no store yet. Runs in a thread."""
    from baseload.ledger.store import Store  # sqlite3 is loaded when it is first asked for

    if not store.exists():
        return []
    with Store(store) as ledger:
        return ledger.request(request_id)


def _shown(request_id: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    attempts = [
        {name: row[name] for name in _SHOWN}
        | {
            "estimated": bool(row["estimated"]),
            "cost_usd": _dollars(row["cost_nano"]),
            "counterfactual_usd": _dollars(row["counterfactual_nano"]),
        }
        for row in rows
    ]
    costs = [row["cost_nano"] for row in rows]
    return {
        "id": request_id,
        "object": "baseload.request",
        "model": rows[0]["model"],
        "endpoint": rows[0]["endpoint"],
        "stream": bool(rows[0]["stream"]),
        "cost_usd": None if None in costs else _dollars(sum(costs)),
        "attempts": attempts,
    }


def _dollars(nano: int | None) -> str | None:
    """An exact decimal; None where the price is unknown."""
    return None if nano is None else f"{nano // NANO}.{nano % NANO:09d}"
