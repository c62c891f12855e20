"""What each path of the data port answers. Model calls become an `Exchange`; the rest is answered at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from baseload import errors
from baseload.errors import RequestError
from baseload.gateway import admission, answers, google, lookup
from baseload.gateway.exchange import Exchange
from baseload.gateway.passing import passages
from baseload.gateway.passing.paths import PASSED
from baseload.gateway.site import ENDPOINTS, Caller
from baseload.wire.http1 import RequestHead

if TYPE_CHECKING:
    from baseload.gateway.client import ClientConnection
    from baseload.gateway.server import Gateway

REALTIME = b"/v1/realtime"

Handler = Callable[["Gateway", RequestHead], bytes]
"""Answers a GET with the body of a 200; raises RequestError for anything else."""


def serve(gateway: Gateway, client: ClientConnection, head: RequestHead, body: bytes) -> None:
    """Answer one request."""
    endpoint = ENDPOINTS.get(head.path) or google.call_of(head)
    if endpoint is not None and head.method == b"POST":
        now_ns, new_id, chunked = time.monotonic_ns(), gateway.new_request_id(), head.minor == 1
        exchange = Exchange(gateway, client, head, body, endpoint, gateway.site, new_id, now_ns, chunked)
        if gateway.draining:
            _turn_away(exchange)
        else:
            exchange.run()
        return
    passed = PASSED.get(head.path)
    if passed is not None and head.method == b"POST":
        passage = passages.passage(gateway, client, head, body, passed)
        if gateway.draining:
            _turn_away(passage)
        else:
            passage.run()
        return
    if head.path.startswith(lookup.PATH) and head.method == b"GET" and gateway.store is not None:
        lookup.Lookup(gateway, client, head, gateway.store).run()
        return
    try:
        answer = _look_up(gateway, head)
    except RequestError as error:
        _refuse(gateway, client, head, error)
        return
    request_id = b"x-request-id: %b\r\n" % gateway.new_request_id().encode()
    whole = answers.answer(200, answer, gateway.date, keep_alive=client.keep_alive, headers=request_id)
    _send(client, head, whole)


def _turn_away(exchange: Exchange) -> None:
    """This gateway stops: refused on record like any request, under its caller where that is known."""
    with contextlib.suppress(RequestError):
        exchange.caller = admission.authenticate(exchange.gateway, exchange.site, exchange.head)
    exchange.refuse(RequestError(errors.DRAINING, "this gateway is stopping", retry_after_s=1.0))


def _send(client: ClientConnection, head: RequestHead, whole: bytes) -> None:
    """An answer; to HEAD without its body (RFC 9110 section 9.3.2)."""
    client.write(whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head.method == b"HEAD" else whole)
    client.finished()


def _look_up(gateway: Gateway, head: RequestHead) -> bytes:
    path = head.path
    handler = _google_models if google.asks_for_models(head) is not None else _GET.get(path)
    if handler is None and path.startswith(b"/v1/models/"):
        handler = _model
    if handler is None:
        if google.endpoint_of(head) is not None or path in PASSED:
            raise _wrong_method("POST")
        if path == REALTIME:
            raise RequestError(errors.NOT_FOUND, "realtime sessions (WebSocket, WebRTC) are not served here")
        if google.is_google(path):
            methods = ", ".join(google.CALLS)
            message = f"this path is not served here; of Google's /v1beta/models/NAME:METHOD with {methods}"
            raise RequestError(errors.NOT_FOUND, message)
        served = ", ".join(p.decode() for p in (*ENDPOINTS, *PASSED, *_GET, lookup.PATH + b"ID"))
        raise RequestError(errors.NOT_FOUND, f"this path is not served here; served are {served}")
    if head.method not in (b"GET", b"HEAD"):
        raise _wrong_method("GET")
    return handler(gateway, head)


def _wrong_method(allowed: str) -> RequestError:
    return RequestError(errors.METHOD_NOT_ALLOWED, f"this path takes {allowed}", param=allowed)


def _refuse(gateway: Gateway, client: ClientConnection, head: RequestHead, error: RequestError) -> None:
    headers = b""
    if error.fault is errors.METHOD_NOT_ALLOWED and error.param:
        headers = b"allow: %b\r\n" % error.param.encode()
        error.param = None
    gateway.metrics.request("", "", error.fault.code)
    form = google.form_of(head)
    whole = answers.error_answer(
        error, gateway.new_request_id(), gateway.date, form, keep_alive=client.keep_alive, headers=headers
    )
    _send(client, head, whole)


def _health(_gateway: Gateway, _head: RequestHead) -> bytes:
    """Alive: the process answers."""
    return b'{"status":"ok"}'


def _ready(gateway: Gateway, _head: RequestHead) -> bytes:
    """Ready: new requests are taken."""
    if gateway.draining:
        raise RequestError(errors.DRAINING, "this gateway is stopping")
    if not gateway.journal.available:
        raise RequestError(errors.JOURNAL_FULL, "the journal takes no new request", retry_after_s=1.0)
    return b'{"status":"ready"}'


def _models(gateway: Gateway, head: RequestHead) -> bytes:
    """The models this key may ask for, OpenAI's list format."""
    caller = admission.authenticate(gateway, gateway.site, head)
    data = [_card(gateway, name) for name in gateway.site.models if admission.may_ask(caller, name)]
    return msgspec.json.encode({"object": "list", "data": data})


def _model(gateway: Gateway, head: RequestHead) -> bytes:
    caller: Caller = admission.authenticate(gateway, gateway.site, head)
    name = head.path.removeprefix(b"/v1/models/").decode("latin-1")
    if name not in gateway.site.models or not admission.may_ask(caller, name):
        raise RequestError(errors.MODEL_NOT_FOUND, f"there is no model {name!r}", param="model")
    return msgspec.json.encode(_card(gateway, name))


def _google_models(gateway: Gateway, head: RequestHead) -> bytes:
    """The models this key may ask for, or one of them, as Google lists them."""
    caller = admission.authenticate(gateway, gateway.site, head)
    asked, models = google.asks_for_models(head), gateway.site.models
    names = [name for name in models if asked in ("", name) and admission.may_ask(caller, name)]
    if asked and not names:
        raise RequestError(errors.MODEL_NOT_FOUND, f"there is no model {asked!r}", param="model")
    cards = [
        google.card(name, frozenset(target.format for target in models[name].model.targets)) for name in names
    ]
    return msgspec.json.encode(cards[0] if asked else {"models": cards})


def _card(gateway: Gateway, name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": gateway.started_s, "owned_by": "baseload"}


_GET: dict[bytes, Handler] = {
    b"/v1/models": _models,
    b"/health": _health,
    b"/ready": _ready,
}
