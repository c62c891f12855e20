"""Logs of gateways and observers, one record a request: LiteLLM, Helicone, Langfuse.

LiteLLM: rows of the table `LiteLLM_SpendLogs` as CSV or JSON Lines, or the array that `/spend/logs` answers:
startTime (UTC), model, custom_llm_provider, prompt_tokens (cached ones included), completion_tokens, spend in
dollars, team_id, status, cache_hit; cached tokens stand in metadata.usage_object or
metadata.additional_usage_values. https://docs.litellm.ai/docs/proxy/cost_tracking and the schema in
https://github.com/BerriAI/litellm/blob/main/schema.prisma
Helicone: files of `@helicone/export` (CSV, JSON, JSON Lines) and replies of `/v1/request/query-clickhouse`:
request_created_at, model, prompt_tokens, completion_tokens, cost (or cost_usd) in dollars, response_status,
request_user_id; JSON also has provider, prompt_cache_read_tokens and prompt_cache_write_tokens. Prompt tokens
of Anthropic's models leave out the cached ones, as the API's own count does.
https://docs.helicone.ai/tools/export
Langfuse: observations from a blob storage export or the UI (CSV, JSON, JSON Lines), of which generations and
embeddings count: start_time, provided_model_name, usage_details (input, output, total and more), total_cost
and cost_details in dollars; the same in camel case from the UI and the API.
https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from baseload.catalog.providers import provider
from baseload.traffic.bills.bill import Line
from baseload.traffic.bills.left_out import LeftOut
from baseload.traffic.bills.records import Record, count, inner, moment_ns, some, text, usd

FIRST_PARTY = {"gpt": "openai", "o1": "openai", "o3": "openai", "o4": "openai", "chatgpt": "openai",
               "text-embedding": "openai", "claude": "anthropic", "gemini": "google"}  # fmt: skip
"""Whose model a name is that begins so, where the log names no provider."""


def is_litellm(keys: frozenset[str]) -> bool:
    """Whether these are keys of LiteLLM's spend logs."""
    return {"startTime", "spend", "prompt_tokens", "completion_tokens"} <= keys


def is_helicone(keys: frozenset[str]) -> bool:
    """Whether these are keys of a Helicone export."""
    return {"request_created_at", "prompt_tokens", "completion_tokens"} <= keys


def is_langfuse(keys: frozenset[str]) -> bool:
    """Whether these are keys of Langfuse observations."""
    return bool({"usage_details", "usageDetails"} & keys) and bool({"start_time", "startTime"} & keys)


def litellm_lines(record: Record, left_out: LeftOut) -> Iterator[Line]:
    """One request that LiteLLM passed on."""
    dollars = _dollars(record, "spend")
    if text(record.get("status")).lower() == "failure":
        left_out.add("the request failed", dollars)
        return
    if text(record.get("cache_hit")).lower() == "true":
        left_out.add("answered from LiteLLM's own cache", dollars)
        return
    metadata = inner(record, "metadata")
    usage, more = inner(metadata, "usage_object"), inner(metadata, "additional_usage_values")
    details = inner(usage, "prompt_tokens_details")
    cached = count(usage, "cache_read_input_tokens") or count(more, "cache_read_input_tokens")
    written = count(usage, "cache_creation_input_tokens") or count(more, "cache_creation_input_tokens")
    seller, model = _seller(text(record.get("custom_llm_provider")), text(record.get("model")))
    yield _request(
        record.get("startTime"),
        Line(
            0,
            0,
            model=model,
            seller=seller,
            tenant=text(some(record, "team_id", "end_user", "user")),
            input_tokens=count(record, "prompt_tokens"),
            cached_tokens=cached or count(details, "cached_tokens"),
            written_tokens=written,
            output_tokens=count(record, "completion_tokens"),
            usd=dollars,
        ),
    )


def helicone_lines(record: Record, left_out: LeftOut) -> Iterator[Line]:
    """One request that Helicone saw."""
    dollars = _dollars(record, "cost_usd", "costUSD", "cost")
    status = some(record, "response_status")
    if status is not None and not 200 <= count(record, "response_status") < 300:
        left_out.add("the request failed", dollars)
        return
    cached, written = count(record, "prompt_cache_read_tokens"), count(record, "prompt_cache_write_tokens")
    seller, model = _seller(text(record.get("provider")), text(some(record, "model", "response_model")))
    apart = cached + written if "claude" in model.lower() else 0
    yield _request(
        record.get("request_created_at"),
        Line(
            0,
            0,
            model=model,
            seller=seller,
            tenant=text(some(record, "request_user_id", "user_id")),
            input_tokens=count(record, "prompt_tokens") + apart,
            cached_tokens=cached,
            written_tokens=written,
            output_tokens=count(record, "completion_tokens"),
            usd=dollars,
        ),
    )


def langfuse_lines(record: Record, left_out: LeftOut) -> Iterator[Line]:
    """One observation of Langfuse."""
    kind = text(record.get("type")).upper()
    details = inner(record, "usage_details") or inner(record, "usageDetails")
    costs = inner(record, "cost_details") or inner(record, "costDetails")
    dollars = _dollars(record, "total_cost", "totalCost")
    if dollars is None and costs:
        dollars = _dollars(costs, "total") or sum((usd(each) for each in costs.values()), Decimal(0))
    if kind not in ("GENERATION", "EMBEDDING", ""):
        left_out.add("not a model's call (spans, events, tools)", dollars)
        return
    if not details:
        left_out.add("a call without usage", dollars)
        return
    input_tokens, cached, written, output = _langfuse_tokens(details)
    seller, model = _seller("", text(some(record, "provided_model_name", "providedModelName", "model")))
    yield _request(
        some(record, "start_time", "startTime"),
        Line(
            0,
            0,
            model=model,
            seller=seller,
            tenant=text(some(record, "user_id", "userId")),
            input_tokens=input_tokens,
            cached_tokens=cached,
            written_tokens=written,
            output_tokens=output,
            usd=dollars,
        ),
    )


def _langfuse_tokens(details: Record) -> tuple[int, int, int, int]:
    """Input, cached, written and output tokens of `usage_details`.

    Its categories are disjoint where Langfuse made them (they add up to `total`), and nested where the user
    sent an API's own counts on (`input` and `output` alone do). Raises ValueError where neither holds.
    """
    names = {name: count(details, name) for name in details if name != "total"}
    input_tokens = sum(n for name, n in names.items() if "input" in name or "cache" in name)
    output = sum(n for name, n in names.items() if "output" in name)
    cached = sum(n for name, n in names.items() if "cached" in name or "cache_read" in name)
    written = sum(n for name, n in names.items() if "cache_creation" in name or "cache_write" in name)
    if some(details, "total") is not None:
        total = count(details, "total")
        if sum(names.values()) != total:
            input_tokens, output = names.get("input", 0), names.get("output", 0)
            if input_tokens + output != total:
                raise ValueError(f"usage_details do not add up to their total of {total}")
    return input_tokens, cached, written, output


def _request(time: object, line: Line) -> Line:
    at_ns = moment_ns(time)
    return line._replace(start_ns=at_ns, end_ns=at_ns, requests=1)


def _dollars(record: Record, *keys: str) -> Decimal | None:
    value = some(record, *keys)
    return None if value is None else usd(value)


def _seller(named: str, model: str) -> tuple[str, str]:
    """Who sold it, and its name: from the log's provider, a `provider/model`, or the model's family."""
    if (known := provider(named)) is not None:
        return known.name, model.removeprefix(f"{named}/")
    head, slash, rest = model.partition("/")
    if slash and (known := provider(head)) is not None:
        return known.name, rest
    family = next((firm for start, firm in FIRST_PARTY.items() if model.lower().startswith(start)), "")
    return named or family, model
