"""Usage as each provider's format writes it, in our own counts.

Pure and lenient: a member that is missing or no count is 0, a part said to exceed its whole is the whole.
What may cost money and has no known price is told (`Apart.unpriced`): see `charges`.
"""

from __future__ import annotations

import re
from typing import Any

from baseload.core import Apart, Tokens
from baseload.wire import charges

Json = dict[str, Any]


def _count(of: object, name: str) -> int:
    value = _member(of, name)
    return value if charges.is_count(value) else 0


def _member(of: object, name: str) -> Any:
    return of.get(name) if isinstance(of, dict) else None


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


_NOTHING = Apart()


def _any(apart: Apart) -> Apart | None:
    return None if apart == _NOTHING else apart


# -- service tiers ------------------------------------------------------------------------------------------

_STANDARD = frozenset(
    {"", "default", "standard", "auto", "on_demand", "unspecified", "global", "not_available"}
)
"""What providers call the service tier, and the place, that their plain prices are for."""

_TIER_CHARS = 64
"""A target's word for its tier is kept as far as this: the ledger's records have a bound."""

_PREFIXES = re.compile(r"^(?:service_tier_|traffic_type_|on_demand_)+(?=.)")
_TRAFFIC = ("unspecified", "on_demand", "provisioned_throughput")
"""Vertex AI's traffic types by their numbers, which it sends with enum-encoding=int."""


def tier_of(*said: object) -> str:
    """What is priced apart, in one word ("flex", "priority", "batch+us"); "" for the standard prices."""
    words = (_PREFIXES.sub("", word.casefold()) for word in said if isinstance(word, str))
    return "+".join(word for word in words if word not in _STANDARD)[:_TIER_CHARS]


def _traffic(said: object) -> object:
    if type(said) is not int:
        return said
    return _TRAFFIC[said] if 0 <= said < len(_TRAFFIC) else f"number_{said}"


# -- OpenAI -------------------------------------------------------------------------------------------------

_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens")
"""Where compatible servers say outside of the details what they read from their cache."""

_SERVER_TOOLS = ("server_tool_use", "server_tool_use_details")
"""Where OpenRouter says how often it searched."""


def chat(usage: Json, service_tier: object = None) -> Tokens:
    """`usage` of chat completions, completions and embeddings, with the answer's `service_tier`.

    Cached, written and audio tokens stand in the prompt. Reasoning stands in the completion, or beside it
    where the total says so (xAI, Gemini's compatible endpoint): it is output either way.
    """
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    into, out = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    reasoning = _count(out, "reasoning_tokens") or _count(usage, "reasoning_tokens")
    beside = max(0, _count(usage, "total_tokens") - prompt - completion)
    said = (_count(into, "cached_tokens"), *(_count(usage, name) for name in _CACHED))
    return _openai(
        prompt,
        next(filter(None, said), 0),
        completion + beside,
        max(reasoning, beside),
        into,
        out,
        searches=max(_count(usage.get(name), "web_search_requests") for name in _SERVER_TOOLS),
        tier=tier_of(service_tier),
        unpriced=charges.unpriced(usage, charges.OPENAI),
    )


def responses(usage: Json, answer: Json) -> Tokens:
    """`usage` of a response, with the service tier and the tools that the whole `answer` shows were used.

    Searches are in no member of `usage`: `tool_usage` counts them, or each search is an item of the output.
    """
    into, out = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    searches, unknown = _tools(_listed(answer.get("output")), answer)
    return _openai(
        _count(usage, "input_tokens"),
        _count(into, "cached_tokens"),
        _count(usage, "output_tokens"),
        _count(out, "reasoning_tokens"),
        into,
        out,
        searches=searches,
        tier=tier_of(answer.get("service_tier")),
        unpriced=unknown or charges.unpriced(usage, charges.OPENAI),
    )


_FREE = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "apply_patch_call",
        "mcp_call",
        "tool_search_call",
    }
)
"""Calls that cost nothing but their tokens: the client's own work, or another server's."""


def _tools(items: list[Any], answer: Json) -> tuple[int, bool]:
    """How many searches are charged, and whether another tool was used whose price usage does not tell."""
    searches, unknown = 0, False
    for item in items:
        kind = _member(item, "type")
        if kind == "web_search_call":  # opening a page that was found is not charged
            searches += _member(item.get("action"), "type") in (None, "search")
        elif kind == "shell_call":
            unknown = unknown or _member(item.get("environment"), "type") not in (None, "local")
        elif isinstance(kind, str) and kind.endswith("_call") and kind not in _FREE:
            unknown = True
    used = answer.get("tool_usage")
    if isinstance(used, dict):
        if isinstance(told := used.get("web_search"), dict):
            searches = _count(told, "num_requests")
        unknown = unknown or charges.unpriced({**used, "web_search": None}, frozenset())
    return searches, unknown or (searches > 0 and _previewed(answer.get("tools")))


def _previewed(tools: object) -> bool:
    """Whether searches were OpenAI's older kind, whose price depends on the model."""
    return any(str(_member(tool, "type")).startswith("web_search_preview") for tool in _listed(tools))


def _openai(
    whole: int,
    cached: int,
    output: int,
    reasoning: int,
    into: object,
    out: object,
    *,
    searches: int,
    tier: str,
    unpriced: bool,
) -> Tokens:
    """The counts that chat completions and responses have in common, from their two details."""
    cached = min(cached, whole)
    written = min(_count(into, "cache_write_tokens"), whole - cached)
    heard = min(_count(into, "audio_tokens"), whole)
    again = _member(into, "cached_tokens_details")
    spoken = min(_count(out, "audio_tokens"), output)
    apart = Apart(
        input_audio=heard,
        output_audio=spoken,
        cached_audio=_heard_again(again, heard, cached, whole - written),
        output_image=min(_count(out, "image_tokens"), output - spoken),
        searches=searches,
        tier=tier,
        unpriced=unpriced,
    )
    return Tokens(whole, cached, written, output, min(reasoning, output), apart=_any(apart))


def _heard_again(details: object, heard: int, cached: int, unwritten: int) -> int:
    """Audio tokens that were cached: as told, else the fewest that must have been."""
    if isinstance(details, dict):
        return min(_count(details, "audio_tokens"), heard, cached)
    return max(0, heard + cached - unwritten)


# -- Anthropic ----------------------------------------------------------------------------------------------


def messages(usage: Json) -> Tokens:
    """`usage` of messages: cached and written tokens stand beside the input, thinking in the output.

    `cache_creation` says how much is kept for an hour. Service tier, place of inference and speed each
    change the price of every token.
    """
    read, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    output = _count(usage, "output_tokens")
    thinking = min(_count(usage.get("output_tokens_details"), "thinking_tokens"), output)
    apart = Apart(
        cache_write_1h=min(_count(usage.get("cache_creation"), "ephemeral_1h_input_tokens"), written),
        searches=_count(usage.get("server_tool_use"), "web_search_requests"),
        tier=tier_of(usage.get("service_tier"), usage.get("inference_geo"), usage.get("speed")),
        unpriced=charges.unpriced(usage, charges.MESSAGES) or _beyond_the_sums(usage.get("iterations")),
    )
    whole = _count(usage, "input_tokens") + read + written
    return Tokens(whole, read, written, output, thinking, apart=_any(apart))


def _beyond_the_sums(turns: object) -> bool:
    """Whether `iterations` has other models' turns or compactions, which Anthropic's sums leave out."""
    return any(_member(turn, "type") not in (None, "message") for turn in _listed(turns))


# -- Bedrock ------------------------------------------------------------------------------------------------


def converse(usage: Json, answer: Json, reasoning: int = 0) -> Tokens:
    """`usage` of Converse, with tier, latency and trace of the answer or of a stream's metadata.

    Cached and written tokens stand beside the input; `cacheDetails` says how much is kept for an hour.
    `reasoning`: of the output, where it is known; AWS does not tell.
    """
    read, written = _count(usage, "cacheReadInputTokens"), _count(usage, "cacheWriteInputTokens")
    output = _count(usage, "outputTokens")
    kept = _listed(usage.get("cacheDetails"))
    hour = sum(_count(one, "inputTokens") for one in kept if _member(one, "ttl") == "1h")
    apart = Apart(
        cache_write_1h=min(hour, written),
        tier=tier_of(
            _member(answer.get("serviceTier"), "type"), _member(answer.get("performanceConfig"), "latency")
        ),
        unpriced=charges.unpriced(usage, charges.CONVERSE) or _guarded(answer.get("trace")),
    )
    whole = _count(usage, "inputTokens") + read + written
    return Tokens(whole, read, written, output, min(reasoning, output), apart=_any(apart))


def _guarded(trace: object) -> bool:
    """Whether a guardrail's trace counts policy units, which are charged besides the tokens."""
    if isinstance(trace, list):
        return any(_guarded(each) for each in trace)
    if not isinstance(trace, dict):
        return False
    return any(
        charges.unpriced(value, charges.GUARDRAILS) if name == "usage" else _guarded(value)
        for name, value in trace.items()
    )


# -- Gemini -------------------------------------------------------------------------------------------------

_MODALITIES = ("", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT")
"""By their numbers, which Vertex AI sends with enum-encoding=int."""


def gemini(usage: Json, searches: int = 0, *, unknown: bool = False) -> Tokens:
    """`usageMetadata`: thoughts and what tools put into the prompt are counted beside the rest.

    `searches` and `unknown` are what the candidates show: see `Grounding`.
    """
    thoughts = _count(usage, "thoughtsTokenCount")
    whole = _count(usage, "promptTokenCount") + _count(usage, "toolUsePromptTokenCount")
    cached = min(_count(usage, "cachedContentTokenCount"), whole)
    written = min(_count(usage, "cacheWriteTokenCount"), whole - cached)
    said = _count(usage, "candidatesTokenCount")
    prompt, again, tools, out = (
        _modalities(usage.get(f"{part}TokensDetails"))
        for part in ("prompt", "cache", "toolUsePrompt", "candidates")
    )
    heard = min(prompt.get("AUDIO", 0) + tools.get("AUDIO", 0), whole)
    spoken = min(out.get("AUDIO", 0), said)
    apart = Apart(
        input_audio=heard,
        output_audio=spoken,
        cached_audio=min(again.get("AUDIO", 0), heard, cached),
        output_image=min(out.get("IMAGE", 0), said - spoken),
        searches=searches,
        tier=tier_of(usage.get("serviceTier"), _traffic(usage.get("trafficType"))),
        unpriced=unknown or charges.unpriced(usage, charges.GEMINI) or not out.keys() <= _TOLD_APART,
    )
    return Tokens(whole, cached, written, said + thoughts, thoughts, apart=_any(apart))


_TOLD_APART = frozenset({"", "MODALITY_UNSPECIFIED", "TEXT", "DOCUMENT", "AUDIO", "IMAGE"})
"""What an answer can be made of and have a price for; video has its own, which we do not know."""


def _modalities(details: object) -> dict[str, int]:
    """Tokens by modality; those of no tokens are left out."""
    found: dict[str, int] = {}
    for each in _listed(details):
        kind = _member(each, "modality") or ""
        if isinstance(kind, int):
            kind = _MODALITIES[kind] if 0 <= kind < len(_MODALITIES) else f"number {kind}"
        if tokens := _count(each, "tokenCount"):
            found[str(kind)] = found.get(str(kind), 0) + tokens
    return found


class Grounding:
    """What candidates say of their sources, over all events of a stream.

    Gemini 3 and later charge each different query to Google Search, older models each answer that searched.
    """

    __slots__ = ("_maps", "_old", "_queries")

    def __init__(self, model: str) -> None:
        generation = re.search(r"gemini-(\d+)", model)
        self._old = generation is not None and int(generation[1]) < 3
        self._queries: set[str] = set()
        self._maps = False

    def take(self, candidates: object) -> None:
        """Add what these candidates say."""
        for candidate in _listed(candidates):
            said = _member(candidate, "groundingMetadata")
            asked = _listed(_member(said, "webSearchQueries"))
            self._queries |= {query for query in asked if isinstance(query, str) and query.strip()}
            sources = _listed(_member(said, "groundingChunks"))
            self._maps = self._maps or any(_member(source, "maps") for source in sources)

    def tokens(self, usage: Json) -> Tokens:
        """`usageMetadata` with the searches; Google Maps is charged too, at a price that is not known."""
        searches = min(len(self._queries), 1) if self._old else len(self._queries)
        return gemini(usage, searches, unknown=self._maps)
