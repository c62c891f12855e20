"""Tools and the choice among them, as chat completions have them."""

from __future__ import annotations

from collections.abc import Sequence

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
from baseload.wire.dialects.searching import location, take_location, take_search

_CHAT = Dialect.CHAT
_CHOICES = {"auto": ToolUse.AUTO, "none": ToolUse.NONE, "required": ToolUse.ANY}
_CHOICE_WORDS = {use: word for word, use in _CHOICES.items()}
_AT_OPENROUTER = "openrouter:web_search"


def read_cache(rest: Rest) -> Cache | None:
    """`cache_control` as routers of several providers take it, or OpenAI's explicit breakpoint."""
    if isinstance(marker := rest.members.get("cache_control"), dict) and marker.get("type") == "ephemeral":
        del rest.members["cache_control"]
        return Cache(marker.get("ttl"))
    if (marker := rest.take("prompt_cache_breakpoint", dict)) is not None:
        rest.spelling["breakpoint"] = marker
        return Cache()
    return None


def read_tools(rest: Rest) -> list[Tool | ServerTool | Foreign] | None:
    """The functions, and after them the web search, which has a member of its own."""
    tools = _functions(rest)
    if (search := rest.take("web_search_options", dict)) is None:
        return tools
    held = Rest(search, _CHAT, "web_search_options")
    place = take_location(held, nested=True)
    own = Own(_CHAT, held.members, {} if tools is None else {"tools": True})
    options = None if place is None else Search(location=place)
    return [*(tools or ()), ServerTool(Service.WEB_SEARCH, own, options)]


def _functions(rest: Rest) -> list[Tool | ServerTool | Foreign] | None:
    tools = rest.take("tools", list)
    if tools is not None:
        return [_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)]
    older = rest.take("functions", list)
    if older is None:
        return None
    rest.spelling["functions"] = True
    return [_function(Rest(one, _CHAT, f"functions[{at}]")) for at, one in enumerate(older)]


def _tool(value: object, where: str) -> Tool | ServerTool | Foreign:
    rest = Rest(value, _CHAT, where)
    kind = rest.take("type", str)
    if kind == _AT_OPENROUTER and rest.members.keys() <= {"parameters"}:
        held = Rest(rest.members.get("parameters") or {}, _CHAT, rest.path("parameters"))
        search = take_search(held, "excluded_domains")
        return ServerTool(Service.WEB_SEARCH, Own(_CHAT, held.members, {"tool": value}), search)
    if kind not in (None, "function"):
        assert isinstance(value, dict)
        return Foreign(str(kind), Own(_CHAT, value))
    function = Rest(rest.need("function", dict), _CHAT, rest.path("function"))
    tool = _function(function)
    if kind is None:
        function.spelling["type"] = None
    tool.cache = read_cache(rest)
    tool.own = function.own()
    return tool


def _function(rest: Rest) -> Tool:
    tool = Tool(rest.need("name", str), rest.take("description", str), rest.take("parameters", dict))
    tool.strict = rest.take("strict", bool)
    tool.own = rest.own()
    return tool


def read_choice(rest: Rest) -> ToolChoice | None:
    """`tool_choice`, or its forerunner `function_call`. Raises RequestError (invalid_field)."""
    choice = rest.members.get("tool_choice")
    if choice is not None:
        del rest.members["tool_choice"]
    else:
        choice = rest.members.get("function_call")
        if choice is None:
            return None
        del rest.members["function_call"]
        rest.spelling["function_call"] = True
        if isinstance(choice, dict):
            choice = {"type": "function", "function": choice}
    if isinstance(choice, str) and choice in _CHOICES:
        return ToolChoice(_CHOICES[choice])
    if isinstance(choice, dict) and isinstance(function := choice.get("function"), dict):
        return ToolChoice(ToolUse.NAMED, function.get("name"))
    if isinstance(choice, dict):
        return ToolChoice(ToolUse.AUTO, own=Own(_CHAT, choice))
    raise wrong("tool_choice", f"{choice!r} is none of {', '.join(_CHOICES)} and no function")


def write_tools(body: Json, prompt: Prompt) -> None:
    """The tools and the choice among them, into `body`."""
    if prompt.tools is not None:
        _write_list(body, prompt, prompt.tools)
    if prompt.tool_choice is None:
        return
    choice = _write_choice(prompt.tool_choice)
    legacy = spelt(prompt.own, _CHAT, "function_call")
    body["function_call" if legacy else "tool_choice"] = (
        choice["function"] if legacy and isinstance(choice, dict) else choice
    )


def _write_list(body: Json, prompt: Prompt, tools: Sequence[Tool | ServerTool | Foreign]) -> None:
    bare = bool(spelt(prompt.own, _CHAT, "functions"))
    served: list[ServerTool] = []
    listed: list[Json] = []
    for tool in tools:
        if not isinstance(tool, ServerTool):
            listed.append(_write_tool(tool, bare=bare))
        elif (router := spelt(tool.own, _CHAT, "tool")) is not None:
            listed.append(router)
        else:
            served.append(tool)
    if listed or not served or spelt(served[0].own, _CHAT, "tools"):
        body["functions" if bare else "tools"] = listed
    for tool in served:
        place = tool.search.location if tool.search is not None else None
        options = {} if place is None else {"user_location": location(place, nested=True)}
        body["web_search_options"] = put_back(options, tool.own, _CHAT)


def _write_tool(tool: Tool | Foreign, *, bare: bool) -> Json:
    if isinstance(tool, Foreign):
        return tool.own.members
    function: Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    put_back(function, tool.own, _CHAT)
    if bare:
        return function
    typed = tool.own is None or tool.own.dialect is not _CHAT or "type" not in tool.own.spelling
    value = {"type": "function", "function": function} if typed else {"function": function}
    if tool.cache is not None:
        value["cache_control"] = {"type": "ephemeral"} | ({"ttl": tool.cache.ttl} if tool.cache.ttl else {})
    return value


def _write_choice(choice: ToolChoice) -> str | Json:
    if choice.own is not None and choice.own.dialect is _CHAT:
        return choice.own.members
    if choice.use is ToolUse.NAMED:
        return {"type": "function", "function": {"name": choice.name}}
    return _CHOICE_WORDS[choice.use]
