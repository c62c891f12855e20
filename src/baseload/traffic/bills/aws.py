"""Amazon Bedrock: lines of the Cost and Usage Report (CUR 2.0 or legacy, CSV), and CloudWatch metrics.

CUR: line_item_usage_start_date and …_end_date (an hour or a day), line_item_usage_type,
line_item_usage_amount in pricing_unit, line_item_unblended_cost in line_item_currency_code,
line_item_line_item_type (Usage, Tax, Credit …), line_item_product_code; in legacy reports
`lineItem/UsageType` and so on. Usage types read `USE1-Claude4Sonnet-input-tokens`, with endings such as
`-cross-region-global` and `-batch`, in `1K tokens`; models sold through the marketplace read
`USE1-MP:USE1_InputTokenCount_Global-Units`, a unit being a million tokens, and name the model in the product
(`Claude Sonnet 4.5 (Amazon Bedrock Edition)`). Every kind is a line of its own, requests are not counted.
https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html
CloudWatch, namespace AWS/Bedrock: what `aws cloudwatch get-metric-data` prints (labels that hold the model id
and the metric, as `SEARCH` makes them), or a CSV with the columns Timestamp, Period (seconds), ModelId and
the metrics InputTokenCount, OutputTokenCount, CacheReadInputTokenCount, CacheWriteInputTokenCount and
Invocations. It says no dollars; input leaves out what the cache held.
https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-runtime-metrics.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import NamedTuple

from baseload.traffic.bills.bill import Item, Line, Tier
from baseload.traffic.bills.left_out import LeftOut
from baseload.traffic.bills.records import Record, count, inner, moment_ns, some, text, usd
from baseload.traffic.cells import short
from baseload.traffic.timestamps import SECOND_NS

SELLER = "aws"

EDITION = "(Amazon Bedrock Edition)"
METRICS = (
    "InputTokenCount", "OutputTokenCount", "CacheReadInputTokenCount", "CacheWriteInputTokenCount",
    "Invocations",
)  # fmt: skip

_UNITS = {"1k tokens": 1000, "1m tokens": 1_000_000, "units": 1_000_000, "tokens": 1, "token": 1}
_MODEL_ENDS = re.compile(r"-(?:mantle-)?(?:text-)?(?:input|output|cache|batch|flex|priority)", re.IGNORECASE)


def is_cur(keys: frozenset[str]) -> bool:
    """Whether these are columns of a Cost and Usage Report."""
    return {"line_item_usage_type", "line_item_unblended_cost"} <= {_plain(key) for key in keys}


def is_cloudwatch(keys: frozenset[str]) -> bool:
    """Whether these are CloudWatch's keys, or columns named after its metrics."""
    return "MetricDataResults" in keys or {"Timestamp", "InputTokenCount"} <= keys


def cur_lines(record: Record, left_out: LeftOut) -> Iterator[Line]:
    """One line item."""
    row = {_plain(key): value for key, value in record.items()}
    cost = some(row, "line_item_unblended_cost")
    dollars = None if cost is None else usd(cost)
    product = text(
        some(row, "product_product_name", "product_servicename", "line_item_line_item_description")
    )
    product = text(inner(row, "product").get("product_name")) or product
    code, usage_type = text(row.get("line_item_product_code")), text(row.get("line_item_usage_type"))
    if "bedrock" not in f"{code} {product} {usage_type}".lower() and EDITION not in product:
        left_out.add("another service than Bedrock", dollars)
        return
    if (currency := text(some(row, "line_item_currency_code") or "USD")) != "USD":
        raise ValueError(f"the amount is in {short(currency)}, not in USD")
    start_ns = moment_ns(row.get("line_item_usage_start_date"))
    end_ns = moment_ns(row.get("line_item_usage_end_date"))
    tenant = text(some(row, "line_item_usage_account_name", "line_item_usage_account_id"))
    kind = text(some(row, "line_item_line_item_type") or "Usage")
    used = usage(usage_type, product) if kind.endswith("Usage") else None
    if used is None:
        words = f"{kind}: {usage_type or product}".strip(": ")
        yield Line(start_ns, end_ns, item=Item.OTHER, what=words, seller=SELLER, tenant=tenant, usd=dollars)
        return
    amount = usd(some(row, "line_item_usage_amount") or 0)
    unit = text(some(row, "pricing_unit") or "units").lower()
    if unit not in _UNITS:
        raise ValueError(f"the unit {short(unit)} is none of {', '.join(_UNITS)}")
    line = Line(
        start_ns,
        end_ns,
        model=used.model,
        seller=SELLER,
        tenant=tenant,
        tier=used.tier,
        long_context=used.long_context,
        usd=dollars,
    )
    yield with_tokens(line, used.item, amount * _UNITS[unit])


class Usage(NamedTuple):
    """What a usage type says."""

    model: str
    item: Item
    tier: Tier
    long_context: bool | None


def usage(usage_type: str, product: str) -> Usage | None:
    """Model, kind of token and tier of a usage type; None for one that is not of tokens.

    A model served from any region has a price of its own, so its name begins with `global.` as its id does.
    """
    words = usage_type.lower().replace("_", "-")
    if "token" not in words:
        return None
    item = token_kind(words)
    if item is None:
        return None
    name = usage_type.partition("-")[2]
    model = name[: found.start()] if (found := _MODEL_ENDS.search(name)) else ""
    if not model or name.startswith("MP:"):
        model = product.replace(EDITION, "").strip()
    if "global" in words:
        model = f"global.{model}"
    tier = next(
        (tier for tier in (Tier.BATCH, Tier.FLEX, Tier.PRIORITY) if tier.value in words), Tier.STANDARD
    )
    return Usage(model, item, tier, True if re.search(r"long-(context|ctx)|lctx", words) else None)


def token_kind(words: str) -> Item | None:
    """The kind of token that lower-case words name; None where they name none."""
    if "cach" in words:
        if "write" in words or "creation" in words:
            return Item.WRITE_1H if re.search(r"1 ?h", words) else Item.WRITE
        return Item.CACHED
    if "output" in words:
        return Item.OUTPUT
    return Item.INPUT if "input" in words else None


def with_tokens(line: Line, item: Item, amount: Decimal) -> Line:
    """The line with so many tokens of one kind; an amount that is no whole number is rounded half-even."""
    tokens = int(amount.to_integral_value(ROUND_HALF_EVEN))
    if item is Item.OUTPUT:
        return line._replace(item=item, output_tokens=tokens)
    line = line._replace(item=item, input_tokens=tokens)
    match item:
        case Item.CACHED:
            return line._replace(cached_tokens=tokens)
        case Item.WRITE:
            return line._replace(written_tokens=tokens)
        case Item.WRITE_1H:
            return line._replace(written_1h_tokens=tokens)
    return line


def cloudwatch_lines(record: Record, left_out: LeftOut) -> Iterator[Line]:
    """Every point of a reply, or one row of a table."""
    if "MetricDataResults" not in record:
        start_ns = moment_ns(record.get("Timestamp"))
        if some(record, "Period") is None:
            raise ValueError("no Period: how many seconds a point stands for")
        end_ns = start_ns + count(record, "Period") * SECOND_NS
        metrics = {name: count(record, name) for name in METRICS if some(record, name) is not None}
        yield _of_metrics(start_ns, end_ns, text(record.get("ModelId")), metrics)
        return
    points: dict[tuple[int, str], dict[str, int]] = {}
    for series in record["MetricDataResults"]:
        model, metric = _label(text(series.get("Label")) or text(series.get("Id")))
        if metric is None:
            left_out.add("a metric that counts no tokens")
            continue
        for time, value in zip(series.get("Timestamps", ()), series.get("Values", ()), strict=True):
            metrics = points.setdefault((moment_ns(time), model), {})
            metrics[metric] = metrics.get(metric, 0) + count({"Values": value}, "Values")
    times = sorted({at for at, _ in points})
    if len(times) < 2:
        raise ValueError("fewer than two points in time: the period is not to be seen")
    period_ns = min(b - a for a, b in pairwise(times))
    for (at, model), metrics in sorted(points.items()):
        yield _of_metrics(at, at + period_ns, model, metrics)


def _of_metrics(start_ns: int, end_ns: int, model: str, metrics: dict[str, int]) -> Line:
    cached, written = metrics.get("CacheReadInputTokenCount", 0), metrics.get("CacheWriteInputTokenCount", 0)
    return Line(
        start_ns,
        end_ns,
        model=model,
        seller=SELLER,
        requests=metrics.get("Invocations"),
        input_tokens=metrics.get("InputTokenCount", 0) + cached + written,
        cached_tokens=cached,
        written_tokens=written,
        output_tokens=metrics.get("OutputTokenCount", 0),
    )


def _label(label: str) -> tuple[str, str | None]:
    """Model id and metric of a series' label, in either order."""
    parts = label.replace("AWS/Bedrock", "").split()
    metric = next((part for part in parts if part in METRICS), None)
    return " ".join(part for part in parts if part != metric), metric


def _plain(key: str) -> str:
    """`lineItem/UsageType` as CUR 2.0 writes it: `line_item_usage_type`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key.replace("/", "_")).lower().replace("__", "_")
