"""Answers that a provider keeps: whose each is, where it is, and what a class of data allows to be kept.

A provider knows the gateway's credential alone, so that of several tenants behind one credential each could
go on from the others' answers. `answered` learns the id of every answer before its client does; `go_on_from`
refuses those of others, among several tenants those it does not know too, and keeps a conversation at the
account that holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from baseload import errors
from baseload.config import DEFAULT_TENANT
from baseload.core import Target
from baseload.errors import RequestError
from baseload.gateway.stored_ids import Held
from baseload.wire import responses
from baseload.wire.dialects.crossing import without_seals
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.responses import ResponsesFields, ResponsesRelay

if TYPE_CHECKING:
    from baseload.gateway.attempt import Attempt
    from baseload.gateway.exchange import Exchange


def answered(exchange: Exchange, attempt: Attempt, told: object) -> None:
    """Learn the id of an answer that its provider may keep, from what was read of it (`told`).

    Called before any of it goes to its client, and at the end of a stream again. Translated ones are kept by
    nobody. Items are known by themselves: the account that made them reads them, kept or not.
    """
    if isinstance(told, responses.Answer):
        answer_id, items = told.id, told.items
    elif isinstance(told, ResponsesRelay):
        answer_id, items = told.answer_id, told.items
    else:
        return
    held = Held(exchange.caller.tenant.name, attempt.place.target.name)
    if answer_id and _fields(exchange).store is not False:
        exchange.gateway.stored.add(answer_id, held)
    for item in items:
        exchange.gateway.stored.add(item, held)


def go_on_from(exchange: Exchange) -> None:
    """Keep a request to what its class lets providers keep, and to where what it goes on from is kept.

    Narrows the exchange's `ask`; what the provider adds to its body makes it no lesson in tokens. Raises
    RequestError: residency, stored_not_found, unsupported_parameter.
    """
    fields, terms = _fields(exchange), exchange.terms
    own = {target.name for target in terms.place.model.targets}
    if terms.data_class.zero_retention:
        for name, wanted in (("store", fields.store), ("background", fields.background)):
            if wanted:
                message = f"class {terms.data_class.name!r} lets no provider keep an answer"
                raise RequestError(errors.RESIDENCY, message, param=name)
    if fields.continues:
        exchange.endpoint = replace(exchange.endpoint, teaches=False)
    for name, given in fields.continues:
        held = exchange.gateway.stored.find(given)
        if held is None and _alone(exchange):
            continue  # its target knows whether there is such a thing
        if held is None or held.tenant != exchange.caller.tenant.name:
            raise RequestError(errors.STORED_NOT_FOUND, f"there is no {given!r}", param=name)
        there = _behind(exchange, held)
        if there.isdisjoint(own):
            message = f"it is kept at target {held.target}, which does not serve model {fields.model!r}"
            raise RequestError(errors.UNSUPPORTED_PARAMETER, message, param=name)
        exchange.ask = replace(exchange.ask, only=there)
    for given in fields.recalls:
        held = exchange.gateway.stored.find(given)
        there = _behind(exchange, held, translated=True) if held is not None else frozenset()
        if not there.isdisjoint(own):
            exchange.ask = replace(exchange.ask, only=there)


def _alone(exchange: Exchange) -> bool:
    """Whether there is one tenant only: whatever its providers keep is its own, made here or elsewhere."""
    caller = exchange.caller.tenant.name
    return all(name in (caller, DEFAULT_TENANT) for name in exchange.site.snapshot.tenants)


def _behind(exchange: Exchange, held: Held, *, translated: bool = False) -> frozenset[str]:
    """The targets behind the credential that something was made with, within what the request narrows to.

    Those of other models too, since a fallback list may lead there. `translated`: also those that speak
    another format, which get the request without it.
    """
    only, site = exchange.ask.only, exchange.site
    maker = site.snapshot.targets.get(held.target)
    return frozenset(
        target.name
        for target in site.snapshot.targets.values()
        if (only is None or target.name in only)
        and (
            (maker is not None and _account(target) == _account(maker))
            or (translated and not site.places[target.name].serves(exchange.endpoint))
        )
    )


def _account(target: Target) -> tuple[object, ...]:
    return target.url, target.credential, target.login


def body_for(exchange: Exchange, model: str | None) -> bytes:
    """The request's body for a target that serves it as it is and calls the model `model`.

    What a class wants kept nowhere is sent with `store: false`, since providers keep answers by default.
    """
    keep_nothing = exchange.endpoint.dialect is Dialect.RESPONSES and exchange.terms.data_class.zero_retention
    body = responses.patch_request(exchange.body, _fields(exchange), model=model, keep_nothing=keep_nothing)
    return without_seals(body)


def _fields(exchange: Exchange) -> ResponsesFields:
    fields = exchange.fields
    assert isinstance(fields, ResponsesFields)
    return fields
