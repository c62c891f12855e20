"""Google's calls, whose path names model and method: `/v1beta/models/NAME:generateContent` and its kin.

Paths of Vertex AI (`/v1/projects/…/models/NAME:…`) are read too; project, location and publisher are left
unread, since our targets have their own. Of a query only `alt=sse` and `key` are read, and none goes on.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from msgspec.structs import replace

from baseload import errors
from baseload.core import Format
from baseload.errors import RequestError
from baseload.gateway.site import ENDPOINTS, Endpoint
from baseload.wire import gemini
from baseload.wire.dialects.nouns import Dialect, Json
from baseload.wire.dialects.returned import own_words
from baseload.wire.forms import ARRAY, FORMS, Form
from baseload.wire.http1 import RequestHead
from baseload.wire.openai import RequestFields

if TYPE_CHECKING:
    from baseload.gateway.exchange import Exchange

VERSIONS = ("v1beta", "v1", "v1alpha", "v1beta1")
"""What a path may begin with; all are one to us."""
_CALL = re.compile(
    rb"/(?:%b)/(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/(.+):(\w+)"
    % "|".join(VERSIONS).encode()
)
_MODELS = re.compile(rb"/(v1beta|v1|v1alpha)/models(?:/([^:]+))?")
KEY_HEADER = b"x-goog-api-key"


class GoogleCall(Endpoint, frozen=True):
    """A call of Google's format for one model, as its path and query name it.

    `streams`: what its answer is. `array`: a stream is one array, as without `alt=sse`.
    """

    model: str = ""
    method: str = ""
    streams: bool = False
    array: bool = False

    @property
    def form(self) -> Form:
        """How answers of this path are read and errors told."""
        return ARRAY if self.array else FORMS[self.format]


def _call(name: str, method: str, **more: object) -> GoogleCall:
    return GoogleCall(name, b"", Format.GEMINI, method=method, by_path=True, **more)  # type: ignore[arg-type]


CALLS: dict[str, GoogleCall] = {
    call.method: call
    for call in (
        _call("gemini.generate", "generateContent", dialect=Dialect.GEMINI),
        _call("gemini.generate", "streamGenerateContent", dialect=Dialect.GEMINI, streams=True),
        _call("gemini.count_tokens", "countTokens", generates=False, free=True, teaches=False),
        _call("gemini.embed", "embedContent", generates=False),
        _call("gemini.batch_embed", "batchEmbedContents", generates=False),
    )
}
"""By method; each is completed for the model that a path names."""


def endpoint_of(head: RequestHead) -> Endpoint | None:
    """What reaches models at this head's path; None for any other path."""
    return ENDPOINTS.get(head.path) or call_of(head)


def call_of(head: RequestHead) -> GoogleCall | None:
    """Google's call at this head's path; None where it is none that is served."""
    if b":" not in head.path:
        return None
    found = _CALL.fullmatch(head.path)
    call = CALLS.get(found[2].decode("latin-1")) if found is not None else None
    if found is None or call is None:
        return None
    asked = dict(parse_qsl(head.query.decode("latin-1")))
    alt = asked.get("alt") or asked.get("$alt", "json").partition(";")[0]
    model = unquote(found[1].decode("latin-1"))
    read = functools.partial(_read, model, call.streams, alt)
    return replace(call, model=model, array=call.streams and alt != "sse", read=read)


def _read(model: str, streams: bool, alt: str, body: bytes) -> RequestFields:
    """The fields of a call's body. Raises RequestError, as `gemini.read_request`."""
    if alt not in ("sse", "json"):
        raise RequestError(errors.INVALID_FIELD, f"alt={alt} is not served, only json and sse", param="alt")
    return gemini.read_request(body, model, stream=streams)


def at_target(exchange: Exchange, model: str | None) -> tuple[Endpoint, bytes]:
    """The call and its body for a target that speaks Google's format and calls the model `model`."""
    call, fields, body = exchange.endpoint, exchange.fields, exchange.body
    assert isinstance(call, GoogleCall)
    named = model if model is not None else fields.model
    query = "?alt=sse" if call.streams and not call.array else ""
    suffix = f"/models/{quote(named, safe='')}:{call.method}{query}".encode()
    body = gemini.body_for(body, fields, named)
    if exchange.site.mixed:
        body = own_words(Dialect.GEMINI, body)
    return replace(call, suffix=suffix), body


def is_google(path: bytes) -> bool:
    """Whether only clients of Google's ask for a path like this: errors are told in its form."""
    return path.startswith((b"/v1beta/", b"/v1alpha/", b"/v1beta1/")) or _CALL.fullmatch(path) is not None


def form_of(head: RequestHead) -> Form:
    """How errors are told at this head's path."""
    endpoint = endpoint_of(head)
    if endpoint is not None:
        return endpoint.form
    return FORMS[
        Format.GEMINI if is_google(head.path) or asks_for_models(head) is not None else Format.OPENAI
    ]


def key_in(head: RequestHead) -> bytes | None:
    """The key in the query (`?key=`), which Google's older clients send; no other path has one."""
    if not head.query or not is_google(head.path):
        return None
    key = dict(parse_qsl(head.query.decode("latin-1"))).get("key")
    return key.encode("latin-1", "replace") if key else None


# -- the models ---------------------------------------------------------------------------------------------


def asks_for_models(head: RequestHead) -> str | None:
    """The model that is asked about, "" for all; None where the path or its sender is none of Google's.

    `/v1/models` is OpenAI's too: its senders tell themselves apart by the header that holds their key.
    """
    found = _MODELS.fullmatch(head.path)
    if found is None or (found[1] == b"v1" and KEY_HEADER not in head.fields):
        return None
    return unquote((found[2] or b"").decode("latin-1"))


def card(name: str, formats: frozenset[Format]) -> Json:
    """A model as Google lists it; `formats` are those of its targets. What nobody told us is left out."""
    methods = [call.method for call in CALLS.values() if call.dialect is not None or call.free]
    if Format.GEMINI in formats:
        methods += [call.method for call in CALLS.values() if call.dialect is None and not call.free]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}
