"""OpenAI chat completions: requests. Shapes: OpenAI's API reference, and what compatible servers add."""

from __future__ import annotations

from typing import Any

from baseload.wire.dialects import annex
from baseload.wire.dialects.chat_thinking import read_reasoning, written_reasoning
from baseload.wire.dialects.chat_tools import read_cache, read_choice, read_tools, write_tools
from baseload.wire.dialects.matrix import SHOWN
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
    Result,
    Role,
    Shape,
    Text,
    Thought,
    Turn,
)
from baseload.wire.dialects.rest import Rest, data_url, put_back, spelt, split_data_url, wrong

_CHAT = Dialect.CHAT
_ROLES = {role.value: role for role in Role} | {"function": Role.TOOL}
_SHAPES = {"text": Shape.TEXT, "json_object": Shape.JSON, "json_schema": Shape.SCHEMA}
_SHAPE_WORDS = {shape: word for word, shape in _SHAPES.items()}
THOUGHTS = ("reasoning_content", "reasoning")
"""Where compatible servers put the model's reasoning: DeepSeek, vLLM and SGLang first, others second."""


# -- reading ------------------------------------------------------------------------------------------------


def read_request(body: Json) -> Prompt:
    """The request in `body`. Raises RequestError (invalid_field)."""
    rest = Rest(body, _CHAT, "")
    prompt = Prompt(model=rest.need("model", str), turns=_turns(rest))
    prompt.stream = rest.take("stream", bool)
    if isinstance(options := body.get("stream_options"), dict) and "include_usage" in options:
        prompt.usage_in_stream = bool(options["include_usage"])
    prompt.max_output = rest.take("max_completion_tokens", int)
    if prompt.max_output is None and (older := rest.take("max_tokens", int)) is not None:
        prompt.max_output = older
        rest.spelling["max_tokens"] = True
    prompt.temperature, prompt.top_p = rest.number("temperature"), rest.number("top_p")
    prompt.top_k, prompt.seed = rest.take("top_k", int), rest.take("seed", int)
    prompt.presence_penalty = rest.number("presence_penalty")
    prompt.frequency_penalty = rest.number("frequency_penalty")
    prompt.stop = _stop(rest)
    prompt.choices = rest.take("n", int)
    prompt.logprobs, prompt.top_logprobs = rest.take("logprobs", bool), rest.take("top_logprobs", int)
    prompt.parallel_calls = rest.take("parallel_tool_calls", bool)
    prompt.tools = read_tools(rest)
    prompt.tool_choice = read_choice(rest)
    if (form := rest.take("response_format", dict)) is not None:
        prompt.form = _form(form)
    prompt.reasoning = read_reasoning(rest)
    prompt.user, prompt.tier = rest.take("user", str), rest.take("service_tier", str)
    prompt.metadata = rest.take("metadata", dict)
    prompt.verbosity = rest.take("verbosity", str)
    prompt.own = rest.own()
    return prompt


def _stop(rest: Rest) -> list[str] | None:
    stop: Any = rest.members.get("stop")
    if stop is None:
        return None
    del rest.members["stop"]
    if isinstance(stop, str):
        rest.spelling["stop"] = True
        return [stop]
    if isinstance(stop, list) and all(isinstance(one, str) for one in stop):
        return stop
    raise wrong("stop", "must be a string or a list of strings")


def _turns(rest: Rest) -> list[Turn]:
    messages = rest.need("messages", list)
    return [_turn(message, f"messages[{at}]") for at, message in enumerate(messages)]


def _turn(message: object, where: str) -> Turn:
    rest = Rest(message, _CHAT, where)
    word = rest.need("role", str)
    role = _ROLES.get(word)
    if role is None:
        raise wrong(f"{where}.role", f"{word!r} is none of {', '.join(_ROLES)}")
    turn = Turn(role, [], name=rest.take("name", str) if role is not Role.TOOL else None)
    if role is Role.TOOL:
        turn.parts = [_result(rest, word)]
    else:
        turn.parts, turn.plain = said(rest)
        turn.parts = annex.restore(turn.parts, rest.members.pop(annex.MEMBER, None))
    turn.own = rest.own()
    return turn


def _result(rest: Rest, word: str) -> Result:
    """A message of the role `tool`, or of its forerunner `function`, which names the function instead."""
    if word == "function":
        rest.spelling["function"] = True
    content = rest.members.pop("content", None)
    parts, plain = _content(content, rest.path("content"))
    if content is None:
        rest.spelling["content"] = None
    return Result(rest.take("tool_call_id", str) or "", parts, name=rest.take("name", str), plain=plain)


def said(rest: Rest) -> tuple[list[Part], bool]:
    """The parts of a message, its calls included, and whether its content came as a bare string."""
    parts: list[Part] = []
    for name in THOUGHTS:
        if not rest.members.get(name) or (thought := rest.take(name, str)) is None:
            continue
        if parts:  # vLLM says the same under both names
            rest.spelling["again"] = {name: thought}
        else:
            parts.append(Thought(thought))
            rest.spelling["thought"] = name
    content = rest.members.pop("content", _ABSENT)
    if content is _ABSENT or not content:
        rest.spelling["content"] = "absent" if content is _ABSENT else content
        plain = True
    else:
        spoken, plain = _content(content, rest.path("content"))
        parts += spoken
    if rest.members.get("refusal") and (refusal := rest.take("refusal", str)):
        parts.append(Declined(refusal))
    calls = rest.take("tool_calls", list) if rest.members.get("tool_calls") else None
    for at, call in enumerate(calls or ()):
        parts.append(_call(call, f"{rest.path('tool_calls')}[{at}]"))
    if (older := rest.take("function_call", dict)) is not None:
        call = Rest(older, _CHAT, rest.path("function_call"))
        rest.spelling["function_call"] = True
        parts.append(Call("", call.need("name", str), call.need("arguments", str)))
    return parts, plain


_ABSENT = object()


def _content(content: object, where: str) -> tuple[list[Part], bool]:
    if content is None:
        return [], True
    if isinstance(content, str):
        return [Text(content)], True
    if not isinstance(content, list):
        raise wrong(where, "must be a string or a list of parts")
    return [_part(part, f"{where}[{at}]") for at, part in enumerate(content)], False


def _part(value: object, where: str) -> Part:
    rest = Rest(value, _CHAT, where)
    kind = rest.need("type", str)
    if kind == "text":
        text = rest.need("text", str)
        return Text(text, cache=read_cache(rest), own=rest.own())
    if kind == "refusal":
        return Declined(rest.need("refusal", str))
    if kind == "image_url":
        return _image(rest)
    if kind == "input_audio":
        sound = Rest(rest.need("input_audio", dict), _CHAT, rest.path("input_audio"))
        form = sound.need("format", str)
        return Media(Kind.AUDIO, f"audio/{form}", data=sound.need("data", str), own=rest.own())
    if kind == "file":
        return _file(rest)
    assert isinstance(value, dict)
    return Foreign(kind, Own(_CHAT, value))


def _image(rest: Rest) -> Media:
    image = Rest(rest.need("image_url", dict), _CHAT, rest.path("image_url"))
    url, detail = image.need("url", str), image.take("detail", str)
    cache = read_cache(rest)
    inline = split_data_url(url)
    if inline is None:
        return Media(Kind.IMAGE, url=url, detail=detail, cache=cache, own=rest.own())
    return Media(Kind.IMAGE, inline[0], data=inline[1], detail=detail, cache=cache, own=rest.own())


def _file(rest: Rest) -> Media:
    held = Rest(rest.need("file", dict), _CHAT, rest.path("file"))
    name, data, file = held.take("filename", str), held.take("file_data", str), held.take("file_id", str)
    media = Media(Kind.DOCUMENT, file=file, name=name, cache=read_cache(rest))
    if data is not None:
        inline = split_data_url(data)
        if inline is None:
            rest.spelling["bare"] = True  # base64 without a media type, as some servers take it
        media.mime, media.data = inline if inline is not None else (None, data)
    media.own = rest.own()
    return media


def _call(value: object, where: str) -> Part:
    rest = Rest(value, _CHAT, where)
    kind = rest.members.get("type", "function")
    if kind != "function":
        assert isinstance(value, dict)
        return Foreign(f"tool_calls of type {kind}", Own(_CHAT, value))
    if rest.members.pop("type", None) is None:
        rest.spelling["type"] = None
    function = Rest(rest.need("function", dict), _CHAT, rest.path("function"))
    call = Call(rest.take("id", str) or "", function.need("name", str), function.take("arguments", str) or "")
    if isinstance(rest.members.get("index"), int):  # as in streams; its place among the calls says the same
        rest.spelling["index"] = rest.members.pop("index")
    call.own = rest.own()
    return call


def _form(value: Json) -> Form:
    rest = Rest(value, _CHAT, "response_format")
    word = rest.need("type", str)
    shape = _SHAPES.get(word)
    if shape is None:
        return Form(Shape.TEXT, own=Own(_CHAT, value))
    form = Form(shape)
    if shape is Shape.SCHEMA:
        held = Rest(rest.need("json_schema", dict), _CHAT, "response_format.json_schema")
        form.name, form.description = held.take("name", str), held.take("description", str)
        form.schema, form.strict = held.take("schema", dict), held.take("strict", bool)
        form.own = held.own()
    return form


# -- writing ------------------------------------------------------------------------------------------------


def write_request(prompt: Prompt) -> Json:
    """The request as a body; what this dialect cannot say has been judged by `matrix` before."""
    own = prompt.own
    body: Json = {"model": prompt.model, "messages": _messages(prompt.turns)}
    older = spelt(own, _CHAT, "max_tokens")
    optional = {
        "max_tokens" if older else "max_completion_tokens": prompt.max_output,
        "stream": prompt.stream,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "top_k": prompt.top_k,
        "seed": prompt.seed,
        "presence_penalty": prompt.presence_penalty,
        "frequency_penalty": prompt.frequency_penalty,
        "n": prompt.choices,
        "logprobs": prompt.logprobs,
        "top_logprobs": prompt.top_logprobs,
        "parallel_tool_calls": prompt.parallel_calls,
        "user": prompt.user,
        "service_tier": prompt.tier,
        "metadata": prompt.metadata,
        "verbosity": prompt.verbosity,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    if prompt.stop is not None:
        body["stop"] = prompt.stop[0] if spelt(own, _CHAT, "stop") else prompt.stop
    if prompt.usage_in_stream is not None:
        body["stream_options"] = {"include_usage": prompt.usage_in_stream}
    write_tools(body, prompt)
    if prompt.form is not None:
        body["response_format"] = _write_form(prompt.form)
    body.update(written_reasoning(prompt))
    return put_back(body, own, _CHAT)


def _messages(turns: list[Turn]) -> list[Json]:
    """The turns as messages; the user shows what results of tools cannot hold, once all of them are told."""
    messages: list[Json] = []
    shown: list[Part] = []
    for turn in turns:
        results = [part for part in turn.parts if isinstance(part, Result)]
        messages += [_write_result(result, turn) for result in results]
        shown += [part for result in results for part in result.parts if _is_shown(part)]
        spoken: list[Part] = [part for part in turn.parts if not isinstance(part, Result)]
        if turn.role is Role.TOOL or (results and not spoken):
            continue
        if shown and turn.role is Role.USER:
            spoken, shown = [*shown, *spoken], []
        elif shown:
            messages.append(_write_spoken(Turn(Role.USER, shown), shown))
            shown = []
        messages.append(_write_spoken(turn, spoken))
    if shown:
        messages.append(_write_spoken(Turn(Role.USER, shown), shown))
    return messages


def _is_shown(part: Part) -> bool:
    """Whether a part of a tool's result cannot be told in it: those hold text alone."""
    return isinstance(part, Media) and part.text is None


def _write_spoken(turn: Turn, spoken: list[Part]) -> Json:
    """What a turn says besides the results of tools, which stand before it."""
    message: Json = {"role": turn.role.value}
    if turn.name is not None:
        message["name"] = turn.name
    write_said(message, spoken, turn.plain, turn.own)
    return put_back(message, turn.own, _CHAT)


def _write_result(result: Result, turn: Turn) -> Json:
    own = turn.own
    message: Json = {"role": "function" if spelt(own, _CHAT, "function") else "tool"}
    if result.id:
        message["tool_call_id"] = result.id
    if result.name is not None and own is not None and own.dialect is _CHAT:
        message["name"] = result.name
    if not result.parts and own is not None and own.dialect is _CHAT and "content" in own.spelling:
        message["content"] = None
    else:
        told = [Text(SHOWN) if _is_shown(part) else part for part in result.parts]
        message["content"] = _write_content(told, plain=result.plain)
    return put_back(message, own, _CHAT) if turn.role is Role.TOOL else message


def write_said(message: Json, parts: list[Part], plain: bool, own: Own | None) -> None:
    """Content, reasoning, refusal and calls of a message."""
    spoken: list[Part] = []
    calls: list[Json] = []
    for part in parts:
        if isinstance(part, Thought):
            name = spelt(own, _CHAT, "thought") or THOUGHTS[0]
            message[name] = message.get(name, "") + part.text
            message |= spelt(own, _CHAT, "again") or {}
        elif isinstance(part, Declined) and plain:
            message["refusal"] = part.text
        elif isinstance(part, Call):
            calls.append(_write_call(part))
        elif isinstance(part, Foreign) and part.what.startswith("tool_calls"):
            calls.append(part.own.members)
        elif not isinstance(part, Foreign) or part.own.dialect is _CHAT:
            spoken.append(part)  # what only another dialect has is in the annex
    if spoken:
        message["content"] = _write_content(spoken, plain=plain)
    elif (absent := spelt(own, _CHAT, "content")) != "absent":
        message["content"] = absent
    if calls and spelt(own, _CHAT, "function_call"):
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls


def _write_content(parts: list[Part], *, plain: bool) -> str | list[Json]:
    if plain and all(isinstance(part, Text) and part.cache is None for part in parts):
        return "".join(part.text for part in parts if isinstance(part, Text))
    return [_write_part(part) for part in parts]


def _write_part(part: Part) -> Json:
    if isinstance(part, Text):
        return _marked({"type": "text", "text": part.text}, part)
    if isinstance(part, Declined):
        return {"type": "refusal", "refusal": part.text}
    if isinstance(part, Media):
        return _marked(_write_media(part), part)
    assert isinstance(part, Foreign), part
    return part.own.members


def _marked(value: Json, part: Text | Media) -> Json:
    """With its cache marker and what only this dialect says of it."""
    if part.cache is not None:
        point = spelt(part.own, _CHAT, "breakpoint")
        if point is not None:
            value["prompt_cache_breakpoint"] = point
        else:
            value["cache_control"] = {"type": "ephemeral"} | (
                {"ttl": part.cache.ttl} if part.cache.ttl else {}
            )
    return put_back(value, part.own, _CHAT)


def _write_media(media: Media) -> Json:
    if media.kind is Kind.IMAGE:
        url = media.url if media.data is None else data_url(media.mime, media.data)
        image = {"url": url} | ({"detail": media.detail} if media.detail is not None else {})
        return {"type": "image_url", "image_url": image}
    if media.kind is Kind.AUDIO:
        form = (media.mime or "audio/wav").removeprefix("audio/")
        return {"type": "input_audio", "input_audio": {"data": media.data, "format": form}}
    if media.text is not None:
        return {"type": "text", "text": media.text}
    held: Json = {}
    if media.name is not None:
        held["filename"] = media.name
    if media.data is not None:
        bare = spelt(media.own, _CHAT, "bare")
        held["file_data"] = media.data if bare else data_url(media.mime, media.data)
    if media.file is not None:
        held["file_id"] = media.file
    return {"type": "file", "file": held}


def _write_call(call: Call) -> Json:
    value: Json = {"id": call.id, "type": "function"}
    if call.own is not None and call.own.dialect is _CHAT and "type" in call.own.spelling:
        del value["type"]
    value["function"] = {"name": call.name, "arguments": call.arguments}
    if (place := spelt(call.own, _CHAT, "index")) is not None:
        value["index"] = place
    return put_back(value, call.own, _CHAT)


def _write_form(form: Form) -> Json:
    if form.shape is not Shape.SCHEMA:
        if form.own is not None and form.own.dialect is _CHAT:
            return form.own.members
        return {"type": _SHAPE_WORDS[form.shape]}
    held: Json = {"name": form.name or "answer"}
    if form.description is not None:
        held["description"] = form.description
    held["schema"] = form.schema
    if form.strict is not None:
        held["strict"] = form.strict
    return {"type": "json_schema", "json_schema": put_back(held, form.own, _CHAT)}
