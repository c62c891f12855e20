"""Google generateContent: requests. Shapes: the references of the Gemini API and of Vertex AI.

Members in snake_case are read too, as Google's endpoints do, and written back so. The path names the model
and says whether the answer streams: `Prompt.model` and `stream` are the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baseload.wire.dialects.gemini_held import Held, put_back_as_read, text_list
from baseload.wire.dialects.gemini_parts import UNSIGNED, Ids, joined, read_parts, unsigned, write_part
from baseload.wire.dialects.gemini_schema import fits, json_schema
from baseload.wire.dialects.nouns import (
    Call,
    Dialect,
    Foreign,
    Form,
    Json,
    Own,
    Part,
    Prompt,
    Reasoning,
    Result,
    Role,
    ServerTool,
    Service,
    Shape,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolUse,
    Turn,
)
from baseload.wire.dialects.rest import put_back, spelt, wrong
from baseload.wire.dialects.thinking import fitted

_GEMINI = Dialect.GEMINI
_ROLES = {"user": Role.USER, "model": Role.ASSISTANT, "function": Role.TOOL, "tool": Role.TOOL}
_MODES = {"AUTO": ToolUse.AUTO, "NONE": ToolUse.NONE, "ANY": ToolUse.ANY, "VALIDATED": ToolUse.AUTO}
_MODES["MODE_UNSPECIFIED"] = ToolUse.AUTO
_MODE_WORDS = {ToolUse.AUTO: "AUTO", ToolUse.NONE: "NONE", ToolUse.ANY: "ANY", ToolUse.NAMED: "ANY"}
_LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_LEVELS |= {"xhigh": "HIGH", "max": "HIGH"}
_BY_ITSELF = -1
"""The thinking budget of a model that thinks as much as it sees fit."""
_JSON = "application/json"
_GENERATION, _TOOLING, _CALLING = "generationConfig", "toolConfig", "functionCallingConfig"


# -- reading ------------------------------------------------------------------------------------------------


def read_request(body: Json) -> Prompt:
    """The request in `body`. Raises RequestError (invalid_field)."""
    held = Held(body, "")
    ids = Ids()
    turns = _system(held)
    contents = held.need("contents", list)
    if not contents:
        held.spelling["contents"] = "empty"
    turns += [_turn(one, f"contents[{at}]", ids) for at, one in enumerate(joined(contents))]
    prompt = Prompt("", turns)
    if (model := held.take("model", str)) is not None:
        prompt.model = model
        held.spelling["model"] = True
    _tools(held, prompt)
    _tool_choice(held, prompt)
    _generation(held, prompt)
    prompt.own = held.own()
    return prompt


def _system(held: Held) -> list[Turn]:
    value = held.take("systemInstruction", dict)
    if value is None:
        return []
    inner = Held(value, "systemInstruction")
    return [_content(inner, Role.SYSTEM, Ids(), inner.take("role", str))]


def _turn(value: object, where: str, ids: Ids) -> Turn:
    inner = Held(value, where)
    word = inner.take("role", str)
    role = Role.USER if word is None else _ROLES.get(word)
    if role is None:
        raise wrong(f"{where}.role", f"{word!r} is none of {', '.join(_ROLES)}")
    return _content(inner, role, ids, word)


def _content(inner: Held, role: Role, ids: Ids, word: str | None) -> Turn:
    values = inner.take("parts", list)
    if not values:
        inner.spelling["parts"] = "absent" if values is None else "empty"
    parts, _ = read_parts(values or [], inner.path("parts"), ids)
    if role is Role.TOOL and not all(isinstance(part, Result) for part in parts):
        role = Role.USER
    if word != _word(role):
        inner.spelling["role"] = word
    return Turn(role, parts, _plain(parts), own=inner.own())


def _word(role: Role) -> str | None:
    """The role as this dialect writes it; instructions need none."""
    if role in (Role.SYSTEM, Role.DEVELOPER):
        return None
    return "model" if role is Role.ASSISTANT else "user"


def _plain(parts: list[Part]) -> bool:
    """Whether other dialects may say it as a bare string: one text, and calls at most."""
    texts = [part for part in parts if isinstance(part, Text)]
    said = [part for part in parts if not isinstance(part, Call | Thought | Result)]
    return len(texts) == 1 and texts == said


SERVED = {
    "googleSearch": Service.WEB_SEARCH,
    "google_search": Service.WEB_SEARCH,
    "codeExecution": Service.CODE_EXECUTION,
    "code_execution": Service.CODE_EXECUTION,
    "urlContext": Service.WEB_FETCH,
    "url_context": Service.WEB_FETCH,
}
"""Tools that Google runs, by both spellings; the first of each is written."""


def _tools(held: Held, prompt: Prompt) -> None:
    values = held.take("tools", list)
    if values is None:
        return
    tools: list[Tool | ServerTool | Foreign] = []
    groups: list[int] = []
    for at, value in enumerate(values):
        inner = Held(value, f"tools[{at}]")
        declared = inner.take("functionDeclarations", list)
        for nth, one in enumerate(declared or ()):
            tools.append(_tool(one, f"{inner.path('functionDeclarations')}[{nth}]", inner.spelling))
        others: Json = {"functionDeclarations": []} if declared == [] else {}
        others |= inner.members
        tools += [_served(name, one) for name, one in others.items()]
        groups += [at] * (len(tools) - len(groups))
    prompt.tools = tools
    if groups != _groups(tools) or len(values) != len(set(groups)):
        held.spelling["tools"] = groups
        held.spelling["objects"] = len(values)


def _served(name: str, value: Json) -> ServerTool | Foreign:
    """A tool that Google runs; its options are its own."""
    service = SERVED.get(name)
    if service is None or not isinstance(value, dict):
        return Foreign(name, Own(_GEMINI, {name: value}))
    return ServerTool(service, Own(_GEMINI, value, {"name": name}))


def _groups(tools: Sequence[Tool | ServerTool | Foreign]) -> list[int]:
    """Which object of `tools` each one stands in: functions together, others each alone."""
    groups: list[int] = []
    at = -1
    for nth, tool in enumerate(tools):
        if nth == 0 or not (isinstance(tool, Tool) and isinstance(tools[nth - 1], Tool)):
            at += 1
        groups.append(at)
    return groups


def _tool(value: object, where: str, outer: Json) -> Tool:
    held = Held(value, where)
    tool = Tool(held.need("name", str), held.take("description", str))
    if (openapi := held.take("parameters", dict)) is not None:
        tool.schema = json_schema(openapi)
        held.spelling["parameters"] = True if tool.schema == openapi else openapi
    elif (schema := held.take("parametersJsonSchema", dict)) is not None:
        tool.schema = schema
        held.spelling["parameters"] = False
    if outer:
        held.spelling["outer"] = "snake"
    tool.own = held.own()
    return tool


def _tool_choice(held: Held, prompt: Prompt) -> None:
    outer = held.nest(_TOOLING)
    if outer is None:
        return
    inner = outer.nest(_CALLING)
    if inner is not None:
        mode = inner.take("mode", str)
        use = ToolUse.AUTO if mode is None else _MODES.get(mode.upper())
        if use is None:
            raise wrong(inner.path("mode"), f"{mode!r} is none of {', '.join(_MODES)}")
        choice = ToolChoice(use)
        allowed = text_list(inner, "allowedFunctionNames")
        if allowed is not None and len(allowed) == 1 and use is ToolUse.ANY:
            choice = ToolChoice(ToolUse.NAMED, allowed[0])
        elif allowed is not None:
            inner.members["allowedFunctionNames"] = allowed
        if mode != _MODE_WORDS[choice.use]:
            inner.spelling["mode"] = mode
        choice.own = inner.own()
        prompt.tool_choice = choice
    if not outer.members and inner is None:
        outer.spelling["empty"] = True
    held.leave(outer, _TOOLING)


def _generation(held: Held, prompt: Prompt) -> None:
    inner = held.nest(_GENERATION)
    if inner is None:
        return
    if not inner.members:
        inner.spelling["empty"] = True
    prompt.max_output = inner.take("maxOutputTokens", int)
    prompt.temperature, prompt.top_p = inner.number("temperature"), inner.number("topP")
    if (top_k := inner.number("topK")) is not None:
        if top_k != int(top_k):
            raise wrong(inner.path("topK"), "must be a whole number")
        prompt.top_k = int(top_k)
    prompt.seed, prompt.choices = inner.take("seed", int), inner.take("candidateCount", int)
    prompt.presence_penalty = inner.number("presencePenalty")
    prompt.frequency_penalty = inner.number("frequencyPenalty")
    prompt.stop = text_list(inner, "stopSequences")
    prompt.logprobs, prompt.top_logprobs = inner.take("responseLogprobs", bool), inner.take("logprobs", int)
    modalities = inner.take("responseModalities", list)
    if modalities is not None and all(isinstance(one, str) and one.upper() == "TEXT" for one in modalities):
        inner.spelling["responseModalities"] = modalities
    elif modalities is not None:
        inner.members["responseModalities"] = modalities
    _form(inner, prompt)
    _thinking(inner, prompt)
    held.leave(inner, _GENERATION)


_SCHEMAS = ("responseSchema", "responseJsonSchema", "_responseJsonSchema")


def _form(inner: Held, prompt: Prompt) -> None:
    mime = inner.take("responseMimeType", str)
    if mime is not None and mime not in (_JSON, "text/plain"):
        inner.members["responseMimeType"] = mime  # text/x.enum: a word of a list, which only Google knows
        return
    for key in _SCHEMAS:
        if (schema := inner.take(key, dict)) is None:
            continue
        prompt.form = Form(Shape.SCHEMA, json_schema(schema) if key == _SCHEMAS[0] else schema)
        inner.spelling["schema"] = [key, mime, schema if prompt.form.schema != schema else None]
        return
    if mime is not None:
        prompt.form = Form(Shape.JSON if mime == _JSON else Shape.TEXT)
        inner.spelling["schema"] = [None, mime, None]


def _thinking(inner: Held, prompt: Prompt) -> None:
    value = inner.nest("thinkingConfig")
    if value is None:
        return
    budget, level = value.take("thinkingBudget", int), value.take("thinkingLevel", str)
    reasoning = Reasoning(shown=value.take("includeThoughts", bool))
    if budget is not None and budget >= 0:
        reasoning.budget, reasoning.off = budget or None, budget == 0
    elif budget is not None:
        value.spelling["budget"] = budget  # the model's own measure
        reasoning.dynamic = True
    if level is not None:
        value.spelling["level"] = level
        if level.lower() in _LEVELS:
            reasoning.effort = level.lower()
    value.spelling["read"] = True
    reasoning.own = value.own()
    prompt.reasoning = reasoning


# -- writing ------------------------------------------------------------------------------------------------


def write_request(prompt: Prompt) -> Json:
    """The request as a body; what this dialect cannot say has been judged by `matrix` before."""
    own = prompt.own
    system, turns = _split_system(prompt.turns)
    body: Json = {"contents": _contents(turns)}
    if system is not None and not turns and spelt(own, _GEMINI, "contents") is None:
        body["contents"], system = [{"role": "user", **system}], None  # there must be a turn
    if spelt(own, _GEMINI, "model"):
        body["model"] = prompt.model
    if system is not None:
        body["systemInstruction"] = system
    if prompt.tools is not None:
        body["tools"] = _write_tools(prompt.tools, own)
    calling = spelt(own, _GEMINI, _TOOLING) or {}
    if prompt.tool_choice is not None:
        body[_TOOLING] = {_CALLING: _write_choice(prompt.tool_choice)}
    elif calling.get("empty"):
        body[_TOOLING] = {}
    said = spelt(own, _GEMINI, _GENERATION) or {}
    generation = _write_generation(prompt, said)
    if generation or said:
        body[_GENERATION] = generation
    return put_back_as_read(body, own)


def _split_system(turns: list[Turn]) -> tuple[Json | None, list[Turn]]:
    """The leading instructions as `systemInstruction`; later ones are said where they stand, by the user."""
    at = 0
    while at < len(turns) and turns[at].role in (Role.SYSTEM, Role.DEVELOPER):
        at += 1
    if at == 0:
        return None, turns
    if at == 1:
        return _write_content(turns[0], {}, None), turns[1:]
    parts = [part for turn in turns[:at] for part in turn.parts]
    return _write_content(Turn(Role.SYSTEM, parts), {}, None), turns[at:]


def _contents(turns: list[Turn]) -> list[Json]:
    """Contents; results of tools that other dialects send one by one answer their calls in one content."""
    contents: list[Json] = []
    names: dict[str, str] = {}
    joins = False
    for turn in turns:
        names.update((part.id, part.name) for part in turn.parts if isinstance(part, Call))
        content = _write_content(turn, names, "model" if turn.role is Role.ASSISTANT else "user")
        if not content.get("parts", True) and turn.own is None:
            continue  # nothing that this dialect may say: refused as empty
        results = turn.role is Role.TOOL and turn.own is None
        if results and joins:
            contents[-1]["parts"] += content["parts"]
        else:
            contents.append(content)
        joins = results
    return contents


def _write_content(turn: Turn, names: dict[str, str], word: str | None) -> Json:
    own = turn.own
    content: Json = {}
    if _kept(own, "role"):
        word = spelt(own, _GEMINI, "role")
    if word is not None:
        content["role"] = word
    parts = _write_turn_parts(turn, names)
    if parts or spelt(own, _GEMINI, "parts") != "absent":
        content["parts"] = parts
    return put_back_as_read(content, own)


def _kept(own: Own | None, name: str) -> bool:
    return own is not None and own.dialect is _GEMINI and name in own.spelling


def _write_turn_parts(turn: Turn, names: dict[str, str]) -> list[Json]:
    """A turn's parts; the first call of another provider's model is marked as unsigned, as Google asks."""
    values: list[Json] = []
    first = turn.role is Role.ASSISTANT
    for part in turn.parts:
        if isinstance(part, Thought) and part.origin is not _GEMINI:
            continue
        value = write_part(part, names)
        if value is None:
            continue
        if isinstance(part, Call) and first:
            first = False
            if unsigned(part):
                value["thoughtSignature"] = UNSIGNED
        values.append(value)
    return values


def _write_tools(tools: Sequence[Tool | ServerTool | Foreign], own: Own | None) -> list[Json]:
    groups = spelt(own, _GEMINI, "tools")
    if groups is None or len(groups) != len(tools):
        groups = _groups(tools)
    count = max(spelt(own, _GEMINI, "objects") or 0, groups[-1] + 1 if groups else 0)
    values: list[Json] = [{} for _ in range(count)]
    for tool, at in zip(tools, groups, strict=True):
        if isinstance(tool, Foreign):
            values[at].update(tool.own.members)
        elif isinstance(tool, ServerTool):
            usual = next(name for name, service in SERVED.items() if service is tool.kind)
            name = spelt(tool.own, _GEMINI, "name") or usual
            values[at][name] = put_back({}, tool.own, _GEMINI)
        else:
            older = spelt(tool.own, _GEMINI, "outer")
            key = "function_declarations" if older else "functionDeclarations"
            values[at].setdefault(key, []).append(_write_tool(tool))
    return values


def _write_tool(tool: Tool) -> Json:
    value: Json = {"name": tool.name}
    if tool.description is not None:
        value["description"] = tool.description
    if tool.schema is not None:
        openapi = spelt(tool.own, _GEMINI, "parameters")
        if openapi is None:
            openapi = fits(tool.schema)
        if isinstance(openapi, dict):
            value["parameters"] = openapi
        else:
            value["parameters" if openapi else "parametersJsonSchema"] = tool.schema
    return put_back_as_read(value, tool.own)


def _write_choice(choice: ToolChoice) -> Json:
    ours = choice.own is not None and choice.own.dialect is _GEMINI
    mode = _MODE_WORDS[choice.use]
    if ours and _kept(choice.own, "mode"):
        mode = spelt(choice.own, _GEMINI, "mode")
    value: Json = {} if mode is None else {"mode": mode}
    if choice.use is ToolUse.NAMED:
        value["allowedFunctionNames"] = [choice.name]
    return put_back_as_read(value, choice.own)


def _write_generation(prompt: Prompt, said: Json) -> Json:
    optional = {
        "maxOutputTokens": prompt.max_output,
        "temperature": prompt.temperature,
        "topP": prompt.top_p,
        "topK": prompt.top_k,
        "seed": prompt.seed,
        "candidateCount": prompt.choices,
        "presencePenalty": prompt.presence_penalty,
        "frequencyPenalty": prompt.frequency_penalty,
        "stopSequences": prompt.stop,
        "responseLogprobs": prompt.logprobs,
        "logprobs": prompt.top_logprobs,
        "responseModalities": said.get("responseModalities"),
    }
    config = {name: value for name, value in optional.items() if value is not None}
    if prompt.form is not None:
        _write_form(config, prompt.form, said.get("schema"))
    if prompt.reasoning is not None and (thinking := _write_thinking(prompt, prompt.reasoning)) is not None:
        config["thinkingConfig"] = thinking
    return config


def _write_form(config: Json, form: Form, spelling: Any) -> None:
    key, mime, schema = spelling or ("responseJsonSchema", _JSON, None)
    if form.shape is Shape.TEXT:
        mime = "text/plain"
    if mime is not None:
        config["responseMimeType"] = mime
    if form.shape is Shape.SCHEMA:
        config[key] = form.schema if schema is None else schema


def _write_thinking(prompt: Prompt, reasoning: Reasoning) -> Json | None:
    own = reasoning.own
    value: Json = {}
    if reasoning.shown is not None:
        value["includeThoughts"] = reasoning.shown
    if spelt(own, _GEMINI, "read"):
        budget = 0 if reasoning.off else reasoning.budget
        budget = budget if budget is not None else spelt(own, _GEMINI, "budget")
        level = spelt(own, _GEMINI, "level")
    else:
        wish = fitted(prompt, _GEMINI)
        budget = 0 if wish.off else _BY_ITSELF if wish.dynamic and not wish.silent else wish.budget
        level = _LEVELS.get(wish.word) if wish.word is not None else None
    if budget is not None:
        value["thinkingBudget"] = budget
    if level is not None:
        value["thinkingLevel"] = level
    return put_back_as_read(value, own) if value or spelt(own, _GEMINI, "read") else None
