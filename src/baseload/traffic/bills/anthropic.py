"""Anthropic's usage and cost exports: pages of the admin API as JSON, and the Console's CSV files.

Usage (`/v1/organizations/usage_report/messages`; buckets of a minute, an hour or a day): starting_at,
ending_at, model, uncached_input_tokens, cache_read_input_tokens, cache_creation.ephemeral_5m_input_tokens
and …_1h_input_tokens (the four are disjoint), output_tokens, service_tier, context_window, workspace_id.
Requests are not counted, and there are no dollars. The Console's CSV: usage_date_utc, model_version,
usage_input_tokens_no_cache, …_cache_write_5m, …_cache_write_1h, …_cache_read, usage_output_tokens,
usage_type, context_window, workspace, api_key.
Costs (`/v1/organizations/cost_report`; buckets of a day): amount is a decimal string in *cents*; token_type,
model, service_tier, context_window and cost_type are set with `group_by[]=description`. Costs of the priority
tier are not in it. The Console's CSV has cost_usd in dollars, and models by their display names.

https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-messages-usage-report
https://platform.claude.com/docs/en/api/admin/cost_report
https://support.anthropic.com/en/articles/9534590-cost-and-usage-reporting-in-console
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from baseload.traffic.bills.bill import DAY_NS, Item, Line, Tier
from baseload.traffic.bills.left_out import LeftOut
from baseload.traffic.bills.records import Record, count, inner, moment_ns, some, text, usd
from baseload.traffic.cells import short

SELLER = "anthropic"

CENT = Decimal("0.01")
_HOUR_NS = DAY_NS // 24

_TIERS = {
    "batch": Tier.BATCH,
    "message_batch": Tier.BATCH,
    "priority": Tier.PRIORITY,
    "priority_on_demand": Tier.PRIORITY,
    "flex": Tier.FLEX,
    "flex_discount": Tier.FLEX,
}
_KINDS = {
    "uncached_input_tokens": Item.INPUT,
    "input_no_cache": Item.INPUT,
    "cache_read_input_tokens": Item.CACHED,
    "input_cache_read": Item.CACHED,
    "cache_creation.ephemeral_5m_input_tokens": Item.WRITE,
    "input_cache_write": Item.WRITE,
    "input_cache_write_5m": Item.WRITE,
    "cache_creation.ephemeral_1h_input_tokens": Item.WRITE_1H,
    "input_cache_write_1h": Item.WRITE_1H,
    "output_tokens": Item.OUTPUT,
    "output": Item.OUTPUT,
}


def is_usage(keys: frozenset[str]) -> bool:
    """Whether these are the keys or columns of a usage export."""
    return {"usage_date_utc", "usage_output_tokens"} <= keys or "uncached_input_tokens" in keys


def is_costs(keys: frozenset[str]) -> bool:
    """Whether these are the keys or columns of a cost export."""
    return {"usage_date_utc", "cost_usd"} <= keys or {"starting_at", "amount"} <= keys


def usage_lines(record: Record, _: LeftOut) -> Iterator[Line]:
    """One result of a bucket, or one row of the Console's file."""
    start_ns, end_ns = _bucket(record)
    writes = inner(record, "cache_creation")
    cached = count(record, "cache_read_input_tokens", "usage_input_tokens_cache_read")
    written = count(record, "usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write")
    written += count(writes, "ephemeral_5m_input_tokens")
    written_1h = count(record, "usage_input_tokens_cache_write_1h")
    written_1h += count(writes, "ephemeral_1h_input_tokens")
    uncached = count(record, "uncached_input_tokens", "usage_input_tokens_no_cache")
    yield Line(
        start_ns,
        end_ns,
        model=text(some(record, "model", "model_version")),
        seller=SELLER,
        tenant=_tenant(record),
        tier=_tier(record),
        long_context=_long(record),
        input_tokens=uncached + cached + written + written_1h,
        cached_tokens=cached,
        written_tokens=written,
        written_1h_tokens=written_1h,
        output_tokens=count(record, "output_tokens", "usage_output_tokens"),
    )


def costs_lines(record: Record, _: LeftOut) -> Iterator[Line]:
    """One result of a day, or one row of the Console's file."""
    start_ns, end_ns = _bucket(record)
    dollars = some(record, "cost_usd")
    amount = some(record, "amount")
    if dollars is None and amount is None:
        yield Line(start_ns, end_ns, seller=SELLER)
        return
    if (currency := text(some(record, "currency") or "USD")).upper() != "USD":
        raise ValueError(f"the amount is in {short(currency)}, not in USD")
    item = _KINDS.get(text(record.get("token_type")).lower(), Item.OTHER)
    words = text(some(record, "description", "cost_type", "usage_type")) or "costs without a description"
    yield Line(
        start_ns,
        end_ns,
        model="" if item is Item.OTHER else model_id(text(record.get("model"))),
        item=item,
        what=words if item is Item.OTHER else "",
        seller=SELLER,
        tenant=_tenant(record),
        tier=_tier(record),
        long_context=_long(record),
        usd=usd(dollars) if dollars is not None else usd(amount) * CENT,
    )


def model_id(name: str) -> str:
    """The id of a model by its display name: `Claude Sonnet 4.5` is `claude-sonnet-4-5`."""
    if " " not in name:
        return name
    dated = re.sub(r"(\d{4})-(\d\d)-(\d\d)$", r"\1\2\3", name.strip().lower())
    return re.sub(r"[ .]+", "-", dated)


def _bucket(record: Record) -> tuple[int, int]:
    date = some(record, "usage_date_utc")
    if date is None:
        return moment_ns(record.get("starting_at")), moment_ns(record.get("ending_at"))
    start_ns = moment_ns(date)
    return start_ns, start_ns + (_HOUR_NS if ":" in text(date) else DAY_NS)


def _tenant(record: Record) -> str:
    return text(some(record, "workspace", "workspace_id"))


def _tier(record: Record) -> Tier:
    return _TIERS.get(text(some(record, "service_tier", "usage_type")).lower(), Tier.STANDARD)


def _long(record: Record) -> bool | None:
    window = text(record.get("context_window")).replace(" ", "").lower()
    if not window:
        return None
    return window.startswith((">", "200k-"))
