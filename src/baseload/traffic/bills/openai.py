"""OpenAI's usage and cost exports: pages of the admin API as JSON, and the CSV files of the usage dashboard.

Usage (`/v1/organization/usage/completions`, `…/embeddings` and so on; buckets of a minute, an hour or a day):
start_time, end_time (Unix seconds), model, input_tokens (cached and written ones included), output_tokens,
input_cached_tokens, input_cache_write_tokens, num_model_requests, batch, service_tier, project_id. Without
`group_by=model` the model is null. It says no dollars.
Costs (`/v1/organization/costs`; buckets of a day): amount.value and amount.currency, line_item such as
`gpt-4o-2024-08-06, cached input`, project_id. It says no tokens. The dashboard's CSV has `amount_value` and
`amount_currency` instead.

https://platform.openai.com/docs/api-reference/usage
https://help.openai.com/en/articles/8554956-understanding-your-api-usage
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from baseload.traffic.bills.bill import Item, Line, Tier
from baseload.traffic.bills.left_out import LeftOut
from baseload.traffic.bills.records import Record, count, inner, moment_ns, some, text, usd
from baseload.traffic.cells import short

SELLER = "openai"

USAGE_MARK = "organization.usage."
COSTS_MARK = "organization.costs."

_TIERS = {"flex": Tier.FLEX, "priority": Tier.PRIORITY, "batch": Tier.BATCH}
_KINDS = {
    "input": Item.INPUT,
    "cached input": Item.CACHED,
    "cache write": Item.WRITE,
    "cache writes": Item.WRITE,
    "output": Item.OUTPUT,
}
OTHER_MODALITY = "audio or images among them"
_MODALITIES = ("input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens")
_OTHER_UNITS = ("images", "characters", "seconds", "num_sessions", "usage_bytes")


def is_usage(keys: frozenset[str]) -> bool:
    """Whether these are the columns, or keys, of a usage export."""
    times = {"start_time", "end_time"}
    # Of a time in which nothing was used the dashboard's file has the times alone.
    usage = times | {"num_model_requests"} <= keys or times | {"start_time_iso", "end_time_iso"} <= keys
    return usage and "amount_value" not in keys


def is_costs(keys: frozenset[str]) -> bool:
    """Whether these are the columns, or keys, of a cost export."""
    return {"start_time", "end_time", "amount_value"} <= keys


def usage_lines(record: Record, _: LeftOut) -> Iterator[Line]:
    """One result of a bucket."""
    start_ns, end_ns = _bucket(record)
    kind = text(record.get("object")).removeprefix(USAGE_MARK).removesuffix(".result")
    if some(record, "input_tokens", "output_tokens", "num_model_requests") is None:
        units = next(((name, count(record, name)) for name in _OTHER_UNITS if some(record, name)), None)
        what = "" if units is None else f"{kind or 'usage'}: {units[1]:,} {units[0]}"
        yield Line(start_ns, end_ns, item=Item.OTHER if what else Item.TOKENS, what=what, seller=SELLER)
        return
    yield Line(
        start_ns,
        end_ns,
        model=text(record.get("model")),
        what=OTHER_MODALITY if any(count(record, name) for name in _MODALITIES) else "",
        seller=SELLER,
        tenant=_tenant(record),
        tier=_tier(record),
        requests=None if some(record, "num_model_requests") is None else count(record, "num_model_requests"),
        input_tokens=count(record, "input_tokens"),
        cached_tokens=count(record, "input_cached_tokens"),
        written_tokens=count(record, "input_cache_write_tokens"),
        output_tokens=count(record, "output_tokens"),
    )


def costs_lines(record: Record, _: LeftOut) -> Iterator[Line]:
    """One result of a day."""
    start_ns, end_ns = _bucket(record)
    amount = inner(record, "amount")
    value = some(record, "amount_value") if not amount else some(amount, "value")
    if value is None:
        yield Line(start_ns, end_ns, seller=SELLER)
        return
    currency = text(some(record, "amount_currency") or amount.get("currency") or "usd")
    if currency.lower() != "usd":
        raise ValueError(f"the amount is in {short(currency)}, not in usd")
    words = text(record.get("line_item"))
    model, tier, item = line_item(words)
    yield Line(
        start_ns,
        end_ns,
        model=model,
        item=item,
        what=(words or "costs without a line item") if item is Item.OTHER else "",
        seller=SELLER,
        tenant=_tenant(record),
        tier=tier,
        usd=usd(value),
    )


def line_item(words: str) -> tuple[str, Tier, Item]:
    """Model, tier and kind of token of `MODEL, KIND`; no model and `Item.OTHER` for anything else.

    OpenAI does not document these words; a tier before the kind (`batch input`) is understood.
    """
    model, comma, kind = words.rpartition(", ")
    found = re.fullmatch(r"(?:(batch|flex|priority) )?(.+)", kind.strip().lower())
    if not comma or found is None or found[2] not in _KINDS:
        return "", Tier.STANDARD, Item.OTHER
    return model, _TIERS.get(found[1] or "", Tier.STANDARD), _KINDS[found[2]]


def _bucket(record: Record) -> tuple[int, int]:
    return moment_ns(record.get("start_time")), moment_ns(record.get("end_time"))


def _tenant(record: Record) -> str:
    return text(some(record, "project_name", "project_id"))


def _tier(record: Record) -> Tier:
    if text(record.get("batch")).lower() == "true":
        return Tier.BATCH
    return _TIERS.get(text(record.get("service_tier")).lower(), Tier.STANDARD)
