"""The targets of one model, prepared: what dispatch needs of each as plain attributes, made once per
configuration so that a request costs no more than the arithmetic."""

from __future__ import annotations

import math
from collections.abc import Hashable

from msgspec import Struct

from baseload.capacity.predict import predict
from baseload.core import LongContext, Slo, Target, TokenPrice
from baseload.money import MILLION
from baseload.policy.load import Present, TargetLoad, room_without_model

UNLIMITED = 1 << 62

LONGEST_QUEUE = 8.0
"""An owned target without a capacity model gets nothing more at this multiple of its room."""


class Owned:
    """An owned target as one route sees it; equal `alike` means equal predictions at equal load."""

    __slots__ = (
        "alike",
        "context_tokens",
        "give_up_s",
        "load",
        "name",
        "per_tpot",
        "per_ttft",
        "room",
        "step",
        "target",
    )

    def __init__(self, target: Target, load: TargetLoad, slo: Slo, kinds: dict[Hashable, int]) -> None:
        self.name = target.name
        self.target = target
        self.load = load
        self.step = target.step
        self.context_tokens = target.context_tokens or UNLIMITED
        self.per_ttft = 1.0 / slo.ttft_s
        self.per_tpot = 1.0 / slo.tpot_s
        self.room = room_without_model(target)
        error = target.step.error if target.step is not None else 0.0
        self.give_up_s = target.timeouts.ttft_s * (1.0 + error)
        self.alike = kinds.setdefault((target.step, self.room, self.give_up_s), len(kinds))

    def pressure(
        self, present: Present, input_tokens: int, output_tokens: int
    ) -> tuple[float, float | None, float | None]:
        """x of f(x), predicted TTFT and TPOT; x is infinite where the first token would come too late."""
        running, waiting, waiting_tokens, kv_tokens = present
        if self.step is None:
            x = (running + waiting + 1) / self.room
            return (x if x <= LONGEST_QUEUE else math.inf), None, None
        ttft_s, tpot_s = predict(
            self.step, running, kv_tokens, waiting_tokens, waiting, input_tokens, output_tokens
        )
        if ttft_s > self.give_up_s:
            return math.inf, ttft_s, tpot_s
        x = ttft_s * self.per_ttft
        y = tpot_s * self.per_tpot
        return (x if x > y else y), ttft_s, tpot_s


class Metered:
    """A metered target as one route sees it; prices in nano-dollars per token."""

    __slots__ = (
        "cached",
        "context_tokens",
        "input",
        "known",
        "load",
        "long",
        "long_above",
        "name",
        "output",
        "target",
    )

    def __init__(self, target: Target, load: TargetLoad) -> None:
        self.name = target.name
        self.target = target
        self.load = load
        self.context_tokens = target.context_tokens or UNLIMITED
        price = target.price
        self.known = price is not None
        self.input = self.cached = self.output = 0.0
        self.long: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self.long_above = UNLIMITED
        if price is not None:
            self.input, self.cached, self.output = _per_token(price)
            if price.long_context is not None:
                self.long = _per_token(price.long_context)
                self.long_above = price.long_context.above

    def money(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> float:
        """Expected cost in nano-dollars; as `money.token_cost`, but a float."""
        if input_tokens > self.long_above:
            p_input, p_cached, p_output = self.long
            return (
                (input_tokens - cached_tokens) * p_input + cached_tokens * p_cached + output_tokens * p_output
            )
        if cached_tokens:
            return (
                (input_tokens - cached_tokens) * self.input
                + cached_tokens * self.cached
                + output_tokens * self.output
            )
        return input_tokens * self.input + output_tokens * self.output


def _per_token(price: TokenPrice | LongContext) -> tuple[float, float, float]:
    cached = price.input if price.cached_input is None else price.cached_input
    return price.input / MILLION, cached / MILLION, price.output / MILLION


class Lane(Struct, frozen=True):
    """The targets that may process data of one class."""

    metered: tuple[Metered, ...]
    owned: tuple[Owned, ...]
    smallest_context: int

    @property
    def options(self) -> tuple[Owned | Metered, ...]:
        """All of them, owned ones first."""
        return (*self.owned, *self.metered)
