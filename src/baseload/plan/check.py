"""Last month's plan against the ledger, line by line, and why they differ.

A plan's month is compared with the ledger's time scaled to a month of 30 days. What buying cost more or less
is split in the order volume, share bought, price, so that the parts add up to the whole; what owning cost
likewise into hours paid and price of an hour.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baseload.errors import DataError, EnvironmentProblem
from baseload.ledger.ingest import ingest_once
from baseload.ledger.launch import journal_directory, store_path
from baseload.ledger.store import EVERYTHING, Filter, Store
from baseload.money import MILLION, NANO
from baseload.plan import words
from baseload.plan.costs import DAYS_PER_MONTH, HOURS_PER_MONTH, SECONDS_PER_DAY, Spare
from baseload.plan.demand import MINUTE_S, TEN_MINUTES_S
from baseload.traffic.ledger import read_ledger

LEAST_DAYS = 1 / 24
"""An hour: of less nothing can be said about a month, and the answer says so first."""

NANOSECONDS_PER_HOUR = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Month:
    """A month of serving: what a plan expects, or what the ledger holds scaled to one. Money in dollars.

    `replicas` are paid around the clock, spares included; `use_share` is the part of their price that
    served tokens, None where no hour is closed.
    """

    tokens_per_day: float
    output_share: float
    cached_share: float
    peak_over_mean: float
    owned_tokens_share: float
    metered_usd: float
    owned_usd: float
    replicas: float
    use_share: float | None

    @property
    def bought_share(self) -> float:
        """Share of the tokens that are bought."""
        return 1.0 - self.owned_tokens_share

    @property
    def bought_millions(self) -> float:
        """Millions of tokens bought."""
        return self.tokens_per_day * DAYS_PER_MONTH / MILLION * self.bought_share

    @property
    def metered_usd_per_million(self) -> float | None:
        """What a million of them cost; None where none was bought."""
        return self.metered_usd / self.bought_millions if self.bought_millions > 1e-9 else None

    @property
    def usd_per_replica_hour(self) -> float | None:
        """What a replica's hour cost; None where none was paid."""
        hours = self.replicas * HOURS_PER_MONTH
        return self.owned_usd / hours if hours > 1e-9 else None


@dataclass(frozen=True, slots=True)
class Difference:
    """One line: planned, came, in this unit; None where there is nothing to compare."""

    line: str
    unit: str
    planned: float | None
    came: float | None


@dataclass(frozen=True, slots=True)
class Cause:
    """Part of the difference in cost, in dollars a month, and why."""

    line: str
    usd: float
    why: str


@dataclass(frozen=True)
class Check:
    """The comparison; `notes` say what the ledger cannot tell."""

    option: str
    days: float
    planned: Month
    came: Month
    lines: tuple[Difference, ...]
    causes: tuple[Cause, ...]
    answer: str
    notes: tuple[str, ...]


def read_plan(path: Path) -> dict[str, Any]:
    """A plan as `baseload plan --json` printed it. Raises EnvironmentProblem or DataError."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror}", hint="name a saved plan") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not JSON: {error}", hint="baseload plan … --json > plan.json") from None
    if not isinstance(said, dict) or not {"options", "cheapest", "replica", "tokens_per_day"} <= said.keys():
        raise DataError(f"{path} is not a plan", hint="baseload plan … --json > plan.json")
    return said


def planned_month(plan: Mapping[str, Any]) -> tuple[str, Month]:
    """The recommended option of a plan, or its cheapest, and that option's month."""
    name = (plan.get("advice") or {}).get("option") or plan["cheapest"]
    option = next((each for each in plan["options"] if each["name"] == name), None)
    if option is None:
        raise DataError(f"the plan has no option {name!r}", hint="make the plan again")
    replicas = option["replicas"] + option["spare_replicas"]
    owned_usd = replicas * plan["replica"]["usd_per_month"]
    people = plan["replica"]["team_usd_per_month"] if option["replicas"] else 0.0
    serving = replicas if plan["replica"]["spare"] == Spare.SERVING else option["replicas"]
    return name, Month(
        tokens_per_day=plan["tokens_per_day"],
        output_share=plan["output_share"],
        cached_share=plan["cached_share"],
        peak_over_mean=plan["peak_over_mean"],
        owned_tokens_share=option["owned_tokens_share"],
        metered_usd=option["usd_per_month"] - owned_usd - people,
        owned_usd=owned_usd,
        replicas=float(replicas),
        use_share=option["use"] * serving / replicas if replicas else None,
    )


def ledger_month(ledger: Path, only: Filter = EVERYTHING) -> tuple[float, Month, tuple[str, ...]]:
    """Days the ledger covers, its month, and what it cannot tell.

    It covers the time from the first to the last request, or that for which replicas were paid if longer.

    Raises EnvironmentProblem where there is no ledger, DataError where nothing in it was served.
    """
    if journal_directory(ledger).is_dir():
        ingest_once(journal_directory(ledger), store_path(ledger))
    with Store(store_path(ledger) if ledger.is_dir() else ledger) as store:
        sides = {row.group[0]: row for row in store.totals(["side"], only)}
        owned = store.owned(only)
    if only != EVERYTHING and not sides:
        hint = "--since and --until are days in UTC; without them all of the ledger counts"
        raise DataError(f"{ledger}: holds no request of these days", hint=hint)
    traffic = read_ledger(ledger, only)
    day = traffic.tokens_per_day()
    tokens = {side: row.input_tokens + row.output_tokens for side, row in sides.items()}
    metered = sides.get("metered")
    paid_s = max(((row.paid_ns + row.open_ns) / 1e9 for row in owned), default=0.0)
    days = max(traffic.duration_s, paid_s) / SECONDS_PER_DAY
    covered = traffic.duration_s / SECONDS_PER_DAY / days
    load = traffic.load(min(TEN_MINUTES_S if days >= 1 else MINUTE_S, traffic.duration_s)).tokens_per_s
    paid_ns = sum(row.paid_ns + row.open_ns for row in owned)
    price = sum(row.price_nano + row.open_price_nano for row in owned)
    closed = sum(row.price_nano for row in owned)
    month = Month(
        tokens_per_day=day.total * covered,
        output_share=day.output / day.total,
        cached_share=day.cached / day.input if day.input else 0.0,
        peak_over_mean=float(load.max() / load.mean()) / covered,
        owned_tokens_share=tokens.get("owned", 0) / max(sum(tokens.values()), 1),
        metered_usd=(metered.cost_nano / NANO if metered else 0.0) / days * DAYS_PER_MONTH,
        owned_usd=price / NANO / days * DAYS_PER_MONTH,
        replicas=paid_ns / NANOSECONDS_PER_HOUR / (days * 24),
        use_share=sum(row.amortised_nano for row in owned) / closed if closed else None,
    )
    notes = [*traffic.notes]
    if metered and metered.cost_unknown:
        notes.append(
            f"{metered.cost_unknown:,} attempts at metered targets have no known cost and count as none"
        )
    if tokens.get("owned") and not paid_ns:
        notes.append("no hour of the owned replicas is booked yet: what they cost is not in it")
    if days < DAYS_PER_MONTH:
        notes.append(f"{days:.3g} days stand for a month of {DAYS_PER_MONTH}")
    notes.append("people and the other lines of a plan are not in a ledger and not compared")
    return days, month, tuple(notes)


def check(plan: Mapping[str, Any], ledger: Path, only: Filter = EVERYTHING) -> Check:
    """The plan beside the ledger, or beside the part of it that `only` lets through."""
    option, planned = planned_month(plan)
    days, came, notes = ledger_month(ledger, only)
    return compare(option, planned, came, days, notes)


def compare(option: str, planned: Month, came: Month, days: float, notes: tuple[str, ...] = ()) -> Check:
    """Line by line, with the difference in cost split into causes that add up to it. Pure."""
    lines = (
        Difference("volume", "tokens/day", planned.tokens_per_day, came.tokens_per_day),
        Difference("output tokens", "share", planned.output_share, came.output_share),
        Difference("cached input", "share", planned.cached_share, came.cached_share),
        Difference("busiest window", "× the mean", planned.peak_over_mean, came.peak_over_mean),
        Difference("owned tokens", "share", planned.owned_tokens_share, came.owned_tokens_share),
        Difference("replicas paid", "count", planned.replicas, came.replicas),
        Difference("price of a replica", "$/hour", planned.usd_per_replica_hour, came.usd_per_replica_hour),
        Difference("use of what is paid", "share", planned.use_share, came.use_share),
        Difference(
            "price of bought tokens", "$/M", planned.metered_usd_per_million, came.metered_usd_per_million
        ),
        Difference("bought", "$/month", planned.metered_usd, came.metered_usd),
        Difference("owned", "$/month", planned.owned_usd, came.owned_usd),
        Difference("together", "$/month", _both(planned), _both(came)),
    )
    causes = (*_bought_causes(planned, came), *_owned_causes(planned, came))
    answer = _too_little(days) + _answer(option, planned, came, causes)
    return Check(option, days, planned, came, lines, causes, answer, notes)


def _too_little(days: float) -> str:
    """What stands before the answer where the ledger covers less than an hour."""
    if days >= LEAST_DAYS:
        return ""
    span_s = days * SECONDS_PER_DAY
    span = f"{span_s:.0f} s" if span_s < 120 else f"{span_s / 60:.0f} min"
    return f"{span} of traffic are too little to judge a month by. "


def _both(month: Month) -> float:
    return month.metered_usd + month.owned_usd


def _bought_causes(planned: Month, came: Month) -> tuple[Cause, ...]:
    """Volume at the planned share and price, then the share, then the price."""
    p = planned.metered_usd_per_million
    q = came.metered_usd_per_million
    p = q if p is None else p
    q = p if q is None else q
    if p is None or q is None:
        return ()
    bought = planned.bought_share
    volume = (came.tokens_per_day - planned.tokens_per_day) * DAYS_PER_MONTH / MILLION * bought
    share = came.bought_millions - planned.bought_millions - volume
    mix = f"{words.percent(planned.output_share)} output planned, {words.percent(came.output_share)} came"
    return (
        Cause(
            "bought",
            volume * p,
            f"volume: {words.tokens(planned.tokens_per_day)} tokens/day planned, "
            f"{words.tokens(came.tokens_per_day)} came",
        ),
        Cause(
            "bought",
            share * p,
            f"share bought: {words.percent(bought)} planned, {words.percent(came.bought_share)} came; "
            f"busiest window {planned.peak_over_mean:.2f} × the mean planned, {came.peak_over_mean:.2f} came",
        ),
        Cause(
            "bought",
            (q - p) * came.bought_millions,
            f"price: {words.usd_per_million(p)} planned, {words.usd_per_million(q)} paid; {mix}",
        ),
    )


def _owned_causes(planned: Month, came: Month) -> tuple[Cause, ...]:
    """Hours at the planned price, then the price."""
    p, q = planned.usd_per_replica_hour, came.usd_per_replica_hour
    p = q if p is None else p
    q = p if q is None else q
    if p is None or q is None:
        return ()
    more = (came.replicas - planned.replicas) * HOURS_PER_MONTH
    one = "replica" if planned.replicas == 1 else "replicas"
    counts = f"{planned.replicas:.3g} {one} around the clock planned, {came.replicas:.3g} paid"
    return (
        Cause("owned", more * p, f"hours: {counts}"),
        Cause(
            "owned",
            (q - p) * came.replicas * HOURS_PER_MONTH,
            f"price: {words.usd(p)} an hour planned, {words.usd(q)} paid",
        ),
    )


def _answer(option: str, planned: Month, came: Month, causes: tuple[Cause, ...]) -> str:
    before, after = _both(planned), _both(came)
    text = f"{option}: {words.usd(before)} a month planned, {words.usd(after)} came"
    if before > 0:
        text += f", {abs(after / before - 1) * 100:.0f}% {'more' if after > before else 'less'}"
    largest = max(causes, key=lambda cause: abs(cause.usd), default=None)
    if largest is not None and abs(largest.usd) > 0.005:
        sign = "+" if largest.usd > 0 else "−"
        text += f"; most of it: {largest.why} ({sign}{words.usd(abs(largest.usd))})"
    return f"{text}."


def check_dict(found: Check) -> dict[str, Any]:
    """The comparison as plain data: what `baseload plan --check PLAN LEDGER --json` prints."""
    return {
        "option": found.option,
        "days": round(found.days, 4),
        "answer": found.answer,
        "lines": [
            {
                "line": each.line,
                "unit": each.unit,
                "planned": _rounded(each.planned),
                "came": _rounded(each.came),
            }
            for each in found.lines
        ],
        "causes": [
            {"line": each.line, "usd_per_month": round(each.usd, 2) + 0.0, "why": each.why}
            for each in found.causes
        ],
        "notes": list(found.notes),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
