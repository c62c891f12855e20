"""A judged request made ready for a target of another format: what the writers would stumble over is settled.

Neutral values are forgotten before it is judged, so that no default is refused. What was approximated or left
out by name is taken out here, and what a format wants for its form alone is supplied.
"""

from __future__ import annotations

import mimetypes
from itertools import takewhile

from baseload.wire.dialects.asking import limited, media
from baseload.wire.dialects.fitting import claude_schema, id_of, object_schema, tier_of, user_of
from baseload.wire.dialects.matrix import JSON_ASKED, SUPPLIED
from baseload.wire.dialects.nouns import (
    Call,
    Dialect,
    Foreign,
    Kind,
    Media,
    Part,
    Prompt,
    Result,
    Role,
    ServerTool,
    Service,
    Shape,
    Text,
    Thought,
    Tool,
    ToolUse,
    Turn,
)
from baseload.wire.dialects.searching import ROWS
from baseload.wire.dialects.thinking import unsampled

_ZERO = ("presence_penalty", "frequency_penalty", "top_logprobs", "logprobs")
_EMPTY = ("stop", "tools", "metadata", "user")
_INSTRUCTING = (Role.SYSTEM, Role.DEVELOPER)


def forget_neutral(prompt: Prompt) -> None:
    """Take out what says only what holds anyway."""
    for name in _ZERO:
        if not getattr(prompt, name):
            setattr(prompt, name, None)
    for name in _EMPTY:
        if getattr(prompt, name) in ([], {}, ""):
            setattr(prompt, name, None)
    if prompt.choices == 1:
        prompt.choices = None
    if prompt.tier == "auto":
        prompt.tier = None
    if not prompt.tools:
        prompt.tool_choice = prompt.parallel_calls = None
    form = prompt.form
    if form is not None and form.shape is Shape.TEXT and (form.own is None or not form.own.members):
        prompt.form = None


_KINDS = frozenset(kind.value for kind in Kind)


def drop(prompt: Prompt, name: str) -> None:
    """Take a row's field out of the request."""
    if name == "serial_calls":
        prompt.parallel_calls = None
    elif name in ("form_json", "form_schema"):
        prompt.form = None
    elif name.startswith("tool_choice"):
        prompt.tool_choice = None
    elif name in frozenset(Service):
        prompt.tools = [
            one for one in prompt.tools or () if not (isinstance(one, ServerTool) and one.kind == name)
        ]
    elif name in ROWS:
        for tool in prompt.tools or ():
            if isinstance(tool, ServerTool) and tool.search is not None:
                setattr(tool.search, ROWS[name], None)
    elif name.partition("_")[0] in _KINDS:
        for turn in prompt.turns:
            _drop_media(turn.parts, name)
            for part in turn.parts:
                if isinstance(part, Result):
                    _drop_media(part.parts, name)
    else:
        setattr(prompt, name, None)


def _drop_media(parts: list[Part], name: str) -> None:
    """Take media of one row out; where nothing else is said, that it was left out is."""
    kept = [part for part in parts if not (isinstance(part, Media) and media(part) == name)]
    if len(kept) < len(parts):
        parts[:] = kept or [Text(f"({name.partition('_')[0]} left out)")]


def settle(prompt: Prompt, target: Dialect) -> list[str]:
    """Make a judged request ready to be written. What had to go with something dropped, by its path."""
    prompt.tier = tier_of(prompt.tier, target)
    prompt.user = user_of(prompt.user, target)
    for name in unsampled(prompt, target):
        setattr(prompt, name, None)
    form = prompt.form
    if form is not None and form.schema is not None and limited(form, prompt.model, target):
        form.schema = claude_schema(form.schema)
    if form is not None and form.shape is Shape.JSON and target in _STRICT_ON_TEXT:
        _ask_for_json(prompt)
    gone = _settle_tools(prompt, target)
    for turn in prompt.turns:
        speechless = turn.role in (Role.ASSISTANT, *_INSTRUCTING) or not any(map(_says, turn.parts))
        turn.parts = _settled(turn.parts, target)
        if not turn.parts and not speechless:
            turn.parts = [Text(_LEFT_OUT)]
    prompt.turns = [turn for turn in prompt.turns if turn.parts or _may_be_empty(turn, target)]
    if target is Dialect.MESSAGES and all(turn.role in _INSTRUCTING for turn in prompt.turns):
        prompt.turns.append(Turn(Role.USER, [Text(SUPPLIED)], plain=True))
    return gone


def _ask_for_json(prompt: Prompt) -> None:
    """Anthropic and Amazon have no JSON mode: the instructions end with asking for it."""
    prompt.form = None
    instructions = takewhile(lambda turn: turn.role in _INSTRUCTING, prompt.turns)
    prompt.turns.insert(sum(1 for _ in instructions), Turn(Role.SYSTEM, [Text(JSON_ASKED)], plain=True))


_LEFT_OUT = "(left out)"
"""What stands where nothing else is left of a turn or of a tool's result."""


def _says(part: Part) -> bool:
    return not isinstance(part, Text) or bool(part.text)


def _may_be_empty(turn: Turn, target: Dialect) -> bool:
    """Whether a turn that says nothing is kept: Anthropic and Amazon refuse one, others have seen it."""
    return target not in (Dialect.MESSAGES, Dialect.CONVERSE) and turn.role is not Role.ASSISTANT


def _settle_tools(prompt: Prompt, target: Dialect) -> list[str]:
    """Tools without those of the source alone, and no choice among tools that are gone."""
    if prompt.tools is None:
        return []
    kept = [tool for tool in prompt.tools if not isinstance(tool, Foreign) or tool.own.dialect is target]
    prompt.tools = kept or None
    for tool in kept:
        if isinstance(tool, Tool):
            tool.cache = tool.cache if target in _CACHING else None
            if target in _STRICT_ON_TEXT:
                tool.schema = object_schema(tool.schema)
            if tool.strict and limited(tool, prompt.model, target):
                tool.schema = claude_schema(tool.schema or {})
    choice = prompt.tool_choice
    names = {tool.name if isinstance(tool, Tool) else "" for tool in kept}
    if choice is not None and (not kept or (choice.use is ToolUse.NAMED and choice.name not in names)):
        prompt.tool_choice = None
        return ["tool_choice"]
    return []


_CACHING = (Dialect.MESSAGES, Dialect.CONVERSE)
_STRICT_ON_TEXT = (Dialect.MESSAGES, Dialect.CONVERSE)


def _settled(parts: list[Part], target: Dialect) -> list[Part]:
    """The parts that the target can be told, each as it takes it."""
    settled: list[Part] = []
    for part in parts:
        if isinstance(part, Foreign) and part.own.dialect is not target:
            if part.what == "tool_reference":
                settled.append(Text(f"The tool {part.own.members.get('tool_name')} is offered."))
            continue
        if isinstance(part, Thought) and part.origin is not target:
            if target is not Dialect.CHAT or not part.text:
                continue
        elif isinstance(part, Text) and not part.text and target in _STRICT_ON_TEXT:
            continue
        _settle_part(part, target)
        settled.append(part)
    return settled


def _settle_part(part: Part, target: Dialect) -> None:
    if isinstance(part, Text | Media | Call | Result) and target not in _CACHING:
        part.cache = None
    if isinstance(part, Call | Result):
        part.id = id_of(part.id, target)
    if isinstance(part, Result):
        says = any(map(_says, part.parts))
        part.parts = _settled(part.parts, target)
        if not part.parts:
            part.parts, part.plain = [Text(_LEFT_OUT)] if says else [], True
    elif isinstance(part, Media) and part.kind is Kind.DOCUMENT and part.data is not None:
        part.mime = part.mime or mimetypes.guess_type(part.name or "")[0] or _USUAL
        if part.name is None and target in _NAMING:
            part.name = "document" + (mimetypes.guess_extension(part.mime) or ".pdf")


_NAMING = (Dialect.CHAT, Dialect.RESPONSES)
"""Dialects that refuse a document without a name (openai-agents-python#1513)."""

_USUAL = "application/pdf"
"""The media type of a document that says none, nor has a name that does."""


def searches_tools(part: Foreign) -> bool:
    """Whether it is a call of Anthropic's own search among tools, all of which others are offered."""
    name = part.own.members.get("name")
    return part.what == "server_tool_use" and isinstance(name, str) and name.startswith("tool_search_tool")
