"""A bill as the subject of a plan: what it says of money stands beside the plan, and fills in its blanks.

Its dearest model is what owned serving is compared with where no API is named, and the share of its tokens
that were bought as batch is what may be deferred where nobody states that.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from msgspec import Struct

from baseload.errors import UnknownName
from baseload.money import NANO
from baseload.plan.costs import DAYS_PER_MONTH
from baseload.plan.model import Fact, Inputs
from baseload.plan.prices import named_offer
from baseload.plan.question import Question
from baseload.traffic.bills.bill import Bill
from baseload.traffic.bills.inferred import with_tokens
from baseload.traffic.bills.modelled import MAX_DRAWN, deferrable_share, modelled, requests_in
from baseload.traffic.bills.reconcile import Compared, Reconciliation, one_model, reconcile
from baseload.traffic.load import LoadShape
from baseload.traffic.table import Traffic

DEFERRABLE = "traffic.deferrable_share"


class Billed(Struct, frozen=True):
    """What a bill says, as a plan needs it; money in nano-dollars, None where it is not known.

    `dearest` is the catalog's `provider/model` of the model that cost most, "" where the catalog has none.
    `words` has both sums of dollars, `modelled` what of the traffic is not the bill's own.
    """

    source: str
    days: float
    billed_nano: int | None
    computed_nano: int | None
    dearest: str
    deferrable_share: float
    modelled: tuple[str, ...]
    words: str


def with_bill(question: Question, bill: Bill) -> tuple[Question, Traffic | LoadShape, Billed]:
    """The question with its blanks filled from this bill, the bill as traffic, and what it says of money.

    More than five million requests in buckets are planned with as a load. Raises DataError for a bill without
    tokens.
    """
    found, full = reconcile(bill), with_tokens(bill)
    on = question.on or datetime.now(UTC).date()
    billed = Billed(
        bill.source,
        bill.days,
        found.billed_nano,
        found.computed_nano,
        dearest(found, on),
        deferrable_share(full),
        modelled(full),
        found.words,
    )
    if not question.api and billed.dearest:
        question = replace(question, api=(billed.dearest,))
    if billed.deferrable_share and DEFERRABLE not in question.assumptions:
        stated = {
            "value": round(billed.deferrable_share, 6),
            "source": f"{bill.source}: tokens bought as batch",
            "as_of": datetime.fromtimestamp(bill.end_ns // 1_000_000_000, UTC).date().isoformat(),
        }
        question = replace(question, assumptions={DEFERRABLE: stated, **question.assumptions})
    drawn = full.of_requests or requests_in(full) <= MAX_DRAWN
    return question, full.traffic() if drawn else full.shape(), billed


def dearest(found: Reconciliation, on: date) -> str:
    """The `provider/model` of the dearest model that the catalog has a price of on this day; "" for none."""
    for row in sorted(found.rows, key=lambda row: -_together_nano(row, found)):
        if not (row.model and row.priced_as and row.billed_nano != 0):
            continue
        try:
            named_offer(row.priced_as, on)
        except UnknownName:
            continue
        return row.priced_as
    return ""


def _together_nano(row: Compared, found: Reconciliation) -> int:
    """What a model cost under all of its names."""
    return sum(each.billed_nano or each.computed_nano or 0 for each in one_model(row, found.rows))


def beside(inputs: Inputs, billed: Billed, *, named: bool) -> Inputs:
    """The inputs with the bill beside them; `named`: whether the API compared with was given."""
    facts = inputs.facts
    if billed.dearest and not named:
        facts = (*facts, Fact("API compared with", billed.dearest, f"dearest model of {billed.source}"))
    return replace(inputs, billed=billed, facts=facts)


def bill_lines(billed: Billed | None) -> list[str]:
    """The bill in words: both sums of dollars, a month of them, what may wait, what is modelled."""
    if billed is None:
        return []
    said = [f"The bill, over {billed.days:.3g} days: {billed.words}; `baseload bill` says why."]
    if (month := usd_per_month(billed)) is not None:
        said.append(f"At that rate a month is ${month:,.0f}.")
    if billed.deferrable_share:
        said.append(
            f"{billed.deferrable_share * 100:.1f}% of its tokens were bought as batch: they can wait."
        )
    return [*said, *(f"Modelled: {each}" for each in billed.modelled)]


def usd_per_month(billed: Billed) -> float | None:
    """The bill's dollars, or those computed where it says none, for 30 days; None without any."""
    nano = billed.computed_nano if billed.billed_nano is None else billed.billed_nano
    return None if nano is None or billed.days <= 0 else nano / NANO / billed.days * DAYS_PER_MONTH


def bill_dict(billed: Billed | None) -> dict[str, Any] | None:
    """The same as plain data; docs/plan.md names the keys."""
    if billed is None:
        return None
    month = usd_per_month(billed)
    return {
        "source": billed.source,
        "days": round(billed.days, 6),
        "billed_nano": billed.billed_nano,
        "computed_nano": billed.computed_nano,
        "usd_per_month": None if month is None else round(month, 2),
        "dearest": billed.dearest or None,
        "deferrable_share": round(billed.deferrable_share, 6),
        "modelled": list(billed.modelled),
    }
