"""Amazon Bedrock Converse: requests. Shapes: Amazon's API reference, read November 2026.

The model and whether the answer streams stand in the path, so neither is in the body; `write_request` goes by
the model's name where providers differ (`converse_additional`).
"""

from __future__ import annotations

import json
import re
from typing import Any

from baseload.wire.dialects import annex
from baseload.wire.dialects.converse_additional import (
    Nested,
    read_additional,
    worded,
    write_reasoning,
    write_serial,
    write_top_k,
)
from baseload.wire.dialects.converse_blocks import (
    Names,
    cache_point,
    point_block,
    read_blocks,
    write_blocks,
)
from baseload.wire.dialects.matrix import SUPPLIED
from baseload.wire.dialects.nouns import (
    Call,
    Dialect,
    Foreign,
    Form,
    Json,
    Own,
    Part,
    Prompt,
    Result,
    Role,
    Shape,
    Thought,
    Tool,
    ToolChoice,
    ToolUse,
    Turn,
)
from baseload.wire.dialects.rest import Rest, put_back, spelt, wrong

_CONVERSE = Dialect.CONVERSE
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_TIERS = ("default", "flex", "priority")
# -- reading ------------------------------------------------------------------------------------------------


def read_request(body: Json) -> Prompt:
    """The request in `body`; its model is "". Raises RequestError (invalid_field)."""
    rest = Rest(body, _CONVERSE, "")
    system = rest.take("system", list)
    turns = [] if system is None else [Turn(Role.SYSTEM, read_blocks(system, "system"))]
    messages = rest.take("messages", list)
    # without messages the path names a stored prompt; some models take turns whose roles do not alternate
    rest.spelling["messages"] = "absent" if messages is None else "as they are"
    turns += [_turn(one, f"messages[{at}]") for at, one in enumerate(messages or ())]
    prompt = Prompt("", turns)
    _inference(rest, prompt)
    _tools(rest, prompt)
    read_additional(rest, prompt)
    _output(rest, prompt)
    if (
        isinstance(tier := rest.members.get("serviceTier"), dict)
        and tier.get("type") in _TIERS
        and len(tier) == 1
    ):
        prompt.tier = rest.members.pop("serviceTier")["type"]
    prompt.metadata = rest.take("requestMetadata", dict)
    prompt.own = rest.own()
    return prompt


def _turn(value: object, where: str) -> Turn:
    rest = Rest(value, _CONVERSE, where)
    word = rest.need("role", str)
    role = _ROLES.get(word)
    if role is None:
        raise wrong(f"{where}.role", f"{word!r} is none of {', '.join(_ROLES)}")
    parts = read_blocks(rest.need("content", list), f"{where}.content")
    parts = annex.restore(parts, rest.members.pop(annex.MEMBER, None))
    if role is Role.SYSTEM:
        rest.spelling["midway"] = True
    return Turn(role, parts, own=rest.own())


def _inference(rest: Rest, prompt: Prompt) -> None:
    nested = Nested(rest, "inferenceConfig")
    held = nested.held
    prompt.max_output = held.take("maxTokens", int)
    prompt.temperature, prompt.top_p = held.number("temperature"), held.number("topP")
    stop = held.take("stopSequences", list)
    if stop is not None and not all(isinstance(one, str) for one in stop):
        raise wrong("inferenceConfig.stopSequences", "must be a list of strings")
    prompt.stop = stop
    nested.close()


def _tools(rest: Rest, prompt: Prompt) -> None:
    if rest.members.get("toolConfig") is None:
        rest.spelling["toolConfig"] = "absent"
        return
    nested = Nested(rest, "toolConfig")
    tools = nested.held.take("tools", list)
    if tools is not None:
        prompt.tools = []
        for at, tool in enumerate(tools):
            point = cache_point(tool) if isinstance(tool, dict) else None
            last = prompt.tools[-1] if prompt.tools else None
            if point is not None and isinstance(last, Tool) and last.cache is None:
                last.cache = point
            else:
                prompt.tools.append(_tool(tool, f"toolConfig.tools[{at}]"))
    choice = nested.held.take("toolChoice", dict)
    if choice is not None:
        prompt.tool_choice = _tool_choice(choice)
    nested.close()


def _tool(value: object, where: str) -> Tool | Foreign:
    if not isinstance(value, dict) or not value:
        raise wrong(where, "must be an object with one member")
    if list(value) != ["toolSpec"]:
        return Foreign(next(iter(value)), Own(_CONVERSE, value))
    rest = Rest(value["toolSpec"], _CONVERSE, f"{where}.toolSpec")
    tool = Tool(rest.need("name", str), rest.take("description", str))
    schema = rest.members.get("inputSchema")
    if isinstance(schema, dict) and list(schema) == ["json"] and isinstance(schema["json"], dict):
        tool.schema = rest.members.pop("inputSchema")["json"]
    tool.strict, tool.own = rest.take("strict", bool), rest.own()
    return tool


_CHOICES = {"auto": ToolUse.AUTO, "any": ToolUse.ANY, "tool": ToolUse.NAMED}
_CHOICE_WORDS = {use: word for word, use in _CHOICES.items()}


def _tool_choice(value: Json) -> ToolChoice:
    word = next(iter(value), "")
    if word not in _CHOICES or len(value) != 1:
        raise wrong("toolConfig.toolChoice", f"{word!r} is none of {', '.join(_CHOICES)}")
    held = Rest(value[word], _CONVERSE, f"toolConfig.toolChoice.{word}")
    name = held.need("name", str) if word == "tool" else None
    return ToolChoice(_CHOICES[word], name, held.own())


def _output(rest: Rest, prompt: Prompt) -> None:
    """`outputConfig`: the form of the answer, and the effort."""
    nested = Nested(rest, "outputConfig")
    held = nested.held
    already = prompt.reasoning is not None and prompt.reasoning.effort is not None
    if not already and (effort := held.take("effort", str)) is not None:
        prompt.reasoning = worded(prompt.reasoning, effort, "outputConfig")
    form = held.members.get("textFormat")
    schema = _schema_of(form)
    if schema is not None:
        del held.members["textFormat"]
        inner = Rest(schema, _CONVERSE, "outputConfig.textFormat.structure.jsonSchema")
        text = inner.need("schema", str)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise wrong(inner.path("schema"), "must be JSON") from None
        if not isinstance(value, dict):
            raise wrong(inner.path("schema"), "must be a JSON object")
        inner.spelling["schema"] = text
        prompt.form = Form(Shape.SCHEMA, value, inner.take("name", str), inner.take("description", str))
        prompt.form.own = inner.own()
    nested.close()


def _schema_of(form: Any) -> Json | None:
    """The `jsonSchema` of a text format; None where it has another shape, which only AWS can judge."""
    if not isinstance(form, dict) or form.get("type") != "json_schema" or len(form) != 2:
        return None
    structure = form.get("structure")
    if not isinstance(structure, dict) or len(structure) != 1:
        return None
    schema = structure.get("jsonSchema")
    return schema if isinstance(schema, dict) else None


# -- writing ------------------------------------------------------------------------------------------------


def write_request(prompt: Prompt) -> Json:
    """The request as a body; what this dialect cannot say has been judged by `matrix` before.

    Raises RequestError (unsupported_parameter) for media of a type that AWS has no format for.
    """
    own = prompt.own
    names = Names()
    system, turns = _split_system(prompt.turns)
    body: Json = {}
    ours = spelt(own, _CONVERSE, "messages")
    if ours != "absent":
        body["messages"] = _messages(turns, names, as_they_are=ours is not None)
    if system is not None:
        body["system"] = [block for turn in system for block in write_blocks(turn.parts, names)]
        if not body["system"] and any(turn.parts for turn in system):
            del body["system"]
    inference = {
        "maxTokens": prompt.max_output,
        "temperature": _at_most_one(prompt.temperature, own),
        "topP": prompt.top_p,
        "stopSequences": prompt.stop,
    }
    known = {name: value for name, value in inference.items() if value is not None}
    if known:
        body["inferenceConfig"] = known
    if (config := _tool_config(prompt)) is not None:
        body["toolConfig"] = config
    _write_form(body, prompt)
    write_top_k(body, prompt)
    write_reasoning(body, prompt)
    write_serial(body, prompt)
    if prompt.tier in _TIERS:
        body["serviceTier"] = {"type": prompt.tier}
    if prompt.metadata is not None:
        body["requestMetadata"] = fitted_metadata(prompt.metadata)
    _put_back(body, own)
    return body


def _put_back(body: Json, own: Own | None) -> None:
    """What only this dialect has, also within the objects of which something was known."""
    if own is None or own.dialect is not _CONVERSE:
        return
    for name, value in own.members.items():
        held = body.get(name)
        both = isinstance(held, dict) and isinstance(value, dict)
        body[name] = _joined(held, value) if both and isinstance(held, dict) else value


def _joined(held: Json, value: Json) -> Json:
    """Both objects as one, and objects that both have as well."""
    joined = {**held, **value}
    for name in held.keys() & value.keys():
        if isinstance(held[name], dict) and isinstance(value[name], dict):
            joined[name] = {**held[name], **value[name]}
    return joined


def _at_most_one(temperature: float | None, own: Own | None) -> float | None:
    ours = own is not None and own.dialect is _CONVERSE
    return temperature if temperature is None or temperature <= 1 or ours else 1


def _split_system(turns: list[Turn]) -> tuple[list[Turn] | None, list[Turn]]:
    """The leading instructions; later ones are said where they stand."""
    at = 0
    while at < len(turns) and turns[at].role in (Role.SYSTEM, Role.DEVELOPER) and not _midway(turns[at]):
        at += 1
    return turns[:at] or None, turns[at:]


def _midway(turn: Turn) -> bool:
    return bool(spelt(turn.own, _CONVERSE, "midway"))


def _messages(turns: list[Turn], names: Names, *, as_they_are: bool) -> list[Json]:
    """Messages as AWS wants them of most models: roles alternate, the user is first, documents have words."""
    messages: list[Json] = []
    for turn in turns:
        role = "assistant" if turn.role is Role.ASSISTANT else "system" if _midway(turn) else "user"
        blocks = write_blocks([part for part in turn.parts if not _foreign(part)], names)
        if not blocks and not as_they_are:
            continue
        if messages and messages[-1]["role"] == role and not as_they_are:
            messages[-1]["content"] += blocks
        else:
            messages.append(put_back({"role": role, "content": blocks}, turn.own, _CONVERSE))
    if as_they_are:
        return messages
    for message in messages:
        kinds = {kind for block in message["content"] for kind in block}
        if "document" in kinds and "text" not in kinds:
            message["content"].append({"text": SUPPLIED})
    if not messages or messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": [{"text": SUPPLIED}]})
    return messages


def _foreign(part: Part) -> bool:
    """Reasoning of others, which this provider cannot check."""
    return isinstance(part, Thought) and part.origin is not _CONVERSE


def _tool_config(prompt: Prompt) -> Json | None:
    """`toolConfig`; AWS wants it wherever a turn holds a call or a result, tools offered or not."""
    choice = prompt.tool_choice
    tools = prompt.tools or []
    if choice is not None and choice.use is ToolUse.NONE:
        choice, tools = None, []
    value: Json = {}
    written: list[Json] = []
    for tool in tools:
        if isinstance(tool, Tool):
            written += _write_tool(tool)
        elif isinstance(tool, Foreign) and tool.own.dialect is _CONVERSE:
            written.append(tool.own.members)
    if not written and spelt(prompt.own, _CONVERSE, "toolConfig") != "absent":
        written = [{"toolSpec": {"name": name, "inputSchema": _ANY}} for name in _called(prompt.turns)]
    if written:
        value["tools"] = written
    if choice is not None:
        held: Json = {} if choice.name is None else {"name": choice.name}
        value["toolChoice"] = {_CHOICE_WORDS[choice.use]: put_back(held, choice.own, _CONVERSE)}
    return value or None


_ANY = {"json": {"type": "object", "properties": {}}}


def _called(turns: list[Turn]) -> list[str]:
    """The tools that earlier turns called, each once; one of no name where only results are left."""
    parts = [part for turn in turns for part in turn.parts]
    names = dict.fromkeys(part.name for part in parts if isinstance(part, Call))
    if not names and any(isinstance(part, Result) for part in parts):
        return ["tool"]
    return list(names)


def _write_tool(tool: Tool) -> list[Json]:
    spec: Json = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    spec["inputSchema"] = _ANY if tool.schema is None else {"json": tool.schema}
    if tool.strict is not None:
        spec["strict"] = tool.strict
    written = [{"toolSpec": put_back(spec, tool.own, _CONVERSE)}]
    return written if tool.cache is None else [*written, point_block(tool.cache)]


def _write_form(body: Json, prompt: Prompt) -> None:
    form = prompt.form
    if form is None or form.shape is not Shape.SCHEMA:
        return
    text = spelt(form.own, _CONVERSE, "schema")
    schema: Json = {"schema": text if text is not None else json.dumps(form.schema or {}, ensure_ascii=False)}
    if form.name is not None:
        schema["name"] = form.name
    if form.description is not None:
        schema["description"] = form.description
    put_back(schema, form.own, _CONVERSE)
    body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


_UNFIT = re.compile(r"[^a-zA-Z0-9\s:_@$#=/+,\-.]")


def fitted_metadata(metadata: Json) -> Json:
    """Pairs for the invocation log, in the characters that AWS takes."""
    return {_fitting(name): _fitting(value) for name, value in metadata.items()}


def _fitting(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _UNFIT.sub("_", text)[:256]
