"""What one dialect alone can say and a target of another format may do without, or must not.

Anything that stands in none of these tables is refused, or dropped where a target's configuration wants it.
"""

from __future__ import annotations

from baseload.wire.dialects.nouns import Dialect

HARMLESS: dict[Dialect, dict[str, str]] = {
    Dialect.CHAT: {
        "store": "keeping the answer is the provider's own",
        "prompt_cache_key": "routing of the provider's own cache",
        "prompt_cache_retention": "the provider's own cache",
        "prompt_cache_options": "the provider's own cache",
        "safety_identifier": "the provider's own abuse checks",
        "stream_options": "the form of the stream alone",
        "thinking.clear_thinking": "keeping earlier reasoning is the provider's own",
    },
    Dialect.RESPONSES: {
        "store": "keeping the answer is the provider's own",
        "prompt_cache_key": "routing of the provider's own cache",
        "prompt_cache_retention": "the provider's own cache",
        "safety_identifier": "the provider's own abuse checks",
        "stream_options": "the form of the stream alone",
        "prompt_cache_options": "the provider's own cache",
        "include": "extra members of the answer",
        "reasoning.context": "keeping earlier reasoning is the provider's own",
        "truncation": "dropping old turns is the provider's own",
    },
    Dialect.MESSAGES: {
        "anthropic_version": "the version of this dialect",
        "anthropic_beta": "switches of this dialect",
        "cache_control": "the provider's own cache",
        "context_management": "clearing of earlier turns to save tokens",
        "diagnostics": "the provider's own diagnosis of its cache",
        "metadata": "the provider's own abuse checks",
        "speed": "the provider's own service tier",
        "tools.eager_input_streaming": "the form of the stream alone",
    },
    Dialect.GEMINI: {
        "safetySettings": "the provider's own filter",
        "labels": "the provider's own billing",
        "cachedContent": "the provider's own cache",
        "serviceTier": "the provider's own service tier",
        "store": "keeping the answer is the provider's own",
    },
    Dialect.CONVERSE: {
        "performanceConfig": "the provider's own service tier",
        "projectIdentifier": "the provider's own accounting",
        "serviceTier": "the provider's own service tier",
        "additionalModelResponseFieldPaths": "extra members of the answer",
    },
}
"""Members of one dialect alone that change nothing of what is answered: left out elsewhere, and why."""

_WHOLE = "it keeps no answers: send the whole conversation as input"
STATEFUL: dict[Dialect, dict[str, str]] = {
    Dialect.RESPONSES: {
        "previous_response_id": _WHOLE,
        "conversation": _WHOLE,
        "item_reference": _WHOLE,
        "prompt": "it keeps no prompts: send instructions and input",
        "background": "it answers while the client waits",
    },
}
"""Members that go on from what a provider keeps, and why another dialect's target cannot: never left out."""

_OFFERED = "left out, since all tools are offered at once"
_AS_MUCH = "the target searches as much as it does by itself"
_RETURNED = "left out: the model sees what a function returns once it does"
NEARLY: dict[Dialect, dict[str, str]] = {
    Dialect.CHAT: {
        "web_search_options.search_context_size": _AS_MUCH,
        "tools.parameters.search_context_size": _AS_MUCH,
        "tools.parameters.max_results": _AS_MUCH,
        "tools.parameters.max_total_results": _AS_MUCH,
    },
    Dialect.RESPONSES: {
        "tools.web_search.search_context_size": _AS_MUCH,
        "tools.defer_loading": "the tool is offered at once",
        "tools of type tool_search": _OFFERED,
        "tool_search_call": _OFFERED,
        "tool_search_output": _OFFERED,
    },
    Dialect.MESSAGES: {
        "tools.defer_loading": "the tool is offered at once",
        "tools of type tool_search_tool_regex": _OFFERED,
        "tools of type tool_search_tool_regex_20251119": _OFFERED,
        "tools of type tool_search_tool_bm25": _OFFERED,
        "tools of type tool_search_tool_bm25_20251119": _OFFERED,
        "tool_search_tool_result": _OFFERED,
        "tool_reference": "the tool's name as text, since all tools are offered at once",
    },
    Dialect.GEMINI: {
        "tools.response": _RETURNED,
        "tools.responseJsonSchema": _RETURNED,
    },
}
"""Members, tools and parts of one dialect alone that others can do without, and how."""

NEUTRAL: dict[Dialect, dict[str, tuple[object, ...]]] = {
    Dialect.CHAT: {
        "messages.prefix": (False,),
        "modalities": (["text"],),
        "tools.parameters.engine": ("auto", "native"),
        "stream_options": ({"include_usage": True}, {"include_usage": False}),
    },
    Dialect.MESSAGES: {
        "messages.content.citations": ({"enabled": False},),
        "speed": ("standard",),
        "tools.allowed_callers": (["direct"],),
    },
    Dialect.CONVERSE: {
        "messages.content.citations": ({"enabled": False},),
        "performanceConfig": ({"latency": "standard"},),
    },
    Dialect.RESPONSES: {"background": (False,)},
}
"""Values of members of one dialect alone that say what holds anyway."""
