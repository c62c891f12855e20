"""Anthropic messages: requests. Shapes: Anthropic's API reference (2023-06-01), beta members too."""

from __future__ import annotations

from typing import Any

from baseload.wire.dialects import annex
from baseload.wire.dialects.messages_tools import (
    marked,
    read_cache,
    read_choice,
    read_tool,
    write_choice,
    write_tool,
)
from baseload.wire.dialects.nouns import (
    Call,
    Declined,
    Dialect,
    Foreign,
    Form,
    Json,
    Kind,
    Media,
    Own,
    Part,
    Prompt,
    Reasoning,
    Result,
    Role,
    Shape,
    Text,
    Thought,
    Turn,
)
from baseload.wire.dialects.rest import Rest, arguments_object, arguments_text, put_back, spelt, wrong
from baseload.wire.dialects.thinking import fitted

_MESSAGES = Dialect.MESSAGES
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_MEDIA = {"image": Kind.IMAGE, "document": Kind.DOCUMENT}
_SOURCES = {"base64": "data", "url": "url", "file": "file_id", "text": "data"}
UNSIGNED = annex.pack({})
"""The signature of thinking that is no model's of Anthropic: SDKs want one, and Anthropic refuses it."""
MAX_OUTPUT = 4096
"""`max_tokens` where a request sets no bound: this dialect needs one. Assumed: every model allows it."""


# -- reading ------------------------------------------------------------------------------------------------


def read_request(body: Json) -> Prompt:
    """The request in `body`. Raises RequestError (invalid_field)."""
    rest = Rest(body, _MESSAGES, "")
    turns = _system(rest)
    turns += [_turn(one, f"messages[{at}]") for at, one in enumerate(rest.need("messages", list))]
    prompt = Prompt(rest.take("model", str) or "", turns, rest.take("stream", bool))
    prompt.max_output = rest.take("max_tokens", int)
    if prompt.max_output is None:
        rest.spelling["max_tokens"] = "absent"  # counting tokens needs none
    prompt.temperature, prompt.top_p = rest.number("temperature"), rest.number("top_p")
    prompt.top_k, prompt.stop = rest.take("top_k", int), rest.take("stop_sequences", list)
    tools = rest.take("tools", list)
    if tools is not None:
        prompt.tools = [read_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)]
    read_choice(rest, prompt)
    _thinking(rest, prompt)
    _form(rest, prompt)
    _metadata(rest, prompt)
    prompt.tier = rest.take("service_tier", str)
    prompt.own = rest.own()
    return prompt


def _system(rest: Rest) -> list[Turn]:
    system = rest.members.get("system")
    if system is None:
        return []
    del rest.members["system"]
    parts, plain = _content(system, "system")
    return [Turn(Role.SYSTEM, parts, plain)]


def _turn(value: object, where: str) -> Turn:
    rest = Rest(value, _MESSAGES, where)
    word = rest.need("role", str)
    role = _ROLES.get(word)
    if role is None:
        raise wrong(f"{where}.role", f"{word!r} is none of {', '.join(_ROLES)}")
    if "content" not in rest.members:
        raise wrong(f"{where}.content", "is missing")
    parts, plain = _content(rest.members.pop("content"), f"{where}.content")
    if role is Role.SYSTEM:
        rest.spelling["midway"] = True
    return Turn(role, parts, plain, own=rest.own())


def _content(content: object, where: str) -> tuple[list[Part], bool]:
    if isinstance(content, str):
        return [Text(content)], True
    if not isinstance(content, list):
        raise wrong(where, "must be a string or a list of blocks")
    return read_blocks(content, where), False


def read_blocks(values: list[Any], where: str) -> list[Part]:
    """Content blocks, as the annex among them has them. Raises RequestError (invalid_field)."""
    kept: Json | None = None
    parts: list[Part] = []
    for at, value in enumerate(values):
        if isinstance(value, dict) and (found := annex.unpack(value.get("data"))) is not None:
            kept = found
        else:
            parts.append(read_block(value, f"{where}[{at}]"))
    return parts if kept is None else annex.restore(parts, kept)


def read_block(value: object, where: str) -> Part:
    """One content block. Raises RequestError (invalid_field)."""
    rest = Rest(value, _MESSAGES, where)
    kind = rest.need("type", str)
    if kind == "text":
        text = rest.need("text", str)
        return Text(text, cache=read_cache(rest), own=rest.own())
    if kind in _MEDIA and (media := _media(rest, _MEDIA[kind])) is not None:
        return media
    if kind == "tool_use":
        arguments = arguments_text(rest.members.pop("input", None))
        call = Call(rest.need("id", str), rest.need("name", str), arguments, cache=read_cache(rest))
        call.own = rest.own()
        return call
    if kind == "tool_result":
        return _result(rest)
    if kind == "thinking":
        thought = Thought(rest.need("thinking", str), rest.take("signature", str), origin=_MESSAGES)
        if thought.signature == UNSIGNED:
            thought.signature = thought.origin = None
        thought.own = rest.own()
        return thought
    if kind == "redacted_thinking":
        return Thought("", sealed=rest.need("data", str), origin=_MESSAGES, own=rest.own())
    assert isinstance(value, dict)
    return Foreign(kind, Own(_MESSAGES, value))


def _media(rest: Rest, kind: Kind) -> Media | None:
    """An image or document; None where its source is of a kind that only Anthropic has."""
    source = rest.members.get("source")
    if not isinstance(source, dict) or source.get("type") not in _SOURCES or len(source) > 3:
        return None
    held = Rest(rest.need("source", dict), _MESSAGES, rest.path("source"))
    form = held.need("type", str)
    value = held.need(_SOURCES[form], str)
    media = Media(kind, held.take("media_type", str), name=rest.take("title", str))
    if form == "base64":
        media.data = value
    elif form == "url":
        media.url = value
    elif form == "file":
        media.file = value
    else:
        media.text = value
    media.cache, media.own = read_cache(rest), rest.own()
    return media


def _result(rest: Rest) -> Result:
    content = rest.members.get("content")
    result = Result(rest.need("tool_use_id", str), [], failed=rest.take("is_error", bool))
    if content is not None:
        del rest.members["content"]
        result.parts, result.plain = _content(content, rest.path("content"))
    result.cache, result.own = read_cache(rest), rest.own()
    return result


def _thinking(rest: Rest, prompt: Prompt) -> None:
    """`thinking`, and the effort in `output_config`."""
    value = rest.take("thinking", dict)
    if value is not None:
        held = Rest(value, _MESSAGES, "thinking")
        word = held.need("type", str)
        prompt.reasoning = Reasoning(budget=held.take("budget_tokens", int), off=word == "disabled")
        prompt.reasoning.dynamic = word not in ("enabled", "disabled")
        held.spelling["type"] = word
        if (display := held.take("display", str)) is not None:
            held.spelling["display"] = display
        if word != "disabled":
            prompt.reasoning.shown = display != "omitted"
        prompt.reasoning.own = held.own()
    output = rest.members.get("output_config")
    if isinstance(output, dict) and isinstance(effort := output.get("effort"), str):
        rest.members["output_config"] = {k: v for k, v in output.items() if k != "effort"}
        rest.spelling["output_config"] = True
        prompt.reasoning = prompt.reasoning or Reasoning(own=Own(_MESSAGES, {}, {"type": None}))
        prompt.reasoning.effort = effort
        if not rest.members["output_config"]:
            del rest.members["output_config"]


def _form(rest: Rest, prompt: Prompt) -> None:
    """`output_config.format`, or its forerunner `output_format`."""
    output: Any = rest.members.get("output_config")
    value: Any = rest.members.get("output_format")
    if isinstance(value, dict):
        del rest.members["output_format"]
        rest.spelling["output_format"] = True
    elif isinstance(output, dict) and isinstance(output.get("format"), dict):
        value = output["format"]
        kept = {name: one for name, one in output.items() if name != "format"}
        del rest.members["output_config"]
        if kept:
            rest.members["output_config"] = kept
    else:
        return
    held = Rest(value, _MESSAGES, "output_config.format")
    if held.take("type", str) != "json_schema":
        raise wrong("output_config.format.type", "must be json_schema")
    prompt.form = Form(Shape.SCHEMA, held.take("schema", dict), own=held.own())


def _metadata(rest: Rest, prompt: Prompt) -> None:
    metadata = rest.members.get("metadata")
    if isinstance(metadata, dict) and isinstance(user := metadata.get("user_id"), str):
        prompt.user = user
        kept = {name: one for name, one in metadata.items() if name != "user_id"}
        del rest.members["metadata"]
        if kept:
            rest.members["metadata"] = kept


# -- writing ------------------------------------------------------------------------------------------------


def write_request(prompt: Prompt) -> Json:
    """The request as a body; what this dialect cannot say has been judged by `matrix` before."""
    own = prompt.own
    system, turns = _split_system(prompt.turns)
    body: Json = {"model": prompt.model} if prompt.model else {}
    body["messages"] = _merged(turns)
    if spelt(own, _MESSAGES, "max_tokens") != "absent":
        body["max_tokens"] = prompt.max_output or MAX_OUTPUT + (fitted(prompt, _MESSAGES).budget or 0)
    if system is not None:
        body["system"] = system
    optional = {
        "stream": prompt.stream,
        "temperature": _at_most_one(prompt),
        "top_p": prompt.top_p,
        "top_k": prompt.top_k,
        "stop_sequences": prompt.stop,
        "service_tier": prompt.tier,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    if prompt.tools is not None:
        body["tools"] = [write_tool(tool) for tool in prompt.tools]
    if (choice := write_choice(prompt)) is not None:
        body["tool_choice"] = choice
    put_back(body, own, _MESSAGES)
    _write_reasoning(body, prompt)
    if prompt.form is not None and prompt.form.shape is Shape.SCHEMA:
        form = put_back({"type": "json_schema", "schema": prompt.form.schema}, prompt.form.own, _MESSAGES)
        if spelt(own, _MESSAGES, "output_format"):
            body["output_format"] = form
        else:
            body["output_config"] = {**body.get("output_config", {}), "format": form}
    if prompt.user is not None:
        body["metadata"] = {**body.get("metadata", {}), "user_id": prompt.user}
    return body


def _at_most_one(prompt: Prompt) -> float | None:
    """Temperatures here end at 1; OpenAI's at 2."""
    temperature, own = prompt.temperature, prompt.own
    if temperature is None or (own is not None and own.dialect is _MESSAGES):
        return temperature
    return min(temperature, 1)


def _split_system(turns: list[Turn]) -> tuple[str | list[Json] | None, list[Turn]]:
    """The leading instructions as `system`; later ones are said where they stand, by the user."""
    at = 0
    while at < len(turns) and turns[at].role in (Role.SYSTEM, Role.DEVELOPER) and not _midway(turns[at]):
        at += 1
    head = turns[:at]
    if not head:
        return None, turns
    if len(head) == 1 and head[0].plain:
        return _text(head[0].parts), turns[at:]
    return [write_block(part) for turn in head for part in turn.parts], turns[at:]


def _midway(turn: Turn) -> bool:
    return bool(spelt(turn.own, _MESSAGES, "midway"))


def _text(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def _merged(turns: list[Turn]) -> list[Json]:
    """Messages; turns of other dialects' roles become the user's, and join the one before."""
    messages: list[Json] = []
    joins = False
    for turn in turns:
        role = "assistant" if turn.role is Role.ASSISTANT else "user"
        if _midway(turn):
            role = "system"
        blocks = [write_block(part) for part in turn.parts if not _empty(part)]
        content: Any = _text(turn.parts) if turn.plain and _only_text(turn.parts) else blocks
        result = turn.role is Role.TOOL
        if messages and messages[-1]["role"] == role and (joins or result):
            before = messages[-1]
            if isinstance(before["content"], str):
                before["content"] = [{"type": "text", "text": before["content"]}]
            before["content"] += blocks
        else:
            messages.append(put_back({"role": role, "content": content}, turn.own, _MESSAGES))
        joins = result
    return messages


def _only_text(parts: list[Part]) -> bool:
    return bool(parts) and all(isinstance(part, Text) and part.cache is None for part in parts)


def _empty(part: Part) -> bool:
    """What says nothing to Anthropic: others' reasoning, which it cannot check, and parts of their own."""
    if isinstance(part, Foreign):
        return part.own.dialect is not _MESSAGES
    return isinstance(part, Thought) and part.origin is not _MESSAGES


def write_block(part: Part) -> Json:
    """A part as a content block."""
    if isinstance(part, Text):
        return marked({"type": "text", "text": part.text}, part.cache, part.own)
    if isinstance(part, Declined):
        return {"type": "text", "text": part.text}
    if isinstance(part, Media):
        return marked(_write_media(part), part.cache, part.own)
    if isinstance(part, Call):
        block = {
            "type": "tool_use",
            "id": part.id,
            "name": part.name,
            "input": arguments_object(part.arguments),
        }
        return marked(block, part.cache, part.own)
    if isinstance(part, Result):
        return _write_result(part)
    if isinstance(part, Thought):
        if part.sealed is not None:
            return put_back({"type": "redacted_thinking", "data": part.sealed}, part.own, _MESSAGES)
        block = {"type": "thinking", "thinking": part.text}
        if part.origin is not _MESSAGES:
            return block | {"signature": UNSIGNED}
        if part.signature is not None:
            block["signature"] = part.signature
        return put_back(block, part.own, _MESSAGES)
    return part.own.members


def _write_media(media: Media) -> Json:
    source: Json
    if media.data is not None:
        source = {
            "type": "base64",
            "media_type": media.mime or "application/octet-stream",
            "data": media.data,
        }
    elif media.url is not None:
        source = {"type": "url", "url": media.url}
    elif media.file is not None:
        source = {"type": "file", "file_id": media.file}
    else:
        source = {"type": "text", "media_type": media.mime or "text/plain", "data": media.text}
    block: Json = {"type": "image" if media.kind is Kind.IMAGE else "document", "source": source}
    if media.name is not None and media.kind is Kind.DOCUMENT:
        block["title"] = media.name
    return block


def _write_result(result: Result) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": result.id}
    if result.parts:
        plain = result.plain and _only_text(result.parts)
        block["content"] = _text(result.parts) if plain else [write_block(part) for part in result.parts]
    elif not result.plain:
        block["content"] = []
    if result.failed is not None:
        block["is_error"] = result.failed
    return marked(block, result.cache, result.own)


def _write_reasoning(body: Json, prompt: Prompt) -> None:
    reasoning = prompt.reasoning
    if reasoning is None:
        return
    own = reasoning.own
    if own is not None and own.dialect is _MESSAGES:
        word = own.spelling.get("type")
        if word is not None:
            said: Json = {"type": word}
            if reasoning.budget is not None:
                said["budget_tokens"] = reasoning.budget
            if (display := own.spelling.get("display")) is not None:
                said["display"] = display
            body["thinking"] = put_back(said, own, _MESSAGES)
        effort = reasoning.effort
    else:
        effort = _write_fitted(body, prompt)
    if effort is not None:
        body["output_config"] = {**body.get("output_config", {}), "effort": effort}


def _write_fitted(body: Json, prompt: Prompt) -> str | None:
    """Another dialect's wish as the model takes it; the effort, which stands elsewhere."""
    wish, reasoning = fitted(prompt, _MESSAGES), prompt.reasoning
    if wish.off:
        body["thinking"] = {"type": "disabled"}
    elif wish.budget is not None:
        body["thinking"] = {"type": "enabled", "budget_tokens": wish.budget}
    elif wish.thinks:
        body["thinking"] = {"type": "adaptive"}
        if reasoning is not None and reasoning.shown:
            body["thinking"]["display"] = "summarized"
    return wish.word
