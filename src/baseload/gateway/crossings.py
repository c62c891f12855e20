"""Requests for targets that speak another format: translated where that loses nothing, else told why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from baseload import errors
from baseload.core import Format, Reason, Side
from baseload.errors import RequestError
from baseload.gateway.site import Place
from baseload.policy.dispatch import Choice
from baseload.wire.dialects.crossing import Crossing, cross
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.dialects.paths import SPOKEN
from baseload.wire.dialects.returned import own_words
from baseload.wire.dialects.vertex import Enveloped, VertexCrossing
from baseload.wire.forms import ARRAY

if TYPE_CHECKING:
    from baseload.gateway.exchange import Exchange


def choose(exchange: Exchange, choice: Choice, now_s: float) -> tuple[Choice, Place, Crossing | None]:
    """The first target in the merit order that can carry the request, from `choice` on.

    Raises RequestError: unsupported_parameter where none can, as the first of them says it; what dispatch
    raises where others were left out for their load.
    """
    unfit: tuple[str, ...] = ()
    refusal: RequestError | None = None
    while True:
        place = exchange.site.places[choice.target.name]
        try:
            crossing = None if place.serves(exchange.endpoint) else _cross(exchange, place)
        except RequestError as error:
            if error.fault is not errors.UNSUPPORTED_PARAMETER:
                raise
            refusal = refusal or _by_name(error, place)
            unfit = (*unfit, place.target.name)
        else:
            return _as_chosen(choice, exchange, unfit), place, crossing
        try:
            route = exchange.detour or exchange.terms.place.route
            choice = route.choose(exchange.ask, now_s, (*exchange.tried, *unfit))
        except RequestError as none_left:
            raise refusal if none_left.fault is errors.NO_TARGET else none_left from None


def _by_name(error: RequestError, place: Place) -> RequestError:
    """The refusal with the target's name and what its operator can do: an agent's user can do nothing."""
    name = place.target.name
    message = error.message if name in error.message else f"target {name}: {error.message}"
    if error.param != "model" and not place.target.drop_unsupported:
        message += "; its operator can have such fields left out with drop_unsupported: true"
    return RequestError(error.fault, message, param=error.param)


def _as_chosen(choice: Choice, exchange: Exchange, unfit: tuple[str, ...]) -> Choice:
    """The choice under its own reason: that others cannot carry the request is no failure of theirs."""
    if not unfit or exchange.tried:
        return choice
    return replace(choice, reason=Reason.OWNED if choice.target.side is Side.OWNED else Reason.METERED)


def _cross(exchange: Exchange, place: Place) -> Crossing:
    vertex = place.format is Format.ANTHROPIC_VERTEX
    if vertex and exchange.endpoint.format is Format.ANTHROPIC:
        return _enveloped(exchange, place)
    source, target = exchange.endpoint.dialect, SPOKEN[place.format]
    if source is None:
        message = f"target {place.target.name} does not serve {exchange.endpoint.name}"
        raise RequestError(errors.UNSUPPORTED_PARAMETER, message, param="model")
    by_path = exchange.endpoint.by_path
    crossing = cross(
        exchange.body,
        source,
        target,
        asked=exchange.fields.model,
        model=place.target.model,
        drop=place.target.drop_unsupported,
        made=VertexCrossing if vertex else Crossing,
        stream=exchange.stream if by_path else None,
    )
    crossing.array = by_path and exchange.endpoint.form is ARRAY
    crossing.request_id = exchange.request_id
    return crossing


def _enveloped(exchange: Exchange, place: Place) -> Crossing:
    """Anthropic's own format for a target on Vertex AI."""
    asked, model = exchange.fields.model, place.target.model
    beta = exchange.head.fields.get(b"anthropic-beta", b"")
    body = own_words(Dialect.MESSAGES, exchange.body)
    if exchange.endpoint.dialect is None:
        return Enveloped.counting(body, asked=asked, model=model, beta=beta)
    return Enveloped(body, asked=asked, model=model, stream=exchange.stream, beta=beta)
