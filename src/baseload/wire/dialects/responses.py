"""OpenAI responses: requests. Shapes: OpenAI's API reference and the models of its Python SDK."""

from __future__ import annotations

from typing import Any

from baseload.wire.dialects.chat_thinking import effort_of
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
    Search,
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
from baseload.wire.dialects.responses_items import (
    read_item,
    read_message,
    read_result,
    write_items,
    write_part,
    write_result,
)
from baseload.wire.dialects.rest import Rest, put_back, spelt, wrong
from baseload.wire.dialects.searching import location, take_domains, take_location, unless_empty

_RESPONSES = Dialect.RESPONSES
_SAYING = {"user": Role.USER, "system": Role.SYSTEM, "developer": Role.DEVELOPER}
_CHOICES = {"auto": ToolUse.AUTO, "none": ToolUse.NONE, "required": ToolUse.ANY}
_CHOICE_WORDS = {use: word for word, use in _CHOICES.items()}
_SHAPES = {"text": Shape.TEXT, "json_object": Shape.JSON, "json_schema": Shape.SCHEMA}
_SHAPE_WORDS = {shape: word for word, shape in _SHAPES.items()}
_SERVED = {
    "web_search": Service.WEB_SEARCH,
    "web_search_preview": Service.WEB_SEARCH,
    "code_interpreter": Service.CODE_EXECUTION,
}
_SERVED_WORDS = {Service.WEB_SEARCH: "web_search", Service.CODE_EXECUTION: "code_interpreter"}
LOGPROBS = "message.output_text.logprobs"
"""The member of `include` that asks for log probabilities."""


# -- reading ------------------------------------------------------------------------------------------------


def read_request(body: Json) -> Prompt:
    """The request in `body`. Raises RequestError (invalid_field)."""
    rest = Rest(body, _RESPONSES, "")
    prompt = Prompt(rest.take("model", str) or "", _instructions(rest) + _turns(rest))
    if not prompt.model:
        rest.spelling["model"] = "absent"  # a stored prompt may name it
    prompt.stream = rest.take("stream", bool)
    prompt.max_output = rest.take("max_output_tokens", int)
    prompt.temperature, prompt.top_p = rest.number("temperature"), rest.number("top_p")
    prompt.top_logprobs = rest.take("top_logprobs", int)
    prompt.parallel_calls = rest.take("parallel_tool_calls", bool)
    include: Any = rest.members.get("include")
    if isinstance(include, list) and LOGPROBS in include:
        prompt.logprobs = True
        rest.spelling["include"] = rest.members.pop("include")
    tools = rest.take("tools", list)
    if tools is not None:
        prompt.tools = [_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)]
    prompt.tool_choice = _tool_choice(rest)
    _text(rest, prompt)
    _reasoning(rest, prompt)
    prompt.user, prompt.tier = rest.take("user", str), rest.take("service_tier", str)
    prompt.metadata = rest.take("metadata", dict)
    prompt.own = rest.own()
    return prompt


def _instructions(rest: Rest) -> list[Turn]:
    said = rest.take("instructions", str)
    if said is None:
        return []
    return [Turn(Role.SYSTEM, [Text(said)], True, own=Own(_RESPONSES, {}, {"instructions": True}))]


def _turns(rest: Rest) -> list[Turn]:
    """The items as turns: what the model made in a row is one, and so are the results of its calls."""
    value = rest.members.pop("input", None)
    if value is None:
        rest.spelling["input"] = "absent"
        return []
    if isinstance(value, str):
        rest.spelling["input"] = "text"
        return [Turn(Role.USER, [Text(value)], True)]
    if not isinstance(value, list):
        raise wrong("input", "must be a string or a list of items")
    turns: list[Turn] = []
    for at, item in enumerate(value):
        turn = _turn(item, f"input[{at}]")
        if turns and turn.role is turns[-1].role and turn.role in (Role.ASSISTANT, Role.TOOL):
            turns[-1].parts += turn.parts
        else:
            turns.append(turn)
    return turns


def _turn(item: object, where: str) -> Turn:
    if not isinstance(item, dict):
        raise wrong(where, "must be an object")
    kind, word = item.get("type", "message"), item.get("role")
    if kind == "function_call_output":
        return Turn(Role.TOOL, [read_result(item, where)])
    if kind != "message" and word in ("system", "developer", "user"):
        return Turn(_SAYING[word], [Foreign(str(kind), Own(_RESPONSES, item))])
    if kind != "message" or word == "assistant":
        return Turn(Role.ASSISTANT, read_item(item, where), plain=True)
    role = _SAYING.get(word) if isinstance(word, str) else None
    if role is None:
        raise wrong(f"{where}.role", f"{word!r} is none of {', '.join(_SAYING)}, assistant")
    parts = read_message(Rest(item, _RESPONSES, where))
    return Turn(role, parts, isinstance(item.get("content"), str))


def _tool(value: object, where: str) -> Tool | ServerTool | Foreign:
    rest = Rest(value, _RESPONSES, where)
    kind = rest.need("type", str)
    if kind == "function":
        tool = Tool(rest.need("name", str), rest.take("description", str), rest.take("parameters", dict))
        tool.strict = rest.take("strict", bool)
        tool.own = rest.own() or Own(_RESPONSES, {})
        return tool
    if kind in _SERVED:
        if kind == "code_interpreter" and rest.members.get("container") == {"type": "auto"}:
            del rest.members["container"]
        if kind == "web_search_preview":
            rest.spelling["type"] = kind
        search = _search(rest) if _SERVED[kind] is Service.WEB_SEARCH else None
        return ServerTool(_SERVED[kind], rest.own(), search)
    assert isinstance(value, dict)
    return Foreign(kind, Own(_RESPONSES, value))


def _search(rest: Rest) -> Search | None:
    search = Search(location=take_location(rest))
    filters = rest.members.get("filters")
    if isinstance(filters, dict) and filters.keys() == {"allowed_domains"}:
        held = Rest(filters, _RESPONSES, rest.path("filters"))
        search.allowed = take_domains(held, "allowed_domains")
        if search.allowed is not None:
            del rest.members["filters"]
    return unless_empty(search)


def _tool_choice(rest: Rest) -> ToolChoice | None:
    choice = rest.members.pop("tool_choice", None)
    if choice is None:
        return None
    if isinstance(choice, str) and choice in _CHOICES:
        return ToolChoice(_CHOICES[choice])
    if isinstance(choice, dict):
        name = choice.get("name")
        if choice.get("type") == "function" and isinstance(name, str) and len(choice) == 2:
            return ToolChoice(ToolUse.NAMED, name)
        return ToolChoice(ToolUse.AUTO, own=Own(_RESPONSES, choice))
    raise wrong("tool_choice", f"{choice!r} is none of {', '.join(_CHOICES)} and no tool")


def _text(rest: Rest, prompt: Prompt) -> None:
    """`text`: the form of the answer and how long-winded it is."""
    value = rest.take("text", dict)
    if value is None:
        return
    held = Rest(value, _RESPONSES, "text")
    if (form := held.take("format", dict)) is not None:
        prompt.form = _form(Rest(form, _RESPONSES, "text.format"))
    prompt.verbosity = held.take("verbosity", str)
    if held.members or (prompt.form is None and prompt.verbosity is None):
        rest.members["text"] = held.members


def _form(rest: Rest) -> Form:
    value = dict(rest.members)
    word = rest.need("type", str)
    shape = _SHAPES.get(word)
    if shape is None:
        return Form(Shape.TEXT, own=Own(_RESPONSES, value))
    form = Form(shape)
    if shape is Shape.SCHEMA:
        form.name, form.description = rest.take("name", str), rest.take("description", str)
        form.schema, form.strict = rest.take("schema", dict), rest.take("strict", bool)
    form.own = rest.own()
    return form


def _reasoning(rest: Rest, prompt: Prompt) -> None:
    value = rest.take("reasoning", dict)
    if value is None:
        return
    held = Rest(value, _RESPONSES, "reasoning")
    effort = held.take("effort", str)
    reasoning = Reasoning(off=True) if effort == "none" else Reasoning(effort)
    for name in ("summary", "generate_summary"):
        if (word := held.take(name, str)) is not None:
            reasoning.shown = True
            held.spelling[name] = word
    reasoning.own = held.own() or Own(_RESPONSES, {})
    prompt.reasoning = reasoning


# -- writing ------------------------------------------------------------------------------------------------


def write_request(prompt: Prompt) -> Json:
    """The request as a body; what this dialect cannot say has been judged by `matrix` before."""
    own = prompt.own
    body: Json = {} if spelt(own, _RESPONSES, "model") else {"model": prompt.model}
    turns = prompt.turns
    if turns and _is_instructions(turns[0]):
        body["instructions"] = "".join(part.text for part in turns[0].parts if isinstance(part, Text))
        turns = turns[1:]
    spelling = spelt(own, _RESPONSES, "input")
    if spelling == "text" and len(turns) == 1 and isinstance(first := turns[0].parts[0], Text):
        body["input"] = first.text
    elif turns or spelling != "absent":
        body["input"] = [item for turn in turns for item in _write_turn(turn)]
    optional = {
        "stream": prompt.stream,
        "max_output_tokens": prompt.max_output,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "top_logprobs": prompt.top_logprobs,
        "parallel_tool_calls": prompt.parallel_calls,
        "user": prompt.user,
        "service_tier": prompt.tier,
        "metadata": prompt.metadata,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    if prompt.logprobs:
        body["include"] = spelt(own, _RESPONSES, "include") or [LOGPROBS]
    if prompt.tools is not None:
        body["tools"] = [_write_tool(tool) for tool in prompt.tools]
    if prompt.tool_choice is not None:
        body["tool_choice"] = _write_choice(prompt.tool_choice)
    if prompt.reasoning is not None and (reasoning := _write_reasoning(prompt, prompt.reasoning)) is not None:
        body["reasoning"] = reasoning
    put_back(body, own, _RESPONSES)
    text: Json = {}
    if prompt.form is not None:
        text["format"] = _write_form(prompt.form)
    if prompt.verbosity is not None:
        text["verbosity"] = prompt.verbosity
    if text:
        body["text"] = text | body.get("text", {})
    return body


def _is_instructions(turn: Turn) -> bool:
    """Whether the first turn is written as `instructions`: it was, or is another dialect's plain one."""
    if spelt(turn.own, _RESPONSES, "instructions"):
        return True
    if turn.role is not Role.SYSTEM or not turn.plain or turn.name is not None:
        return False
    return all(
        isinstance(part, Text) and spelt(part.own, _RESPONSES, "message") is None for part in turn.parts
    )


def _write_turn(turn: Turn) -> list[Json]:
    results = [write_result(part) for part in turn.parts if isinstance(part, Result)]
    parts: list[Part] = [part for part in turn.parts if not isinstance(part, Result)]
    if not parts:
        return results
    if turn.role is Role.ASSISTANT:
        return results + write_items(parts, None)
    if isinstance(item := parts[0], Foreign) and "role" in item.own.members:
        return [*results, item.own.members]
    calls = [part for part in parts if isinstance(part, Call | Thought)]  # under whatever role: items here
    said: list[Part] = [part for part in parts if not isinstance(part, Call | Thought)]
    items = results + write_items(calls, None) if calls else results
    return [*items, _write_message(turn, said)] if said else items


def _write_message(turn: Turn, parts: list[Part]) -> Json:
    first = parts[0]
    held = None if isinstance(first, Result) else spelt(first.own, _RESPONSES, "message")
    message: Json = {"role": "user" if turn.role is Role.TOOL else turn.role.value}
    if held is not None and held["typed"]:
        message["type"] = "message"
    if turn.plain and all(isinstance(part, Text) for part in parts):
        message["content"] = "".join(part.text for part in parts if isinstance(part, Text))
    elif held is not None and held.get("empty"):
        message["content"] = []
    else:
        message["content"] = [write_part(part, said=False) for part in parts]
    return message | (held["members"] if held is not None else {})


def _write_tool(tool: Tool | ServerTool | Foreign) -> Json:
    """A tool. A strict one is this dialect's default, so that one of others is told not to be."""
    if isinstance(tool, Foreign):
        return tool.own.members
    if isinstance(tool, ServerTool):
        kind = spelt(tool.own, _RESPONSES, "type") or _SERVED_WORDS[tool.kind]
        value: Json = {"type": kind}
        if kind == "code_interpreter":
            value["container"] = {"type": "auto"}
        if (search := tool.search) is not None and search.allowed is not None:
            value["filters"] = {"allowed_domains": search.allowed}
        if search is not None and search.location is not None:
            value["user_location"] = location(search.location)
        return put_back(value, tool.own, _RESPONSES)
    value = {"type": "function", "name": tool.name}
    if tool.description is not None:
        value["description"] = tool.description
    ours = tool.own is not None and tool.own.dialect is _RESPONSES
    if tool.schema is not None or not ours:
        value["parameters"] = tool.schema or {"type": "object", "properties": {}}
    if tool.strict is not None or not ours:
        value["strict"] = bool(tool.strict)
    return put_back(value, tool.own, _RESPONSES)


def _write_choice(choice: ToolChoice) -> str | Json:
    if choice.own is not None and choice.own.dialect is _RESPONSES:
        return choice.own.members
    if choice.use is ToolUse.NAMED:
        return {"type": "function", "name": choice.name}
    return _CHOICE_WORDS[choice.use]


def _write_form(form: Form) -> Json:
    own = form.own
    if form.shape is Shape.TEXT and own is not None and own.dialect is _RESPONSES:
        return {"type": "text"} | own.members
    value: Json = {"type": _SHAPE_WORDS[form.shape]}
    if form.shape is Shape.SCHEMA:
        ours = own is not None and own.dialect is _RESPONSES
        optional = {
            "name": form.name or (None if ours else "answer"),
            "description": form.description,
            "schema": form.schema,
            "strict": form.strict,
        }
        value.update((name, one) for name, one in optional.items() if one is not None)
    return put_back(value, own, _RESPONSES)


def _write_reasoning(prompt: Prompt, reasoning: Reasoning) -> Json | None:
    own = reasoning.own
    effort = effort_of(prompt, _RESPONSES)
    value: Json = {} if effort is None else {"effort": effort}
    if own is not None and own.dialect is _RESPONSES:
        return value | own.spelling | own.members
    if reasoning.shown:
        value["summary"] = "auto"
    return value or None
