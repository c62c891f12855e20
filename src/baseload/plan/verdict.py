"""A break-even in words: from which volume on owning pays, until when, and "never" where it does not."""

from __future__ import annotations

from baseload.plan import words
from baseload.plan.break_even import Cheaper, Crossing
from baseload.plan.costs import Fleet, Spare
from baseload.plan.model import BreakEven, Inputs

SHOWN_CHANGES = 5
"""Changes of the cheaper side put into words before the last one; all of them are in the data."""


def verdict(inputs: Inputs, found: BreakEven) -> str:
    """What this break-even says, volumes rounded up so that the sentence holds at the number it names."""
    sentences = [_owned(inputs, found), _floor(inputs, found)]
    if inputs.curve.peak > 1.0:
        start = found.hybrid_from_tokens_per_day
        sentences.append(
            f"A hybrid never pays{' either' if found.never else ''}."
            if start is None
            else f"A hybrid pays from {words.tokens(start, up=True)} tokens/day on."
        )
    return " ".join(sentences)


def _owned(inputs: Inputs, found: BreakEven) -> str:
    name = f"{words.api(found.against.name)} at {words.usd_per_million(found.against.usd_per_million)}"
    if found.never:
        return f"Owning everything never pays against {name}, at any volume."
    one, first = found.one_replica, found.crossings[0]
    what = f"one replica{_with(inputs.fleet)}"
    full = words.tokens(one.full_at_tokens_per_day, up=True)
    if not one.pays:
        alone = (
            f"{what} would break even at {words.tokens(one.tokens_per_day)} tokens/day, but is full at {full}"
        )
        return f"Against {name}, {alone}: owning everything is cheaper {_ranges(found.crossings)}."
    if len(found.crossings) == 1:
        volume = words.tokens(first.tokens_per_day)
        return (
            f"Against {name}, {what} breaks even at {volume} tokens/day: owning everything is cheaper above."
        )
    return f"Against {name}, owning everything{_with(inputs.fleet)} is cheaper {_ranges(found.crossings)}."


def _floor(inputs: Inputs, found: BreakEven) -> str:
    """What a replica's tokens cost by how much it is used, and the use below which they are never cheaper."""
    fleet, price = inputs.fleet, found.against.usd_per_million
    used = fleet.usable / inputs.curve.peak
    at_full, at_used = fleet.floor_usd_per_million(1.0), fleet.floor_usd_per_million(used)
    text = f"A replica's tokens cost {words.usd_per_million(at_full)} at 100% sustained use"
    if used < 1.0:
        reason = "planned with" if inputs.curve.peak == 1.0 else "that sizing for the peak leaves"
        text += f", {words.usd_per_million(at_used)} at the {words.percent(used)} {reason}"
    if at_full >= price:
        return text + "; no use is high enough."
    return text + f"; below {words.percent(at_full / price, up=True)} they are never cheaper."


def _with(fleet: Fleet) -> str:
    parts = []
    if fleet.spare is not Spare.NONE:
        parts.append("an idle spare" if fleet.spare is Spare.IDLE else "a serving spare")
    if fleet.team_usd_per_month:
        parts.append(f"{words.usd(fleet.team_usd_per_month)} a month of people")
    return f" with {' and '.join(parts)}" if parts else ""


def _ranges(crossings: tuple[Crossing, ...]) -> str:
    """`from 219M tokens/day until 1 replica is full at 266M, the API again up to 437M, …`."""
    shown = crossings if len(crossings) <= SHOWN_CHANGES + 1 else crossings[: SHOWN_CHANGES - 1]
    text = f"from {words.tokens(shown[0].tokens_per_day, up=True)} tokens/day"
    for crossing in shown[1:]:
        volume = words.tokens(crossing.tokens_per_day, up=True)
        if crossing.cheaper_above is Cheaper.METERED:
            full = crossing.replicas - 1
            text += f" until {words.replicas(full)} {'is' if full == 1 else 'are'} full at {volume}"
        else:
            text += f", then the API again up to {volume}, owned"
    if len(shown) < len(crossings):
        last = words.tokens(crossings[-1].tokens_per_day, up=True)
        changes = len(crossings) - len(shown) - 1
        text += (
            f", and so on for {changes} more change{'' if changes == 1 else 's'}, owned for good from {last}"
        )
    else:
        text += " on"
    return text
