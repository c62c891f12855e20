"""Where a request goes when its model's own targets do not do: fallback lists, one for each cause.

    context_length  a target said that the request is too long for it, or it fits none of their windows
    content_policy  a target refused it for what it says
    error           every target failed, is out, or has no room

A list is walked in order, and its first entry with an admissible target serves: an entry is a target, or
another model with its targets by dispatch price. Residency, narrowing, context window, health and quota
decide at every entry, as they do among the model's own targets. Lists do not chain: those of the model that
was asked for are the only ones, so no request goes in circles.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from msgspec.structs import replace

from baseload.core import Model, Reason, Target
from baseload.errors import (
    CONTEXT_TOO_LONG,
    NO_TARGET,
    OVERLOADED,
    TOO_LARGE_FOR_LIMIT,
    Fault,
    RequestError,
)
from baseload.policy.dispatch import Ask, Choice, Route
from baseload.policy.load import TargetLoad
from baseload.policy.retry import Kind

MOST_FALLBACKS = 3
"""Attempts a request by fallback lists, beside those at the model's own targets."""


class Cause(StrEnum):
    """Why the model's own targets do not do; the keys of `models.NAME.fallback`."""

    CONTEXT_LENGTH = "context_length"
    CONTENT_POLICY = "content_policy"
    ERROR = "error"


REFUSALS: dict[Kind, Cause] = {
    Kind.CONTEXT_LENGTH: Cause.CONTEXT_LENGTH,
    Kind.CONTENT_POLICY: Cause.CONTENT_POLICY,
}
"""A target's refusals that have a list."""

_UNSENT: dict[Fault, Cause] = {
    CONTEXT_TOO_LONG: Cause.CONTEXT_LENGTH,
    NO_TARGET: Cause.ERROR,
    OVERLOADED: Cause.ERROR,
    TOO_LARGE_FOR_LIMIT: Cause.ERROR,
}


def cause_of(refusal: RequestError) -> Cause | None:
    """The cause in dispatch's refusal; None where no list helps, as with residency."""
    return _UNSENT.get(refusal.fault)


class FallbackList:
    """One list, prepared for one configuration.

    Its last route is all of it, and for errors the model's own targets too: with nothing else left the last
    target is not given up, though it is ejected.
    """

    __slots__ = ("_routes", "cause")

    def __init__(
        self, cause: Cause, model: Model, entries: tuple[Model, ...], loads: Mapping[str, TargetLoad]
    ) -> None:
        self.cause = cause
        own = model.targets if cause is Cause.ERROR else ()
        every = {target.name: target for each in (own, *(e.targets for e in entries)) for target in each}
        whole = replace(model, targets=tuple(every.values()), fallback=None)
        self._routes = (*(Route(entry, loads, relieved=True) for entry in entries), Route(whole, loads))

    def choose(self, ask: Ask, now_s: float, tried: Collection[str] = ()) -> Choice:
        """The choice of the first entry that has one, under the reason `fallback`.

        Raises RequestError where none has: the first refusal that says when to come again, else the first.
        """
        refusals: list[RequestError] = []
        for route in self._routes:
            try:
                return replace(route.choose(ask, now_s, tried), reason=Reason.FALLBACK)
            except RequestError as refusal:
                refusals.append(refusal)
        raise next((refusal for refusal in refusals if refusal.retry_after_s is not None), refusals[0])


class Fallbacks:
    """The lists of one model. `own` is the route of its own targets."""

    __slots__ = ("_lists", "own")

    def __init__(self, model: Model, loads: Mapping[str, TargetLoad]) -> None:
        written = model.fallback
        entries = {cause: getattr(written, cause.value, ()) for cause in Cause}
        self.own = Route(model, loads, relieved=bool(entries[Cause.ERROR]))
        self._lists = {
            cause: FallbackList(cause, model, listed, loads) for cause, listed in entries.items() if listed
        }

    def of(self, cause: Cause) -> FallbackList | None:
        """The list for this cause; None where none is written."""
        return self._lists.get(cause)


def longer_than(ask: Ask, target: Target) -> Ask:
    """What a target said of a request by refusing its length: it takes more than that target's window."""
    window = target.context_tokens
    if window is None or window < ask.context_tokens:
        return ask
    return replace(ask, context_tokens=window + 1)
