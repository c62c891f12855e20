"""What becomes of each key of a file of request defaults for OpenRouter, as its API reference and its page on
provider routing list them (November 2026)."""

from __future__ import annotations

from baseload.config.importing.nouns import Rule

_CLIENTS = "a client's own `provider` object is passed on to OpenRouter as it is"
_ACCOUNT = "set it in the privacy settings of the OpenRouter account, or let clients send `provider`"


def _under(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{name}" for name in names.split())


RULES = (
    Rule(("model",), "models.NAME, targets.NAME.model", "is no name that can be asked for"),
    Rule(
        ("models",),
        "models.NAME, targets.NAME.model: each is a model; fallback lists of the first",
        "is no name that can be asked for",
    ),
    Rule(("route",), "models.NAME.fallback", "is no way that is known, or there is nothing to fall back to"),
    Rule(
        ("provider.only",),
        "the model's targets: those providers' own APIs",
        "none of them is a provider whose own API the catalog knows for this model",
        _ACCOUNT,
    ),
    Rule(
        ("provider.order",),
        "targets beside OpenRouter's: those providers' own APIs",
        "the lowest dispatch price goes first, and none of them is known to the catalog for this model",
        _ACCOUNT,
    ),
    Rule(
        ("provider.zdr",),
        "classes.default.zero_retention, targets.NAME.zero_retention",
        "asks for nothing",
    ),
    Rule(
        ("provider.data_collection",),
        why="what a provider may keep or learn from is agreed with it, not sent with a request",
        do=_ACCOUNT,
    ),
    Rule(
        _under(
            "provider.", "ignore quantizations require_parameters enforce_distillable_text allow_fallbacks"
        )
        + _under("provider.", "sort preferred_min_throughput preferred_max_latency"),
        why=f"which provider serves is OpenRouter's choice; {_CLIENTS}",
        do="let clients send `provider`, or set it in the OpenRouter account",
    ),
    Rule(
        ("provider.max_price",),
        why="there is no highest price: the lowest dispatch price wins",
        do="let clients send `provider`, or write `price` of the target",
    ),
    Rule(
        _under(
            "", "temperature top_p top_k top_a min_p frequency_penalty presence_penalty repetition_penalty"
        )
        + _under("", "max_tokens max_completion_tokens seed stop logit_bias logprobs top_logprobs stream")
        + _under(
            "", "stream_options response_format structured_outputs tools tool_choice reasoning usage user"
        )
        + _under("", "parallel_tool_calls include_reasoning verbosity prediction modalities image_config")
        + _under("", "web_search_options transforms plugins preset metadata session_id trace service_tier")
        + _under("", "cache_control debug messages prompt"),
        why="requests are passed on as the client wrote them: no defaults are added",
        do="let clients send it",
    ),
)
