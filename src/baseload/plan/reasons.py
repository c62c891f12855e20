"""The five reasons for an API and the seven for owning: judged from numbers, from an answer, or asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from baseload.plan import words
from baseload.plan.model import BreakEven, Kind, Plan, Role


class Side(StrEnum):
    """What a reason speaks for."""

    API = "api"
    OWN = "own"


class Basis(StrEnum):
    """What a judgement rests on."""

    NUMBERS = "numbers"
    ANSWER = "answer"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: whether it holds (None: nobody said), why, and the question that would settle it."""

    name: str
    side: Side
    words: str
    holds: bool | None
    basis: Basis
    evidence: str
    question: str | None = None


def reasons(plan: Plan) -> tuple[Reason, ...]:
    """All twelve, in the order of the design."""
    return (
        _low_or_uneven_volume(plan),
        _answered(plan, "frontier_model", Side.API, "needs a frontier model", "needs_frontier_model"),
        _ship_now(plan),
        _nothing_sensitive(plan),
        _answered(plan, "special_modalities", Side.API, "special modalities", "special_modalities"),
        _high_volume(plan),
        _sovereignty(plan),
        _latency(plan),
        _answered(plan, "custom_weights", Side.OWN, "weights of one's own", "custom_weights"),
        _predictable_cost(plan),
        _answered(plan, "air_gap", Side.OWN, "no connection to the outside", "air_gap"),
        _independence(plan),
    )


def _against(plan: Plan) -> BreakEven:
    """The break-even with the cheapest metered price that does what the work needs."""
    frontier = [found for found in plan.break_even if found.against.role is Role.FRONTIER]
    said = plan.inputs.answers
    other = said.needs_frontier_model or said.special_modalities or said.custom_weights
    usable = frontier if other and frontier else plan.break_even
    return min(usable, key=lambda found: found.against.usd_per_million)


def _volume(plan: Plan) -> tuple[bool, str]:
    """Whether the volume is enough to own some of it, and the numbers."""
    found, inputs = _against(plan), plan.inputs
    start = found.hybrid_from_tokens_per_day
    name = words.api(found.against.name)
    volume = f"{words.tokens(inputs.tokens_per_day)} tokens/day"
    shape = f"the busiest window is {inputs.curve.peak:.2f} × the mean"
    if start is None:
        return False, f"{volume}; against {name} owning pays at no volume; {shape}"
    pays = f"against {name} owning some of it pays from {words.tokens(start, up=True)} on"
    return inputs.tokens_per_day >= start, f"{volume}; {pays}; {shape}"


def _low_or_uneven_volume(plan: Plan) -> Reason:
    enough, evidence = _volume(plan)
    return Reason(
        "low_or_uneven_volume", Side.API, "low or uneven volume", not enough, Basis.NUMBERS, evidence
    )


def _high_volume(plan: Plan) -> Reason:
    enough, evidence = _volume(plan)
    return Reason("very_high_volume", Side.OWN, "very high volume", enough, Basis.NUMBERS, evidence)


def _answered(plan: Plan, name: str, side: Side, what: str, question: str) -> Reason:
    said = getattr(plan.inputs.answers, question)
    if said is None:
        return Reason(name, side, what, None, Basis.ASKED, "you tell us", question)
    return Reason(
        name, side, what, bool(said), Basis.ANSWER, "you said so" if said else "you said no", question
    )


def _ship_now(plan: Plan) -> Reason:
    name, what = "ship_now", "must ship now, without people who run GPUs"
    weeks, engineers = plan.inputs.answers.weeks_to_launch, plan.inputs.answers.engineers
    months = plan.inputs.assumptions.number("people.hiring_months")
    owning = [each for each in plan.tco.options if any(each.replicas)]
    needed = max(min(owning, key=lambda each: each.usd_36).engineers)
    if engineers is None:
        people = "1 engineer" if needed == 1 else f"{needed:g} engineers"
        evidence = f"you tell us; owning takes {people} here, {months:g} months to hire"
        return Reason(name, Side.API, what, None, Basis.ASKED, evidence, "engineers")
    if engineers >= 1:
        evidence = f"you have {engineers:g} engineers who run GPU serving"
        return Reason(name, Side.API, what, False, Basis.ANSWER, evidence, "engineers")
    if weeks is None:
        evidence = f"you have nobody who runs GPU serving, {months:g} months to hire; when must it be live?"
        return Reason(name, Side.API, what, None, Basis.ASKED, evidence, "weeks_to_launch")
    soon = weeks < months * 52 / 12
    evidence = f"live in {weeks:g} weeks, nobody there yet, {months:g} months to hire"
    return Reason(name, Side.API, what, soon, Basis.ANSWER, evidence, "weeks_to_launch")


def _nothing_sensitive(plan: Plan) -> Reason:
    name, what = "nothing_sensitive", "no sensitive data, or an agreement to keep nothing suffices"
    may_leave = data_may_leave(plan)
    sensitive = plan.inputs.answers.sensitive_data
    if may_leave is None:
        question = "sensitive_data" if sensitive is None else "zero_retention_agreement"
        return Reason(name, Side.API, what, None, Basis.ASKED, "you tell us", question)
    evidence = "no sensitive data, you said"
    if sensitive:
        evidence = (
            f"sensitive data and {'an' if may_leave else 'no'} agreement that nothing is kept, you said"
        )
    return Reason(name, Side.API, what, may_leave, Basis.ANSWER, evidence, "sensitive_data")


def _sovereignty(plan: Plan) -> Reason:
    name, what = "data_sovereignty", "data that may not leave"
    may_leave = data_may_leave(plan)
    if may_leave is None:
        return Reason(name, Side.OWN, what, None, Basis.ASKED, "you tell us", "sensitive_data")
    evidence = "it may be processed by others, you said" if may_leave else "it may not leave, you said"
    return Reason(name, Side.OWN, what, not may_leave, Basis.ANSWER, evidence, "sensitive_data")


def data_may_leave(plan: Plan) -> bool | None:
    """Whether prompts may be processed by an API; None where nobody said enough."""
    answers = plan.inputs.answers
    if answers.sensitive_data is None or not answers.sensitive_data:
        return None if answers.sensitive_data is None else True
    return answers.zero_retention_agreement


def _latency(plan: Plan) -> Reason:
    name, what = "ultra_low_latency", "ultra-low latency"
    needed, kept = plan.inputs.answers.latency_ttft_ms, plan.inputs.assumptions.number("api.ttft_ms")
    if needed is None:
        evidence = f"you tell us; an API is taken to keep {kept:g} ms"
        return Reason(name, Side.OWN, what, None, Basis.ASKED, evidence, "latency_ttft_ms")
    evidence = f"first token within {needed:g} ms; an API is taken to keep {kept:g} ms"
    if sized_slower(plan):
        slo_ms = plan.inputs.slo.ttft_s * 1000
        evidence += f"; this plan is sized for {slo_ms:,g} ms: plan with --slo-ttft {needed:g}ms"
    return Reason(name, Side.OWN, what, too_slow(plan), Basis.ANSWER, evidence, "latency_ttft_ms")


def too_slow(plan: Plan) -> bool:
    """Whether a first token is needed sooner than an API is taken to keep it."""
    needed = plan.inputs.answers.latency_ttft_ms
    return needed is not None and needed < plan.inputs.assumptions.number("api.ttft_ms")


def sized_slower(plan: Plan) -> bool:
    """Whether a first token is needed sooner than the SLO that the replicas of this plan keep."""
    needed = plan.inputs.answers.latency_ttft_ms
    return needed is not None and needed < plan.inputs.slo.ttft_s * 1000


def _predictable_cost(plan: Plan) -> Reason:
    spread = {
        band.name: (band.usd_36[2] - band.usd_36[0]) / max(band.usd_36[1], 1e-9) for band in plan.risk.bands
    }
    owned = next(option.name for option in plan.options if option.kind is Kind.OWNED)
    bought = _against(plan).against.name
    evidence = (
        f"P10 to P90 of 36 months spans {_percent(spread[owned])} of the median where all is owned, "
        f"{_percent(spread[bought])} at {words.api(bought)}"
    )
    holds = spread[owned] < spread[bought]
    return Reason("predictable_cost", Side.OWN, "predictable cost", holds, Basis.NUMBERS, evidence)


def _independence(plan: Plan) -> Reason:
    name, what = "provider_independence", "independence from a provider"
    sold = [metered for metered in plan.inputs.metered if metered.role is Role.OPEN]
    if sold:
        price = words.usd_per_million(sold[0].usd_per_million)
        evidence = (
            f"{plan.inputs.model} is sold as an API too ({price}): a provider can be left without owning"
        )
        return Reason(name, Side.OWN, what, False, Basis.NUMBERS, evidence)
    evidence = f"nobody compared here sells {plan.inputs.model}: leaving the API means another model"
    return Reason(name, Side.OWN, what, True, Basis.NUMBERS, evidence)


def _percent(share: float) -> str:
    return f"{share * 100:.0f}%"
