"""What a request or an answer means, freed from how a dialect spells it: what translation must keep."""

from __future__ import annotations

import json
import mimetypes
import re
from typing import Any

from msgspec import structs

from baseload.core import Apart, Tokens
from baseload.wire.dialects.converse_blocks import FAILED
from baseload.wire.dialects.matrix import JSON_ASKED, SHOWN, SUPPLIED
from baseload.wire.dialects.nouns import (
    Call,
    Declined,
    Dialect,
    Finish,
    Foreign,
    Json,
    Kind,
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
    ToolUse,
)
from baseload.wire.dialects.searching import ROWS
from baseload.wire.dialects.thinking import SAMPLING, asks, fitted


def of_prompt(prompt: Prompt, approximated: set[str], target: Dialect) -> Json:
    """The meaning of a request, without the fields (names of `matrix.FIELDS`) that were approximated.

    What says nothing is left out: neutral values, choices among no tools, names that a format made us supply.
    """
    said: Json = {"model": prompt.model, "stream": bool(prompt.stream)}
    said.update(_values(prompt, approximated))
    if not approximated & {"tool_choice_none", "calls_without_tools"}:
        tools = [tool for tool in prompt.tools or () if not isinstance(tool, Foreign)]
        tools.sort(key=lambda tool: isinstance(tool, ServerTool))
        said["tools"] = [_tool(tool, approximated) for tool in tools]
    choice = prompt.tool_choice
    if (
        choice is not None
        and choice.use is not ToolUse.AUTO
        and prompt.tools
        and not approximated & {"tool_choice", "tool_choice_none"}
    ):
        said["tool_choice"] = (choice.use, choice.name)
    if prompt.tools and prompt.parallel_calls is False and "serial_calls" not in approximated:
        said["serial"] = True
    if prompt.form is not None and prompt.form.shape is not Shape.TEXT and "form_json" not in approximated:
        said["form"] = (prompt.form.shape, None if "schema_limits" in approximated else prompt.form.schema)
    if not approximated & {"effort", "thinking_budget", "thinking_dynamic", "thinking_off"}:
        said["thinking"] = _thinking(prompt, target)
    said["turns"] = _turns(prompt, approximated, target)
    return said


_PLAIN = (
    "max_output",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "stop",
    "choices",
    "logprobs",
    "top_logprobs",
    "verbosity",
    "user",
    "tier",
    "metadata",
)
_NEUTRAL = {"choices": 1, "tier": "auto"}
_ROWS = {"max_output": "unbounded_output", "user": "user_long", "tier": "tier_unknown"}
_ROWS |= {"metadata": "metadata_unfit"}
"""The row that a field is approximated by, where it is not its own."""


def _values(prompt: Prompt, approximated: set[str]) -> Json:
    said = {}
    for name in _PLAIN:
        told = {name, f"{name}_unsampled", _ROWS.get(name, name)} & approximated
        if not told and (value := getattr(prompt, name)) and value != _NEUTRAL.get(name):
            said[name] = value
    heat = prompt.temperature
    if heat is not None and "temperature_unsampled" not in approximated:
        said["temperature"] = min(heat, 1) if "temperature_above_one" in approximated else heat
    return {name: value for name, value in said.items() if value != SAMPLING.get(name)}


def _thinking(prompt: Prompt, target: Dialect) -> Any:
    """Effort, budget, off or as much as the model sees fit; the last goes without saying where it is so."""
    reasoning = prompt.reasoning
    if reasoning is None or not asks(reasoning):
        return None
    wish = fitted(prompt, target)
    if wish.silent or not (wish.thinks or wish.off):
        return None
    return reasoning.effort, reasoning.budget, reasoning.off, reasoning.dynamic and reasoning.effort is None


def _tool(tool: object, approximated: set[str]) -> Any:
    """A tool; `strict` that is not said is false, which responses has to say."""
    if isinstance(tool, ServerTool):
        told = [
            getattr(tool.search, member)
            for row, member in ROWS.items()
            if tool.search is not None and row not in approximated
        ]
        return ("server", tool.kind, told if any(told) else [])
    assert isinstance(tool, Tool), tool
    strict = "tool_strict" not in approximated and bool(tool.strict)
    schema = {"type": "object", **tool.schema} if tool.schema else {"type": "object", "properties": {}}
    cache = None if "cache_marker" in approximated else tool.cache
    return (
        tool.name,
        tool.description or None,
        None if "tool_schema_limits" in approximated else schema,
        strict,
        cache,
    )


_INSTRUCTING = (Role.SYSTEM, Role.DEVELOPER)


def _turns(prompt: Prompt, approximated: set[str], target: Dialect) -> list[Any]:
    """Instructions at the head, then who said what; neighbouring turns of one side are one."""
    turns: list[Any] = []
    supplied = bool(approximated & {"user_first", "document_alone", "nothing_said"})
    ids: dict[str, int] = {}
    for turn in prompt.turns:
        side = "user" if turn.role in (Role.USER, Role.TOOL) else turn.role.value
        if turn.role in _INSTRUCTING:
            midway = any(one not in _HEAD for one, _ in turns)
            alone = "system_alone" in approximated and target is Dialect.GEMINI
            side = "user" if (midway and "system_midway" in approximated) or alone else side
            side = "system" if "developer" in approximated and side == "developer" else side
        parts = [part for one in turn.parts for part in _part(one, approximated, ids, target)]
        if turn.name is not None and parts and "participant" not in approximated:
            parts = [("name", turn.name), *parts]
        if supplied:  # what a user was made to say means nothing
            parts = [part for part in parts if part != ("text", SUPPLIED)]
        if "form_json" in approximated:
            parts = [part for part in parts if part != ("text", JSON_ASKED)]
        if turns and turns[-1][0] == side:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((side, parts))
    return [(side, _shown_after(parts) if "result_media" in approximated else parts) for side, parts in turns]


_HEAD = ("system", "developer")


def _shown_after(parts: list[Any]) -> list[Any]:
    """The parts of one side with what results of tools show standing after them, as the matrix says."""
    told: list[Any] = []
    shown: list[Any] = []
    for part in parts:
        if part[0] != "result":
            told, shown = [*told, *shown], []
            told.append(part)
            continue
        kept = [("text", SHOWN) if one[0] in _KINDS else one for one in part[2]]
        shown += [one for one in part[2] if one[0] in _KINDS]
        told.append((*part[:2], kept, *part[3:]))
    return [*told, *shown]


_KINDS = frozenset(Kind)
_SUPPLIED_NAME = re.compile(r"document(\.\w+)?( \d+)?")


def _part(part: Part, approximated: set[str], ids: dict[str, int], target: Dialect | None) -> list[Any]:
    """A part, and the cache marker after it."""
    told = _said(part, approximated, ids, target)
    cache = getattr(part, "cache", None)
    if cache is not None and told and "cache_marker" not in approximated:
        told.append(("cache", cache.ttl))
    return told


def _said(part: Part, approximated: set[str], ids: dict[str, int], target: Dialect | None) -> list[Any]:
    if isinstance(part, Text | Declined):
        return [("text", part.text)] if part.text else []
    if isinstance(part, Media):
        return _media(part, approximated)
    if isinstance(part, Call):
        at = ids.setdefault(part.id, len(ids))
        return [("call", at, part.name, _arguments(part.arguments))]
    if isinstance(part, Result):
        at = ids.setdefault(part.id, len(ids))
        held = [one for inner in part.parts for one in _part(inner, approximated, {}, target)]
        caches = [one for one in held if one[0] == "cache"]  # said after the result, where not within it
        held = [one for one in held if one[0] != "cache"]
        failed = bool(part.failed) and "result_failed" not in approximated
        if failed and not held:
            held = [("text", FAILED)]
        return [("result", at, held, failed), *caches]
    if isinstance(part, Thought):
        if "foreign_thought" in approximated:
            return []
        return [("thought", part.text, part.signature, part.sealed)]
    if target is not None and part.own.dialect is not target:
        offered = part.what == "tool_reference"
        return [("text", f"The tool {part.own.members.get('tool_name')} is offered.")] if offered else []
    return [("foreign", part.what)]


def _media(part: Media, approximated: set[str]) -> list[Any]:
    unnamed = part.kind is not Kind.DOCUMENT or approximated & {"document_name", "document_name_unfit"}
    name = None if unnamed or _SUPPLIED_NAME.fullmatch(part.name or "") else part.name
    if part.text is not None:
        title = [] if name is None or "document_text_name" in approximated else [("title", name)]
        return [*title, ("text", part.text)]
    detail = None if "image_detail" in approximated or part.detail == "auto" else part.detail
    mime = part.mime or mimetypes.guess_type(part.name or "")[0] if part.data is not None else None
    return [(part.kind, mime, part.data, part.url, part.file, name, detail)]


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
    if isinstance(part, Call):
        return [("call", part.id, part.name, _arguments(part.arguments))]
    if isinstance(part, Thought):
        said = (part.text, part.signature or None, part.sealed)
        return [("thought", *said)] if any(said) else []
    return _said(part, set(), {}, None)


def _joined(said: list[Any]) -> list[Any]:
    """Neighbouring texts are one text: no dialect means anything by the seam."""
    joined: list[Any] = []
    for one in said:
        if one[0] == "text" and joined and joined[-1][0] == "text":
            joined[-1] = ("text", joined[-1][1] + one[1])
        else:
            joined.append(one)
    return joined
