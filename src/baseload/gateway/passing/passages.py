"""Where the data port hands over a request for a path that passes through."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from baseload.gateway.passing.passage import Passage
from baseload.gateway.passing.paths import PASSED, Passed, is_upload
from baseload.wire.http1 import RequestHead

if TYPE_CHECKING:
    from baseload.gateway.client import ClientConnection
    from baseload.gateway.server import Gateway


def passage(
    gateway: Gateway, client: ClientConnection, head: RequestHead, body: bytes, path: Passed
) -> Passage:
    """A request for a path that passes through."""
    now_ns, new_id, chunked = time.monotonic_ns(), gateway.new_request_id(), head.minor == 1
    return Passage(gateway, client, head, body, path, gateway.site, new_id, now_ns, chunked)


def upload(gateway: Gateway, client: ClientConnection, head: RequestHead) -> Passage | None:
    """What takes this request's body as it comes; None where it is wanted whole."""
    path = PASSED.get(head.path)
    if path is None or head.method != b"POST" or not is_upload(head):
        return None
    return passage(gateway, client, head, b"", path)
