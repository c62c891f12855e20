"""Sentences that several parts of a report share."""

from __future__ import annotations

from baseload.plan import words
from baseload.plan.advice import Advice
from baseload.plan.model import Plan


def leaving(advice: Advice) -> str:
    """What leaving costs after one, two and three years."""
    sums = ((12, advice.leaving_usd_12), (24, advice.leaving_usd_24), (36, advice.leaving_usd_36))
    return ", ".join(f"{words.usd(round(usd))} after {month}" for month, usd in sums) + " months"


def people(advice: Advice) -> list[str]:
    """Who is needed from when on, and when that is to be decided."""
    told = []
    for step in advice.people:
        engineers = "1 engineer" if step.engineers == 1 else f"{step.engineers} engineers"
        before = step.month - step.hire_by
        hired = f" (the decision to hire falls {before} months before)" if before else ""
        told.append(f"{engineers} from month {step.month}{hired}")
    return told


def holds(advice: Advice) -> list[str]:
    """What holds one to the recommendation: contracts, what leaving costs, people."""
    said = [*advice.locked_in]
    if advice.option is not None:
        said.append(f"leaving costs {leaving(advice)}")
    return [*said, *(f"people: {each}" for each in people(advice))]


def worst_scenario(plan: Plan) -> str:
    """The scenario in which the recommended option, not revised, is farthest above the best in hindsight."""
    found = next(each for each in plan.risk.regret if each.name == plan.advice.option)
    worst = max(range(len(found.regret_usd)), key=lambda at: found.regret_usd[at])
    usd, scenario = found.regret_usd[worst], plan.risk.scenarios[worst]
    if usd < 0.5:
        return "the best in every scenario that was tried"
    return f"at worst ({scenario}) it costs {words.usd(round(usd))} more than the best in hindsight"


def differs(plan: Plan) -> str:
    """Where the advice is not the cheapest option of the month, that and why; "" where it is."""
    advised, cheapest = plan.advice.option, plan.cheapest
    option = next((each for each in plan.options if each.name == advised), None)
    if option is not None and (option.metered, option.replicas) == (cheapest.metered, cheapest.replicas):
        return ""
    return f"The cheapest month is not what is advised. {plan.advice.recommendation}"
