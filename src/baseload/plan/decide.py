"""From numbers to a plan: price every option, find the break-evens, ask what would change the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from baseload.plan import words
from baseload.plan.break_even import crossings, one_replica
from baseload.plan.costs import SECONDS_PER_DAY, Spare, metered_month_usd
from baseload.plan.hybrid import hybrid, hybrid_from
from baseload.plan.model import BreakEven, Inputs, Kind, Metered, Option, Plan, Role, WhatIf
from baseload.plan.spares import priced
from baseload.plan.verdict import verdict

if TYPE_CHECKING:
    from baseload.plan.demand import Source
    from baseload.plan.question import Question
    from baseload.plan.slo_sizing import Progress
    from baseload.traffic.bills.bill import Bill


def plan(
    traffic: Source | Bill | None = None,
    question: Question | None = None,
    /,
    *,
    progress: Progress | None = None,
    **fields: Any,
) -> Plan:
    """The plan for this traffic: `plan(read_traffic("trace.csv"), api=("gpt-4o",), gpu="h100", gpus=2)`.

    `traffic` is a Traffic table, a LoadShape, a Bill, or None where the question says the tokens per day. The
    question is given whole or as its fields (`Question` lists them). `progress` is told in words before each
    simulation. Of a Bill, its dearest model is compared with unless `api` names another, and its batch share
    is what may be deferred (`baseload.plan.billed`). Raises UsageError for what does not go together,
    UnknownName for what the catalog does not hold.
    """
    from baseload.plan.billed import beside, with_bill
    from baseload.plan.question import Question
    from baseload.plan.resolve import resolve, silent
    from baseload.traffic.bills.bill import Bill

    asked = Question(**fields) if question is None else replace(question, **fields)
    if not isinstance(traffic, Bill):
        return decide(resolve(asked, traffic, progress or silent))
    filled, source, billed = with_bill(asked, traffic)
    inputs = resolve(filled, source, progress or silent)
    return decide(beside(inputs, billed, named=bool(asked.api)))


def decide(inputs: Inputs) -> Plan:
    """The plan for these numbers. Pure: equal inputs, equal plan."""
    options = price_options(inputs)
    cheapest = min(options, key=lambda option: option.usd_per_month)
    return Plan(
        inputs=inputs,
        options=options,
        break_even=tuple(break_even(inputs, metered) for metered in inputs.metered),
        what_if=what_if(inputs, cheapest),
        answer=_answer(inputs, options, cheapest),
        verdicts=tuple(_verdict(metered, options) for metered in inputs.metered),
        caveat=_without_spare(inputs, options),
    )


def price_options(inputs: Inputs) -> tuple[Option, ...]:
    """Every option at the same volume and mix: each API, everything owned, and a hybrid with each API."""
    bought = [_bought(inputs, metered) for metered in inputs.metered]
    hybrids = [_hybrid(inputs, metered) for metered in inputs.metered]
    return (*bought, _owned(inputs), *hybrids)


def _bought(inputs: Inputs, metered: Metered) -> Option:
    return Option(
        name=metered.name,
        kind=Kind.FRONTIER_API if metered.role is Role.FRONTIER else Kind.OPEN_API,
        usd_per_month=metered_month_usd(inputs.tokens_per_day, metered.usd_per_million),
        usd_per_million=metered.usd_per_million,
        replicas=0,
        spare_replicas=0,
        owned_tokens_share=0.0,
        use=0.0,
        metered=metered.name,
    )


def _owned(inputs: Inputs) -> Option:
    fleet, mean = inputs.fleet, inputs.tokens_per_day / SECONDS_PER_DAY
    n = fleet.needed(mean * inputs.curve.peak)
    month_usd = fleet.month_usd(n)
    serving = n + (fleet.spares if fleet.spare is Spare.SERVING else 0)
    return Option(
        name="owned",
        kind=Kind.OWNED,
        usd_per_month=month_usd,
        usd_per_million=month_usd / metered_month_usd(inputs.tokens_per_day, 1.0),
        replicas=n,
        spare_replicas=fleet.spares,
        owned_tokens_share=1.0,
        use=mean / (serving * fleet.throughput_tokens_per_s),
    )


def _hybrid(inputs: Inputs, metered: Metered) -> Option:
    best = hybrid(inputs.curve, inputs.tokens_per_day, inputs.fleet, metered.usd_per_million)
    return Option(
        name=f"hybrid with {metered.name}",
        kind=Kind.HYBRID,
        usd_per_month=best.usd_per_month,
        usd_per_million=best.usd_per_month / metered_month_usd(inputs.tokens_per_day, 1.0),
        replicas=best.replicas,
        spare_replicas=inputs.fleet.spares if best.replicas else 0,
        owned_tokens_share=best.owned_tokens_share,
        use=best.use,
        spill_usd_per_month=best.spill_usd_per_month,
        metered=metered.name,
    )


def break_even(inputs: Inputs, metered: Metered) -> BreakEven:
    """Owned against one metered price over all volumes, with the verdict in words."""
    fleet, price, peak = inputs.fleet, metered.usd_per_million, inputs.curve.peak
    found = BreakEven(
        against=metered,
        crossings=crossings(fleet, price, peak),
        one_replica=one_replica(fleet, price, peak),
        hybrid_from_tokens_per_day=hybrid_from(inputs.curve, fleet, price),
        words="",
    )
    return replace(found, words=verdict(inputs, found))


def _answer(inputs: Inputs, options: tuple[Option, ...], cheapest: Option) -> str:
    volume = f"{words.tokens(inputs.tokens_per_day)} tokens/day"
    others = [o for o in options if o.kind is not Kind.HYBRID and o is not cheapest]
    beside = ", ".join(f"{_short(o)} {words.usd(o.usd_per_month)}" for o in others)
    return f"At {volume} {_do(inputs, cheapest)} for {words.usd(cheapest.usd_per_month)} a month; {beside}."


def _short(option: Option) -> str:
    if option.kind is Kind.OWNED:
        return f"owning everything ({words.replicas(option.replicas, option.spare_replicas)})"
    return words.api(option.name)


def _do(inputs: Inputs, option: Option) -> str:
    """The option as something to do."""
    seller = words.api(option.metered)
    if option.kind is Kind.OWNED:
        what = words.replicas(option.replicas, option.spare_replicas)
        return f"own {what} of {inputs.replica} and buy nothing"
    if option.kind is Kind.HYBRID and option.replicas:
        what = words.replicas(option.replicas, option.spare_replicas)
        spill = words.percent(1.0 - option.owned_tokens_share)
        return f"own {what} of {inputs.replica} and buy the other {spill} of the tokens from {seller}"
    return f"buy everything from {seller}"


def _verdict(metered: Metered, options: tuple[Option, ...]) -> str:
    """The best of buying, owning and both, were this the only price: `Against gpt-4o: …`."""
    bought = next(o for o in options if o.kind is not Kind.HYBRID and o.metered == metered.name)
    owned = next(o for o in options if o.kind is Kind.OWNED)
    both = next(o for o in options if o.kind is Kind.HYBRID and o.metered == metered.name)
    best_pure = min(bought, owned, key=lambda option: option.usd_per_month)
    best = min(best_pure, both, key=lambda option: option.usd_per_month)
    against = f"Against {words.api(metered.name)} alone"
    if best is bought:
        return (
            f"{against}: buying wins, {words.usd(bought.usd_per_month)} a month; "
            f"owning everything costs {words.usd(owned.usd_per_month)}."
        )
    less = words.percent(1.0 - best.usd_per_month / bought.usd_per_month)
    text = (
        f"{against}: {words.usd(best.usd_per_month)} a month instead of "
        f"{words.usd(bought.usd_per_month)}, {less} less, "
    )
    owning = words.replicas(best.replicas, best.spare_replicas)
    if best is owned:
        return text + f"owning everything on {owning}."
    saved = words.percent(1.0 - best.usd_per_month / best_pure.usd_per_month)
    spill = words.percent(1.0 - best.owned_tokens_share)
    return text + f"owning {owning} and buying {spill} of the tokens; {saved} below the better pure option."


def _without_spare(inputs: Inputs, options: tuple[Option, ...]) -> str:
    """Where nothing stands by, what owning everything costs with an idle spare, which is how `spares` has it.

    The month and the verdicts keep the spare as it was asked for on both sides.
    """
    if inputs.fleet.spare is not Spare.NONE:
        return ""
    owned = next(o for o in options if o.kind is Kind.OWNED)
    usd = replace(inputs.fleet, spare=Spare.IDLE).month_usd(owned.replicas)
    text = (
        "All of this is without a spare, and nothing takes over for a lost replica where everything is "
        f"owned: with an idle one that costs {words.usd(usd)}"
    )
    below = [
        f"{words.percent(each.saves_share)} below the better pure option against {words.api(each.against)}"
        for metered in inputs.metered
        if (each := priced(inputs, metered, Spare.NONE)).replicas
    ]
    return f"{text}, and the hybrid is {' and '.join(below)}." if below else f"{text}."


def what_if(inputs: Inputs, cheapest: Option) -> tuple[WhatIf, ...]:
    """What would be cheapest if one input were different: volume, prices, throughput, people, spare."""
    fleet = inputs.fleet
    cheaper_tokens = tuple(replace(m, usd_per_million=m.usd_per_million / 2) for m in inputs.metered)
    changes: list[tuple[str, Inputs]] = [
        ("half the traffic", replace(inputs, tokens_per_day=inputs.tokens_per_day / 2)),
        ("twice the traffic", replace(inputs, tokens_per_day=inputs.tokens_per_day * 2)),
        ("ten times the traffic", replace(inputs, tokens_per_day=inputs.tokens_per_day * 10)),
        ("token prices fall by half", replace(inputs, metered=cheaper_tokens)),
        ("GPU hours cost half", _with_fleet(inputs, usd_per_hour=fleet.usd_per_hour / 2)),
        ("GPU hours cost twice as much", _with_fleet(inputs, usd_per_hour=fleet.usd_per_hour * 2)),
        (
            "throughput is 15% lower",
            _with_fleet(inputs, throughput_tokens_per_s=fleet.throughput_tokens_per_s * 0.85),
        ),
        (
            "throughput is 15% higher",
            _with_fleet(inputs, throughput_tokens_per_s=fleet.throughput_tokens_per_s * 1.15),
        ),
    ]
    if fleet.team_usd_per_month:
        changes.append(("the people are there anyway", _with_fleet(inputs, team_usd_per_month=0.0)))
    else:
        changes.append(("one engineer at $15,000 a month", _with_fleet(inputs, team_usd_per_month=15_000.0)))
    if fleet.spare is Spare.NONE:
        changes.append(("an idle spare stands by", _with_fleet(inputs, spare=Spare.IDLE)))
    else:
        changes.append(("no spare: the API takes over", _with_fleet(inputs, spare=Spare.NONE)))
    frontier = tuple(m for m in inputs.metered if m.role is Role.FRONTIER)
    if frontier and len(frontier) < len(inputs.metered):
        changes.append(("the open model is not sold as an API", replace(inputs, metered=frontier)))
    return tuple(_changed(words_, changed, cheapest) for words_, changed in changes)


def _with_fleet(inputs: Inputs, **fields: Any) -> Inputs:
    return replace(inputs, fleet=replace(inputs.fleet, **fields))


def _changed(change: str, inputs: Inputs, before: Option) -> WhatIf:
    best = min(price_options(inputs), key=lambda option: option.usd_per_month)
    same = (best.kind, best.metered) == (before.kind, before.metered)
    return WhatIf(change, _do(inputs, best), best.usd_per_month, not same)
