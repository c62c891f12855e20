"""Which target serves a request: one price rule over all that may (DESIGN: dispatch price, merit order).

    dispatch price = money + congestion + quality            in nano-dollars, the lowest wins

    money       metered: expected input (cached and not) and output at the target's price; owned: 0
    congestion  owned: reference · f(x), x = max(predicted TTFT / SLO TTFT, predicted TPOT / SLO TPOT)
                metered: money · f(use of its scarcest quota, this request included)
    quality     0 until the difficulty score comes in
    f(x)        x⁴

The reference is the cheapest money among the metered targets that could take the request now. With f(x) < 1
for x < 1, an owned replica undercuts every metered target as long as its SLO holds, and loses beyond it:
spill starts where waiting would break the SLO and not before. At equal price owned wins as long as
its SLO holds, then the least load.

Why the fourth power: f must be convex with f(0) = 0, f(1) = 1 and steep beyond. At half of the SLO a replica
then costs 6% of the reference, so that differences in quality decide; 19% over the SLO it costs twice the
reference, as much as a metered target whose quota ends with this request; and it takes two multiplications.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

from msgspec import Struct

from baseload.core import DataClass, Model, Reason, Side, Target
from baseload.policy.health import State
from baseload.policy.lane import UNLIMITED, Lane, Metered, Owned
from baseload.policy.load import Present, TargetLoad
from baseload.policy.refusal import no_context, no_residency, no_room, not_served
from baseload.policy.residency import may_process

DEFAULT_REFERENCE = 1_000_000
"""Reference of congestion, $0.001 a request, where neither a metered price nor a `price_cap` is at hand. With
no metered target in the running it only scales all owned prices alike."""


MOST_PRESSURE = 100.0
"""x beyond this is priced as this, 10⁸ times the reference, so that prices stay within 64 bits."""


ESTIMATE_DOUBT = 2.0
"""An estimated length refuses nobody whose request would fit if it were this many times shorter: an estimate
chooses among context windows, only a count or a gross excess shuts all of them."""


def congestion_share(x: float) -> float:
    """f(x) = x⁴: congestion as a share of the reference, for a load of x times what the SLO allows."""
    square = x * x
    return square * square


class Ask(Struct, frozen=True, gc=False):
    """What dispatch needs to know of a request.

    `input_tokens` and `output_tokens` are expected counts. `context_tokens` is what must fit a context
    window, where it was counted; 0 takes input and output as an estimate of it. `only` narrows to targets by
    name. `cached` is the part of the input whose prefix each named target still holds.
    """

    input_tokens: int
    output_tokens: int
    data_class: DataClass
    only: frozenset[str] | None = None
    context_tokens: int = 0
    cached: Mapping[str, int] | None = None


class Choice(Struct, frozen=True, gc=False):
    """The target that serves the request, why, and the terms of its dispatch price in nano-dollars.

    `money` None is a metered target without a known price: chosen only since nothing else could, and worth an
    alarm. Predictions are None where there is no capacity model.
    """

    target: Target
    load: TargetLoad
    reason: Reason
    money: int | None
    congestion: int
    quality: int
    predicted_ttft_s: float | None
    predicted_tpot_s: float | None

    @property
    def price(self) -> int | None:
        """The dispatch price; None where the money is unknown."""
        return None if self.money is None else self.money + self.congestion + self.quality


class Route:
    """One model with its targets, prepared for one configuration: `choose` runs per request.

    `loads` is the live state by target name; the route keeps references into it. `relieved`: others stand
    behind these targets, so that a request waits for none of them that is ejected.
    """

    __slots__ = ("_default_reference", "_lanes", "_relieved", "_whole", "model")

    def __init__(self, model: Model, loads: Mapping[str, TargetLoad], *, relieved: bool = False) -> None:
        self.model = model
        self._relieved = relieved
        self._default_reference = float(DEFAULT_REFERENCE if model.price_cap is None else model.price_cap)
        kinds: dict[Hashable, int] = {}
        self._whole = _lane(
            [Metered(t, loads[t.name]) for t in model.targets if t.side is Side.METERED],
            [Owned(t, loads[t.name], model.slo, kinds) for t in model.targets if t.side is Side.OWNED],
        )
        self._lanes: dict[DataClass, Lane] = {}

    def choose(self, ask: Ask, now_s: float, tried: Collection[str] = ()) -> Choice:
        """The target with the lowest dispatch price; those in `tried` are not chosen again.

        Raises RequestError: RESIDENCY, INVALID_FIELD (`only` names none of the targets), CONTEXT_TOO_LONG,
        TOO_LARGE_FOR_LIMIT, OVERLOADED (only hopeless queues), NO_TARGET; Retry-After says when to come back.
        """
        lane = self._lanes.get(ask.data_class)
        if lane is None:
            lane = self._admit(ask.data_class)
        tokens = ask.input_tokens + ask.output_tokens
        if ask.only is not None or (ask.context_tokens or tokens) > lane.smallest_context:
            lane = self._narrow(lane, ask)
        whole = lane
        if tried:
            lane = _kept(lane, lambda option: option.name not in tried)

        owned, x, ttft_s, tpot_s = _least_pressed(lane.owned, ask, now_s)
        if owned is not None and x <= 1.0:  # f(x) <= 1: no metered price can be below
            metered, metered_price, money = None, math.inf, 0.0
            reference = _reference(lane.metered, ask, now_s)
        else:
            metered, metered_price, money, reference = _cheapest(lane.metered, ask, now_s)
        if reference == math.inf:
            reference = self._default_reference
        owned_price = reference * congestion_share(x if x < MOST_PRESSURE else MOST_PRESSURE)
        if owned is not None and owned_price < metered_price:
            reason = Reason.OWNED
            if tried or ask.only is not None:
                reason = _reason(lane, ask, tried, reason)
            return Choice(owned.target, owned.load, reason, 0, int(owned_price), 0, ttft_s, tpot_s)
        if metered is not None:
            reason = _reason(lane, ask, tried, Reason.METERED)
            congestion = int(metered_price - money)
            return Choice(metered.target, metered.load, reason, int(money), congestion, 0, None, None)
        return self._last_resort(whole, lane, ask, now_s)

    def _admit(self, data_class: DataClass) -> Lane:
        whole = self._whole
        lane = _lane(
            [m for m in whole.metered if may_process(data_class, m.target)],
            [o for o in whole.owned if may_process(data_class, o.target)],
        )
        if not lane.metered and not lane.owned:
            raise no_residency(self.model, data_class)
        self._lanes[data_class] = lane
        return lane

    def _narrow(self, lane: Lane, ask: Ask) -> Lane:
        """The part of a lane that this request may use; the errors say which rule left nothing."""
        only = ask.only
        if only is not None:
            if only.isdisjoint(target.name for target in self.model.targets):
                raise not_served(self.model, only)
            lane = _kept(lane, lambda option: option.name in only)
            if not lane.metered and not lane.owned:
                raise no_residency(self.model, ask.data_class, only)
        tokens = ask.context_tokens or ask.input_tokens + ask.output_tokens
        fitting = _kept(lane, lambda option: tokens <= option.context_tokens)
        if not fitting.metered and not fitting.owned:
            largest = max(option.context_tokens for option in lane.options)
            if ask.context_tokens or tokens > ESTIMATE_DOUBT * largest:
                raise no_context(self.model, tokens, largest)
            fitting = _kept(lane, lambda option: option.context_tokens == largest)
        return fitting

    def _last_resort(self, whole: Lane, lane: Lane, ask: Ask, now_s: float) -> Choice:
        """What is left when no priced target is open: one without a price; else, where all that keeps every
        target out are ejections, the one that returns soonest, since the last target is never ejected (but
        where a fallback list stands behind it).

        `lane` is the `whole` one without what was tried: where a target of the whole is in use, though tried,
        an ejected one is not the last.
        """
        tokens = ask.input_tokens + ask.output_tokens
        found: Metered | None = None
        for metered in lane.metered:
            load = metered.load
            if metered.known or load.health.shut_until_s > now_s:
                continue
            if load.quota is not None and not load.quota.has_room(now_s, tokens, load.in_flight):
                continue
            if found is None or load.in_flight < found.load.in_flight:
                found = metered
        if found is not None:
            reason = Reason.FALLBACK if lane is not whole else _reason(lane, ask, (), Reason.METERED)
            return Choice(found.target, found.load, reason, None, 0, 0, None, None)
        living = [option for option in whole.options if not option.load.health.credential_dead]
        options = [option for option in lane.options if not option.load.health.credential_dead]
        ejected = options and not self._relieved
        if ejected and all(option.load.health.only_ejected(now_s) for option in living):
            soonest = min(options, key=lambda option: option.load.health.returns_s)
            return _forced(soonest, ask, now_s)
        raise no_room(self.model, lane, tokens, now_s)


def choose(
    model: Model, ask: Ask, loads: Mapping[str, TargetLoad], now_s: float, tried: Collection[str] = ()
) -> Choice:
    """`Route.choose` for a single question; whoever asks more than once keeps the `Route`."""
    return Route(model, loads).choose(ask, now_s, tried)


def _reference(options: tuple[Metered, ...], ask: Ask, now_s: float) -> float:
    """The lowest money among the metered targets that could take the request now; infinite without one."""
    reference = math.inf
    input_tokens, output_tokens, cached = ask.input_tokens, ask.output_tokens, ask.cached
    for metered in options:
        load = metered.load
        if load.health.shut_until_s > now_s or not metered.known:
            continue
        if cached is None and input_tokens <= metered.long_above:  # `money` written out for the usual case
            money = input_tokens * metered.input + output_tokens * metered.output
        else:
            held = 0 if cached is None else cached.get(metered.name, 0)
            money = metered.money(input_tokens, held, output_tokens)
        if money < reference and (
            load.quota is None
            or load.quota.has_room(now_s, input_tokens + output_tokens, load.running + load.waiting)
        ):
            reference = money
    return reference


def _cheapest(
    options: tuple[Metered, ...], ask: Ask, now_s: float
) -> tuple[Metered | None, float, float, float]:
    """The metered target with the lowest price, that price, its money, and the lowest money of all."""
    best: Metered | None = None
    best_price = best_money = reference = math.inf
    best_load = 0
    input_tokens, output_tokens, cached = ask.input_tokens, ask.output_tokens, ask.cached
    for metered in options:
        load = metered.load
        if load.health.shut_until_s > now_s or not metered.known:
            continue
        in_flight = load.running + load.waiting
        money = metered.money(
            input_tokens, 0 if cached is None else cached.get(metered.name, 0), output_tokens
        )
        price = money
        quota = load.quota
        if quota is not None:
            use = quota.use(now_s, input_tokens + output_tokens, in_flight)
            if use > 1.0:
                continue
            price += money * congestion_share(use)
        if money < reference:
            reference = money
        if price < best_price or (price == best_price and in_flight < best_load):
            best, best_price, best_money, best_load = metered, price, money, in_flight
    return best, best_price, best_money, reference


def _least_pressed(
    options: tuple[Owned, ...], ask: Ask, now_s: float
) -> tuple[Owned | None, float, float | None, float | None]:
    """The owned target with the least x, that x, and its predicted TTFT and TPOT.

    All owned targets share one reference, so the least x is the lowest price.
    """
    best: Owned | None = None
    best_x = math.inf
    best_ttft_s: float | None = None
    best_tpot_s: float | None = None
    best_load = 0
    input_tokens, output_tokens, cached = ask.input_tokens, ask.output_tokens, ask.cached
    for owned, present in _contenders(options, now_s, alone=cached is not None):
        uncached = input_tokens
        if cached is not None:
            uncached -= cached.get(owned.name, 0)
        x, ttft_s, tpot_s = owned.pressure(present, uncached, output_tokens)
        in_flight = present[0] + present[1]
        if x < best_x or (x == best_x and in_flight < best_load):
            best, best_x, best_load = owned, x, in_flight
            best_ttft_s, best_tpot_s = ttft_s, tpot_s
    return best, best_x, best_ttft_s, best_tpot_s


def _contenders(options: tuple[Owned, ...], now_s: float, *, alone: bool) -> list[tuple[Owned, Present]]:
    """The open ones with their load; of neighbours that are alike only those that may be the least pressed.

    One that is no less busy than another like it in any respect cannot be cheaper, which saves a prediction.
    `alone`: each has a prefix of its own to find there, so none stands for another.
    """
    found: list[tuple[Owned, Present]] = []
    alike = -1
    for owned in options:
        load = owned.load
        if load.health.shut_until_s > now_s:
            continue
        present = load.present(now_s)
        if owned.alike == alike and not alone:
            least = found[-1][1]
            if _no_less(present, least):
                continue
            if _no_less(least, present):
                found[-1] = (owned, present)
                continue
        alike = owned.alike
        found.append((owned, present))
    return found


def _no_less(present: Present, other: Present) -> bool:
    return (
        present[0] >= other[0]
        and present[1] >= other[1]
        and present[2] >= other[2]
        and present[3] >= other[3]
    )


def _reason(lane: Lane, ask: Ask, tried: Collection[str], default: Reason) -> Reason:
    """Why a target was chosen, `default` being OWNED or METERED for its side."""
    if tried:
        return Reason.FALLBACK
    if ask.only is not None and len(ask.only) == 1:
        return Reason.PINNED
    if default is Reason.OWNED or not lane.owned:
        return default
    if all(owned.load.health.state is not State.CLOSED for owned in lane.owned):
        return Reason.FALLBACK  # no owned one is in use, since attempts there failed
    return Reason.SPILL


def _forced(option: Owned | Metered, ask: Ask, now_s: float) -> Choice:
    """A choice without alternative: its terms are those of the moment, its congestion is left out."""
    if isinstance(option, Owned):
        _, ttft_s, tpot_s = option.pressure(option.load.present(now_s), ask.input_tokens, ask.output_tokens)
        return Choice(option.target, option.load, Reason.FALLBACK, 0, 0, 0, ttft_s, tpot_s)
    money = int(option.money(ask.input_tokens, 0, ask.output_tokens)) if option.known else None
    return Choice(option.target, option.load, Reason.FALLBACK, money, 0, 0, None, None)


def _lane(metered: Iterable[Metered], owned: Iterable[Owned]) -> Lane:
    lane = Lane(tuple(metered), tuple(owned), UNLIMITED)
    smallest = min((option.context_tokens for option in lane.options), default=UNLIMITED)
    return Lane(lane.metered, lane.owned, smallest)


def _kept(lane: Lane, keep: Callable[[Owned | Metered], bool]) -> Lane:
    return _lane(filter(keep, lane.metered), filter(keep, lane.owned))
