"""What to do, why, what would change it, what is locked in, what leaving costs, and who is needed when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from baseload.plan import words
from baseload.plan.answers import QUESTIONS, Answers
from baseload.plan.bought import under_contract
from baseload.plan.costs import Spare
from baseload.plan.model import Kind, Option, Plan, Role
from baseload.plan.reasons import Reason, data_may_leave, reasons, sized_slower, too_slow
from baseload.plan.rented import Term
from baseload.plan.risk import Bar
from baseload.plan.tco import OptionTco

_BOUGHT = (Kind.FRONTIER_API, Kind.OPEN_API)
SHOWN_CHANGES = 8
"""Things that would change the recommendation, at most so many: the first are the likeliest to matter."""


@dataclass(frozen=True, slots=True)
class PeopleStep:
    """From this month (from 1) on so many engineers are needed; the decision to hire falls in `hire_by`.

    `hire_by` is 0 or below where it should have been taken already.
    """

    month: int
    engineers: int
    hire_by: int


@dataclass(frozen=True)
class Advice:
    """`option` is None where nothing meets every answer. `ruled_out` says which options cannot be and why.

    `action` is the recommendation without its figures.
    """

    option: str | None
    action: str
    recommendation: str
    ruled_out: tuple[tuple[str, str], ...]
    reasons: tuple[Reason, ...]
    would_change: tuple[str, ...]
    locked_in: tuple[str, ...]
    leaving_usd_12: float
    leaving_usd_24: float
    leaving_usd_36: float
    people: tuple[PeopleStep, ...]
    ask: tuple[tuple[str, str], ...]


def advise(plan: Plan) -> Advice:
    """The advice for this plan and the answers in it."""
    ruled_out = {o.name: why for o in plan.options if (why := _ruled_out(plan, o)) is not None}
    best = _best(plan, ruled_out)
    judged = reasons(plan)
    unasked = {reason.question for reason in judged if reason.holds is None and reason.question}
    leaving = best.leaving_usd if best is not None else (0.0,) * 36
    return Advice(
        option=None if best is None else best.option.name,
        action="Nothing meets every answer" if best is None else _do(plan, best),
        recommendation=_recommendation(plan, best, judged),
        ruled_out=tuple(ruled_out.items()),
        reasons=judged,
        would_change=tuple(_changes(plan, best))[:SHOWN_CHANGES],
        locked_in=_locked_in(plan, best),
        leaving_usd_12=leaving[11],
        leaving_usd_24=leaving[23],
        leaving_usd_36=leaving[35],
        people=_people(plan, best),
        ask=tuple((name, text) for name, text in QUESTIONS.items() if name in unasked),
    )


def _best(plan: Plan, ruled_out: dict[str, str]) -> OptionTco | None:
    left = [each for each in plan.tco.options if each.option.name not in ruled_out]
    return min(left, key=lambda each: round(each.usd_36, 2)) if left else None


def _ruled_out(plan: Plan, option: Option) -> str | None:
    """Why the answers leave this option out; None where they do not."""
    said = plan.inputs.answers
    role = next((m.role for m in plan.inputs.metered if m.name == option.metered), None)
    buys = option.metered is not None
    if said.air_gap and buys:
        return "it needs a connection to the outside"
    if buys and data_may_leave(plan) is False:
        return "the data may not be processed by an API"
    if buys and too_slow(plan):
        kept, needed = plan.inputs.assumptions.number("api.ttft_ms"), said.latency_ttft_ms
        return f"it is taken to keep {kept:,g} ms to the first token, and {needed:,g} ms are needed"
    if said.custom_weights and (option.kind in _BOUGHT or role is Role.OPEN):
        return "it does not serve your own weights"
    needs = said.needs_frontier_model or said.special_modalities
    if needs and option.kind is not Kind.FRONTIER_API:
        return f"{plan.inputs.model} does not do what the work needs"
    return None


def _recommendation(plan: Plan, best: OptionTco | None, judged: tuple[Reason, ...]) -> str:
    if best is None:
        return (
            "Nothing meets every answer: the open model cannot do what the work needs, and an API may not be "
            "used or is too slow. Split the traffic into classes, or change an answer."
        )
    text = f"{_do(plan, best)}: {words.usd(best.usd_36)} over 36 months with every line of cost"
    others = [each for each in plan.tco.options if each.option.name != best.option.name]
    cheaper = [each for each in others if round(each.usd_36, 2) < round(best.usd_36, 2)]
    if cheaper:
        least = min(cheaper, key=lambda each: each.usd_36)
        text += (
            f"; {words.api(least.option.name)} would be cheaper ({words.usd(least.usd_36)}) but is ruled out"
        )
    elif others:
        band = next(band for band in plan.risk.bands if band.name == best.option.name)
        text += f"; the cheapest in {words.percent(band.probability_lowest)} of {plan.risk.draws:,} worlds"
    text += "."
    text += _sized_slower(plan, best)
    late = next(reason for reason in judged if reason.name == "ship_now")
    captive = bool(plan.inputs.answers.air_gap) or data_may_leave(plan) is False or too_slow(plan)
    if late.holds and best.option.kind not in _BOUGHT and not captive:
        text += f" Start at an API ({late.evidence}) and move the base load when the team is there."
    if plan.inputs.fleet.spare is Spare.NONE:
        if captive:
            text += " Traffic that no API may serve needs an owned spare: plan with --spare serving or idle."
        elif best.option.kind is Kind.OWNED:
            text += " Nothing takes over for a lost replica: plan with --spare serving or idle."
    return text


def _sized_slower(plan: Plan, best: OptionTco) -> str:
    """Where what is owned was sized for a slower first token than is needed: with what to plan instead."""
    needed = plan.inputs.answers.latency_ttft_ms
    if needed is None or not sized_slower(plan) or not any(best.replicas):
        return ""
    return f" Its replicas keep a slower first token than is needed: plan with --slo-ttft {needed:g}ms."


def _do(plan: Plan, each: OptionTco) -> str:
    option, held = each.option, words.replicas(int(each.replicas[0]), int(each.spares[0]))
    if option.kind is Kind.OWNED:
        return f"Own everything, {held} of {plan.inputs.replica}"
    if option.kind is Kind.HYBRID and each.replicas[0]:
        base = f"Own {held} of {plan.inputs.replica} for the base"
        return f"{base} and buy the peaks from {words.api(option.metered)}"
    buy = f"Buy everything from {words.api(option.metered)}"
    if not any(each.replicas):
        return buy
    month = next(month for month, count in enumerate(each.replicas, start=1) if count)
    most = words.replicas(int(max(each.replicas)), int(max(each.spares)))
    return f"{buy}, and own the base from month {month} on, up to {most} of {plan.inputs.replica}"


def _changes(plan: Plan, best: OptionTco | None) -> list[str]:
    """What would change the recommendation: figures, volumes and answers that are open."""
    found = []
    if best is not None:
        found += _volume(plan, best)
        found += [
            f"{bar.meaning} ({bar.name}) at {_end(plan, bar, bar.low)} or {_end(plan, bar, bar.high)} "
            "instead of what is assumed"
            for bar in plan.risk.tornado
            if bar.flips and best.option.name == plan.risk.recommended
        ]
        if _same_answer(best.option, plan.cheapest):
            found += [f"{each.change}: then {each.cheapest}" for each in plan.what_if if each.flips]
    for name, value in _yes(plan.inputs.answers):
        changed = replace(plan, inputs=replace(plan.inputs, answers=_with(plan.inputs.answers, name, value)))
        other = _best(
            changed, {o.name: why for o in plan.options if (why := _ruled_out(changed, o)) is not None}
        )
        if (other and other.option.name) != (best and best.option.name):
            then = "nothing compared here will do" if other is None else _do(plan, other)
            found.append(f"{QUESTIONS[name]} If {'yes' if value else 'no'}: {then[0].lower()}{then[1:]}")
    return found


def _end(plan: Plan, bar: Bar, value: float) -> str:
    return words.figure(value, plan.inputs.assumptions[bar.name].unit)


def _volume(plan: Plan, best: OptionTco) -> list[str]:
    """The volume at which the month's arithmetic turns, where the recommendation buys from one API."""
    turn = next((each for each in plan.break_even if each.against.name == best.option.metered), None)
    if turn is None or turn.hybrid_from_tokens_per_day is None:
        return []
    volume = words.tokens(turn.hybrid_from_tokens_per_day, up=True)
    name = words.api(turn.against.name)
    if best.option.replicas:
        return [f"A volume below {volume} tokens/day: then buying everything from {name} is cheaper"]
    return [f"A volume from {volume} tokens/day on: then owning the base is cheaper than {name} alone"]


def _same_answer(a: Option, b: Option) -> bool:
    """Whether two options are one answer: a hybrid that owns nothing is its API."""
    return a.metered == b.metered and (a.kind == b.kind or not (a.replicas or b.replicas))


def _yes(said: Answers) -> list[tuple[str, bool]]:
    """The open questions whose answer could rule something out."""
    names = ("sensitive_data", "custom_weights", "air_gap", "needs_frontier_model", "special_modalities")
    found = [(name, True) for name in names if getattr(said, name) is None]
    if said.sensitive_data and said.zero_retention_agreement is None:
        found.insert(0, ("zero_retention_agreement", False))
    return found


def _with(said: Answers, name: str, value: bool) -> Answers:
    if name == "sensitive_data":
        return replace(said, sensitive_data=True, zero_retention_agreement=False)
    return replace(said, **{name: value})


def _locked_in(plan: Plan, best: OptionTco | None) -> tuple[str, ...]:
    """What holds one to the recommendation, with what it costs to let go."""
    if best is None:
        return ()
    found, figures = [], plan.inputs.assumptions
    option = best.option
    if option.metered is not None:
        metered = next(m for m in plan.inputs.metered if m.name == option.metered)
        if metered.role is Role.OPEN:
            found.append(
                f"{words.api(option.metered)}: little; the same weights are sold by others and can be owned"
            )
        else:
            fits = "prompts, evaluations and answers fit one vendor's model"
            found.append(f"{words.api(option.metered)}: {fits}, which it may change, reprice or retire")
        if under_contract(plan.inputs, metered) and figures.number("api.commitment_usd_per_month"):
            found.append(
                f"{words.usd(figures.number('api.commitment_usd_per_month'))} a month promised to the API"
            )
    if best.replicas[0]:
        term = Term(figures.choice("gpu.term"))
        held = words.replicas(int(best.replicas[0]), int(best.spares[0]))
        reserved, life = figures.number("gpu.reserved_months"), figures.number("bought.life_months")
        holds = {
            Term.ON_DEMAND: f"{held} on demand: nothing; they end with the hour",
            Term.SPOT: f"{held} on spot: nothing; the provider may take them",
            Term.RESERVED: f"{held} reserved for {reserved:g} months: paid to the end",
            Term.BOUGHT: f"{held} bought: written off over {life:g} months, sold at book value at best",
        }
        found.append(holds[term])
        found.append("people: engineers and an on-call rota that do not end with the hour")
    return tuple(found)


def _people(plan: Plan, best: OptionTco | None) -> tuple[PeopleStep, ...]:
    """Where the number of engineers changes, those who are there already taken into account for hiring."""
    if best is None:
        return ()
    months = int(plan.inputs.assumptions.number("people.hiring_months"))
    have = plan.inputs.answers.engineers or 0.0
    counts = [0.0, *best.engineers]
    steps = []
    for month, (before, now) in enumerate(pairwise(counts), start=1):
        if now != before:
            steps.append(PeopleStep(month, int(now), month if now <= have else month - months))
    return tuple(steps)
