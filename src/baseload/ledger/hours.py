"""Closing the books of owned targets: whose share of an hour's price is what, and what stood idle.

Which hours are paid is read from `Fleet` records, by what they testify:

- A target is paid for from the first record that names it until the first that does not, at the price of the
  earlier record; a GPU costs money whether or not the gateway runs, so a gap in which the gateway was down is
  paid for if the records on both sides of it name the target.
- If the record before such a gap was a clean stop and the next one no longer names the target, it is paid for
  until the stop.
- After the last record nothing is known: an hour is closed once a record was written behind its end.

An hour's price is shared among the attempts that ended in it by the room they used. If they used more than
was paid for (predictions are not exact), they share the whole price; else the rest is the hour's idle line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from baseload.ledger.record import Fleet
from baseload.money import divide_half_even

HOUR_NS = 3_600_000_000_000


class Span(NamedTuple):
    """A time in which a target was paid for at one price."""

    target: str
    from_ns: int
    to_ns: int
    usd_nano_per_hour: int


class PaidHour(NamedTuple):
    """What one hour of a target cost: all of it, or the part that was paid for."""

    target: str
    hour_ns: int
    paid_ns: int
    price_nano: int


def hour_of(at_ns: int) -> int:
    """The beginning of the UTC hour that holds `at_ns`."""
    return at_ns - at_ns % HOUR_NS


def paid(fleets: Iterable[Fleet]) -> list[Span]:
    """When each target was paid for, by the rule above."""
    spans: list[Span] = []
    for earlier, later in pairwise(sorted(fleets, key=lambda fleet: fleet.at_ns)):
        still_owned = {target for target, _ in later.owned}
        for target, price in earlier.owned:
            if later.at_ns > earlier.at_ns and (target in still_owned or not earlier.stopping):
                spans.append(Span(target, earlier.at_ns, later.at_ns, price))
    return spans


def paid_hours(spans: Iterable[Span]) -> list[PaidHour]:
    """The spans cut at full hours, in order of hour and target; each hour's price is rounded once."""
    parts: dict[tuple[int, str], tuple[int, int]] = {}
    for target, from_ns, to_ns, price in spans:
        hour = hour_of(from_ns)
        while hour < to_ns:
            length = min(to_ns, hour + HOUR_NS) - max(from_ns, hour)
            paid_ns, priced = parts.get((hour, target), (0, 0))
            parts[hour, target] = (paid_ns + length, priced + length * price)
            hour += HOUR_NS
    return [
        PaidHour(target, hour, paid_ns, divide_half_even(priced, HOUR_NS))
        for (hour, target), (paid_ns, priced) in sorted(parts.items())
    ]


def apportion(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` in proportion to `weights`, to the last nano-dollar: the parts sum to it exactly.

    Largest remainder: everyone gets the floor, what is left goes to the largest fractions, ties to the first.
    Weights are not negative; all zero gives everything to the last.
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * (len(weights) - 1) + [amount] if weights else []
    parts, remainders = [], []
    for weight in weights:
        part, remainder = divmod(amount * weight, whole)
        parts.append(part)
        remainders.append(remainder)
    left = amount - sum(parts)
    for index in sorted(range(len(weights)), key=lambda i: -remainders[i])[:left]:
        parts[index] += 1
    return parts


def close(hour: PaidHour, rooms_ns: Sequence[int]) -> tuple[list[int], int]:
    """The amortised cost of each attempt that ended in this hour, and the idle line.

    amortised_i = price · room_i / max(paid, Σ room); amortised + idle = price, exactly.
    """
    idle_ns = max(0, hour.paid_ns - sum(rooms_ns))
    *amortised, idle = apportion(hour.price_nano, [*rooms_ns, idle_ns])
    return amortised, idle
