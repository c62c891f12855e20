"""Tools, the choice among them and cache markers, as Anthropic's messages have them."""

from __future__ import annotations

from baseload.wire.dialects.fitting import object_schema
from baseload.wire.dialects.nouns import (
    Cache,
    Dialect,
    Foreign,
    Json,
    Own,
    Prompt,
    Search,
    ServerTool,
    Service,
    Tool,
    ToolChoice,
    ToolUse,
)
from baseload.wire.dialects.rest import Rest, put_back, spelt, wrong
from baseload.wire.dialects.searching import location, take_search

_MESSAGES = Dialect.MESSAGES
_CHOICES = {"auto": ToolUse.AUTO, "none": ToolUse.NONE, "any": ToolUse.ANY, "tool": ToolUse.NAMED}
_CHOICE_WORDS = {use: word for word, use in _CHOICES.items()}

SERVED = {
    "web_search_": (Service.WEB_SEARCH, "web_search_20250305"),
    "code_execution_": (Service.CODE_EXECUTION, "code_execution_20250825"),
    "web_fetch_": (Service.WEB_FETCH, "web_fetch_20250910"),
}
"""Tools that Anthropic runs: how their dated types begin, and the type that stands for a plain one."""


def read_cache(rest: Rest) -> Cache | None:
    """The marker in `cache_control`; one of another form stays what only this dialect says."""
    marker = rest.members.get("cache_control")
    if not isinstance(marker, dict) or marker.get("type") != "ephemeral":
        return None
    del rest.members["cache_control"]
    return Cache(marker.get("ttl"))


def _served(rest: Rest, kind: str) -> ServerTool | None:
    """A tool that Anthropic runs; None for one that the nouns do not know."""
    for begin, (service, usual) in SERVED.items():
        if kind.startswith(begin) and rest.members.get("name") == service.value:
            del rest.members["type"], rest.members["name"]
            if kind != usual:
                rest.spelling["type"] = kind
            searches = service is Service.WEB_SEARCH
            search = take_search(rest, "blocked_domains") if searches else None
            return ServerTool(service, rest.own(), search)
    return None


def read_tool(value: object, where: str) -> Tool | ServerTool | Foreign:
    """A tool at the path `where`. Raises RequestError (invalid_field)."""
    rest = Rest(value, _MESSAGES, where)
    kind = rest.members.get("type")
    if isinstance(kind, str) and (served := _served(rest, kind)) is not None:
        return served
    if kind not in (None, "custom"):
        assert isinstance(value, dict)
        return Foreign(str(kind), Own(_MESSAGES, value))
    tool = Tool(rest.need("name", str), rest.take("description", str), rest.take("input_schema", dict))
    tool.strict, tool.cache, tool.own = rest.take("strict", bool), read_cache(rest), rest.own()
    return tool


def read_choice(rest: Rest, prompt: Prompt) -> None:
    """`tool_choice`, into the prompt, and whether several at once. Raises RequestError (invalid_field)."""
    value = rest.take("tool_choice", dict)
    if value is None:
        return
    held = Rest(value, _MESSAGES, "tool_choice")
    word = held.need("type", str)
    if word not in _CHOICES:
        raise wrong("tool_choice.type", f"{word!r} is none of {', '.join(_CHOICES)}")
    serial = held.take("disable_parallel_tool_use", bool)
    if serial is not None:
        prompt.parallel_calls = not serial
    prompt.tool_choice = ToolChoice(_CHOICES[word], held.take("name", str), held.own())


def write_tool(tool: Tool | ServerTool | Foreign) -> Json:
    """The reverse of `read_tool`."""
    if isinstance(tool, Foreign):
        return tool.own.members
    if isinstance(tool, ServerTool):
        usual = next(word for service, word in SERVED.values() if service is tool.kind)
        kind = spelt(tool.own, _MESSAGES, "type") or usual
        served: Json = {"type": kind, "name": tool.kind.value}
        if tool.search is not None:
            served.update(_write_search(tool.search))
        return put_back(served, tool.own, _MESSAGES)
    value: Json = {"name": tool.name}
    if tool.description is not None:
        value["description"] = tool.description
    value["input_schema"] = object_schema(None) if tool.schema is None else tool.schema
    if tool.strict is not None:
        value["strict"] = tool.strict
    return marked(value, tool.cache, tool.own)


def _write_search(search: Search) -> Json:
    options = {
        "max_uses": search.uses,
        "allowed_domains": search.allowed,
        "blocked_domains": search.blocked,
        "user_location": None if search.location is None else location(search.location),
    }
    return {name: value for name, value in options.items() if value is not None}


def write_choice(prompt: Prompt) -> Json | None:
    """The reverse of `read_choice`; None where nothing is to be said."""
    choice, parallel = prompt.tool_choice, prompt.parallel_calls
    if choice is None:
        if parallel is not False or not prompt.tools:
            return None
        choice = ToolChoice(ToolUse.AUTO)
    value: Json = {"type": _CHOICE_WORDS[choice.use]}
    if choice.name is not None:
        value["name"] = choice.name
    if parallel is not None and choice.use is not ToolUse.NONE:
        value["disable_parallel_tool_use"] = not parallel
    return put_back(value, choice.own, _MESSAGES)


def marked(block: Json, cache: Cache | None, own: Own | None) -> Json:
    """The block with its cache marker and what only this dialect says of it."""
    if cache is not None:
        block["cache_control"] = {"type": "ephemeral"} | ({"ttl": cache.ttl} if cache.ttl else {})
    return put_back(block, own, _MESSAGES)
