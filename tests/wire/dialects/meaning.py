"""What a request or an answer means, freed from how a dialect spells it: what translation must keep."""

from __future__ import annotations

import json
from typing import Any

from msgspec import structs

from baseload.core import Apart, Tokens
from baseload.wire.dialects.matrix import SUPPLIED
from baseload.wire.dialects.nouns import (
    Call,
    Declined,
    Dialect,
    Finish,
    Foreign,
    Json,
    Media,
    Part,
    Prompt,
    Reply,
    Result,
    Role,
    ServerTool,
    Shape,
    Text,
    Thought,
    Tool,
)


def of_prompt(prompt: Prompt, approximated: set[str]) -> Json:
    """The meaning of a request, without the fields (names of `matrix.FIELDS`) that were approximated."""
    said: Json = {"model": prompt.model, "stream": bool(prompt.stream)}
    for name in (
        "max_output",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "stop",
        "verbosity",
        "user",
        "tier",
        "metadata",
    ):
        if name == "max_output" and "unbounded_output" in approximated:
            continue
        if name not in approximated and (value := getattr(prompt, name)) is not None:
            said[name] = value
    if not approximated & {"tool_choice_none", "calls_without_tools"}:
        tools = sorted(prompt.tools or (), key=lambda tool: isinstance(tool, ServerTool))
        said["tools"] = [_tool(tool, approximated) for tool in tools]
    choice = prompt.tool_choice
    if choice is not None and not approximated & {"tool_choice", "tool_choice_none"}:
        said["tool_choice"] = (choice.use, choice.name)
    said["serial"] = prompt.parallel_calls is False
    if prompt.form is not None and prompt.form.shape is not Shape.TEXT:
        said["form"] = (prompt.form.shape, prompt.form.schema)
    said["turns"] = _turns(prompt, approximated)
    return said


def _tool(tool: object, approximated: set[str]) -> Any:
    """A tool; `strict` that is not said is false, which responses has to say."""
    if isinstance(tool, ServerTool):
        return ("server", tool.kind)
    assert isinstance(tool, Tool), tool
    strict = "tool_strict" not in approximated and bool(tool.strict)
    return tool.name, tool.description or None, tool.schema or {"type": "object", "properties": {}}, strict


_INSTRUCTING = (Role.SYSTEM, Role.DEVELOPER)


def _turns(prompt: Prompt, approximated: set[str]) -> list[Any]:
    """Instructions at the head, then who said what; neighbouring turns of one side are one."""
    turns: list[Any] = []
    supplied = bool(approximated & {"user_first", "document_alone"})
    for turn in prompt.turns:
        side = "user" if turn.role in (Role.USER, Role.TOOL) else turn.role.value
        if turn.role in _INSTRUCTING:
            midway = any(one for one, _ in turns if one != "system")
            side = "user" if midway or "system_alone" in approximated else "system"
        parts = [part for one in turn.parts for part in _part(one, approximated)]
        if supplied:  # what a user was made to say means nothing
            parts = [part for part in parts if part != ("text", SUPPLIED)]
        if turns and turns[-1][0] == side:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((side, parts))
    return turns


def _part(part: Part, approximated: set[str]) -> list[Any]:
    if isinstance(part, Text):
        return [("text", part.text)] if part.text else []
    if isinstance(part, Declined):
        return [("text", part.text)]
    if isinstance(part, Media):
        name = None if part.kind == "image" or "document_name" in approximated else part.name
        text = part.text
        if text is not None:
            return [("text", text)]
        return [(part.kind, part.data, part.url, part.file, name)]
    if isinstance(part, Call):
        return [("call", part.id, part.name, _arguments(part.arguments))]
    if isinstance(part, Result):
        held = [one for inner in part.parts for one in _part(inner, approximated)]
        return [("result", part.id, held, bool(part.failed) and "result_failed" not in approximated)]
    if isinstance(part, Thought):
        if "foreign_thought" in approximated:
            return []
        return [("thought", part.text, part.signature, part.sealed)]
    return [("foreign", part.what)]


def _arguments(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError:
        return text


_SAME = {
    Finish.STOP_SEQUENCE: Finish.STOP,
    Finish.PAUSE: Finish.STOP,
    Finish.OTHER: Finish.STOP,
    Finish.CONTEXT: Finish.LENGTH,
    Finish.REFUSAL: Finish.FILTER,
}
"""Finish reasons that some dialects do not tell apart."""


_TOLD = {
    Dialect.CHAT: ("input_audio", "output_audio"),
    Dialect.RESPONSES: (),
    Dialect.MESSAGES: ("cache_write_1h", "searches"),
    Dialect.CONVERSE: ("cache_write_1h",),
    Dialect.GEMINI: ("input_audio", "output_audio", "cached_audio", "output_image"),
}
"""What of `Apart` each dialect has a member for; the service tier is the target's own."""


def _counted(tokens: Tokens, crossed: Dialect | None) -> Tokens:
    """Every count, or those that the dialect it crossed into can tell."""
    if crossed is None or tokens.apart is None:
        return tokens
    apart = Apart(**{name: getattr(tokens.apart, name) for name in _TOLD[crossed]})
    return structs.replace(tokens, apart=None if apart == Apart() else apart)


def of_reply(reply: Reply, crossed: Dialect | None = None) -> Json:
    """The meaning of an answer: its parts in order, why it ended, and its usage (none is told as zeros).

    `crossed`: the other dialect it was told in, which may have no place for a count that has a price of its
    own; the target's bill is made of what it said itself.
    """
    tokens = Tokens() if reply.report is None else reply.report.tokens
    return {
        "id": reply.id,
        "model": reply.model,
        "tokens": _counted(tokens, crossed),
        "choices": [
            (
                _joined([one for part in choice.parts for one in _told(part)]),
                None if choice.finish is None else _SAME.get(choice.finish, choice.finish),
            )
            for choice in reply.choices
            if choice.parts or choice.finish is not None  # one that says nothing yet is none
        ],
    }


def _told(part: Part) -> list[Any]:
    if isinstance(part, Foreign):
        return [("foreign", part.what, part.own.members)]
    if isinstance(part, Thought):
        said = (part.text, part.signature or None, part.sealed)
        return [("thought", *said)] if any(said) else []
    return _part(part, set())


def _joined(said: list[Any]) -> list[Any]:
    """Neighbouring texts are one text: no dialect means anything by the seam."""
    joined: list[Any] = []
    for one in said:
        if one[0] == "text" and joined and joined[-1][0] == "text":
            joined[-1] = ("text", joined[-1][1] + one[1])
        else:
            joined.append(one)
    return joined
