"""Steps 2 to 5: who asks, what for, and whether it may pass now. Every refusal is a RequestError."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from baseload import errors
from baseload.core import DataClass, Tenant
from baseload.errors import RequestError
from baseload.gateway import google
from baseload.gateway.caching.rules import Caching, caching_of
from baseload.gateway.site import Caller, ModelPlace
from baseload.ledger.record import Caller as CallerRecord
from baseload.policy.dispatch import Ask
from baseload.policy.limits import Gate
from baseload.policy.residency import narrow
from baseload.wire.http1 import RequestHead
from baseload.wire.openai import RequestFields

if TYPE_CHECKING:
    from baseload.gateway.exchange import Exchange
    from baseload.gateway.server import Gateway
    from baseload.gateway.site import Site

NOBODY = Caller(Tenant("", DataClass("")), DataClass(""), None, CallerRecord("", "", ""))
NO_FIELDS = RequestFields(model="")
MAX_TAGS = 16
_TAGS_BYTES = 512
_OURS = re.compile(rb"(?:(?i:bearer) +)?bl_")
"""A key of ours, whole or mistyped: where it is not valid, its sender is told so, in open mode too."""


class Terms(Struct, frozen=True, gc=False):
    """What a caller's head entitles to for one model: its narrowing headers read, its limits at hand.

    `caching` None: its answers are neither kept nor looked for.
    """

    place: ModelPlace
    data_class: DataClass
    only: frozenset[str] | None
    gate: Gate
    tags: dict[str, str] | None
    caching: Caching | None = None


class Standing:
    """Who sends these header fields and what they entitle to, found out once for as long as both stand.

    A client repeats its head on a connection (`wire.http1.KnownHead`), so requests after the first one only
    compare `rights`: the site gives itself new ones whenever keys or configuration change.
    """

    __slots__ = ("caller", "rights", "terms")

    def __init__(self, caller: Caller, rights: object) -> None:
        self.caller = caller
        self.rights = rights
        self.terms: dict[str, Terms] = {}  # by model; only configured ones get in


def standing(exchange: Exchange) -> Standing:
    """Step 2: the sender's standing. Raises RequestError: missing_api_key, invalid_api_key."""
    client, site = exchange.client, exchange.site
    known = client.standing
    if known is not None and known.rights is site.rights:
        return known
    caller = authenticate(exchange.gateway, site, exchange.head)
    found = client.standing = Standing(caller, site.rights)
    return found


def authenticate(gateway: Gateway, site: Site, head: RequestHead) -> Caller:
    """The caller behind the request's key. Raises RequestError: missing_api_key, invalid_api_key."""
    fields = head.fields
    credential = fields.get(b"authorization") or fields.get(b"x-api-key") or fields.get(b"x-goog-api-key")
    if credential is None:
        credential = google.key_in(head)
    if credential is None:
        if site.snapshot.open:
            return site.anyone()
        raise RequestError(errors.MISSING_KEY, "no API key was sent")
    known = site.verified(credential)
    if known is not None:
        return known
    key = gateway.keys.lookup(credential)
    if key is None:
        if site.snapshot.open and _OURS.match(credential) is None:  # SDKs always send some key
            return site.anyone()
        raise RequestError(errors.INVALID_KEY, "the API key is unknown or revoked")
    caller = site.caller(key, key.tenant)
    if caller is None:
        raise RequestError(errors.INVALID_KEY, f"the key's tenant {key.tenant!r} is not configured")
    site.remember(credential, caller)
    return caller


def admit(exchange: Exchange, known: Standing, now_s: float) -> None:
    """Steps 4 and 5, filter and admit: rights, narrowing headers, limits.

    Sets the exchange's `terms`, `ask` and `grant`. Raises RequestError: model_not_found, model_not_allowed,
    invalid_field, residency, rate limits.
    """
    fields = exchange.fields
    terms = known.terms.get(fields.model)
    if terms is None:
        terms = known.terms[fields.model] = terms_of(exchange, known.caller, place_of(exchange, known.caller))
    place = terms.place
    place.retry_budget.request(now_s)
    estimate = place.estimate
    input_tokens = estimate.input_tokens(len(exchange.body))
    output_tokens = estimate.output_tokens(fields.output_bound) if exchange.endpoint.generates else 0
    exchange.terms = terms
    exchange.ask = Ask(input_tokens, output_tokens, terms.data_class, terms.only)
    exchange.grant = terms.gate.admit(input_tokens + output_tokens, now_s)


def place_of(exchange: Exchange, caller: Caller) -> ModelPlace:
    """The model asked for. Raises RequestError: model_not_found, model_not_allowed."""
    model = exchange.fields.model
    place = exchange.site.models.get(model)
    if place is None:
        raise RequestError(errors.MODEL_NOT_FOUND, f"there is no model {model!r}", param="model")
    if not may_ask(caller, model):
        raise RequestError(
            errors.MODEL_NOT_ALLOWED, f"this key may not ask for model {model!r}", param="model"
        )
    return place


def terms_of(exchange: Exchange, caller: Caller, place: ModelPlace) -> Terms:
    """What the head entitles to at this model. Raises RequestError: invalid_field, residency."""
    site, headers = exchange.site, exchange.head.fields
    data_class = caller.data_class
    only: frozenset[str] | None = None
    if b"x-baseload-class" in headers:
        data_class = narrow(data_class, _class(site, headers[b"x-baseload-class"]))
    if b"x-baseload-targets" in headers:
        only = _targets(place, headers[b"x-baseload-targets"])
    tags = _tags(headers[b"x-baseload-tags"]) if b"x-baseload-tags" in headers else None
    caching = caching_of(place.model, caller.tenant, headers)
    return Terms(place, data_class, only, site.gate(caller, place.model), tags, caching)


def may_ask(caller: Caller, model: str) -> bool:
    """Whether tenant and key both allow this model."""
    allowed = caller.tenant.models
    if allowed is not None and model not in allowed:
        return False
    return caller.key is None or caller.key.models is None or model in caller.key.models


def _class(site: Site, value: bytes) -> DataClass:
    name = value.decode("latin-1")
    found = site.snapshot.classes.get(name)
    if found is None:
        raise RequestError(errors.RESIDENCY, f"there is no class {name!r}", param="x-baseload-class")
    return found


def _targets(place: ModelPlace, value: bytes) -> frozenset[str]:
    names = frozenset(part.strip() for part in value.decode("latin-1").split(",")) - {""}
    known = {target.name for target in place.model.targets}
    if not names or not names <= known:
        wrong = ", ".join(sorted(names - known)) or "nothing"
        raise RequestError(
            errors.INVALID_FIELD,
            f"model {place.model.name!r} has no target {wrong}",
            param="x-baseload-targets",
        )
    return names


def _tags(value: bytes) -> dict[str, str]:
    """`team=search, run=42` for the ledger."""
    tags: dict[str, str] = {}
    for part in value.decode("latin-1").split(","):
        name, equals, content = part.partition("=")
        if name.strip() and equals:
            tags[name.strip()] = content.strip()
    if len(value) > _TAGS_BYTES or len(tags) > MAX_TAGS or not tags:
        raise RequestError(
            errors.INVALID_FIELD,
            f"tags are NAME=VALUE, NAME=VALUE: at most {MAX_TAGS} and {_TAGS_BYTES} bytes",
            param="x-baseload-tags",
        )
    return tags
