"""Why no target serves a request, as the errors that clients read: the rule, the class, when to come back."""

from __future__ import annotations

import math

from baseload.core import DataClass, Model
from baseload.errors import (
    CONTEXT_TOO_LONG,
    INVALID_FIELD,
    NO_TARGET,
    OVERLOADED,
    RESIDENCY,
    TOO_LARGE_FOR_LIMIT,
    RequestError,
)
from baseload.policy.health import State
from baseload.policy.lane import Lane, Owned
from baseload.policy.residency import describe, why_not

QUEUE_RETRY_S = 5.0
"""Retry-After where queues are hopeless: about as long as a batch needs to make room."""


def not_served(model: Model, only: frozenset[str]) -> RequestError:
    """INVALID_FIELD: the request narrowed its targets to names that do not serve this model."""
    known = ", ".join(target.name for target in model.targets)
    named = ", ".join(sorted(only))
    message = f"{named}: no target of model {model.name!r}, which is served by {known}"
    return RequestError(INVALID_FIELD, message, param="x-baseload-targets")


def no_residency(model: Model, data_class: DataClass, only: frozenset[str] | None = None) -> RequestError:
    """RESIDENCY: names the class, what it asks, and for each target the rule that keeps it out."""
    rules = [
        f"{target.name}: {why_not(data_class, target)}"
        for target in model.targets
        if only is None or target.name in only
    ]
    message = f"no target of model {model.name!r} may process data of class {describe(data_class)}"
    return RequestError(RESIDENCY, f"{message}; {'; '.join(rules)}" if rules else message)


def no_context(model: Model, tokens: int, largest: int) -> RequestError:
    """CONTEXT_TOO_LONG: the request fits no admissible target's context window."""
    message = f"model {model.name!r} takes at most {largest} tokens here; this request needs {tokens}"
    return RequestError(CONTEXT_TOO_LONG, message, param="messages")


def no_room(model: Model, lane: Lane, tokens: int, now_s: float) -> RequestError:
    """NO_TARGET, OVERLOADED or TOO_LARGE_FOR_LIMIT, with the shortest time left."""
    why: list[str] = []
    shortest_s = math.inf
    overloaded = too_large = bool(lane.owned or lane.metered)
    for option in lane.options:
        health = option.load.health
        wait_s = health.shut_until_s - now_s
        cause = "overloaded"
        if wait_s > 0.0:
            cause = "out of room" if health.state is State.CLOSED else health.state.value.replace("_", " ")
        elif isinstance(option, Owned):
            wait_s, cause = QUEUE_RETRY_S, "its queue is too long"
        elif option.load.quota is not None:
            wait_s = option.load.quota.wait_s(now_s, tokens) or 1.0
            cause = "larger than its quota" if wait_s == math.inf else "its quota is used up"
        overloaded = overloaded and cause == "its queue is too long"
        too_large = too_large and cause == "larger than its quota"
        why.append(f"{option.name}: {cause}")
        if not health.credential_dead:  # when it is probed next is no promise
            shortest_s = min(shortest_s, wait_s)
    fault = OVERLOADED if overloaded else TOO_LARGE_FOR_LIMIT if too_large else NO_TARGET
    message = f"no target of model {model.name!r} can take this request now"
    return RequestError(
        fault,
        f"{message}: {'; '.join(why)}" if why else f"{message}: all were tried",
        retry_after_s=shortest_s if shortest_s < math.inf else None,
    )
