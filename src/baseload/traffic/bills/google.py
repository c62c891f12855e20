"""Vertex AI and the Gemini API in Google Cloud's billing: the cost table as CSV, and the BigQuery export.

Cost table: an invoice's summary, then a header with Service description, SKU description, Usage start date,
Usage end date (the last day), Usage amount, Usage unit, Unrounded cost ($), Cost ($), Cost type, Project ID.
BigQuery export (`gcp_billing_export_v1_…`, as JSON, JSON Lines or flattened CSV): service.description,
sku.description, usage_start_time, usage_end_time (an hour), usage.amount, usage.unit, cost, currency,
credits. The SKU says all about the tokens: `Gemini 2.5 Flash GA Text Input - Predictions`,
`… Input Text Caching (Long)`, `… Text Output (Thinking On) - Batch Predictions`. Every kind is a line of its
own, the unit of text is a token (`count`), requests are not counted.

https://docs.cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage
https://cloud.google.com/skus/sku-groups/vertex-api-gemini-2-x-skus
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from baseload.traffic.bills.anthropic import model_id
from baseload.traffic.bills.aws import token_kind, with_tokens
from baseload.traffic.bills.bill import DAY_NS, Item, Line, Tier
from baseload.traffic.bills.left_out import LeftOut
from baseload.traffic.bills.records import Record, inner, moment_ns, some, text, usd
from baseload.traffic.cells import short

SELLER = "google"

_SERVICES = re.compile(r"vertex|gemini|generative language|ai platform|agent platform", re.IGNORECASE)
_TOKEN_UNITS = {"count": 1, "counts": 1, "request": 1, "requests": 1, "token": 1, "tokens": 1,
                "1k tokens": 1000, "1m tokens": 1_000_000}  # fmt: skip
_GEMINI = re.compile(r"gemini (\d+(?:\.\d+)?) (pro|flash(?: lite)?|nano|ultra)", re.IGNORECASE)
_PARTNER = re.compile(
    r"(?:claude|llama|mistral|codestral|deepseek|qwen|gpt-oss)[ -].*?"
    r"(?= (?:input|output|cache|batch|1h|5m)\b|:| - |$)",
    re.IGNORECASE,
)
_MODALITIES = re.compile(r"\b(audio|image|video|character|grounding|tuning|storage|embedding)", re.IGNORECASE)


def is_billing(keys: frozenset[str]) -> bool:
    """Whether these are columns of the cost table, or keys of the BigQuery export."""
    return (
        {"SKU description", "Service description"} <= keys
        or {"sku", "service", "usage_start_time"} <= keys
        or ("usage_start_time" in keys and bool({"sku.description", "sku_description"} & keys))
    )


def billing_lines(record: Record, left_out: LeftOut) -> Iterator[Line]:
    """One line of the cost table or row of the export, and one for each credit on it."""
    cost = _get(record, "Unrounded Cost ($)", "Unrounded cost ($)", "Cost ($)", "cost")
    if cost is None:
        raise ValueError("no cost in dollars: Unrounded Cost ($), Cost ($) or cost")
    dollars = usd(cost)
    service = text(_get(record, "Service description", "service.description"))
    sku = text(_get(record, "SKU description", "sku.description"))
    if not _SERVICES.search(service):
        left_out.add("another service than Vertex AI or the Gemini API", dollars)
        return
    currency = text(_get(record, "currency", "Currency") or "USD")
    if currency != "USD":
        raise ValueError(f"the amount is in {short(currency)}, not in USD")
    start_ns, end_ns = _span(record)
    line = Line(
        start_ns,
        end_ns,
        item=Item.OTHER,
        what=sku,
        seller=SELLER,
        tenant=text(_get(record, "Project ID", "Project name", "project.id", "project.name")),
        usd=dollars,
    )
    kind = text(_get(record, "Cost type", "cost_type") or "usage").lower()
    yield _of_sku(line, sku, record) if kind in ("usage", "regular") else line._replace(what=f"{kind}: {sku}")
    for credit in record.get("credits") or ():
        if isinstance(credit, dict) and credit.get("amount"):
            words = f"credit: {text(some(credit, 'name', 'full_name', 'id'))}"
            yield line._replace(what=words, usd=usd(credit["amount"]))


def _of_sku(line: Line, sku: str, record: Record) -> Line:
    """The line with what its SKU says, as it is where that is not tokens of text."""
    words = sku.lower()
    item, model = token_kind(words), model_of(sku)
    unit = text(_get(record, "Usage unit", "usage.unit")).lower()
    amount = _get(record, "Usage amount", "usage.amount")
    if item is None or not model or _MODALITIES.search(sku):
        return line
    tier = next(
        (tier for tier in (Tier.BATCH, Tier.FLEX, Tier.PRIORITY) if tier.value in words), Tier.STANDARD
    )
    line = line._replace(
        model=model, item=item, what="", tier=tier, long_context="(long)" in words or "long context" in words
    )
    if amount is None:
        return line
    if unit not in _TOKEN_UNITS:
        raise ValueError(f"the unit {short(unit)} is none of {', '.join(_TOKEN_UNITS)}")
    return with_tokens(line, item, usd(amount) * _TOKEN_UNITS[unit])


def model_of(sku: str) -> str:
    """The model a SKU names, as the price list writes it; empty where it names none."""
    if (gemini := _GEMINI.search(sku)) is not None:
        return f"gemini-{gemini[1]}-{gemini[2].lower().replace(' ', '-')}"
    partner = _PARTNER.search(sku)
    return "" if partner is None else model_id(partner[0].strip())


def _span(record: Record) -> tuple[int, int]:
    if (start := _get(record, "usage_start_time")) is not None:
        return moment_ns(start), moment_ns(_get(record, "usage_end_time"))
    start, end = _get(record, "Usage start date"), _get(record, "Usage end date")
    if start is None or end is None:
        raise ValueError("no usage dates: add the columns Usage start date and Usage end date")
    return moment_ns(start), moment_ns(end) + DAY_NS


def _get(record: Record, *names: str) -> Any:
    """The first of these with a value; `sku.description` is a column, `sku_description`, or nested."""
    for name in names:
        head, dot, rest = name.partition(".")
        found = some(record, name, name.replace(".", "_")) if dot else some(record, name)
        if found is None and dot:
            found = some(inner(record, head), rest)
        if found is not None:
            return found
    return None
